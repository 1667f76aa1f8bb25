import { seededRandom } from '../src/core/random.ts';
import { MeshNetwork } from '../src/simulation/mesh-network.ts';

/**
 * People who walk about: each goes at 1.2 m/s to a place chosen at random, and then to another (the random waypoint model). Radios reach 250 m; over the last third of that packets begin to be lost, up to a half, which a
 * node notices as sessions do, once a second. The field is as large as makes six neighbours on average. Everybody owes something to ten others.
 *
 * Six neighbours are not far from where such a network falls apart (4.5): parts of it hang together by single links at the end of their range, and what such a link does when it comes or goes concerns thousands of pairs. A pair
 * counts as connected from the instant at which a link comes into range. So the bounds stand beside what was measured: the share of pairs that would have a way if every link were used from half a second, or a second, after it came
 * into range on, and every loss known at once. Finding each other and shaking hands alone takes 0.2 to 0.7 seconds here.
 */

const rangeMetres = 250;
const clearMetres = (rangeMetres * 2) / 3;
const degree = 6;
const metresPerSecond = 1.2;
const stepMs = 250;
const stepsPerMeasurement = 1000 / stepMs;
const stepsPerSample = 2;
const owedTo = 10;
const warmUpSteps = 30 * stepsPerMeasurement;
const measuredSteps = 60 * stepsPerMeasurement;
const boundsMs = [500, 1000] as const;

/** What was measured. */
export interface MovingFigures {
  /** Mean share of the pairs that some path connects whose next hops lead there. */
  readonly workingShare: number;
  /** The same of a protocol that uses links perfectly once they are so old. */
  readonly bounds: readonly { readonly delayMs: number; readonly workingShare: number }[];
  /** Mean number of neighbours in range. */
  readonly degree: number;
  readonly bytesPerNodeMinute: number;
  readonly loops: number;
}

interface Walker {
  at: { readonly x: number; readonly y: number };
  to: { readonly x: number; readonly y: number };
}

/** Lets `nodes` walk for a minute, after they had time to find each other. */
export function measureMoving(nodes: number, seed: number): MovingFigures {
  const random = seededRandom(seed);
  const fieldMetres = Math.sqrt((nodes * Math.PI * rangeMetres ** 2) / degree);
  const place = () => ({ x: random.float() * fieldMetres, y: random.float() * fieldMetres });
  const walkers: Walker[] = Array.from({ length: nodes }, () => ({ at: place(), to: place() }));
  const network = new MeshNetwork(nodes, seed);
  const air = new Air(network, walkers);
  air.look(true);
  for (let node = 0; node < nodes; node++)
    network.demand(
      node,
      Array.from({ length: owedTo }, () => random.below(nodes)).filter((each) => each !== node),
    );
  const total = () => network.bytesSent.reduce((sum, bytes) => sum + bytes, 0);
  let bytesBefore = 0;
  let pairs = 0;
  let broken = 0;
  let links = 0;
  let samples = 0;
  const pairsOfAge = boundsMs.map(() => 0);
  for (let step = 0; step < warmUpSteps + measuredSteps; step++) {
    if (step === warmUpSteps) bytesBefore = total();
    for (const walker of walkers) walk(walker, place);
    air.look(step % stepsPerMeasurement === 0);
    network.run(stepMs);
    if (step < warmUpSteps || step % stepsPerSample !== 0) continue;
    samples++;
    links += air.links;
    pairs += network.connectedPairs();
    broken += network.brokenPairs();
    for (const [index, delayMs] of boundsMs.entries()) pairsOfAge[index] = (pairsOfAge[index] ?? 0) + air.pairsOfAge(delayMs);
  }
  return {
    workingShare: 1 - broken / pairs,
    bounds: boundsMs.map((delayMs, index) => ({ delayMs, workingShare: (pairsOfAge[index] ?? 0) / pairs })),
    degree: (2 * links) / nodes / samples,
    bytesPerNodeMinute: ((total() - bytesBefore) / nodes) * (60_000 / (measuredSteps * stepMs)),
    loops: network.loops,
  };
}

function walk(walker: Walker, place: () => Walker['to']): void {
  const { at, to } = walker;
  const metres = Math.hypot(to.x - at.x, to.y - at.y);
  const share = Math.min(1, (metresPerSecond * stepMs) / 1000 / Math.max(metres, 1e-9));
  walker.at = { x: at.x + (to.x - at.x) * share, y: at.y + (to.y - at.y) * share };
  if (share === 1) walker.to = place();
}

/** Who is in range of whom, and since when. */
class Air {
  readonly #network: MeshNetwork;
  readonly #walkers: readonly Walker[];
  readonly #since: Map<number, number>[];

  constructor(network: MeshNetwork, walkers: readonly Walker[]) {
    this.#network = network;
    this.#walkers = walkers;
    this.#since = walkers.map(() => new Map());
  }

  get links(): number {
    return this.#since.reduce((sum, { size }) => sum + size, 0) / 2;
  }

  /** Finds out which links came and went, and how good all of them are if they are to be measured. */
  look(measures: boolean): void {
    const network = this.#network;
    for (const [a, one] of this.#walkers.entries()) {
      for (const [b, other] of this.#walkers.entries()) {
        if (b <= a) continue;
        const metres = Math.hypot(one.at.x - other.at.x, one.at.y - other.at.y);
        const [ofA, ofB] = [this.#since[a], this.#since[b]];
        const isNew = ofA?.has(b) === false;
        if (metres < rangeMetres) {
          if (isNew)
            for (const [map, end] of [
              [ofA, b],
              [ofB, a],
            ] as const)
              map?.set(end, network.nowMs);
          const lossRatio = Math.max(0, (metres - clearMetres) / (rangeMetres - clearMetres)) * 0.5;
          if (isNew || measures) network.connect(a, b, { delayMs: 5, rateBytesPerSecond: 125_000, lossRatio });
        } else if (ofA?.delete(b)) {
          ofB?.delete(a);
          network.cut(a, b);
        }
      }
    }
  }

  /** Pairs that are connected by links of at least this age. */
  pairsOfAge(ageMs: number): number {
    const seen = new Set<number>();
    let pairs = 0;
    for (let first = 0; first < this.#since.length; first++) {
      if (seen.has(first)) continue;
      const part = [first];
      seen.add(first);
      for (const node of part) {
        for (const [next, since] of this.#since[node] ?? []) {
          if (seen.has(next) || this.#network.nowMs - since < ageMs) continue;
          seen.add(next);
          part.push(next);
        }
      }
      pairs += part.length * (part.length - 1);
    }
    return pairs;
  }
}
