import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toHex } from '../../../src/core/bytes.ts';
import { type CborValue, decodeCbor, encodeCbor } from '../../../src/core/cbor.ts';

const hex = (text: string) => Uint8Array.fromHex(text);

describe('deterministic CBOR', () => {
  it.each<[CborValue, string]>([
    // RFC 8949, appendix A.
    [0, '00'],
    [23, '17'],
    [24, '1818'],
    [1_000_000, '1a000f4240'],
    [-1000, '3903e7'],
    [1.5, 'f93e00'],
    [1.1, 'fb3ff199999999999a'],
    [100_000.5, 'fa47c35040'],
    [true, 'f5'],
    [null, 'f6'],
    ['ü', '62c3bc'],
    [[1, [2, 3]], '8201820203'],
    [{ a: 1, b: [2, 3] }, 'a26161016162820203'],
    [18_446_744_073_709_551_615n, '1bffffffffffffffff'],
  ])('writes %s as the standard does', (value, text) => {
    expect(toHex(encodeCbor(value))).toBe(text);
    expect(decodeCbor(hex(text))).toEqual({ ok: true, value });
  });

  it('writes the members of an object in the order of their bytes, whatever order they were given in', () => {
    expect(toHex(encodeCbor({ b: 1, aa: 2, a: 3 }))).toBe('a361610361620162616102');
  });

  it.each([
    ['nothing', ''],
    ['two items', '0000'],
    ['an item that is cut off', '6261'],
    ['an integer longer than it needs to be', '1817'],
    ['an indefinite length', '9f01ff'],
    ['a tag', 'c11a514b67b0'],
    ['undefined', 'f7'],
    ['a name twice', 'a2616101616102'],
    ['a name that is no text', 'a10102'],
    ['more items than there are', '9affffffff00'],
    ['a text longer than the bytes', '7affffffff61'],
  ])('refuses %s', (_, text) => {
    expect(decodeCbor(hex(text))).toMatchObject({ ok: false, fault: { code: 'CBOR_MALFORMED', blame: 'peer' } });
  });

  it('never throws, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => void decodeCbor(bytes)),
      { numRuns: 2000 },
    );
    expect(decodeCbor(new Uint8Array(1_000_000).fill(0x81)).ok).toBe(false);
  });
});

it('encoded bytes are a plain array of their own, whose slices are copies', () => {
  const encoded = encodeCbor([new Uint8Array(100), 'text']);
  expect(encoded.constructor).toBe(Uint8Array);
  const slice = encoded.slice(0, 4);
  slice.fill(0);
  expect(encoded[0]).toBe(0x82);
});
