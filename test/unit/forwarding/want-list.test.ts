import { beforeEach, describe, expect, it } from 'vitest';
import { type DatasetId, type Hash, identifier, type NodeId } from '../../../src/core/identifiers.ts';
import type { PriorityClass } from '../../../src/core/priority.ts';
import { type WantedContent, WantList } from '../../../src/forwarding/want-list.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';

const [dataset, otherDataset] = [7, 8].map((n) => identifier<DatasetId>(new Uint8Array(32).fill(n))) as [DatasetId, DatasetId];
const [alice, bob] = [1, 2].map((n) => identifier<NodeId>(new Uint8Array(32).fill(n))) as [NodeId, NodeId];

const root = (n: number) => new Uint8Array(32).fill(n) as Hash;
const want = (n: number, change: Partial<WantedContent> = {}): WantedContent => ({
  root: root(n),
  sizeBytes: 100,
  depth: 0,
  priority: 'normal',
  dataset,
  path: `p${n}`,
  author: alice,
  sequence: n,
  ...change,
});

let catalog: ReturnType<typeof openSqliteCatalog>;
let wants: WantList;
beforeEach(() => {
  catalog = openSqliteCatalog(':memory:');
  wants = new WantList(catalog);
});

const nobody = { has: () => false };
const next = (limit = 99, except: { has(root: string): boolean } = nobody) => wants.next(limit, except).map((each) => each.root[0]);

describe('the list of wanted contents', () => {
  it('names the most urgent first, and of one class the smallest', () => {
    const classes: PriorityClass[] = ['bulk', 'normal', 'critical', 'emergency'];
    for (const [at, priority] of classes.entries()) {
      wants.add(want(10 + at, { priority, sizeBytes: 500 }));
      wants.add(want(20 + at, { priority, sizeBytes: 50 }));
    }
    expect(next()).toEqual([23, 13, 22, 12, 21, 11, 20, 10]);
    expect(next(3)).toEqual([23, 13, 22]);
  });

  it('names a content once, however many wait for it, and as it was asked for', () => {
    wants.add(want(1));
    wants.add(want(1, { author: bob, path: 'copy', priority: 'critical' }));
    wants.add(want(1));
    expect(wants.next(9, nobody)).toEqual([want(1, { author: bob, path: 'copy', priority: 'critical' })]);
  });

  it('leaves out what is already on its way', () => {
    wants.add(want(1));
    wants.add(want(2));
    expect(next(9, new Set([root(1).toHex()]))).toEqual([2]);
  });

  it('outlives the process', () => {
    wants.add(want(1));
    wants = new WantList(catalog);
    expect([next(), wants.wants(root(1)), wants.wants(root(2))]).toEqual([[1], true, false]);
  });

  it('forgets a content for everybody when it has arrived', () => {
    wants.add(want(1));
    wants.add(want(1, { author: bob }));
    wants.remove(root(1));
    expect([next(), wants.wants(root(1))]).toEqual([[], false]);
  });

  it('says what is more urgent than a class', () => {
    wants.add(want(1, { priority: 'critical' }));
    wants.add(want(2, { priority: 'bulk' }));
    const moreUrgentThan = (priority: PriorityClass) => wants.next(9, nobody, { before: priority }).map((each) => each.root[0]);
    expect([moreUrgentThan('bulk'), moreUrgentThan('critical')]).toEqual([[1], []]);
  });

  it('forgets a revision that was replaced before its content came, and no other that waits for the same content', () => {
    wants.add(want(1));
    wants.add(want(1, { path: 'copy' }));
    wants.removeRevision(dataset, alice, 1, 'p1');
    expect(wants.wants(root(1))).toBe(true);
    wants.removeRevision(otherDataset, alice, 1, 'copy');
    wants.removeRevision(dataset, bob, 1, 'copy');
    wants.removeRevision(dataset, alice, 2, 'copy');
    expect(wants.wants(root(1))).toBe(true);
    wants.removeRevision(dataset, alice, 1, 'copy');
    expect(wants.wants(root(1))).toBe(false);
  });

  it('knows up to where a log is complete', () => {
    for (const n of [5, 3, 9]) wants.add(want(n));
    wants.add(want(2, { dataset: otherDataset }));
    expect([wants.firstIncomplete(dataset, alice), wants.firstIncomplete(otherDataset, alice)]).toEqual([3, 2]);
    expect(wants.firstIncomplete(dataset, bob)).toBeUndefined();
    wants.remove(root(3));
    expect(wants.firstIncomplete(dataset, alice)).toBe(5);
  });

  it('adds up what is outstanding, each content once', () => {
    expect(wants.outstanding()).toEqual({ contents: 0, bytes: 0 });
    wants.add(want(1, { sizeBytes: 10 }));
    wants.add(want(1, { sizeBytes: 10, path: 'copy' }));
    wants.add(want(2, { sizeBytes: 5, dataset: otherDataset }));
    expect([wants.outstanding(), wants.outstanding(dataset), wants.outstanding(otherDataset)]).toEqual([
      { contents: 2, bytes: 15 },
      { contents: 1, bytes: 10 },
      { contents: 1, bytes: 5 },
    ]);
  });

  it('takes another class and deadline for what is there, and asks for what is due first', () => {
    wants.add(want(1, { sizeBytes: 10 }));
    wants.add(want(2, { sizeBytes: 20 }));
    wants.add(want(2, { sizeBytes: 20, deadlineMs: 99 }));
    expect([wants.priorityOf(want(1).root), wants.priorityOf(want(9).root)]).toEqual(['normal', undefined]);
    expect(next()).toEqual([2, 1]);
    wants.add(want(1, { sizeBytes: 10, priority: 'critical' }));
    expect([wants.priorityOf(want(1).root), next()]).toEqual(['critical', [1, 2]]);
    expect(wants.outstanding().contents).toBe(2);
  });

  it('goes on first with what is nearly here, when none finishes in the contact', () => {
    wants.add(want(1, { sizeBytes: 5000 }));
    wants.add(want(2, { sizeBytes: 9000 }));
    const opportunity = { nowMs: 0, rateBytesPerSecond: 100, contacts: [{ fromMs: 0, toMs: 1000 }] };
    const arrivedBytes = (root: Uint8Array) => (root[0] === 2 ? 8000 : 0);
    expect(wants.next(9, nobody, { opportunity, arrivedBytes }).map((each) => each.root[0])).toEqual([2, 1]);
  });
});
