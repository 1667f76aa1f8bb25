import type { Rank } from './sequence.ts';
import { cellText, lineAt, type Span, splitCells, type TableHeader } from './table-text.ts';

/**
 * What identifies a row of a table: which columns are its key, and in which order keys stand.
 *
 * Files of Campbell loggers say it themselves: time and record number. In any other table the names of the columns tell times, record numbers and identifiers, and the key is the
 * first combination that no version of the file repeats.
 */

type ColumnRole = 'time' | 'record' | 'identifier';

/** Roles by name of column. A name is compared in lower case, up to the first comma or bracket, with everything but letters, digits and `#` as one blank. */
const roleByName: readonly { readonly role: ColumnRole; readonly pattern: RegExp }[] = [
  {
    role: 'time',
    pattern: /^(time ?stamp|tmstamp|date ?time|date and time|time|date)( (start|end|utc|gmt|local|iso|iso8601|unix|s|ms))?$/,
  },
  { role: 'time', pattern: /^(utc|gmt|local|unix) ?(time|date|time ?stamp|date ?time)$|^epoch$/ },
  { role: 'record', pattern: /^(#|rn|rec|record|recnbr|index|row|line|seq|sequence|obs|observation)( ?(no|nr|num|number|nbr|id))?$/ },
  {
    role: 'identifier',
    pattern: /^((object|feature|sensor|site|station|sample|plot|logger|event|node|device|asset) ?)?(id|uuid|guid|fid|gid|key|code)$/,
  },
  {
    role: 'identifier',
    pattern: /^(sensor|site|station|sample|plot|logger|node|device|asset|transect|depth|species|variable|parameter)( name| number| no)?$/,
  },
];
/** Columns that make up a time where no column holds one. */
const timePart = /^(year|yr|month|mon|day|doy|jday|julian day|day of year|hour|hr|minute|min|second|sec)$/;

function plainName(name: string): string {
  const [head = ''] = name.split(/[,([]/);
  return head
    .toLowerCase()
    .replaceAll(/[^a-z0-9#]+/g, ' ')
    .trim();
}

/** Columns by role. */
function columnsByRole(names: readonly string[]): Record<ColumnRole, number[]> {
  const columns: Record<ColumnRole, number[]> = { time: [], record: [], identifier: [] };
  const parts: number[] = [];
  for (const [column, name] of names.entries()) {
    const plain = plainName(name);
    const role = roleByName.find(({ pattern }) => pattern.test(plain))?.role;
    if (role !== undefined) columns[role].push(column);
    else if (timePart.test(plain)) parts.push(column);
  }
  if (columns.time.length === 0 && parts.length > 1) columns.time.push(...parts);
  return columns;
}

/** Combinations of columns that may be the key, best first. Empty when no column can be. */
export function keyCandidates({ format, names }: TableHeader): readonly (readonly number[])[] {
  const { time, record, identifier } = columnsByRole(names);
  const combinations =
    format === 'csv' ? [[time], [time, identifier], [time, record], [time, identifier, record]] : [[time.slice(0, 1), record.slice(0, 1)]];
  const withoutTime = [[identifier], [record], [identifier, record]];
  const keys = (time.length > 0 || format !== 'csv' ? combinations : withoutTime).map((parts) => parts.flat());
  return keys.filter((key) => key.length > 0);
}

const comma = 0x2c;
const delimiters = [comma, 0x3b, 0x09, 0x7c] as const;
/** Lines in which a header is looked for; title, comment and description lines may stand before it. */
const headerLinesMax = 40;
/** Lines of units and the like between the names and the first row. */
const unitLinesMax = 3;
const digit = /[0-9]/;
const number = /^[-+]?[0-9.]+(e[-+]?[0-9]+)?$/i;

/** Number of header lines of Campbell's formats, by the first cell of the file. The names of the columns are in the second. */
const campbellHeaders: ReadonlyMap<string, { readonly format: 'toa5' | 'toaci1'; readonly lines: number }> = new Map([
  ['TOA5', { format: 'toa5', lines: 4 }],
  ['TOACI1', { format: 'toaci1', lines: 2 }],
]);

/**
 * The header of a table, or `undefined` when the bytes are no table that can be merged.
 *
 * @param plain whether a table without a Campbell header will do: text with a few commas must not be taken for one.
 */
export function findHeader(bytes: Uint8Array, plain: boolean): TableHeader | undefined {
  const lines: Span[] = [];
  let next = 0;
  while (next < bytes.length && lines.length < headerLinesMax) {
    const line = lineAt(bytes, next);
    // A line behind a byte-order mark begins behind it.
    const start = next === 0 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : line.start;
    lines.push({ start, end: line.end });
    next = line.next;
  }
  const texts = (line: Span, delimiter: number) => splitCells(bytes, line, delimiter).map((cell) => cellText(bytes, cell));
  const header = (format: TableHeader['format'], delimiter: number, nameLine: number, count: number): TableHeader | undefined => {
    const names = lines[nameLine];
    const last = lines[count - 1];
    if (names === undefined || last === undefined) return undefined;
    return { format, delimiter, lines: lines.slice(0, count), names: texts(names, delimiter), end: lineAt(bytes, last.end).next };
  };
  const [first] = lines;
  if (first === undefined) return undefined;
  const campbell = campbellHeaders.get(texts(first, comma)[0] ?? '');
  if (campbell !== undefined) return header(campbell.format, comma, 1, campbell.lines);
  if (!plain) return undefined;
  for (const [index, line] of lines.entries()) {
    const splits = delimiters.map((delimiter) => ({ delimiter, names: texts(line, delimiter) }));
    const { delimiter, names } = splits.reduce((best, split) => (split.names.length > best.names.length ? split : best));
    if (names.length < 2 || names.some((name) => number.test(name))) continue;
    const found = header('csv', delimiter, index, index + 1);
    if (found === undefined || keyCandidates(found).length === 0) continue;
    // A line of units has no digits where every row has a time or a number.
    const { time, record } = columnsByRole(names);
    const counted = [...time, ...record];
    const isUnits = (cells: readonly string[]) =>
      counted.length > 0 &&
      cells.length === names.length &&
      cells.some((cell) => cell !== '') &&
      !counted.some((column) => digit.test(cells[column] ?? ''));
    let count = index + 1;
    while (count <= index + unitLinesMax && count < lines.length && isUnits(texts(lines[count] as Span, delimiter))) count++;
    return header('csv', delimiter, index, count);
  }
  return undefined;
}

const clock = String.raw`(?:[T ,]+(\d{1,2}):(\d{2})(?::(\d{2}(?:[.,]\d+)?))?\s*([ap]\.?m)?)?`;
const yearFirst = new RegExp(String.raw`^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})${clock}`, 'i');
const yearLast = new RegExp(String.raw`^(\d{1,2})([-/.])(\d{1,2})[-/.](\d{2,4})${clock}`, 'i');
const clockAlone = /^(\d{1,2}):(\d{2})(?::(\d{2}(?:[.,]\d+)?))?\s*([ap]\.?m)?/i;

function seconds(hour = '0', minute = '0', second = '0', half = ''): number {
  const twelve = half === '' ? Number(hour) : (Number(hour) % 12) + (half[0]?.toLowerCase() === 'p' ? 12 : 0);
  return twelve * 3600 + Number(minute) * 60 + Number(second.replace(',', '.'));
}

function days(year: number, month: string, day: string): number {
  return (year * 12 + Number(month)) * 31 + Number(day);
}

/** True when a date like 19/02/2026 among these keys can only have its day first. */
export function hasDayFirst(keys: Iterable<string>): boolean {
  for (const key of keys) {
    const match = yearLast.exec(key);
    if (match === null) {
      // Dates of one column look alike: there is nothing to find in a file of others.
      return false;
    }
    if (Number(match[1]) > 12) return true;
  }
  return false;
}

/** Where a cell of a key belongs: times by time, numbers by size, texts by code units. The number is only good for order. */
function rankCell(text: string, dayFirst: boolean): number | string {
  const iso = yearFirst.exec(text);
  if (iso !== null) {
    const [, year = '', month = '', day = '', ...time] = iso;
    return days(Number(year), month, day) * 86_400 + seconds(...time);
  }
  const local = yearLast.exec(text);
  if (local !== null) {
    const [, one = '', separator, two = '', year = '', ...time] = local;
    // Two digits of a year: POSIX takes 69 to 99 as the twentieth century.
    const fullYear = year.length > 2 ? Number(year) : Number(year) + (Number(year) < 69 ? 2000 : 1900);
    const [day, month] = dayFirst || separator === '.' ? [one, two] : [two, one];
    return days(fullYear, month, day) * 86_400 + seconds(...time);
  }
  const alone = clockAlone.exec(text);
  if (alone !== null) return seconds(...alone.slice(1));
  return number.test(text) ? Number(text) : text;
}

/** Separates the cells of a key; no text file has it. */
export const keySeparator = '\u001f';

/** Where a row with this key belongs. */
export function rankKey(key: string, dayFirst: boolean): Rank {
  return key.split(keySeparator).map((cell) => rankCell(cell, dayFirst));
}
