import { describe, expect, it } from 'vitest';
import { limits } from '../../../../src/core/limits.ts';
import { toa5Format } from '../../../../src/formats/toa5/toa5-format.ts';
import { toa5Text } from '../../../../src/simulation/logger-files.ts';
import { bytesOf, expectTiling, itemsOf, latin1, outline, readGrowing, readWhole, sampleFolder } from '../reading.ts';

const base = { station: 'Ridge', table: 'Ten', firstLocalUs: 1.6e15, intervalUs: 6e8, firstRecord: 1, seed: 3 };
const header = toa5Text({ ...base, rows: 0, withHeader: true });

describe('a TOA5 file that grows', () => {
  it('keeps an incomplete header pending', () => {
    const bytes = latin1(header);
    for (let length = 0; length < bytes.length; length++) {
      const reader = toa5Format.reader();
      expect(reader.push(bytes.subarray(0, length))).toEqual([]);
      expect(reader.end({ complete: false })).toEqual([]);
      expect(reader.position()).toEqual({ offset: 0 });
    }
  });

  it('keeps a row pending until its line end has come', () => {
    const bytes = latin1(toa5Text({ ...base, rows: 2, withHeader: true }));
    const reader = toa5Format.reader();
    expect(outline(reader.push(bytes.subarray(0, -1)))).toEqual(['table', 'record']);
    const { offset } = reader.position();
    expect(reader.end({ complete: false })).toEqual([]);
    expect(reader.position().offset).toBe(offset);
    expect(outline(reader.push(bytes.subarray(-1)))).toEqual(['record']);
    expect(reader.position().offset).toBe(bytes.length);
  });

  it('gives the same items when it is read again after every byte', () => {
    const row = toa5Text({ ...base, rows: 1, withHeader: false });
    const bytes = latin1(
      `${header}${row}bad row\r\n${header}${row}${header.replace('Ten', 'Day')}${row}"TOA5",broken\r\n${row}${header}${row}cut`,
    );
    const whole = readWhole(toa5Format, bytes);
    expect(outline(whole).join(' ')).toBe(
      'table record TOA5_COLUMN_COUNT other record table record TOA5_HEADER_CUT TOA5_ROW_WITHOUT_TABLE table record TOA5_TAIL_CUT',
    );
    const lengths = Array.from({ length: bytes.length }, (_, index) => index + 1);
    expect(readGrowing(toa5Format, bytes, lengths)).toEqual(whole);
  });

  it('goes on inside a line that was too long', () => {
    const long = `${'x'.repeat(limits.instrumentLineBytesMax + 50)}\r\n`;
    const bytes = latin1(header + long + toa5Text({ ...base, rows: 1, withHeader: false }));
    const whole = readWhole(toa5Format, bytes);
    expect(outline(whole)).toEqual(['table', 'TOA5_LINE_TOO_LONG', 'TOA5_LINE_TOO_LONG', 'record']);
    expect(readGrowing(toa5Format, bytes, [header.length + limits.instrumentLineBytesMax + 10])).toEqual(whole);
  });

  it('may lack record numbers when it is read on', () => {
    const bytes = latin1(
      '"TOA5","a","b","c","d","e","f","g"\n"TIMESTAMP","A"\n"TS",""\n"",""\n"2021-06-18 20:00:00",1\n"2021-06-18 21:00:00",2\n',
    );
    expect(readGrowing(toa5Format, bytes, [bytes.length - 5])).toEqual(readWhole(toa5Format, bytes));
    expect(outline(readWhole(toa5Format, bytes))).toEqual(['table', 'record', 'record']);
  });

  it('keeps NUL bytes at its end pending: they may be room for rows to come', () => {
    const bytes = latin1(`${header}\0\0\0\0`);
    const reader = toa5Format.reader();
    expect(outline(reader.push(bytes))).toEqual(['table']);
    expect(reader.end({ complete: false })).toEqual([]);
    expect(reader.position().offset).toBe(header.length);
  });
});

const samples = sampleFolder('toa5');

describe.skipIf(samples.skip)('the growing CR3000 sample', () => {
  it('read as it grew gives what one pass over the last snapshot gives', () => {
    const [one, two, four] = ['cr3000_grow1.dat', 'cr3000_grow2.dat', 'cr3000_grow4.dat'].map(samples.read) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ];
    expect(four.subarray(0, two.length)).toEqual(two);
    expect(two.subarray(0, one.length)).toEqual(one);
    const whole = readWhole(toa5Format, four);
    expectTiling(whole, four.length);
    const grown = readGrowing(toa5Format, four, [one.length, two.length, four.length]);
    expect(grown).toEqual(whole);
    expect(itemsOf(whole, 'record').length).toBe(295);
    expect(readGrowing(toa5Format, bytesOf(''), [0])).toMatchObject([{ code: 'TOA5_EMPTY' }]);
  });
});
