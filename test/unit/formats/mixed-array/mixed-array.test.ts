import { describe, expect, it } from 'vitest';
import { limits } from '../../../../src/core/limits.ts';
import { mixedArrayFormat, mixedArrayFormatFor } from '../../../../src/formats/mixed-array/mixed-array-format.ts';
import type { MixedArrayLayout } from '../../../../src/formats/mixed-array/mixed-array-time.ts';
import { bytesOf, counts, expectTiling, itemsOf, outline, readGrowing, readWhole, sampleFolder, stampTexts } from '../reading.ts';

const samples = sampleFolder('mixed-array');

/** The items of a text, with the layout of its site if one is given. */
function read(text: string, layout?: MixedArrayLayout) {
  const bytes = bytesOf(text);
  const items = readWhole(layout ? mixedArrayFormatFor(layout) : mixedArrayFormat, bytes);
  expectTiling(items, bytes.length);
  return items;
}

describe.skipIf(samples.skip)('real mixed-array files', () => {
  it.each([
    ['cr23_grow2.dat', { table: 1, record: 64 }],
    ['cr23_grow3.dat', { table: 3, record: 125 }],
    ['cr23_grow4.dat', { table: 3, record: 185 }],
    ['cr23_grow6.dat', { table: 3, record: 301 }],
    ['cr23_grow1.dat', { MIXED_ARRAY_TOO_SHORT: 3 }],
    ['mixed_array_10.dat', { MIXED_ARRAY_NO_YEAR: 1, MIXED_ARRAY_ROW_WITHOUT_YEAR: 8, MIXED_ARRAY_TAIL_CUT: 1 }],
  ])('%s gives %j', (file, expected) => {
    const bytes = samples.read(file);
    const items = readWhole(mixedArrayFormat, bytes);
    expectTiling(items, bytes.length);
    expect(counts(items)).toEqual(expected);
  });

  it('are read on as they grow: four snapshots one after the other are the last one at once', () => {
    const [second, third, fourth, last] = [2, 3, 4, 6].map((number) => samples.read(`cr23_grow${number}.dat`)) as [
      Uint8Array,
      ...Uint8Array[],
    ];
    expect(
      readGrowing(
        mixedArrayFormat,
        last as Uint8Array,
        [second, third, fourth].map((bytes) => bytes?.length ?? 0),
      ),
    ).toEqual(readWhole(mixedArrayFormat, last as Uint8Array));
  });

  it('have a table for each array, with times over midnight in order', () => {
    const items = readWhole(mixedArrayFormat, samples.read('cr23_grow6.dat'));
    expect(itemsOf(items, 'table').map(({ table }) => [table.table, table.fields.length])).toEqual([
      ['213', 29],
      ['111', 40],
      ['213', 29],
    ]);
    const stamps = stampTexts(items);
    expect([stamps[0], stamps.at(-1)]).toEqual(['2010-02-17 22:00:00', '2010-02-18 02:59:00']);
    expect(itemsOf(items, 'record')[0]?.cells.slice(0, 6)).toEqual(['240.21', '98.007', '255.09', '.071', '.454', '.118']);
  });

  it('without a year are read when the site says how', () => {
    const layout: MixedArrayLayout = { timeColumns: ['value', 'day', 'hour-minute'], year: 2012 };
    const items = readWhole(mixedArrayFormatFor(layout), samples.read('mixed_array_10.dat'));
    expect(counts(items)).toEqual({ table: 5, record: 9, MIXED_ARRAY_TAIL_CUT: 1 });
    expect(stampTexts(items).slice(0, 2)).toEqual(['2012-11-25 21:00:00', '2012-11-25 21:02:00']);
    expect(itemsOf(items, 'record')[1]?.cells.slice(0, 4)).toEqual(['12', '-6999', '-6999', '6999']);
  });
});

describe('mixed arrays', () => {
  it('make a table for each number and length, named by the columns of the array', () => {
    const items = read('10,2023,121,10,1.5,2\n20,2023,121,10,7\n10,2023,121,20,3,4\n10,2023,121,20,3\n');
    expect(outline(items)).toEqual(['table', 'record', 'table', 'record', 'table', 'record', 'table', 'record']);
    expect(
      itemsOf(items, 'table').map(({ range, table }) => [range.length, table.table, table.fields.map(({ name }) => name).join()]),
    ).toEqual([
      [0, '10', 'column 5,column 6'],
      [0, '20', 'column 5'],
      [0, '10', 'column 5,column 6'],
      [0, '10', 'column 5'],
    ]);
  });

  it.each([
    ['10,2023,121,5,1', '2023-05-01 00:05:00'],
    ['10,2023,121,0,1', '2023-05-01 00:00:00'],
    ['10,2023,121,2359,1', '2023-05-01 23:59:00'],
    ['10,2023,121,2400,1', '2023-05-02 00:00:00'],
    ['10,2024,366,2400,1', '2025-01-01 00:00:00'],
    ['10,2023,121,1000', '2023-05-01 10:00:00'],
  ])('%s is of %s', (row, stamp) => {
    expect(stampTexts(read(`${row}\r\n`))).toEqual([stamp]);
  });

  it.each([
    ['10,2023,0,10,1', 'MIXED_ARRAY_BAD_STAMP'],
    ['10,2023,366,10,1', 'MIXED_ARRAY_BAD_STAMP'],
    ['10,2023,121,60,1', 'MIXED_ARRAY_BAD_STAMP'],
    ['10,2023,121,2401,1', 'MIXED_ARRAY_BAD_STAMP'],
    ['10,2023,12.5,10,1', 'MIXED_ARRAY_BAD_STAMP'],
    ['10,2023,121,,1', 'MIXED_ARRAY_BAD_STAMP'],
    ['10,2023,121', 'MIXED_ARRAY_TOO_SHORT'],
    ['10', 'MIXED_ARRAY_TOO_SHORT'],
    ['Array,Year,Day', 'MIXED_ARRAY_BAD_ROW'],
    [',2023,121,10', 'MIXED_ARRAY_BAD_ROW'],
    ['10,2023,121,10,"x', 'MIXED_ARRAY_BAD_ROW'],
    ['10,2023,121,10,\x07', 'MIXED_ARRAY_BAD_ROW'],
    [`10${',1'.repeat(limits.fieldsPerTableMax + 2)}`, 'MIXED_ARRAY_BAD_ROW'],
    ['10,2023,1\0\0\0', 'MIXED_ARRAY_NUL_RUN'],
  ])('%s is quarantined, and its neighbours go on', (bad, code) => {
    const good = '10,2023,121,1000,1\n';
    expect(outline(read(`${good}${bad}\n${good}`)).filter((kind) => kind !== 'other')).toEqual(['table', 'record', code, 'record']);
  });

  it('over the length limit are quarantined in pieces', () => {
    const bytes = bytesOf(`10,2023,121,1000,${'1'.repeat(limits.instrumentLineBytesMax)}\n10,2023,121,1000,1\n`);
    const items = readWhole(mixedArrayFormat, bytes);
    expect(outline(items)).toEqual(['MIXED_ARRAY_LINE_TOO_LONG', 'MIXED_ARRAY_LINE_TOO_LONG', 'table', 'record']);
    expect(readGrowing(mixedArrayFormat, bytes, [limits.instrumentLineBytesMax + 1])).toEqual(items);
  });

  it('without an end are pending while the file grows, and a defect when it does not', () => {
    const text = '10,2023,121,1000,1\n10,2023,121,1010,2';
    expect(outline(read(text))).toEqual(['table', 'record', 'MIXED_ARRAY_TAIL_CUT']);
    expect(readGrowing(mixedArrayFormat, bytesOf(`${text}5\n`), [text.length])).toEqual(read(`${text}5\n`));
  });

  it.each([
    ['', ['MIXED_ARRAY_EMPTY']],
    ['\n \n', ['other', 'other', 'MIXED_ARRAY_EMPTY']],
  ])('that are none (%j) give %j', (text, expected) => {
    expect(outline(read(text))).toEqual(expected);
  });
});

describe('mixed arrays without a year', () => {
  it('give one defect of the file and one of each further row, and rows with a year are read', () => {
    expect(outline(read('10,121,1000,1\n10,121,1010,1\n20,2023,121,1020,1\n10,121,1020,1\n'))).toEqual([
      'MIXED_ARRAY_NO_YEAR',
      'MIXED_ARRAY_ROW_WITHOUT_YEAR',
      'table',
      'record',
      'MIXED_ARRAY_ROW_WITHOUT_YEAR',
    ]);
  });

  const layout: MixedArrayLayout = { timeColumns: ['day', 'hour-minute', 'second'], year: 2015 };

  it('take it from the site, and go on to the next one where the days begin again', () => {
    const text = '10,365,2359,30.5,1\n10,1,0,0,1\n10,365,2400,.25,1\n10,2,0,0,1\n10,300,0,0,1\n10,250,0,0,1\n10,240,0,0,1\n';
    const items = read(text, layout);
    expect(outline(items)).toContain('MIXED_ARRAY_BAD_STAMP');
    expect(stampTexts(items)).toEqual([
      '2015-12-31 23:59:30.500000',
      '2016-01-01 00:00:00',
      '2016-01-02 00:00:00',
      '2016-10-26 00:00:00',
      '2017-09-07 00:00:00',
      '2017-08-28 00:00:00',
    ]);
    expect(readGrowing(mixedArrayFormatFor(layout), bytesOf(text), [20, 25, 60])).toEqual(items);
  });

  it('belong to the old year where its last day comes behind the first one of the new', () => {
    expect(stampTexts(read('10,365,2300,0,1\n10,1,0,0,1\n20,365,2400,0,1\n10,1,10,0,1\n', layout))).toEqual([
      '2015-12-31 23:00:00',
      '2016-01-01 00:00:00',
      '2016-01-01 00:00:00',
      '2016-01-01 00:10:00',
    ]);
  });

  it.each(['60', '.', '', '1.1234567', 'x'])('and with %j for seconds are quarantined', (second) => {
    expect(outline(read(`10,1,0,${second},1\n`, layout))).toEqual(['MIXED_ARRAY_BAD_STAMP']);
  });

  it('may have the day alone', () => {
    expect(stampTexts(read('10,32,1.5\n', { timeColumns: ['day'], year: 2023 }))).toEqual(['2023-02-01 00:00:00']);
  });

  it('cannot be read with a layout that leaves the day or the year open', () => {
    expect(() => mixedArrayFormatFor({ timeColumns: ['day'] }).reader()).toThrow('the year');
    expect(() => mixedArrayFormatFor({ timeColumns: ['year'] }).reader()).toThrow('the day');
  });
});

describe('recognising mixed arrays', () => {
  it.each([
    ['213,2010,48,2200,240.21,-.058\r\n111,2010,48,2400,-6999\r\n213,20', 0.6],
    ['203,12,330,2100,2.258\n', 0.1],
    ['1,2,3', 0],
    ['time,a,b\n1,2,3\n', 0],
    ['213,2010,48,2200,240.21,NAN\n', 0],
    ['', 0],
  ])('%j with confidence %d', (text, confidence) => {
    expect(mixedArrayFormat.sniff(bytesOf(text), 'x')).toBe(confidence);
  });
});
