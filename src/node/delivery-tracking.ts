import type { CborValue } from '../core/cbor.ts';
import type { DatasetId, Hash, NodeId } from '../core/identifiers.ts';
import type { Outcome } from '../core/outcome.ts';
import { type PriorityClass, priorityClasses } from '../core/priority.ts';
import { type Deadline, later, type Moment, type WallMs } from '../core/time.ts';
import type { EntryHeader } from '../datasets/entry-body.ts';
import type { FileIndex } from '../datasets/file-index.ts';
import type { LogStore } from '../datasets/log.ts';
import type { Dot } from '../datasets/log-entry.ts';
import type { HeldReceipt, ReceiptBook } from '../datasets/receipts.ts';
import type { ContactWindow, ContactWindows } from '../forwarding/contact-windows.ts';
import { type DeliveryChange, type DeliveryQueue, orderRowsMax, type QueuedDelivery } from '../forwarding/delivery-queue.ts';
import { decodeOrder, type Order } from '../forwarding/orders.ts';
import { classByRules, type PriorityRuleBook } from '../forwarding/priority-rules.ts';
import type { Opportunity } from '../forwarding/selection.ts';
import type { Interests } from './interests.ts';
import type { Membership } from './membership.ts';
import { matchesGlob } from './path-glob.ts';

/**
 * What the queue of deliveries learns from what happens: orders that entries bring, entries that are written, contents that peers ask for, links that end, receipts, time. Part of the engine's turn.
 *
 * Every node keeps the rows of every order that it knows, its own and others', so a relay can say where something is, too. Rows of a dataset's own replication exist for what this node wrote.
 */

/** What deliveries are tracked with. */
export interface DeliveryTrackingParts {
  readonly self: NodeId;
  readonly queue: DeliveryQueue;
  readonly rules: PriorityRuleBook;
  readonly windows: ContactWindows;
  readonly logs: LogStore;
  readonly index: FileIndex;
  readonly membership: Membership;
  readonly interests: Interests;
  readonly receipts: ReceiptBook;
}

/** How urgent a content is. */
export interface Urgency {
  readonly priority: PriorityClass;
  readonly deadlineMs?: number;
}

/** Rows that are said to be offered to a peer in reach: the first in its line. */
const offeredAtOnce = 64;

/** Follows deliveries. */
export class DeliveryTracking {
  readonly #parts: DeliveryTrackingParts;
  /** When the next delivery may expire, in ms of the wall clock; kept, because deadlines are asked for outside of turns. */
  #expiryMs: number | undefined;
  #changes: DeliveryChange[] = [];
  /** Datasets whose own replication has a row for every subscriber, none of them ended: writing on changes nothing. */
  readonly #queuedDatasets = new Set<DatasetId>();

  constructor(parts: DeliveryTrackingParts) {
    this.#parts = parts;
  }

  /** What changed since the last call. */
  takeChanges(): DeliveryChange[] {
    const changes = this.#changes;
    this.#changes = [];
    return changes;
  }

  /** At opening: what was under way is not any more. */
  recover(now: Moment): void {
    this.#note(this.#parts.queue.recover(now.wallMs));
    this.#expiryMs = this.#parts.queue.nextExpiryMs();
  }

  /** Takes in an entry that orders something. Fails as `decodeOrder` does. */
  apply(dataset: DatasetId, dot: Dot, header: EntryHeader, payload: CborValue): Outcome<Order> {
    const { queue, rules } = this.#parts;
    const decoded = decodeOrder(payload);
    if (!decoded.ok) return decoded;
    const order = decoded.value;
    const { wallMs } = header.instant;
    if (order.type === 'rules') rules.apply(dataset, dot.author, header.instant, order.rules);
    else if (order.type === 'send') this.#add(dataset, dot, order, wallMs);
    else if (order.author === dot.author && order.type === 'change')
      queue.reclassify(order.author, order.sequence, order.priority, dataset);
    else if (order.author === dot.author && order.type === 'cancel')
      this.#note(queue.cancel(order.author, order.sequence, wallMs, dataset));
    return decoded;
  }

  /** How urgent a content is: what the most urgent order says, else the first rule that matches, else its dataset. */
  urgency(dataset: DatasetId, path: string, dot: Dot, sizeBytes: number, wallMs: number): Urgency {
    const { queue, rules, membership, index } = this.#parts;
    const orders = queue
      .covering(dataset, dot.author, dot.sequence, path)
      .filter((row) => row.order !== undefined && isOpen(row))
      .sort((a, b) => rank(a) - rank(b) || (a.deadlineMs ?? Infinity) - (b.deadlineMs ?? Infinity));
    const [first] = orders;
    if (first !== undefined)
      return { priority: first.priority, ...(first.deadlineMs === undefined ? {} : { deadlineMs: first.deadlineMs }) };
    const present = rules.of(dataset);
    const writtenMs = present.length === 0 ? wallMs : (index.revision(dataset, path, dot)?.instant.wallMs ?? wallMs);
    const subject = { path, author: dot.author, kind: 'files' as const, sizeBytes, writtenMs };
    return { priority: classByRules(present, subject, wallMs, matchesGlob) ?? membership.dataset(dataset)?.priority ?? 'normal' };
  }

  /** Whether what an entry says of a path is ordered for this node, or for another that does not hold it yet. */
  isOrdered(dataset: DatasetId, dot: Dot, path: string): boolean {
    const { queue, self } = this.#parts;
    return queue
      .covering(dataset, dot.author, dot.sequence, path)
      .some(
        (row) => row.order !== undefined && (row.destination === self ? row.state !== 'failed' && row.state !== 'expired' : isOpen(row)),
      );
  }

  /** Takes back what an author's entries behind one ordered: its log is to say something else there. */
  retract(dataset: DatasetId, author: NodeId, after: number, now: Moment): void {
    this.#note(this.#parts.queue.retract(author, after, now.wallMs, dataset));
  }

  /** Whether what an entry says of a path is ordered for this node. */
  isOrderedHere(dataset: DatasetId, dot: Dot, path: string): boolean {
    const { queue, self } = this.#parts;
    return queue
      .covering(dataset, dot.author, dot.sequence, path)
      .some(({ order, destination, state }) => order !== undefined && destination === self && state !== 'failed' && state !== 'expired');
  }

  /** The nodes for which what an entry says of a path is ordered, and which do not hold it yet as far as is known. */
  destinations(dataset: DatasetId, dot: Dot, path: string): NodeId[] {
    return this.#parts.queue
      .covering(dataset, dot.author, dot.sequence, path)
      .flatMap((row) => (row.order !== undefined && isOpen(row) ? [row.destination] : []));
  }

  /** What an entry ordered. */
  itemsOf(dataset: DatasetId, { author, sequence }: Dot): QueuedDelivery[] {
    return this.#parts.queue.ofOrder(author, sequence, dataset);
  }

  /** This node wrote an entry. */
  written(dataset: DatasetId, now: Moment): void {
    const { queue, membership, interests, self } = this.#parts;
    if (dataset === membership.logDataset || this.#queuedDatasets.has(dataset)) return;
    this.#queuedDatasets.add(dataset);
    const rows = new Set(queue.ofReplication(dataset, self).map(({ destination }) => destination));
    const priority = membership.dataset(dataset)?.priority ?? 'normal';
    for (const { node } of membership.members()) {
      if (node === self || rows.has(node) || !interests.subscribes(node, dataset)) continue;
      queue.add(
        { dataset, author: self, first: 1, last: Infinity, destination: node, priority, sizeBytes: 0, custodySuffices: false },
        now.wallMs,
      );
    }
    this.#note(queue.grew(dataset, self, now.wallMs));
  }

  /** Members, roles or subscriptions are others than before. */
  teamChanged(): void {
    this.#queuedDatasets.clear();
  }

  /** Nodes have signed what they hold; this node is among them. */
  receipts(receipts: readonly HeldReceipt[], now: Moment): void {
    const { queue, logs, receipts: book, self } = this.#parts;
    for (const { node, dataset } of receipts) {
      if (node !== self) this.#queuedDatasets.delete(dataset);
      // What is said of this node's own log must be so of the entries that it has now: it may have been set back.
      const holdings = book.holdings(node, dataset);
      const heldLength = (author: NodeId): number => (author === self ? holdings.known(author) : holdings.said(author));
      this.#note(queue.held(node, dataset, heldLength, (author) => logs.length(dataset, author), now.wallMs));
    }
  }

  /** A session with a peer is heard: what is for it is offered, the first in line. */
  sessionBegan(peer: NodeId, now: Moment): void {
    const { queue, windows } = this.#parts;
    windows.began(peer, now.wallMs);
    const waiting = queue.next(peer, offeredAtOnce).filter(({ state }) => state === 'queued');
    this.#note(queue.move(waiting, 'offered', 'a session stands', now.wallMs, peer));
  }

  /** A peer is not heard any more. */
  sessionEnded(peer: NodeId, now: Moment): void {
    this.#parts.windows.ended(peer, now.wallMs);
    this.#note(this.#parts.queue.interrupted(peer, 'the contact ended', now.wallMs));
  }

  /** A peer asks for a content. */
  asked(peer: NodeId, root: Hash, now: Moment): void {
    const { queue, index } = this.#parts;
    for (const { dataset, author, sequence, path } of index.headsWithRoot(root)) {
      const rows = queue.covering(dataset, author, sequence, path).filter((row) => row.destination === peer && isOpen(row));
      this.#note(queue.move(rows, 'active', 'asked for', now.wallMs, peer));
    }
  }

  /** What the contacts with a peer offer, for choosing what to move. */
  opportunity(peer: NodeId, rateBytesPerSecond: number | undefined, now: Moment): Opportunity {
    const contacts = this.#parts.windows.planned(peer, now.wallMs);
    return {
      nowMs: now.wallMs,
      ...(rateBytesPerSecond === undefined ? {} : { rateBytesPerSecond }),
      ...(contacts === undefined ? {} : { contacts }),
    };
  }

  /** Declares when a peer can be reached. */
  declareWindows(peer: NodeId, windows: readonly ContactWindow[]): void {
    this.#parts.windows.declare(peer, windows);
  }

  /** Milliseconds until a peer is worth trying, going by what was declared; `undefined`: not any more. */
  opensInMs(peer: NodeId, wallMs: WallMs): number | undefined {
    const at = this.#parts.windows.tryAt(peer, wallMs);
    return at === undefined ? undefined : Math.max(0, at - wallMs);
  }

  /** Milliseconds until the next contact with a peer is expected, going by those before. */
  expectedInMs(peer: NodeId, wallMs: WallMs): number | undefined {
    const next = this.#parts.windows.nextContact(peer, wallMs);
    return next === undefined ? undefined : next.atMs - wallMs;
  }

  /** Ends what has expired, and names the datasets of which something has. */
  wake(now: Moment): ReadonlySet<DatasetId> {
    if (this.#expiryMs === undefined || this.#expiryMs > now.wallMs) return new Set();
    const changes = this.#parts.queue.expire(now.wallMs);
    this.#expiryMs = this.#parts.queue.nextExpiryMs();
    this.#note(changes);
    return new Set(changes.map(({ dataset }) => dataset));
  }

  nextDeadline(now: Moment): Deadline | undefined {
    const next = this.#expiryMs;
    // Far ones are looked at again within a day: a wall clock may be set.
    return next === undefined
      ? undefined
      : { at: later(now.monotonicMs, Math.min(86_400_000, Math.max(0, next - now.wallMs))), reason: 'a delivery expires' };
  }

  #add(dataset: DatasetId, dot: Dot, { items, to, terms }: Extract<Order, { readonly type: 'send' }>, wallMs: number): void {
    const { queue, membership, interests } = this.#parts;
    const order = { author: dot.author, sequence: dot.sequence };
    if (queue.ofOrder(order.author, order.sequence, dataset).length > 0) return;
    const destinations = new Set(to.nodes);
    for (const { node, role } of membership.members()) {
      if (node === dot.author) continue;
      if (to.roles.includes(role) || (to.subscribers && interests.subscribes(node, dataset))) destinations.add(node);
    }
    for (const item of items.slice(0, Math.floor(orderRowsMax / Math.max(1, destinations.size)))) {
      const sizeBytes = item.first === item.last && item.path !== undefined ? this.#sizeOf(dataset, item.author, item.first, item.path) : 0;
      const priority =
        terms.priority ?? this.urgency(dataset, item.path ?? '', { author: item.author, sequence: item.last }, sizeBytes, wallMs).priority;
      for (const destination of destinations) queue.add({ ...item, ...terms, dataset, destination, order, priority, sizeBytes }, wallMs);
    }
    this.#expiryMs = queue.nextExpiryMs();
  }

  #sizeOf(dataset: DatasetId, author: NodeId, sequence: number, path: string): number {
    const revision = this.#parts.index.revision(dataset, path, { author, sequence });
    return revision?.kind === 'file' ? revision.content.sizeBytes : 0;
  }

  #note(changes: readonly DeliveryChange[]): void {
    for (const change of changes) {
      this.#changes.push(change);
      if (change.order === undefined) this.#queuedDatasets.delete(change.dataset);
    }
  }
}

function isOpen({ state }: QueuedDelivery): boolean {
  return state !== 'delivered' && state !== 'expired' && state !== 'failed';
}

function rank({ priority }: QueuedDelivery): number {
  return priorityClasses.indexOf(priority);
}
