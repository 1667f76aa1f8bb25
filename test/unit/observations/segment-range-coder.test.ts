import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/core/random.ts';
import { IntegerModels } from '../../../src/observations/segment-integers.ts';
import { BitModels, RangeDecoder, RangeEncoder } from '../../../src/observations/segment-range-coder.ts';

describe('the range coder', () => {
  it('gives back the bits, whatever the models have come to expect', () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = seededRandom(seed);
      const bias = random.float() ** 4;
      const decisions = Array.from({ length: random.below(3000) }, () => ({
        model: random.below(3),
        raw: random.below(10) === 0 ? 1 + random.below(16) : 0,
        bit: random.float() < bias ? 1 : 0,
        word: random.uint32(),
      }));
      const encoder = new RangeEncoder();
      const models = new BitModels(3);
      for (const { model, raw, bit, word } of decisions) {
        if (raw > 0) encoder.encodeRaw(word % 2 ** raw, raw);
        else encoder.encodeBit(models, model, bit);
      }
      const decoder = new RangeDecoder(encoder.finish(), 0);
      const learnt = new BitModels(3);
      for (const { model, raw, bit, word } of decisions) {
        if (raw > 0) expect(decoder.decodeRaw(raw)).toBe(word % 2 ** raw);
        else expect(decoder.decodeBit(learnt, model)).toBe(bit);
      }
      expect(decoder.atEnd).toBe(true);
    }
  });

  it('spends next to nothing on what always happens', () => {
    const encoder = new RangeEncoder();
    const models = new BitModels(1);
    for (let i = 0; i < 100_000; i++) encoder.encodeBit(models, 0, 1);
    expect(encoder.finish().length).toBeLessThan(8);
  });

  it('carries into bytes that wait, also through a run of 0xff', () => {
    // The most probable bit a thousand times, then the improbable one: low comes to lie just below a carry again and again.
    for (let length = 1; length < 400; length += 7) {
      const encoder = new RangeEncoder();
      const models = new BitModels(1);
      for (let i = 0; i < length; i++) encoder.encodeBit(models, 0, 0);
      for (let i = 0; i < 9; i++) encoder.encodeRaw(0xffff, 16);
      encoder.encodeBit(models, 0, 1);
      encoder.encodeRaw(0xffff, 16);
      const decoder = new RangeDecoder(encoder.finish(), 0);
      const learnt = new BitModels(1);
      for (let i = 0; i < length; i++) expect(decoder.decodeBit(learnt, 0)).toBe(0);
      for (let i = 0; i < 9; i++) expect(decoder.decodeRaw(16)).toBe(0xffff);
      expect(decoder.decodeBit(learnt, 0)).toBe(1);
      expect(decoder.decodeRaw(16)).toBe(0xffff);
    }
  });
});

describe('coded integers', () => {
  it('come back exactly up to 2^53 in both directions', () => {
    const edges = Array.from({ length: 53 }, (_, power) => 2 ** power).flatMap((power) => [power - 1, power, power + 1]);
    const integers = [...edges.filter(Number.isSafeInteger), Number.MAX_SAFE_INTEGER].flatMap((value) => [value, 0 - value]);
    const encoder = new RangeEncoder();
    const models = new IntegerModels();
    for (const integer of integers) models.encode(encoder, integer);
    const decoder = new RangeDecoder(encoder.finish(), 0);
    const learnt = new IntegerModels();
    expect(integers.map(() => learnt.decode(decoder))).toEqual(integers);
  });

  it('stay exact on bytes that nobody wrote', () => {
    const decoder = new RangeDecoder(seededRandom(5).bytes(4000), 0);
    const models = new IntegerModels();
    for (let i = 0; i < 1000; i++) expect(Number.isSafeInteger(models.decode(decoder))).toBe(true);
  });
});
