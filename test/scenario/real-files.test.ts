import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { isoInstant } from '../../src/formats/series-table.ts';
import type { TableSummary } from '../../src/observations/observation-store.ts';
import type { SimulatedNode } from '../../src/simulation/simulated-node.ts';
import { chain, type Pair } from './camp.ts';

/**
 * Every real instrument file through a whole node: what it comes to is written in `real-files.snapshot`, by file: format, counts, reasons of what was set aside, and for each table how many rows, which columns with which
 * units, the first and the last stamp in UTC, and how many values have which flag. A sample that is not in it fails, and what is no file of records
 * says so there: `FORMAT_UNKNOWN`, or kept as it is. Files that do not say their zone are read as UTC; `NAN` and -9999 are declared to be no values, and numbers beyond a million fail.
 */

/** Samples that are no files of records, with where they are read all the same. */
const readElsewhere: Readonly<Record<string, string>> = {
  nmea: 'streams of sentences, which the driver reads (unit/instruments/nmea/nmea-logs.test.ts)',
};
const samples = new URL('../../../shared/samples/', import.meta.url);
const skip = !existsSync(samples) && process.env.CI !== 'true';
if (skip) console.warn('Real files are not read: the folder of samples is not beside the repository.');

const profile = {
  utcOffsetMinutes: 0,
  quality: { missing: ['NAN', '-9999'], rules: [{ fields: ['*'], sensorRange: [-1e6, 1e6] as const }] },
};

/** Every sample that the manifest names and every file that is there, in order. */
function samplePaths(): string[] {
  const [, ...lines] = readFileSync(new URL('MANIFEST.tsv', samples), 'utf8').trim().split('\n');
  const named = lines.map((line) => line.slice(0, line.indexOf('\t')));
  const there = readdirSync(samples, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap((folder) => readdirSync(new URL(`${folder.name}/`, samples)).map((name) => `${folder.name}/${name}`));
  expect(there.toSorted()).toEqual(named.toSorted());
  return named.sort();
}

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
  for (const path of samplePaths()) {
    const [folder = '', name = ''] = path.split('/');
    if (!(folder in readElsewhere)) {
      const dataset = node.createDataset({ name: path.replace('/', ' '), kind: 'series' });
      node.unsubscribe(dataset);
      station.directory(path).put(name, new Uint8Array(readFileSync(new URL(`${folder}/${encodeURIComponent(name)}`, samples))));
      const [report] = await camp.world.finish(node.ingest(dataset, path, { profile, complete: true }));
      const { read, stored, duplicate, quarantined, format, events, defects, pendingBytes } = report as NonNullable<typeof report>;
      expect([path, stored + duplicate + quarantined, pendingBytes]).toEqual([path, read, 0]);
      if (name.startsWith('bad')) expect([path, Object.keys(defects).length]).not.toEqual([path, 0]);
      const counts = { ...(format === undefined ? {} : { format }), read, stored, duplicate, quarantined, events, defects };
      outcomes[path] = { report: counts, tables: node.tables(dataset).map((summary) => tableOutcome(node, dataset, summary)) };
    }
  }
  await expect(`${JSON.stringify(outcomes, null, 1)}\n`).toMatchFileSnapshot('./real-files.snapshot');
});
