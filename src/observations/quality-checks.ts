import type { Cell, FieldDefinition } from '../formats/record-stream.ts';
import { cellNumber } from '../formats/series-table.ts';
import type { RowNumbers } from './row-numbers.ts';
import { type ColumnNumbers, columnNumbers, digitsLimit, notNumber, readNumber } from './segment-number-style.ts';

/**
 * Quality flags: what checks say of each value, beside it and never instead of it.
 *
 * The checks are those of the IOOS Manuals for Real-Time Quality Control (for example *Temperature and Salinity*, version 2.1, tests 1 and 4 to 8), with thresholds that a site profile
 * gives column by column; a column without thresholds is not evaluated. A value's flag is the worst that any check gives it.
 *
 *     gross range      outside what the sensor can measure: fail; outside what is expected here: suspect
 *     spike            further than a threshold from the middle of both neighbours: suspect or fail; known once the next value is there
 *     rate of change   faster than a threshold: suspect
 *     flat line        so many values in a row that do not differ: suspect or fail
 *     gap              neighbours further apart than `gapUs` are none: spike, rate and flat line begin anew behind a gap
 *
 * What counts as missing is declared, not guessed: an empty cell, the logger's own `NAN`, and the texts that the profile names. A value that is no number where one should be fails.
 */

/** QARTOD's flags (IOOS Manual for the Use of Real-Time Oceanographic Data Quality Control Flags, version 1.2, table 1). */
export const qualityFlag = { pass: 1, notEvaluated: 2, suspect: 3, fail: 4, missing: 9 } as const;

/** Thresholds of some columns, in the columns' own units. A check without threshold is not made. */
export interface QualityRule {
  /** Names of the columns as found; `*` for every column of numbers. */
  readonly fields: readonly string[];
  /** What the sensor can measure, both ends included; anything else fails. */
  readonly sensorRange?: readonly [number, number];
  /** What is to be expected at this site, both ends included; anything else is suspect. */
  readonly expectedRange?: readonly [number, number];
  /** Distance from the middle of both neighbours, above 0, that is suspect, and that fails. */
  readonly spike?: { readonly suspect: number; readonly fail: number };
  /** Change a second, above 0, that is suspect. */
  readonly changePerSecond?: number;
  /** How many values in a row, 2 or more, that differ by no more than `tolerance` are suspect, and how many fail. */
  readonly flatLine?: { readonly tolerance: number; readonly suspectCount: number; readonly failCount: number };
}

/** What a site's values are held against. */
export interface QualityProfile {
  readonly rules?: readonly QualityRule[];
  /** Texts that stand for "no value", for example `-9999`. Compared as text, without blanks around. */
  readonly missing?: readonly string[];
  /** Microseconds between two rows from which on they are no neighbours. Default: no gap is too wide. */
  readonly gapUs?: number;
}

/** What a check looks at of a row. */
export interface CheckedRow {
  readonly timeUs: number;
  readonly cells: readonly Cell[];
}

/** The worse of two flags of one value, so that whoever hears of both in any order holds the same: not evaluated, pass, suspect, fail, missing. */
export function worseFlag(a: number, b: number): number {
  return severity(a) >= severity(b) ? a : b;
}

/** The worse flags of two checks of one row, field by field. */
export function worseFlags(a: Uint8Array, b: Uint8Array): Uint8Array {
  return Uint8Array.from(a, (flag, field) => worseFlag(flag, b[field] ?? flag));
}

function severity(flag: number): number {
  return flag === qualityFlag.notEvaluated ? 0 : flag;
}

/** Rows before a batch that its checks look back at, at most. */
const contextRowsMax = 512;
const powersOfTen = Array.from({ length: digitsLimit + 1 }, (_, exponent) => 10 ** exponent);

/** The checks of one table. */
export class QualityChecks {
  /** Rows before a batch that are wanted with it. */
  readonly contextRows: number;
  readonly #isNumber: readonly boolean[];
  readonly #rulesByField: readonly (readonly QualityRule[])[];
  readonly #missing: ReadonlySet<string>;
  /** The digits of those that are plain numbers: a value with others need not be compared as text. */
  readonly #missingIntegers: ReadonlySet<number>;
  readonly #gapUs: number;
  /** Rooms that are used again by the next rows: the values of one column, how far each row is behind the one above it in seconds, and the flags of all. */
  #values = new Float64Array(0);
  #seconds = new Float64Array(0);
  #flags = new Uint8Array(0);

  constructor(fields: readonly FieldDefinition[], { rules = [], missing = [], gapUs = Number.POSITIVE_INFINITY }: QualityProfile) {
    this.#isNumber = fields.map(({ kind }) => kind === 'number');
    this.#rulesByField = fields.map(({ name, kind }) =>
      kind === 'number' ? rules.filter((rule) => rule.fields.includes(name) || rule.fields.includes('*')) : [],
    );
    this.#missing = new Set(missing);
    this.#missingIntegers = new Set(missing.flatMap(plainInteger));
    this.#gapUs = gapUs;
    const counts = rules.flatMap(({ flatLine }) => (flatLine === undefined ? [] : [Math.max(flatLine.suspectCount, flatLine.failCount)]));
    this.contextRows = Math.min(contextRowsMax, Math.max(2, ...counts));
  }

  /**
   * One array of flags a row, one flag a field. Rows may share an array.
   *
   * @param rows in order of time; the first of them may be rows that were checked before, for the others' sake
   * @param numbers of just these rows, as `RowNumbers.read` noted them
   */
  check(rows: readonly CheckedRow[], numbers: RowNumbers): Uint8Array[] {
    const width = this.#isNumber.length;
    if (this.#values.length < rows.length) {
      this.#values = new Float64Array(rows.length);
      this.#seconds = new Float64Array(rows.length);
      this.#flags = new Uint8Array(rows.length * width);
    }
    // Every flag is set anew below.
    const all = this.#flags;
    const secondsBefore = this.#secondsBefore(rows);
    for (let field = 0; field < width; field++) {
      this.#read(rows, field, numbers.column(field, 0, rows.length), all);
      for (const rule of this.#rulesByField[field] as readonly QualityRule[]) this.#hold(rule, field, secondsBefore, all);
    }
    return flagsByRow(all, rows.length, width);
  }

  /** Takes the values of a column, NaN where there is none, and sets the flags that need no threshold. */
  #read(rows: readonly CheckedRow[], field: number, { integers, digits }: ColumnNumbers, all: Uint8Array): void {
    const width = this.#isNumber.length;
    const values = this.#values;
    const isNumber = this.#isNumber[field] === true;
    const isRuled = (this.#rulesByField[field] as readonly QualityRule[]).length > 0;
    const integersMissing = this.#missingIntegers;
    for (let row = 0, at = field; row < rows.length; row++, at += width) {
      const decimals = digits[row] as number;
      const integer = integers[row] as number;
      if (decimals !== notNumber && isNumber && !(integersMissing.size > 0 && integersMissing.has(integer))) {
        values[row] = decimals === 0 ? integer : integer / (powersOfTen[decimals] as number);
        all[at] = qualityFlag.notEvaluated;
        continue;
      }
      const cell = rows[row]?.cells[field] ?? null;
      let flag: number = qualityFlag.notEvaluated;
      let value = Number.NaN;
      if (cell === null || cell === '' || (this.#missing.size > 0 && this.#missing.has(cell.trim()))) flag = qualityFlag.missing;
      else if (isNumber) {
        const read = cellNumber(cell);
        if (read === undefined || Math.abs(read) === Number.POSITIVE_INFINITY) {
          if (isRuled) flag = qualityFlag.fail;
        } else if (Number.isNaN(read)) flag = qualityFlag.missing;
        else value = read;
      }
      values[row] = value;
      all[at] = flag;
    }
  }

  /** How far each row is behind the one above it, in seconds; NaN where they are no neighbours. */
  #secondsBefore(rows: readonly CheckedRow[]): Float64Array {
    const seconds = this.#seconds.subarray(0, rows.length).fill(Number.NaN);
    for (let row = 1; row < rows.length; row++) {
      const distanceUs = (rows[row] as CheckedRow).timeUs - (rows[row - 1] as CheckedRow).timeUs;
      if (distanceUs > 0 && distanceUs < this.#gapUs) seconds[row] = distanceUs / 1e6;
    }
    return seconds;
  }

  #hold(rule: QualityRule, field: number, secondsBefore: Float64Array, all: Uint8Array): void {
    const { sensorRange, expectedRange, spike, changePerSecond, flatLine } = rule;
    const values = this.#values;
    const width = this.#isNumber.length;
    const mark = (at: number, flag: number): void => {
      if (all[at] !== flag) all[at] = worseFlag(all[at] as number, flag);
    };
    let sameCount = 0;
    /** The ends of the run so far: a slow drift leaves it in the end, and is no flat line. */
    let lowest = 0;
    let highest = 0;
    for (let row = 0, at = field; row < secondsBefore.length; row++, at += width) {
      const value = values[row] as number;
      if (Number.isNaN(value)) {
        sameCount = 0;
        continue;
      }
      const seconds = secondsBefore[row] as number;
      const follows = !Number.isNaN(seconds);
      if (sensorRange !== undefined || expectedRange !== undefined) mark(at, rangeFlag(value, sensorRange, expectedRange));
      const previous = follows ? (values[row - 1] as number) : Number.NaN;
      if (changePerSecond !== undefined && !Number.isNaN(previous)) {
        mark(at, Math.abs(value - previous) > changePerSecond * seconds ? qualityFlag.suspect : qualityFlag.pass);
      }
      if (spike !== undefined && !Number.isNaN(previous) && (secondsBefore[row + 1] ?? Number.NaN) > 0) {
        const next = values[row + 1] as number;
        if (!Number.isNaN(next)) {
          const distance = Math.abs(value - (previous + next) / 2);
          mark(at, distance > spike.fail ? qualityFlag.fail : distance > spike.suspect ? qualityFlag.suspect : qualityFlag.pass);
        }
      }
      if (flatLine !== undefined) {
        lowest = follows && sameCount > 0 ? Math.min(lowest, value) : value;
        highest = follows && sameCount > 0 ? Math.max(highest, value) : value;
        sameCount = follows && highest - lowest <= flatLine.tolerance + roundingOf(highest) ? sameCount + 1 : 1;
        if (sameCount === 1) lowest = highest = value;
        if (sameCount >= flatLine.failCount) mark(at, qualityFlag.fail);
        else if (sameCount >= flatLine.suspectCount) mark(at, qualityFlag.suspect);
        else if (row + 1 >= flatLine.suspectCount) mark(at, qualityFlag.pass);
      }
    }
  }
}

/** The flags of each row. Most rows are as the one above, and share an array with it. */
function flagsByRow(all: Uint8Array, rowCount: number, width: number): Uint8Array[] {
  const flags: Uint8Array[] = [];
  let last = all.slice(0, width);
  for (let row = 0; row < rowCount; row++) {
    const from = row * width;
    let field = 0;
    while (field < width && all[from + field] === last[field]) field++;
    if (field < width) last = all.slice(from, from + width);
    flags.push(last);
  }
  return flags;
}

/** What decimal digits lose in binary: 1.01 - 1 is a little more than 0.01. */
function roundingOf(value: number): number {
  return 4 * Number.EPSILON * Math.max(1, Math.abs(value));
}

function rangeFlag(value: number, sensor: QualityRule['sensorRange'], expected: QualityRule['expectedRange']): number {
  if (sensor !== undefined && (value < sensor[0] || value > sensor[1])) return qualityFlag.fail;
  if (expected !== undefined && (value < expected[0] || value > expected[1])) return qualityFlag.suspect;
  return qualityFlag.pass;
}

/** The digits of a text that is a plain number, with the sign. */
function plainInteger(text: string): number[] {
  const one = columnNumbers(1);
  readNumber(text, one, 0);
  return one.digits[0] === notNumber ? [] : [one.integers[0] as number];
}

/** Two rows of a table that lie further apart than its interval. */
export interface TimeGap {
  /** Microseconds since 1970 UTC: the last row before, and the first behind it. */
  readonly fromUs: number;
  readonly toUs: number;
  /** Records that a table of this interval has between them. */
  readonly missingRecords: number;
}

/** Where rows are missing between others (QARTOD test 1). Rows in order of time; `intervalUs` above 0. A row may come half an interval late. */
export function* timeGaps(rows: Iterable<{ readonly timeUs: number }>, intervalUs: number): IterableIterator<TimeGap> {
  let lastUs: number | undefined;
  for (const { timeUs } of rows) {
    if (lastUs !== undefined && timeUs - lastUs >= 1.5 * intervalUs) {
      yield { fromUs: lastUs, toUs: timeUs, missingRecords: Math.round((timeUs - lastUs) / intervalUs) - 1 };
    }
    lastUs = timeUs;
  }
}
