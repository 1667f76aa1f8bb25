import { describe, expect, it } from 'vitest';
import { concatBytes, utf8 } from '../../../../src/core/bytes.ts';
import { hoboconnectXlsxFormat } from '../../../../src/formats/hoboconnect-xlsx/hoboconnect-xlsx-format.ts';
import { counts, expectTiling, itemsOf, outline, readGrowing, readWhole, sampleFolder, stampText, stampTexts } from '../reading.ts';
import { dayCount, type EntryOptions, exportOf, headings, sheetXml, workbookParts, zipOf } from './xlsx-files.ts';

const samples = sampleFolder('hoboconnect');

describe.skipIf(samples.skip)('a real XLSX export of HOBOconnect', () => {
  const bytes = samples.skip ? new Uint8Array(0) : samples.read('mx_do.xlsx');

  it('has twelve rows of two sensors and of values derived from both, and three events', () => {
    const items = readWhole(hoboconnectXlsxFormat, bytes);
    expectTiling(items, bytes.length);
    expect(hoboconnectXlsxFormat.sniff(bytes.subarray(0, 4096), 'a.bin')).toBe(0.9);
    expect(counts(items)).toEqual({ table: 1, record: 12, event: 3, other: 1 });
    const table = itemsOf(items, 'table')[0]?.table;
    expect(table).toMatchObject({ station: 'BBC_MX1_22070944', model: 'MX801', serial: '22070944', format: 'hoboconnect-xlsx' });
    expect(table?.fields.map(({ name, unit, sensorSerial }) => `${name}|${unit}|${sensorSerial ?? ''}`)).toEqual([
      'Temperature (22124010)|°C|22124010',
      'Measured DO|mg/L|22124010',
      'Salinity-Adjusted DO|mg/L|22124010',
      'Temperature (22118266)|°C|22118266',
      'Absolute Pressure|kPa|22118266',
      'Electrical Conductivity|µS/cm|22118266',
      'Specific Conductivity|µS/cm|22118266',
      'Salinity|PSU|22118266',
      'Barometric Pressure|kPa|',
      'Percent Saturation|%|',
      'Water Level|m|',
    ]);
    // EST is no zone of its own; with a site five hours west of Greenwich these are 15:59 to 16:10 UTC.
    const utc = itemsOf(items, 'record').map(({ stamp }) => stampText(stamp.localUs + 5 * 3600 * 1_000_000));
    expect([utc[0], utc.at(-1)]).toEqual(['2025-01-27 15:59:00', '2025-01-27 16:10:00']);
    expect(itemsOf(items, 'record')[0]?.stamp.offsetMinutes).toBeUndefined();
    expect(itemsOf(items, 'record')[0]?.cells).toEqual([
      '19.339111328125',
      '9.1115570068359375',
      '9.111053466796875',
      '16.589450836181641',
      '101.13577324155702',
      '3.8991234302520752',
      '4.7355179786682129',
      '9.3450220301747322E-3',
      '101.32499694824219',
      '98.905982971191406',
      '0',
    ]);
    expect(itemsOf(items, 'event').map(({ stamp, name, detail }) => [stampText(stamp.localUs), name, detail])).toEqual([
      ['2025-01-27 10:58:52', 'Water Detect', ''],
      ['2025-01-27 11:10:27', 'Host Connected', ''],
      ['2025-01-27 11:10:27', 'End of File', ''],
    ]);
  });

  it('is waited for while it is being copied', () => {
    const whole = readWhole(hoboconnectXlsxFormat, bytes);
    expect(readGrowing(hoboconnectXlsxFormat, bytes, [1, 100, 9000, bytes.length - 1])).toEqual(whole);
  });
});

const read = (parts: Readonly<Record<string, string>>) => {
  const bytes = zipOf(parts);
  const items = readWhole(hoboconnectXlsxFormat, bytes);
  expectTiling(items, bytes.length);
  return items;
};
const dataSheet = (xml: string, more: Readonly<Record<string, string>> = {}) => read({ ...workbookParts({ Data: xml }), ...more });

describe('an XLSX export of HOBOconnect', () => {
  it('gives rows, events and what the details say of the logger', () => {
    const items = readWhole(hoboconnectXlsxFormat, exportOf(3));
    expect(outline(items)).toEqual(['table', 'record', 'record', 'record', 'event', 'event', 'other']);
    expect(itemsOf(items, 'table')[0]?.table).toMatchObject({ station: 'Ford', model: 'MX801', serial: '22070944' });
    expect(itemsOf(items, 'record').map(({ cells, stamp }) => [stamp.offsetMinutes, ...cells])).toEqual([
      [-300, '10', null],
      [-300, '10.25', '1'],
      [-300, '10.5', null],
    ]);
    expect(stampTexts(items)).toEqual(['2025-01-27 10:59:00', '2025-01-27 11:00:00', '2025-01-27 11:01:00']);
    expect(itemsOf(items, 'event').map(({ name, detail }) => [name, detail])).toEqual([
      ['Host Connected', ''],
      ['Alarm', 'High'],
    ]);
  });

  it('may keep its texts in a table of their own, in runs and with references', () => {
    const shared =
      '<sst><si><t>#</t></si><si/><si><r><t>Date-</t></r><r><t xml:space="preserve">Time (GMT)</t></r></si><si><t/><t>R&amp;D, &#176;C</t></si></sst>';
    const sheet =
      '<worksheet><sheetData><row/><row r="2"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>2</v></c><c r="C1" t="s"><v>3</v></c></row><row><c/><c><v>45684.5</v></c><c><v>1</v></c></row></sheetData></worksheet>';
    const items = dataSheet(sheet, { 'xl/sharedStrings.xml': shared });
    expect(itemsOf(items, 'table')[0]?.table.fields).toMatchObject([{ name: 'R&D', unit: '°C' }]);
    expect(stampTexts(items)).toEqual(['2025-01-27 12:00:00']);
    expect(itemsOf(items, 'record')[0]?.stamp.offsetMinutes).toBe(0);
  });

  it('may count its days from 1904', () => {
    const items = read(workbookParts({ Data: sheetXml([headings, [1, dayCount - 1462, 5, 6]]) }, '<workbookPr date1904="1"/>'));
    expect(stampTexts(items)).toEqual(['2025-01-27 10:59:00']);
  });

  it('may be a workbook whose sheets have other names and absolute places', () => {
    const parts = workbookParts({ Daten: sheetXml([headings, [1, dayCount, 5, 6]]) });
    parts['xl/_rels/workbook.xml.rels'] = '<Relationships><Relationship Id="rId1" Target="/xl/worksheets/sheet1.xml"/></Relationships>';
    expect(outline(read(parts))).toEqual(['table', 'record', 'other']);
  });

  it('quarantines rows that cannot be read and goes on', () => {
    const items = dataSheet(
      sheetXml([headings, [1, 'yesterday', 5, 6], [2, dayCount, 5, 6, 7], [3, dayCount, 5, 6], [4, 3e6, 1, 1], [5, null, 5]]).replace(
        '</sheetData>',
        '<row><c r="B1"><v>1</v></c><c r="A1"><v>1</v></c></row><row><c r="A1" t="s"><v>0</v></c></row><row><c r="A1"><v>1&x;</v></c></row><row><c r="A1"><v>1</v></row></sheetData>',
      ),
    );
    expect(outline(items)).toEqual([
      'table',
      'HOBOCONNECT_XLSX_BAD_STAMP',
      'HOBOCONNECT_XLSX_BAD_ROW',
      'record',
      'HOBOCONNECT_XLSX_BAD_STAMP',
      'HOBOCONNECT_XLSX_BAD_STAMP',
      'HOBOCONNECT_XLSX_BAD_ROW',
      'HOBOCONNECT_XLSX_BAD_ROW',
      'HOBOCONNECT_XLSX_BAD_ROW',
      'HOBOCONNECT_XLSX_BAD_ROW',
      'other',
    ]);
  });

  it('ends with a row that does not end', () => {
    expect(outline(dataSheet(sheetXml([headings, [1, dayCount, 5, 6]]).replace('</sheetData>', '<row><c r="A1">')))).toEqual([
      'table',
      'record',
      'HOBOCONNECT_XLSX_BAD_ROW',
      'other',
    ]);
  });

  it.each<[string, Uint8Array, string[]]>([
    ['nothing', utf8('PK'), ['HOBOCONNECT_XLSX_TORN']],
    ['cut', exportOf(2).subarray(0, 500), ['HOBOCONNECT_XLSX_TORN']],
    ['with a directory that ends early', withBytes(exportOf(2), -6, [255, 255]), ['HOBOCONNECT_XLSX_TORN']],
    ['with too many entries', withBytes(exportOf(2), -12, [255, 255]), ['HOBOCONNECT_XLSX_TORN']],
    ['another archive', zipOf({ 'readme.txt': 'hello' }), ['HOBOCONNECT_XLSX_NO_WORKBOOK']],
    ['without its sheet', zipOf(omit(workbookParts({ Data: '' }), 'xl/worksheets/sheet1.xml')), ['HOBOCONNECT_XLSX_NO_WORKBOOK']],
    ['without sheets', zipOf(workbookParts({})), ['HOBOCONNECT_XLSX_NO_WORKBOOK']],
    ['with another heading', zipOf(workbookParts({ Data: sheetXml([['Plot', 'Species']]) })), ['HOBOCONNECT_XLSX_NO_HEADER']],
    ['with an empty sheet', zipOf(workbookParts({ Data: sheetXml([]) })), ['HOBOCONNECT_XLSX_NO_HEADER']],
    [
      'with broken texts',
      zipOf({ ...workbookParts({ Data: '' }), 'xl/sharedStrings.xml': '<sst><si><t>a' }),
      ['HOBOCONNECT_XLSX_NO_WORKBOOK'],
    ],
    [
      'with texts of unknown references',
      zipOf({ ...workbookParts({ Data: '' }), 'xl/sharedStrings.xml': '<si><t>&a;</t></si>' }),
      ['HOBOCONNECT_XLSX_NO_WORKBOOK'],
    ],
    ['encrypted', damagedSheet({ flags: 1 }), ['HOBOCONNECT_XLSX_NO_WORKBOOK']],
    ['packed in another way', damagedSheet({ method: 12 }), ['HOBOCONNECT_XLSX_NO_WORKBOOK']],
    ['with a wrong checksum', damagedSheet({ crc32: 1 }), ['HOBOCONNECT_XLSX_NO_WORKBOOK']],
    ['that claims to be enormous', damagedSheet({ plainBytes: 0xffff_ffff }), ['HOBOCONNECT_XLSX_NO_WORKBOOK']],
    ['that claims to be longer than it is', damagedSheet({ plainBytes: 9999 }), ['HOBOCONNECT_XLSX_NO_WORKBOOK']],
    ['stored', zipOf(workbookParts({ Data: sheetXml([headings]) }), { 'xl/worksheets/sheet1.xml': { stored: true } }), ['table', 'other']],
  ])('%s is refused by name or read', (_, bytes, expected) => {
    const items = readWhole(hoboconnectXlsxFormat, bytes);
    expectTiling(items, bytes.length);
    expect(outline(items)).toEqual(expected);
  });

  it('that grew behind what was read is refused', () => {
    const bytes = exportOf(1);
    const first = hoboconnectXlsxFormat.reader();
    first.push(bytes);
    first.end({ complete: false });
    const second = hoboconnectXlsxFormat.reader(JSON.parse(JSON.stringify(first.position())));
    expect(outline([...second.push(bytes), ...second.end({ complete: false })])).toEqual(['HOBOCONNECT_XLSX_CHANGED']);
    const third = hoboconnectXlsxFormat.reader(JSON.parse(JSON.stringify(second.position())));
    expect(outline([...third.push(utf8('x')), ...third.end({ complete: true })])).toEqual(['other']);
  });

  it('that is too large is given up, and its rest passed over', () => {
    const reader = hoboconnectXlsxFormat.reader();
    const piece = new Uint8Array(8 * 1024 * 1024);
    const items = [1, 2, 3, 4, 5].flatMap(() => reader.push(piece));
    expect(outline(items.slice(0, 2))).toEqual(['HOBOCONNECT_XLSX_TOO_LARGE', 'other']);
    expectTiling([...items, ...reader.end({ complete: true })], 5 * piece.length);
  });
});

describe('recognising an XLSX export', () => {
  it.each<[string, Uint8Array, number]>([
    ['a.xlsx', utf8('PK\x03\x04'), 0.9],
    ['a.zip', utf8('PK\x03\x04 readme.txt'), 0],
    ['a.zip', utf8('PK\x03\x04 xl/workbook.xml'), 0.9],
    ['a.xlsx', utf8('#,Date-Time'), 0],
  ])('%s', (name, head, confidence) => {
    expect(hoboconnectXlsxFormat.sniff(head, name)).toBe(confidence);
  });
});

function withBytes(bytes: Uint8Array, at: number, values: readonly number[]): Uint8Array {
  const copy = concatBytes(bytes);
  copy.set(values, copy.length + at);
  return copy;
}

function omit(parts: Record<string, string>, name: string): Record<string, string> {
  return Object.fromEntries(Object.entries(parts).filter(([each]) => each !== name));
}

function damagedSheet(options: EntryOptions): Uint8Array {
  return zipOf(workbookParts({ Data: sheetXml([headings]) }), { 'xl/worksheets/sheet1.xml': options });
}
