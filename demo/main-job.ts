import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type LinkRelay, openLinkRelay } from '../src/runtime/link-relay.ts';
import { AgentProcess, RequestRefused } from './agent-process.ts';
import { largeBytes, metDay, metFile, notes, rowsPerDay, sha256, writeFolder, writeHobowareExports } from './season.ts';

/**
 * The main job, end to end, in processes of their own on loopback:
 *
 *     field ── relayed UDP ── camp ── relayed TCP ── hq          field and hq never meet; camp meets one at a time
 *
 * Instruments and a folder at the field station reach headquarters through the camp, while links are cut, the camp is killed in the middle of custody, rows are appended and one file is
 * edited at both ends. Every step is checked; the last line printed is one JSON object, and the exit code is 0 only when every check held.
 */

const checks: { readonly what: string; readonly held: boolean }[] = [];
const began = performance.now();

function say(text: string): void {
  console.log(`${((performance.now() - began) / 1000).toFixed(1).padStart(5)} s  ${text}`);
}

function check(what: string, held: boolean): void {
  checks.push({ what, held });
  say(`${held ? 'ok  ' : 'FAIL'} ${what}`);
}

/** Asks again and again until the condition holds. The demonstration as a whole is what has a time limit. */
async function until(what: string, condition: () => boolean | Promise<boolean>, limitMs = 40_000): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`gave up waiting until ${what}`);
    await delay(50);
  }
}

interface Delivery {
  readonly name: string;
  readonly state: string;
}
interface Counts {
  readonly read: number;
  readonly stored: number;
  readonly duplicate: number;
  readonly quarantined: number;
}
interface PeerTraffic {
  readonly peer: string;
  readonly sent: Record<string, number>;
  readonly received: Record<string, number>;
  readonly saved: { readonly resume: number; readonly delta: number };
}
interface TableInfo {
  readonly rows: number;
  readonly revision: { readonly stationId: string; readonly table: string };
}

const root = mkdtempSync(join(tmpdir(), 'godwit-demo-'));
const place = (...names: string[]): string => {
  const path = join(root, ...names);
  mkdirSync(path, { recursive: true });
  return path;
};

/** Everything that has to be ended, whatever happens. */
const ending: (() => Promise<void>)[] = [];
const seenEvents = { completed: 0, copiedBytes: 0, lastReceiptMs: 0 };

function startAgent(name: string): AgentProcess {
  const agent = new AgentProcess(name, place(name, 'node'), (event) => {
    if (event.type === 'content-complete') {
      seenEvents.completed++;
      seenEvents.copiedBytes += event.copiedBytes as number;
    }
    if (event.type === 'receipt') seenEvents.lastReceiptMs = performance.now();
    if (event.type === 'problem' || event.type === 'fault') say(`     ${name}: ${JSON.stringify(event)}`);
  });
  ending.push(() => agent.close());
  return agent;
}

async function startLogger(): Promise<{ readonly port: number; readonly process: ChildProcess }> {
  const server = fileURLToPath(new URL('./pakbus-logger-server.ts', import.meta.url));
  const options = JSON.stringify({ records: loggerRecords, interval: 600, seed: 7, faults: { dropRatio: 0.02, duplicateRatio: 0.02 } });
  const child = spawn(process.execPath, [server, options], { stdio: ['pipe', 'pipe', 'inherit'] });
  ending.push(async () => {
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    await exited;
  });
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return { port: (JSON.parse(line) as { port: number }).port, process: child };
}

const loggerRecords = 300;
const firstDays = 3;
const brokenLogger =
  '"TOA5","Storbreen","CR1000X","38412","CR1000X.Std.07.02","CPU:Storbreen.CR1X","41235","Met_1min"\n"TIMESTAMP","RECORD","AirT_C"\n"TS","RN"\n"","","Avg"\n';

async function traffic(agent: AgentProcess, peer: string): Promise<PeerTraffic> {
  const found = (await agent.request<PeerTraffic[]>('traffic')).find((each) => each.peer === peer);
  return found ?? { peer, sent: {}, received: {}, saved: { resume: 0, delta: 0 } };
}

async function rowsAt(agent: AgentProcess): Promise<number> {
  const tables = await agent.request<TableInfo[]>('tables', { dataset: 'observations' }).catch(notYet);
  return tables === undefined ? 0 : tables.reduce((sum, table) => sum + table.rows, 0);
}

/** A dataset that has not been heard of yet is no error here: it is on its way. */
function notYet(error: unknown): undefined {
  if (error instanceof RequestRefused && error.code === 'DATASET_UNKNOWN') return undefined;
  throw error;
}

async function isDelivered(agent: AgentProcess, member: string, state: string): Promise<boolean> {
  for (const dataset of ['observations', 'site-files']) {
    const deliveries = await agent.request<Delivery[]>('deliveries', { dataset });
    if (deliveries.find((each) => each.name === member)?.state !== state) return false;
  }
  return true;
}

function listing(directory: string): string[] {
  return (readdirSync(directory, { recursive: true }) as string[]).filter((path) => !lstatSync(join(directory, path)).isDirectory()).sort();
}

/** What differs between two folders: names, bytes, times, modes, link targets. */
function folderDifferences(one: string, other: string): string[] {
  const names = new Set([...listing(one), ...listing(other)]);
  return [...names].filter((name) => {
    const [a, b] = [join(one, name), join(other, name)];
    if (!existsSync(a) || !existsSync(b)) return true;
    const [left, right] = [lstatSync(a, { bigint: true }), lstatSync(b, { bigint: true })];
    if (left.isSymbolicLink()) return readlinkSync(a) !== readlinkSync(b);
    // Node sets file times as floating-point seconds, good to about 0.2 µs; the revision itself carries the nanoseconds.
    const timeDifferenceNs = left.mtimeNs > right.mtimeNs ? left.mtimeNs - right.mtimeNs : right.mtimeNs - left.mtimeNs;
    return timeDifferenceNs > 1000n || left.mode !== right.mode || sha256(readFileSync(a)) !== sha256(readFileSync(b));
  });
}

async function main(): Promise<Record<string, unknown>> {
  say(`everything is in ${root}`);
  const loggerFiles = place('field', 'logger');
  const hobo = place('field', 'hobo');
  const folder = place('field', 'folder');
  const hqFolder = place('hq', 'folder');
  writeFileSync(join(loggerFiles, 'Storbreen_Met_1min.dat'), metFile(firstDays));
  writeFileSync(join(loggerFiles, 'Storbreen_broken.dat'), brokenLogger);
  const hoboReadings = writeHobowareExports(hobo);
  writeFolder(folder);

  say('three agents, a logger, two links');
  const logger = await startLogger();
  const [field, camp, hq] = [startAgent('field'), startAgent('camp'), startAgent('hq')];
  await Promise.all([field.ready(), camp.ready(), hq.ready()]);
  const udp = await camp.request<string>('listen', { address: 'udp://127.0.0.1:0', keep: true });
  const tcp = await camp.request<string>('listen', { address: 'tcp://127.0.0.1:0', keep: true });
  const valley = await openRelay('udp://127.0.0.1:0', udp, { rateBitsPerSecond: 200_000_000, delayMs: 4, loss: 0.002 });
  const road = await openRelay('tcp://127.0.0.1:0', tcp, { rateBitsPerSecond: 400_000_000, delayMs: 1 });

  say('camp founds the team; field and hq join with one code each, one after the other');
  await camp.request('createTeam', { name: 'Storbreen 2026' });
  valley.cut();
  await hq.request('join', { code: await camp.request<string>('createInvite', { addresses: [road.address] }) });
  road.cut();
  valley.restore();
  const fieldCode = await camp.request<string>('createInvite', { addresses: [valley.address] });
  await field.request('join', { code: fieldCode });
  const ids = {
    field: (await field.request<{ id: string }>('status')).id,
    camp: (await camp.request<{ id: string }>('status')).id,
  };

  const refused = await hq.request('join', { code: `${fieldCode.slice(0, -4)}AAAA` }).then(
    () => 'nothing',
    (error: unknown) => (error instanceof RequestRefused ? error.code : String(error)),
  );
  check('a damaged invite code is refused by name', refused === 'INVITE_MALFORMED');

  say('the field station reads its instruments and publishes its folder');
  await field.request('createDataset', { name: 'observations', kind: 'series' });
  await field.request('createDataset', { name: 'site-files', kind: 'files' });
  await field.request('attach', { dataset: 'site-files', directory: folder });
  const profile = {
    stationId: 'storbreen',
    utcOffsetMinutes: 60,
    position: { latitude: 61.6, longitude: 8.13, altitudeM: 1570, method: 'survey' },
  };
  await field.request('ingest', { dataset: 'observations', directory: loggerFiles, profile: { ...profile, intervalUs: 60_000_000 } });
  await field.request('ingest', { dataset: 'observations', directory: hobo, profile: { utcOffsetMinutes: 60 }, complete: true });
  await field.request('addDuty', {
    duty: {
      kind: 'collect',
      dataset: 'observations',
      driver: 'campbell-pakbus',
      address: `tcp://127.0.0.1:${logger.port}`,
      configuration: { address: 1, responseTimeoutMs: 400 },
      profile,
      tables: ['Weather'],
      everyMs: 3_600_000,
    },
  });
  const rowsFirst = firstDays * rowsPerDay + hoboReadings + loggerRecords;
  await until('the logger is collected', async () => (await rowsAt(field)) === rowsFirst);
  const quarantined = await field.request<{ code: string; source: string }[]>('quarantined', { dataset: 'observations' });
  check(
    'the broken logger file is in quarantine with a reason',
    quarantined.length === 1 && quarantined[0]?.source === 'Storbreen_broken.dat',
  );

  const published = await field.request<{ published: string[]; problems: unknown[] }>('scan', { dataset: 'site-files', settleMs: 0 });
  check('the folder is published whole', published.published.length === listing(folder).length && published.problems.length === 0);

  say('the large file is on its way; the link is cut in the middle of it');
  const valleyBytes = (): number => valley.counts().forward.bytes;
  const start = valleyBytes();
  await until('a third of it has passed', () => valleyBytes() - start > largeBytes / 3);
  valley.cut();
  await delay(1200);
  valley.restore();
  await until('two thirds have passed', () => valleyBytes() - start > (largeBytes * 2) / 3);
  say('camp is killed in the middle of custody');
  const killed = camp.starts;
  camp.kill();
  await until('camp runs again', () => camp.starts > killed);
  await camp.ready();
  await until('camp has taken custody of everything', () => isDelivered(field, 'hq', 'custody'));
  const firstPass = valleyBytes() - start;
  check('cut and killed, the large file cost little more than its size', firstPass < largeBytes * 1.25 + 4_000_000);
  say(
    `     ${(firstPass / 1e6).toFixed(1)} MB for ${(largeBytes / 1e6).toFixed(1)} MB and everything else; hq has ${await rowsAt(hq)} rows`,
  );

  say('camp drives to headquarters');
  valley.cut();
  road.restore();
  await hq.request('hint');
  await until('hq knows the datasets', async () => (await hq.request<unknown[]>('datasets')).length === 2);
  await hq.request('attach', { dataset: 'site-files', directory: hqFolder });
  await until(
    'hq has every row and every file',
    async () => (await rowsAt(hq)) === rowsFirst && folderDifferences(folder, hqFolder).length === 0,
  );
  check('hq, never reachable from the field, has every observation', (await rowsAt(hq)) === rowsFirst);
  check('hq has every file with its bytes, time and mode', folderDifferences(folder, hqFolder).length === 0);
  road.cut();

  say('apart: a day of rows is appended at the field, and both ends edit the same notes');
  appendFileSync(join(loggerFiles, 'Storbreen_Met_1min.dat'), metDay(firstDays));
  appendFileSync(join(folder, 'met-archive.dat'), metDay(14));
  writeFileSync(join(folder, 'pit-notes.csv'), notes.replace('2,pit 2,0.7,355,KN', '2,pit 2,0.7,358,KN'));
  writeFileSync(join(hqFolder, 'pit-notes.csv'), notes.replace('4,pit 4,1.6,421,MR', '4,pit 4,1.65,421,MR'));
  await field.request('ingest', { dataset: 'observations', directory: loggerFiles, profile: { ...profile, intervalUs: 60_000_000 } });
  await field.request('scan', { dataset: 'site-files', settleMs: 0 });
  await hq.request('scan', { dataset: 'site-files', settleMs: 0 });
  const rowsThen = rowsFirst + rowsPerDay;

  say('camp visits the field, then headquarters, then the field again');
  const beforeDelta = valleyBytes();
  valley.restore();
  await field.request('hint');
  await until('camp carries the new rows', async () => isDelivered(field, 'hq', 'custody'));
  const deltaBytes = valleyBytes() - beforeDelta;
  check('a day of rows, twice, and an edit travel as deltas', deltaBytes < 150_000);
  say(`     ${deltaBytes} bytes from the field, headers and all`);
  valley.cut();
  road.restore();
  await hq.request('hint');
  await until('the conflict is merged at hq', async () => {
    const conflicts = await hq.request<{ resolution?: string; resolvedMs?: number }[]>('conflicts', { dataset: 'site-files' });
    return conflicts.some((conflict) => conflict.resolvedMs !== undefined);
  });
  await until('hq has the new rows', async () => (await rowsAt(hq)) === rowsThen);
  await hq.request('idle');
  await until('camp holds the merge', async () =>
    (await hq.request<Delivery[]>('deliveries', { dataset: 'site-files' })).some(
      (each) => each.name === 'camp' && each.state === 'delivered',
    ),
  );
  // Receipts of one dataset are a second apart at least: the camp stays until the last has been said.
  await until('nobody has anything to say any more', () => performance.now() - seenEvents.lastReceiptMs > 2000);
  road.cut();
  valley.restore();
  await field.request('hint');
  const merged = notes.replace('2,pit 2,0.7,355,KN', '2,pit 2,0.7,358,KN').replace('4,pit 4,1.6,421,MR', '4,pit 4,1.65,421,MR');
  await until('the merged notes are back at the field', () => readFileSync(join(folder, 'pit-notes.csv'), 'utf8') === merged);
  check('both edits of the notes survive, at both ends', readFileSync(join(hqFolder, 'pit-notes.csv'), 'utf8') === merged);
  await until('the receipts of hq are back at the field', () => isDelivered(field, 'hq', 'delivered'));
  check('the field knows that headquarters has everything', await isDelivered(field, 'hq', 'delivered'));
  // Camp and headquarters both see both edits, and whoever is first ends it; the other only learns that it has ended.
  const recorded = async (agent: AgentProcess) =>
    agent.request<{ path: string; resolution?: string; resolvedMs?: number }[]>('conflicts', { dataset: 'site-files' });
  const [atHq, atCamp] = [await recorded(hq), await recorded(camp)];
  check(
    'the conflict is on record, ended by merge',
    atHq.length === 1 &&
      atHq[0]?.path === 'pit-notes.csv' &&
      atHq[0].resolvedMs !== undefined &&
      [...atHq, ...atCamp].some(({ resolution }) => resolution === 'merge'),
  );
  check('the folders agree to the byte, times and modes included', folderDifferences(folder, hqFolder).length === 0);

  say('headquarters writes what analysts open');
  const netcdf = join(root, 'hq', 'storbreen.nc');
  const geopackage = join(root, 'hq', 'storbreen.gpkg');
  const written = await hq.request<{ rows: number }>('export', { dataset: 'observations', format: 'netcdf', path: netcdf });
  await hq.request('export', { dataset: 'observations', format: 'geopackage', path: geopackage });
  check('a CF NetCDF-4 file with every row', written.rows === rowsThen && readFileSync(netcdf).subarray(1, 4).toString() === 'HDF');
  check('a GeoPackage with every row', geopackageRows(geopackage) === rowsThen);

  const counts = Object.values(await field.request<Record<string, Counts>>('counts', { dataset: 'observations' }));
  const total = (key: keyof Counts): number => counts.reduce((sum, each) => sum + each[key], 0);
  check('the counts add up', total('read') === total('stored') + total('duplicate') + total('quarantined') && total('stored') === rowsThen);
  const [fieldTraffic, hqTraffic] = [await traffic(field, ids.camp), await traffic(hq, ids.camp)];
  return {
    counts: { read: total('read'), stored: total('stored'), duplicate: total('duplicate'), quarantined: total('quarantined') },
    bytes: {
      'field-camp': { sent: fieldTraffic.sent, received: fieldTraffic.received, onTheLink: valley.counts() },
      'hq-camp': { sent: hqTraffic.sent, received: hqTraffic.received, onTheLink: road.counts() },
    },
    saved: { resume: fieldTraffic.saved.resume, delta: seenEvents.copiedBytes },
    conflicts: atHq.length,
    restarts: { field: field.starts - 1, camp: camp.starts - 1, hq: hq.starts - 1 },
  };
}

async function openRelay(
  listen: string,
  target: string,
  shape: { rateBitsPerSecond: number; delayMs: number; loss?: number },
): Promise<LinkRelay> {
  const relay = await openLinkRelay({ listen, target, seed: 1, ...shape });
  ending.push(() => relay.close());
  return relay;
}

function geopackageRows(path: string): number {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const tables = database.prepare('SELECT table_name AS name FROM series').all() as { name: string }[];
    const rowsOf = (name: string): number =>
      (database.prepare(`SELECT count(*) AS n FROM "${name.replaceAll('"', '""')}"`).get() as { n: number }).n;
    return tables.reduce((sum, { name }) => sum + rowsOf(name), 0);
  } finally {
    database.close();
  }
}

let outcome: Record<string, unknown> = {};
let failure: string | undefined;
try {
  outcome = await main();
} catch (error) {
  failure = error instanceof Error ? error.message : String(error);
  say(`FAIL ${failure}`);
} finally {
  for (const end of ending.reverse()) await end();
  rmSync(root, { recursive: true, force: true });
}
const ok = failure === undefined && checks.length > 0 && checks.every((each) => each.held);
const seconds = Number(((performance.now() - began) / 1000).toFixed(1));
console.log(
  JSON.stringify({
    ok,
    ...outcome,
    checks: checks.length,
    failed: checks.filter((each) => !each.held).map((each) => each.what),
    ...(failure === undefined ? {} : { failure }),
    seconds,
  }),
);
process.exitCode = ok ? 0 : 1;
