import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/core/limits.ts';
import { isTreePath } from '../../../src/core/tree-path.ts';

describe('a tree path', () => {
  it.each(['a', 'a/b', '..a', 'a../b', '...', ' ', 'a\\b', 'ß/𝄞', 'x'.repeat(limits.pathBytesMax)])('stays below the root: %j', (path) => {
    expect(isTreePath(path)).toBe(true);
  });

  it.each(['', '/', '/a', 'a/', 'a//b', '.', '..', './a', '../a', 'a/..', 'a/./b', 'a\0', '\udc00', 'x'.repeat(limits.pathBytesMax + 1)])(
    'does not stay below the root: %j',
    (path) => {
      expect(isTreePath(path)).toBe(false);
    },
  );
});
