import { concatBytes, utf8 } from '../core/bytes.ts';
import { decodeCbor, encodeCbor } from '../core/cbor.ts';
import { type DatasetId, identifier, identifierToBytes, type NodeId } from '../core/identifiers.ts';
import { limits } from '../core/limits.ts';
import { failure, type Outcome, success } from '../core/outcome.ts';
import type { Catalog, Schema } from '../ports/catalog.ts';
import type { Crypto } from '../ports/crypto.ts';
import { compareInstants, type HybridInstant } from './hybrid-clock.ts';
import { VersionVector } from './version-vector.ts';

/**
 * Receipts: signed statements "I durably hold everything up to this vector, contents included". They travel with every encounter, so the author of a revision learns through
 * whatever path exists where its data is: still only here, in somebody's custody, or delivered.
 *
 * That a node holds more of what it wrote itself is news to nobody and not worth a receipt; its own log is brought up to date with the next one.
 *
 * One receipt is kept for each (node, dataset), the latest. What is signed is
 *
 *     "godwit receipt 2\0" || CBOR [node, dataset, vector, wall ms, counter, subscribed]
 *
 * `subscribed` says whether the node wants the dataset for itself: it is the same gossip, and as old.
 */

const domain = utf8('godwit receipt 2\0');

/** The tables of receipts. */
export const receiptSchema: Schema = {
  component: 'receipts',
  steps: [
    `CREATE TABLE receipt (
       node BLOB NOT NULL,
       dataset BLOB NOT NULL,
       vector BLOB NOT NULL,
       wall_ms INTEGER NOT NULL,
       counter INTEGER NOT NULL,
       signature BLOB NOT NULL,
       PRIMARY KEY (node, dataset)
     ) STRICT, WITHOUT ROWID;`,
    // What was signed before says nothing about subscriptions; every node says it anew.
    'DELETE FROM receipt; ALTER TABLE receipt ADD COLUMN subscribed INTEGER NOT NULL DEFAULT 1;',
  ],
};

/** A receipt with its vector understood. */
export interface HeldReceipt {
  readonly node: NodeId;
  readonly dataset: DatasetId;
  readonly vector: VersionVector;
  readonly instant: HybridInstant;
  /** The node wants the dataset for itself. */
  readonly subscribed: boolean;
  readonly signature: Uint8Array;
}

interface ReceiptRow {
  node: Uint8Array;
  dataset: Uint8Array;
  vector: Uint8Array;
  wall_ms: number;
  counter: number;
  subscribed: number;
  signature: Uint8Array;
}

/** The latest receipt of every node, in the catalog. Synchronous; part of the caller's transaction. */
export class ReceiptBook {
  readonly #catalog: Catalog;
  readonly #crypto: Crypto;

  constructor(catalog: Catalog, crypto: Crypto) {
    this.#catalog = catalog;
    this.#crypto = crypto;
    catalog.migrate(receiptSchema);
  }

  /**
   * Signs and keeps our own receipt; `undefined` when it would say no more than that our own log has grown. Its instant is the given one, or just behind the last receipt's if that is later: others only take
   * what is newer, and a wall clock that was set back must not silence a node.
   */
  issue(
    node: NodeId,
    secretKey: Uint8Array,
    dataset: DatasetId,
    vector: VersionVector,
    subscribed: boolean,
    instant: HybridInstant,
  ): HeldReceipt | undefined {
    const last = this.of(node, dataset);
    const saidOfSubscription = last?.subscribed ?? true;
    if (saidOfSubscription === subscribed && withOwnLog(last?.vector, node, vector).compare(vector) === 'equal') return undefined;
    const isLater = last === undefined || compareInstants(instant, last.instant) > 0;
    const unsigned = {
      node,
      dataset,
      vector,
      subscribed,
      instant: isLater ? instant : { wallMs: last.instant.wallMs, counter: last.instant.counter + 1 },
    };
    const receipt = { ...unsigned, signature: this.#crypto.ed25519Sign(secretKey, signedBytes(unsigned)) };
    this.#store(receipt);
    return receipt;
  }

  /**
   * Takes a receipt that some node relayed. `stored` when it is newer than what we had. Fails with `RECEIPT_SIGNATURE` or `RECEIPT_MALFORMED` (peer), and with `RECEIPTS_FULL` (local) for a
   * node that sent receipts for more datasets than a team may have.
   */
  accept(claim: {
    readonly node: NodeId;
    readonly dataset: DatasetId;
    readonly vector: VersionVector;
    readonly wallMs: number;
    readonly counter: number;
    readonly subscribed: boolean;
    readonly signature: Uint8Array;
  }): Outcome<'stored' | 'known'> {
    if (!isCount(claim.wallMs) || !isCount(claim.counter)) return failure('RECEIPT_MALFORMED', 'peer', 'a receipt has no usable instant');
    const receipt: HeldReceipt = {
      node: claim.node,
      dataset: claim.dataset,
      vector: claim.vector,
      instant: { wallMs: claim.wallMs, counter: claim.counter },
      subscribed: claim.subscribed,
      signature: claim.signature,
    };
    const last = this.of(receipt.node, receipt.dataset);
    if (last !== undefined && compareInstants(last.instant, receipt.instant) >= 0) return success('known');
    if (!this.#crypto.ed25519Verify(identifierToBytes(receipt.node), signedBytes(receipt), receipt.signature)) {
      return failure('RECEIPT_SIGNATURE', 'peer', `a receipt of ${receipt.node} is not signed by it`);
    }
    if (last === undefined && this.#countOf(receipt.node) >= limits.datasetsPerTeamMax) {
      return failure('RECEIPTS_FULL', 'local', `${receipt.node} has receipts for ${limits.datasetsPerTeamMax} datasets already`);
    }
    this.#store(receipt);
    return success('stored');
  }

  /** The latest receipt of one node for one dataset. */
  of(node: NodeId, dataset: DatasetId): HeldReceipt | undefined {
    const row = this.#catalog.get<ReceiptRow>(
      'SELECT * FROM receipt WHERE node = ? AND dataset = ?',
      identifierToBytes(node),
      identifierToBytes(dataset),
    );
    return row && receiptFromRow(row);
  }

  /** All receipts, in a fixed order; of one dataset or of all. */
  all(dataset?: DatasetId): HeldReceipt[] {
    const rows =
      dataset === undefined
        ? this.#catalog.all<ReceiptRow>('SELECT * FROM receipt ORDER BY dataset, node')
        : this.#catalog.all<ReceiptRow>('SELECT * FROM receipt WHERE dataset = ? ORDER BY node', identifierToBytes(dataset));
    return rows.map(receiptFromRow);
  }

  /** 4 bytes that are equal for equal books, and for others once in 2^32: then what is new is told at the next meeting. */
  digest(): Uint8Array {
    const hash = this.#crypto.createSha256();
    for (const row of this.#catalog.iterate<ReceiptRow>('SELECT * FROM receipt ORDER BY dataset, node')) hash.update(row.signature);
    return hash.digest().slice(0, 4);
  }

  #countOf(node: NodeId): number {
    return this.#catalog.get<{ n: number }>('SELECT count(*) AS n FROM receipt WHERE node = ?', identifierToBytes(node))?.n ?? 0;
  }

  #store(receipt: HeldReceipt): void {
    this.#catalog.run(
      'INSERT OR REPLACE INTO receipt (node, dataset, vector, wall_ms, counter, subscribed, signature) VALUES (?, ?, ?, ?, ?, ?, ?)',
      identifierToBytes(receipt.node),
      identifierToBytes(receipt.dataset),
      encodeCbor(receipt.vector.toCbor()),
      receipt.instant.wallMs,
      receipt.instant.counter,
      receipt.subscribed ? 1 : 0,
      receipt.signature,
    );
  }
}

/** What was last said, as if it had been said of the node's own log as it is now; but not of one of which less is held. */
function withOwnLog(last: VersionVector = VersionVector.empty, node: NodeId, vector: VersionVector): VersionVector {
  return last.advance(node, vector.lengthOf(node));
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function signedBytes(receipt: Omit<HeldReceipt, 'signature'>): Uint8Array {
  const { node, dataset, vector, instant, subscribed } = receipt;
  return concatBytes(
    domain,
    encodeCbor([identifierToBytes(node), identifierToBytes(dataset), vector.toCbor(), instant.wallMs, instant.counter, subscribed]),
  );
}

function receiptFromRow(row: ReceiptRow): HeldReceipt {
  const decoded = decodeCbor(row.vector);
  const vector = decoded.ok ? VersionVector.fromCbor(decoded.value) : decoded;
  return {
    node: identifier<NodeId>(row.node),
    dataset: identifier<DatasetId>(row.dataset),
    // A vector that was encoded here decodes; were the row damaged, an empty vector claims nothing.
    vector: vector.ok ? vector.value : VersionVector.of([]),
    instant: { wallMs: row.wall_ms, counter: row.counter },
    subscribed: row.subscribed === 1,
    signature: row.signature,
  };
}
