import { qartodFlags } from '../series-table.ts';
import { wgs84SrsId } from './point-blob.ts';

/**
 * What every GeoPackage holds before any data: the mark in the file header, the reference systems, the tables that list the others, and the schema extension that describes columns.
 *
 * Source: OGC 12-128r17 (GeoPackage 1.3), clauses 1.1, 2.1 and annexes C and F.9.
 */

/** One SQL statement and the values of its parameters. */
export interface SqlStatement {
  readonly sql: string;
  readonly values: readonly SqlValue[];
}

/** What SQLite takes as the value of a parameter. */
export type SqlValue = string | number | Uint8Array | null;

/** `GPKG` as a number: SQLite's `application_id` of a GeoPackage. */
export const geopackageApplicationId = 0x4750_4b47;
/** Version 1.3.0 as GeoPackage writes it into SQLite's `user_version`. */
export const geopackageUserVersion = 10_300;
/** Name of the constraint under which the schema extension lists QARTOD's flags. */
export const flagConstraint = 'qartod_flag';

const wgs84 =
  'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563,AUTHORITY["EPSG","7030"]],AUTHORITY["EPSG","6326"]],' +
  'PRIMEM["Greenwich",0,AUTHORITY["EPSG","8901"]],UNIT["degree",0.0174532925199433,AUTHORITY["EPSG","9122"]],AUTHORITY["EPSG","4326"]]';

const tables = [
  `CREATE TABLE gpkg_spatial_ref_sys (
    srs_name TEXT NOT NULL, srs_id INTEGER PRIMARY KEY, organization TEXT NOT NULL, organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, description TEXT)`,
  `CREATE TABLE gpkg_contents (
    table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT UNIQUE, description TEXT DEFAULT '', last_change DATETIME NOT NULL,
    min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE, srs_id INTEGER,
    CONSTRAINT fk_gc_r_srs_id FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id))`,
  `CREATE TABLE gpkg_geometry_columns (
    table_name TEXT NOT NULL, column_name TEXT NOT NULL, geometry_type_name TEXT NOT NULL, srs_id INTEGER NOT NULL, z TINYINT NOT NULL, m TINYINT NOT NULL,
    CONSTRAINT pk_geom_cols PRIMARY KEY (table_name, column_name), CONSTRAINT uk_gc_table_name UNIQUE (table_name),
    CONSTRAINT fk_gc_tn FOREIGN KEY (table_name) REFERENCES gpkg_contents(table_name),
    CONSTRAINT fk_gc_srs FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys (srs_id))`,
  `CREATE TABLE gpkg_extensions (
    table_name TEXT, column_name TEXT, extension_name TEXT NOT NULL, definition TEXT NOT NULL, scope TEXT NOT NULL,
    CONSTRAINT ge_tce UNIQUE (table_name, column_name, extension_name))`,
  `CREATE TABLE gpkg_data_columns (
    table_name TEXT NOT NULL, column_name TEXT NOT NULL, name TEXT, title TEXT, description TEXT, mime_type TEXT, constraint_name TEXT,
    CONSTRAINT pk_gdc PRIMARY KEY (table_name, column_name), CONSTRAINT gdc_tn UNIQUE (table_name, name))`,
  `CREATE TABLE gpkg_data_column_constraints (
    constraint_name TEXT NOT NULL, constraint_type TEXT NOT NULL, value TEXT, min NUMERIC, min_is_inclusive BOOLEAN, max NUMERIC, max_is_inclusive BOOLEAN, description TEXT,
    CONSTRAINT gdcc_ntv UNIQUE (constraint_name, constraint_type, value))`,
];

/** The statements that make an empty SQLite file an empty GeoPackage. */
export function geopackageSchema(): SqlStatement[] {
  const referenceSystem = 'INSERT INTO gpkg_spatial_ref_sys VALUES (?, ?, ?, ?, ?, ?)';
  const extension = 'INSERT INTO gpkg_extensions VALUES (?, NULL, ?, ?, ?)';
  const schemaExtension = ['gpkg_schema', 'http://www.geopackage.org/spec130/#extension_schema', 'read-write'];
  return [
    { sql: `PRAGMA application_id = ${geopackageApplicationId}`, values: [] },
    { sql: `PRAGMA user_version = ${geopackageUserVersion}`, values: [] },
    ...tables.map((sql) => ({ sql, values: [] })),
    {
      sql: referenceSystem,
      values: ['WGS 84', wgs84SrsId, 'EPSG', 4326, wgs84, 'longitude/latitude coordinates in decimal degrees on the WGS 84 spheroid'],
    },
    {
      sql: referenceSystem,
      values: ['Undefined Cartesian SRS', -1, 'NONE', -1, 'undefined', 'undefined Cartesian coordinate reference system'],
    },
    {
      sql: referenceSystem,
      values: ['Undefined geographic SRS', 0, 'NONE', 0, 'undefined', 'undefined geographic coordinate reference system'],
    },
    { sql: extension, values: ['gpkg_data_columns', ...schemaExtension] },
    { sql: extension, values: ['gpkg_data_column_constraints', ...schemaExtension] },
    ...qartodFlags.map((flag) => ({
      sql: "INSERT INTO gpkg_data_column_constraints (constraint_name, constraint_type, value, description) VALUES (?, 'enum', ?, ?)",
      values: [flagConstraint, String(flag.value), flag.meaning],
    })),
  ];
}
