import { equalBytes } from '../core/bytes.ts';
import { type NodeId, type ShortName, shortName } from '../core/identifiers.ts';
import { limits } from '../core/limits.ts';
import type { Fault } from '../core/outcome.ts';
import type { HeldReceipt, ReceiptBook } from '../datasets/receipts.ts';
import { VersionVector } from '../datasets/version-vector.ts';
import type { Message, Receipt } from '../session/messages.ts';
import { differingReceipts, encodeReceiptMarks, fingerprints, receiptsBeyond } from './encounter-summary.ts';
import type { ShortNames } from './short-names.ts';

/**
 * What two members settle about receipts when they meet: each gets those of the other that are newer than its own. New ones follow as they are issued or come from others.
 *
 * Where there are more than a few, both say what stands for the receipts of each node, then how far those go that differ, and only what lies beyond that follows.
 */

/** Said in full, up to as many: a round trip is worth some bytes. */
const wholeReceiptsMax = 4;

/** What came of receipts that a peer sent. */
export interface TakenReceipts {
  /** Those that are new here. */
  readonly fresh: readonly HeldReceipt[];
  readonly faults: readonly Fault[];
  /** Some speak of members or datasets that are not known here. */
  readonly refused: boolean;
}

/** With whom, and how. */
export interface ReceiptExchangeParts {
  readonly receipts: ReceiptBook;
  readonly self: NodeId;
  readonly peer: NodeId;
  readonly names: ShortNames;
  readonly say: (message: Message) => void;
}

/** The exchange of receipts with one member over one session. */
export class ReceiptExchange {
  readonly #parts: ReceiptExchangeParts;
  /** What stands for our receipts was said, and the peer's answer is to come. */
  #summed = false;
  /** What stands for the peer's. */
  #peerSummary: Uint8Array | undefined;

  constructor(parts: ReceiptExchangeParts) {
    this.#parts = parts;
  }

  /** The peer has said the digest of its book. */
  compare(digest: Uint8Array): void {
    const { receipts } = this.#parts;
    if (equalBytes(digest, receipts.digest())) return;
    const all = receipts.all();
    if (all.length <= wholeReceiptsMax) this.send(all);
    else this.#sum();
  }

  #sum(): void {
    this.#summed = true;
    const all = this.#parts.receipts.summary();
    this.#parts.say({ type: 'receipt-summary', fingerprints: fingerprints(all.map(({ hash }) => hash)) });
  }

  /** The peer has said which receipts it has, or how far those go that differ. It hears the same of us, and gets what it lacks. */
  handle(message: Extract<Message, { readonly type: 'receipt-summary' | 'receipt-marks' }>): void {
    const { receipts, say } = this.#parts;
    if (message.type === 'receipt-summary') {
      if (!this.#summed) this.#sum();
      this.#peerSummary = message.fingerprints;
      say({ type: 'receipt-marks', marks: encodeReceiptMarks(differingReceipts(receipts.summary(), message.fingerprints)) });
    } else if (this.#peerSummary !== undefined) {
      this.send(receiptsBeyond(receipts, differingReceipts(receipts.summary(), this.#peerSummary), message.marks));
      this.#peerSummary = undefined;
      this.#summed = false;
    }
  }

  /** Takes receipts that the peer relays. */
  take(message: Extract<Message, { type: 'receipts' }>): TakenReceipts {
    const { receipts, names, peer } = this.#parts;
    const fresh: HeldReceipt[] = [];
    const faults: Fault[] = [];
    let refused = false;
    for (const { node: nodeName, dataset: datasetName, vector, ...said } of message.receipts) {
      const node = nodeName === '' ? peer : names.node(nodeName);
      const dataset = names.dataset(datasetName);
      const decoded = VersionVector.fromShortCbor(vector, (each) => names.node(each));
      if (!decoded.ok) faults.push({ ...decoded.fault, code: 'RECEIPT_MALFORMED' });
      else if (node === undefined || dataset === undefined || decoded.value.unknown > 0) refused = true;
      else {
        const accepted = receipts.accept({ node, dataset, vector: decoded.value.vector, ...said });
        if (!accepted.ok) faults.push(accepted.fault);
        else if (accepted.value !== 'known') fresh.push(accepted.value);
      }
    }
    return { fresh, faults, refused };
  }

  /** Tells the peer receipts. */
  send(some: readonly HeldReceipt[]): void {
    const { self, say } = this.#parts;
    for (let from = 0; from < some.length; from += limits.receiptsPerMessageMax) {
      const receipts = some
        .slice(from, from + limits.receiptsPerMessageMax)
        .map((receipt) => (receipt.node === self ? { ...toWire(receipt), node: '' as ShortName } : toWire(receipt)));
      say({ type: 'receipts', receipts });
    }
  }
}

/** A receipt in the form in which it travels. */
export function toWire(receipt: HeldReceipt): Receipt {
  const { node, dataset, vector, marks, instant, subscribed, signature } = receipt;
  return {
    node: shortName(node),
    dataset: shortName(dataset),
    vector: vector.toShortCbor(),
    marks,
    wallMs: instant.wallMs,
    counter: instant.counter,
    subscribed,
    signature,
  };
}
