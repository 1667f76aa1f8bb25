import type { MonotonicMs } from '../core/time.ts';
import type { PacketFate } from '../ports/rate-control.ts';

/**
 * Tells loss that is always there from loss that sending too much brings about.
 *
 * A radio loses packets at any rate; a full buffer loses what is too much. Where buffers are deep their delay shows first, but some hold only a packet or two. So now and then the sender goes below the
 * link's rate for a moment. What is lost *then* is the base. Loss in excess of the base adds up, and what stays within it takes away again (a CUSUM test, E. S. Page 1954), until
 * there is too much of it to be chance: then something overflows.
 */

/** Packets over which the shares are taken; older ones count ever less. */
const memoryPackets = { lately: 256, base: 512 } as const;
const basePacketsMin = 24;
/** Excess over the base that is tolerated, as a share of packets. */
const slack = 0.03;
/** Lost packets in excess that count as overflow: this many, and more where much is lost anyway, as chance then has more room. */
const excessMin = 4;
const excessPerBase = 20;

/** Share of packets lost. */
class LossShare {
  readonly #memoryPackets: number;
  #lost = 0;
  #total = 0;

  constructor(memory: number) {
    this.#memoryPackets = memory;
  }

  take(lost: number, arrived: number): void {
    const fading = Math.max(0, 1 - (lost + arrived) / this.#memoryPackets);
    this.#lost = this.#lost * fading + lost;
    this.#total = this.#total * fading + lost + arrived;
  }

  /** Packets it rests on. */
  get packets(): number {
    return this.#total;
  }

  /** 0 to 1; 0 while nothing is known. */
  get share(): number {
    return this.#total === 0 ? 0 : this.#lost / this.#total;
  }
}

/** The loss of one path. */
export class LossWatch {
  #lately = new LossShare(memoryPackets.lately);
  #base = new LossShare(memoryPackets.base);
  #ignoredBefore = -Infinity;
  #restrainedFrom = Infinity;
  #restrainedUntil = Infinity;
  #excess = 0;

  /** Share of packets lost lately, 0 to 1. */
  get share(): number {
    return this.#lately.share;
  }

  /** Share of packets lost although less was sent than the link carries, 0 to 1. */
  get baseShare(): number {
    return this.#base.share;
  }

  /** True when the base rests on enough packets to be believed. */
  get knowsBase(): boolean {
    return this.#base.packets >= basePacketsMin;
  }

  /** True when what was lost lately is no more than the base. */
  get withinBase(): boolean {
    return this.knowsBase && this.#lately.share <= this.#base.share + slack;
  }

  /** True while more is lost than the base explains by chance. */
  get overflows(): boolean {
    return this.#excess > excessMin + excessPerBase * this.#base.share;
  }

  /** From `from` to `until` packets leave at less than the link's rate. */
  restrain(from: MonotonicMs, until: MonotonicMs): void {
    this.#restrainedFrom = from;
    this.#restrainedUntil = until;
  }

  /** Takes the fate of packets: all lost, or all arrived. */
  take(fates: readonly PacketFate[], lost: boolean): void {
    const packets = fates.filter(({ sentAt }) => sentAt >= this.#ignoredBefore);
    const count = packets.length;
    const restrained = packets.filter(({ sentAt }) => sentAt >= this.#restrainedFrom && sentAt < this.#restrainedUntil).length;
    this.#lately.take(lost ? count : 0, lost ? 0 : count);
    if (restrained > 0) this.#base.take(lost ? restrained : 0, lost ? 0 : restrained);
    this.#excess = Math.max(0, this.#excess + (lost ? count : 0) - count * (this.#base.share + slack));
  }

  /** The link has become a slower one: nothing that was lost before tells what it loses. */
  startAnew(now: MonotonicMs): void {
    this.#ignoredBefore = now;
    this.#lately = new LossShare(memoryPackets.lately);
    this.#base = new LossShare(memoryPackets.base);
    this.#restrainedFrom = Infinity;
    this.#restrainedUntil = Infinity;
    this.#excess = 0;
  }

  /** The sender has drawn its conclusion: count anew. */
  clear(): void {
    this.#excess = 0;
  }
}
