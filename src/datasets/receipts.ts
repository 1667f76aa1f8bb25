import { concatBytes, equalBytes, utf8 } from '../core/bytes.ts';
import { decodeCbor, encodeCbor } from '../core/cbor.ts';
import { type DatasetId, identifier, identifierToBytes, type NodeId } from '../core/identifiers.ts';
import { limits } from '../core/limits.ts';
import { failure, type Outcome, success } from '../core/outcome.ts';
import type { Catalog, Schema } from '../ports/catalog.ts';
import type { Crypto } from '../ports/crypto.ts';
import { compareInstants, type HybridInstant } from './hybrid-clock.ts';
import { entryMarkBytes, LogStore } from './log.ts';
import type { Dot } from './log-entry.ts';
import { VersionVector } from './version-vector.ts';

/**
 * Receipts: signed statements "I durably hold everything up to this vector, contents included". They travel with every encounter, so the author of a revision learns through
 * whatever path exists where its data is: still only here, in somebody's custody, or delivered.
 *
 * That a node holds more of what it wrote itself is news to nobody and not worth a receipt; its own log is brought up to date with the next one.
 *
 * One receipt is kept for each (node, dataset), the latest. What is signed is
 *
 *     "godwit receipt 3\0" || CBOR [node, dataset, vector, marks, wall ms, counter, subscribed]
 *
 * `subscribed` says whether the node wants the dataset for itself: it is the same gossip, and as old.
 *
 * A number says which entry is meant only as long as a log has no branches. So `marks` says of each author of the vector how its last entry is signed: the first three bytes of the signature, which covers every entry
 * before. A receipt counts for what stands here as far as that is the same log: where our entry under its number has another mark, as far as the log is known to have no branches; and where our copy is shorter, and the
 * mark says nothing yet, as far as an earlier receipt of that node agreed (`knownToHold`), or, where a mistake costs nothing but time, as far as it says (`saidToHold`). So whoever was set back to a backup, or holds
 * a branch that its author gave up, is not taken for a holder of what stands under the same numbers now, however long its receipt goes round.
 */

const domain = utf8('godwit receipt 3\0');

/** Stands for the mark of an entry that is not here. */
const noMark = new Uint8Array(entryMarkBytes);

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
    // Nor does it say of which branch a log is.
    `DELETE FROM receipt;
     ALTER TABLE receipt ADD COLUMN marks BLOB NOT NULL DEFAULT x'';
     ALTER TABLE receipt ADD COLUMN agreed BLOB NOT NULL DEFAULT x'8140';`,
  ],
};

/** A receipt with its vector understood. */
export interface HeldReceipt {
  readonly node: NodeId;
  readonly dataset: DatasetId;
  readonly vector: VersionVector;
  /** Of each author in the vector, in its order: how the last entry is signed (`entryMarkBytes` each). */
  readonly marks: Uint8Array;
  readonly instant: HybridInstant;
  /** The node wants the dataset for itself. */
  readonly subscribed: boolean;
  readonly signature: Uint8Array;
}

/** What is here of one node's receipts. */
export interface ReceiptsOfNode {
  readonly node: NodeId;
  /** 32 bytes, which are the same only where the same receipts are. */
  readonly hash: Uint8Array;
  readonly newest: HybridInstant;
}

/** What one node holds of each log of a dataset, in entries. */
export interface Holdings {
  /** Of whom it says to hold anything. */
  readonly authors: readonly NodeId[];
  readonly known: (author: NodeId) => number;
  readonly said: (author: NodeId, least?: number) => number;
}

interface ReceiptRow {
  node: Uint8Array;
  dataset: Uint8Array;
  vector: Uint8Array;
  marks: Uint8Array;
  /** What of it, and of those before it, was seen to be of the logs that are here. */
  agreed: Uint8Array;
  wall_ms: number;
  counter: number;
  subscribed: number;
  signature: Uint8Array;
}

/** The latest receipt of every node, in the catalog. Synchronous; part of the caller's transaction. */
export class ReceiptBook {
  readonly #catalog: Catalog;
  readonly #crypto: Crypto;
  readonly #logs: LogStore;

  constructor(catalog: Catalog, crypto: Crypto) {
    this.#catalog = catalog;
    this.#crypto = crypto;
    this.#logs = new LogStore(catalog, crypto);
    catalog.migrate(receiptSchema);
  }

  /**
   * Signs and keeps our own receipt for entries that are here; `undefined` when it would say no more than that our own log has grown. Its instant is the given one, or just behind that of the last receipt for any dataset if
   * that is later: others only take what is newer, and go by the newest; and a wall clock that was set back must not silence a node.
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
    const marks = concatBytes(
      ...[...vector.entries()].map(([author, length]) => this.#logs.standing(dataset, author, length).mark ?? noMark),
    );
    const saidOfSubscription = last?.subscribed ?? true;
    if (saidOfSubscription === subscribed && saysAsMuch(last, { node, vector, marks })) return undefined;
    const newest = this.#newest(node);
    const isLater = newest === undefined || compareInstants(instant, newest) > 0;
    const unsigned = {
      node,
      dataset,
      vector,
      marks,
      subscribed,
      instant: isLater ? instant : { wallMs: newest.wallMs, counter: newest.counter + 1 },
    };
    const receipt = { ...unsigned, signature: this.#crypto.ed25519Sign(secretKey, signedBytes(unsigned)) };
    this.#store(receipt, vector);
    return receipt;
  }

  /**
   * Takes a receipt that some node relayed. The receipt when it is newer than what we had, else `known`. Fails with `RECEIPT_SIGNATURE` or `RECEIPT_MALFORMED` (peer), and with `RECEIPTS_FULL` (local) for a
   * node that sent receipts for more datasets than a team may have.
   */
  accept(claim: {
    readonly node: NodeId;
    readonly dataset: DatasetId;
    readonly vector: VersionVector;
    readonly marks: Uint8Array;
    readonly wallMs: number;
    readonly counter: number;
    readonly subscribed: boolean;
    readonly signature: Uint8Array;
  }): Outcome<HeldReceipt | 'known'> {
    if (!isCount(claim.wallMs) || !isCount(claim.counter)) return failure('RECEIPT_MALFORMED', 'peer', 'a receipt has no usable instant');
    if (claim.marks.length !== claim.vector.size * entryMarkBytes)
      return failure('RECEIPT_MALFORMED', 'peer', 'a receipt does not say of which branch each log is');
    const receipt: HeldReceipt = {
      node: claim.node,
      dataset: claim.dataset,
      vector: claim.vector,
      marks: claim.marks,
      instant: { wallMs: claim.wallMs, counter: claim.counter },
      subscribed: claim.subscribed,
      signature: claim.signature,
    };
    const last = this.#rowOf(receipt.node, receipt.dataset);
    if (last !== undefined && compareInstants(instantOf(last), receipt.instant) >= 0) return success('known');
    if (!this.#crypto.ed25519Verify(identifierToBytes(receipt.node), signedBytes(receipt), receipt.signature)) {
      return failure('RECEIPT_SIGNATURE', 'peer', `a receipt of ${receipt.node} is not signed by it`);
    }
    if (last === undefined && this.#countOf(receipt.node) >= limits.datasetsPerTeamMax) {
      return failure('RECEIPTS_FULL', 'local', `${receipt.node} has receipts for ${limits.datasetsPerTeamMax} datasets already`);
    }
    this.#store(receipt, this.#agreed(receipt, last));
    return success(receipt);
  }

  /**
   * Entries of an author's log, of those that stand here, that a node is known to hold with their contents. Nothing is counted that may be of another branch: this is what copies are given up by, and what is called
   * delivered.
   */
  knownToHold(node: NodeId, dataset: DatasetId, author: NodeId): number {
    return this.holdings(node, dataset).known(author);
  }

  /** Whether a node says that it holds an entry, unless it is seen to mean another branch. Where our copy of a log is shorter than its receipt it is taken at its word: good for what may wait, and not for giving up a copy. */
  saysToHold(node: NodeId, dataset: DatasetId, { author, sequence }: Dot): boolean {
    return this.holdings(node, dataset).said(author, sequence) >= sequence;
  }

  /** The same of all logs: how much a node says to hold of each. */
  saidToHold(node: NodeId, dataset: DatasetId): VersionVector {
    const { authors, said } = this.holdings(node, dataset);
    return VersionVector.of(authors.map((author) => [author, said(author)]));
  }

  /** What a node holds of the logs of a dataset, for who asks for several: `known` as `knownToHold`, `said` as `saidToHold`, where less than `least` may come out as 0. Right as long as no log and no receipt changes. */
  holdings(node: NodeId, dataset: DatasetId): Holdings {
    const row = this.#rowOf(node, dataset);
    if (row === undefined) return { authors: [], known: () => 0, said: () => 0 };
    const receipt = receiptFromRow(row);
    let agreed: VersionVector | undefined;
    const agreedOf = (author: NodeId): number => {
      agreed ??= vectorFrom(row.agreed);
      return agreed.lengthOf(author);
    };
    return {
      authors: [...receipt.vector.entries()].map(([author]) => author),
      known: (author) => (receipt.vector.lengthOf(author) === 0 ? 0 : this.#known(receipt, author, () => agreedOf(author))),
      said: (author, least = 1) => (receipt.vector.lengthOf(author) < least ? 0 : this.#said(receipt, author, () => agreedOf(author))),
    };
  }

  /** What is known to be held by the receipt of a node, given how much of a log an earlier one was seen to agree with. */
  #known(receipt: HeldReceipt, author: NodeId, agreed: () => number): number {
    const { length, here, isSame, departure } = this.#compared(receipt, author);
    if (here) return isSame ? length : Math.min(length, departure ?? 0);
    // Of what it wrote itself it may have been set back, and have written anew since.
    return author === receipt.node ? 0 : Math.min(length, agreed());
  }

  #said(receipt: HeldReceipt, author: NodeId, agreed: () => number): number {
    const { length, here, isSame, departure } = this.#compared(receipt, author);
    if (here ? isSame : departure === undefined) return length;
    return Math.min(length, here ? (departure ?? 0) : Math.max(departure as number, agreed()));
  }

  /** A receipt beside our copy of a log: whether the entry that it ends with is here, and is the same, and behind which entry the log is known to have branches. */
  #compared({ dataset, vector, marks }: HeldReceipt, author: NodeId) {
    const length = vector.lengthOf(author);
    const { mark, departure } = this.#logs.standing(dataset, author, length);
    const at = [...vector.entries()].findIndex(([node]) => node === author) * entryMarkBytes;
    return {
      length,
      here: mark !== undefined,
      isSame: mark !== undefined && equalBytes(mark, marks.subarray(at, at + entryMarkBytes)),
      departure,
    };
  }

  /** How much of each log a new receipt, and the one that it replaces, are seen to agree with. What it says of a log as the last one did, and was seen to agree with, is not looked at again: most logs are as they were. */
  #agreed(receipt: HeldReceipt, last: ReceiptRow | undefined): VersionVector {
    const before = last && { receipt: receiptFromRow(last), agreed: vectorFrom(last.agreed) };
    const markBefore = before && marksOf(before.receipt);
    const marks = marksOf(receipt);
    return VersionVector.of(
      [...receipt.vector.entries()].map(([author, length]): [NodeId, number] => {
        const earlier = markBefore?.get(author);
        const isSettled =
          author !== receipt.node &&
          before?.receipt.vector.lengthOf(author) === length &&
          before.agreed.lengthOf(author) === length &&
          earlier !== undefined &&
          equalBytes(earlier, marks.get(author) ?? noMark);
        if (isSettled) return [author, length];
        const agreedBefore = (): number =>
          before === undefined ? 0 : this.#known(before.receipt, author, () => before.agreed.lengthOf(author));
        return [author, this.#known(receipt, author, agreedBefore)];
      }),
    );
  }

  /** The latest receipt of one node for one dataset. */
  of(node: NodeId, dataset: DatasetId): HeldReceipt | undefined {
    const row = this.#rowOf(node, dataset);
    return row && receiptFromRow(row);
  }

  /** Whether a node wants a dataset for itself, by its latest receipt; `undefined` without one. */
  subscribed(node: NodeId, dataset: DatasetId): boolean | undefined {
    const row = this.#catalog.get<Pick<ReceiptRow, 'subscribed'>>(
      'SELECT subscribed FROM receipt WHERE node = ? AND dataset = ?',
      identifierToBytes(node),
      identifierToBytes(dataset),
    );
    return row && row.subscribed === 1;
  }

  #rowOf(node: NodeId, dataset: DatasetId): ReceiptRow | undefined {
    return this.#catalog.get<ReceiptRow>(
      'SELECT * FROM receipt WHERE node = ? AND dataset = ?',
      identifierToBytes(node),
      identifierToBytes(dataset),
    );
  }

  /** A log of a dataset is another behind an entry: nobody is known any more to hold what stands there now by an earlier receipt. */
  retract(dataset: DatasetId, author: NodeId, after: number): void {
    for (const row of this.#catalog.all<ReceiptRow>('SELECT * FROM receipt WHERE dataset = ?', identifierToBytes(dataset))) {
      const agreed = vectorFrom(row.agreed);
      if (agreed.lengthOf(author) <= after) continue;
      const left = VersionVector.of([...agreed.entries()].map(([node, length]) => [node, node === author ? after : length]));
      this.#catalog.run('UPDATE receipt SET agreed = ? WHERE node = ? AND dataset = ?', encodeCbor(left.toCbor()), row.node, row.dataset);
    }
  }

  /** All receipts, in a fixed order; of one dataset or of all. */
  all(dataset?: DatasetId): HeldReceipt[] {
    const rows =
      dataset === undefined
        ? this.#catalog.all<ReceiptRow>('SELECT * FROM receipt ORDER BY dataset, node')
        : this.#catalog.all<ReceiptRow>('SELECT * FROM receipt WHERE dataset = ? ORDER BY node', identifierToBytes(dataset));
    return rows.map(receiptFromRow);
  }

  /** Of each node whose receipts are here: what stands for all of them, and how new they are. */
  summary(): ReceiptsOfNode[] {
    const nodes: ReceiptsOfNode[] = [];
    let node: Uint8Array | undefined;
    let hash = this.#crypto.createSha256();
    let newest: HybridInstant = { wallMs: 0, counter: 0 };
    const close = (): void => {
      if (node !== undefined) nodes.push({ node: identifier<NodeId>(node), hash: hash.digest(), newest });
    };
    const rows = this.#catalog.all<Pick<ReceiptRow, 'node' | 'wall_ms' | 'counter' | 'signature'>>(
      'SELECT node, wall_ms, counter, signature FROM receipt ORDER BY node, dataset',
    );
    for (const row of rows) {
      if (node === undefined || !equalBytes(node, row.node)) {
        close();
        node = row.node;
        hash = this.#crypto.createSha256();
        newest = { wallMs: 0, counter: 0 };
        hash.update(node);
      }
      hash.update(row.signature);
      const instant = instantOf(row);
      if (compareInstants(instant, newest) > 0) newest = instant;
    }
    close();
    return nodes;
  }

  /** Receipts of a node that are newer than an instant, or all of them, the oldest first: whoever is told them in this order lacks none that is older than what it has. */
  newerOf(node: NodeId, than: HybridInstant = { wallMs: -1, counter: 0 }): HeldReceipt[] {
    return this.#catalog
      .all<ReceiptRow>(
        'SELECT * FROM receipt WHERE node = ? AND (wall_ms > ? OR wall_ms = ? AND counter > ?) ORDER BY wall_ms, counter',
        identifierToBytes(node),
        than.wallMs,
        than.wallMs,
        than.counter,
      )
      .map(receiptFromRow);
  }

  /** 4 bytes that are equal for equal books, and for others once in 2^32: then what is new is told at the next meeting. */
  digest(): Uint8Array {
    const hash = this.#crypto.createSha256();
    for (const row of this.#catalog.iterate<ReceiptRow>('SELECT * FROM receipt ORDER BY dataset, node')) hash.update(row.signature);
    return hash.digest().slice(0, 4);
  }

  #newest(node: NodeId): HybridInstant | undefined {
    const row = this.#catalog.get<Pick<ReceiptRow, 'wall_ms' | 'counter'>>(
      'SELECT wall_ms, counter FROM receipt WHERE node = ? ORDER BY wall_ms DESC, counter DESC LIMIT 1',
      identifierToBytes(node),
    );
    return row && instantOf(row);
  }

  #countOf(node: NodeId): number {
    return this.#catalog.get<{ n: number }>('SELECT count(*) AS n FROM receipt WHERE node = ?', identifierToBytes(node))?.n ?? 0;
  }

  #store(receipt: HeldReceipt, agreed: VersionVector): void {
    this.#catalog.run(
      'INSERT OR REPLACE INTO receipt (node, dataset, vector, marks, agreed, wall_ms, counter, subscribed, signature) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
      identifierToBytes(receipt.node),
      identifierToBytes(receipt.dataset),
      encodeCbor(receipt.vector.toCbor()),
      receipt.marks,
      encodeCbor(agreed.toCbor()),
      receipt.instant.wallMs,
      receipt.instant.counter,
      receipt.subscribed ? 1 : 0,
      receipt.signature,
    );
  }
}

/** True when what was last said says as much, but for our own log, as long as no less of that is held. */
function saysAsMuch(last: HeldReceipt | undefined, { node, vector, marks }: Pick<HeldReceipt, 'node' | 'vector' | 'marks'>): boolean {
  const before = last?.vector ?? VersionVector.empty;
  if (before.advance(node, vector.lengthOf(node)).compare(vector) !== 'equal') return false;
  const ofOthers = (said: VersionVector, each: Uint8Array): Uint8Array[] =>
    [...said.entries()].flatMap(([author], at) => (author === node ? [] : [each.subarray(at * entryMarkBytes, (at + 1) * entryMarkBytes)]));
  return equalBytes(concatBytes(...ofOthers(before, last?.marks ?? noMark)), concatBytes(...ofOthers(vector, marks)));
}

/** The mark of each log that a receipt speaks of. */
function marksOf({ vector, marks }: HeldReceipt): Map<NodeId, Uint8Array> {
  return new Map([...vector.entries()].map(([author], at) => [author, marks.subarray(at * entryMarkBytes, (at + 1) * entryMarkBytes)]));
}

function instantOf({ wall_ms, counter }: Pick<ReceiptRow, 'wall_ms' | 'counter'>): HybridInstant {
  return { wallMs: wall_ms, counter };
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function signedBytes(receipt: Omit<HeldReceipt, 'signature'>): Uint8Array {
  const { node, dataset, vector, marks, instant, subscribed } = receipt;
  const { wallMs, counter } = instant;
  return concatBytes(
    domain,
    encodeCbor([identifierToBytes(node), identifierToBytes(dataset), vector.toCbor(), marks, wallMs, counter, subscribed]),
  );
}

function receiptFromRow(row: ReceiptRow): HeldReceipt {
  return {
    node: identifier<NodeId>(row.node),
    dataset: identifier<DatasetId>(row.dataset),
    vector: vectorFrom(row.vector),
    marks: row.marks,
    instant: instantOf(row),
    subscribed: row.subscribed === 1,
    signature: row.signature,
  };
}

/** A vector that was encoded here decodes; were the row damaged, an empty vector claims nothing. */
function vectorFrom(bytes: Uint8Array): VersionVector {
  const decoded = decodeCbor(bytes);
  const vector = decoded.ok ? VersionVector.fromCbor(decoded.value) : decoded;
  return vector.ok ? vector.value : VersionVector.empty;
}
