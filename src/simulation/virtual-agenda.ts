import type { Moment, MonotonicMs, WallMs } from '../core/time.ts';

interface Item {
  readonly at: number;
  readonly order: number;
  /** Absent when it was taken back: the item then leaves the heap when its turn comes, without time having passed for it. */
  action: (() => void) | undefined;
}

/** Virtual time: what shall happen when, and a clock that jumps from one to the next. Things due at the same instant happen in the order in which they were put down. */
export class VirtualAgenda {
  readonly #heap: Item[] = [];
  #nowMs = 0;
  #order = 0;

  /** The present, with a wall clock that began on 1 January 2026. */
  get now(): Moment {
    return { monotonicMs: this.#nowMs as MonotonicMs, wallMs: (1_767_225_600_000 + this.#nowMs) as WallMs };
  }

  /** Puts down an action; an instant that has passed means now. It can be taken back. */
  at(instant: MonotonicMs, action: () => void): { cancel(): void } {
    const heap = this.#heap;
    const item: Item = { at: Math.max(instant, this.#nowMs), order: this.#order++, action };
    let index = heap.length;
    heap.push(item);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(item, heap[parent] as Item)) break;
      heap[index] = heap[parent] as Item;
      index = parent;
    }
    heap[index] = item;
    return {
      cancel: () => {
        item.action = undefined;
      },
    };
  }

  /** When the next action is due, in milliseconds; `undefined` when nothing is left to happen. */
  get nextAtMs(): number | undefined {
    return this.#first()?.at;
  }

  /** Lets time pass until the next action is due and does it; false when there is none. */
  runNext(): boolean {
    const next = this.#first();
    if (next === undefined) return false;
    this.#takeFirst();
    this.#nowMs = next.at;
    next.action?.();
    return true;
  }

  /** Lets time pass until `untilMs`, or until nothing is left to happen; false in the latter case. */
  runUntil(untilMs: number): boolean {
    for (let next = this.#first(); next !== undefined && next.at <= untilMs; next = this.#first()) this.runNext();
    this.#nowMs = Math.max(this.#nowMs, untilMs);
    return this.#first() !== undefined;
  }

  /** The next item that was not taken back. */
  #first(): Item | undefined {
    while (this.#heap[0] !== undefined && this.#heap[0].action === undefined) this.#takeFirst();
    return this.#heap[0];
  }

  #takeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Item, heap[child] as Item)) child++;
      if (!isBefore(heap[child] as Item, last)) break;
      heap[index] = heap[child] as Item;
      index = child;
    }
    heap[index] = last;
  }
}

function isBefore(a: Item, b: Item): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
