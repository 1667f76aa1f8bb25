import { concatBytes, utf8 } from '../../core/bytes.ts';

/** Builds a message field by field. Integers are taken modulo their width; the order of bytes is big-endian unless a call says otherwise. */
export class ByteWriter {
  readonly #parts: Uint8Array[] = [];

  #field(length: number, write: (view: DataView) => void): this {
    const field = new Uint8Array(length);
    write(new DataView(field.buffer));
    this.#parts.push(field);
    return this;
  }

  uint8(value: number): this {
    return this.#field(1, (view) => view.setUint8(0, value));
  }

  uint16(value: number, littleEndian = false): this {
    return this.#field(2, (view) => view.setUint16(0, value, littleEndian));
  }

  uint32(value: number, littleEndian = false): this {
    return this.#field(4, (view) => view.setUint32(0, value, littleEndian));
  }

  float32(value: number, littleEndian = false): this {
    return this.#field(4, (view) => view.setFloat32(0, value, littleEndian));
  }

  float64(value: number, littleEndian = false): this {
    return this.#field(8, (view) => view.setFloat64(0, value, littleEndian));
  }

  bytes(bytes: Uint8Array): this {
    this.#parts.push(bytes);
    return this;
  }

  /** UTF-8 text and a zero byte. */
  zeroTerminatedText(text: string): this {
    return this.bytes(utf8(text)).uint8(0);
  }

  /** The message so far, in one new array. */
  finish(): Uint8Array {
    return concatBytes(...this.#parts);
  }
}
