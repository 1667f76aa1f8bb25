import { invariant } from '../core/assert.ts';
import { GodwitError } from '../core/errors.ts';
import type { Catalog, SqlValue } from '../ports/catalog.ts';
import { openSqliteCatalog } from '../runtime/sqlite-catalog.ts';

/**
 * The catalog of a simulated computer: the real SQL on an in-memory database, with what a disk and its power do to it.
 *
 * The computer keeps it; every run of the process opens it anew. A run whose power has failed cannot read or write it any more, whatever of its code still goes on, and what it had in an open transaction
 * is undone: exactly what SQLite promises after a power cut with `synchronous=FULL`.
 */

/** Every row of every table, as they were when the backup was made. */
export type CatalogBackup = readonly { readonly table: string; readonly rows: readonly Readonly<Record<string, SqlValue>>[] }[];

/** What a computer's catalog is like at the moment; the simulator changes it while the node runs. */
export interface CatalogFaults {
  /** Nothing can be written: the disk is full. What is read is not affected. */
  isFull: boolean;
}

/** The catalog as a disk holds it, for the computer and for checkers. */
export class SimulatedCatalog {
  /** Read and written by nobody but checkers and tests: the disk itself. */
  readonly disk: Catalog = openSqliteCatalog(':memory:');
  readonly faults: CatalogFaults = { isFull: false };

  /** The catalog for one run of the process. `onWrite` is told of every statement that changes something, before it does. */
  open(onWrite: () => void): OpenCatalog {
    return new OpenCatalog(this.disk, this.faults, onWrite);
  }

  /** A copy of everything, as a backup programme makes it while the node stands still. */
  backup(): CatalogBackup {
    return copyOf(this.disk);
  }

  /** Puts a backup in the place of what is there. No run may be open. */
  restore(backup: CatalogBackup): void {
    setBack(this.disk, backup);
  }
}

/** Every row of a catalog. */
export function copyOf(catalog: Catalog): CatalogBackup {
  return tablesOf(catalog).map((table) => ({ table, rows: catalog.all<Record<string, SqlValue>>(`SELECT * FROM "${table}"`) }));
}

/** Makes a catalog hold these rows and no others. */
export function setBack(catalog: Catalog, backup: CatalogBackup): void {
  catalog.transaction(() => {
    catalog.run('PRAGMA defer_foreign_keys = ON');
    for (const table of tablesOf(catalog)) catalog.run(`DELETE FROM "${table}"`);
    for (const { table, rows } of backup) {
      for (const row of rows) {
        const columns = Object.keys(row);
        const names = columns.map((column) => `"${column}"`).join(', ');
        const places = columns.map(() => '?').join(', ');
        catalog.run(`INSERT INTO "${table}" (${names}) VALUES (${places})`, ...(Object.values(row) as SqlValue[]));
      }
    }
  });
}

/** What a program keeps in a catalog; its version of the tables themselves stays. */
function tablesOf(catalog: Catalog): string[] {
  const rows = catalog.all<{ name: string }>("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'");
  return rows.map(({ name }) => name).filter((name) => name !== 'schema_steps');
}

/** The catalog in the hands of one run. */
export class OpenCatalog implements Catalog {
  readonly #disk: Catalog;
  readonly #faults: CatalogFaults;
  readonly #onWrite: () => void;
  #isLost = false;
  /** Transactions open now, one inside the other. */
  depth = 0;

  constructor(disk: Catalog, faults: CatalogFaults, onWrite: () => void) {
    this.#disk = disk;
    this.#faults = faults;
    this.#onWrite = onWrite;
  }

  /** The power has failed: nothing is read or written any more, and what is open is undone. */
  powerCut(): void {
    this.#isLost = true;
  }

  migrate(...parameters: Parameters<Catalog['migrate']>): void {
    this.#check();
    this.#disk.migrate(...parameters);
  }

  run(...parameters: Parameters<Catalog['run']>): number {
    this.#check();
    this.#onWrite();
    this.#check();
    if (this.#faults.isFull)
      throw new GodwitError('DISK_FULL', 'the simulated disk has no space left for the catalog', { retryable: true });
    return this.#disk.run(...parameters);
  }

  get<Row>(...parameters: Parameters<Catalog['get']>): Row | undefined {
    this.#check();
    return this.#disk.get<Row>(...parameters);
  }

  all<Row>(...parameters: Parameters<Catalog['all']>): Row[] {
    this.#check();
    return this.#disk.all<Row>(...parameters);
  }

  iterate<Row>(...parameters: Parameters<Catalog['iterate']>): IterableIterator<Row> {
    this.#check();
    return this.#disk.iterate<Row>(...parameters);
  }

  transaction<T>(work: () => T): T {
    this.#check();
    this.depth++;
    try {
      return this.#disk.transaction(() => {
        const result = work();
        this.#check();
        return result;
      });
    } finally {
      this.depth--;
    }
  }

  /** The process has let go of it; the computer keeps it. */
  close(): void {
    invariant(this.depth === 0, 'the catalog is closed within a transaction');
  }

  #check(): void {
    if (this.#isLost) throw new GodwitError('STORAGE_FAILED', 'the power of this computer has failed', { retryable: true });
  }
}
