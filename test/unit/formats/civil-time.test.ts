import { describe, expect, it } from 'vitest';
import { civilTime, daysFromCivil, daysInMonth, dayUs, localMicroseconds } from '../../../src/formats/civil-time.ts';

describe('civil time', () => {
  it('agrees with the platform calendar on every day of 1900 to 2199', () => {
    const first = Date.UTC(1900, 0, 1) / 86_400_000;
    const last = Date.UTC(2199, 11, 31) / 86_400_000;
    for (let days = first; days <= last; days++) {
      const date = new Date(days * 86_400_000);
      const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate()];
      const civil = civilTime(days * dayUs);
      if (daysFromCivil(year, month, day) !== days || civil.year !== year || civil.month !== month || civil.day !== day) {
        expect.fail(`${date.toISOString()} is day ${days}, not ${daysFromCivil(year, month, day)}, and not ${JSON.stringify(civil)}`);
      }
    }
  });

  it('splits a time of day down to the microsecond, before 1970 too', () => {
    expect(civilTime(-1)).toEqual({ year: 1969, month: 12, day: 31, hour: 23, minute: 59, second: 59, microsecond: 999_999 });
    expect(civilTime(Date.UTC(2024, 1, 29, 13, 7, 5) * 1000 + 42)).toEqual({
      year: 2024,
      month: 2,
      day: 29,
      hour: 13,
      minute: 7,
      second: 5,
      microsecond: 42,
    });
  });

  it('knows the length of February', () => {
    expect([1900, 2000, 2023, 2024].map((year) => daysInMonth(year, 2))).toEqual([28, 29, 28, 29]);
  });

  it('counts microseconds from 1970', () => {
    expect(localMicroseconds(2021, 6, 18, 20, 0, 0, 5)).toBe(Date.UTC(2021, 5, 18, 20) * 1000 + 5);
    expect(localMicroseconds(1969, 12, 31, 23, 59, 59, 0)).toBe(-1_000_000);
  });

  it('takes hour 24 as the midnight that ends the day, and nothing behind it', () => {
    expect(localMicroseconds(2021, 12, 31, 24, 0, 0, 0)).toBe(Date.UTC(2022, 0, 1) * 1000);
    expect(localMicroseconds(2021, 12, 31, 24, 0, 1, 0)).toBeUndefined();
    expect(localMicroseconds(2021, 12, 31, 24, 0, 0, 1)).toBeUndefined();
  });

  it.each([
    ['a month 13', [2021, 13, 1, 0, 0, 0, 0]],
    ['a day 0', [2021, 1, 0, 0, 0, 0, 0]],
    ['29 February of an ordinary year', [2021, 2, 29, 0, 0, 0, 0]],
    ['hour 25', [2021, 1, 1, 25, 0, 0, 0]],
    ['minute 60', [2021, 1, 1, 0, 60, 0, 0]],
    ['second 60', [2021, 1, 1, 0, 0, 60, 0]],
    ['a year before 1900', [1899, 12, 31, 0, 0, 0, 0]],
    ['a year after 2199', [2200, 1, 1, 0, 0, 0, 0]],
    ['no number', [2021, Number.NaN, 1, 0, 0, 0, 0]],
  ] as const)('refuses %s', (_, [year, month, day, hour, minute, second, microsecond]) => {
    expect(localMicroseconds(year, month, day, hour, minute, second, microsecond)).toBeUndefined();
  });
});
