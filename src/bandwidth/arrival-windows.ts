import type { MonotonicMs } from '../core/time.ts';
import type { Acknowledgement } from '../ports/rate-control.ts';

/**
 * Delivery rate, measured where it shows: at the receiver.
 *
 * Every acknowledgement says when, by the receiver's clock, its newest packet arrived. The bytes that became known as arrived between two such instants, divided by the time between them, are the rate at which the path
 * delivered them: bytes after the first burst over the time from first to last arrival. Neither the way back, nor acknowledgements that wait or clump, nor the two clocks' offset come into it.
 *
 * A window must be long enough for the clocks' grain and for links that hold packets back to send several at once, and it must lie within one run of sending.
 */

/** One measurement. */
export interface ArrivalWindow {
  /** Bytes that arrived after the window's first packet. */
  readonly bytes: number;
  /** Time between the first and the last arrival by the receiver's clock, and between the sending of the same two packets. */
  readonly arrivalSpanMs: number;
  readonly sendSpanMs: number;
  /** When its last packet was sent: what was decided later has not had an effect on it yet. */
  readonly lastSentAt: MonotonicMs;
}

/** The delivery rate of one path. */
export class ArrivalWindows {
  #start: { readonly arrivedAtMs: number; readonly sentAt: MonotonicMs; readonly run: number } | undefined;
  #bytes = 0;

  /** Takes an acknowledgement. A window that spans `spanMsMin` and holds `bytesMin` is closed by it and returned; the next one begins where it ended. */
  take(acknowledgement: Acknowledgement, spanMsMin: number, bytesMin: number): ArrivalWindow | undefined {
    for (const packet of acknowledgement.packets) this.#bytes += packet.bytes;
    const { newest, arrivedAtMs } = acknowledgement;
    if (newest === undefined) return undefined;
    const start = this.#start;
    const arrivalSpanMs = arrivedAtMs - (start?.arrivedAtMs ?? 0);
    if (start === undefined || start.run !== newest.run || arrivalSpanMs < 0) {
      this.#begin(acknowledgement);
      return undefined;
    }
    if (arrivalSpanMs < spanMsMin || this.#bytes < bytesMin) return undefined;
    const window = { bytes: this.#bytes, arrivalSpanMs, sendSpanMs: newest.sentAt - start.sentAt, lastSentAt: newest.sentAt };
    this.#begin(acknowledgement);
    return window;
  }

  #begin({ newest, arrivedAtMs }: Acknowledgement): void {
    this.#bytes = 0;
    this.#start = newest === undefined ? undefined : { arrivedAtMs, sentAt: newest.sentAt, run: newest.run };
  }
}
