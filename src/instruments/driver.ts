import type { Cell, FieldDefinition, LocalStamp } from '../formats/record-stream.ts';

/**
 * The contract between an instrument driver and the node.
 *
 * Drivers are separate from transports, so every driver is tested from a recorded conversation. A driver reads and never changes the instrument: clocks are read, programs are
 * not touched. What it collects it hands over at least once; the node stores cursor and records in one transaction and recognises duplicates.
 */

/** A connection to an instrument: ordered bytes both ways. Supplied by the runtime (tcp, serial) or by a test (replay). */
export interface InstrumentTransport {
  /** Bytes as they arrive. Ends when the connection is closed. */
  read(): AsyncIterable<Uint8Array>;
  write(bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
  /**
   * Holds the line in the state *spacing* for `durationMs`, as SDI-12 wakes its sensors, and resolves when the line marks again. Only where there is a line to hold: a serial port has it, a network
   * connection has not.
   */
  sendBreak?(durationMs: number): Promise<void>;
}

/** Time and waiting, as a port: a driver never owns a clock or a timer. */
export interface InstrumentTimer {
  /** Milliseconds on a clock that only counts forward. */
  monotonicMs(): number;
  /** Milliseconds since 1970-01-01T00:00:00Z by this node's wall clock: what readings of an instrument without a clock are stamped with. */
  wallMs(): number;
  /** Resolves after `durationMs`, or at once when the signal is aborted. */
  wait(durationMs: number, signal?: AbortSignal): Promise<void>;
}

/** Who the instrument says it is. */
export interface InstrumentIdentity {
  readonly model: string;
  readonly serial: string;
  readonly operatingSystem: string;
  readonly programName: string;
  /** Signature of the running program, as the instrument states it. */
  readonly programSignature: string;
  readonly stationName: string;
}

/** The instrument's clock beside this node's. */
export interface InstrumentClock {
  readonly stamp: LocalStamp;
  /** Half the round trip, in milliseconds: the reading is this uncertain. */
  readonly uncertaintyMs: number;
}

/** A table the instrument holds. */
export interface InstrumentTable {
  readonly name: string;
  /** Changes whenever the definition changes; identifies the table revision. */
  readonly revision: string;
  readonly fields: readonly FieldDefinition[];
  /** Microseconds between records; 0 for a table that records events. */
  readonly intervalUs: number;
  /** Records the ring memory holds, where the instrument says so. */
  readonly capacityRecords?: number;
}

/** Where collection of one table stands. Stored by the node with the records it led to. */
export interface CollectCursor {
  readonly revision: string;
  /** The next record wanted. */
  readonly nextRecord: number;
}

/** One record as collected. */
export interface CollectedRecord {
  /** The instrument's own number of the record; absent where it has none, and then time and values alone say whether it was read before. */
  readonly recordNumber?: number;
  readonly stamp: LocalStamp;
  readonly cells: readonly Cell[];
}

/** A record of an instrument that numbers them. */
export type NumberedRecord = CollectedRecord & { readonly recordNumber: number };

/** Some records of one table, in order, with the bytes they were decoded from. */
export interface CollectedBatch {
  readonly table: InstrumentTable;
  readonly records: readonly CollectedRecord[];
  /** The answer as it came over the wire, for the raw archive. */
  readonly raw: Uint8Array;
  /** Record numbers that were asked for and are gone from the instrument: `from` up to, not including, `to`. */
  readonly missing?: { readonly from: number; readonly to: number };
  /** Where to go on once this batch is durable. */
  readonly cursor: CollectCursor;
}

/** What a driver can do. */
export type InstrumentCapability = 'identify' | 'clock' | 'tables' | 'collect' | 'stream' | 'file';

/** A conversation with one instrument. Every method rejects with a `GodwitError` whose `retryable` says whether to try again. */
export interface DeviceSession {
  identify(): Promise<InstrumentIdentity>;
  clock(): Promise<InstrumentClock>;
  tables(): Promise<readonly InstrumentTable[]>;
  /**
   * Yields what the instrument holds of a table from the cursor on; without a cursor, from its oldest record. The next batch is asked for only when the previous one has been
   * taken, so the caller can make each durable first. A table whose definition changed in between ends with `TABLE_CHANGED`: read `tables` again and go on.
   */
  collect(table: string, cursor?: CollectCursor): AsyncIterable<CollectedBatch>;
  close(): Promise<void>;
}

/** A kind of instrument. `Configuration` is plain data that the driver documents. */
export interface DeviceDriver<Configuration> {
  /** Stable identifier, for example `campbell-pakbus`. */
  readonly id: string;
  readonly capabilities: ReadonlySet<InstrumentCapability>;
  open(configuration: Configuration, transport: InstrumentTransport, timer: InstrumentTimer, signal: AbortSignal): Promise<DeviceSession>;
}
