import type { ShortName } from '../core/identifiers.ts';
import type { MonotonicMs } from '../core/time.ts';
import type { MeetingHistory } from './meeting-history.ts';

/**
 * Whether an item needs carriers at all. Where everybody meets everybody, its writer and those it has served reach the rest by themselves, and every copy for a carrier is waste; where they do not, waiting is. Nobody sets which
 * of the two a place is: it follows from the meetings that can be expected.
 *
 * For a subscriber that waits, the rates at which the holders meet it are added up: by this node's own history, by what others told, and, for a holder that is not known to have met it, by how fast strangers still become
 * acquaintances. Carriers are **not** needed for it when
 *
 * - it will be met one and a half times within another time as long as the history; or
 * - it will be met within the class's patience, and the history is long enough to say so (a fifth of a meeting within its own length).
 *
 * Subscribers that are reached this way count as holders for the others, until nothing changes. What has waited longer than the patience is late, whatever was expected. This is no gate by predictability: an item whose
 * subscribers nobody has met goes to carriers at once, and to any of them.
 */

/** Meetings within another history that make carriers superfluous, and those without which nothing is promised. */
const meetingsCertain = 1.5;
const meetingsPromised = 0.2;

/** What the decision is about. */
export interface WaitingItem {
  /** Nodes that have the item for themselves: its writer, the subscribers that were served, and whoever decides. */
  readonly holders: readonly ShortName[];
  readonly unserved: readonly ShortName[];
  /** How long the item has been at the node that decides, in milliseconds. */
  readonly ageMs: number;
  readonly patienceMs: number;
}

/** The subscribers that holders will not reach in time. Empty: the item needs no carriers now. */
export function lateSubscribers(
  item: WaitingItem,
  self: ShortName,
  history: MeetingHistory,
  members: number,
  now: MonotonicMs,
): readonly ShortName[] {
  if (item.ageMs >= item.patienceMs) return item.unserved;
  const spanMs = history.spanMs(now);
  const ofStrangers = history.rateOfStrangers(members, now);
  const rate = (holder: ShortName, subscriber: ShortName) =>
    (holder === self ? history.rate(subscriber, now) : history.rateBetween(holder, subscriber)) || ofStrangers;
  const isReached = (ratePerMs: number) =>
    ratePerMs * spanMs >= meetingsCertain || (ratePerMs * spanMs >= meetingsPromised && ratePerMs * item.patienceMs >= 1);
  const rates = new Map(item.unserved.map((subscriber) => [subscriber, 0]));
  for (const holders = [...item.holders]; ; ) {
    const holder = holders.pop();
    if (holder === undefined) return [...rates.keys()];
    for (const [subscriber, before] of rates) {
      const ratePerMs = before + rate(holder, subscriber);
      rates.set(subscriber, ratePerMs);
      if (!isReached(ratePerMs)) continue;
      rates.delete(subscriber);
      holders.push(subscriber);
    }
  }
}
