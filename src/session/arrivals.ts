import { limits } from '../core/limits.ts';
import { type PriorityClass, priorityClasses } from '../core/priority.ts';
import { type DataFrame, dataWindowBytes, type MessageFrame, messageWindowBytes } from './frames.ts';
import { streamPacketBytesMax } from './packets.ts';
import { RangeSet } from './range-set.ts';
import { WireReader } from './wire-bytes.ts';

/**
 * What a session hands to its owner: messages, whole and in order within their class, and data, every byte once and as soon as it arrives.
 *
 * Memory is bounded by what the wire format allows a sender to have under way: for messages, one unfinished message and a window behind it in each class; for data, nothing but the
 * record of the positions taken. A frame that goes beyond is *refused*: its packet is not acknowledged, so an honest sender repeats it later and a dishonest one has gained nothing.
 */

/** A message came together, or a stretch of a transfer arrived. */
export type Arrival =
  | { readonly type: 'message'; readonly priority: PriorityClass; readonly bytes: Uint8Array }
  | { readonly type: 'data'; readonly transfer: number; readonly offset: number; readonly bytes: Uint8Array; readonly last: boolean };

/** What came of a frame. `repeated` counts bytes that had arrived before. */
export type Admission =
  | { readonly verdict: 'taken'; readonly arrivals: readonly Arrival[]; readonly repeatedBytes: number }
  | { readonly verdict: 'refused' }
  | { readonly verdict: 'malformed'; readonly message: string };

/** Ranges of positions or offsets that may wait for what lies between them. */
const rangesMax = 8192;
/** Numbers of positions before the 32 bits of the wire start again. */
const positionSpan = 2 ** 32;

/** Puts one class's message stream in order and cuts it into messages. */
class MessageStream {
  readonly #priority: PriorityClass;
  /** Pieces that arrived ahead of their turn, by offset, ascending. */
  readonly #ahead: { readonly offset: number; readonly bytes: Uint8Array }[] = [];
  /** Offset of the next byte in order. */
  #next = 0;
  /** In order, but not yet a whole message: the first `#heldBytes` of the array. */
  #held = new Uint8Array(0);
  #heldBytes = 0;

  constructor(priority: PriorityClass) {
    this.#priority = priority;
  }

  take(frame: MessageFrame): Admission {
    const end = frame.offset + frame.bytes.length;
    if (end > this.#next + messageWindowBytes + streamPacketBytesMax)
      return { verdict: 'malformed', message: 'message bytes beyond the window' };
    if (end <= this.#next) return { verdict: 'taken', arrivals: [], repeatedBytes: frame.bytes.length };
    if (frame.offset > this.#next) return this.#keepAhead(frame);
    const repeatedBytes = this.#next - frame.offset;
    this.#hold(frame.bytes.subarray(repeatedBytes));
    this.#holdWaiting();
    const messages = this.#cutMessages();
    if (messages === undefined) return { verdict: 'malformed', message: 'message longer than the limit' };
    return { verdict: 'taken', arrivals: messages.map((bytes) => ({ type: 'message', priority: this.#priority, bytes })), repeatedBytes };
  }

  #keepAhead(frame: MessageFrame): Admission {
    if (this.#ahead.length >= rangesMax) return { verdict: 'refused' };
    let place = this.#ahead.length;
    while (place > 0 && (this.#ahead[place - 1]?.offset ?? 0) > frame.offset) place--;
    const before = this.#ahead[place - 1];
    if (before !== undefined && before.offset + before.bytes.length >= frame.offset + frame.bytes.length) {
      return { verdict: 'taken', arrivals: [], repeatedBytes: frame.bytes.length };
    }
    // A copy, so that a short piece does not keep its whole packet in memory.
    this.#ahead.splice(place, 0, { offset: frame.offset, bytes: frame.bytes.slice() });
    return { verdict: 'taken', arrivals: [], repeatedBytes: 0 };
  }

  #hold(bytes: Uint8Array): void {
    const needed = this.#heldBytes + bytes.length;
    if (needed > this.#held.length) {
      const grown = new Uint8Array(Math.max(needed, 2 * this.#held.length));
      grown.set(this.#held.subarray(0, this.#heldBytes));
      this.#held = grown;
    }
    this.#held.set(bytes, this.#heldBytes);
    this.#heldBytes = needed;
    this.#next += bytes.length;
  }

  /** Takes over what arrived ahead and is now in turn. */
  #holdWaiting(): void {
    let used = 0;
    for (const { offset, bytes } of this.#ahead) {
      if (offset > this.#next) break;
      used++;
      const known = this.#next - offset;
      if (known < bytes.length) this.#hold(bytes.subarray(known));
    }
    this.#ahead.splice(0, used);
  }

  /** The whole messages that are held, or `undefined` when one would be too long. What is left is the beginning of the next one. */
  #cutMessages(): Uint8Array[] | undefined {
    const messages: Uint8Array[] = [];
    let cut = 0;
    for (;;) {
      const reader = new WireReader(this.#held.subarray(cut, this.#heldBytes));
      const length = reader.varint();
      // Eight bytes hold any varint, so what cannot be read from them is out of range.
      if (length === undefined && reader.remaining + reader.offset >= 8) return undefined;
      if (length === undefined) break;
      if (length > limits.messageBytesMax) return undefined;
      const message = reader.bytes(length);
      if (message === undefined) break;
      messages.push(message.slice());
      cut += reader.offset;
    }
    if (cut > 0) {
      this.#held = this.#held.slice(cut, this.#heldBytes);
      this.#heldBytes -= cut;
    }
    return messages;
  }
}

/** What has arrived in one session and its owner has not been handed yet. */
export class Arrivals {
  readonly #streams = priorityClasses.map((priority) => new MessageStream(priority));
  readonly #positions = new RangeSet();

  takeMessage(frame: MessageFrame): Admission {
    return (this.#streams[priorityClasses.indexOf(frame.priority)] as MessageStream).take(frame);
  }

  takeData(frame: DataFrame): Admission {
    const ranges = this.#positions.ranges;
    const newest = ranges[ranges.length - 1]?.end ?? 0;
    const floor = ranges[0]?.start === 0 ? ranges[0].end : 0;
    // The full position is the one nearest to the newest known.
    let position = newest - (newest % positionSpan) + frame.position;
    if (position > newest + positionSpan / 2 && position >= positionSpan) position -= positionSpan;
    else if (position < newest - positionSpan / 2) position += positionSpan;
    const end = position + Math.max(1, frame.bytes.length);
    if (end > floor + dataWindowBytes + streamPacketBytesMax) return { verdict: 'malformed', message: 'data beyond the window' };
    if (this.#positions.count >= rangesMax && position > newest) return { verdict: 'refused' };
    const arrivals: Arrival[] = [];
    let freshBytes = 0;
    for (const fresh of this.#positions.add(position, end)) {
      const bytes = frame.bytes.subarray(fresh.start - position, fresh.end - position);
      freshBytes += bytes.length;
      arrivals.push({
        type: 'data',
        transfer: frame.transfer,
        offset: frame.offset + (fresh.start - position),
        bytes,
        last: frame.last && fresh.end === end,
      });
    }
    return { verdict: 'taken', arrivals, repeatedBytes: frame.bytes.length - freshBytes };
  }
}
