import { expect, test } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import type { SimulatedNode } from '../../src/simulation/simulated-node.ts';
import type { LinkModel } from '../../src/simulation/virtual-link.ts';
import { type Camp, chain, expectFile, minute, publish, second, type Trio } from './camp.ts';

const wifi: LinkModel = { delayMs: 5, rateBytesPerSecond: 125_000, queueBytes: 64_000 };
const photo = seededRandom(820).bytes(120_000);

/** Makes a node pass circuits on and nothing else. */
function withoutRoom({ dataset }: Camp, { node }: SimulatedNode): void {
  node.unsubscribe(dataset);
  node.mesh.setRelaying({ custody: false });
}

function circuitsOf({ nodes }: Camp): string[][] {
  return nodes.map(({ node }) => node.mesh.circuits().map(({ role }) => role));
}

/** Chunks that a computer holds on its disk. */
function chunksOf({ catalog }: SimulatedNode): number {
  return catalog.get<{ n: number }>('SELECT count(*) AS n FROM chunk')?.n ?? 0;
}

test('what no relay takes goes over a circuit that nobody asked for, which is closed when it is idle', async () => {
  const camp = await chain(820, ['valley', 'ridge', 'coast'], wifi);
  const { world } = camp;
  const [valley, ridge, coast] = camp.nodes as Trio;
  withoutRoom(camp, ridge);
  await world.runFor(minute);
  expect(circuitsOf(camp)).toEqual([[], [], []]);
  await publish(camp, valley, 'photo.raw', photo);
  await expectFile(world, coast, 'photo.raw', photo, minute);
  expect(circuitsOf(camp)).toEqual([['opened'], ['relayed'], ['accepted']]);
  expect(chunksOf(ridge)).toBe(0);
  // What is written while it stands goes over it at once, and keeps it.
  await world.runFor(9 * minute);
  await publish(camp, valley, 'note.txt', 'seen from here');
  await expectFile(world, coast, 'note.txt', 'seen from here', 5 * second);
  await world.runFor(9 * minute);
  expect(circuitsOf(camp)[1]).toHaveLength(1);
  await world.runFor(5 * minute);
  expect(circuitsOf(camp)).toEqual([[], [], []]);
  expect(camp.nodes.map(({ node }) => node.nextWakeUp())).toEqual([undefined, undefined, undefined]);
});

test('a relay in the middle that takes the data opens the circuit over the one that does not', async () => {
  const camp = await chain(821, ['valley', 'ridge', 'pass', 'coast'], wifi);
  const [valley, ridge, pass, coast] = camp.nodes as [SimulatedNode, SimulatedNode, SimulatedNode, SimulatedNode];
  withoutRoom(camp, pass);
  await camp.world.runFor(minute);
  await publish(camp, valley, 'photo.raw', photo);
  await expectFile(camp.world, coast, 'photo.raw', photo, minute);
  expect(circuitsOf(camp)).toEqual([[], ['opened'], ['relayed'], ['accepted']]);
  expect([ridge, pass].map((node) => chunksOf(node) > 0)).toEqual([true, false]);
});

test('a relay that takes the data again is no reason for a circuit any more', async () => {
  const camp = await chain(822, ['valley', 'ridge', 'coast'], wifi);
  const { world } = camp;
  const [valley, ridge, coast] = camp.nodes as Trio;
  withoutRoom(camp, ridge);
  await publish(camp, valley, 'photo.raw', photo);
  await expectFile(world, coast, 'photo.raw', photo, minute);
  ridge.node.mesh.setRelaying({ custody: true });
  await publish(camp, valley, 'note.txt', 'by way of the ridge');
  await expectFile(world, coast, 'note.txt', 'by way of the ridge', minute);
  await world.runFor(minute);
  expect(circuitsOf(camp)).toEqual([[], [], []]);
});
