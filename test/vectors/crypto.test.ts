import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { fromHex, toHex, utf8, utf8Text } from '../../src/core/bytes.ts';
import { nodeCrypto } from '../../src/runtime/node-crypto.ts';

/** The longer vectors of the documents behind the Crypto port; the short ones are in its contract suite. */

function repeated(byte: number, length: number): Uint8Array {
  return new Uint8Array(length).fill(byte);
}

describe('SHA-256 (FIPS 180-4 examples)', () => {
  test('a message of 896 bits', () => {
    const message = utf8(
      'abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu',
    );
    expect(toHex(nodeCrypto.sha256(message))).toBe('cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1');
  });

  test('a million times "a", in pieces of 999', () => {
    const hash = nodeCrypto.createSha256();
    for (let left = 1_000_000; left > 0; left -= 999) hash.update(repeated(0x61, Math.min(left, 999)));
    expect(toHex(hash.digest())).toBe('cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0');
  });
});

describe('HMAC-SHA-256 (RFC 4231)', () => {
  const cases = [
    {
      section: '4.4',
      key: repeated(0xaa, 20),
      data: repeated(0xdd, 50),
      mac: '773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe',
    },
    {
      section: '4.5',
      key: Uint8Array.from({ length: 25 }, (_, i) => i + 1),
      data: repeated(0xcd, 50),
      mac: '82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b',
    },
    {
      section: '4.7, a key longer than a block',
      key: repeated(0xaa, 131),
      data: utf8('Test Using Larger Than Block-Size Key - Hash Key First'),
      mac: '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
    },
    {
      section: '4.8, key and data longer than a block',
      key: repeated(0xaa, 131),
      data: utf8(
        'This is a test using a larger than block-size key and a larger than block-size data. ' +
          'The key needs to be hashed before being used by the HMAC algorithm.',
      ),
      mac: '9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2',
    },
  ];
  test.each(cases)('section $section', ({ key, data, mac }) => {
    expect(toHex(nodeCrypto.hmacSha256(key, data))).toBe(mac);
  });
});

describe('Ed25519 (RFC 8032 section 7.1)', () => {
  test('test SHA(abc)', () => {
    const pair = nodeCrypto.ed25519KeyPair(fromHex('833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42'));
    const message = new Uint8Array(createHash('sha512').update('abc').digest());
    expect(toHex(pair.publicKey)).toBe('ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf');
    const signature = nodeCrypto.ed25519Sign(pair.secretKey, message);
    expect(toHex(signature)).toBe(
      'dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704',
    );
    expect(nodeCrypto.ed25519Verify(pair.publicKey, message, signature)).toBe(true);
  });
});

describe('X25519 (RFC 7748)', () => {
  test('the scalar multiplication of section 5.2, a thousand times over', () => {
    let k = repeated(0, 32);
    k[0] = 9;
    let u = k;
    for (let i = 1; i <= 1000; i++) {
      const next = nodeCrypto.x25519(k, u)!;
      u = k;
      k = next;
      if (i === 1) expect(toHex(k)).toBe('422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079');
    }
    expect(toHex(k)).toBe('684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51');
  });

  test('the key agreement of section 6.1', () => {
    const alice = nodeCrypto.x25519KeyPair(fromHex('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a'));
    const bob = nodeCrypto.x25519KeyPair(fromHex('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb'));
    expect(toHex(alice.publicKey)).toBe('8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a');
    expect(toHex(bob.publicKey)).toBe('de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f');
    const shared = '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742';
    expect(toHex(nodeCrypto.x25519(alice.secretKey, bob.publicKey)!)).toBe(shared);
    expect(toHex(nodeCrypto.x25519(bob.secretKey, alice.publicKey)!)).toBe(shared);
  });
});

describe('ChaCha20-Poly1305 (RFC 8439)', () => {
  test('the decryption of appendix A.5', () => {
    const sealed = fromHex(
      '64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb24c6cfc18755d43eea09ee94e382d26b0bdb7b73c321b0100d4f03b7f355894cf' +
        '332f830e710b97ce98c8a84abd0b948114ad176e008d33bd60f982b1ff37c8559797a06ef4f0ef61c186324e2b3506383606907b6a7c02b0f9f6157b53c867e4' +
        'b9166c767b804d46a59b5216cde7a4e99040c5a40433225ee282a1b0a06c523eaf4534d7f83fa1155b0047718cbc546a0d072b04b3564eea1b422273f548271a' +
        '0bb2316053fa76991955ebd63159434ecebb4e466dae5a1073a6727627097a1049e617d91d361094fa68f0ff77987130305beaba2eda04df997b714d6c6f2c29' +
        'a6ad5cb4022b02709beead9d67890cbb22392336fea1851f38',
    );
    const plaintext = nodeCrypto.chachaPolyOpen(
      fromHex('1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0'),
      fromHex('000000000102030405060708'),
      fromHex('f33388860000000000004e91'),
      sealed,
    );
    expect(utf8Text(plaintext!)).toBe(
      'Internet-Drafts are draft documents valid for a maximum of six months and may be updated, replaced, or obsoleted by other documents ' +
        'at any time. It is inappropriate to use Internet-Drafts as reference material or to cite them other than as /“work in progress./”',
    );
  });
});
