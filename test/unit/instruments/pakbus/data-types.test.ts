import { describe, expect, test } from 'vitest';
import { toHex } from '../../../../src/core/bytes.ts';
import { ByteReader, instrumentText } from '../../../../src/instruments/pakbus/byte-reader.ts';
import { ByteWriter } from '../../../../src/instruments/pakbus/byte-writer.ts';
import { dataTypeNamed, dataTypeOf, type PakbusValue } from '../../../../src/instruments/pakbus/data-types.ts';
import { fp4Bits, fp4Number } from '../../../../src/instruments/pakbus/number-formats.ts';
import { localStampOf, pakbusTimeAt, timeText } from '../../../../src/instruments/pakbus/pakbus-time.ts';

function read(typeName: string, hex: string, length = 0): string {
  return dataTypeNamed(typeName)!.read(new ByteReader(Uint8Array.fromHex(hex)), length);
}

function written(typeName: string, value: PakbusValue, length = 0): string {
  const writer = new ByteWriter();
  dataTypeNamed(typeName)!.write(writer, value, length);
  return toHex(writer.finish());
}

describe('every data type', () => {
  test.each<[number, string, string, string, PakbusValue]>([
    [1, 'Byte', 'ff', '255', 255],
    [2, 'UInt2', 'fffe', '65534', 65534],
    [3, 'UInt4', 'fffffffe', '4294967294', 4294967294],
    [4, 'Int1', 'fe', '-2', -2],
    [5, 'Int2', 'fffe', '-2', -2],
    [6, 'Int4', 'fffffffe', '-2', -2],
    [7, 'FP2', '6001', '0.001', 0.001],
    [8, 'FP4', '41800000', '1', 1],
    [9, 'IEEE4B', '3dcccccd', '0.1', 0.1],
    [10, 'Bool', 'ff', '-1', true],
    [12, 'Sec', '2a72ab30', '2012-07-26 13:40:00', { seconds: 0x2a72ab30, nanoseconds: 0 }],
    [13, 'USec', '0000000f4253', '1990-01-01 00:00:10.00019', { seconds: 10, nanoseconds: 190_000 }],
    [14, 'NSec', '0000000000000001', '1990-01-01 00:00:00.000000001', { seconds: 0, nanoseconds: 1 }],
    [15, 'FP3', '800001', '-1', -1],
    [16, 'ASCIIZ', 'c3bc00', 'ü', 'ü'],
    [17, 'Bool8', '81', '10000001', '10000001'],
    [18, 'IEEE8B', '3fb999999999999a', '0.1', 0.1],
    [19, 'Short', 'feff', '-2', -2],
    [20, 'Long', 'feffffff', '-2', -2],
    [21, 'UShort', 'feff', '65534', 65534],
    [22, 'ULong', 'feffffff', '4294967294', 4294967294],
    [23, 'SecNano', '0100000002000000', '1990-01-01 00:00:01.000000002', { seconds: 1, nanoseconds: 2 }],
    [24, 'IEEE4L', 'cdcccc3d', '0.1', 0.1],
    [25, 'IEEE8L', '9a9999999999b93f', '0.1', 0.1],
    [27, 'Bool2', 'ffff', '-1', true],
    [28, 'Bool4', 'ffffffff', '-1', true],
  ])('%i, %s: %s is %s', (code, name, hex, text, value) => {
    expect(dataTypeOf(code)).toBe(dataTypeNamed(name));
    expect(read(name, hex)).toBe(text);
    if (name !== 'FP3') expect(written(name, value)).toBe(hex);
  });

  test('11, ASCII: text of fixed length ends at the first zero byte, or fills the field', () => {
    expect(read('ASCII', '41420043', 4)).toBe('AB');
    expect(read('ASCII', '41424344', 4)).toBe('ABCD');
    expect(written('ASCII', 'AB', 4)).toBe('41420000');
    expect(written('ASCII', 'ABCDEF', 4)).toBe('41424344');
  });

  test('a code that no document names has none', () => {
    expect([0, 26, 29, 127].map(dataTypeOf)).toEqual([undefined, undefined, undefined, undefined]);
  });
});

describe('booleans', () => {
  test('are 0 for zero and -1 for anything else', () => {
    expect([read('Bool', '00'), read('Bool', '01'), read('Bool2', '0100'), read('Bool4', '00000000')]).toEqual(['0', '-1', '-1', '0']);
    expect(written('Bool', false)).toBe('00');
  });
});

describe('FP2', () => {
  test.each([
    ['0000', '0'],
    ['8000', '0'],
    ['e000', '0'],
    ['1f3f', '7999'],
    ['1f40', 'NAN'],
    ['7fff', 'INF'],
    ['ffff', '-INF'],
    ['41f4', '5'],
    ['61f4', '0.5'],
    ['e1f4', '-0.5'],
  ])('%s is %s', (hex, text) => {
    expect(read('FP2', hex)).toBe(text);
  });

  test('keeps as many places as fit, and makes infinity of what does not', () => {
    expect([written('FP2', 7.999), written('FP2', 8), written('FP2', 799.94), written('FP2', 7999), written('FP2', -8000)]).toEqual([
      '7f3f',
      '4320',
      '3f3f',
      '1f3f',
      '9fff',
    ]);
  });
});

describe('FP3', () => {
  test.each([
    ['8ffffe', 'NAN', Number.NaN],
    ['0fffff', 'INF', Number.POSITIVE_INFINITY],
    ['8fffff', '-INF', Number.NEGATIVE_INFINITY],
    ['0ffffd', '1048573', 1048573],
    ['f00001', '-0.0000001', -0.0000001],
    ['400000', '0', undefined],
    ['4f4240', '100', undefined],
    ['503039', '0.12345', undefined],
  ])('%s is %s', (hex, text, value) => {
    expect(read('FP3', hex)).toBe(text);
    if (value !== undefined) expect(written('FP3', value)).toBe(hex);
  });
});

describe('FP4', () => {
  test('zero is zero, and the extremes are infinity and nothing', () => {
    expect([fp4Number(0), fp4Number(0x7fffffff), fp4Number(0xffffffff)]).toEqual([0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]);
    expect([fp4Bits(0), fp4Bits(1e30), fp4Bits(-1e30), fp4Bits(1e-30), fp4Bits(Number.NaN)]).toEqual([
      0, 0x7fffffff, 0xffffffff, 0, 0x7fffffff,
    ]);
  });

  test('a fraction that rounds up to one goes into the exponent', () => {
    expect(fp4Number(fp4Bits(1 - 2 ** -30))).toBe(1);
  });
});

describe('floating point', () => {
  test.each([
    ['7fc00000', 'NAN'],
    ['7f800000', 'INF'],
    ['ff800000', '-INF'],
    ['00000000', '0'],
    ['42f6e979', '123.456'],
    ['4b7fffff', '16777215'],
    ['3eaaaaab', '0.33333334'],
    ['00000001', '1e-45'],
    ['7f7fffff', '3.4028235e+38'],
  ])('single %s is %s', (hex, text) => {
    expect(read('IEEE4B', hex)).toBe(text);
  });

  test.each([
    ['7ff8000000000000', 'NAN'],
    ['fff0000000000000', '-INF'],
    ['3fd5555555555555', '0.3333333333333333'],
  ])('double %s is %s', (hex, text) => {
    expect(read('IEEE8B', hex)).toBe(text);
  });
});

describe('time', () => {
  test.each([
    [0, '1990-01-01 00:00:00'],
    [-1, '1989-12-31 23:59:59'],
    [Date.UTC(2000, 1, 29) / 1000 - 631152000, '2000-02-29 00:00:00'],
    [Date.UTC(2024, 11, 31, 23, 59, 59) / 1000 - 631152000, '2024-12-31 23:59:59'],
    [Date.UTC(2026, 2, 1) / 1000 - 631152000, '2026-03-01 00:00:00'],
  ])('%i seconds are %s', (seconds, text) => {
    expect(timeText({ seconds, nanoseconds: 0 })).toBe(text);
  });

  test('with nanoseconds outside a second is carried', () => {
    expect(timeText({ seconds: 1, nanoseconds: -1 })).toBe('1990-01-01 00:00:00.999999999');
    expect(localStampOf({ seconds: 1, nanoseconds: 1_500_000_000 })).toEqual(localStampOf({ seconds: 2, nanoseconds: 500_000_000 }));
  });

  test('goes to a stamp of calendar time without a zone, and back', () => {
    const localUs = Date.UTC(2026, 6, 1, 12, 0, 0, 250) * 1000 + 7;
    expect(pakbusTimeAt(localUs)).toEqual({ seconds: Date.UTC(2026, 6, 1, 12) / 1000 - 631152000, nanoseconds: 250_007_000 });
    expect(localStampOf(pakbusTimeAt(localUs))).toEqual({ localUs });
  });

  test('of seconds is written for a plain number', () => {
    expect(written('Sec', 5)).toBe('00000005');
  });
});

describe('text', () => {
  test('is UTF-8, or ISO 8859-1 where it is not', () => {
    expect(instrumentText(Uint8Array.of(0xc2, 0xb0, 0x43))).toBe('°C');
    expect(instrumentText(Uint8Array.of(0xb0, 0x43))).toBe('°C');
  });
});
