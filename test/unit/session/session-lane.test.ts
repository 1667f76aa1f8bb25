import { describe, expect, it } from 'vitest';
import { rateControlFactory } from '../../../src/bandwidth/rate-control.ts';
import { concatBytes } from '../../../src/core/bytes.ts';
import type { MonotonicMs } from '../../../src/core/time.ts';
import { nodeCrypto } from '../../../src/runtime/node-crypto.ts';
import { decodeFrames, type WelcomeFrame, writePing } from '../../../src/session/frames.ts';
import type { Incoming } from '../../../src/session/incoming-quota.ts';
import { unmetered } from '../../../src/session/ledger.ts';
import { PacketProtection, protectLanes } from '../../../src/session/packet-protection.ts';
import { decodePacket, writeTransportHeader } from '../../../src/session/packets.ts';
import { Session } from '../../../src/session/session.ts';
import { WireWriter } from '../../../src/session/wire-bytes.ts';

const at = (ms: number) => ms as MonotonicMs;
const [keyOne, keyTwo] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
const minuteMs = 60_000;

/** A session on a path of which a budget counts what comes, and what it tells its peer there. */
function counted() {
  let incoming: Incoming | undefined;
  const session = new Session(
    {
      localConnectionId: 1,
      remoteConnectionId: 2,
      protections: protectLanes({ sendKey: keyOne, receiveKey: keyTwo }, nodeCrypto),
      rateControl: rateControlFactory('polite'),
      path: 'here',
      kind: 'datagram',
      flowOf: (path) => ({ ...unmetered.flow(path, undefined), incoming: () => incoming }),
    },
    at(0),
  );
  const peer = new PacketProtection({ sendKey: keyTwo, receiveKey: keyOne }, nodeCrypto);
  let number = 0;
  return {
    session,
    /** From now on so much may come, until then. */
    limit(bytes: number, untilMs: number) {
      incoming = { bytes, until: at(untilMs) };
    },
    /** A ping of the peer. */
    hear(nowMs: number) {
      const header = new Uint8Array(6);
      writeTransportHeader(header, { connectionId: 1, packetNumber: number, numberBytes: 2 });
      const writer = new WireWriter(new Uint8Array(16));
      writePing(writer);
      const packet = decodePacket(concatBytes(header, peer.seal(number++, header, writer.written)));
      if (!packet.ok || packet.value.form !== 'transport') throw new Error('not a transport packet');
      expect(session.receive(packet.value, 'here', 'datagram', 40, at(nowMs))).toBe(true);
    },
    /** What the peer is told. */
    told(nowMs: number): WelcomeFrame[] {
      const told: WelcomeFrame[] = [];
      for (let sent = session.nextPacket(at(nowMs)); sent !== undefined; sent = session.nextPacket(at(nowMs))) {
        const packet = decodePacket(sent.bytes);
        if (!packet.ok || packet.value.form !== 'transport') throw new Error('not a transport packet');
        const frames = decodeFrames(peer.open(packet.value.shortNumber, packet.value.header, packet.value.sealed)!);
        if (frames.ok) told.push(...frames.value.filter((frame) => frame.type === 'welcome'));
      }
      return told;
    },
  };
}

describe('what a lane tells its peer to be welcome', () => {
  it('is less urgent classes or not, whatever a budget adds to it', () => {
    const { session, limit, hear, told } = counted();
    session.usePath('here', 'critical', at(0));
    expect(told(0)).toMatchObject([{ least: 1 }]);
    limit(8000, minuteMs);
    hear(1000);
    expect(told(1000)).toMatchObject([{ least: 1, bytes: 4000, seconds: 59 }]);
  });

  it('is what a budget leaves, whatever classes are chosen afterwards', () => {
    const { session, limit, hear, told } = counted();
    limit(8000, minuteMs);
    hear(0);
    expect(told(0)).toMatchObject([{ least: 3, bytes: 4000, seconds: 60 }]);
    session.usePath('here', 'critical', at(1000));
    expect(told(1000)).toMatchObject([{ least: 1, bytes: 4000, seconds: 59 }]);
  });

  it('holds until the budget has more, also when nothing was said for hours before', () => {
    const { session, limit, told } = counted();
    told(0);
    limit(8000, 301 * minuteMs);
    session.refreshAccount(at(300 * minuteMs));
    expect(told(300 * minuteMs)).toMatchObject([{ bytes: 4000, seconds: 60 }]);
  });
});
