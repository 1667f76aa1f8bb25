import type { Random } from '../core/random.ts';
import { later, type MonotonicMs } from '../core/time.ts';

/**
 * One direction of a link, as arithmetic: a packet of so many bytes enters now; when does it come out, if it does?
 *
 * In this order: random loss, burst loss, tail drop at a full queue, transmission at the link's rate, outage, delay with jitter, duplication. The queue is a virtual clock: the transmitter is busy until some instant, and what
 * enters before waits until then. Directions on one radio channel share that clock, first come, first served.
 */

/** Two-state burst loss (Gilbert-Elliott). All figures are probabilities a packet. */
export interface BurstLoss {
  /** From the good state to the bad one, and back. */
  readonly toBad: number;
  readonly toGood: number;
  readonly lossInBad: number;
}

/** A stretch of time in which everything that would arrive is lost. */
export interface Outage {
  readonly fromMs: number;
  readonly untilMs: number;
}

/** What a direction is like. Absent figures mean: none of it. */
export interface LinkModel {
  /** Bytes a second; absent for a link that transmits in no time. */
  readonly rateBytesPerSecond?: number;
  /** One way, milliseconds. */
  readonly delayMs: number;
  /** Extra delay, even between 0 and this, milliseconds. Keeps the order unless `reorders`. */
  readonly jitterMs?: number;
  readonly reorders?: boolean;
  /** Share of packets lost before they take up any of the rate. */
  readonly lossRatio?: number;
  readonly burstLoss?: BurstLoss;
  /** Share of packets that arrive twice. */
  readonly duplicateRatio?: number;
  /** Bytes that may wait; one packet is always accepted. Absent: any amount. */
  readonly queueBytes?: number;
  readonly outages?: readonly Outage[];
  /** During an outage packets wait for its end instead of being lost, as on a stream that repeats them. */
  readonly holds?: boolean;
  /** Share of packets that come out with a bit flipped. Acted on by `SimulatedLink`, which has their bytes. */
  readonly corruptRatio?: number;
  /** Datagrams larger than this, headers counted, are lost without a word. Acted on by `SimulatedLink`. */
  readonly mtuBytes?: number;
  /**
   * Name of the radio channel. Of all directions of all links of a world on one channel only one transmits at a time, so a link whose two directions are on one is half duplex. What others send before a packet counts as
   * waiting in its queue. Absent: each direction has a transmitter of its own. Settled when the link is laid.
   */
  readonly channel?: string;
}

/** The time of one transmitter, or of one radio channel. */
export interface Airtime {
  /** It is busy until then, in milliseconds. */
  freeAt: number;
}

/** One direction of a link. Packets must enter in the order of time. */
export class VirtualLink {
  readonly #random: Random;
  #model: LinkModel;
  readonly #airtime: Airtime;
  #lastArrivalAt = 0;
  #bad = false;
  #bytesEntered = 0;
  #bytesCarried = 0;
  #packetsEntered = 0;
  #packetsDropped = 0;

  /** `airtime`: that of the channel, where it is shared. */
  constructor(model: LinkModel, random: Random, airtime: Airtime = { freeAt: 0 }) {
    this.#model = model;
    this.#airtime = airtime;
    this.#random = random;
  }

  /** The link becomes another one from now on. */
  change(model: LinkModel): void {
    this.#model = model;
  }

  /** Bytes offered, bytes that came out, packets offered, and packets that the full queue refused. */
  get counts(): {
    readonly bytesEntered: number;
    readonly bytesCarried: number;
    readonly packetsEntered: number;
    readonly packetsDropped: number;
  } {
    return {
      bytesEntered: this.#bytesEntered,
      bytesCarried: this.#bytesCarried,
      packetsEntered: this.#packetsEntered,
      packetsDropped: this.#packetsDropped,
    };
  }

  /** Milliseconds that a packet entering now would wait before its transmission. */
  queueMs(now: MonotonicMs): number {
    return Math.max(0, this.#airtime.freeAt - now);
  }

  /** A packet of `bytes`, all headers counted, enters: the instants at which it arrives, none when it is lost. */
  send(bytes: number, now: MonotonicMs): MonotonicMs[] {
    const { rateBytesPerSecond, queueBytes, holds } = this.#model;
    this.#bytesEntered += bytes;
    this.#packetsEntered++;
    if (this.#isLost()) return [];
    const startAt = Math.max(now, this.#airtime.freeAt);
    const transmissionMs = rateBytesPerSecond === undefined ? 0 : (bytes / rateBytesPerSecond) * 1000;
    const waitingBytes = ((startAt - now) * (rateBytesPerSecond ?? 0)) / 1000;
    if (queueBytes !== undefined && waitingBytes > 0 && waitingBytes + bytes > queueBytes) {
      this.#packetsDropped++;
      return [];
    }
    let sentAt = startAt + transmissionMs;
    const outage = this.#model.outages?.find(({ fromMs, untilMs }) => sentAt >= fromMs && sentAt < untilMs);
    if (outage !== undefined && holds === true) sentAt = outage.untilMs + transmissionMs;
    this.#airtime.freeAt = sentAt;
    if (outage !== undefined && holds !== true) return [];
    this.#bytesCarried += bytes;
    const arrivals = [this.#arrivalAfter(sentAt)];
    if (this.#random.float() < (this.#model.duplicateRatio ?? 0)) arrivals.push(this.#arrivalAfter(sentAt));
    return arrivals;
  }

  #isLost(): boolean {
    const { lossRatio, burstLoss } = this.#model;
    if (lossRatio !== undefined && this.#random.float() < lossRatio) return true;
    if (burstLoss === undefined) return false;
    if (this.#random.float() < (this.#bad ? burstLoss.toGood : burstLoss.toBad)) this.#bad = !this.#bad;
    return this.#bad && this.#random.float() < burstLoss.lossInBad;
  }

  #arrivalAfter(sentAt: number): MonotonicMs {
    const { delayMs, jitterMs, reorders } = this.#model;
    let at = sentAt + delayMs + this.#random.float() * (jitterMs ?? 0);
    if (reorders !== true) at = Math.max(at, this.#lastArrivalAt);
    this.#lastArrivalAt = Math.max(this.#lastArrivalAt, at);
    return later(0 as MonotonicMs, at);
  }
}
