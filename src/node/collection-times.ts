import type { Moment, MonotonicMs, WallMs } from '../core/time.ts';
import { type CronTimes, openingsOf } from '../forwarding/cron-times.ts';

/**
 * When an instrument is visited next.
 *
 * By the clock (`at`), a visit that a power cut or a long failure left out is made up for as soon as there can be one, once: the instrument's ring memory holds what was missed. After a failure the pauses grow, as every
 * attempt wakes the instrument's radio, up to an hour, but not beyond half the time in which the ring is overwritten.
 */

/** What brings about a visit. */
export type VisitReason = 'interval' | 'time' | 'retry' | 'connection' | 'arrival';

/** When a duty wants to visit. */
export interface VisitTimes {
  /** Milliseconds from the end of one visit to the beginning of the next. */
  readonly everyMs?: number;
  /** Times by the clock, UTC. */
  readonly at: readonly CronTimes[];
}

/** What is known of a duty's visits. */
export interface VisitHistory {
  /** When the duty was taken up, by the wall clock. */
  readonly takenUpMs: WallMs;
  /** When the last visit began, by the wall clock; also in an earlier life of the process. */
  readonly attemptedMs?: WallMs;
  /** When the last visit of this life ended. */
  readonly endedAt?: MonotonicMs;
  /** Failed visits in a row. */
  readonly failures: number;
  /** Time in which the instrument's memory is overwritten, where it said so. */
  readonly ringMs?: number;
}

const firstRetryMs = 60_000;
const longestRetryMs = 3_600_000;

/** Milliseconds until a visit is repeated that has failed so often in a row. */
export function retryPauseMs(everyMs: number | undefined, failures: number, ringMs = Number.POSITIVE_INFINITY): number {
  const base = everyMs ?? firstRetryMs;
  return Math.max(base, Math.min(base * 2 ** (failures - 1), longestRetryMs, ringMs / 2));
}

/** The next visit that time brings about, in milliseconds from now; `undefined` where only an event does. */
export function nextVisit(
  { everyMs, at }: VisitTimes,
  { takenUpMs, attemptedMs, endedAt, failures, ringMs }: VisitHistory,
  { monotonicMs, wallMs }: Moment,
): { readonly delayMs: number; readonly reason: VisitReason } | undefined {
  const candidates: { readonly delayMs: number; readonly reason: VisitReason }[] = [];
  if (endedAt !== undefined && failures > 0)
    candidates.push({ delayMs: endedAt + retryPauseMs(everyMs, failures, ringMs) - monotonicMs, reason: 'retry' });
  else if (everyMs !== undefined)
    candidates.push({ delayMs: endedAt === undefined ? 0 : endedAt + everyMs - monotonicMs, reason: 'interval' });
  // A clock that was put back must not keep an instrument waiting until it has caught up.
  const from = Math.min(attemptedMs ?? takenUpMs, wallMs);
  for (const times of at) {
    const { value } = openingsOf(times, (from + 1) as WallMs).next();
    if (value !== undefined) candidates.push({ delayMs: value - wallMs, reason: 'time' });
  }
  const [first] = candidates.sort((a, b) => a.delayMs - b.delayMs);
  return first && { ...first, delayMs: Math.max(0, first.delayMs) };
}
