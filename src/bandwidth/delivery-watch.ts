import type { MonotonicMs } from '../core/time.ts';
import type { PacketFate } from '../ports/rate-control.ts';

/**
 * Notices a link that collapsed: where far more is lost than arrives, sending more is pointless whatever the reason, and what arrives is what the link carries.
 *
 * No radio that is worth using loses three packets of four, but a link that has become a hundred times slower, with a buffer of a few packets, loses ninety-nine of a hundred. Queueing delay says little then, and the
 * measurement of arrivals waits for packets that come one by one; the fates of what was sent come in fast.
 */

/** A verdict needs this long, or a round trip if that is longer, and this many lost packets. */
const spanMsMin = 50;
const lostPacketsMin = 12;
/** Lost for each one that arrived. */
const lostPerArrived = 3;

/** What arrived and what was lost lately on one path. */
export class DeliveryWatch {
  #startedAt: MonotonicMs;
  #arrivedBytes = 0;
  #arrivedPackets = 0;
  #lostPackets = 0;
  #ignoredBefore = -Infinity as MonotonicMs;

  constructor(now: MonotonicMs) {
    this.#startedAt = now;
  }

  /**
   * Takes the fate of packets: all lost, or all arrived. When the link has collapsed, the rate at which it delivered lately, bytes a millisecond, 0 included; else `undefined`. `rttMs` is the least round trip.
   */
  take(packets: readonly PacketFate[], lost: boolean, rttMs: number, now: MonotonicMs): number | undefined {
    // What was sent before the last verdict could not know of it.
    for (const { bytes, sentAt } of packets) {
      if (sentAt < this.#ignoredBefore) continue;
      if (lost) this.#lostPackets++;
      else {
        this.#arrivedPackets++;
        this.#arrivedBytes += bytes;
      }
    }
    const spanMs = now - this.#startedAt;
    if (spanMs < Math.max(spanMsMin, rttMs)) return undefined;
    const collapsed = this.#lostPackets >= lostPacketsMin && this.#lostPackets > lostPerArrived * this.#arrivedPackets;
    const delivered = collapsed ? this.#arrivedBytes / spanMs : undefined;
    if (collapsed) this.#ignoredBefore = now;
    this.#restart(now);
    return delivered;
  }

  /** The rate was lowered: what was sent before says nothing about the one that is used now. */
  startAnew(now: MonotonicMs): void {
    this.#ignoredBefore = now;
    this.#restart(now);
  }

  #restart(now: MonotonicMs): void {
    this.#startedAt = now;
    this.#arrivedBytes = 0;
    this.#arrivedPackets = 0;
    this.#lostPackets = 0;
  }
}
