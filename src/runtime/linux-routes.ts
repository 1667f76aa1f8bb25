import { readFileSync } from 'node:fs';
import { BlockList, isIP } from 'node:net';
import type { NetworkCost } from '../ports/network-cost.ts';
import { isModem } from './interfaces.ts';

/**
 * Whether the way to a host leads over a modem, or another interface of which that was said, by the kernel's tables of routes: `/proc/net/route` (proc(5)) for IPv4, `/proc/net/ipv6_route` (the same, by `net/ipv6/route.c`) for IPv6.
 *
 * A host that is given by name is taken to be wherever the default route leads. On other systems the tables are not there, and nothing is known.
 */

const routesMax = 4096;
const flagUp = 0x1;
const flagReject = 0x200;

interface Route {
  readonly interfaceName: string;
  readonly prefixBits: number;
  readonly metric: number;
  reaches(address: string): boolean;
}

/** Looks at the tables in `directory`. What goes over an interface of `metered` is paid for, whatever its name looks like. */
export function linuxRoutes(metered: ReadonlySet<string> = new Set(), directory = '/proc/net'): NetworkCost {
  return {
    isMetered(host) {
      if (host === 'localhost') return false;
      const [bare = ''] = host.split('%');
      const family = isIP(bare);
      const routes = [
        ...(family === 6 ? [] : linesOf(`${directory}/route`).slice(1).flatMap(ipv4Route)),
        ...(family === 4 ? [] : linesOf(`${directory}/ipv6_route`).flatMap(ipv6Route)),
      ];
      const usable = routes.filter((route) => (family === 0 ? route.prefixBits === 0 : route.reaches(bare)));
      const [best] = usable.sort((a, b) => b.prefixBits - a.prefixBits || a.metric - b.metric);
      return best && (isModem(best.interfaceName) || metered.has(best.interfaceName));
    },
  };
}

/** `Iface Destination Gateway Flags RefCnt Use Metric Mask …`, addresses as hexadecimal integers of this computer's byte order, which is little-endian wherever this runs. */
function ipv4Route(line: string): Route[] {
  const [interfaceName, destination, , flags, , , metric, mask] = line.trim().split(/\s+/);
  if (interfaceName === undefined || !isHex(destination, 8) || !isHex(mask, 8) || !isUsable(flags)) return [];
  const bits = (text: string): number => Number.parseInt(text, 16);
  const prefixBits = bits(mask).toString(2).replaceAll('0', '').length;
  const octets = [0, 8, 16, 24].map((shift) => (bits(destination) >>> shift) & 255).join('.');
  return [{ interfaceName, prefixBits, metric: Number(metric), reaches: within(octets, prefixBits, 'ipv4') }];
}

/** `destination prefix source prefix next-hop metric references uses flags interface`, all in hexadecimal. */
function ipv6Route(line: string): Route[] {
  const [destination, prefix, , , , metric = '', , , flags, interfaceName] = line.trim().split(/\s+/);
  if (interfaceName === undefined || !isHex(destination, 32) || !isHex(prefix, 2) || !isUsable(flags)) return [];
  const prefixBits = Number.parseInt(prefix, 16);
  if (prefixBits > 128) return [];
  const groups = destination.match(/.{4}/g)?.join(':') ?? '';
  return [{ interfaceName, prefixBits, metric: Number.parseInt(metric, 16), reaches: within(groups, prefixBits, 'ipv6') }];
}

function within(network: string, prefixBits: number, family: 'ipv4' | 'ipv6'): (address: string) => boolean {
  const list = new BlockList();
  list.addSubnet(network, prefixBits, family);
  return (address) => isIP(address) === (family === 'ipv4' ? 4 : 6) && list.check(address, family);
}

function isHex(text: string | undefined, digits: number): text is string {
  return text !== undefined && text.length === digits && /^[\da-f]+$/i.test(text);
}

function isUsable(flags: string | undefined): boolean {
  const bits = Number.parseInt(flags ?? '', 16);
  return (bits & flagUp) !== 0 && (bits & flagReject) === 0;
}

function linesOf(path: string): string[] {
  try {
    return readFileSync(path, 'utf8')
      .split('\n', routesMax)
      .filter((line) => line.trim() !== '');
  } catch {
    return [];
  }
}
