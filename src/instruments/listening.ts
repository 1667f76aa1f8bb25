import * as v from 'valibot';
import { concatBytes } from '../core/bytes.ts';
import { GodwitError } from '../core/errors.ts';
import type { Cell, FieldDefinition, LocalStamp } from '../formats/record-stream.ts';
import type { ByteLine } from './byte-line.ts';
import { definitionDigest } from './definition-digest.ts';
import type {
  CollectCursor,
  CollectedBatch,
  CollectedRecord,
  DeviceSession,
  InstrumentClock,
  InstrumentIdentity,
  InstrumentTable,
  InstrumentTimer,
} from './driver.ts';
import { withoutClock } from './live-reading.ts';

/**
 * Instruments that talk by themselves, without being asked and without a memory: receivers, sounders, weather instruments.
 *
 * A visit *listens* for a while, and what was heard meanwhile is the tables: they are found out, not configured. Each table is handed over once; collecting it again listens anew. All of a visit's bytes are
 * the `raw` of every batch, so what no table took is in the archive too, and is there once, as the archive knows equal bytes.
 */

const configurationShape = v.strictObject({
  listenMs: v.optional(v.pipe(v.number(), v.minValue(100), v.maxValue(600_000)), 5000),
  stationName: v.optional(v.pipe(v.string(), v.maxLength(256)), ''),
});

/** How to listen. Plain data. */
export interface ListeningConfiguration {
  /** Milliseconds that a visit listens, 100 to 600,000; default 5000, in which most instruments say everything at least twice. */
  readonly listenMs?: number;
  /** What the owner calls the station; empty by default. */
  readonly stationName?: string;
}

/** One record as it was heard. */
export interface HeardRecord {
  /** Name of its table. Records of one name have the same columns. */
  readonly table: string;
  readonly fields: readonly FieldDefinition[];
  readonly stamp: LocalStamp;
  readonly cells: readonly Cell[];
}

/** Turns what an instrument says into records. A machine: holds no more than an unfinished message, and never throws for what the bytes say. */
export interface StreamDecoder {
  /** Adds the next bytes, at `wallMs` of this node's clock; returns the records they completed. */
  push(bytes: Uint8Array, wallMs: number): HeardRecord[];
  /** What the instrument said of itself so far. */
  identity(): Partial<InstrumentIdentity>;
}

/** Bytes, records and tables that one visit takes at most; what would be more is left to the next. */
const visitBytesMax = 4 * 1024 * 1024;
const visitRecordsMax = 50_000;
const visitTablesMax = 256;

interface HeardTable {
  readonly table: InstrumentTable;
  readonly records: CollectedRecord[];
}

interface Visit {
  readonly tables: ReadonlyMap<string, HeardTable>;
  readonly raw: Uint8Array;
  readonly taken: Set<string>;
}

/** A session with an instrument that talks by itself. */
export class ListeningSession implements DeviceSession {
  readonly #line: ByteLine;
  readonly #timer: InstrumentTimer;
  readonly #decoder: StreamDecoder;
  readonly #listenMs: number;
  readonly #stationName: string;
  #visit: Promise<Visit> | undefined;

  /** @throws GodwitError `CONFIGURATION_INVALID` */
  constructor(line: ByteLine, timer: InstrumentTimer, decoder: StreamDecoder, configuration: ListeningConfiguration) {
    const shaped = v.safeParse(configurationShape, configuration);
    if (!shaped.success) {
      const [issue] = shaped.issues;
      throw new GodwitError('CONFIGURATION_INVALID', `how to listen: ${v.getDotPath(issue) ?? 'configuration'}: ${issue.message}`);
    }
    this.#line = line;
    this.#timer = timer;
    this.#decoder = decoder;
    this.#listenMs = shaped.output.listenMs;
    this.#stationName = shaped.output.stationName;
  }

  async identify(): Promise<InstrumentIdentity> {
    await this.#heard();
    const unknown = { model: '', serial: '', operatingSystem: '', programName: '', programSignature: '', stationName: this.#stationName };
    return { ...unknown, ...this.#decoder.identity() };
  }

  async clock(): Promise<InstrumentClock> {
    throw withoutClock();
  }

  async tables(): Promise<readonly InstrumentTable[]> {
    return [...(await this.#heard()).tables.values()].map(({ table }) => table);
  }

  /** One batch with what was heard of the table; none when it was not heard. */
  async *collect(name: string, cursor?: CollectCursor): AsyncIterable<CollectedBatch> {
    if ((await this.#heard()).taken.has(name)) this.#visit = undefined;
    const { tables, raw, taken } = await this.#heard();
    const heard = tables.get(name);
    if (heard === undefined) return;
    const { table, records } = heard;
    if (cursor !== undefined && cursor.revision !== table.revision) {
      throw new GodwitError('TABLE_CHANGED', `table ${name} was ${cursor.revision} and is ${table.revision}`, { retryable: true });
    }
    taken.add(name);
    const first = cursor?.nextRecord ?? 0;
    yield {
      table,
      // Without numbers: the same fix, heard again at the next visit, is the same record.
      records,
      raw,
      cursor: { revision: table.revision, nextRecord: first + records.length },
    };
  }

  close(): Promise<void> {
    return this.#line.close();
  }

  #heard(): Promise<Visit> {
    this.#visit ??= this.#listen().catch((error: unknown) => {
      this.#visit = undefined;
      throw error;
    });
    return this.#visit;
  }

  async #listen(): Promise<Visit> {
    const deadlineMs = this.#line.nowMs() + this.#listenMs;
    const pieces: Uint8Array[] = [];
    const tables = new Map<string, HeardTable>();
    let byteCount = 0;
    let recordCount = 0;
    while (byteCount < visitBytesMax && recordCount < visitRecordsMax) {
      const bytes = await this.#line.receive(deadlineMs);
      if (bytes === undefined) break;
      pieces.push(bytes);
      byteCount += bytes.length;
      for (const record of this.#decoder.push(bytes, this.#timer.wallMs())) {
        addRecord(tables, record);
        recordCount += 1;
      }
    }
    if (byteCount === 0) {
      throw new GodwitError('INSTRUMENT_TIMEOUT', `the instrument said nothing for ${this.#listenMs} ms`, { retryable: true });
    }
    return { tables, raw: concatBytes(...pieces), taken: new Set() };
  }
}

function addRecord(tables: Map<string, HeardTable>, { table: name, fields, stamp, cells }: HeardRecord): void {
  let heard = tables.get(name);
  if (heard === undefined) {
    if (tables.size >= visitTablesMax) return;
    heard = { table: { name, revision: definitionDigest(fields), fields, intervalUs: 0 }, records: [] };
    tables.set(name, heard);
  }
  heard.records.push({ stamp, cells });
}
