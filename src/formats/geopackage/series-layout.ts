import { GodwitError } from '../../core/errors.ts';
import type { RowSurvey } from '../row-survey.ts';
import {
  cellBoolean,
  cellNumber,
  checkRow,
  type ExportOptions,
  isoInstant,
  plainNames,
  type SeriesField,
  type SeriesRow,
  type SeriesStation,
  type SeriesTable,
} from '../series-table.ts';
import { flagConstraint, type SqlStatement, type SqlValue } from './geopackage-schema.ts';
import { pointBlob, wgs84SrsId } from './point-blob.ts';

/**
 * Series tables as tables of a GeoPackage.
 *
 * - `stations`, the feature table: one point a station. A station whose position nobody knows is there with no geometry.
 * - `series`: one row for each exported table, with the logger it comes from and where to find its rows.
 * - one attributes table for each series table, named after station and table: `time` as GeoPackage's DATETIME text, which stops at milliseconds, and `time_us`, which does not; the
 *   record number; then a value and a flag (`NAME_qc`) for each field. Rows keep the logger's order in `fid`.
 *
 * Names as found, units and processing are kept by the schema extension (`gpkg_data_columns`), where GIS programs show them as alias and comment of the column; the flags' meanings are
 * there as a list of values. Numbers are REAL, missing ones NULL, infinite ones infinite. Text stays as the logger wrote it.
 */

/** Fields a table may have: SQLite takes 2000 columns, and each field needs two beside the fixed ones. */
export const fieldsPerGeopackageTableMax = 990;

const ownColumns = ['fid', 'station_id', 'time', 'time_us', 'record_number'];
const flagEnding = '_qc';
/** What SQLite, GeoPackage and GIS programs keep for themselves at the beginning of a table name. */
const keptPrefix = /^(sqlite|gpkg|rtree|idx|st)_/i;

/** How one series table is written. */
export interface SeriesLayout {
  /** Name of the attributes table. */
  readonly name: string;
  readonly table: SeriesTable;
  /** The table's fields as the survey found them. */
  readonly fields: readonly SeriesField[];
  /** Takes the values of `rowValues`. */
  readonly insertSql: string;
  /** Creates the index on time: after the rows, which is faster. */
  readonly indexSql: string;
  /** `fid` of the table's station. */
  readonly stationFid: number;
}

/** A GeoPackage's own tables and how to fill them. */
export interface GeopackageLayout {
  /** Run once, behind `geopackageSchema`. */
  readonly statements: readonly SqlStatement[];
  readonly series: readonly SeriesLayout[];
}

/**
 * The tables of the GeoPackage that holds these series tables.
 *
 * @param surveys one a table, in the same order.
 * @throws GodwitError `EXPORT_FAILED` when a table has more fields than a GeoPackage can take.
 */
export function geopackageLayout(tables: readonly SeriesTable[], surveys: readonly RowSurvey[], options: ExportOptions): GeopackageLayout {
  const changed = isoInstant(options.createdMs * 1000, 3);
  const stations = stationsOf(tables);
  const fidByStation = new Map([...stations.keys()].map((identifier, index) => [identifier, index + 1]));
  const names = plainNames(
    tables.map((table) => {
      const name = `${table.station.name} ${table.table}`;
      return keptPrefix.test(plainNames([name], [])[0] as string) ? `table ${name}` : name;
    }),
    ['stations', 'series'],
  );
  const series = tables.map((table, index) =>
    seriesLayout(names[index] as string, table, (surveys[index] as RowSurvey).fields, fidByStation.get(table.station.identifier) as number),
  );
  return {
    statements: [
      ...stationStatements([...stations.values()], changed),
      ...seriesStatements(series, changed),
      ...series.flatMap((layout) => tableStatements(layout, changed)),
    ],
    series: series.map(({ columns: _, ...layout }) => layout),
  };
}

interface ValueColumn {
  readonly name: string;
  readonly field: SeriesField;
}

interface PlannedSeries extends SeriesLayout {
  readonly columns: readonly ValueColumn[];
}

/** One entry for each identifier, in order; of several descriptions of one station the first that has a position. */
function stationsOf(tables: readonly SeriesTable[]): Map<string, SeriesStation> {
  const stations = new Map<string, SeriesStation>();
  for (const { station } of tables) {
    const known = stations.get(station.identifier);
    if (known === undefined || (position(known) === undefined && position(station) !== undefined))
      stations.set(station.identifier, station);
  }
  return stations;
}

function position(station: SeriesStation): { readonly longitude: number; readonly latitude: number } | undefined {
  if (station.longitude === undefined || station.latitude === undefined) return undefined;
  return { longitude: station.longitude, latitude: station.latitude };
}

function quoted(name: string): string {
  return `"${name}"`;
}

function seriesLayout(name: string, table: SeriesTable, fields: readonly SeriesField[], stationFid: number): PlannedSeries {
  if (fields.length > fieldsPerGeopackageTableMax) {
    const advice = `a GeoPackage table takes ${fieldsPerGeopackageTableMax}; export it as NetCDF`;
    throw new GodwitError(
      'EXPORT_FAILED',
      `Table ${table.table} of station ${table.station.name} has ${fields.length} fields and ${advice}.`,
    );
  }
  const columnNames = plainNames(
    fields.map((field) => field.name),
    ownColumns,
    [flagEnding],
  );
  const columns = fields.map((field, index) => ({ name: columnNames[index] as string, field }));
  const inserted = [...ownColumns.slice(1), ...columnNames.flatMap((column) => [column, column + flagEnding])];
  return {
    name,
    table,
    fields,
    stationFid,
    columns,
    insertSql: `INSERT INTO ${quoted(name)} (${inserted.map(quoted).join(', ')}) VALUES (${inserted.map(() => '?').join(', ')})`,
    indexSql: `CREATE INDEX ${quoted(`idx_${name}_time`)} ON ${quoted(name)} (time)`,
  };
}

function contents(name: string, dataType: 'features' | 'attributes', description: string, changed: string): SqlStatement {
  return {
    sql: 'INSERT INTO gpkg_contents (table_name, data_type, identifier, description, last_change, srs_id) VALUES (?, ?, ?, ?, ?, ?)',
    values: [name, dataType, name, description, changed, dataType === 'features' ? wgs84SrsId : null],
  };
}

function stationStatements(stations: readonly SeriesStation[], changed: string): SqlStatement[] {
  const positions = stations.flatMap((station) => position(station) ?? []);
  const longitudes = positions.map((point) => point.longitude);
  const latitudes = positions.map((point) => point.latitude);
  const bounds =
    positions.length === 0 ? [] : [Math.min(...longitudes), Math.min(...latitudes), Math.max(...longitudes), Math.max(...latitudes)];
  return [
    {
      sql: `CREATE TABLE stations (
        fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, geom POINT, identifier TEXT NOT NULL UNIQUE, name TEXT NOT NULL, altitude_m REAL, position_method TEXT,
        position_datum TEXT, position_accuracy_m REAL, position_found DATETIME)`,
      values: [],
    },
    contents('stations', 'features', 'Stations and where they are', changed),
    ...(bounds.length === 0
      ? []
      : [{ sql: "UPDATE gpkg_contents SET min_x = ?, min_y = ?, max_x = ?, max_y = ? WHERE table_name = 'stations'", values: bounds }]),
    { sql: `INSERT INTO gpkg_geometry_columns VALUES ('stations', 'geom', 'POINT', ${wgs84SrsId}, 0, 0)`, values: [] },
    ...stations.map((station, index) => {
      const point = position(station);
      return {
        sql: 'INSERT INTO stations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
        values: [
          index + 1,
          point === undefined ? null : pointBlob(point.longitude, point.latitude),
          station.identifier,
          station.name,
          station.altitudeM ?? null,
          station.positionMethod ?? null,
          station.positionDatum ?? null,
          station.positionAccuracyM ?? null,
          station.positionInstantUs === undefined ? null : isoInstant(station.positionInstantUs, 3),
        ],
      };
    }),
  ];
}

function seriesStatements(series: readonly PlannedSeries[], changed: string): SqlStatement[] {
  return [
    {
      sql: `CREATE TABLE series (
        fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, table_name TEXT NOT NULL UNIQUE, station_id INTEGER NOT NULL REFERENCES stations(fid), logger_table TEXT NOT NULL,
        source_format TEXT NOT NULL, logger_model TEXT NOT NULL, logger_serial TEXT NOT NULL, interval_s REAL, attributes TEXT NOT NULL)`,
      values: [],
    },
    contents('series', 'attributes', 'Tables of observations and the data loggers they come from', changed),
    ...series.map(({ name, table, stationFid }, index) => ({
      sql: 'INSERT INTO series VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
      values: [
        index + 1,
        name,
        stationFid,
        table.table,
        table.format,
        table.loggerModel,
        table.loggerSerial,
        table.intervalUs === undefined ? null : table.intervalUs / 1e6,
        JSON.stringify(table.attributes),
      ],
    })),
  ];
}

const sqlTypeByKind = { number: 'REAL', boolean: 'BOOLEAN', text: 'TEXT', time: 'TEXT' } as const;

function tableStatements({ name, table, columns }: PlannedSeries, changed: string): SqlStatement[] {
  const values = columns.map(
    (column) => `${quoted(column.name)} ${sqlTypeByKind[column.field.kind]}, ${quoted(column.name + flagEnding)} TINYINT NOT NULL`,
  );
  return [
    {
      sql: `CREATE TABLE ${quoted(name)} (
        fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, station_id INTEGER NOT NULL, time DATETIME NOT NULL, time_us INTEGER NOT NULL, record_number INTEGER
        ${values.map((value) => `, ${value}`).join('')})`,
      values: [],
    },
    contents(name, 'attributes', `Station ${table.station.name}, table ${table.table}`, changed),
    ...columns.flatMap((column) => columnStatements(name, column)),
  ];
}

function columnStatements(tableName: string, { name, field }: ValueColumn): SqlStatement[] {
  const sql = 'INSERT INTO gpkg_data_columns (table_name, column_name, title, description, constraint_name) VALUES (?, ?, ?, ?, ?)';
  const facts = [
    field.unit === '' ? '' : `unit: ${field.unit}`,
    field.processing === '' ? '' : `processing: ${field.processing}`,
    field.standardName === undefined ? '' : `standard name: ${field.standardName}`,
    field.sensorSerial === undefined ? '' : `sensor serial number: ${field.sensorSerial}`,
  ];
  return [
    { sql, values: [tableName, name, field.name, facts.filter((fact) => fact !== '').join('; '), null] },
    { sql, values: [tableName, name + flagEnding, `quality of ${field.name}`, 'QARTOD flag', flagConstraint] },
  ];
}

/** A row as the values of its table's `insertSql`, and how many of its cells could not be read. */
export interface RowValues {
  readonly values: SqlValue[];
  readonly unreadableCells: number;
}

/**
 * The values of one row.
 *
 * @throws GodwitError `EXPORT_FAILED` when the row does not fit the table.
 */
export function rowValues(layout: SeriesLayout, row: SeriesRow, rowIndex: number): RowValues {
  checkRow(layout.table, row, rowIndex);
  const values: SqlValue[] = [layout.stationFid, isoInstant(row.timeUs, 3), row.timeUs, row.recordNumber ?? null];
  let unreadableCells = 0;
  for (const [index, field] of layout.fields.entries()) {
    const cell = row.cells[index] ?? null;
    let value: string | number | null | undefined = cell;
    if (field.kind === 'number') value = cellNumber(cell);
    else if (field.kind === 'boolean') value = cellBoolean(cell);
    if (value === undefined) unreadableCells++;
    values.push(value === undefined || Number.isNaN(value) ? null : value, row.flags[index] as number);
  }
  return { values, unreadableCells };
}
