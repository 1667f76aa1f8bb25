import { expect, test } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import {
  chain,
  deliveryByName,
  expectConvergence,
  expectFile,
  hour,
  minute,
  onDisk,
  type Pair,
  publish,
  radio,
  type Trio,
} from './camp.ts';

const noise = (seed: number, bytes: number): Uint8Array => seededRandom(seed).bytes(bytes);

test('a node that does not subscribe is sent nothing of a dataset and is not counted among those it is owed to', async () => {
  const camp = await chain(301, ['camp', 'ridge']);
  const [a, b] = camp.nodes as Pair;
  b.node.unsubscribe(camp.dataset);
  await camp.world.runFor(minute);
  expect(a.node.deliveries(camp.dataset)).toEqual([]);
  const link = camp.world.linkBetween('camp', 'ridge');
  const before = link.trafficFrom('camp').bytes;
  await publish(camp, a, 'photo.raw', noise(1, 200_000));
  await camp.world.runFor(hour);
  expect(link.trafficFrom('camp').bytes).toBe(before);
  expect([...b.node.files(camp.dataset)]).toEqual([]);
  expect(b.node.subscriptions()).toEqual([]);
});

test('a node that subscribes again gets everything that it missed, also after a restart in between', async () => {
  const camp = await chain(302, ['camp', 'ridge']);
  const [a, b] = camp.nodes as Pair;
  await publish(camp, a, 'first.txt', 'one');
  await expectFile(camp.world, b, 'first.txt', 'one');
  b.node.unsubscribe(camp.dataset);
  await camp.world.runFor(minute);
  await publish(camp, a, 'second.raw', noise(2, 100_000));
  await camp.world.finish(b.stop());
  await camp.world.finish(b.start());
  await camp.world.runFor(hour);
  expect(await onDisk(b, 'second.raw')).toBeUndefined();
  b.node.subscribe(camp.dataset);
  await expectFile(camp.world, b, 'second.raw', noise(2, 100_000));
  await camp.world.runFor(minute);
  expect(deliveryByName(a, camp.dataset)).toEqual({ ridge: 'delivered' });
});

test('what is on its way stops when its receiver unsubscribes, and goes on from there when it subscribes again', async () => {
  const camp = await chain(303, ['camp', 'ridge'], { ...radio, rateBytesPerSecond: 1200 });
  const [a, b] = camp.nodes as Pair;
  await publish(camp, a, 'photo.raw', noise(3, 400_000));
  await camp.world.runFor(3 * minute);
  b.node.unsubscribe(camp.dataset);
  await camp.world.runFor(minute);
  const link = camp.world.linkBetween('camp', 'ridge');
  const stopped = link.trafficFrom('camp').bytes;
  await camp.world.runFor(hour);
  expect(link.trafficFrom('camp').bytes - stopped).toBeLessThan(500);
  expect(b.node.outstanding(camp.dataset)).toEqual({ contents: 0, bytes: 0 });
  b.node.subscribe(camp.dataset);
  await expectFile(camp.world, b, 'photo.raw', noise(3, 400_000));
  await expectConvergence(camp.world, hour);
});

test('a carrier subscribes to nothing by itself, and hears of the team all the same', async () => {
  const camp = await chain(304, ['camp', 'ridge']);
  const [a] = camp.nodes as Pair;
  const truck = await camp.world.add('truck');
  camp.world.link('camp', 'truck', radio);
  await camp.world.finish(truck.node.join(a.node.createInvite({ role: 'carrier' })), hour);
  await publish(camp, a, 'a.txt', 'for others');
  await camp.world.runFor(hour);
  expect(truck.node.datasets().map(({ name }) => name)).toEqual(['field']);
  expect(truck.node.subscriptions()).toEqual([]);
  expect([...truck.node.files(camp.dataset)]).toEqual([]);
  expect(deliveryByName(a, camp.dataset)).toEqual({ ridge: 'delivered' });
});

test('an interest chosen far away reaches the author through others', async () => {
  const camp = await chain(305, ['valley', 'ridge', 'coast']);
  const [valley, , coast] = camp.nodes as Trio;
  coast.node.unsubscribe(camp.dataset);
  await camp.world.runFor(minute);
  await publish(camp, valley, 'a.txt', 'not for the coast');
  await camp.world.runFor(hour);
  expect(deliveryByName(valley, camp.dataset)).toEqual({ ridge: 'delivered' });
  expect([...coast.node.files(camp.dataset)]).toEqual([]);
});
