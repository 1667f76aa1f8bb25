import { equalBytes } from '../core/bytes.ts';
import type { NodeId } from '../core/identifiers.ts';
import { limits } from '../core/limits.ts';
import type { Catalog } from '../ports/catalog.ts';
import type { LogEntry, SignedEntry } from './log-entry.ts';

/**
 * Branches: entries that an author signed for positions at which our copy of its log has others. They come about when a computer is set back to a backup and writes before it hears what it had written since.
 *
 * They are kept beside the log, each with the entries that follow on it, until the author says that it has written them anew (`node/fork-resolution.ts`): nothing that somebody signed is thrown away
 * because it came second. The author itself keeps those that it gave up, and where each of their entries stands now.
 */

/** The tables of branches; steps of the schema of logs. */
export const branchTables = `CREATE TABLE log_branch (
       -- Never used again: an encounter remembers how far it has offered a branch.
       id INTEGER PRIMARY KEY AUTOINCREMENT,
       log INTEGER NOT NULL REFERENCES log (id),
       after INTEGER NOT NULL,
       length INTEGER NOT NULL,
       head BLOB NOT NULL,
       bytes INTEGER NOT NULL,
       own INTEGER NOT NULL
     ) STRICT;
     CREATE INDEX log_branch_by_log ON log_branch (log);
     CREATE TABLE log_branch_entry (
       branch INTEGER NOT NULL REFERENCES log_branch (id),
       sequence INTEGER NOT NULL,
       body BLOB NOT NULL,
       signature BLOB NOT NULL,
       rewritten_as INTEGER,
       PRIMARY KEY (branch, sequence)
     ) STRICT, WITHOUT ROWID;`;

/** A branch of a log. */
export interface LogBranch {
  readonly id: number;
  /** The last entry that it shares with our copy. */
  readonly after: number;
  /** Number of its last entry. */
  readonly length: number;
  readonly head: Uint8Array;
  /** Bytes of its entries' bodies that came. */
  readonly bytes: number;
  /** It was our copy once, and was given up for another: the author's way of knowing its own entries again. */
  readonly isOwn: boolean;
}

/** An entry of a branch; `rewrittenAs` is where its author has written it anew. */
export interface BranchEntry extends LogEntry {
  readonly rewrittenAs: number | undefined;
}

interface BranchRow {
  id: number;
  after: number;
  length: number;
  head: Uint8Array;
  bytes: number;
  own: number;
}

/** The branches of all logs. Synchronous; part of the caller's transaction. */
export class LogBranches {
  readonly #catalog: Catalog;

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
  }

  /** Branches of a log, the oldest first. */
  of(log: number): LogBranch[] {
    return this.#catalog
      .all<BranchRow>('SELECT id, after, length, head, bytes, own FROM log_branch WHERE log = ? ORDER BY id', log)
      .map(({ own, ...row }) => ({ ...row, isOwn: own === 1 }));
  }

  /** True when there is a branch of any log that its author has not settled as far as is known. */
  get areOpen(): boolean {
    return this.#catalog.get('SELECT 1 FROM log_branch WHERE own = 0 LIMIT 1') !== undefined;
  }

  /** Branches of the logs of a dataset that their authors have not settled as far as is known, with their authors (32 bytes). */
  open(dataset: Uint8Array): { readonly author: Uint8Array; readonly branch: LogBranch }[] {
    return this.#catalog
      .all<BranchRow & { author: Uint8Array }>(
        `SELECT log_branch.id, log_branch.after, log_branch.length, log_branch.head, bytes, own, author
         FROM log JOIN log_branch ON log_branch.log = log.id WHERE dataset = ? AND own = 0 ORDER BY log_branch.id`,
        dataset,
      )
      .map(({ author, own, ...row }) => ({ author, branch: { ...row, isOwn: own === 1 } }));
  }

  /** The author takes a branch for one that it gave up: it has nothing that is not to be written anew. */
  claim(branch: LogBranch): void {
    this.#catalog.run('UPDATE log_branch SET own = 1 WHERE id = ?', branch.id);
  }

  /** True when one of these branches has this entry. */
  has(branches: readonly LogBranch[], { sequence, body, signature }: LogEntry): boolean {
    return branches.some(({ id, after, length }) => {
      if (sequence <= after || sequence > length) return false;
      const row = this.#catalog.get<{ body: Uint8Array; signature: Uint8Array }>(
        'SELECT body, signature FROM log_branch_entry WHERE branch = ? AND sequence = ?',
        id,
        sequence,
      );
      return row !== undefined && equalBytes(row.signature, signature) && equalBytes(row.body, body);
    });
  }

  /** Begins a branch behind an entry; `undefined` when the log has as many as are kept. Those that its author gave up are not counted: nobody else can make them more. */
  begin(log: number, after: number, head: Uint8Array, isOwn: boolean): LogBranch | undefined {
    if (this.of(log).filter((branch) => !branch.isOwn).length >= limits.branchesPerLogMax) return undefined;
    this.#catalog.run(
      'INSERT INTO log_branch (log, after, length, head, bytes, own) VALUES (?, ?, ?, ?, 0, ?)',
      log,
      after,
      after,
      head,
      isOwn ? 1 : 0,
    );
    return this.of(log).at(-1);
  }

  /** Begins a branch that has the entries of another up to `last`, whose hash is `head`; `undefined` when the log has as many as are kept. */
  beginWithin(log: number, other: LogBranch, last: number, head: Uint8Array): LogBranch | undefined {
    const begun = this.begin(log, other.after, head, false);
    if (begun === undefined) return undefined;
    this.#catalog.run(
      'INSERT INTO log_branch_entry SELECT ?, sequence, body, signature, rewritten_as, hash FROM log_branch_entry WHERE branch = ? AND sequence <= ?',
      begun.id,
      other.id,
      last,
    );
    this.#catalog.run('UPDATE log_branch SET length = ? WHERE id = ?', last, begun.id);
    this.#countBytes(begun.id);
    return { ...begun, length: last };
  }

  /** Appends an entry whose signature has been verified, and whose hash is `head`. */
  append({ id, length }: LogBranch, head: Uint8Array, { body, signature }: SignedEntry): void {
    this.#catalog.run(
      'INSERT INTO log_branch_entry (branch, sequence, body, signature, hash) VALUES (?, ?, ?, ?, ?)',
      id,
      length + 1,
      body,
      signature,
      head,
    );
    this.#catalog.run('UPDATE log_branch SET length = ?, head = ?, bytes = bytes + ? WHERE id = ?', length + 1, head, body.length, id);
  }

  /** True when there are entries of a branch that its author has not written anew. */
  hasUnwritten(branch: LogBranch): boolean {
    return this.#catalog.get('SELECT 1 FROM log_branch_entry WHERE branch = ? AND rewritten_as IS NULL LIMIT 1', branch.id) !== undefined;
  }

  /** The last entry of a branch whose hash is known, of those up to one. */
  hashBefore(branch: LogBranch, last: number): { readonly sequence: number; readonly hash: Uint8Array } | undefined {
    return this.#catalog.get<{ sequence: number; hash: Uint8Array }>(
      'SELECT sequence, hash FROM log_branch_entry WHERE branch = ? AND sequence <= ? AND hash IS NOT NULL ORDER BY sequence DESC LIMIT 1',
      branch.id,
      last,
    );
  }

  keepHash(branch: LogBranch, sequence: number, hash: Uint8Array): void {
    this.#catalog.run('UPDATE log_branch_entry SET hash = ? WHERE branch = ? AND sequence = ?', hash, branch.id, sequence);
  }

  /** The entries of a branch, in order, from one on up to another. */
  read(branch: LogBranch, author: NodeId, from = 1, to = Number.MAX_SAFE_INTEGER): BranchEntry[] {
    return this.#catalog
      .all<{ sequence: number; body: Uint8Array; signature: Uint8Array; rewritten_as: number | null }>(
        'SELECT sequence, body, signature, rewritten_as FROM log_branch_entry WHERE branch = ? AND sequence BETWEEN ? AND ? ORDER BY sequence',
        branch.id,
        from,
        to,
      )
      .map(({ rewritten_as, ...entry }) => ({ ...entry, author, rewrittenAs: rewritten_as ?? undefined }));
  }

  /** Notes where the author has written an entry of a branch anew. */
  noteRewritten(branch: LogBranch, sequence: number, rewrittenAs: number): void {
    this.#catalog.run('UPDATE log_branch_entry SET rewritten_as = ? WHERE branch = ? AND sequence = ?', rewrittenAs, branch.id, sequence);
  }

  /** Drops a branch. */
  drop(branch: LogBranch): void {
    this.#catalog.run('DELETE FROM log_branch_entry WHERE branch = ?', branch.id);
    this.#catalog.run('DELETE FROM log_branch WHERE id = ?', branch.id);
  }

  /**
   * Moves a branch's entries to their place in our copy of a log, and what our copy has there into a branch of its own, whose number is given: an encounter may have offered a part of the other. Other branches depart
   * from where they leave the new copy then.
   */
  exchange(log: number, adopted: LogBranch, given: { readonly length: number; readonly head: Uint8Array }, isOwn: boolean): number {
    const { id, after } = adopted;
    const catalog = this.#catalog;
    const others = this.of(log).filter((other) => other.id !== id && !other.isOwn);
    for (const other of others) if (other.after > after) this.#lengthen(log, other, after);
    catalog.run(
      'INSERT INTO log_branch (log, after, length, head, bytes, own) VALUES (?, ?, ?, ?, 0, ?)',
      log,
      after,
      given.length,
      given.head,
      isOwn ? 1 : 0,
    );
    const givenId = (this.of(log).at(-1) as LogBranch).id;
    const taken = catalog.all<{ sequence: number; body: Uint8Array; signature: Uint8Array }>(
      'SELECT sequence, body, signature FROM log_branch_entry WHERE branch = ? ORDER BY sequence',
      id,
    );
    this.drop(adopted);
    catalog.run(
      'INSERT INTO log_branch_entry (branch, sequence, body, signature) SELECT ?, sequence, body, signature FROM log_entry WHERE log = ? AND sequence > ?',
      givenId,
      log,
      after,
    );
    catalog.run('DELETE FROM log_entry WHERE log = ? AND sequence > ?', log, after);
    for (const { sequence, body, signature } of taken)
      catalog.run('INSERT INTO log_entry (log, sequence, body, signature) VALUES (?, ?, ?, ?)', log, sequence, body, signature);
    catalog.run('UPDATE log SET length = ?, head = ? WHERE id = ?', adopted.length, adopted.head, log);
    for (const other of others) this.#shorten(log, other);
    if (!isOwn) this.#countBytes(givenId);
    return givenId;
  }

  /** Has a branch depart from our copy at an earlier entry: what our copy has up to where it departed is in the branch as well then. */
  #lengthen(log: number, branch: LogBranch, after: number): void {
    this.#catalog.run(
      'INSERT INTO log_branch_entry (branch, sequence, body, signature) SELECT ?, sequence, body, signature FROM log_entry WHERE log = ? AND sequence > ? AND sequence <= ?',
      branch.id,
      log,
      after,
      branch.after,
    );
    this.#catalog.run('UPDATE log_branch SET after = ? WHERE id = ?', after, branch.id);
    this.#countBytes(branch.id);
  }

  /** Takes the entries out of a branch with which our copy begins, too; nothing is left of one that our copy has as a whole. */
  #shorten(log: number, branch: LogBranch): void {
    const differing = this.#catalog.get<{ sequence: number }>(
      `SELECT of_branch.sequence FROM log_branch_entry AS of_branch LEFT JOIN log_entry ON log = ? AND log_entry.sequence = of_branch.sequence
       WHERE branch = ? AND log_entry.body IS NOT of_branch.body ORDER BY of_branch.sequence LIMIT 1`,
      log,
      branch.id,
    );
    if (differing === undefined) {
      this.drop(branch);
      return;
    }
    this.#catalog.run('DELETE FROM log_branch_entry WHERE branch = ? AND sequence < ?', branch.id, differing.sequence);
    this.#catalog.run('UPDATE log_branch SET after = ? WHERE id = ?', differing.sequence - 1, branch.id);
    this.#countBytes(branch.id);
  }

  #countBytes(branch: number): void {
    this.#catalog.run(
      'UPDATE log_branch SET bytes = (SELECT coalesce(sum(length(body)), 0) FROM log_branch_entry WHERE branch = id) WHERE id = ?',
      branch,
    );
  }
}
