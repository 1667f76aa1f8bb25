import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import { openDiskFileTree } from '../../src/runtime/disk-file-tree.ts';
import { runUntilKilled } from './crash-child.ts';

const writer = new URL('./file-tree-writer.ts', import.meta.url);

it('a process that is killed while it replaces a file leaves one whole version, at least the last it spoke of, and no litter', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'godwit-crash-'));
  const random = seededRandom(7);
  let version = 0;
  for (let round = 0; round < 5; round++) {
    const said = await runUntilKilled(writer, [directory, String(version)], 1 + random.below(20));
    const paths = (await Array.fromAsync(openDiskFileTree(directory).walk())).map(({ path }) => path);
    expect(paths).toEqual(['site/data.bin']);
    expect(await readdir(join(directory, 'site'))).toEqual(['data.bin']);
    const bytes = await readFile(join(directory, 'site', 'data.bin'));
    version = bytes.length - 300_000;
    expect(version).toBeGreaterThanOrEqual(Number(said.at(-1)));
    expect(bytes.every((byte) => byte === version % 256)).toBe(true);
  }
  await rm(directory, { recursive: true });
});
