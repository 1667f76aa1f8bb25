import { beforeEach, describe, expect, it } from 'vitest';
import { concatBytes } from '../../../src/core/bytes.ts';
import { type DatasetId, identifier, type NodeId } from '../../../src/core/identifiers.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { ContentStore } from '../../../src/datasets/content-store.ts';
import { FileIndex } from '../../../src/datasets/file-index.ts';
import type { ContentRef } from '../../../src/datasets/manifest.ts';
import { Verification, type VerificationScope } from '../../../src/datasets/verification.ts';
import type { Catalog } from '../../../src/ports/catalog.ts';
import { nodeCrypto as crypto } from '../../../src/runtime/node-crypto.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';
import { DiskFaults } from '../../../src/simulation/disk-faults.ts';
import { MemoryChunkStore } from '../../../src/simulation/memory-chunk-store.ts';
import { MemoryFileTree } from '../../../src/simulation/memory-file-tree.ts';

const [dataset, otherDataset] = [1, 2].map((byte) => identifier<DatasetId>(new Uint8Array(32).fill(byte))) as [DatasetId, DatasetId];
const author = identifier<NodeId>(new Uint8Array(32).fill(3));
const bytesOf = (seed: number, length = 200_000) => seededRandom(seed).bytes(length);

let faults: DiskFaults;
let catalog: Catalog;
let chunks: MemoryChunkStore;
let contents: ContentStore;
let index: FileIndex;

beforeEach(() => {
  faults = new DiskFaults(seededRandom(3));
  catalog = openSqliteCatalog(':memory:');
  chunks = new MemoryChunkStore({ sha256: crypto.sha256, faults });
  contents = new ContentStore(catalog, chunks, crypto);
  index = new FileIndex(catalog);
});

function revise(of: DatasetId, path: string, content: ContentRef, sequence: number): void {
  const change = { path, superseded: [], kind: 'file', content, mtimeNs: 1n, mode: 0o644 } as const;
  index.apply(of, { author, sequence }, { instant: { wallMs: sequence, counter: 0 }, clockQuality: 'ntp' }, [change], 1);
}

async function verify(scope: VerificationScope = {}): Promise<Verification> {
  const run = new Verification(catalog, contents, index, scope);
  while (!(await run.step(100_000)));
  return run;
}

function rot(hash: Uint8Array): void {
  const row = catalog.get<{ pack: number; offset: number; record_bytes: number }>('SELECT * FROM chunk WHERE hash = ?', hash)!;
  chunks.rot({ pack: row.pack, offset: row.offset, recordBytes: row.record_bytes });
}

describe('a verification', () => {
  it('finds nothing wrong with what is whole, and reads shared chunks once', async () => {
    const long = bytesOf(1, 1_000_000);
    await contents.addBytes(long);
    await contents.addBytes(concatBytes(long, bytesOf(2, 1000)));
    const { report } = await verify();
    expect(report).toMatchObject({ contents: 2, damaged: [], unavailable: [] });
    expect(report.goodBytes).toBeLessThan(1_300_000);
    expect(report.goodBytes).toBeGreaterThan(1_000_999);
  });

  it('forgets nothing because a disk cannot be read, and tells whoever mends contents', async () => {
    const content = await contents.addBytes(bytesOf(1, 3_000_000));
    const homes = () => catalog.all('SELECT hash, pack, offset FROM chunk ORDER BY hash');
    const before = homes();
    const told: string[] = [];
    contents.follow({ lost: () => told.push('lost'), unreadable: () => told.push('unreadable'), complete: () => told.push('complete') });
    const refs = await contents.refs(content);
    const readChunk = chunks.read.bind(chunks);
    const failing = new Set(refs.map(({ hash }) => hash.toHex()));
    chunks.read = async (place, hash) => (failing.has(hash.toHex()) ? 'unreadable' : readChunk(place, hash));
    expect((await verify()).report).toMatchObject({ goodBytes: 0, damaged: [], unavailable: [content] });
    expect([homes(), contents.holds(content.root)]).toEqual([before, true]);
    expect(new Set(told)).toEqual(new Set(['unreadable']));
    chunks.read = readChunk;
    expect((await verify()).report).toMatchObject({ damaged: [], unavailable: [] });
  });

  it('names every content that a damaged chunk is part of, with its places and how much is gone', async () => {
    const long = bytesOf(1, 1_000_000);
    const [one, two] = [await contents.addBytes(long), await contents.addBytes(concatBytes(long, bytesOf(2, 1000)))];
    const whole = await contents.addBytes(bytesOf(3));
    revise(dataset, 'a', one, 1);
    revise(otherDataset, 'b', two, 2);
    const [ref] = await contents.refs(one);
    rot(ref!.hash);
    const { damaged } = (await verify()).report;
    expect(damaged).toHaveLength(2);
    const home = { kind: 'pack', pack: expect.any(Number), offset: expect.any(Number) };
    // The home is said once: whoever comes to the chunk later finds it gone.
    expect(damaged.flatMap(({ homes }) => homes)).toEqual([home]);
    expect(damaged).toContainEqual({
      content: one,
      lost: true,
      homes: expect.any(Array),
      places: [{ dataset, path: 'a', head: true }],
      damagedBytes: ref!.lengthBytes,
    });
    expect(damaged).toContainEqual({
      content: two,
      lost: true,
      homes: expect.any(Array),
      places: [{ dataset: otherDataset, path: 'b', head: true }],
      damagedBytes: ref!.lengthBytes,
    });
    expect([one, two, whole].map(({ root }) => contents.holds(root))).toEqual([false, false, true]);
    expect(contents.takeLost()).toHaveLength(2);
  });

  it('names a damaged record whose chunk lies in a working file too, and loses nothing', async () => {
    const tree = new MemoryFileTree({ nowNs: () => 1n, faults });
    contents.attachTree('tree', tree);
    const bytes = bytesOf(5);
    const content = await contents.addBytes(bytes);
    const refs = await contents.refs(content);
    tree.put('copy', bytes);
    for (const [at, { hash, lengthBytes }] of refs.entries()) {
      const offset = refs.slice(0, at).reduce((sum, ref) => sum + ref.lengthBytes, 0);
      catalog.run('INSERT INTO chunk_in_file VALUES (?, ?, ?, ?, ?)', hash, 'tree', 'copy', offset, lengthBytes);
    }
    rot(refs[0]!.hash);
    const [found] = (await verify()).report.damaged;
    expect(found).toMatchObject({ lost: false, damagedBytes: 0, homes: [{ kind: 'pack' }] });
    expect(await contents.bytes(content, bytes.length)).toEqual(bytes);
    expect((await verify()).report.damaged).toEqual([]);
  });

  it('names a content whose manifest is damaged', async () => {
    const content = await contents.addBytes(bytesOf(1));
    rot(content.root);
    expect((await verify()).report.damaged).toEqual([
      { content, lost: true, homes: [{ kind: 'pack', pack: expect.any(Number), offset: expect.any(Number) }], places: [], damagedBytes: 0 },
    ]);
    expect(contents.holds(content.root)).toBe(false);
  });

  it('of one dataset leaves the others alone', async () => {
    const [one, two] = [await contents.addBytes(bytesOf(1)), await contents.addBytes(bytesOf(2))];
    revise(dataset, 'a', one, 1);
    revise(otherDataset, 'b', two, 2);
    rot(one.root);
    rot(two.root);
    const { contents: verified, damaged } = (await verify({ dataset })).report;
    expect(verified).toBe(1);
    expect(damaged.map(({ content }) => content)).toEqual([one]);
    expect(contents.holds(two.root)).toBe(true);
  });

  it('goes on another day behind the last content it finished', async () => {
    for (let seed = 1; seed <= 100; seed++) await contents.addBytes(bytesOf(seed, 100));
    const first = new Verification(catalog, contents, index);
    expect(await first.step(10_000)).toBe(false);
    await first.stop();
    const done = first.report.contents;
    expect(done).toBeGreaterThan(10);
    expect(done).toBeLessThan(90);
    expect((await verify({ after: first.position })).report.contents).toBe(100 - done);
  });

  it('reads everything itself, whatever another one beside it has read', async () => {
    await contents.addBytes(bytesOf(1));
    const beside = new Verification(catalog, contents, index);
    await beside.step(150_000);
    expect((await verify()).report.goodBytes).toBe(200_000);
    while (!(await beside.step(1_000_000)));
    expect(beside.report.goodBytes).toBe(200_000);
  });

  it('calls unavailable, and not lost, what lies on a disk that is not connected', async () => {
    const tree = new MemoryFileTree({ nowNs: () => 1n, faults });
    contents.attachTree('t', tree);
    const stat = tree.put('large', bytesOf(1, 5_000_000));
    const content = await contents.addFile('t', await tree.open('large'), stat);
    expect((await verify()).report).toMatchObject({ goodBytes: 5_000_000, unavailable: [] });
    contents = new ContentStore(catalog, chunks, crypto);
    expect((await verify()).report).toMatchObject({ damaged: [], unavailable: [content] });
    expect(contents.holds(content.root)).toBe(true);
  });

  it('does not take a store that cannot be read at the moment for damage', async () => {
    await contents.addBytes(bytesOf(1));
    chunks.read = () => Promise.reject(new Error('too many open files'));
    await expect(verify()).rejects.toThrow('too many open files');
    expect(contents.takeLost()).toEqual([]);
  });
});
