import type { DatasetId } from '../src/core/identifiers.ts';
import { seededRandom } from '../src/core/random.ts';
import type { PeerTraffic } from '../src/node/engine.ts';
import type { FieldNodeOptions } from '../src/node/field-node.ts';
import type { DatasetKind } from '../src/node/membership.ts';
import { datagramHeaderBytes } from '../src/session/ledger.ts';
import type { SimulatedNode } from '../src/simulation/simulated-node.ts';
import type { LinkModel } from '../src/simulation/virtual-link.ts';
import { World } from '../src/simulation/world.ts';

/**
 * Two real nodes that belong to one team, and a count of every byte that passes between them because of one change.
 *
 * They stand in a simulated world: the same engine, sessions and packets as on sockets, in virtual time, so that a slow link costs the measurement nothing. The link is a narrow one, because what
 * a byte is worth decides how hard nodes compress; only what has to be there beforehand passes without a limit.
 */

/** 64 kbit/s with 600 ms there and back: a satellite terminal. */
export const narrowLink = { bytesPerSecond: 8000, delayMs: 300 } as const;

const unlimited: LinkModel = { delayMs: 1 };
const narrow: LinkModel = { delayMs: narrowLink.delayMs, rateBytesPerSecond: narrowLink.bytesPerSecond, queueBytes: 16_000 };

/** Random bytes that pass before a measurement, so that both ends know the link. */
export const warmUpBytes = 40_000;
/** Name of the file that a change is about. */
export const filePath = 'met/minute.dat';
/** The directory that both computers keep in step. */
export const folder = 'field';

/** What passed between two nodes, both ways. */
export interface Passed {
  /** Bytes inside the session: what UDP carried, without handshakes. Packets' own headers, seals, acknowledgements and repetitions are among them. */
  readonly bytes: number;
  /** The same with the headers of UDP and IP. */
  readonly onLinkBytes: number;
  readonly packets: number;
  /** `bytes` in each direction: from the publishing node, and to it. */
  readonly up: number;
  readonly down: number;
}

/** What one direction has carried so far. */
export interface DirectionCount {
  readonly packets: number;
  /** Headers of UDP and IP included. */
  readonly bytes: number;
}

/** What passed between two readings of both directions, `[up, down]`. */
export function passedBetween(before: readonly [DirectionCount, DirectionCount], after: readonly [DirectionCount, DirectionCount]): Passed {
  const ways = after.map(({ packets, bytes }, way) => {
    const earlier = before[way] as DirectionCount;
    const packetsPassed = packets - earlier.packets;
    return { packets: packetsPassed, onLink: bytes - earlier.bytes, inside: bytes - earlier.bytes - packetsPassed * datagramHeaderBytes };
  });
  const [up, down] = ways as [(typeof ways)[number], (typeof ways)[number]];
  return {
    bytes: up.inside + down.inside,
    onLinkBytes: up.onLink + down.onLink,
    packets: up.packets + down.packets,
    up: up.inside,
    down: down.inside,
  };
}

/** Bytes that a node's ledger says passed, handshakes left out. */
export function ledgerBytes(traffic: readonly PeerTraffic[]): number {
  const sum = ({ handshake: _, ...purposes }: Readonly<Record<string, number>>) => Object.values(purposes).reduce((a, b) => a + b, 0);
  return traffic.reduce((total, { sent, received }) => total + sum(sent) + sum(received), 0);
}

/** A publishing node and a following one. */
export class NodePair {
  readonly world: World;
  readonly publisher: SimulatedNode;
  readonly follower: SimulatedNode;
  readonly dataset: DatasetId;

  private constructor(world: World, publisher: SimulatedNode, follower: SimulatedNode, dataset: DatasetId) {
    this.world = world;
    this.publisher = publisher;
    this.follower = follower;
    this.dataset = dataset;
  }

  /** A new pair whose only dataset is empty; of kind `files` it is attached to `folder` on both sides. `options` are the publisher's. */
  static async open(seed: number, kind: DatasetKind, options: FieldNodeOptions = {}): Promise<NodePair> {
    const world = new World({ seed });
    const publisher = await world.add('camp', options);
    const follower = await world.add('office');
    world.link('camp', 'office', unlimited);
    publisher.node.createTeam('bench');
    await world.finish(publisher.node.listen('udp://camp:7077', { keep: true }));
    await world.finish(follower.node.join(publisher.node.createInvite()));
    const dataset = publisher.node.createDataset({ name: 'field', kind });
    await world.until(() => follower.node.datasets().length === 1);
    for (const node of [publisher, follower]) {
      node.directory(folder);
      if (kind === 'files') node.node.attach(dataset, folder);
    }
    return new NodePair(world, publisher, follower, dataset);
  }

  /** Publishes a file and lets everything happen that follows from it, then checks that it has arrived. */
  async publish(path: string, bytes: Uint8Array): Promise<void> {
    this.publisher.directory(folder).put(path, bytes);
    await this.world.finish(this.publisher.node.scan(this.dataset, { settleMs: 0 }));
    await this.#quiet();
    const stat = await this.follower.directory(folder).stat(path);
    if (stat?.sizeBytes !== bytes.length) throw new Error(`${path} did not arrive`);
  }

  /** Writes a logger's file and reads what is new in it as observations, then checks that the follower has as many rows. */
  async ingest(path: string, bytes: Uint8Array): Promise<void> {
    this.publisher.directory(folder).put(path, bytes);
    await this.world.finish(this.publisher.node.ingest(this.dataset, folder, { profile: { utcOffsetMinutes: 0 } }));
    await this.#quiet();
    const [published, followed] = [this.publisher, this.follower].map(({ node }) =>
      node.tables(this.dataset).reduce((sum, { rows }) => sum + rows, 0),
    );
    if (published === 0 || published !== followed) throw new Error(`${followed} of ${published} rows arrived`);
  }

  /** The nodes meet again on the narrow link, and come to know it. */
  async narrow(): Promise<void> {
    for (const node of [this.publisher, this.follower]) await this.world.finish(node.stop());
    await this.#quiet();
    this.world.linkBetween('camp', 'office').change(narrow);
    for (const node of [this.publisher, this.follower]) await this.world.finish(node.start());
    await this.#quiet();
    const name = 'warm-up';
    const dataset = this.publisher.node.createDataset({ name, kind: 'files' });
    await this.#quiet();
    for (const node of [this.publisher, this.follower]) {
      node.directory(name);
      node.node.attach(dataset, name);
    }
    this.publisher.directory(name).put('noise', seededRandom(3).bytes(warmUpBytes));
    await this.world.finish(this.publisher.node.scan(dataset, { settleMs: 0 }));
    await this.#quiet();
  }

  /** What passes until everything has settled that follows from some work. Throws when the nodes' own ledgers say something else. */
  async measure(work: () => Promise<unknown>): Promise<Passed> {
    const before = this.#counts();
    const ledgerBefore = ledgerBytes(this.publisher.node.traffic());
    await work();
    await this.#quiet();
    const passed = passedBetween(before, this.#counts());
    const ledger = ledgerBytes(this.publisher.node.traffic()) - ledgerBefore;
    if (ledger !== passed.onLinkBytes) throw new Error(`the ledger counts ${ledger} bytes, the link ${passed.onLinkBytes}`);
    return passed;
  }

  /** Ends both processes and begins new ones: what they say to find that nothing has changed, handshake left out. Up is from the node that dials. */
  async meetAgain(): Promise<Passed> {
    for (const node of [this.publisher, this.follower]) await this.world.finish(node.stop());
    await this.#quiet();
    // One after the other, so that one dials: two handshakes that cross would be counted as what is said in them.
    await this.world.finish(this.publisher.start());
    await this.world.runFor(1000);
    const before = this.#counts();
    await this.world.finish(this.follower.start());
    await this.#quiet();
    const { up, down, packets, onLinkBytes } = passedBetween(before, this.#counts());
    const [{ sent, received }] = this.publisher.node.traffic() as [PeerTraffic];
    const withoutHandshake = (bytes: number, handshake = 0) => bytes - Math.max(0, handshake - datagramHeaderBytes);
    const [camp, office] = [withoutHandshake(up, sent.handshake), withoutHandshake(down, received.handshake)];
    return { up: office, down: camp, bytes: camp + office, packets, onLinkBytes };
  }

  #counts(): [DirectionCount, DirectionCount] {
    const link = this.world.linkBetween('camp', 'office');
    return [link.trafficFrom('camp'), link.trafficFrom('office')];
  }

  async #quiet(): Promise<void> {
    if (!(await this.world.untilQuiet())) throw new Error('the nodes never come to rest');
  }
}
