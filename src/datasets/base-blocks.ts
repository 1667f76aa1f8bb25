/**
 * What a receiver tells of a base that the sender has lost: short hashes of its blocks, where the sender asks for them.
 *
 *     query  = blockLog ranges          blockLog 6..15; a marked range is asked for rolling hashes
 *     answer = hash*                    for every block of every range, in order
 *     hash   = strong (3)               of an unmarked range: the first bytes of the SHA-256 of the block
 *            | rolling (3) strong (2)   of a marked one
 *
 * A block is what lies in the range between two multiples of `2^blockLog`, so the outer blocks of a range may be shorter. Rolling hashes let the sender look for a block at every byte of the new
 * content (Tridgell, "Efficient Algorithms for Sorting and Synchronization", 1999, chapter 3); without them it looks only where the block is to be expected, and three bytes are enough.
 *
 * The receiver keeps nothing between two questions: the sender knows what it has asked, and asks for smaller blocks where larger ones were not found (`base-search.ts`).
 */

import { limits } from '../core/limits.ts';
import { failure, type Outcome, success } from '../core/outcome.ts';
import type { Crypto } from '../ports/crypto.ts';
import { type ByteRange, decodeRanges, encodeRanges } from './byte-ranges.ts';

/** A question about blocks of a base. */
export interface BlockQuery {
  /** Logarithm of the bytes of a block, 6 to 15. */
  readonly blockLog: number;
  /** Ascending; marked where rolling hashes are wanted. */
  readonly ranges: readonly ByteRange[];
}

/** A block of a base, and where its hash stands in the answer. */
export interface BaseBlock {
  readonly offset: number;
  readonly lengthBytes: number;
  readonly rolling: boolean;
  readonly hashOffset: number;
}

const blockLogMin = 6;
const blockLogMax = 15;
const strongBytes = 3;
/** Bytes of the rolling part of a hash. */
export const rollingBytes = 3;
const rollingStrongBytes = 2;
/** Ranges in one question. */
const rangesMax = 32_768;

/** Multiplier of the rolling hash modulo 2^32, and the one that spreads it over its upper bits. */
const multiplier = 0x2f0b4c47;
const spread = 0x9e3779b1;

/** A hash of the last `blockBytes` bytes of a window that moves on byte by byte. */
export class RollingHash {
  readonly #leaving: number;
  #sum = 0;

  constructor(blockBytes: number) {
    let leaving = 1;
    for (let i = 0; i < blockBytes; i++) leaving = Math.imul(leaving, multiplier);
    this.#leaving = leaving;
  }

  /** Begins anew with a whole window. */
  begin(window: Uint8Array): void {
    let sum = 0;
    for (let i = 0; i < window.length; i++) sum = (Math.imul(sum, multiplier) + (window[i] as number)) | 0;
    this.#sum = sum;
  }

  roll(out: number, into: number): void {
    this.#sum = (Math.imul(this.#sum, multiplier) + into - Math.imul(out, this.#leaving)) | 0;
  }

  /** The hash, 24 bits. */
  get value(): number {
    return Math.imul(this.#sum, spread) >>> 8;
  }
}

/** The hash of one block as it stands in an answer. */
export function blockHash(block: Uint8Array, rolling: boolean, crypto: Pick<Crypto, 'sha256'>): Uint8Array {
  const strong = crypto.sha256(block);
  if (!rolling) return strong.subarray(0, strongBytes);
  const sum = new RollingHash(block.length);
  sum.begin(block);
  const { value } = sum;
  return Uint8Array.of(value >>> 16, (value >>> 8) & 0xff, value & 0xff, ...strong.subarray(0, rollingStrongBytes));
}

/** The blocks that a question is about, in order. */
export function blocksOf({ blockLog, ranges }: BlockQuery): BaseBlock[] {
  const blockBytes = 2 ** blockLog;
  const blocks: BaseBlock[] = [];
  let hashOffset = 0;
  for (const { offset: start, lengthBytes, marked } of ranges) {
    const end = start + lengthBytes;
    for (let offset = start; offset < end; ) {
      const next = Math.min(end, offset - (offset % blockBytes) + blockBytes);
      blocks.push({ offset, lengthBytes: next - offset, rolling: marked, hashOffset });
      hashOffset += marked ? rollingBytes + rollingStrongBytes : strongBytes;
      offset = next;
    }
  }
  return blocks;
}

/** Bytes that the answer to a question has. */
export function answerBytes({ blockLog, ranges }: BlockQuery): number {
  const blockBytes = 2 ** blockLog;
  let bytes = 0;
  for (const { offset, lengthBytes, marked } of ranges) {
    const blocks = Math.ceil((offset + lengthBytes) / blockBytes) - Math.floor(offset / blockBytes);
    bytes += blocks * (marked ? rollingBytes + rollingStrongBytes : strongBytes);
  }
  return bytes;
}

/** The bytes of a question. */
export function encodeQuery({ blockLog, ranges }: BlockQuery): Uint8Array {
  const encoded = encodeRanges(ranges, blockLog);
  const bytes = new Uint8Array(encoded.length + 1);
  bytes[0] = blockLog;
  bytes.set(encoded, 1);
  return bytes;
}

/** The question in these bytes, about a base of `baseBytes`. Fails with `BASE_QUERY_MALFORMED` (peer) for blocks of other sizes, places outside the base, and an answer of more than 256 KiB. */
export function decodeQuery(bytes: Uint8Array, baseBytes: number): Outcome<BlockQuery> {
  const blockLog = bytes[0];
  const ranges =
    blockLog === undefined || blockLog < blockLogMin || blockLog > blockLogMax
      ? undefined
      : decodeRanges(bytes.subarray(1), baseBytes, rangesMax);
  const query = blockLog !== undefined && ranges !== undefined ? { blockLog, ranges } : undefined;
  if (query === undefined || answerBytes(query) > limits.baseAnswerBytesMax)
    return failure('BASE_QUERY_MALFORMED', 'peer', 'a question about blocks of a base is malformed, or asks for too much');
  return success(query);
}

/** The answer to a question about `base`. */
export function answerQuery(query: BlockQuery, base: Uint8Array, crypto: Pick<Crypto, 'sha256'>): Uint8Array {
  const answer = new Uint8Array(answerBytes(query));
  for (const { offset, lengthBytes, rolling, hashOffset } of blocksOf(query))
    answer.set(blockHash(base.subarray(offset, offset + lengthBytes), rolling, crypto), hashOffset);
  return answer;
}
