import { expect, test } from 'vitest';
import { seededRandom } from '../../../src/core/random.ts';
import { brokenPromises } from '../../../src/simulation/checkers.ts';
import { linkPresets } from '../../../src/simulation/presets.ts';
import type { World } from '../../../src/simulation/world.ts';
import { chain, deliveryByName, expectConvergence, expectFile, hour, minute, type Pair, publish, second, type Trio } from '../camp.ts';

const recording = seededRandom(3).bytes(200_000);

/** Looks every few seconds, as looking is not free, until something holds; false when it does not in time. */
async function becomesTrue(world: World, condition: () => boolean, withinMs: number, everyMs = 5 * second): Promise<boolean> {
  const deadline = world.nowMs + withinMs;
  while (!condition() && world.nowMs < deadline) await world.runFor(everyMs);
  return condition();
}

test('integrity through store-and-forward: what a relay held alone, on a disk that rots and over links that flip bits, arrives as it was written', async () => {
  const camp = await chain(801, ['glacier', 'ridge', 'coast']);
  const [glacier, ridge, coast] = camp.nodes as Trio;
  const [below, above] = camp.world.links as [(typeof camp.world.links)[0], (typeof camp.world.links)[0]];
  for (const link of [below, above]) link.change({ ...linkPresets['wifi-long-range'].up, corruptRatio: 0.05 });
  above.cut();
  await publish(camp, glacier, 'radar.bin', recording);
  expect(await becomesTrue(camp.world, () => deliveryByName(glacier, camp.dataset).ridge === 'delivered', hour)).toBe(true);
  below.cut();
  // The relay's disk loses a bit of what it holds for the coast: the damage is noticed, never handed on, and mended from the source when the source is there again.
  expect(ridge.rotChunk()).toBe(true);
  above.heal();
  await camp.world.runFor(10 * minute);
  below.heal();
  await camp.world.finish(ridge.node.repair(undefined, { waitMs: 10 * minute }));
  await expectFile(camp.world, coast, 'radar.bin', recording);
  expect(below.faults.corrupted + above.faults.corrupted).toBeGreaterThan(5);
  await camp.world.runFor(minute);
  expect(deliveryByName(glacier, camp.dataset)).toEqual({ ridge: 'delivered', coast: 'delivered' });
  expect(brokenPromises(camp.nodes)).toEqual([]);
});

test('several hops: a file crosses four kinds of links that are never up together, and its author learns that it arrived', async () => {
  const camp = await chain(802, ['sensor', 'hut', 'ridge', 'village', 'office']);
  const [sensor] = camp.nodes as Pair;
  const kinds = ['wifi-ad-hoc', 'radio-modem-vhf', 'edge', 'geo-broadband'] as const;
  for (const [index, link] of camp.world.links.entries()) {
    const { up, down } = linkPresets[kinds[index] ?? 'edge'];
    link.change(up, down);
    // Each is up for five minutes in twenty, one after the other.
    const start = camp.world.nowMs + index * 5 * minute;
    const windows = Array.from({ length: 24 }, (_, round) => start + round * 20 * minute);
    link.schedule(windows.map((fromMs) => ({ fromMs, untilMs: fromMs + 5 * minute })));
  }
  const log = seededRandom(4).bytes(60_000);
  await publish(camp, sensor, 'probe.bin', log);
  const office = camp.nodes.at(-1) as Pair[0];
  expect(await becomesTrue(camp.world, () => office.events.some(({ type }) => type === 'file-written'), 2 * hour)).toBe(true);
  await expectFile(camp.world, office, 'probe.bin', log, minute);
  expect(await becomesTrue(camp.world, () => deliveryByName(sensor, camp.dataset).office === 'delivered', 6 * hour)).toBe(true);
});

test('a device leaves the mesh in mid-transfer: what it had not passed on comes another way, and it catches up when it is back', async () => {
  const camp = await chain(803, ['camp', 'ridge', 'coast']);
  const [a, ridge, c] = camp.nodes as Trio;
  await publish(camp, a, 'radar.bin', recording);
  expect(await becomesTrue(camp.world, () => c.node.outstanding().contents > 0, hour, second)).toBe(true);
  await camp.world.runFor(5 * second);
  ridge.kill();
  // A vehicle with a modem drives up, between the two that are left.
  camp.world.link('camp', 'coast', linkPresets['wifi-ad-hoc'].up);
  a.node.addContact(c.node.id, ['udp://coast:7077']);
  await expectFile(camp.world, c, 'radar.bin', recording);
  await camp.world.finish(ridge.start());
  await expectConvergence(camp.world, hour);
  expect(brokenPromises(camp.nodes)).toEqual([]);
});

test('power loss in mid-transfer: sender and receiver lose their power again and again, and nothing is lost, wrong, or sent twice over', async () => {
  const camp = await chain(804, ['camp', 'ridge']);
  const [a, b] = camp.nodes as Pair;
  const link = camp.world.linkBetween('camp', 'ridge');
  link.change(linkPresets['radio-modem-vhf'].up);
  await publish(camp, a, 'radar.bin', recording);
  const before = link.trafficFrom('camp').bytes;
  for (const [node, packets] of [
    [b, 40],
    [a, 90],
    [b, 60],
    [a, 50],
  ] as const) {
    node.killAtPacket(packets);
    expect(await camp.world.until(() => !node.isRunning, hour)).toBe(true);
    await camp.world.runFor(30 * second);
    await camp.world.finish(node.start());
    expect(brokenPromises(camp.nodes)).toEqual([]);
  }
  await expectFile(camp.world, b, 'radar.bin', recording);
  await expectConvergence(camp.world, hour);
  expect(link.trafficFrom('camp').bytes - before).toBeLessThan(recording.length * 1.5);
});
