import { expect, test } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import type { FieldNodeEvent } from '../../src/node/field-node.ts';
import type { SimulatedNode } from '../../src/simulation/simulated-node.ts';
import type { LinkModel } from '../../src/simulation/virtual-link.ts';
import { type Camp, chain, expectFile, hour, minute, publish, second } from './camp.ts';

const wifi: LinkModel = { delayMs: 5, rateBytesPerSecond: 125_000, queueBytes: 64_000 };

function named(camp: Camp, name: string): SimulatedNode {
  return camp.world.node(name);
}

/** Makes nodes pass circuits on and nothing else. */
function withoutRoom(camp: Camp, ...names: string[]): void {
  for (const name of names) {
    named(camp, name).node.unsubscribe(camp.dataset);
    named(camp, name).node.mesh.setRelaying({ custody: false });
  }
}

function ofType<T extends FieldNodeEvent['type']>(node: SimulatedNode, type: T): Extract<FieldNodeEvent, { type: T }>[] {
  return node.events.filter((event): event is Extract<FieldNodeEvent, { type: T }> => event.type === type);
}

/** Entries and contents of the dataset that a computer holds on its disk. */
function heldBy(node: SimulatedNode, { dataset }: Camp): { readonly entries: number; readonly chunks: number } {
  const count = (sql: string, ...values: Uint8Array[]): number => node.catalog.get<{ n: number }>(sql, ...values)?.n ?? 0;
  return {
    entries: count('SELECT count(*) AS n FROM log_entry JOIN log ON log_entry.log = log.id WHERE dataset = ?', Uint8Array.fromHex(dataset)),
    chunks: count('SELECT count(*) AS n FROM chunk'),
  };
}

function connected(from: SimulatedNode, to: SimulatedNode): boolean {
  return from.node.connectedPeers().includes(to.node.id);
}

/** Two ways from `valley` to `coast`, by `ridge` and by `dunes`. All know each other. */
async function diamond(seed: number): Promise<Camp> {
  const camp = await chain(seed, ['valley', 'ridge', 'coast'], wifi);
  const { world, dataset } = camp;
  const dunes = await world.add('dunes');
  await world.finish(dunes.node.listen('udp://dunes:7077', { keep: true }));
  world.link('valley', 'dunes', wifi);
  world.link('dunes', 'coast', wifi);
  await world.finish(dunes.node.join(named(camp, 'valley').node.createInvite({ role: 'coordinator' })), hour);
  named(camp, 'coast').node.addContact(dunes.node.id, ['udp://dunes:7077']);
  expect(await world.until(() => connected(named(camp, 'coast'), dunes), hour)).toBe(true);
  withoutRoom(camp, 'ridge', 'dunes');
  await world.runFor(minute);
  return { world, nodes: world.nodes, dataset };
}

test('two members three hops apart hold a session through relays that keep neither entry nor byte of what they say', async () => {
  const camp = await chain(801, ['valley', 'ridge', 'pass', 'coast'], wifi);
  const [valley, coast] = [named(camp, 'valley'), named(camp, 'coast')];
  withoutRoom(camp, 'ridge', 'pass');
  await camp.world.runFor(minute);
  const photo = seededRandom(1).bytes(250_000);
  valley.node.mesh.openCircuit(coast.node.id);
  await publish(camp, valley, 'photo.raw', photo);
  await expectFile(camp.world, coast, 'photo.raw', photo, minute);
  expect(ofType(valley, 'session-up').at(-1)).toMatchObject({ peer: coast.node.id, address: 'circuit://mesh' });
  for (const name of ['ridge', 'pass']) {
    expect(heldBy(named(camp, name), camp)).toEqual({ entries: 0, chunks: 0 });
    const [relayed, ...others] = named(camp, name).node.mesh.circuits();
    expect(others).toEqual([]);
    expect(relayed).toMatchObject({ role: 'relayed', isOpen: true, member: undefined });
    expect(relayed?.bytes).toBeGreaterThan(250_000);
  }
  // Routes go on leading over hops: a session over a circuit makes nobody a neighbour.
  expect(valley.node.mesh.nextHop(coast.node.id)).toBe(named(camp, 'ridge').node.id);

  valley.node.mesh.closeCircuit(coast.node.id);
  await camp.world.runFor(minute);
  for (const { node } of camp.nodes) expect(node.mesh.circuits()).toEqual([]);
  expect(connected(valley, coast)).toBe(false);
  expect(connected(coast, valley)).toBe(false);
});

test('a circuit that nobody uses costs nothing', async () => {
  const camp = await chain(802, ['valley', 'ridge', 'coast'], wifi);
  const [valley, ridge, coast] = camp.nodes as [SimulatedNode, SimulatedNode, SimulatedNode];
  valley.node.mesh.openCircuit(coast.node.id);
  expect(await camp.world.until(() => connected(coast, valley), minute)).toBe(true);
  await camp.world.runFor(10 * minute);
  const before = camp.nodes.map(({ packetsSent }) => packetsSent);
  expect(camp.nodes.map(({ node }) => node.nextWakeUp())).toEqual([undefined, undefined, undefined]);
  await camp.world.runFor(6 * hour);
  expect(camp.nodes.map(({ packetsSent }) => packetsSent)).toEqual(before);
  expect(ridge.node.mesh.circuits()).toHaveLength(1);
});

test('when a relay dies the session moves to another circuit, and nothing is sent twice but what was under way', async () => {
  const camp = await diamond(803);
  const { world } = camp;
  const [valley, coast] = [named(camp, 'valley'), named(camp, 'coast')];
  valley.node.mesh.openCircuit(coast.node.id);
  expect(await world.until(() => connected(coast, valley), minute)).toBe(true);
  const photo = seededRandom(3).bytes(1_200_000);
  await publish(camp, valley, 'photo.raw', photo);
  await world.runFor(6 * second);
  const [first] = valley.node.mesh.circuits();
  const relay = world.nodes.find(({ node }) => node.id === first?.neighbours[0]) as SimulatedNode;
  const sessions = ofType(coast, 'session-up').length;
  const bytesBefore = first?.bytes ?? 0;
  expect(bytesBefore).toBeGreaterThan(300_000);
  relay.kill();
  const diedAtMs = world.nowMs;
  expect(await world.until(() => (valley.node.mesh.circuits()[0]?.bytes ?? bytesBefore) < bytesBefore, minute)).toBe(true);
  expect(await world.until(() => (valley.node.mesh.circuits()[0]?.bytes ?? 0) > 50_000, minute)).toBe(true);
  expect(world.nowMs - diedAtMs).toBeLessThan(8 * second);
  await expectFile(world, coast, 'photo.raw', photo, 2 * minute);
  expect(ofType(coast, 'session-up')).toHaveLength(sessions);
  const moved = bytesBefore + (valley.node.mesh.circuits()[0]?.bytes ?? 0);
  // What a relay held, and headers, seals and acknowledgements.
  expect(moved).toBeLessThan(photo.length * 1.04 + 64 * 1024);
  expect(ofType(valley, 'circuit').map(({ isOpen, reason }) => [isOpen, reason])).toEqual(
    expect.arrayContaining([
      [true, undefined],
      [false, 'lost'],
      [true, undefined],
    ]),
  );
});

test('a direct link takes the place of a circuit, and a circuit that of a direct link that is gone', async () => {
  const camp = await chain(804, ['valley', 'ridge', 'coast'], wifi);
  const { world } = camp;
  const [valley, , coast] = camp.nodes as [SimulatedNode, SimulatedNode, SimulatedNode];
  withoutRoom(camp, 'ridge');
  valley.node.mesh.openCircuit(coast.node.id);
  expect(await world.until(() => connected(coast, valley), minute)).toBe(true);
  world.link('valley', 'coast', wifi);
  valley.node.addContact(coast.node.id, ['udp://coast:7077']);
  expect(await world.until(() => valley.node.mesh.nextHop(coast.node.id) === coast.node.id, 2 * minute)).toBe(true);
  await world.runFor(10 * second);
  for (const { node } of camp.nodes) expect(node.mesh.circuits()).toEqual([]);

  world.linkBetween('valley', 'coast').cut();
  await publish(camp, valley, 'note.txt', 'by way of the ridge');
  await expectFile(world, coast, 'note.txt', 'by way of the ridge', 2 * minute);
  expect(ofType(valley, 'session-up').at(-1)).toMatchObject({ address: 'circuit://mesh' });
  world.linkBetween('valley', 'coast').heal();
  expect(await world.until(() => valley.node.mesh.circuits().length === 0, 3 * minute)).toBe(true);
});

test('both ends may keep the same circuit, and find back to each other when it breaks', async () => {
  const camp = await diamond(805);
  const { world } = camp;
  const [valley, coast] = [named(camp, 'valley'), named(camp, 'coast')];
  valley.node.mesh.openCircuit(coast.node.id);
  coast.node.mesh.openCircuit(valley.node.id);
  for (const [index, name] of ['ridge', 'dunes'].entries()) {
    const photo = seededRandom(index).bytes(250_000);
    await publish(camp, valley, `${name}.raw`, photo);
    await world.runFor(2 * second);
    world.node(name).kill();
    await expectFile(world, coast, `${name}.raw`, photo, 3 * minute);
    await world.finish(world.node(name).start());
    await world.runFor(2 * minute);
  }
  expect(valley.node.mesh.circuits()).toHaveLength(1);
  expect(coast.node.mesh.circuits()).toHaveLength(1);
});

test('a member that was restarted and has forgotten the session gets another one over the next circuit', async () => {
  const camp = await chain(810, ['valley', 'ridge', 'coast'], wifi);
  const { world } = camp;
  const [valley, , coast] = camp.nodes as [SimulatedNode, SimulatedNode, SimulatedNode];
  withoutRoom(camp, 'ridge');
  valley.node.mesh.openCircuit(coast.node.id);
  expect(await world.until(() => connected(coast, valley), minute)).toBe(true);
  await world.runFor(10 * second);
  coast.kill();
  await world.finish(coast.start());
  await publish(camp, valley, 'note.txt', 'are you there');
  await expectFile(world, coast, 'note.txt', 'are you there', 2 * minute);
  expect(ofType(valley, 'session-up').filter(({ peer }) => peer === coast.node.id)).toHaveLength(2);
});

test('the far end forgets a session whose owner is gone, and its owner is told why it cannot open one', async () => {
  const camp = await chain(811, ['valley', 'ridge', 'coast'], wifi);
  const { world } = camp;
  const [valley, ridge, coast] = camp.nodes as [SimulatedNode, SimulatedNode, SimulatedNode];
  withoutRoom(camp, 'ridge');
  valley.node.mesh.openCircuit(coast.node.id);
  expect(await world.until(() => connected(coast, valley), minute)).toBe(true);
  await publish(camp, coast, 'note.txt', 'for whom');
  const { id } = valley.node;
  valley.kill();
  await publish(camp, coast, 'more.txt', 'for nobody');
  await world.runFor(15 * minute);
  expect(coast.node.connectedPeers()).not.toContain(id);
  expect(coast.node.mesh.circuits()).toEqual([]);
  // What was asked for is remembered.
  await world.finish(valley.start());
  expect(await world.until(() => connected(coast, valley), 5 * minute)).toBe(true);
  await expectFile(world, valley, 'more.txt', 'for nobody', minute);
  await world.runFor(5 * second);
  valley.node.mesh.closeCircuit(coast.node.id);
  await world.finish(valley.stop());
  await world.finish(valley.start());
  await world.runFor(5 * minute);
  expect(connected(coast, valley)).toBe(false);
  world.linkBetween('ridge', 'coast').cut();
  valley.node.mesh.openCircuit(coast.node.id);
  await world.runFor(10 * second);
  expect(['no-route', 'lost', 'timeout']).toContain(ofType(valley, 'circuit').at(-1)?.reason);
  await world.runFor(10 * minute);
  world.linkBetween('ridge', 'coast').heal();
  for (const { node } of [valley, ridge, coast]) node.hint();
  expect(await world.until(() => connected(coast, valley), 2 * minute)).toBe(true);
});

test('a circuit may be asked for by another way, or not at all any more, before it is there', async () => {
  const camp = await diamond(812);
  const { world } = camp;
  const [valley, ridge, coast] = [named(camp, 'valley'), named(camp, 'ridge'), named(camp, 'coast')];
  for (const via of ['ridge', 'dunes', 'ridge']) valley.node.mesh.openCircuit(coast.node.id, { via: named(camp, via).node.id });
  valley.node.mesh.openCircuit(coast.node.id, { via: ridge.node.id });
  expect(await world.until(() => connected(coast, valley), minute)).toBe(true);
  await world.runFor(second);
  expect(valley.node.mesh.circuits().map(({ neighbours }) => neighbours)).toEqual([[ridge.node.id]]);
  valley.node.mesh.openCircuit(coast.node.id, { via: named(camp, 'dunes').node.id });
  expect(await world.until(() => valley.node.mesh.circuits()[0]?.neighbours[0] === named(camp, 'dunes').node.id, minute)).toBe(true);
  valley.node.mesh.closeCircuit(coast.node.id);
  valley.node.mesh.openCircuit(coast.node.id);
  valley.node.mesh.closeCircuit(coast.node.id);
  valley.node.mesh.closeCircuit(coast.node.id);
  await world.runFor(minute);
  for (const { node } of camp.nodes) expect(node.mesh.circuits()).toEqual([]);
});

test('a relay takes so many circuits and so many bytes a minute, and says so', async () => {
  const camp = await chain(808, ['valley', 'ridge', 'coast'], wifi);
  const [valley, ridge, coast] = camp.nodes as [SimulatedNode, SimulatedNode, SimulatedNode];
  withoutRoom(camp, 'ridge');
  ridge.node.mesh.setRelaying({ circuits: 0 });
  for (const change of [{ bytesPerMinute: 1 }, { carriedBytes: -1 }, { carriedBytes: 0.5 }])
    expect(() => ridge.node.mesh.setRelaying(change)).toThrow(expect.objectContaining({ code: 'RELAYING_INVALID' }));
  valley.node.mesh.openCircuit(coast.node.id);
  await camp.world.runFor(5 * second);
  expect(ofType(valley, 'circuit').at(-1)).toMatchObject({ isOpen: false, reason: 'busy' });
  ridge.node.mesh.setRelaying({ circuits: 1, bytesPerMinute: 60_000 });
  await camp.world.finish(ridge.stop());
  await camp.world.finish(ridge.start());
  expect(ridge.node.mesh.relaying()).toEqual({ custody: false, circuits: 1, bytesPerMinute: 60_000 });
  expect(await camp.world.until(() => connected(coast, valley), 10 * minute)).toBe(true);
  const photo = seededRandom(8).bytes(200_000);
  await publish(camp, valley, 'photo.raw', photo);
  const [before] = ridge.node.mesh.circuits();
  await camp.world.runFor(2 * minute);
  const [after] = ridge.node.mesh.circuits();
  expect((after?.bytes ?? 0) - (before?.bytes ?? 0)).toBeLessThanOrEqual(2.25 * 60_000);
  await expectFile(camp.world, coast, 'photo.raw', photo, 10 * minute);
  expect(() => valley.node.mesh.openCircuit(valley.node.id)).toThrow(expect.objectContaining({ code: 'MEMBER_UNKNOWN' }));
});

test('a circuit leads by way of the member that is named, and over six hops', async () => {
  const names = ['one', 'two', 'three', 'four', 'five', 'six', 'seven'];
  const camp = await chain(809, names, { delayMs: 5, rateBytesPerSecond: 125_000 });
  const [one, , , , , six, seven] = camp.nodes as SimulatedNode[];
  if (one === undefined || six === undefined || seven === undefined) throw new Error('seven nodes were asked for');
  await camp.world.runFor(30 * second);
  expect(one.node.mesh.routes()).toHaveLength(6);
  one.node.mesh.openCircuit(seven.node.id, { via: six.node.id });
  expect(await camp.world.until(() => connected(seven, one), minute)).toBe(true);
  await publish(camp, one, 'note.txt', 'six hops');
  await expectFile(camp.world, seven, 'note.txt', 'six hops', minute);
  expect(camp.nodes.map(({ node }) => node.mesh.circuits().map(({ role }) => role))).toEqual([
    ['opened'],
    ...Array.from({ length: 5 }, () => ['relayed']),
    ['accepted'],
  ]);
});
