import { invariant } from '../core/assert.ts';
import { toHex } from '../core/bytes.ts';
import { GodwitError } from '../core/errors.ts';
import type { Hash } from '../core/identifiers.ts';
import type { Catalog } from '../ports/catalog.ts';
import type { ChunkStore, PackRecord } from '../ports/chunk-store.ts';
import type { Crypto } from '../ports/crypto.ts';
import { type FileReader, type FileStat, type FileTree, isSameFile } from '../ports/file-tree.ts';
import type { SegmentCutter } from '../ports/segment-cutter.ts';
import { ArrivingFiles } from './arriving-files.ts';
import { ChunkHomes } from './chunk-homes.ts';
import { type ChunkParameters, chunkParametersFor } from './chunking.ts';
import { ContentCut } from './content-cut.ts';
import { readRuns } from './content-runs.ts';
import { contentSchema } from './content-schema.ts';
import { type ChunkRef, type ContentRef, readManifest, totalBytes } from './manifest.ts';
import { readAhead } from './read-ahead.ts';
import { becameShorter, cutSegments } from './segment-reading.ts';
import { UnnamedPuts } from './unnamed-puts.ts';

/**
 * Where the bytes are. A chunk has homes: a record in a pack, or a place in a working file. A pack's bytes are on stable storage before the catalog names them; a working file belongs to
 * people, so what is read from it counts only after its hash was checked, and a home that fails the check is forgotten.
 *
 * A content is *complete* while every chunk of it has a home. When a working file changes or goes, the contents that relied on it become *doubtful* in the same transaction, until `recheck` has
 * looked through their manifests: complete again where every chunk has another home, *lost* otherwise. A content that cannot be read any more is lost as well. Whoever needs a lost content asks for
 * it anew (`takeLost`). Reading is checked all the same: completeness says what need not be fetched, the hash says what may be shown.
 */

/** Files up to this size are copied into packs when they are published, so that their old versions remain as merge and delta bases. */
const copyBytesMax = 4 * 1024 * 1024;
/** Contents up to this size are cut into chunks of the smallest average, whatever they grew from. */
const smallestChunksBytesMax = 256 * 1024 * 1024;
/** How much of a file is read at a time, and about how much is appended to a pack at a time. */
const readBytes = 1024 * 1024;
const appendBytesMax = 8 * 1024 * 1024;
/** Chunks of a content that are read before their turn. */
const readsAhead = 4;

interface ContentRow {
  root: Uint8Array;
  size_bytes: number;
  depth: number;
}

/** The content of a small working file, read, cut and hashed, that is not stored yet. */
export interface TakenFile {
  readonly path: string;
  readonly content: ContentRef;
  /** The chunks' bytes and the manifest's nodes. */
  readonly records: readonly PackRecord[];
}

/** How the content of a working file is taken. */
export interface AddFileOptions {
  /** The content that stood in the file before: its chunk lengths are kept, so that a file that grows past a step of `chunkParametersFor` still shares its chunks with its own past. */
  readonly previous?: ContentRef;
  /** Take a file that changes while it is read: the bytes that were read are the content. Without it such a file is refused. */
  readonly changing?: boolean;
}

/** Hears what becomes of contents outside of transfers. Called within whatever came upon it: it takes note, and acts later. */
export interface ContentListener {
  /** A content that was complete is lost. */
  lost(content: ContentRef): void;
  /** A part of it has homes, none of which can be read at the moment. */
  unreadable(content: ContentRef): void;
  /** A content in doubt turned out to be complete. */
  complete(content: ContentRef): void;
}

/** All content this node holds. */
export class ContentStore {
  readonly #catalog: Catalog;
  readonly #chunks: ChunkStore;
  readonly #crypto: Crypto;
  readonly #cutter: SegmentCutter | undefined;
  readonly #homes: ChunkHomes;
  #listener: ContentListener | undefined;
  /** What is stored, or about to be, without a content that names it: a collection must know. */
  readonly unnamed = new UnnamedPuts();
  /** The files that large contents arrive in. */
  readonly arriving: ArrivingFiles;

  /** @param cutter other processors for large files; without one everything is cut and hashed by this thread, with the same result */
  constructor(catalog: Catalog, chunks: ChunkStore, crypto: Crypto, cutter?: SegmentCutter) {
    this.#catalog = catalog;
    this.#chunks = chunks;
    this.#crypto = crypto;
    this.#cutter = cutter;
    this.#homes = new ChunkHomes(catalog, chunks, crypto);
    catalog.migrate(contentSchema);
    this.arriving = new ArrivingFiles({ catalog, crypto, homes: this.#homes, forgetFile: (tree, path) => this.#forgetFile(tree, path) });
  }

  /** Cuts off what a power cut left behind the last record that the catalog names, and looks through the contents it left in doubt. Called once, before anything is appended. */
  async recover(): Promise<void> {
    this.#catalog.run('UPDATE content_opening SET number = coalesce(number, 0) + 1');
    const namedByPack = new Map<number, number>();
    for (const { pack } of await this.#chunks.packs()) namedByPack.set(pack, 0);
    for (const row of this.#catalog.all<{ pack: number; end: number }>(
      'SELECT pack, max(offset + record_bytes) AS end FROM chunk GROUP BY pack',
    )) {
      namedByPack.set(row.pack, row.end);
    }
    // Every pack is named to the store, also one that is shorter than the catalog says or missing: no place in it may be used a second time.
    for (const [pack, end] of namedByPack) await this.#chunks.truncateAfter(pack, end);
    await this.recheck();
  }

  /** Makes the files of a working tree readable as homes. `id` is stable over restarts. */
  attachTree(id: string, tree: FileTree): void {
    this.#homes.attachTree(id, tree);
    this.arriving.attachTree(id, tree);
  }

  /** Hears from now on what becomes of contents outside of transfers. */
  follow(listener: ContentListener): void {
    this.#listener = listener;
  }

  /** True when the chunk or node has a home. */
  has(hash: Hash): boolean {
    return this.#homes.has(hash);
  }

  /** True when the chunk or node has a home that, as far as is known, can be read. */
  isReadable(hash: Hash): boolean {
    return this.#homes.has(hash) && !this.#homes.isUnreadable(hash);
  }

  /** True when the content is complete here. */
  holds(root: Hash): boolean {
    return this.content(root) !== undefined;
  }

  /** The content that is complete here under this root. */
  content(root: Hash): ContentRef | undefined {
    const row = this.#catalog.get<ContentRow>(`SELECT root, size_bytes, depth FROM content WHERE root = ? AND state = 'complete'`, root);
    return row && contentOf(row);
  }

  /**
   * Stores chunks or nodes in packs. Their hashes have been verified by the caller. Resolves when they are durable and the catalog names them. Those already in a pack are left out. `named` is called in
   * the transaction that names them.
   *
   * @throws GodwitError `DISK_FULL` or `STORAGE_FAILED` from the chunk store; nothing is named then, and the caller may try again.
   */
  async put(records: readonly PackRecord[], named?: () => void): Promise<void> {
    if (named === undefined) this.unnamed.remember(records);
    await this.unnamed.store(records, () => this.#store(records, named));
  }

  async #store(records: readonly PackRecord[], named?: () => void): Promise<void> {
    const freshByHash = new Map<string, PackRecord>();
    for (const record of records) {
      // A record that went bad would stand in the way of the good one; reading forgets it.
      const wasPacked = this.#homes.isPacked(record.hash);
      if (wasPacked) await this.#homes.readOrForget(record.hash);
      if (!wasPacked || !this.#homes.isPacked(record.hash)) freshByHash.set(toHex(record.hash), record);
    }
    const fresh = [...freshByHash.values()];
    const places = fresh.length === 0 ? [] : await this.#chunks.append(fresh);
    if (fresh.length === 0 && named === undefined) return;
    this.#catalog.transaction(() => {
      for (const at of orderByHash(fresh.map(({ hash }) => hash))) {
        const place = places[at];
        if (place === undefined) throw new GodwitError('STORAGE_FAILED', 'The chunk store did not say where it put a chunk.');
        this.#catalog.run(
          'INSERT OR IGNORE INTO chunk (hash, pack, offset, record_bytes) VALUES (?, ?, ?, ?)',
          (fresh[at] as PackRecord).hash,
          place.pack,
          place.offset,
          place.recordBytes,
        );
      }
      named?.();
    });
  }

  /**
   * Notes that a content is complete, once every one of its chunks has a home; false, and nothing is noted, when one has none. `chunks` are the content's, in order; its manifest nodes are in packs
   * already. Synchronous; part of the caller's transaction.
   */
  complete(content: ContentRef, chunks: Iterable<ChunkRef>): boolean {
    invariant(totalBytes(chunks) === content.sizeBytes, 'a content is completed with chunks that are not all of it');
    return this.#catalog.transaction(() => {
      const files = new Map<string, { tree: string; path: string }>();
      for (const { hash } of chunks) {
        if (this.#homes.isPacked(hash)) continue;
        const homes = this.#homes.inFiles(hash);
        if (homes.length === 0) return false;
        for (const { tree, path } of homes) files.set(`${tree}\0${path}`, { tree, path });
      }
      this.unnamed.named(chunks);
      this.#setComplete(content);
      for (const { tree, path } of files.values()) {
        this.#catalog.run('INSERT OR IGNORE INTO content_in_file (tree, path, root) VALUES (?, ?, ?)', tree, path, content.root);
      }
      return true;
    });
  }

  // Queries for trouble repeat the condition of the partial index, because SQLite uses one only for the very same words.

  /** Looks through every content in doubt: it is complete again, or lost. Called after working files changed; what a power cut interrupts is done by `recover`. */
  async recheck(): Promise<void> {
    for (const row of this.#catalog.all<ContentRow>(
      `SELECT root, size_bytes, depth FROM content WHERE state <> 'complete' AND state = 'doubtful'`,
    )) {
      const content = contentOf(row);
      // `refs` itself declares a content lost whose manifest cannot be read.
      const chunks = await this.refs(content).catch(ignoreGodwitError);
      if (chunks === undefined) continue;
      if (this.complete(content, chunks)) this.#listener?.complete(content);
      else this.#lose(content);
    }
  }

  /** Contents that were complete and are not any more, each told once: whoever still needs one wants it again. Part of the caller's transaction. */
  takeLost(): ContentRef[] {
    const lost = this.#catalog.all<ContentRow>(`SELECT root, size_bytes, depth FROM content WHERE state <> 'complete' AND state = 'lost'`);
    for (const { root } of lost) this.#catalog.run('DELETE FROM content WHERE root = ?', root);
    return lost.map(contentOf);
  }

  /** The verified bytes of a chunk or node from whichever home still has them, or `undefined`. A home that turns out to hold something else is forgotten. */
  read(hash: Hash): Promise<Uint8Array | undefined> {
    return this.#homes.read(hash);
  }

  /** The same as `read` for several, in their order; `undefined` when one of them cannot be had. What is read from working files is put into `room` as far as it goes: whoever gives it knows when nobody needs the chunks any more. `trusts` as in `ChunkHomes.readAll`. */
  readAll(hashes: readonly Hash[], room?: Uint8Array, trusts?: 'nothing' | 'just-hashed'): Promise<Uint8Array[] | undefined> {
    return this.#homes.readAll(hashes, room, trusts);
  }

  /**
   * All chunk references of a content whose manifest is here.
   *
   * @throws GodwitError as `readManifest` does when a node is missing or damaged; the content is then lost. `CONTENT_UNAVAILABLE` (retryable) when a node cannot be read at the moment
   */
  async refs(content: ContentRef): Promise<ChunkRef[]> {
    return Array.fromAsync(this.#manifest(content));
  }

  /**
   * The references of everything a content is made of: of its chunks in order, and before the first chunk below a manifest node that node with the length 0.
   *
   * @throws GodwitError as `refs` does
   */
  async *parts(content: ContentRef): AsyncGenerator<ChunkRef, void, void> {
    let nodes: Hash[] = [];
    for await (const chunk of this.#manifest(content, (node) => nodes.push(node))) {
      for (const hash of nodes) yield { hash, lengthBytes: 0 };
      nodes = [];
      yield chunk;
    }
  }

  /**
   * The bytes of a content, chunk by chunk, each verified.
   *
   * @throws GodwitError `CONTENT_DAMAGED` (retryable) when the bytes of a chunk are gone: the content is then lost and will be fetched again; `CONTENT_UNAVAILABLE` (retryable) when a chunk lies where it
   * cannot be read at the moment
   */
  async *stream(content: ContentRef): AsyncGenerator<Uint8Array, void, void> {
    for await (const [ref, bytes] of readAhead(this.#manifest(content), readsAhead, ({ hash }) => this.read(hash))) {
      yield this.#expected(content, ref, bytes);
    }
  }

  /** The same in longer pieces, each of which is good only until the next one is asked for: the same memory is used again and again. */
  async *lend(content: ContentRef): AsyncGenerator<Uint8Array, void, void> {
    for await (const { run, pieces } of readRuns(this.#manifest(content), (hashes, room) => this.readAll(hashes, room))) {
      if (pieces !== undefined) yield* pieces;
      else for (const ref of run) yield this.#expected(content, ref, await this.read(ref.hash));
    }
  }

  /** What was read of a chunk, if that is all of it. */
  #expected(content: ContentRef, { hash, lengthBytes }: ChunkRef, bytes: Uint8Array | undefined): Uint8Array {
    if (bytes?.length === lengthBytes) return bytes;
    if (bytes === undefined && this.has(hash)) throw this.#unavailable(content, hash);
    this.#lose(content);
    throw new GodwitError(
      'CONTENT_DAMAGED',
      `Chunk ${toHex(hash)} can no longer be read; it will be fetched again from a node that has it.`,
      { retryable: true },
    );
  }

  /**
   * Declares a complete content lost when a chunk that it names has no home any more. True then; where one only cannot be read, that is noted. For readers that go by references; `stream` and `refs` do it
   * themselves.
   */
  loseIfDamaged(content: ContentRef, chunks: readonly ChunkRef[]): boolean {
    const isLost = chunks.some(({ hash }) => !this.has(hash));
    if (isLost) this.#lose(content);
    else if (chunks.some(({ hash }) => this.#homes.takeFailure(hash))) this.#listener?.unreadable(content);
    return isLost;
  }

  /** Declares a complete content lost, although it has its homes: they could not be read for long. It is complete again by `complete`, when they can. */
  giveUp(content: ContentRef): void {
    this.#lose(content);
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

  /** Stores bytes as content in packs. They must stay as they are until this is done. */
  async addBytes(bytes: Uint8Array): Promise<ContentRef> {
    const read: FileReader['read'] = async (offset, length) => bytes.subarray(offset, offset + length);
    return this.#assemble(async (put) => {
      const { content, chunks } = await this.#cut({ read }, bytes.length, chunkParametersFor(bytes.length), true, put);
      this.complete(content, chunks);
      return content;
    });
  }

  /** True when the content of a working file of this size goes into packs, and so may be taken now and stored together with others'. */
  isTakenWhole(sizeBytes: number): boolean {
    return sizeBytes <= copyBytesMax;
  }

  /**
   * Reads the content of an open working file that `isTakenWhole` into memory, cuts and hashes it. Reads exactly the bytes that `stat` speaks of. Nothing is stored.
   *
   * @throws GodwitError as `addFile` does
   */
  async takeFile(reader: FileReader, stat: FileStat, options: AddFileOptions = {}): Promise<TakenFile> {
    const { path, sizeBytes } = stat;
    const parameters = chunkParametersFor(sizeBytes, await this.#meanChunkBytes(options.previous, sizeBytes));
    const records: PackRecord[] = [];
    const { content } = await this.#cut(reader, sizeBytes, parameters, true, async (more) => void records.push(...more));
    await refuseChanged(reader, stat, options);
    return { path, content, records };
  }

  /** The same for a small file whose bytes are in memory already. They belong to the result from now on. */
  takeBytes(path: string, bytes: Uint8Array): TakenFile {
    const parameters = chunkParametersFor(bytes.length);
    if (bytes.length > 0 && bytes.length <= parameters.minBytes) {
      // Most files of a large tree are a single chunk, which is its own manifest.
      const root = this.#crypto.sha256(bytes) as Hash;
      return {
        path,
        content: { root, sizeBytes: bytes.length, depth: 0 },
        records: [{ hash: root, bytes }],
      };
    }
    const cut = new ContentCut(parameters, true, this.#crypto);
    cut.push(bytes);
    const { content } = cut.end();
    return { path, content, records: cut.takeRecords() };
  }

  /**
   * Stores taken contents with one append, one sync and one transaction, however many they are: a small file costs its bytes, and not the wait for the disk. What was known of the files before is
   * replaced in the step that makes the new contents complete. The caller bounds what it holds in memory; a few MiB are enough.
   *
   * @throws GodwitError as `put` does; nothing is noted of any of the files then
   */
  async storeFiles(tree: string, files: readonly TakenFile[]): Promise<void> {
    await this.put(
      files.flatMap(({ records }) => records),
      () => {
        for (const { path } of files) this.#forgetFile(tree, path);
        for (const at of orderByHash(files.map(({ content }) => content.root))) this.#setComplete((files[at] as TakenFile).content);
      },
    );
  }

  /**
   * Stores the content of an open working file: hashes and cuts it in one pass, keeps small files in packs and leaves large ones where they are. Reads exactly the bytes that `stat` speaks of.
   * What was known of the file before is replaced in the same step that makes the new content complete.
   *
   * @throws GodwitError `FILE_CHANGED` (retryable) when the file turns out shorter, or is not the one that `stat` describes by the time it was read
   */
  async addFile(tree: string, reader: FileReader, stat: FileStat, options: AddFileOptions = {}): Promise<ContentRef> {
    const { path, sizeBytes } = stat;
    if (this.isTakenWhole(sizeBytes)) {
      const taken = await this.takeFile(reader, stat, options);
      await this.storeFiles(tree, [taken]);
      return taken.content;
    }
    const parameters = chunkParametersFor(sizeBytes, await this.#meanChunkBytes(options.previous, sizeBytes));
    return this.#assemble(async (put) => {
      const { content, chunks } = await this.#cut(reader, sizeBytes, parameters, false, put);
      await refuseChanged(reader, stat, options);
      this.replaceFile(tree, path, content, chunks);
      if (options.changing !== true) this.#homes.wasHashed(tree, stat);
      return content;
    });
  }

  /**
   * Notes that a working file holds this content now, and no longer what it held: the homes in it are replaced, and contents that relied on the old ones are in doubt until `recheck`. Synchronous;
   * part of the caller's transaction.
   */
  replaceFile(tree: string, path: string, content: ContentRef, chunks: Iterable<ChunkRef>): void {
    this.#catalog.transaction(() => {
      this.#forgetFile(tree, path);
      let offset = 0;
      let isHome = false;
      for (const { hash, lengthBytes } of chunks) {
        // A chunk in a pack needs no second home.
        if (!this.#homes.isPacked(hash)) {
          isHome = true;
          this.#catalog.run(
            'INSERT OR IGNORE INTO chunk_in_file (hash, tree, path, offset, length_bytes) VALUES (?, ?, ?, ?, ?)',
            hash,
            tree,
            path,
            offset,
            lengthBytes,
          );
        }
        offset += lengthBytes;
      }
      this.unnamed.named(chunks);
      this.#setComplete(content);
      if (isHome) this.#catalog.run('INSERT INTO content_in_file (tree, path, root) VALUES (?, ?, ?)', tree, path, content.root);
    });
  }

  /** Forgets the homes in a working file that is gone; contents that relied on them are in doubt until `recheck`. Synchronous; part of the caller's transaction. */
  forgetFile(tree: string, path: string): void {
    this.#catalog.transaction(() => this.#forgetFile(tree, path));
  }

  /** Complete contents that rely on a working file. */
  contentsIn(tree: string, path: string): ContentRef[] {
    return this.#catalog
      .all<ContentRow>(
        `SELECT content.root, size_bytes, depth FROM content_in_file JOIN content USING (root) WHERE tree = ? AND path = ? AND state = 'complete'`,
        tree,
        path,
      )
      .map(contentOf);
  }

  /**
   * Copies into packs what a content would lose with a working file: the chunks that have no home elsewhere, without those that will be in the file that takes its place.
   *
   * @throws GodwitError `DISK_FULL`, `STORAGE_FAILED`, or as `refs` does
   */
  async saveFromFile(tree: string, path: string, content: ContentRef, staying: readonly ChunkRef[]): Promise<void> {
    const stayingHashes = new Set(staying.map(({ hash }) => toHex(hash)));
    let batch: PackRecord[] = [];
    let batchBytes = 0;
    for (const { hash } of await this.refs(content)) {
      if (stayingHashes.has(toHex(hash)) || this.#homes.isPacked(hash)) continue;
      if (this.#homes.inFiles(hash).some((home) => home.tree !== tree || home.path !== path)) continue;
      const bytes = await this.read(hash);
      if (bytes === undefined) continue;
      batch.push({ hash, bytes });
      batchBytes += bytes.length;
      if (batchBytes < appendBytesMax) continue;
      await this.put(batch);
      batch = [];
      batchBytes = 0;
    }
    await this.put(batch);
  }

  /** Does work that puts the parts of one content and then completes it. */
  #assemble<T>(work: (put: (records: readonly PackRecord[]) => Promise<void>) => Promise<T>): Promise<T> {
    return this.unnamed.assemble((note) =>
      work(async (records) => {
        note(records);
        await this.unnamed.store(records, () => this.#store(records));
      }),
    );
  }

  /** Reads, cuts and hashes in one pass. What is to be in packs, the manifest's nodes at least, is handed to `store` whenever enough has come together, and at the end. */
  async #cut(
    reader: Pick<FileReader, 'read'>,
    sizeBytes: number,
    parameters: ChunkParameters,
    inPacks: boolean,
    store: (records: readonly PackRecord[]) => Promise<void>,
  ): Promise<{ readonly content: ContentRef; readonly chunks: Iterable<ChunkRef> }> {
    const cut = new ContentCut(parameters, inPacks, this.#crypto);
    if (!inPacks && this.#cutter !== undefined) return cutSegments(reader, sizeBytes, parameters.averageBytes, cut, this.#cutter, store);
    let position = 0;
    while (position < sizeBytes) {
      const bytes = await reader.read(position, Math.min(readBytes, sizeBytes - position));
      if (bytes.length === 0) throw becameShorter();
      position += bytes.length;
      cut.push(bytes);
      if (cut.recordBytes >= appendBytesMax) await store(cut.takeRecords());
    }
    const result = cut.end();
    await store(cut.takeRecords());
    return result;
  }

  /** Mean chunk length of what a file held before, where it matters. */
  async #meanChunkBytes(previous: ContentRef | undefined, sizeBytes: number): Promise<number | undefined> {
    if (previous === undefined || !this.holds(previous.root)) return undefined;
    if (Math.max(sizeBytes, previous.sizeBytes) <= smallestChunksBytesMax) return undefined;
    const chunks = await this.refs(previous).catch(ignoreGodwitError);
    return chunks === undefined || chunks.length === 0 ? undefined : previous.sizeBytes / chunks.length;
  }

  /** The references of a content. One whose manifest is gone is lost. */
  async *#manifest(content: ContentRef, visit?: (node: Hash) => void): AsyncGenerator<ChunkRef, void, void> {
    const load = async (hash: Hash) => {
      visit?.(hash);
      const bytes = await this.read(hash);
      if (bytes === undefined && this.has(hash)) throw this.#unavailable(content, hash);
      return bytes;
    };
    try {
      yield* readManifest(content, load, this.#crypto);
    } catch (error) {
      if (error instanceof GodwitError && error.code.startsWith('MANIFEST_')) this.#lose(content);
      throw error;
    }
  }

  #unavailable(content: ContentRef, hash: Hash): GodwitError {
    if (this.#homes.takeFailure(hash)) this.#listener?.unreadable(content);
    return new GodwitError(
      'CONTENT_UNAVAILABLE',
      `Chunk ${toHex(hash)} lies where it cannot be read at the moment; look after the disk and its connection.`,
      { retryable: true },
    );
  }

  /** Declares a content lost that was complete. A reference to it that is not its own, with another size say, declares nothing. */
  #lose(content: ContentRef): void {
    const { root, sizeBytes, depth } = content;
    const lost = `UPDATE content SET state = 'lost' WHERE state <> 'lost' AND root = ? AND size_bytes = ? AND depth = ?`;
    if (this.#catalog.run(lost, root, sizeBytes, depth) > 0) this.#listener?.lost(content);
  }

  #forgetFile(tree: string, path: string): void {
    // Most files are small ones, of which nothing is known.
    const known = this.#catalog.get(
      `SELECT 1 WHERE EXISTS (SELECT 1 FROM content_in_file WHERE tree = ?1 AND path = ?2) OR EXISTS (SELECT 1 FROM chunk_in_file WHERE tree = ?1 AND path = ?2)`,
      tree,
      path,
    );
    if (known === undefined) return;
    this.#catalog.run(
      `UPDATE content SET state = 'doubtful' WHERE state = 'complete' AND root IN (SELECT root FROM content_in_file WHERE tree = ? AND path = ?)`,
      tree,
      path,
    );
    this.#catalog.run('DELETE FROM content_in_file WHERE tree = ? AND path = ?', tree, path);
    this.#catalog.run('DELETE FROM chunk_in_file WHERE tree = ? AND path = ?', tree, path);
  }

  #setComplete({ root, sizeBytes, depth }: ContentRef): void {
    this.#catalog.run(
      `INSERT OR REPLACE INTO content (root, size_bytes, depth, state, opening) VALUES (?, ?, ?, 'complete', (SELECT number FROM content_opening))`,
      root,
      sizeBytes,
      depth,
    );
  }
}

/** Positions in the order of these hashes, which is that of the tables they are keys of: many rows then share a page while it is in the cache. In the order of files they would be all over the table. */
function orderByHash(hashes: readonly Hash[]): number[] {
  const keys = hashes.map(toHex);
  return [...keys.keys()].sort((a, b) => ((keys[a] as string) < (keys[b] as string) ? -1 : 1));
}

async function refuseChanged(reader: FileReader, stat: FileStat, { changing }: AddFileOptions): Promise<void> {
  if (changing === true || isSameFile(stat, await reader.stat())) return;
  throw new GodwitError('FILE_CHANGED', 'A file changed while it was read; it will be read again.', { retryable: true });
}

function contentOf(row: ContentRow): ContentRef {
  return { root: row.root as Hash, sizeBytes: row.size_bytes, depth: row.depth };
}

function ignoreGodwitError(error: unknown): undefined {
  if (!(error instanceof GodwitError)) throw error;
}
