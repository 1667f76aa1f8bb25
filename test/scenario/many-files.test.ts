import { expect, test } from 'vitest';
import { limits } from '../../src/core/limits.ts';
import { seededRandom } from '../../src/core/random.ts';
import { chain, expectConvergence, folder, hour, minute, type Trio } from './camp.ts';

const slow = { delayMs: 400, rateBytesPerSecond: 1500, queueBytes: 8000 };

test('hundreds of files pass through a relay that has none of them when it is asked', async () => {
  const camp = await chain(51, ['valley', 'ridge', 'coast']);
  const [valley, ridge, coast] = camp.nodes as Trio;
  camp.world.linkBetween('ridge', 'coast').change(slow);
  const random = seededRandom(51);
  const count = 3 * limits.wantsPerSessionMax;
  for (let index = 0; index < count; index++) valley.directory(folder).put(`photo-${index}.bin`, random.bytes(400 + random.below(400)));
  await camp.world.finish(valley.node.scan(camp.dataset, { settleMs: 0 }));
  // Everybody knows of the files; only the valley has them.
  expect(await camp.world.until(() => ridge.node.outstanding().contents > 0, minute)).toBe(true);
  camp.world.linkBetween('valley', 'ridge').cut();
  await camp.world.runFor(10 * minute);
  expect(coast.node.outstanding().contents).toBeGreaterThan(2 * limits.wantsPerSessionMax);
  camp.world.linkBetween('valley', 'ridge').heal();
  await expectConvergence(camp.world, hour);
  expect([...coast.node.files(camp.dataset)]).toHaveLength(count);
});
