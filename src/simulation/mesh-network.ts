import { invariant } from '../core/assert.ts';
import type { ShortName } from '../core/identifiers.ts';
import { type Random, seededRandom } from '../core/random.ts';
import type { MonotonicMs } from '../core/time.ts';
import { type LinkQuality, linkCost } from '../mesh/link-metric.ts';
import { Mesh } from '../mesh/mesh.ts';
import type { TopologyEvent } from '../mesh/topology.ts';

/**
 * Many mesh machines over modelled sessions: what is measured and proven of routing without the rest of a node.
 *
 * A session delivers messages whole and in order, repeats what was not acknowledged (at once where something later was), and lives on when the radio falls silent, as real ones do; packets and acknowledgements are lost and counted
 * one by one. After every single
 * event the next hops of all nodes are followed: a loop, even for an instant, is counted. What is reachable is decided by the links as they are, not as anybody believes them to be.
 */

/** What a link is like, the same both ways. */
export interface MeshLinkModel {
  readonly delayMs: number;
  readonly rateBytesPerSecond: number;
  /** Share of packets lost. */
  readonly lossRatio: number;
}

/** Bytes of an empty packet of a session on the link: IP, UDP, and the session's own. */
const packetBytes = 54;
const handshakeBytes = 262;
/** How long two nodes in range take to find each other and shake hands. */
const contactMsMin = 200;
const contactMsMax = 700;
/** A packet that was not acknowledged is repeated after this and two round trips, and then ever more rarely. */
const repeatMsMin = 100;
const intervalMs = 400;
const repeatMsMax = 30_000;

/** A message that is not known to have arrived. */
interface UnderWay {
  readonly bytes: Uint8Array;
  /** It was sent first, or an acknowledgement came, then. */
  since: number;
  sentAt: number;
  /** Since then. */
  attempts: number;
  times: number;
  hasArrived: boolean;
}

interface Half {
  readonly underWay: Map<number, UnderWay>;
  nextNumber: number;
  awaited: number;
  readonly early: Map<number, Uint8Array>;
  /** A ping is unanswered since then. */
  pingingSince: number | undefined;
}

interface Session {
  readonly halves: readonly [Half, Half];
  /** Whether each end knows of it. */
  readonly known: [boolean, boolean];
}

interface Link {
  readonly ends: readonly [number, number];
  model: MeshLinkModel;
  isUp: boolean;
  session: Session | undefined;
}

interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** A network of `size` nodes, all switched on, none in range of another. */
export class MeshNetwork {
  readonly size: number;
  /** Bytes sent by each node, headers and acknowledgements counted. */
  readonly bytesSent: number[];
  /** Instants at which following next hops led in a circle. */
  loops = 0;
  /** News by node, since they were last taken. */
  readonly news: { readonly node: number; readonly event: TopologyEvent }[] = [];
  readonly #random: Random;
  readonly #meshes: Mesh[] = [];
  readonly #alive: boolean[];
  readonly #seqnos: number[];
  readonly #wakeAt: (number | undefined)[];
  readonly #links = new Map<number, Link>();
  readonly #linksOf: Set<Link>[];
  readonly #heap: Event[] = [];
  #order = 0;
  #nowMs = 0;

  constructor(size: number, seed: number) {
    this.size = size;
    this.#random = seededRandom(seed);
    this.bytesSent = new Array<number>(size).fill(0);
    this.#alive = new Array<boolean>(size).fill(true);
    this.#seqnos = new Array<number>(size).fill(1);
    this.#wakeAt = new Array<number | undefined>(size).fill(undefined);
    this.#linksOf = Array.from({ length: size }, () => new Set<Link>());
    for (let node = 0; node < size; node++) this.#meshes.push(this.#newMesh(node));
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  mesh(node: number): Mesh {
    return this.#meshes[node] as Mesh;
  }

  // What happens to the network.

  /** Two nodes come into range, or go on with another quality of link; they find each other by themselves. */
  connect(a: number, b: number, model: MeshLinkModel): void {
    const link = this.#link(a, b, model);
    link.model = model;
    if (link.isUp) {
      this.#measure(link);
      return;
    }
    link.isUp = true;
    this.#find(link);
  }

  /** The radio between two nodes falls silent. Nobody is told. */
  cut(a: number, b: number): void {
    const link = this.#links.get(this.#key(a, b));
    if (link !== undefined) link.isUp = false;
  }

  /** Cuts everything around a node. */
  isolate(node: number): void {
    for (const link of this.#linksOf[node] as Set<Link>) link.isUp = false;
  }

  /** A node is switched off, without a word. */
  kill(node: number): void {
    this.#alive[node] = false;
    this.#wakeAt[node] = undefined;
    for (const link of this.#linksOf[node] as Set<Link>)
      link.session?.known.fill(false, this.#side(link, node), this.#side(link, node) + 1);
  }

  /** A node is switched on again. It remembers its sequence number. */
  revive(node: number): void {
    if (this.#alive[node]) return;
    this.#alive[node] = true;
    this.#meshes[node] = this.#newMesh(node);
    for (const link of this.#linksOf[node] as Set<Link>) {
      link.session = undefined;
      if (link.isUp) this.#find(link);
    }
  }

  /** Something is owed by a node to these, and to no others. */
  demand(node: number, destinations: readonly number[]): void {
    if (!this.#alive[node]) return;
    this.mesh(node).handle({ type: 'demand', nodes: new Set(destinations.map(nameOf)) }, this.#nowMs as MonotonicMs);
    this.#after(node);
  }

  /** Everybody owes something to everybody, or nobody to anybody. */
  demandAll(owed: boolean): void {
    for (let node = 0; node < this.size; node++) this.demand(node, owed ? [...this.#meshes.keys()].filter((each) => each !== node) : []);
  }

  /** What arrives at a node as if a neighbour had said it. */
  inject(from: number, to: number, bytes: Uint8Array): void {
    this.mesh(to).receive(nameOf(from), bytes, this.#nowMs as MonotonicMs);
    this.#after(to);
  }

  // Time.

  /** Lets time pass. */
  run(durationMs: number): void {
    const until = this.#nowMs + durationMs;
    for (let next = this.#heap[0]; next !== undefined && next.at <= until; next = this.#heap[0]) {
      this.#pop();
      this.#nowMs = Math.max(this.#nowMs, next.at);
      next.run();
    }
    this.#nowMs = until;
  }

  /** Lets time pass until every two nodes that are connected have a working route. Gives how long that took, or `undefined` after `patienceMs`. */
  repair(patienceMs: number, stepMs = 25): number | undefined {
    const begun = this.#nowMs;
    while (this.brokenPairs() > 0) {
      if (this.#nowMs - begun >= patienceMs) return undefined;
      this.run(stepMs);
    }
    return this.#nowMs - begun;
  }

  // What is true.

  /** Pairs of live nodes that some path connects. */
  connectedPairs(): number {
    const sizes = new Map<number, number>();
    for (const part of this.#parts()) if (part >= 0) sizes.set(part, (sizes.get(part) ?? 0) + 1);
    return [...sizes.values()].reduce((pairs, size) => pairs + size * (size - 1), 0);
  }

  /** Pairs of nodes that some path connects and whose next hops do not lead there over living links. */
  brokenPairs(): number {
    const parts = this.#parts();
    let broken = 0;
    for (let to = 0; to < this.size; to++) {
      if (!this.#alive[to]) continue;
      const leads = new Map([[to, true]]);
      for (let from = 0; from < this.size; from++) if (parts[from] === parts[to] && !this.#leads(from, to, leads)) broken++;
    }
    return broken;
  }

  /** Routes to nodes that no path connects. */
  ghostRoutes(): number {
    let ghosts = 0;
    for (let to = 0; to < this.size; to++) {
      const reachable = this.#alive[to] ? this.#distancesFrom(to) : new Map<number, number>();
      for (let from = 0; from < this.size; from++)
        if (from !== to && this.#alive[from] && !reachable.has(from) && this.mesh(from).nextHop(nameOf(to)) !== undefined) ghosts++;
    }
    return ghosts;
  }

  /** Milliseconds for 16 KiB along the next hops, by the model, or `undefined` where they do not lead there. */
  follow(from: number, to: number): number | undefined {
    let cost = 0;
    let node = from;
    for (let hops = 0; node !== to; hops++) {
      const link = this.#linkTowards(node, to);
      if (link === undefined || hops > this.size) return undefined;
      cost += costOf(link.model);
      node = otherEnd(link, node);
    }
    return cost;
  }

  /** Milliseconds for 16 KiB on the best path there is, by Dijkstra's algorithm. */
  bestCost(from: number, to: number): number | undefined {
    return this.#alive[from] ? this.#distancesFrom(from).get(to) : undefined;
  }

  // Inside.

  /** The living link that a node's next hop is at the other end of. */
  #linkTowards(node: number, to: number): Link | undefined {
    const hop = this.mesh(node).nextHop(nameOf(to));
    if (hop === undefined) return undefined;
    const next = numberOf(hop);
    const link = this.#links.get(this.#key(node, next));
    return link?.isUp && this.#alive[next] ? link : undefined;
  }

  /** Whether next hops lead from a node to another; what is found on the way is kept in `leads`. */
  #leads(from: number, to: number, leads: Map<number, boolean>): boolean {
    const path: number[] = [];
    let node: number | undefined = from;
    while (node !== undefined && !leads.has(node) && path.length <= this.size) {
      path.push(node);
      const link = this.#linkTowards(node, to);
      node = link === undefined ? undefined : otherEnd(link, node);
    }
    const does = node !== undefined && leads.get(node) === true;
    for (const each of path) leads.set(each, does);
    return does;
  }

  /** For every node a number that it shares with those that some path connects it with; -1 for dead ones. */
  #parts(): number[] {
    const parts = new Array<number>(this.size).fill(-1);
    for (let first = 0; first < this.size; first++) {
      if (!this.#alive[first] || parts[first] !== -1) continue;
      const open = [first];
      parts[first] = first;
      for (let node = open.pop(); node !== undefined; node = open.pop()) {
        for (const link of this.#linksOf[node] as Set<Link>) {
          const next = otherEnd(link, node);
          if (!link.isUp || !this.#alive[next] || parts[next] !== -1) continue;
          parts[next] = first;
          open.push(next);
        }
      }
    }
    return parts;
  }

  #newMesh(node: number): Mesh {
    const seqno = (this.#seqnos[node] ?? 0) + 1;
    this.#seqnos[node] = seqno;
    return new Mesh(nameOf(node), seqno, this.#random.fork(), () => true);
  }

  #key(a: number, b: number): number {
    return Math.min(a, b) * this.size + Math.max(a, b);
  }

  #link(a: number, b: number, model: MeshLinkModel): Link {
    const key = this.#key(a, b);
    const known = this.#links.get(key);
    if (known !== undefined) return known;
    const link: Link = { ends: [Math.min(a, b), Math.max(a, b)], model, isUp: false, session: undefined };
    this.#links.set(key, link);
    for (const end of link.ends) this.#linksOf[end]?.add(link);
    return link;
  }

  #side(link: Link, node: number): 0 | 1 {
    return link.ends[0] === node ? 0 : 1;
  }

  /** Two nodes in range find each other: their session goes on, or a new one begins. */
  #find(link: Link): void {
    const contactMs = contactMsMin + this.#random.float() * (contactMsMax - contactMsMin);
    this.#at(this.#nowMs + contactMs, () => {
      const [a, b] = link.ends;
      if (!link.isUp || !this.#alive[a] || !this.#alive[b]) return;
      const { session } = link;
      if (session?.known[0] && session.known[1]) {
        for (const side of [0, 1] as const) this.#ping(link, session, side);
        return;
      }
      const begun: Session = { halves: [newHalf(), newHalf()], known: [false, false] };
      link.session = begun;
      this.bytesSent[a] = (this.bytesSent[a] as number) + handshakeBytes / 2;
      this.bytesSent[b] = (this.bytesSent[b] as number) + handshakeBytes / 2;
      this.#begin(link, begun, 0);
      this.#at(this.#nowMs + link.model.delayMs, () => this.#begin(link, begun, 1));
    });
  }

  #begin(link: Link, session: Session, side: 0 | 1): void {
    const node = link.ends[side];
    if (link.session !== session || !this.#alive[node]) return;
    session.known[side] = true;
    this.mesh(node).handle({ type: 'begin', neighbour: nameOf(link.ends[1 - side] as number), quality: qualityOf(link.model) }, this.#now);
    this.#after(node);
  }

  #measure(link: Link): void {
    for (const side of [0, 1] as const) {
      const node = link.ends[side];
      if (!this.#alive[node] || !link.session?.known[side]) continue;
      const neighbour = nameOf(link.ends[1 - side] as number);
      this.mesh(node).handle({ type: 'measured', neighbour, quality: qualityOf(link.model) }, this.#now);
      this.#after(node);
    }
  }

  get #now(): MonotonicMs {
    return this.#nowMs as MonotonicMs;
  }

  /** Takes what a node's machine has to say after anything happened to it. */
  #after(node: number): void {
    const mesh = this.mesh(node);
    for (let output = mesh.poll(); output !== undefined; output = mesh.poll()) {
      if (output.type === 'seqno') this.#seqnos[node] = output.seqno;
      else if (output.type === 'news') {
        this.news.push({ node, event: output.event });
        if (output.event.type === 'route-changed') this.#checkLoop(node, output.event.node);
      } else if (output.type === 'send' || output.type === 'probe') {
        const link = this.#links.get(this.#key(node, numberOf(output.neighbour)));
        const session = link?.session;
        if (link === undefined || session === undefined) continue;
        const side = this.#side(link, node);
        if (output.type === 'probe') this.#ping(link, session, side);
        else {
          const half = session.halves[side];
          const number = half.nextNumber++;
          half.underWay.set(number, { bytes: output.bytes, since: this.#nowMs, sentAt: 0, attempts: 0, times: 0, hasArrived: false });
          this.#transmit(link, session, side, number);
        }
      }
    }
    const at = mesh.nextDeadline()?.at;
    if (at === undefined || at === this.#wakeAt[node]) return;
    this.#wakeAt[node] = at;
    this.#at(Math.max(at, this.#nowMs), () => {
      if (this.#wakeAt[node] !== at || !this.#alive[node]) return;
      this.#wakeAt[node] = undefined;
      this.mesh(node).wake(this.#now);
      this.#after(node);
    });
  }

  /** Sends a packet; `arrived` runs at the other end if it gets there. */
  #packet(link: Link, session: Session, side: 0 | 1, bytes: number, arrived: () => void): void {
    const [from, to] = [link.ends[side], link.ends[1 - side] as number];
    this.bytesSent[from] = (this.bytesSent[from] as number) + bytes;
    const { delayMs, rateBytesPerSecond, lossRatio } = link.model;
    if (!link.isUp || this.#random.float() < lossRatio) return;
    this.#at(this.#nowMs + delayMs + (bytes * 1000) / rateBytesPerSecond, () => {
      if (!link.isUp || link.session !== session || !this.#alive[to] || !session.known[1 - side]) return;
      arrived();
    });
  }

  /** Asks the other end for a sign of life; the session repeats that by itself until there is one. */
  #ping(link: Link, session: Session, side: 0 | 1): void {
    if (!session.known[side]) return;
    this.#sendPing(link, session, side);
    const half = session.halves[side];
    if (half.pingingSince !== undefined) return;
    half.pingingSince = this.#nowMs;
    this.#repeatPing(link, session, side, this.#nowMs, 0);
  }

  #repeatPing(link: Link, session: Session, side: 0 | 1, since: number, attempt: number): void {
    this.#at(this.#nowMs + this.#pauseMs(link, attempt, since), () => {
      if (link.session !== session || !session.known[side] || session.halves[side].pingingSince !== since) return;
      this.#sendPing(link, session, side);
      this.#repeatPing(link, session, side, since, attempt + 1);
    });
  }

  /** As `session/silence.ts` waits: a time-out, which doubles up to 0.4 seconds, and then ever longer, with no more than a tenth of the rate. */
  #pauseMs({ model }: Link, attempt: number, since: number): number {
    const { delayMs, rateBytesPerSecond } = model;
    const packetMs = (packetBytes * 1000) / rateBytesPerSecond;
    const timeoutMs = repeatMsMin + 4 * delayMs + 2 * packetMs;
    if (attempt === 0) return timeoutMs;
    const wantedMs = Math.max(Math.min(intervalMs, timeoutMs * 2 ** attempt), delayMs / 2, 10 * packetMs, (this.#nowMs - since) / 150);
    return Math.min(repeatMsMax, wantedMs);
  }

  #sendPing(link: Link, session: Session, side: 0 | 1): void {
    this.#packet(link, session, side, packetBytes, () => {
      this.#heard(link, (1 - side) as 0 | 1);
      this.#acknowledge(link, session, (1 - side) as 0 | 1, () => {
        session.halves[side].pingingSince = undefined;
      });
    });
  }

  #acknowledge(link: Link, session: Session, side: 0 | 1, arrived: () => void): void {
    this.#packet(link, session, side, packetBytes, () => {
      arrived();
      this.#heard(link, (1 - side) as 0 | 1);
    });
  }

  #heard(link: Link, side: 0 | 1): void {
    const node = link.ends[side];
    this.mesh(node).handle({ type: 'heard', neighbour: nameOf(link.ends[1 - side] as number), at: this.#now }, this.#now);
    this.#after(node);
  }

  /** Sends a message, again and again until it is known to have arrived. */
  #transmit(link: Link, session: Session, side: 0 | 1, number: number): void {
    const half = session.halves[side];
    const message = half.underWay.get(number);
    if (message === undefined || link.session !== session || !session.known[side]) return;
    const [from, to] = [link.ends[side], link.ends[1 - side] as number];
    const sentAt = this.#nowMs;
    message.sentAt = sentAt;
    const time = ++message.times;
    this.#packet(link, session, side, packetBytes + message.bytes.length, () => {
      this.#acknowledge(link, session, (1 - side) as 0 | 1, () => this.#acknowledged(link, session, side, sentAt));
      message.hasArrived = true;
      if (number >= half.awaited) half.early.set(number, message.bytes);
      for (let next = half.early.get(half.awaited); next !== undefined; next = half.early.get(half.awaited)) {
        half.early.delete(half.awaited++);
        const outcome = this.mesh(to).receive(nameOf(from), next, this.#now);
        invariant(outcome.ok, 'an honest node keeps to the format');
        this.#after(to);
      }
    });
    this.#at(this.#nowMs + this.#pauseMs(link, message.attempts++, message.since), () => {
      if (message.times === time) this.#transmit(link, session, side, number);
    });
  }

  /** An acknowledgement of what was sent then says what else has arrived; what was sent before and has not is lost, and sent again at once (RFC 9002 section 6.1). */
  #acknowledged(link: Link, session: Session, side: 0 | 1, sentAt: number): void {
    const half = session.halves[side];
    half.pingingSince = undefined;
    for (const [number, message] of [...half.underWay]) {
      if (message.hasArrived) half.underWay.delete(number);
      else {
        message.attempts = 0;
        message.since = this.#nowMs;
        if (message.sentAt < sentAt) this.#transmit(link, session, side, number);
      }
    }
  }

  /** A loop that came into being just now leads through the node whose route changed. */
  #checkLoop(node: number, destination: ShortName): void {
    let at = node;
    for (let hops = 0; hops <= this.size; hops++) {
      const hop = this.mesh(at).nextHop(destination);
      if (hop === undefined || hop === destination) return;
      const next = numberOf(hop);
      const link = this.#links.get(this.#key(at, next));
      // What only one end takes for a session carries nothing.
      if (!this.#alive[next] || !link?.session?.known[0] || !link.session.known[1]) return;
      at = next;
      if (at === node) {
        this.loops++;
        return;
      }
    }
  }

  #distancesFrom(source: number): Map<number, number> {
    const settled = new Map<number, number>();
    const open = new Map<number, number>([[source, 0]]);
    while (open.size > 0) {
      let node = -1;
      let cost = Number.POSITIVE_INFINITY;
      for (const [each, distance] of open)
        if (distance < cost) {
          node = each;
          cost = distance;
        }
      open.delete(node);
      settled.set(node, cost);
      for (const link of this.#linksOf[node] as Set<Link>) {
        const next = otherEnd(link, node);
        if (!link.isUp || !this.#alive[next] || settled.has(next)) continue;
        const through = cost + costOf(link.model);
        if (through < (open.get(next) ?? Number.POSITIVE_INFINITY)) open.set(next, through);
      }
    }
    return settled;
  }

  // The agenda: a binary heap by time, and by order of entry at one instant.

  #at(at: number, run: () => void): void {
    const event = { at, order: this.#order++, run };
    const heap = this.#heap;
    let place = heap.push(event) - 1;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!isBefore(event, heap[parent] as Event)) break;
      heap[place] = heap[parent] as Event;
      place = parent;
    }
    heap[place] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Event, heap[child] as Event)) child++;
      if (!isBefore(heap[child] as Event, last)) break;
      heap[place] = heap[child] as Event;
      place = child;
    }
    heap[place] = last;
  }
}

function otherEnd({ ends }: Link, node: number): number {
  return ends[0] === node ? ends[1] : ends[0];
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

function newHalf(): Half {
  return { nextNumber: 0, awaited: 0, early: new Map(), underWay: new Map(), pingingSince: undefined };
}

/** The short name of a node of the network. */
export function nameOf(node: number): ShortName {
  return node.toString(16).padStart(16, '0') as string as ShortName;
}

/** The node of this short name. */
export function numberOf(name: ShortName): number {
  return Number.parseInt(name, 16);
}

function qualityOf({ delayMs, rateBytesPerSecond, lossRatio }: MeshLinkModel): LinkQuality {
  return { rateBytesPerSecond, rttMs: 2 * delayMs, lossRatio };
}

function costOf(model: MeshLinkModel): number {
  return linkCost(qualityOf(model));
}
