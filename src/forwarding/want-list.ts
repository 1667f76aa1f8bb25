import { toHex } from '../core/bytes.ts';
import { type DatasetId, type Hash, identifierToBytes, type NodeId } from '../core/identifiers.ts';
import { type PriorityClass, priorityClasses } from '../core/priority.ts';
import type { Catalog, Schema } from '../ports/catalog.ts';

/**
 * What this node still lacks: one row for every (content, revision that brought it). Persistent, so that a node that was killed knows at once what to ask for.
 *
 * The most urgent class comes first, and within a class the smallest content: with a short contact ahead, the most objects finish. A content that nobody near has is skipped, not
 * waited for.
 */

/** The tables of contents that are wanted. */
export const wantListSchema: Schema = {
  component: 'wants',
  steps: [
    `CREATE TABLE want (
       root BLOB NOT NULL,
       dataset BLOB NOT NULL,
       author BLOB NOT NULL,
       sequence INTEGER NOT NULL,
       path TEXT NOT NULL,
       class INTEGER NOT NULL,
       size_bytes INTEGER NOT NULL,
       depth INTEGER NOT NULL,
       PRIMARY KEY (root, dataset, author, sequence, path)
     ) STRICT, WITHOUT ROWID;
     CREATE INDEX want_in_order ON want (class, size_bytes, root);
     CREATE INDEX want_by_log ON want (dataset, author, sequence);`,
  ],
};

/** A content that is wanted for a path of a dataset. */
export interface WantedContent {
  readonly root: Hash;
  readonly sizeBytes: number;
  readonly depth: number;
  readonly priority: PriorityClass;
  readonly dataset: DatasetId;
  readonly path: string;
  /** The log entry that named the content. Sequence 0, which no entry has: somebody here asked for it, and no receipt waits for it. */
  readonly author: NodeId;
  readonly sequence: number;
}

interface WantRow {
  root: Uint8Array;
  size_bytes: number;
  depth: number;
  class: number;
  dataset: Uint8Array;
  path: string;
  author: Uint8Array;
  sequence: number;
}

/** The list, in the catalog. Synchronous; part of the caller's transaction. */
export class WantList {
  readonly #catalog: Catalog;

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
    catalog.migrate(wantListSchema);
  }

  /** Adds a wanted content. Idempotent. */
  add(want: WantedContent): void {
    this.#catalog.run(
      'INSERT OR IGNORE INTO want (root, dataset, author, sequence, path, class, size_bytes, depth) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
      want.root,
      identifierToBytes(want.dataset),
      identifierToBytes(want.author),
      want.sequence,
      want.path,
      priorityClasses.indexOf(want.priority),
      want.sizeBytes,
      want.depth,
    );
  }

  /** The content has arrived, or is wanted no more. */
  remove(root: Hash): void {
    this.#catalog.run('DELETE FROM want WHERE root = ?', root);
  }

  /** Whoever asked for a content here gave up; what log entries want of it stays. */
  removeRequest(root: Hash): void {
    this.#catalog.run('DELETE FROM want WHERE root = ? AND sequence = 0', root);
  }

  /** A revision was superseded before its content arrived: nobody waits for it on that path any more. */
  removeRevision(dataset: DatasetId, author: NodeId, sequence: number, path: string): void {
    this.#catalog.run(
      'DELETE FROM want WHERE dataset = ? AND author = ? AND sequence = ? AND path = ?',
      identifierToBytes(dataset),
      identifierToBytes(author),
      sequence,
      path,
    );
  }

  /** Nobody waits for anything of this dataset any more. */
  removeDataset(dataset: DatasetId): void {
    this.#catalog.run('DELETE FROM want WHERE dataset = ?', identifierToBytes(dataset));
  }

  /** What is wanted of a dataset. */
  of(dataset: DatasetId): WantedContent[] {
    return this.#catalog.all<WantRow>('SELECT * FROM want WHERE dataset = ?', identifierToBytes(dataset)).map(wantFromRow);
  }

  /** What is wanted because of one log entry. */
  ofEntry(dataset: DatasetId, author: NodeId, sequence: number): WantedContent[] {
    return this.#catalog
      .all<WantRow>(
        'SELECT * FROM want WHERE dataset = ? AND author = ? AND sequence = ?',
        identifierToBytes(dataset),
        identifierToBytes(author),
        sequence,
      )
      .map(wantFromRow);
  }

  /** True while anybody waits for the content. */
  wants(root: Hash): boolean {
    return this.#catalog.get('SELECT 1 FROM want WHERE root = ?', root) !== undefined;
  }

  /** Up to `limit` wanted contents in the order to ask for them, without those whose root (hexadecimal) is in `except`. */
  next(limit: number, except: { has(root: string): boolean }): WantedContent[] {
    const chosen: WantedContent[] = [];
    const taken = new Set<string>();
    for (const row of this.#catalog.iterate<WantRow>('SELECT * FROM want ORDER BY class, size_bytes, root')) {
      const root = toHex(row.root);
      if (taken.has(root) || except.has(root)) continue;
      taken.add(root);
      chosen.push(wantFromRow(row));
      if (chosen.length === limit) break;
    }
    return chosen;
  }

  /** The first entry of a log whose content is not complete here, or `undefined` when all are. */
  firstIncomplete(dataset: DatasetId, author: NodeId): number | undefined {
    return (
      this.#catalog.get<{ first: number | null }>(
        'SELECT min(sequence) AS first FROM want WHERE dataset = ? AND author = ? AND sequence > 0',
        identifierToBytes(dataset),
        identifierToBytes(author),
      )?.first ?? undefined
    );
  }

  /** How many contents are wanted, and their bytes; of one dataset or of all. */
  outstanding(dataset?: DatasetId): { readonly contents: number; readonly bytes: number } {
    const rows =
      dataset === undefined
        ? this.#catalog.get<{ n: number; bytes: number | null }>(
            'SELECT count(*) AS n, sum(size_bytes) AS bytes FROM (SELECT DISTINCT root, size_bytes FROM want)',
          )
        : this.#catalog.get<{ n: number; bytes: number | null }>(
            'SELECT count(*) AS n, sum(size_bytes) AS bytes FROM (SELECT DISTINCT root, size_bytes FROM want WHERE dataset = ?)',
            identifierToBytes(dataset),
          );
    return { contents: rows?.n ?? 0, bytes: rows?.bytes ?? 0 };
  }
}

function wantFromRow(row: WantRow): WantedContent {
  return {
    root: row.root as Hash,
    sizeBytes: row.size_bytes,
    depth: row.depth,
    priority: priorityClasses[row.class] as PriorityClass,
    dataset: toHex(row.dataset) as DatasetId,
    path: row.path,
    author: toHex(row.author) as NodeId,
    sequence: row.sequence,
  };
}
