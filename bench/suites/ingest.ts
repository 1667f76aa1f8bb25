import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { seededRandom } from '../../src/core/random.ts';
import type { Moment, MonotonicMs, WallMs } from '../../src/core/time.ts';
import { type FieldNode, openNode } from '../../src/index.ts';
import type { RegisterDefinition } from '../../src/instruments/modbus/register-map.ts';
import { toa5Text } from '../../src/simulation/logger-files.ts';
import { ModbusSensor } from '../../src/simulation/modbus-sensor.ts';
import { compiled } from '../compiled.ts';
import { atLeast, atMost, type BenchResult, figure } from '../result.ts';

/**
 * What it costs to take observations in: a large file, many instruments, and how soon a record is there.
 *
 * The file is read by a process of its own, from raw archive to durable rows, every value checked, by the library as it is published: compiled. Its speed is counted in processor time of all its threads, so that other
 * work on the machine makes it little slower and other processors do not make it faster. The instruments are Modbus sensors behind real TCP ports of this process, and their own work is counted too, so the share is an upper bound.
 */

const rows = 1_200_000;
const rowsPerSecondTarget = 150_000;
const residentMegabytesTarget = 150;
const instruments = 64;
const pollEveryMs = 10_000;
const pollRounds = 2;
const pollShareTarget = 0.05;
const latencySecondsTarget = 2;
const intervalUs = 60_000_000;

const program = fileURLToPath(new URL('../ingest-node.ts', import.meta.url));

interface Reading {
  readonly processorSeconds: number;
  readonly wallSeconds: number;
  readonly residentBytes: number;
}

function readFileOf(count: number): Reading & { readonly idleBytes: number } {
  const directory = mkdtempSync(join(tmpdir(), 'godwit-bench-ingest-'));
  try {
    const run = (work: string): string => {
      const file = work === 'write' ? program : compiled('ingest-node');
      const ran = spawnSync(process.execPath, [file, directory, String(count), work], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      if (ran.status !== 0) throw new Error(`the reading of ${count} rows failed`);
      return ran.stdout;
    };
    run('write');
    const { residentBytes: idleBytes } = JSON.parse(run('idle')) as Pick<Reading, 'residentBytes'>;
    return { ...(JSON.parse(run('read')) as Reading), idleBytes };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function now(): Moment {
  return { monotonicMs: performance.now() as MonotonicMs, wallMs: Date.now() as WallMs };
}

const stage: RegisterDefinition = { name: 'Stage', kind: 'input-register', address: 0, type: 'float32', unit: 'm' };

async function startSensor(seed: number): Promise<{ server: Server; port: number }> {
  const sensor = new ModbusSensor({ framing: 'tcp', unit: 255, random: seededRandom(seed) });
  sensor.set(stage, 1 + seed / 100);
  const server = createServer((socket: Socket) => {
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      sensor.handle({ type: 'bytes', bytes: chunk as Uint8Array }, now());
      for (let output = sensor.poll(); output !== undefined; output = sensor.poll()) socket.write(output.bytes);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { server, port: address.port };
}

async function withNode<T>(work: (node: FieldNode, directory: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'godwit-bench-ingest-'));
  const node = await openNode({ directory: join(directory, 'node') });
  node.createTeam('bench');
  try {
    return await work(node, directory);
  } finally {
    await node.close();
    rmSync(directory, { recursive: true });
  }
}

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Share of one processor that polling takes, and how many readings were stored. */
async function poll(): Promise<{ share: number; stored: number }> {
  const sensors = await Promise.all(Array.from({ length: instruments }, (_, index) => startSensor(index)));
  try {
    return await withNode(async (node) => {
      const dataset = node.createDataset({ name: 'met', kind: 'series' });
      const tables = [{ name: 'Weir', registers: [stage] }];
      for (const [index, { port }] of sensors.entries()) {
        const profile = { stationId: `weir-${index}` };
        const configuration = { framing: 'tcp', tables };
        node.addDuty({
          kind: 'collect',
          dataset,
          driver: 'modbus',
          address: `tcp://127.0.0.1:${port}`,
          configuration,
          profile,
          everyMs: pollEveryMs,
        });
      }
      // The first visits define the tables; they are not what polling costs.
      await wait(pollEveryMs - 2000);
      const before = process.cpuUsage();
      const began = performance.now();
      await wait(pollRounds * pollEveryMs);
      const { user, system } = process.cpuUsage(before);
      const share = (user + system) / 1000 / (performance.now() - began);
      return { share, stored: node.tables(dataset).reduce((sum, table) => sum + table.rows, 0) };
    });
  } finally {
    for (const { server } of sensors) server.close();
  }
}

/** Seconds from a complete record in a growing file to its row, at worst of some. */
async function latency(): Promise<number> {
  return withNode(async (node, directory) => {
    const card = join(directory, 'card');
    mkdirSync(card);
    const path = join(card, 'met.dat');
    const text = (from: number, count: number) => {
      const firstLocalUs = Date.UTC(2026, 0, 1) * 1000 + from * intervalUs;
      return toa5Text({
        station: 'S',
        table: 'T',
        firstLocalUs,
        intervalUs,
        rows: count,
        firstRecord: from,
        seed: 1,
        withHeader: from === 0,
      });
    };
    writeFileSync(path, text(0, 10_000));
    const dataset = node.createDataset({ name: 'met', kind: 'series' });
    node.addDuty({ kind: 'ingest', dataset, directory: card, everyMs: 1000, profile: { utcOffsetMinutes: 0 } });
    const rowsThere = () => node.tables(dataset)[0]?.rows ?? 0;
    while (rowsThere() < 10_000) await wait(50);
    let worst = 0;
    for (let record = 10_000; record < 10_005; record++) {
      const began = performance.now();
      appendFileSync(path, text(record, 1));
      while (rowsThere() <= record) await wait(20);
      worst = Math.max(worst, (performance.now() - began) / 1000);
    }
    return worst;
  });
}

/** Measures all of it; about a minute and a half. */
export async function run(): Promise<BenchResult[]> {
  const small = readFileOf(rows / 4);
  const large = readFileOf(rows);
  const { share, stored } = await poll();
  return [
    atLeast(
      `TOA5, ${rows.toLocaleString('en')} rows of 10 columns, per processor second`,
      rows / large.processorSeconds,
      '1/s',
      rowsPerSecondTarget,
    ),
    figure('  per second by the clock, disk included', rows / large.wallSeconds, '1/s'),
    atMost('  resident memory at most', large.residentBytes / 1e6, 'MB', residentMegabytesTarget),
    figure('  the same for a quarter of the rows', small.residentBytes / 1e6, 'MB'),
    figure('  of a node that has just been opened', large.idleBytes / 1e6, 'MB'),
    atMost(`${instruments} instruments polled every ${pollEveryMs / 1000} s, share of one processor`, share, '', pollShareTarget),
    figure('  readings stored meanwhile', stored, ''),
    atMost('from a record in a growing file to its row', await latency(), 's', latencySecondsTarget),
  ];
}
