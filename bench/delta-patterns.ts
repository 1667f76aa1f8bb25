/**
 * The ten ways in which an environmental data file changes, each as a file of a given size before and after: the rows of the design's table of wire bytes.
 *
 * The files are generated from a seed: a TOA5-like table of one-minute rows, and HDF5 files of one-minute float32 records, plain and gzip-compressed. They are not the files that the design's
 * prototype was measured with, so what a change weighs differs from that table; `xdelta3 -9` on the same pair of files says by how much.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import h5wasm from 'h5wasm/node';
import { concatBytes, utf8 } from '../src/core/bytes.ts';
import { type Random, seededRandom } from '../src/core/random.ts';

/** A file before and after a change. */
export interface FilePair {
  readonly base: Uint8Array;
  readonly target: Uint8Array;
}

/** One way to change a file. */
export interface DeltaPattern {
  readonly name: string;
  /** Bytes on the wire that the design's prototype needed for this change to an 80 MB file, without manifests. */
  readonly prototypeBytes: number;
  /** Bytes of `xdelta3 -9` for the prototype's pair of files. */
  readonly xdeltaBytes: number;
  /** Set where the change cannot be compressed: how many bytes are new. */
  readonly incompressibleBytes?: number;
  /** The pair, of about `fileBytes` each; the same every time, but for some bytes of the HDF5 ones. */
  readonly make: (fileBytes: number) => FilePair;
}

/* ---- tables ---- */

const dayRows = 1440;
const rowBytesMean = 85;

interface Weather {
  battery: number;
  air: number;
  humidity: number;
  pressure: number;
  wind: number;
  direction: number;
  radiation: number;
  soil: number;
}

const firstMinute = Date.UTC(2021, 0, 1);

/** One-minute rows, as many as asked for: what a weather station's table looks like. */
function tableRows(count: number, firstRecord: number, random: Random): string[] {
  const state: Weather = { battery: 12.6, air: 14.2, humidity: 66, pressure: 1013, wind: 3, direction: 200, radiation: 0, soil: 11 };
  const step = (spread: number) => (random.float() + random.float() + random.float() - 1.5) * spread;
  const rows: string[] = [];
  for (let i = 0; i < count; i++) {
    const minute = firstRecord + i;
    const ofDay = (minute % dayRows) / dayRows;
    const sun = Math.max(0, Math.sin((ofDay - 0.25) * 2 * Math.PI));
    state.battery = 12.4 + sun * 1.1 + step(0.02);
    state.air += step(0.12) + (8 + 12 * sun - state.air) * 0.002;
    state.humidity = Math.min(100, Math.max(10, state.humidity + step(0.6) + (80 - 40 * sun - state.humidity) * 0.002));
    state.pressure += step(0.05) + (1013 - state.pressure) * 0.0005;
    state.wind = Math.max(0, state.wind + step(0.8) + (3 - state.wind) * 0.05);
    state.direction = (state.direction + step(25) + 360) % 360;
    state.radiation = Math.max(0, sun * 850 + step(40) * sun);
    state.soil += step(0.01) + (11 - state.soil) * 0.0005;
    const time = new Date(firstMinute + minute * 60_000).toISOString().slice(0, 19).replace('T', ' ');
    rows.push(
      `"${time}",${minute},${state.battery.toFixed(2)},${state.air.toFixed(2)},${state.humidity.toFixed(1)},${state.pressure.toFixed(1)},` +
        `${state.wind.toFixed(3)},${state.direction.toFixed(1)},${state.radiation.toFixed(2)},${state.soil.toFixed(3)}\r\n`,
    );
  }
  return rows;
}

const tableHeader =
  '"TOA5","Station","CR1000X","1234","CR1000X.Std.06.00","CPU:met.CR1X","5678","Minute"\r\n' +
  '"TIMESTAMP","RECORD","BattV","AirTC","RH","BP","WS","WD","SlrW","SoilT"\r\n' +
  '"TS","RN","Volts","Deg C","%","hPa","m/s","Deg","W/m^2","Deg C"\r\n' +
  '"","","Smp","Avg","Smp","Smp","Avg","Smp","Avg","Avg"\r\n';

let cached: { readonly fileBytes: number; readonly rows: string[] } | undefined;

/** The rows of the base, and a day more than the base holds. */
function allRows(fileBytes: number): string[] {
  if (cached?.fileBytes !== fileBytes)
    cached = { fileBytes, rows: tableRows(Math.floor(fileBytes / rowBytesMean) + dayRows, 0, seededRandom(1)) };
  return cached.rows;
}

function baseRows(fileBytes: number): string[] {
  return allRows(fileBytes).slice(0, -dayRows);
}

function table(rows: readonly string[]): Uint8Array {
  return utf8(tableHeader + rows.join(''));
}

/** The row with one field replaced. */
function withField(row: string, field: number, value: (old: string) => string): string {
  const fields = row.slice(0, -2).split(',');
  fields[field] = value(fields[field] as string);
  return `${fields.join(',')}\r\n`;
}

function scatteredEdits(fileBytes: number): Uint8Array {
  const rows = baseRows(fileBytes);
  const random = seededRandom(5);
  for (let i = 0; i < 500; i++) {
    const index = random.below(rows.length);
    rows[index] = withField(rows[index] as string, 2 + random.below(8), (old) => {
      const decimals = old.length - old.indexOf('.') - 1;
      return (Number(old) + (random.float() - 0.5) * 20).toFixed(decimals);
    });
  }
  return table(rows);
}

function recalibrated(fileBytes: number): Uint8Array {
  const rows = baseRows(fileBytes);
  const first = Math.floor(rows.length / 2);
  for (let i = first; i < first + dayRows; i++) {
    rows[i] = withField(rows[i] as string, 3, (old) => (Number(old) * 1.013 + 0.27).toFixed(2));
  }
  return table(rows);
}

/* ---- HDF5 ---- */

const columns = 6;

/** One-minute records of six columns, as float32 with the noise of real sensors. */
function records(count: number, seed: number): Float32Array {
  const random = seededRandom(seed);
  const values = new Float32Array(count * columns);
  const level = [12, 15, 60, 1010, 4, 300];
  for (let i = 0; i < count; i++) {
    for (let column = 0; column < columns; column++) {
      level[column] = (level[column] as number) + (random.float() + random.float() - 1) * 0.1;
      values[i * columns + column] = level[column] as number;
    }
  }
  return values;
}

/** The HDF5 library's view of this computer's file system. */
const { FS } = await h5wasm.ready;

type H5Dataset = InstanceType<typeof h5wasm.Dataset>;

/** The bytes of an HDF5 file with these records; `change` then opens it again and edits it in place, as a data logger program does. */
function hdf5Pair(fileBytes: number, gzip: boolean, change: (dataset: H5Dataset, count: number) => void): FilePair {
  const count = Math.floor(fileBytes / columns / 4 / dayRows) * dayRows;
  // A real file: two measurements at a time must not write into one another's.
  const folder = mkdtempSync(join(tmpdir(), 'godwit-bench-'));
  const path = join(folder, 'bench.h5');
  const file = new h5wasm.File(path, 'w');
  file.create_dataset({
    name: 'minute',
    data: records(count, 7),
    shape: [count, columns],
    maxshape: [null, columns],
    dtype: '<f',
    // Compressed as h5py does it when nobody says more than "gzip": its choice of chunks for a resizable table of six float32 columns, and its level.
    chunks: gzip ? [512, 3] : [dayRows, columns],
    ...(gzip ? { compression: 4 } : {}),
  });
  file.close();
  const base = FS.readFile(path).slice();
  const again = new h5wasm.File(path, 'a');
  change(again.get('minute') as H5Dataset, count);
  again.close();
  const target = FS.readFile(path).slice();
  rmSync(folder, { recursive: true });
  return { base, target };
}

function appendRecords(dataset: H5Dataset, count: number): void {
  dataset.resize([count + dayRows, columns]);
  dataset.write_slice(
    [
      [count, count + dayRows],
      [0, columns],
    ],
    records(dayRows, 8),
  );
}

function editColumn(dataset: H5Dataset, count: number): void {
  const first = Math.floor(count / dayRows / 2) * dayRows;
  const range: [number, number][] = [
    [first, first + dayRows],
    [2, 3],
  ];
  const old = dataset.slice(range) as Float32Array;
  dataset.write_slice(
    range,
    old.map((value) => value * 1.013 + 0.27),
  );
}

/* ---- the changes ---- */

/** The ten changes, in the order of the design's table. */
export const deltaPatterns: readonly DeltaPattern[] = [
  {
    name: 'table: append 1 row',
    prototypeBytes: 59,
    xdeltaBytes: 450,
    make: (fileBytes) => ({ base: table(baseRows(fileBytes)), target: table(allRows(fileBytes).slice(0, 1 - dayRows)) }),
  },
  {
    name: 'table: append 1 day',
    prototypeBytes: 21_432,
    xdeltaBytes: 33_071,
    make: (fileBytes) => ({ base: table(baseRows(fileBytes)), target: table(allRows(fileBytes)) }),
  },
  {
    name: 'table: backfill 1 day',
    prototypeBytes: 21_995,
    xdeltaBytes: 38_931,
    make: (fileBytes) => {
      const rows = baseRows(fileBytes);
      const middle = Math.floor(rows.length / 2);
      return { base: table([...rows.slice(0, middle), ...rows.slice(middle + dayRows)]), target: table(rows) };
    },
  },
  {
    name: 'table: recalibrate column',
    prototypeBytes: 3_613,
    xdeltaBytes: 6_665,
    make: (fileBytes) => ({ base: table(baseRows(fileBytes)), target: recalibrated(fileBytes) }),
  },
  {
    name: 'table: 500 scattered edits',
    prototypeBytes: 13_237,
    xdeltaBytes: 4_665,
    make: (fileBytes) => ({ base: table(baseRows(fileBytes)), target: scatteredEdits(fileBytes) }),
  },
  {
    name: 'HDF5: append 1440 x 6',
    prototypeBytes: 32_052,
    xdeltaBytes: 32_472,
    make: (fileBytes) => hdf5Pair(fileBytes, false, appendRecords),
  },
  {
    name: 'HDF5: edit a column',
    prototypeBytes: 1_766,
    xdeltaBytes: 2_289,
    make: (fileBytes) => hdf5Pair(fileBytes, false, editColumn),
  },
  {
    name: 'HDF5 gzip: append',
    prototypeBytes: 46_251,
    xdeltaBytes: 46_384,
    make: (fileBytes) => hdf5Pair(fileBytes, true, appendRecords),
  },
  {
    name: 'HDF5 gzip: edit a column',
    prototypeBytes: 15_866,
    xdeltaBytes: 23_455,
    make: (fileBytes) => hdf5Pair(fileBytes, true, editColumn),
  },
  {
    name: 'insert 100,000 random bytes',
    prototypeBytes: 100_120,
    xdeltaBytes: 100_306,
    incompressibleBytes: 100_000,
    make: (fileBytes) => {
      const base = table(baseRows(fileBytes));
      const middle = Math.floor(base.length / 3);
      return { base, target: concatBytes(base.subarray(0, middle), seededRandom(9).bytes(100_000), base.subarray(middle)) };
    },
  },
];
