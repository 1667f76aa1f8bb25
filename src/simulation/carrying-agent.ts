import type { ShortName } from '../core/identifiers.ts';
import type { PriorityClass } from '../core/priority.ts';
import type { MonotonicMs } from '../core/time.ts';
import { type CarriedGrant, type CarriedItem, Carrying } from '../mesh/carrying.ts';
import { decodeCarryingDigest, encodeCarryingDigest } from '../mesh/carrying-digest.ts';
import type { CarriageAgent, CarriageConditions, CarriageDigest, CarriageItem, CarriagePolicy } from './carrying-simulation.ts';

/** The node's own carrying machine (`mesh/carrying.ts`) as an agent of the simulator. Its digests cross as the bytes that they are. */

interface BytesDigest extends CarriageDigest {
  readonly bytes: Uint8Array;
}

/** How Godwit carries, in a trace of that many nodes; every item is of the class given. */
export function godwitCarrying(conditions: CarriageConditions, nodes: number, priority: PriorityClass = 'normal'): CarriagePolicy {
  const itemByKey = new Map<string, CarriedItem>();
  const itemOf = ({ key, source, subscribers, bytes }: CarriageItem): CarriedItem => {
    const known = itemByKey.get(key) ?? { key, writer: nameOf(source), subscribers: subscribers.map(nameOf), bytes, priority };
    itemByKey.set(key, known);
    return known;
  };
  return (node) => new CarryingAgent(node, nodes, conditions.spaceBytes, itemOf);
}

/** The short name of the node at a position of the trace. */
function nameOf(node: number): ShortName {
  return node.toString(16).padStart(16, '0') as ShortName;
}

class CarryingAgent implements CarriageAgent<BytesDigest, CarriedGrant | undefined> {
  readonly #machine: Carrying;
  readonly #itemOf: (item: CarriageItem) => CarriedItem;

  constructor(node: number, members: number, spaceBytes: number, itemOf: (item: CarriageItem) => CarriedItem) {
    this.#machine = new Carrying({ self: nameOf(node), members, spaceBytes }, 0 as MonotonicMs);
    this.#itemOf = itemOf;
  }

  get carriedBytes(): number {
    return this.#machine.carriedBytes;
  }

  created(item: CarriageItem, nowMs: number): void {
    this.#machine.created(this.#itemOf(item), nowMs as MonotonicMs);
  }

  digestFor(peer: number, nowMs: number): BytesDigest {
    this.#machine.meet(nameOf(peer), nowMs as MonotonicMs);
    const bytes = encodeCarryingDigest(this.#machine.digestFor(nameOf(peer), nowMs as MonotonicMs));
    return { bytes, sizeBytes: bytes.length };
  }

  learn(peer: number, digest: BytesDigest, nowMs: number): void {
    const decoded = decodeCarryingDigest(digest.bytes);
    if (decoded.ok) this.#machine.learn(nameOf(peer), decoded.value, nowMs as MonotonicMs);
  }

  contactEnded(peer: number, nowMs: number): void {
    this.#machine.ended(nameOf(peer), nowMs as MonotonicMs);
  }

  nextFor(peer: number, except: ReadonlySet<string>, nowMs: number): string | undefined {
    return this.#machine.offersTo(nameOf(peer), nowMs as MonotonicMs).find(({ key }) => !except.has(key) && this.#machine.has(key))?.key;
  }

  accepts(item: CarriageItem, _peer: number, nowMs: number): boolean {
    return this.#machine.accepts(this.#itemOf(item), nowMs as MonotonicMs).takes;
  }

  sent(item: CarriageItem, peer: number): CarriedGrant | undefined {
    return this.#machine.has(item.key) ? this.#machine.handOver(item.key, nameOf(peer)) : undefined;
  }

  received(item: CarriageItem, peer: number, grant: CarriedGrant | undefined, nowMs: number): void {
    // The sender may have given the item up while it was on its way: then nobody grants anything, and it counts as the only copy.
    this.#machine.received(this.#itemOf(item), nameOf(peer), grant ?? { tickets: 1, copies: 1, served: 0 }, nowMs as MonotonicMs);
    while (this.#machine.poll() !== undefined);
  }

  has(key: string): boolean {
    return this.#machine.has(key);
  }
}
