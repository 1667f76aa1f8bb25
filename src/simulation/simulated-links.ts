import { invariant } from '../core/assert.ts';
import { GodwitError } from '../core/errors.ts';
import { later } from '../core/time.ts';
import type { LinkDriver, LinkSink, Listener } from '../ports/links.ts';
import type { SimulatedNetwork } from './simulated-network.ts';
import type { NetworkHost, SimulatedStream, StreamEnd } from './simulated-stream.ts';

/**
 * The links of one run of a simulated node: sockets of a host in a simulated network.
 *
 * A host is named by its node, and so are addresses: `udp://ridge:7077`, `tcp://ridge:7077`, `udp://ridge.sat:7077` over another medium. Answers leave from the port that the path was last heard on; other datagrams from a port that every
 * run has anew, so that what was meant for an earlier run is not taken for this one's.
 */

/** Told of every packet before it leaves: for the trace, and to make a power cut hit at a certain packet. */
export type TransmitObserver = (path: string, bytes: Uint8Array) => void;

const firstEphemeralPort = 49_152;
const addressPattern = /^(udp|tcp):\/\/([^:/]+):(\d{1,5})$/;

interface OpenStream {
  readonly stream: SimulatedStream;
  readonly side: 0 | 1;
}

/** The sockets of one run: they end with it, and the next run opens its own. */
export class SimulatedLinks implements LinkDriver, NetworkHost {
  readonly name: string;
  readonly #network: SimulatedNetwork;
  readonly #observe: TransmitObserver;
  readonly #outgoingPort: number;
  readonly #listening = new Set<string>();
  /** The port of ours that a peer's datagrams came to. */
  readonly #portByPath = new Map<string, number>();
  readonly #streamByPath = new Map<string, OpenStream>();
  #nextPort = 1024;
  #connections = 0;
  #sink: LinkSink | undefined;
  #running = true;

  /** `run` counts the runs of this host's process. */
  constructor(name: string, run: number, network: SimulatedNetwork, observe: TransmitObserver) {
    this.name = name;
    this.#network = network;
    this.#observe = observe;
    this.#outgoingPort = firstEphemeralPort + (run % 16_384);
    network.attach(this);
  }

  get running(): boolean {
    return this.#running;
  }

  start(sink: LinkSink): void {
    invariant(this.#sink === undefined, 'links are started once');
    this.#sink = sink;
  }

  async listen(text: string): Promise<Listener> {
    const [scheme, host, wanted] = parseAddress(text) ?? [];
    if (scheme === undefined || wanted === undefined)
      throw new GodwitError('ADDRESS_MALFORMED', `${text} is not udp://host:port or tcp://host:port`);
    if (host !== this.name && host !== '0.0.0.0') throw new GodwitError('ADDRESS_UNAVAILABLE', `${host} is not an address of ${this.name}`);
    const port = wanted === 0 ? this.#freePort(scheme) : wanted;
    const key = `${scheme} ${port}`;
    if (this.#listening.has(key))
      throw new GodwitError('PORT_BUSY', `port ${port} of ${this.name} is taken: choose another`, { retryable: true });
    this.#listening.add(key);
    return {
      address: `${scheme}://${this.name}:${port}`,
      close: async () => {
        this.#listening.delete(key);
      },
    };
  }

  dial(text: string): void {
    const address = parseAddress(text);
    if (address === undefined || address[0] !== 'tcp' || address[2] === 0) {
      this.#soon((sink) => sink.dialFailed(text, `${text} cannot be dialled`));
      return;
    }
    const [, host, port] = address;
    this.#network.dial(this.#end(`${text}#${this.#connections++}`, text), host, port, (message) => this.#sink?.dialFailed(text, message));
  }

  transmit(path: string, bytes: Uint8Array): void {
    if (!this.#running) return;
    this.#observe(path, bytes);
    // The observer may have ended the process at this very packet.
    if (!this.#running) return;
    const stream = this.#streamByPath.get(path);
    if (stream !== undefined) {
      stream.stream.write(stream.side, bytes);
      return;
    }
    const [scheme, host, port] = parseAddress(path) ?? [];
    if (scheme !== 'udp' || host === undefined || port === undefined) return;
    this.#network.sendDatagram(this, this.#portByPath.get(path) ?? this.#outgoingPort, host, port, bytes);
  }

  closePath(path: string): void {
    const stream = this.#streamByPath.get(path);
    if (!this.#running || stream === undefined) return;
    this.#streamByPath.delete(path);
    stream.stream.finish(stream.side);
    this.#soon((sink) => sink.closed(path));
  }

  async close(): Promise<void> {
    for (const { stream } of [...this.#streamByPath.values()]) stream.break();
    this.halt();
  }

  /** The process is gone: nothing is sent or received any more, and nobody is told. */
  halt(): void {
    this.#running = false;
    this.#sink = undefined;
  }

  datagramArrived(toPort: number, from: string, bytes: Uint8Array): void {
    if (toPort !== this.#outgoingPort && !this.#listening.has(`udp ${toPort}`)) return;
    this.#portByPath.set(from, toPort);
    this.#sink?.received(from, 'datagram', bytes);
  }

  accept(port: number, from: string): StreamEnd | undefined {
    return this.#listening.has(`tcp ${port}`) ? this.#end(`tcp://${from}:0#${this.#connections++}`, undefined) : undefined;
  }

  #end(path: string, dialled: string | undefined): StreamEnd {
    return {
      host: this,
      opened: (stream, side) => {
        this.#streamByPath.set(path, { stream, side });
        this.#sink?.opened(path, dialled);
      },
      received: (bytes) => {
        if (this.#streamByPath.has(path)) this.#sink?.received(path, 'stream', bytes);
      },
      closed: () => {
        if (this.#streamByPath.delete(path)) this.#sink?.closed(path);
      },
    };
  }

  /** Never from within the call that caused it. */
  #soon(tell: (sink: LinkSink) => void): void {
    const { agenda } = this.#network;
    agenda.at(later(agenda.now.monotonicMs, 0), () => {
      if (this.#sink !== undefined) tell(this.#sink);
    });
  }

  #freePort(scheme: string): number {
    while (this.#listening.has(`${scheme} ${this.#nextPort}`)) this.#nextPort++;
    return this.#nextPort++;
  }
}

function parseAddress(text: string): [scheme: 'udp' | 'tcp', host: string, port: number] | undefined {
  const match = addressPattern.exec(text);
  const port = Number(match?.[3]);
  return match === null || port > 65_535 ? undefined : [match[1] as 'udp' | 'tcp', match[2] as string, port];
}
