import { createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { giveHeapRoom, keepHeapSmall } from '../src/agent/heap-flags.ts';
import type { FieldNode } from '../src/index.ts';
import { toa5Text } from '../src/simulation/logger-files.ts';

/**
 * A node of its own that reads one large TOA5 file, as a process whose memory nothing else fills, and with the engine's flags that the agent has: `ingest-node DIRECTORY ROWS WORK`. The file is made first, in pieces
 * (`write`). `read` prints one line of JSON: processor and wall seconds of the reading alone, and the most memory that was resident meanwhile; `idle` prints the memory of a node that does nothing.
 */

/** A node as the agent opens one. */
async function open(name: string): Promise<FieldNode> {
  keepHeapSmall();
  const { openNode } = await import('../src/index.ts');
  giveHeapRoom();
  return openNode({ directory: join(directory, name) });
}

const rowsPerPiece = 20_000;
const intervalUs = 60_000_000;

async function writeFile(path: string, rows: number): Promise<void> {
  const stream = createWriteStream(path);
  for (let from = 0; from < rows; from += rowsPerPiece) {
    const firstLocalUs = Date.UTC(2020, 0, 1) * 1000 + from * intervalUs;
    const part = { station: 'Storbreen', table: 'Met', firstLocalUs, intervalUs, firstRecord: from, seed: 5 };
    const text = toa5Text({ ...part, rows: Math.min(rowsPerPiece, rows - from), withHeader: from === 0 });
    if (!stream.write(text)) await new Promise((resolve) => stream.once('drain', resolve));
  }
  stream.end();
  await finished(stream);
}

const [directory, rowsText, work] = process.argv.slice(2) as [string, string, string];
const rows = Number(rowsText);
const card = join(directory, 'card');
if (work === 'write') {
  mkdirSync(card, { recursive: true });
  await writeFile(join(card, 'met.dat'), rows);
} else if (work === 'idle') {
  const node = await open('idle');
  node.createTeam('bench');
  await node.close();
  console.log(JSON.stringify({ residentBytes: process.resourceUsage().maxRSS * 1024 }));
} else {
  const node = await open('node');
  node.createTeam('bench');
  const dataset = node.createDataset({ name: 'met', kind: 'series' });
  const rules = [
    { fields: ['*'], sensorRange: [-50, 1500] as const, expectedRange: [-40, 1400] as const, spike: { suspect: 300, fail: 600 } },
  ];
  const cpu = process.cpuUsage();
  const began = performance.now();
  const [report] = await node.ingest(dataset, card, { profile: { utcOffsetMinutes: 0, quality: { rules } } });
  const wallSeconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  if (report?.stored !== rows) throw new Error(`${report?.stored} of ${rows} rows were stored`);
  await node.close();
  const residentBytes = process.resourceUsage().maxRSS * 1024;
  console.log(JSON.stringify({ processorSeconds: (user + system) / 1e6, wallSeconds, residentBytes }));
}
