import { concatBytes, equalBytes, utf8 } from '../core/bytes.ts';
import { type DatasetId, type Hash, identifier, identifierToBytes, type NodeId } from '../core/identifiers.ts';
import { limits } from '../core/limits.ts';
import { failure, type Outcome, success } from '../core/outcome.ts';
import type { Catalog, Schema } from '../ports/catalog.ts';
import type { Crypto } from '../ports/crypto.ts';
import type { ForkStatement } from './fork-statement.ts';
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
    // Hashes of some entries, so that whoever sends entries that fit nowhere costs little.
    `ALTER TABLE log_entry ADD COLUMN hash BLOB;
     ALTER TABLE log_branch_entry ADD COLUMN hash BLOB;
     CREATE TABLE log_statement (
       log INTEGER NOT NULL REFERENCES log (id),
       sequence INTEGER NOT NULL,
       after INTEGER NOT NULL,
       branch BLOB NOT NULL,
       first INTEGER NOT NULL,
       last INTEGER NOT NULL,
       place INTEGER NOT NULL,
       PRIMARY KEY (log, sequence)
     ) STRICT, WITHOUT ROWID;`,
  ],
};

/** An entry's hash is kept with it when its number is a multiple of this, or it is as long as that: no more has to be hashed again to find that of an entry in the middle. */
const hashedEntriesApart = 64;
const hashedBytesMin = 16 * 1024;

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

  /** The entries of a branch, in order, from one on up to another. */
  readBranch(author: NodeId, branch: LogBranch, from?: number, to?: number): BranchEntry[] {
    return this.#branches.read(branch, author, from, to);
  }

  /** True when the author has not written all entries of a branch anew. */
  hasUnwritten(branch: LogBranch): boolean {
    return this.#branches.hasUnwritten(branch);
  }

  /** Notes what an entry of our copy of a log says about a branch. */
  noteStatement(dataset: DatasetId, author: NodeId, sequence: number, { after, branch, from, to, as }: ForkStatement): void {
    const log = this.#find(dataset, author);
    if (log === undefined) return;
    this.noteDeparture(dataset, author, after);
    this.#catalog.run('INSERT OR REPLACE INTO log_statement VALUES (?, ?, ?, ?, ?, ?, ?)', log.id, sequence, after, branch, from, to, as);
  }

  /** Entries of our copy of a log that speak of a branch: of the one that departs behind `after` and has this name (`branchName`). */
  statementsAbout(dataset: DatasetId, author: NodeId, after: number, branch: Uint8Array): ForkStatement[] {
    return this.#catalog
      .all<{ first: number; last: number; place: number }>(
        `SELECT first, last, place FROM log JOIN log_statement ON log_statement.log = log.id
         WHERE dataset = ? AND author = ? AND after = ? AND branch = ? ORDER BY sequence LIMIT ?`,
        identifierToBytes(dataset),
        identifierToBytes(author),
        after,
        branch,
        limits.statementsPerBranchMax,
      )
      .map(({ first, last, place }) => ({ after, branch, from: first, to: last, as: place }));
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

  /** Gives up what our copy of a log has behind the place where a branch departs, for the branch. What was given up is a branch from then on, whose number is given: of the author's own, with `isOwn`. */
  adopt(dataset: DatasetId, author: NodeId, branch: LogBranch, isOwn: boolean): number {
    return this.#catalog.transaction(() => {
      const log = this.#open(dataset, author);
      this.#catalog.run('DELETE FROM log_statement WHERE log = ? AND sequence > ?', log.id, branch.after);
      return this.#branches.exchange(log.id, branch, log, isOwn);
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
      'INSERT INTO log_entry (log, sequence, body, signature, hash) VALUES (?, ?, ?, ?, ?)',
      log,
      sequence,
      entry.body,
      entry.signature,
      isHashKept(sequence, entry.body) ? hash : null,
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
      if (!hasRoom(branches, entry.body.length)) return tooManyBranches(entry);
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
    if (!hasRoom(this.#branches.of(log.id), entry.body.length)) return tooManyBranches(entry);
    const branch = this.#branches.begin(log.id, entry.sequence - 1, before, false);
    if (branch === undefined) return tooManyBranches(entry);
    this.#branches.append(branch, hash, entry);
    return success('forked');
  }

  /** Begins a branch with an entry that follows on one in the middle of another branch; `undefined` when it does not. */
  #branchOff(dataset: DatasetId, log: LogRow | undefined, entry: LogEntry): Outcome<'branched'> | undefined {
    if (log === undefined || log.forked === forkStates.never) return undefined;
    const last = entry.sequence - 1;
    const branches = this.#branches.of(log.id);
    for (const branch of branches) {
      if (last <= branch.after || last >= branch.length) continue;
      const before = this.#hashWithin(dataset, log.id, entry.author, branch, last);
      const hash = this.#verified(dataset, entry, before);
      if (hash === undefined) continue;
      if (!hasRoom(branches, branch.bytes + entry.body.length)) return tooManyBranches(entry);
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

  /** Hash of an entry in the middle of a log, by walking from one whose hash is kept. Only forks need it. */
  #hashAt(dataset: DatasetId, log: number, author: NodeId, sequence: number): Uint8Array {
    const kept = this.#catalog.get<{ sequence: number; hash: Uint8Array }>(
      'SELECT sequence, hash FROM log_entry WHERE log = ? AND sequence <= ? AND hash IS NOT NULL ORDER BY sequence DESC LIMIT 1',
      log,
      sequence,
    );
    let hash = kept?.hash ?? noHash;
    for (let at = (kept?.sequence ?? 0) + 1; at <= sequence; at += hashedEntriesApart) {
      const page = this.#catalog.all<{ sequence: number; body: Uint8Array }>(
        'SELECT sequence, body FROM log_entry WHERE log = ? AND sequence BETWEEN ? AND ? ORDER BY sequence',
        log,
        at,
        Math.min(sequence, at + hashedEntriesApart - 1),
      );
      for (const row of page) {
        hash = this.#entryHash(dataset, author, row.sequence, hash, row.body);
        // An entry that came from a branch, or was stored before hashes were, has none yet.
        if (isHashKept(row.sequence, row.body))
          this.#catalog.run('UPDATE log_entry SET hash = ? WHERE log = ? AND sequence = ?', hash, log, row.sequence);
      }
    }
    return hash;
  }

  /** Hash of an entry in the middle of a branch. */
  #hashWithin(dataset: DatasetId, log: number, author: NodeId, branch: LogBranch, last: number): Uint8Array {
    const kept = this.#branches.hashBefore(branch, last);
    let hash = kept?.hash ?? this.#hashAt(dataset, log, author, branch.after);
    for (let at = (kept?.sequence ?? branch.after) + 1; at <= last; at++) {
      const [entry] = this.#branches.read(branch, author, at, at);
      if (entry === undefined) break;
      hash = this.#entryHash(dataset, author, at, hash, entry.body);
      this.#branches.keepHash(branch, at, hash);
    }
    return hash;
  }

  #entryHash(dataset: DatasetId, author: NodeId, sequence: number, before: Uint8Array, body: Uint8Array): Hash {
    const position = new Uint8Array(8);
    new DataView(position.buffer).setBigUint64(0, BigInt(sequence));
    return this.#crypto.sha256(concatBytes(domain, identifierToBytes(dataset), identifierToBytes(author), position, before, body)) as Hash;
  }
}

function isHashKept(sequence: number, body: Uint8Array): boolean {
  return sequence % hashedEntriesApart === 0 || body.length >= hashedBytesMin;
}

/** True when the branches of a log, without those that its author gave up itself, may have so many bytes more. */
function hasRoom(branches: readonly LogBranch[], bytes: number): boolean {
  return branches.reduce((sum, branch) => sum + (branch.isOwn ? 0 : branch.bytes), bytes) <= limits.branchBytesMax;
}

function unsigned({ author, sequence }: LogEntry): Outcome<never> {
  return failure('LOG_SIGNATURE', 'peer', `entry ${sequence} of ${author} is not signed by its author`);
}

function tooManyBranches({ author }: LogEntry): Outcome<never> {
  return failure('LOG_FORKED', 'peer', `the log of ${author} forked more often, or farther, than is kept`);
}
