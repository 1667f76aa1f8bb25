/**
 * Transfer plans: how content is put together from what a node already holds and what it must be sent.
 *
 * The chunks of the target are aligned with those of a base. Runs that the base has too are *copied*, runs that repeat earlier chunks of the target itself (the holes of a sparse file) are
 * *repeated*, and what remains is *fresh* and has to travel. Planning is deterministic: the same target and base give the same plan everywhere, so that a transfer begun with one peer
 * continues with another.
 */

import { equalBytes } from '../core/bytes.ts';
import type { Hash } from '../core/identifiers.ts';
import { failure, type Outcome, success } from '../core/outcome.ts';
import type { Crypto } from '../ports/crypto.ts';
import { type ChunkRef, type ContentRef, equalContent, ManifestBuilder } from './manifest.ts';

/** A chunk that has to travel. A plan that was sent without hashes knows only lengths; the root of the finished manifest vouches for the content then. */
export interface FreshChunk {
  readonly lengthBytes: number;
  readonly hash?: Hash;
}

/** `count` chunks from `baseIndex` on. */
export interface ChunkRun {
  readonly baseIndex: number;
  readonly count: number;
}

/** Chunks that have to travel. `source` is a run of base chunks that they resemble although they did not replace it (`transfer-plan-sources.ts`). */
export interface FreshSegment {
  readonly kind: 'fresh';
  readonly chunks: readonly FreshChunk[];
  readonly source?: ChunkRun;
}

/** A run of chunks of the target, from one source. Runs are as long as the source allows and never empty. */
export type PlanSegment =
  /** `count` chunks of the base from `baseIndex` on. */
  | { readonly kind: 'copy'; readonly baseIndex: number; readonly count: number }
  /** `count` chunks of the target from `targetIndex` on, which lies before this segment; the run may reach into itself, as in LZ77. */
  | { readonly kind: 'repeat'; readonly targetIndex: number; readonly count: number }
  | FreshSegment;

/** The whole target, segment by segment. */
export interface TransferPlan {
  readonly segments: readonly PlanSegment[];
}

/** Distinct chunks by hash, in a table of integers: 200,000 references cost 3 MB, where a map of hexadecimal text costs 40. */
class ChunkIndex {
  readonly #refs: readonly ChunkRef[];
  readonly #slots: Int32Array;
  readonly #mask: number;

  constructor(refs: readonly ChunkRef[]) {
    this.#refs = refs;
    const capacity = 2 ** Math.ceil(Math.log2(refs.length * 2 + 2));
    this.#slots = new Int32Array(capacity).fill(-1);
    this.#mask = capacity - 1;
  }

  /** Remembers the chunk at this index, unless an equal one came before it. */
  add(index: number): void {
    const slot = this.#slotOf(this.#refs[index] as ChunkRef);
    if (this.#slots[slot] === -1) this.#slots[slot] = index;
  }

  /** Index of the first remembered chunk equal to `ref`, or -1. */
  find(ref: ChunkRef): number {
    return this.#slots[this.#slotOf(ref)] as number;
  }

  /** The slot that holds the chunk, or the free one where it belongs. */
  #slotOf(ref: ChunkRef): number {
    const { hash } = ref;
    const prefix = (hash[0] as number) | ((hash[1] as number) << 8) | ((hash[2] as number) << 16) | ((hash[3] as number) << 24);
    for (let slot = prefix & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const index = this.#slots[slot] as number;
      if (index === -1 || sameChunk(this.#refs[index], ref)) return slot;
    }
  }
}

function sameChunk(a: ChunkRef | undefined, b: ChunkRef | undefined): boolean {
  return a !== undefined && b !== undefined && a.lengthBytes === b.lengthBytes && equalBytes(a.hash, b.hash);
}

/**
 * The plan that makes `target` from `base`; without a base, pass none of its chunks.
 *
 * A chunk that the base holds in several places is taken from where the surroundings are copied from, else from its first place. Linear in the number of references.
 */
export function planTransfer(target: readonly ChunkRef[], base: readonly ChunkRef[]): TransferPlan {
  const inBase = new ChunkIndex(base);
  for (let index = 0; index < base.length; index++) inBase.add(index);
  const inTarget = new ChunkIndex(target);
  const segments: PlanSegment[] = [];
  let fresh: FreshChunk[] = [];
  /** Behind the last copied base chunk, and where the copy would be by now if as many chunks were replaced as have been passed. */
  let copyEnd = 0;
  let diagonal = 0;
  let index = 0;
  while (index < target.length) {
    const ref = target[index] as ChunkRef;
    let baseIndex = -1;
    if (sameChunk(base[index + diagonal], ref)) baseIndex = index + diagonal;
    else if (sameChunk(base[copyEnd], ref)) baseIndex = copyEnd;
    else baseIndex = inBase.find(ref);
    const targetIndex = baseIndex === -1 ? inTarget.find(ref) : -1;
    if (baseIndex === -1 && targetIndex === -1) {
      fresh.push(ref);
      inTarget.add(index++);
      continue;
    }
    if (fresh.length > 0) {
      segments.push({ kind: 'fresh', chunks: fresh });
      fresh = [];
    }
    const source = baseIndex === -1 ? target : base;
    const from = baseIndex === -1 ? targetIndex : baseIndex;
    let count = 1;
    while (index + count < target.length && sameChunk(source[from + count], target[index + count])) count++;
    if (baseIndex === -1) {
      segments.push({ kind: 'repeat', targetIndex, count });
    } else {
      segments.push({ kind: 'copy', baseIndex, count });
      copyEnd = baseIndex + count;
      diagonal = baseIndex - index;
    }
    index += count;
  }
  if (fresh.length > 0) segments.push({ kind: 'fresh', chunks: fresh });
  return { segments };
}

/** The chunks that have to travel, in order. Their place in this list is the number by which groups refer to them. */
export function freshChunks(plan: TransferPlan): FreshChunk[] {
  return plan.segments.flatMap((segment) => (segment.kind === 'fresh' ? segment.chunks : []));
}

/**
 * All chunks of the target, in order, from a plan whose fresh chunks are known by hash: it came with hashes, or `freshHashes` (in the order of `freshChunks`) are those of the received bytes.
 *
 * @returns `undefined` when a fresh chunk has no hash.
 */
export function targetChunks(plan: TransferPlan, base: readonly ChunkRef[], freshHashes: readonly Hash[] = []): ChunkRef[] | undefined {
  const chunks: ChunkRef[] = [];
  let freshIndex = 0;
  for (const segment of plan.segments) {
    if (segment.kind === 'fresh') {
      for (const { hash: sentHash, lengthBytes } of segment.chunks) {
        const hash = freshHashes[freshIndex++] ?? sentHash;
        if (hash === undefined) return undefined;
        chunks.push({ hash, lengthBytes });
      }
    } else {
      const source = segment.kind === 'copy' ? base : chunks;
      const from = segment.kind === 'copy' ? segment.baseIndex : segment.targetIndex;
      for (let i = 0; i < segment.count; i++) chunks.push(source[from + i] as ChunkRef);
    }
  }
  return chunks;
}

/** Where in the target each fresh chunk begins, in the order of `freshChunks`: byte offsets. */
export function freshOffsets(plan: TransferPlan, base: readonly ChunkRef[]): Float64Array<ArrayBuffer> {
  const lengths: number[] = [];
  const offsets: number[] = [];
  let offset = 0;
  for (const segment of plan.segments) {
    const count = segment.kind === 'fresh' ? segment.chunks.length : segment.count;
    for (let i = 0; i < count; i++) {
      if (segment.kind === 'fresh') offsets.push(offset);
      const lengthBytes =
        segment.kind === 'fresh'
          ? (segment.chunks[i] as FreshChunk).lengthBytes
          : segment.kind === 'copy'
            ? (base[segment.baseIndex + i] as ChunkRef).lengthBytes
            : (lengths[segment.targetIndex + i] as number);
      lengths.push(lengthBytes);
      offset += lengthBytes;
    }
  }
  return Float64Array.from(offsets);
}

/**
 * Checks that a plan with hashes makes exactly the content a signed revision names, before anything of it is fetched: the manifest is built again and its root compared.
 *
 * @returns the target's chunks. Fails with `PLAN_WRONG_CONTENT` (peer) when the plan makes other content, or does not name every chunk.
 */
export function verifyPlan(
  plan: TransferPlan,
  base: readonly ChunkRef[],
  content: ContentRef,
  crypto: Pick<Crypto, 'sha256'>,
): Outcome<ChunkRef[]> {
  const chunks = targetChunks(plan, base);
  if (chunks === undefined) return failure('PLAN_WRONG_CONTENT', 'peer', 'the plan does not name every chunk');
  const builder = new ManifestBuilder(crypto);
  for (const chunk of chunks) {
    builder.add(chunk);
    builder.drain();
  }
  const made = builder.finish().content;
  if (!equalContent(made, content)) return failure('PLAN_WRONG_CONTENT', 'peer', 'the plan makes other content than the revision names');
  return success(chunks);
}
