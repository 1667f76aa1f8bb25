import { describe, expect, it } from 'vitest';
import { rateControlFactory } from '../../../src/bandwidth/rate-control.ts';
import { concatBytes, fromHex } from '../../../src/core/bytes.ts';
import type { MonotonicMs } from '../../../src/core/time.ts';
import { nodeCrypto } from '../../../src/runtime/node-crypto.ts';
import { dataWindowBytes, decodeFrames, writeClose, writeData, writeMessage, writePing } from '../../../src/session/frames.ts';
import { PacketProtection, protectLanes } from '../../../src/session/packet-protection.ts';
import { completePacketNumber, decodePacket, writeTransportHeader } from '../../../src/session/packets.ts';
import { Session } from '../../../src/session/session.ts';
import type { SessionEvent } from '../../../src/session/session-event.ts';
import { WireWriter } from '../../../src/session/wire-bytes.ts';

const at = (ms: number) => ms as MonotonicMs;
const [keyOne, keyTwo] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];

/** A session, and in place of its peer the keys to write anything it might receive. */
function peeredSession(localConnectionId = 1, remoteConnectionId = 2) {
  const session = new Session(
    {
      localConnectionId,
      remoteConnectionId,
      protections: protectLanes({ sendKey: keyOne, receiveKey: keyTwo }, nodeCrypto),
      rateControl: rateControlFactory('polite'),
      path: 'here',
      kind: 'datagram',
    },
    at(0),
  );
  const protection = new PacketProtection({ sendKey: keyTwo, receiveKey: keyOne }, nodeCrypto);
  let number = 0;
  return {
    session,
    /** Sends frames to the session. */
    inject(frames: Uint8Array, options: { path?: string; now?: number } = {}): boolean {
      const header = new Uint8Array(6);
      writeTransportHeader(header, { connectionId: localConnectionId, packetNumber: number, numberBytes: 2 });
      const packet = decodePacket(concatBytes(header, protection.seal(number, header, frames)));
      number++;
      if (!packet.ok || packet.value.form !== 'transport') throw new Error('not a transport packet');
      return session.receive(packet.value, options.path ?? 'here', 'datagram', 100, at(options.now ?? 0));
    },
    /** Takes packets from the session until it has no more: where they go, how long they are, and what is in them. */
    drain(now = 0) {
      const packets = [];
      for (let sent = session.nextPacket(at(now)); sent !== undefined; sent = session.nextPacket(at(now))) {
        const packet = decodePacket(sent.bytes);
        if (!packet.ok || packet.value.form !== 'transport') throw new Error('not a transport packet');
        const full = completePacketNumber(packet.value.shortNumber, packet.value.numberBytes, protection.newestReceived);
        const frames = decodeFrames(protection.open(full, packet.value.header, packet.value.sealed)!);
        packets.push({ path: sent.path, length: sent.bytes.length, types: frames.ok ? frames.value.map(({ type }) => type) : [] });
      }
      return packets;
    },
    events(): SessionEvent[] {
      const events: SessionEvent[] = [];
      for (let event = session.nextEvent(); event !== undefined; event = session.nextEvent()) events.push(event);
      return events;
    },
  };
}

function frames(write: (writer: WireWriter) => void): Uint8Array {
  const writer = new WireWriter(new Uint8Array(1200));
  write(writer);
  return writer.written.slice();
}

describe('a session ends, and says so, when its peer sends', () => {
  it.each([
    ['nothing at all', new Uint8Array(0), 'FRAME_MALFORMED'],
    ['an unknown frame', fromHex('7f'), 'FRAME_MALFORMED'],
    ['an acknowledgement for what was never sent', fromHex('0205000000000000'), 'SESSION_VIOLATION'],
    [
      'data beyond the window',
      frames((writer) =>
        writeData(writer, { position: dataWindowBytes + 70_000, transfer: 1, offset: 0, bytes: Uint8Array.of(1), last: false }, true),
      ),
      'SESSION_VIOLATION',
    ],
    [
      'a message longer than the limit',
      frames((writer) => writeMessage(writer, { priority: 'bulk', offset: 0, bytes: fromHex('bfffffff') }, true)),
      'SESSION_VIOLATION',
    ],
  ])('%s', (_, bytes, code) => {
    const peer = peeredSession();
    expect(peer.inject(bytes)).toBe(true);
    expect(peer.events()).toMatchObject([{ type: 'closed', fault: { code, blame: 'peer' } }]);
    expect(peer.drain()).toMatchObject([{ types: ['close'] }]);
    expect(peer.session.deadline).toBeUndefined();
    expect(peer.session.sendMessage('normal', Uint8Array.of(1), at(0))).toBe(false);
  });

  it.each([
    [0, '', 'SESSION_CLOSED', 'the peer closed the session'],
    [1, '', 'SESSION_REPLACED', 'the peer has a newer session'],
    [2, 'bad frame', 'SESSION_VIOLATION', 'the peer found a mistake: bad frame'],
  ])('CLOSE with code %d', (closeCode, reason, code, message) => {
    const peer = peeredSession();
    peer.inject(concatBytes(frames((writer) => writeClose(writer, closeCode, reason))));
    expect(peer.events()).toMatchObject([{ type: 'closed', fault: { code, message } }]);
    expect(peer.drain()).toEqual([]);
  });
});

describe('a session', () => {
  it('ignores what is not authentic', () => {
    const peer = peeredSession();
    const packet = decodePacket(concatBytes(fromHex('00000001'), new Uint8Array(40)));
    if (!packet.ok || packet.value.form !== 'transport') throw new Error('not a transport packet');
    expect(peer.session.receive(packet.value, 'elsewhere', 'datagram', 60, at(5))).toBe(false);
    expect(peer.session.path).toBe('here');
    expect(peer.drain()).toEqual([]);
  });

  it('does not acknowledge a packet whose content it could not take', () => {
    const peer = peeredSession();
    for (let i = 0; i < 8192; i += 64) {
      peer.inject(
        frames((writer) => {
          for (let j = 0; j < 64; j++)
            writeMessage(writer, { priority: 'normal', offset: 2 + 2 * (i + j), bytes: Uint8Array.of(1) }, false);
        }),
      );
    }
    peer.drain(1000);
    peer.inject(
      frames((writer) => writeMessage(writer, { priority: 'normal', offset: 60_000, bytes: Uint8Array.of(1) }, true)),
      { now: 2000 },
    );
    expect(peer.drain(5000)).toEqual([]);
  });

  it('sends to an address that is not proven no more than three times what came from there', () => {
    const peer = peeredSession();
    peer.session.sendData('bulk', { transfer: 1, offset: 0, bytes: new Uint8Array(100_000), last: true }, at(0));
    expect(peer.drain().length).toBeGreaterThan(3);
    peer.inject(frames(writePing), { path: 'there', now: 1000 });
    const packets = peer.drain(1000);
    expect(new Set(packets.map(({ path }) => path))).toEqual(new Set(['there']));
    expect(packets.reduce((sum, { length }) => sum + length + 28, 0)).toBeLessThanOrEqual(3 * 128);
    // With nothing acknowledged there it goes on with small probes, ever more rarely.
    let bytes = 0;
    for (let now = 1000; now < 60_000; now += 100) {
      peer.session.wake(at(now));
      bytes += peer.drain(now).reduce((sum, { length }) => sum + length + 28, 0);
    }
    expect(bytes).toBeLessThan(60 * 200);
  });

  it('follows its peer back to where it was at once at one end alone, and there once: they would go round in a circle', () => {
    const [holds, follows] = [peeredSession(1, 2), peeredSession(2, 1)];
    for (const peer of [holds, follows]) {
      peer.inject(frames(writePing), { path: 'there', now: 10 });
      expect(peer.session.path).toBe('there');
      peer.inject(frames(writePing), { path: 'here', now: 20 });
    }
    expect([holds.session.path, follows.session.path]).toEqual(['there', 'here']);
    // Its peer may have two sockets, and answer from the one that was asked.
    for (let now = 30; now < 1000; now += 10) follows.inject(frames(writePing), { path: now % 20 === 0 ? 'here' : 'there', now });
    expect(follows.session.path).toBe('here');
    follows.inject(frames(writePing), { path: 'there', now: 60_000 });
    expect(follows.session.path).toBe('there');
    holds.inject(frames(writePing), { path: 'here', now: 60_000 });
    expect(holds.session.path).toBe('here');
  });

  it('reads how its peer moves on, but not from packets that come late', () => {
    const peer = peeredSession();
    peer.inject(frames(writePing), { path: 'there', now: 10 });
    expect(peer.session.path).toBe('there');
    peer.session.migrate('third', 'datagram', undefined, at(20));
    // What was under way from the place just left does not draw it back.
    peer.inject(frames(writePing), { path: 'there', now: 30 });
    expect(peer.session.path).toBe('third');
    peer.inject(frames(writePing), { path: 'there', now: 60_000 });
    expect(peer.session.path).toBe('there');
  });
});
