import { InvariantViolation, invariant } from '../core/assert.ts';
import { type Random, seededRandom } from '../core/random.ts';
import type { MonotonicMs } from '../core/time.ts';
import { nodeCrypto } from '../runtime/node-crypto.ts';
import { endOfTurn } from './end-of-turn.ts';
import { sharedCrypto } from './shared-crypto.ts';
import type { SimulatedLink } from './simulated-link.ts';
import { SimulatedNetwork } from './simulated-network.ts';
import { SimulatedNode, type SimulatedNodeOptions } from './simulated-node.ts';
import { Trace } from './trace.ts';
import { VirtualAgenda } from './virtual-agenda.ts';
import type { LinkModel } from './virtual-link.ts';

/**
 * A world: many real nodes in one process, in virtual time, from one seed.
 *
 * Time stands still while anything can go on: the world does one action of its agenda (a packet arrives, a timer goes off, a disk has synced), lets every promise that this set free go on
 * until it waits for the agenda again, and then does the next. So a day passes as fast as the processor can think it, and the same seed gives the same day: `finish` it twice and compare
 * `trace.digest()`.
 *
 * @example
 * const world = new World({ seed: 1 });
 * const [camp, ridge] = [await world.add('camp'), await world.add('ridge')];
 * world.link('camp', 'ridge', { delayMs: 300, rateBytesPerSecond: 1200 });
 * camp.node.createTeam('Storbreen');
 * await world.finish(camp.node.listen('udp://camp:7077'));
 * await world.finish(ridge.node.join(camp.node.createInvite()));
 */

/** What a world begins with. */
export interface WorldOptions {
  /** Decides everything that is left to chance: keys, losses, faults. */
  readonly seed: number;
}

/** How long `finish` and `until` wait at most, in virtual time, unless told otherwise. */
const patienceMs = 24 * 3600 * 1000;
/** More actions than this at one instant mean that somebody sets a timer for now, again and again. */
const actionsPerInstantMax = 100_000;

/** One world. Worlds share nothing, so several may exist at once. */
export class World {
  readonly seed: number;
  readonly trace: Trace;
  /** For workloads and faults: independent of what nodes draw. */
  readonly random: Random;
  readonly #agenda = new VirtualAgenda();
  readonly #network: SimulatedNetwork;
  readonly #nodeRandom: Random;
  readonly #crypto = sharedCrypto();
  readonly #nodeByName = new Map<string, SimulatedNode>();
  #instantMs = 0;
  #actionsAtInstant = 0;

  constructor({ seed }: WorldOptions) {
    const random = seededRandom(seed);
    this.seed = seed;
    this.random = random.fork();
    this.#nodeRandom = random.fork();
    this.#network = new SimulatedNetwork(this.#agenda, random.fork());
    this.trace = new Trace(nodeCrypto);
  }

  /** Milliseconds since the world began. */
  get nowMs(): number {
    return this.#agenda.now.monotonicMs;
  }

  get nodes(): SimulatedNode[] {
    return [...this.#nodeByName.values()];
  }

  get links(): SimulatedLink[] {
    return [...this.#network.links];
  }

  /** A new computer with a node that has begun to run. Its name is also its host name. */
  async add(name: string, options: SimulatedNodeOptions = {}): Promise<SimulatedNode> {
    invariant(!this.#nodeByName.has(name), `there is a node ${name} already`);
    const node = new SimulatedNode(
      name,
      { network: this.#network, trace: this.trace, crypto: this.#crypto },
      this.#nodeRandom.fork(),
      options,
    );
    this.#nodeByName.set(name, node);
    await this.finish(node.start());
    return node;
  }

  /** The computer of this name. */
  node(name: string): SimulatedNode {
    const node = this.#nodeByName.get(name);
    invariant(node !== undefined, `there is no node ${name}`);
    return node;
  }

  /**
   * Lays a link between two computers; `back` is the way from the second to the first, the same if absent. A second link between the same two needs the name of its `medium`, which stands in
   * addresses, too: `udp://ridge.sat:7077`.
   */
  link(a: string, b: string, model: LinkModel, back?: LinkModel, medium?: string): SimulatedLink {
    return this.#network.lay(a, b, model, back, medium);
  }

  /** The link between two computers, over this medium. */
  linkBetween(a: string, b: string, medium?: string): SimulatedLink {
    const link = this.#network.link(a, b, medium);
    invariant(link !== undefined, `there is no link between ${a} and ${b}`);
    return link;
  }

  /** Cuts every link between two groups: those named, and all others. */
  partition(names: readonly string[]): void {
    const inside = new Set(names);
    for (const link of this.links) if (inside.has(link.ends[0]) !== inside.has(link.ends[1])) link.cut();
  }

  /** Heals every link for good: schedules end. */
  healAll(): void {
    for (const link of this.links) {
      link.unschedule();
      link.heal();
    }
  }

  /** A computer is given other addresses: `ridge` is `ridge~1` from now on. With `original`, it has its first ones again. */
  changeAddress(name: string, original = false): void {
    this.#network.changeAddress(this.node(name).name, original);
  }

  /** Does something at an instant, in milliseconds since the world began. */
  at(instantMs: number, action: () => void): void {
    this.#agenda.at(instantMs as MonotonicMs, action);
  }

  /** Lets this much time pass. */
  async runFor(durationMs: number): Promise<void> {
    await this.runUntil(this.nowMs + durationMs);
  }

  /** Lets time pass until this instant, in milliseconds since the world began. */
  async runUntil(instantMs: number): Promise<void> {
    await this.#run(() => false, instantMs);
    this.#agenda.runUntil(instantMs);
  }

  /** Lets time pass until the promise settles, and gives its result. Throws when it has not settled within `withinMs` of virtual time, or nothing is left that could settle it. */
  async finish<T>(work: Promise<T>, withinMs: number = patienceMs): Promise<T> {
    let settled = false;
    const settle = (): void => {
      settled = true;
    };
    work.then(settle, settle);
    await this.#run(() => settled, this.nowMs + withinMs);
    if (!settled) throw this.#stuck(`what was waited for did not happen within ${withinMs} ms`);
    return work;
  }

  /** Lets time pass until the condition holds; false when it does not within `withinMs` of virtual time, or when nothing is left to happen. */
  async until(condition: () => boolean, withinMs: number = patienceMs): Promise<boolean> {
    await this.#run(condition, this.nowMs + withinMs);
    return condition();
  }

  /** Lets time pass until nothing is left to happen at all: no packet, no timer, no promise. False when that is not the case within `withinMs` of virtual time. */
  async untilQuiet(withinMs: number = patienceMs): Promise<boolean> {
    await this.#run(() => false, this.nowMs + withinMs);
    return this.#agenda.nextAtMs === undefined;
  }

  async #run(isEnough: () => boolean, untilMs: number): Promise<void> {
    await endOfTurn();
    while (!isEnough()) {
      const next = this.#agenda.nextAtMs;
      if (next === undefined || next > untilMs) return;
      this.#countActions(next);
      this.#agenda.runNext();
      await endOfTurn();
    }
  }

  #countActions(atMs: number): void {
    if (atMs > this.#instantMs) this.#actionsAtInstant = 0;
    this.#instantMs = atMs;
    if (++this.#actionsAtInstant > actionsPerInstantMax)
      throw this.#stuck(`time does not go on: more than ${actionsPerInstantMax} actions at ${atMs} ms`);
  }

  #stuck(message: string): InvariantViolation {
    return new InvariantViolation(`seed ${this.seed}, ${this.nowMs} ms: ${message}\n${this.trace.latest(20).join('\n')}`);
  }
}
