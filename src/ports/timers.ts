/** Wakes the driver. Machines never see it: they return deadlines. */
export interface Timers {
  /** Calls back once after `delayMs`, unless cancelled before. A pending timer does not keep the process alive by itself. */
  schedule(delayMs: number, callback: () => void): { cancel(): void };
}
