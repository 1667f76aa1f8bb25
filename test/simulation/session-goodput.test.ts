import { describe, expect, it } from 'vitest';
import type { LinkModel } from '../../src/simulation/virtual-link.ts';
import { saturate } from './session-load.ts';
import { dial, sessionPair } from './session-pair.ts';

/** Share of the link's rate that arrives as application data, from the moment the session is established. */
function goodput(model: LinkModel & { rateBytesPerSecond: number }, seconds: number, seed = 1): number {
  const pair = sessionPair(seed, 'datagram', model);
  const meter = saturate(pair);
  dial(pair, 'datagram');
  while (meter.establishedAtMs === 0) pair.agenda.runUntil(pair.agenda.now.monotonicMs + 10);
  pair.agenda.runUntil(meter.establishedAtMs + seconds * 1000);
  return meter.received / (model.rateBytesPerSecond * seconds);
}

/** A link by bits a second and round trip. */
function link(bitsPerSecond: number, rttMs: number, rest: Partial<LinkModel> = {}) {
  return { rateBytesPerSecond: bitsPerSecond / 8, delayMs: rttMs / 2, queueBytes: 65_536, ...rest };
}

describe('a session saturates', () => {
  it.each([
    { name: '10 Mbit/s, 600 ms', model: link(10e6, 600), seconds: 40, share: 0.93 },
    { name: '10 Mbit/s, 600 ms, 1 % loss', model: link(10e6, 600, { lossRatio: 0.01 }), seconds: 40, share: 0.91 },
    { name: '10 Mbit/s, 600 ms, 5 % loss', model: link(10e6, 600, { lossRatio: 0.05 }), seconds: 40, share: 0.86 },
    { name: '1 Mbit/s, 100 ms, 1 % loss', model: link(1e6, 100, { lossRatio: 0.01 }), seconds: 40, share: 0.93 },
    { name: '64 kbit/s, 800 ms', model: link(64e3, 800), seconds: 120, share: 0.9 },
    { name: '64 kbit/s, 800 ms, 2 % loss', model: link(64e3, 800, { lossRatio: 0.02 }), seconds: 120, share: 0.9 },
    { name: '9.6 kbit/s, 1.5 s', model: link(9600, 1500), seconds: 300, share: 0.88 },
    { name: '2.4 kbit/s, 2 s', model: link(2400, 2000), seconds: 600, share: 0.85 },
    { name: '2.4 kbit/s, 2 s, 2 % loss', model: link(2400, 2000, { lossRatio: 0.02 }), seconds: 600, share: 0.85 },
    { name: '800 bit/s, 500 ms', model: link(800, 500), seconds: 600, share: 0.8 },
    { name: '1 Mbit/s, 100 ms, jitter', model: link(1e6, 100, { jitterMs: 40 }), seconds: 40, share: 0.88 },
    { name: '1 Mbit/s, 100 ms, a buffer of two packets', model: link(1e6, 100, { queueBytes: 3000 }), seconds: 40, share: 0.8 },
    { name: '100 Mbit/s, 20 ms', model: link(100e6, 20, { queueBytes: 1e6 }), seconds: 2, share: 0.8 },
  ])('$name to at least $share', ({ model, seconds, share }) => {
    expect(goodput(model, seconds)).toBeGreaterThanOrEqual(share);
  });

  it('bursts of loss to at least 0.8 of what the channel passes', () => {
    // A fifth of the time 40 % are lost.
    const burstLoss = { toBad: 0.01, toGood: 0.04, lossInBad: 0.4 };
    for (const seed of [1, 2, 3]) expect(goodput(link(1e6, 300, { burstLoss }), 60, seed)).toBeGreaterThanOrEqual(0.8 * 0.92);
  });

  it('a buffer of two packets without losing much in it', () => {
    const pair = sessionPair(3, 'datagram', link(10e6, 100, { queueBytes: 3000 }));
    saturate(pair);
    const session = dial(pair, 'datagram');
    pair.agenda.runUntil(15_000);
    const { sent } = pair.a.endpoint.ledger(session)!;
    expect(sent.retransmission / sent.data).toBeLessThan(0.06);
  });

  it('800 bit/s for a message of 10 kB to at least 0.8, the handshake included', () => {
    const pair = sessionPair(1, 'datagram', link(800, 500));
    const session = dial(pair, 'datagram');
    pair.a.endpoint.sendMessage(session, 'normal', new Uint8Array(10_000), pair.agenda.now);
    pair.wires.pump(pair.a);
    pair.agenda.runUntil((10_000 / (0.8 * 100)) * 1000);
    expect(pair.b.outputs.filter(({ type }) => type === 'message').length).toBe(1);
  });
});
