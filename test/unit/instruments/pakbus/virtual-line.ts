import { setImmediate } from 'node:timers/promises';
import { type Random, seededRandom } from '../../../../src/core/random.ts';
import type { Moment, MonotonicMs, WallMs } from '../../../../src/core/time.ts';
import type { InstrumentTimer, InstrumentTransport } from '../../../../src/instruments/driver.ts';
import type { PakbusLogger } from '../../../../src/simulation/pakbus-logger.ts';

/** 2026-01-01T00:00:00, where virtual time begins. */
export const startWallMs = 1_767_225_600_000;

/** The present `elapsedMs` after virtual time began. */
export function momentAt(elapsedMs: number): Moment {
  return { monotonicMs: elapsedMs as MonotonicMs, wallMs: (startWallMs + elapsedMs) as WallMs };
}

interface Event {
  readonly at: number;
  readonly run: () => void;
}

/** A line in virtual time between a driver and a simulated logger: bytes take `latencyMs` and arrive cut anywhere. Time passes only where everybody waits. */
export class VirtualLine implements InstrumentTransport, InstrumentTimer {
  readonly #logger: Pick<PakbusLogger, 'handle' | 'poll' | 'nextDeadline'>;
  readonly #latencyMs: number;
  readonly #random: Random = seededRandom(7);
  #events: Event[] = [];
  #arrived: Uint8Array[] = [];
  #wakeReader: (() => void) | undefined;
  #isClosed = false;
  #nowMs = 0;
  bytesToLogger = 0;
  bytesToClient = 0;
  writes = 0;

  constructor(logger: Pick<PakbusLogger, 'handle' | 'poll' | 'nextDeadline'>, latencyMs = 50) {
    this.#logger = logger;
    this.#latencyMs = latencyMs;
  }

  now(): Moment {
    return momentAt(this.#nowMs);
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.now().wallMs;
  }

  wait(durationMs: number): Promise<void> {
    return new Promise((resolve) => this.#events.push({ at: this.#nowMs + durationMs, run: resolve }));
  }

  write(bytes: Uint8Array): Promise<void> {
    this.writes += 1;
    this.bytesToLogger += bytes.length;
    this.#events.push({ at: this.#nowMs + this.#latencyMs, run: () => this.#tellLogger(bytes) });
    return Promise.resolve();
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

  /** The connection is made again, once nothing of the old one is under way any more. */
  reopen(): void {
    this.hangUp();
    for (let deadline = this.#logger.nextDeadline(this.now()); deadline !== undefined; deadline = this.#logger.nextDeadline(this.now())) {
      this.#nowMs = deadline.at;
      this.#logger.handle({ type: 'due' }, this.now());
    }
    while (this.#logger.poll() !== undefined);
    this.#events = [];
    this.#arrived = [];
    this.#isClosed = false;
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
    const loggerDeadline = this.#logger.nextDeadline(this.now())?.at ?? Number.POSITIVE_INFINITY;
    const earliest = Math.min(loggerDeadline, ...this.#events.map(({ at }) => at));
    if (earliest === Number.POSITIVE_INFINITY) throw new Error('everybody waits for ever');
    this.#nowMs = Math.max(this.#nowMs, earliest);
    const due = this.#events.filter(({ at }) => at <= this.#nowMs);
    this.#events = this.#events.filter(({ at }) => at > this.#nowMs);
    for (const { run } of due) run();
    this.#logger.handle({ type: 'due' }, this.now());
    this.#takeFromLogger();
  }

  #tellLogger(bytes: Uint8Array): void {
    this.#logger.handle({ type: 'bytes', bytes }, this.now());
    this.#takeFromLogger();
  }

  #takeFromLogger(): void {
    for (let output = this.#logger.poll(); output !== undefined; output = this.#logger.poll()) {
      const { bytes } = output;
      this.bytesToClient += bytes.length;
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
export function drain<T>(line: VirtualLine, items: AsyncIterable<T>): Promise<T[]> {
  return line.until(
    (async () => {
      const all: T[] = [];
      for await (const item of items) all.push(item);
      return all;
    })(),
  );
}
