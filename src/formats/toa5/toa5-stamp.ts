import { localMicroseconds } from '../civil-time.ts';

const zero = 0x30;
const nine = 0x39;
const hyphen = 0x2d;
const space = 0x20;
const colon = 0x3a;
const point = 0x2e;

/** The number that the decimal digits in [from, from + count) write, or NaN when one is not a digit. */
function digits(bytes: Uint8Array, from: number, count: number): number {
  let value = 0;
  for (let at = from; at < from + count; at++) {
    const byte = bytes[at] as number;
    if (!(byte >= zero && byte <= nine)) return Number.NaN;
    value = value * 10 + byte - zero;
  }
  return value;
}

/**
 * Microseconds of a stamp as Campbell's loggers write it: `2021-06-18 20:00:00`, with a fraction of one to nine digits (`20:00:00.05`) where the table is faster than a second. Seconds
 * may be missing, as spreadsheets drop them. Digits beyond the microsecond are cut off.
 *
 * @returns microseconds from 1970-01-01T00:00:00 on the logger's own calendar, or `undefined` when the bytes in [from, to) are no such stamp
 */
export function parseToa5Stamp(bytes: Uint8Array, from: number, to: number): number | undefined {
  const length = to - from;
  if (length !== 16 && length !== 19 && !(length >= 21 && length <= 29)) return undefined;
  if (bytes[from + 4] !== hyphen || bytes[from + 7] !== hyphen || bytes[from + 10] !== space || bytes[from + 13] !== colon)
    return undefined;
  if (length > 16 && bytes[from + 16] !== colon) return undefined;
  let microsecond = 0;
  if (length > 19) {
    if (bytes[from + 19] !== point) return undefined;
    const written = length - 20;
    const fraction = digits(bytes, from + 20, written);
    microsecond = written > 6 ? Math.floor(fraction / 10 ** (written - 6)) : fraction * 10 ** (6 - written);
    if (Number.isNaN(microsecond)) return undefined;
  }
  return localMicroseconds(
    digits(bytes, from, 4),
    digits(bytes, from + 5, 2),
    digits(bytes, from + 8, 2),
    digits(bytes, from + 11, 2),
    digits(bytes, from + 14, 2),
    length > 16 ? digits(bytes, from + 17, 2) : 0,
    microsecond,
  );
}

/** The record number that the bytes in [from, to) write, up to fifteen digits, or `undefined` when they write none. */
export function parseRecordNumber(bytes: Uint8Array, from: number, to: number): number | undefined {
  const length = to - from;
  if (length < 1 || length > 15) return undefined;
  const value = digits(bytes, from, length);
  return Number.isNaN(value) ? undefined : value;
}
