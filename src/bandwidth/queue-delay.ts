import { later, type MonotonicMs } from '../core/time.ts';

/**
 * How long packets wait in the queue in front of the bottleneck, from their one-way delays.
 *
 * The two clocks have an unknown offset, so a single one-way delay says nothing; but the least one seen lately is that of an empty queue, and what another has above it is queueing. The time to
 * transmit the packet itself is taken off first, as a long packet on a slow link would look queued beside a short one. The base is the least over one to two `memoryMs`, so that drifting clocks (50 ppm
 * are 3 ms a minute) and changed routes are followed.
 *
 * Links with jitter delay single packets for reasons of their own. What stands in the queue shows in the *minimum* over many packets, as in CoDel (RFC 8289).
 */

/** A packet whose delay is remembered. Its transmission time is computed anew whenever it is compared, as the rate becomes known better. */
interface Sample {
  readonly oneWayMs: number;
  readonly bytes: number;
}

function withoutTransmission(sample: Sample, rate: number): number {
  return sample.oneWayMs - sample.bytes / rate;
}

function lesser(a: Sample | undefined, b: Sample, rate: number): Sample {
  return a === undefined || withoutTransmission(b, rate) < withoutTransmission(a, rate) ? b : a;
}

/** Share that a new difference has in the mean one. */
const jitterShare = 1 / 16;

/** The queueing delay of one path. */
export class QueueDelay {
  #base: Sample | undefined;
  #baseBefore: Sample | undefined;
  #turnAt: MonotonicMs | undefined;
  #least: Sample | undefined;
  /** What `takeLeast` gave last. */
  #leastTaken: Sample | undefined;
  #latest: Sample | undefined;
  #jitterMs = 0;

  /** Takes one packet: its one-way delay in milliseconds with any offset, its bytes, and the bottleneck's rate in bytes a millisecond as far as it is known (else `Infinity`). Returns by how much it lies below the base there was, milliseconds, 0 or more. */
  take(oneWayMs: number, bytes: number, rate: number, memoryMs: number, now: MonotonicMs): number {
    const sample = { oneWayMs, bytes };
    const base = this.#baseOf(rate);
    const belowMs = base === undefined ? 0 : Math.max(0, withoutTransmission(base, rate) - withoutTransmission(sample, rate));
    if (this.#turnAt === undefined || now >= this.#turnAt) {
      this.#baseBefore = this.#base;
      this.#base = undefined;
      this.#turnAt = later(now, memoryMs);
    }
    this.#base = lesser(this.#base, sample, rate);
    this.#least = lesser(this.#least, sample, rate);
    if (this.#latest !== undefined) {
      const difference = Math.abs(withoutTransmission(sample, rate) - withoutTransmission(this.#latest, rate));
      this.#jitterMs += (difference - this.#jitterMs) * jitterShare;
    }
    this.#latest = sample;
    return belowMs;
  }

  /** What looks like a queue stays although nothing feeds it: it is the path itself that has become longer. The base is taken anew from the packet that waited least since this was last asked for. */
  rebase(memoryMs: number, now: MonotonicMs): void {
    this.#base = this.#leastTaken ?? this.#base;
    this.#baseBefore = undefined;
    this.#turnAt = later(now, memoryMs);
  }

  /** Mean difference between the delays of one packet and the next that was measured, milliseconds. */
  get jitterMs(): number {
    return this.#jitterMs;
  }

  /** The least queueing delay since this was last asked, milliseconds; `undefined` when there was no packet. */
  takeLeast(rate: number): number | undefined {
    const least = this.#least;
    this.#least = undefined;
    this.#leastTaken = least ?? this.#leastTaken;
    const base = this.#baseOf(rate);
    if (least === undefined || base === undefined) return undefined;
    return Math.max(0, withoutTransmission(least, rate) - withoutTransmission(base, rate));
  }

  #baseOf(rate: number): Sample | undefined {
    return this.#base === undefined || this.#baseBefore === undefined ? this.#base : lesser(this.#baseBefore, this.#base, rate);
  }
}
