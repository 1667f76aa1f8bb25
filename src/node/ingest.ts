import { toHex } from '../core/bytes.ts';
import type { CborValue } from '../core/cbor.ts';
import { GodwitError } from '../core/errors.ts';
import type { DatasetId, NodeId } from '../core/identifiers.ts';
import type { WallMs } from '../core/time.ts';
import type { ContentStore } from '../datasets/content-store.ts';
import type { FormatReader, LocalStamp, ParsedItem, ReaderPosition, RecordFormat, TableDefinition } from '../formats/record-stream.ts';
import type { CollectedBatch, DeviceSession } from '../instruments/driver.ts';
import type { DeviceCursor, FileCursor, IngestCounts, IngestLedger } from '../observations/ingest-ledger.ts';
import { encodeGap, encodeRowBatch, type LoggerEvent, type ObservationStore, type RowSource } from '../observations/observation-store.ts';
import type { SegmentRow } from '../observations/segment-batch.ts';
import { encodeTableRevision, type TableRevision, tableRevision } from '../observations/table-revision.ts';
import type { Compressor } from '../ports/compressor.ts';
import type { Crypto } from '../ports/crypto.ts';
import type { FileReader, FileTree } from '../ports/file-tree.ts';

/**
 * From an instrument's bytes to observations: archive raw, recognise, parse, normalise time, compare with what is stored, store, and only then move the cursor: rows, quarantine, counts
 * and cursor of one step are one transaction.
 *
 * Nothing is deleted and nothing is guessed: a piece that cannot be used goes to quarantine with its reason and its neighbours go on; a file without a zone is not read until the site profile
 * gives one.
 */

/** What the owner knows of a site and its loggers do not say. */
export interface SiteProfile {
  /** Name of the station that stays the same over years and loggers. Default: the station name the logger states. */
  readonly stationId?: string;
  readonly stationName?: string;
  /** Minutes east of UTC that the logger's clock is set to, all year. Needed where the file does not say. */
  readonly utcOffsetMinutes?: number;
  /** Surveyed position, WGS 84. */
  readonly position?: NonNullable<TableRevision['position']>;
  /** Microseconds between records, where it is known. */
  readonly intervalUs?: number;
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

/** What ingestion needs of its node: writing log entries, atomically with its own rows. */
export interface IngestHost {
  readonly self: NodeId;
  wallMs(): WallMs;
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
  readonly host: IngestHost;
}

/** Rows in one log entry at most. */
const rowsPerSegment = 2048;
const readBytes = 1024 * 1024;
const headBytes = 4096;

interface Step {
  readonly rows: SegmentRow[];
  readonly events: LoggerEvent[];
  readonly defects: { readonly item: Extract<ParsedItem, { type: 'defect' }>; readonly bytes: Uint8Array }[];
  from: number;
  to: number;
}

/** Reads files and collects from instruments into `series` datasets. The caller serialises calls for one source. */
export class Ingest {
  readonly #parts: IngestParts;

  constructor(parts: IngestParts) {
    this.#parts = parts;
  }

  /**
   * Reads what is new in a file of a tree. A file that grew goes on where it stopped; one that was replaced begins anew, and what it repeats counts as duplicate.
   *
   * A file that cannot be used as a whole (no format, a broken header, no zone) is quarantined with a reason and reported; it is tried again when it changed or the profile did.
   */
  async ingestFile(
    dataset: DatasetId,
    tree: FileTree,
    path: string,
    profile: SiteProfile,
    options: { readonly complete?: boolean } = {},
  ): Promise<IngestReport> {
    const stat = await tree.stat(path);
    if (stat === undefined) throw new GodwitError('FILE_MISSING', `There is no file "${path}" to read.`);
    const { ledger } = this.#parts;
    const source = path;
    const last = ledger.cursor<FileCursor>(dataset, source);
    const complete = options.complete === true;
    if (last !== undefined && !complete && last.sizeBytes === stat.sizeBytes && last.mtimeNs === String(stat.mtimeNs)) {
      return report(source, last.format, new Tally(), last.sizeBytes - last.position.offset);
    }
    const reader = await tree.open(path);
    try {
      const head = await reader.read(0, headBytes);
      const resume =
        last !== undefined && last.sizeBytes <= stat.sizeBytes && this.#prefixHash(head.subarray(0, last.prefixBytes)) === last.prefixHash
          ? last
          : undefined;
      const format = this.#parts.formats.find((each) => each.id === resume?.format) ?? recognise(this.#parts.formats, head, path);
      if (format === undefined)
        return this.#rejectFile(
          dataset,
          source,
          stat.sizeBytes,
          head,
          'FORMAT_UNKNOWN',
          'No known instrument format begins like this file.',
        );
      const run = new FileRun(this.#parts, dataset, source, profile, format, resume?.position);
      const cursorAt = (position: ReaderPosition): FileCursor => {
        const prefixBytes = Math.min(headBytes, head.length);
        return {
          kind: 'file',
          format: format.id,
          position,
          prefixHash: this.#prefixHash(head.subarray(0, prefixBytes)),
          prefixBytes,
          sizeBytes: stat.sizeBytes,
          mtimeNs: String(stat.mtimeNs),
        };
      };
      return await run.read(reader, stat.sizeBytes, complete, cursorAt);
    } finally {
      await reader.close();
    }
  }

  /**
   * Reads a message or body that came as a whole and will not come again once it was taken. What was stored of it before counts as duplicate; what cannot be used goes to quarantine.
   *
   * @param source under which it is counted; rows and quarantine name it with a piece of the bytes' hash behind it
   * @param formats which it may be of
   * @throws GodwitError `ZONE_UNKNOWN`: nothing was stored, and whoever sent it must keep it.
   */
  async ingestMessage(
    dataset: DatasetId,
    source: string,
    bytes: Uint8Array,
    formats: readonly RecordFormat[],
    profile: SiteProfile,
  ): Promise<IngestReport> {
    const name = `${source} #${this.#prefixHash(bytes).slice(0, 16)}`;
    const head = bytes.subarray(0, headBytes);
    const format = recognise(formats, head, source);
    if (format === undefined)
      return this.#rejectFile(dataset, name, bytes.length, bytes, 'FORMAT_UNKNOWN', 'No known instrument format begins like this.', source);
    return new FileRun(this.#parts, dataset, name, profile, format, undefined, source).readWhole(bytes);
  }

  /**
   * Collects a table of an instrument from where it was left, until the instrument has nothing newer. After a change of the logger's program it goes on with the new table revision.
   *
   * @throws GodwitError from the driver; what was stored before stays, and the next call goes on behind it.
   */
  async collect(dataset: DatasetId, source: string, session: DeviceSession, table: string, profile: SiteProfile): Promise<IngestReport> {
    const { ledger, host, contents } = this.#parts;
    const identity = await session.identify();
    const tally = new Tally();
    const key = `${source} ${table}`;
    const last = ledger.cursor<DeviceCursor>(dataset, key);
    // Another definition than the one the cursor was left in: a program change opened a new table revision, which is read from its beginning.
    const current = (await session.tables()).find((each) => each.name === table);
    const from = last !== undefined && last.revision === current?.revision ? last : undefined;
    for await (const batch of session.collect(table, from)) {
      const found = deviceTable(identity, batch);
      const offsetMinutes = profile.utcOffsetMinutes;
      const revision = this.#revisionOf(found, {
        ...profile,
        ...(batch.table.intervalUs > 0 ? { intervalUs: batch.table.intervalUs } : {}),
      });
      const rows = batch.records.map(({ stamp, recordNumber, cells }) => {
        const recordOffset = stamp.offsetMinutes ?? offsetMinutes;
        if (recordOffset === undefined) throw zoneUnknown(source);
        return { timeUs: toUtcUs(stamp, recordOffset), recordNumber, cells };
      });
      const raw = await contents.addBytes(batch.raw);
      host.atomically(() => {
        ledger.archive(dataset, { source: key, offset: 0, lengthBytes: batch.raw.length, root: raw.root });
        this.#storeRows(dataset, revision, rows, [], { name: key, root: raw.root, offset: 0, lengthBytes: batch.raw.length }, tally, key);
        if (batch.missing !== undefined) {
          tally.gaps++;
          host.append(
            dataset,
            'gap',
            encodeGap({
              table: revision.id,
              fromRecord: batch.missing.from,
              toRecord: batch.missing.to,
              reason: 'overwritten in the logger before it was collected',
            }),
          );
        }
        ledger.setCursor(dataset, key, { kind: 'device', ...batch.cursor });
      });
    }
    return report(key, undefined, tally, 0);
  }

  #rejectFile(
    dataset: DatasetId,
    source: string,
    sizeBytes: number,
    head: Uint8Array,
    code: string,
    message: string,
    countedAs = source,
  ): IngestReport {
    const { ledger, host } = this.#parts;
    const tally = new Tally();
    host.atomically(() => {
      const fresh = ledger.quarantine(dataset, {
        source,
        offset: 0,
        lengthBytes: sizeBytes,
        scope: 'file',
        code,
        message,
        bytes: head,
        atMs: host.wallMs(),
      });
      if (fresh) {
        tally.quarantine(code);
        ledger.count(dataset, countedAs, tally.counts());
      }
    });
    return report(source, undefined, tally, 0);
  }

  #prefixHash(bytes: Uint8Array): string {
    return toHex(this.#parts.crypto.sha256(bytes));
  }

  #revisionOf(found: TableDefinition, profile: SiteProfile): TableRevision {
    return revisionOf(found, profile, this.#parts.crypto);
  }

  #storeRows(
    dataset: DatasetId,
    revision: TableRevision,
    rows: readonly SegmentRow[],
    events: readonly LoggerEvent[],
    source: RowSource,
    tally: Tally,
    key: string,
  ): void {
    storeRows(this.#parts, dataset, revision, rows, events, source, tally, key);
  }
}

/** One reading of one file. */
class FileRun {
  readonly #parts: IngestParts;
  readonly #dataset: DatasetId;
  readonly #source: string;
  readonly #profile: SiteProfile;
  readonly #format: RecordFormat;
  readonly #reader: FormatReader;
  readonly #from: number;
  /** Name of the source in the counts. */
  readonly #countedAs: string;
  readonly #tally = new Tally();
  #revision: TableRevision | undefined;
  #needsZone = false;

  constructor(
    parts: IngestParts,
    dataset: DatasetId,
    source: string,
    profile: SiteProfile,
    format: RecordFormat,
    resume: ReaderPosition | undefined,
    countedAs = source,
  ) {
    this.#parts = parts;
    this.#dataset = dataset;
    this.#source = source;
    this.#profile = profile;
    this.#format = format;
    this.#reader = format.reader(resume);
    this.#from = resume?.offset ?? 0;
    this.#countedAs = countedAs;
    if (resume?.table !== undefined) this.#revision = revisionOf(resume.table, profile, parts.crypto);
  }

  async read(
    file: FileReader,
    sizeBytes: number,
    complete: boolean,
    cursorAt: (position: ReaderPosition) => FileCursor,
  ): Promise<IngestReport> {
    let offset = this.#from;
    while (offset < sizeBytes) {
      const bytes = await file.read(offset, Math.min(readBytes, sizeBytes - offset));
      if (bytes.length === 0) break;
      const items = this.#reader.push(bytes);
      offset += bytes.length;
      if (offset >= sizeBytes) items.push(...this.#reader.end({ complete }));
      await this.#take(items, file, cursorAt);
      if (this.#needsZone) return this.#withoutZone(sizeBytes);
    }
    if (sizeBytes === this.#from) await this.#take(this.#reader.end({ complete }), file, cursorAt);
    return report(this.#source, this.#format.id, this.#tally, sizeBytes - this.#reader.position().offset);
  }

  /** Reads bytes that are all there is; they have no cursor, as nothing follows them. */
  async readWhole(bytes: Uint8Array): Promise<IngestReport> {
    const items = [...this.#reader.push(bytes), ...this.#reader.end({ complete: true })];
    await this.#take(items, { read: async (offset, length) => bytes.subarray(offset, offset + length) }, () => undefined);
    if (this.#needsZone) throw zoneUnknown(this.#source);
    return report(this.#countedAs, this.#format.id, this.#tally, 0);
  }

  /** Stores what some items say and moves the cursor behind them. */
  async #take(
    items: readonly ParsedItem[],
    file: Pick<FileReader, 'read'>,
    cursorAt: (position: ReaderPosition) => FileCursor | undefined,
  ): Promise<void> {
    const { contents, host, ledger } = this.#parts;
    const first = items[0]?.range.offset ?? 0;
    const lastItem = items.at(-1);
    const end = lastItem === undefined ? first : lastItem.range.offset + lastItem.range.length;
    const raw = end > first ? await contents.addBytes(await file.read(first, end - first)) : undefined;
    const defects = new Map<ParsedItem, Uint8Array>();
    for (const item of items)
      if (item.type === 'defect') defects.set(item, await file.read(item.range.offset, Math.min(item.range.length, 65_536)));
    host.atomically(() => {
      if (raw !== undefined)
        ledger.archive(this.#dataset, { source: this.#source, offset: first, lengthBytes: end - first, root: raw.root });
      let step = newStep();
      for (const item of items) {
        if (item.type === 'table') {
          this.#flush(step);
          step = newStep();
          this.#revision = revisionOf(item.table, this.#profile, this.#parts.crypto);
        } else if (item.type === 'record' || item.type === 'event') {
          const offsetMinutes = item.stamp.offsetMinutes ?? this.#profile.utcOffsetMinutes;
          if (offsetMinutes === undefined) {
            this.#needsZone = true;
            return;
          }
          addToStep(step, item, toUtcUs(item.stamp, offsetMinutes));
          if (step.rows.length >= rowsPerSegment) {
            this.#flush(step);
            step = newStep();
          }
        } else if (item.type === 'defect') {
          step.defects.push({ item, bytes: defects.get(item) ?? new Uint8Array(0) });
        }
      }
      this.#flush(step);
      const cursor = cursorAt(this.#reader.position());
      if (cursor !== undefined) ledger.setCursor(this.#dataset, this.#source, cursor);
    });
  }

  #flush(step: Step): void {
    const { ledger, host } = this.#parts;
    for (const { item, bytes } of step.defects) {
      const { range, scope, code, message } = item;
      const piece = {
        source: this.#source,
        offset: range.offset,
        lengthBytes: range.length,
        scope,
        code,
        message,
        bytes,
        atMs: host.wallMs(),
      };
      if (ledger.quarantine(this.#dataset, piece)) {
        const before = this.#tally.counts();
        this.#tally.quarantine(code);
        ledger.count(this.#dataset, this.#countedAs, difference(this.#tally.counts(), before));
      }
    }
    if (this.#revision === undefined || (step.rows.length === 0 && step.events.length === 0)) return;
    const source = { name: this.#source, offset: step.from, lengthBytes: step.to - step.from };
    storeRows(this.#parts, this.#dataset, this.#revision, step.rows, step.events, source, this.#tally, this.#countedAs);
  }

  /** Nothing was stored and the cursor did not move: the file waits for its zone. */
  #withoutZone(sizeBytes: number): IngestReport {
    const { ledger, host } = this.#parts;
    const { code, message } = zoneUnknown(this.#source);
    host.atomically(() => {
      const piece = {
        source: this.#source,
        offset: 0,
        lengthBytes: sizeBytes,
        scope: 'file' as const,
        code,
        message,
        bytes: new Uint8Array(0),
        atMs: host.wallMs(),
      };
      if (ledger.quarantine(this.#dataset, piece)) {
        this.#tally.quarantine(code);
        ledger.count(this.#dataset, this.#source, this.#tally.counts());
      }
    });
    return report(this.#source, this.#format.id, this.#tally, sizeBytes);
  }
}

/** The format that the beginning of a file, or its name, is most like. */
function recognise(formats: readonly RecordFormat[], head: Uint8Array, path: string): RecordFormat | undefined {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const ranked = formats.map((format) => ({ format, confidence: format.sniff(head, name) })).sort((a, b) => b.confidence - a.confidence);
  const [best] = ranked;
  return best !== undefined && best.confidence > 0 ? best.format : undefined;
}

/** Writes the rows that are not stored yet into the log, with the definition of their table in front where it is needed, and counts all of them. */
function storeRows(
  parts: IngestParts,
  dataset: DatasetId,
  revision: TableRevision,
  rows: readonly SegmentRow[],
  events: readonly LoggerEvent[],
  source: RowSource,
  tally: Tally,
  key: string,
): void {
  const { observations, host, ledger, compressor } = parts;
  if (!observations.isDefinedBy(dataset, host.self, revision.id)) host.append(dataset, 'table', encodeTableRevision(revision));
  const seen = new Set<string>();
  const fresh = rows.filter((row) => {
    const name = `${row.timeUs} ${row.recordNumber ?? ''} ${JSON.stringify(row.cells)}`;
    if (seen.has(name) || observations.has(dataset, revision.id, row)) return false;
    seen.add(name);
    return true;
  });
  for (let from = 0; from < fresh.length || (from === 0 && events.length > 0); from += rowsPerSegment) {
    const batch = { table: revision.id, rows: fresh.slice(from, from + rowsPerSegment), events: from === 0 ? events : [], source };
    host.append(dataset, 'segment', encodeRowBatch(batch, revision.fields.length, compressor));
  }
  const counts = { read: rows.length, stored: fresh.length, duplicate: rows.length - fresh.length, quarantined: 0 };
  tally.add(counts, events.length);
  ledger.count(dataset, key, counts);
}

/** Counts of one reading. */
class Tally {
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

  counts(): IngestCounts {
    return this.#counts;
  }

  defects(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#defects);
  }
}

function report(source: string, format: string | undefined, tally: Tally, pendingBytes: number): IngestReport {
  return {
    source,
    ...(format === undefined ? {} : { format }),
    ...tally.counts(),
    pendingBytes,
    events: tally.events,
    gaps: tally.gaps,
    defects: tally.defects(),
  };
}

function difference(after: IngestCounts, before: IngestCounts): IngestCounts {
  return {
    read: after.read - before.read,
    stored: after.stored - before.stored,
    duplicate: after.duplicate - before.duplicate,
    quarantined: after.quarantined - before.quarantined,
  };
}

function newStep(): Step {
  return { rows: [], events: [], defects: [], from: Number.MAX_SAFE_INTEGER, to: 0 };
}

function addToStep(step: Step, item: Extract<ParsedItem, { type: 'record' | 'event' }>, timeUs: number): void {
  step.from = Math.min(step.from, item.range.offset);
  step.to = Math.max(step.to, item.range.offset + item.range.length);
  if (item.type === 'event') step.events.push({ timeUs, name: item.name, detail: item.detail });
  else step.rows.push({ timeUs, ...(item.recordNumber === undefined ? {} : { recordNumber: item.recordNumber }), cells: item.cells });
}

/** Microseconds since 1970 UTC of a time on a clock that is `offsetMinutes` east of UTC. */
function toUtcUs(stamp: LocalStamp, offsetMinutes: number): number {
  return stamp.localUs - (stamp.offsetMinutes ?? offsetMinutes) * 60_000_000;
}

function revisionOf(found: TableDefinition, profile: SiteProfile, crypto: Crypto): TableRevision {
  const stationName = profile.stationName ?? found.station;
  const { position, intervalUs } = profile;
  return tableRevision(
    found,
    {
      stationId: profile.stationId ?? found.station,
      stationName,
      ...(position === undefined ? {} : { position }),
      ...(intervalUs === undefined ? {} : { intervalUs }),
    },
    crypto,
  );
}

/** An instrument's table in the terms of a file's. */
function deviceTable(identity: Awaited<ReturnType<DeviceSession['identify']>>, batch: CollectedBatch): TableDefinition {
  return {
    format: 'device',
    station: identity.stationName,
    table: batch.table.name,
    model: identity.model,
    serial: identity.serial,
    attributes: {
      operatingSystem: identity.operatingSystem,
      program: identity.programName,
      signature: identity.programSignature,
      tableSignature: batch.table.revision,
    },
    fields: batch.table.fields,
  };
}

function zoneUnknown(source: string): GodwitError {
  return new GodwitError(
    'ZONE_UNKNOWN',
    `"${source}" does not say its zone; give the logger's utcOffsetMinutes in the site profile, and it will be read.`,
  );
}
