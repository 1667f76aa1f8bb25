import { invariant } from '../core/assert.ts';
import { concatBytes, utf8 } from '../core/bytes.ts';
import { GodwitError } from '../core/errors.ts';
import { isTreePath } from '../core/tree-path.ts';
import type { FileAttributes, FileReader, FileStat, FileTree, MayReplace, PartFile, Sighting } from '../ports/file-tree.ts';
import { pageText, seenText, toSighting } from '../ports/sighting.ts';
import type { DiskFaults } from './disk-faults.ts';
import { MemoryPart } from './memory-part.ts';

/**
 * The working directory of a simulated node: the disk tree's promises and refusals, held in memory.
 *
 * A write takes effect at one instant, after its content has settled on the simulated disk; a power cut before leaves the old file, as a rename that never happened does. What the
 * simulated people and programs do to the tree goes through `put`, `rot` and `remove`.
 */

interface Node {
  readonly kind: 'file' | 'symlink';
  readonly inode: bigint;
  /** A file's content, or the UTF-8 bytes of a link's target. Replaced, never changed in place. */
  bytes: Uint8Array;
  readonly target: string | undefined;
  mtimeNs: bigint;
  ctimeNs: bigint;
  mode: number;
}

/** What a `MemoryFileTree` is made of. */
export interface MemoryFileTreeOptions {
  /** The simulated wall clock, nanoseconds since 1970 UTC. */
  readonly nowNs: () => bigint;
  /** What goes wrong with the disk. */
  readonly faults: DiskFaults;
}

/** Sightings in a page of a survey. */
const pageSightings = 512;
/** The disk tree's limits of what a file's time can be. */
const mtimeNsMax = 2n ** 63n - 1n;
const forever = new Promise<never>(() => {});

function refused(path: string, why: string): GodwitError {
  return new GodwitError('PATH_REFUSED', `${JSON.stringify(path)} ${why}`);
}

function occupied(path: string): GodwitError {
  return new GodwitError('PATH_OCCUPIED', `${JSON.stringify(path)}: a file and a directory want the same name`);
}

/** The directories on the way to a path, outermost first. */
function directoriesAbove(path: string): string[] {
  const names = path.split('/');
  return names.slice(1).map((_, i) => names.slice(0, i + 1).join('/'));
}

/** Depth first in code-unit order of names: `/` sorts before every character a name may hold. */
function compareDepthFirst(a: string, b: string): number {
  const [x, y] = [a.replaceAll('/', '\0'), b.replaceAll('/', '\0')];
  return x < y ? -1 : x > y ? 1 : 0;
}

/** The directory in memory. A power cut makes a new one of what was durable; the old one then never answers again. */
export class MemoryFileTree implements FileTree {
  readonly #options: MemoryFileTreeOptions;
  readonly #nodeByPath: Map<string, Node>;
  readonly #partByPath: Map<string, MemoryPart>;
  /** Files and links below each directory. */
  readonly #filesBelow = new Map<string, number>();
  #nextInode = 1n;
  #isDead = false;

  constructor(
    options: MemoryFileTreeOptions,
    nodes: ReadonlyMap<string, Node> = new Map(),
    parts: ReadonlyMap<string, MemoryPart> = new Map(),
  ) {
    this.#options = options;
    this.#nodeByPath = new Map();
    this.#partByPath = new Map(parts);
    for (const { inode } of parts.values()) if (inode >= this.#nextInode) this.#nextInode = inode + 1n;
    for (const [path, node] of nodes) {
      this.#set(path, node);
      if (node.inode >= this.#nextInode) this.#nextInode = node.inode + 1n;
    }
  }

  async *walk(): AsyncGenerator<FileStat, void, void> {
    await this.#alive();
    for (const [part, { isClaimed }] of this.#partByPath) if (!isClaimed) this.#dropPart(part);
    for (const path of [...this.#nodeByPath.keys()].sort(compareDepthFirst)) {
      const node = this.#nodeByPath.get(path);
      if (node !== undefined) yield statOf(path, node);
    }
  }

  async *survey(): AsyncGenerator<string, void, void> {
    let page: Sighting[] = [];
    for await (const entry of this.walk()) {
      page.push(toSighting(entry));
      if (page.length < pageSightings) continue;
      yield pageText(page);
      page = [];
    }
    if (page.length > 0) yield pageText(page);
  }

  async readWhole(files: readonly Sighting[]): Promise<readonly (Uint8Array | undefined)[]> {
    await this.#alive();
    return files.map(({ path, seen }) => {
      const node = this.#nodeByPath.get(path);
      const isThere = node?.kind === 'file' && seenText(statOf(path, node)) === seen && !this.#options.faults.readFails();
      return isThere ? node.bytes.slice() : undefined;
    });
  }

  async stat(path: string): Promise<FileStat | undefined> {
    await this.#alive();
    const node = this.#find(path);
    return node === undefined ? undefined : statOf(path, node);
  }

  async open(path: string): Promise<FileReader> {
    await this.#alive();
    const node = this.#find(path);
    if (node?.kind === 'symlink' || this.#filesBelow.has(path)) {
      throw new GodwitError('NOT_A_FILE', `${JSON.stringify(path)} is not a regular file and has no content to read`);
    }
    const part = this.#partByPath.get(path);
    if (node === undefined && part?.isClaimed !== true) throw missing(path);
    const opened = node ?? (part as MemoryPart);
    return {
      stat: async () => statOf(path, node ?? this.#nodeOf(part as MemoryPart, {}, undefined)),
      read: async (offset, length) => {
        await this.#alive();
        if (this.#options.faults.readFails()) {
          throw new GodwitError('STORAGE_FAILED', `the simulated disk could not read ${JSON.stringify(path)}`, { retryable: true });
        }
        return opened.bytes.slice(offset, offset + length);
      },
      close: async () => {},
    };
  }

  async beginPart(path: string): Promise<PartFile> {
    await this.#alive();
    this.#checkTarget(path);
    const inode = this.#nextInode++;
    const name = `.godwit-${inode.toString(16).padStart(16, '0')}.part`;
    const part = [...path.split('/').slice(0, -1), name].join('/');
    this.#partByPath.set(part, new MemoryPart(inode, this.#options.faults));
    return this.#partFile(part);
  }

  claimPart(part: string): void {
    const found = this.#partByPath.get(part);
    if (found !== undefined) found.isClaimed = true;
  }

  async openPart(part: string): Promise<PartFile | undefined> {
    await this.#alive();
    return this.#partByPath.has(part) ? this.#partFile(part) : undefined;
  }

  #partFile(path: string): PartFile {
    const part = this.#partByPath.get(path) as MemoryPart;
    return {
      path,
      write: async (offset, bytes) => {
        await this.#alive();
        part.write(offset, bytes);
      },
      sync: async () => {
        await this.#alive();
        await part.sync();
        await this.#alive();
      },
      close: async () => {},
    };
  }

  async placePart(part: string, path: string, attributes: FileAttributes, mayReplace?: MayReplace): Promise<FileStat> {
    await this.#alive();
    const found = this.#partByPath.get(part);
    if (found === undefined) throw missing(part);
    this.#checkTarget(path);
    await found.sync();
    await this.#alive();
    this.#checkTarget(path);
    this.#refuseIfChanged(path, mayReplace);
    this.#partByPath.delete(part);
    return this.#place(path, this.#nodeOf(found, attributes, this.#nodeByPath.get(path)));
  }

  async removePart(part: string): Promise<void> {
    await this.#alive();
    this.#dropPart(part);
  }

  #dropPart(part: string): void {
    this.#options.faults.release(this.#partByPath.get(part)?.bytes.length ?? 0);
    this.#partByPath.delete(part);
  }

  /** A file of these bytes as it stands when it is put in place now. */
  #nodeOf({ inode, bytes }: Pick<Node, 'inode' | 'bytes'>, { mtimeNs, mode }: FileAttributes, replaced: Node | undefined): Node {
    const now = this.#options.nowNs();
    const time = mtimeNs ?? now;
    return {
      kind: 'file',
      inode,
      bytes,
      target: undefined,
      mtimeNs: time > mtimeNsMax ? mtimeNsMax : time < -mtimeNsMax ? -mtimeNsMax : time,
      ctimeNs: now,
      mode: mode !== undefined ? (mode & 0o777) | 0o400 : replaced?.kind === 'file' ? replaced.mode : 0o644,
    };
  }

  async write(path: string, content: AsyncIterable<Uint8Array>, attributes: FileAttributes, mayReplace?: MayReplace): Promise<FileStat> {
    await this.#alive();
    this.#checkTarget(path);
    const { faults } = this.#options;
    const parts: Uint8Array[] = [];
    let takenBytes = 0;
    try {
      for await (const part of content) {
        await this.#alive();
        faults.take(part.length);
        takenBytes += part.length;
        parts.push(part.slice());
      }
      await faults.settle(takenBytes);
      await this.#alive();
      // What stands there may have changed while the content came in.
      this.#checkTarget(path);
      this.#refuseIfChanged(path, mayReplace);
    } catch (error) {
      faults.release(takenBytes);
      throw error;
    }
    const made = { inode: this.#nextInode++, bytes: concatBytes(...parts) };
    return this.#place(path, this.#nodeOf(made, attributes, this.#nodeByPath.get(path)));
  }

  async link(path: string, target: string, mayReplace?: MayReplace): Promise<FileStat> {
    await this.#alive();
    this.#checkTarget(path);
    this.#refuseIfChanged(path, mayReplace);
    const bytes = utf8(target);
    this.#options.faults.take(bytes.length);
    const now = this.#options.nowNs();
    return this.#place(path, { kind: 'symlink', inode: this.#nextInode++, bytes, target, mtimeNs: now, ctimeNs: now, mode: 0o777 });
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#alive();
    const node = this.#find(from);
    if (this.#filesBelow.has(from))
      throw new GodwitError('NOT_A_FILE', `${JSON.stringify(from)} is a directory; only files and links are moved`);
    if (node === undefined) throw missing(from);
    this.#checkTarget(to);
    if (from === to) return;
    this.#delete(from);
    node.ctimeNs = this.#options.nowNs();
    this.#place(to, node);
  }

  async remove(path: string, mayReplace?: MayReplace): Promise<void> {
    await this.#alive();
    const node = this.#find(path);
    if (this.#filesBelow.has(path)) throw occupied(path);
    if (node === undefined) return;
    this.#refuseIfChanged(path, mayReplace);
    this.#options.faults.release(node.bytes.length);
    this.#delete(path);
  }

  /** Somebody saves a file in place: its inode stays, whoever has it open sees the new bytes, and it is durable at once. */
  put(path: string, bytes: Uint8Array, mtimeNs: bigint = this.#options.nowNs()): FileStat {
    this.#checkTarget(path);
    const { faults, nowNs } = this.#options;
    faults.take(bytes.length);
    const node = this.#nodeByPath.get(path);
    if (node?.kind !== 'file') {
      const made: Node = {
        kind: 'file',
        inode: this.#nextInode++,
        bytes: bytes.slice(),
        target: undefined,
        mtimeNs,
        ctimeNs: nowNs(),
        mode: 0o644,
      };
      return this.#place(path, made);
    }
    faults.release(node.bytes.length);
    node.bytes = bytes.slice();
    node.mtimeNs = mtimeNs;
    // Nobody saves a file twice in no time, as steps of a plan may have it that have no pause between them.
    node.ctimeNs = nowNs() > node.ctimeNs ? nowNs() : node.ctimeNs + 1n;
    return statOf(path, node);
  }

  /** Parts: files that are filled and stand nowhere yet. */
  parts(): string[] {
    return [...this.#partByPath.keys()];
  }

  /** A part is damaged (`rot`), or somebody removes it. */
  harmPart(part: string, how: 'rot' | 'remove'): void {
    if (how === 'rot') this.#partByPath.get(part)?.rot();
    else this.#dropPart(part);
  }

  /** Flips one bit of a file's content; its times say nothing of it. */
  rot(path: string): void {
    const node = this.#nodeByPath.get(path);
    invariant(node?.kind === 'file' && node.bytes.length > 0, 'there is no content to rot at this path');
    const bit = this.#options.faults.random.below(node.bytes.length * 8);
    const bytes = node.bytes.slice();
    bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
    node.bytes = bytes;
  }

  /** The power fails now. Unfinished writes have never happened; no promise of this tree settles any more, and `reopen` gives the tree that the next process finds. */
  powerCut(): void {
    this.#isDead = true;
  }

  /** The tree as the next process finds it. This one says nothing any more. */
  reopen(): MemoryFileTree {
    this.#isDead = true;
    for (const part of this.#partByPath.values()) part.cut();
    return new MemoryFileTree(this.#options, this.#nodeByPath, this.#partByPath);
  }

  /** A tree of its own that begins with what is in this one now, as a copy of the directory does. */
  copy(): MemoryFileTree {
    return new MemoryFileTree(this.#options, new Map([...this.#nodeByPath].map(([path, node]) => [path, { ...node }])));
  }

  async #alive(): Promise<void> {
    if (this.#isDead) await forever;
  }

  #find(path: string): Node | undefined {
    this.#checkPath(path);
    return this.#nodeByPath.get(path);
  }

  #checkPath(path: string): void {
    if (!isTreePath(path)) throw refused(path, 'is not a path below the root');
    const link = directoriesAbove(path).find((directory) => this.#nodeByPath.get(directory)?.kind === 'symlink');
    if (link !== undefined) throw refused(path, 'passes through a symbolic link');
  }

  #checkTarget(path: string): void {
    this.#checkPath(path);
    if (this.#filesBelow.has(path) || directoriesAbove(path).some((directory) => this.#nodeByPath.has(directory))) throw occupied(path);
  }

  #refuseIfChanged(path: string, mayReplace: MayReplace | undefined): void {
    const standing = this.#nodeByPath.get(path);
    if (mayReplace?.(standing && statOf(path, standing)) === false)
      throw new GodwitError('FILE_CHANGED', `${JSON.stringify(path)} was changed meanwhile`, { retryable: true });
  }

  #place(path: string, node: Node): FileStat {
    const replaced = this.#nodeByPath.get(path);
    if (replaced !== undefined) {
      this.#options.faults.release(replaced.bytes.length);
      this.#delete(path);
    }
    this.#set(path, node);
    return statOf(path, node);
  }

  #set(path: string, node: Node): void {
    this.#nodeByPath.set(path, node);
    for (const directory of directoriesAbove(path)) this.#filesBelow.set(directory, (this.#filesBelow.get(directory) ?? 0) + 1);
  }

  #delete(path: string): void {
    this.#nodeByPath.delete(path);
    for (const directory of directoriesAbove(path)) {
      const left = (this.#filesBelow.get(directory) as number) - 1;
      if (left === 0) this.#filesBelow.delete(directory);
      else this.#filesBelow.set(directory, left);
    }
  }
}

function missing(path: string): GodwitError {
  return new GodwitError('FILE_MISSING', `there is no file ${JSON.stringify(path)}`);
}

function statOf(path: string, { kind, bytes, mtimeNs, ctimeNs, inode, mode, target }: Node): FileStat {
  return { path, kind, sizeBytes: bytes.length, mtimeNs, ctimeNs, inode, mode, ...(target === undefined ? {} : { target }) };
}
