import { type DatasetId, shortName } from '../core/identifiers.ts';
import type { Moment, MonotonicMs } from '../core/time.ts';
import { Carrying } from '../mesh/carrying.ts';
import { MeetingHistory } from '../mesh/meeting-history.ts';
import type { Catalog } from '../ports/catalog.ts';
import { type CarriedItemParts, CarriedItems } from './carrying-items.ts';
import { type CarriedEntry, CarryingStore, type Trip } from './carrying-store.ts';

/**
 * The carrying machine of a node, and what of it is written down. It is made when it is first needed, with what earlier runs left.
 */

/** What the book is kept with. */
export interface CarryingBookParts extends CarriedItemParts {
  readonly catalog: Catalog;
}

interface Opened {
  readonly machine: Carrying;
  readonly history: MeetingHistory;
}

/** One node's book. Part of the caller's turn throughout. */
export class CarryingBook {
  /** Entries as things to be carried. */
  readonly items: CarriedItems;
  readonly store: CarryingStore;
  /** Of the present or the last turn. */
  now: Moment;
  readonly #parts: CarryingBookParts;
  #opened: Opened | undefined;
  /** What the machine has, by dataset: carried for others, or this node's own while somebody who carries is here. */
  readonly #entriesByDataset = new Map<DatasetId, Map<string, CarriedEntry>>();

  constructor(parts: CarryingBookParts, now: Moment) {
    this.#parts = parts;
    this.now = now;
    this.items = new CarriedItems(parts);
    this.store = new CarryingStore(parts.catalog, now);
  }

  /** The present on the scale of carrying. */
  get at(): MonotonicMs {
    return this.store.at(this.now);
  }

  get isOpen(): boolean {
    return this.#opened !== undefined;
  }

  get machine(): Carrying {
    return this.#open().machine;
  }

  /** Entries of a dataset that the machine has. */
  entriesOf(dataset: DatasetId): readonly (readonly [string, CarriedEntry])[] {
    return [...(this.#entriesByDataset.get(dataset) ?? [])];
  }

  /** Datasets of which the machine has some. */
  get datasets(): readonly DatasetId[] {
    return [...this.#entriesByDataset.keys()];
  }

  /** The machine has an entry from now on. */
  enter(key: string, entry: CarriedEntry): void {
    const entries = this.#entriesByDataset.get(entry.dataset) ?? new Map<string, CarriedEntry>();
    this.#entriesByDataset.set(entry.dataset, entries);
    entries.set(key, entry);
  }

  /** The machine has it no more. What is written down of it stays. */
  leave(key: string, { dataset }: CarriedEntry): void {
    const entries = this.#entriesByDataset.get(dataset);
    entries?.delete(key);
    if (entries?.size === 0) this.#entriesByDataset.delete(dataset);
  }

  /** Nothing of it matters any more. */
  drop(key: string, entry: CarriedEntry): void {
    this.leave(key, entry);
    this.store.remove(entry);
  }

  /** Writes down how many copies there are of what is here, and how many may be made. */
  write(key: string, entry: CarriedEntry): void {
    const { self, interests } = this.#parts;
    const isOwn = entry.author === self || interests.subscribed(entry.dataset);
    const sinceAt = this.store.entry(entry)?.sinceAt ?? this.at;
    this.store.save({ ...entry, isOwn, tickets: this.machine.tickets(key), copies: this.machine.copies(key), sinceAt });
  }

  /** Writes down whom the node met. */
  saveHistory(): void {
    this.store.saveHistory(this.#open().history.takeChanges(this.at), this.now);
  }

  /** Forgets rows of what needs no carrying any more: it was replaced or served while nobody looked. */
  tidy(): void {
    for (const entry of this.store.entries()) {
      const key = this.items.keyOf(entry);
      if (this.items.item(entry, this.now.wallMs) === undefined && !this.machine.has(key)) this.drop(key, entry);
    }
  }

  /** The trips that are not over, the next first. */
  trips(): Trip[] {
    return this.store.trips().filter(({ latestMs }) => latestMs >= this.now.wallMs);
  }

  /** Tells the machine of the trips. To be repeated now and then: the wall clock may have been set. */
  planTrips(): void {
    const scaleMs = this.at - this.now.wallMs;
    const meetings = this.trips().map(({ to, arrivesMs, latestMs }) => ({
      node: shortName(to),
      fromAt: (arrivesMs + scaleMs) as MonotonicMs,
      untilAt: (latestMs + scaleMs) as MonotonicMs,
    }));
    this.machine.plan(meetings);
  }

  #open(): Opened {
    if (this.#opened !== undefined) return this.#opened;
    const { self, membership, interests } = this.#parts;
    const history = new MeetingHistory(shortName(self), this.at, this.store.history(this.now));
    const options = { self: shortName(self), members: membership.members().length, spaceBytes: interests.carriedBytesMax, history };
    const machine = new Carrying(options, this.at);
    this.#opened = { machine, history };
    for (const entry of this.store.givenUp()) machine.restoreGivenUp(this.items.keyOf(entry));
    for (const entry of this.store.entries()) {
      const item = entry.isOwn ? undefined : this.items.item(entry, this.now.wallMs);
      if (item === undefined) continue;
      const { tickets, copies, sinceAt } = entry;
      if (machine.restore({ item, role: 'carried', tickets, copies, sinceAt })) this.enter(item.key, entry);
    }
    return this.#opened;
  }
}
