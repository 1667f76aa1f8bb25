import { describe, expect, it } from 'vitest';
import type { PathKind } from '../../src/session/ledger.ts';
import type { LinkModel } from '../../src/simulation/virtual-link.ts';
import { saturate } from './session-load.ts';
import { dial, sessionPair } from './session-pair.ts';

/** One-way delays of 200-byte critical messages, twice a second for a minute, behind bulk without end; and the share of the link that the bulk kept. */
function urgency(kind: PathKind, model: LinkModel & { rateBytesPerSecond: number }) {
  const pair = sessionPair(1, kind, model);
  const meter = saturate(pair);
  const sentAt: number[] = [];
  const delays: number[] = [];
  const countBulk = pair.b.react;
  pair.b.react = (output) => {
    countBulk(output);
    if (output.type === 'message') delays.push(pair.agenda.now.monotonicMs - sentAt[output.bytes[0]!]!);
  };
  dial(pair, kind);
  pair.agenda.runUntil(5000);
  const before = meter.received;
  for (let i = 0; i < 120; i++) {
    sentAt.push(pair.agenda.now.monotonicMs);
    pair.a.endpoint.sendMessage(pair.a.session!, 'critical', new Uint8Array(200).fill(i), pair.agenda.now);
    pair.wires.pump(pair.a);
    pair.agenda.runUntil(5000 + (i + 1) * 500 + ((i * 37) % 200));
  }
  delays.sort((a, b) => a - b);
  const bulk = (meter.received - before) / (model.rateBytesPerSecond * ((pair.agenda.now.monotonicMs - 5000) / 1000));
  return { count: delays.length, medianMs: delays[delays.length >> 1]!, maxMs: delays.at(-1)!, bulk };
}

describe('an urgent message behind saturating bulk', () => {
  it('takes at most a round trip and 60 ms at 256 kbit/s, while bulk keeps 0.9 of the link', () => {
    const result = urgency('datagram', { rateBytesPerSecond: 32_000, delayMs: 50, queueBytes: 65_536 });
    expect(result.count).toBe(120);
    expect(result.medianMs).toBeLessThanOrEqual(160);
    expect(result.maxMs).toBeLessThanOrEqual(300);
    expect(result.bulk).toBeGreaterThanOrEqual(0.9);
  });

  it('waits for less than the promised 200 ms in the buffers of a stream', () => {
    const result = urgency('stream', { rateBytesPerSecond: 1_250_000, delayMs: 50 });
    expect(result.count).toBe(120);
    expect(result.maxMs).toBeLessThanOrEqual(50 + 200);
    expect(result.bulk).toBeGreaterThanOrEqual(0.9);
  });
});

describe('the classes', () => {
  it('pre-empt one another, and leave the last a little', () => {
    const pair = sessionPair(1, 'datagram', { rateBytesPerSecond: 20_000, delayMs: 20, queueBytes: 65_536 });
    const got = { emergency: 0, critical: 0, normal: 0, bulk: 0 };
    const transfers = ['emergency', 'critical', 'normal', 'bulk'] as const;
    pair.a.react = (output) => {
      if (output.type !== 'established') return;
      transfers.forEach((priority, transfer) => {
        pair.a.endpoint.sendData(
          output.session,
          priority,
          { transfer, offset: 0, bytes: new Uint8Array(400_000), last: true },
          pair.agenda.now,
        );
      });
    };
    pair.b.react = (output) => {
      if (output.type === 'data') got[transfers[output.transfer]!] += output.bytes.length;
    };
    dial(pair, 'datagram');
    pair.agenda.runUntil(15_000);
    const all = got.emergency + got.critical + got.normal + got.bulk;
    expect(got.emergency / all).toBeGreaterThan(0.85);
    for (const waiting of ['critical', 'normal', 'bulk'] as const) {
      expect(got[waiting] / all).toBeGreaterThan(0.015);
      expect(got[waiting] / all).toBeLessThan(0.06);
    }
  });
});
