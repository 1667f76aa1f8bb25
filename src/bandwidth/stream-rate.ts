import type { MonotonicMs } from '../core/time.ts';
import type { Acknowledgement, NewPath, PathEstimate, RateControl } from '../ports/rate-control.ts';
import { ArrivalWindows } from './arrival-windows.ts';
import { QueueDelay } from './queue-delay.ts';

/**
 * Rate control for streams. TCP underneath paces, repeats and backs off; all that is left to do is to keep little in its buffers, so that an urgent message does not wait behind seconds of
 * bulk data.
 *
 * The bytes under way are bounded by a window. What the window holds beyond the path's own capacity waits somewhere: in the kernel here, in the network, or in the kernel there. The wait shows in the
 * one-way delay (`queue-delay.ts`), and once a round trip the window is moved so that the wait comes to `queueMs`: doubled while there is none and nothing better is known, then by small steps, and down in
 * proportion when the wait is too long.
 */

/** Wait to aim at, besides the transmission of a packet and a half; longer where packets come at odd times anyway, as between busy computers, and never so long that 200 ms would not do for an urgent message. */
const queueMs = 40;
const queueMsMax = 120;
const queueJitters = 4;
/** The first window: what the slowest path that fits the handshake carries in `startMs`, within bounds. */
const startMs = 4000;
const windowBytesStartMin = 4 * 1024;
const windowBytesStartMax = 32 * 1024;
const windowBytesMin = 2048;
const windowBytesMax = 16 * 1024 * 1024;
const stepUp = 1.15;
const stepDownMin = 0.5;
/** A measurement spans at least this and a quarter of a round trip. */
const measureMsMin = 5;
const measurementsKept = 8;
const baseMemoryMs = 15_000;
/** Shortest packet, and the time one should take. */
const packetBytesMin = 668;
const packetMs = 20;
/** Packets that the window holds at least: one on the way there, one being acknowledged, two so that neither end waits. */
const packetsPerWindow = 4;
/** How long the wait must have been too long. */
const shrinkAfterMs = 100;
/** Acknowledgements after a move that tell its effect. */
const samplesPerMove = 3;
/** Share of a remembered rate to begin with. */
const rememberedShare = 0.8;

/** The rate control of one stream path. */
export class StreamRateControl implements RateControl {
  readonly #windows = new ArrivalWindows();
  readonly #queueDelay = new QueueDelay();
  /** Latest measurements, bytes a millisecond. */
  readonly #measured: number[] = [];
  /** Their median. */
  #rate: number | undefined;
  #windowBytes: number;
  /** Nothing has waited yet: the window doubles. */
  #climbs = true;
  #minRttMs: number | undefined;
  #rttMs: number | undefined;
  #limited = false;
  #samples = 0;
  /** Least wait since the window was moved last, milliseconds. */
  #leastMs = Infinity;
  #changedAt: MonotonicMs;

  constructor(path: NewPath, now: MonotonicMs) {
    this.#changedAt = now;
    const slowest = path.handshake === undefined ? 0 : path.handshake.bytes / Math.max(0.1, path.handshake.rttMs);
    this.#windowBytes = Math.min(windowBytesStartMax, Math.max(windowBytesStartMin, slowest * startMs));
    const { rateBytesPerSecond, minRttMs } = path.remembered ?? {};
    if (rateBytesPerSecond === undefined) return;
    this.#windowBytes = bounded((rateBytesPerSecond / 1000) * rememberedShare * ((minRttMs ?? 0) + queueMs));
  }

  onSent(): void {}

  onAcknowledged(acknowledgement: Acknowledgement, now: MonotonicMs): void {
    const { newest, arrivedAtMs, rttMs } = acknowledgement;
    const measureMs = Math.max(measureMsMin, (this.#minRttMs ?? 0) / 4);
    const window = this.#windows.take(acknowledgement, measureMs, 1);
    if (window !== undefined) {
      this.#measured.push(window.bytes / window.arrivalSpanMs);
      if (this.#measured.length > measurementsKept) this.#measured.shift();
      this.#rate = [...this.#measured].sort((a, b) => a - b)[this.#measured.length >> 1];
    }
    if (newest === undefined) return;
    this.#rttMs = rttMs;
    this.#minRttMs = Math.min(this.#minRttMs ?? Infinity, rttMs);
    const rate = this.#rate ?? Infinity;
    this.#queueDelay.take(arrivedAtMs - newest.sentAt, newest.bytes, rate, Math.max(baseMemoryMs, 5 * this.#minRttMs), now);
    // What was sent before the window was moved does not show the effect of that.
    if (newest.sentAt < this.#changedAt) {
      this.#queueDelay.takeLeast(rate);
      return;
    }
    this.#samples++;
    if (this.#samples < samplesPerMove && now - this.#changedAt < 2 * rttMs) return;
    this.#leastMs = Math.min(this.#leastMs, this.#queueDelay.takeLeast(rate) ?? 0);
    if (!this.#moveWindow(this.#leastMs, now - this.#changedAt)) return;
    this.#changedAt = now;
    this.#samples = 0;
    this.#leastMs = Infinity;
    this.#limited = false;
  }

  /** A standing stream loses nothing. */
  onLost(): void {}

  sendAt(bytes: number, bytesInFlight: number): MonotonicMs | undefined {
    if (bytesInFlight === 0 || bytesInFlight + bytes <= this.#windowBytes) return -Infinity as MonotonicMs;
    this.#limited = true;
    return undefined;
  }

  packetBytes(bytesMax: number): number {
    const timely = this.#rate === undefined ? Infinity : this.#rate * packetMs;
    return Math.floor(Math.min(bytesMax, Math.max(packetBytesMin, Math.min(this.#windowBytes / packetsPerWindow, timely))));
  }

  estimate(): PathEstimate {
    return {
      ...(this.#rate === undefined ? {} : { rateBytesPerSecond: this.#rate * 1000 }),
      ...(this.#minRttMs === undefined ? {} : { minRttMs: this.#minRttMs }),
      ...(this.#rttMs === undefined ? {} : { smoothedRttMs: this.#rttMs }),
      ...(this.#rttMs === undefined ? {} : { jitterMs: this.#queueDelay.jitterMs }),
      lossRatio: 0,
      confidence: Math.min(1, this.#measured.length / measurementsKept),
    };
  }

  /** False when more should be seen first: an end that was busy for a moment delays everything, and what stands in buffers is what even the luckiest packet of a while waits for. */
  #moveWindow(queuedMs: number, seenMs: number): boolean {
    const packetMsNow = this.#rate === undefined ? 0 : (1.5 * packetBytesMin) / this.#rate;
    const targetMs = Math.min(queueMsMax, queueMs + queueJitters * this.#queueDelay.jitterMs) + packetMsNow;
    if (queuedMs > targetMs) {
      if (seenMs < shrinkAfterMs) return false;
      this.#climbs = false;
      const excess = (queuedMs - targetMs) / ((this.#minRttMs ?? 0) + queuedMs);
      this.#windowBytes = bounded(this.#windowBytes * Math.max(stepDownMin, 1 - excess));
    } else if (this.#limited && queuedMs < targetMs / 2) {
      this.#windowBytes = bounded(this.#windowBytes * (this.#climbs ? 2 : stepUp));
    }
    return true;
  }
}

function bounded(windowBytes: number): number {
  return Math.min(windowBytesMax, Math.max(windowBytesMin, windowBytes));
}
