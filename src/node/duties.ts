import * as v from 'valibot';
import { GodwitError } from '../core/errors.ts';
import { topicMappingShape } from '../instruments/mqtt/topic-mapping.ts';
import type { Catalog, Schema } from '../ports/catalog.ts';
import type { Timers } from '../ports/timers.ts';
import { siteProfileShape } from './site-profile.ts';

/**
 * Standing duties: what a node does by itself, again and again, from the moment it is opened: listen, look for changes in directories, read loggers. They are kept in the catalog, so a node that
 * was killed, or a box that lost power, takes them up again without being told.
 */

const everyMs = v.pipe(v.number(), v.integer(), v.minValue(100), v.maxValue(366 * 24 * 3600 * 1000));
const dataset = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const dutyShape = v.variant('kind', [
  v.strictObject({ kind: v.literal('listen'), address: v.string() }),
  v.strictObject({ kind: v.literal('scan'), dataset, everyMs, settleMs: v.optional(v.pipe(v.number(), v.minValue(0))) }),
  v.strictObject({
    kind: v.literal('ingest'),
    dataset,
    directory: v.string(),
    everyMs,
    profile: v.optional(siteProfileShape),
    profileByPath: v.optional(
      v.pipe(v.array(v.strictObject({ path: v.pipe(v.string(), v.maxLength(1024)), profile: siteProfileShape })), v.maxLength(1024)),
    ),
  }),
  v.strictObject({
    kind: v.literal('collect'),
    dataset,
    driver: v.string(),
    address: v.string(),
    configuration: v.optional(v.record(v.string(), v.unknown())),
    profile: siteProfileShape,
    tables: v.optional(v.array(v.string())),
    everyMs,
  }),
  v.strictObject({
    kind: v.literal('mqtt'),
    dataset,
    address: v.string(),
    topics: v.pipe(v.array(topicMappingShape), v.minLength(1), v.maxLength(256)),
    clientId: v.optional(v.pipe(v.string(), v.regex(/^[\w.:-]{1,64}$/))),
    username: v.optional(v.string()),
    password: v.optional(v.string()),
    profile: v.optional(siteProfileShape),
  }),
  v.strictObject({
    kind: v.literal('receive'),
    dataset,
    address: v.string(),
    token: v.optional(v.pipe(v.string(), v.minLength(8), v.maxLength(256))),
    profile: v.optional(siteProfileShape),
  }),
  v.strictObject({
    kind: v.literal('drop'),
    dataset,
    directory: v.string(),
    everyMs,
    settleMs: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(24 * 3600 * 1000))),
    moveTo: v.optional(v.pipe(v.string(), v.regex(/^[\w -]{1,64}$/))),
    profile: v.optional(siteProfileShape),
  }),
]);

/**
 * One standing duty. Intervals count from the end of one run to the beginning of the next. Those without an interval are tried again after a growing pause: listening until it succeeds, `mqtt`
 * (messages of a broker) and `receive` (what loggers push) whenever they end.
 *
 * `drop` reads files that others put into a directory, once they have not changed for `settleMs` (10 s by default), and moves them into the folder `moveTo` within it where that is given.
 */
export type Duty = v.InferOutput<typeof dutyShape>;

/** The duty in data of foreign origin. @throws GodwitError `DUTY_MALFORMED` */
export function parseDuty(value: unknown): Duty {
  const shaped = v.safeParse(dutyShape, value);
  if (!shaped.success) {
    const [issue] = shaped.issues;
    throw new GodwitError('DUTY_MALFORMED', `This is not a duty: ${v.getDotPath(issue) ?? 'kind'}: ${issue.message}`);
  }
  return shaped.output;
}

/** A duty as text for people and logs: nothing that opens a door stands in it. */
export function dutyText(duty: Duty): string {
  return JSON.stringify(duty, (name, value: unknown) => (/password|token|secret/i.test(name) ? '…' : value));
}

/** Pauses before a duty without an interval is tried again after it failed or ended: the first, and the longest. */
const firstPauseMs = 1000;
const longestPauseMs = 300_000;
const longestVisitPauseMs = 3_600_000;

const schema: Schema = {
  component: 'duties',
  steps: ['CREATE TABLE duty (id INTEGER PRIMARY KEY, duty TEXT NOT NULL UNIQUE) STRICT;'],
};

/** How long until a duty is done again that has failed so often in a row. An instrument that does not answer is asked less and less often, up to once an hour, as every attempt wakes its radio. */
function pauseAfter(duty: Duty, failures: number): number {
  if (!('everyMs' in duty)) return Math.min(firstPauseMs * 2 ** Math.max(0, failures - 1), longestPauseMs);
  if (duty.kind !== 'collect' || failures === 0) return duty.everyMs;
  return Math.max(duty.everyMs, Math.min(duty.everyMs * 2 ** (failures - 1), longestVisitPauseMs));
}

/** Runs the duties of one node. */
export class Duties {
  readonly #catalog: Catalog;
  readonly #timers: Timers;
  readonly #perform: (duty: Duty, signal: AbortSignal) => Promise<void>;
  readonly #onFailure: (duty: Duty, error: unknown) => void;
  readonly #cancelById = new Map<number, () => void>();
  #closed = false;

  /** @param perform does a duty once; what lasts ends when the signal is aborted, because the duty was removed or the node closes */
  constructor(
    catalog: Catalog,
    timers: Timers,
    perform: (duty: Duty, signal: AbortSignal) => Promise<void>,
    onFailure: (duty: Duty, error: unknown) => void,
  ) {
    this.#catalog = catalog;
    this.#timers = timers;
    this.#perform = perform;
    this.#onFailure = onFailure;
    catalog.migrate(schema);
  }

  /** Takes up all duties that are kept. */
  start(): void {
    for (const { id, duty } of this.list()) this.#run(id, duty);
  }

  /** Keeps a duty and begins it, unless it is `begun` already. The same duty is kept once. */
  add(duty: Duty, begun = false): number {
    const text = JSON.stringify(duty);
    const fresh = this.#catalog.run('INSERT OR IGNORE INTO duty (duty) VALUES (?)', text) > 0;
    const id = this.#catalog.get<{ id: number }>('SELECT id FROM duty WHERE duty = ?', text)?.id ?? 0;
    if (fresh && !begun) this.#run(id, duty);
    return id;
  }

  /** Forgets a duty; a run that is under way ends by itself. */
  remove(id: number): void {
    this.#catalog.run('DELETE FROM duty WHERE id = ?', id);
    this.#cancelById.get(id)?.();
    this.#cancelById.delete(id);
  }

  /** The duties of kinds that this version knows; those of a newer one stay kept for it. */
  list(): { readonly id: number; readonly duty: Duty }[] {
    return this.#catalog.all<{ id: number; duty: string }>('SELECT id, duty FROM duty ORDER BY id').flatMap((row) => {
      const shaped = v.safeParse(dutyShape, JSON.parse(row.duty));
      return shaped.success ? [{ id: row.id, duty: shaped.output }] : [];
    });
  }

  close(): void {
    this.#closed = true;
    for (const cancel of this.#cancelById.values()) cancel();
    this.#cancelById.clear();
  }

  /** `failures` in a row so far. What has an interval is done again at it; the rest once, and again until it has succeeded. */
  #run(id: number, duty: Duty, failures = 0): void {
    const cancelled = new AbortController();
    this.#cancelById.set(id, () => cancelled.abort());
    void this.#perform(duty, cancelled.signal)
      .then(
        () => true,
        (error: unknown) => {
          this.#onFailure(duty, error);
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
