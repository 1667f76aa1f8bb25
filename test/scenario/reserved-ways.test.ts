import { expect, test } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import type { SimulatedNode } from '../../src/simulation/simulated-node.ts';
import type { LinkModel } from '../../src/simulation/virtual-link.ts';
import { World } from '../../src/simulation/world.ts';
import { type Camp, expectFile, folder, hour, publish, second } from './camp.ts';

/** An Ethernet, and beside it a satellite that a budget keeps for what is urgent. */

const ethernet: LinkModel = { delayMs: 5, rateBytesPerSecond: 100_000, queueBytes: 64_000 };
const satellite: LinkModel = { delayMs: 300, rateBytesPerSecond: 25_000, queueBytes: 64_000 };
const forUrgent = {
  name: 'satellite',
  address: '*.sat',
  period: { kind: 'month' },
  limitBytes: 1_000_000,
  counts: 'sent',
  least: 'critical',
} as const;

test('urgent data takes the satellite when the Ethernet dies, and everything else waits, says why, and goes by the Ethernet again', async () => {
  const world = new World({ seed: 61 });
  const [camp, ridge] = [await world.add('camp', {}), await world.add('ridge', {})] as [SimulatedNode, SimulatedNode];
  world.link('camp', 'ridge', ethernet);
  world.link('camp', 'ridge', satellite, satellite, 'sat');
  camp.node.createTeam('Storbreen');
  const dataset = camp.node.createDataset({ name: 'field', kind: 'files' });
  const alarms = camp.node.createDataset({ name: 'alarms', kind: 'files', priority: 'critical' });
  await world.finish(camp.node.listen('udp://camp:7077'));
  const addresses = ['udp://camp:7077', 'udp://camp.sat:7077'];
  await world.finish(ridge.node.join(camp.node.createInvite({ addresses })), hour);
  expect(await world.until(() => ridge.node.datasets().length === 2, hour)).toBe(true);
  for (const each of [camp, ridge]) {
    for (const [path, id] of [
      [folder, dataset],
      ['alarms', alarms],
    ] as const) {
      each.directory(path);
      each.node.attach(id, path);
    }
    each.node.bandwidth.setBudget(forUrgent);
  }
  const both: Camp = { world, nodes: [camp, ridge], dataset };
  const overSatellite = () => {
    const link = world.linkBetween('camp', 'ridge', 'sat');
    return link.trafficFrom('camp').bytes + link.trafficFrom('ridge').bytes;
  };

  // Long enough for a second way to be tried, but not one that costs what this one does not.
  const first = seededRandom(1).bytes(3_000_000);
  await publish(both, camp, 'first.bin', first);
  await expectFile(world, ridge, 'first.bin', first, 100 * second);
  expect(overSatellite()).toBe(0);

  const path = world.linkBetween('camp', 'ridge');
  path.cut();
  const waiting = seededRandom(2).bytes(400_000);
  await publish(both, ridge, 'waiting.bin', waiting);
  ridge.directory('alarms').put('flood.txt', seededRandom(3).bytes(300));
  await world.finish(ridge.node.scan(alarms, { settleMs: 0 }));
  expect(await world.until(() => [...camp.node.files(alarms)].some(({ complete }) => complete), 300 * second)).toBe(true);
  await world.runFor(600 * second);
  const spent = overSatellite();
  expect(spent).toBeGreaterThan(300);
  expect(spent).toBeLessThan(20_000);
  expect(await world.until(() => ridge.node.bandwidth.waiting().length > 0, 60 * second)).toBe(true);
  expect(ridge.node.bandwidth.waiting()).toMatchObject([{ peer: camp.node.id, reason: 'WAY_RESERVED', budget: 'satellite' }]);

  path.heal();
  await expectFile(world, camp, 'waiting.bin', waiting, 120 * second);
  expect(overSatellite() - spent).toBeLessThan(20_000);
  expect(ridge.node.bandwidth.waiting()).toEqual([]);
});
