import { expect, test } from 'vitest';
import { brokenPromises, differences, incompleteHeads, wrongHeads } from '../../src/simulation/checkers.ts';
import type { SimulatedNode } from '../../src/simulation/simulated-node.ts';
import { FileWork } from '../../src/simulation/workload.ts';
import { chain, folder, hour, minute, second } from './camp.ts';

/**
 * Weather: five nodes, edits everywhere, links that come and go, lose and reorder, power cuts at any packet, clocks that are wrong. Then everything heals, and all five must hold the same, with
 * nothing lost that any of them ever acknowledged.
 */

const names = ['base', 'ridge', 'coast', 'valley', 'summit'];

async function season(seed: number): Promise<string> {
  const camp = await chain(
    seed,
    names,
    { delayMs: 60, rateBytesPerSecond: 100_000, queueBytes: 64_000 },
    seed % 3 === 0 ? 'keep-both' : seed % 3 === 1 ? 'merge' : 'latest',
  );
  const { world, nodes } = camp;
  const { random } = world;
  // A ring, so that there is more than one way.
  world.link('base', 'summit', { delayMs: 60, rateBytesPerSecond: 50_000, lossRatio: 0.05 });
  nodes[0]!.node.addContact(nodes[4]!.node.id, ['udp://summit:7077']);
  const work = new FileWork(camp.dataset, folder, random.fork());
  const anyNode = (): SimulatedNode => nodes[random.below(nodes.length)]!;
  for (let step = 0; step < 40; step++) {
    const node = anyNode();
    switch (random.below(6)) {
      case 0:
      case 1:
        if (node.isRunning) {
          await work.edit(node, 4, 40_000);
          // Its power may fail meanwhile: then it never answers, and has acknowledged nothing.
          let answered = false;
          void work.publish(node).then(() => {
            answered = true;
          });
          await world.until(() => answered || !node.isRunning, minute);
        }
        break;
      case 2: {
        const link = world.links[random.below(world.links.length)]!;
        if (link.isUp) link.cut();
        else link.heal();
        break;
      }
      case 3:
        if (node.isRunning) node.killAtPacket(1 + random.below(40));
        break;
      case 4:
        if (!node.isRunning) await world.finish(node.start());
        break;
      case 5:
        world.links[random.below(world.links.length)]!.change({
          delayMs: random.below(800),
          rateBytesPerSecond: 2000 + random.below(100_000),
          lossRatio: random.float() * 0.2,
          jitterMs: 50,
          reorders: true,
          duplicateRatio: 0.02,
        });
        node.clock.offsetMs = (random.below(3) - 1) * random.below(48) * hour;
    }
    await world.runFor(random.below(20) * second);
    expect(brokenPromises(nodes), `seed ${seed}, step ${step}`).toEqual([]);
    for (const each of nodes) expect(wrongHeads(each), `seed ${seed}, step ${step}`).toEqual([]);
  }
  world.healAll();
  for (const link of world.links) link.change({ delayMs: 60, rateBytesPerSecond: 100_000 });
  for (const node of nodes) node.killAtPacket(Number.POSITIVE_INFINITY);
  for (const node of nodes) if (!node.isRunning) await world.finish(node.start());
  const problems = (): string[] => [...differences(nodes), ...nodes.flatMap(incompleteHeads)];
  const deadline = world.nowMs + 3 * hour;
  while (problems().length > 0 && world.nowMs < deadline) await world.runFor(10 * second);
  expect(problems().slice(0, 4), `seed ${seed}`).toEqual([]);
  await world.runFor(10 * minute);
  expect(problems().slice(0, 4), `seed ${seed}`).toEqual([]);
  expect(work.acknowledged).toBeGreaterThan(2);
  for (const node of nodes) expect(await work.lost(node), `seed ${seed}`).toEqual([]);
  return world.trace.digest();
}

test.each(Array.from({ length: 20 }, (_, index) => 100 + index))('five nodes converge after a season of faults, seed %i', async (seed) => {
  await season(seed);
});

test('a season is the same twice', async () => {
  expect(await season(100)).toBe(await season(100));
});
