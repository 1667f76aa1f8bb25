import { equalBytes, utf8 } from '../core/bytes.ts';
import type { NodeId } from '../core/identifiers.ts';
import { failure, type Outcome, success } from '../core/outcome.ts';
import { type Deadline, later, type MonotonicMs } from '../core/time.ts';
import type { Crypto, KeyPair } from '../ports/crypto.ts';
import type { Entropy } from '../ports/entropy.ts';
import type { PathEstimate } from '../ports/rate-control.ts';
import { decodeEarly, type EarlyExchange, type EarlySpeaker, encodeEarly } from './early-data.ts';
import { linkKindOf, type PathKind, packetLinkBytes } from './ledger.ts';
import { NoiseHandshake } from './noise.ts';
import { type PacketProtection, protectLanes } from './packet-protection.ts';
import {
  type ConnectionId,
  connectionIdBytes,
  encodeHandshakePacket,
  type HandshakePacket,
  handshakeFirstByte,
  joinPaddingBytes,
  joinTagBytes,
} from './packets.ts';
import type { Path } from './session-path.ts';
import { WireReader, WireWriter } from './wire-bytes.ts';

/**
 * Handshakes (the messages are specified in `packets.ts`): one round trip between members of a team, one and a half for a newcomer with an invite.
 *
 * The end that dials repeats its first message until it is answered, at 1, 2, 4 … 30 s: a link of 300 bit/s needs over three seconds to carry it, and copies in a queue only delay
 * the answer. The end that answers keeps its answer for a while and gives the same one to a repetition; it repeats nothing by itself.
 */

/** Who may talk to this node. Asked anew at every handshake, so that what changes counts from the next one on. */
export interface Credentials {
  /** The secrets of the teams this node is in, newest first, 32 bytes each. No more than four are tried. */
  memberSecrets(): readonly Uint8Array[];
  /** The 32-byte secret of an open invite, by the 8-byte tag that the newcomer sent. */
  inviteSecret(tag: Uint8Array): Uint8Array | undefined;
  /** The member with this X25519 key. `undefined`: its handshake is not answered. */
  memberByKey(staticKey: Uint8Array): NodeId | undefined;
}

/** How to reach a peer. */
export interface DialOptions {
  readonly path: Path;
  readonly kind: PathKind;
  /** The peer's X25519 key, 32 bytes; absent when joining with an invite. */
  readonly remoteStatic?: Uint8Array;
  /** A team secret, or with `invite` the secret of the invite. 32 bytes. */
  readonly secret: Uint8Array;
  /** The invite's 8-byte tag. */
  readonly invite?: { readonly tag: Uint8Array };
  /** What is known of the path from earlier. */
  readonly remembered?: PathEstimate;
  /** Early data for a member (`early-data.ts`). */
  readonly early?: Uint8Array;
}

/** What both ends have when a handshake succeeded. */
export interface Agreement {
  readonly remoteConnectionId: ConnectionId;
  /** Of each lane. */
  readonly protections: readonly PacketProtection[];
  readonly remoteStatic: Uint8Array;
  readonly handshakeHash: Uint8Array;
}

/** What an initiator has when it was answered. */
export interface AnsweredDial extends Agreement {
  /** `undefined` when it is not known which attempt was answered. */
  readonly rttMs: number | undefined;
  readonly early: Uint8Array;
  readonly proof?: Uint8Array;
}

/** Secrets of teams that are tried on one message. */
const memberSecretsMax = 4;
const firstRepeatMs = 1000;
const repeatMsMax = 30_000;
/** A handshake that has not come to an end after this long is given up, at either end. */
export const handshakeMsMax = 120_000;

const noBytes = new Uint8Array(0);
/** A member's answer without early data: an ephemeral key, a connection id, a tag. */
const memberReplyMessageBytes = 32 + connectionIdBytes + 16;

function prologueOf(firstByte: number, connectionId: ConnectionId): Uint8Array {
  const name = utf8('godwit');
  const writer = new WireWriter(new Uint8Array(name.length + 1 + connectionIdBytes));
  writer.bytes(name);
  writer.uint(firstByte, 1);
  writer.uint(connectionId, connectionIdBytes);
  return writer.written;
}

function agreementOf(noise: NoiseHandshake, remoteConnectionId: ConnectionId, crypto: Crypto): Agreement {
  return {
    remoteConnectionId,
    protections: protectLanes(noise.split(), crypto),
    remoteStatic: noise.remoteStatic as Uint8Array,
    handshakeHash: noise.handshakeHash,
  };
}

/** The initiator's side of one handshake, until it is answered. */
export class Dial {
  readonly connectionId: ConnectionId;
  readonly options: DialOptions;
  readonly #crypto: Crypto;
  readonly #noise: NoiseHandshake;
  readonly #message: Uint8Array;
  readonly #startedAt: MonotonicMs;
  readonly #sentAt: MonotonicMs[] = [];
  #nextSendAt: MonotonicMs | undefined;
  #bytesSent = 0;
  #refusedVersion: number | undefined;

  constructor(
    connectionId: ConnectionId,
    options: DialOptions,
    own: { readonly localStatic: KeyPair; readonly crypto: Crypto; readonly entropy: Entropy },
    now: MonotonicMs,
  ) {
    this.connectionId = connectionId;
    this.options = options;
    this.#crypto = own.crypto;
    this.#startedAt = now;
    this.#nextSendAt = now;
    const prologue = prologueOf(handshakeFirstByte(this.#type), connectionId);
    const common = { role: 'initiator', prologue, localStatic: own.localStatic, psk: options.secret } as const;
    if (options.invite === undefined) {
      this.#noise = new NoiseHandshake(
        { ...common, pattern: 'IKpsk1', ...(options.remoteStatic === undefined ? {} : { remoteStatic: options.remoteStatic }) },
        own.crypto,
        own.entropy,
      );
      this.#message = this.#noise.writeMessage(options.early ?? noBytes);
    } else {
      this.#noise = new NoiseHandshake({ ...common, pattern: 'XXpsk3' }, own.crypto, own.entropy);
      const payload = new Uint8Array(joinTagBytes + joinPaddingBytes);
      payload.set(options.invite.tag);
      this.#message = this.#noise.writeMessage(payload);
    }
  }

  get #type(): 'memberHello' | 'joinHello' {
    return this.options.invite === undefined ? 'memberHello' : 'joinHello';
  }

  /** Bytes sent so far, headers below them included. */
  get bytesSent(): number {
    return this.#bytesSent;
  }

  /** How often the first message was sent. */
  get attempts(): number {
    return this.#sentAt.length;
  }

  /** Of two nodes that dial each other at the same time, the one with the smaller key insists for its first three attempts. */
  insistsAgainst(remoteStatic: Uint8Array): boolean {
    return this.attempts <= 3 && this.options.remoteStatic !== undefined && equalBytes(remoteStatic, this.options.remoteStatic);
  }

  get deadline(): Deadline {
    const giveUpAt = later(this.#startedAt, handshakeMsMax);
    const at = this.#nextSendAt === undefined || giveUpAt < this.#nextSendAt ? giveUpAt : this.#nextSendAt;
    return { at, reason: 'handshake' };
  }

  /** The first message, when it is time to send it (again) and it takes no more than `allowanceBytes` on the link. What is not allowed is tried again when it would have been repeated. */
  nextPacket(now: MonotonicMs, allowanceBytes = Infinity): Uint8Array | undefined {
    if (this.#refusedVersion !== undefined || this.#nextSendAt === undefined || this.#nextSendAt > now) return undefined;
    const packet = encodeHandshakePacket({
      type: this.#type,
      connectionId: this.connectionId,
      attempt: this.attempts,
      message: this.#message,
    });
    const repeatMs = Math.min(repeatMsMax, Math.max(firstRepeatMs, 2 * (this.options.remembered?.smoothedRttMs ?? 0)) * 2 ** this.attempts);
    // A stream repeats by itself.
    this.#nextSendAt = this.options.kind === 'stream' ? undefined : later(now, repeatMs);
    const onLink = packetLinkBytes(linkKindOf(this.options.kind, this.options.path), packet.length);
    if (onLink > allowanceBytes) return undefined;
    this.#sentAt.push(now);
    this.#bytesSent += onLink;
    return packet;
  }

  /** Why to give up now, if so. A refusal is believed only when no answer came before the next repetition, for anyone can send one. */
  giveUp(now: MonotonicMs): Outcome<void> {
    if (this.#refusedVersion !== undefined && this.#nextSendAt !== undefined && this.#nextSendAt <= now) {
      return failure('VERSION_REFUSED', 'incompatible', `the peer speaks version ${this.#refusedVersion} at most`);
    }
    if (later(this.#startedAt, handshakeMsMax) <= now) return failure('HANDSHAKE_TIMEOUT', 'peer', 'the peer did not answer');
    return success(undefined);
  }

  /** The peer does not speak our version. */
  refused(version: number): void {
    this.#refusedVersion = version;
    this.#nextSendAt ??= this.#startedAt;
  }

  /**
   * Reads the answer. A failed outcome changes nothing: the packet may have been forged, and the right one may follow. `proof` is a last message that the peer must get before it can open
   * anything; `early` is what a member said within the answer.
   */
  answer(packet: HandshakePacket, now: MonotonicMs): Outcome<AnsweredDial> {
    const noise = this.#noise.fork();
    const payload = noise.readMessage(packet.message);
    if (!payload.ok) return payload;
    const reader = new WireReader(payload.value);
    const remoteConnectionId = reader.uint(connectionIdBytes);
    if (remoteConnectionId === undefined) return failure('HANDSHAKE_MALFORMED', 'peer', 'the answer names no connection');
    const sentAt = this.#sentAt[packet.attempt];
    const rttMs = sentAt === undefined ? undefined : now - sentAt;
    if (this.options.invite === undefined) {
      return success({ ...agreementOf(noise, remoteConnectionId, this.#crypto), rttMs, early: reader.rest() });
    }
    const message = noise.writeMessage(noBytes);
    const proof = encodeHandshakePacket({ type: 'joinProof', connectionId: remoteConnectionId, attempt: 0, message });
    return success({ ...agreementOf(noise, remoteConnectionId, this.#crypto), rttMs, early: noBytes, proof });
  }
}

/** An answer that has been given to a first message. */
export interface Answer {
  readonly reply: Uint8Array;
  /** The initiator's connection id. */
  readonly remoteConnectionId: ConnectionId;
  readonly remoteStatic: Uint8Array | undefined;
  /** Present for a member: all there is to agree on, and the early data of both. */
  readonly agreement?: Agreement;
  readonly early?: EarlyExchange;
  /** Present for a newcomer: reads its proof. */
  readonly takeProof?: (packet: HandshakePacket) => Agreement | undefined;
  readonly inviteTag?: Uint8Array;
}

/** What the responder's side of a handshake needs. */
export interface Responder {
  readonly localStatic: KeyPair;
  readonly crypto: Crypto;
  readonly entropy: Entropy;
  readonly credentials: Credentials;
  readonly earlySpeaker?: EarlySpeaker;
}

function replyPacket(
  type: 'memberReply' | 'joinReply',
  hello: HandshakePacket,
  noise: NoiseHandshake,
  connectionId: ConnectionId,
  early: Uint8Array = noBytes,
): Uint8Array {
  const payload = new WireWriter(new Uint8Array(connectionIdBytes + early.length));
  payload.uint(connectionId, connectionIdBytes);
  payload.bytes(early);
  return encodeHandshakePacket({
    type,
    connectionId: hello.connectionId,
    attempt: hello.attempt,
    message: noise.writeMessage(payload.written),
  });
}

/** Answers a member's first message, with fewer bytes than it has; `undefined` for anyone else, who gets silence, and for early data that may not be. `connectionId` is the one the peer shall use. */
export function answerMember(hello: HandshakePacket, connectionId: ConnectionId, own: Responder): Answer | undefined {
  const noise = new NoiseHandshake(
    {
      pattern: 'IKpsk1',
      role: 'responder',
      prologue: prologueOf(handshakeFirstByte('memberHello'), hello.connectionId),
      localStatic: own.localStatic,
    },
    own.crypto,
    own.entropy,
  );
  if (!noise.beginRead(hello.message).ok) return undefined;
  const remoteStatic = noise.remoteStatic as Uint8Array;
  if (own.credentials.memberByKey(remoteStatic) === undefined) return undefined;
  for (const secret of own.credentials.memberSecrets().slice(0, memberSecretsMax)) {
    const attempt = noise.fork();
    attempt.setPsk(secret);
    const heard = attempt.finishRead();
    if (!heard.ok) continue;
    const question = decodeEarly(heard.value);
    if (!question.ok) return undefined;
    const answer = question.value.length === 0 ? [] : (own.earlySpeaker?.answer(remoteStatic, question.value) ?? []);
    const { bytes, said } = encodeEarly(answer, hello.message.length - memberReplyMessageBytes - 1);
    const reply = replyPacket('memberReply', hello, attempt, connectionId, bytes);
    const agreement = agreementOf(attempt, hello.connectionId, own.crypto);
    return { reply, remoteConnectionId: hello.connectionId, remoteStatic, agreement, early: { heard: heard.value, said } };
  }
  return undefined;
}

/** Answers a newcomer's first message when its tag names an open invite and it is long enough not to be amplified. */
export function answerNewcomer(hello: HandshakePacket, connectionId: ConnectionId, own: Responder): Answer | undefined {
  const noise = new NoiseHandshake(
    {
      pattern: 'XXpsk3',
      role: 'responder',
      prologue: prologueOf(handshakeFirstByte('joinHello'), hello.connectionId),
      localStatic: own.localStatic,
    },
    own.crypto,
    own.entropy,
  );
  const payload = noise.readMessage(hello.message);
  if (!payload.ok || payload.value.length < joinTagBytes + joinPaddingBytes) return undefined;
  const inviteTag = payload.value.slice(0, joinTagBytes);
  const secret = own.credentials.inviteSecret(inviteTag);
  if (secret === undefined) return undefined;
  const reply = replyPacket('joinReply', hello, noise, connectionId);
  return {
    reply,
    remoteConnectionId: hello.connectionId,
    remoteStatic: undefined,
    inviteTag,
    takeProof(packet) {
      const attempt = noise.fork();
      attempt.setPsk(secret);
      if (!attempt.readMessage(packet.message).ok) return undefined;
      return agreementOf(attempt, hello.connectionId, own.crypto);
    },
  };
}
