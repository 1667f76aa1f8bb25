import type { DatasetId, NodeId } from '../core/identifiers.ts';
import { type Deadline, later, type MonotonicMs } from '../core/time.ts';
import type { LogStore } from '../datasets/log.ts';
import type { ReceiptBook } from '../datasets/receipts.ts';
import type { Interests } from './interests.ts';
import type { Membership } from './membership.ts';
import type { MeshRouting } from './mesh-routing.ts';

/**
 * Which members can only be served over a circuit: there is a way to them, but the neighbour that it begins with does not take the data that is for them. It has no room, or is not to hold it (`relaying.custody`), or is in no position to.
 *
 * Each node judges by its own neighbour alone, so a relay in the middle that holds the data opens the circuit when the relay behind it is the one that will not take it. A neighbour that has yet to hear of a route is given some
 * seconds. When nothing is owed any more the circuit stays for a while, as it costs nothing, and most who owed something will do so again.
 */

/** What is asked to find that out. */
export interface StrandedDataParts {
  readonly self: NodeId;
  readonly membership: Membership;
  readonly logs: LogStore;
  readonly receipts: ReceiptBook;
  readonly interests: Pick<Interests, 'subscribes'>;
  readonly mesh: Pick<MeshRouting, 'nextHop' | 'changes'>;
  /** Whether a neighbour takes a dataset, as far as it has said; `undefined` before it has said anything. */
  readonly takes: (neighbour: NodeId, dataset: DatasetId) => boolean | undefined;
}

/** How long something has to be stranded. Of two ends that lack something of each other, one is to be first. */
const patienceMs = 8000;
const patienceOfGreaterMs = 12_000;
/** How long a circuit stays after everything has arrived. */
const idleMs = 600_000;
/** It is not looked for more often than this. */
const pauseMs = 2000;

interface Stranded {
  /** Since when something is owed that nobody on the way takes, or everything has arrived. */
  readonly owes: boolean;
  readonly since: MonotonicMs;
  /** A circuit is due. */
  readonly isDue: boolean;
}

/** Looks for such members. Part of the engine's turns. */
export class StrandedData {
  readonly #parts: StrandedDataParts;
  #strandedByMember: ReadonlyMap<NodeId, Stranded> = new Map();
  /** Of the mesh, when it was looked for last. */
  #changesSeen = -1;
  #pausedUntil = 0 as MonotonicMs;

  constructor(parts: StrandedDataParts) {
    this.#parts = parts;
  }

  /** Members that need a circuit now. */
  members(now: MonotonicMs): ReadonlySet<NodeId> {
    if ((this.nextDeadline()?.at ?? Infinity) <= now) this.#look(now);
    return new Set([...this.#strandedByMember].flatMap(([member, { isDue }]) => (isDue ? [member] : [])));
  }

  nextDeadline(): Deadline | undefined {
    let at: number = this.#parts.mesh.changes === this.#changesSeen ? Infinity : this.#pausedUntil;
    for (const [member, { owes, since, isDue }] of this.#strandedByMember) {
      if (owes && !isDue) at = Math.min(at, later(since, this.#patienceMs(member)));
      else if (!owes) at = Math.min(at, later(since, idleMs));
    }
    return at === Infinity ? undefined : { at: at as MonotonicMs, reason: 'see whether data is stranded' };
  }

  #look(now: MonotonicMs): void {
    this.#changesSeen = this.#parts.mesh.changes;
    this.#pausedUntil = later(now, pauseMs);
    const stranded = new Map<NodeId, Stranded>();
    for (const { node } of this.#parts.membership.members()) {
      const before = this.#strandedByMember.get(node);
      const owes = this.#owes(node);
      if (owes === 'not stranded') continue;
      if (owes === 'unknown') {
        // The way may come back: a circuit stays due for as long as it would have otherwise.
        if (before?.isDue && (before.owes || now < later(before.since, idleMs))) stranded.set(node, before);
        continue;
      }
      const since = before?.owes === owes ? before.since : now;
      // By the very sums that the deadlines are.
      const isDue = before?.isDue || (owes && now >= later(since, this.#patienceMs(node)));
      if (owes || (isDue && now < later(since, idleMs))) stranded.set(node, { owes, since, isDue });
    }
    this.#strandedByMember = stranded;
  }

  #patienceMs(member: NodeId): number {
    return this.#parts.self < member ? patienceMs : patienceOfGreaterMs;
  }

  /** Whether a member lacks something of a dataset that the neighbour on the way does not take. Unknown while there is no way. */
  #owes(node: NodeId): boolean | 'not stranded' | 'unknown' {
    const { self, membership, interests, mesh, takes } = this.#parts;
    const hop = node === self ? self : mesh.nextHop(node);
    if (hop === undefined) return 'unknown';
    if (hop === node) return 'not stranded';
    const cutOff = membership.datasets().filter(({ id }) => takes(hop, id) === false && interests.subscribes(node, id));
    return cutOff.length === 0 ? 'not stranded' : cutOff.some(({ id }) => this.#lacks(node, id));
  }

  #lacks(node: NodeId, dataset: DatasetId): boolean {
    const { logs, receipts } = this.#parts;
    const vector = receipts.of(node, dataset)?.vector;
    return [...logs.lengths(dataset)].some(([author, length]) => author !== node && length > (vector?.lengthOf(author) ?? 0));
  }
}
