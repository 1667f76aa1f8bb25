import { GodwitError } from '../core/errors.ts';

/**
 * Work that follows from events and takes time, one piece after the other: a path to bring up to date on disk, a conflict to end. The same work is queued once, however often it is asked
 * for; what fails is reported and does not stop the rest.
 */
export class Chores {
  readonly #onFailure: (name: string, error: unknown) => void;
  readonly #workByName = new Map<string, { readonly work: () => Promise<void>; readonly cancel?: () => void }>();
  #serial = 0;
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(onFailure: (name: string, error: unknown) => void) {
    this.#onFailure = onFailure;
  }

  /** Queues work under a name. Work of that name that has not begun yet is replaced. */
  add(name: string, work: () => Promise<void>): void {
    if (this.#closed) return;
    this.#enqueue(name, { work });
  }

  /** Runs work in its turn and gives its result to the caller. Rejects with `NODE_CLOSED` when it was not begun before closing. */
  exclusive<T>(name: string, work: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const cancel = () => reject(new GodwitError('NODE_CLOSED', 'The node was closed before this was done.', { retryable: true }));
      if (this.#closed) cancel();
      else this.#enqueue(`${name} #${this.#serial++}`, { work: () => work().then(resolve, reject), cancel });
    });
  }

  /** Resolves when everything that is queued now has been done. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  /** Drops what has not begun and waits for what has. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { cancel } of this.#workByName.values()) cancel?.();
    this.#workByName.clear();
    await this.idle();
  }

  #enqueue(name: string, chore: { readonly work: () => Promise<void>; readonly cancel?: () => void }): void {
    this.#workByName.set(name, chore);
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    // The first turn of the loop belongs to the caller's caller: a chore never runs inside the event that asked for it.
    await undefined;
    for (;;) {
      const [next] = this.#workByName;
      if (next === undefined) break;
      const [name, { work }] = next;
      this.#workByName.delete(name);
      try {
        await work();
      } catch (error) {
        this.#onFailure(name, error);
      }
    }
    this.#running = undefined;
  }
}
