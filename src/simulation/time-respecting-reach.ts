import type { MonotonicMs } from '../core/time.ts';
import type { ContactTrace } from './contact-trace.ts';
import { VirtualAgenda } from './virtual-agenda.ts';

/**
 * The bound of everything that carriers can do: when something could be where, if every copy were free, space without end and every transfer instantaneous.
 *
 * A path respects time when each of its contacts is not over before the one before it began. The earliest arrivals from one node form a breadth-first search in order of time (the "foremost journeys" of Xuan, Ferreira and
 * Jarry, "Computing shortest, fastest, and foremost journeys in dynamic networks", 2003): whoever arrives first is settled, and offers the first contact with each of its peers that has not ended yet.
 */
export class TimeRespectingReach {
  /** For each node its peers, each with the begins and ends of their contacts, in order. */
  readonly #peersOf: Map<number, { readonly beginsMs: number[]; readonly endsMs: number[] }>[];

  constructor(trace: ContactTrace) {
    this.#peersOf = trace.nodes.map(() => new Map());
    for (const { a, b, beginMs, endMs } of trace.contacts) {
      this.#add(a, b, beginMs, endMs);
      this.#add(b, a, beginMs, endMs);
    }
  }

  /** The earliest instant at which something that comes into being at `source` can be at each node; infinite where it never can. */
  earliestMs(source: number, createdMs: number): number[] {
    const arrivalMs = this.#peersOf.map(() => Number.POSITIVE_INFINITY);
    const agenda = new VirtualAgenda();
    const arrive = (node: number, atMs: number) => {
      if (atMs >= (arrivalMs[node] ?? 0)) return;
      arrivalMs[node] = atMs;
      agenda.at(atMs as MonotonicMs, () => {
        // Somebody may have been earlier in the meantime.
        if (arrivalMs[node] !== atMs) return;
        for (const [peer, { beginsMs, endsMs }] of this.#peersOf[node] ?? []) {
          const beginMs = beginsMs[firstNotBefore(endsMs, atMs)];
          if (beginMs !== undefined) arrive(peer, Math.max(atMs, beginMs));
        }
      });
    };
    arrive(source, createdMs);
    while (agenda.runNext());
    return arrivalMs;
  }

  #add(from: number, to: number, beginMs: number, endMs: number): void {
    const peers = this.#peersOf[from];
    const contacts = peers?.get(to);
    if (contacts === undefined) peers?.set(to, { beginsMs: [beginMs], endsMs: [endMs] });
    else {
      contacts.beginsMs.push(beginMs);
      contacts.endsMs.push(endMs);
    }
  }
}

/** The first position of a rising list whose value is not below `value`. */
function firstNotBefore(values: readonly number[], value: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((values[middle] ?? 0) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
