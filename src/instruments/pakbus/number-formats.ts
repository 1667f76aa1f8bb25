/**
 * Campbell's own number formats, and numbers as text in the digits a logger means.
 *
 * FP2 and FP3 are decimal: a sign, a count of decimal places and an integer, so their text is exact. FP4 is binary and older than IEEE 754. NAN and INF are words, as in the
 * vendor's files; whether they mean "missing" is for whoever knows the site.
 *
 * Sources: CR1000 manual, appendix "FP2 data format"; CR10 manual, appendix C "Campbell Scientific floating point format" (FP4, with two worked examples); BMP5 Transparent Commands,
 * data types (FP3).
 */

/** A decimal format: `mantissaBits` of integer, above them the count of decimal places, above them the sign. */
interface DecimalFormat {
  readonly mantissaBits: number;
  readonly placesMax: number;
  /** The largest integer that is a measurement. */
  readonly mantissaMax: number;
}

/** FP2: 13 bits and 0 to 3 places; above 7999 the integer is a special value. */
export const fp2: DecimalFormat = { mantissaBits: 13, placesMax: 3, mantissaMax: 7999 };
/** FP3: 20 bits and 0 to 7 places; the two largest integers are special values. */
export const fp3: DecimalFormat = { mantissaBits: 20, placesMax: 7, mantissaMax: 2 ** 20 - 3 };

const negativeInfinity = '-INF';

function signBit(format: DecimalFormat): number {
  return 2 ** (format.mantissaBits + Math.log2(format.placesMax + 1));
}

/** Text of a decimal number's bits. All mantissa bits set is infinity; anything else over the largest integer is NAN. */
export function decimalText(format: DecimalFormat, bits: number): string {
  const mantissaAll = 2 ** format.mantissaBits - 1;
  const mantissa = bits & mantissaAll;
  const isNegative = bits >= signBit(format);
  if (mantissa === mantissaAll) return isNegative ? negativeInfinity : 'INF';
  if (mantissa > format.mantissaMax) return 'NAN';
  const places = (bits >> format.mantissaBits) & format.placesMax;
  const digits = String(mantissa).padStart(places + 1, '0');
  const whole = digits.slice(0, digits.length - places);
  const fraction = digits.slice(digits.length - places).replace(/0+$/, '');
  const text = fraction === '' ? whole : `${whole}.${fraction}`;
  return isNegative && mantissa !== 0 ? `-${text}` : text;
}

/** The bits nearest to a number, with as many places as fit, as the logger stores it. Too large becomes infinity. */
export function decimalBits(format: DecimalFormat, value: number): number {
  const mantissaAll = 2 ** format.mantissaBits - 1;
  const sign = value < 0 ? signBit(format) : 0;
  if (Number.isNaN(value)) return signBit(format) + mantissaAll - 1;
  const magnitude = Math.abs(value);
  for (let places = format.placesMax; places >= 0; places--) {
    const mantissa = Math.round(magnitude * 10 ** places);
    if (mantissa <= format.mantissaMax) return sign + places * 2 ** format.mantissaBits + mantissa;
  }
  return sign + mantissaAll;
}

const fp4MantissaScale = 2 ** 24;
const fp4ExponentBias = 64;
const fp4MagnitudeMax = 0x7fff_ffff;

/** The number of an FP4's 32 bits (unsigned): sign, exponent to base 2 in excess 64, a fraction of 24 bits. The largest magnitude stands for infinity. */
export function fp4Number(bits: number): number {
  const sign = bits >= 0x8000_0000 ? -1 : 1;
  const magnitude = bits & fp4MagnitudeMax;
  if (magnitude === fp4MagnitudeMax) return sign * Number.POSITIVE_INFINITY;
  const fraction = (magnitude & 0xff_ffff) / fp4MantissaScale;
  return fraction === 0 ? 0 : sign * fraction * 2 ** ((magnitude >>> 24) - fp4ExponentBias);
}

/** The FP4 bits nearest to a number. The format has no NAN, which becomes infinity like everything too large; too small becomes zero. */
export function fp4Bits(value: number): number {
  const sign = value < 0 ? 0x8000_0000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude === 0) return 0;
  let exponent = Math.floor(Math.log2(magnitude)) + 1;
  let fraction = Math.round((magnitude / 2 ** exponent) * fp4MantissaScale);
  if (fraction === fp4MantissaScale) {
    fraction /= 2;
    exponent += 1;
  }
  if (!(exponent + fp4ExponentBias <= 0x7f)) return sign + fp4MagnitudeMax;
  if (exponent + fp4ExponentBias < 0) return 0;
  return sign + (exponent + fp4ExponentBias) * fp4MantissaScale + fraction;
}

function specialText(value: number): string | undefined {
  if (Number.isNaN(value)) return 'NAN';
  if (value === Number.POSITIVE_INFINITY) return 'INF';
  return value === Number.NEGATIVE_INFINITY ? negativeInfinity : undefined;
}

/** Significant digits that always tell a single-precision number from its neighbours. */
const singleDigitsMax = 9;

/** Shortest decimal text that reads back as the same single-precision number; `NAN`, `INF`, `-INF`. */
export function float32Text(value: number): string {
  const special = specialText(value);
  if (special !== undefined) return special;
  for (let digits = 1; digits < singleDigitsMax; digits++) {
    const rounded = Number(value.toPrecision(digits));
    if (Math.fround(rounded) === value) return String(rounded);
  }
  return String(Number(value.toPrecision(singleDigitsMax)));
}

/** Shortest decimal text that reads back as the same double-precision number; `NAN`, `INF`, `-INF`. */
export function float64Text(value: number): string {
  return specialText(value) ?? String(value);
}
