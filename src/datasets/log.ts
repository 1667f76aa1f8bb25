import { concatBytes, equalBytes, utf8 } from '../core/bytes.ts';
import { type DatasetId, type Hash, identifier, identifierToBytes, type NodeId } from '../core/identifiers.ts';
import { limits } from '../core/limits.ts';
import { failure, type Outcome, success } from '../core/outcome.ts';
import type { Catalog, Schema } from '../ports/catalog.ts';
import type { Crypto } from '../ports/crypto.ts';
import { type BranchEntry, branchTables, type LogBranch, LogBranches } from './log-branches.ts';
import type { LogEntry, SignedEntry } from './log-entry.ts';

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
 * Two different entries at one position mean that the author's log forked (a node restored from an old backup, or a key used twice). The first one seen stands, the fork is recorded and reported, and what
 * follows on the other is kept beside the log as a branch (`log-branches.ts`), until the author has written anew what it says.
 */

const domain = utf8('godwit log 1\0');
const noHash = new Uint8Array(32);

/** Bytes by which an entry is told from another under its number: the first ones of its signature, which covers all entries before. Two that differ have the same once in 2^24. */
export const entryMarkBytes = 3;

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
    branchTables,
    // Behind which entry the earliest branch that was ever known departs.
    `ALTER TABLE log ADD COLUMN departure INTEGER;
     UPDATE log SET departure = (SELECT min(after) FROM log_branch WHERE log = log.id);`,
  ],
};

/** Values of `forked`: no branch is kept, there are some that nobody has settled, and only those that its author gave up. */
const forkStates = { never: 0, open: 1, mended: 2 } as const;

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
  readonly #branches: LogBranches;

  constructor(catalog: Catalog, crypto: Crypto) {
    this.#catalog = catalog;
    this.#branches = new LogBranches(catalog);
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
   * Takes an entry from a peer: verifies position and signature and stores it. `known` means we had it, `forked` that the author signed another one for its position, which we have, and `branched` that it
   * belongs to a branch that we know of and is new there, or, with `branch-known`, is not. Failures, all the peer's fault except the last: `LOG_POSITION` (no entry has that number), `LOG_GAP` (an entry before it is missing: ask
   * again), `LOG_SIGNATURE`, `LOG_ENTRY_TOO_LARGE`, `LOG_FORKED` (more branches, or entries of them, than are kept), and `LOG_AUTHORS_FULL` (our limit of authors).
   */
  accept(dataset: DatasetId, entry: LogEntry): Outcome<'stored' | 'known' | 'forked' | 'branched' | 'branch-known'> {
    const { author, sequence, body } = entry;
    if (body.length > limits.logEntryBytesMax) return failure('LOG_ENTRY_TOO_LARGE', 'peer', `entry ${sequence} has ${body.length} bytes`);
    if (!Number.isSafeInteger(sequence) || sequence < 1) return failure('LOG_POSITION', 'peer', `no log has an entry ${sequence}`);
    return this.#catalog.transaction(() => {
      const log = this.#find(dataset, author);
      const length = log?.length ?? 0;
      if (log !== undefined && this.#standsAt(log, entry)) return success('known');
      const branched = log && this.#acceptBranched(dataset, log, entry);
      if (branched !== undefined) return branched;
      if (sequence > length + 1)
        return this.#branchOff(dataset, log, entry) ?? failure('LOG_GAP', 'peer', `entry ${sequence} came while ${length} are here`);
      if (log !== undefined && sequence <= length) return this.#fork(dataset, log, entry);
      if (log === undefined && this.#authorCount(dataset) >= limits.authorsPerDatasetMax) {
        return failure('LOG_AUTHORS_FULL', 'local', `the dataset has ${limits.authorsPerDatasetMax} authors already`);
      }
      const hash = this.#verified(dataset, entry, log?.head ?? noHash);
      if (hash === undefined) return this.#branchOff(dataset, log, entry) ?? unsigned(entry);
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

  /** The mark (`entryMarkBytes`) of an entry that is here, and behind which entry the earliest branch of the log departs that was ever heard of: before that all copies are the same. */
  standing(dataset: DatasetId, author: NodeId, sequence: number): { readonly mark?: Uint8Array; readonly departure?: number } {
    const row = this.#catalog.get<{ departure: number | null; signature: Uint8Array | null }>(
      `SELECT departure, (SELECT signature FROM log_entry WHERE log_entry.log = log.id AND sequence = ?) AS signature
       FROM log WHERE dataset = ? AND author = ?`,
      sequence,
      identifierToBytes(dataset),
      identifierToBytes(author),
    );
    const signature = row?.signature ?? undefined;
    const departure = row?.departure ?? undefined;
    return {
      ...(signature === undefined ? {} : { mark: signature.slice(0, entryMarkBytes) }),
      ...(departure === undefined ? {} : { departure }),
    };
  }

  /** A log is heard to have had a branch behind this entry. */
  noteDeparture(dataset: DatasetId, author: NodeId, after: number): void {
    this.#catalog.run(
      'UPDATE log SET departure = min(coalesce(departure, ?), ?) WHERE dataset = ? AND author = ?',
      after,
      after,
      identifierToBytes(dataset),
      identifierToBytes(author),
    );
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

  /** Hashes of the last entries of all logs of a dataset: two copies are the same when these are. */
  heads(dataset: DatasetId): ReadonlyMap<NodeId, Uint8Array> {
    const rows = this.#catalog.all<{ author: Uint8Array; head: Uint8Array }>(
      'SELECT author, head FROM log WHERE dataset = ? AND length > 0 ORDER BY author',
      identifierToBytes(dataset),
    );
    return new Map(rows.map((row) => [identifier<NodeId>(row.author), row.head]));
  }

  /** Branches of a log that came, and those that were given up. */
  branches(dataset: DatasetId, author: NodeId): LogBranch[] {
    const log = this.#find(dataset, author);
    return log === undefined ? [] : this.#branches.of(log.id);
  }

  /** The entries of a branch, in order, from one on. */
  readBranch(author: NodeId, branch: LogBranch, from?: number): BranchEntry[] {
    return this.#branches.read(branch, author, from);
  }

  /** True when `openBranches` has some for any dataset. */
  get hasOpenBranches(): boolean {
    return this.#branches.areOpen;
  }

  /** Branches of the logs of a dataset that are beside our copies, and that their authors have not settled as far as is known. */
  openBranches(dataset: DatasetId): { readonly author: NodeId; readonly branch: LogBranch }[] {
    return this.#branches.open(identifierToBytes(dataset)).map(({ author, branch }) => ({ author: identifier<NodeId>(author), branch }));
  }

  /** The author of a log takes a branch of it for one that it gave up. */
  claim(branch: LogBranch): void {
    this.#branches.claim(branch);
  }

  /** Notes where the author has written an entry of a branch anew. */
  noteRewritten(branch: LogBranch, sequence: number, rewrittenAs: number): void {
    this.#branches.noteRewritten(branch, sequence, rewrittenAs);
  }

  /** Gives up what our copy of a log has behind the place where a branch departs, for the branch. What was given up is a branch from then on: of the author's own, with `isOwn`. */
  adopt(dataset: DatasetId, author: NodeId, branch: LogBranch, isOwn: boolean): void {
    this.#catalog.transaction(() => {
      const log = this.#open(dataset, author);
      this.#branches.exchange(log.id, branch, log, isOwn);
    });
  }

  /** A branch says nothing any more that the log does not: it is dropped. A log without branches but those that its author gave up is not forked any more. */
  settle(dataset: DatasetId, author: NodeId, settled: readonly LogBranch[]): void {
    const log = this.#open(dataset, author);
    for (const branch of settled) if (!branch.isOwn) this.#branches.drop(branch);
    const left = this.#branches.of(log.id);
    if (left.some(({ isOwn }) => !isOwn)) return;
    this.#catalog.run('UPDATE log SET forked = ? WHERE id = ?', left.length === 0 ? forkStates.never : forkStates.mended, log.id);
  }

  /** Authors whose log of this dataset forked, and who have not mended that yet as far as is known. */
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

  /** True when our copy has the same at this position, whatever signature comes with it. */
  #standsAt(log: LogRow, { sequence, body }: LogEntry): boolean {
    if (sequence > log.length) return false;
    const row = this.#catalog.get<{ body: Uint8Array }>('SELECT body FROM log_entry WHERE log = ? AND sequence = ?', log.id, sequence);
    return row !== undefined && equalBytes(row.body, body);
  }

  /** What becomes of an entry that some branch has, or that follows on one; `undefined` when none does. Of one that follows on our copy as well nothing is known here. */
  #acceptBranched(dataset: DatasetId, log: LogRow, entry: LogEntry): Outcome<'branched' | 'branch-known'> | undefined {
    if (log.forked === forkStates.never) return undefined;
    const branches = this.#branches.of(log.id);
    if (this.#branches.has(branches, entry)) return success('branch-known');
    for (const branch of branches) {
      if (entry.sequence !== branch.length + 1) continue;
      const hash = this.#verified(dataset, entry, branch.head);
      if (hash === undefined) continue;
      if (branch.bytes + entry.body.length > limits.branchBytesMax) return tooManyBranches(entry);
      this.#branches.append(branch, hash, entry);
      return success('branched');
    }
    return undefined;
  }

  /** Begins a branch with an entry for whose position we have another, if its author signed it. */
  #fork(dataset: DatasetId, log: LogRow, entry: LogEntry): Outcome<'forked' | 'branched'> {
    const before = this.#hashAt(dataset, log.id, entry.author, entry.sequence - 1);
    const hash = this.#verified(dataset, entry, before);
    if (hash === undefined) return this.#branchOff(dataset, log, entry) ?? unsigned(entry);
    this.#catalog.run('UPDATE log SET forked = ? WHERE id = ?', forkStates.open, log.id);
    this.noteDeparture(dataset, entry.author, entry.sequence - 1);
    const branch = this.#branches.begin(log.id, entry.sequence - 1, before, false);
    if (branch === undefined) return tooManyBranches(entry);
    this.#branches.append(branch, hash, entry);
    return success('forked');
  }

  /** Begins a branch with an entry that follows on one in the middle of another branch; `undefined` when it does not. */
  #branchOff(dataset: DatasetId, log: LogRow | undefined, entry: LogEntry): Outcome<'branched'> | undefined {
    if (log === undefined || log.forked === forkStates.never) return undefined;
    const last = entry.sequence - 1;
    for (const branch of this.#branches.of(log.id)) {
      if (last <= branch.after || last >= branch.length) continue;
      let before = this.#hashAt(dataset, log.id, entry.author, branch.after);
      for (const { sequence, body } of this.#branches.read(branch, entry.author))
        if (sequence <= last) before = this.#entryHash(dataset, entry.author, sequence, before, body);
      const hash = this.#verified(dataset, entry, before);
      if (hash === undefined) continue;
      if (branch.bytes + entry.body.length > limits.branchBytesMax) return tooManyBranches(entry);
      const begun = this.#branches.beginWithin(log.id, branch, last, before);
      if (begun === undefined) return tooManyBranches(entry);
      this.#catalog.run('UPDATE log SET forked = ? WHERE id = ?', forkStates.open, log.id);
      this.#branches.append(begun, hash, entry);
      return success('branched');
    }
    return undefined;
  }

  /** The hash of an entry that follows on `before`, when its author signed that. */
  #verified(dataset: DatasetId, { author, sequence, body, signature }: LogEntry, before: Uint8Array): Hash | undefined {
    const hash = this.#entryHash(dataset, author, sequence, before, body);
    return this.#crypto.ed25519Verify(identifierToBytes(author), hash, signature) ? hash : undefined;
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

function unsigned({ author, sequence }: LogEntry): Outcome<never> {
  return failure('LOG_SIGNATURE', 'peer', `entry ${sequence} of ${author} is not signed by its author`);
}

function tooManyBranches({ author }: LogEntry): Outcome<never> {
  return failure('LOG_FORKED', 'peer', `the log of ${author} forked more often, or farther, than is kept`);
}
