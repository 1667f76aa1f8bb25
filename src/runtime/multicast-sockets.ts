import { createSocket, type Socket } from 'node:dgram';
import type { DiscoveryDriver, DiscoverySink, LocalService } from '../ports/discovery.ts';
import { areSameInterfaces, interfaceOf, readInterfaces, type SystemInterface } from './interfaces.ts';
import { systemTimers } from './system-timers.ts';

/**
 * Packets to everybody on the networks this computer is directly on, over multicast and broadcast, on every interface and without a default route.
 *
 * A socket per service and family receives from all interfaces; a packet is sent on one interface at a time: IPv6 by the zone in its destination, IPv4 by the network's broadcast address (beacons) or the
 * interface chosen before each send (multicast DNS, RFC 6762). Groups are joined again whenever the interfaces change. What a single interface refuses (it goes down in this moment, its address is not
 * usable yet) is a lost packet; the next one tries again.
 */

interface ServicePlaces {
  readonly port: number;
  readonly group6: string;
  /** Without one, IPv4 packets are broadcast. */
  readonly group4?: string;
}

/** Beacons: a port of those nobody has registered, and a group of link-local scope that is not permanently assigned (RFC 4291 section 2.7). Multicast DNS: RFC 6762 section 3. */
const places: Readonly<Record<LocalService, ServicePlaces>> = {
  beacon: { port: 47_787, group6: 'ff12::4757' },
  mdns: { port: 5353, group6: 'ff02::fb', group4: '224.0.0.251' },
};
const services: readonly LocalService[] = ['beacon', 'mdns'];

/** How often interfaces are looked at, on mains and on battery. */
const pollMs = 2000;
const pollOnBatteryMs = 15_000;
/** Longer ones are none that we take: a packet of multicast DNS has at most 9000 bytes (RFC 6762 section 17). */
const packetBytesMax = 9000;

/** How to watch the local networks. */
export interface MulticastOptions {
  /** Names of interfaces that are left alone. */
  readonly excluded?: readonly string[];
  readonly isOnBattery?: () => boolean;
}

class MulticastSockets implements DiscoveryDriver {
  readonly #excluded: ReadonlySet<string>;
  readonly #isOnBattery: () => boolean;
  readonly #socketByPlace = new Map<string, Socket>();
  #interfaces: SystemInterface[] = [];
  #sink: DiscoverySink | undefined;
  #timer: { cancel(): void } | undefined;

  constructor({ excluded = [], isOnBattery = () => false }: MulticastOptions) {
    this.#excluded = new Set(excluded);
    this.#isOnBattery = isOnBattery;
  }

  start(sink: DiscoverySink): void {
    this.#sink = sink;
    for (const service of services) for (const family of [4, 6] as const) this.#open(service, family);
    this.#timer = systemTimers.schedule(0, () => this.#look());
  }

  send(service: LocalService, interfaceName: string, bytes: Uint8Array, to?: { readonly host: string; readonly port: number }): void {
    const each = this.#interfaces.find(({ name }) => name === interfaceName);
    if (each === undefined) return;
    const { port, group4, group6 } = places[service];
    const socket4 = this.#socketByPlace.get(`${service} 4`);
    const socket6 = this.#socketByPlace.get(`${service} 6`);
    if (to !== undefined) {
      attempt(() => (to.host.includes(':') ? socket6 : socket4)?.send(bytes, to.port, to.host));
      return;
    }
    if (each.hasLinkLocal) attempt(() => socket6?.send(bytes, port, `${group6}%${each.name}`));
    if (group4 === undefined) {
      for (const { broadcast } of each.networks) if (broadcast !== undefined) attempt(() => socket4?.send(bytes, port, broadcast));
      return;
    }
    const [network] = each.networks;
    if (network === undefined) return;
    attempt(() => {
      socket4?.setMulticastInterface(network.host);
      socket4?.send(bytes, port, group4);
    });
  }

  async close(): Promise<void> {
    this.#sink = undefined;
    this.#timer?.cancel();
    const sockets = [...this.#socketByPlace.values()];
    this.#socketByPlace.clear();
    await Promise.all(sockets.map((socket) => new Promise<void>((closed) => socket.close(() => closed()))));
  }

  #open(service: LocalService, family: 4 | 6): void {
    // Other programs on this computer listen there, too: its own multicast DNS, and other nodes.
    const socket = createSocket({
      type: family === 4 ? 'udp4' : 'udp6',
      ipv6Only: family === 6,
      reuseAddr: true,
      lookup: (host, _options, callback) => callback(null, host, family),
    });
    this.#socketByPlace.set(`${service} ${family}`, socket);
    // Without the port or the family this computer cannot be found in this way; there are others.
    socket.on('error', () => undefined);
    socket.on('message', (message, { address, port }) => {
      if (message.length > packetBytesMax) return;
      const each = interfaceOf(this.#interfaces, address, family);
      if (each === undefined) return;
      const bytes = new Uint8Array(message);
      this.#sink?.received({ service, interface: each.name, host: address, family, port, bytes });
    });
    socket.bind({ port: places[service].port, ...(family === 6 ? { address: '::' } : {}) }, () => {
      attempt(() => {
        socket.unref();
        socket.setMulticastTTL(255);
        if (family === 4) {
          socket.setTTL(255);
          socket.setBroadcast(true);
        }
      });
      this.#join(service, family);
    });
  }

  #join(service: LocalService, family: 4 | 6): void {
    const socket = this.#socketByPlace.get(`${service} ${family}`);
    const { group4, group6 } = places[service];
    for (const { name, networks, hasLinkLocal } of this.#interfaces) {
      // An interface that was joined before refuses to be joined again.
      if (family === 6 && hasLinkLocal) attempt(() => socket?.addMembership(group6, `::%${name}`));
      const [network] = networks;
      if (family === 4 && group4 !== undefined && network !== undefined) attempt(() => socket?.addMembership(group4, network.host));
    }
  }

  #look(): void {
    const interfaces = readInterfaces(this.#excluded);
    if (!areSameInterfaces(interfaces, this.#interfaces)) {
      this.#interfaces = interfaces;
      for (const service of services) for (const family of [4, 6] as const) this.#join(service, family);
      this.#sink?.interfacesChanged(interfaces);
    }
    this.#timer = systemTimers.schedule(this.#isOnBattery() ? pollOnBatteryMs : pollMs, () => this.#look());
  }
}

/** What an interface or a family does not allow in this moment is lost, as a packet would be. */
function attempt(step: () => void): void {
  try {
    step();
  } catch {
    // The next change of the interfaces, or the next packet, tries again.
  }
}

/** Watches the local networks of this computer. Nothing is bound before `start`. Packets from senders that are not on an interface's own link are dropped. */
export function openMulticast(options: MulticastOptions = {}): DiscoveryDriver {
  return new MulticastSockets(options);
}
