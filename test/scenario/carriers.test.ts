import { expect, test } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import { deliveryByName, expectFile, hour, minute, publish } from './camp.ts';
import { trucked } from './truck.ts';

test('a carrier is the way between two camps that never hear each other, and may forget what it brought', async () => {
  const { camp, west, east, truck, drive } = await trucked(841);
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
  const { camp, west, truck, drive } = await trucked(842);
  truck.node.mesh.setRelaying({ custody: false });
  await publish(camp, west, 'note.txt', 'for the east');
  await drive('west');
  expect(deliveryByName(west, camp.dataset)).toEqual({ east: 'queued' });
});
