import { type CborValue, decodeCbor, encodeCbor } from '../core/cbor.ts';
import { identifierToBytes, type NodeId } from '../core/identifiers.ts';
import type { WallMs } from '../core/time.ts';
import type { Catalog, Schema } from '../ports/catalog.ts';
import { type CronTimes, openingsOf, parseCronTimes } from './cron-times.ts';

/**
 * When a peer can be reached, and for how long still: windows that people declare (one pass of a satellite, generator hours on weekdays), and what earlier contacts teach.
 *
 * Declared windows are taken at their word. Where none says anything, the lengths of earlier contacts do: of those that lasted longer than the present one has so far, the lower quartile says how much
 * longer this one will probably last. It is the lower quartile and not the median because a forecast that is too long costs an object that does not finish, and one that is too short only an order of
 * sending. The next contact is expected a
 * lower quartile of the pauses after the last, because a contact is only ever noticed late. A forecast says how far to rely on it: few contacts, or contacts all different, give little confidence.
 *
 * Windows are on the wall clock, because passes and generators are. A clock that is wrong makes windows wrong; it never makes a peer unreachable, because a hint or the peer itself begins a contact at any time.
 */

/** A window that is declared: once, or whenever a clock shows certain times (`cron-times.ts`, UTC). */
export type ContactWindow = { readonly fromMs: number; readonly toMs: number } | { readonly at: string; readonly durationMs: number };

/** A window by its bounds, milliseconds since 1970 UTC; `toMs` is not part of it. */
export interface WindowBounds {
  readonly fromMs: WallMs;
  readonly toMs: WallMs;
}

/** What is expected, and how far that can be relied on: 0 (a guess) to 1 (declared by a person). */
export interface Forecast {
  readonly atMs: WallMs;
  readonly confidence: number;
  readonly reason: 'declared' | 'learned';
}

/** Windows of one peer. */
export const contactWindowsMax = 64;
/** A declared window lasts at most this long, milliseconds (a week). */
export const windowDurationMsMax = 7 * 86_400_000;
/** Contacts of one peer that are remembered, the latest. */
const rememberedMax = 64;
/** Contacts that are planned by, with the present one, and how sure the forecast of one has to be. */
const plannedMax = 8;
const plannedConfidenceMin = 0.3;
/** Fewer than this say nothing. */
const learnedMin = 3;

/** The tables of windows and of past contacts. */
export const contactWindowSchema: Schema = {
  component: 'contact-windows',
  steps: [
    `CREATE TABLE contact_window (peer BLOB PRIMARY KEY, windows BLOB NOT NULL) STRICT, WITHOUT ROWID;
     CREATE TABLE past_contact (
       peer BLOB NOT NULL,
       from_ms INTEGER NOT NULL,
       to_ms INTEGER NOT NULL,
       PRIMARY KEY (peer, from_ms)
     ) STRICT, WITHOUT ROWID;`,
  ],
};

/** True for a window that can be declared: bounds in order, or times that can be read, and not longer than a week. */
export function isContactWindow(window: ContactWindow): boolean {
  if ('at' in window) return parseCronTimes(window.at) !== undefined && isDuration(window.durationMs);
  return Number.isSafeInteger(window.fromMs) && isDuration(window.toMs - window.fromMs);
}

function isDuration(durationMs: number): boolean {
  return Number.isSafeInteger(durationMs) && durationMs > 0 && durationMs <= windowDurationMsMax;
}

type Declared = WindowBounds | { readonly times: CronTimes; readonly durationMs: number };

/** Declared windows and past contacts, in the catalog. Synchronous; part of the caller's transaction. */
export class ContactWindows {
  readonly #catalog: Catalog;
  /** Read once; asked of at every failed attempt. */
  readonly #declaredByPeer = new Map<NodeId, readonly Declared[]>();
  readonly #beganByPeer = new Map<NodeId, WallMs>();
  /** What past contacts teach, until there is another; asked of as often. */
  readonly #rhythmByPeer = new Map<NodeId, Rhythm | undefined>();

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
    catalog.migrate(contactWindowSchema);
  }

  /** Replaces the windows of a peer; none: it may be tried at any time. The caller has checked them with `isContactWindow`. */
  declare(peer: NodeId, windows: readonly ContactWindow[]): void {
    const key = identifierToBytes(peer);
    this.#declaredByPeer.delete(peer);
    if (windows.length === 0) {
      this.#catalog.run('DELETE FROM contact_window WHERE peer = ?', key);
      return;
    }
    const rows = windows.map((each): CborValue => ('at' in each ? [each.at, each.durationMs] : [each.fromMs, each.toMs]));
    this.#catalog.run('INSERT OR REPLACE INTO contact_window (peer, windows) VALUES (?, ?)', key, encodeCbor(rows));
  }

  /** The windows of a peer as they were declared. */
  declared(peer: NodeId): ContactWindow[] {
    const row = this.#catalog.get<{ windows: Uint8Array }>('SELECT windows FROM contact_window WHERE peer = ?', identifierToBytes(peer));
    const decoded = row && decodeCbor(row.windows);
    if (!decoded?.ok) return [];
    return (decoded.value as readonly (readonly [number | string, number])[]).map(([first, second]) =>
      typeof first === 'string' ? { at: first, durationMs: second } : { fromMs: first, toMs: second },
    );
  }

  /**
   * When to try a peer, going by declared windows alone: `now` where one is open or none was declared, the next opening otherwise, `undefined` when none will open any more.
   */
  tryAt(peer: NodeId, nowMs: WallMs): WallMs | undefined {
    const declared = this.#declared(peer);
    if (declared.length === 0 || this.#open(declared, nowMs) !== undefined) return nowMs;
    return this.#nextDeclared(declared, nowMs)?.fromMs;
  }

  /** A session with the peer is heard. */
  began(peer: NodeId, nowMs: WallMs): void {
    if (!this.#beganByPeer.has(peer)) this.#beganByPeer.set(peer, nowMs);
  }

  /** The peer is not heard any more. A contact that a wall clock was set back in says nothing. */
  ended(peer: NodeId, nowMs: WallMs): void {
    const fromMs = this.#beganByPeer.get(peer);
    if (fromMs === undefined) return;
    this.#beganByPeer.delete(peer);
    if (nowMs <= fromMs) return;
    this.#rhythmByPeer.delete(peer);
    const key = identifierToBytes(peer);
    this.#catalog.run(
      'INSERT OR REPLACE INTO past_contact (peer, from_ms, to_ms) VALUES (?, ?, ?)',
      key,
      Math.floor(fromMs),
      Math.floor(nowMs),
    );
    this.#catalog.run(
      'DELETE FROM past_contact WHERE peer = ? AND from_ms < (SELECT min(from_ms) FROM (SELECT from_ms FROM past_contact WHERE peer = ? ORDER BY from_ms DESC LIMIT ?))',
      key,
      key,
      rememberedMax,
    );
  }

  /** When the present contact will probably end; `undefined` when nothing says so, or there is none. */
  endOfContact(peer: NodeId, nowMs: WallMs): Forecast | undefined {
    const declared = this.#open(this.#declared(peer), nowMs);
    if (declared !== undefined) return { atMs: declared.toMs, confidence: 1, reason: 'declared' };
    const fromMs = this.#beganByPeer.get(peer);
    if (fromMs === undefined) return undefined;
    const elapsedMs = nowMs - fromMs;
    const longer = this.#past(peer)
      .map((each) => each.toMs - each.fromMs)
      .filter((durationMs) => durationMs > elapsedMs)
      .sort(byNumber);
    if (longer.length < learnedMin) return undefined;
    const lastsMs = quantile(longer, 0.25);
    return { atMs: (fromMs + lastsMs) as WallMs, confidence: confidenceOf(longer), reason: 'learned' };
  }

  /** When the next contact with a peer that is not in reach will probably begin. */
  nextContact(peer: NodeId, nowMs: WallMs): Forecast | undefined {
    const declared = this.#declared(peer);
    const open = this.#open(declared, nowMs);
    if (open !== undefined) return { atMs: nowMs, confidence: 1, reason: 'declared' };
    const next = this.#nextDeclared(declared, nowMs);
    if (next !== undefined) return { atMs: next.fromMs, confidence: 1, reason: 'declared' };
    const rhythm = this.#rhythm(peer);
    if (rhythm === undefined) return undefined;
    const { lastMs, pauseMs, periodMs, confidence } = rhythm;
    // A contact that did not come when it was due is due a whole period later, and believed in less each time.
    const missed = Math.max(0, Math.ceil((nowMs - (lastMs + pauseMs)) / periodMs));
    return { atMs: (lastMs + pauseMs + missed * periodMs) as WallMs, confidence: confidence / (1 + missed), reason: 'learned' };
  }

  /** The present contact with a peer and those to come that are sure enough to plan by, in order and apart; `undefined` when nothing says when the present one will end. */
  planned(peer: NodeId, nowMs: WallMs): WindowBounds[] | undefined {
    const end = this.endOfContact(peer, nowMs);
    if (end === undefined || end.confidence < plannedConfidenceMin) return undefined;
    const planned: WindowBounds[] = [{ fromMs: nowMs, toMs: end.atMs }];
    while (planned.length < plannedMax) {
      const { toMs } = planned.at(-1) as WindowBounds;
      const next = this.#open(this.#declared(peer), toMs) ?? this.#nextDeclared(this.#declared(peer), toMs);
      if (next === undefined) break;
      planned.push({ fromMs: Math.max(toMs, next.fromMs) as WallMs, toMs: next.toMs });
    }
    return planned;
  }

  #declared(peer: NodeId): readonly Declared[] {
    const known = this.#declaredByPeer.get(peer);
    if (known !== undefined) return known;
    const declared = this.declared(peer).flatMap((each): Declared[] => {
      if (!('at' in each)) return [{ fromMs: each.fromMs as WallMs, toMs: each.toMs as WallMs }];
      const times = parseCronTimes(each.at);
      return times === undefined ? [] : [{ times, durationMs: each.durationMs }];
    });
    this.#declaredByPeer.set(peer, declared);
    return declared;
  }

  /** The declared window that is open and lasts longest. */
  #open(declared: readonly Declared[], nowMs: WallMs): WindowBounds | undefined {
    let open: WindowBounds | undefined;
    for (const each of declared) {
      const bounds = 'times' in each ? this.#boundsFrom(each, (nowMs - each.durationMs + 1) as WallMs, nowMs) : each;
      if (bounds !== undefined && bounds.fromMs <= nowMs && nowMs < bounds.toMs && bounds.toMs > (open?.toMs ?? 0)) open = bounds;
    }
    return open;
  }

  #nextDeclared(declared: readonly Declared[], nowMs: WallMs): WindowBounds | undefined {
    let next: WindowBounds | undefined;
    for (const each of declared) {
      const bounds = 'times' in each ? this.#boundsFrom(each, nowMs) : each;
      if (bounds !== undefined && bounds.fromMs > nowMs && (next === undefined || bounds.fromMs < next.fromMs)) next = bounds;
    }
    return next;
  }

  /** The first opening at or after `fromMs`; with `untilMs`, the last one up to then. */
  #boundsFrom(
    { times, durationMs }: Extract<Declared, { readonly times: CronTimes }>,
    fromMs: WallMs,
    untilMs?: WallMs,
  ): WindowBounds | undefined {
    let found: WallMs | undefined;
    for (const openingMs of openingsOf(times, fromMs)) {
      if (untilMs !== undefined && openingMs > untilMs) break;
      found = openingMs;
      if (untilMs === undefined && openingMs >= fromMs) break;
    }
    return found === undefined ? undefined : { fromMs: found, toMs: (found + durationMs) as WallMs };
  }

  #rhythm(peer: NodeId): Rhythm | undefined {
    if (!this.#rhythmByPeer.has(peer)) this.#rhythmByPeer.set(peer, rhythmOf(this.#past(peer)));
    return this.#rhythmByPeer.get(peer);
  }

  /** Past contacts, oldest first. */
  #past(peer: NodeId): WindowBounds[] {
    return this.#catalog
      .all<{ from_ms: number; to_ms: number }>(
        'SELECT from_ms, to_ms FROM past_contact WHERE peer = ? ORDER BY from_ms',
        identifierToBytes(peer),
      )
      .map((row) => ({ fromMs: row.from_ms as WallMs, toMs: row.to_ms as WallMs }));
  }
}

/** How contacts with a peer have followed each other. */
interface Rhythm {
  /** When the last one ended. */
  readonly lastMs: WallMs;
  /** Until the next one is expected, and from one to the next. */
  readonly pauseMs: number;
  readonly periodMs: number;
  readonly confidence: number;
}

function rhythmOf(past: readonly WindowBounds[]): Rhythm | undefined {
  const last = past.at(-1);
  if (last === undefined || past.length <= learnedMin) return undefined;
  const pauses = past
    .slice(1)
    .map((each, index) => each.fromMs - (past[index] as WindowBounds).toMs)
    .sort(byNumber);
  const pauseMs = quantile(pauses, 0.25);
  const durations = past.map((each) => each.toMs - each.fromMs).sort(byNumber);
  return { lastMs: last.toMs, pauseMs, periodMs: Math.max(1, pauseMs + quantile(durations, 0.5)), confidence: confidenceOf(pauses) };
}

function byNumber(a: number, b: number): number {
  return a - b;
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.floor((sorted.length - 1) * share)] ?? 0;
}

/** More for more examples, less for examples that differ: the spread of the middle half against the median (a quartile coefficient of dispersion). */
function confidenceOf(sorted: readonly number[]): number {
  const spread = quantile(sorted, 0.75) - quantile(sorted, 0.25);
  const median = Math.max(1, quantile(sorted, 0.5));
  return (sorted.length / (sorted.length + 4)) * Math.max(0, 1 - spread / median);
}
