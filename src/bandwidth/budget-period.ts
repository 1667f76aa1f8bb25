import type { WallMs } from '../core/time.ts';

/**
 * The periods for which bytes are budgeted, in whole hours of UTC: what an operator bills by the day or the month, or any so many hours.
 *
 * Hours since 1970 are the one unit of all accounts, so that a period that begins at 6 o'clock on the 15th is a sum of the same figures as one that begins at midnight.
 */

/** Milliseconds of an hour. */
export const hourMs = 3_600_000;
/** Longest period in hours; older hours are not told apart any more. */
export const periodHoursMax = 62 * 24;

/**
 * When a budget begins anew. `day`: every day at `startHour` (0 to 23, default 0) UTC. `month`: every month on `startDay` (1 to 28, default 1) at `startHour`. `rolling`: never; whatever went
 * in the last `hours` (1 to 1,488) counts, the hour in which the window begins in full.
 */
export type BudgetPeriod =
  | { readonly kind: 'day'; readonly startHour?: number }
  | { readonly kind: 'month'; readonly startDay?: number; readonly startHour?: number }
  | { readonly kind: 'rolling'; readonly hours: number };

/** Hours since 1970 UTC. */
export function hourOf(wallMs: WallMs): number {
  return Math.floor(wallMs / hourMs);
}

/** The first hour that counts in the period that `hour` lies in. */
export function periodStart(period: BudgetPeriod, hour: number): number {
  switch (period.kind) {
    case 'rolling':
      return hour - period.hours + 1;
    case 'day': {
      const startHour = period.startHour ?? 0;
      return Math.floor((hour - startHour) / 24) * 24 + startHour;
    }
    case 'month': {
      const { year, month } = monthOf(Math.floor(hour / 24));
      const thisMonth = monthStart(period, year, month);
      return thisMonth <= hour ? thisMonth : monthStart(period, year, month - 1);
    }
  }
}

/** The hour in which the period that follows the one of `hour` begins; `undefined` for a rolling one, which has no end. */
export function nextPeriodStart(period: BudgetPeriod, hour: number): number | undefined {
  const start = periodStart(period, hour);
  if (period.kind === 'day') return start + 24;
  if (period.kind === 'rolling') return undefined;
  const { year, month } = monthOf(Math.floor(start / 24));
  return monthStart(period, year, month + 1);
}

function monthStart(period: { readonly startDay?: number; readonly startHour?: number }, year: number, month: number): number {
  return (dayNumber(year, month) + (period.startDay ?? 1) - 1) * 24 + (period.startHour ?? 0);
}

/** Days from 1970-01-01 to the first of a month of the Gregorian calendar. `month` counts from 1 and may be 0 or 13. Years are taken to begin in March, so that the leap day ends them. */
function dayNumber(year: number, month: number): number {
  const months = year * 12 + month - 3;
  const marchYear = Math.floor(months / 12);
  const monthOfYear = months - marchYear * 12;
  const leapDays = Math.floor(marchYear / 4) - Math.floor(marchYear / 100) + Math.floor(marchYear / 400);
  return marchYear * 365 + leapDays + Math.floor((153 * monthOfYear + 2) / 5) - 719_468;
}

/** The month, from 1, that a day lies in. */
function monthOf(day: number): { readonly year: number; readonly month: number } {
  let year = Math.floor(1970 + day / 365.2425);
  while (dayNumber(year, 1) > day) year--;
  while (dayNumber(year + 1, 1) <= day) year++;
  let month = 12;
  while (dayNumber(year, month) > day) month--;
  return { year, month };
}
