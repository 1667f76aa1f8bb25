/**
 * Unsigned variable-length integers (LEB128: seven bits a byte, least significant first), up to 2^53 - 1, in their shortest form only, so that a value has one spelling.
 */

/** Bytes of the longest integer: 53 bits in groups of seven. */
const varintBytesMax = 8;

/** A byte array that grows as it is written. */
export class ByteWriter {
  #bytes = new Uint8Array(256);
  #length = 0;

  /** Bytes written so far. */
  get lengthBytes(): number {
    return this.#length;
  }

  /** Appends one byte, 0..255. */
  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  /** Appends an integer in 0..2^53-1. */
  varint(value: number): void {
    this.#reserve(varintBytesMax);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#length++] = rest;
  }

  /** Appends bytes. */
  append(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** What was written, as a view that is the caller's: the writer is not used again. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + more));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

/** Reads foreign bytes front to back. Every method returns `undefined`, and moves nothing, where the bytes do not hold what is asked for. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Bytes not yet read. */
  get remainingBytes(): number {
    return this.#bytes.length - this.#offset;
  }

  /** The next byte. */
  byte(): number | undefined {
    const value = this.#bytes[this.#offset];
    if (value !== undefined) this.#offset++;
    return value;
  }

  /** The next integer, refused when it is not in its shortest form or above 2^53 - 1. */
  varint(): number | undefined {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < varintBytesMax; i++) {
      const byte = this.#bytes[this.#offset + i];
      if (byte === undefined) return undefined;
      value += (byte & 0x7f) * scale;
      scale *= 0x80;
      if (byte < 0x80) {
        if (byte === 0 && i > 0) return undefined;
        if (value > Number.MAX_SAFE_INTEGER) return undefined;
        this.#offset += i + 1;
        return value;
      }
    }
    return undefined;
  }

  /** The next `lengthBytes` bytes, as a view. */
  take(lengthBytes: number): Uint8Array | undefined {
    if (lengthBytes > this.remainingBytes) return undefined;
    this.#offset += lengthBytes;
    return this.#bytes.subarray(this.#offset - lengthBytes, this.#offset);
  }

  /** Everything not yet read, as a view. */
  rest(): Uint8Array {
    const rest = this.#bytes.subarray(this.#offset);
    this.#offset = this.#bytes.length;
    return rest;
  }
}

/** Folds the sign into the lowest bit, so that small integers of either sign are short: 0, -1, 1, -2 become 0, 1, 2, 3. */
export function zigzag(value: number): number {
  return value < 0 ? -value * 2 - 1 : value * 2;
}

/** The integer that `zigzag` folded. */
export function unzigzag(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}
