import { later, type MonotonicMs } from '../core/time.ts';

/**
 * A rate cap: a bucket that fills at the rate and is emptied by what goes (the leaky bucket as a meter, ITU-T I.371 annex A). It may be overdrawn, by what must not wait; then it has to fill
 * up from below nothing first, so that the rate holds over any longer time.
 */

/** The bucket holds what flows in this time, so that pacing in between is smooth. */
const burstMs = 100;
/** But at least a long packet, headers counted. */
const burstBytesMin = 1500;

/** One cap. */
export class TokenBucket {
  readonly #bytesPerMs: number;
  readonly #burstBytes: number;
  #tokens: number;
  #at: MonotonicMs;

  /** Begins full. `rateBytesPerSecond` is above 0. */
  constructor(rateBytesPerSecond: number, now: MonotonicMs) {
    this.#bytesPerMs = rateBytesPerSecond / 1000;
    this.#burstBytes = Math.max(burstBytesMin, this.#bytesPerMs * burstMs);
    this.#tokens = this.#burstBytes;
    this.#at = now;
  }

  /** So many bytes go now, whether they were available or not. */
  take(bytes: number, now: MonotonicMs): void {
    const grown = Math.max(0, now - this.#at) * this.#bytesPerMs;
    this.#tokens = Math.min(this.#burstBytes, this.#tokens + grown) - bytes;
    this.#at = later(this.#at, Math.max(0, now - this.#at));
  }

  /** The instant, perhaps past, from which on so many bytes are available; for more than a burst that at which the bucket is full. */
  availableAt(bytes: number): MonotonicMs {
    return later(this.#at, (Math.min(bytes, this.#burstBytes) - this.#tokens) / this.#bytesPerMs);
  }
}
