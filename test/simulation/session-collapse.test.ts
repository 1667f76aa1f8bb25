import { describe, expect, it } from 'vitest';
import type { LinkModel } from '../../src/simulation/virtual-link.ts';
import { saturate } from './session-load.ts';
import { dial, type SessionPair, sessionPair } from './session-pair.ts';

type RatedLink = LinkModel & { rateBytesPerSecond: number };

/** A link with a buffer of a fifth of a second, or of `queueBytes`. */
function link(bitsPerSecond: number, rttMs: number, queueBytes = bitsPerSecond / 40): RatedLink {
  return { rateBytesPerSecond: bitsPerSecond / 8, delayMs: rttMs / 2, queueBytes };
}

/** A pair whose link has been saturated for a while. */
function settled(model: RatedLink, seconds: number) {
  const pair = sessionPair(1, 'datagram', model);
  const meter = saturate(pair);
  dial(pair, 'datagram');
  pair.agenda.runUntil(seconds * 1000);
  return { pair, meter };
}

function change(pair: SessionPair, model: LinkModel): void {
  for (const each of pair.links) each.change(model);
}

describe('a link that collapses', () => {
  it.each([
    { name: '10 Mbit/s to 64 kbit/s, a long buffer', before: link(10e6, 50), after: link(64e3, 50, 65_536), seconds: 5 },
    { name: '10 Mbit/s to 64 kbit/s, a short buffer', before: link(10e6, 50), after: link(64e3, 50, 6000), seconds: 5 },
    { name: '10 Mbit/s to 64 kbit/s, a buffer of two packets', before: link(10e6, 50), after: link(64e3, 50, 3000), seconds: 5 },
    { name: '10 Mbit/s to 64 kbit/s, farther away', before: link(10e6, 50), after: link(64e3, 800, 24_000), seconds: 5 },
    { name: '100 Mbit/s to 64 kbit/s', before: link(100e6, 20), after: link(64e3, 20, 24_000), seconds: 1.5 },
    { name: '1 Gbit/s to 64 kbit/s', before: link(1e9, 2), after: link(64e3, 20, 24_000), seconds: 0.5 },
    { name: '10 Mbit/s to 9.6 kbit/s over a satellite', before: link(10e6, 600), after: link(9600, 600, 24_000), seconds: 10 },
  ])('is given no more than was under way and seconds of what it carries: $name', ({ before, after, seconds }) => {
    const { pair, meter } = settled(before, seconds);
    const [there] = pair.links;
    const entered = there.counts.bytesEntered;
    change(pair, after);
    const underWay = before.rateBytesPerSecond * ((1.5 * 2 * before.delayMs + 100) / 1000);
    for (const at of [2, 5, 10]) {
      pair.agenda.runUntil((seconds + at) * 1000);
      expect(there.counts.bytesEntered - entered).toBeLessThan(underWay + (at + 4) * after.rateBytesPerSecond);
    }
    // What stood in the buffer has gone by then, and the link is full again.
    pair.agenda.runUntil((seconds + 30) * 1000);
    const had = meter.received;
    pair.agenda.runUntil((seconds + 60) * 1000);
    expect((meter.received - had) / (30 * after.rateBytesPerSecond)).toBeGreaterThan(0.8);
  });
});

describe('a link that recovers', () => {
  it.each([
    { name: '64 kbit/s to 10 Mbit/s', slow: link(64e3, 50, 24_000), fast: link(10e6, 50), withinMs: 3000 },
    { name: '64 kbit/s to 1 Mbit/s', slow: link(64e3, 100, 24_000), fast: link(1e6, 100), withinMs: 3000 },
    { name: '100 kbit/s to 1 Mbit/s', slow: link(100e3, 100, 65_536), fast: link(1e6, 100, 65_536), withinMs: 3000 },
    { name: '9.6 kbit/s to 256 kbit/s', slow: link(9600, 300, 24_000), fast: link(256e3, 300), withinMs: 6000 },
  ])('is filled within $withinMs ms: $name', ({ slow, fast, withinMs }) => {
    const { pair, meter } = settled(slow, 30);
    change(pair, fast);
    pair.agenda.runUntil(30_000 + withinMs);
    const had = meter.received;
    pair.agenda.runUntil(30_000 + withinMs + 5000);
    expect((meter.received - had) / (5 * fast.rateBytesPerSecond)).toBeGreaterThan(0.85);
  });

  it('after a collapse is filled as quickly', () => {
    const [fast, slow] = [link(10e6, 50), link(64e3, 50, 65_536)];
    const { pair, meter } = settled(fast, 5);
    change(pair, slow);
    pair.agenda.runUntil(50_000);
    change(pair, fast);
    pair.agenda.runUntil(53_000);
    const had = meter.received;
    pair.agenda.runUntil(56_000);
    expect((meter.received - had) / (3 * fast.rateBytesPerSecond)).toBeGreaterThan(0.85);
  });
});

describe('a path that becomes longer or shorter', () => {
  it.each([
    { name: '10 Mbit/s, 50 to 600 ms', rate: 10e6, from: 50, to: 600 },
    { name: '10 Mbit/s, 600 to 50 ms', rate: 10e6, from: 600, to: 50 },
    { name: '1 Mbit/s, 100 to 400 ms', rate: 1e6, from: 100, to: 400 },
    { name: '64 kbit/s, 100 to 1000 ms', rate: 64e3, from: 100, to: 1000 },
    { name: '64 kbit/s, 1000 to 100 ms', rate: 64e3, from: 1000, to: 100 },
  ])('is full again within five seconds: $name', ({ rate, from, to }) => {
    const { pair, meter } = settled(link(rate, from, 65_536), 12);
    change(pair, link(rate, to, 65_536));
    pair.agenda.runUntil(17_000);
    const had = meter.received;
    pair.agenda.runUntil(27_000);
    expect((meter.received - had) / (10 * (rate / 8))).toBeGreaterThan(0.85);
  });
});
