import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { priorityClasses } from '../../../src/core/priority.ts';
import { Arrivals } from '../../../src/session/arrivals.ts';
import { decodeFrames, type Frame, writeAck, writeData, writeMessage } from '../../../src/session/frames.ts';
import { decodePacket, encodeHandshakePacket, type HandshakeType, handshakeTypes } from '../../../src/session/packets.ts';
import { StreamUnframer } from '../../../src/session/stream-framing.ts';
import { WireWriter } from '../../../src/session/wire-bytes.ts';

/** A number as hostile as a varint can carry. */
const large = fc.oneof(fc.nat(70), fc.nat(20_000), fc.maxSafeNat());
const bytes = fc.uint8Array({ maxLength: 200 });

const ackFrame: fc.Arbitrary<Frame> = fc
  .record({
    steps: fc.array(fc.record({ gap: fc.nat(300), length: fc.nat(300) }), { minLength: 1, maxLength: 20 }),
    arrivalTicks: fc.nat(2 ** 24 - 1),
    delayTicks: fc.nat(5000),
  })
  .map(({ steps, arrivalTicks, delayTicks }) => {
    let next = steps.reduce((sum, { gap, length }) => sum + gap + length + 2, 0);
    const ranges = steps.map(({ gap, length }) => {
      const range = { low: next - length, high: next };
      next = range.low - gap - 2;
      return range;
    });
    return { type: 'ack', ranges, arrivalMs: arrivalTicks / 16, delayMs: delayTicks / 4 };
  });
const messageFrame: fc.Arbitrary<Frame> = fc
  .record({ priority: fc.constantFrom(...priorityClasses), offset: fc.nat(2 ** 30), bytes })
  .map((frame) => ({ type: 'message', ...frame }));
const dataFrame: fc.Arbitrary<Frame> = fc
  .record({ position: fc.nat(2 ** 31 - 1), transfer: fc.nat(), offset: fc.nat(), bytes, last: fc.boolean() })
  .map((frame) => ({ type: 'data', ...frame }));

function write(frames: readonly Frame[]): Uint8Array {
  const writer = new WireWriter(new Uint8Array(100_000));
  frames.forEach((frame, index) => {
    const fills = index === frames.length - 1;
    if (frame.type === 'ack') writeAck(writer, frame, 10_000);
    else if (frame.type === 'message') writeMessage(writer, frame, fills);
    else if (frame.type === 'data') writeData(writer, frame, fills);
  });
  return writer.written;
}

const frameList = fc.array(fc.oneof(ackFrame, messageFrame, dataFrame), { minLength: 1, maxLength: 6 });

describe('decoders', () => {
  it('give back the frames that were written', () => {
    fc.assert(
      fc.property(frameList, (frames) => {
        expect(decodeFrames(write(frames))).toEqual({ ok: true, value: frames });
      }),
      { numRuns: 500, seed: 21 },
    );
  });

  it('of frames survive any bytes, and any damage to good ones', () => {
    fc.assert(
      fc.property(
        frameList,
        fc.array(fc.record({ at: fc.nat(), xor: fc.integer({ min: 1, max: 255 }) }), { maxLength: 4 }),
        fc.nat(),
        fc.boolean(),
        (frames, flips, length, cuts) => {
          const damaged = write(frames).slice();
          for (const { at, xor } of flips) damaged[at % damaged.length]! ^= xor;
          const outcome = decodeFrames(cuts ? damaged.subarray(0, length % damaged.length) : damaged);
          if (!outcome.ok) expect(outcome.fault.blame).toBe('peer');
        },
      ),
      { numRuns: 3000, seed: 22 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (anything) => {
        decodeFrames(anything);
        decodePacket(anything);
        new StreamUnframer().push(anything);
      }),
      { numRuns: 5000, seed: 23 },
    );
  });

  it('give back the handshake packets that were written', () => {
    const types = (Object.keys(handshakeTypes) as HandshakeType[]).filter((type) => type !== 'refusal');
    fc.assert(
      fc.property(
        fc.constantFrom(...types),
        fc.nat(2 ** 24 - 1),
        fc.nat(255),
        fc.uint8Array({ minLength: 32, maxLength: 200 }),
        (type, connectionId, attempt, message) => {
          const decoded = decodePacket(encodeHandshakePacket({ type, connectionId, attempt, message }));
          expect(decoded).toEqual({
            ok: true,
            value: { form: 'handshake', type, version: 1, connectionId, attempt: type === 'joinProof' ? 0 : attempt, message },
          });
        },
      ),
      { seed: 24 },
    );
  });

  it('of arrivals survive any frames an authentic but hostile peer can write', () => {
    const hostile = fc.oneof(
      fc.record({ type: fc.constant('message' as const), priority: fc.constantFrom(...priorityClasses), offset: large, bytes }),
      fc.record({
        type: fc.constant('data' as const),
        position: fc.nat(2 ** 32 - 1),
        transfer: large,
        offset: large,
        bytes,
        last: fc.boolean(),
      }),
    );
    fc.assert(
      fc.property(fc.array(hostile, { maxLength: 40 }), (frames) => {
        const arrivals = new Arrivals();
        for (const frame of frames) {
          const admission = frame.type === 'data' ? arrivals.takeData(frame) : arrivals.takeMessage(frame);
          expect(['taken', 'refused', 'malformed']).toContain(admission.verdict);
        }
      }),
      { numRuns: 500, seed: 25 },
    );
  });
});
