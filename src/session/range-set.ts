/**
 * A set of whole numbers, kept as the ranges they form. Numbers arrive almost in order, so there are few ranges however many numbers there are, and most additions extend the last one.
 */

/** The numbers from `start` up to, but not including, `end`. */
export interface NumberRange {
  readonly start: number;
  readonly end: number;
}

/** A set of whole numbers. */
export class RangeSet {
  /** Ascending, with a gap of at least one number between neighbours. */
  readonly #ranges: { start: number; end: number }[] = [];

  /** How many ranges there are. */
  get count(): number {
    return this.#ranges.length;
  }

  /** The ranges, ascending. */
  get ranges(): readonly NumberRange[] {
    return this.#ranges;
  }

  /** True when all numbers from `start` up to `end` (exclusive) are in the set. */
  hasAll(start: number, end: number): boolean {
    const range = this.#ranges[this.#firstEndingAfter(start)];
    return range !== undefined && range.start <= start && range.end >= end;
  }

  /** Adds the numbers from `start` up to `end` (exclusive) and returns the parts that were not in the set before, ascending. */
  add(start: number, end: number): NumberRange[] {
    if (start >= end) return [];
    const fresh: NumberRange[] = [];
    // Ranges that touch the new one are merged into it, so that neighbours never touch.
    const first = this.#firstEndingAfter(start - 1);
    let after = first;
    let cursor = start;
    let mergedStart = start;
    let mergedEnd = end;
    for (; after < this.#ranges.length; after++) {
      const range = this.#ranges[after] as NumberRange;
      if (range.start > end) break;
      if (range.start > cursor) fresh.push({ start: cursor, end: Math.min(range.start, end) });
      cursor = Math.max(cursor, range.end);
      mergedStart = Math.min(mergedStart, range.start);
      mergedEnd = Math.max(mergedEnd, range.end);
    }
    if (cursor < end) fresh.push({ start: cursor, end });
    this.#ranges.splice(first, after - first, { start: mergedStart, end: mergedEnd });
    return fresh;
  }

  /** Removes all numbers below `bound`. */
  removeBelow(bound: number): void {
    const kept = this.#firstEndingAfter(bound);
    this.#ranges.splice(0, kept);
    const first = this.#ranges[0];
    if (first !== undefined && first.start < bound) first.start = bound;
  }

  /** Index of the first range with `end > value`. */
  #firstEndingAfter(value: number): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ranges[middle] as NumberRange).end > value) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
