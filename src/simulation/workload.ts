import { concatBytes, toHex, utf8 } from '../core/bytes.ts';
import type { DatasetId, NodeId } from '../core/identifiers.ts';
import type { Random } from '../core/random.ts';
import { nodeCrypto } from '../runtime/node-crypto.ts';
import type { MemoryFileTree } from './memory-file-tree.ts';
import type { SimulatedNode } from './simulated-node.ts';

/**
 * People at work: they write and change files in a directory of their computer and have them published. What a node acknowledged is remembered here, apart from all nodes, and must be found
 * in the history of every node in the end.
 */

/** One revision of one path that a node said was published. */
interface Acknowledged {
  readonly path: string;
  readonly author: NodeId;
  readonly sequence: number;
  /** Of its bytes as they were on disk. */
  readonly sha256: string;
}

/** Edits to one dataset, attached to the same directory name on every computer. */
export class FileWork {
  readonly #dataset: DatasetId;
  readonly #directory: string;
  readonly #random: Random;
  readonly #acknowledged: Acknowledged[] = [];

  /** @param random decides what is edited and how */
  constructor(dataset: DatasetId, directory: string, random: Random) {
    this.#dataset = dataset;
    this.#directory = directory;
    this.#random = random;
  }

  /** Revisions that nodes have acknowledged so far. */
  get acknowledged(): number {
    return this.#acknowledged.length;
  }

  /** Somebody changes one of `fileCount` files: writes it anew with up to `bytesMax` bytes, adds a row at its end, or changes a few bytes in its middle. */
  async edit(node: SimulatedNode, fileCount: number, bytesMax: number): Promise<void> {
    const tree = node.directory(this.#directory);
    const path = `site-${this.#random.below(fileCount)}.bin`;
    const old = await bytesOf(tree, path);
    const kind = old.length === 0 ? 0 : this.#random.below(3);
    const fresh = this.#random.bytes(1 + this.#random.below(bytesMax));
    const at = this.#random.below(old.length + 1);
    const changed = [
      fresh,
      concatBytes(old, utf8(`row ${toHex(fresh.subarray(0, 4))}\n`)),
      concatBytes(old.subarray(0, at), fresh.subarray(0, 16), old.subarray(at + 16)),
    ];
    tree.put(path, changed[kind] ?? fresh);
  }

  /** Has a node publish its directory, and remembers what it acknowledged. Rejects as `scan` does. */
  async publish(node: SimulatedNode): Promise<void> {
    const run = node.node;
    const { id } = run;
    const { published } = await run.scan(this.#dataset, { settleMs: 0 });
    // An answer of a process that has lost its power meanwhile reaches nobody.
    if (!node.isRunning || node.node !== run) return;
    for (const path of published) {
      const own = node.node.history(this.#dataset, path).filter((revision) => revision.author === id);
      const newest = own.reduce((a, b) => (a.sequence > b.sequence ? a : b));
      const sha256 = newest.kind === 'file' ? await sha256Of(node, this.#dataset, newest) : undefined;
      if (sha256 !== undefined) this.#acknowledged.push({ path, author: id, sequence: newest.sequence, sha256 });
    }
  }

  /** What was acknowledged and is not in this node's history, or stands there and does not read as it was written. */
  async lost(node: SimulatedNode): Promise<string[]> {
    const found: string[] = [];
    for (const { path, author, sequence, sha256 } of this.#acknowledged) {
      const revision = node.node.history(this.#dataset, path).find((each) => each.author === author && each.sequence === sequence);
      const name = `${path} as ${author}/${sequence} wrote it`;
      if (revision === undefined) found.push(`${node.name} does not know ${name}`);
      else if (revision.head && (await sha256Of(node, this.#dataset, revision)) !== sha256) found.push(`${node.name} cannot read ${name}`);
    }
    return found;
  }
}

async function bytesOf(tree: MemoryFileTree, path: string): Promise<Uint8Array> {
  const stat = await tree.stat(path);
  if (stat?.kind !== 'file') return new Uint8Array(0);
  const reader = await tree.open(path);
  return reader.read(0, stat.sizeBytes);
}

/** Of the bytes that the node gives for a revision; what cannot be read is named by its error. */
async function sha256Of(
  node: SimulatedNode,
  dataset: DatasetId,
  revision: { readonly path: string; readonly author: NodeId; readonly sequence: number },
): Promise<string> {
  const hash = nodeCrypto.createSha256();
  try {
    for await (const part of node.node.read(dataset, revision.path, revision)) hash.update(part);
  } catch (error) {
    return String(error);
  }
  return toHex(hash.digest());
}
