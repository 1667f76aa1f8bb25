import { invariant } from '../core/assert.ts';
import { equalBytes, toHex } from '../core/bytes.ts';
import { GodwitError } from '../core/errors.ts';
import type { Hash } from '../core/identifiers.ts';
import type { Catalog, Schema } from '../ports/catalog.ts';
import type { Crypto } from '../ports/crypto.ts';
import type { FileReader, FileTree, PartFile } from '../ports/file-tree.ts';
import type { ChunkHomes } from './chunk-homes.ts';
import type { ChunkRef, ContentRef } from './manifest.ts';

/**
 * Large contents arrive in the files that they will be: in a part beside the place they are for, each chunk at its offset. So they are written once, and read again only where somebody asks for them.
 *
 * A part is the home of the chunks in it, like any working file: the catalog names a chunk when its bytes are on stable storage, and whoever reads it holds it against its hash. When the content is whole, the
 * part is put in its place and the homes move with it. What a process finds of parts that an earlier one filled is read and verified before it stands anywhere: the disk had time to forget.
 *
 * The part's new place is noted before it is put there. Between that and the note that it stands there, its chunks are found at either place.
 */

/** The table of parts. */
export const arrivingFilesSchema: Schema = {
  component: 'arriving-files',
  steps: [
    `CREATE TABLE arriving_file (root BLOB PRIMARY KEY, tree TEXT NOT NULL, part TEXT NOT NULL, place TEXT) STRICT, WITHOUT ROWID;
     CREATE INDEX arriving_file_by_part ON arriving_file (tree, part);`,
  ],
};

/** How much is read again or copied before it is named, about. */
const namedTogetherBytes = 8 * 1024 * 1024;
/** While others write, so much may be written before it is synced: half of what a sender has under way. */
const syncedTogetherBytes = 32 * 1024 * 1024;

/** Where a content is wanted. */
export interface WantedPlace {
  /** Name of the tree among the homes of chunks. */
  readonly tree: string;
  readonly path: string;
}

/** A chunk of a content, at its place in it. */
export interface PlacedChunk {
  readonly offset: number;
  readonly hash: Hash;
  readonly bytes: Uint8Array;
}

interface ArrivingRow extends Record<string, string | Uint8Array | null> {
  root: Uint8Array;
  tree: string;
  part: string;
  place: string | null;
}

/** What parts are kept with. */
export interface ArrivingParts {
  readonly catalog: Catalog;
  readonly crypto: Pick<Crypto, 'sha256'>;
  readonly homes: ChunkHomes;
  /** Forgets the homes in a file; contents that relied on them are in doubt until they are rechecked. */
  readonly forgetFile: (tree: string, path: string) => void;
}

/** The parts of one node. */
export class ArrivingFiles {
  readonly #parts: ArrivingParts;
  readonly #treeById = new Map<string, FileTree>();
  readonly #fileByRoot = new Map<string, Promise<ArrivingFile | undefined>>();

  constructor(parts: ArrivingParts) {
    this.#parts = parts;
    parts.catalog.migrate(arrivingFilesSchema);
  }

  /** The parts in a tree stay, and are gone on with. Under the same name another directory may be attached now: what is open of the parts of the one before is none of its. */
  attachTree(id: string, tree: FileTree): void {
    this.#treeById.set(id, tree);
    for (const { root, part } of this.#parts.catalog.all<ArrivingRow>('SELECT * FROM arriving_file WHERE tree = ?', id)) {
      this.#fileByRoot.delete(toHex(root));
      tree.claimPart(part);
    }
  }

  /**
   * The file that a content arrives in: the one that was begun, or else a new one where `wanted` says. `undefined` when it is wanted nowhere, or no file can be made there.
   *
   * @throws GodwitError `STORAGE_FAILED`, `DIRECTORY_UNWRITABLE`, when there is one that cannot be opened
   */
  async fileOf(root: Hash, wanted?: () => WantedPlace | undefined): Promise<ArrivingFile | undefined> {
    const key = toHex(root);
    const known = this.#fileByRoot.get(key);
    if (known !== undefined) return known;
    const finding = this.#find(root, wanted);
    this.#fileByRoot.set(key, finding);
    const forget = () => this.#fileByRoot.delete(key);
    return finding.then(
      (file) => {
        if (file === undefined) forget();
        return file;
      },
      (error: unknown) => {
        forget();
        throw error;
      },
    );
  }

  async #find(root: Hash, wanted: (() => WantedPlace | undefined) | undefined): Promise<ArrivingFile | undefined> {
    const { catalog } = this.#parts;
    const row = catalog.get<ArrivingRow>('SELECT * FROM arriving_file WHERE root = ?', root);
    if (row !== undefined) {
      const tree = this.#treeById.get(row.tree);
      if (tree === undefined) return undefined;
      if (await isThere(tree, row.part)) return this.#file(root, tree, row);
      // It is where it was going to, or somebody removed it.
      if (row.place !== null) return undefined;
      this.#forget(row);
    }
    const place = wanted?.();
    const tree = place && this.#treeById.get(place.tree);
    if (place === undefined || tree === undefined) return undefined;
    let begun: PartFile;
    try {
      begun = await tree.beginPart(place.path);
    } catch (error) {
      // Whatever stands in the way is said when the file is to be written.
      if (error instanceof GodwitError) return undefined;
      throw error;
    }
    await begun.close();
    catalog.run('INSERT INTO arriving_file (root, tree, part) VALUES (?, ?, ?)', root, place.tree, begun.path);
    return this.#file(root, tree, { tree: place.tree, part: begun.path });
  }

  #file(root: Hash, tree: FileTree, row: Pick<ArrivingRow, 'tree' | 'part'>): ArrivingFile {
    return new ArrivingFile(this.#parts, { tree, id: row.tree, part: row.part, onGone: () => this.#fileByRoot.delete(toHex(root)) });
  }

  /**
   * The part that has all of a content, to be put at a path of this tree; `undefined` when there is none, or it has not got all. What an earlier process wrote is read again first. That it may stand at the path from
   * now on is noted.
   *
   * @throws GodwitError when the disk fails
   */
  async whole(tree: string, content: ContentRef, chunks: readonly ChunkRef[], path: string): Promise<string | undefined> {
    const { catalog } = this.#parts;
    const isThere = catalog.get('SELECT 1 FROM arriving_file WHERE root = ? AND tree = ?', content.root, tree) !== undefined;
    const file = isThere ? await this.fileOf(content.root) : undefined;
    if (file === undefined || !(await file.makeWhole(chunks, content.sizeBytes)) || !(await file.endsAt(content.sizeBytes)))
      return undefined;
    catalog.run('UPDATE arriving_file SET place = ? WHERE root = ?', path, content.root);
    return file.part;
  }

  /** Notes that the part of a content stands at a path now, instead of what stood there: the homes in it are there. Part of the caller's transaction. */
  stands(tree: string, part: string, path: string, root: Hash): void {
    const { catalog, forgetFile } = this.#parts;
    forgetFile(tree, path);
    catalog.run('UPDATE OR REPLACE chunk_in_file SET path = ? WHERE tree = ? AND path = ?', path, tree, part);
    catalog.run('UPDATE OR REPLACE content_in_file SET path = ? WHERE tree = ? AND path = ?', path, tree, part);
    catalog.run('INSERT OR IGNORE INTO content_in_file (tree, path, root) VALUES (?, ?, ?)', tree, path, root);
    // It may have relied on what it replaces here: it is all in this file.
    catalog.run(`UPDATE content SET state = 'complete' WHERE root = ? AND state = 'doubtful'`, root);
    catalog.run('DELETE FROM arriving_file WHERE tree = ? AND part = ?', tree, part);
    this.#fileByRoot.delete(toHex(root));
  }

  /**
   * Removes the parts of contents that are not on their way any more, unless a content relies on them. Of those that have gone to their place without a note of it, the memory goes. What cannot be reached
   * stays. Contents may be in doubt afterwards.
   */
  async discardUnless(isArriving: (root: Hash) => boolean): Promise<void> {
    for (const row of this.#parts.catalog.all<ArrivingRow>('SELECT * FROM arriving_file')) {
      const tree = this.#treeById.get(row.tree);
      if (tree === undefined) continue;
      const isStanding = await isThere(tree, row.part).catch(unlessFault);
      const hasGone = isStanding === false && row.place !== null && this.#isReliedOn(row.tree, row.place, row.root);
      if (isStanding === undefined || (!hasGone && (isArriving(row.root as Hash) || this.#isReliedOn(row.tree, row.part)))) continue;
      this.#forget(row);
      // One that stays for now goes with the first walk of the next process.
      await tree.removePart(row.part).catch(unlessFault);
    }
  }

  /** Whether a content relies on a file: this one, or any. */
  #isReliedOn(tree: string, path: string, root: Uint8Array | null = null): boolean {
    const relying = `SELECT 1 FROM content_in_file JOIN content USING (root) WHERE tree = ?1 AND path = ?2 AND root = coalesce(?3, root) AND state <> 'lost'`;
    return this.#parts.catalog.get(relying, tree, path, root) !== undefined;
  }

  #forget({ root, tree, part }: ArrivingRow): void {
    const { catalog, forgetFile } = this.#parts;
    this.#fileByRoot.delete(toHex(root));
    catalog.transaction(() => {
      forgetFile(tree, part);
      catalog.run('DELETE FROM arriving_file WHERE root = ?', root);
    });
  }
}

async function isThere(tree: FileTree, part: string): Promise<boolean> {
  const file = await tree.openPart(part);
  await file?.close();
  return file !== undefined;
}

/** One content that arrives in a part. */
export class ArrivingFile {
  /** Path of the part in its tree. */
  readonly part: string;
  readonly #parts: ArrivingParts;
  readonly #tree: FileTree;
  readonly #id: string;
  readonly #onGone: () => void;
  /** Offsets of the chunks that this process has written, or verified, and named. */
  readonly #placed = new Set<number>();
  #file: Promise<PartFile> | undefined;
  #users = 0;
  /** Stores whose bytes are being written. */
  #writing = 0;
  #syncing: Promise<void> = Promise.resolve();
  #nextSync: NextSync | undefined;

  /** @param place.onGone somebody has removed the part: it is looked for again, and begun anew */
  constructor(
    parts: ArrivingParts,
    place: { readonly tree: FileTree; readonly id: string; readonly part: string; readonly onGone: () => void },
  ) {
    this.#parts = parts;
    this.#tree = place.tree;
    this.#id = place.id;
    this.part = place.part;
    this.#onGone = place.onGone;
  }

  /**
   * Writes chunks to their places. Resolves when they are durable, with what names them, as a part of the caller's transaction. Several may be stored at a time, and share a sync: it is when nobody writes, or much waits for it.
   *
   * @throws GodwitError `DISK_FULL`, `STORAGE_FAILED`; none of them is to be relied on then
   */
  async store(chunks: readonly PlacedChunk[]): Promise<() => void> {
    await this.#using(async (file) => {
      this.#writing++;
      try {
        for (const { offset, bytes } of inRuns(chunks)) await file.write(offset, bytes);
      } catch (error) {
        this.#writing--;
        this.#syncIfDue(file);
        throw error;
      }
      this.#writing--;
      await this.#synced(
        file,
        chunks.reduce((sum, { bytes }) => sum + bytes.length, 0),
      );
    });
    // The bytes belong to others again.
    const named = chunks.map(({ offset, hash, bytes }) => ({ offset, hash, lengthBytes: bytes.length }));
    return () => {
      this.#parts.homes.addInFile(this.#id, this.part, named);
      for (const { offset } of named) this.#placed.add(offset);
    };
  }

  /**
   * Sees that the file has all chunks of its content: those that this process did not write are read, and where they are wrong or missing, written from another home. False when one is nowhere.
   *
   * @throws GodwitError when the disk fails
   */
  async makeWhole(chunks: readonly ChunkRef[], sizeBytes: number): Promise<boolean> {
    const reader = await this.#reader();
    if (reader === undefined) return false;
    try {
      let offset = 0;
      let found: PlacedChunk[] = [];
      let foundBytes = 0;
      for (const { hash, lengthBytes } of chunks) {
        if (!this.#placed.has(offset)) {
          const bytes = await this.#bytesFor(reader, offset, hash, lengthBytes);
          if (bytes === undefined) return false;
          found.push({ offset, hash, bytes });
          foundBytes += lengthBytes;
        }
        offset += lengthBytes;
        if (foundBytes < namedTogetherBytes) continue;
        (await this.store(found))();
        found = [];
        foundBytes = 0;
      }
      if (found.length > 0) (await this.store(found))();
      invariant(offset === sizeBytes, 'a file is made whole with chunks that are not all of it');
      return true;
    } finally {
      await reader.close();
    }
  }

  /** Whether the file is as long as its content: longer it is if somebody wrote to it. What is in it can be read all the same. */
  async endsAt(sizeBytes: number): Promise<boolean> {
    const reader = await this.#reader();
    try {
      return (await reader?.stat())?.sizeBytes === sizeBytes;
    } finally {
      await reader?.close();
    }
  }

  async #bytesFor(reader: FileReader, offset: number, hash: Hash, lengthBytes: number): Promise<Uint8Array | undefined> {
    const { crypto, homes } = this.#parts;
    const here = await reader.read(offset, lengthBytes).catch(unlessFault);
    if (here?.length === lengthBytes && equalBytes(crypto.sha256(here), hash)) return here;
    return homes.read(hash);
  }

  async #reader(): Promise<FileReader | undefined> {
    try {
      return await this.#tree.open(this.part);
    } catch (error) {
      if (!(error instanceof GodwitError) || error.code !== 'FILE_MISSING') throw error;
      this.#onGone();
      return undefined;
    }
  }

  /** Has the file open while anybody writes to it. */
  async #using(work: (file: PartFile) => Promise<void>): Promise<void> {
    this.#file ??= this.#open();
    const opening = this.#file;
    this.#users++;
    try {
      await work(await opening);
    } finally {
      this.#users--;
      if (this.#users === 0) {
        this.#file = undefined;
        await opening.then((file) => file.close()).catch(unlessFault);
      }
    }
  }

  async #open(): Promise<PartFile> {
    const file = await this.#tree.openPart(this.part);
    if (file !== undefined) return file;
    this.#onGone();
    throw new GodwitError('STORAGE_FAILED', 'The file that a content was arriving in is gone; it begins anew.', { retryable: true });
  }

  /** Joins the next sync, with so many bytes: the one under way may have begun before they were written. */
  #synced(file: PartFile, bytes: number): Promise<void> {
    this.#nextSync ??= { bytes: 0, ...Promise.withResolvers<void>() };
    this.#nextSync.bytes += bytes;
    const { promise } = this.#nextSync;
    this.#syncIfDue(file);
    return promise;
  }

  #syncIfDue(file: PartFile): void {
    const next = this.#nextSync;
    if (next === undefined || (this.#writing > 0 && next.bytes < syncedTogetherBytes)) return;
    this.#nextSync = undefined;
    const syncing = this.#syncing.then(() => file.sync());
    this.#syncing = syncing.catch(() => {});
    syncing.then(next.resolve, next.reject);
  }
}

/** A sync that has not begun, and the bytes that wait for it. */
interface NextSync extends PromiseWithResolvers<void> {
  bytes: number;
}

/** Chunks that lie behind one another, in memory as in the file, as one. */
function inRuns(chunks: readonly PlacedChunk[]): { readonly offset: number; readonly bytes: Uint8Array }[] {
  const runs: { offset: number; bytes: Uint8Array }[] = [];
  for (const { offset, bytes } of chunks) {
    const last = runs.at(-1);
    const follows = last !== undefined && last.offset + last.bytes.length === offset;
    if (follows && last.bytes.buffer === bytes.buffer && last.bytes.byteOffset + last.bytes.length === bytes.byteOffset)
      last.bytes = new Uint8Array(last.bytes.buffer, last.bytes.byteOffset, last.bytes.length + bytes.length);
    else runs.push({ offset, bytes });
  }
  return runs;
}

function unlessFault(error: unknown): undefined {
  if (!(error instanceof GodwitError)) throw error;
}
