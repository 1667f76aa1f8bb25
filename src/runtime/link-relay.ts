import { GodwitError } from '../core/errors.ts';
import { seededRandom } from '../core/random.ts';
import { DatagramRelay } from './datagram-relay.ts';
import { type DirectionCounts, EmulatedLink } from './emulated-link.ts';
import { firstHost, type LinkAddress, parseLinkAddress, resolveHost } from './link-address.ts';
import { checkLinkShape, type LinkShape } from './link-direction.ts';
import { StreamRelay } from './stream-relay.ts';

/**
 * A bad link between two processes, over real sockets: clients reach the relay's address, and what they send comes out at the target slower, later or not at all. For rehearsing a site's link on a
 * desk, without privileges and without touching the machine's network.
 *
 * All clients share one link, whose rate, delay and loss are the same both ways. Every UDP client gets a socket of its own towards the target, so the target sees as many peers as there are. A TCP
 * connection is carried by a second one: the relay acknowledges to the sender at once, so rate and delay hold for the bytes, while loss does not apply and some hundred kilobytes may stand in kernel
 * buffers before the link.
 */

/** Where the relay stands and what link it is. */
export interface LinkRelayOptions extends LinkShape {
  /** `udp://host:port` or `tcp://host:port` that clients send to; port 0 takes any free one. */
  readonly listen: string;
  /** Where it leads, an address of the same scheme. */
  readonly target: string;
  /** Decides losses and jitter: the same seed loses the same datagrams of the same sequence. */
  readonly seed: number;
}

/** An open relay. */
export interface LinkRelay {
  /** The address for clients, with the port that was really bound. */
  readonly address: string;
  /** The link is down: everything under way and everything sent is lost; TCP connections break, and new ones break at once. */
  cut(): void;
  /** The link is up again. */
  restore(): void;
  /** The link becomes another one, in every figure: absent ones mean none of it. What is under way arrives when it would have. Throws `CONFIGURATION_INVALID`. */
  set(shape: LinkShape): void;
  /** What went in since the relay was opened: forward from clients to target, backward from target to clients. */
  counts(): { readonly forward: DirectionCounts; readonly backward: DirectionCounts };
  /** Resolves when all sockets are closed. What is under way is lost. */
  close(): Promise<void>;
}

function addressOf(text: string): LinkAddress {
  const address = parseLinkAddress(text);
  if (!address.ok) throw GodwitError.from(address.fault);
  return address.value;
}

/**
 * Opens a relay. Rejects with `ADDRESS_MALFORMED`, `ADDRESS_UNAVAILABLE`, `PORT_BUSY` or `CONFIGURATION_INVALID`.
 *
 * Carries about 50,000 datagrams a second on one core; sent faster, they are lost in the relay's receive buffer and not counted.
 *
 * @example
 * const relay = await openLinkRelay({ listen: 'udp://127.0.0.1:0', target: 'udp://127.0.0.1:7001', rateBitsPerSecond: 9600, delayMs: 750, loss: 0.02, seed: 1 });
 */
export async function openLinkRelay(options: LinkRelayOptions): Promise<LinkRelay> {
  checkLinkShape(options);
  const listen = addressOf(options.listen);
  const target = addressOf(options.target);
  if (target.scheme !== listen.scheme || target.port === 0) {
    throw new GodwitError(
      'ADDRESS_MALFORMED',
      `${options.target} cannot be the target of ${options.listen}: give an address of the same scheme with a port above 0`,
    );
  }
  const targetIp = await firstHost(target, resolveHost);
  const link = new EmulatedLink(options, seededRandom(options.seed));
  const Relay = listen.scheme === 'udp' ? DatagramRelay : StreamRelay;
  const relay = new Relay(link, { ...targetIp, port: target.port });
  const address = await relay.listen(options.listen, listen);
  let closing: Promise<void> | undefined;
  return {
    address,
    cut() {
      link.cut();
      if (relay instanceof StreamRelay) relay.breakConnections();
    },
    restore: () => link.restore(),
    set(shape) {
      checkLinkShape(shape);
      link.change(shape);
    },
    counts: () => ({ forward: link.forward.counts(), backward: link.backward.counts() }),
    close() {
      link.cut();
      closing ??= relay.close();
      return closing;
    },
  };
}
