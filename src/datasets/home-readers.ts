import { GodwitError } from '../core/errors.ts';
import type { FileReader, FileTree } from '../ports/file-tree.ts';

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
  #open: { readonly tree: string; readonly path: string; readonly reader: FileReader } | undefined;

  constructor(treeById: ReadonlyMap<string, FileTree>) {
    this.#treeById = treeById;
  }

  /** The bytes at a place, not verified; `undefined` when they are not there any more, `unavailable` when they cannot be read at the moment. */
  async read(home: Home): Promise<Uint8Array | 'unavailable' | undefined> {
    const tree = this.#treeById.get(home.tree);
    if (tree === undefined) return 'unavailable';
    try {
      const reader = await this.#reader(tree, home);
      const bytes = await reader.read(home.offset, home.length_bytes);
      return bytes.length === home.length_bytes ? bytes : undefined;
    } catch (error) {
      if (!(error instanceof GodwitError)) throw error;
      return goneCodes.includes(error.code) ? undefined : 'unavailable';
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
