import { GodwitError } from '../core/errors.ts';
import type { Moment, MonotonicMs, WallMs } from '../core/time.ts';
import { parseCronTimes } from '../forwarding/cron-times.ts';
import { physicalLink } from '../instruments/physical-link.ts';
import type { Schema } from '../ports/catalog.ts';
import { refusal } from './collection-guards.ts';
import { nextVisit, type VisitHistory, type VisitReason, type VisitTimes } from './collection-times.ts';
import type { CollectDuty, Duty } from './duty.ts';
import type { Platform } from './platform.ts';

/**
 * The visits to instruments that duties ask for: when each is made, and why not now.
 *
 * A visit is brought about by an interval, by the clock, by a connection that came up, or by the instrument's address that answers after it did not (a vehicle in reach of a logger's network). Before it begins its
 * guards are asked; what they refuse is looked at again every few minutes. Visits over one link take turns.
 */

/** How one duty to collect stands. */
export interface CollectionStatus {
  /** Number of the duty. */
  readonly id: number;
  readonly driver: string;
  readonly address: string;
  /** `running`; `queued` behind another visit over the same link; `held` by a guard; `waiting` for its time or an event. */
  readonly state: 'running' | 'queued' | 'held' | 'waiting';
  /** What is waited for, for people. */
  readonly why: string;
  /** When a visit is made or considered next, milliseconds since 1970 UTC; absent where only an event brings one about. */
  readonly nextMs?: number;
  /** Failed visits in a row. */
  readonly failures: number;
  /** How the last visit ended that is known of, milliseconds since 1970 UTC. */
  readonly last?: { readonly atMs: number; readonly code?: string; readonly message?: string };
  /** From then on the instrument overwrites records that were not collected, milliseconds since 1970 UTC; absent where it does not say how much it holds. */
  readonly overwrittenFromMs?: number;
}

/** What the visits need. */
export interface CollectionParts {
  readonly platform: Pick<Platform, 'catalog' | 'timers' | 'clock' | 'power' | 'networkCost'>;
  readonly instruments: {
    /** Visits an instrument once. `ringMs`: time in which its memory is overwritten, where it says so. */
    collectByDuty(duty: CollectDuty, signal: AbortSignal): Promise<{ readonly ringMs?: number }>;
    /** True when something answers at an address. */
    answers(address: string): Promise<boolean>;
  };
  readonly onFailure: (duty: Duty, error: unknown) => void;
}

type Reason = VisitReason | 'probe';

/** One duty under way. */
interface Collection {
  readonly id: number;
  readonly duty: CollectDuty;
  readonly link: string;
  readonly times: VisitTimes;
  readonly takenUpMs: WallMs;
  readonly stop: AbortController;
  timer: { cancel(): void } | undefined;
  isBusy: boolean;
  attemptedMs: WallMs | undefined;
  endedAt: MonotonicMs | undefined;
  failures: number;
  fault: { readonly code: string; readonly message: string } | undefined;
  succeededMs: WallMs | undefined;
  ringMs: number | undefined;
  /** A visit that an event asked for, not before `at`. */
  asked: { readonly at: MonotonicMs; readonly reason: VisitReason } | undefined;
  held: string | undefined;
  lookedAt: MonotonicMs | undefined;
  isPresent: boolean;
  next: { readonly atMs: number; readonly reason: Reason } | undefined;
}

const schema: Schema = {
  component: 'collections',
  steps: ['CREATE TABLE duty_visit (duty INTEGER PRIMARY KEY, attempted_ms INTEGER NOT NULL) STRICT;'],
};

/** A guard that refused is asked again after so long. */
const guardPauseMs = 300_000;
/** Connections that come and go bring about a visit at most so often. */
const connectionPauseMs = 60_000;
/** The wall clock may be set meanwhile. */
const longestTimerMs = 3_600_000;

/** All duties to collect of one node. */
export class Collections {
  readonly #parts: CollectionParts;
  readonly #byId = new Map<number, Collection>();
  /** Duties with a visit over a link, the one that is made first. */
  readonly #turnsByLink = new Map<string, number[]>();

  constructor(parts: CollectionParts) {
    this.#parts = parts;
    parts.platform.catalog.migrate(schema);
  }

  /** Takes a duty up. */
  take(id: number, duty: CollectDuty): void {
    const { catalog, clock } = this.#parts.platform;
    const { attempted_ms } = catalog.get<{ attempted_ms: number }>('SELECT attempted_ms FROM duty_visit WHERE duty = ?', id) ?? {};
    const collection: Collection = {
      id,
      duty,
      link: physicalLink(duty.address).name,
      times: {
        ...(duty.everyMs === undefined ? {} : { everyMs: duty.everyMs }),
        at: (duty.at ?? []).flatMap((text) => parseCronTimes(text) ?? []),
      },
      takenUpMs: clock.now().wallMs,
      stop: new AbortController(),
      timer: undefined,
      isBusy: false,
      attemptedMs: attempted_ms as WallMs | undefined,
      endedAt: undefined,
      failures: 0,
      fault: undefined,
      succeededMs: undefined,
      ringMs: undefined,
      asked: undefined,
      held: undefined,
      lookedAt: undefined,
      isPresent: false,
      next: undefined,
    };
    this.#byId.set(id, collection);
    this.#plan(collection);
  }

  /** Forgets a duty; its visit ends. */
  drop(id: number): void {
    this.#parts.platform.catalog.run('DELETE FROM duty_visit WHERE duty = ?', id);
    this.#end(id);
  }

  /** A connection came up: a member's session, or a network of this computer. */
  connected(): void {
    const { monotonicMs } = this.#parts.platform.clock.now();
    for (const collection of this.#byId.values()) {
      if (collection.duty.onConnection !== true) continue;
      const { endedAt = Number.NEGATIVE_INFINITY } = collection;
      collection.asked = { at: Math.max(monotonicMs, endedAt + connectionPauseMs) as MonotonicMs, reason: 'connection' };
      this.#plan(collection);
    }
  }

  /** How every duty stands, by number. */
  list(): CollectionStatus[] {
    return [...this.#byId.values()].sort((a, b) => a.id - b.id).map((collection) => this.#status(collection));
  }

  /** Ends all visits. */
  close(): void {
    for (const id of [...this.#byId.keys()]) this.#end(id);
  }

  #end(id: number): void {
    const collection = this.#byId.get(id);
    this.#byId.delete(id);
    collection?.timer?.cancel();
    collection?.stop.abort();
  }

  #plan(collection: Collection): void {
    collection.timer?.cancel();
    collection.timer = undefined;
    collection.next = undefined;
    if (collection.isBusy || collection.stop.signal.aborted) return;
    const now = this.#parts.platform.clock.now();
    const next = collection.held === undefined ? this.#next(collection, now) : { delayMs: guardPauseMs, reason: 'retry' as const };
    if (next === undefined) return;
    const { delayMs, reason } = next;
    if (delayMs <= 0) {
      this.#begin(collection, reason);
      return;
    }
    collection.next = { atMs: now.wallMs + delayMs, reason };
    collection.timer = this.#parts.platform.timers.schedule(Math.min(delayMs, longestTimerMs), () =>
      delayMs > longestTimerMs ? this.#plan(collection) : this.#begin(collection, reason),
    );
  }

  /** What comes first: what time brings about, what an event asked for, or a look whether the instrument is there. */
  #next(collection: Collection, now: Moment): { readonly delayMs: number; readonly reason: Reason } | undefined {
    const { asked, lookedAt, duty, times } = collection;
    const candidates: { readonly delayMs: number; readonly reason: Reason }[] = [];
    const byTime = nextVisit(times, historyOf(collection), now);
    if (byTime !== undefined) candidates.push(byTime);
    if (asked !== undefined) candidates.push({ delayMs: asked.at - now.monotonicMs, reason: asked.reason });
    if (duty.probeEveryMs !== undefined)
      candidates.push({ delayMs: lookedAt === undefined ? 0 : lookedAt + duty.probeEveryMs - now.monotonicMs, reason: 'probe' });
    return candidates.sort((a, b) => a.delayMs - b.delayMs)[0];
  }

  #begin(collection: Collection, reason: Reason): void {
    const { duty } = collection;
    collection.held = refusal(duty.when ?? {}, duty.address, this.#parts.platform);
    if (collection.held !== undefined) {
      this.#plan(collection);
      return;
    }
    collection.next = undefined;
    collection.isBusy = true;
    const turns = this.#turnsByLink.get(collection.link) ?? [];
    this.#turnsByLink.set(collection.link, [...turns, collection.id]);
    void (reason === 'probe' ? this.#look(collection) : this.#visit(collection)).then(() => {
      collection.isBusy = false;
      const others = (this.#turnsByLink.get(collection.link) ?? []).filter((id) => id !== collection.id);
      if (others.length === 0) this.#turnsByLink.delete(collection.link);
      else this.#turnsByLink.set(collection.link, others);
      this.#plan(collection);
    });
  }

  async #look(collection: Collection): Promise<void> {
    const { platform, instruments } = this.#parts;
    const wasPresent = collection.isPresent;
    collection.isPresent = await instruments.answers(collection.duty.address);
    const { monotonicMs } = platform.clock.now();
    collection.lookedAt = monotonicMs;
    if (collection.isPresent && !wasPresent) collection.asked = { at: monotonicMs, reason: 'arrival' };
  }

  async #visit(collection: Collection): Promise<void> {
    const { platform, instruments, onFailure } = this.#parts;
    const { catalog, clock } = platform;
    const { id, duty, stop } = collection;
    collection.asked = undefined;
    collection.attemptedMs = clock.now().wallMs;
    try {
      if (duty.at !== undefined)
        catalog.run('INSERT OR REPLACE INTO duty_visit (duty, attempted_ms) VALUES (?, ?)', id, Math.floor(collection.attemptedMs));
      const { ringMs } = await instruments.collectByDuty(duty, stop.signal);
      collection.ringMs = ringMs ?? collection.ringMs;
      collection.failures = 0;
      collection.fault = undefined;
      collection.succeededMs = clock.now().wallMs;
      collection.isPresent = true;
    } catch (error) {
      if (stop.signal.aborted) return;
      collection.fault = error instanceof GodwitError ? { code: error.code, message: error.message } : undefined;
      // Where it is looked for anyway, nobody need hear that it is not there.
      const isGone = duty.probeEveryMs !== undefined && collection.fault?.code === 'INSTRUMENT_UNREACHABLE';
      collection.isPresent = collection.isPresent && !isGone;
      if (!isGone) {
        collection.failures++;
        onFailure(duty, error);
      }
    } finally {
      collection.endedAt = clock.now().monotonicMs;
    }
  }

  #status(collection: Collection): CollectionStatus {
    const { id, duty, failures, next, fault, attemptedMs, succeededMs, ringMs } = collection;
    return {
      id,
      driver: duty.driver,
      address: duty.address,
      ...this.#stateOf(collection),
      ...(next === undefined ? {} : { nextMs: Math.floor(next.atMs) }),
      failures,
      ...(attemptedMs === undefined ? {} : { last: { atMs: Math.floor(attemptedMs), ...fault } }),
      ...(succeededMs === undefined || ringMs === undefined ? {} : { overwrittenFromMs: Math.floor(succeededMs + ringMs) }),
    };
  }

  #stateOf({ id, duty, link, isBusy, held, next, failures, fault }: Collection): Pick<CollectionStatus, 'state' | 'why'> {
    const [first] = this.#turnsByLink.get(link) ?? [];
    if (isBusy && first !== id) return { state: 'queued', why: `duty ${first} is at ${link}` };
    if (isBusy) return { state: 'running', why: 'it is being visited' };
    if (held !== undefined) return { state: 'held', why: held };
    const whyByReason: Record<Reason, string> = {
      interval: `every ${(duty.everyMs ?? 0) / 1000} s`,
      time: `at ${(duty.at ?? []).join('; ')} UTC`,
      retry: `failed ${failures} times in a row, last with ${fault?.code ?? 'an error'}`,
      connection: 'a connection came up',
      arrival: 'it answers again',
      probe: `looks whether ${link} answers`,
    };
    return { state: 'waiting', why: next === undefined ? 'for a connection to come up' : whyByReason[next.reason] };
  }
}

function historyOf({ takenUpMs, attemptedMs, endedAt, failures, ringMs }: Collection): VisitHistory {
  return {
    takenUpMs,
    failures,
    ...(attemptedMs === undefined ? {} : { attemptedMs }),
    ...(endedAt === undefined ? {} : { endedAt }),
    ...(ringMs === undefined ? {} : { ringMs }),
  };
}
