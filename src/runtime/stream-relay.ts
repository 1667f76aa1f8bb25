import { connect, createServer, type Server, type Socket } from 'node:net';
import type { EmulatedDirection, EmulatedLink } from './emulated-link.ts';
import { type IpHost, type LinkAddress, resolveHost } from './link-address.ts';
import { openStreamListener } from './stream-listener.ts';

/**
 * Carries TCP connections over an emulated link: two sockets a connection, and the link between them. A sender that is faster than the link, or a receiver that takes nothing, makes the relay stop
 * reading, and TCP slows the sender down.
 */

/** Bytes that may wait for a receiver that is slower than the link. */
const unsentBytesMax = 1024 * 1024;

/** The stream half of `openLinkRelay`. */
export class StreamRelay {
  readonly #link: EmulatedLink;
  readonly #target: IpHost & { readonly port: number };
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(link: EmulatedLink, target: IpHost & { readonly port: number }) {
    this.#link = link;
    this.#target = target;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client));
  }

  /** Accepts clients. Resolves with the bound address; rejects with `PORT_BUSY` or `ADDRESS_UNAVAILABLE`. */
  listen(text: string, address: LinkAddress): Promise<string> {
    return openStreamListener(this.#server, text, address, resolveHost);
  }

  /** Resets every connection, as hosts do that find the link down. */
  breakConnections(): void {
    for (const socket of this.#sockets) reset(socket);
  }

  /** Closes all sockets. */
  async close(): Promise<void> {
    const closed = Array.from(this.#sockets, (socket) => new Promise((resolve) => socket.once('close', resolve)));
    closed.push(new Promise((resolve) => this.#server.close(resolve)));
    this.breakConnections();
    await Promise.all(closed);
  }

  #accept(client: Socket): void {
    if (this.#link.isCut) {
      client.on('error', () => undefined).resetAndDestroy();
      return;
    }
    const upstream = connect({ host: this.#target.host, port: this.#target.port, allowHalfOpen: true, noDelay: true });
    this.#join(client, upstream, this.#link.forward);
    this.#join(upstream, client, this.#link.backward);
  }

  /** What `from` receives goes to `to`; when `from` breaks, so does `to`. */
  #join(from: Socket, to: Socket, direction: EmulatedDirection): void {
    this.#sockets.add(from);
    let waitsForDrain = false;
    const sender = {
      pause: () => from.pause(),
      resume: () => {
        if (!waitsForDrain) from.resume();
      },
    };
    const deliver = (piece: Uint8Array) => {
      to.write(piece);
      if (waitsForDrain || to.writableLength <= unsentBytesMax) return;
      waitsForDrain = true;
      from.pause();
      to.once('drain', () => {
        waitsForDrain = false;
        from.resume();
      });
    };
    from.on('data', (bytes: Buffer) => direction.carry(bytes, deliver, sender));
    from.on('end', () => direction.carryEnd(() => to.end()));
    from.on('error', () => reset(to));
    from.on('close', () => this.#sockets.delete(from));
  }
}

/** Ends a connection at once, for the peer to see as broken. */
function reset(socket: Socket): void {
  if (socket.connecting) socket.destroy();
  else socket.resetAndDestroy();
}
