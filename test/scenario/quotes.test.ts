import { describe, expect, it } from 'vitest';
import type { Estimate } from '../../src/bandwidth/quote.ts';
import { seededRandom } from '../../src/core/random.ts';
import type { PurposeBytes } from '../../src/session/ledger.ts';
import type { SimulatedNode } from '../../src/simulation/simulated-node.ts';
import type { LinkModel } from '../../src/simulation/virtual-link.ts';
import { type Camp, chain, expectConvergence, folder, hour, minute, type Pair, publish, second } from './camp.ts';

/** Rows of a weather station: they compress as such files do. */
function rows(seed: number, count: number): string {
  const random = seededRandom(seed);
  return Array.from(
    { length: count },
    (_, row) => `2026-06-01 ${row},${random.below(400) / 10},${random.below(100)},${random.below(10_000) / 7}\n`,
  ).join('');
}

const sum = ({ data, control, retransmission, handshake }: PurposeBytes): number => data + control + retransmission + handshake;

function exchanged(node: SimulatedNode): { sent: number; received: number } {
  const usage = node.node.bandwidth.usage();
  return {
    sent: usage.reduce((all, { sent }) => all + sum(sent), 0),
    received: usage.reduce((all, { received }) => all + sum(received), 0),
  };
}

function expectWithin(actual: number, { least, most }: Estimate, what: string): void {
  expect(actual, what).toBeGreaterThanOrEqual(least);
  expect(actual, what).toBeLessThanOrEqual(most);
}

/** Lets a link come up that was down, and compares what it took until all is equal with what had been quoted. */
async function compare(
  camp: Camp,
  quoteNow: () => Promise<Awaited<ReturnType<SimulatedNode['node']['bandwidth']['quote']>>>,
): Promise<void> {
  const [ridge, base] = camp.nodes as Pair;
  const quote = await camp.world.finish(quoteNow());
  const before = exchanged(ridge);
  camp.world.linkBetween('ridge', 'camp').heal();
  ridge.node.hint();
  base.node.hint();
  const began = camp.world.nowMs;
  await camp.world.until(
    () => base.node.outstanding().contents === 0 && base.node.files(camp.dataset).next().value !== undefined,
    12 * hour,
  );
  await expectConvergence(camp.world, 12 * hour);
  const tookMs = camp.world.nowMs - began;
  await camp.world.runFor(minute);
  const after = exchanged(ridge);
  const told = JSON.stringify(quote);
  expectWithin(after.sent - before.sent, quote.sentBytes, `sent, ${told}`);
  expectWithin(after.received - before.received, quote.receivedBytes, `received, ${told}`);
  expectWithin(tookMs, quote.durationMs, `took, ${told}`);
  expect(quote.confidence).toBeGreaterThan(0.3);
}

const links: readonly [string, LinkModel][] = [
  ['Iridium', { delayMs: 900, rateBytesPerSecond: 300, queueBytes: 3000 }],
  ['a radio with losses', { delayMs: 100, rateBytesPerSecond: 2400, queueBytes: 6000, lossRatio: 0.02 }],
  ['a cellular link', { delayMs: 40, rateBytesPerSecond: 250_000, queueBytes: 64_000 }],
];

describe.each(links)('a quote for %s', (_, model) => {
  const link = { rateBytesPerSecond: model.rateBytesPerSecond as number, rttMs: 2 * model.delayMs, lossRatio: model.lossRatio ?? 0 };

  it.each([21, 22])('covers what new files then cost (seed %i)', async (seed) => {
    const camp = await chain(seed, ['ridge', 'camp'], model);
    const [ridge, base] = camp.nodes as Pair;
    camp.world.linkBetween('ridge', 'camp').cut();
    for (let file = 0; file < 4; file++)
      ridge.directory(folder).put(`table${file}.csv`, new TextEncoder().encode(rows(seed * 10 + file, 300 + 200 * file)));
    await publish(camp, ridge, 'photo.jpg', seededRandom(seed).bytes(12_000));
    await compare(camp, () => ridge.node.bandwidth.quote(camp.dataset, { peer: base.node.id, link }));
  });

  it('covers what rows that were appended then cost, which is little', async () => {
    const camp = await chain(23, ['ridge', 'camp'], model);
    const [ridge, base] = camp.nodes as Pair;
    const text = rows(5, 1500);
    await publish(camp, ridge, 'table.csv', text);
    await expectConvergence(camp.world, hour);
    await camp.world.runFor(5 * minute);
    camp.world.linkBetween('ridge', 'camp').cut();
    await publish(camp, ridge, 'table.csv', text + rows(6, 20));
    const quote = await camp.world.finish(ridge.node.bandwidth.quote(camp.dataset, { peer: base.node.id, link }));
    expect(quote).toMatchObject({ basis: 'receipt', entries: 1, contents: 1 });
    expect(quote.travellingBytes).toBeLessThan(600);
    await compare(camp, () => ridge.node.bandwidth.quote(camp.dataset, { peer: base.node.id, link }));
  });
});

describe('a quote', () => {
  it('is for the link that was measured, once one was, and says when a budget has too little left', async () => {
    const camp = await chain(24, ['ridge', 'camp'], { delayMs: 300, rateBytesPerSecond: 3000, queueBytes: 6000 });
    const [ridge, base] = camp.nodes as Pair;
    await publish(camp, ridge, 'photo.jpg', seededRandom(1).bytes(60_000));
    await expectConvergence(camp.world, hour);
    // The receipt, too.
    await camp.world.runFor(5 * second);
    const changed = ridge.events.find((event) => event.type === 'link-changed');
    expect(changed).toMatchObject({ report: { peer: base.node.id, link: 'udp://camp', isUp: true } });
    camp.world.linkBetween('ridge', 'camp').cut();
    await publish(camp, ridge, 'photo2.jpg', seededRandom(2).bytes(60_000));
    ridge.node.bandwidth.setBudget({ name: 'day', period: { kind: 'rolling', hours: 24 }, limitBytes: 100_000 });
    await camp.world.runFor(30 * second);
    const quote = await camp.world.finish(ridge.node.bandwidth.quote(camp.dataset, { peer: base.node.id }));
    expect(quote.link.rateBytesPerSecond).toBeGreaterThan(2000);
    expect(quote.link.rateBytesPerSecond).toBeLessThan(4000);
    expect(quote.linkClass).toBe('gsm');
    expect(quote.waitsFor).toMatchObject({ budget: 'day' });
    expectWithin(quote.durationMs.expected, { least: 15_000, expected: 25_000, most: 40_000 }, 'time');
  });

  it('needs a link where none was ever measured', async () => {
    const camp = await chain(25, ['ridge']);
    const [ridge] = camp.nodes as [SimulatedNode];
    await publish(camp, ridge, 'a.txt', 'something');
    const quoted = ridge.node.bandwidth.quote(camp.dataset, {});
    await expect(camp.world.finish(quoted)).rejects.toMatchObject({ code: 'LINK_UNKNOWN', retryable: true });
    const quote = await camp.world.finish(ridge.node.bandwidth.quote(camp.dataset, { link: { rateBytesPerSecond: 1000, rttMs: 100 } }));
    expect(quote).toMatchObject({ basis: 'nothing', contents: 1, contentBytes: 9 });
    await expect(
      camp.world.finish(ridge.node.bandwidth.quote(camp.dataset, { peer: camp.dataset as string as typeof ridge.node.id })),
    ).rejects.toMatchObject({
      code: 'MEMBER_UNKNOWN',
    });
  });
});
