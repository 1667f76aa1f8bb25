import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import { openNode } from '../../src/open-node.ts';

/**
 * A large file arrives where it will stand, and its receiver is killed (SIGKILL) again and again while it does.
 */

const program = fileURLToPath(new URL('./transfer-node.ts', import.meta.url));
const fileBytes = 48 * 1024 * 1024;
const patienceMs = 60_000;
const pollMs = 2;

async function until(holds: () => boolean, what: string): Promise<void> {
  for (const beganMs = performance.now(); !holds(); ) {
    if (performance.now() - beganMs > patienceMs) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

/** A receiver in a process of its own. */
async function startReceiver(directory: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [program, directory], { stdio: ['pipe', 'pipe', 'inherit'] });
  let isReady = false;
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
    if (line.includes('ready')) isReady = true;
  });
  await until(() => isReady, 'the receiver');
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await exited;
}

test('a large file whose receiver is killed again and again goes on in the part that was begun', async () => {
  const root = mkdtempSync(join(tmpdir(), 'godwit-arrivals-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const [sent, received] = [join(root, 'sent'), join(root, 'received')];
  for (const folder of [sent, received]) mkdirSync(folder);
  const sender = await openNode({ directory: join(root, 'sender'), name: 'sender', discovery: false });
  onTestFinished(() => sender.close());
  const address = await sender.listen('tcp://127.0.0.1:0');
  sender.createTeam('field');
  const dataset = sender.createDataset({ name: 'raw', kind: 'files' });
  sender.attach(dataset, sent);
  const joining = await openNode({ directory: join(root, 'receiver'), name: 'receiver', discovery: false });
  await joining.join(sender.createInvite({ addresses: [address] }));
  joining.addContact(sender.id, [address]);
  await until(() => joining.datasets().length === 1, 'the dataset');
  joining.attach(dataset, received);
  await joining.close();

  const bytes = seededRandom(7).bytes(fileBytes);
  writeFileSync(join(sent, 'large.raw'), bytes);
  await sender.scan(dataset, { settleMs: 0 });

  const isThere = () => readdirSync(received).includes('large.raw');
  const part = () => readdirSync(received).find((name) => name.endsWith('.part'));
  const arrivedBytes = () => {
    const name = part();
    return name === undefined ? 0 : (statSync(join(received, name), { throwIfNoEntry: false })?.size ?? 0);
  };
  let receiver = await startReceiver(join(root, 'receiver'));
  onTestFinished(() => kill(receiver));
  const parts = new Set<string>();
  let kills = 0;
  for (let mark = fileBytes / 8; mark < fileBytes; mark += fileBytes / 4) {
    await until(() => isThere() || arrivedBytes() >= mark, `${mark} bytes`);
    if (isThere()) break;
    parts.add(part() as string);
    await kill(receiver);
    kills++;
    receiver = await startReceiver(join(root, 'receiver'));
  }
  await until(isThere, 'the file');
  expect(Buffer.compare(readFileSync(join(received, 'large.raw')), bytes)).toBe(0);
  expect(kills).toBeGreaterThan(0);
  expect(parts.size).toBe(1);
  expect(part()).toBeUndefined();
}, 180_000);
