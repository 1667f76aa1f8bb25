/**
 * Binary arithmetic coding: each bit costs as little as its probability allows, so that an instruction which was to be expected costs almost nothing.
 *
 * The coder narrows a 32-bit interval by every bit's probability and sends the leading bytes that both of its ends share (the carry-less coder of Mahoney's PAQ series). Models are written
 * once for both directions: `code` takes the bit to encode and returns it, or ignores its argument and returns the bit it decoded. All arithmetic is exact in IEEE doubles, so every
 * machine computes the same bytes.
 */

/** One direction of the coder. */
export interface BitCoder {
  /** Codes one bit. `p1` is the probability that it is 1, in 65536ths, 1..65535, and the same on both sides. */
  code(bit: number, p1: number): number;
}

/** Writes bits. */
export class BitEncoder implements BitCoder {
  #low = 0;
  #high = 0xffffffff;
  #bytes = new Uint8Array(1024);
  #length = 0;

  code(bit: number, p1: number): number {
    const middle = this.#low + Math.floor(((this.#high - this.#low) * p1) / 65536);
    if (bit === 1) this.#high = middle;
    else this.#low = middle + 1;
    while ((this.#low ^ this.#high) >>> 24 === 0) {
      this.#send(this.#high >>> 24);
      this.#low = (this.#low << 8) >>> 0;
      this.#high = ((this.#high << 8) | 0xff) >>> 0;
    }
    return bit;
  }

  /** Ends the stream with as few bytes as tell the last interval apart, the decoder reading zeros behind them. */
  finish(): Uint8Array {
    for (let kept = 0; kept <= 4; kept++) {
      const unit = 2 ** (32 - 8 * kept);
      const value = Math.ceil(this.#low / unit) * unit;
      if (value > this.#high) continue;
      for (let i = 0; i < kept; i++) this.#send(Math.floor(value / 2 ** (24 - 8 * i)) % 256);
      break;
    }
    // Trailing zeros are what the decoder reads anyway.
    while (this.#length > 0 && this.#bytes[this.#length - 1] === 0) this.#length--;
    return this.#bytes.slice(0, this.#length);
  }

  #send(byte: number): void {
    if (this.#length === this.#bytes.length) {
      const grown = new Uint8Array(this.#length * 2);
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#bytes[this.#length++] = byte;
  }
}

/** Reads bits. Past the end it reads zeros: wrong bytes give wrong bits, never an error, and the content's hash tells. */
export class BitDecoder implements BitCoder {
  readonly #bytes: Uint8Array;
  #offset: number;
  #low = 0;
  #high = 0xffffffff;
  #value = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#offset = 0;
    for (let i = 0; i < 4; i++) this.#value = this.#value * 256 + this.#nextByte();
  }

  code(_bit: number, p1: number): number {
    const middle = this.#low + Math.floor(((this.#high - this.#low) * p1) / 65536);
    const bit = this.#value <= middle ? 1 : 0;
    if (bit === 1) this.#high = middle;
    else this.#low = middle + 1;
    while ((this.#low ^ this.#high) >>> 24 === 0) {
      this.#low = (this.#low << 8) >>> 0;
      this.#high = ((this.#high << 8) | 0xff) >>> 0;
      this.#value = ((this.#value << 8) | this.#nextByte()) >>> 0;
    }
    return bit;
  }

  #nextByte(): number {
    return this.#offset < this.#bytes.length ? (this.#bytes[this.#offset++] as number) : 0;
  }
}

/** Probabilities that begin at one half and follow what they see: fast at first, by a sixteenth a bit later. */
export class AdaptiveBits {
  readonly #p1: Float64Array;
  readonly #seen: Uint8Array;

  constructor(count: number) {
    this.#p1 = new Float64Array(count).fill(0.5);
    this.#seen = new Uint8Array(count);
  }

  /** Codes a bit with the probability at `index`, and teaches it. */
  code(coder: BitCoder, index: number, bit: number): number {
    const p1 = this.#p1[index] as number;
    const seen = this.#seen[index] as number;
    const coded = coder.code(bit, Math.min(65_000, Math.max(536, Math.floor(p1 * 65536))));
    this.#p1[index] = p1 + (coded - p1) / (seen + 1.6);
    if (seen < 15) this.#seen[index] = seen + 1;
    return coded;
  }
}

/** Bits of the number's length, 0..32, as a tree of six decisions. */
const lengthTreeSize = 64;
/** Numbers below 2^9 are learnt whole; of larger ones the length and the first three bits behind the leading one are. */
const wholeBits = 9;
const wholeTreeSize = 2 ** wholeBits;
const leadingBits = 3;
const leadingTreeSize = 33 * 2 ** leadingBits;

/** Codes integers in 0..2^32-1, small and recurring ones cheaply, with separate statistics for each of a few contexts. */
export class NumberModel {
  readonly #bits: AdaptiveBits;

  constructor(contexts: number) {
    this.#bits = new AdaptiveBits(contexts * (lengthTreeSize + wholeTreeSize + leadingTreeSize));
  }

  /** Codes `value` in `context`. */
  code(coder: BitCoder, context: number, value: number): number {
    const bits = this.#bits;
    const lengthTree = context * (lengthTreeSize + wholeTreeSize + leadingTreeSize);
    const wholeTree = lengthTree + lengthTreeSize;
    const leadingTree = wholeTree + wholeTreeSize;
    const valueLength = 32 - Math.clz32(value);
    let node = 1;
    for (let i = 5; i >= 0; i--) node = node * 2 + bits.code(coder, lengthTree + node, (valueLength >> i) & 1);
    const length = node - 64;
    if (length <= 1) return length;
    // A hostile stream may say up to 63; what is above 32 has no meaning and is cut.
    const tailLength = Math.min(length, 32) - 1;
    let coded = 1;
    for (let i = tailLength - 1; i >= 0; i--) {
      const bit = Math.floor(value / 2 ** i) % 2;
      const depth = tailLength - 1 - i;
      if (length <= wholeBits) coded = coded * 2 + bits.code(coder, wholeTree + 2 ** (length - 1) + coded - 1, bit);
      else if (depth < leadingBits) coded = coded * 2 + bits.code(coder, leadingTree + tailLength * 2 ** leadingBits + coded, bit);
      else coded = coded * 2 + coder.code(bit, 32_768);
    }
    return coded;
  }
}
