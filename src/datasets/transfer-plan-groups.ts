/**
 * Groups: the fresh chunks of a plan in portions that are encoded, sent and decoded as one, each with the base chunks it is most likely made of.
 *
 * Both ends work the groups out from the plan, so they cost no bytes. Content without a base goes in groups of about 1 MiB, or 4 MiB where there is much of it. With one, a group takes in many scattered runs, up to
 * `limits.groupBytesMax` bytes of target and as many of base, so that five hundred edited cells share the cost of one header and one set of statistics.
 */

import { limits } from '../core/limits.ts';
import type { SearchPart } from './base-search.ts';
import type { ChunkRef } from './manifest.ts';
import type { ChunkRun, FreshChunk, FreshSegment, TransferPlan } from './transfer-plan.ts';

/** Fresh chunks that are encoded together. */
export interface PlanGroup {
  /** Number of the first fresh chunk (its place in `freshChunks`) and how many follow. */
  readonly firstFresh: number;
  readonly freshCount: number;
  /** Runs of base chunks whose bytes, one after the other, are the dictionary. May be none. */
  readonly baseRuns: readonly ChunkRun[];
  /** Bytes that the group decodes to, at most `limits.groupBytesMax`. */
  readonly targetBytes: number;
  /** Bytes of the dictionary, at most `limits.groupBytesMax`. */
  readonly baseBytes: number;
  /** The portions that it was put together from. */
  readonly parts: readonly SearchPart[];
}

const mebibyte = 1024 * 1024;
/** Bytes of target in a group that is mostly new, where a longer one would only delay the first chunk that is complete. */
const newGroupBytes = mebibyte;
/** The same where so much has to travel that it is the work on each group that counts. */
const newGroupBytesOfMuch = 4 * mebibyte;
const muchBytes = 256 * mebibyte;
/** Bytes of target in one portion of a long run that was rewritten. */
const rewrittenPartBytes = limits.groupBytesMax / 2;
/** Longest fresh run that is coded from a source elsewhere in the base: it stays in one portion. */
export const sourcedRunBytesMax = rewrittenPartBytes;
/** How far content may have moved within a rewritten run, to either side, before its portion loses sight of it. */
const driftBytes = mebibyte / 2;
/** Base bytes taken from before a run that is a good deal longer than what it replaced, or replaced very little: appended rows look like the rows before them. */
const neighbourBytesMax = mebibyte / 4;
const goodDeal = 1.25;
const veryLittleBytes = mebibyte / 64;

/** A portion of one fresh run with its share of the base. */
interface Part {
  readonly freshCount: number;
  readonly targetBytes: number;
  readonly baseRuns: readonly ChunkRun[];
  readonly baseBytes: number;
  /** The base that it took the place of, from and to these offsets in the bytes of `baseRuns`. */
  readonly replacedFrom: number;
  readonly replacedTo: number;
}

/** The groups of a plan, in order: together they hold every fresh chunk once. */
export function planGroups(plan: TransferPlan, base: readonly ChunkRef[]): PlanGroup[] {
  const offsets = new Float64Array(base.length + 1);
  for (let i = 0; i < base.length; i++) offsets[i + 1] = (offsets[i] as number) + (base[i] as ChunkRef).lengthBytes;

  const newBytesMax = freshBytes(plan) > muchBytes ? newGroupBytesOfMuch : newGroupBytes;
  const groups: PlanGroup[] = [];
  let open = emptyGroup(0);
  for (const part of parts(plan, base.length, offsets, newBytesMax)) {
    const targetBytes = open.targetBytes + part.targetBytes;
    const baseBytes = open.baseBytes + part.baseBytes;
    const targetBytesMax = isRewrite(targetBytes, baseBytes) ? limits.groupBytesMax : newBytesMax;
    if (open.freshCount > 0 && (targetBytes > targetBytesMax || baseBytes > limits.groupBytesMax)) {
      groups.push(open);
      open = emptyGroup(open.firstFresh + open.freshCount);
    }
    open = withPart(open, part);
  }
  if (open.freshCount > 0) groups.push(open);
  return groups;
}

function emptyGroup(firstFresh: number): PlanGroup {
  return { firstFresh, freshCount: 0, baseRuns: [], targetBytes: 0, baseBytes: 0, parts: [] };
}

function withPart(group: PlanGroup, part: Part): PlanGroup {
  const searched: SearchPart = {
    targetOffset: group.targetBytes,
    targetBytes: part.targetBytes,
    baseOffset: group.baseBytes,
    baseBytes: part.baseBytes,
    replacedFrom: group.baseBytes + part.replacedFrom,
    replacedTo: group.baseBytes + part.replacedTo,
  };
  return {
    firstFresh: group.firstFresh,
    freshCount: group.freshCount + part.freshCount,
    baseRuns: [...group.baseRuns, ...part.baseRuns],
    targetBytes: group.targetBytes + part.targetBytes,
    baseBytes: group.baseBytes + part.baseBytes,
    parts: [...group.parts, searched],
  };
}

/** True where the base explains a good part of the target, so that much target makes few bytes. */
function isRewrite(targetBytes: number, baseBytes: number): boolean {
  return baseBytes * 4 >= targetBytes;
}

function freshBytes({ segments }: TransferPlan): number {
  let bytes = 0;
  for (const segment of segments) if (segment.kind === 'fresh') for (const { lengthBytes } of segment.chunks) bytes += lengthBytes;
  return bytes;
}

function* parts(plan: TransferPlan, baseCount: number, offsets: Float64Array, newBytesMax: number): Generator<Part> {
  // Where the next copy begins, seen from each segment.
  const nextCopies = new Int32Array(plan.segments.length + 1).fill(baseCount);
  for (let index = plan.segments.length - 1; index >= 0; index--) {
    const segment = plan.segments[index];
    nextCopies[index] = segment?.kind === 'copy' ? segment.baseIndex : (nextCopies[index + 1] as number);
  }
  let copyEnd = 0;
  for (const [index, segment] of plan.segments.entries()) {
    if (segment.kind === 'copy') copyEnd = segment.baseIndex + segment.count;
    if (segment.kind !== 'fresh') continue;
    const nextCopy = nextCopies[index + 1] as number;
    // A copy that goes back in the base bounds nothing: the run then replaced what follows the copy before it.
    yield* runParts(segment, copyEnd, nextCopy < copyEnd ? baseCount : nextCopy, offsets, newBytesMax);
  }
}

function runLength(run: ChunkRun, offsets: Float64Array): number {
  return (offsets[run.baseIndex + run.count] as number) - (offsets[run.baseIndex] as number);
}

/** Portions of one fresh run that took the place of the base chunks `from .. to - 1`. */
function* runParts(
  { chunks, source }: FreshSegment,
  from: number,
  to: number,
  offsets: Float64Array,
  newBytesMax: number,
): Generator<Part> {
  const runBytes = chunks.reduce((sum, chunk) => sum + chunk.lengthBytes, 0);
  const replacedBytes = (offsets[to] as number) - (offsets[from] as number);
  const lackingBytes = Math.max(runBytes - replacedBytes * goodDeal, veryLittleBytes - replacedBytes);
  const [first, last] = withNeighbours(from, to, Math.min(lackingBytes, neighbourBytesMax), offsets);
  const firstOffset = offsets[first] as number;
  const scale = ((offsets[last] as number) - firstOffset) / runBytes;
  const sourced = source !== undefined && runBytes <= sourcedRunBytesMax;
  const partBytesMax = sourced || isRewrite(runBytes, replacedBytes) ? rewrittenPartBytes : newBytesMax;

  let partStart = 0;
  for (let index = 0; index < chunks.length; ) {
    let targetBytes = 0;
    let freshCount = 0;
    while (index < chunks.length) {
      const { lengthBytes } = chunks[index] as FreshChunk;
      if (freshCount > 0 && targetBytes + lengthBytes > partBytesMax) break;
      targetBytes += lengthBytes;
      freshCount++;
      index++;
    }
    const windowStart = lastAtOrBefore(offsets, firstOffset + partStart * scale - driftBytes, first, last);
    const windowEnd = firstAtOrBehind(offsets, firstOffset + (partStart + targetBytes) * scale + driftBytes, first, last);
    const baseRuns = bothEnds(windowStart, windowEnd, Math.min(limits.groupBytesMax, targetBytes * 2 + 2 * driftBytes), offsets);
    let baseBytes = 0;
    for (const run of baseRuns) baseBytes += runLength(run, offsets);
    const replacedStart = partStart === 0 ? (offsets[from] as number) : firstOffset + Math.round(partStart * scale);
    const replacedEnd = index === chunks.length ? (offsets[to] as number) : firstOffset + Math.round((partStart + targetBytes) * scale);
    const replacedFrom = offsetInRuns(replacedStart, baseRuns, offsets);
    const replacedTo = offsetInRuns(replacedEnd, baseRuns, offsets);
    if (sourced && baseBytes + runLength(source, offsets) <= limits.groupBytesMax) {
      baseRuns.push(source);
      baseBytes += runLength(source, offsets);
    }
    yield { freshCount, targetBytes, baseRuns, baseBytes, replacedFrom, replacedTo };
    partStart += targetBytes;
  }
}

/** Where in the bytes of these runs, one behind the other, an offset of the base is: in a gap between them, where they meet. */
function offsetInRuns(offset: number, runs: readonly ChunkRun[], offsets: Float64Array): number {
  let before = 0;
  for (const run of runs) {
    const lengthBytes = runLength(run, offsets);
    before += Math.min(lengthBytes, Math.max(0, offset - (offsets[run.baseIndex] as number)));
  }
  return before;
}

/** The range grown by whole chunks until it has `moreBytes` more: to the front, or to the back where there is nothing in front. */
function withNeighbours(from: number, to: number, moreBytes: number, offsets: Float64Array): [number, number] {
  if (moreBytes <= 0) return [from, to];
  const start = offsets[from] as number;
  let first = from;
  while (first > 0 && start - (offsets[first] as number) < moreBytes) first--;
  let last = to;
  if (from === 0) {
    const end = offsets[to] as number;
    while (last < offsets.length - 1 && (offsets[last] as number) - end < moreBytes) last++;
  }
  return [first, last];
}

/** The chunks `from .. to - 1`; where they exceed `bytesMax`, about as many as fit from the front and the back: a deletion leaves a chunk made of both. */
function bothEnds(from: number, to: number, bytesMax: number, offsets: Float64Array): ChunkRun[] {
  if (from === to) return [];
  const start = offsets[from] as number;
  const end = offsets[to] as number;
  if (end - start <= bytesMax) return [{ baseIndex: from, count: to - from }];
  let front = from + 1;
  while ((offsets[front + 1] as number) - start <= bytesMax / 2) front++;
  const backBytesMax = bytesMax - ((offsets[front] as number) - start);
  let back = to;
  while (end - (offsets[back - 1] as number) <= backBytesMax) back--;
  const frontRun = { baseIndex: from, count: front - from };
  return back === to ? [frontRun] : [frontRun, { baseIndex: back, count: to - back }];
}

/** Index in `from .. to` of the last offset that is not above `offset`. */
function lastAtOrBefore(offsets: Float64Array, offset: number, from: number, to: number): number {
  let low = from;
  let high = to;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((offsets[middle] as number) <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Index in `from .. to` of the first offset that is not below `offset`. */
function firstAtOrBehind(offsets: Float64Array, offset: number, from: number, to: number): number {
  let low = from;
  let high = to;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if ((offsets[middle] as number) >= offset) high = middle;
    else low = middle + 1;
  }
  return low;
}
