import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { DatasetId } from '../../src/core/identifiers.ts';
import { seededRandom } from '../../src/core/random.ts';
import { type FieldNode, openNode } from '../../src/index.ts';

let directory: string;
const open: FieldNode[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'godwit-damage-'));
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((node) => node.close()));
  rmSync(directory, { recursive: true });
});

const inside = (...names: string[]) => join(directory, ...names);

async function start(name: string): Promise<FieldNode> {
  const node = await openNode({ directory: inside(name), name });
  open.push(node);
  return node;
}

async function stop(node: FieldNode): Promise<void> {
  open.splice(open.indexOf(node), 1);
  await node.close();
}

/** Resolves at the first event after which the condition holds. */
function until(node: FieldNode, condition: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    if (condition()) resolve();
    const forget = node.onEvent(() => {
      if (!condition()) return;
      forget();
      resolve();
    });
  });
}

const files = new Map([
  ['small.bin', seededRandom(1).bytes(90_000)],
  ['text.csv', new TextEncoder().encode('id,v\n1,2\n')],
  ['large.bin', seededRandom(2).bytes(5_000_000)],
]);

/** Two nodes in one team, of which the second has a folder with files and the first holds the same. */
async function pair(): Promise<{ keeper: FieldNode; owner: FieldNode; dataset: DatasetId; address: string }> {
  mkdirSync(inside('folder'));
  mkdirSync(inside('copy'));
  const [keeper, owner] = [await start('keeper'), await start('owner')];
  keeper.createTeam('Storbreen');
  const address = await keeper.listen('tcp://127.0.0.1:0', { keep: true });
  await owner.join(keeper.createInvite());
  const dataset = owner.createDataset({ name: 'field', kind: 'files' });
  owner.attach(dataset, inside('folder'));
  for (const [path, bytes] of files) writeFileSync(inside('folder', path), bytes);
  await owner.scan(dataset, { settleMs: 0 });
  await until(keeper, () =>
    [...files.keys()].every((path) => keeper.datasets().length > 0 && keeper.file(dataset, path)?.complete === true),
  );
  keeper.attach(dataset, inside('copy'));
  await keeper.idle();
  return { keeper, owner, dataset, address };
}

async function expectWhole(node: FieldNode, dataset: DatasetId, folder: string): Promise<void> {
  await until(
    node,
    () => node.outstanding().contents === 0 && [...files.keys()].every((path) => node.file(dataset, path)?.complete === true),
  );
  await node.idle();
  for (const [path, bytes] of files) {
    expect(Buffer.concat(await Array.fromAsync(node.read(dataset, path))).equals(bytes), path).toBe(true);
    expect(readFileSync(inside(folder, path)).equals(bytes), `${folder}/${path}`).toBe(true);
  }
  expect(await node.verify(undefined, { rehash: true })).toMatchObject({ damaged: [], damagedFiles: [], files: files.size });
}

/** Changes bytes of a file without leaving a trace in its size or modification time. */
function flip(path: string, positions: readonly number[]): void {
  const { atime, mtime } = statSync(path);
  const bytes = readFileSync(path);
  for (const at of positions) bytes[at] = (bytes[at] as number) ^ 0x40;
  writeFileSync(path, bytes);
  utimesSync(path, atime, mtime);
}

function packs(name: string): string[] {
  return readdirSync(inside(name, 'packs')).map((pack) => inside(name, 'packs', pack));
}

test('flipped bytes in packs are found, named and repaired from a peer', async () => {
  const { owner, dataset } = await pair();
  for (const pack of packs('owner')) {
    const { size } = statSync(pack);
    flip(
      pack,
      Array.from({ length: 200 }, (_, at) => 8 + Math.floor(((size - 8) * at) / 200)),
    );
  }
  const report = await owner.repair(dataset);
  expect(report.damaged.flatMap(({ homes }) => homes)).toContainEqual({
    kind: 'pack',
    pack: expect.any(Number),
    offset: expect.any(Number),
  });
  expect(report.damaged.flatMap(({ places }) => places.map(({ path }) => path))).toContain('small.bin');
  expect(report.missing).toEqual([]);
  await expectWhole(owner, dataset, 'folder');
});

test('a truncated pack is found on opening or by verification, and repaired from a peer', async () => {
  const { owner, dataset } = await pair();
  await stop(owner);
  for (const pack of packs('owner')) truncateSync(pack, 8 + Math.floor((statSync(pack).size - 8) / 3));
  const again = await start('owner');
  const { damaged } = await again.verify();
  expect(damaged.length).toBeGreaterThan(0);
  expect((await again.repair(undefined, { waitMs: 30_000 })).missing).toEqual([]);
  await expectWhole(again, dataset, 'folder');
});

test('a damaged catalog is refused by name, and the node comes back from its team under a new identity', async () => {
  const { keeper, owner, dataset, address } = await pair();
  await stop(owner);
  const catalog = inside('owner', 'catalog.sqlite');
  const { size } = statSync(catalog);
  flip(
    catalog,
    Array.from({ length: 4000 }, (_, at) => 100 + Math.floor(((size - 100) * at) / 4000)),
  );
  await expect(openNode({ directory: inside('owner') })).rejects.toMatchObject({
    code: 'CATALOG_DAMAGED',
    message: expect.stringContaining(catalog),
  });
  truncateSync(catalog, Math.floor(size / 3));
  await expect(openNode({ directory: inside('owner') })).rejects.toMatchObject({ code: 'CATALOG_DAMAGED' });
  // As the message says: the directory is moved aside, the node joins anew, and takes its folder along.
  renameSync(inside('owner'), inside('owner.damaged'));
  writeFileSync(inside('folder', 'edited meanwhile.txt'), 'x');
  const again = await start('owner');
  await again.join(keeper.createInvite({ addresses: [address] }));
  await until(again, () => again.datasets().length === 1);
  again.attach(dataset, inside('folder'));
  await again.scan(dataset, { settleMs: 0 });
  await until(again, () => [...files.keys()].every((path) => again.file(dataset, path)?.complete === true));
  files.set('edited meanwhile.txt', new TextEncoder().encode('x'));
  try {
    await expectWhole(again, dataset, 'folder');
    expect(again.conflicts(dataset, { open: true })).toEqual([]);
  } finally {
    files.delete('edited meanwhile.txt');
  }
});
