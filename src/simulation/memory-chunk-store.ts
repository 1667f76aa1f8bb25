import { invariant } from '../core/assert.ts';
import { equalBytes } from '../core/bytes.ts';
import type { Hash } from '../core/identifiers.ts';
import { limits } from '../core/limits.ts';
import type { ChunkStore, PackPlace, PackRecord } from '../ports/chunk-store.ts';
import type { Crypto } from '../ports/crypto.ts';
import type { DiskFaults } from './disk-faults.ts';

/**
 * The chunk store of a simulated node: the pack store's promises without its files.
 *
 * Records lie in packs at byte offsets, so a power cut can leave a torn one. Until a write has settled its bytes are unsynced; a power cut keeps a random prefix of them, which is
 * within what the port allows (they *may* be gone) and hits the code that forgets that they may also be there.
 */

/** The pack store's own figures for what precedes the first record and each record. */
const packHeaderBytes = 8;
const recordHeaderBytes = 48;
/** Small, so that simulated nodes have several packs. */
const packBytesMax = 16 * 1024 * 1024;

interface StoredRecord {
  readonly recordBytes: number;
  readonly hash: Hash;
  readonly bytes: Uint8Array;
}

interface Pack {
  /** By offset, ascending. */
  readonly recordByOffset: Map<number, StoredRecord>;
  /** With the bytes of a torn record, if one lies at the end. */
  lengthBytes: number;
  /** What a power cut leaves for certain. */
  durableBytes: number;
}

/** What a `MemoryChunkStore` is made of. */
export interface MemoryChunkStoreOptions {
  readonly sha256: Crypto['sha256'];
  /** What goes wrong with the disk. */
  readonly faults: DiskFaults;
}

/** A process that lost its power says nothing more. */
const forever = new Promise<never>(() => {});

/** The chunk store in memory. A power cut makes a new one of what was durable; the old one then never answers again. */
export class MemoryChunkStore implements ChunkStore {
  readonly #options: MemoryChunkStoreOptions;
  readonly #packByNumber: Map<number, Pack>;
  /** The pack that the next append goes on with, unless it is full or cannot grow any more. */
  #tail: number | undefined;
  #nextPack: number;
  #lastTurn: Promise<unknown> = Promise.resolve();
  #state: 'open' | 'closed' | 'dead' = 'open';

  constructor(options: MemoryChunkStoreOptions, packs: ReadonlyMap<number, Pack> = new Map()) {
    this.#options = options;
    this.#packByNumber = new Map(packs);
    const last = Math.max(0, ...packs.keys());
    this.#tail = last === 0 ? undefined : last;
    this.#nextPack = last + 1;
  }

  async append(records: readonly PackRecord[]): Promise<PackPlace[]> {
    for (const { bytes } of records) invariant(bytes.length <= limits.chunkBytesMax, 'a chunk is larger than the limit');
    // Copied at once: the caller may use its arrays for something else while it waits.
    const copies = records.map(({ hash, bytes }) => ({ hash, bytes: bytes.slice() }));
    return this.#inTurn(async () => {
      const bytes = copies.reduce((sum, record) => sum + recordHeaderBytes + record.bytes.length, 0);
      this.#options.faults.take(bytes);
      const touched = new Set<Pack>();
      const places = copies.map((record) => this.#place(record, touched));
      await this.#options.faults.settle(bytes);
      if (this.#state === 'dead') return forever;
      for (const pack of touched) pack.durableBytes = pack.lengthBytes;
      return places;
    });
  }

  async read(place: PackPlace, hash: Hash): Promise<Uint8Array | 'unreadable' | undefined> {
    if (this.#state === 'dead') return forever;
    invariant(this.#state === 'open', 'the chunk store is closed');
    if (this.#options.faults.readFails()) return 'unreadable';
    const record = this.#packByNumber.get(place.pack)?.recordByOffset.get(place.offset);
    if (record === undefined || record.recordBytes !== place.recordBytes || !equalBytes(record.hash, hash)) return undefined;
    return equalBytes(this.#options.sha256(record.bytes), hash) ? record.bytes.slice() : undefined;
  }

  async readTogether(places: readonly PackPlace[], hashes: readonly Hash[]): Promise<Uint8Array[]> {
    const chunks: Uint8Array[] = [];
    for (const [at, place] of places.entries()) {
      const chunk = await this.read(place, hashes[at] as Hash);
      if (!(chunk instanceof Uint8Array)) break;
      chunks.push(chunk);
    }
    return chunks;
  }

  packs(): Promise<readonly { readonly pack: number; readonly lengthBytes: number }[]> {
    return this.#inTurn(async () =>
      [...this.#packByNumber].map(([pack, { lengthBytes }]) => ({ pack, lengthBytes })).sort((a, b) => a.pack - b.pack),
    );
  }

  truncateAfter(pack: number, lengthBytes: number): Promise<void> {
    return this.#inTurn(async () => {
      this.#nextPack = Math.max(this.#nextPack, pack + 1);
      const found = this.#packByNumber.get(pack);
      if (found === undefined) return;
      if (found.lengthBytes < lengthBytes && this.#tail === pack) this.#tail = undefined;
      this.#cut(found, Math.max(lengthBytes, packHeaderBytes));
    });
  }

  remove(pack: number): Promise<void> {
    return this.#inTurn(async () => {
      const found = this.#packByNumber.get(pack);
      if (found === undefined) return;
      this.#cut(found, packHeaderBytes);
      this.#packByNumber.delete(pack);
      if (this.#tail === pack) this.#tail = undefined;
    });
  }

  async close(): Promise<void> {
    if (this.#state !== 'open') return;
    const everythingBefore = this.#inTurn(async () => {});
    this.#state = 'closed';
    await everythingBefore;
  }

  /**
   * The power fails now. What was durable stays, of the rest a prefix, perhaps with a torn record at its end. No promise of this store settles any more; `reopen` gives the store that
   * the next process finds.
   */
  powerCut(): void {
    this.#state = 'dead';
    for (const pack of this.#packByNumber.values()) {
      const unsyncedBytes = pack.lengthBytes - pack.durableBytes;
      if (unsyncedBytes === 0) continue;
      this.#cut(pack, pack.durableBytes + this.#options.faults.random.below(unsyncedBytes + 1));
    }
  }

  /** The store as the next process finds it, after `close` or `powerCut`. */
  reopen(): MemoryChunkStore {
    invariant(this.#state !== 'open', 'the chunk store is still open');
    return new MemoryChunkStore(this.#options, this.#packByNumber);
  }

  /** A store of its own that begins with what is in this one now, as a copy of its files does. */
  copy(): MemoryChunkStore {
    const packs = [...this.#packByNumber].map(([number, pack]): [number, Pack] => {
      const records = [...pack.recordByOffset].map(([at, record]): [number, StoredRecord] => [
        at,
        { ...record, bytes: record.bytes.slice() },
      ]);
      return [number, { ...pack, recordByOffset: new Map(records), durableBytes: pack.lengthBytes }];
    });
    return new MemoryChunkStore(this.#options, new Map(packs));
  }

  /** Flips one bit of a stored chunk. */
  rot(place: PackPlace): void {
    const record = this.#packByNumber.get(place.pack)?.recordByOffset.get(place.offset);
    invariant(record !== undefined && record.bytes.length > 0, 'there is no chunk to rot at this place');
    const bit = this.#options.faults.random.below(record.bytes.length * 8);
    record.bytes[bit >> 3] = (record.bytes[bit >> 3] as number) ^ (1 << (bit & 7));
  }

  #place({ hash, bytes }: PackRecord, touched: Set<Pack>): PackPlace {
    const recordBytes = recordHeaderBytes + bytes.length;
    let pack = this.#tail === undefined ? undefined : this.#packByNumber.get(this.#tail);
    if (pack === undefined || pack.lengthBytes + recordBytes > packBytesMax) {
      pack = { recordByOffset: new Map(), lengthBytes: packHeaderBytes, durableBytes: packHeaderBytes };
      this.#tail = this.#nextPack++;
      this.#packByNumber.set(this.#tail, pack);
    }
    const offset = pack.lengthBytes;
    pack.recordByOffset.set(offset, { recordBytes, hash, bytes });
    pack.lengthBytes += recordBytes;
    touched.add(pack);
    return { pack: this.#tail as number, offset, recordBytes };
  }

  #cut(pack: Pack, lengthBytes: number): void {
    if (pack.lengthBytes <= lengthBytes) return;
    this.#options.faults.release(pack.lengthBytes - lengthBytes);
    pack.lengthBytes = lengthBytes;
    pack.durableBytes = Math.min(pack.durableBytes, lengthBytes);
    for (const [offset, { recordBytes }] of pack.recordByOffset) {
      if (offset + recordBytes > lengthBytes) pack.recordByOffset.delete(offset);
    }
  }

  /** Does `work` when everything asked for before it is done, so that the order of calls is the order of effects. */
  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#state === 'dead') return forever;
    invariant(this.#state === 'open', 'the chunk store is closed');
    const turn = this.#lastTurn.then(() => (this.#state === 'dead' ? forever : work()));
    this.#lastTurn = turn.catch(() => {});
    return turn;
  }
}
