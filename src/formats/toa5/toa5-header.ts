import { limits } from '../../core/limits.ts';
import { failure, type Outcome, success } from '../../core/outcome.ts';
import type { FieldDefinition, TableDefinition } from '../record-stream.ts';
import { type Toa5DefectCode, toa5Defects } from './defects.ts';

/**
 * The four header lines of TOA5: environment, names, units, processing.
 *
 * TIMESTAMP and RECORD are columns of the file but not fields of the table: they become a record's stamp and number.
 */

/** Cells of the first line: the format's name, then station, model, serial, operating system, program, program signature and table. */
const environmentCells = 8;

/** Processing codes of columns that hold the time at which an extreme occurred. */
const timeProcessing = new Set(['tmx', 'tmn']);

/** Where a row's columns go. */
export interface Toa5Layout {
  /** Cells of every row. */
  readonly columns: number;
  readonly timestampColumn: number;
  /** -1 when the file has no record numbers. */
  readonly recordColumn: number;
}

/** A header, understood. */
export interface Toa5Header {
  readonly table: TableDefinition;
  readonly layout: Toa5Layout;
}

function refused(code: Toa5DefectCode): Outcome<Toa5Header> {
  return failure(code, 'instrument', toa5Defects[code].message);
}

/**
 * The table that four header lines define.
 *
 * Attributes are `operatingSystem`, `program`, `signature`, and `environment 9` and up for cells that some writers put behind the table's name.
 *
 * @param lines the cells of the four lines, the format's name included
 * @returns the header, or a failure with one of the file codes of `toa5Defects`
 */
export function parseToa5Header(lines: readonly (readonly string[])[]): Outcome<Toa5Header> {
  const [environment = [], names = [], units = [], processing = []] = lines;
  if (environment.length < environmentCells || units.length !== names.length || processing.length !== names.length) {
    return refused('TOA5_HEADER_MISMATCH');
  }
  if (names.length > limits.fieldsPerTableMax) return refused('TOA5_TOO_MANY_FIELDS');
  if (names.includes('')) return refused('TOA5_UNNAMED_FIELD');
  if (new Set(names).size < names.length) return refused('TOA5_DUPLICATE_FIELD');
  const timestampColumn = names.findIndex((name) => name.toUpperCase() === 'TIMESTAMP');
  if (timestampColumn < 0) return refused('TOA5_NO_TIMESTAMP');
  const recordColumn = names.findIndex((name) => name.toUpperCase() === 'RECORD');

  const fields: FieldDefinition[] = [];
  names.forEach((name, column) => {
    if (column === timestampColumn || column === recordColumn) return;
    const code = processing[column] as string;
    fields.push({
      name,
      unit: units[column] as string,
      processing: code,
      kind: timeProcessing.has(code.toLowerCase()) ? 'time' : 'number',
    });
  });
  const [, station, model, serial, operatingSystem, program, signature, table] = environment as [
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  const attributes: Record<string, string> = { operatingSystem, program, signature };
  environment.slice(environmentCells).forEach((text, index) => {
    attributes[`environment ${environmentCells + index + 1}`] = text;
  });
  return success({
    table: { format: 'toa5', station, table, model, serial, attributes, fields },
    layout: { columns: names.length, timestampColumn, recordColumn },
  });
}
