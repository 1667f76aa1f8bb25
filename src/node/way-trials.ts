import type { NodeId } from '../core/identifiers.ts';
import { type Deadline, earliest, later, type Moment, type MonotonicMs } from '../core/time.ts';
import type { PathEstimate } from '../ports/rate-control.ts';
import type { SessionEndpoint, SessionId } from '../session/endpoint.ts';
import { linkOfPath } from './link-accounts.ts';

/**
 * Using several ways to one peer: TCP and UDP, a radio and a satellite.
 *
 * **Two hosts are two links**, probably. A transfer that has run for a while on a way that is not fast gets an address of another host as a companion: both carry it then, and what is urgent takes the quicker one. When together they carry no more
 * than the first did alone, they are one link behind two addresses, and the companion is left alone.
 *
 * **Two addresses of one host are one link**, with two ways to use it. Which way carries more cannot be known from the outside: paced datagrams win where packets are lost or the peer roams, a stream wins where the network is fast, or shapes datagrams. So it is measured with the data that is
 * to be sent anyway: the transfer is taken over to another address, by moving the session (no handshake, and what was under way is sent again there, so not a byte is
 * lost); after the start there has settled, what arrives is compared, and the session stays or goes back. Nothing is sent only to measure, and no way is tried on which a budget counts bytes that it does not count here.
 *
 * **What the ways in use may not carry**, because a budget is used up or keeps them for what is urgent, gets an address of another host as a companion that may.
 *
 * Only the end that dialled tries: the other follows, and two that try would measure one another.
 *
 * A way that dies is left the same way: when the session falls silent it is taken to the next address, and so on until the peer is heard, ever more slowly. Beside that `Peers` dials anew, for the peer may have
 * forgotten the session. A receiver owes nothing and would wait for ever, so a transfer that stops is asked about; where no answer comes within two round trips and half a second, an address of another host becomes a companion at once, by
 * which the sender goes on.
 */

/** What is known of an address of a peer. */
interface Verdict {
  readonly bytesPerSecond: number;
  readonly at: MonotonicMs;
}

/** A way that is being tried, or that the session goes back to. */
interface Trial {
  readonly address: string;
  /** Where the session was, what it carried there, and what had been learned of it. */
  readonly from: string;
  readonly fromBytesPerSecond: number;
  readonly fromEstimate: PathEstimate;
  /** Going back is no trial: it is not judged, and where it leads is known from before. */
  readonly isReturn: boolean;
  readonly remembered: PathEstimate | undefined;
  /** When the session moved; absent while a stream is being opened. */
  movedAt?: MonotonicMs;
  /** When what arrives counts, and what had arrived until then. */
  countsFrom?: { readonly at: MonotonicMs; readonly bytes: number };
}

/** A second way that the session uses beside the first. */
interface Companion {
  readonly address: string;
  /** What the first way carried alone. */
  readonly aloneBytesPerSecond: number;
  /** Absent while a stream is being opened. */
  path?: string;
  addedAt?: MonotonicMs;
  /** When what arrives counts, and what had arrived until then. */
  countsFrom?: { readonly at: MonotonicMs; readonly bytes: number };
  /** It was found to carry more than the first alone. */
  isKept: boolean;
}

/** A session that this end dialled. */
interface Traveller {
  readonly peer: NodeId;
  readonly session: SessionId;
  address: string;
  lookedAt: MonotonicMs;
  bytes: number;
  /** Bytes a second of the latest looks in which data flowed without a pause, oldest first. */
  looks: number[];
  trial: Trial | undefined;
  companion: Companion | undefined;
  triedAt: MonotonicMs;
  /** When a way for what waits was looked for last. */
  soughtAt: MonotonicMs | undefined;
  /** Since when an answer is waited for, because a transfer stopped. */
  askedAt: MonotonicMs | undefined;
  /** The peer is not heard: when it is looked for at the next address, and how long it is waited for there. */
  search: { readonly at: MonotonicMs; readonly pauseMs: number } | undefined;
}

/** What trying ways works with. */
export interface WayTrialsParts {
  /** The addresses of a peer, best first. */
  readonly addresses: (peer: NodeId) => readonly string[];
  readonly endpoint: Pick<
    SessionEndpoint,
    'migrate' | 'addPath' | 'usePath' | 'dropPath' | 'paths' | 'ledger' | 'estimate' | 'heardAt' | 'ping'
  >;
  /** Opens a stream connection; answered by `handleDialled` or `handleDialFailed`. */
  readonly dial: (address: string) => void;
  /** What budgets say of ways. */
  readonly links: {
    /** True when another way may be tried with data instead of or beside this one. */
    mayTry(peer: NodeId, from: string, to: string): boolean;
    /** True when something waits that the ways in use do not take. */
    isWaiting(peer: NodeId): boolean;
    /** True when a way is kept for what is urgent. */
    isReserved(peer: NodeId, address: string): boolean;
    /** True when this way would take what waits. */
    helps(peer: NodeId, address: string): boolean;
  };
}

const lookMs = 1000;
/** A transfer is watched for so many looks before another way is tried. */
const looksBefore = 8;
/** What of it counts as the rate of the present way. */
const looksCounted = 5;
/** A way this fast is left alone: trying others would cost more than it could win. */
const fastBytesPerSecond = 12_500_000;
/** How long a rate control starts, besides ten round trips, and how long it is measured then. */
const startMs = 2500;
const measureMs = 4000;
/** A way on which nothing is heard is left after so long, besides four round trips. */
const unheardMs = 1000;
/** Another way must carry this much more to be worth moving. */
const betterFactor = 1.15;
/** Two ways must carry this much more than one. */
const companionFactor = 1.05;
/** What was measured counts for so long; between trials passes at least the shorter time. */
const verdictMs = 600_000;
const pauseMs = 30_000;
/** Where nothing is known to wait here, it may at the peer. */
const reservedPauseMs = 120_000;
/** A transfer that flowed for so many looks and stops is asked about. */
const looksOfTransfer = 3;
/** How long the answer to a question is waited for, besides two round trips. */
const answerMs = 500;
/** The longest wait at one address while the peer is not heard. */
const searchMsMax = 60_000;

/** The ways to the peers of one node. A machine: it owns no timer. */
export class WayTrials {
  readonly #parts: WayTrialsParts;
  readonly #travellerBySession = new Map<SessionId, Traveller>();
  readonly #verdictsByPeer = new Map<NodeId, Map<string, Verdict>>();
  readonly #sessionByDialling = new Map<string, SessionId>();

  constructor(parts: WayTrialsParts) {
    this.#parts = parts;
  }

  /** A session that this end dialled at an address stands. */
  begin(session: SessionId, peer: NodeId, address: string, now: MonotonicMs): void {
    this.#travellerBySession.set(session, {
      peer,
      session,
      address,
      lookedAt: now,
      bytes: this.#carried(session),
      looks: [],
      trial: undefined,
      companion: undefined,
      triedAt: now,
      soughtAt: undefined,
      askedAt: undefined,
      search: undefined,
    });
  }

  /** A session has ended. */
  end(session: SessionId): void {
    this.#travellerBySession.delete(session);
  }

  /** The peer of a session is not heard any more: it is looked for at its other addresses. */
  suspended(session: SessionId, now: Moment): void {
    const traveller = this.#travellerBySession.get(session);
    if (traveller === undefined || traveller.search !== undefined || this.#parts.addresses(traveller.peer).length < 2) return;
    const rttMs = this.#parts.endpoint.estimate(session).smoothedRttMs ?? 0;
    traveller.companion = undefined;
    traveller.askedAt = undefined;
    traveller.search = { at: now.monotonicMs, pauseMs: unheardMs + 4 * rttMs };
    this.#search(traveller, traveller.search, now);
  }

  /** The peer is heard again. */
  resumed(session: SessionId): void {
    const traveller = this.#travellerBySession.get(session);
    if (traveller !== undefined) traveller.search = undefined;
  }

  /** A stream connection stands. False when this machine did not ask for it. */
  handleDialled(address: string, path: string, now: Moment): boolean {
    const session = this.#sessionByDialling.get(address);
    if (session === undefined) return false;
    this.#sessionByDialling.delete(address);
    const traveller = this.#travellerBySession.get(session);
    // Without a trial the connection is not needed any more; unused ones are closed by the endpoint.
    if (traveller?.companion?.address === address) this.#accompany(traveller, traveller.companion, path, 'stream', now);
    else if (traveller?.trial?.address === address) this.#move(traveller, traveller.trial, path, 'stream', now);
    return true;
  }

  /** A stream connection could not be opened. False when this machine did not ask for it. */
  handleDialFailed(address: string, now: MonotonicMs): boolean {
    const session = this.#sessionByDialling.get(address);
    if (session === undefined) return false;
    this.#sessionByDialling.delete(address);
    const traveller = this.#travellerBySession.get(session);
    if (traveller?.companion?.address === address) {
      this.#judge(traveller.peer, address, 0, now);
      traveller.companion = undefined;
      return true;
    }
    if (traveller?.trial?.address !== address) return true;
    this.#judge(traveller.peer, address, 0, now);
    traveller.trial = undefined;
    return true;
  }

  /** Looks at what arrived since the last look, and begins and ends trials. Called as often as the caller likes. */
  wake(now: Moment): void {
    for (const traveller of this.#travellerBySession.values()) {
      const { search } = traveller;
      if (search !== undefined) {
        if (search.at <= now.monotonicMs) this.#search(traveller, search, now);
        continue;
      }
      this.#waitForAnswer(traveller, now);
      if (this.#seeksFrom(traveller) <= now.monotonicMs) this.#seek(traveller, now);
      // By the very sum that the deadline is: a difference may be a digit less, and would wake this up for ever.
      if (now.monotonicMs < later(traveller.lookedAt, lookMs) || this.#parts.addresses(traveller.peer).length < 2) continue;
      this.#look(traveller, now);
      if (traveller.companion !== undefined) this.#watchCompanion(traveller, traveller.companion, now);
      else if (traveller.trial !== undefined) this.#watch(traveller, traveller.trial, now);
      else this.#consider(traveller, now);
    }
  }

  /** When to look again; `undefined` while nothing is transferred. */
  nextDeadline(): Deadline | undefined {
    let next: Deadline | undefined;
    for (const traveller of this.#travellerBySession.values()) {
      const { looks, trial, lookedAt, search, askedAt } = traveller;
      const seeksFrom = this.#seeksFrom(traveller);
      if (seeksFrom < Infinity) next = earliest(next, { at: seeksFrom, reason: 'look for a way for what waits' });
      if (askedAt !== undefined)
        next = earliest(next, { at: later(askedAt, this.#answerMs(traveller)), reason: 'look for a peer at another address' });
      if (search !== undefined) next = earliest(next, { at: search.at, reason: 'look for a peer at another address' });
      else if (looks.length > 0 || trial?.movedAt !== undefined)
        next = earliest(next, { at: later(lookedAt, lookMs), reason: 'compare ways' });
    }
    return next;
  }

  /** Bytes of data that a session has carried, each once. */
  #carried(session: SessionId): number {
    const ledger = this.#parts.endpoint.ledger(session);
    return ledger === undefined ? 0 : ledger.sent.data + ledger.received.data;
  }

  #look(traveller: Traveller, now: Moment): void {
    const bytes = this.#carried(traveller.session);
    const elapsedMs = now.monotonicMs - traveller.lookedAt;
    const moved = bytes - traveller.bytes;
    if (moved === 0 && traveller.looks.length >= looksOfTransfer) {
      this.#parts.endpoint.ping(traveller.session, now);
      if (traveller.companion === undefined && traveller.trial === undefined) traveller.askedAt = now.monotonicMs;
    }
    if (moved === 0 || elapsedMs > 2 * lookMs || this.#parts.addresses(traveller.peer).length < 2) traveller.looks = [];
    if (moved > 0) traveller.looks.push((moved * 1000) / elapsedMs);
    if (traveller.looks.length > looksBefore) traveller.looks.shift();
    traveller.bytes = bytes;
    traveller.lookedAt = now.monotonicMs;
  }

  /** How long the answer to a question is waited for. */
  #answerMs({ session }: Traveller): number {
    return answerMs + 2 * (this.#parts.endpoint.estimate(session).smoothedRttMs ?? 0);
  }

  /** Nobody answers what was asked when a transfer stopped: it goes on over another host's address, if there is one. */
  #waitForAnswer(traveller: Traveller, now: Moment): void {
    const { session, peer, address, askedAt } = traveller;
    if (askedAt === undefined) return;
    const isHeard = (this.#parts.endpoint.heardAt(session) ?? askedAt) > askedAt;
    if (!isHeard && now.monotonicMs < later(askedAt, this.#answerMs(traveller))) return;
    traveller.askedAt = undefined;
    if (isHeard || traveller.companion !== undefined) return;
    const other = this.#parts.addresses(peer).find((each) => hostOf(each) !== hostOf(address));
    if (other !== undefined) this.#callCompanion(traveller, other, 0, now);
  }

  /** Takes the session to the next address. */
  #search(traveller: Traveller, { pauseMs: waitMs }: { readonly pauseMs: number }, now: Moment): void {
    const addresses = this.#parts.addresses(traveller.peer);
    const next = addresses[(addresses.indexOf(traveller.address) + 1) % addresses.length];
    traveller.search = { at: later(now.monotonicMs, waitMs), pauseMs: Math.min(2 * waitMs, searchMsMax) };
    if (next === undefined || next === traveller.address) return;
    this.#judge(traveller.peer, traveller.address, 0, now.monotonicMs);
    // A stream that is still being opened there is left to itself.
    traveller.trial = undefined;
    this.#go(traveller, next, 0, true, now);
  }

  /** When a way is looked for that takes what waits; `Infinity` while none is wanted. */
  #seeksFrom({ peer, address, companion, trial, search, soughtAt, lookedAt }: Traveller): MonotonicMs {
    const { addresses, links } = this.#parts;
    if (companion !== undefined || trial !== undefined || search !== undefined || addresses(peer).length < 2)
      return Infinity as MonotonicMs;
    const isWaiting = links.isWaiting(peer);
    if (!isWaiting && !links.isReserved(peer, address)) return Infinity as MonotonicMs;
    return soughtAt === undefined ? lookedAt : later(soughtAt, isWaiting ? pauseMs : reservedPauseMs);
  }

  /** Another host's way takes what waits, if one may. */
  #seek(traveller: Traveller, now: Moment): void {
    const { peer, address } = traveller;
    traveller.soughtAt = now.monotonicMs;
    const other = this.#parts.addresses(peer).find((each) => hostOf(each) !== hostOf(address) && this.#parts.links.helps(peer, each));
    if (other !== undefined) this.#callCompanion(traveller, other, 0, now);
  }

  /** Begins a trial when there is reason for one. */
  #consider(traveller: Traveller, now: Moment): void {
    const { peer, looks, address, triedAt } = traveller;
    if (looks.length < looksBefore || now.monotonicMs - triedAt < (this.#verdictsByPeer.has(peer) ? pauseMs : 0)) return;
    const rate = looks.slice(-looksCounted).reduce((sum, each) => sum + each, 0) / looksCounted;
    if (rate >= fastBytesPerSecond) return;
    this.#judge(peer, address, rate, now.monotonicMs);
    const verdicts = this.#verdictsByPeer.get(peer);
    const other = this.#parts.addresses(peer).find((each) => {
      const known = each === address ? undefined : verdicts?.get(each);
      if (each === address || !this.#parts.links.mayTry(peer, address, each)) return false;
      return known === undefined || now.monotonicMs - known.at > verdictMs || known.bytesPerSecond > rate * betterFactor;
    });
    if (other !== undefined && hostOf(other) !== hostOf(address)) this.#callCompanion(traveller, other, rate, now);
    else if (other !== undefined) this.#go(traveller, other, rate, false, now);
  }

  #callCompanion(traveller: Traveller, address: string, aloneBytesPerSecond: number, now: Moment): void {
    const companion: Companion = { address, aloneBytesPerSecond, isKept: false };
    traveller.companion = companion;
    traveller.triedAt = now.monotonicMs;
    if (address.startsWith('tcp:')) this.#dial(traveller, address);
    else this.#accompany(traveller, companion, address, 'datagram', now);
  }

  #accompany(traveller: Traveller, companion: Companion, path: string, kind: 'datagram' | 'stream', now: Moment): void {
    const { endpoint } = this.#parts;
    // One that was left alone before is still there.
    if (!endpoint.addPath(traveller.session, path, kind, now)) endpoint.usePath(traveller.session, path, 'bulk', now);
    companion.path = path;
    companion.addedAt = now.monotonicMs;
  }

  /** Notices when one of the two ways is gone, and leaves the companion alone when it turns out not to be worth it. */
  #watchCompanion(traveller: Traveller, companion: Companion, now: Moment): void {
    const { endpoint } = this.#parts;
    const { session, peer } = traveller;
    const { path, addedAt, countsFrom, aloneBytesPerSecond } = companion;
    if (path === undefined || addedAt === undefined) return;
    const { monotonicMs } = now;
    const paths = endpoint.paths(session);
    if (paths.length < 2 || !paths.includes(path)) {
      const isAlone = paths.includes(path);
      this.#judge(peer, isAlone ? traveller.address : companion.address, 0, monotonicMs);
      if (isAlone) traveller.address = companion.address;
      traveller.companion = undefined;
      traveller.triedAt = monotonicMs;
      return;
    }
    if (companion.isKept) return;
    const rttMs = endpoint.estimate(session, path).smoothedRttMs ?? 0;
    if (countsFrom === undefined) {
      if (monotonicMs - addedAt >= startMs + 10 * rttMs) companion.countsFrom = { at: monotonicMs, bytes: traveller.bytes };
      return;
    }
    if (monotonicMs - countsFrom.at < measureMs) return;
    const rate = ((traveller.bytes - countsFrom.bytes) * 1000) / (monotonicMs - countsFrom.at);
    // A transfer that has ended says nothing: what is there stays.
    companion.isKept = traveller.looks.length < measureMs / lookMs || rate >= aloneBytesPerSecond * companionFactor;
    if (companion.isKept) return;
    this.#judge(peer, companion.address, rate - aloneBytesPerSecond, monotonicMs);
    endpoint.usePath(session, path, undefined, now);
    if (companion.address.startsWith('tcp:')) endpoint.dropPath(session, path, now);
    traveller.companion = undefined;
  }

  #dial(traveller: Traveller, address: string): void {
    if (this.#sessionByDialling.has(address)) return;
    this.#sessionByDialling.set(address, traveller.session);
    this.#parts.dial(address);
  }

  #go(traveller: Traveller, address: string, fromBytesPerSecond: number, isReturn: boolean, now: Moment): void {
    const fromEstimate = this.#parts.endpoint.estimate(traveller.session);
    const remembered = isReturn ? traveller.trial?.fromEstimate : undefined;
    const trial: Trial = { address, from: traveller.address, fromBytesPerSecond, fromEstimate, isReturn, remembered };
    traveller.trial = trial;
    traveller.triedAt = now.monotonicMs;
    if (address.startsWith('tcp:')) this.#dial(traveller, address);
    else this.#move(traveller, trial, address, 'datagram', now);
  }

  #move(traveller: Traveller, trial: Trial, path: string, kind: 'datagram' | 'stream', now: Moment): void {
    this.#parts.endpoint.migrate(traveller.session, path, kind, now, trial.remembered);
    traveller.address = trial.address;
    traveller.looks = [];
    if (trial.isReturn) traveller.trial = undefined;
    else trial.movedAt = now.monotonicMs;
  }

  /** Ends a trial when it has shown what the way is worth. */
  #watch(traveller: Traveller, trial: Trial, now: Moment): void {
    const { movedAt, countsFrom } = trial;
    if (movedAt === undefined) return;
    const { monotonicMs } = now;
    const sinceMs = monotonicMs - movedAt;
    const beforeRttMs = trial.fromEstimate.smoothedRttMs ?? 0;
    const heardAt = this.#parts.endpoint.heardAt(traveller.session) ?? movedAt;
    // What is still on its way from the former way arrives for a round trip.
    const isHeard = heardAt > later(movedAt, beforeRttMs);
    if (!isHeard) {
      if (sinceMs > unheardMs + 4 * beforeRttMs) this.#goBack(traveller, trial, 0, now);
      return;
    }
    const rttMs = this.#parts.endpoint.estimate(traveller.session).smoothedRttMs ?? beforeRttMs;
    if (countsFrom === undefined) {
      if (sinceMs >= startMs + 10 * rttMs) trial.countsFrom = { at: monotonicMs, bytes: traveller.bytes };
      return;
    }
    if (monotonicMs - countsFrom.at < measureMs) return;
    const bytes = traveller.bytes - countsFrom.bytes;
    const rate = (bytes * 1000) / (monotonicMs - countsFrom.at);
    // A transfer that has ended says nothing.
    if (traveller.looks.length < measureMs / lookMs) traveller.trial = undefined;
    else if (rate < trial.fromBytesPerSecond * betterFactor) this.#goBack(traveller, trial, rate, now);
    else {
      this.#judge(traveller.peer, trial.address, rate, monotonicMs);
      traveller.trial = undefined;
    }
  }

  #goBack(traveller: Traveller, trial: Trial, bytesPerSecond: number, now: Moment): void {
    this.#judge(traveller.peer, trial.address, bytesPerSecond, now.monotonicMs);
    this.#go(traveller, trial.from, bytesPerSecond, true, now);
  }

  #judge(peer: NodeId, address: string, bytesPerSecond: number, at: MonotonicMs): void {
    const verdicts = this.#verdictsByPeer.get(peer) ?? new Map<string, Verdict>();
    this.#verdictsByPeer.set(peer, verdicts);
    verdicts.set(address, { bytesPerSecond, at });
    // Addresses that are not the peer's any more are forgotten.
    const addresses = this.#parts.addresses(peer);
    for (const each of [...verdicts.keys()]) if (!addresses.includes(each)) verdicts.delete(each);
  }
}

/** The host of an address. */
function hostOf(address: string): string {
  return linkOfPath(address).replace(/^[a-z]+:/, '');
}
