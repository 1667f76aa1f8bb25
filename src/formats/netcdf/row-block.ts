import { utf8 } from '../../core/bytes.ts';
import { GodwitError } from '../../core/errors.ts';
import { cellBoolean, cellNumber, checkRow, type SeriesRow } from '../series-table.ts';
import {
  fillByte,
  fillDouble,
  fillInt64,
  type NetcdfContent,
  type NetcdfGroup,
  type NetcdfVariable,
  rowsPerBlock,
} from './netcdf-model.ts';

/**
 * Some rows of a table, turned into columns: what HDF5 writes is one array a variable.
 *
 * The arrays are made once and filled again for each block, so that the memory an export needs depends on the table's width and not on its length.
 */

/** The values of one variable in a block: two numbers a row for `time_bnds`, `valueBytes` bytes a row for text, one number a row for every other. */
export type ColumnValues = Float64Array | BigInt64Array | Int8Array | Uint8Array;

interface Column {
  readonly variable: NetcdfVariable;
  /** Writes the value of a row at this place of the block. False when the cell could not be read and is missing now. */
  readonly set: (row: SeriesRow, place: number) => boolean;
  /** The values of the first so many rows. */
  readonly values: (rowCount: number) => ColumnValues;
  unreadableCells: number;
}

/** Rows on their way from a table to a file. */
export class RowBlock {
  /** Rows it holds before it must be written and cleared. */
  readonly capacity: number;
  readonly #group: NetcdfGroup;
  readonly #columns: readonly Column[];
  #length = 0;
  #rowsBefore = 0;

  constructor(group: NetcdfGroup) {
    this.#group = group;
    this.capacity = rowsPerBlock(group);
    this.#columns = group.variables.flatMap((variable) => {
      const { content } = variable;
      return content.from === 'constant' ? [] : [{ variable, unreadableCells: 0, ...columnStore(variable, content, this.capacity) }];
    });
  }

  /** Rows in the block now. */
  get length(): number {
    return this.#length;
  }

  /** Rows that were cleared before. */
  get rowsBefore(): number {
    return this.#rowsBefore;
  }

  /** @throws GodwitError `EXPORT_FAILED` when the row does not fit the table or is not one that was surveyed. The block must not be full. */
  add(row: SeriesRow): void {
    checkRow(this.#group.table, row, this.#rowsBefore + this.#length);
    for (const column of this.#columns) if (!column.set(row, this.#length)) column.unreadableCells++;
    this.#length++;
  }

  /** Each variable with its values of the rows in the block. The arrays are valid until the next `add`. */
  *columns(): Generator<{ readonly variable: NetcdfVariable; readonly values: ColumnValues }> {
    for (const { variable, values } of this.#columns) yield { variable, values: values(this.#length) };
  }

  clear(): void {
    this.#rowsBefore += this.#length;
    this.#length = 0;
  }

  /** The variables some of whose cells could not be read, with how many, over all blocks so far. */
  unreadable(): { readonly variable: NetcdfVariable; readonly cells: number }[] {
    return this.#columns
      .filter((column) => column.unreadableCells > 0)
      .map(({ variable, unreadableCells }) => ({ variable, cells: unreadableCells }));
  }
}

type RowContent = Exclude<NetcdfContent, { readonly from: 'constant' }>;

function columnStore(variable: NetcdfVariable, content: RowContent, capacity: number): Pick<Column, 'set' | 'values'> {
  switch (content.from) {
    case 'text': {
      const width = variable.valueBytes;
      const values = new Uint8Array(capacity * width);
      return {
        values: (rowCount) => values.subarray(0, rowCount * width),
        set: (row, place) => {
          const start = place * width;
          values.fill(0, start, start + width);
          values.set(fittingText(row.cells[content.field] ?? '', variable), start);
          return true;
        },
      };
    }
    case 'record-number': {
      const values = new BigInt64Array(capacity);
      return {
        values: (rowCount) => values.subarray(0, rowCount),
        set: (row, place) => {
          values[place] = row.recordNumber === undefined ? fillInt64 : BigInt(row.recordNumber);
          return true;
        },
      };
    }
    case 'boolean':
    case 'flag': {
      const values = new Int8Array(capacity);
      return {
        values: (rowCount) => values.subarray(0, rowCount),
        set: (row, place) => {
          const value = content.from === 'flag' ? row.flags[content.field] : cellBoolean(row.cells[content.field] ?? null);
          values[place] = value === undefined || Number.isNaN(value) ? fillByte : value;
          return value !== undefined;
        },
      };
    }
    case 'time-bounds': {
      const values = new Float64Array(capacity * 2);
      return {
        values: (rowCount) => values.subarray(0, rowCount * 2),
        set: (row, place) => {
          values[place * 2] = (row.timeUs - content.intervalUs) / 1e6;
          values[place * 2 + 1] = row.timeUs / 1e6;
          return true;
        },
      };
    }
    case 'time':
    case 'number': {
      const values = new Float64Array(capacity);
      return {
        values: (rowCount) => values.subarray(0, rowCount),
        set: (row, place) => {
          const value = content.from === 'time' ? row.timeUs / 1e6 : cellNumber(row.cells[content.field] ?? null);
          values[place] = value === undefined || Number.isNaN(value) ? fillDouble : value;
          return value !== undefined;
        },
      };
    }
  }
}

/** The text's bytes without NUL, which ends a text. Longer than the variable means that the rows are not the ones that were surveyed: nothing is cut off in silence. */
function fittingText(cell: string, variable: NetcdfVariable): Uint8Array {
  const bytes = utf8(cell.includes('\0') ? cell.replaceAll('\0', '') : cell);
  if (bytes.length > variable.valueBytes) {
    throw new GodwitError('EXPORT_FAILED', `A text of ${variable.name} changed while it was exported.`, { retryable: true });
  }
  return bytes;
}
