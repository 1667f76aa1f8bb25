/**
 * How a sender that has lost the bytes of a base finds out which of them it still knows: they are the bytes of the new content that did not change.
 *
 * It asks the receiver for hashes of the base's blocks, large ones first, and looks for them in the target. A block that was found is known byte for byte. Where one was not, it is asked for again in
 * quarters, down to a size at which the bytes of a changed block cost less than more hashes would: so an edited cell in a chunk of 64 KiB costs a few dozen bytes (Suel, Noel and Trendafilov,
 * "Improved File Synchronization Techniques for Maintaining Large Replicated Collections over Slow Networks", ICDE 2004, refine in the same way).
 *
 * Most blocks lie where their neighbours say: on the *diagonal* (target offset minus base offset) of the content before or behind them. There they are looked for first, which needs few bits. A long
 * stretch of which nothing is found there has moved, or was rewritten: it is asked for with rolling hashes, once, and two blocks in a row must be found.
 *
 * At most four comparisons in step and 32 comparisons of pairs are made for a block, so a wrong block is taken for a right one at most once in 2^22 blocks that are not there, about one in 2,000 groups
 * of 8 MiB. The group's own check (`partial-base-group.ts`) then fails, and the group travels without a base.
 */

import { limits } from '../core/limits.ts';
import type { Crypto } from '../ports/crypto.ts';
import { answerBytes, type BaseBlock, type BlockQuery, blockHash, blocksOf, RollingHash, rollingBytes } from './base-blocks.ts';
import type { ByteRange } from './byte-ranges.ts';
import type { EncodingEffort } from './delta-group.ts';

/** `lengthBytes` bytes of the base from `baseOffset` on are those of the target from `targetOffset` on. */
export interface KnownRange {
  readonly baseOffset: number;
  readonly targetOffset: number;
  readonly lengthBytes: number;
}

/** A stretch of the target, the stretch of the base that may help with it, and which of that it took the place of. All in bytes. */
export interface SearchPart {
  readonly targetOffset: number;
  readonly targetBytes: number;
  readonly baseOffset: number;
  readonly baseBytes: number;
  readonly replacedFrom: number;
  readonly replacedTo: number;
}

/** What a search is about. */
export interface SearchSubject {
  /** Without overlap, ascending in target and base. */
  readonly parts: readonly SearchPart[];
  /** Stretches of the base whose bytes the sender has: they are not asked about. Ascending. */
  readonly held: readonly { readonly offset: number; readonly lengthBytes: number }[];
}

interface EffortBounds {
  /** Questions at most. Each is a round trip. */
  readonly rounds: number;
  /** Blocks are not asked for in smaller pieces. */
  readonly smallestLog: number;
}

const effortBounds: { readonly [effort in EncodingEffort]: EffortBounds } = {
  fast: { rounds: 1, smallestLog: 11 },
  normal: { rounds: 3, smallestLog: 9 },
  high: { rounds: 5, smallestLog: 7 },
};

const largestLog = 13;
/** Below this much to ask about, the first blocks are of 2 KiB. */
const largestLogFromBytes = 512 * 1024;
/** Blocks shrink to a quarter. */
const refineLog = 2;
/** A stretch of more blocks than this of which none was found was moved or rewritten, rather than edited. */
const editedBlocksMax = 4;
/** How far out of step a pair of blocks is looked for, in bytes: an edited cell may be longer or shorter. */
const shiftMax = 8;
/** Blocks with one rolling hash that are compared at a place. */
const candidatesMax = 8;
/** Comparisons in one search for moved blocks, for every byte of the target: content that repeats itself, or a hostile answer, would have every place compared with many blocks. */
const comparisonsPerByteMax = 1 / 64;
/** About what a byte of a changed block costs, and what a question costs beside its hashes. */
const literalCost = 0.08;
const questionCostBytes = 80;

/** A stretch of the base that is not known, between what is. */
interface Gap {
  readonly from: number;
  readonly to: number;
  /** Diagonals of the content before and behind it. */
  readonly before: number;
  readonly behind: number;
  /** Bytes of the target that lie between the same neighbours. */
  readonly targetBytes: number;
}

interface AskedBlock extends BaseBlock {
  /** Where it was found, or -1. */
  found: number;
}

/** The search in one group. Ask what `query` says, hand the answer to `take`, until `query` is `undefined`. */
export class BaseSearch {
  readonly #subject: SearchSubject;
  readonly #crypto: Pick<Crypto, 'sha256'>;
  readonly #bounds: EffortBounds;
  #known: KnownRange[] = [];
  /** The gaps that the current question is about, in the order of its ranges. */
  #asked: Gap[] = [];
  #query: BlockQuery | undefined;
  #round = 0;
  #rolled = false;
  #lastLog = 0;

  constructor(subject: SearchSubject, effort: EncodingEffort, crypto: Pick<Crypto, 'sha256'>) {
    this.#subject = subject;
    this.#crypto = crypto;
    this.#bounds = effortBounds[effort];
    const gaps = this.#gaps();
    const bytes = gaps.reduce((sum, gap) => sum + gap.to - gap.from, 0);
    const oneRound = this.#bounds.rounds === 1;
    this.#rolled = oneRound;
    this.#ask(oneRound || bytes < largestLogFromBytes ? 11 : largestLog, gaps, () => oneRound);
  }

  /** What to ask next; `undefined` when asking more would not pay. */
  get query(): BlockQuery | undefined {
    return this.#query;
  }

  /** What of the base is known from the target, ascending in the base and without overlap. */
  get known(): readonly KnownRange[] {
    return this.#known;
  }

  /** Logarithm of a length that what is known mostly begins and ends at multiples of. */
  get unitLog(): number {
    return this.#lastLog;
  }

  /** Takes the answer to `query`. False, and the search is over, when it is not of the length that was asked for. */
  take(answer: Uint8Array, target: Uint8Array): boolean {
    const query = this.#query;
    this.#query = undefined;
    if (query === undefined || answer.length !== answerBytes(query)) return false;
    this.#lastLog = query.blockLog;
    const blocks: AskedBlock[] = blocksOf(query).map((block) => ({ ...block, found: -1 }));
    const comparison = new Comparison(answer, target, this.#crypto);
    if (query.ranges.some(({ marked }) => marked)) this.#findMoved(blocks, comparison, target, 2 ** query.blockLog);
    let first = 0;
    for (const [index, range] of query.ranges.entries()) {
      let end = first;
      while (end < blocks.length && (blocks[end] as AskedBlock).offset < range.offset + range.lengthBytes) end++;
      findInStep(blocks.slice(first, end), this.#asked[index] as Gap, comparison);
      first = end;
    }
    this.#learn(blocks);
    if (++this.#round < this.#bounds.rounds && query.blockLog - refineLog >= this.#bounds.smallestLog)
      this.#refine(query.blockLog - refineLog);
    return true;
  }

  #refine(blockLog: number): void {
    const askedBytes = 2 ** (blockLog + refineLog);
    const canRoll = !this.#rolled;
    const edges: Gap[] = [];
    const moved = new Set<Gap>();
    for (const gap of this.#gaps()) {
      const lengthBytes = gap.to - gap.from;
      if (Math.min(lengthBytes, gap.targetBytes) < 2 ** blockLog / 2) continue;
      if (lengthBytes <= editedBlocksMax * askedBytes) {
        edges.push(gap);
      } else if (canRoll) {
        edges.push(gap);
        moved.add(gap);
      } else {
        // Rewritten: only what stands at its ends may go on in smaller pieces.
        edges.push({ ...gap, to: gap.from + askedBytes }, { ...gap, from: gap.to - askedBytes });
      }
    }
    if (moved.size > 0) this.#rolled = true;
    this.#ask(blockLog, edges, (gap) => moved.has(gap));
  }

  #ask(blockLog: number, gaps: readonly Gap[], isRolling: (gap: Gap) => boolean): void {
    const ranges = gaps.map((gap): ByteRange => ({ offset: gap.from, lengthBytes: gap.to - gap.from, marked: isRolling(gap) }));
    const query = { blockLog, ranges };
    const cost = answerBytes(query);
    const bytes = gaps.reduce((sum, gap) => sum + Math.min(gap.to - gap.from, gap.targetBytes), 0);
    if (cost + questionCostBytes > bytes * literalCost || cost > limits.baseAnswerBytesMax) return;
    this.#asked = [...gaps];
    this.#query = query;
  }

  /** What of the parts' bases is neither held nor known. */
  #gaps(): Gap[] {
    const gaps: Gap[] = [];
    const { parts, held } = this.#subject;
    const covers = [
      ...this.#known.map(({ baseOffset, targetOffset, lengthBytes }) => ({ offset: baseOffset, lengthBytes, targetOffset })),
      ...held.map(({ offset, lengthBytes }) => ({ offset, lengthBytes, targetOffset: -1 })),
    ].sort((a, b) => a.offset - b.offset);
    let index = 0;
    // What is known may go on from one part into the next.
    let covered = 0;
    for (const part of parts) {
      const partEnd = part.baseOffset + part.baseBytes;
      const inPart: typeof covers = [];
      for (; index < covers.length && (covers[index] as (typeof covers)[number]).offset < partEnd; index++)
        inPart.push(covers[index] as (typeof covers)[number]);
      // From behind: the diagonal and the place of what follows each cover.
      const behind: { diagonal: number; target: number }[] = [];
      let next = { diagonal: part.targetOffset + part.targetBytes - part.replacedTo, target: part.targetOffset + part.targetBytes };
      for (let i = inPart.length - 1; i >= 0; i--) {
        const cover = inPart[i] as (typeof covers)[number];
        if (cover.targetOffset >= 0) next = { diagonal: cover.targetOffset - cover.offset, target: cover.targetOffset };
        behind[i] = next;
      }
      behind.push({ diagonal: part.targetOffset + part.targetBytes - part.replacedTo, target: part.targetOffset + part.targetBytes });
      let before = { diagonal: part.targetOffset - part.replacedFrom, target: part.targetOffset };
      let from = Math.max(part.baseOffset, covered);
      for (let i = 0; i <= inPart.length; i++) {
        const cover = inPart[i];
        const to = cover?.offset ?? partEnd;
        const after = behind[i] as { diagonal: number; target: number };
        if (to > from)
          gaps.push({
            from,
            to,
            before: before.diagonal,
            behind: after.diagonal,
            targetBytes: Math.max(0, after.target - before.target),
          });
        if (cover === undefined) break;
        from = cover.offset + cover.lengthBytes;
        covered = from;
        if (cover.targetOffset >= 0)
          before = { diagonal: cover.targetOffset - cover.offset, target: cover.targetOffset + cover.lengthBytes };
      }
    }
    return gaps;
  }

  /** Looks for the whole blocks with rolling hashes at every byte of the target that is not known yet. */
  #findMoved(blocks: readonly AskedBlock[], comparison: Comparison, target: Uint8Array, blockBytes: number): void {
    const numbersByHash = new Map<number, number[]>();
    const present = new Uint8Array(2 ** 16);
    for (const [number, block] of blocks.entries()) {
      if (!block.rolling || block.lengthBytes !== blockBytes) continue;
      const hash = comparison.rollingOf(block);
      const numbers = numbersByHash.get(hash);
      if (numbers === undefined) numbersByHash.set(hash, [number]);
      else if (numbers.length < candidatesMax) numbers.push(number);
      present[hash >>> 8] = 1;
    }
    if (numbersByHash.size === 0) return;
    const sum = new RollingHash(blockBytes);
    const comparisonsMax = target.length * comparisonsPerByteMax;
    for (const { from, to } of unknownOf(this.#known, target.length)) {
      if (to - from < blockBytes) continue;
      sum.begin(target.subarray(from, from + blockBytes));
      for (let offset = from; comparison.count < comparisonsMax; offset++) {
        const hash = sum.value;
        const numbers = present[hash >>> 8] === 1 ? numbersByHash.get(hash) : undefined;
        const end = numbers === undefined ? -1 : takePair(numbers, offset, blocks, comparison);
        if (end > offset) {
          if (end + blockBytes > to) break;
          sum.begin(target.subarray(end, end + blockBytes));
          offset = end - 1;
          continue;
        }
        if (offset + blockBytes >= to) break;
        sum.roll(target[offset] as number, target[offset + blockBytes] as number);
      }
    }
  }

  #learn(blocks: readonly AskedBlock[]): void {
    const all = [
      ...this.#known,
      ...blocks.flatMap(({ offset, lengthBytes, found }) => (found < 0 ? [] : [{ baseOffset: offset, targetOffset: found, lengthBytes }])),
    ].sort((a, b) => a.baseOffset - b.baseOffset);
    const merged: KnownRange[] = [];
    for (const range of all) {
      const last = merged.at(-1);
      if (
        last !== undefined &&
        last.baseOffset + last.lengthBytes === range.baseOffset &&
        last.targetOffset + last.lengthBytes === range.targetOffset
      )
        merged[merged.length - 1] = { ...last, lengthBytes: last.lengthBytes + range.lengthBytes };
      else merged.push(range);
    }
    this.#known = merged;
  }
}

/** Compares blocks, by the hashes of an answer, with places of the target. */
class Comparison {
  readonly #answer: Uint8Array;
  readonly #target: Uint8Array;
  readonly #crypto: Pick<Crypto, 'sha256'>;
  /** Comparisons so far. */
  count = 0;

  constructor(answer: Uint8Array, target: Uint8Array, crypto: Pick<Crypto, 'sha256'>) {
    this.#answer = answer;
    this.#target = target;
    this.#crypto = crypto;
  }

  rollingOf({ hashOffset }: BaseBlock): number {
    let hash = 0;
    for (let i = 0; i < rollingBytes; i++) hash = hash * 256 + (this.#answer[hashOffset + i] as number);
    return hash;
  }

  agrees({ lengthBytes, rolling, hashOffset }: BaseBlock, targetOffset: number): boolean {
    if (targetOffset < 0 || targetOffset + lengthBytes > this.#target.length) return false;
    this.count++;
    const hash = blockHash(this.#target.subarray(targetOffset, targetOffset + lengthBytes), rolling, this.#crypto);
    return hash.every((byte, index) => byte === this.#answer[hashOffset + index]);
  }
}

/** Notes the first of these blocks that is found at `offset` together with a neighbour, and what follows it. Returns where in the target that ends, or -1. */
function takePair(numbers: readonly number[], offset: number, blocks: readonly AskedBlock[], comparison: Comparison): number {
  for (const number of numbers) {
    const block = blocks[number] as AskedBlock;
    if (block.found >= 0 || !comparison.agrees(block, offset)) continue;
    const next = blocks[number + 1];
    if (next === undefined || !follows(block, next) || !comparison.agrees(next, offset + block.lengthBytes)) continue;
    let end = offset;
    for (let at = number; at < blocks.length; at++) {
      const each = blocks[at] as AskedBlock;
      if (each.found >= 0 || (at > number && !follows(blocks[at - 1] as AskedBlock, each)) || !comparison.agrees(each, end)) break;
      each.found = end;
      end += each.lengthBytes;
    }
    return end;
  }
  return -1;
}

function follows(block: BaseBlock, next: BaseBlock): boolean {
  return block.offset + block.lengthBytes === next.offset;
}

/** Looks for the blocks of one range where their neighbours say that they are. */
function findInStep(blocks: readonly AskedBlock[], gap: Gap, comparison: Comparison): void {
  const tryAt = (block: AskedBlock, diagonal: number): boolean => {
    if (!comparison.agrees(block, block.offset + diagonal)) return false;
    block.found = block.offset + diagonal;
    return true;
  };
  let diagonal = gap.before;
  for (const block of blocks) {
    if (block.found >= 0) diagonal = block.found - block.offset;
    else if (!tryAt(block, diagonal) && gap.behind !== diagonal && tryAt(block, gap.behind)) diagonal = gap.behind;
  }
  diagonal = gap.behind;
  for (const block of [...blocks].reverse()) {
    if (block.found >= 0) diagonal = block.found - block.offset;
    else if (diagonal !== gap.behind) tryAt(block, diagonal);
  }
  findShifted(blocks, gap, tryAt);
}

/** Looks for pairs of blocks a few bytes out of step: between two edits that changed lengths. */
function findShifted(blocks: readonly AskedBlock[], gap: Gap, tryAt: (block: AskedBlock, diagonal: number) => boolean): void {
  let diagonal = gap.before;
  for (let at = 0; at + 1 < blocks.length; at++) {
    const [block, next] = [blocks[at], blocks[at + 1]] as [AskedBlock, AskedBlock];
    if (block.found >= 0) diagonal = block.found - block.offset;
    if (block.found >= 0 || next.found >= 0) continue;
    for (let shift = 1; shift <= shiftMax * 2; shift++) {
      const shifted = diagonal + (shift % 2 === 0 ? shift / 2 : -(shift + 1) / 2);
      if (!tryAt(block, shifted)) continue;
      if (tryAt(next, shifted)) break;
      block.found = -1;
    }
    if (block.found < 0) continue;
    for (let on = at + 2; on < blocks.length; on++) {
      const each = blocks[on] as AskedBlock;
      if (each.found >= 0 || !tryAt(each, block.found - block.offset)) break;
    }
  }
}

/** What of `0 .. targetBytes - 1` no known range covers. */
function unknownOf(known: readonly KnownRange[], targetBytes: number): { from: number; to: number }[] {
  const unknown: { from: number; to: number }[] = [];
  let from = 0;
  for (const { targetOffset, lengthBytes } of [...known].sort((a, b) => a.targetOffset - b.targetOffset)) {
    if (targetOffset > from) unknown.push({ from, to: targetOffset });
    from = Math.max(from, targetOffset + lengthBytes);
  }
  if (targetBytes > from) unknown.push({ from, to: targetBytes });
  return unknown;
}
