import { expect, test } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import { type Camp, chain, expectConvergence, expectFile, hour, minute, type Pair, publish, radio, second, type Trio } from './camp.ts';

const rows = (count: number): string =>
  Array.from({ length: count }, (_, i) => `"2026-06-01 ${i}",${i},12.${(i * 7) % 997},3.4\n`).join('');

/** Bytes that a link has taken, both ways, headers of UDP and IP included. */
function bytesOn({ world }: Camp, one: string, other: string): number {
  const link = world.linkBetween(one, other);
  return link.trafficFrom(one).bytes + link.trafficFrom(other).bytes;
}

test('a row appended to a file costs less than 650 bytes on the link, and one way of it in time', async () => {
  const camp = await chain(311, ['camp', 'ridge'], { delayMs: 2000, rateBytesPerSecond: 8000, queueBytes: 32_000 });
  const [a, b] = camp.nodes as Pair;
  await publish(camp, a, 'met.dat', rows(4000));
  await expectFile(camp.world, b, 'met.dat', rows(4000));
  await camp.world.runFor(10 * minute);
  const before = bytesOn(camp, 'camp', 'ridge');
  const published = camp.world.nowMs;
  await publish(camp, a, 'met.dat', rows(4001));
  await expectFile(camp.world, b, 'met.dat', rows(4001));
  // Asked for, it would have taken three ways of 2 s.
  expect(camp.world.nowMs - published).toBeLessThan(4 * second);
  await camp.world.runFor(10 * minute);
  expect(bytesOn(camp, 'camp', 'ridge') - before).toBeLessThan(650);
});

test('a change that two neighbours send at once arrives, and is not asked for a third time', async () => {
  const camp = await chain(312, ['valley', 'ridge', 'coast']);
  const [valley, ridge, coast] = camp.nodes as Trio;
  camp.world.link('valley', 'coast', radio);
  valley.node.addContact(coast.node.id, ['udp://coast:7077']);
  await publish(camp, valley, 'met.dat', rows(3000));
  await expectConvergence(camp.world, hour);
  await camp.world.runFor(minute);
  for (let more = 1; more <= 5; more++) {
    await publish(camp, [valley, ridge, coast][more % 3]!, 'met.dat', rows(3000 + more));
    await camp.world.runFor(minute);
  }
  await expectConvergence(camp.world, hour);
  for (const node of camp.nodes) await expectFile(camp.world, node, 'met.dat', rows(3005));
});

test('changes that are sent along survive loss, and a link that is cut in the middle of them', async () => {
  const camp = await chain(313, ['camp', 'ridge'], { ...radio, rateBytesPerSecond: 2000, lossRatio: 0.2 });
  const [a, b] = camp.nodes as Pair;
  const base = seededRandom(5).bytes(60_000);
  await publish(camp, a, 'image.raw', base);
  await expectFile(camp.world, b, 'image.raw', base);
  await camp.world.runFor(minute);
  for (let round = 1; round <= 4; round++) {
    const changed = base.slice();
    changed.set(seededRandom(round).bytes(12_000), 20_000);
    await publish(camp, a, 'image.raw', changed);
    await camp.world.runFor(3 * second);
    camp.world.linkBetween('camp', 'ridge').cut();
    await camp.world.runFor(5 * minute);
    camp.world.healAll();
    await expectFile(camp.world, b, 'image.raw', changed);
  }
  await expectConvergence(camp.world, hour);
});
