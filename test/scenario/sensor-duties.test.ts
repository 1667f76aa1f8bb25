import { expect, test } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import type { RegisterDefinition } from '../../src/instruments/modbus/register-map.ts';
import { GpsdReplay } from '../../src/simulation/gpsd-replay.ts';
import { LoggerLine } from '../../src/simulation/logger-line.ts';
import { ModbusSensor } from '../../src/simulation/modbus-sensor.ts';
import { Sdi12Line } from '../../src/simulation/sdi12-sensor.ts';
import { chain, minute, type Pair } from './camp.ts';

const stage: RegisterDefinition = { name: 'Stage', kind: 'input-register', address: 0, type: 'float32', unit: 'm' };
const soil = { table: 'Soil', address: '0', command: 'M', values: [{ name: 'VWC' }, { name: 'SoilT', unit: 'degC' }] };

test('sensors without memory or clock are read by duty, stamped in UTC without a zone in the profile, and arrive at the neighbour', async () => {
  const camp = await chain(91, ['station', 'base']);
  const [station, base] = camp.nodes as Pair;
  const { world } = camp;
  const met = station.node.createDataset({ name: 'met', kind: 'series' });
  const sensor = new ModbusSensor({ framing: 'tcp', unit: 255, random: seededRandom(1) });
  sensor.set(stage, 1.25);
  const sensors = new Sdi12Line({
    random: seededRandom(2),
    sensors: [{ address: '0', identification: '14METER   TER12 100', measureSeconds: 1, values: () => ['+0.31', '+12.4'] }],
  });
  const fix = '{"class":"TPV","mode":3,"time":"2026-06-01T12:00:00.500Z","lat":46.5,"lon":7.5,"altHAE":1382.1}';
  station.instruments.set('tcp://weir:502', () => new LoggerLine(world, station, sensor));
  station.instruments.set('tcp://soil:4001', () => new LoggerLine(world, station, sensors));
  station.instruments.set('tcp://gps:2947', () => new LoggerLine(world, station, new GpsdReplay({ reports: [fix] })));
  const duty = { kind: 'collect', dataset: met, profile: { stationId: 'weir' }, everyMs: 10 * minute } as const;
  const tables = [{ name: 'Weir', registers: [stage] }];
  station.node.addDuty({ ...duty, driver: 'modbus', address: 'tcp://weir:502', configuration: { framing: 'tcp', tables } });
  station.node.addDuty({ ...duty, driver: 'sdi-12', address: 'tcp://soil:4001', configuration: { measurements: [soil] } });
  station.node.addDuty({ ...duty, driver: 'gpsd', address: 'tcp://gps:2947', configuration: { listenMs: 3000 } });
  const before = station.clock.now().wallMs;
  await world.runFor(35 * minute);
  sensor.set(stage, 1.5);
  await world.runFor(10 * minute);
  const found = base.node.tables(met).map(({ revision, rows, firstUs }) => [revision.table, rows, firstUs]);
  const between = (us: unknown) => Number(us) >= before * 1000 && Number(us) < (before + minute) * 1000;
  expect(found.map(([table, rows]) => [table, rows]).sort()).toEqual([
    // The same fix, heard again at each visit.
    ['Position', 1],
    ['Soil', 5],
    ['Weir', 5],
  ]);
  expect(found.every(([table, , first]) => table === 'Position' || between(first))).toBe(true);
  expect(station.events.flatMap((event) => (event.type === 'problem' ? [event.code] : []))).toEqual([]);
});
