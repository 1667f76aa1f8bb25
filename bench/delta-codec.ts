/**
 * Bytes and seconds of one change to an 80 MB file: our whole delta (the plan without hashes, and its groups) beside `xdelta3 -9`, where that is installed.
 *
 *     node bench/delta-codec.ts [--effort fast|normal|high] [--only WORD] [--megabytes N]
 *
 * What a gzip edit costs depends on how much of the deflate stream it leaves as it was: compare it with xdelta3 on the same file, not with the goal.
 *
 * The files are generated from a seed: a TOA5-like table of one-minute rows, and HDF5 files of one-minute float32 records, plain and gzip-compressed. Every delta is decoded again and compared.
 */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import h5wasm from 'h5wasm/node';
import { concatBytes, equalBytes, utf8 } from '../src/core/bytes.ts';
import type { Hash } from '../src/core/identifiers.ts';
import { type Random, seededRandom } from '../src/core/random.ts';
import { ChunkSplitter, chunkParametersFor } from '../src/datasets/chunking.ts';
import { decodeGroup, type EncodingEffort, encodeGroup } from '../src/datasets/delta-group.ts';
import type { ChunkRef } from '../src/datasets/manifest.ts';
import { freshChunks, planTransfer } from '../src/datasets/transfer-plan.ts';
import { planGroups } from '../src/datasets/transfer-plan-groups.ts';
import { findSources } from '../src/datasets/transfer-plan-sources.ts';
import { decodePlan, encodePlan } from '../src/datasets/transfer-plan-wire.ts';
import { nodeCrypto } from '../src/runtime/node-crypto.ts';
import { zstdCompressor } from '../src/runtime/zstd-compressor.ts';

const { values: argumentsGiven } = parseArgs({
  options: {
    effort: { type: 'string', default: 'high' },
    only: { type: 'string', default: '' },
    megabytes: { type: 'string', default: '80' },
  },
});
const effort = argumentsGiven.effort as EncodingEffort;
const fileBytes = Number(argumentsGiven.megabytes) * 1e6;

interface Change {
  readonly name: string;
  /** Share of the bytes of `xdelta3 -9` that the design's prototype needed, or the goal where that is stricter. */
  readonly goalShare: number;
  readonly make: () => { base: Uint8Array; target: Uint8Array };
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

let cachedRows: string[] | undefined;

/** The rows of the base, a day more than the base holds. */
function allRows(): string[] {
  cachedRows ??= tableRows(Math.floor(fileBytes / rowBytesMean) + dayRows, 0, seededRandom(1));
  return cachedRows;
}

function baseRows(): string[] {
  return allRows().slice(0, -dayRows);
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

function scatteredEdits(): Uint8Array {
  const rows = baseRows();
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

function recalibrated(): Uint8Array {
  const rows = baseRows();
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

/** The file system in memory that the HDF5 library writes to. */
const { FS } = await h5wasm.ready;

type H5Dataset = InstanceType<typeof h5wasm.Dataset>;

/** The bytes of an HDF5 file with these records; `change` then opens it again and edits it in place, as a data logger program does. */
function hdf5Pair(gzip: boolean, change: (dataset: H5Dataset, count: number) => void): { base: Uint8Array; target: Uint8Array } {
  const count = Math.floor(fileBytes / columns / 4 / dayRows) * dayRows;
  const file = new h5wasm.File('bench.h5', 'w');
  file.create_dataset({
    name: 'minute',
    data: records(count, 7),
    shape: [count, columns],
    maxshape: [null, columns],
    dtype: '<f',
    // Compressed chunks of several deflate blocks: an edited one no longer fits its place, and moves to the end of the file.
    chunks: [gzip ? 8192 : dayRows, columns],
    ...(gzip ? { compression: 6 } : {}),
  });
  file.close();
  const base = FS.readFile('bench.h5').slice();
  const again = new h5wasm.File('bench.h5', 'a');
  change(again.get('minute') as H5Dataset, count);
  again.close();
  const target = FS.readFile('bench.h5').slice();
  FS.unlink('bench.h5');
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

const changes: readonly Change[] = [
  {
    name: 'table: append 1 row',
    goalShare: 59 / 450,
    make: () => ({ base: table(baseRows()), target: table(allRows().slice(0, 1 - dayRows)) }),
  },
  { name: 'table: append 1 day', goalShare: 21_432 / 33_071, make: () => ({ base: table(baseRows()), target: table(allRows()) }) },
  {
    name: 'table: backfill 1 day',
    goalShare: 21_995 / 38_931,
    make: () => {
      const rows = baseRows();
      const middle = Math.floor(rows.length / 2);
      return { base: table([...rows.slice(0, middle), ...rows.slice(middle + dayRows)]), target: table(rows) };
    },
  },
  { name: 'table: recalibrate column', goalShare: 3_613 / 6_665, make: () => ({ base: table(baseRows()), target: recalibrated() }) },
  { name: 'table: 500 scattered edits', goalShare: 1, make: () => ({ base: table(baseRows()), target: scatteredEdits() }) },
  { name: 'HDF5: append 1440 x 6', goalShare: 32_052 / 32_472, make: () => hdf5Pair(false, appendRecords) },
  { name: 'HDF5: edit a column', goalShare: 1_766 / 2_289, make: () => hdf5Pair(false, editColumn) },
  { name: 'HDF5 gzip: append', goalShare: 46_251 / 46_384, make: () => hdf5Pair(true, appendRecords) },
  { name: 'HDF5 gzip: edit a column', goalShare: 15_866 / 23_455, make: () => hdf5Pair(true, editColumn) },
  {
    name: 'insert 100,000 random bytes',
    goalShare: 100_120 / 100_306,
    make: () => {
      const base = table(baseRows());
      const middle = Math.floor(base.length / 3);
      return { base, target: concatBytes(base.subarray(0, middle), seededRandom(9).bytes(100_000), base.subarray(middle)) };
    },
  },
];

/* ---- measuring ---- */

interface Cut {
  readonly refs: ChunkRef[];
  readonly chunks: Uint8Array[];
}

function cut(bytes: Uint8Array): Cut {
  const splitter = new ChunkSplitter(chunkParametersFor(fileBytes));
  const chunks = [...splitter.push(bytes), ...splitter.end()];
  return { chunks, refs: chunks.map((chunk) => ({ hash: nodeCrypto.sha256(chunk) as Hash, lengthBytes: chunk.length })) };
}

interface Measured {
  readonly planBytes: number;
  readonly groupBytes: number;
  readonly encodings: string;
  readonly encodeSeconds: number;
  readonly decodeSeconds: number;
}

async function measureOurs(base: Cut, target: Cut): Promise<Measured> {
  const chunkByHash = new Map(
    [base, target].flatMap(({ refs, chunks }) => refs.map((ref, index) => [ref.hash.toHex(), chunks[index] as Uint8Array])),
  );
  const begun = performance.now();
  const plan = await findSources(planTransfer(target.refs, base.refs), base.refs, ({ hash }) => chunkByHash.get(hash.toHex()));
  const planBytes = encodePlan(plan, base.refs, { withHashes: false, compressor: zstdCompressor });
  const fresh = freshChunks(plan).map((chunk) => chunkByHash.get((chunk.hash as Hash).toHex()) as Uint8Array);
  const groups = planGroups(plan, base.refs);
  const baseOf = (group: (typeof groups)[number]) =>
    group.baseRuns.flatMap(({ baseIndex, count }) => base.chunks.slice(baseIndex, baseIndex + count));
  const encoded = groups.map((group) =>
    encodeGroup(fresh.slice(group.firstFresh, group.firstFresh + group.freshCount), baseOf(group), { compressor: zstdCompressor, effort }),
  );
  const encodeSeconds = (performance.now() - begun) / 1000;

  const decodeBegun = performance.now();
  const decodedPlan = decodePlan(
    planBytes,
    base.refs,
    target.refs.reduce((sum, ref) => sum + ref.lengthBytes, 0),
    zstdCompressor,
  );
  if (!decodedPlan.ok) throw new Error(decodedPlan.fault.message);
  for (const [index, group] of planGroups(decodedPlan.value, base.refs).entries()) {
    const decoded = decodeGroup(encoded[index] as Uint8Array, baseOf(group), group.targetBytes, zstdCompressor);
    if (!decoded.ok) throw new Error(decoded.fault.message);
    const wanted = concatBytes(...fresh.slice(group.firstFresh, group.firstFresh + group.freshCount));
    if (!equalBytes(decoded.value, wanted)) throw new Error('the delta decodes to other bytes');
  }
  return {
    planBytes: planBytes.length,
    groupBytes: encoded.reduce((sum, bytes) => sum + bytes.length, 0),
    encodings: encoded.map((bytes) => bytes[0]).join(','),
    encodeSeconds,
    decodeSeconds: (performance.now() - decodeBegun) / 1000,
  };
}

function measureXdelta(base: Uint8Array, target: Uint8Array): { bytes: number; seconds: number } | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'delta-codec-'));
  try {
    const [basePath, targetPath, deltaPath] = ['base', 'target', 'delta'].map((name) => join(folder, name)) as [string, string, string];
    writeFileSync(basePath, base);
    writeFileSync(targetPath, target);
    const begun = performance.now();
    const { status } = spawnSync('xdelta3', ['-9', '-e', '-f', '-s', basePath, targetPath, deltaPath]);
    if (status !== 0) return undefined;
    return { bytes: statSync(deltaPath).size, seconds: (performance.now() - begun) / 1000 };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

console.log(`effort ${effort}, files of ${fileBytes / 1e6} MB`);
console.log(
  ['change'.padEnd(28), 'plan', 'groups', 'total', 'xdelta3', 'share', 'goal', 'ok', 'enc s', 'dec s', 'xd s', 'encodings']
    .map((title, index) => (index === 0 ? title : title.padStart(9)))
    .join(''),
);
for (const change of changes) {
  if (!change.name.includes(argumentsGiven.only)) continue;
  const { base, target } = change.make();
  const ours = await measureOurs(cut(base), cut(target));
  const xdelta = measureXdelta(base, target);
  const total = ours.planBytes + ours.groupBytes;
  const share = xdelta === undefined ? undefined : total / xdelta.bytes;
  const cells = [
    ours.planBytes,
    ours.groupBytes,
    total,
    xdelta?.bytes ?? '-',
    share?.toFixed(3) ?? '-',
    change.goalShare.toFixed(3),
    share === undefined ? '-' : share <= change.goalShare ? 'yes' : 'NO',
    ours.encodeSeconds.toFixed(2),
    ours.decodeSeconds.toFixed(2),
    xdelta?.seconds.toFixed(2) ?? '-',
    ours.encodings,
  ];
  console.log(change.name.padEnd(28) + cells.map((cell) => String(cell).padStart(9)).join(''));
}
