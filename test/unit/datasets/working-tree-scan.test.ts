import { beforeEach, describe, expect, it } from 'vitest';
import { concatBytes, utf8 } from '../../../src/core/bytes.ts';
import { GodwitError } from '../../../src/core/errors.ts';
import { limits } from '../../../src/core/limits.ts';
import { seededRandom } from '../../../src/core/random.ts';
import type { WallMs } from '../../../src/core/time.ts';
import type { Attributes } from '../../../src/datasets/entry-body.ts';
import type { FileStat, FileTree, UnusableEntry } from '../../../src/ports/file-tree.ts';
import { DatasetNode, dataset, memoryDisk, TestClock } from '../../simulation/dataset-node.ts';

let clock: TestClock;
let disk: ReturnType<typeof memoryDisk>;
let node: DatasetNode;

beforeEach(() => {
  clock = new TestClock();
  disk = memoryDisk(clock);
  node = new DatasetNode(1, disk, clock);
});

const put = (path: string, content: string) => disk.tree.put(path, utf8(content));
const paths = (changes: readonly { path: string }[]) => changes.map(({ path }) => path);
const codes = (problems: readonly { path: string; code: string }[]) => problems.map(({ path, code }) => `${path} ${code}`);

/** What a walk of the directory finds beside, or instead of, what is in it. */
function walkFinds(entries: (real: readonly FileStat[]) => readonly (FileStat | UnusableEntry)[]): void {
  const tree: FileTree = disk.tree;
  const walk = tree.walk.bind(tree);
  tree.walk = async function* () {
    const real = await Array.fromAsync(walk());
    yield* entries(real.filter((entry) => entry.kind !== 'unusable'));
  };
}

/** Nothing is read together with other files, so that each is opened. */
function openEach(): void {
  disk.tree.readWhole = async (files) => files.map(() => undefined);
}

describe('a file that is being written', () => {
  it('waits until it is quiet', async () => {
    put('log', 'one');
    const early = await node.scan({ settleMs: 5000 });
    expect([early.published, codes(early.problems)]).toEqual([[], ['log FILE_UNSETTLED']]);
    clock.nowMs += 5000;
    expect(paths((await node.scan({ settleMs: 5000 })).published)).toEqual(['log']);
  });

  it('that never is quiet is published as it stands, again and again, each time after the longest wait', async () => {
    const publishedAt: number[] = [];
    for (let second = 0; second < 300; second++) {
      put('log', 'x'.repeat(second));
      const { published } = await node.scan({ settleMs: 5000, unsettledMsMax: 60_000 });
      if (published.length > 0) publishedAt.push(second);
    }
    // The clock of this test goes on two seconds a turn: one for the scan, one for the revision it makes, if any.
    expect(publishedAt.length).toBeGreaterThanOrEqual(3);
    for (const [at, second] of publishedAt.slice(1).entries()) expect(second - publishedAt[at]!).toBeGreaterThanOrEqual(30);
  });

  it('that went away meanwhile begins to wait anew when it comes back', async () => {
    put('part', 'x');
    await node.scan({ settleMs: 5000, unsettledMsMax: 60_000 });
    await disk.tree.remove('part');
    await node.scan();
    clock.nowMs += 100_000;
    put('part', 'y');
    expect(codes((await node.scan({ settleMs: 5000, unsettledMsMax: 60_000 })).problems)).toEqual(['part FILE_UNSETTLED']);
  });

  it('is not taken for removed while it waits', async () => {
    put('log', 'one');
    await node.scan();
    put('log', 'two');
    expect((await node.scan({ settleMs: 5000 })).published).toEqual([]);
    expect(node.index.heads(dataset, 'log')).toMatchObject([{ kind: 'file' }]);
  });

  it('with a time in the future counts as quiet', async () => {
    disk.tree.put('log', utf8('x'), BigInt(clock.nowMs + 1e9) * 1_000_000n);
    expect(paths((await node.scan({ settleMs: 5000 })).published)).toEqual(['log']);
  });

  it('while it is read is left for the next scan, or taken as far as it was known when it never is quiet', async () => {
    openEach();
    const open = disk.tree.open.bind(disk.tree);
    disk.tree.open = async (path) => {
      const reader = await open(path);
      return {
        ...reader,
        read: async (offset, length) => {
          const bytes = await reader.read(offset, length);
          clock.tick();
          put('log', 'first line\nsecond');
          return bytes;
        },
      };
    };
    put('log', 'first line\n');
    clock.nowMs += 10_000;
    expect(codes((await node.scan()).problems)).toEqual(['log FILE_CHANGED']);
    put('log', 'first line\n');
    await node.scan({ settleMs: 1e6, unsettledMsMax: 10 });
    put('log', 'first line\n');
    expect(paths((await node.scan({ settleMs: 1e6, unsettledMsMax: 10 })).published)).toEqual(['log']);
    disk.tree.open = open;
    const [head] = node.index.heads(dataset, 'log');
    expect(head?.kind === 'file' && head.content.sizeBytes).toBe(11);
    // And what came behind is not forgotten.
    expect(paths((await node.scan()).published)).toEqual(['log']);
  });

  it('that grows shares its chunks with its own past', async () => {
    const past = seededRandom(1).bytes(5 * 1024 * 1024);
    disk.tree.put('log', past);
    await node.scan();
    clock.tick();
    disk.tree.put('log', concatBytes(past, utf8('one row more')));
    await node.scan();
    const [now, before] = node.index.history(dataset, 'log');
    if (now?.kind !== 'file' || before?.kind !== 'file') throw new Error('not files');
    const known = new Set((await node.contents.refs(before.content)).map(({ hash }) => hash.toHex()));
    const fresh = (await node.contents.refs(now.content)).filter(({ hash }) => !known.has(hash.toHex()));
    expect(fresh).toHaveLength(1);
  });
});

describe('a directory that is not what it was', () => {
  beforeEach(async () => {
    for (const path of ['dir/a', 'dir/b/c', 'dir0', 'z']) put(path, path);
    await node.scan();
  });

  it('when it is empty is taken for a disk that is not there, unless that is meant', async () => {
    for (const path of ['dir/a', 'dir/b/c', 'dir0', 'z']) await disk.tree.remove(path);
    await expect(node.scan()).rejects.toMatchObject({ code: 'TREE_EMPTIED' });
    expect(node.index.heads(dataset, 'z')).toMatchObject([{ kind: 'file' }]);
    expect(paths((await node.scan({ allowEmptied: true })).published)).toEqual(['dir/a', 'dir/b/c', 'dir0', 'z']);
    expect((await node.scan()).published).toEqual([]);
  });

  it('when a directory cannot be read keeps everything below it, and says so', async () => {
    walkFinds((real) => [
      { path: 'dir', kind: 'unusable', code: 'UNREADABLE', message: 'cannot be read' },
      ...real.filter(({ path }) => path === 'dir0'),
    ]);
    const { published, problems } = await node.scan();
    expect(published).toMatchObject([{ path: 'z', kind: 'removal' }]);
    expect(codes(problems)).toEqual(['dir UNREADABLE']);
  });

  it('when a file cannot be read keeps it', async () => {
    walkFinds((real) =>
      real.map((stat) => (stat.path === 'z' ? { path: 'z', kind: 'unusable', code: 'UNREADABLE', message: 'cannot be read' } : stat)),
    );
    expect((await node.scan()).published).toEqual([]);
  });

  it('when reading fails goes on with the other files and keeps the one', async () => {
    clock.tick();
    put('dir/a', 'edited');
    put('z', 'edited');
    openEach();
    const open = disk.tree.open.bind(disk.tree);
    disk.tree.open = async (path) => {
      const reader = await open(path);
      if (path !== 'dir/a') return reader;
      const read = async () => {
        throw new GodwitError('STORAGE_FAILED', 'a sector cannot be read', { retryable: true });
      };
      return { ...reader, read };
    };
    const { published, problems } = await node.scan();
    disk.tree.open = open;
    expect([paths(published), codes(problems)]).toEqual([['z'], ['dir/a STORAGE_FAILED']]);
    expect(paths((await node.scan()).published)).toEqual(['dir/a']);
  });

  it('when our own disk is full stops, and publishes everything later', async () => {
    clock.tick();
    put('z', 'edited');
    disk.faults.freeBytes = 10;
    await expect(node.scan()).rejects.toMatchObject({ code: 'DISK_FULL' });
    disk.faults.freeBytes = Number.POSITIVE_INFINITY;
    expect(paths((await node.scan()).published)).toEqual(['z']);
  });
});

describe('reading everything again', () => {
  it('finds a change that left size and times as they were', async () => {
    put('a', 'one');
    put('b', 'two');
    await node.scan();
    disk.tree.rot('a');
    expect((await node.scan()).published).toEqual([]);
    expect(paths((await node.scan({ rehash: true })).published)).toEqual(['a']);
    expect((await node.scan({ rehash: true })).published).toEqual([]);
  });

  it('is not published when only the inode is new', async () => {
    const { mtimeNs, mode } = put('a', 'one');
    await node.scan();
    await disk.tree.write('a', [utf8('one')].values() as never, { mtimeNs, mode });
    expect((await node.scan()).published).toEqual([]);
    await disk.tree.remove('a');
    expect((await node.scan({ allowEmptied: true })).published).toMatchObject([{ kind: 'removal' }]);
  });
});

describe('metadata', () => {
  it('is taken with a changed file, and kept by later edits that bring none', async () => {
    put('a', 'one');
    await node.scan({ attributes: () => ({ mime: 'text/csv', station: 'camp' }) });
    clock.tick();
    put('a', 'two');
    expect((await node.scan()).published).toMatchObject([{ attributes: { mime: 'text/csv', station: 'camp' } }]);
    clock.tick();
    put('a', 'three');
    expect((await node.scan({ attributes: () => ({ mime: 'x' }) })).published).toMatchObject([{ attributes: { mime: 'x' } }]);
  });

  it.each<[string, unknown]>([
    ['a number that is none', { a: Number.NaN }],
    ['a list', { a: [1] }],
    ['more than an entry holds', Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`${i}`, 'x'.repeat(60_000)]))],
  ])('that no entry can carry leaves its file out, and no other: %s', async (_, attributes) => {
    put('a', 'one');
    put('b', 'two');
    const { published, problems } = await node.scan({ attributes: (path) => (path === 'a' ? (attributes as Attributes) : undefined) });
    expect([paths(published), codes(problems)]).toEqual([['b'], ['a ATTRIBUTES_UNSUPPORTED']]);
  });
});

describe('a scan that finds much', () => {
  const batchSizes = async () => {
    const sizes: number[] = [];
    for await (const batches of node.tree.scan(clock.tick(), { settleMs: 0 }, [])) {
      for (const batch of batches) {
        node.publish(batch.changes, (dot) => batch.recorded(dot));
        sizes.push(batch.changes.length);
      }
    }
    return sizes;
  };

  it('makes several entries of it, and several of what is gone', async () => {
    const many = Array.from({ length: limits.changesPerRevisionMax + 1 }, (_, i) => `f${String(i).padStart(4, '0')}`);
    for (const path of many) put(path, '');
    put('last', 'x');
    expect(await batchSizes()).toEqual([limits.changesPerRevisionMax, 2]);
    for (const path of many) await disk.tree.remove(path);
    expect(await batchSizes()).toEqual([limits.changesPerRevisionMax, 1]);
    expect(await batchSizes()).toEqual([]);
  });

  it('makes entries that are small enough for their bytes, however long the paths', async () => {
    const long = 'x'.repeat(250);
    const many = Array.from({ length: 400 }, (_, i) => `${Array(14).fill(long).join('/')}/${i}`);
    for (const path of many) put(path, '');
    put('last', 'x');
    const sizes = await batchSizes();
    expect(sizes.length).toBeGreaterThan(1);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(401);
    for (const path of many) await disk.tree.remove(path);
    expect((await batchSizes()).length).toBeGreaterThan(1);
  });

  it('marks thousands of files as seen', async () => {
    for (let n = 0; n < 4200; n++) put(`f${n}`, '');
    await batchSizes();
    expect(await batchSizes()).toEqual([]);
  });
});

describe('names that no dataset path may have', () => {
  it('are left out with a reason', async () => {
    put('good', 'x');
    walkFinds((real) => [
      ...real,
      { ...(real[0] as FileStat), path: 'back\\slash' },
      { ...(real[0] as FileStat), path: 'x'.repeat(limits.pathBytesMax + 1) },
    ]);
    const { published, problems } = await node.scan();
    expect(paths(published)).toEqual(['good']);
    expect(problems.map(({ code }) => code)).toEqual(['NAME_UNSUPPORTED', 'NAME_UNSUPPORTED']);
  });
});

describe('a scan without a consumer that records', () => {
  it('finds the same again', async () => {
    put('a', 'one');
    for await (const batches of node.tree.scan(clock.nowMs as WallMs, { settleMs: 0 }, []))
      expect(batches.map(({ changes }) => paths(changes))).toEqual([['a']]);
    expect(paths((await node.scan()).published)).toEqual(['a']);
  });
});

describe('what a scan costs', () => {
  it('is one append for many small files, whose contents are all durable before the first entry', async () => {
    for (let n = 0; n < 600; n++) put(`f${n}`, `${n}`);
    const { chunks } = disk;
    const append = chunks.append.bind(chunks);
    const appended: number[] = [];
    chunks.append = async (records) => {
      appended.push(records.length);
      return append(records);
    };
    const roots: boolean[] = [];
    for await (const batches of node.tree.scan(clock.tick(), { settleMs: 0 }, [])) {
      for (const batch of batches) {
        for (const change of batch.changes) roots.push(change.kind === 'file' && node.contents.holds(change.content.root));
        node.publish(batch.changes, (dot) => batch.recorded(dot));
      }
    }
    expect(appended).toEqual([600]);
    expect(roots).toEqual(Array(600).fill(true));
  });

  it('is bounded memory: what is read before it is stored is about 8 MiB', async () => {
    for (let n = 0; n < 7; n++) disk.tree.put(`f${n}`, seededRandom(n).bytes(3_000_000));
    const { chunks } = disk;
    const append = chunks.append.bind(chunks);
    const appendedBytes: number[] = [];
    chunks.append = async (records) => {
      appendedBytes.push(records.reduce((sum, { bytes }) => sum + bytes.length, 0));
      return append(records);
    };
    expect((await node.scan()).published).toHaveLength(7);
    expect(appendedBytes.length).toBeGreaterThanOrEqual(4);
    expect(Math.max(...appendedBytes)).toBeLessThan(8.5 * 1024 * 1024);
  });

  it('is no write and no query of a single file when nothing has changed', async () => {
    for (let n = 0; n < 3000; n++) put(`f${n}`, '');
    await node.scan();
    const asked: string[] = [];
    const { catalog } = disk;
    const [run, get, all] = [catalog.run.bind(catalog), catalog.get.bind(catalog), catalog.all.bind(catalog)];
    catalog.run = (sql, ...parameters) => {
      asked.push(sql);
      return run(sql, ...parameters);
    };
    catalog.get = <Row>(sql: string, ...parameters: Parameters<typeof get> extends [string, ...infer P] ? P : never) => {
      asked.push(sql);
      return get<Row>(sql, ...parameters);
    };
    catalog.all = <Row>(sql: string, ...parameters: Parameters<typeof all> extends [string, ...infer P] ? P : never) => {
      asked.push(sql);
      return all<Row>(sql, ...parameters);
    };
    for await (const batches of node.tree.scan(clock.tick(), { settleMs: 0 }, [])) expect(batches).toEqual([]);
    expect(asked.length).toBeLessThan(12);
    expect(asked.filter((sql) => !sql.startsWith('SELECT'))).toEqual([]);
  });
});
