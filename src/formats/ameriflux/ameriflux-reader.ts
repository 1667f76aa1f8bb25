import { limits } from '../../core/limits.ts';
import { localMicroseconds } from '../civil-time.ts';
import { CsvRow } from '../csv-row.ts';
import {
  beginsWith,
  HeadedTextReader,
  type HeaderLines,
  type HeaderStep,
  type OpenTable,
  type RowReading,
  withoutMark,
} from '../headed-text-reader.ts';
import type { FieldDefinition } from '../record-stream.ts';
import { type AmerifluxDefectCode, amerifluxDefects } from './defects.ts';

/**
 * Reads flux-tower tables in the form that AmeriFlux and FLUXNET exchange: comments that begin with `#`, a line of names, rows of half hours or hours.
 *
 * Each row names the beginning and the end of its interval as YYYYMMDDHHMM in the site's standard time, all year. The end is the record's stamp, as with loggers; the beginning stays a
 * column. What a name stands for, and its unit, is fixed by the network's list of variables and not said in the file.
 */

const comma = 0x2c;

/** Where a row's columns go. */
interface AmerifluxLayout {
  readonly columns: number;
  readonly endColumn: number;
}

const codes = {
  empty: 'AMERIFLUX_EMPTY',
  noHeader: 'AMERIFLUX_NO_HEADER',
  headerCut: 'AMERIFLUX_HEADER_CUT',
  headerMalformed: 'AMERIFLUX_HEADER_MALFORMED',
  rowWithoutTable: 'AMERIFLUX_ROW_WITHOUT_TABLE',
  nulRun: 'AMERIFLUX_NUL_RUN',
  lineTooLong: 'AMERIFLUX_LINE_TOO_LONG',
} as const;

/** Microseconds of a time written as YYYYMMDDHHMM, or `undefined` when the text is none. */
function parseCompactStamp(text: string): number | undefined {
  const found = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)$/.exec(text);
  if (!found) return undefined;
  const [year, month, day, hour, minute] = found.slice(1).map(Number) as [number, number, number, number, number];
  return localMicroseconds(year, month, day, hour, minute, 0, 0);
}

class AmerifluxHeader implements HeaderLines<AmerifluxDefectCode, AmerifluxLayout> {
  private readonly attributes: Record<string, string> = {};

  add(line: string): HeaderStep<AmerifluxDefectCode, AmerifluxLayout> {
    const text = withoutMark(line).trim();
    if (text === '') return 'more';
    if (text.startsWith('#')) {
      // Spreadsheets pad comments with commas to the width of the table.
      const [, name = '', value = ''] = /^#+ *([^:,]+): *(.*?),*$/.exec(text) ?? [];
      if (name !== '') this.attributes[name.trim()] = value;
      return 'more';
    }
    return this.names(text.split(',').map((name) => name.trim()));
  }

  private names(names: readonly string[]): HeaderStep<AmerifluxDefectCode, AmerifluxLayout> {
    const endColumn = names.indexOf('TIMESTAMP_END');
    const usable = endColumn >= 0 && names.includes('TIMESTAMP_START') && names.length > 2 && names.length <= limits.fieldsPerTableMax;
    if (!usable || names.includes('') || new Set(names).size < names.length) return { refused: 'AMERIFLUX_HEADER_MALFORMED' };
    const fields = names
      .filter((_, column) => column !== endColumn)
      .map((name): FieldDefinition => ({ name, unit: '', processing: '', kind: name === 'TIMESTAMP_START' ? 'time' : 'number' }));
    const { attributes } = this;
    const site = attributes.Site ?? '';
    const table = { format: 'ameriflux', station: site, table: site, model: '', serial: '', attributes, fields };
    return { open: { table, layout: { columns: names.length, endColumn } }, withLine: true };
  }
}

/** Reader of one AmeriFlux or FLUXNET file. */
export class AmerifluxReader extends HeadedTextReader<AmerifluxDefectCode, AmerifluxLayout> {
  protected readonly codes = codes;
  protected readonly defects = amerifluxDefects;
  private readonly row = new CsvRow();

  protected beginsHeader(bytes: Uint8Array, from: number, to: number): boolean {
    return (
      beginsWith(bytes, from, to, '# Site:') ||
      beginsWith(bytes, from, to, 'TIMESTAMP_START,') ||
      (!this.open && beginsWith(bytes, from, to, '#'))
    );
  }

  protected newHeader(): AmerifluxHeader {
    return new AmerifluxHeader();
  }

  protected readRow({ layout }: OpenTable<AmerifluxLayout>, bytes: Uint8Array, from: number, to: number): RowReading<AmerifluxDefectCode> {
    const { row } = this;
    row.scan(bytes, from, to, comma);
    if (row.hasControl || row.hasNul || row.flaw === 'quoting') return 'AMERIFLUX_BAD_TEXT';
    if (row.count !== layout.columns) return 'AMERIFLUX_COLUMN_COUNT';
    const localUs = parseCompactStamp(row.text(layout.endColumn));
    if (localUs === undefined) return 'AMERIFLUX_BAD_STAMP';
    const cells = Array.from({ length: layout.columns }, (_, column) => row.cell(column)).filter(
      (_, column) => column !== layout.endColumn,
    );
    return { stamp: { localUs }, cells };
  }
}
