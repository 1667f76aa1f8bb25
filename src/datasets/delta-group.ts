/**
 * Encoded groups: new chunks as they travel, in the smallest form that the effort allows.
 *
 *     group = 0 bytes        as they are
 *           | 1 zstd(bytes)
 *           | 2 zstd(bytes), with the base as dictionary
 *           | 3 patch        from the base (`patch.ts`)
 *           | 4 patch        from nothing
 *           | 5 …            from a base that the sender knows in part (`partial-base-group.ts`)
 *
 * zstd with a dictionary is good where much is new and the base is small; it slows down with large dictionaries, and loses sight of them at low levels. Patches take large bases, and small
 * edits in step.
 */

import { concatBytes, gatherBytes } from '../core/bytes.ts';
import { failure, type Outcome, success } from '../core/outcome.ts';
import type { Compressor } from '../ports/compressor.ts';
import { decodePatch, encodePatch, modelledBytesMax } from './patch.ts';

/** What the work on a group may cost. */
export interface EffortBounds {
  /** zstd level, 1 to 19; 0 for no work at all: the bytes go as they are. */
  readonly level: number;
  /** Longest base that is given to zstd as a dictionary. */
  readonly dictionaryBytesMax: number;
  /** Literals of a patch that are modelled. */
  readonly modelledBytesMax: number;
}

/**
 * How much processor time a saved byte is worth, by name: `fast` for links that outrun the encoder, `normal`, and `high` for slow or paid ones (up to a few seconds a group, on both sides).
 */
export type EncodingEffort = 'fast' | 'normal' | 'high';

const effortBounds: { readonly [effort in EncodingEffort]: EffortBounds } = {
  fast: { level: 3, dictionaryBytesMax: 256 * 1024, modelledBytesMax: 1024 },
  normal: { level: 9, dictionaryBytesMax: 1024 * 1024, modelledBytesMax: 32 * 1024 },
  high: { level: 19, dictionaryBytesMax: 1024 * 1024, modelledBytesMax },
};

function boundsOf(effort: EncodingEffort | EffortBounds): EffortBounds {
  return typeof effort === 'string' ? effortBounds[effort] : effort;
}

/** The name that comes nearest to some bounds. */
export function effortOf(effort: EncodingEffort | EffortBounds): EncodingEffort {
  const { level } = boundsOf(effort);
  return level > effortBounds.normal.level ? 'high' : level > effortBounds.fast.level ? 'normal' : 'fast';
}

/** The bounds on a patch made with this effort. */
export function patchBounds(effort: EncodingEffort | EffortBounds): Pick<EffortBounds, 'level' | 'modelledBytesMax'> {
  const { level, modelledBytesMax } = boundsOf(effort);
  return { level: Math.max(1, level), modelledBytesMax };
}

/** The first byte of a group as it is. */
export const encodingRaw = 0;
const encodingZstd = 1;
const encodingZstdDictionary = 2;
const encodingPatch = 3;
const encodingPatchAlone = 4;

/** How much is looked at to see whether compressing is worth while, and what a sample has to become shorter than. */
const samplesMax = 16;
const sampleBytes = 4096;
const sampleShare = 0.98;

/** A patch this many times shorter than its target is not going to be beaten: nothing else is tried. */
const convincingRatio = 8;

/**
 * The bytes that stand for the chunks `target`, for a receiver that has the chunks `base` (both in the order of the plan's group). Without a base they decode everywhere, so a sender that has lost
 * its bytes passes none. `room`, a byte longer than the target, is where the result stands if the bytes go as they are; chunks may stand there already.
 *
 * Deterministic for one effort and one version of zstd, so that a transfer resumes at any byte with the same peer, and with another one where both agree.
 */
export function encodeGroup(
  target: readonly Uint8Array[],
  base: readonly Uint8Array[],
  options: { readonly compressor: Compressor; readonly effort: EncodingEffort | EffortBounds; readonly room?: Uint8Array },
): Uint8Array {
  const { compressor } = options;
  const { level, dictionaryBytesMax, modelledBytesMax } = boundsOf(options.effort);
  // With the tag in front, so that bytes that go as they are need not be copied again.
  const raw = asTheyAre(target, options.room);
  const bytes = raw.subarray(1);
  if (level === 0) return raw;
  const dictionary = concatBytes(...base);
  if (effortOf(options.effort) === 'fast' && base.length === 0 && !seemsCompressible(bytes, compressor)) return raw;
  const candidates: { encoding: number; body: Uint8Array }[] = [{ encoding: encodingRaw, body: bytes }];
  if (dictionary.length > 0 || bytes.length <= modelledBytesMax) {
    const patch = encodePatch(bytes, dictionary, { compressor, level, modelledBytesMax });
    const encoding = dictionary.length > 0 ? encodingPatch : encodingPatchAlone;
    if (patch.length * convincingRatio < bytes.length) return tagged(encoding, patch);
    candidates.push({ encoding, body: patch });
    if (dictionary.length > 0 && dictionary.length <= dictionaryBytesMax) {
      candidates.push({ encoding: encodingZstdDictionary, body: compressor.compress(bytes, { level, dictionary }) });
    }
  }
  candidates.push({ encoding: encodingZstd, body: compressor.compress(bytes, { level }) });
  const best = candidates.reduce((a, b) => (b.body.length < a.body.length ? b : a));
  return best.encoding === encodingRaw ? raw : tagged(best.encoding, best.body);
}

/** The chunks behind the tag, in `room` where it has their length. */
function asTheyAre(target: readonly Uint8Array[], room?: Uint8Array): Uint8Array {
  const lengthBytes = target.reduce((sum, chunk) => sum + chunk.length, 1);
  const raw = room?.length === lengthBytes ? room : new Uint8Array(lengthBytes);
  gatherBytes(raw.subarray(1), target);
  raw[0] = encodingRaw;
  return raw;
}

/** False for long bytes of which no sample becomes shorter: on a fast link it is not worth trying them all. */
export function seemsCompressible(bytes: Uint8Array, compressor: Compressor, samples: number = samplesMax): boolean {
  const stepBytes = Math.floor(bytes.length / samples);
  if (stepBytes < sampleBytes) return true;
  for (let sample = 0; sample < samples; sample++) {
    const part = bytes.subarray(sample * stepBytes, sample * stepBytes + sampleBytes);
    if (compressor.compress(part, { level: 1 }).length < part.length * sampleShare) return true;
  }
  return false;
}

function tagged(encoding: number, body: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.of(encoding), body);
}

/**
 * The chunks of an encoded group, one behind the other: `targetBytes` bytes, which the plan says. The caller cuts them and checks their hashes.
 *
 * Fails with `GROUP_VERSION` (incompatible) for an unknown encoding, `GROUP_MALFORMED` (peer) when the bytes do not decode to that length, and with `PATCH_MALFORMED` (peer). Memory is bounded by
 * `targetBytes` and the base, both of which the plan bounds.
 */
export function decodeGroup(
  encoded: Uint8Array,
  base: readonly Uint8Array[],
  targetBytes: number,
  compressor: Compressor,
): Outcome<Uint8Array> {
  const encoding = encoded[0];
  const body = encoded.subarray(1);
  if (encoding === undefined) return failure('GROUP_MALFORMED', 'peer', 'an encoded group is empty');
  if (encoding > encodingPatchAlone) return failure('GROUP_VERSION', 'incompatible', `group encoding ${encoding} is not known here`);
  if (encoding === encodingPatch) return decodePatch(body, concatBytes(...base), targetBytes, compressor);
  if (encoding === encodingPatchAlone) return decodePatch(body, new Uint8Array(0), targetBytes, compressor);
  let bytes: Uint8Array | undefined = body;
  if (encoding === encodingZstd) bytes = compressor.decompress(body, { bytesMax: targetBytes });
  if (encoding === encodingZstdDictionary) bytes = compressor.decompress(body, { bytesMax: targetBytes, dictionary: concatBytes(...base) });
  if (bytes?.length !== targetBytes)
    return failure('GROUP_MALFORMED', 'peer', `an encoded group does not decode to its ${targetBytes} bytes`);
  return success(bytes);
}
