import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MeshNetwork } from '../../../src/simulation/mesh-network.ts';

const size = 9;
/** Hysteresis and coarse news may leave a route this much worse than the best. */
const toleranceRatio = 1.5;

const node = fc.nat(size - 1);
const model = fc.record({
  delayMs: fc.integer({ min: 1, max: 80 }),
  rateBytesPerSecond: fc.integer({ min: 4000, max: 400_000 }),
  lossRatio: fc.constantFrom(0, 0, 0.1, 0.3),
});
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ type: fc.constant('connect' as const), a: node, b: node, model }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('cut' as const), a: node, b: node }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('isolate' as const), a: node }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('kill' as const), a: node }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('revive' as const), a: node }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 4000 }) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function perform(network: MeshNetwork, each: Step): void {
  if (each.type === 'wait') network.run(each.ms);
  else if (each.type === 'isolate') network.isolate(each.a);
  else if (each.type === 'kill') network.kill(each.a);
  else if (each.type === 'revive') {
    network.revive(each.a);
    network.demandAll(true);
  } else if (each.a !== each.b) {
    if (each.type === 'connect') network.connect(each.a, each.b, each.model);
    else network.cut(each.a, each.b);
  }
}

const plan = fc.record({
  seed: fc.nat(1e6),
  ring: model,
  steps: fc.array(step, { minLength: 5, maxLength: 40 }),
});

describe('routes, whatever happens to links and nodes', () => {
  it('never lead in a circle, find every node that can be reached, forget every other, and are about as short as any', () => {
    fc.assert(
      fc.property(plan, ({ seed, ring, steps }) => {
        const network = new MeshNetwork(size, seed);
        for (let a = 0; a < size; a++) network.connect(a, (a + 1) % size, ring);
        network.demandAll(true);
        network.run(3000);
        for (const each of steps) perform(network, each);
        network.run(60_000);
        expect(network.loops).toBe(0);
        expect(network.ghostRoutes()).toBe(0);
        expect(network.repair(30_000)).toBeDefined();
        network.run(15_000);
        // A lossy link may be suspected wrongly at any time; it is relied on again.
        expect(network.repair(30_000)).toBeDefined();
        for (let from = 0; from < size; from++) {
          for (let to = 0; to < size; to++) {
            const best = from === to ? undefined : network.bestCost(from, to);
            const taken = best === undefined ? undefined : network.follow(from, to);
            if (best !== undefined && taken !== undefined) expect(taken).toBeLessThanOrEqual(best * toleranceRatio + size);
          }
        }
      }),
      { numRuns: 60, seed: 8 },
    );
  }, 60_000);
});
