import type { ShortName } from '../core/identifiers.ts';
import type { MonotonicMs } from '../core/time.ts';

/**
 * Meetings that are planned: somebody says that this device will be with that one, then and then. A plan beats every habit that was learned, as long as it can still come true.
 */

/** A planned meeting. */
export interface PlannedMeeting {
  readonly node: ShortName;
  /** The earliest and the latest instant at which it begins. */
  readonly fromAt: MonotonicMs;
  readonly untilAt: MonotonicMs;
}

/** Meetings that one node may have planned; of more, those that come first count. */
export const plannedMeetingsMax = 64;

/** The plans of one node. */
export class Itinerary {
  #meetings: readonly PlannedMeeting[] = [];

  /** Replaces all plans. */
  declare(meetings: readonly PlannedMeeting[]): void {
    this.#meetings = meetings.toSorted((a, b) => a.fromAt - b.fromAt).slice(0, plannedMeetingsMax);
  }

  /** How long it takes until a node is to be met; infinite when nothing is planned. The middle of what is left of the interval is expected. */
  delayMs(node: ShortName, now: MonotonicMs): number {
    for (const meeting of this.#meetings)
      if (meeting.node === node && meeting.untilAt >= now) return (Math.max(now, meeting.fromAt) + meeting.untilAt) / 2 - now;
    return Number.POSITIVE_INFINITY;
  }

  /** Nodes that are yet to be met, each once, the next first. */
  nodes(now: MonotonicMs): ShortName[] {
    return [...new Set(this.#meetings.flatMap(({ node, untilAt }) => (untilAt >= now ? [node] : [])))];
  }
}
