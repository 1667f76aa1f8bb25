import { expect, test } from 'vitest';
import { concatBytes, utf8 } from '../../src/core/bytes.ts';
import { seededRandom } from '../../src/core/random.ts';
import { chain, expectFile, hour, minute, type Pair, publish, second } from './camp.ts';

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

/** A table of 12 MB, and the same with 60 cells edited, some of them longer or shorter than before. */
function editedTable(): [Uint8Array, Uint8Array] {
  const random = seededRandom(5);
  const rows = Array.from(
    { length: 200_000 },
    (_, row) =>
      `"2026-06-01",${row},${(random.float() * 20).toFixed(2)},${(random.float() * 99).toFixed(1)},${(1000 + random.float() * 30).toFixed(2)},12.61,${random.below(360)}\r\n`,
  );
  const before = utf8(rows.join(''));
  for (let i = 0; i < 60; i++) {
    const row = random.below(rows.length);
    rows[row] = (rows[row] as string).replace('12.61', random.below(2) === 0 ? '9.9' : '112.62');
  }
  return [before, utf8(rows.join(''))];
}

test.each(['nothing', 'a link that is cut', 'a receiver that is killed', 'a sender that is killed'])(
  'scattered edits to a large file whose old bytes are lost cost what the search for them costs, whatever comes in between: %s',
  async (between) => {
    const [table, edited] = editedTable();
    const camp = await chain(73, ['station', 'base'], quick, 'merge', 'udp', { baseCopiesBytesMax: 0 });
    const [station, base] = camp.nodes as Pair;
    await publish(camp, station, 'met.csv', table);
    await expectFile(camp.world, base, 'met.csv', table);
    await camp.world.untilQuiet(hour);
    const link = camp.world.linkBetween('station', 'base');
    link.change({ delayMs: 300, rateBytesPerSecond: 1000, queueBytes: 4000 });
    const passed = () => link.trafficFrom('station').bytes + link.trafficFrom('base').bytes;
    const before = passed();
    await publish(camp, station, 'met.csv', edited);
    for (let times = 0; times < 3 && between !== 'nothing'; times++) {
      await camp.world.runFor((2 + 3 * times) * second);
      if (between === 'a link that is cut') {
        link.cut();
        await camp.world.runFor(10 * minute);
        link.heal();
      } else {
        const node = between === 'a sender that is killed' ? station : base;
        node.kill();
        await camp.world.finish(node.start());
      }
    }
    await expectFile(camp.world, base, 'met.csv', edited);
    await camp.world.untilQuiet(hour);
    // Without a search 60 chunks, of 64 KiB each, would travel whole: more than a megabyte.
    expect(passed() - before).toBeLessThan(between === 'nothing' ? 30_000 : 45_000);
  },
);
