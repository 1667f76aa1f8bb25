import * as v from 'valibot';
import { toHex } from '../core/bytes.ts';
import { type CborValue, decodeCbor, encodeCbor } from '../core/cbor.ts';
import { type DatasetId, type Hash, identifierBytes, identifierToBytes, type NodeId } from '../core/identifiers.ts';
import { failure, type Outcome, success } from '../core/outcome.ts';
import type { Catalog, Schema } from '../ports/catalog.ts';
import type { Compressor } from '../ports/compressor.ts';
import type { Crypto } from '../ports/crypto.ts';
import { withContested } from './contested-rows.ts';
import { type RowExtent, RowStore, rowTables, type StoredRow } from './row-store.ts';
import type { SegmentRow } from './segment-batch.ts';
import { encodeSegment } from './segment-codec.ts';
import type { NumbersIn } from './segment-writer.ts';
import { compareDefinitions, comparePositions, decodeTableRevision, encodeTableRevision, type TableRevision } from './table-revision.ts';

/**
 * Observations: the rows of every table revision of a `series` dataset, each once.
 *
 * A row's identity is (table revision, time, record number, cells). Reading a logger twice, or hearing of its rows from two people, adds nothing. Two rows of one time and record number with
 * other cells are both kept, and flagged where they are read: nobody here can know which reader was right.
 *
 * Log payloads: a table is `encodeTableRevision`; a segment is `[table (32), segment bytes, source, [[time µs, name, detail], …]]`, source = `[name, raw root (32) or null, offset, length]`;
 * a gap is `[table (32), from record, to record, reason]`: records from, up to but not including, to are missing for good.
 */

/** The tables of observations. */
export const observationSchema: Schema = {
  component: 'observations',
  steps: [
    `CREATE TABLE table_revision (
       id INTEGER PRIMARY KEY,
       dataset BLOB NOT NULL,
       hash BLOB NOT NULL,
       station TEXT NOT NULL,
       name TEXT NOT NULL,
       payload BLOB NOT NULL,
       UNIQUE (dataset, hash)
     ) STRICT;
     CREATE TABLE table_author (
       revision INTEGER NOT NULL REFERENCES table_revision (id),
       author BLOB NOT NULL,
       PRIMARY KEY (revision, author)
     ) STRICT, WITHOUT ROWID;
     ${rowTables.loose}
     CREATE TABLE logger_event (
       revision INTEGER NOT NULL REFERENCES table_revision (id),
       time_us INTEGER NOT NULL,
       name TEXT NOT NULL,
       detail TEXT NOT NULL,
       PRIMARY KEY (revision, time_us, name, detail)
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE gap (
       revision INTEGER NOT NULL REFERENCES table_revision (id),
       from_record INTEGER NOT NULL,
       to_record INTEGER NOT NULL,
       reason TEXT NOT NULL,
       PRIMARY KEY (revision, from_record, to_record)
     ) STRICT, WITHOUT ROWID;`,
    rowTables.blocks,
  ],
};

/** What the logger did, at a time: not a measurement. */
export interface LoggerEvent {
  readonly timeUs: number;
  readonly name: string;
  readonly detail: string;
}

/** Where rows were read from. */
export interface RowSource {
  /** Name of the file or instrument. */
  readonly name: string;
  /** Root of the archived raw bytes, where they are kept as content of their own. */
  readonly root?: Hash;
  /** The bytes of the source that the rows came from. */
  readonly offset: number;
  readonly lengthBytes: number;
}

/** A batch of rows of one table revision, as it goes into a log. */
export interface RowBatch {
  readonly table: Hash;
  readonly rows: readonly SegmentRow[];
  readonly events: readonly LoggerEvent[];
  readonly source: RowSource;
}

/** Records that are gone from the instrument for good. */
export interface Gap {
  readonly table: Hash;
  readonly fromRecord: number;
  /** Not included. */
  readonly toRecord: number;
  readonly reason: string;
}

/** A table revision with the extent of its rows. */
export interface TableSummary extends RowExtent {
  readonly revision: TableRevision;
}

const integer = v.pipe(v.number(), v.integer());
const hash = v.pipe(
  v.instance(Uint8Array),
  v.check((bytes) => bytes.length === identifierBytes),
);
const text = v.pipe(v.string(), v.maxLength(4096));
const segmentShape = v.strictTuple([
  hash,
  v.instance(Uint8Array),
  v.strictTuple([text, v.nullable(hash), integer, integer]),
  v.pipe(v.array(v.strictTuple([integer, text, text])), v.maxLength(65_536)),
]);
const gapShape = v.strictTuple([hash, integer, integer, text]);

/** Log payload of a batch. */
export function encodeRowBatch(batch: RowBatch, fieldCount: number, compressor: Compressor, numbersIn?: NumbersIn): CborValue {
  const { name, root, offset, lengthBytes } = batch.source;
  const segment = encodeSegment({ rows: batch.rows, fieldCount }, compressor, undefined, numbersIn);
  return [
    batch.table,
    segment,
    [name, root ?? null, offset, lengthBytes],
    batch.events.map((event) => [event.timeUs, event.name, event.detail]),
  ];
}

/** Log payload of a gap. */
export function encodeGap(gap: Gap): CborValue {
  return [gap.table, gap.fromRecord, gap.toRecord, gap.reason];
}

/** The observations of all `series` datasets, in the catalog. Synchronous; part of the caller's transaction. */
export class ObservationStore {
  readonly #catalog: Catalog;
  readonly #crypto: Crypto;
  readonly #compressor: Compressor;
  readonly #keyByRevision = new Map<string, number>();
  readonly #rows: RowStore;

  constructor(catalog: Catalog, crypto: Crypto, compressor: Compressor) {
    this.#catalog = catalog;
    this.#crypto = crypto;
    this.#compressor = compressor;
    this.#rows = new RowStore(catalog, compressor);
    catalog.migrate(observationSchema);
  }

  /** Enters a log entry of kind `table`, `segment` or `gap`. Idempotent. Fails with `TABLE_MALFORMED`, `SEGMENT_…`, `TABLE_UNKNOWN` or `GAP_MALFORMED` (peer). */
  apply(
    dataset: DatasetId,
    author: NodeId,
    kind: 'table' | 'segment' | 'gap',
    payload: CborValue,
  ): Outcome<{ readonly stored: number; readonly duplicate: number }> {
    if (kind === 'table') {
      const revision = decodeTableRevision(payload, this.#crypto);
      if (!revision.ok) return revision;
      this.#define(dataset, author, revision.value);
      return success({ stored: 0, duplicate: 0 });
    }
    return kind === 'segment' ? this.#applySegment(dataset, payload) : this.#applyGap(dataset, payload);
  }

  /** Log payload of a batch that is about to be applied here. `numbersIn` has its cells taken apart, where that was done. */
  encode(batch: RowBatch, fieldCount: number, numbersIn?: NumbersIn): CborValue {
    const payload = encodeRowBatch(batch, fieldCount, this.#compressor, numbersIn);
    this.#rows.remember((payload as CborValue[])[1] as Uint8Array, batch.rows);
    return payload;
  }

  /**
   * True when this author's log says of the table revision what is known of it: logs arrive in any order, so each author's rows follow a definition in the author's own log. A position that is better known than the one
   * before is worth another definition.
   */
  isDefinedBy(dataset: DatasetId, author: NodeId, revision: TableRevision): boolean {
    const key = this.#key(dataset, revision.id);
    if (key === undefined) return false;
    const known = this.#catalog.get<{ payload: Uint8Array }>(
      'SELECT payload FROM table_author JOIN table_revision ON table_revision.id = revision WHERE revision = ? AND author = ?',
      key,
      identifierToBytes(author),
    );
    return known !== undefined && comparePositions(revision.position, this.#revision(known.payload)?.position) <= 0;
  }

  /** The last rows before a time, at most `count` of them, in order of time. */
  rowsBefore(dataset: DatasetId, table: Hash, timeUs: number, count: number): StoredRow[] {
    const key = this.#key(dataset, table);
    return key === undefined ? [] : this.#rows.before(key, timeUs, count);
  }

  /** Those of some rows that are not stored. */
  unstored(dataset: DatasetId, table: Hash, rows: readonly SegmentRow[]): readonly SegmentRow[] {
    const key = this.#key(dataset, table);
    return key === undefined ? rows : this.#rows.unstored(key, rows);
  }

  /** Every table revision of a dataset with the extent of its rows, by station and table. */
  tables(dataset: DatasetId): TableSummary[] {
    return this.#catalog
      .all<{ id: number; payload: Uint8Array }>(
        'SELECT id, payload FROM table_revision WHERE dataset = ? ORDER BY station, name, id',
        identifierToBytes(dataset),
      )
      .flatMap((row) => {
        const revision = this.#revision(row.payload);
        return revision === undefined ? [] : [{ revision, ...this.#rows.extent(row.id) }];
      });
  }

  /**
   * Rows of one table revision by time, in `fromUs` (included) to `toUs` (not included); those that contradict one another are flagged (`contested-rows.ts`). Read in pages, so the caller may take its time; rows that arrive
   * meanwhile may or may not be met.
   */
  *rows(dataset: DatasetId, table: Hash, fromUs = Number.MIN_SAFE_INTEGER, toUs = Number.MAX_SAFE_INTEGER): IterableIterator<StoredRow> {
    const key = this.#key(dataset, table);
    if (key === undefined) return;
    const known = this.#catalog.get<{ payload: Uint8Array }>('SELECT payload FROM table_revision WHERE id = ?', key);
    const hasInterval = known !== undefined && this.#revision(known.payload)?.intervalUs !== undefined;
    yield* withContested(this.#rows.rows(key, fromUs, toUs), hasInterval);
  }

  /** Logger events of one table revision, by time. */
  events(dataset: DatasetId, table: Hash): LoggerEvent[] {
    const key = this.#key(dataset, table);
    if (key === undefined) return [];
    return this.#catalog
      .all<{ time_us: number; name: string; detail: string }>(
        'SELECT time_us, name, detail FROM logger_event WHERE revision = ? ORDER BY time_us, name',
        key,
      )
      .map((row) => ({ timeUs: row.time_us, name: row.name, detail: row.detail }));
  }

  /** Gaps of one table revision, by record. */
  gaps(dataset: DatasetId, table: Hash): Gap[] {
    const key = this.#key(dataset, table);
    if (key === undefined) return [];
    return this.#catalog
      .all<{ from_record: number; to_record: number; reason: string }>(
        'SELECT from_record, to_record, reason FROM gap WHERE revision = ? ORDER BY from_record',
        key,
      )
      .map((row) => ({ table, fromRecord: row.from_record, toRecord: row.to_record, reason: row.reason }));
  }

  #define(dataset: DatasetId, author: NodeId, revision: TableRevision): void {
    const payload = encodeCbor(encodeTableRevision(revision));
    const before = this.#catalog.get<{ id: number; payload: Uint8Array }>(
      'SELECT id, payload FROM table_revision WHERE dataset = ? AND hash = ?',
      identifierToBytes(dataset),
      revision.id,
    );
    const known = before && this.#revision(before.payload);
    if (before === undefined) {
      this.#catalog.run(
        'INSERT INTO table_revision (dataset, hash, station, name, payload) VALUES (?, ?, ?, ?, ?)',
        identifierToBytes(dataset),
        revision.id,
        revision.stationId,
        revision.table,
        payload,
      );
    } else if (known !== undefined && compareDefinitions(revision, known) > 0) {
      this.#catalog.run('UPDATE table_revision SET payload = ? WHERE id = ?', payload, before.id);
    }
    const key = this.#key(dataset, revision.id);
    if (key !== undefined)
      this.#catalog.run('INSERT OR IGNORE INTO table_author (revision, author) VALUES (?, ?)', key, identifierToBytes(author));
  }

  #applySegment(dataset: DatasetId, payload: CborValue): Outcome<{ readonly stored: number; readonly duplicate: number }> {
    const shaped = v.safeParse(segmentShape, payload);
    if (!shaped.success) return failure('SEGMENT_MALFORMED', 'peer', 'a batch of observations is not of this format');
    const [table, segment, , events] = shaped.output;
    const key = this.#key(dataset, table as Hash);
    if (key === undefined) return failure('TABLE_UNKNOWN', 'peer', 'observations came before the definition of their table');
    const rows = this.#rows.unpack(segment);
    if (!rows.ok) return rows;
    const stored = this.#rows.insert(key, rows.value, segment);
    for (const [timeUs, name, detail] of events) {
      this.#catalog.run(
        'INSERT OR IGNORE INTO logger_event (revision, time_us, name, detail) VALUES (?, ?, ?, ?)',
        key,
        timeUs,
        name,
        detail,
      );
    }
    return success({ stored, duplicate: rows.value.length - stored });
  }

  #applyGap(dataset: DatasetId, payload: CborValue): Outcome<{ readonly stored: number; readonly duplicate: number }> {
    const shaped = v.safeParse(gapShape, payload);
    if (!shaped.success) return failure('GAP_MALFORMED', 'peer', 'a gap is not of this format');
    const [table, fromRecord, toRecord, reason] = shaped.output;
    const key = this.#key(dataset, table as Hash);
    if (key === undefined) return failure('TABLE_UNKNOWN', 'peer', 'a gap came before the definition of its table');
    this.#catalog.run(
      'INSERT OR IGNORE INTO gap (revision, from_record, to_record, reason) VALUES (?, ?, ?, ?)',
      key,
      fromRecord,
      toRecord,
      reason,
    );
    return success({ stored: 0, duplicate: 0 });
  }

  #key(dataset: DatasetId, table: Hash): number | undefined {
    const name = `${dataset} ${toHex(table)}`;
    const known = this.#keyByRevision.get(name);
    if (known !== undefined) return known;
    const row = this.#catalog.get<{ id: number }>(
      'SELECT id FROM table_revision WHERE dataset = ? AND hash = ?',
      identifierToBytes(dataset),
      table,
    );
    if (row !== undefined) this.#keyByRevision.set(name, row.id);
    return row?.id;
  }

  #revision(payload: Uint8Array): TableRevision | undefined {
    const decoded = decodeCbor(payload);
    const revision = decoded.ok ? decodeTableRevision(decoded.value as CborValue, this.#crypto) : decoded;
    return revision.ok ? revision.value : undefined;
  }
}
