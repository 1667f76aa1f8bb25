import { allClasses, type ClassRange } from './send-queue.ts';
import type { SessionLane } from './session-lane.ts';

/**
 * Which of a session's lanes carries what.
 *
 * **Urgent classes** (emergency, critical) take the lane by which they are there first: the one whose round trip and the time that its link needs for a packet are least together. Everything else may leave by any lane as soon as that has room,
 * so bulk is shared out by what each link carries, and no rate has to be compared with another. A lane on which nobody is heard at the moment carries nothing but its own probes while there is a better one.
 */

/** The classes that `lane` may carry now, one of those that are `open`. */
export function chooseClasses(lane: SessionLane, open: readonly SessionLane[]): ClassRange | undefined {
  if (open.length === 1) return allClasses;
  const used = open.filter((each) => each.isHeard && each.least !== undefined);
  const heard = used.length > 0 ? used : open.filter((each) => each.isHeard);
  if (heard.length === 0) return allClasses;
  if (!heard.includes(lane)) return undefined;
  if (heard.length === 1) return allClasses;
  return lane === quickest(heard) ? { most: 'emergency', least: lane.least ?? 'bulk' } : withoutUrgent(lane);
}

function withoutUrgent({ least = 'bulk' }: SessionLane): ClassRange | undefined {
  return least === 'normal' || least === 'bulk' ? { most: 'normal', least } : undefined;
}

/** The lane by which a packet arrives first, of those that may send urgent ones. */
function quickest(lanes: readonly SessionLane[]): SessionLane | undefined {
  let best: SessionLane | undefined;
  let bestMs = Infinity;
  for (const lane of lanes) {
    const delayMs = lane.urgentDelayMs;
    if (best !== undefined && delayMs >= bestMs) continue;
    best = lane;
    bestMs = delayMs;
  }
  return best;
}
