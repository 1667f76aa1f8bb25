import { statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { Dataset, Group } from 'h5wasm/node';
import { utf8 } from '../core/bytes.ts';
import { GodwitError } from '../core/errors.ts';
import { cfModel, type NetcdfOptions } from '../formats/netcdf/cf-model.ts';
import type { NetcdfAttribute, NetcdfGroup, NetcdfModel, NetcdfVariable } from '../formats/netcdf/netcdf-model.ts';
import { type ColumnValues, RowBlock } from '../formats/netcdf/row-block.ts';
import { checkRowCount, type ExportReport, type SeriesTable } from '../formats/series-table.ts';
import { diskFull, exportFailed, saysFull } from './export-error.ts';
import { surveyTables } from './export-survey.ts';
import { replaceFile } from './replace-file.ts';

/**
 * Writes series tables as a NetCDF-4 file, through the HDF5 library compiled to WebAssembly.
 *
 * NetCDF-4 is HDF5 with rules: everything tracks creation order, dimensions are HDF5 dimension scales, attribute text has a fixed width. Rows go out a block at a time and a block is
 * one chunk, so each chunk is compressed once and memory depends on the width of the tables alone. HDF5 in this form is synchronous; between blocks, and between variables of a
 * block, the event loop gets its turn.
 *
 * HDF5 without its error handler reports success for writes that a full disk has refused. The handler that throws is therefore switched on for good, before the first file.
 */

/** Cells taken over between two turns of the event loop: some tens of milliseconds of work on a small field computer. */
const cellsPerTurn = 65_536;
/** Bytes compressed between two turns of the event loop: likewise. */
const bytesPerTurn = 524_288;

/** gzip level: beyond 4, logger data shrinks by little and takes twice the time. */
const compressionLevel = 4;

/** How netCDF marks the scale of a dimension that has no variable of its own; the length follows, right-aligned in ten places (netCDF-4 file format, section "dimensions"). */
const dimensionWithoutVariable = 'This is a netCDF dimension but not a netCDF variable.';

/**
 * Writes the tables to a NetCDF-4 file that follows CF-1.11 and ACDD-1.3 (see `formats/netcdf/cf-model.ts` for the layout), and puts it in the place of `path` once it is complete
 * and durable.
 *
 * Every table's rows are read twice: once to learn the shape, once to write.
 *
 * @param path target file; its directory must exist. What was there stays untouched until the new file is complete.
 * @param tables at least one.
 * @throws GodwitError `EXPORT_FAILED`, `DISK_FULL` (retryable), `DIRECTORY_UNWRITABLE`, `STORAGE_FAILED` (retryable). The caller retries.
 * @example
 * const report = await writeNetcdf('upper-lake.nc', [table], { createdMs: clock.now().wallMs, attributes: { institution: 'Alpine Research Station' } });
 */
export async function writeNetcdf(path: string, tables: readonly SeriesTable[], options: NetcdfOptions): Promise<ExportReport> {
  if (tables.length === 0) throw new GodwitError('EXPORT_FAILED', 'An export needs at least one table.');
  try {
    const { result, bytes } = await replaceFile(resolve(path), async (temporaryPath) => {
      const surveys = await surveyTables(tables);
      return writeModel(temporaryPath, cfModel(tables, surveys, options), path);
    });
    return { ...result, bytes };
  } catch (error) {
    throw exportFailed(path, error);
  }
}

/** The library, loaded: its functions and its memory. */
type Hdf5 = Awaited<typeof import('h5wasm/node')['ready']>;

/** Below this a disk counts as full. */
const freeBytesMin = 1024 * 1024;

/**
 * HDF5's error for a person. The C library's words for a full disk or a file that is too large stand somewhere in a long text; but HDF5 composes that text in a file under `/tmp`, so
 * where that cannot be written there are no words, and the disk itself is asked. Must be called before the unfinished file is removed.
 */
async function hdf5Error(error: unknown, path: string): Promise<unknown> {
  const message = error instanceof Error ? error.message : String(error);
  const { bavail, bsize } = await statfs(dirname(path));
  const full = bavail * bsize < freeBytesMin || saysFull(message);
  return full ? diskFull(path, error) : error;
}

async function writeModel(
  temporaryPath: string,
  model: NetcdfModel,
  path: string,
): Promise<{ readonly rows: number; readonly unreadableCells: number }> {
  // Loaded when it is needed: its code and memory take 30 MB.
  const { File, ready } = await import('h5wasm/node');
  const hdf5 = await ready;
  hdf5.activate_throwing_error_handler();
  const file = new File(temporaryPath, 'w', { track_order: true });
  let rows = 0;
  let unreadableCells = 0;
  try {
    for (const attribute of model.attributes) writeAttribute(file, attribute);
    for (const group of model.groups) {
      const unreadable = await writeGroup(hdf5, group.name === '' ? file : file.create_group(group.name, true), group);
      rows += group.table.rowCount;
      unreadableCells += unreadable;
    }
    file.flush();
    file.close();
  } catch (error) {
    const reported = error instanceof GodwitError ? error : await hdf5Error(error, path);
    // The first error is the one to report; closing gives back what memory and descriptors can be given back.
    try {
      file.close();
    } catch {}
    throw reported;
  }
  return { rows, unreadableCells };
}

async function writeGroup(hdf5: Hdf5, target: Group, group: NetcdfGroup): Promise<number> {
  const block = new RowBlock(group);
  for (const attribute of group.attributes) writeAttribute(target, attribute);
  createDimensions(target, group, block.capacity);
  const created = group.variables.map((variable) => createVariable(hdf5, target, group, variable, block.capacity));
  // Behind the ties: HDF5 lists in an attribute of `time` what is tied to it and writes that anew for each variable, in place only while `time` has few attributes.
  for (const [index, { attributes }] of group.variables.entries()) {
    for (const attribute of attributes) writeAttribute(created[index] as Dataset, attribute);
  }

  let cells = 0;
  for (const row of group.table.rows()) {
    if (block.rowsBefore + block.length === group.table.rowCount) checkRowCount(group.table, group.table.rowCount + 1);
    block.add(row);
    if (block.length === block.capacity) await writeBlock(hdf5, target, group, block);
    cells += row.cells.length + 1;
    if (cells >= cellsPerTurn) {
      cells = 0;
      await setImmediate();
    }
  }
  if (block.length > 0) await writeBlock(hdf5, target, group, block);
  checkRowCount(group.table, block.rowsBefore);

  let unreadable = 0;
  for (const { variable, cells } of block.unreadable()) {
    unreadable += cells;
    const comment = `${cells} cell(s) held text that could not be read as a value; they are missing here`;
    writeAttribute(target.get(variable.name) as Dataset, { name: 'comment', type: 'text', text: comment });
  }
  return unreadable;
}

async function writeBlock(hdf5: Hdf5, target: Group, group: NetcdfGroup, block: RowBlock): Promise<void> {
  let bytes = 0;
  for (const { variable, values } of block.columns()) {
    const [, ...inner] = lengthsOf(variable, group);
    writeValues(hdf5, target, variable.name, block.rowsBefore, [block.length, ...inner], values);
    bytes += values.byteLength;
    if (bytes >= bytesPerTurn) {
      bytes = 0;
      await setImmediate();
    }
  }
  block.clear();
}

/** Writes a block of a variable, beginning at this row. h5wasm's own call takes texts as strings and looks the variable up anew; this hands HDF5 the bytes as they are. */
function writeValues(hdf5: Hdf5, target: Group, name: string, firstRow: number, shape: readonly number[], values: ColumnValues): void {
  const pointer = hdf5._malloc(values.byteLength);
  if (pointer === 0) throw new GodwitError('EXPORT_FAILED', 'There is not enough memory for an export.', { retryable: true });
  try {
    hdf5.HEAPU8.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), pointer);
    const count = shape.map(BigInt);
    const offset = count.map((_, dimension) => (dimension === 0 ? BigInt(firstRow) : 0n));
    const stride = count.map(() => 1n);
    hdf5.set_dataset_data(target.file_id, pathOf(target, name), count, offset, stride, BigInt(pointer));
  } finally {
    hdf5._free(pointer);
  }
}

function pathOf(target: Group, name: string): string {
  return `${target.path === '/' ? '' : target.path}/${name}`;
}

function lengthsOf(variable: NetcdfVariable, group: NetcdfGroup): number[] {
  return variable.dimensions.map((name) => group.dimensions.find((dimension) => dimension.name === name)?.length as number);
}

/** Dimensions without a variable of their own name. The scale of one that has a variable is that variable. */
function createDimensions(target: Group, group: NetcdfGroup, chunkRows: number): void {
  for (const { name, length, unlimited } of group.dimensions) {
    if (group.variables.some((variable) => variable.name === name)) continue;
    const scale = target.create_dataset({
      name,
      data: new Float32Array(unlimited ? 0 : length),
      shape: [unlimited ? 0 : length],
      dtype: '<f',
      track_order: true,
      ...(unlimited ? { maxshape: [null], chunks: [chunkRows] } : {}),
    });
    if (unlimited) scale.resize([length]);
    scale.make_scale(dimensionWithoutVariable + String(length).padStart(10));
  }
}

function createVariable(hdf5: Hdf5, target: Group, group: NetcdfGroup, variable: NetcdfVariable, chunkRows: number): Dataset {
  const { name, content } = variable;
  const created =
    content.from === 'constant'
      ? createConstant(hdf5, target, group, variable, content.value)
      : createColumn(target, group, variable, chunkRows);
  for (const [index, dimension] of variable.dimensions.entries()) {
    if (dimension === name) created.make_scale(name);
    else created.attach_scale(index, pathOf(target, dimension));
  }
  return created;
}

function createConstant(hdf5: Hdf5, target: Group, group: NetcdfGroup, variable: NetcdfVariable, value: number | string): Dataset {
  const { name, type } = variable;
  if (typeof value === 'number')
    return target.create_dataset({ name, data: [value], shape: [], dtype: dtypeByType[type], track_order: true });
  const shape = lengthsOf(variable, group);
  const characters = new Array<string>(variable.valueBytes).fill('');
  const created = target.create_dataset({ name, data: characters, shape, dtype: dtypeByType[type], track_order: true });
  const bytes = new Uint8Array(variable.valueBytes);
  bytes.set(utf8(value));
  writeValues(hdf5, target, name, 0, shape, bytes);
  return created;
}

/** A variable of no rows yet that is then stretched to its length at once: HDF5 allocates chunks as they are written. */
function createColumn(target: Group, group: NetcdfGroup, variable: NetcdfVariable, chunkRows: number): Dataset {
  const lengths = lengthsOf(variable, group);
  const inner = lengths.slice(1);
  const created = target.create_dataset({
    name: variable.name,
    data: [],
    shape: [0, ...inner],
    maxshape: [null, ...inner],
    chunks: [chunkRows, ...inner],
    dtype: dtypeByType[variable.type],
    compression: compressionLevel,
    track_order: true,
  });
  created.resize(lengths);
  return created;
}

/** Type codes as h5wasm takes them: numpy's, little-endian. */
const dtypeByType = { double: '<d', int64: '<q', byte: '<b', char: 'S1' } as const;

function writeAttribute(target: Group | Dataset, attribute: NetcdfAttribute): void {
  if (attribute.type === 'text') {
    // Without a width HDF5 would keep the text on its global heap, which netCDF shows as type `string`: older tools do not read that.
    target.create_attribute(attribute.name, attribute.text, null, `S${utf8(attribute.text).length}`);
    return;
  }
  const values = attribute.type === 'int64' ? BigInt64Array.from(attribute.values) : [...attribute.values];
  target.create_attribute(attribute.name, values, [attribute.values.length], dtypeByType[attribute.type]);
}
