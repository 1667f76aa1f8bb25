import { HeaderLines } from '../campbell-header.ts';
import type { BytesByPlace, RingMark, UnrolledFile, UnrollOptions } from '../record-stream.ts';
import { readTob3Frame } from './tob3-frame.ts';
import { parseTob3Header, type Tob3Layout, tob3HeaderLines } from './tob3-header.ts';

/**
 * A ring file as it would be if it only grew: the header, and behind it the frames in the order in which the logger wrote them, round after round.
 *
 *     in the file    header | 7 8 9 | 4 5 6          unrolled    header | 4 5 6 7 8 9
 *     later          header | 7 8 9 10 | 5 6                     header | 4 5 6 7 8 9 10
 *
 * So a file that is taken again is read from where it was left, however often the ring has gone round. Frames are told apart by the number of their first record. The last frame read is remembered with its footer: where it
 * is another one now, because the logger went all the way round or put more into it, what was left out cannot be known, and the ring is unrolled anew from its oldest frame; rows that are stored already are recognised.
 *
 * Frames that do not belong to the file are stepped over as the reader does; behind the newest frame they are what lay on the card before. A run of them that is longer than `searchBytes` is taken for that.
 */

const blockBytes = 1024 * 1024;
const headerBytesMax = 256 * 1024;
const searchBytes = 1024 * 1024;

interface Ring {
  readonly layout: Tob3Layout;
  readonly headerBytes: number;
  readonly frames: number;
  /** Says which file it is: the header without what the logger changes in it. */
  readonly identity: string;
}

/** What tells a frame from others that stood or will stand in its place. */
interface FrameMark {
  readonly firstRecord: number;
  readonly footer: number;
}

/** The file unrolled; `undefined` when it has no header that can be read, or no frame of its own, or is complete before the ring has gone round: it is read as it stands then. */
export async function unrollTob3(
  file: BytesByPlace,
  sizeBytes: number,
  { complete, position }: UnrollOptions,
): Promise<UnrolledFile | undefined> {
  const ring = await ringOf(file, sizeBytes);
  if (ring === undefined) return undefined;
  const known = position?.mark;
  if (position !== undefined && known?.identity === ring.identity && known.start !== undefined) {
    const continued = await goOn(file, ring, Number(known.start), position.offset, {
      firstRecord: Number(known.firstRecord),
      footer: Number(known.footer),
    });
    if (continued !== undefined) return continued;
  }
  return unrollAnew(file, ring, complete);
}

async function ringOf(file: BytesByPlace, sizeBytes: number): Promise<Ring | undefined> {
  const lines = new HeaderLines(tob3HeaderLines);
  if (lines.read(await file.read(0, Math.min(sizeBytes, headerBytesMax))) !== 'whole') return undefined;
  const parsed = parseTob3Header(lines.lines);
  if (!parsed.ok) return undefined;
  const { layout } = parsed.value;
  const frames = Math.floor((sizeBytes - lines.end) / layout.frameBytes);
  // Where the ring stands, and when the card was taken out, change from visit to visit.
  const identity = JSON.stringify([frames, lines.lines.map((cells, line) => (line === 1 ? cells.slice(0, 6) : cells))]);
  return { layout, headerBytes: lines.end, frames, identity };
}

/** The marks of frames, from one place in the ring on and round its end; `undefined` for those that do not belong to the file. */
async function* marks(
  file: BytesByPlace,
  { layout, headerBytes, frames }: Ring,
  from: number,
): AsyncGenerator<FrameMark | undefined, void, void> {
  const { frameBytes } = layout;
  const atOnce = Math.max(1, Math.floor(blockBytes / frameBytes));
  for (let done = 0; done < frames; ) {
    const first = (from + done) % frames;
    const count = Math.min(atOnce, frames - done, frames - first);
    const bytes = await file.read(headerBytes + first * frameBytes, count * frameBytes);
    if (bytes.length < count * frameBytes) return;
    for (let at = 0; at < bytes.length; at += frameBytes) {
      const view = new DataView(bytes.buffer, bytes.byteOffset + at, frameBytes);
      const [part] = readTob3Frame(view, layout)?.parts ?? [];
      yield part && { firstRecord: part.firstRecord, footer: view.getUint32(frameBytes - 4, true) };
    }
    done += count;
  }
}

/** True when a frame was written after another. Numbers of records have 32 bits and begin again at 0. */
function isNewer(a: FrameMark, b: FrameMark): boolean {
  return ((a.firstRecord - b.firstRecord) | 0) > 0;
}

/** The ring from its oldest frame to its newest. */
async function unrollAnew(file: BytesByPlace, ring: Ring, complete: boolean): Promise<UnrolledFile | undefined> {
  const found: (FrameMark | undefined)[] = [];
  for await (const mark of marks(file, ring, 0)) found.push(mark);
  let newest = -1;
  for (const [index, mark] of found.entries()) {
    const best = found[newest];
    if (mark !== undefined && (best === undefined || isNewer(mark, best))) newest = index;
  }
  if (newest < 0) return undefined;
  const oldest = found.findIndex((mark, index) => index > newest && mark !== undefined);
  // A file that has not gone round yet and will not change any more is read as it stands: what lies at its end is told.
  if (complete && oldest < 0) return undefined;
  const start = Math.max(0, oldest);
  const count = ((newest - start + ring.frames) % ring.frames) + 1;
  const ordered = Array.from({ length: count }, (_, index) => found[(start + index) % ring.frames]);
  return new Unrolled(file, ring, start, 0, ordered);
}

/** What was written behind the frame that ends at `offset`, while that one is what it was. */
async function goOn(file: BytesByPlace, ring: Ring, start: number, offset: number, last: FrameMark): Promise<UnrolledFile | undefined> {
  const { frameBytes } = ring.layout;
  const before = (offset - ring.headerBytes) / frameBytes;
  if (!Number.isSafeInteger(before) || before < 1 || !Number.isSafeInteger(start) || start < 0) return undefined;
  const lastIndex = (start + before - 1) % ring.frames;
  const ordered: (FrameMark | undefined)[] = [];
  let newest = last;
  let isFirst = true;
  let end = 0;
  for await (const mark of marks(file, ring, lastIndex)) {
    if (isFirst) {
      if (mark?.firstRecord !== last.firstRecord || mark.footer !== last.footer) return undefined;
      isFirst = false;
      continue;
    }
    if (mark !== undefined && !isNewer(mark, newest)) break;
    ordered.push(mark);
    if (mark !== undefined) [newest, end] = [mark, ordered.length];
    else if ((ordered.length - end) * frameBytes > searchBytes) break;
  }
  return isFirst ? undefined : new Unrolled(file, ring, start, before, [last, ...ordered.slice(0, end)]);
}

class Unrolled implements UnrolledFile {
  readonly continues: boolean;
  readonly sizeBytes: number;
  readonly #file: BytesByPlace;
  readonly #ring: Ring;
  /** Frame of the file that comes first behind the header. */
  readonly #start: number;
  /** Which of the unrolled frames the first of the marks is. */
  readonly #firstMarked: number;
  readonly #marks: readonly (FrameMark | undefined)[];

  /** @param read which unrolled frames have been read already: the last of them is the first that is marked */
  constructor(file: BytesByPlace, ring: Ring, start: number, read: number, marked: readonly (FrameMark | undefined)[]) {
    const firstMarked = Math.max(0, read - 1);
    this.#file = file;
    this.#ring = ring;
    this.#start = start;
    this.#firstMarked = firstMarked;
    this.#marks = marked;
    this.continues = read > 0;
    this.sizeBytes = ring.headerBytes + (firstMarked + marked.length) * ring.layout.frameBytes;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const { headerBytes, frames, layout } = this.#ring;
    const ringBytes = frames * layout.frameBytes;
    const bytes = new Uint8Array(Math.max(0, Math.min(length, this.sizeBytes - offset)));
    for (let done = 0; done < bytes.length; ) {
      const at = offset + done;
      const inRing = (at - headerBytes + this.#start * layout.frameBytes) % ringBytes;
      const [place, room] = at < headerBytes ? [at, headerBytes - at] : [headerBytes + inRing, ringBytes - inRing];
      const piece = await this.#file.read(place, Math.min(bytes.length - done, room));
      if (piece.length === 0) return bytes.subarray(0, done);
      bytes.set(piece, done);
      done += piece.length;
    }
    return bytes;
  }

  mark(offset: number): RingMark {
    const { headerBytes, layout, identity } = this.#ring;
    const last = this.#marks[(offset - headerBytes) / layout.frameBytes - 1 - this.#firstMarked];
    return last === undefined ? { identity } : { identity, start: this.#start, ...last };
  }
}
