import { expect, test } from 'vitest';
import { concatBytes } from '../../src/core/bytes.ts';
import { tob3Frame, tob3FrameBytes, tob3Header, tob3Residue } from '../unit/formats/campbell-files.ts';
import { chain, type Pair, second } from './camp.ts';

const frames = 6;

test('a card that is taken again and again is read on in the ring, and its archived bytes give the whole series', async () => {
  const camp = await chain(201, ['station', 'base']);
  const [station] = camp.nodes as Pair;
  const met = station.node.createDataset({ name: 'met', kind: 'series' });
  const header = tob3Header();
  const card = concatBytes(header, ...Array.from({ length: frames }, (_, seed) => tob3Residue(seed)));
  const profile = { utcOffsetMinutes: 0 };
  const reports: unknown[] = [];
  let written = 0;
  for (const count of [4, 3, 5, 0, 2]) {
    for (let index = 0; index < count; index++, written++)
      card.set(tob3Frame(written * 4), header.length + (written % frames) * tob3FrameBytes);
    await camp.world.runFor(second);
    station.directory('card').put('fast.dat', card.slice());
    const [report] = await camp.world.finish(station.node.ingest(met, 'card', { profile }));
    reports.push([report?.read, report?.stored, report?.duplicate, report?.pendingBytes]);
  }
  // Sixteen records, then what is new each time.
  expect(reports).toEqual([
    [16, 16, 0, 0],
    [12, 12, 0, 0],
    [20, 20, 0, 0],
    [0, 0, 0, 0],
    [8, 8, 0, 0],
  ]);
  const [again] = await camp.world.finish(
    station.node.series.reprocess(met, { reason: 'zone', profile: { utcOffsetMinutes: 60 }, sources: ['fast.dat'] }),
  );
  expect(again).toMatchObject({ read: 56, stored: 56 });
  // Nine frames were written while nobody came: three of them are lost, and the six that are left are read.
  for (let index = 0; index < 9; index++, written++) card.set(tob3Frame(written * 4), header.length + (written % frames) * tob3FrameBytes);
  station.directory('card').put('fast.dat', card.slice());
  const [late] = await camp.world.finish(station.node.ingest(met, 'card', { profile }));
  expect(late).toMatchObject({ read: 24, stored: 24, duplicate: 0, quarantined: 0, gaps: 1 });
  const derived = station.node.tables(met).at(-1)?.revision.id as NonNullable<ReturnType<typeof station.node.tables>[0]>['revision']['id'];
  const lost = { table: derived, fromRecord: 56, toRecord: 68, reason: 'overwritten in the logger before it was collected' };
  expect(station.node.series.gaps(met, derived)).toEqual([lost]);
  // A card that was not touched since says nothing new.
  await camp.world.runFor(second);
  station.directory('card').put('fast.dat', card.slice());
  await camp.world.finish(station.node.ingest(met, 'card', { profile }));
  expect(station.node.series.gaps(met, derived)).toEqual([lost]);
  expect(station.node.tables(met).map(({ rows }) => rows)).toEqual([56, 80]);
});
