/**
 * Room for bulk bytes that is used again and again. Long arrays lie outside of the collected heap, and each rise of what lies there makes the collector look through everything; while a gigabyte passes through
 * the same few arrays, nothing rises.
 *
 * Lengths are rounded up to a few classes, so that arrays of about the same length serve one another. Belongs to whoever moves bytes at the time, and goes with it.
 */

/** The shortest class: what is shorter is left to the collector. */
const classBytesMin = 64 * 1024;
/** Classes between two powers of two. */
const classesPerDoubling = 4;

/** The length of the class that an array of this length belongs to: an eighth longer on average. */
function classBytesOf(lengthBytes: number): number {
  const stepBytes = 2 ** Math.floor(Math.log2(lengthBytes)) / classesPerDoubling;
  return Math.ceil(lengthBytes / stepBytes) * stepBytes;
}

/** Arrays that are free, up to a number of bytes. */
export class ByteRooms {
  readonly #keptBytesMax: number;
  readonly #freeByClass = new Map<number, ArrayBuffer[]>();
  #keptBytes = 0;

  constructor(keptBytesMax: number) {
    this.#keptBytesMax = keptBytesMax;
  }

  /** An array of this length. What stands in it is left from before. */
  take(lengthBytes: number): Uint8Array<ArrayBuffer> {
    if (lengthBytes < classBytesMin) return new Uint8Array(lengthBytes);
    const classBytes = classBytesOf(lengthBytes);
    const free = this.#freeByClass.get(classBytes)?.pop();
    if (free !== undefined) this.#keptBytes -= classBytes;
    return new Uint8Array(free ?? new ArrayBuffer(classBytes), 0, lengthBytes);
  }

  /** Takes back an array that `take` gave, whole or in part: nobody looks at it any more. */
  giveBack({ buffer }: Uint8Array): void {
    const classBytes = buffer.byteLength;
    if (!(buffer instanceof ArrayBuffer) || classBytes < classBytesMin || this.#keptBytes + classBytes > this.#keptBytesMax) return;
    const free = this.#freeByClass.get(classBytes);
    if (free === undefined) this.#freeByClass.set(classBytes, [buffer]);
    else free.push(buffer);
    this.#keptBytes += classBytes;
  }

  /** Lets everything go that is free. */
  clear(): void {
    this.#freeByClass.clear();
    this.#keptBytes = 0;
  }
}
