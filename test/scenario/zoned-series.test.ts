import { expect, test } from 'vitest';
import { utf8 } from '../../src/core/bytes.ts';
import type { DatasetId } from '../../src/core/identifiers.ts';
import { campbellHttpDriver } from '../../src/instruments/campbell-http/driver.ts';
import { doubtfulTimeEventName } from '../../src/node/site-time.ts';
import { HttpLogger, httpLoggerTransport } from '../../src/simulation/http-logger.ts';
import type { SimulatedNode } from '../../src/simulation/simulated-node.ts';
import { chain, type Pair } from './camp.ts';

/** Loggers whose clocks follow the summer time of Denver: forward on 8 March 2026 at 02:00, back on 1 November at 02:00. */
const profile = { zone: 'America/Denver' };
const header = '"TOA5","S","CR6","1","CR6.Std.10","CPU:a.CR6","7","T"\r\n"TIMESTAMP","RECORD","Stage"\r\n"TS","RN","m"\r\n"","","Smp"\r\n';

/** A file with these stamps, numbered from 0. */
function file(stamps: readonly string[]): Uint8Array {
  return utf8(header + stamps.map((stamp, record) => `"${stamp}:00",${record},1.${record}\r\n`).join(''));
}

/** Rows of the only table, as instants with their flags. */
function rows({ node }: SimulatedNode, dataset: DatasetId, at = 0): string[] {
  const table = node.tables(dataset)[at]?.revision.id;
  if (table === undefined) return [];
  return [...node.rows(dataset, table)].map(
    ({ timeUs, recordNumber, flags }) =>
      `${recordNumber} ${new Date(timeUs / 1000).toISOString().slice(11, 16)}${flags === undefined ? '' : ` ${[...flags]}`}`,
  );
}

const autumn = ['2026-11-01 00:30', '2026-11-01 01:00', '2026-11-01 01:30', '2026-11-01 01:00', '2026-11-01 01:30', '2026-11-01 02:00'];
const passes = ['0 06:30', '1 07:00', '2 07:30', '3 08:00', '4 08:30', '5 09:00'];

test('a file that grows through the hour that is shown twice has every row at its instant, wherever a reading ended', async () => {
  const camp = await chain(171, ['station', 'base']);
  const [station] = camp.nodes as Pair;
  const files = station.directory('card');
  for (let cut = 1; cut < autumn.length; cut++) {
    const dataset = station.node.createDataset({ name: `cut ${cut}`, kind: 'series' });
    const path = `met${cut}.dat`;
    const before = ['2026-10-31 23:30', '2026-11-01 00:00'];
    for (const end of [cut, autumn.length]) {
      files.put(path, file([...before, ...autumn.slice(0, end)]));
      await camp.world.finish(station.node.ingest(dataset, 'card', { profile, paths: [path] }));
    }
    expect(rows(station, dataset).map((row) => row.slice(2))).toEqual(['05:30', '06:00', ...passes.map((row) => row.slice(2))]);
    expect(station.node.ingestCounts(dataset).get(path)).toEqual({ read: 8, stored: 8, duplicate: 0, quarantined: 0 });
  }
});

test('a row whose pass nobody can know is stored in the first one, all its values suspect, with the other instant beside it', async () => {
  const camp = await chain(172, ['station', 'base']);
  const [station] = camp.nodes as Pair;
  const dataset = station.node.createDataset({ name: 'met', kind: 'series' });
  station.directory('card').put('met.dat', file(['2026-11-01 01:10', '2026-11-01 03:00']));
  const checked = { ...profile, quality: { rules: [{ fields: ['Stage'], sensorRange: [0, 10] as const }] } };
  await camp.world.finish(station.node.ingest(dataset, 'card', { profile: checked }));
  expect(rows(station, dataset)).toEqual(['0 07:10 3', '1 10:00 1']);
  const [table] = station.node.tables(dataset);
  expect(station.node.loggerEvents(dataset, table?.revision.id as NonNullable<typeof table>['revision']['id'])).toEqual([
    { timeUs: Date.UTC(2026, 10, 1, 7, 10) * 1000, name: doubtfulTimeEventName, detail: `or_us=${Date.UTC(2026, 10, 1, 8, 10) * 1000}` },
  ]);
});

test('a row whose pass is known only when it is read again stays where it is, and is not stored twice', async () => {
  const camp = await chain(175, ['station', 'base']);
  const [station] = camp.nodes as Pair;
  const dataset = station.node.createDataset({ name: 'met', kind: 'series' });
  const path = 'met.dat';
  const read = async (text: Uint8Array) => {
    station.directory('card').put(path, text);
    const steady = { ...profile, intervalUs: 1_800_000_000 };
    const [report] = await camp.world.finish(station.node.ingest(dataset, 'card', { profile: steady }));
    return [report?.read, report?.stored, report?.duplicate];
  };
  // Somebody fetched the last records alone, and days later the whole file.
  const late = utf8(
    header +
      autumn
        .slice(3)
        .map((stamp, index) => `"${stamp}:00",${index + 3},1.${index + 3}\r\n`)
        .join(''),
  );
  expect(await read(late)).toEqual([3, 3, 0]);
  expect(rows(station, dataset)).toEqual(['3 07:00 3', '4 07:30 3', '5 09:00']);
  expect(await read(file(autumn))).toEqual([6, 3, 3]);
  expect(rows(station, dataset)).toEqual(['0 06:30', '1 07:00', '3 07:00 3', '2 07:30', '4 07:30 3', '5 09:00']);
  expect(await read(utf8(header))).toEqual([0, 0, 0]);
  expect(await read(file(autumn))).toEqual([6, 0, 6]);
});

test.each([
  ['the last records first', ['late', 'whole'], [3, 3], ['0 06:30', '1 07:00', '3 07:00 3', '2 07:30', '4 07:30 3', '5 09:00']],
  ['the whole file first', ['whole', 'late'], [6, 0], passes],
] as const)(
  'rows without numbers are known again in the other pass by what they say and what the first pass says, whoever brings %s',
  async (_, order, stored, expected) => {
    const camp = await chain(176, ['station', 'base']);
    const [station] = camp.nodes as Pair;
    const dataset = station.node.createDataset({ name: 'met', kind: 'series' });
    const csv = (from: number) =>
      utf8(
        `time,Stage [m]\n${autumn
          .map((stamp, at) => `${stamp},${at}\n`)
          .slice(from)
          .join('')}`,
      );
    const reports: unknown[] = [];
    for (const name of order) {
      station.directory('card').put(`${name}.csv`, csv(name === 'late' ? 3 : 0));
      const steady = { ...profile, stationId: 'S', intervalUs: 1_800_000_000 };
      const [report] = await camp.world.finish(station.node.ingest(dataset, 'card', { profile: steady, paths: [`${name}.csv`] }));
      reports.push(report?.stored);
    }
    expect(reports).toEqual(stored);
    const table = station.node.tables(dataset)[0]?.revision.id as NonNullable<ReturnType<typeof station.node.tables>[0]>['revision']['id'];
    const kept = [...station.node.rows(dataset, table)].map(
      ({ timeUs, cells }) => `${cells[0]} ${new Date(timeUs / 1000).toISOString().slice(11, 16)}`,
    );
    expect(kept).toEqual(expected.map((row) => row.slice(0, 7)));
  },
);

test('equal readings in both passes of a clock without record numbers are two rows, whatever was read before', async () => {
  const camp = await chain(177, ['station', 'base']);
  const [station] = camp.nodes as Pair;
  const dataset = station.node.createDataset({ name: 'met', kind: 'series' });
  const csv = (from: number) =>
    utf8(
      `time,Rain [mm]\n${autumn
        .map((stamp) => `${stamp},0\n`)
        .slice(from)
        .join('')}`,
    );
  const read = async (path: string, text: Uint8Array) => {
    station.directory('card').put(path, text);
    const [report] = await camp.world.finish(
      station.node.ingest(dataset, 'card', { profile: { ...profile, stationId: 'S' }, paths: [path] }),
    );
    return report?.stored;
  };
  expect([await read('late.csv', csv(3)), await read('whole.csv', csv(0)), await read('again.csv', csv(3))]).toEqual([3, 3, 0]);
  expect(station.node.tables(dataset)[0]?.rows).toBe(6);
});

test('what a clock of the zone cannot have shown goes to quarantine, and its neighbours go on', async () => {
  const camp = await chain(173, ['station', 'base']);
  const [station] = camp.nodes as Pair;
  const dataset = station.node.createDataset({ name: 'met', kind: 'series' });
  station.directory('card').put('met.dat', file(['2026-03-08 01:30', '2026-03-08 02:30', '2026-03-08 03:30']));
  const [report] = await camp.world.finish(station.node.ingest(dataset, 'card', { profile }));
  expect(report).toMatchObject({ read: 3, stored: 2, quarantined: 1, defects: { LOCAL_TIME_SKIPPED: 1 } });
  expect(rows(station, dataset)).toEqual(['0 08:30', '2 09:30']);
  // The logger ran on standard time after all: the archived bytes give the whole series.
  await camp.world.finish(station.node.series.reprocess(dataset, { reason: 'standard time', profile: { utcOffsetMinutes: -420 } }));
  expect(rows(station, dataset, 1)).toEqual(['0 08:30', '1 09:30', '2 10:30']);
});

test('a zone that is not known here is said, and nothing is read', async () => {
  const camp = await chain(174, ['station', 'base']);
  const [station] = camp.nodes as Pair;
  const dataset = station.node.createDataset({ name: 'met', kind: 'series' });
  station.directory('card').put('met.dat', file(autumn));
  const work = camp.world.finish(station.node.ingest(dataset, 'card', { profile: { zone: 'Mars/Olympus' } }));
  await expect(work).rejects.toMatchObject({ code: 'TIME_ZONE_UNKNOWN' });
  expect(station.node.tables(dataset)).toEqual([]);
});

test('a logger that is collected from through both passes has every record at its instant, and may be derived again with a fixed offset', async () => {
  const camp = await chain(175, ['station', 'base']);
  const [station] = camp.nodes as Pair;
  const dataset = station.node.createDataset({ name: 'met', kind: 'series' });
  const logger = new HttpLogger();
  logger.define('T', [{ name: 'Stage', unit: 'm', processing: 'Smp', kind: 'number' }], 100);
  station.instruments.set('http://logger', () => httpLoggerTransport(logger));
  const stamps = ['2026-03-08 02:30', '2026-10-31 23:30', '2026-11-01 00:00', ...autumn];
  for (const [record, stamp] of stamps.entries()) {
    logger.clockUs = Date.parse(`${stamp.replace(' ', 'T')}Z`) * 1000;
    logger.append('T', { localUs: logger.clockUs, cells: [`${record}`] });
    const options = { address: 'http://logger', configuration: {}, profile };
    await camp.world.finish(station.node.collect(dataset, campbellHttpDriver, options));
  }
  expect(rows(station, dataset)).toEqual(['1 05:30', '2 06:00', ...passes.map((row, at) => `${at + 3} ${row.slice(2)}`)]);
  expect(station.node.quarantined(dataset)).toMatchObject([{ code: 'LOCAL_TIME_SKIPPED', offset: 0, scope: 'record' }]);
  await camp.world.finish(station.node.series.reprocess(dataset, { reason: 'fixed', profile: { utcOffsetMinutes: 0 } }));
  expect(rows(station, dataset, 1).map((row) => row.slice(2))).toEqual(
    ['23:30', '00:00', '00:30', '01:00', '01:00', '01:30', '01:30', '02:00'].sort((a, b) =>
      a > '20' ? -1 : b > '20' ? 1 : a < b ? -1 : 1,
    ),
  );
  await camp.world.finish(station.node.series.reprocess(dataset, { reason: 'zone again', profile }));
  expect(rows(station, dataset, 2)).toEqual(rows(station, dataset));
});
