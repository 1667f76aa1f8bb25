import type { Hash } from '../core/identifiers.ts';

/** Where the bytes of a chunk lie in a pack. */
export interface PackPlace {
  /** Number of the pack file. */
  readonly pack: number;
  /** Byte offset of the record in the pack. */
  readonly offset: number;
  /** Bytes of the whole record on disk, header included. */
  readonly recordBytes: number;
}

/** A chunk to be stored. The hash is of `bytes`; the caller has verified it. */
export interface PackRecord {
  readonly hash: Hash;
  readonly bytes: Uint8Array;
  /** It is known that compressing would not be worth while. */
  readonly isDense?: boolean;
}

/**
 * Append-only pack files of chunk bytes, each record with its length and hash.
 *
 * An implementation MUST have the bytes on stable storage before `append` resolves, MUST verify the hash of what `read` returns, and MUST survive a power cut at any instant: bytes
 * that no resolved `append` covers may be gone or torn and are dropped by `truncateAfter`.
 */
export interface ChunkStore {
  /**
   * Appends records, in order, and syncs once. One place a record. Rejects with `DISK_FULL` or `STORAGE_FAILED`; then none of them counts as stored.
   *
   * @param purpose `room`: they are moved out of a pack that goes when that is done, so a part of what is kept free on a disk may be used meanwhile
   */
  append(records: readonly PackRecord[], purpose?: 'data' | 'room'): Promise<PackPlace[]>;
  /**
   * The chunk's bytes, verified against `hash`; `undefined` when the record is missing, torn or damaged; `unreadable` when the device failed to read it, which says nothing about its bytes: the next attempt
   * may have them. Rejects with `STORAGE_FAILED` when this process cannot read at all.
   */
  read(place: PackPlace, hash: Hash): Promise<Uint8Array | 'unreadable' | undefined>;
  /**
   * The chunks of places that lie one behind the other in one pack, read at once: as many from the first on as `read` would give, at the most all. What they are views of is `into` where that is as long as all
   * the records.
   */
  readTogether(places: readonly PackPlace[], hashes: readonly Hash[], into?: Uint8Array): Promise<Uint8Array[]>;
  /** Existing packs with their lengths in bytes. */
  packs(): Promise<readonly { readonly pack: number; readonly lengthBytes: number }[]>;
  /**
   * Cuts a pack behind the last record that the catalog names. Called once per pack on opening. With a length beyond the pack's end nothing is cut, and the pack never grows again: the next append
   * goes to another one. So a pack that is to be rewritten is sealed.
   */
  truncateAfter(pack: number, lengthBytes: number): Promise<void>;
  /** Removes a pack that holds nothing any more. */
  remove(pack: number): Promise<void>;
  close(): Promise<void>;
}
