/**
 * The networks this computer is directly on, seen from the engine: which interfaces it has, and packets that go to everybody on one of them. None of it crosses a router.
 */

/** An address of an interface. */
export interface InterfaceAddress {
  /** As the system writes it, link-local IPv6 with its zone: `fe80::1%eth0`. */
  readonly host: string;
  readonly family: 4 | 6;
}

/** A network interface that is up. Loopback is none. */
export interface LocalInterface {
  readonly name: string;
  readonly addresses: readonly InterfaceAddress[];
}

/** What a packet to everybody belongs to: our own beacons, or multicast DNS (RFC 6762). */
export type LocalService = 'beacon' | 'mdns';

/** A packet from somebody on the same network. */
export interface LocalPacket {
  readonly service: LocalService;
  /** Name of the interface it came in by. */
  readonly interface: string;
  /** Where it came from: a host on the link of that interface, with its zone if it is link-local IPv6. */
  readonly host: string;
  readonly family: 4 | 6;
  readonly port: number;
  readonly bytes: Uint8Array;
}

/** Receives what happens on the local networks. Never called from within a call into the driver. */
export interface DiscoverySink {
  /** The interfaces are these from now on; also called once after `start`. */
  interfacesChanged(interfaces: readonly LocalInterface[]): void;
  received(packet: LocalPacket): void;
}

/** Sends to and hears everybody on the local networks. */
export interface DiscoveryDriver {
  /** Must be called before anything else, once. */
  start(sink: DiscoverySink): void;
  /**
   * Sends a packet to everybody on an interface's link, by every family it has an address of; with `to`, to one host that was heard there. What cannot be sent is lost, as a network would lose it.
   */
  send(service: LocalService, interfaceName: string, bytes: Uint8Array, to?: { readonly host: string; readonly port: number }): void;
  close(): Promise<void>;
}
