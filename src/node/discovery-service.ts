import { GodwitError } from '../core/errors.ts';
import type { NodeId } from '../core/identifiers.ts';
import type { Candidate } from '../mesh/candidates.ts';
import type { ListeningSocket } from '../mesh/discovery.ts';
import type { DiscoveryKeeping } from './discovery-keeping.ts';
import type { NodeDriver } from './node-driver.ts';
import type { Platform } from './platform.ts';

/**
 * Finding members without configuration: `FieldNode.discovery`. Members on the same network find each other by themselves; a host program adds what it knows by other means (Bluetooth, Wi-Fi Direct, a
 * scanned code) with `offerCandidate`.
 */

/** Whom an address may lead to: a member by its identifier, or whoever made a beacon that was received by other means. */
export type CandidateHint = { readonly member: NodeId } | { readonly beacon: Uint8Array };

/** Free ports on all addresses, for members that find this node and would not know where to knock. */
const ownAddresses = ['udp://[::]:0', 'udp://0.0.0.0:0'];
const socketPattern = /^(udp|tcp):\/\/(?:\[([^\]]+)\]|([\d.]+)):(\d+)$/;

/** The listeners of a node, and its means of being found. */
export class DiscoveryService {
  readonly #driver: NodeDriver;
  readonly #platform: Pick<Platform, 'links' | 'discovery' | 'clock'>;
  readonly #addresses: string[] = [];
  readonly #own: string[] = [];

  constructor(driver: NodeDriver, platform: Pick<Platform, 'links' | 'discovery' | 'clock'>) {
    this.#driver = driver;
    this.#platform = platform;
  }

  /** Opens what members that are found need. Called once, by the node. */
  async start(): Promise<void> {
    if (this.#platform.discovery === undefined) return;
    for (const address of ownAddresses) {
      try {
        this.#own.push((await this.#platform.links.listen(address)).address);
      } catch (error) {
        // A computer without this family of addresses has nothing to lose by it.
        if (!(error instanceof GodwitError)) throw error;
      }
    }
    this.#tellSockets();
  }

  /** Listens at an address; see `FieldNode.listen`. */
  async listen(address: string): Promise<string> {
    const { address: bound } = await this.#platform.links.listen(address);
    this.#addresses.push(bound);
    this.#tellSockets();
    return bound;
  }

  /** Where this node was told to listen. */
  get addresses(): readonly string[] {
    return this.#addresses;
  }

  /** Where members may be, as far as something says so: seen on a local network, remembered, told by the host program or by other members. */
  candidates(): Candidate[] {
    return this.#turn((discovery) => discovery.candidates.list());
  }

  /**
   * Something outside says that a member can be reached at `udp://host:port` or `tcp://host:port`: it is tried there soon, if no session with it stands. False when the hint's beacon is of no other member of
   * the team, or was offered before.
   */
  offerCandidate(address: string, hint: CandidateHint): boolean {
    const now = this.#platform.clock.now().monotonicMs;
    return this.#turn((discovery) => {
      const peer = 'member' in hint ? hint.member : discovery.readBeacon(hint.beacon, now)?.peer;
      if (peer !== undefined) discovery.candidates.offer(peer, address, 'host', now);
      return peer !== undefined;
    });
  }

  /** A beacon of this node, 47 bytes, to be spread by means that the host program has; only members can read it, and each is to be used once. `undefined` without a team. */
  beacon(): Uint8Array | undefined {
    return this.#turn((discovery) => discovery.beacon());
  }

  /** Says nothing on local networks by itself until `rouse`: to save power, or not to be noticed. Members that speak are still heard and dialled. */
  sleep(): void {
    this.#turn((discovery) => discovery.sleep());
  }

  /** Says at once that this node is here, and goes on. */
  rouse(): void {
    this.#turn((discovery) => discovery.rouse(this.#platform.clock.now().monotonicMs));
  }

  #tellSockets(): void {
    // What a person chose comes first: it may be what a firewall lets through.
    const sockets = [...this.#addresses, ...this.#own].flatMap((address) => socketOf(address) ?? []);
    this.#turn((discovery) => discovery.setListening(sockets, this.#platform.clock.now().monotonicMs));
  }

  #turn<T>(work: (discovery: DiscoveryKeeping) => T): T {
    return this.#driver.command((engine, now) => engine.atomically(now, () => work(engine.discovery)));
  }
}

/** A listener as peers on a local network see it; `undefined` for one that is given by name. */
function socketOf(address: string): ListeningSocket | undefined {
  const [, scheme, ipv6, ipv4, port] = socketPattern.exec(address) ?? [];
  const host = ipv6 ?? ipv4;
  if (host === undefined) return undefined;
  const isWildcard = host === '::' || host === '0.0.0.0';
  return {
    scheme: scheme as 'udp' | 'tcp',
    family: ipv6 === undefined ? 4 : 6,
    host: isWildcard ? undefined : host,
    port: Number(port),
  };
}
