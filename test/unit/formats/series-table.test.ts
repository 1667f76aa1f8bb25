import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cellBoolean, cellNumber, checkRow, checkRowCount, isoInstant, plainNames } from '../../../src/formats/series-table.ts';
import { field, row, tableOf } from './sample-series.ts';

describe('the number a cell means', () => {
  it('is that of its digits, blanks around them aside', () => {
    for (const [cell, value] of [
      ['-0.50', -0.5],
      [' 12 ', 12],
      ['+3.', 3],
      ['.5', 0.5],
      ['1.5E-3', 0.0015],
      ['4294967295', 4_294_967_295],
    ] as const) {
      expect(cellNumber(cell), cell).toBe(value);
    }
  });

  it('is missing for an empty cell and for every way of writing NaN', () => {
    for (const cell of [null, '', '  ', 'NAN', 'nan', '-nan', '1.#QNAN', '-1.#IND']) expect(cellNumber(cell), String(cell)).toBeNaN();
  });

  it('is infinite where the logger says so', () => {
    for (const cell of ['INF', '+INF', 'inf', '1.#INF']) expect(cellNumber(cell), cell).toBe(Number.POSITIVE_INFINITY);
    for (const cell of ['-INF', '-1.#INF']) expect(cellNumber(cell), cell).toBe(Number.NEGATIVE_INFINITY);
  });

  it('is undefined for text that is no decimal number', () => {
    for (const cell of ['broken', '0x1F', '1,5', '1_000', '1 2', '-', 'e', '12V', '2026-02-28'])
      expect(cellNumber(cell), cell).toBeUndefined();
  });

  it('survives being written as text', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(cellNumber(String(value))).toBe(value === 0 ? Number(String(value)) : value);
      }),
      { seed: 1 },
    );
  });
});

it('reads truth as Campbell loggers, programs and people write it', () => {
  for (const cell of ['-1', '1', 'true', 'TRUE', ' True ']) expect(cellBoolean(cell), cell).toBe(1);
  for (const cell of ['0', 'false', 'FALSE', '0.0']) expect(cellBoolean(cell), cell).toBe(0);
  for (const cell of [null, '', 'NAN']) expect(cellBoolean(cell), String(cell)).toBeNaN();
  expect(cellBoolean('maybe')).toBeUndefined();
});

describe('a row that does not fit its table', () => {
  const table = tableOf([field('a'), field('b')], []);

  it('stops the export, whatever does not fit', () => {
    const misfits = [
      row(0, ['1']),
      row(0, ['1', '2', '3']),
      row(0, ['1', '2'], { flags: new Uint8Array(1) }),
      row(0, ['1', '2'], { timeUs: 0.5 }),
    ];
    for (const misfit of misfits)
      expect(() => checkRow(table, misfit, 6)).toThrow(
        expect.objectContaining({ code: 'EXPORT_FAILED', message: expect.stringContaining('Row 7') }),
      );
    expect(() => checkRow(table, row(0, ['1', '2']), 0)).not.toThrow();
  });

  it('a wrong number of rows stops it too, and may be tried again', () => {
    expect(() => checkRowCount(table, 1)).toThrow(expect.objectContaining({ code: 'EXPORT_FAILED', retryable: true }));
    expect(() => checkRowCount(table, 0)).not.toThrow();
  });
});

describe('plain names', () => {
  it('keep what is usable and replace the rest', () => {
    expect(plainNames(['AirT_C(42)', 'Température', 'µS/cm', '5min', '  ', 'Δ', '_x_'], [])).toEqual([
      'AirT_C_42',
      'Temperature',
      'uS_cm',
      'n5min',
      'unnamed',
      'unnamed_2',
      'x',
    ]);
  });

  it('give way to reserved names and to companions, whatever the case', () => {
    expect(plainNames(['Time', 'T', 'T_qc', 't'], ['time'], ['_qc'])).toEqual(['Time_2', 'T', 'T_qc_2', 't_2']);
  });

  it('are all different and all plain, for any names', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme', maxLength: 120 }), { maxLength: 40 }), (names) => {
        const plain = plainNames(names, ['time'], ['_qc']);
        const taken = ['time', ...plain.flatMap((name) => [name.toLowerCase(), `${name.toLowerCase()}_qc`])];
        expect(new Set(taken).size).toBe(taken.length);
        for (const name of plain) expect(name).toMatch(/^[A-Za-z][A-Za-z0-9_]{0,105}$/);
      }),
      { seed: 2 },
    );
  });
});

describe('an instant as text', () => {
  it('has as many digits behind the second as asked for, the rest cut off', () => {
    expect(isoInstant(1_709_164_799_999_999, 0)).toBe('2024-02-28T23:59:59Z');
    expect(isoInstant(1_709_164_799_999_999, 3)).toBe('2024-02-28T23:59:59.999Z');
    expect(isoInstant(1_709_164_800_000_007, 6)).toBe('2024-02-29T00:00:00.000007Z');
  });

  it('agrees with the calendar of the platform as far as microseconds can be counted', () => {
    const yearsMs = Math.floor(Number.MAX_SAFE_INTEGER / 1000);
    fc.assert(
      fc.property(fc.integer({ min: -yearsMs, max: yearsMs }), (ms) => {
        expect(isoInstant(ms * 1000, 3)).toBe(new Date(ms).toISOString());
      }),
      { seed: 3, numRuns: 1000 },
    );
  });
});
