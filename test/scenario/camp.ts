import { expect } from 'vitest';
import { utf8 } from '../../src/core/bytes.ts';
import type { DatasetId } from '../../src/core/identifiers.ts';
import type { FieldNodeOptions } from '../../src/node/field-node.ts';
import type { ConflictPolicy } from '../../src/node/membership.ts';
import { differences, incompleteHeads, wrongHeads } from '../../src/simulation/checkers.ts';
import type { SimulatedNode } from '../../src/simulation/simulated-node.ts';
import type { LinkModel } from '../../src/simulation/virtual-link.ts';
import { World } from '../../src/simulation/world.ts';

/** A short-range radio: 250 kbit/s, 40 ms one way. */
export const radio: LinkModel = { delayMs: 40, rateBytesPerSecond: 31_250, queueBytes: 32_000 };
/** The folder that every computer of a camp keeps in step. */
export const folder = 'field';
export const second = 1000;
export const minute = 60 * second;
export const hour = 60 * minute;
export const day = 24 * hour;

/** A team in a world. */
export interface Camp {
  readonly world: World;
  readonly nodes: readonly SimulatedNode[];
  readonly dataset: DatasetId;
}

export type Pair = readonly [SimulatedNode, SimulatedNode];
export type Trio = readonly [SimulatedNode, SimulatedNode, SimulatedNode];

/** What a node knows of where its revisions are, by the other nodes' names. */
export function deliveryByName(node: SimulatedNode, dataset: DatasetId): Record<string, string> {
  return Object.fromEntries(node.node.deliveries(dataset).map(({ name, state }) => [name, state]));
}

/** A team of nodes, each of which was invited by the one before it, over a link between the two. Every computer has the folder attached. `scheme` says how they talk. */
export async function chain(
  seed: number,
  names: readonly string[],
  model: LinkModel = radio,
  policy: ConflictPolicy = 'merge',
  scheme: 'udp' | 'tcp' = 'udp',
  options: FieldNodeOptions = {},
): Promise<Camp> {
  const world = new World({ seed });
  const nodes: SimulatedNode[] = [];
  // Disks of different speeds, so that work on bulk bytes is under way when other things happen.
  for (const [index, name] of names.entries())
    nodes.push(await world.add(name, { ...options, syncMs: [5, 300, 1, 2000, 40][index % 5] ?? 5 }));
  const [first] = nodes as [SimulatedNode];
  first.node.createTeam('Storbreen');
  const dataset = first.node.createDataset({ name: 'field', kind: 'files', conflictPolicy: policy });
  for (const [index, node] of nodes.entries()) {
    await world.finish(node.node.listen(`${scheme}://${node.name}:7077`, { keep: true }));
    const before = nodes[index - 1];
    if (before !== undefined) {
      world.link(before.name, node.name, model);
      await world.finish(node.node.join(before.node.createInvite({ role: 'coordinator' })), hour);
    }
    expect(await world.until(() => node.node.datasets().length === 1, hour)).toBe(true);
    node.directory(folder);
    node.node.attach(dataset, folder);
  }
  return { world, nodes, dataset };
}

/** Somebody saves a file, and the node publishes the folder. */
export async function publish({ world, dataset }: Camp, node: SimulatedNode, path: string, content: string | Uint8Array): Promise<void> {
  node.directory(folder).put(path, typeof content === 'string' ? utf8(content) : content);
  await world.finish(node.node.scan(dataset, { settleMs: 0 }));
}

/** What stands in the folder of a computer, or `undefined`. */
export async function onDisk(node: SimulatedNode, path: string): Promise<Uint8Array | undefined> {
  const tree = node.directory(folder);
  const stat = await tree.stat(path);
  return stat === undefined ? undefined : (await tree.open(path)).read(0, stat.sizeBytes);
}

/** Text of a file in the folder of a computer. */
export async function textOnDisk(node: SimulatedNode, path: string): Promise<string> {
  return new TextDecoder().decode((await onDisk(node, path)) ?? utf8('(nothing)'));
}

/** Lets time pass until all nodes hold the same; fails with the first differences when they do not. */
export async function expectConvergence(world: World, withinMs: number, nodes: readonly SimulatedNode[] = world.nodes): Promise<void> {
  const problems = (): string[] => [...differences(nodes), ...nodes.flatMap(incompleteHeads)];
  const deadline = world.nowMs + withinMs;
  while (problems().length > 0 && world.nowMs < deadline) await world.runFor(second);
  expect([...problems(), ...nodes.flatMap(wrongHeads)].slice(0, 5), `seed ${world.seed} after ${world.nowMs} ms`).toEqual([]);
}

/** Lets time pass until a file stands in the folder of a computer. */
export async function expectFile(
  world: World,
  node: SimulatedNode,
  path: string,
  content: string | Uint8Array,
  withinMs: number = hour,
): Promise<void> {
  const wanted = typeof content === 'string' ? utf8(content) : content;
  const deadline = world.nowMs + withinMs;
  for (;;) {
    const bytes = await onDisk(node, path);
    if (bytes !== undefined && Buffer.compare(bytes, wanted) === 0) return;
    if (world.nowMs >= deadline) {
      expect(bytes?.length, `${path} on ${node.name}, seed ${world.seed}, ${world.nowMs} ms`).toBe(wanted.length);
      throw new Error(`${path} on ${node.name} is another content`);
    }
    await world.runFor(200);
  }
}
