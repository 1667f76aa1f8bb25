import type { SeriesTable } from '../series-table.ts';

/**
 * A NetCDF-4 file before it is written: groups, dimensions, variables and attributes as plain data. What is decided here is decided without a disk and tested without one; the
 * writer only carries it out.
 */

/**
 * Types of variables that are written. `char` is text: UTF-8 padded with NUL bytes to the length of the variable's last dimension. (The type `string` of netCDF-4 would need no
 * dimension, but cannot be compressed, and older tools do not read it.)
 */
export type NetcdfType = 'double' | 'int64' | 'byte' | 'char';

/** A name and a value. Text attributes are never empty: an empty one says nothing and HDF5 has no zero-length text. */
export type NetcdfAttribute =
  | { readonly name: string; readonly type: 'text'; readonly text: string }
  | { readonly name: string; readonly type: 'double' | 'byte'; readonly values: readonly number[] }
  | { readonly name: string; readonly type: 'int64'; readonly values: readonly bigint[] };

/** Where a variable's values come from: one constant, or something of each row. `field` is an index into the table's fields. */
export type NetcdfContent =
  | { readonly from: 'constant'; readonly value: number | string }
  | { readonly from: 'time' }
  /** Beginning and end of the interval that a row's time closes. */
  | { readonly from: 'time-bounds'; readonly intervalUs: number }
  | { readonly from: 'record-number' }
  | { readonly from: 'number'; readonly field: number }
  | { readonly from: 'boolean'; readonly field: number }
  | { readonly from: 'text'; readonly field: number }
  | { readonly from: 'flag'; readonly field: number };

/** One variable. */
export interface NetcdfVariable {
  readonly name: string;
  readonly type: NetcdfType;
  /** Bytes of one value: 8 for `double` and `int64`, 1 for `byte`; for `char` those of a whole text. */
  readonly valueBytes: number;
  /** Names of dimensions of the same group; empty for a scalar. The first of a variable that has a value a row is the row dimension. */
  readonly dimensions: readonly string[];
  readonly attributes: readonly NetcdfAttribute[];
  readonly content: NetcdfContent;
}

/** One dimension. */
export interface NetcdfDimension {
  readonly name: string;
  readonly length: number;
  readonly unlimited: boolean;
}

/** One table in the file. */
export interface NetcdfGroup {
  /** Name below the root; empty for a file whose only table is the root itself. */
  readonly name: string;
  readonly table: SeriesTable;
  readonly attributes: readonly NetcdfAttribute[];
  /** The row dimension comes first. */
  readonly dimensions: readonly NetcdfDimension[];
  readonly variables: readonly NetcdfVariable[];
}

/** A whole file. */
export interface NetcdfModel {
  readonly attributes: readonly NetcdfAttribute[];
  readonly groups: readonly NetcdfGroup[];
}

/**
 * Fill values: NetCDF's own defaults (`netcdf.h`), which every tool already takes for "missing". NaN is not used, because it compares equal to nothing and some tools look for the
 * fill value by comparing.
 */
export const fillDouble = 9.969209968386869e36;
/** Fill value of `byte` variables. */
export const fillByte = -127;
/** Fill value of `int64` variables. */
export const fillInt64 = -9223372036854775806n;

/** Bytes of rows that are held at once, about: enough that compressed chunks are of a good size, small beside what the process needs anyway. */
const blockBytes = 8 * 1024 * 1024;
const blockRowsMax = 8192;

/**
 * Rows in one block of a group's table, at least 1. A block is also one HDF5 chunk of every variable, so that each chunk is compressed once.
 */
export function rowsPerBlock(group: NetcdfGroup): number {
  let rowBytes = 0;
  for (const variable of group.variables) if (variable.content.from !== 'constant') rowBytes += variable.valueBytes;
  const rows = Math.min(blockRowsMax, group.table.rowCount, Math.floor(blockBytes / Math.max(1, rowBytes)));
  return Math.max(1, rows);
}
