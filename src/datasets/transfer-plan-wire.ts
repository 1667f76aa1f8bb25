/**
 * The bytes of a transfer plan. A plan for one appended row has about eight.
 *
 *     plan     = header (body | frameLength zstd(body)) hash*
 *     header   = one byte: format version (1) in the high half; bit 0: hashes follow, bit 1: the body is compressed, bit 2: some fresh runs have a source
 *     body     = segments places lengths [sources], each a list of varints
 *     segments = number of segments, then for each 4 * count + kind
 *     places   = for a `moved` copy the zigzag of its base index minus the expected one; for a repeat, how many chunks back it begins
 *     lengths  = for every fresh chunk the zigzag of its length minus the expected one
 *     sources  = for every fresh run the number of chunks in its source, 0 for none, and if there are any the base index of the first
 *     hash     = 32 bytes for every fresh chunk
 *
 * Edits keep most things where they were, so both ends expect that a fresh chunk replaces one base chunk of the same length: behind a copy that ended at base chunk `e`, the `n`-th fresh chunk
 * is expected to have the length of base chunk `e + n` (0 beyond the end), and a copy behind `n` fresh chunks to begin at `e + n` (kind `copy`; any other is `moved`).
 */

import { concatBytes } from '../core/bytes.ts';
import { type Hash, identifierBytes } from '../core/identifiers.ts';
import { limits } from '../core/limits.ts';
import { failure, type Outcome, success } from '../core/outcome.ts';
import type { Compressor } from '../ports/compressor.ts';
import type { ChunkRef } from './manifest.ts';
import type { ChunkRun, FreshChunk, PlanSegment, TransferPlan } from './transfer-plan.ts';
import { ByteReader, ByteWriter, unzigzag, zigzag } from './varint.ts';

const planVersion = 1;
const hashesFlag = 1;
const compressedFlag = 2;
const sourcesFlag = 4;

const kindFresh = 0;
const kindCopy = 1;
const kindMoved = 2;
const kindRepeat = 3;

/** Chunks in the content that a plan makes: 4 Mi, 8 TiB at the largest average. */
const chunksMax = 4 * 1024 * 1024;
/** Bytes of a body: three for every chunk and a little. */
const bodyBytesMax = 16 * 1024 * 1024;
/** Below this a zstd frame's own header eats the gain. */
const compressFromBytes = 24;
const compressLevel = 19;

/**
 * The bytes of a plan.
 *
 * With hashes (32 bytes a fresh chunk) the receiver can ask any peer for single chunks and check each one as it comes. Without, only the whole is checked, which is what small deltas want.
 */
export function encodePlan(
  plan: TransferPlan,
  base: readonly ChunkRef[],
  options: { readonly withHashes: boolean; readonly compressor: Compressor },
): Uint8Array {
  const segments = new ByteWriter();
  const places = new ByteWriter();
  const lengths = new ByteWriter();
  const sources = new ByteWriter();
  const hashes: Uint8Array[] = [];
  const withSources = plan.segments.some((segment) => segment.kind === 'fresh' && segment.source !== undefined);
  segments.varint(plan.segments.length);
  let expectedIndex = 0;
  let targetIndex = 0;
  for (const segment of plan.segments) {
    if (segment.kind === 'fresh') {
      segments.varint(segment.chunks.length * 4 + kindFresh);
      for (const { lengthBytes, hash } of segment.chunks) {
        lengths.varint(zigzag(lengthBytes - (base[expectedIndex++]?.lengthBytes ?? 0)));
        if (hash !== undefined) hashes.push(hash);
      }
      targetIndex += segment.chunks.length;
      if (withSources) sources.varint(segment.source?.count ?? 0);
      if (segment.source !== undefined) sources.varint(segment.source.baseIndex);
      continue;
    }
    if (segment.kind === 'repeat') {
      segments.varint(segment.count * 4 + kindRepeat);
      places.varint(targetIndex - segment.targetIndex);
    } else {
      const moved = segment.baseIndex !== expectedIndex;
      segments.varint(segment.count * 4 + (moved ? kindMoved : kindCopy));
      if (moved) places.varint(zigzag(segment.baseIndex - expectedIndex));
      expectedIndex = segment.baseIndex + segment.count;
    }
    targetIndex += segment.count;
  }
  const body = concatBytes(segments.finish(), places.finish(), lengths.finish(), sources.finish());
  const frame = body.length < compressFromBytes ? body : options.compressor.compress(body, { level: compressLevel });
  const writer = new ByteWriter();
  const compressed = frame.length + 4 < body.length;
  const flags = (options.withHashes ? hashesFlag : 0) | (compressed ? compressedFlag : 0) | (withSources ? sourcesFlag : 0);
  writer.byte((planVersion << 4) | flags);
  if (compressed) writer.varint(frame.length);
  writer.append(compressed ? frame : body);
  if (options.withHashes) for (const hash of hashes) writer.append(hash);
  return writer.finish();
}

/**
 * The plan in these bytes, for content of `sizeBytes` (which the signed revision says) from the chunks of `base`.
 *
 * Fails with `PLAN_VERSION` (incompatible) for a newer format and with `PLAN_MALFORMED` (peer) for everything that does not make exactly `sizeBytes` bytes out of existing chunks. Work and
 * memory are bounded by the plan's bytes and by the number of chunks, at most 4 Mi.
 */
export function decodePlan(bytes: Uint8Array, base: readonly ChunkRef[], sizeBytes: number, compressor: Compressor): Outcome<TransferPlan> {
  const outer = new ByteReader(bytes);
  const header = outer.byte();
  if (header === undefined) return malformed('it is empty');
  if (header >> 4 !== planVersion) return failure('PLAN_VERSION', 'incompatible', `plan format ${header >> 4} is not known here`);
  if ((header & 0xf) > (hashesFlag | compressedFlag | sourcesFlag)) return malformed('it has unknown flags');
  let reader = outer;
  if ((header & compressedFlag) !== 0) {
    const frame = outer.take(outer.varint() ?? Number.POSITIVE_INFINITY);
    const body = frame && compressor.decompress(frame, { bytesMax: bodyBytesMax });
    if (body === undefined) return malformed('its body is damaged');
    reader = new ByteReader(body);
  }
  const words = readSegmentWords(reader);
  if (words === undefined) return malformed('its segments are damaged');
  const places: number[] = [];
  for (const word of words) {
    if (word % 4 < kindMoved) continue;
    const place = reader.varint();
    if (place === undefined) return malformed('it lacks a place');
    places.push(place);
  }
  const lengthZigzags: number[] = [];
  for (const word of words) {
    if (word % 4 !== kindFresh) continue;
    for (let left = Math.floor(word / 4); left > 0; left--) {
      const folded = reader.varint();
      if (folded === undefined) return malformed('it lacks a length');
      lengthZigzags.push(folded);
    }
  }
  const sources = (header & sourcesFlag) === 0 ? [] : readSources(reader, words, base.length);
  if (sources === undefined) return malformed('its sources are damaged');
  if (reader !== outer && reader.remainingBytes > 0) return malformed('its body goes on');
  const withHashes = (header & hashesFlag) !== 0;
  if (outer.remainingBytes !== (withHashes ? lengthZigzags.length * identifierBytes : 0)) return malformed('it has the wrong length');
  const hashes = withHashes ? lengthZigzags.map(() => outer.take(identifierBytes) as Hash) : undefined;
  return buildPlan({ words, places, lengthZigzags, sources, hashes }, base, sizeBytes);
}

function malformed(why: string): { readonly ok: false; readonly fault: { code: string; blame: 'peer'; message: string } } {
  return { ok: false, fault: { code: 'PLAN_MALFORMED', blame: 'peer', message: `the transfer plan is malformed: ${why}` } };
}

/** The `4 * count + kind` of every segment; counts are positive and stay within the limit together. */
function readSegmentWords(reader: ByteReader): number[] | undefined {
  const segmentCount = reader.varint();
  if (segmentCount === undefined || segmentCount > reader.remainingBytes) return undefined;
  const words: number[] = [];
  let chunks = 0;
  for (let i = 0; i < segmentCount; i++) {
    const word = reader.varint();
    if (word === undefined || word < 4) return undefined;
    chunks += Math.floor(word / 4);
    if (chunks > chunksMax) return undefined;
    words.push(word);
  }
  return words;
}

/** The source of every fresh run, within the base. */
function readSources(reader: ByteReader, words: readonly number[], baseCount: number): (ChunkRun | undefined)[] | undefined {
  const sources: (ChunkRun | undefined)[] = [];
  for (const word of words) {
    if (word % 4 !== kindFresh) continue;
    const count = reader.varint();
    if (count === undefined) return undefined;
    const baseIndex = count === 0 ? 0 : reader.varint();
    if (baseIndex === undefined || baseIndex + count > baseCount) return undefined;
    sources.push(count === 0 ? undefined : { baseIndex, count });
  }
  return sources;
}

/** The columns of a body, as they were read. */
interface PlanColumns {
  readonly words: readonly number[];
  readonly places: readonly number[];
  readonly lengthZigzags: readonly number[];
  readonly sources: readonly (ChunkRun | undefined)[];
  readonly hashes: readonly Hash[] | undefined;
}

/** Follows the expectations of the encoder, and adds up the lengths. */
function buildPlan(columns: PlanColumns, base: readonly ChunkRef[], sizeBytes: number): Outcome<TransferPlan> {
  const { words, places, lengthZigzags, sources, hashes } = columns;
  const segments: PlanSegment[] = [];
  const targetLengths: number[] = [];
  let expectedIndex = 0;
  let totalBytes = 0;
  let placesRead = 0;
  let freshRead = 0;
  let runsRead = 0;
  for (const word of words) {
    const kind = word % 4;
    const count = Math.floor(word / 4);
    if (kind === kindFresh) {
      const chunks: FreshChunk[] = [];
      for (let i = 0; i < count; i++) {
        const lengthBytes = unzigzag(lengthZigzags[freshRead] as number) + (base[expectedIndex++]?.lengthBytes ?? 0);
        if (lengthBytes < 1 || lengthBytes > limits.chunkBytesMax) return malformed(`it names a chunk of ${lengthBytes} bytes`);
        const hash = hashes?.[freshRead];
        freshRead++;
        chunks.push(hash === undefined ? { lengthBytes } : { lengthBytes, hash });
        targetLengths.push(lengthBytes);
        totalBytes += lengthBytes;
      }
      const source = sources[runsRead++];
      segments.push(source === undefined ? { kind: 'fresh', chunks } : { kind: 'fresh', chunks, source });
    } else if (kind === kindRepeat) {
      const targetIndex = targetLengths.length - (places[placesRead++] as number);
      if (targetIndex < 0 || targetIndex >= targetLengths.length) return malformed('it repeats chunks that are not there');
      for (let i = 0; i < count; i++) {
        const lengthBytes = targetLengths[targetIndex + i] as number;
        targetLengths.push(lengthBytes);
        totalBytes += lengthBytes;
      }
      segments.push({ kind: 'repeat', targetIndex, count });
    } else {
      const baseIndex = expectedIndex + (kind === kindMoved ? unzigzag(places[placesRead++] as number) : 0);
      if (baseIndex < 0 || baseIndex + count > base.length) return malformed('it copies chunks that the base does not have');
      for (let i = 0; i < count; i++) {
        const { lengthBytes } = base[baseIndex + i] as ChunkRef;
        targetLengths.push(lengthBytes);
        totalBytes += lengthBytes;
      }
      segments.push({ kind: 'copy', baseIndex, count });
      expectedIndex = baseIndex + count;
    }
  }
  if (totalBytes !== sizeBytes) return malformed(`it makes ${totalBytes} bytes instead of ${sizeBytes}`);
  return success({ segments });
}
