import { ByteRooms } from '../core/byte-rooms.ts';
import { gatherBytes } from '../core/bytes.ts';
import type { Hash } from '../core/identifiers.ts';
import { type ChunkRef, totalBytes } from './manifest.ts';
import { readAhead } from './read-ahead.ts';

/**
 * Reads a content from its beginning to its end by runs of chunks, for whoever is done with each run when he asks for the next: a run is read at once where its chunks lie behind one another, the next ones come
 * from the disk meanwhile, and all pass through the same memory.
 */

/** Bytes of content in a run, about. */
const runBytes = 1024 * 1024;
/** Runs that are read at a time. */
const runsAhead = 3;
/** Room for what stands around a chunk in a pack. */
const aroundChunkBytes = 64;

/** A run, and its bytes in as few pieces as possible; `undefined` when one of its chunks could not be had as its reference says. */
interface ReadRun {
  readonly run: readonly ChunkRef[];
  readonly pieces: readonly Uint8Array[] | undefined;
}

/** The runs of a content. `readAll` reads verified chunks, into the room that it is given as far as it goes. */
export async function* readRuns(
  refs: AsyncIterable<ChunkRef>,
  readAll: (hashes: readonly Hash[], room: Uint8Array) => Promise<Uint8Array[] | undefined>,
): AsyncGenerator<ReadRun, void, void> {
  const rooms = new ByteRooms(runsAhead * 2 * runBytes);
  const read = async (run: readonly ChunkRef[]) => {
    const room = rooms.take(totalBytes(run) + run.length * aroundChunkBytes);
    const chunks = await readAll(
      run.map(({ hash }) => hash),
      room,
    );
    return { room, chunks };
  };
  for await (const [run, { room, chunks }] of readAhead(runsOf(refs), runsAhead, read)) {
    const isWhole = chunks !== undefined && run.every(({ lengthBytes }, at) => chunks[at]?.length === lengthBytes);
    yield { run, pieces: isWhole ? joinedIn(room, chunks) : undefined };
    rooms.giveBack(room);
  }
}

async function* runsOf(refs: AsyncIterable<ChunkRef>): AsyncGenerator<readonly ChunkRef[], void, void> {
  let run: ChunkRef[] = [];
  let bytes = 0;
  for await (const ref of refs) {
    run.push(ref);
    bytes += ref.lengthBytes;
    if (bytes < runBytes) continue;
    yield run;
    run = [];
    bytes = 0;
  }
  if (run.length > 0) yield run;
}

/** Chunks that lie in `room` are moved together there. */
function joinedIn(room: Uint8Array, chunks: readonly Uint8Array[]): readonly Uint8Array[] {
  if (chunks.some(({ buffer }) => buffer !== room.buffer)) return chunks;
  const joined = room.subarray(
    0,
    chunks.reduce((sum, { length }) => sum + length, 0),
  );
  gatherBytes(joined, chunks);
  return [joined];
}
