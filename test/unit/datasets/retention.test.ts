import { describe, expect, it } from 'vitest';
import { type DatasetId, type Hash, identifier, type NodeId } from '../../../src/core/identifiers.ts';
import type { FileState } from '../../../src/datasets/entry-body.ts';
import { FileIndex } from '../../../src/datasets/file-index.ts';
import type { Dot } from '../../../src/datasets/log-entry.ts';
import { type PendingTransfers, Retention } from '../../../src/datasets/retention.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';

const dataset = identifier<DatasetId>(new Uint8Array(32).fill(1));
const [a, b, c] = [11, 12, 13].map((byte) => identifier<NodeId>(new Uint8Array(32).fill(byte))) as [NodeId, NodeId, NodeId];
const root = (number: number): Hash => new Uint8Array(32).fill(number) as Hash;
const dot = (author: NodeId, sequence: number): Dot => ({ author, sequence });

class Subject {
  readonly catalog = openSqliteCatalog(':memory:');
  readonly index = new FileIndex(this.catalog);
  readonly missing = new Set<number>();
  bases: Hash[] = [];
  readonly transfers: PendingTransfers = {
    roots: () => [root(200)],
    plan: () => ({ bases: this.bases }),
    hashes: () => [root(201), root(202)],
  };
  retention = this.open();

  open(): Retention {
    return new Retention(this.catalog, this.index, (each) => !this.missing.has(each[0] as number), this.transfers);
  }

  revise(at: Dot, superseded: readonly Dot[], content: number, path = 'p', wallMs = 1000 * at.sequence): void {
    const state: FileState = { kind: 'file', content: { root: root(content), sizeBytes: 10, depth: 0 }, mtimeNs: 1n, mode: 0o644 };
    this.index.apply(dataset, at, { instant: { wallMs, counter: 0 }, clockQuality: 'ntp' }, [{ path, superseded, ...state }], 5000);
  }

  /** A row of revisions by one author, each with the content of its number and superseding the one before. */
  grow(length: number): void {
    for (let at = 1; at <= length; at++) this.revise(dot(a, at), at === 1 ? [] : [dot(a, at - 1)], at);
  }

  /** Why contents stay; `when` they were last named for those that may go. */
  verdicts(...contents: number[]): (string | number)[] {
    const view = this.retention.view();
    return contents.map((each) => {
      const verdict = view.verdict(root(each));
      return verdict.stays ? verdict.reason : verdict.newestMs;
    });
  }
}

describe('a content stays', () => {
  it('when no revision names it: it is raw, or about to be published', () => {
    expect(new Subject().verdicts(1)).toEqual(['unnamed']);
  });

  it('while another component needs it, or it stands in a tagged version, although it was replaced', () => {
    const subject = new Subject();
    subject.grow(4);
    const others = {
      reason: (each: Hash) => (each[0] === 1 ? ('raw' as const) : each[0] === 2 ? ('in-use' as const) : undefined),
      isTagged: (of: DatasetId, path: string, { sequence }: Dot) => of === dataset && path === 'p' && sequence === 3,
      keepsHead: () => true,
    };
    const retention = new Retention(subject.catalog, subject.index, () => true, subject.transfers, others);
    expect([1, 2, 3].map((each) => retention.view().verdict(root(each)))).toEqual(
      ['raw', 'in-use', 'tagged'].map((reason) => ({ stays: true, reason })),
    );
  });

  it('while it is a head, unless that was only passed on and nobody waits for it any more', () => {
    const subject = new Subject();
    subject.grow(2);
    let waited = true;
    const others = { reason: () => undefined, isTagged: () => false, keepsHead: () => waited };
    const retention = new Retention(subject.catalog, subject.index, () => true, subject.transfers, others);
    expect(retention.view().verdict(root(2))).toEqual({ stays: true, reason: 'head' });
    waited = false;
    expect(retention.view().verdict(root(2))).toMatchObject({ stays: false });
  });

  it('while it is a head of any path, and may go when it is one nowhere', () => {
    const subject = new Subject();
    subject.grow(2);
    subject.revise(dot(b, 1), [], 1, 'copy');
    expect(subject.verdicts(1, 2)).toEqual(['head', 'head']);
    subject.revise(dot(b, 2), [dot(b, 1)], 3, 'copy', 7000);
    subject.revise(dot(b, 4), [], 1, 'other', 9000);
    subject.revise(dot(b, 5), [dot(b, 4)], 3, 'other', 9500);
    expect(subject.verdicts(1)).toEqual([9000]);
  });

  it('while a begun transfer builds on it', () => {
    const subject = new Subject();
    subject.grow(3);
    subject.bases = [root(1), root(99)];
    expect(subject.verdicts(1, 2)).toEqual(['transfer', 2000]);
    // Also where no revision names it any more: the collector drops what is only unnamed.
    expect(subject.verdicts(99)).toEqual(['transfer']);
    expect([...subject.retention.storedByTransfers()]).toEqual([[root(201), root(202)]]);
  });

  it('while it is among the four newest complete ones of a path whose head has not arrived', () => {
    const subject = new Subject();
    subject.grow(8);
    for (const each of [8, 6]) subject.missing.add(each);
    expect(subject.verdicts(7, 5, 4, 3, 2, 1)).toEqual(['base', 'base', 'base', 'base', 2000, 1000]);
    subject.missing.clear();
    expect(subject.verdicts(7, 1)).toEqual([7000, 1000]);
  });

  it("for what is to come, and not where the heads of a path are nobody's business here any more", () => {
    const subject = new Subject();
    subject.grow(3);
    subject.revise(dot(b, 1), [dot(a, 2)], 20);
    subject.missing.add(20);
    let waited = true;
    const others = { reason: () => undefined, isTagged: () => false, keepsHead: () => waited };
    const retention = new Retention(
      subject.catalog,
      subject.index,
      (each) => !subject.missing.has(each[0] as number),
      subject.transfers,
      others,
    );
    const verdicts = () => [1, 2].map((each) => retention.view().verdict(root(each)));
    expect(verdicts()).toEqual(['base', 'conflict'].map((reason) => ({ stays: true, reason })));
    waited = false;
    expect(verdicts()).toMatchObject([{ stays: false }, { stays: false }]);
  });
});

describe('a conflict', () => {
  it('keeps what its heads grew from last, and nothing older, until it is ended', () => {
    const subject = new Subject();
    subject.grow(3);
    subject.revise(dot(b, 1), [dot(a, 2)], 20);
    expect(subject.verdicts(1, 2, 3, 20)).toEqual([1000, 'conflict', 'head', 'head']);
    subject.revise(dot(b, 2), [dot(b, 1), dot(a, 3)], 21);
    expect(subject.verdicts(2, 3, 20)).toEqual([2000, 3000, 1000]);
  });

  it('of three heads keeps what any two of them grew from', () => {
    const subject = new Subject();
    subject.grow(4);
    subject.revise(dot(b, 1), [dot(a, 3)], 20);
    subject.revise(dot(c, 1), [dot(a, 1)], 30);
    expect(subject.verdicts(1, 2, 3)).toEqual(['conflict', 2000, 'conflict']);
  });

  it('after a criss-cross merge keeps both ancestors', () => {
    const subject = new Subject();
    subject.revise(dot(a, 1), [], 1);
    subject.revise(dot(a, 2), [dot(a, 1)], 2);
    subject.revise(dot(b, 1), [dot(a, 1)], 3);
    subject.revise(dot(a, 3), [dot(a, 2), dot(b, 1)], 4);
    subject.revise(dot(b, 2), [dot(b, 1), dot(a, 2)], 5);
    expect(subject.verdicts(1, 2, 3)).toEqual([1000, 'conflict', 'conflict']);
  });
});

describe('a pin', () => {
  it('keeps the content of its revision over a restart until it is taken away', () => {
    const subject = new Subject();
    subject.grow(3);
    subject.retention.pin({ dataset, path: 'p', ...dot(a, 1), name: 'as delivered' });
    subject.retention = subject.open();
    expect(subject.verdicts(1, 2)).toEqual(['pinned', 2000]);
    expect(subject.retention.unpin(dataset, 'p', 'as delivered')).toBe(true);
    expect(subject.retention.unpin(dataset, 'p', 'as delivered')).toBe(false);
    expect(subject.verdicts(1)).toEqual([1000]);
  });

  it('of the same name and path takes the place of the one before', () => {
    const subject = new Subject();
    subject.grow(3);
    subject.retention.pin({ dataset, path: 'p', ...dot(a, 1), name: 'n' });
    subject.retention.pin({ dataset, path: 'p', ...dot(a, 2), name: 'n' });
    expect(subject.verdicts(1, 2)).toEqual([1000, 'pinned']);
  });

  it('is listed by name and path, in pages', () => {
    const subject = new Subject();
    subject.grow(2);
    const pins = ['x', 'y', 'z'].map((name) => ({ dataset, path: 'p', ...dot(a, 1), name }));
    for (const pin of [...pins].reverse()) subject.retention.pin(pin);
    expect(subject.retention.pins(dataset, 2)).toEqual(pins.slice(0, 2));
    expect(subject.retention.pins(dataset, 2, pins[1]!)).toEqual(pins.slice(2));
  });

  it('of a revision without content keeps none, and of an unknown revision is refused', () => {
    const subject = new Subject();
    const header = { instant: { wallMs: 1, counter: 0 }, clockQuality: 'ntp' } as const;
    subject.index.apply(dataset, dot(a, 1), header, [{ path: 'p', superseded: [], kind: 'removal' }], 1);
    subject.retention.pin({ dataset, path: 'p', ...dot(a, 1), name: 'gone' });
    expect(subject.retention.pins(dataset, 10)).toHaveLength(1);
    expect(() => subject.retention.pin({ dataset, path: 'p', ...dot(a, 2), name: 'gone' })).toThrow(
      expect.objectContaining({ code: 'REVISION_UNKNOWN' }),
    );
  });
});

it('Many paths are judged, more than a view remembers', () => {
  const subject = new Subject();
  for (let at = 1; at <= 300; at++) subject.revise(dot(a, at), [], 1, `p${at}`, at);
  for (let at = 1; at <= 300; at++) subject.revise(dot(a, 300 + at), [dot(a, at)], 2, `p${at}`, 1000 + at);
  expect(subject.verdicts(1, 2)).toEqual([300, 'head']);
});
