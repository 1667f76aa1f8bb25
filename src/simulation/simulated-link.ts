import { invariant } from '../core/assert.ts';
import type { Random } from '../core/random.ts';
import type { MonotonicMs } from '../core/time.ts';
import { linkBytes, type PathKind } from '../session/ledger.ts';
import type { VirtualAgenda } from './virtual-agenda.ts';
import { type Airtime, type LinkModel, VirtualLink } from './virtual-link.ts';

/**
 * A link between two hosts: two directions, each with its own model, and the faults that are neither loss nor delay.
 *
 * A direction that is down loses what enters it and what is under way on it, and nobody is told. A datagram may come out with a bit flipped, or not at all because it is larger than the link's MTU;
 * on a stream both are the business of the protocol below, which sends the bytes again.
 */

/** Bytes that one direction of a link has carried. */
export interface LinkTraffic {
  readonly packets: number;
  readonly bytes: number;
}

/** Packets that met a fault, both directions together. */
export interface LinkFaultCounts {
  readonly corrupted: number;
  /** Datagrams that were larger than the MTU. */
  readonly tooLarge: number;
  /** Refused by a full queue. */
  readonly dropped: number;
}

/** A stretch of virtual time, `[fromMs, untilMs)`. */
export interface LinkWindow {
  readonly fromMs: number;
  readonly untilMs: number;
}

interface Direction {
  readonly carrier: VirtualLink;
  model: LinkModel;
  isUp: boolean;
  /** Counts the cuts: what entered before one does not arrive after it. */
  cuts: number;
}

/** A link between two hosts. */
export class SimulatedLink {
  readonly ends: readonly [string, string];
  /** Which of the links between the two hosts it is; the empty name for the first. */
  readonly medium: string;
  readonly #directions: readonly [Direction, Direction];
  readonly #agenda: VirtualAgenda;
  readonly #random: Random;
  /** Cuts and heals that a schedule has still to do. */
  readonly #scheduled: { cancel(): void }[] = [];
  #corrupted = 0;
  #tooLarge = 0;

  /** `models`: the way from the first end to the second, and back. `airtimeOf` gives the clock of a channel. */
  constructor(
    ends: readonly [string, string],
    medium: string,
    models: readonly [LinkModel, LinkModel],
    agenda: VirtualAgenda,
    random: Random,
    airtimeOf: (channel: string) => Airtime,
  ) {
    this.ends = ends;
    this.medium = medium;
    const direction = (model: LinkModel): Direction => ({
      carrier: new VirtualLink(model, random.fork(), model.channel === undefined ? undefined : airtimeOf(model.channel)),
      model,
      isUp: true,
      cuts: 0,
    });
    this.#directions = [direction(models[0]), direction(models[1])];
    this.#agenda = agenda;
    this.#random = random.fork();
  }

  /** True when both directions are up. */
  get isUp(): boolean {
    return this.#directions[0].isUp && this.#directions[1].isUp;
  }

  /** The link goes down; with `from`, only the way that begins at this end. Neither end is told. */
  cut(from?: string): void {
    for (const direction of from === undefined ? this.#directions : [this.#directionFrom(from)]) {
      if (!direction.isUp) continue;
      direction.isUp = false;
      direction.cuts++;
    }
  }

  /** The link is there again, in both directions. A schedule goes on. */
  heal(): void {
    for (const direction of this.#directions) direction.isUp = true;
  }

  /** Other properties from now on; `back` is the way from the second end to the first, the same if absent. */
  change(model: LinkModel, back: LinkModel = model): void {
    for (const [direction, next] of [
      [this.#directions[0], model],
      [this.#directions[1], back],
    ] as const) {
      direction.model = next;
      direction.carrier.change(next);
    }
  }

  /** Up only in these stretches of virtual time; down from now on otherwise. Takes the place of an earlier schedule. */
  schedule(windows: readonly LinkWindow[]): void {
    this.unschedule();
    const { monotonicMs } = this.#agenda.now;
    if (!windows.some(({ fromMs, untilMs }) => fromMs <= monotonicMs && monotonicMs < untilMs)) this.cut();
    else this.heal();
    for (const { fromMs, untilMs } of windows) {
      if (fromMs > monotonicMs) this.#scheduled.push(this.#agenda.at(fromMs as MonotonicMs, () => this.heal()));
      if (untilMs > monotonicMs) this.#scheduled.push(this.#agenda.at(untilMs as MonotonicMs, () => this.cut()));
    }
  }

  /** Ends a schedule: the link stays as it is now. */
  unschedule(): void {
    for (const item of this.#scheduled.splice(0)) item.cancel();
  }

  /** What the link took from this end, all headers counted. */
  trafficFrom(name: string): LinkTraffic {
    const { packetsEntered, bytesEntered } = this.#directionFrom(name).carrier.counts;
    return { packets: packetsEntered, bytes: bytesEntered };
  }

  /** Packets that met a fault so far. */
  get faults(): LinkFaultCounts {
    const dropped = this.#directions.reduce((sum, { carrier }) => sum + carrier.counts.packetsDropped, 0);
    return { corrupted: this.#corrupted, tooLarge: this.#tooLarge, dropped };
  }

  /**
   * A packet enters at one end. `arrive` is called whenever it comes out at the other, which may be never, or twice, with what is then left of its bytes; `lost` is called when it never will. Bytes
   * that were not changed are the very array that entered.
   */
  carry(from: string, kind: PathKind, bytes: Uint8Array, arrive: (bytes: Uint8Array) => void, lost: () => void = () => undefined): void {
    const direction = this.#directionFrom(from);
    const { model, cuts } = direction;
    const size = linkBytes(kind, bytes.length);
    const isTooLarge = kind === 'datagram' && model.mtuBytes !== undefined && size > model.mtuBytes;
    if (isTooLarge) this.#tooLarge++;
    const arrivals = direction.isUp && !isTooLarge ? direction.carrier.send(size, this.#agenda.now.monotonicMs) : [];
    if (arrivals.length === 0) lost();
    for (const at of arrivals) {
      const isCorrupt = model.corruptRatio !== undefined && this.#random.float() < model.corruptRatio;
      this.#agenda.at(at, () => {
        if (cuts !== direction.cuts) lost();
        else if (!isCorrupt) arrive(bytes);
        else {
          this.#corrupted++;
          if (kind === 'stream') lost();
          else arrive(this.#flipped(bytes));
        }
      });
    }
  }

  /** There and back without queues, in milliseconds. */
  get roundTripMs(): number {
    return this.#directions[0].model.delayMs + this.#directions[1].model.delayMs;
  }

  #flipped(bytes: Uint8Array): Uint8Array {
    const copy = bytes.slice();
    const bit = this.#random.below(copy.length * 8);
    copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    return copy;
  }

  #directionFrom(name: string): Direction {
    invariant(this.ends.includes(name), `${name} is not at an end of this link`);
    return this.#directions[this.ends[0] === name ? 0 : 1];
  }
}
