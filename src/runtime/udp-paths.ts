import { type IpFamily, type IpHost, type LinkAddress, linkAddressText, parseLinkAddress } from './link-address.ts';

/**
 * Which path a datagram belongs to, and where the next one of a path goes.
 *
 * A path is named by the text that was dialled. What arrives carries an IP address and a port instead, so each of these, an *endpoint*, remembers the path it stands for: the one that was sent to
 * last, or one named after the endpoint itself when the peer spoke first. A name may have several endpoints. They are tried in turn, a datagram each, until one answers; that one is used from then
 * on, and when it stays silent for long the name is looked up again.
 *
 * Anyone can send a datagram with any source address. Paths that were only heard of are therefore kept apart from those that were sent to, and can push out only one another.
 */

/** An address that datagrams come from or go to. */
export interface Endpoint<Socket> {
  readonly host: string;
  readonly port: number;
  readonly family: IpFamily;
  /** The path that datagrams from here belong to. */
  path: UdpPath<Socket>;
  /** Where it was last heard; answers leave from there, so that they come from where the peer sent to. */
  socket: Socket | undefined;
}

/** A path and its endpoints. */
export interface UdpPath<Socket> {
  readonly text: string;
  readonly address: LinkAddress;
  /** Best first; empty until a name has been looked up. */
  endpoints: Endpoint<Socket>[];
  /** The endpoint that answered last, where there are several. */
  answered: Endpoint<Socket> | undefined;
  /** Number of endpoints tried so far. */
  tries: number;
  /** Datagrams that wait for the name to be looked up. */
  waiting: Uint8Array[];
  lookingUp: boolean;
  /** Instant of the last answer from the peer or from the resolver, milliseconds. */
  confirmedAt: number;
}

/** Paths that were sent to, and paths that were only heard of. */
const usedPathsMax = 4096;
const heardPathsMax = 1024;
/** Addresses of one name that are tried. */
const endpointsPerNameMax = 4;
/** Datagrams of a path that may wait for the resolver: the packets of a handshake and its repetitions. */
const waitingDatagramsMax = 16;
/** A silent name is looked up again after so long; one that could not be found, sooner. */
const silentMsMax = 60_000;
const unknownMsMax = 5_000;

function endpointKey(host: string, port: number): string {
  return `${host} ${port}`;
}

/** The paths and endpoints of one node. `Socket` is whatever the caller sends with. */
export class UdpPaths<Socket> {
  /** Both least recently used first. */
  readonly #used = new Map<string, UdpPath<Socket>>();
  readonly #heard = new Map<string, UdpPath<Socket>>();
  readonly #endpointByKey = new Map<string, Endpoint<Socket>>();

  /** The path of a datagram that arrived on `socket`; `undefined` when there is nowhere to answer to (a source port of 0). */
  heard(source: IpHost & { readonly port: number }, socket: Socket, now: number): UdpPath<Socket> | undefined {
    if (source.port === 0) return undefined;
    const endpoint = this.#endpointByKey.get(endpointKey(source.host, source.port)) ?? this.#strangerAt(source);
    const { path } = endpoint;
    endpoint.socket = socket;
    path.answered = endpoint;
    path.confirmedAt = now;
    if (this.#used.has(path.text)) this.#touch(this.#used, path, usedPathsMax);
    else this.#touch(this.#heard, path, heardPathsMax);
    return path;
  }

  /** The path of a text, made when it is new; `undefined` when the text is no address to send datagrams to. */
  toSend(text: string): UdpPath<Socket> | undefined {
    const path = this.#used.get(text) ?? this.#heard.get(text) ?? this.#dialled(text);
    if (path === undefined) return undefined;
    this.#heard.delete(text);
    this.#touch(this.#used, path, usedPathsMax);
    return path;
  }

  /** Where the next datagram of the path goes. `undefined` while there is no endpoint. */
  nextEndpoint(path: UdpPath<Socket>): Endpoint<Socket> | undefined {
    const endpoint = path.answered ?? path.endpoints[path.tries++ % path.endpoints.length];
    if (endpoint !== undefined && endpoint.path !== path) this.#claim(endpoint, path);
    return endpoint;
  }

  /** Keeps a datagram until the name is looked up. One too many is dropped. */
  holdBack(path: UdpPath<Socket>, bytes: Uint8Array): void {
    if (path.waiting.length < waitingDatagramsMax) path.waiting.push(bytes);
  }

  /** Whether the path's name should be looked up now. */
  isLookupDue(path: UdpPath<Socket>, now: number): boolean {
    if (path.address.family !== undefined || path.lookingUp) return false;
    return now - path.confirmedAt > (path.endpoints.length === 0 ? unknownMsMax : silentMsMax);
  }

  /** The name was looked up; no hosts when that failed, and then old endpoints stay. Returns the datagrams that waited. */
  lookedUp(path: UdpPath<Socket>, hosts: readonly IpHost[], now: number): Uint8Array[] {
    path.lookingUp = false;
    path.confirmedAt = now;
    if (hosts.length > 0) {
      const { endpoints: before, answered } = path;
      const found = hosts.slice(0, endpointsPerNameMax).map((host) => this.#endpoint(host, path));
      this.#forgetEndpoints(
        path,
        before.filter((endpoint) => !found.includes(endpoint)),
      );
      // What answered before is the best guess, but no longer the only one: the peer may have moved to another of its addresses.
      path.endpoints = found.sort((a, b) => Number(b === answered) - Number(a === answered));
      path.answered = undefined;
      path.tries = 0;
    }
    const { waiting } = path;
    path.waiting = [];
    return waiting;
  }

  /** The path becomes the most recently used one; the least recently used one is forgotten when there are too many. */
  #touch(paths: Map<string, UdpPath<Socket>>, path: UdpPath<Socket>, pathsMax: number): void {
    paths.delete(path.text);
    paths.set(path.text, path);
    const [oldest] = paths.values();
    if (paths.size <= pathsMax || oldest === undefined) return;
    paths.delete(oldest.text);
    this.#forgetEndpoints(oldest, oldest.endpoints);
  }

  #dialled(text: string): UdpPath<Socket> | undefined {
    const parsed = parseLinkAddress(text);
    if (!parsed.ok || parsed.value.scheme !== 'udp' || parsed.value.port === 0) return undefined;
    const { host, family } = parsed.value;
    const path = this.#newPath(text, parsed.value);
    if (family !== undefined) path.endpoints.push(this.#endpoint({ host, family }, path));
    return path;
  }

  #strangerAt({ host, family, port }: IpHost & { readonly port: number }): Endpoint<Socket> {
    const text = linkAddressText('udp', host, port);
    const path = this.#newPath(text, { scheme: 'udp', host, port, family });
    const endpoint = this.#endpoint({ host, family }, path);
    path.endpoints.push(endpoint);
    return endpoint;
  }

  #newPath(text: string, address: LinkAddress): UdpPath<Socket> {
    return {
      text,
      address,
      endpoints: [],
      answered: undefined,
      tries: 0,
      waiting: [],
      lookingUp: false,
      confirmedAt: Number.NEGATIVE_INFINITY,
    };
  }

  /** The endpoint at an address, which may be known by another text already; from now on it belongs to this path. */
  #endpoint({ host, family }: IpHost, path: UdpPath<Socket>): Endpoint<Socket> {
    const { port } = path.address;
    const endpoint = this.#endpointByKey.get(endpointKey(host, port)) ?? { host, port, family, path, socket: undefined };
    this.#claim(endpoint, path);
    return endpoint;
  }

  #claim(endpoint: Endpoint<Socket>, path: UdpPath<Socket>): void {
    endpoint.path = path;
    this.#endpointByKey.set(endpointKey(endpoint.host, endpoint.port), endpoint);
  }

  /** What arrives from these endpoints is no longer reported under the path. */
  #forgetEndpoints(path: UdpPath<Socket>, endpoints: readonly Endpoint<Socket>[]): void {
    for (const endpoint of endpoints) {
      if (endpoint.path === path) this.#endpointByKey.delete(endpointKey(endpoint.host, endpoint.port));
    }
  }
}
