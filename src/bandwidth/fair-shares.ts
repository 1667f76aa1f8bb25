/**
 * Weighted fair sharing: of several queues that could send, the one goes next that has had least for its weight (start-time fair queueing, Goyal, Vin and Cheng 1996).
 *
 * Each queue has a virtual time, which grows by what it sent by its weight. A queue that was empty begins again where the others are: nobody saves up for later.
 */
export class FairShares<K> {
  readonly #weightOf: (key: K) => number;
  readonly #timeByKey = new Map<K, number>();
  #now = 0;

  /** `weightOf` gives a queue's weight, above 0. */
  constructor(weightOf: (key: K) => number) {
    this.#weightOf = weightOf;
  }

  /** Which of these queues, all of them with something to send, goes next; the first of equals. `undefined` for none. */
  next(keys: Iterable<K>): K | undefined {
    let chosen: K | undefined;
    let least = Infinity;
    const waiting = new Map<K, number>();
    for (const key of keys) {
      if (waiting.has(key)) continue;
      const time = Math.max(this.#timeByKey.get(key) ?? this.#now, this.#now);
      waiting.set(key, time);
      if (time >= least) continue;
      least = time;
      chosen = key;
    }
    if (chosen === undefined) return undefined;
    this.#now = least;
    // What waits keeps its place; what does not begins again with the others.
    this.#timeByKey.clear();
    for (const [key, time] of waiting) this.#timeByKey.set(key, time);
    return chosen;
  }

  /** The queue that was chosen sent so many bytes. */
  sent(key: K, bytes: number): void {
    this.#timeByKey.set(key, (this.#timeByKey.get(key) ?? this.#now) + bytes / this.#weightOf(key));
  }
}
