import { giveBack } from '../core/bytes.ts';

/**
 * The entropy coder of observation segments: adaptive binary range coding.
 *
 * Every decision is one bit, coded with the probability that a small model has learnt for it so far, in as little as a few thousandths of a bit when it was predictable. Nothing is
 * sent ahead, no table and no block header, so a segment of one row gains from it as much as one of a thousand: that is why it is here beside a general compressor, whose frame
 * costs more than a reading does.
 *
 * The arithmetic is that of LZMA's range coder (Martin, "Range encoding: an algorithm for removing redundancy from a digitised message", 1979; Pavlov, LZMA specification): `low`
 * and `range` are 32-bit, `range` is kept at 2^24 or more, a carry runs back into bytes held in reserve. Models differ from LZMA's: a 16-bit probability moves by 1/(n + 1.5) of its error at
 * the n-th use, so that the first sight of a value teaches much and the sixtieth little.
 */

const rangeMin = 0x1000000;
/** Uses after which a model stops becoming slower: it then follows the last sixty or so decisions. */
const learningUsesMax = 60;
/** Step towards the observed bit, in 1/65536 of the error, by number of earlier uses. */
const steps = Int32Array.from({ length: learningUsesMax + 1 }, (_, uses) => Math.round(65_536 / (uses + 1.5)));

/** Bits of a model's state that count its uses; above them is its probability. */
const usesBits = 6;
const usesMask = (1 << usesBits) - 1;

/** A set of adaptive bit probabilities, addressed by number. Both ends must make the same calls in the same order. */
export class BitModels {
  /** For each model the probability that the bit is 1, in 1/65536, and how often it was used: in one number, as this is the innermost loop of coding. */
  readonly states: Int32Array;

  constructor(count: number) {
    this.states = new Int32Array(count).fill(0x8000 << usesBits);
  }
}

/** Probability of a 1 for the coder, in 1/4096, never certain. */
function chanceOf(state: number): number {
  const chance = state >> (usesBits + 4);
  return chance + ((chance - 1) >>> 31);
}

/** The state of a model that has learnt that the bit was `bit`. */
function learnt(state: number, bit: number): number {
  const uses = state & usesMask;
  const probability = state >> usesBits;
  const error = (0xffff & -bit) - probability;
  const moved = probability + ((error * (steps[uses] as number)) >> 16);
  return (moved << usesBits) + uses + ((uses - learningUsesMax) >>> 31);
}

/** Writes bits. Call `finish` once, at the end. */
export class RangeEncoder {
  #bytes: Uint8Array<ArrayBuffer>;
  #length = 0;
  /** `low` without its carry, and `range`: 32 bits each, in numbers with a sign, as those are the ones that a processor and its compiler are quick with. */
  #low = 0;
  #range = -1;
  #carry = 0;
  /** The last byte produced and the run of 0xff behind it wait here, because a carry may still change them. `-1`: none yet. */
  #held = -1;
  #heldOnes = 0;

  /** @param bytes that are expected; there may be more or fewer */
  constructor(bytes = 0) {
    this.#bytes = new Uint8Array(Math.max(256, bytes));
  }

  /** Codes `bit` (0 or 1) by the model with this number, which learns from it. */
  encodeBit(models: BitModels, index: number, bit: number): void {
    const { states } = models;
    const state = states[index] as number;
    // What a measured quantity comes to is a matter of chance, and a processor that guesses wrong loses more time than all of this takes: so nothing branches on the bit.
    const ones = -bit;
    const range = this.#range;
    const bound = Math.imul(range >>> 12, chanceOf(state));
    states[index] = learnt(state, bit);
    this.#raise(bound & ~ones);
    this.#range = (bound & ones) | ((range - bound) & ~ones);
    if (this.#range >>> 24 === 0) this.#normalise();
  }

  /** Codes the low `count` bits of `value` as they are, at most 16, highest first. */
  encodeRaw(value: number, count: number): void {
    this.#range = (this.#range >>> count) | 0;
    this.#raise(Math.imul(value, this.#range));
    if (this.#range >>> 24 === 0) this.#normalise();
  }

  /** The coded bytes; nothing can be coded behind them. Trailing zero bytes are left out; the decoder reads zeros behind the end. */
  finish(): Uint8Array {
    // Any number in [low, low + range) will do: the one with the most zero bits at its end saves bytes.
    for (let bits = 24; bits >= 0; bits -= 8) {
      const unit = 2 ** bits;
      const low = this.#low >>> 0;
      const rounded = Math.ceil(low / unit) * unit;
      if (rounded < low + (this.#range >>> 0)) {
        this.#raise((rounded - low) | 0);
        break;
      }
    }
    for (let i = 0; i < 5; i++) this.#shift();
    let end = this.#length;
    while (end > 0 && this.#bytes[end - 1] === 0) end--;
    const coded = this.#bytes.slice(0, end);
    giveBack(this.#bytes);
    return coded;
  }

  /** Adds 32 bits to `low`. */
  #raise(by: number): void {
    const before = this.#low;
    const low = (before + by) | 0;
    // What the highest bits carry over.
    this.#carry |= ((before & by) | ((before | by) & ~low)) >>> 31;
    this.#low = low;
  }

  #normalise(): void {
    do {
      this.#range <<= 8;
      this.#shift();
    } while (this.#range >>> 24 === 0);
  }

  /** Moves the top byte of `low` out, settling a carry first. */
  #shift(): void {
    const carry = this.#carry;
    const top = this.#low >>> 24;
    if (carry === 1 || top !== 0xff) {
      if (this.#held >= 0) this.#write(this.#held + carry);
      for (; this.#heldOnes > 0; this.#heldOnes--) this.#write(0xff + carry);
      this.#held = top;
      this.#carry = 0;
    } else {
      this.#heldOnes++;
    }
    this.#low <<= 8;
  }

  #write(byte: number): void {
    if (this.#length === this.#bytes.length) {
      const larger = new Uint8Array(this.#length * 2);
      larger.set(this.#bytes);
      giveBack(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes[this.#length++] = byte;
  }
}

/** Reads what `RangeEncoder` wrote. Bytes that nobody wrote give some bits or other, never an exception: what they mean is for the caller to check. */
export class RangeDecoder {
  readonly #bytes: Uint8Array;
  #offset: number;
  #code = 0;
  #range = 0xffffffff;

  constructor(bytes: Uint8Array, offset: number) {
    this.#bytes = bytes;
    this.#offset = offset;
    for (let i = 0; i < 4; i++) this.#pull();
  }

  /** True when every byte has been drawn in, as it must be after the last bit. Otherwise more was written than was asked for. */
  get atEnd(): boolean {
    return this.#offset >= this.#bytes.length;
  }

  decodeBit(models: BitModels, index: number): number {
    const { states } = models;
    const state = states[index] as number;
    const bound = (this.#range >>> 12) * chanceOf(state);
    let bit: number;
    if (this.#code < bound) {
      this.#range = bound;
      bit = 1;
    } else {
      this.#code -= bound;
      this.#range -= bound;
      bit = 0;
    }
    states[index] = learnt(state, bit);
    this.#normalise();
    return bit;
  }

  decodeRaw(count: number): number {
    this.#range >>>= count;
    const value = Math.min(Math.floor(this.#code / this.#range), 2 ** count - 1);
    this.#code -= value * this.#range;
    this.#normalise();
    return value;
  }

  #normalise(): void {
    while (this.#range < rangeMin) {
      this.#range = (this.#range << 8) >>> 0;
      this.#pull();
    }
  }

  #pull(): void {
    const byte = this.#offset < this.#bytes.length ? (this.#bytes[this.#offset] as number) : 0;
    this.#code = ((this.#code << 8) | byte) >>> 0;
    this.#offset++;
  }
}
