import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/core/limits.ts';
import { hoboconnectFormat } from '../../../src/formats/hoboconnect/hoboconnect-format.ts';
import { parseHoboconnectHeader } from '../../../src/formats/hoboconnect/hoboconnect-header.ts';
import { bytesOf, counts, expectTiling, itemsOf, outline, readGrowing, readWhole, sampleFolder, stampTexts } from './reading.ts';

const header = '#,Date-Time (EST),Temperature (°C) (W-DO 22124011)\r\n';

const read = (text: string) => readWhole(hoboconnectFormat, bytesOf(text));
const rows = (...stamps: string[]) => stamps.map((stamp, index) => `${index + 1},${stamp},1.5\r\n`).join('');

const samples = sampleFolder('hoboconnect');

describe.skipIf(samples.skip)('a real HOBOconnect export', () => {
  it('has 291 rows of two devices and of values derived from both, in one table', () => {
    const bytes = samples.read('mx_combined.csv');
    const items = readWhole(hoboconnectFormat, bytes);
    expectTiling(items, bytes.length);
    expect(hoboconnectFormat.sniff(bytes.subarray(0, 4096), 'a.csv')).toBe(1);
    expect(counts(items)).toEqual({ table: 1, record: 291 });
    const table = itemsOf(items, 'table')[0]?.table;
    expect(table).toMatchObject({ station: '', serial: '', attributes: { dateHeading: 'Date-Time (EST)', 'device 22118267': 'W-CTD-00' } });
    expect(table?.fields.map(({ name, unit, sensorSerial }) => `${name}|${unit}|${sensorSerial ?? ''}`)).toEqual([
      'Temperature (22124011)|°C|22124011',
      'Measured DO|mg/L|22124011',
      'Salinity-Adjusted DO|mg/L|22124011',
      'Temperature (22118267)|°C|22118267',
      'Absolute Pressure|kPa|22118267',
      'Electrical Conductivity|µS/cm|22118267',
      'Specific Conductivity|µS/cm|22118267',
      'Salinity|PSU|22118267',
      'Barometric Pressure|kPa|',
      'Percent Saturation|%|',
      'Water Level|m|',
    ]);
    // 01/02 to 01/04 could be in February to April; that rows are ten minutes apart over midnight shows that they are not.
    expect([stampTexts(items)[0], stampTexts(items).at(-1)]).toEqual(['2025-01-02 14:50:02', '2025-01-04 15:10:02']);
    expect(itemsOf(items, 'record')[0]?.stamp.offsetMinutes).toBeUndefined();
  });
});

describe('headings of HOBOconnect', () => {
  const fieldsOf = (line: string) =>
    parseHoboconnectHeader(line)?.table.fields.map(({ name, unit, sensorSerial }) => [name, unit, sensorSerial]);

  it('are read in both styles', () => {
    expect(fieldsOf('#,Date-Time (EST/EDT),"Temperature (W-DO 22124010), °C","Water Level , m"')).toEqual([
      ['Temperature', '°C', '22124010'],
      ['Water Level', 'm', undefined],
    ]);
    expect(fieldsOf('Date-Time (EST),Ch: 1 - Temperature   (°C),Light (lux) (21852523),Runs')).toEqual([
      ['Temperature', '°C', undefined],
      ['Light', 'lux', '21852523'],
      ['Runs', '', undefined],
    ]);
  });

  it('of one device name the table after it', () => {
    expect(parseHoboconnectHeader(header.trim())?.table).toMatchObject({ station: 'W-DO', table: 'W-DO', serial: '22124011' });
  });

  it.each([
    ['EST', undefined],
    ['GMT', 0],
    ['UTC', 0],
    ['GMT-05:00', -300],
    ['GMT+5:30', 330],
    ['GMT/BST', undefined],
    ['GMT+25:00', undefined],
  ])('with the zone %s have the offset %s', (zone, offsetMinutes) => {
    const items = read(`#,Date-Time (${zone}),T (°C)\n1,05/31/2024 12:00:00,1\n`);
    expect(itemsOf(items, 'record')[0]?.stamp.offsetMinutes).toBe(offsetMinutes);
  });
});

describe('dates of HOBOconnect', () => {
  it('are read as soon as one of them settles the order, the earlier rows first', () => {
    expect(stampTexts(read(header + rows('02/01/2025 10:00:00', '13/01/2025 10:00:00')))).toEqual([
      '2025-01-02 10:00:00',
      '2025-01-13 10:00:00',
    ]);
    expect(stampTexts(read(header + rows('2025-01-02 10:00:00')))).toEqual(['2025-01-02 10:00:00']);
    expect(stampTexts(read(header + rows('02/01/2025 11:50:00 PM', '02/02/2025 12:00:00 AM')))).toEqual([
      '2025-02-01 23:50:00',
      '2025-02-02 00:00:00',
    ]);
  });

  it('that could be two days are not used', () => {
    expect(outline(read(header + rows('02/01/2025 10:00:00', '02/01/2025 11:00:00')))).toEqual(['table', 'HOBOCONNECT_DATE_ORDER_UNKNOWN']);
    expect(outline(read(header + rows('02/01/2025 10:00:00') + header + rows('01/13/2025 10:00:00')))).toEqual([
      'table',
      'HOBOCONNECT_DATE_ORDER_UNKNOWN',
      'table',
      'record',
    ]);
  });

  it('that are the same day either way are used', () => {
    expect(stampTexts(read(header + rows('05/05/2025 10:00:00', '05/05/2025 10:10:00')))).toHaveLength(2);
  });

  it('with points are never month first', () => {
    expect(stampTexts(read(header + rows('02.01.2025 10:00:00')))).toEqual(['2025-01-02 10:00:00']);
  });

  it('that contradict what neighbouring rows suggested end the table', () => {
    const suggested = ['01/02/2025 23:50:00', '01/03/2025 00:00:00'];
    expect(outline(read(header + rows(...suggested, '13/03/2025 00:00:00', '01/04/2025 00:00:00')))).toEqual([
      'table',
      'record',
      'record',
      'HOBOCONNECT_DATE_ORDER',
      'HOBOCONNECT_ROW_WITHOUT_TABLE',
    ]);
    // Once a date has proved the order, an impossible one is its own row's defect.
    expect(outline(read(header + rows(...suggested, '01/31/2025 00:00:00', '13/03/2025 00:00:00', '01/04/2025 00:00:00')))).toEqual([
      'table',
      'record',
      'record',
      'record',
      'HOBOCONNECT_BAD_STAMP',
      'record',
    ]);
  });

  it('stay pending in a growing file until they are settled', () => {
    const bytes = bytesOf(header + rows('01/02/2025 23:40:00', '', '01/02/2025 23:50:00', '01/03/2025 00:00:00', '01/31/2025 00:00:00'));
    const lengths = Array.from({ length: bytes.length }, (_, index) => index);
    const whole = readWhole(hoboconnectFormat, bytes);
    expect(outline(whole)).toEqual(['table', 'record', 'HOBOCONNECT_BAD_STAMP', 'record', 'record', 'record']);
    expect(readGrowing(hoboconnectFormat, bytes, lengths)).toEqual(whole);
  });

  it('are not waited for without end', () => {
    const many = rows('02/01/2025 10:00:00').repeat(Math.ceil((8 * limits.instrumentLineBytesMax) / 90));
    const reader = hoboconnectFormat.reader();
    expect(outline(reader.push(bytesOf(header + many))).slice(0, 2)).toEqual(['table', 'HOBOCONNECT_DATE_ORDER_UNKNOWN']);
  });
});

describe('a HOBOconnect export', () => {
  it.each([
    ['', ['HOBOCONNECT_EMPTY']],
    ['Date,Time\n1\n', ['HOBOCONNECT_NO_HEADER', 'HOBOCONNECT_ROW_WITHOUT_TABLE']],
    [header.trimEnd(), ['HOBOCONNECT_HEADER_CUT']],
    ['#,Date-Time (EST)\n', ['HOBOCONNECT_HEADER_MALFORMED']],
    [header.replace('Temp', 'Te\x01mp'), ['HOBOCONNECT_HEADER_MALFORMED']],
    [`${header}1,01/31/2025 10:00:00\n1,01/31/2025 10:00:00,\n`, ['table', 'HOBOCONNECT_COLUMN_COUNT', 'record']],
    [`${header}1\n1,01/31/2025 10:00:00,2`, ['table', 'HOBOCONNECT_COLUMN_COUNT', 'record']],
    [`${header}1,yesterday,2\n`, ['table', 'HOBOCONNECT_BAD_STAMP']],
    [`${header}1,01/31/2025 10:00:00,"2\n`, ['table', 'HOBOCONNECT_BAD_TEXT']],
    [`${header}1,01/31\0\0\0\n\n1,01/31/2025 10:00:00,2\n`, ['table', 'HOBOCONNECT_NUL_RUN', 'other', 'other', 'record']],
  ])('%j is %j', (text, expected) => {
    expect(outline(read(text))).toEqual(expected);
  });

  it('may have a part of a line over the limit', () => {
    const text = `${header}1,01/31/2025 10:00:00,2\n${'x'.repeat(limits.instrumentLineBytesMax + 9)}\n`;
    expect(outline(read(text))).toEqual(['table', 'record', 'HOBOCONNECT_LINE_TOO_LONG', 'HOBOCONNECT_LINE_TOO_LONG']);
    expect(readGrowing(hoboconnectFormat, bytesOf(text), [text.length - 5])).toEqual(read(text));
  });
});
