import { type PriorityClass, priorityClasses } from '../core/priority.ts';
import type { WallMs } from '../core/time.ts';
import { type BudgetPeriod, hourMs, hourOf, nextPeriodStart, periodHoursMax, periodStart } from './budget-period.ts';

/**
 * A number of bytes for a period, and what is left of it.
 *
 * Part of it can be held back for urgent classes: `normal` and `bulk` may use what is beyond both reserves, `critical` what is beyond that of `emergency`, and `emergency` everything. Nothing
 * is ever allowed beyond the limit.
 */

/** What may be used up in a period. */
export interface BudgetTerms {
  readonly period: BudgetPeriod;
  /** Bytes on the link in one period, every header counted. */
  readonly limitBytes: number;
  /** Bytes of the limit that are held back for a class and those more urgent. Default none. */
  readonly reserveBytes?: { readonly emergency?: number; readonly critical?: number };
}

/** What has been used of one budget. */
export class ByteBudget {
  readonly #terms: BudgetTerms;
  /** What a class may not touch, by its rank. */
  readonly #heldBackBytes: readonly number[];
  readonly #bytesByHour = new Map<number, number>();
  #hour = Number.NaN;
  #usedBytes = 0;

  constructor(terms: BudgetTerms) {
    this.#terms = terms;
    const { emergency = 0, critical = 0 } = terms.reserveBytes ?? {};
    this.#heldBackBytes = [0, emergency, emergency + critical, emergency + critical];
  }

  /** Bytes went, in an hour since 1970 UTC. */
  book(bytes: number, hour: number): void {
    this.#turnTo(hour);
    this.#bytesByHour.set(hour, (this.#bytesByHour.get(hour) ?? 0) + bytes);
    this.#usedBytes += bytes;
  }

  /** Bytes used in the period that this instant lies in. */
  usedBytes(wallMs: WallMs): number {
    this.#turnTo(hourOf(wallMs));
    return this.#usedBytes;
  }

  /** Bytes that a class may use now. */
  allowanceBytes(priority: PriorityClass, wallMs: WallMs): number {
    const heldBack = this.#heldBackBytes[priorityClasses.indexOf(priority)] ?? 0;
    return Math.max(0, this.#terms.limitBytes - heldBack - this.usedBytes(wallMs));
  }

  /** The earliest instant, from this one on, at which a class may use so many bytes if nothing else goes; `undefined`: never, it is more than the budget gives the class in a period. */
  availableAt(bytes: number, priority: PriorityClass, wallMs: WallMs): WallMs | undefined {
    if (this.allowanceBytes(priority, wallMs) >= bytes) return wallMs;
    const most = this.#terms.limitBytes - (this.#heldBackBytes[priorityClasses.indexOf(priority)] ?? 0);
    if (most < bytes) return undefined;
    const next = nextPeriodStart(this.#terms.period, this.#hour);
    if (next !== undefined) return (next * hourMs) as WallMs;
    // Rolling: hour after hour leaves the window, until enough of them have.
    const windowHours = this.#hour - periodStart(this.#terms.period, this.#hour) + 1;
    let missing = bytes - (most - this.#usedBytes);
    for (let hour = this.#hour - windowHours + 1; ; hour++) {
      missing -= this.#bytesByHour.get(hour) ?? 0;
      if (missing <= 0) return ((hour + windowHours) * hourMs) as WallMs;
    }
  }

  /** Sums up again when the hour is another one: the wall clock may also have been set back. */
  #turnTo(hour: number): void {
    if (hour === this.#hour) return;
    this.#hour = hour;
    const start = periodStart(this.#terms.period, hour);
    this.#usedBytes = 0;
    for (const [each, bytes] of this.#bytesByHour) {
      if (each < hour - periodHoursMax) this.#bytesByHour.delete(each);
      // What went in hours that are still to come, before the clock was set back, counts: the budget is not given twice.
      else if (each >= start) this.#usedBytes += bytes;
    }
  }
}
