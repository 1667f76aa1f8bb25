import { describe, expect, test } from 'vitest';
import { utf8 } from '../../src/core/bytes.ts';
import { nodeCrypto } from '../../src/runtime/node-crypto.ts';
import { testCryptoContract } from './crypto-suite.ts';

testCryptoContract('node:crypto', nodeCrypto);

describe('signing with many keys', () => {
  test('every key signs as itself, however many others were used in between', () => {
    const pairs = Array.from({ length: 40 }, (_, i) => nodeCrypto.ed25519KeyPair(new Uint8Array(32).fill(i)));
    for (let round = 0; round < 2; round++) {
      for (const { secretKey, publicKey } of pairs) {
        const message = utf8(`round ${round}`);
        expect(nodeCrypto.ed25519Verify(publicKey, message, nodeCrypto.ed25519Sign(secretKey, message))).toBe(true);
      }
    }
  });

  test('a key array that is overwritten after signing is a new key', () => {
    const secretKey = new Uint8Array(32).fill(1);
    const before = nodeCrypto.ed25519Sign(secretKey, utf8('x'));
    secretKey.fill(2);
    const after = nodeCrypto.ed25519Sign(secretKey, utf8('x'));
    expect(after).not.toEqual(before);
    expect(nodeCrypto.ed25519Verify(nodeCrypto.ed25519KeyPair(secretKey).publicKey, utf8('x'), after)).toBe(true);
  });

  test("this node's own keys of the wrong length are a programming error", () => {
    expect(() => nodeCrypto.ed25519KeyPair(new Uint8Array(31))).toThrow();
    expect(() => nodeCrypto.x25519(new Uint8Array(31), new Uint8Array(32).fill(9))).toThrow();
    expect(() => nodeCrypto.chachaPolySeal(new Uint8Array(31), new Uint8Array(12), utf8(''), utf8(''))).toThrow();
    expect(() => nodeCrypto.chachaPolySeal(new Uint8Array(32), new Uint8Array(11), utf8(''), utf8(''))).toThrow();
  });
});
