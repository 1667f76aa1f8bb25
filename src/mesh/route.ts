import type { ShortName } from '../core/identifiers.ts';
import type { Advertisement, Candidate, Destination } from './route-entries.ts';

/**
 * A route as it is shown to those who ask which one was chosen, and why.
 */

/** The route in use to a destination. */
export interface Route {
  readonly destination: ShortName;
  readonly nextHop: ShortName;
  /** Expected milliseconds for 16 KiB, and what else costs count. */
  readonly metric: number;
  readonly seqno: number;
  /** What its next hop advertised, and what the link there costs: the sum is the metric. */
  readonly advertised: number;
  readonly linkCost: number;
  readonly feasibleDistance: Advertisement | undefined;
  /** Why it is this one. */
  readonly reason: 'only' | 'best' | 'kept';
  /** The others that were to choose from, best first, feasible or not. */
  readonly alternatives: readonly { readonly nextHop: ShortName; readonly metric: number; readonly feasible: boolean }[];
}

/** The route in use to a destination, if there is one, among these candidates. */
export function routeTo({ name, nextHop, metric, feasible, kept }: Destination, candidates: readonly Candidate[]): Route | undefined {
  const entry = nextHop?.entries.get(name);
  if (nextHop === undefined || entry === undefined) return undefined;
  const alternatives = candidates.filter((each) => each.neighbour !== nextHop);
  return {
    destination: name,
    nextHop: nextHop.name,
    metric,
    seqno: entry.said.seqno,
    advertised: entry.said.metric,
    linkCost: nextHop.cost,
    feasibleDistance: feasible,
    reason: alternatives.some((each) => each.feasible) ? (kept ? 'kept' : 'best') : 'only',
    alternatives: alternatives
      .map((each) => ({ nextHop: each.neighbour.name, metric: each.metric, feasible: each.feasible }))
      .sort((a, b) => a.metric - b.metric),
  };
}
