import { expect, test } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import { chain, deliveryByName, expectFile, minute, publish, second, type Trio } from './camp.ts';

// A relay whose copy goes bad while only the one that waits for it is in reach: neither may wait for the other once the author is back.
test.each([81_101, 81_102, 81_103, 81_104])('a content that went bad at a relay comes from its author again, seed %i', async (seed) => {
  const camp = await chain(seed, ['glacier', 'ridge', 'coast']);
  const [glacier, ridge, coast] = camp.nodes as Trio;
  const recording = seededRandom(3).bytes(200_000);
  camp.world.linkBetween('ridge', 'coast').cut();
  await publish(camp, glacier, 'radar.bin', recording);
  while (deliveryByName(glacier, camp.dataset).ridge !== 'delivered') await camp.world.runFor(second);
  camp.world.linkBetween('glacier', 'ridge').cut();
  ridge.rotChunk();
  camp.world.linkBetween('ridge', 'coast').heal();
  await camp.world.runFor(10 * minute);
  camp.world.linkBetween('glacier', 'ridge').heal();
  await expectFile(camp.world, coast, 'radar.bin', recording, 10 * minute);
  expect(ridge.node.outstanding()).toEqual({ contents: 0, bytes: 0 });
});
