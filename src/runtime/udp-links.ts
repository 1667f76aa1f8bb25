import type { Socket } from 'node:dgram';
import type { LinkSink, Listener } from '../ports/links.ts';
import { bindAnyPort, closeDatagramSocket, createDatagramSocket, openDatagramListener, sendDatagram } from './datagram-socket.ts';
import type { HostResolver, IpFamily, LinkAddress } from './link-address.ts';
import { type UdpPath, UdpPaths } from './udp-paths.ts';

/**
 * Datagram paths over UDP: a socket for each listener, and one an address family for paths that were dialled from here, bound when it is first needed.
 *
 * Where a listener can reach the address, dialled paths leave from it: a router in front of the peer may let through only what comes from the place that the peer has spoken to, and that outlives a restart of this node only
 * if it is the listener's. The latest listener counts, as those that a person chose come last.
 */
export class UdpLinks {
  readonly #sink: LinkSink;
  readonly #resolve: HostResolver;
  readonly #paths = new UdpPaths<Socket>();
  /** Sockets that can be sent from. A path may remember one that is not any more. */
  readonly #open = new Set<Socket>();
  readonly #outgoingByFamily = new Map<IpFamily, Socket>();
  readonly #listeners: { readonly socket: Socket; readonly family: IpFamily; readonly host: string }[] = [];
  #closed = false;

  constructor(sink: LinkSink, resolve: HostResolver) {
    this.#sink = sink;
    this.#resolve = resolve;
  }

  /** Receives datagrams at an address, which is the text of `address`. Rejects as the port says. */
  async listen(text: string, address: LinkAddress): Promise<Listener> {
    const { socket, family, address: bound } = await openDatagramListener(text, address, this.#resolve);
    this.#receiveFrom(socket, family);
    this.#listeners.unshift({ socket, family, host: socket.address().address });
    return { address: bound, close: () => this.#close(socket) };
  }

  /** Sends a datagram on a path, or drops it. */
  transmit(text: string, bytes: Uint8Array): void {
    const path = this.#paths.toSend(text);
    if (path === undefined) return;
    if (this.#paths.isLookupDue(path, performance.now())) void this.#lookUp(path);
    if (path.endpoints.length > 0) this.#send(path, bytes);
    else if (path.lookingUp) this.#paths.holdBack(path, bytes);
  }

  /** Closes all sockets. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(Array.from(this.#open, (socket) => this.#close(socket)));
  }

  async #lookUp(path: UdpPath<Socket>): Promise<void> {
    path.lookingUp = true;
    // A name that cannot be found costs what waits for it, as a link that is down would.
    const hosts = await this.#resolve(path.address).catch(() => []);
    if (this.#closed) return;
    for (const bytes of this.#paths.lookedUp(path, hosts, performance.now())) this.#send(path, bytes);
  }

  #send(path: UdpPath<Socket>, bytes: Uint8Array): void {
    const endpoint = this.#paths.nextEndpoint(path);
    if (endpoint === undefined) return;
    const { socket: heardOn, family } = endpoint;
    const socket = heardOn !== undefined && this.#open.has(heardOn) ? heardOn : (this.#listening(endpoint) ?? this.#outgoing(family));
    if (this.#open.has(socket)) sendDatagram(socket, bytes, endpoint.host, endpoint.port);
  }

  /** A listener from which this address can be reached for certain: one on all addresses, or both on this machine alone. */
  #listening({ host, family }: { readonly host: string; readonly family: IpFamily }): Socket | undefined {
    return this.#listeners.find(
      (each) =>
        each.family === family && this.#open.has(each.socket) && (isAnyHost(each.host) || (isLoopback(each.host) && isLoopback(host))),
    )?.socket;
  }

  /** The socket for paths dialled from here where no listener serves. Not among the open ones when the machine cannot give one. */
  #outgoing(family: IpFamily): Socket {
    const existing = this.#outgoingByFamily.get(family);
    if (existing !== undefined) return existing;
    const socket = createDatagramSocket(family);
    this.#outgoingByFamily.set(family, socket);
    this.#receiveFrom(socket, family);
    bindAnyPort(socket, () => {
      // The family is not there, which may change when an interface comes up: the next datagram tries again.
      this.#open.delete(socket);
      this.#outgoingByFamily.delete(family);
    });
    return socket;
  }

  #receiveFrom(socket: Socket, family: IpFamily): void {
    this.#open.add(socket);
    socket.on('message', (message, { address, port }) => {
      const path = this.#paths.heard({ host: address, family, port }, socket, performance.now());
      // The sink gets plain bytes: a Buffer's `slice` would share memory where a Uint8Array's copies.
      if (path !== undefined)
        this.#sink.received(path.text, 'datagram', new Uint8Array(message.buffer, message.byteOffset, message.length));
    });
  }

  async #close(socket: Socket): Promise<void> {
    if (this.#open.delete(socket)) await closeDatagramSocket(socket);
  }
}

function isAnyHost(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

function isLoopback(host: string): boolean {
  return host === '::1' || host.startsWith('127.');
}
