import { localMicroseconds, secondUs } from '../civil-time.ts';

/**
 * Dates as HOBOware writes them, which do not say what is day, month and year.
 *
 * `05/06/09` is 6 May, 5 June or 9 June, by a preference of whoever exported the file. Four digits settle the year; a field over 12 or over 31 rules orders out; and where the date
 * changes between two neighbouring rows that lie within two hours of each other in one order and most of a day apart in the others, the one is right: loggers read on past midnight. What
 * is left open is for the dialect to say.
 */

/** What the three fields of a date are, in their order. */
export type DateOrder = 'mdy' | 'dmy' | 'ymd';

const dateOrders: readonly DateOrder[] = ['mdy', 'dmy', 'ymd'];

/** The date orders that a text names, between spaces, as `DateOrderEvidence.possible` joined by spaces is written. */
export function parseDateOrders(text: string): DateOrder[] {
  const names = text.split(' ');
  return dateOrders.filter((order) => names.includes(order));
}

/** A date and time of day as written: three numbers that have no meaning yet, and a time that has. */
export interface WrittenStamp {
  readonly first: number;
  readonly second: number;
  readonly third: number;
  readonly firstDigits: number;
  readonly thirdDigits: number;
  /** Whether the fields are separated by points rather than by slashes or hyphens. */
  readonly points: boolean;
  /** Microseconds since midnight. */
  readonly timeUs: number;
  /** Whether the time is on a twelve-hour clock. */
  readonly twelveHour: boolean;
}

/** Two-digit years below this are 20xx, the others 19xx, as in POSIX. */
const centuryPivot = 69;
const hourUs = 3600 * secondUs;
/** Rows within this time across a change of date are neighbours. */
const neighbourUsMax = 2 * hourUs;
/** An order that puts neighbours further apart than this is wrong. */
const strangerUsMin = 20 * hourUs;

const [zero, nine, space, slash, hyphen, point, comma, colon] = [0x30, 0x39, 0x20, 0x2f, 0x2d, 0x2e, 0x2c, 0x3a];
const [upperA, upperM, upperP, caseBit] = [0x41, 0x4d, 0x50, 0x20];

/** Walks over a part of a byte array. */
class Cursor {
  private readonly bytes: Uint8Array;
  private at: number;
  private readonly to: number;
  /** Digits that the last number had. */
  digits = 0;

  constructor(bytes: Uint8Array, from: number, to: number) {
    this.bytes = bytes;
    this.at = from;
    this.to = to;
  }

  get atEnd(): boolean {
    return this.at >= this.to;
  }

  /** The next byte, which stays; -1 at the end. */
  get peek(): number {
    return this.at < this.to ? (this.bytes[this.at] as number) : -1;
  }

  /** Passes the byte if it is the next one. */
  skip(byte: number): boolean {
    if (this.peek !== byte) return false;
    this.at++;
    return true;
  }

  skipSpaces(): void {
    while (this.skip(space));
  }

  /** The number written by the next digits, at most nine. NaN when there are none or more. */
  number(): number {
    let value = 0;
    this.digits = 0;
    while (this.peek >= zero && this.peek <= nine) {
      value = value * 10 + this.peek - zero;
      this.digits++;
      this.at++;
    }
    return this.digits >= 1 && this.digits <= 9 ? value : Number.NaN;
  }

  /** Passes a letter of either case; `upper` is its capital. */
  skipLetter(upper: number): boolean {
    return this.skip(upper) || this.skip(upper | caseBit);
  }
}

/**
 * The date and time in a cell, or in a cell of dates and a cell of times: three fields separated by `/`, `-` or `.`, then `H:MM`, `H:MM:SS` or `H:MM:SS.f` with a point or a comma, then
 * nothing or AM or PM after any number of spaces.
 *
 * @param date borders of the cell with the date
 * @param time borders of the cell with the time, absent when it stands behind the date
 * @returns the stamp as written, or `undefined` when the cells hold none
 */
export function readStamp(bytes: Uint8Array, date: readonly [number, number], time?: readonly [number, number]): WrittenStamp | undefined {
  const dateCursor = new Cursor(bytes, ...date);
  const first = dateCursor.number();
  const firstDigits = dateCursor.digits;
  const separator = dateCursor.peek;
  if (separator !== slash && separator !== hyphen && separator !== point) return undefined;
  dateCursor.skip(separator);
  const second = dateCursor.number();
  if (dateCursor.digits > 2 || !dateCursor.skip(separator)) return undefined;
  const third = dateCursor.number();
  const thirdDigits = dateCursor.digits;
  if (Number.isNaN(first + second + third)) return undefined;
  if (time && !dateCursor.atEnd) return undefined;
  const clock = readClock(time ? new Cursor(bytes, ...time) : dateCursor);
  return clock && { first, second, third, firstDigits, thirdDigits, points: separator === point, ...clock };
}

function readClock(cursor: Cursor): { timeUs: number; twelveHour: boolean } | undefined {
  cursor.skipSpaces();
  let hour = cursor.number();
  if (!cursor.skip(colon)) return undefined;
  const minute = cursor.number();
  const second = cursor.skip(colon) ? cursor.number() : 0;
  let microsecond = 0;
  if (cursor.skip(point) || cursor.skip(comma)) {
    const fraction = cursor.number();
    microsecond = cursor.digits > 6 ? Math.floor(fraction / 10 ** (cursor.digits - 6)) : fraction * 10 ** (6 - cursor.digits);
  }
  cursor.skipSpaces();
  let twelveHour = false;
  if (!cursor.atEnd) {
    const afternoon = cursor.skipLetter(upperP);
    if (!afternoon && !cursor.skipLetter(upperA)) return undefined;
    cursor.skip(point);
    if (!cursor.skipLetter(upperM)) return undefined;
    cursor.skip(point);
    if (!cursor.atEnd || !(hour >= 1 && hour <= 12)) return undefined;
    twelveHour = true;
    hour = (hour % 12) + (afternoon ? 12 : 0);
  }
  if (!(hour < 24 && minute < 60 && second < 60 && microsecond >= 0)) return undefined;
  return { timeUs: ((hour * 60 + minute) * 60 + second) * secondUs + microsecond, twelveHour };
}

/** Microseconds from 1970-01-01T00:00:00 to a stamp read in an order, or `undefined` when it is no date in that order. Of a year, two or four digits are a year. */
export function stampUs(stamp: WrittenStamp, order: DateOrder): number | undefined {
  const yearFirst = order === 'ymd';
  const yearDigits = yearFirst ? stamp.firstDigits : stamp.thirdDigits;
  const otherDigits = yearFirst ? stamp.thirdDigits : stamp.firstDigits;
  if ((yearDigits !== 2 && yearDigits !== 4) || otherDigits > 2) return undefined;
  const written = yearFirst ? stamp.first : stamp.third;
  const year = yearDigits === 4 ? written : written + (written < centuryPivot ? 2000 : 1900);
  const month = order === 'mdy' ? stamp.first : stamp.second;
  const day = order === 'mdy' ? stamp.second : order === 'dmy' ? stamp.first : stamp.third;
  const midnight = localMicroseconds(year, month, day, 0, 0, 0, 0);
  return midnight === undefined ? undefined : midnight + stamp.timeUs;
}

/** Gathers what a file's dates say about their order. */
export class DateOrderEvidence {
  private left: readonly DateOrder[];
  /** Orders that are possible and do not tear neighbouring rows apart. */
  private likely: readonly DateOrder[];
  private previous: WrittenStamp | undefined;

  /** @param possible the orders that earlier rows of the file have left */
  constructor(possible: readonly DateOrder[] = dateOrders) {
    this.left = possible;
    this.likely = possible;
  }

  /** Orders in which every date so far is a date; at least one. */
  get possible(): readonly DateOrder[] {
    return this.left;
  }

  /** Takes the next row's stamp into account. A stamp that is impossible in every order still possible is ignored: it is a defect of its row. */
  add(stamp: WrittenStamp): void {
    const possible = this.left.filter((order) => stampUs(stamp, order) !== undefined);
    if (possible.length === 0) return;
    this.left = possible;
    const likely = this.likely.filter((order) => possible.includes(order));
    this.likely = likely.length > 0 ? likely : possible;
    this.compare(stamp);
    this.previous = stamp;
  }

  /** The order, when only one is left. */
  get decided(): DateOrder | undefined {
    return this.likely.length === 1 ? this.likely[0] : undefined;
  }

  /** The first of the preferred orders that the dates allow. */
  best(preferred: readonly DateOrder[]): DateOrder {
    return preferred.find((order) => this.likely.includes(order)) ?? (this.likely[0] as DateOrder);
  }

  private compare(stamp: WrittenStamp): void {
    const { previous } = this;
    if (!previous || this.likely.length === 1) return;
    if (previous.first === stamp.first && previous.second === stamp.second && previous.third === stamp.third) return;
    const distanceUs = (order: DateOrder) => Math.abs((stampUs(stamp, order) ?? 0) - (stampUs(previous, order) ?? 0));
    const near = this.likely.filter((order) => distanceUs(order) <= neighbourUsMax);
    const far = this.likely.filter((order) => distanceUs(order) >= strangerUsMin);
    if (near.length > 0 && near.length + far.length === this.likely.length) this.likely = near;
  }
}

/**
 * Orders to prefer where the dates leave it open, most likely first. HOBOware's own default is month first, and so is every file with a twelve-hour clock that is known; day first is the
 * habit where dates have points, cells are separated by semicolons, or the headings are not English.
 */
export function preferredDateOrders(
  stamp: WrittenStamp | undefined,
  dialect: { english: boolean; semicolons: boolean },
): readonly DateOrder[] {
  const dayFirst = stamp !== undefined && !stamp.twelveHour && (stamp.points || dialect.semicolons || !dialect.english);
  return dayFirst ? ['dmy', 'mdy', 'ymd'] : ['mdy', 'dmy', 'ymd'];
}
