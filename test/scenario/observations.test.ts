import { expect, test } from 'vitest';
import { concatBytes, utf8 } from '../../src/core/bytes.ts';
import { toa5Text } from '../../src/simulation/logger-files.ts';
import type { SimulatedNode } from '../../src/simulation/simulated-node.ts';
import { chain, deliveryByName, expectConvergence, hour, minute, type Pair, publish } from './camp.ts';

const intervalUs = 60_000_000;
const startUs = Date.UTC(2026, 5, 1) * 1000;

/** Rows `from` to `from + rows` of a logger's growing table. */
function rowsOf(from: number, rows: number, withHeader = false): Uint8Array {
  return utf8(
    toa5Text({
      station: 'Storbreen',
      table: 'Met',
      firstLocalUs: startUs + from * intervalUs,
      intervalUs,
      rows,
      firstRecord: from,
      seed: 5,
      withHeader,
    }),
  );
}

async function rowCount(node: SimulatedNode): Promise<number> {
  return node.node.tables(node.node.dataset('met').id).reduce((sum, table) => sum + table.rows, 0);
}

test('a growing logger table travels as what is new, and reading it again finds duplicates only', async () => {
  const camp = await chain(31, ['station', 'base']);
  const [station, base] = camp.nodes as Pair;
  const dataset = station.node.createDataset({ name: 'met', kind: 'series' });
  const files = station.directory('logger');
  let text = rowsOf(0, 1000, true);
  files.put('met.dat', text);
  const profile = { utcOffsetMinutes: 60 };
  const [first] = await camp.world.finish(station.node.ingest(dataset, 'logger', { profile }));
  expect(first).toMatchObject({ format: 'toa5', read: 1000, stored: 1000, duplicate: 0, quarantined: 0 });
  await camp.world.until(() => base.node.datasets().length === 2 && base.node.tables(dataset).some((table) => table.rows === 1000), hour);
  expect(await rowCount(base)).toBe(1000);
  const bytesBefore = station.node.traffic().reduce((sum, { sent }) => sum + Object.values(sent).reduce((a, b) => a + b, 0), 0);
  text = concatBytes(text, rowsOf(1000, 60));
  files.put('met.dat', text);
  const [second] = await camp.world.finish(station.node.ingest(dataset, 'logger', { profile }));
  expect(second).toMatchObject({ read: 60, stored: 60, duplicate: 0 });
  await camp.world.runFor(5 * minute);
  expect(await rowCount(base)).toBe(1060);
  const bytesAfter = station.node.traffic().reduce((sum, { sent }) => sum + Object.values(sent).reduce((a, b) => a + b, 0), 0);
  // An hour of minute rows: the text is 60 × 85 bytes.
  expect(bytesAfter - bytesBefore).toBeLessThan(3500);
  // Unchanged, and then brought again as a copy under another name, and by another person.
  expect((await camp.world.finish(station.node.ingest(dataset, 'logger', { profile })))[0]).toMatchObject({ read: 0, stored: 0 });
  files.put('copy.dat', text);
  expect((await camp.world.finish(station.node.ingest(dataset, 'logger', { profile, paths: ['copy.dat'] })))[0]).toMatchObject({
    read: 1060,
    stored: 0,
    duplicate: 1060,
  });
  base.directory('card').put('met.dat', concatBytes(text, rowsOf(1060, 10)));
  expect((await camp.world.finish(base.node.ingest(dataset, 'card', { profile })))[0]).toMatchObject({
    read: 1070,
    stored: 10,
    duplicate: 1060,
  });
  await expectConvergence(camp.world, hour);
  expect(await rowCount(station)).toBe(1070);
  expect(station.node.tables(dataset)).toEqual(base.node.tables(dataset));
  expect(deliveryByName(station, dataset)).toEqual({ base: 'delivered' });
  const report = await camp.world.finish(base.node.export(dataset, 'netcdf', 'out.nc'));
  expect(report.rows).toBe(1070);
  expect(base.exports.get('out.nc')?.rows).toHaveLength(1070);
});

test('a station killed while it ingests forks no log, loses no row and counts none twice', async () => {
  for (let packet = 1; packet < 24; packet += 3) {
    const camp = await chain(400 + packet, ['station', 'base']);
    const [station, base] = camp.nodes as Pair;
    const dataset = station.node.createDataset({ name: 'met', kind: 'series' });
    await camp.world.runFor(minute);
    station.directory('logger').put('met.dat', rowsOf(0, 5000, true));
    station.killAtPacket(packet);
    void station.node.ingest(dataset, 'logger', { profile: { utcOffsetMinutes: 60 } });
    await camp.world.until(() => !station.isRunning, 10 * minute);
    station.kill();
    station.killAtPacket(Number.POSITIVE_INFINITY);
    await camp.world.finish(station.start());
    await camp.world.finish(station.node.ingest(dataset, 'logger', { profile: { utcOffsetMinutes: 60 } }));
    await expectConvergence(camp.world, hour);
    expect(await rowCount(base)).toBe(5000);
    const counts = station.node.ingestCounts(dataset).get('met.dat');
    expect(counts).toMatchObject({ read: 5000, stored: 5000, duplicate: 0, quarantined: 0 });
    expect(base.events.filter((event) => event.type === 'fault').map((event) => event.fault.code)).toEqual([]);
  }
});

test('a table of the folder that grows by a row travels as a few bytes', async () => {
  const camp = await chain(33, ['station', 'base']);
  const [station, base] = camp.nodes as Pair;
  let text = rowsOf(0, 3000, true);
  await publish(camp, station, 'met.dat', text);
  await expectConvergence(camp.world, hour);
  const sent = (): number => station.node.traffic().reduce((sum, { sent }) => sum + Object.values(sent).reduce((a, b) => a + b, 0), 0);
  const before = sent();
  text = concatBytes(text, rowsOf(3000, 1));
  await publish(camp, station, 'met.dat', text);
  await expectConvergence(camp.world, hour);
  await camp.world.runFor(minute);
  expect((await base.node.file(camp.dataset, 'met.dat'))?.complete).toBe(true);
  // The row, the revision, the want, the plan, the receipts and every header.
  expect(sent() - before).toBeLessThan(1200);
});

test('a file that does not say its zone waits for the profile, and is not guessed', async () => {
  const camp = await chain(34, ['station', 'base']);
  const [station] = camp.nodes as Pair;
  const dataset = station.node.createDataset({ name: 'met', kind: 'series' });
  station.directory('logger').put('met.dat', rowsOf(0, 10, true));
  station.directory('logger').put('notes.txt', utf8('nothing of a logger'));
  const reports = await camp.world.finish(station.node.ingest(dataset, 'logger'));
  expect(reports.map(({ source, stored, quarantined, defects }) => [source, stored, quarantined, Object.keys(defects)])).toEqual([
    ['met.dat', 0, 1, ['ZONE_UNKNOWN']],
    ['notes.txt', 0, 1, ['FORMAT_UNKNOWN']],
  ]);
  expect(
    station.node
      .quarantined(dataset)
      .map(({ code }) => code)
      .sort(),
  ).toEqual(['FORMAT_UNKNOWN', 'ZONE_UNKNOWN']);
  await expect(camp.world.finish(station.node.export(dataset, 'geopackage', 'out.gpkg'))).rejects.toMatchObject({
    code: 'NOTHING_TO_EXPORT',
  });
  const [again] = await camp.world.finish(station.node.ingest(dataset, 'logger', { profile: { utcOffsetMinutes: 0 } }));
  expect(again).toMatchObject({ source: 'met.dat', read: 10, stored: 10 });
});
