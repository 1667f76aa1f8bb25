import { expect, test } from 'vitest';
import { utf8 } from '../../src/core/bytes.ts';
import { World } from '../../src/simulation/world.ts';

async function twoNodesMeet(seed: number): Promise<World> {
  const world = new World({ seed });
  const camp = await world.add('camp');
  const ridge = await world.add('ridge');
  world.link('camp', 'ridge', { delayMs: 300, rateBytesPerSecond: 12_000, lossRatio: 0.02 });
  camp.node.createTeam('Storbreen');
  await world.finish(camp.node.listen('udp://camp:7077'));
  await world.finish(ridge.node.join(camp.node.createInvite()));
  const dataset = camp.node.createDataset({ name: 'notes', kind: 'files' });
  camp.directory('notes').put('a.txt', utf8('hello'));
  camp.node.attach(dataset, 'notes');
  await world.finish(camp.node.scan(dataset, { settleMs: 0 }));
  await world.until(() => ridge.node.datasets().length === 1, 60_000);
  ridge.directory('notes');
  ridge.node.attach(dataset, 'notes');
  const arrived = await world.until(() => ridge.events.some((event) => event.type === 'file-written'), 60_000);
  expect(arrived).toBe(true);
  return world;
}

test('the same seed sends the same packets at the same instants', async () => {
  const first = await twoNodesMeet(7);
  const second = await twoNodesMeet(7);
  const other = await twoNodesMeet(8);
  expect(first.trace.count).toBeGreaterThan(20);
  const digest = first.trace.digest();
  expect(second.trace.digest()).toBe(digest);
  expect(other.trace.digest()).not.toBe(digest);
});
