import { toHex } from '../core/bytes.ts';
import { type DatasetId, type Hash, identifierToBytes, type NodeId, shortNameBytes } from '../core/identifiers.ts';
import { type PriorityClass, priorityClasses } from '../core/priority.ts';
import { TransferJournal } from '../forwarding/transfer-journal.ts';
import type { SimulatedNode } from './simulated-node.ts';

/**
 * What must be true of deliveries while they happen, seen from outside the nodes: in their catalogs and in what they say.
 *
 * - **Exactly once**: a node announces a content once, whatever was cut, killed or sent twice.
 * - **Expiry is honoured**: what was sent with an expiry is not given to anybody after it, and no queue keeps it open.
 * - **Priority is not inverted**: while something urgent comes, what is less urgent gets no more beside it than its floor, and what was in a frame already.
 *
 * Contents must not rot, be superseded or be collected while they are watched: then a node may rightly get one again.
 */

/** Share of the urgent bytes that less urgent ones may have beside them: twice what a session gives to the classes behind. */
const floorShare = 1 / 16;
/** Bytes that the journal may be behind, for each of the two, besides a frame. */
const slackBytes = 2 * (4096 + 1500);
/** A queue looks at its expiries when their time has come. */
const expiryMs = 1000;

interface Progress {
  readonly path: string;
  readonly rank: number;
  readonly bytes: number;
  /** Somebody who has all of it is in reach. */
  readonly isInReach: boolean;
}

interface OpenRow {
  path: string;
  destination: Uint8Array;
  expires_ms: number;
}

/** Watches the deliveries of one dataset. Made before anything is sent; asked for what went wrong in the end. */
export class DeliveryWatch {
  readonly #nodes: readonly SimulatedNode[];
  readonly #dataset: DatasetId;
  readonly #classOf: (path: string) => PriorityClass;
  readonly #completionsByNode = new Map<SimulatedNode, Map<string, number>>();
  readonly #progressByNode = new Map<SimulatedNode, ReadonlyMap<string, Progress>>();
  readonly #expiries: { readonly root: string; readonly path: string; readonly expiresMs: number; readonly destination: NodeId }[] = [];
  readonly #problems: string[] = [];

  /** @param classOf says how urgent a path is meant to be, whatever the nodes make of it */
  constructor(nodes: readonly SimulatedNode[], dataset: DatasetId, classOf: (path: string) => PriorityClass) {
    this.#nodes = nodes;
    this.#dataset = dataset;
    this.#classOf = classOf;
    for (const node of nodes)
      node.onEvent((event) => {
        if (event.type === 'content-complete') this.#completed(node, event.root);
      });
  }

  /** A file was sent, as it stands at its sender, to a node that does not subscribe. */
  sent(sender: SimulatedNode, path: string, destination: NodeId, expiresMs: number): void {
    const [head] = sender.node.history(this.#dataset, path).filter((revision) => revision.head && revision.kind === 'file');
    if (head?.kind === 'file') this.#expiries.push({ root: toHex(head.content.root), path, expiresMs, destination });
  }

  /** Looks at what has come since it last looked. Call it when enough has come to tell the classes apart: every ten or twenty packets. */
  look(): void {
    for (const node of this.#nodes) {
      if (!node.isRunning) {
        this.#progressByNode.delete(node);
        continue;
      }
      const before = this.#progressByNode.get(node);
      const now = this.#progressOf(node);
      if (before !== undefined) this.#compare(node, before, now);
      this.#progressByNode.set(node, now);
    }
  }

  /** What was wrong, in sentences; none when all is well. */
  problems(): string[] {
    return [...this.#problems, ...this.#nodes.filter(({ isRunning }) => isRunning).flatMap((node) => this.#keptOpen(node))];
  }

  #completed(node: SimulatedNode, root: string): void {
    const completions = this.#completionsByNode.get(node) ?? new Map<string, number>();
    this.#completionsByNode.set(node, completions);
    completions.set(root, (completions.get(root) ?? 0) + 1);
    if (completions.get(root) === 2) this.#problems.push(`${node.name} was given the content ${root} twice`);
    const { wallMs } = node.clock.now();
    for (const each of this.#expiries)
      if (each.root === root && each.destination === node.node.id && wallMs > each.expiresMs + expiryMs)
        this.#problems.push(`${node.name} was given ${each.path} ${wallMs - each.expiresMs} ms after its expiry`);
  }

  #progressOf(node: SimulatedNode): Map<string, Progress> {
    const journal = new TransferJournal(node.catalog);
    const wanted = node.catalog.all<{ root: Uint8Array; path: string; size_bytes: number }>(
      'SELECT root, path, size_bytes FROM want WHERE dataset = ?',
      identifierToBytes(this.#dataset),
    );
    const connected = node.node.connectedPeers();
    const neighbours = this.#nodes.filter((other) => other.isRunning && connected.includes(other.node.id));
    return new Map(
      wanted.map(({ root, path, size_bytes: sizeBytes }) => [
        toHex(root),
        {
          path,
          rank: priorityClasses.indexOf(this.#classOf(path)),
          bytes: journal.arrivedBytes(root as Hash, sizeBytes),
          isInReach: neighbours.some(
            ({ catalog }) => catalog.get("SELECT 1 FROM content WHERE root = ? AND state = 'complete'", root) !== undefined,
          ),
        },
      ]),
    );
  }

  /** What came of each class between two looks. Only contents that could be had at both say anything. */
  #compare(node: SimulatedNode, before: ReadonlyMap<string, Progress>, now: ReadonlyMap<string, Progress>): void {
    const moved = [...now].flatMap(([root, { path, rank, bytes, isInReach }]) => {
      const earlier = before.get(root);
      return earlier === undefined
        ? []
        : [{ path, rank, isInReach: isInReach && earlier.isInReach, bytes: Math.max(0, bytes - earlier.bytes) }];
    });
    for (const urgent of moved) {
      if (!urgent.isInReach) continue;
      const ofUrgent = moved.filter(({ rank }) => rank <= urgent.rank).reduce((sum, { bytes }) => sum + bytes, 0);
      const ofOthers = moved.filter(({ rank }) => rank > urgent.rank).reduce((sum, { bytes }) => sum + bytes, 0);
      if (ofOthers > ofUrgent * floorShare + slackBytes)
        this.#problems.push(`${node.name} was given ${ofOthers} less urgent bytes beside ${ofUrgent} while it waited for ${urgent.path}`);
    }
  }

  #keptOpen(node: SimulatedNode): string[] {
    const { wallMs } = node.clock.now();
    return node.catalog
      .all<OpenRow>(
        'SELECT path, destination, expires_ms FROM delivery WHERE dataset = ? AND state < 5 AND expires_ms < ?',
        identifierToBytes(this.#dataset).subarray(0, shortNameBytes),
        Math.floor(wallMs - expiryMs),
      )
      .map((row) => `${node.name} keeps ${row.path} for ${toHex(row.destination)} open ${wallMs - row.expires_ms} ms after its expiry`);
  }
}
