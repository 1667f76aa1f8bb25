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

/** What comes a few at a time and in no order, thousands of rows in all. */
const trickle = fc.array(
  fc.record({
    from: fc.nat(6000),
    variant: fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1),
    flag: fc.constantFrom(undefined, 1, 3),
  }),
  {
    minLength: 30,
    maxLength: 60,
  },
);

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

  it('that come a few at a time are gathered into blocks, and nobody can tell, not even who is reading', () => {
    fc.assert(
      fc.property(trickle, fc.nat(40), (some, late) => {
        const { store, blocks, close } = emptyStore();
        try {
          const model = new PlainRows();
          const enterBoth = (rows: readonly SegmentRow[]): void => expect(enter(store, rows)).toBe(model.insert(rows));
          let before: StoredRow[] | undefined;
          let reading: IterableIterator<StoredRow> | undefined;
          const read: StoredRow[] = [];
          for (const [index, { from, variant, flag }] of some.entries()) {
            // A logger that is asked again and again, and two hundred rows of somebody else's at any time.
            enterBoth(rowsOf({ from: index * 150, count: 150, stride: 1, variant: 0, flag, isShuffled: false }));
            if (index % 5 === 0) enterBoth(rowsOf({ from, count: 200, stride: 1, variant, flag, isShuffled: index % 2 === 0 }));
            if (index === late) {
              before = model.all();
              reading = store.rows(1, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
            }
            for (let count = 0; reading !== undefined && count < 170; count++) {
              const next = reading.next();
              if (next.done !== true) read.push(next.value);
            }
          }
          expect(blocks()).toBeGreaterThan(0);
          const all = model.all();
          expect(plain(store.rows(1, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER))).toEqual(plain(all));
          expect(plain(store.unstored(1, all))).toEqual([]);
          expect(store.extent(1)).toEqual({ rows: all.length, firstUs: all[0]?.timeUs, lastUs: all.at(-1)?.timeUs });
          if (before === undefined || reading === undefined) return;
          for (const row of reading) read.push(row);
          const names = read.map(nameOf);
          expect(new Set(names).size).toBe(names.length);
          expect(names).toEqual(inOrder(read).map(nameOf));
          const seen = new Set(names);
          expect(before.filter((row) => !seen.has(nameOf(row)))).toEqual([]);
        } finally {
          close();
        }
      }),
      { numRuns: 12, seed: 20_261_124 },
    );
  });

  it('that come a few at a time leave room for what fills a hole between them, and stay as they are where two have one time', () => {
    const { store, blocks, close } = emptyStore();
    const poll = (from: number, count: number, variant = 0): void => {
      for (let index = 0; index < count; index += 10)
        enter(store, rowsOf({ from: from + index, count: 10, stride: 1, variant, flag: 1, isShuffled: false }));
    };
    try {
      poll(0, 600);
      poll(100_000, 2000);
      expect(blocks()).toBe(1);
      enter(store, rowsOf({ from: 1000, count: 900, stride: 1, variant: 0, flag: 1, isShuffled: false }));
      expect(blocks()).toBe(2);
      poll(200_000, 3000);
      expect(blocks()).toBe(3);
      for (let from = 300_000; from < 303_000; from += 10) for (const variant of [0, 1]) poll(from, 10, variant);
      poll(400_000, 1500);
      const before = blocks();
      const reading = store.rows(1, 300_000 * minuteUs, Number.MAX_SAFE_INTEGER);
      reading.next();
      poll(401_500, 1500);
      expect(blocks()).toBe(before + 1);
      // Half of what is gathered now was read as loose rows, and half of it was not.
      expect([...reading].filter(({ timeUs }) => timeUs < 401_500 * minuteUs)).toHaveLength(6000 + 1500 - 1);
      expect([...store.rows(1, 0, Number.MAX_SAFE_INTEGER)]).toHaveLength(600 + 2000 + 900 + 3000 + 6000 + 3000);
    } finally {
      close();
    }
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
