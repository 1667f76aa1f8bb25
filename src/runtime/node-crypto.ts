import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hash,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { giveBack } from '../core/bytes.ts';
import type { Crypto, KeyPair } from '../ports/crypto.ts';

/**
 * The Crypto port on OpenSSL, as Node bundles it.
 *
 * Raw 32-byte keys go in and out. OpenSSL computes the public key whenever it takes in a secret one, which costs as much as a signature (about 35 µs on the machine this was
 * measured on), so the few keys a node signs with are kept in their imported form. Nothing else is kept: public keys are imported in 2 µs, and an X25519 secret may be an ephemeral
 * one that must not outlive its handshake in a cache.
 */

const tagBytes = 16;
const chachaPoly = 'chacha20-poly1305';

/** Imported signing keys that are kept. A node signs as itself and now and then as a founder or a test peer. */
const signingKeysMax = 16;

/** Signing keys by their seed, in Latin-1 so that a string can be the key of a Map; the least recently used one comes first. */
const signingKeyBySeed = new Map<string, KeyObject>();

/** OpenSSL's results come as Buffers; the port promises plain arrays. Same bytes, no copy. */
function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

function importSecretKey(curve: 'ed25519' | 'x25519', secretKey: Uint8Array): KeyObject {
  return createPrivateKey({ key: secretKey, format: 'raw-private', asymmetricKeyType: curve });
}

function importPublicKey(curve: 'ed25519' | 'x25519', publicKey: Uint8Array): KeyObject {
  return createPublicKey({ key: publicKey, format: 'raw-public', asymmetricKeyType: curve });
}

function keyPair(secretKey: Uint8Array, imported: KeyObject): KeyPair {
  return { secretKey, publicKey: plain(createPublicKey(imported).export({ format: 'raw-public' })) };
}

function signingKey(seed: Uint8Array): KeyObject {
  const name = Buffer.from(seed.buffer, seed.byteOffset, seed.byteLength).toString('latin1');
  let key = signingKeyBySeed.get(name);
  if (key === undefined) {
    key = importSecretKey('ed25519', seed);
    if (signingKeyBySeed.size >= signingKeysMax) {
      for (const oldest of signingKeyBySeed.keys()) {
        signingKeyBySeed.delete(oldest);
        break;
      }
    }
  } else signingKeyBySeed.delete(name);
  signingKeyBySeed.set(name, key);
  return key;
}

/**
 * Crypto on `node:crypto`, for the runtime and for simulations alike.
 *
 * Secret keys and nonces are this node's own, so a wrong length there is a programming error and throws; everything that a peer supplies (public keys, signatures, sealed bytes) fails
 * by value.
 */
export const nodeCrypto: Crypto = {
  sha256: (bytes) => plain(hash('sha256', bytes, 'buffer')),

  createSha256() {
    const state = createHash('sha256');
    return {
      update(bytes) {
        state.update(bytes);
      },
      digest: () => plain(state.digest()),
    };
  },

  hmacSha256: (key, bytes) => plain(createHmac('sha256', key).update(bytes).digest()),

  ed25519KeyPair: (seed) => keyPair(seed, importSecretKey('ed25519', seed)),

  ed25519Sign: (secretKey, message) => plain(sign(null, message, signingKey(secretKey))),

  ed25519Verify(publicKey, message, signature) {
    try {
      return verify(null, message, importPublicKey('ed25519', publicKey), signature);
    } catch {
      return false;
    }
  },

  x25519KeyPair: (secretKey) => keyPair(secretKey, importSecretKey('x25519', secretKey)),

  x25519(secretKey, publicKey) {
    const privateKey = importSecretKey('x25519', secretKey);
    try {
      // OpenSSL refuses a public key of the wrong length, and the all-zero result of a low-order point (RFC 7748 section 6.1), by an exception.
      return plain(diffieHellman({ privateKey, publicKey: importPublicKey('x25519', publicKey) }));
    } catch {
      return undefined;
    }
  },

  chachaPolySeal(key, nonce, associatedData, plaintext, target) {
    const cipher = createCipheriv(chachaPoly, key, nonce, { authTagLength: tagBytes });
    cipher.setAAD(associatedData);
    const body = cipher.update(plaintext);
    cipher.final();
    const sealed = target ?? new Uint8Array(body.length + tagBytes);
    sealed.set(body);
    sealed.set(cipher.getAuthTag(), body.length);
    giveBack(body);
    return sealed;
  },

  chachaPolyOpen(key, nonce, associatedData, sealed) {
    const bodyBytes = sealed.length - tagBytes;
    if (bodyBytes < 0) return undefined;
    const decipher = createDecipheriv(chachaPoly, key, nonce, { authTagLength: tagBytes });
    decipher.setAAD(associatedData);
    decipher.setAuthTag(sealed.subarray(bodyBytes));
    const plaintext = decipher.update(sealed.subarray(0, bodyBytes));
    try {
      decipher.final();
    } catch {
      return undefined;
    }
    return plain(plaintext);
  },
};
