import { beforeEach, describe, expect, it } from 'vitest';
import { type DatasetId, type Hash, identifier, type NodeId } from '../../../src/core/identifiers.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { ContentStore } from '../../../src/datasets/content-store.ts';
import { FileIndex } from '../../../src/datasets/file-index.ts';
import { GarbageCollection } from '../../../src/datasets/garbage-collection.ts';
import type { ContentRef } from '../../../src/datasets/manifest.ts';
import { Retention } from '../../../src/datasets/retention.ts';
import type { Catalog } from '../../../src/ports/catalog.ts';
import { nodeCrypto as crypto } from '../../../src/runtime/node-crypto.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';
import { DiskFaults } from '../../../src/simulation/disk-faults.ts';
import { MemoryChunkStore } from '../../../src/simulation/memory-chunk-store.ts';
import { MemoryFileTree } from '../../../src/simulation/memory-file-tree.ts';

const dataset = identifier<DatasetId>(new Uint8Array(32).fill(1));
const author = identifier<NodeId>(new Uint8Array(32).fill(2));
const bytesOf = (seed: number, length = 200_000) => seededRandom(seed).bytes(length);

let faults: DiskFaults;
let catalog: Catalog;
let chunks: MemoryChunkStore;
let contents: ContentStore;
let index: FileIndex;
let retention: Retention;
let sequence: number;

beforeEach(() => {
  faults = new DiskFaults(seededRandom(3));
  catalog = openSqliteCatalog(':memory:');
  chunks = new MemoryChunkStore({ sha256: crypto.sha256, faults });
  contents = new ContentStore(catalog, chunks, crypto);
  index = new FileIndex(catalog);
  retention = new Retention(catalog, index, (root) => contents.holds(root), { roots: () => [], plan: () => undefined, hashes: () => [] });
  sequence = 0;
});

/** A revision of a path that supersedes the one before. */
function revise(path: string, content: ContentRef): void {
  const superseded = index.heads(dataset, path).map((head) => ({ author: head.author, sequence: head.sequence }));
  sequence++;
  const change = { path, superseded, kind: 'file', content, mtimeNs: 1n, mode: 0o644 } as const;
  index.apply(dataset, { author, sequence }, { instant: { wallMs: sequence, counter: 0 }, clockQuality: 'ntp' }, [change], 1);
}

async function versions(path: string, ...all: Uint8Array[]): Promise<ContentRef[]> {
  const refs: ContentRef[] = [];
  for (const bytes of all) {
    refs.push(await contents.addBytes(bytes));
    revise(path, refs.at(-1)!);
  }
  return refs;
}

const collection = (quotaBytes = 0) => new GarbageCollection({ catalog, chunks, contents, retention }, quotaBytes);

async function collect(quotaBytes = 0): Promise<GarbageCollection> {
  const run = collection(quotaBytes);
  while (!(await run.step(1_000_000)));
  return run;
}

const held = (refs: readonly ContentRef[]) => refs.map(({ root }) => contents.holds(root));
const packedBytes = async () => (await chunks.packs()).reduce((sum, pack) => sum + pack.lengthBytes, 0);
const read = (content: ContentRef) => contents.bytes(content, 1e9);

describe('superseded contents', () => {
  it('are given up, and their room with them, though they lie in the pack that grows', async () => {
    const refs = await versions('p', bytesOf(1), bytesOf(2), bytesOf(3), bytesOf(4));
    const before = await packedBytes();
    const { report } = await collect();
    expect(held(refs)).toEqual([false, false, false, true]);
    expect(await read(refs[3]!)).toEqual(bytesOf(4));
    expect(report).toMatchObject({ droppedContents: 3, removedPacks: 1, supersededBytes: 0, damagedRecords: 0 });
    expect(before - (await packedBytes())).toBeCloseTo(report.freedBytes, -2);
    expect(await packedBytes()).toBeLessThan(220_000);
  });

  it('stay within the quota, the newest first, and a smaller older one where a large one does not fit', async () => {
    const refs = await versions('p', bytesOf(1), bytesOf(2, 50_000), bytesOf(3, 900_000), bytesOf(4), bytesOf(5));
    const { report } = await collect(260_000);
    expect(held(refs)).toEqual([false, true, false, true, true]);
    expect(report.supersededBytes).toBeGreaterThan(250_000);
    expect(report.supersededBytes).toBeLessThan(260_000);
  });

  it('cost only what nothing else needs', async () => {
    const long = bytesOf(1, 1_000_000);
    const refs = await versions('p', ...[600_000, 700_000, 800_000, 900_000, 1_000_000].map((length) => long.slice(0, length)));
    await collect(500_000);
    expect(held(refs)).toEqual([true, true, true, true, true]);
  });

  it('that are pinned, and content that no revision names, stay beyond any quota', async () => {
    const refs = await versions('p', bytesOf(1), bytesOf(2));
    const raw = await contents.addBytes(bytesOf(9));
    retention.pin({ dataset, path: 'p', author, sequence: 1, name: 'n' });
    await collect();
    expect(held([...refs, raw])).toEqual([true, true, true]);
    retention.unpin(dataset, 'p', 'n');
    await collect();
    expect(held([...refs, raw])).toEqual([false, true, true]);
  });

  it('that become needed while they are weighed stay', async () => {
    const refs = await versions('p', bytesOf(1), bytesOf(2));
    const run = collection();
    for (let isPinned = false; !(await run.step(1)); isPinned = true) {
      if (!isPinned) retention.pin({ dataset, path: 'p', author, sequence: 1, name: 'n' });
    }
    expect(held(refs)).toEqual([true, true]);
    const candidateFirst = collection();
    retention.unpin(dataset, 'p', 'n');
    while (catalogCandidates() === 0) await candidateFirst.step(1);
    retention.pin({ dataset, path: 'p', author, sequence: 1, name: 'n' });
    while (!(await candidateFirst.step(1)));
    expect(held(refs)).toEqual([true, true]);
    expect(await read(refs[0]!)).toEqual(bytesOf(1));
  });

  it('count with the part that they arrived in and never left, and are given up with it', async () => {
    let nowNs = 1n;
    const tree = new MemoryFileTree({ nowNs: () => nowNs++, faults });
    contents.attachTree('t', tree);
    const source = new ContentStore(openSqliteCatalog(':memory:'), new MemoryChunkStore({ sha256: crypto.sha256, faults }), crypto);
    const content = await source.addBytes(bytesOf(1));
    const refs = await source.refs(content);
    await contents.put([{ hash: content.root, bytes: (await source.read(content.root)) as Uint8Array }]);
    const file = await contents.arriving.fileOf(content.root, () => ({ tree: 't', path: 'p' }));
    let offset = 0;
    for (const { hash, lengthBytes } of refs) {
      const bytes = (await source.read(hash)) as Uint8Array;
      (await file!.store([{ offset, hash, bytes }]))();
      offset += lengthBytes;
    }
    expect(contents.complete(content, refs)).toBe(true);
    revise('p', content);
    const [next] = await versions('p', bytesOf(2));
    const { report } = await collect(offset + 10_000);
    expect(report.droppedContents).toBe(0);
    expect(report.supersededBytes).toBeGreaterThanOrEqual(offset);
    expect(await read(content)).toEqual(bytesOf(1));
    await collect(0);
    expect(held([content, next!])).toEqual([false, true]);
    expect(tree.parts()).toEqual([]);
  });
});

function catalogCandidates(): number {
  const exists = catalog.get(`SELECT 1 FROM sqlite_temp_master WHERE name = 'collection_candidate'`) !== undefined;
  return exists ? (catalog.get<{ n: number }>('SELECT count(*) AS n FROM collection_candidate')?.n ?? 0) : 0;
}

describe('packs', () => {
  it('of which half is needed are left alone', async () => {
    const refs = await versions('p', bytesOf(1, 100_000), bytesOf(2, 200_000));
    const before = await packedBytes();
    expect((await collect()).report).toMatchObject({ droppedContents: 1, removedPacks: 0, freedBytes: 0 });
    expect(await packedBytes()).toBe(before);
    expect(await read(refs[1]!)).toEqual(bytesOf(2, 200_000));
  });

  it('that nothing names are removed, but not the one that grows', async () => {
    await contents.addBytes(bytesOf(1));
    const [first] = await chunks.packs();
    catalog.run('DELETE FROM content');
    catalog.run('DELETE FROM chunk');
    await collect();
    expect(await chunks.packs()).toEqual([first]);
    await chunks.truncateAfter(first!.pack, 1e9);
    const kept = await contents.addBytes(bytesOf(2));
    await collect();
    expect((await chunks.packs()).map(({ pack }) => pack)).toEqual([first!.pack + 1]);
    expect(await read(kept)).toEqual(bytesOf(2));
  });

  it('with a record that cannot be moved stay, and it is told', async () => {
    const refs = await versions('p', bytesOf(1), bytesOf(2), bytesOf(3));
    const [ref] = await contents.refs(refs[2]!);
    const row = catalog.get<{ pack: number; offset: number; record_bytes: number }>('SELECT * FROM chunk WHERE hash = ?', ref!.hash)!;
    chunks.rot({ pack: row.pack, offset: row.offset, recordBytes: row.record_bytes });
    const { report } = await collect();
    expect(report).toMatchObject({ droppedContents: 2, removedPacks: 0, damagedRecords: 1 });
    expect((await chunks.packs())[0]!.pack).toBe(row.pack);
  });

  it('are not touched when there is no room to move what is needed, and shrink when there is', async () => {
    const refs = await versions('p', bytesOf(1), bytesOf(2), bytesOf(3));
    faults.freeBytes = 1000;
    await expect(collect()).rejects.toMatchObject({ code: 'DISK_FULL' });
    expect(await read(refs[2]!)).toEqual(bytesOf(3));
    faults.freeBytes = 1e9;
    expect((await collect()).report.removedPacks).toBe(1);
    expect(await read(refs[2]!)).toEqual(bytesOf(3));
  });
});

describe('a collection that runs beside other work', () => {
  it('spares what was put before it began and is completed after it ended', async () => {
    const content = await contents.addBytes(bytesOf(1));
    const other = new ContentStore(openSqliteCatalog(':memory:'), new MemoryChunkStore({ sha256: crypto.sha256, faults }), crypto);
    const parts = await Array.fromAsync(contents.parts(content));
    const records = await Promise.all(parts.map(async ({ hash }) => ({ hash, bytes: (await contents.read(hash))! })));
    [catalog, contents] = [openSqliteCatalog(':memory:'), other];
    chunks = new MemoryChunkStore({ sha256: crypto.sha256, faults });
    contents = new ContentStore(catalog, chunks, crypto);
    await contents.put(records);
    await collect();
    expect(
      contents.complete(
        content,
        parts.filter(({ lengthBytes }) => lengthBytes > 0),
      ),
    ).toBe(true);
    expect(await read(content)).toEqual(bytesOf(1));
  });

  it('takes in the end what was put and never named', async () => {
    const bytes = bytesOf(1, 1000);
    const hash = crypto.sha256(bytes) as Hash;
    await contents.put([{ hash, bytes }]);
    await collect();
    expect(contents.has(hash)).toBe(true);
    await collect();
    expect(contents.has(hash)).toBe(false);
  });

  it('spares the chunks of what becomes complete after the marking', async () => {
    const bytes = bytesOf(1);
    const hash = crypto.sha256(bytes) as Hash;
    await contents.addBytes(bytesOf(2, 1000));
    await contents.put([{ hash, bytes }]);
    await collect();
    const run = collection();
    await run.step(1);
    await run.step(1);
    const content = { root: hash, sizeBytes: bytes.length, depth: 0 };
    expect(contents.complete(content, [{ hash, lengthBytes: bytes.length }])).toBe(true);
    while (!(await run.step(1)));
    expect(await read(content)).toEqual(bytes);
  });

  it('lets a reader find a record that moved under its hands', async () => {
    const refs = await versions('p', bytesOf(1), bytesOf(2), bytesOf(3));
    const [ref] = await contents.refs(refs[2]!);
    const readRecord = chunks.read.bind(chunks);
    chunks.read = async (place, hash) => {
      chunks.read = readRecord;
      expect((await collect()).report.removedPacks).toBe(1);
      return readRecord(place, hash);
    };
    expect(await contents.read(ref!.hash)).toHaveLength(ref!.lengthBytes);
    expect(await read(refs[2]!)).toEqual(bytesOf(3));
  });

  it('is the only one, and can be given up', async () => {
    const refs = await versions('p', bytesOf(1), bytesOf(2));
    const run = collection();
    await run.step(1);
    await expect(collection().step(1)).rejects.toThrow('two collections');
    await run.stop();
    await collect();
    expect(held(refs)).toEqual([false, true]);
  });
});

it('A damaged manifest makes its content lost, and the collection goes on', async () => {
  const refs = await versions('p', bytesOf(1), bytesOf(2));
  const other = await versions('q', bytesOf(3));
  for (const { root } of refs) catalog.run('DELETE FROM chunk WHERE hash = ?', root);
  await collect();
  expect(held([...refs, ...other])).toEqual([false, false, true]);
  expect(contents.takeLost()).toHaveLength(2);
});

describe('a content that nothing names', () => {
  /** The store as another process finds it. */
  const reopen = async () => {
    contents = new ContentStore(catalog, chunks, crypto);
    retention = new Retention(catalog, index, (root) => contents.holds(root), { roots: () => [], plan: () => undefined, hashes: () => [] });
    await contents.recover();
  };
  beforeEach(reopen);

  it('stays while whoever put it may come to name it, and goes with its room when that process has ended', async () => {
    const unnamed = [await contents.addBytes(bytesOf(1)), await contents.addBytes(bytesOf(2))];
    const named = await versions('p', bytesOf(3));
    await collect();
    expect(held([...unnamed, ...named])).toEqual([true, true, true]);
    await reopen();
    // Put again, it waits for its name anew.
    expect(await contents.addBytes(bytesOf(2))).toEqual(unnamed[1]);
    const { report } = await collect();
    expect(held([...unnamed, ...named])).toEqual([false, true, true]);
    expect(report.droppedContents).toBe(1);
    await reopen();
    await collect();
    expect(held([...unnamed, ...named])).toEqual([false, false, true]);
    expect(await packedBytes()).toBeLessThan(220_000);
  });

  it('stays when something else needs it', async () => {
    const unnamed = await contents.addBytes(bytesOf(1));
    await reopen();
    expect(retention.view().verdict(unnamed.root)).toEqual({ stays: true, reason: 'unnamed' });
    const needing = { reason: () => 'raw' as const, isTagged: () => false, keepsHead: () => true };
    retention = new Retention(catalog, index, () => true, { roots: () => [], plan: () => undefined, hashes: () => [] }, needing);
    await collect();
    expect(held([unnamed])).toEqual([true]);
  });

  it('stays when it is not known who put it', async () => {
    const unnamed = await contents.addBytes(bytesOf(1));
    catalog.run('UPDATE content SET opening = NULL');
    await reopen();
    await collect();
    expect(held([unnamed])).toEqual([true]);
  });
});
