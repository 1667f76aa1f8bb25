import { equalBytes } from '../core/bytes.ts';
import { type DatasetId, type Hash, identifierToBytes, type NodeId } from '../core/identifiers.ts';
import type { Catalog } from '../ports/catalog.ts';
import type { FileStat } from '../ports/file-tree.ts';
import type { FileState } from './entry-body.ts';
import type { FileRevision } from './file-index.ts';
import type { Dot } from './log-entry.ts';
import type { RecordedFile, RecordedFiles } from './scan-merge.ts';

/**
 * What the catalog remembers of a path in a working directory, and how that is held against the disk and against revisions.
 */

/** Columns of `tree_file` that make the text by which a survey tells a file or link on disk. */
const seenColumns = `kind || ' ' || size_bytes || ' ' || mtime_ns || ' ' || ctime_ns || ' ' || inode || ' ' || mode || coalesce(' ' || target, '')`;

/** What stood at a path when it was last in step. */
export interface TreeRow {
  path: string;
  kind: string;
  size_bytes: number;
  mtime_ns: string;
  ctime_ns: string;
  inode: string;
  mode: number;
  root: Uint8Array | null;
  depth: number | null;
  target: string | null;
  dots: string;
}

/** Rows of the catalog that a scan holds at a time. */
const rowsPerPage = 1024;

/** The files of a working directory as they were when they were last in step, and the paths that were removed, with a text that begins with `removal`. */
export function recordedFiles(catalog: Catalog, dataset: Uint8Array): RecordedFiles {
  return {
    pageAfter: (path) =>
      catalog.all<RecordedFile>(
        `SELECT path, ${seenColumns} AS seen FROM tree_file WHERE dataset = ? AND path > ? ORDER BY path LIMIT ?`,
        dataset,
        path,
        rowsPerPage,
      ),
    textBetween: (after, last, filesMax) =>
      catalog.get<{ text: string | null }>(
        `SELECT group_concat(path || char(0) || ${seenColumns}, char(0)) AS text
         FROM (SELECT * FROM tree_file WHERE dataset = ? AND path > ? AND path <= ? AND kind <> 'removal' ORDER BY path LIMIT ?)`,
        dataset,
        after,
        last,
        filesMax,
      )?.text ?? '',
  };
}

/** True when a file on disk is what writing this head would have made of it, as far as the coarsest file system tells: FAT keeps times in steps of two seconds. */
export function looksLike(head: FileRevision, stat: FileStat): boolean {
  if (head.kind !== 'file') return head.kind === stat.kind;
  const differenceNs = head.mtimeNs - stat.mtimeNs;
  return differenceNs < 2_000_000_000n && differenceNs > -2_000_000_000n && ((head.mode & 0o777) | 0o400) === (stat.mode & 0o777);
}

/** The dot alone of whatever has one. */
export function dotOf({ author, sequence }: Dot): Dot {
  return { author, sequence };
}

/** True when both name the same log entry. */
export function sameDot(a: Dot, b: Dot): boolean {
  return a.author === b.author && a.sequence === b.sequence;
}

/** The revisions that a row says stand on disk. */
export function parseDots(text: string): Dot[] {
  return JSON.parse(text) as Dot[];
}

/** Gives revisions on disk their new names, after their author has written them anew at other places of its log. */
export function renameDots(catalog: Catalog, dataset: DatasetId, author: NodeId, renamed: ReadonlyMap<number, number>): void {
  const rows = catalog.all<{ path: string; dots: string }>(
    'SELECT path, dots FROM tree_file WHERE dataset = ? AND instr(dots, ?) > 0',
    identifierToBytes(dataset),
    author,
  );
  for (const { path, dots } of rows) {
    const names = parseDots(dots).map((dot) =>
      dot.author === author ? { author, sequence: renamed.get(dot.sequence) ?? dot.sequence } : dot,
    );
    catalog.run('UPDATE tree_file SET dots = ? WHERE dataset = ? AND path = ?', JSON.stringify(names), identifierToBytes(dataset), path);
  }
}

/** True when what the platform says of a file is what it said when it was last in step. */
export function sameStat(stat: FileStat, row: TreeRow): boolean {
  return (
    row.kind === stat.kind &&
    row.size_bytes === stat.sizeBytes &&
    row.mtime_ns === String(stat.mtimeNs) &&
    row.ctime_ns === String(stat.ctimeNs) &&
    row.inode === String(stat.inode)
  );
}

/** True when a file that was read holds what it held. Times and modes are not looked at. */
export function sameAsRow(state: FileState, row: TreeRow): boolean {
  if (state.kind !== row.kind) return false;
  if (state.kind === 'file')
    return row.root !== null && equalBytes(state.content.root, row.root) && state.content.sizeBytes === row.size_bytes;
  return state.kind === 'removal' || state.target === row.target;
}

/** The row of a path that is in this state on disk; `stat` is `undefined` for one that is gone. */
export function rowOf(path: string, state: FileState, stat: FileStat | undefined, dots: readonly Dot[]): TreeRow {
  return {
    path,
    kind: state.kind,
    size_bytes: stat?.sizeBytes ?? 0,
    mtime_ns: String(stat?.mtimeNs ?? 0n),
    ctime_ns: String(stat?.ctimeNs ?? 0n),
    inode: String(stat?.inode ?? 0n),
    mode: stat?.mode ?? 0,
    root: state.kind === 'file' ? (state.content.root as Hash) : null,
    depth: state.kind === 'file' ? state.content.depth : null,
    target: state.kind === 'symlink' ? state.target : null,
    dots: JSON.stringify(dots),
  };
}
