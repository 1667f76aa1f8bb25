import { equalBytes } from '../core/bytes.ts';
import { GodwitError } from '../core/errors.ts';
import type { Hash } from '../core/identifiers.ts';
import type { Catalog, Schema } from '../ports/catalog.ts';
import type { PackRecord } from '../ports/chunk-store.ts';
import type { Crypto } from '../ports/crypto.ts';
import type { FileTree } from '../ports/file-tree.ts';
import type { ContentStore } from './content-store.ts';
import type { ChunkRef, ContentRef } from './manifest.ts';

/**
 * Copies of large working files, kept in packs so that the next change to one has a base.
 *
 * A large file is the only home of its own bytes, and whoever overwrites it takes them along; no link to the file helps then. So a copy is made in packs, compressed, in the background, as far as a
 * quota goes: of the files that changed last, by their own times. A file that was never seen to change gets one only when it is small beside the quota, so a folder of huge recordings is not
 * doubled, and the first change of one costs what the receiver tells of its base (`base-search.ts`).
 *
 * A copy that no longer fits is *released*: its file is read and compared, its chunks have their homes there again, and the next garbage collection takes them out of the packs unless another content
 * needs them. When a file has changed, what it held before is superseded content in packs, and the quota of the collection is what keeps it.
 *
 * This file works on the tables of `content-schema.ts`, as `content-store.ts` does.
 */

/** The table of large files that have, get or lose a copy. */
export const keptBasesSchema: Schema = {
  component: 'kept-bases',
  steps: [
    `CREATE TABLE kept_base (
       tree TEXT NOT NULL,
       path TEXT NOT NULL,
       root BLOB NOT NULL,
       size_bytes INTEGER NOT NULL,
       depth INTEGER NOT NULL,
       changed_ms INTEGER NOT NULL,
       state TEXT NOT NULL,
       bytes INTEGER NOT NULL,
       PRIMARY KEY (tree, path)
     ) STRICT, WITHOUT ROWID;
     CREATE INDEX kept_base_by_root ON kept_base (root);`,
  ],
};

/** A file that was not seen to change before may take this share of the quota. */
const unchangedShare = 1 / 16;
/** About how much is copied in one step, and appended at a time. */
const stepBytes = 64 * 1024 * 1024;
const appendBytes = 8 * 1024 * 1024;

interface KeptRow {
  readonly tree: string;
  readonly path: string;
  readonly root: Uint8Array;
  readonly size_bytes: number;
  readonly depth: number;
  /** `wanted`: to be copied. `kept`: all in packs. `released`: has its homes in the file, and what is in packs may go. */
  readonly state: 'wanted' | 'kept' | 'released';
  readonly total: number;
}

/** A large working file as it was published. */
export interface KeptCandidate {
  /** Name of the tree among the homes of chunks. */
  readonly tree: string;
  readonly path: string;
  readonly content: ContentRef;
  /** When the file was last modified, by its own time, in milliseconds. */
  readonly changedMs: number;
  /** It replaced another content of the path. */
  readonly isChange: boolean;
}

/** The copies of one node. */
export class KeptBases {
  readonly #catalog: Catalog;
  readonly #contents: ContentStore;
  readonly #crypto: Pick<Crypto, 'sha256'>;
  readonly #quotaBytes: number;

  /** @param quotaBytes bytes in packs that copies may take; 0 for none */
  constructor(catalog: Catalog, contents: ContentStore, crypto: Pick<Crypto, 'sha256'>, quotaBytes: number) {
    this.#catalog = catalog;
    this.#contents = contents;
    this.#crypto = crypto;
    this.#quotaBytes = quotaBytes;
    catalog.migrate(keptBasesSchema);
  }

  /** A file was published. Part of the caller's transaction; what follows is done by `step`. */
  note({ tree, path, content, changedMs, isChange }: KeptCandidate): void {
    const { root, sizeBytes, depth } = content;
    this.forget(tree, path);
    if (this.#contents.isTakenWhole(sizeBytes) || sizeBytes > this.#quotaBytes * (isChange ? 1 : unchangedShare)) return;
    this.#catalog.run(
      `INSERT INTO kept_base (tree, path, root, size_bytes, depth, changed_ms, state, bytes) VALUES (?, ?, ?, ?, ?, ?, 'wanted', ?)`,
      tree,
      path,
      root,
      sizeBytes,
      depth,
      changedMs,
      sizeBytes,
    );
  }

  /** A file is gone, or is none of ours any more. Part of the caller's transaction. */
  forget(tree: string, path: string): void {
    this.#catalog.run('DELETE FROM kept_base WHERE tree = ? AND path = ?', tree, path);
  }

  /**
   * Copies about 64 MiB, or releases one file; false when there is nothing to do. A file of `treeId` alone is looked at; `tree` is that directory. A disk without room for a copy releases it.
   *
   * @throws GodwitError `STORAGE_FAILED`
   */
  async step(treeId: string, tree: FileTree): Promise<boolean> {
    const row = this.#next(treeId);
    if (row === undefined) return false;
    const content: ContentRef = { root: row.root as Hash, sizeBytes: row.size_bytes, depth: row.depth };
    if (row.state === 'kept') await this.#release(row, content, tree);
    else if (row.total > this.#quotaBytes) this.#setState(row, 'released', 0);
    else await this.#copy(row, content);
    return true;
  }

  /** The first file that is in the quota without being kept, or out of it without being released. Files that changed last come first. */
  #next(tree: string): KeptRow | undefined {
    return this.#catalog.get<KeptRow & Record<string, number | string | Uint8Array>>(
      `SELECT tree, path, root, size_bytes, depth, state, total
       FROM (SELECT *, sum(CASE state WHEN 'released' THEN 0 ELSE bytes END) OVER (ORDER BY changed_ms DESC, tree, path) AS total FROM kept_base)
       WHERE tree = ? AND (state = 'wanted' OR (state = 'kept' AND total > ?)) ORDER BY state = 'wanted', total LIMIT 1`,
      tree,
      this.#quotaBytes,
    );
  }

  async #copy(row: KeptRow, content: ContentRef): Promise<void> {
    const refs = await this.#refs(content);
    if (refs === undefined) return this.#drop(row);
    let batch: PackRecord[] = [];
    let batchBytes = 0;
    let copiedBytes = 0;
    const append = async () => {
      await this.#contents.put(batch);
      this.#contents.unnamed.named(batch.map(({ hash, bytes }) => ({ hash, lengthBytes: bytes.length })));
      copiedBytes += batchBytes;
      batch = [];
      batchBytes = 0;
    };
    try {
      for (const { hash } of refs) {
        if (this.#packedBytes(hash) !== undefined) continue;
        const bytes = await this.#contents.read(hash);
        // The file was overwritten meanwhile: the next scan brings what it holds now.
        if (bytes === undefined) return this.#drop(row);
        batch.push({ hash, bytes });
        batchBytes += bytes.length;
        if (batchBytes >= appendBytes) await append();
        if (copiedBytes >= stepBytes) return;
      }
      await append();
    } catch (error) {
      if (!(error instanceof GodwitError) || error.code !== 'DISK_FULL') throw error;
      return this.#setState(row, 'released', 0);
    }
    const bytes = refs.reduce((sum, { hash }) => sum + (this.#packedBytes(hash) ?? 0), 0);
    this.#setState(row, 'kept', bytes);
  }

  /** Gives the chunks their homes in the file again, where it still holds them. */
  async #release(row: KeptRow, content: ContentRef, tree: FileTree): Promise<void> {
    const refs = await this.#refs(content);
    if (refs === undefined || !(await this.#stands(row.path, refs, tree))) return this.#drop(row);
    this.#catalog.transaction(() => {
      let offset = 0;
      for (const { hash, lengthBytes } of refs) {
        this.#catalog.run(
          'INSERT OR IGNORE INTO chunk_in_file (hash, tree, path, offset, length_bytes) VALUES (?, ?, ?, ?, ?)',
          hash,
          row.tree,
          row.path,
          offset,
          lengthBytes,
        );
        offset += lengthBytes;
      }
      this.#catalog.run('INSERT OR IGNORE INTO content_in_file (tree, path, root) VALUES (?, ?, ?)', row.tree, row.path, content.root);
      this.#setState(row, 'released', 0);
    });
  }

  /** Whether a file holds these chunks, one behind the other. */
  async #stands(path: string, refs: readonly ChunkRef[], tree: FileTree): Promise<boolean> {
    try {
      const reader = await tree.open(path);
      try {
        let offset = 0;
        for (const { hash, lengthBytes } of refs) {
          const bytes = await reader.read(offset, lengthBytes);
          if (!equalBytes(this.#crypto.sha256(bytes), hash)) return false;
          offset += lengthBytes;
        }
        return true;
      } finally {
        await reader.close();
      }
    } catch (error) {
      if (error instanceof GodwitError) return false;
      throw error;
    }
  }

  async #refs(content: ContentRef): Promise<readonly ChunkRef[] | undefined> {
    try {
      return this.#contents.holds(content.root) ? await this.#contents.refs(content) : undefined;
    } catch (error) {
      if (error instanceof GodwitError) return undefined;
      throw error;
    }
  }

  #packedBytes(hash: Hash): number | undefined {
    return this.#catalog.get<{ record_bytes: number }>('SELECT record_bytes FROM chunk WHERE hash = ?', hash)?.record_bytes;
  }

  #drop({ tree, path, root }: KeptRow): void {
    this.#catalog.run('DELETE FROM kept_base WHERE tree = ? AND path = ? AND root = ?', tree, path, root);
  }

  #setState({ tree, path, root }: KeptRow, state: KeptRow['state'], bytes: number): void {
    this.#catalog.run('UPDATE kept_base SET state = ?, bytes = ? WHERE tree = ? AND path = ? AND root = ?', state, bytes, tree, path, root);
  }
}

/** True when a large file's own bytes are to be its only ones: what packs hold of it may go where the file is a home, too. */
export function isReleased(catalog: Catalog, root: Hash): boolean {
  return catalog.get(`SELECT 1 FROM kept_base WHERE root = ? AND state = 'released'`, root) !== undefined;
}
