import { later, type MonotonicMs } from '../core/time.ts';

/**
 * How long packets wait in the queue in front of the bottleneck, from their one-way delays.
 *
 * The two clocks have an unknown offset, so a single one-way delay says nothing; but the least one seen lately is that of an empty queue, and what another has above it is queueing. The time to
 * transmit the packet itself is taken off first, as a long packet on a slow link would look queued beside a short one. The base is the minimum over one to two `memoryMs`, so that drifting clocks (50 ppm
 * are 3 ms a minute) and changed routes are followed.
 *
 * Links with jitter delay single packets for reasons of their own. What stands in the queue shows in the *minimum* over many packets, as in CoDel (RFC 8289).
 */
export class QueueDelay {
  #base: number | undefined;
  #baseBefore: number | undefined;
  #turnAt: MonotonicMs | undefined;
  #least = Infinity;

  /** Takes one packet: its one-way delay in milliseconds with any offset, and the milliseconds its transmission takes at the bottleneck. */
  take(oneWayMs: number, transmissionMs: number, memoryMs: number, now: MonotonicMs): void {
    const delayMs = oneWayMs - transmissionMs;
    if (this.#turnAt === undefined || now >= this.#turnAt) {
      this.#baseBefore = this.#base;
      this.#base = delayMs;
      this.#turnAt = later(now, memoryMs);
    }
    this.#base = Math.min(this.#base ?? delayMs, delayMs);
    this.#least = Math.min(this.#least, delayMs - Math.min(this.#base, this.#baseBefore ?? Infinity));
  }

  /** The least queueing delay since this was last asked, milliseconds; 0 when there was no packet. */
  takeLeast(): number {
    const least = this.#least === Infinity ? 0 : this.#least;
    this.#least = Infinity;
    return least;
  }

  /** Forgets the base: the transmission time that was taken off turned out to be wrong. */
  reset(): void {
    this.#base = undefined;
    this.#baseBefore = undefined;
    this.#turnAt = undefined;
    this.#least = Infinity;
  }
}
