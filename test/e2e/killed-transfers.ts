import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { seededRandom } from '../../src/core/random.ts';
import { openNode } from '../../src/open-node.ts';
import { type LinkRelay, openLinkRelay } from '../../src/runtime/link-relay.ts';

/**
 * Two nodes in processes of their own, joined by UDP through a relay that slows and counts what passes. One publishes file after file, and one of the two is killed (SIGKILL: no handler, no flush) at random bytes of the transfer
 * and started again, until there were as many kills as asked for.
 */

/** What became of it. */
export interface KilledTransfers {
  readonly kills: number;
  /** Files that were published, and how many of them are not at the other end as they are. */
  readonly files: number;
  readonly lost: number;
  /** Bytes of the files, of all datagrams towards the receiver, and of those datagrams that the relay dropped. */
  readonly usefulBytes: number;
  readonly sentBytes: number;
  /** Bytes sent twice for each kill, what was in flight included, headers and messages of an undisturbed transfer taken off. */
  readonly repeatedBytesPerKill: number;
  /** What was in flight at a kill: what the link holds in its pipe and its queue, and what was sent to a receiver that was gone. */
  readonly inFlightBytesPerKill: number;
}

const rateBytesPerSecond = 125_000;
const delayMs = 20;
const queueMs = 60;
const fileBytes = 300_000;
/** Bytes on the link between one kill and the next, at random up to this. */
const betweenKillsBytesMax = 60_000;
const pollMs = 2;
const patienceMs = 60_000;
const program = fileURLToPath(new URL('./transfer-node.ts', import.meta.url));

/** One of the two processes. */
class TransferNode {
  readonly directory: string;
  readonly written = new Set<string>();
  #child: ChildProcessByStdio<Writable, Readable, null> | undefined;
  #ready = Promise.withResolvers<void>();
  #scanned = Promise.withResolvers<void>();

  constructor(directory: string) {
    this.directory = directory;
  }

  async start(): Promise<void> {
    const child = spawn(process.execPath, [program, this.directory], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child = child;
    this.#ready = Promise.withResolvers();
    // A child that was killed takes no more input.
    child.stdin.on('error', () => undefined);
    createInterface({ input: child.stdout }).on('line', (text) => {
      const line = JSON.parse(text) as { readonly ready?: string; readonly written?: string; readonly scanned?: true };
      if (line.ready !== undefined) this.#ready.resolve();
      if (line.scanned !== undefined) this.#scanned.resolve();
      if (line.written !== undefined) this.written.add(line.written);
    });
    await this.#ready.promise;
  }

  async publish(): Promise<void> {
    this.#scanned = Promise.withResolvers();
    this.#child?.stdin.write('\n');
    await this.#scanned.promise;
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined) return;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  }
}

/** A port that nobody uses at the moment. */
async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  return port;
}

async function until(holds: () => boolean, what: string): Promise<void> {
  for (const beganMs = performance.now(); !holds(); ) {
    if (performance.now() - beganMs > patienceMs) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

/** Founds the team that the processes belong to, each node in its directory, with a folder for files. */
async function found(root: string): Promise<LinkRelay> {
  const [sender, receiver] = [
    await openNode({ directory: join(root, 'sender'), name: 'sender', discovery: false }),
    await openNode({ directory: join(root, 'receiver'), name: 'receiver', discovery: false }),
  ];
  sender.createTeam('bench');
  const address = await sender.listen(`udp://127.0.0.1:${await freePort()}`, { keep: true });
  const relay = await openLinkRelay({ listen: 'udp://127.0.0.1:0', target: address, seed: 1 });
  await receiver.join(sender.createInvite({ addresses: [relay.address] }));
  receiver.addContact(sender.id, [relay.address]);
  const dataset = sender.createDataset({ name: 'field', kind: 'files' });
  for (const folder of ['sent', 'received']) mkdirSync(join(root, folder));
  sender.attach(dataset, join(root, 'sent'));
  await until(() => receiver.datasets().length === 1, 'the dataset at the receiver');
  receiver.attach(dataset, join(root, 'received'));
  await Promise.all([sender.close(), receiver.close()]);
  relay.set({ rateBitsPerSecond: rateBytesPerSecond * 8, delayMs, queueMs });
  return relay;
}

/** Kills as often as asked for. */
export async function killedTransfers(kills: number, seed: number): Promise<KilledTransfers> {
  const root = mkdtempSync(join(tmpdir(), 'godwit-kills-'));
  const [sender, receiver] = [new TransferNode(join(root, 'sender')), new TransferNode(join(root, 'receiver'))];
  const relay = await found(root);
  try {
    await Promise.all([sender.start(), receiver.start()]);
    const random = seededRandom(seed);
    // Towards the receiver, which is the relay's client.
    const sent = (): number => relay.counts().backward.bytes;
    const before = sent();
    const files: string[] = [];
    const isThere = (path: string): boolean => receiver.written.has(path) || existsSync(join(root, 'received', path));
    let done = 0;
    let sentInVain = 0;
    for (;;) {
      const path = `${files.length}.raw`;
      files.push(path);
      writeFileSync(join(root, 'sent', path), random.bytes(fileBytes));
      await sender.publish();
      while (!isThere(path)) {
        const mark = sent() + 1 + random.below(betweenKillsBytesMax);
        await until(() => isThere(path) || (done < kills && sent() >= mark), `${path} after ${done} kills`);
        if (isThere(path) || done >= kills) continue;
        const victim = random.below(2) === 0 ? sender : receiver;
        await victim.kill();
        done++;
        const atKill = sent();
        await victim.start();
        if (victim === receiver) sentInVain += sent() - atKill;
      }
      if (done >= kills) break;
    }
    const lost = files.filter((path) => !isSame(join(root, 'sent', path), join(root, 'received', path))).length;
    const [usefulBytes, sentBytes] = [files.length * fileBytes, sent() - before];
    // Headers, seals, and the log entries of a file: an undisturbed transfer has them, too.
    const overhead = 1.06;
    const repeatedBytesPerKill = (sentBytes - usefulBytes * overhead) / kills;
    const inFlightBytesPerKill = (rateBytesPerSecond * (2 * delayMs + queueMs)) / 1000 + sentInVain / kills;
    return { kills: done, files: files.length, lost, usefulBytes, sentBytes, repeatedBytesPerKill, inFlightBytesPerKill };
  } finally {
    await Promise.all([sender.kill(), receiver.kill()]);
    await relay.close();
    rmSync(root, { recursive: true });
  }
}

function isSame(a: string, b: string): boolean {
  return existsSync(b) && readFileSync(a).equals(readFileSync(b));
}
