import { GodwitError } from '../core/errors.ts';
import { type NodeId, shortName } from '../core/identifiers.ts';
import type { Fault } from '../core/outcome.ts';
import { type Deadline, earliest, later, type Moment, type MonotonicMs } from '../core/time.ts';
import type { CircuitReason } from '../mesh/circuit-wire.ts';
import { type CircuitId, type CircuitState, Circuits } from '../mesh/circuits.ts';
import type { Catalog } from '../ports/catalog.ts';
import type { EndpointOutput, SessionEndpoint, SessionId } from '../session/endpoint.ts';
import { type LinkMeter, unmetered } from '../session/ledger.ts';
import { encodeMessage } from '../session/messages.ts';
import { circuitLink, circuitOfPath, circuitPath, isCircuitPath } from './circuit-path.ts';
import { CircuitVisits } from './circuit-visits.ts';
import type { Interests } from './interests.ts';
import { KeptCircuits } from './kept-circuits.ts';
import type { Membership } from './membership.ts';
import type { MeshRouting } from './mesh-routing.ts';
import type { Newcomers } from './newcomers.ts';
import type { NodeEvent } from './node-event.ts';
import type { Peers } from './peers.ts';
import { type Relaying, RelaySettings } from './relay-settings.ts';
import { ShortNames } from './short-names.ts';
import { StrandedData, type StrandedDataParts } from './stranded-data.ts';

/**
 * Circuits among the other machines of a node: sessions with neighbours are their hops, and a circuit that ends here is a path, over which the session endpoint holds an ordinary session with the member at the other end.
 *
 * A session over a circuit is a session like any other but for two things. It makes nobody a neighbour: routes lead over hops, and circuits over routes. And it never keeps this node from reaching the member directly: a direct session takes
 * its place as soon as there is one.
 *
 * Most data needs no circuit: it goes from node to node and rests where it must. So a circuit is opened when somebody asks for it, and kept until somebody says otherwise, over restarts too; and where data cannot rest on the way,
 * as long as that is so (`stranded-data.ts`). When it breaks, another one is opened, the first time at once and by another neighbour if there is one, and the session moves onto it with all that was under way. The end that asked
 * keeps it; the other one follows.
 */

/** A circuit as it stands at this node. */
export interface CircuitReport {
  /** `relayed`: others talk through this node. */
  readonly role: CircuitState<SessionId>['role'];
  readonly isOpen: boolean;
  /** The member at the other end, where this node opened it. */
  readonly member: NodeId | undefined;
  /** The neighbours on it, that towards the one who opened it first; `undefined` for one who is no member yet. */
  readonly neighbours: readonly (NodeId | undefined)[];
  /** Bytes that this node has sent on it, and that wait here to be sent. */
  readonly bytes: number;
  readonly waitingBytes: number;
}

/** What keeping circuits works with. */
export interface CircuitKeepingParts extends Omit<StrandedDataParts, 'interests' | 'mesh'> {
  readonly membership: Membership;
  readonly endpoint: Pick<
    SessionEndpoint,
    'connect' | 'close' | 'handle' | 'migrate' | 'ping' | 'sendMessage' | 'messageRoomBytes' | 'estimate' | 'path'
  >;
  readonly peers: Peers;
  readonly mesh: Pick<MeshRouting, 'nextHop' | 'routes' | 'changes'>;
  readonly newcomers: Pick<Newcomers, 'handleDialled' | 'handleDialFailed'>;
  readonly catalog: Catalog;
  readonly interests: Pick<Interests, 'setRelaying' | 'setCarriedBytes' | 'subscribes'>;
  /** Opens a stream connection; answered by `handleDialled` or `handleDialFailed`. */
  readonly dial: (address: string) => void;
  readonly report: (event: NodeEvent) => void;
}

/** A member with whom a session is to be kept over circuits. */
interface Demand {
  readonly member: NodeId;
  readonly via: NodeId | undefined;
  /** Somebody asked for it. Otherwise it is there because data is stranded. */
  readonly isAsked: boolean;
  circuit: CircuitId | undefined;
  isOpen: boolean;
  /** A session whose handshake went over a circuit of this demand. */
  session: SessionId | undefined;
  /** What must bring an answer over the present circuit, and until when. */
  awaited: { readonly what: 'move' | 'handshake' | 'end of silence'; readonly by: MonotonicMs } | undefined;
  dueAt: MonotonicMs;
  /** Since the session was heard last. */
  attempts: number;
  /** Circuits that were given up: the next one begins with another neighbour. */
  turns: number;
}

/** The first attempts after a loss come at once, one by each of two neighbours; then pauses double. */
const hastyAttempts = 2;
const firstPauseMs = 500;
const longestPauseMs = 60_000;
const courtesyPauseMs = 5000;
/** A session that was moved is heard again within this or so many round trips. A handshake and a relay's budget may take longer. */
const answerMs = 10_000;
const patientAnswerMs = 30_000;
const answerRoundTrips = 4;
/** A session whose circuit its owner does not renew is closed after this long. */
const abandonedMs = 600_000;

/** Keeps no account of what goes over circuits: every byte of it is booked where it really leaves, in the sessions with neighbours. */
export function meterOfLinks(accounts: LinkMeter): LinkMeter {
  return { flow: (path, remoteStatic) => (isCircuitPath(path) ? unmetered : accounts).flow(path, remoteStatic) };
}

/** The circuits of one node. Part of the engine's turns. */
export class CircuitKeeping {
  readonly #parts: CircuitKeepingParts;
  readonly #names: ShortNames;
  readonly #circuits: Circuits<SessionId>;
  readonly #visits: CircuitVisits;
  readonly #demandByMember = new Map<NodeId, Demand>();
  readonly #settings: RelaySettings;
  readonly #kept: KeptCircuits;
  readonly #stranded: StrandedData;
  /** Sessions over circuits that are silent and that nobody here asked for, and when they are closed. */
  readonly #abandonedAt = new Map<SessionId, MonotonicMs>();
  #now: Moment;

  constructor(parts: CircuitKeepingParts, now: Moment) {
    this.#parts = parts;
    this.#now = now;
    this.#names = new ShortNames(parts.membership);
    this.#settings = new RelaySettings(parts.catalog);
    this.#circuits = new Circuits(
      {
        self: shortName(parts.self),
        roomBytes: (hop) => parts.endpoint.messageRoomBytes(hop),
        hopTo: (name) => {
          const member = this.#names.node(name);
          return member === undefined ? undefined : this.#hopOf(parts.mesh.nextHop(member));
        },
      },
      this.#settings.current,
    );
    this.#visits = new CircuitVisits({ ...parts, circuits: this.#circuits });
    parts.interests.setRelaying(this.#settings.current.custody);
    parts.interests.setCarriedBytes(this.#settings.current.carriedBytes);
    this.#stranded = new StrandedData(parts);
    this.#kept = new KeptCircuits(parts.catalog);
    for (const { member, via } of this.#kept.list()) this.#want(member, via, true);
  }

  // Commands.

  /** What this node does for others. */
  get relaying(): Relaying {
    return this.#settings.current;
  }

  /** Does that from now on; circuits that lead through here already go on. @throws GodwitError `RELAYING_INVALID` */
  setRelaying(change: Partial<Relaying>): void {
    const { custody, carriedBytes, ...relay } = this.#settings.set(change);
    this.#parts.interests.setRelaying(custody);
    this.#parts.interests.setCarriedBytes(carriedBytes);
    this.#circuits.setLimits(relay);
  }

  /** Keeps a session with a member over circuits, where there is no direct one. @throws GodwitError `MEMBER_UNKNOWN` */
  keep(member: NodeId, via: NodeId | undefined, now: Moment): void {
    for (const node of [member, ...(via === undefined ? [] : [via])])
      if (node === this.#parts.self || this.#parts.membership.member(node) === undefined)
        throw new GodwitError('MEMBER_UNKNOWN', `${node} is no other member of this team (yet).`, { retryable: true });
    this.#now = now;
    this.#kept.add({ member, via });
    this.#want(member, via, true);
  }

  /** Keeps none any more, and closes the session that is over a circuit. Where data would be stranded without, another one comes in its place. */
  release(member: NodeId, now: Moment): void {
    this.#now = now;
    this.#kept.remove(member);
    this.#dismiss(member, now);
  }

  #dismiss(member: NodeId, now: Moment): void {
    const demand = this.#demandByMember.get(member);
    if (demand === undefined) return;
    this.#demandByMember.delete(member);
    const { endpoint } = this.#parts;
    const session = this.#carriedSession(member);
    if (demand.session !== undefined && demand.session !== session) endpoint.close(demand.session, 'not needed any more', now);
    if (session !== undefined) endpoint.close(session, 'not needed any more', now);
    // The circuit of the session goes with it, behind its farewell.
    if (session === undefined || demand.circuit === undefined || endpoint.path(session) !== circuitPath(demand.circuit)) this.#drop(demand);
  }

  /** Every circuit that ends here or leads through. */
  reports(): CircuitReport[] {
    const peerBySession = new Map([...this.#parts.peers.sessions].map(([peer, session]) => [session, peer]));
    const memberByCircuit = new Map([...this.#demandByMember.values()].map(({ member, circuit }) => [circuit, member]));
    return this.#circuits.states().map(({ circuit, role, isOpen, hops, bytes, waitingBytes }) => ({
      role,
      isOpen,
      member: memberByCircuit.get(circuit),
      neighbours: hops.map((hop) => peerBySession.get(hop)),
      bytes,
      waitingBytes,
    }));
  }

  // What happens.

  /** A session with a member began. Unless it goes over a circuit itself, circuits may lead over it. */
  begin(session: SessionId, now: Moment): void {
    this.#now = now;
    if (!this.#parts.peers.isCarried(session)) this.#circuits.begin(session, now.monotonicMs);
    else this.#answered(session);
  }

  /** The peer of a session is not heard any more. */
  silent(session: SessionId, peer: NodeId, now: Moment): void {
    this.#now = now;
    this.#circuits.lose(session, now.monotonicMs);
    if (!this.#parts.peers.isCarried(session)) return;
    const demand = this.#demandByMember.get(peer);
    if (demand === undefined) this.#abandonedAt.set(session, later(now.monotonicMs, abandonedMs));
    else if (demand.circuit === undefined || demand.awaited !== undefined) return;
    else if (this.#firstHops(demand).length > 1) this.#giveUp(demand, 'lost');
    else {
      // There is no other way, and it may only be a relay that has used up its minute.
      this.#parts.endpoint.ping(session, now);
      this.#await(demand, 'end of silence', this.#parts.endpoint.estimate(session).smoothedRttMs);
    }
  }

  /** The peer of a session is heard again. */
  heard(session: SessionId, now: Moment): void {
    this.#now = now;
    if (this.#parts.peers.isCarried(session)) this.#answered(session);
  }

  /** A session has ended, or the attempt at one. */
  handleClosed(session: SessionId, fault: Fault, now: Moment): void {
    this.#now = now;
    this.#abandonedAt.delete(session);
    this.#circuits.end(session, now.monotonicMs);
    this.#visits.handleClosed(session, fault, now);
    for (const demand of this.#demandByMember.values()) {
      const standing = this.#parts.peers.sessions.get(demand.member);
      if (demand.session !== session && standing !== session) continue;
      if (demand.session === session) demand.session = undefined;
      // Otherwise another session has taken its place.
      if (demand.circuit !== undefined && (standing === undefined || standing === session)) this.#giveUp(demand, 'lost');
    }
  }

  /** A handshake succeeded. True when it only lets somebody through. */
  handleEstablished(output: Extract<EndpointOutput, { type: 'established' }>, now: Moment): boolean {
    return this.#visits.handleEstablished(output, now);
  }

  /** A stream connection stands. False when it was not dialled from here. */
  handleDialled(address: string, path: string, now: Moment): boolean {
    return this.#visits.handleDialled(address, path, now);
  }

  /** A stream connection could not be opened. False when it was not dialled from here. */
  handleDialFailed(address: string, message: string, now: Moment): boolean {
    return this.#visits.handleDialFailed(address, message, now);
  }

  /** Reaches for a coordinator through the member at an address. Ends in `handleDialled` or `handleDialFailed` of the newcomers. */
  dialThrough(address: string, carrier: string, pass: { readonly tag: Uint8Array; readonly key: Uint8Array }, now: Moment): void {
    this.#visits.dial(address, carrier, pass, now);
  }

  /** Somebody says something about a circuit. */
  receive(session: SessionId, peer: NodeId | undefined, bytes: Uint8Array, now: Moment): void {
    const outcome = this.#circuits.receive(session, bytes, now.monotonicMs);
    if (outcome.ok) return;
    this.#parts.report({ type: 'fault', peer, fault: outcome.fault });
    this.#parts.endpoint.close(session, outcome.fault.code, now);
  }

  /** Takes what the endpoint has for a circuit. False when it is for a path of another kind. */
  takes(output: Extract<EndpointOutput, { type: 'transmit' | 'close-path' }>, now: Moment): boolean {
    const circuit = circuitOfPath(output.path);
    if (circuit === undefined) return false;
    this.#now = now;
    if (output.type === 'transmit') this.#circuits.write(circuit, output.bytes, now.monotonicMs);
    else {
      this.#circuits.close(circuit, now.monotonicMs);
      this.#gone(circuit, 'done');
    }
    return true;
  }

  /** Something in the surroundings changed: what waits to be tried again is tried now. */
  hint(now: MonotonicMs): void {
    for (const demand of this.#demandByMember.values()) {
      demand.attempts = 0;
      demand.dueAt = now;
    }
  }

  /** The team has other members than before. */
  membersChanged(now: Moment): void {
    this.#names.forget();
    this.#visits.membersChanged(now.monotonicMs);
  }

  /** Opens what is wanted and passes on what can be. True when that gave the endpoint something to do. */
  settle(now: Moment): boolean {
    this.#now = now;
    const at = now.monotonicMs;
    if ((this.#circuits.nextDeadline()?.at ?? Infinity) <= at) this.#circuits.wake(at);
    const stranded = this.#stranded.members(at);
    for (const member of stranded) if (!this.#demandByMember.has(member)) this.#want(member, undefined, false);
    for (const { member, isAsked } of [...this.#demandByMember.values()]) if (!isAsked && !stranded.has(member)) this.#dismiss(member, now);
    for (const demand of this.#demandByMember.values()) this.#pursue(demand, at);
    for (const [session, closeAt] of [...this.#abandonedAt])
      if (closeAt <= at) {
        this.#abandonedAt.delete(session);
        this.#parts.endpoint.close(session, 'its circuit ended', now);
      }
    return this.#carryOut(now);
  }

  nextDeadline(): Deadline | undefined {
    let next = earliest(this.#circuits.nextDeadline(), this.#stranded.nextDeadline());
    for (const demand of this.#demandByMember.values()) {
      const { circuit, dueAt, awaited } = demand;
      // What is due already waits for a route, and a route is news.
      if (circuit === undefined && dueAt > this.#now.monotonicMs && !this.#isServed(demand))
        next = earliest(next, { at: dueAt, reason: 'open another circuit' });
      if (awaited !== undefined) next = earliest(next, { at: awaited.by, reason: 'leave a circuit without an answer' });
    }
    for (const at of this.#abandonedAt.values()) next = earliest(next, { at, reason: 'close a session without a circuit' });
    return next;
  }

  // Wanted circuits.

  #want(member: NodeId, via: NodeId | undefined, isAsked: boolean): void {
    const before = this.#demandByMember.get(member);
    const isAsBefore = before !== undefined && before.via === via;
    if (before !== undefined && !isAsBefore) this.#drop(before);
    this.#demandByMember.set(member, {
      member,
      via,
      circuit: undefined,
      isOpen: false,
      session: undefined,
      awaited: undefined,
      dueAt: this.#now.monotonicMs,
      attempts: 0,
      turns: 0,
      ...(isAsBefore ? before : {}),
      isAsked,
    });
  }

  /** A session with the member stands and is heard, whatever its way. */
  #isServed({ member }: Demand): boolean {
    return this.#parts.peers.hears(member);
  }

  #pursue(demand: Demand, now: MonotonicMs): void {
    const { peers } = this.#parts;
    if (peers.isHeard(demand.member)) {
      if (demand.circuit !== undefined) this.#drop(demand);
      return;
    }
    if (demand.awaited !== undefined && demand.awaited.by <= now) this.#unanswered(demand, demand.awaited.what);
    if (demand.circuit !== undefined || demand.dueAt > now || this.#isServed(demand)) return;
    const hops = this.#firstHops(demand);
    const hop = hops[demand.turns % Math.max(1, hops.length)];
    if (hop === undefined) return;
    const members = [...(demand.via === undefined ? [] : [demand.via]), demand.member].map(shortName);
    demand.attempts++;
    demand.circuit = this.#circuits.open(hop, members, now);
    if (demand.circuit === undefined) this.#giveUp(demand, 'busy');
  }

  /** The sessions with neighbours by which a circuit can begin, the best first. */
  #firstHops(demand: Demand): SessionId[] {
    const member = demand.via ?? demand.member;
    const route = this.#parts.mesh.routes().find(({ node }) => node === member);
    const others = route?.alternatives.flatMap(({ nextHop, feasible }) => (feasible ? [nextHop] : [])) ?? [];
    const hops = [this.#parts.mesh.nextHop(member), ...others].map((each) => this.#hopOf(each));
    return [...new Set(hops)].filter((hop) => hop !== undefined);
  }

  /** The session over which a neighbour can be asked for a circuit. */
  #hopOf(neighbour: NodeId | undefined): SessionId | undefined {
    const { peers } = this.#parts;
    return neighbour !== undefined && peers.isHeard(neighbour) ? peers.sessions.get(neighbour) : undefined;
  }

  /** The far end has taken a circuit: the session that stands moves there, or one is begun. */
  #opened(demand: Demand, circuit: CircuitId, now: Moment): void {
    const { endpoint, report } = this.#parts;
    const path = circuitPath(circuit);
    endpoint.handle({ type: 'path-opened', path, kind: 'stream' }, now);
    demand.isOpen = true;
    report({ type: 'circuit', member: demand.member, isOpen: true });
    const session = this.#carriedSession(demand.member);
    if (this.#isServed(demand)) this.#drop(demand);
    else if (session === undefined) this.#connect(demand, path, now);
    else {
      const { smoothedRttMs } = endpoint.estimate(session);
      endpoint.migrate(session, path, 'stream', now);
      this.#await(demand, 'move', smoothedRttMs);
    }
  }

  #connect(demand: Demand, path: string, now: Moment): void {
    const { endpoint, membership, peers } = this.#parts;
    const member = membership.member(demand.member);
    if (member === undefined || membership.secret === undefined) {
      this.#giveUp(demand, 'no-route');
      return;
    }
    demand.session = endpoint.connect({ path, kind: 'stream', remoteStatic: member.channelKey, secret: membership.secret }, now);
    peers.dialledAt(demand.session, circuitLink);
    this.#await(demand, 'handshake', undefined);
  }

  #await(demand: Demand, what: 'move' | 'handshake' | 'end of silence', rttMs = 0): void {
    const leastMs = what === 'move' ? answerMs : patientAnswerMs;
    demand.awaited = { what, by: later(this.#now.monotonicMs, Math.max(leastMs, answerRoundTrips * rttMs)) };
  }

  /** The session over a circuit is heard. */
  #answered(session: SessionId): void {
    this.#abandonedAt.delete(session);
    for (const [member, demand] of this.#demandByMember) {
      if (this.#parts.peers.sessions.get(member) !== session) continue;
      demand.attempts = 0;
      demand.awaited = undefined;
    }
  }

  /** Nothing came back over a circuit. The peer may have forgotten a session that was moved; if a handshake does not help either, somebody on the way is of no use. */
  #unanswered(demand: Demand, what: 'move' | 'handshake' | 'end of silence'): void {
    demand.awaited = undefined;
    if (demand.circuit === undefined) return;
    if (what === 'move') this.#connect(demand, circuitPath(demand.circuit), this.#now);
    else this.#giveUp(demand, 'timeout');
  }

  /** The present circuit is of no use any more: another is opened later. */
  #giveUp(demand: Demand, reason: CircuitReason): void {
    const { attempts, member } = demand;
    demand.turns++;
    this.#drop(demand);
    const pauseMs = attempts <= hastyAttempts ? 0 : Math.min(longestPauseMs, firstPauseMs * 2 ** (attempts - hastyAttempts));
    // Where the peer dialled it keeps a circuit, too: two that move one session at the same time would each leave the other's circuit.
    const session = this.#carriedSession(member);
    const courtesyMs = session === undefined || this.#parts.peers.hasDialled(session) ? 0 : courtesyPauseMs;
    demand.dueAt = later(this.#now.monotonicMs, Math.max(pauseMs, courtesyMs));
    this.#parts.report({ type: 'circuit', member, isOpen: false, reason });
  }

  #drop(demand: Demand): void {
    const { circuit, session } = demand;
    const { endpoint } = this.#parts;
    demand.circuit = undefined;
    demand.isOpen = false;
    demand.awaited = undefined;
    // A handshake that is under way ends; a session that stands waits for another circuit.
    if (session !== undefined && session !== this.#carriedSession(demand.member)) {
      demand.session = undefined;
      endpoint.close(session, 'not needed any more', this.#now);
    }
    if (circuit === undefined) return;
    this.#circuits.close(circuit, this.#now.monotonicMs);
    endpoint.handle({ type: 'path-closed', path: circuitPath(circuit) }, this.#now);
  }

  /** A circuit is no more: the demand that had it wants another one. */
  #gone(circuit: CircuitId, reason: CircuitReason): void {
    for (const demand of this.#demandByMember.values()) if (demand.circuit === circuit) this.#giveUp(demand, reason);
  }

  /** The session with a member that goes over a circuit. */
  #carriedSession(member: NodeId): SessionId | undefined {
    const session = this.#parts.peers.sessions.get(member);
    return session !== undefined && this.#parts.peers.isCarried(session) ? session : undefined;
  }

  // Outputs of the machine.

  #carryOut(now: Moment): boolean {
    const { endpoint } = this.#parts;
    let busy = false;
    for (let output = this.#circuits.poll(); output !== undefined; output = this.#circuits.poll()) {
      busy = true;
      if (output.type === 'cell') {
        const message = encodeMessage({ type: 'circuit', bytes: output.bytes });
        // Behind this cell the next ones mean something else.
        if (!endpoint.sendMessage(output.hop, 'normal', message, now)) endpoint.close(output.hop, 'message queue full', now);
        continue;
      }
      const { circuit } = output;
      const path = circuitPath(circuit);
      if (output.type === 'bytes') endpoint.handle({ type: 'received', path, kind: 'stream', bytes: output.bytes.slice() }, now);
      else if (output.type === 'arrived') endpoint.handle({ type: 'path-opened', path, kind: 'stream' }, now);
      else if (output.type === 'opened') {
        const demand = [...this.#demandByMember.values()].find((each) => each.circuit === circuit);
        if (demand !== undefined) this.#opened(demand, circuit, now);
        else if (!this.#visits.handleOpened(circuit, now)) this.#circuits.close(circuit, now.monotonicMs);
      } else {
        endpoint.handle({ type: 'path-closed', path }, now);
        this.#gone(circuit, output.reason);
        this.#visits.handleEnded(circuit, output.reason, now);
      }
    }
    return busy;
  }
}
