import { decode, encode, rfc8949EncodeOptions } from 'cborg';
import { failure, type Outcome, success } from './outcome.ts';

/**
 * CBOR (RFC 8949), in its core deterministic encoding (section 4.2.1): the same value always has the same bytes, so that what is signed can be re-encoded.
 */

/** Values that cross the wire or are signed. Integers outside the safe range travel as bigint. `undefined` does not exist here. */
export type CborValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly CborValue[]
  | { readonly [key: string]: CborValue }
  | ReadonlyMap<CborValue, CborValue>;

/** Deterministic CBOR bytes of a value. */
export function encodeCbor(value: CborValue): Uint8Array {
  const encoded = encode(value, rfc8949EncodeOptions);
  // The library hands out the runtime's own byte array where it has one, and that one's `slice` does not copy.
  return encoded.constructor === Uint8Array ? encoded : new Uint8Array(encoded);
}

/**
 * The value in these bytes. Exactly one item must fill them; indefinite lengths, tags, duplicate keys, non-minimal integers and `undefined` are refused, as the deterministic
 * encoding has none of them. Never throws.
 */
export function decodeCbor(bytes: Uint8Array): Outcome<unknown> {
  try {
    return success(
      decode(bytes, { strict: true, allowIndefinite: false, allowUndefined: false, rejectDuplicateMapKeys: true, useMaps: false }),
    );
  } catch (error) {
    return failure('CBOR_MALFORMED', 'peer', `not deterministic CBOR: ${(error as Error).message}`);
  }
}
