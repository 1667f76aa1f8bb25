import { seededRandom } from '../src/core/random.ts';
import { MeshNetwork } from '../src/simulation/mesh-network.ts';

/**
 * People who walk about: each goes at 1.2 m/s to a place chosen at random, and then to another (the random waypoint model). Radios reach 250 m; over the last third of that packets begin to be lost, up to a half, which a
 * node notices as sessions do. The field is as large as makes six neighbours on average. Everybody owes something to ten others.
 */

const rangeMetres = 250;
const clearMetres = (rangeMetres * 2) / 3;
const degree = 6;
const metresPerSecond = 1.2;
const stepMs = 1000;
const owedTo = 10;
const warmUpSteps = 40;
const measuredSteps = 60;

/** What was measured. */
export interface MovingFigures {
  /** Mean share of the pairs that some path connects whose next hops lead there. */
  readonly workingShare: number;
  readonly bytesPerNodeMinute: number;
  readonly loops: number;
}

/** Lets `nodes` walk for a minute, after they had time to find each other. */
export function measureMoving(nodes: number, seed: number): MovingFigures {
  const random = seededRandom(seed);
  const fieldMetres = Math.sqrt((nodes * Math.PI * rangeMetres ** 2) / degree);
  const place = () => ({ x: random.float() * fieldMetres, y: random.float() * fieldMetres });
  const walkers = Array.from({ length: nodes }, () => ({ at: place(), to: place() }));
  const network = new MeshNetwork(nodes, seed);
  const near = new Set<number>();
  const look = (): void => {
    for (let a = 0; a < nodes; a++) {
      for (let b = a + 1; b < nodes; b++) {
        const [one, other] = [walkers[a], walkers[b]];
        if (one === undefined || other === undefined) continue;
        const metres = Math.hypot(one.at.x - other.at.x, one.at.y - other.at.y);
        const key = a * nodes + b;
        if (metres < rangeMetres) {
          near.add(key);
          const lossRatio = Math.max(0, (metres - clearMetres) / (rangeMetres - clearMetres)) * 0.5;
          network.connect(a, b, { delayMs: 5, rateBytesPerSecond: 125_000, lossRatio });
        } else if (near.delete(key)) network.cut(a, b);
      }
    }
  };
  const walk = (): void => {
    for (const walker of walkers) {
      const metres = Math.hypot(walker.to.x - walker.at.x, walker.to.y - walker.at.y);
      const share = Math.min(1, (metresPerSecond * stepMs) / 1000 / Math.max(metres, 1e-9));
      walker.at = { x: walker.at.x + (walker.to.x - walker.at.x) * share, y: walker.at.y + (walker.to.y - walker.at.y) * share };
      if (share === 1) walker.to = place();
    }
  };
  look();
  for (let node = 0; node < nodes; node++)
    network.demand(
      node,
      Array.from({ length: owedTo }, () => random.below(nodes)).filter((each) => each !== node),
    );
  const total = () => network.bytesSent.reduce((sum, bytes) => sum + bytes, 0);
  let bytesBefore = 0;
  let pairs = 0;
  let broken = 0;
  for (let step = 0; step < warmUpSteps + measuredSteps; step++) {
    if (step === warmUpSteps) bytesBefore = total();
    walk();
    look();
    network.run(stepMs);
    if (step < warmUpSteps || step % 6 !== 0) continue;
    pairs += network.connectedPairs();
    broken += network.brokenPairs();
  }
  return {
    workingShare: 1 - broken / pairs,
    bytesPerNodeMinute: ((total() - bytesBefore) / nodes) * (60_000 / (measuredSteps * stepMs)),
    loops: network.loops,
  };
}
