import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crashes, firstByteMs, intermittent } from '../forwarding-links.ts';
import { atLeast, atMost, type BenchResult, figure } from '../result.ts';

/**
 * Store and forward: a queue of a million, a link of 600 bit/s that is there for five minutes in twenty-five, power that fails five hundred times, and how soon a link that came up is used.
 *
 * The queue is measured in a process of its own, because its memory is a figure. Links and power cuts are simulated: whole nodes in virtual time.
 */

const queuedRows = 1_000_000;
const kills = 500;

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

/** The figures. */
export async function run(): Promise<BenchResult[]> {
  const results = queue();
  const { criticalShare, usefulShare } = await intermittent();
  results.push(
    atMost('600 bit/s, up 5 of 25 min, 1 % loss: 100 kB critical', criticalShare, 'x ideal', 1.3),
    atLeast('600 bit/s, up 5 of 25 min, 1 % loss: useful bytes', usefulShare, 'of the link', 0.78),
  );
  const { lost, repeatedBytesPerKill, done } = await crashes(kills);
  results.push(
    atLeast('power cuts in the middle of a transfer', done, 'cuts', kills),
    atMost('contents lost or corrupt after them', lost, 'contents', 0),
    atMost('bytes sent twice for a cut, beyond what was in flight', repeatedBytesPerKill, 'bytes', 4096),
  );
  const rttMs = 200;
  results.push(atMost('link up to the first useful byte, beyond a round trip', (await firstByteMs(rttMs)) - rttMs, 'ms', 50));
  return results;
}
