import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AdaptiveBits, BitDecoder, BitEncoder, NumberModel } from '../../../src/datasets/patch-range-coder.ts';

describe('bit coder', () => {
  it('returns every bit, whatever its probability was', () => {
    const bits = fc.array(fc.tuple(fc.nat(1), fc.integer({ min: 1, max: 65_535 })), { maxLength: 600, size: 'max' });
    fc.assert(
      fc.property(bits, (bits) => {
        const encoder = new BitEncoder();
        for (const [bit, p1] of bits) encoder.code(bit, p1);
        const decoder = new BitDecoder(encoder.finish());
        expect(bits.map(([, p1]) => decoder.code(0, p1))).toEqual(bits.map(([bit]) => bit));
      }),
    );
  });

  it('spends what the probabilities allow, and no end marker', () => {
    const encoder = new BitEncoder();
    for (let i = 0; i < 10_000; i++) encoder.code(i % 100 === 0 ? 1 : 0, 655);
    // Ten thousand bits of which one in a hundred is a one have 808 bits of information.
    expect(encoder.finish().length).toBeLessThan((808 / 8) * 1.02);
    expect(new BitEncoder().finish().length).toBe(0);
  });

  it('reads any bytes, and zeros behind them', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20 }), (bytes) => {
        const decoder = new BitDecoder(bytes);
        const padded = new BitDecoder(Uint8Array.of(...bytes, 0, 0, 0, 0, 0, 0));
        for (let i = 0; i < 300; i++) expect(decoder.code(0, 1 + ((i * 7919) % 65_535))).toBe(padded.code(0, 1 + ((i * 7919) % 65_535)));
      }),
    );
  });
});

describe('number model', () => {
  it('returns every number in its context', () => {
    const numbers = fc.array(fc.tuple(fc.nat(3), fc.oneof(fc.nat(20), fc.nat(1000), fc.nat(2 ** 31 - 1), fc.constant(2 ** 32 - 1))), {
      maxLength: 200,
    });
    fc.assert(
      fc.property(numbers, (numbers) => {
        const encoder = new BitEncoder();
        const model = new NumberModel(4);
        for (const [context, value] of numbers) expect(model.code(encoder, context, value)).toBe(value);
        const decoder = new BitDecoder(encoder.finish());
        const mirror = new NumberModel(4);
        expect(numbers.map(([context]) => mirror.code(decoder, context, 0))).toEqual(numbers.map(([, value]) => value));
      }),
    );
  });

  it('learns a number that recurs, in each context its own', () => {
    const encoder = new BitEncoder();
    const model = new NumberModel(2);
    for (let i = 0; i < 1000; i++) model.code(encoder, i % 2, i % 2 === 0 ? 80 : 7);
    expect(encoder.finish().length).toBeLessThan(150);
  });

  it('reads any bytes as numbers of 32 bits', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const decoder = new BitDecoder(bytes);
        const model = new NumberModel(1);
        for (let i = 0; i < 40; i++) {
          const value = model.code(decoder, 0, 0);
          expect(Number.isInteger(value) && value >= 0 && value < 2 ** 32).toBe(true);
        }
      }),
    );
  });
});

describe('adaptive bits', () => {
  it('follow what they see', () => {
    const cost = (bits: readonly number[]) => {
      const encoder = new BitEncoder();
      const adaptive = new AdaptiveBits(1);
      for (const bit of bits) adaptive.code(encoder, 0, bit);
      return encoder.finish().length;
    };
    expect(cost(new Array(1000).fill(1))).toBeLessThan(20);
    expect(cost([...new Array(500).fill(1), ...new Array(500).fill(0)])).toBeLessThan(40);
  });
});
