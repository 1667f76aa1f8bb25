import { expect, test } from 'vitest';
import type { SimulatedNode } from '../../src/simulation/simulated-node.ts';
import type { LinkModel } from '../../src/simulation/virtual-link.ts';
import { World } from '../../src/simulation/world.ts';
import { minute } from './camp.ts';

const wifi: LinkModel = { delayMs: 5, rateBytesPerSecond: 125_000, queueBytes: 64_000 };

test('a newcomer that reaches only a carrier joins a coordinator two relays away, and stays when that is over', async () => {
  const world = new World({ seed: 806 });
  const names = ['base', 'ridge', 'hut', 'newcomer'];
  for (const [index, name] of names.entries()) {
    await world.add(name);
    if (index > 0) world.link(names[index - 1] as string, name, wifi);
  }
  const [base, ridge, hut, newcomer] = world.nodes as [SimulatedNode, SimulatedNode, SimulatedNode, SimulatedNode];
  base.node.createTeam('Storbreen');
  for (const { node, name } of [base, ridge, hut]) await world.finish(node.listen(`udp://${name}:7077`, { keep: true }));
  await world.finish(ridge.node.join(base.node.createInvite({ role: 'carrier' })), minute);
  // The hut was invited at the base and carried up afterwards.
  await world.finish(hut.node.join(base.node.createInvite({ role: 'carrier', addresses: ['via:udp://ridge:7077'] })), minute);
  await world.runFor(minute);
  expect(hut.node.mesh.nextHop(base.node.id)).toBe(ridge.node.id);

  const code = base.node.createInvite({ addresses: ['via:udp://hut:7077'] });
  await world.runFor(minute);
  expect(await world.finish(newcomer.node.join(code), 2 * minute)).toBe(base.node.team);
  expect(newcomer.events.find(({ type }) => type === 'session-up')).toMatchObject({ peer: base.node.id, address: 'via:udp://hut:7077' });
  // From then on it is a neighbour of the hut like any other, and needs the circuit no more.
  expect(await world.until(() => newcomer.node.mesh.nextHop(base.node.id) === hut.node.id, 5 * minute)).toBe(true);
  await world.runFor(20 * minute);
  for (const { node } of world.nodes) expect(node.mesh.circuits()).toEqual([]);
  expect(newcomer.node.connectedPeers()).toEqual([hut.node.id]);
  expect(base.node.members().map(({ name }) => name)).toContain('newcomer');
  const dataset = newcomer.node.createDataset({ name: 'field', kind: 'files' });
  expect(await world.until(() => base.node.datasets().some(({ id }) => id === dataset), minute)).toBe(true);
});

test('a member lets nobody through who has no pass, or one that has expired', async () => {
  const world = new World({ seed: 807 });
  for (const name of ['base', 'ridge', 'stranger']) await world.add(name);
  world.link('base', 'ridge', wifi);
  world.link('ridge', 'stranger', wifi);
  const [base, ridge, stranger] = world.nodes as [SimulatedNode, SimulatedNode, SimulatedNode];
  base.node.createTeam('Storbreen');
  for (const { node, name } of [base, ridge]) await world.finish(node.listen(`udp://${name}:7077`, { keep: true }));
  await world.finish(ridge.node.join(base.node.createInvite({ role: 'carrier' })), minute);
  const other = await world.add('elsewhere');
  other.node.createTeam('Other');
  const expired = base.node.createInvite({ addresses: ['via:udp://ridge:7077'], validMs: minute });
  await world.runFor(10 * minute);
  for (const code of [other.node.createInvite({ addresses: ['via:udp://ridge:7077'] }), expired]) {
    const before = [base.packetsSent, ridge.packetsSent];
    await expect(world.finish(stranger.node.join(code, { timeoutMs: 5 * minute }), 10 * minute)).rejects.toMatchObject({
      code: 'JOIN_TIMEOUT',
    });
    expect([base.packetsSent, ridge.packetsSent]).toEqual(before);
  }
});

test.each([
  ['udp', 'slow'],
  ['tcp', 'slow'],
  ['tcp', 'fast'],
] as const)(
  'a newcomer goes on trying by %s over a %s link, whether it is the carrier or the coordinator that is not there',
  async (scheme, speed) => {
    const world = new World({ seed: 808 });
    for (const name of ['base', 'ridge', 'newcomer']) await world.add(name);
    const model = speed === 'fast' ? wifi : { delayMs: 900, rateBytesPerSecond: 150 };
    world.link('base', 'ridge', model);
    world.link('ridge', 'newcomer', model);
    const [base, ridge, newcomer] = world.nodes as [SimulatedNode, SimulatedNode, SimulatedNode];
    base.node.createTeam('Storbreen');
    await world.finish(base.node.listen('udp://base:7077', { keep: true }));
    await world.finish(ridge.node.join(base.node.createInvite({ role: 'carrier' })), 10 * minute);
    const code = base.node.createInvite({ addresses: [`via:${scheme}://ridge:7077`] });
    await world.runFor(5 * minute);
    const joined = newcomer.node.join(code);
    await world.runFor(5 * minute);
    world.linkBetween('base', 'ridge').cut();
    await world.finish(ridge.node.listen(`${scheme}://ridge:7077`, { keep: true }));
    await world.runFor(10 * minute);
    expect(newcomer.node.team).toBeUndefined();
    world.linkBetween('base', 'ridge').heal();
    for (const { node } of [base, ridge]) node.hint();
    expect(await world.finish(joined, 20 * minute)).toBe(base.node.team);
    expect(await world.until(() => newcomer.node.connectedPeers().includes(ridge.node.id), 10 * minute)).toBe(true);
  },
);
