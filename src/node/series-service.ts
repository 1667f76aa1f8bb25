import { GodwitError } from '../core/errors.ts';
import type { DatasetId, Hash, NodeId } from '../core/identifiers.ts';
import type { ContentStore } from '../datasets/content-store.ts';
import type { EntryHeader } from '../datasets/entry-body.ts';
import { recordFormats } from '../formats/record-formats.ts';
import type { ExportReport } from '../formats/series-table.ts';
import { campbellHttpDriver } from '../instruments/campbell-http/driver.ts';
import type { DeviceDriver, DeviceSession, InstrumentTable } from '../instruments/driver.ts';
import { gpsdDriver } from '../instruments/gpsd/driver.ts';
import { hobolinkDriver } from '../instruments/hobolink/driver.ts';
import { modbusDriver } from '../instruments/modbus/driver.ts';
import { nmeaDriver } from '../instruments/nmea/driver.ts';
import { type PakbusConfiguration, pakbusDriver, pakbusRoutes } from '../instruments/pakbus/driver.ts';
import type { PakbusRoute } from '../instruments/pakbus/settings.ts';
import { physicalLink } from '../instruments/physical-link.ts';
import { sdi12Driver } from '../instruments/sdi12/driver.ts';
import { type ClockEpoch, clockEpochs, clockReadings } from '../observations/clock-epochs.ts';
import type { IngestLedger } from '../observations/ingest-ledger.ts';
import type { Gap, ObservationStore, TableSummary } from '../observations/observation-store.ts';
import { type TimeGap, timeGaps } from '../observations/quality-checks.ts';
import { placeAt, type StoredFix } from '../observations/station-place.ts';
import { comparePositions, type StationPosition } from '../observations/table-revision.ts';
import type { Chores } from './chores.ts';
import type { DatasetAccess } from './dataset-access.ts';
import type { CollectDuty, TimedDuty } from './duty.ts';
import { fixesIn } from './fixes.ts';
import { Ingest, type ReadClock } from './ingest.ts';
import { Intake } from './intake.ts';
import type { NodeDriver } from './node-driver.ts';
import { matchesGlob } from './path-glob.ts';
import { type PlacedRow, type PlacedRowsOptions, placedRows } from './placed-rows.ts';
import type { ExportFormat, Platform } from './platform.ts';
import { Reprocessing, type ReprocessOptions } from './reprocessing.ts';
import type { IngestParts, IngestReport } from './row-writer.ts';
import { seriesTables } from './series-export.ts';
import type { SiteProfile } from './site-profile.ts';

/**
 * The observations of a node's datasets: read from files and instruments into them, and written to files out of them. One at a time, each in its turn with the node's other work.
 */

/** How files are ingested. */
export interface IngestOptions {
  readonly profile?: SiteProfile;
  /** Profiles of single files by patterns for their paths (`*`, `?`, `**`), in place of `profile`; the first that matches counts. */
  readonly profileByPath?: readonly { readonly path: string; readonly profile: SiteProfile }[];
  /** The files will not grow any more: what is at their end is taken as it is. */
  readonly complete?: boolean;
  /** Paths below the directory; all by default. */
  readonly paths?: readonly string[];
}

/** How an instrument is collected from. */
export interface CollectOptions<C> {
  readonly address: string;
  readonly configuration: C;
  readonly profile: SiteProfile;
  /** All that the instrument has by default. */
  readonly tables?: readonly string[];
  readonly signal?: AbortSignal;
}

/** What the observations of a node work with. */
export interface SeriesServiceParts {
  readonly self: NodeId;
  readonly platform: Platform;
  readonly access: DatasetAccess;
  readonly observations: ObservationStore;
  readonly ledger: IngestLedger;
  readonly contents: ContentStore;
  readonly driver: NodeDriver;
  readonly chores: Chores;
  /** Instrument drivers beside the built-in ones. */
  readonly drivers: readonly DeviceDriver<object>[];
  /** What every entry of this node's begins with. */
  readonly header: () => Omit<EntryHeader, 'instant'>;
}

/** An export begins again at most this often because rows arrived while it was reading. */
const exportAttemptsMax = 5;

/** Instrument drivers that duties can name. */
const builtInDrivers: readonly DeviceDriver<object>[] = [
  pakbusDriver,
  campbellHttpDriver,
  modbusDriver,
  sdi12Driver,
  gpsdDriver,
  nmeaDriver,
  hobolinkDriver,
];

/** The observations of one node. */
export class SeriesService {
  readonly #parts: SeriesServiceParts;
  readonly #ingest: Ingest;
  readonly #intake: Intake;
  readonly #reprocessing: Reprocessing;
  readonly #turnByLink = new Map<string, Promise<unknown>>();
  readonly #closing = new AbortController();

  constructor(parts: SeriesServiceParts) {
    this.#parts = parts;
    const { self, platform, observations, ledger, contents, driver, header } = parts;
    const { clock, crypto, compressor } = platform;
    const ingestParts: IngestParts = {
      observations,
      ledger,
      contents,
      crypto,
      compressor,
      formats: recordFormats,
      timeZones: platform.timeZones,
      host: {
        self,
        clockQuality: parts.header().clockQuality,
        exclusive: (name, work) => parts.chores.exclusive(name, work),
        wallMs: () => clock.now().wallMs,
        atomically: (work) => driver.command((engine, now) => engine.atomically(now, work)),
        append: (dataset, kind, payload) => driver.command((engine, now) => engine.appendPayload(dataset, kind, payload, header(), now)),
      },
    };
    this.#ingest = new Ingest(ingestParts);
    this.#reprocessing = new Reprocessing(ingestParts);
    this.#intake = new Intake({
      self,
      platform,
      ingest: this.#ingest,
      chores: parts.chores,
      formats: recordFormats,
      requireWriter: (dataset) => this.#requireSeriesWriter(dataset),
    });
  }

  /** Does a duty about instruments. @throws GodwitError as the duty's own methods */
  async perform(duty: Exclude<TimedDuty, { kind: 'listen' | 'scan' }>, signal: AbortSignal): Promise<void> {
    switch (duty.kind) {
      case 'ingest':
        await this.ingest(duty.dataset as DatasetId, duty.directory, {
          profile: (duty.profile ?? {}) as SiteProfile,
          profileByPath: (duty.profileByPath ?? []) as NonNullable<IngestOptions['profileByPath']>,
        });
        break;
      case 'mqtt':
        await this.#intake.listenToBroker(duty, signal);
        break;
      case 'receive':
        await this.#intake.receive(duty, signal);
        break;
      case 'drop':
        await this.#intake.collectDrops(duty);
    }
  }

  /** Reads what is new in files below a directory. One that cannot be read keeps no other one from it. @throws GodwitError what the first such file failed with (`UNREADABLE`, `STORAGE_FAILED`), `DATASET_UNKNOWN`, `DATASET_KIND`, `NOT_A_WRITER`, `DIRECTORY_MISSING`, `DISK_FULL` */
  async ingest(dataset: DatasetId, directory: string, options: IngestOptions): Promise<IngestReport[]> {
    this.#requireSeriesWriter(dataset);
    return this.#parts.chores.exclusive(`ingest ${directory}`, async () => {
      const tree = this.#parts.platform.openTree(directory);
      const reports: IngestReport[] = [];
      const failures: unknown[] = [];
      const paths = options.paths ?? (await Array.fromAsync(tree.walk(), (entry) => (entry.kind === 'file' ? entry.path : undefined)));
      for (const path of paths) {
        if (path === undefined) continue;
        const own = options.profileByPath?.find((each) => matchesGlob(each.path, path))?.profile;
        const profile = own ?? options.profile ?? {};
        try {
          reports.push(await this.#ingest.ingestFile(dataset, tree, path, profile, { complete: options.complete ?? false }));
        } catch (error) {
          failures.push(error);
        }
      }
      if (failures.length > 0) throw failures[0];
      return reports;
    });
  }

  /**
   * Collects tables from an instrument from where they were left. A table that cannot be read does not keep the others from being read. Visits over one link wait for each other; those over others do not.
   *
   * @throws GodwitError `INSTRUMENT_UNREACHABLE`, and what the driver documents of the first table that failed; what was stored before stays.
   */
  async collect<C>(dataset: DatasetId, driver: DeviceDriver<C>, options: CollectOptions<C>): Promise<IngestReport[]> {
    this.#requireSeriesWriter(dataset);
    return (await this.#inTurn(options.address, () => this.#visit(dataset, driver, options))).reports;
  }

  /** True when something answers at an instrument's address; nothing is said to it. */
  async answers(address: string): Promise<boolean> {
    return this.#inTurn(address, async () => {
      try {
        await (await this.#parts.platform.openTransport(address)).close();
        return true;
      } catch (error) {
        if (error instanceof GodwitError) return false;
        throw error;
      }
    });
  }

  /** Does work over a link when nobody else is at it. */
  async #inTurn<T>(address: string, work: () => Promise<T>): Promise<T> {
    const { name } = physicalLink(address);
    const before = this.#turnByLink.get(name);
    const turn = (async () => {
      await before?.catch(() => undefined);
      return work();
    })();
    this.#turnByLink.set(name, turn);
    try {
      return await turn;
    } finally {
      if (this.#turnByLink.get(name) === turn) this.#turnByLink.delete(name);
    }
  }

  /**
   * Loggers that a PakBus router knows ways to. Takes its turn on the link.
   *
   * @throws GodwitError as collecting from the router would, and `INSTRUMENT_REFUSED` where it has no such setting
   */
  pakbusRoutes(address: string, configuration: PakbusConfiguration, signal: AbortSignal = this.#closing.signal): Promise<PakbusRoute[]> {
    const { openTransport, instrumentTimer } = this.#parts.platform;
    return this.#inTurn(address, async () => pakbusRoutes(configuration, await openTransport(address), instrumentTimer, signal));
  }

  /** Ends the visits to instruments that are under way, and waits until they have. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled(this.#turnByLink.values());
  }

  async #visit<C>(
    dataset: DatasetId,
    driver: DeviceDriver<C>,
    options: CollectOptions<C>,
  ): Promise<{ readonly reports: IngestReport[]; readonly ringMs?: number }> {
    const { platform } = this.#parts;
    const { address, configuration, profile, signal } = options;
    const stop = new AbortController();
    const abort = (): void => stop.abort();
    for (const each of [signal, this.#closing.signal]) {
      if (each?.aborted === true) abort();
      each?.addEventListener('abort', abort);
    }
    try {
      const transport = await platform.openTransport(address);
      const session = await driver.open(configuration, transport, platform.instrumentTimer, stop.signal);
      try {
        const held = await session.tables();
        const names = options.tables ?? held.map((table) => table.name);
        const clock = driver.capabilities.has('clock') ? await this.#readClock(session) : undefined;
        const reports: IngestReport[] = [];
        let failure: { readonly error: unknown } | undefined;
        for (const table of names) {
          try {
            reports.push(await this.#ingest.collect(dataset, address, session, table, profile, clock));
          } catch (error) {
            if (!(error instanceof GodwitError) || stop.signal.aborted) throw error;
            failure ??= { error };
          }
        }
        if (failure !== undefined) throw failure.error;
        const ringMs = shortestRingMs(held.filter(({ name }) => names.includes(name)));
        return { reports, ...(ringMs === undefined ? {} : { ringMs }) };
      } finally {
        await session.close();
      }
    } finally {
      for (const each of [signal, this.#closing.signal]) each?.removeEventListener('abort', abort);
    }
  }

  /** The instrument's clock and this node's; `undefined` where it cannot be read, as the records can all the same. */
  async #readClock(session: DeviceSession): Promise<ReadClock | undefined> {
    const { clock: nodeClock } = this.#parts.platform;
    try {
      const clock = await session.clock();
      // The instrument answered half a round trip ago.
      return { clock, referenceUs: Math.round((nodeClock.now().wallMs - clock.uncertaintyMs) * 1000) };
    } catch (error) {
      if (error instanceof GodwitError) return undefined;
      throw error;
    }
  }

  /**
   * Reads archived bytes again after a parser or a site profile was put right. The rows go into revisions of their own, derived from the first ones for the reason given; those stay. Doing it again for the same reason
   * goes on where it was left.
   *
   * @throws GodwitError `REASON_INVALID`, `ZONE_UNKNOWN`, `NOT_A_WRITER`, `CONTENT_DAMAGED` (retryable)
   */
  async reprocess(dataset: DatasetId, options: ReprocessOptions): Promise<IngestReport[]> {
    this.#requireSeriesWriter(dataset);
    return this.#parts.chores.exclusive(`reprocess ${dataset}`, () => this.#reprocessing.run(dataset, options));
  }

  /** What the clock of a table's instrument was worth, by the readings that were taken when it was collected. */
  clockEpochs(dataset: DatasetId, table: Hash): ClockEpoch[] {
    return clockEpochs(clockReadings(this.#parts.observations.events(dataset, table)));
  }

  /** Records of a table that are known to be lost: whoever collected it found them overwritten. In order of their numbers. */
  gaps(dataset: DatasetId, table: Hash): Gap[] {
    return this.#parts.observations.gaps(dataset, table);
  }

  /** Where rows of a table are missing between others, by its interval; nothing for a table of which that is not known. */
  *timeGaps(dataset: DatasetId, table: TableSummary['revision']): IterableIterator<TimeGap> {
    if (table.intervalUs !== undefined) yield* timeGaps(this.#parts.observations.rows(dataset, table.id), table.intervalUs);
  }

  /**
   * Where a station was at a time (microseconds since 1970 UTC); `undefined` when nobody knows. A survey in its definition counts before what receivers at it said.
   *
   * @param options `isMoving`: only fixes near the time count
   */
  positionAt(
    dataset: DatasetId,
    stationId: string,
    timeUs: number,
    options: { readonly isMoving?: boolean } = {},
  ): StationPosition | undefined {
    const { observations } = this.#parts;
    const isMoving = options.isMoving === true;
    let declared: StationPosition | undefined;
    const fixes: StoredFix[] = [];
    for (const { revision } of observations.tables(dataset)) {
      if (revision.stationId !== stationId) continue;
      if (comparePositions(revision.position, declared) > 0) declared = revision.position;
      fixes.push(...fixesIn(observations, dataset, revision, isMoving ? timeUs : undefined));
    }
    fixes.sort((a, b) => a.instantUs - b.instantUs);
    return placeAt({ ...(declared === undefined ? {} : { declared }), fixes, isMoving }, timeUs);
  }

  /** Rows of a table by time, each with where its station was: see `placed-rows.ts`. */
  placedRows(dataset: DatasetId, table: TableSummary['revision'], options: PlacedRowsOptions = {}): IterableIterator<PlacedRow> {
    return placedRows(this.#parts.observations, dataset, table, options);
  }

  /** Does a duty to collect; says in which time the instrument's memory is overwritten, where that is known. @throws GodwitError `DRIVER_UNKNOWN`, and as `collect` */
  async collectByDuty(duty: CollectDuty, signal: AbortSignal): Promise<{ readonly ringMs?: number }> {
    const driver = [...this.#parts.drivers, ...builtInDrivers].find((each) => each.id === duty.driver);
    if (driver === undefined) throw new GodwitError('DRIVER_UNKNOWN', `There is no instrument driver "${duty.driver}".`);
    const { address, configuration = {}, tables } = duty;
    const profile = duty.profile as SiteProfile;
    const options = { address, configuration, profile, signal, ...(tables === undefined ? {} : { tables }) };
    const dataset = duty.dataset as DatasetId;
    this.#requireSeriesWriter(dataset);
    const { ringMs } = await this.#inTurn(address, () => this.#visit(dataset, driver, options));
    return ringMs === undefined ? {} : { ringMs };
  }

  /** Writes a dataset to a file. @throws GodwitError `NOTHING_TO_EXPORT`, `EXPORT_FAILED`, `DISK_FULL`, `DIRECTORY_UNWRITABLE` */
  async export(dataset: DatasetId, format: ExportFormat, path: string): Promise<ExportReport> {
    const { access, chores, observations, platform } = this.#parts;
    access.requireKind(dataset, 'series');
    return chores.exclusive(`export ${path}`, async () => {
      for (let attempt = 1; ; attempt++) {
        const tables = seriesTables(observations, dataset);
        if (tables.length === 0) throw new GodwitError('NOTHING_TO_EXPORT', 'The dataset has no observations yet.', { retryable: true });
        const rows = tables.reduce((sum, table) => sum + table.rowCount, 0);
        try {
          return await platform.exporters[format](path, tables, { createdMs: platform.clock.now().wallMs });
        } catch (error) {
          // An exporter refuses to write half a table. Where rows arrived while it was reading, it starts again.
          const grown = seriesTables(observations, dataset).reduce((sum, table) => sum + table.rowCount, 0) !== rows;
          if (!grown || attempt === exportAttemptsMax) throw error;
        }
      }
    });
  }

  #requireSeriesWriter(dataset: DatasetId): void {
    this.#parts.access.requireKind(dataset, 'series');
    this.#parts.access.requireWriter();
  }
}

/** The shortest time in which a table of an instrument is overwritten, milliseconds. Tables of one record show the present and keep nothing. */
function shortestRingMs(tables: readonly InstrumentTable[]): number | undefined {
  const rings = tables.flatMap(({ capacityRecords = 0, intervalUs }) =>
    capacityRecords > 1 && intervalUs > 0 ? [(capacityRecords * intervalUs) / 1000] : [],
  );
  return rings.length === 0 ? undefined : Math.min(...rings);
}
