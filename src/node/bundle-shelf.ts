import { GodwitError } from '../core/errors.ts';
import { identifierToBytes, type NodeId } from '../core/identifiers.ts';
import { type Fault, failure, type Outcome, success } from '../core/outcome.ts';
import type { BundleMedium } from '../ports/bundle-medium.ts';
import type { Crypto } from '../ports/crypto.ts';
import type { Entropy } from '../ports/entropy.ts';
import {
  type BundleRecord,
  decodeRecord,
  type EntriesRow,
  encodeRecord,
  type GroupsRow,
  type SegmentTable,
  tableBytesMin,
  tableRowBytesMax,
} from '../session/bundle-records.ts';
import { BundleSealer, type SealedKey } from '../session/bundle-seals.ts';
import {
  type DamagedPlace,
  encodeSegment,
  openSegment,
  openTable,
  recordBytes,
  saltBytes,
  segmentBytes,
  segmentBytesMax,
  tablePrefixBytes,
} from '../session/bundle-segment.ts';
import type { Identity } from './identity.ts';
import type { Membership } from './membership.ts';

/**
 * The segments that lie on one medium, as far as this node can read them, and new ones beside them.
 *
 * There is no index: each segment begins with its own table, and what lies on the medium is read from those. A name begins with four letters or digits that grow from segment to segment, so that they are read in
 * the order of writing, and four random ones, so that the files of two sticks can be put into one folder.
 */

/** What a shelf works with. */
export interface ShelfParts {
  readonly crypto: Crypto;
  readonly entropy: Entropy;
  readonly identity: Identity;
  readonly membership: Membership;
}

/** A segment that this node can read. */
export interface ShelvedSegment {
  readonly name: string;
  readonly sizeBytes: number;
  /** Absent when it went bad; the rest of the segment may be whole. */
  readonly table: SegmentTable | undefined;
  /** Who made it, as the seal proves; absent when that is no member known here. */
  readonly exporter: NodeId | undefined;
}

/** The records of a segment, and what of it is lost. */
export interface ReadSegment {
  /** X25519 public key of the node that made it. */
  readonly sender: Uint8Array;
  readonly records: readonly BundleRecord[];
  readonly faults: readonly Fault[];
  readonly damage: readonly DamagedPlace[];
}

/** What lies on a medium. */
export interface Survey {
  readonly segments: readonly ShelvedSegment[];
  /** Segments that this node cannot read, and why. */
  readonly unreadable: readonly { readonly name: string; readonly fault: Fault }[];
}

/** The segments on one medium. */
export class BundleShelf {
  readonly #parts: ShelfParts;
  readonly #medium: BundleMedium;
  readonly #sealer: BundleSealer;
  /** Bytes read from and written to the medium. */
  bytesRead = 0;
  bytesWritten = 0;

  /** @param parts of a node that belongs to a team */
  constructor(parts: ShelfParts, medium: BundleMedium) {
    const { crypto, entropy, identity, membership } = parts;
    if (membership.team === undefined) throw new Error('a shelf belongs to a team');
    this.#parts = parts;
    this.#medium = medium;
    this.#sealer = new BundleSealer(crypto, entropy, identity.channelKey, identifierToBytes(membership.team));
  }

  /** Reads the tables of all segments, in the order of their names. */
  async survey(): Promise<Survey> {
    const segments: ShelvedSegment[] = [];
    const unreadable: { name: string; fault: Fault }[] = [];
    const files = [...(await this.#medium.list())].sort((a, b) => (a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1));
    for (const { name, sizeBytes } of files) {
      const found = await this.#tableOf(name, sizeBytes);
      if (found.ok) segments.push({ name, sizeBytes, table: found.value.table, exporter: this.#memberWith(found.value.sender) });
      else unreadable.push({ name, fault: found.fault });
    }
    return { segments, unreadable };
  }

  /** Reads one segment. Fails as `openSegment` does, and with `BUNDLE_SIGNATURE` or `BUNDLE_SENDER` (peer) when it is not by the node that its table names. */
  async read({ name, sizeBytes }: ShelvedSegment): Promise<Outcome<ReadSegment>> {
    const { crypto, membership } = this.#parts;
    const opened = openSegment(await this.#bytes(name, 0, Math.min(sizeBytes, segmentBytesMax)), this.#sealer, crypto);
    if (!opened.ok) return opened;
    const { damage, sender, signed } = opened.value;
    const records: BundleRecord[] = [];
    const faults: Fault[] = [];
    for (const encoded of opened.value.records) {
      const record = decodeRecord(encoded);
      if (record.ok) records.push(record.value);
      else faults.push(record.fault);
    }
    const [first] = records;
    const claimed = first?.type === 'table' ? first.table.exporter : undefined;
    const proven = this.#memberWith(sender);
    const isKnown = claimed !== undefined && membership.member(claimed) !== undefined;
    if (claimed !== undefined && (isKnown || proven !== undefined) && claimed !== proven)
      return failure('BUNDLE_SENDER', 'peer', `${name} says that ${claimed} made it, and somebody else did`);
    const signer = claimed ?? proven;
    if (signed !== undefined && signer !== undefined && !crypto.ed25519Verify(identifierToBytes(signer), signed.hash, signed.signature))
      return failure('BUNDLE_SIGNATURE', 'peer', `${name} is not signed by ${signer}`);
    return success({ sender, records, faults, damage });
  }

  /** A key for one export that these members can open, and this node itself. */
  seal(addressed: readonly NodeId[]): SealedKey {
    const { identity, membership } = this.#parts;
    const keys = addressed.flatMap((node) => membership.member(node)?.channelKey ?? []);
    return this.#sealer.seal([identity.channelKey.publicKey, ...keys]);
  }

  /** Writes a segment, and returns its size. Rejects as `BundleMedium.write` does. */
  async write(name: string, table: SegmentTable, records: readonly Uint8Array[], sealed: SealedKey): Promise<number> {
    const { crypto, entropy, identity } = this.#parts;
    const bytes = encodeSegment(
      {
        records: [encodeRecord({ type: 'table', table }), ...records],
        sealed,
        teamTag: this.#sealer.teamTag,
        salt: entropy.bytes(saltBytes),
        sign: (hash) => crypto.ed25519Sign(identity.signingKey, hash),
      },
      crypto,
    );
    await this.#medium.write(name, bytes);
    this.bytesWritten += bytes.length;
    return bytes.length;
  }

  async remove(name: string): Promise<void> {
    await this.#medium.remove(name);
  }

  async freeBytes(): Promise<number> {
    return this.#medium.freeBytes();
  }

  /** A name behind all others on the medium. */
  async newName(): Promise<string> {
    const order = (await this.#medium.list()).map(({ name }) => Number.parseInt(name.slice(0, 4), 36));
    const next = (Math.max(0, ...order.filter((each) => !Number.isNaN(each))) + 1) % 36 ** 4;
    const random = this.#parts.entropy.bytes(4).reduce((sum, byte) => sum * 256 + byte, 0) % 36 ** 4;
    return `${next.toString(36).padStart(4, '0')}${random.toString(36).padStart(4, '0')}.gwb`;
  }

  async #tableOf(
    name: string,
    sizeBytes: number,
  ): Promise<Outcome<{ readonly sender: Uint8Array; readonly table: SegmentTable | undefined }>> {
    const { crypto } = this.#parts;
    const quick = openTable(await this.#bytes(name, 0, Math.min(sizeBytes, tablePrefixBytes)), this.#sealer, crypto);
    if (!quick.ok) return quick;
    if (quick.value !== undefined) return success({ sender: quick.value.sender, table: tableIn(quick.value.table) });
    const opened = openSegment(await this.#bytes(name, 0, Math.min(sizeBytes, segmentBytesMax)), this.#sealer, crypto);
    if (!opened.ok) return opened;
    const [first] = opened.value.records;
    return success({ sender: opened.value.sender, table: first && tableIn(first) });
  }

  async #bytes(name: string, offset: number, lengthBytes: number): Promise<Uint8Array> {
    const bytes = await this.#medium.read(name, offset, lengthBytes);
    this.bytesRead += bytes.length;
    return bytes;
  }

  #memberWith(channelKey: Uint8Array): NodeId | undefined {
    return this.#parts.membership.memberByKey(channelKey)?.node;
  }
}

function tableIn(encoded: Uint8Array): SegmentTable | undefined {
  const record = decodeRecord(encoded);
  return record.ok && record.value.type === 'table' ? record.value.table : undefined;
}

/** Fills segments one after the other, within a budget that counts every byte of their files. */
export class SegmentWriter {
  readonly #shelf: BundleShelf;
  readonly #sealed: SealedKey;
  readonly #table: Omit<SegmentTable, 'rows'>;
  #records: Uint8Array[] = [];
  #rows: (EntriesRow | GroupsRow)[] = [];
  #recordsBytes: number;
  #budgetBytes: number;
  /** Segments that were written, and their bytes. */
  segments = 0;
  bytes = 0;
  /** True when the medium has no more room. */
  isFull = false;
  /** True when something did not fit. */
  hasRefused = false;

  /** @param budgetBytes what its segments may take together on the medium */
  constructor(shelf: BundleShelf, table: Omit<SegmentTable, 'rows'>, budgetBytes: number) {
    this.#shelf = shelf;
    this.#table = table;
    this.#sealed = shelf.seal(table.addressed);
    this.#budgetBytes = budgetBytes;
    this.#recordsBytes = this.#emptyBytes;
  }

  /** Whether so many more bytes of records would fit. */
  fits(bytes: number): boolean {
    if (this.isFull) return false;
    const pending = this.#size(this.#recordsBytes + bytes);
    if (pending <= segmentBytesMax) return pending <= this.#budgetBytes;
    const alone = this.#size(this.#emptyBytes + bytes);
    return alone <= segmentBytesMax && this.#size(this.#recordsBytes) + alone <= this.#budgetBytes;
  }

  /** Whether so many more bytes of records go into a segment of their own. */
  beginsAnew(bytes: number): boolean {
    return this.#size(this.#recordsBytes + bytes + tableRowBytesMax) > segmentBytesMax;
  }

  /** Adds records that belong together, with what the table says of them. False when they do not fit; then none is added. */
  async add(records: readonly Uint8Array[], row: EntriesRow | GroupsRow | undefined): Promise<boolean> {
    const bytes = records.reduce((sum, record) => sum + recordBytes(record), tableRowBytesMax);
    if (this.fits(bytes) && this.#size(this.#recordsBytes + bytes) > segmentBytesMax) await this.flush();
    if (!this.fits(bytes)) {
      this.hasRefused = true;
      return false;
    }
    this.#records.push(...records);
    this.#recordsBytes += bytes;
    if (row !== undefined) this.#note(row);
    return true;
  }

  /** True when nothing was added since the last flush. */
  get isEmpty(): boolean {
    return this.#records.length === 0;
  }

  /** Writes what was added. When the medium is full it is not written, and nothing more fits. Rejects as `BundleMedium.write` does for everything else. */
  async flush(): Promise<void> {
    if (this.isEmpty) return;
    try {
      const name = await this.#shelf.newName();
      const bytes = await this.#shelf.write(name, { ...this.#table, rows: this.#rows }, this.#records, this.#sealed);
      this.#budgetBytes -= bytes;
      this.bytes += bytes;
      this.segments++;
    } catch (error) {
      if (!(error instanceof GodwitError) || error.code !== 'DISK_FULL') throw error;
      this.isFull = true;
    }
    this.#records = [];
    this.#rows = [];
    this.#recordsBytes = this.#emptyBytes;
  }

  get #emptyBytes(): number {
    const { addressed, damaged } = this.#table;
    return tableBytesMin + addressed.length * 34 + damaged.length * 18;
  }

  #size(recordsBytes: number): number {
    return segmentBytes(recordsBytes, this.#sealed.seals.length);
  }

  #note(row: EntriesRow | GroupsRow): void {
    const last = this.#rows.at(-1);
    const follows = last !== undefined && last.first + last.count === row.first && sameSubject(last, row);
    if (follows) this.#rows[this.#rows.length - 1] = { ...last, count: last.count + row.count };
    else this.#rows.push(row);
  }
}

function sameSubject(a: EntriesRow | GroupsRow, b: EntriesRow | GroupsRow): boolean {
  if (a.type === 'entries') return b.type === 'entries' && a.dataset === b.dataset && a.author === b.author;
  return (
    b.type === 'groups' &&
    a.planId.every((byte, index) => byte === b.planId[index]) &&
    a.root.every((byte, index) => byte === b.root[index])
  );
}
