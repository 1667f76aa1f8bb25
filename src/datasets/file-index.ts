import { toHex } from '../core/bytes.ts';
import { type DatasetId, type Hash, identifier, identifierToBytes, type NodeId } from '../core/identifiers.ts';
import { limits } from '../core/limits.ts';
import type { Catalog, Schema } from '../ports/catalog.ts';
import type { Attributes, EntryHeader, FileChange, FileState, Position } from './entry-body.ts';
import { compareInstants, type HybridInstant } from './hybrid-clock.ts';
import type { Dot, EntrySet } from './log-entry.ts';
import type { ContentRef } from './manifest.ts';
import type { LogRange } from './version-vector.ts';

/**
 * The revision graph of every path: which revisions there are, which replaced which, and which stand (the heads).
 *
 * A revision stands until one that names it as superseded arrives, in whatever order the two arrive. Nothing else ever removes a head: no clock, no policy. Two heads with different
 * content are a conflict; two heads with the same state (two nodes that merged alike) are not.
 */

/** The tables of files, their revisions and heads. */
export const fileIndexSchema: Schema = {
  component: 'files',
  steps: [
    `CREATE TABLE file_revision (
       dataset BLOB NOT NULL,
       path TEXT NOT NULL,
       author BLOB NOT NULL,
       sequence INTEGER NOT NULL,
       kind TEXT NOT NULL,
       root BLOB,
       size_bytes INTEGER,
       depth INTEGER,
       target TEXT,
       mtime_ns TEXT,
       mode INTEGER,
       attributes TEXT,
       wall_ms INTEGER NOT NULL,
       counter INTEGER NOT NULL,
       clock_quality TEXT NOT NULL,
       position TEXT,
       head INTEGER NOT NULL,
       PRIMARY KEY (dataset, path, author, sequence)
     ) STRICT, WITHOUT ROWID;
     CREATE INDEX file_revision_by_root ON file_revision (root) WHERE root IS NOT NULL;
     CREATE INDEX file_head ON file_revision (dataset, path) WHERE head = 1;
     CREATE INDEX file_revision_by_dot ON file_revision (dataset, author, sequence);
     CREATE TABLE file_superseded (
       dataset BLOB NOT NULL,
       path TEXT NOT NULL,
       author BLOB NOT NULL,
       sequence INTEGER NOT NULL,
       by_author BLOB NOT NULL,
       by_sequence INTEGER NOT NULL,
       PRIMARY KEY (dataset, path, author, sequence, by_author, by_sequence)
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE file_conflict (
       dataset BLOB NOT NULL,
       path TEXT NOT NULL,
       detected_ms INTEGER NOT NULL,
       resolved_ms INTEGER,
       heads TEXT NOT NULL,
       resolution TEXT,
       detail TEXT,
       PRIMARY KEY (dataset, path, heads)
     ) STRICT, WITHOUT ROWID;`,
    // Rows in the order they come, and indexes that name them by their number instead of by their long key. Roots come in no order, so every revision touches another page of their index: the first eight
    // bytes find a row as well, and of those many fit into a page.
    `CREATE TABLE revision (
       dataset BLOB NOT NULL,
       path TEXT NOT NULL,
       author BLOB NOT NULL,
       sequence INTEGER NOT NULL,
       kind TEXT NOT NULL,
       root BLOB,
       size_bytes INTEGER,
       depth INTEGER,
       target TEXT,
       mtime_ns TEXT,
       mode INTEGER,
       attributes TEXT,
       wall_ms INTEGER NOT NULL,
       counter INTEGER NOT NULL,
       clock_quality TEXT NOT NULL,
       position TEXT,
       head INTEGER NOT NULL,
       UNIQUE (dataset, path, author, sequence)
     ) STRICT;
     INSERT INTO revision SELECT * FROM file_revision;
     DROP TABLE file_revision;
     ALTER TABLE revision RENAME TO file_revision;
     CREATE INDEX file_revision_by_root ON file_revision (substr(root, 1, 8)) WHERE root IS NOT NULL;
     CREATE INDEX file_head ON file_revision (dataset, path) WHERE head = 1;
     CREATE INDEX file_revision_by_dot ON file_revision (dataset, author, sequence);`,
  ],
};

/** One revision of one path. */
export type FileRevision = Dot & { readonly path: string; readonly superseded: readonly Dot[]; readonly head: boolean } & EntryHeader &
  FileState;

/** A path that was edited in two places at once. Kept for ever; `resolvedMs` and `resolution` are set when one revision replaced all heads. */
export interface Conflict {
  readonly dataset: DatasetId;
  readonly path: string;
  /** The heads in conflict when it was noticed, as `author/sequence`, sorted. */
  readonly heads: readonly string[];
  /** Wall clock of this node when it noticed. */
  readonly detectedMs: number;
  readonly resolvedMs?: number;
  /** How it ended: `merge`, `latest`, `keep-both`, `edit` when a person wrote a revision over it, or `continued` when the heads changed and the conflict goes on in another record. */
  readonly resolution?: string;
  /** Why merging stopped, with the cells named, when it did. JSON. */
  readonly detail?: string;
}

interface RevisionRow {
  path: string;
  author: Uint8Array;
  sequence: number;
  kind: string;
  root: Uint8Array | null;
  size_bytes: number | null;
  depth: number | null;
  target: string | null;
  mtime_ns: string | null;
  mode: number | null;
  attributes: string | null;
  wall_ms: number;
  counter: number;
  clock_quality: string;
  position: string | null;
  head: number;
}

/** True of the revisions with a root, in the words that their index is made of. */
const hasRoot = 'substr(root, 1, 8) = substr(?1, 1, 8) AND root = ?1';

/** Text of a dot, for keys and for people. */
export function dotText(dot: Dot): string {
  return `${dot.author}/${dot.sequence}`;
}

/** True when two states would look the same to every reader: same kind, same bytes. Times and modes do not make a conflict. */
export function sameState(a: FileState, b: FileState): boolean {
  return stateKey(a) === stateKey(b);
}

function stateKey(state: FileState): string {
  if (state.kind === 'file') return `file ${toHex(state.content.root)} ${state.content.sizeBytes}`;
  return state.kind === 'symlink' ? `symlink ${state.target}` : 'removal';
}

/** Orders heads so that every node shows the same one first: the later instant, then the greater author. */
export function compareHeads(a: FileRevision, b: FileRevision): number {
  return compareInstants(b.instant, a.instant) || (a.author < b.author ? 1 : a.author > b.author ? -1 : b.sequence - a.sequence);
}

/** The revision graph in the catalog. Synchronous; part of the caller's transaction. */
export class FileIndex {
  readonly #catalog: Catalog;

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
    catalog.migrate(fileIndexSchema);
  }

  /** Enters the changes of one log entry. Idempotent. Returns the paths that got a revision they did not have. */
  apply(dataset: DatasetId, dot: Dot, header: EntryHeader, changes: readonly FileChange[], wallMs: number): string[] {
    return this.#catalog.transaction(() => {
      const touched: string[] = [];
      const [set, author] = [identifierToBytes(dataset), identifierToBytes(dot.author)];
      for (const change of changes) {
        if (!this.#insert(set, author, dot, header, change)) continue;
        // What replaces nothing and stands alone ends no conflict, and makes none.
        if (change.superseded.length > 0 || this.#standTogether(set, change.path))
          this.#trackConflict(dataset, change.path, Math.floor(wallMs));
        touched.push(change.path);
      }
      return touched;
    });
  }

  /**
   * Takes back what an author's entries behind `after` said: its log is to say something else there. What they replaced stands again. Returns the revisions that are gone.
   */
  retract(dataset: DatasetId, author: NodeId, after: number, wallMs: number): (Dot & { readonly path: string })[] {
    const [set, name] = [identifierToBytes(dataset), identifierToBytes(author)];
    const gone = this.#catalog
      .all<{ path: string; sequence: number }>(
        'SELECT path, sequence FROM file_revision WHERE dataset = ? AND author = ? AND sequence > ? ORDER BY path, sequence',
        set,
        name,
        after,
      )
      .map(({ path, sequence }) => ({ path, author, sequence }));
    this.#catalog.run('DELETE FROM file_revision WHERE dataset = ? AND author = ? AND sequence > ?', set, name, after);
    this.#catalog.run('DELETE FROM file_superseded WHERE dataset = ? AND by_author = ? AND by_sequence > ?', set, name, after);
    for (const path of new Set(gone.map((each) => each.path))) {
      this.#catalog.run(
        `UPDATE file_revision SET head = NOT EXISTS (
           SELECT 1 FROM file_superseded AS old WHERE old.dataset = file_revision.dataset AND old.path = file_revision.path
             AND old.author = file_revision.author AND old.sequence = file_revision.sequence)
         WHERE dataset = ? AND path = ?`,
        set,
        path,
      );
      this.#trackConflict(dataset, path, Math.floor(wallMs));
    }
    return gone;
  }

  /** Standing revisions of a path, the one shown first in front. More than one with differing states is a conflict. */
  heads(dataset: DatasetId, path: string): FileRevision[] {
    return this.#revisions(
      // Named, because SQLite would go through every revision of the path, of which a growing file has thousands.
      'SELECT * FROM file_revision INDEXED BY file_head WHERE dataset = ? AND path = ? AND head = 1',
      dataset,
      identifierToBytes(dataset),
      path,
    ).sort(compareHeads);
  }

  /** Every revision of a path, newest first. */
  history(dataset: DatasetId, path: string): FileRevision[] {
    return this.#revisions('SELECT * FROM file_revision WHERE dataset = ? AND path = ?', dataset, identifierToBytes(dataset), path).sort(
      compareHeads,
    );
  }

  /** Revisions that stood at a path in a version of the dataset, the one shown first in front: those that the version covers and that nothing it covers replaced. */
  headsAt(dataset: DatasetId, path: string, version: EntrySet): FileRevision[] {
    const covered = this.history(dataset, path).filter((revision) => version.contains(revision));
    const replaced = new Set(covered.flatMap(({ superseded }) => superseded.map(dotText)));
    return covered.filter((revision) => !replaced.has(dotText(revision)));
  }

  /** True when a revision stood at its path in a version of the dataset. Looks at its successors only, so it is cheap for a path of thousands of revisions. */
  stoodIn(dataset: DatasetId, path: string, dot: Dot, version: EntrySet): boolean {
    if (!version.contains(dot)) return false;
    const successors = this.#catalog.all<{ by_author: Uint8Array; by_sequence: number }>(
      'SELECT by_author, by_sequence FROM file_superseded WHERE dataset = ? AND path = ? AND author = ? AND sequence = ?',
      identifierToBytes(dataset),
      path,
      identifierToBytes(dot.author),
      dot.sequence,
    );
    return !successors.some((row) => version.contains({ author: identifier<NodeId>(row.by_author), sequence: row.by_sequence }));
  }

  /** One revision, or `undefined`. */
  revision(dataset: DatasetId, path: string, dot: Dot): FileRevision | undefined {
    return this.#revisions(
      'SELECT * FROM file_revision WHERE dataset = ? AND path = ? AND author = ? AND sequence = ?',
      dataset,
      identifierToBytes(dataset),
      path,
      identifierToBytes(dot.author),
      dot.sequence,
    )[0];
  }

  /** Paths with at least one head, in code-unit order, in pages: up to `limit` paths behind `after`. Removed paths are among them. */
  paths(dataset: DatasetId, after: string, limit: number): string[] {
    return this.#catalog
      .all<{ path: string }>(
        'SELECT DISTINCT path FROM file_revision WHERE dataset = ? AND path > ? AND head = 1 ORDER BY path LIMIT ?',
        identifierToBytes(dataset),
        after,
        limit,
      )
      .map((row) => row.path);
  }

  /** Paths that entries of these ranges changed, in code-unit order. */
  pathsIn(dataset: DatasetId, ranges: readonly LogRange[]): string[] {
    const paths = new Set<string>();
    for (const { node, from, to } of ranges) {
      for (const { path } of this.#catalog.iterate<{ path: string }>(
        'SELECT path FROM file_revision WHERE dataset = ? AND author = ? AND sequence BETWEEN ? AND ?',
        identifierToBytes(dataset),
        identifierToBytes(node),
        from,
        to,
      ))
        paths.add(path);
    }
    return [...paths].sort();
  }

  /** Contents that the entry at `dot` brought. */
  contentsOf(dataset: DatasetId, dot: Dot): { path: string; content: ContentRef; head: boolean }[] {
    return this.#catalog
      .all<{ path: string; root: Uint8Array; size_bytes: number; depth: number; head: number }>(
        'SELECT path, root, size_bytes, depth, head FROM file_revision WHERE dataset = ? AND author = ? AND sequence = ? AND root IS NOT NULL',
        identifierToBytes(dataset),
        identifierToBytes(dot.author),
        dot.sequence,
      )
      .map((row) => ({
        path: row.path,
        content: { root: row.root as Hash, sizeBytes: row.size_bytes, depth: row.depth },
        head: row.head === 1,
      }));
  }

  /** The heads that have this content: datasets, paths and entries that wait for it. */
  headsWithRoot(root: Hash): (Dot & { dataset: DatasetId; path: string })[] {
    return this.#catalog
      .all<{ dataset: Uint8Array; path: string; author: Uint8Array; sequence: number }>(
        `SELECT dataset, path, author, sequence FROM file_revision WHERE ${hasRoot} AND head = 1`,
        root,
      )
      .map((row) => ({
        dataset: identifier<DatasetId>(row.dataset),
        path: row.path,
        author: identifier<NodeId>(row.author),
        sequence: row.sequence,
      }));
  }

  /** Every revision of any path that has this content, with its author's wall clock in milliseconds, the newest first. */
  revisionsWithRoot(root: Hash): (Dot & { dataset: DatasetId; path: string; wallMs: number; head: boolean })[] {
    return this.#catalog
      .all<{ dataset: Uint8Array; path: string; author: Uint8Array; sequence: number; wall_ms: number; head: number }>(
        `SELECT dataset, path, author, sequence, wall_ms, head FROM file_revision WHERE ${hasRoot} ORDER BY wall_ms DESC`,
        root,
      )
      .map((row) => ({
        dataset: identifier<DatasetId>(row.dataset),
        path: row.path,
        author: identifier<NodeId>(row.author),
        sequence: row.sequence,
        wallMs: row.wall_ms,
        head: row.head === 1,
      }));
  }

  /**
   * The revision both sides of a conflict grew from: the nearest one that is an ancestor of every head, or `undefined` when they were created apart. Among several nearest ones (a
   * criss-cross merge) the one shown first wins, so that every node takes the same.
   */
  commonAncestor(dataset: DatasetId, path: string, heads: readonly Dot[]): FileRevision | undefined {
    const revisions = new Map(this.history(dataset, path).map((revision) => [dotText(revision), revision]));
    const ancestorsOf = (dot: Dot): Set<string> => {
      const seen = new Set<string>();
      const open = [dot];
      for (let next = open.pop(); next !== undefined; next = open.pop()) {
        for (const parent of revisions.get(dotText(next))?.superseded ?? []) {
          if (seen.has(dotText(parent))) continue;
          seen.add(dotText(parent));
          open.push(parent);
        }
      }
      return seen;
    };
    const ancestors = heads.map(ancestorsOf);
    const common = [...(ancestors[0] ?? [])].filter((key) => revisions.has(key) && ancestors.every((set) => set.has(key)));
    // What is common has only common ancestors, so looking at the parents finds everything that is not among the nearest.
    const shadowed = new Set(common.flatMap((key) => (revisions.get(key) as FileRevision).superseded.map(dotText)));
    return common
      .filter((key) => !shadowed.has(key))
      .map((key) => revisions.get(key) as FileRevision)
      .sort(compareHeads)[0];
  }

  /** Conflicts of a dataset in the order they were noticed; with `open: true` only those still standing. */
  conflicts(dataset: DatasetId, options: { readonly open: boolean }): Conflict[] {
    const filter = options.open ? 'AND resolved_ms IS NULL' : '';
    return this.#catalog
      .all<{
        path: string;
        detected_ms: number;
        resolved_ms: number | null;
        heads: string;
        resolution: string | null;
        detail: string | null;
      }>(
        `SELECT path, detected_ms, resolved_ms, heads, resolution, detail FROM file_conflict WHERE dataset = ? ${filter} ORDER BY detected_ms, path`,
        identifierToBytes(dataset),
      )
      .map((row) => ({
        dataset,
        path: row.path,
        heads: JSON.parse(row.heads) as string[],
        detectedMs: row.detected_ms,
        ...(row.resolved_ms === null ? {} : { resolvedMs: row.resolved_ms }),
        ...(row.resolution === null ? {} : { resolution: row.resolution }),
        ...(row.detail === null ? {} : { detail: row.detail }),
      }));
  }

  /** True while a conflict of this path stands. */
  inConflict(dataset: DatasetId, path: string): boolean {
    const row = this.#catalog.get(
      'SELECT 1 FROM file_conflict WHERE dataset = ? AND path = ? AND resolved_ms IS NULL',
      identifierToBytes(dataset),
      path,
    );
    return row !== undefined;
  }

  /** Says how an open conflict of a path is being ended, or why merging it stopped. The end itself is noticed when the heads become one. */
  annotateConflict(dataset: DatasetId, path: string, note: { readonly resolution?: string; readonly detail?: string }): void {
    this.#catalog.run(
      'UPDATE file_conflict SET resolution = coalesce(?, resolution), detail = coalesce(?, detail) WHERE dataset = ? AND path = ? AND resolved_ms IS NULL',
      note.resolution ?? null,
      note.detail ?? null,
      identifierToBytes(dataset),
      path,
    );
  }

  /**
   * The greatest instant of a revision that `self` wrote, or that anybody wrote by a clock up to `wallMsMax`: what the hybrid clock restarts from. Others' instants beyond that were never
   * followed, and a restart must not make up for it.
   */
  greatestInstant(self: NodeId, wallMsMax: number): HybridInstant | undefined {
    const row = this.#catalog.get<{ wall_ms: number; counter: number }>(
      'SELECT wall_ms, counter FROM file_revision WHERE wall_ms <= ? OR author = ? ORDER BY wall_ms DESC, counter DESC LIMIT 1',
      Math.floor(wallMsMax),
      identifierToBytes(self),
    );
    return row && { wallMs: row.wall_ms, counter: row.counter };
  }

  /** Whether a path has more than one head. */
  #standTogether(set: Uint8Array, path: string): boolean {
    const heads = this.#catalog.get<{ n: number }>(
      'SELECT count(*) AS n FROM file_revision INDEXED BY file_head WHERE dataset = ? AND path = ? AND head = 1',
      set,
      path,
    );
    return heads !== undefined && heads.n > 1;
  }

  #insert(set: Uint8Array, author: Uint8Array, dot: Dot, header: EntryHeader, change: FileChange): boolean {
    const key = [set, change.path] as const;
    const superseded = this.#catalog.get(
      'SELECT 1 FROM file_superseded WHERE dataset = ? AND path = ? AND author = ? AND sequence = ?',
      ...key,
      author,
      dot.sequence,
    );
    const file = change.kind === 'file' ? change : undefined;
    const inserted = this.#catalog.run(
      `INSERT OR IGNORE INTO file_revision
         (dataset, path, author, sequence, kind, root, size_bytes, depth, target, mtime_ns, mode, attributes, wall_ms, counter, clock_quality, position, head)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      ...key,
      author,
      dot.sequence,
      change.kind,
      file?.content.root ?? null,
      file?.content.sizeBytes ?? null,
      file?.content.depth ?? null,
      change.kind === 'symlink' ? change.target : null,
      change.kind === 'removal' ? null : String(change.mtimeNs),
      file?.mode ?? null,
      file?.attributes === undefined ? null : JSON.stringify(file.attributes),
      header.instant.wallMs,
      header.instant.counter,
      header.clockQuality,
      header.position === undefined ? null : JSON.stringify(header.position),
      superseded === undefined ? 1 : 0,
    );
    if (inserted === 0) return false;
    for (const old of change.superseded) {
      // No entry replaces itself or what its author was yet to write; one that says so would leave the path without any head.
      if (old.author === dot.author && old.sequence >= dot.sequence) continue;
      const oldAuthor = identifierToBytes(old.author);
      this.#catalog.run(
        'INSERT OR IGNORE INTO file_superseded VALUES (?, ?, ?, ?, ?, ?)',
        ...key,
        oldAuthor,
        old.sequence,
        author,
        dot.sequence,
      );
      this.#catalog.run(
        'UPDATE file_revision SET head = 0 WHERE dataset = ? AND path = ? AND author = ? AND sequence = ?',
        ...key,
        oldAuthor,
        old.sequence,
      );
    }
    return true;
  }

  #trackConflict(dataset: DatasetId, path: string, wallMs: number): void {
    const heads = this.heads(dataset, path);
    const inConflict = new Set(heads.map(stateKey)).size > 1;
    if (inConflict) {
      // The record names a limited number of heads: each of them names the path, and a thousand heads must not make a thousand records of a thousand names.
      const names = JSON.stringify(heads.map(dotText).sort().slice(0, limits.headsPerEntryMax));
      // A conflict that another head joins is one conflict more, not the old one rewritten: its history stays readable.
      this.#catalog.run(
        `UPDATE file_conflict SET resolved_ms = ?, resolution = 'continued' WHERE dataset = ? AND path = ? AND resolved_ms IS NULL AND heads <> ?`,
        wallMs,
        identifierToBytes(dataset),
        path,
        names,
      );
      // The same heads stand again when a revision between them arrives late: then the record is opened again.
      this.#catalog.run(
        `INSERT INTO file_conflict (dataset, path, detected_ms, heads) VALUES (?, ?, ?, ?)
         ON CONFLICT (dataset, path, heads) DO UPDATE SET resolved_ms = NULL, resolution = NULL WHERE resolved_ms IS NOT NULL`,
        identifierToBytes(dataset),
        path,
        wallMs,
        names,
      );
      return;
    }
    this.#catalog.run(
      `UPDATE file_conflict SET resolved_ms = ?, resolution = coalesce(resolution, 'edit') WHERE dataset = ? AND path = ? AND resolved_ms IS NULL`,
      wallMs,
      identifierToBytes(dataset),
      path,
    );
  }

  #revisions(sql: string, dataset: DatasetId, ...parameters: readonly (string | number | Uint8Array)[]): FileRevision[] {
    return this.#catalog.all<RevisionRow>(sql, ...parameters).map((row) => this.#fromRow(dataset, row));
  }

  #fromRow(dataset: DatasetId, row: RevisionRow): FileRevision {
    const superseded = this.#catalog
      .all<{ author: Uint8Array; sequence: number }>(
        'SELECT author, sequence FROM file_superseded WHERE dataset = ? AND path = ? AND by_author = ? AND by_sequence = ?',
        identifierToBytes(dataset),
        row.path,
        row.author,
        row.sequence,
      )
      .map((old) => ({ author: identifier<NodeId>(old.author), sequence: old.sequence }));
    return {
      path: row.path,
      author: identifier<NodeId>(row.author),
      sequence: row.sequence,
      superseded,
      head: row.head === 1,
      instant: { wallMs: row.wall_ms, counter: row.counter },
      clockQuality: row.clock_quality as EntryHeader['clockQuality'],
      ...(row.position === null ? {} : { position: JSON.parse(row.position) as Position }),
      ...stateFromRow(row),
    };
  }
}

function stateFromRow(row: RevisionRow): FileState {
  if (row.kind === 'removal') return { kind: 'removal' };
  const mtimeNs = BigInt(row.mtime_ns as string);
  if (row.kind === 'symlink') return { kind: 'symlink', target: row.target as string, mtimeNs };
  return {
    kind: 'file',
    content: { root: row.root as Hash, sizeBytes: row.size_bytes as number, depth: row.depth as number },
    mtimeNs,
    mode: row.mode as number,
    ...(row.attributes === null ? {} : { attributes: JSON.parse(row.attributes) as Attributes }),
  };
}
