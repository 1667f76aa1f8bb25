import { setTimeout as delay } from 'node:timers/promises';

/** Waiting, for drivers. */
export const instrumentTimer = {
  monotonicMs: (): number => performance.now(),
  wallMs: (): number => Date.now(),
  async wait(durationMs: number, signal?: AbortSignal): Promise<void> {
    try {
      await delay(durationMs, undefined, { ref: false, ...(signal === undefined ? {} : { signal }) });
    } catch (error) {
      if (signal?.aborted !== true) throw error;
    }
  },
};
