import { utf8 } from '../core/bytes.ts';
import { type DatasetId, identifierToBytes } from '../core/identifiers.ts';
import { toa5Text } from './logger-files.ts';
import type { SimulatedNode } from './simulated-node.ts';

/**
 * Loggers at work: each writes a growing TOA5 file, people carry copies of it to several computers, and nodes read them. Which rows a node acknowledged is remembered here, and every node must have
 * each of them once in the end, cell for cell as the logger wrote it.
 */

const intervalUs = 600_000_000;
const firstLocalUs = 1_780_000_200_000_000;
const utcOffsetMinutes = 60;
const directory = 'logger';

interface Logger {
  readonly seed: number;
  rows: number;
  /** Rows that some node has read and stored, from the first. */
  acknowledged: number;
}

/** Loggers of one `series` dataset, one at each station. */
export class SeriesWork {
  readonly #dataset: DatasetId;
  readonly #loggerByStation = new Map<string, Logger>();

  constructor(dataset: DatasetId) {
    this.#dataset = dataset;
  }

  /** Rows that nodes have acknowledged so far. */
  get acknowledged(): number {
    return [...this.#loggerByStation.values()].reduce((sum, { acknowledged }) => sum + acknowledged, 0);
  }

  /** The logger of a station has measured for a while: its table is so many rows longer. */
  measure(station: string, rows: number): void {
    const logger = this.#loggerByStation.get(station) ?? { seed: this.#loggerByStation.size + 1, rows: 0, acknowledged: 0 };
    this.#loggerByStation.set(station, logger);
    logger.rows += rows;
  }

  /** Somebody brings the station's file to a computer, whole or in the middle of its last line, and the node reads it. Rejects as `ingest` does. */
  async bring(station: string, node: SimulatedNode, cutBytes = 0): Promise<void> {
    const logger = this.#loggerByStation.get(station);
    if (logger === undefined) return;
    const { rows } = logger;
    const text = utf8(textOf(station, logger, rows));
    const path = `${station}.dat`;
    node.directory(directory).put(path, text.subarray(0, text.length - cutBytes));
    const run = node.node;
    const reports = await run.ingest(this.#dataset, directory, { profile: { utcOffsetMinutes }, paths: [path] });
    if (!node.isRunning || node.node !== run) return;
    const whole = cutBytes === 0 ? rows : rows - 1;
    if (
      reports.every(
        ({ pendingBytes, read, stored, duplicate, quarantined }) => read === stored + duplicate + quarantined && pendingBytes >= 0,
      )
    )
      logger.acknowledged = Math.max(logger.acknowledged, whole);
  }

  /** What is wrong with the rows of a node: one that was acknowledged is missing, one is there twice, or its cells are not what the logger wrote. */
  wrongRows(node: SimulatedNode): string[] {
    const found: string[] = [];
    for (const [station, logger] of this.#loggerByStation) {
      const expected = linesOf(station, logger);
      const seen = new Set<number>();
      for (const row of node.catalog.all<{ record: number; time_us: number; cells: string }>(
        `SELECT record, time_us, cells FROM observation JOIN table_revision ON table_revision.id = observation.revision
         WHERE station = ? AND dataset = ? ORDER BY record`,
        station,
        identifierToBytes(this.#dataset),
      )) {
        const line = `${row.time_us} ${row.cells.replaceAll('null', '"NAN"')}`;
        if (seen.has(row.record)) found.push(`${node.name} has record ${row.record} of ${station} twice`);
        seen.add(row.record);
        if (expected.get(row.record) !== line)
          found.push(`${node.name} has a record ${row.record} of ${station} that the logger did not write: ${line}`);
      }
      for (let record = 0; record < logger.acknowledged; record++)
        if (!seen.has(record)) found.push(`${node.name} lacks record ${record} of ${station}`);
    }
    return found;
  }
}

function textOf(station: string, { seed }: Logger, rows: number): string {
  return toa5Text({ station, table: 'Met', firstLocalUs, intervalUs, rows, firstRecord: 0, seed, withHeader: true });
}

/** By record number, what a catalog holds of each row: its time in UTC and its cells. */
function linesOf(station: string, logger: Logger): Map<number, string> {
  const rows = textOf(station, logger, logger.rows).split('\r\n').slice(4, -1);
  return new Map(
    rows.map((row, record) => {
      const timeUs = firstLocalUs + record * intervalUs - utcOffsetMinutes * 60_000_000;
      const cells = row.split(',').slice(2);
      return [record, `${timeUs} ${JSON.stringify(cells.map((cell) => cell.replaceAll('"', '')))}`];
    }),
  );
}
