import { expect, test } from 'vitest';
import { utf8 } from '../../src/core/bytes.ts';
import { civilTime } from '../../src/formats/civil-time.ts';
import { campbellHttpDriver } from '../../src/instruments/campbell-http/driver.ts';
import { HttpLogger, httpLoggerTransport } from '../../src/simulation/http-logger.ts';
import { World } from '../../src/simulation/world.ts';
import { hour, minute, second } from './camp.ts';

const stage = [{ name: 'Stage', unit: 'm', processing: 'Smp', kind: 'number' }] as const;

test('a clock that is set begins an epoch of the quality it was compared with, and the times of both are corrected beside what was stamped', async () => {
  const world = new World({ seed: 211 });
  const station = await world.add('station', { clockQuality: 'gnss' });
  station.node.createTeam('T');
  const met = station.node.createDataset({ name: 'met', kind: 'series' });
  const logger = new HttpLogger();
  logger.define('T', stage, 1000);
  station.instruments.set('http://logger', () => httpLoggerTransport(logger));
  /** How far the logger's clock is ahead: 90 s, until somebody sets it to be 10 s behind. */
  let aheadMs = 90 * second;
  const options = { address: 'http://logger', configuration: {}, profile: { utcOffsetMinutes: 0 } };
  for (let visit = 0; visit < 6; visit++) {
    if (visit === 3) aheadMs = -10 * second;
    await world.runFor(10 * minute);
    logger.clockUs = (station.clock.now().wallMs + aheadMs) * 1000;
    logger.append('T', { localUs: logger.clockUs - (logger.clockUs % 1_000_000), cells: [String(visit)] });
    await world.finish(station.node.collect(met, campbellHttpDriver, options));
  }
  const [table] = station.node.tables(met);
  const id = table?.revision.id as NonNullable<typeof table>['revision']['id'];
  const epochs = station.node.series.clockEpochs(met, id);
  expect(epochs.map(({ aheadAtFromUs, quality, readings }) => [Math.round(aheadAtFromUs / 1e6), quality, readings])).toEqual([
    [90, 'gnss', 2],
    [-10, 'gnss', 1],
  ]);
  // Between the last reading of the one and the first of the other nobody knows when the clock was set. A day later the reading is written down again.
  await world.runFor(25 * hour);
  logger.clockUs = (station.clock.now().wallMs + aheadMs) * 1000;
  logger.append('T', { localUs: logger.clockUs, cells: ['6'] });
  await world.finish(station.node.collect(met, campbellHttpDriver, options));
  expect(station.node.series.clockEpochs(met, id).map(({ readings }) => readings)).toEqual([2, 2]);
  const stampsBefore = [...station.node.rows(met, id)].map(({ timeUs }) => timeUs);
  const raw = station.node.ingestCounts(met);
  await world.finish(station.node.series.reprocess(met, { reason: 'clock', clock: 'read' }));
  const [first, derived] = station.node.tables(met);
  expect(derived?.revision.derivation).toEqual({ from: first?.revision.id, reason: 'clock' });
  expect([...station.node.rows(met, id)].map(({ timeUs }) => timeUs)).toEqual(stampsBefore);
  expect(station.node.ingestCounts(met)).toEqual(raw);
  const corrected = [...station.node.rows(met, derived?.revision.id as typeof id)];
  const shifts = corrected.map(({ timeUs, recordNumber = -1 }) => Math.round(((stampsBefore[recordNumber] ?? 0) - timeUs) / 1e6));
  expect(corrected.map(({ recordNumber }) => recordNumber)).toEqual([0, 1, 2, 3, 4, 5, 6]);
  expect(shifts).toEqual([90, 90, 90, -10, -10, -10, -10]);
});

test('the files of a logger are corrected by its clock as a driver read it, and those of another one are not', async () => {
  const world = new World({ seed: 213 });
  const station = await world.add('station', { clockQuality: 'gnss' });
  station.node.createTeam('T');
  const met = station.node.createDataset({ name: 'met', kind: 'series' });
  const logger = new HttpLogger();
  logger.define('T', stage, 1000);
  logger.define('U', stage, 1000);
  station.instruments.set('http://logger', () => httpLoggerTransport(logger));
  logger.clockUs = (station.clock.now().wallMs + 90 * second) * 1000;
  for (const table of ['T', 'U']) logger.append(table, { localUs: logger.clockUs - (logger.clockUs % 1_000_000), cells: ['1'] });
  const profile = { utcOffsetMinutes: 0, stationId: 'Weir' };
  await world.finish(station.node.collect(met, campbellHttpDriver, { address: 'http://logger', configuration: {}, profile }));
  const read = station.node.tables(met)[0]?.revision.serial ?? '';
  const clock = civilTime(logger.clockUs - (logger.clockUs % 1_000_000));
  const two = (value: number) => String(value).padStart(2, '0');
  const stamp = `${clock.year}-${two(clock.month)}-${two(clock.day)} ${two(clock.hour)}:${two(clock.minute)}:${two(clock.second)}`;
  const file = (serial: string) =>
    utf8(
      `"TOA5","S","CR6","${serial}","CR6.Std.10","CPU:a.CR6","7","Log"\r\n"TIMESTAMP","RECORD","Stage"\r\n"TS","RN","m"\r\n"","","Smp"\r\n"${stamp}",0,1\r\n`,
    );
  station.directory('card').put('own.dat', file(read));
  station.directory('card').put('other.dat', file(`${read}9`));
  await world.finish(station.node.ingest(met, 'card', { profile }));
  await world.finish(station.node.series.reprocess(met, { reason: 'clock', clock: 'read', profile }));
  const files = station.node.tables(met).filter(({ revision }) => revision.table === 'Log');
  const aheadS = files.map(({ revision, firstUs = 0 }) => [
    revision.serial === read,
    revision.derivation !== undefined,
    Math.round((logger.clockUs - firstUs) / 1e6),
  ]);
  expect(aheadS.sort()).toEqual([
    [false, false, 0],
    [false, true, 0],
    [true, false, 0],
    [true, true, 90],
  ]);
});

test('a file whose logger was set back in between keeps its stamps, and says where', async () => {
  const world = new World({ seed: 212 });
  const station = await world.add('station');
  station.node.createTeam('T');
  const met = station.node.createDataset({ name: 'met', kind: 'series' });
  const header =
    '"TOA5","S","CR6","1","CR6.Std.10","CPU:a.CR6","7","T"\r\n"TIMESTAMP","RECORD","Stage"\r\n"TS","RN","m"\r\n"","","Smp"\r\n';
  const row = (time: string, record: number) => `"2026-06-01 ${time}:00",${record},1.${record}\r\n`;
  const text = header + row('10:00', 0) + row('10:10', 1) + row('09:20', 2) + row('09:30', 3);
  station.directory('card').put('met.dat', utf8(text));
  const profile = { utcOffsetMinutes: 0, intervalUs: 600_000_000 };
  const [report] = await world.finish(station.node.ingest(met, 'card', { profile }));
  expect(report).toMatchObject({ stored: 4, quarantined: 0, events: 1 });
  const [table] = station.node.tables(met);
  expect(station.node.loggerEvents(met, table?.revision.id as NonNullable<typeof table>['revision']['id'])).toEqual([
    { timeUs: Date.UTC(2026, 5, 1, 9, 20) * 1000, name: 'clock-stepped', detail: 'by_us=-3600000000' },
  ]);
});
