import { describe, expect, it } from 'vitest';
import { rateControlFactory } from '../../../src/bandwidth/rate-control.ts';
import { concatBytes } from '../../../src/core/bytes.ts';
import type { PriorityClass } from '../../../src/core/priority.ts';
import type { MonotonicMs } from '../../../src/core/time.ts';
import { nodeCrypto } from '../../../src/runtime/node-crypto.ts';
import {
  decodeFrames,
  type Frame,
  type WelcomeFrame,
  welcomeBytesMax,
  writeMessage,
  writePing,
  writeWelcome,
} from '../../../src/session/frames.ts';
import type { Incoming } from '../../../src/session/incoming-quota.ts';
import { type LinkFlow, unmetered } from '../../../src/session/ledger.ts';
import { PacketProtection, protectLanes } from '../../../src/session/packet-protection.ts';
import { decodePacket, type TransportPacket, writeTransportHeader } from '../../../src/session/packets.ts';
import { Session } from '../../../src/session/session.ts';
import { WireWriter } from '../../../src/session/wire-bytes.ts';

const at = (ms: number) => ms as MonotonicMs;
const [keyOne, keyTwo] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
const minuteMs = 60_000;

/** A session on a path of which a budget counts what comes, and what it tells its peer there. */
function counted(least?: PriorityClass) {
  let incoming: Incoming | undefined;
  const session = new Session(
    {
      localConnectionId: 1,
      remoteConnectionId: 2,
      protections: protectLanes({ sendKey: keyOne, receiveKey: keyTwo }, nodeCrypto),
      rateControl: rateControlFactory('polite'),
      path: 'here',
      kind: 'datagram',
      flowOf: (path) => ({ ...unmetered.flow(path, undefined), incoming: () => incoming, ...(least === undefined ? {} : { least }) }),
    },
    at(0),
  );
  const peer = new PacketProtection({ sendKey: keyTwo, receiveKey: keyOne }, nodeCrypto);
  let number = 0;
  /** All frames that leave now. */
  const sent = (nowMs: number): Frame[] => {
    const frames: Frame[] = [];
    for (let sent = session.nextPacket(at(nowMs)); sent !== undefined; sent = session.nextPacket(at(nowMs))) {
      const packet = decodePacket(sent.bytes);
      if (!packet.ok || packet.value.form !== 'transport') throw new Error('not a transport packet');
      const decoded = decodeFrames(peer.open(packet.value.shortNumber, packet.value.header, packet.value.sealed)!);
      if (decoded.ok) frames.push(...decoded.value);
    }
    return frames;
  };
  /** A ping of the peer, and what it says besides, on its way. */
  const written = (said?: WelcomeFrame) => {
    const header = new Uint8Array(6);
    writeTransportHeader(header, { connectionId: 1, packetNumber: number, numberBytes: 2 });
    const writer = new WireWriter(new Uint8Array(16));
    writePing(writer);
    if (said !== undefined) writeWelcome(writer, said);
    const packet = decodePacket(concatBytes(header, peer.seal(number++, header, writer.written)));
    if (!packet.ok || packet.value.form !== 'transport') throw new Error('not a transport packet');
    return packet.value;
  };
  const arrive = (packet: TransportPacket, nowMs: number, from = 'here') =>
    expect(session.receive(packet, from, 'datagram', 400, at(nowMs))).toBe(true);
  return {
    session,
    written,
    arrive,
    /** From now on so much may come, until then. */
    limit(bytes: number, untilMs: number) {
      incoming = { bytes, until: at(untilMs) };
    },
    /** A ping of the peer, and what it says besides, from where it is. */
    hear(nowMs: number, from = 'here', said?: WelcomeFrame) {
      arrive(written(said), nowMs, from);
    },
    sent,
    /** What the peer is told of what is welcome. */
    told: (nowMs: number) => sent(nowMs).filter((frame) => frame.type === 'welcome'),
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

  it('is what the account of the link keeps it for, and no more than the lane is used for', () => {
    const { session, told } = counted('critical');
    expect(told(0)).toMatchObject([{ least: 1 }]);
    session.usePath('here', 'emergency', at(10));
    expect(told(10)).toMatchObject([{ least: 0 }]);
    session.usePath('here', 'bulk', at(20));
    expect(told(20)).toMatchObject([{ least: 1 }]);
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

describe('what the peer of a lane has told to be welcome', () => {
  const nothing: WelcomeFrame = { type: 'welcome', least: 3, bytes: 0, seconds: 600 };
  const dataIn = (frames: readonly Frame[]) => frames.filter(({ type }) => type === 'data').length;

  it('holds when the peer is heard from another address', () => {
    const lane = counted();
    lane.hear(0, 'here', nothing);
    lane.hear(1000, 'there');
    expect(lane.session.path).toBe('there');
    lane.session.sendData('bulk', { transfer: 1, offset: 0, bytes: new Uint8Array(900), last: true }, at(1000));
    expect(dataIn(lane.sent(2000))).toBe(0);
    expect(dataIn(lane.sent(601_000))).toBeGreaterThan(0);
  });

  it('does not hold on another way to which this end goes, and holds again on the one that it left', () => {
    const lane = counted();
    lane.hear(0, 'here', nothing);
    lane.session.migrate('other', 'datagram', undefined, at(1000));
    lane.session.sendData('bulk', { transfer: 1, offset: 0, bytes: new Uint8Array(900), last: false }, at(1000));
    expect(dataIn(lane.sent(2000))).toBeGreaterThan(0);
    lane.session.migrate('here', 'datagram', undefined, at(3000));
    expect(dataIn(lane.sent(4000))).toBe(0);
    expect(dataIn(lane.sent(601_000))).toBeGreaterThan(0);
  });

  it('is what it said last, and not what came last: over a satellite words take longer', () => {
    const lane = counted();
    const [before, after] = [lane.written(nothing), lane.written({ ...nothing, bytes: welcomeBytesMax, seconds: 0 })];
    lane.session.migrate('other', 'datagram', undefined, at(1000));
    lane.arrive(after, 1010, 'other');
    lane.arrive(before, 1300, 'here');
    lane.session.sendData('bulk', { transfer: 1, offset: 0, bytes: new Uint8Array(900), last: true }, at(1400));
    expect(lane.session.path).toBe('other');
    expect(dataIn(lane.sent(2000))).toBeGreaterThan(0);
  });

  it('is told anew by an end that follows its peer elsewhere, also that nothing is limited there', () => {
    const { session, limit, hear, told } = counted();
    limit(8000, minuteMs);
    hear(0);
    expect(told(0)).toMatchObject([{ least: 3, bytes: 4000, seconds: 60 }]);
    hear(1000, 'there');
    expect(told(1000)).toMatchObject([{ bytes: 4000, seconds: 59 }]);
    limit(1e9, minuteMs);
    hear(2000, 'elsewhere');
    expect(told(2000)).toMatchObject([{ least: 3, seconds: 0 }]);
    expect(session.path).toBe('elsewhere');
  });
});

it('an emergency is over when nothing of it is left on a way that is in use, whatever was owed on one that is gone', () => {
  const asked: PriorityClass[] = [];
  const flow: LinkFlow = {
    ...unmetered.flow('', undefined),
    allowanceBytes: (priority) => {
      asked.push(priority);
      return Infinity;
    },
  };
  const keys = { sendKey: keyOne, receiveKey: keyTwo };
  const session = new Session(
    {
      localConnectionId: 1,
      remoteConnectionId: 2,
      protections: protectLanes(keys, nodeCrypto),
      rateControl: rateControlFactory('polite'),
      path: 'here',
      kind: 'datagram',
      flowOf: () => flow,
    },
    at(0),
  );
  const peer = protectLanes({ sendKey: keyTwo, receiveKey: keyOne }, nodeCrypto);
  const hear = (lane: number, path: string, write: (writer: WireWriter) => void) => {
    const header = new Uint8Array(6);
    writeTransportHeader(header, { connectionId: 1, lane, packetNumber: 0, numberBytes: 2 });
    const writer = new WireWriter(new Uint8Array(16));
    write(writer);
    const packet = decodePacket(concatBytes(header, (peer[lane] as PacketProtection).seal(0, header, writer.written)));
    if (!packet.ok || packet.value.form !== 'transport') throw new Error('not a transport packet');
    expect(session.receive(packet.value, path, 'datagram', 400, at(0))).toBe(true);
  };
  hear(0, 'here', writePing);
  hear(1, 'there', (writer) => writeMessage(writer, { priority: 'emergency', offset: 0, bytes: Uint8Array.of(1) }, true));
  expect(session.dropPath('there', at(1))).toBe(true);
  const answer = session.nextPacket(at(1000));
  expect([answer?.path, asked.includes('emergency')]).toEqual(['here', true]);
  asked.splice(0);
  session.ping();
  expect(session.nextPacket(at(1000))).toBeDefined();
  expect(asked).not.toContain('emergency');
});
