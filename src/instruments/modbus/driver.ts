import * as v from 'valibot';
import { concatBytes } from '../../core/bytes.ts';
import { GodwitError } from '../../core/errors.ts';
import { failure, type Outcome, success } from '../../core/outcome.ts';
import type { Cell } from '../../formats/record-stream.ts';
import { ByteLine } from '../byte-line.ts';
import { definitionDigest } from '../definition-digest.ts';
import type {
  CollectCursor,
  CollectedBatch,
  DeviceDriver,
  DeviceSession,
  InstrumentClock,
  InstrumentIdentity,
  InstrumentTable,
  InstrumentTimer,
} from '../driver.ts';
import { liveBatch, liveTable, withoutClock } from '../live-reading.ts';
import { findRtuAnswer, rtuFrame, rtuFrameBytesMax, TcpDeframer, tcpFrame } from './framing.ts';
import { decodeAnswer, encodeRequest, type ReadRequest, registersPerRequestMax } from './messages.ts';
import { decodeCells, fieldsOf, type ModbusTable, type PlannedRead, parseRegisterMap, planReads } from './register-map.ts';

/**
 * The driver for devices that speak Modbus, over a serial line (RTU) or a network (TCP, port 502; RTU inside TCP, as simple gateways pass it on).
 *
 * One session reads one device, by a register map that its owner writes down from the manual. It asks with the functions 1 to 4 and writes nothing.
 */

/** How to reach and read a device. Plain data. */
export interface ModbusConfiguration {
  /** `rtu` on a serial line and on gateways that pass its frames on unchanged, `tcp` on a network. */
  readonly framing: 'rtu' | 'tcp';
  /** The device on the line, 1 to 247; with `tcp` 0 to 255, default 255, which the standard gives to a device that is on the network itself. */
  readonly unit?: number;
  /** What the device measures, and where it keeps it. */
  readonly tables: readonly ModbusTable[];
  /**
   * Milliseconds to wait for an answer before asking again; default 1000. With `rtu` an answer that takes more than twice as long may be taken for that to the next question, as it does not say what it
   * answers: give slow devices enough.
   */
  readonly responseTimeoutMs?: number;
  /** How often the same is asked at most, 1 to 10; default 3. */
  readonly triesMax?: number;
  /**
   * With `rtu`, milliseconds of silence before each request, which part it from the frame before: 3.5 characters of 11 bits, so 38,500 divided by the bit rate, and at least 1.75; default 4.1, which
   * suits 9600 bit/s and faster.
   */
  readonly frameSilenceMs?: number;
  /** Registers that one request covers at most, 4 to 125 (the default); fewer for devices with small buffers. */
  readonly registersPerRequestMax?: number;
  /** What the owner knows of the device; all empty by default, as Modbus does not say. */
  readonly model?: string;
  readonly serial?: string;
  readonly stationName?: string;
}

const label = v.pipe(v.string(), v.maxLength(256));
const millisecondsShape = v.pipe(v.number(), v.minValue(1), v.maxValue(3_600_000));
const configurationShape = v.strictObject({
  framing: v.picklist(['rtu', 'tcp']),
  unit: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(255))),
  tables: v.unknown(),
  responseTimeoutMs: v.optional(millisecondsShape, 1000),
  triesMax: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(10)), 3),
  frameSilenceMs: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1000)), 4.1),
  registersPerRequestMax: v.optional(
    v.pipe(v.number(), v.integer(), v.minValue(4), v.maxValue(registersPerRequestMax)),
    registersPerRequestMax,
  ),
  model: v.optional(label, ''),
  serial: v.optional(label, ''),
  stationName: v.optional(label, ''),
});
type Settings = v.InferOutput<typeof configurationShape>;

/** Milliseconds a busy device is left alone before it is asked again. */
const busyPauseMs = 250;
/** The longest that is waited for silence on a line before a request goes out all the same. */
const silenceWaitMsMax = 1000;

/** Faults that asking again cannot mend. */
const permanentCodes: ReadonlySet<string> = new Set(['INSTRUMENT_REFUSED']);

/** Asks one device over a line; each kind of frame has its own way to find the answer. */
interface Exchange {
  /** The data of the answer and the frame it came in, or why there is none after one try. */
  once(request: ReadRequest, isFirstTry: boolean): Promise<Outcome<{ readonly data: Uint8Array; readonly frame: Uint8Array }>>;
}

function unanswered(request: ReadRequest): Outcome<never> {
  return failure('INSTRUMENT_TIMEOUT', 'instrument', `the device does not answer when asked for ${request.kind} ${request.address}`);
}

/** Puts the data of an answer and its frame together. */
function withFrame(data: Outcome<Uint8Array>, frame: Uint8Array): Outcome<{ data: Uint8Array; frame: Uint8Array }> {
  return data.ok ? success({ data: data.value, frame }) : data;
}

class RtuExchange implements Exchange {
  readonly #line: ByteLine;
  readonly #settings: Settings;
  readonly #unit: number;
  /** Until then an answer to a question that was repeated may still come. */
  #owedUntilMs = Number.NEGATIVE_INFINITY;

  constructor(line: ByteLine, settings: Settings, unit: number) {
    this.#line = line;
    this.#settings = settings;
    this.#unit = unit;
  }

  async once(request: ReadRequest, isFirstTry: boolean): Promise<Outcome<{ data: Uint8Array; frame: Uint8Array }>> {
    const { responseTimeoutMs, frameSilenceMs } = this.#settings;
    // An RTU answer does not say what it is the answer to. After a question that was asked twice, the second answer must not be taken for that to the next.
    if (isFirstTry) await this.#line.pause(Math.max(0, this.#owedUntilMs - this.#line.nowMs()));
    else this.#owedUntilMs = this.#line.nowMs() + 2 * responseTimeoutMs;
    await this.#line.silence(frameSilenceMs, this.#line.nowMs() + silenceWaitMsMax);
    await this.#line.write(rtuFrame(this.#unit, encodeRequest(request)));
    const deadlineMs = this.#line.nowMs() + responseTimeoutMs;
    let received: Uint8Array = new Uint8Array(0);
    for (;;) {
      const bytes = await this.#line.receive(deadlineMs);
      if (bytes === undefined) {
        if (received.length === 0) return unanswered(request);
        return failure('MODBUS_MALFORMED', 'instrument', 'what the device sent has no frame with a right checksum');
      }
      // An answer that has begun is at the end of what arrived: older bytes are noise.
      received = concatBytes(received, bytes).subarray(-2 * rtuFrameBytesMax);
      const pdu = findRtuAnswer(this.#unit, request, received);
      if (pdu !== undefined) return withFrame(decodeAnswer(request, pdu), rtuFrame(this.#unit, pdu));
    }
  }
}

class TcpExchange implements Exchange {
  readonly #line: ByteLine;
  readonly #settings: Settings;
  readonly #unit: number;
  readonly #deframer = new TcpDeframer();
  #transaction = 0;

  constructor(line: ByteLine, settings: Settings, unit: number) {
    this.#line = line;
    this.#settings = settings;
    this.#unit = unit;
  }

  async once(request: ReadRequest, isFirstTry: boolean): Promise<Outcome<{ data: Uint8Array; frame: Uint8Array }>> {
    // A second try keeps the number, so that an answer that was merely late still counts, and the other one is recognised as a stray later.
    if (isFirstTry) this.#transaction = (this.#transaction + 1) & 0xffff;
    await this.#line.write(tcpFrame({ transaction: this.#transaction, unit: this.#unit, pdu: encodeRequest(request) }));
    const deadlineMs = this.#line.nowMs() + this.#settings.responseTimeoutMs;
    for (;;) {
      const bytes = await this.#line.receive(deadlineMs);
      if (bytes === undefined) return unanswered(request);
      const messages = this.#deframer.push(bytes);
      if (!messages.ok) throw GodwitError.from(messages.fault, { retryable: true });
      const answer = messages.value.find(({ transaction, unit }) => transaction === this.#transaction && unit === this.#unit);
      if (answer !== undefined) return withFrame(decodeAnswer(request, answer.pdu), tcpFrame(answer));
    }
  }
}

interface DeviceTable extends InstrumentTable {
  readonly reads: readonly PlannedRead[];
}

class ModbusSession implements DeviceSession {
  readonly #line: ByteLine;
  readonly #timer: InstrumentTimer;
  readonly #exchange: Exchange;
  readonly #settings: Settings;
  readonly #digest: string;
  readonly #tables: readonly DeviceTable[];

  constructor(line: ByteLine, timer: InstrumentTimer, exchange: Exchange, settings: Settings, tables: readonly ModbusTable[]) {
    this.#line = line;
    this.#timer = timer;
    this.#exchange = exchange;
    this.#settings = settings;
    this.#digest = definitionDigest(tables);
    this.#tables = tables.map((table) => ({
      name: table.name,
      revision: definitionDigest(table),
      fields: fieldsOf(table),
      intervalUs: 0,
      reads: planReads(table, settings.registersPerRequestMax),
    }));
  }

  async identify(): Promise<InstrumentIdentity> {
    const { model, serial, stationName } = this.#settings;
    return { model, serial, operatingSystem: '', programName: 'register map', programSignature: this.#digest, stationName };
  }

  async clock(): Promise<InstrumentClock> {
    throw withoutClock();
  }

  async tables(): Promise<readonly InstrumentTable[]> {
    return this.#tables.map(({ name, revision, fields, intervalUs }) => ({ name, revision, fields, intervalUs }));
  }

  async *collect(name: string, cursor?: CollectCursor): AsyncIterable<CollectedBatch> {
    const table = liveTable(this.#tables, name, cursor);
    const wallMs = this.#timer.wallMs();
    const cells: Cell[] = new Array(table.fields.length).fill(null);
    const frames: Uint8Array[] = [];
    for (const read of table.reads) {
      const { data, frame } = await this.#read(read);
      frames.push(frame);
      for (const { index, cell } of decodeCells(read, data)) cells[index] = cell;
    }
    yield liveBatch(table, cursor, wallMs, cells, concatBytes(...frames));
  }

  close(): Promise<void> {
    return this.#line.close();
  }

  async #read(request: ReadRequest): Promise<{ data: Uint8Array; frame: Uint8Array }> {
    const { triesMax } = this.#settings;
    for (let attempt = 1; ; attempt++) {
      const answer = await this.#exchange.once(request, attempt === 1);
      if (answer.ok) return answer.value;
      const { fault } = answer;
      const isPermanent = permanentCodes.has(fault.code);
      if (isPermanent || attempt === triesMax) throw GodwitError.from(fault, { retryable: !isPermanent });
      if (fault.code === 'INSTRUMENT_BUSY') await this.#line.pause(busyPauseMs);
    }
  }
}

function settingsOf(configuration: ModbusConfiguration): { settings: Settings; tables: readonly ModbusTable[]; unit: number } {
  const shaped = v.safeParse(configurationShape, configuration);
  if (!shaped.success) {
    const [issue] = shaped.issues;
    throw new GodwitError('CONFIGURATION_INVALID', `Modbus ${v.getDotPath(issue) ?? 'configuration'}: ${issue.message}`);
  }
  const settings = shaped.output;
  const unit = settings.unit ?? (settings.framing === 'tcp' ? 255 : 1);
  if (settings.framing === 'rtu' && (unit < 1 || unit > 247)) {
    throw new GodwitError('CONFIGURATION_INVALID', `Modbus unit is ${unit}, and a device on a serial line is 1 to 247`);
  }
  const tables = parseRegisterMap(settings.tables);
  if (!tables.ok) throw GodwitError.from(tables.fault);
  return { settings, tables: tables.value, unit };
}

/**
 * Modbus devices; see the head of this module.
 *
 * `open` only checks the configuration and rejects with `CONFIGURATION_INVALID` or `MODBUS_MAP_INVALID`, the transport closed: Modbus has no greeting. `collect` reads the table once and yields one record,
 * stamped when the first request went out. It asks up to `triesMax` times, then rejects with `INSTRUMENT_TIMEOUT`, `INSTRUMENT_BUSY`, `MODBUS_MALFORMED` or `MODBUS_DEVICE_FAILURE` (retryable); a
 * function or address that the device does not have is `INSTRUMENT_REFUSED` at once. A table is read wholly or not at all. A batch's `raw` is the answers' frames, in order of the requests.
 *
 * @example
 * const level = { name: 'Stage', kind: 'input-register', address: 0, type: 'float32', unit: 'm' } as const;
 * const session = await modbusDriver.open({ framing: 'rtu', unit: 7, tables: [{ name: 'Weir', registers: [level] }] }, transport, timer, signal);
 */
export const modbusDriver: DeviceDriver<ModbusConfiguration> = {
  id: 'modbus',
  capabilities: new Set(['identify', 'tables', 'collect'] as const),
  async open(configuration, transport, timer, signal) {
    const line = new ByteLine(transport, timer, signal);
    try {
      const { settings, tables, unit } = settingsOf(configuration);
      const exchange = settings.framing === 'rtu' ? new RtuExchange(line, settings, unit) : new TcpExchange(line, settings, unit);
      return new ModbusSession(line, timer, exchange, settings, tables);
    } catch (error) {
      await line.close();
      throw error;
    }
  },
};
