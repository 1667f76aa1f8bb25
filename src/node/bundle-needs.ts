import { toHex } from '../core/bytes.ts';
import { type DatasetId, type Hash, type NodeId, type ShortName, shortName } from '../core/identifiers.ts';
import type { PriorityClass } from '../core/priority.ts';
import type { FileIndex } from '../datasets/file-index.ts';
import type { LogStore } from '../datasets/log.ts';
import type { ContentRef } from '../datasets/manifest.ts';
import type { ReceiptBook } from '../datasets/receipts.ts';
import type { EntriesRow, GroupsRow, SegmentTable } from '../session/bundle-records.ts';
import { sharedDatasets } from './encounter.ts';
import type { Interests } from './interests.ts';
import type { Membership } from './membership.ts';

/**
 * What other nodes lack of what is here, as far as their receipts say, and what of that lies on a medium already.
 *
 * A receipt says up to which entry of each log a node holds everything, contents included. So a node lacks the entries behind that, and the contents of those entries that are heads. Its own log it does
 * not lack.
 */

/** What is asked. */
export interface NeedParts {
  readonly logs: LogStore;
  readonly index: FileIndex;
  readonly membership: Membership;
  readonly receipts: ReceiptBook;
  readonly interests: Interests;
}

/** One author's log of a dataset, of which some nodes lack the end. */
export interface NeededLog {
  readonly dataset: DatasetId;
  readonly author: NodeId;
  readonly priority: PriorityClass;
  readonly isTeamLog: boolean;
  /** Entries that are here. */
  readonly length: number;
  /** The first entry that each node lacks. */
  readonly fromByNode: ReadonlyMap<NodeId, number>;
}

/** A content that some nodes lack. */
export interface NeededContent {
  readonly content: ContentRef;
  readonly priority: PriorityClass;
  readonly dataset: DatasetId;
  readonly path: string;
  readonly author: NodeId;
  readonly sequence: number;
  readonly nodes: ReadonlySet<NodeId>;
}

/** Entries that are looked at between two pauses. */
const entriesAtOnce = 500;

/** What some nodes lack, computed once. */
export class BundleNeeds {
  readonly logs: readonly NeededLog[];
  /** By hexadecimal root. */
  readonly contents: ReadonlyMap<string, NeededContent>;

  private constructor(logs: readonly NeededLog[], contents: ReadonlyMap<string, NeededContent>) {
    this.logs = logs;
    this.contents = contents;
  }

  /** @param pause lets other work have its turn; awaited now and then */
  static async of(nodes: readonly NodeId[], parts: NeedParts, pause: () => Promise<void>): Promise<BundleNeeds> {
    const logs = neededLogs(nodes, parts);
    const contents = new Map<string, NeededContent & { readonly nodes: Set<NodeId> }>();
    for (const log of logs) {
      if (parts.membership.dataset(log.dataset)?.kind !== 'files') continue;
      for (let sequence = Math.min(...log.fromByNode.values()); sequence <= log.length; sequence++) {
        if (sequence % entriesAtOnce === 0) await pause();
        for (const { path, content, head } of parts.index.contentsOf(log.dataset, { author: log.author, sequence })) {
          if (!head || content.sizeBytes === 0) continue;
          const key = toHex(content.root);
          const { dataset, author, priority } = log;
          const needed = contents.get(key) ?? { content, priority, dataset, path, author, sequence, nodes: new Set() };
          for (const [node, from] of log.fromByNode) if (from <= sequence) needed.nodes.add(node);
          contents.set(key, needed);
        }
      }
    }
    return new BundleNeeds(logs, contents);
  }

  /** True when a node that a segment is addressed to lacks something that is in it. */
  needs({ addressed, rows }: SegmentTable): boolean {
    return rows.some((row) => (row.type === 'entries' ? this.#needsEntries(row, addressed) : this.#needsContent(row.root, addressed)));
  }

  #needsEntries({ dataset, author, first, count }: EntriesRow, addressed: readonly NodeId[]): boolean {
    const log = this.logs.find((each) => shortName(each.dataset) === dataset && shortName(each.author) === author);
    return addressed.some((node) => (log?.fromByNode.get(node) ?? Infinity) < first + count);
  }

  #needsContent(root: Hash, addressed: readonly NodeId[]): boolean {
    const nodes = this.contents.get(toHex(root))?.nodes;
    return addressed.some((node) => nodes?.has(node));
  }
}

function neededLogs(nodes: readonly NodeId[], { logs, membership, receipts, interests }: NeedParts): NeededLog[] {
  const needed: NeededLog[] = [];
  for (const { dataset, priority } of sharedDatasets(membership)) {
    const isTeamLog = dataset === membership.logDataset;
    const takers = nodes.filter((node) => isTeamLog || interests.subscribes(node, dataset));
    const heldByNode = new Map(takers.map((node) => [node, receipts.saidToHold(node, dataset)]));
    // Coordinators' entries of the team's log go first: they say who the other authors are.
    const rank = (author: NodeId): number => (isTeamLog && membership.member(author)?.role === 'coordinator' ? 0 : 1);
    for (const [author, length] of [...logs.lengths(dataset)].sort(([a], [b]) => rank(a) - rank(b))) {
      const lacks = takers.map((node): [NodeId, number] => [node, (heldByNode.get(node)?.lengthOf(author) ?? 0) + 1]);
      const fromByNode = new Map(lacks.filter(([node, from]) => node !== author && from <= length));
      if (fromByNode.size > 0) needed.push({ dataset, author, priority, isTeamLog, length, fromByNode });
    }
  }
  return needed;
}

/** What lies on a medium already, for whom. */
export class BundleStock {
  readonly #rowsByLog = new Map<string, { readonly row: EntriesRow; readonly addressed: ReadonlySet<NodeId> }[]>();
  readonly #rowsByRoot = new Map<string, { readonly row: GroupsRow; readonly addressed: ReadonlySet<NodeId> }[]>();

  /** @param tables of the segments that stay, in any order */
  constructor(tables: readonly SegmentTable[]) {
    for (const { rows, addressed: nodes } of tables) {
      const addressed = new Set(nodes);
      for (const row of rows) {
        if (row.type === 'entries') listIn(this.#rowsByLog, logKey(row.dataset, row.author)).push({ row, addressed });
        else listIn(this.#rowsByRoot, toHex(row.root)).push({ row, addressed });
      }
    }
    for (const rows of this.#rowsByLog.values()) rows.sort((a, b) => a.row.first - b.row.first);
  }

  /** The first entry of a log that one of these nodes lacks and that is not on the medium for it; `undefined` when there is none. */
  firstLacking({ dataset, author, length, fromByNode }: NeededLog, nodes: readonly NodeId[]): number | undefined {
    const rows = this.#rowsByLog.get(logKey(shortName(dataset), shortName(author))) ?? [];
    let first: number | undefined;
    for (const node of nodes) {
      let from = fromByNode.get(node);
      if (from === undefined) continue;
      for (const { row, addressed } of rows)
        if (addressed.has(node) && row.first <= from && from < row.first + row.count) from = row.first + row.count;
      if (from <= length) first = Math.min(first ?? from, from);
    }
    return first;
  }

  /** Groups of a content that are on the medium for all of these nodes, by the hexadecimal identifier of their plan. */
  groups(root: Hash, nodes: readonly NodeId[]): ReadonlyMap<string, { readonly groups: number; readonly held: ReadonlySet<number> }> {
    const byPlan = new Map<string, { groups: number; held: Set<number> }>();
    for (const { row, addressed } of this.#rowsByRoot.get(toHex(root)) ?? []) {
      if (!nodes.every((node) => addressed.has(node))) continue;
      const plan = toHex(row.planId);
      const found = byPlan.get(plan) ?? { groups: row.groups, held: new Set() };
      for (let group = row.first; group < row.first + row.count; group++) found.held.add(group);
      byPlan.set(plan, found);
    }
    return byPlan;
  }
}

function logKey(dataset: ShortName, author: ShortName): string {
  return `${dataset} ${author}`;
}

function listIn<V>(map: Map<string, V[]>, key: string): V[] {
  const list = map.get(key) ?? [];
  map.set(key, list);
  return list;
}
