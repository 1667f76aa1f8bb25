import type { MonotonicMs, WallMs } from '../core/time.ts';
import type { Clock } from '../ports/clock.ts';

/**
 * The clocks of this machine. The monotonic one starts with the process, has microseconds, and on Linux and Android stands still while the machine is suspended; the wall clock is
 * whatever the system believes.
 */
export const systemClock: Clock = {
  now: () => ({ monotonicMs: performance.now() as MonotonicMs, wallMs: Date.now() as WallMs }),
};
