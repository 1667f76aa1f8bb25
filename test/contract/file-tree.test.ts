import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import { openDiskFileTree } from '../../src/runtime/disk-file-tree.ts';
import { workInline } from '../../src/runtime/disk-work.ts';
import { WorkerPool } from '../../src/runtime/worker-pool.ts';
import { DiskFaults } from '../../src/simulation/disk-faults.ts';
import { MemoryFileTree } from '../../src/simulation/memory-file-tree.ts';
import { fileTreeContract } from './file-tree-suite.ts';

const pool = new WorkerPool(2);
afterAll(() => pool.close());

for (const [who, work] of [
  ['this thread', workInline],
  ['other threads', pool],
] as const) {
  fileTreeContract(`a directory on disk, looked at by ${who}`, async () => {
    const directory = await mkdtemp(join(tmpdir(), 'godwit-tree-'));
    let tree = openDiskFileTree(directory, work);
    return {
      get tree() {
        return tree;
      },
      async reopen() {
        tree = openDiskFileTree(directory, work);
      },
      dispose: () => rm(directory, { recursive: true }),
    };
  });
}

fileTreeContract('memory', async () => {
  let now = 1_700_000_000_000_000_000n;
  let tree = new MemoryFileTree({ nowNs: () => now++, faults: new DiskFaults(seededRandom(1)) });
  return {
    get tree() {
      return tree;
    },
    async reopen() {
      tree = tree.reopen();
    },
    async dispose() {},
  };
});
