import { expect, test } from 'vitest';
import { concatBytes, utf8 } from '../../src/core/bytes.ts';
import { seededRandom } from '../../src/core/random.ts';
import { chain, expectFile, hour, type Pair, publish } from './camp.ts';

/** More than is copied into packs: the bytes lie in the working file alone. */
const largeBytes = 5 * 1024 * 1024;
const quick = { delayMs: 20, rateBytesPerSecond: 1_000_000, queueBytes: 100_000 };

test('a change to a large file costs what changed, although its old bytes went with the working file', async () => {
  const camp = await chain(71, ['station', 'base'], quick, 'merge', 'udp', { baseCopiesBytesMax: 0 });
  const [station, base] = camp.nodes as Pair;
  const bytes = seededRandom(1).bytes(largeBytes);
  await publish(camp, station, 'data.bin', bytes);
  await expectFile(camp.world, base, 'data.bin', bytes);
  await camp.world.untilQuiet(hour);
  const link = camp.world.linkBetween('station', 'base');

  // What is appended to finds the old end of the file at the beginning of the new one.
  const before = link.trafficFrom('station').bytes;
  const appended = concatBytes(bytes, utf8('one more row\n'));
  await publish(camp, station, 'data.bin', appended);
  await expectFile(camp.world, base, 'data.bin', appended);
  await camp.world.untilQuiet(hour);
  const between = link.trafficFrom('station').bytes;
  expect(between - before).toBeLessThan(1500);

  // Of what is overwritten the receiver says what it held: only the bytes around the change travel.
  const edited = appended.slice();
  edited.set(utf8('changed'), largeBytes / 2);
  await publish(camp, station, 'data.bin', edited);
  await expectFile(camp.world, base, 'data.bin', edited);
  await camp.world.untilQuiet(hour);
  expect(link.trafficFrom('station').bytes - between).toBeLessThan(4000);
});

test('a large file that is overwritten in place leaves a copy behind, and its change travels as a difference to that', async () => {
  const camp = await chain(72, ['station', 'base'], quick);
  const [station, base] = camp.nodes as Pair;
  const bytes = seededRandom(2).bytes(largeBytes);
  await publish(camp, station, 'data.bin', bytes);
  await expectFile(camp.world, base, 'data.bin', bytes);
  await camp.world.untilQuiet(hour);
  const link = camp.world.linkBetween('station', 'base');

  const before = link.trafficFrom('base').bytes + link.trafficFrom('station').bytes;
  const edited = bytes.slice();
  for (let i = 0; i < 10; i++) edited.set(utf8('changed'), Math.floor((largeBytes / 11) * (i + 1)));
  await publish(camp, station, 'data.bin', edited);
  await expectFile(camp.world, base, 'data.bin', edited);
  await camp.world.untilQuiet(hour);
  expect(link.trafficFrom('base').bytes + link.trafficFrom('station').bytes - before).toBeLessThan(2500);
});
