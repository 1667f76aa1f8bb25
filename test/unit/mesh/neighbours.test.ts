import { describe, expect, it } from 'vitest';
import type { ShortName } from '../../../src/core/identifiers.ts';
import { seededRandom } from '../../../src/core/random.ts';
import type { MonotonicMs } from '../../../src/core/time.ts';
import { unreachable } from '../../../src/mesh/link-metric.ts';
import { type NeighbourOutput, Neighbours } from '../../../src/mesh/neighbours.ts';
import { nameOf } from '../../../src/simulation/mesh-network.ts';

const [self, a, b] = [nameOf(0), nameOf(1), nameOf(2)];
const fast = { rateBytesPerSecond: 125_000, rttMs: 10, lossRatio: 0 };

/** Runs the machine; `answers` says which probes are answered 10 ms later. */
class Bench {
  readonly neighbours = new Neighbours(self, seededRandom(1));
  readonly outputs: (NeighbourOutput & { readonly at: number })[] = [];
  nowMs = 0;

  get now(): MonotonicMs {
    return this.nowMs as MonotonicMs;
  }

  begin(name: ShortName, quality = fast): void {
    this.neighbours.begin(name, quality, this.now);
    this.drain();
  }

  use(...names: ShortName[]): void {
    this.neighbours.setInUse(new Set(names), this.now);
    this.drain();
  }

  run(durationMs: number, answers: (name: ShortName) => boolean): void {
    const until = this.nowMs + durationMs;
    for (;;) {
      const at = this.neighbours.nextDeadline()?.at;
      if (at === undefined || at > until) break;
      this.nowMs = Math.max(this.nowMs, at);
      this.neighbours.wake(this.now);
      const probed = this.drain();
      this.nowMs += probed.length > 0 ? 10 : 0;
      for (const name of probed) if (answers(name)) this.neighbours.heard(name, this.now, this.now);
      this.drain();
    }
    this.nowMs = until;
  }

  drain(): ShortName[] {
    const probed: ShortName[] = [];
    for (let output = this.neighbours.poll(); output !== undefined; output = this.neighbours.poll()) {
      this.outputs.push({ ...output, at: this.nowMs });
      if (output.type === 'probe') probed.push(output.neighbour);
    }
    return probed;
  }

  probes(name: ShortName): number {
    return this.outputs.filter((output) => output.type === 'probe' && output.neighbour === name).length;
  }

  costs(name: ShortName): number[] {
    return this.outputs.flatMap((output) => (output.type === 'cost' && output.neighbour === name ? [output.cost] : []));
  }
}

describe('neighbours', () => {
  it('are asked nothing where nothing is owed', () => {
    const bench = new Bench();
    bench.begin(a);
    expect(bench.costs(a)).toHaveLength(1);
    expect(bench.neighbours.nextDeadline()).toBeUndefined();
  });

  it('are probed from time to time where something is owed, less where other traffic is heard, and never on a slow link', () => {
    const bench = new Bench();
    bench.begin(a);
    bench.begin(b, { ...fast, rateBytesPerSecond: 125 });
    bench.use(a, b);
    bench.run(60_000, () => true);
    expect(bench.probes(a)).toBeGreaterThan(25);
    expect(bench.probes(a)).toBeLessThan(60);
    expect(bench.probes(b)).toBe(0);
    const before = bench.probes(a);
    for (let i = 0; i < 100; i++) {
      bench.neighbours.heard(a, bench.now, bench.now);
      bench.run(500, () => true);
    }
    expect(bench.probes(a)).toBe(before);
  });

  it('are lost after three probes in vain, or more in the same time where packets are known to be lost and the link has room for them', () => {
    const lossOf = (lossRatio: number, rateBytesPerSecond = fast.rateBytesPerSecond) => {
      const bench = new Bench();
      bench.begin(a, { ...fast, lossRatio, rateBytesPerSecond });
      bench.nowMs = 60_000;
      bench.use(a);
      bench.run(60_000, () => false);
      return { probes: bench.probes(a), afterMs: (bench.outputs.at(-1)?.at ?? 0) - 60_000, cost: bench.costs(a).at(-1) };
    };
    expect(lossOf(0)).toMatchObject({ probes: 3, cost: unreachable });
    expect(lossOf(0).afterMs).toBeLessThan(1000);
    expect(lossOf(0.3).probes).toBeGreaterThan(6);
    expect(lossOf(0.9).probes).toBe(16);
    expect(Math.abs(lossOf(0.9).afterMs - lossOf(0).afterMs)).toBeLessThan(50);
    expect(lossOf(0.9, 1500).probes).toBe(3);
  });

  it('are probed at once on a rumour, and when another neighbour is lost', () => {
    const bench = new Bench();
    bench.begin(a);
    bench.begin(b);
    bench.nowMs = 1000;
    bench.neighbours.rumour(a, bench.now);
    expect(bench.drain()).toEqual([a]);
    bench.neighbours.rumour(a, bench.now);
    bench.neighbours.rumour(nameOf(9), bench.now);
    expect(bench.drain()).toEqual([]);
    bench.use(b);
    bench.neighbours.heard(b, bench.now, bench.now);
    bench.run(800, (name) => name === b);
    expect(bench.neighbours.get(a)?.state).toBe('lost');
    expect(bench.probes(b)).toBe(1);
  });

  it('in the middle of something are asked after 0.7 seconds of silence, though nothing is owed by way of them', () => {
    const bench = new Bench();
    bench.begin(a);
    bench.begin(b);
    const talk = (hearings: number) => {
      for (let i = 0; i < hearings; i++) {
        bench.nowMs += 20;
        bench.neighbours.heard(a, bench.now, bench.now);
      }
    };
    talk(3);
    bench.run(60_000, () => true);
    expect(bench.probes(a)).toBe(0);
    talk(30);
    bench.run(60_000, () => true);
    // Two seconds later it has had the time to say that there is more.
    expect(bench.probes(a)).toBe(2);
    talk(30);
    const from = bench.nowMs;
    bench.run(60_000, () => false);
    expect(bench.neighbours.get(a)?.state).toBe('lost');
    expect((bench.outputs.at(-1)?.at ?? 0) - from).toBeLessThan(1600);
    bench.nowMs += 10;
    bench.neighbours.heard(a, bench.now, bench.now);
    bench.drain();
    expect(bench.outputs.filter(({ type }) => type === 'found')).toHaveLength(1);
  });

  it('that come and go are relied on later each time, and at once again after a minute', () => {
    const bench = new Bench();
    bench.begin(a);
    const comeBack = (): number => {
      bench.neighbours.silent(a, bench.now);
      bench.nowMs += 10;
      bench.neighbours.heard(a, bench.now, bench.now);
      const from = bench.nowMs;
      bench.drain();
      while (bench.neighbours.get(a)?.state !== 'heard') bench.run(10, () => true);
      return bench.nowMs - from;
    };
    expect([1, 2, 3, 4].map(comeBack)).toEqual([0, 500, 1000, 2000]);
    bench.nowMs += 100_000;
    expect(comeBack()).toBe(0);
  });

  it('that lost their session count as lost, and as new when they have another', () => {
    const bench = new Bench();
    bench.begin(a);
    bench.neighbours.end(a, bench.now);
    bench.neighbours.end(a, bench.now);
    bench.drain();
    expect(bench.costs(a).at(-1)).toBe(unreachable);
    expect(bench.neighbours.all()).toEqual([]);
    bench.begin(a);
    expect(bench.costs(a).at(-1)).toBeLessThan(unreachable);
  });

  it('cost something else only when it is another by a quarter', () => {
    const bench = new Bench();
    bench.begin(a);
    const rate = (rateBytesPerSecond: number) => bench.neighbours.measured(a, { ...fast, rateBytesPerSecond });
    for (const each of [120_000, 130_000, 110_000]) rate(each);
    bench.drain();
    expect(bench.costs(a)).toHaveLength(1);
    rate(60_000);
    bench.drain();
    expect(bench.costs(a)).toHaveLength(2);
    bench.neighbours.silent(a, bench.now);
    rate(1000);
    bench.neighbours.measured(nameOf(9), fast);
    bench.neighbours.spokenTo(nameOf(9), bench.now);
    bench.neighbours.heard(nameOf(9), bench.now, bench.now);
    bench.neighbours.silent(nameOf(9), bench.now);
    bench.drain();
    expect(bench.costs(a).at(-1)).toBe(unreachable);
  });

  it('to which something was said must answer it', () => {
    const bench = new Bench();
    bench.begin(a);
    bench.neighbours.spokenTo(a, bench.now);
    bench.run(5000, () => false);
    expect(bench.probes(a)).toBe(2);
    expect(bench.neighbours.get(a)?.state).toBe('lost');
  });
});
