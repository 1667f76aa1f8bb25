import { type ChildProcess, fork } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hasSyncthing, syncthingRate } from './links-syncthing.ts';

/**
 * One large file over this machine's own network, two processes, from the beginning of its publication to the moment at which the other side has a verified copy in its folder; and the same for Syncthing, where it is installed.
 */

const patienceMs = 300_000;
const blockBytes = 4 * 1024 * 1024;

/** Fills a file with bytes that nothing compresses. */
function writeRandomFile(path: string, bytes: number): void {
  const block = Buffer.alloc(blockBytes);
  const file = openSync(path, 'w');
  for (let written = 0; written < bytes; written += blockBytes) {
    randomFillSync(block);
    writeSync(file, block, 0, Math.min(blockBytes, bytes - written));
  }
  closeSync(file);
}

function within<T>(what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<T>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${patienceMs / 1000} s`)), patienceMs);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** The next message of a node's process that has this key. */
function told(node: ChildProcess, key: string): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const take = (message: Record<string, unknown>) => {
      if (!(key in message)) return;
      node.off('message', take);
      resolve(message);
    };
    node.on('message', take).once('exit', () => reject(new Error(`a node ended before it said ${key}`)));
  });
}

/** What a node's process took of the computer for a transfer. */
interface Taken {
  readonly processorSeconds: number;
  /** At most at any time. */
  readonly residentBytes: number;
}

/** Bytes a second, from publishing a file of `bytes` to the verified copy, and what sender and receiver took. */
async function ownRate(bytes: number): Promise<{ readonly rate: number; readonly taken: readonly [Taken, Taken] }> {
  const root = mkdtempSync(join(tmpdir(), 'godwit-bench-'));
  const program = fileURLToPath(new URL('./links-lan-node.ts', import.meta.url));
  const nodes: ChildProcess[] = [];
  const open = (name: string, ...rest: string[]) => {
    const files = join(root, `${name}-files`);
    mkdirSync(files);
    const node = fork(program, [join(root, name), files, ...rest]);
    nodes.push(node);
    return node;
  };
  try {
    const camp = open('camp');
    const { invite } = await within('founding', told(camp, 'invite'));
    const office = open('office', invite as string);
    await within('joining', told(office, 'joined'));
    writeRandomFile(join(root, 'camp-files', 'large.bin'), bytes);
    for (const node of nodes) node.send('ready');
    const written = within('the transfer', told(office, 'written'));
    const begun = performance.now();
    camp.send('publish');
    await written;
    const rate = (bytes / (performance.now() - begun)) * 1000;
    const taken = Promise.all([told(camp, 'residentBytes'), told(office, 'residentBytes')]);
    for (const node of nodes.splice(0)) await closed(node);
    return { rate, taken: (await taken) as unknown as [Taken, Taken] };
  } finally {
    await Promise.all(nodes.map((node) => closed(node)));
    rmSync(root, { recursive: true, force: true });
  }
}

function closed(node: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (node.exitCode !== null) return resolve();
    node.once('exit', () => resolve());
    if (node.connected) node.send('close');
    else node.kill();
  });
}

/** The same for Syncthing, or `undefined` where it is not installed. */
async function rateOfSyncthing(bytes: number): Promise<number | undefined> {
  if (!hasSyncthing()) return undefined;
  const root = mkdtempSync(join(tmpdir(), 'godwit-bench-'));
  try {
    const folders = [join(root, 'camp-files'), join(root, 'office-files')] as const;
    for (const folder of folders) mkdirSync(folder);
    return await syncthingRate(root, bytes, folders, (path) => writeRandomFile(path, bytes));
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** Bytes a second of both, one after the other, and what the own sender and receiver took. */
export async function lanRates(
  bytes: number,
): Promise<{ readonly own: number; readonly taken: readonly [Taken, Taken]; readonly syncthing: number | undefined }> {
  const { rate, taken } = await ownRate(bytes);
  return { own: rate, taken, syncthing: await rateOfSyncthing(bytes) };
}
