import { describe, expect, it } from 'vitest';
import { fromHex } from '../../../src/core/bytes.ts';
import { campbellType } from '../../../src/formats/campbell-types.ts';

/** The cell that the bytes of a hexadecimal text are as a type. */
function cell(name: string, hex: string) {
  const bytes = fromHex(hex);
  return campbellType(name)?.cell(new DataView(bytes.buffer), 0);
}

/** The hexadecimal text of a big-endian number. */
function hexOf(value: number, bytes: 4 | 8): string {
  const view = new DataView(new ArrayBuffer(bytes));
  if (bytes === 4) view.setFloat32(0, value);
  else view.setFloat64(0, value);
  return new Uint8Array(view.buffer).toHex();
}

describe('FP2', () => {
  it.each([
    ['0000', '0'],
    ['8000', '0'],
    ['0001', '1'],
    ['2001', '0.1'],
    ['4001', '0.01'],
    ['6001', '0.001'],
    ['e170', '-0.368'],
    ['7f3f', '7.999'],
    ['1f3f', '7999'],
    ['9f3f', '-7999'],
    ['63e8', '1'],
    ['1fff', 'INF'],
    ['9fff', '-INF'],
    ['9ffe', 'NAN'],
    ['1f40', 'NAN'],
  ])('%s is %s', (hex, text) => {
    expect(cell('FP2', hex)).toBe(text);
  });
});

describe('FP4', () => {
  // The worked examples of the CR10 manual, appendix C, and the extremes.
  it.each([
    ['44d99999', '13.6'],
    ['bd800000', '-0.0625'],
    ['00000000', '0'],
    ['7fffffff', 'INF'],
    ['ffffffff', '-INF'],
  ])('%s is %s', (hex, text) => {
    expect(cell('FP4', hex)).toBe(text);
  });
});

describe('IEEE4', () => {
  it.each([
    [0, '0'],
    [-0, '0'],
    [0.1, '0.1'],
    [0.36827272, '0.3682727'],
    [-Math.PI, '-3.141593'],
    [100, '100'],
    [1234567, '1234567'],
    [9999999.5, '1E+07'],
    [12345678, '1.234568E+07'],
    [0.0001, '0.0001'],
    [0.00001234, '1.234E-05'],
    [Number.NaN, 'NAN'],
    [Number.POSITIVE_INFINITY, 'INF'],
    [Number.NEGATIVE_INFINITY, '-INF'],
  ])('of %s is written %s', (value, text) => {
    expect(cell('IEEE4B', hexOf(value, 4))).toBe(text);
  });
});

describe('IEEE8', () => {
  it.each([
    [0.306888908147812, '0.306888908147812'],
    [1 / 3, '0.333333333333333'],
    [123456789012345, '123456789012345'],
    [1234567890123456, '1.23456789012346E+15'],
    [4.09545187592563e-312, '4.09545187592563E-312'],
    [1e300, '1E+300'],
  ])('of %s is written %s', (value, text) => {
    expect(cell('IEEE8B', hexOf(value, 8))).toBe(text);
  });
});

describe('the other types', () => {
  it.each([
    ['UINT1', 'fe', '254'],
    ['INT1', 'fe', '-2'],
    ['UINT2', '6aac', '27308'],
    ['INT2', 'fffe', '-2'],
    ['UINT4', '00f1ab30', '15838000'],
    ['INT4', 'fffffffe', '-2'],
    ['USHORT', 'feff', '65534'],
    ['SHORT', 'feff', '-2'],
    ['ULONG', '01000080', '2147483649'],
    ['LONG', 'feffffff', '-2'],
    ['IEEE4', '0000803f', '1'],
    ['IEEE4L', '0000803f', '1'],
    ['IEEE8', '000000000000f03f', '1'],
    ['IEEE8L', '000000000000f03f', '1'],
    ['BOOL', 'ff', '-1'],
    ['BOOL', '00', '0'],
    ['BOOL2', '0001', '-1'],
    ['BOOL4', '00000000', '0'],
    ['BOOL4', 'ffffffff', '-1'],
    ['BOOL8', '05', '00000101'],
    ['ASCII(5)', '6f6b000061', 'ok'],
    ['ASCII(2)', 'b043', '°C'],
    ['ASCII(3)', '000000', null],
    ['SEC', '00000000', '1990-01-01 00:00:00'],
    ['SEC', 'ffffffff', '1989-12-31 23:59:59'],
    ['NSEC', '0000000102faf080', '1990-01-01 00:00:01.05'],
    ['SecNano', '0100000080f0fa02', '1990-01-01 00:00:01.05'],
    ['SecNano', '01000000ffffffff', '1990-01-01 00:00:00.999999999'],
  ])('%s of %s is %s', (name, hex, text) => {
    expect(cell(name, hex)).toBe(text);
    expect(campbellType(name)?.bytes).toBe(hex.length / 2);
  });

  it('of other names are not known', () => {
    expect(['', 'FP', 'ASCII', 'ASCII()', 'ASCII(0)', 'ASCII(999999)', 'ASCII(1', 'constructor'].map(campbellType)).toEqual(
      new Array(8).fill(undefined),
    );
  });
});
