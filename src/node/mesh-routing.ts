import { linkClassOf } from '../bandwidth/link-class.ts';
import { type NodeId, type ShortName, shortName } from '../core/identifiers.ts';
import type { Random } from '../core/random.ts';
import { type Deadline, earliest, later, type Moment, type MonotonicMs } from '../core/time.ts';
import type { LogStore } from '../datasets/log.ts';
import type { ReceiptBook } from '../datasets/receipts.ts';
import type { LinkQuality } from '../mesh/link-metric.ts';
import { Mesh, type MeshInput } from '../mesh/mesh.ts';
import type { TopologyEvent, TopologySnapshot } from '../mesh/topology.ts';
import type { Catalog, Schema } from '../ports/catalog.ts';
import type { SessionEndpoint, SessionId } from '../session/endpoint.ts';
import { encodeMessage } from '../session/messages.ts';
import type { Interests } from './interests.ts';
import { LinkCosts } from './link-costs.ts';
import type { Membership } from './membership.ts';
import type { NodeEvent } from './node-event.ts';
import { ShortNames } from './short-names.ts';

/**
 * The mesh machine among the other machines of a node: members' sessions are its links, members its destinations.
 *
 * Nothing is sent for its own sake. A neighbour is heard when its session is; the session probes where something is under way, and the machine asks it for one ping more where something is owed and all is quiet.
 */

/** A route to a member, and why it was chosen. Metrics are expected milliseconds for 16 KiB, with what else a link costs its owner. */
export interface MeshRoute {
  readonly node: NodeId;
  readonly nextHop: NodeId;
  readonly metric: number;
  /** Sequence number and metric that no next hop may advertise more than: RFC 8966 calls it the feasible distance. */
  readonly feasibleDistance: { readonly seqno: number; readonly metric: number } | undefined;
  /** What the next hop advertised, and what the link to it costs. */
  readonly advertised: number;
  readonly linkCost: number;
  /** `only`: there is no other. `best`: it has the least metric. `kept`: another is a little better, but not for long enough. */
  readonly reason: 'only' | 'best' | 'kept';
  readonly alternatives: readonly { readonly nextHop: NodeId; readonly metric: number; readonly feasible: boolean }[];
}

/** The network as this node sees it: a graph to be drawn. Costs and metrics are milliseconds for 16 KiB. */
export interface MeshTopology {
  readonly self: NodeId;
  /** Members that can be reached now. */
  readonly nodes: readonly { readonly node: NodeId; readonly metric: number; readonly nextHop: NodeId }[];
  /** Links of this node; the cost of a link that is not relied on is infinite. */
  readonly links: readonly (Omit<TopologySnapshot['links'][number], 'neighbour'> & { readonly neighbour: NodeId })[];
}

/** What the mesh works with. */
export interface MeshRoutingParts {
  readonly self: NodeId;
  readonly catalog: Catalog;
  readonly membership: Membership;
  readonly logs: LogStore;
  readonly receipts: ReceiptBook;
  readonly interests: Interests;
  readonly random: Random;
  readonly endpoint: Pick<SessionEndpoint, 'close' | 'estimate' | 'heardAt' | 'ping' | 'sendMessage'>;
  /** A neighbour does not answer any more, though its session may not have noticed, or is heard again. */
  readonly heard: (session: SessionId, isHeard: boolean) => void;
  readonly report: (event: NodeEvent) => void;
}

const schema: Schema = {
  component: 'mesh',
  steps: ['CREATE TABLE mesh_state (one INTEGER PRIMARY KEY CHECK (one = 1), seqno INTEGER NOT NULL) STRICT;'],
};

/** Estimates are looked at no more often than this. */
const lookMs = 1000;
const confidenceMin = 0.25;
/** What is owed to whom is worked out no more often than this, for each thousand pairs of members and datasets. */
const demandPauseMs = 1000;
/** The way to a member is watched for so long after what is owed to it changed. What has waited longer waits for a budget or for a person, and not for a route. */
const demandHoldMs = 60_000;

interface Talk {
  readonly session: SessionId;
  heardAt: MonotonicMs;
}

/** The mesh of one node. Part of the engine's turns. */
export class MeshRouting {
  readonly #parts: MeshRoutingParts;
  /** What the owner says that links cost. Looked at with the next measurement of each. */
  readonly costs: LinkCosts;
  readonly #mesh: Mesh;
  readonly #names: ShortNames;
  readonly #talks = new Map<ShortName, Talk>();
  /** Entries that members lack, and until when the way to each is watched for that. */
  readonly #owed = new Map<ShortName, { readonly entries: number; readonly until: MonotonicMs | undefined }>();
  #demandChanged = true;
  #changes = 0;
  #demandPausedUntil = 0 as MonotonicMs;
  #lookedAt = -Infinity as MonotonicMs;

  constructor(parts: MeshRoutingParts) {
    this.#parts = parts;
    parts.catalog.migrate(schema);
    this.costs = new LinkCosts(parts.catalog);
    this.#names = new ShortNames(parts.membership);
    const before = parts.catalog.get<{ seqno: number }>('SELECT seqno FROM mesh_state')?.seqno ?? 0;
    this.#remember(before + 1);
    this.#mesh = new Mesh(shortName(parts.self), before + 1, parts.random, (name) => this.#names.node(name) !== undefined);
  }

  // What happens.

  /** A session with a member began, in place of any other with it. */
  begin(peer: NodeId, session: SessionId, now: Moment): void {
    const neighbour = shortName(peer);
    this.#names.forget();
    this.#talks.set(neighbour, { session, heardAt: now.monotonicMs });
    this.#handle({ type: 'begin', neighbour, quality: this.#qualityOf(peer, session) }, now);
  }

  /** A session ended. Nothing happens when the member has another one by now. */
  end(peer: NodeId, session: SessionId, now: Moment): void {
    const neighbour = shortName(peer);
    if (this.#talks.get(neighbour)?.session !== session) return;
    this.#talks.delete(neighbour);
    this.#handle({ type: 'end', neighbour }, now);
  }

  /** The session gave up waiting for an answer of a member. */
  silent(peer: NodeId, now: Moment): void {
    this.#handle({ type: 'silent', neighbour: shortName(peer) }, now);
  }

  /** What a member said about routes. */
  receive(peer: NodeId, bytes: Uint8Array, now: Moment): void {
    const outcome = this.#mesh.receive(shortName(peer), bytes, now.monotonicMs);
    if (!outcome.ok) this.#parts.report({ type: 'fault', peer, fault: outcome.fault });
    this.#drain(now);
  }

  /** The team has other members than before. */
  membersChanged(now: Moment): void {
    this.#names.forget();
    this.demandChanged();
    this.#handle({ type: 'members-changed' }, now);
  }

  /** What is owed to whom may be other than before. */
  demandChanged(): void {
    this.#demandChanged = true;
    this.#changes++;
  }

  /** Goes up whenever the way to somebody, or what is owed to whom, may be other than before. */
  get changes(): number {
    return this.#changes;
  }

  /** Looks after neighbours and routes, once in each turn. */
  settle(now: Moment): void {
    const at = now.monotonicMs;
    const { endpoint } = this.#parts;
    for (const [neighbour, talk] of this.#talks) {
      const heardAt = endpoint.heardAt(talk.session);
      if (heardAt === undefined || heardAt <= talk.heardAt) continue;
      talk.heardAt = heardAt;
      this.#mesh.handle({ type: 'heard', neighbour, at: heardAt }, at);
    }
    if (at >= later(this.#lookedAt, lookMs)) {
      this.#lookedAt = at;
      for (const [neighbour, { session }] of this.#talks)
        this.#mesh.handle({ type: 'measured', neighbour, quality: this.#qualityOf(this.#names.node(neighbour), session) }, at);
    }
    const demandAt = this.#demandAt();
    if (demandAt !== undefined && demandAt <= at) this.#demand(at);
    if ((this.#mesh.nextDeadline()?.at ?? Infinity) <= at) this.#mesh.wake(at);
    this.#drain(now);
  }

  nextDeadline(): Deadline | undefined {
    const at = this.#demandAt();
    return earliest(this.#mesh.nextDeadline(), at === undefined ? undefined : { at, reason: 'watch ways to members' });
  }

  // What is known.

  /** Who takes what is for this member: a neighbour, perhaps the member itself; `undefined` when there is no way now. */
  nextHop(node: NodeId): NodeId | undefined {
    const hop = this.#mesh.nextHop(shortName(node));
    return hop === undefined ? undefined : this.#names.node(hop);
  }

  /** Routes to all members that can be reached. */
  routes(): MeshRoute[] {
    return this.#mesh.routes().flatMap(({ destination, nextHop, alternatives, seqno: _, ...rest }) => {
      const [node, hop] = [this.#names.node(destination), this.#names.node(nextHop)];
      if (node === undefined || hop === undefined) return [];
      const others = alternatives.flatMap((each) => {
        const other = this.#names.node(each.nextHop);
        return other === undefined ? [] : [{ ...each, nextHop: other }];
      });
      return [{ node, nextHop: hop, ...rest, alternatives: others }];
    });
  }

  /** The network as this node sees it. */
  topology(): MeshTopology {
    const { nodes, links } = this.#mesh.topology();
    return {
      self: this.#parts.self,
      nodes: nodes.flatMap(({ node, nextHop, metric }) => {
        const [member, hop] = [this.#names.node(node), this.#names.node(nextHop)];
        return member === undefined || hop === undefined ? [] : [{ node: member, metric, nextHop: hop }];
      }),
      links: links.flatMap((link) => {
        const neighbour = this.#names.node(link.neighbour);
        return neighbour === undefined ? [] : [{ ...link, neighbour }];
      }),
    };
  }

  // Inside.

  #handle(input: MeshInput, now: Moment): void {
    this.#mesh.handle(input, now.monotonicMs);
    this.#drain(now);
  }

  /** When to look again at what is owed. With fewer than two neighbours there is nothing to choose, and nobody to choose for. */
  #demandAt(): MonotonicMs | undefined {
    if (this.#talks.size < 2 && this.#owed.size === 0) return undefined;
    let at: MonotonicMs | undefined = this.#demandChanged ? this.#demandPausedUntil : undefined;
    for (const { until } of this.#owed.values()) if (until !== undefined && (at === undefined || until < at)) at = until;
    return at;
  }

  /** A link as it is measured, and what it costs its owner besides. */
  #qualityOf(peer: NodeId | undefined, session: SessionId): LinkQuality {
    const estimate = this.#parts.endpoint.estimate(session);
    const { rateBytesPerSecond, smoothedRttMs, minRttMs, lossRatio, confidence } = estimate;
    const rttMs = smoothedRttMs ?? minRttMs;
    const penaltyMs = peer === undefined ? 0 : this.costs.of(peer, linkClassOf(estimate));
    return {
      lossRatio,
      penaltyMs,
      ...(rateBytesPerSecond === undefined || confidence < confidenceMin ? {} : { rateBytesPerSecond }),
      ...(rttMs === undefined ? {} : { rttMs }),
    };
  }

  /** To whom something is owed, as long as that is news. */
  #demand(now: MonotonicMs): void {
    const { membership } = this.#parts;
    if (this.#demandChanged) {
      this.#demandChanged = false;
      this.#demandPausedUntil = later(now, demandPauseMs * (1 + (membership.members().length * membership.datasets().length) / 1000));
      const owed = this.#talks.size < 2 ? new Map<NodeId, number>() : owedEntries(this.#parts);
      const before = new Map(this.#owed);
      this.#owed.clear();
      for (const [node, entries] of owed) {
        const known = before.get(shortName(node));
        this.#owed.set(shortName(node), known?.entries === entries ? known : { entries, until: later(now, demandHoldMs) });
      }
    }
    for (const [name, { entries, until }] of this.#owed)
      if (until !== undefined && until <= now) this.#owed.set(name, { entries, until: undefined });
    const watched = [...this.#owed].filter(([, { until }]) => until !== undefined).map(([name]) => name);
    this.#mesh.handle({ type: 'demand', nodes: new Set(watched) }, now);
  }

  #drain(now: Moment): void {
    const { endpoint, report } = this.#parts;
    for (let output = this.#mesh.poll(); output !== undefined; output = this.#mesh.poll()) {
      if (output.type === 'seqno') this.#remember(output.seqno);
      else if (output.type === 'news') {
        this.#changes++;
        const event = this.#named(output.event);
        if (event !== undefined) report(event);
      } else {
        const session = this.#talks.get(output.neighbour)?.session;
        if (session === undefined) continue;
        if (output.type === 'probe') endpoint.ping(session, now);
        else if (output.type !== 'send') this.#parts.heard(session, output.type === 'found');
        else if (!endpoint.sendMessage(session, 'critical', encodeMessage({ type: 'routes', bytes: output.bytes }), now))
          // Without this message the next ones mean nothing.
          endpoint.close(session, 'message queue full', now);
      }
    }
  }

  #remember(seqno: number): void {
    this.#parts.catalog.run('INSERT OR REPLACE INTO mesh_state (one, seqno) VALUES (1, ?)', seqno);
  }

  /** An event in the terms of members. */
  #named(event: TopologyEvent): NodeEvent | undefined {
    if ('nodes' in event) {
      const nodes = event.nodes.flatMap((name) => this.#names.node(name) ?? []);
      return nodes.length === 0 ? undefined : { type: event.type, nodes };
    }
    const node = this.#names.node(event.node);
    if (node === undefined) return undefined;
    if (event.type === 'node-lost') return { type: event.type, node };
    const nextHop = event.nextHop === undefined ? undefined : this.#names.node(event.nextHop);
    if (event.type === 'route-changed') return { ...event, node, nextHop };
    return nextHop === undefined ? undefined : { ...event, node, nextHop };
  }
}

/** How many log entries of those that are here each member is not known to hold, leaving out those that lack none. */
function owedEntries({ self, logs, membership, receipts, interests }: MeshRoutingParts): Map<NodeId, number> {
  const owed = new Map<NodeId, number>();
  const others = membership.members().filter(({ node }) => node !== self);
  for (const { id } of membership.datasets()) {
    const lengths = logs.lengths(id);
    if (lengths.size === 0) continue;
    const receiptByNode = new Map(receipts.all(id).map((receipt) => [receipt.node, receipt]));
    for (const { node } of others) {
      const { subscribed, vector } = receiptByNode.get(node) ?? { subscribed: interests.subscribes(node, id), vector: undefined };
      if (!subscribed) continue;
      let lacking = 0;
      for (const [author, length] of lengths) if (author !== node) lacking += Math.max(0, length - (vector?.lengthOf(author) ?? 0));
      if (lacking > 0) owed.set(node, (owed.get(node) ?? 0) + lacking);
    }
  }
  return owed;
}
