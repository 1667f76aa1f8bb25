import { type DatasetId, identifierToBytes, type NodeId } from '../core/identifiers.ts';
import type { ReceiptBook } from '../datasets/receipts.ts';
import type { Catalog, Schema } from '../ports/catalog.ts';
import type { Membership, Role } from './membership.ts';

/**
 * Who is interested in what. A member subscribes to every dataset of its team until it says otherwise; a carrier subscribes to none until it says so. What others have chosen stands in their receipts.
 *
 * A node without a subscription may still take part in moving a dataset: as a relay on the way to somebody who has one (`relay`).
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

/** Says whether this node moves a dataset for others although it does not want it itself: for anybody, or, with `from`, for anybody who is not better reached through that neighbour. */
export type Relaying = (dataset: DatasetId, from: NodeId | undefined) => boolean;

/** This node's subscriptions, in the catalog, and what is known of those of others. Synchronous; part of the caller's transaction. */
export class Interests {
  readonly #catalog: Catalog;
  readonly #self: NodeId;
  readonly #membership: Membership;
  readonly #receipts: ReceiptBook;
  readonly #relay: Relaying;

  constructor(catalog: Catalog, self: NodeId, membership: Membership, receipts: ReceiptBook, relay: Relaying = () => false) {
    this.#catalog = catalog;
    this.#self = self;
    this.#membership = membership;
    this.#receipts = receipts;
    this.#relay = relay;
    catalog.migrate(interestSchema);
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
    return this.#receipts.of(node, dataset)?.subscribed ?? subscribesByDefault(this.#membership.member(node)?.role);
  }

  /** Whether contents of a dataset are to be brought here: for this node, or to be passed on. */
  moves(dataset: DatasetId): boolean {
    return this.subscribed(dataset) || this.#relay(dataset, undefined);
  }

  /** Whether this node takes a dataset from a neighbour: for itself, or to pass it on. The log of the team everybody takes. */
  takes(dataset: DatasetId, from: NodeId): boolean {
    return dataset === this.#membership.logDataset || this.subscribed(dataset) || this.#relay(dataset, from);
  }
}

/** A node that is not known to be a member yet is about to be one. */
function subscribesByDefault(role: Role | undefined): boolean {
  return role !== 'carrier';
}
