import { type PriorityClass, priorityClasses } from '../core/priority.ts';
import type { DeliveryFigures } from './rehearsal-report.ts';

/**
 * Who has what in a rehearsal: every file and every reading, from the moment it is made until it is wherever it is wanted.
 */

/** Something that is to arrive. */
export interface RehearsedItem {
  readonly site: string;
  readonly priority: PriorityClass;
  readonly bytes: number;
}

interface Entry extends RehearsedItem {
  readonly madeAtMs: number;
  readonly missingAt: Set<string>;
  readonly tookMsBySite: Map<string, number>;
}

/** All items of one rehearsal. */
export class RehearsalLedger {
  readonly #wantedAt: readonly string[];
  readonly #itemByKey = new Map<string, Entry>();
  readonly #waitingBySite = new Map<string, number>();
  readonly #waitingMaxBySite = new Map<string, number>();

  constructor(wantedAt: readonly string[]) {
    this.#wantedAt = wantedAt;
  }

  /** An item has come into being. `key` names it for `arrived`. */
  made(key: string, item: RehearsedItem, nowMs: number): void {
    const missingAt = new Set(this.#wantedAt.filter((site) => site !== item.site));
    this.#itemByKey.set(key, { ...item, madeAtMs: nowMs, missingAt, tookMsBySite: new Map() });
    if (missingAt.size > 0) this.#wait(item.site, item.bytes);
  }

  /** An item is at a site. Said again, or of a site that does not want it, it changes nothing. */
  arrived(key: string, site: string, nowMs: number): void {
    const item = this.#itemByKey.get(key);
    if (item === undefined || !item.missingAt.delete(site)) return;
    item.tookMsBySite.set(site, nowMs - item.madeAtMs);
    if (item.missingAt.size === 0) this.#wait(item.site, -item.bytes);
  }

  /** Largest amount of a site's own data that had not arrived everywhere. */
  waitingBytesMax(site: string): number {
    return this.#waitingMaxBySite.get(site) ?? 0;
  }

  /** Deliveries by class and site, at the end. */
  figures(endMs: number): DeliveryFigures[] {
    const items = [...this.#itemByKey.values()];
    return priorityClasses.flatMap((priority) =>
      this.#wantedAt.flatMap((to) => {
        const wanted = items.filter((item) => item.priority === priority && (item.missingAt.has(to) || item.tookMsBySite.has(to)));
        return wanted.length === 0 ? [] : [figuresOf(priority, to, wanted, endMs)];
      }),
    );
  }

  #wait(site: string, bytes: number): void {
    const waiting = (this.#waitingBySite.get(site) ?? 0) + bytes;
    this.#waitingBySite.set(site, waiting);
    this.#waitingMaxBySite.set(site, Math.max(waiting, this.waitingBytesMax(site)));
  }
}

function figuresOf(priority: PriorityClass, to: string, items: readonly Entry[], endMs: number): DeliveryFigures {
  const took = items.flatMap(({ tookMsBySite }) => tookMsBySite.get(to) ?? []).sort((a, b) => a - b);
  const oldestMs = items.reduce((oldest, { tookMsBySite, madeAtMs }) => Math.max(oldest, tookMsBySite.get(to) ?? endMs - madeAtMs), 0);
  const bytes = items.reduce((sum, item) => sum + item.bytes, 0);
  const medianMs = took[Math.floor((took.length - 1) * 0.5)];
  const p90Ms = took[Math.ceil((took.length - 1) * 0.9)];
  const spans = medianMs === undefined || p90Ms === undefined ? {} : { medianMs, p90Ms };
  return { priority, to, items: items.length, delivered: took.length, bytes, ...spans, oldestMs };
}
