import { hourMs, hourOf, periodHoursMax } from '../bandwidth/budget-period.ts';
import type { LinkClass } from '../bandwidth/link-class.ts';
import { toHex } from '../core/bytes.ts';
import { identifierToBytes, type NodeId } from '../core/identifiers.ts';
import { type PriorityClass, priorityClasses } from '../core/priority.ts';
import { later, type Moment, type MonotonicMs, type WallMs } from '../core/time.ts';
import type { Catalog, Schema } from '../ports/catalog.ts';
import type { Incoming } from '../session/incoming-quota.ts';
import type { LinkFlow, LinkMeter, Purpose, PurposeBytes } from '../session/ledger.ts';
import { type BudgetState, type LinkBudget, LinkBudgets, type OpenBudget, oldestBudgetedHour } from './link-budgets.ts';
import type { RateCaps } from './rate-caps.ts';

/**
 * The accounts of a node: every byte of every link, by peer, purpose, direction and hour, and the budgets that are kept with them.
 *
 * **Written rarely, and never too low.** A row of the accounts is not written for every packet. It carries besides what is known to have gone an amount *ahead* that may have gone since; it is written anew, in the
 * transaction of the turn, before more leaves than both together. So after `kill -9` nothing that left is missing: what was ahead is booked as *unaccounted* and counts in every budget. What is ahead, and with
 * it what a kill costs, is at most a 64th of the tightest budget, a 16th of what the row has seen, what went in a second, or 4 KiB. A node that is closed in order leaves nothing ahead.
 *
 * A *link* is the remote address without its port, as far as the node can tell links apart. Rows are kept apart by hour for 62 days, and summed up in one row a link and peer after that.
 */

/** What went over one link with one peer in one hour. */
export interface LinkUsage {
  /** Remote address without its port: `udp://host` or `tcp://host`. `other` for what came from more strangers than are told apart. */
  readonly link: string;
  /** Absent for what came from nobody who proved to be a member. */
  readonly peer?: NodeId;
  readonly linkClass: LinkClass;
  /** Beginning of the hour; 0 for all that is older than 62 days. */
  readonly fromMs: WallMs;
  readonly sent: PurposeBytes;
  readonly received: PurposeBytes;
  /** Bytes that may have been sent when the node was ended without order; counted in budgets. */
  readonly unaccountedBytes: number;
}

/** Why something that could be sent is not. */
export interface BlockingBudget {
  readonly budget: LinkBudget;
  /** True when the class is not to go there at all. */
  readonly isReserved?: true;
  /** When it may go; absent when the budget never gives the class so much. */
  readonly untilMs?: WallMs;
}

const schema: Schema = {
  component: 'link-accounts',
  steps: [
    `CREATE TABLE link_traffic (
       link TEXT NOT NULL,
       peer BLOB NOT NULL,
       class TEXT NOT NULL,
       hour INTEGER NOT NULL,
       sent_data INTEGER NOT NULL, sent_control INTEGER NOT NULL, sent_retransmission INTEGER NOT NULL, sent_handshake INTEGER NOT NULL,
       received_data INTEGER NOT NULL, received_control INTEGER NOT NULL, received_retransmission INTEGER NOT NULL, received_handshake INTEGER NOT NULL,
       unaccounted INTEGER NOT NULL,
       ahead INTEGER NOT NULL,
       PRIMARY KEY (link, peer, class, hour)
     ) STRICT, WITHOUT ROWID;
     CREATE INDEX link_traffic_by_hour ON link_traffic (hour);
     CREATE TABLE link_class (link TEXT NOT NULL, peer BLOB NOT NULL, class TEXT NOT NULL, PRIMARY KEY (link, peer)) STRICT, WITHOUT ROWID;`,
  ],
};

const purposes = ['data', 'control', 'retransmission', 'handshake'] as const satisfies readonly Purpose[];
const columns = (['sent', 'received'] as const).flatMap((direction) => purposes.map((purpose) => `${direction}_${purpose}`));

/** Made once: it is the statement that runs most often. */
const writeRow = `INSERT OR REPLACE INTO link_traffic (link, peer, class, hour, ${columns.join(', ')}, unaccounted, ahead) VALUES (?, ?, ?, ?, ${columns.map(() => '?').join(', ')}, ?, ?)`;

/** Flows and links that are told apart; more of them can only be the work of strangers. */
const flowsMax = 4096;
const aheadBytesMin = 4096;
const aheadBytesMax = 16 * 1024 * 1024;
const aheadShare = 1 / 16;
/** On a fast link what went ahead is used up at once, and each time it is written the node waits for its disk: then it is as much as goes in this time, found by growing so many times at each step. */
const aheadMs = 1000;
const aheadGrowth = 4;
/** Less than this in that time is no fast link: a metered one must not pay a second of itself for every kill. */
const fastBytes = 256 * 1024;
const aheadShareOfBudget = 1 / 64;
const aheadBytesLeast = 64;

type Side = { -readonly [P in keyof PurposeBytes]: number };

/** One row of this hour. */
interface Row {
  readonly link: string;
  readonly peer: NodeId | undefined;
  readonly linkClass: LinkClass;
  readonly hour: number;
  readonly sent: Side;
  readonly received: Side;
  unaccounted: number;
  /** Bytes that the catalog says may have gone, and those that did. */
  coveredBytes: number;
  bytes: number;
  /** The last time the row was written: when, what it had seen, and what was ahead. */
  written: { readonly at: MonotonicMs; readonly bytes: number; readonly aheadBytes: number };
  /** The limit of the tightest budget. */
  limitBytes: number;
}

type TrafficRecord = { link: string; peer: Uint8Array; class: string; hour: number; unaccounted: number } & Record<string, number>;

/** The accounts of one node. Part of the engine's turns. */
export class LinkAccounts implements LinkMeter {
  readonly #catalog: Catalog;
  readonly #stored: LinkBudgets;
  readonly #caps: RateCaps;
  readonly #peerByKey: (remoteStatic: Uint8Array) => NodeId | undefined;
  readonly #flowByKey = new Map<string, Flow>();
  readonly #introducedByKey = new Map<string, NodeId>();
  readonly #rowByKey = new Map<string, Row>();
  readonly #touched = new Set<Row>();
  #budgets: readonly OpenBudget[] = [];
  #budgetsChanged = false;
  #now: Moment;
  #hour: number;

  /** Rows that an earlier run left without order are settled as unaccounted. */
  constructor(
    parts: { readonly catalog: Catalog; readonly caps: RateCaps; readonly peerByKey: (remoteStatic: Uint8Array) => NodeId | undefined },
    now: Moment,
  ) {
    this.#catalog = parts.catalog;
    this.#caps = parts.caps;
    this.#peerByKey = parts.peerByKey;
    this.#stored = new LinkBudgets(parts.catalog);
    this.#now = now;
    this.#hour = hourOf(now.wallMs);
    this.#catalog.migrate(schema);
    this.#catalog.run('UPDATE link_traffic SET unaccounted = unaccounted + ahead, ahead = 0 WHERE ahead > 0');
    this.#openBudgets();
  }

  /** The present, for everything until this is called again. */
  begin(now: Moment): void {
    this.#now = now;
    const hour = hourOf(now.wallMs);
    if (hour === this.#hour) return;
    const isNewDay = Math.floor(hour / 24) !== Math.floor(this.#hour / 24);
    this.#hour = hour;
    for (const row of this.#rowByKey.values()) this.#touched.add(row);
    if (isNewDay) this.#fold();
  }

  /** Moves the present on where no more than that is to be done: no other hour has begun, and nothing has to wait for a budget. False, and nothing done, when it takes a turn with `begin`. */
  goOn(now: Moment): boolean {
    if (this.isLimited || hourOf(now.wallMs) !== this.#hour) return false;
    this.#now = now;
    return true;
  }

  /** True when more is about to leave than the catalog says may have gone: `settle` has to come first. */
  get isBehind(): boolean {
    for (const row of this.#touched) if (row.hour !== this.#hour || row.bytes > row.coveredBytes) return true;
    return false;
  }

  flow(path: string, remoteStatic: Uint8Array | undefined): LinkFlow {
    const peer = remoteStatic && (this.#introducedByKey.get(toHex(remoteStatic)) ?? this.#peerByKey(remoteStatic));
    return this.#flow(linkOfPath(path), peer);
  }

  /** This key is a member's, although the team's log does not say so yet: it is just joining, or we are. */
  introduce(remoteStatic: Uint8Array, peer: NodeId): void {
    if (this.#peerByKey(remoteStatic) !== peer) this.#introducedByKey.set(toHex(remoteStatic), peer);
  }

  /** The end of a turn, in its transaction: what is about to leave is covered. */
  settle(): void {
    for (const row of this.#touched) {
      if (row.hour !== this.#hour) {
        this.#write(row, 0);
        this.#rowByKey.delete(keyOf(row));
      } else if (row.bytes > row.coveredBytes) this.#write(row, this.#aheadOf(row));
    }
    this.#touched.clear();
  }

  /** Writes everything as it is, with nothing ahead: before the node is closed, and before sums are made. */
  settleAll(): void {
    for (const row of this.#rowByKey.values()) this.#write(row, 0);
    this.#touched.clear();
  }

  /** Bytes by link, peer and hour, of the hours that overlap with `[fromMs, untilMs)`, the oldest first. */
  usage(fromMs: WallMs, untilMs: WallMs): LinkUsage[] {
    this.settleAll();
    const records = this.#catalog.all<TrafficRecord>(
      'SELECT * FROM link_traffic WHERE hour >= ? AND hour < ? ORDER BY hour, link, peer, class',
      hourOf(fromMs),
      Math.ceil(untilMs / hourMs),
    );
    return records.map((record) => ({
      link: record.link,
      ...(record.peer.length === 0 ? {} : { peer: toHex(record.peer) as NodeId }),
      linkClass: record.class as LinkClass,
      fromMs: (record.hour * hourMs) as WallMs,
      sent: sideOf(record, 'sent'),
      received: sideOf(record, 'received'),
      unaccountedBytes: record.unaccounted,
    }));
  }

  // Budgets

  /** Keeps a budget from now on; what went before in its period counts. @throws GodwitError `BUDGET_MALFORMED` */
  setBudget(budget: LinkBudget): void {
    this.#stored.set(budget);
    this.#openBudgets();
  }

  removeBudget(name: string): void {
    this.#stored.remove(name);
    this.#openBudgets();
  }

  /** True once after budgets have changed: peers may have to be told. */
  takeBudgetsChanged(): boolean {
    const changed = this.#budgetsChanged;
    this.#budgetsChanged = false;
    return changed;
  }

  budgets(): BudgetState[] {
    return this.#budgets.map((budget) => budget.state(this.#now.wallMs));
  }

  /** True when something may have to wait. */
  get isLimited(): boolean {
    return this.#budgets.length > 0;
  }

  /** Bytes that budgets leave a class on a path to a peer; caps apart, which only delay. */
  budgetedBytes(path: string, peer: NodeId, priority: PriorityClass): number {
    return this.#flow(linkOfPath(path), peer).budgetedBytes(priority);
  }

  /** The budget that keeps a class from sending so many bytes on a path to a peer, if one does. */
  blocking(path: string, peer: NodeId, priority: PriorityClass, bytes: number): BlockingBudget | undefined {
    return this.#flow(linkOfPath(path), peer).blocking(priority, bytes);
  }

  /** True when every byte on the way `to` counts in no other budget than one on the way `from`: what is tried there costs nothing more. */
  costsNoMore(from: string, to: string, peer: NodeId): boolean {
    const counted = this.#flow(linkOfPath(from), peer).budgets;
    return this.#flow(linkOfPath(to), peer).budgets.every((budget) => counted.includes(budget));
  }

  /** True when a budget keeps the way for more urgent classes than the last. */
  isReserved(path: string, peer: NodeId): boolean {
    return this.#flow(linkOfPath(path), peer).least !== 'bulk';
  }

  /** What kind of link a path is, as it turned out; budgets by class and rows of the accounts follow from now on, and after restarts. */
  classify(path: string, peer: NodeId, linkClass: LinkClass): void {
    const flow = this.#flow(linkOfPath(path), peer);
    if (flow.linkClass === linkClass || linkClass === 'unknown') return;
    this.#catalog.run(
      'INSERT OR REPLACE INTO link_class (link, peer, class) VALUES (?, ?, ?)',
      flow.link,
      identifierToBytes(peer),
      linkClass,
    );
    flow.classify(linkClass, this.#budgets);
  }

  /** Sums up what has been used of every budget. */
  #openBudgets(): void {
    this.settleAll();
    const { wallMs } = this.#now;
    this.#budgets = this.#stored.open();
    if (this.#budgets.length > 0) {
      const records = this.#catalog.iterate<TrafficRecord>('SELECT * FROM link_traffic WHERE hour >= ?', oldestBudgetedHour(wallMs));
      for (const record of records) {
        const peer = record.peer.length === 0 ? undefined : (toHex(record.peer) as NodeId);
        for (const budget of this.#budgets) {
          if (!budget.covers({ link: record.link, peer, linkClass: record.class as LinkClass })) continue;
          budget.book('sent', total(sideOf(record, 'sent')) + record.unaccounted, record.hour);
          budget.book('received', total(sideOf(record, 'received')), record.hour);
        }
      }
    }
    this.#budgetsChanged = true;
    for (const flow of this.#flowByKey.values()) flow.classify(flow.linkClass, this.#budgets);
    for (const row of this.#rowByKey.values()) row.limitBytes = limitOf(this.#budgets, row);
  }

  // Flows and rows

  #flow(wanted: string, peer: NodeId | undefined): Flow {
    let link = wanted;
    let key = `${link} ${peer ?? ''}`;
    let flow = this.#flowByKey.get(key);
    if (flow !== undefined) return flow;
    if (this.#flowByKey.size >= flowsMax) {
      link = 'other';
      key = `${link} ${peer ?? ''}`;
      flow = this.#flowByKey.get(key);
      if (flow !== undefined) return flow;
    }
    const known =
      peer &&
      this.#catalog.get<{ class: string }>('SELECT class FROM link_class WHERE link = ? AND peer = ?', link, identifierToBytes(peer));
    flow = new Flow(link, peer, this.#caps, {
      now: () => this.#now,
      book: (of, direction, purpose, bytes) => this.#book(of, direction, purpose, bytes),
    });
    flow.classify((known?.class as LinkClass | undefined) ?? 'unknown', this.#budgets);
    this.#flowByKey.set(key, flow);
    return flow;
  }

  #book(flow: Flow, direction: 'sent' | 'received', purpose: Purpose, bytes: number): void {
    const row = this.#row(flow);
    row[direction][purpose] += bytes;
    row.bytes += bytes;
    this.#touched.add(row);
    for (const budget of flow.budgets) budget.book(direction, bytes, this.#hour);
  }

  #row(flow: Flow): Row {
    const place = { link: flow.link, peer: flow.peer, linkClass: flow.linkClass, hour: this.#hour };
    const key = keyOf(place);
    let row = this.#rowByKey.get(key);
    if (row === undefined) {
      row = this.#read(place);
      this.#rowByKey.set(key, row);
    }
    return row;
  }

  #read(place: Pick<Row, 'link' | 'peer' | 'linkClass' | 'hour'>): Row {
    const record = this.#catalog.get<TrafficRecord>(
      'SELECT * FROM link_traffic WHERE link = ? AND peer = ? AND class = ? AND hour = ?',
      place.link,
      peerBytes(place.peer),
      place.linkClass,
      place.hour,
    );
    const sent = sideOf(record, 'sent');
    const received = sideOf(record, 'received');
    const bytes = total(sent) + total(received);
    return {
      ...place,
      sent,
      received,
      unaccounted: record?.unaccounted ?? 0,
      bytes,
      coveredBytes: bytes,
      written: { at: this.#now.monotonicMs, bytes, aheadBytes: 0 },
      limitBytes: limitOf(this.#budgets, place),
    };
  }

  #aheadOf(row: Row): number {
    const elapsedMs = Math.max(1, this.#now.monotonicMs - row.written.at);
    const flow = ((row.bytes - row.written.bytes) * aheadMs) / elapsedMs;
    const onFastLink = flow >= fastBytes ? Math.min(flow, row.written.aheadBytes * aheadGrowth) : 0;
    const usual = Math.min(aheadBytesMax, Math.max(aheadBytesMin, row.bytes * aheadShare, onFastLink));
    return Math.floor(Math.min(usual, Math.max(aheadBytesLeast, row.limitBytes * aheadShareOfBudget)));
  }

  #write(row: Row, aheadBytes: number): void {
    const { link, peer, linkClass, hour, sent, received, unaccounted } = row;
    row.coveredBytes = row.bytes + aheadBytes;
    row.written = { at: this.#now.monotonicMs, bytes: row.bytes, aheadBytes };
    this.#catalog.run(
      writeRow,
      link,
      peerBytes(peer),
      linkClass,
      hour,
      ...purposes.map((purpose) => sent[purpose]),
      ...purposes.map((purpose) => received[purpose]),
      unaccounted,
      aheadBytes,
    );
  }

  /** Sums up what is too old to be told apart by hours. */
  #fold(): void {
    const before = this.#hour - periodHoursMax;
    const summed = [...columns, 'unaccounted'];
    this.#catalog.run(
      `INSERT OR REPLACE INTO link_traffic (link, peer, class, hour, ${summed.join(', ')}, ahead)
       SELECT link, peer, class, 0, ${summed.map((column) => `sum(${column})`).join(', ')}, 0 FROM link_traffic WHERE hour < ? GROUP BY link, peer, class`,
      before,
    );
    this.#catalog.run('DELETE FROM link_traffic WHERE hour > 0 AND hour < ?', before);
  }
}

/** What a flow needs of the accounts it belongs to. */
interface FlowKeeper {
  readonly now: () => Moment;
  readonly book: (flow: Flow, direction: 'sent' | 'received', purpose: Purpose, bytes: number) => void;
}

/** Bytes that must be allowed besides what is left for the peer to begin anew. */
const worthwhileBytes = 4096;
/** When no period of a budget will ever leave so much: long enough. */
const farMs = 30 * 86_400_000;

/** One way to one peer. */
class Flow implements LinkFlow {
  readonly link: string;
  readonly peer: NodeId | undefined;
  readonly #caps: RateCaps;
  readonly #accounts: FlowKeeper;
  linkClass: LinkClass = 'unknown';
  budgets: readonly OpenBudget[] = [];

  constructor(link: string, peer: NodeId | undefined, caps: RateCaps, accounts: FlowKeeper) {
    this.link = link;
    this.peer = peer;
    this.#caps = caps;
    this.#accounts = accounts;
  }

  /** The class is this one, and the budgets are these. */
  classify(linkClass: LinkClass, budgets: readonly OpenBudget[]): void {
    this.linkClass = linkClass;
    this.budgets = budgets.filter((budget) => budget.covers(this));
  }

  get least(): PriorityClass {
    const ranks = this.budgets.map(({ definition }) => priorityClasses.indexOf(definition.least ?? 'bulk'));
    return priorityClasses[Math.min(...ranks)] ?? 'bulk';
  }

  budgetedBytes(priority: PriorityClass): number {
    const { wallMs } = this.#accounts.now();
    return this.budgets.reduce((least, budget) => Math.min(least, budget.allowanceBytes(priority, wallMs)), Infinity);
  }

  blocking(priority: PriorityClass, bytes: number): BlockingBudget | undefined {
    const { wallMs } = this.#accounts.now();
    const tight = this.budgets.find((budget) => budget.allowanceBytes(priority, wallMs) < bytes);
    if (tight === undefined) return undefined;
    const untilMs = tight.availableAt(bytes, priority, wallMs);
    return {
      budget: tight.definition,
      ...(tight.excludes(priority) ? { isReserved: true } : {}),
      ...(untilMs === undefined ? {} : { untilMs }),
    };
  }

  allowanceBytes(priority: PriorityClass): number {
    const { monotonicMs } = this.#accounts.now();
    if (priority !== 'emergency' && this.#caps.peerFreeAt(this.peer) > monotonicMs) return 0;
    return this.budgetedBytes(priority);
  }

  availableAt(bytes: number, priority: PriorityClass): MonotonicMs {
    const { monotonicMs, wallMs } = this.#accounts.now();
    let at = priority === 'emergency' ? (-Infinity as MonotonicMs) : this.#caps.peerFreeAt(this.peer);
    for (const budget of this.budgets) {
      const availableMs = budget.availableAt(bytes, priority, wallMs);
      if (availableMs === undefined) return Infinity as MonotonicMs;
      if (availableMs > wallMs) at = Math.max(at, later(monotonicMs, availableMs - wallMs)) as MonotonicMs;
    }
    return at;
  }

  incoming(): Incoming | undefined {
    const { monotonicMs, wallMs } = this.#accounts.now();
    let incoming: Incoming | undefined;
    for (const budget of this.budgets) {
      if (!budget.countsIncoming) continue;
      const { bytes, moreAtMs } = budget.incoming(worthwhileBytes, wallMs);
      const until = moreAtMs === undefined ? farMs : Math.max(0, moreAtMs - wallMs);
      if (incoming === undefined || bytes < incoming.bytes) incoming = { bytes, until: later(monotonicMs, until) };
    }
    return incoming;
  }

  book(direction: 'sent' | 'received', purpose: Purpose, bytes: number): void {
    this.#accounts.book(this, direction, purpose, bytes);
    if (direction === 'sent') this.#caps.peerSent(this.peer, bytes, this.#accounts.now().monotonicMs);
  }
}

/** The link of a path: its address without the port and whatever stands behind it. */
export function linkOfPath(path: string): string {
  const match = /^([a-z]+:\/\/(?:\[[^\]]*\]|[^:/#]*))/.exec(path);
  return match?.[1] ?? path;
}

function keyOf(row: Pick<Row, 'link' | 'peer' | 'linkClass' | 'hour'>): string {
  return `${row.link} ${row.peer ?? ''} ${row.linkClass} ${row.hour}`;
}

const nobody = new Uint8Array(0);

function peerBytes(peer: NodeId | undefined): Uint8Array {
  return peer === undefined ? nobody : identifierToBytes(peer);
}

function sideOf(record: TrafficRecord | undefined, direction: 'sent' | 'received'): Side {
  const side: Side = { data: 0, control: 0, retransmission: 0, handshake: 0 };
  for (const purpose of purposes) side[purpose] = record?.[`${direction}_${purpose}`] ?? 0;
  return side;
}

function total(side: PurposeBytes): number {
  return purposes.reduce((sum, purpose) => sum + side[purpose], 0);
}

function limitOf(budgets: readonly OpenBudget[], traffic: Pick<Row, 'link' | 'peer' | 'linkClass'>): number {
  return budgets
    .filter((budget) => budget.covers(traffic))
    .reduce((least, { definition }) => Math.min(least, definition.limitBytes), Infinity);
}
