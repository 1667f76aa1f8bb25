import { expect, test } from 'vitest';
import type { DatasetId } from '../../src/core/identifiers.ts';
import { seededRandom } from '../../src/core/random.ts';
import { godwitCarrying } from '../../src/simulation/carrying-agent.ts';
import { type CarriageItem, reachablePairs, simulateCarriage } from '../../src/simulation/carrying-simulation.ts';
import type { ContactTrace } from '../../src/simulation/contact-trace.ts';
import type { SimulatedNode } from '../../src/simulation/simulated-node.ts';
import { type Stay, traceOfStays } from '../../src/simulation/stays.ts';
import { World } from '../../src/simulation/world.ts';
import { hour, minute, radio } from './camp.ts';

/** Whole nodes that meet as a trace says, each of a role, in one team that they joined before. Every pair that ever meets has a link, and all links are cut. */
async function onTrace(seed: number, trace: ContactTrace, roleOf: (name: string) => 'member' | 'carrier') {
  const world = new World({ seed });
  const nodes: SimulatedNode[] = [];
  for (const name of trace.nodes) {
    const node = await world.add(name);
    nodes.push(node);
    await world.finish(node.node.listen(`udp://${name}:7077`, { keep: true }));
  }
  const [first, ...others] = nodes as [SimulatedNode, ...SimulatedNode[]];
  first.node.createTeam('Storbreen');
  const named = (position: number): SimulatedNode => nodes[position] as SimulatedNode;
  const pairs = new Set(trace.contacts.map(({ a, b }) => `${a} ${b}`));
  for (const position of others.keys()) pairs.add(`0 ${position + 1}`);
  for (const pair of pairs) {
    const [a, b] = pair.split(' ').map((position) => named(Number(position))) as [SimulatedNode, SimulatedNode];
    world.link(a.name, b.name, radio);
  }
  for (const node of others) await world.finish(node.node.join(first.node.createInvite({ role: roleOf(node.name) })), hour);
  expect(await world.until(() => nodes.every(({ node }) => node.members().length === nodes.length), hour)).toBe(true);
  for (const pair of pairs) {
    const [a, b] = pair.split(' ').map((position) => named(Number(position))) as [SimulatedNode, SimulatedNode];
    a.node.addContact(b.node.id, [`udp://${b.name}:7077`]);
  }
  return {
    world,
    nodes,
    /** Cuts everything, and begins the trace. */
    begin: () => {
      for (const link of world.links) link.cut();
      const beganMs = world.nowMs;
      for (const { a, b, beginMs, endMs } of trace.contacts) {
        const link = world.linkBetween(named(a).name, named(b).name);
        world.at(beganMs + beginMs, () => {
          link.heal();
          // Devices that notice a new neighbour say so.
          for (const end of [a, b]) void named(end).node.discovery.rouse();
        });
        world.at(beganMs + endMs, () => link.cut());
      }
    },
  };
}

async function write(world: World, node: SimulatedNode, dataset: DatasetId, path: string, bytes: Uint8Array): Promise<void> {
  const folder = `to-${dataset.slice(0, 8)}`;
  node.directory(folder).put(path, bytes);
  node.node.attach(dataset, folder);
  await world.finish(node.node.scan(dataset, { settleMs: 0 }));
}

test('a van that visits six sites in turn brings everything everywhere, and carries nothing in the end', async () => {
  const sites = ['s0', 's1', 's2', 's3', 's4', 's5'];
  const stays: Stay[] = sites.map((site) => ({ node: site, place: site, beginMs: 0, endMs: 24 * hour }));
  for (let stop = 0; stop < 18; stop++)
    stays.push({ node: 'van', place: `s${stop % 6}`, beginMs: stop * 15 * minute, endMs: (stop * 15 + 10) * minute });
  const { world, nodes, begin } = await onTrace(871, traceOfStays(stays), (name) => (name === 'van' ? 'carrier' : 'member'));
  const atSites = nodes.filter(({ name }) => name !== 'van');
  const van = world.node('van');
  const [first] = atSites as [SimulatedNode];
  const dataset = first.node.createDataset({ name: 'field', kind: 'files' });
  expect(await world.until(() => nodes.every(({ node }) => node.datasets().length === 1), hour)).toBe(true);
  begin();
  for (const node of atSites) await write(world, node, dataset, `${node.name}.txt`, seededRandom(node.name.charCodeAt(1)).bytes(20_000));
  let carriedMax = 0;
  const paths = () => atSites.map(({ node }) => [...node.files(dataset)].filter(({ path }) => !node.outstanding().contents && path).length);
  for (let stop = 0; stop < 18; stop++) {
    await world.runFor(15 * minute);
    carriedMax = Math.max(carriedMax, van.node.mesh.carrying().entries.length);
  }
  expect(paths()).toEqual(sites.map(() => 6));
  // The last site of a round takes what is for it at once.
  expect(carriedMax).toBeGreaterThanOrEqual(4);
  expect(van.node.mesh.carrying()).toMatchObject({ carriedBytes: 0, entries: [] });
});

test('on a sparse trace whole nodes serve about as many as the machine alone, and free every copy whose receipts come round', async () => {
  const random = seededRandom(872);
  const herd = ['h0', 'h1', 'h2', 'h3', 'h4', 'h5'];
  const stays: Stay[] = [];
  const hours = 7;
  for (const node of herd)
    for (let i = 0; i < hours; i++)
      stays.push({ node, place: `water-${random.below(8)}`, beginMs: i * hour, endMs: i * hour + 20 * minute });
  const trace = traceOfStays(stays);
  const { world, nodes, begin } = await onTrace(872, trace, () => 'member');
  const items: CarriageItem[] = [];
  const datasets: DatasetId[] = [];
  const [first] = nodes as [SimulatedNode];
  for (const [source] of nodes.entries()) {
    datasets.push(first.node.createDataset({ name: `of-${source}`, kind: 'files', priority: 'emergency' }));
    const subscribers = [(source + 2) % nodes.length, (source + 3) % nodes.length];
    items.push({ key: `item-${source}`, source, subscribers, bytes: 20_000, createdMs: 0 });
  }
  expect(await world.until(() => nodes.every(({ node }) => node.datasets().length === nodes.length), hour)).toBe(true);
  for (const [position, { node }] of nodes.entries()) {
    node.mesh.setRelaying({ carriedBytes: 1_000_000 });
    for (const { source, subscribers } of items)
      if (source !== position && !subscribers.includes(position)) node.unsubscribe(datasets[source] as DatasetId);
  }
  await world.runFor(hour);
  begin();
  for (const { source } of items)
    await write(world, nodes[source] as SimulatedNode, datasets[source] as DatasetId, 'track.bin', seededRandom(source).bytes(20_000));
  await world.runFor(trace.durationMs + hour);

  const holds = (position: number, source: number): boolean => {
    const { node } = nodes[position] as SimulatedNode;
    const dataset = datasets[source] as DatasetId;
    return node.file(dataset, 'track.bin') !== undefined && node.outstanding(dataset).contents === 0;
  };
  const served = items.flatMap(({ source, subscribers }) => subscribers.filter((position) => holds(position, source))).length;
  const conditions = { spaceBytes: 1_000_000, rateBytesPerSecond: 31_250 };
  const alone = simulateCarriage(trace, items, conditions, godwitCarrying(conditions, nodes.length, 'emergency'));
  expect(alone.served, 'of the machine alone').toBeGreaterThan(3);
  expect(served, 'of whole nodes').toBeGreaterThanOrEqual(alone.served - 1);
  expect(served).toBeLessThanOrEqual(reachablePairs(trace, items));

  // Everybody meets once more, twice over, so that receipts go round.
  for (const link of world.links) link.heal();
  for (const { node } of nodes) void node.discovery.rouse();
  await world.runFor(2 * hour);
  expect(nodes.map(({ node }) => node.mesh.carrying().entries.length)).toEqual(nodes.map(() => 0));
});
