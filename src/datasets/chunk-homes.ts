import { equalBytes, toHex } from '../core/bytes.ts';
import type { Hash } from '../core/identifiers.ts';
import type { Catalog } from '../ports/catalog.ts';
import type { ChunkStore, PackPlace } from '../ports/chunk-store.ts';
import type { Crypto } from '../ports/crypto.ts';
import { type FileStat, type FileTree, isSameFile } from '../ports/file-tree.ts';
import { adjacentHomes, type Home, HomeReaders } from './home-readers.ts';
import type { ChunkRef } from './manifest.ts';

/**
 * The homes of chunks and manifest nodes, and reading from them. A home is a record in a pack or a place in a working file.
 *
 * What is read counts only with the right hash. A home that holds something else is forgotten at once: its bytes are gone. One that cannot be read is another matter: a loose cable or a worn sector may give
 * its bytes the next time, and they may be the only ones there are. Such a home is kept and remembered as unreadable until it could be read; whoever needs it now tries the chunk's other homes.
 *
 * **A file that was just hashed is not hashed again to be sent.** Who sends to somebody who knows the hashes may read each byte of such a file once without, as long as nothing says that somebody has written to it. What is wrong all the
 * same is refused there and asked for again, and then it is held against its hash here.
 */

/** Chunks that could not be read that are remembered. */
const unreadableMax = 100_000;
/** How often in a row a home is read for somebody who will hear no more of it. */
const lastTries = 3;
/** Files whose bytes may be read once without being hashed. */
const hashedFilesMax = 64;

/** A file as it was when it was hashed, and what of it has been read since: all before `from`. */
interface HashedFile {
  readonly stat: FileStat;
  from: number;
}

interface PackRow {
  pack: number;
  offset: number;
  record_bytes: number;
}

/** The homes that one catalog names. */
export class ChunkHomes {
  readonly #catalog: Catalog;
  readonly #chunks: ChunkStore;
  readonly #crypto: Crypto;
  readonly #treeById = new Map<string, FileTree>();
  /** Hexadecimal hashes of what has a home and could not be read when it was last tried. */
  readonly #unreadable = new Set<string>();
  /** The same, until `takeFailure`, even if another reader had it meanwhile. */
  readonly #failures = new Set<string>();
  readonly #hashedByFile = new Map<string, HashedFile>();

  constructor(catalog: Catalog, chunks: ChunkStore, crypto: Crypto) {
    this.#catalog = catalog;
    this.#chunks = chunks;
    this.#crypto = crypto;
  }

  /** Makes the files of a working tree readable as homes. `id` is stable over restarts. */
  attachTree(id: string, tree: FileTree): void {
    this.#treeById.set(id, tree);
  }

  /** True when the chunk or node has a home. */
  has(hash: Hash): boolean {
    return this.isPacked(hash) || this.#catalog.get('SELECT 1 FROM chunk_in_file WHERE hash = ?', hash) !== undefined;
  }

  /** True when it has a home in a pack. */
  isPacked(hash: Hash): boolean {
    return this.#catalog.get('SELECT 1 FROM chunk WHERE hash = ?', hash) !== undefined;
  }

  /** True when it has a home, none of which could be read when that was last tried. */
  isUnreadable(hash: Hash): boolean {
    return this.#unreadable.size > 0 && this.#unreadable.has(toHex(hash)) && this.has(hash);
  }

  /** True, once, when reading it has failed since this was asked last: for whoever came away without it. */
  takeFailure(hash: Hash): boolean {
    return this.#failures.size > 0 && this.#failures.delete(toHex(hash));
  }

  /** Names places in a working file as homes, in one transaction. The bytes are there, durably, and have these hashes. */
  addInFile(tree: string, path: string, chunks: readonly (ChunkRef & { readonly offset: number })[]): void {
    this.#catalog.transaction(() => {
      for (const { hash, offset, lengthBytes } of chunks) {
        this.#catalog.run(
          'INSERT OR IGNORE INTO chunk_in_file (hash, tree, path, offset, length_bytes) VALUES (?, ?, ?, ?, ?)',
          hash,
          tree,
          path,
          offset,
          lengthBytes,
        );
      }
    });
  }

  /** All bytes of a working file were hashed as homes are told here, and then it was like this. */
  wasHashed(tree: string, stat: FileStat): void {
    const key = fileKey(tree, stat.path);
    this.#hashedByFile.delete(key);
    this.#hashedByFile.set(key, { stat, from: 0 });
    const [oldest] = this.#hashedByFile.keys();
    if (this.#hashedByFile.size > hashedFilesMax && oldest !== undefined) this.#hashedByFile.delete(oldest);
  }

  /** Its homes in working files. */
  inFiles(hash: Hash): Home[] {
    return this.#catalog.all<Home>('SELECT tree, path, offset, length_bytes FROM chunk_in_file WHERE hash = ?', hash);
  }

  /** The verified bytes of a chunk or node from whichever home has them, or `undefined`. */
  async read(hash: Hash): Promise<Uint8Array | undefined> {
    return (await this.readAll([hash]))?.[0];
  }

  /** The same for somebody who can replace it: a home that cannot be read several times in a row is forgotten like one that holds something else. */
  async readOrForget(hash: Hash): Promise<Uint8Array | undefined> {
    for (let tries = 1; tries < lastTries; tries++) {
      const bytes = await this.read(hash);
      if (bytes !== undefined || !this.isUnreadable(hash)) return bytes;
    }
    const readers = new HomeReaders(this.#treeById, (home) => this.#wentTo(home));
    try {
      return await this.#read(hash, readers, true);
    } finally {
      await readers.close();
    }
  }

  /**
   * The same as `read` for several, in their order; `undefined` when one of them cannot be had. What is read is put into `room` as far as it goes: as it is in working files, with the records around it in packs.
   *
   * @param trusts `just-hashed`: whoever gets the bytes holds them against the same hashes, and asks again
   */
  async readAll(
    hashes: readonly Hash[],
    room: Uint8Array = new Uint8Array(0),
    trusts: 'nothing' | 'just-hashed' = 'nothing',
  ): Promise<Uint8Array[] | undefined> {
    const readers = new HomeReaders(this.#treeById, (home) => this.#wentTo(home));
    const all: Uint8Array[] = [];
    let filled = 0;
    // Behind what lies in the room, wherever in it: records that were compressed lie between others, and their chunks elsewhere.
    const keep = (bytes: Uint8Array) => {
      all.push(bytes);
      if (bytes.buffer === room.buffer) filled = Math.max(filled, bytes.byteOffset - room.byteOffset + bytes.length);
    };
    try {
      while (all.length < hashes.length) {
        const run = adjacentHomes(this.#unpacked(hashes, all.length));
        const read = run.length > 1 ? await readers.readTogether(run, room.subarray(filled)) : [];
        const isTrusted = trusts === 'just-hashed' && read.length > 0 && (await this.#isAsHashed(run, readers));
        for (const bytes of read) {
          if (!isTrusted && !equalBytes(this.#crypto.sha256(bytes), hashes[all.length] as Hash)) break;
          keep(bytes);
        }
        const places = adjacentPlaces(this.#placed(hashes, all.length));
        if (places.length > 1) {
          const together = await this.#chunks.readTogether(places, hashes.slice(all.length), room.subarray(filled));
          for (const bytes of together) keep(bytes);
        }
        if (all.length === hashes.length) break;
        const bytes = await this.#read(hashes[all.length] as Hash, readers, false);
        if (bytes === undefined) return undefined;
        keep(bytes);
      }
      return all;
    } finally {
      await readers.close();
    }
  }

  /** True once for places in a file that was hashed and is still as it was then, now that they have been read. */
  async #isAsHashed(run: readonly Home[], readers: HomeReaders): Promise<boolean> {
    const [first] = run;
    const last = run.at(-1);
    const hashed = first && this.#hashedByFile.get(fileKey(first.tree, first.path));
    if (first === undefined || last === undefined || hashed === undefined || first.offset < hashed.from) return false;
    hashed.from = last.offset + last.length_bytes;
    const stat = await readers.stat();
    return stat !== undefined && isSameFile(stat, hashed.stat);
  }

  /** The homes of chunks from one on, up to the first that is in a pack. */
  *#unpacked(hashes: readonly Hash[], from: number): Generator<Home[], void, void> {
    for (let i = from; i < hashes.length && !this.isPacked(hashes[i] as Hash); i++) yield this.inFiles(hashes[i] as Hash);
  }

  /** The places of chunks from one on, up to the first that is in no pack. */
  *#placed(hashes: readonly Hash[], from: number): Generator<PackPlace, void, void> {
    for (const hash of hashes.slice(from)) {
      const row = this.#place(hash);
      if (row === undefined) return;
      yield { pack: row.pack, offset: row.offset, recordBytes: row.record_bytes };
    }
  }

  async #read(hash: Hash, readers: HomeReaders, forgets: boolean): Promise<Uint8Array | undefined> {
    const bytes = (await this.#readPacked(hash, forgets)) ?? (await this.#readFromFile(hash, readers, forgets));
    if (bytes instanceof Uint8Array) {
      if (this.#unreadable.size > 0) this.#unreadable.delete(toHex(hash));
      return bytes;
    }
    if (bytes === 'unreadable') {
      for (const failed of [this.#unreadable, this.#failures]) if (failed.size < unreadableMax) failed.add(toHex(hash));
    }
    return undefined;
  }

  /** From a pack. Without bytes it still has a home there afterwards when that cannot be read at the moment. */
  async #readPacked(hash: Hash, forgets: boolean): Promise<Uint8Array | undefined> {
    // A collection may move the record while it is read; it is then found in its new place. The place it was not in is forgotten, so this ends.
    for (let row = this.#place(hash); row !== undefined; row = this.#place(hash)) {
      const bytes = await this.#chunks.read({ pack: row.pack, offset: row.offset, recordBytes: row.record_bytes }, hash);
      if (bytes instanceof Uint8Array) return bytes;
      if (bytes === 'unreadable' && !forgets) return undefined;
      this.#catalog.run('DELETE FROM chunk WHERE hash = ? AND pack = ? AND offset = ?', hash, row.pack, row.offset);
    }
    return undefined;
  }

  /** From a working file; `unreadable` when neither a file nor the pack that has it can be read, `undefined` when it is nowhere, or only where no directory is at the moment. */
  async #readFromFile(hash: Hash, readers: HomeReaders, forgets: boolean): Promise<Uint8Array | 'unreadable' | undefined> {
    let isUnreadable = this.isPacked(hash);
    for (const home of this.inFiles(hash)) {
      const bytes = await readers.read(home);
      if (bytes === 'unavailable') continue;
      if (bytes === 'unreadable' && !forgets) {
        isUnreadable = true;
        continue;
      }
      if (bytes instanceof Uint8Array && equalBytes(this.#crypto.sha256(bytes), hash)) return bytes;
      const { tree, path, offset } = home;
      this.#catalog.run('DELETE FROM chunk_in_file WHERE hash = ? AND tree = ? AND path = ? AND offset = ?', hash, tree, path, offset);
    }
    return isUnreadable ? 'unreadable' : undefined;
  }

  /** Where a file was going to be put that is not at its path. */
  #wentTo({ tree, path }: Home): string | undefined {
    const going = 'SELECT place FROM arriving_file WHERE tree = ? AND part = ? AND place IS NOT NULL';
    return this.#catalog.get<{ place: string }>(going, tree, path)?.place;
  }

  #place(hash: Hash): PackRow | undefined {
    return this.#catalog.get<PackRow>('SELECT pack, offset, record_bytes FROM chunk WHERE hash = ?', hash);
  }
}

function fileKey(tree: string, path: string): string {
  return `${tree} ${path}`;
}

/** Bytes of packs that are read at once. */
const togetherBytesMax = 8 * 1024 * 1024;

/** Of the places of chunks as many as lie one behind the other in one pack, from the first on. */
function adjacentPlaces(places: Iterable<PackPlace>): PackPlace[] {
  const run: PackPlace[] = [];
  let bytes = 0;
  for (const place of places) {
    const before = run.at(-1);
    bytes += place.recordBytes;
    if (before !== undefined && (place.pack !== before.pack || place.offset !== before.offset + before.recordBytes)) break;
    if (bytes > togetherBytesMax) break;
    run.push(place);
  }
  return run;
}
