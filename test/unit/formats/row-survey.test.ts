import fc from 'fast-check';
import { expect, it } from 'vitest';
import { RowSurveyor } from '../../../src/formats/row-survey.ts';
import { field, firstUs, row, tableOf, tenMinutesUs, weatherTable } from './sample-series.ts';
import { surveyOf } from './survey.ts';

it('measures texts in UTF-8 bytes and leaves numbers alone', () => {
  expect(surveyOf(weatherTable()).textBytesMax).toEqual([0, 0, 'a longer status'.length, 0, '2026-02-28 00:03:10'.length]);
  const text = tableOf([field('t', { kind: 'text' })], [row(0, ['grün']), row(1, ['four']), row(2, [null])]);
  expect(surveyOf(text).textBytesMax).toEqual([5]);
});

it('finds the widest text in any order', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme', maxLength: 20 }), { maxLength: 12 }), (texts) => {
      const table = tableOf(
        [field('t', { kind: 'text' })],
        texts.map((text, index) => row(index, [text])),
      );
      expect(surveyOf(table).textBytesMax[0]).toBe(Math.max(0, ...texts.map((text) => new TextEncoder().encode(text).length)));
    }),
    { seed: 4 },
  );
});

it('spans from the earliest to the latest stamp and notices when a clock stood still or went back', () => {
  const fields = [field('x')];
  const survey = surveyOf(tableOf(fields, [row(3, ['1']), row(1, ['1']), row(5, ['1'])]));
  expect(survey.timeRangeUs).toEqual({ earliest: firstUs + tenMinutesUs, latest: firstUs + 5 * tenMinutesUs });
  expect(survey.strictlyIncreasing).toBe(false);
  expect(surveyOf(tableOf(fields, [row(1, ['1']), row(1, ['1'])])).strictlyIncreasing).toBe(false);
  expect(surveyOf(tableOf(fields, [row(1, ['1']), row(2, ['1'])])).strictlyIncreasing).toBe(true);
});

it('knows no times of a table without rows', () => {
  expect(surveyOf(tableOf([field('x')], []))).toEqual({
    rowCount: 0,
    fields: [field('x')],
    strictlyIncreasing: true,
    hasRecordNumbers: false,
    textBytesMax: [0],
  });
});

it('notices record numbers on any row', () => {
  const rows = [row(0, ['1']), row(1, ['1'], { recordNumber: 7 }), row(2, ['1'])];
  expect(surveyOf(tableOf([field('x')], rows)).hasRecordNumbers).toBe(true);
  expect(surveyOf(tableOf([field('x')], rows.slice(0, 1))).hasRecordNumbers).toBe(false);
});

it('stops at a row that does not fit', () => {
  const surveyor = new RowSurveyor(tableOf([field('x')], []));
  expect(() => surveyor.add(row(0, ['1', '2']))).toThrow(expect.objectContaining({ code: 'EXPORT_FAILED' }));
});

it('takes a column of numbers that holds words and not one number for text', () => {
  const kinds = (...cells: (string | null)[]) => {
    const survey = surveyOf(
      tableOf(
        [field('x')],
        cells.map((cell, index) => row(index, [cell])),
      ),
    );
    return [survey.fields[0]!.kind, survey.textBytesMax[0]];
  };
  expect(kinds('NAN', 'Open', null, 'closed')).toEqual(['text', 6]);
  expect(kinds('Open', '1.5', 'a much longer word')).toEqual(['number', 0]);
  expect(kinds('1.5', 'Open')).toEqual(['number', 0]);
  expect(kinds('NAN', null, '')).toEqual(['number', 0]);
});
