import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/core/limits.ts';
import { CsvRow, decodeText } from '../../../src/formats/csv-row.ts';
import { bytesOf, latin1 } from './reading.ts';

function scan(bytes: Uint8Array, delimiter = ','): CsvRow {
  const row = new CsvRow();
  row.scan(bytes, 0, bytes.length, delimiter.charCodeAt(0));
  return row;
}

function cells(text: string, delimiter = ','): (string | null)[] {
  const row = scan(bytesOf(text), delimiter);
  expect(row.flaw).toBeUndefined();
  return Array.from({ length: row.count }, (_, index) => row.cell(index));
}

describe('CSV row', () => {
  it.each([
    ['a,b,c', ['a', 'b', 'c']],
    ['', [null]],
    [',', [null, null]],
    ['a,,', ['a', null, null]],
    ['"a,b",c', ['a,b', 'c']],
    ['"",""', [null, null]],
    ['"say ""hi""",x', ['say "hi"', 'x']],
    ['""""', ['"']],
    ['5" pipe,2', ['5" pipe', '2']],
    [' a , "b" ,  ', ['a', 'b', null]],
    ['" kept "', [' kept ']],
    ['-0.50,+1e-5', ['-0.50', '+1e-5']],
  ])('reads %j', (text, expected) => {
    expect(cells(text)).toEqual(expected);
  });

  it('takes any delimiter', () => {
    expect(cells('1;2,5;"a;b"', ';')).toEqual(['1', '2,5', 'a;b']);
    expect(cells('1\t2,5\t', '\t')).toEqual(['1', '2,5', null]);
  });

  it.each(['"a', '"a,b', 'x,"', '"a"b,c', '"a" b'])('finds the broken quoting of %j', (text) => {
    expect(scan(bytesOf(text)).flaw).toBe('quoting');
  });

  it('notes control characters and zero bytes, inside quotes and outside', () => {
    expect(scan(latin1('a\x01,b')).hasControl).toBe(true);
    expect(scan(latin1('"a\x1f",b')).hasControl).toBe(true);
    expect(scan(latin1('a,b\r')).hasControl).toBe(true);
    const nul = scan(latin1('a\0,"b\0"'));
    expect([nul.hasNul, nul.hasControl]).toEqual([true, false]);
    const tab = scan(latin1('a\tb,"c\td"'));
    expect([tab.hasNul, tab.hasControl]).toEqual([false, false]);
  });

  it('forgets the row before', () => {
    const row = scan(latin1('"broken\x01\0'));
    const bytes = latin1('a,b');
    row.scan(bytes, 0, bytes.length, 0x2c);
    expect([row.flaw, row.hasControl, row.hasNul, row.count, row.text(0), row.text(1)]).toEqual([undefined, false, false, 2, 'a', 'b']);
  });

  it('stops at the number of cells a table may have', () => {
    const row = scan(bytesOf(','.repeat(limits.fieldsPerTableMax + 10)));
    expect(row.flaw).toBe('too-many-cells');
    expect(row.count).toBeLessThanOrEqual(limits.fieldsPerTableMax + 1);
  });

  it('says where a cell and its content lie', () => {
    const row = scan(bytesOf('a, "bc",d'));
    expect([row.begin(1), row.contentFrom(1), row.contentTo(1)]).toEqual([2, 4, 6]);
    expect([row.isEmpty(0), scan(bytesOf('a,"",')).isEmpty(1)]).toEqual([false, true]);
  });

  it('reads UTF-8, and what is not UTF-8 as Windows-1252', () => {
    const utf8 = scan(bytesOf('W/m²,"°C, air",µS'));
    expect([utf8.text(0), utf8.text(1), utf8.text(2)]).toEqual(['W/m²', '°C, air', 'µS']);
    const latin = scan(latin1('W/m\xb2,"\xb0C",\x80\x9f\x81'));
    expect([latin.text(0), latin.text(1), latin.text(2)]).toEqual(['W/m²', '°C', '€Ÿ\x81']);
  });

  it('reads a row in one encoding: one cell that is no UTF-8 makes all of it Windows-1252', () => {
    const row = scan(latin1('\xc2\xb0C,\xb0C'));
    expect([row.text(0), row.text(1)]).toEqual(['Â°C', '°C']);
  });

  it('decodes every byte to the character that the Encoding Standard names', () => {
    const bytes = Uint8Array.from({ length: 128 }, (_, index) => 0x80 + index);
    expect(decodeText(bytes)).toBe(new TextDecoder('windows-1252').decode(bytes));
  });
});
