import type { PackRecord } from '../ports/chunk-store.ts';

/**
 * Stores what arrives in as few durable steps as the disk's pace asks for: while one put is under way, whatever comes meanwhile is gathered, and the next put takes it all. A put waits for the disk twice, for the pack and
 * for the catalog, whether it holds a megabyte or twenty.
 */

/**
 * About so much goes into one step: a busy disk takes as long for a short one. Less than half of the sender's window, so that the sender, which waits for what is stored when that is used up, hears of it in
 * time.
 */
const putBytes = 24 * 1024 * 1024;

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
      const batch = this.#waiting.splice(0, this.#shareOfWaiting());
      try {
        await this.#store(batch.flatMap(({ records }) => records));
        for (const { resolve } of batch) resolve();
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#busy = false;
  }

  /** How many of those that wait go together: as many as hold `putBytes`, one at least. */
  #shareOfWaiting(): number {
    let bytes = 0;
    let count = 0;
    for (const { records } of this.#waiting) {
      if (bytes >= putBytes) break;
      for (const record of records) bytes += record.bytes.length;
      count++;
    }
    return count;
  }
}
