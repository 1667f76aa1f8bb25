import { type DatasetId, identifierToBytes } from '../core/identifiers.ts';
import { seededRandom } from '../core/random.ts';
import { pakbusDriver } from '../instruments/pakbus/driver.ts';
import { pakbusTimeAt } from '../instruments/pakbus/pakbus-time.ts';
import { LoggerLine } from './logger-line.ts';
import { type LineFaults, PakbusLogger } from './pakbus-logger.ts';
import { weatherProgram, weatherValues } from './pakbus-weather-station.ts';
import type { SimulatedNode } from './simulated-node.ts';
import type { World } from './world.ts';

/**
 * A logger that computers read over its own protocol, by a line that loses and damages bytes. Which records a node acknowledged is remembered here: in the end every node has each of them once, with the values that
 * the logger measured.
 */

const address = 'tcp://logger:6785';
const table = 'Weather';
const seed = 11;
const intervalSeconds = 600;
const firstMs = 1_780_000_200_000;
const capacityRecords = 5000;
const faults: LineFaults = { dropRatio: 0.05, duplicateRatio: 0.05, waitRatio: 0, damageRatio: 0.05 };

/** Visits to one logger, whose rows belong to a `series` dataset. */
export class LoggerVisits {
  readonly #world: World;
  readonly #dataset: DatasetId;
  readonly #logger: PakbusLogger;
  #records = 0;
  #acknowledged = 0;

  constructor(world: World, dataset: DatasetId) {
    this.#world = world;
    this.#dataset = dataset;
    const { name, tables } = weatherProgram(seed, intervalSeconds, capacityRecords);
    // It stores what it is told to, whatever the clock of the computer says that asks it.
    const program = { name, tables: tables.map(({ sample: _, ...rest }) => rest) };
    const now = { monotonicMs: world.nowMs, wallMs: firstMs } as Parameters<PakbusLogger['handle']>[1];
    this.#logger = new PakbusLogger({ address: 1, program, random: seededRandom(seed), faults }, now);
    this.#logger.append('Status', pakbusTimeAt(firstMs * 1000), ['CR1000.Std.32', 'Godwit Weir']);
  }

  /** Records that nodes have acknowledged so far. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** The logger has measured for a while, and a node reads what it has not got. Rejects as `collect` does. */
  async read(node: SimulatedNode, records: number): Promise<void> {
    for (const until = this.#records + records; this.#records < until; this.#records++)
      this.#logger.append(
        table,
        pakbusTimeAt((firstMs + this.#records * intervalSeconds * 1000) * 1000),
        weatherValues(seed, this.#records),
      );
    const present = this.#records;
    node.instruments.set(address, () => new LoggerLine(this.#world, node, this.#logger));
    const run = node.node;
    await run.collect(this.#dataset, pakbusDriver, {
      address,
      configuration: { address: 1 },
      profile: { utcOffsetMinutes: 0 },
      tables: [table],
    });
    if (node.isRunning && node.node === run) this.#acknowledged = Math.max(this.#acknowledged, present);
  }

  /** What is wrong with the records of a node: one that was acknowledged is missing, one is there twice, or it is not what the logger measured. */
  wrongRecords(node: SimulatedNode): string[] {
    const found: string[] = [];
    const seen = new Set<number>();
    for (const { record, cells } of node.catalog.all<{ record: number; cells: string }>(
      `SELECT record, cells FROM observation JOIN table_revision ON table_revision.id = observation.revision
       WHERE name = ? AND dataset = ? ORDER BY record`,
      table,
      identifierToBytes(this.#dataset),
    )) {
      if (seen.has(record)) found.push(`${node.name} has record ${record} of ${table} twice`);
      seen.add(record);
      const airTemperature = Math.fround(Number(weatherValues(seed, record)[1]));
      if (Math.fround(Number((JSON.parse(cells) as unknown[])[1])) !== airTemperature)
        found.push(`${node.name} has a record ${record} of ${table} that the logger did not store: ${cells}`);
    }
    for (let record = 0; record < this.#acknowledged; record++)
      if (!seen.has(record)) found.push(`${node.name} lacks record ${record} of ${table}`);
    return found;
  }
}
