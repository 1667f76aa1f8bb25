import { limits } from '../core/limits.ts';
import type { WallMs } from '../core/time.ts';

/**
 * Hybrid logical clock (Kulkarni et al., "Logical Physical Clocks", 2014): instants that follow the wall clock where it is sane and never contradict cause and effect.
 *
 * A revision written after another was seen carries a greater instant, as long as the two authors' clocks are within a day of each other (`limits.clockLeadMsMax`). Instants order what version
 * vectors leave open (which of two concurrent heads the policy `latest` prefers, what is shown first); they never decide whether something is lost.
 */
export interface HybridInstant {
  /** Milliseconds since 1970 UTC. */
  readonly wallMs: number;
  /** Tells apart instants of one millisecond, from 0. */
  readonly counter: number;
}

/** Order of two instants as a comparator value. */
export function compareInstants(a: HybridInstant, b: HybridInstant): number {
  return a.wallMs - b.wallMs || a.counter - b.counter;
}

/** The clock of one node. Restored from the greatest instant it issued or followed. */
export class HybridClock {
  #last: HybridInstant;

  constructor(last: HybridInstant = { wallMs: 0, counter: 0 }) {
    this.#last = last;
  }

  /** The instant of something that happens here now. Greater than every instant issued or followed before. */
  issue(wallMs: WallMs): HybridInstant {
    const whole = Math.floor(wallMs);
    this.#last = whole > this.#last.wallMs ? { wallMs: whole, counter: 0 } : { wallMs: this.#last.wallMs, counter: this.#last.counter + 1 };
    return this.#last;
  }

  /**
   * Notes an instant from another node. One that is further ahead of our wall clock than `limits.clockLeadMsMax` is recorded with its revision but not followed: a logger that
   * believes it is 2099 must not drag the team there.
   */
  observe(instant: HybridInstant, wallMs: WallMs): void {
    if (instant.wallMs > wallMs + limits.clockLeadMsMax) return;
    if (compareInstants(instant, this.#last) > 0) this.#last = instant;
  }
}
