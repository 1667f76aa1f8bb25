import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareBytes, utf8 } from '../../../src/core/bytes.ts';
import { observationSchema } from '../../../src/observations/observation-store.ts';
import { worseFlags } from '../../../src/observations/quality-checks.ts';
import { RowStore, type StoredRow } from '../../../src/observations/row-store.ts';
import type { SegmentRow } from '../../../src/observations/segment-batch.ts';
import { encodeSegment } from '../../../src/observations/segment-codec.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';
import { zstdCompressor } from '../../../src/runtime/zstd-compressor.ts';

const minuteUs = 60_000_000;
/** Two readers of one logger: rows of one variant agree, rows of two are different observations of the same times. */
interface Batch {
  readonly from: number;
  readonly count: number;
  /** Every so many minutes a row. */
  readonly stride: number;
  readonly variant: number;
  readonly flag: number | undefined;
  readonly isShuffled: boolean;
}

const batches = fc.array(
  fc.record({
    from: fc.nat(1500),
    count: fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 250, max: 900 })),
    stride: fc.constantFrom(1, 1, 1, 2, 3),
    variant: fc.constantFrom(0, 0, 0, 0, 1),
    flag: fc.constantFrom(undefined, 1, 2, 3, 9),
    isShuffled: fc.constantFrom(false, false, false, true),
  }),
  { minLength: 1, maxLength: 8 },
);

function rowsOf({ from, count, stride, variant, flag, isShuffled }: Batch): SegmentRow[] {
  const rows = Array.from({ length: count }, (_, index): SegmentRow => {
    const minute = from + index * stride;
    const cells = [String((minute * 37) % 100), variant === 0 ? null : `other ${minute % 3}`];
    const numbered = minute % 7 === 0 ? {} : { recordNumber: minute };
    // Not every row of a batch has been checked.
    const flags = flag === undefined || minute % 5 === 0 ? {} : { flags: Uint8Array.of(flag, 2) };
    return { timeUs: minute * minuteUs, ...numbered, cells, ...flags };
  });
  return isShuffled ? rows.toSorted((a, b) => ((a.timeUs / minuteUs) % 13) - ((b.timeUs / minuteUs) % 13)) : rows;
}

function nameOf({ timeUs, recordNumber, cells }: StoredRow): string {
  return JSON.stringify([timeUs, recordNumber ?? -1, cells]);
}

function inOrder(rows: Iterable<StoredRow>): StoredRow[] {
  return [...rows].sort(
    (a, b) =>
      a.timeUs - b.timeUs ||
      (a.recordNumber ?? -1) - (b.recordNumber ?? -1) ||
      compareBytes(utf8(JSON.stringify(a.cells)), utf8(JSON.stringify(b.cells))),
  );
}

/** What a store of rows is, said plainly. */
class PlainRows {
  readonly #rowByName = new Map<string, StoredRow>();

  insert(rows: readonly SegmentRow[]): number {
    const before = this.#rowByName.size;
    for (const row of rows) {
      const known = this.#rowByName.get(nameOf(row));
      const flags = known?.flags && row.flags ? worseFlags(known.flags, row.flags) : (row.flags ?? known?.flags);
      this.#rowByName.set(nameOf(row), { ...row, ...(flags && { flags }) });
    }
    return this.#rowByName.size - before;
  }

  has(row: StoredRow): boolean {
    return this.#rowByName.has(nameOf(row));
  }

  all(): StoredRow[] {
    return inOrder(this.#rowByName.values());
  }
}

function emptyStore(): { readonly store: RowStore; readonly blocks: () => number; readonly close: () => void } {
  const catalog = openSqliteCatalog(':memory:');
  catalog.migrate(observationSchema);
  catalog.run("INSERT INTO table_revision (id, dataset, hash, station, name, payload) VALUES (1, x'00', x'00', '', '', x'00')");
  const store = new RowStore(catalog, zstdCompressor);
  const blocks = (): number => catalog.get<{ n: number }>('SELECT count(*) AS n FROM observation_block')?.n ?? 0;
  return { store, blocks, close: () => catalog.close() };
}

/** Enters a batch as it comes from a peer: as bytes. */
function enter(store: RowStore, rows: readonly SegmentRow[]): number {
  const segment = encodeSegment({ rows, fieldCount: 2 }, zstdCompressor, 1);
  const unpacked = store.unpack(segment);
  if (!unpacked.ok) throw new Error(unpacked.fault.message);
  return store.insert(1, unpacked.value, segment);
}

const plain = (rows: Iterable<StoredRow>): unknown[] =>
  [...rows].map(({ timeUs, recordNumber, cells, flags }) => [timeUs, recordNumber, cells, flags && [...flags]]);

describe('stored rows', () => {
  it('are each there once, in order, with the worst flags, however they came', () => {
    fc.assert(
      fc.property(batches, fc.nat(2000), fc.nat(2000), fc.integer({ min: 1, max: 700 }), (some, a, b, count) => {
        const { store, close } = emptyStore();
        try {
          const model = new PlainRows();
          for (const rows of some.map(rowsOf)) {
            expect(plain(store.unstored(1, rows))).toEqual(plain(rows.filter((row) => !model.has(row))));
            expect(enter(store, rows)).toBe(model.insert(rows));
          }
          const all = model.all();
          const [fromUs, toUs] = [Math.min(a, b) * minuteUs, Math.max(a, b) * minuteUs];
          expect(plain(store.rows(1, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER))).toEqual(plain(all));
          expect(plain(store.rows(1, fromUs, toUs))).toEqual(plain(all.filter(({ timeUs }) => timeUs >= fromUs && timeUs < toUs)));
          expect(plain(store.before(1, toUs, count))).toEqual(plain(all.filter(({ timeUs }) => timeUs < toUs).slice(-count)));
          expect(store.extent(1)).toEqual({ rows: all.length, firstUs: all[0]?.timeUs, lastUs: all.at(-1)?.timeUs });
        } finally {
          close();
        }
      }),
      { numRuns: 60, seed: 20_261_122 },
    );
  });

  it('are the same in whatever order batches come', () => {
    fc.assert(
      fc.property(batches, fc.nat(7), (some, turn) => {
        const [one, other] = [emptyStore(), emptyStore()];
        try {
          for (const batch of some) enter(one.store, rowsOf(batch));
          for (const index of some.keys()) enter(other.store, rowsOf(some[(index + turn) % some.length] as Batch));
          const everything = [1, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER] as const;
          expect(plain(one.store.rows(...everything))).toEqual(plain(other.store.rows(...everything)));
        } finally {
          one.close();
          other.close();
        }
      }),
      { numRuns: 30, seed: 20_261_123 },
    );
  });

  it('rest as the segments they came in, when they are many and later than what is there', () => {
    const { store, blocks, close } = emptyStore();
    try {
      const batch = { count: 600, stride: 1, variant: 0, flag: 1, isShuffled: false };
      enter(store, rowsOf({ ...batch, from: 0 }));
      expect(blocks()).toBe(1);
      // The first of these is there already, and is said to be worse now.
      enter(store, rowsOf({ ...batch, from: 599, flag: 3 }));
      expect(blocks()).toBe(2);
      expect([...store.rows(1, 599 * minuteUs, 600 * minuteUs)].map(({ flags }) => flags)).toEqual([Uint8Array.of(3, 2)]);
      enter(store, rowsOf({ ...batch, from: 300 }));
      expect(blocks()).toBe(2);
    } finally {
      close();
    }
  });

  it('are refused by name where their catalog was damaged', () => {
    const catalog = openSqliteCatalog(':memory:');
    catalog.migrate(observationSchema);
    catalog.run("INSERT INTO table_revision (id, dataset, hash, station, name, payload) VALUES (1, x'00', x'00', '', '', x'00')");
    enter(new RowStore(catalog, zstdCompressor), rowsOf({ from: 0, count: 300, stride: 1, variant: 0, flag: 1, isShuffled: false }));
    catalog.run("UPDATE observation_block SET segment = x'00'");
    const read = (): unknown => [...new RowStore(catalog, zstdCompressor).rows(1, 0, Number.MAX_SAFE_INTEGER)];
    expect(read).toThrow(expect.objectContaining({ code: 'CATALOG_DAMAGED' }));
    catalog.close();
  });
});
