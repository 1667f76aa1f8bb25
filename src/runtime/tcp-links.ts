import { connect, createServer, type Server, type Socket } from 'node:net';
import { giveBack } from '../core/bytes.ts';
import type { LinkSink, Listener } from '../ports/links.ts';
import { type HostResolver, type LinkAddress, linkAddressText } from './link-address.ts';
import { openStreamListener } from './stream-listener.ts';
import { systemTimers } from './system-timers.ts';

/**
 * Stream paths over TCP. Each connection is a path of its own, named by the remote address and a number.
 *
 * Whether the peer is still there is the session's business: the kernel's keep-alive would cost bytes on metered links and notices hours later.
 */

/**
 * What is read from a connection at a time. The more, the fewer turns of the engine and acknowledgements a gigabyte takes: with 512 KiB a seventh less of the processor than with the 64 KiB that Node reads of its own
 * accord. For connections that were accepted it offers nothing else.
 */
const readBytes = 512 * 1024;
/** What is shorter is copied: the session gives long arrays back, and may keep a short one. */
const keptBytesMax = 16 * 1024;
/** Connecting over a satellite takes seconds; a host that drops packets never answers. */
const dialMsMax = 30_000;
/** Bytes that may wait for a peer that takes nothing. */
const unsentBytesMax = 16 * 1024 * 1024;
/** Connections that peers opened and that stand at once. */
const acceptedMax = 256;
/** What was written before the path was closed may take so long to leave. */
const lingerMs = 5_000;

/** One sentence about why connecting failed. Node tries several addresses of a name and then leaves the message of the whole empty. */
function reasonOf(error: Error): string {
  return error instanceof AggregateError ? error.errors.map((cause) => String(cause.message)).join('; ') : error.message;
}

/** The stream half of `openSocketLinks`. */
export class TcpLinks {
  readonly #sink: LinkSink;
  readonly #resolve: HostResolver;
  readonly #servers = new Set<Server>();
  /** Every socket that has not closed yet, whether connecting, open or closing. */
  readonly #sockets = new Set<Socket>();
  readonly #socketByPath = new Map<string, Socket>();
  #accepted = 0;
  #connections = 0;

  constructor(sink: LinkSink, resolve: HostResolver) {
    this.#sink = sink;
    this.#resolve = resolve;
  }

  /** Accepts connections at an address, which is the text of `address`. Rejects as the port says. Closing the listener leaves accepted connections open. */
  async listen(text: string, address: LinkAddress): Promise<Listener> {
    const server = createServer({ noDelay: true, keepAlive: false }, (socket) => this.#accept(socket));
    const bound = await openStreamListener(server, text, address, this.#resolve);
    this.#servers.add(server);
    return {
      address: bound,
      close: async () => {
        // The port is free at once; what `close` would report later is the end of the last connection.
        if (this.#servers.delete(server)) server.close();
      },
    };
  }

  /** Connects to an address, which is the text of `address`. */
  dial(text: string, { host, port }: LinkAddress): void {
    // One byte longer than what is read: an array that is all of its memory would be given back by whoever has read it.
    const room = new Uint8Array(readBytes + 1);
    let take: ((bytes: Uint8Array) => void) | undefined;
    const callback = (bytes: number) => {
      take?.(bytes < keptBytesMax ? room.slice(0, bytes) : room.subarray(0, bytes));
      return true;
    };
    const socket = connect({ host, port, noDelay: true, keepAlive: false, onread: { buffer: room.subarray(0, readBytes), callback } });
    this.#sockets.add(socket);
    let reason = `no answer within ${dialMsMax / 1000} s`;
    const timeout = systemTimers.schedule(dialMsMax, () => socket.destroy());
    const onError = (error: Error) => {
      reason = reasonOf(error);
    };
    const onClose = () => {
      timeout.cancel();
      this.#sockets.delete(socket);
      this.#sink.dialFailed(text, `could not connect to ${text}: ${reason}`);
    };
    socket.on('error', onError).on('close', onClose);
    socket.once('connect', () => {
      timeout.cancel();
      socket.off('close', onClose);
      take = this.#carry(socket, text, text);
    });
  }

  /** Writes to a stream. A peer that has stopped taking bytes loses the connection. */
  transmit(path: string, bytes: Uint8Array): void {
    const socket = this.#socketByPath.get(path);
    if (socket === undefined) return;
    if (socket.writableLength + bytes.length > unsentBytesMax) {
      socket.destroy();
      return;
    }
    // What is written in one go reaches the kernel in one call.
    if (socket.writableCorked === 0) {
      socket.cork();
      process.nextTick(() => socket.uncork());
    }
    socket.write(bytes, () => giveBack(bytes));
  }

  /** Closes a stream behind what was written. Nothing is received on it any more. */
  closePath(path: string): void {
    const socket = this.#socketByPath.get(path);
    if (socket === undefined) return;
    this.#socketByPath.delete(path);
    const timeout = systemTimers.schedule(lingerMs, () => socket.destroy());
    socket.once('close', () => timeout.cancel());
    socket.destroySoon();
  }

  /** Breaks all connections and closes all listeners. */
  async close(): Promise<void> {
    const servers = Array.from(this.#servers, (server) => new Promise((resolve) => server.close(resolve)));
    const sockets = Array.from(this.#sockets, (socket) => new Promise((resolve) => socket.once('close', resolve).destroy()));
    this.#servers.clear();
    await Promise.all([...servers, ...sockets]);
  }

  #accept(socket: Socket): void {
    // What goes wrong on a connection ends in its `close`.
    socket.on('error', () => undefined);
    const { remoteAddress, remotePort } = socket;
    if (this.#accepted >= acceptedMax || remoteAddress === undefined || remotePort === undefined) {
      socket.destroy();
      return;
    }
    this.#accepted++;
    this.#sockets.add(socket);
    socket.once('close', () => this.#accepted--);
    const take = this.#carry(socket, linkAddressText('tcp', remoteAddress, remotePort), undefined);
    // The sink gets plain bytes: a Buffer's `slice` would share memory where a Uint8Array's copies.
    socket.on('data', (bytes: Buffer) => take(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)));
  }

  /** Makes a path of an open connection. Returns what takes the bytes that come on it. */
  #carry(socket: Socket, remote: string, dialled: string | undefined): (bytes: Uint8Array) => void {
    const path = `${remote}#${++this.#connections}`;
    this.#socketByPath.set(path, socket);
    socket.once('close', () => {
      this.#socketByPath.delete(path);
      this.#sockets.delete(socket);
      this.#sink.closed(path);
    });
    this.#sink.opened(path, dialled);
    return (bytes) => {
      if (this.#socketByPath.has(path)) this.#sink.received(path, 'stream', bytes);
    };
  }
}
