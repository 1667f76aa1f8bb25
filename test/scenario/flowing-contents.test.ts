import { expect, test } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import type { SimulatedNode } from '../../src/simulation/simulated-node.ts';
import { type Camp, chain, expectConvergence, expectFile, folder, hour, minute, onDisk, type Pair, publish, second } from './camp.ts';

/** A directional radio: 1 Mbit/s. */
const beam = { delayMs: 20, rateBytesPerSecond: 125_000, queueBytes: 64_000 };
type Four = readonly [SimulatedNode, SimulatedNode, SimulatedNode, SimulatedNode];

/** Bytes that a link has taken from one end, headers of UDP and IP included. */
function bytesFrom({ world }: Camp, from: string, to: string): number {
  return world.linkBetween(from, to).trafficFrom(from).bytes;
}

test('a file passes through two relays nearly as fast as over one of the links', async () => {
  const camp = await chain(411, ['coast', 'saddle', 'ridge', 'valley'], beam);
  const [coast, , , valley] = camp.nodes as Four;
  const content = seededRandom(411).bytes(5_000_000);
  await camp.world.runFor(minute);
  const published = camp.world.nowMs;
  await publish(camp, valley, 'scan.las', content);
  await expectFile(camp.world, coast, 'scan.las', content);
  const seconds = (camp.world.nowMs - published) / second;
  expect(content.length / seconds).toBeGreaterThan(0.85 * beam.rateBytesPerSecond);
  for (const [from, to] of [
    ['valley', 'ridge'],
    ['ridge', 'saddle'],
    ['saddle', 'coast'],
  ] as const)
    expect(bytesFrom(camp, from, to)).toBeLessThan(1.1 * content.length);
});

test('what many wait for behind a relay crosses the link to it once', async () => {
  const camp = await chain(412, ['valley', 'ridge'], beam);
  const { world } = camp;
  const [valley, ridge] = camp.nodes as Pair;
  for (let index = 0; index < 8; index++) {
    const node = await world.add(`hut-${index}`);
    world.link('ridge', node.name, beam);
    await world.finish(node.node.listen(`udp://${node.name}:7077`, { keep: true }));
    await world.finish(node.node.join(ridge.node.createInvite({ role: 'coordinator' })), hour);
    expect(await world.until(() => node.node.datasets().length === 1, hour)).toBe(true);
    node.directory(folder);
    node.node.attach(camp.dataset, folder);
  }
  const content = seededRandom(412).bytes(1_500_000);
  const published = world.nowMs;
  await publish(camp, valley, 'scan.las', content);
  for (const node of world.nodes.slice(1)) await expectFile(world, node, 'scan.las', content);
  expect(bytesFrom(camp, 'valley', 'ridge')).toBeLessThan(1.1 * content.length);
  expect(world.nowMs - published).toBeLessThan((1.25 * second * content.length) / beam.rateBytesPerSecond);
});

const contentBytes = 3_000_000;

/** A file goes from a valley to the coast, by two relays as it comes. The relay that brings most of it dies in the middle, or does not. */
async function overEitherRelay(dies: boolean): Promise<{ readonly sentBytes: number; readonly pauseMs: number }> {
  const camp = await chain(413, ['ridge', 'valley', 'saddle', 'coast'], beam);
  const { world } = camp;
  const [ridge, valley, saddle, coast] = camp.nodes as Four;
  world.link('ridge', 'coast', beam);
  coast.node.addContact(ridge.node.id, ['udp://ridge:7077']);
  const content = seededRandom(413).bytes(contentBytes);
  await world.runFor(minute);
  await publish(camp, valley, 'scan.las', content);
  await world.runFor(10 * second);
  let pauseMs = 0;
  if (dies) {
    const saddleHasMore = bytesFrom(camp, 'saddle', 'coast') > bytesFrom(camp, 'ridge', 'coast');
    const [used, other] = saddleHasMore ? ([saddle, 'ridge'] as const) : ([ridge, 'saddle'] as const);
    used.kill();
    const diedAtMs = world.nowMs;
    const start = bytesFrom(camp, other, 'coast');
    expect(await world.until(() => bytesFrom(camp, other, 'coast') - start > 20_000, minute)).toBe(true);
    pauseMs = world.nowMs - diedAtMs;
  }
  await expectFile(world, coast, 'scan.las', content);
  return { sentBytes: bytesFrom(camp, 'saddle', 'coast') + bytesFrom(camp, 'ridge', 'coast'), pauseMs };
}

test('a relay that dies in the middle costs less than three seconds, and less than a hundredth is sent again over the other way', async () => {
  const [peaceful, bereft] = [await overEitherRelay(false), await overEitherRelay(true)];
  expect(bereft.pauseMs).toBeLessThan(3 * second);
  expect(bereft.sentBytes - peaceful.sentBytes).toBeLessThan(0.01 * contentBytes);
});

test('relays that have the same part and wait for each other go on when the source is back', async () => {
  const camp = await chain(414, ['ridge', 'saddle', 'coast', 'valley'], beam);
  const { world } = camp;
  const [ridge, saddle, coast, valley] = camp.nodes as Four;
  world.link('ridge', 'coast', beam);
  ridge.node.addContact(coast.node.id, ['udp://coast:7077']);
  world.link('ridge', 'valley', beam);
  valley.node.addContact(ridge.node.id, ['udp://ridge:7077']);
  world.link('saddle', 'valley', beam);
  valley.node.addContact(saddle.node.id, ['udp://saddle:7077']);
  const content = seededRandom(414).bytes(3_000_000);
  await world.runFor(minute);
  await publish(camp, valley, 'scan.las', content);
  await world.runFor(10 * second);
  world.partition(['valley']);
  await world.runFor(3 * minute);
  for (const node of [ridge, saddle, coast]) expect(await onDisk(node, 'scan.las')).toBeUndefined();
  world.healAll();
  await expectConvergence(world, 5 * minute);
});

test('a file that grows faster than a poor link moves it arrives all the same, and costs hardly more than its bytes', async () => {
  const camp = await chain(415, ['station', 'camp'], { delayMs: 300, rateBytesPerSecond: 300, queueBytes: 4000 });
  const { world } = camp;
  const [station, base] = camp.nodes as Pair;
  const random = seededRandom(415);
  let content = random.bytes(300_000);
  const link = world.linkBetween('station', 'camp');
  await publish(camp, station, 'levels.bin', content);
  let hours = 0;
  while ((await onDisk(base, 'levels.bin')) === undefined && hours < 24) {
    // Two minutes of a pass in an hour: 36 kB, an eighth of the file. In one of the pauses the computer loses power.
    link.heal();
    await world.runFor(2 * minute);
    link.cut();
    if (hours++ === 4) {
      base.kill();
      await base.start();
    }
    content = Buffer.concat([content, random.bytes(500)]);
    await publish(camp, station, 'levels.bin', content);
    await world.runFor(58 * minute);
  }
  expect(hours).toBeLessThan(14);
  link.heal();
  await expectFile(world, base, 'levels.bin', content);
  // Of this, headers of packets are an eighth.
  expect(bytesFrom(camp, 'station', 'camp')).toBeLessThan(1.2 * content.length);
});

test('a superseded content is given up for one that is much shorter, and when its path is deleted', async () => {
  const camp = await chain(416, ['station', 'camp'], { delayMs: 100, rateBytesPerSecond: 2000, queueBytes: 8000 });
  const { world } = camp;
  const [station] = camp.nodes as Pair;
  const random = seededRandom(416);
  const link = world.linkBetween('station', 'camp');
  for (const path of ['cut.bin', 'gone.bin']) {
    await publish(camp, station, path, random.bytes(300_000));
    await world.runFor(30 * second);
  }
  link.cut();
  await publish(camp, station, 'cut.bin', random.bytes(1000));
  await station.directory(folder).remove('gone.bin');
  await world.finish(station.node.scan(camp.dataset, { settleMs: 0 }));
  await world.runFor(minute);
  const before = bytesFrom(camp, 'station', 'camp');
  link.heal();
  await expectConvergence(world, hour);
  expect(bytesFrom(camp, 'station', 'camp') - before).toBeLessThan(60_000);
});
