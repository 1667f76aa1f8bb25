import { expect, test } from 'vitest';
import { limits } from '../../src/core/limits.ts';
import { seededRandom } from '../../src/core/random.ts';
import type { Catalog } from '../../src/ports/catalog.ts';
import type { SimulatedNodeOptions } from '../../src/simulation/simulated-node.ts';
import { withCatalog } from '../simulation/changed-catalog.ts';
import { chain, expectConvergence, folder, hour, minute, radio, type Trio } from './camp.ts';

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

test('a file that arrives costs no look at all the files that are still wanted', async () => {
  let rows = 0;
  const options: SimulatedNodeOptions = {
    platform: (platform) =>
      withCatalog(platform, (catalog) => ({
        *iterate<Row>(...parameters: Parameters<Catalog['iterate']>): IterableIterator<Row> {
          for (const row of catalog.iterate<Row>(...parameters)) {
            if (parameters[0].includes('FROM want')) rows++;
            yield row;
          }
        },
      })),
  };
  const camp = await chain(52, ['valley', 'ridge', 'coast'], { ...radio, rateBytesPerSecond: 1_000_000 }, 'merge', 'udp', options);
  const [valley] = camp.nodes as Trio;
  const random = seededRandom(52);
  const count = 800;
  for (let index = 0; index < count; index++) valley.directory(folder).put(`photo-${index}.bin`, random.bytes(400));
  await camp.world.finish(valley.node.scan(camp.dataset, { settleMs: 0 }));
  await expectConvergence(camp.world, hour);
  // Eight are asked for together; each time those that the relay lacks are passed over. One by one it is four times as much.
  expect(rows / (2 * count)).toBeLessThan(300);
});
