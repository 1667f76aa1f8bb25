import { GodwitError } from '../core/errors.ts';
import type { DatasetId } from '../core/identifiers.ts';
import type { RecordFormat } from '../formats/record-stream.ts';
import { type ClockReading, clockEpochs, clockReadings, correctedUs } from '../observations/clock-epochs.ts';
import type { FileCursor, RawPiece } from '../observations/ingest-ledger.ts';
import type { LoggerEvent, TableSummary } from '../observations/observation-store.ts';
import type { SegmentRow } from '../observations/segment-batch.ts';
import type { TableRevision } from '../observations/table-revision.ts';
import type { TimeZones } from '../ports/time-zones.ts';
import { FileRun } from './file-ingest.ts';
import { recognise } from './ingest.ts';
import { type IngestParts, type IngestReport, RowWriter, rowsPerSegment, utcOffsetAttribute, zoneAttribute } from './row-writer.ts';
import type { SiteProfile } from './site-profile.ts';
import { doubtOf, SiteTime } from './site-time.ts';

/**
 * Reading the past again: what was parsed by a parser with a fault, stamped in a wrong zone, or never checked, is derived anew from the bytes that were archived when it was read.
 *
 * The rows go into revisions of their own, named by the first ones and the reason, so the old ones stay and two nodes that derive for one reason agree. What is read of these tables from then
 * on at this node goes into the derived revisions. Deriving twice for one reason adds what the first time left undone: a power cut in between loses nothing.
 *
 * Instruments' answers and mapped messages say too little by themselves to be parsed again; their rows hold the instrument's own digits, and are derived from these.
 */

/** How the past is read again. */
export interface ReprocessOptions {
  /** Why, in a few words, for example `zone was UTC+1`. Names the derived revisions. */
  readonly reason: string;
  /** What is known of the site now. */
  readonly profile?: SiteProfile;
  /** Names of files as `ingestCounts` has them, or stations' instruments by the names of their sources; all by default. */
  readonly sources?: readonly string[];
  /**
   * Readings of the logger's clock by which times are corrected. `read`: those that were taken whenever the instrument was collected; for its files too, where they name the same station and no other serial number. Default:
   * times stay as stamped.
   */
  readonly clock?: 'read' | readonly ClockReading[];
}

const reasonLengthMax = 256;
const headBytes = 4096;

/** Reads the past again. */
export class Reprocessing {
  readonly #parts: IngestParts;

  constructor(parts: IngestParts) {
    this.#parts = parts;
  }

  /** One report a source, and one a table that was derived from its rows. @throws GodwitError `REASON_INVALID`, `ZONE_UNKNOWN`, `CONTENT_DAMAGED` (retryable) */
  async run(dataset: DatasetId, options: ReprocessOptions): Promise<IngestReport[]> {
    const { reason, sources } = options;
    if (reason.trim() === '' || reason.length > reasonLengthMax)
      throw new GodwitError('REASON_INVALID', `A reason for reading again has 1 to ${reasonLengthMax} characters.`);
    const { ledger, observations, formats } = this.#parts;
    const isWanted = (source: string): boolean =>
      sources === undefined || sources.some((each) => source === each || source.startsWith(`${each} `));
    const reports: IngestReport[] = [];
    for (const source of ledger.rawSources(dataset)) {
      if (!isWanted(source)) continue;
      for (const pieces of generations(ledger.rawPieces(dataset, source))) {
        const format = await this.#formatOf(dataset, source, pieces);
        if (format !== undefined) reports.push(await this.#readAgain(dataset, source, format, pieces, options));
      }
    }
    const parsed = new Set(formats.map(({ id }) => id));
    for (const summary of observations.tables(dataset)) {
      const { format, derivation, stationId, table } = summary.revision;
      const isOurs = sources === undefined || sources.includes(`${stationId} ${table}`) || sources.includes(stationId);
      if (!parsed.has(format) && derivation === undefined && isOurs) reports.push(this.#deriveRows(dataset, summary, options));
    }
    return reports;
  }

  async #readAgain(
    dataset: DatasetId,
    source: string,
    format: RecordFormat,
    pieces: readonly RawPiece[],
    { reason, profile = {}, clock }: ReprocessOptions,
  ): Promise<IngestReport> {
    const { ledger, host } = this.#parts;
    const corrected = clock === 'read' ? this.#byReadClocks(dataset) : correction(clock ?? []);
    const run = new FileRun(this.#parts, { dataset, source, profile, format, reason, corrected });
    const report = await run.readAgain(this.#bytes(pieces));
    host.atomically(() => {
      for (const { derivation } of run.revisions()) if (derivation !== undefined) ledger.setDerivation(dataset, derivation.from, reason);
    });
    return report;
  }

  /** The times of files' tables by the clocks that drivers read of the same loggers. */
  #byReadClocks(dataset: DatasetId): (timeUs: number, table: TableRevision) => number {
    const correctionByTable = new Map<TableRevision, (timeUs: number) => number>();
    return (timeUs, table) => {
      let corrected = correctionByTable.get(table);
      if (corrected === undefined) {
        corrected = correction(this.#readingsOf(dataset, table));
        correctionByTable.set(table, corrected);
      }
      return corrected(timeUs);
    };
  }

  /** Readings of the clock of the logger that a table is of, whichever of its tables they were written down with; each once. */
  #readingsOf(dataset: DatasetId, { stationId, serial }: TableRevision): ClockReading[] {
    const { observations } = this.#parts;
    const readingByInstants = new Map<string, ClockReading>();
    for (const { revision } of observations.tables(dataset)) {
      const isOther = serial !== '' && revision.serial !== '' && revision.serial !== serial;
      if (revision.stationId !== stationId || isOther) continue;
      for (const reading of clockReadings(observations.events(dataset, revision.id)))
        readingByInstants.set(`${reading.instrumentUs} ${reading.referenceUs}`, reading);
    }
    return [...readingByInstants.values()];
  }

  /** Rows of a table whose raw bytes only its driver could read. */
  #deriveRows(dataset: DatasetId, { revision }: TableSummary, { reason, profile = {}, clock }: ReprocessOptions): IngestReport {
    const { observations, ledger, host } = this.#parts;
    const events = observations.events(dataset, revision.id);
    const corrected = correction(clock === 'read' ? clockReadings(events) : (clock ?? []));
    // Rows are stamped in UTC by the offset or zone that held when they were read; another one now moves them.
    const shown = shownBefore(revision.attributes, this.#parts.timeZones);
    const isMoved = shown !== undefined && (profile.utcOffsetMinutes !== undefined || profile.zone !== undefined);
    const time = new SiteTime(profile, this.#parts.timeZones);
    const { stationId, stationName, format, table, model, serial, attributes, fields, intervalUs, position } = revision;
    const site = {
      stationId,
      stationName,
      ...(intervalUs === undefined ? {} : { intervalUs }),
      ...(position === undefined ? {} : { position }),
    };
    const writer = new RowWriter(this.#parts, dataset, profile, undefined, reason);
    const derived = writer.revisionOf({ format, station: stationId, table, model, serial, attributes, fields }, { ...site, ...profile });
    const store = (rows: readonly SegmentRow[], some: readonly LoggerEvent[]): void =>
      host.atomically(() => writer.store(derived, rows, some, { name: `${stationId} ${table}`, offset: 0, lengthBytes: 0 }));
    let [rows, doubts]: [SegmentRow[], LoggerEvent[]] = [[], []];
    for (const { timeUs, recordNumber, cells } of observations.rows(dataset, revision.id)) {
      const found = isMoved ? time.resolve({ localUs: shown(timeUs) }, table) : undefined;
      // What the clock of the zone given now never showed keeps the time it had, as doubtful.
      const at = found?.kind === 'skipped' ? ({ kind: 'doubtful', timeUs, otherUs: timeUs } as const) : found;
      const doubt = at && doubtOf(at, cells.length);
      if (doubt !== undefined) doubts.push(doubt.event);
      rows.push({
        timeUs: corrected(at?.timeUs ?? timeUs),
        ...(recordNumber === undefined ? {} : { recordNumber }),
        cells,
        ...(doubt && { flags: doubt.flags }),
      });
      if (rows.length === rowsPerSegment) {
        store(rows, doubts);
        [rows, doubts] = [[], []];
      }
    }
    store(rows, [...doubts, ...events]);
    host.atomically(() => ledger.setDerivation(dataset, derived.derivation?.from ?? revision.id, reason));
    return writer.tally.report(`${stationId} ${table}`, format, 0);
  }

  async #formatOf(dataset: DatasetId, source: string, pieces: readonly RawPiece[]): Promise<RecordFormat | undefined> {
    const { ledger, formats } = this.#parts;
    const cursor = ledger.cursor<FileCursor>(dataset, source);
    if (cursor !== undefined) return cursor.kind === 'file' ? formats.find(({ id }) => id === cursor.format) : undefined;
    for await (const bytes of this.#bytes(pieces)) return recognise(formats, bytes.subarray(0, headBytes), source);
    return undefined;
  }

  async *#bytes(pieces: readonly RawPiece[]): AsyncGenerator<Uint8Array, void, void> {
    const { contents } = this.#parts;
    for (const { root, source } of pieces) {
      const content = contents.content(root);
      if (content === undefined)
        throw new GodwitError('CONTENT_DAMAGED', `Archived bytes of "${source}" cannot be read at the moment.`, { retryable: true });
      yield* contents.stream(content);
    }
  }
}

/** What the instrument's clock showed at the times of a table's rows, by the offset or zone that they were read with; `undefined` where the table does not say. */
function shownBefore(attributes: Readonly<Record<string, string>>, zones: TimeZones): ((timeUs: number) => number) | undefined {
  const { [utcOffsetAttribute]: offsetMinutes, [zoneAttribute]: zone } = attributes;
  if (offsetMinutes !== undefined) return (timeUs) => timeUs + Number(offsetMinutes) * 60_000_000;
  if (zone === undefined || zones.offsetSeconds(zone, 0) === undefined) return undefined;
  return (timeUs) => timeUs + (zones.offsetSeconds(zone, timeUs / 1000) ?? 0) * 1_000_000;
}

/** The time by a better clock, and as stamped where nobody knows. */
function correction(readings: readonly ClockReading[]): (timeUs: number) => number {
  const epochs = clockEpochs(readings);
  return (timeUs) => correctedUs(epochs, timeUs) ?? timeUs;
}

/**
 * Pieces of one source as whole files: a piece goes on where the one before it ended; one that goes on elsewhere belongs to another file under the same name, which shares with an earlier one what lies before it.
 */
export function generations(pieces: readonly RawPiece[]): RawPiece[][] {
  const files: RawPiece[][] = [];
  const endOf = (file: readonly RawPiece[]): number =>
    file.reduce((end, { offset, lengthBytes }) => Math.max(end, offset + lengthBytes), 0);
  for (const piece of pieces) {
    const grown = files.findLast((file) => endOf(file) === piece.offset);
    if (grown !== undefined && piece.offset > 0) {
      grown.push(piece);
      continue;
    }
    const shared = files.map((file) => file.filter(({ offset, lengthBytes }) => offset + lengthBytes <= piece.offset));
    const before = shared.findLast((file) => endOf(file) === piece.offset);
    // Bytes that begin nowhere are left out: what lies before them is not archived here.
    if (before !== undefined || piece.offset === 0) files.push([...(before ?? []), piece]);
  }
  return files;
}
