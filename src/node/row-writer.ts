import type { CborValue } from '../core/cbor.ts';
import type { DatasetId, Hash, NodeId } from '../core/identifiers.ts';
import type { ClockQuality, WallMs } from '../core/time.ts';
import type { ContentStore } from '../datasets/content-store.ts';
import type { RecordFormat, TableDefinition } from '../formats/record-stream.ts';
import type { IngestCounts, IngestLedger } from '../observations/ingest-ledger.ts';
import { encodeGap, type LoggerEvent, type ObservationStore, type RowSource } from '../observations/observation-store.ts';
import { QualityChecks, worseFlags } from '../observations/quality-checks.ts';
import { RowNumbers } from '../observations/row-numbers.ts';
import type { SegmentRow } from '../observations/segment-batch.ts';
import { type Derivation, encodeTableRevision, type TableRevision, tableRevision } from '../observations/table-revision.ts';
import type { Compressor } from '../ports/compressor.ts';
import type { Crypto } from '../ports/crypto.ts';
import type { TimeZones } from '../ports/time-zones.ts';
import type { SiteProfile } from './site-profile.ts';
import { isDoubt } from './site-time.ts';

/**
 * The last step of ingestion: rows are compared with what is stored, checked, flagged, written into this node's log and counted. Part of the caller's transaction.
 */

/** What ingestion needs of its node: writing log entries, atomically with its own rows. */
export interface IngestHost {
  readonly self: NodeId;
  /** How far this node's clock can be trusted. */
  readonly clockQuality: ClockQuality;
  wallMs(): WallMs;
  /** Runs work in its turn with whatever else moves stored bytes. */
  exclusive<T>(name: string, work: () => Promise<T>): Promise<T>;
  atomically<T>(work: () => T): T;
  append(dataset: DatasetId, kind: 'table' | 'segment' | 'gap', payload: CborValue): void;
}

/** Parts of a node that ingestion writes to. */
export interface IngestParts {
  readonly observations: ObservationStore;
  readonly ledger: IngestLedger;
  readonly contents: ContentStore;
  readonly crypto: Crypto;
  readonly compressor: Compressor;
  readonly formats: readonly RecordFormat[];
  readonly timeZones: TimeZones;
  readonly host: IngestHost;
}

/** What reading one source once came to. `read = stored + duplicate + quarantined`. */
export interface IngestReport extends IngestCounts {
  readonly source: string;
  /** Format identifier, absent when none was recognised. */
  readonly format?: string;
  /** Bytes at the end of a growing file that are not a whole record yet. */
  readonly pendingBytes: number;
  readonly events: number;
  readonly gaps: number;
  /** Reasons of what was quarantined this time, each once, with how often. */
  readonly defects: Readonly<Record<string, number>>;
}

/** Attribute of an instrument's table that says which offset from UTC its stamps were read with, minutes. */
export const utcOffsetAttribute = 'utc_offset_minutes';
/** Attribute of an instrument's table that says which zone's clock its stamps were read with. */
export const zoneAttribute = 'utc_zone';

/** Rows in one log entry at most. */
export const rowsPerSegment = 2048;

/** Counts of one reading. */
export class Tally {
  #counts: IngestCounts = { read: 0, stored: 0, duplicate: 0, quarantined: 0 };
  readonly #defects = new Map<string, number>();
  events = 0;
  gaps = 0;

  add(more: IngestCounts, events: number): void {
    const { read, stored, duplicate, quarantined } = this.#counts;
    this.#counts = {
      read: read + more.read,
      stored: stored + more.stored,
      duplicate: duplicate + more.duplicate,
      quarantined: quarantined + more.quarantined,
    };
    this.events += events;
  }

  quarantine(code: string): void {
    this.add({ read: 1, stored: 0, duplicate: 0, quarantined: 1 }, 0);
    this.#defects.set(code, (this.#defects.get(code) ?? 0) + 1);
  }

  /** What the reading came to, of a source whose last `pendingBytes` wait for more. */
  report(source: string, format: string | undefined, pendingBytes: number): IngestReport {
    return {
      source,
      ...(format === undefined ? {} : { format }),
      ...this.#counts,
      pendingBytes,
      events: this.events,
      gaps: this.gaps,
      defects: Object.fromEntries(this.#defects),
    };
  }
}

/** One piece that could not be used. */
export interface Defect {
  readonly source: string;
  readonly offset: number;
  readonly lengthBytes: number;
  readonly scope: 'record' | 'file';
  readonly code: string;
  readonly message: string;
  readonly bytes: Uint8Array;
}

/** Writes what one reading of one source yields. */
export class RowWriter {
  readonly #parts: IngestParts;
  readonly #dataset: DatasetId;
  readonly #profile: SiteProfile;
  /** Name of the source in the counts; absent for what is derived again, as that was counted when it was read. */
  readonly #countedAs: string | undefined;
  readonly #reason: string | undefined;
  readonly #checksByTable = new Map<Hash, QualityChecks>();
  /** What is stored at the moment, taken apart. */
  readonly #numbers = new RowNumbers();
  readonly tally = new Tally();

  /** @param reason of deriving again; the rows go into a revision of their own */
  constructor(parts: IngestParts, dataset: DatasetId, profile: SiteProfile, countedAs: string | undefined, reason?: string) {
    this.#parts = parts;
    this.#dataset = dataset;
    this.#profile = profile;
    this.#countedAs = countedAs;
    this.#reason = reason;
  }

  /** The revision that rows of a table go into: where the table was derived again on this node, the derived one, so that a source goes on where it was put right. */
  revisionOf(found: TableDefinition, profile: SiteProfile = this.#profile): TableRevision {
    const { ledger, crypto } = this.#parts;
    const { position, intervalUs } = profile;
    const site = {
      stationId: profile.stationId ?? found.station,
      stationName: profile.stationName ?? found.station,
      ...(position === undefined ? {} : { position }),
      ...(intervalUs === undefined ? {} : { intervalUs }),
    };
    const first = tableRevision(found, site, crypto);
    const reason = this.#reason ?? ledger.derivation(this.#dataset, first.id);
    if (reason === undefined) return first;
    const derivation: Derivation = { from: first.id, reason };
    return tableRevision(found, { ...site, derivation }, crypto);
  }

  /**
   * Counts a record as duplicate that is stored at the other instant at which its clock showed the same; false where it is not. A record whose pass through an hour that comes twice cannot be known may be taken for
   * one of the other pass when it is read again with others before it, and stays where it is.
   *
   * One without a number is the same as one of the other pass only where the first pass is known to hold another content: equal readings in both passes are two observations. Where that is not known it is stored,
   * marked as doubtful.
   *
   * @param time of the record, with the other instant
   * @param gathered rows of the same reading that are not stored yet
   */
  isOtherPass(
    revision: TableRevision,
    { recordNumber, cells }: Pick<SegmentRow, 'recordNumber' | 'cells'>,
    { kind, timeUs, otherUs }: { readonly kind: 'certain' | 'doubtful'; readonly timeUs: number; readonly otherUs: number },
    gathered: readonly SegmentRow[],
  ): boolean {
    const { observations } = this.#parts;
    const row = recordNumber === undefined ? { timeUs: otherUs, cells } : { timeUs: otherUs, recordNumber, cells };
    if (observations.unstored(this.#dataset, revision.id, [row]).length > 0) return false;
    if (recordNumber === undefined) {
      const firstUs = Math.min(timeUs, otherUs);
      const isOther = (held: SegmentRow): boolean => held.timeUs === firstUs && held.cells.some((cell, field) => cell !== cells[field]);
      const stored = observations.rows(this.#dataset, revision.id, firstUs, firstUs + 1);
      if (![...stored, ...gathered].some(isOther)) return false;
      if (kind === 'certain' && !observations.events(this.#dataset, revision.id).some((event) => isDoubt(event, otherUs, timeUs)))
        return false;
    }
    this.#count({ read: 1, stored: 0, duplicate: 1, quarantined: 0 }, 0);
    return true;
  }

  /** Stores the rows that are not there yet, with the definition of their table in front where it is needed, and counts all of them. */
  store(revision: TableRevision, rows: readonly SegmentRow[], events: readonly LoggerEvent[], source: RowSource): void {
    const { observations, host } = this.#parts;
    const dataset = this.#dataset;
    if (!observations.isDefinedBy(dataset, host.self, revision)) host.append(dataset, 'table', encodeTableRevision(revision));
    const fresh = this.#fresh(revision, rows);
    const { rows: flagged, numbersFrom } = this.#flagged(revision, fresh);
    const fieldCount = revision.fields.length;
    for (let from = 0; from < flagged.length || (from === 0 && events.length > 0); from += rowsPerSegment) {
      const some = flagged.slice(from, from + rowsPerSegment);
      const batch = { table: revision.id, rows: some, events: from === 0 ? events : [], source };
      const numbersIn = (field: number) => this.#numbers.column(field, numbersFrom + from, some.length);
      host.append(dataset, 'segment', observations.encode(batch, fieldCount, numbersIn));
    }
    this.#count({ read: rows.length, stored: fresh.length, duplicate: rows.length - fresh.length, quarantined: 0 }, events.length);
  }

  /** Says that records, up to but not including `toRecord`, are lost: the logger had overwritten them. */
  overwritten({ id }: TableRevision, fromRecord: number, toRecord: number): void {
    this.tally.gaps++;
    const reason = 'overwritten in the logger before it was collected';
    this.#parts.host.append(this.#dataset, 'gap', encodeGap({ table: id, fromRecord, toRecord, reason }));
  }

  /** Puts a piece into quarantine, and counts it unless it is there already. */
  quarantine(piece: Defect): void {
    const { ledger, host } = this.#parts;
    if (!ledger.quarantine(this.#dataset, { ...piece, atMs: host.wallMs() })) return;
    this.tally.quarantine(piece.code);
    if (this.#countedAs !== undefined) ledger.count(this.#dataset, this.#countedAs, { read: 1, stored: 0, duplicate: 0, quarantined: 1 });
  }

  #count(counts: IngestCounts, events: number): void {
    this.tally.add(counts, events);
    if (this.#countedAs !== undefined) this.#parts.ledger.count(this.#dataset, this.#countedAs, counts);
  }

  /** Rows that are not stored and not twice among these. */
  #fresh(revision: TableRevision, rows: readonly SegmentRow[]): readonly SegmentRow[] {
    const isRising = rows.every((row, index) => index === 0 || row.timeUs > (rows[index - 1] as SegmentRow).timeUs);
    return this.#parts.observations.unstored(this.#dataset, revision.id, isRising ? rows : onceEach(rows));
  }

  /** The rows with their flags, before them the last stored row where only now is known how it stands beside its neighbours, and which row of the numbers is the first of them. */
  #flagged(revision: TableRevision, rows: readonly SegmentRow[]): { readonly rows: readonly SegmentRow[]; readonly numbersFrom: number } {
    const { quality } = this.#profile;
    if (quality === undefined || rows.length === 0) {
      this.#numbers.read(rows, revision.fields.length);
      return { rows, numbersFrom: 0 };
    }
    let checks = this.#checksByTable.get(revision.id);
    if (checks === undefined) {
      checks = new QualityChecks(revision.fields, quality);
      this.#checksByTable.set(revision.id, checks);
    }
    const isOrdered = rows.every((row, index) => index === 0 || row.timeUs >= (rows[index - 1] as SegmentRow).timeUs);
    const ordered = isOrdered ? rows : rows.toSorted((a, b) => a.timeUs - b.timeUs);
    const [first] = ordered as [SegmentRow];
    const before = this.#parts.observations.rowsBefore(this.#dataset, revision.id, first.timeUs, checks.contextRows);
    const checked = [...before, ...ordered];
    this.#numbers.read(checked, revision.fields.length);
    const flags = checks.check(checked, this.#numbers);
    const last = before.at(-1);
    const flagged: SegmentRow[] = [];
    if (last?.flags !== undefined) {
      const merged = worseFlags(last.flags, flags[before.length - 1] as Uint8Array);
      if (merged.some((flag, field) => flag !== last.flags?.[field])) flagged.push({ ...last, flags: merged });
    }
    const flagsOf = (row: SegmentRow, checked: Uint8Array): Uint8Array =>
      row.flags === undefined ? checked : worseFlags(row.flags, checked);
    for (const [index, row] of ordered.entries()) flagged.push(withFlags(row, flagsOf(row, flags[before.length + index] as Uint8Array)));
    return { rows: flagged, numbersFrom: checked.length - flagged.length };
  }
}

/** Written out, as rows are many and a spread costs more than all the rest of it. */
function withFlags({ timeUs, recordNumber, cells }: SegmentRow, flags: Uint8Array): SegmentRow {
  return recordNumber === undefined ? { timeUs, cells, flags } : { timeUs, recordNumber, cells, flags };
}

function onceEach(rows: readonly SegmentRow[]): readonly SegmentRow[] {
  const seen = new Set<string>();
  return rows.filter((row) => {
    const name = `${row.timeUs} ${row.recordNumber ?? ''} ${JSON.stringify(row.cells)}`;
    if (seen.has(name)) return false;
    seen.add(name);
    return true;
  });
}
