import { seededRandom } from '../core/random.ts';
import type { MonotonicMs } from '../core/time.ts';
import type { ContactTrace, TraceContact } from './contact-trace.ts';
import { TimeRespectingReach } from './time-respecting-reach.ts';
import { VirtualAgenda } from './virtual-agenda.ts';

/**
 * What carriers achieve on a contact trace: items come into being at nodes, each for some subscribers, and cross the network by contacts alone. Whole nodes would drown the question in what they do otherwise, so this is
 * a light simulator: one agent a node decides what to hand over, and everything else is counted.
 *
 * **Contacts** have a capacity: their duration times the rate, both directions together. First of all they pay for their set-up, then for the digests that both ends give each other, then for items, one after the other, the
 * ends taking turns. An item whose contact ends before it is through is lost, and counts as a transmission. A node that is in several contacts has the full rate in each.
 *
 * **Space** is limited for what a node carries for others. What it wrote or subscribes to is its own data and lies elsewhere; nobody may be asked to give that up.
 */

/** Something to be delivered. */
export interface CarriageItem {
  readonly key: string;
  /** Position of its writer among the nodes of the trace. */
  readonly source: number;
  /** Positions of those that want it; never the writer. */
  readonly subscribers: readonly number[];
  readonly bytes: number;
  readonly createdMs: number;
}

/** What contacts and nodes can hold. */
export interface CarriageConditions {
  /** Bytes of other nodes' items that one node can carry. */
  readonly spaceBytes: number;
  /** Bytes a second during a contact, both ways together. */
  readonly rateBytesPerSecond: number;
  /** Bytes that establishing a session costs, before anything is said. Default: 603, a Noise handshake over TCP with all headers (DESIGN section 2). */
  readonly setupBytes?: number;
}

/** What one end tells the other when a contact begins. */
export interface CarriageDigest {
  readonly sizeBytes: number;
}

/** One node's decisions. Names are those of the trace's nodes. */
export interface CarriageAgent<Digest extends CarriageDigest = CarriageDigest, Grant = unknown> {
  /** An item was written here. */
  created(item: CarriageItem, nowMs: number): void;
  /** A contact begins: what the peer is to be told. */
  digestFor(peer: number, nowMs: number): Digest;
  /** What the peer told. */
  learn(peer: number, digest: Digest, nowMs: number): void;
  contactEnded(peer: number, nowMs: number): void;
  /** The next item for a peer, except those; `undefined` when there is none now. */
  nextFor(peer: number, except: ReadonlySet<string>, nowMs: number): string | undefined;
  /** Whether this end would take an item that a peer offers. */
  accepts(item: CarriageItem, peer: number, nowMs: number): boolean;
  /** An item arrived at the peer. @returns what the sender hands over with it, if there is such a thing. */
  sent(item: CarriageItem, peer: number, nowMs: number): Grant;
  /** An item arrived here, with what its sender handed over. */
  received(item: CarriageItem, peer: number, grant: Grant, nowMs: number): void;
  has(key: string): boolean;
  /** Bytes carried for others. */
  readonly carriedBytes: number;
}

/** Makes the agent of a node, given its position. */
export type CarriagePolicy = (node: number) => CarriageAgent;

/** What came of it. */
export interface CarriageFigures {
  /** Pairs of an item and a subscriber. */
  readonly pairs: number;
  readonly served: number;
  /** Items that began to cross a contact, whether they got through or not. */
  readonly transmissions: number;
  /** Bytes of items, of set-ups, and of digests and refusals. */
  readonly itemBytes: number;
  readonly setupBytes: number;
  readonly digestBytes: number;
  /** Largest digest of one contact, both ways together. */
  readonly digestBytesMax: number;
  /** Mean delay of the pairs served, in milliseconds. */
  readonly meanDelayMs: number;
  /** Largest number of bytes that a node carried for others. */
  readonly carriedBytesMax: number;
  /** Copies that are still carried when the trace is over. */
  readonly copiesLeft: number;
}

/** Bytes of an offer that is declined: a name, and a no. */
const refusalBytes = 8;
const setupBytesDefault = 603;

/** How items are drawn. */
export interface CarriageWorkload {
  readonly items: number;
  readonly subscribersPerItem: number;
  readonly itemBytes: number;
  /** Share of the trace in which items come into being, from its beginning. Default: 0.5. */
  readonly createdWithin?: number;
  readonly seed: number;
}

/** Draws items with writers, subscribers and instants at random, in the order of their creation. */
export function drawCarriage(trace: ContactTrace, workload: CarriageWorkload): CarriageItem[] {
  const random = seededRandom(workload.seed);
  const items = Array.from({ length: workload.items }, () => {
    const chosen = new Set<number>();
    while (chosen.size < Math.min(trace.nodes.length, workload.subscribersPerItem + 1)) chosen.add(random.below(trace.nodes.length));
    const [source = 0, ...subscribers] = chosen;
    return {
      source,
      subscribers,
      bytes: workload.itemBytes,
      createdMs: random.float() * trace.durationMs * (workload.createdWithin ?? 0.5),
    };
  });
  return items.sort((a, b) => a.createdMs - b.createdMs).map((item, i) => ({ key: `item-${i}`, ...item }));
}

/** Pairs of an item and a subscriber that contacts could serve at all, with copies, space and capacity without end. */
export function reachablePairs(trace: ContactTrace, items: readonly CarriageItem[]): number {
  const reach = new TimeRespectingReach(trace);
  let pairs = 0;
  for (const { source, subscribers, createdMs } of items) {
    const earliestMs = reach.earliestMs(source, createdMs);
    for (const subscriber of subscribers) if ((earliestMs[subscriber] ?? Number.POSITIVE_INFINITY) < Number.POSITIVE_INFINITY) pairs++;
  }
  return pairs;
}

interface OpenContact extends TraceContact {
  /** Who speaks next. */
  turn: 'a' | 'b';
  isBusy: boolean;
  isOver: boolean;
  /** What needs no second offer in this contact, by direction. */
  readonly settledFromA: Set<string>;
  readonly settledFromB: Set<string>;
}

/** Lets a policy loose on a trace. Deterministic, if the policy is. */
export function simulateCarriage(
  trace: ContactTrace,
  items: readonly CarriageItem[],
  conditions: CarriageConditions,
  policy: CarriagePolicy,
): CarriageFigures {
  return new Carriage(trace, items, conditions, policy).run();
}

class Carriage {
  readonly #agenda = new VirtualAgenda();
  readonly #agents: CarriageAgent[];
  readonly #itemByKey: ReadonlyMap<string, CarriageItem>;
  readonly #conditions: Required<CarriageConditions>;
  readonly #openOf: Set<OpenContact>[];
  /** Items on their way to a node. */
  readonly #arriving: Set<string>[];
  readonly #served: Set<string>[];
  #transmissions = 0;
  #itemBytes = 0;
  #setupBytes = 0;
  #digestBytes = 0;
  #digestBytesMax = 0;
  #delayMs = 0;
  #servedCount = 0;
  #carriedBytesMax = 0;

  constructor(trace: ContactTrace, items: readonly CarriageItem[], conditions: CarriageConditions, policy: CarriagePolicy) {
    this.#conditions = { setupBytes: setupBytesDefault, ...conditions };
    this.#agents = trace.nodes.map((_, node) => policy(node));
    this.#itemByKey = new Map(items.map((item) => [item.key, item]));
    this.#openOf = trace.nodes.map(() => new Set());
    this.#arriving = trace.nodes.map(() => new Set());
    this.#served = trace.nodes.map(() => new Set());
    for (const item of items) this.#agenda.at(item.createdMs as MonotonicMs, () => this.#create(item));
    for (const contact of trace.contacts) this.#agenda.at(contact.beginMs as MonotonicMs, () => this.#begin(contact));
  }

  run(): CarriageFigures {
    while (this.#agenda.runNext());
    let pairs = 0;
    for (const { subscribers } of this.#itemByKey.values()) pairs += subscribers.length;
    let copiesLeft = 0;
    for (const [node, agent] of this.#agents.entries())
      for (const item of this.#itemByKey.values())
        if (item.source !== node && !item.subscribers.includes(node) && agent.has(item.key)) copiesLeft++;
    return {
      pairs,
      served: this.#servedCount,
      transmissions: this.#transmissions,
      itemBytes: this.#itemBytes,
      setupBytes: this.#setupBytes,
      digestBytes: this.#digestBytes,
      digestBytesMax: this.#digestBytesMax,
      meanDelayMs: this.#servedCount === 0 ? 0 : this.#delayMs / this.#servedCount,
      carriedBytesMax: this.#carriedBytesMax,
      copiesLeft,
    };
  }

  get #nowMs(): number {
    return this.#agenda.now.monotonicMs;
  }

  #agent(node: number): CarriageAgent {
    return this.#agents[node] as CarriageAgent;
  }

  #create(item: CarriageItem): void {
    this.#agent(item.source).created(item, this.#nowMs);
    this.#wake(item.source);
  }

  #begin(contact: TraceContact): void {
    const { a, b, endMs } = contact;
    const open: OpenContact = { ...contact, turn: 'a', isBusy: true, isOver: false, settledFromA: new Set(), settledFromB: new Set() };
    this.#openOf[a]?.add(open);
    this.#openOf[b]?.add(open);
    this.#agenda.at(endMs as MonotonicMs, () => this.#end(open));
    const fromA = this.#agent(a).digestFor(b, this.#nowMs);
    const fromB = this.#agent(b).digestFor(a, this.#nowMs);
    const digestBytes = fromA.sizeBytes + fromB.sizeBytes;
    this.#setupBytes += this.#conditions.setupBytes;
    this.#digestBytes += digestBytes;
    this.#digestBytesMax = Math.max(this.#digestBytesMax, digestBytes);
    this.#after(open, this.#conditions.setupBytes + digestBytes, () => {
      this.#agent(a).learn(b, fromB, this.#nowMs);
      this.#agent(b).learn(a, fromA, this.#nowMs);
    });
  }

  /** Does something when so many bytes have crossed, unless the contact ends before. */
  #after(open: OpenContact, bytes: number, action: () => void): void {
    open.isBusy = true;
    const atMs = this.#nowMs + (bytes * 1000) / this.#conditions.rateBytesPerSecond;
    this.#agenda.at(atMs as MonotonicMs, () => {
      if (open.isOver) return;
      open.isBusy = false;
      action();
      this.#next(open);
    });
  }

  #end(open: OpenContact): void {
    open.isOver = true;
    this.#openOf[open.a]?.delete(open);
    this.#openOf[open.b]?.delete(open);
    for (const [node, other] of [
      [open.a, open.b],
      [open.b, open.a],
    ] as const)
      this.#agent(node).contactEnded(other, this.#nowMs);
  }

  /** Something is new at a node: contacts with nothing to do look again. */
  #wake(node: number): void {
    for (const open of this.#openOf[node] ?? []) if (!open.isBusy) this.#next(open);
  }

  #next(open: OpenContact): void {
    for (let ends = 0; ends < 2; ends++) {
      const isFromA = open.turn === 'a';
      open.turn = isFromA ? 'b' : 'a';
      const item = this.#offer(isFromA ? open.a : open.b, isFromA ? open.b : open.a, isFromA ? open.settledFromA : open.settledFromB);
      if (item === undefined) continue;
      this.#transfer(open, item, isFromA ? open.a : open.b, isFromA ? open.b : open.a);
      return;
    }
  }

  /** The first offer that is not declined. */
  #offer(from: number, to: number, settled: Set<string>): CarriageItem | undefined {
    const arriving = this.#arriving[to] as Set<string>;
    for (;;) {
      const key = this.#agent(from).nextFor(to, settled, this.#nowMs);
      const item = key === undefined ? undefined : this.#itemByKey.get(key);
      if (item === undefined) return undefined;
      settled.add(item.key);
      if (!arriving.has(item.key) && this.#agent(to).accepts(item, from, this.#nowMs)) return item;
      this.#digestBytes += refusalBytes;
    }
  }

  #transfer(open: OpenContact, item: CarriageItem, from: number, to: number): void {
    this.#transmissions++;
    const arriving = this.#arriving[to] as Set<string>;
    arriving.add(item.key);
    const availableMs = open.endMs - this.#nowMs;
    const neededMs = (item.bytes * 1000) / this.#conditions.rateBytesPerSecond;
    this.#itemBytes += Math.floor(item.bytes * Math.min(1, availableMs / neededMs));
    if (neededMs > availableMs) this.#agenda.at(open.endMs as MonotonicMs, () => arriving.delete(item.key));
    this.#after(open, item.bytes, () => {
      arriving.delete(item.key);
      const grant = this.#agent(from).sent(item, to, this.#nowMs);
      this.#agent(to).received(item, from, grant, this.#nowMs);
      this.#account(item, to);
      open.isBusy = true;
      this.#wake(to);
      open.isBusy = false;
    });
  }

  #account(item: CarriageItem, to: number): void {
    this.#carriedBytesMax = Math.max(this.#carriedBytesMax, this.#agent(to).carriedBytes);
    const served = this.#served[to] as Set<string>;
    if (!item.subscribers.includes(to) || served.has(item.key)) return;
    served.add(item.key);
    this.#servedCount++;
    this.#delayMs += this.#nowMs - item.createdMs;
  }
}
