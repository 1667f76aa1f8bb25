import { GodwitError } from '../core/errors.ts';
import type { DatasetId, Hash } from '../core/identifiers.ts';
import type { Catalog } from '../ports/catalog.ts';
import { contentPage } from './content-page.ts';
import type { ContentStore } from './content-store.ts';
import type { FileIndex } from './file-index.ts';
import type { ContentRef } from './manifest.ts';
import { SteppedWork } from './stepped-work.ts';

/**
 * Reads everything that is complete here and holds it against its hashes: what a disk has lost is found before somebody needs it, while other nodes still have it.
 *
 * A content with a chunk or node that no home has any more is lost from that moment, so nobody is offered or shown it; `ContentStore.takeLost` tells the node, which wants it again where it is a
 * head. That is all there is to a repair: it arrives like any other content, from whoever has it.
 *
 * Contents come in the order of their roots, and the root of the last one is all that is needed to go on another day. A chunk that several contents share, as the versions of a growing file do, is read once:
 * the hashes that were read are in a temporary table and die with the process.
 */

/** Contents looked at in one step of the walk. */
const contentsAtATime = 64;
/** Most that a report lists. */
const damagedListedMax = 10_000;
const homesListedMax = 100;
/** What a look at a content, or at a chunk that was read before, counts against the budget in the place of the bytes it reads. */
const lookCostBytes = 256;

/** A place that no longer holds the chunk it should: a record in a pack file, or a stretch of a working file. */
export type DamagedHome =
  | { readonly kind: 'pack'; readonly pack: number; readonly offset: number }
  /** `tree` is the identifier of the working tree (`WorkingTree.id`). */
  | { readonly kind: 'file'; readonly tree: string; readonly path: string; readonly offset: number };

/** A content of which some home holds something else than it should. */
export interface DamagedContent {
  readonly content: ContentRef;
  /** True when it cannot be read whole from anywhere here any more. False when every damaged home has a sound twin, which is used from now on. */
  readonly lost: boolean;
  /** Homes that were found damaged, at most 100 of them. Those of a manifest's inner nodes are not among them. They are forgotten, so nothing is read from there again. */
  readonly homes: readonly DamagedHome[];
  /** Where it is, or was, the content of a file. Empty for the raw bytes of an instrument. */
  readonly places: readonly { readonly dataset: DatasetId; readonly path: string; readonly head: boolean }[];
  /** Bytes of the chunks that no home has any more. 0 when its manifest is damaged: then it is not known which they are. */
  readonly damagedBytes: number;
}

/** What a verification found so far. */
export interface VerificationReport {
  readonly contents: number;
  /** Bytes of chunks that were read and have their hash. */
  readonly goodBytes: number;
  /** At most 10,000 are listed. */
  readonly damaged: readonly DamagedContent[];
  /** Contents of which a part cannot be read at the moment, because of the disk or because its directory is not there: neither good nor lost. */
  readonly unavailable: readonly ContentRef[];
}

/** What is verified. */
export interface VerificationScope {
  /** Only contents that a revision of this dataset names. */
  readonly dataset?: DatasetId;
  /** Only contents behind this root: the `position` of an earlier verification. */
  readonly after?: Uint8Array;
}

/** One pass over the contents, done in steps. */
export class Verification {
  readonly #catalog: Catalog;
  readonly #contents: ContentStore;
  readonly #index: FileIndex;
  readonly #dataset: DatasetId | undefined;
  readonly #work: SteppedWork;
  readonly #damaged: DamagedContent[] = [];
  readonly #unavailable: ContentRef[] = [];
  #position: Uint8Array;
  #run = 0;
  #verified = 0;
  #goodBytes = 0;

  constructor(catalog: Catalog, contents: ContentStore, index: FileIndex, scope: VerificationScope = {}) {
    this.#catalog = catalog;
    this.#contents = contents;
    this.#index = index;
    this.#dataset = scope.dataset;
    this.#position = scope.after ?? new Uint8Array(0);
    this.#work = new SteppedWork(this.#walk());
  }

  get report(): VerificationReport {
    return { contents: this.#verified, goodBytes: this.#goodBytes, damaged: this.#damaged, unavailable: this.#unavailable };
  }

  /** Root of the last content that was finished; empty before the first. A verification that begins behind it goes on where this one is. */
  get position(): Uint8Array {
    return this.#position;
  }

  /**
   * Goes on with about `budgetBytes` of reading; one chunk is not divided. True when everything in the scope has been read. Afterwards the caller has `takeLost` told to the node.
   *
   * @throws GodwitError `STORAGE_FAILED` (retryable) when this process cannot read at the moment; begin again behind `position`
   */
  async step(budgetBytes: number): Promise<boolean> {
    return this.#work.step(budgetBytes);
  }

  /** Gives the verification up, between two steps. */
  async stop(): Promise<void> {
    await this.#work.stop();
  }

  /** Yields what each piece of work cost, in bytes. */
  async *#walk(): AsyncGenerator<number, void, void> {
    this.#catalog.run('CREATE TEMP TABLE IF NOT EXISTS verification_read (run INTEGER, hash BLOB, PRIMARY KEY (run, hash)) WITHOUT ROWID');
    this.#run = (this.#catalog.get<{ last: number | null }>('SELECT max(run) AS last FROM verification_read')?.last ?? 0) + 1;
    // Takes the number, so that a verification that begins beside this one gets another.
    this.#noteRead(new Uint8Array(0));
    try {
      yield* this.#verifyAll();
    } finally {
      this.#catalog.run('DELETE FROM verification_read WHERE run = ?', this.#run);
    }
  }

  async *#verifyAll(): AsyncGenerator<number, void, void> {
    const next = () => contentPage(this.#catalog, this.#position, contentsAtATime);
    for (let page = next(); page.length > 0; page = next()) {
      for (const { content, complete } of page) {
        // What is in doubt is being looked through, and read when it turns out complete.
        if (complete && this.#contents.holds(content.root) && this.#isInScope(content.root)) {
          yield* this.#verify(content);
          this.#verified++;
        }
        this.#position = content.root;
        yield lookCostBytes;
      }
    }
  }

  #wasRead(hash: Uint8Array): boolean {
    return this.#catalog.get('SELECT 1 FROM verification_read WHERE run = ? AND hash = ?', this.#run, hash) !== undefined;
  }

  #noteRead(hash: Uint8Array): void {
    this.#catalog.run('INSERT OR IGNORE INTO verification_read (run, hash) VALUES (?, ?)', this.#run, hash);
  }

  #isInScope(root: Hash): boolean {
    return this.#dataset === undefined || this.#index.revisionsWithRoot(root).some(({ dataset }) => dataset === this.#dataset);
  }

  async *#verify(content: ContentRef): AsyncGenerator<number, void, void> {
    const contents = this.#contents;
    let damagedBytes = 0;
    let isDamaged = false;
    let isUnavailable = false;
    const homes: DamagedHome[] = [];
    const noteLostHomes = (hash: Hash, before: readonly DamagedHome[]): void => {
      const after = new Set(this.#homes(hash).map((home) => JSON.stringify(home)));
      if (after.size < before.length) homes.push(...before.filter((home) => !after.has(JSON.stringify(home))));
      homes.length = Math.min(homes.length, homesListedMax);
    };
    const rootHomes = this.#homes(content.root);
    try {
      for await (const ref of contents.parts(content)) {
        const { hash, lengthBytes } = ref;
        // The walk has read and checked the nodes itself.
        if (lengthBytes === 0) continue;
        if (this.#wasRead(hash)) {
          yield lookCostBytes;
          continue;
        }
        const before = this.#homes(hash);
        const bytes = await contents.read(hash);
        noteLostHomes(hash, before);
        if (bytes !== undefined) {
          this.#goodBytes += bytes.length;
          this.#noteRead(hash);
        } else if (contents.has(hash)) {
          // A disk that cannot be read is no proof that the bytes are gone: whoever mends contents tries again.
          contents.loseIfDamaged(content, [ref]);
          isUnavailable = true;
        } else {
          // At once, and not when all of it was read: it must not be offered or shown meanwhile.
          contents.loseIfDamaged(content, [ref]);
          isDamaged = true;
          damagedBytes += lengthBytes;
        }
        yield lengthBytes;
      }
    } catch (error) {
      if (!(error instanceof GodwitError && /^(MANIFEST_|CONTENT_UNAVAILABLE)/.test(error.code))) throw error;
      if (error.code === 'CONTENT_UNAVAILABLE') isUnavailable = true;
      else isDamaged = true;
      if (content.depth > 0) noteLostHomes(content.root, rootHomes);
    }
    if ((isDamaged || homes.length > 0) && this.#damaged.length < damagedListedMax)
      this.#damaged.push({ content, lost: isDamaged, homes, places: this.#places(content.root), damagedBytes });
    if (isUnavailable && !isDamaged) this.#unavailable.push(content);
  }

  /** Where a chunk should be. What `ContentStore.read` finds wanting is not there afterwards. */
  #homes(hash: Hash): DamagedHome[] {
    const packs = this.#catalog
      .all<{ pack: number; offset: number }>('SELECT pack, offset FROM chunk WHERE hash = ?', hash)
      .map((row): DamagedHome => ({ kind: 'pack', ...row }));
    const files = this.#catalog
      .all<{ tree: string; path: string; offset: number }>('SELECT tree, path, offset FROM chunk_in_file WHERE hash = ?', hash)
      .map((row): DamagedHome => ({ kind: 'file', ...row }));
    return [...packs, ...files];
  }

  #places(root: Hash): DamagedContent['places'] {
    return this.#index.revisionsWithRoot(root).map(({ dataset, path, head }) => ({ dataset, path, head }));
  }
}
