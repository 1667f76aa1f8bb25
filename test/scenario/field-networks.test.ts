import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import type { SimulatedNode } from '../../src/simulation/simulated-node.ts';
import type { LinkModel } from '../../src/simulation/virtual-link.ts';
import { World } from '../../src/simulation/world.ts';
import { type Camp, chain, expectConvergence, expectFile, folder, hour, minute, onDisk, publish, second, type Trio } from './camp.ts';

const radio: LinkModel = { delayMs: 5, rateBytesPerSecond: 125_000, queueBytes: 64_000 };
/** Twenty nodes each. */
const networks = ['grid5x4', 'cells4'] as const;
const fileOf = (name: string): URL => new URL(`../../../shared/tools/topologies/topology-${name}.json`, import.meta.url);
const isMissing = !networks.every((name) => existsSync(fileOf(name)));
if (isMissing && process.env.CI === 'true') throw new Error('the networks of the design are not there');
if (isMissing) console.warn('skipped: the networks of the design are not there');

const label = (node: number): string => `n${node}`;

/** Whole nodes on a network of the design: those of a segment all hear each other. */
async function network(name: (typeof networks)[number], seed: number): Promise<Camp & { readonly segments: Set<number>[] }> {
  const { segments: lists } = JSON.parse(readFileSync(fileOf(name), 'utf8')) as { segments: number[][] };
  const segments = lists.map((list) => new Set(list));
  const world = new World({ seed });
  const size = 1 + Math.max(...lists.flat());
  for (let node = 0; node < size; node++) {
    const added = await world.add(label(node));
    await world.finish(added.node.listen(`udp://${label(node)}:7077`, { keep: true }));
  }
  const [founder] = world.nodes as [SimulatedNode];
  founder.node.createTeam('Storbreen');
  const dataset = founder.node.createDataset({ name: 'field', kind: 'files' });
  const camp = { world, nodes: world.nodes, dataset, segments };
  for (const segment of segments) for (const a of segment) for (const b of segment) if (a < b) inRange(camp, a, b);
  // Whoever is a member lets its neighbours in.
  const members = new Set([0]);
  for (const member of members) {
    for (const segment of segments) {
      for (const other of segment.has(member) ? segment : []) {
        if (members.has(other)) continue;
        await world.finish(nodeOf(camp, other).node.join(nodeOf(camp, member).node.createInvite({ role: 'coordinator' })), hour);
        members.add(other);
      }
    }
  }
  expect(members.size).toBe(size);
  expect(
    await world.until(() => world.nodes.every(({ node }) => node.datasets().length === 1 && node.members().length === size), hour),
  ).toBe(true);
  for (const segment of segments) for (const a of segment) for (const b of segment) if (a < b) meet(camp, a, b);
  for (const node of world.nodes) {
    node.directory(folder);
    node.node.attach(dataset, folder);
  }
  return camp;
}

function nodeOf({ world }: Pick<Camp, 'world'>, node: number): SimulatedNode {
  return world.node(label(node));
}

function inRange({ world }: Pick<Camp, 'world'>, a: number, b: number): void {
  if (!world.links.some(({ ends }) => ends.includes(label(a)) && ends.includes(label(b)))) world.link(label(a), label(b), radio);
}

function meet(camp: Pick<Camp, 'world'>, a: number, b: number): void {
  nodeOf(camp, a).node.addContact(nodeOf(camp, b).node.id, [`udp://${label(b)}:7077`]);
}

test.skipIf(isMissing).each(networks)(
  'on the twenty of %s everybody gets everything, though one dies, a radio falls silent and one moves on the way',
  async (name) => {
    const camp = await network(name, 831);
    const { world, segments } = camp;
    const random = seededRandom(831);
    await world.runFor(20 * second);
    const writers = [0, 13];
    for (const writer of writers) await publish(camp, nodeOf(camp, writer), `from-${writer}.bin`, random.bytes(40_000));
    await world.runFor(second);
    // Two in the middle of it all.
    const dead = [...(segments[1] as Set<number>)].find((node) => !writers.includes(node)) as number;
    const mover = [...(segments.at(-1) as Set<number>)].findLast((node) => !writers.includes(node)) as number;
    nodeOf(camp, dead).kill();
    const cut = world.links.find(({ ends }) => !ends.includes(label(dead)) && !ends.includes(label(mover)));
    cut?.cut();
    for (const link of world.links) if (link.ends.includes(label(mover))) link.cut();
    const place = segments.find((each) => !each.has(dead) && !each.has(mover)) as Set<number>;
    for (const other of place) {
      inRange(camp, mover, other);
      world.linkBetween(label(mover), label(other)).heal();
      meet(camp, mover, other);
    }
    const living = world.nodes.filter((node) => node.name !== label(dead));
    for (const writer of writers) await publish(camp, nodeOf(camp, writer), `again-${writer}.bin`, random.bytes(20_000));
    await expectConvergence(world, 2 * minute, living);
    for (const writer of writers) for (const node of living) expect((await onDisk(node, `from-${writer}.bin`))?.length).toBe(40_000);
    for (const node of living) expect(node.node.mesh.routes()).toHaveLength(living.length - 1);
    await world.finish(nodeOf(camp, dead).start());
    await expectConvergence(world, 5 * minute);
  },
  600_000,
);

test('who asks later is served by the nearest that has it', async () => {
  const camp = await chain(832, ['valley', 'ridge', 'hut'], radio);
  const { world } = camp;
  const [valley, ridge] = camp.nodes as Trio;
  const scan = seededRandom(832).bytes(300_000);
  await publish(camp, valley, 'scan.las', scan);
  await expectFile(world, ridge, 'scan.las', scan);
  await world.runFor(minute);
  const late = await world.add('late');
  world.link('ridge', 'late', radio);
  world.link('hut', 'late', { ...radio, rateBytesPerSecond: 4000 });
  await world.finish(late.node.join(ridge.node.createInvite({ role: 'coordinator' })), hour);
  expect(await world.until(() => late.node.datasets().length === 1, hour)).toBe(true);
  const before = world.linkBetween('valley', 'ridge').trafficFrom('valley').bytes;
  late.directory(folder);
  late.node.attach(camp.dataset, folder);
  await expectFile(world, late, 'scan.las', scan, minute);
  expect(world.linkBetween('valley', 'ridge').trafficFrom('valley').bytes - before).toBeLessThan(5000);
});
