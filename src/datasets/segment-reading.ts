import { giveBack } from '../core/bytes.ts';
import { GodwitError } from '../core/errors.ts';
import type { PackRecord } from '../ports/chunk-store.ts';
import type { FileReader } from '../ports/file-tree.ts';
import type { CutSegment, SegmentCutter } from '../ports/segment-cutter.ts';
import type { ContentCut } from './content-cut.ts';
import type { ChunkRef, ContentRef } from './manifest.ts';

/**
 * Reads a large file by segments that other processors cut and hash, several at a time, and joins what they found in the order of the file. The arrays go round, so that a file of any size needs the memory
 * of a few segments.
 */

/** Long enough that what is cut twice, a few chunks a segment, does not count; short enough that several are no burden. */
const segmentBytes = 8 * 1024 * 1024;
/** Manifest nodes that are stored at a time, in bytes. */
const storedBytesMax = 1024 * 1024;

/** The fault of a file that ends before its size. */
export function becameShorter(): GodwitError {
  return new GodwitError('FILE_CHANGED', 'A file became shorter while it was read; it will be read again.', { retryable: true });
}

/**
 * Cuts the first `sizeBytes` of a file.
 *
 * @throws GodwitError `FILE_CHANGED` when it is shorter, or whatever reader, cutter and `store` throw
 */
export async function cutSegments(
  reader: Pick<FileReader, 'read'>,
  sizeBytes: number,
  averageBytes: number,
  cut: ContentCut,
  cutter: SegmentCutter,
  store: (records: readonly PackRecord[]) => Promise<void>,
): Promise<{ readonly content: ContentRef; readonly chunks: Iterable<ChunkRef> }> {
  const free: Uint8Array<ArrayBuffer>[] = [];
  const cutting: Promise<CutSegment>[] = [];
  const join = async (segment: Promise<CutSegment>): Promise<void> => {
    const done = await segment;
    cut.pushSegment(done);
    free.push(new Uint8Array(done.bytes.buffer));
    if (cut.recordBytes >= storedBytesMax) await store(cut.takeRecords());
  };
  try {
    for (let position = 0; position < sizeBytes; position += segmentBytes) {
      const room = free.pop() ?? new Uint8Array(segmentBytes);
      const segment = room.subarray(0, Math.min(segmentBytes, sizeBytes - position));
      await fill(segment, reader, position);
      const result = cutter.cut(segment, averageBytes);
      // Waited for in its turn; until then nobody may take its failure for one that is not looked at.
      result.catch(() => {});
      cutting.push(result);
      if (cutting.length >= cutter.segmentsAtOnce) await join(cutting.shift() as Promise<CutSegment>);
    }
    for (let next = cutting.shift(); next !== undefined; next = cutting.shift()) await join(next);
  } finally {
    await Promise.allSettled(cutting);
    // What is to be noted of so large a file needs memory as well.
    for (const room of free) giveBack(room);
  }
  const result = cut.end();
  await store(cut.takeRecords());
  return result;
}

async function fill(segment: Uint8Array, reader: Pick<FileReader, 'read'>, position: number): Promise<void> {
  let filled = 0;
  while (filled < segment.length) {
    const room = segment.subarray(filled);
    const bytes = await reader.read(position + filled, room.length, room);
    if (bytes.length === 0) throw becameShorter();
    if (bytes.buffer !== room.buffer) room.set(bytes);
    filled += bytes.length;
  }
}
