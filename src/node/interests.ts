import { type DatasetId, identifierToBytes, type NodeId } from '../core/identifiers.ts';
import type { Dot } from '../datasets/log-entry.ts';
import type { ReceiptBook } from '../datasets/receipts.ts';
import { DeliveryQueue } from '../forwarding/delivery-queue.ts';
import type { Catalog, Schema } from '../ports/catalog.ts';
import type { Membership, Role } from './membership.ts';
import { carriedBytesOfCarriers } from './relay-settings.ts';

/**
 * Who is interested in what. A member subscribes to every dataset of its team until it says otherwise; a carrier subscribes to none until it says so. What others have chosen stands in their receipts.
 *
 * A node without a subscription still takes part in moving a dataset when it is a relay: when the route from it to some subscriber goes through another neighbour than the one it would take the dataset from. It brings here what
 * some subscriber is not known to hold, and may forget it once all are.
 *
 * And a node that carries takes part for members that are out of reach, too: it moves, and may be the only way that there ever is. It takes their logs; which contents of them is decided entry by entry (`carrying-keeping.ts`).
 */

/** The tables of this node's own choices. */
export const interestSchema: Schema = {
  component: 'interests',
  steps: [
    `CREATE TABLE interest (
       dataset BLOB PRIMARY KEY,
       subscribed INTEGER NOT NULL
     ) STRICT, WITHOUT ROWID;`,
  ],
};

/** The way to other nodes, as far as there is one now. */
export interface Routes {
  /** The neighbour through which a node is reached; the node itself when it is a neighbour. */
  nextHop(node: NodeId): NodeId | undefined;
}

/** What is ordered for whom, beside subscriptions. */
export interface Addressed {
  addresses(node: NodeId, dataset: DatasetId): boolean;
}

/** What was carried for others and was given up for want of room. */
export interface Custody {
  gaveUp(dataset: DatasetId, dot: Dot): boolean;
}

const noRoutes: Routes = { nextHop: () => undefined };

/** This node's subscriptions, in the catalog, and what is known of those of others. Synchronous; part of the caller's transaction. */
export class Interests {
  readonly #catalog: Catalog;
  readonly #self: NodeId;
  readonly #membership: Membership;
  readonly #receipts: ReceiptBook;
  #routes: Routes = noRoutes;
  #relaysForOthers = true;
  #carriedBytes: number | undefined;
  #custody: Custody = { gaveUp: () => false };
  readonly #orders: Addressed;

  constructor(
    catalog: Catalog,
    self: NodeId,
    membership: Membership,
    receipts: ReceiptBook,
    orders: Addressed = new DeliveryQueue(catalog),
  ) {
    this.#orders = orders;
    this.#catalog = catalog;
    this.#self = self;
    this.#membership = membership;
    this.#receipts = receipts;
    catalog.migrate(interestSchema);
  }

  /** Where the ways to others are known from now on. */
  follow(routes: Routes): void {
    this.#routes = routes;
  }

  /** Whether this node takes from now on what it does not want itself, to pass it on. What it has taken it goes on passing on. */
  setRelaying(relays: boolean): void {
    this.#relaysForOthers = relays;
  }

  /** Where it is known from now on what was given up. */
  heed(custody: Custody): void {
    this.#custody = custody;
  }

  /** How much this node carries for others from now on; `undefined`: what its role says. */
  setCarriedBytes(bytes: number | undefined): void {
    this.#carriedBytes = bytes;
  }

  /** Bytes that this node carries for members out of reach at most. */
  get carriedBytesMax(): number {
    if (!this.#relaysForOthers) return 0;
    return this.#carriedBytes ?? (this.#membership.member(this.#self)?.role === 'carrier' ? carriedBytesOfCarriers : 0);
  }

  /** Whether there is a way to a node now. */
  reaches(node: NodeId): boolean {
    return this.#routes.nextHop(node) !== undefined;
  }

  /** Chooses for this node. True when that changes anything. */
  choose(dataset: DatasetId, subscribed: boolean): boolean {
    if (this.subscribed(dataset) === subscribed) return false;
    this.#catalog.run(
      'INSERT OR REPLACE INTO interest (dataset, subscribed) VALUES (?, ?)',
      identifierToBytes(dataset),
      subscribed ? 1 : 0,
    );
    return true;
  }

  /** Whether this node wants a dataset for itself. */
  subscribed(dataset: DatasetId): boolean {
    const row = this.#catalog.get<{ subscribed: number }>('SELECT subscribed FROM interest WHERE dataset = ?', identifierToBytes(dataset));
    if (row !== undefined) return row.subscribed === 1;
    return subscribesByDefault(this.#membership.member(this.#self)?.role);
  }

  /** Whether another node wants a dataset for itself, as far as is known here. */
  subscribes(node: NodeId, dataset: DatasetId): boolean {
    if (node === this.#self) return this.subscribed(dataset);
    return this.#receipts.subscribed(node, dataset) ?? subscribesByDefault(this.#membership.member(node)?.role);
  }

  /** Whether a node wants a dataset, or something of it is ordered for it: then it is told of it. */
  concerns(node: NodeId, dataset: DatasetId): boolean {
    return this.subscribes(node, dataset) || this.#orders.addresses(node, dataset);
  }

  /** Whether contents of a dataset are to be brought here: for this node, or to be passed on. */
  moves(dataset: DatasetId): boolean {
    return this.subscribed(dataset) || this.#relays(dataset, undefined);
  }

  /** Whether this node takes a dataset from a neighbour: for itself, or to pass it on. The log of the team everybody takes. */
  takes(dataset: DatasetId, from: NodeId): boolean {
    return dataset === this.#membership.logDataset || this.concerns(this.#self, dataset) || this.#relays(dataset, from);
  }

  /**
   * Whether a content that an entry brought is fetched for this node, or because there is a way now to somebody who lacks it. Of a node that carries that way has to begin at another neighbour than the one that lacks the content: from
   * one place alone it can only be carried on.
   */
  fetches(dataset: DatasetId, dot: Dot): boolean {
    if (this.subscribed(dataset)) return true;
    if (this.carriedBytesMax === 0) return this.moves(dataset) && this.owed(dataset, dot);
    const hops = new Set(this.#membership.members().map(({ node }) => (node === this.#self ? undefined : this.#routes.nextHop(node))));
    hops.delete(undefined);
    return (
      hops.size > 1 &&
      this.#others(dataset).some((node) => node !== dot.author && this.reaches(node) && !this.#receipts.saysToHold(node, dataset, dot))
    );
  }

  /** Whether somebody waits for an entry, and for what it brought: this node itself, or, as far as receipts say, another subscriber. */
  owed(dataset: DatasetId, dot: Dot): boolean {
    return (
      this.subscribed(dataset) ||
      this.#others(dataset).some((node) => node !== dot.author && !this.#receipts.saysToHold(node, dataset, dot))
    );
  }

  /**
   * Whether a head has to stay here: this node subscribes or wrote it, or somebody waits for it, or nobody else is known to hold it. Everything else of a dataset that was only relayed may go.
   */
  keeps(dataset: DatasetId, dot: Dot): boolean {
    if (dot.author === this.#self || this.subscribed(dataset)) return true;
    if (this.#custody.gaveUp(dataset, dot)) return false;
    if (this.owed(dataset, dot)) return true;
    return !this.#others(dataset).some((node) => this.#receipts.knownToHold(node, dataset, dot.author) >= dot.sequence);
  }

  /** Whether what is for a node is handed to this neighbour at present. */
  leadsTo(node: NodeId, neighbour: NodeId): boolean {
    return node === neighbour || this.#routes.nextHop(node) === neighbour;
  }

  #relays(dataset: DatasetId, from: NodeId | undefined): boolean {
    if (!this.#relaysForOthers) return false;
    const carries = this.carriedBytesMax > 0;
    return this.#membership.members().some(({ node }) => {
      if (node === this.#self || node === from || !this.concerns(node, dataset)) return false;
      const hop = this.#routes.nextHop(node);
      return hop === undefined ? carries : hop !== from;
    });
  }

  /** Other members that subscribe. */
  #others(dataset: DatasetId): NodeId[] {
    return this.#membership.members().flatMap(({ node }) => (node !== this.#self && this.subscribes(node, dataset) ? [node] : []));
  }
}

/** A node that is not known to be a member yet is about to be one. */
function subscribesByDefault(role: Role | undefined): boolean {
  return role !== 'carrier';
}
