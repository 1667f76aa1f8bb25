import type { ShortName } from '../core/identifiers.ts';
import type { MonotonicMs } from '../core/time.ts';
import { Itinerary, type PlannedMeeting } from './itinerary.ts';

/**
 * Whom a node meets how often, learned from its own meetings and from what those it met told of theirs.
 *
 * A meeting is worth something when it is one of many spread over time: ten contacts within an hour say no more of tomorrow than one. So the history keeps, for each peer, the sum of the squares of the gaps in which the peer
 * was away. With a history of length T and that sum S, T²/S - 1 is the number of meetings that, evenly spread, would make somebody who turns up at any moment wait as long as these did (the waiting time paradox: Feller, "An
 * Introduction to Probability Theory", volume II, I.4). Divided by T it is a rate, which holds for buses every ten minutes and ships every ten weeks alike; there is no unit of time to set.
 *
 * Beyond direct meetings, every node tells how long it expects something to take to each destination by whomever it meets; that is a distance vector of delays. It only puts carriers in an order, so neither loops nor stale
 * entries do harm; what was heard long ago counts as so much later.
 */

/** What a node tells of one other: how long it is until it meets it itself, and how long something takes there at best. */
export interface MeetingEntry {
  readonly node: ShortName;
  /** Milliseconds between evenly spread meetings; infinite: it was never met. */
  readonly intervalMs: number;
  /** Expected delay by whomever it meets, in milliseconds; at most the interval, unless a meeting is planned. */
  readonly delayMs: number;
}

/** Peers that are remembered; beyond it those not met for longest are forgotten. */
export const meetingPeersMax = 200;
/** Entries that are told in one contact: what is planned, who was met last, and what was heard of last. */
export const meetingEntriesMax = 100;

/** A history is shortened by half when it is longer than this, so that seasons are forgotten. */
const spanMsMax = 56 * 86_400_000;
/** What a single meeting is worth, however little it says, and what somebody is who is always there. */
const meetingsMin = 0.1;
const meetingsMax = 1000;
/** Before a history is this long, nothing is concluded from it. */
const spanMsMin = 1000;

interface Peer {
  firstAt: MonotonicMs;
  /** When it was seen last; of no meaning while it is here. */
  leftAt: MonotonicMs;
  /** Contacts that are open. */
  contacts: number;
  /** Sum of the squares of all closed gaps, in square milliseconds. */
  squares: number;
  /** Meetings in a millisecond that it told of others. */
  told: ReadonlyMap<ShortName, number>;
}

interface Path {
  readonly via: ShortName;
  readonly delayMs: number;
  readonly heardAt: MonotonicMs;
}

/** A peer as it is kept over restarts. Nobody is met at that moment. */
export interface SavedPeer {
  readonly node: ShortName;
  readonly firstAt: MonotonicMs;
  readonly leftAt: MonotonicMs;
  /** Sum of the squares of all closed gaps, in square milliseconds. */
  readonly squares: number;
  /** Meetings in a millisecond that it told of others. */
  readonly told: ReadonlyMap<ShortName, number>;
}

/** A way to a node by way of a peer, as it is kept over restarts. */
export interface SavedPath {
  readonly node: ShortName;
  readonly via: ShortName;
  readonly delayMs: number;
  readonly heardAt: MonotonicMs;
}

/** A history as it is kept: its peers in the order of their last meetings, its paths in the order in which they were heard of. */
export interface SavedHistory {
  readonly beganAt: MonotonicMs;
  readonly peers: readonly SavedPeer[];
  readonly paths: readonly SavedPath[];
}

/** What is to be written of a history since that was done last; of a name without a row there is none any more. */
export interface HistoryChanges {
  readonly beganAt: MonotonicMs;
  readonly peers: ReadonlyMap<ShortName, SavedPeer | undefined>;
  readonly paths: ReadonlyMap<ShortName, SavedPath | undefined>;
}

/** The history of one node. */
export class MeetingHistory {
  readonly #self: ShortName;
  readonly #itinerary = new Itinerary();
  #beganAt: MonotonicMs;
  /** In the order of their last meeting. */
  readonly #peers = new Map<ShortName, Peer>();
  /** In the order in which they were heard of. */
  readonly #paths = new Map<ShortName, Path>();
  readonly #changedPeers = new Set<ShortName>();
  readonly #changedPaths = new Set<ShortName>();

  /** @param saved what an earlier run knew, on the same scale of time */
  constructor(self: ShortName, now: MonotonicMs, saved?: SavedHistory) {
    this.#self = self;
    this.#beganAt = saved?.beganAt ?? now;
    for (const { node, ...peer } of saved?.peers ?? []) this.#peers.set(node, { ...peer, contacts: 0 });
    for (const { node, ...path } of saved?.paths ?? []) this.#paths.set(node, path);
  }

  /** What changed since the last call. Who is here counts as having left now: a node that is killed then has lost no more than the rest of that contact. */
  takeChanges(now: MonotonicMs): HistoryChanges {
    const peers = new Map<ShortName, SavedPeer | undefined>();
    for (const node of this.#changedPeers) {
      const peer = this.#peers.get(node);
      peers.set(node, peer && { node, ...peer, leftAt: peer.contacts > 0 ? now : peer.leftAt });
    }
    const paths = new Map<ShortName, SavedPath | undefined>();
    for (const node of this.#changedPaths) {
      const path = this.#paths.get(node);
      paths.set(node, path && { node, ...path });
    }
    this.#changedPeers.clear();
    this.#changedPaths.clear();
    return { beganAt: this.#beganAt, peers, paths };
  }

  /** Replaces the meetings that are planned. */
  plan(meetings: readonly PlannedMeeting[]): void {
    this.#itinerary.declare(meetings);
  }

  /** How long this node has been watching, in milliseconds. */
  spanMs(now: MonotonicMs): number {
    return Math.max(spanMsMin, now - this.#beganAt);
  }

  /** A contact begins; several with one peer may be open. */
  met(peer: ShortName, now: MonotonicMs): void {
    this.#shorten(now);
    const known = this.#peers.get(peer) ?? { firstAt: now, leftAt: this.#beganAt, contacts: 0, squares: 0, told: new Map() };
    if (known.contacts === 0) known.squares += (now - known.leftAt) ** 2;
    known.contacts++;
    this.#peers.delete(peer);
    this.#peers.set(peer, known);
    this.#changedPeers.add(peer);
    for (const [name, { contacts }] of this.#peers) {
      if (this.#peers.size <= meetingPeersMax) break;
      if (contacts === 0) this.#forget(name);
    }
  }

  /** A contact ended. */
  left(peer: ShortName, now: MonotonicMs): void {
    const known = this.#peers.get(peer);
    if (known === undefined || known.contacts === 0) return;
    known.contacts--;
    known.leftAt = now;
    this.#changedPeers.add(peer);
  }

  /** A peer that is here told of its meetings. */
  learn(peer: ShortName, entries: readonly MeetingEntry[], now: MonotonicMs): void {
    const known = this.#peers.get(peer);
    if (known === undefined) return;
    this.#changedPeers.add(peer);
    known.told = new Map(entries.map(({ node, intervalMs }) => [node, 1 / Math.max(1, intervalMs)]));
    const thereMs = 1 / this.rate(peer, now);
    for (const { node, delayMs } of entries) {
      if (node === this.#self || delayMs === Number.POSITIVE_INFINITY) continue;
      const path = this.#paths.get(node);
      const offered: Path = { via: peer, delayMs: thereMs + delayMs, heardAt: now };
      if (path !== undefined && path.via !== peer && offered.delayMs >= agedMs(path, now)) continue;
      this.#paths.delete(node);
      this.#paths.set(node, offered);
      this.#changedPaths.add(node);
    }
    for (const name of this.#paths.keys()) {
      if (this.#paths.size <= meetingPeersMax) break;
      this.#paths.delete(name);
      this.#changedPaths.add(name);
    }
  }

  /** Evenly spread meetings with a peer in a millisecond; 0 when it was never met. */
  rate(peer: ShortName, now: MonotonicMs): number {
    const known = this.#peers.get(peer);
    if (known === undefined) return 0;
    const spanMs = this.spanMs(now);
    const squares = known.squares + (known.contacts > 0 ? 0 : now - known.leftAt) ** 2;
    const meetings = squares === 0 ? meetingsMax : spanMs ** 2 / squares - 1;
    return Math.min(meetingsMax, Math.max(meetingsMin, meetings)) / spanMs;
  }

  /** Peers that are met again and again: once at least, evenly spread, in a time as long as the history. */
  regularPeers(now: MonotonicMs): number {
    const spanMs = this.spanMs(now);
    let regular = 0;
    for (const peer of this.#peers.keys()) if (this.rate(peer, now) * spanMs >= 1) regular++;
    return regular;
  }

  /** Evenly spread meetings in a millisecond between two others, as far as either told. */
  rateBetween(a: ShortName, b: ShortName): number {
    return Math.max(this.#peers.get(a)?.told.get(b) ?? 0, this.#peers.get(b)?.told.get(a) ?? 0);
  }

  /**
   * Meetings in a millisecond to expect with somebody who was never met, in a team of that many members: the share of strangers that became acquaintances in the second half of the history goes on to do so. Where everybody
   * meets everybody this is much, long before any pair has met twice; where the same few meet over and over it soon is nothing.
   */
  rateOfStrangers(members: number, now: MonotonicMs): number {
    const spanMs = this.spanMs(now);
    let before = 0;
    for (const { firstAt } of this.#peers.values()) if (firstAt <= now - spanMs / 2) before++;
    return (2 * (this.#peers.size - before)) / Math.max(1, members - 1 - before) / spanMs;
  }

  /** How long something that is here takes to a node, as far as can be expected; infinite when nobody here has heard of it. */
  delayMs(node: ShortName, now: MonotonicMs): number {
    const path = this.#paths.get(node);
    return Math.min(this.#ownDelayMs(node, now), path === undefined ? Number.POSITIVE_INFINITY : agedMs(path, now));
  }

  /** What to tell a peer: `meetingEntriesMax` destinations at most, and no way through the one who is told. */
  entriesFor(peer: ShortName, now: MonotonicMs): MeetingEntry[] {
    const entries: MeetingEntry[] = [];
    for (const node of new Set([
      ...this.#itinerary.nodes(now),
      ...[...this.#peers.keys()].reverse(),
      ...[...this.#paths.keys()].reverse(),
    ])) {
      if (entries.length === meetingEntriesMax) break;
      if (node === peer) continue;
      const path = this.#paths.get(node);
      const pathMs = path === undefined || path.via === peer ? Number.POSITIVE_INFINITY : agedMs(path, now);
      const delayMs = Math.min(this.#ownDelayMs(node, now), pathMs);
      if (delayMs < Number.POSITIVE_INFINITY) entries.push({ node, intervalMs: 1 / this.rate(node, now), delayMs });
    }
    return entries;
  }

  /** By this node itself. */
  #ownDelayMs(node: ShortName, now: MonotonicMs): number {
    return Math.min(1 / this.rate(node, now), this.#itinerary.delayMs(node, now));
  }

  #forget(peer: ShortName): void {
    this.#peers.delete(peer);
    this.#changedPeers.add(peer);
  }

  /** Halves a history that has grown too long, leaving every rate as it is. */
  #shorten(now: MonotonicMs): void {
    const halfMs = (now - this.#beganAt) / 2;
    if (2 * halfMs <= spanMsMax) return;
    const beganAt = (now - halfMs) as MonotonicMs;
    for (const [name, peer] of this.#peers) {
      const openMs = peer.contacts > 0 ? 0 : now - peer.leftAt;
      this.#changedPeers.add(name);
      if (openMs >= halfMs) this.#forget(name);
      else peer.squares = Math.max(0, halfMs ** 2 / (this.rate(name, now) * halfMs + 1) - openMs ** 2);
    }
    this.#beganAt = beganAt;
  }
}

/** What was heard a while ago counts as so much later. */
function agedMs(path: Path, now: MonotonicMs): number {
  return path.delayMs + (now - path.heardAt);
}
