import { utf8Text } from '../core/bytes.ts';
import { limits } from '../core/limits.ts';
import { type SegmentBatch, type SegmentRow, segmentLimits } from './segment-batch.ts';
import { IntegerModels } from './segment-integers.ts';
import {
  classNewText,
  classNothing,
  classNumber,
  classTexts,
  predict,
  predictReference,
  predictReferenceStep,
  SharedModels,
  timeUnitsUs,
} from './segment-layout.ts';
import { digitsLimit, type NumberStyle, NumberWriter } from './segment-number-style.ts';
import { BitModels, type RangeDecoder } from './segment-range-coder.ts';

/**
 * Turns the coded stream and the strings of a segment (see segment-codec.ts) back into rows. Every integer is checked against what it may be before it is used, and nothing is
 * allocated before its size is.
 */

/** What is wrong with a segment. Thrown inside the decoder only, which makes it an outcome. */
export class SegmentDefect extends Error {
  readonly code: 'SEGMENT_MALFORMED' | 'SEGMENT_TOO_LARGE';

  constructor(message: string, code: 'SEGMENT_MALFORMED' | 'SEGMENT_TOO_LARGE' = 'SEGMENT_MALFORMED') {
    super(message);
    this.code = code;
  }
}

/** Reads one segment. */
export class SegmentReader {
  readonly #texts: Uint8Array;
  #textAt = 0;
  readonly #decoder: RangeDecoder;
  readonly #shared = new SharedModels();
  readonly #numberColumns: Float64Array[] = [];
  #rowCount = 0;

  constructor(texts: Uint8Array, decoder: RangeDecoder) {
    this.#texts = texts;
    this.#decoder = decoder;
  }

  /** The batch. Throws a `SegmentDefect`. */
  decode(): SegmentBatch {
    const rowCount = this.#integer(this.#shared.header, segmentLimits.rowsMax, 'rows');
    const fieldCount = this.#integer(this.#shared.header, limits.fieldsPerTableMax, 'fields');
    if (rowCount * fieldCount > segmentLimits.cellsMax)
      throw new SegmentDefect(`${rowCount * fieldCount} cells, at most ${segmentLimits.cellsMax} are allowed`, 'SEGMENT_TOO_LARGE');
    this.#rowCount = rowCount;
    const hasNumbers = this.#integer(this.#shared.header, 1, 'mark') === 1;
    const hasFlags = this.#integer(this.#shared.header, 1, 'mark') === 1;
    const times = this.#readTimes();
    const recordNumbers = hasNumbers ? this.#readRecordNumbers() : undefined;
    const cells: (string | null)[][] = Array.from({ length: rowCount }, () => new Array(fieldCount).fill(null));
    for (let field = 0; field < fieldCount; field++) this.#readField(field, cells);
    const flags = hasFlags ? this.#readFlags(fieldCount) : undefined;
    if (!this.#decoder.atEnd || this.#textAt !== this.#texts.length) throw new SegmentDefect('bytes are left over');
    const rows = cells.map((rowCells, row): SegmentRow => {
      const recordNumber = recordNumbers?.[row];
      const rowFlags = flags?.[row];
      return {
        timeUs: times[row] as number,
        ...(recordNumber !== undefined && { recordNumber }),
        cells: rowCells,
        ...(rowFlags !== undefined && { flags: rowFlags }),
      };
    });
    return { rows, fieldCount };
  }

  /** An integer from 0 to `max`. */
  #integer(models: IntegerModels, max: number, what: string): number {
    const integer = models.decode(this.#decoder);
    if (integer < 0 || integer > max) throw new SegmentDefect(`impossible ${what}: ${integer}`);
    return integer;
  }

  #readTimes(): number[] {
    const unitUs = timeUnitsUs[this.#integer(this.#shared.header, timeUnitsUs.length - 1, 'unit of time')] as number;
    return Array.from(this.#readSeries(undefined, []), (units) => {
      if (!Number.isSafeInteger(units * unitUs)) throw new SegmentDefect('a time beyond what can be counted');
      return units * unitUs;
    });
  }

  #readRecordNumbers(): (number | undefined)[] {
    const texts = this.#readClasses();
    const present = Uint8Array.from(texts, (text) => (text === undefined ? 1 : 0));
    return Array.from(this.#readSeries(present, []), (value, row) => (present[row] === 1 ? value : undefined));
  }

  #readField(field: number, cells: (string | null)[][]): void {
    const allNumbers = this.#integer(this.#shared.header, 1, 'mark') === 1;
    let present: Uint8Array | undefined;
    let anyNumber = allNumbers;
    if (!allNumbers) {
      const marks = new Uint8Array(this.#rowCount);
      for (const [row, text] of this.#readClasses().entries()) {
        if (text !== undefined) {
          (cells[row] as (string | null)[])[field] = text;
        } else {
          marks[row] = 1;
          anyNumber = true;
        }
      }
      present = marks;
    }
    // A batch of no rows has all cells numbers, and none.
    if (!anyNumber || this.#rowCount === 0) return;
    const writer = new NumberWriter(this.#readStyle());
    const values = this.#readSeries(present, this.#numberColumns);
    this.#numberColumns.push(values);
    for (let row = 0; row < values.length; row++) {
      if (present !== undefined && present[row] === 0) continue;
      const text = writer.write(values[row] as number);
      if (text === undefined) throw new SegmentDefect('a number of too many digits');
      (cells[row] as (string | null)[])[field] = text;
    }
  }

  #readStyle(): NumberStyle {
    const [max, optional, significant, bare] = this.#shared.style;
    const digitsMax = this.#integer(max, digitsLimit, 'number of decimals');
    return {
      digitsMax,
      digitsMin: digitsMax - this.#integer(optional, digitsMax, 'number of decimals'),
      significantDigits: digitsLimit - this.#integer(significant, digitsLimit - 1, 'number of digits'),
      barePoint: this.#integer(bare, 1, 'mark') === 1,
    };
  }

  /** One entry a row: a string, `null` for nothing, `undefined` for a number. */
  #readClasses(): (string | null | undefined)[] {
    const repeats = new BitModels(6);
    const classes = new IntegerModels();
    const texts: string[] = [];
    const rows: (string | null | undefined)[] = new Array(this.#rowCount);
    let previous = classNumber;
    let repeated = 0;
    for (let row = 0; row < this.#rowCount; row++) {
      repeated = this.#decoder.decodeBit(repeats, Math.min(previous, 2) * 2 + repeated);
      if (repeated === 0) {
        const next = this.#integer(classes, classTexts + texts.length - 1, 'class of a cell');
        if (next === classNewText) texts.push(this.#readText());
        previous = next === classNewText ? classTexts + texts.length - 1 : next;
      }
      rows[row] = previous === classNumber ? undefined : previous === classNothing ? null : (texts[previous - classTexts] as string);
    }
    return rows;
  }

  #readText(): string {
    const length = this.#integer(this.#shared.textLength, this.#texts.length - this.#textAt, 'length of a text');
    const text = utf8Text(this.#texts.subarray(this.#textAt, this.#textAt + length));
    if (text === undefined) throw new SegmentDefect('a text that is not UTF-8');
    this.#textAt += length;
    return text;
  }

  #readSeries(present: Uint8Array | undefined, columns: readonly Float64Array[]): Float64Array {
    const predictor = this.#integer(this.#shared.predictor, predictReferenceStep, 'predictor');
    const back = predictor >= predictReference ? this.#integer(this.#shared.reference, columns.length, 'reference') : 0;
    const values = new Float64Array(this.#rowCount);
    const reference = columns[columns.length - back] ?? values;
    const own = new IntegerModels();
    let models = this.#shared.first;
    let held = 0;
    for (let row = 0; row < values.length; row++) {
      if (present === undefined || present[row] === 1) {
        held = predict(predictor, values, reference, row) + models.decode(this.#decoder);
        models = own;
        if (!Number.isSafeInteger(held)) throw new SegmentDefect('a number beyond what can be counted');
      }
      values[row] = held;
    }
    return values;
  }

  #readFlags(fieldCount: number): (Uint8Array | undefined)[] {
    const checked = new BitModels(2);
    let previous = 1;
    const flags = Array.from({ length: this.#rowCount }, () => {
      previous = this.#decoder.decodeBit(checked, previous);
      return previous === 1 ? new Uint8Array(fieldCount) : undefined;
    });
    for (let field = 0; field < fieldCount; field++) {
      const models = new IntegerModels();
      let last = 0;
      for (const row of flags) {
        if (row === undefined) continue;
        last += models.decode(this.#decoder);
        if (last < 0 || last > 255) throw new SegmentDefect(`impossible flag: ${last}`);
        row[field] = last;
      }
    }
    return flags;
  }
}
