import type { MonotonicMs } from '../core/time.ts';

/** What a session tells its rate control about one acknowledged or lost packet. */
export interface PacketFate {
  /** Bytes of the packet on the link, all headers the session knows of included. */
  readonly bytes: number;
  readonly sentAt: MonotonicMs;
}

/** What is known of a path's capacity. Absent figures have not been measured yet. */
export interface PathEstimate {
  /** Bottleneck rate towards the peer, bytes a second. */
  readonly rateBytesPerSecond?: number;
  /** Smallest round trip seen, milliseconds. */
  readonly minRttMs?: number;
  /** Smoothed round trip, milliseconds. */
  readonly smoothedRttMs?: number;
  /** Share of packets lost lately, 0 to 1. */
  readonly lossRatio: number;
  /** 0 (a guess) to 1 (measured over many windows). */
  readonly confidence: number;
}

/**
 * Decides when the next packet may leave on one path. A machine like any other: no clock of its own, no I/O.
 */
export interface RateControl {
  /** A packet of `bytes` leaves now. */
  onSent(bytes: number, now: MonotonicMs): void;
  /** Packets were acknowledged. `peerRate` is the arrival rate the receiver measured, bytes a second, when it said so. */
  onAcknowledged(packets: readonly PacketFate[], rttMs: number, peerRate: number | undefined, now: MonotonicMs): void;
  /** Packets are considered lost. Loss alone is no reason to slow down. */
  onLost(packets: readonly PacketFate[], now: MonotonicMs): void;
  /** The earliest instant at which a packet of `bytes` may leave; `now` or earlier means at once. `undefined`: not before an acknowledgement arrives. */
  sendAt(bytes: number, bytesInFlight: number, now: MonotonicMs): MonotonicMs | undefined;
  /** Nothing to send although sending was allowed: samples taken now say nothing about the link. */
  onApplicationLimited(now: MonotonicMs): void;
  estimate(): PathEstimate;
}

/** Makes the rate control of a new path. `remembered` is what an earlier session on the same link learned. */
export type RateControlFactory = (
  path: { readonly kind: 'datagram' | 'stream'; readonly remembered?: PathEstimate },
  now: MonotonicMs,
) => RateControl;
