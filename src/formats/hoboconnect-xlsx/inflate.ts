/**
 * Inflate: decompresses what Deflate made, as ZIP archives hold it.
 *
 * A format is a pure machine and is given nothing of the world, so it carries this small decoder instead of a port for one of the runtime's. Every code is looked up in one step, in a table over the
 * longest code of its block.
 *
 * Source: RFC 1951.
 */

/** A prefix code: for every run of `bits` bits the symbol that begins it and, in the low four bits, that symbol's length. 0 where no symbol does. */
interface PrefixCode {
  readonly bits: number;
  readonly entries: Uint16Array;
}

const codeBitsMax = 15;
const endOfBlock = 256;
/** Order in which the lengths of the code for lengths are written (RFC 1951, 3.2.7). */
const lengthOrder = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
/** Smallest match length and number of extra bits of the symbols from 257 on, and the same of distances (RFC 1951, 3.2.5). */
const matchLengths = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
const matchExtraBits = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const distances = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385,
  24577,
];
const distanceExtraBits = [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13];

/** The code whose symbols have these lengths; `undefined` when no such code exists, which too many short codes make impossible. Codes may be missing: then some bits mean nothing. */
function prefixCode(lengths: Uint8Array): PrefixCode | undefined {
  const counts = new Uint16Array(codeBitsMax + 1);
  let bits = 1;
  for (const length of lengths) {
    counts[length] = (counts[length] as number) + 1;
    bits = Math.max(bits, length);
  }
  counts[0] = 0;
  const next = new Uint32Array(codeBitsMax + 2);
  for (let length = 1; length <= codeBitsMax; length++) {
    next[length + 1] = ((next[length] as number) + (counts[length] as number)) << 1;
    if ((next[length] as number) + (counts[length] as number) > 1 << length) return undefined;
  }
  const entries = new Uint16Array(1 << bits);
  for (const [symbol, length] of lengths.entries()) {
    if (length === 0) continue;
    const code = next[length] as number;
    next[length] = code + 1;
    let reversed = 0;
    for (let bit = 0; bit < length; bit++) reversed |= ((code >> bit) & 1) << (length - 1 - bit);
    for (let at = reversed; at < entries.length; at += 1 << length) entries[at] = (symbol << 4) | length;
  }
  return { bits, entries };
}

const fixedLengths = new Uint8Array(288).fill(8).fill(9, 144, 256).fill(7, 256, 280);
const fixedSymbols = prefixCode(fixedLengths) as PrefixCode;
const fixedDistances = prefixCode(new Uint8Array(30).fill(5)) as PrefixCode;

/** Thrown inside this module alone, for input that is no Deflate stream of the expected length. */
const malformed = Symbol('malformed');

class Inflater {
  private readonly input: Uint8Array;
  private readonly output: Uint8Array;
  private at = 0;
  private held = 0;
  private heldBits = 0;
  private length = 0;

  constructor(input: Uint8Array, lengthBytes: number) {
    this.input = input;
    this.output = new Uint8Array(lengthBytes);
  }

  whole(): Uint8Array {
    for (let isLast = false; !isLast; ) {
      isLast = this.take(1) === 1;
      const kind = this.take(2);
      if (kind === 0) this.stored();
      else if (kind === 1) this.compressed(fixedSymbols, fixedDistances);
      else if (kind === 2) this.dynamic();
      else throw malformed;
    }
    if (this.length < this.output.length) throw malformed;
    return this.output;
  }

  /** Holds at least `count` bits, at most 16, with zeros behind the end of the input; what is taken of them is counted. */
  private hold(count: number): void {
    while (this.heldBits < count) {
      this.held |= (this.input[this.at++] ?? 0) << this.heldBits;
      this.heldBits += 8;
    }
  }

  private drop(count: number): void {
    this.held >>>= count;
    this.heldBits -= count;
    if (this.at - (this.heldBits >> 3) > this.input.length) throw malformed;
  }

  private take(count: number): number {
    this.hold(count);
    const value = this.held & ((1 << count) - 1);
    this.drop(count);
    return value;
  }

  private symbol({ bits, entries }: PrefixCode): number {
    this.hold(bits);
    const entry = entries[this.held & ((1 << bits) - 1)] as number;
    if (entry === 0) throw malformed;
    this.drop(entry & 15);
    return entry >> 4;
  }

  private stored(): void {
    this.at -= this.heldBits >> 3;
    this.held = 0;
    this.heldBits = 0;
    const { input, at } = this;
    const count = (input[at] ?? 0) | ((input[at + 1] ?? 0) << 8);
    const complement = (input[at + 2] ?? 0) | ((input[at + 3] ?? 0) << 8);
    const bytes = input.subarray(at + 4, at + 4 + count);
    if ((count ^ complement) !== 0xffff || bytes.length < count || this.length + count > this.output.length) throw malformed;
    this.output.set(bytes, this.length);
    this.length += count;
    this.at += 4 + count;
  }

  private dynamic(): void {
    const symbols = this.take(5) + 257;
    const distanceSymbols = this.take(5) + 1;
    const lengthSymbols = this.take(4) + 4;
    const codeLengths = new Uint8Array(lengthOrder.length);
    for (let index = 0; index < lengthSymbols; index++) codeLengths[lengthOrder[index] as number] = this.take(3);
    const code = prefixCode(codeLengths);
    if (code === undefined || symbols > 286 || distanceSymbols > 30) throw malformed;
    const lengths = new Uint8Array(symbols + distanceSymbols);
    for (let index = 0; index < lengths.length; ) {
      const symbol = this.symbol(code);
      if (symbol < 16) {
        lengths[index++] = symbol;
        continue;
      }
      if (symbol === 16 && index === 0) throw malformed;
      const value = symbol === 16 ? (lengths[index - 1] as number) : 0;
      const repeats = symbol === 16 ? 3 + this.take(2) : symbol === 17 ? 3 + this.take(3) : 11 + this.take(7);
      if (index + repeats > lengths.length) throw malformed;
      lengths.fill(value, index, index + repeats);
      index += repeats;
    }
    const symbolCode = prefixCode(lengths.subarray(0, symbols));
    const distanceCode = prefixCode(lengths.subarray(symbols));
    if (symbolCode === undefined || distanceCode === undefined) throw malformed;
    this.compressed(symbolCode, distanceCode);
  }

  private compressed(symbols: PrefixCode, distanceSymbols: PrefixCode): void {
    const { output } = this;
    for (;;) {
      const symbol = this.symbol(symbols);
      if (symbol === endOfBlock) return;
      if (symbol < endOfBlock) {
        if (this.length === output.length) throw malformed;
        output[this.length++] = symbol;
      } else this.copy(symbol - 257, distanceSymbols);
    }
  }

  private copy(index: number, distanceSymbols: PrefixCode): void {
    const extra = matchExtraBits[index];
    if (extra === undefined) throw malformed;
    const count = (matchLengths[index] as number) + this.take(extra);
    const distanceIndex = this.symbol(distanceSymbols);
    const distance = (distances[distanceIndex] as number) + this.take(distanceExtraBits[distanceIndex] as number);
    const { output, length } = this;
    if (distance > length || length + count > output.length) throw malformed;
    // Byte by byte: a match may reach into what it writes.
    for (let at = length; at < length + count; at++) output[at] = output[at - distance] as number;
    this.length = length + count;
  }
}

/**
 * The bytes that a Deflate stream stands for, or `undefined` when it is malformed, cut, or not of that length. What follows the stream is not looked at.
 *
 * @param lengthBytes how many bytes come out; they are allocated at once, so the caller bounds it
 */
export function inflate(stream: Uint8Array, lengthBytes: number): Uint8Array | undefined {
  try {
    return new Inflater(stream, lengthBytes).whole();
  } catch (error) {
    if (error === malformed) return undefined;
    throw error;
  }
}
