import { toHex } from '../core/bytes.ts';
import { type Hash, type NodeId, shortName } from '../core/identifiers.ts';
import { limits } from '../core/limits.ts';
import { priorityClasses } from '../core/priority.ts';
import type { ContentStore } from '../datasets/content-store.ts';
import { decodeEntryBody } from '../datasets/entry-body.ts';
import { damagedNamesMax, encodeRecord, type SegmentTable } from '../session/bundle-records.ts';
import { segmentBytesMax } from '../session/bundle-segment.ts';
import { BundleNeeds, BundleStock, type NeededContent, type NeededLog, type NeedParts } from './bundle-needs.ts';
import { type BundleShelf, SegmentWriter, type ShelvedSegment } from './bundle-shelf.ts';
import type { ContentTasks, PreparedTransfer } from './content-tasks.ts';
import { toWire } from './receipt-exchange.ts';

/**
 * Fills a medium with what the addressed nodes lack: the team's log, then by class the entries of datasets and the contents of files, the smaller contents first. What is urgent is durable on the medium before
 * anything else is begun.
 *
 * It goes on where an earlier export stopped, whoever pulled the medium out: segments that somebody still needs stay and their content is not written again; segments that receipts show delivered, and
 * those that a reader found damaged, are removed first.
 */

/** Whom an export is for, and what it may take. */
export interface BundleExportOptions {
  /** Members. Default: everybody who may read. */
  readonly for?: readonly NodeId[];
  /** What this node's segments may take on the medium in all, in bytes. Default: what is free. */
  readonly budgetBytes?: number;
  /** Stops between two segments when it is aborted: `ABORTED`. What is on the medium by then stays and can be used. */
  readonly signal?: AbortSignal;
}

/** What an export came to. */
export interface BundleExportReport {
  readonly bytesWritten: number;
  readonly segmentsWritten: number;
  /** Earlier segments of this node that are still needed. */
  readonly segmentsKept: number;
  readonly segmentsRemoved: number;
  /** Log entries and whole contents that were written. */
  readonly entries: number;
  readonly contents: number;
  /** Entries that the addressed nodes lack and that had no room. */
  readonly entriesLeft: number;
  /** Contents that the addressed nodes lack and of which not everything is on the medium: no room, or not here. */
  readonly contentsLeft: number;
  /** Something had no room on the medium, whatever the budget. */
  readonly full: boolean;
}

/** What an export reads. */
export interface BundleExportParts extends NeedParts {
  readonly self: NodeId;
  readonly contents: ContentStore;
  readonly tasks: ContentTasks;
  readonly nowMs: () => number;
  /** Lets other work have its turn. Rejects with `ABORTED` or `NODE_CLOSED` when it is time to stop. */
  readonly pause: () => Promise<void>;
}

/** A plan this long is repeated in every segment that has groups of it, so that each segment can be used alone. */
const repeatedPlanBytesMax = 256 * 1024;
/** Room left free for what the file system needs for itself. */
const reserveBytes = 256 * 1024;
/** Contents that may be encoded in vain when hardly any room is left. */
const missesMax = 8;

/** The segment of receipts that stands on a medium now. */
export interface WrittenReceipts {
  /** Segments that were written for it: 0 when it says what an earlier one said, or has no room. */
  readonly segments: number;
  readonly bytes: number;
  readonly full: boolean;
}

/** Writes receipts of everybody, and the names of damaged segments, in place of what this node wrote of that before. */
export async function writeReceipts(
  shelf: BundleShelf,
  segments: readonly ShelvedSegment[],
  { self, receipts, nowMs }: Pick<BundleExportParts, 'self' | 'receipts' | 'nowMs'>,
  about: { readonly addressed: readonly NodeId[]; readonly damaged: readonly string[]; readonly budgetBytes: number },
): Promise<WrittenReceipts> {
  const before = segments.filter(({ exporter, table }) => exporter === self && table?.hasReceipts);
  const beforeBytes = before.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const names = new Set(segments.map(({ name }) => name));
  const earlier = before.flatMap(({ table }) => table?.damaged ?? []).filter((name) => names.has(name));
  const addressed = [...new Set([...about.addressed, ...before.flatMap(({ table }) => table?.addressed ?? [])])].sort();
  const damaged = [...new Set([...about.damaged, ...earlier])].sort().slice(0, damagedNamesMax);
  const all = receipts.all();
  const records: Uint8Array[] = [];
  for (let from = 0; from < all.length; from += limits.receiptsPerMessageMax) {
    const some = all.slice(from, from + limits.receiptsPerMessageMax).map(toWire);
    records.push(encodeRecord({ type: 'message', message: { type: 'receipts', receipts: some } }));
  }
  const stands = { segments: 0, bytes: beforeBytes, full: false };
  const [only, ...more] = before;
  if (only !== undefined && more.length === 0 && sameList(only.table?.addressed, addressed) && sameList(only.table?.damaged, damaged)) {
    const read = await shelf.read(only);
    const written = read.ok ? read.value.records.flatMap((each) => (each.type === 'message' ? [toHex(encodeRecord(each))] : [])) : [];
    if (sameList(written, records.map(toHex))) return stands;
  }
  const table = { exporter: self, wallMs: nowMs(), addressed, hasReceipts: true, damaged };
  const writer = new SegmentWriter(shelf, table, about.budgetBytes);
  const fits = await writer.add(records, undefined);
  await writer.flush();
  if (!fits || writer.isFull) return { ...stands, full: writer.isFull };
  for (const { name } of before) await shelf.remove(name);
  return { segments: writer.segments, bytes: writer.bytes, full: false };
}

function sameList(a: readonly string[] = [], b: readonly string[] = []): boolean {
  return a.length === b.length && a.every((each, index) => each === b[index]);
}

/** One export. */
export class BundleExport {
  readonly #parts: BundleExportParts;
  readonly #nodes: readonly NodeId[];
  readonly #writer: SegmentWriter;
  #entries = 0;
  #contents = 0;
  #entriesLeft = 0;
  #contentsLeft = 0;
  #misses = 0;

  private constructor(parts: BundleExportParts, shelf: BundleShelf, nodes: readonly NodeId[], budgetBytes: number) {
    this.#parts = parts;
    this.#nodes = nodes;
    const table = { exporter: parts.self, wallMs: parts.nowMs(), addressed: nodes, hasReceipts: false, damaged: [] };
    this.#writer = new SegmentWriter(shelf, table, budgetBytes);
  }

  /** Fills a medium. `segments` is what this node can read of it now. */
  static async run(
    parts: BundleExportParts,
    shelf: BundleShelf,
    segments: readonly ShelvedSegment[],
    nodes: readonly NodeId[],
    budgetBytes: number,
  ): Promise<BundleExportReport> {
    const own = segments.filter(({ exporter }) => exporter === parts.self);
    const others = own.flatMap(({ table }) => table?.addressed ?? []);
    const needs = await BundleNeeds.of([...new Set([...nodes, ...others])], parts, parts.pause);
    const reported = new Set(segments.flatMap(({ table, exporter }) => (exporter === parts.self ? [] : (table?.damaged ?? []))));
    const isKept = ({ name, table }: ShelvedSegment): boolean =>
      table !== undefined && !reported.has(name) && (table.hasReceipts || needs.needs(table));
    const kept = own.filter(isKept);
    for (const segment of own) if (!isKept(segment)) await shelf.remove(segment.name);
    const data = kept.filter(({ table }) => !table?.hasReceipts);
    const dataBytes = data.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const receipts = await writeReceipts(shelf, segments, parts, { addressed: nodes, damaged: [], budgetBytes: budgetBytes - dataBytes });
    const freeBytes = await shelf.freeBytes();
    const reserve = freeBytes === Infinity ? 0 : Math.min(reserveBytes, freeBytes / 8);
    const room = Math.min(budgetBytes - dataBytes - receipts.bytes, freeBytes - reserve);
    const work = new BundleExport(parts, shelf, nodes, room);
    await work.#fill(needs, new BundleStock(kept.flatMap(({ table }) => table ?? [])));
    return {
      bytesWritten: shelf.bytesWritten,
      segmentsWritten: work.#writer.segments + receipts.segments,
      segmentsKept: data.length,
      segmentsRemoved: own.length - kept.length,
      entries: work.#entries,
      contents: work.#contents,
      entriesLeft: work.#entriesLeft,
      contentsLeft: work.#contentsLeft,
      full: work.#writer.isFull || receipts.full || (work.#writer.hasRefused && room < budgetBytes - dataBytes - receipts.bytes),
    };
  }

  async #fill(needs: BundleNeeds, stock: BundleStock): Promise<void> {
    for (const log of needs.logs) if (log.isTeamLog) await this.#addEntries(log, stock);
    await this.#writer.flush();
    const contents = [...needs.contents.values()].sort((a, b) => a.content.sizeBytes - b.content.sizeBytes);
    for (const priority of priorityClasses) {
      for (const log of needs.logs) if (!log.isTeamLog && log.priority === priority) await this.#addEntries(log, stock);
      for (const content of contents) if (content.priority === priority) await this.#addContent(content, needs.logs, stock);
      // What is less urgent is not waited for.
      await this.#writer.flush();
    }
  }

  async #addEntries(log: NeededLog, stock: BundleStock): Promise<void> {
    const { dataset, author, length } = log;
    let next = stock.firstLacking(log, this.#nodes);
    while (next !== undefined && next <= length) {
      await this.#parts.pause();
      const entries = this.#parts.logs.read(dataset, author, next, length, limits.entriesMessageBytesMax);
      if (entries.length === 0) return;
      const names = { dataset: shortName(dataset), author: shortName(author), first: next };
      const signed = entries.map(({ body, signature }) => ({ body, signature }));
      const record = encodeRecord({ type: 'message', message: { type: 'entries', ...names, entries: signed } });
      // Entries behind others that did not fit would be of no use.
      if (!(await this.#writer.add([record], { type: 'entries', ...names, count: entries.length }))) {
        this.#entriesLeft += length - next + 1;
        return;
      }
      this.#entries += entries.length;
      next += entries.length;
    }
  }

  async #addContent(needed: NeededContent, logs: readonly NeededLog[], stock: BundleStock): Promise<void> {
    const nodes = this.#nodes.filter((node) => needed.nodes.has(node));
    if (nodes.length === 0) return;
    const { root } = needed.content;
    const onMedium = stock.groups(root, nodes);
    if ([...onMedium.values()].some(({ groups, held }) => held.size >= groups)) return;
    await this.#parts.pause();
    if (this.#misses >= missesMax || !this.#parts.contents.holds(root)) {
      this.#contentsLeft++;
      return;
    }
    const base = this.#commonBase(needed, nodes, logs);
    const isWhole = (await this.#addTransfer(needed, base, onMedium)) ?? (await this.#addTransfer(needed, [], onMedium)) ?? false;
    if (isWhole) this.#contents++;
    else this.#contentsLeft++;
  }

  /** Whether everything of a content is on the medium now. `undefined` when it cannot be made from these bases here. */
  async #addTransfer(
    { content }: NeededContent,
    bases: readonly Hash[],
    onMedium: ReturnType<BundleStock['groups']>,
  ): Promise<boolean | undefined> {
    const { tasks } = this.#parts;
    const transfer = await tasks.prepare(content, bases);
    if (transfer === undefined) return undefined;
    const { root, sizeBytes, depth } = content;
    const { planObject, planId } = transfer;
    const plan = encodeRecord({ type: 'plan', plan: { root, sizeBytes, depth, bases, planObject } });
    if (plan.length > segmentBytesMax / 4) return false;
    const held = onMedium.get(toHex(planId))?.held ?? new Set<number>();
    const groups = transfer.groups.length;
    const row = { type: 'groups', root, planId, groups } as const;
    if (groups === 0) return this.#writer.add([plan], { ...row, first: 0, count: 0 });
    let segmentWithPlan = -1;
    for (const group of transfer.groups.keys()) {
      if (held.has(group)) continue;
      await this.#parts.pause();
      const record = await this.#encodeGroup(transfer, group);
      if (record === undefined) return undefined;
      const isNextSegment = this.#writer.beginsAnew(record.length) || segmentWithPlan !== this.#writer.segments;
      const isNew = segmentWithPlan === -1 || (isNextSegment && plan.length <= repeatedPlanBytesMax);
      if (!(await this.#writer.add(isNew ? [plan, record] : [record], { ...row, first: group, count: 1 }))) {
        this.#misses++;
        return false;
      }
      if (isNew) segmentWithPlan = this.#writer.segments;
    }
    return true;
  }

  /** A group as a record; `undefined` when bytes that it needs are not here any more. Writing to a medium outruns thorough encoders, so little time is spent. */
  async #encodeGroup(transfer: PreparedTransfer, group: number): Promise<Uint8Array | undefined> {
    const encoded = await this.#parts.tasks.encode(transfer, group, 'fast');
    if (encoded?.kind !== 'encoded') return undefined;
    const { content, planId } = transfer;
    return encodeRecord({ type: 'group', group: { root: content.root, planId, group, encoded: encoded.bytes } });
  }

  /** The content that was replaced, if all of these nodes are known to hold it. */
  #commonBase({ dataset, path, author, sequence }: NeededContent, nodes: readonly NodeId[], logs: readonly NeededLog[]): Hash[] {
    const [entry] = this.#parts.logs.read(dataset, author, sequence, sequence, 1);
    const body = entry && decodeEntryBody(entry.body, author);
    const change = body?.ok && body.value.kind === 'files' ? body.value.changes.find((each) => each.path === path) : undefined;
    const [dot, ...more] = change?.superseded ?? [];
    if (dot === undefined || more.length > 0) return [];
    const log = logs.find((each) => each.dataset === dataset && each.author === dot.author);
    const isHeld = (node: NodeId): boolean => node === dot.author || (log?.fromByNode.get(node) ?? Infinity) > dot.sequence;
    const revision = this.#parts.index.revision(dataset, path, dot);
    if (revision?.kind !== 'file' || revision.content.sizeBytes === 0 || !nodes.every(isHeld)) return [];
    return [revision.content.root];
  }
}

/** Nodes that a medium is for when nobody says so: every member that may read. */
export function readersOf(members: readonly { readonly node: NodeId; readonly role: string }[], self: NodeId): NodeId[] {
  return members.flatMap(({ node, role }) => (node === self || role === 'carrier' ? [] : [node]));
}

/** Tables of the segments that this node may learn receipts from. */
export function withReceipts(segments: readonly ShelvedSegment[], self: NodeId): ShelvedSegment[] {
  const says = (table: SegmentTable | undefined): boolean => table === undefined || table.hasReceipts;
  return segments.filter(({ exporter, table }) => exporter !== self && says(table));
}
