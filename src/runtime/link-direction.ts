import { GodwitError } from '../core/errors.ts';
import type { Random } from '../core/random.ts';

/**
 * One direction of an emulated link as arithmetic: what enters now, when does it come out, if it does?
 *
 * In this order: random loss, loss in bursts, drop at a full queue, transmission at the link's rate, delay with jitter. The queue is a virtual clock: the transmitter is busy until some
 * instant, and what enters before waits until then. Order is kept, so what is under way is one list, and the caller needs a timer for its first item only.
 */

/** What a link is like, the same both ways. Absent figures mean: none of it. */
export interface LinkShape {
  /** Bits a second, headers counted; above 0. Absent: transmission takes no time. */
  readonly rateBitsPerSecond?: number;
  /** One way, milliseconds. */
  readonly delayMs?: number;
  /** Extra delay, evenly between 0 and this, milliseconds. Order is kept. */
  readonly jitterMs?: number;
  /** Share of datagrams lost on their own, 0 to 1. They take up none of the rate. */
  readonly loss?: number;
  /** Loss in bursts (Gilbert and Elliott): probabilities a datagram of entering and leaving the bad state, and of loss in it. */
  readonly burst?: { readonly enter: number; readonly leave: number; readonly loss: number };
  /**
   * How long a datagram may wait for its transmission, milliseconds; what would wait longer is dropped, and a stream is read no further. Default 200, or the time of 16 packets of 1500 bytes
   * where that is longer.
   */
  readonly queueMs?: number;
}

/** Refuses a shape that is none, with `CONFIGURATION_INVALID`. */
export function checkLinkShape(shape: LinkShape): void {
  const { rateBitsPerSecond = 1, delayMs = 0, jitterMs = 0, queueMs = 0, loss = 0, burst } = shape;
  const durations = [delayMs, jitterMs, queueMs];
  const probabilities = [loss, burst?.enter ?? 0, burst?.leave ?? 0, burst?.loss ?? 0];
  if (
    rateBitsPerSecond > 0 &&
    durations.every((ms) => ms >= 0 && ms < Number.POSITIVE_INFINITY) &&
    probabilities.every((p) => p >= 0 && p <= 1)
  )
    return;
  throw new GodwitError(
    'CONFIGURATION_INVALID',
    'a link has a rate above 0, times of 0 ms or more, and losses from 0 to 1: correct the shape of the link',
  );
}

const queueMsDefault = 200;
const queuedBitsDefault = 16 * 1500 * 8;
/** Bytes that one direction holds at most, whatever the rate and the delay. */
const heldBytesMax = 256 * 1024 * 1024;
/** What is due within half a timer's resolution comes out now rather than too late. */
const earlyMs = 0.5;

interface Held<Item> {
  readonly item: Item;
  readonly bytes: number;
  readonly outAt: number;
}

/** All instants are milliseconds of one monotonic clock. */
export class LinkDirection<Item> {
  readonly #random: Random;
  #shape: LinkShape;
  #freeAt = Number.NEGATIVE_INFINITY;
  #lastOutAt = Number.NEGATIVE_INFINITY;
  #bad = false;
  /** What is under way, first out first; items before `#first` have left. */
  #held: (Held<Item> | undefined)[] = [];
  #first = 0;
  #heldBytes = 0;

  constructor(shape: LinkShape, random: Random) {
    this.#shape = shape;
    this.#random = random;
  }

  /** The link becomes another one from now on. What is under way arrives when it would have. */
  change(shape: LinkShape): void {
    this.#shape = shape;
  }

  /** An item of `bytes` enters, headers counted. False when it is lost. */
  enter(item: Item, bytes: number, now: number): boolean {
    if (this.#isLost() || this.isFull(now)) return false;
    this.carry(item, bytes, now);
    return true;
  }

  /** An item enters that is neither lost nor dropped: a piece of a stream, whose sender is held back by `isFull` instead. */
  carry(item: Item, bytes: number, now: number): void {
    const { rateBitsPerSecond, delayMs = 0, jitterMs = 0 } = this.#shape;
    const transmissionMs = rateBitsPerSecond === undefined ? 0 : (bytes * 8000) / rateBitsPerSecond;
    this.#freeAt = Math.max(now, this.#freeAt) + transmissionMs;
    const jitter = jitterMs === 0 ? 0 : this.#random.float() * jitterMs;
    const outAt = Math.max(this.#freeAt + delayMs + jitter, this.#lastOutAt);
    this.#lastOutAt = outAt;
    this.#held.push({ item, bytes, outAt });
    this.#heldBytes += bytes;
  }

  /** Whether the next item would wait too long, or too much is held. */
  isFull(now: number): boolean {
    return this.hasRoomAt() > now;
  }

  /** When the direction is, or was, no longer full if nothing else enters. Infinite while too much is held: then it depends on what is taken. */
  hasRoomAt(): number {
    const { rateBitsPerSecond } = this.#shape;
    if (this.#heldBytes >= heldBytesMax) return Number.POSITIVE_INFINITY;
    if (rateBitsPerSecond === undefined) return Number.NEGATIVE_INFINITY;
    return this.#freeAt - (this.#shape.queueMs ?? Math.max(queueMsDefault, (queuedBitsDefault * 1000) / rateBitsPerSecond));
  }

  /** The next item that has arrived by now; `undefined` when none has. */
  take(now: number): Item | undefined {
    const held = this.#held[this.#first];
    if (held === undefined || held.outAt > now + earlyMs) return undefined;
    this.#held[this.#first++] = undefined;
    this.#heldBytes -= held.bytes;
    if (this.#first >= 1024 && this.#first * 2 >= this.#held.length) {
      this.#held = this.#held.slice(this.#first);
      this.#first = 0;
    }
    return held.item;
  }

  /** When the next item arrives. `undefined` when nothing is under way. */
  nextOutAt(): number | undefined {
    return this.#held[this.#first]?.outAt;
  }

  /** Everything under way is lost. Returns how many items that were. */
  cut(): number {
    const lost = this.#held.length - this.#first;
    this.#held = [];
    this.#first = 0;
    this.#heldBytes = 0;
    this.#freeAt = Number.NEGATIVE_INFINITY;
    this.#lastOutAt = Number.NEGATIVE_INFINITY;
    return lost;
  }

  #isLost(): boolean {
    const { loss = 0, burst } = this.#shape;
    if (loss > 0 && this.#random.float() < loss) return true;
    if (burst === undefined) return false;
    if (this.#random.float() < (this.#bad ? burst.leave : burst.enter)) this.#bad = !this.#bad;
    return this.#bad && this.#random.float() < burst.loss;
  }
}
