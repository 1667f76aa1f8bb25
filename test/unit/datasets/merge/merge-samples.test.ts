import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { mergeThreeWay } from '../../../../src/datasets/merge/merge-three-way.ts';

const folder = new URL('../../../../../shared/samples/toa5/', import.meta.url);
const missing = !existsSync(folder);
if (missing) {
  if (process.env.CI === 'true') throw new Error('the sample files of toa5 (shared/samples/toa5) are needed in CI');
  process.emitWarning('skipped: the sample files of toa5 (shared/samples/toa5) are not on this machine');
}

describe.skipIf(missing)('merging copies of one growing logger file', () => {
  // Three copies that were fetched one after the other; the last one ends in the middle of a line.
  const copy = (name: string) => new Uint8Array(readFileSync(new URL(name, folder)));
  const names = ['cr3000_grow1.dat', 'cr3000_grow2.dat', 'cr3000_grow4.dat'] as const;

  it.each([
    ['from the first copy', true],
    ['from nothing', false],
  ])('gives the longest one, %s', (_, known) => {
    const [first, second, last] = [copy(names[0]), copy(names[1]), copy(names[2])];
    const base = known ? first : undefined;
    expect(mergeThreeWay({ base, left: second, right: last, path: 'Table213.dat' })).toEqual({ outcome: 'merged', bytes: last });
    expect(mergeThreeWay({ base, left: last, right: second.subarray(0, -200), path: 'Table213.dat' })).toEqual({
      outcome: 'merged',
      bytes: last,
    });
  });
});
