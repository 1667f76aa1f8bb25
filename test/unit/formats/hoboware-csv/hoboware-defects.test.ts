import { describe, expect, it } from 'vitest';
import { limits } from '../../../../src/core/limits.ts';
import { hobowareDefects } from '../../../../src/formats/hoboware-csv/defects.ts';
import { hobowareCsvFormat } from '../../../../src/formats/hoboware-csv/hoboware-csv-format.ts';
import { bytesOf, counts, expectTiling, itemsOf, outline, readWhole, stampTexts } from '../reading.ts';

const header = '"Plot Title: Creek"\n"#","Date Time, GMT-06:00","Temp, °C","RH, %"\n';
const first = '1,05/16/09 11:00:00,1.5,60\n';
const second = '2,05/16/09 11:10:00,1.6,61\n';

function read(text: string): string[] {
  const bytes = bytesOf(text);
  const items = readWhole(hobowareCsvFormat, bytes);
  expectTiling(items, bytes.length);
  for (const { code, scope } of itemsOf(items, 'defect')) expect(hobowareDefects[code as keyof typeof hobowareDefects].scope).toBe(scope);
  return outline(items);
}

describe('HOBOware file defects', () => {
  it('name an empty file', () => {
    expect(read('')).toEqual(['HOBOWARE_EMPTY']);
    expect(read('\n \n')).toEqual(['other', 'other', 'HOBOWARE_EMPTY']);
  });

  it.each([
    ['only a title', '"Plot Title: Creek"\n', ['HOBOWARE_NO_HEADER']],
    ['no headings', `${first}${second}`, ['HOBOWARE_NO_HEADER', 'HOBOWARE_ROW_WITHOUT_TABLE']],
    ['one line of text', 'Details', ['HOBOWARE_NO_HEADER']],
    [
      'a header without columns of values',
      '"Plot Title: x"\n"Date Time, GMT-06:00"\n',
      ['HOBOWARE_NO_HEADER', 'HOBOWARE_ROW_WITHOUT_TABLE'],
    ],
    ['a header that ends in a heading', header.slice(0, -3), ['HOBOWARE_NO_HEADER', 'HOBOWARE_ROW_WITHOUT_TABLE']],
    ['a date column in the third place', 'x\n"a","b","Date Time, GMT-06:00","c"\n', ['HOBOWARE_NO_HEADER', 'HOBOWARE_ROW_WITHOUT_TABLE']],
    ['zero bytes', '\0\0\0\0', ['HOBOWARE_NO_HEADER']],
    ['a first line over the limit', `${'x'.repeat(limits.instrumentLineBytesMax)}\n`, ['HOBOWARE_NO_HEADER', 'HOBOWARE_ROW_WITHOUT_TABLE']],
    ['more headings than a table may have', `"Date Time"${',"a"'.repeat(limits.fieldsPerTableMax)}\n`, ['HOBOWARE_NO_HEADER']],
  ])('name a file with %s', (_, text, expected) => {
    expect(read(text)).toEqual(expected);
  });

  it('name dates that contradict the order that the dialect had suggested', () => {
    // The window of waiting rows fills before a date settles the order.
    const rows = '1,05/06/09 11:00:00,1.5,60\n'.repeat(Math.ceil((4 * limits.instrumentLineBytesMax) / 27));
    const bytes = bytesOf(`${header}${rows}2,13/06/09 11:00:00,1.5,60\n${second}${header}${second}`);
    const items = readWhole(hobowareCsvFormat, bytes, 65_536);
    expectTiling(items, bytes.length);
    expect(counts(items)).toEqual({ table: 2, record: rows.length / 27 + 1, HOBOWARE_DATE_ORDER: 1, HOBOWARE_ROW_WITHOUT_TABLE: 1 });
    expect(items.find(({ type }) => type === 'defect')).toMatchObject({ scope: 'file', code: 'HOBOWARE_DATE_ORDER' });
    expect(stampTexts(items)[0]).toBe('2009-05-06 11:00:00');
  });
});

describe('HOBOware record defects', () => {
  it.each([
    ['HOBOWARE_COLUMN_COUNT', '9,05/16/09 11:05:00,1.5\n'],
    ['HOBOWARE_COLUMN_COUNT', '9,05/16/09 11:05:00,1.5,60,7\n'],
    ['HOBOWARE_BAD_STAMP', '9,05/16/09 25:05:00,1.5,60\n'],
    ['HOBOWARE_BAD_STAMP', '9,13/13/09 11:05:00,1.5,60\n'],
    ['HOBOWARE_BAD_STAMP', 'Fin\n'],
    ['HOBOWARE_BAD_STAMP', '"Plot Title: nothing follows"\n'],
    ['HOBOWARE_BAD_QUOTING', '9,05/16/09 11:05:00,"1.5,60\n'],
    ['HOBOWARE_BAD_BYTES', '9,05/16/09 11:05:00,1.5\x02,60\n'],
    ['HOBOWARE_NUL_RUN', '9,05/16/09 11:05\0\0\0\0'],
  ])('%s leaves the neighbours of %j alone', (code, row) => {
    expect(read(`${header}${first}${row}${second}`)).toEqual(['table', 'record', code, 'record']);
  });

  it('name each part of a line over the limit', () => {
    expect(read(`${header}${first}${'x'.repeat(limits.instrumentLineBytesMax + 1)}\n${second}`)).toEqual([
      'table',
      'record',
      'HOBOWARE_LINE_TOO_LONG',
      'HOBOWARE_LINE_TOO_LONG',
      'record',
    ]);
  });
});

describe('a HOBOware header in mid-file', () => {
  it('is passed over when it repeats the open table, and opens a new one when it differs', () => {
    expect(read(header + first + header + second)).toEqual(['table', 'record', 'other', 'record']);
    expect(read(header + first + header.replace('°C', '°F') + second)).toEqual(['table', 'record', 'table', 'record']);
    expect(read(header + first + header.replace('Creek', 'Lake') + second)).toEqual(['table', 'record', 'table', 'record']);
  });

  it('settles the date order of the rows before it, and begins anew', () => {
    const american = '"Date Time","Temp, °C"\n05/06/2009 1:00,1\n';
    const european = '"Datum Zeit";"Temp, °C"\n05.06.2009 1:00;1\n';
    const items = readWhole(hobowareCsvFormat, bytesOf(american + european));
    expect(outline(items)).toEqual(['table', 'record', 'table', 'record']);
    expect(stampTexts(items)).toEqual(['2009-05-06 01:00:00', '2009-06-05 01:00:00']);
  });

  it('may have a title that waits for its headings, while rows wait for a date', () => {
    expect(read(`${header}1,05/06/09 1:00,1,2\n${header.replace('Creek', 'Lake')}${second}`)).toEqual([
      'table',
      'record',
      'table',
      'record',
    ]);
  });

  it('opens a table again after a file defect', () => {
    expect(read(`x\ny\nz\n"Plot Title: q"\nrow\n${header}${first}`)).toEqual([
      'HOBOWARE_NO_HEADER',
      'HOBOWARE_ROW_WITHOUT_TABLE',
      'HOBOWARE_ROW_WITHOUT_TABLE',
      'HOBOWARE_ROW_WITHOUT_TABLE',
      'HOBOWARE_ROW_WITHOUT_TABLE',
      'table',
      'record',
    ]);
  });
});

describe('a note above the title', () => {
  it('costs itself and not the table', () => {
    const items = readWhole(hobowareCsvFormat, bytesOf(`exported by hand\n${header}${first}`));
    expect(outline(items)).toEqual(['HOBOWARE_NO_HEADER', 'table', 'record']);
    expect(items[1]).toMatchObject({ table: { station: 'Creek' } });
  });
});

describe('HOBOware sniffing', () => {
  const sniff = (text: string) => hobowareCsvFormat.sniff(bytesOf(text), 'a.csv');

  it('is sure of titles, zones and serial numbers, less of bare headings, and refuses other tables', () => {
    expect(sniff(header + first)).toBe(0.95);
    expect(sniff(`${header}${first}`.replaceAll('\n', '\r\n'))).toBe(0.95);
    expect(sniff('"Date Time, GMT+01:00","Temp, °C"\n')).toBe(0.95);
    expect(sniff('"Date Time","Temp, °C (LGR S/N: 1)"\n')).toBe(0.95);
    expect(sniff('"Date Time","Temp, °C"\n')).toBe(0.3);
    expect(sniff('"Plot Title: Creek"\n"#","Date Time, GM')).toBe(0.6);
    for (const text of [
      '',
      'a,b\n1,2\n',
      '#,Date-Time (EST),Temp (°C)\n',
      '"TOA5","x"\n"TIMESTAMP","RECORD"\n',
      'Details\nSeries\n',
      '\0\0',
    ]) {
      expect(sniff(text)).toBe(0);
    }
  });
});
