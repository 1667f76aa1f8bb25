import { utf8 } from '../../core/bytes.ts';
import { limits } from '../../core/limits.ts';
import { CsvRow } from '../csv-row.ts';
import type { DatedLayout } from '../date-order-reader.ts';
import { distinctNames } from '../distinct-names.ts';
import { type HeaderLines, type HeaderStep, withoutMark } from '../headed-text-reader.ts';
import { type DateOrder, readStamp } from '../hoboware-csv/date-order.ts';
import type { FieldDefinition } from '../record-stream.ts';
import type { CsvDefectCode } from './defects.ts';
import { parseIsoStamp } from './iso-stamp.ts';

/**
 * What a CSV file of unknown origin says about itself: comments, a line of headings, and the first row, which shows where the time stands and how it is written.
 *
 * Nothing is taken from what headings are called but a zone, since there are as many names as programs. A column is the time's when its cell in the first row is a date and time; the first
 * such column is it. A date in one column and a time of day in the next are one stamp, and a date with neither is its midnight.
 */

const [comma, semicolon, tab, quote] = [0x2c, 0x3b, 0x09, 0x22];

/** Characters of the comments that travel with the table; the file itself is kept whole. */
const commentsMax = 2048;

/** What the owner of a file knows of it. Everything that is left out is inferred. */
export interface CsvSchema {
  /** Heading of the column with the date, or with date and time. */
  readonly stampHeading?: string;
  /** The order of day, month and year where dates are not ISO 8601. */
  readonly dateOrder?: DateOrder;
  /** Minutes east of UTC of all stamps that do not name a zone themselves. Default: what the heading says, else the site profile's. */
  readonly offsetMinutes?: number;
}

/** Where a row's columns go. */
export interface CsvLayout extends DatedLayout {
  /** The byte between cells. */
  readonly delimiter: number;
  readonly columns: number;
  readonly stampColumn: number;
  /** Column of the time of day, -1 when it stands in the stamp's, -2 when there is none and dates are days. */
  readonly timeColumn: number;
  readonly offsetMinutes?: number;
}

/** The text of a row's stamp: the date's cell, and behind it the time of day's or midnight. */
export function stampText(row: CsvRow, { stampColumn, timeColumn }: Pick<CsvLayout, 'stampColumn' | 'timeColumn'>): string {
  const date = row.text(stampColumn);
  if (timeColumn === -1) return date;
  return timeColumn < 0 ? `${date} 00:00` : `${date} ${row.text(timeColumn)}`;
}

/** Collects comments, headings and the first row. */
export class CsvHeader implements HeaderLines<CsvDefectCode, CsvLayout> {
  private readonly schema: CsvSchema;
  private readonly comments: string[] = [];
  private headings: string[] | undefined;
  private delimiter = comma;

  constructor(schema: CsvSchema) {
    this.schema = schema;
  }

  add(line: string): HeaderStep<CsvDefectCode, CsvLayout> {
    const text = withoutMark(line);
    if (text.trim() === '') return 'more';
    const bytes = utf8(text);
    if (!this.headings) {
      if (text.startsWith('#')) {
        this.comments.push(text.slice(1).trim());
        return 'more';
      }
      this.delimiter = delimiterOf(bytes);
      this.headings = headingsOf(cellsOf(bytes, this.delimiter).cells);
      return this.headings ? 'more' : { refused: 'CSV_NO_HEADER' };
    }
    return this.firstRow(this.headings, bytes);
  }

  private firstRow(headings: readonly string[], bytes: Uint8Array): HeaderStep<CsvDefectCode, CsvLayout> {
    const { schema, delimiter, comments } = this;
    const { row, cells } = cellsOf(bytes, delimiter);
    const stamp = this.findStamp(headings, row, cells);
    if (!stamp) return { refused: 'CSV_NO_STAMP' };
    const { stampColumn, timeColumn } = stamp;
    const offsetMinutes = schema.offsetMinutes ?? zoneOffsetMinutes(headings[stampColumn] as string);
    const isIso = parseIsoStamp(stampText(row, stamp)) !== undefined;
    const layout: CsvLayout = {
      delimiter,
      columns: headings.length,
      stampColumn,
      timeColumn,
      dateOrder: isIso ? 'none' : (schema.dateOrder ?? 'open'),
      dateOrderProved: schema.dateOrder !== undefined,
      ...(offsetMinutes !== undefined && { offsetMinutes }),
    };
    const parts = headings.map(splitUnit);
    const names = distinctNames(parts.map(({ name }) => name));
    const fields: FieldDefinition[] = parts.flatMap(({ unit }, column) =>
      column === stampColumn || column === timeColumn ? [] : [{ name: names[column] as string, unit, processing: '', kind: 'number' }],
    );
    if (fields.length === 0) return { refused: 'CSV_NO_HEADER' };
    const attributes: Record<string, string> = { dateHeading: headings[stampColumn] as string };
    if (comments.length > 0) attributes.comments = comments.join('\n').slice(0, commentsMax);
    const table = { format: 'csv', station: '', table: '', model: '', serial: '', attributes, fields };
    return { open: { table, layout }, withLine: false };
  }

  /** The columns of the stamp in the first row: the declared one, or the first that holds a date and time, a date beside a time of day, or a date. */
  private findStamp(
    headings: readonly string[],
    row: CsvRow,
    cells: readonly string[],
  ): Pick<CsvLayout, 'stampColumn' | 'timeColumn'> | undefined {
    const declared = this.schema.stampHeading;
    for (let stampColumn = 0; stampColumn < Math.min(headings.length, cells.length); stampColumn++) {
      if (declared !== undefined && headings[stampColumn] !== declared) continue;
      const ways = [-1, ...(stampColumn + 1 < Math.min(headings.length, cells.length) ? [stampColumn + 1] : []), -2];
      for (const timeColumn of ways) {
        if (timeColumn === -1 && /^\d{4}-\d\d-\d\d$/.test(cells[stampColumn] as string)) continue;
        const text = stampText(row, { stampColumn, timeColumn });
        if (parseIsoStamp(text) ?? readWritten(text)) return { stampColumn, timeColumn };
      }
    }
    return undefined;
  }
}

/** A date and time whose order is not known, in a text. */
export function readWritten(text: string): ReturnType<typeof readStamp> {
  const bytes = utf8(text);
  return readStamp(bytes, [0, bytes.length]);
}

/** Tab or semicolon if one stands outside quotation marks, else comma. */
function delimiterOf(bytes: Uint8Array): number {
  let quoted = false;
  let found = comma;
  for (const byte of bytes) {
    if (byte === quote) quoted = !quoted;
    else if (!quoted && byte === tab) return tab;
    else if (!quoted && byte === semicolon) found = semicolon;
  }
  return found;
}

function cellsOf(bytes: Uint8Array, delimiter: number): { row: CsvRow; cells: string[] } {
  const row = new CsvRow();
  row.scan(bytes, 0, bytes.length, delimiter);
  const usable = row.flaw === undefined && row.count <= limits.fieldsPerTableMax;
  return { row, cells: usable ? Array.from({ length: row.count }, (_, column) => row.text(column)) : [] };
}

/** Headings without the empty ones at the end, or `undefined` when the cells are none: fewer than two, or a number or a time among them. */
function headingsOf(cells: readonly string[]): string[] | undefined {
  const headings = [...cells];
  while (headings.at(-1) === '') headings.pop();
  if (headings.length < 2 || headings.every((heading) => heading === '')) return undefined;
  return headings.some((heading) => /^[-+.,\d:/ TZ]*\d[-+.,\d:/ TZ]*$/.test(heading)) ? undefined : headings;
}

/** A unit in brackets or parentheses at the end of a heading, taken off. */
function splitUnit(heading: string): { name: string; unit: string } {
  const [, name = heading, round, square] = /^(.*\S) *(?:\(([^()]+)\)|\[([^[\]]+)\])$/.exec(heading) ?? [];
  return { name, unit: round ?? square ?? '' };
}

/** Minutes east of UTC that a heading states as `UTC`, `GMT`, or `UTC+01:00` and the like; `undefined` when it names no zone or an abbreviation. */
function zoneOffsetMinutes(heading: string): number | undefined {
  const found = /(?<![A-Za-z])(?:UTC|GMT)(?: ?([+-])(\d{1,2})(?::?(\d\d))?)?(?![A-Za-z\d])/.exec(heading);
  if (!found) return undefined;
  const [, sign, hours = '0', minutes = '0'] = found;
  const total = Number(hours) * 60 + Number(minutes);
  if (total > 14 * 60 || Number(minutes) > 59) return undefined;
  return sign === '-' ? -total : total;
}
