import { limits } from '../core/limits.ts';
import { civilTime } from './civil-time.ts';
import { decodeText } from './csv-row.ts';
import type { Cell, FieldDefinition } from './record-stream.ts';

/**
 * The data types of Campbell Scientific's binary files, and their values as text.
 *
 * A type says its byte order: what came with the old loggers is decimal or big-endian (FP2, UINT2, UINT4, INT4, IEEE4B), what came with the PC is little-endian (IEEE4, IEEE8, ULONG, LONG,
 * SecNano). The names stand in the last line of a file's header.
 *
 * Text is what the vendor's CardConvert writes for the same bytes, so that a file and its conversion hold the same cells: FP2 in its own decimal digits; binary numbers with 7 (single) or
 * 15 (double) significant digits at most, in scientific notation from 10^7 or 10^15 up and below 10^-4; booleans as -1 and 0; eight flags as eight binary digits; NAN and INF as words.
 * Digits beyond those are in the raw file only. How CardConvert writes single-precision exponents and INF below zero is not seen in any file we know; two exponent digits and `-INF` are
 * taken, as its double-precision numbers and the loggers' own text have them.
 *
 * Sources: LoggerNet manual, appendix B "Campbell Scientific file formats"; CR1000 manual, appendix "FP2 data format"; CR10 manual, appendix C (FP4); BMP5 Transparent Commands, table of
 * data types (byte order); comparison with the output of CardConvert.
 */
export interface CampbellType {
  readonly kind: FieldDefinition['kind'];
  /** Bytes of one value. */
  readonly bytes: number;
  /** The value whose first byte stands at `at`. All its bytes must be in the view. */
  cell(view: DataView, at: number): Cell;
}

/** Seconds from 1970-01-01 to 1990-01-01, where loggers begin to count. */
const epoch1990Seconds = 631_152_000;
const nanosecondsPerSecond = 1e9;

/** The last second that an unsigned count of 32 bits reaches, in the year 2126. */
const secondsMax = 0xffff_ffff;

/**
 * The stamp of a logger's time: microseconds from 1970-01-01T00:00:00 on the logger's own calendar, finer than a microsecond cut off; `undefined` beyond the count of seconds that a logger can
 * make, or when the nanoseconds are a second or more.
 */
export function localUsSince1990(secondsSince1990: number, nanoseconds: number): number | undefined {
  if (secondsSince1990 > secondsMax || nanoseconds >= nanosecondsPerSecond) return undefined;
  return (epoch1990Seconds + secondsSince1990) * 1e6 + Math.floor(nanoseconds / 1000);
}

/** FP2: a sign, 2 bits that count decimal places, and an integer of 13 bits, of which those above 7999 are no measurements. */
function fp2Text(bits: number): string {
  const integer = bits & 0x1fff;
  const sign = bits >= 0x8000 ? '-' : '';
  if (integer === 0x1fff) return `${sign}INF`;
  if (integer > 7999) return 'NAN';
  const places = (bits >> 13) & 3;
  return integer === 0 ? '0' : sign + trimmedDecimal(String(integer).padStart(places + 1, '0'), places);
}

/** Digits with a point before the last `places`, without the zeros at their end. */
function trimmedDecimal(digits: string, places: number): string {
  const fraction = digits.slice(digits.length - places).replace(/0+$/, '');
  const whole = digits.slice(0, digits.length - places);
  return places === 0 || fraction === '' ? whole : `${whole}.${fraction}`;
}

/** FP4: a sign, an exponent to base 2 in excess of 64, and a fraction of 24 bits; the largest magnitude is infinity. */
function fp4Number(bits: number): number {
  const sign = bits >= 0x8000_0000 ? -1 : 1;
  const magnitude = bits & 0x7fff_ffff;
  if (magnitude === 0x7fff_ffff) return sign * Number.POSITIVE_INFINITY;
  return sign * ((magnitude & 0xff_ffff) / 2 ** 24) * 2 ** ((magnitude >>> 24) - 64);
}

/** A number with at most so many significant digits, as the C language's `%G` writes it. */
function significantText(value: number, digitsMax: number): string {
  if (Number.isNaN(value)) return 'NAN';
  if (!Number.isFinite(value)) return value < 0 ? '-INF' : 'INF';
  const rounded = Number(value.toPrecision(digitsMax));
  const magnitude = Math.abs(rounded);
  // JavaScript's own text has these digits, and no exponent, within this span.
  if (magnitude === 0 || (magnitude >= 1e-4 && magnitude < 10 ** digitsMax)) return String(magnitude === 0 ? 0 : rounded);
  const sign = value < 0 ? '-' : '';
  const [mantissa = '', exponentText] = Math.abs(value)
    .toExponential(digitsMax - 1)
    .split('e');
  const exponent = Number(exponentText);
  const digits = mantissa.replace('.', '').replace(/0+$/, '');
  const power = String(Math.abs(exponent)).padStart(2, '0');
  return `${sign}${trimmedDecimal(digits, digits.length - 1)}E${exponent < 0 ? '-' : '+'}${power}`;
}

/** A time as CardConvert writes it: `2026-02-19 09:46:06.001`, the fraction as long as it must be. */
function timeText(secondsSince1990: number, nanoseconds: number): string {
  const carry = Math.floor(nanoseconds / nanosecondsPerSecond);
  const fraction = nanoseconds - carry * nanosecondsPerSecond;
  const { year, month, day, hour, minute, second } = civilTime((epoch1990Seconds + secondsSince1990 + carry) * 1e6);
  const two = (value: number) => String(value).padStart(2, '0');
  const decimals = fraction === 0 ? '' : `.${String(fraction).padStart(9, '0').replace(/0+$/, '')}`;
  return `${year}-${two(month)}-${two(day)} ${two(hour)}:${two(minute)}:${two(second)}${decimals}`;
}

function numeric(bytes: number, cell: CampbellType['cell']): CampbellType {
  return { kind: 'number', bytes, cell };
}

function boolean(bytes: number, read: (view: DataView, at: number) => number): CampbellType {
  return { kind: 'boolean', bytes, cell: (view, at) => (read(view, at) === 0 ? '0' : '-1') };
}

function time(bytes: number, cell: CampbellType['cell']): CampbellType {
  return { kind: 'time', bytes, cell };
}

const single = (littleEndian: boolean) => numeric(4, (view, at) => significantText(view.getFloat32(at, littleEndian), 7));
const double = (littleEndian: boolean) => numeric(8, (view, at) => significantText(view.getFloat64(at, littleEndian), 15));

const typeByName: ReadonlyMap<string, CampbellType> = new Map([
  ['FP2', numeric(2, (view, at) => fp2Text(view.getUint16(at)))],
  ['FP4', numeric(4, (view, at) => significantText(fp4Number(view.getUint32(at)), 7))],
  ['IEEE4', single(true)],
  ['IEEE4L', single(true)],
  ['IEEE4B', single(false)],
  ['IEEE8', double(true)],
  ['IEEE8L', double(true)],
  ['IEEE8B', double(false)],
  ['UINT1', numeric(1, (view, at) => String(view.getUint8(at)))],
  ['UINT2', numeric(2, (view, at) => String(view.getUint16(at)))],
  ['UINT4', numeric(4, (view, at) => String(view.getUint32(at)))],
  ['INT1', numeric(1, (view, at) => String(view.getInt8(at)))],
  ['INT2', numeric(2, (view, at) => String(view.getInt16(at)))],
  ['INT4', numeric(4, (view, at) => String(view.getInt32(at)))],
  ['USHORT', numeric(2, (view, at) => String(view.getUint16(at, true)))],
  ['SHORT', numeric(2, (view, at) => String(view.getInt16(at, true)))],
  ['ULONG', numeric(4, (view, at) => String(view.getUint32(at, true)))],
  ['LONG', numeric(4, (view, at) => String(view.getInt32(at, true)))],
  ['BOOL', boolean(1, (view, at) => view.getUint8(at))],
  ['BOOL2', boolean(2, (view, at) => view.getUint16(at))],
  ['BOOL4', boolean(4, (view, at) => view.getUint32(at))],
  ['BOOL8', { kind: 'text', bytes: 1, cell: (view, at) => view.getUint8(at).toString(2).padStart(8, '0') }],
  ['SEC', time(4, (view, at) => timeText(view.getInt32(at), 0))],
  ['NSEC', time(8, (view, at) => timeText(view.getInt32(at), view.getInt32(at + 4)))],
  ['SECNANO', time(8, (view, at) => timeText(view.getInt32(at, true), view.getInt32(at + 4, true)))],
]);

/** Text of fixed length, with zero bytes behind it. */
function fixedText(bytes: number): CampbellType {
  const cell: CampbellType['cell'] = (view, at) => {
    const padded = new Uint8Array(view.buffer, view.byteOffset + at, bytes);
    const end = padded.indexOf(0);
    const text = decodeText(end < 0 ? padded : padded.subarray(0, end));
    return text === '' ? null : text;
  };
  return { kind: 'text', bytes, cell };
}

/** The type that a header calls by this name, for example `FP2` or `ASCII(36)`, in either case; `undefined` for one we do not know. */
export function campbellType(name: string): CampbellType | undefined {
  const known = typeByName.get(name.toUpperCase());
  if (known) return known;
  const [, length] = /^ASCII\((\d{1,6})\)$/i.exec(name) ?? [];
  const bytes = Number(length);
  return bytes >= 1 && bytes <= limits.instrumentLineBytesMax ? fixedText(bytes) : undefined;
}
