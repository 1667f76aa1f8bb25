import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { isoInstant } from '../../src/formats/series-table.ts';
import type { TableSummary } from '../../src/observations/observation-store.ts';
import type { SimulatedNode } from '../../src/simulation/simulated-node.ts';
import { chain, type Pair } from './camp.ts';

/**
 * Every real instrument file through a whole node: what it comes to is written in `real-files.snapshot`, by file: format, counts, reasons of what was set aside, and for each table how many rows, which columns with which
 * units, the first and the last stamp in UTC, and how many values have which flag. Files that do not say their zone are read as UTC; `NAN` and -9999 are declared to be no values, and numbers beyond a million fail.
 */

const folders = [
  'ameriflux',
  'csijson',
  'csixml',
  'hobo-binary',
  'hoboconnect',
  'hoboware-csv',
  'mixed-array',
  'pme-minidot',
  'seabird-cnv',
  'stevens',
  'toa5',
  'toaci1',
  'tob1',
  'tob3',
];
const samples = new URL('../../../shared/samples/', import.meta.url);
const skip = !existsSync(samples) && process.env.CI !== 'true';
if (skip) console.warn('Real files are not read: the folder of samples is not beside the repository.');

const profile = {
  utcOffsetMinutes: 0,
  quality: { missing: ['NAN', '-9999'], rules: [{ fields: ['*'], sensorRange: [-1e6, 1e6] as const }] },
};

interface FileOutcome {
  readonly report: Readonly<Record<string, unknown>>;
  readonly tables: readonly unknown[];
}

function tableOutcome(
  node: SimulatedNode['node'],
  dataset: Parameters<typeof node.tables>[0],
  { revision, rows, firstUs, lastUs }: TableSummary,
) {
  const flags: Record<string, number> = {};
  for (const row of node.rows(dataset, revision.id)) for (const flag of row.flags ?? []) flags[flag] = (flags[flag] ?? 0) + 1;
  return {
    station: revision.stationId,
    table: revision.table,
    rows,
    first: firstUs === undefined ? null : isoInstant(firstUs, 6),
    last: lastUs === undefined ? null : isoInstant(lastUs, 6),
    columns: revision.fields.map(({ name, unit }) => (unit === '' ? name : `${name} [${unit}]`)),
    flags,
  };
}

test.skipIf(skip)('every real file comes to what is written of it, and the counts add up', { timeout: 120_000 }, async () => {
  const camp = await chain(141, ['station', 'base']);
  const [station] = camp.nodes as Pair;
  station.kill();
  await camp.world.finish(station.start());
  const { node } = station;
  const outcomes: Record<string, FileOutcome> = {};
  for (const folder of folders) {
    for (const name of readdirSync(new URL(`${folder}/`, samples)).sort()) {
      if (name.endsWith('.zip') || name.endsWith('.hex')) continue;
      const path = `${folder}/${name}`;
      const dataset = node.createDataset({ name: path.replace('/', ' '), kind: 'series' });
      node.unsubscribe(dataset);
      station.directory(path).put(name, new Uint8Array(readFileSync(new URL(`${folder}/${encodeURIComponent(name)}`, samples))));
      const [report] = await camp.world.finish(node.ingest(dataset, path, { profile, complete: true }));
      const { read, stored, duplicate, quarantined, format, events, defects, pendingBytes } = report as NonNullable<typeof report>;
      expect([path, stored + duplicate + quarantined, pendingBytes]).toEqual([path, read, 0]);
      const counts = { ...(format === undefined ? {} : { format }), read, stored, duplicate, quarantined, events, defects };
      outcomes[path] = { report: counts, tables: node.tables(dataset).map((summary) => tableOutcome(node, dataset, summary)) };
    }
  }
  await expect(`${JSON.stringify(outcomes, null, 1)}\n`).toMatchFileSnapshot('./real-files.snapshot');
});
