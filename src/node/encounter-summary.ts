import { concatBytes, equalBytes, fromHex, toHex } from '../core/bytes.ts';
import { type DatasetId, identifierToBytes, type ShortName, shortName, shortNameBytes } from '../core/identifiers.ts';
import { compareInstants, type HybridInstant } from '../datasets/hybrid-clock.ts';
import type { HeldReceipt, ReceiptBook, ReceiptsOfNode } from '../datasets/receipts.ts';
import type { Crypto } from '../ports/crypto.ts';
import { fingerprintBytes, receiptMarkBytes } from '../session/messages.ts';

/**
 * How two nodes find what differs between them without saying all of it: each says four bytes for every dataset, or for every node whose receipts it keeps, and the other tells by its own which of them are the same.
 *
 * Nothing is remembered of earlier meetings, so this is right after a restart, for a node that was set back to a backup, and with one that was never met. Two different things have the same four bytes once in 2^32;
 * what is missed then is said when either changes.
 *
 * Of the receipts of a node that differ, the instant of the newest comes next. A node's receipts are told in the order of their instants, so whoever has one lacks none before it, and newer ones are all that has to
 * follow. Where the newest are the same and the rest is not, some were lost on a way that kept no order: then all follow.
 */

/** What stands for a dataset, given the hashes of the last entries of its logs in the order of their authors. A log's last hash says its author, its length and everything in it. */
export function logsHash(crypto: Crypto, dataset: DatasetId, heads: Iterable<Uint8Array>): Uint8Array {
  return crypto.sha256(concatBytes(identifierToBytes(dataset), crypto.sha256(concatBytes(...heads))));
}

/** What is said of things with these hashes: the beginning of each, in an order that says nothing. */
export function fingerprints(hashes: readonly Uint8Array[]): Uint8Array {
  return concatBytes(
    ...hashes
      .map((hash) => toHex(hash.subarray(0, fingerprintBytes)))
      .sort()
      .map(fromHex),
  );
}

/** Tells by what a peer has said which things it has the same of. */
export function sameness(said: Uint8Array): (hash: Uint8Array) => boolean {
  const known = new Set<string>();
  for (let at = 0; at < said.length; at += fingerprintBytes) known.add(toHex(said.subarray(at, at + fingerprintBytes)));
  return (hash) => known.has(toHex(hash.subarray(0, fingerprintBytes)));
}

const counterMax = 0xffff;

interface ReceiptMark {
  readonly newest: HybridInstant;
  readonly check: Uint8Array;
}

/** How far the receipts of these nodes go: of each its name (8), the instant of the newest (wall ms, 6, and counter, 2), and the beginning of the hash of them all (2). */
export function encodeReceiptMarks(nodes: readonly ReceiptsOfNode[]): Uint8Array {
  const bytes = new Uint8Array(nodes.length * receiptMarkBytes);
  const view = new DataView(bytes.buffer);
  for (const [index, { node, newest, hash }] of nodes.entries()) {
    const at = index * receiptMarkBytes;
    bytes.set(fromHex(shortName(node)), at);
    view.setUint16(at + 8, Math.floor(newest.wallMs / 2 ** 32));
    view.setUint32(at + 10, newest.wallMs % 2 ** 32);
    view.setUint16(at + 14, Math.min(counterMax, newest.counter));
    bytes.set(hash.subarray(0, 2), at + 16);
  }
  return bytes;
}

function decodeReceiptMarks(bytes: Uint8Array): Map<ShortName, ReceiptMark> {
  const marks = new Map<ShortName, ReceiptMark>();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < bytes.length; at += receiptMarkBytes) {
    const wallMs = view.getUint16(at + 8) * 2 ** 32 + view.getUint32(at + 10);
    marks.set(toHex(bytes.subarray(at, at + shortNameBytes)) as ShortName, {
      newest: { wallMs, counter: view.getUint16(at + 14) },
      check: bytes.subarray(at + 16, at + receiptMarkBytes),
    });
  }
  return marks;
}

/** Receipts of these nodes that a peer lacks who says how far its own go; of a node that it does not name it has none. In the order in which they are to be told. */
export function receiptsBeyond(receipts: ReceiptBook, nodes: readonly ReceiptsOfNode[], said: Uint8Array): HeldReceipt[] {
  const marks = decodeReceiptMarks(said);
  return nodes.flatMap(({ node, newest, hash }) => {
    const mark = marks.get(shortName(node));
    if (mark === undefined) return receipts.newerOf(node);
    const order = compareInstants({ ...newest, counter: Math.min(counterMax, newest.counter) }, mark.newest);
    if (order > 0) return receipts.newerOf(node, mark.newest);
    return order === 0 && !equalBytes(hash.subarray(0, 2), mark.check) ? receipts.newerOf(node) : [];
  });
}

/** Of the receipts of all nodes those that a peer has not got the same of, by what it said of its own. */
export function differingReceipts(all: readonly ReceiptsOfNode[], said: Uint8Array): ReceiptsOfNode[] {
  const isSame = sameness(said);
  return all.filter(({ hash }) => !isSame(hash));
}
