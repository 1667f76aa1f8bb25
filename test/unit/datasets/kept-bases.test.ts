import { beforeEach, describe, expect, it } from 'vitest';
import { type DatasetId, identifier, type NodeId } from '../../../src/core/identifiers.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { ContentStore } from '../../../src/datasets/content-store.ts';
import { FileIndex } from '../../../src/datasets/file-index.ts';
import { GarbageCollection } from '../../../src/datasets/garbage-collection.ts';
import { KeptBases } from '../../../src/datasets/kept-bases.ts';
import type { ContentRef } from '../../../src/datasets/manifest.ts';
import { Retention } from '../../../src/datasets/retention.ts';
import type { Catalog } from '../../../src/ports/catalog.ts';
import { nodeCrypto as crypto } from '../../../src/runtime/node-crypto.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';
import { DiskFaults } from '../../../src/simulation/disk-faults.ts';
import { MemoryChunkStore } from '../../../src/simulation/memory-chunk-store.ts';
import { MemoryFileTree } from '../../../src/simulation/memory-file-tree.ts';

const megabyte = 1024 * 1024;
const fileBytes = 5 * megabyte;
const dataset = identifier<DatasetId>(new Uint8Array(32).fill(1));
const author = identifier<NodeId>(new Uint8Array(32).fill(2));

let faults: DiskFaults;
let catalog: Catalog;
let chunks: MemoryChunkStore;
let contents: ContentStore;
let index: FileIndex;
let tree: MemoryFileTree;
let sequence: number;

beforeEach(() => {
  faults = new DiskFaults(seededRandom(3));
  catalog = openSqliteCatalog(':memory:');
  chunks = new MemoryChunkStore({ sha256: crypto.sha256, faults });
  contents = new ContentStore(catalog, chunks, crypto);
  index = new FileIndex(catalog);
  tree = new MemoryFileTree({ nowNs: () => 1n, faults });
  contents.attachTree('tree', tree);
  sequence = 0;
});

/** Writes a file, publishes it, and tells `bases` of it. */
async function publish(
  bases: KeptBases,
  path: string,
  seed: number,
  changedMs: number,
  isChange = true,
  bytes = fileBytes,
): Promise<ContentRef> {
  tree.put(path, seededRandom(seed).bytes(bytes));
  const stat = (await tree.stat(path))!;
  const reader = await tree.open(path);
  const content = await contents.addFile('tree', reader, stat);
  await reader.close();
  const superseded = index.heads(dataset, path).map((head) => ({ author: head.author, sequence: head.sequence }));
  sequence++;
  const change = { path, superseded, kind: 'file', content, mtimeNs: 1n, mode: 0o644 } as const;
  index.apply(dataset, { author, sequence }, { instant: { wallMs: sequence, counter: 0 }, clockQuality: 'ntp' }, [change], 1);
  bases.note({ tree: 'tree', path, content, changedMs, isChange });
  return content;
}

async function run(bases: KeptBases): Promise<number> {
  let steps = 0;
  while (await bases.step('tree', tree)) steps++;
  return steps;
}

async function collect(): Promise<void> {
  const retention = new Retention(catalog, index, (root) => contents.holds(root), {
    roots: () => [],
    plan: () => undefined,
    hashes: () => [],
  });
  const collection = new GarbageCollection({ catalog, chunks, contents, retention }, 0);
  while (!(await collection.step(10 * megabyte)));
}

const packBytes = async () => (await chunks.packs()).reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
const packedChunks = async (content: ContentRef) =>
  (await contents.refs(content)).filter(({ hash }) => catalog.get('SELECT 1 FROM chunk WHERE hash = ?', hash) !== undefined).length;

describe('copies of large files', () => {
  it('outlive the file that is overwritten in place', async () => {
    const bases = new KeptBases(catalog, contents, crypto, 100 * megabyte);
    const content = await publish(bases, 'a.bin', 1, 10, false);
    expect(await packedChunks(content)).toBe(0);
    expect(await run(bases)).toBe(1);
    tree.put('a.bin', seededRandom(2).bytes(fileBytes));
    const parts: Uint8Array[] = [];
    for await (const part of contents.stream(content)) parts.push(part);
    expect(parts.reduce((sum, { length }) => sum + length, 0)).toBe(fileBytes);
  });

  it('are made of files that changed, or are small beside the quota', async () => {
    const bases = new KeptBases(catalog, contents, crypto, 20 * megabyte);
    const still = await publish(bases, 'still.bin', 1, 10, false);
    const changed = await publish(bases, 'changed.bin', 2, 10, true);
    const small = await publish(bases, 'small.csv', 3, 10, true, 1000);
    await run(bases);
    expect(await packedChunks(still)).toBe(0);
    expect(await packedChunks(changed)).toBe((await contents.refs(changed)).length);
    expect(catalog.get('SELECT 1 FROM kept_base WHERE path = ?', 'small.csv')).toBeUndefined();
    expect(contents.holds(small.root)).toBe(true);
  });

  it('keep to the quota: what changed longest ago goes back to its file, and out of the packs', async () => {
    const bases = new KeptBases(catalog, contents, crypto, 7 * megabyte);
    const all: ContentRef[] = [];
    for (const [name, changedMs] of [
      ['a.bin', 30],
      ['b.bin', 40],
      ['old.bin', 20],
      ['c.bin', 50],
    ] as const) {
      all.push(await publish(bases, name, changedMs, changedMs));
      await run(bases);
    }
    await collect();
    expect(await packBytes()).toBeLessThan(7 * megabyte);
    const [a, b, old, c] = all as [ContentRef, ContentRef, ContentRef, ContentRef];
    expect([await packedChunks(a), await packedChunks(b), await packedChunks(old)]).toEqual([0, 0, 0]);
    expect(await packedChunks(c)).toBe((await contents.refs(c)).length);
    for (const content of all) for await (const part of contents.stream(content)) expect(part.length).toBeGreaterThan(0);
    // A released file is the only home of its bytes again, and known to be.
    expect(contents.contentsIn('tree', 'b.bin').map(({ root }) => root)).toEqual([b.root]);
  });

  it('are not given up for a file that no longer holds the bytes', async () => {
    const bases = new KeptBases(catalog, contents, crypto, 7 * megabyte);
    const first = await publish(bases, 'a.bin', 1, 10);
    await run(bases);
    tree.put('a.bin', seededRandom(9).bytes(fileBytes));
    await publish(bases, 'b.bin', 2, 20);
    await run(bases);
    await collect();
    expect(await packedChunks(first)).toBe((await contents.refs(first)).length);
  });

  it('are not begun for a file that was overwritten before its turn came, or without room on the disk', async () => {
    const bases = new KeptBases(catalog, contents, crypto, 100 * megabyte);
    await publish(bases, 'a.bin', 1, 10);
    tree.put('a.bin', seededRandom(9).bytes(fileBytes));
    await run(bases);
    expect(catalog.get('SELECT 1 FROM kept_base')).toBeUndefined();

    const content = await publish(bases, 'b.bin', 2, 20);
    faults.freeBytes = 0;
    await run(bases);
    faults.freeBytes = Number.POSITIVE_INFINITY;
    expect(catalog.get('SELECT state FROM kept_base')).toEqual({ state: 'released' });
    expect(contents.holds(content.root)).toBe(true);
  });

  it('end with the file, and there are none without a quota', async () => {
    const bases = new KeptBases(catalog, contents, crypto, 100 * megabyte);
    await publish(bases, 'a.bin', 1, 10);
    bases.forget('tree', 'a.bin');
    expect(await run(bases)).toBe(0);
    const none = new KeptBases(catalog, contents, crypto, 0);
    await publish(none, 'a.bin', 2, 20);
    expect(await run(none)).toBe(0);
  });
});
