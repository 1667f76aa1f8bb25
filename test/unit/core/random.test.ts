import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/core/random.ts';

describe('a seeded generator', () => {
  it('gives the same numbers for the same seed, and others for another', () => {
    const numbers = (seed: number) =>
      Array.from(
        { length: 5 },
        (
          (random) => () =>
            random.uint32()
        )(seededRandom(seed)),
      );
    expect(numbers(7)).toEqual(numbers(7));
    expect(numbers(7)).not.toEqual(numbers(8));
  });

  it('spreads evenly over a bound, and never reaches it', () => {
    const random = seededRandom(1);
    const counts = new Array(10).fill(0);
    for (let n = 0; n < 20_000; n++) counts[random.below(10)]++;
    expect(Math.min(...counts)).toBeGreaterThan(1800);
    expect(Math.max(...counts)).toBeLessThan(2200);
    for (let n = 0; n < 1000; n++) expect(random.float()).toBeLessThan(1);
  });

  it('gives as many bytes as asked, the same whether a longer array is cut', () => {
    expect(seededRandom(3).bytes(0)).toHaveLength(0);
    expect(seededRandom(3).bytes(7)).toEqual(seededRandom(3).bytes(8).subarray(0, 7));
    expect(new Set(seededRandom(3).bytes(4096)).size).toBe(256);
  });

  it('has children that go their own way', () => {
    const parent = seededRandom(5);
    const child = parent.fork();
    expect([child.uint32(), child.uint32()]).not.toEqual([parent.uint32(), parent.uint32()]);
    expect(seededRandom(5).fork().uint32()).toBe(seededRandom(5).fork().uint32());
  });
});
