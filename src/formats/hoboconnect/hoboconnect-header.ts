import { utf8 } from '../../core/bytes.ts';
import { limits } from '../../core/limits.ts';
import { CsvRow } from '../csv-row.ts';
import { distinctNames } from '../distinct-names.ts';
import { withoutMark } from '../headed-text-reader.ts';
import type { FieldDefinition, TableDefinition } from '../record-stream.ts';

/**
 * The line of headings of a HOBOconnect export: `#`, `Date-Time (EST)`, then a heading for each column of values.
 *
 * A heading is a name, a unit and the device it came from, in one of two styles: `Temperature (°C) (W-DO 22124011)` and `Temperature (W-DO 22124011), °C`. Values that the program
 * derived from several devices name none. `Ch: 1 - ` may stand in front.
 */

const comma = 0x2c;

/** Where a row's columns go. */
export interface HoboconnectColumns {
  readonly columns: number;
  /** 0, or 1 behind a column of row numbers. */
  readonly stampColumn: number;
  /** Minutes east of UTC, where the header says so in numbers. */
  readonly offsetMinutes?: number;
}

/** A heading taken apart. Parts that are not there are empty. */
interface Heading {
  readonly name: string;
  readonly unit: string;
  readonly device: string;
  readonly serial: string;
}

function parseHeading(text: string): Heading {
  let rest = text.replace(/^Ch: ?\d+ - /, '').trim();
  let unit = '';
  const [, beforeComma, afterComma] = /^(.*?) *, ([^,()]+)$/.exec(rest) ?? [];
  if (beforeComma !== undefined && afterComma !== undefined) {
    rest = beforeComma;
    unit = afterComma.trim();
  }
  const [, beforeDevice, label = '', serial = ''] = /^(.*?) *\((?:([^()]*?) )?(\d{5,})\)$/.exec(rest) ?? [];
  if (beforeDevice !== undefined) rest = beforeDevice;
  const [, beforeUnit, inner = ''] = unit === '' ? (/^(.+?) *\(([^()]*)\)$/.exec(rest) ?? []) : [];
  if (beforeUnit !== undefined) {
    rest = beforeUnit;
    unit = inner;
  }
  return { name: rest.trim(), unit, device: label, serial };
}

/**
 * Minutes east of UTC that a zone's text states, or `undefined` when it is an abbreviation: EST is one zone in Boston and another in Sydney, and a phone writes `EST/EDT` over stamps that
 * change with the season. GMT and UTC are what they say.
 */
function zoneOffsetMinutes(zone: string): number | undefined {
  if (/^(?:GMT|UTC)$/.test(zone)) return 0;
  const found = /^(?:GMT|UTC) ?([+-])(\d{1,2}):?(\d{2})?$/.exec(zone);
  if (!found) return undefined;
  const [, sign, hours, minutes = '0'] = found;
  const total = Number(hours) * 60 + Number(minutes);
  if (total > 14 * 60 || Number(minutes) > 59) return undefined;
  return sign === '-' ? -total : total;
}

/**
 * The table that a line of headings defines, or `undefined` when it names no Date-Time column, no values, or more than a table may have.
 *
 * The columns of all devices are one table, because a row is one moment: where devices logged at different times, cells stay empty. Each field names its device by serial number
 * (`sensorSerial`), and fields of the same name are told apart by it: `Temperature (22124011)`. The table's serial number and station are those of the device when there is only one, and
 * empty otherwise. Attributes: `dateHeading` as written, `device <serial>` for names given to devices.
 */
export function parseHoboconnectHeader(line: string): { table: TableDefinition; columns: HoboconnectColumns } | undefined {
  const bytes = utf8(withoutMark(line));
  const row = new CsvRow();
  row.scan(bytes, 0, bytes.length, comma);
  if (row.flaw || row.count > limits.fieldsPerTableMax) return undefined;
  const texts = Array.from({ length: row.count }, (_, column) => row.text(column));
  const stampColumn = texts[0] === '#' ? 1 : 0;
  const dateHeading = texts[stampColumn] ?? '';
  const [, zone] = /^Date-Time \(([^()]*)\)$/.exec(dateHeading) ?? [];
  const headings = texts.slice(stampColumn + 1).map(parseHeading);
  if (zone === undefined || headings.length === 0) return undefined;

  const names = distinctNames(
    headings.map(({ name }) => name),
    headings.map(({ serial }) => serial),
  );
  const attributes: Record<string, string> = { dateHeading };
  const devices = new Map<string, string>();
  const fields = headings.map(({ unit, device, serial }, index): FieldDefinition => {
    const field = { name: names[index] as string, unit, processing: '', kind: 'number' as const };
    if (serial === '') return field;
    devices.set(serial, device);
    if (device !== '') attributes[`device ${serial}`] = device;
    return { ...field, sensorSerial: serial };
  });
  const [serial = '', station = ''] = devices.size === 1 ? [...devices].flat() : [];
  const offsetMinutes = zoneOffsetMinutes(zone);
  return {
    table: { format: 'hoboconnect', station, table: station, model: '', serial, attributes, fields },
    columns: { columns: texts.length, stampColumn, ...(offsetMinutes !== undefined && { offsetMinutes }) },
  };
}
