import { GodwitError } from '../core/errors.ts';
import type { Timers } from '../ports/timers.ts';

/**
 * Work that follows from events and takes time, one piece after the other: a path to bring up to date on disk, a conflict to end. The same work is queued once, however often it is asked
 * for; what fails is reported and does not stop the rest. What failed for a cause that may pass, such as a full disk, is done again after a while, unless it was asked for again before.
 */

/** How long what failed waits until it is tried again: at first, and at most. It doubles. */
const pauseMsMin = 5000;
const pauseMsMax = 300_000;

/** The chores of one node. */
export class Chores {
  readonly #onFailure: (name: string, error: unknown) => void;
  readonly #timers: Timers;
  /** What waits to be tried again. */
  readonly #retryByName = new Map<string, { readonly cancel: () => void; readonly pauseMs: number }>();
  readonly #workByName = new Map<string, { readonly work: () => Promise<void>; readonly cancel?: () => void }>();
  #serial = 0;
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(onFailure: (name: string, error: unknown) => void, timers: Timers) {
    this.#onFailure = onFailure;
    this.#timers = timers;
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
    for (const retry of this.#retryByName.values()) retry.cancel();
    this.#retryByName.clear();
    for (const { cancel } of this.#workByName.values()) cancel?.();
    this.#workByName.clear();
    await this.idle();
  }

  #addAgain(name: string, work: () => Promise<void>, error: unknown): void {
    if (this.#closed || !(error instanceof GodwitError) || !error.retryable || this.#workByName.has(name)) return;
    const before = this.#retryByName.get(name);
    before?.cancel();
    const pauseMs = before === undefined ? pauseMsMin : Math.min(pauseMsMax, 2 * before.pauseMs);
    const timer = this.#timers.schedule(pauseMs, () => this.add(name, work));
    this.#retryByName.set(name, { cancel: () => timer.cancel(), pauseMs });
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
        this.#retryByName.get(name)?.cancel();
        this.#retryByName.delete(name);
      } catch (error) {
        this.#onFailure(name, error);
        this.#addAgain(name, work, error);
      }
    }
    this.#running = undefined;
  }
}
