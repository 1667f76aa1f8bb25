import { equalBytes } from '../core/bytes.ts';
import { GodwitError } from '../core/errors.ts';
import { type DatasetId, type Hash, identifierToBytes } from '../core/identifiers.ts';
import { limits } from '../core/limits.ts';
import type { WallMs } from '../core/time.ts';
import type { Catalog, Schema } from '../ports/catalog.ts';
import type { FileStat, FileTree, UnusableEntry } from '../ports/file-tree.ts';
import type { ContentStore } from './content-store.ts';
import { type Attributes, type FileChange, type FileState, isDatasetPath } from './entry-body.ts';
import { dotText, type FileIndex, type FileRevision, sameState } from './file-index.ts';
import type { Dot } from './log.ts';
import type { ContentRef } from './manifest.ts';

/**
 * A directory that people and programs use, kept in step with a dataset.
 *
 * For every path the catalog remembers which revision stands on disk and what the platform said of the file then (size, times, inode). A file is read again only when that differs, and it is
 * overwritten only when it does not: what somebody changed on disk and nobody has published yet is never replaced, but published first, beside whatever arrived meanwhile.
 */

export const workingTreeSchema: Schema = {
  component: 'tree',
  steps: [
    `CREATE TABLE tree_file (
       dataset BLOB NOT NULL,
       path TEXT NOT NULL,
       kind TEXT NOT NULL,
       size_bytes INTEGER NOT NULL,
       mtime_ns TEXT NOT NULL,
       ctime_ns TEXT NOT NULL,
       inode TEXT NOT NULL,
       mode INTEGER NOT NULL,
       root BLOB,
       depth INTEGER,
       target TEXT,
       dots TEXT NOT NULL,
       scan INTEGER NOT NULL,
       PRIMARY KEY (dataset, path)
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE tree_unsettled (
       dataset BLOB NOT NULL,
       path TEXT NOT NULL,
       since_ms INTEGER NOT NULL,
       PRIMARY KEY (dataset, path)
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE tree_scan (dataset BLOB PRIMARY KEY, number INTEGER NOT NULL) STRICT, WITHOUT ROWID;`,
  ],
};

/** How a directory is read. */
export interface ScanOptions {
  /** Read and hash every file again, whatever its times say. Default false. */
  readonly rehash?: boolean;
  /** A file modified less than this before the scan is left for the next one, in milliseconds. Default 2,000; 0 takes files as they are. */
  readonly settleMs?: number;
  /** A file that never settles is published as it stands after this long, in milliseconds. Default 60,000. */
  readonly unsettledMsMax?: number;
  /** Take it as meant when every file is gone. Default false: `TREE_EMPTIED` is thrown, because that is what an unmounted disk looks like. */
  readonly allowEmptied?: boolean;
  /** Free metadata for changed files, by path. */
  readonly attributes?: (path: string) => Attributes | undefined;
}

/** Some changes found on disk, at most `limits.changesPerRevisionMax`. */
export interface ScanBatch {
  readonly changes: readonly FileChange[];
  /** Must be called with the dot of the log entry that carries the changes, in the same transaction. */
  recorded(dot: Dot): void;
}

/** A path that was left out of a scan or could not be written, and why. */
export interface TreeProblem {
  readonly path: string;
  readonly code: string;
  readonly message: string;
}

/** What became of a path that was to be brought up to date on disk. */
export type MaterialiseOutcome = 'written' | 'unchanged' | 'modified-on-disk' | 'incomplete';

const marksPerTransaction = 4096;

interface TreeRow {
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

/** Keeps one directory and one dataset in step. The caller serialises `scan` and `materialise`. */
export class WorkingTree {
  /** Names the tree among the homes of chunks; stable over restarts. */
  readonly id: string;
  readonly #dataset: DatasetId;
  readonly #key: Uint8Array;
  readonly #tree: FileTree;
  readonly #catalog: Catalog;
  readonly #contents: ContentStore;
  readonly #index: FileIndex;

  constructor(dataset: DatasetId, tree: FileTree, catalog: Catalog, contents: ContentStore, index: FileIndex) {
    this.id = `dataset ${dataset}`;
    this.#dataset = dataset;
    this.#key = identifierToBytes(dataset);
    this.#tree = tree;
    this.#catalog = catalog;
    this.#contents = contents;
    this.#index = index;
    catalog.migrate(workingTreeSchema);
    contents.attachTree(this.id, tree);
  }

  /**
   * Reads what changed on disk since it was last in step, in batches; each must be recorded before the next is taken. `problems` collects what was left out.
   *
   * @throws GodwitError `TREE_EMPTIED`, or what the tree throws when it cannot be read at all.
   */
  async *scan(wallMs: WallMs, options: ScanOptions, problems: TreeProblem[]): AsyncGenerator<ScanBatch, void, void> {
    const number = this.#beginScan();
    let changes: { change: FileChange; row: TreeRow }[] = [];
    let unmarked: string[] = [];
    let seen = 0;
    for await (const entry of this.#tree.walk()) {
      if (entry.kind === 'unusable' || !isDatasetPath(entry.path)) {
        problems.push(unusable(entry));
        continue;
      }
      seen++;
      const found = await this.#examine(entry, wallMs, options, problems);
      unmarked.push(entry.path);
      if (unmarked.length === marksPerTransaction) unmarked = this.#markSeen(unmarked, number);
      if (found !== undefined) changes.push(found);
      if (changes.length === limits.changesPerRevisionMax) {
        yield this.#batch(changes, number);
        changes = [];
      }
    }
    this.#markSeen(unmarked, number);
    const gone = this.#catalog.all<{ path: string; dots: string }>(
      `SELECT path, dots FROM tree_file WHERE dataset = ? AND scan < ? AND kind <> 'removal' ORDER BY path`,
      this.#key,
      number,
    );
    if (seen === 0 && gone.length > 0 && options.allowEmptied !== true) {
      throw new GodwitError(
        'TREE_EMPTIED',
        `All ${gone.length} files are gone from the directory. Mount it, or scan with allowEmptied if they were meant to be removed.`,
      );
    }
    for (const { path, dots } of gone) {
      changes.push({
        change: { path, superseded: parseDots(dots), kind: 'removal' },
        row: {
          path,
          kind: 'removal',
          size_bytes: 0,
          mtime_ns: '0',
          ctime_ns: '0',
          inode: '0',
          mode: 0,
          root: null,
          depth: null,
          target: null,
          dots: '',
        },
      });
      if (changes.length === limits.changesPerRevisionMax) {
        yield this.#batch(changes, number);
        changes = [];
      }
    }
    if (changes.length > 0) yield this.#batch(changes, number);
  }

  /**
   * Brings one path on disk up to the head that is shown. In a conflict the version on disk stays as long as it is one of the heads.
   *
   * @throws GodwitError from the tree (`DISK_FULL`, `DIRECTORY_UNWRITABLE`…) or `CONTENT_DAMAGED`; the old file stands then.
   */
  async materialise(path: string): Promise<MaterialiseOutcome> {
    const heads = this.#index.heads(this.#dataset, path);
    const row = this.#row(path);
    const onDisk = row === undefined ? undefined : new Set(parseDots(row.dots).map(dotText));
    const shown = heads.find((head) => onDisk?.has(dotText(head))) ?? heads[0];
    if (shown === undefined) return 'unchanged';
    const dots = heads.filter((head) => sameState(head, shown)).map(({ author, sequence }) => ({ author, sequence }));
    if (row !== undefined && sameAsRow(shown, row)) {
      this.#catalog.run('UPDATE tree_file SET dots = ? WHERE dataset = ? AND path = ?', JSON.stringify(dots), this.#key, path);
      return 'unchanged';
    }
    if (shown.kind === 'file' && !this.#contents.holds(shown.content.root)) return 'incomplete';
    if (!(await this.#isAsRecorded(path, row))) return 'modified-on-disk';
    const stat = await this.#write(shown, row);
    this.#saveRow(rowOf(path, shown, stat, dots), Number.MAX_SAFE_INTEGER);
    return 'written';
  }

  /** The revision dots that the version on disk stands for; `undefined` when the path is not on disk. */
  onDisk(path: string): readonly Dot[] | undefined {
    const row = this.#row(path);
    return row === undefined || row.kind === 'removal' ? undefined : parseDots(row.dots);
  }

  async #write(shown: FileRevision, row: TreeRow | undefined): Promise<FileStat | undefined> {
    this.#contents.forgetFile(this.id, shown.path);
    switch (shown.kind) {
      case 'removal':
        if (row !== undefined) await this.#tree.remove(shown.path);
        return undefined;
      case 'symlink':
        return this.#tree.link(shown.path, shown.target);
      case 'file':
        return this.#tree.write(shown.path, this.#contents.stream(shown.content), { mtimeNs: shown.mtimeNs, mode: shown.mode });
    }
  }

  async #examine(
    stat: FileStat,
    wallMs: WallMs,
    options: ScanOptions,
    problems: TreeProblem[],
  ): Promise<{ change: FileChange; row: TreeRow } | undefined> {
    const row = this.#row(stat.path);
    if (row !== undefined && options.rehash !== true && sameStat(stat, row)) return undefined;
    if (!this.#settled(stat, wallMs, options)) {
      problems.push({
        path: stat.path,
        code: 'FILE_UNSETTLED',
        message: 'The file is still being written; it will be published when it is quiet.',
      });
      return undefined;
    }
    let state: FileState;
    try {
      state =
        stat.kind === 'symlink'
          ? { kind: 'symlink', target: stat.target ?? '', mtimeNs: stat.mtimeNs }
          : await this.#readFile(stat, options);
    } catch (error) {
      if (!(error instanceof GodwitError) || error.code === 'DISK_FULL') throw error;
      problems.push({ path: stat.path, code: error.code, message: error.message });
      return undefined;
    }
    const superseded = row === undefined ? this.#agreeingHeads(stat.path, state) : parseDots(row.dots);
    const unchanged = row !== undefined && sameAsRow(state, row) && row.mode === stat.mode && row.mtime_ns === String(stat.mtimeNs);
    const newRow = rowOf(stat.path, state, stat, superseded);
    if (unchanged) {
      this.#saveRow(newRow, 0);
      return undefined;
    }
    return { change: { path: stat.path, superseded, ...state }, row: newRow };
  }

  /** A file that was put in place by hand and is what a head says already replaces that head; any other is a revision of its own. */
  #agreeingHeads(path: string, state: FileState): Dot[] {
    return this.#index
      .heads(this.#dataset, path)
      .filter((head) => sameState(head, state))
      .map(({ author, sequence }) => ({ author, sequence }));
  }

  async #readFile(stat: FileStat, options: ScanOptions): Promise<FileState> {
    const reader = await this.#tree.open(stat.path);
    let content: ContentRef;
    try {
      this.#contents.forgetFile(this.id, stat.path);
      content = await this.#contents.addFile(this.id, stat.path, reader, stat.sizeBytes);
    } finally {
      await reader.close();
    }
    const attributes = options.attributes?.(stat.path);
    return { kind: 'file', content, mtimeNs: stat.mtimeNs, mode: stat.mode, ...(attributes === undefined ? {} : { attributes }) };
  }

  /** Quiet for long enough, or never quiet for too long. */
  #settled(stat: FileStat, wallMs: WallMs, options: ScanOptions): boolean {
    const ageMs = wallMs - Number(stat.mtimeNs / 1_000_000n);
    const settleMs = options.settleMs ?? 2000;
    const quiet = settleMs === 0 || ageMs >= settleMs || ageMs < 0;
    if (!quiet) {
      this.#catalog.run(
        'INSERT OR IGNORE INTO tree_unsettled (dataset, path, since_ms) VALUES (?, ?, ?)',
        this.#key,
        stat.path,
        Math.floor(wallMs),
      );
      const since =
        this.#catalog.get<{ since_ms: number }>('SELECT since_ms FROM tree_unsettled WHERE dataset = ? AND path = ?', this.#key, stat.path)
          ?.since_ms ?? wallMs;
      if (wallMs - since < (options.unsettledMsMax ?? 60_000)) return false;
    }
    this.#catalog.run('DELETE FROM tree_unsettled WHERE dataset = ? AND path = ?', this.#key, stat.path);
    return true;
  }

  async #isAsRecorded(path: string, row: TreeRow | undefined): Promise<boolean> {
    const stat = await this.#tree.stat(path);
    if (row === undefined || row.kind === 'removal') return stat === undefined;
    return stat !== undefined && sameStat(stat, row);
  }

  #batch(found: readonly { change: FileChange; row: TreeRow }[], scan: number): ScanBatch {
    return {
      changes: found.map(({ change }) => change),
      recorded: (dot) => {
        const dots = JSON.stringify([{ author: dot.author, sequence: dot.sequence }]);
        for (const { row } of found) this.#saveRow({ ...row, dots }, scan);
      },
    };
  }

  #beginScan(): number {
    this.#catalog.run('INSERT OR IGNORE INTO tree_scan (dataset, number) VALUES (?, 0)', this.#key);
    this.#catalog.run('UPDATE tree_scan SET number = number + 1 WHERE dataset = ?', this.#key);
    return this.#catalog.get<{ number: number }>('SELECT number FROM tree_scan WHERE dataset = ?', this.#key)?.number ?? 0;
  }

  /** Notes that paths are still on disk: one transaction for many, because a commit costs more than the look at a file. */
  #markSeen(paths: readonly string[], scan: number): [] {
    this.#catalog.transaction(() => {
      for (const path of paths) this.#catalog.run('UPDATE tree_file SET scan = ? WHERE dataset = ? AND path = ?', scan, this.#key, path);
    });
    return [];
  }

  #row(path: string): TreeRow | undefined {
    return this.#catalog.get<TreeRow>('SELECT * FROM tree_file WHERE dataset = ? AND path = ?', this.#key, path);
  }

  #saveRow(row: TreeRow, scan: number): void {
    this.#catalog.run(
      `INSERT OR REPLACE INTO tree_file (dataset, path, kind, size_bytes, mtime_ns, ctime_ns, inode, mode, root, depth, target, dots, scan)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      this.#key,
      row.path,
      row.kind,
      row.size_bytes,
      row.mtime_ns,
      row.ctime_ns,
      row.inode,
      row.mode,
      row.root,
      row.depth,
      row.target,
      row.dots,
      scan,
    );
  }
}

function parseDots(text: string): Dot[] {
  return JSON.parse(text) as Dot[];
}

function unusable(entry: FileStat | UnusableEntry): TreeProblem {
  if (entry.kind === 'unusable') return { path: entry.path, code: entry.code, message: entry.message };
  return {
    path: entry.path,
    code: 'NAME_UNSUPPORTED',
    message: 'The name holds a character that no dataset path may have (backslash, NUL or an unpaired surrogate), or is too long.',
  };
}

function sameStat(stat: FileStat, row: TreeRow): boolean {
  return (
    row.kind === stat.kind &&
    row.size_bytes === stat.sizeBytes &&
    row.mtime_ns === String(stat.mtimeNs) &&
    row.ctime_ns === String(stat.ctimeNs) &&
    row.inode === String(stat.inode)
  );
}

function sameAsRow(state: FileState, row: TreeRow): boolean {
  if (state.kind !== row.kind) return false;
  if (state.kind === 'file')
    return row.root !== null && equalBytes(state.content.root, row.root) && state.content.sizeBytes === row.size_bytes;
  return state.kind === 'removal' || state.target === row.target;
}

function rowOf(path: string, state: FileState, stat: FileStat | undefined, dots: readonly Dot[]): TreeRow {
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
