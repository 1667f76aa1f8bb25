import { equalBytes } from '../core/bytes.ts';
import { GodwitError } from '../core/errors.ts';
import { type DatasetId, type Hash, identifierToBytes } from '../core/identifiers.ts';
import type { Catalog } from '../ports/catalog.ts';
import type { Crypto } from '../ports/crypto.ts';
import type { FileTree } from '../ports/file-tree.ts';
import type { ContentStore } from './content-store.ts';
import type { ChunkRef } from './manifest.ts';
import { SteppedWork } from './stepped-work.ts';
import { sameStat, type TreeRow } from './tree-row.ts';

/**
 * Holds the files of a working directory against what they were when they were last in step.
 *
 * Somebody who saves a file changes its times; a disk that loses bits does not. So a file whose size, times and inode are as recorded and whose bytes have other hashes is damaged, while one whose
 * times changed is only edited, and the next scan's business. A damaged file is marked in the catalog as standing for nothing: the next scan does not publish it as an edit, and bringing the path up
 * to date (`WorkingTree.materialise`) writes it anew as soon as its content is complete.
 *
 * This file works on the table of `working-tree.ts`.
 */

/** Rows looked at in one step, and what a look counts in the place of the bytes it reads. */
const rowsAtATime = 256;
const lookCostBytes = 1024;
/** Most that a report lists. */
const damagedListedMax = 10_000;

/** A file in a working directory whose bytes changed by themselves. */
export interface DamagedFile {
  readonly path: string;
  /** Where the first damaged chunk begins, in bytes. */
  readonly offset: number;
  /** Bytes of the chunks that are not what they were. */
  readonly damagedBytes: number;
}

/** What an audit works on. */
export interface FileAuditParts {
  readonly catalog: Catalog;
  readonly crypto: Crypto;
  readonly contents: ContentStore;
  readonly dataset: DatasetId;
  readonly tree: FileTree;
}

/** One pass over the files of a directory, done in steps. */
export class FileAudit {
  readonly #parts: FileAuditParts;
  readonly #key: Uint8Array;
  readonly #damaged: DamagedFile[] = [];
  readonly #work: SteppedWork;
  #files = 0;
  #goodBytes = 0;

  /** @param paths only these, which may be unknown; all files by default */
  constructor(parts: FileAuditParts, paths?: Iterable<string>) {
    this.#parts = parts;
    this.#key = identifierToBytes(parts.dataset);
    this.#work = new SteppedWork(this.#run(paths));
  }

  /** What was found so far. `files` were read to their ends. At most 10,000 damaged ones are listed. */
  get report(): { readonly files: number; readonly goodBytes: number; readonly damaged: readonly DamagedFile[] } {
    return { files: this.#files, goodBytes: this.#goodBytes, damaged: this.#damaged };
  }

  /** Goes on with about `budgetBytes` of reading. True when the audit is over. @throws GodwitError `STORAGE_FAILED`, `DIRECTORY_MISSING` (retryable) when the directory cannot be read at all */
  async step(budgetBytes: number): Promise<boolean> {
    return this.#work.step(budgetBytes);
  }

  async *#run(paths: Iterable<string> | undefined): AsyncGenerator<number, void, void> {
    for (const row of paths === undefined ? this.#allRows() : this.#rowsOf(paths)) {
      yield lookCostBytes;
      yield* this.#auditFile(row);
    }
  }

  *#allRows(): Generator<TreeRow, void, void> {
    let after = '';
    for (;;) {
      const page = this.#parts.catalog.all<TreeRow>(
        `SELECT * FROM tree_file WHERE dataset = ? AND path > ? AND kind = 'file' AND root IS NOT NULL ORDER BY path LIMIT ?`,
        this.#key,
        after,
        rowsAtATime,
      );
      yield* page;
      const last = page.at(-1);
      if (last === undefined) return;
      after = last.path;
    }
  }

  *#rowsOf(paths: Iterable<string>): Generator<TreeRow, void, void> {
    for (const path of paths) {
      const row = this.#parts.catalog.get<TreeRow>(
        `SELECT * FROM tree_file WHERE dataset = ? AND path = ? AND kind = 'file' AND root IS NOT NULL`,
        this.#key,
        path,
      );
      if (row !== undefined) yield row;
    }
  }

  async *#auditFile(row: TreeRow): AsyncGenerator<number, void, void> {
    const { contents, tree } = this.#parts;
    const refs = await refsOf(contents, row);
    if (refs === undefined || !(await this.#isAsRecorded(row))) return;
    let damagedBytes = 0;
    let firstDamaged: number | undefined;
    let offset = 0;
    const reader = await unlessGone(tree.open(row.path));
    if (reader === undefined) return;
    try {
      for (const { hash, lengthBytes } of refs) {
        if (!(await this.#holds(reader, offset, hash, lengthBytes))) {
          damagedBytes += lengthBytes;
          firstDamaged ??= offset;
        }
        offset += lengthBytes;
        yield lengthBytes;
      }
    } finally {
      await reader.close();
    }
    // One that was written to meanwhile is edited, and says nothing.
    if (!(await this.#isAsRecorded(row))) return;
    this.#files++;
    this.#goodBytes += row.size_bytes - damagedBytes;
    if (firstDamaged !== undefined) this.#distrust(row, { path: row.path, offset: firstDamaged, damagedBytes });
  }

  async #holds(reader: Awaited<ReturnType<FileTree['open']>>, offset: number, hash: Hash, lengthBytes: number): Promise<boolean> {
    try {
      const bytes = await reader.read(offset, lengthBytes);
      return bytes.length === lengthBytes && equalBytes(this.#parts.crypto.sha256(bytes), hash);
    } catch (error) {
      // A sector that cannot be read is as damaged as one that reads wrong.
      if (error instanceof GodwitError) return false;
      throw error;
    }
  }

  async #isAsRecorded(row: TreeRow): Promise<boolean> {
    const stat = await unlessGone(this.#parts.tree.stat(row.path));
    return stat !== undefined && sameStat(stat, row);
  }

  #distrust(row: TreeRow, found: DamagedFile): void {
    const { catalog } = this.#parts;
    const marked = catalog.run(
      'UPDATE tree_file SET root = NULL, depth = NULL WHERE dataset = ? AND path = ? AND root = ? AND ctime_ns = ? AND mtime_ns = ?',
      this.#key,
      row.path,
      row.root,
      row.ctime_ns,
      row.mtime_ns,
    );
    if (marked > 0 && this.#damaged.length < damagedListedMax) this.#damaged.push(found);
  }
}

/** The chunks that a file should have, or `undefined` when that cannot be known because the manifest is damaged, or cannot be read: its content is fetched or read again first. */
async function refsOf(contents: ContentStore, row: TreeRow): Promise<ChunkRef[] | undefined> {
  if (row.root === null) return undefined;
  try {
    return await contents.refs({ root: row.root as Hash, sizeBytes: row.size_bytes, depth: row.depth ?? 0 });
  } catch (error) {
    if (error instanceof GodwitError && /^(MANIFEST_|CONTENT_UNAVAILABLE)/.test(error.code)) return undefined;
    throw error;
  }
}

/** What there is at a path, or `undefined` when it went away or is something else now. */
async function unlessGone<T>(looking: Promise<T>): Promise<T | undefined> {
  try {
    return await looking;
  } catch (error) {
    if (error instanceof GodwitError && ['FILE_MISSING', 'NOT_A_FILE', 'PATH_REFUSED', 'UNREADABLE'].includes(error.code)) return undefined;
    throw error;
  }
}
