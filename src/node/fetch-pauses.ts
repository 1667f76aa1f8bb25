import { toHex } from '../core/bytes.ts';
import type { Hash, NodeId } from '../core/identifiers.ts';
import { type Deadline, earliest, later, type MonotonicMs } from '../core/time.ts';

/**
 * When contents are not to be asked for although they are wanted: our disk fails, so that asking again would fail again and cost the link; a content that arrived was lost again, and once more, on a disk that
 * cannot read what it wrote; or a peer sent it wrongly.
 *
 * A disk that fails stops all asking for 5 s, doubling to 5 min, until something could be stored. A content is fetched again at once when it is lost for the first time, then after a minute, doubling to an hour; a day
 * without loss is forgiven. A peer that sent a content wrongly is asked for it again after a minute, doubling to a day: its memory may have failed it once, and it may be the only one that has it.
 */

const diskPauseMsMin = 5000;
const diskPauseMsMax = 300_000;
const lossPauseMsMin = 60_000;
const lossPauseMsMax = 3_600_000;
const forgivenAfterMs = 86_400_000;
const spoiltPauseMsMin = 60_000;
const spoiltPauseMsMax = 86_400_000;
/** Contents that are remembered, of those that were lost and of those that were sent wrongly; beyond that the longest ago is forgotten. */
const rememberedMax = 1000;

interface Pause {
  readonly times: number;
  readonly lastAt: MonotonicMs;
  until: MonotonicMs;
}

/** Pauses by what they are for, in the order in which they began. */
type Pauses = Map<string, Pause>;

function begin(pauses: Pauses, key: string, pause: Pause): void {
  pauses.delete(key);
  pauses.set(key, pause);
  for (const oldest of pauses.keys()) {
    if (pauses.size <= rememberedMax) break;
    pauses.delete(oldest);
  }
}

/** The pauses of one node. */
export class FetchPauses {
  readonly #lossByRoot: Pauses = new Map();
  readonly #spoiltByPeerAndRoot: Pauses = new Map();
  #diskUntil: MonotonicMs | undefined;
  #diskPauseMs = diskPauseMsMin;

  /** Our own disk failed. */
  diskFailed(now: MonotonicMs): void {
    // What else fails meanwhile was under way already.
    if (this.#diskUntil !== undefined) return;
    this.#diskUntil = later(now, this.#diskPauseMs);
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
    const times = before === undefined || later(before.lastAt, forgivenAfterMs) <= now ? 0 : before.times;
    const pauseMs = times === 0 ? 0 : Math.min(lossPauseMsMin * 2 ** (times - 1), lossPauseMsMax);
    begin(this.#lossByRoot, key, { times: times + 1, lastAt: now, until: later(now, pauseMs) });
  }

  /** A peer sent a content wrongly. */
  spoilt(peer: NodeId, root: Hash, now: MonotonicMs): void {
    const key = spoiltKey(peer, toHex(root));
    const times = this.#spoiltByPeerAndRoot.get(key)?.times ?? 0;
    const pauseMs = Math.min(spoiltPauseMsMin * 2 ** times, spoiltPauseMsMax);
    begin(this.#spoiltByPeerAndRoot, key, { times: times + 1, lastAt: now, until: later(now, pauseMs) });
  }

  /** This peer has sent this content (hexadecimal root) wrongly before. */
  hasSpoilt(peer: NodeId, root: string): boolean {
    return this.#spoiltByPeerAndRoot.has(spoiltKey(peer, root));
  }

  /** This peer is not to be asked for this content, until the pause has ended. */
  isSpoilt(peer: NodeId, root: string): boolean {
    const pause = this.#spoiltByPeerAndRoot.get(spoiltKey(peer, root));
    return pause !== undefined && pause.until > pause.lastAt;
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
    for (const pause of this.#all()) {
      // Remembered on, with nothing to wait for.
      if (pause.until > pause.lastAt && pause.until <= now) {
        pause.until = pause.lastAt;
        over = true;
      }
    }
    return over;
  }

  nextDeadline(): Deadline | undefined {
    let next: Deadline | undefined;
    if (this.#diskUntil !== undefined) next = { at: this.#diskUntil, reason: 'ask again after a disk failure' };
    for (const { until, lastAt } of this.#all())
      if (until > lastAt) next = earliest(next, { at: until, reason: 'ask again for what was lost more than once, or sent wrongly' });
    return next;
  }

  *#all(): Generator<Pause, void, void> {
    yield* this.#lossByRoot.values();
    yield* this.#spoiltByPeerAndRoot.values();
  }
}

function spoiltKey(peer: NodeId, root: string): string {
  return `${peer} ${root}`;
}
