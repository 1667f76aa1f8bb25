import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { utf8 } from '../../src/core/bytes.ts';
import { seededRandom } from '../../src/core/random.ts';
import { decodeEntryBody } from '../../src/datasets/entry-body.ts';
import { dotText, FileIndex } from '../../src/datasets/file-index.ts';
import type { Dot } from '../../src/datasets/log-entry.ts';
import type { Catalog } from '../../src/ports/catalog.ts';
import { nodeCrypto } from '../../src/runtime/node-crypto.ts';
import { openSqliteCatalog } from '../../src/runtime/sqlite-catalog.ts';
import type { MemoryFileTree } from '../../src/simulation/memory-file-tree.ts';
import { DatasetNode, dataset, memoryDisk, TestClock } from './dataset-node.ts';
import { PowerCut, PowerPlan } from './power-plan.ts';

/**
 * Every write and every sync of a publication and of a reception is once the last thing that happens. What the next process finds must be consistent in itself, must hold everything that was
 * acknowledged, and must reach the same end as if nothing had happened, with no revision too many.
 */

/** A little more than what is copied into packs. */
const large = seededRandom(1).bytes(4_250_000);
const medium = seededRandom(2).bytes(400_000);
const editedLarge = edited(large, 2_000_000);
const editedMedium = edited(medium, 200_000);

function edited(bytes: Uint8Array, at: number): Uint8Array {
  const changed = bytes.slice();
  changed.fill(0, at, at + 100);
  return changed;
}

/** A node whose power can fail, and who comes back. */
class CrashingNode {
  readonly plan = new PowerPlan();
  node: DatasetNode;
  tree: MemoryFileTree;
  #disk: ReturnType<typeof memoryDisk>;
  readonly #number: number;
  readonly #clock: TestClock;
  readonly #reopenCatalog: (catalog: Catalog) => Catalog;

  constructor(number: number, clock: TestClock, catalog: Catalog, reopenCatalog: (catalog: Catalog) => Catalog) {
    this.#number = number;
    this.#clock = clock;
    this.#reopenCatalog = reopenCatalog;
    this.#disk = { ...memoryDisk(clock), catalog };
    this.plan.watch(this.#disk.faults);
    this.tree = this.#disk.tree;
    this.node = this.#open();
  }

  /** Does `work` until the power fails in it, at step `cutAt`; true when it did. What is there afterwards is what the next process finds. */
  async runUntil(cutAt: number, work: (node: DatasetNode) => Promise<unknown>): Promise<boolean> {
    this.plan.arm(cutAt);
    let failed = false;
    try {
      await work(this.node);
    } catch (error) {
      if (!(error instanceof PowerCut)) throw error;
      failed = true;
    }
    this.plan.arm();
    this.#disk.chunks.powerCut();
    this.#disk = {
      ...this.#disk,
      catalog: this.#reopenCatalog(this.#disk.catalog),
      chunks: this.#disk.chunks.reopen(),
      tree: this.#disk.tree.reopen(),
    };
    this.tree = this.#disk.tree;
    this.node = this.#open();
    await this.node.contents.recover();
    this.node.wantLost();
    return failed;
  }

  close(): void {
    this.#disk.catalog.close();
  }

  #open(): DatasetNode {
    const { tree } = this.#disk;
    const [remove, link] = [tree.remove.bind(tree), tree.link.bind(tree)];
    tree.remove = async (path) => {
      this.plan.step();
      await remove(path);
    };
    tree.link = async (path, target) => {
      this.plan.step();
      return link(path, target);
    };
    return new DatasetNode(this.#number, { ...this.#disk, catalog: this.plan.catalog(this.#disk.catalog) }, this.#clock);
  }
}

/** The files of a directory, as one text each. */
async function filesOf(tree: MemoryFileTree): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for await (const stat of tree.walk()) {
    const bytes = stat.kind === 'file' ? await (await tree.open(stat.path)).read(0, stat.sizeBytes) : utf8(stat.target ?? '');
    files[stat.path] = `${stat.kind} ${stat.kind === 'file' ? stat.mtimeNs : ''} ${stat.mode} ${nodeCrypto.sha256(bytes).toHex()}`;
  }
  return files;
}

/** What must hold whenever a node has been opened. `unread` are roots of contents in working files that somebody changed since they were read. */
async function expectConsistent(node: DatasetNode, unread: ReadonlySet<string> = new Set()): Promise<void> {
  const replayed = new FileIndex(openSqliteCatalog(':memory:'));
  for (const [author, length] of node.logs.lengths(dataset)) {
    const entries = node.logs.read(dataset, author, 1, length, Number.MAX_SAFE_INTEGER);
    expect(entries).toHaveLength(length);
    for (const entry of entries) {
      const body = decodeEntryBody(entry.body, author);
      if (!body.ok || body.value.kind !== 'files') throw new Error('an entry that was written cannot be read');
      replayed.apply(dataset, entry, body.value, body.value.changes, 0);
    }
  }
  const paths = node.index.paths(dataset, '', 1000);
  expect(paths).toEqual(replayed.paths(dataset, '', 1000));
  for (const path of paths) {
    expect(node.heads(path)).toEqual(replayed.heads(dataset, path).map(dotText));
    for (const revision of node.index.history(dataset, path)) {
      if (revision.kind !== 'file') continue;
      const { content } = revision;
      if (unread.has(content.root.toHex())) continue;
      if (node.contents.holds(content.root)) {
        // What the catalog calls complete is readable, to the last byte.
        let bytes = 0;
        for await (const chunk of node.contents.stream(content)) bytes += chunk.length;
        expect(bytes).toBe(content.sizeBytes);
      } else if (revision.head && revision.author !== node.id) {
        expect(node.wants.wants(content.root)).toBe(true);
      }
    }
  }
}

function rootsInFiles(node: DatasetNode): Set<string> {
  return new Set(['big', 'moved'].flatMap((path) => node.contents.contentsIn(node.tree.id, path).map(({ root }) => root.toHex())));
}

function revisionCount(node: DatasetNode): number {
  return node.index.paths(dataset, '', 1000).reduce((sum, path) => sum + node.index.history(dataset, path).length, 0);
}

const directory = mkdtempSync(join(tmpdir(), 'godwit-store-crash-'));
let files = 0;
afterAll(() => rmSync(directory, { recursive: true }));

type OpenCatalog = () => { catalog: Catalog; reopen: (catalog: Catalog) => Catalog };

const inMemory: OpenCatalog = () => ({ catalog: openSqliteCatalog(':memory:'), reopen: (catalog) => catalog });
/** Where catalogs are, how they are opened, and how many steps lie between two cuts: a real file has every fifth, because opening it takes its time. */
const catalogs: [string, OpenCatalog, number][] = [
  ['in memory', inMemory, 1],
  [
    'on disk',
    () => {
      const path = join(directory, `${files++}.db`);
      return {
        catalog: openSqliteCatalog(path),
        reopen: (catalog) => {
          catalog.close();
          return openSqliteCatalog(path);
        },
      };
    },
    5,
  ],
];

/** A person's work: some files published, then some of them edited, moved and removed. */
async function prepared(number: number, clock: TestClock, openCatalog: OpenCatalog): Promise<CrashingNode> {
  const { catalog, reopen } = openCatalog();
  const subject = new CrashingNode(number, clock, catalog, reopen);
  const { tree } = subject;
  tree.put('big', large);
  tree.put('medium', medium);
  tree.put('gone', utf8('gone'));
  tree.put('moved', large.slice(0, 4_200_000));
  tree.put('small', utf8('small'));
  await tree.link('link', 'small');
  await subject.node.scan();
  return subject;
}

async function editTree(tree: MemoryFileTree, clock: TestClock): Promise<void> {
  clock.tick();
  tree.put('big', editedLarge);
  tree.put('medium', editedMedium);
  tree.put('new/empty', new Uint8Array(0));
  tree.put('new/file', medium.slice(0, 100_000));
  await tree.remove('gone');
  await tree.rename('moved', 'new/moved');
  await tree.link('link', 'medium');
}

describe.each(catalogs)('a publication, with the catalog %s', (_, openCatalog, stride) => {
  it('that is cut off at any write or sync is finished by the next scan, exactly once', async () => {
    const plain = await prepared(1, new TestClock(), openCatalog);
    plain.plan.arm();
    await editTree(plain.tree, new TestClock());
    plain.plan.arm();
    await plain.node.scan();
    const { steps } = plain.plan;
    const expected = revisionCount(plain.node);
    plain.close();
    expect(steps).toBeGreaterThan(8);

    for (let cutAt = 1; cutAt <= steps; cutAt += stride) {
      const clock = new TestClock();
      const subject = await prepared(1, clock, openCatalog);
      await editTree(subject.tree, clock);
      const before = await filesOf(subject.tree);
      const acknowledged: Dot[] = [];
      const failed = await subject.runUntil(cutAt, async (node) => {
        const publish = node.publish.bind(node);
        node.publish = (changes, recorded) => {
          const dot = publish(changes, recorded);
          acknowledged.push(dot);
          return dot;
        };
        await node.scan();
      });
      expect(failed).toBe(true);
      const { node } = subject;
      await expectConsistent(node, rootsInFiles(node));
      for (const { author, sequence } of acknowledged) expect(node.logs.length(dataset, author)).toBeGreaterThanOrEqual(sequence);
      await node.scan();
      await expectConsistent(node);
      expect(revisionCount(node), `cut at step ${cutAt}`).toBe(expected);
      expect((await node.scan()).published).toEqual([]);
      expect(node.index.conflicts(dataset, { open: false })).toEqual([]);
      expect(await filesOf(subject.tree)).toEqual(before);
      for (const path of node.index.paths(dataset, '', 1000)) {
        const [head] = node.index.heads(dataset, path);
        expect(head?.kind !== 'file' || node.contents.holds(head.content.root)).toBe(true);
      }
      subject.close();
    }
  });
});

describe.each(catalogs)('a reception, with the catalog %s', (_, openCatalog, stride) => {
  it('that is cut off at any write or sync is finished by the next one, and leaves nothing behind', async () => {
    // Two senders with one key and one clock write the same entries: one stays at the first version, the other goes on to the second.
    const early = await prepared(2, new TestClock(), inMemory);
    const senderClock = new TestClock();
    const sender = await prepared(2, senderClock, inMemory);
    await editTree(sender.tree, senderClock);
    await sender.node.scan();
    const expected = await filesOf(sender.tree);

    /** A node that has the first version. */
    const receiver = async (): Promise<CrashingNode> => {
      const { catalog, reopen } = openCatalog();
      const subject = new CrashingNode(1, new TestClock(), catalog, reopen);
      await subject.node.sync(early.node);
      return subject;
    };

    const plain = await receiver();
    plain.plan.arm();
    await plain.node.sync(sender.node);
    const { steps } = plain.plan;
    expect(await filesOf(plain.tree)).toEqual(expected);
    plain.close();
    expect(steps).toBeGreaterThan(20);

    for (let cutAt = 1; cutAt <= steps; cutAt += stride) {
      const subject = await receiver();
      expect(await subject.runUntil(cutAt, (node) => node.sync(sender.node))).toBe(true);
      const { node } = subject;
      await expectConsistent(node);
      await node.sync(sender.node);
      expect((await node.scan()).published, `cut at step ${cutAt}`).toEqual([]);
      expect(Object.values(await node.materialise()).every((outcome) => outcome === 'unchanged')).toBe(true);
      expect(await filesOf(subject.tree)).toEqual(expected);
      expect(node.index.conflicts(dataset, { open: false })).toEqual([]);
      expect(node.wants.outstanding()).toEqual({ contents: 0, bytes: 0 });
      expect(revisionCount(node)).toBe(revisionCount(sender.node));
      subject.close();
    }
    early.close();
    sender.close();
  });
});

describe.each(catalogs)('a large file that arrives where it will stand, with the catalog %s', (_, openCatalog, stride) => {
  it('and is cut off at any write or sync is gone on with, whatever the disk has forgotten', async () => {
    const sender = new CrashingNode(2, new TestClock(), openSqliteCatalog(':memory:'), (catalog) => catalog);
    sender.tree.put('deep/big', large);
    await sender.node.scan();
    const expected = await filesOf(sender.tree);

    const receiver = () => {
      const { catalog, reopen } = openCatalog();
      return new CrashingNode(1, new TestClock(), catalog, reopen);
    };
    const plain = receiver();
    plain.plan.arm();
    await plain.node.sync(sender.node);
    const { steps } = plain.plan;
    expect(await filesOf(plain.tree)).toEqual(expected);
    expect(plain.tree.parts()).toEqual([]);
    plain.close();
    expect(steps).toBeGreaterThan(15);

    let resumed = 0;
    for (let cutAt = 1; cutAt <= steps; cutAt += stride) {
      const subject = receiver();
      expect(await subject.runUntil(cutAt, (node) => node.sync(sender.node))).toBe(true);
      const { node } = subject;
      await expectConsistent(node);
      if (subject.tree.parts().length > 0 && node.journal.roots().length > 0) resumed++;
      // A change of names that was not noted is taken for a file that somebody made.
      expect((await node.scan()).published, `cut at step ${cutAt}`).toEqual([]);
      await node.sync(sender.node);
      expect((await node.scan()).published).toEqual([]);
      await expectConsistent(node);
      expect(await filesOf(subject.tree)).toEqual(expected);
      expect(node.index.conflicts(dataset, { open: false })).toEqual([]);
      expect(node.wants.outstanding()).toEqual({ contents: 0, bytes: 0 });
      await node.contents.arriving.discardUnless(() => false);
      await node.contents.recheck();
      await expectConsistent(node);
      expect(subject.tree.parts()).toEqual([]);
      subject.close();
    }
    expect(resumed).toBeGreaterThan(0);
    sender.close();
  });
});
