import type { Server } from 'node:net';
import { firstHost, type HostResolver, type LinkAddress, linkAddressText, listenError } from './link-address.ts';

/**
 * Makes a TCP server listen at a link address, which is the text of `address`; IPv6 addresses take IPv6 only. Resolves with the address with the port that was really bound. Rejects with `PORT_BUSY`
 * or `ADDRESS_UNAVAILABLE`.
 */
export async function openStreamListener(server: Server, text: string, address: LinkAddress, resolve: HostResolver): Promise<string> {
  try {
    const { host } = await firstHost(address, resolve);
    await new Promise<void>((listening, refused) => {
      server.once('error', refused).listen({ host, port: address.port, ipv6Only: true, exclusive: true }, () => {
        server.off('error', refused);
        listening();
      });
    });
  } catch (error) {
    throw listenError(error, text);
  }
  // Later errors concern single connections that could not be accepted (no file descriptors left); the listener goes on.
  server.on('error', () => undefined);
  const bound = server.address();
  return linkAddressText('tcp', address.host, typeof bound === 'object' && bound !== null ? bound.port : address.port);
}
