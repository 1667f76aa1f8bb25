import { describe, expect, it } from 'vitest';
import type { MonotonicMs, WallMs } from '../../../src/core/time.ts';
import { parseCronTimes } from '../../../src/forwarding/cron-times.ts';
import { nextVisit, retryPauseMs, type VisitHistory } from '../../../src/node/collection-times.ts';

const minute = 60_000;
const hour = 60 * minute;
const noon = Date.UTC(2026, 5, 1, 12) as WallMs;
const daily = { at: [parseCronTimes('0 6 * * *')].flatMap((times) => times ?? []) };

function next(times: Parameters<typeof nextVisit>[0], history: Partial<VisitHistory>, wallMs: number = noon, monotonicMs = 1e6) {
  const found = nextVisit(
    times,
    { takenUpMs: noon, failures: 0, ...history },
    { monotonicMs: monotonicMs as MonotonicMs, wallMs: wallMs as WallMs },
  );
  return found && [found.delayMs / minute, found.reason];
}

describe('the next visit', () => {
  it('is at once with an interval, and then an interval behind the end of the last', () => {
    expect(next({ everyMs: 10 * minute, at: [] }, {})).toEqual([0, 'interval']);
    expect(next({ everyMs: 10 * minute, at: [] }, { endedAt: (1e6 - minute) as MonotonicMs })).toEqual([9, 'interval']);
    expect(next({ everyMs: 10 * minute, at: [] }, { endedAt: (1e6 - hour) as MonotonicMs })).toEqual([0, 'interval']);
  });

  it('is at the time that comes first', () => {
    const twice = { at: ['0 6 * * *', '30 12 * * *'].flatMap((text) => parseCronTimes(text) ?? []) };
    expect(next(daily, {})).toEqual([18 * 60, 'time']);
    expect(next(twice, {})).toEqual([30, 'time']);
    expect(next({ ...twice, everyMs: hour }, { endedAt: 1e6 as MonotonicMs })).toEqual([30, 'time']);
    expect(next({ ...twice, everyMs: minute }, { endedAt: 1e6 as MonotonicMs })).toEqual([1, 'interval']);
  });

  it('makes up once for times that passed while the computer was off', () => {
    const attemptedMs = (noon - 72 * hour) as WallMs;
    expect(next(daily, { attemptedMs })).toEqual([0, 'time']);
    expect(next(daily, { attemptedMs: noon })).toEqual([18 * 60, 'time']);
  });

  it('is not put off by a clock that was put back', () => {
    expect(next(daily, { attemptedMs: (noon + 1000 * hour) as WallMs })).toEqual([18 * 60, 'time']);
  });

  it('is repeated after a failure, later each time, unless its time comes first', () => {
    const endedAt = 1e6 as MonotonicMs;
    expect(next(daily, { attemptedMs: noon, endedAt, failures: 1 })).toEqual([1, 'retry']);
    expect(next(daily, { attemptedMs: noon, endedAt, failures: 4 })).toEqual([8, 'retry']);
    const early = Date.UTC(2026, 5, 2, 5, 58) as WallMs;
    expect(next(daily, { attemptedMs: early, endedAt, failures: 4 }, early)).toEqual([2, 'time']);
  });

  it('is brought about by nothing that time does where there is neither interval nor time', () => {
    expect(next({ at: [] }, {})).toBeUndefined();
  });
});

describe('the pause before a visit is repeated', () => {
  it('doubles from the interval to an hour, and is never shorter than the interval', () => {
    expect([1, 2, 3, 4, 9].map((failures) => retryPauseMs(10 * minute, failures) / minute)).toEqual([10, 20, 40, 60, 60]);
    expect([1, 5].map((failures) => retryPauseMs(2 * hour, failures) / minute)).toEqual([120, 120]);
    expect([1, 2, 10].map((failures) => retryPauseMs(undefined, failures) / minute)).toEqual([1, 2, 60]);
  });

  it('is at most half the time in which the instrument overwrites its memory', () => {
    expect([1, 2, 3, 9].map((failures) => retryPauseMs(minute, failures, 5 * minute) / minute)).toEqual([1, 2, 2.5, 2.5]);
  });
});
