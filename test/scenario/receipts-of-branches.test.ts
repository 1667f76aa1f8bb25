import { expect, test } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import { forkedLogs } from '../../src/simulation/checkers.ts';
import type { SimulatedNode } from '../../src/simulation/simulated-node.ts';
import { chain, deliveryByName, expectFile, hour, minute, type Pair, publish, radio } from './camp.ts';

/**
 * Two camps and two trucks. The first truck carries; the second brings nothing but receipts. The west camp is set back to a backup from before its photo, and writes something else under the photo's number, which the
 * east camp gets.
 */
async function numbersMeanTwoThings(seed: number) {
  const camp = await chain(seed, ['west', 'east']);
  const { world } = camp;
  const [west, east] = camp.nodes as Pair;
  const trucks: SimulatedNode[] = [];
  for (const name of ['truck', 'pickup']) {
    const truck = await world.add(name);
    await world.finish(truck.node.listen(`udp://${name}:7077`, { keep: true }));
    for (const place of ['west', 'east', ...trucks.map((other) => other.name)]) world.link(place, name, radio);
    await world.finish(truck.node.join(west.node.createInvite({ role: 'carrier' })), hour);
    for (const { node } of [west, east, ...trucks]) node.addContact(truck.node.id, [`udp://${name}:7077`]);
    trucks.push(truck);
  }
  const [truck, pickup] = trucks as [SimulatedNode, SimulatedNode];
  pickup.node.mesh.setRelaying({ custody: false });
  /** These two are in reach of each other, and nobody else of anybody. */
  const meet = async (...names: readonly string[]): Promise<void> => {
    for (const link of world.links) {
      if (link.ends.every((end) => names.includes(end))) link.heal();
      else link.cut();
    }
    for (const { node } of world.nodes) node.hint();
    await world.runFor(3 * minute);
  };
  await meet('west', 'east');
  await meet('west', 'truck');
  const backup = west.backup();
  const photo = seededRandom(seed).bytes(300_000);
  await publish(camp, west, 'photo.raw', photo);
  await meet('west', 'truck');
  await meet();
  west.kill();
  west.restore(backup);
  await world.finish(west.start());
  const note = seededRandom(seed + 1).bytes(2000);
  await publish(camp, west, 'note.raw', note);
  await meet('west', 'east');
  await expectFile(world, east, 'note.raw', note, minute);
  return { camp, world, west, east, truck, pickup, meet, photo, note };
}

test('a relay does not give up its copy for the receipt of somebody who holds another branch under the same number', async () => {
  const { camp, world, west, east, truck, meet, photo, note } = await numbersMeanTwoThings(861);
  await meet('east', 'pickup');
  await meet('pickup', 'truck');
  const { freedBytes } = await world.finish(truck.node.collectGarbage({ quotaBytes: 0 }), hour);
  expect(freedBytes).toBeLessThan(10_000);
  await meet('west', 'truck');
  expect(forkedLogs([west])).toEqual(new Map());
  await meet('west', 'east');
  for (const node of [west, east]) {
    await expectFile(world, node, 'photo.raw', photo, minute);
    await expectFile(world, node, 'note.raw', note, minute);
  }
  expect(deliveryByName(west, camp.dataset)).toEqual({ east: 'delivered' });
});

test('nor for a receipt from before its log was mended, however long that goes round; and gives it up for the next one', async () => {
  const { camp, world, west, east, truck, pickup, meet, photo } = await numbersMeanTwoThings(862);
  await meet('east', 'pickup');
  // The truck has the photo under its new number as soon as west has written it anew, and the pickup knows of the old one only.
  await meet('west', 'truck');
  await meet('pickup', 'truck');
  expect(deliveryByName(west, camp.dataset)).toEqual({ east: 'custody' });
  expect((await world.finish(truck.node.collectGarbage({ quotaBytes: 0 }), hour)).freedBytes).toBeLessThan(10_000);
  await meet('truck', 'east');
  await expectFile(world, east, 'photo.raw', photo, minute);
  await meet('truck', 'pickup');
  await meet('west', 'pickup');
  expect(deliveryByName(west, camp.dataset)).toEqual({ east: 'delivered' });
  expect((await world.finish(truck.node.collectGarbage({ quotaBytes: 0 }), hour)).freedBytes).toBeGreaterThan(250_000);
  expect(pickup.node.subscriptions()).toEqual([]);
});
