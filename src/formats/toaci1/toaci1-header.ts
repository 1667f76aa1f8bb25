import { limits } from '../../core/limits.ts';
import { failure, type Outcome, success } from '../../core/outcome.ts';
import type { FieldDefinition, TableDefinition } from '../record-stream.ts';
import { type Toaci1DefectCode, toaci1Defects } from './defects.ts';

/** Lines of a TOACI1 header: environment and names. */
export const toaci1HeaderLines = 2;
/** Cells of the first line: the format's name, station and table. */
const environmentCells = 3;

/** Where a row's columns go. */
export interface Toaci1Layout {
  /** Cells of every row. */
  readonly columns: number;
  readonly timestampColumn: number;
  /** -1 when the file has no record numbers. */
  readonly recordColumn: number;
}

/** A header, understood. */
export interface Toaci1Header {
  readonly table: TableDefinition;
  readonly layout: Toaci1Layout;
}

function refused(code: Toaci1DefectCode): Outcome<Toaci1Header> {
  return failure(code, 'instrument', toaci1Defects[code].message);
}

/**
 * The table that two header lines define. The format has neither units nor processing codes, and what `_Avg` at the end of a name says is not split off.
 *
 * @param lines the cells of the two lines, the format's name included
 * @returns the header, or a failure with one of the file codes of `toaci1Defects`
 */
export function parseToaci1Header(lines: readonly (readonly string[])[]): Outcome<Toaci1Header> {
  const [environment = [], names = []] = lines;
  if (environment.length < environmentCells) return refused('TOACI1_HEADER_CUT');
  if (names.includes('') || new Set(names).size < names.length || names.length > limits.fieldsPerTableMax)
    return refused('TOACI1_BAD_FIELDS');
  const timestampColumn = names.indexOf('TMSTAMP');
  if (timestampColumn < 0) return refused('TOACI1_NO_TIMESTAMP');
  const recordColumn = names.indexOf('RECNBR');
  const fields = names
    .filter((_, column) => column !== timestampColumn && column !== recordColumn)
    .map((name): FieldDefinition => ({ name, unit: '', processing: '', kind: 'number' }));
  const [, station = '', table = ''] = environment;
  return success({
    table: { format: 'toaci1', station, table, model: '', serial: '', attributes: {}, fields },
    layout: { columns: names.length, timestampColumn, recordColumn },
  });
}
