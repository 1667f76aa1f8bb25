import { type LinkClass, linkClassOf } from '../bandwidth/link-class.ts';
import { identifier, identifierToBytes, type NodeId } from '../core/identifiers.ts';
import type { PriorityClass } from '../core/priority.ts';
import { type Deadline, earliest, later, type Moment, type MonotonicMs, type WallMs } from '../core/time.ts';
import type { Catalog, Schema } from '../ports/catalog.ts';
import type { PathEstimate } from '../ports/rate-control.ts';
import type { SessionEndpoint, SessionId } from '../session/endpoint.ts';
import { LinkAccounts, linkOfPath } from './link-accounts.ts';
import type { LinkReport, Waiting } from './link-report.ts';
import type { NodeEvent } from './node-event.ts';
import { RateCaps } from './rate-caps.ts';

/**
 * Watches over the links of a node, beside the sessions that use them: keeps the accounts and caps, recognises what kind of link each is, remembers what was learned of it, and says what has to wait for a
 * budget.
 */

const schema: Schema = {
  component: 'link-reports',
  steps: [
    'CREATE TABLE link_report (peer BLOB PRIMARY KEY, link TEXT NOT NULL, class TEXT NOT NULL, estimate TEXT NOT NULL, learned_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;',
  ],
};

/** Estimates are looked at no more often than this. */
const lookMs = 1000;
/** A rate is another one when it differs by this factor. */
const rateFactor = 1.5;
const confidenceMin = 0.25;
/** What must be left for a class before anything is asked of a peer for it: a request and its acknowledgements. */
const askBytesMin = 2000;
/** What a session must be allowed to begin a packet, and what is said to be missing when it is not. */
const packetBytesMin = 320;

interface ReportRow {
  peer: Uint8Array;
  link: string;
  class: string;
  estimate: string;
  learned_ms: number;
}

/** The links of one node. */
export class LinkSupervision {
  readonly accounts: LinkAccounts;
  readonly caps: RateCaps;
  readonly #catalog: Catalog;
  readonly #report: (event: NodeEvent) => void;
  readonly #reportByPeer = new Map<NodeId, LinkReport>();
  readonly #waitingByPeer = new Map<NodeId, Waiting>();
  /** Classes that were not asked for, since asking was last possible. */
  readonly #withheldByPeer = new Map<NodeId, PriorityClass>();
  /** The ways of each peer whose session uses several. */
  #waysByPeer = new Map<NodeId, readonly string[]>();
  /** Somebody who had to wait need not any more, which was found at the end of a turn. */
  #freed = false;
  #lookedAt = -Infinity as MonotonicMs;
  #now: Moment;

  constructor(
    parts: {
      readonly catalog: Catalog;
      readonly peerByKey: (remoteStatic: Uint8Array) => NodeId | undefined;
      readonly report: (event: NodeEvent) => void;
    },
    now: Moment,
  ) {
    const { catalog, peerByKey, report } = parts;
    this.#catalog = catalog;
    this.#report = report;
    this.#now = now;
    this.caps = new RateCaps(catalog, now.monotonicMs);
    this.accounts = new LinkAccounts({ catalog, caps: this.caps, peerByKey }, now);
    catalog.migrate(schema);
    for (const row of catalog.all<ReportRow>('SELECT * FROM link_report')) {
      const peer = identifier<NodeId>(row.peer);
      this.#reportByPeer.set(peer, {
        peer,
        link: row.link,
        isUp: false,
        linkClass: row.class as LinkClass,
        estimate: JSON.parse(row.estimate) as PathEstimate,
        learnedMs: row.learned_ms as WallMs,
      });
    }
  }

  /** A turn begins. */
  begin(now: Moment): void {
    this.#now = now;
    this.#freed = false;
    this.accounts.begin(now);
  }

  /** A turn ends: nothing leaves before its bytes are covered, and what is new about links is said. */
  settle(
    sessions: ReadonlyMap<NodeId, SessionId>,
    endpoint: Pick<SessionEndpoint, 'path' | 'paths' | 'estimate' | 'heldBack' | 'refreshAccount'>,
  ): void {
    const { monotonicMs } = this.#now;
    if (this.accounts.takeBudgetsChanged()) for (const session of sessions.values()) endpoint.refreshAccount(session, this.#now);
    if (monotonicMs - this.#lookedAt >= lookMs) {
      this.#lookedAt = monotonicMs;
      this.#look(sessions, endpoint);
    }
    if (this.accounts.isLimited || this.#waitingByPeer.size > 0) this.#sayWhatWaits(sessions, endpoint);
    this.accounts.settle();
  }

  /** Every link that is or was. */
  links(sessions: ReadonlyMap<NodeId, SessionId>, endpoint: Pick<SessionEndpoint, 'path' | 'estimate'>): LinkReport[] {
    const peers = new Set([...this.#reportByPeer.keys(), ...sessions.keys()]);
    return [...peers].flatMap((peer) => {
      const last = this.#reportByPeer.get(peer);
      const present = this.#present(peer, sessions.get(peer), endpoint);
      // A session that has measured nothing yet says less than what is remembered of the same link.
      if (present !== undefined && (present.estimate.confidence >= confidenceMin || last?.link !== present.link)) return [present];
      return last === undefined ? [] : [{ ...last, isUp: present !== undefined }];
    });
  }

  /** What has to wait for a budget now. */
  waiting(): Waiting[] {
    return [...this.#waitingByPeer.values()];
  }

  /** Whether something of this class may be asked of a peer. If not, that is said, and asking is possible again at `nextDeadline`. */
  mayAsk(peer: NodeId, path: string | undefined, priority: PriorityClass): boolean {
    if (path === undefined || this.#allows(peer, path, priority)) return true;
    if (this.#waysByPeer.get(peer)?.some((way) => this.#allows(peer, way, priority)) === true) return true;
    this.#withheldByPeer.set(peer, priority);
    return false;
  }

  #allows(peer: NodeId, path: string, priority: PriorityClass): boolean {
    return this.accounts.budgetedBytes(path, peer, priority) >= askBytesMin;
  }

  /** True when another way to a peer may be tried with data: no budget counts it there that does not count it here. */
  mayTry(peer: NodeId, from: string, to: string): boolean {
    return this.accounts.costsNoMore(from, to, peer);
  }

  /** True when a budget counts what goes to a peer by this path. */
  isCounted(peer: NodeId, path: string): boolean {
    return this.accounts.budgetedBytes(path, peer, 'critical') < Infinity;
  }

  /** True when something waits because of the ways to a peer that are used. */
  isWaiting(peer: NodeId): boolean {
    return this.#waitingByPeer.has(peer);
  }

  /** True when a budget keeps this way for what is urgent: the peer may have what waits. */
  isReserved(peer: NodeId, address: string): boolean {
    return this.accounts.isReserved(address, peer);
  }

  /** True when this way would take what waits for a peer, or may wait there. */
  helps(peer: NodeId, address: string): boolean {
    return this.#allows(peer, address, this.#waitingByPeer.get(peer)?.priority ?? 'bulk');
  }

  /** Peers that may be asked again, each said once. */
  takeAskable(): NodeId[] {
    const due = [...this.#withheldByPeer.keys()].filter((peer) => {
      const untilMs = this.#waitingByPeer.get(peer)?.untilMs;
      return !this.#waitingByPeer.has(peer) || (untilMs !== undefined && untilMs <= this.#now.wallMs);
    });
    for (const peer of due) this.#withheldByPeer.delete(peer);
    return due;
  }

  /** When a peer may be asked again. */
  nextDeadline(): Deadline | undefined {
    let next: Deadline | undefined = this.#freed ? { at: this.#now.monotonicMs, reason: 'a budget allows more' } : undefined;
    for (const peer of this.#withheldByPeer.keys()) {
      const untilMs = this.#waitingByPeer.get(peer)?.untilMs;
      if (untilMs === undefined) continue;
      next = earliest(next, { at: later(this.#now.monotonicMs, untilMs - this.#now.wallMs), reason: 'a budget begins anew' });
    }
    return next;
  }

  #present(peer: NodeId, session: SessionId | undefined, endpoint: Pick<SessionEndpoint, 'path' | 'estimate'>): LinkReport | undefined {
    const path = session === undefined ? undefined : endpoint.path(session);
    if (session === undefined || path === undefined) return undefined;
    const estimate = endpoint.estimate(session);
    return { peer, link: linkOfPath(path), isUp: true, linkClass: linkClassOf(estimate), estimate, learnedMs: this.#now.wallMs };
  }

  #look(sessions: ReadonlyMap<NodeId, SessionId>, endpoint: Pick<SessionEndpoint, 'path' | 'estimate'>): void {
    for (const [peer, session] of sessions) {
      const present = this.#present(peer, session, endpoint);
      if (present === undefined || present.estimate.confidence < confidenceMin) continue;
      const last = this.#reportByPeer.get(peer);
      if (last !== undefined && !isNews(last, present)) continue;
      this.#reportByPeer.set(peer, present);
      this.accounts.classify(endpoint.path(session) as string, peer, present.linkClass);
      const { link, linkClass, estimate, learnedMs } = present;
      this.#catalog.run(
        'INSERT OR REPLACE INTO link_report (peer, link, class, estimate, learned_ms) VALUES (?, ?, ?, ?, ?)',
        identifierToBytes(peer),
        link,
        linkClass,
        JSON.stringify(estimate),
        Math.floor(learnedMs),
      );
      this.#report({ type: 'link-changed', report: present });
    }
  }

  #sayWhatWaits(sessions: ReadonlyMap<NodeId, SessionId>, endpoint: Pick<SessionEndpoint, 'paths' | 'heldBack'>): void {
    this.#waysByPeer = new Map([...sessions].map(([peer, session]) => [peer, endpoint.paths(session)]));
    for (const peer of [...this.#waitingByPeer.keys()]) if (!sessions.has(peer)) this.#waitingByPeer.delete(peer);
    for (const [peer, session] of sessions) {
      const ways = endpoint.paths(session);
      const heldBack = endpoint.heldBack(session);
      const priority = heldBack ?? this.#withheldByPeer.get(peer);
      const bytes = heldBack === undefined ? askBytesMin : packetBytesMin;
      const blockings = priority === undefined ? [] : ways.map((way) => this.accounts.blocking(way, peer, priority, bytes));
      // What a session holds back, no way takes; one that is only tried may have no budget.
      const isBlocked = heldBack !== undefined || !blockings.includes(undefined);
      const blocking = isBlocked ? blockings.find((each) => each !== undefined) : undefined;
      const before = this.#waitingByPeer.get(peer);
      if (blocking === undefined || priority === undefined) {
        if (this.#waitingByPeer.delete(peer)) {
          this.#freed = true;
          this.#report({ type: 'waiting-over', peer });
        }
        continue;
      }
      const { budget, isReserved, untilMs } = blocking;
      const waiting: Waiting = {
        peer,
        priority,
        reason: isReserved === true ? 'WAY_RESERVED' : 'BUDGET_EXHAUSTED',
        budget: budget.name,
        ...(untilMs === undefined ? {} : { untilMs }),
      };
      this.#waitingByPeer.set(peer, waiting);
      if (before?.priority !== priority || before.budget !== waiting.budget || before.untilMs !== waiting.untilMs)
        this.#report({ type: 'waiting', waiting });
    }
  }
}

function isNews(last: LinkReport, present: LinkReport): boolean {
  if (!last.isUp || last.link !== present.link || last.linkClass !== present.linkClass) return true;
  const before = last.estimate.rateBytesPerSecond ?? 0;
  const rate = present.estimate.rateBytesPerSecond ?? 0;
  return rate > before * rateFactor || rate * rateFactor < before;
}
