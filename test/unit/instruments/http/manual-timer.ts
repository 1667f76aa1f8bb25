import type { InstrumentTimer } from '../../../../src/instruments/driver.ts';

/** A timer that counts how often it was asked and goes off only when told. */
export class ManualTimer implements InstrumentTimer {
  nowMs = 0;
  #waiting: (() => void)[] = [];

  monotonicMs(): number {
    return this.nowMs;
  }

  wallMs(): number {
    return this.nowMs;
  }

  wait(_durationMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      signal?.addEventListener('abort', () => resolve());
    });
  }

  /** Everything that is waited for has come. */
  expire(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
