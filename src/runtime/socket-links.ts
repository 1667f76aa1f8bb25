import { invariant } from '../core/assert.ts';
import { GodwitError } from '../core/errors.ts';
import type { LinkDriver, LinkSink, Listener } from '../ports/links.ts';
import { isLineAddress, LineLinks, type NamedLines } from './line-links.ts';
import { parseLinkAddress, resolveHost } from './link-address.ts';
import { TcpLinks } from './tcp-links.ts';
import { UdpLinks } from './udp-links.ts';

/**
 * The links of a node over the sockets of this machine: UDP for datagrams, TCP for streams, and lines. The scheme of an address or path says which of them it belongs to.
 */
class SocketLinks implements LinkDriver {
  #sink: LinkSink | undefined;
  #udp: UdpLinks | undefined;
  #tcp: TcpLinks | undefined;
  #lines: LineLinks | undefined;
  readonly #named: NamedLines;
  #closed = false;

  constructor(named: NamedLines) {
    this.#named = named;
  }

  start(sink: LinkSink): void {
    invariant(this.#sink === undefined, 'links are started once');
    const open: LinkSink = {
      received: (path, kind, bytes) => this.#sink?.received(path, kind, bytes),
      opened: (path, address) => this.#sink?.opened(path, address),
      closed: (path) => this.#sink?.closed(path),
      dialFailed: (address, message) => this.#sink?.dialFailed(address, message),
    };
    this.#sink = sink;
    this.#udp = new UdpLinks(open, resolveHost);
    this.#tcp = new TcpLinks(open, resolveHost);
    this.#lines = new LineLinks(open, this.#named);
  }

  async listen(text: string): Promise<Listener> {
    const listener = await this.#listen(text);
    if (!this.#closed) return listener;
    // Closed while the address was looked up or bound: nothing may stay open.
    await listener.close();
    throw new GodwitError('ABORTED', `listening at ${text} was given up: the links were closed meanwhile`);
  }

  async #listen(text: string): Promise<Listener> {
    const { udp, tcp, lines } = this.#links();
    if (isLineAddress(text)) return lines.listen(text);
    const address = parseLinkAddress(text);
    if (!address.ok) throw GodwitError.from(address.fault);
    return (address.value.scheme === 'udp' ? udp : tcp).listen(text, address.value);
  }

  dial(text: string): void {
    if (this.#closed) return;
    const { tcp } = this.#links();
    const address = parseLinkAddress(text);
    if (address.ok && address.value.scheme === 'tcp' && address.value.port !== 0) tcp.dial(text, address.value);
    else {
      const message = address.ok ? `${text} cannot be dialled: streams go to tcp://host:port with a port above 0` : address.fault.message;
      queueMicrotask(() => this.#sink?.dialFailed(text, message));
    }
  }

  transmit(path: string, bytes: Uint8Array): void {
    if (this.#closed) return;
    const { udp, tcp, lines } = this.#links();
    if (path.startsWith('udp:')) udp.transmit(path, bytes);
    else if (isLineAddress(path)) lines.transmit(path, bytes);
    else tcp.transmit(path, bytes);
  }

  closePath(path: string): void {
    if (!this.#closed) this.#links().tcp.closePath(path);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#sink = undefined;
    await Promise.all([this.#udp?.close(), this.#tcp?.close(), this.#lines?.close()]);
  }

  #links(): { readonly udp: UdpLinks; readonly tcp: TcpLinks; readonly lines: LineLinks } {
    const [udp, tcp, lines] = [this.#udp, this.#tcp, this.#lines];
    invariant(udp !== undefined && tcp !== undefined && lines !== undefined, 'links are started before they are used');
    return { udp, tcp, lines };
  }
}

/**
 * Opens the links of a node over this machine's sockets. Nothing is bound before `listen`, `dial` or the first datagram.
 *
 * - UDP answers leave from the socket that the path was last heard on, so a listener answers from its own port. A host given by name is looked up when it is first sent to, and again after a minute
 *   of silence; all its addresses are one path. IPv6 listeners take IPv6 only: listen at `udp://[::]:port` and at `udp://0.0.0.0:port` for both.
 * - A datagram above 65,507 bytes, without a route, or behind 4 MiB that the kernel has not taken is dropped silently.
 * - A stream takes up to 16 MiB that the peer has not; then the connection ends. Connecting may take 30 s. 256 accepted connections may stand at once; a further one is broken at once.
 * - Lines are `serial:PORT?baud=9600&format=8N1`, over the optional package `serialport`, and `line:NAME` for the streams in `named`. They carry datagrams of up to 2,048 bytes. One that was opened stays open until the
 *   listener or the links are closed; one that breaks is opened again, 5 s later at the earliest.
 * - Bytes handed to `transmit` must not change afterwards.
 * - After `close` is called the sink is not called any more; it resolves when every socket is closed. A `listen` under way then rejects with `ABORTED`.
 */
export function openSocketLinks(named: NamedLines = {}): LinkDriver {
  return new SocketLinks(named);
}
