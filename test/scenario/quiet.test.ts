import { expect, test } from 'vitest';
import type { SimulatedNodeOptions } from '../../src/simulation/simulated-node.ts';
import { withCatalog } from '../simulation/changed-catalog.ts';
import { chain, hour, minute, type Pair, publish, radio } from './camp.ts';

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
  // Probes and attempts come about once a minute by then, and a handshake is a few packets.
  expect(reasons.length).toBeLessThan(200);
  expect(reasons.length).toBeGreaterThan(10);
});

test('asking a silent peer takes the catalog only to write its bytes ahead', async () => {
  let transactions = 0;
  const options: SimulatedNodeOptions = {
    platform: (platform) =>
      withCatalog(platform, (catalog) => ({
        transaction: (work) => {
          transactions++;
          return catalog.transaction(work);
        },
      })),
  };
  const camp = await chain(643, ['camp', 'ridge'], radio, 'merge', 'udp', options);
  const [a] = camp.nodes as Pair;
  await camp.world.runFor(hour);
  camp.world.linkBetween('camp', 'ridge').change({ ...radio, lossRatio: 1 });
  await publish(camp, a, 'note.txt', 'not delivered yet');
  await camp.world.runFor(minute);
  const [sent, before] = [a.packetsSent, transactions];
  await camp.world.runFor(30 * minute);
  const packets = a.packetsSent - sent;
  expect(packets).toBeGreaterThan(200);
  expect(transactions - before).toBeLessThan(packets / 5);
  // And all of it is covered.
  const booked = a.node.bandwidth.usage().reduce((sum, { sent: each }) => sum + Object.values(each).reduce((all, bytes) => all + bytes), 0);
  expect(booked).toBe(camp.world.linkBetween('camp', 'ridge').trafficFrom('camp').bytes);
});
