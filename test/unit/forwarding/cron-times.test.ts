import { describe, expect, it } from 'vitest';
import type { WallMs } from '../../../src/core/time.ts';
import { openingsOf, parseCronTimes } from '../../../src/forwarding/cron-times.ts';

/** The first openings from an instant on, as ISO text to the minute. */
function openings(text: string, from: string, count: number): string[] {
  const times = parseCronTimes(text);
  if (times === undefined) throw new Error(`${text} is no time`);
  return openingsOf(times, Date.parse(from) as WallMs)
    .take(count)
    .map((ms) => new Date(ms).toISOString().slice(0, 16))
    .toArray();
}

describe('times by the clock', () => {
  it('come at every instant that all fields name', () => {
    expect(openings('0,30 6-18/6 * * *', '2026-06-01T06:10Z', 4)).toEqual([
      '2026-06-01T06:30',
      '2026-06-01T12:00',
      '2026-06-01T12:30',
      '2026-06-01T18:00',
    ]);
    expect(openings('*/20 * * * *', '2026-06-01T23:45Z', 2)).toEqual(['2026-06-02T00:00', '2026-06-02T00:20']);
    expect(openings('5/25 1 * * *', '2026-06-01T00:00Z', 3)).toEqual(['2026-06-01T01:05', '2026-06-01T01:30', '2026-06-01T01:55']);
  });

  it('take either the day of the month or the weekday where both are given', () => {
    expect(openings('0 0 13 * 5', '2026-03-01T00:00Z', 4).map((text) => text.slice(0, 10))).toEqual([
      '2026-03-06',
      '2026-03-13',
      '2026-03-20',
      '2026-03-27',
    ]);
    expect(openings('0 0 * * 0', '2026-03-01T00:00Z', 2).map((text) => text.slice(0, 10))).toEqual(['2026-03-01', '2026-03-08']);
  });

  it('know months, leap years and instants before 1970', () => {
    expect(openings('0 0 29 2 *', '2026-01-01T00:00Z', 2)).toEqual(['2028-02-29T00:00', '2032-02-29T00:00']);
    expect(openings('0 12 31 * *', '1969-10-01T00:00Z', 3)).toEqual(['1969-10-31T12:00', '1969-12-31T12:00', '1970-01-31T12:00']);
    expect(openings('0 0 31 2 *', '2026-01-01T00:00Z', 1)).toEqual([]);
  });

  it('agree with the calendar on every day of eight years', () => {
    const days = openings('0 0 * * *', '1996-01-01T00:00Z', 8 * 365);
    const first = openings('0 0 1 * *', '1996-01-01T00:00Z', 95);
    expect(first).toEqual(days.filter((day) => day.slice(8, 10) === '01').slice(0, 95));
  });

  it('are refused when a field is missing, out of bounds or not a number', () => {
    const bad = [
      '',
      '* * * *',
      '* * * * * *',
      '60 * * * *',
      '* 24 * * *',
      '* * 0 * *',
      '* * * 13 *',
      '* * * * 7',
      '5-2 * * * *',
      '*/0 * * * *',
      'a * * * *',
      '1, * * * *',
      `${'1,'.repeat(200)}1 * * * *`,
    ];
    expect(bad.filter((text) => parseCronTimes(text) !== undefined)).toEqual([]);
  });
});
