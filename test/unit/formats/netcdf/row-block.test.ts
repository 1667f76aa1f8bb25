import { describe, expect, it } from 'vitest';
import { cfModel } from '../../../../src/formats/netcdf/cf-model.ts';
import { fillByte, fillDouble, fillInt64, type NetcdfGroup, rowsPerBlock } from '../../../../src/formats/netcdf/netcdf-model.ts';
import { RowBlock } from '../../../../src/formats/netcdf/row-block.ts';
import type { SeriesTable } from '../../../../src/formats/series-table.ts';
import { exportOptions, field, firstUs, row, tableOf, tenMinutesUs, weatherTable } from '../sample-series.ts';
import { surveyOf } from '../survey.ts';

function groupOf(table: SeriesTable): NetcdfGroup {
  return cfModel([table], [surveyOf(table)], exportOptions).groups[0]!;
}

function columnsOf(block: RowBlock): Record<string, unknown[]> {
  return Object.fromEntries([...block.columns()].map(({ variable, values }) => [variable.name, Array.from<unknown>(values)]));
}

function filled(table: SeriesTable): RowBlock {
  const block = new RowBlock(groupOf(table));
  for (const row of table.rows()) block.add(row);
  return block;
}

describe('rows as columns', () => {
  const columns = columnsOf(filled(weatherTable()));

  it('turn stamps into seconds that round back to the microsecond', () => {
    expect(columns.time).toEqual([0, 1, 2, 3].map((index) => (firstUs + index * tenMinutesUs) / 1e6));
    const odd = filled(tableOf([field('x')], [row(0, ['1'], { timeUs: 1_772_236_800_123_457 })]));
    expect(Math.round((columnsOf(odd).time![0] as number) * 1e6)).toBe(1_772_236_800_123_457);
  });

  it('end the interval at the stamp', () => {
    expect(columns.time_bnds!.slice(0, 4)).toEqual([-1, 0, 0, 1].map((index) => (firstUs + index * tenMinutesUs) / 1e6));
  });

  it('hold numbers, infinities, and the fill value for what is missing or unreadable', () => {
    expect(columns.AirT_C_1).toEqual([-0.5, fillDouble, fillDouble, fillDouble]);
    expect(columns.Rain).toEqual([0, Number.POSITIVE_INFINITY, 1.25, Number.NEGATIVE_INFINITY]);
  });

  it('hold truth as 0 and 1', () => {
    expect(columns.DoorOpen).toEqual([1, 0, fillByte, fillByte]);
  });

  it('hold flags as they were given', () => {
    expect(columns.AirT_C_1_qc).toEqual([1, 9, 4, 1]);
    expect(columns.Status_qc).toEqual([1, 9, 2, 1]);
  });

  it('hold record numbers, and the fill value where a row has none', () => {
    expect(columns.record_number).toEqual([100n, 101n, 102n, 103n]);
    const some = filled(tableOf([field('x')], [row(0, ['1'], { recordNumber: 4_294_967_295 }), row(1, ['2'])]));
    expect(columnsOf(some).record_number).toEqual([4_294_967_295n, fillInt64]);
  });

  it('hold texts in UTF-8, padded with NUL and with none inside', () => {
    const text = (bytes: readonly unknown[], index: number) =>
      new TextDecoder().decode(Uint8Array.from(bytes.slice(index * 15, index * 15 + 15) as number[]));
    expect(text(columns.Status!, 0)).toBe(`grün${'\0'.repeat(10)}`);
    expect(text(columns.Status!, 1)).toBe('\0'.repeat(15));
    expect(text(columns.Status!, 2)).toBe('a longer status');
    const nul = filled(tableOf([field('t', { kind: 'text' })], [row(0, ['a\0b'])]));
    expect(columnsOf(nul).t).toEqual([0x61, 0x62, 0]);
  });
});

describe('a block', () => {
  it('is filled again after it was cleared, with nothing left of the rows before', () => {
    const table = tableOf([field('t', { kind: 'text' })], [row(0, ['long text']), row(1, ['x'])]);
    const block = new RowBlock(groupOf(table));
    block.add(row(0, ['long text']));
    block.clear();
    expect([block.length, block.rowsBefore]).toEqual([0, 1]);
    block.add(row(1, ['x']));
    expect([block.length, block.rowsBefore]).toEqual([1, 1]);
    expect(columnsOf(block).t).toEqual([0x78, 0, 0, 0, 0, 0, 0, 0, 0]);
  });

  it('counts the cells it could not read, variable by variable', () => {
    const unreadable = filled(weatherTable()).unreadable();
    expect(unreadable.map(({ variable, cells }) => [variable.name, cells])).toEqual([
      ['AirT_C_1', 1],
      ['DoorOpen', 1],
    ]);
  });

  it('refuses a text that is longer than the survey saw, rather than cut it off', () => {
    const block = new RowBlock(groupOf(tableOf([field('t', { kind: 'text' })], [row(0, ['ab'])])));
    expect(() => block.add(row(0, ['abc']))).toThrow(expect.objectContaining({ code: 'EXPORT_FAILED', retryable: true }));
  });

  it('refuses a row that does not fit, and counts it as a person would', () => {
    const block = new RowBlock(groupOf(tableOf([field('x')], [row(0, ['1'])])));
    block.add(row(0, ['1']));
    block.clear();
    expect(() => block.add(row(1, []))).toThrow('Row 2');
  });
});

describe('the rows of a block', () => {
  const wide = (fields: number, rowCount: number) => {
    const table = tableOf(
      Array.from({ length: fields }, (_, index) => field(`f${index}`)),
      [],
    );
    return rowsPerBlock({ ...groupOf(table), table: { ...table, rowCount } });
  };

  it('are all rows of a short table, and at least one', () => {
    expect(wide(3, 100)).toBe(100);
    expect(wide(3, 0)).toBe(1);
  });

  it('never take much more than 8 MiB, however wide the table', () => {
    expect(wide(3, 1e7)).toBe(8192);
    for (const fields of [200, 1000, 4096]) {
      const rows = wide(fields, 1e7);
      expect(rows * (fields * 9 + 8)).toBeLessThanOrEqual(8 * 1024 * 1024);
      expect(rows * (fields * 9 + 8)).toBeGreaterThan(7 * 1024 * 1024);
    }
  });

  it('are few where a text is huge', () => {
    const table = tableOf([field('t', { kind: 'text' })], [row(0, ['x'.repeat(3_000_000)])], { rowCount: 1000 });
    expect(rowsPerBlock(groupOf(table))).toBe(2);
  });
});
