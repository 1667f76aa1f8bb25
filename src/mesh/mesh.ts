import type { ShortName } from '../core/identifiers.ts';
import type { Outcome } from '../core/outcome.ts';
import { success } from '../core/outcome.ts';
import type { Random } from '../core/random.ts';
import { type Deadline, earliest, later, type MonotonicMs } from '../core/time.ts';
import { type LinkQuality, rateOf, unreachable } from './link-metric.ts';
import { Neighbours } from './neighbours.ts';
import type { Route } from './route.ts';
import { itemBytesMax, RouteReader, RouteWriter } from './route-wire.ts';
import { RouteTable } from './routing.ts';
import { snapshotOf, Topology, type TopologyEvent, type TopologySnapshot } from './topology.ts';

/**
 * The part of a node that knows how other nodes can be reached: neighbours, routes, news of the topology, and what all of this may cost.
 *
 * **The caller's contract: after every `handle` or `wake` take outputs with `poll` until it gives `undefined`, then call `wake` no later than `nextDeadline` says.** What is sent must arrive whole and in order as long as
 * the session stands, which is what the messages of a session do.
 *
 * What routes say may take a fiftieth of each link: a bucket fills at that rate and holds a minute of it, or 600 bytes, what twenty nodes need to be introduced once. What finds no room waits, and is worked out anew when there
 * is some.
 */

/** What happened. */
export type MeshInput =
  /** A session with a neighbour stands, in place of any other with it. */
  | { readonly type: 'begin'; readonly neighbour: ShortName; readonly quality: LinkQuality }
  | { readonly type: 'end'; readonly neighbour: ShortName }
  /** Something of a neighbour arrived, now or at an earlier instant. */
  | { readonly type: 'heard'; readonly neighbour: ShortName; readonly at: MonotonicMs }
  /** The session gave up waiting for an answer. */
  | { readonly type: 'silent'; readonly neighbour: ShortName }
  | { readonly type: 'measured'; readonly neighbour: ShortName; readonly quality: LinkQuality }
  /** Something is owed to these nodes, and to no others. */
  | { readonly type: 'demand'; readonly nodes: ReadonlySet<ShortName> }
  | { readonly type: 'members-changed' };

/** What to do, or to know. */
export type MeshOutput =
  | { readonly type: 'send'; readonly neighbour: ShortName; readonly bytes: Uint8Array }
  /** Make a neighbour answer something. */
  | { readonly type: 'probe'; readonly neighbour: ShortName }
  /** A neighbour does not answer any more, or is heard again. Its session may not have noticed. */
  | { readonly type: 'lost' | 'found'; readonly neighbour: ShortName }
  /** This node's own sequence number, which must be remembered before anything is sent. */
  | { readonly type: 'seqno'; readonly seqno: number }
  | { readonly type: 'news'; readonly event: TopologyEvent };

const shareOfRate = 1 / 50;
const burstMs = 60_000;
const burstBytesMin = 600;
/** What a packet with a short message takes on the link beside it, and its acknowledgement. */
export const messageOverheadBytes = 60;
/** A message fits in one packet. */
const messageBytesMax = 1000;

interface Pipe {
  readonly writer: RouteWriter;
  readonly reader: RouteReader;
  tokens: number;
  filledAt: MonotonicMs;
  rateBytesPerSecond: number;
  /** The neighbour broke the format. */
  deaf: boolean;
}

/** The mesh machine of one node. */
export class Mesh {
  readonly #self: ShortName;
  readonly #neighbours: Neighbours;
  readonly #routes: RouteTable;
  readonly #topology = new Topology();
  readonly #pipes = new Map<ShortName, Pipe>();
  readonly #outputs: MeshOutput[] = [];
  #seqno: number;

  /** `seqno` is above every one this node ever used; `knows` says who is a member of the team. */
  constructor(self: ShortName, seqno: number, random: Random, knows: (name: ShortName) => boolean) {
    this.#self = self;
    this.#seqno = seqno;
    this.#neighbours = new Neighbours(self, random);
    this.#routes = new RouteTable(self, seqno, knows);
  }

  /** Takes something that happened. */
  handle(input: MeshInput, now: MonotonicMs): void {
    switch (input.type) {
      case 'begin': {
        const { neighbour, quality } = input;
        this.#pipes.set(neighbour, {
          writer: new RouteWriter(this.#self, neighbour),
          reader: new RouteReader(neighbour, this.#self),
          tokens: burstBytes(rateOf(quality)),
          filledAt: now,
          rateBytesPerSecond: rateOf(quality),
          deaf: false,
        });
        this.#routes.begin(neighbour, unreachable, now);
        this.#neighbours.begin(neighbour, quality, now);
        break;
      }
      case 'end':
        this.#pipes.delete(input.neighbour);
        this.#neighbours.end(input.neighbour, now);
        this.#routes.end(input.neighbour, now);
        break;
      case 'heard':
        this.#neighbours.heard(input.neighbour, input.at, now);
        break;
      case 'silent':
        this.#neighbours.silent(input.neighbour, now);
        break;
      case 'measured': {
        const pipe = this.#pipes.get(input.neighbour);
        if (pipe !== undefined) {
          fill(pipe, now);
          pipe.rateBytesPerSecond = rateOf(input.quality);
        }
        this.#neighbours.measured(input.neighbour, input.quality);
        break;
      }
      case 'demand':
        this.#routes.setDemand(input.nodes, now);
        break;
      case 'members-changed':
        this.#routes.membersChanged(now);
        break;
    }
    this.#settle(now);
  }

  /** Takes what a neighbour said. A neighbour that breaks the format is not listened to any more in this session. */
  receive(neighbour: ShortName, bytes: Uint8Array, now: MonotonicMs): Outcome<undefined> {
    const pipe = this.#pipes.get(neighbour);
    if (pipe === undefined || pipe.deaf) return success(undefined);
    const items = pipe.reader.read(bytes);
    if (!items.ok) {
      pipe.deaf = true;
      return items;
    }
    this.#neighbours.heard(neighbour, now, now);
    for (const node of this.#routes.receive(neighbour, items.value, now)) this.#neighbours.rumour(node, now);
    this.#settle(now);
    return success(undefined);
  }

  /** The time has come. */
  wake(now: MonotonicMs): void {
    this.#neighbours.wake(now);
    this.#routes.wake(now);
    this.#topology.wake(now);
    this.#settle(now);
  }

  /** The next output. */
  poll(): MeshOutput | undefined {
    return this.#outputs.shift();
  }

  /** When to call `wake`; `undefined` when nothing is owed and nothing is new. */
  nextDeadline(): Deadline | undefined {
    let next = earliest(this.#neighbours.nextDeadline(), earliest(this.#routes.nextDeadline(), this.#topology.nextDeadline()));
    for (const [neighbour, pipe] of this.#pipes) {
      const at = this.#sendAt(neighbour, pipe);
      if (at !== undefined) next = earliest(next, { at, reason: 'say routes' });
    }
    return next;
  }

  /** Who takes what is for this node; `undefined` when there is no way. */
  nextHop(node: ShortName): ShortName | undefined {
    return this.#routes.nextHop(node);
  }

  /** All routes, and why each was chosen. */
  routes(): Route[] {
    return this.#routes.routes();
  }

  /** The network as this node sees it. */
  topology(): TopologySnapshot {
    return snapshotOf(this.#self, this.#routes.routes(), this.#neighbours.all(), (name) => this.#routes.costBack(name));
  }

  #settle(now: MonotonicMs): void {
    this.#drainNeighbours(now);
    for (const [neighbour, pipe] of this.#pipes) this.#say(neighbour, pipe, now);
    this.#neighbours.setInUse(this.#routes.hopsInUse(), now);
    this.#drainNeighbours(now);
    for (let change = this.#routes.nextChange(); change !== undefined; change = this.#routes.nextChange())
      this.#topology.change(change, now);
    for (let event = this.#topology.nextEvent(); event !== undefined; event = this.#topology.nextEvent())
      this.#outputs.push({ type: 'news', event });
  }

  #drainNeighbours(now: MonotonicMs): void {
    for (let output = this.#neighbours.poll(); output !== undefined; output = this.#neighbours.poll()) {
      if (output.type !== 'cost') this.#outputs.push(output);
      else {
        this.#routes.setCost(output.neighbour, output.cost, now);
        if (output.cost === unreachable) this.#outputs.push({ type: 'lost', neighbour: output.neighbour });
      }
    }
  }

  /** When something can be said to a neighbour. */
  #sendAt(neighbour: ShortName, pipe: Pipe): MonotonicMs | undefined {
    const dueAt = this.#routes.dueAt(neighbour);
    if (dueAt === undefined) return undefined;
    const missing = messageOverheadBytes + itemBytesMax - pipe.tokens;
    const roomAt = later(pipe.filledAt, (missing / (pipe.rateBytesPerSecond * shareOfRate)) * 1000);
    return dueAt > roomAt ? dueAt : roomAt;
  }

  #say(neighbour: ShortName, pipe: Pipe, now: MonotonicMs): void {
    for (;;) {
      const at = this.#sendAt(neighbour, pipe);
      if (at === undefined || at > now) return;
      fill(pipe, now);
      const room = Math.max(itemBytesMax, Math.min(messageBytesMax, pipe.tokens - messageOverheadBytes));
      const items = this.#routes
        .take(neighbour, Math.floor(room / itemBytesMax), now)
        .filter(({ destination }) => pipe.writer.takes(destination));
      if (items.length === 0) continue;
      const bytes = pipe.writer.write(items);
      pipe.tokens -= messageOverheadBytes + bytes.length;
      const seqno = this.#routes.seqno;
      if (seqno !== this.#seqno) this.#outputs.push({ type: 'seqno', seqno });
      this.#seqno = seqno;
      this.#outputs.push({ type: 'send', neighbour, bytes });
      this.#neighbours.spokenTo(neighbour, now);
    }
  }
}

function burstBytes(rateBytesPerSecond: number): number {
  return Math.max(burstBytesMin, (rateBytesPerSecond * shareOfRate * burstMs) / 1000);
}

function fill(pipe: Pipe, now: MonotonicMs): void {
  const grown = ((now - pipe.filledAt) / 1000) * pipe.rateBytesPerSecond * shareOfRate;
  pipe.tokens = Math.min(burstBytes(pipe.rateBytesPerSecond), pipe.tokens + Math.max(0, grown));
  pipe.filledAt = now;
}
