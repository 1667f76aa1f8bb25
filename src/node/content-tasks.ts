import { concatBytes, equalBytes, giveBack, toHex } from '../core/bytes.ts';
import { GodwitError } from '../core/errors.ts';
import type { Hash } from '../core/identifiers.ts';
import { failure, type Outcome, success } from '../core/outcome.ts';
import type { ArrivingFile, PlacedChunk, WantedPlace } from '../datasets/arriving-files.ts';
import { answerQuery, decodeQuery, encodeQuery } from '../datasets/base-blocks.ts';
import { BaseSearch } from '../datasets/base-search.ts';
import type { ContentStore } from '../datasets/content-store.ts';
import {
  decodeGroup,
  type EffortBounds,
  type EncodingEffort,
  effortOf,
  encodeGroup,
  encodingRaw,
  seemsCompressible,
} from '../datasets/delta-group.ts';
import {
  type ChunkRef,
  type ContentRef,
  checkContentRef,
  decodeManifestNode,
  equalContent,
  ManifestBuilder,
  totalBytes,
} from '../datasets/manifest.ts';
import { decodePartialBaseGroup, encodePartialBaseGroup, encodingPartialBase } from '../datasets/partial-base-group.ts';
import {
  type FreshChunk,
  freshChunks,
  freshOffsets,
  planTransfer,
  type TransferPlan,
  targetChunks,
  verifyPlan,
} from '../datasets/transfer-plan.ts';
import { type PlanGroup, planGroups } from '../datasets/transfer-plan-groups.ts';
import { findSources } from '../datasets/transfer-plan-sources.ts';
import { decodePlan, encodePlan } from '../datasets/transfer-plan-wire.ts';
import type { Compressor } from '../ports/compressor.ts';
import type { Crypto } from '../ports/crypto.ts';
import { GroupPuts } from './group-puts.ts';

/**
 * The work between a wanted content and its bytes, on both sides of a transfer: plan, encode, decode, verify, store. Asynchronous because it reads and writes bulk bytes; the engine asks for it
 * as tasks and hears the results as inputs.
 *
 * Object 0 of a transfer is one byte that says which of the offered bases the plan builds on (0: none, n: the n-th), and the plan. Object i is the encoded group i - 1.
 */

/** What a sending node works by. */
export interface PreparedTransfer {
  readonly content: ContentRef;
  /** Object 0. */
  readonly planObject: Uint8Array;
  readonly planId: Uint8Array;
  readonly groups: readonly PlanGroup[];
  readonly fresh: readonly ChunkRef[];
  readonly base: readonly ChunkRef[];
  /** Bytes that do not travel because the receiver has them. */
  readonly copiedBytes: number;
  /** The content is still arriving here itself; absent once it is complete. */
  readonly arriving?: {
    /** The plan by which it arrives (hexadecimal), when its groups are the same as those of this transfer. */
    readonly planId?: string;
    /** The plan names all chunks, so that each group is verified by itself. Without, `fresh` is empty: only the whole can be. */
    readonly hashed: boolean;
  };
}

/** How a content arrives here: its object 0, and the bases it was asked for with. */
export interface ArrivingPlan {
  readonly planObject: Uint8Array;
  readonly bases: readonly Hash[];
}

/** What a receiving node works by. */
export interface OpenedTransfer {
  readonly content: ContentRef;
  readonly planObject: Uint8Array;
  readonly planId: Uint8Array;
  readonly plan: TransferPlan;
  readonly groups: readonly PlanGroup[];
  readonly base: readonly ChunkRef[];
  /** What `base` are the references of; absent without a base. */
  readonly baseContent?: ContentRef;
  readonly copiedBytes: number;
  /** Groups all of whose chunks are here already, with their hashes: of a content that lost a chunk, and of one that shares bytes with others. Absent when there are none. */
  readonly held?: readonly { readonly group: number; readonly hashes: readonly Hash[] }[];
}

/** A group on its way to the peer: encoded, or waiting for the peer to tell what its base holds. */
export type EncodedGroup =
  | { readonly kind: 'encoded'; readonly bytes: Uint8Array }
  | { readonly kind: 'query'; readonly query: Uint8Array; readonly search: BaseSearch };

/** What a peer said of a base that was lost here; empty when it can or will say nothing. */
export interface BaseAnswer {
  readonly search: BaseSearch;
  readonly bytes: Uint8Array;
}

/** With a base and at most this many groups, fresh chunks travel without their hashes: the whole is small, and its root vouches for it. */
const groupsWithoutHashesMax = 8;
/** Samples of a group that arrived as it is, which tell whether it is worth compressing here. */
const samplesOfArrived = 2;
/** Where in a content samples are taken, as shares of its chunks, and how long each may be. */
const sampledPlaces = [0, 0.3, 0.6, 0.9];
const sampleBytesMin = 1024;
const sampleBytesMax = 64 * 1024;
/** Stands for a base in object 0. */
const basesMax = 4;
/** What was found of a lost base and makes a group this many times shorter is not compared with doing without. */
const convincingRatio = 8;

/** A content arrives in its file when at most this share of it is not fresh: the rest is copied there in the end. */
const copiedShareMax = 1 / 4;

/** The fresh chunks of a plan, and where in the content each of them begins. */
interface FreshPlaces {
  readonly chunks: readonly FreshChunk[];
  readonly offsets: Float64Array;
}

/** Runs the tasks of one node. */
export class ContentTasks {
  readonly #contents: ContentStore;
  readonly #puts: GroupPuts;
  readonly #crypto: Crypto;
  readonly #compressor: Compressor;
  readonly #placeOf: (root: Hash) => WantedPlace | undefined;
  readonly #freshByPlan = new WeakMap<TransferPlan, FreshPlaces>();

  /** @param placeOf where a content is to stand as a file, if it is */
  constructor(
    contents: ContentStore,
    crypto: Crypto,
    compressor: Compressor,
    placeOf: (root: Hash) => WantedPlace | undefined = () => undefined,
  ) {
    this.#contents = contents;
    this.#puts = new GroupPuts((records) => contents.put(records));
    this.#crypto = crypto;
    this.#compressor = compressor;
    this.#placeOf = placeOf;
  }

  /**
   * Plans how to send a content to somebody who offers these bases. `undefined` when the content is neither complete here nor arriving by a plan that helps the one who asks.
   */
  async prepare(content: ContentRef, bases: readonly Hash[], arriving?: ArrivingPlan): Promise<PreparedTransfer | undefined> {
    const held = this.#contents.content(content.root);
    if (held === undefined) return arriving && this.#prepareArriving(content, bases, arriving);
    const target = equalContent(held, content) ? await this.#refs(content) : undefined;
    return target && this.#plan(content, target, await this.#chooseBase(bases));
  }

  /** The plan by which the content arrives is passed on as it is to whoever has its base. For others one is made from the chunks that it names. */
  async #prepareArriving(
    content: ContentRef,
    bases: readonly Hash[],
    { planObject, bases: ownBases }: ArrivingPlan,
  ): Promise<PreparedTransfer | undefined> {
    const opened = await this.open(content, ownBases, planObject);
    if (!opened.ok) return undefined;
    const { plan, planId, groups, base, baseContent, copiedBytes: copied } = opened.value;
    const target = targetChunks(plan, base);
    const hashed = target !== undefined;
    const chosen = await this.#chooseBase(bases);
    const ownBase = baseContent?.root;
    const baseNumber = ownBase === undefined ? 0 : bases.findIndex((root) => equalBytes(root, ownBase)) + 1;
    if (ownBase === undefined ? chosen.baseNumber > 0 : baseNumber === 0)
      return target && { ...(await this.#plan(content, target, chosen)), arriving: { hashed } };
    const passedOn = concatBytes(Uint8Array.of(baseNumber), planObject.subarray(1));
    return {
      content,
      planObject: passedOn,
      planId: this.#planId(passedOn),
      groups,
      fresh: hashed ? (freshChunks(plan) as readonly ChunkRef[]) : [],
      base,
      copiedBytes: copied,
      arriving: { planId: toHex(planId), hashed },
    };
  }

  /** The first of the offered bases whose chunks are known here, and its number from 1 on; 0 for none. */
  async #chooseBase(bases: readonly Hash[]): Promise<{ readonly baseNumber: number; readonly base: readonly ChunkRef[] }> {
    for (const [index, root] of bases.slice(0, basesMax).entries()) {
      const base = await this.#baseRefs(root);
      if (base !== undefined) return { baseNumber: index + 1, base };
    }
    return { baseNumber: 0, base: [] };
  }

  async #plan(
    content: ContentRef,
    target: readonly ChunkRef[],
    { baseNumber, base }: { readonly baseNumber: number; readonly base: readonly ChunkRef[] },
  ): Promise<PreparedTransfer> {
    const plan = await findSources(planTransfer(target, base), base, (chunk) => this.#contents.read(chunk.hash));
    const groups = planGroups(plan, base);
    const withHashes = base.length === 0 ? groups.length > 1 : groups.length > groupsWithoutHashesMax;
    const planObject = concatBytes(Uint8Array.of(baseNumber), encodePlan(plan, base, { withHashes, compressor: this.#compressor }));
    // The sender planned from full references, so every fresh chunk still carries its hash here whatever travels.
    const fresh = freshChunks(plan) as readonly ChunkRef[];
    return { content, planObject, planId: this.#planId(planObject), groups, fresh, base, copiedBytes: copiedBytes(content, groups) };
  }

  /**
   * The encoded bytes of one group, or `undefined` when a chunk can no longer be read. Where bytes of its base are gone here, a question for the peer comes first, whose answer is handed in with another
   * call; there may be several in turn. In `room`, a byte longer than the group, its chunks are read, and the result may stand there.
   *
   * @param trusts `just-hashed` for a peer that asks again for what turns out wrong, while the plan tells it the hashes; a medium that travels for weeks cannot
   */
  async encode(
    transfer: PreparedTransfer,
    group: number,
    effort: EncodingEffort | EffortBounds,
    answer?: BaseAnswer,
    room: Uint8Array = new Uint8Array(1 + (transfer.groups[group]?.targetBytes ?? 0)),
    trusts: 'nothing' | 'just-hashed' = 'nothing',
  ): Promise<EncodedGroup | undefined> {
    const { firstFresh, freshCount, baseRuns, baseBytes, parts } = transfer.groups[group] as PlanGroup;
    const isHashed = transfer.groups.length > groupsWithoutHashesMax;
    const target = await this.#contents.readAll(
      transfer.fresh.slice(firstFresh, firstFresh + freshCount).map(({ hash }) => hash),
      room.subarray(1),
      isHashed ? trusts : 'nothing',
    );
    if (target === undefined) {
      if (transfer.arriving === undefined) this.#contents.loseIfDamaged(transfer.content, transfer.fresh);
      return undefined;
    }
    const options = { compressor: this.#compressor, effort, crypto: this.#crypto, room };
    const refs = chunksOfRuns(transfer.base, baseRuns);
    const base = answer === undefined ? await this.#readBase(refs, target) : undefined;
    if (base !== undefined) return { kind: 'encoded', bytes: encodeGroup(target, base, options) };
    const whole = concatBytes(...target);
    let search = answer?.search;
    if (search === undefined) search = new BaseSearch({ parts, held: await this.#held(refs) }, effortOf(effort), this.#crypto);
    else if (answer === undefined || !search.take(answer.bytes, whole)) return { kind: 'encoded', bytes: encodeGroup(target, [], options) };
    if (search.query !== undefined) return { kind: 'query', query: encodeQuery(search.query), search };
    const { known, unitLog } = search;
    const partial = encodePartialBaseGroup(whole, { baseBytes, known, held: await this.#held(refs), unitLog }, options);
    if (partial.length * convincingRatio < whole.length) return { kind: 'encoded', bytes: partial };
    const alone = encodeGroup(target, [], options);
    return { kind: 'encoded', bytes: alone.length < partial.length ? alone : partial };
  }

  /** The answer to a peer's question about the base of a group. Fails as `decodeQuery` does, and with `BASE_GONE` (local). */
  async answer(transfer: OpenedTransfer, group: number, query: Uint8Array): Promise<Outcome<Uint8Array>> {
    const { baseRuns, baseBytes } = transfer.groups[group] as PlanGroup;
    const decoded = decodeQuery(query, baseBytes);
    if (!decoded.ok) return decoded;
    const base = await this.#readAll(chunksOfRuns(transfer.base, baseRuns));
    if (base === undefined) return this.#baseGone(transfer);
    return success(answerQuery(decoded.value, concatBytes(...base), this.#crypto));
  }

  /** How compressible the content is that has to travel: the length of a few chunks' beginnings, compressed at the lowest level, by their length. `undefined` when nothing can be read, or so little that a frame's own bytes would decide. */
  async sample(transfer: Pick<PreparedTransfer, 'fresh'>): Promise<number | undefined> {
    const { fresh } = transfer;
    let bytes = 0;
    let compressedBytes = 0;
    for (const index of new Set(sampledPlaces.map((place) => Math.floor(place * fresh.length)))) {
      const chunk = fresh[index];
      const part = chunk && (await this.#contents.read(chunk.hash))?.subarray(0, sampleBytesMax);
      if (part === undefined || part.length === 0) continue;
      bytes += part.length;
      compressedBytes += Math.min(part.length, this.#compressor.compress(part, { level: 1 }).length);
    }
    return bytes < sampleBytesMin ? undefined : compressedBytes / bytes;
  }

  /**
   * Understands object 0 of a content that was asked for with these bases. Fails as `decodePlan` and `verifyPlan` do, with `BASE_UNKNOWN` (peer) for a base that was not offered, and with
   * `BASE_GONE` (local) when its manifest can no longer be read.
   */
  async open(content: ContentRef, bases: readonly Hash[], planObject: Uint8Array): Promise<Outcome<OpenedTransfer>> {
    const sane = checkContentRef(content, this.#crypto);
    if (!sane.ok) return sane;
    const baseNumber = planObject[0];
    if (baseNumber === undefined || baseNumber > bases.length)
      return failure('BASE_UNKNOWN', 'peer', 'a transfer plan builds on a base that was not offered');
    let base: readonly ChunkRef[] = [];
    const baseContent = baseNumber > 0 ? this.#contents.content(bases[baseNumber - 1] as Hash) : undefined;
    if (baseNumber > 0) {
      const refs = baseContent && (await this.#refs(baseContent));
      if (refs === undefined) return failure('BASE_GONE', 'local', 'the manifest of the base can no longer be read');
      base = refs;
    }
    const plan = decodePlan(planObject.subarray(1), base, content.sizeBytes, this.#compressor);
    if (!plan.ok) return plan;
    if (freshChunks(plan.value).every((chunk) => chunk.hash !== undefined)) {
      const verified = verifyPlan(plan.value, base, content, this.#crypto);
      if (!verified.ok) return verified;
    }
    const groups = planGroups(plan.value, base);
    const held = this.#heldGroups(plan.value, groups);
    return success({
      content,
      planObject,
      planId: this.#planId(planObject),
      plan: plan.value,
      groups,
      base,
      ...(baseContent === undefined ? {} : { baseContent }),
      ...(held.length === 0 ? {} : { held }),
      copiedBytes: copiedBytes(content, groups),
    });
  }

  /**
   * Decodes a group, checks its chunks where the plan names them, and stores them durably. Succeeds with their hashes. Fails as `decodeGroup` and `decodePartialBaseGroup` do, with `CHUNK_WRONG` (peer), or with the
   * code of a disk failure (local): then the same group may be stored again later.
   *
   * @param name takes what names the chunks in the catalog, to be done as a part of the caller's next transaction, which spares one; default: they are named at once
   */
  async store(
    transfer: OpenedTransfer,
    group: number,
    encoded: Uint8Array,
    name: (naming: () => void) => void = (naming) => naming(),
  ): Promise<Outcome<readonly Hash[]>> {
    const { firstFresh, freshCount, baseRuns, targetBytes } = transfer.groups[group] as PlanGroup;
    const base = await this.#readAll(chunksOfRuns(transfer.base, baseRuns));
    if (base === undefined) return this.#baseGone(transfer);
    const decoded =
      encoded[0] === encodingPartialBase
        ? decodePartialBaseGroup(encoded, base, targetBytes, this.#compressor, this.#crypto)
        : decodeGroup(encoded, base, targetBytes, this.#compressor);
    if (!decoded.ok) return decoded;
    const { chunks, offsets } = this.#fresh(transfer);
    const placed: PlacedChunk[] = [];
    let taken = 0;
    for (const [at, chunk] of chunks.slice(firstFresh, firstFresh + freshCount).entries()) {
      const bytes = decoded.value.subarray(taken, taken + chunk.lengthBytes);
      taken += chunk.lengthBytes;
      const hash = this.#crypto.sha256(bytes) as Hash;
      if (chunk.hash !== undefined && !equalBytes(chunk.hash, hash)) {
        return failure('CHUNK_WRONG', 'peer', 'a chunk that arrived does not have the hash its plan names');
      }
      placed.push({ offset: offsets[firstFresh + at] as number, hash, bytes });
    }
    return this.#guardDisk(async () => {
      const file = await this.#fileOf(transfer);
      if (file !== undefined) name(await file.store(placed));
      else {
        // Compressing what comes from a fast link would take longer than the link.
        const isDense = encoded[0] === encodingRaw && !seemsCompressible(decoded.value, this.#compressor, samplesOfArrived);
        await this.#puts.put(placed.map(({ hash, bytes }) => ({ hash, bytes, isDense })));
      }
      if (decoded.value.buffer !== encoded.buffer) giveBack(decoded.value);
      return placed.map(({ hash }) => hash);
    });
  }

  /**
   * Puts the manifest together from all fresh hashes, compares its root with the signed one, stores its nodes and marks the content complete. Fails with `CONTENT_WRONG` (peer), the code
   * of a disk failure (local), or `CHUNK_LOST` (local): then what was stored of it does not help any more.
   */
  async finish(transfer: OpenedTransfer, freshHashes: readonly Hash[]): Promise<Outcome<undefined>> {
    const chunks = targetChunks(transfer.plan, transfer.base, freshHashes);
    if (chunks === undefined) return failure('CONTENT_WRONG', 'peer', 'the plan leaves chunks unnamed');
    const builder = new ManifestBuilder(this.#crypto);
    for (const chunk of chunks) builder.add(chunk);
    const { content, nodes } = builder.finish();
    if (!equalContent(content, transfer.content))
      return failure('CONTENT_WRONG', 'peer', 'what arrived is not the content that was signed');
    const stored = await this.#guardDisk(async () => {
      await this.#contents.put(nodes);
      const file = await this.#contents.arriving.fileOf(content.root);
      return file === undefined || file.makeWhole(chunks, content.sizeBytes);
    });
    if (!stored.ok) return stored;
    if (stored.value && this.#contents.complete(content, chunks)) return success(undefined);
    if (transfer.baseContent !== undefined) this.#contents.loseIfDamaged(transfer.baseContent, transfer.base);
    return failure('CHUNK_LOST', 'local', 'a chunk that had arrived or lay in the base is not here any more');
  }

  /** The file that a large content arrives in, where it is wanted as one and is mostly new. What comes by a plan that names no chunks may be anything until all of it is here, and none of it is put there. */
  async #fileOf(transfer: OpenedTransfer): Promise<ArrivingFile | undefined> {
    const { content, copiedBytes } = transfer;
    if (this.#contents.isTakenWhole(content.sizeBytes) || copiedBytes > content.sizeBytes * copiedShareMax) return undefined;
    // A plan names all of them or none.
    if (this.#fresh(transfer).chunks[0]?.hash === undefined) return undefined;
    return this.#contents.arriving.fileOf(content.root, () => this.#placeOf(content.root));
  }

  #fresh({ plan, base }: OpenedTransfer): FreshPlaces {
    let fresh = this.#freshByPlan.get(plan);
    if (fresh === undefined) {
      fresh = { chunks: freshChunks(plan), offsets: freshOffsets(plan, base) };
      this.#freshByPlan.set(plan, fresh);
    }
    return fresh;
  }

  #heldGroups(plan: TransferPlan, groups: readonly PlanGroup[]): { group: number; hashes: Hash[] }[] {
    const fresh = freshChunks(plan);
    return groups.flatMap(({ firstFresh, freshCount }, group) => {
      const hashes: Hash[] = [];
      for (const { hash } of fresh.slice(firstFresh, firstFresh + freshCount)) {
        if (hash === undefined || !this.#contents.isReadable(hash)) return [];
        hashes.push(hash);
      }
      return [{ group, hashes }];
    });
  }

  /** A base that is damaged is lost, so that it is fetched again where it is needed, and not offered as a base before. */
  #baseGone({ baseContent, base }: OpenedTransfer): Outcome<never> {
    if (baseContent !== undefined) this.#contents.loseIfDamaged(baseContent, base);
    return failure('BASE_GONE', 'local', 'the bytes of the base can no longer be read');
  }

  #planId(planObject: Uint8Array): Uint8Array {
    return this.#crypto.sha256(planObject).slice(0, 16);
  }

  async #refs(content: ContentRef): Promise<ChunkRef[] | undefined> {
    try {
      return await this.#contents.refs(content);
    } catch (error) {
      if (error instanceof GodwitError) return undefined;
      throw error;
    }
  }

  /** The references of a base. Of a content whose bytes went with the working file they lay in, the manifest still says which chunks the peer has. */
  async #baseRefs(root: Hash): Promise<readonly ChunkRef[] | undefined> {
    const complete = this.#contents.content(root);
    if (complete !== undefined) return this.#refs(complete);
    const node = await this.#contents.read(root);
    const depth = manifestLevel(node);
    const children = node && decodeManifestNode(node, depth);
    return children?.ok ? this.#refs({ root, sizeBytes: totalBytes(children.value), depth }) : undefined;
  }

  /** The bytes of base chunks. One that is gone here is found again where the target begins with it, one behind the other: whoever appends to a file keeps what it held. */
  async #readBase(refs: readonly ChunkRef[], target: readonly Uint8Array[]): Promise<Uint8Array[] | undefined> {
    const base: Uint8Array[] = [];
    let offset = 0;
    let whole: Uint8Array | undefined;
    for (const { hash, lengthBytes } of refs) {
      let bytes = await this.#contents.read(hash);
      if (bytes === undefined) {
        whole ??= concatBytes(...target);
        bytes = whole.subarray(offset, offset + lengthBytes);
        if (!equalBytes(this.#crypto.sha256(bytes), hash)) return undefined;
        // Chunks that are here stand around the replaced ones, and are not in the target.
        offset += lengthBytes;
      }
      base.push(bytes);
    }
    return base;
  }

  /** Those of these chunks, one behind the other, whose bytes are here. */
  async #held(refs: readonly ChunkRef[]): Promise<{ offset: number; lengthBytes: number; bytes: Uint8Array }[]> {
    const held: { offset: number; lengthBytes: number; bytes: Uint8Array }[] = [];
    let offset = 0;
    for (const { hash, lengthBytes } of refs) {
      const bytes = await this.#contents.read(hash);
      if (bytes !== undefined) held.push({ offset, lengthBytes, bytes });
      offset += lengthBytes;
    }
    return held;
  }

  #readAll(refs: readonly ChunkRef[]): Promise<Uint8Array[] | undefined> {
    return this.#contents.readAll(refs.map(({ hash }) => hash));
  }

  async #guardDisk<T>(work: () => Promise<T>): Promise<Outcome<T>> {
    try {
      return success(await work());
    } catch (error) {
      if (error instanceof GodwitError) return failure(error.code, 'local', error.message);
      throw error;
    }
  }
}

/** The level in a manifest node's first byte; 0, which no node has, for anything else. */
function manifestLevel(node: Uint8Array | undefined): number {
  return (node?.[0] ?? 0) & 0xf;
}

function copiedBytes(content: ContentRef, groups: readonly PlanGroup[]): number {
  return groups.reduce((rest, group) => rest - group.targetBytes, content.sizeBytes);
}

function chunksOfRuns(base: readonly ChunkRef[], runs: PlanGroup['baseRuns']): ChunkRef[] {
  return runs.flatMap((run) => base.slice(run.baseIndex, run.baseIndex + run.count));
}
