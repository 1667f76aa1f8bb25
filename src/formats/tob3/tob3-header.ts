import { limits } from '../../core/limits.ts';
import { failure, type Outcome, success } from '../../core/outcome.ts';
import { type BinaryColumn, binaryColumns, recordBytesOf } from '../campbell-header.ts';
import type { TableDefinition } from '../record-stream.ts';
import { type Tob3DefectCode, tob3Defects } from './defects.ts';

/** Lines of a TOB3 header: environment, table and framing, names, units, processing codes, data types. */
export const tob3HeaderLines = 6;
const environmentCells = 8;
const framingCells = 6;
/** Bytes of a frame that hold no records: 12 before them and 4 behind. */
export const frameOverheadBytes = 16;

/** How frames and their records are to be read. */
export interface Tob3Layout {
  readonly frameBytes: number;
  readonly recordBytes: number;
  /** The number that marks a frame of this file, 0 to 65535. */
  readonly validationStamp: number;
  /** Nanoseconds from one record of a frame to the next; 0 in a table of events. */
  readonly intervalNs: number;
  /** Nanoseconds that a one in a frame's fraction of a second stands for. */
  readonly fractionNs: number;
  readonly fields: readonly BinaryColumn[];
}

/** A header, understood. */
export interface Tob3Header {
  readonly table: TableDefinition;
  readonly layout: Tob3Layout;
}

const nanosecondsByUnit: ReadonlyMap<string, number> = new Map([
  ['NSEC', 1],
  ['USEC', 1e3],
  ['MSEC', 1e6],
  ['SEC', 1e9],
  ['MIN', 60e9],
  ['HR', 3600e9],
  ['HOUR', 3600e9],
  ['DAY', 86_400e9],
]);

/** Longest interval that is believed: a year. */
const intervalNsMax = 366 * 86_400e9;

/** Nanoseconds of an interval such as `5 MSEC`, or `undefined`. */
function parseInterval(text: string): number | undefined {
  const [, count, unit = ''] = /^\s*(\d{1,15}(?:\.\d{1,9})?)\s*([A-Za-z]*)\s*$/.exec(text) ?? [];
  if (count === undefined) return undefined;
  if (Number(count) === 0) return 0;
  const unitNs = nanosecondsByUnit.get(unit.toUpperCase());
  const intervalNs = unitNs === undefined ? Number.NaN : Math.round(Number(count) * unitNs);
  return intervalNs >= 1 && intervalNs <= intervalNsMax ? intervalNs : undefined;
}

/** Nanoseconds of a frame time resolution: `SecMsec`, `Sec100Usec`, `Sec10Usec`, `SecUsec`; `undefined` for another. */
function parseResolution(text: string): number | undefined {
  const [, count = '', unit] = /^\s*Sec(\d{0,3})([MUN]sec)\s*$/i.exec(text) ?? [];
  const unitNs = unit === undefined ? undefined : nanosecondsByUnit.get(unit.toUpperCase());
  const factor = count === '' ? 1 : Number(count);
  return unitNs === undefined || factor === 0 ? undefined : factor * unitNs;
}

function parseWhole(text: string, max: number): number | undefined {
  return /^\s*\d{1,10}\s*$/.test(text) && Number(text) <= max ? Number(text) : undefined;
}

function refused(code: Tob3DefectCode): Outcome<Tob3Header> {
  return failure(code, 'instrument', tob3Defects[code].message);
}

/** What a flaw of the columns is called here. */
const columnDefects = { mismatch: 'TOB3_HEADER_MISMATCH', fields: 'TOB3_BAD_FIELDS', type: 'TOB3_UNKNOWN_TYPE' } as const;

/**
 * The table that six header lines define.
 *
 * Attributes are `operatingSystem`, `program`, `signature`, `created` and `interval`. Where the ring stands and when the card was taken out, which the second line may say too, are left out: they change while the table
 * stays the same.
 *
 * @param lines the cells of the six lines, the format's name included
 * @returns the header, or a failure with one of the file codes of `tob3Defects`
 */
export function parseTob3Header(lines: readonly (readonly string[])[]): Outcome<Tob3Header> {
  const [environment = [], framing = [], names = [], units = [], processing = [], types = []] = lines;
  if (environment.length < environmentCells || framing.length < framingCells) return refused('TOB3_HEADER_MISMATCH');
  const fields = binaryColumns(names, units, processing, types);
  if (typeof fields === 'string') return refused(columnDefects[fields]);
  const [table = '', interval = '', frameSize = '', , stamp = '', resolution = ''] = framing;
  const recordBytes = recordBytesOf(fields);
  const frameBytes = parseWhole(frameSize, limits.instrumentLineBytesMax);
  const validationStamp = parseWhole(stamp, 0xffff);
  const intervalNs = parseInterval(interval);
  const fractionNs = parseResolution(resolution);
  if (frameBytes === undefined || validationStamp === undefined || intervalNs === undefined || fractionNs === undefined) {
    return refused('TOB3_BAD_FRAMING');
  }
  if (frameBytes < frameOverheadBytes + recordBytes) return refused('TOB3_BAD_FRAMING');
  const [, station = '', model = '', serial = '', operatingSystem = '', program = '', signature = '', created = ''] = environment;
  const attributes = {
    operatingSystem,
    program,
    signature,
    created,
    interval,
  };
  return success({
    table: { format: 'tob3', station, table, model, serial, attributes, fields: fields.map(({ definition }) => definition) },
    layout: { frameBytes, recordBytes, validationStamp, intervalNs, fractionNs, fields },
  });
}
