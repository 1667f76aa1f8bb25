import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DatasetId, type Hash, identifier, type NodeId } from '../../../src/core/identifiers.ts';
import type { FileState } from '../../../src/datasets/entry-body.ts';
import { dotText, FileIndex, type FileRevision } from '../../../src/datasets/file-index.ts';
import type { Dot } from '../../../src/datasets/log-entry.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';

const dataset = identifier<DatasetId>(new Uint8Array(32).fill(7));
const authors = [1, 2, 3, 4].map((n) => identifier<NodeId>(new Uint8Array(32).fill(n)));
const header = { instant: { wallMs: 1, counter: 0 }, clockQuality: 'ntp' } as const;

interface Revision {
  readonly dot: Dot;
  readonly superseded: readonly Dot[];
  readonly content: number;
}

function stateOf(content: number): FileState {
  if (content === 0) return { kind: 'removal' };
  return { kind: 'file', content: { root: new Uint8Array(32).fill(content) as Hash, sizeBytes: 1, depth: 0 }, mtimeNs: 0n, mode: 0o644 };
}

/**
 * A history of one path as several people write it: everybody sees some of what was written before and replaces heads of that. The dumb model beside the index: revisions in a list, and a head
 * is what nobody in the list names.
 */
const histories = fc
  .array(fc.record({ author: fc.nat({ max: authors.length - 1 }), sees: fc.nat(), replaces: fc.nat(), content: fc.nat({ max: 3 }) }), {
    minLength: 1,
    maxLength: 14,
  })
  .map((writes) => {
    const history: Revision[] = [];
    for (const { author, sees, replaces, content } of writes) {
      const node = authors[author] as NodeId;
      // An author always sees what it wrote itself.
      const seen = history.filter((revision, at) => revision.dot.author === node || ((sees >> at) & 1) === 1);
      const superseded = standing(seen).filter((revision, at) => revision.dot.author === node || ((replaces >> at) & 1) === 1);
      const sequence = history.filter((revision) => revision.dot.author === node).length + 1;
      history.push({ dot: { author: node, sequence }, superseded: superseded.map(({ dot }) => dot), content });
    }
    return history;
  });

function standing(revisions: readonly Revision[]): Revision[] {
  const replaced = new Set(revisions.flatMap(({ superseded }) => superseded.map(dotText)));
  return revisions.filter(({ dot }) => !replaced.has(dotText(dot)));
}

/** Any order that keeps every author's own. Others' entries may come before what they build on. */
function shuffled(history: readonly Revision[], picks: readonly number[]): Revision[] {
  const queues = authors.map((author) => history.filter(({ dot }) => dot.author === author));
  const order: Revision[] = [];
  for (let turn = 0; order.length < history.length; turn++) {
    const open = queues.filter((queue) => queue.length > 0);
    order.push((open[(picks[turn] ?? 0) % open.length] as Revision[]).shift() as Revision);
  }
  return order;
}

function newIndex(): FileIndex {
  return new FileIndex(openSqliteCatalog(':memory:'));
}

function apply(index: FileIndex, { dot, superseded, content }: Revision): void {
  index.apply(dataset, dot, header, [{ path: 'p', superseded, ...stateOf(content) }], 1);
}

const texts = (dots: readonly Dot[]) => dots.map(dotText).sort();
const picks = fc.array(fc.nat(), { minLength: 14, maxLength: 14 });

describe('the revision graph, beside a list of revisions', () => {
  it('has the same heads at every moment, in whatever order entries come, and a conflict stands exactly while they differ', () => {
    fc.assert(
      fc.property(histories, picks, (history, order) => {
        const index = newIndex();
        const arrived: Revision[] = [];
        for (const revision of shuffled(history, order)) {
          apply(index, revision);
          arrived.push(revision);
          const expected = standing(arrived);
          expect(texts(index.heads(dataset, 'p'))).toEqual(texts(expected.map(({ dot }) => dot)));
          expect(index.inConflict(dataset, 'p')).toBe(new Set(expected.map(({ content }) => content)).size > 1);
          expect(index.conflicts(dataset, { open: true }).length).toBe(index.inConflict(dataset, 'p') ? 1 : 0);
        }
      }),
      { numRuns: 150 },
    );
  });

  it('never forgets a conflict or a revision that was there', () => {
    fc.assert(
      fc.property(histories, picks, (history, order) => {
        const index = newIndex();
        let known: string[] = [];
        for (const [count, revision] of shuffled(history, order).entries()) {
          apply(index, revision);
          const now = index.conflicts(dataset, { open: false }).map(({ heads }) => heads.join());
          expect(now).toEqual(expect.arrayContaining(known));
          expect(index.history(dataset, 'p')).toHaveLength(count + 1);
          known = now;
        }
      }),
      { numRuns: 60 },
    );
  });

  it('shows every node the same head, and takes the same ancestor', () => {
    fc.assert(
      fc.property(histories, picks, picks, (history, one, two) => {
        const [left, right] = [newIndex(), newIndex()];
        for (const revision of shuffled(history, one)) apply(left, revision);
        for (const revision of shuffled(history, two)) apply(right, revision);
        const heads = left.heads(dataset, 'p');
        expect(right.heads(dataset, 'p')).toEqual(heads);
        expect(right.commonAncestor(dataset, 'p', heads)).toEqual(left.commonAncestor(dataset, 'p', heads));
      }),
      { numRuns: 60 },
    );
  });

  it('finds an ancestor that plain sets of ancestors agree with', () => {
    fc.assert(
      fc.property(histories, (history) => {
        const index = newIndex();
        for (const revision of history) apply(index, revision);
        const parents = new Map(history.map(({ dot, superseded }) => [dotText(dot), superseded.map(dotText)]));
        const ancestors = (key: string): Set<string> =>
          new Set((parents.get(key) ?? []).flatMap((parent) => [parent, ...ancestors(parent)]));
        const heads = index.heads(dataset, 'p');
        const common = heads.map((head) => ancestors(dotText(head))).reduce((all, each) => all.intersection(each));
        const nearest = [...common].filter((key) => ![...common].some((other) => ancestors(other).has(key)));
        const found: FileRevision | undefined = index.commonAncestor(dataset, 'p', heads);
        if (found === undefined) expect(nearest).toEqual([]);
        else expect(nearest).toContain(dotText(found));
      }),
      { numRuns: 100 },
    );
  });
});
