import { toHex } from '../core/bytes.ts';
import { type DatasetId, identifierToBytes, type NodeId, shortNameBytes } from '../core/identifiers.ts';
import { type PriorityClass, priorityClasses } from '../core/priority.ts';
import type { Catalog, Schema, SqlValue } from '../ports/catalog.ts';
import type { OrderItem } from './orders.ts';

/**
 * The queue of deliveries: one row for every (range of log entries, destination), with the state it is in and why. A range is one row however many entries it has, so a season of readings for ten subscribers is
 * ten rows.
 *
 *     queued      nothing has moved towards the destination
 *     offered     a node in reach was told of it
 *     active      it is being fetched
 *     partial     a part has moved; the rest waits for a contact
 *     custody     another node holds all of it durably and carries it on
 *     delivered   the destination has signed that it holds all of it
 *     expired     nobody wants it any more
 *     failed      it will not be delivered: it was cancelled
 *
 * The last three are ends. A row of the dataset's own replication (`order` absent) covers a whole log and is queued again when the log grows.
 *
 * Rows have the short names of nodes and datasets, 8 bytes each, as messages do; what they stand for is kept once. Nothing of the queue is held in memory but whose logs have rows: a receipt speaks of every author, and of most
 * of them nothing is queued.
 */

/** States, in the order in which they stand in the catalog. */
export const deliveryStates = ['queued', 'offered', 'active', 'partial', 'custody', 'delivered', 'expired', 'failed'] as const;
/** Where a delivery is, see above. */
export type DeliveryState = (typeof deliveryStates)[number];

const stateNumber = Object.fromEntries(deliveryStates.map((state, index) => [state, index])) as Readonly<Record<DeliveryState, number>>;
/** Stands for `no such instant` and for `the end of the log`, so that one index has them in order. */
const never = Number.MAX_SAFE_INTEGER;

/** The tables of deliveries. */
export const deliverySchema: Schema = {
  component: 'deliveries',
  steps: [
    `CREATE TABLE delivery_party (short BLOB PRIMARY KEY, name BLOB NOT NULL) STRICT, WITHOUT ROWID;
     CREATE TABLE delivery (
       id INTEGER PRIMARY KEY,
       dataset BLOB NOT NULL,
       author BLOB NOT NULL,
       first INTEGER NOT NULL,
       last INTEGER NOT NULL,
       path TEXT NOT NULL,
       destination BLOB NOT NULL,
       order_author BLOB,
       order_sequence INTEGER,
       class INTEGER NOT NULL,
       state INTEGER NOT NULL,
       reason TEXT NOT NULL,
       via BLOB,
       size_bytes INTEGER NOT NULL,
       deadline_ms INTEGER NOT NULL,
       expires_ms INTEGER NOT NULL,
       custody_suffices INTEGER NOT NULL,
       since_ms INTEGER NOT NULL
     ) STRICT;
     CREATE INDEX delivery_at ON delivery (dataset, author, last);
     CREATE INDEX delivery_range ON delivery (dataset, author, last) WHERE first < last;
     CREATE INDEX delivery_in_order ON delivery (destination, class, deadline_ms, size_bytes, id) WHERE state < 5;
     CREATE INDEX delivery_owed ON delivery (destination, dataset, author, last, id) WHERE state < 5;
     CREATE INDEX delivery_cancelled ON delivery (destination, dataset) WHERE state = 7;
     CREATE INDEX delivery_loose ON delivery (dataset, author, last, id) WHERE state < 4;
     CREATE INDEX delivery_under_way ON delivery (via) WHERE state IN (1, 2);
     CREATE INDEX delivery_of_order ON delivery (dataset, order_author, order_sequence) WHERE order_sequence IS NOT NULL;
     CREATE INDEX delivery_expiry ON delivery (expires_ms) WHERE state < 5 AND expires_ms < ${never};`,
  ],
};

/** A row. */
export interface QueuedDelivery extends OrderItem {
  readonly id: number;
  readonly dataset: DatasetId;
  readonly destination: NodeId;
  /** The entry that ordered it; absent for the replication of a dataset to its subscribers, whose range has no end. */
  readonly order?: { readonly author: NodeId; readonly sequence: number };
  readonly priority: PriorityClass;
  readonly state: DeliveryState;
  /** Why it is in this state. */
  readonly reason: string;
  /** The peer that it moves to at the moment. */
  readonly via?: NodeId;
  /** Bytes of the contents, as far as they are known. */
  readonly sizeBytes: number;
  readonly deadlineMs?: number;
  readonly expiresMs?: number;
  readonly custodySuffices: boolean;
  /** Wall clock when it came into this state. */
  readonly sinceMs: number;
}

/** A row to add. */
export type NewDelivery = Omit<QueuedDelivery, 'id' | 'state' | 'reason' | 'via' | 'sinceMs'>;

/** Deliveries of one order, or of one dataset's replication, that changed alike. */
export interface DeliveryChange {
  readonly dataset: DatasetId;
  readonly destination: NodeId;
  readonly order?: { readonly author: NodeId; readonly sequence: number };
  readonly from: DeliveryState;
  readonly to: DeliveryState;
  readonly reason: string;
  /** Rows that changed. */
  readonly count: number;
}

interface Row {
  id: number;
  dataset: Uint8Array;
  author: Uint8Array;
  first: number;
  last: number;
  path: string;
  destination: Uint8Array;
  order_author: Uint8Array | null;
  order_sequence: number | null;
  class: number;
  state: number;
  reason: string;
  via: Uint8Array | null;
  size_bytes: number;
  deadline_ms: number;
  expires_ms: number;
  custody_suffices: number;
  since_ms: number;
}

/** Rows that are looked at together. */
const pageRows = 1024;
/** Rows that one order makes; items and destinations beyond are left out, on every node alike. */
export const orderRowsMax = 65_536;

/** The queue, in the catalog. Synchronous; part of the caller's transaction. */
export class DeliveryQueue {
  readonly #catalog: Catalog;
  /** What is stored is never changed, so this is right whatever becomes of a transaction. */
  readonly #nameByShort = new Map<string, string>();
  /** Authors whose entries have rows, or had, by dataset; filled when a dataset is first asked for. One too many costs a question: so this, too, is right whatever becomes of a transaction. */
  readonly #authorsByDataset = new Map<DatasetId, Set<NodeId>>();

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
    catalog.migrate(deliverySchema);
  }

  /** Adds a row in state `queued`. The caller adds what an entry orders once (`ofOrder`), and one row for each log and subscriber (`ofReplication`). */
  add(row: NewDelivery, nowMs: number): void {
    const { dataset, author, first, last, path, destination, order } = row;
    for (const name of [dataset, author, destination, order?.author ?? author]) this.#introduce(name);
    this.#authorsByDataset.get(dataset)?.add(author);
    this.#catalog.run(
      `INSERT INTO delivery (dataset, author, first, last, path, destination, order_author, order_sequence, class, state, reason, size_bytes, deadline_ms, expires_ms, custody_suffices, since_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?)`,
      short(dataset),
      short(author),
      first,
      Number.isFinite(last) ? last : never,
      path ?? '',
      short(destination),
      order === undefined ? null : short(order.author),
      order?.sequence ?? null,
      priorityClasses.indexOf(row.priority),
      order === undefined ? 'written here' : 'ordered',
      row.sizeBytes,
      row.deadlineMs ?? never,
      row.expiresMs ?? never,
      row.custodySuffices ? 1 : 0,
      Math.floor(nowMs),
    );
  }

  /** Up to `limit` rows for a destination that have not ended, in the order to serve them: by class, deadline and size. */
  next(destination: NodeId, limit: number): QueuedDelivery[] {
    return this.#rows(
      'SELECT * FROM delivery WHERE destination = ? AND state < 5 ORDER BY class, deadline_ms, size_bytes, id LIMIT ?',
      short(destination),
      limit,
    );
  }

  /** The rows that cover what an entry says of a path, whatever their state. */
  covering(dataset: DatasetId, author: NodeId, sequence: number, path: string): QueuedDelivery[] {
    const key = [short(dataset), short(author), sequence];
    return [
      ...this.#rows(
        "SELECT * FROM delivery WHERE dataset = ? AND author = ? AND last = ? AND path IN ('', ?) LIMIT ?",
        ...key,
        path,
        pageRows,
      ),
      ...this.#rows(
        "SELECT * FROM delivery INDEXED BY delivery_range WHERE dataset = ? AND author = ? AND last > ? AND first < last AND first <= ? AND path IN ('', ?) LIMIT ?",
        ...key,
        sequence,
        path,
        pageRows,
      ),
    ];
  }

  /** The rows of a dataset's own replication of a log, one for each subscriber. */
  ofReplication(dataset: DatasetId, author: NodeId): QueuedDelivery[] {
    const sql = 'SELECT * FROM delivery WHERE dataset = ? AND author = ? AND last = ? AND first < last AND order_sequence IS NULL';
    return this.#rows(sql, short(dataset), short(author), never);
  }

  /** The rows that an entry of a dataset ordered. */
  ofOrder(author: NodeId, sequence: number, dataset: DatasetId): QueuedDelivery[] {
    const sql = 'SELECT * FROM delivery INDEXED BY delivery_of_order WHERE dataset = ? AND order_author = ? AND order_sequence = ? LIMIT ?';
    return this.#rows(sql, short(dataset), short(author), sequence, orderRowsMax);
  }

  /** True while something of a dataset is ordered for a node, or was and is cancelled: then it has to hear of that. */
  addresses(node: NodeId, dataset: DatasetId): boolean {
    const sql = 'SELECT 1 FROM delivery WHERE destination = ? AND state < 5 AND dataset = ? AND order_sequence IS NOT NULL LIMIT 1';
    const cancelled = 'SELECT 1 FROM delivery WHERE destination = ? AND dataset = ? AND state = 7 LIMIT 1';
    return [sql, cancelled].some((each) => this.#catalog.get(each, short(node), short(dataset)) !== undefined);
  }

  /** Another class for what an entry ordered and has not ended. */
  reclassify(author: NodeId, sequence: number, priority: PriorityClass, dataset: DatasetId): void {
    this.#catalog.run(
      'UPDATE delivery SET class = ? WHERE dataset = ? AND order_author = ? AND order_sequence = ? AND state < 5',
      priorityClasses.indexOf(priority),
      short(dataset),
      short(author),
      sequence,
    );
  }

  /** What an entry ordered is not to be delivered any more. */
  cancel(author: NodeId, sequence: number, nowMs: number, dataset: DatasetId): DeliveryChange[] {
    const open = this.ofOrder(author, sequence, dataset).filter(({ state }) => stateNumber[state] < stateNumber.delivered);
    return this.move(open, 'failed', 'cancelled', nowMs);
  }

  /** What an author's entries behind `after` ordered is forgotten: other entries stand under their numbers from now on, and order it anew. */
  retract(author: NodeId, after: number, nowMs: number, dataset: DatasetId): DeliveryChange[] {
    const where = 'dataset = ? AND order_author = ? AND order_sequence > ?';
    const key = [short(dataset), short(author), after];
    const changes: DeliveryChange[] = [];
    for (;;) {
      const page = this.#rows(`SELECT * FROM delivery INDEXED BY delivery_of_order WHERE ${where} AND state < 5 LIMIT ?`, ...key, pageRows);
      if (page.length === 0) break;
      changes.push(...this.move(page, 'failed', 'its order was written anew', nowMs));
    }
    this.#catalog.run(`DELETE FROM delivery WHERE ${where}`, ...key);
    return changes;
  }

  /**
   * A node has signed that it holds so much of each log of a dataset: `heldLength`, asked only for authors of whom something is queued, and for those who ordered it. Ends what was for it, and puts what was for others into its
   * custody. `ownLength`: entries of a log that are here, which is the end of a range without one.
   */
  held(
    holder: NodeId,
    dataset: DatasetId,
    heldLength: (author: NodeId) => number,
    ownLength: (author: NodeId) => number,
    nowMs: number,
  ): DeliveryChange[] {
    const isComplete = ({ author, last, order }: QueuedDelivery, until: number): boolean =>
      until >= (last === Infinity ? ownLength(author) : last) &&
      // A receipt from before the order says nothing: its signer may not have wanted it then.
      (order === undefined || heldLength(order.author) >= order.sequence);
    const changes: DeliveryChange[] = [];
    for (const author of this.#authorsOf(dataset)) {
      const until = heldLength(author);
      if (until === 0) continue;
      const key = [short(dataset), short(author), until, never];
      const own = this.#rows(
        'SELECT * FROM delivery INDEXED BY delivery_owed WHERE destination = ? AND dataset = ? AND author = ? AND (last <= ? OR last = ?) AND state < 5',
        short(holder),
        ...key,
      );
      changes.push(
        ...this.move(
          own.filter((row) => isComplete(row, until)),
          'delivered',
          'receipt of the destination',
          nowMs,
        ),
      );
      if (holder === author) continue;
      const loose = this.#rows(
        'SELECT * FROM delivery INDEXED BY delivery_loose WHERE dataset = ? AND author = ? AND (last <= ? OR last = ?) AND state < 4',
        ...key,
      ).filter((row) => row.destination !== holder && row.order?.author !== holder && isComplete(row, until));
      changes.push(...this.move(loose, 'custody', `receipt of ${holder}`, nowMs, holder));
    }
    return changes;
  }

  /** The rows of the dataset's own replication of a log that have been delivered are queued again: it grew. */
  grew(dataset: DatasetId, author: NodeId, nowMs: number): DeliveryChange[] {
    const rows = this.ofReplication(dataset, author).filter(({ state }) => state === 'custody' || state === 'delivered');
    return this.move(rows, 'queued', 'written here', nowMs);
  }

  /** What moves to this peer, or was offered to it, waits for another contact. */
  interrupted(peer: NodeId, reason: string, nowMs: number): DeliveryChange[] {
    return this.#waitAgain(this.#rows('SELECT * FROM delivery WHERE via = ? AND state IN (1, 2)', short(peer)), reason, nowMs);
  }

  /** At opening: no session stands. */
  recover(nowMs: number): DeliveryChange[] {
    return this.#waitAgain(this.#rows('SELECT * FROM delivery WHERE via IS NOT NULL AND state IN (1, 2)'), 'the node was closed', nowMs);
  }

  #waitAgain(rows: readonly QueuedDelivery[], reason: string, nowMs: number): DeliveryChange[] {
    const active = rows.filter(({ state }) => state === 'active');
    const offered = rows.filter(({ state }) => state === 'offered');
    return [...this.move(active, 'partial', reason, nowMs), ...this.move(offered, 'queued', reason, nowMs)];
  }

  /** Ends what nobody wants any more. */
  expire(nowMs: number): DeliveryChange[] {
    const changes: DeliveryChange[] = [];
    for (;;) {
      const page = this.#rows(
        `SELECT * FROM delivery WHERE state < 5 AND expires_ms < ${never} AND expires_ms <= ? LIMIT ?`,
        Math.floor(nowMs),
        pageRows,
      );
      if (page.length === 0) return changes;
      changes.push(...this.move(page, 'expired', 'its expiry has come', nowMs));
    }
  }

  /** Wall clock of the next expiry. */
  nextExpiryMs(): number | undefined {
    const sql = `SELECT min(expires_ms) AS next FROM delivery WHERE state < 5 AND expires_ms < ${never}`;
    return this.#catalog.get<{ next: number | null }>(sql)?.next ?? undefined;
  }

  /** Puts rows into a state. Gives what changed, alike together. */
  move(rows: readonly QueuedDelivery[], to: DeliveryState, reason: string, nowMs: number, via?: NodeId): DeliveryChange[] {
    const changes = new Map<string, DeliveryChange>();
    if (via !== undefined && rows.length > 0) this.#introduce(via);
    for (const { id, dataset, destination, order, state, custodySuffices } of rows) {
      // With custody as its end it is delivered as far as anybody asked.
      const end = to === 'custody' && custodySuffices ? 'delivered' : to;
      if (state === end) continue;
      this.#catalog.run(
        'UPDATE delivery SET state = ?, reason = ?, via = ?, since_ms = ? WHERE id = ?',
        stateNumber[end],
        reason,
        via === undefined ? null : short(via),
        Math.floor(nowMs),
        id,
      );
      const key = `${dataset} ${destination} ${order?.author} ${order?.sequence} ${state} ${end}`;
      const count = (changes.get(key)?.count ?? 0) + 1;
      changes.set(key, { dataset, destination, ...(order === undefined ? {} : { order }), from: state, to: end, reason, count });
    }
    return [...changes.values()];
  }

  #authorsOf(dataset: DatasetId): ReadonlySet<NodeId> {
    let authors = this.#authorsByDataset.get(dataset);
    if (authors === undefined) {
      // Steps from one author to the next in the index, past the rows between.
      const rows = this.#catalog.all<{ author: Uint8Array }>(
        `WITH RECURSIVE step (author) AS (
           SELECT min(author) FROM delivery WHERE dataset = ?1
           UNION ALL SELECT (SELECT min(author) FROM delivery WHERE dataset = ?1 AND author > step.author) FROM step WHERE step.author IS NOT NULL
         ) SELECT author FROM step WHERE author IS NOT NULL`,
        short(dataset),
      );
      authors = new Set(rows.map(({ author }) => this.#name<NodeId>(author)));
      this.#authorsByDataset.set(dataset, authors);
    }
    return authors;
  }

  #rows(sql: string, ...parameters: readonly SqlValue[]): QueuedDelivery[] {
    return this.#catalog.all<Row>(sql, ...parameters).map((row) => ({
      id: row.id,
      dataset: this.#name<DatasetId>(row.dataset),
      author: this.#name<NodeId>(row.author),
      first: row.first,
      last: row.last === never ? Infinity : row.last,
      ...(row.path === '' ? {} : { path: row.path }),
      destination: this.#name<NodeId>(row.destination),
      ...(row.order_author === null ? {} : { order: { author: this.#name<NodeId>(row.order_author), sequence: row.order_sequence ?? 0 } }),
      priority: priorityClasses[row.class] as PriorityClass,
      state: deliveryStates[row.state] as DeliveryState,
      reason: row.reason,
      ...(row.via === null ? {} : { via: this.#name<NodeId>(row.via) }),
      sizeBytes: row.size_bytes,
      ...(row.deadline_ms === never ? {} : { deadlineMs: row.deadline_ms }),
      ...(row.expires_ms === never ? {} : { expiresMs: row.expires_ms }),
      custodySuffices: row.custody_suffices === 1,
      sinceMs: row.since_ms,
    }));
  }

  #introduce(name: NodeId | DatasetId): void {
    this.#catalog.run('INSERT OR IGNORE INTO delivery_party (short, name) VALUES (?, ?)', short(name), identifierToBytes(name));
  }

  #name<T extends NodeId | DatasetId>(bytes: Uint8Array): T {
    const key = toHex(bytes);
    const known = this.#nameByShort.get(key);
    if (known !== undefined) return known as T;
    const name = toHex(
      this.#catalog.get<{ name: Uint8Array }>('SELECT name FROM delivery_party WHERE short = ?', bytes)?.name as Uint8Array,
    );
    this.#nameByShort.set(key, name);
    return name as T;
  }
}

function short(name: NodeId | DatasetId): Uint8Array {
  return identifierToBytes(name).subarray(0, shortNameBytes);
}
