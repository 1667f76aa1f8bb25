import type { ShortName } from '../core/identifiers.ts';
import type { MonotonicMs } from '../core/time.ts';

/**
 * What a route table is made of: neighbours with what they said and were told, destinations with their feasible distances, and the condition that keeps routes free of loops.
 */

/** What was said of a destination. An infinite metric retracts it. */
export interface Advertisement {
  readonly seqno: number;
  readonly metric: number;
}

/** What one neighbour says of a destination. */
export interface Entry {
  said: Advertisement;
  /** A later advertisement that is not feasible, of the route that is selected. */
  held: Advertisement | undefined;
}

/** A neighbour as routes know it. */
export interface Neighbour {
  readonly name: ShortName;
  /** Infinite while it is not heard. */
  cost: number;
  readonly entries: Map<ShortName, Entry>;
  /** What it was told, as it was rounded. */
  readonly told: Map<ShortName, Advertisement>;
  readonly toldWatches: Set<ShortName>;
  /** Destinations that it watches by way of this node. */
  readonly watches: Set<ShortName>;
  /** Destinations of which something may have to be said, and from when on. */
  readonly dirty: Map<ShortName, MonotonicMs>;
  /** Destinations that are said even if nothing changed. */
  readonly owed: Set<ShortName>;
  readonly requests: Map<ShortName, { readonly seqno: number; readonly hops: number }>;
  dueAt: MonotonicMs | undefined;
  /** What it was told of the cost of the link to it. */
  costSaid: number | undefined;
}

/** A destination, and the route to it. */
export interface Destination {
  readonly name: ShortName;
  feasible: Advertisement | undefined;
  nextHop: Neighbour | undefined;
  metric: number;
  /** What the next hop said last. */
  seqno: number | undefined;
  kept: boolean;
  /** Since when there has been a better next hop. */
  betterSince: MonotonicMs | undefined;
  /** The sequence number that is asked for, and when it is asked for again. */
  asking: { readonly seqno: number; to: Neighbour; repeats: number; at: MonotonicMs | undefined } | undefined;
  readonly askers: Map<ShortName, { readonly seqno: number; readonly hops: number; readonly until: MonotonicMs }>;
  passedOn: { readonly seqno: number; readonly at: MonotonicMs } | undefined;
}

/** A way to a destination. */
export interface Candidate {
  readonly neighbour: Neighbour;
  readonly entry: Entry;
  readonly metric: number;
  readonly feasible: boolean;
}

/** The feasibility condition of RFC 8966 section 3.5.1: better than everything this node ever advertised. */
export function isFeasible(said: Advertisement, feasible: Advertisement | undefined): boolean {
  return feasible === undefined || said.seqno > feasible.seqno || (said.seqno === feasible.seqno && said.metric < feasible.metric);
}

/** The feasible distance after something was advertised (section 3.7.3). */
export function better(said: Advertisement, feasible: Advertisement | undefined): Advertisement {
  return isFeasible(said, feasible) ? said : (feasible as Advertisement);
}
