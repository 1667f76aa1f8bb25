import type { DatasetId } from '../src/core/identifiers.ts';
import { seededRandom } from '../src/core/random.ts';
import type { SimulatedNode } from '../src/simulation/simulated-node.ts';
import type { LinkModel } from '../src/simulation/virtual-link.ts';
import { World } from '../src/simulation/world.ts';

/** Whole nodes in a row, in virtual time: a file that relays pass on, one that goes over a circuit because they keep nothing, and a newcomer that joins through relays. Three hops of 1 Mbit/s and 10 ms round trip, each a radio channel of its own. */

const hop: LinkModel = { delayMs: 5, rateBytesPerSecond: 125_000, queueBytes: 64_000 };
const names = ['valley', 'ridge', 'pass', 'coast'] as const;
const fileBytes = 4_000_000;
const folder = 'field';
const second = 1000;
const minute = 60 * second;
const stepMs = 20;

/** What was measured. */
export interface CircuitFigures {
  /** Bytes of everything that all nodes sent, headers of UDP and IP included, until a session stood over three hops. */
  readonly setUpBytes: number;
  readonly setUpSeconds: number;
  /** Share of a hop that the file is, from its publication to its last byte at the other end. */
  readonly goodputShare: number;
  /** Until a newcomer at the far end, which reaches a relay only, is a member. */
  readonly joiningSeconds: number;
  readonly joiningBytes: number;
}

/** Measures both. */
export async function measureCircuits(seed: number): Promise<CircuitFigures> {
  return { ...(await measureCircuit(seed)), ...(await measureJoining(seed)) };
}

/** The two directions of a hop share one radio channel. */
async function rowOf(seed: number): Promise<World> {
  const world = new World({ seed });
  for (const [index, name] of names.entries()) {
    await world.add(name);
    if (index > 0) world.link(names[index - 1] as string, name, { ...hop, channel: `hop ${index}` });
  }
  return world;
}

function sentBytes({ links }: World): number {
  return links.reduce((sum, link) => sum + link.ends.reduce((of, name) => of + link.trafficFrom(name).bytes, 0), 0);
}

/** Lets time pass until something holds; gives seconds. */
async function secondsUntil(world: World, holds: () => boolean, withinMs: number): Promise<number> {
  const from = world.nowMs;
  while (!holds()) {
    if (world.nowMs - from > withinMs) return withinMs / second;
    await world.runFor(stepMs);
  }
  return (world.nowMs - from) / second;
}

/** A team of all, whose folder is at both ends. */
async function teamOf(
  world: World,
): Promise<{ readonly dataset: DatasetId; readonly valley: SimulatedNode; readonly coast: SimulatedNode }> {
  const [valley, ...others] = world.nodes as [SimulatedNode, ...SimulatedNode[]];
  valley.node.createTeam('Storbreen');
  const dataset: DatasetId = valley.node.createDataset({ name: 'field', kind: 'files' });
  let before = valley;
  await world.finish(valley.node.listen('udp://valley:7077', { keep: true }));
  for (const each of others) {
    await world.finish(each.node.listen(`udp://${each.name}:7077`, { keep: true }));
    await world.finish(each.node.join(before.node.createInvite({ role: 'coordinator' })), minute);
    before = each;
  }
  const coast = before;
  await world.until(() => coast.node.datasets().length === 1, minute);
  for (const each of [valley, coast]) {
    each.directory(folder);
    each.node.attach(dataset, folder);
  }
  return { dataset, valley, coast };
}

/** Share of a hop that a file is, from its publication to its last byte at the other end. */
async function goodputShare(world: World, { dataset, valley, coast }: Awaited<ReturnType<typeof teamOf>>): Promise<number> {
  valley.directory(folder).put('scan.las', seededRandom(world.seed).bytes(fileBytes));
  await world.finish(valley.node.scan(dataset, { settleMs: 0 }));
  const seconds = await secondsUntil(world, () => coast.events.some(({ type }) => type === 'file-written'), 5 * minute);
  return fileBytes / seconds / (hop.rateBytesPerSecond ?? 1);
}

/** Share of a hop that a file is that relays pass on and keep. */
export async function measureHops(seed: number): Promise<number> {
  const world = await rowOf(seed);
  const team = await teamOf(world);
  await world.runFor(minute);
  return goodputShare(world, team);
}

async function measureCircuit(seed: number): Promise<Omit<CircuitFigures, 'joiningSeconds' | 'joiningBytes'>> {
  const world = await rowOf(seed);
  const team = await teamOf(world);
  const { dataset, valley, coast } = team;
  for (const { node } of world.nodes.slice(1, -1)) {
    node.unsubscribe(dataset);
    node.mesh.setRelaying({ custody: false });
  }
  await world.runFor(minute);
  const bytesBefore = sentBytes(world);
  valley.node.mesh.openCircuit(coast.node.id);
  const setUpSeconds = await secondsUntil(world, () => coast.node.connectedPeers().includes(valley.node.id), minute);
  const setUpBytes = sentBytes(world) - bytesBefore;
  await world.runFor(minute);
  return { setUpBytes, setUpSeconds, goodputShare: await goodputShare(world, team) };
}

async function measureJoining(seed: number): Promise<Pick<CircuitFigures, 'joiningSeconds' | 'joiningBytes'>> {
  const world = await rowOf(seed);
  const [base, ridge, pass, newcomer] = world.nodes as [SimulatedNode, SimulatedNode, SimulatedNode, SimulatedNode];
  base.node.createTeam('Storbreen');
  for (const { node, name } of [base, ridge, pass]) await world.finish(node.listen(`udp://${name}:7077`, { keep: true }));
  await world.finish(ridge.node.join(base.node.createInvite({ role: 'carrier' })), minute);
  await world.finish(pass.node.join(base.node.createInvite({ role: 'carrier', addresses: ['via:udp://ridge:7077'] })), minute);
  const code = base.node.createInvite({ addresses: ['via:udp://pass:7077'] });
  await world.runFor(minute);
  const from = world.nowMs;
  const bytesBefore = sentBytes(world);
  await world.finish(newcomer.node.join(code), minute);
  return { joiningSeconds: (world.nowMs - from) / second, joiningBytes: sentBytes(world) - bytesBefore };
}
