import { expect, test } from 'vitest';
import { utf8 } from '../../../src/core/bytes.ts';
import { toa5Text } from '../../../src/simulation/logger-files.ts';
import { linkPresets } from '../../../src/simulation/presets.ts';
import type { SimulatedNode } from '../../../src/simulation/simulated-node.ts';
import { chain, expectConvergence, hour, minute, type Pair, type Trio } from '../camp.ts';

const profile = { utcOffsetMinutes: 60 };

function toa5(rows: number, withHeader = true): string {
  const firstLocalUs = Date.UTC(2026, 5, 1) * 1000;
  return toa5Text({ station: 'Storbreen', table: 'Met', firstLocalUs, intervalUs: 60_000_000, rows, firstRecord: 0, seed: 6, withHeader });
}

const linesOf = (text: string, rows: number): string[] =>
  text
    .split('\r\n')
    .slice(4, 4 + rows)
    .map((line) => line.split(',').slice(2).join(',').replaceAll('"', ''));

function rowsOf(node: SimulatedNode, name: string): string[] {
  const id = node.node.datasets().find((dataset) => dataset.name === name)?.id;
  if (id === undefined) return [];
  return node.node.tables(id).flatMap(({ revision }) => [...node.node.rows(id, revision.id)].map(({ cells }) => cells.join(',')));
}

test('instrument to analysis, whole: every row that a logger wrote is in the file that is analysed, once, cell for cell', async () => {
  const camp = await chain(821, ['station', 'ridge', 'office']);
  const [station, ridge, office] = camp.nodes as Trio;
  const { up, down } = linkPresets['iridium-certus-100'];
  camp.world.linkBetween('ridge', 'office').change(up, down);
  const met = station.node.createDataset({ name: 'met', kind: 'series' });
  const card = station.directory('card');
  const text = toa5(720);
  station.node.addDuty({ kind: 'ingest', dataset: met, directory: 'card', everyMs: 10 * minute, profile });
  // The logger writes on while the node reads: each time it may stand in the middle of a row. The power fails, and the way to the office is often away.
  const sky = camp.world.linkBetween('ridge', 'office');
  for (let part = 1; part <= 12; part++) {
    card.put('met.dat', utf8(text.slice(0, Math.ceil((text.length * part) / 12))));
    await camp.world.runFor(20 * minute);
    if (part % 3 === 0) sky.cut();
    if (part % 3 === 1) sky.heal();
    if (part === 5) ridge.kill();
    if (part === 6) await camp.world.finish(ridge.start());
  }
  camp.world.healAll();
  await expectConvergence(camp.world, hour);
  const report = await camp.world.finish(office.node.export(met, 'netcdf', 'met.nc'));
  expect(report.rows).toBe(720);
  const exported = office.exports.get('met.nc')?.rows.map(({ cells }) => cells.join(','));
  expect(exported).toEqual(linesOf(text, 720));
});

test('corrupt and cut-off instrument data: what is whole is stored, what is not is kept with its reason, and nothing is guessed', async () => {
  const camp = await chain(822, ['station', 'office']);
  const [station, office] = camp.nodes as Pair;
  const met = station.node.createDataset({ name: 'met', kind: 'series' });
  const card = station.directory('card');
  const lines = toa5(60).split('\r\n');
  // A row with a cell too few, one with noise from the line, and the last one cut off where the power failed.
  lines[20] = (lines[20] as string).split(',').slice(0, -1).join(',');
  lines[30] = `\u0001\u0002${lines[30]?.slice(7)}`;
  const broken = lines.slice(0, 50).join('\r\n');
  card.put('met.dat', utf8(broken.slice(0, -9)));
  const [first] = await camp.world.finish(station.node.ingest(met, 'card', { profile }));
  expect(first).toMatchObject({ stored: 43, quarantined: 2 });
  const kept = station.node.quarantined(met).map(({ bytes }) => new TextDecoder().decode(bytes).trim());
  expect(kept).toEqual([lines[20], lines[30]]);
  // The logger is read again when it has written on: the row that was cut off is whole now.
  card.put('met.dat', utf8(lines.join('\r\n')));
  const [again] = await camp.world.finish(station.node.ingest(met, 'card', { profile }));
  expect(again).toMatchObject({ stored: 15, quarantined: 0 });
  await camp.world.until(() => rowsOf(office, 'met').length === 58, hour);
  const whole = linesOf(toa5(60), 60).filter((_, row) => row !== 16 && row !== 26);
  expect(rowsOf(office, 'met')).toEqual(whole);
});
