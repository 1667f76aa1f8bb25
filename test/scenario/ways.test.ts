import { expect, test } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import type { SimulatedNode } from '../../src/simulation/simulated-node.ts';
import type { LinkModel } from '../../src/simulation/virtual-link.ts';
import { World } from '../../src/simulation/world.ts';
import { type Camp, expectFile, folder, hour, publish, second } from './camp.ts';

/** Two computers with two media between them: a transfer uses both when it finds that they carry more together. */

const mast: LinkModel = { delayMs: 30, rateBytesPerSecond: 125_000, queueBytes: 64_000 };
const satellite: LinkModel = { delayMs: 300, rateBytesPerSecond: 25_000, queueBytes: 64_000 };

/** Camp and ridge over two media; ridge dials the addresses in this order. */
async function twoWays(seed: number, ways: readonly string[], first: LinkModel, other: LinkModel): Promise<Camp> {
  const world = new World({ seed });
  const nodes = [await world.add('camp', {}), await world.add('ridge', {})] as [SimulatedNode, SimulatedNode];
  const [camp, ridge] = nodes;
  world.link('camp', 'ridge', first);
  world.link('camp', 'ridge', other, other, 'sat');
  camp.node.createTeam('Storbreen');
  const dataset = camp.node.createDataset({ name: 'field', kind: 'files' });
  for (const scheme of ['udp', 'tcp']) await world.finish(camp.node.listen(`${scheme}://camp:7077`));
  await world.finish(ridge.node.join(camp.node.createInvite({ addresses: ways })), hour);
  expect(await world.until(() => ridge.node.datasets().length === 1, hour)).toBe(true);
  for (const node of nodes) {
    node.directory(folder);
    node.node.attach(dataset, folder);
  }
  return { world, nodes, dataset };
}

/** Bytes that went from camp to ridge over a medium so far. */
function bytesOver({ world }: Camp, medium?: string): number {
  return world.linkBetween('camp', 'ridge', medium).trafficFrom('camp').bytes;
}

/** Bytes that went from camp to ridge over the two media while something happened. */
async function bytesDuring(camp: Camp, work: () => Promise<void>): Promise<{ readonly first: number; readonly sat: number }> {
  const before = { first: bytesOver(camp), sat: bytesOver(camp, 'sat') };
  await work();
  return { first: bytesOver(camp) - before.first, sat: bytesOver(camp, 'sat') - before.sat };
}

const file = seededRandom(4).bytes(3_000_000);

test.each([
  ['udp://camp.sat:7077', 'tcp://camp:7077'],
  ['udp://camp.sat:7077', 'udp://camp:7077'],
  ['tcp://camp.sat:7077', 'udp://camp:7077'],
])('a transfer that began at %s takes %s, which carries more, to it, without a handshake or a byte lost', async (...ways) => {
  const camp = await twoWays(51, ways, mast, satellite);
  const [a, b] = camp.nodes as [SimulatedNode, SimulatedNode];
  let sessions = 0;
  b.node.onEvent(({ type }) => {
    if (type === 'session-up') sessions++;
  });
  await publish(camp, a, 'radar.bin', file);
  const bytes = await bytesDuring(camp, () => expectFile(camp.world, b, 'radar.bin', file, 200 * second));
  expect(sessions).toBe(0);
  expect(bytes.sat).toBeLessThan(0.3 * file.length);
  expect(bytes.sat + bytes.first).toBeLessThan(1.15 * file.length);
});

test.each([
  ['udp://camp:7077', 'udp://camp.sat:7077'],
  ['tcp://camp:7077', 'udp://camp.sat:7077'],
  ['udp://camp:7077', 'tcp://camp.sat:7077'],
])('a transfer that began at %s, which carries more, goes over %s as well', async (...ways) => {
  const camp = await twoWays(52, ways, mast, satellite);
  const [a, b] = camp.nodes as [SimulatedNode, SimulatedNode];
  await publish(camp, a, 'radar.bin', file);
  const began = camp.world.nowMs;
  const bytes = await bytesDuring(camp, () => expectFile(camp.world, b, 'radar.bin', file, 60 * second));
  expect(bytes.sat).toBeGreaterThan(0.04 * file.length);
  expect(bytes.sat).toBeLessThan(0.2 * file.length);
  expect(bytes.sat + bytes.first).toBeLessThan(1.1 * file.length);
  // It is alone for eight seconds, and the other begins slowly.
  expect(camp.world.nowMs - began).toBeLessThan(file.length / 125 + 2 * second);
});

test('a way that nobody is at is left again at once', async () => {
  const camp = await twoWays(53, ['udp://camp:7077', 'udp://camp.sat:7077'], mast, satellite);
  const [a, b] = camp.nodes as [SimulatedNode, SimulatedNode];
  camp.world.linkBetween('camp', 'ridge', 'sat').cut();
  await publish(camp, a, 'radar.bin', file);
  const began = camp.world.nowMs;
  await expectFile(camp.world, b, 'radar.bin', file, 60 * second);
  expect(camp.world.nowMs - began).toBeLessThan(file.length / 125 + 8 * second);
});

test.each([
  ['udp://camp:7077', 'udp://camp.sat:7077'],
  ['tcp://camp:7077', 'udp://camp.sat:7077'],
])('a way that dies under a transfer (%s) is left for %s within three round trips and three seconds', async (...ways) => {
  const camp = await twoWays(54, ways, mast, satellite);
  const [a, b] = camp.nodes as [SimulatedNode, SimulatedNode];
  await publish(camp, a, 'radar.bin', file);
  await camp.world.runFor(6 * second);
  camp.world.linkBetween('camp', 'ridge').cut();
  const before = bytesOver(camp, 'sat');
  await camp.world.runFor(3 * second + 3 * 600);
  // Two full packets of the file, at least: the other way begins slowly.
  expect(bytesOver(camp, 'sat') - before).toBeGreaterThan(2500);
  const bytes = await bytesDuring(camp, () => expectFile(camp.world, b, 'radar.bin', file, 300 * second));
  // What had arrived is not sent again.
  expect(bytes.sat).toBeLessThan(0.95 * file.length);
});
