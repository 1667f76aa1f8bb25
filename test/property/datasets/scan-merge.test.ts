import fc from 'fast-check';
import { expect, it } from 'vitest';
import { utf8 } from '../../../src/core/bytes.ts';
import { type RecordedFile, ScanMerge } from '../../../src/datasets/scan-merge.ts';

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

function pagesOf(recorded: readonly string[], pageSize: number, asked: string[] = []): (after: string) => RecordedFile[] {
  const files = [...recorded].sort(byBytes).map((each) => ({ path: each, seen: `seen ${each}` }));
  return (after) => {
    asked.push(after);
    return files.filter((file) => byBytes(file.path, after) > 0).slice(0, pageSize);
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
      const merge = new ScanMerge(pagesOf(recorded, pageSize));
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

it('asks for each page once, and for one more to see that it was the last', () => {
  const paths = Array.from({ length: 10 }, (_, n) => `f${n}`);
  const asked: string[] = [];
  const merge = new ScanMerge(pagesOf(paths, 5, asked));
  for (const each of paths) merge.meet(each);
  merge.meet('z');
  expect([...merge.unmet()]).toEqual([]);
  expect(asked).toEqual(['', 'f4', 'f9']);
});
