import { beforeEach, describe, expect, it } from 'vitest';
import { concatBytes, equalBytes } from '../../../src/core/bytes.ts';
import { GodwitError } from '../../../src/core/errors.ts';
import type { Hash } from '../../../src/core/identifiers.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { ContentStore } from '../../../src/datasets/content-store.ts';
import type { ContentRef } from '../../../src/datasets/manifest.ts';
import type { Catalog } from '../../../src/ports/catalog.ts';
import type { PackPlace } from '../../../src/ports/chunk-store.ts';
import type { FileReader, FileStat } from '../../../src/ports/file-tree.ts';
import { nodeCrypto as crypto } from '../../../src/runtime/node-crypto.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';
import { cutSegment } from '../../../src/runtime/work-handler.ts';
import { DiskFaults } from '../../../src/simulation/disk-faults.ts';
import { MemoryChunkStore } from '../../../src/simulation/memory-chunk-store.ts';
import { MemoryFileTree } from '../../../src/simulation/memory-file-tree.ts';

const mebibyte = 1024 * 1024;
/** Larger than what is copied into packs. */
const large = seededRandom(1).bytes(5 * mebibyte);
const small = seededRandom(2).bytes(300_000);

let faults: DiskFaults;
let catalog: Catalog;
let chunks: MemoryChunkStore;
let tree: MemoryFileTree;
let store: ContentStore;
let nowNs: bigint;

beforeEach(() => {
  faults = new DiskFaults(seededRandom(3));
  catalog = openSqliteCatalog(':memory:');
  chunks = new MemoryChunkStore({ sha256: crypto.sha256, faults });
  nowNs = 1n;
  tree = new MemoryFileTree({ nowNs: () => nowNs++, faults });
  store = new ContentStore(catalog, chunks, crypto);
  store.attachTree('t', tree);
});

/** The store as the next process finds it. */
async function reopened(): Promise<ContentStore> {
  await chunks.close();
  chunks = chunks.reopen();
  store = new ContentStore(catalog, chunks, crypto);
  await store.recover();
  store.attachTree('t', tree);
  return store;
}

async function addFile(path: string, bytes: Uint8Array, options = {}): Promise<ContentRef> {
  const stat = tree.put(path, bytes);
  const reader = await tree.open(path);
  return store.addFile('t', reader, stat, options);
}

async function bytesOf(content: ContentRef): Promise<Uint8Array> {
  return concatBytes(...(await Array.fromAsync(store.stream(content))));
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'none',
    (error: unknown) => (error instanceof GodwitError ? error.code : String(error)),
  );
}

const packedBytes = async () => (await chunks.packs()).reduce((sum, pack) => sum + pack.lengthBytes, 0);
const places = () =>
  catalog.all<{ hash: Hash; pack: number; offset: number; record_bytes: number }>('SELECT * FROM chunk').map((row) => ({
    hash: row.hash,
    place: { pack: row.pack, offset: row.offset, recordBytes: row.record_bytes } satisfies PackPlace,
  }));

describe('content that is stored', () => {
  it.each([
    ['nothing', new Uint8Array(0)],
    ['one byte', Uint8Array.of(7)],
    ['many chunks', small],
  ])('comes back byte for byte after a restart: %s', async (_, bytes) => {
    const content = await store.addBytes(bytes);
    await reopened();
    expect(store.holds(content.root)).toBe(true);
    expect(store.content(content.root)).toEqual(content);
    expect(await store.bytes(content, bytes.length)).toEqual(bytes);
  });

  it('may be larger than what is appended at a time', async () => {
    const huge = concatBytes(
      large,
      large.map((byte) => byte ^ 1),
    );
    const content = await store.addBytes(huge);
    await reopened();
    expect(equalBytes((await store.bytes(content, huge.length))!, huge)).toBe(true);
  });

  it('is not handed out over the size that was asked for, nor when it is not here', async () => {
    const content = await store.addBytes(small);
    expect(await store.bytes(content, small.length - 1)).toBeUndefined();
    expect(await store.bytes({ ...content, root: new Uint8Array(32) as Hash }, 1e9)).toBeUndefined();
  });

  it('takes room for equal chunks once, in one content and in several', async () => {
    const repeating = concatBytes(...Array.from({ length: 20 }, () => new Uint8Array(256 * 1024)));
    await store.addBytes(repeating);
    expect(await packedBytes()).toBeLessThan(400_000);
    const before = await packedBytes();
    await store.addBytes(small);
    const once = (await packedBytes()) - before;
    await store.addBytes(small);
    expect((await packedBytes()) - before).toBe(once);
  });

  it('takes another cut of the same bytes for another content', async () => {
    const content = await store.addBytes(small);
    const [ref] = await store.refs(content);
    expect(store.has(ref!.hash)).toBe(true);
    expect(store.has(crypto.sha256(small) as Hash)).toBe(false);
    expect(await store.read(new Uint8Array(32) as Hash)).toBeUndefined();
  });

  it('is not complete before its last chunk is named', async () => {
    const content = await store.addBytes(small);
    const refs = await store.refs(content);
    const other = new ContentStore(openSqliteCatalog(':memory:'), new MemoryChunkStore({ sha256: crypto.sha256, faults }), crypto);
    for (const { hash } of refs.slice(1)) await other.put([{ hash, bytes: (await store.read(hash))! }]);
    expect(other.complete(content, refs)).toBe(false);
    expect(other.holds(content.root)).toBe(false);
    await other.put([{ hash: refs[0]!.hash, bytes: (await store.read(refs[0]!.hash))! }]);
    expect(other.complete(content, refs)).toBe(true);
    expect(other.holds(content.root)).toBe(true);
  });

  it('stops the program rather than be completed with chunks of something else', async () => {
    const content = await store.addBytes(small);
    expect(() => store.complete({ ...content, sizeBytes: 1 }, [])).toThrow('not all of it');
  });

  it('is not there when the disk was full, and can be stored later', async () => {
    faults.freeBytes = 100_000;
    expect(await codeOf(store.addBytes(small))).toBe('DISK_FULL');
    expect(places()).toEqual([]);
    faults.freeBytes = Number.POSITIVE_INFINITY;
    expect(equalBytes(await bytesOf(await store.addBytes(small)), small)).toBe(true);
  });
});

describe('content that is lent', () => {
  const lent = async (content: ContentRef): Promise<Uint8Array> => {
    const pieces: Uint8Array[] = [];
    for await (const piece of store.lend(content)) pieces.push(piece.slice());
    return concatBytes(...pieces);
  };

  it('is what it is otherwise, from packs, from working files and from both', async () => {
    const copied = await store.addBytes(large);
    expect(equalBytes(await lent(copied), large)).toBe(true);
    const edited = large.slice();
    edited.fill(5, 2 * mebibyte, 3 * mebibyte);
    expect(equalBytes(await lent(await addFile('large', edited)), edited)).toBe(true);
    expect(equalBytes(await lent(await addFile('other', seededRandom(9).bytes(6 * mebibyte))), seededRandom(9).bytes(6 * mebibyte))).toBe(
      true,
    );
    expect(await lent(await store.addBytes(new Uint8Array(0)))).toHaveLength(0);
  });

  it('is lost when a part of it is', async () => {
    const content = await addFile('large', large);
    tree.put('large', large.with(3 * mebibyte, 1 ^ large[3 * mebibyte]!));
    expect(await codeOf(lent(content))).toBe('CONTENT_DAMAGED');
    expect(store.holds(content.root)).toBe(false);
  });
});

describe('a large file that other processors cut', () => {
  const cutter = {
    segmentsAtOnce: 2,
    cut: async (bytes: Uint8Array<ArrayBuffer>, averageBytes: number) => cutSegment(bytes, averageBytes),
  };
  const huge = concatBytes(large, large.slice(7), new Uint8Array(3 * mebibyte), large.slice(100), large);

  it('is what it is when this thread cuts it', async () => {
    const inline = await addFile('inline', huge);
    store = new ContentStore(catalog, chunks, crypto, cutter);
    store.attachTree('t', tree);
    expect(await addFile('threads', huge)).toEqual(inline);
    await tree.remove('inline');
    expect(equalBytes(await bytesOf(inline), huge)).toBe(true);
  });

  it('is refused when it ends before its size, or a thread does', async () => {
    const stat = tree.put('f', huge);
    tree.put('f', huge.slice(0, 9 * mebibyte));
    store = new ContentStore(catalog, chunks, crypto, cutter);
    expect(await codeOf(store.addFile('t', await tree.open('f'), stat))).toBe('FILE_CHANGED');
    const cut = () => Promise.reject(new GodwitError('STORAGE_FAILED', 'the thread ended', { retryable: true }));
    store = new ContentStore(catalog, chunks, crypto, { segmentsAtOnce: 2, cut });
    expect(await codeOf(store.addFile('t', await tree.open('f'), tree.put('f', huge)))).toBe('STORAGE_FAILED');
  });
});

describe('a working file', () => {
  it('stays where it is when it is large, and is read from there', async () => {
    const content = await addFile('big', large);
    expect(await packedBytes()).toBeLessThan(20_000);
    expect(equalBytes(await bytesOf(content), large)).toBe(true);
    expect(store.contentsIn('t', 'big')).toEqual([content]);
  });

  it('is copied when it is small, so that its past can still be read', async () => {
    const content = await addFile('small', small);
    await tree.remove('small');
    expect(equalBytes(await bytesOf(content), small)).toBe(true);
    expect(store.contentsIn('t', 'small')).toEqual([]);
  });

  it.each([
    ['shorter', (stat: FileStat) => tree.put('f', large.slice(0, 1000)).mtimeNs > stat.mtimeNs],
    ['rewritten', () => tree.put('f', large.toReversed()) !== undefined],
    ['longer', () => tree.put('f', concatBytes(large, small)) !== undefined],
    ['replaced', async () => (await tree.write('f', [large].values() as never, {})) !== undefined],
  ])('is refused when it becomes %s while it is read', async (_, change) => {
    const stat = tree.put('f', large);
    const reader = await tree.open('f');
    let reads = 0;
    const changing: FileReader = {
      ...reader,
      async read(offset, length) {
        if (++reads === 3) await change(stat);
        return reader.read(offset, length);
      },
      stat: async () => (await tree.stat('f'))!,
    };
    expect(await codeOf(store.addFile('t', changing, stat))).toBe('FILE_CHANGED');
    expect(store.contentsIn('t', 'f')).toEqual([]);
  });

  it('that grows all the time is taken as far as it was known', async () => {
    const stat = tree.put('log', large);
    const reader = await tree.open('log');
    tree.put('log', concatBytes(large, small));
    const content = await store.addFile('t', reader, stat, { changing: true });
    expect(content.sizeBytes).toBe(large.length);
    expect(equalBytes(await bytesOf(content), large)).toBe(true);
  });

  it('that changed without a word is found out by hash: its content is lost, told once, and not served', async () => {
    const content = await addFile('big', large);
    tree.rot('big');
    expect(await codeOf(bytesOf(content))).toBe('CONTENT_DAMAGED');
    expect(store.holds(content.root)).toBe(false);
    expect(store.takeLost()).toEqual([content]);
    expect(store.takeLost()).toEqual([]);
  });

  it('that is gone is no home any more', async () => {
    const content = await addFile('big', large);
    await tree.remove('big');
    expect(await codeOf(bytesOf(content))).toBe('CONTENT_DAMAGED');
    expect(store.takeLost()).toEqual([content]);
  });

  it('on a disk that is not there at the moment is still a home', async () => {
    const content = await addFile('big', large);
    faults.readErrorRatio = 1;
    // Manifest nodes are in packs, which this disk holds as well: only the file is out of reach.
    const reachable = new MemoryChunkStore({ sha256: crypto.sha256, faults: new DiskFaults(seededRandom(9)) });
    chunks.read = (place, hash) => Promise.resolve(undefined).then(() => nodes.get(hash.toHex()) ?? reachable.read(place, hash));
    expect(await codeOf(bytesOf(content))).toBe('CONTENT_UNAVAILABLE');
    expect(store.holds(content.root)).toBe(true);
    faults.readErrorRatio = 0;
    expect(equalBytes(await bytesOf(content), large)).toBe(true);
  });
  /** Manifest nodes, as the pack would give them. */
  const nodes = new Map<string, Uint8Array>();
  beforeEach(() => {
    const append = chunks.append.bind(chunks);
    chunks.append = (records) => {
      for (const { hash, bytes } of records) nodes.set(hash.toHex(), bytes);
      return append(records);
    };
  });

  it('of a directory that is not attached is still a home', async () => {
    const content = await addFile('big', large);
    const unattached = new ContentStore(catalog, chunks, crypto);
    expect(await codeOf(Array.fromAsync(unattached.stream(content)))).toBe('CONTENT_UNAVAILABLE');
    expect(unattached.holds(content.root)).toBe(true);
  });
});

describe('a working file that is replaced', () => {
  it('leaves the old content in doubt until it is looked through, and then lost', async () => {
    const old = await addFile('big', large);
    const edited = large.slice();
    edited.fill(9, 2_000_000, 2_100_000);
    const now = await addFile('big', edited);
    expect([store.holds(old.root), store.takeLost()]).toEqual([false, []]);
    await store.recheck();
    expect(store.takeLost()).toEqual([old]);
    expect(equalBytes(await bytesOf(now), edited)).toBe(true);
  });

  it('leaves the old content complete where all its chunks have another home', async () => {
    const old = await addFile('big', large);
    tree.put('copy', large);
    expect(await addFile('copy', large)).toEqual(old);
    await addFile('big', seededRandom(5).bytes(5 * mebibyte));
    await store.recheck();
    expect(store.takeLost()).toEqual([]);
    expect(equalBytes(await bytesOf(old), large)).toBe(true);
    expect(store.contentsIn('t', 'copy')).toEqual([old]);
  });

  it('by itself, touched, keeps its content', async () => {
    const content = await addFile('big', large);
    expect(await addFile('big', large)).toEqual(content);
    await store.recheck();
    expect(store.takeLost()).toEqual([]);
    expect(equalBytes(await bytesOf(content), large)).toBe(true);
  });

  it('by a small one loses its old content', async () => {
    const old = await addFile('f', large);
    await addFile('f', small);
    await store.recheck();
    expect(store.takeLost()).toEqual([old]);
  });

  it('is in doubt over a power cut, and looked through on opening', async () => {
    const old = await addFile('big', large);
    store.forgetFile('t', 'big');
    await reopened();
    expect(store.takeLost()).toEqual([old]);
  });

  it('first gives what others need of it to the packs, without what stays', async () => {
    const old = await addFile('big', large);
    const edited = large.slice();
    edited.fill(9, 2_000_000, 2_100_000);
    const later = await store.addBytes(edited);
    const before = await packedBytes();
    // Of the old content, only the chunks around the edit are not in packs by now.
    await store.saveFromFile('t', 'big', old, []);
    expect((await packedBytes()) - before).toBeLessThan(1_000_000);
    expect((await packedBytes()) - before).toBeGreaterThan(50_000);
    store.replaceFile('t', 'big', later, await store.refs(later));
    await store.recheck();
    expect(equalBytes(await bytesOf(old), large)).toBe(true);
  });

  it('does not copy what the new file holds or another file', async () => {
    const old = await addFile('big', large);
    await store.saveFromFile('t', 'big', old, await store.refs(old));
    expect(await packedBytes()).toBeLessThan(20_000);
    await addFile('other', large);
    await store.saveFromFile('t', 'big', old, []);
    expect(await packedBytes()).toBeLessThan(20_000);
  });

  it('copies more than is appended at a time', async () => {
    // Four pieces, each turned round, so that no two chunks are equal.
    const huge = concatBytes(
      large,
      large.map((byte) => byte ^ 1),
      large.map((byte) => byte ^ 2),
      large.map((byte) => byte ^ 4),
    );
    const content = await addFile('huge', huge);
    await store.saveFromFile('t', 'huge', content, []);
    await tree.remove('huge');
    expect(equalBytes((await store.bytes(content, huge.length))!, huge)).toBe(true);
  });
});

describe('damage in a pack', () => {
  it.each([
    ['a chunk', (hash: Hash, content: ContentRef) => hash.toHex() !== content.root.toHex()],
    ['a manifest node', (hash: Hash, content: ContentRef) => hash.toHex() === content.root.toHex()],
  ])('to %s makes the content lost, and what is fetched again heals it', async (_, isTarget) => {
    const content = await store.addBytes(small);
    const { place } = places().find(({ hash }) => isTarget(hash, content))!;
    chunks.rot(place);
    expect(await codeOf(bytesOf(content))).toMatch(/^(CONTENT_DAMAGED|MANIFEST_NODE_MISSING)$/);
    expect(store.holds(content.root)).toBe(false);
    expect(store.takeLost()).toEqual([content]);
    expect(await store.addBytes(small)).toEqual(content);
    expect(equalBytes(await bytesOf(content), small)).toBe(true);
  });

  it('is noticed by those who read chunk by chunk', async () => {
    const content = await store.addBytes(small);
    const refs = await store.refs(content);
    store.loseIfDamaged(content, refs);
    expect(store.holds(content.root)).toBe(true);
    const { hash, place } = places().find((each) => each.hash.toHex() === refs[0]!.hash.toHex())!;
    chunks.rot(place);
    expect(await store.read(hash)).toBeUndefined();
    store.loseIfDamaged(content, refs);
    expect(store.takeLost()).toEqual([content]);
  });

  it('is not what a reference with another size makes of a good content', async () => {
    const one = await store.addBytes(Uint8Array.of(1, 2, 3));
    const many = await store.addBytes(small);
    for (const forged of [
      { ...one, sizeBytes: 2 },
      { ...many, sizeBytes: small.length + 1 },
      { ...many, depth: 2 },
    ]) {
      expect(await codeOf(bytesOf(forged))).toMatch(/CONTENT_DAMAGED|MANIFEST_/);
    }
    expect(store.takeLost()).toEqual([]);
    expect(equalBytes(await bytesOf(many), small)).toBe(true);
  });
});

describe('opening after a power cut', () => {
  it('cuts off what the catalog does not name, and keeps what it names', async () => {
    const content = await store.addBytes(small);
    const before = await packedBytes();
    await chunks.append([{ hash: crypto.sha256(large.slice(0, 1000)) as Hash, bytes: large.slice(0, 1000) }]);
    await reopened();
    expect(await packedBytes()).toBe(before);
    expect(equalBytes(await bytesOf(content), small)).toBe(true);
  });

  it('never uses a place twice in a pack that lost its end', async () => {
    const content = await store.addBytes(small);
    const last = places().toSorted((x, y) => y.place.offset - x.place.offset)[0]!;
    await chunks.truncateAfter(last.place.pack, last.place.offset);
    await reopened();
    await store.addBytes(seededRandom(8).bytes(500_000));
    const used = places().map(({ place }) => `${place.pack}/${place.offset}`);
    expect(new Set(used).size).toBe(used.length);
    await codeOf(bytesOf(content));
    expect(store.takeLost()).toEqual([content]);
  });

  it('never uses the number of a pack that is gone', async () => {
    await store.addBytes(small);
    const pack = (await chunks.packs())[0]!.pack;
    await chunks.remove(pack);
    await reopened();
    await store.addBytes(large.slice(0, 100_000));
    expect((await chunks.packs()).map((each) => each.pack)).not.toContain(pack);
  });

  it('empties a pack of which nothing is named', async () => {
    await chunks.append([{ hash: crypto.sha256(small) as Hash, bytes: small }]);
    await reopened();
    expect(await packedBytes()).toBe(8);
  });
});

describe('chunk lengths', () => {
  it('are kept when a file grows, however large it becomes', async () => {
    // 257 MiB of zeros would be cut into longer chunks than 255 MiB are.
    const reader = (sizeBytes: number): { stat: FileStat; reader: FileReader } => {
      const stat: FileStat = { path: 'grows', kind: 'file', sizeBytes, mtimeNs: 1n, ctimeNs: 1n, inode: 1n, mode: 0o644 };
      const random = seededRandom(4).bytes(mebibyte);
      const read = async (offset: number, length: number) => {
        const bytes = random.slice(0, length);
        new DataView(bytes.buffer).setUint32(0, offset);
        return bytes;
      };
      return { stat, reader: { read, stat: async () => stat, close: async () => {} } };
    };
    const add = (sizeBytes: number, previous?: ContentRef) => {
      const { stat, reader: from } = reader(sizeBytes);
      return store.addFile('t', from, stat, previous === undefined ? {} : { previous });
    };
    const before = await add(255 * mebibyte);
    const hashes = new Set((await store.refs(before)).map(({ hash }) => hash.toHex()));
    const grown = await add(257 * mebibyte, before);
    const shared = (await store.refs(grown)).filter(({ hash }) => hashes.has(hash.toHex())).length;
    expect(shared).toBeGreaterThan(hashes.size * 0.9);
  });
});

describe('a file that was just hashed', () => {
  /** Counts what is hashed from now on. */
  function hashing(): { hashes: number } {
    const count = { hashes: 0 };
    const sha256 = (bytes: Uint8Array) => {
      count.hashes++;
      return crypto.sha256(bytes);
    };
    const counting = { ...crypto, sha256 };
    store = new ContentStore(catalog, chunks, counting);
    store.attachTree('t', tree);
    return count;
  }

  /** Reads all of its chunks for somebody who knows the hashes; true when that is what was published. */
  async function isRead(content: ContentRef, bytes = large): Promise<boolean | undefined> {
    const refs = await store.refs(content);
    const read = await store.readAll(
      refs.map(({ hash }) => hash),
      undefined,
      'just-hashed',
    );
    return read && equalBytes(concatBytes(...read), bytes);
  }

  it('is read once without being hashed, and held against its hashes after that', async () => {
    const count = hashing();
    const content = await addFile('a', large);
    const chunksOf = (await store.refs(content)).length;
    count.hashes = 0;
    expect(await isRead(content)).toBe(true);
    const manifest = count.hashes;
    expect(manifest).toBeLessThan(chunksOf / 4);
    expect(await isRead(content)).toBe(true);
    expect(count.hashes).toBeGreaterThanOrEqual(manifest + chunksOf);
  });

  it('is held against its hashes by whoever trusts nothing', async () => {
    const count = hashing();
    const content = await addFile('a', large);
    const hashes = (await store.refs(content)).map(({ hash }) => hash);
    count.hashes = 0;
    await store.readAll(hashes);
    expect(count.hashes).toBe(hashes.length);
  });

  it('is held against its hashes as soon as anything says that it is another one', async () => {
    hashing();
    const content = await addFile('a', large);
    tree.put('a', seededRandom(9).bytes(large.length));
    expect(await isRead(content)).toBeUndefined();
  });

  it('shows at the second reading what changed without a trace', async () => {
    hashing();
    const content = await addFile('a', large);
    tree.rot('a');
    expect(await isRead(content)).toBe(false);
    expect(await isRead(content)).toBeUndefined();
  });

  it('is hashed again in a process that has not hashed it', async () => {
    const content = await addFile('a', large);
    await reopened();
    tree.rot('a');
    expect(await isRead(content)).toBeUndefined();
  });
});
