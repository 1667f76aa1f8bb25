import { toHex, utf8 } from '../core/bytes.ts';
import { GodwitError } from '../core/errors.ts';
import type { DatasetId } from '../core/identifiers.ts';
import type { ReaderPosition, RecordFormat, TableDefinition } from '../formats/record-stream.ts';
import type { CollectedBatch, CollectedRecord, DeviceSession, InstrumentClock } from '../instruments/driver.ts';
import { type ClockReading, clockEvent, clockSteps, hasStepped } from '../observations/clock-epochs.ts';
import type { DeviceCursor, FileCursor } from '../observations/ingest-ledger.ts';
import type { LoggerEvent } from '../observations/observation-store.ts';
import type { SegmentRow } from '../observations/segment-batch.ts';
import type { TableRevision } from '../observations/table-revision.ts';
import type { FileTree } from '../ports/file-tree.ts';
import { FileRun, zoneUnknown } from './file-ingest.ts';
import { type IngestParts, type IngestReport, RowWriter, Tally, utcOffsetAttribute, zoneAttribute } from './row-writer.ts';
import type { SiteProfile } from './site-profile.ts';
import { doubtOf, SiteTime, timeSkipped } from './site-time.ts';

/**
 * From an instrument's bytes to observations: archive raw, recognise, parse, normalise time, compare with what is stored, check, store, and only then move the cursor: rows, quarantine, counts
 * and cursor of one step are one transaction.
 *
 * Nothing is deleted and nothing is guessed: a piece that cannot be used goes to quarantine with its reason and its neighbours go on; a file without a zone is not read until the site profile
 * gives one.
 */

const headBytes = 4096;
/** A clock that is where it was said to be is written down again after so long, microseconds. */
const clockAgainUs = 24 * 3600 * 1_000_000;

/** An instrument's clock as it was read, and what this node's said at that moment. */
export interface ReadClock {
  readonly clock: InstrumentClock;
  /** Microseconds since 1970 UTC. */
  readonly referenceUs: number;
}

/** Reads files and collects from instruments into `series` datasets. The caller serialises calls for one source. */
export class Ingest {
  readonly #parts: IngestParts;
  /** The last reading of each instrument's clock that was written down, and the last of all. */
  readonly #clockByTable = new Map<string, { readonly written: ClockReading; readonly latest: ClockReading }>();

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
      return new Tally().report(source, last.format, last.ring === undefined ? last.sizeBytes - last.position.offset : 0);
    }
    const reader = await tree.open(path);
    try {
      const head = await reader.read(0, headBytes);
      const resume =
        last !== undefined && last.sizeBytes <= stat.sizeBytes && this.#prefixHash(head.subarray(0, last.prefixBytes)) === last.prefixHash
          ? last
          : undefined;
      // Of a ring only the header stays what it was.
      const known = this.#parts.formats.find(
        (each) => each.id === resume?.format && (resume.ring === undefined || each.sniff(head, path) > 0),
      );
      const format = known ?? recognise(this.#parts.formats, head, path);
      if (format === undefined)
        return this.#rejectFile(
          dataset,
          source,
          stat.sizeBytes,
          head,
          'FORMAT_UNKNOWN',
          'No known instrument format begins like this file.',
        );
      const left = resume?.ring && { offset: resume.position.offset, mark: resume.ring };
      const unrolled = await format.unroll?.(reader, stat.sizeBytes, { complete, ...(left && { position: left }) });
      const goesOn = resume !== undefined && known !== undefined && (format.unroll === undefined || unrolled?.continues === true);
      const { position, archivedTo, clocks } = goesOn ? resume : {};
      const from = { ...(position && { resume: position }), ...(archivedTo && { archivedTo }), ...(clocks && { clocks }) };
      const hasOverrun = resume?.ring !== undefined && unrolled?.continues === false;
      const run = new FileRun(this.#parts, { dataset, source, profile, format, hasOverrun, ...from });
      const cursorAt = (position: ReaderPosition, isAtEnd: boolean): FileCursor => {
        const prefixBytes = unrolled === undefined ? Math.min(headBytes, head.length) : 0;
        return {
          kind: 'file',
          format: format.id,
          position,
          prefixHash: this.#prefixHash(head.subarray(0, prefixBytes)),
          prefixBytes,
          sizeBytes: stat.sizeBytes,
          // A reading that ends in the middle has not seen the file as it is: it is read on even if it never changes again.
          mtimeNs: isAtEnd ? String(stat.mtimeNs) : '',
          ...(unrolled && { ring: unrolled.mark(position.offset) }),
        };
      };
      return await run.read(unrolled ?? reader, unrolled?.sizeBytes ?? stat.sizeBytes, complete, cursorAt);
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
    return new FileRun(this.#parts, { dataset, source: name, profile, format, countedAs: source }).readWhole(bytes);
  }

  /**
   * Collects a table of an instrument from where it was left, until the instrument has nothing newer. After a change of the logger's program it goes on with the new table revision.
   *
   * @param read the instrument's clock, where it has one; written down beside the rows when it is new, has stepped, or a day has passed
   * @throws GodwitError from the driver; what was stored before stays, and the next call goes on behind it.
   */
  async collect(
    dataset: DatasetId,
    source: string,
    session: DeviceSession,
    table: string,
    profile: SiteProfile,
    read?: ReadClock,
  ): Promise<IngestReport> {
    const { ledger, host, contents } = this.#parts;
    const identity = await session.identify();
    const key = `${source} ${table}`;
    const writer = new RowWriter(this.#parts, dataset, profile, key);
    const last = ledger.cursor<DeviceCursor>(dataset, key);
    // Another definition than the one the cursor was left in: a program change opened a new table revision, which is read from its beginning.
    const current = (await session.tables()).find((each) => each.name === table);
    const from = last !== undefined && last.revision === current?.revision ? last : undefined;
    const time = new SiteTime(profile, this.#parts.timeZones, last?.clocks);
    let lastRow: SegmentRow | undefined;
    for await (const batch of session.collect(table, from)) {
      const found = deviceTable(identity, batch, profile);
      const revision = writer.revisionOf(found, {
        ...profile,
        ...(batch.table.intervalUs > 0 ? { intervalUs: batch.table.intervalUs } : {}),
      });
      const { rows, events, skipped } = stamped(batch, revision, time, source, writer);
      events.push(...clockSteps(rows, revision.intervalUs, lastRow));
      lastRow = rows.at(-1) ?? lastRow;
      await host.exclusive(key, async () => {
        const raw = await contents.addBytes(batch.raw);
        host.atomically(() => {
          ledger.archive(dataset, { source: key, offset: 0, lengthBytes: batch.raw.length, root: raw.root });
          const origin = { name: key, root: raw.root, offset: 0, lengthBytes: batch.raw.length };
          const clockEvents = this.#clockEvents(`${dataset} ${key} ${toHex(revision.id)}`, profile, read);
          writer.store(revision, rows, [...events, ...clockEvents], origin);
          for (const { recordNumber = 0, cells } of skipped) {
            const bytes = utf8(JSON.stringify(cells));
            writer.quarantine({ source: key, offset: recordNumber, lengthBytes: bytes.length, scope: 'record', ...timeSkipped, bytes });
          }
          if (batch.missing !== undefined) writer.overwritten(revision, batch.missing.from, batch.missing.to);
          const clocks = time.state();
          ledger.setCursor(dataset, key, { kind: 'device', ...batch.cursor, ...(clocks && { clocks }) });
        });
      });
    }
    return writer.tally.report(key, undefined, 0);
  }

  /** What there is to say of an instrument's clock since it was last written down for a table. */
  #clockEvents(table: string, profile: SiteProfile, read: ReadClock | undefined): LoggerEvent[] {
    const shown = read && new SiteTime(profile, this.#parts.timeZones).resolve(read.clock.stamp, '');
    // In an hour that a clock shows twice it says too little of itself.
    if (read === undefined || shown?.kind !== 'certain') return [];
    const { clock, referenceUs } = read;
    const reading = {
      instrumentUs: shown.timeUs,
      referenceUs,
      uncertaintyMs: clock.uncertaintyMs,
      quality: this.#parts.host.clockQuality,
    };
    const before = this.#clockByTable.get(table);
    const isStep = before !== undefined && hasStepped(before.latest, reading);
    const isNews = before === undefined || isStep || referenceUs - before.written.referenceUs >= clockAgainUs;
    this.#clockByTable.set(table, { written: isNews ? reading : before.written, latest: reading });
    if (!isNews) return [];
    // What was read last before a step says how far the epoch reaches that ended with it.
    return isStep && before.latest !== before.written ? [clockEvent(before.latest), clockEvent(reading)] : [clockEvent(reading)];
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
    const writer = new RowWriter(this.#parts, dataset, {}, countedAs);
    this.#parts.host.atomically(() =>
      writer.quarantine({ source, offset: 0, lengthBytes: sizeBytes, scope: 'file', code, message, bytes: head }),
    );
    return writer.tally.report(source, undefined, 0);
  }

  #prefixHash(bytes: Uint8Array): string {
    return toHex(this.#parts.crypto.sha256(bytes));
  }
}

/** The format that the beginning of a file, or its name, is most like. */
export function recognise(formats: readonly RecordFormat[], head: Uint8Array, path: string): RecordFormat | undefined {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const ranked = formats.map((format) => ({ format, confidence: format.sniff(head, name) })).sort((a, b) => b.confidence - a.confidence);
  const [best] = ranked;
  return best !== undefined && best.confidence > 0 ? best.format : undefined;
}

/** The records of a batch as rows that are stored at no other instant, with what is to be said of their times, and those that are stamped with a time that was not. @throws GodwitError `ZONE_UNKNOWN` */
function stamped(
  { table, records }: CollectedBatch,
  revision: TableRevision,
  time: SiteTime,
  source: string,
  writer: RowWriter,
): { readonly rows: SegmentRow[]; readonly events: LoggerEvent[]; readonly skipped: CollectedRecord[] } {
  const [rows, events, skipped]: [SegmentRow[], LoggerEvent[], CollectedRecord[]] = [[], [], []];
  const intervalUs = table.intervalUs > 0 ? table.intervalUs : undefined;
  for (const record of records) {
    const { stamp, recordNumber, cells } = record;
    const found = time.resolve(stamp, `${revision.stationId} ${table.name}`, intervalUs);
    if (found === undefined) throw zoneUnknown(source);
    if (found.kind === 'skipped') {
      skipped.push(record);
      continue;
    }
    const { kind, timeUs, otherUs } = found;
    if (otherUs !== undefined && writer.isOtherPass(revision, record, { kind, timeUs, otherUs }, rows)) continue;
    const doubt = doubtOf(found, cells.length);
    rows.push({
      timeUs,
      ...(recordNumber === undefined ? {} : { recordNumber }),
      cells,
      ...(doubt && { flags: doubt.flags }),
    });
    if (doubt !== undefined) events.push(doubt.event);
  }
  return { rows, events, skipped };
}

/** An instrument's table in the terms of a file's. */
function deviceTable(
  identity: Awaited<ReturnType<DeviceSession['identify']>>,
  batch: CollectedBatch,
  { utcOffsetMinutes: offsetMinutes, zone }: SiteProfile,
): TableDefinition {
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
      ...(offsetMinutes === undefined ? {} : { [utcOffsetAttribute]: String(offsetMinutes) }),
      ...(zone === undefined ? {} : { [zoneAttribute]: zone }),
    },
    fields: batch.table.fields,
  };
}
