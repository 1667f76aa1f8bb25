import { expect, test } from 'vitest';
import { utf8 } from '../../src/core/bytes.ts';
import type { DatasetId } from '../../src/core/identifiers.ts';
import type { StationPosition } from '../../src/observations/table-revision.ts';
import { GpsdReplay } from '../../src/simulation/gpsd-replay.ts';
import { LoggerLine } from '../../src/simulation/logger-line.ts';
import type { SimulatedNode } from '../../src/simulation/simulated-node.ts';
import { chain, expectConvergence, hour, minute, type Pair } from './camp.ts';

const noonMs = Date.UTC(2026, 5, 1, 12);
const minuteUs = minute * 1000;
const atMinute = (count: number): number => noonMs * 1000 + count * minuteUs;
const iso = (count: number): string => new Date(noonMs + count * minute).toISOString();

/** A thermometer's file, a row every half minute. */
const temperatures = (from: number, to: number): string =>
  Array.from({ length: (to - from) * 2 }, (_, row) => `${iso(from + row / 2)},${row}.5\n`).join('');

/** A receiver that speaks by itself: a sentence every second, the given ones once. */
class NmeaReplay {
  readonly #sentences: string[];

  constructor(sentences: readonly string[]) {
    this.#sentences = [...sentences];
  }

  handle(): void {}

  poll(): { readonly type: 'send'; readonly bytes: Uint8Array } | undefined {
    const body = this.#sentences.shift();
    if (body === undefined) return undefined;
    const sum = [...body].reduce((xor, character) => xor ^ character.charCodeAt(0), 0);
    return { type: 'send', bytes: utf8(`$${body}*${sum.toString(16).toUpperCase().padStart(2, '0')}\r\n`) };
  }

  nextDeadline(): undefined {}
}

/** The rows of the thermometer, by minute, with their positions. */
function placed({ node }: SimulatedNode, met: DatasetId, isMoving = true): Map<number, StationPosition | undefined> {
  const table = node.tables(met).find(({ revision }) => revision.format === 'csv');
  if (table === undefined) throw new Error('there is no table of temperatures');
  const rows = [...node.series.placedRows(met, table.revision, { isMoving })];
  expect(rows.length).toBe(table.rows);
  return new Map(rows.map((row) => [(row.timeUs - atMinute(0)) / minuteUs, row.position]));
}

test('every row of a moving station has its own position, from whichever receiver, and the same at another node', async () => {
  const camp = await chain(151, ['van', 'base']);
  const [van, base] = camp.nodes as Pair;
  const { world } = camp;
  const met = van.node.createDataset({ name: 'met', kind: 'series' });
  const profile = { stationId: 'van' };
  const card = van.directory('card');
  card.put('t.csv', utf8(`time (UTC),T [K]\n${temperatures(0, 6)}`));
  await world.finish(van.node.ingest(met, 'card', { profile }));
  expect(placed(van, met).get(1)).toBeUndefined();

  const fix = (at: number) =>
    `{"class":"TPV","mode":3,"time":"${iso(at)}","lat":${46 + at / 100},"lon":${7 - at / 100},"altMSL":${1000 + at},"eph":4.5}`;
  van.instruments.set('tcp://gps:2947', () => new LoggerLine(world, van, new GpsdReplay({ reports: [fix(0), fix(2)] })));
  const collect = { kind: 'collect', dataset: met, configuration: { listenMs: 5000 }, everyMs: hour, profile } as const;
  van.node.addDuty({ ...collect, driver: 'gpsd', address: 'tcp://gps:2947' });
  await world.runFor(minute);
  const first = placed(van, met);
  expect(first.get(0)).toMatchObject({
    latitude: 46,
    longitude: 7,
    altitudeM: 1000,
    accuracyM: 4.5,
    method: 'gnss',
    instantUs: atMinute(0),
  });
  expect(first.get(1)).toMatchObject({ latitude: expect.closeTo(46.01, 9), altitudeM: 1001, accuracyM: 4.5, instantUs: atMinute(1) });
  expect(first.get(5.5)).toMatchObject({ latitude: 46.02, instantUs: atMinute(2) });

  // Another receiver, by sentences, and a file that has grown meanwhile.
  const sentences = [
    'GPRMC,120600,A,4606.000,N,00654.000,E,1.0,90.0,010626,,',
    'GPGGA,121600,4612.000,N,00648.000,E,1,08,0.9,1010.0,M,46.9,M,,',
  ];
  van.instruments.set('tcp://nmea:4001', () => {
    const line = new LoggerLine(world, van, new NmeaReplay(sentences));
    // It speaks without being asked, as soon as somebody is at the line.
    void line.write(new Uint8Array(0));
    return line;
  });
  van.node.addDuty({ ...collect, driver: 'nmea-0183', address: 'tcp://nmea:4001' });
  card.put('t.csv', utf8(`time (UTC),T [K]\n${temperatures(0, 6)}${temperatures(6, 40)}`));
  await world.runFor(minute);
  await world.finish(van.node.ingest(met, 'card', { profile }));
  const grown = placed(van, met);
  expect(grown.get(1)).toEqual(first.get(1));
  expect(grown.get(4)?.latitude).toBeCloseTo(46.06, 9);
  expect(grown.get(11)).toMatchObject({ longitude: expect.closeTo(6.85, 9), instantUs: atMinute(11) });
  expect(grown.get(25)).toMatchObject({ latitude: 46.2, altitudeM: 1010, instantUs: atMinute(16) });
  expect(grown.get(26.5)).toBeUndefined();

  base.node.subscribe(met);
  await expectConvergence(world, hour);
  expect([...placed(base, met)]).toEqual([...grown]);

  // Fixes have their own place, and a part of the rows is found as in the whole.
  const gps = van.node
    .tables(met)
    .find(({ revision }) => revision.format !== 'csv' && revision.fields.some(({ name }) => name === 'HorizontalError'));
  const fixes = gps && [...van.node.series.placedRows(met, gps.revision, { isMoving: true, fromUs: atMinute(1) })];
  expect(fixes?.map(({ position }) => [position?.latitude, position?.instantUs])).toEqual([[46.02, atMinute(2)]]);
});

test('every row of a station that stands has its survey, whatever a receiver said, and without a survey where the receiver stood', async () => {
  const camp = await chain(152, ['hut', 'base']);
  const [hut] = camp.nodes as Pair;
  const { world, node } = { world: camp.world, node: hut.node };
  const met = node.createDataset({ name: 'met', kind: 'series' });
  hut.directory('card').put('t.csv', utf8(`time (UTC),T [K]\n${temperatures(0, 3)}`));
  await world.finish(node.ingest(met, 'card', { profile: { stationId: 'hut' } }));
  const report = `{"class":"TPV","mode":3,"time":"${iso(0)}","lat":46.5,"lon":7.5,"eph":4.5}`;
  hut.instruments.set('tcp://gps:2947', () => new LoggerLine(world, hut, new GpsdReplay({ reports: [report] })));
  const duty = {
    kind: 'collect',
    dataset: met,
    driver: 'gpsd',
    address: 'tcp://gps:2947',
    configuration: { listenMs: 3000 },
    everyMs: hour,
  } as const;
  node.addDuty({ ...duty, profile: { stationId: 'hut' } });
  expect(placed(hut, met, false).get(2)).toBeUndefined();
  await world.runFor(minute);
  expect(placed(hut, met, false).get(2)).toMatchObject({ latitude: 46.5, accuracyM: 4.5, method: 'gnss' });
  const position = { latitude: 46.6, longitude: 7.6, method: 'survey', datum: 'CH1903+', accuracyM: 0.02 };
  node.addDuty({ ...duty, profile: { stationId: 'hut', position } });
  await world.runFor(minute);
  expect([...new Set(placed(hut, met, false).values())]).toEqual([position]);
});
