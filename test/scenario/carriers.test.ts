import { expect, test } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import { chain, deliveryByName, expectFile, hour, minute, publish, radio } from './camp.ts';

/** A truck that carries between two camps that never hear each other; it is at the west camp first. */
async function carried(seed: number) {
  const camp = await chain(seed, ['west', 'east']);
  const { world } = camp;
  const [west, east] = camp.nodes;
  if (west === undefined || east === undefined) throw new Error('a camp is missing');
  const truck = await world.add('truck');
  await world.finish(truck.node.listen('udp://truck:7077', { keep: true }));
  const toWest = world.link('west', 'truck', radio);
  const toEast = world.link('east', 'truck', radio);
  await world.finish(truck.node.join(west.node.createInvite({ role: 'carrier' })), hour);
  for (const { node } of [west, east]) node.addContact(truck.node.id, ['udp://truck:7077']);
  world.linkBetween('west', 'east').cut();
  const drive = async (place: 'west' | 'east' | 'road') => {
    for (const [link, name] of [
      [toWest, 'west'],
      [toEast, 'east'],
    ] as const)
      if (name === place) link.heal();
      else link.cut();
    await world.runFor(hour);
  };
  await drive('west');
  return { camp, world, west, east, truck, drive };
}

test('a carrier is the way between two camps that never hear each other, and may forget what it brought', async () => {
  const { camp, west, east, truck, drive } = await carried(841);
  const photo = seededRandom(5).bytes(300_000);
  await publish(camp, west, 'photo.raw', photo);
  await drive('west');
  expect(deliveryByName(west, camp.dataset)).toEqual({ east: 'custody' });
  expect(truck.node.subscriptions()).toEqual([]);
  await drive('road');
  await drive('east');
  await expectFile(camp.world, east, 'photo.raw', photo, minute);
  await drive('road');
  await drive('west');
  expect(deliveryByName(west, camp.dataset)).toEqual({ east: 'delivered' });
  expect((await camp.world.finish(truck.node.collectGarbage({ quotaBytes: 0 }), hour)).freedBytes).toBeGreaterThan(250_000);
});

test('a carrier that takes nothing into custody, and a member that does not subscribe, carry nothing', async () => {
  const { camp, west, truck, drive } = await carried(842);
  truck.node.mesh.setRelaying({ custody: false });
  await publish(camp, west, 'note.txt', 'for the east');
  await drive('west');
  expect(deliveryByName(west, camp.dataset)).toEqual({ east: 'queued' });
});
