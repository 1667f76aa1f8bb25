import { lookup } from 'node:dns/promises';
import { isIPv4, isIPv6, SocketAddress } from 'node:net';
import { invariant } from '../core/assert.ts';
import { GodwitError } from '../core/errors.ts';
import { failure, type Outcome, success } from '../core/outcome.ts';

/**
 * Link addresses as text and in parts: `udp://host:port` or `tcp://host:port`.
 *
 * A host is an IPv4 address (`192.0.2.7`), an IPv6 address in brackets, link-local ones with the interface behind a percent sign (`[fe80::1%eth0]`), or a name (`gateway.local`). Nothing may stand
 * before, behind or between. Addresses come from people and from other nodes, so reading one never throws.
 */

/** Datagrams or an ordered stream. */
export type LinkScheme = 'udp' | 'tcp';

/** Version of the Internet Protocol. */
export type IpFamily = 4 | 6;

/** The parts of a link address. */
export interface LinkAddress {
  readonly scheme: LinkScheme;
  /** An IP address as the system writes it, without brackets, or a name in lower case. */
  readonly host: string;
  /** 0 to 65535; 0 means any free port and is of use for listening only. */
  readonly port: number;
  /** `undefined` for a name. */
  readonly family: IpFamily | undefined;
}

/** A host that needs no further looking up. */
export interface IpHost {
  readonly host: string;
  readonly family: IpFamily;
}

/** Turns the host of an address into IP addresses, best first, at least one. Rejects with `ADDRESS_UNAVAILABLE` (retryable) when the name is not known. */
export type HostResolver = (address: LinkAddress) => Promise<readonly IpHost[]>;

/** A name has up to 253 characters (RFC 1035 section 3.1), a zone rarely more than 15; the rest is punctuation. */
const textLengthMax = 300;
const nameLengthMax = 253;
const addressPattern = /^(udp|tcp):\/\/(\[[^[\]]+\]|[^[\]:/]+):(\d{1,5})$/;
/** Labels of letters, digits, hyphens and, for service names, underscores. A last label of digits alone would be a miswritten IPv4 address. */
const namePattern = /^(?:[a-z0-9_-]{1,63}\.)*(?!\d+\.?$)[a-z0-9_-]{1,63}\.?$/;
const zonePattern = /^[A-Za-z0-9_.:-]{1,64}$/;

/** The one spelling of an IPv6 address that the system itself uses (RFC 5952), zone kept, or `undefined` when it is none. */
function canonicalIpv6(text: string): string | undefined {
  const [address = '', zone, ...rest] = text.split('%');
  if (rest.length > 0 || !isIPv6(address) || (zone !== undefined && !zonePattern.test(zone))) return undefined;
  const canonical = new SocketAddress({ address, family: 'ipv6' }).address;
  return zone === undefined ? canonical : `${canonical}%${zone}`;
}

function parseHost(text: string): { readonly host: string; readonly family: IpFamily | undefined } | undefined {
  if (text.startsWith('[')) {
    const host = canonicalIpv6(text.slice(1, -1));
    return host === undefined ? undefined : { host, family: 6 };
  }
  if (isIPv4(text)) return { host: text, family: 4 };
  const name = text.toLowerCase();
  return name.length <= nameLengthMax && namePattern.test(name) ? { host: name, family: undefined } : undefined;
}

/** Reads a link address. Fails with `ADDRESS_MALFORMED`. */
export function parseLinkAddress(text: string): Outcome<LinkAddress> {
  const match = text.length <= textLengthMax ? addressPattern.exec(text) : null;
  const host = match === null ? undefined : parseHost(match[2] as string);
  const port = Number(match?.[3]);
  if (match === null || host === undefined || port > 65_535) {
    const shown = JSON.stringify(text.length <= 80 ? text : `${text.slice(0, 80)}…`);
    return failure(
      'ADDRESS_MALFORMED',
      'caller',
      `${shown} is no link address: write udp://host:port or tcp://host:port, IPv6 in brackets`,
    );
  }
  return success({ scheme: match[1] as LinkScheme, ...host, port });
}

/** The text of an address, IPv6 in brackets. */
export function linkAddressText(scheme: LinkScheme, host: string, port: number): string {
  return host.includes(':') ? `${scheme}://[${host}]:${port}` : `${scheme}://${host}:${port}`;
}

/** Asks the system's resolver, in the order it prefers. IP addresses are their own answer. */
export const resolveHost: HostResolver = async ({ host, family }) => {
  if (family !== undefined) return [{ host, family }];
  try {
    const found = await lookup(host, { all: true, order: 'verbatim' });
    return found.map(({ address, family: version }) => ({ host: address, family: version === 6 ? 6 : 4 }));
  } catch (cause) {
    const message = `no address is known for the name ${host}: check its spelling, or give the IP address instead`;
    throw new GodwitError('ADDRESS_UNAVAILABLE', message, { retryable: true, cause });
  }
};

/** The best IP address of a host. Rejects with `ADDRESS_UNAVAILABLE`. */
export async function firstHost(address: LinkAddress, resolve: HostResolver): Promise<IpHost> {
  const [first] = await resolve(address);
  invariant(first !== undefined, 'a host resolver that finds nothing rejects');
  return first;
}

interface Advice {
  readonly code: string;
  readonly retryable: boolean;
  readonly advice: string;
}

const adviceBySystemCode: Readonly<Record<string, Advice>> = {
  EADDRINUSE: {
    code: 'PORT_BUSY',
    retryable: true,
    advice: 'another program uses this port: end it, or choose another port (0 takes any free one)',
  },
  EADDRNOTAVAIL: {
    code: 'ADDRESS_UNAVAILABLE',
    retryable: true,
    advice: 'this machine does not have the address now: connect the interface, or listen on 0.0.0.0 or [::]',
  },
  EACCES: {
    code: 'ADDRESS_UNAVAILABLE',
    retryable: false,
    advice: 'this user may not use the port: choose one above 1023, or give the program the right to lower ones',
  },
};

const otherwise: Advice = {
  code: 'ADDRESS_UNAVAILABLE',
  retryable: false,
  advice: 'the system refuses the address: check it, and for link-local IPv6 name the interface, as in [fe80::1%eth0]',
};

/** Why listening at `address` failed, as `PORT_BUSY` (retryable) or `ADDRESS_UNAVAILABLE`. */
export function listenError(error: unknown, address: string): unknown {
  if (!(error instanceof Error) || error instanceof GodwitError) return error;
  const systemCode = 'code' in error ? String(error.code) : 'no code';
  const { code, retryable, advice } = adviceBySystemCode[systemCode] ?? otherwise;
  return new GodwitError(code, `cannot listen at ${address} (${systemCode}): ${advice}`, { retryable, cause: error });
}
