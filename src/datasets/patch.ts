/**
 * Patches: a target written as copies from a base and the bytes between them.
 *
 *     patch    = 0 (varint frameBytes) frame stream         literals in a zstd frame
 *              | 1 (varint literalBytes) literals stream    literals as they are, where they do not compress
 *              | primeLog primeBack recordBytes stream      literals in the stream; primeLog 12..18 and recordBytes are bytes, primeBack a varint
 *     stream   = arithmetic code of: { literalBytes [literals] [copy] } until the target is complete
 *     copy     = in step? [sign distance] lengthBytes
 *
 * The third kind codes literals with a model of the content (`patch-model.ts`), which is first trained on a stretch of the base: the `2^primeLog` bytes that end `primeBack` before its end.
 * Instructions are coded with adaptive statistics in all of them: recurring lengths, as an edited column makes them, cost a bit or two.
 */

import { type Outcome, success } from '../core/outcome.ts';
import type { Compressor } from '../ports/compressor.ts';
import { type Copy, findCopies } from './patch-matcher.ts';
import { ByteModel } from './patch-model.ts';
import { AdaptiveBits, type BitCoder, BitDecoder, BitEncoder, NumberModel } from './patch-range-coder.ts';
import { ByteReader, ByteWriter } from './varint.ts';

const modeCompressed = 0;
const modePlain = 1;
/** The model is trained on 4 KiB to 256 KiB. */
const primeLogMin = 12;
const primeLogMax = 18;
/** Literals that one patch may have modelled, in bytes: with the training, it bounds the time to decode a patch, hostile or not, to a few seconds. */
export const modelledBytesMax = 1024 * 1024;
const contextsMax = 16;
/** Mean length of the runs of literals, in bytes, up to which they may be numbers. */
const numberBytes = 9;

/** Codes the instructions. Written once for both directions. */
class Instructions {
  readonly #literalLengths = new NumberModel(contextsMax);
  readonly #copyLengths = new NumberModel(contextsMax * 2);
  readonly #distances = new NumberModel(1);
  readonly #flags = new AdaptiveBits(3);
  #lastLiteralBytes = 0;
  #moved = 1;

  literalBytes(coder: BitCoder, value: number): number {
    const context = Math.min(this.#lastLiteralBytes, contextsMax - 1);
    this.#lastLiteralBytes = this.#literalLengths.code(coder, context, value);
    return this.#lastLiteralBytes;
  }

  /** The base offset of a copy, given the one in step. */
  baseOffset(coder: BitCoder, inStep: number, value: number): number {
    const distance = value - inStep;
    this.#moved = this.#flags.code(coder, this.#moved, distance === 0 ? 0 : 1);
    if (this.#moved === 0) return inStep;
    const negative = this.#flags.code(coder, 2, distance < 0 ? 1 : 0);
    const magnitude = this.#distances.code(coder, 0, Math.abs(distance));
    return inStep + (negative === 1 ? -magnitude : magnitude);
  }

  copyBytes(coder: BitCoder, value: number): number {
    const context = this.#moved * contextsMax + Math.min(this.#lastLiteralBytes, contextsMax - 1);
    return this.#copyLengths.code(coder, context, value);
  }
}

/** Passes bits through: for training a model on bytes that both sides know. */
const training: BitCoder = { code: (bit) => bit };

interface Prime {
  readonly log: number;
  readonly back: number;
  readonly recordBytes: number;
}

/** A model trained on a stretch of the base, which begins `buffer`. */
function trainedModel(buffer: Uint8Array, baseBytes: number, prime: Prime): ByteModel {
  const end = baseBytes - prime.back;
  const start = Math.max(0, end - 2 ** prime.log);
  const model = new ByteModel(buffer, prime.log, prime.recordBytes);
  model.begin(start, -1);
  for (let place = start; place < end; place++) model.code(training, place, buffer[place] as number);
  return model;
}

/** Bounds on the effort of encoding a patch. */
export interface PatchOptions {
  readonly compressor: Compressor;
  /** zstd level for literals that are not modelled, 1..19. */
  readonly level: number;
  /** Literals up to this many bytes are modelled, at about two microseconds a byte on either side; 0 for never. At most `modelledBytesMax`. */
  readonly modelledBytesMax: number;
}

/** A patch that makes `target` from `base`, in time linear in both and memory of about three times both. Deterministic for one version of zstd. */
export function encodePatch(target: Uint8Array, base: Uint8Array, options: PatchOptions): Uint8Array {
  const copies = findCopies(target, base);
  const literals = literalsOf(target, copies);
  const frame = options.compressor.compress(literals, { level: options.level });
  // Very few literals never compress by themselves, but the model knows them from the base; and many short runs may be numbers that only the base explains.
  const compressible = literals.length < 64 || frame.length < literals.length * 0.98;
  const worthModelling = (compressible || literals.length < copies.length * numberBytes) && literals.length <= options.modelledBytesMax;
  const modelled = worthModelling ? modelledPatch(target, base, copies, primeFor(target, base, copies, literals.length)) : undefined;
  if (modelled !== undefined && compressible) return modelled;
  const compressed = frame.length < literals.length;
  const body = compressed ? frame : literals;
  const writer = new ByteWriter();
  writer.byte(compressed ? modeCompressed : modePlain);
  writer.varint(body.length);
  writer.append(body);
  writer.append(encodeStream(target, base, copies, undefined));
  const patch = writer.finish();
  return modelled !== undefined && modelled.length < patch.length ? modelled : patch;
}

function modelledPatch(target: Uint8Array, base: Uint8Array, copies: readonly Copy[], prime: Prime): Uint8Array {
  const writer = new ByteWriter();
  writer.byte(prime.log);
  writer.varint(prime.back);
  writer.byte(prime.recordBytes);
  writer.append(encodeStream(target, base, copies, prime));
  return writer.finish();
}

function literalsOf(target: Uint8Array, copies: readonly Copy[]): Uint8Array {
  let copied = 0;
  for (const copy of copies) copied += copy.lengthBytes;
  const literals = new Uint8Array(target.length - copied);
  let offset = 0;
  let length = 0;
  for (const copy of [...copies, { targetOffset: target.length, lengthBytes: 0 }]) {
    literals.set(target.subarray(offset, copy.targetOffset), length);
    length += copy.targetOffset - offset;
    offset = copy.targetOffset + copy.lengthBytes;
  }
  return literals;
}

/** What to train on: the base up to where the first literals stand, more of it the more there is to code. */
function primeFor(target: Uint8Array, base: Uint8Array, copies: readonly Copy[], literalBytes: number): Prime {
  let log = primeLogMin;
  while (log < primeLogMax && 2 ** log < literalBytes * 4) log++;
  const before = copies.find((copy, index) => copy.targetOffset + copy.lengthBytes < (copies[index + 1]?.targetOffset ?? target.length));
  const back = before === undefined ? 0 : base.length - before.baseOffset - before.lengthBytes;
  return { back, log, recordBytes: recordBytesOf(literalBytes > 1024 ? target : base) };
}

/** The distance in 1..255 at which the content most often repeats a byte. */
function recordBytesOf(bytes: Uint8Array): number {
  const sample = bytes.subarray(Math.max(0, bytes.length - 16_384));
  let best = 4;
  let bestHits = 0;
  for (let distance = 1; distance < 256; distance++) {
    let hits = 0;
    for (let i = distance; i < sample.length; i++) if (sample[i] === sample[i - distance]) hits++;
    // A multiple of the distance repeats as often: it must be clearly better.
    if (hits > bestHits * 1.05) {
      best = distance;
      bestHits = hits;
    }
  }
  return best;
}

function encodeStream(target: Uint8Array, base: Uint8Array, copies: readonly Copy[], prime: Prime | undefined): Uint8Array {
  // Filled as the decoder will fill it, so that the model cannot see on this side what it will not see on the other.
  const buffer = new Uint8Array(prime === undefined ? 0 : base.length + target.length);
  if (prime !== undefined) buffer.set(base);
  const model = prime && trainedModel(buffer, base.length, prime);
  const coder = new BitEncoder();
  const instructions = new Instructions();
  let offset = 0;
  let diagonal = 0;
  for (const copy of [...copies, undefined]) {
    const end = copy?.targetOffset ?? target.length;
    // A copy that ends the target ends the patch.
    if (copy === undefined && offset === end) break;
    instructions.literalBytes(coder, end - offset);
    if (model !== undefined && end > offset) {
      model.begin(base.length + offset, expectedPlace(offset + diagonal, base.length));
      for (let place = offset; place < end; place++) {
        const byte = target[place] as number;
        model.code(coder, base.length + place, byte);
        buffer[base.length + place] = byte;
      }
    }
    offset = end;
    if (copy === undefined) break;
    instructions.baseOffset(coder, offset + diagonal, copy.baseOffset);
    instructions.copyBytes(coder, copy.lengthBytes);
    if (model !== undefined) buffer.copyWithin(base.length + offset, copy.baseOffset, copy.baseOffset + copy.lengthBytes);
    diagonal = copy.baseOffset - offset;
    offset += copy.lengthBytes;
  }
  return coder.finish();
}

/** Where the base would go on in step, if it does: a whole run of literals may run past its end. */
function expectedPlace(place: number, baseBytes: number): number {
  return place >= 0 && place < baseBytes ? place : -1;
}

/**
 * The target of a patch. `targetBytes` is known from the plan, the base is the one the patch was made with.
 *
 * Fails with `PATCH_MALFORMED` (peer) for copies from outside the base, lengths beyond the target, and literals that are damaged, missing, left over or more than may be modelled. Other damage
 * decodes to other bytes: the content's hash is the caller's to check. Time and memory are bounded by `targetBytes`, `base.length` and `modelledBytesMax`.
 */
export function decodePatch(patch: Uint8Array, base: Uint8Array, targetBytes: number, compressor: Compressor): Outcome<Uint8Array> {
  const reader = new ByteReader(patch);
  const mode = reader.byte();
  const length = reader.varint();
  if (mode === undefined || length === undefined) return malformed('it is cut');
  const buffer = new Uint8Array(base.length + targetBytes);
  buffer.set(base);
  if (mode >= primeLogMin && mode <= primeLogMax) {
    const recordBytes = reader.byte() ?? 0;
    if (recordBytes === 0 || length > base.length) return malformed('its model is out of range');
    const model = trainedModel(buffer, base.length, { log: mode, back: length, recordBytes });
    let modelledBytes = 0;
    return decodeStream(reader.rest(), buffer, base.length, (coder, from, to, inStep) => {
      modelledBytes += to - from;
      if (modelledBytes > modelledBytesMax) return false;
      model.begin(from, inStep);
      for (let place = from; place < to; place++) buffer[place] = model.code(coder, place, 0);
      return true;
    });
  }
  const body = reader.take(length);
  if (body === undefined || (mode !== modeCompressed && mode !== modePlain)) return malformed('its literals are cut or of an unknown kind');
  const literals = mode === modePlain ? body : compressor.decompress(body, { bytesMax: targetBytes });
  if (literals === undefined) return malformed('its literals are damaged');
  let taken = 0;
  const target = decodeStream(reader.rest(), buffer, base.length, (_coder, from, to) => {
    const piece = literals.subarray(taken, taken + to - from);
    taken += piece.length;
    buffer.set(piece, from);
    return piece.length === to - from;
  });
  return target.ok && taken < literals.length ? malformed('literals are left over') : target;
}

/** Puts the literals `from .. to - 1` into the buffer; false when there are not as many. `inStep` is where the base goes on in step, or -1. */
type LiteralSource = (coder: BitCoder, from: number, to: number, inStep: number) => boolean;

/** Follows the instructions: the target, in place behind the base that begins `buffer`. */
function decodeStream(stream: Uint8Array, buffer: Uint8Array, baseBytes: number, literals: LiteralSource): Outcome<Uint8Array> {
  const coder = new BitDecoder(stream);
  const instructions = new Instructions();
  const targetBytes = buffer.length - baseBytes;
  let offset = 0;
  let diagonal = 0;
  while (offset < targetBytes) {
    const literalBytes = instructions.literalBytes(coder, 0);
    if (literalBytes > targetBytes - offset) return malformed('it has more literals than its target is long');
    if (literalBytes > 0) {
      const from = baseBytes + offset;
      if (!literals(coder, from, from + literalBytes, expectedPlace(offset + diagonal, baseBytes)))
        return malformed('it has too few literals, or too many');
      offset += literalBytes;
      if (offset === targetBytes) break;
    }
    const baseOffset = instructions.baseOffset(coder, offset + diagonal, 0);
    const copyBytes = instructions.copyBytes(coder, 0);
    if (copyBytes === 0 || copyBytes > targetBytes - offset) return malformed('a copy does not fit the target');
    if (baseOffset < 0 || baseOffset + copyBytes > baseBytes) return malformed('a copy lies outside the base');
    buffer.copyWithin(baseBytes + offset, baseOffset, baseOffset + copyBytes);
    diagonal = baseOffset - offset;
    offset += copyBytes;
  }
  return success(buffer.subarray(baseBytes));
}

function malformed(why: string): { readonly ok: false; readonly fault: { code: string; blame: 'peer'; message: string } } {
  return { ok: false, fault: { code: 'PATCH_MALFORMED', blame: 'peer', message: `the patch is malformed: ${why}` } };
}
