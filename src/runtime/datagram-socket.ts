import { createSocket, type Socket } from 'node:dgram';
import { firstHost, type HostResolver, type IpFamily, type LinkAddress, linkAddressText, listenError } from './link-address.ts';

/**
 * UDP sockets as links need them: large kernel buffers, no name resolution on the way, and errors of single datagrams treated as the losses they are.
 */

/** Datagrams arrive in bursts at line rate and wait here while the process is busy. The system may grant less. */
const kernelBufferBytes = 4 * 1024 * 1024;
/** What the kernel does not take is queued in the process up to this, then dropped. */
const unsentBytesMax = 4 * 1024 * 1024;

/** A socket that sends and receives only IP addresses of one family. A family that the machine lacks shows as an `error` event. Not bound yet. */
export function createDatagramSocket(family: IpFamily): Socket {
  const socket = createSocket({
    type: family === 4 ? 'udp4' : 'udp6',
    ipv6Only: family === 6,
    // Every address here is numeric already; the default would ask the resolver for each datagram.
    lookup: (host, _options, callback) => callback(null, host, family),
  });
  socket.on('listening', () => {
    for (const set of [socket.setRecvBufferSize, socket.setSendBufferSize]) {
      try {
        set.call(socket, kernelBufferBytes);
      } catch {
        // A system that grants no larger buffer leaves the one it has.
      }
    }
  });
  // What a single datagram provokes (too long, no route, port closed) is no failure of the socket; the session sees the loss.
  socket.on('error', () => undefined);
  return socket;
}

/** A socket that peers can send to. */
export interface DatagramListener {
  readonly socket: Socket;
  readonly family: IpFamily;
  /** The address with the port that was really bound. */
  readonly address: string;
}

/** Binds a socket to an address, which is the text of `address`. Rejects with `PORT_BUSY` or `ADDRESS_UNAVAILABLE`. */
export async function openDatagramListener(text: string, address: LinkAddress, resolve: HostResolver): Promise<DatagramListener> {
  try {
    const { host, family } = await firstHost(address, resolve);
    const socket = createDatagramSocket(family);
    await new Promise<void>((bound, refused) => {
      const onError = (error: Error) => {
        socket.close();
        refused(error);
      };
      socket.once('error', onError).bind({ address: host, port: address.port, exclusive: true }, () => {
        socket.off('error', onError);
        bound();
      });
    });
    return { socket, family, address: linkAddressText('udp', address.host, socket.address().port) };
  } catch (error) {
    throw listenError(error, text);
  }
}

/**
 * Binds a socket for sending and receiving answers to a free port, at once. When the machine refuses, the socket is closed and `onRefused` called, possibly before this returns.
 */
export function bindAnyPort(socket: Socket, onRefused: () => void): void {
  const onError = () => {
    socket.close();
    onRefused();
  };
  socket.once('error', onError).bind({ port: 0, exclusive: true }, () => socket.off('error', onError));
}

/** Sends a datagram, or drops it when too much is waiting already. The system drops what is too long for UDP, 65,507 bytes on IPv4. The bytes must not change afterwards. */
export function sendDatagram(socket: Socket, bytes: Uint8Array, host: string, port: number): void {
  if (socket.getSendQueueSize() <= unsentBytesMax) socket.send(bytes, port, host);
}

/** Closes a socket that was not closed before. */
export function closeDatagramSocket(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.close(resolve));
}
