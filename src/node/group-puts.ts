import type { PackRecord } from '../ports/chunk-store.ts';

/**
 * Stores what arrives in as few durable steps as the disk's pace asks for: while one put is under way, whatever comes meanwhile is gathered, and the next put takes it all. A put waits for the disk twice, for the pack and
 * for the catalog, whether it holds a megabyte or twenty.
 */

interface Waiting {
  readonly records: readonly PackRecord[];
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/** The puts of one node. */
export class GroupPuts {
  readonly #store: (records: readonly PackRecord[]) => Promise<void>;
  #waiting: Waiting[] = [];
  #busy = false;

  /** `store` resolves when all records are durable and named. */
  constructor(store: (records: readonly PackRecord[]) => Promise<void>) {
    this.#store = store;
  }

  /** Resolves when these records are durable and named; rejects as `store` does, together with all that shared the step. */
  put(records: readonly PackRecord[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ records, resolve, reject });
      if (!this.#busy) void this.#work();
    });
  }

  async #work(): Promise<void> {
    this.#busy = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        await this.#store(batch.flatMap(({ records }) => records));
        for (const { resolve } of batch) resolve();
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#busy = false;
  }
}
