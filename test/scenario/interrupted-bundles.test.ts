import { expect, test } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import type { Platform } from '../../src/node/platform.ts';
import { UsbStick } from '../../src/simulation/usb-stick.ts';
import { chain, expectFile, hour, type Pair, publish, radio, second } from './camp.ts';

const noise = (seed: number, bytes: number): Uint8Array => seededRandom(seed).bytes(bytes);
const place = '/media/stick';

test('what a link began a stick finishes without bringing it again', async () => {
  const camp = await chain(421, ['camp', 'hq'], { ...radio, rateBytesPerSecond: 500_000, queueBytes: 200_000 });
  const [a, b] = camp.nodes as Pair;
  const video = noise(1, 20_000_000);
  await publish(camp, a, 'video.raw', video);
  const groupsHere = (): number => b.catalog.get<{ n: number }>('SELECT count(*) AS n FROM transfer_group')?.n ?? 0;
  expect(await camp.world.until(() => groupsHere() >= 16, hour)).toBe(true);
  camp.world.linkBetween('camp', 'hq').cut();
  await camp.world.runFor(10 * second);
  expect(groupsHere()).toBeLessThan(20);
  const stick = new UsbStick();
  a.sticks.set(place, stick);
  await camp.world.finish(a.node.bundles.export(place), hour);
  // The segment with the first 16 of 20 groups is lost on the way.
  const [first] = stick.names.filter((name) => stick.bytes(name).length > 5_000_000);
  b.sticks.set(
    place,
    stick.copy((name) => name !== first),
  );
  expect(await camp.world.finish(b.node.bundles.import(place), hour)).toMatchObject({ contents: 1, problems: [] });
  await expectFile(camp.world, b, 'video.raw', video);
});

test('an import that a power cut ended anywhere is done again and loses nothing', async () => {
  const camp = await chain(422, ['camp', 'hq']);
  const [a, b] = camp.nodes as Pair;
  await camp.world.runFor(hour);
  camp.world.linkBetween('camp', 'hq').cut();
  for (let index = 0; index < 3; index++) await publish(camp, a, `${index}.raw`, noise(index, 40_000));
  await publish(camp, a, 'large.raw', noise(9, 2_500_000));
  const stick = new UsbStick();
  a.sticks.set(place, stick);
  await camp.world.finish(a.node.bundles.export(place), hour);
  await camp.world.finish(b.stop());
  const before = b.backup();
  let finished = false;
  for (let writes = 1; !finished; writes += writes < 30 ? 7 : 23) {
    b.restore(before);
    await camp.world.finish(b.start());
    b.sticks.set(place, stick.copy());
    b.killAtWrite(writes);
    let isDone = false;
    void b.node.bundles.import(place).then(
      () => {
        isDone = true;
      },
      () => undefined,
    );
    await camp.world.until(() => isDone || !b.isRunning, hour);
    finished = isDone;
    await camp.world.runFor(second);
    if (b.isRunning) b.kill();
    b.killAtWrite(Infinity);
    await camp.world.finish(b.start());
    const report = await camp.world.finish(b.node.bundles.import(place), hour);
    expect(report, `cut at write ${writes}`).toMatchObject({ waiting: 0, problems: [] });
    expect([...b.node.files(camp.dataset)].map(({ complete }) => complete)).toEqual([true, true, true, true]);
    expect(b.node.outstanding()).toEqual({ contents: 0, bytes: 0 });
    await camp.world.finish(b.stop());
  }
});

test('a bundle that is given up, or whose node is closed, ends at once and leaves a medium that can be used', async () => {
  const camp = await chain(423, ['camp', 'hq']);
  const [a, b] = camp.nodes as Pair;
  await camp.world.runFor(hour);
  camp.world.linkBetween('camp', 'hq').cut();
  await publish(camp, a, 'a.raw', noise(1, 40_000));
  const stick = new UsbStick();
  for (const node of [a, b]) node.sticks.set(place, stick);
  await expect(camp.world.finish(a.node.bundles.export(place, { signal: AbortSignal.abort() }), hour)).rejects.toMatchObject({
    code: 'ABORTED',
  });
  await camp.world.finish(a.node.bundles.export(place), hour);
  const importing = b.node.bundles.import(place).catch((error: { code: string }) => error.code);
  await camp.world.finish(b.stop());
  expect(await importing).toBe('NODE_CLOSED');
  await camp.world.finish(b.start());
  expect(await camp.world.finish(b.node.bundles.import(place), hour)).toMatchObject({ contents: 1, problems: [] });
});

test('an import onto a full disk fails, and goes on when there is room', async () => {
  const camp = await chain(424, ['camp', 'hq']);
  const [a, b] = camp.nodes as Pair;
  await camp.world.runFor(hour);
  camp.world.linkBetween('camp', 'hq').cut();
  await publish(camp, a, 'a.raw', noise(1, 400_000));
  const stick = new UsbStick();
  for (const node of [a, b]) node.sticks.set(place, stick);
  await camp.world.finish(a.node.bundles.export(place), hour);
  b.disk.freeBytes = 100_000;
  await expect(camp.world.finish(b.node.bundles.import(place), hour)).rejects.toMatchObject({ code: 'DISK_FULL', retryable: true });
  b.disk.freeBytes = Infinity;
  expect(await camp.world.finish(b.node.bundles.import(place), hour)).toMatchObject({ entries: 0, contents: 1, problems: [] });
  await expectFile(camp.world, b, 'a.raw', noise(1, 400_000));
});

test('what a member put on a stick in place of what was signed is not shown, and its segment is written anew', async () => {
  let isLying = false;
  const platform = (own: Platform): Platform => ({
    ...own,
    compressor: {
      ...own.compressor,
      compress: (bytes, options) => own.compressor.compress(isLying ? bytes.map((byte) => byte ^ 1) : bytes, options),
      decompress: (bytes, options) => own.compressor.decompress(bytes, options),
    },
  });
  const options: object = { platform };
  const camp = await chain(425, ['camp', 'hq'], radio, 'merge', 'udp', options);
  const [a, b] = camp.nodes as Pair;
  await camp.world.runFor(hour);
  camp.world.linkBetween('camp', 'hq').cut();
  const table = 'no change since yesterday\n'.repeat(8000);
  await publish(camp, a, 'table.txt', table);
  const stick = new UsbStick();
  for (const node of [a, b]) node.sticks.set(place, stick);
  isLying = true;
  await camp.world.finish(a.node.bundles.export(place), hour);
  isLying = false;
  const report = await camp.world.finish(b.node.bundles.import(place), hour);
  expect(report).toMatchObject({ entries: 1, contents: 0 });
  expect(report.problems.map(({ code }) => code)).toEqual(['CONTENT_WRONG']);
  expect(b.node.file(camp.dataset, 'table.txt')).toMatchObject({ complete: false });
  expect(await camp.world.finish(a.node.bundles.export(place), hour)).toMatchObject({ segmentsRemoved: 1, contents: 1 });
  expect(await camp.world.finish(b.node.bundles.import(place), hour)).toMatchObject({ contents: 1, problems: [] });
  await expectFile(camp.world, b, 'table.txt', table);
});
