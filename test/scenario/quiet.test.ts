import { expect, test } from 'vitest';
import { chain, hour, minute, type Pair, publish } from './camp.ts';

/** Lets time pass from wake-up to wake-up of a node, and gives the reasons that it named. */
async function reasonsWithin(camp: Awaited<ReturnType<typeof chain>>, node: Pair[0], durationMs: number): Promise<string[]> {
  const { world } = camp;
  const untilMs = world.nowMs + durationMs;
  const reasons: string[] = [];
  for (;;) {
    const next = node.node.nextWakeUp();
    if (next === undefined || world.nowMs + next.inMs > untilMs) break;
    reasons.push(next.reason);
    await world.runFor(Math.max(1, next.inMs));
  }
  await world.runUntil(untilMs);
  return reasons;
}

test('no timer is set on a node that is out of reach of everybody and has nothing to say', async () => {
  const camp = await chain(641, ['camp', 'ridge']);
  const [a, b] = camp.nodes as Pair;
  await publish(camp, a, 'note.txt', 'delivered');
  await camp.world.runFor(hour);
  camp.world.linkBetween('camp', 'ridge').cut();
  for (const node of [a, b]) {
    expect([node.node.nextWakeUp(), node.pendingTimers]).toEqual([undefined, 0]);
    const sent = node.packetsSent;
    expect(await reasonsWithin(camp, node, 10 * minute)).toEqual([]);
    expect([node.pendingTimers, node.packetsSent]).toEqual([0, sent]);
  }
});

test('what a node out of reach wakes up for while something waits has a name, and grows rare', async () => {
  const camp = await chain(642, ['camp', 'ridge']);
  const [a] = camp.nodes as Pair;
  await camp.world.runFor(hour);
  camp.world.linkBetween('camp', 'ridge').cut();
  await publish(camp, a, 'note.txt', 'not delivered yet');
  await camp.world.runFor(30 * minute);
  const reasons = await reasonsWithin(camp, a, 10 * minute);
  const named = ['probe', 'try to reach a peer again', 'handshake', 'a way to a peer'];
  expect([...new Set(reasons)].filter((reason) => !named.includes(reason))).toEqual([]);
  // Probes and attempts come about every ten seconds by then, and a handshake is a few packets.
  expect(reasons.length).toBeLessThan(200);
  expect(reasons.length).toBeGreaterThan(10);
});
