import type { NodeId } from '../core/identifiers.ts';
import { type Deadline, earliest, type Moment, type MonotonicMs } from '../core/time.ts';
import type { Contacts } from '../forwarding/contacts.ts';
import type { SessionEndpoint, SessionId } from '../session/endpoint.ts';
import { circuitLink, isCircuitPath, isStreamAddress } from './circuit-path.ts';
import { IdleAsking, type IdleAskingParts } from './idle-asking.ts';
import { linkOfPath } from './link-accounts.ts';
import type { Membership } from './membership.ts';
import { WayTrials, type WayTrialsParts } from './way-trials.ts';

/**
 * Reaching peers: which member is tried at which address, which session stands with whom, and which of them has fallen silent.
 *
 * A session over a circuit through others is a session, and no reason not to try the peer itself.
 *
 * A peer has one session. A newer one takes the place of an older one; a suspended one stays, because it may go on, and meanwhile the peer is tried at its addresses again. Where the suspended session itself keeps asking,
 * only some attempts are made: a handshake helps a peer that lost the session, and costs a session that would have gone on what was under way in it.
 */

/** What reaching peers works with. */
export interface PeersParts {
  readonly contacts: Contacts;
  readonly membership: Membership;
  readonly endpoint: Pick<SessionEndpoint, 'connect' | 'close'> & IdleAskingParts['endpoint'] & WayTrialsParts['endpoint'];
  /** Opens a stream connection; answered by `handleDialled` or `handleDialFailed`. */
  readonly dial: (address: string) => void;
  /** An attempt at a peer ended without a session at this address. */
  readonly attemptFailed: (peer: NodeId, address: string, now: MonotonicMs) => void;
  readonly links: WayTrialsParts['links'] & Pick<IdleAskingParts, 'isCounted'>;
}

/** Of the attempts at the address of a suspended session the first is made, then these, and then one of so many: the others only ask over the session. */
const earlyHandshakes: ReadonlySet<number> = new Set([4, 8]);
const attemptsPerHandshake = 16;

/** The session with a peer. */
interface Standing {
  readonly session: SessionId;
  suspended: boolean;
  /** Attempts at its own address since it was suspended. */
  attempts: number;
}

/** The peers of one node. */
export class Peers {
  readonly #parts: PeersParts;
  readonly #standingByPeer = new Map<NodeId, Standing>();
  readonly #addressBySession = new Map<SessionId, string>();
  /** Handshakes with members that are under way. */
  readonly #diallingBySession = new Map<SessionId, { readonly peer: NodeId; readonly address: string }>();
  /** Stream connections that are being opened for members. */
  readonly #peerByDialling = new Map<string, NodeId>();
  /** Sessions that this end dialled. */
  readonly #initiated = new Set<SessionId>();
  /** Sessions over circuits. */
  readonly #carried = new Set<SessionId>();
  readonly #trials: WayTrials;
  readonly #idle: IdleAsking;

  constructor(parts: PeersParts) {
    this.#parts = parts;
    const { contacts, endpoint, dial, links } = parts;
    this.#trials = new WayTrials({ addresses: (peer) => contacts.addresses(peer), endpoint, dial, links });
    this.#idle = new IdleAsking({
      endpoint,
      isHeard: (peer) => this.isHeard(peer),
      isCounted: (peer, path) => links.isCounted(peer, path),
    });
  }

  /** Peers with which a session stands, and the sessions. */
  get sessions(): ReadonlyMap<NodeId, SessionId> {
    return new Map([...this.#standingByPeer].map(([peer, { session }]) => [peer, session]));
  }

  /** True when a session with the peer stands and it is not silent, and nobody is in between. */
  isHeard(peer: NodeId): boolean {
    const standing = this.#standingByPeer.get(peer);
    return standing?.suspended === false && !this.#carried.has(standing.session);
  }

  /** The same whatever is in between. */
  hears(peer: NodeId): boolean {
    return this.#standingByPeer.get(peer)?.suspended === false;
  }

  /** True when a session with the peer stands, silent or not. */
  hasSession(peer: NodeId): boolean {
    return this.#standingByPeer.has(peer);
  }

  /** True for a session over a circuit. */
  isCarried(session: SessionId): boolean {
    return this.#carried.has(session);
  }

  /** True for a session that this end dialled. */
  hasDialled(session: SessionId): boolean {
    return this.#initiated.has(session);
  }

  /** Sessions whose peers are not heard at the moment. */
  get suspended(): SessionId[] {
    return [...this.#standingByPeer.values()].flatMap(({ session, suspended }) => (suspended ? [session] : []));
  }

  /** Keeps trying to hold a session with a member at these addresses. */
  add(peer: NodeId, addresses: readonly string[], now: MonotonicMs): void {
    this.#parts.contacts.add(peer, addresses, now);
  }

  /** Does not try a peer any more. */
  remove(peer: NodeId): void {
    this.#parts.contacts.remove(peer);
  }

  /** Something in the surroundings changed: peers that are not heard are tried at once. */
  hint(now: MonotonicMs): void {
    for (const standing of this.#standingByPeer.values()) standing.attempts = 0;
    this.#parts.contacts.hint({ has: (peer) => this.isHeard(peer) }, now);
  }

  /** When a peer can be reached was declared anew. */
  windowsChanged(peer: NodeId, now: MonotonicMs): void {
    this.#parts.contacts.windowsChanged(peer, this.isHeard(peer), now);
  }

  /** Begins the attempts that are due, and compares the ways to a peer that has several. */
  attemptDue(now: Moment): void {
    for (const { peer, address } of this.#parts.contacts.due(now.monotonicMs)) this.#attempt(peer, address, now);
    this.#trials.wake(now);
    this.#idle.wake(now);
  }

  /** Tries a peer at an address where it was seen, unless it is heard already. An earlier attempt there ends. */
  tryAt(peer: NodeId, address: string, now: Moment): void {
    if (this.isHeard(peer) || this.#peerByDialling.has(address)) return;
    for (const [session, dialling] of this.#diallingBySession)
      if (dialling.peer === peer && dialling.address === address) this.#stop(session, now);
    this.#attempt(peer, address, now);
  }

  /** Remembers where a session was dialled, for one that this machine did not dial itself. */
  dialledAt(session: SessionId, address: string): void {
    this.#addressBySession.set(session, address);
  }

  /** A stream connection to this address stands. */
  handleDialled(address: string, path: string, now: Moment): void {
    if (this.#trials.handleDialled(address, path, now)) return;
    const peer = this.#peerByDialling.get(address);
    this.#peerByDialling.delete(address);
    if (peer !== undefined && !this.isHeard(peer)) this.#connect(peer, path, 'stream', address, now);
  }

  handleDialFailed(address: string, now: Moment): void {
    if (this.#trials.handleDialFailed(address, now.monotonicMs)) return;
    const peer = this.#peerByDialling.get(address);
    this.#peerByDialling.delete(address);
    if (peer === undefined) return;
    this.#parts.contacts.failed(peer, now.monotonicMs);
    this.#parts.attemptFailed(peer, address, now.monotonicMs);
  }

  /** A handshake succeeded, on this path. */
  handleEstablished(session: SessionId, role: 'initiator' | 'responder', path: string): void {
    if (role === 'initiator') this.#initiated.add(session);
    if (isCircuitPath(path)) this.#carried.add(session);
    if (role === 'responder' && isCircuitPath(path)) this.#addressBySession.set(session, circuitLink);
    else if (role === 'responder' && !isStreamAddress(path)) this.#addressBySession.set(session, path);
    this.#diallingBySession.delete(session);
  }

  /** A session is known to be with this member from now on, and other attempts at it end. Gives where it was reached, and the session that stood before and is to be closed. */
  begin(session: SessionId, peer: NodeId, now: Moment): { readonly address: string | undefined; readonly previous: SessionId | undefined } {
    const previous = this.#standingByPeer.get(peer)?.session;
    this.#standingByPeer.set(peer, { session, suspended: false, attempts: 0 });
    const address = this.#addressBySession.get(session);
    if (this.#carried.has(session)) return { address, previous: previous === session ? undefined : previous };
    for (const [other, dialling] of this.#diallingBySession) if (dialling.peer === peer) this.#stop(other, now);
    if (address !== undefined && !isStreamAddress(address)) this.#parts.contacts.heard(peer, address);
    this.#parts.contacts.connected(peer);
    if (address !== undefined && this.#initiated.has(session)) {
      this.#trials.begin(session, peer, address, now.monotonicMs);
      this.#idle.begin(session, peer, address, now.monotonicMs);
    }
    return { address, previous: previous === session ? undefined : previous };
  }

  /** The peer is not heard any more: it is tried again, beside the session. */
  handleSuspended(peer: NodeId, now: Moment): void {
    const standing = this.#standingByPeer.get(peer);
    if (standing !== undefined) {
      standing.suspended = true;
      standing.attempts = 0;
      this.#trials.suspended(standing.session, now);
    }
    if (standing === undefined || !this.#carried.has(standing.session)) this.#parts.contacts.failed(peer, now.monotonicMs);
  }

  handleResumed(peer: NodeId, now: Moment): void {
    const standing = this.#standingByPeer.get(peer);
    if (standing !== undefined) {
      standing.suspended = false;
      this.#trials.resumed(standing.session);
      if (this.#initiated.has(standing.session)) this.#idle.resumed(standing.session, peer, now.monotonicMs);
    }
    if (standing !== undefined && this.#carried.has(standing.session)) return;
    for (const [session, dialling] of this.#diallingBySession) if (dialling.peer === peer) this.#stop(session, now);
    this.#parts.contacts.connected(peer);
  }

  /** A session, or the attempt at one, has ended. Gives the peer with which it stood. */
  handleClosed(session: SessionId, now: Moment): NodeId | undefined {
    const { contacts, attemptFailed } = this.#parts;
    const dialling = this.#diallingBySession.get(session);
    this.#diallingBySession.delete(session);
    this.#addressBySession.delete(session);
    this.#initiated.delete(session);
    const isCarried = this.#carried.delete(session);
    this.#trials.end(session);
    this.#idle.end(session);
    if (dialling !== undefined) attemptFailed(dialling.peer, dialling.address, now.monotonicMs);
    if (dialling !== undefined && !this.isHeard(dialling.peer)) contacts.failed(dialling.peer, now.monotonicMs);
    for (const [peer, standing] of this.#standingByPeer) {
      if (standing.session !== session) continue;
      this.#standingByPeer.delete(peer);
      if (!isCarried) contacts.failed(peer, now.monotonicMs);
      return peer;
    }
    return undefined;
  }

  nextDeadline(): Deadline | undefined {
    return earliest(earliest(this.#parts.contacts.nextDeadline(), this.#trials.nextDeadline()), this.#idle.nextDeadline());
  }

  #attempt(peer: NodeId, address: string, now: Moment): void {
    const { contacts, membership, dial } = this.#parts;
    if (this.isHeard(peer)) return;
    if (
      membership.member(peer) === undefined ||
      membership.secret === undefined ||
      this.#isQuiet(peer, address, now) ||
      this.#asks(peer, address, now)
    ) {
      contacts.failed(peer, now.monotonicMs);
    } else if (isStreamAddress(address)) {
      this.#peerByDialling.set(address, peer);
      dial(address);
    } else {
      this.#connect(peer, address, 'datagram', address, now);
    }
  }

  /** The peer asked for silence by this way: it has no bytes left there. */
  #isQuiet(peer: NodeId, address: string, now: Moment): boolean {
    const standing = this.#standingByPeer.get(peer);
    const { endpoint } = this.#parts;
    const path = standing && endpoint.path(standing.session);
    return (
      standing !== undefined && path !== undefined && linkOfPath(path) === linkOfPath(address) && endpoint.isQuiet(standing.session, now)
    );
  }

  /** Asks over the session that stands, if it is at this address. True when that is enough, as it is not the turn of a handshake. */
  #asks(peer: NodeId, address: string, now: Moment): boolean {
    const standing = this.#standingByPeer.get(peer);
    const { endpoint } = this.#parts;
    if (standing === undefined || endpoint.path(standing.session) !== address) return false;
    const attempt = standing.attempts++;
    if (attempt % attemptsPerHandshake === 0 || earlyHandshakes.has(attempt)) return false;
    endpoint.ping(standing.session, now);
    return true;
  }

  #connect(peer: NodeId, path: string, kind: 'datagram' | 'stream', address: string, now: Moment): void {
    const { membership, endpoint } = this.#parts;
    const member = membership.member(peer);
    const { secret } = membership;
    if (member === undefined || secret === undefined) return;
    const session = endpoint.connect({ path, kind, remoteStatic: member.channelKey, secret }, now);
    this.#addressBySession.set(session, address);
    this.#diallingBySession.set(session, { peer, address });
  }

  /** Ends an attempt that nobody needs any more: it did not fail. */
  #stop(session: SessionId, now: Moment): void {
    this.#diallingBySession.delete(session);
    this.#parts.endpoint.close(session, 'not needed any more', now);
  }
}
