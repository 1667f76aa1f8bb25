import { concatBytes } from '../core/bytes.ts';
import { type DatasetId, type Hash, identifierBytes, identifierToBytes } from '../core/identifiers.ts';
import type { Catalog, Schema } from '../ports/catalog.ts';

/**
 * What is already here of contents that are not complete: the plan they arrive by, the groups that are stored, and the beginning of the group that is under way. A transfer that was cut
 * off, by a link or by a power cut, goes on from this, with the same peer or another.
 */

/** The tables of transfers that were begun. */
export const transferJournalSchema: Schema = {
  component: 'transfers',
  steps: [
    `CREATE TABLE transfer_plan (root BLOB PRIMARY KEY, plan BLOB NOT NULL, bases BLOB NOT NULL) STRICT, WITHOUT ROWID;
     CREATE TABLE transfer_group (
       root BLOB NOT NULL,
       number INTEGER NOT NULL,
       hashes BLOB NOT NULL,
       PRIMARY KEY (root, number)
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE transfer_part (
       root BLOB NOT NULL,
       object INTEGER NOT NULL,
       offset INTEGER NOT NULL,
       bytes BLOB NOT NULL,
       PRIMARY KEY (root, object, offset)
     ) STRICT, WITHOUT ROWID;`,
    `CREATE TABLE transfer_base (root BLOB PRIMARY KEY, dataset BLOB NOT NULL, path TEXT NOT NULL) STRICT, WITHOUT ROWID;
     CREATE INDEX transfer_base_by_path ON transfer_base (dataset, path);`,
  ],
};

/** Bytes of an average chunk; those of contents above some gigabytes are larger. */
const meanChunkBytes = 65_536;

/** The journal, in the catalog. Synchronous; part of the caller's transaction. */
export class TransferJournal {
  readonly #catalog: Catalog;

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
    catalog.migrate(transferJournalSchema);
  }

  /** The plan object that a content is arriving by, and the bases it was asked for with. */
  plan(root: Hash): { readonly planObject: Uint8Array; readonly bases: readonly Hash[] } | undefined {
    const row = this.#catalog.get<{ plan: Uint8Array; bases: Uint8Array }>('SELECT plan, bases FROM transfer_plan WHERE root = ?', root);
    return row && { planObject: row.plan, bases: splitHashes(row.bases) };
  }

  /** The contents that were begun and are not complete. */
  roots(): Hash[] {
    return this.#catalog
      .all<{ root: Uint8Array }>(
        `SELECT root FROM transfer_plan UNION SELECT root FROM transfer_group UNION SELECT root FROM transfer_part
         UNION SELECT root FROM transfer_base`,
      )
      .map((row) => row.root as Hash);
  }

  /** Begins a content with a plan; what was here by another plan is dropped (its chunks stay in their packs). */
  begin(root: Hash, planObject: Uint8Array, bases: readonly Hash[]): void {
    this.#drop(root);
    this.#catalog.run('INSERT INTO transfer_plan (root, plan, bases) VALUES (?, ?, ?)', root, planObject, concatBytes(...bases));
  }

  /** A group is stored: the hashes of its chunks. Its beginning is no longer needed. */
  addGroup(root: Hash, group: number, hashes: readonly Hash[]): void {
    this.#catalog.run('INSERT OR REPLACE INTO transfer_group (root, number, hashes) VALUES (?, ?, ?)', root, group, concatBytes(...hashes));
    this.#catalog.run('DELETE FROM transfer_part WHERE root = ? AND object = ?', root, group + 1);
  }

  /** Numbers of the groups that are stored, ascending. */
  groups(root: Hash): number[] {
    return this.#catalog
      .all<{ number: number }>('SELECT number FROM transfer_group WHERE root = ? ORDER BY number', root)
      .map((row) => row.number);
  }

  /** Hashes of all stored chunks, group by group. */
  hashes(root: Hash): Hash[] {
    return this.#catalog
      .all<{ hashes: Uint8Array }>('SELECT hashes FROM transfer_group WHERE root = ? ORDER BY number', root)
      .flatMap((row) => splitHashes(row.hashes));
  }

  /** Appends to the beginning of an object that is still under way. */
  addPart(root: Hash, object: number, offset: number, bytes: Uint8Array): void {
    this.#catalog.run(
      'INSERT OR REPLACE INTO transfer_part (root, object, offset, bytes) VALUES (?, ?, ?, ?)',
      root,
      object,
      offset,
      bytes,
    );
  }

  /** How much of a content of this size is here, about: chunks are counted, not weighed. */
  arrivedBytes(root: Hash, sizeBytes: number): number {
    const sum = (sql: string): number => this.#catalog.get<{ n: number | null }>(sql, root)?.n ?? 0;
    const chunks = sum('SELECT sum(length(hashes)) AS n FROM transfer_group WHERE root = ?') / identifierBytes;
    return Math.min(sizeBytes, chunks * meanChunkBytes + sum('SELECT sum(length(bytes)) AS n FROM transfer_part WHERE root = ?'));
  }

  /** The objects of a content whose beginnings are here, without gaps. */
  parts(root: Hash): { readonly object: number; readonly bytes: Uint8Array }[] {
    const beginningByObject = new Map<number, { readonly pieces: Uint8Array[]; lengthBytes: number }>();
    for (const row of this.#catalog.all<{ object: number; offset: number; bytes: Uint8Array }>(
      'SELECT object, offset, bytes FROM transfer_part WHERE root = ? ORDER BY object, offset',
      root,
    )) {
      const beginning = beginningByObject.get(row.object) ?? { pieces: [], lengthBytes: 0 };
      if (row.offset !== beginning.lengthBytes) continue;
      beginning.pieces.push(row.bytes);
      beginning.lengthBytes += row.bytes.length;
      beginningByObject.set(row.object, beginning);
    }
    return [...beginningByObject].map(([object, { pieces }]) => ({ object, bytes: concatBytes(...pieces) }));
  }

  /** How much of the beginning of one object is here, in bytes. */
  partBytes(root: Hash, object: number): number {
    return (
      this.#catalog.get<{ n: number | null }>(
        'SELECT sum(length(bytes)) AS n FROM transfer_part WHERE root = ? AND object = ?',
        root,
        object,
      )?.n ?? 0
    );
  }

  /** Drops the beginning of one object. */
  dropParts(root: Hash, object: number): void {
    this.#catalog.run('DELETE FROM transfer_part WHERE root = ? AND object = ?', root, object);
  }

  /** This content was superseded on a path, and is fetched to its end all the same: as the base of what replaced it. */
  finishAsBase(root: Hash, dataset: DatasetId, path: string): void {
    this.#catalog.run(
      'INSERT OR REPLACE INTO transfer_base (root, dataset, path) VALUES (?, ?, ?)',
      root,
      identifierToBytes(dataset),
      path,
    );
  }

  /** Superseded contents that are fetched as bases of what stands at a path. */
  basesUnderWay(dataset: DatasetId, path: string): Hash[] {
    return this.#catalog
      .all<{ root: Uint8Array }>('SELECT root FROM transfer_base WHERE dataset = ? AND path = ?', identifierToBytes(dataset), path)
      .map((row) => row.root as Hash);
  }

  /** Drops what is here of contents that nobody wants any more, superseded before they were complete. Called on opening. */
  retain(isWanted: (root: Hash) => boolean): void {
    for (const root of this.roots()) if (!isWanted(root)) this.forget(root);
  }

  /** The content is complete, or given up. */
  forget(root: Hash): void {
    this.#drop(root);
    this.#catalog.run('DELETE FROM transfer_base WHERE root = ?', root);
  }

  #drop(root: Hash): void {
    this.#catalog.run('DELETE FROM transfer_plan WHERE root = ?', root);
    this.#catalog.run('DELETE FROM transfer_group WHERE root = ?', root);
    this.#catalog.run('DELETE FROM transfer_part WHERE root = ?', root);
  }
}

function splitHashes(joined: Uint8Array): Hash[] {
  return Array.from(
    { length: joined.length / identifierBytes },
    (_, index) => joined.slice(index * identifierBytes, (index + 1) * identifierBytes) as Hash,
  );
}
