import { civilTime, daysFromCivil, dayUs, localMicroseconds, secondUs } from '../civil-time.ts';

/**
 * When a row of a Sea-Bird file was measured. The file has many ways to say it, and most files use several at once.
 *
 * In order of preference: seconds since an epoch (`timeK` and `timeQ` since 2000, `timeN` and `timeY` since 1970); the day of the year by the instrument's own clock (`timeJV2`, `timeSCP`);
 * time elapsed since `start_time` (`timeS`, `timeM`, `timeH`); the day of the year reckoned from `start_time` (`timeJ`), which is coarser; the scan number times the interval between
 * scans; and last the row's own number times that interval. 1 January, 00:00 is day 1.0. (Sea-Bird, "SBE Data Processing", variable names.)
 *
 * `start_time` may carry its source in brackets. A time of upload is none of measurement, and everything that would be counted from it is refused. Times of a GPS receiver (NMEA) are UTC.
 */

/** Microseconds of 2000-01-01 on the calendar that begins in 1970. */
const epoch2000Us = daysFromCivil(2000, 1, 1) * dayUs;

/** First and one past the last microsecond of the years that stamps may have. */
const [firstUs, endUs] = [daysFromCivil(1900, 1, 1) * dayUs, daysFromCivil(2200, 1, 1) * dayUs];

/** A fall of the day of the year by more than this is a new year and no step back. */
const newYearDays = 180;
/** One past the last day of a year. Some instruments begin again at day 1, others count on. */
const yearDaysEnd = 367;
/** No instrument counts days for longer than ten years. */
const daysMax = 3660;

/** How rows are dated. */
export interface CnvClock {
  /** The column that says the time, -1 when rows are counted. */
  readonly column: number;
  /** Time of the value 0 (of the row 0 when rows are counted), in microseconds on the calendar of the stamps. */
  readonly originUs: number;
  /** Microseconds that the value 1 stands for. */
  readonly unitUs: number;
  readonly offsetMinutes?: number;
  /** For days of the year: the value before, so that a new year is noticed. */
  readonly lastDay?: number;
}

/** The `start_time` of a header. */
export interface StartTime {
  readonly localUs: number;
  /** What stands in brackets behind it, in lower case; empty in older files. */
  readonly source: string;
}

const epochSeconds: readonly (readonly [name: string, originUs: number, isUtc: boolean])[] = [
  ['timeK', epoch2000Us, false],
  ['timeQ', epoch2000Us, true],
  ['timeN', 0, true],
  ['timeY', 0, false],
];
const elapsed: readonly (readonly [name: string, unitUs: number])[] = [
  ['timeS', secondUs],
  ['timeM', 60 * secondUs],
  ['timeH', 3600 * secondUs],
];

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

/** A time as Sea-Bird's headers write it, `Feb 09 2015 08:26:04`, with its source in brackets behind it or not; `undefined` when the text is none. */
export function parseStartTime(text: string): StartTime | undefined {
  const found = /^([A-Za-z]{3}) +(\d{1,2}) +(\d{4}) +(\d{1,2}):(\d\d):(\d\d)(?: *\[([^\]]*)\]?)? *$/.exec(text);
  if (!found) return undefined;
  const [, month = '', day, year, hour, minute, second, source = ''] = found;
  const monthNumber = months.indexOf(month.toLowerCase()) + 1;
  const localUs = localMicroseconds(Number(year), monthNumber, Number(day), Number(hour), Number(minute), Number(second), 0);
  return localUs === undefined ? undefined : { localUs, source: source.toLowerCase() };
}

/**
 * How the rows of a file are dated, or `undefined` when they cannot be.
 *
 * @param names short names of the columns, in their order
 * @param start the header's `start_time`
 * @param intervalSeconds seconds between rows, where the header says them
 * @param startIsUtc whether something else in the header shows that `start_time` is UTC
 */
export function cnvClock(
  names: readonly string[],
  start: StartTime | undefined,
  intervalSeconds: number | undefined,
  startIsUtc: boolean,
): CnvClock | undefined {
  const utc = (isUtc: boolean) => (isUtc ? { offsetMinutes: 0 } : {});
  for (const [name, originUs, isUtc] of epochSeconds) {
    const column = names.indexOf(name);
    if (column >= 0) return { column, originUs, unitUs: secondUs, ...utc(isUtc) };
  }
  if (!start || start.source.includes('upload')) return undefined;
  const { localUs } = start;
  const zone = utc(startIsUtc || /\b(?:utc|nmea)\b/.test(start.source));
  const instrumentDay = names.findIndex((name) => name === 'timeJV2' || name === 'timeSCP');
  if (instrumentDay >= 0) return dayClock(instrumentDay, localUs, zone);
  for (const [name, unitUs] of elapsed) {
    const column = names.indexOf(name);
    if (column >= 0) return { column, originUs: localUs, unitUs, ...zone };
  }
  const day = names.indexOf('timeJ');
  if (day >= 0) return dayClock(day, localUs, zone);
  if (intervalSeconds === undefined) return undefined;
  const unitUs = intervalSeconds * secondUs;
  const scan = names.indexOf('scan');
  return scan >= 0 ? { column: scan, originUs: localUs - unitUs, unitUs, ...zone } : { column: -1, originUs: localUs, unitUs, ...zone };
}

function dayClock(column: number, startUs: number, zone: { offsetMinutes?: number }): CnvClock {
  const yearUs = yearStartUs(startUs);
  return { column, originUs: yearUs - dayUs, unitUs: dayUs, lastDay: (startUs - yearUs) / dayUs + 1, ...zone };
}

/** 1 January, 00:00 of the year in which a time lies, or of one some years later. */
function yearStartUs(localUs: number, yearsLater = 0): number {
  return daysFromCivil(civilTime(Math.floor(localUs)).year + yearsLater, 1, 1) * dayUs;
}

/**
 * The time of a value of the clock's column, and the clock for the next row, which is another one when a year has ended.
 *
 * @returns `undefined` when the value is no day of a deployment's years, or the time lies outside the years 1900 to 2199
 */
export function readClock(clock: CnvClock, value: number): { localUs: number; next: CnvClock } | undefined {
  let next = clock;
  const { lastDay } = clock;
  if (lastDay !== undefined) {
    if (!(value >= 0 && value < daysMax)) return undefined;
    const newYear = value < lastDay - newYearDays && lastDay < yearDaysEnd;
    const originUs = newYear ? yearStartUs(clock.originUs + lastDay * dayUs, 1) - dayUs : clock.originUs;
    next = { ...clock, originUs, lastDay: value };
  }
  const localUs = Math.round(next.originUs + value * next.unitUs);
  return localUs >= firstUs && localUs < endUs ? { localUs, next } : undefined;
}
