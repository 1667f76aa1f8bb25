import type { NodeId } from '../core/identifiers.ts';
import { type Deadline, earliest, later, type Moment, type MonotonicMs } from '../core/time.ts';
import type { SessionEndpoint, SessionId } from '../session/endpoint.ts';
import { isStreamAddress } from './circuit-path.ts';

/**
 * Asks peers far away, over sessions where nothing is said, whether they are still there.
 *
 * A session may be silent for months, and then only the end that has something to say notices that the other is gone. That is not enough where the other cannot dial back: a router on the way forgets a connection that nothing goes over
 * (RFC 4787 asks for two minutes at least, RFC 5382 for two hours, many keep it for less), and a peer that lost its power and has come back waits for ever for a station that has nothing to say. So the end that dialled asks: after a minute of
 * silence, over a stream two, and then after pauses that double up to a quarter of an hour. That is 104 bytes in the first minute and ten kilobytes a day; the answer shows the peer where this end is now, and no answer has it dialled anew.
 *
 * Not asked are peers on this machine's own networks, which find it by themselves, and over ways that are slow or on which a budget counts bytes. A host that knows better calls `hint`.
 */

const firstPauseMs = { datagram: 60_000, stream: 120_000 } as const;
const longestPauseMs = 900_000;
/** What is heard within this time is the answer, and no talk. */
const answerMs = 30_000;
/** Nothing is periodic below 10 kbit/s. */
const rateBytesPerSecondMin = 1250;
/** Below this a rate is that of the little there was to say, and where nothing is said it stays what it is. */
const confidenceMin = 0.25;

/** What asking works with. */
export interface IdleAskingParts {
  readonly endpoint: Pick<SessionEndpoint, 'heardAt' | 'ping' | 'path' | 'isQuiet' | 'estimate'>;
  /** True when the peer is heard directly. */
  readonly isHeard: (peer: NodeId) => boolean;
  /** True when a budget counts what goes to the peer by this path. */
  readonly isCounted: (peer: NodeId, path: string) => boolean;
}

interface Asked {
  readonly peer: NodeId;
  readonly firstPauseMs: number;
  pauseMs: number;
  askedAt: MonotonicMs;
  dueAt: MonotonicMs;
}

/** The silent sessions of one node. */
export class IdleAsking {
  readonly #parts: IdleAskingParts;
  readonly #askedBySession = new Map<SessionId, Asked>();

  constructor(parts: IdleAskingParts) {
    this.#parts = parts;
  }

  /** A session with a peer stands, which this end dialled at this address. */
  begin(session: SessionId, peer: NodeId, address: string, now: MonotonicMs): void {
    if (!isFarAway(address)) return;
    const pauseMs = firstPauseMs[isStreamAddress(address) ? 'stream' : 'datagram'];
    this.#askedBySession.set(session, { peer, firstPauseMs: pauseMs, pauseMs, askedAt: now, dueAt: later(now, pauseMs) });
  }

  /** It goes on after a silence, perhaps elsewhere: a computer that was carried from the office's own network into the field. */
  resumed(session: SessionId, peer: NodeId, now: MonotonicMs): void {
    const path = this.#parts.endpoint.path(session);
    if (path === undefined || isFarAway(path) === this.#askedBySession.has(session)) return;
    this.end(session);
    this.begin(session, peer, path, now);
  }

  /** It is over. */
  end(session: SessionId): void {
    this.#askedBySession.delete(session);
  }

  /** Asks whom it is time to ask. */
  wake(now: Moment): void {
    const { endpoint, isCounted } = this.#parts;
    const at = now.monotonicMs;
    for (const [session, asked] of this.#askedBySession) {
      if (asked.dueAt > at || !this.#parts.isHeard(asked.peer)) continue;
      const heardAt = endpoint.heardAt(session) ?? asked.askedAt;
      if (heardAt > asked.askedAt + answerMs) {
        asked.pauseMs = asked.firstPauseMs;
        asked.askedAt = heardAt;
        asked.dueAt = later(heardAt, asked.pauseMs);
        if (asked.dueAt > at) continue;
      }
      asked.pauseMs = Math.min(longestPauseMs, 2 * asked.pauseMs);
      asked.askedAt = at;
      asked.dueAt = later(at, asked.pauseMs);
      const path = endpoint.path(session);
      const { rateBytesPerSecond = Infinity, confidence } = endpoint.estimate(session);
      const isSlow = rateBytesPerSecond < rateBytesPerSecondMin && confidence >= confidenceMin;
      if (path === undefined || isSlow || endpoint.isQuiet(session, now)) continue;
      if (!isCounted(asked.peer, path)) endpoint.ping(session, now);
    }
  }

  nextDeadline(): Deadline | undefined {
    let next: Deadline | undefined;
    for (const { peer, dueAt } of this.#askedBySession.values())
      if (this.#parts.isHeard(peer)) next = earliest(next, { at: dueAt, reason: 'ask a silent peer far away whether it is there' });
    return next;
  }
}

/** Addresses of one's own networks: RFC 1918, RFC 6598, RFC 3927, loopback; RFC 4193, RFC 4291. */
const nearIpv4 = /^(10|127|192\.168|169\.254|172\.(1[6-9]|2\d|3[01])|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7]))\./;
const nearIpv6 = /^(::1$|fe[89ab]|f[cd])/i;
/** Names that mean something on one network only: RFC 6762, RFC 8375, and those of ordinary routers. */
const nearName = /(^[^.]*|\.(local|home\.arpa|internal|lan|home))$/i;

/** True for an address behind routers that may forget a connection. */
export function isFarAway(address: string): boolean {
  const host = /^(?:udp|tcp):\/\/(?:\[([^\]%]+)[^\]]*\]|([^:/]+))/.exec(address);
  if (host === null) return false;
  const [, ipv6, other = ''] = host;
  return ipv6 === undefined ? !nearIpv4.test(other) && !nearName.test(other) : !nearIpv6.test(ipv6);
}
