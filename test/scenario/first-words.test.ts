import { expect, test } from 'vitest';
import type { LinkModel } from '../../src/simulation/virtual-link.ts';
import { chain, expectConvergence, hour, minute, type Pair, publish } from './camp.ts';

/** How soon two members who know each other are told what is new, when both have to begin from nothing: a handshake, and no session from before. */

const satellite: LinkModel = { delayMs: 300, rateBytesPerSecond: 31_250, queueBytes: 32_000 };

/** Round trips from the first packet to the first news at each end, and the bytes that passed both ways until the last of them. */
async function meeting(seed: number, writers: readonly ('camp' | 'ridge')[], scheme: 'udp' | 'tcp' = 'udp') {
  const camp = await chain(seed, ['camp', 'ridge'], satellite, 'merge', scheme);
  const { world } = camp;
  const nodes = camp.nodes as Pair;
  const link = world.linkBetween('camp', 'ridge');
  await publish(camp, nodes[0], 'plan.txt', 'day 1');
  await expectConvergence(world, hour);
  await world.runFor(10 * minute);
  link.cut();
  for (const node of nodes) if (writers.includes(node.name as 'camp')) await publish(camp, node, `${node.name}.txt`, 'news');
  for (const node of nodes) await world.finish(node.stop());
  for (const node of nodes) await world.finish(node.start());
  for (const node of nodes) node.node.attach(camp.dataset, 'field');
  await world.runFor(minute);
  const bytes = () => link.trafficFrom('camp').bytes + link.trafficFrom('ridge').bytes;
  const before = bytes();
  link.heal();
  expect(await world.until(() => bytes() > before, 2 * minute)).toBe(true);
  const begunAt = world.nowMs;
  const heardAt = new Map<string, number>();
  let passed = 0;
  for (const node of nodes)
    node.node.onEvent((event) => {
      if (event.type !== 'entries' || heardAt.has(node.name)) return;
      heardAt.set(node.name, (world.nowMs - begunAt) / (2 * satellite.delayMs));
      passed = bytes() - before;
    });
  expect(await world.until(() => heardAt.size === writers.length, minute)).toBe(true);
  await expectConvergence(world, hour);
  return { camp: heardAt.get('camp'), ridge: heardAt.get('ridge'), bytes: passed };
}

test.each([
  { writers: ['camp'], scheme: 'udp', camp: undefined, ridge: 2, bytes: 1300 },
  { writers: ['ridge'], scheme: 'udp', camp: 1.5, ridge: undefined, bytes: 1100 },
  { writers: ['camp', 'ridge'], scheme: 'udp', camp: 1.5, ridge: 2, bytes: 1800 },
  // A connection costs a round trip before.
  { writers: ['camp', 'ridge'], scheme: 'tcp', camp: 2.5, ridge: 3, bytes: 1900 },
] as const)('news of $writers: that of ridge, who dials over $scheme, takes $camp round trips, that of camp $ridge', async (each) => {
  const { camp, ridge, bytes } = await meeting(711, each.writers, each.scheme);
  expect(camp === undefined ? undefined : Math.round(camp * 10) / 10).toBe(each.camp);
  expect(ridge === undefined ? undefined : Math.round(ridge * 10) / 10).toBe(each.ridge);
  expect(bytes).toBeLessThan(each.bytes);
});
