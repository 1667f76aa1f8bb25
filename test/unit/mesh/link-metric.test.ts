import { describe, expect, it } from 'vitest';
import { linkCost, metricCode, metricOfCode, roundMetric, unreachable } from '../../../src/mesh/link-metric.ts';

describe('the cost of a link', () => {
  it('is the time that 16 KiB take at its rate, and half a round trip', () => {
    expect(linkCost({ rateBytesPerSecond: 16_384, rttMs: 100, lossRatio: 0 })).toBe(1050);
    expect(linkCost({ rateBytesPerSecond: 100, rttMs: 2000, lossRatio: 0 })).toBeCloseTo(164_840, -3);
  });

  it('grows with the packets that have to be sent again, and with what they cost the owner', () => {
    const link = { rateBytesPerSecond: 16_384, rttMs: 0 };
    // Twice the transmission, and ten and a half times a pause before something is sent again.
    expect(linkCost({ ...link, lossRatio: 0.5 })).toBe(2540);
    expect(linkCost({ ...link, lossRatio: 0, penaltyMs: 500 })).toBe(1500);
  });

  it('is at least 1 and finite, whatever is claimed of the link', () => {
    expect(linkCost({ rateBytesPerSecond: 1e15, rttMs: 0, lossRatio: -3, penaltyMs: -7 })).toBe(1);
    expect(linkCost({ rateBytesPerSecond: 0.001, rttMs: 0, lossRatio: 7 })).toBeLessThan(unreachable);
  });
});

describe('a metric', () => {
  it('is rounded up to eleven bits, never down, and no further by a second rounding', () => {
    for (let metric = 1; metric < 2 ** 31; metric = Math.ceil(metric * 1.013)) {
      const rounded = roundMetric(metric);
      expect(rounded).toBeGreaterThanOrEqual(metric);
      expect(rounded).toBeLessThanOrEqual(Math.ceil(metric * 1.001));
      expect(roundMetric(rounded)).toBe(rounded);
      expect(metricOfCode(metricCode(metric))).toBe(rounded);
    }
  });

  it('beyond 24 days is infinite, in either direction', () => {
    expect(roundMetric(2 ** 31 + 1)).toBe(unreachable);
    expect(metricCode(unreachable)).toBe(0xffff);
    expect(metricOfCode(0xffff)).toBe(unreachable);
    expect(metricOfCode(0xfffe)).toBe(unreachable);
  });
});
