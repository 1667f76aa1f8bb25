import * as v from 'valibot';
import { concatBytes } from '../../core/bytes.ts';
import { GodwitError } from '../../core/errors.ts';
import { failure } from '../../core/outcome.ts';
import type { Cell, FieldDefinition } from '../../formats/record-stream.ts';
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
import { Sdi12Bus } from './bus.ts';
import { decodeIdentity, decodePromise, decodeValues, isSensorAddress, type MeasurementPromise } from './messages.ts';

/**
 * The driver for SDI-12 sensors behind a transparent adapter: a box, or a logger's talk-through mode, that passes characters between a serial port or network connection and the sensors' line.
 *
 * One session is one line, with as many sensors as its owner lists. Each table is one measurement of one sensor. Concurrent measurements (`C`) of several sensors are started together and
 * fetched one by one, so a line of slow sensors takes as long as its slowest. Sensors are asked who they are, and nothing about them is changed.
 */

/** How to reach and read the sensors of a line. Plain data. */
export interface Sdi12Configuration {
  readonly measurements: readonly Sdi12Measurement[];
  /**
   * Milliseconds from a command to the first character of its answer, and between two characters, adapter and network included; default 500. A sensor itself answers within 15. An answer that takes more than
   * twice as long may be taken for that to the next command, as it does not say what it answers: give slow adapters enough.
   */
  readonly responseTimeoutMs?: number;
  /** What the adapter wants behind the `!` of a command; nothing by default. */
  readonly commandEnd?: '' | '\r' | '\n' | '\r\n';
  /** What the owner knows of the installation; empty by default. The sensors' own identification becomes the `sensorSerial` of their columns. */
  readonly model?: string;
  readonly serial?: string;
  readonly stationName?: string;
}

const label = v.pipe(v.string(), v.maxLength(256));
const measurementShape = v.strictObject({
  /** Name of the table. */
  table: v.pipe(label, v.minLength(1)),
  /** The sensor's address: a digit or a letter. */
  address: v.pipe(v.string(), v.check(isSensorAddress, 'this is not the address of a sensor')),
  /** Which measurement: `M` or `M1` to `M9`, `C` or `C1` to `C9` (concurrent), `R0` to `R9` (at this moment). */
  command: v.pipe(v.string(), v.regex(/^(?:[MC][1-9]?|R\d)$/, 'this is not a measurement')),
  /** Ask for checksums, which sensors of version 1.3 and later have; `false` by default. */
  crc: v.optional(v.boolean(), false),
  /** The values in the order the sensor gives them. */
  values: v.pipe(
    v.array(
      v.strictObject({
        name: v.pipe(label, v.minLength(1)),
        unit: v.optional(label, ''),
        processing: v.optional(label, ''),
        /** Numbers that the manual declares to mean "no value". */
        sentinels: v.optional(v.pipe(v.array(v.pipe(v.number(), v.finite())), v.maxLength(16)), []),
      }),
    ),
    v.minLength(1),
    v.maxLength(99),
  ),
});
const configurationShape = v.strictObject({
  measurements: v.pipe(v.array(measurementShape), v.minLength(1), v.maxLength(256)),
  responseTimeoutMs: v.optional(v.pipe(v.number(), v.minValue(1), v.maxValue(60_000)), 500),
  commandEnd: v.optional(v.picklist(['', '\r', '\n', '\r\n']), ''),
  model: v.optional(label, ''),
  serial: v.optional(label, ''),
  stationName: v.optional(label, ''),
});

/** One measurement of one sensor; each member is explained in this module. */
export type Sdi12Measurement = v.InferInput<typeof measurementShape>;
type Measurement = v.InferOutput<typeof measurementShape>;
type Settings = v.InferOutput<typeof configurationShape>;

/** Data commands are `D0` to `D9`. */
const dataCommands = 10;

interface SensorTable extends InstrumentTable {
  readonly measurement: Measurement;
}

/** A measurement under way. */
interface Started {
  readonly wallMs: number;
  readonly readyAtMs: number;
  readonly raw: Uint8Array;
}

class Sdi12Session implements DeviceSession {
  readonly #bus: Sdi12Bus;
  readonly #timer: InstrumentTimer;
  readonly #settings: Settings;
  /** Identification by address; `undefined` for a sensor that was asked and did not answer. */
  readonly #identities = new Map<string, string | undefined>();
  /** Concurrent measurements under way, by table. */
  readonly #started = new Map<string, Started>();

  constructor(bus: Sdi12Bus, timer: InstrumentTimer, settings: Settings) {
    this.#bus = bus;
    this.#timer = timer;
    this.#settings = settings;
  }

  async identify(): Promise<InstrumentIdentity> {
    const { measurements, model, serial, stationName } = this.#settings;
    return {
      model,
      serial,
      operatingSystem: 'SDI-12',
      programName: 'measurements',
      programSignature: definitionDigest(measurements),
      stationName,
    };
  }

  async clock(): Promise<InstrumentClock> {
    throw withoutClock();
  }

  /** The tables of the sensors that are there. One whose sensor does not answer is listed without columns; collecting it says why. */
  async tables(): Promise<readonly InstrumentTable[]> {
    const tables: InstrumentTable[] = [];
    for (const measurement of this.#settings.measurements) {
      const { address, table } = measurement;
      if (!this.#identities.has(address)) {
        await this.#identify(address).catch((error: unknown) => {
          if (!isSensorFault(error)) throw error;
          this.#identities.set(address, undefined);
        });
      }
      const identity = this.#identities.get(address);
      if (identity === undefined) tables.push({ name: table, revision: '', fields: [], intervalUs: 0 });
      else {
        const { name, revision, fields, intervalUs } = tableOf(measurement, identity);
        tables.push({ name, revision, fields, intervalUs });
      }
    }
    return tables;
  }

  async *collect(name: string, cursor?: CollectCursor): AsyncIterable<CollectedBatch> {
    const measurement = this.#settings.measurements.find(({ table }) => table === name);
    const identity = measurement === undefined ? undefined : await this.#identify(measurement.address);
    const known = measurement === undefined || identity === undefined ? [] : [tableOf(measurement, identity)];
    const table = liveTable(known, name, cursor);
    const { wallMs, values, raw } = await this.#measure(table.measurement);
    const cells = values.map((value, i): Cell => (table.measurement.values[i]?.sentinels.includes(Number(value)) ? null : value));
    yield liveBatch(table, cursor, wallMs, cells, raw);
  }

  close(): Promise<void> {
    return this.#bus.close();
  }

  async #identify(address: string): Promise<string> {
    const known = this.#identities.get(address);
    if (known !== undefined) return known;
    const { value } = await this.#bus.ask(address, 'I', false, (content) => decodeIdentity(address, content));
    const identity = [value.vendor, value.model, value.serial].filter((text) => text !== '').join(' ');
    this.#identities.set(address, identity);
    return identity;
  }

  async #measure(measurement: Measurement): Promise<{ wallMs: number; values: readonly string[]; raw: Uint8Array }> {
    const { address, command, crc } = measurement;
    if (command.startsWith('R')) {
      const wallMs = this.#timer.wallMs();
      const { values, raw } = await this.#values(measurement, () => `R${crc ? 'C' : ''}${command.slice(1)}`, 1);
      return { wallMs, values, raw };
    }
    const isConcurrent = command.startsWith('C');
    if (isConcurrent) await this.#startConcurrent(measurement);
    const started = this.#started.get(measurement.table) ?? (await this.#start(measurement));
    this.#started.delete(measurement.table);
    if (isConcurrent) await this.#bus.waitUntil(started.readyAtMs);
    else if (started.readyAtMs > this.#bus.nowMs()) await this.#bus.serviceRequest(address, started.readyAtMs);
    const { values, raw } = await this.#values(measurement, (i) => `D${i}`, dataCommands);
    return { wallMs: started.wallMs, values, raw: concatBytes(started.raw, raw) };
  }

  /** Starts this concurrent measurement and, with it, one of each other sensor that has one: they measure at the same time. */
  async #startConcurrent(measurement: Measurement): Promise<void> {
    if (this.#started.has(measurement.table)) return;
    const busy = new Set([measurement.address]);
    for (const { table, address } of this.#settings.measurements) if (this.#started.has(table)) busy.add(address);
    this.#started.set(measurement.table, await this.#start(measurement));
    for (const other of this.#settings.measurements) {
      // A sensor that is known to be absent would only cost time.
      if (!other.command.startsWith('C') || busy.has(other.address) || this.#identities.get(other.address) === undefined) continue;
      busy.add(other.address);
      // What fails here fails again, and is reported, when that table is collected.
      const started = await this.#start(other).catch((error: unknown) => {
        if (!isSensorFault(error)) throw error;
      });
      if (started !== undefined) this.#started.set(other.table, started);
    }
  }

  async #start(measurement: Measurement): Promise<Started> {
    const { address, command, crc, values } = measurement;
    const isConcurrent = command.startsWith('C');
    const wallMs = this.#timer.wallMs();
    const full = crc ? `${command[0]}C${command.slice(1)}` : command;
    // The promise itself comes without a checksum.
    const { value, raw } = await this.#bus.ask<MeasurementPromise>(address, full, false, (content) =>
      decodePromise(address, content, isConcurrent),
    );
    if (value.valueCount !== values.length) {
      throw new GodwitError(
        'SDI12_VALUE_COUNT',
        `sensor ${address} measures ${value.valueCount} values with ${command}, and the configuration names ${values.length}`,
      );
    }
    return { wallMs, readyAtMs: this.#bus.nowMs() + value.waitSeconds * 1000, raw };
  }

  /** Asks for values until there are as many as the configuration names. */
  async #values(
    measurement: Measurement,
    command: (i: number) => string,
    commandsMax: number,
  ): Promise<{ values: readonly string[]; raw: Uint8Array }> {
    const { address, crc } = measurement;
    const wanted = measurement.values.length;
    const values: string[] = [];
    const raws: Uint8Array[] = [];
    for (let i = 0; i < commandsMax && values.length < wanted; i++) {
      const { value, raw } = await this.#bus.ask(address, command(i), crc, (content) => {
        const decoded = decodeValues(address, content);
        return decoded.ok && decoded.value.length === 0
          ? failure('SDI12_NO_VALUES', 'instrument', `sensor ${address} has no values; its measurement was given up`)
          : decoded;
      });
      values.push(...value);
      raws.push(raw);
    }
    if (values.length !== wanted) {
      throw new GodwitError('SDI12_VALUE_COUNT', `sensor ${address} gives ${values.length} values, and the configuration names ${wanted}`);
    }
    return { values, raw: concatBytes(...raws) };
  }
}

/** True for a fault of one sensor, beside which the others on the line can go on. */
function isSensorFault(error: unknown): boolean {
  return error instanceof GodwitError && (error.code === 'INSTRUMENT_TIMEOUT' || error.code.startsWith('SDI12'));
}

/** The table of a measurement. Another sensor in the same place makes another revision. */
function tableOf(measurement: Measurement, identity: string): SensorTable {
  const fields = measurement.values.map(
    ({ name, unit, processing }): FieldDefinition => ({
      name,
      unit,
      processing,
      kind: 'number',
      ...(identity === '' ? {} : { sensorSerial: identity }),
    }),
  );
  return { name: measurement.table, revision: definitionDigest([measurement, identity]), fields, intervalUs: 0, measurement };
}

function settingsOf(configuration: Sdi12Configuration): Settings {
  const shaped = v.safeParse(configurationShape, configuration);
  if (!shaped.success) {
    const [issue] = shaped.issues;
    throw new GodwitError('CONFIGURATION_INVALID', `SDI-12 ${v.getDotPath(issue) ?? 'configuration'}: ${issue.message}`);
  }
  const names = shaped.output.measurements.map(({ table }) => table);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new GodwitError('CONFIGURATION_INVALID', `SDI-12 measurements: two tables are called ${twice}`);
  return shaped.output;
}

/**
 * SDI-12 sensors; see the head of this module.
 *
 * `open` only checks the configuration and rejects with `CONFIGURATION_INVALID`, the transport closed. `collect` measures once and yields one record, stamped when the measurement was started. It rejects
 * with `INSTRUMENT_TIMEOUT`, `SDI12_MALFORMED` or `SDI12_NO_VALUES` (retryable, after the repetitions of the standard), or `SDI12_VALUE_COUNT` when sensor and configuration disagree. A batch's `raw` is the
 * lines the sensor answered with.
 *
 * @example
 * const soil = { table: 'Soil', address: '0', command: 'M', values: [{ name: 'VWC', unit: 'm3/m3' }, { name: 'SoilT', unit: 'degC' }] };
 * const session = await sdi12Driver.open({ measurements: [soil] }, transport, timer, signal);
 */
export const sdi12Driver: DeviceDriver<Sdi12Configuration> = {
  id: 'sdi-12',
  capabilities: new Set(['identify', 'tables', 'collect'] as const),
  async open(configuration, transport, timer, signal) {
    const line = new ByteLine(transport, timer, signal);
    try {
      const settings = settingsOf(configuration);
      return new Sdi12Session(new Sdi12Bus(line, settings.responseTimeoutMs, settings.commandEnd), timer, settings);
    } catch (error) {
      await line.close();
      throw error;
    }
  },
};
