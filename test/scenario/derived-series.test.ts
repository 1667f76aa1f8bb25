import { expect, test } from 'vitest';
import { utf8 } from '../../src/core/bytes.ts';
import type { DatasetId } from '../../src/core/identifiers.ts';
import { seededRandom } from '../../src/core/random.ts';
import { pakbusDriver } from '../../src/instruments/pakbus/driver.ts';
import { sdi12Driver } from '../../src/instruments/sdi12/driver.ts';
import { GpsdReplay } from '../../src/simulation/gpsd-replay.ts';
import { toa5Text } from '../../src/simulation/logger-files.ts';
import { LoggerLine } from '../../src/simulation/logger-line.ts';
import { weatherLogger } from '../../src/simulation/pakbus-weather-station.ts';
import { Sdi12Line } from '../../src/simulation/sdi12-sensor.ts';
import type { SimulatedNode } from '../../src/simulation/simulated-node.ts';
import { chain, expectConvergence, hour, minute, type Pair } from './camp.ts';

const startUs = Date.UTC(2026, 5, 1) * 1000;
const minuteUs = minute * 1000;

function toa5(from: number, rows: number, withHeader: boolean): Uint8Array {
  const [firstLocalUs, intervalUs] = [startUs + from * minuteUs, minuteUs];
  return utf8(toa5Text({ station: 'Storbreen', table: 'Met', firstLocalUs, intervalUs, rows, firstRecord: from, seed: 5, withHeader }));
}

/** Revisions of a dataset as how many rows, when the first, and why derived. */
function outline({ node }: SimulatedNode, dataset: DatasetId): unknown[] {
  return node.tables(dataset).map(({ revision, rows, firstUs }) => [rows, firstUs, revision.derivation?.reason]);
}

test('a file that was read with a wrong zone is derived again from its archived bytes; the old revision stays, and the file goes on in the new one', async () => {
  const camp = await chain(131, ['station', 'base']);
  const [station, base] = camp.nodes as Pair;
  const { world } = camp;
  const met = station.node.createDataset({ name: 'met', kind: 'series' });
  const files = station.directory('card');
  files.put('met.dat', toa5(0, 50, true));
  await world.finish(station.node.ingest(met, 'card', { profile: { utcOffsetMinutes: 0 } }));
  files.put('met.dat', Uint8Array.of(...toa5(0, 50, true), ...toa5(50, 10, false)));
  await world.finish(station.node.ingest(met, 'card', { profile: { utcOffsetMinutes: 0 } }));
  files.remove('met.dat');
  const counted = station.node.ingestCounts(met);
  const profile = { utcOffsetMinutes: 60, quality: { rules: [{ fields: ['RH'], sensorRange: [0, 100] as const }] } };
  const options = { reason: 'zone was UTC+1', profile };
  const [report] = await world.finish(station.node.series.reprocess(met, options));
  expect(report).toMatchObject({ source: 'met.dat', format: 'toa5', read: 60, stored: 60 });
  expect(station.node.ingestCounts(met)).toEqual(counted);
  const both = [
    [60, startUs, undefined],
    [60, startUs - 60 * minuteUs, 'zone was UTC+1'],
  ];
  expect(outline(station, met)).toEqual(both);
  const [first, derived] = station.node.tables(met).map(({ revision }) => revision);
  expect(derived?.derivation?.from).toEqual(first?.id);
  expect([...station.node.rows(met, first?.id as NonNullable<typeof first>['id'])][0]?.flags).toBeUndefined();
  const rh = derived?.fields.findIndex(({ name }) => name === 'RH') ?? -1;
  const flags = [...station.node.rows(met, derived?.id as NonNullable<typeof derived>['id'])].map((row) => row.flags?.[rh]);
  expect(flags.every((flag) => flag === 1 || flag === 9)).toBe(true);
  // Doing it again finds everything done; a parser that reads one row more would add that row.
  expect((await world.finish(station.node.series.reprocess(met, options)))[0]).toMatchObject({ stored: 0, duplicate: 60 });
  files.put('met.dat', Uint8Array.of(...toa5(0, 50, true), ...toa5(50, 15, false)));
  await world.finish(station.node.ingest(met, 'card', { profile }));
  expect(outline(station, met)).toEqual([both[0], [65, startUs - 60 * minuteUs, 'zone was UTC+1']]);
  await world.until(() => base.node.tables(met).reduce((sum, { rows }) => sum + rows, 0) === 125, hour);
  expect(outline(base, met)).toEqual(outline(station, met));
  await expect(world.finish(station.node.series.reprocess(met, { reason: ' ' }))).rejects.toMatchObject({ code: 'REASON_INVALID' });
  await expectConvergence(world, hour);
});

test('a spike at the end of one reading is flagged when the next one shows its other neighbour, here and at the neighbours', async () => {
  const camp = await chain(132, ['station', 'base']);
  const [station, base] = camp.nodes as Pair;
  const met = station.node.createDataset({ name: 'met', kind: 'series' });
  const files = station.directory('card');
  const header =
    '"TOA5","S","CR6","1","CR6.Std.10","CPU:a.CR6","7","T"\r\n"TIMESTAMP","RECORD","Stage"\r\n"TS","RN","m"\r\n"","","Smp"\r\n';
  const row = (at: number, value: string) => `"2026-06-01 00:0${at}:00",${at},${value}\r\n`;
  const profile = { utcOffsetMinutes: 0, quality: { rules: [{ fields: ['Stage'], spike: { suspect: 0.5, fail: 2 } }] } };
  const texts = [`${header}${row(0, '1.00')}${row(1, '9.99')}`, row(2, '1.01'), row(3, '1.02')];
  let text = '';
  for (const more of texts) {
    text += more;
    files.put('stage.dat', utf8(text));
    await camp.world.finish(station.node.ingest(met, 'card', { profile }));
  }
  const flags = ({ node }: SimulatedNode) => {
    const [table] = node.tables(met);
    return table === undefined ? [] : [...node.rows(met, table.revision.id)].map((each) => each.flags?.[0]);
  };
  // What stands beside a spike is as far from the middle of its neighbours: the test cannot know which of them was wrong.
  expect(flags(station)).toEqual([2, 4, 4, 2]);
  expect([...station.node.ingestCounts(met).values()]).toEqual([{ read: 4, stored: 4, duplicate: 0, quarantined: 0 }]);
  await camp.world.until(() => flags(base).length === 4, hour);
  expect(flags(base)).toEqual([2, 4, 4, 2]);
});

test('a logger whose clock is wrong and then set has two epochs, and its rows are derived again by the better clock', async () => {
  const camp = await chain(133, ['station', 'base']);
  const [station] = camp.nodes as Pair;
  const { world } = camp;
  const met = station.node.createDataset({ name: 'met', kind: 'series' });
  const logger = weatherLogger({ address: 1, seed: 3, records: 5, intervalSeconds: 60 }, station.clock.now());
  station.instruments.set('tcp://logger:6785', () => new LoggerLine(world, station, logger));
  const profile = {
    utcOffsetMinutes: 60,
    position: { latitude: 61.6, longitude: 8.1, method: 'survey', datum: 'EUREF89', accuracyM: 0.02 },
  };
  const options = { address: 'tcp://logger:6785', configuration: { address: 1 }, profile, tables: ['Weather'] };
  await world.finish(station.node.collect(met, pakbusDriver, options));
  const [table] = station.node.tables(met);
  const id = table?.revision.id as NonNullable<typeof table>['revision']['id'];
  // The logger's clock shows UTC, and the profile says that it is an hour ahead of it: by that it is an hour behind.
  const [epoch] = station.node.series.clockEpochs(met, id);
  expect(Math.abs((epoch?.aheadAtFromUs ?? 0) + 3600e6)).toBeLessThan(2e6);
  const [report] = await world.finish(station.node.series.reprocess(met, { reason: 'clock', profile, clock: 'read' }));
  expect(report).toMatchObject({ stored: 5 });
  const derived = station.node.tables(met).find(({ revision }) => revision.derivation !== undefined);
  expect(Math.abs((derived?.firstUs ?? 0) - (table?.firstUs ?? 0) - 3600e6)).toBeLessThan(2e6);
  expect(station.node.series.positionAt(met, table?.revision.stationId ?? '', startUs)).toEqual(profile.position);
  expect([...station.node.series.timeGaps(met, table?.revision as NonNullable<typeof table>['revision'])]).toEqual([]);
});

test('a receiver says where a moving station was; a survey that is heard of later stands before it', async () => {
  const camp = await chain(134, ['station', 'base']);
  const [station] = camp.nodes as Pair;
  const met = station.node.createDataset({ name: 'met', kind: 'series' });
  const fix = '{"class":"TPV","mode":3,"time":"2026-06-01T12:00:00.500Z","lat":46.5,"lon":7.5,"altMSL":1382.1,"eph":4.5}';
  station.instruments.set('tcp://gps:2947', () => new LoggerLine(camp.world, station, new GpsdReplay({ reports: [fix] })));
  const duty = {
    kind: 'collect',
    dataset: met,
    driver: 'gpsd',
    address: 'tcp://gps:2947',
    configuration: { listenMs: 3000 },
    everyMs: hour,
  } as const;
  const id = station.node.addDuty({ ...duty, profile: { stationId: 'van' } });
  await camp.world.runFor(minute);
  station.node.removeDuty(id);
  const at = Date.UTC(2026, 5, 1, 12, 1) * 1000;
  const found = { latitude: 46.5, longitude: 7.5, altitudeM: 1382.1, accuracyM: 4.5, method: 'gnss' };
  const { positionAt } = { positionAt: station.node.series.positionAt.bind(station.node.series) };
  expect(positionAt(met, 'van', at, { isMoving: true })).toMatchObject(found);
  expect(positionAt(met, 'van', at + hour * 1000, { isMoving: true })).toBeUndefined();
  expect(positionAt(met, 'van', at + hour * 1000)).toMatchObject(found);
  expect(positionAt(met, 'nobody', at)).toBeUndefined();
  const survey = { latitude: 46.6, longitude: 7.6, method: 'survey' };
  station.node.addDuty({ ...duty, profile: { stationId: 'van', position: survey } });
  await camp.world.runFor(minute);
  expect(positionAt(met, 'van', at)).toEqual(survey);
});

test('files of one directory have the profile of the first pattern that matches, else the common one', async () => {
  const camp = await chain(135, ['station', 'base']);
  const [station] = camp.nodes as Pair;
  const met = station.node.createDataset({ name: 'met', kind: 'series' });
  const files = station.directory('cards');
  files.put('north/met.dat', toa5(0, 3, true));
  files.put('south/met.dat', toa5(0, 3, true));
  const profileByPath = [{ path: 'north/**', profile: { stationId: 'north', utcOffsetMinutes: 60 } }];
  const profile = { stationId: 'south', utcOffsetMinutes: 0 };
  station.node.addDuty({ kind: 'ingest', dataset: met, directory: 'cards', everyMs: hour, profile, profileByPath });
  await camp.world.runFor(minute);
  expect(station.node.tables(met).map(({ revision, firstUs }) => [revision.stationId, firstUs])).toEqual([
    ['north', startUs - 60 * minuteUs],
    ['south', startUs],
  ]);
});

test('a sensor that is dead does not keep the tables behind it from being read', async () => {
  const camp = await chain(136, ['station', 'base']);
  const [station] = camp.nodes as Pair;
  const met = station.node.createDataset({ name: 'met', kind: 'series' });
  const line = new Sdi12Line({
    random: seededRandom(2),
    sensors: [{ address: '1', identification: '14METER   TER12 100', measureSeconds: 1, values: () => ['+0.31'] }],
  });
  station.instruments.set('tcp://soil:4001', () => new LoggerLine(camp.world, station, line));
  const measurements = ['0', '1'].map((address) => ({ table: `Soil${address}`, address, command: 'M', values: [{ name: 'VWC' }] }));
  const collected = station.node.collect(met, sdi12Driver, {
    address: 'tcp://soil:4001',
    configuration: { measurements },
    profile: { stationId: 'soil' },
  });
  await expect(camp.world.finish(collected)).rejects.toMatchObject({ retryable: true });
  expect(station.node.tables(met).map(({ revision, rows }) => [revision.table, rows])).toEqual([['Soil1', 1]]);
});
