import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BudgetPeriod, hourMs, nextPeriodStart, periodHoursMax, periodStart } from '../../../src/bandwidth/budget-period.ts';
import { ByteBudget } from '../../../src/bandwidth/byte-budget.ts';
import { type PriorityClass, priorityClasses } from '../../../src/core/priority.ts';
import type { WallMs } from '../../../src/core/time.ts';

const startHour = fc.integer({ min: 0, max: 23 });
const periods: fc.Arbitrary<BudgetPeriod> = fc.oneof(
  fc.record({ kind: fc.constant('day' as const), startHour }),
  fc.record({ kind: fc.constant('month' as const), startDay: fc.integer({ min: 1, max: 28 }), startHour }),
  fc.record({ kind: fc.constant('rolling' as const), hours: fc.integer({ min: 1, max: periodHoursMax }) }),
);
const hours = fc.integer({ min: 0, max: 24 * 366 * 200 });

/** The same, by the calendar of the platform. */
function startByCalendar(period: BudgetPeriod, hour: number): number {
  if (period.kind === 'rolling') return hour - period.hours + 1;
  const date = new Date(hour * hourMs);
  for (let back = 0; ; back++) {
    const day = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate() - back, period.startHour));
    const begins = period.kind === 'day' || day.getUTCDate() === period.startDay;
    if (begins && day.getTime() <= hour * hourMs) return day.getTime() / hourMs;
  }
}

describe('the periods of a budget', () => {
  it('begin when the calendar says so', () => {
    fc.assert(
      fc.property(periods, hours, (period, hour) => {
        expect(periodStart(period, hour)).toBe(startByCalendar(period, hour));
      }),
    );
  });

  it('follow one another without a gap', () => {
    fc.assert(
      fc.property(periods, hours, (period, hour) => {
        const next = nextPeriodStart(period, hour);
        if (next === undefined) return;
        expect(next).toBeGreaterThan(hour);
        expect(periodStart(period, next)).toBe(next);
        expect(periodStart(period, next - 1)).toBe(periodStart(period, hour));
      }),
    );
  });
});

interface Booking {
  readonly hour: number;
  readonly bytes: number;
}

const bookings = fc.array(fc.record({ hour: fc.integer({ min: 0, max: 400 }), bytes: fc.integer({ min: 0, max: 500 }) }), {
  maxLength: 30,
});

function usedNaively(period: BudgetPeriod, made: readonly Booking[], hour: number): number {
  const start = periodStart(period, hour);
  return made.filter((each) => each.hour >= start).reduce((sum, { bytes }) => sum + bytes, 0);
}

describe('a byte budget', () => {
  it('knows what was used as a plain sum does, whatever the order of hours', () => {
    fc.assert(
      fc.property(periods, bookings, fc.integer({ min: 0, max: 400 }), (period, made, hour) => {
        const budget = new ByteBudget({ period, limitBytes: 1000 });
        for (const { hour: at, bytes } of made) budget.book(bytes, at);
        expect(budget.usedBytes((hour * hourMs) as WallMs)).toBe(usedNaively(period, made, hour));
      }),
    );
  });

  it('allows each class what is left beyond the reserves of more urgent ones, and says rightly from when on', () => {
    const reserves = fc.record({ emergency: fc.integer({ min: 0, max: 300 }), critical: fc.integer({ min: 0, max: 300 }) });
    const priorities = fc.constantFrom<PriorityClass>(...priorityClasses);
    fc.assert(
      fc.property(
        periods,
        bookings,
        reserves,
        priorities,
        fc.integer({ min: 1, max: 1200 }),
        (period, made, reserveBytes, priority, bytes) => {
          const now = (400 * hourMs + 1234) as WallMs;
          const budget = new ByteBudget({ period, limitBytes: 1000, reserveBytes });
          for (const { hour, bytes: each } of made) budget.book(each, hour);
          const heldBack =
            { emergency: 0, critical: reserveBytes.emergency }[priority as string] ?? reserveBytes.emergency + reserveBytes.critical;
          expect(budget.allowanceBytes(priority, now)).toBe(Math.max(0, 1000 - heldBack - usedNaively(period, made, 400)));
          const at = budget.availableAt(bytes, priority, now);
          if (at === undefined) {
            expect(bytes).toBeGreaterThan(1000 - heldBack);
            return;
          }
          expect(budget.allowanceBytes(priority, at)).toBeGreaterThanOrEqual(bytes);
          if (at > now) expect(budget.allowanceBytes(priority, (at - 1) as WallMs)).toBeLessThan(bytes);
        },
      ),
    );
  });
});
