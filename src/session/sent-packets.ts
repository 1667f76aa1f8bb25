import { later, type MonotonicMs } from '../core/time.ts';
import type { PacketFate } from '../ports/rate-control.ts';
import type { PacketRange } from './frames.ts';
import { replayWindowWidth } from './replay-window.ts';
import type { Piece } from './send-queue.ts';

/**
 * Packets under way, and which of them must be considered lost.
 *
 * A packet is lost when a later one was acknowledged and it is either `threshold` numbers older or was sent more than 9/8 of a round trip ago (RFC 9002 section 6.1). Links that reorder teach
 * a wider threshold: an acknowledgement for a packet that was given up shows how far the order can go wrong (as in RFC 8985).
 *
 * On a stream nothing is lost while the stream stands; when it breaks, everything under way on it is.
 */

/** A packet that asks for an acknowledgement. */
export interface SentPacket extends PacketFate {
  readonly packetNumber: number;
  readonly pieces: readonly Piece[];
  /** Newest number in the ACK frame it carried, or -1. */
  readonly acknowledges: number;
  /** Longer than packets usually are here: sent to learn whether the path lets it through. */
  readonly isSizeProbe: boolean;
  /** What it carried was given to another lane, because nobody is heard here: it is not given away again. */
  isHandedOver: boolean;
}

const thresholdMin = 3;
const thresholdMax = 512;
const timeThreshold = 9 / 8;
/** Shortest time after which a packet counts as lost, for clocks that tick coarsely. */
const timeThresholdMsMin = 2;
/** Packets given up are remembered while they are no older than this many numbers, to notice that they arrived after all. The peer's replay window admits no older ones either. */
const givenUpSpan = replayWindowWidth;

/** The packets of one session that are under way. */
export class SentPackets {
  /** By number, ascending, as a Map keeps the order of insertion. */
  readonly #underWay = new Map<number, SentPacket>();
  readonly #givenUp = new Map<number, SentPacket>();
  #newestAcknowledged = -1;
  #bytesInFlight = 0;
  #threshold = thresholdMin;
  #lossDeadline: MonotonicMs | undefined;

  get count(): number {
    return this.#underWay.size;
  }

  get bytesInFlight(): number {
    return this.#bytesInFlight;
  }

  /** Highest number the peer has acknowledged, -1 before the first. */
  get newestAcknowledged(): number {
    return this.#newestAcknowledged;
  }

  /** When the next packet becomes lost by age alone. */
  get lossDeadline(): MonotonicMs | undefined {
    return this.#lossDeadline;
  }

  /** The packets under way, oldest first. */
  get underWay(): Iterable<SentPacket> {
    return this.#underWay.values();
  }

  /** The oldest packet under way. */
  get oldest(): SentPacket | undefined {
    for (const packet of this.#underWay.values()) return packet;
    return undefined;
  }

  add(packet: SentPacket): void {
    this.#underWay.set(packet.packetNumber, packet);
    this.#bytesInFlight += packet.bytes;
  }

  /** Takes the packets that these ranges acknowledge off the table: the packets, oldest first, and the ones among them that had been given up. */
  acknowledge(ranges: readonly PacketRange[]): { readonly arrived: SentPacket[]; readonly late: SentPacket[] } {
    const arrived: SentPacket[] = [];
    const late: SentPacket[] = [];
    const newest = ranges[0]?.high ?? -1;
    const oldestKnown = Math.min(this.oldest?.packetNumber ?? Infinity, this.#givenUp.keys().next().value ?? Infinity);
    for (let i = ranges.length - 1; i >= 0; i--) {
      const { low, high } = ranges[i] as PacketRange;
      for (let number = Math.max(low, oldestKnown); number <= high; number++) {
        const packet = this.#underWay.get(number);
        if (packet !== undefined) {
          this.#underWay.delete(number);
          this.#bytesInFlight -= packet.bytes;
          arrived.push(packet);
        } else {
          const givenUp = this.#givenUp.get(number);
          if (givenUp === undefined) continue;
          this.#givenUp.delete(number);
          late.push(givenUp);
          this.#threshold = Math.min(thresholdMax, Math.max(this.#threshold, this.#newestAcknowledged - number + 1));
        }
      }
    }
    this.#newestAcknowledged = Math.max(this.#newestAcknowledged, newest);
    for (const number of this.#givenUp.keys()) {
      if (number >= this.#newestAcknowledged - givenUpSpan) break;
      this.#givenUp.delete(number);
    }
    return { arrived, late };
  }

  /** Gives up the packets that must be considered lost now, oldest first, and sets the deadline for those that may follow. */
  giveUpLost(rttMs: number, now: MonotonicMs): SentPacket[] {
    const lost: SentPacket[] = [];
    const patienceMs = Math.max(timeThresholdMsMin, rttMs * timeThreshold);
    this.#lossDeadline = undefined;
    for (const packet of this.#underWay.values()) {
      if (packet.packetNumber >= this.#newestAcknowledged) break;
      const lostAt = later(packet.sentAt, patienceMs);
      if (lostAt <= now || this.#newestAcknowledged - packet.packetNumber >= this.#threshold) lost.push(packet);
      else if (this.#lossDeadline === undefined || lostAt < this.#lossDeadline) this.#lossDeadline = lostAt;
    }
    for (const packet of lost) this.#giveUp(packet);
    return lost;
  }

  /** Gives up everything: the path is gone. */
  giveUpAll(): SentPacket[] {
    const lost = [...this.#underWay.values()];
    for (const packet of lost) this.#giveUp(packet);
    this.#lossDeadline = undefined;
    return lost;
  }

  #giveUp(packet: SentPacket): void {
    this.#underWay.delete(packet.packetNumber);
    this.#bytesInFlight -= packet.bytes;
    this.#givenUp.set(packet.packetNumber, packet);
  }
}
