import { expect, test } from 'vitest';
import { GodwitError } from '../../src/core/errors.ts';
import { seededRandom } from '../../src/core/random.ts';
import type { DeviceDriver } from '../../src/instruments/driver.ts';
import type { PowerReading } from '../../src/ports/power-state.ts';
import { LoggerLine } from '../../src/simulation/logger-line.ts';
import { weatherLogger } from '../../src/simulation/pakbus-weather-station.ts';
import { Sdi12Line } from '../../src/simulation/sdi12-sensor.ts';
import { World } from '../../src/simulation/world.ts';
import { chain, hour, minute, type Pair, second } from './camp.ts';

const profile = { utcOffsetMinutes: 0 };

test('two duties on one serial line take turns, and both are served', async () => {
  const camp = await chain(191, ['station', 'base']);
  const [station] = camp.nodes as Pair;
  const { world } = camp;
  const met = station.node.createDataset({ name: 'met', kind: 'series' });
  let open = 0;
  let most = 0;
  const line = () => {
    const sensors = [{ address: '0', identification: '14METER   TER12 100', measureSeconds: 5, values: () => ['+0.31'] }];
    const transport = new LoggerLine(world, station, new Sdi12Line({ random: seededRandom(2), sensors }));
    const close = transport.close.bind(transport);
    most = Math.max(most, ++open);
    transport.close = async () => {
      open--;
      await close();
    };
    return transport;
  };
  for (const [table, suffix] of [
    ['Soil', '?baud=1200'],
    ['Soil2', ''],
  ] as const) {
    const address = `serial:/dev/ttyS1${suffix}`;
    station.instruments.set(address, line);
    const configuration = { measurements: [{ table, address: '0', command: 'M', values: [{ name: 'VWC' }] }] };
    station.node.addDuty({ kind: 'collect', dataset: met, driver: 'sdi-12', address, configuration, profile: {}, everyMs: minute });
  }
  expect(station.node.collections().map(({ state }) => state)).toEqual(['running', 'queued']);
  await world.runFor(3 * minute);
  expect(most).toBe(1);
  expect(station.node.tables(met).map(({ revision, rows }) => [revision.table, rows])).toEqual([
    ['Soil', 3],
    ['Soil2', 3],
  ]);
});

test('a logger is visited at its times, made up for after a power cut, and when a session with a member comes up', async () => {
  const camp = await chain(192, ['station', 'base']);
  const [station] = camp.nodes as Pair;
  const { world } = camp;
  const met = station.node.createDataset({ name: 'met', kind: 'series' });
  const logger = weatherLogger({ address: 1, seed: 3, records: 5, intervalSeconds: 3600 }, station.clock.now());
  let visits = 0;
  station.instruments.set('tcp://logger:6785', () => {
    visits++;
    return new LoggerLine(world, station, logger);
  });
  const duty = {
    kind: 'collect',
    dataset: met,
    driver: 'campbell-pakbus',
    address: 'tcp://logger:6785',
    profile,
    tables: ['Weather'],
  } as const;
  const id = station.node.addDuty({ ...duty, tables: ['Weather'], at: ['0 */6 * * *'] });
  const [status] = station.node.collections();
  expect(status).toMatchObject({ id, state: 'waiting', why: 'at 0 */6 * * * UTC', failures: 0 });
  expect(((status?.nextMs ?? 0) / hour) % 6).toBe(0);
  await world.runFor(12 * hour + minute);
  expect(visits).toBe(2);
  station.kill();
  await world.runFor(24 * hour);
  await world.finish(station.start());
  await world.runFor(minute);
  expect(visits).toBe(3);
  // The logger says how much its memory holds.
  expect(station.node.collections()[0]?.overwrittenFromMs).toBeGreaterThan(station.clock.now().wallMs);
  station.node.removeDuty(id);
  station.node.addDuty({ ...duty, tables: ['Weather'], onConnection: true });
  await world.runFor(hour);
  expect(visits).toBe(3);
  station.node.hint();
  await world.runFor(second);
  expect(visits).toBe(4);
  station.kill();
  await world.finish(station.start());
  await world.runFor(5 * minute);
  expect(station.node.connectedPeers()).toHaveLength(1);
  expect(visits).toBe(5);
});

test('a logger that comes in reach of a vehicle is collected from without being told', async () => {
  const camp = await chain(193, ['station', 'base']);
  const [station] = camp.nodes as Pair;
  const { world } = camp;
  const met = station.node.createDataset({ name: 'met', kind: 'series' });
  const duty = {
    kind: 'collect',
    dataset: met,
    driver: 'campbell-pakbus',
    address: 'tcp://logger:6785',
    profile,
    tables: ['Weather'],
  } as const;
  station.node.addDuty({ ...duty, tables: ['Weather'], probeEveryMs: minute });
  await world.runFor(hour);
  const logger = weatherLogger({ address: 1, seed: 3, records: 5, intervalSeconds: 3600 }, station.clock.now());
  station.instruments.set('tcp://logger:6785', () => new LoggerLine(world, station, logger));
  await world.runFor(2 * minute);
  expect(station.node.tables(met)).toMatchObject([{ rows: 5 }]);
  expect(station.eventsOfRun.filter(({ type }) => type === 'problem')).toEqual([]);
});

test('a visit that a low battery holds back says so and is made when the sun is up', async () => {
  let reading: PowerReading = { source: 'battery', chargeShare: 0.2 };
  const world = new World({ seed: 194 });
  const station = await world.add('station', { platform: (platform) => ({ ...platform, power: { read: () => reading } }) });
  station.node.createTeam('T');
  const met = station.node.createDataset({ name: 'met', kind: 'series' });
  const logger = weatherLogger({ address: 1, seed: 3, records: 5, intervalSeconds: 3600 }, station.clock.now());
  station.instruments.set('tcp://logger:6785', () => new LoggerLine(world, station, logger));
  const duty = {
    kind: 'collect',
    dataset: met,
    driver: 'campbell-pakbus',
    address: 'tcp://logger:6785',
    profile,
    tables: ['Weather'],
  } as const;
  station.node.addDuty({ ...duty, tables: ['Weather'], everyMs: hour, when: { chargeAtLeast: 0.3 } });
  await world.runFor(hour);
  expect(station.node.collections()).toMatchObject([{ state: 'held', why: 'the battery is at 20 %, and the duty waits for 30 %' }]);
  reading = { source: 'battery', chargeShare: 0.31 };
  await world.runFor(10 * minute);
  expect(station.node.tables(met)).toMatchObject([{ rows: 6 }]);
});

test('a driver that a third party wrote is one object, and duties may name it', async () => {
  const world = new World({ seed: 195 });
  const fields = [{ name: 'Depth', unit: 'm', processing: 'Smp', kind: 'number' }] as const;
  const table = { name: 'Well', revision: '1', fields, intervalUs: 0 };
  const driver: DeviceDriver<object> = {
    id: 'acme-diver',
    capabilities: new Set(['tables', 'collect'] as const),
    open: async (_configuration, transport) => ({
      identify: async () => ({ model: 'D', serial: '1', operatingSystem: '', programName: '', programSignature: '', stationName: 'Well' }),
      clock: () => Promise.reject(new GodwitError('INSTRUMENT_REFUSED', 'no clock')),
      tables: async () => [table],
      async *collect(_name, cursor) {
        const records = [{ recordNumber: 0, stamp: { localUs: 1_780_000_000_000_000 }, cells: ['3.5'] }];
        if (cursor === undefined) yield { table, records, raw: Uint8Array.of(1), cursor: { revision: '1', nextRecord: 1 } };
      },
      close: () => transport.close(),
    }),
  };
  const station = await world.add('station', { drivers: [driver] });
  station.node.createTeam('T');
  const met = station.node.createDataset({ name: 'met', kind: 'series' });
  station.instruments.set('tcp://diver:1', () => ({ async *read() {}, write: async () => {}, close: async () => {} }));
  station.node.addDuty({ kind: 'collect', dataset: met, driver: 'acme-diver', address: 'tcp://diver:1', profile, everyMs: minute });
  await world.runFor(3 * minute);
  expect(station.node.tables(met)).toMatchObject([{ rows: 1, revision: { table: 'Well' } }]);
  expect(station.node.collections()).toMatchObject([{ driver: 'acme-diver', state: 'waiting', failures: 0 }]);
});
