import { beforeEach, describe, expect, it } from 'vitest';
import { concatBytes } from '../../../src/core/bytes.ts';
import { GodwitError } from '../../../src/core/errors.ts';
import type { Hash } from '../../../src/core/identifiers.ts';
import { seededRandom } from '../../../src/core/random.ts';
import type { ArrivingFile } from '../../../src/datasets/arriving-files.ts';
import { ContentStore } from '../../../src/datasets/content-store.ts';
import { type ChunkRef, type ContentRef, ManifestBuilder } from '../../../src/datasets/manifest.ts';
import type { Catalog } from '../../../src/ports/catalog.ts';
import { nodeCrypto as crypto } from '../../../src/runtime/node-crypto.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';
import { DiskFaults } from '../../../src/simulation/disk-faults.ts';
import { MemoryChunkStore } from '../../../src/simulation/memory-chunk-store.ts';
import { MemoryFileTree } from '../../../src/simulation/memory-file-tree.ts';

const chunkBytes = 50_000;
const bytes = seededRandom(1).bytes(6 * chunkBytes);

let faults: DiskFaults;
let catalog: Catalog;
let chunks: MemoryChunkStore;
let tree: MemoryFileTree;
let store: ContentStore;
let content: ContentRef;
let refs: ChunkRef[];

const wanted = () => ({ tree: 't', path: 'a/b' });
const pieces = (...numbers: readonly number[]) =>
  numbers.map((number) => {
    const piece = bytes.subarray(number * chunkBytes, (number + 1) * chunkBytes);
    return { offset: number * chunkBytes, hash: crypto.sha256(piece) as Hash, bytes: piece };
  });

beforeEach(async () => {
  faults = new DiskFaults(seededRandom(3));
  catalog = openSqliteCatalog(':memory:');
  chunks = new MemoryChunkStore({ sha256: crypto.sha256, faults });
  let nowNs = 1n;
  tree = new MemoryFileTree({ nowNs: () => nowNs++, faults });
  store = new ContentStore(catalog, chunks, crypto);
  store.attachTree('t', tree);
  const builder = new ManifestBuilder(crypto);
  refs = pieces(0, 1, 2, 3, 4, 5).map(({ hash }) => ({ hash, lengthBytes: chunkBytes }));
  for (const ref of refs) builder.add(ref);
  const { content: made, nodes } = builder.finish();
  content = made;
  await store.put(nodes);
});

/** The store as the next process finds it. */
async function reopen(): Promise<void> {
  tree = tree.reopen();
  store = new ContentStore(catalog, chunks, crypto);
  await store.recover();
  store.attachTree('t', tree);
}

/** Stores chunks and names them. */
async function received(file: ArrivingFile, ...numbers: readonly number[]): Promise<void> {
  (await file.store(pieces(...numbers)))();
}

async function fileOf(root: Hash = content.root): Promise<ArrivingFile> {
  const file = await store.arriving.fileOf(root, wanted);
  if (file === undefined) throw new Error('there is no file');
  return file;
}

/** Puts the part in its place, as a working tree does. */
async function place(): Promise<void> {
  const part = await store.arriving.whole('t', content, refs, 'a/b');
  if (part === undefined) throw new Error('it is not whole');
  await tree.placePart(part, 'a/b', {});
  catalog.transaction(() => store.arriving.stands('t', part, 'a/b', content.root));
}

const read = async () => concatBytes(...(await Array.fromAsync(store.stream(content))));

describe('a content that arrives where it will stand', () => {
  it('is read from there while it comes, is complete with all its chunks, and moves with its homes', async () => {
    const file = await fileOf();
    await Promise.all([received(file, 3), received(file, 0, 1)]);
    expect(await store.read(refs[3]!.hash)).toEqual(pieces(3)[0]!.bytes);
    expect(await store.read(refs[2]!.hash)).toBeUndefined();
    expect(await file.makeWhole(refs, content.sizeBytes)).toBe(false);
    await received(file, 5, 4, 2);
    expect(await file.makeWhole(refs, content.sizeBytes)).toBe(true);
    expect(store.complete(content, refs)).toBe(true);
    expect(tree.parts()).toEqual([file.part]);
    await place();
    await store.recheck();
    expect(tree.parts()).toEqual([]);
    expect(store.holds(content.root)).toBe(true);
    expect(await read()).toEqual(bytes);
    expect(store.contentsIn('t', 'a/b')).toEqual([content]);
  });

  it('names nothing that is not on the disk: a sync covers what was written before it began', async () => {
    const file = await fileOf();
    const settles: (() => void)[] = [];
    faults.settle = () => new Promise((resolve) => settles.push(resolve));
    const first = received(file, 0);
    await expect.poll(() => settles.length).toBe(1);
    const later = [received(file, 1), received(file, 2)];
    settles.shift()?.();
    await first;
    expect([0, 1, 2].map((number) => store.has(refs[number]!.hash))).toEqual([true, false, false]);
    await expect.poll(() => settles.length).toBe(1);
    settles.shift()?.();
    await Promise.all(later);
    expect([0, 1, 2].map((number) => store.has(refs[number]!.hash))).toEqual([true, true, true]);
  });

  it('names nothing when the disk is full, and goes on when it is not any more', async () => {
    const file = await fileOf();
    faults.freeBytes = 1000;
    await expect(received(file, 0)).rejects.toMatchObject({ code: 'DISK_FULL' });
    expect(store.has(refs[0]!.hash)).toBe(false);
    faults.freeBytes = 10_000_000;
    await received(file, 0);
    expect(store.has(refs[0]!.hash)).toBe(true);
  });

  it('names nothing that a sync failed to cover', async () => {
    const file = await fileOf();
    faults.settle = () => Promise.reject(new Error('the disk'));
    await expect(received(file, 0)).rejects.toThrow('the disk');
    expect(store.has(refs[0]!.hash)).toBe(false);
    faults.settle = () => Promise.resolve();
    await received(file, 1);
    expect(store.has(refs[0]!.hash)).toBe(false);
    expect(store.has(refs[1]!.hash)).toBe(true);
  });

  it('is synced once for all that write at a time, and also when one of them fails', async () => {
    const file = await fileOf();
    const gates: PromiseWithResolvers<void>[] = [];
    let syncs = 0;
    const open = tree.openPart.bind(tree);
    tree.openPart = async (path) => {
      const part = await open(path);
      if (part === undefined) return undefined;
      const write = async (offset: number, written: Uint8Array) => {
        const gate = Promise.withResolvers<void>();
        gates.push(gate);
        await gate.promise;
        await part.write(offset, written);
      };
      const sync = () => {
        syncs++;
        return part.sync();
      };
      return { path: part.path, write, sync, close: () => part.close() };
    };
    const stores = [0, 2, 4].map((number) => file.store(pieces(number)));
    const settled = Promise.allSettled(stores);
    const turns = async () => {
      for (let turn = 0; turn < 100; turn++) await Promise.resolve();
    };
    await turns();
    gates[0]?.resolve();
    gates[1]?.resolve();
    await turns();
    expect([gates.length, syncs]).toEqual([3, 0]);
    gates[2]?.reject(new GodwitError('DISK_FULL', 'full'));
    expect((await settled).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
    expect(syncs).toBe(1);
  });

  it('has what is here already copied to its place', async () => {
    await store.put(pieces(1, 4));
    const file = await fileOf();
    await received(file, 0, 2, 3, 5);
    expect(await file.makeWhole(refs, content.sizeBytes)).toBe(true);
    expect(store.complete(content, refs)).toBe(true);
    await place();
    expect(await (await tree.open('a/b')).read(0, bytes.length)).toEqual(bytes);
  });

  it('arrives in no file where it is wanted nowhere, its tree is not attached, or no file can be made', async () => {
    expect(await store.arriving.fileOf(content.root)).toBeUndefined();
    expect(await store.arriving.fileOf(content.root, () => undefined)).toBeUndefined();
    expect(await store.arriving.fileOf(content.root, () => ({ tree: 'other', path: 'a' }))).toBeUndefined();
    tree.put('a', bytes);
    expect(await store.arriving.fileOf(content.root, wanted)).toBeUndefined();
    await tree.remove('a');
    expect(await store.arriving.fileOf(content.root, wanted)).toBeDefined();
  });
});

describe('what an earlier process received', () => {
  it('is gone on with, and read again before it stands anywhere', async () => {
    await received(await fileOf(), 0, 1, 2);
    await reopen();
    const [part] = tree.parts();
    for await (const _ of tree.walk()) throw new Error('nothing stands there');
    expect(tree.parts()).toEqual([part]);
    const file = await fileOf();
    expect(file.part).toBe(part);
    await received(file, 3, 4, 5);
    expect(await file.makeWhole(refs, content.sizeBytes)).toBe(true);
    expect(store.complete(content, refs)).toBe(true);
    await place();
    expect(await read()).toEqual(bytes);
  });

  it('is not whole when a bit of it has rotted, until that chunk has come again', async () => {
    await received(await fileOf(), 0, 1, 2, 3, 4, 5);
    await reopen();
    tree.harmPart(tree.parts()[0]!, 'rot');
    const file = await fileOf();
    expect(await file.makeWhole(refs, content.sizeBytes)).toBe(false);
    expect(store.complete(content, refs)).toBe(false);
    const lacking = refs.findIndex(({ hash }) => !store.has(hash));
    await received(file, lacking);
    expect(await file.makeWhole(refs, content.sizeBytes)).toBe(true);
    await place();
    expect(await (await tree.open('a/b')).read(0, bytes.length)).toEqual(bytes);
  });

  it('is mended from another home of the rotten chunk', async () => {
    await received(await fileOf(), 0, 1, 2, 3, 4, 5);
    await store.put(pieces(0, 1, 2, 3, 4, 5));
    await reopen();
    tree.harmPart(tree.parts()[0]!, 'rot');
    expect(store.complete(content, refs)).toBe(true);
    await place();
    expect(await (await tree.open('a/b')).read(0, bytes.length)).toEqual(bytes);
  });

  it('is not taken for whole when somebody has written behind its end', async () => {
    await received(await fileOf(), 0, 1, 2, 3, 4, 5);
    await reopen();
    const part = await tree.openPart(tree.parts()[0]!);
    await part?.write(bytes.length, Uint8Array.of(1));
    expect(await store.arriving.whole('t', content, refs, 'a/b')).toBeUndefined();
    // It need not come again for that.
    expect(await (await fileOf()).makeWhole(refs, content.sizeBytes)).toBe(true);
    expect(store.complete(content, refs)).toBe(true);
    expect(await read()).toEqual(bytes);
  });

  it('begins anew when somebody has removed it', async () => {
    await received(await fileOf(), 0, 1);
    await reopen();
    tree.harmPart(tree.parts()[0]!, 'remove');
    const file = await fileOf();
    expect(store.has(refs[0]!.hash)).toBe(false);
    await received(file, 0);
    expect(store.has(refs[0]!.hash)).toBe(true);
  });

  it('that was removed while it came is lost, and comes anew', async () => {
    const file = await fileOf();
    await received(file, 0);
    tree.harmPart(file.part, 'remove');
    await expect(received(file, 1)).rejects.toMatchObject({ code: 'STORAGE_FAILED', retryable: true });
    expect(await file.makeWhole(refs, content.sizeBytes)).toBe(false);
    await expect(received(await fileOf(), 0, 1)).resolves.toBeUndefined();
  });

  it('is read at its place when the power failed before that was noted', async () => {
    const file = await fileOf();
    await received(file, 0, 1, 2, 3, 4, 5);
    store.complete(content, refs);
    const part = await store.arriving.whole('t', content, refs, 'a/b');
    await tree.placePart(part!, 'a/b', {});
    await reopen();
    expect(await read()).toEqual(bytes);
    expect(await store.arriving.whole('t', content, refs, 'a/b')).toBeUndefined();
    // Nothing else says that it is there until somebody has read the file.
    await store.arriving.discardUnless(() => false);
    expect(await read()).toEqual(bytes);
    store.replaceFile('t', 'a/b', content, refs);
    await store.arriving.discardUnless(() => false);
    await store.recheck();
    expect(await read()).toEqual(bytes);
    expect(catalog.all('SELECT * FROM arriving_file')).toEqual([]);
    expect(store.contentsIn('t', part!)).toEqual([]);
  });

  it('is not given up at its place because of what stood there before', async () => {
    tree.put('a/b', bytes.subarray(0, 10));
    catalog.run(`INSERT INTO content (root, size_bytes, depth, state) VALUES (?, 10, 0, 'complete')`, crypto.sha256(bytes.subarray(0, 10)));
    catalog.run('INSERT INTO content_in_file (tree, path, root) VALUES (?, ?, ?)', 't', 'a/b', crypto.sha256(bytes.subarray(0, 10)));
    const file = await fileOf();
    await received(file, 0, 1, 2, 3, 4, 5);
    store.complete(content, refs);
    const part = await store.arriving.whole('t', content, refs, 'a/b');
    await tree.placePart(part!, 'a/b', {});
    await reopen();
    // Nobody has looked at the file since.
    await store.arriving.discardUnless(() => false);
    await store.recheck();
    expect(store.holds(content.root)).toBe(true);
    expect(await read()).toEqual(bytes);
  });

  it('is not looked for in another directory that was attached instead', async () => {
    const before = await fileOf();
    await received(before, 0, 1, 2, 3, 4, 5);
    store.complete(content, refs);
    let nowNs = 1n;
    tree = new MemoryFileTree({ nowNs: () => nowNs++, faults });
    store.attachTree('t', tree);
    expect(await store.arriving.whole('t', content, refs, 'a/b')).toBeUndefined();
    const file = await fileOf();
    await received(file, 0, 1, 2, 3, 4, 5);
    await place();
    expect(await (await tree.open('a/b')).read(0, bytes.length)).toEqual(bytes);
  });
});

describe('parts that nobody waits for', () => {
  it('are removed, and their homes forgotten', async () => {
    await received(await fileOf(), 0, 1);
    await store.arriving.discardUnless(() => true);
    expect(tree.parts()).toHaveLength(1);
    await store.arriving.discardUnless(() => false);
    expect(tree.parts()).toEqual([]);
    expect(store.has(refs[0]!.hash)).toBe(false);
    const again = await fileOf();
    await received(again, 0);
    expect(store.has(refs[0]!.hash)).toBe(true);
  });

  it('stay where the directory cannot be reached', async () => {
    await received(await fileOf(), 0);
    const { openPart } = tree;
    tree.openPart = () => Promise.reject(new GodwitError('DIRECTORY_MISSING', 'unplugged'));
    await store.arriving.discardUnless(() => false);
    await expect(fileOf(crypto.sha256(bytes) as Hash)).resolves.toBeDefined();
    tree.openPart = openPart;
    expect(tree.parts()).toHaveLength(2);
    expect(store.has(refs[0]!.hash)).toBe(true);
  });

  it('stay as long as another content relies on them, and where they cannot be reached', async () => {
    await received(await fileOf(), 0, 1);
    const other = new ManifestBuilder(crypto);
    for (const ref of refs.slice(0, 2)) other.add(ref);
    const { content: shared, nodes } = other.finish();
    await store.put(nodes);
    expect(store.complete(shared, refs.slice(0, 2))).toBe(true);
    await store.arriving.discardUnless(() => false);
    expect(tree.parts()).toHaveLength(1);
    catalog.run('DELETE FROM content WHERE root = ?', shared.root);
    await new ContentStore(catalog, chunks, crypto).arriving.discardUnless(() => false);
    expect(tree.parts()).toHaveLength(1);
    await store.arriving.discardUnless(() => false);
    expect(tree.parts()).toEqual([]);
  });
});
