import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { invariant } from '../core/assert.ts';
import { GodwitError } from '../core/errors.ts';
import type { Catalog, Schema, SqlValue } from '../ports/catalog.ts';
import { makeDirectory } from './durable-directory.ts';
import { storageError } from './storage-faults.ts';

/**
 * The catalog on SQLite (`node:sqlite`).
 *
 * One process, one connection. The connection holds SQLite's exclusive lock for as long as the catalog is open (`locking_mode=EXCLUSIVE`), so that two agents never work in the same
 * directory; the operating system drops the lock with the process, however that ends. The same mode keeps the write-ahead log's index in memory, which spares the shared-memory
 * file that some network and Android file systems cannot map. Beware of one trap of POSIX locks: a process that opens and closes the database file by other means (a copy made for a
 * backup, say) drops its own lock.
 *
 * `journal_mode=WAL` with `synchronous=FULL` syncs the log on every commit: a transaction that returned survives a power cut, one that did not is gone entirely.
 *
 * A catalog that storage has damaged is refused: always when the file is no database, is cut short or belongs to another program, up to `checkedOnOpeningBytesMax` when its b-trees
 * are inconsistent, and beyond that size when a statement first meets the damage. A bit that flips inside a value is not SQLite's to see; what matters in the catalog is signed
 * or named by its hash, and is verified where it is used.
 */

/** `GDWT`, in the database header: tells a catalog from any other SQLite file. */
const applicationId = 0x47445754;
/** Version of what this file itself lays down (`schema_steps`); the components' tables have their own steps. */
const layoutVersion = 1;
/** How long another process may hold the catalog before it counts as taken: enough for an agent that is just being restarted. */
const busyTimeoutMs = 1000;
/** Prepared statements kept. A statement costs a few kilobytes; the least recently used goes first. */
const statementsMax = 256;
/** A catalog up to this size is walked on opening (about 0.1 s for 100 MB from memory, 5 s for 100 MB from a slow SD card). */
const checkedOnOpeningBytesMax = 64 * 1024 * 1024;
/** Pages kept in memory. Hashes are keys in no order, so a publication of many files touches most pages of a table again and again. */
const cacheBytes = 32 * 1024 * 1024;
/** The log is carried over into the file whenever it has this many pages (32 MiB): a page that was written many times since is written once. */
const checkpointPages = 8192;
/** A large transaction may grow the log beyond this; the next checkpoint cuts it back. */
const logBytesMax = 64 * 1024 * 1024;

/** SQLite's primary result codes that say something about the machine rather than about the statement (sqlite.org/rescode.html). */
const sqlite = {
  perm: 3,
  busy: 5,
  locked: 6,
  readOnly: 8,
  ioError: 10,
  corrupt: 11,
  full: 13,
  cannotOpen: 14,
  auth: 23,
  notDatabase: 26,
} as const;

/** The primary result code of an error that SQLite raised, or `undefined` for any other error. */
function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined;
  return error.errcode & 0xff;
}

/** SQLite's errors about the machine in the words of `docs/errors.md`. Anything else (a mistake in a statement, a violated constraint) is the caller's and stays as it is. */
function translated(error: unknown, path: string): unknown {
  switch (resultCode(error)) {
    case sqlite.busy:
    case sqlite.locked:
      return new GodwitError(
        'CATALOG_LOCKED',
        `${path} is in use by another process: stop the other agent, or give this one its own directory`,
        {
          retryable: true,
          cause: error,
        },
      );
    case sqlite.corrupt:
    case sqlite.notDatabase:
      return damaged(path, 'is not a usable SQLite database', error);
    case sqlite.full:
      return new GodwitError('DISK_FULL', `no space left for ${path}: free some space and try again`, { retryable: true, cause: error });
    case sqlite.perm:
    case sqlite.readOnly:
    case sqlite.cannotOpen:
    case sqlite.auth:
      return new GodwitError('DIRECTORY_UNWRITABLE', `${path} cannot be written: let this user write to the directory, or choose another`, {
        cause: error,
      });
    case sqlite.ioError:
      return new GodwitError('STORAGE_FAILED', `reading or writing ${path} failed: check the disk`, { retryable: true, cause: error });
    default:
      return error;
  }
}

function damaged(path: string, what: string, cause?: unknown): GodwitError {
  return new GodwitError(
    'CATALOG_DAMAGED',
    `${path} ${what}: move the directory aside and let the node fetch its data anew from its team`,
    {
      cause,
    },
  );
}

/** Integers are bound as integers: SQLite would otherwise take every JavaScript number for a float, and `?1 / 2` or `typeof(?1)` would surprise. */
function bound(parameters: readonly SqlValue[]): SqlValue[] {
  return parameters.map((value) => (Number.isSafeInteger(value) ? BigInt(value as number) : value));
}

/** Integers leave SQLite as bigint, which none is too large for; those that are safe become numbers here. */
function withSafeIntegers<Row>(row: Record<string, SqlValue>): Row {
  for (const column in row) {
    const value = row[column];
    if (typeof value === 'bigint' && value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER) row[column] = Number(value);
  }
  return row as Row;
}

interface Prepared {
  readonly statement: StatementSync;
  used: number;
}

class SqliteCatalog implements Catalog {
  readonly #path: string;
  readonly #database: DatabaseSync;
  readonly #statementByText = new Map<string, Prepared>();
  /** Counts the uses of statements: the order in which they were used last. */
  #uses = 0;
  #depth = 0;
  #openIterations = 0;
  /** Set when SQLite itself has rolled the transaction back (a full disk, for one): what follows in it would be committed piecemeal, so nothing may follow. */
  #aborted: unknown;

  constructor(path: string) {
    this.#path = path;
    try {
      if (path !== ':memory:') makeDirectory(dirname(resolve(path)));
    } catch (error) {
      throw storageError(error, `create the directory of ${path}`);
    }
    try {
      this.#database = new DatabaseSync(path, { timeout: busyTimeoutMs, enableForeignKeyConstraints: true });
    } catch (error) {
      throw translated(error, path);
    }
    try {
      this.#takePossession();
    } catch (error) {
      this.#database.close();
      throw translated(error, path);
    }
  }

  /** Locks the file, makes sure that it is a catalog, and lays down what a new one lacks. Nothing is written before it is known to be ours. */
  #takePossession(): void {
    this.#database.exec('PRAGMA locking_mode = EXCLUSIVE');
    this.#database.exec(`PRAGMA journal_size_limit = ${logBytesMax}`);
    this.#database.exec('PRAGMA synchronous = FULL');
    this.#database.exec(`PRAGMA cache_size = -${cacheBytes / 1024}`);
    this.#database.exec(`PRAGMA wal_autocheckpoint = ${checkpointPages}`);
    this.#database.exec('BEGIN EXCLUSIVE; COMMIT');

    const isNew = this.#pragma('schema_version') === 0;
    if (!isNew && this.#pragma('application_id') !== applicationId) throw damaged(this.#path, 'is not a catalog of this program');
    const version = this.#pragma('user_version');
    if (version > layoutVersion) throw newer(`${this.#path} has layout ${version}`);
    if (!isNew && this.#path !== ':memory:' && statSync(this.#path).size <= checkedOnOpeningBytesMax) {
      const verdict = this.#database.prepare('PRAGMA quick_check(1)').get()?.quick_check;
      if (verdict !== 'ok') throw damaged(this.#path, `is inconsistent (${verdict})`);
    }

    this.#database.exec('PRAGMA journal_mode = WAL');
    if (!isNew) return;
    this.#database.exec(`
      BEGIN;
      PRAGMA application_id = ${applicationId};
      PRAGMA user_version = ${layoutVersion};
      CREATE TABLE schema_steps (component TEXT PRIMARY KEY, steps INTEGER NOT NULL) STRICT, WITHOUT ROWID;
      COMMIT`);
  }

  #pragma(name: 'application_id' | 'schema_version' | 'user_version'): number {
    return Number(this.#database.prepare(`PRAGMA ${name}`).get()?.[name]);
  }

  migrate(schema: Schema): void {
    invariant(this.#openIterations === 0, 'the catalog was migrated while an iteration over it is open');
    const { component, steps } = schema;
    this.transaction(() => {
      const done = this.get<{ steps: number }>('SELECT steps FROM schema_steps WHERE component = ?', component)?.steps ?? 0;
      if (done > steps.length) throw newer(`component ${component} in ${this.#path} has ${done} steps where ${steps.length} are known`);
      for (const step of steps.slice(done)) this.#attempt(() => this.#database.exec(step));
      if (done < steps.length) this.run('INSERT OR REPLACE INTO schema_steps (component, steps) VALUES (?, ?)', component, steps.length);
    });
  }

  run(sql: string, ...parameters: readonly SqlValue[]): number {
    invariant(this.#openIterations === 0, 'the catalog was written while an iteration over it is open');
    return this.#attempt(() => Number(this.#statement(sql).run(...bound(parameters)).changes));
  }

  get<Row>(sql: string, ...parameters: readonly SqlValue[]): Row | undefined {
    const row = this.#attempt(() => this.#statement(sql).get(...bound(parameters)));
    return row === undefined ? undefined : withSafeIntegers<Row>(row as Record<string, SqlValue>);
  }

  all<Row>(sql: string, ...parameters: readonly SqlValue[]): Row[] {
    const rows = this.#attempt(() => this.#statement(sql).all(...bound(parameters)));
    return rows.map((row) => withSafeIntegers<Row>(row as Record<string, SqlValue>));
  }

  *iterate<Row>(sql: string, ...parameters: readonly SqlValue[]): IterableIterator<Row> {
    // The statement is taken out of the cache meanwhile: running the same text again would start this iteration over.
    const statement = this.#attempt(() => this.#statement(sql));
    this.#statementByText.delete(sql);
    this.#openIterations++;
    const rows = this.#attempt(() => statement.iterate(...bound(parameters)));
    try {
      for (;;) {
        const next = this.#attempt(() => rows.next());
        if (next.done === true) return;
        yield withSafeIntegers<Row>(next.value as Record<string, SqlValue>);
      }
    } finally {
      rows.return?.();
      this.#openIterations--;
      this.#keep(sql, statement);
    }
  }

  transaction<T>(work: () => T): T {
    const savepoint = this.#depth === 0 ? undefined : `level_${this.#depth}`;
    this.#attempt(() => this.#database.exec(savepoint === undefined ? 'BEGIN IMMEDIATE' : `SAVEPOINT ${savepoint}`));
    this.#depth++;
    try {
      const result = work();
      invariant(!(result instanceof Promise), 'a transaction ends when its function returns, so the function must not be asynchronous');
      this.#attempt(() => this.#database.exec(savepoint === undefined ? 'COMMIT' : `RELEASE ${savepoint}`));
      return result;
    } catch (error) {
      this.#undo(savepoint);
      throw error;
    } finally {
      this.#depth--;
      if (this.#depth === 0) this.#aborted = undefined;
    }
  }

  /** Undoes a transaction or the inner part of one, unless SQLite did so already. */
  #undo(savepoint: string | undefined): void {
    if (!this.#database.isTransaction) return;
    this.#database.exec(savepoint === undefined ? 'ROLLBACK' : `ROLLBACK TO ${savepoint}; RELEASE ${savepoint}`);
  }

  close(): void {
    if (!this.#database.isOpen) return;
    this.#statementByText.clear();
    this.#database.close();
  }

  /** Calls SQLite, with its errors translated, and with none of it in a transaction that is gone. */
  #attempt<T>(call: () => T): T {
    if (this.#aborted !== undefined) throw this.#aborted;
    try {
      return call();
    } catch (error) {
      const reason = translated(error, this.#path);
      if (this.#depth > 0 && !this.#database.isTransaction) this.#aborted = reason;
      throw reason;
    }
  }

  #statement(sql: string): StatementSync {
    const known = this.#statementByText.get(sql);
    if (known !== undefined) {
      known.used = ++this.#uses;
      return known.statement;
    }
    const statement = this.#database.prepare(sql);
    statement.setReadBigInts(true);
    this.#keep(sql, statement);
    return statement;
  }

  /** Keeps a prepared statement as the one used last. */
  #keep(sql: string, statement: StatementSync): void {
    this.#statementByText.set(sql, { statement, used: ++this.#uses });
    if (this.#statementByText.size <= statementsMax) return;
    let oldest = sql;
    let oldestUse = Infinity;
    for (const [text, { used }] of this.#statementByText) {
      if (used >= oldestUse) continue;
      oldest = text;
      oldestUse = used;
    }
    this.#statementByText.delete(oldest);
  }
}

function newer(what: string): GodwitError {
  return new GodwitError('CATALOG_NEWER', `${what}: it was written by a newer version, so run that version or newer on this directory`);
}

/**
 * Opens the catalog in this file, or makes a new one; missing parent directories are created. `:memory:` gives one that is gone when it is closed.
 *
 * Blocks for up to a second while another process holds the file. The result throws errors of statements and violated constraints as SQLite reports them, and those of the machine as
 * `GodwitError`: `DISK_FULL` and `STORAGE_FAILED` (retryable: the transaction is undone), `CATALOG_DAMAGED`.
 *
 * @throws GodwitError `CATALOG_LOCKED` (retryable), `CATALOG_DAMAGED`, `CATALOG_NEWER`, `DIRECTORY_UNWRITABLE`, `DISK_FULL`
 */
export function openSqliteCatalog(path: string): Catalog {
  return new SqliteCatalog(path);
}
