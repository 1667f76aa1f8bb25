import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { linkPresets, type RehearsalReport, rehearsalMarkdown, rehearse } from '../../../src/simulation/index.ts';

const guide = readFileSync(new URL('../../../docs/rehearsal.md', import.meta.url), 'utf8');
const example = /```js\n([\s\S]*?)```/.exec(guide)?.[1] ?? '';

test('the example of the guide runs as it stands, in about thirty lines, and its report says what breaks first', async () => {
  const [importing = '', ...body] = example.split('\n');
  expect(importing).toBe("import { rehearsalMarkdown, rehearse } from 'godwit/simulation';");
  expect(body.length).toBeLessThan(34);
  const AsyncFunction = (async () => undefined).constructor as new (
    ...parts: string[]
  ) => (...values: unknown[]) => Promise<RehearsalReport>;
  const printed: string[] = [];
  const run = new AsyncFunction('rehearse', 'rehearsalMarkdown', 'console', `${body.join('\n')}\nreturn report;`);
  const report = await run(rehearse, rehearsalMarkdown, { log: (text: string) => printed.push(text) });
  const [page = ''] = printed;
  for (const heading of ['# Upper Alm', '## What breaks first', '## Deliveries', '## Links', '## Sites']) expect(page).toContain(heading);
  expect(report.margins[0]).toMatchObject({ kind: expect.any(String) as string });
  expect(report.deliveries.map(({ priority, delivered }) => [priority, delivered > 0])).toEqual([
    ['emergency', true],
    ['normal', true],
    ['bulk', true],
  ]);
  expect(report.links.find(({ kind }) => kind === 'stick')?.bytes[0]).toBeGreaterThan(200_000);
});

test('the guide lists every preset', () => {
  const listed = [...guide.matchAll(/^\| `([\w-]+)` +\| [A-Z]/gm)].map(([, name]) => name);
  expect(listed).toEqual(Object.keys(linkPresets));
});
