import { shortName } from '../core/identifiers.ts';
import type { Fault } from '../core/outcome.ts';
import type { Moment, MonotonicMs } from '../core/time.ts';
import type { CircuitReason } from '../mesh/circuit-wire.ts';
import type { CircuitId, Circuits } from '../mesh/circuits.ts';
import type { EndpointOutput, SessionEndpoint, SessionId } from '../session/endpoint.ts';
import { circuitPath, isStreamAddress } from './circuit-path.ts';
import type { Membership } from './membership.ts';
import type { Newcomers } from './newcomers.ts';
import type { Peers } from './peers.ts';

/**
 * Joining through a member that cannot admit anybody: both sides of letting a newcomer through to the coordinator that invited it.
 *
 * The invite's secret gives a *pass*, which the coordinator has put into the team's log. By it the newcomer and any member who has that log make a session that is good for one thing: one circuit, and that leads to
 * the coordinator. Over it the newcomer makes the handshake with the invite, which the member on the way cannot read and could not make itself. Once the newcomer knows from the team's log whom it came through, that
 * member is a contact like any other.
 */

/** What visits work with. */
export interface CircuitVisitsParts {
  readonly membership: Membership;
  readonly endpoint: Pick<SessionEndpoint, 'connect' | 'close' | 'handle'>;
  readonly peers: Pick<Peers, 'add'>;
  readonly newcomers: Pick<Newcomers, 'handleDialled' | 'handleDialFailed'>;
  readonly circuits: Circuits<SessionId>;
  readonly dial: (address: string) => void;
}

/** The way of this node to the coordinator that invited it. */
interface Visit {
  /** As the invite has it, and without `via:`. */
  readonly address: string;
  readonly carrier: string;
  readonly pass: { readonly tag: Uint8Array; readonly key: Uint8Array };
  session?: SessionId;
  /** X25519 key of the member that lets us through. */
  remoteStatic?: Uint8Array;
  circuit?: CircuitId;
  /** The newcomers have been told how it went. */
  isAnswered: boolean;
}

/** Visits of one node: as one who is let through, and as one who lets through. */
export class CircuitVisits {
  readonly #parts: CircuitVisitsParts;
  #visit: Visit | undefined;

  constructor(parts: CircuitVisitsParts) {
    this.#parts = parts;
  }

  /** Reaches for the coordinator through the member at `carrier`, for the newcomers, who know it as `address`. */
  dial(address: string, carrier: string, pass: Visit['pass'], now: Moment): void {
    const before = this.#visit?.session;
    this.#visit = { address, carrier, pass, isAnswered: false };
    if (before !== undefined) this.#parts.endpoint.close(before, 'not needed any more', now);
    if (isStreamAddress(carrier)) this.#parts.dial(carrier);
    else this.#connect(this.#visit, carrier, 'datagram', now);
  }

  /** A stream connection stands. False when it was not dialled from here. */
  handleDialled(carrier: string, path: string, now: Moment): boolean {
    const visit = this.#visit;
    if (visit?.carrier !== carrier || visit.session !== undefined || visit.isAnswered) return false;
    this.#connect(visit, path, 'stream', now);
    return true;
  }

  /** A stream connection could not be opened. False when it was not dialled from here. */
  handleDialFailed(carrier: string, message: string, now: Moment): boolean {
    const visit = this.#visit;
    if (visit?.carrier !== carrier || visit.session !== undefined || visit.isAnswered) return false;
    this.#fail(visit, message, now);
    return true;
  }

  /** A handshake succeeded. True when it was made with a pass. */
  handleEstablished({ session, remoteStatic, inviteTag }: Established, now: Moment): boolean {
    const { membership, circuits } = this.#parts;
    const visit = this.#visit;
    if (visit?.session === session) {
      visit.remoteStatic = remoteStatic;
      circuits.begin(session, now.monotonicMs);
      const circuit = circuits.open(session, [], now.monotonicMs);
      if (circuit === undefined) this.#fail(visit, 'there are too many circuits already', now);
      else visit.circuit = circuit;
      return true;
    }
    const pass = inviteTag === undefined ? undefined : membership.pass(inviteTag, now.wallMs);
    if (pass === undefined) return false;
    circuits.begin(session, now.monotonicMs, shortName(pass.coordinator));
    return true;
  }

  /** The far end has taken a circuit. False when it is none that this node visits by. */
  handleOpened(circuit: CircuitId, now: Moment): boolean {
    const visit = this.#visit;
    if (visit === undefined || visit.circuit !== circuit) return false;
    const path = circuitPath(circuit);
    this.#parts.endpoint.handle({ type: 'path-opened', path, kind: 'stream' }, now);
    visit.isAnswered = true;
    this.#parts.newcomers.handleDialled(visit.address, path);
    return true;
  }

  /** A circuit is no more. */
  handleEnded(circuit: CircuitId, reason: CircuitReason, now: Moment): void {
    const visit = this.#visit;
    if (visit?.circuit === circuit) this.#fail(visit, `the way through ended: ${reason}`, now);
  }

  /** A session, or the attempt at one, has ended. */
  handleClosed(session: SessionId, fault: Fault, now: Moment): void {
    const visit = this.#visit;
    if (visit?.session !== session) return;
    delete visit.session;
    this.#fail(visit, fault.message, now);
  }

  /** The team has other members than before: whoever lets us through may be known by now, and we to it. */
  membersChanged(now: MonotonicMs): void {
    const { membership, peers } = this.#parts;
    const visit = this.#visit;
    const carrier = visit?.remoteStatic === undefined ? undefined : membership.memberByKey(visit.remoteStatic);
    if (visit === undefined || carrier === undefined) return;
    delete visit.remoteStatic;
    peers.add(carrier.node, [visit.carrier], now);
  }

  #connect(visit: Visit, path: string, kind: 'datagram' | 'stream', now: Moment): void {
    const { tag, key } = visit.pass;
    visit.session = this.#parts.endpoint.connect({ path, kind, secret: key, invite: { tag } }, now);
  }

  #fail(visit: Visit, message: string, now: Moment): void {
    if (visit.isAnswered) return;
    visit.isAnswered = true;
    if (visit.session !== undefined) this.#parts.endpoint.close(visit.session, 'not needed any more', now);
    this.#parts.newcomers.handleDialFailed(visit.address, message, now.monotonicMs);
  }
}

type Established = Pick<Extract<EndpointOutput, { type: 'established' }>, 'session' | 'remoteStatic' | 'inviteTag'>;
