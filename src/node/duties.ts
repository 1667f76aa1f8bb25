import type { Catalog, Schema } from '../ports/catalog.ts';
import type { Timers } from '../ports/timers.ts';
import type { Collections } from './collections.ts';
import { type Duty, keptDuty, type TimedDuty } from './duty.ts';

/**
 * Standing duties: what a node does by itself, again and again, from the moment it is opened: listen, look for changes in directories, read loggers. They are kept in the catalog, so a node that
 * was killed, or a box that lost power, takes them up again without being told.
 */

/** Pauses before a duty without an interval is tried again after it failed or ended: the first, and the longest. */
const firstPauseMs = 1000;
const longestPauseMs = 300_000;

const schema: Schema = {
  component: 'duties',
  steps: ['CREATE TABLE duty (id INTEGER PRIMARY KEY, duty TEXT NOT NULL UNIQUE) STRICT;'],
};

/** How long until a duty is done again that has failed so often in a row. */
function pauseAfter(duty: TimedDuty, failures: number): number {
  return 'everyMs' in duty ? duty.everyMs : Math.min(firstPauseMs * 2 ** Math.max(0, failures - 1), longestPauseMs);
}

/** What duties need of their node. */
export interface DutyHost {
  /** Does a duty once; what lasts ends when the signal is aborted, because the duty was removed or the node closes. */
  readonly perform: (duty: TimedDuty, signal: AbortSignal) => Promise<void>;
  readonly onFailure: (duty: Duty, error: unknown) => void;
  readonly collections: Collections;
}

/** Runs the duties of one node. */
export class Duties {
  readonly #catalog: Catalog;
  readonly #timers: Timers;
  readonly #host: DutyHost;
  readonly #cancelById = new Map<number, () => void>();
  #closed = false;

  constructor(catalog: Catalog, timers: Timers, host: DutyHost) {
    this.#catalog = catalog;
    this.#timers = timers;
    this.#host = host;
    catalog.migrate(schema);
  }

  /** Takes up all duties that are kept. */
  start(): void {
    for (const { id, duty } of this.list()) this.#begin(id, duty);
  }

  /** Keeps a duty and begins it, unless it is `begun` already. The same duty is kept once. */
  add(duty: Duty, begun = false): number {
    const text = JSON.stringify(duty);
    const fresh = this.#catalog.run('INSERT OR IGNORE INTO duty (duty) VALUES (?)', text) > 0;
    const id = this.#catalog.get<{ id: number }>('SELECT id FROM duty WHERE duty = ?', text)?.id ?? 0;
    if (fresh && !begun) this.#begin(id, duty);
    return id;
  }

  /** Forgets a duty; a run that is under way ends by itself, and a visit to an instrument at once. */
  remove(id: number): void {
    this.#catalog.run('DELETE FROM duty WHERE id = ?', id);
    this.#cancelById.get(id)?.();
    this.#cancelById.delete(id);
    this.#host.collections.drop(id);
  }

  /** The duties of kinds that this version knows; those of a newer one stay kept for it. */
  list(): { readonly id: number; readonly duty: Duty }[] {
    return this.#catalog.all<{ id: number; duty: string }>('SELECT id, duty FROM duty ORDER BY id').flatMap((row) => {
      const duty = keptDuty(row.duty);
      return duty === undefined ? [] : [{ id: row.id, duty }];
    });
  }

  close(): void {
    this.#closed = true;
    for (const cancel of this.#cancelById.values()) cancel();
    this.#cancelById.clear();
    this.#host.collections.close();
  }

  #begin(id: number, duty: Duty): void {
    if (duty.kind === 'collect') this.#host.collections.take(id, duty);
    else this.#run(id, duty);
  }

  /** `failures` in a row so far. What has an interval is done again at it; the rest once, and again until it has succeeded. */
  #run(id: number, duty: TimedDuty, failures = 0): void {
    const cancelled = new AbortController();
    this.#cancelById.set(id, () => cancelled.abort());
    void this.#host
      .perform(duty, cancelled.signal)
      .then(
        () => true,
        (error: unknown) => {
          this.#host.onFailure(duty, error);
          return false;
        },
      )
      .then((done) => {
        if (cancelled.signal.aborted || this.#closed || (done && duty.kind === 'listen')) return;
        const pauseMs = pauseAfter(duty, done ? 0 : failures + 1);
        const timer = this.#timers.schedule(pauseMs, () => this.#run(id, duty, done ? 0 : failures + 1));
        this.#cancelById.set(id, () => timer.cancel());
      });
  }
}
