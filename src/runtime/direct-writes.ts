import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { systemCode } from './storage-faults.ts';

/**
 * Writing around the page cache, for what is too large for it: a season's raw data would push everything else out of the memory of a small computer, and copying it there can take more of its processor than opening the packets in
 * which it came.
 *
 * Linux takes such writes (`O_DIRECT`, open(2)) from memory, at offsets and in lengths that are multiples of a block, so bytes are copied into a room that begins at a page's edge. What lies before the first edge of a piece and
 * behind its last one is left to the cache; as the edges are those of pages, no page is written both ways. Neither is durable before the next sync of the file.
 */

declare global {
  namespace WebAssembly {
    const Memory: new (descriptor: { readonly initial: number }) => { readonly buffer: ArrayBuffer };
  }
}

/** The largest page that Linux is built with, which is a multiple of every device's block. */
const edgeBytes = 64 * 1024;
/** Shorter pieces are not worth it. */
const directBytesMin = 256 * 1024;
const roomBytes = 4 * 1024 * 1024;
/** Rooms that are kept. Each file has one at a time: a disk that hangs holds up nobody but those who write to it. */
const roomsKept = 2;
/** WebAssembly's unit of memory (WebAssembly Core Specification, section 4.2.8), which begins at a page's edge. Of other arrays that is not known. */
const memoryPageBytes = 64 * 1024;

/** Rooms of this process that no write has. */
const freeRooms: Uint8Array[] = [];

/** Which bytes of a piece were written. */
export interface WrittenRange {
  readonly begin: number;
  readonly end: number;
}

const nothing: WrittenRange = { begin: 0, end: 0 };

/** Direct writes to one open file. Opens it once more with the first; where that is refused, as some file systems do, it is not tried again. */
export class DirectWrites {
  readonly #file: FileHandle;
  #direct: Promise<FileHandle> | undefined;
  #isRefused = constants.O_DIRECT === undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Writes what of these bytes lies between edges, and says which; an empty range when they are few, or no such write is taken here, or it failed: writing through the cache then tells why. */
  async write(offset: number, bytes: Uint8Array): Promise<WrittenRange> {
    const begin = (edgeBytes - (offset % edgeBytes)) % edgeBytes;
    const end = bytes.length - ((offset + bytes.length) % edgeBytes);
    if (this.#isRefused || end - begin < directBytesMin) return nothing;
    const written = this.#turn.then(() => this.#writeBetween(offset, bytes, begin, end));
    this.#turn = written.catch(() => undefined);
    try {
      await written;
      return { begin, end };
    } catch (error) {
      if (systemCode(error) === undefined && !(error instanceof RangeError)) throw error;
      this.#isRefused = true;
      return nothing;
    }
  }

  async #writeBetween(offset: number, bytes: Uint8Array, begin: number, end: number): Promise<void> {
    // By its number: at its path somebody may have put another one.
    this.#direct ??= open(`/proc/self/fd/${this.#file.fd}`, constants.O_WRONLY | constants.O_DIRECT);
    const direct = await this.#direct;
    const room = freeRooms.pop() ?? new Uint8Array(new WebAssembly.Memory({ initial: roomBytes / memoryPageBytes }).buffer);
    try {
      for (let at = begin; at < end; at += roomBytes) {
        const pieceBytes = Math.min(roomBytes, end - at);
        room.set(bytes.subarray(at, at + pieceBytes));
        const { bytesWritten } = await direct.write(room, 0, pieceBytes, offset + at);
        if (bytesWritten < pieceBytes) throw new RangeError('the disk took a part of a direct write');
      }
    } finally {
      if (freeRooms.length < roomsKept) freeRooms.push(room);
    }
  }

  async close(): Promise<void> {
    await (await this.#direct?.catch(() => undefined))?.close();
  }
}
