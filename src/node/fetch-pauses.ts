import { toHex } from '../core/bytes.ts';
import type { Hash } from '../core/identifiers.ts';
import { type Deadline, earliest, later, type MonotonicMs } from '../core/time.ts';

/**
 * When contents are not to be asked for although they are wanted, because what is wrong is here: our disk fails, so that asking again would fail again and cost the link; or a content that arrived was
 * lost again, and once more, on a disk that cannot read what it wrote.
 *
 * A disk that fails stops all asking for 5 s, doubling to 5 min, until something could be stored. A content is fetched again at once when it is lost for the first time, then after a minute, doubling to an hour; a day
 * without loss is forgiven.
 */

const diskPauseMsMin = 5000;
const diskPauseMsMax = 300_000;
const lossPauseMsMin = 60_000;
const lossPauseMsMax = 3_600_000;
const forgivenAfterMs = 86_400_000;
/** Contents whose losses are remembered; beyond that the longest ago is forgotten. */
const lossesMax = 1000;

interface Loss {
  times: number;
  lastAt: MonotonicMs;
  until: MonotonicMs;
}

/** The pauses of one node. */
export class FetchPauses {
  readonly #lossByRoot = new Map<string, Loss>();
  #diskUntil: MonotonicMs | undefined;
  #diskPauseMs = diskPauseMsMin;

  /** Our own disk failed. */
  diskFailed(now: MonotonicMs): void {
    this.#diskUntil ??= later(now, this.#diskPauseMs);
    this.#diskPauseMs = Math.min(this.#diskPauseMs * 2, diskPauseMsMax);
  }

  /** Something was stored. */
  diskWorks(): void {
    this.#diskPauseMs = diskPauseMsMin;
  }

  /** A content that was here is lost. */
  lost(root: Hash, now: MonotonicMs): void {
    const key = toHex(root);
    const before = this.#lossByRoot.get(key);
    this.#lossByRoot.delete(key);
    const times = before === undefined || later(before.lastAt, forgivenAfterMs) <= now ? 0 : before.times;
    const pauseMs = times === 0 ? 0 : Math.min(lossPauseMsMin * 2 ** (times - 1), lossPauseMsMax);
    this.#lossByRoot.set(key, { times: times + 1, lastAt: now, until: later(now, pauseMs) });
    for (const oldest of this.#lossByRoot.keys()) {
      if (this.#lossByRoot.size <= lossesMax) break;
      this.#lossByRoot.delete(oldest);
    }
  }

  /** Nothing is to be asked for. */
  get all(): boolean {
    return this.#diskUntil !== undefined;
  }

  /** This content (hexadecimal root) is not to be asked for now. */
  has(root: string, now: MonotonicMs): boolean {
    const loss = this.#lossByRoot.get(root);
    return loss !== undefined && loss.until > now;
  }

  /** Ends the pauses that are over. True when there was one: it is time to ask again. */
  endOver(now: MonotonicMs): boolean {
    let over = false;
    if (this.#diskUntil !== undefined && this.#diskUntil <= now) {
      this.#diskUntil = undefined;
      over = true;
    }
    for (const loss of this.#lossByRoot.values()) {
      // Remembered on, with nothing to wait for.
      if (loss.until > loss.lastAt && loss.until <= now) {
        loss.until = loss.lastAt;
        over = true;
      }
    }
    return over;
  }

  nextDeadline(): Deadline | undefined {
    let next: Deadline | undefined;
    if (this.#diskUntil !== undefined) next = { at: this.#diskUntil, reason: 'ask again after a disk failure' };
    for (const { until, lastAt } of this.#lossByRoot.values())
      if (until > lastAt) next = earliest(next, { at: until, reason: 'ask again for what was lost more than once' });
    return next;
  }
}
