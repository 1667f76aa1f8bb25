import type { CarriageAgent, CarriageConditions, CarriageDigest, CarriageItem, CarriagePolicy } from './carrying-simulation.ts';

/**
 * What others do, to compare with: all of them give what they hold to subscribers that they meet, keep their own data, and drop what they carried longest when there is no room.
 */

interface HoldingsDigest extends CarriageDigest {
  readonly held: ReadonlySet<string>;
  readonly predictabilities?: ReadonlyMap<number, number>;
}

/** Bytes of an item's name, and of a node's with a number, in a digest. */
const nameBytes = 4;
const predictabilityBytes = 6;

/** Everything that the policies have in common. */
abstract class StoreAndOffer implements CarriageAgent<HoldingsDigest, number> {
  protected readonly self: number;
  readonly #spaceBytes: number;
  /** In the order of arrival. */
  readonly #held = new Map<string, CarriageItem>();
  protected readonly peers = new Map<number, HoldingsDigest>();
  #carriedBytes = 0;

  constructor(self: number, conditions: CarriageConditions) {
    this.self = self;
    this.#spaceBytes = conditions.spaceBytes;
  }

  get carriedBytes(): number {
    return this.#carriedBytes;
  }

  /** Whether an item may go to a node that does not want it for itself. */
  protected abstract spreads(item: CarriageItem, peer: number): boolean;

  created(item: CarriageItem, _nowMs: number): void {
    this.#held.set(item.key, item);
  }

  digestFor(_peer: number, _nowMs: number): HoldingsDigest {
    const held = new Set(this.#held.keys());
    return { held, sizeBytes: nameBytes * held.size };
  }

  learn(peer: number, digest: HoldingsDigest, _nowMs: number): void {
    this.peers.set(peer, digest);
  }

  contactEnded(peer: number, _nowMs: number): void {
    this.peers.delete(peer);
  }

  nextFor(peer: number, except: ReadonlySet<string>, _nowMs: number): string | undefined {
    const held = this.peers.get(peer)?.held;
    if (held === undefined) return undefined;
    const offers = (may: (item: CarriageItem) => boolean) => {
      for (const [key, item] of this.#held) if (!held.has(key) && !except.has(key) && may(item)) return key;
      return undefined;
    };
    return offers((item) => item.subscribers.includes(peer)) ?? offers((item) => this.spreads(item, peer));
  }

  accepts(item: CarriageItem, _peer: number, _nowMs: number): boolean {
    return !this.has(item.key);
  }

  sent(_item: CarriageItem, _peer: number, _nowMs: number): number {
    return 0;
  }

  received(item: CarriageItem, _peer: number, _grant: number, _nowMs: number): void {
    if (this.#isOwn(item)) {
      this.#held.set(item.key, item);
      return;
    }
    if (item.bytes > this.#spaceBytes) return;
    for (const [key, other] of this.#held) {
      if (this.#carriedBytes + item.bytes <= this.#spaceBytes) break;
      if (this.#isOwn(other)) continue;
      this.#held.delete(key);
      this.#carriedBytes -= other.bytes;
    }
    this.#held.set(item.key, item);
    this.#carriedBytes += item.bytes;
  }

  has(key: string): boolean {
    return this.#held.has(key);
  }

  /** Written or subscribed to: nobody's to drop. */
  #isOwn(item: CarriageItem): boolean {
    return item.source === this.self || item.subscribers.includes(this.self);
  }
}

class Epidemic extends StoreAndOffer {
  protected override spreads(): boolean {
    return true;
  }
}

class SubscribersOnly extends StoreAndOffer {
  protected override spreads(): boolean {
    return false;
  }
}

class SprayAndWait extends StoreAndOffer {
  readonly #copies: number;
  readonly #ticketsByKey = new Map<string, number>();

  constructor(self: number, conditions: CarriageConditions, copies: number) {
    super(self, conditions);
    this.#copies = copies;
  }

  override created(item: CarriageItem, nowMs: number): void {
    super.created(item, nowMs);
    this.#ticketsByKey.set(item.key, this.#copies);
  }

  protected override spreads(item: CarriageItem): boolean {
    return (this.#ticketsByKey.get(item.key) ?? 0) > 1;
  }

  override sent(item: CarriageItem, peer: number): number {
    if (item.subscribers.includes(peer)) return 1;
    const tickets = this.#ticketsByKey.get(item.key) ?? 1;
    this.#ticketsByKey.set(item.key, Math.ceil(tickets / 2));
    return Math.floor(tickets / 2);
  }

  override received(item: CarriageItem, peer: number, grant: number, nowMs: number): void {
    super.received(item, peer, grant, nowMs);
    this.#ticketsByKey.set(item.key, Math.max(1, grant));
  }
}

/** Constants of the 2003 paper; one unit of time is half a minute, as its authors' successors have it. */
const meetingGain = 0.75;
const transitiveGain = 0.25;
const agingPerUnit = 0.98;
const unitMs = 30_000;

class Prophet extends StoreAndOffer {
  readonly #predictabilities = new Map<number, number>();
  #agedMs = 0;

  override digestFor(peer: number, nowMs: number): HoldingsDigest {
    this.#age(nowMs);
    const digest = super.digestFor(peer, nowMs);
    return {
      ...digest,
      predictabilities: new Map(this.#predictabilities),
      sizeBytes: digest.sizeBytes + predictabilityBytes * this.#predictabilities.size,
    };
  }

  override learn(peer: number, digest: HoldingsDigest, nowMs: number): void {
    super.learn(peer, digest, nowMs);
    this.#age(nowMs);
    const met = this.#raise(peer, meetingGain);
    for (const [node, theirs] of digest.predictabilities ?? []) if (node !== this.self) this.#raise(node, met * theirs * transitiveGain);
  }

  protected override spreads(item: CarriageItem, peer: number): boolean {
    const theirs = this.peers.get(peer)?.predictabilities;
    return item.subscribers.some((node) => (theirs?.get(node) ?? 0) > (this.#predictabilities.get(node) ?? 0));
  }

  #raise(node: number, gain: number): number {
    const before = this.#predictabilities.get(node) ?? 0;
    const after = before + (1 - before) * gain;
    this.#predictabilities.set(node, after);
    return after;
  }

  #age(nowMs: number): void {
    const factor = agingPerUnit ** ((nowMs - this.#agedMs) / unitMs);
    this.#agedMs = nowMs;
    for (const [node, value] of this.#predictabilities)
      if (value * factor < 1e-6) this.#predictabilities.delete(node);
      else this.#predictabilities.set(node, value * factor);
  }
}

/** Copies to everybody who is met; the oldest goes first when there is no room (Vahdat and Becker, "Epidemic routing for partially connected ad hoc networks", 2000). */
export function fifoEpidemic(conditions: CarriageConditions): CarriagePolicy {
  return (self) => new Epidemic(self, conditions);
}

/** No carriers: writers and subscribers give subscribers what they lack. */
export function subscribersOnly(conditions: CarriageConditions): CarriagePolicy {
  return (self) => new SubscribersOnly(self, conditions);
}

/** Half of the copies that may still be made go to whoever is met (Spyropoulos, Psounis and Raghavendra, "Spray and wait", 2005, the binary form). */
export function sprayAndWait(conditions: CarriageConditions, copies: number): CarriagePolicy {
  return (self) => new SprayAndWait(self, conditions, copies);
}

/** A copy to whoever is likelier to meet some subscriber (Lindgren, Doria and Schelén, "Probabilistic routing in intermittently connected networks", 2003). */
export function prophet(conditions: CarriageConditions): CarriagePolicy {
  return (self) => new Prophet(self, conditions);
}
