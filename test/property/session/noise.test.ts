import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InvariantViolation } from '../../../src/core/assert.ts';
import { concatBytes } from '../../../src/core/bytes.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { nodeCrypto } from '../../../src/runtime/node-crypto.ts';
import type { NoisePattern } from '../../../src/session/noise.ts';
import { PacketProtection, packetsPerEpoch } from '../../../src/session/packet-protection.ts';
import { noiseEnds } from '../../unit/session/noise-ends.ts';

/**
 * A network that does what it likes with handshake messages and packets. Whatever it does, nothing throws, nothing false is accepted, and what was not touched arrives.
 */

const pattern: fc.Arbitrary<NoisePattern> = fc.constantFrom(
  'N',
  'K',
  'X',
  'Xpsk1',
  'NN',
  'NNpsk0',
  'KKpsk2',
  'IK',
  'IKpsk1',
  'XX',
  'XXpsk3',
);
const payload = fc.uint8Array({ maxLength: 80 });

/** What the network does with one message. */
type Touch =
  | { readonly kind: 'flip'; readonly bit: number }
  | { readonly kind: 'cut'; readonly at: number }
  | { readonly kind: 'extend'; readonly with: Uint8Array }
  | { readonly kind: 'replace'; readonly with: Uint8Array };

const touch: fc.Arbitrary<Touch> = fc.oneof(
  fc.record({ kind: fc.constant('flip' as const), bit: fc.nat() }),
  fc.record({ kind: fc.constant('cut' as const), at: fc.nat() }),
  fc.record({ kind: fc.constant('extend' as const), with: fc.uint8Array({ minLength: 1, maxLength: 40 }) }),
  fc.record({ kind: fc.constant('replace' as const), with: fc.uint8Array({ maxLength: 200 }) }),
);

function touched(bytes: Uint8Array, how: Touch): Uint8Array {
  switch (how.kind) {
    case 'flip': {
      const flipped = bytes.slice();
      const bit = how.bit % (bytes.length * 8);
      flipped[bit >> 3] = flipped[bit >> 3]! ^ (1 << (bit & 7));
      return flipped;
    }
    case 'cut':
      return bytes.subarray(0, how.at % bytes.length);
    case 'extend':
      return concatBytes(bytes, how.with);
    case 'replace':
      return how.with;
  }
}

describe('Noise handshakes over a hostile network', () => {
  test('with every message delivered as it was, both ends agree', () => {
    fc.assert(
      fc.property(pattern, fc.nat(), fc.array(payload, { minLength: 3, maxLength: 3 }), (name, seed, payloads) => {
        const { initiator, responder } = noiseEnds(name, seededRandom(seed));
        for (let turn = 0; !initiator.finished; turn++) {
          const [writer, reader] = turn % 2 === 0 ? [initiator, responder] : [responder, initiator];
          expect(reader.readMessage(writer.writeMessage(payloads[turn]!))).toEqual({ ok: true, value: payloads[turn] });
        }
        expect(responder.finished).toBe(true);
        expect(initiator.handshakeHash).toEqual(responder.handshakeHash);
        expect(initiator.split().sendKey).toEqual(responder.split().receiveKey);
        expect(initiator.split().receiveKey).toEqual(responder.split().sendKey);
      }),
      { seed: 51, numRuns: 300 },
    );
  });

  test('a touched message ends the handshake, at the latest with the next message; an untouched handshake never fails', () => {
    fc.assert(
      fc.property(pattern, fc.nat(), fc.nat({ max: 2 }), touch, payload, (name, seed, touchedTurn, how, content) => {
        const { initiator, responder } = noiseEnds(name, seededRandom(seed));
        for (let turn = 0; !initiator.finished || !responder.finished; turn++) {
          const [writer, reader] = turn % 2 === 0 ? [initiator, responder] : [responder, initiator];
          const message = writer.writeMessage(content);
          const outcome = reader.readMessage(turn === touchedTurn ? touched(message, how) : message);
          if (!outcome.ok) {
            expect([touchedTurn, touchedTurn + 1]).toContain(turn);
            expect(reader.finished).toBe(false);
            return;
          }
          // A first message without encryption (NN, XX) can be touched unnoticed, but only until the reply.
          expect(turn).not.toBe(touchedTurn + 1);
          if (turn === touchedTurn) expect(initiator.handshakeHash).not.toEqual(responder.handshakeHash);
        }
        expect(initiator.handshakeHash).toEqual(responder.handshakeHash);
      }),
      { seed: 52, numRuns: 600 },
    );
  });

  test('arbitrary bytes are never accepted where anything is authenticated, and never throw', () => {
    const authenticated = fc.constantFrom<NoisePattern>('N', 'K', 'X', 'IK', 'IKpsk1', 'XXpsk3', 'NNpsk0');
    fc.assert(
      fc.property(authenticated, fc.nat(), fc.uint8Array({ maxLength: 300 }), (name, seed, bytes) => {
        expect(noiseEnds(name, seededRandom(seed)).responder.readMessage(bytes).ok).toBe(false);
      }),
      { seed: 53, numRuns: 600 },
    );
  });
});

describe('a Noise handshake whose calls come in any order', () => {
  const call = fc.oneof(
    fc.constantFrom('write' as const, 'split' as const, 'fork' as const, 'setPsk' as const, 'finishRead' as const),
    fc.constantFrom('readMessage' as const, 'beginRead' as const).map((read) => ({ read, bytes: undefined })),
    fc.record({ read: fc.constantFrom('readMessage' as const, 'beginRead' as const), bytes: fc.uint8Array({ maxLength: 120 }) }),
  );

  /** Runs what only the program can get wrong. */
  function orInvariantViolation(work: () => void): void {
    try {
      work();
    } catch (error) {
      expect(error).toBeInstanceOf(InvariantViolation);
    }
  }

  test('throws nothing from reading, and from the rest only what says that the program is wrong', () => {
    fc.assert(
      fc.property(pattern, fc.nat(), fc.boolean(), fc.array(call, { maxLength: 20 }), (name, seed, isInitiator, calls) => {
        const { initiator, responder } = noiseEnds(name, seededRandom(seed));
        const other = isInitiator ? responder : initiator;
        let end = isInitiator ? initiator : responder;
        /** What the other end really sends, as soon as it can. */
        let arrived = isInitiator ? new Uint8Array(0) : other.writeMessage(new Uint8Array(5));
        for (const step of calls) {
          if (step === 'fork') end = end.fork();
          else if (step === 'split') orInvariantViolation(() => end.split());
          else if (step === 'setPsk') orInvariantViolation(() => end.setPsk(new Uint8Array(32)));
          else if (step === 'finishRead') end.finishRead();
          else if (step === 'write') {
            orInvariantViolation(() => {
              const message = end.writeMessage(new Uint8Array(3));
              if (other.readMessage(message).ok && !other.finished) arrived = other.writeMessage(new Uint8Array(5));
            });
          } else end[step.read](step.bytes ?? arrived);
        }
      }),
      { seed: 55, numRuns: 500 },
    );
  });
});

describe('protected packets over a hostile network', () => {
  /** The network takes packets in any order, repeats and touches them, and says any number. */
  const delivery = fc.record({
    packet: fc.nat(),
    how: fc.option(touch, { nil: undefined }),
    numberShift: fc.constantFrom(0, 0, 0, 1, -1, packetsPerEpoch),
  });
  /** Gaps between packet numbers: mostly none, sometimes an epoch. */
  const gap = fc.oneof(
    { weight: 8, arbitrary: fc.constant(1) },
    { weight: 2, arbitrary: fc.integer({ min: 2, max: 3000 }) },
    { weight: 1, arbitrary: fc.integer({ min: packetsPerEpoch - 10, max: 3 * packetsPerEpoch }) },
  );

  test('every packet opens at most once, only as it was sealed, and always on its first untouched delivery within the window', () => {
    fc.assert(
      fc.property(
        fc.array(gap, { minLength: 1, maxLength: 20 }),
        fc.array(delivery, { maxLength: 60 }),
        fc.nat(),
        (gaps, deliveries, seed) => {
          const random = seededRandom(seed);
          const [a, b] = [random.bytes(32), random.bytes(32)];
          const sender = new PacketProtection({ sendKey: a, receiveKey: b }, nodeCrypto);
          const receiver = new PacketProtection({ sendKey: b, receiveKey: a }, nodeCrypto);
          let packetNumber = -1;
          const packets = gaps.map((distance) => {
            packetNumber += distance;
            const header = random.bytes(random.below(6));
            const plaintext = random.bytes(random.below(60));
            return { packetNumber, header, plaintext, sealed: sender.seal(packetNumber, header, plaintext) };
          });

          const opened = new Set<number>();
          let newest = -1;
          for (const { packet, how, numberShift } of deliveries) {
            const sent = packets[packet % packets.length]!;
            const body = how === undefined ? sent.sealed : touched(sent.sealed, how);
            const received = receiver.open(sent.packetNumber + numberShift, sent.header, body);
            const isTrue = how === undefined && numberShift === 0;
            const epochsAhead = Math.floor(sent.packetNumber / packetsPerEpoch) - Math.floor(Math.max(0, newest) / packetsPerEpoch);
            const isDue = isTrue && !opened.has(sent.packetNumber) && sent.packetNumber > newest - 2048 && epochsAhead <= 4;
            expect(received).toEqual(isDue ? sent.plaintext : undefined);
            if (!isDue) continue;
            opened.add(sent.packetNumber);
            newest = Math.max(newest, sent.packetNumber);
          }
          expect(receiver.newestReceived).toBe(newest);
        },
      ),
      { seed: 54, numRuns: 300 },
    );
  });
});
