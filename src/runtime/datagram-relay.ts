import type { Socket } from 'node:dgram';
import {
  bindAnyPort,
  closeDatagramSocket,
  createDatagramSocket,
  type DatagramListener,
  openDatagramListener,
  sendDatagram,
} from './datagram-socket.ts';
import type { EmulatedLink } from './emulated-link.ts';
import { type IpFamily, type IpHost, type LinkAddress, resolveHost } from './link-address.ts';

/**
 * Carries datagrams over an emulated link. Each client has a socket of its own towards the target, as behind a translating router; the target's answers to it go back to that client.
 */

/** Clients remembered at once; for a further one the client that was silent longest is forgotten. */
const clientsMax = 256;

/** Bytes of the headers of UDP and IP (RFC 768, RFC 791, RFC 8200). */
const headerBytesByFamily: Readonly<Record<IpFamily, number>> = { 4: 28, 6: 48 };

interface Client {
  readonly host: string;
  readonly port: number;
  readonly upstream: Socket;
  open: boolean;
}

/** The datagram half of `openLinkRelay`. */
export class DatagramRelay {
  readonly #link: EmulatedLink;
  readonly #target: IpHost & { readonly port: number };
  /** Least recently heard first. */
  readonly #clientByAddress = new Map<string, Client>();
  #listener: DatagramListener | undefined;

  constructor(link: EmulatedLink, target: IpHost & { readonly port: number }) {
    this.#link = link;
    this.#target = target;
  }

  /** Receives from clients. Resolves with the bound address; rejects with `PORT_BUSY` or `ADDRESS_UNAVAILABLE`. */
  async listen(text: string, address: LinkAddress): Promise<string> {
    const listener = await openDatagramListener(text, address, resolveHost);
    this.#listener = listener;
    const headerBytes = headerBytesByFamily[listener.family];
    listener.socket.on('message', (bytes, source) => {
      const client = this.#clientAt(source.address, source.port);
      this.#link.forward.offer(bytes.length + headerBytes, () => {
        if (client.open) sendDatagram(client.upstream, bytes, this.#target.host, this.#target.port);
      });
    });
    return listener.address;
  }

  /** Closes all sockets. */
  async close(): Promise<void> {
    const closing = Array.from(this.#clientByAddress.values(), (client) => this.#forget(client));
    if (this.#listener !== undefined) closing.push(closeDatagramSocket(this.#listener.socket));
    await Promise.all(closing);
  }

  #clientAt(host: string, port: number): Client {
    const key = `${host} ${port}`;
    const client = this.#clientByAddress.get(key) ?? this.#newClient(host, port);
    this.#clientByAddress.delete(key);
    this.#clientByAddress.set(key, client);
    return client;
  }

  #newClient(host: string, port: number): Client {
    const upstream = createDatagramSocket(this.#target.family);
    const client: Client = { host, port, upstream, open: true };
    const headerBytes = headerBytesByFamily[this.#target.family];
    upstream.on('message', (bytes, source) => {
      if (source.port !== this.#target.port || source.address !== this.#target.host) return;
      this.#link.backward.offer(bytes.length + headerBytes, () => {
        if (client.open && this.#listener !== undefined) sendDatagram(this.#listener.socket, bytes, host, port);
      });
    });
    bindAnyPort(upstream, () => {
      client.open = false;
    });
    const [oldest] = this.#clientByAddress.values();
    if (this.#clientByAddress.size >= clientsMax && oldest !== undefined) void this.#forget(oldest);
    return client;
  }

  async #forget(client: Client): Promise<void> {
    this.#clientByAddress.delete(`${client.host} ${client.port}`);
    if (!client.open) return;
    client.open = false;
    await closeDatagramSocket(client.upstream);
  }
}
