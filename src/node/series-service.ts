import { GodwitError } from '../core/errors.ts';
import type { DatasetId, NodeId } from '../core/identifiers.ts';
import type { ContentStore } from '../datasets/content-store.ts';
import type { EntryHeader } from '../datasets/entry-body.ts';
import { recordFormats } from '../formats/record-formats.ts';
import type { ExportReport } from '../formats/series-table.ts';

import { campbellHttpDriver } from '../instruments/campbell-http/driver.ts';
import type { DeviceDriver } from '../instruments/driver.ts';
import { gpsdDriver } from '../instruments/gpsd/driver.ts';
import { hobolinkDriver } from '../instruments/hobolink/driver.ts';
import { modbusDriver } from '../instruments/modbus/driver.ts';
import { nmeaDriver } from '../instruments/nmea/driver.ts';
import { pakbusDriver } from '../instruments/pakbus/driver.ts';
import { sdi12Driver } from '../instruments/sdi12/driver.ts';
import type { IngestLedger } from '../observations/ingest-ledger.ts';
import type { ObservationStore } from '../observations/observation-store.ts';
import type { Chores } from './chores.ts';
import type { DatasetAccess } from './dataset-access.ts';
import type { Duty } from './duties.ts';
import { Ingest, type IngestReport, type SiteProfile } from './ingest.ts';
import { Intake } from './intake.ts';
import type { NodeDriver } from './node-driver.ts';
import type { ExportFormat, Platform } from './platform.ts';
import { seriesTables } from './series-export.ts';

/**
 * The observations of a node's datasets: read from files and instruments into them, and written to files out of them. One at a time, each in its turn with the node's other work.
 */

/** How files are ingested. */
export interface IngestOptions {
  readonly profile?: SiteProfile;
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
  /** What every entry of this node's begins with. */
  readonly header: () => Omit<EntryHeader, 'instant'>;
}

/** An export begins again at most this often because rows arrived while it was reading. */
const exportAttemptsMax = 5;

/** Instrument drivers that duties can name. */
const drivers: readonly DeviceDriver<object>[] = [
  pakbusDriver,
  campbellHttpDriver,
  modbusDriver,
  sdi12Driver,
  gpsdDriver,
  nmeaDriver,
  hobolinkDriver,
];

const neverAborted = new AbortController().signal;

/** The observations of one node. */
export class SeriesService {
  readonly #parts: SeriesServiceParts;
  readonly #ingest: Ingest;
  readonly #intake: Intake;

  constructor(parts: SeriesServiceParts) {
    this.#parts = parts;
    const { self, platform, observations, ledger, contents, driver, header } = parts;
    const { clock, crypto, compressor } = platform;
    this.#ingest = new Ingest({
      observations,
      ledger,
      contents,
      crypto,
      compressor,
      formats: recordFormats,
      host: {
        self,
        wallMs: () => clock.now().wallMs,
        atomically: (work) => driver.command((engine, now) => engine.atomically(now, work)),
        append: (dataset, kind, payload) => driver.command((engine, now) => engine.appendPayload(dataset, kind, payload, header(), now)),
      },
    });
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
  async perform(duty: Exclude<Duty, { kind: 'listen' | 'scan' }>, signal: AbortSignal): Promise<void> {
    switch (duty.kind) {
      case 'ingest':
        await this.ingest(duty.dataset as DatasetId, duty.directory, { profile: (duty.profile ?? {}) as SiteProfile });
        break;
      case 'collect':
        await this.collectByDuty(duty);
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

  /** Reads what is new in files below a directory. @throws GodwitError `DATASET_UNKNOWN`, `DATASET_KIND`, `NOT_A_WRITER`, `DIRECTORY_MISSING`, `DISK_FULL` */
  async ingest(dataset: DatasetId, directory: string, options: IngestOptions): Promise<IngestReport[]> {
    this.#requireSeriesWriter(dataset);
    return this.#parts.chores.exclusive(`ingest ${directory}`, async () => {
      const tree = this.#parts.platform.openTree(directory);
      const reports: IngestReport[] = [];
      const paths = options.paths ?? (await Array.fromAsync(tree.walk(), (entry) => (entry.kind === 'file' ? entry.path : undefined)));
      for (const path of paths) {
        if (path === undefined) continue;
        reports.push(await this.#ingest.ingestFile(dataset, tree, path, options.profile ?? {}, { complete: options.complete ?? false }));
      }
      return reports;
    });
  }

  /** Collects tables from an instrument from where they were left. @throws GodwitError `INSTRUMENT_UNREACHABLE`, and what the driver documents; what was stored before stays. */
  async collect<C>(dataset: DatasetId, driver: DeviceDriver<C>, options: CollectOptions<C>): Promise<IngestReport[]> {
    const { platform, chores } = this.#parts;
    this.#requireSeriesWriter(dataset);
    return chores.exclusive(`collect ${options.address}`, async () => {
      const transport = await platform.openTransport(options.address);
      const session = await driver.open(options.configuration, transport, platform.instrumentTimer, options.signal ?? neverAborted);
      try {
        const names = options.tables ?? (await session.tables()).map((table) => table.name);
        const reports: IngestReport[] = [];
        for (const table of names) reports.push(await this.#ingest.collect(dataset, options.address, session, table, options.profile));
        return reports;
      } finally {
        await session.close();
      }
    });
  }

  /** Does a duty to collect. @throws GodwitError `DRIVER_UNKNOWN`, and as `collect` */
  async collectByDuty(duty: Extract<Duty, { kind: 'collect' }>): Promise<void> {
    const driver = drivers.find((each) => each.id === duty.driver);
    if (driver === undefined) throw new GodwitError('DRIVER_UNKNOWN', `There is no instrument driver "${duty.driver}".`);
    const { address, configuration = {}, tables } = duty;
    const profile = duty.profile as SiteProfile;
    const options = { address, configuration, profile, ...(tables === undefined ? {} : { tables }) };
    await this.collect(duty.dataset as DatasetId, driver, options);
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
