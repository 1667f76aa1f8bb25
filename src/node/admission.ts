import { concatBytes, utf8 } from '../core/bytes.ts';
import { identifierToBytes, type NodeId } from '../core/identifiers.ts';
import type { Fault } from '../core/outcome.ts';
import type { WallMs } from '../core/time.ts';
import type { Crypto } from '../ports/crypto.ts';
import type { SessionId } from '../session/endpoint.ts';
import type { Message } from '../session/messages.ts';
import { type Identity, verifyBinding } from './identity.ts';
import type { Membership, MembershipOperation } from './membership.ts';

/**
 * The inviting side of joining. A handshake with an invite's secret says that somebody has the code, not who; the newcomer then says which node it is, and proves it twice: its signature over this
 * handshake shows that it holds the node's key now, and the binding shows that the node vouches for the key of this session, under which the team will know it from then on.
 *
 * Only then is the invite used up, so a proof that fails costs nobody an invite.
 */

/** A handshake with an invite that succeeded. */
export interface Arrival {
  /** 32 bytes that name the handshake at both ends. */
  readonly handshakeHash: Uint8Array;
  /** X25519 key that the newcomer has proven to hold. */
  readonly remoteStatic: Uint8Array;
  readonly inviteTag: Uint8Array;
}

/** What to do with a newcomer: admit it (the operation, if it is not a member yet, goes into the team's log before the welcome is said), or say no. */
export type AdmissionDecision =
  | {
      readonly type: 'admit';
      readonly node: NodeId;
      readonly operation: Extract<MembershipOperation, { type: 'member' }> | undefined;
      readonly welcome: Extract<Message, { type: 'welcome' }>;
    }
  /** `fault` is there when the newcomer broke the protocol and the owner should hear of it. */
  | { readonly type: 'refuse'; readonly refusal: Extract<Message, { type: 'refused' }>; readonly fault?: Fault };

const joinDomain = utf8('godwit join 1\0');

/** What a joining node signs with its node key: bound to one handshake, so it proves nothing in another. */
export function joinProofBytes(handshakeHash: Uint8Array): Uint8Array {
  return concatBytes(joinDomain, handshakeHash);
}

/** Admits newcomers. */
export class Admission {
  readonly #identity: Identity;
  readonly #crypto: Crypto;
  readonly #membership: Membership;
  readonly #arrivalBySession = new Map<SessionId, Arrival>();

  constructor(identity: Identity, crypto: Crypto, membership: Membership) {
    this.#identity = identity;
    this.#crypto = crypto;
    this.#membership = membership;
  }

  /** Somebody with an invite has come; it has not said yet who it is. */
  handleEstablished(session: SessionId, arrival: Arrival): void {
    this.#arrivalBySession.set(session, arrival);
  }

  handleClosed(session: SessionId): void {
    this.#arrivalBySession.delete(session);
  }

  /** The newcomer says who it is. One answer a session: `undefined` when nobody is expected there, or no more. */
  handleJoin(session: SessionId, message: Extract<Message, { type: 'join' }>, wallMs: WallMs): AdmissionDecision | undefined {
    const arrival = this.#arrivalBySession.get(session);
    const { secret, founding } = this.#membership;
    if (arrival === undefined || secret === undefined || founding === undefined) return undefined;
    this.#arrivalBySession.delete(session);
    const { node, name, binding, proof } = message;
    const { handshakeHash, remoteStatic, inviteTag } = arrival;
    const proven = this.#crypto.ed25519Verify(identifierToBytes(node), joinProofBytes(handshakeHash), proof);
    if (!proven || !verifyBinding(this.#crypto, node, remoteStatic, binding)) {
      const fault = {
        code: 'JOIN_INVALID',
        blame: 'peer',
        message: 'The joining node has not proven that it is the node it names, or that this session is its own.',
      } as const;
      return { type: 'refuse', refusal: { type: 'refused', code: fault.code, message: fault.message }, fault };
    }
    const role = this.#membership.redeemInvite(inviteTag, node, wallMs);
    if (role === undefined) {
      const text = 'The invite was used by another node, or has expired; ask for a new one.';
      return { type: 'refuse', refusal: { type: 'refused', code: 'INVITE_USED', message: text } };
    }
    const known = this.#membership.member(node) !== undefined;
    return {
      type: 'admit',
      node,
      operation: known ? undefined : { type: 'member', node, channelKey: remoteStatic, binding, role, name },
      welcome: { type: 'welcome', founding, secret, member: this.#identity.node },
    };
  }
}
