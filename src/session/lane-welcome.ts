import { type PriorityClass, priorityClasses } from '../core/priority.ts';
import { later, type MonotonicMs } from '../core/time.ts';
import { type WelcomeFrame, welcomeBytesMax } from './frames.ts';
import { type Incoming, IncomingQuota, type Welcome } from './incoming-quota.ts';

/**
 * What the two ends of a lane want to come by it.
 *
 * What arrives cannot be refused: it has been paid for. So each end says what is welcome, and an honest peer keeps to it: classes, while the session has another lane for the others; and bytes within a time, which holds whatever else there is. The last
 * word counts, also when the peer is heard from another address. It is said again until it was acknowledged. About a way to which this end goes on purpose the peer has not said anything yet, or what it said there before.
 */

/** Ways of which is remembered how much was wanted there. */
const waysRemembered = 8;

/** The welcome of one lane, in both directions. */
export class LaneWelcome {
  /** What is to come, and the packet that said so. `undefined`: it need not be said. */
  #own: { readonly frame: WelcomeFrame; inPacket: number | undefined } | undefined;
  #least: PriorityClass | undefined = 'bulk';
  #bytesLeft = Infinity;
  #until = -Infinity as MonotonicMs;
  /** The packet in which the peer said so. */
  #heardIn = -1;
  readonly #leftByWay = new Map<string, { readonly bytes: number; readonly until: MonotonicMs }>();
  #incoming = new IncomingQuota();
  /** What the peer takes for the least urgent class that is wanted here; absent before anything was said. */
  #said: { readonly least: PriorityClass | undefined } | undefined;
  #mustSay = false;

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

  /** This end leaves a way, and goes to another on purpose or to none. */
  move(from: string | undefined, to: string | undefined): void {
    if (from === to) return;
    if (from !== undefined) {
      this.#leftByWay.delete(from);
      this.#leftByWay.set(from, { bytes: this.#bytesLeft, until: this.#until });
      const [oldest] = this.#leftByWay.keys();
      if (oldest !== undefined && this.#leftByWay.size > waysRemembered) this.#leftByWay.delete(oldest);
    }
    const known = to === undefined ? undefined : this.#leftByWay.get(to);
    this.#bytesLeft = known?.bytes ?? Infinity;
    this.#until = known?.until ?? (-Infinity as MonotonicMs);
    this.#least = 'bulk';
  }

  /** The peer says what is welcome. What it had said before may come later, by another way or over a longer one, and counts no more. */
  take({ least, bytes, seconds }: WelcomeFrame, packetNumber: number, now: MonotonicMs): void {
    if (packetNumber < this.#heardIn) return;
    this.#heardIn = packetNumber;
    this.#least = priorityClasses[least];
    this.#bytesLeft = bytes === welcomeBytesMax ? Infinity : bytes;
    this.#until = later(now, seconds * 1000);
  }

  /** So many bytes left for the peer. */
  sent(bytes: number): void {
    this.#bytesLeft = Math.max(0, this.#bytesLeft - bytes);
  }

  /** So many bytes came from the peer. */
  received(bytes: number, now: MonotonicMs): void {
    this.#incoming.received(bytes, now);
  }

  /** The way is another: what was told before holds until the peer hears otherwise, so it hears what is so now. */
  startPath(): void {
    this.#incoming = new IncomingQuota();
    this.#mustSay = this.#said !== undefined;
  }

  /** Tells the peer what may still come and which classes, where that is not what it was told last. The last word counts for both, so both are in it. */
  review(
    wanted: { readonly least: PriorityClass | undefined; readonly incoming: Incoming | undefined; readonly roundTripMs: number },
    now: MonotonicMs,
  ): void {
    const { least, incoming, roundTripMs } = wanted;
    const isOther = this.#mustSay || least !== (this.#said === undefined ? 'bulk' : this.#said.least);
    this.#mustSay = false;
    if (isOther) this.#incoming.sayAnew();
    const quota = this.#incoming.review(incoming, roundTripMs, now);
    if (quota !== undefined || isOther) this.say({ ...quota, least });
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
    this.#said = { least };
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

/** The more urgent of two classes; `undefined`, which is no class at all, where one of them is. */
export function moreUrgent(a: PriorityClass | undefined, b: PriorityClass | undefined): PriorityClass | undefined {
  return a === undefined || b === undefined ? undefined : priorityClasses[Math.min(priorityClasses.indexOf(a), priorityClasses.indexOf(b))];
}
