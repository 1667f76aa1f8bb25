import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../../../src/core/random.ts';
import type { DeviceSession } from '../../../../src/instruments/driver.ts';
import { type ModbusConfiguration, modbusDriver } from '../../../../src/instruments/modbus/driver.ts';
import type { RegisterDefinition } from '../../../../src/instruments/modbus/register-map.ts';
import { ModbusSensor, type ModbusSensorOptions, noModbusFaults } from '../../../../src/simulation/modbus-sensor.ts';
import { codeOf, drain, startWallMs, VirtualInstrument } from '../virtual-instrument.ts';

const signal = new AbortController().signal;

const stage: RegisterDefinition = { name: 'Stage', kind: 'input-register', address: 0, type: 'float32', order: 'CDAB', unit: 'm' };
const temperature: RegisterDefinition = { name: 'WaterT', kind: 'input-register', address: 2, type: 'int16', scale: 0.01, unit: 'degC' };
const count: RegisterDefinition = { name: 'Tips', kind: 'holding-register', address: 100, type: 'uint32' };
const wiper: RegisterDefinition = { name: 'Wiper', kind: 'discrete-input', address: 9, type: 'boolean' };
const deepStage: RegisterDefinition = { ...stage, address: 40 };
const deepTemperature: RegisterDefinition = { ...temperature, address: 42 };
const tables = [
  { name: 'Water', registers: [stage, temperature] },
  { name: 'Rain', registers: [wiper, count] },
  { name: 'Deep', registers: [deepStage, deepTemperature] },
];

function sensor(options: Partial<ModbusSensorOptions> = {}): ModbusSensor {
  const made = new ModbusSensor({ framing: 'rtu', unit: 5, random: seededRandom(3), ...options });
  made.set(stage, 1.25);
  made.set(temperature, 415);
  made.set(deepStage, 2.5);
  made.set(deepTemperature, 400);
  made.set(count, 70_000);
  made.set(wiper, 1);
  return made;
}

function open(line: VirtualInstrument, configuration: Partial<ModbusConfiguration> = {}): Promise<DeviceSession> {
  return line.until(modbusDriver.open({ framing: 'rtu', unit: 5, tables, ...configuration }, line, line, signal));
}

async function cellsOf(line: VirtualInstrument, session: DeviceSession, table: string) {
  return (await drain(line, session.collect(table)))[0]!.records[0]!.cells;
}

describe.each(['rtu', 'tcp'] as const)('a session over %s', (framing) => {
  test('reads each table as one record, stamped by this node in UTC and numbered by its own count', async () => {
    const line = new VirtualInstrument(sensor({ framing }));
    const session = await open(line, { framing });
    const water = await drain(line, session.collect('Water'));
    expect(water).toHaveLength(1);
    expect(water[0]).toMatchObject({
      records: [{ recordNumber: 0, stamp: { localUs: startWallMs * 1000, offsetMinutes: 0 }, cells: ['1.25', '4.15'] }],
      cursor: { nextRecord: 1 },
    });
    const [rain] = await drain(line, session.collect('Rain', { revision: (await session.tables())[1]!.revision, nextRecord: 41 }));
    expect(rain).toMatchObject({ records: [{ recordNumber: 41, cells: ['1', '70000'] }], cursor: { nextRecord: 42 } });
    expect(rain!.records[0]!.stamp.localUs).toBeGreaterThan(startWallMs * 1000);
    // Two kinds of registers are two answers, and both are kept as they came.
    expect(rain!.raw.length).toBe(framing === 'rtu' ? 6 + 9 : 7 + 3 + (7 + 6));
    await session.close();
    expect(line.isClosed).toBe(true);
  });

  test('outlasts lost, damaged, late and refused answers', async () => {
    const faults = { dropRatio: 0.15, damageRatio: 0.15, busyRatio: 0.1, lateRatio: 0.15, noiseRatio: 0.2 };
    const device = sensor({ framing, faults, random: seededRandom(12) });
    const line = new VirtualInstrument(device);
    const session = await open(line, { framing, triesMax: 10 });
    for (let i = 0; i < 40; i++) {
      // The two are of one kind and one length: an answer that came late must not be taken for the other's.
      device.set(temperature, i * 3);
      device.set(deepTemperature, -i);
      expect(await cellsOf(line, session, 'Water')).toEqual(['1.25', ((i * 3) / 100).toFixed(2)]);
      expect(await cellsOf(line, session, 'Deep')).toEqual(['2.5', (-i / 100).toFixed(2).replace('-0.00', '0.00')]);
    }
    expect(device.requests).toBeGreaterThan(100);
  });

  test('asks three times, and then says INSTRUMENT_TIMEOUT', async () => {
    const line = new VirtualInstrument(sensor({ framing, faults: { ...noModbusFaults, dropRatio: 1 } }));
    const session = await open(line, { framing, responseTimeoutMs: 500 });
    expect(await codeOf(drain(line, session.collect('Water')))).toEqual(['INSTRUMENT_TIMEOUT', true]);
    expect(line.sent).toHaveLength(3);
    expect(line.monotonicMs()).toBeGreaterThanOrEqual(1500);
    expect(line.monotonicMs()).toBeLessThan(1600);
  });

  test('gives a busy device time', async () => {
    const line = new VirtualInstrument(sensor({ framing, faults: { ...noModbusFaults, busyRatio: 1 } }));
    const session = await open(line, { framing });
    expect(await codeOf(drain(line, session.collect('Water')))).toEqual(['INSTRUMENT_BUSY', true]);
    expect(line.monotonicMs()).toBeGreaterThanOrEqual(500);
  });

  test('does not ask again for what the device does not have', async () => {
    const line = new VirtualInstrument(sensor({ framing }));
    const missing = [{ name: 'Gone', registers: [{ ...stage, address: 700 }] }];
    const session = await open(line, { framing, tables: missing });
    expect(await codeOf(drain(line, session.collect('Gone')))).toEqual(['INSTRUMENT_REFUSED', false]);
    expect(line.sent).toHaveLength(1);
  });

  test('ends with the connection, and with the signal', async () => {
    const line = new VirtualInstrument(sensor({ framing, faults: { ...noModbusFaults, dropRatio: 1 } }));
    const session = await open(line, { framing });
    const collecting = codeOf(Array.fromAsync(session.collect('Water')));
    line.hangUp();
    expect(await line.until(collecting)).toEqual(['INSTRUMENT_DISCONNECTED', true]);
    const aborting = new AbortController();
    const other = new VirtualInstrument(sensor({ framing }));
    const second = await other.until(modbusDriver.open({ framing, unit: 5, tables }, other, other, aborting.signal));
    aborting.abort();
    expect(await codeOf(other.until(Array.fromAsync(second.collect('Water'))))).toEqual(['ABORTED', true]);
  });
});

describe('a session', () => {
  test('hears through the echo of a two-wire line', async () => {
    const line = new VirtualInstrument(sensor({ echoes: true }));
    expect(await cellsOf(line, await open(line), 'Water')).toEqual(['1.25', '4.15']);
  });

  test('that only hears damaged frames says MODBUS_MALFORMED', async () => {
    const line = new VirtualInstrument(sensor({ faults: { ...noModbusFaults, damageRatio: 1 } }));
    const session = await open(line);
    expect(await codeOf(drain(line, session.collect('Water')))).toEqual(['MODBUS_MALFORMED', true]);
  });

  test('keeps frames apart by silence', async () => {
    const line = new VirtualInstrument(sensor(), 0);
    const session = await open(line, { frameSilenceMs: 40 });
    await cellsOf(line, session, 'Rain');
    expect(line.monotonicMs()).toBeGreaterThanOrEqual(40);
  });

  test('gives up a TCP connection that is out of step', async () => {
    const noise = { handle: () => undefined, poll: () => undefined, nextDeadline: () => undefined };
    let said = false;
    const line = new VirtualInstrument({
      ...noise,
      poll: () => {
        if (said) return undefined;
        said = true;
        return { bytes: new TextEncoder().encode('HTTP/1.1 400 Bad Request\r\n') };
      },
    });
    const session = await open(line, { framing: 'tcp' });
    expect(await codeOf(drain(line, session.collect('Water')))).toEqual(['MODBUS_MALFORMED', true]);
  });

  test('names its tables by the register map, so that a changed map makes a new table revision', async () => {
    const line = new VirtualInstrument(sensor());
    const session = await open(line, { model: 'PT12', serial: '0042', stationName: 'Weir' });
    const changed = await open(line, { tables: [{ name: 'Water', registers: [{ ...stage, scale: 2 }, temperature] }, tables[1]!] });
    const [water, rain] = await session.tables();
    const [waterChanged, rainSame] = await changed.tables();
    expect(waterChanged!.revision).not.toBe(water!.revision);
    expect(rainSame).toEqual(rain);
    expect(await codeOf(drain(line, changed.collect('Water', { revision: water!.revision, nextRecord: 1 })))).toEqual([
      'TABLE_CHANGED',
      true,
    ]);
    const [identity, other] = [await session.identify(), await changed.identify()];
    expect(identity).toMatchObject({ model: 'PT12', serial: '0042', stationName: 'Weir' });
    expect(other.programSignature).not.toBe(identity.programSignature);
  });

  test('has no clock and no other tables', async () => {
    const line = new VirtualInstrument(sensor());
    const session = await open(line);
    expect(await codeOf(session.clock())).toEqual(['INSTRUMENT_WITHOUT_CLOCK', false]);
    expect(await codeOf(drain(line, session.collect('Wind')))).toEqual(['TABLE_UNKNOWN', false]);
  });

  test.each<[string, object, string]>([
    ['an unknown framing', { framing: 'ascii' }, 'CONFIGURATION_INVALID'],
    ['unit 0 on a serial line', { unit: 0 }, 'CONFIGURATION_INVALID'],
    ['an unknown setting', { speed: 9600 }, 'CONFIGURATION_INVALID'],
    ['a register map that is wrong', { tables: [{ name: 'x', registers: [] }] }, 'MODBUS_MAP_INVALID'],
  ])('is not opened with %s, and the connection is closed', async (_, configuration, code) => {
    const line = new VirtualInstrument(sensor());
    expect(await codeOf(open(line, configuration as Partial<ModbusConfiguration>))).toEqual([code, false]);
    expect(line.isClosed).toBe(true);
  });
});
