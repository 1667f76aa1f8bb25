import { statfsSync } from 'node:fs';
import { join } from 'node:path';
import { rateControlFactory } from './bandwidth/rate-control.ts';
import { FieldNode, type FieldNodeOptions } from './node/field-node.ts';
import type { Platform } from './node/platform.ts';
import { openBundleDirectory } from './runtime/bundle-directory.ts';
import { openDiskFileTree } from './runtime/disk-file-tree.ts';
import { makeDirectory } from './runtime/durable-directory.ts';
import { instrumentTimer } from './runtime/instrument-timer.ts';
import type { NamedLines } from './runtime/line-links.ts';
import { linuxPower } from './runtime/linux-power.ts';
import { linuxRoutes } from './runtime/linux-routes.ts';
import { openMulticast } from './runtime/multicast-sockets.ts';
import { nodeCrypto } from './runtime/node-crypto.ts';
import { openPackStore } from './runtime/pack-store.ts';
import { openSocketLinks } from './runtime/socket-links.ts';
import { openSqliteCatalog } from './runtime/sqlite-catalog.ts';
import { storageError } from './runtime/storage-faults.ts';
import { systemClock } from './runtime/system-clock.ts';
import { systemEntropy } from './runtime/system-entropy.ts';
import { systemTimeZones } from './runtime/system-time-zones.ts';
import { systemTimers } from './runtime/system-timers.ts';
import { WorkerPool } from './runtime/worker-pool.ts';
import { zstdCompressor } from './runtime/zstd-compressor.ts';

/** Where a node lives, and what it may do there. */
export interface OpenNodeOptions extends FieldNodeOptions {
  /** Holds everything the node knows: its keys, catalog and packs. Made when it does not exist, readable by its owner only. One process at a time. */
  readonly directory: string;
  /** How its datagrams behave beside other traffic on a shared link: give way when queues grow (`polite`, the default), or take a fair share. */
  readonly manner?: 'polite' | 'fair';
  /** Streams that lead to a peer, by name: `{ radio: () => openRadio() }` makes the link address `line:radio`, to listen at and to reach a peer at. They may lose and garble bytes. */
  readonly lines?: NamedLines;
  /**
   * Names of network interfaces over which every byte is paid for, for example `['eth1']` for a satellite terminal behind an Ethernet port. Modems are known by their names. Nobody is looked for there, and duties to collect
   * with `when.unmetered` wait while the way to their instrument leads there; known on Linux only.
   */
  readonly meteredInterfaces?: readonly string[];
}

/** What copies of large files may take by default, and of the room that is free when the node is opened. */
const baseCopiesBytesDefault = 4 * 1024 ** 3;
const baseCopiesFreeShare = 0.1;

/** What few nodes do, and many megabytes of a process that does not. */
const loadedWhenUsed: Pick<Platform, 'openTransport' | 'openMessageFeed' | 'listenForPushes' | 'exporters'> = {
  openTransport: async (address) => (await import('./runtime/instrument-links.ts')).openTransport(address),
  openMessageFeed: async (...subscription) => (await import('./runtime/mqtt-feed.ts')).mqttFeed()(...subscription),
  listenForPushes: async (...server) => (await import('./runtime/http-push-server.ts')).listenForPushes(...server),
  exporters: {
    netcdf: async (...file) => (await import('./runtime/netcdf-file.ts')).writeNetcdf(...file),
    geopackage: async (...file) => (await import('./runtime/geopackage-file.ts')).writeGeopackage(...file),
  },
};

function freeBytes(directory: string): number {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
}

/**
 * Opens a node on this computer, or makes a new one.
 *
 * @throws GodwitError `DIRECTORY_UNWRITABLE`, `CATALOG_LOCKED` (another process has it open), `CATALOG_DAMAGED`, `CATALOG_NEWER`, `DISK_FULL`
 * @example
 * const node = await openNode({ directory: '/var/lib/godwit', name: 'glacier' });
 * const team = node.createTeam('Storbreen');
 * await node.listen('udp://0.0.0.0:7077');
 * console.log(node.createInvite());
 */
export async function openNode(options: OpenNodeOptions): Promise<FieldNode> {
  const { directory, lines, manner = 'polite', meteredInterfaces = [], ...nodeOptions } = options;
  try {
    makeDirectory(directory);
  } catch (error) {
    throw storageError(error, `make the directory ${directory}`);
  }
  const catalog = openSqliteCatalog(join(directory, 'catalog.sqlite'));
  const work = new WorkerPool();
  try {
    const { discovery } = options;
    const power = linuxPower(systemClock);
    const platform = {
      clock: systemClock,
      timers: systemTimers,
      entropy: systemEntropy,
      crypto: nodeCrypto,
      compressor: zstdCompressor,
      catalog,
      chunks: await openPackStore(directory, work),
      links: openSocketLinks(lines),
      cutter: work,
      power,
      networkCost: linuxRoutes(new Set(meteredInterfaces)),
      ...(discovery === false
        ? {}
        : {
            discovery: openMulticast({
              excluded: [...(discovery?.exclude ?? []), ...meteredInterfaces],
              isOnBattery: () => power.read().source === 'battery',
            }),
          }),
      openTree: (root: string) => openDiskFileTree(root, work),
      openMedium: openBundleDirectory,
      instrumentTimer,
      timeZones: systemTimeZones(),
      ...loadedWhenUsed,
    };
    const baseCopiesBytesMax =
      nodeOptions.baseCopiesBytesMax ?? Math.min(baseCopiesBytesDefault, freeBytes(directory) * baseCopiesFreeShare);
    return await FieldNode.open(platform, rateControlFactory(manner), { ...nodeOptions, baseCopiesBytesMax });
  } catch (error) {
    catalog.close();
    throw error;
  }
}
