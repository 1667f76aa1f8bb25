import { expect, test } from 'vitest';
import { utf8 } from '../../src/core/bytes.ts';
import { chain, type Pair } from './camp.ts';

test('a mixed array whose tables take turns line by line becomes a segment or two of each table, and not one a line', async () => {
  const camp = await chain(221, ['station', 'base']);
  const [station] = camp.nodes as Pair;
  const met = station.node.createDataset({ name: 'met', kind: 'series' });
  let text = '';
  for (let minute = 0; minute < 1440; minute++) {
    const time = `2026,152,${Math.floor(minute / 60) * 100 + (minute % 60)}`;
    text += `101,${time},${minute}.5,1\r\n102,${time},${minute}\r\n`;
    if (minute % 60 === 59) text += `160,${time},12.6,7,8\r\n`;
  }
  station.directory('card').put('array.dat', utf8(text));
  const entries = () => station.catalog.get<{ count: number }>('SELECT count(*) AS count FROM log_entry')?.count ?? 0;
  const before = entries();
  const [report] = await camp.world.finish(station.node.ingest(met, 'card', { profile: { utcOffsetMinutes: 0 } }));
  expect(report).toMatchObject({ format: 'mixed-array', read: 2904, stored: 2904 });
  expect(
    station.node
      .tables(met)
      .map(({ rows }) => rows)
      .sort((a, b) => a - b),
  ).toEqual([24, 1440, 1440]);
  // Three definitions and three segments.
  expect(entries() - before).toBe(6);
});
