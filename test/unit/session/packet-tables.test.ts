import { describe, expect, it } from 'vitest';
import type { MonotonicMs } from '../../../src/core/time.ts';
import { linkBytes } from '../../../src/session/ledger.ts';
import { ReceivedPackets } from '../../../src/session/received-packets.ts';
import { RoundTrip } from '../../../src/session/round-trip.ts';
import { SentPackets } from '../../../src/session/sent-packets.ts';

const at = (ms: number) => ms as MonotonicMs;

function send(table: SentPackets, packetNumber: number, sentAt = packetNumber): void {
  table.add({
    packetNumber,
    bytes: 100,
    sentAt: at(sentAt),
    run: 0,
    pieces: [],
    acknowledges: -1,
    isSizeProbe: false,
    isHandedOver: false,
  });
}

function numbers(packets: readonly { packetNumber: number }[]): number[] {
  return packets.map(({ packetNumber }) => packetNumber);
}

describe('the table of sent packets', () => {
  it('gives up a packet when three later ones arrived', () => {
    const table = new SentPackets();
    for (let i = 0; i < 6; i++) send(table, i);
    expect(numbers(table.acknowledge([{ low: 1, high: 2 }]).arrived)).toEqual([1, 2]);
    expect(table.giveUpLost(100, at(10))).toEqual([]);
    expect(table.lossDeadline).toBeCloseTo(112.5);
    table.acknowledge([{ low: 1, high: 3 }]);
    expect(numbers(table.giveUpLost(100, at(11)))).toEqual([0]);
    expect([table.count, table.bytesInFlight, table.newestAcknowledged]).toEqual([2, 200, 3]);
  });

  it('gives up a packet by age when a single later one arrived, but never a later one', () => {
    const table = new SentPackets();
    for (let i = 0; i < 3; i++) send(table, i);
    table.acknowledge([{ low: 1, high: 1 }]);
    expect(numbers(table.giveUpLost(100, at(5000)))).toEqual([0]);
    expect(table.oldest?.packetNumber).toBe(2);
    expect(table.lossDeadline).toBeUndefined();
  });

  it('learns from late arrivals how far the order goes wrong', () => {
    const table = new SentPackets();
    for (let i = 0; i < 30; i++) send(table, i, 0);
    table.acknowledge([{ low: 8, high: 8 }]);
    expect(table.giveUpLost(1000, at(1)).length).toBe(6);
    expect(numbers(table.acknowledge([{ low: 0, high: 8 }]).late)).toEqual([0, 1, 2, 3, 4, 5]);
    table.acknowledge([{ low: 16, high: 16 }]);
    expect(table.giveUpLost(1000, at(1))).toEqual([]);
    expect(table.giveUpAll().length).toBe(20);
    expect(table.bytesInFlight).toBe(0);
  });

  it('forgets what the peer would no longer accept', () => {
    const table = new SentPackets();
    send(table, 0);
    send(table, 1);
    send(table, 2049);
    table.acknowledge([{ low: 1, high: 1 }]);
    table.giveUpLost(1, at(100));
    table.acknowledge([{ low: 2049, high: 2049 }]);
    expect(table.acknowledge([{ low: 0, high: 0 }]).late).toEqual([]);
  });
});

describe('received packets', () => {
  it('are acknowledged two by two at first, then after a sixth of the round trip', () => {
    const table = new ReceivedPackets();
    const due: number[] = [];
    for (let number = 0; number < 12; number++) {
      table.record(number, 600, 64, at(number));
      if (table.deadline === number) {
        due.push(number);
        table.take(at(number));
      }
    }
    expect(due).toEqual([0, 2, 4, 6, 8]);
    expect(table.deadline).toBe(9 + 100);
    table.startPath();
    table.record(12, 600, 64, at(50));
    expect(table.deadline).toBe(50);
  });

  it('do not wait when there are many, and wait for a quarter of a second at most', () => {
    const table = new ReceivedPackets();
    for (let number = 0; number < 10; number++) table.record(number, 60_000, 64, at(0));
    table.take(at(0));
    expect(table.waiting).toBe(false);
    table.record(10, 60_000, 4, at(0));
    expect(table.deadline).toBe(250);
    for (let number = 11; number < 14; number++) table.record(number, 60_000, 4, at(3));
    expect(table.deadline).toBe(3);
  });

  it('wait longer when a single one came and nothing follows it, but not once another has come', () => {
    const table = new ReceivedPackets();
    table.record(0, 60, 64, at(0), true);
    expect(table.deadline).toBe(100);
    table.record(1, 60, 64, at(20));
    expect(table.deadline).toBe(30);
    table.take(at(30));
    table.record(2, 1200, 64, at(40), true);
    expect(table.deadline).toBe(40 + 200);
  });

  it('are listed from the newest down, with its arrival and age', () => {
    const table = new ReceivedPackets();
    for (const number of [5, 1, 2, 9]) table.record(number, undefined, 64, at(20 + number));
    table.record(7, undefined, 64, at(50));
    expect(table.take(at(60))).toEqual({
      type: 'ack',
      ranges: [
        { low: 9, high: 9 },
        { low: 7, high: 7 },
        { low: 5, high: 5 },
        { low: 1, high: 2 },
      ],
      arrivalMs: 29,
      delayMs: 31,
    });
    table.forgetBelow(7);
    table.record(10, undefined, 64, at(61));
    expect(table.take(at(61)).ranges).toEqual([
      { low: 9, high: 10 },
      { low: 7, high: 7 },
    ]);
  });

  it('are remembered in a bounded number of ranges', () => {
    const table = new ReceivedPackets();
    for (let number = 0; number < 1000; number += 2) table.record(number, undefined, 64, at(0));
    const { ranges } = table.take(at(0));
    expect(ranges.length).toBe(64);
    expect(ranges[0]).toEqual({ low: 998, high: 998 });
  });
});

describe('a round trip', () => {
  it('is guessed, then measured', () => {
    const trip = new RoundTrip();
    expect([trip.smoothedMs, trip.recentMs, trip.timeoutMs]).toEqual([undefined, undefined, 1000]);
    trip.guess(300);
    expect([trip.smoothedMs, trip.minMs, trip.timeoutMs]).toEqual([300, undefined, 900]);
    trip.sample(100);
    expect([trip.smoothedMs, trip.minMs, trip.timeoutMs]).toEqual([100, 100, 300]);
    trip.sample(180);
    expect([trip.smoothedMs, trip.minMs, trip.recentMs]).toEqual([110, 100, 180]);
  });
});

describe('the bytes of a packet on the link', () => {
  it('include UDP and IP, or TCP and IP for each segment', () => {
    expect(linkBytes('datagram', 100)).toBe(128);
    expect(linkBytes('stream', 1448)).toBe(1488);
    expect(linkBytes('stream', 1449)).toBe(1529);
  });
});
