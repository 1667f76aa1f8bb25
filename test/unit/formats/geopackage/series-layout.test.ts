import { describe, expect, it } from 'vitest';
import { type GeopackageLayout, geopackageLayout, rowValues } from '../../../../src/formats/geopackage/series-layout.ts';
import type { SeriesTable } from '../../../../src/formats/series-table.ts';
import { exportOptions, field, firstUs, row, tableOf, weatherTable } from '../sample-series.ts';
import { surveyOf } from '../survey.ts';

function layoutOf(...tables: SeriesTable[]): GeopackageLayout {
  return geopackageLayout(tables, tables.map(surveyOf), exportOptions);
}

function insertsInto(table: string, layout: GeopackageLayout): (readonly unknown[])[] {
  return layout.statements.filter(({ sql }) => sql.startsWith(`INSERT INTO ${table} `)).map(({ values }) => values);
}

describe('tables', () => {
  it('are named after station and table, differ, and leave alone what others keep for themselves', () => {
    const named = (name: string, table: string) => weatherTable({ station: { identifier: name, name }, table });
    const names = layoutOf(
      named('Upper lake', 'T'),
      named('Upper lake', 't'),
      named('rtree', 'x'),
      named('GPKG', 'y'),
      named('', 'series'),
    ).series;
    expect(names.map(({ name }) => name)).toEqual(['Upper_lake_T', 'Upper_lake_t_2', 'table_rtree_x', 'table_GPKG_y', 'series_2']);
  });

  it('are all listed in the contents, with the time of the export', () => {
    const contents = insertsInto('gpkg_contents', layoutOf(weatherTable()));
    expect(contents.map(([name, type]) => [name, type])).toEqual([
      ['stations', 'features'],
      ['series', 'attributes'],
      ['Upper_lake_TenMin', 'attributes'],
    ]);
    for (const values of contents) expect(values[4]).toBe('2026-03-01T12:00:00.000Z');
  });

  it('hold words where a column of numbers has nothing but words', () => {
    const layout = layoutOf(tableOf([field('x'), field('y')], [row(0, ['Open', '1'])]));
    expect(layout.statements.find(({ sql }) => sql.startsWith('CREATE TABLE "Upper_lake_TenMin"'))?.sql).toMatch(/"x" TEXT,.*"y" REAL,/s);
    expect(rowValues(layout.series[0]!, row(0, ['Open', '1']), 0)).toMatchObject({
      unreadableCells: 0,
      values: [1, expect.anything(), firstUs, null, 'Open', 1, 1, 1],
    });
  });

  it('are refused when SQLite cannot have that many columns', () => {
    const fields = (count: number) => Array.from({ length: count }, (_, index) => field(`f${index}`));
    expect(() => layoutOf(tableOf(fields(991), []))).toThrow(
      expect.objectContaining({ code: 'EXPORT_FAILED', message: expect.stringContaining('NetCDF') }),
    );
    expect(() => layoutOf(tableOf(fields(990), []))).not.toThrow();
  });
});

describe('stations', () => {
  it('say how they were found, in which datum, how exactly and when', () => {
    const found = { positionMethod: 'gnss', positionDatum: 'ED50', positionAccuracyM: 4, positionInstantUs: 1_700_000_000_000_000 };
    const station = { identifier: 's', name: 'S', latitude: 46, longitude: 8, ...found };
    const layout = layoutOf(weatherTable({ station }));
    expect(insertsInto('stations', layout)[0]!.slice(5)).toEqual(['gnss', 'ED50', 4, '2023-11-14T22:13:20.000Z']);
  });

  const at = (identifier: string, latitude?: number) =>
    weatherTable({ station: { identifier, name: identifier, ...(latitude === undefined ? {} : { latitude, longitude: 8 }) } });

  it('appear once each, with the position that any of their tables knows', () => {
    const layout = layoutOf(at('a'), at('b', 46), at('a', 47), at('a', 48));
    const stations = insertsInto('stations', layout);
    expect(stations.map(([fid, , identifier]) => [fid, identifier])).toEqual([
      [1, 'a'],
      [2, 'b'],
    ]);
    expect(new DataView((stations[0]![1] as Uint8Array).buffer).getFloat64(21, true)).toBe(47);
    expect(layout.series.map(({ stationFid }) => stationFid)).toEqual([1, 2, 1, 1]);
  });

  it('have no geometry and no bounds where no position is known', () => {
    const layout = layoutOf(at('a'));
    expect(insertsInto('stations', layout)[0]![1]).toBeNull();
    expect(layout.statements.some(({ sql }) => sql.startsWith('UPDATE gpkg_contents'))).toBe(false);
  });
});

describe('columns', () => {
  const layout = layoutOf(weatherTable());

  it('are described with name, unit and processing as found, and flags with their meanings', () => {
    const described = insertsInto('gpkg_data_columns', layout);
    expect(described[0]).toEqual([
      'Upper_lake_TenMin',
      'AirT_C_1',
      'AirT_C(1)',
      'unit: Deg C; processing: Avg; standard name: air_temperature; sensor serial number: T-77',
      null,
    ]);
    expect(described[1]).toEqual(['Upper_lake_TenMin', 'AirT_C_1_qc', 'quality of AirT_C(1)', 'QARTOD flag', 'qartod_flag']);
  });

  it('never take the names of the fixed columns', () => {
    const clash = layoutOf(tableOf([field('FID'), field('time'), field('x'), field('x_qc')], []));
    expect(clash.series[0]!.insertSql).toContain('"FID_2", "FID_2_qc", "time_2", "time_2_qc", "x", "x_qc", "x_qc_2", "x_qc_2_qc"');
  });
});

describe('rows', () => {
  const table = weatherTable();
  const series = layoutOf(table).series[0]!;
  const values = [...table.rows()].map((one, index) => rowValues(series, one, index));

  it('begin with station, time to the millisecond, time to the microsecond and record number', () => {
    expect(values[0]!.values.slice(0, 4)).toEqual([1, '2026-02-28T00:00:00.000Z', firstUs, 100]);
    const fine = rowValues(series, row(0, ['1', '1', '', '0', ''], { timeUs: firstUs + 1_999 }), 0);
    expect(fine.values.slice(0, 4)).toEqual([1, '2026-02-28T00:00:00.001Z', firstUs + 1_999, null]);
  });

  it('hold a value and a flag for each field, missing and unreadable ones NULL', () => {
    const cells = values.map((one) => one.values.slice(4));
    expect(cells[0]).toEqual([-0.5, 1, 0, 1, 'grün', 1, 1, 1, '2026-02-28 00:03:10', 1]);
    expect(cells[1]).toEqual([null, 9, Number.POSITIVE_INFINITY, 3, null, 9, 0, 1, null, 9]);
    expect(cells[2]).toEqual([null, 4, 1.25, 1, 'a longer status', 2, null, 4, '', 1]);
    expect(values.map(({ unreadableCells }) => unreadableCells)).toEqual([0, 0, 2, 0]);
  });

  it('that do not fit stop the export', () => {
    expect(() => rowValues(series, row(0, ['1']), 0)).toThrow(expect.objectContaining({ code: 'EXPORT_FAILED' }));
  });
});
