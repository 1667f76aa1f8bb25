import { GodwitError } from '../core/errors.ts';
import type { DatasetId, Hash } from '../core/identifiers.ts';
import type { Catalog } from '../ports/catalog.ts';
import { contentPage } from './content-page.ts';
import type { ContentStore } from './content-store.ts';
import type { FileIndex } from './file-index.ts';
import type { ContentRef } from './manifest.ts';

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
/** What a look at a content, or at a chunk that was read before, counts against the budget in the place of the bytes it reads. */
const lookCostBytes = 256;

/** A content that cannot be read whole. */
export interface DamagedContent {
  readonly content: ContentRef;
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
  /** Lost from now on. */
  readonly damaged: readonly DamagedContent[];
  /** Contents of which a part lies in a directory that cannot be read at the moment: neither good nor lost. */
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
  readonly #work: AsyncGenerator<number, void, void>;
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
    this.#work = this.#walk();
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
    for (let spentBytes = 0; spentBytes < budgetBytes; ) {
      const next = await this.#work.next();
      if (next.done === true) return true;
      spentBytes += next.value;
    }
    return false;
  }

  /** Gives the verification up, between two steps. */
  async stop(): Promise<void> {
    await this.#work.return();
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
    try {
      for await (const ref of contents.parts(content)) {
        const { hash, lengthBytes } = ref;
        // The walk has read and checked the nodes itself.
        if (lengthBytes === 0) continue;
        if (this.#wasRead(hash)) {
          yield lookCostBytes;
          continue;
        }
        const bytes = await contents.read(hash);
        if (bytes !== undefined) {
          this.#goodBytes += bytes.length;
          this.#noteRead(hash);
        } else if (contents.has(hash)) isUnavailable = true;
        else {
          // At once, and not when all of it was read: it must not be offered or shown meanwhile.
          contents.loseIfDamaged(content, [ref]);
          isDamaged = true;
          damagedBytes += lengthBytes;
        }
        yield lengthBytes;
      }
    } catch (error) {
      if (!(error instanceof GodwitError && error.code.startsWith('MANIFEST_'))) throw error;
      isDamaged = true;
    }
    if (isDamaged) this.#damaged.push({ content, places: this.#places(content.root), damagedBytes });
    else if (isUnavailable) this.#unavailable.push(content);
  }

  #places(root: Hash): DamagedContent['places'] {
    return this.#index.revisionsWithRoot(root).map(({ dataset, path, head }) => ({ dataset, path, head }));
  }
}
