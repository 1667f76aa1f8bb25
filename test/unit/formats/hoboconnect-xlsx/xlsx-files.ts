import { crc32, deflateRawSync } from 'node:zlib';
import { concatBytes, utf8 } from '../../../../src/core/bytes.ts';

/** How an entry is put into an archive; what differs from an ordinary one damages it. */
export interface EntryOptions {
  readonly stored?: boolean;
  readonly flags?: number;
  readonly method?: number;
  readonly crc32?: number;
  readonly plainBytes?: number;
}

function record(length: number, fields: readonly [at: number, bytes: 2 | 4, value: number][]): Uint8Array {
  const view = new DataView(new ArrayBuffer(length));
  for (const [at, bytes, value] of fields) {
    if (bytes === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
  }
  return new Uint8Array(view.buffer);
}

/** A ZIP archive of texts by their names. */
export function zipOf(
  textByName: Readonly<Record<string, string>>,
  optionsByName: Readonly<Record<string, EntryOptions>> = {},
): Uint8Array {
  const locals: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let offset = 0;
  for (const [name, text] of Object.entries(textByName)) {
    const options = optionsByName[name] ?? {};
    const plain = utf8(text);
    const packed = options.stored ? plain : new Uint8Array(deflateRawSync(plain));
    const nameBytes = utf8(name);
    const method = options.method ?? (options.stored ? 0 : 8);
    const local = concatBytes(
      record(30, [
        [0, 4, 0x04034b50],
        [8, 2, method],
        [26, 2, nameBytes.length],
      ]),
      nameBytes,
      packed,
    );
    directory.push(
      record(46, [
        [0, 4, 0x02014b50],
        [8, 2, options.flags ?? 0],
        [10, 2, method],
        [16, 4, options.crc32 ?? crc32(plain)],
        [20, 4, packed.length],
        [24, 4, options.plainBytes ?? plain.length],
        [28, 2, nameBytes.length],
        [42, 4, offset],
      ]),
      nameBytes,
    );
    locals.push(local);
    offset += local.length;
  }
  const central = concatBytes(...directory);
  const end = record(22, [
    [0, 4, 0x06054b50],
    [10, 2, locals.length],
    [12, 4, central.length],
    [16, 4, offset],
  ]);
  return concatBytes(...locals, central, end);
}

function cell(column: number, row: number, value: string | number | null): string {
  const place = `${String.fromCharCode(65 + column)}${row}`;
  if (value === null) return '';
  if (typeof value === 'number') return `<c r="${place}" s="1"><v>${value}</v></c>`;
  return `<c r="${place}" t="inlineStr"><is><t>${value}</t></is></c>`;
}

/** A sheet of rows. */
export function sheetXml(rows: readonly (readonly (string | number | null)[])[]): string {
  const body = rows.map((cells, index) => `<row r="${index + 1}">${cells.map((value, at) => cell(at, index + 1, value)).join('')}</row>`);
  return `<?xml version="1.0"?><worksheet><sheetData>${body.join('')}</sheetData></worksheet>`;
}

/** The parts of a workbook with these sheets. */
export function workbookParts(sheets: Readonly<Record<string, string>>, book = ''): Record<string, string> {
  const names = Object.keys(sheets);
  const parts: Record<string, string> = {
    '[Content_Types].xml': '<Types/>',
    'xl/workbook.xml': `<workbook>${book}<sheets>${names.map((name, at) => `<sheet name="${name}" sheetId="${at + 1}" r:id="rId${at + 1}"/>`).join('')}</sheets></workbook>`,
    'xl/_rels/workbook.xml.rels': `<Relationships>${names.map((_, at) => `<Relationship Id="rId${at + 1}" Type="x" Target="worksheets/sheet${at + 1}.xml"/>`).join('')}</Relationships>`,
  };
  for (const [at, name] of names.entries()) parts[`xl/worksheets/sheet${at + 1}.xml`] = sheets[name] as string;
  return parts;
}

/** 2025-01-27 10:59:00 as a spreadsheet's day count, and minutes. */
export const dayCount = 45_684.457638888889;
export const minuteDays = 1 / 1440;

export const headings = ['#', 'Date-Time (GMT-05:00)', 'Temperature (W-DO 22124010), °C', 'Water Level , m'];

/** An export with `rows` rows a minute apart, two events and some details. */
export function exportOf(rows: number): Uint8Array {
  const data = Array.from({ length: rows }, (_, row) => [row + 1, dayCount + row * minuteDays, 10 + row / 4, row % 2 === 0 ? null : row]);
  return zipOf(
    workbookParts({
      Data: sheetXml([headings, ...data]),
      Events: sheetXml([
        ['#', 'Date-Time (GMT-05:00)', 'Host Connected', 'Alarm'],
        [1, dayCount, 'Logged', null],
        [2, null, 'Logged', null],
        [3, dayCount + minuteDays, null, 'High'],
      ]),
      Details: sheetXml([
        ['Devices'],
        [null, 'Device Info'],
        [null, null, 'Product', 'MX801'],
        [null, null, 'Serial Number', '22070944'],
        [null, null, 'Name', 'Ford'],
      ]),
    }),
  );
}
