import { later, type MonotonicMs } from '../core/time.ts';
import { type AckFrame, arrivalWrapMs } from './frames.ts';
import { RangeSet } from './range-set.ts';

/**
 * What has arrived and is still to be acknowledged.
 *
 * Acknowledgements travel on a way back that may be slow and is never free, so one speaks for many packets: it waits for a sixth of the round trip (never more than a quarter of a second) and
 * rides along with whatever is sent meanwhile. After a single packet behind which the sender has nothing more (it says so) there is no hurry: an answer is probably on its way, once a disk has written what came, and takes
 * the acknowledgement along. The first packets of a path are answered sooner, two by two, and then every fourth: their spacing is the first thing the sender learns about the link.
 */

/** Ranges of packet numbers that are remembered; older ones have been reported often enough. */
const rangesMax = 64;
/** Packets that wait for an acknowledgement at most. */
const packetsWaitingMax = 64;
/** Packets at the beginning of a path that are answered two by two, the first alone. */
const quickPackets = 9;
/** Then so many are answered four by four. */
const measuredPackets = 65;
const delayShareOfRtt = 1 / 6;
const delayMsMin = 1;
const delayMsMax = 250;
/** How long the acknowledgement of a single packet waits at least when nothing follows it. The sender counts on it. */
export const patientMs = 100;
/** Round trip that is assumed before one is known: acknowledgements wait 16 ms then. */
const rttMsAssumed = 100;

/** The packets that arrived in one session, and when they have to be acknowledged. */
export class ReceivedPackets {
  readonly #numbers = new RangeSet();
  #newest = -1;
  #newestArrivedAt = 0 as MonotonicMs;
  #waiting = 0;
  #arrivedOnPath = 0;
  #deadline: MonotonicMs | undefined;

  /** A new path begins: its first packets are answered quickly again. */
  startPath(): void {
    this.#arrivedOnPath = 0;
  }

  /** A packet arrived that asks for an acknowledgement. `rttMs` is the smoothed round trip, if known; `packetsMax` says how many large packets may wait; `isPatient`, that nothing follows the packet for now. */
  record(packetNumber: number, rttMs: number | undefined, packetsMax: number, now: MonotonicMs, isPatient = false): void {
    this.#numbers.add(packetNumber, packetNumber + 1);
    const surplus = this.#numbers.count - rangesMax;
    if (surplus > 0) this.#numbers.removeBelow(this.#numbers.ranges[surplus]?.start ?? 0);
    if (packetNumber > this.#newest) {
      this.#newest = packetNumber;
      this.#newestArrivedAt = now;
    }
    this.#waiting++;
    this.#arrivedOnPath++;
    const delay = Math.min(delayMsMax, Math.max(delayMsMin, (rttMs ?? rttMsAssumed) * delayShareOfRtt));
    if (isPatient && this.#waiting === 1) {
      this.#deadline = later(now, Math.max(patientMs, delay));
      return;
    }
    const every = this.#arrivedOnPath <= quickPackets ? 2 : 4;
    const quick = this.#arrivedOnPath <= measuredPackets && this.#arrivedOnPath % every === 1;
    if (quick || this.#waiting >= Math.min(packetsMax, packetsWaitingMax)) this.#deadline = now;
    else if (this.#deadline === undefined || this.#deadline > now + delay) this.#deadline = later(now, delay);
  }

  /** The peer asks for an answer, and there is nothing that could take it along. */
  hurry(now: MonotonicMs): void {
    if (this.#waiting > 0) this.#deadline = now;
  }

  /** True when there is something to acknowledge, due or not. */
  get waiting(): boolean {
    return this.#waiting > 0;
  }

  /** When an acknowledgement must leave even if nothing else is sent. */
  get deadline(): MonotonicMs | undefined {
    return this.#deadline;
  }

  /** The acknowledgement that leaves now. Only to be called when `waiting`. */
  take(now: MonotonicMs): AckFrame {
    this.#waiting = 0;
    this.#deadline = undefined;
    return {
      type: 'ack',
      ranges: this.#numbers.ranges.map(({ start, end }) => ({ low: start, high: end - 1 })).reverse(),
      arrivalMs: this.#newestArrivedAt % arrivalWrapMs,
      delayMs: now - this.#newestArrivedAt,
    };
  }

  /** The peer has received an acknowledgement whose newest number was this one: what lies below need not be repeated. */
  forgetBelow(newest: number): void {
    this.#numbers.removeBelow(newest);
  }
}
