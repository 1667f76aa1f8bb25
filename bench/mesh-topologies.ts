import { readFileSync } from 'node:fs';
import { seededRandom } from '../src/core/random.ts';
import { MeshNetwork } from '../src/simulation/mesh-network.ts';

/**
 * The two 20-node networks of the design's measurements, and what happens in them: a radio that falls silent in one of its segments, a node that dies, a node that moves to another place. Nodes of a segment all hear each other.
 */

/** Which of the two: twenty nodes on a grid of point-to-point links, or four cells of five to seven nodes, joined by two nodes each. */
export type TopologyName = 'grid5x4' | 'cells4';

/** What happens. */
export type TopologyEventName = 'cut' | 'death' | 'move';

const linkModel = { delayMs: 5, rateBytesPerSecond: 125_000 };
const patienceMs = 120_000;
const nodes = 20;

/** Segments of a topology: the nodes of each. */
function segmentsOf(name: TopologyName): number[][] {
  const url = new URL(`../../shared/tools/topologies/topology-${name}.json`, import.meta.url);
  return (JSON.parse(readFileSync(url, 'utf8')) as { segments: number[][] }).segments;
}

/** One of the networks, with segments that nodes join and leave. */
export class SegmentedNetwork {
  readonly network: MeshNetwork;
  readonly #segments: Set<number>[];
  readonly #lossRatio: number;

  constructor(name: TopologyName, seed: number, lossRatio: number) {
    this.network = new MeshNetwork(nodes, seed);
    this.#segments = segmentsOf(name).map((segment) => new Set(segment));
    this.#lossRatio = lossRatio;
    for (const segment of this.#segments) for (const a of segment) for (const b of segment) if (a < b) this.#connect(a, b);
  }

  /** Makes one of the events happen, somewhere. */
  happen(event: TopologyEventName, seed: number): void {
    const random = seededRandom(seed);
    const node = random.below(nodes);
    const own = this.#segments.filter((segment) => segment.has(node));
    if (event === 'death') this.network.kill(node);
    else if (event === 'cut') this.#leave(node, own[random.below(own.length)] as Set<number>);
    else {
      for (const segment of own) this.#leave(node, segment);
      const others = this.#segments.filter((segment) => !own.includes(segment));
      const segment = others[random.below(others.length)] as Set<number>;
      for (const neighbour of segment) this.#connect(node, neighbour);
      segment.add(node);
    }
  }

  #connect(a: number, b: number): void {
    this.network.connect(a, b, { ...linkModel, lossRatio: this.#lossRatio });
  }

  /** Two nodes that also share another segment still hear each other. */
  #leave(node: number, segment: Set<number>): void {
    segment.delete(node);
    for (const other of segment) if (!this.#segments.some((each) => each.has(node) && each.has(other))) this.network.cut(node, other);
  }
}

/** What one run measured; seconds and bytes. */
export interface EventFigures {
  readonly repairSeconds: number;
  readonly loops: number;
}

/** Lets a network come up, makes something happen while everybody owes everybody (`owed`) or nobody anything, and measures until all pairs reach each other again: from the event, or from the new demand. */
export function measureEvent(name: TopologyName, event: TopologyEventName, owed: boolean, lossRatio: number, seed: number): EventFigures {
  const segmented = new SegmentedNetwork(name, seed, lossRatio);
  const { network } = segmented;
  network.repair(patienceMs);
  network.demandAll(owed);
  // The event comes at no particular instant of anybody's rhythm.
  network.run(30_000 + (seed % 17) * 331);
  segmented.happen(event, seed);
  if (!owed) {
    network.run(30_000);
    network.demandAll(true);
  }
  const repairMs = network.repair(patienceMs) ?? patienceMs;
  network.run(5000);
  return { repairSeconds: repairMs / 1000, loops: network.loops };
}

/** Seconds from switching all nodes on until all pairs reach each other, and control bytes a node and minute while nothing and while something is owed. */
export function measureCalm(
  name: TopologyName,
  seed: number,
): { readonly upSeconds: number; readonly asleep: number; readonly awake: number } {
  const { network } = new SegmentedNetwork(name, seed, 0);
  const upSeconds = (network.repair(patienceMs) ?? patienceMs) / 1000;
  network.run(20_000);
  const bytesOfMinute = (): number => {
    const before = total(network);
    network.run(60_000);
    return (total(network) - before) / nodes;
  };
  const asleep = bytesOfMinute();
  network.demandAll(true);
  const awake = bytesOfMinute();
  return { upSeconds, asleep, awake };
}

function total(network: MeshNetwork): number {
  return network.bytesSent.reduce((sum, bytes) => sum + bytes, 0);
}
