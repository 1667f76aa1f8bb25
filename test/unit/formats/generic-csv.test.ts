import { describe, expect, it } from 'vitest';
import type { CsvSchema } from '../../../src/formats/generic-csv/csv-header.ts';
import { csvFormat, genericCsvFormat } from '../../../src/formats/generic-csv/generic-csv-format.ts';
import { parseIsoStamp } from '../../../src/formats/generic-csv/iso-stamp.ts';
import { bytesOf, itemsOf, outline, readGrowing, readWhole, stampText, stampTexts } from './reading.ts';

const read = (text: string, schema?: CsvSchema) => readWhole(schema ? csvFormat(schema) : genericCsvFormat, bytesOf(text));
const tableOf = (text: string) => itemsOf(read(text), 'table')[0]?.table;
const offsets = (text: string, schema?: CsvSchema) => itemsOf(read(text, schema), 'record').map(({ stamp }) => stamp.offsetMinutes);

describe('ISO times', () => {
  it.each([
    ['2024-05-06T07:08:09Z', '2024-05-06 07:08:09', 0],
    ['2024-05-06 07:08:09 UTC', '2024-05-06 07:08:09', 0],
    ['2024-05-06T07:08:09.5+02:00', '2024-05-06 07:08:09.500000', 120],
    ['2024-05-06T07:08:09,1234567-0330', '2024-05-06 07:08:09.123456', -210],
    ['2024-05-06T07:08-00', '2024-05-06 07:08:00', 0],
    ['2024-05-06 24:00', '2024-05-07 00:00:00', undefined],
    ['2024-05-06', '2024-05-06 00:00:00', undefined],
  ])('%s is %s with the offset %s', (text, local, offsetMinutes) => {
    const stamp = parseIsoStamp(text);
    expect([stampText(stamp?.localUs ?? 0), stamp?.offsetMinutes]).toEqual([local, offsetMinutes]);
  });

  it.each([
    '2024-13-06',
    '2024-05-06T25:00',
    '2024-05-06T07:08:09+15:00',
    '2024-05-06T07:08:09+01:60',
    '20240506',
    '06-05-2024',
    '2024-05-06T07',
  ])('%s is none', (text) => {
    expect(parseIsoStamp(text)).toBeUndefined();
  });
});

describe('a CSV file of unknown origin', () => {
  it('has a table with the units of its headings, its comments, and a name for every column', () => {
    const table = tableOf('# Made by hand\n\n# twice\n,time (UTC),Temp (°C),Level [m],Temp (°F),,\n1,2024-05-06 07:08,1.5,2,3,x,\n');
    expect(table).toMatchObject({ format: 'csv', station: '', attributes: { dateHeading: 'time (UTC)', comments: 'Made by hand\ntwice' } });
    expect(table?.fields.map(({ name, unit }) => [name, unit])).toEqual([
      ['column 1', ''],
      ['Temp', '°C'],
      ['Level', 'm'],
      ['Temp (5)', '°F'],
    ]);
  });

  it.each([
    ['2024-05-06T07:08:09Z,1', 'a,b', '2024-05-06 07:08:09'],
    ['1,2024-05-06 07:08,2', 'a,b,c', '2024-05-06 07:08:00'],
    ['1;31/01/2024 07:08;2,5', 'a;b;c', '2024-01-31 07:08:00'],
    ['31.01.2024 07:08:09\t2', 'a\tb', '2024-01-31 07:08:09'],
    ['01.02.2024 07:08\t2', 'a\tb', '2024-02-01 07:08:00'],
    ['1/31/2024 1:08:09 PM,2', 'a,b', '2024-01-31 13:08:09'],
    ['2024/01/02 07:08,2', 'a,b', '2024-01-02 07:08:00'],
    ['2024-01-02,07:08,2', 'a,b,c', '2024-01-02 07:08:00'],
    ['1/31/2024,7:08:30,2', 'a,b,c', '2024-01-31 07:08:30'],
    ['2024-01-02,7', 'a,b', '2024-01-02 00:00:00'],
    ['31/01/2024,7', 'a,b', '2024-01-31 00:00:00'],
    ['7,2024-01-02', 'a,b', '2024-01-02 00:00:00'],
  ])('with the row %s is read', (row, header, stamp) => {
    const items = read(`${header}\n${row}\n`);
    expect(outline(items)).toEqual(['table', 'record']);
    expect(stampTexts(items)).toEqual([stamp]);
  });

  it('keeps the digits of values, with a decimal point where commas do not separate', () => {
    expect(itemsOf(read('a;b;c\n2024-01-02;-0,50;\n'), 'record')[0]?.cells).toEqual(['-0.50', null]);
    expect(itemsOf(read('a,b,c\n2024-01-02,"1,5",NAN\n'), 'record')[0]?.cells).toEqual(['1,5', 'NAN']);
  });

  it('has the zone of the time, else of the heading', () => {
    expect(offsets('a,b\n2024-01-02T00:00+01:00,1\n2024-07-02T00:00+02:00,1\n2024-07-02T00:00,1\n')).toEqual([60, 120, undefined]);
    expect(offsets('time_utc,b\n2024-01-02T00:00,1\n')).toEqual([undefined]);
    expect(offsets('time UTC,b\n2024-01-02T00:00,1\n')).toEqual([0]);
    expect(offsets('time [GMT-03:30],b\n2024-01-02T00:00,1\n')).toEqual([-210]);
    expect(offsets('time UTC+20,b\n2024-01-02T00:00,1\n')).toEqual([undefined]);
  });

  it('is used when what it leaves open is declared', () => {
    const text = 'logged,time,v\n2024-01-01,01/02/2024 10:00,1\n';
    expect(stampTexts(read(text))).toEqual(['2024-01-01 00:00:00']);
    const schema: CsvSchema = { stampHeading: 'time', dateOrder: 'dmy', offsetMinutes: 60 };
    expect(stampTexts(read(text, schema))).toEqual(['2024-02-01 10:00:00']);
    expect(offsets(text, schema)).toEqual([60]);
    expect(outline(read(`${text}2024-01-01,01/13/2024 10:00,1\n`, schema))).toEqual(['table', 'record', 'CSV_BAD_STAMP']);
    expect(outline(read(text, { stampHeading: 'when' }))).toEqual(['CSV_NO_STAMP']);
  });

  it('is not used when nothing shows what is day and what is month', () => {
    expect(outline(read('a,b\n01/02/2024 10:00,1\n01/02/2024 11:00,1\n'))).toEqual(['table', 'CSV_DATE_ORDER_UNKNOWN']);
    expect(outline(read('a,b\n01.02.03 10:00,1\n'))).toEqual(['table', 'CSV_DATE_ORDER_UNKNOWN']);
    expect(outline(read('a,b\n01/02/2024 23:30,1\n02/02/2024 00:00,1\n01/13/2024 00:00,1\n'))).toEqual([
      'table',
      'record',
      'record',
      'CSV_DATE_ORDER',
    ]);
  });

  it.each([
    ['', ['CSV_EMPTY']],
    ['hello\nworld\n', ['CSV_NO_HEADER', 'CSV_ROW_WITHOUT_TABLE']],
    ['a,1.5\n2024-01-02,1\n', ['CSV_NO_HEADER', 'CSV_ROW_WITHOUT_TABLE']],
    ['a,"b\n2024-01-02,1\n', ['CSV_NO_HEADER', 'CSV_ROW_WITHOUT_TABLE']],
    [',,\n2024-01-02,1\n', ['CSV_NO_HEADER', 'CSV_ROW_WITHOUT_TABLE']],
    ['date,time\n2024-01-02,10:00\n', ['CSV_NO_HEADER']],
    ['a,b\n', ['CSV_NO_STAMP']],
    ['a,b\n1,2\n2024-01-02,1\n', ['CSV_NO_STAMP', 'CSV_ROW_WITHOUT_TABLE']],
    ['a,b\n\x01,2\n', ['CSV_HEADER_MALFORMED']],
    [
      'a,b\n\n2024-01-02,1\n2024-01-02\n2024-01-02,1,2\n2024-01-03,1,,',
      ['table', 'record', 'CSV_COLUMN_COUNT', 'CSV_COLUMN_COUNT', 'record'],
    ],
    ['a,b\n2024-01-02,1\nx,1\n', ['table', 'record', 'CSV_BAD_STAMP']],
    ['a,b\n2024-01-02,1\n2024-01-03,"1\n', ['table', 'record', 'CSV_BAD_TEXT']],
    ['a,b\n2024-01-02,1\n2024-\0\0\n', ['table', 'record', 'CSV_NUL_RUN', 'other']],
    ['a,b\n1/31/2024 10:00,1\nx\n', ['table', 'record', 'CSV_COLUMN_COUNT']],
  ])('%j is %j', (text, expected) => {
    expect(outline(read(text))).toEqual(expected);
  });

  it('gives the same items when it is read as it grows', () => {
    const bytes = bytesOf(
      '#x\na;b;c (m)\n01/02/2024;23:30;1\n\n01/02/2024;23:45;1\n02/02/2024;00:00;1\n31/02/2024;00:00;1\n31/03/2024;00:00;1\n',
    );
    const lengths = Array.from({ length: bytes.length }, (_, index) => index);
    const whole = readWhole(genericCsvFormat, bytes);
    expect(outline(whole)).toEqual(['table', 'record', 'other', 'record', 'record', 'CSV_BAD_STAMP', 'record']);
    expect(readGrowing(genericCsvFormat, bytes, lengths)).toEqual(whole);
  });

  it('is recognised with the least confidence there is', () => {
    expect(genericCsvFormat.sniff(bytesOf('\ufeff\na,b\n2024-01-02,1\n2024'), 'x.csv')).toBe(0.1);
    expect(genericCsvFormat.sniff(bytesOf('a,b\n1,2\n'), 'x.csv')).toBe(0);
  });
});
