import type { MonotonicMs } from '../core/time.ts';
import type { NewPath, PathEstimate, RateControl, RateControlFactory } from '../ports/rate-control.ts';
import { arrivalWrapMs } from './frames.ts';
import { type LinkFlow, type LinkKind, linkBytes, linkKindOf, type PathKind } from './ledger.ts';
import { streamPacketBytesMax } from './packets.ts';
import { RoundTrip } from './round-trip.ts';

/**
 * The way a session's packets take at present: its rate control, its round trip, how long its packets may be, and whether the peer has been proven to be at its far end.
 *
 * **Length of datagrams.** Packets begin at 1,200 bytes, which passes practically everywhere (RFC 9000 section 14), or 1,452, what an Ethernet leaves under IPv6 and UDP, is tried: a packet of that length is filled
 * with ordinary data, so the attempt costs nothing when it succeeds and one retransmission when it does not. When packets stop arriving altogether, the length falls back.
 *
 * **Proof of the far end.** When packets of the peer begin to come from a new address, answers go there, but no more than three times what came from there, until one of them is acknowledged:
 * nobody can turn a session into a hose by sending a recorded packet from a victim's address.
 */

/** Names one way to one remote address. What is in the name is the runtime's business. */
export type Path = string;

const datagramBytesStart = 1200;
const datagramBytesProbe = 1452;
const sizeProbesMax = 3;
/** A round trip this many times the least one, and this much longer, is not that of the same link with a queue, milliseconds. */
const otherLinkTimes = 4;
const otherLinkMs = 250;
/** Bytes sent to an unproven address for each byte from it. */
const amplificationMax = 3;

/** The path a session uses at present. A session that moves makes a new one. */
export class SessionPath {
  readonly name: Path;
  readonly kind: PathKind;
  readonly linkKind: LinkKind;
  readonly rate: RateControl;
  /** The account of what goes and comes here. */
  flow: LinkFlow;
  readonly roundTrip = new RoundTrip();
  /** Number of the first packet sent here. */
  readonly firstPacketNumber: number;
  #proven: boolean;
  #bytesReceived = 0;
  #bytesSent = 0;
  #datagramBytes = datagramBytesStart;
  #sizeProbes = 0;
  #arrivalMs: number | undefined;
  #arrivalHeardAt = 0 as MonotonicMs;

  constructor(
    options: {
      readonly name: Path;
      readonly firstPacketNumber: number;
      readonly proven: boolean;
      readonly about: NewPath;
      readonly rateControl: RateControlFactory;
      readonly flow: LinkFlow;
    },
    now: MonotonicMs,
  ) {
    this.flow = options.flow;
    this.name = options.name;
    this.kind = options.about.kind;
    this.linkKind = linkKindOf(this.kind, this.name);
    this.firstPacketNumber = options.firstPacketNumber;
    this.#proven = options.proven;
    this.rate = options.rateControl(options.about, now);
    const rttMs = options.about.handshake?.rttMs ?? options.about.remembered?.smoothedRttMs;
    if (rttMs !== undefined) this.roundTrip.guess(rttMs);
  }

  /** Bytes of a whole packet at most, without the headers below it; shorter on slow paths. */
  get packetBytes(): number {
    if (this.kind === 'stream') return this.rate.packetBytes(streamPacketBytesMax);
    const headerBytes = this.#headerBytes;
    return this.rate.packetBytes(this.#datagramBytes + headerBytes) - headerBytes;
  }

  /** What is known of it. */
  get estimate(): PathEstimate {
    const { minMs, smoothedMs } = this.roundTrip;
    return {
      ...this.rate.estimate(),
      ...(minMs === undefined ? {} : { minRttMs: minMs }),
      ...(smoothedMs === undefined ? {} : { smoothedRttMs: smoothedMs }),
    };
  }

  /** Length of a packet that shall find out whether longer ones pass, or `undefined` when there is nothing to find out now. */
  get probePacketBytes(): number | undefined {
    if (this.kind === 'stream' || this.#datagramBytes >= datagramBytesProbe || this.#sizeProbes >= sizeProbesMax) return undefined;
    if (this.roundTrip.minMs === undefined) return undefined;
    const onLink = datagramBytesProbe + this.#headerBytes;
    return this.rate.packetBytes(onLink) < onLink ? undefined : datagramBytesProbe;
  }

  get #headerBytes(): number {
    return linkBytes(this.linkKind, this.#datagramBytes) - this.#datagramBytes;
  }

  sizeProbeSent(): void {
    this.#sizeProbes++;
  }

  sizeProbeArrived(): void {
    this.#datagramBytes = datagramBytesProbe;
  }

  /** Nothing arrives any more: perhaps because packets are too long for what the path has become. */
  shorten(): void {
    this.#datagramBytes = datagramBytesStart;
  }

  received(bytes: number): void {
    this.#bytesReceived += bytes;
  }

  sent(bytes: number): void {
    this.#bytesSent += bytes;
  }

  /** True when the first answer after a long silence took so long that there is another link now behind the same address. */
  isAnother(rttMs: number): boolean {
    const { minMs } = this.roundTrip;
    return this.kind === 'datagram' && minMs !== undefined && rttMs > otherLinkTimes * minMs + otherLinkMs;
  }

  /** The peer acknowledged what was sent here: it is there. */
  prove(): void {
    this.#proven = true;
  }

  /** Bytes that may be sent before the far end is proven. */
  get allowance(): number {
    return this.#proven ? Infinity : amplificationMax * this.#bytesReceived - this.#bytesSent;
  }

  /** The peer's arrival stamp without wrap-around: the instant nearest to what has passed here since the stamp before. */
  unwrapArrival(arrivalMs: number, now: MonotonicMs): number {
    if (this.#arrivalMs === undefined) this.#arrivalMs = arrivalMs;
    else {
      const expected = this.#arrivalMs + (now - this.#arrivalHeardAt);
      this.#arrivalMs = arrivalMs + Math.round((expected - arrivalMs) / arrivalWrapMs) * arrivalWrapMs;
    }
    this.#arrivalHeardAt = now;
    return this.#arrivalMs;
  }
}
