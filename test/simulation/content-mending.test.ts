import { describe, expect, test } from 'vitest';
import { utf8 } from '../../src/core/bytes.ts';
import type { DatasetId } from '../../src/core/identifiers.ts';
import { seededRandom } from '../../src/core/random.ts';
import type { SimulatedNode } from '../../src/simulation/simulated-node.ts';
import { World } from '../../src/simulation/world.ts';

/** Two computers with a shared directory, the link between them cut. */
async function twoComputers() {
  const world = new World({ seed: 1 });
  const base = await world.add('base');
  const ridge = await world.add('ridge');
  const link = world.link('base', 'ridge', { delayMs: 20, rateBytesPerSecond: 100_000 });
  base.node.createTeam('Storbreen');
  const dataset = base.node.createDataset({ name: 'field', kind: 'files' });
  await world.finish(base.node.listen('udp://base:7077', { keep: true }));
  await world.finish(ridge.node.join(base.node.createInvite()));
  await world.until(() => ridge.node.datasets().length > 0, 60_000);
  for (const node of [base, ridge]) {
    node.directory('field');
    node.node.attach(dataset, 'field');
  }
  link.cut();
  await world.runFor(60_000);
  return { world, base, ridge, link, dataset };
}

async function publish(world: World, node: SimulatedNode, dataset: DatasetId, path: string, bytes: Uint8Array): Promise<void> {
  node.directory('field').put(path, bytes);
  await world.finish(node.node.scan(dataset, { settleMs: 0 }));
}

const holds = (node: SimulatedNode): boolean =>
  node.catalog.get(`SELECT 1 FROM file_revision JOIN content USING (root) WHERE head = 1 AND state = 'complete'`) !== undefined;

describe('the only copy of a content', () => {
  test('that cannot be read for a while is sent when it can, without a new session', async () => {
    const { world, base, ridge, link, dataset } = await twoComputers();
    await publish(world, base, dataset, 'a.bin', utf8('what was measured'));
    base.disk.readErrorRatio = 1;
    link.heal();
    ridge.node.hint();
    await world.runFor(90_000);
    expect([holds(base), holds(ridge)]).toEqual([true, false]);
    const sessions = ridge.events.filter(({ type }) => type === 'session-up').length;
    base.disk.readErrorRatio = 0;
    await world.runFor(300_000);
    expect(holds(ridge)).toBe(true);
    expect(ridge.events.filter(({ type }) => type === 'session-up')).toHaveLength(sessions);
  });

  test('that cannot be read for long counts as lost, and is taken back when it can', async () => {
    const { world, base, ridge, link, dataset } = await twoComputers();
    await publish(world, base, dataset, 'a.bin', utf8('what was measured'));
    base.disk.readErrorRatio = 1;
    link.heal();
    ridge.node.hint();
    await world.runFor(1_200_000);
    expect([holds(base), holds(ridge)]).toEqual([false, false]);
    base.disk.readErrorRatio = 0;
    await world.runFor(600_000);
    expect([holds(base), holds(ridge)]).toEqual([true, true]);
  });

  test.each([
    ['a small file', 1000],
    ['a file of several chunks', 600_000],
  ])('that rotted in a pack is taken from %s that holds the same, and sent', async (_, sizeBytes) => {
    const { world, base, ridge, link, dataset } = await twoComputers();
    await publish(world, base, dataset, 'a.bin', seededRandom(5).bytes(sizeBytes));
    base.rotChunk();
    link.heal();
    ridge.node.hint();
    await world.runFor(600_000);
    expect([holds(base), holds(ridge)]).toEqual([true, true]);
    const read = world.finish(Array.fromAsync(base.node.read(dataset, 'a.bin')));
    expect((await read).reduce((sum, { length }) => sum + length, 0)).toBe(sizeBytes);
  });

  test('that rotted in a pack is not taken from a file that was written to, or rotted as well', async () => {
    for (const spoil of ['put', 'rot'] as const) {
      const { world, base, ridge, link, dataset } = await twoComputers();
      await publish(world, base, dataset, 'a.bin', utf8('what was measured'));
      base.rotChunk();
      if (spoil === 'put') base.directory('field').put('a.bin', utf8('what was not'));
      else base.directory('field').rot('a.bin');
      link.heal();
      ridge.node.hint();
      await world.runFor(600_000);
      expect([holds(base), holds(ridge)]).toEqual([false, false]);
    }
  });
});
