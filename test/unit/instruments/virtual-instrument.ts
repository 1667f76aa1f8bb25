import { setImmediate } from 'node:timers/promises';
import { type Random, seededRandom } from '../../../src/core/random.ts';
import type { Deadline, Moment, MonotonicMs, WallMs } from '../../../src/core/time.ts';
import type { InstrumentTimer, InstrumentTransport } from '../../../src/instruments/driver.ts';

/** 2026-01-01T00:00:00Z, where virtual time begins. */
export const startWallMs = 1_767_225_600_000;

/** Any simulated instrument of `src/simulation`. */
interface SimulatedInstrument {
  handle(
    input: { readonly type: 'bytes'; readonly bytes: Uint8Array } | { readonly type: 'due' } | { readonly type: 'break' },
    now: Moment,
  ): void;
  poll(): { readonly bytes: Uint8Array } | undefined;
  nextDeadline(): Deadline | undefined;
}

interface Event {
  readonly at: number;
  readonly run: () => void;
}

/** A line in virtual time between a driver and a simulated instrument: bytes take `latencyMs` and arrive cut anywhere. Time passes only where everybody waits. */
export class VirtualInstrument implements InstrumentTransport, InstrumentTimer {
  readonly #instrument: SimulatedInstrument;
  readonly #latencyMs: number;
  readonly #random: Random = seededRandom(7);
  #events: Event[] = [];
  #arrived: Uint8Array[] = [];
  #wakeReader: (() => void) | undefined;
  #isClosed = false;
  #nowMs = 0;
  readonly sent: Uint8Array[] = [];
  breaks = 0;

  constructor(instrument: SimulatedInstrument, latencyMs = 2) {
    this.#instrument = instrument;
    this.#latencyMs = latencyMs;
  }

  now(): Moment {
    return { monotonicMs: this.#nowMs as MonotonicMs, wallMs: this.wallMs() as WallMs };
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return startWallMs + this.#nowMs;
  }

  wait(
    durationMs: number,
    signal?: { readonly aborted: boolean; addEventListener(type: 'abort', listener: () => void): void },
  ): Promise<void> {
    if (signal?.aborted === true) return Promise.resolve();
    return new Promise((resolve) => {
      this.#events.push({ at: this.#nowMs + durationMs, run: resolve });
      signal?.addEventListener('abort', resolve);
    });
  }

  write(bytes: Uint8Array): Promise<void> {
    this.sent.push(bytes);
    this.#events.push({ at: this.#nowMs + this.#latencyMs, run: () => this.#tell({ type: 'bytes', bytes }) });
    return Promise.resolve();
  }

  sendBreak(durationMs: number): Promise<void> {
    this.breaks += 1;
    this.#tell({ type: 'break' });
    return this.wait(durationMs);
  }

  async *read(): AsyncIterable<Uint8Array> {
    while (!this.#isClosed) {
      for (let bytes = this.#arrived.shift(); bytes !== undefined; bytes = this.#arrived.shift()) yield bytes;
      if (!this.#isClosed) await new Promise<void>((resolve) => (this.#wakeReader = resolve));
    }
  }

  close(): Promise<void> {
    this.hangUp();
    return Promise.resolve();
  }

  /** The connection ends. */
  hangUp(): void {
    this.#isClosed = true;
    this.#wakeReader?.();
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Lets time pass until the promise settles. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settled = promise.finally(() => {
      isSettled = true;
    });
    settled.catch(() => undefined);
    for (;;) {
      await setImmediate();
      if (isSettled) return settled;
      this.#step();
    }
  }

  #step(): void {
    const deadline = this.#instrument.nextDeadline()?.at ?? Number.POSITIVE_INFINITY;
    const earliest = Math.min(deadline, ...this.#events.map(({ at }) => at));
    if (earliest === Number.POSITIVE_INFINITY) throw new Error('everybody waits for ever');
    this.#nowMs = Math.max(this.#nowMs, earliest);
    const due = this.#events.filter(({ at }) => at <= this.#nowMs);
    this.#events = this.#events.filter(({ at }) => at > this.#nowMs);
    for (const { run } of due) run();
    this.#tell({ type: 'due' });
  }

  #tell(input: Parameters<SimulatedInstrument['handle']>[0]): void {
    this.#instrument.handle(input, this.now());
    for (let output = this.#instrument.poll(); output !== undefined; output = this.#instrument.poll()) {
      const { bytes } = output;
      this.#events.push({ at: this.#nowMs + this.#latencyMs, run: () => this.#deliver(bytes) });
    }
  }

  #deliver(bytes: Uint8Array): void {
    const cut = this.#random.below(bytes.length + 1);
    this.#arrived.push(bytes.slice(0, cut), bytes.slice(cut));
    this.#wakeReader?.();
  }
}

/** Everything an iteration yields, while virtual time passes. */
export function drain<T>(line: VirtualInstrument, items: AsyncIterable<T>): Promise<T[]> {
  return line.until(Array.fromAsync(items));
}

/** Code and retryability of the error a promise rejects with. */
export function codeOf(promise: Promise<unknown>): Promise<[string, boolean]> {
  return promise.then(
    () => Promise.reject(new Error('it succeeded')),
    (error) => [error.code, error.retryable],
  );
}
