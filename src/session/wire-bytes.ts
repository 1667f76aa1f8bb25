import { invariant } from '../core/assert.ts';

/**
 * Reading and writing the small numbers of the wire.
 *
 * A *varint* is QUIC's variable-length integer (RFC 9000 section 16): the two highest bits of the first byte give the length (1, 2, 4 or 8 bytes), the rest is the number, most significant
 * byte first. Numbers above 2^53-1 cannot be written and are refused when read. All fixed-width integers are most significant byte first too.
 */

/** Bytes that the number takes as a varint. */
export function varintBytes(value: number): number {
  if (value < 0x40) return 1;
  if (value < 0x4000) return 2;
  return value < 0x4000_0000 ? 4 : 8;
}

/** Writes into an array that the caller owns and that must be large enough; running over its end is a programming error and throws. */
export class WireWriter {
  readonly #buffer: Uint8Array;
  #length = 0;

  constructor(buffer: Uint8Array) {
    this.#buffer = buffer;
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  /** Bytes that still fit. */
  get room(): number {
    return this.#buffer.length - this.#length;
  }

  /** What was written: a view, valid until the next write. */
  get written(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  /** An unsigned integer of 1 to 6 bytes. Higher bits of the value are dropped. */
  uint(value: number, width: number): void {
    invariant(this.room >= width, 'no room for an integer');
    let rest = value;
    for (let i = this.#length + width - 1; i >= this.#length; i--) {
      this.#buffer[i] = rest % 256;
      rest = Math.floor(rest / 256);
    }
    this.#length += width;
  }

  varint(value: number): void {
    invariant(Number.isSafeInteger(value) && value >= 0, 'a varint is a safe integer, 0 or more');
    const width = varintBytes(value);
    if (width === 1) this.uint(value, 1);
    else if (width === 2) this.uint(value + 0x4000, 2);
    else if (width === 4) this.uint(value + 0x8000_0000, 4);
    else {
      this.uint(0xc000 + Math.floor(value / 2 ** 48), 2);
      this.uint(value % 2 ** 48, 6);
    }
  }

  bytes(bytes: Uint8Array): void {
    invariant(this.room >= bytes.length, 'no room for bytes');
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }
}

/** Reads foreign bytes: every method gives `undefined` when they end too early or the number is out of range, and never throws. */
export class WireReader {
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Bytes read so far. */
  get offset(): number {
    return this.#offset;
  }

  /** Bytes not read yet. */
  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  /** An unsigned integer of 1 to 6 bytes. */
  uint(width: number): number | undefined {
    if (this.remaining < width) return undefined;
    let value = 0;
    for (let i = 0; i < width; i++) value = value * 256 + (this.#bytes[this.#offset + i] as number);
    this.#offset += width;
    return value;
  }

  varint(): number | undefined {
    const first = this.#bytes[this.#offset];
    if (first === undefined) return undefined;
    const width = 1 << (first >> 6);
    if (width < 8) {
      const raw = this.uint(width);
      return raw === undefined ? undefined : raw - (first >> 6) * 0x40 * 256 ** (width - 1);
    }
    if (this.remaining < 8) return undefined;
    const high = (this.uint(2) as number) - 0xc000;
    const value = high * 2 ** 48 + (this.uint(6) as number);
    return Number.isSafeInteger(value) ? value : undefined;
  }

  /** The next `length` bytes as a view. */
  bytes(length: number): Uint8Array | undefined {
    if (this.remaining < length) return undefined;
    const view = this.#bytes.subarray(this.#offset, this.#offset + length);
    this.#offset += length;
    return view;
  }

  /** Everything that is left, as a view. */
  rest(): Uint8Array {
    const view = this.#bytes.subarray(this.#offset);
    this.#offset = this.#bytes.length;
    return view;
  }
}
