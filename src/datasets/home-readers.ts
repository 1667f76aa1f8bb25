import { GodwitError } from '../core/errors.ts';
import type { FileReader, FileStat, FileTree } from '../ports/file-tree.ts';

/**
 * Reads chunks where they lie in working files. A file that several chunks in a row are read from is opened once: opening is checked against links that lead out of the tree, and costs more than reading a chunk.
 */

/** Faults of a working file that say its bytes are not there any more. Any other (a disk that is not mounted, no permission) may pass, and the home is kept. */
const goneCodes: readonly string[] = ['FILE_MISSING', 'NOT_A_FILE', 'PATH_REFUSED'];

/** A place in a working file. */
export interface Home {
  readonly tree: string;
  readonly path: string;
  readonly offset: number;
  readonly length_bytes: number;
}

/** Reading for one piece of work. To be closed at its end, so that no file is held open while nothing is read. */
export class HomeReaders {
  readonly #treeById: ReadonlyMap<string, FileTree>;
  readonly #wentTo: (home: Home) => string | undefined;
  #open: { readonly tree: string; readonly path: string; readonly reader: FileReader } | undefined;

  /** @param wentTo where a file may be that is not at its path */
  constructor(treeById: ReadonlyMap<string, FileTree>, wentTo: (home: Home) => string | undefined) {
    this.#treeById = treeById;
    this.#wentTo = wentTo;
  }

  /**
   * The bytes at a place, in `into` where the reader can and it has the room, not verified; `undefined` when they are not there any more, `unreadable` when the device failed to read them, `unavailable` when
   * the directory cannot be reached at the moment.
   */
  async read(home: Home, into?: Uint8Array): Promise<Uint8Array | 'unavailable' | 'unreadable' | undefined> {
    const tree = this.#treeById.get(home.tree);
    if (tree === undefined) return 'unavailable';
    try {
      const reader = await this.#reader(tree, home);
      const bytes = await reader.read(home.offset, home.length_bytes, into);
      return bytes.length === home.length_bytes ? bytes : undefined;
    } catch (error) {
      if (!(error instanceof GodwitError)) throw error;
      if (goneCodes.includes(error.code)) {
        const path = this.#wentTo(home);
        return path === undefined ? undefined : this.read({ ...home, path }, into);
      }
      return error.code === 'STORAGE_FAILED' ? 'unreadable' : 'unavailable';
    }
  }

  /** The bytes of chunks that lie one behind the other, as `adjacentHomes` finds them: read at once, in `into` if it has the room, not verified. Empty when they cannot be read. */
  async readTogether(homes: readonly Home[], into: Uint8Array = new Uint8Array(0)): Promise<Uint8Array[]> {
    const [first] = homes;
    if (first === undefined) return [];
    const lengthBytes = homes.reduce((sum, home) => sum + home.length_bytes, 0);
    const bytes = await this.read({ ...first, length_bytes: lengthBytes }, into.length < lengthBytes ? undefined : into);
    if (!(bytes instanceof Uint8Array)) return [];
    return homes.map(({ offset, length_bytes }) => bytes.subarray(offset - first.offset, offset - first.offset + length_bytes));
  }

  /** What is known of the file that was read last, now; `undefined` when that is not known. */
  async stat(): Promise<FileStat | undefined> {
    try {
      return await this.#open?.reader.stat();
    } catch (error) {
      if (error instanceof GodwitError) return undefined;
      throw error;
    }
  }

  /** Closes the file that is open. */
  async close(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    await open?.reader.close();
  }

  async #reader(tree: FileTree, home: Home): Promise<FileReader> {
    if (this.#open?.tree === home.tree && this.#open.path === home.path) return this.#open.reader;
    await this.close();
    const reader = await tree.open(home.path);
    this.#open = { tree: home.tree, path: home.path, reader };
    return reader;
  }
}

/** Bytes that are read at once. */
const togetherBytesMax = 8 * 1024 * 1024;

/** Of chunks with all the homes of each: the homes of as many as lie one behind the other in one file, from the first on. */
export function adjacentHomes(homesByChunk: Iterable<readonly Home[]>): Home[] {
  const run: Home[] = [];
  let bytes = 0;
  for (const homes of homesByChunk) {
    const before = run.at(-1);
    const next = homes.find(
      ({ tree, path, offset }) =>
        before === undefined || (tree === before.tree && path === before.path && offset === before.offset + before.length_bytes),
    );
    if (next === undefined || bytes + next.length_bytes > togetherBytesMax) break;
    bytes += next.length_bytes;
    run.push(next);
  }
  return run;
}
