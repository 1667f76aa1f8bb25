import { concatBytes, toHex, utf8 } from '../core/bytes.ts';
import type { CborValue } from '../core/cbor.ts';
import { GodwitError } from '../core/errors.ts';
import { type DatasetId, type Hash, identifierToBytes, type NodeId, type TeamId } from '../core/identifiers.ts';
import { limits } from '../core/limits.ts';
import type { Fault, Outcome } from '../core/outcome.ts';
import type { PriorityClass } from '../core/priority.ts';
import type { Random } from '../core/random.ts';
import { type Deadline, earliest, later, type Moment, type MonotonicMs } from '../core/time.ts';
import type { ContentStore } from '../datasets/content-store.ts';
import { decodeEntryBody, type EntryBody, type EntryHeader, encodeEntryBody, type FileChange } from '../datasets/entry-body.ts';
import type { FileIndex } from '../datasets/file-index.ts';
import { HybridClock } from '../datasets/hybrid-clock.ts';
import type { Dot, LogEntry, LogStore } from '../datasets/log.ts';
import type { HeldReceipt, ReceiptBook } from '../datasets/receipts.ts';
import { VersionVector } from '../datasets/version-vector.ts';
import { Contacts } from '../forwarding/contacts.ts';
import type { TransferJournal } from '../forwarding/transfer-journal.ts';
import type { WantList } from '../forwarding/want-list.ts';
import type { Catalog } from '../ports/catalog.ts';
import type { Crypto } from '../ports/crypto.ts';
import type { Entropy } from '../ports/entropy.ts';
import type { RateControlFactory } from '../ports/rate-control.ts';
import { SessionEndpoint, type SessionId } from '../session/endpoint.ts';
import type { PurposeBytes } from '../session/ledger.ts';
import { decodeMessage, encodeMessage, type Message } from '../session/messages.ts';
import { ContentReceiver, type ReceiverTask } from './content-receiver.ts';
import { ContentSender, type SenderTask } from './content-sender.ts';
import type { OpenedTransfer, PreparedTransfer } from './content-tasks.ts';
import { Encounter, sharedDatasets } from './encounter.ts';
import type { Identity } from './identity.ts';
import { type Invite, inviteKeys } from './invite.ts';
import { encodeOperation, type Membership, type MembershipOperation } from './membership.ts';

/**
 * The engine: every machine of a node, composed. It does nothing by itself: **hand it what happened with `handle`, then take outputs with `poll` until there are none, and call `wake` when the
 * deadline has come.** The Node runtime and the simulator drive the same engine.
 *
 * A turn is a transaction. Whatever a `handle`, a `wake` or a command writes to the catalog is durable when it returns, and outputs are only taken afterwards; so nothing is said to a peer
 * that a power cut could make untrue. Bulk bytes are read and written by tasks, whose results come back as inputs.
 */

/** What happened. */
export type EngineInput =
  | { readonly type: 'received'; readonly path: string; readonly kind: 'datagram' | 'stream'; readonly bytes: Uint8Array }
  /** A stream connection stands: one that we dialled (`address` is what was dialled) or one that a peer opened. */
  | { readonly type: 'path-opened'; readonly path: string; readonly address?: string }
  | { readonly type: 'path-closed'; readonly path: string }
  | { readonly type: 'dial-failed'; readonly address: string }
  | { readonly type: 'task-done'; readonly token: number; readonly result: TaskResult };

/** Work on bulk bytes. */
export type EngineTask = { readonly token: number } & (
  | { readonly type: 'prepare'; readonly task: Extract<SenderTask, { type: 'prepare' }> }
  | { readonly type: 'encode'; readonly task: Extract<SenderTask, { type: 'encode' }>; readonly rateBytesPerSecond: number | undefined }
  | { readonly type: 'open'; readonly task: Extract<ReceiverTask, { type: 'open' }> }
  | { readonly type: 'store'; readonly task: Extract<ReceiverTask, { type: 'store' }> }
  | { readonly type: 'finish'; readonly task: Extract<ReceiverTask, { type: 'finish' }> }
);

/** What came of a task, by its type. */
export type TaskResult =
  | { readonly type: 'prepare'; readonly transfer: PreparedTransfer | undefined }
  | { readonly type: 'encode'; readonly bytes: Uint8Array | undefined }
  | { readonly type: 'open'; readonly outcome: Outcome<OpenedTransfer> }
  | { readonly type: 'store'; readonly outcome: Outcome<readonly Hash[]> }
  | { readonly type: 'finish'; readonly outcome: Outcome<undefined> };

/** Something the node's owner may want to know. */
export type NodeEvent =
  | { readonly type: 'joined'; readonly team: TeamId }
  | { readonly type: 'join-failed'; readonly fault: Fault }
  | { readonly type: 'team-changed' }
  | { readonly type: 'session-up'; readonly peer: NodeId; readonly address: string }
  | { readonly type: 'session-down'; readonly peer: NodeId; readonly fault: Fault }
  | { readonly type: 'entries'; readonly dataset: DatasetId; readonly count: number; readonly from: NodeId | 'self' }
  /** A path has other heads than before, or the content of its head has arrived. */
  | { readonly type: 'path-changed'; readonly dataset: DatasetId; readonly path: string }
  | { readonly type: 'conflict'; readonly dataset: DatasetId; readonly path: string }
  | { readonly type: 'content-complete'; readonly root: string; readonly sizeBytes: number; readonly copiedBytes: number }
  | { readonly type: 'receipt'; readonly node: NodeId; readonly dataset: DatasetId }
  /** A peer or an earlier version of it did something that this node does not take; nothing is lost by it. */
  | { readonly type: 'fault'; readonly peer: NodeId | undefined; readonly fault: Fault };

/** What to do. */
export type EngineOutput =
  | { readonly type: 'transmit'; readonly path: string; readonly bytes: Uint8Array }
  | { readonly type: 'close-path'; readonly path: string }
  /** Open a stream connection; answered by `path-opened` or `dial-failed`. */
  | { readonly type: 'dial'; readonly address: string }
  | { readonly type: 'task'; readonly task: EngineTask }
  | { readonly type: 'report'; readonly event: NodeEvent };

/** Understands entries of kinds that belong to other components than the file index, for example observations. Called inside the turn. */
export type ApplyEntry = (dataset: DatasetId, entry: LogEntry, body: EntryBody) => void;

/** What an engine is made of. */
export interface EngineParts {
  readonly identity: Identity;
  readonly nodeName: () => string;
  readonly catalog: Catalog;
  readonly crypto: Crypto;
  readonly entropy: Entropy;
  readonly random: Random;
  readonly rateControl: RateControlFactory;
  readonly logs: LogStore;
  readonly index: FileIndex;
  readonly contents: ContentStore;
  readonly membership: Membership;
  readonly receipts: ReceiptBook;
  readonly wants: WantList;
  readonly journal: TransferJournal;
  readonly applyEntry: ApplyEntry;
}

/** Bytes exchanged with one peer, every header counted, by purpose. */
export interface PeerTraffic {
  readonly peer: NodeId;
  readonly sent: Readonly<Record<string, number>>;
  readonly received: Readonly<Record<string, number>>;
  /** Bytes that did not have to travel from here to the peer. */
  readonly saved: { readonly resume: number; readonly delta: number };
}

interface Talk {
  readonly peer: NodeId;
  readonly encounter: Encounter;
  readonly sender: ContentSender;
  readonly receiver: ContentReceiver;
  /** Contents that this peer sent wrongly; not asked of it again in this session. */
  readonly spoiled: Set<string>;
  /** The want list or the places in it may have changed since the peer was last asked. */
  askAgain: boolean;
}

/** Contents that are asked of a peer at a time while more are wanted; a margin under the peer's own limit. */
const wantsAtOnce = limits.wantsPerSessionMax / 2;
/** A receipt for one dataset is issued at most this often. */
const receiptPauseMs = 1000;

/** How long nothing is asked for after our own disk failed: at first, and at most. It doubles, because every attempt costs the link and the peer's processor. */
const diskPauseMsMin = 5000;
const diskPauseMsMax = 300_000;

const joinDomain = utf8('godwit join 1\0');

/** The machines of one node. One driver at a time. */
export class Engine {
  readonly #parts: EngineParts;
  readonly #clock: HybridClock;
  readonly #endpoint: SessionEndpoint;
  readonly #contacts: Contacts;
  readonly #outputs: EngineOutput[] = [];
  readonly #talkBySession = new Map<SessionId, Talk>();
  readonly #sessionByPeer = new Map<NodeId, SessionId>();
  readonly #addressBySession = new Map<SessionId, string>();
  readonly #diallingBySession = new Map<SessionId, NodeId>();
  readonly #suspendedPeers = new Set<NodeId>();
  /** Answered handshakes of nodes that have not said who they are yet. */
  readonly #joining = new Map<
    SessionId,
    { readonly handshakeHash: Uint8Array; readonly remoteStatic: Uint8Array; readonly inviteTag?: Uint8Array }
  >();
  readonly #peerByDialling = new Map<string, NodeId | 'join'>();
  readonly #taskByToken = new Map<number, { session: SessionId; task: SenderTask | ReceiverTask }>();
  readonly #pastTraffic = new Map<
    NodeId,
    { sent: Record<string, number>; received: Record<string, number>; resume: number; delta: number }
  >();
  #nextToken = 1;
  #join: { readonly invite: Invite; session?: SessionId; dueAt?: MonotonicMs; attempt: number } | undefined;
  /** Datasets about which a receipt may be due, and when each was last issued. */
  readonly #receiptDue = new Set<DatasetId>();
  readonly #receiptIssuedAt = new Map<DatasetId, MonotonicMs>();
  /** Welcomed, but the team's log has not said yet that this node is a member. */
  #awaitingMembership = false;
  /** Something came in that may let a machine go on. */
  #again = false;
  /** Our own disk failed: nothing is asked for until then. */
  #holdUntil: MonotonicMs | undefined;
  #diskPauseMs = diskPauseMsMin;
  #now: Moment;

  constructor(parts: EngineParts, now: Moment) {
    this.#parts = parts;
    this.#now = now;
    this.#clock = new HybridClock(parts.index.greatestInstant(parts.identity.node, now.wallMs + limits.clockLeadMsMax));
    this.#contacts = new Contacts(parts.catalog, parts.random.fork(), now.monotonicMs);
    const { membership, wants } = parts;
    parts.journal.retain((root) => wants.wants(root));
    // What an earlier run could not say any more.
    for (const { dataset } of sharedDatasets(membership)) this.#receiptDue.add(dataset);
    this.#endpoint = new SessionEndpoint({
      localStatic: parts.identity.channelKey,
      crypto: parts.crypto,
      entropy: parts.entropy,
      random: parts.random.fork(),
      rateControl: parts.rateControl,
      credentials: {
        memberSecrets: () => (membership.secret === undefined ? [] : [membership.secret]),
        inviteSecret: (tag) => membership.invitePsk(tag, this.#now.wallMs),
        memberByKey: (key) => membership.memberByKey(key)?.node,
      },
    });
  }

  /** Takes something that happened. */
  handle(input: EngineInput, now: Moment): void {
    this.#turn(now, () => {
      switch (input.type) {
        case 'received':
          this.#endpoint.handle(input, now);
          break;
        case 'path-opened':
          this.#endpoint.handle({ type: 'path-opened', path: input.path, kind: 'stream' }, now);
          if (input.address !== undefined) this.#dialled(input.address, input.path);
          break;
        case 'path-closed':
          this.#endpoint.handle({ type: 'path-closed', path: input.path }, now);
          break;
        case 'dial-failed':
          this.#dialFailed(input.address);
          break;
        case 'task-done':
          this.#taskDone(input.token, input.result);
          break;
      }
    });
  }

  /** The deadline has come. */
  wake(now: Moment): void {
    this.#turn(now, () => {
      this.#endpoint.wake(now);
      for (const { receiver } of this.#talkBySession.values()) {
        const due = receiver.nextDeadline();
        if (due !== undefined && due.at <= now.monotonicMs) receiver.journal();
      }
    });
  }

  /** The next output, until `undefined`. */
  poll(): EngineOutput | undefined {
    return this.#outputs.shift();
  }

  /** When to call `wake` if nothing else happens, and why. `undefined`: not at all. */
  nextDeadline(): Deadline | undefined {
    let next = earliest(this.#endpoint.nextDeadline(), this.#contacts.nextDeadline());
    for (const { receiver } of this.#talkBySession.values()) next = earliest(next, receiver.nextDeadline());
    if (this.#holdUntil !== undefined && this.#talkBySession.size > 0)
      next = earliest(next, { at: this.#holdUntil, reason: 'ask again after a disk failure' });
    if (this.#join?.dueAt !== undefined) next = earliest(next, { at: this.#join.dueAt, reason: 'try to join again' });
    for (const dataset of this.#receiptDue) {
      const issued = this.#receiptIssuedAt.get(dataset);
      const at = issued === undefined ? this.#now.monotonicMs : later(issued, receiptPauseMs);
      next = earliest(next, { at, reason: 'tell others what is held here' });
    }
    return next;
  }

  // Commands

  /** Joins a team with an invite: tries its addresses until one answers. Ends in a `joined` or `join-failed` report. */
  join(invite: Invite, now: Moment): void {
    this.#turn(now, () => {
      this.#join = { invite, dueAt: now.monotonicMs, attempt: 0 };
    });
  }

  /** Keeps trying to hold a session with a member at these addresses. */
  addContact(peer: NodeId, addresses: readonly string[], now: Moment): void {
    this.#turn(now, () => this.#contacts.add(peer, addresses, now.monotonicMs));
  }

  /** Something in the surroundings changed: peers without a session are tried at once. */
  hint(now: Moment): void {
    this.#turn(now, () => {
      const reachable = { has: (peer: NodeId) => this.#sessionByPeer.has(peer) && !this.#suspendedPeers.has(peer) };
      this.#contacts.hint(reachable, now.monotonicMs);
      if (this.#join?.dueAt !== undefined) this.#join.dueAt = now.monotonicMs;
    });
  }

  /** Writes an operation into the team's log. */
  appendOperation(operation: MembershipOperation, now: Moment): void {
    this.#turn(now, () => this.#appendOperation(operation));
  }

  /** Writes a revision of files; `recorded` runs in the same transaction. */
  appendChanges(
    dataset: DatasetId,
    changes: readonly FileChange[],
    header: Omit<EntryHeader, 'instant'>,
    now: Moment,
    recorded?: (dot: Dot) => void,
  ): Dot {
    return this.#turn(now, () => {
      const dot = this.#append(dataset, { kind: 'files', changes, ...header, instant: this.#clock.issue(now.wallMs) });
      recorded?.(dot);
      return dot;
    });
  }

  /** Writes an entry of another kind; `recorded` runs in the same transaction. */
  appendPayload(
    dataset: DatasetId,
    kind: 'table' | 'segment' | 'gap',
    payload: CborValue,
    header: Omit<EntryHeader, 'instant'>,
    now: Moment,
    recorded?: (dot: Dot) => void,
  ): Dot {
    return this.#turn(now, () => {
      const dot = this.#append(dataset, { kind, payload, ...header, instant: this.#clock.issue(now.wallMs) });
      recorded?.(dot);
      return dot;
    });
  }

  /** Runs several commands as one transaction. */
  atomically<T>(now: Moment, work: () => T): T {
    return this.#turn(now, work);
  }

  /** Peers with which a session stands. */
  connectedPeers(): NodeId[] {
    return [...this.#sessionByPeer.keys()];
  }

  /** Bytes by peer and purpose since this engine began. */
  traffic(): PeerTraffic[] {
    const peers = new Set([...this.#pastTraffic.keys(), ...this.#sessionByPeer.keys()]);
    return [...peers].map((peer) => {
      const past = this.#pastTraffic.get(peer);
      const session = this.#sessionByPeer.get(peer);
      const ledger = session === undefined ? undefined : this.#endpoint.ledger(session);
      const saved = session === undefined ? undefined : this.#talkBySession.get(session)?.sender.savedBytes;
      return {
        peer,
        sent: addUp(past?.sent, ledger?.sent),
        received: addUp(past?.received, ledger?.received),
        saved: { resume: (past?.resume ?? 0) + (saved?.resume ?? 0), delta: (past?.delta ?? 0) + (saved?.delta ?? 0) },
      };
    });
  }

  // Turns

  #turn<T>(now: Moment, work: () => T): T {
    this.#now = now;
    return this.#parts.catalog.transaction(() => {
      const result = work();
      this.#settle();
      return result;
    });
  }

  /** Lets every machine act on what happened, until nothing more follows from it. */
  #settle(): void {
    const now = this.#now;
    this.#drainEndpoint();
    this.#tryJoin();
    for (const { peer, address } of this.#contacts.due(now.monotonicMs)) this.#attempt(peer, address);
    this.#wantLost();
    this.#issueReceipts();
    do {
      this.#again = false;
      for (const [session, talk] of this.#talkBySession) this.#pump(session, talk);
      this.#drainEndpoint();
    } while (this.#again);
  }

  #drainEndpoint(): void {
    for (let output = this.#endpoint.poll(); output !== undefined; output = this.#endpoint.poll()) {
      switch (output.type) {
        case 'transmit':
        case 'close-path':
          this.#outputs.push(output);
          break;
        case 'established':
          this.#established(output);
          break;
        case 'message':
          this.#again = true;
          this.#message(output.session, output.bytes);
          break;
        case 'data':
          this.#again = true;
          this.#talkBySession
            .get(output.session)
            ?.receiver.handleData(output.transfer, output.offset, output.bytes, output.last, this.#now.monotonicMs);
          break;
        case 'suspended':
          this.#suspended(output.session);
          break;
        case 'resumed':
          this.#resumed(output.session);
          break;
        case 'writable':
          // Refilled at once, between two packets: a queue that ran dry would end the session's measurement of the link.
          this.#again = true;
          this.#refill(output.session);
          break;
        case 'closed':
          this.#closed(output.session, output.fault);
          break;
      }
    }
  }

  #report(event: NodeEvent): void {
    this.#outputs.push({ type: 'report', event });
  }

  // Reaching peers

  #attempt(peer: NodeId, address: string): void {
    const { membership } = this.#parts;
    const member = membership.member(peer);
    if (this.#sessionByPeer.has(peer) && !this.#suspendedPeers.has(peer)) return;
    if (member === undefined || membership.secret === undefined) {
      this.#contacts.failed(peer, this.#now.monotonicMs);
      return;
    }
    if (isStreamAddress(address)) {
      this.#peerByDialling.set(address, peer);
      this.#outputs.push({ type: 'dial', address });
      return;
    }
    this.#connectMember(peer, address, 'datagram', address);
  }

  #connectMember(peer: NodeId, path: string, kind: 'datagram' | 'stream', address: string): void {
    const { membership } = this.#parts;
    const member = membership.member(peer);
    const { secret } = membership;
    if (member === undefined || secret === undefined) return;
    const session = this.#endpoint.connect({ path, kind, remoteStatic: member.channelKey, secret }, this.#now);
    this.#addressBySession.set(session, address);
    this.#diallingBySession.set(session, peer);
  }

  #dialled(address: string, path: string): void {
    const purpose = this.#peerByDialling.get(address);
    this.#peerByDialling.delete(address);
    if (purpose === 'join') this.#connectJoin(path, 'stream', address);
    else if (purpose !== undefined) this.#connectMember(purpose, path, 'stream', address);
  }

  #dialFailed(address: string): void {
    const purpose = this.#peerByDialling.get(address);
    this.#peerByDialling.delete(address);
    if (purpose === 'join') this.#joinAttemptFailed();
    else if (purpose !== undefined) this.#contacts.failed(purpose, this.#now.monotonicMs);
  }

  #suspended(session: SessionId): void {
    const talk = this.#talkBySession.get(session);
    if (talk === undefined) return;
    talk.receiver.journal();
    this.#suspendedPeers.add(talk.peer);
    this.#contacts.failed(talk.peer, this.#now.monotonicMs);
    // What was coming from there may be had from somebody else.
    this.#askEverybody();
    this.#again = true;
  }

  #resumed(session: SessionId): void {
    const talk = this.#talkBySession.get(session);
    if (talk === undefined) return;
    this.#suspendedPeers.delete(talk.peer);
    this.#contacts.connected(talk.peer);
    talk.askAgain = true;
    this.#again = true;
  }

  #established(output: {
    readonly session: SessionId;
    readonly peer: NodeId | undefined;
    readonly handshakeHash: Uint8Array;
    readonly role: 'initiator' | 'responder';
    readonly remoteStatic: Uint8Array;
    readonly inviteTag?: Uint8Array;
    readonly path: string;
  }): void {
    if (output.role === 'responder' && !isStreamAddress(output.path)) this.#addressBySession.set(output.session, output.path);
    this.#diallingBySession.delete(output.session);
    if (output.peer !== undefined && output.inviteTag === undefined) {
      this.#beginTalk(output.session, output.peer);
      return;
    }
    if (output.role === 'initiator') this.#sendJoin(output.session, output.handshakeHash);
    else this.#joining.set(output.session, output);
  }

  #beginTalk(session: SessionId, peer: NodeId): void {
    const { logs, membership, receipts, crypto, journal } = this.#parts;
    const previous = this.#sessionByPeer.get(peer);
    if (previous !== undefined && previous !== session) {
      this.#endTalk(previous);
      this.#endpoint.close(previous, 'replaced', this.#now);
    }
    const talk: Talk = {
      peer,
      encounter: new Encounter({ logs, membership, receipts, crypto }),
      sender: new ContentSender(crypto),
      receiver: new ContentReceiver(journal, crypto),
      spoiled: new Set(),
      askAgain: true,
    };
    this.#talkBySession.set(session, talk);
    this.#sessionByPeer.set(peer, session);
    this.#suspendedPeers.delete(peer);
    const address = this.#addressBySession.get(session);
    if (address !== undefined && !isStreamAddress(address)) this.#contacts.heard(peer, address);
    this.#contacts.connected(peer);
    talk.encounter.begin();
    this.#report({ type: 'session-up', peer, address: address ?? 'inbound' });
  }

  #closed(session: SessionId, fault: Fault): void {
    this.#joining.delete(session);
    if (this.#join?.session === session) {
      delete this.#join.session;
      this.#joinAttemptFailed();
    }
    const dialling = this.#diallingBySession.get(session);
    this.#diallingBySession.delete(session);
    this.#addressBySession.delete(session);
    if (dialling !== undefined && (!this.#sessionByPeer.has(dialling) || this.#suspendedPeers.has(dialling)))
      this.#contacts.failed(dialling, this.#now.monotonicMs);
    const peer = this.#endTalk(session);
    if (peer === undefined) return;
    this.#contacts.failed(peer, this.#now.monotonicMs);
    this.#report({ type: 'session-down', peer, fault });
  }

  /** Forgets a session's conversation, keeping what arrived and what was counted. Returns the peer when this was its current session. */
  #endTalk(session: SessionId): NodeId | undefined {
    const talk = this.#talkBySession.get(session);
    if (talk === undefined) return undefined;
    talk.receiver.journal();
    const ledger = this.#endpoint.ledger(session);
    const past = this.#pastTraffic.get(talk.peer);
    const saved = talk.sender.savedBytes;
    this.#pastTraffic.set(talk.peer, {
      sent: addUp(past?.sent, ledger?.sent),
      received: addUp(past?.received, ledger?.received),
      resume: (past?.resume ?? 0) + saved.resume,
      delta: (past?.delta ?? 0) + saved.delta,
    });
    this.#talkBySession.delete(session);
    this.#askEverybody();
    this.#again = true;
    if (this.#sessionByPeer.get(talk.peer) !== session) return undefined;
    this.#sessionByPeer.delete(talk.peer);
    this.#suspendedPeers.delete(talk.peer);
    return talk.peer;
  }

  // Joining

  #tryJoin(): void {
    const join = this.#join;
    if (join?.dueAt === undefined || join.dueAt > this.#now.monotonicMs) return;
    delete join.dueAt;
    const address = join.invite.addresses[join.attempt % join.invite.addresses.length];
    if (address === undefined) {
      this.#join = undefined;
      this.#report({
        type: 'join-failed',
        fault: {
          code: 'INVITE_WITHOUT_ADDRESS',
          blame: 'caller',
          message: 'The invite names no address; ask for one made while the inviting node is listening.',
        },
      });
      return;
    }
    join.attempt++;
    if (isStreamAddress(address)) {
      this.#peerByDialling.set(address, 'join');
      this.#outputs.push({ type: 'dial', address });
    } else {
      this.#connectJoin(address, 'datagram', address);
    }
  }

  #connectJoin(path: string, kind: 'datagram' | 'stream', address: string): void {
    const join = this.#join;
    if (join === undefined) return;
    const { psk, tag } = inviteKeys(join.invite.secret, this.#parts.crypto.hmacSha256);
    join.session = this.#endpoint.connect({ path, kind, secret: psk, invite: { tag } }, this.#now);
    this.#addressBySession.set(join.session, address);
  }

  #joinAttemptFailed(): void {
    if (this.#join !== undefined) this.#join.dueAt = later(this.#now.monotonicMs, Math.min(500 * 2 ** this.#join.attempt, 30_000));
  }

  #sendJoin(session: SessionId, handshakeHash: Uint8Array): void {
    const { identity, crypto, nodeName } = this.#parts;
    const proof = crypto.ed25519Sign(identity.signingKey, concatBytes(joinDomain, handshakeHash));
    this.#say(session, 'critical', { type: 'join', node: identity.node, name: nodeName(), binding: identity.binding, proof });
  }

  /** The inviting side: checks who is joining, admits it, and goes on as with any member. */
  #admit(session: SessionId, message: Extract<Message, { type: 'join' }>): void {
    const joining = this.#joining.get(session);
    const { membership, crypto } = this.#parts;
    const { secret, founding } = membership;
    if (joining?.inviteTag === undefined || secret === undefined || founding === undefined) return;
    const proven = crypto.ed25519Verify(identifierToBytes(message.node), concatBytes(joinDomain, joining.handshakeHash), message.proof);
    const role = proven ? membership.redeemInvite(joining.inviteTag, message.node, this.#now.wallMs) : undefined;
    if (role === undefined) {
      this.#say(session, 'critical', {
        type: 'refused',
        code: 'INVITE_USED',
        message: 'The invite was used by another node, or has expired; ask for a new one.',
      });
      return;
    }
    this.#joining.delete(session);
    if (membership.member(message.node) === undefined) {
      this.#appendOperation({
        type: 'member',
        node: message.node,
        channelKey: joining.remoteStatic,
        binding: message.binding,
        role,
        name: message.name,
      });
    }
    this.#say(session, 'critical', { type: 'welcome', founding, secret, member: this.#parts.identity.node });
    this.#beginTalk(session, message.node);
  }

  #welcomed(session: SessionId, message: Extract<Message, { type: 'welcome' }>): void {
    const join = this.#join;
    if (join?.session !== session) return;
    const adopted = this.#parts.membership.adopt(message.founding, message.secret, join.invite.team);
    if (!adopted.ok) {
      this.#join = undefined;
      this.#report({ type: 'join-failed', fault: adopted.fault });
      return;
    }
    this.#join = undefined;
    this.#contacts.add(message.member, join.invite.addresses, this.#now.monotonicMs);
    this.#beginTalk(session, message.member);
    this.#awaitingMembership = true;
  }

  // What peers say

  #message(session: SessionId, bytes: Uint8Array): void {
    const decoded = decodeMessage(bytes);
    const talk = this.#talkBySession.get(session);
    if (!decoded.ok) {
      this.#report({ type: 'fault', peer: talk?.peer, fault: decoded.fault });
      if (decoded.fault.blame === 'peer') this.#endpoint.close(session, decoded.fault.code, this.#now);
      return;
    }
    const message = decoded.value;
    if (talk === undefined) {
      if (message.type === 'join') this.#admit(session, message);
      else if (message.type === 'welcome') this.#welcomed(session, message);
      else if (message.type === 'refused' && this.#join?.session === session) {
        this.#join = undefined;
        this.#report({ type: 'join-failed', fault: { code: message.code, blame: 'caller', message: message.message } });
      }
      return;
    }
    switch (message.type) {
      case 'frontier':
        talk.encounter.handleFrontier(message);
        break;
      case 'vectors': {
        const fault = talk.encounter.handleVectors(message);
        if (fault !== undefined) this.#report({ type: 'fault', peer: talk.peer, fault });
        break;
      }
      case 'entries': {
        const accepted = talk.encounter.handleEntries(message);
        if (accepted.fault !== undefined) this.#report({ type: 'fault', peer: talk.peer, fault: accepted.fault });
        if (accepted.stored.length > 0) this.#entriesStored(accepted.dataset, accepted.stored, talk.peer);
        break;
      }
      case 'receipts':
        this.#receiptsArrived(session, talk, message);
        break;
      case 'wants':
        for (const want of message.wants) talk.sender.handleWant(want);
        break;
      case 'lacks':
        for (const number of message.numbers) talk.receiver.handleLack(number);
        this.#askEverybody();
        break;
      case 'withdraws':
        talk.sender.handleWithdraw(message.numbers);
        break;
      case 'progress':
        talk.sender.handleProgress(message.number, message.storedBytes);
        break;
      case 'join':
      case 'welcome':
      case 'refused':
        break;
    }
  }

  #receiptsArrived(session: SessionId, talk: Talk, message: Extract<Message, { type: 'receipts' }>): void {
    const { receipts, membership } = this.#parts;
    const fresh: HeldReceipt[] = [];
    for (const claim of message.receipts) {
      if (membership.member(claim.node) === undefined) continue;
      const accepted = receipts.accept(claim);
      if (!accepted.ok) {
        this.#report({ type: 'fault', peer: talk.peer, fault: accepted.fault });
      } else if (accepted.value === 'stored') {
        const receipt = receipts.of(claim.node, claim.dataset);
        if (receipt !== undefined) fresh.push(receipt);
        this.#report({ type: 'receipt', node: claim.node, dataset: claim.dataset });
      }
    }
    this.#broadcastReceipts(fresh, session);
  }

  #broadcastReceipts(fresh: readonly HeldReceipt[], except: SessionId | undefined): void {
    if (fresh.length === 0) return;
    for (const [session, { encounter }] of this.#talkBySession) if (session !== except) encounter.sendReceipts(fresh);
  }

  // Log entries

  #append(dataset: DatasetId, body: EntryBody): Dot {
    const { logs, identity } = this.#parts;
    const entry = logs.append(dataset, identity.node, identity.signingKey, encodeEntryBody(body, identity.node));
    this.#apply(dataset, entry, body);
    this.#logsGrew();
    this.#report({ type: 'entries', dataset, count: 1, from: 'self' });
    return { author: entry.author, sequence: entry.sequence };
  }

  #appendOperation(operation: MembershipOperation): void {
    const dataset = this.#parts.membership.logDataset;
    if (dataset === undefined) throw new GodwitError('NO_TEAM', 'This node belongs to no team yet; create one or join one with an invite.');
    this.#append(dataset, {
      kind: 'membership',
      payload: encodeOperation(operation),
      instant: this.#clock.issue(this.#now.wallMs),
      clockQuality: 'unknown',
    });
  }

  #entriesStored(dataset: DatasetId, entries: readonly LogEntry[], from: NodeId): void {
    for (const entry of entries) {
      const body = decodeEntryBody(entry.body, entry.author);
      if (!body.ok) {
        this.#report({ type: 'fault', peer: from, fault: body.fault });
        continue;
      }
      this.#clock.observe(body.value.instant, this.#now.wallMs);
      this.#apply(dataset, entry, body.value);
    }
    this.#receiptDue.add(dataset);
    this.#logsGrew();
    this.#report({ type: 'entries', dataset, count: entries.length, from });
  }

  #apply(dataset: DatasetId, entry: LogEntry, body: EntryBody): void {
    const { membership, index, applyEntry } = this.#parts;
    if (body.kind === 'files') {
      const touched = index.apply(dataset, entry, body, body.changes, this.#now.wallMs);
      this.#updateWants(dataset, entry, body.changes);
      for (const path of touched) this.#pathChanged(dataset, path);
    } else if (body.kind === 'membership' && dataset === membership.logDataset) {
      membership.rebuild();
      for (const { encounter } of this.#talkBySession.values()) encounter.membershipChanged();
      this.#report({ type: 'team-changed' });
      const { team } = membership;
      if (this.#awaitingMembership && team !== undefined && membership.member(this.#parts.identity.node) !== undefined) {
        this.#awaitingMembership = false;
        this.#report({ type: 'joined', team });
      }
    } else {
      applyEntry(dataset, entry, body);
    }
  }

  #pathChanged(dataset: DatasetId, path: string): void {
    this.#report({ type: 'path-changed', dataset, path });
    if (this.#parts.index.inConflict(dataset, path)) this.#report({ type: 'conflict', dataset, path });
  }

  /** Wants the content of every head that this entry brought, and stops wanting what it superseded. */
  #updateWants(dataset: DatasetId, dot: Dot, changes: readonly FileChange[]): void {
    const { index, contents, wants, membership } = this.#parts;
    const priority = membership.dataset(dataset)?.priority ?? 'normal';
    for (const change of changes) {
      for (const old of change.superseded) wants.removeRevision(dataset, old.author, old.sequence, change.path);
    }
    for (const { path, content, head } of index.contentsOf(dataset, dot)) {
      if (!head) continue;
      if (content.sizeBytes === 0) contents.complete(content, []);
      else if (!contents.holds(content.root)) {
        this.#askEverybody();
        wants.add({
          root: content.root,
          sizeBytes: content.sizeBytes,
          depth: content.depth,
          priority,
          dataset,
          path,
          author: dot.author,
          sequence: dot.sequence,
        });
      }
    }
  }

  /** Contents that were here and are not any more (damaged in a pack, or changed in the working file they lay in) are wanted again where they are a head. */
  #wantLost(): void {
    const { contents, index, wants, membership } = this.#parts;
    for (const content of contents.takeLost()) {
      for (const { dataset, path, author, sequence } of index.headsWithRoot(content.root)) {
        const priority = membership.dataset(dataset)?.priority ?? 'normal';
        wants.add({ ...content, priority, dataset, path, author, sequence });
        this.#receiptDue.add(dataset);
        this.#askEverybody();
      }
    }
  }

  #logsGrew(): void {
    for (const { encounter } of this.#talkBySession.values()) encounter.logsChanged();
  }

  /** Signs what is held completely by now, for the datasets where that may have changed. */
  #issueReceipts(): void {
    const { identity, receipts, logs, wants } = this.#parts;
    const now = this.#now.monotonicMs;
    const issued: HeldReceipt[] = [];
    for (const dataset of this.#receiptDue) {
      const last = this.#receiptIssuedAt.get(dataset);
      if (last !== undefined && later(last, receiptPauseMs) > now) continue;
      this.#receiptDue.delete(dataset);
      this.#receiptIssuedAt.set(dataset, now);
      const held = [...logs.lengths(dataset)].map(([author, length]): [NodeId, number] => [
        author,
        (wants.firstIncomplete(dataset, author) ?? length + 1) - 1,
      ]);
      const vector = VersionVector.of(held.filter(([, length]) => length > 0));
      const receipt = receipts.issue(identity.node, identity.signingKey, dataset, vector, this.#clock.issue(this.#now.wallMs));
      if (receipt !== undefined) issued.push(receipt);
    }
    this.#broadcastReceipts(issued, undefined);
  }

  // Moving data

  #pump(session: SessionId, talk: Talk): void {
    const room = (priority: PriorityClass): number => this.#endpoint.roomBytes(session, priority);
    for (
      let next = talk.encounter.poll((priority) => room(priority) > 0);
      next !== undefined;
      next = talk.encounter.poll((priority) => room(priority) > 0)
    ) {
      this.#say(session, next.priority, next.message);
    }
    this.#ask(talk);
    this.#drainReceiver(session, talk);
    this.#drainSender(session, talk);
    this.#refill(session);
  }

  /** Hands the session data, the most urgent first, as much as it takes now. */
  #refill(session: SessionId): void {
    const talk = this.#talkBySession.get(session);
    if (talk === undefined) return;
    const { sender } = talk;
    for (let priority = sender.readyPriority; priority !== undefined; priority = sender.readyPriority) {
      const room = this.#endpoint.roomBytes(session, priority);
      const data = room > 0 ? sender.take(Math.min(this.#endpoint.maxDataBytes(session), room)) : undefined;
      if (data === undefined) break;
      this.#endpoint.sendData(session, data.priority, data, this.#now);
      this.#drainSender(session, talk);
    }
  }

  /** Asks the peer for what is wanted and neither on its way nor known to be missing there. */
  #ask(talk: Talk): void {
    const { monotonicMs } = this.#now;
    if (this.#holdUntil !== undefined && this.#holdUntil <= monotonicMs) this.#resumeAsking();
    // What a peer lacks it keeps in mind until it has it, up to a limit; what it could not keep in mind would be asked in vain.
    const free = Math.min(wantsAtOnce - talk.receiver.active, limits.deferredWantsPerSessionMax - talk.receiver.asked);
    if (!talk.askAgain || free <= 0 || this.#holdUntil !== undefined || this.#suspendedPeers.has(talk.peer)) return;
    talk.askAgain = false;
    const talks = [...this.#talkBySession.values()];
    const silent = talks.filter(({ peer }) => this.#suspendedPeers.has(peer)).map(({ receiver }) => receiver);
    const heard = talks.filter(({ peer }) => !this.#suspendedPeers.has(peer)).map(({ receiver }) => receiver);
    const except = {
      has: (root: string) =>
        talk.spoiled.has(root) || talk.receiver.askedFor(root) !== 'no' || heard.some((receiver) => receiver.askedFor(root) === 'coming'),
    };
    for (const wanted of this.#parts.wants.next(free, except)) {
      if (this.#parts.contents.holds(wanted.root)) {
        // It came by another way: somebody put the file in its place, for one.
        this.contentAvailable(wanted.root);
        continue;
      }
      const bases = this.#parts.index
        .history(wanted.dataset, wanted.path)
        .flatMap((revision) =>
          revision.kind === 'file' && this.#parts.contents.holds(revision.content.root) ? [revision.content.root] : [],
        );
      // A content arrives from one peer at a time: what a silent one began is taken over, from where its journal ends.
      for (const receiver of silent) receiver.withdraw(wanted.root);
      talk.receiver.start(wanted, bases.slice(0, 4));
    }
  }

  #drainReceiver(session: SessionId, talk: Talk): void {
    const wants = [];
    for (let output = talk.receiver.poll(); output !== undefined; output = talk.receiver.poll()) {
      switch (output.type) {
        case 'want':
          wants.push(output.want);
          break;
        case 'withdraw':
          this.#say(session, 'critical', { type: 'withdraws', numbers: [output.number] });
          break;
        case 'progress':
          this.#say(session, 'critical', output);
          break;
        case 'complete':
          this.#contentComplete(output.root, output.transfer);
          break;
        case 'failed':
          this.#transferFailed(talk, output.root, output.fault);
          break;
      }
    }
    if (wants.length > 0) this.#say(session, 'critical', { type: 'wants', wants });
    for (let task = talk.receiver.pollTask(); task !== undefined; task = talk.receiver.pollTask()) this.#startTask(session, task);
  }

  /** A fault of the peer's rules it out for this content; one of our own disk makes us pause, because asking again would fail again. */
  #transferFailed(talk: Talk, root: Hash, fault: Fault): void {
    this.#report({ type: 'fault', peer: talk.peer, fault });
    if (fault.blame === 'local') {
      this.#holdUntil ??= later(this.#now.monotonicMs, this.#diskPauseMs);
      this.#diskPauseMs = Math.min(this.#diskPauseMs * 2, diskPauseMsMax);
    } else talk.spoiled.add(toHex(root));
    this.#askEverybody();
  }

  #resumeAsking(): void {
    this.#holdUntil = undefined;
    this.#askEverybody();
  }

  #askEverybody(): void {
    for (const talk of this.#talkBySession.values()) talk.askAgain = true;
  }

  #drainSender(session: SessionId, talk: Talk): void {
    const lacks = talk.sender.takeLacks();
    if (lacks.length > 0) this.#say(session, 'critical', { type: 'lacks', numbers: lacks });
    for (let task = talk.sender.pollTask(); task !== undefined; task = talk.sender.pollTask()) this.#startTask(session, task);
  }

  #startTask(session: SessionId, task: SenderTask | ReceiverTask): void {
    const token = this.#nextToken++;
    this.#taskByToken.set(token, { session, task });
    const engineTask =
      task.type === 'encode'
        ? { token, type: task.type, task, rateBytesPerSecond: this.#endpoint.estimate(session)?.rateBytesPerSecond }
        : ({ token, type: task.type, task } as EngineTask);
    this.#outputs.push({ type: 'task', task: engineTask });
  }

  #taskDone(token: number, result: TaskResult): void {
    const started = this.#taskByToken.get(token);
    this.#taskByToken.delete(token);
    if (started === undefined) return;
    const { session, task } = started;
    const talk = this.#talkBySession.get(session);
    if (talk === undefined) return;
    if (task.type === 'prepare' && result.type === 'prepare') talk.sender.prepared(task.want, result.transfer);
    else if (task.type === 'encode' && result.type === 'encode') talk.sender.encoded(task.number, task.group, result.bytes);
    else if (task.type === 'open' && result.type === 'open') talk.receiver.opened(task.number, result.outcome);
    else if (task.type === 'store' && result.type === 'store') {
      if (result.outcome.ok) this.#diskPauseMs = diskPauseMsMin;
      talk.receiver.stored(task.number, task.group, result.outcome);
    } else if (task.type === 'finish' && result.type === 'finish') talk.receiver.finished(task.number, result.outcome);
  }

  #contentComplete(root: Hash, transfer: OpenedTransfer): void {
    this.#askEverybody();
    this.contentAvailable(root);
    this.#report({ type: 'content-complete', root: toHex(root), sizeBytes: transfer.content.sizeBytes, copiedBytes: transfer.copiedBytes });
  }

  /** A content became complete here, by whatever way: those who wait for it hear of it. Part of a turn. */
  contentAvailable(root: Hash): void {
    this.#parts.wants.remove(root);
    for (const { sender, receiver } of this.#talkBySession.values()) {
      receiver.withdraw(root);
      sender.handleContentComplete(root);
    }
    for (const { dataset, path } of this.#parts.index.headsWithRoot(root)) {
      this.#receiptDue.add(dataset);
      this.#pathChanged(dataset, path);
    }
  }

  #say(session: SessionId, priority: PriorityClass, message: Message): void {
    // A full queue means a peer that takes nothing while we owe it much. Everything said is derived from the catalog, so beginning again later loses nothing.
    if (!this.#endpoint.sendMessage(session, priority, encodeMessage(message), this.#now))
      this.#endpoint.close(session, 'message queue full', this.#now);
  }
}

function isStreamAddress(address: string): boolean {
  return address.startsWith('tcp:');
}

function addUp(a: Readonly<Record<string, number>> | undefined, b: PurposeBytes | undefined): Record<string, number> {
  const sum: Record<string, number> = { ...a };
  for (const [purpose, bytes] of Object.entries(b ?? {})) sum[purpose] = (sum[purpose] ?? 0) + bytes;
  return sum;
}
