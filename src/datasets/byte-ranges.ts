/**
 * Lists of byte ranges, as they travel: which parts of a base somebody asks about, or does not know.
 *
 *     ranges = varint(count) unitLog stream
 *     stream = arithmetic code of: { skip length [marked] }, skip from the end of the range before
 *
 * Ranges begin and end at multiples of `2^unitLog` nearly always, so a number is coded as its multiple, one bit that says whether that is all, and the rest where it is not. Five hundred ranges in
 * 8 MiB cost about a byte and a half each.
 */

import { AdaptiveBits, type BitCoder, BitDecoder, BitEncoder, NumberModel } from './patch-range-coder.ts';
import { ByteReader, ByteWriter } from './varint.ts';

/** `lengthBytes` bytes from `offset` on; at least one. */
export interface ByteRange {
  readonly offset: number;
  readonly lengthBytes: number;
  /** What a mark means is the caller's to say. */
  readonly marked: boolean;
}

const unitLogMax = 20;
const even = 32_768;

/** Codes the ranges; written once for both directions. */
class RangeModel {
  readonly #numbers = new NumberModel(2);
  readonly #flags = new AdaptiveBits(4);
  readonly #unitLog: number;
  #lastMark = 0;

  constructor(unitLog: number) {
    this.#unitLog = unitLog;
  }

  /** Codes a skip (context 0) or a length (context 1). */
  number(coder: BitCoder, context: 0 | 1, value: number): number {
    const units = this.#numbers.code(coder, context, value >>> this.#unitLog);
    const rest = value & (2 ** this.#unitLog - 1);
    if (this.#unitLog === 0 || this.#flags.code(coder, context, rest === 0 ? 0 : 1) === 0) return units * 2 ** this.#unitLog;
    let coded = 0;
    for (let bit = this.#unitLog - 1; bit >= 0; bit--) coded = coded * 2 + coder.code((rest >> bit) & 1, even);
    return units * 2 ** this.#unitLog + coded;
  }

  mark(coder: BitCoder, marked: boolean): boolean {
    this.#lastMark = this.#flags.code(coder, 2 + this.#lastMark, marked ? 1 : 0);
    return this.#lastMark === 1;
  }
}

/** The bytes of ascending ranges that neither overlap nor reach beyond 2^31. `unitLog`, 0..20, is a power of two that most of their ends are multiples of. */
export function encodeRanges(ranges: readonly ByteRange[], unitLog: number): Uint8Array {
  const writer = new ByteWriter();
  writer.varint(ranges.length);
  writer.byte(unitLog);
  const coder = new BitEncoder();
  const model = new RangeModel(unitLog);
  let end = 0;
  for (const { offset, lengthBytes, marked } of ranges) {
    model.number(coder, 0, offset - end);
    model.number(coder, 1, lengthBytes);
    model.mark(coder, marked);
    end = offset + lengthBytes;
  }
  writer.append(coder.finish());
  return writer.finish();
}

/** The ranges in these bytes, or `undefined` where there are more than `rangesMax`, or one of them is empty or reaches beyond `endMax`. */
export function decodeRanges(bytes: Uint8Array, endMax: number, rangesMax: number): ByteRange[] | undefined {
  const reader = new ByteReader(bytes);
  const count = reader.varint();
  const unitLog = reader.byte();
  if (count === undefined || unitLog === undefined || count > rangesMax || unitLog > unitLogMax) return undefined;
  const coder = new BitDecoder(reader.rest());
  const model = new RangeModel(unitLog);
  const ranges: ByteRange[] = [];
  let end = 0;
  for (let i = 0; i < count; i++) {
    const offset = end + model.number(coder, 0, 0);
    const lengthBytes = model.number(coder, 1, 0);
    end = offset + lengthBytes;
    if (lengthBytes === 0 || end > endMax) return undefined;
    ranges.push({ offset, lengthBytes, marked: model.mark(coder, false) });
  }
  return ranges;
}
