import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concatBytes, fromHex, toHex, utf8 } from '../../src/core/bytes.ts';
import type { Crypto } from '../../src/ports/crypto.ts';

/**
 * What every implementation of the Crypto port must do: the vectors of the documents that define the algorithms, and failure by value for everything that a peer may have supplied.
 */

const sunscreen = {
  key: fromHex('808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f'),
  nonce: fromHex('070000004041424344454647'),
  associatedData: fromHex('50515253c0c1c2c3c4c5c6c7'),
  plaintext: utf8("Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."),
  ciphertext:
    'd31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36' +
    '92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b6116',
  tag: '1ae10b594f09e26a7e902ecbd0600691',
};

/** RFC 8032 section 7.1, tests 1 to 3. */
const ed25519Vectors = [
  {
    seed: '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    publicKey: 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    message: '',
    signature:
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  },
  {
    seed: '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    publicKey: '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    message: '72',
    signature:
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  },
  {
    seed: 'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    publicKey: 'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    message: 'af82',
    signature:
      '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  },
] as const;

/** RFC 7748 section 5.2. */
const x25519Vectors = [
  [
    'a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4',
    'e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c',
    'c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552',
  ],
  [
    '4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d',
    'e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493',
    '95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957',
  ],
] as const;

/** The points of order 1, 2, 4 and 8 on Curve25519 and its twist, by u-coordinate, with the non-canonical encodings p and p + 1. */
const lowOrderPoints = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
] as const;

const seed = fc.uint8Array({ minLength: 32, maxLength: 32 });
const message = fc.uint8Array({ maxLength: 300 });

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const changed = bytes.slice();
  changed[bit >> 3] = changed[bit >> 3]! ^ (1 << (bit & 7));
  return changed;
}

/** Runs the contract of the Crypto port against an implementation. */
export function testCryptoContract(name: string, crypto: Crypto): void {
  describe(`${name} as Crypto: hashing`, () => {
    test('SHA-256 gives the digests of FIPS 180-4', () => {
      expect(toHex(crypto.sha256(utf8('')))).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
      expect(toHex(crypto.sha256(utf8('abc')))).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
      expect(toHex(crypto.sha256(utf8('abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq')))).toBe(
        '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
      );
    });

    test('bytes that arrive in pieces hash as if they came at once', () => {
      fc.assert(
        fc.property(fc.array(message, { maxLength: 8 }), (pieces) => {
          const hash = crypto.createSha256();
          for (const piece of pieces) hash.update(piece);
          expect(hash.digest()).toEqual(crypto.sha256(concatBytes(...pieces)));
        }),
        { seed: 1, numRuns: 50 },
      );
    });

    test('HMAC-SHA-256 gives the values of RFC 4231 sections 4.2 and 4.3', () => {
      expect(toHex(crypto.hmacSha256(new Uint8Array(20).fill(0x0b), utf8('Hi There')))).toBe(
        'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
      );
      expect(toHex(crypto.hmacSha256(utf8('Jefe'), utf8('what do ya want for nothing?')))).toBe(
        '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
      );
    });

    test('results are plain arrays, whatever the implementation works with', () => {
      const pair = crypto.x25519KeyPair(new Uint8Array(32).fill(5));
      const results = [
        crypto.sha256(utf8('a')),
        crypto.createSha256().digest(),
        crypto.hmacSha256(utf8('k'), utf8('a')),
        pair.publicKey,
        crypto.x25519(pair.secretKey, pair.publicKey),
        crypto.ed25519Sign(pair.secretKey, utf8('a')),
        crypto.chachaPolySeal(sunscreen.key, sunscreen.nonce, utf8(''), utf8('a')),
        crypto.chachaPolyOpen(
          sunscreen.key,
          sunscreen.nonce,
          utf8(''),
          crypto.chachaPolySeal(sunscreen.key, sunscreen.nonce, utf8(''), utf8('a')),
        ),
      ];
      for (const result of results) expect(Object.getPrototypeOf(result)).toBe(Uint8Array.prototype);
    });
  });

  describe(`${name} as Crypto: Ed25519`, () => {
    test.each(ed25519Vectors)('key and signature of RFC 8032 section 7.1, message "$message"', (vector) => {
      const pair = crypto.ed25519KeyPair(fromHex(vector.seed));
      expect(toHex(pair.publicKey)).toBe(vector.publicKey);
      expect(toHex(pair.secretKey)).toBe(vector.seed);
      expect(toHex(crypto.ed25519Sign(pair.secretKey, fromHex(vector.message)))).toBe(vector.signature);
      expect(crypto.ed25519Verify(pair.publicKey, fromHex(vector.message), fromHex(vector.signature))).toBe(true);
    });

    test('a changed bit in key, message or signature makes the signature wrong', () => {
      fc.assert(
        fc.property(seed, fc.uint8Array({ minLength: 1, maxLength: 64 }), fc.nat(), (secret, signed, anyBit) => {
          const { publicKey, secretKey } = crypto.ed25519KeyPair(secret);
          const signature = crypto.ed25519Sign(secretKey, signed);
          expect(crypto.ed25519Verify(publicKey, signed, signature)).toBe(true);
          expect(crypto.ed25519Verify(flipped(publicKey, anyBit % 256), signed, signature)).toBe(false);
          expect(crypto.ed25519Verify(publicKey, flipped(signed, anyBit % (signed.length * 8)), signature)).toBe(false);
          expect(crypto.ed25519Verify(publicKey, signed, flipped(signature, anyBit % 512))).toBe(false);
        }),
        { seed: 2, numRuns: 100 },
      );
    });

    test('keys and signatures of the wrong length or without a point verify nothing and throw nothing', () => {
      const { publicKey, secretKey } = crypto.ed25519KeyPair(new Uint8Array(32).fill(7));
      const signature = crypto.ed25519Sign(secretKey, utf8('x'));
      for (const length of [0, 31, 33, 64]) expect(crypto.ed25519Verify(new Uint8Array(length), utf8('x'), signature)).toBe(false);
      for (const length of [0, 32, 63, 65]) expect(crypto.ed25519Verify(publicKey, utf8('x'), new Uint8Array(length))).toBe(false);
      // y = 2 is on no point of the curve.
      const offCurve = new Uint8Array(32);
      offCurve[0] = 2;
      expect(crypto.ed25519Verify(offCurve, utf8('x'), signature)).toBe(false);
    });

    test('the signature with the group order added to S is refused (RFC 8032 section 5.1.7)', () => {
      const { publicKey, secretKey } = crypto.ed25519KeyPair(new Uint8Array(32).fill(9));
      const signature = crypto.ed25519Sign(secretKey, utf8('x'));
      const order = 2n ** 252n + 27742317777372353535851937790883648493n;
      const s = BigInt(`0x${toHex(signature.slice(32).reverse())}`) + order;
      const malleated = concatBytes(signature.slice(0, 32), fromHex(s.toString(16).padStart(64, '0')).reverse());
      expect(crypto.ed25519Verify(publicKey, utf8('x'), malleated)).toBe(false);
    });
  });

  describe(`${name} as Crypto: X25519`, () => {
    test.each(x25519Vectors)('scalar %s (RFC 7748 section 5.2)', (scalar, u, result) => {
      expect(toHex(crypto.x25519(fromHex(scalar), fromHex(u))!)).toBe(result);
    });

    test('both ends come to the same secret', () => {
      fc.assert(
        fc.property(seed, seed, (a, b) => {
          const alice = crypto.x25519KeyPair(a);
          const bob = crypto.x25519KeyPair(b);
          const shared = crypto.x25519(alice.secretKey, bob.publicKey);
          expect(shared).toHaveLength(32);
          expect(shared).toEqual(crypto.x25519(bob.secretKey, alice.publicKey));
        }),
        { seed: 3, numRuns: 50 },
      );
    });

    test.each(lowOrderPoints)('the low-order point %s gives no secret, with its unused top bit set or clear', (point) => {
      const secretKey = new Uint8Array(32).fill(0x77);
      const u = fromHex(point);
      expect(crypto.x25519(secretKey, u)).toBeUndefined();
      expect(crypto.x25519(secretKey, flipped(u, 255))).toBeUndefined();
    });

    test('the unused top bit and values of p and above are reduced, not refused (RFC 7748 section 5)', () => {
      const secretKey = new Uint8Array(32).fill(0x31);
      const basePoint = new Uint8Array(32);
      basePoint[0] = 9;
      const { publicKey } = crypto.x25519KeyPair(secretKey);
      expect(crypto.x25519(secretKey, basePoint)).toEqual(publicKey);
      expect(crypto.x25519(secretKey, flipped(basePoint, 255))).toEqual(publicKey);
      // p + 9 = 2^255 - 10.
      expect(crypto.x25519(secretKey, fromHex(`f6${'ff'.repeat(30)}7f`))).toEqual(publicKey);
    });

    test('a public key of the wrong length gives no secret', () => {
      for (const length of [0, 31, 33]) expect(crypto.x25519(new Uint8Array(32).fill(1), new Uint8Array(length).fill(9))).toBeUndefined();
    });
  });

  describe(`${name} as Crypto: ChaCha20-Poly1305`, () => {
    const { key, nonce, associatedData, plaintext, ciphertext, tag } = sunscreen;

    test('seals and opens the example of RFC 8439 section 2.8.2', () => {
      expect(toHex(crypto.chachaPolySeal(key, nonce, associatedData, plaintext))).toBe(ciphertext + tag);
      expect(crypto.chachaPolyOpen(key, nonce, associatedData, fromHex(ciphertext + tag))).toEqual(plaintext);
    });

    test('opens what it sealed, of any length, empty ones included', () => {
      fc.assert(
        fc.property(seed, fc.uint8Array({ minLength: 12, maxLength: 12 }), message, message, (anyKey, anyNonce, header, bytes) => {
          const sealed = crypto.chachaPolySeal(anyKey, anyNonce, header, bytes);
          expect(sealed).toHaveLength(bytes.length + 16);
          expect(crypto.chachaPolyOpen(anyKey, anyNonce, header, sealed)).toEqual(bytes);
        }),
        { seed: 4, numRuns: 100 },
      );
    });

    test('leaves its arguments as they were', () => {
      const [k, n, a, p] = [key.slice(), nonce.slice(), associatedData.slice(), plaintext.slice()];
      const sealed = crypto.chachaPolySeal(k, n, a, p);
      const kept = sealed.slice();
      crypto.chachaPolyOpen(k, n, a, sealed);
      expect([k, n, a, p, sealed]).toEqual([key, nonce, associatedData, plaintext, kept]);
    });

    test('opens nothing when any one bit differs: in key, nonce, associated data, ciphertext or tag', () => {
      const sealed = fromHex(ciphertext + tag);
      for (let bit = 0; bit < sealed.length * 8; bit++)
        expect(crypto.chachaPolyOpen(key, nonce, associatedData, flipped(sealed, bit))).toBeUndefined();
      for (let bit = 0; bit < 256; bit++) expect(crypto.chachaPolyOpen(flipped(key, bit), nonce, associatedData, sealed)).toBeUndefined();
      for (let bit = 0; bit < 96; bit++) {
        expect(crypto.chachaPolyOpen(key, flipped(nonce, bit), associatedData, sealed)).toBeUndefined();
        expect(crypto.chachaPolyOpen(key, nonce, flipped(associatedData, bit), sealed)).toBeUndefined();
      }
    });

    test('opens nothing that was cut or extended', () => {
      const sealed = fromHex(ciphertext + tag);
      for (let length = 0; length < sealed.length; length++) {
        expect(crypto.chachaPolyOpen(key, nonce, associatedData, sealed.subarray(0, length))).toBeUndefined();
      }
      expect(crypto.chachaPolyOpen(key, nonce, associatedData, concatBytes(sealed, Uint8Array.of(0)))).toBeUndefined();
    });
  });
}
