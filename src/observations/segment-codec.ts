import { invariant } from '../core/assert.ts';
import { concatBytes, utf8 } from '../core/bytes.ts';
import { failure, type Outcome, success } from '../core/outcome.ts';
import type { Compressor } from '../ports/compressor.ts';
import { type SegmentBatch, segmentLimits } from './segment-batch.ts';
import { RangeDecoder } from './segment-range-coder.ts';
import { SegmentDefect, SegmentReader } from './segment-reader.ts';
import { type NumbersIn, SegmentWriter } from './segment-writer.ts';

/**
 * Segments: how observation rows of one table travel and rest.
 *
 * Rows of text repeat themselves downwards, not along: a time is a minute after the time above it, a temperature a few hundredths from the temperature above it. So a segment holds
 * a batch of rows column by column, every column as the differences from what its neighbourhood predicts, every difference in about as many bits as it surprises. The text of each
 * cell comes back digit for digit, whatever it was.
 *
 * Wire form, version 1
 *
 *     segment = head coded                                           strings: none
 *             | head length texts coded                              strings: plain
 *             | head length unpacked-length frame coded              strings: a zstd frame
 *
 * `head` is one byte: the version, and 64 times 0, 1 or 2 for these three. Lengths are in bytes, seven bits at a time, lowest first, the top bit of a byte saying that more follow.
 * `texts` is the UTF-8 of every string below, one behind the other. `coded` is one range-coded stream (segment-range-coder.ts) of integers (segment-integers.ts), in this order:
 *
 * 1. rows, fields, 1 if any row has a record number, 1 if any row has flags.
 * 2. Times: the unit as an index into `timeUnitsUs`, then one series of units.
 * 3. Record numbers, if any: a class stream (number or nothing), then one series.
 * 4. Each field: 1 if all cells are numbers, else a class stream. If there are numbers: the style, then one series of steps (segment-number-style.ts).
 * 5. Flags, if any: for each row whether it has flags, then field by field its byte in each row that has.
 *
 * A *series* is a predictor number, for predictors 3 and 4 how many number columns back the reference is, and the differences from the prediction. Rows without a number hold the
 * last value, so that a series has one value a row for predictions. A *class stream* says for each row whether its class is that of the row above, and if not the class: 0 number,
 * 1 nothing, 2 a new string, of which the length in bytes follows, 3 + k the column's k-th string.
 */

const version = 1;
const formNone = 0;
const formPlain = 1;
const formZstd = 2;

function head(form: number): Uint8Array {
  return Uint8Array.of(form * 64 + version);
}

function lengthBytes(length: number): Uint8Array {
  const bytes: number[] = [];
  let rest = length;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Uint8Array.from([...bytes, rest]);
}

/**
 * Encodes a batch. `level` is the zstd level for strings that are not numbers, 1 to 19; `numbersIn` spares taking the cells apart again where that was done.
 *
 * The same batch gives the same bytes, for one version of the compressor. Stops the program when the batch breaks what `SegmentRow` and `segmentLimits` say: batches are made by this
 * node, from rows that were checked on the way in.
 */
export function encodeSegment(batch: SegmentBatch, compressor: Compressor, level = 19, numbersIn?: NumbersIn): Uint8Array {
  const { coded, texts } = new SegmentWriter(batch, numbersIn).encode();
  const plain = utf8(texts);
  invariant(plain.length <= segmentLimits.textBytesMax, 'a segment has no more text than it may');
  if (plain.length === 0) return concatBytes(head(formNone), coded);
  const frame = compressor.compress(plain, { level });
  if (frame.length >= plain.length) return concatBytes(head(formPlain), lengthBytes(plain.length), plain, coded);
  return concatBytes(head(formZstd), lengthBytes(frame.length), lengthBytes(plain.length), frame, coded);
}

/**
 * The rows in a segment of foreign origin. Fails with `SEGMENT_MALFORMED`, `SEGMENT_TOO_LARGE` or, for a version that is not known here, `SEGMENT_VERSION`; asking again will not
 * help. Bytes that were altered on the way may decode to other rows: whoever fetched the segment verifies its hash first.
 */
export function decodeSegment(bytes: Uint8Array, compressor: Compressor): Outcome<SegmentBatch> {
  const [first = 0] = bytes;
  if ((first & 0x3f) !== version) return failure('SEGMENT_VERSION', 'incompatible', `segment: version ${first & 0x3f} is not known`);
  try {
    const { texts, codedAt } = readTexts(bytes, first >> 6, compressor);
    return success(new SegmentReader(texts, new RangeDecoder(bytes, codedAt)).decode());
  } catch (error) {
    if (error instanceof SegmentDefect) return failure(error.code, 'peer', `segment: ${error.message}`);
    throw error;
  }
}

/** The strings of a segment, and where its coded stream begins. */
function readTexts(bytes: Uint8Array, form: number, compressor: Compressor): { readonly texts: Uint8Array; readonly codedAt: number } {
  if (form === formNone) return { texts: new Uint8Array(0), codedAt: 1 };
  const stored = readLength(bytes, 1);
  const unpacked = form === formZstd ? readLength(bytes, stored.end) : stored;
  if (unpacked.length > segmentLimits.textBytesMax) throw new SegmentDefect(`${unpacked.length} bytes of text`, 'SEGMENT_TOO_LARGE');
  const codedAt = unpacked.end + stored.length;
  const section = bytes.subarray(unpacked.end, codedAt);
  const texts =
    form === formPlain ? section : form === formZstd ? compressor.decompress(section, { bytesMax: unpacked.length }) : undefined;
  if (texts?.length !== unpacked.length) throw new SegmentDefect('its texts cannot be unpacked');
  return { texts, codedAt };
}

/** The length at this place, and where it ends. */
function readLength(bytes: Uint8Array, at: number): { readonly length: number; readonly end: number } {
  let length = 0;
  for (let i = 0; i < 4; i++) {
    const byte = bytes[at + i] ?? 0;
    length |= (byte & 0x7f) << (7 * i);
    if (byte < 0x80) return { length, end: at + i + 1 };
  }
  throw new SegmentDefect('a length of too many bytes');
}
