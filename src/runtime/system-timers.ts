import type { Timers } from '../ports/timers.ts';

/** The longest wait that `setTimeout` takes; a longer one would come back after one millisecond. */
const timeoutMsMax = 2 ** 31 - 1;

/**
 * The timers of this process. Never early: the system rounds to whole milliseconds in either direction, so what wakes too soon waits for the rest. What is due already comes back as soon as
 * pending input has had its turn. Waits may be of any length.
 */
export const systemTimers: Timers = {
  schedule(delayMs, callback) {
    const dueAt = performance.now() + delayMs;
    let cancelPending: () => void;
    const wait = (remainingMs: number) => {
      if (remainingMs <= 0) {
        // Not unref'd like the timers: Node does not wake from waiting for input for an immediate that nobody holds, and what is due would wait for the next packet.
        const immediate = setImmediate(callback);
        cancelPending = () => clearImmediate(immediate);
        return;
      }
      const timeout = setTimeout(check, Math.min(Math.ceil(remainingMs), timeoutMsMax)).unref();
      cancelPending = () => clearTimeout(timeout);
    };
    function check(): void {
      const remainingMs = dueAt - performance.now();
      if (remainingMs > 0) wait(remainingMs);
      else callback();
    }
    wait(delayMs);
    return { cancel: () => cancelPending() };
  },
};
