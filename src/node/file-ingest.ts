import { giveBack, toHex } from '../core/bytes.ts';
import { GodwitError } from '../core/errors.ts';
import type { DatasetId } from '../core/identifiers.ts';
import { PushBuffer } from '../formats/push-buffer.ts';
import type { BytesByPlace, FormatReader, ParsedItem, ReaderPosition, RecordFormat, TableDefinition } from '../formats/record-stream.ts';
import { clockSteps } from '../observations/clock-epochs.ts';
import type { FileCursor } from '../observations/ingest-ledger.ts';
import type { LoggerEvent } from '../observations/observation-store.ts';
import type { SegmentRow } from '../observations/segment-batch.ts';
import type { TableRevision } from '../observations/table-revision.ts';
import type { ZonedClockStates } from '../observations/zoned-clock.ts';
import { type IngestParts, type IngestReport, RowWriter, rowsPerSegment } from './row-writer.ts';
import type { SiteProfile } from './site-profile.ts';
import { type Doubt, doubtOf, SiteTime, timeSkipped, toUtcUs } from './site-time.ts';

/**
 * One reading of one file, message or archived piece: bytes in, rows and defects out, in steps that are one transaction each.
 */

/** Bytes that are archived and made durable together. */
const readBytes = 512 * 1024;
/** Bytes that are parsed at once: what is made of them is young when it is not needed any more, which is when memory costs least. */
const parsedBytes = 64 * 1024;
const defectBytesMax = 65_536;

/** Rows of one table that are gathered until there are enough for a segment: in a file whose tables take turns line by line, each has its own. */
interface Gathering {
  readonly revision: TableRevision;
  rows: SegmentRow[];
  events: LoggerEvent[];
  from: number;
  to: number;
}

/** How a source is read. */
export interface FileRunOptions {
  readonly dataset: DatasetId;
  /** Name of the source, as rows and quarantine have it. */
  readonly source: string;
  readonly profile: SiteProfile;
  readonly format: RecordFormat;
  /** Where an earlier reading stopped. */
  readonly resume?: ReaderPosition;
  /** Where the archive of its bytes ended then; default: where the reading stopped. */
  readonly archivedTo?: number;
  /** Where its clocks stood then. */
  readonly clocks?: ZonedClockStates;
  /** It is a ring that went round since it was read last: what lies between the last record that is stored and the first of this reading was overwritten. */
  readonly hasOverrun?: boolean;
  /** Name of the source in the counts; default `source`. */
  readonly countedAs?: string;
  /** The bytes are archived already and are read again for this reason: rows go into a derived revision, and nothing else is noted. */
  readonly reason?: string;
  /** The time of a table's row by a better clock, where readings of the clock say it; default: as stamped. */
  readonly corrected?: (timeUs: number, table: TableRevision) => number;
}

/** One reading. */
export class FileRun {
  readonly #parts: IngestParts;
  readonly #options: FileRunOptions;
  readonly #reader: FormatReader;
  readonly #from: number;
  /** What is not parsed to its end yet, and behind it what was read last. */
  readonly #window: PushBuffer;
  #archivedTo: number;
  readonly #countedAs: string;
  readonly #writer: RowWriter;
  readonly #time: SiteTime;
  /** Found tables with the revision each is: tables that take turns are found again and again. */
  readonly #revisionByTable = new WeakMap<TableDefinition, TableRevision>();
  readonly #revisionById = new Map<string, TableRevision>();
  readonly #lastRowByTable = new Map<TableRevision, SegmentRow>();
  #revision: TableRevision | undefined;
  #gatherings = new Map<TableRevision, Gathering>();
  #needsZone = false;

  constructor(parts: IngestParts, options: FileRunOptions) {
    const { source, format, resume, archivedTo, countedAs = source, reason, dataset, profile, clocks } = options;
    this.#parts = parts;
    this.#options = options;
    this.#reader = format.reader(resume);
    this.#from = resume?.offset ?? 0;
    this.#window = new PushBuffer(this.#from);
    this.#archivedTo = archivedTo ?? this.#from;
    this.#countedAs = countedAs;
    this.#writer = new RowWriter(parts, dataset, profile, reason === undefined ? countedAs : undefined, reason);
    this.#time = new SiteTime(profile, parts.timeZones, clocks);
    if (resume?.table !== undefined) this.#revision = this.#revisionOf(resume.table);
  }

  /** True when a record came whose zone nobody knows; nothing of its step was stored. */
  get needsZone(): boolean {
    return this.#needsZone;
  }

  /** Table revisions of this reading. */
  revisions(): IterableIterator<TableRevision> {
    return this.#revisionById.values();
  }

  async read(
    file: BytesByPlace,
    sizeBytes: number,
    complete: boolean,
    cursorAt: (position: ReaderPosition, isAtEnd: boolean) => FileCursor,
  ): Promise<IngestReport> {
    let offset = this.#from;
    do {
      const bytes = await file.read(offset, Math.min(readBytes, sizeBytes - offset));
      if (bytes.length === 0 && offset < sizeBytes) break;
      offset += bytes.length;
      this.#window.push(bytes);
      const pushed = this.#window.bytes.subarray(this.#window.bytes.length - bytes.length);
      giveBack(bytes);
      if (offset >= sizeBytes) await this.#takeLast(pushed, complete, (position) => cursorAt(position, true));
      else await this.#take(offset, this.#parsed(pushed), (position) => cursorAt(position, false));
      if (this.#needsZone) return this.#withoutZone(sizeBytes);
    } while (offset < sizeBytes);
    return this.#report(this.#options.source, sizeBytes - this.#reader.position().offset);
  }

  /** Reads bytes that are all there is; they have no cursor, as nothing follows them. @throws GodwitError `ZONE_UNKNOWN` */
  async readWhole(bytes: Uint8Array): Promise<IngestReport> {
    this.#window.push(bytes);
    await this.#takeLast(bytes, true, () => undefined);
    if (this.#needsZone) throw zoneUnknown(this.#options.source);
    return this.#report(this.#countedAs, 0);
  }

  /** Reads archived pieces again, one behind the other. @throws GodwitError `ZONE_UNKNOWN`, and what reading the archive can fail with */
  async readAgain(pieces: AsyncIterable<Uint8Array>): Promise<IngestReport> {
    for await (const bytes of pieces) this.#takeAgain(this.#parsed(bytes));
    this.#takeAgain([this.#reader.end({ complete: true })]);
    return this.#report(this.#options.source, 0);
  }

  #report(source: string, pendingBytes: number): IngestReport {
    return this.#writer.tally.report(source, this.#options.format.id, pendingBytes);
  }

  #takeAgain(parsed: Iterable<readonly ParsedItem[]>): void {
    this.#parts.host.atomically(() => this.#store(parsed));
    if (this.#needsZone) throw zoneUnknown(this.#options.source);
  }

  /** What the reader makes of some bytes, when it is asked for. */
  *#parsed(bytes: Uint8Array): IterableIterator<readonly ParsedItem[]> {
    for (let at = 0; at < bytes.length; at += parsedBytes) yield this.#reader.push(bytes.subarray(at, at + parsedBytes));
  }

  /** Takes the last bytes that there are for now. What is no whole item of them may still change, so the archive ends before it. */
  async #takeLast(bytes: Uint8Array, complete: boolean, cursorAt: (position: ReaderPosition) => FileCursor | undefined): Promise<void> {
    const parsed = [...this.#parsed(bytes), this.#reader.end({ complete })];
    await this.#take(this.#reader.position().offset, parsed, cursorAt);
  }

  /** Archives the bytes up to an offset, stores what they say and moves the cursor behind what was parsed. */
  async #take(
    archiveTo: number,
    parsed: Iterable<readonly ParsedItem[]>,
    cursorAt: (position: ReaderPosition) => FileCursor | undefined,
  ): Promise<void> {
    const { contents, host, ledger } = this.#parts;
    const { dataset, source } = this.#options;
    const offset = this.#archivedTo;
    const lengthBytes = Math.max(0, archiveTo - offset);
    const { root } = (lengthBytes > 0 && (await contents.addBytes(this.#bytesAt(offset, lengthBytes)))) || {};
    host.atomically(() => {
      if (root !== undefined) ledger.archive(dataset, { source, offset, lengthBytes, root });
      this.#store(parsed);
      const position = this.#reader.position();
      const archivedTo = offset + lengthBytes;
      const cursor = this.#needsZone ? undefined : cursorAt(position);
      const clocks = this.#time.state();
      if (cursor !== undefined)
        ledger.setCursor(dataset, source, {
          ...cursor,
          ...(archivedTo > position.offset && { archivedTo }),
          ...(clocks && { clocks }),
        });
    });
    this.#archivedTo = offset + lengthBytes;
    this.#window.drop(this.#reader.position().offset - this.#window.offset);
  }

  /** Bytes of the file that were read and are not parsed to their end, or only now. */
  #bytesAt(offset: number, lengthBytes: number): Uint8Array {
    const from = offset - this.#window.offset;
    return this.#window.bytes.subarray(from, from + lengthBytes);
  }

  #store(parsed: Iterable<readonly ParsedItem[]>): void {
    for (const items of parsed) for (const item of items) if (!this.#storeItem(item)) return;
    for (const gathering of this.#gatherings.values()) this.#flush(gathering);
    this.#gatherings = new Map();
  }

  /** False when nothing of this step can be stored. */
  #storeItem(item: ParsedItem): boolean {
    const { source, profile, reason, corrected } = this.#options;
    if (item.type === 'table') {
      this.#revision = this.#revisionOf(item.table);
    } else if (item.type === 'record' || item.type === 'event') {
      const offsetMinutes = item.stamp.offsetMinutes ?? profile.utcOffsetMinutes;
      if (offsetMinutes === undefined) return this.#storeByZone(item);
      const stampedUs = toUtcUs(item.stamp, offsetMinutes);
      const revision = this.#revision;
      this.#gather(item, corrected === undefined || revision === undefined ? stampedUs : corrected(stampedUs, revision));
    } else if (item.type === 'defect' && reason === undefined) {
      const { range, scope, code, message } = item;
      const bytes = this.#bytesAt(range.offset, Math.min(range.length, defectBytesMax));
      this.#writer.quarantine({ source, offset: range.offset, lengthBytes: range.length, scope, code, message, bytes });
    }
    return true;
  }

  /** Gathers a record whose clock follows a zone. False where nobody knows which, and nothing of this step can be stored. */
  #storeByZone(item: Extract<ParsedItem, { type: 'record' | 'event' }>): boolean {
    const revision = this.#revision;
    const time = revision === undefined ? undefined : this.#time.resolve(item.stamp, `${revision.stationId} ${revision.table}`);
    if (revision === undefined || time === undefined) {
      this.#needsZone = true;
      this.#gatherings = new Map();
      return false;
    }
    const { source, reason, corrected = (timeUs) => timeUs } = this.#options;
    if (time.kind === 'skipped') {
      const { offset, length: lengthBytes } = item.range;
      if (reason === undefined)
        this.#writer.quarantine({ source, offset, lengthBytes, scope: 'record', ...timeSkipped, bytes: new Uint8Array(0) });
      return true;
    }
    const timeUs = corrected(time.timeUs, revision);
    if (item.type === 'record' && time.otherUs !== undefined) {
      const passes = { kind: time.kind, timeUs, otherUs: corrected(time.otherUs, revision) };
      if (this.#writer.isOtherPass(revision, item, passes, this.#gatherings.get(revision)?.rows ?? [])) return true;
    }
    const doubt = item.type === 'record' ? doubtOf(time, revision.fields.length) : undefined;
    this.#gather(item, timeUs, doubt);
    return true;
  }

  #revisionOf(found: TableDefinition): TableRevision {
    const known = this.#revisionByTable.get(found);
    if (known !== undefined) return known;
    const made = this.#writer.revisionOf(found);
    const revision = this.#revisionById.get(toHex(made.id)) ?? made;
    this.#revisionById.set(toHex(made.id), revision);
    this.#revisionByTable.set(found, revision);
    return revision;
  }

  #gather(item: Extract<ParsedItem, { type: 'record' | 'event' }>, timeUs: number, doubt?: Doubt): void {
    const revision = this.#revision;
    if (revision === undefined) return;
    let gathering = this.#gatherings.get(revision);
    if (gathering === undefined) {
      gathering = { revision, rows: [], events: [], from: Number.MAX_SAFE_INTEGER, to: 0 };
      this.#gatherings.set(revision, gathering);
    }
    gathering.from = Math.min(gathering.from, item.range.offset);
    gathering.to = Math.max(gathering.to, item.range.offset + item.range.length);
    if (item.type === 'event') gathering.events.push({ timeUs, name: item.name, detail: item.detail });
    else {
      const { recordNumber, cells } = item;
      const row = recordNumber === undefined ? { timeUs, cells } : { timeUs, recordNumber, cells };
      gathering.rows.push(doubt === undefined ? row : { ...row, flags: doubt.flags });
      if (doubt !== undefined) gathering.events.push(doubt.event);
    }
    if (gathering.rows.length >= rowsPerSegment) {
      this.#flush(gathering);
      this.#gatherings.delete(revision);
    }
  }

  #flush({ revision, rows, events, from, to }: Gathering): void {
    const steps = clockSteps(rows, revision.intervalUs, this.#lastRowByTable.get(revision));
    const last = rows.at(-1);
    if (this.#options.hasOverrun === true && !this.#lastRowByTable.has(revision)) this.#noteOverrun(revision, rows);
    if (last !== undefined) this.#lastRowByTable.set(revision, last);
    this.#writer.store(revision, rows, steps.length === 0 ? events : [...events, ...steps], {
      name: this.#options.source,
      offset: from,
      lengthBytes: to - from,
    });
  }

  /** Notes what was overwritten before the first rows of a table. Without record numbers nobody can say how much that was. */
  #noteOverrun(revision: TableRevision, rows: readonly SegmentRow[]): void {
    const [first] = rows;
    const [before] = first ? this.#parts.observations.rowsBefore(this.#options.dataset, revision.id, first.timeUs, 1) : [];
    if (before?.recordNumber === undefined || first?.recordNumber === undefined || first.recordNumber <= before.recordNumber + 1) return;
    this.#writer.overwritten(revision, before.recordNumber + 1, first.recordNumber);
  }

  /** Nothing was stored and the cursor did not move: the file waits for its zone. */
  #withoutZone(sizeBytes: number): IngestReport {
    const { source } = this.#options;
    const { code, message } = zoneUnknown(source);
    this.#parts.host.atomically(() => {
      this.#writer.quarantine({ source, offset: 0, lengthBytes: sizeBytes, scope: 'file', code, message, bytes: new Uint8Array(0) });
    });
    return this.#report(source, sizeBytes);
  }
}

/** The error of a source whose times have no zone. */
export function zoneUnknown(source: string): GodwitError {
  return new GodwitError(
    'ZONE_UNKNOWN',
    `"${source}" does not say its zone; give the logger's utcOffsetMinutes (or its zone) in the site profile, and it will be read.`,
  );
}
