import type { WallMs } from '../core/time.ts';
import type { ExportReport, SeriesTable } from '../formats/series-table.ts';
import type { InstrumentTimer, InstrumentTransport } from '../instruments/driver.ts';
import type { ListenForPushes } from '../instruments/http-push/push-request.ts';
import type { OpenMessageFeed } from '../instruments/mqtt/message-feed.ts';
import type { BundleMedium } from '../ports/bundle-medium.ts';
import type { Catalog } from '../ports/catalog.ts';
import type { ChunkStore } from '../ports/chunk-store.ts';
import type { Clock } from '../ports/clock.ts';
import type { Compressor } from '../ports/compressor.ts';
import type { Crypto } from '../ports/crypto.ts';
import type { DiscoveryDriver } from '../ports/discovery.ts';
import type { Entropy } from '../ports/entropy.ts';
import type { FileTree } from '../ports/file-tree.ts';
import type { LinkDriver } from '../ports/links.ts';
import type { NetworkCost } from '../ports/network-cost.ts';
import type { PowerState } from '../ports/power-state.ts';
import type { SegmentCutter } from '../ports/segment-cutter.ts';
import type { TimeZones } from '../ports/time-zones.ts';
import type { Timers } from '../ports/timers.ts';

/**
 * Everything a node needs of the world. The Node runtime supplies one (`src/index.ts`), the simulator another.
 */
export interface Platform {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly entropy: Entropy;
  readonly crypto: Crypto;
  readonly compressor: Compressor;
  readonly catalog: Catalog;
  readonly chunks: ChunkStore;
  /** Other processors for publishing large files, where there are any. */
  readonly cutter?: SegmentCutter;
  readonly links: LinkDriver;
  /** Absent where members are not looked for on the local networks. */
  readonly discovery?: DiscoveryDriver;
  /** Absent where nothing is known of what feeds the computer. */
  readonly power?: PowerState;
  /** Absent where nothing is known of what networks cost. */
  readonly networkCost?: NetworkCost;
  /** Opens a directory that people use. Throws `DIRECTORY_MISSING` or `DIRECTORY_UNWRITABLE`. */
  openTree(directory: string): FileTree;
  /** Opens the removable medium at a directory. Throws nothing: whether it is there shows when it is used. */
  openMedium(directory: string): BundleMedium;
  /** Connects to an instrument: `tcp://host:port`. Throws `INSTRUMENT_UNREACHABLE`. */
  openTransport(address: string): Promise<InstrumentTransport>;
  readonly instrumentTimer: InstrumentTimer;
  /** What clocks show that follow the zones of site profiles. */
  readonly timeZones: TimeZones;
  readonly openMessageFeed: OpenMessageFeed;
  readonly listenForPushes: ListenForPushes;
  /** Writes tables of observations to a file, as one step. */
  readonly exporters: Readonly<Record<ExportFormat, SeriesExporter>>;
}

/** File formats that observations can be written in. */
export type ExportFormat = 'netcdf' | 'geopackage';

/** Writes tables to `path`, replacing it as one step. Throws `EXPORT_FAILED`, `DISK_FULL` or `DIRECTORY_UNWRITABLE`; the old file stands then. */
export type SeriesExporter = (
  path: string,
  tables: readonly SeriesTable[],
  options: { readonly createdMs: WallMs },
) => Promise<ExportReport>;
