import { describe, expect, it } from 'vitest';
import { amerifluxFormat } from '../../../src/formats/ameriflux/ameriflux-format.ts';
import { bytesOf, counts, expectTiling, itemsOf, outline, readWhole, sampleFolder, stampTexts } from './reading.ts';

const names = 'TIMESTAMP_START,TIMESTAMP_END,CO2,TA\n';
const row = '201101010000,201101010030,-9999,3.5\n';

const outlineOf = (text: string) => outline(readWhole(amerifluxFormat, bytesOf(text)));

const samples = sampleFolder('ameriflux');

describe.skipIf(samples.skip)('a real AmeriFlux BASE file', () => {
  it('has 96 half hours of 34 variables and the beginning of each interval', () => {
    const bytes = samples.read('AMF_US-CRT_BASE_HH_2-5.csv');
    const items = readWhole(amerifluxFormat, bytes);
    expectTiling(items, bytes.length);
    expect(amerifluxFormat.sniff(bytes.subarray(0, 4096), 'a.csv')).toBe(1);
    expect(counts(items)).toEqual({ table: 1, record: 96 });
    const table = itemsOf(items, 'table')[0]?.table;
    expect(table).toMatchObject({ station: 'US-CRT', attributes: { Site: 'US-CRT', Version: '2-5' } });
    expect(table?.fields.length).toBe(35);
    expect(table?.fields.slice(0, 2).map(({ name, kind }) => [name, kind])).toEqual([
      ['TIMESTAMP_START', 'time'],
      ['CO2', 'number'],
    ]);
    expect([stampTexts(items)[0], stampTexts(items).at(-1)]).toEqual(['2011-01-01 00:30:00', '2011-01-03 00:00:00']);
    const first = itemsOf(items, 'record')[0];
    expect(first?.stamp.offsetMinutes).toBeUndefined();
    expect(first?.cells.slice(0, 2)).toEqual(['201101010000', '-9999']);
  });
});

describe('an AmeriFlux file', () => {
  it('needs no comments, and may have no line end at its end', () => {
    expect(outlineOf(names + row + row.trimEnd())).toEqual(['table', 'record', 'record']);
    expect(amerifluxFormat.sniff(bytesOf(names + row), 'x')).toBe(1);
    expect(amerifluxFormat.sniff(bytesOf('# Site: X\nhello\n'), 'x')).toBe(0);
  });

  it('may be several files joined', () => {
    expect(outlineOf(`# Site: A\n${names}${row}# Site: A\n${names}${row}# Site: B\n\n${names}${row}`)).toEqual([
      'table',
      'record',
      'other',
      'record',
      'table',
      'record',
    ]);
  });

  it.each([
    [' \n', ['other', 'AMERIFLUX_EMPTY']],
    [row, ['AMERIFLUX_NO_HEADER']],
    ['# Site: A\n', ['AMERIFLUX_HEADER_CUT']],
    [names.trimEnd(), ['AMERIFLUX_HEADER_CUT']],
    [`# Site: A\n${row}${row}`, ['AMERIFLUX_HEADER_MALFORMED', 'AMERIFLUX_ROW_WITHOUT_TABLE']],
    [names.replace(',TA', ',CO2'), ['AMERIFLUX_HEADER_MALFORMED']],
    [names.replace(',TA', ','), ['AMERIFLUX_HEADER_MALFORMED']],
    ['TIMESTAMP_START,TIMESTAMP_END\n', ['AMERIFLUX_HEADER_MALFORMED']],
    [names.replace(',TA', ',T\x01'), ['AMERIFLUX_HEADER_MALFORMED']],
    [`${names}201101010000,201101010030,1\n${row}`, ['table', 'AMERIFLUX_COLUMN_COUNT', 'record']],
    [`${names}201101010000,201113010030,1,2\n`, ['table', 'AMERIFLUX_BAD_STAMP']],
    [`${names}201101010000,20110101003,1,2\n`, ['table', 'AMERIFLUX_BAD_STAMP']],
    [`${names}201101010000,201101010030,"1,2\n`, ['table', 'AMERIFLUX_BAD_TEXT']],
    [`${names}201101010000,2011\0\0\n${row}`, ['table', 'AMERIFLUX_NUL_RUN', 'other', 'record']],
  ])('%j is %j', (text, expected) => {
    expect(outlineOf(text)).toEqual(expected);
  });

  it('gives a header up that never ends', () => {
    const text = '# Note: nothing but comments here\n'.repeat(40_000);
    expect(outlineOf(text).slice(0, 2)).toEqual(['AMERIFLUX_HEADER_CUT', 'AMERIFLUX_HEADER_CUT']);
  });
});
