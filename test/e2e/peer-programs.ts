import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { openTransport } from '../../src/runtime/instrument-links.ts';

/** The Python that Debian's packages are installed for. */
export const debianPython = '/usr/bin/python3';

/** Says whether a test must be skipped because a program cannot be started with these arguments, with a notice. Under CI nothing is skipped: the test fails. */
export function isWithout(what: string, program: string, ...parameters: string[]): boolean {
  const { error, status } = spawnSync(program, parameters, { stdio: 'ignore' });
  const isMissing = (error !== undefined || status !== 0) && process.env.CI !== 'true';
  if (isMissing) console.warn(`skipped: ${what} is not on this machine`);
  return isMissing;
}

/** What a program that ends in order on SIGTERM may give as its code. */
const terminatedCode = 143;

/** Processes that tests started, each the leader of its own group. */
export class PeerProcesses {
  readonly #children: ChildProcess[] = [];

  /** Starts a program; its errors are shown when it ends by itself. */
  start(program: string, ...parameters: string[]): ChildProcess {
    const child = spawn(program, parameters, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.resume();
    let said = '';
    child.stderr.on('data', (text) => {
      said = (said + text).slice(-2000);
    });
    child.on('exit', (code) => {
      if (code !== null && code !== 0 && code !== terminatedCode) console.warn(`${program} ended with ${code}: ${said}`);
    });
    this.#children.push(child);
    return child;
  }

  /** Starts a program that prints a line when it is ready, and waits for it. */
  async startAndWait(program: string, ...parameters: string[]): Promise<void> {
    const child = this.start(program, ...parameters);
    await new Promise<void>((resolve, reject) => {
      child.stdout?.once('data', () => resolve());
      child.once('exit', () => reject(new Error(`${program} ended before it was ready`)));
    });
  }

  /** Ends all, with what they started themselves. */
  async stop(): Promise<void> {
    for (const child of this.#children.splice(0)) {
      if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) continue;
      const exited = new Promise((resolve) => child.once('exit', resolve));
      process.kill(-child.pid, 'SIGTERM');
      const isGone = await Promise.race([exited.then(() => true), sleep(3000, false, { ref: false })]);
      if (!isGone) process.kill(-child.pid, 'SIGKILL');
      await exited;
    }
  }
}

/** Calls again until it succeeds: what a program that is starting needs. Gives up after 15 seconds with the last error. */
export async function untilItWorks<T>(attempt: () => Promise<T>): Promise<T> {
  for (let tries = 150; ; tries--) {
    try {
      return await attempt();
    } catch (error) {
      if (tries === 0) throw error;
      await sleep(100);
    }
  }
}

/** A port that nobody listens at. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Two ends of one cable: pseudo-terminals that socat joins, at `path-a` and `path-b`. */
export async function cable(peers: PeerProcesses, path: string): Promise<[string, string]> {
  const ends: [string, string] = [`${path}-a`, `${path}-b`];
  peers.start('socat', ...ends.map((end) => `pty,raw,echo=0,link=${end}`));
  await untilItWorks(async () => {
    if (!ends.every((end) => existsSync(end))) throw new Error('socat has not made the cable');
  });
  return ends;
}

/** Connects once the peer listens. */
export function connected(address: string): ReturnType<typeof openTransport> {
  return untilItWorks(() => openTransport(address));
}
