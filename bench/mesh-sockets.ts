import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { openNode } from '../src/open-node.ts';
import { isWithoutNamespaces, NetworkNamespaces } from '../test/e2e/network-namespaces.ts';

/** Four computers in a ring of cables, as processes in network namespaces: real sockets, real time, and nobody was told where anybody is. */

const names = ['camp', 'ridge', 'coast', 'valley'] as const;
const patienceMs = 60_000;

/** Seconds that were measured. */
export interface SocketFigures {
  /** From the start of the last process until everybody has a route to everybody. */
  readonly upSeconds: number;
  /** From saving a file, with the cable to a neighbour just cut, until the neighbour has it by the other way. */
  readonly roundSeconds: number;
}

interface Line {
  readonly type: 'routes' | 'file';
  readonly routes?: number;
  readonly path?: string;
}

class Member {
  readonly lines: Line[] = [];
  readonly child: ChildProcess;
  readonly #ended: Promise<unknown>;

  constructor(namespace: string, directory: string, folder: string) {
    const program = fileURLToPath(new URL('./mesh-sockets-node.ts', import.meta.url));
    this.child = spawn('ip', ['netns', 'exec', namespace, process.execPath, program, directory, folder], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#ended = new Promise((resolve) => this.child.once('exit', resolve));
    createInterface({ input: this.child.stdout as NodeJS.ReadableStream }).on('line', (line) => this.lines.push(JSON.parse(line) as Line));
  }

  async end(): Promise<void> {
    this.child.stdin?.end();
    await this.#ended;
  }
}

/** Measures it; `undefined` where no network namespaces can be made. */
export async function measureSockets(): Promise<SocketFigures | undefined> {
  if (isWithoutNamespaces()) return undefined;
  const place = mkdtempSync(join(tmpdir(), 'godwit-mesh-'));
  const namespaces = new NetworkNamespaces('mesh');
  const members: Member[] = [];
  try {
    await makeTeam(place);
    const rooms = names.map((name) => namespaces.add(name));
    for (const [index, room] of rooms.entries()) namespaces.cable(room, rooms[(index + 1) % rooms.length] as string, `c${index}`);
    for (const [index, name] of names.entries()) {
      mkdirSync(join(place, `${name}-folder`));
      members.push(new Member(rooms[index] as string, join(place, name), join(place, `${name}-folder`)));
    }
    await until(() => members.every(({ lines }) => lines.length > 0));
    const upSeconds = await until(() =>
      members.every(({ lines }) => lines.findLast(({ type }) => type === 'routes')?.routes === names.length - 1),
    );
    const [camp, ridge] = members as [Member, Member];
    await new Promise((resolve) => setTimeout(resolve, 5000));
    for (const room of rooms.slice(0, 2)) namespaces.in(room, 'link', 'set', 'c0', 'down');
    camp.child.stdin?.write('note.txt\n');
    const roundSeconds = await until(() => ridge.lines.some(({ path }) => path === 'note.txt'));
    return { upSeconds, roundSeconds };
  } finally {
    for (const member of members) await member.end();
    namespaces.clear();
    rmSync(place, { recursive: true, force: true });
  }
}

/** Makes four members of a team in their directories, over the loopback, which they will not have. */
async function makeTeam(place: string): Promise<void> {
  const [founder, ...others] = await Promise.all(names.map((name) => openNode({ directory: join(place, name), name, discovery: false })));
  if (founder === undefined) return;
  founder.createTeam('Storbreen');
  founder.createDataset({ name: 'field', kind: 'files' });
  await founder.listen('udp://127.0.0.1:0');
  for (const other of others) await other.join(founder.createInvite({ role: 'coordinator' }));
  const deadline = performance.now() + patienceMs;
  const isKnown = () => [founder, ...others].every((each) => each.datasets().length === 1 && each.members().length === names.length);
  while (!isKnown() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 50));
  for (const each of [...others, founder]) await each.close();
}

/** Waits until something holds; gives seconds. */
async function until(holds: () => boolean): Promise<number> {
  const from = performance.now();
  while (!holds()) {
    if (performance.now() - from > patienceMs) throw new Error('nodes in network namespaces did not find each other in time');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return (performance.now() - from) / 1000;
}
