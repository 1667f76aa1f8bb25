import { describe, expect, it } from 'vitest';
import { ArrivalWindows } from '../../../src/bandwidth/arrival-windows.ts';
import { DeliveryWatch } from '../../../src/bandwidth/delivery-watch.ts';
import { LossWatch } from '../../../src/bandwidth/loss-watch.ts';
import { QueueDelay } from '../../../src/bandwidth/queue-delay.ts';
import { seededRandom } from '../../../src/core/random.ts';
import type { MonotonicMs } from '../../../src/core/time.ts';
import type { PacketFate } from '../../../src/ports/rate-control.ts';

const at = (ms: number) => ms as MonotonicMs;
const fate = (sentAt: number, bytes = 1000, run = 0): PacketFate => ({ bytes, sentAt: at(sentAt), run });

describe('arrival windows', () => {
  const ack = (sentAt: number, arrivedAtMs: number, packets: PacketFate[] = [fate(sentAt)], run = 0) => ({
    packets,
    newest: fate(sentAt, 1000, run),
    arrivedAtMs,
    rttMs: 100,
    bytesInFlight: 0,
  });

  it('measure bytes after the first burst over the time from first to last arrival', () => {
    const windows = new ArrivalWindows();
    // The first acknowledgement opens the window; its own bytes do not count.
    expect(windows.take(ack(0, 1000, [fate(0), fate(0), fate(0)]), 20, 2000)).toBeUndefined();
    expect(windows.take(ack(10, 1010), 20, 2000)).toBeUndefined();
    expect(windows.take(ack(15, 1030), 20, 2000)).toEqual({ bytes: 2000, arrivalSpanMs: 30, sendSpanMs: 15, lastSentAt: 15 });
    // The next one begins where this one ended.
    expect(windows.take(ack(40, 1060, [fate(20), fate(40)]), 20, 2000)).toMatchObject({ bytes: 2000, arrivalSpanMs: 30, sendSpanMs: 25 });
  });

  it('do not span a pause of the sender', () => {
    const windows = new ArrivalWindows();
    windows.take(ack(0, 0), 20, 0);
    expect(windows.take(ack(1000, 1000, [fate(1000)], 1), 20, 0)).toBeUndefined();
    expect(windows.take(ack(1050, 1050, [fate(1050)], 1), 20, 0)).toMatchObject({ arrivalSpanMs: 50, bytes: 1000 });
  });

  it('count what fills a hole, and start anew when arrivals go backwards', () => {
    const windows = new ArrivalWindows();
    windows.take(ack(0, 100), 20, 0);
    expect(windows.take({ packets: [fate(3)], arrivedAtMs: 0, rttMs: 1, bytesInFlight: 0 }, 20, 0)).toBeUndefined();
    expect(windows.take(ack(30, 130), 20, 0)).toMatchObject({ bytes: 2000 });
    expect(windows.take(ack(31, 90), 20, 0)).toBeUndefined();
    expect(windows.take(ack(62, 121), 20, 0)).toMatchObject({ bytes: 1000, arrivalSpanMs: 31 });
  });
});

describe('queueing delay', () => {
  it('is what one-way delays have above the least, whatever the offset of the clocks', () => {
    const delay = new QueueDelay();
    expect(delay.takeLeast(Infinity)).toBeUndefined();
    delay.take(-5000, 1000, 100, 10_000, at(0));
    expect(delay.takeLeast(100)).toBe(0);
    delay.take(-4960, 1000, 100, 10_000, at(1));
    delay.take(-4970, 1000, 100, 10_000, at(2));
    expect(delay.takeLeast(100)).toBe(30);
  });

  it('does not take a long packet on a slow link for a queued one', () => {
    const delay = new QueueDelay();
    delay.take(50 + 1000, 100, 0.1, 10_000, at(0));
    delay.takeLeast(0.1);
    delay.take(50 + 6400, 640, 0.1, 10_000, at(1));
    expect(delay.takeLeast(0.1)).toBe(0);
    // The same packets at a rate that has become known better.
    delay.take(50 + 6400, 640, 0.2, 10_000, at(2));
    expect(delay.takeLeast(0.2)).toBeCloseTo(2700);
  });

  it('forgets its base after one to two memories', () => {
    const delay = new QueueDelay();
    delay.take(0, 0, 1, 1000, at(0));
    delay.take(50, 0, 1, 1000, at(1500));
    delay.takeLeast(1);
    delay.take(50, 0, 1, 1000, at(1600));
    expect(delay.takeLeast(1)).toBe(50);
    delay.take(50, 0, 1, 1000, at(2600));
    expect(delay.takeLeast(1)).toBe(0);
  });

  it('tells by how much a packet lies below the base, and takes the base anew when told', () => {
    const delay = new QueueDelay();
    expect(delay.take(100, 1000, 10, 1e6, at(0))).toBe(0);
    expect(delay.take(20, 1000, 10, 1e6, at(1))).toBe(80);
    delay.take(300, 1000, 10, 1e6, at(2));
    delay.takeLeast(10);
    delay.take(290, 1000, 10, 1e6, at(3));
    expect(delay.takeLeast(10)).toBe(270);
    delay.rebase(1e6, at(4));
    delay.take(295, 1000, 10, 1e6, at(5));
    expect(delay.takeLeast(10)).toBe(5);
  });

  it('knows how much delays jump', () => {
    const delay = new QueueDelay();
    for (let i = 0; i < 200; i++) delay.take(i % 2 === 0 ? 0 : 20, 0, 1, 1e6, at(i));
    expect(delay.jitterMs).toBeCloseTo(20, 1);
  });
});

describe('the watch over losses', () => {
  /** Packets sent one a millisecond, lost at random. */
  function run(watch: LossWatch, count: number, lossRatio: number, from = 0, seed = 1): number {
    const random = seededRandom(seed);
    let overflowing = 0;
    for (let i = 0; i < count; i++) {
      watch.take([fate(from + i)], random.float() < lossRatio);
      if (watch.overflows) overflowing++;
    }
    return overflowing / count;
  }

  it('calls loss an overflow while nothing is known, and not any more once it has been seen below the rate', () => {
    const watch = new LossWatch();
    expect(run(watch, 1000, 0.1)).toBeGreaterThan(0.5);
    expect(watch.knowsBase).toBe(false);
    watch.restrain(at(1000), at(2000));
    run(watch, 1000, 0.1, 1000);
    expect([watch.knowsBase, watch.withinBase]).toEqual([true, true]);
    expect(watch.baseShare).toBeCloseTo(0.1, 1);
    watch.clear();
    expect(run(watch, 2000, 0.1, 2000, 3)).toBeLessThan(0.2);
  });

  it('notices when more than the base is lost', () => {
    const watch = new LossWatch();
    watch.restrain(at(0), at(1000));
    run(watch, 1000, 0.02);
    watch.clear();
    expect(run(watch, 400, 0.2, 1000)).toBeGreaterThan(0.6);
    expect(watch.withinBase).toBe(false);
    expect(watch.share).toBeGreaterThan(0.1);
  });

  it('forgets what the link was, once it has become a slower one', () => {
    const watch = new LossWatch();
    watch.restrain(at(0), at(1000));
    run(watch, 1000, 0.5);
    expect(watch.baseShare).toBeGreaterThan(0.4);
    watch.startAnew(at(1000));
    run(watch, 500, 1, 400);
    expect([watch.share, watch.baseShare, watch.knowsBase, watch.overflows]).toEqual([0, 0, false, false]);
    run(watch, 100, 1, 1000);
    expect(watch.overflows).toBe(true);
  });

  it('has nothing to say without packets', () => {
    const watch = new LossWatch();
    expect([watch.share, watch.baseShare, watch.overflows, watch.knowsBase, watch.withinBase]).toEqual([0, 0, false, false, false]);
  });
});

describe('the watch over delivery', () => {
  const many = (count: number, sentAt: number) => Array.from({ length: count }, () => fate(sentAt));

  it('takes what arrives for all that the link carries, where three times as many packets are lost', () => {
    const watch = new DeliveryWatch(at(0));
    expect(watch.take(many(60, 10), true, 20, at(30))).toBeUndefined();
    expect(watch.take(many(4, 10), false, 20, at(80))).toBe(4000 / 80);
  });

  it('does not judge by a few packets, before a round trip, or by the loss of a bad radio', () => {
    const watch = new DeliveryWatch(at(0));
    expect(watch.take(many(11, 0), true, 20, at(100))).toBeUndefined();
    expect(watch.take(many(60, 0), true, 500, at(200))).toBeUndefined();
    expect(watch.take(many(25, 0), false, 500, at(700))).toBeUndefined();
  });

  it('ignores what was sent before the rate was lowered', () => {
    const watch = new DeliveryWatch(at(0));
    expect(watch.take(many(60, 10), true, 20, at(60))).toBe(0);
    expect(watch.take(many(60, 50), true, 20, at(120))).toBeUndefined();
    watch.startAnew(at(200));
    expect(watch.take(many(60, 190), true, 20, at(300))).toBeUndefined();
    expect(watch.take(many(60, 210), true, 20, at(400))).toBe(0);
  });
});
