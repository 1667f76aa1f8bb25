import { describe, expect, it } from 'vitest';
import { FurtherTrain } from '../../../src/bandwidth/further-train.ts';
import type { MonotonicMs } from '../../../src/core/time.ts';

const now = 0 as MonotonicMs;

describe('a train behind the first one', () => {
  it('is what the link carries in 80 ms, twice the last one at least, and never more than 64 kB', () => {
    expect(FurtherTrain.after(2000, 125, now)?.bytes).toBe(10_000);
    expect(FurtherTrain.after(2000, 30, now)?.bytes).toBe(4000);
    expect(FurtherTrain.after(10_000, 1250, now)?.bytes).toBe(64_000);
  });

  it('is not sent where the last one took long enough, as it would overflow the buffer of a slow link', () => {
    expect(FurtherTrain.after(2000, 12.5, now)).toBeUndefined();
    expect(FurtherTrain.after(10_000, 125, now)).toBeUndefined();
    expect(FurtherTrain.after(64_000, 5000, now)).toBeUndefined();
  });
});
