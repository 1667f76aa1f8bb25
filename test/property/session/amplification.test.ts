import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EarlySpeaker } from '../../../src/session/early-data.ts';
import { datagramHeaderBytes } from '../../../src/session/ledger.ts';
import { encodeMessage } from '../../../src/session/messages.ts';
import { dial, inviteSecret, inviteTag, type SessionPair, sessionPair, type TestEnd } from '../../simulation/session-pair.ts';

/**
 * Whoever sends datagrams under another's address must not be able to turn a node against it: to somebody who has not shown to hold the keys, no more bytes go than came from there.
 */

const model = { delayMs: 5 };

/** Asks in 25 bytes, and would answer in a hundred times as many. */
const talkative: EarlySpeaker = {
  question: () => [encodeMessage({ type: 'frontier', logs: new Uint8Array(16), receipts: new Uint8Array(4) })],
  answer: () =>
    Array.from({ length: 100 }, () => encodeMessage({ type: 'frontier', logs: new Uint8Array(16), receipts: new Uint8Array(4) })),
};

/**
 * Every datagram that A sent in a handshake, by an invite or as a member, and in the session behind it; and the first one of a later handshake. Given to B's double before, that one makes it draw other random numbers than B
 * did, as every node does: the recorded answers fit no question of its own.
 */
function recorded(how: 'member' | 'invite'): { readonly pair: SessionPair; readonly packets: Uint8Array[]; readonly later: Uint8Array } {
  const pair = sessionPair(5, 'datagram', model, model, { earlySpeaker: talkative });
  const packets: Uint8Array[] = [];
  pair.a.react = (output) => {
    if (output.type === 'transmit') packets.push(output.bytes.slice());
    if (output.type === 'established') pair.a.endpoint.sendMessage(output.session, 'normal', new Uint8Array(3000), pair.agenda.now);
  };
  const begin = () => {
    if (how === 'member') dial(pair, 'datagram');
    else {
      pair.a.endpoint.connect({ path: 'wire', kind: 'datagram', secret: inviteSecret, invite: { tag: inviteTag } }, pair.agenda.now);
      pair.wires.pump(pair.a);
    }
  };
  begin();
  pair.agenda.runUntil(3000);
  const count = packets.length;
  begin();
  return { pair, packets: packets.slice(0, count), later: packets[count]! };
}

/** Bytes that go to a path, headers counted, when these datagrams come from there, at once and in the minutes afterwards. */
function answered(
  end: TestEnd,
  packets: readonly Uint8Array[],
  path: string,
  fromMs: number,
): { readonly came: number; readonly went: number } {
  let came = 0;
  let went = 0;
  const drain = () => {
    for (let output = end.endpoint.poll(); output !== undefined; output = end.endpoint.poll()) {
      if (output.type === 'transmit' && output.path === path) went += output.bytes.length + datagramHeaderBytes;
    }
  };
  const at = (ms: number) => ({ monotonicMs: ms, wallMs: ms }) as SessionPair['agenda']['now'];
  for (const bytes of packets) {
    came += bytes.length + datagramHeaderBytes;
    end.endpoint.handle({ type: 'received', path, kind: 'datagram', bytes: bytes.slice() }, at(fromMs));
    drain();
    expect(went).toBeLessThanOrEqual(came);
  }
  for (let ms = fromMs; ms < fromMs + 300_000; ms += 5000) {
    end.endpoint.wake(at(ms));
    drain();
  }
  return { came, went };
}

const damage = fc.record({
  packet: fc.nat(),
  flips: fc.array(fc.record({ at: fc.nat(), xor: fc.integer({ min: 1, max: 255 }) }), { maxLength: 3 }),
  keep: fc.option(fc.nat(), { nil: undefined }),
});

function damaged(
  packets: readonly Uint8Array[],
  { packet, flips, keep }: typeof damage extends fc.Arbitrary<infer T> ? T : never,
): Uint8Array {
  const bytes = packets[packet % packets.length]!.slice();
  for (const { at, xor } of flips) bytes[at % bytes.length]! ^= xor;
  return keep === undefined ? bytes : bytes.subarray(0, keep % (bytes.length + 1));
}

describe('a node that hears a stranger', () => {
  it.each(['member', 'invite'] as const)(
    'never says more than it heard: recorded packets of a %s, touched, cut, repeated and out of order',
    (how) => {
      const { packets, later } = recorded(how);
      fc.assert(
        fc.property(fc.array(damage, { minLength: 1, maxLength: 12 }), (damages) => {
          const { b } = sessionPair(5, 'datagram', model, model, { earlySpeaker: talkative });
          const { came, went } = answered(b, [later, ...damages.map((each) => damaged(packets, each))], 'stranger', 0);
          expect(went).toBeLessThanOrEqual(came);
        }),
        { numRuns: 60, seed: 31 },
      );
    },
  );

  it('never says more than it heard: any bytes at all', () => {
    const { b } = sessionPair(6, 'datagram', model);
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 400 }), { minLength: 1, maxLength: 8 }), (packets) => {
        const { came, went } = answered(b, packets, 'stranger', 0);
        expect(went).toBeLessThanOrEqual(came);
      }),
      { numRuns: 200, seed: 32 },
    );
  });

  it('says nothing to packets of a living session that are repeated or touched, but that it does not speak the version of what looks like a greeting', () => {
    const { pair, packets } = recorded('member');
    const session = packets.filter((bytes) => (bytes[0]! & 0x80) === 0);
    expect(session.length).toBeGreaterThan(1);
    fc.assert(
      fc.property(fc.array(damage, { minLength: 1, maxLength: 10 }), (damages) => {
        const touched = damages.map((each) => damaged(session, each));
        const greetings = touched.filter((bytes) => bytes.length > 0 && (bytes[0]! & 0x80) !== 0);
        const { went } = answered(pair.b, touched, 'stranger', 3000);
        expect(went).toBeLessThanOrEqual(greetings.length * (4 + datagramHeaderBytes));
      }),
      { numRuns: 60, seed: 33 },
    );
  });
});
