import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FairShares } from '../../../src/bandwidth/fair-shares.ts';
import { TokenBucket } from '../../../src/bandwidth/token-bucket.ts';
import type { MonotonicMs } from '../../../src/core/time.ts';

const at = (ms: number): MonotonicMs => ms as MonotonicMs;

describe('a token bucket', () => {
  it('never lets more through than the rate, a burst and one packet, over any time', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 50, max: 1_000_000 }),
        fc.array(fc.tuple(fc.nat(2000), fc.integer({ min: 1, max: 1500 })), { maxLength: 200 }),
        (rate, tries) => {
          const bucket = new TokenBucket(rate, at(0));
          let now = 0;
          let sent = 0;
          for (const [pauseMs, bytes] of tries) {
            now += pauseMs;
            if (bucket.availableAt(1500) > now) continue;
            bucket.take(bytes, at(now));
            sent += bytes;
            expect(sent).toBeLessThanOrEqual((rate * now) / 1000 + Math.max(1500, rate / 10) + 1e-3);
          }
        },
      ),
    );
  });

  it('has to fill up from below nothing after it was overdrawn', () => {
    const bucket = new TokenBucket(1000, at(0));
    bucket.take(1500 + 4000, at(0));
    expect(bucket.availableAt(1500)).toBeCloseTo(5500);
    bucket.take(0, at(5500));
    expect(bucket.availableAt(1500)).toBeCloseTo(5500);
    expect(bucket.availableAt(100_000)).toBe(bucket.availableAt(1500));
  });
});

describe('fair shares', () => {
  it('give queues that always wait bytes by their weights', () => {
    const weights: Record<string, number> = { a: 1, b: 2, c: 5 };
    const shares = new FairShares<string>((key) => weights[key] ?? 1);
    const sent: Record<string, number> = { a: 0, b: 0, c: 0 };
    for (let packet = 0; packet < 8000; packet++) {
      const key = shares.next(['a', 'b', 'c', 'a']) as string;
      const bytes = 300 + ((packet * 7919) % 900);
      shares.sent(key, bytes);
      sent[key] = (sent[key] as number) + bytes;
    }
    expect((sent.b as number) / (sent.a as number)).toBeCloseTo(2, 1);
    expect((sent.c as number) / (sent.a as number)).toBeCloseTo(5, 1);
  });

  it('let nobody save up while there was nothing to send', () => {
    const shares = new FairShares<string>(() => 1);
    for (let i = 0; i < 100; i++) shares.sent(shares.next(['busy']) as string, 1000);
    const turns = Array.from({ length: 10 }, () => {
      const key = shares.next(['busy', 'late']) as string;
      shares.sent(key, 1000);
      return key;
    });
    expect(turns.filter((key) => key === 'late').length).toBeLessThanOrEqual(6);
    expect(new FairShares<string>(() => 1).next([])).toBeUndefined();
  });
});
