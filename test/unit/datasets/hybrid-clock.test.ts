import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/core/limits.ts';
import type { WallMs } from '../../../src/core/time.ts';
import { compareInstants, HybridClock } from '../../../src/datasets/hybrid-clock.ts';

const wall = (ms: number) => ms as WallMs;

describe('a hybrid clock', () => {
  it('follows the wall clock, in whole milliseconds', () => {
    const clock = new HybridClock();
    expect([clock.issue(wall(1000.7)), clock.issue(wall(1002))]).toEqual([
      { wallMs: 1000, counter: 0 },
      { wallMs: 1002, counter: 0 },
    ]);
  });

  it('never issues the same instant twice, nor an earlier one when the wall clock is set back', () => {
    const clock = new HybridClock();
    const issued = [5000, 5000, 100, 5001, -7].map((ms) => clock.issue(wall(ms)));
    for (const [at, instant] of issued.slice(1).entries()) expect(compareInstants(instant, issued[at]!)).toBeGreaterThan(0);
  });

  it('issues instants behind what it saw from others', () => {
    const clock = new HybridClock();
    clock.observe({ wallMs: 9000, counter: 4 }, wall(1000));
    expect(clock.issue(wall(1000))).toEqual({ wallMs: 9000, counter: 5 });
    clock.observe({ wallMs: 8000, counter: 9 }, wall(1000));
    expect(clock.issue(wall(1000))).toEqual({ wallMs: 9000, counter: 6 });
  });

  it('does not follow a clock that is more than a day ahead', () => {
    const clock = new HybridClock();
    clock.observe({ wallMs: 1000 + limits.clockLeadMsMax + 1, counter: 0 }, wall(1000));
    expect(clock.issue(wall(1000))).toEqual({ wallMs: 1000, counter: 0 });
    clock.observe({ wallMs: 1000 + limits.clockLeadMsMax, counter: 0 }, wall(1000));
    expect(clock.issue(wall(1000))).toEqual({ wallMs: 1000 + limits.clockLeadMsMax, counter: 1 });
  });

  it('goes on from where it is told after a restart', () => {
    expect(new HybridClock({ wallMs: 7000, counter: 3 }).issue(wall(1))).toEqual({ wallMs: 7000, counter: 4 });
  });
});
