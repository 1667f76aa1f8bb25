import { describe, expect, it } from 'vitest';
import { fromHex, toHex } from '../../../src/core/bytes.ts';
import { varintBytes, WireReader, WireWriter } from '../../../src/session/wire-bytes.ts';

function written(write: (writer: WireWriter) => void): string {
  const writer = new WireWriter(new Uint8Array(64));
  write(writer);
  return toHex(writer.written);
}

describe('a varint', () => {
  it.each([
    // RFC 9000 appendix A.1.
    [151_288_809_941_952_652n, 'c2197c5eff14e88c'],
    [494_878_333n, '9d7f3e7d'],
    [15_293n, '7bbd'],
    [37n, '25'],
  ])('has the bytes of RFC 9000 for %s', (value, hex) => {
    const reader = new WireReader(fromHex(hex));
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) expect(reader.varint()).toBeUndefined();
    else {
      expect(reader.varint()).toBe(Number(value));
      expect(written((writer) => writer.varint(Number(value)))).toBe(hex);
    }
  });

  it('is read in a longer form too', () => {
    expect(new WireReader(fromHex('4025')).varint()).toBe(37);
  });

  it.each([0, 63, 64, 16_383, 16_384, 2 ** 30 - 1, 2 ** 30, Number.MAX_SAFE_INTEGER])('comes back as %d', (value) => {
    const hex = written((writer) => writer.varint(value));
    expect(hex.length / 2).toBe(varintBytes(value));
    expect(new WireReader(fromHex(hex)).varint()).toBe(value);
  });

  it.each(['', '40', '9d7f', 'c2197c5eff14e8'])('that is cut short (%s) is not read', (hex) => {
    expect(new WireReader(fromHex(hex)).varint()).toBeUndefined();
  });

  it.each([-1, 0.5, 2 ** 53])('of %d is a programming error', (value) => {
    expect(() => written((writer) => writer.varint(value))).toThrow('varint');
  });
});

describe('fixed-width integers and bytes', () => {
  it('keep the low bytes, most significant first', () => {
    expect(written((writer) => writer.uint(0x1_2345_6789_abcd, 6))).toBe('23456789abcd');
    expect(new WireReader(fromHex('23456789abcd')).uint(6)).toBe(0x2345_6789_abcd);
  });

  it('are not written over the end', () => {
    const writer = new WireWriter(new Uint8Array(2));
    expect(() => writer.uint(1, 3)).toThrow('no room');
    expect(() => writer.bytes(new Uint8Array(3))).toThrow('no room');
    expect(writer.room).toBe(2);
  });

  it('are not read over the end', () => {
    const reader = new WireReader(Uint8Array.of(1, 2));
    expect(reader.uint(3)).toBeUndefined();
    expect(reader.bytes(3)).toBeUndefined();
    expect(reader.rest()).toEqual(Uint8Array.of(1, 2));
    expect([reader.remaining, reader.offset]).toEqual([0, 2]);
  });
});
