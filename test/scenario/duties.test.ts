import { expect, test } from 'vitest';
import { utf8 } from '../../src/core/bytes.ts';
import { pakbusDriver } from '../../src/instruments/pakbus/driver.ts';
import { toa5Text } from '../../src/simulation/logger-files.ts';
import { LoggerLine } from '../../src/simulation/logger-line.ts';
import { PakbusRouter } from '../../src/simulation/pakbus-router.ts';
import { weatherLogger, weatherProgram } from '../../src/simulation/pakbus-weather-station.ts';
import { World } from '../../src/simulation/world.ts';
import { chain, expectConvergence, expectFile, folder, hour, minute, type Pair, publish, second } from './camp.ts';

test('a node scans, reads files and collects from a logger by itself, also after a power cut', async () => {
  const camp = await chain(81, ['station', 'base']);
  const [station, base] = camp.nodes as Pair;
  const { world } = camp;
  const met = station.node.createDataset({ name: 'met', kind: 'series' });
  const logger = weatherLogger({ address: 1, seed: 3, records: 50, intervalSeconds: 60 }, station.clock.now());
  station.instruments.set('tcp://logger:6785', () => new LoggerLine(world, station, logger));
  const profile = { utcOffsetMinutes: 0 };
  station.directory('card');
  const ids = [
    station.node.addDuty({ kind: 'scan', dataset: camp.dataset, everyMs: 30_000, settleMs: 0 }),
    station.node.addDuty({ kind: 'ingest', dataset: met, directory: 'card', everyMs: minute, profile }),
    station.node.addDuty({
      kind: 'collect',
      dataset: met,
      driver: 'campbell-pakbus',
      address: 'tcp://logger:6785',
      configuration: { address: 1 },
      profile,
      tables: ['Weather'],
      everyMs: 10 * minute,
    }),
  ];
  expect(new Set(ids).size).toBe(3);
  expect(station.node.addDuty({ kind: 'scan', dataset: camp.dataset, everyMs: 30_000, settleMs: 0 })).toBe(ids[0]);
  await world.runFor(2 * minute);
  const rows = (): number[] => base.node.tables(met).map((table) => table.rows);
  expect(rows()).toEqual([50]);
  station.directory(folder).put('note.txt', utf8('found by itself'));
  await expectFile(world, base, 'note.txt', 'found by itself', 2 * minute);
  station.kill();
  await world.runFor(minute);
  await world.finish(station.start());
  station.directory('card').put(
    'met.dat',
    utf8(
      toa5Text({
        station: 'S',
        table: 'T',
        firstLocalUs: Date.UTC(2026, 0, 1) * 1000,
        intervalUs: 60_000_000,
        rows: 20,
        firstRecord: 0,
        seed: 1,
        withHeader: true,
      }),
    ),
  );
  await world.runFor(3 * minute);
  // Collected a second time after the restart: what the logger has stored since, and nothing twice.
  expect(rows().sort()).toEqual([20, 53]);
  expect([...station.node.ingestCounts(met).values()].map(({ stored, duplicate }) => [stored, duplicate])).toContainEqual([53, 0]);
  expect(
    station.node
      .duties()
      .map(({ duty }) => duty.kind)
      .sort(),
  ).toEqual(['collect', 'ingest', 'listen', 'scan']);
  for (const { id } of station.node.duties()) station.node.removeDuty(id);
  await world.runFor(minute);
  expect(station.pendingTimers).toBe(0);
  await expectConvergence(world, hour);
});

test('a duty that fails says so and is done again when its cause is gone', async () => {
  const camp = await chain(82, ['station', 'base']);
  const [station] = camp.nodes as Pair;
  const met = station.node.createDataset({ name: 'met', kind: 'series' });
  station.node.addDuty({
    kind: 'collect',
    dataset: met,
    driver: 'campbell-pakbus',
    address: 'tcp://logger:6785',
    profile: { utcOffsetMinutes: 0 },
    everyMs: minute,
  });
  station.node.addDuty({ kind: 'collect', dataset: met, driver: 'no-such', address: 'tcp://logger:6785', profile: {}, everyMs: hour });
  station.node.addDuty({ kind: 'ingest', dataset: met, directory: 'card', everyMs: minute });
  await camp.world.runFor(10 * second);
  const codes = station.events.flatMap((event) => (event.type === 'problem' ? [event.code] : []));
  expect(codes.sort()).toEqual(['DIRECTORY_MISSING', 'DRIVER_UNKNOWN', 'INSTRUMENT_UNREACHABLE']);
  const logger = weatherLogger({ address: 1, seed: 3, records: 5, intervalSeconds: 60 }, station.clock.now());
  station.instruments.set('tcp://logger:6785', () => new LoggerLine(camp.world, station, logger));
  await camp.world.runFor(3 * minute);
  expect(station.node.tables(met).some((table) => table.rows >= 5)).toBe(true);
  expect(() => station.node.addDuty({ kind: 'scan', dataset: 'nonsense', everyMs: 1000 })).toThrow(
    expect.objectContaining({ code: 'DUTY_MALFORMED' }),
  );
});

test('a node that was closed opens with everything it had', async () => {
  const camp = await chain(83, ['station', 'base']);
  const [station, base] = camp.nodes as Pair;
  await publish(camp, station, 'a.txt', 'one');
  await expectFile(camp.world, base, 'a.txt', 'one');
  const { id, team } = base.node;
  await camp.world.finish(base.stop());
  expect(base.isRunning).toBe(false);
  await publish(camp, station, 'a.txt', 'two');
  await camp.world.finish(base.start());
  expect([base.node.id, base.node.team]).toEqual([id, team]);
  await expectFile(camp.world, base, 'a.txt', 'two', 5 * minute);
  expect(base.node.datasets()).toEqual(station.node.datasets());
  expect(base.node.dataset('field').id).toBe(camp.dataset);
  expect(() => base.node.dataset('none')).toThrow(expect.objectContaining({ code: 'DATASET_UNKNOWN' }));
  const read = async (): Promise<string> => {
    const parts: Uint8Array[] = [];
    for await (const part of base.node.read(camp.dataset, 'a.txt')) parts.push(part);
    return parts.map((part) => new TextDecoder().decode(part)).join('');
  };
  expect(await camp.world.finish(read())).toBe('two');
  await expect(base.node.read(camp.dataset, 'b.txt').next()).rejects.toMatchObject({ code: 'FILE_MISSING' });
  expect(() => base.node.attach(base.node.createDataset({ name: 's', kind: 'series' }), folder)).toThrow(
    expect.objectContaining({ code: 'DATASET_KIND' }),
  );
});

test('a logger whose program changed goes on in a new table revision, and the old rows stay', async () => {
  const camp = await chain(85, ['station', 'base']);
  const [station] = camp.nodes as Pair;
  const met = station.node.createDataset({ name: 'met', kind: 'series' });
  const logger = weatherLogger({ address: 1, seed: 3, records: 50, intervalSeconds: 60 }, station.clock.now());
  station.instruments.set('tcp://logger:6785', () => new LoggerLine(camp.world, station, logger));
  const collect = () =>
    camp.world.finish(
      station.node.collect(met, pakbusDriver, {
        address: 'tcp://logger:6785',
        configuration: { address: 1 },
        profile: { utcOffsetMinutes: 0 },
        tables: ['Weather'],
      }),
    );
  expect((await collect())[0]).toMatchObject({ stored: 50 });
  logger.install(weatherProgram(4, 30, 500), station.clock.now());
  await camp.world.runFor(5 * minute);
  await collect();
  await camp.world.runFor(5 * minute);
  await collect();
  const revisions = station.node.tables(met);
  expect(revisions).toHaveLength(2);
  expect(revisions.some((table) => table.rows === 50)).toBe(true);
  expect(revisions.some((table) => table.rows !== 50 && table.rows >= 5)).toBe(true);
});

test('a router is asked who is behind it, and the logger it names is collected by way of it', async () => {
  const world = new World({ seed: 64 });
  const station = await world.add('station', {});
  station.node.createTeam('T');
  const met = station.node.createDataset({ name: 'met', kind: 'series' });
  const behind = weatherLogger({ address: 7, seed: 7, records: 12, intervalSeconds: 60 }, station.clock.now());
  station.instruments.set('serial:///dev/ttyUSB0', () => new LoggerLine(world, station, new PakbusRouter(1, new Map([[7, behind]]))));
  const address = 'serial:///dev/ttyUSB0';
  const routes = await world.finish(station.node.series.pakbusRoutes(address, { address: 1 }));
  expect(routes).toEqual([{ port: 2, viaAddress: 7, address: 7, responseTimeMs: 6000 }]);
  const configuration = { address: routes[0]?.address ?? 0, routerAddress: 1 };
  const reports = await world.finish(
    station.node.collect(met, pakbusDriver, { address, configuration, profile: { utcOffsetMinutes: 0 }, tables: ['Weather'] }),
  );
  expect(reports[0]?.stored).toBeGreaterThanOrEqual(12);
});
