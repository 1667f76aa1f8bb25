import { describe, expect, test } from 'vitest';
import { rateControlFactory } from '../../../src/bandwidth/rate-control.ts';
import type { MonotonicMs } from '../../../src/core/time.ts';
import { linkBytes, unmetered } from '../../../src/session/ledger.ts';
import type { SentPacket } from '../../../src/session/sent-packets.ts';
import { SessionPath } from '../../../src/session/session-path.ts';

const at = (ms: number) => ms as MonotonicMs;

/** A way whose round trip is known, and that has just begun. */
function freshPath(): SessionPath {
  const path = new SessionPath(
    {
      name: 'udp://ridge:7077',
      firstPacketNumber: 0,
      proven: true,
      about: { kind: 'datagram', remembered: { rateBytesPerSecond: 1_000_000, lossRatio: 0, confidence: 1 } },
      rateControl: rateControlFactory('polite'),
      flow: unmetered.flow('udp://ridge:7077', undefined),
    },
    at(0),
  );
  path.roundTrip.sample(50);
  return path;
}

function packet(bytes: number, sentAt: number, isSizeProbe = false): SentPacket {
  return {
    packetNumber: sentAt,
    bytes: linkBytes('datagram', bytes),
    sentAt: at(sentAt),
    run: 0,
    pieces: [],
    acknowledges: -1,
    isSizeProbe,
    isHandedOver: false,
  };
}

/** Loses packets of this length, each sent after the loss before was found. */
function vanish(path: SessionPath, bytes: number, times: number, fromMs: number): void {
  for (let n = 0; n < times; n++) path.lost([packet(bytes, fromMs + 10 * n)], false, at(fromMs + 10 * n + 5));
}

describe('the length of datagrams', () => {
  test('falls by a step when long ones vanish three times, and not when one arrives meanwhile', () => {
    const path = freshPath();
    vanish(path, 1200, 2, 1);
    path.arrived([packet(1200, 15)]);
    vanish(path, 1200, 2, 31);
    expect(path.packetBytes).toBe(1200);
    vanish(path, 1200, 1, 61);
    expect(path.packetBytes).toBe(548);
    vanish(path, 548, 3, 101);
    expect(path.packetBytes).toBe(256);
  });

  test('does not fall for what a full queue dropped of one flight, however much that was', () => {
    const path = freshPath();
    const flight = Array.from({ length: 40 }, (_, n) => packet(1200, n));
    for (const [n, lost] of flight.entries()) path.lost([lost], false, at(100 + n));
    expect(path.packetBytes).toBe(1200);
  });

  test('grows by the step that was tried, and by no other, however many attempts at it arrive one by one', () => {
    const path = freshPath();
    vanish(path, 1200, 3, 1);
    expect(path.probePacketBytes(at(100))).toBe(1200);
    for (let n = 0; n < 3; n++) path.sizeProbeSent(at(100));
    for (let n = 0; n < 3; n++) path.arrived([packet(1200, 100 + n, true)]);
    expect(path.packetBytes).toBe(1200);
    expect(path.probePacketBytes(at(200))).toBe(1452);
    path.arrived([packet(1452, 200, true)]);
    expect(path.packetBytes).toBe(1452);
  });
});
