import { utf8 } from '../core/bytes.ts';
import { cellNumber, checkRow, type SeriesField, type SeriesRow, type SeriesTable } from './series-table.ts';

/**
 * What has to be known about a table's rows before the first one can be written.
 *
 * A file fixes its shape at the start: which columns are text and how wide, whether time may be a coordinate at all. Rows come as a stream, so one pass looks and a second one writes;
 * neither keeps them.
 *
 * Some formats (TOA5) never say which columns are text and call them all numbers. A column of numbers in which not one number was found, but text was, is text: written as numbers it
 * would be lost whole. A column with numbers and a few words among them stays one of numbers.
 */

/** What a look at every row has shown. */
export interface RowSurvey {
  readonly rowCount: number;
  /** The table's fields, those of numbers that turned out to be text changed to that. */
  readonly fields: readonly SeriesField[];
  /** Earliest and latest stamp, in microseconds since 1970 UTC; absent when there are no rows. */
  readonly timeRangeUs?: { readonly earliest: number; readonly latest: number };
  /** Every stamp is later than the one before it: what CF demands of a coordinate variable. False after a logger's clock was set back. */
  readonly strictlyIncreasing: boolean;
  readonly hasRecordNumbers: boolean;
  /** Longest cell of each field in UTF-8 bytes; 0 for fields that are not written as text. */
  readonly textBytesMax: readonly number[];
}

/** Looks at rows one by one. */
export class RowSurveyor {
  readonly #table: SeriesTable;
  readonly #textBytesMax: number[];
  /** Fields whose cells are measured: those of text, and those of numbers in which no number was found yet. */
  readonly #measured: Set<number>;
  /** Fields of numbers with text in them. */
  readonly #withWords = new Set<number>();
  #rowCount = 0;
  #earliestUs = Number.POSITIVE_INFINITY;
  #latestUs = Number.NEGATIVE_INFINITY;
  #previousUs = Number.NEGATIVE_INFINITY;
  #strictlyIncreasing = true;
  #hasRecordNumbers = false;

  constructor(table: SeriesTable) {
    this.#table = table;
    this.#textBytesMax = table.fields.map(() => 0);
    this.#measured = new Set(table.fields.flatMap((field, index) => (field.kind === 'boolean' ? [] : [index])));
  }

  /** @throws GodwitError `EXPORT_FAILED` when the row does not fit the table. */
  add(row: SeriesRow): void {
    checkRow(this.#table, row, this.#rowCount);
    this.#rowCount++;
    if (row.timeUs <= this.#previousUs) this.#strictlyIncreasing = false;
    this.#previousUs = row.timeUs;
    if (row.timeUs < this.#earliestUs) this.#earliestUs = row.timeUs;
    if (row.timeUs > this.#latestUs) this.#latestUs = row.timeUs;
    if (row.recordNumber !== undefined) this.#hasRecordNumbers = true;
    for (const field of this.#measured) {
      const cell = row.cells[field] as string | null;
      if (cell !== null && !this.#isNumber(field, cell)) this.#measure(field, cell);
    }
  }

  #isNumber(field: number, cell: string): boolean {
    if (this.#table.fields[field]?.kind !== 'number') return false;
    const value = cellNumber(cell);
    if (value === undefined) this.#withWords.add(field);
    if (value === undefined || Number.isNaN(value)) return false;
    this.#measured.delete(field);
    this.#withWords.delete(field);
    this.#textBytesMax[field] = 0;
    return true;
  }

  #measure(field: number, cell: string): void {
    // A UTF-16 unit takes three bytes in UTF-8 at most, so most cells need not be encoded to see that they fit.
    if (cell.length * 3 <= (this.#textBytesMax[field] as number)) return;
    this.#textBytesMax[field] = Math.max(this.#textBytesMax[field] as number, utf8(cell).length);
  }

  result(): RowSurvey {
    const fields = this.#table.fields.map((field, index): SeriesField => (this.#withWords.has(index) ? { ...field, kind: 'text' } : field));
    return {
      rowCount: this.#rowCount,
      fields,
      ...(this.#rowCount === 0 ? {} : { timeRangeUs: { earliest: this.#earliestUs, latest: this.#latestUs } }),
      strictlyIncreasing: this.#strictlyIncreasing,
      hasRecordNumbers: this.#hasRecordNumbers,
      textBytesMax: fields.map(({ kind }, index) => (kind === 'text' || kind === 'time' ? (this.#textBytesMax[index] as number) : 0)),
    };
  }
}
