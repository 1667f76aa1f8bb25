import type { NodeId } from '../core/identifiers.ts';
import { type Deadline, earliest, later, type MonotonicMs } from '../core/time.ts';

/**
 * Where peers may be: one table for everything that says so. A beacon, DNS-SD, another peer, the host program and memory all end up here, and only the table decides who is dialled, where and when, so
 * that hearing of a peer five times costs no more than hearing of it once.
 *
 * An address is an idea, not a fact: each hint of it is worth one attempt, and an address that failed waits longer and longer, however often it is heard of. All attempts together are limited, so that
 * forged or replayed beacons cost a trickle. Of two nodes that hear each other the one with the smaller identifier dials at once and the other a little later, so that they seldom dial both.
 *
 * An attempt at one address does not hold up the next one for long: what has not been answered after a second is joined by an attempt at the next best address, and the first that succeeds ends the others.
 */

/** What says that a peer is at an address, best first. */
export type CandidateMeans = 'last-known' | 'beacon' | 'dns-sd' | 'host' | 'peer';

/** How long an address is worth a try after something last said that the peer is there, milliseconds. */
const worthMsByMeans: Readonly<Record<CandidateMeans, number>> = {
  'last-known': 600_000,
  beacon: 300_000,
  'dns-sd': 300_000,
  host: 3_600_000,
  peer: 3_600_000,
};
const means = Object.keys(worthMsByMeans) as CandidateMeans[];

/** Addresses of one peer that are kept: the best. */
const addressesPerPeerMax = 8;
/** The longer node waits for the other's attempt, and each attempt for the one before. */
const politeMs = 1000;
const nextAddressMs = 1000;
/** An attempt that has gone on for so long when something says again that the peer is there is begun anew: the next packet of the old one may be far off. */
const staleAttemptMs = 3000;
/** Pause of an address after its first failure, doubled with each, up to the longest. */
const firstPauseMs = 2000;
const longestPauseMs = 120_000;
/** Attempts that may be made at once, and how long it takes for one more. */
const attemptsBurst = 32;
const attemptEveryMs = 1000;

/** An address of a peer, as the table shows it. */
export interface Candidate {
  readonly peer: NodeId;
  readonly address: string;
  readonly means: CandidateMeans;
  /** Attempts that failed since one succeeded. */
  readonly failures: number;
}

interface Place {
  readonly address: string;
  means: CandidateMeans;
  /** When it is not worth a try any more. */
  worthUntil: MonotonicMs;
  failures: number;
  notBefore: MonotonicMs;
  /** An attempt is under way, since then. */
  triedAt: MonotonicMs | undefined;
}

interface Target {
  readonly places: Map<string, Place>;
  /** When to make the next attempt, at the earliest. */
  notBefore: MonotonicMs;
}

/** The candidates of one node. */
export class Candidates {
  readonly #self: NodeId;
  readonly #isHeard: (peer: NodeId) => boolean;
  readonly #targetByPeer = new Map<NodeId, Target>();
  #attempts = attemptsBurst;
  #attemptsAt: MonotonicMs | undefined;

  /** `isHeard`: a session with the peer stands and is not silent. */
  constructor(self: NodeId, isHeard: (peer: NodeId) => boolean) {
    this.#self = self;
    this.#isHeard = isHeard;
  }

  /** Something says that a peer is at an address. */
  offer(peer: NodeId, address: string, by: CandidateMeans, now: MonotonicMs): void {
    if (peer === this.#self) return;
    const target = this.#targetByPeer.get(peer) ?? { places: new Map<string, Place>(), notBefore: now };
    this.#targetByPeer.set(peer, target);
    const worthUntil = later(now, worthMsByMeans[by]);
    const place = target.places.get(address);
    if (place === undefined) {
      target.places.set(address, { address, means: by, worthUntil, failures: 0, notBefore: now, triedAt: undefined });
      if (this.#self > peer) target.notBefore = Math.max(target.notBefore, later(now, politeMs)) as MonotonicMs;
      this.#forgetWorst(target);
      return;
    }
    if (means.indexOf(by) < means.indexOf(place.means) || place.worthUntil <= now) place.means = by;
    place.worthUntil = Math.max(place.worthUntil, worthUntil) as MonotonicMs;
    if (place.triedAt === undefined || now - place.triedAt < staleAttemptMs) return;
    place.triedAt = undefined;
    place.notBefore = now;
  }

  /** A peer is not reachable where this way of finding had it. */
  withdraw(peer: NodeId, address: string): void {
    const target = this.#targetByPeer.get(peer);
    if (target?.places.get(address)?.triedAt === undefined) target?.places.delete(address);
  }

  /** The surroundings changed: every address is worth a try at once, however often it failed before. */
  hint(now: MonotonicMs): void {
    for (const target of this.#targetByPeer.values()) {
      target.notBefore = now;
      for (const place of target.places.values()) {
        place.notBefore = now;
        place.triedAt = undefined;
      }
    }
  }

  /** Takes the attempts that are due; each is answered by `failed` or `reached`, or replaced by a later one at the same address. */
  due(now: MonotonicMs): { readonly peer: NodeId; readonly address: string }[] {
    const attempts: { peer: NodeId; address: string }[] = [];
    this.#refill(now);
    for (const [peer, target] of this.#targetByPeer) {
      for (const place of target.places.values())
        if (place.worthUntil <= now && place.triedAt === undefined) target.places.delete(place.address);
      if (target.places.size === 0) this.#targetByPeer.delete(peer);
      if (this.#attempts < 1 || target.notBefore > now || this.#isHeard(peer)) continue;
      const place = best(target, now);
      if (place === undefined) continue;
      place.triedAt = now;
      target.notBefore = later(now, nextAddressMs);
      this.#attempts--;
      attempts.push({ peer, address: place.address });
    }
    return attempts;
  }

  /** An attempt did not end in a session at this address. */
  failed(peer: NodeId, address: string, now: MonotonicMs): void {
    const place = this.#targetByPeer.get(peer)?.places.get(address);
    if (place === undefined) return;
    place.triedAt = undefined;
    place.notBefore = later(now, Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(place.failures, 10)));
    place.failures++;
  }

  /** A session with the peer stands: no attempt at it is under way any more. `address`: where it was dialled. */
  reached(peer: NodeId, address: string | undefined): void {
    for (const place of this.#targetByPeer.get(peer)?.places.values() ?? []) {
      place.triedAt = undefined;
      if (place.address === address) place.failures = 0;
    }
  }

  /** A session ended or fell silent: its peer is tried again, after a moment in which it may come back by itself. */
  lost(peer: NodeId, now: MonotonicMs): void {
    const target = this.#targetByPeer.get(peer);
    if (target === undefined) return;
    target.notBefore = later(now, this.#self > peer ? politeMs : politeMs / 2);
    for (const place of target.places.values())
      place.worthUntil = Math.max(place.worthUntil, later(now, worthMsByMeans.beacon)) as MonotonicMs;
  }

  /** True when something says that the peer is at this address. */
  has(peer: NodeId, address: string): boolean {
    return this.#targetByPeer.get(peer)?.places.has(address) ?? false;
  }

  /** Everything in the table. */
  list(): Candidate[] {
    return [...this.#targetByPeer].flatMap(([peer, { places }]) =>
      [...places.values()].map(({ address, means: by, failures }) => ({ peer, address, means: by, failures })),
    );
  }

  nextDeadline(): Deadline | undefined {
    let next: Deadline | undefined;
    for (const [peer, target] of this.#targetByPeer) {
      if (this.#isHeard(peer)) continue;
      for (const { triedAt, notBefore, worthUntil } of target.places.values()) {
        const at = Math.max(notBefore, target.notBefore, this.#nextAttemptAt()) as MonotonicMs;
        if (triedAt === undefined && at < worthUntil) next = earliest(next, { at, reason: 'dial a peer that was seen' });
      }
    }
    return next;
  }

  #refill(now: MonotonicMs): void {
    const since = this.#attemptsAt ?? now;
    this.#attempts = Math.min(attemptsBurst, this.#attempts + (now - since) / attemptEveryMs);
    this.#attemptsAt = now;
  }

  /** When the limit on all attempts together allows another. */
  #nextAttemptAt(): number {
    return this.#attempts >= 1 ? Number.NEGATIVE_INFINITY : (this.#attemptsAt ?? 0) + Math.ceil((1 - this.#attempts) * attemptEveryMs);
  }

  #forgetWorst(target: Target): void {
    if (target.places.size <= addressesPerPeerMax) return;
    const idle = [...target.places.values()].filter(({ triedAt }) => triedAt === undefined).sort(comparePlaces);
    const worst = idle.at(-1);
    if (worst !== undefined) target.places.delete(worst.address);
  }
}

function best(target: Target, now: MonotonicMs): Place | undefined {
  const [first] = [...target.places.values()]
    .filter(({ triedAt, notBefore }) => triedAt === undefined && notBefore <= now)
    .sort(comparePlaces);
  return first;
}

/** Fewest failures, then the best means, then what was said last. */
function comparePlaces(a: Place, b: Place): number {
  return a.failures - b.failures || means.indexOf(a.means) - means.indexOf(b.means) || b.worthUntil - a.worthUntil;
}
