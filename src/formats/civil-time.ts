/**
 * Calendar arithmetic without a clock: civil dates and times of day, as loggers write them, to and from microseconds.
 *
 * A logger's stamp has no zone worth the name, so it is turned into a count on a calendar of its own: microseconds from 1970-01-01T00:00:00 on the proleptic Gregorian calendar, every
 * day 86,400 s long. Days are counted from an era of 400 years that begins on 1 March, so that the leap day is the last of its year and no table of months is needed (H. Hinnant,
 * "chrono-Compatible Low-Level Date Algorithms", 2013).
 *
 * Years are kept to 1900..2199. Within them every microsecond is an exact JavaScript number, and outside them no logger's clock has ever been right.
 */

/** Microseconds of one day. */
export const dayUs = 86_400_000_000;
/** Microseconds of one second. */
export const secondUs = 1_000_000;

const yearMin = 1900;
const yearMax = 2199;
const daysPerEra = 146_097;
/** Days from 0000-03-01 to 1970-01-01. */
const epochDays = 719_468;

/** A calendar date and a time of day. */
export interface CivilTime {
  readonly year: number;
  /** 1..12. */
  readonly month: number;
  /** 1..31. */
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly microsecond: number;
}

/** Days in a month (1..12) of a year. */
export function daysInMonth(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** Days from 1970-01-01 to a date; negative before it. The date must exist. */
export function daysFromCivil(year: number, month: number, day: number): number {
  const shiftedYear = month <= 2 ? year - 1 : year;
  const era = Math.floor(shiftedYear / 400);
  const yearOfEra = shiftedYear - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * daysPerEra + dayOfEra - epochDays;
}

/**
 * Microseconds from 1970-01-01T00:00:00 to a date and time of day, or `undefined` when there is no such time or its year is outside 1900..2199.
 *
 * Hour 24 with nothing behind it is the midnight that ends the day: Campbell's CardConvert writes it on request ("midnight is 2400").
 */
export function localMicroseconds(
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
  microsecond: number,
): number | undefined {
  if (!(year >= yearMin && year <= yearMax && month >= 1 && month <= 12 && day >= 1 && day <= daysInMonth(year, month))) return undefined;
  if (!(hour <= 24 && minute < 60 && second < 60)) return undefined;
  if (hour === 24 && (minute > 0 || second > 0 || microsecond > 0)) return undefined;
  return daysFromCivil(year, month, day) * dayUs + ((hour * 60 + minute) * 60 + second) * secondUs + microsecond;
}

/** The date and time of day that lie `localUs` microseconds behind 1970-01-01T00:00:00 (before it when negative). `localUs` is an integer. */
export function civilTime(localUs: number): CivilTime {
  const days = Math.floor(localUs / dayUs);
  const shifted = days + epochDays;
  const era = Math.floor(shifted / daysPerEra);
  const dayOfEra = shifted - era * daysPerEra;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  const timeUs = localUs - days * dayUs;
  const seconds = Math.floor(timeUs / secondUs);
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1,
    hour: Math.floor(seconds / 3600),
    minute: Math.floor(seconds / 60) % 60,
    second: seconds % 60,
    microsecond: timeUs - seconds * secondUs,
  };
}
