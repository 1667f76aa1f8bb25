/**
 * Content-defined chunking: where a file is cut depends on the bytes near the cut and on nothing before them, so that an insertion moves one or two cuts and every other
 * chunk keeps its name.
 *
 * This is FastCDC (Xia et al., "FastCDC: a Fast and Efficient Content-Defined Chunking Approach for Data Deduplication", USENIX ATC 2016, and "The Design of Fast
 * Content-Defined Chunking for Data Deduplication Based Storage Systems", IEEE TPDS 2020): a gear hash of the last 32 bytes is compared with a mask, the first `minBytes` of a chunk
 * are skipped, and normalised chunking makes a cut four times rarer than average before the average length and four times likelier behind it, which keeps lengths together.
 *
 * Exactly: a chunk is `n` bytes long, where `n` is the least number in `minBytes + 1 .. maxBytes` for which the hash of the chunk's bytes `minBytes .. n - 1` has its top bits zero, and
 * `maxBytes` if there is none, and what is left at the end of the content. The hash starts at 0 and takes a byte by `hash = 2 * hash + gear[byte]` modulo 2^32. The number of top bits is
 * `log2(averageBytes) + 2` while `n <= averageBytes` and `log2(averageBytes) - 2` beyond. Cuts are no secret and prove nothing; chunks are named by SHA-256.
 */

import { concatBytes, giveBack } from '../core/bytes.ts';
import { limits } from '../core/limits.ts';
import { seededRandom } from '../core/random.ts';

/** Lengths that govern where content is cut, all powers of two. */
export interface ChunkParameters {
  readonly minBytes: number;
  readonly averageBytes: number;
  readonly maxBytes: number;
}

const mebibyte = 1024 * 1024;
const smallestAverageBytes = 64 * 1024;
const largestAverageBytes = limits.chunkBytesMax / 4;

/**
 * The parameters for content of this size.
 *
 * The average is 64 KiB up to 256 MiB and doubles whenever the size grows eightfold: 128 KiB up to 2 GiB, 256 KiB up to 16 GiB, 512 KiB up to 128 GiB (100 GB is about 190,000 chunks), and
 * at most 2 MiB. Chunks are between a quarter of the average and four times it.
 *
 * A log file that grows past such a step would lose every chunk it shares with its own past. `baseMeanBytes`, the mean chunk length of the version it grew from, prevents that: the
 * base's average stays in use until it is off by more than a factor of four.
 */
export function chunkParametersFor(sizeBytes: number, baseMeanBytes?: number): ChunkParameters {
  let averageBytes = smallestAverageBytes;
  for (let boundBytes = 256 * mebibyte; sizeBytes > boundBytes && averageBytes < largestAverageBytes; boundBytes *= 8) averageBytes *= 2;
  if (baseMeanBytes !== undefined) {
    const kept = 2 ** Math.round(Math.log2(Math.min(Math.max(baseMeanBytes, smallestAverageBytes), largestAverageBytes)));
    if (kept <= averageBytes * 4 && averageBytes <= kept * 4) averageBytes = kept;
  }
  return chunkParametersOf(averageBytes);
}

/** The parameters with this average, a power of two. */
export function chunkParametersOf(averageBytes: number): ChunkParameters {
  return { minBytes: averageBytes / 4, averageBytes, maxBytes: averageBytes * 4 };
}

/** Seed of the gear table ("gear" in ASCII). Another table cuts elsewhere, so two nodes with different tables share no chunks. */
const gearSeed = 0x67656172;

const gearRandom = seededRandom(gearSeed);
/** The gear table: a random 32-bit word for every byte. */
export const gear = Int32Array.from({ length: 256 }, () => gearRandom.uint32());

/** Whether the first byte of a word in memory is its lowest one, as nearly everywhere. */
const isLittleEndian = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

/**
 * Cuts a stream of bytes into chunks. The chunks do not depend on how the stream was handed over.
 *
 * A chunk that lies within one pushed array is a view of it; one that spans several is copied once. Pushed arrays therefore belong to the splitter and to the chunks it returned: they must not
 * be written to again while either is in use. It holds at most `maxBytes` besides what is being pushed.
 */
export class ChunkSplitter {
  readonly #parameters: ChunkParameters;
  /** Right shift that leaves the bits which must be zero, before and behind the average length. */
  readonly #shiftBefore: number;
  readonly #shiftBehind: number;
  /** The beginning of the current chunk, in the arrays it came in. */
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  /** The copy of it that `keep` made, which is nobody else's. */
  #kept: Uint8Array | undefined;
  #hash = 0;

  constructor(parameters: ChunkParameters) {
    this.#parameters = parameters;
    const bits = Math.log2(parameters.averageBytes);
    this.#shiftBefore = 32 - (bits + 2);
    this.#shiftBehind = 32 - (bits - 2);
  }

  /** True when the next byte begins a chunk. */
  get isAtCut(): boolean {
    return this.#pendingBytes === 0;
  }

  /** Takes the next bytes of the content and returns the chunks they complete, in order. */
  push(bytes: Uint8Array): Uint8Array[] {
    const { minBytes, averageBytes, maxBytes } = this.#parameters;
    const chunks: Uint8Array[] = [];
    let start = -this.#pendingBytes;
    let offset = 0;
    while (offset < bytes.length) {
      const length = offset - start;
      if (length < minBytes) {
        offset = Math.min(start + minBytes, bytes.length);
        continue;
      }
      const before = length < averageBytes;
      const bound = start + (before ? averageBytes : maxBytes);
      const end = Math.min(bound, bytes.length);
      const cut = this.#scan(bytes, offset, end, before ? this.#shiftBefore : this.#shiftBehind);
      offset = cut === 0 ? end : cut;
      if (cut !== 0 || offset - start === maxBytes) {
        chunks.push(this.#take(bytes.subarray(Math.max(start, 0), offset)));
        start = offset;
      }
    }
    if (start < bytes.length) {
      this.#pending.push(bytes.subarray(Math.max(start, 0)));
      this.#pendingBytes = bytes.length - start;
    }
    return chunks;
  }

  /** Copies what the current chunk has so far: the arrays that were pushed may be written to again. */
  keep(): void {
    if (this.#pendingBytes === 0) return;
    const kept = concatBytes(...this.#pending);
    this.#dropKept();
    this.#kept = kept;
    this.#pending = [kept];
  }

  /** Ends the content: the last chunk, if there is anything left. The splitter is then ready for other content. */
  end(): Uint8Array[] {
    return this.#pendingBytes === 0 ? [] : [this.#take(new Uint8Array(0))];
  }

  /** The pending bytes and these as one chunk; the next one begins. */
  #take(last: Uint8Array): Uint8Array {
    const chunk = this.#pending.length === 0 ? last : concatBytes(...this.#pending, last);
    this.#dropKept();
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#hash = 0;
    return chunk;
  }

  #dropKept(): void {
    if (this.#kept !== undefined) giveBack(this.#kept);
    this.#kept = undefined;
  }

  /** Hashes `bytes[from .. to - 1]`; the offset behind the first byte that leaves the top bits zero, or 0 when none does. */
  #scan(bytes: Uint8Array, from: number, to: number, shift: number): number {
    const wordsAt = from + (-(bytes.byteOffset + from) & 3);
    if (!isLittleEndian || to - wordsAt < 4) return this.#scanBytes(bytes, from, to, shift);
    const cut = this.#scanBytes(bytes, from, wordsAt, shift);
    if (cut !== 0) return cut;
    // A word a turn: to read single bytes, each held against the array's length, costs half as much again.
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset + wordsAt, (to - wordsAt) >>> 2);
    let hash = this.#hash;
    for (let at = 0; at < words.length; at++) {
      const word = words[at] as number;
      hash = ((hash << 1) + (gear[word & 0xff] as number)) | 0;
      if (hash >>> shift === 0) return wordsAt + 4 * at + 1;
      hash = ((hash << 1) + (gear[(word >>> 8) & 0xff] as number)) | 0;
      if (hash >>> shift === 0) return wordsAt + 4 * at + 2;
      hash = ((hash << 1) + (gear[(word >>> 16) & 0xff] as number)) | 0;
      if (hash >>> shift === 0) return wordsAt + 4 * at + 3;
      hash = ((hash << 1) + (gear[word >>> 24] as number)) | 0;
      if (hash >>> shift === 0) return wordsAt + 4 * at + 4;
    }
    this.#hash = hash;
    return this.#scanBytes(bytes, wordsAt + 4 * words.length, to, shift);
  }

  /** The same, byte by byte: what stands before and behind whole words. */
  #scanBytes(bytes: Uint8Array, from: number, to: number, shift: number): number {
    let hash = this.#hash;
    for (let offset = from; offset < to; offset++) {
      hash = ((hash << 1) + (gear[bytes[offset] as number] as number)) | 0;
      if (hash >>> shift === 0) return offset + 1;
    }
    this.#hash = hash;
    return 0;
  }
}
