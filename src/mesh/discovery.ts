import { toHex } from '../core/bytes.ts';
import { identifierToBytes, type NodeId } from '../core/identifiers.ts';
import type { Random } from '../core/random.ts';
import { type Deadline, later, type MonotonicMs } from '../core/time.ts';
import type { Crypto } from '../ports/crypto.ts';
import type { LocalInterface, LocalPacket } from '../ports/discovery.ts';
import type { Entropy } from '../ports/entropy.ts';
import { type Beacon, type BeaconPorts, beaconKey, beaconNonce, openBeacon, sealBeacon } from './beacon.ts';
import { Candidates } from './candidates.ts';

/**
 * Finding members of the team on the networks this node is directly on, by beacons: says that it is here at once when something changes, soon after in case the first word was lost, and once a minute
 * when nothing does. What it hears becomes candidates.
 *
 * Hearing is cheap for whoever listens and cannot be made dear by whoever speaks: a packet costs at most one authenticated decryption, of which there is a limit a second; a beacon counts once, however
 * often it is repeated; nothing is ever sent in answer to one but a handshake, which the candidate table limits, and that goes only to a host on the same link.
 */

/** What to send. */
export interface BeaconOutput {
  readonly interface: string;
  readonly bytes: Uint8Array;
}

/** What finding members works with. */
export interface DiscoveryParts {
  readonly self: NodeId;
  readonly crypto: Crypto;
  readonly entropy: Entropy;
  readonly random: Random;
  /** The team's secret; without one nothing is said and nothing understood. */
  readonly secret: () => Uint8Array | undefined;
  /** The member whose identifier begins with these 8 bytes. */
  readonly memberByName: (name: Uint8Array) => NodeId | undefined;
  /** A session with the peer stands and is not silent. */
  readonly isHeard: (peer: NodeId) => boolean;
}

/** A socket that peers can reach. */
export interface ListeningSocket {
  readonly scheme: 'udp' | 'tcp';
  readonly family: 4 | 6;
  /** `undefined` for all addresses of the computer. */
  readonly host: string | undefined;
  readonly port: number;
}

/** A member, and where it listens. */
export interface Sighting {
  readonly peer: NodeId;
  readonly beacon: Beacon;
}

/** Pauses between beacons after a change: at 0, 1, 3 and 7 s, then after half a minute. */
const pausesMs = [0, 1000, 2000, 4000, 30_000] as const;
const steadyPauseMs = 60_000;
/** How far a steady pause is off either way, so that nodes that were switched on together do not speak together for ever. */
const jitterShare = 0.1;
/** Beacons that are looked at in a second. */
const opensPerSecondMax = 100;
/** Beacons that are remembered, so that each counts once. */
const rememberedMax = 4096;
/** Hosts at which one beacon counts: it comes by both families of addresses, and perhaps on two interfaces. */
const hostsPerBeaconMax = 4;

/** The beacons of one node, and the table of candidates. A machine. */
export class Discovery {
  readonly candidates: Candidates;
  readonly #parts: DiscoveryParts;
  #interfaces: readonly LocalInterface[] = [];
  #sockets: readonly ListeningSocket[] = [];
  #key: { readonly secret: Uint8Array; readonly key: Uint8Array } | undefined;
  /** The secret of the team in which this node says that it is here. */
  #spokenFor: Uint8Array | undefined;
  /** Beacons since the last change, and when the next is due. */
  #sent = 0;
  #dueAt: MonotonicMs | undefined;
  #isAsleep = false;
  #generation = 0;
  /** Hosts at which each beacon was heard, by its nonce. */
  readonly #seen = new Map<string, Set<string>>();
  #openedSince: MonotonicMs | undefined;
  #opened = 0;
  readonly #outputs: BeaconOutput[] = [];

  constructor(parts: DiscoveryParts) {
    this.#parts = parts;
    this.candidates = new Candidates(parts.self, parts.isHeard);
  }

  get interfaces(): readonly LocalInterface[] {
    return this.#interfaces;
  }

  /** False between `sleep` and being woken. */
  get isAwake(): boolean {
    return !this.#isAsleep;
  }

  /** Counts changes of what others should know: interfaces, listeners, the team. */
  get generation(): number {
    return this.#generation;
  }

  /** The interfaces are these from now on. */
  setInterfaces(interfaces: readonly LocalInterface[], now: MonotonicMs): void {
    this.#interfaces = interfaces;
    this.#generation++;
    this.changed(now);
  }

  /** This node listens here from now on. */
  setListening(sockets: readonly ListeningSocket[], now: MonotonicMs): void {
    this.#sockets = sockets;
    this.#generation++;
    this.changed(now);
  }

  /** Says nothing by itself any more, until it is woken; others are still heard. */
  sleep(): void {
    this.#isAsleep = true;
    this.#dueAt = undefined;
  }

  /** Something changed, or the sleep is over: says at once that this node is here. */
  changed(now: MonotonicMs, wakes = false): void {
    if (wakes) this.#isAsleep = false;
    this.#sent = 0;
    this.#dueAt = this.#isAsleep || this.#interfaces.length === 0 || this.#teamKey() === undefined ? undefined : now;
    this.candidates.hint(now);
  }

  /** Sends what is due. */
  wake(now: MonotonicMs): void {
    // A node that has just come into a team has something to say for the first time.
    if (this.#parts.secret() !== this.#spokenFor) {
      this.#spokenFor = this.#parts.secret();
      this.#generation++;
      this.changed(now);
    }
    if (this.#dueAt === undefined || this.#dueAt > now) return;
    for (const each of this.#interfaces) {
      const bytes = this.seal(each);
      if (bytes !== undefined) this.#outputs.push({ interface: each.name, bytes });
    }
    this.#sent++;
    const pauseMs = pausesMs[this.#sent] ?? steadyPauseMs;
    this.#dueAt = later(now, pauseMs < steadyPauseMs ? pauseMs : pauseMs * (1 + jitterShare * (2 * this.#parts.random.float() - 1)));
  }

  /** The next beacon to send. */
  poll(): BeaconOutput | undefined {
    return this.#outputs.shift();
  }

  nextDeadline(): Deadline | undefined {
    return this.#dueAt === undefined ? undefined : { at: this.#dueAt, reason: 'tell the local network that this node is here' };
  }

  /** Takes a beacon that came from the local network. */
  hear(packet: LocalPacket, now: MonotonicMs): void {
    if (this.isOwn(packet.host)) return;
    const sighting = this.open(packet.bytes, packet.host, now);
    if (sighting === undefined) return;
    for (const address of addressesOf(sighting.beacon, packet)) this.candidates.offer(sighting.peer, address, 'beacon', now);
  }

  /** A beacon for an interface: fresh, and not to be told from those of other nodes. `undefined` without a team. */
  seal(each: LocalInterface): Uint8Array | undefined {
    const key = this.#teamKey();
    if (key === undefined) return undefined;
    const ports = this.portsOn(each);
    const { crypto, entropy, self } = this.#parts;
    return sealBeacon(crypto, key, entropy.bytes(12), { node: identifierToBytes(self), ...ports });
  }

  /** Who made a beacon, if it is another member, and the beacon has not counted at this host before, nor at many others. */
  open(bytes: Uint8Array, host: string, now: MonotonicMs): Sighting | undefined {
    const key = this.#teamKey();
    if (key === undefined || !this.#mayOpen(now)) return undefined;
    const beacon = openBeacon(this.#parts.crypto, key, bytes);
    const peer = beacon && this.#parts.memberByName(beacon.node);
    if (beacon === undefined || peer === undefined || peer === this.#parts.self) return undefined;
    const nonce = toHex(beaconNonce(bytes));
    const hosts = this.#seen.get(nonce) ?? new Set<string>();
    if (hosts.has(host) || hosts.size >= hostsPerBeaconMax) return undefined;
    hosts.add(host);
    this.#seen.set(nonce, hosts);
    const [oldest] = this.#seen.keys();
    if (this.#seen.size > rememberedMax && oldest !== undefined) this.#seen.delete(oldest);
    return { peer, beacon };
  }

  /** True for an address of this computer. */
  isOwn(host: string): boolean {
    return this.#interfaces.some(({ addresses }) => addresses.some((each) => each.host === host));
  }

  /** Where peers on this interface's link reach this node. */
  portsOn({ addresses }: LocalInterface): BeaconPorts {
    const port = (scheme: 'udp' | 'tcp', family: 4 | 6): number =>
      this.#sockets.find(
        (socket) =>
          socket.scheme === scheme &&
          socket.family === family &&
          addresses.some((each) => each.family === family && (socket.host === undefined || socket.host === each.host)),
      )?.port ?? 0;
    return { udp4: port('udp', 4), udp6: port('udp', 6), tcp4: port('tcp', 4), tcp6: port('tcp', 6) };
  }

  #teamKey(): Uint8Array | undefined {
    const secret = this.#parts.secret();
    if (secret === undefined) this.#key = undefined;
    else if (this.#key?.secret !== secret) this.#key = { secret, key: beaconKey(this.#parts.crypto, secret) };
    return this.#key?.key;
  }

  #mayOpen(now: MonotonicMs): boolean {
    if (this.#openedSince === undefined || now - this.#openedSince >= 1000) {
      this.#openedSince = now;
      this.#opened = 0;
    }
    return ++this.#opened <= opensPerSecondMax;
  }
}

/** The addresses at which a beacon's node can be dialled at the host that it came from. Datagrams first: they survive a change of address. */
export function addressesOf(ports: BeaconPorts, { host, family }: Pick<LocalPacket, 'host' | 'family'>): string[] {
  const text = family === 6 ? `[${host}]` : host;
  const [udp, tcp] = family === 6 ? [ports.udp6, ports.tcp6] : [ports.udp4, ports.tcp4];
  return [...(udp === 0 ? [] : [`udp://${text}:${udp}`]), ...(tcp === 0 ? [] : [`tcp://${text}:${tcp}`])];
}
