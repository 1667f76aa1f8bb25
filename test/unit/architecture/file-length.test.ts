import { expect, test } from 'vitest';
import { sourceModules } from './source-modules.ts';

const linesMax = 600;

/** Longer modules, with what keeps each in one piece and the length it may reach. */
const longerFor: Readonly<Record<string, { readonly linesMax: number; readonly reason: string }>> = {
  'session/endpoint.ts': {
    linesMax: 800,
    reason: 'one table of sessions, paths and handshakes, which every input consults and changes together',
  },
};

test('No module is longer than 600 lines without a reason, and the list of reasons holds no others', () => {
  const lines = sourceModules().map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }));
  const tooLong = lines.filter((each) => each.lines > (longerFor[each.path]?.linesMax ?? linesMax));
  expect(tooLong).toEqual([]);
  const needed = lines.filter((each) => each.lines > linesMax).map(({ path }) => path);
  expect(Object.keys(longerFor).sort()).toEqual(needed.sort());
});
