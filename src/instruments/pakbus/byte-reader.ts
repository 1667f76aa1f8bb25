import { utf8Text } from '../../core/bytes.ts';

/**
 * Reads fields off the front of a message from an instrument.
 *
 * A read behind the end yields zero, or nothing, and sets `overrun`, which stays set: a decoder reads its whole layout straight through and looks at `overrun` once, at the end. A
 * loop whose count comes from the message must look at it in every round.
 */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;
  #overrun = false;

  /** Reads `bytes` from their beginning. They are not copied and must not change meanwhile. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** True once more was read than there is. */
  get overrun(): boolean {
    return this.#overrun;
  }

  /** Bytes read so far. */
  get offset(): number {
    return this.#offset;
  }

  /** Bytes not read yet. */
  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  /** Where a field of `length` bytes begins, or `undefined` when it does not fit. */
  #take(length: number): number | undefined {
    if (this.#overrun || length > this.remaining) {
      this.#overrun = true;
      return undefined;
    }
    const start = this.#offset;
    this.#offset += length;
    return start;
  }

  #number(length: number, read: (start: number) => number): number {
    const start = this.#take(length);
    return start === undefined ? 0 : read(start);
  }

  uint8(): number {
    return this.#number(1, (start) => this.#view.getUint8(start));
  }

  int8(): number {
    return this.#number(1, (start) => this.#view.getInt8(start));
  }

  uint16(littleEndian = false): number {
    return this.#number(2, (start) => this.#view.getUint16(start, littleEndian));
  }

  int16(littleEndian = false): number {
    return this.#number(2, (start) => this.#view.getInt16(start, littleEndian));
  }

  uint32(littleEndian = false): number {
    return this.#number(4, (start) => this.#view.getUint32(start, littleEndian));
  }

  int32(littleEndian = false): number {
    return this.#number(4, (start) => this.#view.getInt32(start, littleEndian));
  }

  float32(littleEndian = false): number {
    return this.#number(4, (start) => this.#view.getFloat32(start, littleEndian));
  }

  float64(littleEndian = false): number {
    return this.#number(8, (start) => this.#view.getFloat64(start, littleEndian));
  }

  /** The next `length` bytes, not copied; empty when there are fewer. */
  bytes(length: number): Uint8Array {
    const start = this.#take(length);
    return start === undefined ? new Uint8Array(0) : this.#bytes.subarray(start, start + length);
  }

  /** Everything that is left. */
  rest(): Uint8Array {
    return this.bytes(this.remaining);
  }

  /** Text up to the next zero byte, which is consumed too. Without a zero byte this is an overrun. */
  zeroTerminatedText(): string {
    const end = this.#bytes.indexOf(0, this.#offset);
    if (end < 0) {
      this.#overrun = true;
      return '';
    }
    const text = instrumentText(this.bytes(end - this.#offset));
    this.#take(1);
    return text;
  }
}

/** Text of bytes from a logger: UTF-8 where it is valid, else ISO 8859-1, because older loggers store units such as `°C` in one byte. */
export function instrumentText(bytes: Uint8Array): string {
  const text = utf8Text(bytes);
  if (text !== undefined) return text;
  let latin = '';
  for (const byte of bytes) latin += String.fromCharCode(byte);
  return latin;
}
