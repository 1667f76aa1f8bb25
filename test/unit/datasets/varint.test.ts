import { describe, expect, it } from 'vitest';
import { ByteReader, ByteWriter, unzigzag, zigzag } from '../../../src/datasets/varint.ts';

const values = [0, 1, 127, 128, 300, 16_383, 16_384, 2 ** 31, 2 ** 32, 2 ** 35 - 1, Number.MAX_SAFE_INTEGER];

describe('variable-length integers', () => {
  it('are read as they were written', () => {
    const writer = new ByteWriter();
    for (const value of values) writer.varint(value);
    expect(writer.lengthBytes).toBe(1 + 1 + 1 + 2 + 2 + 2 + 3 + 5 + 5 + 5 + 8);
    const reader = new ByteReader(writer.finish());
    expect(values.map(() => reader.varint())).toEqual(values);
    expect(reader.remainingBytes).toBe(0);
    expect(reader.varint()).toBeUndefined();
  });

  it('have the bytes of LEB128', () => {
    const writer = new ByteWriter();
    writer.varint(624_485);
    expect(writer.finish().toHex()).toBe('e58e26');
  });

  it('are refused when cut, longer than needed or above 2^53 - 1, and nothing is consumed', () => {
    for (const hex of ['', '80', '8000', 'ff00', '808080808080808001', 'ffffffffffffff10', 'ffffffffffffffff01']) {
      const reader = new ByteReader(Uint8Array.fromHex(hex));
      expect(reader.varint()).toBeUndefined();
      expect(reader.remainingBytes).toBe(hex.length / 2);
    }
  });

  it('carry a sign in their lowest bit', () => {
    expect([0, -1, 1, -2, 2 ** 40, -(2 ** 40)].map(zigzag)).toEqual([0, 1, 2, 3, 2 ** 41, 2 ** 41 - 1]);
    for (const value of [0, 1, -1, 77, -78, 2 ** 40, -(2 ** 40)]) expect(unzigzag(zigzag(value))).toBe(value);
  });
});

describe('byte reader and writer', () => {
  it('grow to whatever is appended', () => {
    const writer = new ByteWriter();
    writer.byte(7);
    writer.append(new Uint8Array(1000).fill(1));
    writer.append(new Uint8Array(0));
    expect(writer.finish()).toEqual(Uint8Array.of(7, ...new Uint8Array(1000).fill(1)));
  });

  it('hand out views and never more than there is', () => {
    const reader = new ByteReader(Uint8Array.of(1, 2, 3, 4));
    expect(reader.byte()).toBe(1);
    expect(reader.take(4)).toBeUndefined();
    expect(reader.take(2)).toEqual(Uint8Array.of(2, 3));
    expect(reader.rest()).toEqual(Uint8Array.of(4));
    expect(reader.byte()).toBeUndefined();
    expect(reader.rest()).toEqual(new Uint8Array(0));
  });
});
