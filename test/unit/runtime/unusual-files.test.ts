import { mkdtemp, open, realpath, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fromHex } from '../../../src/core/bytes.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { ContentStore } from '../../../src/datasets/content-store.ts';
import type { FileStat } from '../../../src/ports/file-tree.ts';
import { openDiskFileTree } from '../../../src/runtime/disk-file-tree.ts';
import { nodeCrypto } from '../../../src/runtime/node-crypto.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';
import { DiskFaults } from '../../../src/simulation/disk-faults.ts';
import { MemoryChunkStore } from '../../../src/simulation/memory-chunk-store.ts';

const mebibyte = 1024 * 1024;
let directory: string;
let store: ContentStore;

beforeEach(async () => {
  directory = await realpath(await mkdtemp(join(tmpdir(), 'godwit-files-')));
  const chunks = new MemoryChunkStore({ sha256: nodeCrypto.sha256, faults: new DiskFaults(seededRandom(1)) });
  store = new ContentStore(openSqliteCatalog(':memory:'), chunks, nodeCrypto);
});
afterEach(() => rm(directory, { recursive: true }));

async function published(name: string) {
  const tree = openDiskFileTree(directory);
  store.attachTree('t', tree);
  const reader = await tree.open(name);
  try {
    return await store.addFile('t', reader, (await tree.stat(name)) as FileStat);
  } finally {
    await reader.close();
  }
}

describe('a file on disk', () => {
  it('with holes has the content of one that is full of zeros', async () => {
    await writeFile(join(directory, 'sparse'), '');
    await truncate(join(directory, 'sparse'), 9 * mebibyte);
    await writeFile(join(directory, 'dense'), new Uint8Array(9 * mebibyte));
    expect(await published('sparse')).toEqual(await published('dense'));
  });

  it('that is empty has the name of nothing, at every path the same', async () => {
    await writeFile(join(directory, 'empty'), '');
    const root = fromHex('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    expect(await published('empty')).toEqual({ root, sizeBytes: 0, depth: 0 });
    expect(store.takeBytes('other', new Uint8Array(0))).toMatchObject({
      content: { root, sizeBytes: 0, depth: 0 },
      records: [],
    });
  });

  it('beyond 2^32 bytes is sized and read where it ends', async () => {
    const sizeBytes = 2 ** 32 + 1000;
    const handle = await open(join(directory, 'huge'), 'w');
    await handle.write('the end', sizeBytes - 7);
    await handle.close();
    const tree = openDiskFileTree(directory);
    expect(await Array.fromAsync(tree.walk())).toMatchObject([{ path: 'huge', sizeBytes }]);
    const reader = await tree.open('huge');
    expect(new TextDecoder().decode(await reader.read(sizeBytes - 7, 100))).toBe('the end');
    expect(await reader.read(sizeBytes, 100)).toHaveLength(0);
    await reader.close();
  });
});
