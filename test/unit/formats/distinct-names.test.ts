import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { distinctNames } from '../../../src/formats/distinct-names.ts';

describe('names of columns', () => {
  it.each([
    [['a', 'b'], [], ['a', 'b']],
    [['a', 'a', 'b', 'a'], [], ['a', 'a (2)', 'b', 'a (4)']],
    [
      ['a', 'a'],
      ['7', '8'],
      ['a (7)', 'a (8)'],
    ],
    [
      ['a', 'a', 'a'],
      ['7', '7', ''],
      ['a', 'a (2)', 'a (3)'],
    ],
    [
      ['a', 'b'],
      ['7', '7'],
      ['a', 'b'],
    ],
    [['', 'x', ''], [], ['column 1', 'x', 'column 3']],
    [['a', 'a (3)', 'a'], [], ['a', 'a (3)', 'a (4)']],
  ])('%j with the marks %j become %j', (names, marks, expected) => {
    expect(distinctNames(names, marks)).toEqual(expected);
  });

  it('are all different and never empty', () => {
    const name = fc.constantFrom('', 'a', 'a (1)', 'a (2)', 'column 1', '(2)');
    fc.assert(
      fc.property(fc.array(fc.tuple(name, fc.constantFrom('', '1', '2')), { maxLength: 12 }), (columns) => {
        const distinct = distinctNames(
          columns.map(([text]) => text),
          columns.map(([, mark]) => mark),
        );
        expect(new Set(distinct).size).toBe(columns.length);
        expect(distinct).not.toContain('');
      }),
      { seed: 7, numRuns: 500 },
    );
  });
});
