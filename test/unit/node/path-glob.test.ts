import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matchesGlob } from '../../../src/node/path-glob.ts';

/** The same by regular expression, which may take exponential time. */
function naive(glob: string, path: string): boolean {
  const names = glob.split('/').map((name) =>
    name === '**'
      ? '**'
      : name
          .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
          .replaceAll(/\*+/g, '[^/]*')
          .replaceAll('?', '[^/]'),
  );
  const matchNames = (wanted: readonly string[], given: readonly string[]): boolean => {
    const [first, ...rest] = wanted;
    if (first === undefined) return given.length === 0;
    if (first === '**') return matchNames(rest, given) || (given.length > 0 && matchNames(wanted, given.slice(1)));
    return given[0] !== undefined && new RegExp(`^${first}$`, 'su').test(given[0]) && matchNames(rest, given.slice(1));
  };
  return matchNames(names, path.split('/'));
}

describe('a path pattern', () => {
  it.each([
    ['a.csv', 'a.csv', true],
    ['*.csv', 'a.csv', true],
    ['*.csv', 'dir/a.csv', false],
    ['**/*.csv', 'a.csv', true],
    ['**/*.csv', 'x/y/a.csv', true],
    ['data/**', 'data/x/y', true],
    ['data/**', 'database', false],
    ['data/**/raw/*', 'data/raw/x', true],
    ['data/**/raw/*', 'data/a/b/raw/x', true],
    ['a?c', 'abc', true],
    ['a?c', 'a/c', false],
    ['a?c', 'a😀c', true],
    ['[ab].txt', '[ab].txt', true],
    ['**', 'anything/at/all', true],
  ])('%s and %s: %s', (glob, path, expected) => {
    expect(matchesGlob(glob, path)).toBe(expected);
  });

  it('matches what a naive matcher matches', () => {
    const name = fc.stringMatching(/^[ab*?.]{1,5}$/);
    const pattern = fc.array(fc.oneof(fc.constant('**'), name), { minLength: 1, maxLength: 4 }).map((names) => names.join('/'));
    const path = fc.array(fc.stringMatching(/^[ab.]{1,5}$/), { minLength: 1, maxLength: 5 }).map((names) => names.join('/'));
    fc.assert(
      fc.property(pattern, path, (glob, given) => {
        expect(matchesGlob(glob, given)).toBe(naive(glob, given));
      }),
      { numRuns: 2000, seed: 7 },
    );
  });

  it('of many stars is no way to keep a node busy', () => {
    expect(matchesGlob('*a'.repeat(500), `${'a'.repeat(4000)}b`)).toBe(false);
    expect(matchesGlob(`${'**/a/'.repeat(200)}z`, `${'a/'.repeat(2000)}b`)).toBe(false);
  });
});
