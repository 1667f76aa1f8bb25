import type { CborValue } from '../core/cbor.ts';
import { GodwitError } from '../core/errors.ts';
import type { DatasetId, Hash, NodeId } from '../core/identifiers.ts';
import type { Fault } from '../core/outcome.ts';
import { type Deadline, earliest, type Moment } from '../core/time.ts';
import type { EntryHeader, FileChange } from '../datasets/entry-body.ts';
import type { Dot } from '../datasets/log-entry.ts';
import type { ContactWindow } from '../forwarding/contact-windows.ts';
import type { WantedContent } from '../forwarding/want-list.ts';
import type { CarriedMessage } from '../session/bundle-records.ts';
import type { EndpointOutput, SessionEndpoint, SessionId } from '../session/endpoint.ts';
import { decodeMessage, type Message } from '../session/messages.ts';
import { type CarriedResult, takeCarried } from './carried-messages.ts';
import { CarryingKeeping } from './carrying-keeping.ts';
import { CircuitKeeping } from './circuit-keeping.ts';
import { addressOfCarrier, isCircuitPath } from './circuit-path.ts';
import { DiscoveryKeeping } from './discovery-keeping.ts';
import { messagesOf } from './early-speaking.ts';
import { contactsOf, sessionEndpoint } from './engine-endpoint.ts';
import type { EngineParts } from './engine-parts.ts';
import type { EngineInput, EngineOutput } from './engine-turn.ts';
import type { Invite } from './invite.ts';
import type { LinkReport } from './link-report.ts';
import { LinkSupervision } from './link-supervision.ts';
import { type EntryDraft, LogKeeping } from './log-keeping.ts';
import { encodeOperation, type MembershipOperation } from './membership.ts';
import { MeshRouting } from './mesh-routing.ts';
import { Newcomers } from './newcomers.ts';
import type { NodeEvent } from './node-event.ts';
import { type PeerTraffic, type SessionTraffic, TrafficBook } from './peer-traffic.ts';
import { Peers } from './peers.ts';
import type { Relaying } from './relay-settings.ts';
import { Replication } from './replication.ts';

export type { PeerTraffic } from './peer-traffic.ts';

/**
 * The engine: every machine of a node, composed. It does nothing by itself: **hand it what happened with `handle`, then take outputs with `poll` until there are none, and call `wake` when the
 * deadline has come.** The Node runtime and the simulator drive the same engine.
 *
 * A turn is a transaction. Whatever a `handle`, a `wake` or a command writes to the catalog is durable when it returns, and outputs are only taken afterwards; so nothing is said to a peer
 * that a power cut could make untrue. Bulk bytes are read and written by tasks, whose results come back as inputs. A wake-up that only makes sessions send what they have, or asks
 * a silent peer whether it is there, changes nothing for any other machine, and is a transaction only when the accounts have to be written ahead.
 *
 * Each machine has its own idea and its own file: `peers` reaches members, `newcomers` are the two halves of joining a team, `replication` talks with members, `log-keeping` is what log
 * entries mean here, and below them all is the session endpoint. What one of them says to another passes through here.
 */

const noBytes = new Uint8Array(0);

/** The machines of one node. One driver at a time. */
export class Engine {
  /** The accounts, budgets and caps of links. Changed within turns only. */
  readonly links: LinkSupervision;
  /** Neighbours, and routes to members. */
  readonly mesh: MeshRouting;
  /** Streams to members through others. Changed within turns only. */
  readonly circuits: CircuitKeeping;
  /** Finding members without configuration. Changed within turns only. */
  readonly discovery: DiscoveryKeeping;
  /** What is carried for members that are out of reach. Changed within turns only. */
  readonly carrying: CarryingKeeping;
  readonly #parts: EngineParts;
  readonly #endpoint: SessionEndpoint;
  readonly #peers: Peers;
  readonly #newcomers: Newcomers;
  readonly #keeping: LogKeeping;
  readonly #replication: Replication;
  readonly #traffic = new TrafficBook();
  readonly #outputs: EngineOutput[] = [];
  /** Something came in that may let a machine go on. */
  #again = false;
  /** A way to some member is another than before. */
  #waysChanged = false;
  /** When a machine other than the sessions and `peers` is due next, once that was found after a turn. */
  #others: { readonly due: Deadline | undefined } | undefined;
  #now: Moment;

  constructor(parts: EngineParts, now: Moment) {
    this.#parts = parts;
    this.#now = now;
    const { identity, membership, catalog, random } = parts;
    const report = (event: NodeEvent): void => this.#report(event);
    this.links = new LinkSupervision({ catalog, peerByKey: (key) => membership.memberByKey(key)?.node, report }, now);
    const contacts = contactsOf(parts, () => this.#now);
    parts.deliveries.recover(now);
    const hasSession = (peer: NodeId): boolean => this.#peers.hasSession(peer);
    this.#endpoint = sessionEndpoint(parts, this.links, () => this.#now.wallMs, hasSession);
    this.#peers = new Peers({
      contacts,
      membership,
      endpoint: this.#endpoint,
      dial: (address) => this.#outputs.push({ type: 'dial', address }),
      links: this.links,
      attemptFailed: (peer, address, at) => this.discovery.candidates.failed(peer, address, at),
    });
    this.discovery = new DiscoveryKeeping({ ...parts, self: identity.node, random: random.fork(), peers: this.#peers }, now.monotonicMs);
    this.#newcomers = new Newcomers({
      ...parts,
      endpoint: this.#endpoint,
      peers: this.#peers,
      dial: ({ address, pass }) => {
        if (pass === undefined) this.#outputs.push({ type: 'dial', address });
        else this.circuits.dialThrough(address, addressOfCarrier(address) ?? address, pass, this.#now);
      },
      begin: (session, peer) => this.#begin(session, peer),
      append: (operation) => this.#appendOperation(operation),
      report,
    });
    this.carrying = new CarryingKeeping(
      { ...parts, endpoint: this.#endpoint, peers: this.#peers, keeping: () => this.#keeping, report },
      now,
    );
    this.#keeping = new LogKeeping(
      { ...parts, carrying: this.carrying },
      {
        report,
        logsGrew: () => this.#replication.logsGrew(),
        contentLost: (root) => this.#replication.contentLost(root, this.#now.monotonicMs),
        contentsWanted: () => this.#replication.askEverybody(),
        teamChanged: () => {
          this.#replication.membershipChanged();
          this.#newcomers.teamChanged();
          this.mesh.membersChanged(this.#now);
          this.circuits.membersChanged(this.#now);
          this.discovery.membersChanged();
        },
      },
      now,
    );
    const heard = (session: SessionId, isHeard: boolean): void => this.#replication.handleHeard(session, isHeard);
    this.mesh = new MeshRouting({ ...parts, self: identity.node, random: random.fork(), endpoint: this.#endpoint, heard, report });
    parts.interests.follow(this.mesh);
    this.circuits = new CircuitKeeping(
      {
        ...parts,
        self: identity.node,
        endpoint: this.#endpoint,
        peers: this.#peers,
        mesh: this.mesh,
        newcomers: this.#newcomers,
        takes: (peer, dataset) => this.#replication.takes(peer, dataset),
        dial: (address) => this.#outputs.push({ type: 'dial', address }),
        report,
      },
      now,
    );
    this.#replication = new Replication({
      ...parts,
      endpoint: this.#endpoint,
      keeping: this.#keeping,
      carrying: this.carrying,
      links: this.links,
      start: (task) => this.#outputs.push({ type: 'task', task }),
      report,
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
          if (this.#newcomers.handleDialFailed(input.address, input.message, now.monotonicMs)) break;
          if (!this.circuits.handleDialFailed(input.address, input.message, now)) this.#peers.handleDialFailed(input.address, now);
          break;
        case 'interfaces':
          this.discovery.setInterfaces(input.interfaces, now.monotonicMs);
          this.#tryEverybody(now);
          break;
        case 'overheard':
          this.discovery.hear(input.packet, now.monotonicMs);
          break;
        case 'task-done':
          this.#replication.handleTaskDone(input.token, input.result);
          break;
      }
    });
  }

  /** The deadline has come. */
  wake(now: Moment): void {
    const dueAt = this.#others === undefined ? now.monotonicMs : (this.#others.due?.at ?? Infinity);
    if (dueAt > now.monotonicMs && this.links.accounts.goOn(now)) this.#wakeSessions(now);
    else
      this.#turn(now, () => {
        this.#endpoint.wake(now);
        this.#replication.wake(now.monotonicMs);
      });
  }

  /** The next output, until `undefined`. */
  poll(): EngineOutput | undefined {
    return this.#outputs.shift();
  }

  /** When to call `wake` if nothing else happens, and why. `undefined`: not at all. */
  nextDeadline(): Deadline | undefined {
    if (this.#others === undefined) {
      let due = earliest(this.#parts.deliveries.nextDeadline(this.#now), this.#keeping.nextDeadline(this.#now.monotonicMs));
      const others = [this.#replication, this.links, this.mesh, this.circuits, this.discovery, this.#newcomers];
      for (const each of others) due = earliest(due, each.nextDeadline());
      this.#others = { due };
    }
    return earliest(this.#others.due, earliest(this.#peers.nextDeadline(), this.#endpoint.nextDeadline()));
  }

  // Commands

  /** Joins a team with an invite: tries its addresses until one answers. Ends in a `joined` or `join-failed` report. */
  join(invite: Invite, now: Moment): void {
    this.#turn(now, () => this.#newcomers.start(invite, now.monotonicMs));
  }

  /** Gives up joining, if that is still under way: a `join-failed` report with this fault. The team is not adopted then, and the same invite may be used again. */
  stopJoining(fault: Fault, now: Moment): void {
    this.#turn(now, () => this.#newcomers.stop(fault));
  }

  /** Keeps trying to hold a session with a member at these addresses. */
  addContact(peer: NodeId, addresses: readonly string[], now: Moment): void {
    this.#turn(now, () => this.#peers.add(peer, addresses, now.monotonicMs));
  }

  /** Takes part in a dataset, or no more. */
  choose(dataset: DatasetId, subscribed: boolean, now: Moment): void {
    this.#turn(now, () => {
      if (!this.#parts.interests.choose(dataset, subscribed)) return;
      this.#keeping.interestChanged(dataset);
      this.#replication.interestsChanged();
    });
  }

  /** Declares when a peer can be reached, or, with no windows, that it can be at any time. */
  setContactWindows(peer: NodeId, windows: readonly ContactWindow[], now: Moment): void {
    this.#turn(now, () => {
      this.#parts.deliveries.declareWindows(peer, windows);
      this.#peers.windowsChanged(peer, now.monotonicMs);
    });
  }

  /** Something in the surroundings changed: peers without a session are tried at once. */
  hint(now: Moment): void {
    this.#turn(now, () => {
      this.#tryEverybody(now);
      this.discovery.hint(now.monotonicMs);
      // A peer that was set back to a backup knows nothing of its session, and perhaps not how to reach this node; here the session looks as good as ever.
      for (const session of this.#peers.sessions.values()) this.#endpoint.ping(session, now);
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
    return this.#append(dataset, { kind: 'files', changes, ...header }, now, recorded);
  }

  /** Writes an entry of another kind. */
  appendPayload(
    dataset: DatasetId,
    kind: 'table' | 'segment' | 'gap' | 'tag' | 'order',
    payload: CborValue,
    header: Omit<EntryHeader, 'instant'>,
    now: Moment,
  ): Dot {
    return this.#append(dataset, { kind, payload, ...header }, now);
  }

  /** Does that for others from now on. */
  setRelaying(change: Partial<Relaying>, now: Moment): void {
    this.#turn(now, () => {
      this.circuits.setRelaying(change);
      this.#waysChanged = true;
    });
  }

  /** Runs several commands as one transaction. */
  atomically<T>(now: Moment, work: () => T): T {
    return this.#turn(now, work);
  }

  /** A content became complete here, by whatever way: those who wait for it hear of it. Part of a turn. */
  contentAvailable(root: Hash): void {
    this.#replication.contentAvailable(root);
  }

  /** Asks peers for contents that somebody here wants, beside those that log entries want. Kept until they arrive or `stopSeeking`. */
  seek(wanted: readonly WantedContent[], now: Moment): void {
    this.#turn(now, () => {
      for (const each of wanted) this.#parts.wants.add({ ...each, sequence: 0 });
      this.#replication.askEverybody();
    });
  }

  /** Nobody here waits for these any more. */
  stopSeeking(roots: readonly Hash[], now: Moment): void {
    this.#turn(now, () => {
      for (const root of roots) this.#parts.wants.removeRequest(root);
    });
  }

  /** Whether a wanted content may still come from a peer in reach. */
  prospect(root: Hash): 'coming' | 'open' | 'nowhere' {
    return this.#replication.prospect(root);
  }

  /** Takes entries or receipts that `from` put on a medium. */
  takeCarried(from: NodeId, message: CarriedMessage, now: Moment): CarriedResult {
    const machines = { keeping: this.#keeping, replication: this.#replication, carrying: this.carrying };
    const report = (event: NodeEvent): void => this.#report(event);
    return this.#turn(now, () => takeCarried({ ...this.#parts, ...machines, report }, from, message, now));
  }

  /** Signs what is held by now, however short ago that was done. */
  signReceipts(now: Moment): void {
    this.#turn(now, () => this.#replication.sendReceipts(this.#keeping.issueReceipts(now, true)));
  }

  /** Contents that turned out damaged outside of a turn are wanted again where they are heads. */
  noticeLosses(now: Moment): void {
    this.#turn(now, () => undefined);
  }

  /** How much of a content has moved to peers in the present sessions. */
  movedTo(root: Hash): { readonly peer: NodeId; readonly bytes: number }[] {
    return this.#replication.movedTo(root);
  }

  /** Peers with which a session stands. */
  connectedPeers(): NodeId[] {
    return [...this.#peers.sessions.keys()];
  }

  /** What is known of the links to members. */
  linkReports(): LinkReport[] {
    return this.links.links(this.#peers.sessions, this.#endpoint);
  }

  /** Bytes by peer and purpose since this engine began. */
  traffic(): PeerTraffic[] {
    return this.#traffic.totals(new Map([...this.#peers.sessions].map(([peer, session]) => [peer, this.#trafficOf(session)])));
  }

  /** Reaches for everybody who is not heard: by a new attempt, and over the session that stands, which is the quicker of the two where the peer has it still. */
  #tryEverybody(now: Moment): void {
    this.#peers.hint(now.monotonicMs);
    this.#newcomers.hint(now.monotonicMs);
    this.circuits.hint(now.monotonicMs);
    for (const session of this.#peers.suspended) this.#endpoint.reach(session, now);
  }

  #dialled(address: string, path: string): void {
    if (this.#newcomers.handleDialled(address, path) || this.circuits.handleDialled(address, path, this.#now)) return;
    this.#peers.handleDialled(address, path, this.#now);
  }

  // Turns

  #turn<T>(now: Moment, work: () => T): T {
    this.#now = now;
    this.#others = undefined;
    return this.#parts.catalog.transaction(() => {
      this.links.begin(now);
      const result = work();
      this.#settle();
      this.links.settle(this.#peers.sessions, this.#endpoint);
      return result;
    });
  }

  /** Lets sessions send what is due in them, and peers be tried. As soon as a session has more to say than that, it is a turn like any other. */
  #wakeSessions(now: Moment): void {
    this.#now = now;
    this.#endpoint.wake(now);
    this.#peers.attemptDue(now);
    for (let output = this.#endpoint.poll(); output !== undefined; output = this.#endpoint.poll()) {
      const sent = output;
      if (sent.type === 'transmit' && !isCircuitPath(sent.path)) this.#outputs.push(sent);
      else this.#turn(now, () => this.#take(sent));
    }
    if (this.links.accounts.isBehind) this.#parts.catalog.transaction(() => this.links.accounts.settle());
  }

  /** Lets every machine act on what happened, until nothing more follows from it. */
  #settle(): void {
    const now = this.#now;
    this.#drainEndpoint();
    this.#newcomers.wake(now);
    this.#peers.attemptDue(now);
    for (const each of this.discovery.settle(now)) this.#outputs.push({ type: 'announce', ...each });
    this.#keeping.wantLost();
    const receipts = this.#keeping.issueReceipts(now);
    this.#parts.deliveries.receipts(receipts, now);
    this.#replication.sendReceipts(receipts);
    this.#keeping.unwant(this.#parts.deliveries.wake(now));
    this.mesh.settle(now);
    this.#relay();
    do {
      this.#again = false;
      this.#replication.pump(now);
      this.#again = this.circuits.settle(now) || this.#again;
      this.#again = this.carrying.settle(now) || this.#again;
      this.#newcomers.wake(now);
      this.#drainEndpoint();
    } while (this.#again);
    for (const change of this.#parts.deliveries.takeChanges()) this.#report({ type: 'delivery', ...change });
  }

  #drainEndpoint(): void {
    for (let output = this.#endpoint.poll(); output !== undefined; output = this.#endpoint.poll()) this.#take(output);
  }

  #take(output: EndpointOutput): void {
    const now = this.#now;
    switch (output.type) {
      case 'transmit':
      case 'close-path':
        if (this.circuits.takes(output, now)) this.#again = true;
        else this.#outputs.push(output);
        break;
      case 'established':
        this.#established(output);
        break;
      case 'message':
        this.#again = true;
        this.#message(output.session, output.bytes);
        this.#newcomers.wake(now);
        break;
      case 'data':
        this.#again = true;
        this.#replication.handleData(output.session, output, now);
        break;
      case 'suspended':
      case 'resumed':
        this.#heard(output.session, output.type);
        break;
      case 'writable':
        // Refilled at once, between two packets: a queue that ran dry would end the session's measurement of the link.
        this.#again = true;
        this.#replication.refill(output.session, now);
        break;
      case 'closed':
        this.#closed(output.session, output.fault);
        break;
    }
  }

  /** Takes part for others where the ways to them lead through here. */
  #relay(): void {
    if (!this.#waysChanged) return;
    this.#waysChanged = false;
    this.carrying.routesChanged(this.#now);
    this.#keeping.routesChanged();
    this.#replication.interestsChanged();
  }

  #report(event: NodeEvent): void {
    if (event.type === 'route-changed' || event.type === 'node-seen' || event.type === 'node-lost') this.#waysChanged = true;
    if (event.type === 'entries' || event.type === 'receipt') this.mesh.demandChanged();
    this.#outputs.push({ type: 'report', event });
  }

  // Sessions

  #established(output: Extract<EndpointOutput, { type: 'established' }>): void {
    const { session, peer, role, path } = output;
    this.#peers.handleEstablished(session, role, path);
    if (this.circuits.handleEstablished(output, this.#now) || this.#newcomers.handleEstablished(output, this.#now)) return;
    if (peer !== undefined) {
      this.#begin(session, peer, messagesOf(output.said));
    } else {
      this.#endpoint.close(session, 'not a member', this.#now);
    }
  }

  /** A session is known to be with this member: it is the one session with it from now on. */
  #begin(session: SessionId, peer: NodeId, said: readonly Message[] = []): void {
    this.#again = true;
    const { address, previous } = this.#peers.begin(session, peer, this.#now);
    this.discovery.reached(peer, address);
    if (!this.#peers.isCarried(session)) this.mesh.begin(peer, session, this.#now);
    this.circuits.begin(session, this.#now);
    if (previous !== undefined) {
      this.#end(previous);
      this.#endpoint.close(previous, 'replaced', this.#now);
    }
    this.links.accounts.introduce(this.#endpoint.remoteStatic(session) ?? noBytes, peer);
    this.#endpoint.refreshAccount(session, this.#now);
    this.#replication.begin(session, peer, said);
    if (!this.#peers.isCarried(session)) this.carrying.met(peer, this.#now);
    this.#parts.deliveries.sessionBegan(peer, this.#now);
    this.#report({ type: 'session-up', peer, address: address ?? 'inbound' });
  }

  #heard(session: SessionId, change: 'suspended' | 'resumed'): void {
    const peer = this.#replication.peerOf(session);
    if (peer === undefined) return;
    this.#again = true;
    if (change === 'suspended') {
      this.#replication.handleHeard(session, false);
      this.#parts.deliveries.sessionEnded(peer, this.#now);
      if (!this.#peers.isCarried(session)) {
        this.mesh.silent(peer, this.#now);
        this.carrying.silent(peer, this.#now);
        this.discovery.candidates.lost(peer, this.#now.monotonicMs);
      }
      this.#peers.handleSuspended(peer, this.#now);
      this.circuits.silent(session, peer, this.#now);
    } else {
      this.#replication.handleHeard(session, true);
      if (!this.#peers.isCarried(session)) this.carrying.met(peer, this.#now);
      this.#parts.deliveries.sessionBegan(peer, this.#now);
      this.#peers.handleResumed(peer, this.#now);
      this.circuits.heard(session, this.#now);
    }
  }

  #closed(session: SessionId, fault: Fault): void {
    this.#newcomers.handleClosed(session, fault, this.#now);
    this.circuits.handleClosed(session, fault, this.#now);
    const peer = this.#peers.handleClosed(session, this.#now);
    this.#end(session);
    if (peer === undefined) return;
    this.discovery.candidates.lost(peer, this.#now.monotonicMs);
    this.#parts.deliveries.sessionEnded(peer, this.#now);
    this.#report({ type: 'session-down', peer, fault });
  }

  /** Forgets a session's conversation, keeping what arrived and what was counted. */
  #end(session: SessionId): void {
    const peer = this.#replication.peerOf(session);
    if (peer === undefined) return;
    this.#again = true;
    this.mesh.end(peer, session, this.#now);
    this.carrying.ended(peer, this.#now);
    this.#traffic.add(peer, this.#trafficOf(session));
    this.#replication.end(session);
  }

  #trafficOf(session: SessionId): SessionTraffic {
    return { ledger: this.#endpoint.ledger(session), saved: this.#replication.savedBytes(session) ?? { resume: 0, delta: 0 } };
  }

  // What peers say

  #message(session: SessionId, bytes: Uint8Array): void {
    const decoded = decodeMessage(bytes);
    const peer = this.#replication.peerOf(session);
    if (!decoded.ok) {
      this.#report({ type: 'fault', peer, fault: decoded.fault });
      if (decoded.fault.blame === 'peer') this.#endpoint.close(session, decoded.fault.code, this.#now);
      return;
    }
    const message = decoded.value;
    if (this.#replication.carriesRows(message)) this.#endpoint.receivedData(session, bytes.length);
    if (message.type === 'circuit') this.circuits.receive(session, peer, message.bytes, this.#now);
    else if (peer !== undefined && message.type === 'addresses') this.discovery.hearsay(message.members, this.#now.monotonicMs);
    else if (peer !== undefined && message.type === 'carrying') this.carrying.receive(peer, message.bytes, this.#now);
    else if (peer !== undefined && message.type === 'routes') this.mesh.receive(peer, message.bytes, this.#now);
    else if (peer !== undefined) this.#replication.handleMessage(session, message, this.#now);
    else this.#newcomers.handleMessage(session, message, this.#now);
  }

  // Log entries

  #append(dataset: DatasetId, draft: EntryDraft, now: Moment, recorded?: (dot: Dot) => void): Dot {
    return this.#turn(now, () => {
      const dot = this.#keeping.append(dataset, draft, now);
      recorded?.(dot);
      return dot;
    });
  }

  #appendOperation(operation: MembershipOperation): void {
    const dataset = this.#parts.membership.logDataset;
    if (dataset === undefined) throw new GodwitError('NO_TEAM', 'This node belongs to no team yet; create one or join one with an invite.');
    const draft: EntryDraft = { kind: 'membership', payload: encodeOperation(operation), clockQuality: 'unknown' };
    this.#keeping.append(dataset, draft, this.#now);
  }
}
