import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/core/random.ts';
import type { MonotonicMs } from '../../../src/core/time.ts';
import { VirtualAgenda } from '../../../src/simulation/virtual-agenda.ts';
import { type LinkModel, VirtualLink } from '../../../src/simulation/virtual-link.ts';

const at = (ms: number) => ms as MonotonicMs;
const make = (model: LinkModel, seed = 1) => new VirtualLink(model, seededRandom(seed));

/** Share of 20,000 packets that arrive, one a millisecond. */
function passed(model: LinkModel): number {
  const link = make(model);
  let count = 0;
  for (let i = 0; i < 20_000; i++) count += link.send(100, at(i)).length;
  return count / 20_000;
}

describe('a virtual link', () => {
  it('transmits one packet behind the other at its rate, then delays them', () => {
    const link = make({ rateBytesPerSecond: 1000, delayMs: 50 });
    expect([link.send(100, at(0)), link.send(200, at(10)), link.send(100, at(1000))]).toEqual([[150], [350], [1150]]);
    expect(link.queueMs(at(1000))).toBe(100);
    expect(link.counts).toEqual({ bytesEntered: 400, bytesCarried: 400, packetsEntered: 3, packetsDropped: 0 });
  });

  it('drops what does not fit into its queue, but never a packet that finds it idle', () => {
    const link = make({ rateBytesPerSecond: 1000, delayMs: 0, queueBytes: 250 });
    expect(link.send(1000, at(0)).length).toBe(1);
    expect(link.send(100, at(0)).length).toBe(0);
    expect(link.send(100, at(850)).length).toBe(1);
    expect(link.counts.packetsDropped).toBe(1);
  });

  it('loses at random, in bursts, and duplicates, as often as it is told', () => {
    expect(passed({ delayMs: 0, lossRatio: 0.05 })).toBeCloseTo(0.95, 1);
    expect(passed({ delayMs: 0, burstLoss: { toBad: 0.01, toGood: 0.04, lossInBad: 0.4 } })).toBeCloseTo(0.92, 1);
    expect(passed({ delayMs: 0, duplicateRatio: 0.1 })).toBeCloseTo(1.1, 1);
  });

  it('keeps the order under jitter unless it may reorder', () => {
    for (const reorders of [false, true]) {
      const link = make({ delayMs: 10, jitterMs: 40, reorders });
      const arrivals = Array.from({ length: 200 }, (_, i) => link.send(100, at(i))[0]!);
      const sorted = [...arrivals].sort((a, b) => a - b);
      if (reorders) expect(arrivals).not.toEqual(sorted);
      else expect(arrivals).toEqual(sorted);
      expect(Math.max(...arrivals.map((arrival, i) => arrival - i))).toBeLessThanOrEqual(50);
    }
  });

  it('loses what falls into an outage, or holds it back where it repeats', () => {
    const outages = [{ fromMs: 100, untilMs: 200 }];
    expect(make({ delayMs: 5, outages }).send(10, at(150))).toEqual([]);
    expect(make({ delayMs: 5, outages, holds: true }).send(10, at(150))).toEqual([205]);
    const link = make({ delayMs: 5, outages });
    link.change({ delayMs: 7 });
    expect(link.send(10, at(150))).toEqual([157]);
  });

  it('is the same for the same seed', () => {
    const run = () => {
      const link = make({ delayMs: 5, jitterMs: 9, lossRatio: 0.3, reorders: true }, 9);
      return Array.from({ length: 50 }, (_, i) => link.send(10, at(i)));
    };
    expect(run()).toEqual(run());
  });
});

describe('virtual time', () => {
  it('goes from one event to the next, in order, and in the order of writing at the same instant', () => {
    const agenda = new VirtualAgenda();
    const seen: string[] = [];
    const note = (name: string) => () => seen.push(`${name}@${agenda.now.monotonicMs}`);
    for (const ms of [30, 10, 20, 10, 40, 5]) agenda.at(at(ms), note(String(ms)));
    agenda.at(at(15), () => agenda.at(at(1), note('late')));
    expect(agenda.runUntil(35)).toBe(true);
    expect(seen).toEqual(['5@5', '10@10', '10@10', 'late@15', '20@20', '30@30']);
    expect(agenda.now.monotonicMs).toBe(35);
    expect(agenda.runUntil(100)).toBe(false);
    expect(agenda.now.wallMs - agenda.now.monotonicMs).toBe(Date.UTC(2026, 0, 1));
  });
});
