import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Candidate } from '../../src/mesh/candidates.ts';
import { openNode } from '../../src/open-node.ts';
import { isWithoutNamespaces, NetworkNamespaces } from './network-namespaces.ts';
import { isWithout } from './peer-programs.ts';

/** Two members that were never told where the other is, in network namespaces without a default route. */

interface Line {
  readonly type: 'ready' | 'session-up' | 'session-down' | 'state';
  readonly peer?: string;
  readonly address?: string;
  readonly connected?: string[];
  readonly candidates?: Candidate[];
}

/** A node in a namespace. */
class ChildNode {
  readonly lines: Line[] = [];
  readonly #child: ChildProcess;
  #look: () => void = () => undefined;

  constructor(namespace: string, directory: string) {
    const program = fileURLToPath(new URL('./discovery-child.ts', import.meta.url));
    this.#child = spawn('ip', ['netns', 'exec', namespace, process.execPath, program, directory], { stdio: ['pipe', 'pipe', 'inherit'] });
    createInterface({ input: this.#child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      this.lines.push(JSON.parse(line) as Line);
      this.#look();
    });
  }

  /** The first line from now on, or before, that is as asked for. */
  async line(isAsked: (line: Line) => boolean, from = 0): Promise<Line> {
    for (;;) {
      const found = this.lines.slice(from).find(isAsked);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        this.#look = resolve;
      });
    }
  }

  /** A session that began at line `from` or later. */
  async up(from = 0): Promise<Line> {
    return this.line(({ type }) => type === 'session-up', from);
  }

  /** Whom it is connected to, and where it thinks members are. */
  async state(): Promise<Line> {
    const from = this.lines.length;
    this.#child.stdin?.write('\n');
    return this.line(({ type }) => type === 'state', from);
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.stdin?.end();
    await ended;
  }
}

/** Makes two members of a team, in these directories, over the loopback, which they will not have in their namespaces. */
async function makeTeam(camp: string, ridge: string): Promise<void> {
  const first = await openNode({ directory: camp, discovery: false });
  first.createTeam('Storbreen');
  await first.listen('udp://127.0.0.1:0');
  const second = await openNode({ directory: ridge, discovery: false });
  await second.join(first.createInvite());
  await second.close();
  await first.close();
}

describe.skipIf(isWithoutNamespaces())('members in network namespaces', () => {
  let scratch: string;
  let networks: NetworkNamespaces;
  let camp: string;
  let ridge: string;
  let children: ChildNode[];

  beforeEach(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'godwit-discovery-'));
    networks = new NetworkNamespaces('godwit');
    [camp, ridge] = [networks.add('camp'), networks.add('ridge')];
    children = [];
    await makeTeam(join(scratch, 'camp'), join(scratch, 'ridge'));
  });

  afterEach(async () => {
    await Promise.all(children.map((child) => child.end()));
    networks.clear();
    rmSync(scratch, { recursive: true });
  });

  function start(namespace: string, directory: string): ChildNode {
    const child = new ChildNode(namespace, join(scratch, directory));
    children.push(child);
    return child;
  }

  test('two that have nothing but IPv6 link-local addresses find each other and hold one session', async () => {
    networks.cable(camp, ridge, 'radio');
    const [a, b] = [start(camp, 'camp'), start(ridge, 'ridge')];
    expect((await a.up()).peer).toBe((await b.line(({ type }) => type === 'ready')).peer);
    await b.up();
    const seen = [a, b].flatMap(({ lines }) =>
      lines.flatMap(({ type, address }) => (type === 'session-up' && address !== undefined ? [address] : [])),
    );
    expect(seen.every((address) => /^udp:\/\/\[fe80:.*%radio\]:\d+$/.test(address))).toBe(true);
    expect((await a.state()).connected).toHaveLength(1);
    expect((await b.state()).connected).toHaveLength(1);
  });

  test('two that have nothing but IPv4 find each other', async () => {
    for (const namespace of [camp, ridge]) refuseIpv6(namespace);
    networks.cable(camp, ridge, 'radio');
    networks.in(camp, 'address', 'add', '10.9.8.1/24', 'dev', 'radio');
    networks.in(ridge, 'address', 'add', '10.9.8.2/24', 'dev', 'radio');
    const [a, b] = [start(camp, 'camp'), start(ridge, 'ridge')];
    expect((await a.up()).address).toMatch(/^udp:\/\/10\.9\.8\.2:/);
    await b.up();
  });

  test('a network that appears later is used when it appears', async () => {
    const [a, b] = [start(camp, 'camp'), start(ridge, 'ridge')];
    await Promise.all([a, b].map((each) => each.line(({ type }) => type === 'ready')));
    expect((await a.state()).candidates).toEqual([]);
    networks.cable(camp, ridge, 'radio');
    await Promise.all([a.up(), b.up()]);
  });

  describe.skipIf(isWithout('avahi-daemon', 'avahi-daemon', '--version') || isWithout('dbus-daemon', 'dbus-daemon', '--version'))(
    'beside Avahi',
    () => {
      let avahi: ChildProcess;

      beforeEach(async () => {
        networks.cable(camp, ridge, 'radio');
        networks.in(camp, 'address', 'add', '10.9.8.1/24', 'dev', 'radio');
        networks.in(ridge, 'address', 'add', '10.9.8.2/24', 'dev', 'radio');
        const program = fileURLToPath(new URL('./avahi.sh', import.meta.url));
        avahi = spawn('ip', ['netns', 'exec', ridge, 'sh', program, scratch], { stdio: ['pipe', 'pipe', 'ignore'] });
        await new Promise<void>((resolve, reject) => {
          avahi.stdout?.once('data', () => resolve());
          avahi.once('exit', () => reject(new Error('Avahi did not start')));
        });
      });

      afterEach(async () => {
        const ended = new Promise((resolve) => avahi.once('exit', resolve));
        avahi.stdin?.end();
        await ended;
      });

      /** Runs one of Avahi's programs. */
      function runAvahi(program: string, ...parameters: string[]): ChildProcess {
        const env = { ...process.env, DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${join(scratch, 'bus')}` };
        return spawn(program, parameters, { env, stdio: ['ignore', 'pipe', 'inherit'] });
      }

      test('Avahi sees a node with address, port and a name that says nothing, and that it goes', async () => {
        const browser = runAvahi('avahi-browse', '-rp', '_godwit._udp');
        const seen: string[] = [];
        let look = (): void => undefined;
        createInterface({ input: browser.stdout as NodeJS.ReadableStream }).on('line', (line) => {
          seen.push(line);
          look();
        });
        const browsed = async (pattern: RegExp): Promise<string> => {
          for (;;) {
            const line = seen.find((each) => pattern.test(each));
            if (line !== undefined) return line;
            await new Promise<void>((resolve) => {
              look = resolve;
            });
          }
        };
        const node = start(camp, 'camp');
        const ready = await node.line(({ type }) => type === 'ready');
        const line = await browsed(/^=;[^;]*;IPv4;/);
        expect(line).toMatch(/^=;[^;]*;IPv4;([0-9a-f]{16});_godwit\._udp;local;\1\.local;10\.9\.8\.1;[1-9]\d*;"b=Gw/);
        expect(line.split(';')[3]).not.toBe(ready.peer?.slice(0, 16));
        await node.end();
        await browsed(/^-;[^;]*;IPv4;/);
        browser.kill();
      });

      test('a node sees what Avahi publishes for a member', async () => {
        const member = await openNode({ directory: join(scratch, 'ridge'), discovery: false });
        await member.listen('udp://0.0.0.0:17077');
        let text: string;
        do {
          // No shell can hand over a zero byte, nor a line feed at the end.
          text = Array.from(member.discovery.beacon() as Uint8Array, (byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('');
        } while (/\\000|\\012$/.test(text));
        await member.close();
        const publisher = runAvahi('sh', '-c', `exec avahi-publish-service some-name _godwit._udp 17077 "$(printf 'b=${text}')"`);
        const node = start(camp, 'camp');
        await node.line(({ type }) => type === 'ready');
        const wanted = { peer: member.id, address: 'udp://10.9.8.2:17077', means: 'dns-sd' };
        let found: Candidate[] = [];
        for (let round = 0; round < 100 && found.length === 0; round++) {
          await new Promise((resolve) => setTimeout(resolve, 100));
          found = (await node.state()).candidates?.filter(({ address }) => address === wanted.address) ?? [];
        }
        expect(found).toMatchObject([wanted]);
        publisher.kill();
      });
    },
  );
});

/** A namespace without IPv6. */
function refuseIpv6(namespace: string): void {
  const settings = ['all', 'default'].map((which) => `net.ipv6.conf.${which}.disable_ipv6=1`);
  expect(spawnSync('ip', ['netns', 'exec', namespace, 'sysctl', '-qw', ...settings]).status).toBe(0);
}
