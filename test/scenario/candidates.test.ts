import { expect, test } from 'vitest';
import { World } from '../../src/simulation/world.ts';

/** Members that only know who invited them, and meet by what somebody says of addresses. */

const air = { delayMs: 20, rateBytesPerSecond: 100_000 };

async function strangers(): Promise<World> {
  const world = new World({ seed: 8 });
  const camp = await world.add('camp');
  camp.node.createTeam('Storbreen');
  await world.finish(camp.node.listen('udp://camp:7077'));
  for (const name of ['hut', 'ridge']) {
    const station = await world.add(name);
    world.link('camp', name, air);
    await world.finish(station.node.listen(`udp://${name}:7077`));
    await world.finish(station.node.join(camp.node.createInvite()));
  }
  world.link('hut', 'ridge', air);
  await world.runFor(60_000);
  expect(world.node('hut').node.connectedPeers()).toEqual([camp.node.id]);
  return world;
}

test('a member that the host program saw is dialled, by its identifier or by a beacon that came another way, and again after a restart', async () => {
  const world = await strangers();
  const [hut, ridge] = [world.node('hut'), world.node('ridge')];
  const beacon = ridge.node.discovery.beacon() as Uint8Array;
  expect(beacon).toHaveLength(47);
  expect(hut.node.discovery.offerCandidate('udp://ridge:7077', { beacon: new Uint8Array(47) })).toBe(false);
  expect(hut.node.discovery.offerCandidate('udp://ridge:7077', { beacon })).toBe(true);
  expect(hut.node.discovery.offerCandidate('udp://ridge:7077', { beacon })).toBe(false);
  expect(await world.until(() => hut.node.connectedPeers().includes(ridge.node.id), 10_000)).toBe(true);
  expect(hut.node.discovery.candidates()).toEqual([{ peer: ridge.node.id, address: 'udp://ridge:7077', means: 'host', failures: 0 }]);

  hut.kill();
  await world.runFor(1000);
  await world.finish(hut.start());
  expect(await world.until(() => hut.node.connectedPeers().includes(ridge.node.id), 10_000)).toBe(true);
});

test('two that see each other at the same time, each at two addresses, end up with one session', async () => {
  const world = await strangers();
  const [hut, ridge] = [world.node('hut'), world.node('ridge')];
  await world.finish(Promise.all([hut.node.listen('tcp://hut:7077'), ridge.node.listen('tcp://ridge:7077')]));
  for (const scheme of ['udp', 'tcp']) {
    hut.node.discovery.offerCandidate(`${scheme}://ridge:7077`, { member: ridge.node.id });
    ridge.node.discovery.offerCandidate(`${scheme}://hut:7077`, { member: hut.node.id });
  }
  await world.runFor(30_000);
  const ups = (events: typeof hut.events): number => events.filter((event) => event.type === 'session-up').length;
  expect([ups(hut.events), ups(ridge.events)]).toEqual([2, 2]);
  expect([hut.node.connectedPeers().length, ridge.node.connectedPeers().length]).toEqual([2, 2]);
});

test('discovery that sleeps and wakes leaves sessions alone', async () => {
  const world = await strangers();
  const { discovery } = world.node('hut').node;
  discovery.sleep();
  discovery.rouse();
  await world.runFor(10_000);
  expect(world.node('hut').node.connectedPeers()).toHaveLength(1);
});
