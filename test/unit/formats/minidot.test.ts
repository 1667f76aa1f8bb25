import { describe, expect, it } from 'vitest';
import { minidotFormat } from '../../../src/formats/minidot/minidot-format.ts';
import { bytesOf, codes, counts, expectTiling, itemsOf, outline, readGrowing, readWhole, sampleFolder, stampTexts } from './reading.ts';

const header = '7392-354869\nOS REV: 1.11 Sensor Cal: 1511389810\nTime (sec),  BV (Volts),  T (deg C),  DO (mg/l),  Q ()\n';
const row = '1576250220,+3.49,+14.287, +9.654,+1.004\n';

const outlineOf = (text: string) => outline(readWhole(minidotFormat, bytesOf(text)));

const samples = sampleFolder('pme-minidot');

describe.skipIf(samples.skip)('a real miniDOT file', () => {
  it('has 49 rows of four values, a day at half hours, in UTC', () => {
    const bytes = samples.read('minidot_2019-12-13.txt');
    const items = readWhole(minidotFormat, bytes);
    expectTiling(items, bytes.length);
    expect(minidotFormat.sniff(bytes.subarray(0, 4096), 'a.txt')).toBe(1);
    expect(counts(items)).toEqual({ table: 1, record: 49 });
    const table = itemsOf(items, 'table')[0]?.table;
    expect(table).toMatchObject({ serial: '7392-354869', model: 'miniDOT', attributes: { operatingSystem: '1.11' } });
    expect(table?.fields.map(({ name, unit }) => [name, unit])).toEqual([
      ['BV', 'Volts'],
      ['T', 'deg C'],
      ['DO', 'mg/l'],
      ['Q', ''],
    ]);
    const records = itemsOf(items, 'record');
    expect([stampTexts(items)[0], stampTexts(items).at(-1)]).toEqual(['2019-12-13 15:17:00', '2019-12-14 15:17:00']);
    expect(records[0]).toMatchObject({ stamp: { offsetMinutes: 0 }, cells: ['+3.49', '+14.287', '+9.654', '+1.004'] });
  });
});

describe('a miniDOT file', () => {
  it('may be several daily files joined: the same header again is no new table', () => {
    expect(outlineOf(header + row + header + row)).toEqual(['table', 'record', 'other', 'record']);
    expect(outlineOf(header + row + header.replace('7392-354869', '7392-354870') + row)).toEqual(['table', 'record', 'table', 'record']);
  });

  it.each([
    ['', ['MINIDOT_EMPTY']],
    ['\n\n', ['other', 'other', 'MINIDOT_EMPTY']],
    [`hello\n${row}`, ['MINIDOT_NO_HEADER', 'MINIDOT_ROW_WITHOUT_TABLE']],
    [header.slice(0, 40), ['MINIDOT_HEADER_CUT']],
    [header.slice(0, 70), ['MINIDOT_HEADER_CUT']],
    [header.slice(0, -1), ['MINIDOT_HEADER_CUT']],
    [header.slice(0, header.indexOf('Time')), ['MINIDOT_HEADER_CUT']],
    [header.replace('OS REV', 'OS\0REV'), ['MINIDOT_HEADER_MALFORMED', 'MINIDOT_ROW_WITHOUT_TABLE']],
    [header.replace('Time (sec)', 'Date') + row, ['MINIDOT_HEADER_MALFORMED', 'MINIDOT_ROW_WITHOUT_TABLE']],
    [`${header}1576250220,+3.49,+14.287\n${row}`, ['table', 'MINIDOT_COLUMN_COUNT', 'record']],
    [header + row.replace('1576250220', '15762502.5'), ['table', 'MINIDOT_BAD_STAMP']],
    [header + row.replace('1576250220', '9999999999'), ['table', 'MINIDOT_BAD_STAMP']],
    [header + row.replace('+3.49', '\x01+3.49'), ['table', 'MINIDOT_BAD_TEXT']],
    [header + row.replace('+3.49', '\0\0'), ['table', 'MINIDOT_NUL_RUN', 'MINIDOT_COLUMN_COUNT']],
    [header + row.trimEnd(), ['table', 'MINIDOT_TAIL_CUT']],
  ])('%j is %j', (text, expected) => {
    expect(outlineOf(text)).toEqual(expected);
  });

  it('gives up the table of a broken header and takes the next good one', () => {
    const items = readWhole(minidotFormat, bytesOf(`${header}${row}7392-354869\nnonsense\n${row}${header}${row}`));
    expect(outline(items)).toEqual(['table', 'record', 'MINIDOT_HEADER_MALFORMED', 'MINIDOT_ROW_WITHOUT_TABLE', 'table', 'record']);
    expect(codes(items)).toHaveLength(2);
  });

  it('keeps an unfinished row pending while it grows', () => {
    const bytes = bytesOf(header + row + row);
    const lengths = Array.from({ length: bytes.length }, (_, index) => index);
    expect(readGrowing(minidotFormat, bytes, lengths)).toEqual(readWhole(minidotFormat, bytes));
  });
});
