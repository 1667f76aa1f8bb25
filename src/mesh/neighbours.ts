import type { ShortName } from '../core/identifiers.ts';
import type { Random } from '../core/random.ts';
import { type Deadline, earliest, later, type MonotonicMs } from '../core/time.ts';
import { type LinkQuality, linkCost, rateOf, rttOf, unreachable } from './link-metric.ts';

/**
 * Which neighbours are heard, and what the links to them cost.
 *
 * Liveness costs nothing where nothing is owed: a neighbour is taken to be where it was, and the session notices silence as soon as it has something to say. Where something is owed by way of a neighbour and nothing else is
 * heard of it, it is probed: every 0.68 seconds times the number of such links, but at least every 4.2 seconds, so that a node spends about the same on two
 * neighbours as on six; on links below 10 kbit/s never. An answer that does not come is asked for again, as often as the losses of the link demand for a verdict that is wrong once in two hundred times, and within the
 * same time whatever it loses: a radio that loses half of its packets is the one that is soon out of range. Among 200 people who walk about, most pairs without a working route had one over a link whose end nobody had noticed yet.
 *
 * A neighbour that was heard all the time and is not any more was in the middle of something, also where nothing is owed by way of it: data was coming from it. It is asked after 0.7 seconds, so that what it was sending can be had
 * from somebody else.
 *
 * **Rumours** make up for rare probes: when another neighbour says that it reaches somebody less well than before, and that somebody is our neighbour, too, it is probed at once. So the death of a node is found out by all its
 * neighbours when the first of them does (compare Das, Gupta and Motivala, "SWIM", 2002). And who loses one neighbour asks the others that it uses.
 *
 * **Flapping.** A neighbour that was lost and is heard again counts at once the first time, and after a second time within a minute only when it has been there for half a second, then one, two, up to sixteen. The cost of a
 * link follows what is measured only when it differs by a quarter.
 */

/** What is known of a neighbour. */
export interface Neighbour {
  readonly name: ShortName;
  /** `lost` neighbours have a session and are not heard; `settling` ones are heard again and not yet relied on. */
  readonly state: 'heard' | 'settling' | 'lost';
  readonly heardAt: MonotonicMs;
  readonly quality: LinkQuality;
  /** Milliseconds for 16 KiB there, as routes count it; infinite unless heard. */
  readonly cost: number;
  /** Probes without an answer so far. */
  readonly probes: number;
}

/** What neighbours give rise to. */
export type NeighbourOutput =
  /** Make the neighbour answer something. */
  | { readonly type: 'probe'; readonly neighbour: ShortName }
  /** The cost of its link, as routes count it, is another; infinite: it is lost. */
  | { readonly type: 'cost'; readonly neighbour: ShortName; readonly cost: number }
  /** A neighbour that was given up is heard again, even if it has yet to prove that it stays. */
  | { readonly type: 'found'; readonly neighbour: ShortName };

/** Time a probed link gets for each link in use. */
const periodMsPerLink = 680;
const periodMsMin = 1400;
const periodMsMax = 4200;
/** Of two ends the one whose name is greater lets the other begin. */
const yieldRatio = 1.15;
/** Periods vary by this share, so that not all neighbours are asked at once. */
const jitterRatio = 0.1;
/** Below this rate nothing is sent from time to time. */
const periodicRateMin = 1250;
/** An answer takes two round trips at most, and what the other end and this one are late. */
const answerRoundTrips = 2;
const answerMsMin = 150;
/** Packets that are lost demand more probes, within these bounds. */
const probesMin = 3;
const probesMax = 16;
/** A probe and its answer, with headers; probes take no more than this share of the link. */
const probeBytes = 60;
const probesShare = 0.1;
const mistakeRatio = 0.005;
/** A neighbour heard so recently is not suspected. */
const freshMs = 150;
/** Whoever is heard so often in a second is in the middle of something, and asked when nothing more comes for that long, until so long afterwards. */
const busyHearings = 8;
const busyWindowMs = 1000;
const busyPeriodMs = 700;
const busyMemoryMs = 2000;
/** A node is told no more often than this that others may have lost it. */
const doubtMs = 1000;
/** How long a loss is held against a neighbour, and how long it has to stay for the second one. */
const flapMemoryMs = 60_000;
const settleMsMin = 500;
const settleMsMax = 16_000;
/** A cost is another one when it differs by this factor. */
const costRatio = 1.25;

interface Entry {
  readonly name: ShortName;
  quality: LinkQuality;
  heardAt: MonotonicMs;
  cost: number;
  state: Neighbour['state'];
  settledAt: MonotonicMs;
  lossesAt: MonotonicMs[];
  inUse: boolean;
  probes: number;
  probedAt: MonotonicMs;
  /** Hearings since then, and until when they count as the middle of something. */
  hearings: number;
  hearingsSince: MonotonicMs;
  busyUntil: MonotonicMs;
  /** 1, more or less. */
  jitter: number;
}

/** The neighbours of one node. Named are only those with which a session stands. */
export class Neighbours {
  readonly #self: ShortName;
  readonly #random: Random;
  readonly #entries = new Map<ShortName, Entry>();
  readonly #lossesOf = new Map<ShortName, MonotonicMs[]>();
  readonly #outputs: NeighbourOutput[] = [];
  #doubtedAt = -Infinity as MonotonicMs;

  constructor(self: ShortName, random: Random) {
    this.#self = self;
    this.#random = random;
  }

  /** A session with a neighbour began. */
  begin(name: ShortName, quality: LinkQuality, now: MonotonicMs): void {
    const lossesAt = this.#recentLosses(name, now);
    const settledAt = later(now, settleMs(lossesAt.length));
    const entry: Entry = {
      name,
      quality,
      heardAt: now,
      cost: unreachable,
      state: 'settling',
      settledAt,
      lossesAt,
      inUse: false,
      probes: 0,
      probedAt: now,
      hearings: 0,
      hearingsSince: now,
      busyUntil: now,
      jitter: 1,
    };
    this.#entries.set(name, entry);
    if (settledAt <= now) this.#trust(entry);
  }

  /** A session ended, whether its neighbour had fallen silent or not. */
  end(name: ShortName, now: MonotonicMs): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    if (entry.state === 'heard') this.#lose(entry, now);
    this.#entries.delete(name);
  }

  /** Something of a neighbour arrived, at that instant. */
  heard(name: ShortName, at: MonotonicMs, now: MonotonicMs): void {
    const entry = this.#entries.get(name);
    if (entry === undefined || at <= entry.heardAt) return;
    entry.heardAt = at;
    countHearing(entry, at);
    if (entry.probes > 0 && at >= entry.probedAt) entry.probes = 0;
    if (entry.state !== 'lost') return;
    this.#outputs.push({ type: 'found', neighbour: name });
    entry.state = 'settling';
    entry.settledAt = later(now, settleMs(entry.lossesAt.length));
    if (entry.settledAt <= now) this.#trust(entry);
  }

  /** The session itself gave the neighbour up, for now. */
  silent(name: ShortName, now: MonotonicMs): void {
    const entry = this.#entries.get(name);
    if (entry !== undefined) this.#lose(entry, now);
  }

  /** What was measured of the link. */
  measured(name: ShortName, quality: LinkQuality): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    entry.quality = quality;
    if (entry.state !== 'heard') return;
    const cost = linkCost(quality);
    if (cost <= entry.cost * costRatio && cost * costRatio >= entry.cost) return;
    entry.cost = cost;
    this.#outputs.push({ type: 'cost', neighbour: name, cost });
  }

  /** Something that must be answered left for a neighbour: it is as good as a probe. */
  spokenTo(name: ShortName, now: MonotonicMs): void {
    const entry = this.#entries.get(name);
    if (entry === undefined || entry.state === 'lost' || entry.probes > 0) return;
    entry.probes = 1;
    entry.probedAt = now;
  }

  /** Something is owed by way of these neighbours. Whoever was not watched before is asked at once whether it is still there. */
  setInUse(names: ReadonlySet<ShortName>, now: MonotonicMs): void {
    for (const entry of this.#entries.values()) {
      const begins = names.has(entry.name) && !entry.inUse;
      entry.inUse = names.has(entry.name);
      if (begins) this.#suspect(entry, later(entry.heardAt, this.#periodMs(entry)) <= now, now);
    }
  }

  /** Somebody lost a node that may be a neighbour, or lost this one. */
  rumour(name: ShortName, now: MonotonicMs): void {
    const entry = this.#entries.get(name);
    if (entry !== undefined) this.#suspect(entry, later(entry.heardAt, freshMs) <= now, now);
    if (name === this.#self && later(this.#doubtedAt, doubtMs) <= now) {
      this.#doubtedAt = now;
      this.#suspectAll(now);
    }
  }

  /** The time has come. */
  wake(now: MonotonicMs): void {
    for (const entry of this.#entries.values()) {
      const at = this.#dueAt(entry);
      if (at === undefined || at > now) continue;
      if (entry.state === 'settling') this.#trust(entry);
      else if (entry.probes < probesNeeded(entry.quality)) this.#probe(entry, now);
      else {
        this.#lose(entry, now);
        this.#suspectAll(now);
      }
    }
  }

  nextDeadline(): Deadline | undefined {
    let next: Deadline | undefined;
    for (const entry of this.#entries.values()) {
      const at = this.#dueAt(entry);
      if (at !== undefined) next = earliest(next, { at, reason: 'neighbour' });
    }
    return next;
  }

  /** The next thing to do. */
  poll(): NeighbourOutput | undefined {
    return this.#outputs.shift();
  }

  get(name: ShortName): Neighbour | undefined {
    return this.#entries.get(name);
  }

  all(): Neighbour[] {
    return [...this.#entries.values()];
  }

  /** When a neighbour needs attention: settled, to be probed (again), or to be given up. */
  #dueAt(entry: Entry): MonotonicMs | undefined {
    if (entry.state === 'settling') return entry.settledAt;
    if (entry.state === 'lost') return undefined;
    if (entry.probes > 0) return later(entry.probedAt, answerMs(entry.quality));
    if (rateOf(entry.quality) < periodicRateMin) return undefined;
    const askAt = later(entry.heardAt, busyPeriodMs);
    if (askAt <= entry.busyUntil && this.#entries.size > 1) return askAt;
    return entry.inUse ? later(entry.heardAt, this.#periodMs(entry)) : undefined;
  }

  #periodMs(entry: Entry): number {
    let links = 0;
    for (const { inUse } of this.#entries.values()) if (inUse) links++;
    const periodMs = Math.min(periodMsMax, Math.max(periodMsMin, periodMsPerLink * links));
    return periodMs * entry.jitter * (this.#self > entry.name ? yieldRatio : 1);
  }

  #suspect(entry: Entry, stale: boolean, now: MonotonicMs): void {
    if (stale && entry.state === 'heard' && entry.probes === 0) this.#probe(entry, now);
  }

  /** Perhaps it is this node that moved, or its radio: then others are gone, too. */
  #suspectAll(now: MonotonicMs): void {
    for (const entry of this.#entries.values())
      if (entry.inUse && rateOf(entry.quality) >= periodicRateMin) this.#suspect(entry, later(entry.heardAt, freshMs) <= now, now);
  }

  #probe(entry: Entry, now: MonotonicMs): void {
    entry.probes++;
    entry.probedAt = now;
    entry.jitter = 1 + jitterRatio * (2 * this.#random.float() - 1);
    this.#outputs.push({ type: 'probe', neighbour: entry.name });
  }

  #trust(entry: Entry): void {
    entry.state = 'heard';
    entry.probes = 0;
    entry.cost = linkCost(entry.quality);
    this.#outputs.push({ type: 'cost', neighbour: entry.name, cost: entry.cost });
  }

  #lose(entry: Entry, now: MonotonicMs): void {
    if (entry.state === 'lost') return;
    if (entry.state === 'heard') {
      this.#outputs.push({ type: 'cost', neighbour: entry.name, cost: unreachable });
      entry.lossesAt = [...this.#recentLosses(entry.name, now), now];
      this.#lossesOf.set(entry.name, entry.lossesAt);
    }
    entry.state = 'lost';
    entry.cost = unreachable;
    entry.probes = 0;
  }

  /** Losses of a neighbour that are still held against it; those of others are forgotten on the way. */
  #recentLosses(name: ShortName, now: MonotonicMs): MonotonicMs[] {
    for (const [each, lossesAt] of this.#lossesOf) {
      const recent = lossesAt.filter((at) => later(at, flapMemoryMs) > now);
      if (recent.length === 0) this.#lossesOf.delete(each);
      else this.#lossesOf.set(each, recent);
    }
    return this.#lossesOf.get(name) ?? [];
  }
}

function countHearing(entry: Entry, at: MonotonicMs): void {
  if (at > later(entry.hearingsSince, busyWindowMs)) {
    entry.hearings = 0;
    entry.hearingsSince = at;
  }
  entry.hearings++;
  if (entry.hearings >= busyHearings) entry.busyUntil = later(at, busyMemoryMs);
}

/** How long to wait before the next probe. Where many are needed each waits less, as an answer to any of them will do: the verdict takes three times the time that one answer may take, whatever the link loses. */
function answerMs(quality: LinkQuality): number {
  return verdictMs(quality) / probesNeeded(quality);
}

function verdictMs(quality: LinkQuality): number {
  return probesMin * (answerMsMin + answerRoundTrips * rttOf(quality));
}

function settleMs(losses: number): number {
  return losses < 2 ? 0 : Math.min(settleMsMax, settleMsMin * 2 ** (losses - 2));
}

/** Probes without an answer that are proof enough: each has to survive the link twice. No more than the link carries beside other things in the time. */
function probesNeeded(quality: LinkQuality): number {
  const answered = (1 - Math.min(0.9, Math.max(0, quality.lossRatio))) ** 2;
  const needed = answered >= 1 ? probesMin : Math.ceil(Math.log(mistakeRatio) / Math.log(1 - answered));
  const room = Math.floor((verdictMs(quality) * rateOf(quality) * probesShare) / 1000 / probeBytes);
  return Math.max(probesMin, Math.min(probesMax, room, needed));
}
