import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom } from '../../src/core/random.ts';
import { openDiskFileTree } from '../../src/runtime/disk-file-tree.ts';
import { DiskFaults } from '../../src/simulation/disk-faults.ts';
import { MemoryFileTree } from '../../src/simulation/memory-file-tree.ts';
import { fileTreeContract } from './file-tree-suite.ts';

fileTreeContract('a directory on disk', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'godwit-tree-'));
  let tree = openDiskFileTree(directory);
  return {
    get tree() {
      return tree;
    },
    async reopen() {
      tree = openDiskFileTree(directory);
    },
    dispose: () => rm(directory, { recursive: true }),
  };
});

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
