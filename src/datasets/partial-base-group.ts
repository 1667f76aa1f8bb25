/**
 * Groups encoded by a sender that knows only part of the base: what it found in its own bytes (`base-search.ts`) and what it still holds.
 *
 *     group = 5 check (8) (varint rangesBytes) ranges patch
 *
 * `ranges` are the bytes of the base that the sender does not know (`byte-ranges.ts`). Both sides take them for zeros; the patch is made from, and applied to, that base. `check` is the beginning of
 * the SHA-256 of the target: a block that was taken for another by its short hash shows here, before anything is stored.
 */

import { concatBytes, equalBytes } from '../core/bytes.ts';
import { failure, type Outcome, success } from '../core/outcome.ts';
import type { Compressor } from '../ports/compressor.ts';
import type { Crypto } from '../ports/crypto.ts';
import type { KnownRange } from './base-search.ts';
import { type ByteRange, decodeRanges, encodeRanges } from './byte-ranges.ts';
import { type EffortBounds, type EncodingEffort, patchBounds } from './delta-group.ts';
import { decodePatch, encodePatch } from './patch.ts';
import { ByteReader, ByteWriter } from './varint.ts';

/** First byte of such a group. */
export const encodingPartialBase = 5;
const checkBytes = 8;
const rangesMax = 65_536;

/** What a sender knows of a base of `baseBytes` bytes. */
export interface PartialBase {
  readonly baseBytes: number;
  /** From the target; ascending, without overlap with each other or with `held`. */
  readonly known: readonly KnownRange[];
  /** From its own chunks; ascending. */
  readonly held: readonly { readonly offset: number; readonly bytes: Uint8Array }[];
  /** Logarithm of a length that most ranges end at multiples of. */
  readonly unitLog: number;
}

/** The bytes that stand for `target` for a receiver that has the whole base. Deterministic as `encodeGroup` is. */
export function encodePartialBaseGroup(
  target: Uint8Array,
  partial: PartialBase,
  options: { readonly compressor: Compressor; readonly effort: EncodingEffort | EffortBounds; readonly crypto: Pick<Crypto, 'sha256'> },
): Uint8Array {
  const base = new Uint8Array(partial.baseBytes);
  const covers = [
    ...partial.known.map(({ baseOffset, targetOffset, lengthBytes }) => ({
      offset: baseOffset,
      bytes: target.subarray(targetOffset, targetOffset + lengthBytes),
    })),
    ...partial.held,
  ].sort((a, b) => a.offset - b.offset);
  const unknown: ByteRange[] = [];
  let end = 0;
  for (const { offset, bytes } of covers) {
    base.set(bytes, offset);
    if (offset > end) unknown.push({ offset: end, lengthBytes: offset - end, marked: false });
    end = offset + bytes.length;
  }
  if (base.length > end) unknown.push({ offset: end, lengthBytes: base.length - end, marked: false });
  const ranges = encodeRanges(unknown, partial.unitLog);
  const writer = new ByteWriter();
  writer.byte(encodingPartialBase);
  writer.append(options.crypto.sha256(target).subarray(0, checkBytes));
  writer.varint(ranges.length);
  writer.append(ranges);
  writer.append(encodePatch(target, base, { compressor: options.compressor, ...patchBounds(options.effort) }));
  return writer.finish();
}

/**
 * The chunks of such a group, one behind the other.
 *
 * Fails with `GROUP_MALFORMED` (peer), as `decodePatch` does, and with `GROUP_MISMATCH` (peer) when the sender was wrong about the base: by chance, about once in 2,000 groups. Then the group must be asked for
 * without one. Memory is bounded by `targetBytes` and the base.
 */
export function decodePartialBaseGroup(
  encoded: Uint8Array,
  base: readonly Uint8Array[],
  targetBytes: number,
  compressor: Compressor,
  crypto: Pick<Crypto, 'sha256'>,
): Outcome<Uint8Array> {
  const reader = new ByteReader(encoded.subarray(1));
  const check = reader.take(checkBytes);
  const rangesBytes = reader.take(reader.varint() ?? Number.POSITIVE_INFINITY);
  const known = concatBytes(...base);
  const unknown = rangesBytes && decodeRanges(rangesBytes, known.length, rangesMax);
  if (check === undefined || unknown === undefined)
    return failure('GROUP_MALFORMED', 'peer', 'an encoded group does not say what its base lacks');
  for (const { offset, lengthBytes } of unknown) known.fill(0, offset, offset + lengthBytes);
  const decoded = decodePatch(reader.rest(), known, targetBytes, compressor);
  if (!decoded.ok) return decoded;
  if (!equalBytes(crypto.sha256(decoded.value).subarray(0, checkBytes), check))
    return failure('GROUP_MISMATCH', 'peer', 'the sender of a group took a block of the base for another');
  return success(decoded.value);
}
