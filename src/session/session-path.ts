import type { MonotonicMs } from '../core/time.ts';
import type { NewPath, PathEstimate, RateControl, RateControlFactory } from '../ports/rate-control.ts';
import { arrivalWrapMs } from './frames.ts';
import { type LinkFlow, type LinkKind, linkBytes, linkKindOf, type PathKind } from './ledger.ts';
import { streamPacketBytesMax } from './packets.ts';
import { RoundTrip } from './round-trip.ts';
import type { SentPacket } from './sent-packets.ts';

/**
 * The way a session's packets take at present: its rate control, its round trip, how long its packets may be, and whether the peer has been proven to be at its far end.
 *
 * **Length of datagrams.** Packets begin at 1,200 bytes, which passes practically everywhere (RFC 9000 section 14), or 1,452, what an Ethernet leaves under IPv6 and UDP, is tried: a packet of that length is filled
 * with ordinary data, so the attempt costs nothing when it succeeds and one retransmission when it does not. When packets stop arriving altogether, the length falls back.
 * Where 1,200 bytes do not pass and nobody says so (RFC 8899 section 4.3 calls it a black hole), only short packets are answered: when long ones were lost a few times and none arrived meanwhile, packets become as short as what every
 * IPv4 host takes (576 bytes with the headers, RFC 791), and then shorter still, for tunnels and radios that pass less. From each length the next longer one is tried as at the beginning, and once every ten minutes of sending.
 *
 * **Proof of the far end.** When packets of the peer begin to come from a new address, answers go there, but no more than three times what came from there, until one of them is acknowledged:
 * nobody can turn a session into a hose by sending a recorded packet from a victim's address.
 */

/** Names one way to one remote address. What is in the name is the runtime's business. */
export type Path = string;

/** What a packet may have, shortest first, without the headers below it. */
const datagramBytesSteps: readonly number[] = [256, 548, 1200, 1452];
const datagramBytesStart = 1200;
const sizeProbesMax = 3;
/** After this long one more packet tries the next longer length (RFC 8899's raise timer), milliseconds. */
const raiseMs = 600_000;
/** Losses of packets that are longer than the step below, each of packets sent after the loss before was found and without any such packet having arrived, after which they are taken for too long. */
const vanishingsMax = 3;
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
  #sizeProbedAt = -Infinity as MonotonicMs;
  #vanishings = 0;
  #vanishedAt = -Infinity as MonotonicMs;
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
  probePacketBytes(now: MonotonicMs): number | undefined {
    const longer = datagramBytesSteps.find((bytes) => bytes > this.#datagramBytes);
    if (this.kind === 'stream' || longer === undefined) return undefined;
    if (this.#sizeProbes >= sizeProbesMax && now - this.#sizeProbedAt < raiseMs) return undefined;
    if (this.roundTrip.minMs === undefined) return undefined;
    const onLink = longer + this.#headerBytes;
    return this.rate.packetBytes(onLink) < onLink ? undefined : longer;
  }

  get #headerBytes(): number {
    return linkBytes(this.linkKind, this.#datagramBytes) - this.#datagramBytes;
  }

  sizeProbeSent(now: MonotonicMs): void {
    this.#sizeProbes++;
    this.#sizeProbedAt = now;
  }

  /** The peer acknowledged packets that were sent here. */
  arrived(packets: readonly SentPacket[]): void {
    if (packets.some((packet) => this.#isLong(packet))) this.#vanishings = 0;
    // Several attempts may be under way: those behind the first to arrive say nothing about the step after it.
    const usualBytes = linkBytes(this.linkKind, this.#datagramBytes);
    if (packets.some((packet) => packet.isSizeProbe && packet.bytes > usualBytes))
      this.#resize(datagramBytesSteps.find((bytes) => bytes > this.#datagramBytes));
  }

  /** Packets that were sent here, and not to find out about their length, are lost. What an outage (`silent`) took says nothing about the rate. */
  lost(packets: readonly SentPacket[], silent: boolean, now: MonotonicMs): void {
    if (packets.length === 0) return;
    // What was under way when others were found lost went the same way: a queue that overflows drops everything that comes for a while.
    if (packets.some((packet) => this.#isLong(packet) && packet.sentAt > this.#vanishedAt)) {
      this.#vanishedAt = now;
      if (++this.#vanishings >= vanishingsMax) this.#resize(this.#shorterBytes);
    }
    if (!silent) this.rate.onLost(packets, now);
  }

  /** Nothing arrives any more: perhaps because packets are too long for what the path has become. */
  shorten(): void {
    this.#datagramBytes = Math.min(this.#datagramBytes, datagramBytesStart);
  }

  get #shorterBytes(): number | undefined {
    return datagramBytesSteps.findLast((bytes) => bytes < this.#datagramBytes);
  }

  /** True when a packet of the next shorter length would have been another matter. */
  #isLong({ bytes }: SentPacket): boolean {
    const shorterBytes = this.#shorterBytes;
    return shorterBytes !== undefined && bytes > linkBytes(this.linkKind, shorterBytes);
  }

  #resize(datagramBytes: number | undefined): void {
    this.#datagramBytes = datagramBytes ?? this.#datagramBytes;
    this.#sizeProbes = 0;
    this.#vanishings = 0;
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
