import { type PriorityClass, priorityClasses } from '../core/priority.ts';
import { later, type MonotonicMs } from '../core/time.ts';
import { type WelcomeFrame, welcomeBytesMax } from './frames.ts';

/**
 * What the two ends of a lane want to come by it.
 *
 * What arrives cannot be refused: it has been paid for. So each end says what is welcome, and an honest peer keeps to it: classes, while the session has another lane for the others; and bytes within a time, which holds whatever else there is. The last
 * word counts. It is said again until it was acknowledged.
 */

/** What is welcome on a lane. */
export interface Welcome {
  /** Nothing less urgent, while there is another lane; `undefined`: nothing at all then. */
  readonly least: PriorityClass | undefined;
  /** Bytes on the link, all headers counted, for so many seconds from when it is heard. Absent: any number. */
  readonly quota?: { readonly bytes: number; readonly seconds: number };
}

/** The welcome of one lane, in both directions. */
export class LaneWelcome {
  /** What is to come, and the packet that said so. `undefined`: it need not be said. */
  #own: { readonly frame: WelcomeFrame; inPacket: number | undefined } | undefined;
  #least: PriorityClass | undefined = 'bulk';
  #bytesLeft = Infinity;
  #until = -Infinity as MonotonicMs;

  /** The least urgent class that the peer wants here while there is another lane. */
  get least(): PriorityClass | undefined {
    return this.#least;
  }

  /** Bytes that the peer wants at most now. */
  bytesLeft(now: MonotonicMs): number {
    return now < this.#until ? this.#bytesLeft : Infinity;
  }

  /** When so many bytes may leave which are allowed from `at` on otherwise. */
  allowsFrom(at: MonotonicMs, bytes: number): MonotonicMs {
    return bytes <= this.#bytesLeft || this.#until < at ? at : this.#until;
  }

  /** The peer says what is welcome. */
  take({ least, bytes, seconds }: WelcomeFrame, now: MonotonicMs): void {
    this.#least = priorityClasses[least];
    this.#bytesLeft = bytes === welcomeBytesMax ? Infinity : bytes;
    this.#until = later(now, seconds * 1000);
  }

  /** So many bytes left for the peer. */
  sent(bytes: number): void {
    this.#bytesLeft = Math.max(0, this.#bytesLeft - bytes);
  }

  /** The peer shall hear what is welcome here. */
  say({ least, quota }: Welcome): void {
    const frame: WelcomeFrame = {
      type: 'welcome',
      least: least === undefined ? priorityClasses.length : priorityClasses.indexOf(least),
      bytes: Math.min(welcomeBytesMax, Math.floor(quota?.bytes ?? welcomeBytesMax)),
      seconds: quota === undefined ? 0 : Math.ceil(quota.seconds),
    };
    this.#own = { frame, inPacket: undefined };
  }

  /** What is still to be said. */
  get unsaid(): WelcomeFrame | undefined {
    return this.#own?.inPacket === undefined ? this.#own?.frame : undefined;
  }

  /** It left with this packet. */
  saidIn(packetNumber: number): void {
    if (this.#own !== undefined) this.#own.inPacket = packetNumber;
  }

  /** This packet arrived. */
  arrived(packetNumber: number): void {
    if (this.#own?.inPacket === packetNumber) this.#own = undefined;
  }

  /** This packet was lost. */
  lost(packetNumber: number): void {
    if (this.#own?.inPacket === packetNumber) this.#own.inPacket = undefined;
  }
}
