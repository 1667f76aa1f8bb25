import { concatBytes } from '../core/bytes.ts';

interface Piece {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/**
 * One transfer object as it arrives: pieces in any order, until all are there.
 *
 * The contiguous beginning is what can be journalled and resumed from; pieces behind a gap wait for it. A sender that cannot continue an object where it stopped starts over at 0: the resumed
 * beginning is dropped then.
 */
export class ObjectAssembly {
  readonly #waiting = new Map<number, Uint8Array>();
  #prefix: Piece[] = [];
  #prefixBytes = 0;
  #waitingBytes = 0;
  #totalBytes: number | undefined;
  #journalledBytes: number;
  #resumedBytes: number;
  #startedOver = 0;

  /** `beginning` is what an earlier session already brought. */
  constructor(beginning: Uint8Array = new Uint8Array(0)) {
    if (beginning.length > 0) this.#prefix.push({ offset: 0, bytes: beginning });
    this.#prefixBytes = beginning.length;
    this.#journalledBytes = beginning.length;
    this.#resumedBytes = beginning.length;
  }

  /** Takes a piece. Returns true when the sender started over, so that what was journalled of this object is void. */
  add(offset: number, bytes: Uint8Array, last: boolean): boolean {
    const startedOver = offset < this.#resumedBytes;
    if (startedOver) this.#dropResumed();
    if (last) this.#totalBytes = offset + bytes.length;
    // An empty piece says nothing, and must not take the place of the one that begins where it stands.
    if (bytes.length > 0 && offset >= this.#prefixBytes && !this.#waiting.has(offset)) {
      this.#waiting.set(offset, bytes);
      this.#waitingBytes += bytes.length;
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

  /** Bytes of the contiguous beginning from an offset on: at most `bytesMax`, and no more than came in one piece. */
  read(offset: number, bytesMax: number): Uint8Array {
    const piece = this.#prefix.findLast((each) => each.offset <= offset);
    return piece?.bytes.subarray(offset - piece.offset, offset - piece.offset + bytesMax) ?? new Uint8Array(0);
  }

  /** Bytes held in memory. */
  get heldBytes(): number {
    return this.#prefixBytes + this.#waitingBytes;
  }

  /** The whole object once it is complete. */
  whole(): Uint8Array | undefined {
    return this.#totalBytes === this.#prefixBytes ? this.beginning() : undefined;
  }

  /** The contiguous beginning. */
  beginning(): Uint8Array {
    if (this.#prefix.length > 1) this.#prefix = [{ offset: 0, bytes: concatBytes(...this.#prefix.map((piece) => piece.bytes)) }];
    return this.#prefix[0]?.bytes ?? new Uint8Array(0);
  }

  /** What of the beginning was not journalled yet; taking it marks it as journalled. */
  takeUnjournalled(): Piece | undefined {
    if (this.#journalledBytes >= this.#prefixBytes) return undefined;
    const offset = this.#journalledBytes;
    this.#journalledBytes = this.#prefixBytes;
    const bytes = this.#resumedBytes > 0 && offset >= this.#resumedBytes ? this.#since(offset) : this.beginning().subarray(offset);
    return { offset, bytes };
  }

  #since(offset: number): Uint8Array {
    return concatBytes(...this.#prefix.filter((piece) => piece.offset >= offset).map((piece) => piece.bytes));
  }

  #dropResumed(): void {
    this.#startedOver++;
    const [, ...arrived] = this.#prefix;
    this.#prefix = [];
    this.#prefixBytes = 0;
    this.#journalledBytes = 0;
    this.#resumedBytes = 0;
    for (const piece of arrived) {
      this.#waiting.set(piece.offset, piece.bytes);
      this.#waitingBytes += piece.bytes.length;
    }
  }

  #advance(): void {
    for (let next = this.#waiting.get(this.#prefixBytes); next !== undefined; next = this.#waiting.get(this.#prefixBytes)) {
      this.#waiting.delete(this.#prefixBytes);
      this.#prefix.push({ offset: this.#prefixBytes, bytes: next });
      this.#prefixBytes += next.length;
      this.#waitingBytes -= next.length;
    }
  }
}
