import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cellNumber, type SeriesRow, type SeriesTable } from '../../src/formats/series-table.ts';
import { toa5Format } from '../../src/formats/toa5/toa5-format.ts';
import { writeGeopackage } from '../../src/runtime/geopackage-file.ts';
import { writeNetcdf } from '../../src/runtime/netcdf-file.ts';
import { sampleFolder } from '../unit/formats/reading.ts';
import { exportOptions, field, row, tableOf, weatherTable } from '../unit/formats/sample-series.ts';

/** The reference programs of the formats: Unidata's (Debian package netcdf-bin) and GDAL's (gdal-bin). Without them tests are skipped, except in CI. */
function without(program: string): boolean {
  const skip = spawnSync(program).error !== undefined && process.env.CI !== 'true';
  if (skip) process.emitWarning(`skipped: the program ${program} is not on this machine`);
  return skip;
}

function output(program: string, ...parameters: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, parameters, { encoding: 'utf8', maxBuffer: 1 << 28 });
  expect([error, status, stderr]).toEqual([undefined, 0, '']);
  return stdout;
}

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'godwit-readers-'));
});
afterAll(() => rm(directory, { recursive: true }));

async function netcdf(name: string, ...tables: SeriesTable[]): Promise<string> {
  const path = join(directory, name);
  await writeNetcdf(path, tables, exportOptions);
  return path;
}

/** The table of a TOA5 sample, its stamps taken as UTC. */
function toa5Table(bytes: Uint8Array): SeriesTable {
  const reader = toa5Format.reader();
  const items = [...reader.push(bytes), ...reader.end({ complete: true })];
  const table = items.find((item) => item.type === 'table')!.table;
  const rows = items
    .filter((item) => item.type === 'record')
    .map(({ stamp, cells, recordNumber }): SeriesRow => {
      return {
        timeUs: stamp.localUs,
        cells,
        flags: new Uint8Array(cells.length).fill(2),
        ...(recordNumber === undefined ? {} : { recordNumber }),
      };
    });
  return tableOf(table.fields, rows, { table: table.table, attributes: table.attributes, intervalUs: 60e6 });
}

describe.skipIf(without('ncdump'))('a NetCDF file, to the programs of NetCDF,', () => {
  /** The values that ncdump prints for a variable, its fill value as `_`. */
  function values(path: string, variable: string): string[] {
    const data = output('ncdump', '-v', variable, '-p', '9,17', path).split('data:')[1]!;
    const list = /=([^;]*);/.exec(data)![1]!;
    return list
      .split(',')
      .map((value) => value.trim())
      .filter((value) => value !== '');
  }

  it('is a NetCDF-4 file with an unlimited time and everything tied to it', async () => {
    const path = await netcdf('weather.nc', weatherTable());
    expect(output('ncdump', '-k', path).trim()).toBe('netCDF-4');
    const header = output('ncdump', '-h', path);
    for (const line of [
      'time = UNLIMITED ; // (4 currently)',
      'double time(time) ;',
      'double time_bnds(time, bnds) ;',
      'double AirT_C_1(time) ;',
      'byte AirT_C_1_qc(time) ;',
      'char Status(time, string15) ;',
      'AirT_C_1:units = "degree_Celsius" ;',
      'AirT_C_1:cell_methods = "time: mean" ;',
      'AirT_C_1_qc:flag_values = 1b, 2b, 3b, 4b, 9b ;',
      'station:cf_role = "timeseries_id" ;',
      ':Conventions = "CF-1.11, ACDD-1.3" ;',
      ':featureType = "timeSeries" ;',
    ]) {
      expect(header).toContain(line);
    }
  });

  it('holds the values, missing ones as missing, times as dates', async () => {
    const path = await netcdf('values.nc', weatherTable());
    expect(values(path, 'AirT_C_1')).toEqual(['-0.5', '_', '_', '_']);
    expect(values(path, 'Rain')).toEqual(['0', 'Infinity', '1.25', '-Infinity']);
    expect(values(path, 'DoorOpen')).toEqual(['1', '0', '_', '_']);
    expect(values(path, 'record_number')).toEqual(['100', '101', '102', '103']);
    expect(values(path, 'station')).toEqual(['"lake-1"']);
    expect(output('ncdump', '-t', '-v', 'time', path)).toContain('"2026-02-28", "2026-02-28 00:10", "2026-02-28 00:20"');
  });

  it('can be copied as a whole, groups, compressed texts and rows out of order included', async () => {
    const backwards = weatherTable({ table: 'Back', rows: () => [...weatherTable().rows()].toReversed() });
    const path = await netcdf('groups.nc', weatherTable(), backwards, weatherTable({ table: 'None', rowCount: 0, rows: () => [] }));
    const copy = join(directory, 'copy.nc');
    output('nccopy', path, copy);
    const text = output('ncdump', path);
    expect(output('ncdump', '-n', 'groups', copy)).toBe(text);
    for (const line of [
      'group: Upper_lake_TenMin {',
      'obs = UNLIMITED ; // (4 currently)',
      'double time(obs) ;',
      'time = UNLIMITED ; // (0 currently)',
    ]) {
      expect(text).toContain(line);
    }
  });

  it('stays readable with 600 fields', async () => {
    const fields = Array.from({ length: 600 }, (_, index) => field(`f(${index})`, { processing: 'Avg' }));
    const path = await netcdf(
      'wide.nc',
      tableOf(fields, [
        row(
          0,
          fields.map((_, index) => String(index)),
        ),
      ]),
    );
    expect(values(path, 'f_599')).toEqual(['599']);
    expect(output('ncdump', '-h', path).match(/double f_\d+\(time\)/g)).toHaveLength(600);
  });

  const toa5 = sampleFolder('toa5');
  it.skipIf(toa5.skip)('equals the TOA5 file it was made from, cell for cell', async () => {
    const table = toa5Table(toa5.read('cr3000_grow4.dat'));
    expect(table.rowCount).toBeGreaterThan(100);
    const path = await netcdf('toa5.nc', table);
    const rows = [...table.rows()];
    for (const index of [0, 7, 33, table.fields.length - 1]) {
      const name = table.fields[index]!.name.replaceAll(/_+/g, '_');
      expect(values(path, name).map(Number), name).toEqual(rows.map(({ cells }) => cellNumber(cells[index]!)));
    }
    expect(values(path, 'time').map(Number)).toEqual(rows.map(({ timeUs }) => timeUs / 1e6));
    expect(values(path, 'record_number').map(Number)).toEqual(rows.map(({ recordNumber }) => recordNumber));
  });
});

describe.skipIf(without('ogrinfo'))('an export, to GDAL,', () => {
  it('as a GeoPackage is a layer of stations and a table for each table, with flags explained', async () => {
    const path = join(directory, 'stations.gpkg');
    const unplaced = weatherTable({ station: { identifier: 'ridge', name: 'Ridge' }, table: 'Daily' });
    await writeGeopackage(path, [weatherTable(), unplaced], exportOptions);
    const text = output('ogrinfo', '-al', path);
    for (const line of [
      "using driver `GPKG' successful",
      'Layer name: stations',
      'Geometry: Point',
      'Extent: (8.250000, 46.500000) - (8.250000, 46.500000)',
      'POINT (8.25 46.5)',
      'ID["EPSG",4326]',
      'Layer name: Ridge_Daily',
      'time: DateTime (0.0) NOT NULL',
      'AirT_C_1: Real (0.0)',
      'AirT_C_1_qc: Integer (0.0) NOT NULL, domain name=qartod_flag',
      'DoorOpen: Integer(Boolean) (0.0)',
      'time (DateTime) = 2026/02/28 00:10:00+00',
      'AirT_C_1 (Real) = (null)',
      'Status (String) = grün',
    ]) {
      expect(text).toContain(line);
    }
    expect(text.match(/Feature Count: (\d+)/g)).toEqual(['2', '2', '4', '4'].map((count) => `Feature Count: ${count}`));
    expect(
      output('ogrinfo', '-q', path, '-sql', "SELECT count(*) AS n FROM Upper_lake_TenMin WHERE time > '2026-02-28T00:10:00.000Z'"),
    ).toContain('n (Integer) = 2');
  });

  it('as NetCDF is a table with dates', async () => {
    const path = await netcdf('gdal.nc', weatherTable());
    const text = output('ogrinfo', '-al', path);
    expect(text).toContain('time (DateTime) = 2026/02/28 00:10:00');
    expect(text).toContain('AirT_C_1 (Real) = -0.5');
    expect(text).toContain('Status (String) = grün');
  });
});
