import { expect, test } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import { chain, expectFile, minute, type Pair, publish, second } from './camp.ts';

/** Links that drop long packets without a word: no ICMP comes back, and short ones pass. */

const link = { delayMs: 50, rateBytesPerSecond: 250_000, queueBytes: 100_000 };

test.each([1280, 576, 300])(
  'a file crosses a link that silently drops packets of more than %i bytes, for hardly more than its weight',
  async (mtuBytes) => {
    const camp = await chain(91, ['base', 'ridge'], { ...link, mtuBytes });
    const [base, ridge] = camp.nodes as Pair;
    const sides = camp.world.linkBetween('base', 'ridge');
    const before = sides.trafficFrom('base').bytes;
    const file = seededRandom(5).bytes(1_000_000);
    await publish(camp, base, 'radar.bin', file);
    await expectFile(camp.world, ridge, 'radar.bin', file, 40 * second);
    expect(sides.trafficFrom('base').bytes - before).toBeLessThan(1.35 * file.length);
  },
);

test('a transfer goes on when its way begins to drop long packets, and packets are long again after it has ceased to', async () => {
  const camp = await chain(92, ['base', 'ridge'], link);
  const [base, ridge] = camp.nodes as Pair;
  const sides = camp.world.linkBetween('base', 'ridge');
  const first = seededRandom(6).bytes(1_500_000);
  await publish(camp, base, 'radar.bin', first);
  await camp.world.runFor(2 * second);
  sides.change({ ...link, mtuBytes: 576 });
  await expectFile(camp.world, ridge, 'radar.bin', first, 40 * second);
  sides.change(link);
  await camp.world.runFor(11 * minute);
  const packets = sides.trafficFrom('base').packets;
  const later = seededRandom(7).bytes(1_000_000);
  await publish(camp, base, 'sonar.bin', later);
  await expectFile(camp.world, ridge, 'sonar.bin', later, 40 * second);
  expect((sides.trafficFrom('base').packets - packets) / 1000).toBeLessThan(1);
});
