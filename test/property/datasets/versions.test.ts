import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type DatasetId, type Hash, identifier, type NodeId } from '../../../src/core/identifiers.ts';
import { FileIndex } from '../../../src/datasets/file-index.ts';
import type { Dot } from '../../../src/datasets/log-entry.ts';
import { VersionVector } from '../../../src/datasets/version-vector.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';

const dataset = identifier<DatasetId>(new Uint8Array(32).fill(1));
const authors = [11, 12, 13].map((byte) => identifier<NodeId>(new Uint8Array(32).fill(byte)));

/** A history: who wrote, to which of two paths, and of the heads it saw which it replaced. */
const step = fc.record({ author: fc.nat(2), path: fc.constantFrom('p', 'q'), replaced: fc.array(fc.nat(5), { maxLength: 3 }) });

function apply(index: FileIndex, dot: Dot, path: string, superseded: readonly Dot[], number: number): void {
  const content = { root: new Uint8Array(32).fill(number) as Hash, sizeBytes: 10, depth: 0 };
  const change = { path, superseded, kind: 'file', content, mtimeNs: 1n, mode: 0o644 } as const;
  index.apply(dataset, dot, { instant: { wallMs: number, counter: 0 }, clockQuality: 'ntp' }, [change], 1);
}

it('what stood at a path in a version is what stood there when the version was the present one', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 14 }), (steps) => {
      const index = new FileIndex(openSqliteCatalog(':memory:'));
      const lengths = new Map<NodeId, number>();
      const seen: { version: VersionVector; heads: Record<string, string[]> }[] = [];
      const names = (path: string, heads = index.heads(dataset, path)) => heads.map(({ author, sequence }) => `${author}/${sequence}`);
      for (const [at, { author: who, path, replaced }] of steps.entries()) {
        const author = authors[who] as NodeId;
        const sequence = (lengths.get(author) ?? 0) + 1;
        lengths.set(author, sequence);
        const heads = index.heads(dataset, path);
        const superseded = [...new Set(replaced)].flatMap((each) => (heads[each] === undefined ? [] : [heads[each]]));
        apply(index, { author, sequence }, path, superseded, at + 1);
        seen.push({ version: VersionVector.of(lengths), heads: { p: names('p'), q: names('q') } });
      }
      for (const [at, { version, heads }] of seen.entries()) {
        for (const path of ['p', 'q']) {
          expect(names(path, index.headsAt(dataset, path, version))).toEqual(heads[path]);
          for (const revision of index.history(dataset, path))
            expect(index.stoodIn(dataset, path, revision, version)).toBe(heads[path]?.includes(`${revision.author}/${revision.sequence}`));
        }
        const touched = new Set(steps.slice(at + 1).map(({ path }) => path));
        const present = seen.at(-1)?.version as VersionVector;
        expect(index.pathsIn(dataset, present.missingFrom(version))).toEqual([...touched].sort());
      }
    }),
    { numRuns: 80, seed: 14 },
  );
});
