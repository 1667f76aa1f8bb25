import type { Moment, MonotonicMs, WallMs } from '../core/time.ts';

/** Virtual time: what shall happen when, and a clock that jumps from one to the next. Things due at the same instant happen in the order in which they were put down. */
export class VirtualAgenda {
  readonly #heap: { readonly at: number; readonly order: number; readonly action: () => void }[] = [];
  #nowMs = 0;
  #order = 0;

  /** The present, with a wall clock that began on 1 January 2026. */
  get now(): Moment {
    return { monotonicMs: this.#nowMs as MonotonicMs, wallMs: (1_767_225_600_000 + this.#nowMs) as WallMs };
  }

  /** Puts down an action; an instant that has passed means now. */
  at(instant: MonotonicMs, action: () => void): void {
    const heap = this.#heap;
    const item = { at: Math.max(instant, this.#nowMs), order: this.#order++, action };
    let index = heap.length;
    heap.push(item);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(item, heap[parent] as typeof item)) break;
      heap[index] = heap[parent] as typeof item;
      index = parent;
    }
    heap[index] = item;
  }

  /** Lets time pass until `untilMs`, or until nothing is left to happen; false in the latter case. */
  runUntil(untilMs: number): boolean {
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.at > untilMs) {
        this.#nowMs = Math.max(this.#nowMs, untilMs);
        return next !== undefined;
      }
      this.#takeFirst();
      this.#nowMs = next.at;
      next.action();
    }
  }

  #takeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as typeof last, heap[child] as typeof last)) child++;
      if (!isBefore(heap[child] as typeof last, last)) break;
      heap[index] = heap[child] as typeof last;
      index = child;
    }
    heap[index] = last;
  }
}

function isBefore(a: { at: number; order: number }, b: { at: number; order: number }): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
