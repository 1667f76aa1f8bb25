import { toHex } from '../core/bytes.ts';
import { type DatasetId, type Hash, identifierToBytes, type NodeId } from '../core/identifiers.ts';
import { type PriorityClass, priorityClasses } from '../core/priority.ts';
import type { Catalog, Schema } from '../ports/catalog.ts';
import { inOrder, type Opportunity, withPlaces } from './selection.ts';

/**
 * What this node still lacks: one row for every (content, revision that brought it). Persistent, so that a node that was killed knows at once what to ask for.
 *
 * The most urgent class comes first, and within a class what finishes in the contacts ahead (`selection.ts`): where nothing is known of those, by deadlines, and then the smallest content. A content that
 * nobody near has is skipped, not waited for.
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
    `ALTER TABLE want ADD COLUMN deadline_ms INTEGER;
     CREATE INDEX want_by_deadline ON want (class, deadline_ms, root) WHERE deadline_ms IS NOT NULL;`,
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
  /** By when it is of most use, milliseconds since 1970 UTC. */
  readonly deadlineMs?: number;
}

/** What else decides what to ask a peer for. */
export interface Circumstances {
  readonly opportunity?: Opportunity;
  /** How much of a content is here. */
  readonly arrivedBytes?: (root: Hash, sizeBytes: number) => number;
  /** Classes of what is coming from the peer. */
  readonly coming?: readonly PriorityClass[];
  /** Only what is more urgent than this class. */
  readonly before?: PriorityClass;
}

/** Contents of a class that are looked at together: this many of the smallest, and of those that are due first. */
const consideredOfClass = 40;

interface WantRow {
  root: Uint8Array;
  size_bytes: number;
  depth: number;
  class: number;
  dataset: Uint8Array;
  path: string;
  author: Uint8Array;
  sequence: number;
  deadline_ms: number | null;
}

/** The list, in the catalog. Synchronous; part of the caller's transaction. */
export class WantList {
  readonly #catalog: Catalog;

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
    catalog.migrate(wantListSchema);
  }

  /** Adds a wanted content. One that is there gets the given class and deadline. */
  add(want: WantedContent): void {
    this.#catalog.run(
      `INSERT INTO want (root, dataset, author, sequence, path, class, size_bytes, depth, deadline_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET class = excluded.class, deadline_ms = excluded.deadline_ms
       WHERE class <> excluded.class OR deadline_ms IS NOT excluded.deadline_ms`,
      want.root,
      identifierToBytes(want.dataset),
      identifierToBytes(want.author),
      want.sequence,
      want.path,
      priorityClasses.indexOf(want.priority),
      want.sizeBytes,
      want.depth,
      want.deadlineMs ?? null,
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

  /** The most urgent class in which a content is wanted, or `undefined` when nobody waits for it. */
  priorityOf(root: Hash): PriorityClass | undefined {
    return priorityClasses[
      this.#catalog.get<{ class: number | null }>('SELECT min(class) AS class FROM want WHERE root = ?', root)?.class ?? -1
    ];
  }

  /**
   * Up to `limit` wanted contents in the order to ask for them, without those whose root (hexadecimal) is in `except`.
   */
  next(
    limit: number,
    except: { has(root: string): boolean },
    { opportunity = { nowMs: 0 }, arrivedBytes = () => 0, coming = [], before }: Circumstances = {},
  ): WantedContent[] {
    const chosen = new Map<string, WantRow>();
    const classes = before === undefined ? priorityClasses.length : priorityClasses.indexOf(before);
    for (let number = 0; number < classes; number++) {
      for (const [order, filter] of [
        ['deadline_ms, root', 'deadline_ms IS NOT NULL'],
        ['size_bytes, root', 'true'],
      ]) {
        let considered = 0;
        for (const row of this.#catalog.iterate<WantRow>(`SELECT * FROM want WHERE class = ? AND ${filter} ORDER BY ${order}`, number)) {
          const root = toHex(row.root);
          if (chosen.has(root) || except.has(root)) continue;
          chosen.set(root, row);
          if (++considered >= Math.max(limit, consideredOfClass)) break;
        }
      }
    }
    const candidates = [...chosen.values()].map((row) => {
      const want = wantFromRow(row);
      return { ...want, want, leftBytes: Math.max(0, want.sizeBytes - arrivedBytes(want.root, want.sizeBytes)) };
    });
    return withPlaces(inOrder(candidates, opportunity), limit, coming).map(({ want }) => want);
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
    ...(row.deadline_ms === null ? {} : { deadlineMs: row.deadline_ms }),
  };
}
