import { describe, expect, test } from 'vitest';
import type { NodeId } from '../../../src/core/identifiers.ts';
import type { Moment, MonotonicMs, WallMs } from '../../../src/core/time.ts';
import { IdleAsking, isFarAway } from '../../../src/node/idle-asking.ts';
import type { SessionId } from '../../../src/session/endpoint.ts';

const office = 'office' as NodeId;
const session = 1 as unknown as SessionId;
const minute = 60_000;
const at = (ms: number): Moment => ({ monotonicMs: ms as MonotonicMs, wallMs: ms as WallMs });

/** Lets a session be silent, but for `heard`, and gives the minutes in which it was asked; the peer answers within a second. */
function askedWithin(minutes: number, address: string, heard: readonly number[] = [], rateBytesPerSecond?: number): number[] {
  const asked: number[] = [];
  let heardAt = 0;
  let now = 0;
  const endpoint = {
    heardAt: () => heardAt as MonotonicMs,
    path: () => address,
    isQuiet: () => false,
    estimate: () => ({ lossRatio: 0, confidence: 1, ...(rateBytesPerSecond === undefined ? {} : { rateBytesPerSecond }) }),
    ping: () => {
      asked.push(now / minute);
      heardAt = now + 1000;
    },
  };
  const idle = new IdleAsking({ endpoint, isHeard: () => true, isCounted: () => false });
  idle.begin(session, office, address, now as MonotonicMs);
  for (now = 0; now <= minutes * minute; now += minute / 4) {
    if (heard.includes(now / minute)) heardAt = now;
    if ((idle.nextDeadline()?.at ?? Infinity) <= now) idle.wake(at(now));
  }
  return asked;
}

describe('asking silent peers far away', () => {
  test('begins after a minute, over a stream after two, and grows rare', () => {
    expect(askedWithin(80, 'udp://office.example.org:7077')).toEqual([1, 3, 7, 15, 30, 45, 60, 75]);
    expect(askedWithin(60, 'tcp://203.0.113.7:7077')).toEqual([2, 6, 14, 29, 44, 59]);
  });

  test('waits while something is said, and then begins again', () => {
    const talk = Array.from({ length: 30 }, (_, n) => 20 + n * 0.75);
    expect(askedWithin(45, 'udp://office.example.org:7077', talk)).toEqual([1, 3, 7, 15, 42.75, 44.75]);
  });

  test('sends nothing over a link of less than 10 kbit/s', () => {
    expect(askedWithin(60, 'udp://office.example.org:7077', [], 1200)).toEqual([]);
    expect(askedWithin(3, 'udp://office.example.org:7077', [], 1300)).toEqual([1, 3]);
  });

  test('is for peers beyond the networks that this machine is on', () => {
    for (const near of [
      'udp://192.168.1.7:7077',
      'tcp://10.0.0.1:7077',
      'udp://172.20.3.4:1',
      'udp://100.64.0.9:1',
      'udp://169.254.1.1:1',
      'tcp://127.0.0.1:7077',
      'udp://[fe80::1%eth0]:7077',
      'udp://[fd00::7]:7077',
      'tcp://[::1]:7077',
      'udp://office:7077',
      'udp://office.local:7077',
      'serial:/dev/ttyS0?baud=9600',
      'circuit:7',
    ])
      expect([near, isFarAway(near)]).toEqual([near, false]);
    for (const far of ['udp://172.32.0.1:7077', 'tcp://100.128.0.1:1', 'udp://[2001:db8::7]:7077', 'tcp://camp.example.org:443'])
      expect([far, isFarAway(far)]).toEqual([far, true]);
  });
});
