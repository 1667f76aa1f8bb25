import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MonotonicMs } from '../../../src/core/time.ts';
import { welcomeBytesMax } from '../../../src/session/frames.ts';
import { IncomingQuota } from '../../../src/session/incoming-quota.ts';
import { LaneWelcome } from '../../../src/session/lane-welcome.ts';

const at = (ms: number) => ms as MonotonicMs;

describe('what is welcome on a lane', () => {
  it('is everything before anything was said, and what was said last afterwards', () => {
    const welcome = new LaneWelcome();
    expect([welcome.least, welcome.bytesLeft(at(0)), welcome.allowsFrom(at(7), 1e9)]).toEqual(['bulk', Infinity, 7]);
    welcome.take({ type: 'welcome', least: 1, bytes: 5000, seconds: 60 }, 0, at(1000));
    welcome.sent(3000);
    expect([welcome.least, welcome.bytesLeft(at(2000)), welcome.bytesLeft(at(61_000))]).toEqual(['critical', 2000, Infinity]);
    expect([welcome.allowsFrom(at(7), 2000), welcome.allowsFrom(at(7), 2001), welcome.allowsFrom(at(99_000), 2001)]).toEqual([
      7, 61_000, 99_000,
    ]);
    welcome.sent(9000);
    expect(welcome.bytesLeft(at(2000))).toBe(0);
    welcome.take({ type: 'welcome', least: 4, bytes: welcomeBytesMax, seconds: 0 }, 1, at(3000));
    expect([welcome.least, welcome.bytesLeft(at(3000))]).toEqual([undefined, Infinity]);
  });

  it('is said until it was heard, and anew when it is another', () => {
    const welcome = new LaneWelcome();
    expect(welcome.unsaid).toBeUndefined();
    welcome.say({ least: undefined });
    expect(welcome.unsaid).toEqual({ type: 'welcome', least: 4, bytes: welcomeBytesMax, seconds: 0 });
    welcome.saidIn(5);
    welcome.lost(4);
    expect(welcome.unsaid).toBeUndefined();
    welcome.lost(5);
    expect(welcome.unsaid).toBeDefined();
    welcome.saidIn(6);
    welcome.say({ least: 'bulk', quota: { bytes: 99.5, seconds: 1.2 } });
    welcome.arrived(6);
    expect(welcome.unsaid).toEqual({ type: 'welcome', least: 3, bytes: 99, seconds: 2 });
    welcome.saidIn(7);
    welcome.arrived(7);
    welcome.lost(7);
    expect(welcome.unsaid).toBeUndefined();
  });
});

describe('what is told of a budget that counts what comes', () => {
  it('is nothing while there is plenty, or nothing is counted, and that there is plenty again', () => {
    const quota = new IncomingQuota();
    expect(quota.review(undefined, 100, at(0))).toBeUndefined();
    expect(quota.review({ bytes: 1e6, until: at(1e9) }, 100, at(0))).toBeUndefined();
    expect(quota.review({ bytes: 10_000, until: at(60_000) }, 100, at(0))).toEqual({ least: 'bulk', quota: { bytes: 5000, seconds: 60 } });
    expect(quota.review({ bytes: 9000, until: at(60_000) }, 100, at(10))).toBeUndefined();
    expect(quota.review({ bytes: 1e6, until: at(1e9) }, 100, at(20))).toEqual({ least: 'bulk' });
    expect(quota.review({ bytes: 1e6, until: at(1e9) }, 100, at(30))).toBeUndefined();
  });

  it('keeps an honest peer within it, and lets it use most of it', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 100, max: 200_000 }),
        fc.integer({ min: 5, max: 3000 }),
        fc.integer({ min: 50_000, max: 2_000_000 }),
        (bytesPerSecond, roundTripMs, bytes) => {
          // Of a budget that is used up within a few round trips more may be on its way than is left.
          const limitBytes = Math.max(bytes, Math.ceil(8 * bytesPerSecond * (roundTripMs / 1000)));
          const quota = new IncomingQuota();
          const stepMs = 10;
          const delay = Math.ceil(roundTripMs / 2 / stepMs);
          const arriving: number[] = [];
          const telling: (number | undefined)[] = [];
          let allowed = Infinity;
          let came = 0;
          let credit = 0;
          const steps = Math.ceil((3 * limitBytes * 1000) / bytesPerSecond / stepMs);
          for (let step = 0; step < Math.min(steps, 60_000); step++) {
            const now = at(step * stepMs);
            const told = telling[step - delay];
            if (told !== undefined) allowed = told;
            credit += (bytesPerSecond * stepMs) / 1000;
            const bytes = Math.min(Math.floor(credit), Math.floor(allowed));
            credit -= Math.floor(credit);
            allowed -= bytes;
            arriving[step] = bytes;
            const arrived = arriving[step - delay] ?? 0;
            came += arrived;
            if (arrived > 0) quota.received(arrived, now);
            const welcome = quota.review({ bytes: Math.max(0, limitBytes - came), until: at(1e9) }, roundTripMs, now);
            telling[step] = welcome === undefined ? undefined : (welcome.quota?.bytes ?? Infinity);
          }
          expect(came).toBeLessThanOrEqual(limitBytes);
          // What comes within two round trips is kept back.
          if (steps < 60_000) expect(came).toBeGreaterThan(0.85 * limitBytes - 3 * bytesPerSecond * (roundTripMs / 1000) - 2000);
        },
      ),
      { numRuns: 40, seed: 12 },
    );
  });
});
