import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FieldDefinition } from '../../../src/formats/record-stream.ts';
import { type CheckedRow, QualityChecks, type QualityProfile, timeGaps, worseFlag } from '../../../src/observations/quality-checks.ts';
import { RowNumbers } from '../../../src/observations/row-numbers.ts';

const field = (name: string, kind: FieldDefinition['kind'] = 'number'): FieldDefinition => ({ name, unit: '', processing: '', kind });
const minuteUs = 60_000_000;

/** Flags of one column of values a minute apart. */
function flagsOf(profile: QualityProfile, values: readonly (string | null)[], timesUs?: readonly number[]): number[] {
  const rows = values.map((cell, index) => ({ timeUs: timesUs?.[index] ?? index * minuteUs, cells: [cell] }));
  return checked([field('T')], profile, rows).map(([flag]) => flag as number);
}

function checked(fields: readonly FieldDefinition[], profile: QualityProfile, rows: readonly CheckedRow[]): Uint8Array[] {
  const numbers = new RowNumbers();
  numbers.read(rows, fields.length);
  return new QualityChecks(fields, profile).check(rows, numbers);
}

const all = { fields: ['*'] };

describe('a value', () => {
  it('outside what the sensor can measure fails, outside what is expected is suspect, and both ends belong to a range', () => {
    const rules = [{ ...all, sensorRange: [-40, 60] as const, expectedRange: [-10, 30] as const }];
    expect(flagsOf({ rules }, ['-40.01', '-40', '-10', '0', '30', '30.1', '60', '61'])).toEqual([4, 3, 1, 1, 1, 3, 3, 4]);
  });

  it('is a spike by its distance from the middle of both neighbours, which the first and the last do not have', () => {
    const rules = [{ ...all, spike: { suspect: 2, fail: 5 } }];
    expect(flagsOf({ rules }, ['10', '10', '13', '10', '10'])).toEqual([2, 1, 3, 1, 2]);
    expect(flagsOf({ rules }, ['10', '10', '16', '10', '10'])).toEqual([2, 3, 4, 3, 2]);
  });

  it('that changed faster than a threshold a second is suspect', () => {
    const rules = [{ ...all, changePerSecond: 1 / 60 }];
    expect(flagsOf({ rules }, ['0', '1', '2.5', '2.5'])).toEqual([2, 1, 3, 1]);
    expect(flagsOf({ rules }, ['0', '2'], [0, 2 * minuteUs])).toEqual([2, 1]);
  });

  it('that stays where it was is suspect, then fails, and what comes behind begins anew', () => {
    const rules = [{ ...all, flatLine: { tolerance: 0.01, suspectCount: 3, failCount: 5 } }];
    expect(flagsOf({ rules }, ['1', '1', '1', '1.01', '1', '2', '2', '3'])).toEqual([2, 2, 3, 3, 4, 1, 1, 1]);
  });

  it('behind a gap has no neighbour', () => {
    const rules = [{ ...all, changePerSecond: 0.001, spike: { suspect: 1, fail: 2 } }];
    const times = [0, minuteUs, 20 * minuteUs, 21 * minuteUs];
    expect(flagsOf({ rules, gapUs: 10 * minuteUs }, ['0', '0', '9', '9'], times)).toEqual([2, 1, 2, 1]);
  });

  it('is missing where the cell is empty or NAN or was declared, and nothing else is guessed', () => {
    const rules = [{ ...all, sensorRange: [-9999, 9999] as const }];
    expect(flagsOf({ rules, missing: ['-7999'] }, [null, '', 'NAN', ' -7999 ', '-9999', '-6999'])).toEqual([9, 9, 9, 9, 1, 1]);
  });

  it('that is no number where one should be fails, once somebody has given a threshold', () => {
    expect(flagsOf({ rules: [{ ...all, sensorRange: [0, 99] }] }, ['abc', 'INF', '0x10', '1e1', '  ', '7'])).toEqual([4, 4, 4, 1, 9, 1]);
    expect(flagsOf({}, ['abc', 'INF', '7'])).toEqual([2, 2, 2]);
  });
});

it('a declared sentinel is missing however many others share its digits, and only as it is written', () => {
  const missing = ['-9999', ' 7', '1e3'];
  expect(flagsOf({ missing, rules: [] }, ['-9999', '-99.99', '-9999.0', '9999', ' -9999 ', '7', '1e3', '1000'])).toEqual([
    9, 2, 2, 2, 9, 2, 9, 2,
  ]);
});

it('rules hold for the columns they name, and never for text', () => {
  const fields = [field('A'), field('B'), field('Note', 'text')];
  const profile = {
    rules: [
      { fields: ['B'], sensorRange: [0, 1] as const },
      { fields: ['*'], flatLine: { tolerance: 0, suspectCount: 2, failCount: 300 } },
    ],
  };
  const flags = checked(fields, profile, [
    { timeUs: 0, cells: ['5', '5', '5'] },
    { timeUs: 1, cells: ['5', '0', null] },
  ]);
  expect(flags.map((each) => [...each])).toEqual([
    [2, 4, 2],
    [3, 1, 9],
  ]);
  expect(new QualityChecks(fields, profile).contextRows).toBe(300);
});

it('of two flags the worse stands, in whatever order they are heard of', () => {
  const flag = fc.constantFrom(1, 2, 3, 4, 9);
  fc.assert(
    fc.property(flag, flag, flag, (a, b, c) => {
      expect(worseFlag(a, b)).toBe(worseFlag(b, a));
      expect(worseFlag(worseFlag(a, b), c)).toBe(worseFlag(a, worseFlag(b, c)));
      expect(worseFlag(a, 2)).toBe(a);
    }),
    { seed: 7 },
  );
});

it('rows that are missing between others are counted, and one that is late is not', () => {
  const rows = [0, 1, 2.2, 5, 6].map((minutes) => ({ timeUs: minutes * minuteUs }));
  expect([...timeGaps(rows, minuteUs)]).toEqual([{ fromUs: 2.2 * minuteUs, toUs: 5 * minuteUs, missingRecords: 2 }]);
  expect([...timeGaps([], minuteUs)]).toEqual([]);
});
