import {
  type CarriageFigures,
  type CarriagePolicy,
  drawCarriage,
  fifoEpidemic,
  godwitCarrying,
  prophet,
  reachablePairs,
  simulateCarriage,
  sprayAndWait,
  subscribersOnly,
} from '../../src/simulation/index.ts';
import { type CarryingTrace, carryingTraces } from '../carrying-traces.ts';
import { atLeast, atMost, type BenchResult, figure } from '../result.ts';

/**
 * Carrying on drawn contact traces: 500 items for five subscribers each, space for 50 items a node, ten items in a contact of median length, set-up and digests paid from the same capacity.
 *
 * On sparse traces the share of pairs served is to be 1.05 times that of FIFO epidemic and half of the way from there to the bound, with 0.6 of its transmissions; on dense ones 0.99 of its share, with 1.3 transmissions a
 * served pair. Traces marked `held out` were not looked at while the machine was made.
 */

const itemBytes = 100_000;
const itemsPerNode = 50;
const itemsPerContact = 10;

export async function run(): Promise<BenchResult[]> {
  return carryingTraces.flatMap((trace) => measured(trace));
}

function measured({ name, kind, isHeldOut, draw }: CarryingTrace): BenchResult[] {
  const trace = draw();
  const items = drawCarriage(trace, { items: 500, subscribersPerItem: 5, itemBytes, seed: 1 });
  const lengthsMs = trace.contacts.map(({ beginMs, endMs }) => endMs - beginMs).sort((a, b) => a - b);
  const medianMs = lengthsMs[lengthsMs.length >> 1] ?? 0;
  const conditions = { spaceBytes: itemsPerNode * itemBytes, rateBytesPerSecond: (itemsPerContact * itemBytes * 1000) / medianMs };
  const simulated = (policy: CarriagePolicy) => simulateCarriage(trace, items, conditions, policy);
  const ours = simulated(godwitCarrying(conditions, trace.nodes.length));
  const epidemic = simulated(fifoEpidemic(conditions));
  const others: readonly [string, CarriageFigures][] = [
    ['subscribers only', simulated(subscribersOnly(conditions))],
    ['spray and wait, 8 copies', simulated(sprayAndWait(conditions, 8))],
    ['PRoPHET', simulated(prophet(conditions))],
  ];
  const bound = reachablePairs(trace, items) / ours.pairs;
  const label = (what: string) => `${name}${isHeldOut ? ' (held out)' : ''}: ${what}`;
  const results =
    kind === 'dense'
      ? [
          atLeast(label('share served'), share(ours), '', 0.99 * share(epidemic)),
          atMost(label('transmissions a served pair'), ours.transmissions / ours.served, '', 1.3),
        ]
      : [
          atLeast(label('share served'), share(ours), '', Math.max(1.05 * share(epidemic), (share(epidemic) + bound) / 2)),
          atMost(label('transmissions to those of FIFO epidemic'), ours.transmissions / epidemic.transmissions, '', 0.6),
        ];
  results.push(figure(label('bound'), bound, ''), figure(label('FIFO epidemic'), share(epidemic), ''));
  for (const [other, figures] of others) results.push(figure(label(other), share(figures), ''));
  results.push(figure(label('largest digest of a contact, both ways'), ours.digestBytesMax, 'B'));
  return results;
}

function share({ served, pairs }: CarriageFigures): number {
  return served / pairs;
}
