import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { GarbageCollection } from '../../src/datasets/garbage-collection.ts';
import { author, dataset, openKeeper, quotaBytes, versionBytes } from './collection-writer.ts';
import { runUntilKilled } from './crash-child.ts';

const writer = new URL('./collection-writer.ts', import.meta.url);

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'godwit-collection-'));
});
afterEach(() => rm(directory, { recursive: true }));

it('a collection on a real disk that is killed again and again loses nothing that is needed, and the next one finishes it', async () => {
  let published = 0;
  for (let round = 0; round < 8; round++) {
    const said = await runUntilKilled(writer, [directory], 3 + ((round * 7) % 23));
    published = Math.max(published, ...said.map(Number));
    const { catalog, chunks, contents, index, retention } = await openKeeper(directory);
    try {
      const [head] = index.heads(dataset, 'p');
      expect(head?.sequence).toBeGreaterThanOrEqual(published);
      const newest = head?.sequence ?? 0;
      const needed = [newest, ...Array.from({ length: Math.floor(newest / 10) }, (_, at) => (at + 1) * 10)];
      for (const number of needed) {
        const revision = index.revision(dataset, 'p', { author, sequence: number });
        if (revision?.kind !== 'file') throw new Error(`version ${number} is gone`);
        expect(await contents.bytes(revision.content, 1_000_000), `version ${number}`).toEqual(versionBytes(number));
      }
      if (round < 7) continue;
      const collection = new GarbageCollection({ catalog, chunks, contents, retention }, quotaBytes);
      while (!(await collection.step(1_000_000)));
      expect(collection.report.damagedRecords).toBe(0);
      const packed = (await chunks.packs()).reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
      const neededBytes = [...new Set(needed)].reduce((sum, number) => sum + versionBytes(number).length, 0);
      // Packs of which less than half is needed are written anew, so at most twice what is needed is there.
      expect(packed).toBeLessThan(2 * (neededBytes + quotaBytes) + 100_000);
    } finally {
      await chunks.close();
      catalog.close();
    }
  }
  expect(published).toBeGreaterThan(40);
});
