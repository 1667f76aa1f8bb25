import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/core/limits.ts';
import type { LinkModel } from '../../../src/simulation/virtual-link.ts';
import { dial, type SessionPair, sessionPair, type TestEnd, teamSecret } from '../../simulation/session-pair.ts';

const clean: LinkModel = { delayMs: 50, rateBytesPerSecond: 125_000 };

function types(end: TestEnd): string[] {
  return end.outputs.map(({ type }) => type);
}

function faults(end: TestEnd): string[] {
  return end.outputs.flatMap((output) => (output.type === 'closed' ? [output.fault.code] : []));
}

function established(seed: number, kind: 'datagram' | 'stream' = 'datagram', model: LinkModel = clean): SessionPair {
  const pair = sessionPair(seed, kind, model);
  dial(pair, kind);
  pair.agenda.runUntil(1000);
  expect(pair.b.session).toBeDefined();
  return pair;
}

describe('a session', () => {
  it('has no deadline while nothing is owed, and works after hours of silence', () => {
    const pair = established(1);
    expect(pair.a.endpoint.nextDeadline()).toBeUndefined();
    expect(pair.b.endpoint.nextDeadline()).toBeUndefined();
    const before = pair.links[0].counts.packetsEntered + pair.links[1].counts.packetsEntered;
    pair.agenda.runUntil(9 * 3_600_000);
    expect(pair.links[0].counts.packetsEntered + pair.links[1].counts.packetsEntered).toBe(before);
    pair.b.endpoint.sendMessage(pair.b.session!, 'normal', Uint8Array.of(1), pair.agenda.now);
    pair.wires.pump(pair.b);
    pair.agenda.runUntil(pair.agenda.now.monotonicMs + 60);
    expect(types(pair.a)).toContain('message');
  });

  it('that is closed tells the peer why, once, and is gone', () => {
    const pair = established(1);
    const session = pair.a.session!;
    pair.a.endpoint.close(session, 'packing up', pair.agenda.now);
    pair.wires.pump(pair.a);
    expect(pair.a.outputs.at(-1)).toMatchObject({ type: 'closed', session, fault: { code: 'SESSION_CLOSED', blame: 'caller' } });
    pair.agenda.runUntil(2000);
    expect(pair.b.outputs.at(-1)).toMatchObject({
      type: 'closed',
      fault: { code: 'SESSION_CLOSED', blame: 'peer', message: 'packing up' },
    });
    expect(pair.a.endpoint.sendMessage(session, 'normal', Uint8Array.of(1), pair.agenda.now)).toBe(false);
    expect(
      pair.a.endpoint.sendData(session, 'normal', { transfer: 1, offset: 0, bytes: Uint8Array.of(1), last: true }, pair.agenda.now),
    ).toBe(false);
    expect(pair.a.endpoint.roomBytes(session, 'normal')).toBe(0);
    expect(pair.a.endpoint.ledger(session)).toBeUndefined();
    expect(pair.a.endpoint.estimate(session)).toEqual({ lossRatio: 0, confidence: 0 });
    pair.a.endpoint.close(session, 'again', pair.agenda.now);
    expect(pair.a.endpoint.poll()).toBeUndefined();
  });

  it('that is closed during its handshake is gone without a word', () => {
    const pair = sessionPair(1, 'datagram', clean);
    const session = dial(pair, 'datagram');
    pair.a.endpoint.close(session, 'never mind', pair.agenda.now);
    pair.wires.pump(pair.a);
    pair.agenda.runUntil(200_000);
    expect(faults(pair.a)).toEqual(['SESSION_CLOSED']);
    expect(types(pair.b)).toEqual([]);
  });

  it('is replaced when its peer dials again, as after a restart', () => {
    const pair = established(1);
    const reborn = pair.restartA();
    pair.wires.cut('wire');
    const old = pair.b.session;
    const links = pair.links;
    pair.wires.connect('wire', 'datagram', [reborn, pair.b], links);
    reborn.endpoint.connect({ path: 'wire', kind: 'datagram', remoteStatic: pair.b.publicKey, secret: teamSecret }, pair.agenda.now);
    pair.wires.pump(reborn);
    pair.agenda.runUntil(5000);
    expect(pair.b.session).not.toBe(old);
    expect(pair.b.outputs).toContainEqual({ type: 'closed', session: old, fault: expect.objectContaining({ code: 'SESSION_REPLACED' }) });
    expect(types(reborn)).toEqual(['established']);
  });

  it('remains exactly one when both ends dial at the same time', () => {
    for (let seed = 0; seed < 10; seed++) {
      const pair = sessionPair(seed, 'datagram', clean);
      dial(pair, 'datagram');
      pair.agenda.runUntil(seed * 13);
      pair.b.endpoint.connect({ path: 'wire', kind: 'datagram', remoteStatic: pair.a.publicKey, secret: teamSecret }, pair.agenda.now);
      pair.wires.pump(pair.b);
      pair.agenda.runUntil(150_000);
      pair.a.endpoint.sendMessage(pair.a.session!, 'normal', Uint8Array.of(1), pair.agenda.now);
      pair.b.endpoint.sendMessage(pair.b.session!, 'normal', Uint8Array.of(2), pair.agenda.now);
      pair.wires.pump(pair.a);
      pair.wires.pump(pair.b);
      pair.agenda.runUntil(160_000);
      expect(types(pair.a).filter((type) => type === 'message').length).toBe(1);
      expect(types(pair.b).filter((type) => type === 'message').length).toBe(1);
      expect(types(pair.a)).not.toContain('suspended');
    }
  });

  it('gives way to a new one when there are too many', () => {
    const pair = sessionPair(1, 'datagram', { ...clean, outages: [{ fromMs: 0, untilMs: 1e9 }] });
    for (let i = 0; i < limits.sessionsMax + 3; i++) dial(pair, 'datagram');
    expect(faults(pair.a)).toEqual(['SESSION_LIMIT', 'SESSION_LIMIT', 'SESSION_LIMIT']);
  });

  it('takes no more messages than fit into its queue', () => {
    const pair = sessionPair(1, 'datagram', { ...clean, outages: [{ fromMs: 1000, untilMs: 1e9 }] });
    const session = dial(pair, 'datagram');
    const message = new Uint8Array(limits.messageBytesMax);
    const fits = Math.floor(limits.messageQueueBytesMax / message.length);
    let taken = 0;
    while (pair.a.endpoint.sendMessage(session, 'bulk', message, pair.agenda.now)) taken++;
    expect(taken).toBe(fits);
    pair.agenda.runUntil(1000);
    expect(pair.a.endpoint.sendMessage(session, 'bulk', message, pair.agenda.now)).toBe(true);
    expect(pair.a.endpoint.sendMessage(session, 'bulk', message, pair.agenda.now)).toBe(false);
    expect(() => pair.a.endpoint.sendMessage(session, 'bulk', new Uint8Array(limits.messageBytesMax + 1), pair.agenda.now)).toThrow(
      'messageBytesMax',
    );
    const item = { transfer: 1, offset: 0, bytes: new Uint8Array(limits.dataQueueBytesMax + 1), last: false };
    expect(pair.a.endpoint.sendData(session, 'bulk', item, pair.agenda.now)).toBe(false);
  });

  it('counts every byte that it put on the link, by purpose', () => {
    const pair = sessionPair(5, 'datagram', { ...clean, lossRatio: 0.1 });
    const session = dial(pair, 'datagram');
    pair.a.react = (output) => {
      if (output.type !== 'established') return;
      const bytes = new Uint8Array(200_000);
      pair.a.endpoint.sendData(session, 'bulk', { transfer: 1, offset: 0, bytes, last: true }, pair.agenda.now);
      pair.a.endpoint.sendMessage(session, 'bulk', new Uint8Array(3000), pair.agenda.now);
    };
    pair.agenda.runUntil(60_000);
    const { sent, received } = pair.a.endpoint.ledger(session)!;
    expect(sent.data + sent.control + sent.retransmission + sent.handshake).toBe(pair.links[0].counts.bytesEntered);
    expect(sent.data).toBeGreaterThan(200_000);
    expect(sent.retransmission).toBeGreaterThan(10_000);
    expect(sent.control).toBeGreaterThan(0);
    expect(sent.handshake).toBeGreaterThan(0);
    expect(received.control + received.handshake).toBe(pair.links[1].counts.bytesCarried);
    const atB = pair.b.endpoint.ledger(pair.b.session!)!;
    expect(atB.received.data + atB.received.control + atB.received.retransmission + atB.received.handshake).toBe(
      pair.links[0].counts.bytesCarried,
    );
  });
});

describe('a stream', () => {
  it('that breaks suspends what is owed, and another resumes it without a handshake', () => {
    const pair = established(3, 'stream');
    pair.a.endpoint.sendMessage(pair.a.session!, 'normal', new Uint8Array(50_000).fill(4), pair.agenda.now);
    pair.wires.pump(pair.a);
    pair.agenda.runUntil(1100);
    pair.wires.cut('wire');
    expect(types(pair.a)).toEqual(['established', 'suspended']);
    pair.agenda.runUntil(500_000);
    pair.lay('second', 'stream', clean);
    pair.a.endpoint.migrate(pair.a.session!, 'second', 'stream', pair.agenda.now);
    pair.wires.pump(pair.a);
    pair.agenda.runUntil(pair.agenda.now.monotonicMs + 2000);
    expect(types(pair.a)).toEqual(['established', 'suspended', 'resumed']);
    // B owed nothing, but may be the only one that can dial.
    expect(types(pair.b)).toEqual(['established', 'suspended', 'resumed', 'message']);
  });

  it('that breaks during the handshake ends the dial', () => {
    const pair = sessionPair(3, 'stream', clean);
    dial(pair, 'stream');
    pair.wires.cut('wire');
    expect(faults(pair.a)).toEqual(['PATH_CLOSED']);
  });

  it('of a stranger who does not speak the protocol is closed', () => {
    const pair = sessionPair(3, 'stream', clean);
    const closed: string[] = [];
    pair.b.react = (output) => {
      if (output.type === 'close-path') closed.push(output.path);
    };
    pair.b.endpoint.handle({ type: 'received', path: 'wire', kind: 'stream', bytes: new Uint8Array(20) }, pair.agenda.now);
    pair.wires.pump(pair.b);
    expect(closed).toEqual(['wire']);
    pair.b.endpoint.handle({ type: 'received', path: 'wire', kind: 'stream', bytes: new Uint8Array(20) }, pair.agenda.now);
    expect(pair.b.endpoint.poll()).toBeUndefined();
  });

  it('of a stranger who says nothing is closed after two minutes', () => {
    const pair = sessionPair(3, 'stream', clean);
    pair.b.endpoint.handle({ type: 'path-opened', path: 'silent', kind: 'stream' }, pair.agenda.now);
    pair.wires.pump(pair.b);
    expect(pair.b.endpoint.nextDeadline()).toEqual({ at: 120_000, reason: 'unused stream' });
    pair.agenda.runUntil(130_000);
    expect(pair.b.outputs).toContainEqual({ type: 'close-path', path: 'silent' });
  });

  it('too many are not opened', () => {
    const pair = sessionPair(3, 'datagram', clean);
    for (let i = 0; i <= limits.streamsMax; i++)
      pair.b.endpoint.handle({ type: 'path-opened', path: `s${i}`, kind: 'stream' }, pair.agenda.now);
    expect(pair.b.endpoint.poll()).toEqual({ type: 'close-path', path: `s${limits.streamsMax}` });
    expect(pair.b.endpoint.poll()).toBeUndefined();
  });

  it('that its session left is closed at both ends', () => {
    const pair = established(3, 'stream');
    const closed: string[] = [];
    pair.a.react = (output) => {
      if (output.type === 'close-path') closed.push(output.path);
    };
    pair.lay('air', 'datagram', clean);
    pair.a.endpoint.migrate(pair.a.session!, 'air', 'datagram', pair.agenda.now);
    pair.wires.pump(pair.a);
    expect(closed).toEqual(['wire']);
    pair.b.endpoint.sendMessage(pair.b.session!, 'normal', Uint8Array.of(7), pair.agenda.now);
    pair.agenda.runUntil(3000);
    expect(types(pair.a)).toContain('message');
  });
});
