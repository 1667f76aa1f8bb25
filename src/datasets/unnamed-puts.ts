import { toHex } from '../core/bytes.ts';
import type { Hash } from '../core/identifiers.ts';

/**
 * What a garbage collection cannot see in the catalog: chunks and nodes that are stored, or about to be, and that no content or journal names yet.
 *
 * There are three kinds. Those of a content that is being put together, which may take hours: they are remembered until it is complete. Those that a caller has put and names afterwards: the last
 * ones are remembered until a collection has spared them once, which is long after the naming. And all that come while a collection runs: it is told of them at once.
 */

/** How many puts of callers are remembered: more than are ever stored and not yet named. */
const recentMax = 16_384;

interface Named {
  readonly hash: Hash;
}

/** The puts of one content store. */
export class UnnamedPuts {
  #spare: ((hashes: Iterable<Hash>) => void) | undefined;
  /** By hexadecimal hash, the oldest first. */
  readonly #recent = new Map<string, Hash>();
  /** Content by content. */
  readonly #assembled = new Set<Hash[]>();
  readonly #storing = new Set<Promise<void>>();

  /** Whether a collection runs. */
  get isSparing(): boolean {
    return this.#spare !== undefined;
  }

  /**
   * A collection begins. Until `endSparing`, `spare` is told of every chunk and node that somebody may come to need, before anything relies on it, within the transaction that names it where there is
   * one.
   */
  beginSparing(spare: (hashes: Iterable<Hash>) => void): void {
    this.#spare = spare;
    spare(this.#recent.values());
    this.#recent.clear();
    for (const hashes of this.#assembled) spare(hashes);
  }

  /** The collection has ended. */
  endSparing(): void {
    this.#spare = undefined;
  }

  /** Resolves when everything that was being stored when this was called is named by the catalog, or its storing has failed. */
  async stored(): Promise<void> {
    await Promise.allSettled(this.#storing);
  }

  /** Stores records by `work`, which looks up what is here already: that is spared from before the look. */
  async store(records: readonly Named[], work: () => Promise<void>): Promise<void> {
    this.#spare?.(hashesOf(records));
    const storing = work();
    this.#storing.add(storing);
    try {
      await storing;
    } finally {
      this.#storing.delete(storing);
    }
  }

  /** Does work that puts the parts of one content, noting each put, and then completes it. */
  async assemble<T>(work: (note: (records: readonly Named[]) => void) => Promise<T>): Promise<T> {
    const hashes: Hash[] = [];
    this.#assembled.add(hashes);
    try {
      return await work((records) => hashes.push(...hashesOf(records)));
    } finally {
      this.#assembled.delete(hashes);
    }
  }

  /** A caller stores these and names them afterwards. */
  remember(records: readonly Named[]): void {
    for (const { hash } of records) {
      const key = toHex(hash);
      this.#recent.delete(key);
      this.#recent.set(key, hash);
    }
    for (const key of this.#recent.keys()) {
      if (this.#recent.size <= recentMax) break;
      this.#recent.delete(key);
    }
  }

  /** A content that is complete names these from now on. */
  named(chunks: Iterable<Named>): void {
    this.#spare?.(hashesOf(chunks));
    if (this.#recent.size > 0) for (const { hash } of chunks) this.#recent.delete(toHex(hash));
  }
}

function* hashesOf(records: Iterable<Named>): Generator<Hash, void, void> {
  for (const { hash } of records) yield hash;
}
