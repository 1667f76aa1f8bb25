import { daysInMonth, dayUs, localMicroseconds } from '../civil-time.ts';

/**
 * Time as an array holds it: any of year, day of the year, hours and minutes as one number, and seconds, in columns behind the array's number.
 *
 * Source: CR10X manual, instruction P77 "Record real time".
 */

/** What a column behind the array's number is: a part of the time, or a value like any other that stands before the time's last part. */
export type MixedArrayTimeColumn = 'year' | 'day' | 'hour-minute' | 'second' | 'value';

/** What a file does not say about itself. */
export interface MixedArrayLayout {
  /** The columns behind the array's number, up to the last part of the time. Holds `day`. */
  readonly timeColumns: readonly MixedArrayTimeColumn[];
  /** The year of the first row, 1900 to 2199. Needed when there is no column `year`, and then kept up to date by `YearCount`. */
  readonly year?: number;
}

/** Parts of a row's time. */
export interface ArrayTime {
  /** Absent when the layout has no such column. */
  readonly year?: number;
  /** Day of the year, 1 to 366. */
  readonly day: number;
  /** Hours times 100 plus minutes; 2400 is the midnight that ends the day. */
  readonly hourMinute: number;
  readonly second: number;
}

const whole = /^\d{1,4}$/;
const fractional = /^\d{0,2}(?:\.\d{0,6})?$/;

function daysInYear(year: number): number {
  return 337 + daysInMonth(year, 2);
}

/** True when a cell is a year: four digits, 1900 to 2199. */
export function isYear(cell: string): boolean {
  return /^(?:19|2[01])\d{2}$/.test(cell);
}

/**
 * The parts of a time in the cells of a row.
 *
 * @param cells the cells behind the array's number; at least as many as `columns`
 * @returns `undefined` when a cell is no such part
 */
export function readArrayTime(columns: readonly MixedArrayTimeColumn[], cells: readonly string[]): ArrayTime | undefined {
  const cellOf = (column: MixedArrayTimeColumn) => cells[columns.indexOf(column)];
  const year = cellOf('year');
  const day = cellOf('day') ?? '';
  const hourMinute = cellOf('hour-minute') ?? '0';
  const second = cellOf('second') ?? '0';
  if (year !== undefined && !isYear(year)) return undefined;
  if (!whole.test(day) || !whole.test(hourMinute) || !fractional.test(second) || !/\d/.test(second)) return undefined;
  return { ...(year !== undefined && { year: Number(year) }), day: Number(day), hourMinute: Number(hourMinute), second: Number(second) };
}

/** Microseconds from 1970-01-01T00:00:00 to a time in a year, or `undefined` when there is no such time. */
export function arrayLocalUs({ day, hourMinute, second }: ArrayTime, year: number): number | undefined {
  if (day < 1 || day > daysInYear(year)) return undefined;
  const wholeSeconds = Math.floor(second);
  const microsecond = Math.round((second - wholeSeconds) * 1e6);
  const inFirstDay = localMicroseconds(year, 1, 1, Math.floor(hourMinute / 100), hourMinute % 100, wholeSeconds, microsecond);
  return inFirstDay === undefined ? undefined : inFirstDay + (day - 1) * dayUs;
}

/**
 * Keeps the year of rows that do not say it, from the days they say.
 *
 * A day that falls back by more than a month belongs to the next year: a logger may be off for most of a year, but its clock is hardly ever set back that far. A day that leaps forward by
 * eleven months belongs to the year before: arrays of the last day may come behind the first one of the new year.
 */
export class YearCount {
  /** Year of the last row. */
  year: number;
  /** Day of the year of the last row, 0 before the first one. */
  day: number;

  constructor(year: number, day: number) {
    this.year = year;
    this.day = day;
  }

  /** The year of the next row, from its day of the year. */
  yearOf(day: number): number {
    if (this.day === 0) return this.year;
    if (day < this.day - 31) return this.year + 1;
    return day > this.day + 334 ? this.year - 1 : this.year;
  }
}
