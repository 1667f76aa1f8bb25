import { expect, test } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import { brokenPromises } from '../../src/simulation/checkers.ts';
import {
  chain,
  deliveryByName,
  expectConvergence,
  expectFile,
  folder,
  hour,
  minute,
  type Pair,
  publish,
  radio,
  second,
  type Trio,
  textOnDisk,
} from './camp.ts';

test.each(['udp', 'tcp'] as const)('two nodes keep a folder in step over %s', async (scheme) => {
  const camp = await chain(1, ['camp', 'ridge'], radio, 'merge', scheme);
  const [a, b] = camp.nodes as Pair;
  await publish(camp, a, 'notes/pit-1.txt', 'snow');
  await expectFile(camp.world, b, 'notes/pit-1.txt', 'snow', minute);
  await publish(camp, b, 'notes/pit-1.txt', 'snow, 1.4 m');
  await publish(camp, b, 'radar.bin', seededRandom(3).bytes(60_000));
  await expectFile(camp.world, a, 'notes/pit-1.txt', 'snow, 1.4 m', minute);
  await expectFile(camp.world, a, 'radar.bin', seededRandom(3).bytes(60_000), minute);
  await a.directory(folder).remove('radar.bin');
  await camp.world.finish(a.node.scan(camp.dataset, { settleMs: 0 }));
  await camp.world.runFor(10 * second);
  expect(await b.directory(folder).stat('radar.bin')).toBeUndefined();
  await expectConvergence(camp.world, minute);
  expect(brokenPromises(camp.nodes)).toEqual([]);
  expect(deliveryByName(a, camp.dataset)).toEqual({ ridge: 'delivered' });
  expect(deliveryByName(b, camp.dataset)).toEqual({ camp: 'delivered' });
});

test('what two ends of a chain write passes through the middle, though they never meet', async () => {
  const camp = await chain(2, ['valley', 'ridge', 'coast']);
  const [valley, ridge, coast] = camp.nodes as Trio;
  camp.world.linkBetween('ridge', 'coast').cut();
  await publish(camp, valley, 'profile.bin', seededRandom(4).bytes(100_000));
  await expectFile(camp.world, ridge, 'profile.bin', seededRandom(4).bytes(100_000));
  await camp.world.runFor(5 * second);
  expect(deliveryByName(valley, camp.dataset)).toEqual({ ridge: 'delivered', coast: 'custody' });
  camp.world.linkBetween('valley', 'ridge').cut();
  await publish(camp, coast, 'tide.txt', 'low at 4');
  camp.world.linkBetween('ridge', 'coast').heal();
  await expectFile(camp.world, coast, 'profile.bin', seededRandom(4).bytes(100_000));
  await expectFile(camp.world, ridge, 'tide.txt', 'low at 4');
  camp.world.linkBetween('ridge', 'coast').cut();
  camp.world.linkBetween('valley', 'ridge').heal();
  await expectFile(camp.world, valley, 'tide.txt', 'low at 4');
  await expectConvergence(camp.world, hour);
  // The receipt of the far end comes back the same way.
  camp.world.healAll();
  await camp.world.runFor(5 * minute);
  expect(deliveryByName(valley, camp.dataset)).toEqual({ ridge: 'delivered', coast: 'delivered' });
  expect(brokenPromises(camp.nodes)).toEqual([]);
});

test('a table edited at both ends while they were apart is merged, and both ends agree', async () => {
  const camp = await chain(3, ['camp', 'ridge']);
  const [a, b] = camp.nodes as Pair;
  await publish(camp, a, 'pits.csv', 'id,depth_m\n1,0.4\n2,0.7\n3,1.1\n');
  await expectFile(camp.world, b, 'pits.csv', 'id,depth_m\n1,0.4\n2,0.7\n3,1.1\n');
  camp.world.linkBetween('camp', 'ridge').cut();
  await publish(camp, a, 'pits.csv', 'id,depth_m\n1,0.5\n2,0.7\n3,1.1\n');
  await publish(camp, b, 'pits.csv', 'id,depth_m\n1,0.4\n2,0.7\n3,1.2\n4,1.6\n');
  await camp.world.runFor(hour);
  camp.world.healAll();
  await expectFile(camp.world, a, 'pits.csv', 'id,depth_m\n1,0.5\n2,0.7\n3,1.2\n4,1.6\n');
  await expectFile(camp.world, b, 'pits.csv', await textOnDisk(a, 'pits.csv'));
  await expectConvergence(camp.world, hour);
  for (const node of camp.nodes) {
    expect(node.node.conflicts(camp.dataset, { open: true })).toEqual([]);
    expect(node.node.conflicts(camp.dataset)).toMatchObject([{ path: 'pits.csv', heads: expect.objectContaining({ length: 2 }) }]);
  }
  // Whoever was first merged; the other may only have seen the result.
  expect(camp.nodes.flatMap(({ node }) => node.conflicts(camp.dataset).map(({ resolution }) => resolution))).toContain('merge');
});
