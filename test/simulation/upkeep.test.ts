import { describe, expect, it } from 'vitest';
import type { Hash } from '../../src/core/identifiers.ts';
import { seededRandom } from '../../src/core/random.ts';
import { GarbageCollection } from '../../src/datasets/garbage-collection.ts';
import { Retention } from '../../src/datasets/retention.ts';
import { Verification } from '../../src/datasets/verification.ts';
import type { Catalog } from '../../src/ports/catalog.ts';
import { openSqliteCatalog } from '../../src/runtime/sqlite-catalog.ts';
import type { MemoryChunkStore } from '../../src/simulation/memory-chunk-store.ts';
import type { MemoryFileTree } from '../../src/simulation/memory-file-tree.ts';
import { DatasetNode, dataset, memoryDisk, TestClock } from './dataset-node.ts';
import { PowerCut, PowerPlan } from './power-plan.ts';

/** A node with its disk, whose power can fail, and what keeps its storage in order. */
class Keeper {
  readonly plan = new PowerPlan();
  node: DatasetNode;
  tree: MemoryFileTree;
  chunks: MemoryChunkStore;
  retention: Retention;
  readonly raw: Catalog = openSqliteCatalog(':memory:');
  readonly faults;
  readonly #number: number;
  readonly #clock = new TestClock();

  constructor(number: number) {
    this.#number = number;
    const disk = memoryDisk(this.#clock);
    this.faults = disk.faults;
    this.plan.watch(disk.faults);
    [this.tree, this.chunks] = [disk.tree, disk.chunks];
    [this.node, this.retention] = this.#open();
  }

  /** Publishes one file. */
  async publish(path: string, bytes: Uint8Array): Promise<void> {
    this.#clock.tick();
    this.tree.put(path, bytes);
    await this.node.scan();
  }

  collection(quotaBytes: number): GarbageCollection {
    const { chunks, node, retention } = this;
    return new GarbageCollection({ catalog: this.#catalog(), chunks, contents: node.contents, retention }, quotaBytes);
  }

  /** Runs a collection to its end, in many steps. */
  async collect(quotaBytes = 0, between?: (step: number) => Promise<void>): Promise<GarbageCollection> {
    const collection = this.collection(quotaBytes);
    for (let step = 0; !(await collection.step(4000)); step++) await between?.(step);
    return collection;
  }

  verification(): Verification {
    return new Verification(this.raw, this.node.contents, this.node.index);
  }

  async powerCut(): Promise<void> {
    this.plan.arm();
    this.chunks.powerCut();
    // A process that dies takes its temporary tables along.
    for (const table of ['collection_mark', 'collection_candidate']) this.raw.run(`DROP TABLE IF EXISTS ${table}`);
    [this.chunks, this.tree] = [this.chunks.reopen(), this.tree.reopen()];
    [this.node, this.retention] = this.#open();
    await this.node.contents.recover();
    this.node.wantLost();
  }

  async packedBytes(): Promise<number> {
    return (await this.chunks.packs()).reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
  }

  /** Contents by path, newest first: whether each is complete, and if so that it reads to its last byte. */
  async held(path: string): Promise<boolean[]> {
    const held: boolean[] = [];
    for (const revision of this.node.index.history(dataset, path)) {
      if (revision.kind !== 'file') continue;
      const { content } = revision;
      held.push(this.node.contents.holds(content.root));
      if (held.at(-1)) expect(await this.node.contents.bytes(content, content.sizeBytes)).toHaveLength(content.sizeBytes);
    }
    return held;
  }

  /** Damages the stored record of a chunk of the head of a path. */
  async rot(path: string, index: number): Promise<void> {
    const [head] = this.node.index.heads(dataset, path);
    if (head?.kind !== 'file') throw new Error('this path has no content');
    const ref = (await this.node.contents.refs(head.content))[index];
    const row = this.raw.get<{ pack: number; offset: number; record_bytes: number }>('SELECT * FROM chunk WHERE hash = ?', ref!.hash);
    this.chunks.rot({ pack: row!.pack, offset: row!.offset, recordBytes: row!.record_bytes });
  }

  #catalog(): Catalog {
    return this.plan.catalog(this.raw);
  }

  #open(): [DatasetNode, Retention] {
    const catalog = this.#catalog();
    const node = new DatasetNode(this.#number, { catalog, chunks: this.chunks, tree: this.tree }, this.#clock);
    return [node, new Retention(catalog, node.index, (root) => node.contents.holds(root), node.journal)];
  }
}

const version = (number: number, bytes = 300_000): Uint8Array => seededRandom(number).bytes(bytes);

/** A node with a path of four versions, a path that stays, and one that is gone. */
async function grown(): Promise<Keeper> {
  const keeper = new Keeper(1);
  await keeper.publish('stays', version(10, 100_000));
  await keeper.publish('gone', version(11));
  for (const each of [1, 2, 3, 4]) await keeper.publish('grows', version(each));
  await keeper.tree.remove('gone');
  await keeper.node.scan();
  return keeper;
}

describe('a collection', () => {
  it('cut off at any write or sync loses nothing that is needed, and the next one finishes it', async () => {
    const plain = await grown();
    const before = await plain.packedBytes();
    plain.plan.arm();
    await plain.collect(310_000);
    const { steps } = plain.plan;
    expect(await plain.held('grows')).toEqual([true, true, false, false]);
    expect(await plain.held('stays')).toEqual([true]);
    expect(await plain.held('gone')).toEqual([false]);
    const after = await plain.packedBytes();
    expect(before).toBeGreaterThan(1_500_000);
    expect(after).toBeLessThan(750_000);
    expect(steps).toBeGreaterThan(10);

    for (let cutAt = 1; cutAt <= steps; cutAt++) {
      const keeper = await grown();
      keeper.plan.arm(cutAt);
      await expect(keeper.collect(310_000)).rejects.toThrow(PowerCut);
      await keeper.powerCut();
      const [newest, second] = await keeper.held('grows');
      expect([newest, second], `cut at step ${cutAt}`).toEqual([true, true]);
      expect(await keeper.held('stays')).toEqual([true]);
      await keeper.collect(310_000);
      expect(await keeper.held('grows')).toEqual([true, true, false, false]);
      expect(await keeper.held('stays')).toEqual([true]);
      expect(await keeper.packedBytes(), `cut at step ${cutAt}`).toBe(after);
    }
  });

  it('takes nothing that is published, received or taken up again while it runs', async () => {
    const keeper = await grown();
    const sender = new Keeper(2);
    await sender.publish('received', version(20));
    await sender.publish('again', version(1));
    await keeper.collect(0, async (step) => {
      // A version that is being dropped comes back under another name, by a publication and from a peer.
      if (step === 1) await keeper.publish('back', version(2));
      if (step === 2) await keeper.node.sync(sender.node);
      if (step < 5) await keeper.publish(`new ${step}`, version(100 + step, 20_000));
    });
    for (const path of keeper.node.index.paths(dataset, '', 1000)) {
      const [head] = keeper.node.index.heads(dataset, path);
      if (head?.kind === 'file') expect((await keeper.held(path))[0], path).toBe(true);
    }
    expect((await keeper.held('received')).length + (await keeper.held('again')).length).toBe(2);
  });

  it('leaves a transfer what it has stored', async () => {
    const keeper = new Keeper(1);
    const sender = new Keeper(2);
    await sender.publish('p', version(1, 20 * 1024 * 1024));
    keeper.node.receiveEntries(sender.node);
    // The link fails while the second group is journalled.
    const { addGroup } = keeper.node.journal;
    const received: Hash[] = [];
    keeper.node.journal.addGroup = function counting(root, group, hashes) {
      addGroup.call(this, root, group, hashes);
      received.push(...hashes);
      if (group === 1) throw new Error('the link is gone');
    };
    await expect(keeper.node.receiveContents(sender.node)).rejects.toThrow('the link is gone');
    await keeper.powerCut();
    // The transaction of the second group was undone with the link, the first one's chunks are journalled.
    const [root] = keeper.node.journal.roots();
    const stored = keeper.node.journal.hashes(root!);
    expect(stored.length).toBeGreaterThan(0);
    expect(stored.length).toBeLessThan(received.length);
    const before = await keeper.packedBytes();
    await keeper.collect();
    expect(stored.every((hash) => keeper.node.contents.has(hash))).toBe(true);
    expect(await keeper.packedBytes()).toBeLessThanOrEqual(before);
    await keeper.node.receiveContents(sender.node);
    expect(await keeper.held('p')).toEqual([true]);
  });
});

describe('damage', () => {
  it('is found by verification, never served, and healed from a peer', async () => {
    const keeper = new Keeper(1);
    await keeper.publish('a', version(1));
    await keeper.publish('b', version(2));
    const peer = new Keeper(2);
    await peer.node.sync(keeper.node);
    await keeper.rot('a', 3);
    const verification = keeper.verification();
    while (!(await verification.step(50_000)));
    const [head] = keeper.node.index.heads(dataset, 'a');
    if (head?.kind !== 'file') throw new Error('this path has no content');
    const { damaged, contents } = verification.report;
    expect(contents).toBe(2);
    expect(damaged).toMatchObject([
      { content: head.content, lost: true, homes: [{ kind: 'pack' }], places: [{ dataset, path: 'a', head: true }] },
    ]);
    expect(damaged[0]!.damagedBytes).toBeGreaterThan(0);
    expect(keeper.node.contents.holds(head.content.root)).toBe(false);
    await expect(Array.fromAsync(keeper.node.contents.stream(head.content))).rejects.toMatchObject({ code: 'CONTENT_DAMAGED' });

    keeper.node.wantLost();
    expect(keeper.node.wants.wants(head.content.root)).toBe(true);
    await keeper.node.receiveContents(peer.node);
    expect(await keeper.node.contents.bytes(head.content, 1e9)).toEqual(version(1));
    const again = keeper.verification();
    while (!(await again.step(1_000_000)));
    expect(again.report.damaged).toEqual([]);
    expect(keeper.node.wants.outstanding().contents).toBe(0);
  });
});
