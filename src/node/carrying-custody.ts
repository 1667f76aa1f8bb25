import { toHex } from '../core/bytes.ts';
import type { DatasetId, NodeId } from '../core/identifiers.ts';
import { priorityClasses } from '../core/priority.ts';
import type { ContentStore } from '../datasets/content-store.ts';
import type { LogStore } from '../datasets/log.ts';
import type { TransferJournal } from '../forwarding/transfer-journal.ts';
import type { WantList } from '../forwarding/want-list.ts';
import type { CarriedItem, CarryingAnswer } from '../mesh/carrying.ts';
import { carriedEntriesMax } from '../mesh/carrying-wire.ts';
import { carriageTerms, unlimitedTickets } from '../mesh/copy-tickets.ts';
import type { CarryingBook } from './carrying-book.ts';
import { CarryingGaps } from './carrying-gaps.ts';
import type { CarriedEntry } from './carrying-store.ts';

/**
 * What a node takes to carry it: of what it is offered the most urgent and most valuable first, a few entries at a time, by wanting their contents as it wants its own.
 *
 * An entry counts against the room from when it is accepted. One that is worth more than others replaces them when it has arrived, not before, and there is one such at a time.
 */

/** What custody works with. */
export interface CarryingCustodyParts {
  readonly logs: LogStore;
  readonly contents: ContentStore;
  readonly wants: WantList;
  readonly journal: TransferJournal;
  /** Looks again whether the contents of an entry are to be wanted. */
  readonly reconsider: (entry: CarriedEntry) => void;
  /** What this node can promise of a dataset has changed. */
  readonly promisesChanged: (dataset: DatasetId) => void;
}

/** Why something was not taken. */
export type Refusal = Extract<CarryingAnswer, { takes: false }>['why'];

interface Offer {
  readonly entry: CarriedEntry;
  copies: number;
  readonly peers: Set<NodeId>;
}

interface Pending {
  readonly entry: CarriedEntry;
  readonly why: 'room' | 'better';
  tickets: number;
  readonly copies: number;
}

/** Entries that are on their way here to be carried, from those who are in reach. */
const pendingMax = 16;
/** Offers that are remembered, of all contacts. */
const offersMax = 4 * carriedEntriesMax;
const refusalsMax = 4096;

/** The taking half of one node's carrying. */
export class CarryingCustody {
  readonly gaps: CarryingGaps;
  readonly #parts: CarryingCustodyParts;
  readonly #book: CarryingBook;
  readonly #offers = new Map<string, Offer>();
  #pendingByKey: Map<string, Pending> | undefined;
  #pendingRoots: ReadonlySet<string> | undefined;
  readonly #refusals = new Map<string, Refusal>();

  constructor(parts: CarryingCustodyParts, book: CarryingBook) {
    this.#parts = parts;
    this.#book = book;
    const { items } = book;
    this.gaps = new CarryingGaps(items, parts.logs, (entry) => book.machine.gaveUp(items.keyOf(entry)) && !items.isSentHere(entry));
  }

  /** Why an entry was accepted that is on its way. */
  pending(key: string): Pending['why'] | undefined {
    return this.#pending.get(key)?.why;
  }

  /** The contents that are on their way here to be carried, by their roots in hexadecimal. */
  get pendingRoots(): ReadonlySet<string> {
    this.#pendingRoots ??= new Set(
      [...this.#pending.values()].flatMap(({ entry }) => this.#book.items.standing(entry).map(({ content }) => toHex(content.root))),
    );
    return this.#pendingRoots;
  }

  /** Why an entry that was offered was not taken. */
  refusal(key: string): Refusal | undefined {
    return this.#refusals.get(key);
  }

  /** A peer offers an entry of which there are so many copies. */
  hearOffer(peer: NodeId, entry: CarriedEntry, copies: number): void {
    const key = this.#book.items.keyOf(entry);
    const known = this.#offers.get(key);
    if (known === undefined && !this.#hasPlace()) return;
    this.#refusals.delete(key);
    const offer = known ?? { entry, copies, peers: new Set() };
    offer.copies = Math.max(offer.copies, copies);
    offer.peers.add(peer);
    this.#offers.set(key, offer);
  }

  /** Tickets came for an entry that is on its way or here. */
  hearGrant(entry: CarriedEntry, tickets: number): void {
    const { machine, items } = this.#book;
    const key = items.keyOf(entry);
    const pending = this.#pending.get(key);
    if (pending !== undefined) pending.tickets += tickets;
    if (!machine.has(key)) return;
    machine.grant(key, tickets);
    this.#book.write(key, entry);
  }

  /** A contact ended: what nobody offers any more is forgotten, unless some of it has come. */
  ended(peer: NodeId): void {
    for (const [key, { peers, entry }] of this.#offers) {
      if (!peers.delete(peer) || peers.size > 0) continue;
      this.#offers.delete(key);
      if (this.#pending.has(key) && !this.#hasBegun(entry)) {
        this.#book.machine.forget(key);
        this.#giveBack(key, entry);
      }
    }
  }

  /** Takes the best of what is offered, a few entries at a time. True when it took any. */
  accept(): boolean {
    const { machine, items, at, now } = this.#book;
    let coming = this.#coming.length;
    if (this.#offers.size === 0 || coming >= pendingMax) return false;
    const before = coming;
    const open: { readonly offer: Offer; readonly item: CarriedItem; readonly worth: number }[] = [];
    for (const [key, offer] of this.#offers) {
      if (machine.has(key) || this.#pending.has(key) || this.#refusals.has(key)) continue;
      // Its entry is on its way.
      if (this.#parts.logs.length(offer.entry.dataset, offer.entry.author) < offer.entry.sequence) continue;
      const item = items.item(offer.entry, now.wallMs);
      if (item === undefined || items.isHere(offer.entry)) this.#refuse(key, item === undefined ? 'served' : 'held');
      else open.push({ offer, item, worth: machine.worth(item, offer.copies + 1, at) });
    }
    open.sort((a, b) => rank(a.item) - rank(b.item) || b.worth - a.worth);
    for (const { offer, item } of open) {
      if (coming >= pendingMax) break;
      const answer = machine.accepts(item, at);
      if (!answer.takes) this.#refuse(item.key, answer.why);
      else if (answer.why === 'room' || !this.#coming.some(({ why }) => why === 'better')) {
        this.#await(item, offer, answer.why === 'room' ? 'room' : 'better');
        coming++;
      }
    }
    return coming > before;
  }

  /** What is on its way here and may arrive, as somebody offers it. The rest waits for those who began it, and keeps nobody else waiting. */
  get #coming(): readonly Pending[] {
    return [...this.#pending].flatMap(([key, pending]) => (this.#offers.has(key) ? [pending] : []));
  }

  /** The contents of an entry, or some of them, are here. */
  arrived(key: string, entry: CarriedEntry): void {
    this.gaps.look(entry);
    const pending = this.#pending.get(key);
    if (pending === undefined || !this.#book.items.isHere(entry)) return;
    this.#settled(key);
    this.#offers.delete(key);
    const { items, machine, now } = this.#book;
    const item = items.item(entry, now.wallMs);
    if (item !== undefined && !machine.has(key) && !this.#take(item, pending)) this.#refuse(key, 'full');
    this.release();
    this.#parts.promisesChanged(entry.dataset);
  }

  /** An entry needs no custody: it was replaced, or is this node's own now. */
  forget(key: string, entry: CarriedEntry): void {
    this.#book.machine.forget(key);
    this.#settled(key);
    this.#book.drop(key, entry);
  }

  /** There is more room than before: what was refused for want of it is considered again, as long as somebody offers it. */
  roomGrew(): void {
    for (const [key, why] of this.#refusals) if (why === 'full' && this.#offers.has(key)) this.#refusals.delete(key);
  }

  /** Does what the machine decided about copies. */
  release(): void {
    const { machine, items, store } = this.#book;
    for (let output = machine.poll(); output !== undefined; output = machine.poll()) {
      const entry = items.entryOf(output.key);
      if (output.why === 'served') {
        this.#served(output.key, entry);
        this.roomGrew();
      } else {
        store.noteGivenUp(entry);
        this.#giveBack(output.key, entry);
      }
    }
  }

  #await(item: CarriedItem, { entry, copies }: Offer, why: Pending['why']): void {
    const tickets = carriageTerms[item.priority].tickets === unlimitedTickets ? unlimitedTickets : 0;
    const pending = { entry, why, tickets, copies: copies + 1 };
    this.#pending.set(item.key, pending);
    this.#pendingRoots = undefined;
    if (why === 'room') this.#take(item, pending);
    this.#parts.reconsider(entry);
  }

  /** The machine has it from now on. False when there is no room. */
  #take(item: CarriedItem, { entry, tickets, copies }: Pending): boolean {
    const { machine, at } = this.#book;
    const granted = Math.min(tickets, carriageTerms[item.priority].tickets);
    if (!machine.received(item, item.writer, { tickets: granted, copies, served: 0 }, at)) return false;
    this.#book.enter(item.key, entry);
    this.#book.write(item.key, entry);
    return true;
  }

  /** All that count have it. If there are more than can count, it goes on for these. */
  #served(key: string, entry: CarriedEntry): void {
    const { store, items, machine, now } = this.#book;
    const saved = store.entry(entry);
    const item = items.item(entry, now.wallMs);
    this.#settled(key);
    this.#book.drop(key, entry);
    if (item === undefined || saved === undefined) return;
    const { tickets, copies, sinceAt } = saved;
    machine.restore({ item, role: 'carried', tickets, copies, sinceAt });
    this.#book.enter(key, entry);
    store.save(saved);
  }

  /** Whether another offer can be remembered; one that was refused gives way. */
  #hasPlace(): boolean {
    if (this.#offers.size < offersMax) return true;
    for (const key of this.#offers.keys()) if (this.#refusals.has(key)) return this.#offers.delete(key);
    return false;
  }

  #refuse(key: string, why: Refusal): void {
    if (why !== 'full') this.#offers.delete(key);
    this.#refusals.set(key, why);
    for (const first of this.#refusals.keys()) {
      if (this.#refusals.size <= refusalsMax) break;
      this.#refusals.delete(first);
    }
  }

  /** An entry is not awaited any more. */
  #settled(key: string): void {
    if (this.#pending.delete(key)) this.#pendingRoots = undefined;
  }

  /** An entry is not taken, or kept, after all. */
  #giveBack(key: string, entry: CarriedEntry): void {
    const { wants } = this.#parts;
    this.#settled(key);
    this.#book.drop(key, entry);
    for (const { path } of this.#book.items.standing(entry)) wants.removeRevision(entry.dataset, entry.author, entry.sequence, path);
    this.gaps.look(entry);
    this.#parts.promisesChanged(entry.dataset);
  }

  #hasBegun(entry: CarriedEntry): boolean {
    const { journal, contents } = this.#parts;
    return this.#book.items
      .standing(entry)
      .some(({ content }) => contents.holds(content.root) || journal.arrivedBytes(content.root, content.sizeBytes) > 0);
  }

  /** What was accepted and is not complete; at first what an earlier run left so. */
  get #pending(): Map<string, Pending> {
    if (this.#pendingByKey !== undefined) return this.#pendingByKey;
    this.#pendingByKey = new Map();
    const { store, items, machine } = this.#book;
    for (const entry of store.entries()) {
      const key = items.keyOf(entry);
      const { dataset, author, sequence, isOwn, tickets, copies } = entry;
      if (isOwn || !machine.has(key) || items.isHere(entry)) continue;
      this.#pendingByKey.set(key, { entry: { dataset, author, sequence }, why: 'room', tickets, copies });
    }
    return this.#pendingByKey;
  }
}

function rank({ priority }: CarriedItem): number {
  return priorityClasses.indexOf(priority);
}
