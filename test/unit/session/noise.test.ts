import { describe, expect, test } from 'vitest';
import { utf8 } from '../../../src/core/bytes.ts';
import type { Outcome } from '../../../src/core/outcome.ts';
import { seededRandom } from '../../../src/core/random.ts';
import type { Crypto } from '../../../src/ports/crypto.ts';
import { nodeCrypto } from '../../../src/runtime/node-crypto.ts';
import { NoiseHandshake, noiseMessageBytesMax } from '../../../src/session/noise.ts';
import { noiseEnds, productPatterns } from './noise-ends.ts';

const nothing = new Uint8Array(0);

function codeOf(outcome: Outcome<unknown>): string | undefined {
  return outcome.ok ? undefined : outcome.fault.code;
}

/** Carries a handshake through; the payload of message n is `payloads[n]`. Returns the message lengths. */
function run(initiator: NoiseHandshake, responder: NoiseHandshake, payloads: readonly Uint8Array[] = []): number[] {
  const lengths: number[] = [];
  while (!initiator.finished) {
    const [writer, reader] = lengths.length % 2 === 0 ? [initiator, responder] : [responder, initiator];
    const payload = payloads[lengths.length] ?? nothing;
    const message = writer.writeMessage(payload);
    expect(reader.readMessage(message)).toEqual({ ok: true, value: payload });
    lengths.push(message.length);
  }
  expect(responder.finished).toBe(true);
  return lengths;
}

describe.each(productPatterns)('a handshake of $pattern', ({ pattern, addedBytes }) => {
  test('ends with matching keys and the same hash at both ends', () => {
    const { initiator, responder } = noiseEnds(pattern, seededRandom(1));
    run(initiator, responder);
    const here = initiator.split();
    const there = responder.split();
    expect(here.sendKey).toEqual(there.receiveKey);
    expect(here.receiveKey).toEqual(there.sendKey);
    expect(here.sendKey).not.toEqual(here.receiveKey);
    expect(initiator.handshakeHash).toEqual(responder.handshakeHash);
  });

  test('carries a payload in every message and adds no more bytes than it must', () => {
    const { initiator, responder } = noiseEnds(pattern, seededRandom(2));
    const payloads = [utf8('first'), utf8('second one'), utf8('and a third')];
    expect(run(initiator, responder, payloads)).toEqual(addedBytes.map((added, i) => added + payloads[i]!.length));
  });

  test('tells the responder who the initiator is', () => {
    const random = seededRandom(3);
    const localStatic = nodeCrypto.x25519KeyPair(random.bytes(32));
    const { initiator, responder } = noiseEnds(pattern, random, { initiator: { localStatic } });
    expect(responder.remoteStatic).toBeUndefined();
    run(initiator, responder);
    expect(responder.remoteStatic).toEqual(localStatic.publicKey);
  });

  test('gives other keys and another hash the next time, between the same two nodes', () => {
    const here = nodeCrypto.x25519KeyPair(new Uint8Array(32).fill(1));
    const there = nodeCrypto.x25519KeyPair(new Uint8Array(32).fill(2));
    const psk = pattern === 'X' ? {} : { psk: new Uint8Array(32).fill(3) };
    const sessions = [4, 5].map((seed) => {
      const { initiator, responder } = noiseEnds(pattern, seededRandom(seed), {
        initiator: { localStatic: here, remoteStatic: there.publicKey, ...psk },
        responder: { localStatic: there, ...psk },
      });
      run(initiator, responder);
      return initiator;
    });
    expect(sessions[0]!.handshakeHash).not.toEqual(sessions[1]!.handshakeHash);
    expect(sessions[0]!.split().sendKey).not.toEqual(sessions[1]!.split().sendKey);
  });

  test('carries the longest payload that fits, and no longer one', () => {
    const longest = new Uint8Array(noiseMessageBytesMax - addedBytes[0]);
    const { initiator, responder } = noiseEnds(pattern, seededRandom(6));
    run(initiator, responder, [longest]);
    const again = noiseEnds(pattern, seededRandom(6));
    expect(() => again.initiator.writeMessage(new Uint8Array(longest.length + 1))).toThrow('does not fit');
  });
});

describe('a responder with several team secrets', () => {
  const secrets = [1, 2, 3, 4, 5].map((n) => new Uint8Array(32).fill(n));

  function countingCrypto(): { readonly crypto: Crypto; readonly count: { x25519: number } } {
    const count = { x25519: 0 };
    const x25519: Crypto['x25519'] = (secretKey, publicKey) => {
      count.x25519++;
      return nodeCrypto.x25519(secretKey, publicKey);
    };
    return { crypto: { ...nodeCrypto, x25519 }, count };
  }

  test('finds the one that applies, knows the sender before it tries, and does the Diffie-Hellman work once', () => {
    const random = seededRandom(7);
    const localStatic = nodeCrypto.x25519KeyPair(random.bytes(32));
    const { crypto, count } = countingCrypto();
    const ends = noiseEnds('IKpsk1', random, { initiator: { localStatic, psk: secrets[3]! } }, crypto);
    const message = ends.initiator.writeMessage(utf8('hello'));

    count.x25519 = 0;
    expect(ends.responder.beginRead(message).ok).toBe(true);
    expect(ends.responder.remoteStatic).toEqual(localStatic.publicKey);
    const attempts = secrets.map((secret) => {
      const attempt = ends.responder.fork();
      attempt.setPsk(secret);
      return { attempt, outcome: attempt.finishRead() };
    });
    expect(count.x25519).toBe(2);
    expect(attempts.map(({ outcome }) => outcome.ok)).toEqual([false, false, false, true, false]);

    const { attempt, outcome } = attempts[3]!;
    expect(outcome).toEqual({ ok: true, value: utf8('hello') });
    expect(ends.initiator.readMessage(attempt.writeMessage(nothing)).ok).toBe(true);
    expect(ends.initiator.split().sendKey).toEqual(attempt.split().receiveKey);
  });

  test('may set the secret of its choice after the first step', () => {
    const { initiator } = noiseEnds('IKpsk1', seededRandom(8), { initiator: { psk: secrets[0]! } });
    const { responder } = noiseEnds('IKpsk1', seededRandom(8), { responder: { psk: secrets[1]! } });
    expect(responder.beginRead(initiator.writeMessage(nothing)).ok).toBe(true);
    responder.setPsk(secrets[0]!);
    expect(responder.finishRead().ok).toBe(true);
  });

  test('fails by value when it has set none, and setting one afterwards revives nothing', () => {
    const random = seededRandom(9);
    const localStatic = nodeCrypto.x25519KeyPair(random.bytes(32));
    const { initiator } = noiseEnds('IKpsk1', random, { initiator: { remoteStatic: localStatic.publicKey } });
    const responder = new NoiseHandshake({ pattern: 'IKpsk1', role: 'responder', prologue: utf8('test'), localStatic }, nodeCrypto, random);
    expect(responder.readMessage(initiator.writeMessage(nothing))).toMatchObject({ ok: false, fault: { blame: 'local' } });
    responder.setPsk(secrets[0]!);
    expect(codeOf(responder.finishRead())).toBe('HANDSHAKE_OUT_OF_TURN');
  });
});

describe('a fork', () => {
  test('takes the harm of a forged message, so that the true one can still be read', () => {
    const { initiator, responder } = noiseEnds('IKpsk1', seededRandom(10));
    responder.readMessage(initiator.writeMessage(nothing));
    const reply = responder.writeMessage(utf8('reply'));

    expect(initiator.fork().readMessage(new Uint8Array(reply.length)).ok).toBe(false);
    const kept = initiator.fork();
    expect(kept.readMessage(reply)).toEqual({ ok: true, value: utf8('reply') });
    expect(kept.split().receiveKey).toEqual(responder.split().sendKey);
    expect(initiator.finished).toBe(false);
  });

  test('of a dead handshake is dead', () => {
    const { responder } = noiseEnds('IKpsk1', seededRandom(11));
    responder.readMessage(nothing);
    expect(codeOf(responder.fork().readMessage(nothing))).toBe('HANDSHAKE_OUT_OF_TURN');
  });
});

describe('reading out of turn', () => {
  test('fails without harm before the first message was written', () => {
    const { initiator, responder } = noiseEnds('XXpsk3', seededRandom(12));
    expect(codeOf(initiator.readMessage(new Uint8Array(100)))).toBe('HANDSHAKE_OUT_OF_TURN');
    expect(codeOf(responder.finishRead())).toBe('HANDSHAKE_OUT_OF_TURN');
    expect(run(initiator, responder)).toHaveLength(3);
  });

  test('fails without harm after the handshake is finished', () => {
    const { initiator, responder } = noiseEnds('IKpsk1', seededRandom(13));
    run(initiator, responder);
    expect(codeOf(responder.readMessage(new Uint8Array(100)))).toBe('HANDSHAKE_OUT_OF_TURN');
    expect(codeOf(initiator.readMessage(new Uint8Array(100)))).toBe('HANDSHAKE_OUT_OF_TURN');
    expect(initiator.split().sendKey).toEqual(responder.split().receiveKey);
  });

  test('fails without harm while another message is half read', () => {
    const { initiator, responder } = noiseEnds('IKpsk1', seededRandom(14));
    const message = initiator.writeMessage(utf8('x'));
    responder.beginRead(message);
    expect(codeOf(responder.readMessage(message))).toBe('HANDSHAKE_OUT_OF_TURN');
    expect(responder.finishRead()).toEqual({ ok: true, value: utf8('x') });
    expect(codeOf(responder.finishRead())).toBe('HANDSHAKE_OUT_OF_TURN');
  });
});

describe('misuse by the program', () => {
  const key = new Uint8Array(32).fill(1);
  const localStatic = nodeCrypto.x25519KeyPair(key);
  const base = { role: 'initiator', prologue: nothing } as const;

  test('writing out of turn throws', () => {
    const { initiator, responder } = noiseEnds('IKpsk1', seededRandom(15));
    expect(() => responder.writeMessage(nothing)).toThrow('writes the next');
    initiator.writeMessage(nothing);
    expect(() => initiator.writeMessage(nothing)).toThrow('writes the next');
  });

  test('writing after a failed read throws', () => {
    const { initiator, responder } = noiseEnds('IKpsk1', seededRandom(16));
    initiator.writeMessage(nothing);
    responder.readMessage(nothing);
    expect(() => responder.writeMessage(nothing)).toThrow('writes the next');
  });

  test('splitting an unfinished handshake throws', () => {
    const { initiator } = noiseEnds('IKpsk1', seededRandom(17));
    expect(() => initiator.split()).toThrow('not finished');
  });

  test('a missing or malformed key throws when the handshake is made, or at the latest when it is needed', () => {
    const make = (options: Partial<ConstructorParameters<typeof NoiseHandshake>[0]>) =>
      new NoiseHandshake({ ...base, pattern: 'IKpsk1', ...options }, nodeCrypto, seededRandom(18));
    expect(() => make({ localStatic })).toThrow('remote static');
    expect(() => make({ localStatic, remoteStatic: key.subarray(1) })).toThrow('remote static');
    expect(() => make({ role: 'responder' })).toThrow('static key pair');
    expect(() => make({ remoteStatic: key }).writeMessage(nothing)).toThrow('static key pair');
    expect(() => make({ localStatic, remoteStatic: key }).writeMessage(nothing)).toThrow('pre-shared key is not set');
    expect(() => make({ localStatic, remoteStatic: key, psk: key.subarray(1) })).toThrow('32 bytes');
    expect(() => make({ pattern: 'X', localStatic, remoteStatic: key, psk: key })).toThrow('no pre-shared key');
  });
});
