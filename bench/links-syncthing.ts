import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

/**
 * Syncthing on this machine, for comparison: two instances that know only each other, with its defaults for everything that costs time (TLS, hashing, syncing to the disk).
 */

const apiKey = 'bench';
const pollMs = 20;
const patienceMs = 60_000;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** True where the program is installed. */
export function hasSyncthing(): boolean {
  return spawnSync('syncthing', ['--version']).status === 0;
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** One instance. */
class Instance {
  readonly files: string;
  readonly listenPort: number;
  readonly #guiPort: number;
  readonly #process: ChildProcess;

  constructor(home: string, files: string, guiPort: number, listenPort: number) {
    this.files = files;
    this.listenPort = listenPort;
    this.#guiPort = guiPort;
    const args = ['serve', '--home', home, '--no-browser', '--no-restart', '--no-default-folder', '--no-upgrade'];
    args.push(`--gui-address=http://127.0.0.1:${guiPort}`, `--gui-apikey=${apiKey}`);
    this.#process = spawn('syncthing', args, { stdio: 'ignore', env: { ...process.env, STNODEFAULTFOLDER: '1', STNOUPGRADE: '1' } });
  }

  async call(method: string, path: string, body?: unknown): Promise<unknown> {
    // A connection of its own for every call: the program closes idle ones at times, and all of them when its configuration changes.
    const response = await fetch(`http://127.0.0.1:${this.#guiPort}/rest/${path}`, {
      method,
      headers: { 'X-API-Key': apiKey, Connection: 'close' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`syncthing answered ${response.status} to ${method} ${path}: ${text}`);
    return text.startsWith('{') ? JSON.parse(text) : undefined;
  }

  /** Its device identifier, once it answers. */
  async id(): Promise<string> {
    const begun = performance.now();
    for (;;) {
      try {
        return ((await this.call('GET', 'system/status')) as { myID: string }).myID;
      } catch (error) {
        if (performance.now() - begun > patienceMs) throw error;
        await pause(100);
      }
    }
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#process.exitCode !== null) return resolve();
      this.#process.once('exit', () => resolve()).kill();
    });
  }
}

/** Bytes a second, from announcing a file that `write` puts into the sender's folder to its copy standing in the receiver's. */
export async function syncthingRate(
  root: string,
  bytes: number,
  folders: readonly [string, string],
  write: (path: string) => void,
): Promise<number> {
  const [gui1, gui2, listen1, listen2] = [await freePort(), await freePort(), await freePort(), await freePort()];
  const [from, to] = [
    new Instance(join(root, 'syncthing-1'), folders[0], gui1, listen1),
    new Instance(join(root, 'syncthing-2'), folders[1], gui2, listen2),
  ];
  try {
    const ids = [await from.id(), await to.id()];
    for (const [self, other, otherId] of [
      [from, to, ids[1]],
      [to, from, ids[0]],
    ] as const) {
      await self.call('PATCH', 'config/options', {
        listenAddresses: [`tcp://127.0.0.1:${self.listenPort}`],
        globalAnnounceEnabled: false,
        localAnnounceEnabled: false,
        relaysEnabled: false,
        natEnabled: false,
        urAccepted: -1,
        crashReportingEnabled: false,
      });
      await self.call('POST', 'config/devices', { deviceID: otherId, addresses: [`tcp://127.0.0.1:${other.listenPort}`] });
      await self.call('POST', 'config/folders', {
        id: 'bench',
        path: self.files,
        devices: ids.map((deviceID) => ({ deviceID })),
        fsWatcherEnabled: false,
        rescanIntervalS: 0,
      });
    }
    await connected(to);
    write(join(from.files, 'large.bin'));
    const begun = performance.now();
    await from.call('POST', 'db/scan?folder=bench');
    // It writes under another name and renames what is complete.
    const copy = join(to.files, 'large.bin');
    while (statSync(copy, { throwIfNoEntry: false })?.size !== bytes) {
      if (performance.now() - begun > 5 * patienceMs) throw new Error('syncthing does not finish');
      await pause(pollMs);
    }
    return (bytes / (performance.now() - begun)) * 1000;
  } finally {
    await Promise.all([from.close(), to.close()]);
  }
}

async function connected(instance: Instance): Promise<void> {
  const begun = performance.now();
  for (;;) {
    const { connections } = (await instance.call('GET', 'system/connections')) as { connections: Record<string, { connected: boolean }> };
    if (Object.values(connections).some((each) => each.connected)) return;
    if (performance.now() - begun > 5 * patienceMs) throw new Error('the two syncthings do not find each other');
    await pause(200);
  }
}
