import { expect, test } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import type { LinkModel } from '../../src/simulation/virtual-link.ts';
import { chain, expectFile, hour, onDisk, type Pair, publish } from './camp.ts';

const cable: LinkModel = { delayMs: 1, rateBytesPerSecond: 12_500_000, queueBytes: 500_000 };
const sizeBytes = 9 * 1024 * 1024;

test('a tagged version of a large file outlives the one that replaces it on a computer that received both', async () => {
  const camp = await chain(431, ['camp', 'ridge'], cable, 'merge', 'tcp', { baseCopiesBytesMax: 0 });
  const { world, dataset } = camp;
  const [a, b] = camp.nodes as Pair;
  const [first, second] = [seededRandom(1).bytes(sizeBytes), seededRandom(2).bytes(sizeBytes)];
  await publish(camp, a, 'a.bin', first);
  await expectFile(world, b, 'a.bin', first);
  b.node.versions.tag(dataset, 'before the storm');
  await publish(camp, a, 'a.bin', second);
  await expectFile(world, b, 'a.bin', second);
  await world.finish(b.node.collectGarbage({ quotaBytes: 0 }), hour);

  world.linkBetween('camp', 'ridge').cut();
  const old = b.directory('old');
  await world.finish(b.node.versions.checkout(dataset, 'before the storm', 'old'), hour);
  const reader = await old.open('a.bin');
  expect(Buffer.compare(await reader.read(0, sizeBytes), first)).toBe(0);
  expect(Buffer.compare((await onDisk(b, 'a.bin')) as Uint8Array, second)).toBe(0);
});
