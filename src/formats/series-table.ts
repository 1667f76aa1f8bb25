import { GodwitError } from '../core/errors.ts';
import type { WallMs } from '../core/time.ts';
import { civilTime } from './civil-time.ts';
import type { Cell, FieldDefinition } from './record-stream.ts';

/**
 * What an exporter reads: one table of one station, its rows as a stream.
 *
 * A table may have tens of millions of rows, so nothing here holds them: `rows()` hands them out one at a time and an exporter keeps a block of them at most. Cells stay the text
 * the logger wrote; this module also says, once for every export format, what number that text means and what a column may be called.
 */

/** Where a table comes from. */
export interface SeriesStation {
  /** Stable identifier, unique in the export. Tables with equal identifiers belong to one station. */
  readonly identifier: string;
  /** Name for people. */
  readonly name: string;
  /** Degrees north. A position counts as known only when latitude and longitude are both there. */
  readonly latitude?: number;
  /** Degrees east. */
  readonly longitude?: number;
  /** Metres above mean sea level. */
  readonly altitudeM?: number;
  /** How the position was found (`survey`, `gnss`, `map`…). */
  readonly positionMethod?: string;
  /** Geodetic datum of latitude and longitude; absent means WGS 84. */
  readonly positionDatum?: string;
  /** Horizontal accuracy as its source states it, metres. */
  readonly positionAccuracyM?: number;
  /** When the position was found, microseconds since 1970 UTC. */
  readonly positionInstantUs?: number;
}

/** One column of a table: as found in the logger's file, and the quantity it stands for where somebody has said so. */
export interface SeriesField extends FieldDefinition {
  /** CF standard name, for example `air_temperature`. */
  readonly standardName?: string;
}

/** One record. */
export interface SeriesRow {
  /** Microseconds since 1970-01-01T00:00:00 UTC: the instant, or the end of the interval, that the record describes. */
  readonly timeUs: number;
  /** The logger's record number, where there is one. */
  readonly recordNumber?: number;
  /** One cell a field, as the logger wrote it. */
  readonly cells: readonly Cell[];
  /** One QARTOD flag a field: 1, 2, 3, 4 or 9 (see `qartodFlags`). */
  readonly flags: Uint8Array;
}

/** One table of one station. */
export interface SeriesTable {
  readonly station: SeriesStation;
  /** Table name as found. */
  readonly table: string;
  /** Identifier of the format the records were read from, for example `toa5`. */
  readonly format: string;
  /** Empty when unknown. */
  readonly loggerModel: string;
  /** Empty when unknown. */
  readonly loggerSerial: string;
  readonly fields: readonly SeriesField[];
  /** How many rows `rows()` yields, exactly: an export that meets more or fewer fails rather than show half a table. */
  readonly rowCount: number;
  /** Microseconds between records, absent for event tables and where nobody knows. Stamps are taken as the end of the interval. */
  readonly intervalUs?: number;
  /** Everything else the source says about the table, by the source's own names. */
  readonly attributes: Readonly<Record<string, string>>;
  /**
   * The rows, in the order the logger recorded them. An exporter may call it more than once and MUST get the same rows each time; it may pause between two rows for as long as a
   * disk write takes. A row's arrays may be reused for the next row.
   */
  rows(): Iterable<SeriesRow>;
}

/** What every exporter wants to know beside the tables. */
export interface ExportOptions {
  /** The wall clock at the export, for the file's own record of when it was made. */
  readonly createdMs: WallMs;
}

/** What an export wrote. */
export interface ExportReport {
  /** Rows of all tables together. */
  readonly rows: number;
  /** Size of the finished file. */
  readonly bytes: number;
  /** Cells of number or boolean fields whose text is neither; they are missing in the file. `NAN` and empty cells do not count. */
  readonly unreadableCells: number;
}

/** QARTOD's five flags and what they mean (IOOS Manual for the Use of Real-Time Oceanographic Data Quality Control Flags, version 1.2, table 1). */
export const qartodFlags: readonly { readonly value: number; readonly meaning: string }[] = [
  { value: 1, meaning: 'pass' },
  { value: 2, meaning: 'not_evaluated' },
  { value: 3, meaning: 'suspect' },
  { value: 4, meaning: 'fail' },
  { value: 9, meaning: 'missing' },
];

/** Words loggers and their C libraries print for what is no finite number. */
const numberByWord: ReadonlyMap<string, number> = new Map([
  ['', Number.NaN],
  ['nan', Number.NaN],
  ['-nan', Number.NaN],
  ['+nan', Number.NaN],
  ['1.#qnan', Number.NaN],
  ['-1.#ind', Number.NaN],
  ['inf', Number.POSITIVE_INFINITY],
  ['+inf', Number.POSITIVE_INFINITY],
  ['-inf', Number.NEGATIVE_INFINITY],
  ['1.#inf', Number.POSITIVE_INFINITY],
  ['-1.#inf', Number.NEGATIVE_INFINITY],
]);

/** The characters of decimal notation: keeps out what `Number` also reads, such as `0x1F`. */
const decimalText = /^[\s\d+\-.eE]+$/;

/** The number a cell means: NaN when there is none (an empty cell, `NAN`), `undefined` when the text is no number at all. Infinities are kept. */
export function cellNumber(cell: Cell): number | undefined {
  if (cell === null) return Number.NaN;
  if (decimalText.test(cell) && cell.trim() !== '') {
    const value = Number(cell);
    return Number.isNaN(value) ? undefined : value;
  }
  return numberByWord.get(cell.trim().toLowerCase());
}

/** The truth a cell means, 0 or 1; NaN and `undefined` as in `cellNumber`. Campbell loggers write true as -1. */
export function cellBoolean(cell: Cell): number | undefined {
  const word = cell === null ? '' : cell.trim().toLowerCase();
  if (word === 'true') return 1;
  if (word === 'false') return 0;
  const value = cellNumber(cell);
  return value === undefined || Number.isNaN(value) ? value : Number(value !== 0);
}

/**
 * Stops the export when a row does not fit its table: a wrong number of cells or flags, or a time that is no whole number of microseconds.
 *
 * @throws GodwitError `EXPORT_FAILED`.
 */
export function checkRow(table: SeriesTable, row: SeriesRow, rowIndex: number): void {
  if (row.cells.length !== table.fields.length || row.flags.length !== table.fields.length || !Number.isSafeInteger(row.timeUs)) {
    throw new GodwitError(
      'EXPORT_FAILED',
      `Row ${rowIndex + 1} of table ${table.table} of station ${table.station.name} does not fit the table's fields.`,
    );
  }
}

/**
 * Stops the export when a table did not yield as many rows as it said.
 *
 * @throws GodwitError `EXPORT_FAILED`; the same export may succeed when it starts again.
 */
export function checkRowCount(table: SeriesTable, rowCount: number): void {
  if (rowCount !== table.rowCount) {
    throw new GodwitError('EXPORT_FAILED', `Table ${table.table} of station ${table.station.name} changed while it was exported.`, {
      retryable: true,
    });
  }
}

/**
 * Names that every file format and program takes, one for each given name: ASCII letters, digits and underscores, a letter first, at most 100 characters, no two alike even when
 * case is ignored. What is not usable in a name becomes an underscore; a name that is taken gets a number.
 *
 * @param names as found, for example `AirT_C(42)`.
 * @param reserved names that are already taken.
 * @param companions endings under which a name must be free as well, for the columns that go with it.
 */
export function plainNames(names: readonly string[], reserved: readonly string[], companions: readonly string[] = []): string[] {
  const taken = new Set(reserved.map((name) => name.toLowerCase()));
  const endings = ['', ...companions];
  return names.map((name) => {
    const plain = plainName(name);
    let candidate = plain;
    for (let number = 2; endings.some((ending) => taken.has((candidate + ending).toLowerCase())); number++)
      candidate = `${plain}_${number}`;
    for (const ending of endings) taken.add((candidate + ending).toLowerCase());
    return candidate;
  });
}

function plainName(name: string): string {
  const ascii = name
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .replace(/μ/g, 'u')
    .replace(/[^A-Za-z0-9]+/g, '_')
    .replace(/^_+|_+$/g, '')
    .slice(0, 100);
  if (ascii === '') return 'unnamed';
  return /^[A-Za-z]/.test(ascii) ? ascii : `n${ascii}`;
}

/**
 * An instant as ISO 8601 text in UTC, for example `2024-02-29T12:00:00Z`.
 *
 * @param timeUs microseconds since 1970-01-01T00:00:00 UTC.
 * @param fractionDigits digits behind the second; what is finer is cut off.
 */
export function isoInstant(timeUs: number, fractionDigits: 0 | 3 | 6): string {
  const { year, month, day, hour, minute, second, microsecond } = civilTime(timeUs);
  const date = `${digits(year, 4)}-${digits(month, 2)}-${digits(day, 2)}`;
  const fraction = fractionDigits === 0 ? '' : `.${digits(microsecond, 6).slice(0, fractionDigits)}`;
  return `${date}T${digits(hour, 2)}:${digits(minute, 2)}:${digits(second, 2)}${fraction}Z`;
}

function digits(value: number, count: number): string {
  return String(value).padStart(count, '0');
}
