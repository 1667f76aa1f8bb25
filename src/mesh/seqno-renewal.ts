import { later, type MonotonicMs } from '../core/time.ts';

/**
 * When a node takes a new sequence number without being asked for one.
 *
 * Whoever loses sight of a node remembers the best metric that it ever advertised for it, and when the two halves of a network meet again the way is usually a little longer: each route of one half to the other is unfeasible then, and
 * each needs a request that crosses the network and comes back. But a partition is seen from both sides. So a node that loses a route takes a new number soon afterwards, for those who lost the one to it. Once for all that is lost
 * together, and rarely: where something is lost all the time, a number that is ten seconds old serves as well.
 */

/** What is lost together is noticed within this time. */
const gatherMs = 300;
const pauseMs = 10_000;

/** Remembers that a new sequence number is due. */
export class SeqnoRenewal {
  #dueAt: MonotonicMs | undefined;
  #renewedAt = -Infinity as MonotonicMs;

  /** A route was lost. */
  lost(now: MonotonicMs): void {
    this.#dueAt ??= Math.max(later(now, gatherMs), later(this.#renewedAt, pauseMs)) as MonotonicMs;
  }

  get dueAt(): MonotonicMs | undefined {
    return this.#dueAt;
  }

  /** The number is taken, for this reason or for another. */
  renewed(now: MonotonicMs): void {
    this.#dueAt = undefined;
    this.#renewedAt = now;
  }
}
