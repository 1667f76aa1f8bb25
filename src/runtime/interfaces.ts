import { networkInterfaces } from 'node:os';
import type { LocalInterface } from '../ports/discovery.ts';

/**
 * The network interfaces of this computer, and which of them a packet came in by. Node tells nobody when they change, so they are read again now and then.
 */

/** An IPv4 network that an interface is on. */
export interface Ipv4Network {
  readonly host: string;
  readonly address: number;
  readonly mask: number;
  /** Where a packet to everybody on it goes; absent on networks of one or two hosts, which have no such address. */
  readonly broadcast: string | undefined;
}

/** An interface as the sockets need it. */
export interface SystemInterface extends LocalInterface {
  readonly networks: readonly Ipv4Network[];
  /** It has a link-local IPv6 address, from which everybody on the link can be reached without any configuration. */
  readonly hasLinkLocal: boolean;
}

/** Modems: what is sent there costs money, and nobody is there to hear it. */
const meteredPattern = /^(?:wwan|wwp|wwx|ww\d|ppp|rmnet|ccmni)/;

/** True for the name of a modem's interface: what goes over it is paid for. */
export function isModem(interfaceName: string): boolean {
  return meteredPattern.test(interfaceName);
}

function numberOf(ipv4: string): number {
  return ipv4.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

function textOf(ipv4: number): string {
  return [24, 16, 8, 0].map((shift) => (ipv4 >>> shift) & 255).join('.');
}

/** Interfaces that are up, loopback and modems left out, by name. `excluded`: names of others to leave out. */
export function readInterfaces(excluded: ReadonlySet<string> = new Set()): SystemInterface[] {
  const found: SystemInterface[] = [];
  for (const [name, addresses = []] of Object.entries(networkInterfaces())) {
    if (excluded.has(name) || isModem(name)) continue;
    const outside = addresses.filter(({ internal }) => !internal);
    if (outside.length === 0) continue;
    const networks = outside.flatMap(({ family, address, netmask }) => {
      if (family !== 'IPv4') return [];
      const [own, mask] = [numberOf(address), numberOf(netmask)];
      return [{ host: address, address: own, mask, broadcast: ~mask >>> 0 > 1 ? textOf((own | ~mask) >>> 0) : undefined }];
    });
    found.push({
      name,
      addresses: outside.map(({ address, family, scopeid }) =>
        family === 'IPv4' ? { host: address, family: 4 as const } : { host: scopeid ? `${address}%${name}` : address, family: 6 as const },
      ),
      networks,
      hasLinkLocal: outside.some(({ family, address }) => family === 'IPv6' && address.startsWith('fe80:')),
    });
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** True when both say the same. */
export function areSameInterfaces(a: readonly SystemInterface[], b: readonly SystemInterface[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/**
 * The interface on whose link the sender of a packet is. `undefined` for one that a router would have had to pass on: nobody on the local network sent it, or its sender's address is forged.
 */
export function interfaceOf(interfaces: readonly SystemInterface[], host: string, family: 4 | 6): SystemInterface | undefined {
  if (family === 6) {
    const [address = '', zone] = host.split('%');
    return address.startsWith('fe80:') ? interfaces.find(({ name }) => name === zone) : undefined;
  }
  const source = numberOf(host);
  return interfaces.find(({ networks }) => networks.some(({ address, mask }) => ((source ^ address) & mask) === 0));
}
