/**
 * Cryptographic primitives: synchronous and deterministic, so that the simulator and the field compute the same bytes.
 *
 * Every implementation passes the exported contract suite, which holds the RFC vectors.
 */

/** An X25519 or Ed25519 key pair: 32 secret bytes and the 32 public bytes they determine. */
export interface KeyPair {
  readonly secretKey: Uint8Array;
  readonly publicKey: Uint8Array;
}

/** SHA-256 over bytes that arrive in pieces. Not reusable after `digest`. */
export interface IncrementalHash {
  update(bytes: Uint8Array): void;
  /** The 32-byte hash. */
  digest(): Uint8Array;
}

/** The primitives. Arguments of the wrong length are an error of the program and may throw, except where a method says that it never does. */
export interface Crypto {
  /** SHA-256 (FIPS 180-4), 32 bytes. */
  sha256(bytes: Uint8Array): Uint8Array;
  createSha256(): IncrementalHash;
  /** HMAC-SHA-256 (RFC 2104), 32 bytes. */
  hmacSha256(key: Uint8Array, bytes: Uint8Array): Uint8Array;

  /** Ed25519 (RFC 8032) key pair from a 32-byte seed. */
  ed25519KeyPair(seed: Uint8Array): KeyPair;
  /** 64-byte Ed25519 signature. `secretKey` is the 32-byte seed. */
  ed25519Sign(secretKey: Uint8Array, message: Uint8Array): Uint8Array;
  /** False for a wrong signature and for malformed keys alike. Never throws. */
  ed25519Verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;

  /** X25519 (RFC 7748) key pair from 32 secret bytes. */
  x25519KeyPair(secretKey: Uint8Array): KeyPair;
  /** The 32-byte shared secret, or `undefined` when the public key is malformed or of low order (all-zero result). */
  x25519(secretKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined;

  /** ChaCha20-Poly1305 (RFC 8439): ciphertext with the 16-byte tag behind it. `key` 32 bytes, `nonce` 12 bytes. Written to `target`, which must have exactly that length, if one is given. */
  chachaPolySeal(key: Uint8Array, nonce: Uint8Array, associatedData: Uint8Array, plaintext: Uint8Array, target?: Uint8Array): Uint8Array;
  /** The plaintext, or `undefined` when the tag does not match. Never throws. */
  chachaPolyOpen(key: Uint8Array, nonce: Uint8Array, associatedData: Uint8Array, sealed: Uint8Array): Uint8Array | undefined;
}
