import { equalBytes, toHex } from '../core/bytes.ts';
import { GodwitError } from '../core/errors.ts';
import type { Hash, NodeId } from '../core/identifiers.ts';
import type { Fault } from '../core/outcome.ts';
import type { ContentStore } from '../datasets/content-store.ts';
import type { FileIndex } from '../datasets/file-index.ts';
import { inLanes } from '../datasets/lanes.ts';
import type { LogStore } from '../datasets/log.ts';
import { type ContentRef, equalContent } from '../datasets/manifest.ts';
import type { TransferJournal } from '../forwarding/transfer-journal.ts';
import type { WantList } from '../forwarding/want-list.ts';
import type { CarriedMessage, GroupRecord, PlanRecord, SegmentTable } from '../session/bundle-records.ts';
import type { BundleShelf, ShelvedSegment } from './bundle-shelf.ts';
import type { ContentTasks, OpenedTransfer } from './content-tasks.ts';
import type { Interests } from './interests.ts';
import type { Membership } from './membership.ts';
import type { NodeDriver } from './node-driver.ts';
import type { NodeEvent } from './node-event.ts';
import { ShortNames } from './short-names.ts';

/**
 * Takes what a medium brings. Entries and receipts go the way of those that come over a session; of contents only those are taken that are wanted here, group by group, into the same journal: what a link began, a
 * medium goes on with, and the other way round.
 *
 * Segments are read in the order of their names. Those that need something of another one are read again after it, as long as anything new comes of it. Nothing is believed: every entry and receipt is signed by
 * its author, every content is compared with the root in a signed entry.
 */

/** Something on a medium that is not as it should be. */
export interface BundleProblem {
  /** The name of the segment file. */
  readonly segment: string;
  readonly code: string;
  readonly message: string;
}

/** What an import came to. */
export interface BundleImportReport {
  readonly bytesRead: number;
  /** Segments on the medium that this node can read and did not write itself. */
  readonly segments: number;
  /** Log entries and whole contents that came. */
  readonly entries: number;
  readonly contents: number;
  /** Segments with something that needs an entry or a plan that is not here yet. They are kept, a few of them, and taken with the import that brings it. */
  readonly waiting: number;
  /** What could not be read or used. Everything else was taken. */
  readonly problems: readonly BundleProblem[];
  /** `written`: the medium says now what this node holds, for whoever wrote the bundle. `unchanged`: it said so before. Else the code of why it could not be written. */
  readonly receipts: string;
}

/** What an import reads and writes. */
export interface BundleImportParts {
  readonly self: NodeId;
  readonly membership: Membership;
  readonly interests: Interests;
  readonly logs: LogStore;
  readonly index: FileIndex;
  readonly contents: ContentStore;
  readonly wants: WantList;
  readonly journal: TransferJournal;
  readonly tasks: ContentTasks;
  readonly driver: NodeDriver;
  readonly report: (event: NodeEvent) => void;
  /** Lets other work have its turn. Rejects with `ABORTED` or `NODE_CLOSED` when it is time to stop. */
  readonly pause: () => Promise<void>;
}

/** Contents that are put together at a time. */
const lanes = 16;
/** Contents that are announced together. */
const readyMax = 64;
/** Faults that mean: not yet. */
const notYet: ReadonlySet<string> = new Set(['LOG_GAP', 'AUTHOR_UNKNOWN', 'DATASET_UNKNOWN']);

/** A content that is being put together from a medium. */
interface Arrival {
  readonly transfer: OpenedTransfer;
  readonly bases: readonly Hash[];
  readonly hashesByGroup: Map<number, readonly Hash[]>;
}

/** The records of one content in one segment. */
interface ContentRecords {
  readonly root: Hash;
  plan: PlanRecord | undefined;
  readonly groups: GroupRecord[];
}

/** One import. */
export class BundleImport {
  readonly #parts: BundleImportParts;
  readonly #shelf: BundleShelf;
  readonly #arrivalByRoot = new Map<string, Arrival>();
  readonly #problems = new Map<string, BundleProblem>();
  /** Segments in which something is lost. */
  readonly #damaged = new Set<string>();
  /** Contents that are complete and not announced yet. */
  #ready: Hash[] = [];
  #names: ShortNames;
  #entries = 0;
  #contents = 0;

  constructor(parts: BundleImportParts, shelf: BundleShelf) {
    this.#parts = parts;
    this.#shelf = shelf;
    this.#names = new ShortNames(parts.membership);
  }

  /** Takes everything that these segments bring. Returns those that still wait for something. */
  async take(segments: readonly ShelvedSegment[]): Promise<readonly ShelvedSegment[]> {
    let open = segments;
    for (;;) {
      const before = this.taken;
      const waiting: ShelvedSegment[] = [];
      for (const segment of open) if (await this.#takeSegment(segment)) waiting.push(segment);
      if (waiting.length === 0 || this.taken === before) return waiting;
      open = waiting;
    }
  }

  /** Entries and contents that came. */
  get taken(): number {
    return this.#entries + this.#contents;
  }

  get entries(): number {
    return this.#entries;
  }

  get contents(): number {
    return this.#contents;
  }

  get problems(): BundleProblem[] {
    return [...this.#problems.values()];
  }

  /** Names of segments in which something is lost. */
  get damaged(): string[] {
    return [...this.#damaged];
  }

  /** Takes the receipts of a segment and nothing else. */
  async takeReceipts(segment: ShelvedSegment): Promise<void> {
    const read = await this.#shelf.read(segment);
    if (!read.ok) return;
    for (const record of read.value.records)
      if (record.type === 'message' && record.message.type === 'receipts') this.#takeMessage(segment, record.message);
  }

  /** Notes what is wrong with a segment. */
  note(segment: string, { code, message }: Pick<Fault, 'code' | 'message'>): void {
    this.#problems.set(`${segment} ${code} ${message}`, { segment, code, message });
  }

  /** Reads a segment and takes what is of use. True when something in it needs what is not here yet. */
  async #takeSegment(segment: ShelvedSegment): Promise<boolean> {
    await this.#parts.pause();
    const { name, table } = segment;
    // What was said of it while the team's log was shorter may not hold any more.
    for (const [key, problem] of this.#problems)
      if (problem.segment === name && problem.code === 'BUNDLE_SENDER') this.#problems.delete(key);
    if (table !== undefined && !this.#isOfUse(table)) return false;
    const read = await this.#shelf.read(segment);
    if (!read.ok) {
      this.note(name, read.fault);
      this.#damaged.add(name);
      return false;
    }
    for (const { offset, lengthBytes, repaired } of read.value.damage) {
      const what = repaired ? 'is damaged and was put right from the rest' : 'is lost';
      this.note(name, { code: 'BUNDLE_DAMAGED', message: `what lay at byte ${offset}, ${lengthBytes} bytes, ${what}` });
      this.#damaged.add(name);
    }
    for (const fault of read.value.faults) this.note(name, fault);
    let waits = false;
    const contents = new Map<string, ContentRecords>();
    for (const record of read.value.records) {
      if (record.type === 'message') waits = this.#takeMessage(segment, record.message) || waits;
      else if (record.type === 'plan') recordsOf(contents, record.plan.root).plan = record.plan;
      else if (record.type === 'group') recordsOf(contents, record.group.root).groups.push(record.group);
      if (record.type === 'message') await this.#parts.pause();
    }
    if (contents.size > 0 && this.#parts.membership.memberByKey(read.value.sender) === undefined) {
      this.note(name, { code: 'BUNDLE_SENDER', message: 'the node that made it is no member of the team that is known here' });
      return true;
    }
    const results = await inLanes([...contents.values()], lanes, (each) => this.#takeContent(name, each));
    this.#announce();
    return waits || results.includes('waits');
  }

  /** Whether a segment says that it has something that is not here. */
  #isOfUse({ hasReceipts, rows }: SegmentTable): boolean {
    const { logs, index, wants } = this.#parts;
    return (
      hasReceipts ||
      rows.some((row) => {
        if (row.type === 'groups') return wants.wants(row.root) || index.headsWithRoot(row.root).length === 0;
        const [dataset, author] = [this.#names.dataset(row.dataset), this.#names.node(row.author)];
        return dataset === undefined || author === undefined || logs.length(dataset, author) < row.first + row.count - 1;
      })
    );
  }

  /** True when entries have to wait for others. */
  #takeMessage({ name, exporter, table }: ShelvedSegment, message: CarriedMessage): boolean {
    const { driver, interests, membership } = this.#parts;
    const from = exporter ?? table?.exporter;
    if (from === undefined) return false;
    if (message.type === 'entries') {
      const dataset = this.#names.dataset(message.dataset);
      if (dataset !== undefined && !interests.takes(dataset, from)) return false;
      const members = membership.members().length + membership.datasets().length;
      const taken = driver.command((engine, now) => engine.takeCarried(from, message, now));
      this.#entries += taken.stored;
      if (taken.stored > 0 && dataset === membership.logDataset && members !== membership.members().length + membership.datasets().length)
        this.#names = new ShortNames(membership);
      for (const fault of taken.faults) if (!notYet.has(fault.code)) this.note(name, fault);
      return taken.faults.some(({ code }) => notYet.has(code));
    }
    for (const fault of driver.command((engine, now) => engine.takeCarried(from, message, now)).faults) this.note(name, fault);
    return false;
  }

  async #takeContent(segment: string, records: ContentRecords): Promise<'done' | 'waits'> {
    const { contents, wants, index } = this.#parts;
    const { root, groups } = records;
    if (contents.holds(root)) {
      // It came by another way, or a power cut hid it before it was noticed.
      if (wants.wants(root)) this.#available(root);
      return 'done';
    }
    if (!wants.wants(root)) return index.headsWithRoot(root).length === 0 ? 'waits' : 'done';
    const arrival = await this.#arrival(segment, records);
    if (arrival === undefined) return records.plan === undefined ? 'waits' : 'done';
    for (const group of groups) {
      await this.#parts.pause();
      if (!equalBytes(group.planId, arrival.transfer.planId) || group.group >= arrival.transfer.groups.length) continue;
      if (!arrival.hashesByGroup.has(group.group) && !(await this.#store(segment, arrival, group))) return 'done';
    }
    if (arrival.hashesByGroup.size === arrival.transfer.groups.length) await this.#finish(segment, arrival);
    return 'done';
  }

  /** What is here of a content by the plan in these records, or by the one that its transfer was begun with. */
  async #arrival(segment: string, { root, plan, groups }: ContentRecords): Promise<Arrival | undefined> {
    const { journal, tasks } = this.#parts;
    const key = toHex(root);
    const begun = this.#arrivalByRoot.get(key);
    if (begun !== undefined) return begun;
    const signed = this.#signedContent(root);
    const journalled = journal.plan(root);
    const given = plan ?? journalled;
    if (signed === undefined || given === undefined) return undefined;
    if (plan !== undefined && !equalContent(plan, signed)) {
      this.note(segment, { code: 'CONTENT_WRONG', message: `a plan is not of the content ${key} that was signed` });
      return undefined;
    }
    const opened = await tasks.open(signed, given.bases, given.planObject);
    if (!opened.ok) {
      this.note(segment, opened.fault);
      return undefined;
    }
    if (plan === undefined && !groups.some((group) => equalBytes(group.planId, opened.value.planId))) return undefined;
    const arrival: Arrival = { transfer: opened.value, bases: given.bases, hashesByGroup: new Map() };
    for (const { group, hashes } of opened.value.held ?? []) arrival.hashesByGroup.set(group, hashes);
    if (this.#isJournalled(arrival)) this.#loadJournal(arrival);
    else if (journalled === undefined && arrival.transfer.groups.length > 1) {
      this.#turn(() => {
        if (journal.plan(root) !== undefined) return;
        journal.begin(root, given.planObject, given.bases);
        for (const [group, hashes] of arrival.hashesByGroup) journal.addGroup(root, group, hashes);
      });
    }
    this.#arrivalByRoot.set(key, arrival);
    return arrival;
  }

  /** The content that a head names by this root. */
  #signedContent(root: Hash): ContentRef | undefined {
    const { index } = this.#parts;
    const [head] = index.headsWithRoot(root);
    const revision = head && index.revision(head.dataset, head.path, head);
    return revision?.kind === 'file' ? revision.content : undefined;
  }

  /** Whether the journal has this content by this plan. A session may have begun it by another one meanwhile: then it is put together beside the journal. */
  #isJournalled({ transfer }: Arrival): boolean {
    const journalled = this.#parts.journal.plan(transfer.content.root);
    return journalled !== undefined && equalBytes(journalled.planObject, transfer.planObject);
  }

  #loadJournal({ transfer, hashesByGroup }: Arrival): void {
    const { journal } = this.#parts;
    const { root } = transfer.content;
    const hashes = journal.hashes(root);
    let next = 0;
    for (const group of journal.groups(root)) {
      const count = transfer.groups[group]?.freshCount ?? 0;
      hashesByGroup.set(group, hashes.slice(next, next + count));
      next += count;
    }
  }

  async #store(segment: string, arrival: Arrival, { group, encoded }: GroupRecord): Promise<boolean> {
    const { tasks, journal } = this.#parts;
    const { transfer, hashesByGroup } = arrival;
    const stored = await tasks.store(transfer, group, encoded);
    if (!stored.ok) {
      this.#failed(segment, stored.fault);
      return false;
    }
    hashesByGroup.set(group, stored.value);
    if (transfer.groups.length > 1)
      this.#turn(() => {
        if (this.#isJournalled(arrival)) journal.addGroup(transfer.content.root, group, stored.value);
      });
    return true;
  }

  async #finish(segment: string, arrival: Arrival): Promise<void> {
    const { tasks, journal, report, contents } = this.#parts;
    const { transfer, hashesByGroup } = arrival;
    const { root, sizeBytes } = transfer.content;
    const hashes = [...hashesByGroup].sort(([a], [b]) => a - b).flatMap(([, each]) => each);
    if (contents.holds(root)) return;
    const finished = await tasks.finish(transfer, hashes);
    this.#arrivalByRoot.delete(toHex(root));
    if (!finished.ok) {
      this.#turn(() => {
        if (this.#isJournalled(arrival)) journal.forget(root);
      });
      this.#failed(segment, finished.fault);
      return;
    }
    this.#available(root);
    this.#contents++;
    report({ type: 'content-complete', root: toHex(root), sizeBytes, copiedBytes: transfer.copiedBytes });
  }

  /** A content is complete: whoever waits for it hears of it, soon. Small ones together, because each turn waits for the disk. */
  #available(root: Hash): void {
    this.#ready.push(root);
    if (this.#ready.length >= readyMax) this.#announce();
  }

  #announce(): void {
    const ready = this.#ready;
    this.#ready = [];
    if (ready.length === 0) return;
    this.#parts.driver.command((engine, now) =>
      engine.atomically(now, () => {
        for (const root of ready) {
          this.#parts.journal.forget(root);
          engine.contentAvailable(root);
        }
      }),
    );
  }

  /** What a medium brought wrongly is noted; a disk of our own that takes nothing ends the import. */
  #failed(segment: string, fault: Fault): void {
    if (fault.code === 'DISK_FULL' || fault.code === 'STORAGE_FAILED') throw GodwitError.from(fault, { retryable: true });
    this.note(segment, fault);
    this.#damaged.add(segment);
  }

  #turn(work: () => void): void {
    this.#parts.driver.command((engine, now) => engine.atomically(now, work));
  }
}

function recordsOf(contents: Map<string, ContentRecords>, root: Hash): ContentRecords {
  const key = toHex(root);
  const records = contents.get(key) ?? { root, plan: undefined, groups: [] };
  contents.set(key, records);
  return records;
}

/** The nodes that wrote these segments, without this one. */
export function writersOf(segments: readonly ShelvedSegment[], self: NodeId): NodeId[] {
  const writers = segments.flatMap(({ exporter, table }) => exporter ?? table?.exporter ?? []);
  return [...new Set(writers)].filter((node) => node !== self);
}
