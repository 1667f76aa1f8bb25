import { later, type MonotonicMs } from '../core/time.ts';
import { patientMs } from './received-packets.ts';
import type { RoundTrip } from './round-trip.ts';

/**
 * How long to wait for a peer that owes an answer, and what to do meanwhile.
 *
 * The first two probes repeat what is under way, as a lost last packet has nothing behind it that would show the loss (RFC 9002 section 6.2). After that they are pings, at intervals that
 * double from the round trip's time-out to 0.4 seconds and then grow with the silence: a 150th of it in the first minute, then a share that itself grows with the silence, to a 20th, and no more than two minutes; and never
 * more than a tenth of the link's rate. So the end of an outage of a minute is noticed within half a second, that of a longer one within a 20th of it, and an outage of hours costs 30 pings an hour. Each end asks for itself,
 * whatever else is said counts as asked, and a hint or any packet of the peer ends the waiting at once. A peer that is heard, or whose round trip has never been measured, is probed with exponential back-off instead: it is there, or its answer is slow.
 */

/** Probes that repeat bytes under way; the later ones are pings. */
const fullProbes = 2;
const intervalMsMin = 400;
const intervalMsMax = 120_000;
const backOffMsMax = 30_000;
/** The interval by the silence, in the first minute, and at most. */
const shareOfSilence = 1 / 150;
const shareOfSilenceMax = 1 / 20;
const shortSilenceMs = 60_000;
/** A ping on the link, and the share of the rate that pings may take. */
const pingBytes = 52;
const shareOfRate = 1 / 10;
/** Bytes under way that have to be transmitted before an acknowledgement is due: a few packets. What waits behind them is acknowledged after them, or was dropped. */
const drainBytesMax = 6000;
/** Longest time a peer lets an acknowledgement wait. */
const answerMsMax = 300;
/** For timers that are late. */
const timerMs = 10;
const patienceRoundTrips = 3;
/** A little less than the three seconds promised, as the round trip counted here includes queueing. */
const patienceMs = 2500;

/** What the path is like, for this purpose. */
export interface SilentPath {
  readonly roundTrip: RoundTrip;
  /** Bytes a second, if known. */
  readonly rateBytesPerSecond: number | undefined;
  readonly bytesInFlight: number;
  /** The acknowledgement of what is under way was allowed to wait for an answer. */
  readonly isPatient: boolean;
}

/** How long the peer of one session has been silent, and what follows from it. */
export class Silence {
  /** Since when something is under way without an acknowledgement having brought progress. */
  #owedSince: MonotonicMs;
  #heardAt: MonotonicMs;
  #probedAt: MonotonicMs;
  #probes = 0;

  constructor(now: MonotonicMs) {
    this.#owedSince = now;
    this.#heardAt = now;
    this.#probedAt = now;
  }

  get owedSince(): MonotonicMs {
    return this.#owedSince;
  }

  /** When the peer was last heard. */
  get heardAt(): MonotonicMs {
    return this.#heardAt;
  }

  /** True while somebody who owes an answer has been asked for it. */
  get isProbing(): boolean {
    return this.#probes > 0;
  }

  /** True while the next probe repeats what is under way. */
  get probesFully(): boolean {
    return this.#probes <= fullProbes;
  }

  /** True once so many probes went unanswered that the path itself is in doubt. */
  get isLong(): boolean {
    return this.#probes > fullProbes;
  }

  /** Something is owed from now on, where nothing was before. */
  begin(now: MonotonicMs): void {
    if (this.#probes === 0) this.#owedSince = now;
  }

  /** The peer answered what was owed, or waiting starts anew on another path. */
  restart(now: MonotonicMs): void {
    this.#owedSince = now;
    this.#probes = 0;
  }

  heard(now: MonotonicMs): void {
    this.#heardAt = now;
  }

  /** A probe leaves. */
  probed(now: MonotonicMs): void {
    this.#probes++;
    this.#probedAt = now;
  }

  /** When the next probe leaves. */
  probeAt({ roundTrip, rateBytesPerSecond, bytesInFlight, isPatient }: SilentPath): MonotonicMs {
    if (this.#probes === 0) {
      const drainMs = rateBytesPerSecond === undefined ? 0 : (Math.min(bytesInFlight, drainBytesMax) / rateBytesPerSecond) * 1000;
      const answerMs = Math.max(isPatient ? patientMs : 0, Math.min(answerMsMax, (roundTrip.smoothedMs ?? 0) / 4));
      return later(this.#owedSince, roundTrip.timeoutMs + drainMs + answerMs + timerMs);
    }
    const backOff = this.#heardAt > this.#probedAt || roundTrip.minMs === undefined;
    const affordableMs = rateBytesPerSecond === undefined ? 0 : (pingBytes / (rateBytesPerSecond * shareOfRate)) * 1000;
    const silentMs = this.#probedAt - this.#owedSince;
    const share = Math.min(shareOfSilenceMax, shareOfSilence * Math.max(1, silentMs / shortSilenceMs));
    const backedOffMs = roundTrip.timeoutMs * 2 ** this.#probes;
    // Where round trips are short, a packet that was merely lost is not waited for as if the peer were gone.
    const wantedMs = backOff
      ? backedOffMs
      : Math.max(Math.min(intervalMsMin, backedOffMs), (roundTrip.smoothedMs ?? 0) / 4, affordableMs, silentMs * share);
    return later(this.#probedAt, Math.min(backOff ? backOffMsMax : intervalMsMax, wantedMs));
  }

  /** When the peer must be considered out of reach: three round trips and three seconds after it was last heard, or began to be waited for after a silence on purpose. */
  lostAt(roundTrip: RoundTrip, quietUntil = -Infinity as MonotonicMs): MonotonicMs {
    const since = Math.max(this.#owedSince, this.#heardAt, quietUntil) as MonotonicMs;
    return later(since, patienceRoundTrips * (roundTrip.smoothedMs ?? 1000) + patienceMs);
  }
}
