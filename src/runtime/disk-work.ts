import { setImmediate } from 'node:timers/promises';
import { giveBack } from '../core/bytes.ts';
import type { PackRecord } from '../ports/chunk-store.ts';
import type { Sighting } from '../ports/file-tree.ts';
import { listDisk, readWholeFiles, type WholeFiles } from './disk-survey.ts';
import { encodeRecord } from './pack-record.ts';

/**
 * Work on files that takes the processor or waits for the disk long enough to hold up a node's links, in portions of a few milliseconds: done by other threads (`worker-pool.ts`) or between other things.
 * Whoever does it, the results are the same.
 */
export interface DiskWork {
  /** Pages of a directory tree, as a survey tells them. Rejects with the operating system's error when the root cannot be listed. */
  list(root: string): AsyncIterable<string>;
  /** Small files, as `readWholeFiles` reads them. */
  readWhole(root: string, files: readonly Sighting[]): Promise<WholeFiles>;
  /** Records as they stand in a pack, in their order. */
  encode(records: readonly PackRecord[]): Promise<EncodedRecords>;
}

/** Encoded records: their bytes behind one another, and the length of each. */
export interface EncodedRecords {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly lengths: readonly number[];
}

/** Chunks whose bytes stand behind one another, with their hashes: what a record is made of, in two arrays instead of thousands. */
export interface JoinedRecords {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly hashes: Uint8Array<ArrayBuffer>;
  readonly lengths: readonly number[];
}

/** Encodes records in one piece of work. */
export function encodeRecords(records: readonly PackRecord[]): EncodedRecords {
  const encoded = records.map(encodeRecord);
  const lengths = encoded.map(({ header, body }) => header.length + body.length);
  const bytes = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0));
  let filled = 0;
  for (const [at, { header, body }] of encoded.entries()) {
    bytes.set(header, filled);
    bytes.set(body, filled + header.length);
    filled += header.length + body.length;
    // Last, as it has no length any more.
    if (body !== records[at]?.bytes) giveBack(body);
  }
  return { bytes, lengths };
}

/** The work done by this thread, with room for everything else between its portions. */
export const workInline: DiskWork = {
  async *list(root) {
    for (const runs of listDisk(root)) {
      yield runs.join('\0');
      await setImmediate();
    }
  },
  async readWhole(root, files) {
    await setImmediate();
    return readWholeFiles(root, files);
  },
  async encode(records) {
    await setImmediate();
    return encodeRecords(records);
  },
};
