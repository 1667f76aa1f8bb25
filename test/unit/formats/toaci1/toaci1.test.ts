import { describe, expect, it } from 'vitest';
import { limits } from '../../../../src/core/limits.ts';
import { toaci1Format } from '../../../../src/formats/toaci1/toaci1-format.ts';
import { toaci1Text } from '../campbell-files.ts';
import { bytesOf, counts, expectTiling, itemsOf, outline, readGrowing, readWhole, sampleFolder, stampTexts } from '../reading.ts';

const samples = sampleFolder('toaci1');

function outlineOf(text: string): string[] {
  const bytes = bytesOf(text);
  const items = readWhole(toaci1Format, bytes);
  expectTiling(items, bytes.length);
  return outline(items);
}

const environment = '"TOACI1","Ridge","Hourly"\n';
const names = '"TMSTAMP","RECNBR","AirT","Depth"\n';
const row = '"2023-05-01 00:10:00",7,12.50,7999\n';

describe.skipIf(samples.skip)('a real TOACI1 file', () => {
  it('has one table and 94 records', () => {
    const bytes = samples.read('site56_hourly.dat');
    const items = readWhole(toaci1Format, bytes);
    expectTiling(items, bytes.length);
    expect(toaci1Format.sniff(bytes.subarray(0, 4096), 'x')).toBe(1);
    expect(counts(items)).toEqual({ table: 1, record: 94 });
    const records = itemsOf(items, 'record');
    expect([records[0]?.recordNumber, records[0]?.cells, records.at(-1)?.recordNumber]).toEqual([146, ['13.48', '4.244', '4.309'], 239]);
    expect(stampTexts(items).at(-1)).toBe('2016-04-25 10:00:00');
    expect(readGrowing(toaci1Format, bytes, [50, 93, 100, 2000])).toEqual(items);
  });
});

describe('a TOACI1 header', () => {
  it('defines a table without units, processing codes and logger', () => {
    expect(itemsOf(readWhole(toaci1Format, bytesOf(environment + names)), 'table')[0]?.table).toEqual({
      format: 'toaci1',
      station: 'Ridge',
      table: 'Hourly',
      model: '',
      serial: '',
      attributes: {},
      fields: ['AirT', 'Depth'].map((name) => ({ name, unit: '', processing: '', kind: 'number' })),
    });
  });

  it('may lack record numbers', () => {
    const [record] = itemsOf(readWhole(toaci1Format, bytesOf(`${environment}"TMSTAMP","AirT"\n"2023-05-01 00:10:00",1.0\n`)), 'record');
    expect(record?.cells).toEqual(['1.0']);
    expect(record).not.toHaveProperty('recordNumber');
  });

  it('is passed over where it is repeated, and makes another table where it differs', () => {
    const text = toaci1Text(1) + toaci1Text(1) + toaci1Text(1).replace('Depth', 'Level');
    expect(outlineOf(text)).toEqual(['table', 'record', 'other', 'record', 'table', 'record']);
  });

  it.each([
    ['without names', `${environment}${row}${row}`, ['TOACI1_HEADER_CUT', 'TOACI1_ROW_WITHOUT_TABLE', 'TOACI1_ROW_WITHOUT_TABLE']],
    ['without a table', `"TOACI1","Ridge"\n${names}${row}`, ['TOACI1_HEADER_CUT', 'TOACI1_ROW_WITHOUT_TABLE']],
    ['in which another one begins', environment + environment + names + row, ['TOACI1_HEADER_CUT', 'table', 'record']],
    ['that the file ends in', environment, ['TOACI1_HEADER_CUT']],
    ['of which the last line has no end', environment + names.trimEnd(), ['TOACI1_HEADER_CUT']],
    ['with broken quoting', `${environment}"TMSTAMP,"A"\n${row}`, ['TOACI1_HEADER_CUT', 'TOACI1_ROW_WITHOUT_TABLE']],
    ['with control characters', `${environment}"TMSTAMP","A\x07"\n`, ['TOACI1_HEADER_BAD_TEXT']],
    ['with a run of zero bytes', `${environment}"TMST\0\0`, ['TOACI1_HEADER_BAD_TEXT']],
    ['with a name that stands twice', `${environment}"TMSTAMP","A","A"\n`, ['TOACI1_BAD_FIELDS']],
    ['with a column that has no name', `${environment}"TMSTAMP",""\n`, ['TOACI1_BAD_FIELDS']],
    ['without a time', `${environment}"TIME","A"\n`, ['TOACI1_NO_TIMESTAMP']],
  ])('%s gives a defect', (_, text, expected) => {
    expect(outlineOf(text)).toEqual(expected);
  });

  it('of too many columns gives a defect', () => {
    const columns = (count: number) => `"TMSTAMP"${Array.from({ length: count - 1 }, (_, index) => `,f${index}`).join('')}\n`;
    expect(outlineOf(environment + columns(limits.fieldsPerTableMax + 1))).toEqual(['TOACI1_BAD_FIELDS']);
    expect(outlineOf(environment + columns(limits.fieldsPerTableMax + 2))).toEqual(['TOACI1_HEADER_BAD_TEXT']);
  });

  it('that is good ends the quarantine behind a bad one', () => {
    const text = `${environment}"TIME"\n${row}\n${environment}${names}${row}`;
    expect(outlineOf(text)).toEqual(['TOACI1_NO_TIMESTAMP', 'TOACI1_ROW_WITHOUT_TABLE', 'other', 'table', 'record']);
    expect(readGrowing(toaci1Format, bytesOf(text), [40, 70])).toEqual(readWhole(toaci1Format, bytesOf(text)));
  });
});

describe('a TOACI1 row', () => {
  it.each([
    ['of too few cells', '"2023-05-01 00:10:00",7,12.50\n', 'TOACI1_COLUMN_COUNT'],
    ['with an impossible time', row.replace('05-01', '02-30'), 'TOACI1_BAD_STAMP'],
    ['with a record number that is none', row.replace(',7,', ',x,'), 'TOACI1_BAD_RECORD_NUMBER'],
    ['with broken quoting', row.replace('12.50', '"12.50'), 'TOACI1_BAD_QUOTING'],
    ['with control characters', row.replace('12.50', '12\x0150'), 'TOACI1_BAD_BYTES'],
    ['with a hole', `"2023-05-\0\0\0${row}`, 'TOACI1_NUL_RUN'],
  ])('%s is quarantined, and its neighbours go on', (_, bad, code) => {
    expect(outlineOf(environment + names + row + bad + row).slice(0, 3)).toEqual(['table', 'record', code]);
    expect(outlineOf(environment + names + row + bad + row).at(-1)).toBe('record');
  });

  it('over the length limit is quarantined in pieces, also when reading resumes in it', () => {
    const bytes = bytesOf(`${environment}${names}${row}${'9'.repeat(limits.instrumentLineBytesMax + 5)}\n${row}`);
    const items = readWhole(toaci1Format, bytes);
    expect(outline(items)).toEqual(['table', 'record', 'TOACI1_LINE_TOO_LONG', 'TOACI1_LINE_TOO_LONG', 'record']);
    expect(readGrowing(toaci1Format, bytes, [bytes.length - row.length - 3])).toEqual(items);
  });

  it('without its end is pending while the file grows, and a defect when it does not', () => {
    expect(outlineOf(environment + names + row.trimEnd())).toEqual(['table', 'TOACI1_TAIL_CUT']);
    expect(readGrowing(toaci1Format, bytesOf(environment + names + row), [100])).toEqual(
      readWhole(toaci1Format, bytesOf(environment + names + row)),
    );
  });
});

describe('a file that is no TOACI1', () => {
  it.each([
    ['', ['TOACI1_EMPTY']],
    ['\r\n  \n', ['other', 'other', 'TOACI1_EMPTY']],
    [`"TOA5","Ridge"\n${row}`, ['TOACI1_NOT_TOACI1', 'TOACI1_ROW_WITHOUT_TABLE']],
  ])('%j gives %j', (text, expected) => {
    expect(outlineOf(text)).toEqual(expected);
    expect(toaci1Format.sniff(bytesOf(text), 'x')).toBe(0);
  });
});
