import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import type { LinkUsage } from '../../src/node/link-accounts.ts';
import type { PurposeBytes } from '../../src/session/ledger.ts';
import type { SimulatedNode } from '../../src/simulation/simulated-node.ts';
import { type Camp, chain, day, expectConvergence, expectFile, folder, hour, minute, type Pair, publish, second } from './camp.ts';

function noise(seed: number, bytes: number): Uint8Array {
  const random = seededRandom(seed);
  return Uint8Array.from({ length: bytes }, () => random.below(256));
}

const sum = ({ data, control, retransmission, handshake }: PurposeBytes): number => data + control + retransmission + handshake;

function usedBy(node: SimulatedNode, select: (usage: LinkUsage) => number): number {
  return node.node.bandwidth.usage().reduce((all, usage) => all + select(usage), 0);
}

const sentBy = (node: SimulatedNode): number => usedBy(node, ({ sent }) => sum(sent));

/** What a link took from a node since it was laid. */
const onLink = ({ world }: Camp, from: SimulatedNode, to: SimulatedNode): number =>
  world.linkBetween(from.name, to.name).trafficFrom(from.name).bytes;

describe('the accounts', () => {
  it.each([1, 2, 3])('name a purpose for every byte that the link took, lost packets included (seed %i)', async (seed) => {
    const camp = await chain(seed, ['ridge', 'camp'], { delayMs: 200, rateBytesPerSecond: 6000, queueBytes: 8000, lossRatio: 0.1 });
    const [ridge, base] = camp.nodes as Pair;
    await publish(camp, ridge, 'a.bin', noise(seed, 60_000));
    await expectConvergence(camp.world, day);
    for (const [from, to] of [
      [ridge, base],
      [base, ridge],
    ] as const)
      expect(sentBy(from)).toBe(onLink(camp, from, to));
    const purposes = ridge.node.bandwidth
      .usage()
      .reduce((all, { sent }) => ({ data: all.data + sent.data, again: all.again + sent.retransmission }), { data: 0, again: 0 });
    expect(purposes.data).toBeGreaterThan(60_000);
    expect(purposes.again).toBeGreaterThan(0);
  });

  it('never say less than left after the power failed, and say exactly what left after an orderly end', async () => {
    const camp = await chain(5, ['ridge', 'camp']);
    const [ridge, base] = camp.nodes as Pair;
    for (let kill = 0; kill < 6; kill++) {
      ridge.directory(folder).put('a.bin', noise(kill, 30_000));
      const scanning = camp.world.finish(ridge.node.scan(camp.dataset, { settleMs: 0 }));
      await scanning;
      ridge.killAtPacket(3 + kill * 3);
      await camp.world.until(() => !ridge.isRunning, minute);
      ridge.kill();
      await camp.world.runFor(5 * second);
      await camp.world.finish(ridge.start());
      const claimed = usedBy(ridge, ({ sent, unaccountedBytes }) => sum(sent) + unaccountedBytes);
      expect(claimed).toBeGreaterThanOrEqual(onLink(camp, ridge, base));
      expect(claimed - onLink(camp, ridge, base)).toBeLessThan((kill + 1) * 20_000);
      await expectConvergence(camp.world, hour);
    }
    await camp.world.runFor(minute);
    const before = usedBy(ridge, ({ sent, unaccountedBytes }) => sum(sent) + unaccountedBytes) - onLink(camp, ridge, base);
    await camp.world.finish(ridge.stop());
    await camp.world.finish(ridge.start());
    await camp.world.runFor(minute);
    expect(usedBy(ridge, ({ sent, unaccountedBytes }) => sum(sent) + unaccountedBytes) - onLink(camp, ridge, base)).toBe(before);
  });
});

describe('a byte budget', () => {
  it('is never overdrawn by a byte, over restarts and power cuts, and the rest goes when it renews', async () => {
    const camp = await chain(7, ['ridge', 'camp'], { delayMs: 300, rateBytesPerSecond: 3000, queueBytes: 6000, lossRatio: 0.02 });
    const [ridge, base] = camp.nodes as Pair;
    const before = onLink(camp, ridge, base);
    const limitBytes = before + 40_000;
    const startHour = (Math.floor(ridge.clock.now().wallMs / hour) + 5) % 24;
    ridge.node.bandwidth.setBudget({
      name: 'satellite',
      address: 'udp://*',
      period: { kind: 'day', startHour },
      limitBytes,
      counts: 'sent',
    });
    await publish(camp, ridge, 'big.bin', noise(1, 100_000));
    expect(await camp.world.until(() => ridge.node.bandwidth.waiting().length > 0, hour)).toBe(true);
    const [waiting] = ridge.node.bandwidth.waiting();
    expect(waiting).toMatchObject({ peer: base.node.id, reason: 'BUDGET_EXHAUSTED', budget: 'satellite' });
    expect((waiting?.untilMs ?? 0) / hour).toBe(Math.floor(ridge.clock.now().wallMs / hour) + 5);
    expect(ridge.events.some(({ type }) => type === 'waiting')).toBe(true);
    for (let round = 0; round < 3; round++) {
      if (round === 1) await camp.world.finish(ridge.stop());
      else ridge.kill();
      await camp.world.runFor(minute);
      await camp.world.finish(ridge.start());
      await camp.world.runFor(hour);
      expect(onLink(camp, ridge, base)).toBeLessThanOrEqual(limitBytes);
    }
    expect(onLink(camp, ridge, base)).toBeGreaterThan(limitBytes - 5000);
    ridge.node.bandwidth.setBudget({
      name: 'satellite',
      period: { kind: 'day', startHour },
      limitBytes: limitBytes + 120_000,
      counts: 'sent',
    });
    await expectFile(camp.world, base, 'big.bin', noise(1, 100_000), 4 * hour);
  });

  it('lets a critical entry through on its reserve when everything else has to wait', async () => {
    const camp = await chain(8, ['ridge', 'camp'], { delayMs: 300, rateBytesPerSecond: 3000, queueBytes: 6000 });
    const [ridge, base] = camp.nodes as Pair;
    const alarms = ridge.node.createDataset({ name: 'alarms', kind: 'files', priority: 'critical' });
    expect(await camp.world.until(() => base.node.datasets().length === 2, hour)).toBe(true);
    for (const each of [ridge, base]) {
      each.directory('alarms');
      each.node.attach(alarms, 'alarms');
    }
    const limitBytes = onLink(camp, ridge, base) + 30_000;
    const reserveBytes = { critical: 8000 };
    ridge.node.bandwidth.setBudget({ name: 'month', period: { kind: 'month' }, limitBytes, reserveBytes, counts: 'sent' });
    await publish(camp, ridge, 'big.bin', noise(2, 100_000));
    expect(await camp.world.until(() => ridge.node.bandwidth.waiting().length > 0, hour)).toBe(true);
    await camp.world.runFor(hour);
    expect(onLink(camp, ridge, base)).toBeLessThanOrEqual(limitBytes - 8000 + 2000);
    ridge.directory('alarms').put('flood.txt', noise(3, 300));
    await camp.world.finish(ridge.node.scan(alarms, { settleMs: 0 }));
    expect(await camp.world.until(() => [...base.node.files(alarms)].some(({ complete }) => complete), hour)).toBe(true);
    expect([...base.node.files(camp.dataset)].every(({ complete }) => !complete)).toBe(true);
    expect(onLink(camp, ridge, base)).toBeLessThanOrEqual(limitBytes);
  });

  it('that counts what comes makes the receiver stop asking, and go on when the budget is gone', async () => {
    const camp = await chain(9, ['ridge', 'camp'], { delayMs: 100, rateBytesPerSecond: 2000, queueBytes: 4000 });
    const [ridge, base] = camp.nodes as Pair;
    const used = usedBy(base, ({ sent, received }) => sum(sent) + sum(received));
    base.node.bandwidth.setBudget({ name: 'both', peer: ridge.node.id, period: { kind: 'rolling', hours: 48 }, limitBytes: used + 30_000 });
    await publish(camp, ridge, 'big.bin', noise(4, 100_000));
    expect(await camp.world.until(() => base.node.bandwidth.waiting().length > 0, hour)).toBe(true);
    await camp.world.runFor(20 * second);
    const [state] = base.node.bandwidth.budgets();
    // Beyond the limit came what was under way when this node fell silent, and probes.
    expect(state?.usedBytes).toBeLessThan(used + 30_000 + 6000);
    expect(state?.leftBytes).toBeLessThan(2000);
    base.node.bandwidth.removeBudget('both');
    await expectFile(camp.world, base, 'big.bin', noise(4, 100_000), hour);
    expect(base.node.bandwidth.waiting()).toEqual([]);
  });
});

describe('a rate cap', () => {
  it('of a peer holds for all bytes to it over any longer time', async () => {
    const camp = await chain(10, ['ridge', 'camp']);
    const [ridge, base] = camp.nodes as Pair;
    ridge.node.bandwidth.setRateCap({ peer: base.node.id, rateBytesPerSecond: 2000 });
    await camp.world.runFor(minute);
    const before = onLink(camp, ridge, base);
    const began = camp.world.nowMs;
    await publish(camp, ridge, 'a.bin', noise(5, 100_000));
    await expectFile(camp.world, base, 'a.bin', noise(5, 100_000), hour);
    const seconds = (camp.world.nowMs - began) / second;
    const rate = (onLink(camp, ridge, base) - before) / seconds;
    expect(rate).toBeLessThan(2100);
    expect(rate).toBeGreaterThan(1600);
    ridge.node.bandwidth.removeRateCap({ peer: base.node.id });
    expect(ridge.node.bandwidth.rateCaps()).toEqual([]);
  });

  it('of a dataset holds back its contents alone', async () => {
    const camp = await chain(11, ['ridge', 'camp']);
    const [ridge, base] = camp.nodes as Pair;
    const other = ridge.node.createDataset({ name: 'other', kind: 'files' });
    expect(await camp.world.until(() => base.node.datasets().length === 2, hour)).toBe(true);
    for (const each of [ridge, base]) {
      each.directory('other');
      each.node.attach(other, 'other');
    }
    ridge.node.bandwidth.setRateCap({ dataset: camp.dataset, rateBytesPerSecond: 1000 });
    const began = camp.world.nowMs;
    await publish(camp, ridge, 'slow.bin', noise(6, 100_000));
    ridge.directory('other').put('quick.bin', noise(7, 100_000));
    await camp.world.finish(ridge.node.scan(other, { settleMs: 0 }));
    const whole = (dataset: typeof other): boolean => [...base.node.files(dataset)].some(({ complete }) => complete);
    expect(await camp.world.until(() => whole(other), hour)).toBe(true);
    expect(camp.world.nowMs - began).toBeLessThan(10 * second);
    expect(await camp.world.until(() => whole(camp.dataset), hour)).toBe(true);
    const seconds = (camp.world.nowMs - began) / second;
    expect(seconds).toBeGreaterThan(95);
    expect(seconds).toBeLessThan(115);
  });
});
