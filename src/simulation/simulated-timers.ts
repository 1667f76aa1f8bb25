import type { MonotonicMs } from '../core/time.ts';
import type { Timers } from '../ports/timers.ts';
import type { VirtualAgenda } from './virtual-agenda.ts';

/**
 * The timers of one run of a simulated process, on the world's agenda.
 *
 * Real timers have a resolution, and so have these: they go off on the first 1/1024 of a millisecond that is not before the time asked for. A power of two keeps the sum exact; without it
 * a delay smaller than the last digit of the present would go off at once, be found too early, and be set again for ever.
 */
const ticksPerMs = 1024;

/** The timers of one run. Once halted they never go off, and nobody who waits for one is answered. */
export class SimulatedTimers implements Timers {
  readonly #agenda: VirtualAgenda;
  readonly #pending = new Set<{ cancel(): void }>();
  #halted = false;

  constructor(agenda: VirtualAgenda) {
    this.#agenda = agenda;
  }

  schedule(delayMs: number, callback: () => void): { cancel(): void } {
    const now = this.#agenda.now.monotonicMs;
    const due = Math.ceil((now + Math.max(0, delayMs)) * ticksPerMs) / ticksPerMs;
    const at = delayMs > 0 && due <= now ? now + 1 / ticksPerMs : due;
    const action = this.#agenda.at(at as MonotonicMs, () => {
      this.#pending.delete(timer);
      callback();
    });
    const timer = {
      cancel: () => {
        this.#pending.delete(timer);
        action.cancel();
      },
    };
    if (this.#halted) action.cancel();
    else this.#pending.add(timer);
    return timer;
  }

  /** Resolves after `durationMs`; never, once the process has ended. */
  wait(durationMs: number, signal?: AbortSignal): Promise<void> {
    if (this.#halted) return new Promise(() => undefined);
    return new Promise((resolve) => {
      if (signal?.aborted) resolve();
      const timer = this.schedule(durationMs, resolve);
      signal?.addEventListener('abort', () => {
        timer.cancel();
        resolve();
      });
    });
  }

  /** How many have been set and have not gone off. */
  get pending(): number {
    return this.#pending.size;
  }

  /** The process is gone: nothing goes off any more. */
  halt(): void {
    this.#halted = true;
    for (const timer of [...this.#pending]) timer.cancel();
  }
}
