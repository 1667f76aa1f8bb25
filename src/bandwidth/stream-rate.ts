import type { MonotonicMs } from '../core/time.ts';
import type { Acknowledgement, NewPath, PathEstimate, RateControl } from '../ports/rate-control.ts';
import { ArrivalWindows } from './arrival-windows.ts';

/**
 * Rate control for streams. TCP underneath paces, repeats and backs off; all that is left to do is to keep little in its buffers, so that an urgent message does not wait behind seconds of
 * bulk data.
 *
 * The bytes under way are bounded by what the path delivers in its shortest round trip and `queueMs` more. The bound doubles while round trips stay short, as TCP's own window does, and follows the
 * measured rate when they grow.
 */

/** What may wait in buffers, in time at the path's rate. */
const queueMs = 60;
const windowBytesStart = 32 * 1024;
const windowBytesMin = 2048;
const windowBytesMax = 16 * 1024 * 1024;
/** Measurements span at least this much of a round trip, and this time. */
const windowMsMin = 5;
const windowsKept = 8;
/** Shortest and longest packet, and the time one should take. */
const packetBytesMin = 668;
const packetMs = 20;
/** Packets under way that keep both ends busy. */
const packetsUnderWay = 4;

export class StreamRateControl implements RateControl {
  readonly #windows = new ArrivalWindows();
  /** Latest measurements, bytes a millisecond. */
  readonly #measured: number[] = [];
  #windowBytes: number;
  #minRttMs: number | undefined;
  #rttMs: number | undefined;
  /** Shortest round trip since the window was last changed. */
  #roundRttMs = Infinity;
  #limited = false;
  #changedAt: MonotonicMs;

  constructor(path: NewPath, now: MonotonicMs) {
    this.#changedAt = now;
    const { rateBytesPerSecond, minRttMs } = path.remembered ?? {};
    this.#windowBytes = rateBytesPerSecond === undefined ? windowBytesStart : windowFor(rateBytesPerSecond / 1000, minRttMs ?? 0);
  }

  onSent(): void {}

  onAcknowledged(acknowledgement: Acknowledgement, now: MonotonicMs): void {
    if (acknowledgement.newest !== undefined) {
      this.#rttMs = acknowledgement.rttMs;
      this.#minRttMs = Math.min(this.#minRttMs ?? Infinity, acknowledgement.rttMs);
      this.#roundRttMs = Math.min(this.#roundRttMs, acknowledgement.rttMs);
    }
    const minRttMs = this.#minRttMs ?? 0;
    const window = this.#windows.take(acknowledgement, Math.max(windowMsMin, minRttMs), 1);
    if (window !== undefined) {
      this.#measured.push(window.bytes / window.arrivalSpanMs);
      if (this.#measured.length > windowsKept) this.#measured.shift();
    }
    if (now - this.#changedAt < Math.max(2, minRttMs) || this.#roundRttMs === Infinity) return;
    const queuedMs = this.#roundRttMs - minRttMs;
    if (queuedMs < queueMs / 2) {
      if (this.#limited) this.#windowBytes = Math.min(windowBytesMax, this.#windowBytes * 2);
    } else if (window !== undefined && this.#rate !== undefined) this.#windowBytes = windowFor(this.#rate, minRttMs);
    else return;
    this.#limited = false;
    this.#roundRttMs = Infinity;
    this.#changedAt = now;
  }

  /** A standing stream loses nothing. */
  onLost(): void {}

  sendAt(bytes: number, bytesInFlight: number): MonotonicMs | undefined {
    if (bytesInFlight === 0 || bytesInFlight + bytes <= this.#windowBytes) return -Infinity as MonotonicMs;
    this.#limited = true;
    return undefined;
  }

  packetBytes(bytesMax: number): number {
    const fitting = Math.max(
      packetBytesMin,
      Math.min(this.#windowBytes / packetsUnderWay, (this.#rate ?? windowBytesStart / packetMs) * packetMs),
    );
    return Math.floor(Math.min(bytesMax, fitting));
  }

  estimate(): PathEstimate {
    return {
      ...(this.#rate === undefined ? {} : { rateBytesPerSecond: this.#rate * 1000 }),
      ...(this.#minRttMs === undefined ? {} : { minRttMs: this.#minRttMs }),
      ...(this.#rttMs === undefined ? {} : { smoothedRttMs: this.#rttMs }),
      lossRatio: 0,
      confidence: Math.min(1, this.#measured.length / windowsKept),
    };
  }

  /** Median of the latest measurements, bytes a millisecond. */
  get #rate(): number | undefined {
    return [...this.#measured].sort((a, b) => a - b)[this.#measured.length >> 1];
  }
}

function windowFor(rate: number, rttMs: number): number {
  return Math.min(windowBytesMax, Math.max(windowBytesMin, rate * (rttMs + queueMs)));
}
