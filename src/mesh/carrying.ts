import { invariant } from '../core/assert.ts';
import type { ShortName } from '../core/identifiers.ts';
import type { PriorityClass } from '../core/priority.ts';
import type { MonotonicMs } from '../core/time.ts';
import { type CarryingDigest, heldTagsMax, itemReceiptsMax, itemTag } from './carrying-digest.ts';
import { carriageTerms, splitTickets } from './copy-tickets.ts';
import type { PlannedMeeting } from './itinerary.ts';
import { lateSubscribers } from './lateness.ts';
import { type MeetingEntry, MeetingHistory, meetingPeersMax } from './meeting-history.ts';

/**
 * People and vehicles as the path: what to hand to whom when two nodes meet, and what to give up when there is no room. One node's part of it; it moves no bytes and knows no messages.
 *
 * **In a contact** (`meet`, then `learn` with what the peer told) both ends offer (`offersTo`, best first): first what the peer subscribes to, then, for items that are late (`lateness.ts`) and have tickets left
 * (`copy-tickets.ts`), copies to carry. Copies are ordered by class, then by how many of the unserved subscribers the peer is likely to reach, divided by the copies known of: those that led here, or as many
 * peers as named the item in their last digests. That likelihood is an order and never a gate: somebody who has met nobody takes what is left over. An item counts once, however many of its subscribers a contact may serve.
 *
 * **Room.** What a node wrote or subscribes to is its own data, and none of this machine's business to give up. Copies carried for others have `spaceBytes`, and not more than that. When it is full, a copy is taken only in place of
 * copies of less urgent classes, or of the same class that are worth a third by the same measure as above, from this node's own view. What was given up is not taken again: two carriers would hand it to and fro.
 *
 * **Receipts.** As soon as all subscribers of an item are known to have it, its copies go, and are not taken again.
 *
 * The engine (`node/carrying-keeping.ts`) calls `meet`, `pause` and `ended` with sessions of members, offers what `offersTo` has, and takes what `accepts` says. Who has what it learns by `confirmed` from signed receipts alone:
 * those in digests are unsigned, and a member that lies could make carriers drop their copies early, though never a writer or a subscriber. What `poll` releases loses its reason to be kept.
 */

/** Something for several nodes. */
export interface CarriedItem {
  /** Any name that is the same everywhere. */
  readonly key: string;
  readonly writer: ShortName;
  /** In the same order everywhere, without the writer. The first 32 count. */
  readonly subscribers: readonly ShortName[];
  readonly bytes: number;
  readonly priority: PriorityClass;
  /** Subscribers that were known to have it when this was written down: bit i for the i-th. Default: none. */
  readonly served?: number;
}

/** What goes with a copy. */
export interface CarriedGrant {
  /** Tickets of the new copy. */
  readonly tickets: number;
  /** Handovers to carriers that led to it, itself included: copies there are at least. */
  readonly copies: number;
  /** Subscribers known to have it: bit i for the i-th. */
  readonly served: number;
}

/** Something to give to a peer, and why. */
export interface CarryingOffer {
  readonly key: string;
  readonly why: 'subscriber' | 'late';
  /** Unserved subscribers that the peer is likely to reach within as long as this node has been watching; beside itself. */
  readonly reach: number;
}

/** Whether a copy is taken, and why. */
export type CarryingAnswer =
  | { readonly takes: true; readonly why: 'wanted' | 'room' | 'better'; readonly instead: readonly string[] }
  | { readonly takes: false; readonly why: 'held' | 'served' | 'given-up' | 'full' };

/** An item that is here, as whoever keeps it between two runs or contacts knows it. */
export interface CarriedCopy {
  readonly item: CarriedItem;
  /** `own`: written here or subscribed to. */
  readonly role: 'own' | 'carried';
  readonly tickets: number;
  readonly copies: number;
  readonly sinceAt: MonotonicMs;
}

/** A copy that need not be carried any more. */
export interface CarryingOutput {
  readonly type: 'release';
  readonly key: string;
  /** `served`: everybody has it. `room`: something else took its place, or there is less space than before. */
  readonly why: 'served' | 'room';
}

/** One node's circumstances. */
export interface CarryingOptions {
  readonly self: ShortName;
  /** Members of the team, this one included. */
  readonly members: number;
  /** Bytes that may be carried for others. */
  readonly spaceBytes: number;
  /** Whom it met so far. Default: nobody. */
  readonly history?: MeetingHistory;
}

/** Subscribers of an item that count. */
export const carriedSubscribersMax = 32;
/** Items that can be held, and items whose receipts or absence are remembered. */
export const carriedItemsMax = 20_000;
const receiptsMax = 65_536;
const givenUpMax = 20_000;
/**
 * An item spreads freely once a third of its subscribers are late. Before, when nearly all are reached without carriers, each of the stragglers is worth this many copies, and those do not spread: it may be that nobody ever
 * meets them.
 */
const lateShare = 3;
const stragglerCopies = 1;
/** Nothing spreads freely at a node that meets this share of the members again and again, before it has waited as long as its class may: there each late subscriber is worth as many copies as a straggler elsewhere. */
const sociableShare = 0.4;
/** What a subscriber is worth that nobody knows a way to. */
const unknownWorth = 0.02;
/** Ways by others count as this much longer than they were told to be: those others may be full, or not be offered the item in time, whereas a carrier that meets a subscriber itself delivers. */
const detour = 3;
/** A copy makes way for one that is worth this much more; for less, the transmissions and the room that went into it would be lost to an estimate. */
const replacementGain = 3;

interface Held {
  item: CarriedItem;
  readonly tag: number;
  readonly role: 'own' | 'carried';
  tickets: number;
  copies: number;
  readonly sinceAt: MonotonicMs;
  /** It spreads as far as its tickets allow. */
  isFree: boolean;
}

interface Contact {
  readonly isAppointed: boolean;
  readonly entryByNode: ReadonlyMap<ShortName, MeetingEntry>;
  readonly heldTags: Set<number>;
  ranked: readonly CarryingOffer[] | undefined;
}

/** Carrying, for one node. Deterministic; never idle work: it acts when it is called. */
export class Carrying {
  readonly #self: ShortName;
  readonly #history: MeetingHistory;
  #members: number;
  #spaceBytes: number;
  #carriedBytes = 0;
  readonly #held = new Map<string, Held>();
  readonly #keyByTag = new Map<number, string>();
  /** Who has which item, in the order in which that was learned. */
  readonly #receiptByTag = new Map<number, { readonly served: number; readonly order: number }>();
  readonly #givenUp = new Set<string>();
  readonly #contacts = new Map<ShortName, Contact>();
  /** What peers held when they told last, by tag; those that were not heard for longest first. */
  readonly #seenAt = new Map<ShortName, readonly number[]>();
  /** At how many peers a tag was seen. */
  readonly #seenByTag = new Map<number, number>();
  /** Up to which receipt a peer was told. */
  readonly #toldOrder = new Map<ShortName, number>();
  /** The same for what it is being told; it counts as told when the peer told something itself. */
  readonly #tellingOrder = new Map<ShortName, number>();
  readonly #outputs: CarryingOutput[] = [];
  #receiptOrder = 0;

  constructor(options: CarryingOptions, now: MonotonicMs) {
    this.#self = options.self;
    this.#members = options.members;
    this.#spaceBytes = options.spaceBytes;
    this.#history = options.history ?? new MeetingHistory(options.self, now);
  }

  /** Bytes carried for others. */
  get carriedBytes(): number {
    return this.#carriedBytes;
  }

  /** Whether an item is here, for whomever. */
  has(key: string): boolean {
    return this.#held.has(key);
  }

  /** Whether an item was given up for want of room. */
  gaveUp(key: string): boolean {
    return this.#givenUp.has(key);
  }

  /** Copies there are at least of what is here, 0 when it is not. */
  copies(key: string): number {
    return this.#held.get(key)?.copies ?? 0;
  }

  /** Tickets of the copy here, 0 when there is none. */
  tickets(key: string): number {
    return this.#held.get(key)?.tickets ?? 0;
  }

  /** How long something is expected to take from here to a node, in milliseconds; infinite when nothing is known. */
  delayMs(node: ShortName, now: MonotonicMs): number {
    return this.#history.delayMs(node, now);
  }

  /** What a copy is worth here: how many of its unserved subscribers this node is likely to reach, divided by the copies. */
  worth(item: CarriedItem, copies: number, now: MonotonicMs): number {
    const unserved = this.#unserved(item);
    const delayMs = (node: ShortName) => likelyMs(1 / this.#history.rate(node, now), this.#history.delayMs(node, now));
    return worthOf(unserved, this.#reach(unserved, delayMs, now), copies);
  }

  /** The team has another number of members. */
  setMembers(members: number): void {
    this.#members = members;
    this.#rankAgain();
  }

  /** There is more or less space for others. What does not fit any more is released, the least worth first. */
  setSpace(spaceBytes: number, now: MonotonicMs): void {
    this.#spaceBytes = spaceBytes;
    for (const { item } of this.#leastFirst(now)) {
      if (this.#carriedBytes <= spaceBytes) return;
      this.#giveUp(item.key);
    }
  }

  /** Replaces the meetings that are planned for this node. */
  plan(meetings: readonly PlannedMeeting[]): void {
    this.#history.plan(meetings);
    this.#rankAgain();
  }

  /** This node wrote something. False when the table is full of its own data: it then goes to subscribers by other means only. */
  created(item: CarriedItem, now: MonotonicMs): boolean {
    return this.#hold(item, 'own', carriageTerms[item.priority].tickets, 1, now);
  }

  /** Something is here that this node wrote, took or was given before: what an earlier run wrote down. False when the table is full. */
  restore({ item, role, tickets, copies, sinceAt }: CarriedCopy): boolean {
    return this.#held.has(item.key) || this.#hold(item, role, tickets, copies, sinceAt);
  }

  /** Something was given up by an earlier run. */
  restoreGivenUp(key: string): void {
    this.#givenUp.add(key);
    trim(this.#givenUp, givenUpMax);
  }

  /** Tickets came for a copy that is here. No copy gets more than the writer began with, however often a peer grants some. */
  grant(key: string, tickets: number): void {
    const held = this.#held.get(key);
    if (held === undefined) return;
    const most = carriageTerms[held.item.priority].tickets;
    held.tickets = Math.max(held.tickets, Math.min(most, held.tickets + tickets));
    this.#rankAgain();
  }

  /** This node does not have an item for itself any more, or its writer withdrew it. */
  forget(key: string): void {
    const held = this.#held.get(key);
    if (held === undefined) return;
    this.#held.delete(key);
    this.#keyByTag.delete(held.tag);
    if (held.role === 'carried') this.#carriedBytes -= held.item.bytes;
  }

  /** A contact with a member begins. */
  meet(peer: ShortName, now: MonotonicMs): void {
    this.#history.met(peer, now);
  }

  /** What to tell that peer; receipts that it was told before are left out. */
  digestFor(peer: ShortName, now: MonotonicMs): CarryingDigest {
    const held: number[] = [];
    for (const entry of [...this.#held.values()].reverse()) {
      if (held.length === heldTagsMax) break;
      if (this.#unserved(entry.item).length > 0) held.push(entry.tag);
    }
    const receipts: CarryingDigest['receipts'][number][] = [];
    let told = this.#toldOrder.get(peer) ?? 0;
    for (const [tag, { served, order }] of this.#receiptByTag) {
      if (order <= told) continue;
      if (receipts.length === itemReceiptsMax) break;
      receipts.push({ tag, served });
      told = order;
    }
    this.#tellingOrder.set(peer, told);
    return { freeBytes: Math.max(0, this.#spaceBytes - this.#carriedBytes), meetings: this.#history.entriesFor(peer, now), held, receipts };
  }

  /** A peer that is met is not heard for now; what it told stays. */
  pause(peer: ShortName, now: MonotonicMs): void {
    this.#history.left(peer, now);
  }

  /** What that peer told. To one that was appointed to carry, and does nothing else, anything is offered that has tickets, whether it is late or not. */
  learn(peer: ShortName, digest: CarryingDigest, now: MonotonicMs, isAppointed = false): void {
    this.#history.learn(peer, digest.meetings, now);
    this.#toldOrder.delete(peer);
    this.#toldOrder.set(peer, this.#tellingOrder.get(peer) ?? 0);
    trim(this.#toldOrder, this.#members);
    this.#see(peer, digest.held);
    for (const { tag, served } of digest.receipts) this.#record(tag, served);
    this.#contacts.set(peer, {
      isAppointed,
      entryByNode: new Map(digest.meetings.map((entry) => [entry.node, entry])),
      heldTags: new Set(digest.held),
      ranked: undefined,
    });
    this.#rankAgain();
  }

  /** That contact ended. */
  ended(peer: ShortName, now: MonotonicMs): void {
    this.#history.left(peer, now);
    this.#contacts.delete(peer);
    this.#tellingOrder.delete(peer);
  }

  /** A subscriber is known to have an item. */
  served(item: CarriedItem, node: ShortName): void {
    this.#record(itemTag(item.key), bitOf(item, node));
  }

  /** A subscriber signed that it has an item that is here. Nothing of it is passed on in digests. */
  confirmed(key: string, node: ShortName): void {
    const held = this.#held.get(key);
    if (held === undefined) return;
    held.item = { ...held.item, served: ((held.item.served ?? 0) | bitOf(held.item, node)) >>> 0 };
    this.#releaseServed(held);
    this.#rankAgain();
  }

  /** What to give to a peer that is here, best first. The list holds until something changes. */
  offersTo(peer: ShortName, now: MonotonicMs): readonly CarryingOffer[] {
    const contact = this.#contacts.get(peer);
    if (contact === undefined) return [];
    contact.ranked ??= this.#rank(peer, contact, now);
    return contact.ranked;
  }

  /** Whether to take an item that a peer offers. Nothing changes until it is `received`. */
  accepts(item: CarriedItem, now: MonotonicMs): CarryingAnswer {
    if (this.#held.has(item.key)) return { takes: false, why: 'held' };
    const unserved = this.#unserved(item);
    if (unserved.includes(this.#self)) return { takes: true, why: 'wanted', instead: [] };
    if (unserved.length === 0 || item.writer === this.#self || item.subscribers.includes(this.#self))
      return { takes: false, why: 'served' };
    if (this.#givenUp.has(item.key)) return { takes: false, why: 'given-up' };
    return this.#room(item, now);
  }

  /** A copy of an item here is now at a peer. @returns what goes with it. */
  handOver(key: string, peer: ShortName): CarriedGrant {
    const held = this.#held.get(key);
    invariant(held !== undefined, 'what is handed over is here');
    this.#contacts.get(peer)?.heldTags.add(held.tag);
    const isSubscriber = bitOf(held.item, peer) !== 0;
    const { kept, given } = held.isFree || isSubscriber ? splitTickets(held.tickets) : { kept: held.tickets - 1, given: 1 };
    held.tickets = kept;
    if (!isSubscriber) held.copies++;
    else this.#record(held.tag, bitOf(held.item, peer));
    const grant = { tickets: given, copies: held.copies, served: this.#receiptByTag.get(held.tag)?.served ?? 0 };
    this.#rankAgain();
    return grant;
  }

  /** An item came from a peer, with what went with it. False when there is no room for it any more; its tickets are lost then. */
  received(item: CarriedItem, peer: ShortName, grant: CarriedGrant, now: MonotonicMs): boolean {
    const tag = itemTag(item.key);
    this.#contacts.get(peer)?.heldTags.add(tag);
    this.#record(tag, grant.served & ~bitOf(item, this.#self));
    const answer = this.accepts(item, now);
    if (!answer.takes) return false;
    for (const key of answer.instead) this.#giveUp(key);
    const isHeld = this.#hold(item, answer.why === 'wanted' ? 'own' : 'carried', grant.tickets, grant.copies, now);
    this.#record(tag, bitOf(item, this.#self));
    return isHeld;
  }

  /** The next thing to do. */
  poll(): CarryingOutput | undefined {
    return this.#outputs.shift();
  }

  #hold(item: CarriedItem, role: Held['role'], tickets: number, copies: number, now: MonotonicMs): boolean {
    if (this.#held.size >= carriedItemsMax) return false;
    const tag = itemTag(item.key);
    this.#held.set(item.key, { item, tag, role, tickets, copies, sinceAt: now, isFree: role === 'carried' });
    this.#keyByTag.set(tag, item.key);
    if (role === 'carried') this.#carriedBytes += item.bytes;
    this.#rankAgain();
    return true;
  }

  #rank(peer: ShortName, contact: Contact, now: MonotonicMs): CarryingOffer[] {
    const delayMs = (node: ShortName) => {
      const told = contact.entryByNode.get(node);
      return told === undefined ? Number.POSITIVE_INFINITY : likelyMs(told.intervalMs, told.delayMs);
    };
    const isSociable = this.#history.regularPeers(now) >= sociableShare * (this.#members - 1);
    const found: { readonly offer: CarryingOffer; readonly held: Held; readonly worth: number }[] = [];
    for (const [key, held] of this.#held) {
      if (contact.heldTags.has(held.tag) || held.item.writer === peer) continue;
      const unserved = this.#unserved(held.item);
      const isSubscriber = unserved.includes(peer);
      if (
        !isSubscriber &&
        (unserved.length === 0 || !this.#spreads(held, unserved, peer, { isAppointed: contact.isAppointed, isSociable }, now))
      )
        continue;
      const reach = this.#reach(unserved, delayMs, now);
      found.push({
        offer: { key, why: isSubscriber ? 'subscriber' : 'late', reach },
        held,
        worth: isSubscriber ? unserved.length : worthOf(unserved, reach, this.#copiesOf(held.tag, held.copies)),
      });
    }
    found.sort(
      (a, b) =>
        Number(b.offer.why === 'subscriber') - Number(a.offer.why === 'subscriber') ||
        rankOf(a.held.item.priority) - rankOf(b.held.item.priority) ||
        b.worth - a.worth,
    );
    return found.map(({ offer }) => offer);
  }

  /** Whether a carrier may have a copy. */
  #spreads(
    held: Held,
    unserved: readonly ShortName[],
    peer: ShortName,
    { isAppointed, isSociable }: Pick<Contact, 'isAppointed'> & { readonly isSociable: boolean },
    now: MonotonicMs,
  ): boolean {
    const { item, sinceAt } = held;
    this.#renew(held, now);
    if (held.tickets < 2 || item.subscribers.includes(peer)) return false;
    held.isFree ||= isAppointed;
    if (isAppointed) return true;
    const holders = new Set([this.#self, item.writer, ...item.subscribers.filter((node) => !unserved.includes(node))]);
    const { patienceMs } = carriageTerms[item.priority];
    const waiting = { holders: [...holders], unserved, ageMs: now - sinceAt, patienceMs };
    const late = lateSubscribers(waiting, this.#self, this.#history, this.#members, now).length;
    held.isFree ||= lateShare * late >= item.subscribers.length || item.priority === 'emergency';
    const spreadsFreely = held.isFree && !(isSociable && now - sinceAt < patienceMs);
    return late > 0 && (spreadsFreely || held.copies <= stragglerCopies * late);
  }

  /** The writer may make another copy of what it has given away long ago without hearing of it: whoever took it may be gone for ever. */
  #renew(held: Held, now: MonotonicMs): void {
    const { item, role, tickets, copies, sinceAt } = held;
    const isSpent = role === 'own' && item.writer === this.#self && tickets < 2;
    if (isSpent && now - sinceAt >= copies * carriageTerms[item.priority].patienceMs) held.tickets = 2;
  }

  /** Copies there are of an item here, of which that many are known otherwise. */
  #copiesOf(tag: number, copies: number): number {
    return Math.max(copies, 1 + (this.#seenByTag.get(tag) ?? 0));
  }

  /** Replaces what a peer is known to hold. */
  #see(peer: ShortName, tags: readonly number[]): void {
    this.#unsee(peer);
    // A peer that names a tag twice does not hold it twice.
    const held = [...new Set(tags)];
    this.#seenAt.set(peer, held);
    for (const tag of held) this.#seenByTag.set(tag, (this.#seenByTag.get(tag) ?? 0) + 1);
    for (const first of this.#seenAt.keys()) {
      if (this.#seenAt.size <= meetingPeersMax) break;
      this.#unsee(first);
    }
  }

  #unsee(peer: ShortName): void {
    for (const tag of this.#seenAt.get(peer) ?? []) {
      const others = (this.#seenByTag.get(tag) ?? 1) - 1;
      if (others === 0) this.#seenByTag.delete(tag);
      else this.#seenByTag.set(tag, others);
    }
    this.#seenAt.delete(peer);
  }

  /** Of those subscribers, how many are likely to be reached within a time as long as the history, by those delays. */
  #reach(unserved: readonly ShortName[], delayMs: (node: ShortName) => number, now: MonotonicMs): number {
    const spanMs = this.#history.spanMs(now);
    let reach = 0;
    for (const node of unserved) reach += 1 - Math.exp(-spanMs / delayMs(node));
    return reach;
  }

  /** Copies carried for others, what is given up first first. */
  #leastFirst(now: MonotonicMs): { readonly item: CarriedItem; readonly worth: number }[] {
    return [...this.#held.values()]
      .filter(({ role }) => role === 'carried')
      .map(({ item, tag, copies }) => ({ item, worth: this.worth(item, this.#copiesOf(tag, copies), now) }))
      .sort((a, b) => rankOf(b.item.priority) - rankOf(a.item.priority) || a.worth - b.worth);
  }

  #room(item: CarriedItem, now: MonotonicMs): CarryingAnswer {
    let freeBytes = this.#spaceBytes - this.#carriedBytes;
    if (freeBytes >= item.bytes) return { takes: true, why: 'room', instead: [] };
    // Not all of its copies are known before it is here; there are at least its own and the one it comes from.
    const worth = this.worth(item, this.#copiesOf(itemTag(item.key), 2), now);
    const instead: string[] = [];
    for (const other of this.#leastFirst(now)) {
      const isLess =
        rankOf(other.item.priority) > rankOf(item.priority) ||
        (other.item.priority === item.priority && replacementGain * other.worth < worth);
      if (!isLess) break;
      instead.push(other.item.key);
      freeBytes += other.item.bytes;
      if (freeBytes >= item.bytes) return { takes: true, why: 'better', instead };
    }
    return { takes: false, why: 'full' };
  }

  #giveUp(key: string): void {
    this.forget(key);
    this.#givenUp.add(key);
    trim(this.#givenUp, givenUpMax);
    this.#outputs.push({ type: 'release', key, why: 'room' });
  }

  #record(tag: number, served: number): void {
    const before = this.#receiptByTag.get(tag)?.served ?? 0;
    const after = (before | served) >>> 0;
    if (after === before) return;
    this.#receiptByTag.delete(tag);
    this.#receiptByTag.set(tag, { served: after, order: ++this.#receiptOrder });
    trim(this.#receiptByTag, receiptsMax);
    const held = this.#held.get(this.#keyByTag.get(tag) ?? '');
    if (held !== undefined) this.#releaseServed(held);
    this.#rankAgain();
  }

  /** What everybody has is nobody's concern here any more; own data stays where it lies. */
  #releaseServed(held: Held): void {
    if (this.#unserved(held.item).length > 0) return;
    this.forget(held.item.key);
    if (held.role === 'carried') this.#outputs.push({ type: 'release', key: held.item.key, why: 'served' });
  }

  #unserved(item: CarriedItem): ShortName[] {
    const served = (item.served ?? 0) | (this.#receiptByTag.get(itemTag(item.key))?.served ?? 0);
    return item.subscribers.slice(0, carriedSubscribersMax).filter((_, i) => (served & (1 << i)) === 0);
  }

  #rankAgain(): void {
    for (const contact of this.#contacts.values()) contact.ranked = undefined;
  }
}

/** Forgets what came first. */
function trim<Key>(table: { readonly size: number; keys(): Iterable<Key>; delete(key: Key): boolean }, most: number): void {
  for (const first of table.keys()) {
    if (table.size <= most) return;
    table.delete(first);
  }
}

/** The bit of a subscriber; 0 for anybody else. */
function bitOf(item: CarriedItem, node: ShortName): number {
  const i = item.subscribers.indexOf(node);
  return i < 0 || i >= carriedSubscribersMax ? 0 : (1 << i) >>> 0;
}

/** How long a delivery is likely to take, where a carrier meets a node at that interval itself, and expects that delay by whomever it meets, in milliseconds. */
function likelyMs(intervalMs: number, delayMs: number): number {
  return Math.min(intervalMs, detour * delayMs);
}

function worthOf(unserved: readonly ShortName[], reach: number, copies: number): number {
  return (reach + unknownWorth * unserved.length) / copies;
}

const ranks: Readonly<Record<PriorityClass, number>> = { emergency: 0, critical: 1, normal: 2, bulk: 3 };

function rankOf(priority: PriorityClass): number {
  return ranks[priority];
}
