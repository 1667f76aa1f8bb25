import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDiskFileTree } from '../../../src/runtime/disk-file-tree.ts';
import { DatasetNode, memoryDisk, TestClock } from '../../simulation/dataset-node.ts';
import { workingTreeSuite } from './working-tree-suite.ts';

workingTreeSuite('a simulated directory', async (clock) => {
  const disk = memoryDisk(clock);
  return {
    disk,
    async put(path, bytes) {
      disk.tree.put(path, bytes);
    },
    remove: (path) => disk.tree.remove(path),
    async get(path) {
      const stat = await disk.tree.stat(path);
      return stat && (await disk.tree.open(path)).read(0, stat.sizeBytes);
    },
    dispose: async () => {},
  };
});

/** A directory on this machine's disk, with everything else of the node in memory. */
async function diskSubject(clock: TestClock) {
  const directory = await mkdtemp(join(tmpdir(), 'godwit-working-tree-'));
  const disk = { ...memoryDisk(clock), tree: openDiskFileTree(directory) };
  return {
    directory,
    disk,
    async put(path: string, bytes: Uint8Array) {
      await mkdir(dirname(join(directory, path)), { recursive: true });
      await writeFile(join(directory, path), bytes);
      await utimes(join(directory, path), clock.nowMs / 1000, clock.nowMs / 1000);
    },
    remove: (path: string) => rm(join(directory, path)),
    get: (path: string) => readFile(join(directory, path)).catch(() => undefined),
    dispose: () => rm(directory, { recursive: true }),
  };
}

workingTreeSuite('a real directory', diskSubject);

describe('a working tree on a real directory', () => {
  it('publishes a change of mode, and brings it to the others', async () => {
    const clock = new TestClock();
    const [here, there] = [await diskSubject(clock), await diskSubject(clock)];
    const [node, other] = [new DatasetNode(1, here.disk, clock), new DatasetNode(2, there.disk, clock)];
    await here.put('script', Uint8Array.of(1));
    await node.scan();
    await other.sync(node);
    await chmod(join(here.directory, 'script'), 0o755);
    expect((await node.scan()).published).toMatchObject([{ path: 'script', mode: 0o755 }]);
    expect(await other.sync(node)).toEqual({ script: 'written' });
    expect((await there.disk.tree.stat('script'))?.mode).toBe(0o755);
    expect((await other.scan()).published).toEqual([]);
    await Promise.all([here.dispose(), there.dispose()]);
  });

  it('names what no dataset can hold, and publishes its neighbours', async () => {
    const clock = new TestClock();
    const here = await diskSubject(clock);
    const node = new DatasetNode(1, here.disk, clock);
    await here.put('good', Uint8Array.of(1));
    await here.put('back\\slash', Uint8Array.of(1));
    execFileSync('mkfifo', [join(here.directory, 'pipe')]);
    const { published, problems } = await node.scan();
    await here.dispose();
    expect(published.map(({ path }) => path)).toEqual(['good']);
    expect(problems.map(({ path, code }) => `${path} ${code}`)).toEqual(['back\\slash NAME_UNSUPPORTED', 'pipe SPECIAL_FILE']);
  });
});
