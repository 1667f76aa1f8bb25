import { toHex } from '../core/bytes.ts';
import { identifier, identifierToBytes, type NodeId, type ShortName, shortName } from '../core/identifiers.ts';
import type { Random } from '../core/random.ts';
import { type Deadline, earliest, type Moment, type MonotonicMs } from '../core/time.ts';
import type { Candidates } from '../mesh/candidates.ts';
import { Discovery, type ListeningSocket, type Sighting } from '../mesh/discovery.ts';
import { DnsSd } from '../mesh/dns-sd.ts';
import type { Catalog, Schema } from '../ports/catalog.ts';
import type { Crypto } from '../ports/crypto.ts';
import type { LocalInterface, LocalPacket, LocalService } from '../ports/discovery.ts';
import type { Entropy } from '../ports/entropy.ts';
import type { Membership } from './membership.ts';
import type { Peers } from './peers.ts';
import { ShortNames } from './short-names.ts';

/**
 * Finding members, as part of the engine: what is heard on the local networks becomes candidates, candidates become attempts of `Peers`, and where one of them answered is remembered, to be dialled first the
 * next time that the node is opened.
 */

/** A packet for everybody on the link of an interface, or for one host there. */
export interface Announcement {
  readonly service: LocalService;
  readonly interface: string;
  readonly bytes: Uint8Array;
  readonly to?: { readonly host: string; readonly port: number };
}

/** What finding members works with. */
export interface DiscoveryKeepingParts {
  readonly self: NodeId;
  readonly catalog: Catalog;
  readonly crypto: Crypto;
  readonly entropy: Entropy;
  readonly random: Random;
  readonly membership: Membership;
  readonly peers: Pick<Peers, 'isHeard' | 'tryAt'>;
}

const schema: Schema = {
  component: 'discovery',
  steps: ['CREATE TABLE last_known (node BLOB PRIMARY KEY, address TEXT NOT NULL) STRICT, WITHOUT ROWID;'],
};

/** Members told of at a time, and addresses of one: the limits of the message. */
const membersToldMax = 64;
const addressesToldMax = 4;
/** Addresses that mean the same to everybody: IPv4 and IPv6 beyond one link and one computer. */
const sharedPattern =
  /^(?:udp|tcp):\/\/(?:(?!127\.|169\.254\.)\d{1,3}(?:\.\d{1,3}){3}|\[[23][0-9a-f]{3}:[0-9a-f:]+\]|\[f[cd][0-9a-f]{2}:[0-9a-f:]+\]):\d{1,5}$/;

/** Where a member may be, as members tell each other. */
export interface Hearsay {
  readonly node: ShortName;
  readonly addresses: readonly string[];
}

/** An interface that has addresses of both families, which nobody knows. */
const anywhere: LocalInterface = {
  name: '',
  addresses: [
    { host: '', family: 4 },
    { host: '', family: 6 },
  ],
};

/** Discovery of one node. */
export class DiscoveryKeeping {
  readonly #catalog: Catalog;
  readonly #peers: Pick<Peers, 'isHeard' | 'tryAt'>;
  readonly #names: ShortNames;
  readonly #discovery: Discovery;
  readonly #dns: DnsSd;
  /** What DNS-SD says is as of then. */
  #said = 0;

  /** Members that were found before are tried where they were. */
  constructor(parts: DiscoveryKeepingParts, now: MonotonicMs) {
    const { catalog, membership, peers } = parts;
    this.#catalog = catalog;
    this.#peers = peers;
    this.#names = new ShortNames(membership);
    this.#discovery = new Discovery({
      ...parts,
      secret: () => membership.secret,
      memberByName: (name) => this.#names.node(toHex(name) as ShortName),
      isHeard: (peer) => peers.isHeard(peer),
    });
    this.#dns = new DnsSd(this.#discovery, parts.entropy, parts.random.fork());
    catalog.migrate(schema);
    for (const { node, address } of catalog.all<{ node: Uint8Array; address: string }>('SELECT node, address FROM last_known'))
      this.candidates.offer(identifier<NodeId>(node), address, 'last-known', now);
  }

  /** Where members may be. */
  get candidates(): Candidates {
    return this.#discovery.candidates;
  }

  /** A beacon of this node, to be spread by other means. `undefined` without a team. */
  beacon(): Uint8Array | undefined {
    return this.#discovery.seal(anywhere);
  }

  /** The member that made a beacon; `undefined` for other bytes, and for a beacon that was read before. */
  readBeacon(bytes: Uint8Array, now: MonotonicMs): Sighting | undefined {
    return this.#discovery.open(bytes, '', now);
  }

  /** The team has other members than before. */
  membersChanged(): void {
    this.#names.forget();
  }

  /** This node listens here from now on. */
  setListening(sockets: readonly ListeningSocket[], now: MonotonicMs): void {
    this.#discovery.setListening(sockets, now);
  }

  setInterfaces(interfaces: readonly LocalInterface[], now: MonotonicMs): void {
    this.#discovery.setInterfaces(interfaces, now);
  }

  hear(packet: LocalPacket, now: MonotonicMs): void {
    if (packet.service === 'mdns') this.#dns.hear(packet, now);
    else this.#discovery.hear(packet, now);
  }

  /** Something in the surroundings changed: candidates are tried, and this node says that it is here. */
  hint(now: MonotonicMs): void {
    this.#discovery.changed(now);
  }

  /** Says nothing by itself any more until `rouse`. */
  sleep(): void {
    this.#discovery.sleep();
    this.#dns.leave();
  }

  rouse(now: MonotonicMs): void {
    this.#discovery.changed(now, true);
    this.#dns.restart(now);
  }

  /** A session with a member stands; where it was dialled is remembered if it had been found there. */
  reached(peer: NodeId, address: string | undefined): void {
    this.candidates.reached(peer, address);
    if (address === undefined || !this.candidates.has(peer, address)) return;
    const node = identifierToBytes(peer);
    if (this.#catalog.get<{ address: string }>('SELECT address FROM last_known WHERE node = ?', node)?.address === address) return;
    this.#catalog.run('INSERT OR REPLACE INTO last_known (node, address) VALUES (?, ?)', node, address);
  }

  /** What a member may like to know of others: where this node reached them, or saw them itself. */
  knownTo(peer: NodeId): Hearsay[] {
    const addressesByNode = new Map<NodeId, string[]>();
    for (const { peer: other, address, means, failures } of this.candidates.list()) {
      if (other === peer || means === 'peer' || failures > 0 || !sharedPattern.test(address)) continue;
      const addresses = addressesByNode.get(other) ?? [];
      if (addresses.length < addressesToldMax) addressesByNode.set(other, [...addresses, address]);
    }
    return [...addressesByNode].slice(0, membersToldMax).map(([node, addresses]) => ({ node: shortName(node), addresses }));
  }

  /** A member says where others are. It may be wrong, or lie: that costs attempts, of which the table makes few. */
  hearsay(members: readonly Hearsay[], now: MonotonicMs): void {
    for (const { node, addresses } of members) {
      const peer = this.#names.node(node);
      if (peer === undefined) continue;
      for (const address of addresses) if (sharedPattern.test(address)) this.candidates.offer(peer, address, 'peer', now);
    }
  }

  /** Begins what is due, and gives what is to be said. */
  settle(now: Moment): Announcement[] {
    this.#discovery.wake(now.monotonicMs);
    if (this.#said !== this.#discovery.generation) {
      this.#said = this.#discovery.generation;
      if (this.#discovery.isAwake) this.#dns.restart(now.monotonicMs);
    }
    this.#dns.wake(now.monotonicMs);
    for (const { peer, address } of this.candidates.due(now.monotonicMs)) this.#peers.tryAt(peer, address, now);
    const said: Announcement[] = [];
    for (let output = this.#discovery.poll(); output !== undefined; output = this.#discovery.poll())
      said.push({ service: 'beacon', ...output });
    for (let output = this.#dns.poll(); output !== undefined; output = this.#dns.poll()) said.push({ service: 'mdns', ...output });
    return said;
  }

  nextDeadline(): Deadline | undefined {
    return earliest(earliest(this.#discovery.nextDeadline(), this.#dns.nextDeadline()), this.candidates.nextDeadline());
  }
}
