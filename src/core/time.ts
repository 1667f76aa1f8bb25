import type { Brand } from './brand.ts';

/**
 * Two clocks, because field computers have two: one that only counts forward and one that claims to know the date.
 *
 * Machines measure durations and set deadlines on the monotonic clock alone. The wall clock is data: it is recorded, with its quality, and never waited for.
 */

/** Milliseconds on this process's monotonic clock. Zero is arbitrary; only differences mean anything. May have a fraction. */
export type MonotonicMs = Brand<number, 'MonotonicMs'>;
/** Milliseconds since 1970-01-01T00:00:00Z by the wall clock, which may be wrong by years. */
export type WallMs = Brand<number, 'WallMs'>;

/** The present, as handed to every machine. */
export interface Moment {
  readonly monotonicMs: MonotonicMs;
  readonly wallMs: WallMs;
}

/** How far the wall clock can be trusted, best first: satellite, network time, a battery-backed clock, or nothing known. */
export type ClockQuality = 'gnss' | 'ntp' | 'rtc' | 'unknown';

/** When a machine wants to be called again if nothing else happens, and why. */
export interface Deadline {
  readonly at: MonotonicMs;
  readonly reason: string;
}

/** The instant `durationMs` after `instant`. */
export function later(instant: MonotonicMs, durationMs: number): MonotonicMs {
  return (instant + durationMs) as MonotonicMs;
}

/** The earlier of two deadlines, where either may be absent. */
export function earliest(a: Deadline | undefined, b: Deadline | undefined): Deadline | undefined {
  if (a === undefined) return b;
  if (b === undefined) return a;
  return b.at < a.at ? b : a;
}
