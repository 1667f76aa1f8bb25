import { type DatasetId, type Hash, identifierToBytes } from '../core/identifiers.ts';
import type { ReaderPosition, RingMark } from '../formats/record-stream.ts';
import type { Catalog, Schema } from '../ports/catalog.ts';
import type { ZonedClockStates } from './zoned-clock.ts';

/**
 * How far every source has been read, and what of it could not be used. Cursors commit with the observations they led to, so a row is neither lost nor doubled by a power cut; what is
 * quarantined keeps its bytes and its reason.
 */

/** The tables of sources, how far each was read, and what was quarantined. */
export const ingestSchema: Schema = {
  component: 'ingest',
  steps: [
    `CREATE TABLE ingest_cursor (
       dataset BLOB NOT NULL,
       source TEXT NOT NULL,
       cursor TEXT NOT NULL,
       PRIMARY KEY (dataset, source)
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE ingest_count (
       dataset BLOB NOT NULL,
       source TEXT NOT NULL,
       records_read INTEGER NOT NULL,
       stored INTEGER NOT NULL,
       duplicate INTEGER NOT NULL,
       quarantined INTEGER NOT NULL,
       PRIMARY KEY (dataset, source)
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE quarantine (
       id INTEGER PRIMARY KEY,
       dataset BLOB NOT NULL,
       source TEXT NOT NULL,
       offset INTEGER NOT NULL,
       length_bytes INTEGER NOT NULL,
       scope TEXT NOT NULL,
       code TEXT NOT NULL,
       message TEXT NOT NULL,
       bytes BLOB NOT NULL,
       at_ms INTEGER NOT NULL,
       UNIQUE (dataset, source, offset, length_bytes, code)
     ) STRICT;`,
    `CREATE TABLE raw_piece (
       id INTEGER PRIMARY KEY,
       root BLOB NOT NULL,
       dataset BLOB NOT NULL,
       source TEXT NOT NULL,
       offset INTEGER NOT NULL,
       length_bytes INTEGER NOT NULL,
       UNIQUE (root, dataset, source, offset)
     ) STRICT;`,
    `CREATE TABLE derived_table (
       dataset BLOB NOT NULL,
       revision BLOB NOT NULL,
       reason TEXT NOT NULL,
       PRIMARY KEY (dataset, revision)
     ) STRICT, WITHOUT ROWID;`,
  ],
};

/** Where a file is to be read on. */
export interface FileCursor {
  readonly kind: 'file';
  readonly format: string;
  readonly position: ReaderPosition;
  /** Where the archived bytes end, when that is behind the position: bytes that were read and not parsed to the end of an item. */
  readonly archivedTo?: number;
  /** SHA-256 (hexadecimal) of the first `prefixBytes` of the file: another one means another file under the same name. */
  readonly prefixHash: string;
  readonly prefixBytes: number;
  /** Size and modification time when it was last read; unchanged ones mean nothing to do. */
  readonly sizeBytes: number;
  readonly mtimeNs: string;
  /** Where its clocks stood, where the site profile names a zone. */
  readonly clocks?: ZonedClockStates;
  /** Where the file is overwritten in place and the position is one in the unrolled file. */
  readonly ring?: RingMark;
}

/** Where an instrument's table is to be collected on: the table's revision as the instrument names it, and the next record wanted. */
export interface DeviceCursor {
  readonly kind: 'device';
  readonly revision: string;
  readonly nextRecord: number;
  /** Where its clock stood, where the site profile names a zone. */
  readonly clocks?: ZonedClockStates;
}

/** Records of one source. They add up: `read = stored + duplicate + quarantined`; what is pending has not been read yet. */
export interface IngestCounts {
  readonly read: number;
  readonly stored: number;
  readonly duplicate: number;
  readonly quarantined: number;
}

/** A piece of a source that could not be used. */
export interface QuarantinedPiece {
  readonly source: string;
  readonly offset: number;
  readonly lengthBytes: number;
  /** `record`: its neighbours went on. `file`: nothing behind it could be read. */
  readonly scope: 'record' | 'file';
  readonly code: string;
  readonly message: string;
  /** The bytes, at most 64 KiB of them; all of them are in the raw archive. */
  readonly bytes: Uint8Array;
  readonly atMs: number;
}

/** Bytes that were read from a source, archived as content before anything was made of them. */
export interface RawPiece {
  readonly source: string;
  /** Where they stood in the file; 0 for a batch from an instrument. */
  readonly offset: number;
  readonly lengthBytes: number;
  /** Root of the content that they are. */
  readonly root: Hash;
}

const keptBytesMax = 64 * 1024;

/** The ledger, in the catalog. Synchronous; part of the caller's transaction. */
export class IngestLedger {
  readonly #catalog: Catalog;

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
    catalog.migrate(ingestSchema);
  }

  cursor<C extends FileCursor | DeviceCursor>(dataset: DatasetId, source: string): C | undefined {
    const row = this.#catalog.get<{ cursor: string }>(
      'SELECT cursor FROM ingest_cursor WHERE dataset = ? AND source = ?',
      identifierToBytes(dataset),
      source,
    );
    return row && (JSON.parse(row.cursor) as C);
  }

  setCursor(dataset: DatasetId, source: string, cursor: FileCursor | DeviceCursor): void {
    this.#catalog.run(
      'INSERT OR REPLACE INTO ingest_cursor (dataset, source, cursor) VALUES (?, ?, ?)',
      identifierToBytes(dataset),
      source,
      JSON.stringify(cursor),
    );
  }

  /** Adds to the counts of a source. */
  count(dataset: DatasetId, source: string, more: IngestCounts): void {
    this.#catalog.run(
      `INSERT INTO ingest_count (dataset, source, records_read, stored, duplicate, quarantined) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET records_read = records_read + excluded.records_read, stored = stored + excluded.stored,
         duplicate = duplicate + excluded.duplicate, quarantined = quarantined + excluded.quarantined`,
      identifierToBytes(dataset),
      source,
      more.read,
      more.stored,
      more.duplicate,
      more.quarantined,
    );
  }

  /** Counts of everything ever read into a dataset, by source. */
  counts(dataset: DatasetId): ReadonlyMap<string, IngestCounts> {
    const rows = this.#catalog.all<{ source: string; records_read: number; stored: number; duplicate: number; quarantined: number }>(
      'SELECT source, records_read, stored, duplicate, quarantined FROM ingest_count WHERE dataset = ? ORDER BY source',
      identifierToBytes(dataset),
    );
    return new Map(
      rows.map(({ source, records_read: read, stored, duplicate, quarantined }) => [source, { read, stored, duplicate, quarantined }]),
    );
  }

  /** Notes raw bytes as needed: a garbage collection leaves them, whatever else has the same content. */
  archive(dataset: DatasetId, { source, offset, lengthBytes, root }: RawPiece): void {
    this.#catalog.run(
      'INSERT OR IGNORE INTO raw_piece (root, dataset, source, offset, length_bytes) VALUES (?, ?, ?, ?, ?)',
      root,
      identifierToBytes(dataset),
      source,
      offset,
      lengthBytes,
    );
  }

  /** True for a content that was archived as raw bytes. */
  isRaw(root: Hash): boolean {
    return this.#catalog.get('SELECT 1 FROM raw_piece WHERE root = ?', root) !== undefined;
  }

  /** The raw bytes of a source in the order in which they were read: everything parsed from it can be derived from them again. */
  rawPieces(dataset: DatasetId, source: string): RawPiece[] {
    return this.#catalog
      .all<{ root: Uint8Array; offset: number; length_bytes: number }>(
        'SELECT root, offset, length_bytes FROM raw_piece WHERE dataset = ? AND source = ? ORDER BY id',
        identifierToBytes(dataset),
        source,
      )
      .map((row) => ({ source, offset: row.offset, lengthBytes: row.length_bytes, root: row.root as Hash }));
  }

  /** Sources of which raw bytes are archived, by name. */
  rawSources(dataset: DatasetId): string[] {
    return this.#catalog
      .all<{ source: string }>('SELECT DISTINCT source FROM raw_piece WHERE dataset = ? ORDER BY source', identifierToBytes(dataset))
      .map(({ source }) => source);
  }

  /** Why a table revision was derived again here: what is read of it from then on goes into the revision derived for that reason. */
  derivation(dataset: DatasetId, revision: Hash): string | undefined {
    return this.#catalog.get<{ reason: string }>(
      'SELECT reason FROM derived_table WHERE dataset = ? AND revision = ?',
      identifierToBytes(dataset),
      revision,
    )?.reason;
  }

  setDerivation(dataset: DatasetId, revision: Hash, reason: string): void {
    this.#catalog.run(
      'INSERT OR REPLACE INTO derived_table (dataset, revision, reason) VALUES (?, ?, ?)',
      identifierToBytes(dataset),
      revision,
      reason,
    );
  }

  /** Puts a piece into quarantine. False when the same piece is there already. */
  quarantine(dataset: DatasetId, piece: QuarantinedPiece): boolean {
    const inserted = this.#catalog.run(
      'INSERT OR IGNORE INTO quarantine (dataset, source, offset, length_bytes, scope, code, message, bytes, at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
      identifierToBytes(dataset),
      piece.source,
      piece.offset,
      piece.lengthBytes,
      piece.scope,
      piece.code,
      piece.message,
      piece.bytes.subarray(0, keptBytesMax),
      Math.floor(piece.atMs),
    );
    return inserted > 0;
  }

  /** Everything in quarantine, oldest first. */
  quarantined(dataset: DatasetId): QuarantinedPiece[] {
    return this.#catalog
      .all<{
        source: string;
        offset: number;
        length_bytes: number;
        scope: 'record' | 'file';
        code: string;
        message: string;
        bytes: Uint8Array;
        at_ms: number;
      }>(
        'SELECT source, offset, length_bytes, scope, code, message, bytes, at_ms FROM quarantine WHERE dataset = ? ORDER BY id',
        identifierToBytes(dataset),
      )
      .map((row) => ({
        source: row.source,
        offset: row.offset,
        lengthBytes: row.length_bytes,
        scope: row.scope,
        code: row.code,
        message: row.message,
        bytes: row.bytes,
        atMs: row.at_ms,
      }));
  }
}
