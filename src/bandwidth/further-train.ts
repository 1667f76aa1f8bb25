import type { MonotonicMs } from '../core/time.ts';
import type { Acknowledgement, PacketFate } from '../ports/rate-control.ts';
import { type ArrivalWindow, ArrivalWindows } from './arrival-windows.ts';

/**
 * A train behind the first one of a path.
 *
 * The first train is short, as the link may be very slow. Where it shows that the link is not, it shows little more: an event loop or a radio that holds packets for a few milliseconds makes ten times less of the rate. So the next
 * packets leave back to back again, as many as the link carries in `trainMs` at the rate that was seen, which it does carry at least; and so on, until a train takes long enough for its time to be relied on. On average no more
 * leaves for that: what follows a train waits for the link to carry it.
 */

const trainMs = 80;
const trainBytesMax = 64_000;
/** A train is this many times the last one at least. */
const growthMin = 2;
/** Share of a train between two of its acknowledgements that is enough: the peer sends one for every fourth packet at first. */
const measuredShare = 0.5;

/** Where so much of a train is lost, a buffer is too short for trains. */
const overflowShare = 0.2;

/** One train: which bytes may leave at once, and when they arrived. */
export class FurtherTrain {
  readonly bytes: number;
  readonly #begunAt: MonotonicMs;
  readonly #windows = new ArrivalWindows();
  #toSend: number;
  #lostBytes = 0;

  private constructor(bytes: number, now: MonotonicMs) {
    this.bytes = bytes;
    this.#begunAt = now;
    this.#toSend = bytes;
  }

  /** The train after one of `lastBytes` that arrived at `rate`, bytes a millisecond; `undefined` when that one took long enough to be relied on. */
  static after(lastBytes: number, rate: number, now: MonotonicMs): FurtherTrain | undefined {
    const bytes = rate * trainMs;
    if (bytes <= lastBytes || lastBytes >= trainBytesMax) return undefined;
    return new FurtherTrain(Math.min(trainBytesMax, Math.max(growthMin * lastBytes, bytes)), now);
  }

  /** True while packets of it are still to leave, one behind the other. */
  get isLeaving(): boolean {
    return this.#toSend > 0;
  }

  /** So many bytes of it have left. */
  sent(bytes: number): void {
    this.#toSend -= bytes;
  }

  /** Takes what was lost. True when it was too much for this to be the link's own loss. */
  overflows(lost: readonly PacketFate[]): boolean {
    for (const { bytes, sentAt } of lost) if (sentAt >= this.#begunAt) this.#lostBytes += bytes;
    return this.#lostBytes > this.bytes * overflowShare;
  }

  /** Takes an acknowledgement; the train's measurement, once enough of it has arrived. */
  take(acknowledgement: Acknowledgement): ArrivalWindow | undefined {
    const { newest } = acknowledgement;
    if (newest === undefined || newest.sentAt < this.#begunAt) return undefined;
    return this.#windows.take(acknowledgement, 0, this.bytes * measuredShare);
  }
}
