import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RangeSet } from '../../../src/session/range-set.ts';

const numbers = fc.array(fc.record({ start: fc.nat(60), length: fc.nat(12), removeBelow: fc.option(fc.nat(60)) }), { maxLength: 40 });

describe('a set of ranges', () => {
  it('holds what a plain set holds, and tells what is new', () => {
    fc.assert(
      fc.property(numbers, (steps) => {
        const clever = new RangeSet();
        const plain = new Set<number>();
        for (const { start, length, removeBelow } of steps) {
          const fresh = clever
            .add(start, start + length)
            .flatMap(({ start: from, end }) => Array.from({ length: end - from }, (_, i) => from + i));
          const expected = Array.from({ length }, (_, i) => start + i).filter((value) => !plain.has(value));
          expect(fresh).toEqual(expected);
          for (const value of expected) plain.add(value);
          if (removeBelow !== null) {
            clever.removeBelow(removeBelow);
            for (const value of [...plain]) if (value < removeBelow) plain.delete(value);
          }
          const all = clever.ranges.flatMap(({ start: from, end }) => Array.from({ length: end - from }, (_, i) => from + i));
          expect(all).toEqual([...plain].sort((a, b) => a - b));
          expect(clever.count).toBe(clever.ranges.length);
          for (let i = 1; i < clever.ranges.length; i++) expect(clever.ranges[i]!.start).toBeGreaterThan(clever.ranges[i - 1]!.end);
          for (let from = 0; from < 70; from += 7) {
            for (const to of [from + 1, from + 5]) {
              const wanted = Array.from({ length: to - from }, (_, i) => from + i).every((value) => plain.has(value));
              expect(clever.hasAll(from, to)).toBe(wanted);
            }
          }
        }
      }),
      { numRuns: 300, seed: 12 },
    );
  });
});
