import { expect, test } from 'vitest';
import type { ConflictPolicy } from '../../src/node/membership.ts';
import { brokenPromises } from '../../src/simulation/checkers.ts';
import {
  type Camp,
  chain,
  expectConvergence,
  expectFile,
  folder,
  hour,
  minute,
  onDisk,
  type Pair,
  publish,
  radio,
  second,
  type Trio,
  textOnDisk,
} from './camp.ts';

/** Two nodes that agree on a file, part, and change it, each in its own way. */
async function apart(seed: number, policy: ConflictPolicy, path: string, base: string, left: string, right: string): Promise<Camp> {
  const camp = await chain(seed, ['camp', 'ridge'], radio, policy);
  const [a, b] = camp.nodes as Pair;
  await publish(camp, a, path, base);
  await expectFile(camp.world, b, path, base);
  camp.world.linkBetween('camp', 'ridge').cut();
  await publish(camp, a, path, left);
  await camp.world.runFor(minute);
  await publish(camp, b, path, right);
  return camp;
}

test('with the policy latest the later edit stands everywhere, and the earlier one stays in the history', async () => {
  const camp = await apart(71, 'latest', 'a.txt', 'base', 'earlier', 'later');
  const [a, b] = camp.nodes as Pair;
  camp.world.healAll();
  await expectFile(camp.world, a, 'a.txt', 'later');
  await expectConvergence(camp.world, hour);
  await camp.world.runFor(minute);
  expect(await textOnDisk(b, 'a.txt')).toBe('later');
  for (const { node } of camp.nodes) {
    expect(node.conflicts(camp.dataset)).toMatchObject([{ path: 'a.txt', resolution: 'latest' }]);
    expect(node.history(camp.dataset, 'a.txt').length).toBeGreaterThanOrEqual(4);
  }
});

test('with the policy keep-both each side keeps its bytes, under names that are the same everywhere', async () => {
  const camp = await apart(72, 'keep-both', 'dir/a.txt', 'base', 'one', 'two');
  const [a, b] = camp.nodes as Pair;
  camp.world.healAll();
  await camp.world.runFor(5 * minute);
  await expectConvergence(camp.world, hour);
  const pathsOf = ({ node }: Pair[0]): string[] => [...node.files(camp.dataset)].map(({ path }) => path);
  expect(pathsOf(a)).toEqual(pathsOf(b));
  expect(pathsOf(a)).toHaveLength(2);
  const texts = await Promise.all(pathsOf(a).map((path) => textOnDisk(a, path)));
  expect(texts.sort()).toEqual(['one', 'two']);
  expect(pathsOf(a)[0]).toMatch(/^dir\/a\.conflict-[0-9a-f]{8}-\d+\.txt$/);
});

test('with the policy ask nothing is decided until a person decides', async () => {
  const camp = await apart(73, 'ask', 'a.txt', 'base', 'one', 'two');
  const [a, b] = camp.nodes as Pair;
  camp.world.healAll();
  await camp.world.runFor(hour);
  expect([await textOnDisk(a, 'a.txt'), await textOnDisk(b, 'a.txt')]).toEqual(['one', 'two']);
  const [open] = a.node.conflicts(camp.dataset, { open: true });
  expect(open).toMatchObject({ path: 'a.txt', heads: expect.objectContaining({ length: 2 }) });
  const kept = a.node.history(camp.dataset, 'a.txt').find((revision) => revision.head && revision.author === b.node.id)!;
  expect(() => a.node.resolveConflict(camp.dataset, 'a.txt', { author: a.node.id, sequence: 999 })).toThrow(
    expect.objectContaining({ code: 'CONFLICT_UNKNOWN' }),
  );
  a.node.resolveConflict(camp.dataset, 'a.txt', kept);
  await expectFile(camp.world, a, 'a.txt', 'two');
  await expectConvergence(camp.world, hour);
  for (const { node } of camp.nodes) expect(node.conflicts(camp.dataset, { open: true })).toEqual([]);
});

test('what cannot be merged stays in conflict with a reason, and each side keeps its own on disk', async () => {
  const camp = await apart(74, 'merge', 'a.bin', '\0base', '\0one', '\0two');
  const [a, b] = camp.nodes as Pair;
  camp.world.healAll();
  await camp.world.runFor(hour);
  for (const { node } of camp.nodes) expect(node.conflicts(camp.dataset, { open: true })[0]?.detail).toContain('binary');
  expect([await textOnDisk(a, 'a.bin'), await textOnDisk(b, 'a.bin')]).toEqual(['\0one', '\0two']);
});

test('a file removed on one side and edited on the other is not decided by the merge', async () => {
  const camp = await chain(75, ['camp', 'ridge']);
  const [a, b] = camp.nodes as Pair;
  await publish(camp, a, 'a.csv', 'id,v\n1,1\n');
  await publish(camp, a, 'other.txt', 'stays');
  await expectFile(camp.world, b, 'other.txt', 'stays');
  await camp.world.finish(b.node.scan(camp.dataset, { settleMs: 0 }));
  camp.world.linkBetween('camp', 'ridge').cut();
  await b.directory(folder).remove('a.csv');
  await camp.world.finish(b.node.scan(camp.dataset, { settleMs: 0 }));
  await publish(camp, a, 'a.csv', 'id,v\n1,2\n');
  camp.world.healAll();
  await camp.world.runFor(hour);
  expect(a.node.conflicts(camp.dataset, { open: true })[0]?.detail).toContain('removal');
  for (const { node } of camp.nodes)
    expect([...node.files(camp.dataset)].map(({ path, inConflict }) => [path, inConflict])).toContainEqual(['a.csv', true]);
  expect(await textOnDisk(a, 'a.csv')).toBe('id,v\n1,2\n');
  expect(await onDisk(b, 'a.csv')).toBeUndefined();
});

test('three sites that edit one table apart end with one table', async () => {
  const camp = await chain(76, ['valley', 'ridge', 'coast']);
  const rows = ['1,0.4', '2,0.7', '3,1.1'];
  const table = (edited: Record<number, string>): string => `id,depth_m\n${rows.map((row, index) => edited[index] ?? row).join('\n')}\n`;
  const [valley, ridge, coast] = camp.nodes as Trio;
  await publish(camp, valley, 'pits.csv', table({}));
  for (const node of camp.nodes) await expectFile(camp.world, node, 'pits.csv', table({}));
  for (const link of camp.world.links) link.cut();
  await publish(camp, valley, 'pits.csv', table({ 0: '1,0.5' }));
  await publish(camp, ridge, 'pits.csv', table({ 1: '2,0.8' }));
  await publish(camp, coast, 'pits.csv', table({ 2: '3,1.2' }));
  await camp.world.runFor(minute);
  camp.world.healAll();
  for (const node of camp.nodes) await expectFile(camp.world, node, 'pits.csv', table({ 0: '1,0.5', 1: '2,0.8', 2: '3,1.2' }));
  await expectConvergence(camp.world, hour);
  expect(brokenPromises(camp.nodes)).toEqual([]);
});

test('a conflict that a node slept through is ended when it starts again', async () => {
  const camp = await apart(77, 'merge', 'pits.csv', 'id,v\n1,1\n2,2\n', 'id,v\n1,9\n2,2\n', 'id,v\n1,1\n2,8\n');
  const [a, b] = camp.nodes as Pair;
  // The first one's disk is the faster: it has everything that merging needs before the other does.
  a.node.onEvent((event) => {
    if (event.type === 'content-complete') a.kill();
  });
  camp.world.linkBetween('camp', 'ridge').heal();
  expect(await camp.world.until(() => !a.isRunning, hour)).toBe(true);
  b.kill();
  await camp.world.finish(a.start());
  await camp.world.runFor(10 * second);
  expect(await textOnDisk(a, 'pits.csv')).toBe('id,v\n1,9\n2,8\n');
});
