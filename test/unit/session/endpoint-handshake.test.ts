import { describe, expect, it } from 'vitest';
import { equalBytes } from '../../../src/core/bytes.ts';
import { limits } from '../../../src/core/limits.ts';
import type { EndpointOutput } from '../../../src/session/endpoint.ts';
import type { LinkModel } from '../../../src/simulation/virtual-link.ts';
import { dial, inviteSecret, inviteTag, type SessionPair, sessionPair, type TestEnd, teamSecret } from '../../simulation/session-pair.ts';

const clean: LinkModel = { delayMs: 50 };

/** Datagrams that an end sends, without delivering them. */
function transmitted(end: TestEnd): Uint8Array[] {
  const packets: Uint8Array[] = [];
  for (let output = end.endpoint.poll(); output !== undefined; output = end.endpoint.poll()) {
    if (output.type === 'transmit') packets.push(output.bytes);
    else end.onOutput(output);
  }
  return packets;
}

/** Hands packets to an end and collects what it answers. */
function deliver(pair: SessionPair, end: TestEnd, packets: readonly Uint8Array[], path = 'wire'): Uint8Array[] {
  return packets.flatMap((bytes) => {
    end.endpoint.handle({ type: 'received', path, kind: 'datagram', bytes: bytes.slice() }, pair.agenda.now);
    return transmitted(end);
  });
}

/** A's first handshake message, taken off the wire. */
function helloOf(pair: SessionPair): Uint8Array {
  pair.a.endpoint.connect({ path: 'wire', kind: 'datagram', remoteStatic: pair.b.publicKey, secret: teamSecret }, pair.agenda.now);
  return transmitted(pair.a)[0]!;
}

function established(end: TestEnd): Extract<EndpointOutput, { type: 'established' }>[] {
  return end.outputs.flatMap((output) => (output.type === 'established' ? [output] : []));
}

describe('a handshake between members', () => {
  it('is established at both ends after one round trip and names the peer', () => {
    const pair = sessionPair(1, 'datagram', clean);
    const session = dial(pair, 'datagram');
    pair.agenda.runUntil(1000);
    const [atA] = established(pair.a);
    const [atB] = established(pair.b);
    expect(atA).toMatchObject({ session, role: 'initiator', path: 'wire', remoteStatic: pair.b.publicKey });
    expect(atB).toMatchObject({ role: 'responder', path: 'wire', remoteStatic: pair.a.publicKey });
    expect(atA?.peer).toBeDefined();
    expect(equalBytes(atA!.handshakeHash, atB!.handshakeHash)).toBe(true);
    expect(pair.a.endpoint.estimate(session).minRttMs).toBeCloseTo(100, 0);
  });

  it('delivers the first message within two round trips and 650 bytes, all headers counted', () => {
    for (const kind of ['datagram', 'stream'] as const) {
      const pair = sessionPair(1, kind, clean);
      const session = dial(pair, kind);
      pair.a.endpoint.sendMessage(session, 'normal', Uint8Array.of(1), pair.agenda.now);
      let bytes = 0;
      pair.b.react = (output) => {
        if (output.type !== 'message') return;
        bytes = pair.links[0].counts.bytesEntered + pair.links[1].counts.bytesEntered;
        expect(pair.agenda.now.monotonicMs).toBeLessThanOrEqual(150.001);
      };
      pair.agenda.runUntil(140);
      expect(bytes).toBe(0);
      pair.agenda.runUntil(1000);
      expect(bytes).toBeGreaterThan(0);
      expect(bytes).toBeLessThanOrEqual(650);
    }
  });

  it('succeeds at 300 bit/s and ten seconds of round trip', () => {
    const pair = sessionPair(1, 'datagram', { delayMs: 5000, rateBytesPerSecond: 37.5, queueBytes: 2000 });
    dial(pair, 'datagram');
    pair.agenda.runUntil(60_000);
    expect(established(pair.a).length).toBe(1);
    expect(established(pair.b).length).toBe(1);
  });

  it('repeats its first message ever more slowly, and gives up after two minutes', () => {
    const pair = sessionPair(1, 'datagram', { delayMs: 1, outages: [{ fromMs: 0, untilMs: 1e9 }] });
    const session = dial(pair, 'datagram');
    expect(pair.agenda.runUntil(1e6)).toBe(false);
    expect(pair.links[0].counts.packetsEntered).toBe(8);
    expect(pair.a.outputs).toEqual([{ type: 'closed', session, fault: expect.objectContaining({ code: 'HANDSHAKE_TIMEOUT' }) }]);
    expect(pair.a.endpoint.nextDeadline()).toBeUndefined();
  });

  it('measures the round trip of the repetition that was answered', () => {
    const pair = sessionPair(1, 'datagram', { delayMs: 1500 });
    const session = dial(pair, 'datagram');
    pair.agenda.runUntil(3_100);
    expect(pair.a.endpoint.estimate(session).smoothedRttMs).toBeCloseTo(3000, 0);
  });

  it.each([
    ['does not know the team secret', new Uint8Array(32).fill(8), true],
    ['is not a member', teamSecret, false],
  ])('is met with silence when the initiator %s', (_, secret, knownToB) => {
    const pair = sessionPair(1, 'datagram', clean, clean, { knownToB });
    pair.a.endpoint.connect({ path: 'wire', kind: 'datagram', remoteStatic: pair.b.publicKey, secret }, pair.agenda.now);
    expect(deliver(pair, pair.b, transmitted(pair.a))).toEqual([]);
    expect(pair.b.endpoint.nextDeadline()).toBeUndefined();
  });

  it('is answered with fewer bytes than it brought, and the same answer for a repetition', () => {
    const pair = sessionPair(1, 'datagram', clean);
    const hello = helloOf(pair);
    const [first] = deliver(pair, pair.b, [hello]);
    const [second] = deliver(pair, pair.b, [hello]);
    expect(first!.length).toBeLessThan(hello.length);
    expect(second).toEqual(first);
  });

  it('is met with silence after any damage', () => {
    const pair = sessionPair(1, 'datagram', clean);
    const hello = helloOf(pair);
    // The attempt counter (byte 4) is not authenticated: it changes nothing but a measurement.
    for (let at = 0; at < hello.length; at++) {
      if (at === 4) continue;
      const damaged = hello.slice();
      damaged[at]! ^= 0x10;
      for (const answer of deliver(pair, pair.b, [damaged])) expect(answer.length).toBeLessThan(hello.length);
    }
    expect(established(pair.b)).toEqual([]);
  });

  it('survives forged answers', () => {
    const pair = sessionPair(1, 'datagram', clean);
    const [answer] = deliver(pair, pair.b, [helloOf(pair)]);
    for (let at = 5; at < answer!.length; at++) {
      const forged = answer!.slice();
      forged[at]! ^= 1;
      expect(deliver(pair, pair.a, [forged])).toEqual([]);
    }
    expect(deliver(pair, pair.a, [answer!]).length).toBe(1);
    expect(established(pair.a).length).toBe(1);
  });

  it('that is replayed later does not displace the living session', () => {
    const pair = sessionPair(1, 'datagram', clean);
    const hello = helloOf(pair);
    const confirmation = deliver(pair, pair.a, deliver(pair, pair.b, [hello]));
    deliver(pair, pair.b, confirmation);
    expect(established(pair.b).length).toBe(1);
    deliver(pair, pair.b, [hello, hello, ...confirmation], 'elsewhere');
    pair.wires.pump(pair.a);
    pair.wires.pump(pair.b);
    pair.agenda.runUntil(600_000);
    expect(established(pair.b).length).toBe(1);
    expect(pair.b.outputs.some((output) => output.type === 'closed')).toBe(false);
  });

  it('of strangers in masses costs a bounded amount of work and memory', () => {
    const pair = sessionPair(1, 'datagram', clean);
    const hellos = Array.from({ length: limits.handshakesPerSecondMax + 50 }, () => helloOf(pair));
    const answers = deliver(pair, pair.b, hellos);
    expect(answers.length).toBe(limits.handshakesPerSecondMax);
    // Only the latest are remembered.
    deliver(pair, pair.b, deliver(pair, pair.a, answers.toReversed()));
    expect(established(pair.b).length).toBeLessThanOrEqual(limits.pendingHandshakesMax);
    expect(established(pair.b).length).toBeGreaterThan(0);
  });
});

describe('a version that is not spoken', () => {
  const newer = Uint8Array.of(0x82, 1, 2, 3, ...new Uint8Array(100));

  it('is refused in four bytes', () => {
    const pair = sessionPair(1, 'datagram', clean);
    expect(deliver(pair, pair.b, [newer])).toEqual([Uint8Array.of(0xf1, 1, 2, 3)]);
    expect(deliver(pair, pair.b, [newer.subarray(0, 4)])).toEqual([Uint8Array.of(0xf1, 1, 2, 3)]);
  });

  it('ends a dial with a clear code, but only when no answer came in time', () => {
    for (const kind of ['datagram', 'stream'] as const) {
      const pair = sessionPair(1, kind, clean);
      const session = pair.a.endpoint.connect({ path: 'wire', kind, remoteStatic: pair.b.publicKey, secret: teamSecret }, pair.agenda.now);
      const hello = transmitted(pair.a)[0]!.subarray(kind === 'stream' ? 2 : 0);
      const refusal = Uint8Array.of(0xf3, ...hello.subarray(1, 4));
      pair.a.endpoint.handle(
        { type: 'received', path: 'wire', kind, bytes: kind === 'stream' ? Uint8Array.of(4, ...refusal) : refusal },
        pair.agenda.now,
      );
      pair.wires.pump(pair.a);
      expect(pair.a.outputs).toEqual([]);
      pair.agenda.runUntil(5000);
      expect(pair.a.outputs[0]).toMatchObject({ type: 'closed', session, fault: { code: 'VERSION_REFUSED', blame: 'incompatible' } });
    }
  });

  it('claimed by a liar does not stop the right answer', () => {
    const pair = sessionPair(1, 'datagram', clean);
    const hello = helloOf(pair);
    deliver(pair, pair.a, [Uint8Array.of(0xf3, ...hello.subarray(1, 4))]);
    deliver(pair, pair.a, deliver(pair, pair.b, [hello]));
    expect(established(pair.a).length).toBe(1);
  });
});

describe('a newcomer with an invite', () => {
  function join(pair: SessionPair, tag: Uint8Array, secret: Uint8Array) {
    const session = pair.a.endpoint.connect({ path: 'wire', kind: 'datagram', secret, invite: { tag } }, pair.agenda.now);
    pair.a.endpoint.sendMessage(session, 'normal', Uint8Array.of(5), pair.agenda.now);
    pair.wires.pump(pair.a);
    return session;
  }

  it('is let in as nobody yet, with the tag it came with', () => {
    const pair = sessionPair(2, 'datagram', clean, clean, { knownToB: false });
    join(pair, inviteTag, inviteSecret);
    pair.agenda.runUntil(2000);
    expect(established(pair.b)).toMatchObject([{ peer: undefined, inviteTag, role: 'responder', remoteStatic: pair.a.publicKey }]);
    expect(established(pair.a)).toMatchObject([{ role: 'initiator', remoteStatic: pair.b.publicKey }]);
    expect(pair.b.outputs.filter(({ type }) => type === 'message')).toMatchObject([{ bytes: Uint8Array.of(5) }]);
    expect(pair.a.endpoint.nextDeadline()).toBeUndefined();
  });

  it('is let in over a link that loses much of what it is given', () => {
    for (let seed = 0; seed < 20; seed++) {
      const pair = sessionPair(seed, 'datagram', { delayMs: 50, lossRatio: 0.3 }, { delayMs: 50, lossRatio: 0.3 }, { knownToB: false });
      join(pair, inviteTag, inviteSecret);
      pair.agenda.runUntil(120_000);
      expect(pair.b.outputs.filter(({ type }) => type === 'message').length).toBe(1);
    }
  });

  it.each([
    ['with an unknown tag gets silence', new Uint8Array(8), inviteSecret, 0],
    ['with a wrong secret gets no session', inviteTag, new Uint8Array(32), 1],
  ])('%s', (_, tag, secret, answers) => {
    const pair = sessionPair(2, 'datagram', clean, clean, { knownToB: false });
    join(pair, tag, secret);
    pair.agenda.runUntil(900);
    expect(pair.links[1].counts.packetsEntered).toBe(answers);
    expect(established(pair.b)).toEqual([]);
  });

  it('gets no answer longer than its question, and none to a question that is too short', () => {
    const pair = sessionPair(2, 'datagram', clean);
    pair.a.endpoint.connect({ path: 'wire', kind: 'datagram', secret: inviteSecret, invite: { tag: inviteTag } }, pair.agenda.now);
    const hello = transmitted(pair.a)[0]!;
    const [answer] = deliver(pair, pair.b, [hello]);
    expect(answer!.length).toBeLessThanOrEqual(hello.length);
    expect(deliver(pair, pair.b, [hello.subarray(0, hello.length - 8)])).toEqual([]);
  });
});
