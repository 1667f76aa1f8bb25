import type { Random } from '../core/random.ts';
import { LinkDirection, type LinkShape } from './link-direction.ts';
import { systemTimers } from './system-timers.ts';

/**
 * Both directions of an emulated link on this machine's clock: what enters is a delivery to be made later, and one timer makes those that are due.
 *
 * Deliveries are batched by the millisecond, the resolution of timers, so that a gigabit a second costs a thousand wake-ups a second and not eighty thousand. The batching moves single packets by
 * about a millisecond; rates stay exact, as every instant follows from the one before and not from when the timer came.
 */

/** What entered one direction. */
export interface DirectionCounts {
  /** Datagrams, or segments of a stream. */
  readonly packets: number;
  /** Their bytes with the headers of UDP or TCP and IP. */
  readonly bytes: number;
  /** How many of them did not come out: lost, dropped at a full queue, or under way when the link was cut. */
  readonly dropped: number;
}

/** Where a stream comes from. */
export interface PausableSender {
  pause(): void;
  resume(): void;
}

/** Payload of a TCP segment on Ethernet with timestamps, and the headers of TCP and IPv4 without options; what the options cost is within the estimate. */
const segmentPayloadBytes = 1448;
const segmentHeaderBytes = 40;
/** Segments of one piece at most, 64 KiB of payload. */
const segmentsPerPieceMax = 45;

/** Bytes of a stream that pass as one piece: what the rate carries in a millisecond, in whole segments. */
function pieceBytesOf({ rateBitsPerSecond = Number.POSITIVE_INFINITY }: LinkShape): number {
  return segmentPayloadBytes * Math.min(segmentsPerPieceMax, Math.max(1, Math.floor(rateBitsPerSecond / 8000 / segmentPayloadBytes)));
}

/** One direction as the relay feeds it. */
export class EmulatedDirection {
  readonly #direction: LinkDirection<() => void>;
  readonly #changed: () => void;
  readonly #paused = new Set<PausableSender>();
  #pieceBytes: number;
  #isCut = false;
  #packets = 0;
  #bytes = 0;
  #dropped = 0;

  /** `changed` is called whenever something entered. */
  constructor(shape: LinkShape, random: Random, changed: () => void) {
    this.#direction = new LinkDirection(shape, random);
    this.#pieceBytes = pieceBytesOf(shape);
    this.#changed = changed;
  }

  /** Offers a datagram of `bytes`, headers counted. `deliver` is called when it arrives, and never when it does not. */
  offer(bytes: number, deliver: () => void): void {
    this.#packets++;
    this.#bytes += bytes;
    if (this.#isCut || !this.#direction.enter(deliver, bytes, performance.now())) this.#dropped++;
    else this.#changed();
  }

  /** Carries bytes of a stream, in pieces: `deliver` is called for each in order. When the direction is full the sender is paused, and resumed when it may go on. */
  carry(bytes: Uint8Array, deliver: (piece: Uint8Array) => void, sender: PausableSender): void {
    const now = performance.now();
    for (let start = 0; start < bytes.length; start += this.#pieceBytes) {
      const piece = bytes.subarray(start, start + this.#pieceBytes);
      const segments = Math.ceil(piece.length / segmentPayloadBytes);
      const linkBytes = piece.length + segments * segmentHeaderBytes;
      this.#packets += segments;
      this.#bytes += linkBytes;
      this.#direction.carry(() => deliver(piece), linkBytes, now);
    }
    if (this.#direction.isFull(now)) {
      sender.pause();
      this.#paused.add(sender);
    }
    this.#changed();
  }

  /** Carries the end of a stream, which takes no room and passes nothing. */
  carryEnd(deliver: () => void): void {
    this.#direction.carry(deliver, 0, performance.now());
    this.#changed();
  }

  /** The direction becomes another one from now on. */
  change(shape: LinkShape): void {
    this.#direction.change(shape);
    this.#pieceBytes = pieceBytesOf(shape);
  }

  /** Loses what is under way and, until `restore`, everything that is offered. */
  cut(): void {
    this.#isCut = true;
    this.#dropped += this.#direction.cut();
    this.#paused.clear();
  }

  /** Everything offered passes again as the shape says. */
  restore(): void {
    this.#isCut = false;
  }

  /** What entered so far. */
  counts(): DirectionCounts {
    return { packets: this.#packets, bytes: this.#bytes, dropped: this.#dropped };
  }

  /** Makes the deliveries that are due and lets senders go on. */
  advance(now: number): void {
    for (let deliver = this.#direction.take(now); deliver !== undefined; deliver = this.#direction.take(now)) deliver();
    if (this.#paused.size === 0 || this.#direction.isFull(now)) return;
    const resumed = [...this.#paused];
    this.#paused.clear();
    for (const sender of resumed) sender.resume();
  }

  /** When `advance` has something to do; infinite when never. */
  nextAt(): number {
    const outAt = this.#direction.nextOutAt() ?? Number.POSITIVE_INFINITY;
    return this.#paused.size === 0 ? outAt : Math.min(outAt, this.#direction.hasRoomAt());
  }
}

/** A link between a client side and a target side. */
export class EmulatedLink {
  /** Towards the target. */
  readonly forward: EmulatedDirection;
  /** Towards the clients. */
  readonly backward: EmulatedDirection;
  #isCut = false;
  #timer: { readonly at: number; cancel(): void } | undefined;

  constructor(shape: LinkShape, random: Random) {
    const changed = () => this.#advance();
    this.forward = new EmulatedDirection(shape, random.fork(), changed);
    this.backward = new EmulatedDirection(shape, random.fork(), changed);
  }

  get isCut(): boolean {
    return this.#isCut;
  }

  /** Loses what is under way both ways and, until `restore`, everything that is offered. */
  cut(): void {
    this.#isCut = true;
    this.forward.cut();
    this.backward.cut();
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** The link is up again. */
  restore(): void {
    this.#isCut = false;
    this.forward.restore();
    this.backward.restore();
  }

  /** The link becomes another one from now on. */
  change(shape: LinkShape): void {
    this.forward.change(shape);
    this.backward.change(shape);
  }

  #advance(): void {
    const now = performance.now();
    this.forward.advance(now);
    this.backward.advance(now);
    const at = Math.min(this.forward.nextAt(), this.backward.nextAt());
    if (at === Number.POSITIVE_INFINITY || (this.#timer !== undefined && this.#timer.at <= at)) return;
    this.#timer?.cancel();
    const timer = systemTimers.schedule(Math.max(1, at - now), () => {
      this.#timer = undefined;
      this.#advance();
    });
    this.#timer = { at, cancel: () => timer.cancel() };
  }
}
