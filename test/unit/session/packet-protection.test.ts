import { describe, expect, test } from 'vitest';
import { concatBytes, fromHex, utf8 } from '../../../src/core/bytes.ts';
import { seededRandom } from '../../../src/core/random.ts';
import type { Crypto } from '../../../src/ports/crypto.ts';
import { nodeCrypto } from '../../../src/runtime/node-crypto.ts';
import { noiseNonce, noiseRekey } from '../../../src/session/noise.ts';
import { PacketProtection, packetNumberMax, packetsPerEpoch } from '../../../src/session/packet-protection.ts';
import { replayWindowWidth } from '../../../src/session/replay-window.ts';

const header = Uint8Array.of(1, 2, 3);
const plaintext = utf8('a reading');

function bothEnds(crypto: Crypto = nodeCrypto): { readonly here: PacketProtection; readonly there: PacketProtection } {
  const random = seededRandom(40);
  const [a, b] = [random.bytes(32), random.bytes(32)];
  return {
    here: new PacketProtection({ sendKey: a, receiveKey: b }, crypto),
    there: new PacketProtection({ sendKey: b, receiveKey: a }, crypto),
  };
}

/** A crypto that counts what receiving costs. */
function countingCrypto(): { readonly crypto: Crypto; readonly count: { seals: number; opens: number } } {
  const count = { seals: 0, opens: 0 };
  return {
    count,
    crypto: {
      ...nodeCrypto,
      chachaPolySeal(key, nonce, associatedData, bytes) {
        count.seals++;
        return nodeCrypto.chachaPolySeal(key, nonce, associatedData, bytes);
      },
      chachaPolyOpen(key, nonce, associatedData, sealed) {
        count.opens++;
        return nodeCrypto.chachaPolyOpen(key, nonce, associatedData, sealed);
      },
    },
  };
}

describe('protected packets', () => {
  test('open at the other end, in both directions, 16 bytes longer on the way', () => {
    const { here, there } = bothEnds();
    const sealed = here.seal(0, header, plaintext);
    expect(sealed).toHaveLength(plaintext.length + 16);
    expect(there.open(0, header, sealed)).toEqual(plaintext);
    expect(here.open(0, header, there.seal(0, header, plaintext))).toEqual(plaintext);
  });

  test('do not open at the end that sealed them', () => {
    const { here } = bothEnds();
    expect(here.open(0, header, here.seal(0, header, plaintext))).toBeUndefined();
  });

  test('open in any order, each once', () => {
    const { here, there } = bothEnds();
    const packets = Array.from({ length: 100 }, (_, n) => ({ n, sealed: here.seal(n, header, plaintext) }));
    const random = seededRandom(41);
    for (let i = packets.length - 1; i > 0; i--) {
      const j = random.below(i + 1);
      [packets[i], packets[j]] = [packets[j]!, packets[i]!];
    }
    for (const { n, sealed } of packets) expect(there.open(n, header, sealed)).toEqual(plaintext);
    for (const { n, sealed } of packets) expect(there.open(n, header, sealed)).toBeUndefined();
    expect(there.newestReceived).toBe(99);
  });

  test('are refused when they come later than the window is wide', () => {
    const { here, there } = bothEnds();
    const late = here.seal(0, header, plaintext);
    const lateButInTime = here.seal(1, header, plaintext);
    there.open(replayWindowWidth, header, here.seal(replayWindowWidth, header, plaintext));
    expect(there.open(0, header, late)).toBeUndefined();
    expect(there.open(1, header, lateButInTime)).toEqual(plaintext);
  });

  test('do not open with any bit flipped in header or body, cut short, or under another number', () => {
    const { here, there } = bothEnds();
    const sealed = here.seal(7, header, plaintext);
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const touched = sealed.slice();
      touched[bit >> 3] = touched[bit >> 3]! ^ (1 << (bit & 7));
      expect(there.open(7, header, touched)).toBeUndefined();
    }
    for (let bit = 0; bit < header.length * 8; bit++) {
      const touched = header.slice();
      touched[bit >> 3] = touched[bit >> 3]! ^ (1 << (bit & 7));
      expect(there.open(7, touched, sealed)).toBeUndefined();
    }
    for (let length = 0; length < sealed.length; length++) expect(there.open(7, header, sealed.subarray(0, length))).toBeUndefined();
    expect(there.open(7, header, concatBytes(sealed, Uint8Array.of(0)))).toBeUndefined();
    for (const n of [6, 8, 7 + packetsPerEpoch]) expect(there.open(n, header, sealed)).toBeUndefined();
    expect(there.open(7, header, sealed)).toEqual(plaintext);
  });
});

describe('forged packets', () => {
  test('do not move the window: the true packets still open', () => {
    const { here, there } = bothEnds();
    const forged = new Uint8Array(40);
    for (const n of [0, 1, 5000, packetsPerEpoch + 3, 4 * packetsPerEpoch]) expect(there.open(n, header, forged)).toBeUndefined();
    expect(there.newestReceived).toBe(-1);
    for (const n of [0, 1]) expect(there.open(n, header, here.seal(n, header, plaintext))).toEqual(plaintext);
  });

  test('with numbers that no packet can have cost no cryptography', () => {
    const { crypto, count } = countingCrypto();
    const { there } = bothEnds(crypto);
    const impossible = [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 5 * packetsPerEpoch, packetNumberMax, packetNumberMax + 1, 2 ** 53];
    for (const n of impossible) expect(there.open(n, header, new Uint8Array(40))).toBeUndefined();
    expect(count).toEqual({ seals: 0, opens: 0 });
  });

  test('with repeated numbers cost no decryption', () => {
    const { crypto, count } = countingCrypto();
    const { here, there } = bothEnds(crypto);
    const sealed = here.seal(0, header, plaintext);
    there.open(0, header, sealed);
    count.opens = 0;
    there.open(0, header, sealed);
    expect(count.opens).toBe(0);
  });

  test('far ahead cost a bounded number of new keys, once', () => {
    const { crypto, count } = countingCrypto();
    const { there } = bothEnds(crypto);
    for (let i = 0; i < 20; i++) there.open(5 * packetsPerEpoch - 1 - i, header, new Uint8Array(40));
    expect(count.seals).toBe(4);
  });
});

describe('REKEY', () => {
  test('is the encryption of 32 zeros under the last of all nonces, without the tag (Noise section 4.2)', () => {
    const key = new Uint8Array(32).fill(9);
    const sealed = nodeCrypto.chachaPolySeal(key, fromHex('00000000ffffffffffffffff'), new Uint8Array(0), new Uint8Array(32));
    expect(noiseRekey(nodeCrypto, key)).toEqual(sealed.slice(0, 32));
  });
});

describe('keys', () => {
  const [sendKey, receiveKey] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];

  test('follow one from another by REKEY at every 65,536th packet, with the packet number as nonce', () => {
    const sender = new PacketProtection({ sendKey, receiveKey }, nodeCrypto);
    let key: Uint8Array = sendKey;
    for (let epoch = 0; epoch < 4; epoch++) {
      for (const n of [epoch * packetsPerEpoch, (epoch + 1) * packetsPerEpoch - 1]) {
        expect(sender.seal(n, header, plaintext)).toEqual(nodeCrypto.chachaPolySeal(key, noiseNonce(n), header, plaintext));
      }
      key = noiseRekey(nodeCrypto, key);
    }
  });

  test('of the epoch before still open late packets, as far as the window reaches', () => {
    const { here, there } = bothEnds();
    const late = [packetsPerEpoch - 1000, packetsPerEpoch - 1].map((n) => ({ n, sealed: here.seal(n, header, plaintext) }));
    const ahead = packetsPerEpoch + 900;
    expect(there.open(ahead, header, here.seal(ahead, header, plaintext))).toEqual(plaintext);
    for (const { n, sealed } of late) expect(there.open(n, header, sealed)).toEqual(plaintext);
  });

  test('stay in step when whole epochs of packets are lost', () => {
    const { here, there } = bothEnds();
    for (const n of [3, 4 * packetsPerEpoch + 1, 8 * packetsPerEpoch + 1, 8 * packetsPerEpoch + 2, 12 * packetsPerEpoch]) {
      expect(there.open(n, header, here.seal(n, header, plaintext))).toEqual(plaintext);
    }
  });
});

describe('sealing stops the program', () => {
  test('before a number is used twice or out of order', () => {
    const { here } = bothEnds();
    here.seal(5, header, plaintext);
    for (const n of [5, 4, 0, -1]) expect(() => here.seal(n, header, plaintext)).toThrow('only rise');
    expect(here.seal(6, header, plaintext)).toHaveLength(plaintext.length + 16);
  });

  test('before the numbers are used up, and for numbers that are none', () => {
    const { here } = bothEnds();
    expect(() => here.seal(packetNumberMax + 1, header, plaintext)).toThrow('used up');
    for (const n of [0.5, Number.NaN, 2 ** 53]) expect(() => here.seal(n, header, plaintext)).toThrow('only rise');
  });

  test('when numbers run further ahead than a receiver follows', () => {
    const { here } = bothEnds();
    expect(() => here.seal(5 * packetsPerEpoch, header, plaintext)).toThrow('too far ahead');
    expect(here.seal(5 * packetsPerEpoch - 1, header, plaintext)).toHaveLength(plaintext.length + 16);
  });
});
