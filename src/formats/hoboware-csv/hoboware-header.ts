import { utf8 } from '../../core/bytes.ts';
import { limits } from '../../core/limits.ts';
import { CsvRow } from '../csv-row.ts';
import type { FieldDefinition, TableDefinition } from '../record-stream.ts';
import { eventName, type Heading, parseHeading, zoneOffsetMinutes } from './heading.ts';

/**
 * The header of a HOBOware export: at most a title line, then one line of headings.
 *
 * A line is the line of headings when it has a column of dates: in the first place, or behind a column of row numbers. It is known by its name in English, German or Spanish, or in any
 * language by the zone it states. Date and time may be two columns. Nothing else in the header is needed to read the rows, so that its text alone, kept in a reader's position, brings
 * back everything.
 */

const dateTimeNames = ['date time', 'date.time', 'datum zeit', 'fecha tiempo'];
const dateNames = ['date', 'datum', 'fecha'];
const timeNames = ['time', 'zeit', 'tiempo', 'hora'];
/** Titles that HOBOware writes, in the languages known; they count as evidence for the format and mark a new header in mid-file. */
const titleBeginnings = ['plot title', 'plot-titel'];

const comma = 0x2c;
const semicolon = 0x3b;
const tab = 0x09;
const byteOrderMark = '\ufeff';

/** Where a row's columns go. */
export interface HobowareLayout {
  /** The byte between cells. */
  readonly delimiter: number;
  /** Columns with a heading. What stands to the right of them is details. */
  readonly columns: number;
  readonly dateColumn: number;
  /** Column of the time of day, -1 when it stands in the date's. */
  readonly timeColumn: number;
  /** Columns of the table's fields, in their order. */
  readonly fieldColumns: readonly number[];
  readonly events: readonly { readonly column: number; readonly name: string }[];
  /** Minutes east of UTC, where the header says so. */
  readonly offsetMinutes?: number;
  /** Whether the date's heading is English, as far as that can be told. */
  readonly english: boolean;
  /** Whether a single comma in a number can only be a decimal comma. */
  readonly decimalComma: boolean;
}

/** A line of headings, understood. */
export interface HobowareHeader {
  readonly table: TableDefinition;
  readonly layout: HobowareLayout;
}

/** True when a line begins like the title that HOBOware writes. */
export function looksLikeTitle(line: string): boolean {
  const text = withoutMark(line).replace(/^"/, '').toLowerCase();
  return titleBeginnings.some((beginning) => text.startsWith(beginning));
}

/** The title in a title line: without its quotation marks, the delimiters a spreadsheet padded it with, and the words before the colon. */
export function titleText(line: string): string {
  const text = withoutMark(line).replaceAll('\0', '').trim();
  let title = text;
  if (text.startsWith('"')) {
    const row = new CsvRow();
    const bytes = utf8(text);
    row.scan(bytes, 0, bytes.length, comma);
    title = row.text(0);
  } else {
    let end = text.length;
    while (end > 0 && ',;\t '.includes(text[end - 1] as string)) end--;
    title = text.slice(0, end);
  }
  return title.slice(title.indexOf(':') + 1).trim();
}

/**
 * The table that a line of headings defines, or `undefined` when the line is none.
 *
 * The title becomes the station's and the table's name. The serial number is that of the logger named first. Attributes: `dateHeading` as written, `label <field>` for sensor labels,
 * `logger <field>` where a field was measured by another logger than the table's. Fields with the same name are told apart, where they can be, by the label, the serial number of the
 * sensor or that of the logger, otherwise by their position: `Temp (inside)`, `Temp (2)`.
 *
 * @param line the line of headings, without its line end
 * @param title the title, empty when the file has none
 */
export function parseHobowareHeader(line: string, title: string): HobowareHeader | undefined {
  const bytes = utf8(withoutMark(line));
  const delimiter = delimiterOf(bytes);
  const row = new CsvRow();
  row.scan(bytes, 0, bytes.length, delimiter);
  if (row.flaw || row.count > limits.fieldsPerTableMax) return undefined;
  const texts = Array.from({ length: row.count }, (_, column) => row.text(column).replaceAll('\0', ''));
  const stamp = stampColumns(texts);
  if (!stamp) return undefined;
  // A spreadsheet pads the line with empty headings; the program may head the details.
  while (texts.length > 0 && ['', 'details'].includes((texts.at(-1) as string).toLowerCase())) texts.pop();

  const fieldColumns: number[] = [];
  const headings: Heading[] = [];
  const events: { column: number; name: string }[] = [];
  let serial = '';
  texts.forEach((text, column) => {
    if (column <= stamp.last) return;
    const heading = parseHeading(text);
    serial ||= heading.loggerSerial;
    const event = eventName(heading);
    if (event !== undefined) {
      events.push({ column, name: event });
      return;
    }
    fieldColumns.push(column);
    headings.push(heading);
  });
  if (fieldColumns.length + events.length === 0) return undefined;
  serial ||= headings.find((heading) => heading.sensorSerial !== '')?.sensorSerial ?? '';

  const dateHeading = texts.slice(stamp.dateColumn, stamp.last + 1).join(' ');
  const attributes: Record<string, string> = { dateHeading };
  const names = distinctNames(headings);
  const fields = headings.map((heading, index): FieldDefinition => {
    const name = names[index] as string;
    if (heading.label !== '') attributes[`label ${name}`] = heading.label;
    if (heading.loggerSerial !== '' && heading.loggerSerial !== serial) attributes[`logger ${name}`] = heading.loggerSerial;
    const field = { name, unit: heading.unit, processing: '', kind: 'number' as const };
    return heading.sensorSerial === '' ? field : { ...field, sensorSerial: heading.sensorSerial };
  });
  const offsetMinutes = zoneOffsetMinutes(dateHeading);
  const lower = dateHeading.toLowerCase();
  return {
    table: { format: 'hoboware-csv', station: title, table: title, model: '', serial, attributes, fields },
    layout: {
      delimiter,
      columns: texts.length,
      dateColumn: stamp.dateColumn,
      timeColumn: stamp.timeColumn,
      fieldColumns,
      events,
      ...(offsetMinutes !== undefined && { offsetMinutes }),
      english: lower.startsWith('date') || lower.startsWith('time'),
      decimalComma: delimiter !== comma,
    },
  };
}

function withoutMark(text: string): string {
  return text.startsWith(byteOrderMark) ? text.slice(byteOrderMark.length) : text;
}

/** Tab or semicolon if one stands outside quotation marks, else comma: a heading may hold commas without quotation marks only where commas do not separate. */
function delimiterOf(bytes: Uint8Array): number {
  let quoted = false;
  let semicolons = 0;
  for (const byte of bytes) {
    if (byte === 0x22) quoted = !quoted;
    else if (!quoted && byte === tab) return tab;
    else if (!quoted && byte === semicolon) semicolons++;
  }
  return semicolons > 0 ? semicolon : comma;
}

function stampColumns(texts: readonly string[]): { dateColumn: number; timeColumn: number; last: number } | undefined {
  for (let column = 0; column < Math.min(2, texts.length); column++) {
    const text = (texts[column] as string).toLowerCase();
    const next = texts[column + 1] ?? '';
    if (dateNames.includes(text) && timeNames.some((name) => next.toLowerCase().startsWith(name))) {
      return { dateColumn: column, timeColumn: column + 1, last: column + 1 };
    }
    if (dateTimeNames.some((name) => text.startsWith(name)) || zoneOffsetMinutes(texts[column] as string) !== undefined) {
      return { dateColumn: column, timeColumn: -1, last: column };
    }
  }
  return undefined;
}

/** Names of the fields, each different from the others. */
function distinctNames(headings: readonly Heading[]): string[] {
  const uses = new Map<string, number>();
  const use = (key: string): void => {
    uses.set(key, (uses.get(key) ?? 0) + 1);
  };
  const marks = ({ label, sensorSerial, loggerSerial }: Heading) => [label, sensorSerial, loggerSerial];
  const markKey = (name: string, kind: number, mark: string) => `${name}\0${kind}\0${mark}`;
  for (const heading of headings) {
    use(heading.name);
    for (const [kind, mark] of marks(heading).entries()) use(markKey(heading.name, kind, mark));
  }
  const taken = new Set<string>();
  return headings.map((heading, index) => {
    const { name } = heading;
    let distinct = name;
    if (uses.get(name) !== 1) {
      const mark = marks(heading).find((text, kind) => text !== '' && uses.get(markKey(name, kind, text)) === 1);
      if (mark !== undefined) distinct = `${name} (${mark})`;
    }
    for (let position = index + 1; distinct === '' || taken.has(distinct); position++) distinct = `${name} (${position})`.trim();
    taken.add(distinct);
    return distinct;
  });
}
