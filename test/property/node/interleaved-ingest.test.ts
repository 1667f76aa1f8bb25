import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, equalBytes, utf8 } from '../../../src/core/bytes.ts';
import type { CborValue } from '../../../src/core/cbor.ts';
import type { DatasetId, Hash, NodeId } from '../../../src/core/identifiers.ts';
import type { WallMs } from '../../../src/core/time.ts';
import type { ContentStore } from '../../../src/datasets/content-store.ts';
import { recordFormats } from '../../../src/formats/record-formats.ts';
import { Ingest } from '../../../src/node/ingest.ts';
import type { IngestHost, IngestParts } from '../../../src/node/row-writer.ts';
import { IngestLedger } from '../../../src/observations/ingest-ledger.ts';
import { ObservationStore } from '../../../src/observations/observation-store.ts';
import type { StoredRow } from '../../../src/observations/row-store.ts';
import { decodeSegment } from '../../../src/observations/segment-codec.ts';
import type { Catalog } from '../../../src/ports/catalog.ts';
import type { FileTree } from '../../../src/ports/file-tree.ts';
import { nodeCrypto } from '../../../src/runtime/node-crypto.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';
import { zstdCompressor } from '../../../src/runtime/zstd-compressor.ts';
import { declaredTimeZones } from '../../../src/simulation/declared-time-zones.ts';
import { toa5Text } from '../../../src/simulation/logger-files.ts';

/**
 * Files that several loggers, or two readers of one, write while they are read: in any pieces, on disks of any speed, with the power cut between any two steps. Rows come out once each; what was handed out while
 * buffers are used again (bytes to be archived, segments, rows that somebody looks at) stays what it was.
 */

const dataset = 'b2'.repeat(32) as DatasetId;
const self = 'a1'.repeat(32) as NodeId;
const intervalUs = 60_000_000;
const profile = {
  utcOffsetMinutes: 0,
  quality: { rules: [{ fields: ['*'], spike: { suspect: 0.3, fail: 3 }, flatLine: { tolerance: 0, suspectCount: 5, failCount: 20 } }] },
};

class PowerCut extends Error {}

/** Something that was handed out, and what it was then. */
interface Held {
  readonly now: () => Uint8Array;
  readonly before: Uint8Array;
}

/** What is durable, over all processes. */
interface Disk {
  readonly catalog: Catalog;
  readonly pieceByRoot: Map<string, Uint8Array>;
  readonly held: Held[];
  /** Rows that somebody looked at, and what they said then. */
  readonly shown: { readonly row: StoredRow; readonly before: string }[];
}

const keyOf = (root: Uint8Array) => root.join(' ');
const hold = (disk: Disk, bytes: Uint8Array) => disk.held.push({ now: () => bytes, before: bytes.slice() });

/** One process. `pause` says how long the disk takes, in turns of the loop; the power fails in the transaction of that number, before or behind it. */
function start(disk: Disk, pause: () => number, cut: { readonly at: number; readonly isDurable: boolean } | undefined) {
  const { catalog } = disk;
  let isDead = false;
  let transactions = 0;
  const alive = () => {
    if (isDead) throw new PowerCut();
  };
  const observations = new ObservationStore(catalog, nodeCrypto, zstdCompressor);
  const host: IngestHost = {
    self,
    clockQuality: 'unknown',
    wallMs: () => 0 as WallMs,
    exclusive: (_, work) => work(),
    atomically: (work) => {
      alive();
      isDead = transactions++ === cut?.at;
      const done = isDead && !cut?.isDurable ? undefined : catalog.transaction(work);
      alive();
      return done as ReturnType<typeof work>;
    },
    append: (_, kind, payload: CborValue) => {
      expect(observations.apply(dataset, self, kind, payload).ok).toBe(true);
      if (kind !== 'segment') return;
      const [table, segment] = payload as [Hash, Uint8Array];
      hold(disk, segment);
      const batch = decodeSegment(segment, zstdCompressor);
      const lastUs = (batch.ok ? batch.value.rows.at(-1)?.timeUs : undefined) ?? 0;
      for (const [at, row] of observations.rowsBefore(dataset, table, lastUs + 1, 2000).entries())
        if (at % 40 === 0) disk.shown.push({ row, before: JSON.stringify(row) });
    },
  };
  const contents = {
    addBytes: async (bytes: Uint8Array) => {
      alive();
      const copy = bytes.slice();
      for (let turns = pause(); turns > 0; turns--) await new Promise(setImmediate);
      alive();
      expect(equalBytes(bytes, copy)).toBe(true);
      const root = nodeCrypto.sha256(copy) as Hash;
      disk.pieceByRoot.set(keyOf(root), copy);
      return { root, sizeBytes: copy.length, depth: 0 };
    },
  } as unknown as ContentStore;
  const ledger = new IngestLedger(catalog);
  const parts: IngestParts = {
    observations,
    ledger,
    contents,
    crypto: nodeCrypto,
    compressor: zstdCompressor,
    formats: recordFormats,
    timeZones: declaredTimeZones({}),
    host,
  };
  return { ingest: new Ingest(parts), observations, ledger };
}

/** A folder in which files have grown to these lengths. Arrays that it reads into are the caller's alone. */
function folder(files: ReadonlyMap<string, Uint8Array>, pause: () => number): FileTree {
  const stat = async (path: string) => ({
    path,
    kind: 'file',
    sizeBytes: files.get(path)?.length ?? 0,
    mtimeNs: BigInt(files.get(path)?.length ?? 0),
  });
  return {
    stat,
    open: async (path: string) => ({
      stat: () => stat(path),
      read: async (offset: number, length: number) => {
        for (let turns = pause(); turns > 0; turns--) await new Promise(setImmediate);
        return (files.get(path) as Uint8Array).slice(offset, offset + length);
      },
      close: async () => {},
    }),
  } as unknown as FileTree;
}

const text = (station: string, firstRecord: number, rows: number) =>
  utf8(
    toa5Text({
      station,
      table: 'T',
      firstLocalUs: Date.UTC(2026, 0, 1) * 1000 + firstRecord * intervalUs,
      intervalUs,
      rows,
      firstRecord,
      seed: 1,
      withHeader: true,
    }),
  );

/** Rows of files, each once, by what their lines say. */
function rowsOfLines(files: Iterable<Uint8Array>): string[] {
  const rows = new Set<string>();
  for (const file of files) {
    const lines = new TextDecoder().decode(file).split('\r\n').slice(0, -1);
    const [, station] = (lines[0] as string).replaceAll('"', '').split(',');
    for (const line of lines.slice(4)) {
      const [, record, ...cells] = line.replaceAll('"', '').split(',');
      rows.add(`${station} ${record} ${cells.join(',')}`);
    }
  }
  return [...rows].sort();
}

const describeRow = (station: string, { recordNumber, cells }: StoredRow) =>
  `${station} ${recordNumber} ${cells.map((cell) => cell ?? 'NAN').join(',')}`;

describe('files of several loggers', () => {
  const files = new Map([
    ['one.dat', text('North', 0, 8000)],
    ['again.dat', text('North', 6000, 3500)],
    ['other.dat', text('South', 0, 2500)],
  ]);
  const fraction = fc.double({ min: 0, max: 1, noNaN: true });

  it('give every row once, whatever their lengths when they are read, and however often the power fails', async () => {
    const plan = fc.record({
      /** How far each file has grown at each visit. */
      visits: fc.array(fc.tuple(fraction, fraction, fraction), { minLength: 1, maxLength: 3 }),
      cuts: fc.array(fc.record({ at: fc.nat(8), isDurable: fc.boolean() }), { maxLength: 4 }),
      pauses: fc.array(fc.nat(4), { minLength: 1, maxLength: 12 }),
    });
    await fc.assert(
      fc.asyncProperty(plan, async ({ visits, cuts, pauses }) => {
        const disk: Disk = { catalog: openSqliteCatalog(':memory:'), pieceByRoot: new Map(), held: [], shown: [] };
        let turn = 0;
        const pause = () => pauses[turn++ % pauses.length] as number;
        const grown = [...visits.map((parts) => [...parts]), [1, 1, 1]];
        const [sizes, left] = [[0, 0, 0], [...cuts]];
        for (const parts of grown) {
          for (const [at, [, bytes]] of [...files].entries())
            sizes[at] = Math.max(sizes[at] as number, Math.round((parts[at] as number) * bytes.length));
          const now = new Map([...files].map(([path, bytes], at) => [path, bytes.subarray(0, sizes[at])]));
          for (;;) {
            const cut = left.shift();
            const { ingest } = start(disk, pause, cut);
            const tree = folder(now, pause);
            const done = await Promise.allSettled([...now.keys()].map((path) => ingest.ingestFile(dataset, tree, path, profile)));
            for (const each of done) if (each.status === 'rejected' && !(each.reason instanceof PowerCut)) throw each.reason;
            if (done.every(({ status }) => status === 'fulfilled')) break;
          }
        }
        const { observations, ledger } = start(disk, pause, undefined);
        const found = observations
          .tables(dataset)
          .flatMap(({ revision }) => Array.from(observations.rows(dataset, revision.id), (row) => describeRow(revision.stationId, row)));
        expect(found.sort()).toEqual(rowsOfLines(files.values()));
        for (const { now, before } of disk.held) expect(equalBytes(now(), before)).toBe(true);
        for (const { row, before } of disk.shown) expect(JSON.stringify(row)).toBe(before);
        for (const [source, bytes] of files) {
          const pieces = ledger.rawPieces(dataset, source).map(({ root }) => disk.pieceByRoot.get(keyOf(root)) as Uint8Array);
          expect(equalBytes(concatBytes(...pieces), bytes)).toBe(true);
        }
        // A file of which hardly anything is there is not known yet, and is read when more is.
        const isKnownCode = ledger.quarantined(dataset).every(({ code }) => code === 'FORMAT_UNKNOWN');
        expect(isKnownCode).toBe(true);
        for (const { read, stored, duplicate, quarantined } of ledger.counts(dataset).values())
          expect(read).toBe(stored + duplicate + quarantined);
      }),
      { numRuns: 8 },
    );
  }, 60_000);
});
