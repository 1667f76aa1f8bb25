import { describe, expect, test } from 'vitest';
import { concatBytes, utf8 } from '../../../src/core/bytes.ts';
import { seededRandom } from '../../../src/core/random.ts';
import type { Crypto } from '../../../src/ports/crypto.ts';
import { nodeCrypto } from '../../../src/runtime/node-crypto.ts';
import { type NoiseHandshake, noiseMessageBytesMax } from '../../../src/session/noise.ts';
import { type EndChanges, noiseEnds, productPatterns } from './noise-ends.ts';

/** What somebody gets who lacks a key or touches a message: a failed outcome, and nothing else. */

const payload = utf8('position of the camp');
const stranger = nodeCrypto.x25519KeyPair(new Uint8Array(32).fill(0x55));

function exchange(initiator: NoiseHandshake, responder: NoiseHandshake, untilMessage: number): void {
  for (let i = 0; i < untilMessage; i++) {
    const [writer, reader] = i % 2 === 0 ? [initiator, responder] : [responder, initiator];
    expect(reader.readMessage(writer.writeMessage(payload)).ok).toBe(true);
  }
}

/** Index of the message that fails first; -1 when all are accepted. */
function failingMessage(initiator: NoiseHandshake, responder: NoiseHandshake): number {
  for (let i = 0; !initiator.finished || !responder.finished; i++) {
    const [writer, reader] = i % 2 === 0 ? [initiator, responder] : [responder, initiator];
    const outcome = reader.readMessage(writer.writeMessage(payload));
    if (!outcome.ok) {
      expect(outcome.fault).toMatchObject({ code: 'HANDSHAKE_REFUSED', blame: 'peer' });
      expect(reader.finished).toBe(false);
      return i;
    }
  }
  return -1;
}

describe.each(productPatterns)('$pattern: messages that were touched', ({ pattern, addedBytes }) => {
  const turns = addedBytes.map((_, index) => index);

  test.each(turns)('message %i with any one bit flipped is refused', (turn) => {
    const { initiator, responder } = noiseEnds(pattern, seededRandom(20));
    exchange(initiator, responder, turn);
    const [writer, reader] = turn % 2 === 0 ? [initiator, responder] : [responder, initiator];
    const message = writer.writeMessage(payload);
    for (let bit = 0; bit < message.length * 8; bit++) {
      const touched = message.slice();
      touched[bit >> 3] = touched[bit >> 3]! ^ (1 << (bit & 7));
      // The only bit that X25519 ignores is the top one of a public key, but it is hashed like every other.
      expect(reader.fork().readMessage(touched).ok).toBe(false);
    }
    expect(reader.fork().readMessage(message)).toEqual({ ok: true, value: payload });
  });

  test.each(turns)('message %i cut or extended anywhere is refused', (turn) => {
    const { initiator, responder } = noiseEnds(pattern, seededRandom(21));
    exchange(initiator, responder, turn);
    const [writer, reader] = turn % 2 === 0 ? [initiator, responder] : [responder, initiator];
    const message = writer.writeMessage(payload);
    for (let length = 0; length < message.length; length++) expect(reader.fork().readMessage(message.subarray(0, length)).ok).toBe(false);
    expect(reader.fork().readMessage(concatBytes(message, Uint8Array.of(0))).ok).toBe(false);
    const tooLong = reader.fork().readMessage(concatBytes(message, new Uint8Array(noiseMessageBytesMax)));
    expect(tooLong).toMatchObject({ ok: false, fault: { code: 'HANDSHAKE_MALFORMED' } });
  });

  test('a message from another session between the same ends is refused', () => {
    for (const turn of turns.slice(1)) {
      const { initiator, responder } = noiseEnds(pattern, seededRandom(22));
      exchange(initiator, responder, turn - 1);
      const [writer, reader] = turn % 2 === 0 ? [initiator, responder] : [responder, initiator];
      // The other session begins where this one stands: the same keys, other ephemerals.
      const foreign = noiseEnds(pattern, seededRandom(22), {
        initiator: { ephemeral: nodeCrypto.x25519KeyPair(new Uint8Array(32).fill(0x66)) },
        responder: { ephemeral: nodeCrypto.x25519KeyPair(new Uint8Array(32).fill(0x67)) },
      });
      exchange(foreign.initiator, foreign.responder, turn);
      const foreignWriter = turn % 2 === 0 ? foreign.initiator : foreign.responder;
      reader.writeMessage(payload);
      expect(reader.readMessage(foreignWriter.writeMessage(payload)).ok).toBe(false);
      expect(writer.finished).toBe(false);
    }
  });
});

describe('ends that do not hold the same', () => {
  const cases: readonly {
    readonly what: string;
    readonly pattern: 'IKpsk1' | 'XXpsk3' | 'X';
    readonly changes: EndChanges;
    readonly failsAt: number;
  }[] = [
    { what: 'the team secret', pattern: 'IKpsk1', changes: { initiator: { psk: new Uint8Array(32) } }, failsAt: 0 },
    { what: 'the invite', pattern: 'XXpsk3', changes: { initiator: { psk: new Uint8Array(32) } }, failsAt: 2 },
    { what: "the responder's static key", pattern: 'IKpsk1', changes: { initiator: { remoteStatic: stranger.publicKey } }, failsAt: 0 },
    { what: "the recipient's static key", pattern: 'X', changes: { initiator: { remoteStatic: stranger.publicKey } }, failsAt: 0 },
    { what: 'the prologue', pattern: 'IKpsk1', changes: { responder: { prologue: utf8('godwit 2') } }, failsAt: 0 },
    { what: 'the prologue', pattern: 'XXpsk3', changes: { responder: { prologue: utf8('godwit 2') } }, failsAt: 0 },
    { what: 'the prologue', pattern: 'X', changes: { responder: { prologue: utf8('godwit 2') } }, failsAt: 0 },
  ];
  test.each(cases)('$pattern: another idea of $what ends message $failsAt', ({ pattern, changes, failsAt }) => {
    const { initiator, responder } = noiseEnds(pattern, seededRandom(23), changes);
    expect(failingMessage(initiator, responder)).toBe(failsAt);
  });

  test('an initiator that shows a static key whose secret it lacks is refused', () => {
    const random = seededRandom(24);
    for (const [pattern, failsAt] of [
      ['IKpsk1', 0],
      ['XXpsk3', 2],
      ['X', 0],
    ] as const) {
      const impostor = { publicKey: stranger.publicKey, secretKey: random.bytes(32) };
      const { initiator, responder } = noiseEnds(pattern, random, { initiator: { localStatic: impostor } });
      expect(failingMessage(initiator, responder)).toBe(failsAt);
    }
  });

  test('ends that speak different patterns refuse each other', () => {
    const { initiator } = noiseEnds('IK', seededRandom(25));
    const { responder } = noiseEnds('IKpsk1', seededRandom(25));
    expect(responder.readMessage(initiator.writeMessage(payload)).ok).toBe(false);
  });
});

describe('public keys of low order', () => {
  const lowOrder = new Uint8Array(32);

  test('a message with such an ephemeral key is refused, although its sender can compute all that follows', () => {
    const ephemeral = { publicKey: lowOrder, secretKey: new Uint8Array(32).fill(1) };
    // What the responder would come to with such a key is all zeros, whatever its secret: writing takes an undefined result as zeros.
    const crypto: Crypto = {
      ...nodeCrypto,
      x25519: (secretKey, publicKey) => (secretKey === ephemeral.secretKey ? undefined : nodeCrypto.x25519(secretKey, publicKey)),
    };
    for (const pattern of ['IKpsk1', 'X'] as const) {
      const { initiator, responder } = noiseEnds(pattern, seededRandom(26), { initiator: { ephemeral } }, crypto);
      expect(failingMessage(initiator, responder)).toBe(0);
    }
  });

  test('an end that was given such a key writes without throwing, and the reply is refused', () => {
    const atResponder = noiseEnds('XXpsk3', seededRandom(27), {
      initiator: { ephemeral: { publicKey: lowOrder, secretKey: new Uint8Array(32).fill(1) } },
    });
    expect(failingMessage(atResponder.initiator, atResponder.responder)).toBe(1);

    const { initiator, responder } = noiseEnds('IKpsk1', seededRandom(28), { initiator: { remoteStatic: lowOrder } });
    expect(responder.readMessage(initiator.writeMessage(payload)).ok).toBe(false);
  });
});
