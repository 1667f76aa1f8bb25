import type { MonotonicMs } from '../core/time.ts';

/** One packet as its sender knows it. */
export interface PacketFate {
  /** Bytes of the packet on the link, the headers of UDP or TCP and IP included. */
  readonly bytes: number;
  readonly sentAt: MonotonicMs;
  /**
   * Number of the uninterrupted run of sending that the packet belongs to. A new run begins after the sender had nothing to send: what is measured across that moment says something about
   * the application, not about the link.
   */
  readonly run: number;
}

/** What one acknowledgement frame said that was not known before. */
export interface Acknowledgement {
  /** Packets that are now known to have arrived, oldest first. May be empty. */
  readonly packets: readonly PacketFate[];
  /** The newest packet the frame speaks of, when it is among `packets`. The two figures below are about this packet. */
  readonly newest?: PacketFate;
  /** Instant of its arrival in milliseconds of the *receiver's* clock, without wrap-around. Only differences mean anything. */
  readonly arrivedAtMs: number;
  /** Round trip of the newest packet, without the time the receiver waited before it answered. Milliseconds. */
  readonly rttMs: number;
  /** Bytes that are still under way after this acknowledgement. */
  readonly bytesInFlight: number;
}

/** What is known of a path's capacity. Absent figures have not been measured yet. */
export interface PathEstimate {
  /** Bottleneck rate towards the peer, bytes a second, all headers counted. */
  readonly rateBytesPerSecond?: number;
  /** Smallest round trip seen, milliseconds. */
  readonly minRttMs?: number;
  /** Smoothed round trip, milliseconds. */
  readonly smoothedRttMs?: number;
  /** Mean difference between the one-way delays of a packet and the next, milliseconds. */
  readonly jitterMs?: number;
  /** Share of packets lost lately, 0 to 1. */
  readonly lossRatio: number;
  /** 0 (a guess) to 1 (measured over many windows). */
  readonly confidence: number;
}

/**
 * Decides when the next packet may leave on one path, and how long it should be. A machine like any other: no clock of its own, no I/O.
 */
export interface RateControl {
  /** A packet that will be acknowledged leaves now. */
  onSent(bytes: number, now: MonotonicMs): void;
  onAcknowledged(acknowledgement: Acknowledgement, now: MonotonicMs): void;
  /** Packets are considered lost. Loss alone is no reason to slow down. */
  onLost(packets: readonly PacketFate[], now: MonotonicMs): void;
  /** The earliest instant at which a packet of `bytes` may leave, which may lie in the past. `undefined`: not before an acknowledgement arrives. */
  sendAt(bytes: number, bytesInFlight: number): MonotonicMs | undefined;
  /** Bytes a packet should have on the link at most, all headers counted, so that an urgent one does not wait long behind it; never above `bytesMax`. */
  packetBytes(bytesMax: number): number;
  estimate(): PathEstimate;
}

/** What is known of a path before anything was measured on it. */
export interface NewPath {
  readonly kind: 'datagram' | 'stream';
  /** What an earlier session on the same link learned. */
  readonly remembered?: PathEstimate;
  /** What the handshake showed: its round trip, and the bytes it sent both ways, which together are a lower bound of the rate. */
  readonly handshake?: { readonly rttMs: number; readonly bytes: number };
}

/** Makes the rate control of a new path. */
export type RateControlFactory = (path: NewPath, now: MonotonicMs) => RateControl;
