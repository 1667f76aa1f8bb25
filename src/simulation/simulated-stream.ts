import { later } from '../core/time.ts';
import type { SimulatedLink } from './simulated-link.ts';
import type { VirtualAgenda } from './virtual-agenda.ts';

/**
 * Streams between hosts, as TCP makes them of a link that loses: in order and whole, or not at all.
 *
 * What the link loses or corrupts is sent again, later and later, until it is given up and the stream breaks; nobody is told earlier. A stream belongs to the two addresses it was opened between: once one
 * of them has changed nothing gets through any more, and the ends find out in the same way. An end that has nothing to send finds out nothing: to it the stream stands, until what it sends is answered with a reset or given up.
 */

/** First pause before a stream repeats what was lost, and the longest one; the pause doubles in between (RFC 6298). */
const repeatMsMin = 200;
const repeatMsMax = 10_000;
/** A stream that got nothing through for so long breaks. Kernels wait minutes; sessions notice within seconds either way. */
const streamGivesUpMs = 60_000;

/** Something that receives what a link brings: one run of a host's process. */
export interface NetworkHost {
  readonly name: string;
  /** False once the process has ended: what arrives then is lost, or answered with a reset when the host runs again. */
  readonly running: boolean;
  datagramArrived(toPort: number, from: string, bytes: Uint8Array): void;
  /** The end of a stream that somebody opens to this port, or `undefined` when nobody listens there. */
  accept(port: number, from: string): StreamEnd | undefined;
}

/** What happens at one end of a stream. */
export interface StreamEnd {
  readonly host: NetworkHost;
  /** The connection stands; this end is its side 0 when it dialled, and 1 when it was dialled. */
  opened(stream: SimulatedStream, side: 0 | 1): void;
  received(bytes: Uint8Array): void;
  /** It is over, in both directions. */
  closed(): void;
}

/** What a stream runs over. */
export interface StreamPath {
  readonly link: SimulatedLink;
  readonly agenda: VirtualAgenda;
  /** False once one of the two hosts has another address than when the stream was opened. */
  readonly isAddressed: () => boolean;
}

const nothing = new Uint8Array(0);

/** One direction of a stream: in order, whatever the link does. */
class StreamDirection {
  readonly #link: SimulatedLink;
  readonly #agenda: VirtualAgenda;
  readonly #from: string;
  readonly #to: Pick<StreamEnd, 'host' | 'received'>;
  readonly #isAddressed: () => boolean;
  readonly #broken: () => void;
  readonly #gaveUp: () => void;
  readonly #arrived = new Map<number, Uint8Array | undefined>();
  #sent = 0;
  #delivered = 0;
  #progressAtMs = 0;
  #over = false;

  constructor(
    between: StreamPath,
    from: string,
    to: Pick<StreamEnd, 'host' | 'received'>,
    over: { readonly broken: () => void; readonly gaveUp: () => void },
  ) {
    this.#link = between.link;
    this.#agenda = between.agenda;
    this.#isAddressed = between.isAddressed;
    this.#from = from;
    this.#to = to;
    this.#broken = over.broken;
    this.#gaveUp = over.gaveUp;
  }

  /** Takes bytes, or `undefined` for the end of the stream. */
  write(bytes: Uint8Array | undefined): void {
    if (this.#sent === this.#delivered) this.#progressAtMs = this.#agenda.now.monotonicMs;
    this.#send(this.#sent++, bytes, repeatMsMin + 2 * this.#link.roundTripMs);
  }

  end(): void {
    this.#over = true;
  }

  #send(index: number, bytes: Uint8Array | undefined, repeatMs: number): void {
    if (this.#over) return;
    const again = () => {
      const { monotonicMs } = this.#agenda.now;
      if (monotonicMs - this.#progressAtMs > streamGivesUpMs) {
        this.#agenda.at(monotonicMs, this.#gaveUp);
        return;
      }
      this.#agenda.at(later(monotonicMs, Math.min(repeatMs, repeatMsMax)), () => this.#send(index, bytes, repeatMs * 2));
    };
    this.#link.carry(this.#from, 'stream', bytes ?? nothing, () => this.#arrive(index, bytes, again), again);
  }

  #arrive(index: number, bytes: Uint8Array | undefined, again: () => void): void {
    if (this.#over || index < this.#delivered || this.#arrived.has(index)) return;
    if (!this.#to.host.running || !this.#isAddressed()) {
      again();
      return;
    }
    this.#arrived.set(index, bytes);
    while (this.#arrived.has(this.#delivered) && !this.#over) {
      const next = this.#arrived.get(this.#delivered);
      this.#arrived.delete(this.#delivered++);
      this.#progressAtMs = this.#agenda.now.monotonicMs;
      if (next === undefined) this.#broken();
      else this.#to.received(next.slice());
    }
  }
}

/** A stream connection between two ends. */
export class SimulatedStream {
  readonly #directions: readonly [StreamDirection, StreamDirection];
  readonly #ends: readonly [StreamEnd, StreamEnd];
  readonly #onOver: (stream: SimulatedStream) => void;
  /** Ends to which it does not stand any more. */
  readonly #gone = new Set<StreamEnd>();
  #over = false;

  constructor(between: StreamPath, ends: readonly [StreamEnd, StreamEnd], onOver: (stream: SimulatedStream) => void) {
    this.#ends = ends;
    this.#onOver = onOver;
    const broken = () => this.break();
    const direction = (from: StreamEnd, to: StreamEnd) => {
      const received = (bytes: Uint8Array) => (this.#gone.has(to) ? this.break() : to.received(bytes));
      return new StreamDirection(between, from.host.name, { host: to.host, received }, { broken, gaveUp: () => this.#leave(from) });
    };
    this.#directions = [direction(ends[0], ends[1]), direction(ends[1], ends[0])];
  }

  joins(host: NetworkHost): boolean {
    return this.#ends.some((end) => end.host === host);
  }

  write(side: 0 | 1, bytes: Uint8Array): void {
    if (!this.#over && !this.#gone.has(this.#ends[side])) this.#directions[side].write(bytes);
  }

  /** Ends the stream behind what was written. */
  finish(side: 0 | 1): void {
    if (!this.#over && !this.#gone.has(this.#ends[side])) this.#directions[side].write(undefined);
  }

  /** Nothing that an end sends gets through: to this one it is over. */
  #leave(end: StreamEnd): void {
    if (this.#over || this.#gone.has(end)) return;
    if (this.#gone.size + 1 === this.#ends.length) this.break();
    else {
      this.#gone.add(end);
      end.closed();
    }
  }

  /** Ends it at once, at both ends: a reset. */
  break(): void {
    if (this.#over) return;
    this.#over = true;
    this.#onOver(this);
    for (const direction of this.#directions) direction.end();
    for (const end of this.#ends) if (!this.#gone.has(end)) end.closed();
  }
}
