/**
 * Finds what a target has in common with a base: long copies, in time linear in both.
 *
 * The base is indexed by a rolling hash of 16-byte windows, at every place when it is small and at every 32nd when it is the largest a group may have. The target is walked once. Behind a copy, the
 * base goes on where it left off (an edited cell leaves everything after it in step) or a few bytes beside it (the cell became longer), so agreement there is taken as soon as it is worth an
 * instruction; anywhere else only a copy long enough to pay for saying where it lies is.
 */

/** `lengthBytes` bytes of the target from `targetOffset` on are those of the base from `baseOffset` on. */
export interface Copy {
  readonly targetOffset: number;
  readonly baseOffset: number;
  readonly lengthBytes: number;
}

const windowBytes = 16;
/** Places in the index; with more base than this, only every second, fourth ... place is in it. */
const placesMax = 2 ** 18;
/** Shortest copy that continues in step with the one before. */
const inStepBytesMin = 8;
/** Shortest copy that continues a few bytes out of step, how many bytes, and how soon behind the copy before. */
const besideBytesMin = 16;
const besideStepsMax = 6;
const besideWithinBytes = 32;
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
  /** One bit in sixteen is set: whether a window of this hash may be in the index, answered without leaving the processor's cache. */
  readonly #present: Uint8Array;
  readonly #presentShift: number;

  constructor(base: Uint8Array) {
    let stride = 1;
    while (base.length / stride > placesMax) stride *= 2;
    this.#stride = stride;
    const places = Math.max(0, Math.floor((base.length - windowBytes) / stride) + 1);
    const headsLog = Math.max(8, Math.ceil(Math.log2(places + 1)));
    this.#shift = 32 - headsLog;
    this.#heads = new Int32Array(2 ** headsLog).fill(-1);
    this.#next = new Int32Array(places);
    this.#presentShift = 32 - (headsLog + 4);
    this.#present = new Uint8Array(2 ** (headsLog + 1));
    if (places === 0) return;
    let hash = firstHash(base, 0);
    for (let offset = 0, place = 0; ; ) {
      // Until the places are linked, each holds its own hash.
      this.#next[place] = Math.imul(hash, 0x9e3779b1);
      if (++place === places) break;
      for (const end = offset + stride; offset < end; offset++) {
        hash = rolled(hash, base[offset] as number, base[offset + windowBytes] as number);
      }
    }
    // From the last to the first, so that the first comes first: from there the longest copies begin.
    for (let place = places - 1; place >= 0; place--) {
      const spread = this.#next[place] as number;
      const bit = spread >>> this.#presentShift;
      this.#present[bit >>> 3] = (this.#present[bit >>> 3] as number) | (1 << (bit & 7));
      const head = spread >>> this.#shift;
      this.#next[place] = this.#heads[head] as number;
      this.#heads[head] = place;
    }
  }

  /** False when no window of the base has this hash. */
  mayHold(hash: number): boolean {
    const bit = Math.imul(hash, 0x9e3779b1) >>> this.#presentShift;
    return ((this.#present[bit >>> 3] as number) & (1 << (bit & 7))) !== 0;
  }

  /** Number of the first place with this hash, or with another that shares its slot, or -1; `next` gives the ones behind it. */
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
  /** Base offset minus target offset of the last copy, and where it ended: what is before that is covered. */
  let diagonal = 0;
  let covered = 0;
  let offset = 0;
  let hash = lastWindow >= 0 ? firstHash(target, 0) : 0;
  while (offset < target.length) {
    let best = copyAt(target, offset, base, offset + diagonal, inStepBytesMin);
    for (let steps = 1; best === undefined && steps <= besideStepsMax && offset - covered < besideWithinBytes && covered > 0; steps++) {
      best =
        copyAt(target, offset, base, offset + diagonal + steps, besideBytesMin) ??
        copyAt(target, offset, base, offset + diagonal - steps, besideBytesMin);
    }
    if (offset <= lastWindow && (best === undefined || best.lengthBytes < besideWithinBytes * 2) && index.mayHold(hash)) {
      const lengthBytesMin = movedBytesMin + 2 * reachInStep(target, offset, base, offset + diagonal);
      best = longestCopy(target, offset, covered, base, index, hash, lengthBytesMin) ?? best;
    }
    if (best === undefined) {
      if (offset < lastWindow) hash = rolled(hash, target[offset] as number, target[offset + windowBytes] as number);
      offset++;
      continue;
    }
    copies.push(best);
    diagonal = best.baseOffset - best.targetOffset;
    offset = best.targetOffset + best.lengthBytes;
    covered = offset;
    if (offset <= lastWindow) hash = firstHash(target, offset);
  }
  return copies;
}

/** The copy between these two offsets, unless it is shorter than `lengthBytesMin`. */
function copyAt(target: Uint8Array, targetOffset: number, base: Uint8Array, baseOffset: number, lengthBytesMin: number): Copy | undefined {
  if (baseOffset < 0 || baseOffset >= base.length || target[targetOffset] !== base[baseOffset]) return undefined;
  const lengthBytes = agreement(target, targetOffset, base, baseOffset);
  return lengthBytes >= lengthBytesMin ? { targetOffset, baseOffset, lengthBytes } : undefined;
}

/**
 * How far the base soon goes on in step, at most `contentBytes`. An edited table has an edit in the same column of every row: leaving the step for a row that happens to have the new value costs more
 * than it saves, unless it saves several edits.
 */
function reachInStep(target: Uint8Array, targetOffset: number, base: Uint8Array, baseOffset: number): number {
  for (let skipped = 0; skipped < inStepBytesMin; skipped++) {
    const copy = copyAt(target, targetOffset + skipped, base, baseOffset + skipped, inStepBytesMin);
    if (copy !== undefined) return Math.min(contentBytes, skipped + copy.lengthBytes);
  }
  return 0;
}

/** The longest of the first few copies around a window that the index may hold, grown both ways but not over what is `covered`; none shorter than `lengthBytesMin`. */
function longestCopy(
  target: Uint8Array,
  offset: number,
  covered: number,
  base: Uint8Array,
  index: WindowIndex,
  hash: number,
  lengthBytesMin: number,
): Copy | undefined {
  let best: Copy | undefined;
  let beat = lengthBytesMin;
  let tried = 0;
  for (let place = index.first(hash); place >= 0 && tried < candidatesMax && beat < contentBytes; place = index.next(place), tried++) {
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
  }
  return best;
}
