import { equalBytes, toHex } from '../core/bytes.ts';
import { GodwitError } from '../core/errors.ts';
import type { Hash } from '../core/identifiers.ts';
import type { Catalog, Schema } from '../ports/catalog.ts';
import type { ChunkStore, PackRecord } from '../ports/chunk-store.ts';
import type { Crypto } from '../ports/crypto.ts';
import type { FileReader, FileTree } from '../ports/file-tree.ts';
import { ChunkSplitter, chunkParametersFor } from './chunking.ts';
import { type ChunkRef, type ContentRef, ManifestBuilder, type ManifestNode, readManifest } from './manifest.ts';

/**
 * Where the bytes are. A chunk has homes: a record in a pack, or a place in a working file. A pack's bytes are on stable storage before the catalog names them; a working file belongs to
 * people, so what is read from it counts only after its hash was checked, and a home that fails the check is forgotten.
 *
 * A content is *complete* when every chunk and manifest node of it had a home at one time. Reading is still checked: completeness says what need not be fetched, the hash says what may be
 * shown.
 */

export const contentSchema: Schema = {
  component: 'content',
  steps: [
    `CREATE TABLE chunk (
       hash BLOB PRIMARY KEY,
       pack INTEGER NOT NULL,
       offset INTEGER NOT NULL,
       record_bytes INTEGER NOT NULL
     ) STRICT, WITHOUT ROWID;
     CREATE INDEX chunk_by_pack ON chunk (pack, offset);
     CREATE TABLE chunk_in_file (
       hash BLOB NOT NULL,
       tree TEXT NOT NULL,
       path TEXT NOT NULL,
       offset INTEGER NOT NULL,
       length_bytes INTEGER NOT NULL,
       PRIMARY KEY (hash, tree, path, offset)
     ) STRICT, WITHOUT ROWID;
     CREATE INDEX chunk_in_file_by_path ON chunk_in_file (tree, path);
     CREATE TABLE content_complete (
       root BLOB PRIMARY KEY,
       size_bytes INTEGER NOT NULL,
       depth INTEGER NOT NULL
     ) STRICT, WITHOUT ROWID;`,
  ],
};

/** Files up to this size are copied into packs when they are published, so that their old versions remain as merge and delta bases. */
const copyBytesMax = 4 * 1024 * 1024;
/** How much of a file is read at a time, and about how much is appended to a pack at a time. */
const readBytes = 1024 * 1024;
const appendBytesMax = 8 * 1024 * 1024;

interface ChunkRow {
  pack: number;
  offset: number;
  record_bytes: number;
}

/** All content this node holds. */
export class ContentStore {
  readonly #catalog: Catalog;
  readonly #chunks: ChunkStore;
  readonly #crypto: Crypto;
  readonly #treeById = new Map<string, FileTree>();

  constructor(catalog: Catalog, chunks: ChunkStore, crypto: Crypto) {
    this.#catalog = catalog;
    this.#chunks = chunks;
    this.#crypto = crypto;
    catalog.migrate(contentSchema);
  }

  /** Cuts off what a power cut left behind the last record that the catalog names. Called once, before anything is appended. */
  async recover(): Promise<void> {
    for (const { pack, lengthBytes } of await this.#chunks.packs()) {
      const named =
        this.#catalog.get<{ end: number | null }>('SELECT max(offset + record_bytes) AS end FROM chunk WHERE pack = ?', pack)?.end ?? 0;
      if (named < lengthBytes) await this.#chunks.truncateAfter(pack, named);
    }
  }

  /** Makes the files of a working tree readable as homes. `id` is stable over restarts. */
  attachTree(id: string, tree: FileTree): void {
    this.#treeById.set(id, tree);
  }

  /** True when the chunk or node has a home. */
  has(hash: Hash): boolean {
    return (
      this.#catalog.get('SELECT 1 FROM chunk WHERE hash = ?', hash) !== undefined ||
      this.#catalog.get('SELECT 1 FROM chunk_in_file WHERE hash = ?', hash) !== undefined
    );
  }

  /** True when the content is complete here. */
  holds(root: Hash): boolean {
    return this.#catalog.get('SELECT 1 FROM content_complete WHERE root = ?', root) !== undefined;
  }

  /** The content that is complete here under this root. */
  content(root: Hash): ContentRef | undefined {
    const row = this.#catalog.get<{ size_bytes: number; depth: number }>(
      'SELECT size_bytes, depth FROM content_complete WHERE root = ?',
      root,
    );
    return row && { root, sizeBytes: row.size_bytes, depth: row.depth };
  }

  /**
   * Stores chunks or nodes in packs. Their hashes have been verified by the caller. Resolves when they are durable and the catalog names them. Those already in a pack are left out.
   *
   * @throws GodwitError `DISK_FULL` or `STORAGE_FAILED` from the chunk store; nothing is named then, and the caller may try again.
   */
  async put(records: readonly PackRecord[]): Promise<void> {
    const fresh = records.filter((record) => this.#catalog.get('SELECT 1 FROM chunk WHERE hash = ?', record.hash) === undefined);
    if (fresh.length === 0) return;
    const places = await this.#chunks.append(fresh);
    this.#catalog.transaction(() => {
      fresh.forEach(({ hash }, index) => {
        const place = places[index];
        if (place === undefined) throw new GodwitError('STORAGE_FAILED', 'The chunk store did not say where it put a chunk.');
        this.#catalog.run(
          'INSERT OR IGNORE INTO chunk (hash, pack, offset, record_bytes) VALUES (?, ?, ?, ?)',
          hash,
          place.pack,
          place.offset,
          place.recordBytes,
        );
      });
    });
  }

  /** Notes that a content is complete: all its chunks and nodes have homes. */
  complete(content: ContentRef): void {
    this.#catalog.run(
      'INSERT OR IGNORE INTO content_complete (root, size_bytes, depth) VALUES (?, ?, ?)',
      content.root,
      content.sizeBytes,
      content.depth,
    );
  }

  /** The verified bytes of a chunk or node from whichever home still has them, or `undefined`. */
  async read(hash: Hash): Promise<Uint8Array | undefined> {
    const row = this.#catalog.get<ChunkRow>('SELECT pack, offset, record_bytes FROM chunk WHERE hash = ?', hash);
    if (row !== undefined) {
      const bytes = await this.#chunks.read({ pack: row.pack, offset: row.offset, recordBytes: row.record_bytes }, hash);
      if (bytes !== undefined) return bytes;
      this.#catalog.run('DELETE FROM chunk WHERE hash = ? AND pack = ? AND offset = ?', hash, row.pack, row.offset);
    }
    for (const home of this.#catalog.all<{ tree: string; path: string; offset: number; length_bytes: number }>(
      'SELECT tree, path, offset, length_bytes FROM chunk_in_file WHERE hash = ?',
      hash,
    )) {
      const bytes = await this.#readHome(home);
      if (bytes !== undefined && equalBytes(this.#crypto.sha256(bytes), hash)) return bytes;
      if (this.#treeById.has(home.tree)) {
        this.#catalog.run(
          'DELETE FROM chunk_in_file WHERE hash = ? AND tree = ? AND path = ? AND offset = ?',
          hash,
          home.tree,
          home.path,
          home.offset,
        );
      }
    }
    return undefined;
  }

  /** All chunk references of a content whose manifest is here. Throws as `readManifest` does when a node is missing or damaged. */
  async refs(content: ContentRef): Promise<ChunkRef[]> {
    return Array.fromAsync(readManifest(content, (hash) => this.read(hash), this.#crypto));
  }

  /**
   * The bytes of a content, chunk by chunk, each verified.
   *
   * @throws GodwitError `CONTENT_DAMAGED` when a chunk can no longer be read: the content is then no longer complete and will be fetched again.
   */
  async *stream(content: ContentRef): AsyncGenerator<Uint8Array, void, void> {
    for await (const ref of readManifest(content, (hash) => this.read(hash), this.#crypto)) {
      const bytes = await this.read(ref.hash);
      if (bytes === undefined) {
        this.#catalog.run('DELETE FROM content_complete WHERE root = ?', content.root);
        throw new GodwitError(
          'CONTENT_DAMAGED',
          `Chunk ${toHex(ref.hash)} can no longer be read; it will be fetched again from a node that has it.`,
          {
            retryable: true,
          },
        );
      }
      yield bytes;
    }
  }

  /** A content of at most `bytesMax` bytes in one array, or `undefined` when it is larger or not complete. */
  async bytes(content: ContentRef, bytesMax: number): Promise<Uint8Array | undefined> {
    if (content.sizeBytes > bytesMax || !this.holds(content.root)) return undefined;
    const whole = new Uint8Array(content.sizeBytes);
    let offset = 0;
    for await (const chunk of this.stream(content)) {
      whole.set(chunk, offset);
      offset += chunk.length;
    }
    return whole;
  }

  /** Stores bytes as content in packs. */
  async addBytes(bytes: Uint8Array): Promise<ContentRef> {
    const reader: Pick<FileReader, 'read'> = { read: async (offset, length) => bytes.slice(offset, offset + length) };
    return this.#add(reader, bytes.length, undefined);
  }

  /**
   * Stores the content of an open working file: hashes and cuts it in one pass, keeps small files in packs and leaves large ones where they are. Reads exactly `sizeBytes`.
   *
   * @throws GodwitError `FILE_CHANGED` (retryable) when the file turns out shorter.
   */
  async addFile(tree: string, path: string, reader: FileReader, sizeBytes: number): Promise<ContentRef> {
    return this.#add(reader, sizeBytes, sizeBytes <= copyBytesMax ? undefined : { tree, path });
  }

  /** Forgets the homes in a working file that is gone or about to be replaced. */
  forgetFile(tree: string, path: string): void {
    this.#catalog.run('DELETE FROM chunk_in_file WHERE tree = ? AND path = ?', tree, path);
  }

  async #add(reader: Pick<FileReader, 'read'>, sizeBytes: number, home: { tree: string; path: string } | undefined): Promise<ContentRef> {
    const splitter = new ChunkSplitter(chunkParametersFor(sizeBytes));
    const manifest = new ManifestBuilder(this.#crypto);
    let batch: PackRecord[] = [];
    let batchBytes = 0;
    let homes: { hash: Hash; offset: number; length: number }[] = [];
    let offset = 0;

    const flush = async (): Promise<void> => {
      await this.put(batch);
      if (home !== undefined && homes.length > 0) {
        this.#catalog.transaction(() => {
          for (const place of homes) {
            this.#catalog.run(
              'INSERT OR IGNORE INTO chunk_in_file (hash, tree, path, offset, length_bytes) VALUES (?, ?, ?, ?, ?)',
              place.hash,
              home.tree,
              home.path,
              place.offset,
              place.length,
            );
          }
        });
      }
      batch = [];
      homes = [];
      batchBytes = 0;
    };
    const addNodes = (nodes: readonly ManifestNode[]): void => {
      for (const node of nodes) {
        batch.push(node);
        batchBytes += node.bytes.length;
      }
    };
    const addChunk = (bytes: Uint8Array): void => {
      const hash = this.#crypto.sha256(bytes) as Hash;
      manifest.add({ hash, lengthBytes: bytes.length });
      if (home === undefined) {
        batch.push({ hash, bytes });
        batchBytes += bytes.length;
      } else {
        homes.push({ hash, offset, length: bytes.length });
      }
      offset += bytes.length;
    };

    let position = 0;
    while (position < sizeBytes) {
      const bytes = await reader.read(position, Math.min(readBytes, sizeBytes - position));
      if (bytes.length === 0) throw new GodwitError('FILE_CHANGED', 'A file became shorter while it was read.', { retryable: true });
      position += bytes.length;
      for (const chunk of splitter.push(bytes)) addChunk(chunk);
      addNodes(manifest.drain());
      if (batchBytes >= appendBytesMax || homes.length >= 4096) await flush();
    }
    for (const chunk of splitter.end()) addChunk(chunk);
    const { content, nodes } = manifest.finish();
    addNodes(nodes);
    await flush();
    this.complete(content);
    return content;
  }

  async #readHome(home: { tree: string; path: string; offset: number; length_bytes: number }): Promise<Uint8Array | undefined> {
    const tree = this.#treeById.get(home.tree);
    if (tree === undefined) return undefined;
    try {
      const reader = await tree.open(home.path);
      try {
        const bytes = await reader.read(home.offset, home.length_bytes);
        return bytes.length === home.length_bytes ? bytes : undefined;
      } finally {
        await reader.close();
      }
    } catch (error) {
      // A working file that was moved, removed or locked is simply not a home at the moment.
      if (error instanceof GodwitError) return undefined;
      throw error;
    }
  }
}
