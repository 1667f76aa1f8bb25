import { describe, expect, it } from 'vitest';
import type { LinkModel } from '../../src/simulation/virtual-link.ts';
import { saturate } from './session-load.ts';
import { dial, sessionPair } from './session-pair.ts';

describe('an outage during a transfer', () => {
  it.each([
    { bitsPerSecond: 1e6, rttMs: 100, seconds: 60 },
    { bitsPerSecond: 10e6, rttMs: 600, seconds: 60 },
    { bitsPerSecond: 64e3, rttMs: 800, seconds: 60 },
    { bitsPerSecond: 256e3, rttMs: 100, seconds: 5 },
  ])(
    'of $seconds s at $bitsPerSecond bit/s, $rttMs ms is noticed in 3 RTT + 3 s, costs little, and data flows 1 RTT + 500 ms after it',
    ({ bitsPerSecond, rttMs, seconds }) => {
      const from = 10_000;
      const until = from + seconds * 1000;
      const rate = bitsPerSecond / 8;
      const outages = [{ fromMs: from, untilMs: until }];
      const pair = sessionPair(1, 'datagram', { rateBytesPerSecond: rate, delayMs: rttMs / 2, queueBytes: 65_536, outages });
      const meter = saturate(pair);
      const refill = pair.a.react;
      let suspendedAt = 0;
      let flowsAt = 0;
      pair.a.react = (output) => {
        const now = pair.agenda.now.monotonicMs;
        if (output.type === 'suspended') suspendedAt = now;
        if (output.type === 'transmit' && output.bytes.length > 200 && now >= until && flowsAt === 0) flowsAt = now;
        refill(output);
      };
      dial(pair, 'datagram');
      pair.agenda.runUntil(from);
      const entered = pair.links[0].counts.bytesEntered;
      pair.agenda.runUntil(until);
      // What was under way when the link went, and small probes.
      expect(pair.links[0].counts.bytesEntered - entered).toBeLessThan(1.3 * rate * (rttMs / 1000) + 15_000 + seconds * 200);
      const settled = until + 2 * rttMs + 500;
      pair.agenda.runUntil(settled);
      const before = meter.received;
      pair.agenda.runUntil(settled + 10_000);
      // The round trip of a full packet in a queue of one, which is what a transfer's round trip is.
      const loadedRttMs = rttMs + (2 * 1480 * 1000) / rate;
      expect(suspendedAt - from).toBeLessThanOrEqual(3 * loadedRttMs + 3000);
      expect(flowsAt - until).toBeLessThanOrEqual(rttMs + 500);
      expect((meter.received - before) / (rate * 10)).toBeGreaterThan(0.75);
    },
  );

  it('of hours ends with everything delivered', () => {
    const outages = [{ fromMs: 3000, untilMs: 5 * 3_600_000 }];
    const pair = sessionPair(1, 'datagram', { rateBytesPerSecond: 10_000, delayMs: 100, outages });
    pair.a.react = (output) => {
      if (output.type === 'established')
        pair.a.endpoint.sendData(
          output.session,
          'bulk',
          { transfer: 1, offset: 0, bytes: new Uint8Array(60_000), last: true },
          pair.agenda.now,
        );
    };
    dial(pair, 'datagram');
    pair.agenda.runUntil(5 * 3_600_000 + 60_000);
    const got = pair.b.outputs.reduce((sum, output) => sum + (output.type === 'data' ? output.bytes.length : 0), 0);
    expect(got).toBe(60_000);
    expect(pair.a.outputs.map(({ type }) => type).filter((type) => type !== 'writable')).toEqual(['established', 'suspended', 'resumed']);
    expect(pair.links[0].counts.packetsEntered).toBeLessThan(2500);
    expect(pair.a.endpoint.nextDeadline()).toBeUndefined();
  });
});

describe('a link that changes', () => {
  function shares(before: LinkModel & { rateBytesPerSecond: number }, after: LinkModel & { rateBytesPerSecond: number }): number[] {
    const pair = sessionPair(1, 'datagram', before);
    const meter = saturate(pair);
    dial(pair, 'datagram');
    pair.agenda.runUntil(20_000);
    for (const link of pair.links) link.change(after);
    const result: number[] = [];
    for (let second = 1; second <= 15; second++) {
      const had = meter.received;
      pair.agenda.runUntil(20_000 + second * 1000);
      result.push((meter.received - had) / after.rateBytesPerSecond);
    }
    return result;
  }
  const slow = { rateBytesPerSecond: 12_500, delayMs: 50, queueBytes: 65_536 };
  const fast = { ...slow, rateBytesPerSecond: 125_000 };

  it('to ten times the rate is filled within seven seconds', () => {
    for (const share of shares(slow, fast).slice(7)) expect(share).toBeGreaterThan(0.85);
  });

  it('to a tenth of the rate is not flooded for long, and filled again', () => {
    const result = shares(fast, slow);
    const average = result.slice(5).reduce((sum, share) => sum + share, 0) / 10;
    expect(average).toBeGreaterThan(0.75);
  });

  it('of address is followed by the other end within a round trip, without a handshake', () => {
    const pair = sessionPair(1, 'datagram', fast);
    const meter = saturate(pair);
    dial(pair, 'datagram');
    pair.agenda.runUntil(10_000);
    pair.lay('new address', 'datagram', fast);
    pair.wires.cut('wire');
    pair.a.endpoint.migrate(pair.a.session!, 'new address', 'datagram', pair.agenda.now);
    pair.wires.pump(pair.a);
    const before = meter.received;
    pair.agenda.runUntil(10_160);
    expect(meter.received).toBeGreaterThan(before);
    pair.agenda.runUntil(15_000);
    expect((meter.received - before) / (5 * 125_000)).toBeGreaterThan(0.8);
    expect(pair.a.outputs.filter(({ type }) => type === 'established').length).toBe(1);
  });
});
