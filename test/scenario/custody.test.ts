import { expect, test } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import type { SimulatedNode } from '../../src/simulation/simulated-node.ts';
import { type Camp, chain, day, deliveryByName, expectFile, hour, minute, type Pair, publish, radio, second } from './camp.ts';
import { trucked } from './truck.ts';

const pictureBytes = 200_000;

/** A picture that no other resembles. */
function picture(seed: number): Uint8Array {
  return seededRandom(seed).bytes(pictureBytes);
}

/** What a node says of a file, as far as carrying goes. */
function carryingOf({ dataset }: Camp, { node }: SimulatedNode, path: string) {
  return node.forwarding.where(dataset, path)[0]?.carrying;
}

test('a carrier with little room takes an emergency in place of what it has, and does not take that again', async () => {
  const { camp, world, west, east, truck, drive } = await trucked(851);
  west.node.forwarding.setPriorityRules(camp.dataset, [{ glob: 'alarm*', priority: 'emergency' }]);
  truck.node.mesh.setRelaying({ carriedBytes: Math.floor(1.5 * pictureBytes) });
  expect(carryingOf(camp, west, 'cat.raw')).toBeUndefined();
  await publish(camp, west, 'cat.raw', picture(1));
  await drive('west');
  expect(truck.node.mesh.carrying()).toMatchObject({ carriedBytes: pictureBytes, entries: [{ state: 'carried' }] });
  expect(carryingOf(camp, west, 'cat.raw')).toMatchObject({ state: 'handed', copies: 2 });
  expect(deliveryByName(west, camp.dataset)).toEqual({ east: 'custody' });

  await publish(camp, west, 'alarm.raw', picture(2));
  await drive('west');
  expect(carryingOf(camp, truck, 'cat.raw')).toEqual({ state: 'given-up' });
  expect(carryingOf(camp, truck, 'alarm.raw')).toMatchObject({ state: 'carried' });
  // It promises no more than it has.
  expect(deliveryByName(west, camp.dataset)).toEqual({ east: 'queued' });

  await drive('road');
  await drive('west');
  expect(truck.node.mesh.carrying().entries).toHaveLength(1);
  await drive('east');
  await expectFile(world, east, 'alarm.raw', picture(2), minute);
  expect((await world.finish(truck.node.collectGarbage({ quotaBytes: 0 }), hour)).freedBytes).toBeGreaterThan(pictureBytes);
});

test('what there is no room for is refused, and taken when there is', async () => {
  const { camp, west, truck, drive } = await trucked(852);
  truck.node.mesh.setRelaying({ carriedBytes: pictureBytes - 1 });
  await publish(camp, west, 'cat.raw', picture(1));
  await drive('west');
  expect(carryingOf(camp, truck, 'cat.raw')).toEqual({ state: 'refused', why: 'full' });
  expect(carryingOf(camp, west, 'cat.raw')).toEqual({ state: 'waiting' });
  expect(truck.node.mesh.carrying()).toEqual({ carriedBytes: 0, carriedBytesMax: pictureBytes - 1, entries: [] });
  truck.node.mesh.setRelaying({ carriedBytes: 2 * pictureBytes });
  await drive('west');
  expect(carryingOf(camp, truck, 'cat.raw')).toMatchObject({ state: 'carried' });
});

test('what a carrier took, and that it gave something up, outlives its being switched off at any moment', async () => {
  const { camp, world, west, east, truck, drive } = await trucked(853);
  truck.node.mesh.setRelaying({ carriedBytes: Math.floor(1.5 * pictureBytes) });
  await publish(camp, west, 'cat.raw', picture(1));
  await drive('west');
  const [before] = truck.node.mesh.carrying().entries;
  truck.kill();
  await world.finish(truck.start());
  expect(truck.node.mesh.carrying()).toMatchObject({ carriedBytes: pictureBytes, entries: [before] });
  truck.node.mesh.setRelaying({ carriedBytes: 0 });
  expect(carryingOf(camp, truck, 'cat.raw')).toEqual({ state: 'given-up' });
  truck.kill();
  await world.finish(truck.start());
  truck.node.mesh.setRelaying({ carriedBytes: 4 * pictureBytes });
  await publish(camp, west, 'dog.raw', picture(2));
  await drive('road');
  await drive('west');
  expect(truck.node.mesh.carrying().entries).toHaveLength(1);
  truck.kill();
  await world.finish(truck.start());
  await drive('east');
  await expectFile(world, east, 'dog.raw', picture(2), minute);
});

test('receipts free what was carried, also of a carrier that was elsewhere when it arrived', async () => {
  const { camp, world, west, east, truck, drive } = await trucked(854);
  for (const name of ['a', 'b', 'c']) await publish(camp, west, `${name}.raw`, picture(name.charCodeAt(0)));
  await drive('west');
  expect(truck.node.mesh.carrying().entries).toHaveLength(3);
  await drive('road');
  // The camps hear each other for an hour.
  world.linkBetween('west', 'east').heal();
  await world.runFor(hour);
  world.linkBetween('west', 'east').cut();
  await expectFile(world, east, 'c.raw', picture('c'.charCodeAt(0)), minute);
  expect(truck.node.mesh.carrying().carriedBytes).toBe(3 * pictureBytes);
  await drive('west');
  expect(truck.node.mesh.carrying()).toMatchObject({ carriedBytes: 0, entries: [] });
});

test('of bulk a few copies are made, and no more however many carriers come', async () => {
  const camp = await chain(855, ['west', 'east']);
  const { world } = camp;
  const [west] = camp.nodes as [SimulatedNode];
  west.node.forwarding.setPriorityRules(camp.dataset, [{ priority: 'bulk' }]);
  const trucks: SimulatedNode[] = [];
  for (const name of ['t1', 't2', 't3', 't4', 't5']) {
    const truck = await world.add(name);
    trucks.push(truck);
    await world.finish(truck.node.listen(`udp://${name}:7077`, { keep: true }));
    world.link('west', name, radio);
    await world.finish(truck.node.join(west.node.createInvite({ role: 'carrier' })), hour);
    west.node.addContact(truck.node.id, [`udp://${name}:7077`]);
    world.linkBetween('west', name).cut();
  }
  world.linkBetween('west', 'east').cut();
  await world.runFor(hour);
  await publish(camp, west, 'film.raw', picture(1));
  const left: (number | undefined)[] = [];
  for (const truck of trucks) {
    world.linkBetween('west', truck.name).heal();
    await world.runFor(hour);
    world.linkBetween('west', truck.name).cut();
    left.push(truck.node.mesh.carrying().entries[0]?.copiesLeft);
  }
  // Eight, of which each takes half: four, two, one; then one is left, which is the writer's own.
  expect(left).toEqual([3, 1, 0, undefined, undefined]);
  expect(carryingOf(camp, west, 'film.raw')).toEqual({ state: 'handed', copies: 4, copiesLeft: 0 });
});

test('what every carrier took that never came back is given to another one after weeks, and not before', async () => {
  const camp = await chain(856, ['west', 'east']);
  const { world } = camp;
  const [west, east] = camp.nodes as Pair;
  const trucks: SimulatedNode[] = [];
  for (const name of ['t1', 't2', 't3', 't4']) {
    const truck = await world.add(name);
    trucks.push(truck);
    await world.finish(truck.node.listen(`udp://${name}:7077`, { keep: true }));
    world.link('west', name, radio);
    await world.finish(truck.node.join(west.node.createInvite({ role: 'carrier' })), hour);
    for (const { node } of [west, east]) node.addContact(truck.node.id, [`udp://${name}:7077`]);
    world.linkBetween('west', name).cut();
  }
  world.linkBetween('west', 'east').cut();
  world.link('east', 't4', radio).cut();
  const visit = async (truck: SimulatedNode, place: string) => {
    world.linkBetween(place, truck.name).heal();
    await world.runFor(hour);
    world.linkBetween(place, truck.name).cut();
  };
  await publish(camp, west, 'film.raw', picture(1));
  const [t4] = trucks.splice(3) as [SimulatedNode];
  for (const truck of trucks) {
    await visit(truck, 'west');
    truck.kill();
  }
  await visit(t4, 'west');
  expect(t4.node.mesh.carrying().entries).toEqual([]);
  const others = [west, east, t4];
  for (const node of others) node.kill();
  await world.runFor(16 * day);
  for (const node of others) await world.finish(node.start());
  await visit(t4, 'west');
  expect(carryingOf(camp, west, 'film.raw')).toEqual({ state: 'handed', copies: 5, copiesLeft: 0 });
  await visit(t4, 'east');
  await expectFile(world, east, 'film.raw', picture(1), minute);
});

test('a carrier with room for a part of what waits brings everything, a part on each journey', async () => {
  const { camp, west, east, truck, drive } = await trucked(857);
  truck.node.mesh.setRelaying({ carriedBytes: 2 * pictureBytes });
  const paths = ['p1.jpg', 'p2.jpg', 'p3.jpg', 'p4.jpg', 'p5.jpg', 'p6.jpg'];
  for (const [i, path] of paths.entries()) await publish(camp, west, path, picture(i));
  for (let journey = 1; journey <= paths.length / 2; journey++) {
    await drive('west');
    await drive('east');
    expect(paths.filter((path) => east.node.file(camp.dataset, path)?.complete)).toHaveLength(2 * journey);
  }
});

test('a member that has room to spare carries what is late, and a member that has none does not', async () => {
  const { camp, world, west, east, truck, drive } = await trucked(856);
  await drive('road');
  const rider = await world.add('rider');
  await world.finish(rider.node.listen('udp://rider:7077', { keep: true }));
  const toWest = world.link('west', 'rider', radio);
  const toEast = world.link('east', 'rider', radio);
  await world.finish(rider.node.join(west.node.createInvite()), hour);
  rider.node.unsubscribe(camp.dataset);
  for (const { node } of [west, east]) node.addContact(rider.node.id, ['udp://rider:7077']);
  toEast.cut();
  // The east has to hear who is a member.
  world.linkBetween('west', 'east').heal();
  await world.runFor(hour);
  world.linkBetween('west', 'east').cut();
  west.node.forwarding.setPriorityRules(camp.dataset, [{ priority: 'critical' }]);
  await publish(camp, west, 'cat.raw', picture(1));
  await world.runFor(hour);
  expect(rider.node.mesh.carrying()).toEqual({ carriedBytes: 0, carriedBytesMax: 0, entries: [] });
  rider.node.mesh.setRelaying({ carriedBytes: 10 * pictureBytes });
  toWest.cut();
  // That is what somebody waits for at most.
  await world.runFor(7 * hour);
  toWest.heal();
  await world.runFor(hour);
  expect(rider.node.mesh.carrying()).toMatchObject({ entries: [{ state: 'carried' }] });
  toWest.cut();
  toEast.heal();
  await expectFile(world, east, 'cat.raw', picture(1), day);
  expect(truck.node.mesh.carrying().entries).toEqual([]);
});

test('what a carrier subscribes to itself comes before what it carries', async () => {
  const { camp, world, west, truck, drive } = await trucked(858);
  const maps = west.node.createDataset({ name: 'maps', kind: 'files' });
  expect(await world.until(() => truck.node.datasets().length === 2, hour)).toBe(true);
  truck.node.subscribe(maps);
  west.directory('maps').put('old.png', picture(98));
  west.node.attach(maps, 'maps');
  await world.finish(west.node.scan(maps, { settleMs: 0 }));
  await drive('west');
  for (let i = 0; i < 8; i++) await publish(camp, west, `${i}.raw`, picture(i));
  await world.runFor(10 * second);
  const carried = () => truck.node.mesh.carrying().entries.filter(({ state }) => state === 'carried').length;
  expect(carried()).toBeGreaterThan(0);
  expect(carried()).toBeLessThan(4);
  west.directory('maps').put('map.png', picture(99));
  await world.finish(west.node.scan(maps, { settleMs: 0 }));
  const beganMs = world.nowMs;
  const isThere = () => truck.node.file(maps, 'map.png') !== undefined && truck.node.outstanding(maps).contents === 0;
  expect(await world.until(isThere, hour)).toBe(true);
  // The link alone needs seven seconds, and sharing it evenly would take twice that.
  expect(world.nowMs - beganMs).toBeLessThan(10 * second);
  await drive('west');
  expect(carried()).toBe(8);
});

test('a trip that is declared is remembered until it is over or withdrawn', async () => {
  const { world, east, truck } = await trucked(857);
  const { mesh } = truck.node;
  const nowMs = truck.clock.now().wallMs;
  const trip = { to: east.node.id, departsMs: nowMs + hour, arrivesMs: nowMs + 3 * hour };
  const first = mesh.declareTrip(trip);
  const second = mesh.declareTrip({ ...trip, departsMs: nowMs, arrivesMs: nowMs + hour, latestMs: nowMs + 2 * hour });
  expect(mesh.trips()).toEqual([
    { id: second, to: east.node.id, departsMs: nowMs, arrivesMs: nowMs + hour, latestMs: nowMs + 2 * hour },
    { id: first, ...trip, latestMs: nowMs + 4 * hour },
  ]);
  truck.kill();
  await world.finish(truck.start());
  expect(truck.node.mesh.trips()).toHaveLength(2);
  await world.runFor(2 * hour + minute);
  expect(truck.node.mesh.trips().map(({ id }) => id)).toEqual([first]);
  truck.node.mesh.withdrawTrip(first);
  expect(truck.node.mesh.trips()).toEqual([]);
  const declare = (change: object) => () => truck.node.mesh.declareTrip({ ...trip, ...change });
  expect(declare({ arrivesMs: nowMs })).toThrow(expect.objectContaining({ code: 'TRIP_INVALID' }));
  expect(declare({ latestMs: nowMs + 2 * hour })).toThrow(expect.objectContaining({ code: 'TRIP_INVALID' }));
  expect(declare({ to: truck.node.id })).toThrow(expect.objectContaining({ code: 'MEMBER_UNKNOWN' }));
  for (let i = 0; i < 64; i++) declare({ arrivesMs: nowMs + 30 * hour })();
  expect(declare({})).toThrow(expect.objectContaining({ code: 'TRIP_INVALID' }));
});

test('a carrier whose many transfers were cut off takes what others offer', async () => {
  const { camp, world, west, east, truck, drive } = await trucked(861);
  await drive('road');
  for (let i = 0; i < 20; i++) await publish(camp, west, `${i}.raw`, picture(i));
  world.linkBetween('west', 'truck').heal();
  const arriving = () => truck.node.mesh.carrying().entries.filter(({ state }) => state === 'arriving').length;
  expect(await world.until(() => arriving() >= 16, hour)).toBe(true);
  world.linkBetween('west', 'truck').cut();
  truck.kill();
  await world.finish(truck.start());
  await publish(camp, east, 'alarm.txt', 'the river rises');
  await drive('east');
  expect(carryingOf(camp, truck, 'alarm.txt')).toMatchObject({ state: 'carried' });
  await drive('west');
  await expectFile(world, west, 'alarm.txt', 'the river rises', minute);
});

test('what was sent to a carrier itself stays with it, also where it made room for something else', async () => {
  const { camp, world, west, truck, drive } = await trucked(862);
  west.node.forwarding.setPriorityRules(camp.dataset, [{ glob: 'alarm*', priority: 'emergency' }]);
  truck.node.mesh.setRelaying({ carriedBytes: Math.floor(1.5 * pictureBytes) });
  await publish(camp, west, 'map.raw', picture(1));
  await drive('west');
  west.node.forwarding.send(camp.dataset, { paths: ['map.raw'], to: [truck.node.id] });
  await drive('west');
  const stateOfMap = () => [truck, west].map(({ node }) => node.forwarding.where(camp.dataset, 'map.raw')[0]?.state);
  expect(stateOfMap()).toEqual(['delivered', 'delivered']);
  await publish(camp, west, 'alarm.raw', picture(2));
  await drive('west');
  expect(carryingOf(camp, truck, 'map.raw')).toEqual({ state: 'given-up' });
  await world.finish(truck.node.collectGarbage({ quotaBytes: 0 }), hour);
  await drive('west');
  expect(stateOfMap()).toEqual(['delivered', 'delivered']);
});
