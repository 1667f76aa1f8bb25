import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { isWithoutNamespaces, NetworkNamespaces } from '../test/e2e/network-namespaces.ts';
import type { LinkRow } from './links-rows.ts';

/**
 * The same link below the kernel: two network namespaces joined by an emulator of IP packets, so that the loss reaches TCP as it does on a radio or a satellite. A session and TCP take turns on
 * links of the same shape and the same seed, the queue as long as in the relay. Which congestion control TCP uses is a setting of the sender's route.
 */

const emulatorSource = fileURLToPath(new URL('../../shared/tools/linkem.c', import.meta.url));
const program = fileURLToPath(new URL('./links-kernel-end.ts', import.meta.url));
const [senderHost, receiverHost] = ['10.99.0.1', '10.99.0.2'];
const compiler = 'cc';
const device = 'link';
const queueMs = 200;
const patienceMs = 30_000;

/** What sends: a session, or TCP with this congestion control. */
export type KernelSender = 'session' | 'cubic' | 'bbr';

/** A process whose standard output is lines, each waited for. */
class LineProcess {
  readonly child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(command: string, parameters: readonly string[], said: 'stdout' | 'stderr' = 'stdout') {
    this.child = spawn(command, parameters, {
      stdio: ['pipe', said === 'stdout' ? 'pipe' : 'ignore', said === 'stderr' ? 'pipe' : 'inherit'],
    });
    this.#lines = createInterface({ input: this.child[said] as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  }

  /** The next line. Rejects when the process ends without one, or says nothing for long. */
  async line(): Promise<string> {
    const timer = setTimeout(() => this.child.kill(), patienceMs);
    const { value } = await this.#lines.next();
    clearTimeout(timer);
    if (value === undefined) throw new Error(`${this.child.spawnargs.join(' ')}: ended early, or said nothing`);
    return value;
  }

  async end(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = once(this.child, 'exit');
    this.child.kill();
    await exited;
  }
}

/** Makes the emulator; `undefined`, with a notice, where it or namespaces cannot be made. */
export function kernelLinks(): KernelLinks | undefined {
  if (!existsSync(emulatorSource)) console.warn('skipped: the emulator below the kernel (shared/tools/linkem.c) is not on this machine');
  else if (!isWithoutNamespaces()) {
    const directory = mkdtempSync(join(tmpdir(), 'godwit-links-'));
    const emulator = join(directory, 'linkem');
    const made = spawnSync(compiler, ['-O2', '-o', emulator, emulatorSource, '-lm'], { encoding: 'utf8' });
    if (made.status === 0) return new KernelLinks(directory, emulator);
    console.warn(`skipped: the emulator below the kernel cannot be compiled: ${made.stderr ?? made.error?.message}`);
    rmSync(directory, { recursive: true });
  }
  return undefined;
}

/** Links of this kind. */
class KernelLinks {
  readonly #directory: string;
  readonly #emulator: string;

  constructor(directory: string, emulator: string) {
    this.#directory = directory;
    this.#emulator = emulator;
  }

  /** Application bytes that arrived within the row's seconds from the connection, as a share of the link's rate; `undefined`, with a notice, where the system has no such congestion control. */
  async goodput(row: LinkRow, sender: KernelSender): Promise<number | undefined> {
    const namespaces = new NetworkNamespaces('links');
    const processes: LineProcess[] = [];
    const start = (command: string, parameters: readonly string[], said?: 'stderr') => {
      const started = new LineProcess(command, parameters, said);
      processes.push(started);
      return started;
    };
    try {
      const near = namespaces.add('near');
      const far = namespaces.add('far');
      await start(this.#emulator, emulatorParameters(row, near, far), 'stderr').line();
      if (sender !== 'session' && !useCongestionControl(near, sender)) return undefined;
      const end = (room: string, ...parameters: string[]) => start('ip', ['netns', 'exec', room, process.execPath, program, ...parameters]);
      const kind = sender === 'session' ? 'session' : 'tcp';
      const receiver = end(far, 'receive', kind, receiverHost);
      const { address, key } = JSON.parse(await receiver.line()) as { readonly address: string; readonly key: string };
      await end(near, 'send', kind, address, key).line();
      const from = performance.now();
      await new Promise((resolve) => setTimeout(resolve, row.seconds * 1000));
      receiver.child.stdin?.write('\n');
      const { receivedBytes } = JSON.parse(await receiver.line()) as { readonly receivedBytes: number };
      return receivedBytes / ((row.rateBitsPerSecond / 8) * ((performance.now() - from) / 1000));
    } finally {
      for (const each of processes.reverse()) await each.end();
      namespaces.clear();
    }
  }

  /** Removes the emulator. */
  remove(): void {
    rmSync(this.#directory, { recursive: true });
  }
}

/** Makes TCP from this namespace use a congestion control, by its route: the namespace's own setting takes only what unprivileged programs may choose. */
function useCongestionControl(namespace: string, name: string): boolean {
  const parameters = ['-n', namespace, 'route', 'add', `${receiverHost}/32`, 'dev', device, 'congctl', name];
  const { status } = spawnSync('ip', parameters, { stdio: 'ignore' });
  if (status !== 0) console.warn(`skipped: this system has no congestion control called ${name}`);
  return status === 0;
}

function emulatorParameters({ rateBitsPerSecond, rttMs, loss = 0 }: LinkRow, near: string, far: string): string[] {
  const sides = ['--a', `${near}:${senderHost}/24@${device}`, '--b', `${far}:${receiverHost}/24@${device}`];
  return [...sides, '--rate', `${rateBitsPerSecond}`, '--delay', `${rttMs / 2}ms`, '--loss', `${loss}`, '--queue', `${queueMs}ms`];
}
