import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../../../src/core/random.ts';
import type { DeviceSession } from '../../../../src/instruments/driver.ts';
import { type Sdi12Configuration, type Sdi12Measurement, sdi12Driver } from '../../../../src/instruments/sdi12/driver.ts';
import { Sdi12Line, type Sdi12LineOptions, type Sdi12SensorOptions } from '../../../../src/simulation/sdi12-sensor.ts';
import { codeOf, drain, startWallMs, VirtualInstrument } from '../virtual-instrument.ts';

const signal = new AbortController().signal;

const soilSensor: Sdi12SensorOptions = {
  address: '0',
  identification: '14METER   TER12 100T12-00042',
  measureSeconds: 2,
  values: () => ['+0.31', '+12.4', '+250'],
};
const rainGauge: Sdi12SensorOptions = { address: 'b', identification: '13OTT     PLUV2 123', values: (n) => [`+${n}.5`, '-9999'] };
/** Twenty temperatures, in ten answers of two. */
const chain: Sdi12SensorOptions = {
  address: '7',
  identification: '13RST     CHAIN 001',
  measureSeconds: 30,
  values: () => Array.from({ length: 20 }, (_, i) => `-${i}.25`),
  answerCharactersMax: 13,
};

const soil: Sdi12Measurement = {
  table: 'Soil',
  address: '0',
  command: 'M',
  values: [
    { name: 'VWC', unit: 'm3/m3' },
    { name: 'SoilT', unit: 'degC' },
    { name: 'EC', unit: 'uS/cm' },
  ],
};
const rain: Sdi12Measurement = {
  table: 'Rain',
  address: 'b',
  command: 'M1',
  values: [{ name: 'Rain' }, { name: 'Snow', sentinels: [-9999] }],
};
const thermistors: Sdi12Measurement = {
  table: 'Thermistors',
  address: '7',
  command: 'C',
  crc: true,
  values: Array.from({ length: 20 }, (_, i) => ({ name: `T${i}`, unit: 'degC' })),
};

function lineOf(options: Partial<Sdi12LineOptions> = {}): { sensors: Sdi12Line; line: VirtualInstrument } {
  const sensors = new Sdi12Line({ sensors: [soilSensor, rainGauge, chain], random: seededRandom(4), sleeps: true, ...options });
  return { sensors, line: new VirtualInstrument(sensors) };
}

function open(line: VirtualInstrument, configuration: Partial<Sdi12Configuration> = {}): Promise<DeviceSession> {
  return line.until(sdi12Driver.open({ measurements: [soil, rain, thermistors], ...configuration }, line, line, signal));
}

async function cellsOf(line: VirtualInstrument, session: DeviceSession, table: string) {
  return (await drain(line, session.collect(table)))[0]!.records[0]!.cells;
}

describe('a session on a line of sensors', () => {
  test('measures when it collects: waits for the service request, and fetches the values', async () => {
    const { sensors, line } = lineOf();
    const session = await open(line);
    const [batch] = await drain(line, session.collect('Soil'));
    expect(batch).toMatchObject({
      records: [{ recordNumber: 0, stamp: { offsetMinutes: 0 }, cells: ['0.31', '12.4', '250'] }],
      cursor: { nextRecord: 1 },
    });
    expect(sensors.commands).toEqual(['0I', '0M', '0D0']);
    // The sensor promised two seconds and was ready after 1.8.
    expect(line.monotonicMs()).toBeGreaterThan(1800);
    expect(line.monotonicMs()).toBeLessThan(2000);
    expect(batch!.records[0]!.stamp.localUs).toBeLessThan((startWallMs + 200) * 1000);
    expect(new TextDecoder().decode(batch!.raw)).toBe('00023\r\n0+0.31+12.4+250\r\n');
    await session.close();
    expect(line.isClosed).toBe(true);
  });

  test('takes an additional measurement, and a declared sentinel for a missing value', async () => {
    const { line } = lineOf();
    expect(await cellsOf(line, await open(line), 'Rain')).toEqual(['1.5', null]);
  });

  test('takes what a sensor measures at this moment', async () => {
    const { sensors, line } = lineOf();
    const now: Sdi12Measurement = { ...rain, command: 'R3', crc: true };
    expect(await cellsOf(line, await open(line, { measurements: [now] }), 'Rain')).toEqual(['3.5', null]);
    expect(sensors.commands).toEqual(['bI', 'bRC3']);
  });

  test('fetches long measurements piece by piece, each with its checksum', async () => {
    const { sensors, line } = lineOf();
    const session = await open(line);
    expect(await cellsOf(line, session, 'Thermistors')).toEqual(Array.from({ length: 20 }, (_, i) => `-${i}.25`));
    expect(sensors.commands).toEqual(['7I', '7CC', ...Array.from({ length: 10 }, (_, i) => `7D${i}`)]);
  });

  test('lets concurrent measurements of several sensors run at the same time', async () => {
    const other: Sdi12SensorOptions = { ...chain, address: '8' };
    const { line } = lineOf({ sensors: [chain, other, soilSensor] });
    const second = { ...thermistors, table: 'Second', address: '8' };
    const session = await open(line, { measurements: [thermistors, soil, second] });
    await line.until(session.tables());
    expect(await cellsOf(line, session, 'Thermistors')).toHaveLength(20);
    expect(await cellsOf(line, session, 'Second')).toHaveLength(20);
    expect(line.monotonicMs()).toBeLessThan(35_000);
    // The next time it measures anew.
    expect(await cellsOf(line, session, 'Second')).toHaveLength(20);
    expect(line.monotonicMs()).toBeGreaterThan(60_000);
  });

  test('goes on at the promised time when no service request comes', async () => {
    const { sensors, line } = lineOf({ sensors: [{ ...soilSensor, requestsService: false }] });
    expect(await cellsOf(line, await open(line), 'Soil')).toEqual(['0.31', '12.4', '250']);
    expect(sensors.commands).toEqual(['0I', '0M', '0D0']);
    expect(line.monotonicMs()).toBeGreaterThan(2000);
  });

  test('does not wait for values that are there at once', async () => {
    const { line } = lineOf({ sensors: [{ ...soilSensor, measureSeconds: 0 }] });
    expect(await cellsOf(line, await open(line), 'Soil')).toEqual(['0.31', '12.4', '250']);
    expect(line.monotonicMs()).toBeLessThan(200);
  });

  test.each([
    ['an adapter that gives commands back', { echoes: true }],
    ['characters that carry their parity', { parity: true }],
  ])('hears through %s', async (_, options) => {
    const { line } = lineOf(options);
    const session = await open(line, { commandEnd: '\r\n' });
    expect(await cellsOf(line, session, 'Soil')).toEqual(['0.31', '12.4', '250']);
    expect(await cellsOf(line, session, 'Thermistors')).toHaveLength(20);
  });

  test('outlasts lost and damaged characters', async () => {
    const { line } = lineOf({ dropRatio: 0.1, damageRatio: 0.1 });
    const measurements = [{ ...soil, crc: true }, thermistors];
    const session = await open(line, { measurements });
    for (let i = 0; i < 10; i++) {
      expect(await cellsOf(line, session, 'Soil')).toEqual(['0.31', '12.4', '250']);
      expect((await cellsOf(line, session, 'Thermistors'))[19]).toBe('-19.25');
    }
  });

  test('does not take a late answer for that to the next command', async () => {
    for (let seed = 0; seed < 12; seed++) {
      const { line } = lineOf({ lateRatio: 0.3, random: seededRandom(seed) });
      const session = await open(line);
      expect(await cellsOf(line, session, 'Thermistors')).toEqual(Array.from({ length: 20 }, (_, i) => `-${i}.25`));
    }
  });

  test('wakes sensors by a break before each command, and repeats it nine times at most', async () => {
    const { line } = lineOf({ dropRatio: 1 });
    const session = await open(line);
    expect(await codeOf(drain(line, session.collect('Soil')))).toEqual(['INSTRUMENT_TIMEOUT', true]);
    expect(line.breaks).toBe(9);
    expect(line.sent.map((bytes) => new TextDecoder().decode(bytes))).toEqual(new Array(9).fill('0I!'));
  });

  test('ends with the connection', async () => {
    const { line } = lineOf({ dropRatio: 1 });
    const session = await open(line);
    const collecting = codeOf(Array.fromAsync(session.collect('Soil')));
    line.hangUp();
    expect(await line.until(collecting)).toEqual(['INSTRUMENT_DISCONNECTED', true]);
  });
});

describe('the tables of a line', () => {
  test('say in each column which sensor it is, and another sensor makes another revision', async () => {
    const { line } = lineOf();
    const session = await open(line);
    const tables = await line.until(session.tables());
    expect(tables.map(({ name, fields }) => [name, fields[0]!.sensorSerial])).toEqual([
      ['Soil', 'METER TER12 T12-00042'],
      ['Rain', 'OTT PLUV2'],
      ['Thermistors', 'RST CHAIN'],
    ]);
    const replaced = lineOf({ sensors: [{ ...soilSensor, identification: '14METER   TER12 100T12-00043' }] });
    const other = await open(replaced.line);
    const cursor = { revision: tables[0]!.revision, nextRecord: 3 };
    expect(await codeOf(drain(replaced.line, other.collect('Soil', cursor)))).toEqual(['TABLE_CHANGED', true]);
    expect((await drain(line, session.collect('Soil', cursor)))[0]!.records[0]!.recordNumber).toBe(3);
    expect((await session.identify()).programSignature).toBe((await other.identify()).programSignature);
  });

  test('list a sensor that does not answer without columns, and the others go on', async () => {
    const { line } = lineOf({ sensors: [soilSensor] });
    const session = await open(line, { measurements: [rain, { ...thermistors, address: 'c' }, soil] });
    const tables = await line.until(session.tables());
    expect(tables.map(({ name, fields }) => [name, fields.length])).toEqual([
      ['Rain', 0],
      ['Thermistors', 0],
      ['Soil', 3],
    ]);
    expect(await codeOf(drain(line, session.collect('Rain')))).toEqual(['INSTRUMENT_TIMEOUT', true]);
    expect(await cellsOf(line, session, 'Soil')).toHaveLength(3);
  });

  test('are those of the configuration, and have no clock', async () => {
    const { line } = lineOf();
    const session = await open(line);
    expect(await codeOf(drain(line, session.collect('Wind')))).toEqual(['TABLE_UNKNOWN', false]);
    expect(await codeOf(session.clock())).toEqual(['INSTRUMENT_WITHOUT_CLOCK', false]);
  });
});

describe('a sensor and a configuration that disagree', () => {
  test('about the number of values are SDI12_VALUE_COUNT', async () => {
    const { line } = lineOf();
    const session = await open(line, {
      measurements: [
        { ...soil, values: soil.values.slice(1) },
        { ...rain, command: 'R1', values: [{ name: 'x' }] },
      ],
    });
    expect(await codeOf(drain(line, session.collect('Soil')))).toEqual(['SDI12_VALUE_COUNT', false]);
    expect(await codeOf(drain(line, session.collect('Rain')))).toEqual(['SDI12_VALUE_COUNT', false]);
  });

  test('about checksums are SDI12_MALFORMED', async () => {
    const bad: Sdi12SensorOptions = { ...soilSensor, values: () => ['garbage', '+1', '+2'] };
    const { line } = lineOf({ sensors: [bad] });
    expect(await codeOf(drain(line, (await open(line)).collect('Soil')))).toEqual(['SDI12_MALFORMED', true]);
  });

  test('about when values are ready are SDI12_NO_VALUES', async () => {
    const empty: Sdi12SensorOptions = { ...soilSensor, values: () => ['', '', ''] };
    const { line } = lineOf({ sensors: [empty] });
    expect(await codeOf(drain(line, (await open(line)).collect('Soil')))).toEqual(['SDI12_NO_VALUES', true]);
  });
});

test.each<[string, object]>([
  ['an address that is none', { measurements: [{ ...soil, address: '?' }] }],
  ['a command that changes an address', { measurements: [{ ...soil, command: 'A1' }] }],
  ['no measurement', { measurements: [] }],
  ['two tables of one name', { measurements: [soil, soil] }],
  ['an unknown setting', { baud: 1200 }],
])('a configuration with %s is refused, and the connection closed', async (_, configuration) => {
  const { line } = lineOf();
  expect(await codeOf(open(line, configuration as Partial<Sdi12Configuration>))).toEqual(['CONFIGURATION_INVALID', false]);
  expect(line.isClosed).toBe(true);
});
