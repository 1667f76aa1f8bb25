/**
 * Finds what a target has in common with a base: long copies, in time linear in both.
 *
 * The base is indexed by a rolling hash of 16-byte windows, at every place when it is small and at every 16th at most. The target is walked once. Behind a copy, the base goes on
 * where it left off (an edited cell leaves everything after it in step), so agreement there is taken as soon as it is eight bytes long; anywhere else only a copy long enough to pay
 * for saying where it lies is.
 */

/** `lengthBytes` bytes of the target from `targetOffset` on are those of the base from `baseOffset` on. */
export interface Copy {
  readonly targetOffset: number;
  readonly baseOffset: number;
  readonly lengthBytes: number;
}

const windowBytes = 16;
/** Places in the index; with more base than this, only every second, fourth ... place is in it. */
const placesMax = 2 ** 20;
/** Shortest copy that continues in step with the one before. */
const inStepBytesMin = 8;
/** Shortest copy from anywhere else: saying where takes about four bytes. */
const movedBytesMin = 24;
/** Places with one hash that are tried, and a length that ends the search for a longer one. */
const candidatesMax = 8;
const contentBytes = 4096;

/** Multiplier of the rolling hash (modulo 2^32), and its power that a byte has when it leaves the window. */
const multiplier = 0x2f0b4c47;
let leaving = 1;
for (let i = 0; i < windowBytes; i++) leaving = Math.imul(leaving, multiplier);
const leavingFactor = leaving;

/** Windows of the base by hash. */
class WindowIndex {
  readonly #stride: number;
  readonly #heads: Int32Array;
  readonly #next: Int32Array;
  readonly #shift: number;

  constructor(base: Uint8Array) {
    let stride = 1;
    while (base.length / stride > placesMax) stride *= 2;
    this.#stride = stride;
    const places = Math.max(0, Math.floor((base.length - windowBytes) / stride) + 1);
    const headsLog = Math.max(8, Math.ceil(Math.log2(places + 1)));
    this.#shift = 32 - headsLog;
    this.#heads = new Int32Array(2 ** headsLog).fill(-1);
    this.#next = new Int32Array(places);
    if (places === 0) return;
    let hash = firstHash(base, 0);
    for (let offset = 0, place = 0; ; ) {
      const head = Math.imul(hash, 0x9e3779b1) >>> this.#shift;
      this.#next[place] = this.#heads[head] as number;
      this.#heads[head] = place;
      if (++place === places) break;
      for (const end = offset + stride; offset < end; offset++)
        hash = rolled(hash, base[offset] as number, base[offset + windowBytes] as number);
    }
  }

  /** Number of the first place with this hash, or -1; `next` gives the others. Later places come first. */
  first(hash: number): number {
    return this.#heads[Math.imul(hash, 0x9e3779b1) >>> this.#shift] as number;
  }

  next(place: number): number {
    return this.#next[place] as number;
  }

  offsetOf(place: number): number {
    return place * this.#stride;
  }
}

function firstHash(bytes: Uint8Array, offset: number): number {
  let hash = 0;
  for (let i = 0; i < windowBytes; i++) hash = (Math.imul(hash, multiplier) + (bytes[offset + i] as number)) | 0;
  return hash;
}

function rolled(hash: number, out: number, into: number): number {
  return (Math.imul(hash, multiplier) + into - Math.imul(out, leavingFactor)) | 0;
}

/** Length of the agreement from these offsets on. */
function agreement(target: Uint8Array, targetOffset: number, base: Uint8Array, baseOffset: number): number {
  const max = Math.min(target.length - targetOffset, base.length - baseOffset);
  let length = 0;
  while (length < max && target[targetOffset + length] === base[baseOffset + length]) length++;
  return length;
}

/** Copies that together cover what target and base share, in target order, without overlap. The same arguments give the same copies everywhere. */
export function findCopies(target: Uint8Array, base: Uint8Array): Copy[] {
  const copies: Copy[] = [];
  const index = new WindowIndex(base);
  const lastWindow = target.length - windowBytes;
  /** Base offset minus target offset of the last copy. */
  let diagonal = 0;
  /** The target is covered, or known to be uncoverable, up to here. */
  let covered = 0;
  let hash = 0;
  let hashedOffset = -1;
  let offset = 0;
  while (offset < target.length) {
    let best: Copy | undefined;
    const inStep = offset + diagonal;
    if (inStep >= 0 && inStep < base.length && target[offset] === base[inStep]) {
      const lengthBytes = agreement(target, offset, base, inStep);
      if (lengthBytes >= inStepBytesMin) best = { targetOffset: offset, baseOffset: inStep, lengthBytes };
    }
    if (offset <= lastWindow && (best === undefined || best.lengthBytes < 2 * movedBytesMin)) {
      hash =
        hashedOffset === offset - 1 && offset > 0
          ? rolled(hash, target[offset - 1] as number, target[offset + windowBytes - 1] as number)
          : firstHash(target, offset);
      hashedOffset = offset;
      // What is found elsewhere has to beat the copy in step by what saying its place costs.
      let beat = best === undefined ? movedBytesMin : best.lengthBytes + movedBytesMin;
      let tried = 0;
      for (let place = index.first(hash); place >= 0 && tried < candidatesMax; place = index.next(place), tried++) {
        const baseOffset = index.offsetOf(place);
        const forward = agreement(target, offset, base, baseOffset);
        if (forward < windowBytes) continue;
        let backward = 0;
        while (offset - backward > covered && baseOffset > backward && target[offset - backward - 1] === base[baseOffset - backward - 1])
          backward++;
        const lengthBytes = forward + backward;
        if (lengthBytes < beat) continue;
        beat = lengthBytes + 1;
        best = { targetOffset: offset - backward, baseOffset: baseOffset - backward, lengthBytes };
        if (lengthBytes >= contentBytes) break;
      }
    }
    if (best === undefined) {
      offset++;
      continue;
    }
    copies.push(best);
    diagonal = best.baseOffset - best.targetOffset;
    offset = best.targetOffset + best.lengthBytes;
    covered = offset;
  }
  return copies;
}
