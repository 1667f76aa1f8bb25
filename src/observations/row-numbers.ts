import { type ColumnNumbers, columnNumbers, notNumber, readNumber } from './segment-number-style.ts';

/**
 * The numbers in the cells of some rows, taken apart once for all who want them: checks hold their values against thresholds, a segment is made of their digits.
 *
 * Cells are met row by row, as they lie in memory, and noted column by column, as they are used. The room is used again by the next rows, so what was read holds until then.
 */
export class RowNumbers {
  #rowsMax = 0;
  #columns: readonly ColumnNumbers[] = [];

  /** Takes the cells of some rows apart. A row without a cell for a field has no number there. */
  read(rows: readonly { readonly cells: readonly (string | null)[] }[], fieldCount: number): void {
    if (rows.length > this.#rowsMax || fieldCount !== this.#columns.length) {
      const rowsMax = Math.max(rows.length, this.#rowsMax);
      this.#columns = Array.from({ length: fieldCount }, () => columnNumbers(rowsMax));
      this.#rowsMax = rowsMax;
    }
    const columns = this.#columns;
    for (let row = 0; row < rows.length; row++) {
      const { cells } = rows[row] as { readonly cells: readonly (string | null)[] };
      for (let field = 0; field < fieldCount; field++) {
        const column = columns[field] as ColumnNumbers;
        const cell = cells[field] ?? null;
        if (cell === null) column.digits[row] = notNumber;
        else readNumber(cell, column, row);
      }
    }
  }

  /** A column of the rows that were read last, from a row on. */
  column(field: number, from: number, count: number): ColumnNumbers {
    const { integers, digits, traits, significant } = this.#columns[field] as ColumnNumbers;
    const to = from + count;
    return {
      integers: integers.subarray(from, to),
      digits: digits.subarray(from, to),
      traits: traits.subarray(from, to),
      significant: significant.subarray(from, to),
    };
  }
}
