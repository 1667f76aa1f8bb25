import fc from 'fast-check';
import { expect, it } from 'vitest';
import { utf8 } from '../../../src/core/bytes.ts';
import { type RecordedFiles, ScanMerge } from '../../../src/datasets/scan-merge.ts';
import { pageText } from '../../../src/ports/sighting.ts';

/** Names around the separator, and around the surrogates: where the order of bytes, of UTF-16 units and of names in directories are three different ones. */
const name = fc.string({
  unit: fc.constantFrom('a', 'b', '-', '.', '0', '\u{e000}', '\u{ffff}', '\u{10000}', '\u{1f600}'),
  minLength: 1,
  maxLength: 3,
});
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join('/'));
const pathSet = fc.uniqueArray(path, { maxLength: 40 });

/** The catalog's order. */
function byBytes(a: string, b: string): number {
  return Buffer.compare(utf8(a), utf8(b));
}

/** A catalog of these files, which lists so many at a time. */
function catalogOf(recorded: readonly string[], pageSize: number, asked: string[] = []): RecordedFiles {
  const files = [...recorded].sort(byBytes).map((each) => ({ path: each, seen: `seen ${each}` }));
  const behind = (after: string) => files.filter((file) => byBytes(file.path, after) > 0);
  return {
    pageAfter: (after) => {
      asked.push(after);
      return behind(after).slice(0, pageSize);
    },
    textBetween: (after, last, filesMax) =>
      pageText(
        behind(after)
          .filter((file) => byBytes(file.path, last) <= 0)
          .slice(0, filesMax),
      ),
  };
}

/** The order of a walk: depth first, by names. */
function walkOrder(paths: readonly string[]): string[] {
  const key = (each: string) => each.replaceAll('/', '\0');
  return [...paths].sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

it('finds every recorded file and misses none, in the order of a walk and in any other', () => {
  fc.assert(
    fc.property(pathSet, pathSet, fc.integer({ min: 1, max: 7 }), fc.boolean(), (recorded, onDisk, pageSize, isWalk) => {
      const merge = new ScanMerge(catalogOf(recorded, pageSize));
      for (const each of isWalk ? walkOrder(onDisk) : onDisk) {
        expect(merge.meet(each)).toBe(recorded.includes(each) ? `seen ${each}` : undefined);
      }
      const unmet = [...merge.unmet()];
      expect(unmet.map((file) => file.path).sort()).toEqual(recorded.filter((each) => !onDisk.includes(each)).sort());
      expect(unmet.every((file) => file.seen === `seen ${file.path}`)).toBe(true);
    }),
    { seed: 3, numRuns: 500 },
  );
});

it('finds the same when whole pages are met at once, as far as they are what is recorded', () => {
  let pagesMet = 0;
  fc.assert(
    fc.property(
      pathSet,
      pathSet,
      fc.integer({ min: 1, max: 7 }),
      fc.nat(3),
      fc.boolean(),
      (paths, others, pageSize, changedEvery, isWalk) => {
        // Mostly what is recorded, some of it changed, some of it gone, and some new.
        const gone = new Set(others.slice(0, others.length >> 2));
        const recorded = paths;
        const onDisk = [...new Set([...paths.filter((each) => !gone.has(each)), ...others.slice(0, 2)])];
        const walk = (isWalk ? walkOrder(onDisk) : onDisk).map((path, at) => ({
          path,
          seen: changedEvery > 0 && at % (5 * changedEvery) === 4 ? 'changed' : `seen ${path}`,
        }));
        const merge = new ScanMerge(catalogOf(recorded, pageSize));
        for (let at = 0; at < walk.length; at += pageSize) {
          const page = walk.slice(at, at + pageSize);
          if (merge.meetAll(pageText(page))) {
            pagesMet++;
            expect(page.every(({ path, seen }) => recorded.includes(path) && seen === `seen ${path}`)).toBe(true);
          } else for (const { path } of page) expect(merge.meet(path)).toBe(recorded.includes(path) ? `seen ${path}` : undefined);
        }
        const unmet = [...merge.unmet()].map((file) => file.path).sort();
        expect(unmet).toEqual(recorded.filter((each) => !onDisk.includes(each)).sort());
      },
    ),
    { seed: 5, numRuns: 500 },
  );
  expect(pagesMet).toBeGreaterThan(100);
});

it('asks for each page once, and for one more to see that it was the last', () => {
  const paths = Array.from({ length: 10 }, (_, n) => `f${n}`);
  const asked: string[] = [];
  const merge = new ScanMerge(catalogOf(paths, 5, asked));
  for (const each of paths) merge.meet(each);
  merge.meet('z');
  expect([...merge.unmet()]).toEqual([]);
  expect(asked).toEqual(['', 'f4', 'f9']);
});
