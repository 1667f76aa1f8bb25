/**
 * The PakBus signature: a 16-bit check that depends on the order of the bytes, and the two bytes that bring it to zero.
 *
 * A sender signs header and message and appends the *nullifier* of that signature; over all of it the signature is then 0x0000, so a receiver needs no position to check against.
 *
 * Source: Campbell Scientific, BMP5 Transparent Commands (rev. 9/08), appendix on the signature algorithm.
 */

/** What a signature starts from. */
const signatureSeed = 0xaaaa;

/** Doubles the low byte of a signature with end-around carry: a 9-bit shift whose overflow comes back as a one. */
function doubled(signature: number): number {
  const shifted = (signature << 1) & 0x1ff;
  return shifted >= 0x100 ? shifted + 1 : shifted;
}

/** Signature of the bytes, 0 to 0xFFFF. `seed` continues an earlier signature; without it a new one begins. */
export function signatureOf(bytes: Uint8Array, seed: number = signatureSeed): number {
  let signature = seed;
  for (const byte of bytes) signature = ((doubled(signature) + (signature >> 8) + byte) & 0xff) | ((signature & 0xff) << 8);
  return signature;
}

/** The two bytes that, behind the signed bytes, make the signature of the whole zero. First byte sent first. */
export function nullifierOf(signature: number): Uint8Array {
  const nullifier = new Uint8Array(2);
  let current = signature;
  for (let i = 0; i < nullifier.length; i++) {
    const byte = (0x100 - (doubled(current) + (current >> 8))) & 0xff;
    nullifier[i] = byte;
    current = signatureOf(nullifier.subarray(i, i + 1), current);
  }
  return nullifier;
}
