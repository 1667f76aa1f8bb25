import type { WallMs } from '../core/time.ts';

/**
 * Times by the clock, as `crontab` writes them (POSIX crontab, "Input Files"): minute, hour, day of the month, month and weekday, five fields between blanks, in UTC.
 *
 * A field is `*` or a list of numbers and ranges, each with an optional step behind `/`: `0,30`, `6-18/2`, `*` with `/15` behind it. Weekdays are 0 to 6 from Sunday. Where both the day of the month and the weekday are
 * restricted, either will do, as POSIX has it.
 */

/** Times as sets of field values. */
export interface CronTimes {
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  readonly days: ReadonlySet<number>;
  readonly months: ReadonlySet<number>;
  readonly weekdays: ReadonlySet<number>;
  readonly eitherDay: boolean;
}

const fieldBounds = [
  [0, 59],
  [0, 23],
  [1, 31],
  [1, 12],
  [0, 6],
] as const;
const textLengthMax = 256;
const dayMs = 86_400_000;
/** A 29 February on a certain weekday comes after forty years at the latest, where no century lies between. */
const daysAheadMax = 366 * 41;

/** The times in a text, or `undefined` when it is none. */
export function parseCronTimes(text: string): CronTimes | undefined {
  const fields = text.length > textLengthMax ? [] : text.trim().split(/\s+/);
  if (fields.length !== fieldBounds.length) return undefined;
  const sets = fields.map((field, index) => parseField(field, ...(fieldBounds[index] as readonly [number, number])));
  const [minutes, hours, days, months, weekdays] = sets;
  if (minutes === undefined || hours === undefined || days === undefined || months === undefined || weekdays === undefined)
    return undefined;
  return {
    minutes: [...minutes].sort((a, b) => a - b),
    hours: [...hours].sort((a, b) => a - b),
    days,
    months,
    weekdays,
    eitherDay: days.size < 31 && weekdays.size < 7,
  };
}

function parseField(field: string, least: number, greatest: number): ReadonlySet<number> | undefined {
  const values = new Set<number>();
  for (const item of field.split(',')) {
    const match = /^(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:\/(\d{1,2}))?$/.exec(item);
    if (match === null) return undefined;
    const [, from, to, step] = match;
    const first = from === undefined ? least : Number(from);
    const last = to !== undefined ? Number(to) : from === undefined || step !== undefined ? greatest : first;
    const stride = step === undefined ? 1 : Number(step);
    if (first < least || last > greatest || first > last || stride === 0) return undefined;
    for (let value = first; value <= last; value += stride) values.add(value);
  }
  return values;
}

/** The instants at or after `fromMs` that the times name, ascending; ends after some forty years. */
export function* openingsOf(times: CronTimes, fromMs: WallMs): Generator<WallMs, void, void> {
  const firstDay = Math.floor(fromMs / dayMs);
  for (let day = firstDay; day < firstDay + daysAheadMax; day++) {
    if (!isDayOf(times, day)) continue;
    for (const hour of times.hours) {
      for (const minute of times.minutes) {
        const instant = day * dayMs + (hour * 60 + minute) * 60_000;
        if (instant >= fromMs) yield instant as WallMs;
      }
    }
  }
}

function isDayOf({ days, months, weekdays, eitherDay }: CronTimes, daysSince1970: number): boolean {
  const { month, day } = civilDate(daysSince1970);
  if (!months.has(month)) return false;
  // 1 January 1970 was a Thursday.
  const onWeekday = weekdays.has((((daysSince1970 + 4) % 7) + 7) % 7);
  return eitherDay ? days.has(day) || onWeekday : days.has(day) && onWeekday;
}

/** Month and day of the proleptic Gregorian calendar: years are counted from March, so that the leap day is the last of a year, and in eras of 400 years, which all have the same length. */
function civilDate(daysSince1970: number): { readonly month: number; readonly day: number } {
  const sinceMarch0 = daysSince1970 + 719_468;
  const dayOfEra = ((sinceMarch0 % 146_097) + 146_097) % 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1;
  return { month: monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9, day };
}
