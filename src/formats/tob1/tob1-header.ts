import { failure, type Outcome, success } from '../../core/outcome.ts';
import { type BinaryColumn, binaryColumns, recordBytesOf } from '../campbell-header.ts';
import type { TableDefinition } from '../record-stream.ts';
import { type Tob1DefectCode, tob1Defects } from './defects.ts';

/** Lines of a TOB1 header: environment, names, units, processing codes, data types. */
export const tob1HeaderLines = 5;
const environmentCells = 8;

/** Where a record's values stand. */
export interface Tob1Layout {
  readonly recordBytes: number;
  /** Byte of the seconds since 1990. */
  readonly secondsAt: number;
  /** Byte of the nanoseconds, -1 when there are none. */
  readonly nanosecondsAt: number;
  /** Byte of the record number, -1 when there is none. */
  readonly recordNumberAt: number;
  /** The columns of the table's fields. */
  readonly fields: readonly BinaryColumn[];
}

/** A header, understood. */
export interface Tob1Header {
  readonly table: TableDefinition;
  readonly layout: Tob1Layout;
}

function refused(code: Tob1DefectCode): Outcome<Tob1Header> {
  return failure(code, 'instrument', tob1Defects[code].message);
}

/** What a flaw of the columns is called here. */
const columnDefects = { mismatch: 'TOB1_HEADER_MISMATCH', fields: 'TOB1_BAD_FIELDS', type: 'TOB1_UNKNOWN_TYPE' } as const;

/**
 * The table that five header lines define.
 *
 * Attributes are `operatingSystem`, `program` and `signature`. The columns SECONDS, NANOSECONDS and RECORD are not fields but the stamp and the record number, when they are of type ULONG.
 *
 * @param lines the cells of the five lines, the format's name included
 * @returns the header, or a failure with one of the file codes of `tob1Defects`
 */
export function parseTob1Header(lines: readonly (readonly string[])[]): Outcome<Tob1Header> {
  const [environment = [], names = [], units = [], processing = [], types = []] = lines;
  if (environment.length < environmentCells) return refused('TOB1_HEADER_MISMATCH');
  const columns = binaryColumns(names, units, processing, types);
  if (typeof columns === 'string') return refused(columnDefects[columns]);
  const unsigned = (name: string) => columns.findIndex((column, index) => column.definition.name === name && types[index] === 'ULONG');
  const times = [unsigned('SECONDS'), unsigned('NANOSECONDS'), unsigned('RECORD')];
  const [secondsAt, nanosecondsAt, recordNumberAt] = times.map((index) => columns[index]?.at ?? -1) as [number, number, number];
  if (secondsAt < 0) return refused('TOB1_NO_TIMESTAMP');
  const fields = columns.filter((_, index) => !times.includes(index));
  const [, station = '', model = '', serial = '', operatingSystem = '', program = '', signature = '', table = ''] = environment;
  return success({
    table: {
      format: 'tob1',
      station,
      table,
      model,
      serial,
      attributes: { operatingSystem, program, signature },
      fields: fields.map(({ definition }) => definition),
    },
    layout: { recordBytes: recordBytesOf(columns), secondsAt, nanosecondsAt, recordNumberAt, fields },
  });
}
