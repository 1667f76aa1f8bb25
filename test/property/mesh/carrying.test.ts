import { assert, constantFrom, integer, property, record } from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ShortName } from '../../../src/core/identifiers.ts';
import type { PriorityClass } from '../../../src/core/priority.ts';
import { type Random, seededRandom } from '../../../src/core/random.ts';
import type { MonotonicMs } from '../../../src/core/time.ts';
import { type CarriedItem, Carrying } from '../../../src/mesh/carrying.ts';
import { decodeCarryingDigest, encodeCarryingDigest } from '../../../src/mesh/carrying-digest.ts';
import { carriageTerms, unlimitedTickets } from '../../../src/mesh/copy-tickets.ts';
import { nameOf } from '../../../src/simulation/mesh-network.ts';

const minuteMs = 60_000;

/** Some nodes that meet at random, and items among them. */
class Team {
  readonly machines: Carrying[];
  readonly items: CarriedItem[] = [];
  readonly haveIt = new Map<string, Set<ShortName>>();
  readonly #random: Random;
  readonly #spaceBytes: number;
  nowMs = 0;

  constructor(nodes: number, spaceBytes: number, random: Random) {
    this.#random = random;
    this.#spaceBytes = spaceBytes;
    this.machines = Array.from({ length: nodes }, (_, i) => new Carrying({ self: nameOf(i), members: nodes, spaceBytes }, this.now));
  }

  get now(): MonotonicMs {
    return this.nowMs as MonotonicMs;
  }

  write(priority: PriorityClass): void {
    const names = this.machines.map((_, i) => nameOf(i)).sort(() => this.#random.float() - 0.5);
    const [writer, ...subscribers] = names.slice(0, 2 + this.#random.below(Math.min(4, names.length - 1)));
    if (writer === undefined) return;
    const item = { key: `item ${this.items.length}`, writer, subscribers, bytes: 1 + this.#random.below(5), priority };
    this.items.push(item);
    this.haveIt.set(item.key, new Set([writer]));
    this.machineOf(writer).created(item, this.now);
  }

  machineOf(name: ShortName): Carrying {
    return this.machines[Number.parseInt(name, 16)] as Carrying;
  }

  /** Two nodes meet and hand over up to that many items each way. */
  meet(first: number, second: number, itemsMax: number): void {
    const ends = [nameOf(first), nameOf(second)] as const;
    const told = ends.map((name, i) => {
      this.machineOf(name).meet(ends[1 - i] as ShortName, this.now);
      return encodeCarryingDigest(this.machineOf(name).digestFor(ends[1 - i] as ShortName, this.now));
    });
    for (const [i, name] of ends.entries()) {
      const digest = decodeCarryingDigest(told[1 - i] as Uint8Array);
      if (!digest.ok) throw new Error(digest.fault.message);
      this.machineOf(name).learn(ends[1 - i] as ShortName, digest.value, this.now);
    }
    for (const [i, from] of ends.entries()) this.#handOver(from, ends[1 - i] as ShortName, itemsMax);
    this.nowMs += 1000;
    for (const [i, name] of ends.entries()) this.machineOf(name).ended(ends[1 - i] as ShortName, this.now);
    for (const machine of this.machines) {
      expect(machine.carriedBytes).toBeLessThanOrEqual(this.#spaceBytes);
      for (let output = machine.poll(); output !== undefined; output = machine.poll()) this.#released(machine, output.key, output.why);
    }
  }

  #handOver(from: ShortName, to: ShortName, itemsMax: number): void {
    const declined = new Set<string>();
    for (let moved = 0; moved < itemsMax; ) {
      const offer = this.machineOf(from)
        .offersTo(to, this.now)
        .find(({ key }) => !declined.has(key));
      const item = this.items.find(({ key }) => key === offer?.key);
      if (item === undefined) return;
      declined.add(item.key);
      const answer = this.machineOf(to).accepts(item, this.now);
      if (!answer.takes) continue;
      moved++;
      expect(this.machineOf(to).received(item, from, this.machineOf(from).handOver(item.key, to), this.now)).toBe(true);
      if (item.subscribers.includes(to)) this.haveIt.get(item.key)?.add(to);
    }
  }

  #released(machine: Carrying, key: string, why: string): void {
    const item = this.items.find((each) => each.key === key) as CarriedItem;
    const self = nameOf(this.machines.indexOf(machine));
    // Nobody is asked to give up its own data.
    expect([item.writer, ...item.subscribers]).not.toContain(self);
    if (why === 'served') expect(this.haveIt.get(key)?.size).toBe(1 + item.subscribers.length);
  }

  tickets(item: CarriedItem): number {
    return this.machines.reduce((sum, machine) => sum + machine.tickets(item.key), 0);
  }
}

const plan = record({
  seed: integer(),
  nodes: integer({ min: 3, max: 9 }),
  spaceBytes: integer({ min: 0, max: 30 }),
  priority: constantFrom<PriorityClass[]>('emergency', 'critical', 'normal', 'bulk'),
});

describe('nodes that meet at random', () => {
  it('never have more tickets of an item than it began with and one more for every patience that has passed, stay within their space and give up nothing of their own', () => {
    assert(
      property(plan, ({ seed, nodes, spaceBytes, priority }) => {
        const random = seededRandom(seed);
        const team = new Team(nodes, spaceBytes, random);
        const writtenAt = new Map<string, number>();
        for (let step = 0; step < 60; step++) {
          if (step % 6 === 0) team.write(priority);
          const first = random.below(nodes);
          team.meet(first, (first + 1 + random.below(nodes - 1)) % nodes, 1 + random.below(4));
          const { tickets, patienceMs } = carriageTerms[priority];
          for (const { key } of team.items) if (!writtenAt.has(key)) writtenAt.set(key, team.nowMs);
          for (const item of tickets < unlimitedTickets ? team.items : []) {
            const ageMs = team.nowMs - (writtenAt.get(item.key) ?? 0);
            expect(team.tickets(item)).toBeLessThanOrEqual(tickets + Math.floor(ageMs / patienceMs));
          }
          team.nowMs += random.below(600) * minuteMs;
        }
      }),
      { numRuns: 60 },
    );
  });

  it('serve everybody in the end, and then carry nothing any more', () => {
    assert(
      property(plan, ({ seed, nodes, spaceBytes, priority }) => {
        const random = seededRandom(seed);
        const team = new Team(nodes, spaceBytes, random);
        for (let i = 0; i < 8; i++) team.write(priority);
        // Every pair meets three times: once for the data, once for the receipts, and once for those of the last.
        for (let round = 0; round < 3; round++)
          for (let first = 0; first < nodes; first++)
            for (let second = first + 1; second < nodes; second++) {
              team.meet(first, second, 100);
              team.nowMs += minuteMs;
            }
        for (const item of team.items) expect(team.haveIt.get(item.key)?.size).toBe(1 + item.subscribers.length);
        for (const machine of team.machines) expect(machine.carriedBytes).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  it('decide the same with the same seed', () => {
    const run = () => {
      const random = seededRandom(5);
      const team = new Team(8, 20, random);
      for (let i = 0; i < 100; i++) {
        team.write('normal');
        const first = random.below(8);
        team.meet(first, (first + 1 + random.below(7)) % 8, 3);
      }
      return [...team.haveIt].map(([key, nodes]) => `${key} ${[...nodes].join()}`);
    };
    expect(run()).toEqual(run());
  });
});
