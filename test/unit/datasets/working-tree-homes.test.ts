import { beforeEach, describe, expect, it } from 'vitest';
import { concatBytes, equalBytes } from '../../../src/core/bytes.ts';
import { seededRandom } from '../../../src/core/random.ts';
import type { FileChange } from '../../../src/datasets/entry-body.ts';
import { DatasetNode, dataset, memoryDisk, TestClock } from '../../simulation/dataset-node.ts';

/** Two contents that are too large to be copied into packs. */
const one = seededRandom(1).bytes(5 * 1024 * 1024);
const two = seededRandom(2).bytes(5 * 1024 * 1024);

let clock: TestClock;
let disks: [ReturnType<typeof memoryDisk>, ReturnType<typeof memoryDisk>];
let here: DatasetNode;
let there: DatasetNode;

beforeEach(() => {
  clock = new TestClock();
  disks = [memoryDisk(clock), memoryDisk(clock)];
  here = new DatasetNode(1, disks[0], clock);
  there = new DatasetNode(2, disks[1], clock);
});

function put(which: 0 | 1, path: string, bytes: Uint8Array): void {
  clock.tick();
  disks[which].tree.put(path, bytes);
}

async function get(path: string): Promise<Uint8Array> {
  const reader = await disks[0].tree.open(path);
  return reader.read(0, (await reader.stat()).sizeBytes);
}

const packedBytes = async () => (await disks[0].chunks.packs()).reduce((sum, pack) => sum + pack.lengthBytes, 0);

/** Every head of the dataset can be read, or is known to be missing and wanted. */
async function expectHonest(): Promise<void> {
  for (const path of here.index.paths(dataset, '', 1000)) {
    for (const head of here.index.heads(dataset, path)) {
      if (head.kind !== 'file') continue;
      if (!here.contents.holds(head.content.root)) {
        expect(here.wants.wants(head.content.root)).toBe(true);
        continue;
      }
      let bytes = 0;
      for await (const chunk of here.contents.stream(head.content)) bytes += chunk.length;
      expect(bytes).toBe(head.content.sizeBytes);
    }
  }
}

describe('large files that lie where they are', () => {
  it('move with their name, without being copied into packs', async () => {
    put(0, 'a', one);
    await here.scan();
    await there.sync(here);
    await disks[1].tree.rename('a', 'b');
    await there.scan();
    here.receiveEntries(there);
    // Even when the removal comes first.
    expect(await here.tree.materialise('a')).toBe('written');
    expect(equalBytes(await get('b'), one)).toBe(true);
    expect(await disks[0].tree.stat('a')).toBeUndefined();
    expect(await packedBytes()).toBeLessThan(100_000);
    expect((await here.scan()).published).toEqual([]);
    await expectHonest();
  });

  it('change places without losing either', async () => {
    put(0, 'a', one);
    put(0, 'b', two);
    await here.scan();
    await there.sync(here);
    await disks[1].tree.rename('a', 'c');
    await disks[1].tree.rename('b', 'a');
    await disks[1].tree.rename('c', 'b');
    await there.scan();
    await here.sync(there);
    await here.materialise();
    expect([equalBytes(await get('a'), two), equalBytes(await get('b'), one)]).toEqual([true, true]);
    expect((await here.scan()).published).toEqual([]);
    await expectHonest();
  });

  it('survive that both sides of a conflict are kept, although one takes the other’s place', async () => {
    put(0, 'a', one);
    put(1, 'a', two);
    await here.scan();
    await there.scan();
    here.receiveEntries(there);
    await here.receiveContents(there);
    const heads = here.index.heads(dataset, 'a');
    const [ours, theirs] = [heads.find(({ author }) => author === here.id)!, heads.find(({ author }) => author === there.id)!];
    const superseded = heads.map(({ author, sequence }) => ({ author, sequence }));
    here.publish([
      { ...theirs, path: 'a', superseded },
      { ...ours, path: 'a.conflict', superseded: [] },
    ] as FileChange[]);
    expect(await here.tree.materialise('a')).toBe('written');
    expect(await here.tree.materialise('a.conflict')).toBe('unchanged');
    expect([equalBytes(await get('a'), two), equalBytes(await get('a.conflict'), one)]).toEqual([true, true]);
    await expectHonest();
  });

  it('give what another path still needs to the packs when that path cannot be written', async () => {
    put(0, 'a', one);
    await here.scan();
    const [head] = here.index.heads(dataset, 'a');
    if (head?.kind !== 'file') throw new Error('not a file');
    here.publish([
      { path: 'b', superseded: [], kind: 'file', content: head.content, mtimeNs: 1n, mode: 0o644 },
      { path: 'a', superseded: [{ author: here.id, sequence: 1 }], kind: 'removal' },
    ]);
    // A directory stands in the way of `b`.
    put(0, 'b/in the way', one.slice(0, 10));
    expect(await here.tree.materialise('a')).toBe('written');
    await disks[0].tree.remove('b/in the way');
    expect(await here.tree.materialise('b')).toBe('written');
    expect(equalBytes(await get('b'), one)).toBe(true);
  });

  it('that are edited by hand while a remote edit waits are wanted again as far as they are gone', async () => {
    put(0, 'a', one);
    await here.scan();
    await there.sync(here);
    put(1, 'a', concatBytes(one, two.slice(0, 1000)));
    await there.scan();
    here.receiveEntries(there);
    await here.receiveContents(there);
    // Most of the remote version lies in the local file, which somebody rewrites now.
    put(0, 'a', two);
    await here.scan();
    expect(here.heads('a')).toHaveLength(2);
    await expectHonest();
    const theirs = here.index.heads(dataset, 'a').find(({ author }) => author === there.id);
    if (theirs?.kind !== 'file') throw new Error('not a file');
    expect(here.contents.holds(theirs.content.root)).toBe(false);
    await here.receiveContents(there);
    expect(here.contents.holds(theirs.content.root)).toBe(true);
    expect(here.wants.outstanding(dataset).contents).toBe(0);
  });

  it('that are renamed by hand keep their content', async () => {
    put(0, 'a', one);
    await here.scan();
    await disks[0].tree.rename('a', 'b');
    expect((await here.scan()).published.map(({ path, kind }) => `${path} ${kind}`)).toEqual(['b file', 'a removal']);
    expect(here.wants.outstanding(dataset).contents).toBe(0);
    await expectHonest();
  });

  it('leave the old file where it is when there is no room for the new one', async () => {
    put(0, 'a', one);
    await here.scan();
    await there.sync(here);
    put(1, 'a', concatBytes(one, two.slice(0, 1000)));
    await there.scan();
    here.receiveEntries(there);
    await here.receiveContents(there);
    disks[0].faults.freeBytes = 1_000_000;
    await expect(here.tree.materialise('a')).rejects.toMatchObject({ code: 'DISK_FULL' });
    expect(equalBytes(await get('a'), one)).toBe(true);
    disks[0].faults.freeBytes = 10_000_000;
    expect(await here.tree.materialise('a')).toBe('written');
    await expectHonest();
  });

  it('wait for a version that has not arrived', async () => {
    put(1, 'a', one);
    await there.scan();
    here.receiveEntries(there);
    expect(await here.tree.materialise('a')).toBe('incomplete');
    expect(await here.tree.materialise('never heard of')).toBe('unchanged');
  });
});
