import { toHex } from '../core/bytes.ts';
import { GodwitError } from '../core/errors.ts';
import type { DatasetId, Hash } from '../core/identifiers.ts';
import type { ContentStore } from '../datasets/content-store.ts';
import type { FileIndex } from '../datasets/file-index.ts';
import { recoverChunks } from '../datasets/file-recovery.ts';
import type { ChunkRef, ContentRef } from '../datasets/manifest.ts';
import type { FileTree } from '../ports/file-tree.ts';
import type { Chores } from './chores.ts';
import type { NodeDriver } from './node-driver.ts';
import type { Platform } from './platform.ts';

/**
 * Mends contents with what this computer has itself, before and beside asking others.
 *
 * A chunk that could not be read is read again, by the pauses of chores: 5 s, doubling to 5 min. What the packs have lost, or cannot read, is taken from the working file that holds the same. Only what
 * could not be read for some ten minutes counts as lost and is asked of others; it is still tried, and taken back when it can be read. Whoever waits for the content hears when it is whole.
 */

/** Attempts without success, after which a content that cannot be read counts as lost: ten minutes, by the pauses of chores. */
const triesUntilLost = 8;

/** What mending works on. */
export interface ContentMendingParts {
  readonly platform: Pick<Platform, 'catalog' | 'crypto'>;
  readonly contents: ContentStore;
  readonly index: FileIndex;
  readonly driver: NodeDriver;
  readonly chores: Chores;
  readonly attached: () => readonly { readonly dataset: DatasetId; readonly tree: FileTree }[];
}

/** The mending of one node. */
export class ContentMending {
  readonly #parts: ContentMendingParts;
  /** Attempts by content (hexadecimal root). */
  readonly #triesByRoot = new Map<string, number>();

  constructor(parts: ContentMendingParts) {
    this.#parts = parts;
  }

  /** Begins to listen. What was in doubt when the node was opened is looked through once more. */
  start(): void {
    const { contents, chores } = this.#parts;
    contents.follow({
      lost: (content) => this.#begin(content),
      unreadable: (content) => this.#begin(content),
      complete: ({ root }) => chores.add(`tell that ${toHex(root)} is here`, async () => this.#tell(root)),
    });
    chores.add('look through contents in doubt', () => contents.recheck());
  }

  #begin(content: ContentRef): void {
    const key = toHex(content.root);
    if (this.#triesByRoot.has(key)) return;
    this.#triesByRoot.set(key, 0);
    this.#parts.chores.add(`mend ${key}`, () => this.#mend(content, key));
  }

  /** @throws GodwitError `CONTENT_UNAVAILABLE` (retryable) as long as something of it cannot be read */
  async #mend(content: ContentRef, key: string): Promise<void> {
    const { contents, index, driver } = this.#parts;
    const isNeeded = contents.holds(content.root) || index.headsWithRoot(content.root).length > 0;
    const state = isNeeded ? await this.#read(content) : 'gone';
    if (state !== 'unreadable') {
      this.#triesByRoot.delete(key);
      if (state === 'whole') this.#tell(content.root);
      // Found by work in the background: without a turn nobody would be asked for it.
      else driver.command((engine, now) => engine.noticeLosses(now));
      return;
    }
    const tries = (this.#triesByRoot.get(key) ?? 0) + 1;
    this.#triesByRoot.set(key, tries);
    if (tries === triesUntilLost) {
      contents.giveUp(content);
      driver.command((engine, now) => engine.noticeLosses(now));
    }
    throw new GodwitError('CONTENT_UNAVAILABLE', `Bytes of content ${key} cannot be read; look after the disk and its connection.`, {
      retryable: true,
    });
  }

  /** Reads what could not be read before, and looks for it in working files. */
  async #read(content: ContentRef): Promise<'whole' | 'unreadable' | 'gone'> {
    const { platform, contents, index, attached } = this.#parts;
    const chunks = await this.#refs(content);
    if (!Array.isArray(chunks)) return chunks;
    for (const { hash } of chunks) if (!contents.isReadable(hash) && contents.has(hash)) await contents.read(hash);
    const isWhole = (): boolean => chunks.every(({ hash }) => contents.isReadable(hash));
    for (const { dataset, path } of index.revisionsWithRoot(content.root)) {
      const each = attached().find((tree) => tree.dataset === dataset);
      if (each !== undefined && !isWhole()) await recoverChunks({ ...platform, ...each, contents }, path, content.root, chunks);
    }
    if (isWhole()) return contents.complete(content, chunks) ? 'whole' : 'gone';
    return chunks.every(({ hash }) => contents.has(hash)) ? 'unreadable' : 'gone';
  }

  async #refs(content: ContentRef): Promise<ChunkRef[] | 'unreadable' | 'gone'> {
    try {
      return await this.#parts.contents.refs(content);
    } catch (error) {
      if (!(error instanceof GodwitError)) throw error;
      return error.code === 'CONTENT_UNAVAILABLE' ? 'unreadable' : 'gone';
    }
  }

  #tell(root: Hash): void {
    const { driver } = this.#parts;
    driver.command((engine, now) => engine.atomically(now, () => engine.contentAvailable(root)));
  }
}
