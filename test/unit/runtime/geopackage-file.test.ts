import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SeriesTable } from '../../../src/formats/series-table.ts';
import { writeGeopackage } from '../../../src/runtime/geopackage-file.ts';
import { exportOptions, field, firstUs, row, tableOf, weatherTable } from '../formats/sample-series.ts';

let directory: string;
let path: string;
let database: DatabaseSync | undefined;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'godwit-geopackage-'));
  path = join(directory, 'stations.gpkg');
});
afterEach(async () => {
  database?.close();
  database = undefined;
  await rm(directory, { recursive: true });
});

async function query(tables: readonly SeriesTable[], ...queries: string[]): Promise<unknown[][]> {
  await writeGeopackage(path, tables, exportOptions);
  database = new DatabaseSync(path, { readOnly: true });
  return queries.map((sql) =>
    database!
      .prepare(sql)
      .all()
      .map((found) => ({ ...found })),
  );
}

describe('a written file', () => {
  it('is marked as a GeoPackage 1.3 and is whole', async () => {
    const [application, version, check, foreign] = await query(
      [weatherTable()],
      'PRAGMA application_id',
      'PRAGMA user_version',
      'PRAGMA integrity_check',
      'PRAGMA foreign_key_check',
    );
    expect(application).toEqual([{ application_id: 0x47504b47 }]);
    expect(version).toEqual([{ user_version: 10300 }]);
    expect(check).toEqual([{ integrity_check: 'ok' }]);
    expect(foreign).toEqual([]);
    expect((await readFile(path)).subarray(68, 72).toString('latin1')).toBe('GPKG');
  });

  it('holds every row with value and flag, typed as declared', async () => {
    const report = await writeGeopackage(path, [weatherTable()], exportOptions);
    expect(report).toEqual({ rows: 4, unreadableCells: 2, bytes: (await stat(path)).size });
    const [rows, types] = await query(
      [weatherTable()],
      'SELECT fid, time, time_us, record_number, AirT_C_1, AirT_C_1_qc, Rain, Status, DoorOpen FROM Upper_lake_TenMin ORDER BY fid',
      'SELECT DISTINCT typeof(time) AS time, typeof(time_us) AS us, typeof(Rain) AS rain, typeof(Rain_qc) AS qc FROM Upper_lake_TenMin',
    );
    expect(rows![0]).toEqual({
      fid: 1,
      time: '2026-02-28T00:00:00.000Z',
      time_us: firstUs,
      record_number: 100,
      AirT_C_1: -0.5,
      AirT_C_1_qc: 1,
      Rain: 0,
      Status: 'grün',
      DoorOpen: 1,
    });
    expect(rows![1]).toMatchObject({ fid: 2, AirT_C_1: null, AirT_C_1_qc: 9, Rain: Number.POSITIVE_INFINITY, Status: null, DoorOpen: 0 });
    expect(rows).toHaveLength(4);
    expect(types).toEqual([{ time: 'text', us: 'integer', rain: 'real', qc: 'integer' }]);
  });

  it('finds times by an index', async () => {
    const [plan] = await query(
      [weatherTable()],
      "EXPLAIN QUERY PLAN SELECT * FROM Upper_lake_TenMin WHERE time > '2026-02-28T00:10:00.000Z'",
    );
    expect(JSON.stringify(plan)).toContain('idx_Upper_lake_TenMin_time');
  });

  it('joins each table to its station and its logger', async () => {
    const ridge = weatherTable({ station: { identifier: 'ridge', name: 'Ridge' }, table: 'Daily' });
    const [joined, geometry] = await query(
      [weatherTable(), ridge],
      'SELECT s.name, r.table_name, r.logger_model, r.interval_s FROM series r JOIN stations s ON s.fid = r.station_id ORDER BY r.fid',
      'SELECT hex(geom) AS geom FROM stations ORDER BY fid',
    );
    expect(joined).toEqual([
      { name: 'Upper lake', table_name: 'Upper_lake_TenMin', logger_model: 'CR1000X', interval_s: 600 },
      { name: 'Ridge', table_name: 'Ridge_Daily', logger_model: 'CR1000X', interval_s: 600 },
    ]);
    expect(geometry).toEqual([{ geom: expect.stringMatching(/^47500001E6100000/) }, { geom: '' }]);
  });

  it('takes as many rows as there are, a table of 990 fields, and a table without rows', async () => {
    const rowCount = 30_000;
    const flags = new Uint8Array(1).fill(1);
    const long = tableOf([field('x')], [], {
      rowCount,
      *rows() {
        for (let index = 0; index < rowCount; index++) yield row(index, [String(index)], { flags });
      },
    });
    const wideFields = Array.from({ length: 990 }, (_, index) => field(`f${index}`));
    const wide = tableOf(
      wideFields,
      [
        row(
          0,
          wideFields.map((_, index) => String(index)),
        ),
      ],
      { table: 'Wide' },
    );
    const empty = weatherTable({ table: 'Empty', rowCount: 0, rows: () => [] });
    const [sums, last, none] = await query(
      [long, wide, empty],
      'SELECT count(*) AS n, sum(x) AS sum FROM Upper_lake_TenMin',
      'SELECT f989 FROM Upper_lake_Wide',
      'SELECT * FROM Upper_lake_Empty',
    );
    expect(sums).toEqual([{ n: rowCount, sum: (rowCount * (rowCount - 1)) / 2 }]);
    expect(last).toEqual([{ f989: 989 }]);
    expect(none).toEqual([]);
  });
});

describe('an export that fails', () => {
  const old = 'what was there before';

  async function failing(table: SeriesTable): Promise<unknown> {
    await writeFile(path, old);
    const error = await writeGeopackage(path, [table], exportOptions).catch((reason: unknown) => reason);
    expect(await readFile(path, 'utf8')).toBe(old);
    expect(await readdir(directory)).toEqual(['stations.gpkg']);
    return error;
  }

  it('leaves the old file when the rows stop with an error', async () => {
    const cause = new Error('catalog closed');
    const table = weatherTable({
      *rows() {
        yield* [...weatherTable().rows()].slice(0, 2);
        throw cause;
      },
    });
    expect(await failing(table)).toMatchObject({ code: 'EXPORT_FAILED', message: `could not write ${path}: catalog closed`, cause });
  });

  it('is not begun with rows that were announced and do not come, or the other way round', async () => {
    for (const rowCount of [3, 5]) {
      let readings = 0;
      const table = weatherTable({
        rowCount,
        rows() {
          readings++;
          return weatherTable().rows();
        },
      });
      expect(await failing(table)).toMatchObject({ code: 'EXPORT_FAILED', retryable: true });
      expect(readings).toBe(1);
    }
  });

  it('notices rows that come or go between the two readings', async () => {
    for (const change of [-1, 1]) {
      let reading = 0;
      const rows = [0, 1, 2, 3].map((index) => row(index, ['1']));
      const table = tableOf([field('x')], [], { rowCount: 3, rows: () => rows.slice(0, reading++ === 0 ? 3 : 3 + change) });
      expect(await failing(table)).toMatchObject({ code: 'EXPORT_FAILED', retryable: true });
    }
  });

  it('tells a full disk from other failures of SQLite', async () => {
    const sqliteError = (errcode: number) => Object.assign(new Error('from SQLite'), { errcode });
    const throwing = (error: Error) =>
      weatherTable({
        rows() {
          throw error;
        },
      });
    expect(await failing(throwing(sqliteError(13)))).toMatchObject({ code: 'DISK_FULL', retryable: true });
    expect(await failing(throwing(sqliteError(11)))).toMatchObject({ code: 'EXPORT_FAILED' });
  });

  it('has no table to begin with, or no directory to write to', async () => {
    await expect(writeGeopackage(path, [], exportOptions)).rejects.toMatchObject({ code: 'EXPORT_FAILED' });
    await expect(writeGeopackage(join(directory, 'absent', 'a.gpkg'), [weatherTable()], exportOptions)).rejects.toMatchObject({
      code: 'DIRECTORY_UNWRITABLE',
    });
  });
});
