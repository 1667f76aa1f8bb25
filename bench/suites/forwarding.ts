import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { killedTransfers } from '../../test/e2e/killed-transfers.ts';
import { crashes, firstBytes, intermittent } from '../forwarding-links.ts';
import { atLeast, atMost, type BenchResult, figure } from '../result.ts';

/**
 * Store and forward: a queue of a million, a link of 600 bit/s that is there for five minutes in twenty-five, power that fails five hundred times, and how soon a link that came up is used.
 *
 * The queue is measured in a process of its own, because its memory is a figure. Links and power cuts are simulated: whole nodes in virtual time. Kills are real: processes over sockets. The parts can be asked for alone:
 *
 *     FORWARDING=queue,kills npm run bench -- forwarding
 */

const queuedRows = 1_000_000;
const kills = 500;
const rttMs = 200;

/** What `forwarding-queue.ts` measured. */
interface QueueFigures {
  readonly fillSeconds: number;
  readonly openMs: number;
  readonly nextDeliveryMs: number;
  readonly nextWantMs: number;
  readonly residentBytes: number;
  readonly diskBytes: number;
}

function queue(): BenchResult[] {
  const directory = mkdtempSync(join(tmpdir(), 'godwit-forwarding-'));
  try {
    const program = fileURLToPath(new URL('../forwarding-queue.ts', import.meta.url));
    const run = (step: string): QueueFigures => {
      const child = spawnSync(process.execPath, [program, step, directory, String(queuedRows)], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      if (child.status !== 0) throw new Error(`the queue could not be measured (${step})`);
      return JSON.parse(child.stdout) as QueueFigures;
    };
    const filled = run('fill');
    const measured = run('measure');
    return [
      figure('filling 1,000,000 deliveries and as many wanted contents', filled.fillSeconds, 's'),
      figure('catalog with them', filled.diskBytes / 1e6, 'MB'),
      atMost('opening a node on them', measured.openMs / 1000, 's', 3),
      atMost('next delivery of 1,000,000: median', measured.nextDeliveryMs, 'ms', 1),
      atMost('next wanted content of 1,000,000: median', measured.nextWantMs, 'ms', 1),
      atMost('resident memory with them', measured.residentBytes / 1e6, 'MB', 150),
    ];
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function links(): Promise<BenchResult[]> {
  const { criticalShare, usefulShare } = await intermittent();
  return [
    atMost('600 bit/s, up 5 of 25 min, 1 % loss: 100 kB critical', criticalShare, 'x ideal', 1.3),
    atLeast('600 bit/s, up 5 of 25 min, 1 % loss: useful bytes', usefulShare, 'of the link', 0.78),
  ];
}

async function cuts(): Promise<BenchResult[]> {
  const { lost, repeatedBytesPerKill, done } = await crashes(kills);
  return [
    atLeast('power cuts in the middle of a transfer', done, 'cuts', kills),
    atMost('contents lost or corrupt after them', lost, 'contents', 0),
    atMost('bytes sent twice for a cut, beyond what was in flight', repeatedBytesPerKill, 'bytes', 4096),
  ];
}

async function realKills(): Promise<BenchResult[]> {
  const result = await killedTransfers(kills, 1);
  return [
    atLeast('SIGKILL in the middle of a transfer', result.kills, 'kills', kills),
    atMost('files lost or corrupt after them', result.lost, 'files', 0),
    figure('bytes sent twice for a kill, all of them', result.repeatedBytesPerKill, 'bytes'),
    figure('of these in flight, or sent to a receiver that was gone', result.inFlightBytesPerKill, 'bytes'),
    atMost(
      'bytes sent twice for a kill, beyond what was in flight',
      result.repeatedBytesPerKill - result.inFlightBytesPerKill,
      'bytes',
      4096,
    ),
  ];
}

async function firstByte(): Promise<BenchResult[]> {
  const { interruptedMs, noteMs, fileMs } = await firstBytes(rttMs);
  return [
    atMost('link up to the first byte of an interrupted transfer, beyond a round trip', interruptedMs - rttMs, 'ms', 50),
    atMost('link up to a small file that was written meanwhile, beyond a round trip', noteMs - rttMs, 'ms', 50),
    figure('link up to the first byte of a large file that was written meanwhile', fileMs, 'ms'),
  ];
}

const parts: Readonly<Record<string, () => BenchResult[] | Promise<BenchResult[]>>> = { queue, links, cuts, kills: realKills, firstByte };

/** The figures; of the parts that the environment names, or all of them. */
export async function run(): Promise<BenchResult[]> {
  const asked = process.env.FORWARDING?.split(',') ?? Object.keys(parts);
  const results: BenchResult[] = [];
  for (const part of asked) {
    const measure = parts[part];
    if (measure === undefined) throw new Error(`The parts are ${Object.keys(parts).join(', ')}.`);
    results.push(...(await measure()));
  }
  return results;
}
