import { describe, expect, test } from 'vitest';
import type { GodwitError } from '../../../../src/core/errors.ts';
import { seededRandom } from '../../../../src/core/random.ts';
import type { CollectedBatch, CollectedRecord, DeviceSession } from '../../../../src/instruments/driver.ts';
import { type PakbusConfiguration, pakbusDriver } from '../../../../src/instruments/pakbus/driver.ts';
import { Deframer, framed } from '../../../../src/instruments/pakbus/framing.ts';
import { decodePacket } from '../../../../src/instruments/pakbus/packet.ts';
import { localStampOf, pakbusTimeAt } from '../../../../src/instruments/pakbus/pakbus-time.ts';
import { nullifierOf, signatureOf } from '../../../../src/instruments/pakbus/signature.ts';
import {
  type LineFaults,
  noFaults,
  PakbusLogger,
  type PakbusLoggerOptions,
  type SimulatedTable,
  simulatedField,
} from '../../../../src/simulation/pakbus-logger.ts';
import { weatherLogger } from '../../../../src/simulation/pakbus-weather-station.ts';
import { drain, momentAt, startWallMs, VirtualLine } from './virtual-line.ts';

const signal = new AbortController().signal;

function open(line: VirtualLine, configuration: PakbusConfiguration = { address: 1 }): Promise<DeviceSession> {
  return line.until(pakbusDriver.open(configuration, line, line, signal));
}

function weather(options: Partial<PakbusLoggerOptions> & { seed?: number; records?: number } = {}): PakbusLogger {
  return weatherLogger({ address: 1, seed: 1, records: 100, intervalSeconds: 60, ...options }, momentAt(0));
}

/** Error a promise rejects with. */
async function errorOf(promise: Promise<unknown>): Promise<GodwitError> {
  return promise.then(
    () => Promise.reject(new Error('it succeeded')),
    (error) => error,
  );
}

function recordsOf(batches: readonly CollectedBatch[]): CollectedRecord[] {
  return batches.flatMap(({ records }) => records);
}

function numbersOf(batches: readonly CollectedBatch[]): number[] {
  return recordsOf(batches).map(({ recordNumber }) => recordNumber ?? -1);
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

const zero = { seconds: 0, nanoseconds: 0 };
const counter: SimulatedTable = {
  name: 'Counter',
  capacityRecords: 50,
  timeTypeCode: 14,
  timeIntoInterval: zero,
  interval: { seconds: 1, nanoseconds: 0 },
  fields: [simulatedField('Count', 'UInt4')],
};

/** A logger with the `Counter` table, whose records count from 0. */
function counting(options: Partial<PakbusLoggerOptions> = {}, table: SimulatedTable = counter): PakbusLogger {
  return new PakbusLogger(
    { address: 1, random: seededRandom(1), program: { name: 'CPU:count.CR1', tables: [table] }, ...options },
    momentAt(0),
  );
}

function count(logger: PakbusLogger, from: number, to: number): void {
  for (const i of range(from, to)) logger.append('Counter', pakbusTimeAt((startWallMs + i * 1000) * 1000), [i]);
}

describe('a session', () => {
  test('says who the logger is', async () => {
    const line = new VirtualLine(weather());
    const session = await open(line);
    expect(await line.until(session.identify())).toEqual({
      model: 'CR1000',
      serial: 'E1',
      operatingSystem: 'CR1000.Std.32',
      programName: 'CPU:weather.CR1',
      programSignature: expect.stringMatching(/^\d+$/),
      stationName: 'Godwit Weir',
    });
  });

  test('leaves the station name empty where the logger has none', async () => {
    const line = new VirtualLine(counting());
    const session = await open(line);
    expect((await line.until(session.identify())).stationName).toBe('');
  });

  test('reads the clock with half the round trip as its uncertainty', async () => {
    const line = new VirtualLine(weather({ clockOffsetMs: 90_000 }), 200);
    const session = await open(line);
    const asked = line.now().wallMs;
    const clock = await line.until(session.clock());
    expect(clock.uncertaintyMs).toBe(200);
    expect(clock.stamp).toEqual({ localUs: (asked + 200 + 90_000) * 1000 });
  });

  test('lists tables with their fields, interval and capacity', async () => {
    const line = new VirtualLine(weather());
    const session = await open(line);
    const tables = await line.until(session.tables());
    expect(tables.map(({ name, intervalUs, capacityRecords }) => [name, intervalUs, capacityRecords])).toEqual([
      ['Status', 0, 1],
      ['Weather', 60_000_000, 1000],
    ]);
    expect(tables[1]!.fields[1]).toEqual({ name: 'AirT', unit: 'Deg C', processing: 'Avg', kind: 'number' });
    expect(tables[1]!.revision).toMatch(/^[0-9a-f]{4}-[0-9a-f]{4}$/);
  });

  test('reads the definitions once and only asks for the program again', async () => {
    const line = new VirtualLine(weather());
    const session = await open(line);
    await line.until(session.tables());
    const before = line.bytesToClient;
    await line.until(session.tables());
    expect(line.bytesToClient - before).toBeLessThan(200);
  });

  test('finds the address of a logger that is alone on the line', async () => {
    const line = new VirtualLine(weather({ address: 77 }));
    const session = await open(line, {});
    expect((await line.until(session.identify())).serial).toBe('E77');
  });

  test('answers the hello of the logger with its interval over 2.5', async () => {
    const logger = weather();
    const line = new VirtualLine(logger);
    const session = await open(line);
    await line.until(session.clock());
    expect(logger.clientHello).toEqual({ isRouter: false, hopMetric: 2, verifyIntervalSeconds: 120 });
  });

  test('reads the definitions of a small logger under their other name', async () => {
    const line = new VirtualLine(weather({ definitionsFile: 'CPU:Def.tdf' }));
    const session = await open(line);
    expect((await line.until(session.tables())).map(({ name }) => name)).toEqual(['Status', 'Weather']);
  });

  test('runs calls that are made at once one after the other', async () => {
    const line = new VirtualLine(weather());
    const session = await open(line);
    const [clock, identity, tables] = await line.until(Promise.all([session.clock(), session.identify(), session.tables()]));
    expect([clock.uncertaintyMs, identity.serial, tables.length]).toEqual([50, 'E1', 2]);
  });

  test('says goodbye and closes the transport', async () => {
    const line = new VirtualLine(weather());
    const session = await open(line);
    const before = line.writes;
    await line.until(session.close());
    expect([line.writes - before, line.isClosed]).toEqual([1, true]);
    expect((await errorOf(line.until(session.clock()))).code).toBe('INSTRUMENT_DISCONNECTED');
  });
});

describe('collecting', () => {
  test('yields every record from the oldest, with values as the logger has them', async () => {
    const line = new VirtualLine(weather({ records: 300 }));
    const session = await open(line);
    const batches = await drain(line, session.collect('Weather'));
    expect(numbersOf(batches)).toEqual(range(0, 300));
    expect(batches.length).toBeGreaterThan(3);
    const records = recordsOf(batches);
    expect(records[299]!.stamp.localUs).toBe(startWallMs * 1000);
    expect(records[0]!.stamp.localUs).toBe((startWallMs - 299 * 60_000) * 1000);
    expect(records[0]!.cells).toHaveLength(6);
    expect(records[0]!.cells[0]).toMatch(/^12(\.\d{1,2})?$/);
    expect(records.some(({ cells }) => cells[4] === 'NAN')).toBe(true);
    expect(new Set(records.map(({ cells }) => cells[5]))).toEqual(new Set(['0', '-1']));
  });

  test('goes on at the cursor', async () => {
    const logger = weather();
    const line = new VirtualLine(logger);
    const session = await open(line);
    const first = await drain(line, session.collect('Weather'));
    for (let i = 100; i < 110; i++) logger.append('Weather', pakbusTimeAt((startWallMs + (i - 99) * 60_000) * 1000), [1, 2, 3, 4, 5, true]);
    const second = await drain(line, session.collect('Weather', first.at(-1)!.cursor));
    expect(numbersOf(second)).toEqual(range(100, 110));
    expect(second.every(({ missing }) => missing === undefined)).toBe(true);
    expect(second[0]!.records[0]!.cells).toEqual(['1', '2', '3', '4', '5', '-1']);
  });

  test.each(['nothing', 'oldest'] as const)('yields nothing when nothing is new and the logger answers with %s', async (futureRecords) => {
    const line = new VirtualLine(weather({ futureRecords }));
    const session = await open(line);
    const first = await drain(line, session.collect('Weather'));
    expect(await drain(line, session.collect('Weather', first.at(-1)!.cursor))).toEqual([]);
  });

  test('yields nothing from an empty table', async () => {
    const line = new VirtualLine(counting());
    const session = await open(line);
    expect(await drain(line, session.collect('Counter'))).toEqual([]);
    const [table] = await line.until(session.tables());
    expect(await drain(line, session.collect('Counter', { revision: table!.revision, nextRecord: 5 }))).toEqual([]);
  });

  test('states the records that the ring memory has lost', async () => {
    const logger = counting();
    count(logger, 0, 10);
    const line = new VirtualLine(logger);
    const session = await open(line);
    const first = await drain(line, session.collect('Counter'));
    count(logger, 10, 90);
    const second = await drain(line, session.collect('Counter', first.at(-1)!.cursor));
    expect(numbersOf(second)).toEqual(range(40, 90));
    expect(second[0]!.missing).toEqual({ from: 10, to: 40 });
  });

  test('states record numbers that the logger left out, in the middle of an answer too', async () => {
    const logger = counting();
    count(logger, 0, 5);
    logger.skip('Counter', 3);
    count(logger, 8, 12);
    const line = new VirtualLine(logger);
    const session = await open(line);
    const batches = await drain(line, session.collect('Counter'));
    expect(batches.map(({ records, missing }) => [records.map(({ recordNumber }) => recordNumber), missing])).toEqual([
      [range(0, 5), undefined],
      [range(8, 12), { from: 5, to: 8 }],
    ]);
  });

  test.each(['nothing', 'oldest'] as const)(
    'starts over when the table was emptied and the logger answers with %s',
    async (futureRecords) => {
      const logger = counting({ futureRecords });
      count(logger, 0, 40);
      const line = new VirtualLine(logger);
      const session = await open(line);
      const first = await drain(line, session.collect('Counter'));
      logger.install({ name: 'CPU:count.CR1', tables: [counter] }, line.now());
      count(logger, 0, 7);
      const second = await drain(line, session.collect('Counter', first.at(-1)!.cursor));
      expect(numbersOf(second)).toEqual(range(0, 7));
      expect(second[0]!.missing).toBeUndefined();
    },
  );

  test('ends with TABLE_CHANGED when the program has changed the table, and goes on with the new definition', async () => {
    const logger = counting();
    count(logger, 0, 5);
    const line = new VirtualLine(logger);
    const session = await open(line);
    const [old] = await drain(line, session.collect('Counter'));
    const wider = { ...counter, fields: [...counter.fields, simulatedField('Extra', 'UInt4')] };
    logger.install({ name: 'CPU:count2.CR1', tables: [wider] }, line.now());
    logger.append('Counter', pakbusTimeAt(startWallMs * 1000), [1, 2]);
    const error = await errorOf(drain(line, session.collect('Counter', old!.cursor)));
    expect([error.code, error.retryable]).toEqual(['TABLE_CHANGED', true]);
    const [table] = await line.until(session.tables());
    expect(table!.revision).not.toBe(old!.table.revision);
    const [batch] = await drain(line, session.collect('Counter'));
    expect(batch!.records[0]!.cells).toEqual(['1', '2']);
  });

  test('ends with TABLE_CHANGED when the program changes between two batches', async () => {
    const logger = weather({ records: 300 });
    const line = new VirtualLine(logger);
    const session = await open(line);
    const batches = session.collect('Weather')[Symbol.asyncIterator]();
    await line.until(batches.next());
    logger.install({ name: 'CPU:other.CR1', tables: [counter, counter] }, line.now());
    expect((await errorOf(line.until(batches.next()))).code).toBe('TABLE_CHANGED');
    expect((await line.until(session.tables())).map(({ name }) => name)).toEqual(['Counter', 'Counter']);
  });

  test('puts records together that are longer than a packet, in tables with and without an interval', async () => {
    for (const interval of [counter.interval, zero]) {
      const long: SimulatedTable = {
        ...counter,
        interval,
        fields: [simulatedField('Text', 'ASCIIZ'), simulatedField('V', 'IEEE4B', { elements: 600 })],
      };
      const logger = counting({}, long);
      const values = (i: number) => [`text ${i}`, ...range(0, 600).map((j) => i + j / 8)];
      for (const i of range(0, 3)) logger.append('Counter', pakbusTimeAt((startWallMs + i * 1000) * 1000), values(i));
      const line = new VirtualLine(logger);
      const session = await open(line);
      const batches = await drain(line, session.collect('Counter'));
      expect(numbersOf(batches)).toEqual([0, 1, 2]);
      expect(recordsOf(batches).map(({ cells }) => cells)).toEqual(range(0, 3).map((i) => values(i).map(String)));
      expect(recordsOf(batches).map(({ stamp }) => stamp.localUs)).toEqual(range(0, 3).map((i) => (startWallMs + i * 1000) * 1000));
    }
  });

  test('takes the times of an event table from each record', async () => {
    const logger = counting({}, { ...counter, interval: zero, timeTypeCode: 13 });
    const times = [0, 17, 1_000_123].map((ms) => pakbusTimeAt((startWallMs + ms) * 1000));
    for (const [i, time] of times.entries()) logger.append('Counter', time, [i]);
    const line = new VirtualLine(logger);
    const session = await open(line);
    const batches = await drain(line, session.collect('Counter'));
    expect(recordsOf(batches).map(({ stamp }) => stamp)).toEqual(times.map(localStampOf));
  });

  test('hands over the packets as they were on the wire', async () => {
    const line = new VirtualLine(weather());
    const session = await open(line);
    const [batch] = await drain(line, session.collect('Weather'));
    const packets = new Deframer().push(batch!.raw).map((packet) => decodePacket(packet));
    expect(packets).toHaveLength(1);
    expect(packets[0]).toMatchObject({ ok: true, value: { payload: { source: 1, protocol: 1 } } });
  });

  test('refuses a table that the logger does not have', async () => {
    const line = new VirtualLine(counting());
    const session = await open(line);
    const error = await errorOf(drain(line, session.collect('Nothing')));
    expect([error.code, error.retryable]).toEqual(['TABLE_UNKNOWN', false]);
  });

  test('refuses a table with a type of unknown length, and reads its neighbour all the same', async () => {
    const strange = { ...counter, name: 'Strange', fields: [{ ...simulatedField('Strange', 'UInt4'), typeCode: 99 }] };
    const logger = counting({ program: { name: 'CPU:count.CR1', tables: [strange, counter] } });
    count(logger, 0, 3);
    const line = new VirtualLine(logger);
    const session = await open(line);
    expect((await line.until(session.tables())).map(({ name, fields }) => [name, fields.length])).toEqual([
      ['Strange', 0],
      ['Counter', 1],
    ]);
    const error = await errorOf(drain(line, session.collect('Strange')));
    expect([error.code, error.retryable]).toEqual(['PAKBUS_TYPE_UNKNOWN', false]);
    expect(numbersOf(await drain(line, session.collect('Counter')))).toEqual([0, 1, 2]);
  });

  test('asks for the range when the next record number itself was left out', async () => {
    const logger = counting();
    count(logger, 0, 10);
    const line = new VirtualLine(logger);
    const session = await open(line);
    const [batch] = await drain(line, session.collect('Counter'));
    logger.skip('Counter', 5);
    count(logger, 15, 20);
    const batches = await drain(line, session.collect('Counter', batch!.cursor));
    expect(batches.map(({ missing }) => missing)).toEqual([{ from: 10, to: 15 }]);
    expect(numbersOf(batches)).toEqual(range(15, 20));
  });

  test('does not believe a gap that only an answer from elsewhere shows', async () => {
    const logger = counting();
    count(logger, 0, 30);
    const line = new VirtualLine(logger);
    const session = await open(line);
    const [table] = await line.until(session.tables());
    const write = line.write.bind(line);
    let writes = 0;
    line.write = (bytes) => {
      writes += 1;
      if (writes !== 2) return write(bytes);
      // The first collect command is changed on the way, so that its answer is one to a later record.
      const [packet] = new Deframer().push(bytes);
      const changed = packet!.slice(0, -2);
      changed[changed.length - 3] = 20;
      return write(framed(Uint8Array.of(...changed, ...nullifierOf(signatureOf(changed)))));
    };
    const batches = await drain(line, session.collect('Counter', { revision: table!.revision, nextRecord: 5 }));
    expect(numbersOf(batches)).toEqual(range(5, 30));
    expect(batches.map(({ missing }) => missing)).not.toContainEqual(expect.anything());
  });

  test('sees a record that was stored while it asked for the newest', async () => {
    const logger = counting();
    count(logger, 0, 10);
    const line = new VirtualLine(logger);
    const session = await open(line);
    const [batch] = await drain(line, session.collect('Counter'));
    const write = line.write.bind(line);
    let writes = 0;
    line.write = (bytes) => {
      writes += 1;
      // The statistics, the collection, and then the newest record.
      if (writes === 3) count(logger, 10, 11);
      return write(bytes);
    };
    expect(numbersOf(await drain(line, session.collect('Counter', batch!.cursor)))).toEqual([10]);
  });
});

describe('faults of the line', () => {
  test.each<[string, LineFaults]>([
    ['dropped packets', { ...noFaults, dropRatio: 0.2 }],
    ['duplicated packets', { ...noFaults, duplicateRatio: 0.7 }],
    ['answers put off', { ...noFaults, waitRatio: 0.7 }],
    ['damaged packets', { ...noFaults, damageRatio: 0.3 }],
    ['all of them', { dropRatio: 0.1, duplicateRatio: 0.3, waitRatio: 0.3, damageRatio: 0.1 }],
  ])('%s lose and repeat nothing', async (_, faults) => {
    const line = new VirtualLine(weather({ seed: 3, records: 500, faults }));
    const session = await open(line);
    const batches = await drain(line, session.collect('Weather'));
    expect(numbersOf(batches)).toEqual(range(0, 500));
  });

  test('a silent logger is a retryable INSTRUMENT_TIMEOUT, and the transport is closed', async () => {
    const line = new VirtualLine(weather({ faults: { ...noFaults, dropRatio: 1 } }));
    const error = await errorOf(open(line, { address: 1, responseTimeoutMs: 1500 }));
    expect([error.code, error.retryable, line.isClosed]).toEqual(['INSTRUMENT_TIMEOUT', true, true]);
    expect(line.monotonicMs()).toBe(4 * 1500);
  });

  test('nobody with that address is a timeout too, and so is nobody at all', async () => {
    expect((await errorOf(open(new VirtualLine(weather({ address: 2 }))))).code).toBe('INSTRUMENT_TIMEOUT');
    const silent = new VirtualLine(weather({ faults: { ...noFaults, dropRatio: 1 } }));
    expect((await errorOf(open(silent, {}))).message).toContain('no logger');
  });

  test('a connection that ends fails what is waiting', async () => {
    const line = new VirtualLine(weather());
    const session = await open(line);
    const clock = session.clock();
    line.hangUp();
    const error = await errorOf(line.until(clock));
    expect([error.code, error.retryable]).toEqual(['INSTRUMENT_DISCONNECTED', true]);
    await session.close();
  });

  test('a transport that cannot write fails what is waiting', async () => {
    const line = new VirtualLine(weather());
    const session = await open(line);
    line.write = () => Promise.reject(new Error('gone'));
    expect((await errorOf(line.until(session.clock()))).code).toBe('INSTRUMENT_DISCONNECTED');
  });

  test('aborting fails what is waiting', async () => {
    const controller = new AbortController();
    const line = new VirtualLine(weather());
    const session = await line.until(pakbusDriver.open({ address: 1 }, line, line, controller.signal));
    const clock = session.clock();
    await Promise.resolve();
    controller.abort();
    expect((await errorOf(line.until(clock))).code).toBe('ABORTED');
    const late = pakbusDriver.open({ address: 1 }, line, line, controller.signal);
    expect((await errorOf(line.until(late))).code).toBe('ABORTED');
  });
});

describe('security and configuration', () => {
  test('a wrong security code is refused for good, the right one reads', async () => {
    const refused = new VirtualLine(weather({ securityCode: 1234 }));
    const error = await errorOf(refused.until((await open(refused)).tables()));
    expect([error.code, error.retryable]).toEqual(['INSTRUMENT_REFUSED', false]);
    const allowed = new VirtualLine(weather({ securityCode: 1234 }));
    expect(await allowed.until((await open(allowed, { address: 1, securityCode: 1234 })).tables())).toHaveLength(2);
  });

  test.each<[string, PakbusConfiguration]>([
    ['address 0', { address: 0 }],
    ['address 4095', { address: 4095 }],
    ['own address 1.5', { ownAddress: 1.5 }],
    ['security code 65536', { securityCode: 65536 }],
    ['response timeout 0', { responseTimeoutMs: 0 }],
  ])('%s is no configuration', async (_, configuration) => {
    const error = await errorOf(open(new VirtualLine(weather()), configuration));
    expect([error.code, error.retryable]).toEqual(['CONFIGURATION_INVALID', false]);
  });
});
