import { GodwitError } from '../../core/errors.ts';
import type { Outcome } from '../../core/outcome.ts';
import type {
  CollectCursor,
  CollectedBatch,
  DeviceDriver,
  DeviceSession,
  InstrumentClock,
  InstrumentIdentity,
  InstrumentTable,
  InstrumentTimer,
  InstrumentTransport,
} from '../driver.ts';
import type { CollectSelection, ProgrammingStatistics } from './application-messages.ts';
import { ownHello, PakbusClient } from './client.ts';
import { type RecordLayout, type RecordRun, recordLayout } from './collect-answer.ts';
import { hopMetricDurationMs } from './control-messages.ts';
import { PakbusConversation, pakbusError } from './conversation.ts';
import { durationUs, localStampOf } from './pakbus-time.ts';
import { type Collection, clockProcedure, collectProcedure, helloProcedure, statisticsProcedure, uploadProcedure } from './procedures.ts';
import { type PakbusRoute, routesProcedure } from './settings.ts';
import { columnsOf, decodeTableDefinitions, type PakbusTable } from './table-definitions.ts';

/**
 * The driver for Campbell Scientific loggers that speak PakBus (CR200, CR800, CR1000, CR3000, CR6, CR300, CR1000X and relatives), over TCP (port 6785) or a serial line (8N1).
 *
 * It reads: identity, clock, table definitions, records. It never sets the clock, sends programs or changes values.
 *
 * **Not supported:** the PakBus/TCP password and PakBus encryption. Both are undocumented; a logger that demands either answers with silence (`INSTRUMENT_TIMEOUT`). Such a logger is read
 * over its HTTPS interface instead. The numeric security code of the PakBus commands is supported; it is not secret, as it travels in the clear.
 */

/** How to reach and address a logger. Plain data. */
export interface PakbusConfiguration {
  /** PakBus address of the logger, 1 to 4094. Without it the logger is asked for its own, which works where it is the only one on the line. */
  readonly address?: number;
  /** PakBus address of the logger or radio on this line that passes packets on to the logger, 1 to 4094, where that is not on the line itself. Needs `address`. */
  readonly routerAddress?: number;
  /** PakBus address of this node, 1 to 4094; default 4094, which the vendor keeps for a computer. Two computers on one line need different ones. */
  readonly ownAddress?: number;
  /** Security code that allows reading, 0 to 65535; default 0, a logger without security. */
  readonly securityCode?: number;
  /** Milliseconds to wait for an answer before asking again; default 6000, which suits cables and networks. A logger that states a slower way in its hello is given more. */
  readonly responseTimeoutMs?: number;
}

const defaultOwnAddress = 4094;
/** A second for the logger to think, and as long as the own hello says the way may take. */
const defaultResponseTimeoutMs = 1000 + hopMetricDurationMs(ownHello.hopMetric);

/** Names of the table definitions file, the usual one first, then the small loggers' (CR200). */
const definitionsFiles = ['.TDF', 'CPU:Def.tdf'] as const;

interface Definitions {
  readonly statistics: ProgrammingStatistics;
  readonly tables: readonly PakbusTable[];
}

function unwrap<T>(outcome: Outcome<T>): T {
  if (!outcome.ok) throw pakbusError(outcome.fault);
  return outcome.value;
}

function hex(signature: number): string {
  return signature.toString(16).padStart(4, '0');
}

/**
 * Name of a table's revision: its definition and the program that made it. The program belongs to it because a new one may start the record numbers over in a table that looks the same.
 */
function revisionOf(table: PakbusTable, statistics: ProgrammingStatistics): string {
  return `${hex(table.signature)}-${hex(statistics.programSignature)}`;
}

function instrumentTable(table: PakbusTable, statistics: ProgrammingStatistics): InstrumentTable {
  const columns = columnsOf(table.fields);
  return {
    name: table.name,
    revision: revisionOf(table, statistics),
    // A table whose layout is not understood is listed all the same; collecting it says why it cannot be read.
    fields: columns.ok ? columns.value.map((column) => column.definition) : [],
    intervalUs: durationUs(table.interval),
    capacityRecords: table.capacityRecords,
  };
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof GodwitError && error.code === code;
}

/** Number of the first record collected. */
function firstNumber(collection: Collection): number | undefined {
  return collection.runs[0]?.[0]?.number;
}

/** True when a collection has records, and none before `next`. */
function beginsAt(collection: Collection, next: number): boolean {
  const first = firstNumber(collection);
  return first !== undefined && first >= next;
}

class PakbusSession implements DeviceSession {
  readonly #conversation: PakbusConversation;
  readonly #securityCode: number;
  #definitions: Definitions | undefined;

  constructor(conversation: PakbusConversation, securityCode: number) {
    this.#conversation = conversation;
    this.#securityCode = securityCode;
  }

  async identify(): Promise<InstrumentIdentity> {
    const { statistics, tables } = await this.#currentDefinitions();
    return {
      model: statistics.operatingSystem.split('.', 1)[0] ?? '',
      serial: statistics.serialNumber,
      operatingSystem: statistics.operatingSystem,
      programName: statistics.programName,
      programSignature: String(statistics.programSignature),
      stationName: await this.#stationName(tables),
    };
  }

  async clock(): Promise<InstrumentClock> {
    const { time, roundTripMs } = await this.#conversation.run(clockProcedure(this.#securityCode));
    return { stamp: localStampOf(time), uncertaintyMs: roundTripMs / 2 };
  }

  async tables(): Promise<readonly InstrumentTable[]> {
    const { statistics, tables } = await this.#currentDefinitions();
    return tables.map((table) => instrumentTable(table, statistics));
  }

  async *collect(name: string, cursor?: CollectCursor): AsyncIterable<CollectedBatch> {
    const { statistics, tables } = await this.#currentDefinitions();
    const found = tables.find((table) => table.name === name);
    if (found === undefined) throw new GodwitError('TABLE_UNKNOWN', `the logger has no table ${name}`);
    const table = instrumentTable(found, statistics);
    if (cursor !== undefined && cursor.revision !== table.revision) {
      throw new GodwitError('TABLE_CHANGED', `table ${name} was ${cursor.revision} and is ${table.revision}`, { retryable: true });
    }
    const layout = unwrap(recordLayout(found));
    let next = cursor?.nextRecord;
    for (;;) {
      const answer = await this.#recordsFrom(layout, next);
      for (const run of answer.runs) {
        const batch = this.#batch(table, run, next, answer.frames);
        next = batch.cursor.nextRecord;
        yield batch;
      }
      if (!answer.hasMore || answer.runs.length === 0) return;
    }
  }

  close(): Promise<void> {
    return this.#conversation.close();
  }

  #batch(table: InstrumentTable, run: RecordRun, next: number | undefined, raw: Uint8Array): CollectedBatch {
    const from = run[0]?.number ?? 0;
    const missing = next !== undefined && from > next ? { missing: { from: next, to: from } } : {};
    return {
      table,
      records: run.map(({ number, time, cells }) => ({ recordNumber: number, stamp: localStampOf(time), cells })),
      raw,
      ...missing,
      cursor: { revision: table.revision, nextRecord: from + run.length },
    };
  }

  /**
   * Records from `next` on, or from the oldest.
   *
   * When the logger no longer has the record asked for, it starts at its oldest without saying so. Behind `next` that is a gap; but an answer that strayed in from an earlier session looks
   * the same, so a gap is believed only when the logger, asked for just these records, has none. Before `next`, or with an empty answer, there is nothing new, or the table was emptied and
   * counts from the beginning again, or just this number was left out; the newest record tells these apart.
   */
  async #recordsFrom(layout: RecordLayout, next: number | undefined): Promise<Collection> {
    if (next === undefined) return this.#collect(layout, { type: 'all' });
    const answer = await this.#collect(layout, { type: 'from-record', record: next });
    const first = firstNumber(answer);
    if (first !== undefined && first >= next) {
      const gap = first > next ? await this.#collect(layout, { type: 'record-range', from: next, to: first }) : undefined;
      return gap !== undefined && beginsAt(gap, next) ? { ...gap, hasMore: true } : answer;
    }
    const newest = (await this.#collect(layout, { type: 'newest', count: 1 })).runs.at(-1)?.at(-1);
    if (newest === undefined || newest.number + 1 === next) return { ...answer, runs: [] };
    if (newest.number < next) return this.#collect(layout, { type: 'all' });
    const range = await this.#collect(layout, { type: 'record-range', from: next, to: newest.number + 1 });
    if (beginsAt(range, next)) return range;
    throw new GodwitError('PAKBUS_MALFORMED', `table ${layout.table.name} has records that the logger does not send`, { retryable: true });
  }

  async #collect(layout: RecordLayout, selection: CollectSelection): Promise<Collection> {
    try {
      return await this.#conversation.run(collectProcedure(layout, selection, this.#securityCode));
    } catch (error) {
      if (isCode(error, 'TABLE_CHANGED')) this.#definitions = undefined;
      throw error;
    }
  }

  /** The table definitions, which are large, read once for each program; the statistics, which are small, tell whether it is still the same. */
  async #currentDefinitions(): Promise<Definitions> {
    const known = this.#definitions;
    const tables = known?.tables ?? (await this.#readTables());
    const statistics = await this.#conversation.run(statisticsProcedure(this.#securityCode));
    const isSame = known === undefined || known.statistics.programSignature === statistics.programSignature;
    this.#definitions = { statistics, tables: isSame ? tables : await this.#readTables() };
    return this.#definitions;
  }

  async #readTables(): Promise<readonly PakbusTable[]> {
    const [usual, small] = definitionsFiles;
    let file: Uint8Array;
    try {
      file = await this.#conversation.run(uploadProcedure(usual, this.#securityCode));
    } catch (error) {
      if (!isCode(error, 'INSTRUMENT_FILE_MISSING')) throw error;
      file = await this.#conversation.run(uploadProcedure(small, this.#securityCode));
    }
    return unwrap(decodeTableDefinitions(file));
  }

  /** The station's name, which a logger keeps in its status table; empty where it keeps or tells none. */
  async #stationName(tables: readonly PakbusTable[]): Promise<string> {
    const status = tables.find((table) => table.name === 'Status');
    const fieldNumber = 1 + (status?.fields.findIndex((field) => field.name === 'StationName') ?? -1);
    if (status === undefined || fieldNumber === 0) return '';
    const layout = recordLayout(status, [fieldNumber]);
    if (!layout.ok) return '';
    try {
      const { runs } = await this.#collect(layout.value, { type: 'newest', count: 1 });
      return runs.at(-1)?.at(-1)?.cells[0] ?? '';
    } catch (error) {
      if (isCode(error, 'INSTRUMENT_REFUSED')) return '';
      throw error;
    }
  }
}

function checkRange(name: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new GodwitError('CONFIGURATION_INVALID', `PakBus ${name} is ${value}, not an integer from ${min} to ${max}`);
}

/**
 * Campbell Scientific loggers over PakBus; see the head of this module for what is supported and what is not.
 *
 * `open` says hello and rejects with `CONFIGURATION_INVALID`, `INSTRUMENT_TIMEOUT` when nobody answers, `INSTRUMENT_DISCONNECTED`, or `ABORTED`; the transport is closed then. Records come in
 * ascending order, each batch as large as one packet of the logger (about a kilobyte); a batch's `raw` is the packets it was decoded from, framed as on the wire.
 *
 * A table that was emptied is collected from its beginning again, under record numbers that were seen before. One that was emptied and has since stored more than the cursor says cannot be
 * told from one that went on, unless the program changed with it; then its first records are not noticed.
 *
 * @example
 * const session = await pakbusDriver.open({ address: 1 }, transport, timer, signal);
 * for await (const batch of session.collect('Hourly', cursor)) store(batch);
 */
export const pakbusDriver: DeviceDriver<PakbusConfiguration> = {
  id: 'campbell-pakbus',
  capabilities: new Set(['identify', 'clock', 'tables', 'collect'] as const),
  async open(configuration, transport, timer, signal) {
    return new PakbusSession(await converse(configuration, transport, timer, signal), configuration.securityCode ?? 0);
  },
};

/**
 * Nodes that a logger or router knows ways to, but for this end: what is behind a router can be collected with its address as `routerAddress`. Rejects as `open` does, and with `INSTRUMENT_REFUSED` by what has no such
 * setting; the transport is closed in the end.
 */
export async function pakbusRoutes(
  configuration: PakbusConfiguration,
  transport: InstrumentTransport,
  timer: InstrumentTimer,
  signal: AbortSignal,
): Promise<PakbusRoute[]> {
  const { securityCode = 0, ownAddress = defaultOwnAddress } = configuration;
  const conversation = await converse(configuration, transport, timer, signal);
  try {
    const routes = await conversation.run(routesProcedure(securityCode));
    return routes.filter(({ address }) => address !== ownAddress);
  } finally {
    await conversation.close();
  }
}

/** Says hello to the logger, and to the router before it. */
async function converse(
  configuration: PakbusConfiguration,
  transport: InstrumentTransport,
  timer: InstrumentTimer,
  signal: AbortSignal,
): Promise<PakbusConversation> {
  const { address, routerAddress, securityCode = 0 } = configuration;
  const { ownAddress = defaultOwnAddress, responseTimeoutMs = defaultResponseTimeoutMs } = configuration;
  if (address !== undefined) checkRange('address', address, 1, 4094);
  if (routerAddress !== undefined) {
    checkRange('routerAddress', routerAddress, 1, 4094);
    if (address === undefined) throw new GodwitError('CONFIGURATION_INVALID', 'a logger behind a router is reached by its address only');
  }
  checkRange('ownAddress', ownAddress, 1, 4094);
  checkRange('securityCode', securityCode, 0, 0xffff);
  checkRange('responseTimeoutMs', responseTimeoutMs, 1, 3_600_000);
  const client = new PakbusClient({
    ownAddress,
    responseTimeoutMs,
    ...(address === undefined ? {} : { address }),
    ...(routerAddress === undefined ? {} : { routerAddress }),
  });
  const conversation = new PakbusConversation(client, transport, timer, signal);
  try {
    // A router passes answers on to neighbours that it knows.
    if (routerAddress !== undefined) await conversation.run(helloProcedure(ownHello), true);
    await conversation.run(helloProcedure(ownHello));
  } catch (error) {
    await conversation.close();
    throw error;
  }
  return conversation;
}
