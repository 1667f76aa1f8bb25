import { expect, test } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import { chain, day, deliveryByName, expectFile, hour, minute, publish, type Trio } from './camp.ts';

test('a node that does not subscribe passes a dataset on to one that does, and shows nothing of it in its folder', async () => {
  const camp = await chain(321, ['valley', 'ridge', 'coast']);
  const [valley, ridge, coast] = camp.nodes as Trio;
  ridge.node.unsubscribe(camp.dataset);
  await camp.world.runFor(minute);
  const photo = seededRandom(1).bytes(150_000);
  await publish(camp, valley, 'photo.raw', photo);
  await expectFile(camp.world, coast, 'photo.raw', photo);
  await camp.world.runFor(minute);
  expect(deliveryByName(valley, camp.dataset)).toEqual({ coast: 'delivered' });
  expect(ridge.node.subscriptions()).toEqual([]);
});

test('a relay takes custody while the far side is out of reach, and delivers when it comes back', async () => {
  const camp = await chain(322, ['valley', 'ridge', 'coast']);
  const [valley, ridge, coast] = camp.nodes as Trio;
  ridge.node.unsubscribe(camp.dataset);
  await camp.world.runFor(minute);
  const photo = seededRandom(2).bytes(150_000);
  await publish(camp, valley, 'photo.raw', photo);
  await camp.world.runFor(2000);
  camp.world.linkBetween('ridge', 'coast').cut();
  await camp.world.runFor(10 * minute);
  camp.world.linkBetween('valley', 'ridge').cut();
  camp.world.linkBetween('ridge', 'coast').heal();
  await camp.world.runFor(hour);
  camp.world.healAll();
  await expectFile(camp.world, coast, 'photo.raw', photo, day);
});

test('what was only passed on may be forgotten once everybody has it', async () => {
  const camp = await chain(323, ['valley', 'ridge', 'coast']);
  const [valley, ridge, coast] = camp.nodes as Trio;
  ridge.node.unsubscribe(camp.dataset);
  await camp.world.runFor(minute);
  const photo = seededRandom(3).bytes(300_000);
  await publish(camp, valley, 'photo.raw', photo);
  await expectFile(camp.world, coast, 'photo.raw', photo);
  await camp.world.runFor(hour);
  const collected = await camp.world.finish(ridge.node.collectGarbage({ quotaBytes: 0 }));
  expect(collected.freedBytes).toBeGreaterThan(300_000);
  // Somebody new is served by those who subscribe.
  expect([...coast.node.files(camp.dataset)].map(({ path, complete }) => [path, complete])).toEqual([['photo.raw', true]]);
});
