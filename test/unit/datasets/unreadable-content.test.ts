import { beforeEach, describe, expect, it } from 'vitest';
import { concatBytes, equalBytes } from '../../../src/core/bytes.ts';
import { GodwitError } from '../../../src/core/errors.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { ContentStore } from '../../../src/datasets/content-store.ts';
import type { ContentRef } from '../../../src/datasets/manifest.ts';
import type { Catalog } from '../../../src/ports/catalog.ts';
import { nodeCrypto as crypto } from '../../../src/runtime/node-crypto.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';
import { DiskFaults } from '../../../src/simulation/disk-faults.ts';
import { MemoryChunkStore } from '../../../src/simulation/memory-chunk-store.ts';
import { MemoryFileTree } from '../../../src/simulation/memory-file-tree.ts';

const bytes = seededRandom(1).bytes(300_000);
const largeBytes = seededRandom(2).bytes(5 * 1024 * 1024);

let packs: DiskFaults;
let files: DiskFaults;
let catalog: Catalog;
let chunks: MemoryChunkStore;
let tree: MemoryFileTree;
let store: ContentStore;
let told: string[];

beforeEach(() => {
  [packs, files] = [new DiskFaults(seededRandom(3)), new DiskFaults(seededRandom(4))];
  catalog = openSqliteCatalog(':memory:');
  chunks = new MemoryChunkStore({ sha256: crypto.sha256, faults: packs });
  tree = new MemoryFileTree({ nowNs: () => 1n, faults: files });
  store = new ContentStore(catalog, chunks, crypto);
  store.attachTree('t', tree);
  told = [];
  store.follow({ lost: () => told.push('lost'), unreadable: () => told.push('unreadable'), complete: () => told.push('complete') });
});

async function read(content: ContentRef): Promise<Uint8Array | string> {
  try {
    return concatBytes(...(await Array.fromAsync(store.stream(content))));
  } catch (error) {
    return error instanceof GodwitError ? error.code : String(error);
  }
}

describe('a content whose disk cannot read it', () => {
  it.each(['its chunks', 'its manifest'])('is not lost when that is %s, and reads as before when the disk can', async (what) => {
    const content = await store.addBytes(bytes);
    const readChunk = chunks.read.bind(chunks);
    chunks.read = async (place, hash) => {
      const isRoot = equalBytes(hash, content.root);
      return isRoot === (what === 'its manifest') ? 'unreadable' : readChunk(place, hash);
    };
    expect(await read(content)).toBe('CONTENT_UNAVAILABLE');
    expect([store.holds(content.root), told, store.takeLost()]).toEqual([true, ['unreadable'], []]);
    chunks.read = readChunk;
    expect(await read(content)).toEqual(bytes);
  });

  it('is noted for readers that go by references, though another reader had it meanwhile', async () => {
    const content = await store.addBytes(bytes.slice(0, 1000));
    packs.readErrorRatio = 1;
    expect(await store.read(content.root)).toBeUndefined();
    expect(store.isReadable(content.root)).toBe(false);
    packs.readErrorRatio = 0;
    expect(await store.read(content.root)).toHaveLength(1000);
    const refs = [{ hash: content.root, lengthBytes: 1000 }];
    expect(store.loseIfDamaged(content, refs)).toBe(false);
    expect(store.loseIfDamaged(content, refs)).toBe(false);
    expect([told, store.isReadable(content.root)]).toEqual([['unreadable'], true]);
  });

  it('is read from its working file, and stays a home of what the file cannot give', async () => {
    const stat = tree.put('big', largeBytes);
    const content = await store.addFile('t', await tree.open('big'), stat);
    expect(await read(content)).toEqual(largeBytes);
    files.readErrorRatio = 1;
    expect(await read(content)).toBe('CONTENT_UNAVAILABLE');
    expect(told).toEqual(['unreadable']);
    files.readErrorRatio = 0;
    expect(await read(content)).toEqual(largeBytes);
  });

  it('is replaced by bytes that came anew, and by nothing else', async () => {
    const record = { hash: crypto.sha256(bytes.slice(0, 500)) as ContentRef['root'], bytes: bytes.slice(0, 500) };
    await store.put([record]);
    const [before] = catalog.all<{ offset: number }>('SELECT offset FROM chunk');
    packs.readErrorRatio = 1;
    expect(await store.read(record.hash)).toBeUndefined();
    expect(store.has(record.hash)).toBe(true);
    await store.put([record]);
    packs.readErrorRatio = 0;
    const [after] = catalog.all<{ offset: number }>('SELECT offset FROM chunk');
    expect(after?.offset).toBeGreaterThan(before?.offset ?? Infinity);
    expect(await store.read(record.hash)).toEqual(record.bytes);
  });

  it('is replaced by whoever brings it anew after three attempts to read it, not after two', async () => {
    const record = { hash: crypto.sha256(bytes.slice(0, 1000)) as ContentRef['root'], bytes: bytes.slice(0, 1000) };
    await store.put([record]);
    const offset = () => catalog.get<{ offset: number }>('SELECT offset FROM chunk')?.offset;
    const before = offset();
    let failures = 2;
    const readChunk = chunks.read.bind(chunks);
    chunks.read = async (place, hash) => (failures-- > 0 ? 'unreadable' : readChunk(place, hash));
    await store.put([record]);
    expect(offset()).toBe(before);
    failures = 3;
    await store.put([record]);
    expect(offset()).toBeGreaterThan(before as number);
  });

  it('is lost when it is given up, once, and complete again with its homes', async () => {
    const content = await store.addBytes(bytes.slice(0, 1000));
    store.giveUp(content);
    store.giveUp(content);
    expect([told, store.takeLost()]).toEqual([['lost'], [content]]);
    expect(store.complete(content, [{ hash: content.root, lengthBytes: 1000 }])).toBe(true);
    expect(await read(content)).toHaveLength(1000);
  });

  it('stays in doubt while its manifest cannot be read, and is told of when it is complete', async () => {
    const stat = tree.put('big', largeBytes);
    const content = await store.addFile('t', await tree.open('big'), stat);
    const copy = tree.put('copy', largeBytes);
    await store.addFile('t', await tree.open('copy'), copy);
    store.forgetFile('t', 'big');
    packs.readErrorRatio = 1;
    await store.recheck();
    expect([told, store.holds(content.root)]).toEqual([['unreadable'], false]);
    packs.readErrorRatio = 0;
    await store.recheck();
    expect([told, store.holds(content.root)]).toEqual([['unreadable', 'complete'], true]);
  });
});
