import { unreachable } from './link-metric.ts';
import type { Advertisement, Destination } from './route-entries.ts';

/**
 * How long news of a route may wait for other news, so that one message says both. What was found or lost may have a long way to go and hardly waits at any of the hops; a way that became a little better or worse waits the longer
 * the more destinations there are, because in a network where everybody moves all of them become a little better or worse all the time.
 */

const coalesceMs = 40;
const foundMs = 10;
/** A new sequence number that changes no metric. */
const seqnoMs = 100;
const dampMsMin = 2000;
const dampMsPerDestination = 20;
/** More than a little. */
const muchRatio = 1.5;

/** Milliseconds that news of a destination may wait, after a neighbour was `told` this of it, where `destinations` are known in all. */
export function patienceMs(told: Advertisement | undefined, now: Destination | undefined, destinations: number): number {
  const before = told?.metric ?? unreachable;
  const metric = now?.metric ?? unreachable;
  if (before === unreachable || metric === unreachable) return foundMs;
  if (now?.seqno !== told?.seqno) return seqnoMs;
  return Math.max(metric / before, before / metric) >= muchRatio ? coalesceMs : Math.max(dampMsMin, dampMsPerDestination * destinations);
}
