import { describe, expect, it } from 'vitest';
import type { MonotonicMs } from '../../../../src/core/time.ts';
import { Arrivals, isTemporaryName } from '../../../../src/instruments/drop-folder/arrivals.ts';
import type { FileStat } from '../../../../src/ports/file-tree.ts';

const file = (path: string, sizeBytes = 10, mtimeNs = 5n, inode = 1n): FileStat => ({
  path,
  kind: 'file',
  sizeBytes,
  mtimeNs,
  ctimeNs: 0n,
  inode,
  mode: 0o644,
});

/** Looks at files at some seconds; the paths found whole each time. */
function looks(settleMs: number, ...steps: [seconds: number, files: FileStat[]][]): string[][] {
  const arrivals = new Arrivals(settleMs);
  return steps.map(([seconds, files]) => arrivals.look(files, (seconds * 1000) as MonotonicMs).map(({ path }) => path));
}

describe('a dropped file', () => {
  it('is whole once it has been the same for a while, and is found once', () => {
    expect(looks(10_000, [0, [file('a')]], [5, [file('a')]], [10, [file('a')]], [60, [file('a')]])).toEqual([[], [], ['a'], []]);
  });

  it.each([
    ['grows', file('a', 11)],
    ['is written again', file('a', 10, 6n)],
    ['is replaced', file('a', 10, 5n, 2n)],
  ])('that %s is waited for anew, also after it was found', (_, changed) => {
    expect(looks(10_000, [0, [file('a')]], [9, [changed]], [18, [changed]], [19, [changed]])).toEqual([[], [], [], ['a']]);
    expect(looks(0, [0, [file('a')]], [1, [changed]])).toEqual([['a'], ['a']]);
  });

  it('that went away and came back is another one', () => {
    expect(looks(0, [0, [file('a')]], [1, []], [2, [file('a')]])).toEqual([['a'], [], ['a']]);
  });

  it('that could not be read is found again', () => {
    const arrivals = new Arrivals(0);
    const now = 0 as MonotonicMs;
    expect(arrivals.look([file('a')], now)).toHaveLength(1);
    arrivals.again('a');
    arrivals.again('never seen');
    expect(arrivals.look([file('a')], now)).toHaveLength(1);
  });

  it('is no link', () => {
    expect(looks(0, [0, [{ ...file('a'), kind: 'symlink' }]])).toEqual([[]]);
  });
});

it.each([
  ['met.dat', false],
  ['site/met.dat', false],
  ['tmp/met.dat', false],
  ['met.dat.tmp', true],
  ['met.dat.PART', true],
  ['met.filepart', true],
  ['.met.dat', true],
  ['site/~met.dat', true],
  ['met.dat~', true],
  ['.in.met.dat.', true],
  ['met.in.progress', true],
])('the name %s is temporary: %s', (path, expected) => {
  expect(isTemporaryName(path)).toBe(expected);
  expect(looks(0, [0, [file(path)]])[0]).toHaveLength(expected ? 0 : 1);
});
