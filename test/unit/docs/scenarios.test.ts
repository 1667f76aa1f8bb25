import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const project = new URL('../../../', import.meta.url);
const folder = new URL('test/scenario/named/', project);

test('the list of named scenarios names every test of theirs, with its file, and no other', () => {
  const tests = readdirSync(folder).flatMap((file) =>
    [...readFileSync(new URL(file, folder), 'utf8').matchAll(/^test\('([^']+)'/gm)].map(([, title]) => `${title} (${file})`),
  );
  const listed = [...readFileSync(new URL('docs/scenarios.md', project), 'utf8').matchAll(/^\| (.+?) +\| (.+?) +\| `(.+)` +\|$/gm)].map(
    ([, scenario, shown, file]) => `${scenario}: ${shown} (${file})`,
  );
  expect(tests.length).toBeGreaterThan(10);
  expect(listed.sort()).toEqual(tests.sort());
});
