import { concatBytes, equalBytes, utf8 } from '../core/bytes.ts';
import { type DatasetId, type Hash, identifier, identifierToBytes, type NodeId } from '../core/identifiers.ts';
import { limits } from '../core/limits.ts';
import { failure, type Outcome, success } from '../core/outcome.ts';
import type { Catalog, Schema } from '../ports/catalog.ts';
import type { Crypto } from '../ports/crypto.ts';

/**
 * Signed logs: every node writes one append-only, gap-free log per dataset, and a dataset is the union of its logs.
 *
 * An entry is a body (what happened) and an Ed25519 signature. What is signed is the entry's hash, SHA-256 over
 *
 *     "godwit log 1\0" || dataset (32) || author (32) || sequence number (8, big-endian) || hash of the entry before (32, zero for the first) || body
 *
 * so an entry says which log it is in, where, and after what. None of that travels: the receiver knows the dataset, the author and the position, and has the entry before. On the
 * wire an entry is its body and 64 bytes.
 *
 * Two different entries at one position mean that the author's log forked (a node restored from an old backup, or a key used twice). The first one seen stands, the fork is
 * recorded and reported, and nothing more is taken from that author for this dataset until a coordinator decides.
 */

const domain = utf8('godwit log 1\0');
const noHash = new Uint8Array(32);

/** The tables of logs and their entries. */
export const logSchema: Schema = {
  component: 'log',
  steps: [
    `CREATE TABLE log (
       id INTEGER PRIMARY KEY,
       dataset BLOB NOT NULL,
       author BLOB NOT NULL,
       length INTEGER NOT NULL,
       head BLOB NOT NULL,
       forked INTEGER NOT NULL DEFAULT 0,
       UNIQUE (dataset, author)
     ) STRICT;
     CREATE TABLE log_entry (
       log INTEGER NOT NULL REFERENCES log (id),
       sequence INTEGER NOT NULL,
       body BLOB NOT NULL,
       signature BLOB NOT NULL,
       PRIMARY KEY (log, sequence)
     ) STRICT, WITHOUT ROWID;`,
  ],
};

/** The position of an entry: `sequence` counts from 1 in the author's log. Names a revision wherever one is needed. */
export interface Dot {
  readonly author: NodeId;
  readonly sequence: number;
}

/** An entry as it travels. */
export interface SignedEntry {
  readonly body: Uint8Array;
  readonly signature: Uint8Array;
}

/** An entry with its position. */
export interface LogEntry extends SignedEntry, Dot {}

interface LogRow {
  id: number;
  length: number;
  head: Uint8Array;
  forked: number;
}

/** All logs this node holds. Synchronous: every method is one step of the catalog's current transaction. */
export class LogStore {
  readonly #catalog: Catalog;
  readonly #crypto: Crypto;

  constructor(catalog: Catalog, crypto: Crypto) {
    this.#catalog = catalog;
    this.#crypto = crypto;
    catalog.migrate(logSchema);
  }

  /** Appends to our own log. `secretKey` is the Ed25519 seed of `author`. */
  append(dataset: DatasetId, author: NodeId, secretKey: Uint8Array, body: Uint8Array): LogEntry {
    if (body.length > limits.logEntryBytesMax)
      throw new RangeError(`a log entry has at most ${limits.logEntryBytesMax} bytes, not ${body.length}`);
    return this.#catalog.transaction(() => {
      const log = this.#open(dataset, author);
      const sequence = log.length + 1;
      const hash = this.#entryHash(dataset, author, sequence, log.head, body);
      const signature = this.#crypto.ed25519Sign(secretKey, hash);
      this.#store(log.id, sequence, hash, { body, signature });
      return { author, sequence, body, signature };
    });
  }

  /**
   * Takes an entry from a peer: verifies position and signature and stores it. `known` means we had it. Failures, all the peer's fault except the last:
   * `LOG_POSITION` (no entry has that number), `LOG_GAP` (an entry before it is missing: ask again), `LOG_SIGNATURE`, `LOG_FORKED` (the author's log has two different entries here), `LOG_ENTRY_TOO_LARGE`, and
   * `LOG_AUTHORS_FULL` (our limit of authors).
   */
  accept(dataset: DatasetId, entry: LogEntry): Outcome<'stored' | 'known'> {
    const { author, sequence, body, signature } = entry;
    if (body.length > limits.logEntryBytesMax) return failure('LOG_ENTRY_TOO_LARGE', 'peer', `entry ${sequence} has ${body.length} bytes`);
    if (!Number.isSafeInteger(sequence) || sequence < 1) return failure('LOG_POSITION', 'peer', `no log has an entry ${sequence}`);
    return this.#catalog.transaction(() => {
      const log = this.#find(dataset, author);
      const length = log?.length ?? 0;
      if (log?.forked) return failure('LOG_FORKED', 'peer', `the log of ${author} is forked`);
      if (sequence > length + 1) return failure('LOG_GAP', 'peer', `entry ${sequence} came while ${length} are here`);
      if (log !== undefined && sequence <= length) return this.#compareKnown(dataset, log, entry);
      if (log === undefined && this.#authorCount(dataset) >= limits.authorsPerDatasetMax) {
        return failure('LOG_AUTHORS_FULL', 'local', `the dataset has ${limits.authorsPerDatasetMax} authors already`);
      }
      const hash = this.#entryHash(dataset, author, sequence, log?.head ?? noHash, body);
      if (!this.#crypto.ed25519Verify(identifierToBytes(author), hash, signature)) {
        return failure('LOG_SIGNATURE', 'peer', `entry ${sequence} of ${author} is not signed by its author`);
      }
      this.#store((log ?? this.#open(dataset, author)).id, sequence, hash, entry);
      return success('stored');
    });
  }

  /** Lengths of all logs of a dataset. */
  lengths(dataset: DatasetId): ReadonlyMap<NodeId, number> {
    const rows = this.#catalog.all<{ author: Uint8Array; length: number }>(
      'SELECT author, length FROM log WHERE dataset = ? AND length > 0 ORDER BY author',
      identifierToBytes(dataset),
    );
    return new Map(rows.map((row) => [identifier<NodeId>(row.author), row.length]));
  }

  /** Number of entries that `author` has written, as far as we hold them. */
  length(dataset: DatasetId, author: NodeId): number {
    return this.#find(dataset, author)?.length ?? 0;
  }

  /** Entries `from` to `to` (both included) of one log, in order, ending early once `bytesMax` is passed; at least one when there is one. */
  read(dataset: DatasetId, author: NodeId, from: number, to: number, bytesMax: number): LogEntry[] {
    const log = this.#find(dataset, author);
    const entries: LogEntry[] = [];
    if (log === undefined) return entries;
    let bytes = 0;
    for (const row of this.#catalog.iterate<{ sequence: number; body: Uint8Array; signature: Uint8Array }>(
      'SELECT sequence, body, signature FROM log_entry WHERE log = ? AND sequence BETWEEN ? AND ? ORDER BY sequence',
      log.id,
      from,
      to,
    )) {
      entries.push({ author, sequence: row.sequence, body: row.body, signature: row.signature });
      bytes += row.body.length + row.signature.length;
      if (bytes >= bytesMax) break;
    }
    return entries;
  }

  /** Authors whose log of this dataset forked. */
  forkedAuthors(dataset: DatasetId): NodeId[] {
    return this.#catalog
      .all<{ author: Uint8Array }>('SELECT author FROM log WHERE dataset = ? AND forked = 1 ORDER BY author', identifierToBytes(dataset))
      .map((row) => identifier<NodeId>(row.author));
  }

  #find(dataset: DatasetId, author: NodeId): LogRow | undefined {
    return this.#catalog.get<LogRow>(
      'SELECT id, length, head, forked FROM log WHERE dataset = ? AND author = ?',
      identifierToBytes(dataset),
      identifierToBytes(author),
    );
  }

  #open(dataset: DatasetId, author: NodeId): LogRow {
    this.#catalog.run(
      'INSERT OR IGNORE INTO log (dataset, author, length, head) VALUES (?, ?, 0, ?)',
      identifierToBytes(dataset),
      identifierToBytes(author),
      noHash,
    );
    return this.#find(dataset, author) as LogRow;
  }

  #authorCount(dataset: DatasetId): number {
    return this.#catalog.get<{ n: number }>('SELECT count(*) AS n FROM log WHERE dataset = ?', identifierToBytes(dataset))?.n ?? 0;
  }

  #store(log: number, sequence: number, hash: Hash, entry: SignedEntry): void {
    this.#catalog.run(
      'INSERT INTO log_entry (log, sequence, body, signature) VALUES (?, ?, ?, ?)',
      log,
      sequence,
      entry.body,
      entry.signature,
    );
    this.#catalog.run('UPDATE log SET length = ?, head = ? WHERE id = ?', sequence, hash, log);
  }

  #compareKnown(dataset: DatasetId, log: LogRow, entry: LogEntry): Outcome<'known'> {
    const [ours] = this.read(dataset, entry.author, entry.sequence, entry.sequence, 1);
    if (ours !== undefined && equalBytes(ours.body, entry.body)) return success('known');
    const before = this.#hashAt(dataset, log.id, entry.author, entry.sequence - 1);
    const hash = this.#entryHash(dataset, entry.author, entry.sequence, before, entry.body);
    if (!this.#crypto.ed25519Verify(identifierToBytes(entry.author), hash, entry.signature)) {
      return failure('LOG_SIGNATURE', 'peer', `entry ${entry.sequence} of ${entry.author} is not signed by its author`);
    }
    this.#catalog.run('UPDATE log SET forked = 1 WHERE id = ?', log.id);
    return failure('LOG_FORKED', 'peer', `${entry.author} signed two different entries ${entry.sequence}`);
  }

  /** Hash of an entry in the middle of a log, by walking from its beginning. Only forks need it. */
  #hashAt(dataset: DatasetId, log: number, author: NodeId, sequence: number): Hash {
    let hash: Uint8Array = noHash;
    for (const row of this.#catalog.iterate<{ sequence: number; body: Uint8Array }>(
      'SELECT sequence, body FROM log_entry WHERE log = ? AND sequence <= ? ORDER BY sequence',
      log,
      sequence,
    )) {
      hash = this.#entryHash(dataset, author, row.sequence, hash, row.body);
    }
    return hash as Hash;
  }

  #entryHash(dataset: DatasetId, author: NodeId, sequence: number, before: Uint8Array, body: Uint8Array): Hash {
    const position = new Uint8Array(8);
    new DataView(position.buffer).setBigUint64(0, BigInt(sequence));
    return this.#crypto.sha256(concatBytes(domain, identifierToBytes(dataset), identifierToBytes(author), position, before, body)) as Hash;
  }
}
