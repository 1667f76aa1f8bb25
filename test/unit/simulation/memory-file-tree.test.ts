import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/core/random.ts';
import { DiskFaults } from '../../../src/simulation/disk-faults.ts';
import { MemoryFileTree } from '../../../src/simulation/memory-file-tree.ts';
import { inPieces } from '../../contract/file-tree-suite.ts';

const text = (value: string) => new TextEncoder().encode(value);

function simulatedTree() {
  const faults = new DiskFaults(seededRandom(1));
  const clock = { now: 1000n };
  const tree = new MemoryFileTree({ nowNs: () => clock.now, faults });
  return { clock, faults, tree, write: (path: string, content: string) => tree.write(path, inPieces(text(content)), {}) };
}

async function textOf(tree: MemoryFileTree, path: string): Promise<string> {
  return new TextDecoder().decode(await (await tree.open(path)).read(0, 1000));
}

/** Every microtask that is due, and those that follow from it, have run. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('a power cut in a simulated tree', () => {
  it('leaves the old file where a write has not settled, and says nothing more', async () => {
    const { faults, tree, write } = simulatedTree();
    await write('a', 'old');
    faults.settle = () => new Promise(() => {});
    let answers = 0;
    const count = () => {
      answers++;
    };
    write('a', 'new').then(count, count);
    await settled();
    tree.powerCut();
    tree.stat('a').then(count, count);
    await settled();
    expect(answers).toBe(0);
    expect(await textOf(tree.reopen(), 'a')).toBe('old');
  });

  it('undoes a write that settles only afterwards', async () => {
    const { faults, tree, write } = simulatedTree();
    let settle = () => {};
    faults.settle = () =>
      new Promise((resolve) => {
        settle = resolve;
      });
    void write('a', 'new');
    await settled();
    tree.powerCut();
    settle();
    await settled();
    const found = tree.reopen();
    expect(await found.stat('a')).toBeUndefined();
  });

  it('leaves new inode numbers to the next process', async () => {
    const { tree, write } = simulatedTree();
    const { inode } = await write('a', 'x');
    tree.powerCut();
    const next = await tree.reopen().write('b', inPieces(text('x')), {});
    expect(next.inode).toBeGreaterThan(inode);
  });
});

describe('a simulated disk that is full', () => {
  it('leaves the old file, and recovers when something is removed', async () => {
    const { faults, write, tree } = simulatedTree();
    faults.freeBytes = 100;
    await write('a', 'x'.repeat(60));
    await write('b', 'x'.repeat(30));
    await expect(write('a', 'y'.repeat(20))).rejects.toMatchObject({ code: 'DISK_FULL', retryable: true });
    expect(await textOf(tree, 'a')).toBe('x'.repeat(60));
    expect(faults.freeBytes).toBe(10);
    await tree.remove('b');
    await write('a', 'y'.repeat(20));
    expect(faults.freeBytes).toBe(80);
    await tree.link('l', 'target');
    await tree.rename('a', 'l');
    expect(faults.freeBytes).toBe(80);
  });
});

describe('a simulated person', () => {
  it('saves in place: the inode stays, the times change, and an open reader sees it', async () => {
    const { clock, tree } = simulatedTree();
    const first = tree.put('d/a', text('old'));
    const reader = await tree.open('d/a');
    clock.now = 2000n;
    const second = tree.put('d/a', text('newer'));
    expect(second).toEqual({ ...first, sizeBytes: 5, mtimeNs: 2000n, ctimeNs: 2000n });
    expect(await reader.read(0, 10)).toEqual(text('newer'));
    expect(await tree.stat('d/a')).toEqual(second);
  });

  it('may set a file’s time, and fills the disk like anyone', () => {
    const { faults, tree } = simulatedTree();
    faults.freeBytes = 10;
    expect(tree.put('a', text('123456'), 5n)).toMatchObject({ mtimeNs: 5n, ctimeNs: 1000n });
    expect(() => tree.put('b', text('12345'))).toThrow(expect.objectContaining({ code: 'DISK_FULL' }));
    tree.put('a', text('1'));
    expect(faults.freeBytes).toBe(9);
  });

  it('may take the name of a file that is still coming in', async () => {
    const { faults, tree } = simulatedTree();
    faults.freeBytes = 100;
    const content = (async function* () {
      yield text('ten bytes.');
      tree.put('a/b', text('theirs'));
    })();
    await expect(tree.write('a', content, {})).rejects.toMatchObject({ code: 'PATH_OCCUPIED' });
    expect(faults.freeBytes).toBe(94);
    expect(await textOf(tree, 'a/b')).toBe('theirs');
  });

  it('replaces a link by a file', async () => {
    const { tree } = simulatedTree();
    await tree.link('a', 'x');
    expect(tree.put('a', text('file'))).toMatchObject({ kind: 'file', sizeBytes: 4 });
  });
});

describe('a simulated disk that decays', () => {
  it('changes one bit of a file and none of what is said of it', async () => {
    const { tree, write } = simulatedTree();
    const stat = await write('a', 'content');
    tree.rot('a');
    expect(await tree.stat('a')).toEqual(stat);
    const bytes = await (await tree.open('a')).read(0, 100);
    const changedBits = bytes.reduce((sum, byte, i) => sum + ((byte ^ text('content')[i]!).toString(2).match(/1/g)?.length ?? 0), 0);
    expect(changedBits).toBe(1);
    expect(() => tree.rot('b')).toThrow('no content');
  });

  it('fails reads, and the caller may try again', async () => {
    const { faults, tree, write } = simulatedTree();
    await write('a', 'content');
    faults.readErrorRatio = 1;
    await expect(textOf(tree, 'a')).rejects.toMatchObject({ code: 'STORAGE_FAILED', retryable: true });
    faults.readErrorRatio = 0;
    expect(await textOf(tree, 'a')).toBe('content');
  });
});
