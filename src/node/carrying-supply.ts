import { type Hash, type NodeId, shortName } from '../core/identifiers.ts';
import type { MonotonicMs } from '../core/time.ts';
import type { FileIndex } from '../datasets/file-index.ts';
import { type CountedEntries, carriedEntriesMax, carriedLogsMax, carriedSequenceMax } from '../mesh/carrying-wire.ts';
import { carriageTerms, unlimitedTickets } from '../mesh/copy-tickets.ts';
import type { CarryingBook } from './carrying-book.ts';
import type { CarriedEntry } from './carrying-store.ts';
import type { Interests } from './interests.ts';

/**
 * What a node gives to those who carry: what it wrote or subscribes to and what somebody out of reach waits for, and, of what it carries itself, more copies.
 *
 * Its own data is looked through when somebody who carries comes, and forgotten when nobody is here who does; only how many copies of it may still be made is written down.
 */

/** What supplying needs. */
export interface CarryingSupplyParts {
  readonly self: NodeId;
  readonly index: FileIndex;
  readonly interests: Interests;
}

/** What one peer that carries was offered in the present contact. */
export interface Supplied {
  readonly offered: Set<string>;
  readonly asked: Set<string>;
}

/** An entry with the copies or tickets that there are of it. */
interface CountedEntry {
  readonly entry: CarriedEntry;
  readonly count: number;
}

/** Own entries that are looked at. */
const candidatesMax = 1024;
/** A peer that has not asked for so many of what it was offered is offered no more. */
const unaskedMax = carriedEntriesMax / 2;

/** The giving half of one node's carrying. */
export class CarryingSupply {
  readonly #parts: CarryingSupplyParts;
  readonly #book: CarryingBook;
  #isLoaded = false;

  constructor(parts: CarryingSupplyParts, book: CarryingBook) {
    this.#parts = parts;
    this.#book = book;
  }

  /** Looks through this node's own data, for somebody who carries. */
  load(): void {
    this.unload();
    this.#isLoaded = true;
    const { items } = this.#book;
    // Of what is worth as much the oldest first: a receipt covers a log from its beginning, so what is delivered in another order frees no room.
    for (const entry of [...items.awaited(candidatesMax)].reverse()) if (items.isHere(entry)) this.add(entry);
  }

  /** Looks again, if it did before. */
  reload(): void {
    if (this.#isLoaded) this.load();
  }

  /** Nobody is here who carries. */
  unload(): void {
    this.#isLoaded = false;
    const { store, machine, items } = this.#book;
    const carried = new Set(store.entries().flatMap((entry) => (entry.isOwn ? [] : [items.keyOf(entry)])));
    for (const dataset of this.#book.datasets) {
      for (const [key, entry] of this.#book.entriesOf(dataset)) {
        if (carried.has(key)) continue;
        machine.forget(key);
        this.#book.leave(key, entry);
      }
    }
  }

  /** An entry of this node's own, or one that it subscribes to, is here with its contents. */
  add(entry: CarriedEntry): void {
    const { items, machine, store, now, at } = this.#book;
    const { interests, self, index } = this.#parts;
    const key = items.keyOf(entry);
    if (!this.#isLoaded || machine.has(key) || !(entry.author === self || interests.subscribed(entry.dataset))) return;
    // Who can be reached gets it that way.
    const item = items.item(entry, now.wallMs, (node) => interests.reaches(node));
    const [first] = items.standing(entry);
    if (item === undefined || first === undefined) return;
    const saved = store.entry(entry);
    const { tickets } = carriageTerms[item.priority];
    const writtenMs = index.revision(entry.dataset, first.path, entry)?.instant.wallMs ?? now.wallMs;
    const isHeld = machine.restore({
      item,
      role: 'own',
      // Of what is limited only the writer makes copies, and whoever it gave tickets.
      tickets: saved?.tickets ?? (entry.author === self || tickets === unlimitedTickets ? tickets : 0),
      copies: saved?.copies ?? 1,
      sinceAt: (at - Math.max(0, now.wallMs - writtenMs)) as MonotonicMs,
    });
    if (isHeld) this.#book.enter(key, entry);
  }

  /** What to offer to a peer now, best first; it counts as offered. Nothing while the peer has much to ask for yet. */
  offers(peer: NodeId, { offered, asked }: Supplied): CountedEntries[] {
    if (offered.size - asked.size >= unaskedMax) return [];
    const { items, machine, at } = this.#book;
    const counted: CountedEntry[] = [];
    const logs = new Set<string>();
    for (const { key, why } of machine.offersTo(shortName(peer), at)) {
      if (why !== 'late' || offered.has(key)) continue;
      const entry = items.entryOf(key);
      if (entry.sequence > carriedSequenceMax || !items.isHere(entry)) continue;
      logs.add(`${entry.dataset}/${entry.author}`);
      if (logs.size > carriedLogsMax || counted.length === carriedEntriesMax) break;
      offered.add(key);
      counted.push({ entry, count: machine.copies(key) });
    }
    return logsOf(counted);
  }

  /** A peer asks for a content that it was offered. @returns the tickets that go with it, where they are limited */
  asked(peer: NodeId, root: Hash, { offered, asked }: Supplied): CountedEntries[] {
    const { items, machine, store } = this.#book;
    const granted: CountedEntry[] = [];
    for (const { dataset, author, sequence } of this.#parts.index.headsWithRoot(root)) {
      const entry = { dataset, author, sequence };
      const key = items.keyOf(entry);
      if (!offered.has(key) || asked.has(key)) continue;
      asked.add(key);
      if (!machine.has(key)) continue;
      const isLimited = machine.tickets(key) < unlimitedTickets;
      // It was given some before, and the transfer goes on.
      if (isLimited && !store.noteGrant(entry, peer)) continue;
      const { tickets } = machine.handOver(key, shortName(peer));
      this.#book.write(key, entry);
      if (isLimited) granted.push({ entry, count: tickets });
    }
    return logsOf(granted);
  }
}

/** Entries by their logs. */
function logsOf(counted: readonly CountedEntry[]): CountedEntries[] {
  const byLog = Map.groupBy(counted, ({ entry }) => `${entry.dataset}/${entry.author}`);
  return [...byLog.values()].flatMap((entries) => {
    const [first] = entries;
    if (first === undefined) return [];
    return {
      dataset: shortName(first.entry.dataset),
      author: shortName(first.entry.author),
      entries: entries.map(({ entry, count }) => ({ sequence: entry.sequence, count })),
    };
  });
}
