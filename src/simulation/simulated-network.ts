import { invariant } from '../core/assert.ts';
import type { Random } from '../core/random.ts';
import { later, type MonotonicMs } from '../core/time.ts';
import { linkBytes, type PathKind } from '../session/ledger.ts';
import type { VirtualAgenda } from './virtual-agenda.ts';
import { type LinkModel, VirtualLink } from './virtual-link.ts';

/**
 * Hosts and the links between them: what is on the far side of the `LinkDriver` port.
 *
 * A link joins two hosts and carries datagrams and streams alike, each direction by its own model. Nothing is routed: two hosts without a link cannot reach each other. A link that is down
 * loses what enters it and what is under way on it. What a stream loses is sent again, later and later, as TCP does, until it is given up and the stream breaks; nobody is told earlier.
 */

/** Something that receives what a link brings: one run of a host's process. */
export interface NetworkHost {
  readonly name: string;
  /** False once the process has ended: what arrives then is lost, or answered with a reset when the host runs again. */
  readonly running: boolean;
  datagramArrived(toPort: number, from: string, bytes: Uint8Array): void;
  /** The end of a stream that somebody opens to this port, or `undefined` when nobody listens there. */
  accept(port: number, from: string): StreamEnd | undefined;
}

/** Bytes that one direction of a link has carried. */
export interface LinkTraffic {
  readonly packets: number;
  readonly bytes: number;
}

/** A link between two hosts. */
export class SimulatedLink {
  readonly ends: readonly [string, string];
  readonly #directions: readonly [VirtualLink, VirtualLink];
  readonly #agenda: VirtualAgenda;
  #models: readonly [LinkModel, LinkModel];
  #up = true;
  /** Counts the cuts: what entered before one does not arrive after it. */
  #cuts = 0;

  constructor(ends: readonly [string, string], models: readonly [LinkModel, LinkModel], agenda: VirtualAgenda, random: Random) {
    this.ends = ends;
    this.#models = models;
    this.#directions = [new VirtualLink(models[0], random.fork()), new VirtualLink(models[1], random.fork())];
    this.#agenda = agenda;
  }

  get isUp(): boolean {
    return this.#up;
  }

  /** The link goes down. Neither end is told. */
  cut(): void {
    if (!this.#up) return;
    this.#up = false;
    this.#cuts++;
  }

  /** The link is there again. */
  heal(): void {
    this.#up = true;
  }

  /** Other properties from now on; `back` is the way from the second end to the first, the same if absent. */
  change(model: LinkModel, back: LinkModel = model): void {
    this.#models = [model, back];
    this.#directions[0].change(model);
    this.#directions[1].change(back);
  }

  /** Up only in these stretches of virtual time, each `[fromMs, untilMs)`; down from now on otherwise. */
  schedule(windows: readonly { readonly fromMs: number; readonly untilMs: number }[]): void {
    const { monotonicMs } = this.#agenda.now;
    if (!windows.some(({ fromMs, untilMs }) => fromMs <= monotonicMs && monotonicMs < untilMs)) this.cut();
    for (const { fromMs, untilMs } of windows) {
      if (fromMs > monotonicMs) this.#agenda.at(fromMs as MonotonicMs, () => this.heal());
      if (untilMs > monotonicMs) this.#agenda.at(untilMs as MonotonicMs, () => this.cut());
    }
  }

  /** What the link took from this end, all headers counted. */
  trafficFrom(name: string): LinkTraffic {
    const { packetsEntered, bytesEntered } = this.#directions[this.#sideOf(name)].counts;
    return { packets: packetsEntered, bytes: bytesEntered };
  }

  /** A packet enters at one end. `arrive` is called whenever it comes out at the other, which may be never, or twice. `lost` is called at once when it never will. */
  carry(from: string, kind: PathKind, bytes: number, arrive: () => void, lost: () => void = () => undefined): void {
    const now = this.#agenda.now.monotonicMs;
    const arrivals = this.#up ? this.#directions[this.#sideOf(from)].send(linkBytes(kind, bytes), now) : [];
    if (arrivals.length === 0) lost();
    const cuts = this.#cuts;
    for (const at of arrivals) {
      this.#agenda.at(at, () => {
        if (cuts === this.#cuts) arrive();
        else lost();
      });
    }
  }

  /** There and back without queues, in milliseconds. */
  get roundTripMs(): number {
    return this.#models[0].delayMs + this.#models[1].delayMs;
  }

  #sideOf(name: string): 0 | 1 {
    return this.ends[0] === name ? 0 : 1;
  }
}

/** First pause before a stream repeats what was lost, and the longest one; the pause doubles in between (RFC 6298). */
const repeatMsMin = 200;
const repeatMsMax = 10_000;
/** A stream that got nothing through for so long breaks. Kernels wait minutes; sessions notice within seconds either way. */
const streamGivesUpMs = 60_000;
/** Opening one is given up earlier. */
const dialGivesUpMs = 30_000;
const synBytes = 20;

/** What happens at one end of a stream. */
export interface StreamEnd {
  readonly host: NetworkHost;
  /** The connection stands; this end is its side 0 when it dialled, and 1 when it was dialled. */
  opened(stream: SimulatedStream, side: 0 | 1): void;
  received(bytes: Uint8Array): void;
  /** It is over, in both directions. */
  closed(): void;
}

/** One direction of a stream: in order, whatever the link does. */
class StreamDirection {
  readonly #link: SimulatedLink;
  readonly #agenda: VirtualAgenda;
  readonly #from: string;
  readonly #to: StreamEnd;
  readonly #broken: () => void;
  readonly #arrived = new Map<number, Uint8Array | undefined>();
  #sent = 0;
  #delivered = 0;
  #progressAtMs = 0;
  #over = false;

  constructor(link: SimulatedLink, agenda: VirtualAgenda, from: string, to: StreamEnd, broken: () => void) {
    this.#link = link;
    this.#agenda = agenda;
    this.#from = from;
    this.#to = to;
    this.#broken = broken;
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
        this.#agenda.at(monotonicMs, this.#broken);
        return;
      }
      this.#agenda.at(later(monotonicMs, Math.min(repeatMs, repeatMsMax)), () => this.#send(index, bytes, repeatMs * 2));
    };
    this.#link.carry(this.#from, 'stream', bytes?.length ?? 0, () => this.#arrive(index, bytes, again), again);
  }

  #arrive(index: number, bytes: Uint8Array | undefined, again: () => void): void {
    if (this.#over || index < this.#delivered || this.#arrived.has(index)) return;
    if (!this.#to.host.running) {
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
  #over = false;

  constructor(
    link: SimulatedLink,
    agenda: VirtualAgenda,
    ends: readonly [StreamEnd, StreamEnd],
    onOver: (stream: SimulatedStream) => void,
  ) {
    this.#ends = ends;
    this.#onOver = onOver;
    const broken = () => this.break();
    this.#directions = [
      new StreamDirection(link, agenda, ends[0].host.name, ends[1], broken),
      new StreamDirection(link, agenda, ends[1].host.name, ends[0], broken),
    ];
  }

  joins(host: NetworkHost): boolean {
    return this.#ends.some((end) => end.host === host);
  }

  write(side: 0 | 1, bytes: Uint8Array): void {
    if (!this.#over) this.#directions[side].write(bytes);
  }

  /** Ends the stream behind what was written. */
  finish(side: 0 | 1): void {
    if (!this.#over) this.#directions[side].write(undefined);
  }

  /** Ends it at once, at both ends: a reset, or nothing got through for too long. */
  break(): void {
    if (this.#over) return;
    this.#over = true;
    this.#onOver(this);
    for (const direction of this.#directions) direction.end();
    for (const end of this.#ends) end.closed();
  }
}

/** All hosts and links of a world. */
export class SimulatedNetwork {
  readonly #agenda: VirtualAgenda;
  readonly #random: Random;
  readonly #hostByName = new Map<string, NetworkHost>();
  readonly #linkByEnds = new Map<string, SimulatedLink>();
  readonly #streams = new Set<SimulatedStream>();

  constructor(agenda: VirtualAgenda, random: Random) {
    this.#agenda = agenda;
    this.#random = random;
  }

  get agenda(): VirtualAgenda {
    return this.#agenda;
  }

  get links(): IterableIterator<SimulatedLink> {
    return this.#linkByEnds.values();
  }

  /** A host's process runs from now on, in place of an earlier one of that name, whose streams are reset. */
  attach(host: NetworkHost): void {
    const earlier = this.#hostByName.get(host.name);
    this.#hostByName.set(host.name, host);
    for (const stream of [...this.#streams]) if (earlier !== undefined && stream.joins(earlier)) stream.break();
  }

  /** Lays a link between two hosts. `back` is the way from `b` to `a`, the same as `model` if absent. */
  lay(a: string, b: string, model: LinkModel, back: LinkModel = model): SimulatedLink {
    invariant(a !== b && this.link(a, b) === undefined, `there is a link between ${a} and ${b} already; change it instead`);
    const link = new SimulatedLink([a, b], [model, back], this.#agenda, this.#random);
    this.#linkByEnds.set(endsKey(a, b), link);
    return link;
  }

  /** The link between two hosts, whether it is up or not. */
  link(a: string, b: string): SimulatedLink | undefined {
    return this.#linkByEnds.get(endsKey(a, b));
  }

  /** Sends a datagram from a host's port. Lost without a word when it cannot arrive. */
  sendDatagram(from: NetworkHost, fromPort: number, to: string, toPort: number, bytes: Uint8Array): void {
    const link = this.link(from.name, to);
    const source = `udp://${from.name}:${fromPort}`;
    link?.carry(from.name, 'datagram', bytes.length, () => {
      const host = this.#hostByName.get(to);
      if (host?.running) host.datagramArrived(toPort, source, bytes.slice());
    });
  }

  /** Opens a stream from a host. Ends in `opened` at both ends, or in `refuse` with one sentence. */
  dial(from: StreamEnd, to: string, port: number, refuse: (message: string) => void): void {
    const link = this.link(from.host.name, to);
    const beganAtMs = this.#agenda.now.monotonicMs;
    if (link === undefined) {
      this.#agenda.at(beganAtMs, () => refuse(`there is no way to ${to}`));
      return;
    }
    let done = false;
    const finish = (): boolean => {
      const first = !done && from.host.running;
      done = true;
      return first;
    };
    const answered = (host: NetworkHost): void => {
      const far = host.running ? host.accept(port, from.host.name) : undefined;
      if (!finish()) return;
      if (far === undefined) {
        refuse(`nobody listens at port ${port} of ${to}`);
        return;
      }
      const stream = new SimulatedStream(link, this.#agenda, [from, far], (over) => this.#streams.delete(over));
      this.#streams.add(stream);
      far.opened(stream, 1);
      from.opened(stream, 0);
    };
    const attempt = (pauseMs: number): void => {
      if (done) return;
      const now = this.#agenda.now.monotonicMs;
      if (now - beganAtMs > dialGivesUpMs) {
        if (finish()) refuse(`${to} does not answer`);
        return;
      }
      this.#agenda.at(later(now, pauseMs), () => attempt(pauseMs * 2));
      link.carry(from.host.name, 'stream', synBytes, () => {
        const host = this.#hostByName.get(to);
        if (host?.running) link.carry(to, 'stream', synBytes, () => answered(host));
      });
    };
    attempt(1000 + 2 * link.roundTripMs);
  }
}

function endsKey(a: string, b: string): string {
  return a < b ? `${a}\n${b}` : `${b}\n${a}`;
}
