import type { DatasetId, NodeId } from '../core/identifiers.ts';
import type { LogStore } from '../datasets/log.ts';
import type { CarriedItems } from './carrying-items.ts';
import type { CarriedEntry } from './carrying-store.ts';

/**
 * What a node that carries does **not** have: entries of datasets that it does not want for itself whose contents are not here although somebody waits for them. Its receipts must not promise these, nor anything behind them, and as long
 * as there are some it is worth asking whom it meets.
 *
 * Found once for each log by looking through the entries that are owed, and kept up to date from then on.
 */

/** Entries of one log that are looked through; of more, what is older counts as missing. */
const entriesMax = 20_000;

/** The gaps of one node. Synchronous; part of the caller's transaction. */
export class CarryingGaps {
  readonly #items: CarriedItems;
  readonly #logs: LogStore;
  readonly #isGivenUp: (entry: CarriedEntry) => boolean;
  readonly #missingByLog = new Map<DatasetId, Map<NodeId, Set<number>>>();

  /** @param isGivenUp whether the contents of an entry may go at any time, although somebody waits for them */
  constructor(items: CarriedItems, logs: LogStore, isGivenUp: (entry: CarriedEntry) => boolean) {
    this.#isGivenUp = isGivenUp;
    this.#items = items;
    this.#logs = logs;
  }

  /** How many entries at the beginning of a log this node can promise to hand on, of so many. */
  promised(dataset: DatasetId, author: NodeId, length: number): number {
    let promised = length;
    for (const sequence of this.#missing(dataset, author)) promised = Math.min(promised, sequence - 1);
    return promised;
  }

  /** Whether anything is missing in a dataset that is not left out. */
  some(dataset: DatasetId, isLeftOut: (entry: CarriedEntry) => boolean): boolean {
    for (const author of this.#logs.lengths(dataset).keys())
      for (const sequence of this.#missing(dataset, author)) if (!isLeftOut({ dataset, author, sequence })) return true;
    return false;
  }

  /** Looks again at an entry: it came, its contents arrived or were given up, or something of it was replaced. */
  look(entry: CarriedEntry): void {
    const missing = this.#missingByLog.get(entry.dataset)?.get(entry.author);
    if (missing === undefined) return;
    if (this.#isMissing(entry)) missing.add(entry.sequence);
    else missing.delete(entry.sequence);
  }

  /** Receipts came: what nobody waits for any more is not missed. */
  received(dataset: DatasetId): void {
    for (const [author, missing] of this.#missingByLog.get(dataset) ?? [])
      for (const sequence of missing) if (this.#items.unserved({ dataset, author, sequence }).length === 0) missing.delete(sequence);
  }

  /** Something changed that decides about many entries. */
  forget(dataset?: DatasetId): void {
    if (dataset === undefined) this.#missingByLog.clear();
    else this.#missingByLog.delete(dataset);
  }

  #missing(dataset: DatasetId, author: NodeId): ReadonlySet<number> {
    const byAuthor = this.#missingByLog.get(dataset) ?? new Map<NodeId, Set<number>>();
    this.#missingByLog.set(dataset, byAuthor);
    const known = byAuthor.get(author);
    if (known !== undefined) return known;
    const missing = new Set<number>();
    byAuthor.set(author, missing);
    const length = this.#logs.length(dataset, author);
    const first = this.#items.firstOwed(dataset, author);
    const from = Math.max(first, length - entriesMax + 1);
    if (from > first) missing.add(first);
    for (let sequence = from; sequence <= length; sequence++) if (this.#isMissing({ dataset, author, sequence })) missing.add(sequence);
    return missing;
  }

  #isMissing(entry: CarriedEntry): boolean {
    return (!this.#items.isHere(entry) || this.#isGivenUp(entry)) && this.#items.unserved(entry).length > 0;
  }
}
