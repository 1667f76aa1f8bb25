import { expect, test } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import { brokenPromises } from '../../src/simulation/checkers.ts';
import type { SimulatedNode } from '../../src/simulation/simulated-node.ts';
import {
  chain,
  deliveryByName,
  expectConvergence,
  expectFile,
  hour,
  minute,
  onDisk,
  type Pair,
  publish,
  radio,
  second,
  type Trio,
} from './camp.ts';

const recording = seededRandom(11).bytes(1_000_000);

/** Bytes of file content that have come to a node, as its peers' ledgers say they sent. */
function dataSentTo(receiver: SimulatedNode, senders: readonly SimulatedNode[]): number {
  return senders
    .flatMap((sender) => sender.node.traffic())
    .reduce((sum, { peer, sent }) => sum + (peer === receiver.node.id ? (sent.data ?? 0) + (sent.retransmission ?? 0) : 0), 0);
}

test.each(['udp', 'tcp'] as const)(
  'a link cut in the middle of a transfer over %s resumes without sending again what arrived',
  async (scheme) => {
    const camp = await chain(21, ['camp', 'ridge'], radio, 'merge', scheme);
    const [a, b] = camp.nodes as Pair;
    await publish(camp, a, 'radar.bin', recording);
    const link = camp.world.linkBetween('camp', 'ridge');
    for (let cut = 0; cut < 3; cut++) {
      await camp.world.runFor(8 * second);
      link.cut();
      await camp.world.runFor(10 * minute);
      link.heal();
    }
    await expectFile(camp.world, b, 'radar.bin', recording);
    expect(dataSentTo(b, [a])).toBeLessThan(recording.length * 1.18);
  },
);

test('a receiver killed again and again in the middle of a transfer goes on where it was', async () => {
  const camp = await chain(22, ['camp', 'ridge']);
  const [a, b] = camp.nodes as Pair;
  await publish(camp, a, 'radar.bin', recording);
  for (let kill = 0; kill < 4; kill++) {
    b.killAtPacket(80 + 37 * kill);
    expect(await camp.world.until(() => !b.isRunning, hour)).toBe(true);
    await camp.world.runFor(30 * second);
    await camp.world.finish(b.start());
    expect(brokenPromises(camp.nodes)).toEqual([]);
  }
  await expectFile(camp.world, b, 'radar.bin', recording);
  expect(dataSentTo(b, [a])).toBeLessThan(recording.length * 1.2);
  await expectConvergence(camp.world, hour);
  await camp.world.runFor(minute);
  expect(deliveryByName(a, camp.dataset)).toEqual({ ridge: 'delivered' });
});

test('a relay killed in custody keeps what it took, and the far end gets it', async () => {
  const camp = await chain(23, ['valley', 'ridge', 'coast']);
  const [valley, ridge, coast] = camp.nodes as Trio;
  camp.world.linkBetween('ridge', 'coast').cut();
  await publish(camp, valley, 'profile.bin', recording);
  expect(await camp.world.until(() => deliveryByName(valley, camp.dataset).ridge === 'delivered', hour)).toBe(true);
  // From here on the only other copy is the relay's.
  camp.world.linkBetween('valley', 'ridge').cut();
  ridge.kill();
  await camp.world.runFor(hour);
  camp.world.linkBetween('ridge', 'coast').heal();
  await camp.world.finish(ridge.start());
  ridge.killAtPacket(150);
  expect(await camp.world.until(() => !ridge.isRunning, hour)).toBe(true);
  await camp.world.finish(ridge.start());
  await expectFile(camp.world, coast, 'profile.bin', recording);
  expect(brokenPromises(camp.nodes)).toEqual([]);
});

test('a receipt that a power cut swallowed is given after the restart', async () => {
  const camp = await chain(24, ['camp', 'ridge']);
  const [a, b] = camp.nodes as Pair;
  await publish(camp, a, 'note.txt', 'the only copy');
  // Killed at the very instant at which the content was complete, before anything could be said.
  expect(await camp.world.until(() => b.events.some((event) => event.type === 'content-complete'), minute)).toBe(true);
  b.kill();
  await camp.world.runFor(hour);
  await camp.world.finish(b.start());
  await camp.world.runFor(10 * minute);
  expect(deliveryByName(a, camp.dataset)).toEqual({ ridge: 'delivered' });
});

test('a conflict found just before a power cut is ended after the restart', async () => {
  const camp = await chain(25, ['camp', 'ridge']);
  const [a, b] = camp.nodes as Pair;
  await publish(camp, a, 'pits.csv', 'id,depth_m\n1,0.4\n2,0.7\n');
  await expectFile(camp.world, b, 'pits.csv', 'id,depth_m\n1,0.4\n2,0.7\n');
  const link = camp.world.linkBetween('camp', 'ridge');
  link.cut();
  await publish(camp, a, 'pits.csv', 'id,depth_m\n1,0.5\n2,0.7\n');
  await publish(camp, b, 'pits.csv', 'id,depth_m\n1,0.4\n2,0.8\n');
  await camp.world.runFor(minute);
  link.heal();
  // Both sides notice, have both contents, and lose their power before they can merge.
  for (const node of camp.nodes) {
    await camp.world.until(
      () => node.events.some((event) => event.type === 'conflict') && node.isRunning && node.node.outstanding().contents === 0,
      hour,
    );
    node.kill();
  }
  link.cut();
  for (const node of camp.nodes) await camp.world.finish(node.start());
  await camp.world.runFor(minute);
  link.heal();
  await expectFile(camp.world, a, 'pits.csv', 'id,depth_m\n1,0.5\n2,0.8\n');
  await expectFile(camp.world, b, 'pits.csv', 'id,depth_m\n1,0.5\n2,0.8\n');
  await expectConvergence(camp.world, hour);
});

test('a full disk pauses a transfer, says so, and lets it finish when there is room again', async () => {
  const camp = await chain(26, ['camp', 'ridge']);
  const [a, b] = camp.nodes as Pair;
  b.disk.freeBytes = 300_000;
  await publish(camp, a, 'radar.bin', recording);
  await camp.world.runFor(10 * minute);
  expect(b.events.some((event) => event.type === 'fault' && event.fault.code === 'DISK_FULL')).toBe(true);
  expect(await onDisk(b, 'radar.bin')).toBeUndefined();
  expect(brokenPromises(camp.nodes)).toEqual([]);
  const faults = b.events.filter((event) => event.type === 'fault').length;
  expect(faults).toBeLessThan(200);
  b.disk.freeBytes = 20_000_000;
  await expectFile(camp.world, b, 'radar.bin', recording);
  await expectConvergence(camp.world, hour);
});
