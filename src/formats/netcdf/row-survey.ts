import { utf8 } from '../../core/bytes.ts';
import { checkRow, type SeriesRow, type SeriesTable } from '../series-table.ts';

/**
 * What has to be known about a table's rows before the first one can be written.
 *
 * A NetCDF file fixes its shape at the start: the width of a text variable, whether `time` may be a coordinate variable at all. Rows come as a stream, so one pass looks and a second
 * one writes; neither keeps them.
 */

/** What a look at every row has shown. */
export interface RowSurvey {
  readonly rowCount: number;
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
  readonly #textFields: readonly number[];
  #rowCount = 0;
  #earliestUs = Number.POSITIVE_INFINITY;
  #latestUs = Number.NEGATIVE_INFINITY;
  #previousUs = Number.NEGATIVE_INFINITY;
  #strictlyIncreasing = true;
  #hasRecordNumbers = false;

  constructor(table: SeriesTable) {
    this.#table = table;
    this.#textBytesMax = table.fields.map(() => 0);
    this.#textFields = table.fields.flatMap((field, index) => (field.kind === 'text' || field.kind === 'time' ? [index] : []));
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
    for (const field of this.#textFields) {
      const cell = row.cells[field] as string | null;
      if (cell === null) continue;
      // A UTF-16 unit takes three bytes in UTF-8 at most, so most cells need not be encoded to see that they fit.
      if (cell.length * 3 > (this.#textBytesMax[field] as number)) {
        const bytes = utf8(cell).length;
        if (bytes > (this.#textBytesMax[field] as number)) this.#textBytesMax[field] = bytes;
      }
    }
  }

  result(): RowSurvey {
    return {
      rowCount: this.#rowCount,
      ...(this.#rowCount === 0 ? {} : { timeRangeUs: { earliest: this.#earliestUs, latest: this.#latestUs } }),
      strictlyIncreasing: this.#strictlyIncreasing,
      hasRecordNumbers: this.#hasRecordNumbers,
      textBytesMax: [...this.#textBytesMax],
    };
  }
}
