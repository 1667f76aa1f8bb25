import { resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate } from 'node:timers/promises';
import { GodwitError } from '../core/errors.ts';
import { geopackageSchema } from '../formats/geopackage/geopackage-schema.ts';
import { type GeopackageLayout, geopackageLayout, rowValues, type SeriesLayout } from '../formats/geopackage/series-layout.ts';
import { checkRowCount, type ExportOptions, type ExportReport, type SeriesTable } from '../formats/series-table.ts';
import { diskFull, exportFailed } from './export-error.ts';
import { surveyTables } from './export-survey.ts';
import { replaceFile } from './replace-file.ts';

/**
 * Writes series tables as a GeoPackage, through the SQLite that is in the runtime.
 *
 * The file under way is not synced along the way: it is nobody's until it is complete, and `replaceFile` syncs it once. Everything is one transaction on an empty file, whose rollback
 * journal in memory has nothing to remember; SQLite writes pages out as its cache fills. So memory does not depend on the number of rows, and no second file is left by a crash.
 */

/** Cells written between two turns of the event loop: some tens of milliseconds of work on a small field computer. */
const cellsPerTurn = 65_536;

/** SQLite's result code for a full disk. */
const sqliteFull = 13;

/**
 * Writes the tables to a GeoPackage 1.3 (see `formats/geopackage/series-layout.ts` for its tables), and puts it in the place of `path` once it is complete and durable.
 *
 * Every table's rows are read twice: once to learn which columns are text, once to write.
 *
 * @param path target file; its directory must exist. What was there stays untouched until the new file is complete.
 * @param tables at least one, of at most 990 fields each.
 * @throws GodwitError `EXPORT_FAILED`, `DISK_FULL` (retryable), `DIRECTORY_UNWRITABLE`, `STORAGE_FAILED` (retryable). The caller retries.
 * @example
 * const report = await writeGeopackage('stations.gpkg', tables, { createdMs: clock.now().wallMs });
 */
export async function writeGeopackage(path: string, tables: readonly SeriesTable[], options: ExportOptions): Promise<ExportReport> {
  if (tables.length === 0) throw new GodwitError('EXPORT_FAILED', 'An export needs at least one table.');
  try {
    const { result, bytes } = await replaceFile(resolve(path), async (temporaryPath) => {
      const surveys = await surveyTables(tables);
      return writeLayout(temporaryPath, geopackageLayout(tables, surveys, options));
    });
    return { ...result, bytes };
  } catch (error) {
    throw isFull(error) ? diskFull(path, error) : exportFailed(path, error);
  }
}

function isFull(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === sqliteFull;
}

async function writeLayout(path: string, layout: GeopackageLayout): Promise<{ readonly rows: number; readonly unreadableCells: number }> {
  const database = new DatabaseSync(path);
  try {
    database.exec('PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE; BEGIN');
    for (const { sql, values } of [...geopackageSchema(), ...layout.statements]) database.prepare(sql).run(...values);
    let rows = 0;
    let unreadableCells = 0;
    for (const series of layout.series) {
      unreadableCells += await writeSeries(database, series);
      rows += series.table.rowCount;
    }
    database.exec('COMMIT');
    return { rows, unreadableCells };
  } finally {
    database.close();
  }
}

async function writeSeries(database: DatabaseSync, series: SeriesLayout): Promise<number> {
  const insert = database.prepare(series.insertSql);
  let rowCount = 0;
  let unreadableCells = 0;
  let cells = 0;
  for (const row of series.table.rows()) {
    const { values, unreadableCells: unreadable } = rowValues(series, row, rowCount);
    insert.run(...values);
    rowCount++;
    unreadableCells += unreadable;
    cells += values.length;
    if (cells >= cellsPerTurn) {
      cells = 0;
      await setImmediate();
    }
  }
  checkRowCount(series.table, rowCount);
  database.exec(series.indexSql);
  return unreadableCells;
}
