import { concatBytes, toHex, utf8 } from '../core/bytes.ts';
import type { DatasetId, NodeId } from '../core/identifiers.ts';
import type { Random } from '../core/random.ts';
import type { RevisionInfo } from '../node/field-node.ts';
import { nodeCrypto } from '../runtime/node-crypto.ts';
import type { MemoryFileTree } from './memory-file-tree.ts';
import type { SimulatedNode } from './simulated-node.ts';

/**
 * People at work: they write, change and remove files in a directory of their computer and have them published. What a node acknowledged is remembered here, apart from all nodes, and must be found
 * in the history of every node in the end.
 */

/** One revision of one path that a node said was published. */
interface Acknowledged {
  /** The computer. */
  readonly name: string;
  readonly path: string;
  readonly author: NodeId;
  readonly sequence: number;
  /** Of its bytes as they were on disk; absent for a removal. */
  readonly sha256: string | undefined;
  /** Root of its content, which a copy of the revision under another number has, too. */
  readonly root: string | undefined;
}

/** A process that lost its power says nothing more. */
const forever = new Promise<never>(() => {});

/** How a file is changed: given its old bytes, fresh ones, and a place within the old. */
const changes: readonly ((old: Uint8Array, fresh: Uint8Array, at: number) => Uint8Array)[] = [
  (_, fresh) => fresh,
  (old, fresh) => concatBytes(old, utf8(`row ${toHex(fresh.subarray(0, 4))}\n`)),
  (old, fresh, at) => concatBytes(old.subarray(0, at), fresh.subarray(0, 16), old.subarray(at + 16)),
  (old, fresh, at) => concatBytes(old.subarray(0, at), fresh.subarray(0, 40), old.subarray(at)),
  (old, _, at) => old.subarray(0, at),
];

/** Edits to one dataset, attached to the same directory name on every computer. */
export class FileWork {
  readonly #dataset: DatasetId;
  readonly #directory: string;
  readonly #random: Random;
  #acknowledged: Acknowledged[] = [];

  /** @param random decides what is edited and how, unless an edit comes with its own */
  constructor(dataset: DatasetId, directory: string, random: Random) {
    this.#dataset = dataset;
    this.#directory = directory;
    this.#random = random;
  }

  /** Revisions that nodes have acknowledged so far. */
  get acknowledged(): number {
    return this.#acknowledged.length;
  }

  /** Somebody changes one of `fileCount` files: writes it anew with up to `bytesMax` bytes, adds a row, changes or inserts a few bytes in its middle, or cuts it short. */
  async edit(node: SimulatedNode, fileCount: number, bytesMax: number, random: Random = this.#random): Promise<void> {
    const tree = node.directory(this.#directory);
    const path = pathOf(random.below(fileCount));
    const old = await bytesOf(tree, path);
    const kind = old.length === 0 ? 0 : random.below(changes.length);
    const fresh = random.bytes(1 + random.below(bytesMax));
    const at = random.below(old.length + 1);
    tree.put(path, changes[kind]?.(old, fresh, at) ?? fresh);
  }

  /** Somebody removes one of the files, or saves it under another's name, when there are others. */
  async rearrange(node: SimulatedNode, fileCount: number, random: Random): Promise<void> {
    const tree = node.directory(this.#directory);
    const paths: string[] = [];
    for await (const { path, kind } of tree.walk()) if (kind === 'file') paths.push(path);
    const path = paths[random.below(Math.max(1, paths.length))];
    if (path === undefined || paths.length < 2) return;
    if (random.below(2) === 0) await tree.remove(path);
    else tree.put(pathOf(random.below(fileCount)), await bytesOf(tree, path));
  }

  /** Has a node publish its directory, and remembers what it acknowledged. Rejects as `scan` does; never settles when the node loses its power meanwhile. */
  async publish(node: SimulatedNode): Promise<void> {
    const run = node.node;
    const { id } = run;
    const isAnswering = (): boolean => node.isRunning && node.node === run;
    let published: readonly string[];
    try {
      ({ published } = await run.scan(this.#dataset, { settleMs: 0 }));
    } catch (error) {
      return isAnswering() ? Promise.reject(error) : forever;
    }
    if (!isAnswering()) return forever;
    for (const path of published) {
      const own = run.history(this.#dataset, path).filter((revision) => revision.author === id);
      const { readErrorRatio } = node.disk;
      // What was written is known, whatever the disk can read at the moment.
      node.disk.readErrorRatio = 0;
      const { revision, sha256 } = await newestReadable(node, this.#dataset, own);
      node.disk.readErrorRatio = readErrorRatio;
      if (!isAnswering()) return forever;
      const root = revision.kind === 'file' ? toHex(revision.content.root) : undefined;
      this.#acknowledged.push({ name: node.name, path, author: id, sequence: revision.sequence, sha256, root });
    }
  }

  /** What a computer acknowledged up to now may be lost: it is set back to an earlier state. */
  forgive({ name }: SimulatedNode): void {
    this.#acknowledged = this.#acknowledged.filter((each) => each.name !== name);
  }

  /**
   * What was acknowledged and is not in this node's history, or stands there and does not read as it was written. Work of the authors in `except` is left out; that of the authors in `renumbered` may stand under
   * other numbers.
   */
  async lost(node: SimulatedNode, except: ReadonlySet<NodeId> = new Set(), renumbered: ReadonlySet<NodeId> = new Set()): Promise<string[]> {
    const found: string[] = [];
    for (const { path, author, sequence, sha256, root } of this.#acknowledged) {
      if (except.has(author)) continue;
      if (renumbered.has(author)) {
        const isThere = node.node
          .history(this.#dataset, path)
          .some((each) => each.author === author && (each.kind === 'file' ? toHex(each.content.root) : undefined) === root);
        if (!isThere) found.push(`${node.name} does not know what ${author} wrote to ${path}`);
        continue;
      }
      const revision = node.node.history(this.#dataset, path).find((each) => each.author === author && each.sequence === sequence);
      const name = `${path} as ${author}/${sequence} wrote it`;
      if (revision === undefined) found.push(`${node.name} does not know ${name}`);
      else if (sha256 !== undefined && revision.head && (await sha256Of(node, this.#dataset, revision)) !== sha256)
        found.push(`${node.name} cannot read ${name}`);
    }
    return found;
  }

  /** Files in the node's directory that are not what its dataset says stands there: missing, surplus, or with other bytes. Call it when nothing is under way and nobody has unpublished changes. */
  async wrongOnDisk(node: SimulatedNode): Promise<string[]> {
    const found: string[] = [];
    const tree = node.directory(this.#directory);
    // A path in conflict stands, too, where the first of its heads is a removal.
    const standing = new Set(node.node.conflicts(this.#dataset, { open: true }).map(({ path }) => path));
    for (const { path, inConflict } of [...node.node.files(this.#dataset)]) {
      standing.add(path);
      // While a conflict is open each computer goes on showing one of its heads, which may be that the file is removed.
      const heads = inConflict ? node.node.history(this.#dataset, path).filter(({ head }) => head) : [];
      const shown = inConflict ? heads.filter(({ kind }) => kind === 'file') : [{ path }];
      const said = await Promise.all(shown.map((revision) => sha256Of(node, this.#dataset, revision)));
      if (heads.some(({ kind }) => kind === 'removal') && (await tree.stat(path)) === undefined) continue;
      const onDisk = toHex(nodeCrypto.sha256(await bytesOf(tree, path)));
      if (!said.includes(onDisk))
        found.push(`${node.name} shows other bytes in ${path} than the dataset has: ${onDisk} against ${said.join(' or ')}`);
    }
    for await (const { path } of tree.walk())
      if (!standing.has(path)) found.push(`${node.name} shows ${path}, which the dataset does not have`);
    return found;
  }
}

function pathOf(index: number): string {
  return index % 3 === 2 ? `notes/site-${index}.bin` : `site-${index}.bin`;
}

async function bytesOf(tree: MemoryFileTree, path: string): Promise<Uint8Array> {
  const stat = await tree.stat(path);
  if (stat?.kind !== 'file') return new Uint8Array(0);
  const reader = await tree.open(path);
  return reader.read(0, stat.sizeBytes);
}

/**
 * The newest of a node's own revisions of a path that it can read: a newer one may have ended a conflict in favour of what another node wrote and has not arrived. With the hash of its bytes; without one for a
 * removal. If there is none, what was published cannot be read by its author, and no bytes are right.
 */
async function newestReadable(
  node: SimulatedNode,
  dataset: DatasetId,
  own: readonly RevisionInfo[],
): Promise<{ readonly revision: RevisionInfo; readonly sha256: string | undefined }> {
  const newestFirst = own.toSorted((a, b) => b.sequence - a.sequence);
  for (const revision of newestFirst) {
    if (revision.kind !== 'file') return { revision, sha256: undefined };
    const sha256 = await sha256Of(node, dataset, revision);
    if (/^[0-9a-f]{64}$/.test(sha256)) return { revision, sha256 };
  }
  return { revision: newestFirst[0] as RevisionInfo, sha256: 'of what could not be read when it was published' };
}

/** Of the bytes that the node gives for a revision, or for what stands; what cannot be read is named by its error. */
async function sha256Of(
  node: SimulatedNode,
  dataset: DatasetId,
  revision: { readonly path: string; readonly author?: NodeId; readonly sequence?: number },
): Promise<string> {
  const { path, author, sequence } = revision;
  const hash = nodeCrypto.createSha256();
  try {
    const dot = author === undefined || sequence === undefined ? undefined : { author, sequence };
    for await (const part of node.node.read(dataset, path, dot)) hash.update(part);
  } catch (error) {
    return String(error);
  }
  return toHex(hash.digest());
}
