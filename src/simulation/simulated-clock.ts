import type { Moment, WallMs } from '../core/time.ts';
import type { Clock } from '../ports/clock.ts';
import type { VirtualAgenda } from './virtual-agenda.ts';

/**
 * The clock of a simulated computer: the world's virtual time, with a date that may be wrong.
 *
 * The monotonic reading is the agenda's own, so that a deadline and the agenda never differ by a rounding. The wall clock is off by as much as the simulation says; it may be changed at any
 * time, as a person, a GNSS receiver or an empty battery would change it.
 */
export class SimulatedClock implements Clock {
  readonly #agenda: VirtualAgenda;
  /** What this computer's date is ahead of the true one, in milliseconds, drift apart; negative when it is behind. */
  offsetMs = 0;
  /** Milliseconds that the date gains in a second, at most a few tenths in a bad crystal; negative when it loses them. Counts from the beginning of the world. */
  driftMsPerSecond = 0;

  constructor(agenda: VirtualAgenda) {
    this.#agenda = agenda;
  }

  now(): Moment {
    const { monotonicMs, wallMs } = this.#agenda.now;
    const drift = (monotonicMs / 1000) * this.driftMsPerSecond;
    return { monotonicMs, wallMs: Math.floor(wallMs + this.offsetMs + drift) as WallMs };
  }

  /** The wall clock in nanoseconds since 1970 UTC, as file systems keep it: whole milliseconds here. */
  nowNs(): bigint {
    return BigInt(this.now().wallMs) * 1_000_000n;
  }
}
