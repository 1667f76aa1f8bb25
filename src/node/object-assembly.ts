import { ByteRooms } from '../core/byte-rooms.ts';

/** A buffer that is too short is replaced by one this many times longer, so that what is kept free is bounded by what arrived. */
const growth = 16;

const nothing = new Uint8Array(0);
/** What a piece that waits, and an object by itself, take of memory besides their bytes. */
const pieceOverheadBytes = 384;
const objectOverheadBytes = 512;

/**
 * One transfer object as it arrives: pieces in any order, until all are there. They are copied, each into its place: a session gives the memory of its packets back.
 *
 * The contiguous beginning is what can be journalled and resumed from; pieces behind a gap wait for it. A sender that cannot continue an object where it stopped starts over at 0: the resumed
 * beginning is dropped then.
 */
export class ObjectAssembly {
  readonly #rooms: ByteRooms;
  readonly #expectedBytes: number | undefined;
  readonly #waiting = new Map<number, Uint8Array>();
  /** The contiguous beginning stands in front; what is behind it is free. */
  #buffer: Uint8Array;
  #prefixBytes: number;
  /** The beginning as it was given out, while nothing was added to it. */
  #beginning: Uint8Array | undefined;
  #waitingBytes = 0;
  /** No piece that waits begins before this. */
  #leastWaiting = Infinity;
  #totalBytes: number | undefined;
  #journalledBytes: number;
  #resumedBytes: number;
  #startedOver = 0;

  /**
   * @param beginning what an earlier session already brought; it belongs to the assembly
   * @param rooms where the memory comes from, and goes when it is outgrown
   * @param expectedBytes how long the object will be, if it is as long as it may be
   */
  constructor(beginning: Uint8Array = nothing, rooms: ByteRooms = new ByteRooms(0), expectedBytes?: number) {
    this.#rooms = rooms;
    this.#expectedBytes = expectedBytes;
    this.#buffer = beginning;
    this.#prefixBytes = beginning.length;
    this.#journalledBytes = beginning.length;
    this.#resumedBytes = beginning.length;
  }

  /** Takes a piece. Returns true when the sender started over, so that what was journalled of this object is void. */
  add(offset: number, bytes: Uint8Array, last: boolean): boolean {
    const startedOver = offset < this.#resumedBytes;
    if (startedOver) this.#dropResumed();
    if (last) this.#totalBytes = offset + bytes.length;
    // A sender that serves a want again, from where it was asked to go on, cuts other pieces than before.
    const knownBytes = this.#prefixBytes - offset;
    if (bytes.length <= Math.max(0, knownBytes, this.#waiting.get(offset)?.length ?? 0)) return startedOver;
    if (knownBytes < 0) this.#wait(offset, bytes.slice());
    else {
      this.#append(bytes.subarray(knownBytes));
      this.#advance();
    }
    return startedOver;
  }

  /** Length of the contiguous beginning, and whether that is the whole object. */
  get progress(): { readonly lengthBytes: number; readonly isWhole: boolean } {
    return { lengthBytes: this.#prefixBytes, isWhole: this.#totalBytes === this.#prefixBytes };
  }

  /** How often the sender has started over: what was read of the beginning before is void. */
  get startedOver(): number {
    return this.#startedOver;
  }

  /** A copy of at most `bytesMax` bytes of the contiguous beginning from an offset on. */
  read(offset: number, bytesMax: number): Uint8Array {
    return this.#buffer.slice(offset, Math.min(this.#prefixBytes, offset + bytesMax));
  }

  /** Bytes of the object that have come. */
  get heldBytes(): number {
    return this.#prefixBytes + this.#waitingBytes;
  }

  /** What that takes of memory: a peer may send shreds that are a thousandth of it. */
  get memoryBytes(): number {
    return objectOverheadBytes + this.heldBytes + pieceOverheadBytes * this.#waiting.size;
  }

  /** The whole object once it is complete. */
  whole(): Uint8Array | undefined {
    return this.#totalBytes === this.#prefixBytes ? this.beginning() : undefined;
  }

  /** The contiguous beginning: the same array, and good, until more has come. */
  beginning(): Uint8Array {
    this.#beginning ??= this.#buffer.subarray(0, this.#prefixBytes);
    return this.#beginning;
  }

  /** Bytes of the contiguous beginning that are not journalled yet. */
  get unjournalledBytes(): number {
    return this.#prefixBytes - this.#journalledBytes;
  }

  /** What of the beginning was not journalled yet; taking it marks it as journalled. */
  takeUnjournalled(): { readonly offset: number; readonly bytes: Uint8Array } | undefined {
    if (this.#journalledBytes >= this.#prefixBytes) return undefined;
    const offset = this.#journalledBytes;
    this.#journalledBytes = this.#prefixBytes;
    return { offset, bytes: this.beginning().subarray(offset) };
  }

  #dropResumed(): void {
    this.#startedOver++;
    const arrived = this.#buffer.slice(this.#resumedBytes, this.#prefixBytes);
    if (arrived.length > 0) this.#wait(this.#resumedBytes, arrived);
    this.#buffer = nothing;
    this.#beginning = undefined;
    this.#prefixBytes = 0;
    this.#journalledBytes = 0;
    this.#resumedBytes = 0;
  }

  #wait(offset: number, bytes: Uint8Array): void {
    this.#waitingBytes += bytes.length - (this.#waiting.get(offset)?.length ?? 0);
    this.#waiting.set(offset, bytes);
    this.#leastWaiting = Math.min(this.#leastWaiting, offset);
  }

  #append(bytes: Uint8Array): void {
    const endBytes = this.#prefixBytes + bytes.length;
    if (endBytes > this.#buffer.length) this.#grow(endBytes);
    this.#buffer.set(bytes, this.#prefixBytes);
    this.#prefixBytes = endBytes;
    this.#beginning = undefined;
  }

  #grow(neededBytes: number): void {
    const room = Math.min(growth * this.#buffer.length, this.#expectedBytes ?? Infinity);
    const grown = this.#rooms.take(Math.max(neededBytes, room));
    grown.set(this.#buffer.subarray(0, this.#prefixBytes));
    this.#rooms.giveBack(this.#buffer);
    this.#buffer = grown;
  }

  #advance(): void {
    for (let next = this.#waiting.get(this.#prefixBytes); next !== undefined; next = this.#waiting.get(this.#prefixBytes)) {
      this.#drop(this.#prefixBytes, next);
      this.#append(next);
    }
    if (this.#leastWaiting >= this.#prefixBytes) return;
    // Some have been used up, or began before the end of others.
    const lengthBytes = this.#prefixBytes;
    this.#leastWaiting = Infinity;
    for (const [offset, bytes] of this.#waiting) {
      const knownBytes = this.#prefixBytes - offset;
      if (knownBytes <= 0) this.#leastWaiting = Math.min(this.#leastWaiting, offset);
      else {
        this.#drop(offset, bytes);
        if (knownBytes < bytes.length) this.#append(bytes.subarray(knownBytes));
      }
    }
    if (this.#prefixBytes > lengthBytes) this.#advance();
  }

  #drop(offset: number, bytes: Uint8Array): void {
    this.#waiting.delete(offset);
    this.#waitingBytes -= bytes.length;
  }
}
