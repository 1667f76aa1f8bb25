import { equalBytes } from '../core/bytes.ts';
import type { NodeId } from '../core/identifiers.ts';
import type { Fault } from '../core/outcome.ts';
import { type Deadline, later, type MonotonicMs } from '../core/time.ts';
import type { Crypto } from '../ports/crypto.ts';
import type { SessionId } from '../session/endpoint.ts';
import type { Message } from '../session/messages.ts';
import { joinProofBytes } from './admission.ts';
import { addressOfCarrier, isStreamAddress } from './circuit-path.ts';
import type { Identity } from './identity.ts';
import { type Invite, inviteKeys, passKeys } from './invite.ts';
import type { Membership } from './membership.ts';
import type { NodeEvent } from './node-event.ts';

/**
 * Joining a team with an invite: the invite's addresses are tried in turn, with a growing pause, until one answers; the node proves who it is, and is handed the team's founding statement and secret.
 *
 * An answer shows that somebody has the invite's secret, which is anybody the code was shown to. So the node that answered is not taken for the member it says it is before the team's log has
 * come, which binds a session key to every member. What was adopted until then is given up again if the keys differ.
 *
 * An invite that has expired is met with silence, exactly like a node that is switched off, so nothing but time can tell them apart: joining goes on, and says after every round how it went.
 */

/** What to do. */
export type JoiningOutput =
  /** Open a stream connection; answered by `handleDialled` or `handleDialFailed`. With a pass it leads through a member that is no coordinator. */
  | { readonly type: 'dial'; readonly address: string; readonly pass?: { readonly tag: Uint8Array; readonly key: Uint8Array } }
  /** Begin a handshake with the invite; answered at once by `connecting`. */
  | {
      readonly type: 'connect';
      readonly path: string;
      readonly kind: 'datagram' | 'stream';
      readonly address: string;
      readonly secret: Uint8Array;
      readonly tag: Uint8Array;
    }
  | { readonly type: 'say'; readonly session: SessionId; readonly message: Message }
  /** Talk with this member from now on, and remember where it is. */
  | { readonly type: 'begin'; readonly session: SessionId; readonly peer: NodeId; readonly addresses: readonly string[] }
  /** The member was none: forget where it is. */
  | { readonly type: 'forget'; readonly peer: NodeId }
  /** Nothing more has come of it for a while: see whether the other end is still there, and end the session when it is not. */
  | { readonly type: 'doubt'; readonly session: SessionId }
  | { readonly type: 'close'; readonly session: SessionId; readonly reason: string }
  | { readonly type: 'report'; readonly event: NodeEvent };

/** What joining reads and writes. */
export interface JoiningParts {
  readonly identity: Identity;
  readonly nodeName: () => string;
  readonly crypto: Crypto;
  readonly membership: Membership;
}

/** The pause after an attempt: doubled with every one, up to the longest. */
const firstPauseMs = 500;
const longestPauseMs = 30_000;
/** How long the inviting node may take for each step before it is asked whether it is still there: it may have lost its power, and knows nothing of the session then. */
const doubtMs = 30_000;

interface Join {
  readonly invite: Invite;
  /** Addresses tried so far. */
  attempts: number;
  /** When to try the next address; absent while one is being tried. */
  dueAt?: MonotonicMs;
  /** Stream connection that is being opened. */
  dialling?: string;
  /** Session by which the inviting node is being asked, from the first packet of its handshake on. */
  session?: SessionId;
  /** When to ask whether the other end of the session is still there, from its handshake on. */
  doubtAt?: MonotonicMs;
  /** X25519 key of the session's other end, once its handshake has succeeded. */
  remoteStatic?: Uint8Array;
  /** The member that the welcoming node says it is. From then on the team is adopted. */
  inviter?: NodeId;
}

/** The joining half of joining. A machine; idle but for the time between `start` and a `joined` or `join-failed` report. */
export class Joining {
  readonly #parts: JoiningParts;
  readonly #outputs: JoiningOutput[] = [];
  #join: Join | undefined;

  constructor(parts: JoiningParts) {
    this.#parts = parts;
  }

  /** Joins with this invite from now on, instead of any other. */
  start(invite: Invite, now: MonotonicMs): void {
    if (this.#join !== undefined) this.#give();
    this.#join = { invite, attempts: 0, dueAt: now };
  }

  /** Gives up, for this reason. */
  stop(fault: Fault): void {
    if (this.#join !== undefined) this.#fail(fault);
  }

  /** Something in the surroundings changed: the next attempt is made at once. */
  hint(now: MonotonicMs): void {
    if (this.#join?.dueAt !== undefined) this.#join.dueAt = now;
  }

  /** True when this session is an attempt of this machine's, or what became of one. */
  owns(session: SessionId): boolean {
    return this.#join?.session === session;
  }

  /** Makes the attempt that is due. */
  wake(now: MonotonicMs): void {
    const join = this.#join;
    if (join?.session !== undefined && join.doubtAt !== undefined && join.doubtAt <= now) {
      join.doubtAt = later(now, doubtMs);
      this.#outputs.push({ type: 'doubt', session: join.session });
    }
    if (join?.dueAt === undefined || join.dueAt > now) return;
    delete join.dueAt;
    const { addresses } = join.invite;
    const address = addresses[join.attempts % addresses.length];
    if (address === undefined) {
      this.#fail({
        code: 'INVITE_WITHOUT_ADDRESS',
        blame: 'caller',
        message: 'The invite names no address; ask for one made while the inviting node is listening.',
      });
      return;
    }
    join.attempts++;
    if (isStreamAddress(address)) {
      join.dialling = address;
      const pass = passKeys(join.invite.secret, this.#parts.crypto.hmacSha256);
      this.#outputs.push({ type: 'dial', address, ...(addressOfCarrier(address) === undefined ? {} : { pass }) });
    } else {
      this.#connect(join, address, 'datagram', address);
    }
  }

  nextDeadline(): Deadline | undefined {
    const { dueAt, doubtAt } = this.#join ?? {};
    if (dueAt !== undefined) return { at: dueAt, reason: 'try to join again' };
    return doubtAt === undefined ? undefined : { at: doubtAt, reason: 'is the inviting node still there' };
  }

  /** The next output, until `undefined`. */
  poll(): JoiningOutput | undefined {
    return this.#outputs.shift();
  }

  /** A stream connection stands. False when it was not dialled from here. */
  handleDialled(address: string, path: string): boolean {
    const join = this.#join;
    if (join?.dialling !== address) return false;
    delete join.dialling;
    this.#connect(join, path, 'stream', address);
    return true;
  }

  /** A stream connection could not be opened. False when it was not dialled from here. */
  handleDialFailed(address: string, message: string, now: MonotonicMs): boolean {
    const join = this.#join;
    if (join?.dialling !== address) return false;
    delete join.dialling;
    this.#attemptFailed(join, { code: 'DIAL_FAILED', blame: 'peer', message }, now);
    return true;
  }

  /** The session that answers the last `connect`. */
  connecting(session: SessionId): void {
    if (this.#join !== undefined) this.#join.session = session;
  }

  /** The handshake of a session that this machine owns has succeeded. */
  handleEstablished(session: SessionId, handshakeHash: Uint8Array, remoteStatic: Uint8Array, now: MonotonicMs): void {
    const join = this.#join;
    if (join?.session !== session) return;
    join.doubtAt = later(now, doubtMs);
    join.remoteStatic = remoteStatic;
    const { identity, crypto, nodeName } = this.#parts;
    const proof = crypto.ed25519Sign(identity.signingKey, joinProofBytes(handshakeHash));
    this.#outputs.push({
      type: 'say',
      session,
      message: { type: 'join', node: identity.node, name: nodeName(), binding: identity.binding, proof },
    });
  }

  handleWelcome(session: SessionId, message: Extract<Message, { type: 'welcome' }>): void {
    const join = this.#join;
    if (join?.session !== session) return;
    const adopted = this.#parts.membership.adopt(message.founding, message.secret, join.invite.team);
    if (!adopted.ok) {
      this.#fail(adopted.fault);
      return;
    }
    join.inviter = message.member;
    // Before the first word with it, as far as the founding statement and what an earlier attempt brought can tell.
    const addresses = join.invite.addresses.filter((each) => addressOfCarrier(each) === undefined);
    if (!this.#exposeInviter(join)) this.#outputs.push({ type: 'begin', session, peer: message.member, addresses });
    this.teamChanged();
  }

  handleRefused(session: SessionId, message: Extract<Message, { type: 'refused' }>): void {
    if (this.#join?.session === session) this.#fail({ code: message.code, blame: 'caller', message: message.message });
  }

  /** A session has ended. Whatever had come of it, the inviting node is asked again: the same node may use its invite again. */
  handleClosed(session: SessionId, fault: Fault, now: MonotonicMs): void {
    const join = this.#join;
    if (join?.session !== session) return;
    delete join.session;
    delete join.doubtAt;
    delete join.remoteStatic;
    this.#attemptFailed(join, fault, now);
  }

  /** The team's log has more to say about its members. */
  teamChanged(): void {
    const join = this.#join;
    const { membership, identity } = this.#parts;
    if (join === undefined || membership.team !== join.invite.team || this.#exposeInviter(join)) return;
    const inviterOpen = join.remoteStatic !== undefined && join.inviter !== undefined && membership.member(join.inviter) === undefined;
    if (inviterOpen || membership.member(identity.node) === undefined) return;
    // Another member may have brought the log while this one was still being asked.
    if (join.session !== undefined && join.inviter === undefined)
      this.#outputs.push({ type: 'close', session: join.session, reason: 'joined' });
    this.#join = undefined;
    this.#outputs.push({ type: 'report', event: { type: 'joined', team: join.invite.team } });
  }

  /** Ends joining if the team's log says that the member the other end claims to be has another key. True when it does. */
  #exposeInviter(join: Join): boolean {
    const { inviter, remoteStatic } = join;
    if (inviter === undefined || remoteStatic === undefined) return false;
    const member = this.#parts.membership.member(inviter);
    if (member === undefined || equalBytes(member.channelKey, remoteStatic)) return false;
    this.#fail({
      code: 'INVITER_INVALID',
      blame: 'peer',
      message: 'The node that answered the invite is not the member it says it is; ask for a new invite by another way.',
    });
    return true;
  }

  #connect(join: Join, path: string, kind: 'datagram' | 'stream', address: string): void {
    const { psk, tag } = inviteKeys(join.invite.secret, this.#parts.crypto.hmacSha256);
    this.#outputs.push({ type: 'connect', path, kind, address, secret: psk, tag });
  }

  #attemptFailed(join: Join, fault: Fault, now: MonotonicMs): void {
    join.dueAt = later(now, Math.min(firstPauseMs * 2 ** join.attempts, longestPauseMs));
    const { length } = join.invite.addresses;
    if (join.attempts % length === 0)
      this.#outputs.push({ type: 'report', event: { type: 'joining', attempt: join.attempts / length, fault } });
  }

  #fail(fault: Fault): void {
    this.#give();
    this.#outputs.push({ type: 'report', event: { type: 'join-failed', fault } });
  }

  /** Leaves no trace of what was tried. */
  #give(): void {
    const join = this.#join;
    this.#join = undefined;
    if (join?.session !== undefined) this.#outputs.push({ type: 'close', session: join.session, reason: 'joining ended' });
    if (join?.inviter === undefined) return;
    this.#parts.membership.abandon();
    this.#outputs.push({ type: 'forget', peer: join.inviter });
  }
}
