import { type DatasetId, type NodeId, shortName } from '../core/identifiers.ts';
import { type PriorityClass, priorityClasses } from '../core/priority.ts';
import type { WallMs } from '../core/time.ts';
import type { ContentStore } from '../datasets/content-store.ts';
import type { FileIndex } from '../datasets/file-index.ts';
import type { LogStore } from '../datasets/log.ts';
import type { Dot } from '../datasets/log-entry.ts';
import type { ContentRef } from '../datasets/manifest.ts';
import type { ReceiptBook } from '../datasets/receipts.ts';
import { type CarriedItem, carriedSubscribersMax } from '../mesh/carrying.ts';
import type { CarriedEntry } from './carrying-store.ts';
import type { DeliveryTracking } from './delivery-tracking.ts';
import type { Interests } from './interests.ts';
import type { Membership } from './membership.ts';

/**
 * Log entries as things to be carried. An item is what one entry of a `files` dataset brought, as far as it still stands: it is carried or not as a whole, because a receipt speaks of whole entries. It is for those who subscribe
 * to the dataset, and for those for whom it was ordered; who of them has it, their signed receipts say.
 */

/** What entries are looked up in. */
export interface CarriedItemParts {
  readonly self: NodeId;
  readonly membership: Membership;
  readonly receipts: ReceiptBook;
  readonly interests: Interests;
  readonly logs: LogStore;
  readonly index: FileIndex;
  readonly contents: ContentStore;
  readonly deliveries: DeliveryTracking;
}

/** Somebody whom data of a dataset concerns. */
interface Concerned {
  readonly node: NodeId;
  readonly subscribes: boolean;
  /** Entries that it is known to hold, by author, as far as that was looked up. */
  readonly heldByAuthor: Map<NodeId, number>;
}

/** Contents of one entry whose urgency is looked up; they are alike. */
const urgenciesLookedUp = 4;

/** The items of one node. Synchronous; part of the caller's transaction. */
export class CarriedItems {
  readonly #parts: CarriedItemParts;
  readonly #concernedByDataset = new Map<DatasetId, readonly Concerned[]>();

  constructor(parts: CarriedItemParts) {
    this.#parts = parts;
  }

  /** Receipts, members, subscriptions or orders are others than before. */
  forget(): void {
    this.#concernedByDataset.clear();
  }

  /** A name that is the same everywhere. */
  keyOf({ dataset, author, sequence }: CarriedEntry): string {
    return `${dataset}/${author}/${sequence}`;
  }

  /** The entry of a name. */
  entryOf(key: string): CarriedEntry {
    const [dataset, author, sequence] = key.split('/');
    return { dataset: dataset as DatasetId, author: author as NodeId, sequence: Number(sequence) };
  }

  /** What of an entry's contents still stands. */
  standing({ dataset, author, sequence }: CarriedEntry): { readonly path: string; readonly content: ContentRef }[] {
    return this.#parts.index.contentsOf(dataset, { author, sequence }).filter(({ head, content }) => head && content.sizeBytes > 0);
  }

  /** Whether all of that is here. */
  isHere(entry: CarriedEntry): boolean {
    return this.standing(entry).every(({ content }) => this.#parts.contents.holds(content.root));
  }

  /** Whether all of that was sent to this node itself, so that it stays whatever becomes of the custody of it. */
  isSentHere(entry: CarriedEntry): boolean {
    return this.standing(entry).every(({ path }) => this.#parts.deliveries.isOrderedHere(entry.dataset, entry, path));
  }

  /** Who is not known to have an entry that is for them; not its author, and not this node. */
  unserved(entry: CarriedEntry): NodeId[] {
    const { dataset } = entry;
    const ordered = this.#orderedFor(entry);
    return this.#concerned(dataset).flatMap((each) => {
      const isFor = each.node !== entry.author && (each.subscribes || ordered.has(each.node));
      return isFor && this.#held(dataset, each, entry.author) < entry.sequence ? [each.node] : [];
    });
  }

  /** Whether a node for which a dataset is is known to have an entry of it. */
  hasServed(entry: CarriedEntry, node: NodeId): boolean {
    const concerned = this.#concerned(entry.dataset).find((each) => each.node === node);
    return concerned !== undefined && this.#held(entry.dataset, concerned, entry.author) >= entry.sequence;
  }

  /**
   * An entry as an item; `undefined` when nothing of it stands, or everybody has it.
   *
   * @param except those of whom it is known otherwise that they get it: they count as served
   */
  item(entry: CarriedEntry, wallMs: WallMs, except: (node: NodeId) => boolean = () => false): CarriedItem | undefined {
    const standing = this.standing(entry);
    const unserved = new Set(this.unserved(entry).filter((node) => !except(node)));
    if (standing.length === 0 || unserved.size === 0) return undefined;
    const ordered = this.#orderedFor(entry);
    const others = this.#concerned(entry.dataset).flatMap(({ node, subscribes }) =>
      node !== entry.author && !unserved.has(node) && (subscribes || ordered.has(node)) ? [node] : [],
    );
    // Those who wait come first: so many count, and no more.
    const subscribers = [...unserved, ...others].slice(0, carriedSubscribersMax);
    const served = subscribers.reduce((bits, node, i) => (unserved.has(node) ? bits : (bits | (1 << i)) >>> 0), 0);
    return {
      key: this.keyOf(entry),
      writer: shortName(entry.author),
      subscribers: subscribers.map(shortName),
      bytes: standing.reduce((sum, { content }) => sum + content.sizeBytes, 0),
      priority: this.#priority(entry, standing, wallMs),
      served,
    };
  }

  /** The first entry of a log that somebody is not known to have for whom the dataset is. */
  firstOwed(dataset: DatasetId, author: NodeId): number {
    let first = Number.POSITIVE_INFINITY;
    for (const each of this.#concerned(dataset)) if (each.node !== author) first = Math.min(first, this.#held(dataset, each, author) + 1);
    return first;
  }

  /** Up to `limit` entries that somebody out of reach waits for, of the most urgent datasets first, the newest first. */
  *awaited(limit: number): IterableIterator<CarriedEntry> {
    const { membership, logs, interests } = this.#parts;
    let left = limit;
    const datasets = membership.datasets().filter(({ kind }) => kind === 'files');
    datasets.sort((a, b) => priorityClasses.indexOf(a.priority) - priorityClasses.indexOf(b.priority));
    for (const { id: dataset } of datasets) {
      const waiting = this.#concerned(dataset).filter(({ node }) => !interests.reaches(node));
      if (waiting.length === 0) continue;
      for (const [author, length] of logs.lengths(dataset)) {
        const held = Math.min(...waiting.map((each) => (each.node === author ? length : this.#held(dataset, each, author))));
        for (let sequence = length; sequence > held; sequence--) {
          if (left-- === 0) return;
          yield { dataset, author, sequence };
        }
      }
    }
  }

  #orderedFor(entry: CarriedEntry): ReadonlySet<NodeId> {
    const { deliveries } = this.#parts;
    if (this.#concerned(entry.dataset).every(({ subscribes }) => subscribes)) return new Set();
    return new Set(this.standing(entry).flatMap(({ path }) => deliveries.destinations(entry.dataset, entry, path)));
  }

  #concerned(dataset: DatasetId): readonly Concerned[] {
    const known = this.#concernedByDataset.get(dataset);
    if (known !== undefined) return known;
    const { self, membership, interests } = this.#parts;
    const concerned = membership.members().flatMap(({ node }): Concerned[] => {
      if (node === self || !interests.concerns(node, dataset)) return [];
      return [{ node, subscribes: interests.subscribes(node, dataset), heldByAuthor: new Map() }];
    });
    this.#concernedByDataset.set(dataset, concerned);
    return concerned;
  }

  /** Entries of an author that a node is known to hold. */
  #held(dataset: DatasetId, { node, heldByAuthor }: Concerned, author: NodeId): number {
    const known = heldByAuthor.get(author) ?? this.#parts.receipts.knownToHold(node, dataset, author);
    heldByAuthor.set(author, known);
    return known;
  }

  /** The most urgent class of what an entry brought. */
  #priority(
    { dataset, ...dot }: CarriedEntry,
    standing: readonly { readonly path: string; readonly content: ContentRef }[],
    wallMs: WallMs,
  ): PriorityClass {
    const { deliveries } = this.#parts;
    const ranks = standing
      .slice(0, urgenciesLookedUp)
      .map(({ path, content }) =>
        priorityClasses.indexOf(deliveries.urgency(dataset, path, dot as Dot, content.sizeBytes, wallMs).priority),
      );
    return priorityClasses[Math.min(...ranks)] ?? 'normal';
  }
}
