import { invariant } from '../core/assert.ts';
import type { Brand } from '../core/brand.ts';
import { compareBytes, equalBytes, toHex } from '../core/bytes.ts';
import type { NodeId } from '../core/identifiers.ts';
import { limits } from '../core/limits.ts';
import { type Fault, failure } from '../core/outcome.ts';
import type { PriorityClass } from '../core/priority.ts';
import type { Random } from '../core/random.ts';
import { type Deadline, earliest, later, type Moment, type MonotonicMs } from '../core/time.ts';
import type { Crypto, KeyPair } from '../ports/crypto.ts';
import type { Entropy } from '../ports/entropy.ts';
import type { PathEstimate, RateControlFactory } from '../ports/rate-control.ts';
import { closeCodes } from './closing.ts';
import { decodeEarly, type EarlySpeaker, earlyBytesMax, encodeEarly } from './early-data.ts';
import { type Agreement, answerMember, answerNewcomer, type Credentials, Dial, type DialOptions, handshakeMsMax } from './handshakes.ts';
import {
  type Ledger,
  LedgerAccount,
  type LinkFlow,
  type LinkMeter,
  linkKindOf,
  type PathKind,
  type Purpose,
  packetLinkBytes,
  unmetered,
} from './ledger.ts';
import { OpenedPackets } from './opened-packets.ts';
import {
  type ConnectionId,
  decodePacket,
  encodeHandshakePacket,
  type HandshakePacket,
  protocolVersion,
  type TransportPacket,
  withAttempt,
} from './packets.ts';
import { type PendingAnswer, PendingAnswers } from './pending-answers.ts';
import type { DataItem } from './send-queue.ts';
import { Session } from './session.ts';
import type { Path } from './session-path.ts';
import { framePacket, StreamUnframer } from './stream-framing.ts';

/**
 * All sessions of a node: from packets on any path to prioritised messages and data, and back.
 *
 * **The caller's contract: after every `handle`, `wake` or command, take outputs with `poll` until it gives `undefined`, then call `wake` no later than `nextDeadline` says.** Packets are made
 * when they are polled, never before, so that a more urgent message handed in meanwhile goes first. An idle endpoint has no deadline.
 *
 * A session belongs to two keys, not to an address: it follows the peer when that appears elsewhere, and survives any length of silence. A node has one session with a peer; when a newer
 * one is established the older is closed. `SessionId`s are this endpoint's own and are not used twice.
 */

/** Names a session at this node, from `connect` or from its `established` output on. */
export type SessionId = Brand<number, 'SessionId'>;

/** What happened outside. */
export type EndpointInput =
  /** A datagram, or the next bytes of a stream in any split. The array is the endpoint's from now on. */
  | { readonly type: 'received'; readonly path: Path; readonly kind: PathKind; readonly bytes: Uint8Array }
  /** A stream was accepted or dialled. */
  | { readonly type: 'path-opened'; readonly path: Path; readonly kind: 'stream' }
  /** A stream ended, for whatever reason. Its sessions live on and wait for another path. */
  | { readonly type: 'path-closed'; readonly path: Path };

/** What the caller shall do, or should know. */
export type EndpointOutput =
  /** Write these bytes. On a stream the session keeps little enough under way that the kernel holds no more than about 200 ms of it. */
  | { readonly type: 'transmit'; readonly path: Path; readonly bytes: Uint8Array }
  /** Close this stream: nobody uses it, or its far end does not speak the protocol. */
  | { readonly type: 'close-path'; readonly path: Path }
  | {
      readonly type: 'established';
      readonly session: SessionId;
      /** `undefined` for one who joins with an invite and is not a member yet. */
      readonly peer: NodeId | undefined;
      /** The peer's X25519 key, which it has proven to hold. */
      readonly remoteStatic: Uint8Array;
      readonly inviteTag?: Uint8Array;
      /** 32 bytes that name this handshake at both ends: what is signed over them is bound to it. */
      readonly handshakeHash: Uint8Array;
      readonly role: 'initiator' | 'responder';
      readonly path: Path;
      /** Messages that went within the handshake: the peer has them. What it said there follows as messages. */
      readonly said: readonly Uint8Array[];
    }
  /** A whole message, in order within its class. */
  | { readonly type: 'message'; readonly session: SessionId; readonly priority: PriorityClass; readonly bytes: Uint8Array }
  /** A stretch of a transfer: every byte once, in the order of arrival, not necessarily cut as it was handed in. `last` comes with the last byte, or alone. The bytes are good until `poll` has answered `undefined`. */
  | {
      readonly type: 'data';
      readonly session: SessionId;
      readonly transfer: number;
      readonly offset: number;
      readonly bytes: Uint8Array;
      readonly last: boolean;
    }
  /** There is room again after `roomBytes` or `messageRoomBytes` answered too little. */
  | { readonly type: 'writable'; readonly session: SessionId }
  /** Something is owed and the peer is not heard: 3 round trips and 3 seconds, or its stream broke. */
  | { readonly type: 'suspended'; readonly session: SessionId }
  | { readonly type: 'resumed'; readonly session: SessionId }
  /** The session is gone, with everything that was not acknowledged. */
  | { readonly type: 'closed'; readonly session: SessionId; readonly fault: Fault };

/** What an endpoint is made of. */
export interface EndpointOptions {
  readonly localStatic: KeyPair;
  readonly crypto: Crypto;
  readonly entropy: Entropy;
  /** For connection ids, which need not be secret. */
  readonly random: Random;
  readonly rateControl: RateControlFactory;
  readonly credentials: Credentials;
  /** Says what may leave and keeps account of what did. Default: everything, and no account. */
  readonly meter?: LinkMeter;
  /** Says what members are told and answered within the handshake. Default: nothing. */
  readonly earlySpeaker?: EarlySpeaker;
}

/** A session from the caller's first word to its end. */
interface Entry {
  readonly id: SessionId;
  readonly connectionId: ConnectionId;
  /** While the handshake is under way at the initiator. */
  dial: Dial | undefined;
  session: Session | undefined;
  remoteStatic: Uint8Array | undefined;
  /** Messages handed in before there was a session. */
  waiting: { readonly priority: PriorityClass; readonly bytes: Uint8Array; readonly isData: boolean }[];
  waitingBytes: number;
  /** Which side of the handshake this end was on, and when that succeeded. */
  stood: { readonly role: 'initiator' | 'responder'; readonly since: MonotonicMs } | undefined;
  /** Messages that the peer has when the handshake succeeds. */
  readonly said: readonly Uint8Array[];
}

/** A stream without a session is closed after this long. */
const unusedStreamMs = handshakeMsMax;
/** Sessions of two ends that dialled each other are established at most so far apart. */
const crossingMs = 3000;
const crossingRoundTrips = 3;
const noEstimate: PathEstimate = { lossRatio: 0, confidence: 0 };

/** The sessions of one node. A machine: it owns no socket and no timer. */
export class SessionEndpoint {
  readonly #options: EndpointOptions;
  readonly #meter: LinkMeter;
  readonly #opened = new OpenedPackets();
  readonly #outputs: EndpointOutput[] = [];
  readonly #entryById = new Map<SessionId, Entry>();
  readonly #entryByConnection = new Map<ConnectionId, Entry>();
  readonly #answers = new PendingAnswers();
  readonly #streamByPath = new Map<Path, { readonly unframer: StreamUnframer; readonly openedAt: MonotonicMs; used: boolean }>();
  /** Entries that may have something to send or to report, in the order of their turn. */
  readonly #active = new Set<Entry>();
  #now = 0 as MonotonicMs;
  #lastSessionId = 0;

  constructor(options: EndpointOptions) {
    this.#options = { ...options, crypto: this.#opened.remembering(options.crypto) };
    this.#meter = options.meter ?? unmetered;
  }

  // Input.

  handle(input: EndpointInput, now: Moment): void {
    this.#now = now.monotonicMs;
    if (input.type === 'path-closed') this.#pathClosed(input.path);
    else if (input.type === 'path-opened') this.#openStream(input.path);
    else if (input.kind === 'datagram') this.#takePacket(input.bytes, input.path, 'datagram');
    else this.#takeStreamBytes(input.bytes, input.path);
  }

  /** A deadline has come. Harmless at any other time. */
  wake(now: Moment): void {
    this.#now = now.monotonicMs;
    for (const entry of [...this.#entryById.values()]) {
      const due = this.#deadlineOf(entry);
      if (due === undefined || due.at > this.#now) continue;
      this.#active.add(entry);
      const before = entry.session?.paths ?? [];
      entry.session?.wake(this.#now);
      if (before.length !== (entry.session?.paths.length ?? 0)) for (const path of before) this.#releaseStream(path);
      const verdict = entry.dial?.giveUp(this.#now);
      if (verdict !== undefined && !verdict.ok) this.#remove(entry, verdict.fault);
    }
    this.#answers.expire(this.#now);
    for (const [path, stream] of this.#streamByPath) {
      if (stream.used || later(stream.openedAt, unusedStreamMs) > this.#now) continue;
      this.#closeStream(path);
    }
  }

  // Commands.

  /** Dials a peer: `IKpsk1` when its key is given, `XXpsk3` with an invite. Messages may be handed in at once; they leave with the first packet after the handshake. */
  connect(options: DialOptions, now: Moment): SessionId {
    this.#now = now.monotonicMs;
    invariant((options.remoteStatic === undefined) !== (options.invite === undefined), 'a dial needs either the peer key or an invite');
    const connectionId = this.#newConnectionId();
    const { remoteStatic } = options;
    const question = remoteStatic === undefined ? [] : (this.#options.earlySpeaker?.question(remoteStatic) ?? []);
    const { bytes: early, said } = encodeEarly(question, earlyBytesMax);
    const entry: Entry = {
      id: ++this.#lastSessionId as SessionId,
      connectionId,
      dial: new Dial(connectionId, { ...options, early }, this.#options, this.#now),
      session: undefined,
      remoteStatic: options.remoteStatic,
      waiting: [],
      waitingBytes: 0,
      stood: undefined,
      said,
    };
    this.#add(entry);
    return entry.id;
  }

  /** Goes on over another address or another stream, without a handshake. What was under way is sent again there. */
  migrate(id: SessionId, path: Path, kind: PathKind, now: Moment, remembered?: PathEstimate): void {
    const entry = this.#touch(id, now);
    const before = entry?.session?.path;
    entry?.session?.migrate(path, kind, remembered, this.#now);
    this.#useStream(path);
    if (before !== undefined) this.#releaseStream(before);
  }

  /** Uses a further address or stream beside those that a session uses already. False when none is free for it. */
  addPath(id: SessionId, path: Path, kind: PathKind, now: Moment): boolean {
    const added = this.#touch(id, now)?.session?.addPath(path, kind, this.#now) ?? false;
    if (added) this.#useStream(path);
    return added;
  }

  /** Uses one of several ways for nothing less urgent than this, or, without it, for nothing; the peer does so too. As long as it is the only one, everything takes it. */
  usePath(id: SessionId, path: Path, least: PriorityClass | undefined, now: Moment): void {
    this.#touch(id, now)?.session?.usePath(path, least, this.#now);
  }

  /** Goes on without one of several ways. What was under way there is sent again by the others. */
  dropPath(id: SessionId, path: Path, now: Moment): void {
    if (this.#touch(id, now)?.session?.dropPath(path, this.#now) === true) this.#releaseStream(path);
  }

  /** Takes a message for sending, by reference; `isData` when it carries rows and so counts as data. False when the queue is full or the session is gone: then nothing has happened. */
  sendMessage(id: SessionId, priority: PriorityClass, bytes: Uint8Array, now: Moment, isData = false): boolean {
    const entry = this.#touch(id, now);
    if (entry === undefined) return false;
    if (entry.session !== undefined) return entry.session.sendMessage(priority, bytes, this.#now, isData);
    if (entry.waitingBytes + bytes.length > limits.messageQueueBytesMax) return false;
    entry.waiting.push({ priority, bytes, isData });
    entry.waitingBytes += bytes.length;
    return true;
  }

  /** Takes a stretch of a transfer for sending, by reference. False when the session is gone or not established, or when far more is queued than `roomBytes` ever allows. */
  sendData(id: SessionId, priority: PriorityClass, item: DataItem, now: Moment): boolean {
    return this.#touch(id, now)?.session?.sendData(priority, item, this.#now) ?? false;
  }

  /** A message of so many bytes that came in this session carried rows: it counts as data. */
  receivedData(id: SessionId, bytes: number): void {
    const session = this.#entryById.get(id)?.session;
    if (session?.flow !== undefined) session.account.receivedData(bytes, session.flow);
  }

  /** Makes the peer of a session answer, so that it is known whether it is there. */
  ping(id: SessionId, now: Moment): void {
    this.#touch(id, now)?.session?.ping();
  }

  /** Something says that the silent peer of a session may be in reach again: it is asked, with a packet of what waits for it. */
  reach(id: SessionId, now: Moment): void {
    this.#touch(id, now)?.session?.reach();
  }

  /** Who the peer of a session is has become known to the meter. */
  refreshAccount(id: SessionId, now: Moment): void {
    this.#touch(id, now)?.session?.refreshAccount(this.#now);
  }

  /** Ends a session: the peer is told once, and the owner gets `closed`. */
  close(id: SessionId, reason: string, now: Moment): void {
    const entry = this.#touch(id, now);
    if (entry === undefined) return;
    const { fault } = failure('SESSION_CLOSED', 'caller', reason);
    if (entry.session === undefined) this.#remove(entry, fault);
    else entry.session.close(closeCodes.done, reason, fault);
  }

  // Getters.

  /** Bytes of data of this class that `sendData` may be given now: enough to keep the link busy, little enough that a more urgent class is not held up. */
  roomBytes(id: SessionId, priority: PriorityClass): number {
    return this.#entryById.get(id)?.session?.roomBytes(priority) ?? 0;
  }

  /** Bytes of messages that `sendMessage` may be given now so that no later message waits long behind them. */
  messageRoomBytes(id: SessionId): number {
    return this.#entryById.get(id)?.session?.messageRoomBytes ?? 0;
  }

  /** The best length of one `sendData` on the session's present path. */
  maxDataBytes(id: SessionId): number {
    return this.#entryById.get(id)?.session?.dataBytesMax ?? 1024;
  }

  /** What is known of the session's present path, or of this one of several. */
  estimate(id: SessionId, path?: Path): PathEstimate {
    return this.#entryById.get(id)?.session?.estimate(path) ?? noEstimate;
  }

  /** True while the peer of a session wants nothing by the way that is used: it is silent on purpose. */
  isQuiet(id: SessionId, now: Moment): boolean {
    return (this.#entryById.get(id)?.session?.quietUntil ?? -Infinity) > now.monotonicMs;
  }

  /** When the peer of a session was last heard. */
  heardAt(id: SessionId): MonotonicMs | undefined {
    return this.#entryById.get(id)?.session?.heardAt;
  }

  /** The X25519 key of a session's peer. */
  remoteStatic(id: SessionId): Uint8Array | undefined {
    return this.#entryById.get(id)?.remoteStatic;
  }

  /** The way a session's packets take now. */
  path(id: SessionId): Path | undefined {
    return this.#entryById.get(id)?.session?.path;
  }

  /** All ways that a session's packets take now. */
  paths(id: SessionId): readonly Path[] {
    return this.#entryById.get(id)?.session?.paths ?? [];
  }

  /** The class of what waits in a session because the link's account does not allow it to leave. */
  heldBack(id: SessionId): PriorityClass | undefined {
    return this.#entryById.get(id)?.session?.heldBack;
  }

  /** Where the session's bytes went so far, or `undefined` when there is no such session. */
  ledger(id: SessionId): Ledger | undefined {
    return this.#entryById.get(id)?.session?.ledger;
  }

  /** When to call `wake` if nothing else happens, and why; `undefined` when the endpoint is idle. */
  nextDeadline(): Deadline | undefined {
    let next = this.#answers.nextDeadline();
    for (const entry of this.#entryById.values()) next = earliest(next, this.#deadlineOf(entry));
    for (const stream of this.#streamByPath.values()) {
      if (!stream.used) next = earliest(next, { at: later(stream.openedAt, unusedStreamMs), reason: 'unused stream' });
    }
    return next;
  }

  /** The next output. */
  poll(): EndpointOutput | undefined {
    for (;;) {
      const output = this.#outputs.shift();
      if (output !== undefined) return output;
      let entry: Entry | undefined;
      for (entry of this.#active) break;
      if (entry === undefined) {
        this.#opened.giveBack();
        return undefined;
      }
      this.#active.delete(entry);
      if (this.#serve(entry)) this.#active.add(entry);
    }
  }

  // One entry's turn.

  /** Moves an entry's events and at most one packet to the outputs. False when it has nothing more. */
  #serve(entry: Entry): boolean {
    if (entry.dial !== undefined) {
      const { path, kind } = entry.dial.options;
      const flow = this.#meter.flow(path, entry.remoteStatic);
      const hello = entry.dial.nextPacket(this.#now, flow.allowanceBytes('critical'));
      if (hello === undefined) return false;
      this.#askFirst(entry, path);
      this.#transmitHandshake(flow, path, kind, hello);
      return false;
    }
    const { session } = entry;
    if (session === undefined) return false;
    this.#moveEvents(entry, session);
    const packet = session.nextPacket(this.#now);
    if (packet !== undefined) {
      this.#outputs.push({ type: 'transmit', ...packet });
      this.#moveEvents(entry, session);
      return true;
    }
    if (session.closed) this.#remove(entry, undefined);
    return false;
  }

  /** Where a silent session stands at the address that is dialled, it is asked before: if the peer still has it, it goes on, and what was under way in it is not lost to a new one. */
  #askFirst({ remoteStatic }: Entry, path: Path): void {
    if (remoteStatic === undefined) return;
    for (const { session, remoteStatic: other } of this.#entryById.values()) {
      if (!session?.paths.includes(path) || other === undefined || !equalBytes(other, remoteStatic)) continue;
      session.ping();
      const packet = session.nextPacket(this.#now);
      if (packet !== undefined) this.#outputs.push({ type: 'transmit', ...packet });
    }
  }

  #moveEvents(entry: Entry, session: Session): void {
    for (let event = session.nextEvent(); event !== undefined; event = session.nextEvent()) {
      this.#outputs.push({ ...event, session: entry.id });
    }
  }

  #transmit(path: Path, kind: PathKind, packet: Uint8Array): void {
    this.#outputs.push({ type: 'transmit', path, bytes: kind === 'stream' ? framePacket(packet) : packet });
  }

  /** Sends what belongs to no session yet, when the link's account allows it. */
  #transmitHandshake(flow: LinkFlow, path: Path, kind: PathKind, packet: Uint8Array): boolean {
    const onLink = packetLinkBytes(linkKindOf(kind, path), packet.length);
    if (flow.allowanceBytes('critical') < onLink) return false;
    flow.book('sent', 'handshake', onLink);
    this.#transmit(path, kind, packet);
    return true;
  }

  #deadlineOf(entry: Entry): Deadline | undefined {
    return entry.dial?.deadline ?? entry.session?.deadline;
  }

  #touch(id: SessionId, now: Moment): Entry | undefined {
    this.#now = now.monotonicMs;
    const entry = this.#entryById.get(id);
    if (entry !== undefined) this.#active.add(entry);
    return entry;
  }

  // Entries.

  #add(entry: Entry): void {
    if (this.#entryById.size >= limits.sessionsMax) this.#dropLeastUseful();
    this.#entryById.set(entry.id, entry);
    this.#entryByConnection.set(entry.connectionId, entry);
    this.#active.add(entry);
  }

  /** Makes room for one more session: the one that was heard longest ago goes. */
  #dropLeastUseful(): void {
    let oldest: Entry | undefined;
    for (const entry of this.#entryById.values()) {
      if (entry.session !== undefined && (oldest?.session === undefined || entry.session.heardAt < oldest.session.heardAt)) oldest = entry;
    }
    if (oldest === undefined) for (oldest of this.#entryById.values()) break;
    if (oldest !== undefined) this.#remove(oldest, failure('SESSION_LIMIT', 'local', 'closed to make room for another session').fault);
  }

  #remove(entry: Entry, fault: Fault | undefined): void {
    this.#entryById.delete(entry.id);
    this.#entryByConnection.delete(entry.connectionId);
    this.#active.delete(entry);
    if (fault !== undefined) this.#outputs.push({ type: 'closed', session: entry.id, fault });
    for (const path of entry.session?.paths ?? [entry.dial?.options.path]) if (path !== undefined) this.#releaseStream(path);
  }

  #newConnectionId(): ConnectionId {
    for (;;) {
      const id = this.#options.random.below(2 ** 24);
      if (!this.#entryByConnection.has(id) && this.#answers.get(id) === undefined) return id;
    }
  }

  // Packets.

  #takePacket(bytes: Uint8Array, path: Path, kind: PathKind): void {
    const packet = decodePacket(bytes);
    const form = packet.ok ? packet.value.form : undefined;
    if (packet.ok && packet.value.form === 'transport' && this.#takeTransport(packet.value, path, kind, bytes.length)) return;
    this.#bookReceived(form === 'handshake' ? 'handshake' : 'control', path, kind, bytes.length);
    if (packet.ok && packet.value.form === 'handshake') this.#takeHandshake(packet.value, path, kind, bytes.length);
  }

  /** Books what came outside of any session. Nobody has proven to have sent it. */
  #bookReceived(purpose: Purpose, path: Path, kind: PathKind, bytes: number): void {
    this.#meter.flow(path, undefined).book('received', purpose, packetLinkBytes(linkKindOf(kind, path), bytes));
  }

  /** False when it is no packet of any session. */
  #takeTransport(packet: TransportPacket, path: Path, kind: PathKind, bytes: number): boolean {
    const entry = this.#entryByConnection.get(packet.connectionId);
    const { session } = entry ?? {};
    if (entry !== undefined && session !== undefined) {
      const before = session.paths;
      if (!session.receive(packet, path, kind, bytes, this.#now)) return false;
      this.#active.add(entry);
      if (kind === 'stream' && session.paths.includes(path)) this.#useStream(path);
      for (const each of before) if (each !== path) this.#releaseStream(each);
      return true;
    }
    return this.#confirm(packet, path, kind, bytes);
  }

  #takeHandshake(packet: HandshakePacket, path: Path, kind: PathKind, bytes: number): void {
    switch (packet.type) {
      case 'refusal':
        if (packet.version !== protocolVersion) {
          this.#entryByConnection.get(packet.connectionId)?.dial?.refused(packet.version);
        }
        return;
      case 'memberHello':
      case 'joinHello':
        this.#takeHello(packet, path, kind, bytes);
        return;
      case 'memberReply':
      case 'joinReply':
        this.#takeReply(packet, path, bytes);
        return;
      case 'joinProof':
        this.#takeProof(packet, path, kind, bytes);
    }
  }

  // The initiator's side.

  #takeReply(packet: HandshakePacket, path: Path, bytes: number): void {
    const entry = this.#entryByConnection.get(packet.connectionId);
    const dial = entry?.dial;
    if (entry === undefined || dial === undefined) return;
    if ((packet.type === 'joinReply') !== (dial.options.invite !== undefined)) return;
    const answer = dial.answer(packet, this.#now);
    if (!answer.ok) return;
    const { value } = answer;
    const heard = decodeEarly(value.early);
    if (!heard.ok) {
      this.#remove(entry, heard.fault);
      return;
    }
    const { kind } = dial.options;
    const received = packetLinkBytes(linkKindOf(kind, path), bytes);
    entry.dial = undefined;
    entry.remoteStatic = value.remoteStatic;
    const session = new Session(
      {
        localConnectionId: entry.connectionId,
        remoteConnectionId: value.remoteConnectionId,
        protections: value.protections,
        rateControl: this.#options.rateControl,
        path: dial.options.path,
        kind,
        ...(value.rttMs === undefined
          ? {}
          : { handshake: { rttMs: value.rttMs, bytes: dial.bytesSent / Math.max(1, dial.attempts) + received } }),
        ...(dial.options.remembered === undefined ? {} : { remembered: dial.options.remembered }),
        early: { heard: value.early, said: entry.said },
        flowOf: (each) => this.#meter.flow(each, value.remoteStatic),
        ...(value.proof === undefined ? {} : { proof: value.proof }),
      },
      this.#now,
    );
    session.account.handshakeSent(dial.bytesSent);
    session.account.handshakeReceived(received);
    entry.session = session;
    this.#useStream(path);
    this.#establish(entry, session, 'initiator', value, undefined);
    // The peer may send nothing before it has heard from this end.
    session.ping();
    for (const { priority, bytes: message, isData } of entry.waiting) session.sendMessage(priority, message, this.#now, isData);
    entry.waiting = [];
    this.#active.add(entry);
  }

  // The responder's side.

  #takeHello(packet: HandshakePacket, path: Path, kind: PathKind, bytes: number): void {
    if (packet.version !== protocolVersion) {
      if (packet.version > protocolVersion && this.#answers.admitStranger(this.#now)) {
        const refusal = encodeHandshakePacket({
          type: 'refusal',
          connectionId: packet.connectionId,
          attempt: 0,
          message: new Uint8Array(0),
        });
        this.#transmitHandshake(this.#meter.flow(path, undefined), path, kind, refusal);
      }
      return;
    }
    // The whole message: a shortened copy of a good one must not be given the answer to it.
    const hello = toHex(this.#options.crypto.sha256(packet.message));
    const known = this.#answers.toHello(hello);
    if (known !== undefined) {
      this.#reply(known, packet, path, kind, bytes);
      return;
    }
    if (!this.#answers.admitStranger(this.#now)) return;
    const connectionId = this.#newConnectionId();
    const answer =
      packet.type === 'memberHello'
        ? answerMember(packet, connectionId, this.#options)
        : answerNewcomer(packet, connectionId, this.#options);
    if (answer === undefined || this.#yieldsToOwnDial(answer.remoteStatic)) return;
    const pending: PendingAnswer = { answer, hello, path, kind, at: this.#now, account: new LedgerAccount(), replies: 0 };
    this.#answers.add(connectionId, pending);
    this.#reply(pending, packet, path, kind, bytes);
  }

  /** Sends an answer, once for every time the question is heard. It carries the attempt it answers. */
  #reply(pending: PendingAnswer, hello: HandshakePacket, path: Path, kind: PathKind, bytes: number): void {
    const reply = withAttempt(pending.answer.reply, hello.attempt);
    pending.replies++;
    pending.account.handshakeReceived(packetLinkBytes(linkKindOf(kind, path), bytes));
    const flow = this.#meter.flow(path, pending.answer.remoteStatic);
    if (this.#transmitHandshake(flow, path, kind, reply))
      pending.account.handshakeSent(packetLinkBytes(linkKindOf(kind, path), reply.length));
  }

  /** Both dialled at once, and it is the other that has to give way. */
  #yieldsToOwnDial(remoteStatic: Uint8Array | undefined): boolean {
    if (remoteStatic === undefined || compareBytes(this.#options.localStatic.publicKey, remoteStatic) > 0) return false;
    for (const { dial } of this.#entryById.values()) if (dial?.insistsAgainst(remoteStatic)) return true;
    return false;
  }

  /** A member's first packet behind the handshake: it has understood the answer, so the session is real. */
  #confirm(packet: TransportPacket, path: Path, kind: PathKind, bytes: number): boolean {
    const pending = this.#answers.get(packet.connectionId);
    if (pending?.answer.agreement === undefined) return false;
    const session = this.#sessionOf(packet.connectionId, pending, pending.answer.agreement, path, kind);
    if (!session.receive(packet, path, kind, bytes, this.#now)) return false;
    this.#accept(packet.connectionId, session, pending, pending.answer.agreement, path);
    return true;
  }

  /** A newcomer's last handshake message. A repetition means that it has not heard that the session stands. */
  #takeProof(packet: HandshakePacket, path: Path, kind: PathKind, bytes: number): void {
    const entry = this.#entryByConnection.get(packet.connectionId);
    if (entry?.session !== undefined) {
      entry.session.ping();
      this.#active.add(entry);
      return;
    }
    const pending = this.#answers.get(packet.connectionId);
    const agreement = pending?.answer.takeProof?.(packet);
    if (pending === undefined || agreement === undefined) return;
    const session = this.#sessionOf(packet.connectionId, pending, agreement, path, kind);
    session.account.handshakeReceived(packetLinkBytes(linkKindOf(kind, path), bytes));
    session.ping();
    this.#accept(packet.connectionId, session, pending, agreement, path);
  }

  #sessionOf(connectionId: ConnectionId, pending: PendingAnswer, agreement: Agreement, path: Path, kind: PathKind): Session {
    const { sent, received } = pending.account.ledger;
    const session = new Session(
      {
        localConnectionId: connectionId,
        remoteConnectionId: agreement.remoteConnectionId,
        protections: agreement.protections,
        rateControl: this.#options.rateControl,
        path,
        kind,
        ...(pending.answer.early === undefined ? {} : { early: pending.answer.early }),
        flowOf: (each) => this.#meter.flow(each, agreement.remoteStatic),
        // With more than one reply it is not known which of them was understood.
        ...(pending.replies === 1 ? { handshake: { rttMs: this.#now - pending.at, bytes: sent.handshake + received.handshake } } : {}),
      },
      this.#now,
    );
    session.account.handshakeSent(sent.handshake);
    session.account.handshakeReceived(received.handshake);
    return session;
  }

  #accept(connectionId: ConnectionId, session: Session, pending: PendingAnswer, agreement: Agreement, path: Path): void {
    this.#answers.forget(connectionId);
    const entry: Entry = {
      id: ++this.#lastSessionId as SessionId,
      connectionId,
      dial: undefined,
      session,
      remoteStatic: agreement.remoteStatic,
      waiting: [],
      waitingBytes: 0,
      stood: undefined,
      said: pending.answer.early?.said ?? [],
    };
    this.#add(entry);
    this.#useStream(path);
    this.#establish(entry, session, 'responder', agreement, pending.answer.inviteTag);
  }

  /**
   * True when two ends dialled each other at once, and `entry` is the session that shall not stand: that of the end with the larger key. They hear of the two in another order, so that the newer would not be the same one at both,
   * and each would end what the other keeps; over a link with long round trips again and again.
   */
  #crosses(entry: Entry, role: 'initiator' | 'responder', remoteStatic: Uint8Array): boolean {
    const ownWins = compareBytes(this.#options.localStatic.publicKey, remoteStatic) < 0;
    if (ownWins === (role === 'initiator')) return false;
    for (const other of this.#entryById.values()) {
      const { session, stood } = other;
      if (other === entry || session === undefined || session.closed || stood === undefined || stood.role === role) continue;
      if (other.remoteStatic === undefined || !equalBytes(other.remoteStatic, remoteStatic)) continue;
      if (this.#now - stood.since < crossingMs + crossingRoundTrips * (session.estimate().smoothedRttMs ?? 0)) return true;
    }
    return false;
  }

  /** Announces a session, and ends every older one with the same peer. */
  #establish(
    entry: Entry,
    session: Session,
    role: 'initiator' | 'responder',
    agreement: Agreement,
    inviteTag: Uint8Array | undefined,
  ): void {
    if (this.#crosses(entry, role, agreement.remoteStatic)) {
      session.close(
        closeCodes.replaced,
        '',
        failure('SESSION_REPLACED', 'peer', 'both dialled at once, and the other session stands').fault,
      );
      this.#active.add(entry);
      return;
    }
    entry.stood = { role, since: this.#now };
    for (const other of [...this.#entryById.values()]) {
      if (other === entry || other.remoteStatic === undefined || !equalBytes(other.remoteStatic, agreement.remoteStatic)) continue;
      const { fault } = failure('SESSION_REPLACED', 'peer', 'a newer session with the same peer was established');
      if (other.session === undefined) this.#remove(other, fault);
      else {
        other.session.close(closeCodes.replaced, '', fault);
        this.#active.add(other);
      }
    }
    this.#outputs.push({
      type: 'established',
      session: entry.id,
      peer: this.#options.credentials.memberByKey(agreement.remoteStatic),
      remoteStatic: agreement.remoteStatic,
      ...(inviteTag === undefined ? {} : { inviteTag }),
      handshakeHash: agreement.handshakeHash,
      role,
      path: session.path as Path,
      said: entry.said,
    });
  }

  // Streams.

  #openStream(path: Path): void {
    if (this.#streamByPath.has(path)) return;
    if (this.#streamByPath.size >= limits.streamsMax) {
      this.#outputs.push({ type: 'close-path', path });
      return;
    }
    this.#streamByPath.set(path, { unframer: new StreamUnframer(), openedAt: this.#now, used: false });
  }

  #takeStreamBytes(bytes: Uint8Array, path: Path): void {
    const stream = this.#streamByPath.get(path);
    if (stream === undefined) return;
    const packets = stream.unframer.push(bytes);
    if (packets === undefined) {
      this.#bookReceived('control', path, 'stream', bytes.length);
      this.#closeStream(path);
      this.#pathClosed(path);
      return;
    }
    for (const packet of packets) this.#takePacket(packet, path, 'stream');
  }

  #pathClosed(path: Path): void {
    this.#streamByPath.delete(path);
    for (const entry of [...this.#entryById.values()]) {
      if (entry.dial?.options.path === path)
        this.#remove(entry, failure('PATH_CLOSED', 'peer', 'the stream closed during the handshake').fault);
      if (!entry.session?.paths.includes(path)) continue;
      entry.session.pathClosed(path, this.#now);
      entry.session.wake(this.#now);
      this.#active.add(entry);
    }
  }

  #closeStream(path: Path): void {
    if (this.#streamByPath.delete(path)) this.#outputs.push({ type: 'close-path', path });
  }

  #useStream(path: Path): void {
    const stream = this.#streamByPath.get(path);
    if (stream !== undefined) stream.used = true;
  }

  /** A session may no longer take this path. If it is a stream that nobody takes, it is closed. */
  #releaseStream(path: Path): void {
    if (!this.#streamByPath.has(path)) return;
    for (const { session, dial } of this.#entryById.values()) if (session?.paths.includes(path) || dial?.options.path === path) return;
    this.#closeStream(path);
  }
}
