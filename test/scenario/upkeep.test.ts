import { expect, test } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import type { SimulatedNode } from '../../src/simulation/simulated-node.ts';
import { chain, day, expectConvergence, expectFile, folder, hour, minute, onDisk, type Pair, publish, second } from './camp.ts';

const bytesOf = (seed: number, length: number): Uint8Array => seededRandom(seed).bytes(length);

const lan = { delayMs: 5, rateBytesPerSecond: 2_000_000, queueBytes: 1_000_000 };

/** Damages every record of the packs of a computer. */
async function rotPacks(node: SimulatedNode): Promise<number> {
  const rows = node.catalog.all<{ pack: number; offset: number; record_bytes: number }>('SELECT pack, offset, record_bytes FROM chunk');
  for (const row of rows) node.chunks.rot({ pack: row.pack, offset: row.offset, recordBytes: row.record_bytes });
  return rows.length;
}

test('packs that went bad are named, never served, and whole again after a repair from a peer', async () => {
  const camp = await chain(301, ['camp', 'ridge']);
  const [a, b] = camp.nodes as Pair;
  const files = ['small.bin', 'dir/other.bin'].map((path, at) => ({ path, bytes: bytesOf(at, 150_000) }));
  for (const { path, bytes } of files) await publish(camp, a, path, bytes);
  for (const { path, bytes } of files) await expectFile(camp.world, b, path, bytes);
  expect(await rotPacks(b)).toBeGreaterThan(1);
  expect(await camp.world.finish(Array.fromAsync(b.node.read(camp.dataset, 'small.bin')).catch(({ code }) => code))).toMatch(
    /DAMAGED|MANIFEST/,
  );

  const report = await camp.world.finish(b.node.repair(camp.dataset), hour);
  expect(report.repaired).toBe(report.damaged.filter(({ lost }) => lost).length);
  expect(report.missing).toEqual([]);
  expect(report.damaged.flatMap(({ places }) => places.map(({ path }) => path))).toContain('dir/other.bin');
  expect(report.damaged.flatMap(({ homes }) => homes)).toContainEqual({ kind: 'pack', pack: 1, offset: expect.any(Number) });
  expect(b.events).toContainEqual({ type: 'damage', dataset: camp.dataset, path: 'dir/other.bin', lost: true });
  await camp.world.until(() => b.node.outstanding().contents === 0, hour);
  for (const { path, bytes } of files) {
    const read = await camp.world.finish(Array.fromAsync(b.node.read(camp.dataset, path)));
    expect(Buffer.concat(read).equals(bytes)).toBe(true);
  }
  expect((await camp.world.finish(b.node.verify())).damaged).toEqual([]);
  await expectConvergence(camp.world, hour);
});

test('a working file whose bits flipped is found by rehashing, is not published as an edit, and is written anew', async () => {
  const camp = await chain(302, ['camp', 'ridge']);
  const [a, b] = camp.nodes as Pair;
  await publish(camp, a, 'a.bin', bytesOf(1, 100_000));
  await expectFile(camp.world, b, 'a.bin', bytesOf(1, 100_000));
  b.directory(folder).rot('a.bin');
  expect(await camp.world.finish(b.node.verify(camp.dataset))).toMatchObject({ damaged: [], damagedFiles: [], files: 0 });
  const report = await camp.world.finish(b.node.verify(camp.dataset, { rehash: true }));
  expect(report).toMatchObject({ files: 1, damaged: [], damagedFiles: [{ dataset: camp.dataset, path: 'a.bin' }] });
  await expectFile(camp.world, b, 'a.bin', bytesOf(1, 100_000), minute);
  expect((await camp.world.finish(b.node.scan(camp.dataset, { rehash: true, settleMs: 0 }))).published).toEqual([]);
  expect(b.node.history(camp.dataset, 'a.bin')).toHaveLength(1);
});

test('a large file that is its own only copy is fetched again where it was damaged, and put in its place', async () => {
  const camp = await chain(303, ['camp', 'ridge'], lan, 'merge', 'udp', { baseCopiesBytesMax: 0 });
  const [a, b] = camp.nodes as Pair;
  const bytes = bytesOf(2, 5_000_000);
  await publish(camp, a, 'large.bin', bytes);
  await expectFile(camp.world, b, 'large.bin', bytes);
  a.directory(folder).rot('large.bin');
  const report = await camp.world.finish(a.node.repair(), hour);
  expect(report.damaged).toMatchObject([
    { lost: true, homes: [{ kind: 'file', path: 'large.bin' }], places: [{ dataset: camp.dataset, path: 'large.bin', head: true }] },
  ]);
  expect(report).toMatchObject({ repaired: 1, missing: [], damagedFiles: [{ path: 'large.bin' }] });
  await expectFile(camp.world, a, 'large.bin', bytes, minute);
  expect((await camp.world.finish(a.node.verify(undefined, { rehash: true }))).damagedFiles).toEqual([]);
  expect(a.node.history(camp.dataset, 'large.bin')).toHaveLength(1);
});

test('of a large content that lost one chunk little more than the group around it is fetched', async () => {
  const camp = await chain(307, ['camp', 'ridge'], lan, 'merge', 'udp', { baseCopiesBytesMax: 0 });
  const [a, b] = camp.nodes as Pair;
  const bytes = bytesOf(4, 17_000_000);
  await publish(camp, a, 'large.bin', bytes);
  await expectFile(camp.world, b, 'large.bin', bytes);
  const receivedBytes = () => a.node.traffic().reduce((sum, { received }) => sum + (received.data ?? 0), 0);
  const before = receivedBytes();
  a.directory(folder).rot('large.bin');
  expect(await camp.world.finish(a.node.repair(), hour)).toMatchObject({ repaired: 1, missing: [] });
  expect(receivedBytes() - before).toBeLessThan(11_000_000);
  await expectFile(camp.world, a, 'large.bin', bytes, minute);
});

test('what nobody in reach has is said to be missing, and is repaired when somebody comes who has it', async () => {
  const camp = await chain(304, ['camp', 'ridge']);
  const [a, b] = camp.nodes as Pair;
  const bytes = bytesOf(3, 80_000);
  await publish(camp, a, 'a.bin', bytes);
  await expectFile(camp.world, b, 'a.bin', bytes);
  camp.world.linkBetween('camp', 'ridge').cut();
  await camp.world.runFor(10 * minute);
  await rotPacks(b);
  const { damaged, missing } = await camp.world.finish(b.node.repair(), hour);
  expect(missing).toEqual(damaged);
  expect(b.node.file(camp.dataset, 'a.bin')?.complete).toBe(false);
  camp.world.healAll();
  expect(await camp.world.until(() => b.node.file(camp.dataset, 'a.bin')?.complete === true, day)).toBe(true);
});

test('a node answers, publishes and receives while it verifies and collects', async () => {
  const camp = await chain(305, ['camp', 'ridge']);
  const [a, b] = camp.nodes as Pair;
  for (let version = 1; version <= 6; version++) await publish(camp, a, 'grows.bin', bytesOf(version, 120_000));
  await expectFile(camp.world, b, 'grows.bin', bytesOf(6, 120_000));
  const work = Promise.all([a.node.verify(), a.node.collectGarbage({ quotaBytes: 130_000 }), b.node.verify()]);
  await publish(camp, a, 'meanwhile.txt', 'x');
  await publish(camp, b, 'there.txt', 'y');
  const [verified, collected] = await camp.world.finish(work, hour);
  expect(verified.damaged).toEqual([]);
  expect(collected.droppedContents).toBe(4);
  expect(collected.freedBytes).toBeGreaterThan(300_000);
  await expectFile(camp.world, a, 'there.txt', 'y');
  await expectFile(camp.world, b, 'meanwhile.txt', 'x');
  expect(await onDisk(a, 'grows.bin')).toEqual(bytesOf(6, 120_000));
  const complete = a.node.history(camp.dataset, 'grows.bin').map(({ complete: isHere }) => isHere);
  expect(complete).toEqual([true, true, false, false, false, false]);
  expect(a.events.filter(({ type }) => type === 'upkeep').length).toBeGreaterThan(1);
});

test('packs that have grown by replaced versions are thinned out without being asked', async () => {
  const camp = await chain(306, ['camp']);
  const [a] = camp.nodes as [SimulatedNode];
  await publish(camp, a, 'grows.bin', bytesOf(1, 3_000_000));
  await camp.world.runFor(hour);
  for (let version = 2; version <= 40; version++) {
    await publish(camp, a, 'grows.bin', bytesOf(version, 3_000_000));
    await camp.world.runFor(5 * minute + second);
  }
  expect(a.events).toContainEqual(expect.objectContaining({ type: 'upkeep', work: 'collect', done: true }));
  expect(a.node.nextWakeUp()).toBeUndefined();
});
