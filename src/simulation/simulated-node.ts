import { rateControlFactory } from '../bandwidth/rate-control.ts';
import { invariant } from '../core/assert.ts';
import { GodwitError } from '../core/errors.ts';
import type { Random } from '../core/random.ts';
import type { MonotonicMs } from '../core/time.ts';
import type { ExportReport, SeriesTable } from '../formats/series-table.ts';
import type { InstrumentTransport } from '../instruments/driver.ts';
import type { PushAnswer, PushRequest } from '../instruments/http-push/push-request.ts';
import { FieldNode, type FieldNodeEvent, type FieldNodeOptions } from '../node/field-node.ts';
import type { Platform, SeriesExporter } from '../node/platform.ts';
import type { Catalog } from '../ports/catalog.ts';
import type { Crypto } from '../ports/crypto.ts';
import { zstdCompressor } from '../runtime/zstd-compressor.ts';
import { worldTimeZones } from './declared-time-zones.ts';
import { DiskFaults } from './disk-faults.ts';
import { MemoryChunkStore } from './memory-chunk-store.ts';
import { MemoryFileTree } from './memory-file-tree.ts';
import type { MessageBroker } from './message-broker.ts';
import { type CatalogBackup, type CatalogFaults, type OpenCatalog, SimulatedCatalog } from './simulated-catalog.ts';
import { SimulatedClock } from './simulated-clock.ts';
import { SimulatedLinks } from './simulated-links.ts';
import type { SimulatedNetwork } from './simulated-network.ts';
import { SimulatedTimers } from './simulated-timers.ts';
import type { Trace } from './trace.ts';
import type { UsbStick } from './usb-stick.ts';

/**
 * A computer of a simulated world, and the real node that runs on it.
 *
 * What survives a power cut: what the catalog committed, what the chunk store and the directories had synced. Everything else is the process, which `kill` ends at one instant and `start`
 * begins anew, through the node's own recovery.
 */

/** What a simulated computer is like. */
export interface SimulatedNodeOptions extends FieldNodeOptions {
  /** Milliseconds until written bytes are durable. Default 5. */
  readonly syncMs?: number;
  /** How its datagrams behave beside other traffic. Default `polite`. */
  readonly manner?: 'polite' | 'fair';
  /** Put between the node and its platform in every run: to plant a bug, or to make a member that misbehaves. */
  readonly platform?: (platform: Platform) => Platform;
}

/** What the computers of one world have in common. */
export interface Surroundings {
  readonly network: SimulatedNetwork;
  readonly trace: Trace;
  readonly crypto: Crypto;
}

/** Everything a computer's disk held at one time. */
export interface ComputerBackup {
  readonly catalog: CatalogBackup;
  readonly chunks: MemoryChunkStore;
  readonly trees: ReadonlyMap<string, MemoryFileTree>;
}

/** What a node wrote when it was asked to export: there are no files in a world, so the tables themselves are kept. */
export interface SimulatedExport {
  readonly format: string;
  readonly rows: readonly { readonly table: string; readonly timeUs: number; readonly cells: readonly (string | null)[] }[];
}

/** One life of the process, from its start to its end. */
interface Run {
  readonly links: SimulatedLinks;
  readonly timers: SimulatedTimers;
  readonly catalog: OpenCatalog;
  node?: FieldNode;
}

/** One computer, running or not. Made by `World`. */
export class SimulatedNode {
  readonly name: string;
  readonly clock: SimulatedClock;
  readonly disk: DiskFaults;
  /** Milliseconds until written bytes are durable, from now on. */
  syncMs: number;
  /** Instruments that can be reached from here, by address. */
  readonly instruments = new Map<string, () => InstrumentTransport>();
  /** Sticks that are plugged in, by the directory where they are found. */
  readonly sticks = new Map<string, UsbStick>();
  /** Brokers that can be reached from here, by address. */
  readonly brokers = new Map<string, MessageBroker>();
  /** Where this computer takes what loggers push, by address: call one with a request. */
  readonly pushes = new Map<string, (request: PushRequest) => Promise<PushAnswer>>();
  /** What was exported, by path. */
  readonly exports = new Map<string, SimulatedExport>();
  /** Everything the node reported, in all its runs. */
  readonly events: FieldNodeEvent[] = [];
  readonly #network: SimulatedNetwork;
  readonly #random: Random;
  readonly #trace: Trace;
  readonly #crypto: Crypto;
  readonly #options: SimulatedNodeOptions;
  readonly #catalog = new SimulatedCatalog();
  readonly #treeByDirectory = new Map<string, MemoryFileTree>();
  #chunks: MemoryChunkStore;
  #process: Run | undefined;
  #runs = 0;
  #eventsBeforeRun = 0;
  #packets = 0;
  #writes = 0;
  #killAtPacket: number | undefined;
  #killAtWrite: number | undefined;
  #killsAtPacket = 0;
  #killsAtWrite = 0;
  readonly #eventHandlers = new Set<(event: FieldNodeEvent) => void>();

  constructor(name: string, surroundings: Surroundings, random: Random, options: SimulatedNodeOptions) {
    const { network, trace, crypto } = surroundings;
    this.name = name;
    this.#network = network;
    this.#random = random;
    this.#trace = trace;
    this.#crypto = crypto;
    this.#options = options;
    this.clock = new SimulatedClock(network.agenda);
    this.disk = new DiskFaults(random.fork());
    const { agenda } = network;
    this.syncMs = options.syncMs ?? 5;
    this.disk.settle = () => new Promise((resolve) => void agenda.at((agenda.now.monotonicMs + this.syncMs) as MonotonicMs, resolve));
    this.#chunks = new MemoryChunkStore({ sha256: crypto.sha256, faults: this.disk });
  }

  /** The running node. */
  get node(): FieldNode {
    invariant(this.#process?.node !== undefined, `${this.name} does not run`);
    return this.#process.node;
  }

  get isRunning(): boolean {
    return this.#process?.node !== undefined;
  }

  /** The catalog, for checkers: whatever the node knows, without asking the node. */
  get catalog(): Catalog {
    return this.#catalog.disk;
  }

  /** What is wrong with the catalog's disk. */
  get catalogFaults(): CatalogFaults {
    return this.#catalog.faults;
  }

  /** True from the moment a process is started until it has ended. */
  get isBusy(): boolean {
    return this.#process !== undefined;
  }

  /** What the node reported since it was last started. */
  get eventsOfRun(): readonly FieldNodeEvent[] {
    return this.events.slice(this.#eventsBeforeRun);
  }

  /** The packs, for faults: what stands in them can be made to rot. */
  get chunks(): MemoryChunkStore {
    return this.#chunks;
  }

  /** Timers that will go off if nothing else happens. */
  get pendingTimers(): number {
    return this.#process?.timers.pending ?? 0;
  }

  /** How often the power failed where `killAtPacket` and `killAtWrite` wanted it. */
  get kills(): { readonly atPacket: number; readonly atWrite: number } {
    return { atPacket: this.#killsAtPacket, atWrite: this.#killsAtWrite };
  }

  /** Calls back on every event, in this and all later runs. */
  onEvent(handler: (event: FieldNodeEvent) => void): void {
    this.#eventHandlers.add(handler);
  }

  /** Packets sent, in all runs. */
  get packetsSent(): number {
    return this.#packets;
  }

  /** A directory of this computer; made when it is first asked for. */
  directory(path: string): MemoryFileTree {
    const existing = this.#treeByDirectory.get(path);
    if (existing !== undefined) return existing;
    const tree = new MemoryFileTree({ nowNs: () => this.clock.nowNs(), faults: this.disk });
    this.#treeByDirectory.set(path, tree);
    return tree;
  }

  /** True when somebody has asked for this directory before. */
  hasDirectory(path: string): boolean {
    return this.#treeByDirectory.has(path);
  }

  /** Begins a process: the node opens what an earlier one left. */
  async start(): Promise<FieldNode> {
    invariant(this.#process === undefined, `${this.name} runs already`);
    const run = this.#runs++;
    const process: Run = {
      links: new SimulatedLinks(this.name, run, this.#network, (path, bytes) => this.#observePacket(path, bytes)),
      timers: new SimulatedTimers(this.#network.agenda),
      catalog: this.#catalog.open(() => this.#observeWrite()),
    };
    this.#process = process;
    this.#eventsBeforeRun = this.events.length;
    this.#note(`start ${run}`);
    const entropy = this.#random.fork();
    const own: Platform = {
      clock: this.clock,
      timers: process.timers,
      entropy,
      crypto: this.#crypto,
      compressor: zstdCompressor,
      catalog: process.catalog,
      chunks: this.#chunks,
      links: process.links,
      openTree: (directory) => this.#openTree(directory),
      openMedium: (directory) => this.#openMedium(directory),
      openTransport: async (address) => this.#openTransport(address),
      instrumentTimer: {
        monotonicMs: () => this.clock.now().monotonicMs,
        wallMs: () => this.clock.now().wallMs,
        wait: (durationMs, signal) => process.timers.wait(durationMs, signal),
      },
      timeZones: worldTimeZones,
      openMessageFeed: async (options, deliver, signal) => {
        const broker = this.brokers.get(options.address);
        if (broker === undefined)
          throw new GodwitError('INSTRUMENT_UNREACHABLE', `no broker answers at ${options.address}`, { retryable: true });
        await broker.listen(options, deliver, signal);
      },
      listenForPushes: (options, _refuse, take, signal) => this.#listenForPushes(options.address, take, signal),
      exporters: { netcdf: this.#exporter('netcdf'), geopackage: this.#exporter('geopackage') },
    };
    const { syncMs: _, manner = 'polite', platform = (each) => each, ...nodeOptions } = this.#options;
    let node: FieldNode;
    try {
      node = await FieldNode.open(platform(own), rateControlFactory(manner), { name: this.name, ...nodeOptions });
    } catch (error) {
      // A process that cannot open its storage ends.
      if (this.#process === process) this.kill();
      throw error;
    }
    process.node = node;
    node.onEvent((event) => {
      if (this.#process !== process) return;
      this.events.push(event);
      for (const handler of this.#eventHandlers) handler(event);
      this.#note(`event ${JSON.stringify(event)}`);
    });
    return node;
  }

  /** The power fails now. What was not durable is gone, and nothing of the process says or does anything any more. */
  kill(): void {
    const process = this.#process;
    if (process === undefined) return;
    this.#note('killed');
    this.#process = undefined;
    process.links.halt();
    process.timers.halt();
    process.catalog.powerCut();
    this.#chunks.powerCut();
    this.#chunks = this.#chunks.reopen();
    for (const [directory, tree] of this.#treeByDirectory) {
      tree.powerCut();
      this.#treeByDirectory.set(directory, tree.reopen());
    }
  }

  /**
   * The power fails in the middle of things: just before this node sends the `packets`-th packet from now. What the node decided in the same moment and could not say any more is lost with it.
   */
  killAtPacket(packets: number): void {
    this.#killAtPacket = this.#packets + packets;
  }

  /** The power fails in the middle of writing: just before the `writes`-th statement from now that changes the catalog. The transaction it belongs to is undone. */
  killAtWrite(writes: number): void {
    this.#killAtWrite = this.#writes + writes;
  }

  /** A copy of the disk, as it is now: what a backup programme brings home. */
  backup(): ComputerBackup {
    const trees = new Map([...this.#treeByDirectory].map(([directory, tree]) => [directory, tree.copy()]));
    return { catalog: this.#catalog.backup(), chunks: this.#chunks.copy(), trees };
  }

  /** Puts the disk back to what it was when the backup was made; what came later is gone. The node must not run. */
  restore(backup: ComputerBackup): void {
    invariant(this.#process === undefined, `${this.name} runs`);
    this.#note('restored');
    this.#catalog.restore(backup.catalog);
    this.#chunks = backup.chunks.copy();
    this.#treeByDirectory.clear();
    for (const [directory, tree] of backup.trees) this.#treeByDirectory.set(directory, tree.copy());
  }

  /** Flips a bit in one of the stored chunks; false when there are none. */
  rotChunk(): boolean {
    const places = this.catalog.all<{ pack: number; offset: number; record_bytes: number }>(
      'SELECT pack, offset, record_bytes FROM chunk ORDER BY pack, offset',
    );
    const place = places[this.disk.random.below(Math.max(1, places.length))];
    if (place === undefined) return false;
    this.#chunks.rot({ pack: place.pack, offset: place.offset, recordBytes: place.record_bytes });
    return true;
  }

  /** Closes the node in order. */
  async stop(): Promise<void> {
    const process = this.#process;
    if (process?.node === undefined) return;
    this.#note('stop');
    await process.node.close();
    // The power may have failed meanwhile, and another process may run by now.
    if (this.#process !== process) return;
    process.timers.halt();
    this.#process = undefined;
    this.#chunks = this.#chunks.reopen();
  }

  #openTree(directory: string): MemoryFileTree {
    const tree = this.#treeByDirectory.get(directory);
    if (tree === undefined)
      throw new GodwitError('DIRECTORY_MISSING', `there is no directory ${directory} on ${this.name}`, { retryable: true });
    return tree;
  }

  #openMedium(directory: string): UsbStick {
    const stick = this.sticks.get(directory);
    if (stick === undefined) throw new GodwitError('DIRECTORY_MISSING', `no stick is plugged in at ${directory}`, { retryable: true });
    return stick;
  }

  #openTransport(address: string): InstrumentTransport {
    const open = this.instruments.get(address);
    if (open === undefined) throw new GodwitError('INSTRUMENT_UNREACHABLE', `nothing answers at ${address}`, { retryable: true });
    return open();
  }

  async #listenForPushes(address: string, take: (request: PushRequest) => Promise<PushAnswer>, signal: AbortSignal): Promise<void> {
    this.pushes.set(address, take);
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    this.pushes.delete(address);
  }

  #exporter(format: string): SeriesExporter {
    return async (path, tables) => {
      const rows = tables.flatMap((table) => [...table.rows()].map(({ timeUs, cells }) => ({ table: table.table, timeUs, cells })));
      this.exports.set(path, { format, rows });
      return exportReport(tables, rows.length);
    };
  }

  #observePacket(path: string, bytes: Uint8Array): void {
    invariant((this.#process?.catalog.depth ?? 0) === 0, `${this.name} says something before it is durable`);
    this.#packets++;
    if (this.#killAtPacket !== undefined && this.#packets >= this.#killAtPacket) {
      this.#killAtPacket = undefined;
      this.#killsAtPacket++;
      this.kill();
      return;
    }
    this.#note(`${path} ${bytes.length}`);
  }

  #observeWrite(): void {
    this.#writes++;
    if (this.#killAtWrite === undefined || this.#writes < this.#killAtWrite) return;
    this.#killAtWrite = undefined;
    this.#killsAtWrite++;
    this.kill();
  }

  #note(what: string): void {
    this.#trace.add(this.#network.agenda.now.monotonicMs, this.name, what);
  }
}

function exportReport(tables: readonly SeriesTable[], rows: number): ExportReport {
  return { rows, bytes: tables.reduce((sum, table) => sum + table.rowCount * 8 * (1 + table.fields.length), 0), unreadableCells: 0 };
}
