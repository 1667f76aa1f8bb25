import type { CborValue } from '../core/cbor.ts';
import type { DatasetId, Hash, NodeId } from '../core/identifiers.ts';
import { limits } from '../core/limits.ts';
import { type Deadline, earliest, later, type Moment, type MonotonicMs } from '../core/time.ts';
import type { ContentStore } from '../datasets/content-store.ts';
import { decodeEntryBody, type EntryBody, type EntryHeader, encodeEntryBody, type FileChange } from '../datasets/entry-body.ts';
import type { FileIndex } from '../datasets/file-index.ts';
import { HybridClock } from '../datasets/hybrid-clock.ts';
import type { LogStore } from '../datasets/log.ts';
import type { Dot, LogEntry } from '../datasets/log-entry.ts';
import type { ContentRef } from '../datasets/manifest.ts';
import type { HeldReceipt, ReceiptBook } from '../datasets/receipts.ts';
import type { TagBook } from '../datasets/tags.ts';
import { VersionVector } from '../datasets/version-vector.ts';
import type { Order } from '../forwarding/orders.ts';
import type { TransferJournal } from '../forwarding/transfer-journal.ts';
import type { WantList } from '../forwarding/want-list.ts';
import type { Catalog } from '../ports/catalog.ts';
import type { CarryingKeeping } from './carrying-keeping.ts';
import type { DeliveryTracking } from './delivery-tracking.ts';
import { type AcceptedEntries, sharedDatasets } from './encounter.ts';
import { ForkResolution } from './fork-resolution.ts';
import type { Identity } from './identity.ts';
import type { Interests } from './interests.ts';
import type { Membership } from './membership.ts';
import type { NodeEvent } from './node-event.ts';

/**
 * What a log entry means to this node, whoever wrote it: the file index, the team, and what other components keep are brought up to date; contents that the entry brought and that are not here
 * are wanted; and when everything up to an entry is held completely, that is signed and said.
 *
 * Part of the caller's transaction throughout.
 */

/** Understands entries of kinds that belong to other components than the file index, for example observations. Called inside the turn. */
export type ApplyEntry = (dataset: DatasetId, entry: LogEntry, body: EntryBody) => void;

/** What keeping the logs reads and writes. */
export interface LogKeepingParts {
  readonly identity: Identity;
  readonly logs: LogStore;
  readonly index: FileIndex;
  readonly contents: ContentStore;
  readonly membership: Membership;
  readonly receipts: ReceiptBook;
  readonly wants: WantList;
  readonly journal: TransferJournal;
  readonly interests: Interests;
  readonly deliveries: DeliveryTracking;
  readonly carrying: Pick<CarryingKeeping, 'wants' | 'arrived' | 'written' | 'superseded' | 'promised' | 'changed'>;
  readonly catalog: Catalog;
  readonly tags: TagBook;
  readonly applyEntry: ApplyEntry;
}

/** Hears at once what follows from an entry. */
export interface LogListener {
  report(event: NodeEvent): void;
  /** Some log has more entries than before. */
  logsGrew(): void;
  /** Members or datasets are others than before. */
  teamChanged(): void;
  /** A content that was here is lost, and wanted again. */
  contentLost(root: Hash): void;
  /** Contents are wanted that were not wanted before. */
  contentsWanted(): void;
}

/** A body without its instant, which is issued when the entry is written. */
export type EntryDraft = Omit<EntryHeader, 'instant'> &
  (
    | { readonly kind: 'files'; readonly changes: readonly FileChange[] }
    | Pick<Extract<EntryBody, { readonly payload: CborValue }>, 'kind' | 'payload'>
  );

/** Paths that are looked at together. */
const pathsAtOnce = 500;

/** A superseded content is fetched to its end when this many bytes of it are here, this share of it, and what replaced it is not much smaller. */
const keptBytesMin = 16 * 1024;
const keptShareMin = 1 / 64;
const shrinkMax = 2;

/** A receipt for one dataset is issued at most this often. */
const receiptPauseMs = 1000;

/** Writes log entries, takes in those of others, and applies both. */
export class LogKeeping {
  readonly #parts: LogKeepingParts;
  readonly #listener: LogListener;
  readonly #clock: HybridClock;
  readonly #forks: ForkResolution;
  /** Datasets about which a receipt may be due, and when each was last issued. */
  readonly #receiptDue = new Set<DatasetId>();
  /** Datasets that this node passes on without subscribing. */
  readonly #relayed = new Set<DatasetId>();
  readonly #receiptIssuedAt = new Map<DatasetId, MonotonicMs>();
  /** Of the present or the last turn, for rules that go by age. */
  #now: Moment;

  constructor(parts: LogKeepingParts, listener: LogListener, now: Moment) {
    this.#parts = parts;
    this.#listener = listener;
    this.#now = now;
    this.#clock = new HybridClock(parts.index.greatestInstant(parts.identity.node, now.wallMs + limits.clockLeadMsMax));
    this.#forks = new ForkResolution(parts, {
      apply: (dataset, entry, body) => this.#apply(dataset, entry, body, this.#now),
      instant: () => this.#clock.issue(this.#now.wallMs),
      changed: (dataset, paths) => this.#logChanged(dataset, paths),
      retract: (dataset, author, after) => parts.deliveries.retract(dataset, author, after, this.#now),
      report: (event) => listener.report(event),
    });
    // What an earlier run could not say any more.
    for (const { dataset } of sharedDatasets(parts.membership)) this.#receiptDue.add(dataset);
  }

  /** Writes an entry of this node's. */
  append(dataset: DatasetId, draft: EntryDraft, now: Moment): Dot {
    const { logs, identity } = this.#parts;
    const body: EntryBody = { ...draft, instant: this.#clock.issue(now.wallMs) };
    const entry = logs.append(dataset, identity.node, identity.signingKey, encodeEntryBody(body, identity.node));
    this.#apply(dataset, entry, body, now);
    this.#parts.deliveries.written(dataset, now);
    this.#parts.carrying.written(dataset, entry, now);
    this.#listener.logsGrew();
    this.#listener.report({ type: 'entries', dataset, count: 1, from: 'self' });
    return { author: entry.author, sequence: entry.sequence };
  }

  /** Takes in entries that a peer sent and that are stored already. One that is not understood is kept for a version that does. */
  take({ dataset, stored: entries, branched }: AcceptedEntries, from: NodeId, now: Moment): void {
    if (dataset !== undefined && entries.length > 0) this.#take(dataset, entries, from, now);
    if (dataset === undefined || branched === undefined) return;
    this.#now = now;
    this.#forks.consider(dataset, branched, now);
    // What belongs to a branch is passed on to whoever can mend it.
    this.#listener.logsGrew();
  }

  /** A log is another than before, and what it says with it. */
  #logChanged(dataset: DatasetId, paths: ReadonlySet<string>): void {
    const { membership, deliveries } = this.#parts;
    if (dataset === membership.logDataset) membership.rebuild();
    this.#ownLogChanged(dataset);
    for (const path of paths) this.#pathChanged(dataset, path);
    this.#wantHeads(dataset);
    this.#receiptDue.add(dataset);
    deliveries.written(dataset, this.#now);
    this.#listener.logsGrew();
  }

  /** This node has other entries of its own than before, or those back that it had lost: receipts count for them that did not before. */
  #ownLogChanged(dataset: DatasetId): void {
    this.#parts.deliveries.receipts(this.#parts.receipts.all(dataset), this.#now);
  }

  #take(dataset: DatasetId, entries: readonly LogEntry[], from: NodeId, now: Moment): void {
    for (const entry of entries) {
      const body = decodeEntryBody(entry.body, entry.author);
      if (!body.ok) {
        this.#listener.report({ type: 'fault', peer: from, fault: body.fault });
        continue;
      }
      this.#clock.observe(body.value.instant, now.wallMs);
      this.#apply(dataset, entry, body.value, now);
      // It speaks of a branch that may be known here; to the author it says nothing new.
      if (body.value.kind === 'fork') this.#forks.heard(dataset, entry.author, now);
    }
    if (entries.some(({ author }) => author === this.#parts.identity.node)) this.#ownLogChanged(dataset);
    this.#receiptDue.add(dataset);
    this.#listener.logsGrew();
    this.#listener.report({ type: 'entries', dataset, count: entries.length, from });
  }

  /** This node takes part in a dataset now, or does so no more. */
  interestChanged(dataset: DatasetId): void {
    const { interests, wants, carrying } = this.#parts;
    carrying.changed(this.#now);
    this.#receiptDue.add(dataset);
    if (!interests.subscribed(dataset)) wants.removeDataset(dataset);
    this.#wantHeads(dataset);
  }

  #wantHeads(dataset: DatasetId): void {
    const { index } = this.#parts;
    for (
      let page = index.paths(dataset, '', pathsAtOnce);
      page.length > 0;
      page = index.paths(dataset, page.at(-1) as string, pathsAtOnce)
    ) {
      for (const path of page) {
        for (const head of index.heads(dataset, path)) if (head.kind === 'file') this.#want(dataset, path, head, head.content);
      }
    }
  }

  /** Ways to others are there now that were not, or are no more: this node may be a relay now, or none. */
  routesChanged(): void {
    const { interests, membership, wants } = this.#parts;
    // There may be a way to the author of a log that forked.
    if (this.#parts.logs.hasOpenBranches) this.#listener.logsGrew();
    for (const { id } of membership.datasets()) {
      const relays = !interests.subscribed(id) && interests.moves(id);
      // What was to be passed on at once may now have to be carried, which is another question.
      if (interests.carriedBytesMax > 0 && relays)
        for (const want of wants.of(id))
          if (!this.#isWanted(id, want, want.path)) wants.removeRevision(id, want.author, want.sequence, want.path);
      if (relays === this.#relayed.has(id)) continue;
      if (relays) this.#relayed.add(id);
      else this.#relayed.delete(id);
      if (!interests.subscribed(id)) this.interestChanged(id);
    }
  }

  /** Receipts came, or orders ended: nobody may wait any more for what was to be passed on or was sent here. */
  unwant(datasets: Iterable<DatasetId>): void {
    const { interests, wants, deliveries } = this.#parts;
    for (const dataset of datasets) {
      if (interests.subscribed(dataset)) continue;
      for (const want of wants.of(dataset))
        if (!interests.owed(dataset, want) && !deliveries.isOrdered(dataset, want, want.path))
          wants.removeRevision(dataset, want.author, want.sequence, want.path);
      this.#listener.contentsWanted();
    }
  }

  /** A content is complete here. True when something else is wanted no more because of that. */
  contentArrived(root: Hash): boolean {
    let given = false;
    for (const { dataset, path, author, sequence } of this.#parts.index.headsWithRoot(root)) {
      this.#receiptDue.add(dataset);
      this.#parts.carrying.arrived(dataset, { author, sequence }, this.#now);
      this.#pathChanged(dataset, path);
      given = this.#dropBases(dataset, path) || given;
    }
    return given;
  }

  /** Whether the contents of an entry are wanted is decided anew. */
  reconsider(dataset: DatasetId, dot: Dot): void {
    for (const { path, content, head } of this.#parts.index.contentsOf(dataset, dot)) if (head) this.#want(dataset, path, dot, content);
  }

  /** What this node can promise of a dataset is another than before. */
  promisesChanged(dataset: DatasetId): void {
    this.#receiptDue.add(dataset);
  }

  /** Contents that were here and are not any more (damaged in a pack, or changed in the working file they lay in) are wanted again where they are a head. */
  wantLost(): void {
    const { contents, index, wants, deliveries } = this.#parts;
    for (const content of contents.takeLost()) {
      this.#listener.contentLost(content.root);
      for (const { dataset, path, author, sequence } of index.headsWithRoot(content.root)) {
        const urgency = deliveries.urgency(dataset, path, { author, sequence }, content.sizeBytes, this.#now.wallMs);
        wants.add({ ...content, ...urgency, dataset, path, author, sequence });
        this.#receiptDue.add(dataset);
        this.#listener.contentsWanted();
      }
    }
  }

  /** Signs what is held completely by now, for the datasets where that may have changed. */
  issueReceipts(now: Moment, atOnce = false): HeldReceipt[] {
    this.#now = now;
    const { identity, receipts, logs, wants, interests, membership, carrying } = this.#parts;
    const issued: HeldReceipt[] = [];
    for (const dataset of this.#receiptDue) {
      const last = this.#receiptIssuedAt.get(dataset);
      if (!atOnce && last !== undefined && later(last, receiptPauseMs) > now.monotonicMs) continue;
      this.#receiptDue.delete(dataset);
      this.#receiptIssuedAt.set(dataset, now.monotonicMs);
      const held = [...logs.lengths(dataset)].map(([author, length]): [NodeId, number] => [
        author,
        carrying.promised(dataset, author, (wants.firstIncomplete(dataset, author) ?? length + 1) - 1),
      ]);
      // A node that takes no part in a dataset promises nothing; one that relays it promises what subscribers still lack.
      const takesPart = dataset === membership.logDataset || interests.moves(dataset) || interests.concerns(identity.node, dataset);
      const vector = takesPart ? VersionVector.of(held) : VersionVector.empty;
      const subscribed = dataset === membership.logDataset || interests.subscribed(dataset);
      const receipt = receipts.issue(identity.node, identity.signingKey, dataset, vector, subscribed, this.#clock.issue(now.wallMs));
      if (receipt !== undefined) issued.push(receipt);
    }
    return issued;
  }

  /** When the next receipt may be issued. `now` is that of the last turn. */
  nextDeadline(now: MonotonicMs): Deadline | undefined {
    let next: Deadline | undefined;
    for (const dataset of this.#receiptDue) {
      const issued = this.#receiptIssuedAt.get(dataset);
      const at = issued === undefined ? now : later(issued, receiptPauseMs);
      next = earliest(next, { at, reason: 'tell others what is held here' });
    }
    return next;
  }

  #apply(dataset: DatasetId, entry: LogEntry, body: EntryBody, now: Moment): void {
    const { membership, index, applyEntry, deliveries, carrying } = this.#parts;
    this.#now = now;
    if (body.kind === 'files') {
      const touched = index.apply(dataset, entry, body, body.changes, now.wallMs);
      this.#updateWants(dataset, entry, body.changes);
      for (const path of touched) this.#pathChanged(dataset, path);
    } else if (body.kind === 'membership' && dataset === membership.logDataset) {
      membership.rebuild();
      carrying.changed(now);
      this.#listener.report({ type: 'team-changed' });
      this.#listener.teamChanged();
      deliveries.teamChanged();
    } else if (body.kind === 'order') {
      const order = deliveries.apply(dataset, entry, body, body.payload);
      carrying.changed(now);
      if (order.ok) this.#ordered(dataset, entry, order.value);
      else this.#listener.report({ type: 'fault', peer: entry.author, fault: order.fault });
    } else if (body.kind === 'fork') {
      this.#forks.stated(dataset, entry, body.payload);
    } else {
      applyEntry(dataset, entry, body);
    }
  }

  #pathChanged(dataset: DatasetId, path: string): void {
    this.#listener.report({ type: 'path-changed', dataset, path });
    if (this.#parts.index.inConflict(dataset, path)) this.#listener.report({ type: 'conflict', dataset, path });
  }

  /** Wants the content of every head that this entry brought, and stops wanting what it superseded. */
  #updateWants(dataset: DatasetId, dot: Dot, changes: readonly FileChange[]): void {
    const { index, wants } = this.#parts;
    const brought = index.contentsOf(dataset, dot).filter(({ head }) => head);
    for (const { path, superseded } of changes) {
      const content = brought.find((each) => each.path === path)?.content;
      if (content === undefined) this.#dropBases(dataset, path);
      for (const old of superseded) {
        const base = content && this.#worthFinishing(dataset, path, old, content);
        wants.removeRevision(dataset, old.author, old.sequence, path);
        this.#parts.carrying.superseded(dataset, old);
        if (base !== undefined) this.#finishAsBase(dataset, path, dot, base);
      }
    }
    for (const { path, content } of brought) this.#want(dataset, path, dot, content);
  }

  /**
   * The content of a revision that was superseded while it arrived, when what is here of it helps: a file that grows faster than a link moves it would never arrive if each revision began from nothing.
   */
  #worthFinishing(dataset: DatasetId, path: string, old: Dot, successor: ContentRef): ContentRef | undefined {
    const { index, wants, journal } = this.#parts;
    const revision = index.revision(dataset, path, old);
    if (revision?.kind !== 'file' || !wants.wants(revision.content.root)) return undefined;
    const { content } = revision;
    const arrivedBytes = journal.arrivedBytes(content.root, content.sizeBytes);
    const isEnough = arrivedBytes >= keptBytesMin && arrivedBytes >= content.sizeBytes * keptShareMin;
    return isEnough && successor.sizeBytes * shrinkMax >= content.sizeBytes ? content : undefined;
  }

  /** Goes on fetching a superseded content; of several of a path the one of which more is here. */
  #finishAsBase(dataset: DatasetId, path: string, dot: Dot, base: ContentRef): void {
    const { wants, journal, deliveries } = this.#parts;
    const arrivedBytes = journal.arrivedBytes(base.root, base.sizeBytes);
    const others = journal.basesUnderWay(dataset, path);
    if (others.some((root) => wants.wants(root) && journal.arrivedBytes(root, Infinity) >= arrivedBytes)) return;
    this.#dropBases(dataset, path);
    journal.finishAsBase(base.root, dataset, path);
    const urgency = deliveries.urgency(dataset, path, dot, base.sizeBytes, this.#now.wallMs);
    wants.add({ ...base, ...urgency, dataset, path, author: dot.author, sequence: 0 });
  }

  /** Nothing waits for the bases of this path any more. True when there were any. */
  #dropBases(dataset: DatasetId, path: string): boolean {
    const { wants, journal } = this.#parts;
    const roots = journal.basesUnderWay(dataset, path);
    for (const root of roots) {
      wants.removeRequest(root);
      journal.forget(root);
    }
    return roots.length > 0;
  }

  /** Wants a content, unless it is here. */
  #want(dataset: DatasetId, path: string, { author, sequence }: Dot, content: ContentRef): void {
    const { contents, wants, deliveries } = this.#parts;
    if (content.sizeBytes === 0) contents.complete(content, []);
    else if (!contents.holds(content.root)) {
      const dot = { author, sequence };
      if (!this.#isWanted(dataset, dot, path)) return;
      this.#listener.contentsWanted();
      wants.add({
        ...content,
        ...deliveries.urgency(dataset, path, dot, content.sizeBytes, this.#now.wallMs),
        dataset,
        path,
        author,
        sequence,
      });
    }
  }

  /** Whether a content that is not here is to be fetched: for this node, because there is a way to somebody who lacks it, or to be carried. */
  #isWanted(dataset: DatasetId, dot: Dot, path: string): boolean {
    const { interests, deliveries, carrying } = this.#parts;
    if (interests.fetches(dataset, dot) || carrying.wants(dataset, dot)) return true;
    return interests.carriedBytesMax > 0 ? deliveries.isOrderedHere(dataset, dot, path) : deliveries.isOrdered(dataset, dot, path);
  }

  /** An order changes what is wanted, or how urgently. */
  #ordered(dataset: DatasetId, { author }: Dot, order: Order): void {
    const { index, logs, deliveries } = this.#parts;
    this.#receiptDue.add(dataset);
    if (order.type === 'rules') {
      this.#wantHeads(dataset);
      return;
    }
    if (order.type === 'cancel') this.unwant([dataset]);
    const items = order.type === 'send' ? order.items : deliveries.itemsOf(dataset, { author, sequence: order.sequence });
    for (const item of items) {
      const last = Math.min(item.last, logs.length(dataset, item.author));
      for (let sequence = item.first; sequence <= last; sequence++) {
        const dot = { author: item.author, sequence };
        for (const { path, content, head } of index.contentsOf(dataset, dot))
          if (head && (item.path === undefined || item.path === path)) this.#want(dataset, path, dot, content);
      }
    }
  }
}
