import { expect, test } from 'vitest';
import { utf8 } from '../../src/core/bytes.ts';
import { brokenPromises, converged, differences, FileWork, incompleteHeads, World, wrongHeads } from '../../src/simulation/index.ts';

/** Every checker must see the mistake it is there for: each is planted in a world where all is well. */
async function worldInOrder() {
  const world = new World({ seed: 5 });
  const [a, b] = [await world.add('a'), await world.add('b')];
  world.link('a', 'b', { delayMs: 20 });
  a.node.createTeam('T');
  await world.finish(a.node.listen('udp://a:7077'));
  await world.finish(b.node.join(a.node.createInvite()));
  const dataset = a.node.createDataset({ name: 'd', kind: 'files' });
  a.directory('d').put('x.txt', utf8('one'));
  a.node.attach(dataset, 'd');
  await world.finish(a.node.scan(dataset, { settleMs: 0 }));
  const work = new FileWork(dataset, 'd', world.random);
  await work.edit(a, 1, 500);
  await world.finish(work.publish(a));
  await world.until(() => converged([a, b]), 60_000);
  await world.runFor(5000);
  return { world, a, b, dataset, work };
}

test('a world in order is found in order', async () => {
  const { a, b, work } = await worldInOrder();
  expect(converged([a, b])).toBe(true);
  expect([differences([]), brokenPromises([a, b]), wrongHeads(a), wrongHeads(b), await work.lost(b)]).toEqual([[], [], [], [], []]);
});

test('a dropped head, and one that was replaced but still stands, are seen', async () => {
  const { world, a, b, dataset } = await worldInOrder();
  b.catalog.run("UPDATE file_revision SET head = 0 WHERE path = 'x.txt'");
  expect(wrongHeads(b)).toEqual([expect.stringMatching(/^b dropped the head .* x\.txt /)]);
  expect(converged([a, b])).toBe(false);
  expect(differences([a, b])[0]).toContain('b: nothing');
  expect(differences([b, a])[0]).toContain('b: nothing');
  a.directory('d').put('x.txt', utf8('two'));
  await world.finish(a.node.scan(dataset, { settleMs: 0 }));
  expect(wrongHeads(a)).toEqual([]);
  a.catalog.run('UPDATE file_revision SET head = 1');
  expect(wrongHeads(a)).toEqual([expect.stringMatching(/^a shows .* x\.txt .*, which was replaced$/)]);
});

test('a receipt for what is not held is seen: entries, and contents', async () => {
  const { a, b } = await worldInOrder();
  b.catalog.run("UPDATE content SET state = 'doubtful'");
  expect(brokenPromises([a, b]).some((line) => line.startsWith('b promised the content of'))).toBe(true);
  expect(incompleteHeads(b).length).toBeGreaterThan(0);
  b.catalog.run('UPDATE log SET length = length - 1 WHERE length > 1');
  expect(brokenPromises([a, b]).some((line) => /^b promised \d+ entries of/.test(line))).toBe(true);
});

test('an acknowledged revision that is gone, or does not read as it was written, is seen', async () => {
  const { a, b, work } = await worldInOrder();
  expect(work.acknowledged).toBe(1);
  b.catalog.run("UPDATE content SET state = 'doubtful'");
  expect(await work.lost(b)).toEqual([expect.stringContaining('b cannot read')]);
  b.catalog.run('DELETE FROM file_revision');
  expect(await work.lost(b)).toEqual([expect.stringContaining('b does not know')]);
  expect(await work.lost(a)).toEqual([]);
});
