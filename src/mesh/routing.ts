import type { ShortName } from '../core/identifiers.ts';
import { limits } from '../core/limits.ts';
import { type Deadline, earliest, later, type MonotonicMs } from '../core/time.ts';
import { roundMetric, unreachable } from './link-metric.ts';
import { patienceMs } from './news-patience.ts';
import { type Route, routeTo } from './route.ts';
import { type Advertisement, better, type Candidate, type Destination, isFeasible, type Neighbour } from './route-entries.ts';
import { type RouteItem, requestHopsMax, seqnoMax } from './route-wire.ts';
import { SeqnoRenewal } from './seqno-renewal.ts';

/**
 * Routes to every node of the team, by Babel's algorithm (RFC 8966) over sessions.
 *
 * Every node is the source of one destination, itself. For each destination a node keeps its *feasible distance*: the best (sequence number, metric) that it has ever advertised. A neighbour's route is *feasible* when it is
 * better than that (section 3.5.1); only feasible routes are selected, which keeps the network free of loops at every instant, however old, late or lost the advertisements are.
 *
 * What differs from the RFC, because sessions are reliable and ordered:
 * - A neighbour's table is what it said, until it says otherwise. Nothing is repeated, nothing times out; what a neighbour was told is remembered, and only differences are said. They are worked out when there is room on the
 *   link, so what changed twice meanwhile is said once.
 * - A new sequence number that changes no metric is said to those who asked for it at once, to others a little later, and on slow links to nobody else. A source takes one when it loses sight of somebody (`seqno-renewal.ts`),
 *   and never from time to time.
 * - The neighbour that a route leads through is not told of it (split horizon), and hears a retraction if it had been told before.
 *
 * *Starvation*: all routes of a destination are unfeasible, as after it moved. Then its source is asked for a new sequence number through the neighbour with the best of them, and through all of them 1, 2 and 4 seconds
 * later (section 3.8.2.1), and whoever has a way again in the meantime; and so where an unfeasible route would be better by a fifth. While the next hop itself advertises a worse, unfeasible metric, the route stands as it was and the request goes out (section 3.5.3 allows to ignore such an update).
 *
 * *Neighbours that lie* are members with a valid key, and what they can do is bounded: a metric is never taken for less than 1 plus the cost of the link to its teller, so a lie draws traffic only from those for
 * whom the liar is nearer than the truth; whatever a destination says of itself is believed over everything else; a sequence number more than 64 ahead of what is known of a destination is not believed, and a source
 * that hears a higher one than its own goes beyond it, so that it cannot be shut out for longer than the lie needs to reach it. A liar that attracts traffic can drop it; content is sealed end to end, and delivery is
 * known by signed receipts alone.
 */

/** A change of a route. `nextHop` is absent when there is none any more. */
export interface RouteChange {
  readonly destination: ShortName;
  readonly nextHop: ShortName | undefined;
  readonly metric: number;
}

/** A route through another neighbour is taken at once when its metric is below this share of the present one. */
const switchRatio = 0.8;
/** And when it has been better for this long. */
const switchMs = 5000;
/** A metric is said again when it differs by this share. */
const newsRatio = 1 / 8;
/** The cost of a link is for its other end to know, and said again when it is this many times more or less. */
const costNewsRatio = 4;
/** Sequence numbers are said only to those who ask where 16 KiB take longer than this (10 kbit/s). */
const quietCost = 13_000;
/** When a request for a sequence number is repeated, after the one before. */
const requestRepeatMs = [1000, 2000, 4000] as const;
/** Requests of others are remembered for this long. */
const requestMemoryMs = 8000;
/** A request that was passed on is not passed on again for this long. */
const requestQuietMs = 500;
/** Nobody is this many sequence numbers ahead of what everybody knows. */
const seqnoLeadMax = 64;

/** The route table of one node. Say what happened, then take what is to be said to each neighbour when there is room for it. */
export class RouteTable {
  readonly #self: ShortName;
  /** Whether a destination is a member of the team. */
  readonly #knows: (name: ShortName) => boolean;
  readonly #neighbours = new Map<ShortName, Neighbour>();
  readonly #destinations = new Map<ShortName, Destination>();
  readonly #changes: RouteChange[] = [];
  readonly #waiting = new Set<Destination>();
  readonly #renewal = new SeqnoRenewal();
  #demand: ReadonlySet<ShortName> = new Set();
  /** As long as nothing changed that it follows from. */
  #hopsInUse: ReadonlySet<ShortName> | undefined;
  #seqno: number;

  constructor(self: ShortName, seqno: number, knows: (name: ShortName) => boolean) {
    this.#self = self;
    this.#seqno = seqno;
    this.#knows = knows;
  }

  /** This node's own sequence number. It must never be lower than it was, also after a restart. */
  get seqno(): number {
    return this.#seqno;
  }

  // What happens.

  /** A session with a neighbour began: neither knows anything of the other. `cost` is that of the link, infinite while it is not heard. */
  begin(name: ShortName, cost: number, now: MonotonicMs): void {
    this.end(name, now);
    const neighbour: Neighbour = {
      name,
      cost,
      entries: new Map(),
      told: new Map(),
      toldWatches: new Set(),
      watches: new Set(),
      dirty: new Map([this.#self, ...this.#destinations.keys()].map((each) => [each, now])),
      owed: new Set(),
      requests: new Map(),
      dueAt: now,
      costSaid: undefined,
    };
    this.#neighbours.set(name, neighbour);
  }

  /** A session ended, and with it all that was known through it. */
  end(name: ShortName, now: MonotonicMs): void {
    const neighbour = this.#neighbours.get(name);
    if (neighbour === undefined) return;
    this.#neighbours.delete(name);
    this.#hopsInUse = undefined;
    neighbour.cost = unreachable;
    for (const destination of this.#destinations.values()) destination.askers.delete(name);
    this.#selectAll(now);
    for (const watched of neighbour.watches) this.#watchChanged(watched, now);
  }

  /** The cost of the link to a neighbour is another one; infinite: it is not heard. Its table is kept. */
  setCost(name: ShortName, cost: number, now: MonotonicMs): void {
    const neighbour = this.#neighbours.get(name);
    if (neighbour === undefined || neighbour.cost === cost) return;
    this.#hopsInUse = undefined;
    neighbour.cost = cost;
    const said = neighbour.costSaid;
    if (said !== undefined && cost !== unreachable && Math.max(cost / said, said / cost) >= costNewsRatio)
      this.#soil(neighbour, this.#self, now);
    this.#selectAll(now);
  }

  /** What a neighbour said. Gives the destinations that it can reach less well than before: perhaps it lost them. This node itself is one when somebody asks for its sequence number, and so has no way here. */
  receive(name: ShortName, items: readonly RouteItem[], now: MonotonicMs): ShortName[] {
    const neighbour = this.#neighbours.get(name);
    const worse: ShortName[] = [];
    if (neighbour === undefined) return worse;
    for (const item of items) {
      if (item.type === 'update') {
        if (this.#update(neighbour, item, now)) worse.push(item.destination);
      } else if (item.type === 'request') {
        this.#request(neighbour, item, now);
        if (item.destination === this.#self) worse.push(this.#self);
      } else {
        if (item.type === 'unwatch') neighbour.watches.delete(item.destination);
        else if (this.#knows(item.destination)) neighbour.watches.add(item.destination);
        this.#watchChanged(item.destination, now);
      }
    }
    return worse;
  }

  /** Something is owed to these destinations, and to no others. */
  setDemand(demand: ReadonlySet<ShortName>, now: MonotonicMs): void {
    const before = this.#demand;
    this.#demand = demand;
    for (const name of new Set([...before, ...demand])) if (before.has(name) !== demand.has(name)) this.#watchChanged(name, now);
  }

  /** The members of the team are others than before. */
  membersChanged(now: MonotonicMs): void {
    for (const { entries } of this.#neighbours.values()) for (const name of entries.keys()) this.#destination(name);
    this.#selectAll(now);
  }

  /** The time has come. */
  wake(now: MonotonicMs): void {
    if ((this.#renewal.dueAt ?? Infinity) <= now) this.#raise(this.#seqno + 1, now);
    for (const destination of [...this.#waiting]) {
      const { asking, betterSince } = destination;
      const asks = asking?.at !== undefined && asking.at <= now;
      if (asks) this.#askAgain(destination, now);
      if (asks || (betterSince !== undefined && later(betterSince, switchMs) <= now)) this.#select(destination, now);
    }
  }

  // What follows.

  /** The next change of a route. */
  nextChange(): RouteChange | undefined {
    return this.#changes.shift();
  }

  /** When `wake` is due. */
  nextDeadline(): Deadline | undefined {
    const { dueAt } = this.#renewal;
    let next: Deadline | undefined = dueAt === undefined ? undefined : { at: dueAt, reason: 'new sequence number' };
    for (const { asking, betterSince } of this.#waiting) {
      if (asking?.at !== undefined) next = earliest(next, { at: asking.at, reason: 'ask for a sequence number' });
      if (betterSince !== undefined) next = earliest(next, { at: later(betterSince, switchMs), reason: 'better route' });
    }
    return next;
  }

  /** From when on there may be something to say to a neighbour. */
  dueAt(name: ShortName): MonotonicMs | undefined {
    const neighbour = this.#neighbours.get(name);
    return neighbour === undefined || neighbour.cost === unreachable ? undefined : neighbour.dueAt;
  }

  /** Takes what is to be said to a neighbour by now, so many items at most, the most urgent first. What is taken counts as said. */
  take(name: ShortName, itemsMax: number, now: MonotonicMs): RouteItem[] {
    const neighbour = this.#neighbours.get(name);
    const items: RouteItem[] = [];
    if (neighbour === undefined) return items;
    for (const [destination, request] of neighbour.requests) {
      if (items.length >= itemsMax) return items;
      items.push({ type: 'request', destination, ...request });
      neighbour.requests.delete(destination);
    }
    for (const urgent of [true, false]) {
      for (const [each, at] of neighbour.dirty) {
        if (at > now) continue;
        if (items.length >= itemsMax) return items;
        const gone = (this.#destinations.get(each)?.metric ?? 0) === unreachable;
        if (urgent && !gone && !neighbour.owed.has(each) && each !== this.#self) continue;
        neighbour.dirty.delete(each);
        items.push(...this.#sayings(neighbour, each));
      }
    }
    neighbour.dueAt = undefined;
    for (const at of neighbour.dirty.values()) if (neighbour.dueAt === undefined || at < neighbour.dueAt) neighbour.dueAt = at;
    return items;
  }

  /** Who takes what is for this destination; `undefined` when there is no way. */
  nextHop(name: ShortName): ShortName | undefined {
    return this.#destinations.get(name)?.nextHop?.name;
  }

  /**
   * Neighbours through which something that is owed goes now, for others, or for this node if it hears more than one: with a single one it makes no difference to know early that it is gone.
   */
  hopsInUse(): ReadonlySet<ShortName> {
    this.#hopsInUse ??= this.#findHopsInUse();
    return this.#hopsInUse;
  }

  #findHopsInUse(): Set<ShortName> {
    const hops = new Set<ShortName>();
    let heard = 0;
    for (const { cost } of this.#neighbours.values()) if (cost !== unreachable) heard++;
    for (const name of this.#demand) {
      const hop = this.#destinations.get(name)?.nextHop;
      if (hop !== undefined && heard > 1) hops.add(hop.name);
    }
    for (const neighbour of this.#neighbours.values()) {
      for (const name of neighbour.watches) {
        const hop = this.#destinations.get(name)?.nextHop;
        if (hop !== undefined && hop !== neighbour) hops.add(hop.name);
      }
    }
    return hops;
  }

  /** All routes, and why each was chosen. */
  routes(): Route[] {
    return [...this.#destinations.values()].flatMap((destination) => routeTo(destination, this.#candidates(destination)) ?? []);
  }

  /** What a neighbour says that the link costs in its direction, if it has said so. */
  costBack(name: ShortName): number | undefined {
    const back = this.#neighbours.get(name)?.entries.get(name)?.said.metric;
    return back === unreachable ? undefined : back;
  }

  // Routes.

  #destination(name: ShortName): Destination | undefined {
    const known = this.#destinations.get(name);
    if (known !== undefined) return known;
    if (name === this.#self || !this.#knows(name) || this.#destinations.size >= limits.membersPerTeamMax) return undefined;
    const destination: Destination = {
      name,
      feasible: undefined,
      nextHop: undefined,
      metric: unreachable,
      seqno: undefined,
      kept: false,
      betterSince: undefined,
      asking: undefined,
      askers: new Map(),
      passedOn: undefined,
    };
    this.#destinations.set(name, destination);
    return destination;
  }

  /** True when the neighbour can reach the destination less well than before. */
  #update(neighbour: Neighbour, item: Extract<RouteItem, { type: 'update' }>, now: MonotonicMs): boolean {
    const { destination: name, seqno, metric } = item;
    if (name === this.#self) {
      // Somebody has a number of ours that we never gave out: ours must be beyond it, or we would be unreachable.
      if (seqno > this.#seqno && seqno < seqnoMax - 1) this.#raise(seqno + 1, now);
      return false;
    }
    const before = neighbour.entries.get(name);
    if (before === undefined && neighbour.entries.size >= limits.membersPerTeamMax) return false;
    const destination = this.#destination(name);
    if (name !== neighbour.name && destination !== undefined && !this.#believable(destination, seqno)) return false;
    const said = { seqno, metric };
    const metricBefore = before?.held?.metric ?? before?.said.metric ?? unreachable;
    const saidBefore = before?.said.metric ?? unreachable;
    const entry = before ?? { said, held: undefined };
    if (before === undefined) neighbour.entries.set(name, entry);
    if (destination === undefined) {
      entry.said = said;
      return false;
    }
    const keeps =
      destination.nextHop === neighbour && metric !== unreachable && name !== neighbour.name && !isFeasible(said, destination.feasible);
    entry.held = keeps ? said : undefined;
    if (!keeps) entry.said = said;
    // Whoever has a way by now may know more than those who were asked.
    const { asking } = destination;
    if (asking?.at !== undefined && destination.nextHop === undefined && saidBefore === unreachable)
      this.#sendRequest(neighbour, name, asking.seqno, requestHopsMax, now);
    // What became of an unanswered request may be another matter now.
    if (metric !== unreachable && destination.asking?.at === undefined) destination.asking = undefined;
    if (!this.#isIdle(destination, neighbour, Math.min(saidBefore, metric))) this.#select(destination, now);
    return name !== neighbour.name && metric > metricBefore;
  }

  /** Whether it changes nothing what a neighbour says: nobody waits for the destination, and the neighbour neither is nor was nearly as good as the next hop. Most of what is said is like that. */
  #isIdle({ name, nextHop, metric, asking, askers }: Destination, neighbour: Neighbour, saidMin: number): boolean {
    if (nextHop === undefined || nextHop === neighbour || neighbour.name === name || asking !== undefined || askers.size > 0) return false;
    return nextHop.entries.get(name)?.held === undefined && neighbour.cost + Math.max(1, saidMin) >= metric;
  }

  /** Nobody can know a number far beyond those that others know, least of all beyond what the destination itself says to us. */
  #believable(destination: Destination, seqno: number): boolean {
    const own = this.#neighbours.get(destination.name)?.entries.get(destination.name)?.said.seqno;
    const known = own ?? destination.feasible?.seqno;
    return known === undefined || seqno <= known + seqnoLeadMax;
  }

  #candidates(destination: Destination): Candidate[] {
    const candidates: Candidate[] = [];
    for (const neighbour of this.#neighbours.values()) {
      const entry = neighbour.entries.get(destination.name);
      if (entry === undefined || neighbour.cost === unreachable || entry.said.metric === unreachable) continue;
      // A destination cannot be behind itself, so what it says itself is always feasible.
      const direct = neighbour.name === destination.name;
      const metric = roundMetric(neighbour.cost + (direct ? 0 : Math.max(1, entry.said.metric)));
      if (metric === unreachable) continue;
      candidates.push({ neighbour, entry, metric, feasible: direct || isFeasible(entry.said, destination.feasible) });
    }
    return candidates;
  }

  #selectAll(now: MonotonicMs): void {
    for (const destination of this.#destinations.values()) this.#select(destination, now);
  }

  /** RFC 8966 section 3.6, with hysteresis. */
  #select(destination: Destination, now: MonotonicMs): void {
    const candidates = this.#knows(destination.name) ? this.#candidates(destination) : [];
    let best: Candidate | undefined;
    let present: Candidate | undefined;
    for (const each of candidates) {
      if (!each.feasible) continue;
      if (each.neighbour === destination.nextHop) present = each;
      if (best === undefined || each.metric < best.metric) best = each;
    }
    let chosen = best;
    const before = destination.nextHop;
    destination.kept = false;
    if (best !== undefined && present !== undefined && best !== present) {
      if (best.metric < present.metric) destination.betterSince ??= now;
      else destination.betterSince = undefined;
      const overdue = destination.betterSince !== undefined && now >= later(destination.betterSince, switchMs);
      if (best.metric >= present.metric * switchRatio && !overdue) {
        chosen = present;
        destination.kept = true;
      }
    }
    if (chosen === undefined || !destination.kept) destination.betterSince = undefined;
    this.#install(destination, chosen?.neighbour, chosen?.metric ?? unreachable, now);
    this.#starve(destination, candidates, now);
    this.#answer(destination, now);
    if (destination.nextHop !== before) this.#passOnAgain(destination, now);
    if (destination.asking?.at !== undefined || destination.betterSince !== undefined) this.#waiting.add(destination);
    else this.#waiting.delete(destination);
  }

  #install(destination: Destination, nextHop: Neighbour | undefined, metric: number, now: MonotonicMs): void {
    const { nextHop: before, name } = destination;
    const seqno = nextHop?.entries.get(name)?.said.seqno;
    if (before === nextHop && destination.metric === metric && destination.seqno === seqno) return;
    destination.seqno = seqno;
    this.#hopsInUse = undefined;
    destination.nextHop = nextHop;
    destination.metric = metric;
    if (nextHop === undefined) this.#renewal.lost(now);
    if (before !== nextHop) {
      const left = before?.entries.get(name);
      if (left?.held !== undefined) {
        left.said = left.held;
        left.held = undefined;
      }
      this.#changes.push({ destination: name, nextHop: nextHop?.name, metric });
    }
    for (const neighbour of this.#neighbours.values()) this.#soil(neighbour, name, now, metric === unreachable);
  }

  #soil(neighbour: Neighbour, name: ShortName, now: MonotonicMs, urgent = false): void {
    const at = later(now, urgent ? 0 : patienceMs(neighbour.told.get(name), this.#destinations.get(name), this.#destinations.size));
    const before = neighbour.dirty.get(name);
    if (before !== undefined && before <= at) return;
    neighbour.dirty.set(name, at);
    if (neighbour.dueAt === undefined || at < neighbour.dueAt) neighbour.dueAt = at;
  }

  // Sequence numbers.

  #raise(seqno: number, now: MonotonicMs): void {
    this.#seqno = Math.min(seqno, seqnoMax - 1);
    this.#renewal.renewed(now);
    for (const neighbour of this.#neighbours.values()) this.#oweTo(neighbour, this.#self, now);
  }

  #oweTo(neighbour: Neighbour, name: ShortName, now: MonotonicMs): void {
    neighbour.owed.add(name);
    this.#soil(neighbour, name, now, true);
  }

  /** Asks for a new sequence number where only that can help, or would make a route much better, and stops asking where it is not needed (RFC 8966 sections 3.8.2.1 and 3.8.2.2). */
  #starve(destination: Destination, candidates: readonly Candidate[], now: MonotonicMs): void {
    const { nextHop, name, feasible, metric } = destination;
    let barred = nextHop?.entries.get(name)?.held === undefined ? undefined : nextHop;
    let barredMetric = metric * switchRatio;
    if (barred === undefined) {
      for (const each of candidates) {
        if (each.feasible || each.metric >= barredMetric) continue;
        barred = each.neighbour;
        barredMetric = each.metric;
      }
    }
    if (feasible === undefined || barred === undefined) {
      destination.asking = undefined;
      return;
    }
    const seqno = feasible.seqno + 1;
    const { asking } = destination;
    if (asking?.seqno === seqno) {
      // Who was asked is gone, or says that it is the wrong one: the next one is.
      if (asking.at === undefined || candidates.some((each) => each.neighbour === asking.to)) return;
      asking.to = barred;
    } else destination.asking = { seqno, to: barred, repeats: 0, at: later(now, requestRepeatMs[0]) };
    this.#sendRequest(barred, name, seqno, requestHopsMax, now);
  }

  /** The answer has not come: all who seem to have a route are asked. After the last time, what was put off is taken for true. */
  #askAgain(destination: Destination, now: MonotonicMs): void {
    const { asking, name, nextHop } = destination;
    if (asking === undefined) return;
    asking.repeats++;
    const pauseMs = requestRepeatMs[asking.repeats];
    if (asking.repeats > requestRepeatMs.length) {
      asking.at = undefined;
      const entry = nextHop?.entries.get(name);
      if (entry?.held === undefined) return;
      entry.said = entry.held;
      entry.held = undefined;
      return;
    }
    asking.at = later(now, pauseMs ?? requestMemoryMs);
    for (const { neighbour } of this.#candidates(destination)) this.#sendRequest(neighbour, name, asking.seqno, requestHopsMax, now);
  }

  #sendRequest(neighbour: Neighbour, name: ShortName, seqno: number, hops: number, now: MonotonicMs): void {
    const waiting = neighbour.requests.get(name);
    if (waiting !== undefined && waiting.seqno >= seqno) return;
    neighbour.requests.set(name, { seqno, hops });
    neighbour.dueAt = now;
  }

  /** RFC 8966 section 3.8.1.2. */
  #request(from: Neighbour, { destination: name, seqno, hops }: Extract<RouteItem, { type: 'request' }>, now: MonotonicMs): void {
    if (name === this.#self) {
      // Only by one, whatever is asked for: a number runs ahead no faster than requests come.
      if (seqno > this.#seqno && this.#seqno < seqnoMax - 1) this.#seqno++;
      this.#oweTo(from, name, now);
      return;
    }
    const destination = this.#destinations.get(name);
    if (destination === undefined) return;
    const { nextHop } = destination;
    if (nextHop !== undefined && nextHop !== from && this.#satisfies(destination, seqno)) {
      this.#oweTo(from, name, now);
      return;
    }
    destination.askers.set(from.name, { seqno, hops, until: later(now, requestMemoryMs) });
    const { passedOn } = destination;
    if (hops <= 1 || (passedOn !== undefined && passedOn.seqno >= seqno && now < later(passedOn.at, requestQuietMs))) return;
    const to = nextHop !== undefined && nextHop !== from ? nextHop : this.#bestBeside(destination, from);
    if (to === undefined) return;
    destination.passedOn = { seqno, at: now };
    this.#sendRequest(to, name, seqno, hops - 1, now);
  }

  /** There is a way again, or another: requests that may have gone nowhere take it. */
  #passOnAgain(destination: Destination, now: MonotonicMs): void {
    const { askers, nextHop, name } = destination;
    for (const [asker, { seqno, hops }] of askers) {
      if (nextHop === undefined || asker === nextHop.name || hops <= 1) continue;
      destination.passedOn = { seqno, at: now };
      this.#sendRequest(nextHop, name, seqno, hops - 1, now);
    }
  }

  #bestBeside(destination: Destination, from: Neighbour): Neighbour | undefined {
    const others = this.#candidates(destination).filter(({ neighbour }) => neighbour !== from);
    return others.length === 0 ? undefined : others.reduce((a, b) => (b.metric < a.metric ? b : a)).neighbour;
  }

  #satisfies(destination: Destination, seqno: number): boolean {
    return (destination.nextHop?.entries.get(destination.name)?.said.seqno ?? -1) >= seqno;
  }

  /** Passes a sequence number on to those who asked for it. */
  #answer(destination: Destination, now: MonotonicMs): void {
    for (const [name, { seqno, until }] of destination.askers) {
      const asker = this.#neighbours.get(name);
      if (asker === undefined || until <= now) destination.askers.delete(name);
      else if (destination.nextHop !== asker && this.#satisfies(destination, seqno)) {
        destination.askers.delete(name);
        this.#oweTo(asker, destination.name, now);
      }
    }
  }

  // What is said.

  #watchChanged(name: ShortName, now: MonotonicMs): void {
    this.#hopsInUse = undefined;
    const hop = this.#destinations.get(name)?.nextHop;
    for (const neighbour of this.#neighbours.values())
      if (neighbour === hop || neighbour.toldWatches.has(name)) this.#soil(neighbour, name, now, true);
  }

  #sayings(neighbour: Neighbour, name: ShortName): RouteItem[] {
    const items: RouteItem[] = [];
    const owed = neighbour.owed.delete(name);
    if (name === this.#self) {
      neighbour.costSaid = neighbour.cost;
      items.push({ type: 'update', destination: name, seqno: this.#seqno, metric: neighbour.cost });
      return items;
    }
    const destination = this.#destinations.get(name);
    if (destination === undefined || name === neighbour.name) return items;
    const news = this.#news(neighbour, destination, owed);
    if (news !== undefined) {
      neighbour.told.set(name, news);
      if (news.metric !== unreachable) destination.feasible = better(news, destination.feasible);
      items.push({ type: 'update', destination: name, ...news });
    }
    const watches = destination.nextHop === neighbour && this.#isWatched(name, neighbour);
    if (watches === neighbour.toldWatches.has(name)) return items;
    if (watches) neighbour.toldWatches.add(name);
    else neighbour.toldWatches.delete(name);
    items.push({ type: watches ? 'watch' : 'unwatch', destination: name });
    return items;
  }

  /** Something for this destination is here, or comes by way of here from others than this neighbour. */
  #isWatched(name: ShortName, except: Neighbour): boolean {
    if (this.#demand.has(name)) return true;
    for (const neighbour of this.#neighbours.values()) if (neighbour !== except && neighbour.watches.has(name)) return true;
    return false;
  }

  /** What is new to a neighbour about a destination. */
  #news(neighbour: Neighbour, destination: Destination, owed: boolean): Advertisement | undefined {
    const { name, nextHop, metric } = destination;
    const told = neighbour.told.get(name);
    const hasTold = told !== undefined && told.metric !== unreachable;
    const seqno = nextHop?.entries.get(name)?.said.seqno;
    if (nextHop === undefined || nextHop === neighbour || seqno === undefined)
      return hasTold ? { seqno: told.seqno, metric: unreachable } : undefined;
    const now = { seqno, metric };
    const isFresher = seqno > (told?.seqno ?? -1) && neighbour.cost < quietCost;
    return owed || !hasTold || isFresher || Math.abs(metric - told.metric) > told.metric * newsRatio ? now : undefined;
  }
}
