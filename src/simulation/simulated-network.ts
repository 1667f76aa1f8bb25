import { invariant } from '../core/assert.ts';
import type { Random } from '../core/random.ts';
import { later } from '../core/time.ts';
import { SimulatedLink } from './simulated-link.ts';
import { type NetworkHost, SimulatedStream, type StreamEnd } from './simulated-stream.ts';
import type { VirtualAgenda } from './virtual-agenda.ts';
import type { Airtime, LinkModel } from './virtual-link.ts';

/**
 * Hosts and the links between them: what is on the far side of the `LinkDriver` port.
 *
 * A link joins two hosts and carries datagrams and streams alike. Nothing is routed: two hosts without a link cannot reach each other. Between the same two there may be several links, each with the
 * name of its medium.
 *
 * A host is addressed by its name, over another medium than the first by `name.medium`: `ridge`, `ridge.sat`. A host that was given other addresses (a lease ran out, a modem dialled in again) is from
 * then on `ridge~1`, and no more `ridge`.
 */

interface HostAddress {
  readonly name: string;
  readonly medium: string;
}

/** Opening a stream is given up after this long. */
const dialGivesUpMs = 30_000;
const syn = new Uint8Array(20);
const addressPattern = /^([^.~]+)(?:\.([^.~]+))?(?:~(\d+))?$/;

/** All hosts and links of a world. */
export class SimulatedNetwork {
  readonly #agenda: VirtualAgenda;
  readonly #random: Random;
  readonly #hostByName = new Map<string, NetworkHost>();
  readonly #linkByEnds = new Map<string, SimulatedLink>();
  /** How often a host was given other addresses; absent for never. */
  readonly #addressChangesByName = new Map<string, number>();
  readonly #airtimeByChannel = new Map<string, Airtime>();
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

  /** Lays a link between two hosts. `back` is the way from `b` to `a`, the same as `model` if absent; `medium` tells several links between the same two apart. */
  lay(a: string, b: string, model: LinkModel, back: LinkModel = model, medium = ''): SimulatedLink {
    invariant(a !== b && this.link(a, b, medium) === undefined, `there is a link between ${a} and ${b} already; change it instead`);
    const link = new SimulatedLink([a, b], medium, [model, back], this.#agenda, this.#random, (channel) => this.#airtimeOf(channel));
    this.#linkByEnds.set(endsKey(a, b, medium), link);
    return link;
  }

  #airtimeOf(channel: string): Airtime {
    const airtime = this.#airtimeByChannel.get(channel) ?? { freeAt: 0 };
    this.#airtimeByChannel.set(channel, airtime);
    return airtime;
  }

  /** The link between two hosts, whether it is up or not. */
  link(a: string, b: string, medium = ''): SimulatedLink | undefined {
    return this.#linkByEnds.get(endsKey(a, b, medium));
  }

  /** A host is known by other addresses from now on; with `original` by those it had at first. What is sent to an earlier one is lost. */
  changeAddress(name: string, original = false): void {
    if (original) this.#addressChangesByName.delete(name);
    else this.#addressChangesByName.set(name, this.#addressChanges(name) + 1);
  }

  /** What a host is addressed by now. */
  addressOf(name: string, medium: string): string {
    const changes = this.#addressChanges(name);
    return `${name}${medium && `.${medium}`}${changes === 0 ? '' : `~${changes}`}`;
  }

  /** Sends a datagram from a host's port. Lost without a word when it cannot arrive. */
  sendDatagram(from: NetworkHost, fromPort: number, to: string, toPort: number, bytes: Uint8Array): void {
    const target = this.#resolve(to);
    if (target === undefined) return;
    const { name, medium } = target;
    const source = `udp://${this.addressOf(from.name, medium)}:${fromPort}`;
    this.link(from.name, name, medium)?.carry(from.name, 'datagram', bytes, (arrived) => {
      const host = this.#hostByName.get(name);
      if (host?.running && this.addressOf(name, medium) === to) host.datagramArrived(toPort, source, arrived.slice());
    });
  }

  /** Opens a stream from a host. Ends in `opened` at both ends, or in `refuse` with one sentence. */
  dial(from: StreamEnd, to: string, port: number, refuse: (message: string) => void): void {
    const { name, medium } = this.#resolve(to) ?? { name: to, medium: '' };
    const link = this.link(from.host.name, name, medium);
    const source = this.addressOf(from.host.name, medium);
    const isAddressed = (): boolean => this.addressOf(name, medium) === to && this.addressOf(from.host.name, medium) === source;
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
      const far = host.running ? host.accept(port, source) : undefined;
      if (!finish()) return;
      if (far === undefined) {
        refuse(`nobody listens at port ${port} of ${to}`);
        return;
      }
      const stream = new SimulatedStream({ link, agenda: this.#agenda, isAddressed }, [from, far], (over) => this.#streams.delete(over));
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
      link.carry(from.host.name, 'stream', syn, () => {
        const host = this.#hostByName.get(name);
        if (host?.running && isAddressed()) link.carry(name, 'stream', syn, () => answered(host));
      });
    };
    attempt(1000 + 2 * link.roundTripMs);
  }

  #addressChanges(name: string): number {
    return this.#addressChangesByName.get(name) ?? 0;
  }

  /** Which host an address is that of now, and over which medium. */
  #resolve(address: string): HostAddress | undefined {
    const [, name, medium = ''] = addressPattern.exec(address) ?? [];
    return name !== undefined && this.addressOf(name, medium) === address ? { name, medium } : undefined;
  }
}

function endsKey(a: string, b: string, medium: string): string {
  return `${a < b ? `${a}\n${b}` : `${b}\n${a}`}\n${medium}`;
}
