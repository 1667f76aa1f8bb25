import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pageText, sightingsOf } from '../../../src/ports/sighting.ts';
import { betweenRuns, mergeListings } from '../../../src/runtime/merged-listing.ts';

/** What a lane lists, in pages of so many names, of runs of one or of all of them; notes when it ends. */
async function* lane(paths: readonly string[], namesInPage: number, onEnd: () => void): AsyncGenerator<string, void, void> {
  try {
    for (let at = 0; at < paths.length; at += namesInPage) {
      const runs = paths.slice(at, at + namesInPage).map((path) => ({ path, seen: `seen ${path}` }));
      // Some runs that end within a directory, and some that are all of a page.
      yield namesInPage % 2 === 0 ? pageText(runs) : runs.map((each) => pageText([each])).join(betweenRuns);
    }
  } finally {
    onEnd();
  }
}

/** The order of a walk, by names and not by whole paths. */
function inWalk(a: string, b: string): number {
  const [namesA, namesB] = [a.split('/'), b.split('/')];
  for (let at = 0; at < Math.min(namesA.length, namesB.length); at++) {
    const [nameA, nameB] = [namesA[at] as string, namesB[at] as string];
    if (nameA !== nameB) return nameA < nameB ? -1 : 1;
  }
  return namesA.length - namesB.length;
}

const name = fc.stringMatching(/^[ab.-]{1,3}$/);
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join('/'));

describe('listings of several lanes', () => {
  it('are merged into the order of one walk, each path once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(path, fc.nat(6)), { maxLength: 60 }),
        fc.integer({ min: 1, max: 7 }),
        async (told, namesInPage) => {
          const lists = [0, 1, 2].map((index) => {
            // A few paths are told by two lanes.
            const own = told.filter(([, owner]) => owner % 3 === index || (owner === 6 && index === 1)).map(([each]) => each);
            return [...new Set(own)].sort(inWalk);
          });
          const merged = (await Array.fromAsync(mergeListings(lists.map((list) => lane(list, namesInPage, () => {}))))).flatMap(
            sightingsOf,
          );
          const expected = [...new Set(told.map(([each]) => each))].sort(inWalk);
          expect(merged).toEqual(expected.map((each) => ({ path: each, seen: `seen ${each}` })));
        },
      ),
    );
  });

  it('end with whoever stops early', async () => {
    const ended: number[] = [];
    // Names so long that some make a page.
    const long = (name: string) => name.repeat(100_000);
    const lanes = [lane([long('a'), long('c'), long('e')], 1, () => ended.push(0)), lane([long('b'), long('d')], 1, () => ended.push(1))];
    for await (const page of mergeListings(lanes)) {
      expect(sightingsOf(page).map(({ path }) => path)).toEqual([long('a')]);
      break;
    }
    expect(ended.sort()).toEqual([0, 1]);
  });

  it('fail with any of them, which ends the others', async () => {
    const ended: number[] = [];
    async function* failing(): AsyncGenerator<string, void, void> {
      yield 'a\0seen a';
      throw new Error('unplugged');
    }
    await expect(Array.fromAsync(mergeListings([failing(), lane(['b'], 1, () => ended.push(1))]))).rejects.toThrow('unplugged');
    expect(ended).toEqual([1]);
  });
});
