import type { ShortName } from '../core/identifiers.ts';
import { type Deadline, earliest, later, type MonotonicMs } from '../core/time.ts';
import type { Neighbour } from './neighbours.ts';
import type { Route } from './route.ts';
import type { RouteChange } from './routing.ts';

/**
 * What an owner hears of the network's shape, made of changes of routes.
 *
 * A node is *seen* when a route to it appears, and *lost* when there has been none for three seconds: routes that are being repaired are nobody's news. It has *moved* when it became a neighbour of this node
 * that was reached by way of others, or the reverse. When several nodes are lost within ten seconds, a *partition* is suspected: they are more likely on the other side of something than dead at once. It is healed when one of
 * them is seen again.
 */

/** News of the network's shape. */
export type TopologyEvent =
  | { readonly type: 'node-seen'; readonly node: ShortName; readonly nextHop: ShortName; readonly metric: number }
  | { readonly type: 'node-lost'; readonly node: ShortName }
  | { readonly type: 'node-moved'; readonly node: ShortName; readonly nextHop: ShortName; readonly isNeighbour: boolean }
  | { readonly type: 'route-changed'; readonly node: ShortName; readonly nextHop: ShortName | undefined; readonly metric: number }
  | { readonly type: 'partition-suspected'; readonly nodes: readonly ShortName[] }
  | { readonly type: 'partition-healed'; readonly nodes: readonly ShortName[] };

/** The network as far as one node sees it, to be drawn as a graph. */
export interface TopologySnapshot {
  readonly self: ShortName;
  /** Every node to which there is a route, this one left out. `metric` is in milliseconds for 16 KiB. */
  readonly nodes: readonly { readonly node: ShortName; readonly metric: number; readonly nextHop: ShortName }[];
  /** The links of this node: cost there and, if the neighbour has said so, back. */
  readonly links: readonly {
    readonly neighbour: ShortName;
    readonly state: Neighbour['state'];
    readonly cost: number;
    readonly costBack: number | undefined;
    readonly rateBytesPerSecond: number | undefined;
    readonly rttMs: number | undefined;
    /** Share of packets that arrive. */
    readonly deliveryRatio: number;
  }[];
}

/** A route that is missing for longer than this is news. */
const lossMs = 3000;
/** Losses within this time belong together. */
const partitionMs = 10_000;
const partitionNodesMin = 2;

interface Known {
  nextHop: ShortName | undefined;
  /** The route is missing since then. */
  missingSince: MonotonicMs | undefined;
  lostAt: MonotonicMs | undefined;
  /** Whether it was reached directly, when it was last reached. */
  wasNeighbour: boolean;
}

/** Turns changes of routes into news. */
export class Topology {
  readonly #nodes = new Map<ShortName, Known>();
  readonly #missing = new Set<ShortName>();
  readonly #events: TopologyEvent[] = [];
  /** Nodes behind a partition that is suspected. */
  readonly #behind = new Set<ShortName>();

  /** A route changed. */
  change({ destination: node, nextHop, metric }: RouteChange, now: MonotonicMs): void {
    this.#events.push({ type: 'route-changed', node, nextHop, metric });
    const known = this.#nodes.get(node);
    if (nextHop === undefined) {
      if (known === undefined || known.missingSince !== undefined || known.lostAt !== undefined) return;
      known.nextHop = undefined;
      known.missingSince = now;
      this.#missing.add(node);
      return;
    }
    const isNeighbour = nextHop === node;
    this.#nodes.set(node, { nextHop, missingSince: undefined, lostAt: undefined, wasNeighbour: isNeighbour });
    this.#missing.delete(node);
    if (known === undefined || known.lostAt !== undefined) this.#events.push({ type: 'node-seen', node, nextHop, metric });
    else if (known.wasNeighbour !== isNeighbour) this.#events.push({ type: 'node-moved', node, nextHop, isNeighbour });
    if (!this.#behind.has(node)) return;
    this.#events.push({ type: 'partition-healed', nodes: [...this.#behind] });
    this.#behind.clear();
  }

  /** The time has come. */
  wake(now: MonotonicMs): void {
    const eventsBefore = this.#events.length;
    for (const node of this.#missing) {
      const known = this.#nodes.get(node);
      if (known?.missingSince === undefined || later(known.missingSince, lossMs) > now) continue;
      known.missingSince = undefined;
      known.lostAt = now;
      this.#missing.delete(node);
      this.#events.push({ type: 'node-lost', node });
    }
    if (this.#events.length === eventsBefore) return;
    const lost = [...this.#nodes]
      .filter(([, { lostAt }]) => lostAt !== undefined && later(lostAt, partitionMs) > now)
      .map(([node]) => node);
    if (lost.length < partitionNodesMin || lost.every((node) => this.#behind.has(node))) return;
    for (const node of lost) this.#behind.add(node);
    this.#events.push({ type: 'partition-suspected', nodes: [...this.#behind] });
  }

  nextDeadline(): Deadline | undefined {
    let next: Deadline | undefined;
    for (const node of this.#missing) {
      const since = this.#nodes.get(node)?.missingSince;
      if (since !== undefined) next = earliest(next, { at: later(since, lossMs), reason: 'node lost' });
    }
    return next;
  }

  /** The next piece of news. */
  nextEvent(): TopologyEvent | undefined {
    return this.#events.shift();
  }
}

/** A snapshot of the network. */
export function snapshotOf(
  self: ShortName,
  routes: readonly Route[],
  neighbours: readonly Neighbour[],
  costBack: (neighbour: ShortName) => number | undefined,
): TopologySnapshot {
  return {
    self,
    nodes: routes.map(({ destination, metric, nextHop }) => ({ node: destination, metric, nextHop })),
    links: neighbours.map(({ name, state, cost, quality }) => ({
      neighbour: name,
      state,
      cost,
      costBack: costBack(name),
      rateBytesPerSecond: quality.rateBytesPerSecond,
      rttMs: quality.rttMs,
      deliveryRatio: 1 - quality.lossRatio,
    })),
  };
}
