/** Byte arrays: joining, comparing and writing them as text. Every function is pure and allocates at most one array. */

/** Joins byte arrays into one new array. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const joined = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

/** Arrays from this length on are worth giving back at once; shorter ones may share their memory with others. */
const givenBackBytesMin = 16 * 1024;

/**
 * Gives the memory of a long array back at once, for whoever owns it alone and is done with it: it is empty from now on, and so is every view of the same memory. Bulk bytes lie outside of the collected
 * heap, and a gigabyte of them that waits for the collector makes it run again and again. Nothing happens to a short array, or to one that is a part of a larger buffer.
 */
export function giveBack(bytes: Uint8Array): void {
  const { buffer } = bytes;
  if (bytes.length >= givenBackBytesMin && bytes.length === buffer.byteLength && buffer instanceof ArrayBuffer) buffer.transfer(0);
}

/** True when both arrays hold the same bytes. Not constant-time: secrets are compared by the Crypto port. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Lexicographic order of two arrays as a comparator value: negative, zero or positive. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Lower-case hexadecimal text of the bytes. */
export function toHex(bytes: Uint8Array): string {
  return bytes.toHex();
}

/**
 * Bytes of hexadecimal text.
 *
 * @throws SyntaxError when the text is not an even number of hexadecimal digits; check text of foreign origin first.
 */
export function fromHex(text: string): Uint8Array {
  return Uint8Array.fromHex(text);
}

const encoder = new TextEncoder();
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** UTF-8 bytes of the text. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Text of UTF-8 bytes, or `undefined` when they are not valid UTF-8. A byte-order mark is kept. */
export function utf8Text(bytes: Uint8Array): string | undefined {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    return undefined;
  }
}
