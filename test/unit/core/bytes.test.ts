import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareBytes, concatBytes, equalBytes, fromHex, giveBack, toHex, utf8, utf8Text } from '../../../src/core/bytes.ts';

const bytes = fc.uint8Array({ maxLength: 6, max: 3 });

describe('bytes', () => {
  it('joined are all of them in order, in an array of their own', () => {
    const part = Uint8Array.of(1, 2);
    const joined = concatBytes(part, new Uint8Array(0), Uint8Array.of(3));
    part[0] = 9;
    expect([...joined]).toEqual([1, 2, 3]);
    expect(concatBytes()).toHaveLength(0);
  });

  it('compare as their hexadecimal texts do', () => {
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        const [x, y] = [toHex(a), toHex(b)];
        expect(Math.sign(compareBytes(a, b))).toBe(x < y ? -1 : x > y ? 1 : 0);
        expect(equalBytes(a, b)).toBe(x === y);
      }),
    );
  });

  it('come back from text', () => {
    fc.assert(fc.property(fc.uint8Array(), (value) => void expect(fromHex(toHex(value))).toEqual(value)));
    fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (value) => void expect(utf8Text(utf8(value))).toBe(value)));
    expect(utf8Text(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61))).toBe('\ufeffa');
    expect(utf8Text(Uint8Array.of(0xff))).toBeUndefined();
    expect(() => fromHex('abc')).toThrow(SyntaxError);
  });

  it('given back are empty at once when they are many and have their memory to themselves', () => {
    const long = new Uint8Array(100_000);
    giveBack(long);
    expect(long.buffer.byteLength).toBe(0);
    for (const kept of [new Uint8Array(100), new Uint8Array(100_000).subarray(1), new Uint8Array(new SharedArrayBuffer(100_000))]) {
      const { length } = kept;
      giveBack(kept);
      expect(kept.length).toBe(length);
    }
  });
});
