import { expect, test } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import type { LinkUsage } from '../../src/node/link-accounts.ts';
import { chain, expectFile, hour, minute, type Pair, publish, second } from './camp.ts';

/** A budget that counts what comes: the peer is told to stop, and does. */

const total = (usages: readonly LinkUsage[]): number =>
  usages.reduce((sum, { sent, received }) => sum + [sent, received].flatMap((side) => Object.values(side)).reduce((a, b) => a + b, 0), 0);

test.each(['udp', 'tcp'] as const)(
  'a peer stops over %s before the budget of the other is used up, is silent until it renews, and goes on then',
  async (scheme) => {
    const camp = await chain(81, ['base', 'ridge'], { delayMs: 300, rateBytesPerSecond: 31_250, queueBytes: 32_000 }, 'merge', scheme);
    const { world } = camp;
    const [base, ridge] = camp.nodes as Pair;
    await world.runFor(10 * minute);
    const link = world.linkBetween('base', 'ridge');
    const onLink = () => link.trafficFrom('base').bytes + link.trafficFrom('ridge').bytes;
    const before = total(ridge.node.bandwidth.usage());
    const startHour = (Math.floor(ridge.clock.now().wallMs / hour) + 4) % 24;
    const limitBytes = before + 200_000;
    ridge.node.bandwidth.setBudget({ name: 'satellite', period: { kind: 'day', startHour }, limitBytes });
    const file = seededRandom(5).bytes(260_000);
    const begun = onLink();
    await publish(camp, base, 'radar.bin', file);
    await world.runFor(2 * minute);
    expect(ridge.node.bandwidth.budgets()[0]!.usedBytes).toBeLessThanOrEqual(limitBytes);
    expect(onLink() - begun).toBeGreaterThan(0.8 * 200_000);
    // Nobody asks, repeats or dials.
    const spent = onLink();
    await world.runFor(hour);
    expect(onLink() - spent).toBe(0);
    await expectFile(world, ridge, 'radar.bin', file, 5 * hour);
    expect(world.nowMs).toBeGreaterThan(3 * hour);
    expect(onLink() - begun).toBeLessThan(1.3 * file.length);
  },
);

test('a peer goes on at once when the budget is given more', async () => {
  const camp = await chain(82, ['base', 'ridge'], { delayMs: 100, rateBytesPerSecond: 31_250, queueBytes: 32_000 });
  const { world } = camp;
  const [base, ridge] = camp.nodes as Pair;
  await world.runFor(10 * minute);
  const before = total(ridge.node.bandwidth.usage());
  const allow = (bytes: number) =>
    ridge.node.bandwidth.setBudget({ name: 'satellite', period: { kind: 'month' }, limitBytes: before + bytes });
  allow(100_000);
  const file = seededRandom(6).bytes(200_000);
  await publish(camp, base, 'radar.bin', file);
  await world.runFor(hour);
  allow(1_000_000);
  await expectFile(world, ridge, 'radar.bin', file, 30 * second);
});
