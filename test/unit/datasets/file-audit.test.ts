import { beforeEach, describe, expect, it } from 'vitest';
import { GodwitError } from '../../../src/core/errors.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { FileAudit } from '../../../src/datasets/file-audit.ts';
import type { FileTree } from '../../../src/ports/file-tree.ts';
import { nodeCrypto as crypto } from '../../../src/runtime/node-crypto.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';
import type { MemoryFileTree } from '../../../src/simulation/memory-file-tree.ts';
import { DatasetNode, dataset, memoryDisk, TestClock } from '../../simulation/dataset-node.ts';

const catalog = () => openSqliteCatalog(':memory:');
const bytesOf = (seed: number, length = 300_000) => seededRandom(seed).bytes(length);

let clock: TestClock;
let store: ReturnType<typeof catalog>;
let tree: MemoryFileTree;
let node: DatasetNode;

beforeEach(async () => {
  clock = new TestClock();
  store = catalog();
  const disk = memoryDisk(clock);
  tree = disk.tree;
  node = new DatasetNode(1, { catalog: store, chunks: disk.chunks, tree }, clock);
  for (const [path, seed] of [
    ['a', 1],
    ['b', 2],
    ['c', 3],
  ] as const) {
    clock.tick();
    tree.put(path, bytesOf(seed));
  }
  await node.scan();
});

async function audit(paths?: Iterable<string>, on: FileTree = tree): Promise<FileAudit['report']> {
  const run = new FileAudit({ catalog: store, crypto, contents: node.contents, dataset, tree: on }, paths);
  while (!(await run.step(50_000)));
  return run.report;
}

describe('an audit of a working directory', () => {
  it('finds nothing wrong with files that are as they were', async () => {
    expect(await audit()).toEqual({ files: 3, goodBytes: 900_000, damaged: [] });
    expect(await audit(['b', 'unknown'])).toMatchObject({ files: 1 });
  });

  it('names files whose bytes changed by themselves, once, and leaves edited ones to the scan', async () => {
    tree.rot('b');
    clock.tick();
    tree.put('c', bytesOf(4));
    const { files, damaged } = await audit();
    expect(files).toBe(2);
    expect(damaged).toEqual([{ path: 'b', offset: expect.any(Number), damagedBytes: expect.any(Number) }]);
    expect(damaged[0]!.damagedBytes).toBeLessThan(300_000);
    expect((await audit()).damaged).toEqual([]);
    expect(await node.tree.materialise('b')).toBe('written');
    expect(await (await tree.open('b')).read(0, 300_000)).toEqual(bytesOf(2));
    expect((await node.scan()).published.map(({ path }) => path)).toEqual(['c']);
  });

  it('takes a stretch that cannot be read for damaged, and passes over what went away', async () => {
    const failing = Object.create(tree) as FileTree;
    failing.stat = (path) => tree.stat(path);
    failing.open = async (path) => {
      if (path === 'c') throw new GodwitError('FILE_MISSING', 'gone');
      const reader = await tree.open(path);
      return {
        stat: () => reader.stat(),
        close: () => reader.close(),
        read: async (offset, length) => {
          if (path === 'a' && offset === 0) throw new GodwitError('STORAGE_FAILED', 'bad sector');
          return reader.read(offset, length);
        },
      };
    };
    const { files, damaged } = await audit(undefined, failing);
    expect(files).toBe(2);
    expect(damaged).toMatchObject([{ path: 'a', offset: 0 }]);
  });

  it('leaves a file alone whose manifest is damaged: its content comes first', async () => {
    const [head] = node.index.heads(dataset, 'a');
    if (head?.kind !== 'file') throw new Error('no file');
    store.run('DELETE FROM chunk WHERE hash = ?', head.content.root);
    tree.rot('a');
    expect(await audit(['a'])).toMatchObject({ files: 0, damaged: [] });
  });
});
