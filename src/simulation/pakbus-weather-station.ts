import { invariant } from '../core/assert.ts';
import { seededRandom } from '../core/random.ts';
import type { Moment } from '../core/time.ts';
import type { PakbusValue } from '../instruments/pakbus/data-types.ts';
import { pakbusTimeAt } from '../instruments/pakbus/pakbus-time.ts';
import { PakbusLogger, type PakbusLoggerOptions, type SimulatedProgram, type SimulatedTable, simulatedField } from './pakbus-logger.ts';

/**
 * A weather station to practise on: a simulated logger with a program, a memory full of records, and values that anybody can compute again from the seed.
 */

/** Values of one record of the weather table: what `weatherProgram` samples, from a seed and the record's number alone. */
export function weatherValues(seed: number, recordNumber: number): PakbusValue[] {
  const random = seededRandom((seed + Math.imul(recordNumber, 0x9e3779b1)) >>> 0);
  const hour = (recordNumber / 60) % 24;
  const airTemperature = 12 + 8 * Math.sin(((hour - 9) * Math.PI) / 12) + random.float();
  const humidity = 70 - 2 * (airTemperature - 12) + random.float();
  const rain = random.below(20) === 0 ? random.below(10) * 0.2 : 0;
  return [
    12 + random.float(),
    airTemperature,
    humidity,
    rain,
    random.below(50) === 0 ? Number.NaN : random.float() * 12,
    random.below(2) === 1,
  ];
}

/** A small weather station: a status table with the station's name, and a table `Weather` that stores a record every `intervalSeconds`. */
export function weatherProgram(seed: number, intervalSeconds: number, capacityRecords: number): SimulatedProgram {
  const timed = { timeTypeCode: 14, timeIntoInterval: { seconds: 0, nanoseconds: 0 } };
  const status: SimulatedTable = {
    ...timed,
    name: 'Status',
    capacityRecords: 1,
    interval: { seconds: 0, nanoseconds: 0 },
    fields: [simulatedField('OSVersion', 'ASCII', { textBytes: 32 }), simulatedField('StationName', 'ASCII', { textBytes: 64 })],
  };
  const weather: SimulatedTable = {
    ...timed,
    name: 'Weather',
    capacityRecords,
    interval: { seconds: intervalSeconds, nanoseconds: 0 },
    fields: [
      simulatedField('BattV', 'FP2', { unit: 'Volts', processing: 'Min' }),
      simulatedField('AirT', 'IEEE4B', { unit: 'Deg C', processing: 'Avg' }),
      simulatedField('RH', 'FP2', { unit: '%', processing: 'Smp' }),
      simulatedField('Rain', 'FP2', { unit: 'mm', processing: 'Tot' }),
      simulatedField('WindSpeed', 'IEEE4B', { unit: 'm/s', processing: 'Avg' }),
      simulatedField('DoorOpen', 'Bool'),
    ],
    sample: (recordNumber) => weatherValues(seed, recordNumber),
  };
  return { name: 'CPU:weather.CR1', tables: [status, weather] };
}

/** A logger with the weather program that has stored `records` records up to now, and a status record. */
export function weatherLogger(
  options: Omit<PakbusLoggerOptions, 'program' | 'random'> & {
    readonly seed: number;
    readonly records: number;
    readonly intervalSeconds: number;
  },
  now: Moment,
): PakbusLogger {
  const { seed, records, intervalSeconds } = options;
  const program = weatherProgram(seed, intervalSeconds, Math.max(records, 1000));
  const logger = new PakbusLogger({ ...options, program, random: seededRandom(seed) }, now);
  const clockMs = now.wallMs + (options.clockOffsetMs ?? 0);
  const intervalMs = intervalSeconds * 1000;
  invariant(intervalMs > 0, 'the weather logger stores at an interval');
  logger.append('Status', pakbusTimeAt(clockMs * 1000), ['CR1000.Std.32', 'Godwit Weir']);
  for (let i = 0; i < records; i++) {
    const storedAtMs = (Math.floor(clockMs / intervalMs) - records + 1 + i) * intervalMs;
    logger.append('Weather', pakbusTimeAt(storedAtMs * 1000), weatherValues(seed, i));
  }
  return logger;
}
