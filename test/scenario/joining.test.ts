import { expect, test } from 'vitest';
import { utf8 } from '../../src/core/bytes.ts';
import { GodwitError } from '../../src/core/errors.ts';
import type { SimulatedNode } from '../../src/simulation/simulated-node.ts';
import { World } from '../../src/simulation/world.ts';
import { day, expectConvergence, hour, minute, radio } from './camp.ts';

async function baseAnd(seed: number, ...others: string[]): Promise<{ world: World; base: SimulatedNode; others: SimulatedNode[] }> {
  const world = new World({ seed });
  const base = await world.add('base');
  const nodes: SimulatedNode[] = [];
  for (const name of others) {
    nodes.push(await world.add(name));
    world.link('base', name, radio);
  }
  base.node.createTeam('Storbreen');
  await world.finish(base.node.listen('udp://base:7077'));
  return { world, base, others: nodes };
}

test('an invite works once: a second node is refused, the first may use it again', async () => {
  const { world, base, others } = await baseAnd(1, 'ridge', 'coast');
  const [ridge, coast] = others as [SimulatedNode, SimulatedNode];
  const code = base.node.createInvite();
  const team = await world.finish(ridge.node.join(code), minute);
  expect(team).toBe(base.node.team);
  await expect(world.finish(coast.node.join(code), minute)).rejects.toMatchObject({ code: 'INVITE_USED' });
  expect(await world.finish(ridge.node.join(code), minute)).toBe(team);
  await world.runFor(minute);
  expect(
    base.node
      .members()
      .map(({ name }) => name)
      .sort(),
  ).toEqual(['base', 'ridge']);
  expect(ridge.node.members()).toEqual(base.node.members());
});

test('an invite whose answer a power cut swallowed works again for the same node', async () => {
  const { world, base, others } = await baseAnd(2, 'ridge');
  const [ridge] = others as [SimulatedNode];
  const code = base.node.createInvite();
  void ridge.node.join(code);
  expect(await world.until(() => base.node.members().length === 2, minute)).toBe(true);
  ridge.kill();
  const node = await world.finish(ridge.start());
  expect(node.team).toBeUndefined();
  expect(await world.finish(node.join(code), minute)).toBe(base.node.team);
});

test.each([
  [
    'expired',
    async (base: SimulatedNode, world: World) => {
      const code = base.node.createInvite({ validMs: hour });
      await world.runFor(2 * hour);
      return code;
    },
  ],
  [
    'of a base that has forgotten it',
    async (_base: SimulatedNode, world: World) => {
      const other = await world.add('elsewhere');
      other.node.createTeam('Other');
      return other.node.createInvite({ addresses: ['udp://base:7077'] });
    },
  ],
])('an invite that is %s gets no answer at all', async (_name, codeFrom) => {
  const { world, base, others } = await baseAnd(3, 'ridge');
  const [ridge] = others as [SimulatedNode];
  const code = await codeFrom(base, world);
  const before = base.packetsSent;
  let ended = false;
  void ridge.node.join(code).finally(() => {
    ended = true;
  });
  await world.runFor(10 * minute);
  expect(ended).toBe(false);
  expect(ridge.packetsSent).toBeGreaterThan(3);
  expect(base.packetsSent).toBe(before);
  expect(base.node.members()).toHaveLength(1);
});

test('an outsider who guesses the address learns nothing, not even that somebody is there', async () => {
  const { world, base, others } = await baseAnd(4, 'ridge', 'stranger');
  const [ridge, stranger] = others as [SimulatedNode, SimulatedNode];
  await world.finish(ridge.node.join(base.node.createInvite()), minute);
  await world.runFor(minute);
  // The stranger has a team of its own, in which it knows the base's true key.
  stranger.node.createTeam('Storbreen');
  const before = base.packetsSent;
  stranger.node.addContact(base.node.id, ['udp://base:7077']);
  void stranger.node.join(stranger.node.createInvite({ addresses: ['udp://base:7077'] })).catch(() => undefined);
  await world.runFor(hour);
  expect(base.packetsSent).toBe(before);
  expect(stranger.node.connectedPeers()).toEqual([]);
});

test('codes that are none, and joining twice, are refused with their reason', async () => {
  const { world, base, others } = await baseAnd(5, 'ridge');
  const [ridge] = others as [SimulatedNode];
  await expect(ridge.node.join('godwit1:abc')).rejects.toMatchObject({ code: 'INVITE_MALFORMED' });
  const code = base.node.createInvite();
  await expect(ridge.node.join(code.slice(0, -3))).rejects.toBeInstanceOf(GodwitError);
  await expect(world.finish(ridge.node.join(base.node.createInvite({ addresses: [] })))).rejects.toMatchObject({
    code: 'INVITE_WITHOUT_ADDRESS',
  });
  await world.finish(ridge.node.join(code), minute);
  expect(() => ridge.node.createTeam('Second')).toThrow(expect.objectContaining({ code: 'ALREADY_IN_TEAM' }));
  const lone = await world.add('lone');
  lone.node.createTeam('Lone');
  await expect(lone.node.join(code)).rejects.toMatchObject({ code: 'ALREADY_IN_TEAM' });
  await world.runFor(minute);
  expect(() => ridge.node.createInvite()).toThrow(expect.objectContaining({ code: 'NOT_COORDINATOR' }));
});

test('a reader receives and cannot write, and says why', async () => {
  const { world, base, others } = await baseAnd(6, 'ridge');
  const [ridge] = others as [SimulatedNode];
  await world.finish(ridge.node.join(base.node.createInvite({ role: 'reader' })), minute);
  const dataset = base.node.createDataset({ name: 'field', kind: 'files' });
  base.directory('d').put('a.txt', utf8('one'));
  base.node.attach(dataset, 'd');
  await world.finish(base.node.scan(dataset, { settleMs: 0 }));
  await expectConvergence(world, hour);
  expect([...ridge.node.files(dataset)].map(({ path, complete }) => [path, complete])).toEqual([['a.txt', true]]);
  ridge.directory('d');
  ridge.node.attach(dataset, 'd');
  await expect(ridge.node.scan(dataset)).rejects.toMatchObject({ code: 'NOT_A_WRITER' });
  expect(() => ridge.node.createDataset({ name: 'own', kind: 'files' })).toThrow(expect.objectContaining({ code: 'NOT_A_WRITER' }));
});

test('a joining node that is out of reach keeps trying until the link is there', async () => {
  const { world, base, others } = await baseAnd(7, 'ridge');
  const [ridge] = others as [SimulatedNode];
  world.linkBetween('base', 'ridge').schedule([{ fromMs: 2 * day, untilMs: 2 * day + hour }]);
  const joined = ridge.node.join(base.node.createInvite());
  await world.finish(joined, 3 * day);
  expect(world.nowMs).toBeGreaterThan(2 * day);
  expect(world.nowMs).toBeLessThan(2 * day + 2 * minute);
});

test('a name that others would refuse is refused before it is signed', async () => {
  const world = new World({ seed: 77 });
  const { node } = await world.add('base');
  for (const name of ['', 'x'.repeat(257)]) {
    expect(() => node.createTeam(name)).toThrow(expect.objectContaining({ code: 'NAME_INVALID' }));
  }
  node.createTeam('x'.repeat(256));
  expect(() => node.createDataset({ name: 'x'.repeat(257), kind: 'files' })).toThrow(expect.objectContaining({ code: 'NAME_INVALID' }));
  const id = node.createDataset({ name: 'x'.repeat(256), kind: 'files' });
  expect(node.datasets().map((each) => each.id)).toEqual([id]);
});
