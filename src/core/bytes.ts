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

/**
 * Puts arrays one behind the other into `room`, which has exactly their length. Some or all of them may stand in the same memory already, before or behind where they belong: none is written over before it
 * has moved.
 */
export function gatherBytes(room: Uint8Array, parts: readonly Uint8Array[]): void {
  const moves: { readonly part: Uint8Array; readonly from: number; readonly to: number }[] = [];
  const others: { readonly part: Uint8Array; readonly to: number }[] = [];
  let to = 0;
  // Where the last one of those that are in this memory ends: in their order there, they keep out of each other's way.
  let end = -Infinity;
  let isOrdered = true;
  for (const part of parts) {
    const from = part.byteOffset - room.byteOffset;
    if (part.buffer !== room.buffer) others.push({ part, to });
    else {
      isOrdered &&= from >= end;
      end = from + part.length;
      if (from !== to) moves.push({ part, from, to });
    }
    to += part.length;
  }
  if (!isOrdered) {
    room.set(concatBytes(...parts));
    return;
  }
  // Forwards into what earlier ones have left, backwards into what later ones have, and last what comes from elsewhere.
  for (const { part, from, to } of moves) if (to < from) room.set(part, to);
  for (const { part, from, to } of moves.toReversed()) if (to > from) room.set(part, to);
  for (const { part, to } of others) room.set(part, to);
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
