import { fromHex, toHex } from '../core/bytes.ts';
import type { ShortName } from '../core/identifiers.ts';
import { failure, type Outcome, success } from '../core/outcome.ts';
import { type MeetingEntry, meetingEntriesMax } from './meeting-history.ts';

/**
 * What two nodes tell each other when a contact begins, so that neither sends in vain: one message each way, of 9,202 bytes at most.
 *
 * Items are named by tags of four bytes. Two items with one tag would only keep a carrier from being offered one of them in that contact. All numbers are big-endian:
 *
 *      4   free bytes for what others want, in units of 1024
 *      2   number of meetings, at most 100; then each:     8 short name, 1 interval between meetings, 1 delay to expect
 *      2   number of items held, at most 1024; then each:  4 tag
 *      2   number of receipts, at most 512; then each:     4 tag, 4 subscribers served: bit i for the i-th of the item's list
 *
 * Intervals and delays are written as eight times the binary logarithm of their seconds, rounded, 0 to 254: a second to 140 years, within 5 %; 255 is never.
 */

/** What is told. */
export interface CarryingDigest {
  /** Bytes that could be taken now without giving anything up. */
  readonly freeBytes: number;
  readonly meetings: readonly MeetingEntry[];
  /** Items that are held and not served everywhere yet, by tag. */
  readonly held: readonly number[];
  /** Who is known to have an item for itself; only what was learned since this peer was told last. */
  readonly receipts: readonly ItemReceipt[];
}

/** Subscribers of an item that have it, as bits. */
export interface ItemReceipt {
  readonly tag: number;
  readonly served: number;
}

/** Items that are named as held in one digest; of more, those that came last. */
export const heldTagsMax = 1024;
/** Receipts in one digest; the rest follows in the next one. */
export const itemReceiptsMax = 512;
const nameBytes = 8;
const meetingBytes = nameBytes + 2;
const receiptBytes = 8;
/** Bytes of a digest at most. */
export const carryingDigestBytesMax = 10 + meetingBytes * meetingEntriesMax + 4 * heldTagsMax + receiptBytes * itemReceiptsMax;

const unitBytes = 1024;
const never = 255;

/** The tag of an item: FNV-1a over the key's characters. */
export function itemTag(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** The bytes of a digest. Its lists must be within their limits. */
export function encodeCarryingDigest({ freeBytes, meetings, held, receipts }: CarryingDigest): Uint8Array {
  const bytes = new Uint8Array(10 + meetingBytes * meetings.length + 4 * held.length + receiptBytes * receipts.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, Math.min(0xffffffff, Math.floor(freeBytes / unitBytes)));
  view.setUint16(4, meetings.length);
  let at = 6;
  for (const { node, intervalMs, delayMs } of meetings) {
    bytes.set(fromHex(node), at);
    bytes[at + nameBytes] = timeCode(intervalMs);
    bytes[at + nameBytes + 1] = timeCode(delayMs);
    at += meetingBytes;
  }
  view.setUint16(at, held.length);
  at += 2;
  for (const tag of held) {
    view.setUint32(at, tag);
    at += 4;
  }
  view.setUint16(at, receipts.length);
  at += 2;
  for (const { tag, served } of receipts) {
    view.setUint32(at, tag);
    view.setUint32(at + 4, served);
    at += receiptBytes;
  }
  return bytes;
}

/**
 * Reads what a peer told.
 *
 * @returns the digest, or `CARRYING_DIGEST_MALFORMED` when a list is longer than it may be, or the bytes are not exactly those of the lists
 */
export function decodeCarryingDigest(bytes: Uint8Array): Outcome<CarryingDigest> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 4;
  /** The number of entries that begin here, or `undefined` when they are too many or not all there. */
  const count = (most: number, entryBytes: number): number | undefined => {
    if (at + 2 > bytes.length) return undefined;
    const entries = view.getUint16(at);
    at += 2;
    return entries <= most && at + entries * entryBytes <= bytes.length ? entries : undefined;
  };
  const meetings: MeetingEntry[] = [];
  const meetingCount = count(meetingEntriesMax, meetingBytes);
  if (meetingCount === undefined) return malformed('meetings');
  for (let i = 0; i < meetingCount; i++, at += meetingBytes) {
    const node = toHex(bytes.subarray(at, at + nameBytes)) as ShortName;
    meetings.push({
      node,
      intervalMs: timeOfCode(bytes[at + nameBytes] ?? never),
      delayMs: timeOfCode(bytes[at + nameBytes + 1] ?? never),
    });
  }
  const held: number[] = [];
  const heldCount = count(heldTagsMax, 4);
  if (heldCount === undefined) return malformed('held items');
  for (let i = 0; i < heldCount; i++, at += 4) held.push(view.getUint32(at));
  const receipts: ItemReceipt[] = [];
  const receiptCount = count(itemReceiptsMax, receiptBytes);
  if (receiptCount === undefined) return malformed('receipts');
  for (let i = 0; i < receiptCount; i++, at += receiptBytes) receipts.push({ tag: view.getUint32(at), served: view.getUint32(at + 4) });
  if (at !== bytes.length) return failure('CARRYING_DIGEST_MALFORMED', 'peer', 'The digest goes on behind its end.');
  return success({ freeBytes: view.getUint32(0) * unitBytes, meetings, held, receipts });
}

function malformed(what: string): Outcome<CarryingDigest> {
  return failure('CARRYING_DIGEST_MALFORMED', 'peer', `The list of ${what} is too long or cut off.`);
}

function timeCode(timeMs: number): number {
  if (timeMs === Number.POSITIVE_INFINITY) return never;
  return Math.min(never - 1, Math.round(8 * Math.log2(Math.max(1, timeMs / 1000))));
}

function timeOfCode(code: number): number {
  return code === never ? Number.POSITIVE_INFINITY : 1000 * 2 ** (code / 8);
}
