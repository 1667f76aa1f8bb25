import { chooseCodec } from '../bandwidth/codec-choice.ts';
import { type LinkClass, linkClassOf } from '../bandwidth/link-class.ts';
import { type Cost, costOf, type QuotedLink } from '../bandwidth/quote.ts';
import { GodwitError } from '../core/errors.ts';
import type { DatasetId, Hash, NodeId } from '../core/identifiers.ts';
import { limits } from '../core/limits.ts';
import type { PriorityClass } from '../core/priority.ts';
import type { ContentStore } from '../datasets/content-store.ts';
import type { FileIndex } from '../datasets/file-index.ts';
import type { LogStore } from '../datasets/log.ts';
import type { ContentRef } from '../datasets/manifest.ts';
import type { ReceiptBook } from '../datasets/receipts.ts';
import { VersionVector } from '../datasets/version-vector.ts';
import type { WantList } from '../forwarding/want-list.ts';
import type { ContentTasks } from './content-tasks.ts';
import type { DatasetAccess } from './dataset-access.ts';
import type { LinkReport } from './link-report.ts';
import type { NodeDriver } from './node-driver.ts';

/**
 * Quotes: what it would cost to bring a member up to date with a dataset, before anything is sent.
 *
 * What the member lacks follows from its last receipt, which is what it is known to hold durably, contents included: whether it was met here, or its receipt came by others. Entries are
 * known to the byte. Contents are planned against the versions that the member holds, and encoded as they would be for this link: all of them while they are few, else samples that stand for the rest.
 */

/** A quote is made for a member over the link there is or was, over a link that is only thought of, or for a member that holds nothing, over one. */
export interface QuoteOptions {
  /** Who would receive. Absent: somebody who holds nothing of the dataset. */
  readonly peer?: NodeId;
  /** Absent: the link to the member, as it is or was last known. */
  readonly link?: QuotedLink;
}

/** What it would cost. */
export interface Quote extends Cost {
  readonly entries: number;
  /** Contents that would be sent, and those of this dataset that are wanted here and may come in return. */
  readonly contents: number;
  readonly wantedContents: number;
  /** Bytes of those contents before anything is spared, and those that travel: planned, encoded. */
  readonly contentBytes: number;
  readonly travellingBytes: number;
  /** What the quote takes the receiver to hold: what it last confirmed, or nothing. */
  readonly basis: 'receipt' | 'nothing';
  readonly link: QuotedLink;
  readonly linkClass: LinkClass;
  /** A budget that has too little left for what would be sent, and when it will have. */
  readonly waitsFor?: { readonly budget: string; readonly untilMs?: number };
}

/** What quotes are made from. */
export interface QuoteParts {
  readonly access: DatasetAccess;
  readonly driver: NodeDriver;
  readonly logs: LogStore;
  readonly index: FileIndex;
  readonly contents: ContentStore;
  readonly receipts: ReceiptBook;
  readonly wants: WantList;
  readonly tasks: ContentTasks;
}

/** Contents that are planned, and bytes of them that are encoded, for one quote. */
const plannedMax = 256;
const encodedBytesMax = 16 * 1024 * 1024;
/** What a plan and the headers of its groups take, where they were not made. */
const planBytes = 60;

interface MissingContent {
  readonly path: string;
  readonly content: ContentRef;
}

interface Missing {
  readonly entries: number;
  readonly messageBytes: number;
  readonly contents: ReadonlyMap<string, MissingContent>;
}

/** Makes quotes. */
export class QuoteService {
  readonly #parts: QuoteParts;

  constructor(parts: QuoteParts) {
    this.#parts = parts;
  }

  /**
   * The cost of bringing somebody up to date with a dataset.
   *
   * @throws GodwitError `DATASET_UNKNOWN`, `LINK_UNKNOWN` when no link is given and none to the member was ever measured
   */
  async quote(dataset: DatasetId, { peer, link: given }: QuoteOptions): Promise<Quote> {
    const { access, driver, receipts, wants } = this.#parts;
    const { priority } = access.dataset(dataset);
    const report = driver.command((engine) => engine.linkReports()).find((each) => each.peer === peer);
    const link = given ?? linkOf(report);
    if (link === undefined)
      throw new GodwitError('LINK_UNKNOWN', 'No link to this member was ever measured; say which link to quote for.', { retryable: true });
    const receipt = peer === undefined ? undefined : receipts.of(peer, dataset);
    const held = receipt === undefined ? VersionVector.empty : receipts.saidToHold(receipt.node, dataset);
    const missing = this.#missing(dataset, held);
    const measured = await this.#measure(dataset, [...missing.contents.values()], held, link, priority);
    const wanted = peer === undefined ? { contents: 0, bytes: 0 } : wants.outstanding(dataset);
    const cost = costOf(
      {
        messageBytes: missing.messageBytes,
        exactBytes: measured.exactBytes,
        estimatedBytes: measured.estimatedBytes,
        wantedBytes: wanted.bytes,
        contents: missing.contents.size + wanted.contents,
        needsHandshake: given !== undefined || report?.isUp !== true,
      },
      link,
    );
    const { rateBytesPerSecond, rttMs: minRttMs, confidence = 1 } = link;
    const waitsFor =
      given === undefined && peer !== undefined && report !== undefined ? this.#waitsFor(report, peer, priority, cost) : undefined;
    return {
      ...cost,
      entries: missing.entries,
      contents: missing.contents.size,
      wantedContents: wanted.contents,
      contentBytes: [...missing.contents.values()].reduce((sum, { content }) => sum + content.sizeBytes, 0),
      travellingBytes: Math.round(measured.exactBytes + measured.estimatedBytes),
      basis: receipt === undefined ? 'nothing' : 'receipt',
      link,
      linkClass: linkClassOf({ rateBytesPerSecond, minRttMs, lossRatio: link.lossRatio ?? 0, confidence }),
      ...(waitsFor === undefined ? {} : { waitsFor }),
    };
  }

  /** Entries, and contents of heads, that somebody with this vector lacks and that are here. */
  #missing(dataset: DatasetId, held: VersionVector): Missing {
    const { logs, index, contents } = this.#parts;
    const found = new Map<string, MissingContent>();
    let entries = 0;
    let messageBytes = 0;
    for (const { node, from, to } of VersionVector.of(logs.lengths(dataset)).missingFrom(held)) {
      for (let next = from; next <= to; ) {
        const page = logs.read(dataset, node, next, to, limits.entriesMessageBytesMax);
        if (page.length === 0) break;
        next += page.length;
        messageBytes += messageOverheadBytes;
        for (const entry of page) {
          entries++;
          messageBytes += entry.body.length + entry.signature.length + entryOverheadBytes;
          for (const { path, content, head } of index.contentsOf(dataset, entry))
            if (head && content.sizeBytes > 0 && contents.holds(content.root)) found.set(path, { path, content });
        }
      }
    }
    return { entries, messageBytes, contents: found };
  }

  /** Plans and encodes what can be within bounds; the largest first, because they decide. What is left is taken to be like them. */
  async #measure(
    dataset: DatasetId,
    contents: MissingContent[],
    held: VersionVector,
    link: QuotedLink,
    priority: PriorityClass,
  ): Promise<{ readonly exactBytes: number; readonly estimatedBytes: number }> {
    const { tasks, driver } = this.#parts;
    let exactBytes = 0;
    let estimatedBytes = 0;
    let encodedBytes = 0;
    /** Of what was planned: bytes of contents, and what they come to. */
    let plannedBytes = 0;
    let travelling = 0;
    for (const [order, { path, content }] of contents.sort((a, b) => b.content.sizeBytes - a.content.sizeBytes).entries()) {
      const transfer = order < plannedMax ? await tasks.prepare(content, this.#bases(dataset, path, held)) : undefined;
      if (transfer === undefined) {
        estimatedBytes += planBytes + (plannedBytes === 0 ? content.sizeBytes : (content.sizeBytes * travelling) / plannedBytes);
        continue;
      }
      exactBytes += transfer.planObject.length;
      plannedBytes += content.sizeBytes;
      const sampleRatio = await tasks.sample(transfer);
      const circumstances = {
        hasBase: transfer.base.length > 0,
        rateBytesPerSecond: link.rateBytesPerSecond,
        priority,
        power: driver.codecs.power,
      };
      const choice = chooseCodec(sampleRatio === undefined ? circumstances : { ...circumstances, sampleRatio }, 1);
      // Groups from both ends inwards would do as well; the first ones are as good a sample where all cannot be encoded.
      let ofContent = { bytes: 0, encoded: 0 };
      for (const [group, { targetBytes }] of transfer.groups.entries()) {
        const isAffordable = encodedBytes + targetBytes <= encodedBytesMax;
        const encoded = isAffordable ? await tasks.encode(transfer, group, choice.bounds) : undefined;
        if (encoded?.kind === 'encoded') {
          encodedBytes += targetBytes;
          exactBytes += encoded.bytes.length;
          travelling += encoded.bytes.length;
          ofContent = { bytes: ofContent.bytes + targetBytes, encoded: ofContent.encoded + encoded.bytes.length };
          continue;
        }
        const ratio = ofContent.bytes === 0 ? choice.expectedRatio : ofContent.encoded / ofContent.bytes;
        estimatedBytes += targetBytes * ratio;
        travelling += targetBytes * ratio;
      }
    }
    return { exactBytes, estimatedBytes };
  }

  /** Versions of a path that the receiver holds, the latest first. */
  #bases(dataset: DatasetId, path: string, held: VersionVector): Hash[] {
    const roots = this.#parts.index
      .history(dataset, path)
      .flatMap((revision) => (revision.kind === 'file' && held.contains(revision) ? [revision.content.root] : []));
    return roots.slice(0, basesMax);
  }

  #waitsFor(report: LinkReport, peer: NodeId, priority: PriorityClass, cost: Cost): Quote['waitsFor'] {
    const blocking = this.#parts.driver.command((engine, now) =>
      engine.atomically(now, () => engine.links.accounts.blocking(report.link, peer, priority, cost.sentBytes.expected)),
    );
    return blocking && { budget: blocking.budget.name, ...(blocking.untilMs === undefined ? {} : { untilMs: blocking.untilMs }) };
  }
}

const basesMax = 4;
/** What a message of entries takes beside them, and an entry beside body and signature. */
const messageOverheadBytes = 60;
const entryOverheadBytes = 6;

function linkOf(report: LinkReport | undefined): QuotedLink | undefined {
  const { rateBytesPerSecond, minRttMs, smoothedRttMs, lossRatio, confidence } = report?.estimate ?? { lossRatio: 0, confidence: 0 };
  const rttMs = minRttMs ?? smoothedRttMs;
  return rateBytesPerSecond === undefined || rttMs === undefined ? undefined : { rateBytesPerSecond, rttMs, lossRatio, confidence };
}
