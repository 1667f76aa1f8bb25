import { toHex } from '../core/bytes.ts';
import { decodeCbor } from '../core/cbor.ts';
import { type NodeId, shortNameBytes } from '../core/identifiers.ts';
import { VersionVector } from '../datasets/version-vector.ts';
import { deliveryStates } from '../forwarding/delivery-queue.ts';
import type { SimulatedNode } from './simulated-node.ts';

/**
 * Receipts free every copy in the end: what must be true once all have met, found out from the catalogs alone.
 *
 * What a destination has signed for is waited for by nobody: no queue has it open, and whoever carried it for others has let it go. A destination's word is the receipt that it issued itself, as it stands in its own catalog.
 */

/** How much of each log of each dataset a node has signed to hold: entries by `dataset author`, in hexadecimal. */
type Signed = ReadonlyMap<string, number>;

interface OpenRow {
  dataset: Uint8Array;
  author: Uint8Array;
  last: number;
  path: string;
  destination: Uint8Array;
  order_author: Uint8Array | null;
  order_sequence: number | null;
  state: number;
}

/** Deliveries that a queue has open although the node that they are for has signed that it holds them, in sentences. */
export function unfinishedDeliveries(nodes: readonly SimulatedNode[]): string[] {
  const signedByNode = new Map(nodes.map((node) => [shortened(node.node.id), signedBy(node)]));
  return nodes.flatMap((node) => {
    const lengths = lengthsAt(node);
    const rows = node.catalog.all<OpenRow>(
      'SELECT dataset, author, last, path, destination, order_author, order_sequence, state FROM delivery WHERE state < 5',
    );
    return rows.flatMap((row) => {
      const signed = signedByNode.get(toHex(row.destination));
      const log = `${toHex(row.dataset)} ${toHex(row.author)}`;
      // A row without an end is about the whole log as it is here.
      const last = row.last === Number.MAX_SAFE_INTEGER ? (lengths.get(log) ?? 0) : row.last;
      const order = row.order_author === null ? undefined : `${toHex(row.dataset)} ${toHex(row.order_author)}`;
      const knowsOrder = order === undefined || (signed?.get(order) ?? 0) >= (row.order_sequence ?? 0);
      if (signed === undefined || last === 0 || (signed.get(log) ?? 0) < last || !knowsOrder) return [];
      return [
        `${node.name} has ${row.path || 'the log'} of ${toHex(row.author)} ${deliveryStates[row.state]} for ${toHex(row.destination)}, which signed for it`,
      ];
    });
  });
}

/**
 * Contents that a carrier has for others although each of them has signed that it holds them, in sentences. An empty one is no copy: there is nothing to let go of. Garbage must have been collected at the carriers before. Says nothing while a member who subscribes is not among `nodes`: what
 * it has got nobody can know.
 */
export function keptCopies(nodes: readonly SimulatedNode[], carriers: ReadonlySet<NodeId>): string[] {
  const [some] = nodes;
  const idOf = ({ node }: SimulatedNode): NodeId => node.id;
  const present = new Set(nodes.map(idOf));
  if (some === undefined || some.node.members().some(({ node }) => !present.has(node))) return [];
  const subscribers = nodes.filter((node) => !carriers.has(idOf(node)));
  const signed = subscribers.map((node) => ({ name: shortened(idOf(node)), logs: signedBy(node) }));
  const isConfirmed = (dataset: Uint8Array, author: Uint8Array, sequence: number): boolean => {
    const log = `${shortened(toHex(dataset))} ${shortened(toHex(author))}`;
    return signed.every(({ name, logs }) => name === shortened(toHex(author)) || (logs.get(log) ?? 0) >= sequence);
  };
  return nodes
    .filter((node) => carriers.has(idOf(node)))
    .flatMap((node) => {
      const copies = node.catalog.all<{ dataset: Uint8Array; author: Uint8Array; sequence: number; path: string }>(
        `SELECT dataset, author, sequence, path FROM file_revision
         WHERE EXISTS (SELECT 1 FROM content WHERE content.root = file_revision.root AND content.state = 'complete' AND size_bytes > 0)`,
      );
      const custody = node.catalog.all<{ dataset: Uint8Array; author: Uint8Array; sequence: number; path: string }>(
        "SELECT dataset, author, sequence, 'an entry' AS path FROM carried_entry WHERE own = 0",
      );
      return [...copies, ...custody]
        .filter(({ dataset, author, sequence }) => toHex(author) !== idOf(node) && isConfirmed(dataset, author, sequence))
        .map(
          ({ path, author, sequence }) =>
            `${node.name} keeps ${path} as ${toHex(author)}/${sequence} wrote it, which everybody has signed for`,
        );
    });
}

/** By the receipts that a node issued itself. */
function signedBy({ node, catalog }: SimulatedNode): Signed {
  const rows = catalog.all<{ node: Uint8Array; dataset: Uint8Array; vector: Uint8Array }>('SELECT node, dataset, vector FROM receipt');
  return new Map(
    rows
      .filter((row) => toHex(row.node) === node.id)
      .flatMap((row) => {
        const decoded = decodeCbor(row.vector);
        const vector = decoded.ok ? VersionVector.fromCbor(decoded.value) : decoded;
        if (!vector.ok) return [];
        return [...vector.value.entries()].map(([author, length]): [string, number] => [
          `${shortened(toHex(row.dataset))} ${shortened(author)}`,
          length,
        ]);
      }),
  );
}

function lengthsAt({ catalog }: SimulatedNode): Signed {
  const rows = catalog.all<{ dataset: Uint8Array; author: Uint8Array; length: number }>('SELECT dataset, author, length FROM log');
  return new Map(rows.map(({ dataset, author, length }) => [`${shortened(toHex(dataset))} ${shortened(toHex(author))}`, length]));
}

/** The short name of an identifier, as queues have it. */
function shortened(identifier: string): string {
  return identifier.slice(0, 2 * shortNameBytes);
}
