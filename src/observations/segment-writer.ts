import { invariant } from '../core/assert.ts';
import { giveBack, utf8 } from '../core/bytes.ts';
import { limits } from '../core/limits.ts';
import { RowNumbers } from './row-numbers.ts';
import { type SegmentBatch, type SegmentRow, segmentLimits } from './segment-batch.ts';
import { IntegerModels } from './segment-integers.ts';
import {
  classNewText,
  classNothing,
  classNumber,
  classTexts,
  predict,
  predictLine,
  predictPrevious,
  predictReference,
  predictReferenceStep,
  predictZero,
  SharedModels,
  timeUnitsUs,
} from './segment-layout.ts';
import { type ColumnNumbers, chooseStyle, digitsLimit, stepOf } from './segment-number-style.ts';
import { BitModels, RangeEncoder } from './segment-range-coder.ts';

/**
 * Turns a batch into the coded stream and the strings of a segment (see segment-codec.ts for both).
 *
 * The writer chooses, the reader obeys: how a column's numbers are written, which predictor it follows and which cells go as text are found by estimate here and said in the
 * stream, so the estimates can change without a new version.
 */

/** Number columns back that a reference may be. Neighbouring columns are the ones alike: minimum and maximum, the depths of a thermistor chain. */
const referenceReach = 8;
/** Rows that a predictor is judged by. */
const judgedRowsMax = 256;
/** What naming a reference costs: it must gain more. */
const referenceBits = 6;

/** One value a row, and which of them are there. */
interface Series {
  readonly values: Float64Array;
  /** `undefined`: every row has a value. Always named, as objects of two shapes cost these loops a third of their speed. */
  readonly present: Uint8Array | undefined;
}

/** The cells of a field of a batch, taken apart. */
export type NumbersIn = (field: number) => ColumnNumbers;

function numbersOf(rows: readonly SegmentRow[], fieldCount: number): NumbersIn {
  const numbers = new RowNumbers();
  numbers.read(rows, fieldCount);
  return (field) => numbers.column(field, 0, rows.length);
}

/** Writes one segment. */
export class SegmentWriter {
  readonly #rows: readonly SegmentRow[];
  readonly #fieldCount: number;
  readonly #encoder: RangeEncoder;
  readonly #shared = new SharedModels();
  readonly #texts: string[] = [];
  readonly #numbersIn: NumbersIn;
  /** The number columns so far, for reference. */
  readonly #numberColumns: Float64Array[] = [];
  /** Room for the times, the record numbers and every field's column, one behind the other. */
  readonly #room: Float64Array<ArrayBuffer>;
  #columnsTaken = 0;
  /** Which rows have a value in the column that is written: its room serves every column. */
  readonly #present: Uint8Array;

  /** @param numbersIn gives the cells of a field taken apart, where that was done already */
  constructor({ rows, fieldCount }: SegmentBatch, numbersIn?: NumbersIn) {
    invariant(rows.length <= segmentLimits.rowsMax && fieldCount <= limits.fieldsPerTableMax, 'a segment is within its limits');
    invariant(rows.length * fieldCount <= segmentLimits.cellsMax, 'a segment has no more cells than it may');
    invariant(
      rows.every((row) => row.cells.length === fieldCount && (row.flags === undefined || row.flags.length === fieldCount)),
      'every row of a segment has a cell and a flag for each field',
    );
    this.#rows = rows;
    this.#fieldCount = fieldCount;
    this.#numbersIn = numbersIn ?? numbersOf(rows, fieldCount);
    this.#encoder = new RangeEncoder(rows.length * fieldCount);
    this.#room = new Float64Array(rows.length * (fieldCount + 2));
    this.#present = new Uint8Array(rows.length);
  }

  /** The coded stream, and the strings in it one behind the other. Once only. */
  encode(): { readonly coded: Uint8Array; readonly texts: string } {
    const rows = this.#rows;
    const { header } = this.#shared;
    const hasNumbers = rows.some((row) => row.recordNumber !== undefined);
    const hasFlags = rows.some((row) => row.flags !== undefined);
    for (const integer of [rows.length, this.#fieldCount, Number(hasNumbers), Number(hasFlags)]) header.encode(this.#encoder, integer);
    this.#writeTimes();
    if (hasNumbers) this.#writeRecordNumbers();
    for (let field = 0; field < this.#fieldCount; field++) this.#writeField(field);
    if (hasFlags) this.#writeFlags();
    giveBack(new Uint8Array(this.#room.buffer));
    return { coded: this.#encoder.finish(), texts: this.#texts.join('') };
  }

  #column(): Float64Array {
    const from = this.#columnsTaken++ * this.#rows.length;
    return this.#room.subarray(from, from + this.#rows.length);
  }

  #writeTimes(): void {
    const values = this.#column();
    for (let row = 0; row < values.length; row++) values[row] = (this.#rows[row] as SegmentRow).timeUs;
    invariant(values.every(Number.isSafeInteger), 'times are safe integers');
    let unit = timeUnitsUs.length - 1;
    while (!dividesAll(timeUnitsUs[unit] as number, values)) unit--;
    this.#shared.header.encode(this.#encoder, unit);
    const unitUs = timeUnitsUs[unit] as number;
    for (let row = 0; row < values.length; row++) values[row] = (values[row] as number) / unitUs;
    this.#writeSeries({ values, present: undefined }, []);
  }

  #writeRecordNumbers(): void {
    const values = this.#column();
    const present = this.#present.fill(0);
    let held = 0;
    for (let row = 0; row < values.length; row++) {
      const { recordNumber } = this.#rows[row] as SegmentRow;
      invariant(recordNumber === undefined || Number.isSafeInteger(recordNumber), 'record numbers are safe integers');
      if (recordNumber !== undefined) {
        held = recordNumber;
        present[row] = 1;
      }
      values[row] = held;
    }
    this.#writeClasses((row) => (present[row] === 1 ? undefined : null));
    this.#writeSeries({ values, present }, []);
  }

  #writeField(field: number): void {
    const rows = this.#rows;
    const cell = (row: number) => (rows[row] as SegmentRow).cells[field] as string | null;
    const numbers = this.#numbersIn(field);
    const style = chooseStyle(numbers);
    const values = this.#column();
    const present = this.#present.fill(0);
    let count = 0;
    if (style !== undefined) {
      for (let row = 0; row < rows.length; row++) {
        const step = stepOf(numbers, row, style);
        if (step === undefined) continue;
        values[row] = step;
        present[row] = 1;
        count++;
      }
      count -= dropOutlier(values, present);
    }
    let held = 0;
    for (let row = 0; row < rows.length; row++) {
      if (present[row] === 1) held = values[row] as number;
      else values[row] = held;
    }
    const allNumbers = count === rows.length;
    this.#shared.header.encode(this.#encoder, Number(allNumbers));
    if (!allNumbers) this.#writeClasses((row) => (present[row] === 1 ? undefined : cell(row)));
    if (style === undefined || count === 0) return;
    const { digitsMin, digitsMax, significantDigits, barePoint } = style;
    const parts = [digitsMax, digitsMax - digitsMin, digitsLimit - significantDigits, Number(barePoint)];
    for (const [index, models] of this.#shared.style.entries()) models.encode(this.#encoder, parts[index] as number);
    this.#writeSeries({ values, present: allNumbers ? undefined : present }, this.#numberColumns);
    this.#numberColumns.push(values);
  }

  /** `text` gives `undefined` for a number, `null` for nothing. */
  #writeClasses(text: (row: number) => string | null | undefined): void {
    const encoder = this.#encoder;
    const repeats = new BitModels(6);
    const classes = new IntegerModels();
    const classByText = new Map<string, number>();
    let previous = classNumber;
    let repeated = 0;
    for (let row = 0; row < this.#rows.length; row++) {
      const value = text(row);
      const known = typeof value === 'string' ? classByText.get(value) : value === null ? classNothing : classNumber;
      const repeat = known === previous ? 1 : 0;
      encoder.encodeBit(repeats, Math.min(previous, 2) * 2 + repeated, repeat);
      repeated = repeat;
      if (repeat === 1) continue;
      classes.encode(encoder, known ?? classNewText);
      previous = known ?? classTexts + classByText.size;
      if (known === undefined) {
        classByText.set(value as string, previous);
        this.#writeText(value as string);
      }
    }
  }

  #writeText(text: string): void {
    invariant(text.isWellFormed(), 'cells are well-formed text');
    this.#shared.textLength.encode(this.#encoder, utf8(text).length);
    this.#texts.push(text);
  }

  #writeSeries({ values, present }: Series, columns: readonly Float64Array[]): void {
    const { predictor, back } = choosePredictor({ values, present }, columns);
    this.#shared.predictor.encode(this.#encoder, predictor);
    if (predictor >= predictReference) this.#shared.reference.encode(this.#encoder, back);
    const reference = columns[columns.length - back] ?? values;
    const own = new IntegerModels();
    let models = this.#shared.first;
    for (let row = 0; row < values.length; row++) {
      if (present !== undefined && present[row] === 0) continue;
      models.encode(this.#encoder, (values[row] as number) - predict(predictor, values, reference, row));
      models = own;
    }
  }

  #writeFlags(): void {
    const checked = new BitModels(2);
    let previous = 1;
    for (const { flags } of this.#rows) {
      const bit = flags === undefined ? 0 : 1;
      this.#encoder.encodeBit(checked, previous, bit);
      previous = bit;
    }
    for (let field = 0; field < this.#fieldCount; field++) {
      const models = new IntegerModels();
      let last = 0;
      for (const { flags } of this.#rows) {
        if (flags === undefined) continue;
        const flag = flags[field] as number;
        models.encode(this.#encoder, flag - last);
        last = flag;
      }
    }
  }
}

/**
 * Takes a value such as -9999, by which a logger says "no value", out of a column's numbers, since every change to it and back costs two large differences. It is the smallest or
 * the largest, comes more than once, and stands far from all others. Returns how many rows it was in.
 */
function dropOutlier(values: Float64Array, present: Uint8Array): number {
  let lowest = Number.POSITIVE_INFINITY;
  let low = lowest;
  let highest = Number.NEGATIVE_INFINITY;
  let high = highest;
  for (let row = 0; row < values.length; row++) {
    if (present[row] === 0) continue;
    const value = values[row] as number;
    if (value < lowest) {
      low = lowest;
      lowest = value;
    } else if (value > lowest && value < low) low = value;
    if (value > highest) {
      high = highest;
      highest = value;
    } else if (value < highest && value > high) high = value;
  }
  const far = (distance: number, range: number) => distance > 8 * (range + 8);
  const outlier = far(low - lowest, highest - low) ? lowest : far(highest - high, high - lowest) ? highest : undefined;
  if (outlier === undefined) return 0;
  let count = 0;
  for (let row = 0; row < values.length; row++) if (present[row] === 1 && values[row] === outlier) count++;
  if (count < 2) return 0;
  for (let row = 0; row < values.length; row++) if (values[row] === outlier) present[row] = 0;
  return count;
}

function dividesAll(unit: number, values: Float64Array): boolean {
  for (let row = 0; row < values.length; row++) if ((values[row] as number) % unit !== 0) return false;
  return true;
}

/** Bits of a difference below 2^30, by a straight line between powers of two. */
function smallBits(difference: number): number {
  const above = difference + 1;
  const length = 31 - Math.clz32(above);
  return length + above / (1 << length) - 1;
}

/** The predictor under which the differences of a series are smallest, judged on rows spread over it, and how many columns back its reference is (0: none). */
function choosePredictor({ values, present }: Series, columns: readonly Float64Array[]): { predictor: number; back: number } {
  // Times may be so large that a difference is not exact any more; then every row is looked at, and a predictor that fails in one is out.
  let stride = Math.ceil(values.length / judgedRowsMax);
  for (let row = 0; row < values.length && stride > 1; row++) if (Math.abs(values[row] as number) > 2 ** 50) stride = 1;
  const bits = (predictor: number, reference: Float64Array): number => {
    let sum = 0;
    for (let row = 0; row < values.length; row += stride) {
      if (present !== undefined && present[row] === 0) continue;
      const difference = Math.abs((values[row] as number) - predict(predictor, values, reference, row));
      sum +=
        difference < 0x40000000
          ? smallBits(difference)
          : difference <= Number.MAX_SAFE_INTEGER
            ? Math.log2(1 + difference)
            : Number.POSITIVE_INFINITY;
    }
    return sum;
  };
  let best = { predictor: predictPrevious, back: 0 };
  let bestBits = bits(predictPrevious, values);
  const consider = (predictor: number, back: number, price: number) => {
    const candidate = price + bits(predictor, columns[columns.length - back] ?? values);
    if (candidate < bestBits) {
      bestBits = candidate;
      best = { predictor, back };
    }
  };
  consider(predictLine, 0, 0);
  consider(predictZero, 0, 0);
  for (let back = 1; back <= Math.min(referenceReach, columns.length); back++) {
    consider(predictReference, back, referenceBits);
    consider(predictReferenceStep, back, referenceBits);
  }
  return best;
}
