import type { PriorityClass } from '../core/priority.ts';
import type { MonotonicMs } from '../core/time.ts';

/**
 * When to tell the peer how much may still come, because a budget counts what comes.
 *
 * Nothing is said while there is plenty. From then on, and again each time that half of what was said has come, the peer is told half of what is left, less what is probably on its way already; so what both ends count
 * apart from one another comes together towards the end, several peers on one budget share it, and when what is left is no more than what is on its way, the peer is told to stop.
 */

/** What is welcome on a lane. */
export interface Welcome {
  /** Nothing less urgent, while there is another lane; `undefined`: nothing at all then. */
  readonly least: PriorityClass | undefined;
  /** Bytes on the link, all headers counted, for so many seconds from when it is heard. Absent: any number. */
  readonly quota?: { readonly bytes: number; readonly seconds: number };
}

/** What a budget leaves for what comes. */
export interface Incoming {
  /** Bytes on the link that may still come. */
  readonly bytes: number;
  /** When there is more again. */
  readonly until: MonotonicMs;
}

/** Plenty: more than this, and than what comes in this time besides four round trips. */
const plentyBytes = 16_384;
const plentyMs = 5000;
/** Less than this is not worth a packet. */
const leastBytes = 640;
const windowMs = 1000;
/** More may be on its way than the rate of the last window says. */
const underWayMargin = 1.25;

/** What is told to the peer of one lane. */
export class IncomingQuota {
  #told: { readonly bytes: number; readonly until: MonotonicMs } | undefined;
  #sinceTold = 0;
  /** Bytes that came in the present window, and the rate of the last one. */
  #window = { from: -Infinity as MonotonicMs, bytes: 0 };
  #bytesPerMs = 0;

  /** So many bytes came. */
  received(bytes: number, now: MonotonicMs): void {
    this.#sinceTold += bytes;
    const elapsedMs = now - this.#window.from;
    if (elapsedMs >= windowMs) {
      // After a pause the burst that ends it says little; it counts as if it had taken a window.
      this.#bytesPerMs = this.#window.bytes / Math.min(elapsedMs, 2 * windowMs);
      this.#window = { from: now, bytes: 0 };
    }
    this.#window.bytes += bytes;
  }

  /** The peer is about to be told something else: what it was told before is said again with it. */
  sayAnew(): void {
    this.#told = undefined;
  }

  /** What to tell the peer now, if anything is to be said. `incoming` is `undefined` when nothing that comes is counted. */
  review(incoming: Incoming | undefined, roundTripMs: number, now: MonotonicMs): Welcome | undefined {
    const rate = Math.max(this.#bytesPerMs, this.#window.bytes / windowMs);
    const isPlenty = incoming === undefined || incoming.bytes > Math.max(plentyBytes, rate * (plentyMs + 4 * roundTripMs));
    const told = this.#told !== undefined && this.#told.until > now ? this.#told : undefined;
    if (isPlenty) {
      this.#told = undefined;
      return told === undefined ? undefined : { least: 'bulk' };
    }
    if (told !== undefined && (told.bytes === 0 || this.#sinceTold < told.bytes / 2)) return undefined;
    const bytes = Math.max(0, incoming.bytes / 2 - rate * roundTripMs * underWayMargin);
    this.#told = { bytes: bytes < leastBytes ? 0 : bytes, until: incoming.until };
    this.#sinceTold = 0;
    return { least: 'bulk', quota: { bytes: this.#told.bytes, seconds: Math.max(0, (incoming.until - now) / 1000) } };
  }
}
