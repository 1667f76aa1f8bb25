import { TokenBucket } from '../bandwidth/token-bucket.ts';
import { GodwitError } from '../core/errors.ts';
import type { DatasetId, NodeId } from '../core/identifiers.ts';
import type { MonotonicMs } from '../core/time.ts';
import type { Catalog, Schema } from '../ports/catalog.ts';

/**
 * Rate caps: how many bytes a second go to a peer at most, every byte of every link to it, and how many bytes of a dataset's entries and contents are handed to sessions, all peers together.
 *
 * Besides, how datasets of one class share what is sent to a peer: by weight, 1 unless set. Emergency bytes do not wait for a cap; what they use is missing to the others afterwards.
 */

/** One cap. Exactly one of `peer` and `dataset` is given. */
export interface RateCap {
  readonly peer?: NodeId;
  readonly dataset?: DatasetId;
  /** Above 0. */
  readonly rateBytesPerSecond: number;
}

const schema: Schema = {
  component: 'rate-caps',
  steps: [
    'CREATE TABLE rate_cap (kind TEXT NOT NULL, subject TEXT NOT NULL, rate REAL NOT NULL, PRIMARY KEY (kind, subject)) STRICT, WITHOUT ROWID;',
  ],
};

type CapKind = 'peer' | 'dataset';
type RowKind = CapKind | 'weight';

/** A packet that leaves needs so many tokens; a longer one overdraws. */
const packetBytes = 1500;
const always = -Infinity as MonotonicMs;

/** The caps of one node, in the catalog and at work. */
export class RateCaps {
  readonly #catalog: Catalog;
  readonly #weightByDataset = new Map<string, number>();
  readonly #bucketBySubject: Readonly<Record<CapKind, Map<string, TokenBucket>>> = { peer: new Map(), dataset: new Map() };

  constructor(catalog: Catalog, now: MonotonicMs) {
    this.#catalog = catalog;
    catalog.migrate(schema);
    for (const { kind, subject, rate } of this.#rows()) {
      if (kind === 'weight') this.#weightByDataset.set(subject, rate);
      else this.#bucketBySubject[kind].set(subject, new TokenBucket(rate, now));
    }
  }

  /** Sets, or with `undefined` removes, the cap of a peer or a dataset. @throws GodwitError `CAP_MALFORMED` */
  set(cap: { readonly peer?: NodeId; readonly dataset?: DatasetId }, rateBytesPerSecond: number | undefined, now: MonotonicMs): void {
    const kind: CapKind = cap.peer === undefined ? 'dataset' : 'peer';
    const subject = cap[kind];
    if (subject === undefined || (cap.peer !== undefined && cap.dataset !== undefined))
      throw new GodwitError('CAP_MALFORMED', 'A rate cap is for one peer or for one dataset.');
    if (rateBytesPerSecond === undefined) {
      this.#catalog.run('DELETE FROM rate_cap WHERE kind = ? AND subject = ?', kind, subject);
      this.#bucketBySubject[kind].delete(subject);
      return;
    }
    if (!Number.isFinite(rateBytesPerSecond) || rateBytesPerSecond <= 0)
      throw new GodwitError('CAP_MALFORMED', 'A rate cap is a number of bytes a second above 0.');
    this.#catalog.run('INSERT OR REPLACE INTO rate_cap (kind, subject, rate) VALUES (?, ?, ?)', kind, subject, rateBytesPerSecond);
    this.#bucketBySubject[kind].set(subject, new TokenBucket(rateBytesPerSecond, now));
  }

  list(): RateCap[] {
    return this.#rows().flatMap(({ kind, subject, rate }) => (kind === 'weight' ? [] : [{ [kind]: subject, rateBytesPerSecond: rate }]));
  }

  /** From when on a packet may go to this peer, perhaps in the past. */
  peerFreeAt(peer: NodeId | undefined): MonotonicMs {
    return this.#freeAt('peer', peer);
  }

  peerSent(peer: NodeId | undefined, bytes: number, now: MonotonicMs): void {
    this.#take('peer', peer, bytes, now);
  }

  /** From when on something of this dataset may be handed on, perhaps in the past. */
  datasetFreeAt(dataset: DatasetId | undefined): MonotonicMs {
    return this.#freeAt('dataset', dataset);
  }

  datasetSent(dataset: DatasetId | undefined, bytes: number, now: MonotonicMs): void {
    this.#take('dataset', dataset, bytes, now);
  }

  /** What a dataset gets of a link by what others of its class get; 1 is usual. @throws GodwitError `CAP_MALFORMED` */
  setWeight(dataset: DatasetId, weight: number): void {
    if (!(weight >= 0.001 && weight <= 1000))
      throw new GodwitError('CAP_MALFORMED', 'The weight of a dataset is a number from 0.001 to 1000.');
    this.#catalog.run('INSERT OR REPLACE INTO rate_cap (kind, subject, rate) VALUES (?, ?, ?)', 'weight', dataset, weight);
    this.#weightByDataset.set(dataset, weight);
  }

  weightOf(dataset: DatasetId | undefined): number {
    return this.#weightByDataset.get(dataset ?? '') ?? 1;
  }

  #rows(): { kind: RowKind; subject: string; rate: number }[] {
    return this.#catalog.all('SELECT kind, subject, rate FROM rate_cap ORDER BY kind, subject');
  }

  #freeAt(kind: CapKind, subject: string | undefined): MonotonicMs {
    return this.#bucketBySubject[kind].get(subject ?? '')?.availableAt(packetBytes) ?? always;
  }

  #take(kind: CapKind, subject: string | undefined, bytes: number, now: MonotonicMs): void {
    this.#bucketBySubject[kind].get(subject ?? '')?.take(bytes, now);
  }
}
