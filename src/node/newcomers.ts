import type { NodeId } from '../core/identifiers.ts';
import type { Fault } from '../core/outcome.ts';
import type { Deadline, Moment, MonotonicMs } from '../core/time.ts';
import type { EndpointOutput, SessionEndpoint, SessionId } from '../session/endpoint.ts';
import { encodeMessage, type Message } from '../session/messages.ts';
import { Admission } from './admission.ts';
import type { Invite } from './invite.ts';
import { Joining, type JoiningOutput, type JoiningParts } from './joining.ts';
import type { MembershipOperation } from './membership.ts';
import type { NodeEvent } from './node-event.ts';
import type { Peers } from './peers.ts';

/**
 * Both halves of an invite among the other machines of a node: `joining.ts` asks, `admission.ts` answers, and what they decide is carried out here. Sessions with one who is no member yet are theirs until `begin`.
 */

/** What both halves work with. */
export interface NewcomersParts extends JoiningParts {
  readonly endpoint: Pick<SessionEndpoint, 'connect' | 'close' | 'heardAt' | 'ping' | 'sendMessage'>;
  readonly peers: Pick<Peers, 'add' | 'remove' | 'dialledAt'>;
  /** Opens a connection to an address of an invite; answered by `handleDialled` or `handleDialFailed`. */
  readonly dial: (dial: Extract<JoiningOutput, { type: 'dial' }>) => void;
  /** A session is known to be with this member from now on. */
  readonly begin: (session: SessionId, peer: NodeId) => void;
  /** Writes an operation into the team's log. */
  readonly append: (operation: MembershipOperation) => void;
  readonly report: (event: NodeEvent) => void;
}

/** An inviting node that was not heard for so long is asked anew: it may have lost its power, and this session with it. */
const unheardMsMax = 120_000;

/** Those who join, and those who let them. Part of the engine's turns. */
export class Newcomers {
  readonly #parts: NewcomersParts;
  readonly #joining: Joining;
  readonly #admission: Admission;

  constructor(parts: NewcomersParts) {
    this.#parts = parts;
    this.#joining = new Joining(parts);
    this.#admission = new Admission(parts.identity, parts.crypto, parts.membership);
  }

  /** Joins with this invite from now on. */
  start(invite: Invite, now: MonotonicMs): void {
    this.#joining.start(invite, now);
  }

  /** Gives up joining, for this reason. */
  stop(fault: Fault): void {
    this.#joining.stop(fault);
  }

  /** Something in the surroundings changed: the next attempt is made at once. */
  hint(now: MonotonicMs): void {
    this.#joining.hint(now);
  }

  /** The team's log has more to say about its members. */
  teamChanged(): void {
    this.#joining.teamChanged();
  }

  /** Makes the attempt that is due, and does what was decided. */
  wake(now: Moment): void {
    this.#joining.wake(now.monotonicMs);
    this.#carryOut(now);
  }

  nextDeadline(): Deadline | undefined {
    return this.#joining.nextDeadline();
  }

  /** A connection stands. False when it was not dialled from here. */
  handleDialled(address: string, path: string): boolean {
    return this.#joining.handleDialled(address, path);
  }

  /** A connection could not be opened. False when it was not dialled from here. */
  handleDialFailed(address: string, message: string, now: MonotonicMs): boolean {
    return this.#joining.handleDialFailed(address, message, now);
  }

  /** A handshake succeeded. False when it is none with an invite. */
  handleEstablished({ session, handshakeHash, remoteStatic, inviteTag }: Established, now: Moment): boolean {
    if (this.#joining.owns(session)) {
      this.#joining.handleEstablished(session, handshakeHash, remoteStatic, now.monotonicMs);
      this.#carryOut(now);
    } else if (inviteTag !== undefined) this.#admission.handleEstablished(session, { handshakeHash, remoteStatic, inviteTag });
    else return false;
    return true;
  }

  handleClosed(session: SessionId, fault: Fault, now: Moment): void {
    this.#admission.handleClosed(session);
    this.#joining.handleClosed(session, fault, now.monotonicMs);
    this.#carryOut(now);
  }

  /** Somebody who is not known to be a member says something. */
  handleMessage(session: SessionId, message: Message, now: Moment): void {
    if (message.type === 'join') this.#admit(session, message, now);
    else if (message.type === 'welcome') this.#joining.handleWelcome(session, message);
    else if (message.type === 'refused') this.#joining.handleRefused(session, message);
  }

  #carryOut(now: Moment): void {
    const { endpoint, peers, dial, begin, report } = this.#parts;
    for (let output = this.#joining.poll(); output !== undefined; output = this.#joining.poll()) {
      switch (output.type) {
        case 'dial':
          dial(output);
          break;
        case 'connect': {
          const { path, kind, address, secret, tag } = output;
          const session = endpoint.connect({ path, kind, secret, invite: { tag } }, now);
          peers.dialledAt(session, address);
          this.#joining.connecting(session);
          break;
        }
        case 'say':
          this.#say(output.session, output.message, now);
          break;
        case 'begin':
          peers.add(output.peer, output.addresses, now.monotonicMs);
          begin(output.session, output.peer);
          break;
        case 'forget':
          peers.remove(output.peer);
          break;
        case 'doubt':
          if (now.monotonicMs - (endpoint.heardAt(output.session) ?? -Infinity) < unheardMsMax) endpoint.ping(output.session, now);
          else endpoint.close(output.session, 'the inviting node is not heard', now);
          break;
        case 'close':
          endpoint.close(output.session, output.reason, now);
          break;
        case 'report':
          report(output.event);
          break;
      }
    }
  }

  #admit(session: SessionId, message: Extract<Message, { type: 'join' }>, now: Moment): void {
    const { append, begin, report } = this.#parts;
    const decision = this.#admission.handleJoin(session, message, now.wallMs);
    if (decision?.type === 'refuse') {
      this.#say(session, decision.refusal, now);
      if (decision.fault !== undefined) report({ type: 'fault', peer: undefined, fault: decision.fault });
    } else if (decision?.type === 'admit') {
      if (decision.operation !== undefined) append(decision.operation);
      this.#say(session, decision.welcome, now);
      begin(session, decision.node);
    }
  }

  #say(session: SessionId, message: Message, now: Moment): void {
    if (!this.#parts.endpoint.sendMessage(session, 'critical', encodeMessage(message), now))
      this.#parts.endpoint.close(session, 'message queue full', now);
  }
}

type Established = Pick<Extract<EndpointOutput, { type: 'established' }>, 'session' | 'handshakeHash' | 'remoteStatic' | 'inviteTag'>;
