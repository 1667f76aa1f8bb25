import { GodwitError } from '../core/errors.ts';
import type { DatasetId, Hash, NodeId } from '../core/identifiers.ts';
import type { PriorityClass } from '../core/priority.ts';
import type { WallMs } from '../core/time.ts';
import type { ContentStore } from '../datasets/content-store.ts';
import type { EntryHeader } from '../datasets/entry-body.ts';
import type { FileIndex } from '../datasets/file-index.ts';
import type { LogStore } from '../datasets/log.ts';
import type { Dot } from '../datasets/log-entry.ts';
import type { ReceiptBook } from '../datasets/receipts.ts';
import { type ContactWindow, ContactWindows, contactWindowsMax, type Forecast, isContactWindow } from '../forwarding/contact-windows.ts';
import { DeliveryQueue, orderRowsMax, type QueuedDelivery } from '../forwarding/delivery-queue.ts';
import { encodeOrder, isOrder, type Order, type OrderItem, orderItemsMax } from '../forwarding/orders.ts';
import { type PriorityRule, PriorityRuleBook } from '../forwarding/priority-rules.ts';
import type { TransferJournal } from '../forwarding/transfer-journal.ts';
import type { Catalog } from '../ports/catalog.ts';
import type { CarryingReason } from './carrying-keeping.ts';
import type { DatasetAccess } from './dataset-access.ts';
import { type Delivery, deliveriesOf } from './deliveries.ts';
import { DeliveryTracking } from './delivery-tracking.ts';
import type { Interests } from './interests.ts';
import type { Membership, Role } from './membership.ts';
import type { NodeDriver } from './node-driver.ts';
import { matchesGlob } from './path-glob.ts';

export type { Delivery } from './deliveries.ts';

/**
 * Deliveries as the owner sees them: sending something to somebody by name, how urgent what is, when whom can be reached, and where everything is.
 *
 * What is sent travels as an order in the dataset's log (`forwarding/orders.ts`), so it outlives this node's being switched off and is known on the way.
 */

/** What to send, to whom, and how. */
export interface SendOptions {
  /** Files whose paths match one of these patterns, as they stand; absent: everything that the dataset has here now. */
  readonly paths?: readonly string[];
  /** Members by identifier. They need not subscribe to the dataset. */
  readonly to?: readonly NodeId[];
  /** Every member of these roles. */
  readonly roles?: readonly Role[];
  /** Everybody who subscribes. */
  readonly subscribers?: boolean;
  /** Default: what the dataset's rules say. */
  readonly priority?: PriorityClass;
  /** By when it is of most use, milliseconds since 1970 UTC. */
  readonly deadlineMs?: number;
  /** From when on nobody wants it, milliseconds since 1970 UTC; default: for ever. */
  readonly expiresMs?: number;
  /** Which receipt ends it: that of the destination (default), or that of the first node that has taken custody. */
  readonly receipt?: 'delivered' | 'custody';
}

/** Where a file is, for one node that it is meant for. */
export interface Whereabouts {
  readonly destination: NodeId;
  readonly state: QueuedDelivery['state'];
  readonly reason: string;
  /** Bytes of the content, and how many of them have moved to the destination, as far as is known here. */
  readonly sizeBytes: number;
  readonly movedBytes: number;
  /** The peer that it moves to at the moment. */
  readonly via?: NodeId;
  /** Nodes that have signed that they hold it durably, without its author. */
  readonly custodians: readonly NodeId[];
  /** What carrying does about it at this node, and why; absent when it needs none. */
  readonly carrying?: CarryingReason;
  /** When it will probably be there, and how far to rely on that; absent when nothing says so. */
  readonly expected?: { readonly atMs: number; readonly confidence: number };
}

/** What deliveries work with. */
export interface DeliveryStores {
  readonly self: NodeId;
  readonly catalog: Catalog;
  readonly logs: LogStore;
  readonly index: FileIndex;
  readonly membership: Membership;
  readonly receipts: ReceiptBook;
  readonly interests: Interests;
}

/** What sending needs besides. */
export interface DeliveryHost {
  readonly access: DatasetAccess;
  readonly contents: ContentStore;
  readonly journal: TransferJournal;
  readonly driver: NodeDriver;
  /** What every entry of this node's begins with. */
  readonly header: () => Omit<EntryHeader, 'instant'>;
}

const listPage = 1024;

/** The deliveries of a node. Made before the engine, which needs the tracking; commands are given after `attach`. */
export class DeliveryService {
  /** What the engine tells. */
  readonly tracking: DeliveryTracking;
  readonly #stores: DeliveryStores;
  readonly #queue: DeliveryQueue;
  readonly #rules: PriorityRuleBook;
  readonly #windows: ContactWindows;
  #attached: DeliveryHost | undefined;

  constructor(stores: DeliveryStores) {
    this.#stores = stores;
    this.#queue = new DeliveryQueue(stores.catalog);
    this.#rules = new PriorityRuleBook(stores.catalog);
    this.#windows = new ContactWindows(stores.catalog);
    this.tracking = new DeliveryTracking({ ...stores, queue: this.#queue, rules: this.#rules, windows: this.#windows });
  }

  /** Gives it what it sends with. */
  attach(host: DeliveryHost): void {
    this.#attached = host;
  }

  /**
   * Sends what stands in a dataset to members, whether they subscribe to it or not. Returns the order, by which it can be changed or cancelled. Each step of it is a `delivery` event.
   *
   * @throws GodwitError `NOTHING_TO_SEND`, `RECIPIENT_UNKNOWN`, `ORDER_INVALID`, `ORDER_TOO_LARGE`, `NOT_A_WRITER`, `DATASET_UNKNOWN`
   */
  send(dataset: DatasetId, options: SendOptions): Dot {
    const { access } = this.#host;
    access.requireWriter();
    access.dataset(dataset);
    const { membership, self } = this.#stores;
    const nodes = [...new Set(options.to)];
    const unknown = nodes.find((node) => membership.member(node) === undefined || node === self);
    if (unknown !== undefined || (nodes.length === 0 && options.roles === undefined && options.subscribers !== true))
      throw new GodwitError(
        'RECIPIENT_UNKNOWN',
        'Name other members of the team, roles, or the subscribers of the dataset to send something to.',
      );
    const items = options.paths === undefined ? this.#everything(dataset) : this.#itemsAt(dataset, options.paths);
    if (items.length === 0) throw new GodwitError('NOTHING_TO_SEND', 'The dataset holds nothing, or no file that matches.');
    if (items.length > orderItemsMax || items.length * membership.members().length > orderRowsMax)
      throw new GodwitError(
        'ORDER_TOO_LARGE',
        `One order names at most ${orderItemsMax} files and ${orderRowsMax} deliveries; send the dataset, or parts of it.`,
      );
    const { priority, deadlineMs, expiresMs } = options;
    return this.#append(dataset, {
      type: 'send',
      items,
      to: { nodes, roles: [...(options.roles ?? [])], subscribers: options.subscribers ?? false },
      terms: {
        ...(priority === undefined ? {} : { priority }),
        ...(deadlineMs === undefined ? {} : { deadlineMs }),
        ...(expiresMs === undefined ? {} : { expiresMs }),
        custodySuffices: options.receipt === 'custody',
      },
    });
  }

  /** Another class for an order of this node's, also for what of it is under way. @throws GodwitError `ORDER_UNKNOWN`, `DATASET_UNKNOWN` */
  setPriority(dataset: DatasetId, order: Dot, priority: PriorityClass): void {
    this.#requireOwn(dataset, order);
    this.#append(dataset, { type: 'change', author: order.author, sequence: order.sequence, priority });
  }

  /** Withdraws an order of this node's. What of it has arrived stays where it is. @throws GodwitError `ORDER_UNKNOWN`, `DATASET_UNKNOWN` */
  cancel(dataset: DatasetId, order: Dot): void {
    this.#requireOwn(dataset, order);
    this.#append(dataset, { type: 'cancel', author: order.author, sequence: order.sequence });
  }

  /** The deliveries of one order. */
  order(dataset: DatasetId, order: Dot): QueuedDelivery[] {
    return this.#queue.ofOrder(order.author, order.sequence, dataset);
  }

  /** Up to `limit` deliveries for a member that have not ended, in the order to serve them. */
  queue(destination: NodeId, limit = 100): QueuedDelivery[] {
    return this.#queue.next(destination, limit);
  }

  /** Where what this node wrote into a dataset is, subscriber by subscriber, as far as receipts have come back. */
  summary(dataset: DatasetId): Delivery[] {
    return deliveriesOf(dataset, this.#stores);
  }

  /** Where a file, as it stands here, is: for every subscriber and every node that it was sent to. Empty when there is no such file. @throws GodwitError `DATASET_UNKNOWN` */
  where(dataset: DatasetId, path: string): Whereabouts[] {
    const { access } = this.#host;
    access.dataset(dataset);
    const { index, membership, interests } = this.#stores;
    const [head] = index.heads(dataset, path);
    if (head === undefined) return [];
    const rows = this.#queue.covering(dataset, head.author, head.sequence, path);
    const destinations = new Set(rows.map(({ destination }) => destination));
    for (const { node } of membership.members()) if (node !== head.author && interests.subscribes(node, dataset)) destinations.add(node);
    const content = head.kind === 'file' ? head.content : undefined;
    // Whoever wrote it has it, and promises nothing by that.
    const holders = membership.members().flatMap(({ node }) => (node !== head.author && this.#holds(node, dataset, head) ? [node] : []));
    const { author, sequence } = head;
    const carrying = this.#host.driver.command((engine) => engine.carrying.explain({ dataset, author, sequence }));
    return [...destinations].map((destination) => ({
      ...this.#whereabouts(destination, rows, holders, content),
      ...(carrying === undefined ? {} : { carrying }),
    }));
  }

  /**
   * Rules that give what moves a class, for the whole team, in place of the dataset's own where one matches; the first counts. Replaces those before. Rules for ages are looked at when an entry arrives
   * and when rules change.
   *
   * @throws GodwitError `PRIORITY_RULES_INVALID`, `NOT_A_WRITER`, `DATASET_UNKNOWN`
   */
  setPriorityRules(dataset: DatasetId, rules: readonly PriorityRule[]): void {
    const { access } = this.#host;
    access.requireWriter();
    access.dataset(dataset);
    if (!isOrder({ type: 'rules', rules }))
      throw new GodwitError(
        'PRIORITY_RULES_INVALID',
        'Rules have a class each, a pattern of 1 to 1024 characters, and bounds of sizes and ages that are whole numbers.',
      );
    this.#append(dataset, { type: 'rules', rules });
  }

  priorityRules(dataset: DatasetId): PriorityRule[] {
    return this.#rules.of(dataset);
  }

  /**
   * Declares when a member can be reached: it is not tried outside of these windows, and what is moved is chosen by their length. None: at any time. Only for this node; remembered over restarts.
   *
   * @throws GodwitError `CONTACT_WINDOW_INVALID`
   */
  setContactWindows(member: NodeId, windows: readonly ContactWindow[]): void {
    if (windows.length > contactWindowsMax || !windows.every(isContactWindow))
      throw new GodwitError(
        'CONTACT_WINDOW_INVALID',
        `A member has at most ${contactWindowsMax} windows of up to a week, each from one instant to a later one, or at times as crontab writes them.`,
      );
    this.#host.driver.command((engine, now) => engine.setContactWindows(member, windows, now));
  }

  contactWindows(member: NodeId): ContactWindow[] {
    return this.#windows.declared(member);
  }

  /** When the contact with a member will probably end, and when the next will begin, from declared windows and from earlier contacts. */
  forecast(member: NodeId): { readonly end?: Forecast; readonly next?: Forecast } {
    const { wallMs, connected } = this.#host.driver.command((engine, now) => ({ wallMs: now.wallMs, connected: engine.connectedPeers() }));
    const end = connected.includes(member) ? this.#windows.endOfContact(member, wallMs) : undefined;
    const next = this.#windows.nextContact(member, end?.atMs ?? wallMs);
    return { ...(end === undefined ? {} : { end }), ...(next === undefined ? {} : { next }) };
  }

  get #host(): DeliveryHost {
    if (this.#attached === undefined) throw new Error('deliveries are used before the node is put together');
    return this.#attached;
  }

  #requireOwn(dataset: DatasetId, order: Dot): void {
    this.#host.access.dataset(dataset);
    if (order.author !== this.#stores.self || this.#queue.ofOrder(order.author, order.sequence, dataset).length === 0)
      throw new GodwitError('ORDER_UNKNOWN', 'This node has given no such order in this dataset.');
  }

  #append(dataset: DatasetId, order: Order): Dot {
    const { driver, header } = this.#host;
    if (!isOrder(order))
      throw new GodwitError(
        'ORDER_INVALID',
        'Deadline and expiry of an order are whole milliseconds since 1970, and its class is one of the four.',
      );
    return driver.command((engine, now) => engine.appendPayload(dataset, 'order', encodeOrder(order), header(), now));
  }

  #everything(dataset: DatasetId): OrderItem[] {
    return [...this.#stores.logs.lengths(dataset)].flatMap(([author, length]) =>
      length === 0 ? [] : [{ author, first: 1, last: length }],
    );
  }

  #itemsAt(dataset: DatasetId, globs: readonly string[]): OrderItem[] {
    const { index } = this.#stores;
    const items: OrderItem[] = [];
    for (let page = index.paths(dataset, '', listPage); page.length > 0; page = index.paths(dataset, page.at(-1) as string, listPage)) {
      for (const path of page) {
        if (!globs.some((glob) => matchesGlob(glob, path))) continue;
        for (const { author, sequence } of index.heads(dataset, path)) items.push({ author, first: sequence, last: sequence, path });
      }
      if (items.length > orderItemsMax) break;
    }
    return items;
  }

  #holds(node: NodeId, dataset: DatasetId, dot: Dot): boolean {
    return this.#stores.receipts.knownToHold(node, dataset, dot.author) >= dot.sequence;
  }

  #whereabouts(
    destination: NodeId,
    rows: readonly QueuedDelivery[],
    holders: readonly NodeId[],
    content: { readonly root: Hash; readonly sizeBytes: number } | undefined,
  ): Whereabouts {
    const { contents, journal, driver } = this.#host;
    const own = rows.filter((row) => row.destination === destination);
    // An order says more than the dataset's own replication.
    const row = own.find(({ order }) => order !== undefined) ?? own[0];
    const custodians = holders.filter((node) => node !== destination);
    const isThere =
      holders.includes(destination) || (destination === this.#stores.self && content !== undefined && contents.holds(content.root));
    const sizeBytes = content?.sizeBytes ?? 0;
    const { moved, rate, wallMs, connected } = driver.command((engine, now) => ({
      moved: content === undefined ? [] : engine.movedTo(content.root),
      rate: engine.linkReports().find(({ peer }) => peer === destination)?.estimate,
      wallMs: now.wallMs,
      connected: engine.connectedPeers().includes(destination),
    }));
    const here = destination === this.#stores.self && content !== undefined ? journal.arrivedBytes(content.root, sizeBytes) : 0;
    const movedBytes = isThere ? sizeBytes : Math.max(here, moved.find(({ peer }) => peer === destination)?.bytes ?? 0);
    const state = isThere
      ? 'delivered'
      : row !== undefined && row.state !== 'delivered'
        ? row.state
        : custodians.length > 0
          ? 'custody'
          : 'queued';
    const expected = isThere ? undefined : this.#expected(destination, sizeBytes - movedBytes, rate, connected, wallMs);
    return {
      destination,
      state,
      reason: isThere ? 'held there' : (row?.reason ?? 'subscribed'),
      sizeBytes,
      movedBytes,
      ...(row?.via === undefined ? {} : { via: row.via }),
      custodians,
      ...(expected === undefined ? {} : { expected }),
    };
  }

  /** For a neighbour whose rate is known: now or from the next contact on, at that rate. */
  #expected(
    destination: NodeId,
    leftBytes: number,
    estimate: { readonly rateBytesPerSecond?: number; readonly confidence: number } | undefined,
    connected: boolean,
    wallMs: WallMs,
  ): Whereabouts['expected'] {
    if (estimate?.rateBytesPerSecond === undefined) return undefined;
    const next = connected ? { atMs: wallMs, confidence: 1 } : this.#windows.nextContact(destination, wallMs);
    if (next === undefined) return undefined;
    const atMs = Math.round(next.atMs + (leftBytes / estimate.rateBytesPerSecond) * 1000);
    return { atMs, confidence: next.confidence * estimate.confidence };
  }
}
