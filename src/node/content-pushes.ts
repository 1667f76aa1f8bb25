import type { DatasetId, Hash, NodeId } from '../core/identifiers.ts';
import type { ContentStore } from '../datasets/content-store.ts';
import { decodeEntryBody } from '../datasets/entry-body.ts';
import type { FileIndex } from '../datasets/file-index.ts';
import type { Dot, LogEntry } from '../datasets/log-entry.ts';
import type { ReceiptBook } from '../datasets/receipts.ts';
import type { Want } from '../session/messages.ts';
import type { Interests } from './interests.ts';

/**
 * Contents that are sent along with the entry that brings them, without being asked for: that spares the asking and a round trip. Both sides know from the entry what it replaces, and so what the
 * difference is made to.
 */

/** What both sides look at. */
export interface PushParts {
  readonly index: FileIndex;
  readonly contents: ContentStore;
  readonly interests: Interests;
  readonly receipts: ReceiptBook;
}

/** A content that replaces nothing is sent along with its entry up to this size. */
const pushedWholeBytesMax = 4096;

/**
 * The content that an entry brings, when the peer will want it for certain and holds what it replaces, or it is small. A peer that gets it from somebody else at the same moment withdraws it.
 */
export function worthPushing(
  { index, contents, interests, receipts }: PushParts,
  peer: NodeId,
  dataset: DatasetId,
  entry: LogEntry,
): Omit<Want, 'number' | 'priority'> | undefined {
  if (!interests.subscribes(peer, dataset)) return undefined;
  const [brought, ...more] = index.contentsOf(dataset, entry);
  if (brought === undefined || more.length > 0 || !brought.head || !contents.holds(brought.content.root)) return undefined;
  const body = decodeEntryBody(entry.body, entry.author);
  const [change, ...others] = body.ok && body.value.kind === 'files' ? body.value.changes : [];
  if (change === undefined || others.length > 0 || change.superseded.length > 1 || brought.content.sizeBytes === 0) return undefined;
  const [dot] = change.superseded;
  if (dot === undefined) return brought.content.sizeBytes <= pushedWholeBytesMax ? { ...brought.content, bases: [] } : undefined;
  const base = baseOf(index, dataset, change.path, dot);
  const peerHolds = receipts.saysToHold(peer, dataset, dot);
  return base !== undefined && peerHolds ? { ...brought.content, bases: [base] } : undefined;
}

/** The bases that a content which comes along with its entry may build on; `undefined` when what it replaces is not here. */
export function basesOfPush(
  { index, contents }: Pick<PushParts, 'index' | 'contents'>,
  dataset: DatasetId,
  entry: LogEntry,
  path: string,
): Hash[] | undefined {
  const body = decodeEntryBody(entry.body, entry.author);
  const [change] = body.ok && body.value.kind === 'files' ? body.value.changes : [];
  const [dot] = change?.superseded ?? [];
  if (dot === undefined) return [];
  const base = baseOf(index, dataset, path, dot);
  return base !== undefined && contents.holds(base) ? [base] : undefined;
}

/** The content of a revision. */
function baseOf(index: FileIndex, dataset: DatasetId, path: string, dot: Dot): Hash | undefined {
  const revision = index.revision(dataset, path, dot);
  return revision?.kind === 'file' && revision.content.sizeBytes > 0 ? revision.content.root : undefined;
}
