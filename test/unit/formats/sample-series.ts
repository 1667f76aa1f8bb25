import type { WallMs } from '../../../src/core/time.ts';
import type { SeriesField, SeriesRow, SeriesTable } from '../../../src/formats/series-table.ts';

/** The wall clock of every export in these tests: 2026-03-01T12:00:00Z. */
export const exportOptions = { createdMs: 1_772_366_400_000 as WallMs };

/** 2026-02-28T00:00:00Z in microseconds. */
export const firstUs = 1_772_236_800_000_000;
export const tenMinutesUs = 600_000_000;

export function field(name: string, more: Partial<SeriesField> = {}): SeriesField {
  return { name, unit: '', processing: '', kind: 'number', ...more };
}

/** A row ten minutes after the one before it, with flag 1 everywhere. */
export function row(index: number, cells: readonly (string | null)[], more: Partial<SeriesRow> = {}): SeriesRow {
  return { timeUs: firstUs + index * tenMinutesUs, cells, flags: new Uint8Array(cells.length).fill(1), ...more };
}

/** A table with these rows; the first rows' width decides nothing, so tables that do not fit can be made too. */
export function tableOf(fields: readonly SeriesField[], rows: readonly SeriesRow[], more: Partial<SeriesTable> = {}): SeriesTable {
  return {
    station: { identifier: 'lake-1', name: 'Upper lake', latitude: 46.5, longitude: 8.25, altitudeM: 2310, positionMethod: 'survey' },
    table: 'TenMin',
    format: 'toa5',
    loggerModel: 'CR1000X',
    loggerSerial: '4711',
    fields,
    rowCount: rows.length,
    attributes: { program: 'CPU:lake.CR1X', signature: '12342' },
    rows: () => rows,
    ...more,
  };
}

/** Every kind of field and every special cell, in four rows. */
export function weatherTable(more: Partial<SeriesTable> = {}): SeriesTable {
  return tableOf(
    [
      field('AirT_C(1)', { unit: 'Deg C', processing: 'Avg', standardName: 'air_temperature', sensorSerial: 'T-77' }),
      field('Rain', { unit: 'mm', processing: 'Tot' }),
      field('Status', { kind: 'text', processing: 'Smp' }),
      field('DoorOpen', { kind: 'boolean', processing: 'Smp' }),
      field('AirT_TMx', { kind: 'time', processing: 'TMx' }),
    ],
    [
      row(0, ['-0.50', '0', 'grün', '-1', '2026-02-28 00:03:10'], { recordNumber: 100 }),
      row(1, ['NAN', 'INF', null, '0', null], { recordNumber: 101, flags: Uint8Array.of(9, 3, 9, 1, 9) }),
      row(2, ['broken', '1.25', 'a longer status', 'maybe', ''], { recordNumber: 102, flags: Uint8Array.of(4, 1, 2, 4, 1) }),
      row(3, [null, '-INF', 'ok', null, ''], { recordNumber: 103 }),
    ],
    { intervalUs: tenMinutesUs, ...more },
  );
}
