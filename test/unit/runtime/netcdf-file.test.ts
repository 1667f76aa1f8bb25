import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Dataset, File, type Group } from 'h5wasm/node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fillDouble } from '../../../src/formats/netcdf/netcdf-model.ts';
import type { SeriesTable } from '../../../src/formats/series-table.ts';
import { writeNetcdf } from '../../../src/runtime/netcdf-file.ts';
import { exportOptions, field, firstUs, row, tableOf, tenMinutesUs, weatherTable } from '../formats/sample-series.ts';

/** HDF5's word for "no limit", as h5wasm reads it back. */
const unlimited = 2 ** 64;

let directory: string;
let path: string;
let open: File | undefined;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'godwit-netcdf-'));
  path = join(directory, 'series.nc');
});
afterEach(async () => {
  open?.close();
  open = undefined;
  await rm(directory, { recursive: true });
});

async function written(tables: readonly SeriesTable[]): Promise<File> {
  await writeNetcdf(path, tables, exportOptions);
  open = new File(path, 'r');
  return open;
}

function dataset(group: Group, name: string): Dataset {
  return group.get(name) as Dataset;
}

function values(group: Group, name: string): unknown[] {
  return Array.from(dataset(group, name).value as Iterable<unknown>);
}

/** The texts of a `char` variable, each joined from its characters. */
function texts(group: Group, name: string): string[] {
  const { shape } = dataset(group, name).metadata;
  const characters = values(group, name) as string[];
  const width = shape!.at(-1)!;
  return Array.from({ length: characters.length / width }, (_, index) => characters.slice(index * width, (index + 1) * width).join(''));
}

describe('a written file', () => {
  it('reads back cell for cell', async () => {
    const report = await writeNetcdf(path, [weatherTable()], exportOptions);
    expect(report).toEqual({ rows: 4, unreadableCells: 2, bytes: (await stat(path)).size });
    open = new File(path, 'r');
    expect(values(open, 'time')).toEqual([0, 1, 2, 3].map((index) => (firstUs + index * tenMinutesUs) / 1e6));
    expect(values(open, 'AirT_C_1')).toEqual([-0.5, fillDouble, fillDouble, fillDouble]);
    expect(values(open, 'Rain')).toEqual([0, Number.POSITIVE_INFINITY, 1.25, Number.NEGATIVE_INFINITY]);
    expect(values(open, 'AirT_C_1_qc')).toEqual([1, 9, 4, 1]);
    expect(values(open, 'record_number')).toEqual([100n, 101n, 102n, 103n]);
    expect(texts(open, 'AirT_TMx')).toEqual(['2026-02-28 00:03:10', '', '', '']);
    expect(texts(open, 'station')).toEqual(['lake-1']);
    expect(dataset(open, 'lat').value).toBe(46.5);
    expect(dataset(open, 'time_bnds').metadata.shape).toEqual([4, 2]);
  });

  it('ties every variable to its dimensions', async () => {
    const file = await written([weatherTable()]);
    for (const [name, scales] of [
      ['Rain', ['/time']],
      ['time_bnds', ['/time', '/bnds']],
      ['Status', ['/time', '/string15']],
    ] as const) {
      for (const [index, scale] of scales.entries()) expect(dataset(file, name).get_attached_scales(index)).toEqual([scale]);
    }
    expect(dataset(file, 'time').get_scale_name()).toBe('time');
    expect(dataset(file, 'time').metadata.maxshape).toEqual([unlimited]);
    expect(dataset(file, 'bnds').get_scale_name()).toBe('This is a netCDF dimension but not a netCDF variable.         2');
  });

  it('says of a variable how many cells could not be read', async () => {
    const file = await written([weatherTable()]);
    expect(dataset(file, 'AirT_C_1').attrs.comment?.value).toMatch(/^1 cell/);
    expect(dataset(file, 'Rain').attrs).not.toHaveProperty('comment');
  });

  it('holds each of several tables in a group with its own time', async () => {
    const file = await written([weatherTable(), tableOf([field('x')], [row(7, ['1'])], { table: 'Daily' })]);
    expect(values(file.get('Upper_lake_TenMin') as Group, 'time')).toHaveLength(4);
    expect(values(file.get('Upper_lake_Daily') as Group, 'time')).toEqual([(firstUs + 7 * tenMinutesUs) / 1e6]);
    expect(dataset(file.get('Upper_lake_Daily') as Group, 'x').get_attached_scales(0)).toEqual(['/Upper_lake_Daily/time']);
  });

  it('counts rows with an unlimited obs where time goes back', async () => {
    const file = await written([tableOf([field('x')], [row(2, ['1']), row(1, ['2'])])]);
    expect(dataset(file, 'x').get_attached_scales(0)).toEqual(['/obs']);
    expect(dataset(file, 'obs').metadata).toMatchObject({ shape: [2], maxshape: [unlimited] });
    expect(values(file, 'x')).toEqual([1, 2]);
  });

  it('may have no rows at all', async () => {
    const file = await written([weatherTable({ rows: () => [], rowCount: 0 })]);
    expect(dataset(file, 'Rain').metadata.shape).toEqual([0]);
    expect(dataset(file, 'Status').metadata.shape).toEqual([0, 1]);
  });
});

it('writes block after block, whatever the number of rows', async () => {
  const rowCount = 20_000;
  const flags = new Uint8Array(2);
  const table = tableOf([field('x'), field('t', { kind: 'text' })], [], {
    rowCount,
    *rows() {
      for (let index = 0; index < rowCount; index++) {
        flags.fill([1, 2, 3, 4, 9][index % 5]!);
        yield row(index, [String(index), `#${index}`], { flags });
      }
    },
  });
  const file = await written([table]);
  expect(dataset(file, 'x').metadata.chunks).toEqual([8192]);
  const x = values(file, 'x');
  const t = texts(file, 't');
  const qc = values(file, 'x_qc');
  for (const index of [0, 1, 8191, 8192, 16_383, 16_384, rowCount - 1]) {
    expect([x[index], t[index], qc[index]]).toEqual([index, `#${index}`, [1, 2, 3, 4, 9][index % 5]]);
  }
});

it('lets others have their turn while it writes', async () => {
  const rowCount = 40_000;
  const flags = new Uint8Array(4);
  const cells = ['1', '2', '3', '4'];
  let rowsRead = 0;
  const table = tableOf(
    cells.map((name) => field(name)),
    [],
    {
      rowCount,
      *rows() {
        for (let index = 0; index < rowCount; index++) {
          rowsRead++;
          yield row(index, cells, { flags });
        }
      },
    },
  );
  const writing = writeNetcdf(path, [table], exportOptions);
  const seen = new Set<number>();
  let done = false;
  const watching = (async () => {
    while (!done) {
      seen.add(rowsRead);
      await new Promise(setImmediate);
    }
  })();
  await writing;
  done = true;
  await watching;
  expect(seen.size).toBeGreaterThan(6);
});

describe('an export that fails', () => {
  const old = 'what was there before';

  async function failing(table: SeriesTable): Promise<unknown> {
    await writeFile(path, old);
    const error = await writeNetcdf(path, [table], exportOptions).catch((reason: unknown) => reason);
    expect(await readFile(path, 'utf8')).toBe(old);
    expect(await readdir(directory)).toEqual(['series.nc']);
    return error;
  }

  it('leaves the old file when the rows stop with an error, in the first reading or the second', async () => {
    for (const failingReading of [1, 2]) {
      let reading = 0;
      const cause = new Error('catalog closed');
      const table = weatherTable({
        *rows() {
          reading++;
          for (const [index, one] of [...weatherTable().rows()].entries()) {
            if (reading === failingReading && index === 2) throw cause;
            yield one;
          }
        },
      });
      expect(await failing(table)).toMatchObject({ code: 'EXPORT_FAILED', message: `could not write ${path}: catalog closed`, cause });
    }
  });

  it('is not tried with rows that were announced and do not come, or the other way round', async () => {
    for (const rowCount of [3, 5])
      expect(await failing(weatherTable({ rowCount }))).toMatchObject({ code: 'EXPORT_FAILED', retryable: true });
  });

  it('notices rows that come or go between the two readings', async () => {
    for (const change of [-1, 1]) {
      let reading = 0;
      const rows = [0, 1, 2].map((index) => row(index, ['1']));
      const table = tableOf([field('x')], rows, { rows: () => (reading++ === 0 ? rows : [...rows, row(3, ['1'])].slice(0, 3 + change)) });
      expect(await failing(table)).toMatchObject({ code: 'EXPORT_FAILED', retryable: true });
    }
  });

  it('does not stand in the way of the next one', async () => {
    await failing(weatherTable({ rowCount: 5 }));
    const file = await written([weatherTable()]);
    expect(values(file, 'Rain')).toHaveLength(4);
  });

  it('has no table to begin with', async () => {
    await expect(writeNetcdf(path, [], exportOptions)).rejects.toMatchObject({ code: 'EXPORT_FAILED' });
  });

  it('has no directory to write to', async () => {
    await writeFile(join(directory, 'file'), '');
    for (const target of [join(directory, 'absent', 'a.nc'), join(directory, 'file', 'a.nc')]) {
      await expect(writeNetcdf(target, [weatherTable()], exportOptions)).rejects.toMatchObject({ code: 'DIRECTORY_UNWRITABLE' });
    }
  });
});
