/**
 * Numbers as instruments write them, taken apart so that they can be compared and put together again digit for digit.
 *
 * A column of readings is written by one program in one way: always two decimals (`13.20`), or none that are not needed (`13.2`), or never more than four significant digits
 * (Campbell's FP2: `0.096`, `13.2`, `150.6`). A `NumberStyle` says which. Under a style a cell is an integer, its *step*: neighbouring steps are neighbouring readings. A cell that its
 * column's style would write differently (`+1`, `1e-5`, `007`, `-0.0`) has no step, and is carried as text.
 *
 * With `significantDigits` s below 15 the scale is linear for integers up to 10^s and logarithmic above, where only every tenth, hundredth, … integer can be written: the steps
 * that no reading can take are left out, so they cost nothing.
 */
export interface NumberStyle {
  /** Decimals that are always written, 0 to 15. */
  readonly digitsMin: number;
  /** Decimals that are written when they are not zero, at least `digitsMin`, at most 15. */
  readonly digitsMax: number;
  /** Digits from the first to the last that is not zero, 1 to 15; 15 sets no bound. */
  readonly significantDigits: number;
  /** True when a fraction is written without the zero before its point: `.5`. */
  readonly barePoint: boolean;
}

/** Most digits a step is made of: 10^15 is below 2^53. */
export const digitsLimit = 15;

const powersOfTen = Array.from({ length: digitsLimit + 1 }, (_, exponent) => 10 ** exponent);

const minus = 0x2d;
const point = 0x2e;
const zero = 0x30;

/** The cells of one column that are numbers, taken apart. Arrays have one place a row. */
export interface ColumnNumbers {
  /** The digits as an integer, with the sign. */
  readonly integers: Float64Array;
  /** Digits behind the point, or `notNumber` for a cell that is no plain number. */
  readonly digits: Uint8Array;
  /** Bits `…TrailingZero`, `…LeadingZero`, `…BarePoint`. */
  readonly traits: Uint8Array;
  /** Digits from the first to the last that is not zero. */
  readonly significant: Uint8Array;
}

/** In `ColumnNumbers.digits`: the cell is no plain number. */
export const notNumber = 255;
/** The last of the digits behind the point is a zero. */
const hasTrailingZero = 1;
/** The value is below one and has a zero before its point. */
const hasLeadingZero = 2;
/** Nothing stands before the point. */
const hasBarePoint = 4;

/** Room for a column of so many rows. */
export function columnNumbers(rowCount: number): ColumnNumbers {
  const bytes = (): Uint8Array => new Uint8Array(rowCount);
  return { integers: new Float64Array(rowCount), digits: bytes(), traits: bytes(), significant: bytes() };
}

/** Takes a cell apart and notes at a place of a column what it is made of. */
export function readNumber(text: string, { integers, digits, traits, significant }: ColumnNumbers, row: number): void {
  digits[row] = notNumber;
  const length = text.length;
  const negative = text.charCodeAt(0) === minus;
  const start = negative ? 1 : 0;
  if (length - start > digitsLimit + 1 || length === start) return;
  let integer = 0;
  let pointAt = -1;
  let first = -1;
  let last = -1;
  let count = 0;
  for (let at = start; at < length; at++) {
    const digit = text.charCodeAt(at) - zero;
    if (digit >= 0 && digit <= 9) {
      integer = integer * 10 + digit;
      count++;
      if (digit !== 0) {
        if (first < 0) first = count;
        last = count;
      }
    } else if (digit === point - zero && pointAt < 0) pointAt = at;
    else return;
  }
  const whole = pointAt < 0 ? length - start : pointAt - start;
  const decimals = count - whole;
  const leadingZero = whole > 0 && text.charCodeAt(start) === zero;
  // No digits behind a point; zeros in front; more digits than are exact; a negative zero.
  if ((pointAt >= 0 && decimals === 0) || (leadingZero && whole > 1) || count > digitsLimit || (negative && integer === 0)) return;
  integers[row] = negative ? -integer : integer;
  digits[row] = decimals;
  significant[row] = first < 0 ? 0 : last - first + 1;
  traits[row] =
    (decimals > 0 && last !== count ? hasTrailingZero : 0) |
    (decimals > 0 && leadingZero ? hasLeadingZero : 0) |
    (whole === 0 ? hasBarePoint : 0);
}

/** Rough price in bits of a cell that must go as text, and of one more decimal in a cell that need not. */
const textCellBits = 24;
const decimalBits = Math.log2(10);

/** The style that lets most cells of the column go as numbers, with as few decimals as that takes. `undefined` when there is no number among them. */
export function chooseStyle(numbers: ColumnNumbers): NumberStyle | undefined {
  const plain = new Float64Array(digitsLimit + 1);
  const zeroEnded = new Float64Array(digitsLimit + 1);
  let bare = 0;
  let led = 0;
  const { digits, traits } = numbers;
  for (let row = 0; row < digits.length; row++) {
    const decimals = digits[row] as number;
    if (decimals === notNumber) continue;
    const trait = traits[row] as number;
    if ((trait & hasTrailingZero) === 0) plain[decimals] = (plain[decimals] as number) + 1;
    else zeroEnded[decimals] = (zeroEnded[decimals] as number) + 1;
    if ((trait & hasBarePoint) !== 0) bare++;
    if ((trait & hasLeadingZero) !== 0) led++;
  }
  let best: { digitsMin: number; digitsMax: number } | undefined;
  let bestBits = Number.POSITIVE_INFINITY;
  for (let digitsMin = 0; digitsMin <= digitsLimit; digitsMin++) {
    let fitting = (plain[digitsMin] as number) + (zeroEnded[digitsMin] as number);
    let all = 0;
    for (let i = 0; i <= digitsLimit; i++) all += (plain[i] as number) + (zeroEnded[i] as number);
    for (let digitsMax = digitsMin; digitsMax <= digitsLimit; digitsMax++) {
      if (digitsMax > digitsMin) fitting += plain[digitsMax] as number;
      const bits = (all - fitting) * textCellBits + fitting * digitsMax * decimalBits;
      if (fitting > 0 && bits < bestBits) {
        bestBits = bits;
        best = { digitsMin, digitsMax };
      }
    }
  }
  if (best === undefined) return undefined;
  const open: NumberStyle = { ...best, significantDigits: digitsLimit, barePoint: bare > led };
  let significantDigits = 1;
  for (let row = 0; row < digits.length; row++) {
    if (fits(numbers, row, open)) significantDigits = Math.max(significantDigits, numbers.significant[row] as number);
  }
  return { ...open, significantDigits };
}

function fits(numbers: ColumnNumbers, row: number, style: NumberStyle): boolean {
  const decimals = numbers.digits[row] as number;
  const trait = numbers.traits[row] as number;
  return (
    decimals >= style.digitsMin &&
    decimals <= style.digitsMax &&
    (decimals === style.digitsMin || (trait & hasTrailingZero) === 0) &&
    (trait & (style.barePoint ? hasLeadingZero : hasBarePoint)) === 0 &&
    Math.abs(numbers.integers[row] as number) < (powersOfTen[digitsLimit - style.digitsMax + decimals] as number)
  );
}

/** The step of the cell in this row, or `undefined` when the style would not write it as it stands. */
export function stepOf(numbers: ColumnNumbers, row: number, style: NumberStyle): number | undefined {
  if (!fits(numbers, row, style)) return undefined;
  const integer = numbers.integers[row] as number;
  const scaled = Math.abs(integer) * (powersOfTen[style.digitsMax - (numbers.digits[row] as number)] as number);
  const linearEnd = powersOfTen[style.significantDigits] as number;
  let step = scaled;
  if (scaled >= linearEnd) {
    let excess = 1;
    while (scaled >= linearEnd * (powersOfTen[excess] as number)) excess++;
    const decade = linearEnd / 10;
    step = linearEnd + (excess - 1) * 9 * decade + (Math.floor(scaled / (powersOfTen[excess] as number)) - decade);
  }
  return integer < 0 ? -step : step;
}

/** Writes the cells of one column. */
export class NumberWriter {
  readonly #style: NumberStyle;
  // Readings come again and again; their text is made once, which saves both time and memory. A power of two, so that a step finds its place by its low bits.
  readonly #recentSteps = new Float64Array(1024).fill(Number.NaN);
  readonly #recentTexts: string[] = new Array(1024).fill('');

  constructor(style: NumberStyle) {
    this.#style = style;
  }

  /** The text of a step, or `undefined` for a step that no cell of at most 15 digits has. */
  write(step: number): string | undefined {
    const place = step & 1023;
    if (this.#recentSteps[place] === step) return this.#recentTexts[place];
    const text = this.#format(step);
    if (text === undefined) return undefined;
    this.#recentSteps[place] = step;
    this.#recentTexts[place] = text;
    return text;
  }

  #format(step: number): string | undefined {
    const { digitsMin, digitsMax, significantDigits, barePoint } = this.#style;
    let scaled = Math.abs(step);
    const linearEnd = powersOfTen[significantDigits] as number;
    if (scaled >= linearEnd) {
      const decade = linearEnd / 10;
      const above = scaled - linearEnd;
      const excess = Math.floor(above / (9 * decade)) + 1;
      if (significantDigits + excess > digitsLimit) return undefined;
      scaled = (decade + (above % (9 * decade))) * (powersOfTen[excess] as number);
    }
    let decimals = digitsMax;
    while (decimals > digitsMin && scaled % 10 === 0) {
      scaled /= 10;
      decimals--;
    }
    const sign = step < 0 ? '-' : '';
    if (decimals === 0) return sign + scaled;
    const unit = powersOfTen[decimals] as number;
    const whole = Math.floor(scaled / unit);
    // A one in front keeps the zeros behind the point while the number becomes text.
    const fraction = String(unit + (scaled - whole * unit)).slice(1);
    return `${sign}${whole === 0 && barePoint ? '' : whole}.${fraction}`;
  }
}
