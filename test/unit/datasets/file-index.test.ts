import { describe, expect, it } from 'vitest';
import { type DatasetId, type Hash, identifier, identifierToBytes, type NodeId } from '../../../src/core/identifiers.ts';
import { limits } from '../../../src/core/limits.ts';
import type { FileChange, FileState } from '../../../src/datasets/entry-body.ts';
import { dotText, FileIndex, fileIndexSchema, sameState } from '../../../src/datasets/file-index.ts';
import type { Dot } from '../../../src/datasets/log-entry.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';

const dataset = identifier<DatasetId>(new Uint8Array(32).fill(7));
const otherDataset = identifier<DatasetId>(new Uint8Array(32).fill(8));
const [a, b, c] = [1, 2, 3].map((n) => identifier<NodeId>(new Uint8Array(32).fill(n))) as [NodeId, NodeId, NodeId];

const rootOf = (content: number) => new Uint8Array(32).fill(content) as Hash;
const file = (content: number, change: Partial<FileState & { kind: 'file' }> = {}): FileState => ({
  kind: 'file',
  content: { root: rootOf(content), sizeBytes: 10, depth: 0 },
  mtimeNs: 1_000n,
  mode: 0o644,
  ...change,
});
const dot = (author: NodeId, sequence: number): Dot => ({ author, sequence });

class Subject {
  readonly catalog = openSqliteCatalog(':memory:');
  readonly index = new FileIndex(this.catalog);

  /** Enters a revision of the path `p`. */
  revise(at: Dot, superseded: readonly Dot[], state: FileState = file(at.sequence), wallMs = 1000 * at.sequence, path = 'p'): string[] {
    const change: FileChange = { path, superseded, ...state };
    return this.index.apply(dataset, at, { instant: { wallMs, counter: 0 }, clockQuality: 'ntp' }, [change], 5000);
  }

  heads(): string[] {
    return this.index.heads(dataset, 'p').map(dotText).sort();
  }

  record(): { heads: number; resolution: string | undefined; open: boolean }[] {
    return this.index
      .conflicts(dataset, { open: false })
      .map((each) => ({ heads: each.heads.length, resolution: each.resolution, open: each.resolvedMs === undefined }))
      .sort((x, y) => x.heads - y.heads);
  }
}

describe('the heads of a path', () => {
  it('are the revisions that no other replaces', () => {
    const subject = new Subject();
    subject.revise(dot(a, 1), []);
    subject.revise(dot(b, 1), [dot(a, 1)]);
    expect(subject.heads()).toEqual([dotText(dot(b, 1))]);
    subject.revise(dot(c, 1), [dot(a, 1)], file(9));
    expect(subject.heads()).toEqual([dotText(dot(b, 1)), dotText(dot(c, 1))]);
  });

  it('leave out a revision that comes behind the one that replaces it', () => {
    const subject = new Subject();
    expect(subject.revise(dot(b, 1), [dot(a, 1)])).toEqual(['p']);
    expect(subject.revise(dot(a, 1), [])).toEqual(['p']);
    expect(subject.heads()).toEqual([dotText(dot(b, 1))]);
    expect(subject.index.inConflict(dataset, 'p')).toBe(false);
  });

  it('do not change when an entry is applied again', () => {
    const subject = new Subject();
    subject.revise(dot(a, 1), []);
    subject.revise(dot(b, 1), [dot(a, 1)]);
    expect(subject.revise(dot(a, 1), [])).toEqual([]);
    expect(subject.heads()).toEqual([dotText(dot(b, 1))]);
  });

  it('stay when a revision claims to replace itself, or what its author was yet to write', () => {
    const subject = new Subject();
    subject.revise(dot(a, 1), [dot(a, 1), dot(a, 2)]);
    expect(subject.heads()).toEqual([dotText(dot(a, 1))]);
    subject.revise(dot(a, 2), [dot(a, 1)]);
    expect(subject.heads()).toEqual([dotText(dot(a, 2))]);
  });

  it('are shown latest first, by the greater author where the instants are equal', () => {
    const subject = new Subject();
    subject.revise(dot(a, 1), [], file(1), 3000);
    subject.revise(dot(b, 1), [], file(2), 2000);
    subject.revise(dot(c, 1), [], file(3), 2000);
    expect(subject.index.heads(dataset, 'p').map(({ author }) => author)).toEqual([a, c, b]);
  });

  it('belong to one path of one dataset', () => {
    const subject = new Subject();
    subject.revise(dot(a, 1), [], file(1), 1000, 'p');
    subject.revise(dot(b, 1), [dot(a, 1)], file(2), 1000, 'q');
    expect(subject.heads()).toEqual([dotText(dot(a, 1))]);
    expect(subject.index.heads(otherDataset, 'p')).toEqual([]);
  });
});

describe('a revision', () => {
  it.each<[string, FileState]>([
    ['a file', file(1)],
    ['a file with metadata', file(1, { attributes: { mime: 'text/csv', rows: 3 } })],
    ['a link', { kind: 'symlink', target: '../x', mtimeNs: 2n ** 63n - 1n }],
    ['a removal', { kind: 'removal' }],
  ])('comes back as it was: %s', (_, state) => {
    const { index } = new Subject();
    const header = {
      instant: { wallMs: 5, counter: 6 },
      clockQuality: 'gnss',
      position: { latitude: 1, longitude: 2, altitudeM: 3 },
    } as const;
    const superseded = [dot(b, 4), dot(c, 5)];
    index.apply(dataset, dot(a, 1), header, [{ path: 'p', superseded, ...state }], 1);
    expect(index.revision(dataset, 'p', dot(a, 1))).toEqual({ path: 'p', ...dot(a, 1), superseded, head: true, ...header, ...state });
    expect(index.revision(dataset, 'p', dot(a, 2))).toBeUndefined();
  });
});

describe('two states', () => {
  it('are the same when a reader sees the same bytes', () => {
    expect(sameState(file(1), file(1, { mode: 0o600, mtimeNs: 5n, attributes: { x: 1 } }))).toBe(true);
    expect(sameState(file(1), file(2))).toBe(false);
    expect(sameState({ kind: 'symlink', target: 'x', mtimeNs: 1n }, { kind: 'symlink', target: 'x', mtimeNs: 2n })).toBe(true);
    expect(sameState({ kind: 'symlink', target: 'x', mtimeNs: 1n }, { kind: 'symlink', target: 'y', mtimeNs: 1n })).toBe(false);
    expect(sameState({ kind: 'removal' }, { kind: 'removal' })).toBe(true);
    expect(sameState({ kind: 'removal' }, file(1))).toBe(false);
  });
});

describe('a conflict', () => {
  it('begins with a second head and ends with a revision that replaces all', () => {
    const subject = new Subject();
    subject.revise(dot(a, 1), [], file(1));
    subject.revise(dot(b, 1), [], file(2));
    expect(subject.index.inConflict(dataset, 'p')).toBe(true);
    expect(subject.index.conflicts(dataset, { open: true })).toMatchObject([
      { path: 'p', detectedMs: 5000, heads: [dotText(dot(a, 1)), dotText(dot(b, 1))] },
    ]);
    subject.revise(dot(a, 2), [dot(a, 1), dot(b, 1)]);
    expect(subject.index.conflicts(dataset, { open: true })).toEqual([]);
    expect(subject.record()).toEqual([{ heads: 2, resolution: 'edit', open: false }]);
  });

  it('is none between two revisions that say the same', () => {
    const subject = new Subject();
    subject.revise(dot(a, 1), [], file(1));
    subject.revise(dot(b, 1), [], file(1, { mode: 0o600 }));
    expect(subject.heads()).toHaveLength(2);
    expect(subject.record()).toEqual([]);
  });

  it('goes on in another record when a head joins it', () => {
    const subject = new Subject();
    subject.revise(dot(a, 1), [], file(1));
    subject.revise(dot(b, 1), [], file(2));
    subject.revise(dot(c, 1), [], file(3));
    expect(subject.record()).toEqual([
      { heads: 2, resolution: 'continued', open: false },
      { heads: 3, resolution: undefined, open: true },
    ]);
  });

  it('is open again when the heads it had are the heads once more', () => {
    const subject = new Subject();
    subject.revise(dot(a, 9), [], file(1));
    // B replaced X, which replaced C; the entries of C and X come last.
    subject.revise(dot(b, 9), [dot(a, 3)], file(2));
    expect(subject.index.inConflict(dataset, 'p')).toBe(true);
    subject.revise(dot(c, 1), [], file(3));
    subject.revise(dot(a, 3), [dot(c, 1)], file(4));
    expect(subject.heads()).toEqual([dotText(dot(a, 9)), dotText(dot(b, 9))]);
    expect(subject.index.inConflict(dataset, 'p')).toBe(true);
  });

  it('says how it is ended, and why merging stopped', () => {
    const subject = new Subject();
    subject.revise(dot(a, 1), [], file(1));
    subject.revise(dot(b, 1), [], file(2));
    subject.index.annotateConflict(dataset, 'p', { detail: '{"cells":3}' });
    subject.index.annotateConflict(dataset, 'p', { resolution: 'merge' });
    subject.revise(dot(a, 2), [dot(a, 1), dot(b, 1)]);
    expect(subject.index.conflicts(dataset, { open: false })).toMatchObject([
      { detail: '{"cells":3}', resolution: 'merge', resolvedMs: 5000 },
    ]);
    subject.index.annotateConflict(dataset, 'p', { resolution: 'ask' });
    expect(subject.index.conflicts(dataset, { open: false })).toMatchObject([{ resolution: 'merge' }]);
  });

  it('takes a wall clock with a fraction of a millisecond', () => {
    const { index } = new Subject();
    const header = { instant: { wallMs: 1, counter: 0 }, clockQuality: 'ntp' } as const;
    index.apply(dataset, dot(a, 1), header, [{ path: 'p', superseded: [], ...file(1) }], 0.5);
    index.apply(dataset, dot(b, 1), header, [{ path: 'p', superseded: [], ...file(2) }], 7.5);
    expect(index.conflicts(dataset, { open: true })).toMatchObject([{ detectedMs: 7 }]);
  });

  it('names a limited number of heads, so that a flood of them does not fill the disk', () => {
    const subject = new Subject();
    for (let n = 1; n <= 3 * limits.headsPerEntryMax; n++) subject.revise(dot(a, n), [], file(n & 255));
    const longest = Math.max(...subject.index.conflicts(dataset, { open: false }).map(({ heads }) => heads.length));
    expect(longest).toBe(limits.headsPerEntryMax);
    expect(subject.heads()).toHaveLength(3 * limits.headsPerEntryMax);
    expect(subject.index.inConflict(dataset, 'p')).toBe(true);
  });
});

describe('the common ancestor', () => {
  it('is the nearest revision that both grew from', () => {
    const subject = new Subject();
    subject.revise(dot(a, 1), []);
    subject.revise(dot(a, 2), [dot(a, 1)]);
    subject.revise(dot(a, 3), [dot(a, 2)]);
    subject.revise(dot(b, 1), [dot(a, 2)]);
    expect(subject.index.commonAncestor(dataset, 'p', [dot(a, 3), dot(b, 1)])?.sequence).toBe(2);
  });

  it('is none for files that were created apart', () => {
    const subject = new Subject();
    subject.revise(dot(a, 1), []);
    subject.revise(dot(b, 1), []);
    expect(subject.index.commonAncestor(dataset, 'p', [dot(a, 1), dot(b, 1)])).toBeUndefined();
    expect(subject.index.commonAncestor(dataset, 'p', [])).toBeUndefined();
  });

  it('is the one shown first where two are as near', () => {
    const subject = new Subject();
    subject.revise(dot(a, 1), [], file(1), 1000);
    subject.revise(dot(b, 1), [], file(2), 2000);
    // Both ends merged the other's edit, each in its own way.
    subject.revise(dot(a, 2), [dot(a, 1), dot(b, 1)]);
    subject.revise(dot(b, 2), [dot(a, 1), dot(b, 1)]);
    expect(subject.index.commonAncestor(dataset, 'p', [dot(a, 2), dot(b, 2)])).toMatchObject(dot(b, 1));
  });

  it('is found in a history of thousands of revisions at once', () => {
    const subject = new Subject();
    subject.catalog.transaction(() => {
      for (let n = 1; n <= 3000; n++) subject.revise(dot(a, n), n === 1 ? [] : [dot(a, n - 1)], file(n & 255));
    });
    subject.revise(dot(b, 1), [dot(a, 2999)]);
    expect(subject.index.commonAncestor(dataset, 'p', [dot(a, 3000), dot(b, 1)])?.sequence).toBe(2999);
  });
});

describe('looking things up', () => {
  it('pages through paths with a head, removed ones among them', () => {
    const subject = new Subject();
    for (const [at, path] of ['b', 'a', 'c', 'a/x'].entries()) subject.revise(dot(a, at + 1), [], file(1), 1, path);
    subject.revise(dot(a, 9), [dot(a, 3)], { kind: 'removal' }, 1, 'c');
    expect(subject.index.paths(dataset, '', 3)).toEqual(['a', 'a/x', 'b']);
    expect(subject.index.paths(dataset, 'b', 3)).toEqual(['c']);
  });

  it('knows the contents of an entry and where a content stands', () => {
    const subject = new Subject();
    subject.revise(dot(a, 1), [], file(5));
    subject.revise(dot(b, 1), [dot(a, 1)], file(6));
    subject.revise(dot(b, 2), [], { kind: 'removal' }, 1, 'q');
    expect(subject.index.contentsOf(dataset, dot(a, 1))).toEqual([
      { path: 'p', content: { root: rootOf(5), sizeBytes: 10, depth: 0 }, head: false },
    ]);
    expect(subject.index.contentsOf(dataset, dot(b, 2))).toEqual([]);
    expect(subject.index.headsWithRoot(rootOf(5))).toEqual([]);
    expect(subject.index.headsWithRoot(rootOf(6))).toEqual([{ dataset, path: 'p', ...dot(b, 1) }]);
  });

  it('restarts the clock from what this node wrote or followed, not from a logger that believes it is 2099', () => {
    const subject = new Subject();
    expect(subject.index.greatestInstant(a, 1e12)).toBeUndefined();
    subject.revise(dot(b, 1), [], file(1), 4e12);
    subject.revise(dot(b, 2), [], file(2), 1000);
    expect(subject.index.greatestInstant(a, 1e12 + 0.5)).toEqual({ wallMs: 1000, counter: 0 });
    subject.revise(dot(a, 1), [], file(3), 3e12);
    expect(subject.index.greatestInstant(a, 1e12)).toEqual({ wallMs: 3e12, counter: 0 });
    expect(subject.index.greatestInstant(b, 1e12)).toEqual({ wallMs: 4e12, counter: 0 });
  });
});

describe('what an author takes back', () => {
  it('is gone with what it replaced, whatever others made of it, and other entries stay', () => {
    const subject = new Subject();
    subject.revise(dot(a, 1), []);
    subject.revise(dot(a, 2), [dot(a, 1)]);
    subject.revise(dot(a, 3), [], file(3), 3000, 'q');
    subject.revise(dot(b, 1), [dot(a, 1)], file(9));
    expect(subject.index.inConflict(dataset, 'p')).toBe(true);
    expect(subject.index.retract(dataset, a, 1, 9000)).toEqual([
      { path: 'p', author: a, sequence: 2 },
      { path: 'q', author: a, sequence: 3 },
    ]);
    expect(subject.heads()).toEqual([dotText(dot(b, 1))]);
    expect(subject.index.inConflict(dataset, 'p')).toBe(false);
    expect(subject.index.heads(dataset, 'q')).toEqual([]);
    expect(subject.index.history(dataset, 'p').map(dotText)).toEqual([dotText(dot(b, 1)), dotText(dot(a, 1))]);
  });

  it('lets stand again what nothing else replaced, and is taken in anew like anything else', () => {
    const subject = new Subject();
    subject.revise(dot(a, 1), []);
    subject.revise(dot(a, 2), [dot(a, 1)]);
    subject.index.retract(dataset, a, 1, 9000);
    expect(subject.heads()).toEqual([dotText(dot(a, 1))]);
    expect(subject.revise(dot(a, 2), [], file(7))).toEqual(['p']);
    expect(subject.heads()).toEqual([dotText(dot(a, 1)), dotText(dot(a, 2))]);
  });

  it('concerns one dataset', () => {
    const subject = new Subject();
    subject.revise(dot(a, 2), []);
    expect(subject.index.retract(otherDataset, a, 0, 9000)).toEqual([]);
    expect(subject.heads()).toEqual([dotText(dot(a, 2))]);
  });
});

describe('an index', () => {
  it('finds contents by their whole root, also where others begin alike', () => {
    const subject = new Subject();
    const alike = rootOf(1).slice() as Hash;
    alike[8] = 2;
    subject.revise(dot(a, 1), [], file(1));
    subject.revise(dot(b, 1), [], { ...file(1), content: { root: alike, sizeBytes: 10, depth: 0 } } as FileState, 1000, 'q');
    expect(subject.index.headsWithRoot(rootOf(1)).map(({ path }) => path)).toEqual(['p']);
    expect(subject.index.revisionsWithRoot(alike).map(({ path }) => path)).toEqual(['q']);
  });

  it('that an earlier version laid down keeps every revision', () => {
    const catalog = openSqliteCatalog(':memory:');
    catalog.migrate({ component: fileIndexSchema.component, steps: fileIndexSchema.steps.slice(0, 1) });
    const enter = (sequence: number, head: number) =>
      catalog.run(
        `INSERT INTO file_revision (dataset, path, author, sequence, kind, root, size_bytes, depth, mtime_ns, mode, wall_ms, counter, clock_quality, head)
         VALUES (?, 'p', ?, ?, 'file', ?, 10, 0, '1000', 420, ?, 0, 'ntp', ?)`,
        identifierToBytes(dataset),
        identifierToBytes(a),
        sequence,
        rootOf(sequence),
        1000 * sequence,
        head,
      );
    enter(1, 0);
    enter(2, 1);
    const index = new FileIndex(catalog);
    expect(index.history(dataset, 'p').map(dotText)).toEqual([dotText(dot(a, 2)), dotText(dot(a, 1))]);
    expect(index.heads(dataset, 'p')).toMatchObject([file(2)]);
    expect(index.revisionsWithRoot(rootOf(1))).toMatchObject([{ path: 'p', sequence: 1, head: false }]);
    // It is entered once, as it was.
    expect(
      index.apply(
        dataset,
        dot(a, 2),
        { instant: { wallMs: 2000, counter: 0 }, clockQuality: 'ntp' },
        [{ path: 'p', superseded: [], ...file(2) }],
        1,
      ),
    ).toEqual([]);
  });
});
