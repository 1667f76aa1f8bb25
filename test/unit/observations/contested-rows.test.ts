import { describe, expect, it } from 'vitest';
import { withContested } from '../../../src/observations/contested-rows.ts';
import type { StoredRow } from '../../../src/observations/row-store.ts';

const row = (timeUs: number, cells: readonly string[], more: Partial<StoredRow> = {}): StoredRow => ({ timeUs, cells, ...more });
const flagsOf = (rows: readonly StoredRow[], hasInterval = true) =>
  [...withContested(rows, hasInterval)].map(({ flags }) => flags && [...flags]);

describe('rows of one stamp', () => {
  it('are suspect where they differ, by the side of what checks said', () => {
    const checked = { flags: Uint8Array.of(1, 4, 9) };
    const rows = [row(1, ['a', 'b', 'c']), row(2, ['a', 'b', 'c'], checked), row(2, ['a', 'x', 'y']), row(3, ['a', 'b', 'c'], checked)];
    expect(flagsOf(rows)).toEqual([undefined, [1, 4, 9], [2, 3, 3], [1, 4, 9]]);
  });

  it('are judged by their record numbers in any table, and without numbers only where there is one row a stamp', () => {
    const numbered = [row(1, ['a'], { recordNumber: 5 }), row(1, ['b'], { recordNumber: 5 }), row(1, ['c'], { recordNumber: 6 })];
    expect(flagsOf(numbered, false)).toEqual([[3], [3], undefined]);
    expect(flagsOf([row(1, ['a']), row(1, ['b'])], false)).toEqual([undefined, undefined]);
  });

  it('are no readers who disagree when there are very many', () => {
    for (const count of [2, 16, 17, 40]) {
      const rows = Array.from({ length: count }, (_, at) => row(7, [`${at}`]));
      expect(flagsOf([row(6, ['a']), ...rows, row(8, ['a'])])).toEqual([
        undefined,
        ...rows.map(() => (count > 16 ? undefined : [3])),
        undefined,
      ]);
      expect([...withContested(rows, true)].map(({ cells }) => cells)).toEqual(rows.map(({ cells }) => cells));
    }
  });
});
