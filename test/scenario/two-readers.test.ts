import fc from 'fast-check';
import { expect, test } from 'vitest';
import { utf8 } from '../../src/core/bytes.ts';
import type { DatasetId } from '../../src/core/identifiers.ts';
import type { StoredRow } from '../../src/observations/row-store.ts';
import type { SimulatedNode } from '../../src/simulation/simulated-node.ts';
import { chain, expectConvergence, hour, type Pair } from './camp.ts';

/** Two people read one logger without record numbers, whose clock follows the summer time of Denver: back on 1 November 2026 at 02:00. */
const halfHourMs = 1_800_000;
const firstMs = Date.UTC(2026, 10, 1, 5);
const records = 14;
const header = 'time,Rain [mm]\n';

/** What the clock shows at a record's instant: six hours behind UTC before the change at 08:00 UTC, seven behind it. */
function shown(record: number): string {
  const instantMs = firstMs + record * halfHourMs;
  const offsetHours = instantMs < Date.UTC(2026, 10, 1, 8) ? 6 : 7;
  return new Date(instantMs - offsetHours * 3_600_000).toISOString().slice(0, 16).replace('T', ' ');
}

/** A file with records of the logger, each with its reading. */
function file(from: number, to: number, readings: readonly string[]): Uint8Array {
  return utf8(
    header +
      readings
        .slice(from, to)
        .map((reading, at) => `${shown(from + at)},${reading}\n`)
        .join(''),
  );
}

function rowsOf({ node }: SimulatedNode, dataset: DatasetId): StoredRow[] {
  const [table] = node.tables(dataset);
  return table === undefined ? [] : [...node.rows(dataset, table.revision.id)];
}

const nameOf = ({ timeUs, cells }: StoredRow): string => `${(timeUs / 1000 - firstMs) / halfHourMs} ${cells[0]}`;
const isSuspect = ({ flags }: StoredRow): boolean => flags?.[0] === 3;

const slices = fc.array(
  fc.record({
    reader: fc.constantFrom(0, 1),
    from: fc.nat(records - 2),
    length: fc.integer({ min: 1, max: records }),
    /** This copy of the file has one reading that somebody changed. */
    changed: fc.option(fc.nat(records - 1), { freq: 8 }),
  }),
  { minLength: 1, maxLength: 6 },
);
/** Equal readings in both passes are the rule where it does not rain, and what is alike and what is not must be told apart all the same. */
const readings = fc.array(fc.constantFrom('0', '0', '0', '0.2', '1.4'), { minLength: records, maxLength: records });

test('two readers of a logger without record numbers lose nothing and agree, however their files overlap, and what is doubtful or contradicted is flagged', {
  timeout: 60_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(slices, readings, fc.boolean(), async (visits, truth, areTogether) => {
      const camp = await chain(181, ['one', 'other']);
      const nodes = camp.nodes as Pair;
      const { world } = camp;
      const met = nodes[0].node.createDataset({ name: 'met', kind: 'series' });
      await expectConvergence(world, hour);
      nodes[1].node.subscribe(met);
      await expectConvergence(world, hour);
      const profile = { stationId: 'gauge', zone: 'America/Denver', intervalUs: halfHourMs * 1000 };
      const brought = new Set<string>();
      const changed = new Set<string>();
      for (const [visit, { reader, from, length, changed: at }] of visits.entries()) {
        const station = nodes[reader] as SimulatedNode;
        const copy = truth.map((reading, record) => (record === at ? '77' : reading));
        const to = Math.min(records, from + length);
        for (let record = from; record < to; record++) {
          brought.add(`${shown(record)} ${copy[record]}`);
          if (record === at) changed.add(shown(record));
        }
        station.directory('card').put(`visit ${visit}.csv`, file(from, to, copy));
        const [report] = await world.finish(station.node.ingest(met, 'card', { profile, paths: [`visit ${visit}.csv`] }));
        expect(report).toMatchObject({ read: to - from, quarantined: 0 });
        // Reading the same again adds nothing.
        station.directory('card').put(`again ${visit}.csv`, file(from, to, copy));
        const [again] = await world.finish(station.node.ingest(met, 'card', { profile, paths: [`again ${visit}.csv`] }));
        expect(again).toMatchObject({ stored: 0, duplicate: to - from });
        if (areTogether) await expectConvergence(world, hour);
      }
      await expectConvergence(world, hour);
      const rows = rowsOf(nodes[0], met);
      expect(rowsOf(nodes[1], met).map((row) => [nameOf(row), row.flags && [...row.flags]])).toEqual(
        rows.map((row) => [nameOf(row), row.flags && [...row.flags]]),
      );
      // Nothing is lost: what a file showed at a time of the clock stands at one of the instants at which the clock showed it.
      const stored = new Set(rows.map((row) => `${shown(Math.round((row.timeUs / 1000 - firstMs) / halfHourMs))} ${row.cells[0]}`));
      expect([...brought].filter((each) => !stored.has(each))).toEqual([]);
      expect([...stored].filter((each) => !brought.has(each))).toEqual([]);
      // Nothing is there twice, and what is not the logger's own record at its instant is suspect.
      expect(new Set(rows.map(nameOf)).size).toBe(rows.length);
      const own = new Set(truth.map((reading, record) => `${record} ${reading}`));
      const strangers = rows.filter((row) => !own.has(nameOf(row)) && !isSuspect(row));
      const isLoneCopy = (row: StoredRow): boolean =>
        row.cells[0] === '77' && rows.filter(({ timeUs }) => timeUs === row.timeUs).length === 1;
      expect(strangers.filter((row) => !isLoneCopy(row)).map(nameOf)).toEqual([]);
      // Both of two rows that contradict one another are.
      for (const row of rows)
        if (rows.some((each) => each !== row && each.timeUs === row.timeUs))
          expect([nameOf(row), isSuspect(row)]).toEqual([nameOf(row), true]);
    }),
    { numRuns: 25, seed: 20_261_125 },
  );
});
