import { expect, test } from 'vitest';
import type { FieldNodeEvent } from '../../src/node/field-node.ts';
import type { SimulatedNode } from '../../src/simulation/simulated-node.ts';
import { World } from '../../src/simulation/world.ts';
import { hour, minute, radio, second } from './camp.ts';

async function baseAnd(seed: number, ...names: string[]): Promise<{ world: World; base: SimulatedNode; others: SimulatedNode[] }> {
  const world = new World({ seed });
  const base = await world.add('base');
  const others: SimulatedNode[] = [];
  for (const name of names) {
    others.push(await world.add(name));
    world.link('base', name, radio);
  }
  base.node.createTeam('Storbreen');
  for (const scheme of ['udp', 'tcp']) await world.finish(base.node.listen(`${scheme}://base:7077`));
  return { world, base, others };
}

function rounds(node: SimulatedNode): Extract<FieldNodeEvent, { type: 'joining' }>[] {
  return node.events.flatMap((event) => (event.type === 'joining' ? [event] : []));
}

test('a node that meets silence says after every round how it went, and goes on', async () => {
  const { world, base, others } = await baseAnd(11, 'ridge');
  const [ridge] = others as [SimulatedNode];
  const code = base.node.createInvite({ validMs: second });
  await world.runFor(minute);
  void ridge.node.join(code).catch(() => undefined);
  await world.runFor(hour);
  const seen = rounds(ridge);
  expect(seen.length).toBeGreaterThan(10);
  expect(seen.map(({ attempt }) => attempt)).toEqual(seen.map((_, index) => index + 1));
  expect(new Set(seen.map(({ fault }) => fault.code))).toEqual(new Set(['HANDSHAKE_TIMEOUT']));
});

test('an address where nobody takes a connection counts like one where nobody answers', async () => {
  const { world, base, others } = await baseAnd(12, 'ridge');
  const [ridge] = others as [SimulatedNode];
  const joined = ridge.node.join(base.node.createInvite({ addresses: ['tcp://base:9', 'tcp://base:8'] }), { timeoutMs: 10 * minute });
  await expect(world.finish(joined, hour)).rejects.toMatchObject({ code: 'JOIN_TIMEOUT', retryable: true });
  expect(rounds(ridge)[0]).toMatchObject({ attempt: 1, fault: { code: 'DIAL_FAILED', blame: 'peer' } });
});

test('a time that was set ends joining, and nothing is tried any more; the same code works later', async () => {
  const { world, base, others } = await baseAnd(13, 'ridge');
  const [ridge] = others as [SimulatedNode];
  const code = base.node.createInvite();
  world.linkBetween('base', 'ridge').schedule([{ fromMs: hour, untilMs: 3 * hour }]);
  const from = world.nowMs;
  await expect(world.finish(ridge.node.join(code, { timeoutMs: 5 * minute }), hour)).rejects.toMatchObject({
    code: 'JOIN_TIMEOUT',
    retryable: true,
  });
  expect(world.nowMs - from).toBeLessThan(5 * minute + second);
  await world.runFor(minute);
  const sent = ridge.packetsSent;
  await world.runFor(10 * minute);
  expect(ridge.packetsSent).toBe(sent);
  expect(ridge.pendingTimers).toBe(0);
  expect(ridge.node.team).toBeUndefined();
  await world.runFor(hour);
  expect(await world.finish(ridge.node.join(code, { timeoutMs: 5 * minute }), hour)).toBe(base.node.team);
  await world.runFor(minute);
  expect(ridge.pendingTimers).toBe(0);
});

test.each(['before', 'after'])('a signal that is fired %s joining began ends it', async (when) => {
  const { world, base, others } = await baseAnd(14, 'ridge');
  const [ridge] = others as [SimulatedNode];
  const controller = new AbortController();
  if (when === 'before') controller.abort();
  const joined = ridge.node.join(base.node.createInvite({ addresses: ['udp://nowhere:1'] }), { signal: controller.signal });
  const ended = expect(joined).rejects.toMatchObject({ code: 'ABORTED', retryable: false });
  await world.runFor(minute);
  controller.abort();
  await ended;
  await world.runFor(minute);
  expect(ridge.pendingTimers).toBe(0);
});

test('giving up between the welcome and the team log leaves no team behind, and the same node may come again', async () => {
  const { world, base, others } = await baseAnd(15, 'ridge');
  const [ridge] = others as [SimulatedNode];
  const controller = new AbortController();
  const code = base.node.createInvite();
  const joined = ridge.node.join(code, { signal: controller.signal });
  const ended = expect(joined).rejects.toMatchObject({ code: 'ABORTED' });
  expect(await world.until(() => ridge.node.team !== undefined, minute)).toBe(true);
  expect(ridge.node.members().map(({ name }) => name)).toEqual(['base']);
  controller.abort();
  await ended;
  expect([ridge.node.team, ridge.node.members()]).toEqual([undefined, []]);
  await world.runFor(minute);
  expect([ridge.pendingTimers, ridge.node.connectedPeers()]).toEqual([0, []]);
  expect(await world.finish(ridge.node.join(code), minute)).toBe(base.node.team);
});

test('a power cut between the welcome and the team log does not make a member of nobody', async () => {
  const { world, base, others } = await baseAnd(16, 'ridge');
  const [ridge] = others as [SimulatedNode];
  const code = base.node.createInvite();
  void ridge.node.join(code).catch(() => undefined);
  expect(await world.until(() => ridge.node.team !== undefined, minute)).toBe(true);
  ridge.kill();
  const node = await world.finish(ridge.start());
  expect(await world.finish(node.join(code), minute)).toBe(base.node.team);
  expect(
    node
      .members()
      .map(({ name }) => name)
      .sort(),
  ).toEqual(['base', 'ridge']);
});

test('a node that answers an invite as a member whose key it does not have is found out by the log', async () => {
  const { world, base, others } = await baseAnd(17, 'coast', 'ridge');
  const [coast, ridge] = others as [SimulatedNode, SimulatedNode];
  world.link('coast', 'ridge', radio);
  await world.finish(coast.node.join(base.node.createInvite({ role: 'coordinator' })), minute);
  await world.runFor(minute);
  const { id } = coast.node;
  await world.finish(coast.stop());
  // Whoever has taken the place of the coast knows its node key and the team's secret, and not the key that the team knows its sessions by.
  coast.catalog.run('UPDATE identity SET channel_seed = ?', new Uint8Array(32).fill(5));
  await world.finish(coast.start());
  expect(coast.node.id).toBe(id);
  await world.finish(coast.node.listen('udp://coast:7077'));
  world.linkBetween('base', 'ridge').schedule([]);
  await expect(world.finish(ridge.node.join(coast.node.createInvite()), hour)).rejects.toMatchObject({
    code: 'INVITER_INVALID',
    retryable: false,
  });
  await world.runFor(minute);
  expect([ridge.node.team, ridge.node.members(), ridge.node.connectedPeers()]).toEqual([undefined, [], []]);
  expect(ridge.pendingTimers).toBe(0);
});

test('a port that is taken when a node starts is taken over when it is free', async () => {
  const { world, base, others } = await baseAnd(18, 'ridge');
  const [ridge] = others as [SimulatedNode];
  await world.finish(ridge.node.listen('udp://ridge:7077'));
  const id = ridge.node.addDuty({ kind: 'listen', address: 'udp://ridge:7077' });
  await world.runFor(10 * minute);
  const problems = (): string[] => ridge.events.flatMap((event) => (event.type === 'problem' ? [event.code] : []));
  expect(problems().length).toBeGreaterThan(5);
  expect(problems().length).toBeLessThan(15);
  expect(new Set(problems())).toEqual(new Set(['PORT_BUSY']));
  await world.finish(ridge.stop());
  await world.finish(ridge.start());
  const before = problems().length;
  await world.runFor(10 * minute);
  expect(problems().length).toBe(before);
  expect(ridge.node.duties().map((each) => each.id)).toEqual([id]);
  expect(await world.finish(base.node.listen('udp://base:7078'))).toBe('udp://base:7078');
  expect(ridge.pendingTimers).toBe(0);
});

test('whoever joins finishes when the inviting node loses its power in the middle of it', async () => {
  let kills = 0;
  for (let packet = 1; packet <= 8; packet++) {
    const { world, base, others } = await baseAnd(20 + packet, 'ridge');
    const [ridge] = others as [SimulatedNode];
    const code = base.node.createInvite();
    base.killAtPacket(packet);
    const joined = ridge.node.join(code);
    await world.until(() => !base.isRunning, minute);
    if (!base.isRunning) {
      kills++;
      await world.finish(base.start());
      for (const scheme of ['udp', 'tcp']) await world.finish(base.node.listen(`${scheme}://base:7077`));
    }
    expect(await world.finish(joined, 10 * minute)).toBe(base.node.team);
    expect(ridge.node.members()).toHaveLength(2);
  }
  expect(kills).toBeGreaterThan(3);
});
