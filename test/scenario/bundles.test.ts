import { expect, test } from 'vitest';
import { utf8 } from '../../src/core/bytes.ts';
import { seededRandom } from '../../src/core/random.ts';
import { toa5Text } from '../../src/simulation/logger-files.ts';
import type { SimulatedNode } from '../../src/simulation/simulated-node.ts';
import { UsbStick } from '../../src/simulation/usb-stick.ts';
import { type Camp, chain, deliveryByName, expectFile, hour, onDisk, type Pair, publish, radio, second, type Trio } from './camp.ts';

const noise = (seed: number, bytes: number): Uint8Array => seededRandom(seed).bytes(bytes);
const place = '/media/stick';

/** A camp whose radio is dead from now on: only people with sticks go from one computer to another. */
async function silentCamp(seed: number, names: readonly string[]): Promise<Camp> {
  const camp = await chain(seed, names);
  await camp.world.runFor(hour);
  for (const [index, name] of names.entries()) {
    const next = names[index + 1];
    if (next !== undefined) camp.world.linkBetween(name, next).cut();
  }
  return camp;
}

async function exportTo(
  { world }: Camp,
  node: SimulatedNode,
  stick: UsbStick,
  options: Parameters<typeof node.node.bundles.export>[1] = {},
) {
  node.sticks.set(place, stick);
  return world.finish(node.node.bundles.export(place, options), hour);
}

async function importFrom({ world }: Camp, node: SimulatedNode, stick: UsbStick) {
  node.sticks.set(place, stick);
  return world.finish(node.node.bundles.import(place), hour);
}

test('a stick brings files from a camp to headquarters, and its receipts free the camp hours later', async () => {
  const camp = await silentCamp(401, ['camp', 'hq']);
  const [a, b] = camp.nodes as Pair;
  await publish(camp, a, 'notes.txt', 'snow bridge gone');
  await publish(camp, a, 'photo.raw', noise(1, 300_000));
  const stick = new UsbStick();
  expect(await exportTo(camp, a, stick)).toMatchObject({ entries: 2, contents: 2, contentsLeft: 0, full: false });
  await camp.world.runFor(5 * hour);
  expect(await importFrom(camp, b, stick)).toMatchObject({ entries: 2, contents: 2, waiting: 0, problems: [], receipts: 'written' });
  await expectFile(camp.world, b, 'notes.txt', 'snow bridge gone');
  await expectFile(camp.world, b, 'photo.raw', noise(1, 300_000));
  expect(deliveryByName(a, camp.dataset)).toEqual({ hq: 'queued' });
  await camp.world.runFor(5 * hour);
  await importFrom(camp, a, stick);
  expect(deliveryByName(a, camp.dataset)).toEqual({ hq: 'delivered' });
  // What arrived gives its room back.
  const before = stick.usedBytes;
  expect(await exportTo(camp, a, stick)).toMatchObject({ entries: 0, contents: 0, contentsLeft: 0, segmentsKept: 0 });
  expect(stick.usedBytes).toBeLessThan(before / 10);
});

test('a second export to the same stick adds what is new, learns from receipts on it, and writes nothing twice', async () => {
  const camp = await silentCamp(402, ['camp', 'hq']);
  const [a, b] = camp.nodes as Pair;
  await publish(camp, a, 'one.raw', noise(1, 200_000));
  const stick = new UsbStick();
  await exportTo(camp, a, stick);
  const first = stick.bytesWritten;
  expect(await exportTo(camp, a, stick)).toMatchObject({ bytesWritten: 0, segmentsWritten: 0, entries: 0, contents: 0 });
  await publish(camp, a, 'two.raw', noise(2, 50_000));
  expect(await exportTo(camp, a, stick)).toMatchObject({ entries: 1, contents: 1, contentsLeft: 0 });
  expect(stick.bytesWritten - first).toBeLessThan(2 * 60_000);
  await importFrom(camp, b, stick);
  await publish(camp, a, 'three.txt', 'three');
  expect(await exportTo(camp, a, stick)).toMatchObject({ entries: 1, contents: 1, segmentsKept: 0 });
  expect(deliveryByName(a, camp.dataset)).toEqual({ hq: 'queued' });
  expect(a.node.deliveries(camp.dataset)).toMatchObject([{ held: 2, total: 3 }]);
  expect(await importFrom(camp, b, stick)).toMatchObject({ entries: 1, contents: 1 });
  expect(await importFrom(camp, b, stick)).toMatchObject({ entries: 0, contents: 0, receipts: 'unchanged' });
});

test('one stick serves three nodes, each of which takes what it lacks', async () => {
  const camp = await silentCamp(403, ['camp', 'ridge', 'hq', 'lab']);
  const [a, ...others] = camp.nodes as readonly [SimulatedNode, ...SimulatedNode[]];
  await publish(camp, a, 'map.raw', noise(4, 120_000));
  const stick = new UsbStick();
  await exportTo(camp, a, stick);
  for (const node of others) {
    expect(await importFrom(camp, node, stick)).toMatchObject({ contents: 1, problems: [] });
    await expectFile(camp.world, node, 'map.raw', noise(4, 120_000));
  }
  await importFrom(camp, a, stick);
  expect(deliveryByName(a, camp.dataset)).toEqual({ ridge: 'delivered', hq: 'delivered', lab: 'delivered' });
});

test('a stick for somebody else, one of another team and an empty one are told apart', async () => {
  const camp = await silentCamp(404, ['camp', 'ridge', 'hq']);
  const [a, b, c] = camp.nodes as Trio;
  await publish(camp, a, 'a.txt', 'for the ridge');
  const stick = new UsbStick();
  await exportTo(camp, a, stick, { for: [b.node.id] });
  await expect(importFrom(camp, c, stick)).rejects.toMatchObject({ code: 'BUNDLE_NOT_ADDRESSED' });
  const stranger = await camp.world.add('stranger');
  await expect(importFrom(camp, stranger, stick)).rejects.toMatchObject({ code: 'NO_TEAM' });
  stranger.node.createTeam('Others');
  await expect(importFrom(camp, stranger, stick)).rejects.toMatchObject({ code: 'BUNDLE_OTHER_TEAM' });
  await expect(importFrom(camp, c, new UsbStick())).rejects.toMatchObject({ code: 'BUNDLE_MISSING' });
  await expect(exportTo(camp, a, stick, { for: [stranger.node.id] })).rejects.toMatchObject({ code: 'MEMBER_UNKNOWN' });
  await expect(camp.world.finish(a.node.bundles.export('/media/none'), hour)).rejects.toMatchObject({ code: 'DIRECTORY_MISSING' });
});

test('a budget is held to the byte: notes go before photographs, and the next stick brings the rest', async () => {
  const camp = await silentCamp(405, ['camp', 'hq']);
  const [a, b] = camp.nodes as Pair;
  for (const [index, size] of [400_000, 150_000, 20_000, 700].entries()) await publish(camp, a, `${size}.raw`, noise(index, size));
  for (const budgetBytes of [50_000, 100_000, 250_000]) {
    const stick = new UsbStick();
    const report = await exportTo(camp, a, stick, { budgetBytes });
    expect(stick.usedBytes).toBeLessThanOrEqual(budgetBytes);
    expect(report.contents + report.contentsLeft).toBe(4);
    expect(report.contentsLeft).toBeGreaterThan(0);
    expect(report.full).toBe(false);
  }
  expect(await exportTo(camp, a, new UsbStick(), { budgetBytes: 1000 })).toMatchObject({ segmentsWritten: 0, entriesLeft: 4, contents: 0 });
  const small = new UsbStick();
  await exportTo(camp, a, small, { budgetBytes: 60_000 });
  await importFrom(camp, b, small);
  await expectFile(camp.world, b, '20000.raw', noise(2, 20_000));
  expect(await onDisk(b, '150000.raw')).toBeUndefined();
  const large = new UsbStick();
  await importFrom(camp, a, small);
  expect(await exportTo(camp, a, large)).toMatchObject({ contentsLeft: 0 });
  await importFrom(camp, b, large);
  await expectFile(camp.world, b, '400000.raw', noise(0, 400_000));
});

test('a stick that is full takes what fits, and goes on when there is room', async () => {
  const camp = await silentCamp(406, ['camp', 'hq']);
  const [a, b] = camp.nodes as Pair;
  await publish(camp, a, 'small.txt', 'small');
  await publish(camp, a, 'large.raw', noise(1, 500_000));
  const stick = new UsbStick(300_000);
  expect(await exportTo(camp, a, stick)).toMatchObject({ contents: 1, contentsLeft: 1, entriesLeft: 0, full: true });
  stick.capacityBytes = 2_000_000;
  expect(await exportTo(camp, a, stick)).toMatchObject({ contents: 1, contentsLeft: 0 });
  await importFrom(camp, b, stick);
  await expectFile(camp.world, b, 'large.raw', noise(1, 500_000));
});

test('a write-protected stick is read all the same, and says why it got no receipts', async () => {
  const camp = await silentCamp(407, ['camp', 'hq']);
  const [a, b] = camp.nodes as Pair;
  await publish(camp, a, 'a.txt', 'read only');
  const stick = new UsbStick();
  await exportTo(camp, a, stick);
  stick.readOnly = true;
  expect(await importFrom(camp, b, stick)).toMatchObject({ contents: 1, receipts: 'DIRECTORY_UNWRITABLE' });
  await expect(exportTo(camp, a, stick.copy())).resolves.toMatchObject({ segmentsWritten: 0 });
});

test('what a stick began a link finishes, and the other way round', async () => {
  const camp = await silentCamp(408, ['camp', 'hq']);
  const [a, b] = camp.nodes as Pair;
  const large = noise(1, 20_000_000);
  await publish(camp, a, 'video.raw', large);
  const stick = new UsbStick();
  expect(await exportTo(camp, a, stick, { budgetBytes: 18_000_000 })).toMatchObject({ contents: 0, contentsLeft: 1 });
  expect(await importFrom(camp, b, stick)).toMatchObject({ entries: 1, contents: 0, problems: [] });
  const link = camp.world.linkBetween('camp', 'hq');
  link.heal();
  a.node.hint();
  await expectFile(camp.world, b, 'video.raw', large, 2 * hour);
  expect(link.trafficFrom('camp').bytes).toBeLessThan(13_000_000);
});

test('a stick pulled out at any step leaves what is whole, and the next export completes it', async () => {
  const camp = await silentCamp(409, ['camp', 'hq']);
  const [a, b] = camp.nodes as Pair;
  await publish(camp, a, 'a.txt', 'first');
  const stick = new UsbStick();
  for (let steps = 1; ; steps++) {
    stick.plugAgain();
    await publish(camp, a, `${steps}.txt`, `after ${steps} steps`);
    stick.stepsLeft = steps;
    const exported = await exportTo(camp, a, stick).then(
      () => true,
      (error: { code: string }) => expect(error.code).toBe('STORAGE_FAILED') === undefined && false,
    );
    stick.plugAgain();
    // Whatever is on it now can be used as it is.
    await importFrom(camp, b, stick.copy()).catch((error: { code: string }) => expect(error.code).toBe('BUNDLE_MISSING'));
    if (exported) break;
  }
  stick.plugAgain();
  await exportTo(camp, a, stick);
  expect(await importFrom(camp, b, stick)).toMatchObject({ problems: [] });
  await camp.world.runFor(10 * second);
  expect([...b.node.files(camp.dataset)].map(({ path, complete }) => [path, complete])).toEqual(
    [...a.node.files(camp.dataset)].map(({ path }) => [path, true]),
  );
});

test('damage costs what lay there, is named, and is replaced by the next export', async () => {
  const camp = await silentCamp(410, ['camp', 'hq']);
  const [a, b] = camp.nodes as Pair;
  for (let index = 0; index < 6; index++) await publish(camp, a, `${index}.raw`, noise(index, 100_000));
  const stick = new UsbStick();
  await exportTo(camp, a, stick);
  const [name] = stick.names.filter((each) => stick.bytes(each).length > 500_000);
  const bytes = stick.bytes(name as string);
  bytes.fill(0xaa, 300_000, 450_000);
  const report = await importFrom(camp, b, stick);
  expect(report.problems.map(({ segment, code }) => [segment, code])).toContainEqual([name, 'BUNDLE_DAMAGED']);
  expect(report.entries).toBe(6);
  expect(report.contents).toBeGreaterThanOrEqual(2);
  expect(report.contents).toBeLessThan(6);
  // The reader named the damaged segment on the stick.
  const again = await exportTo(camp, a, stick);
  const [delivery] = a.node.deliveries(camp.dataset);
  expect(again).toMatchObject({ segmentsRemoved: 1, contents: 6 - (delivery?.held ?? 0), contentsLeft: 0 });
  expect(await importFrom(camp, b, stick)).toMatchObject({ contents: 6 - report.contents, problems: [] });
});

test('sticks are taken in any order, each once: what came too early is kept over a power cut and taken with what it follows on', async () => {
  const camp = await silentCamp(411, ['camp', 'hq']);
  const [a, b] = camp.nodes as Pair;
  const stick = new UsbStick();
  const sticks: UsbStick[] = [];
  const texts = ['one', 'two', 'three'];
  for (const text of texts) {
    const known = new Set(stick.names);
    await publish(camp, a, `${text}.txt`, text);
    await exportTo(camp, a, stick);
    sticks.push(stick.copy((name) => !known.has(name)));
  }
  const [first, second, third] = sticks as [UsbStick, UsbStick, UsbStick];
  for (const early of [third, second]) {
    const report = await importFrom(camp, b, early);
    expect(report).toMatchObject({ entries: 0, contents: 0, problems: [] });
    expect(report.waiting).toBeGreaterThan(0);
  }
  b.kill();
  await camp.world.finish(b.start());
  expect(await importFrom(camp, b, first)).toMatchObject({ entries: 3, contents: 3, waiting: 0, problems: [] });
  for (const text of texts) await expectFile(camp.world, b, `${text}.txt`, text);
  expect(b.catalog.all('SELECT name FROM kept_segment')).toEqual([]);
});

test('the sticks of several members in one folder are taken with one import, whatever their names', async () => {
  const camp = await silentCamp(415, ['camp', 'ridge', 'hq']);
  const [a, b, c] = camp.nodes as Trio;
  const folderStick = new UsbStick();
  const stick = new UsbStick();
  for (const text of ['one', 'two', 'three']) {
    const known = new Set(stick.names);
    await publish(camp, a, `${text}.txt`, text);
    await exportTo(camp, a, stick);
    // The last segments get the first names.
    for (const name of stick.names) if (!known.has(name)) folderStick.put(`${9 - known.size}${name.slice(1)}`, stick.bytes(name));
  }
  const other = new UsbStick();
  await publish(camp, b, 'four.txt', 'four');
  await exportTo(camp, b, other);
  for (const name of other.names) folderStick.put(`a${name.slice(1)}`, other.bytes(name));
  expect(await importFrom(camp, c, folderStick)).toMatchObject({ entries: 4, contents: 4, waiting: 0, problems: [] });
  for (const text of ['one', 'two', 'three', 'four']) await expectFile(camp.world, c, `${text}.txt`, text);
});

test('a change to a large file that is known at the other end travels as a difference', async () => {
  const camp = await chain(412, ['camp', 'hq'], { ...radio, rateBytesPerSecond: 1_000_000, queueBytes: 200_000 });
  const [a, b] = camp.nodes as Pair;
  const before = noise(1, 2_000_000);
  await publish(camp, a, 'table.dat', before);
  await expectFile(camp.world, b, 'table.dat', before);
  await camp.world.runFor(hour);
  camp.world.linkBetween('camp', 'hq').cut();
  const after = before.slice();
  after.fill(7, 1_000_000, 1_000_100);
  await publish(camp, a, 'table.dat', after);
  const stick = new UsbStick();
  await exportTo(camp, a, stick);
  expect(stick.usedBytes).toBeLessThan(20_000);
  expect(await importFrom(camp, b, stick)).toMatchObject({ contents: 1, problems: [] });
  await expectFile(camp.world, b, 'table.dat', after);
});

test("a member that was admitted meanwhile is believed once its bundle has brought the team's log", async () => {
  const camp = await silentCamp(413, ['camp', 'hq']);
  const [a, b] = camp.nodes as Pair;
  const late = await camp.world.add('late');
  camp.world.link('camp', 'late', radio);
  await camp.world.finish(late.node.join(a.node.createInvite()), hour);
  await publish(camp, a, 'a.raw', noise(1, 30_000));
  expect(
    await camp.world.until(() => late.node.outstanding().contents === 0 && late.node.file(camp.dataset, 'a.raw') !== undefined, hour),
  ).toBe(true);
  const stick = new UsbStick();
  await exportTo(camp, late, stick, { for: [b.node.id] });
  expect(await importFrom(camp, b, stick)).toMatchObject({ contents: 1, waiting: 0, problems: [] });
  expect(b.node.members()).toHaveLength(3);
  await expectFile(camp.world, b, 'a.raw', noise(1, 30_000));
});

test('whatever becomes of its files, a stick brings only what was published, and its sound copy brings the rest', async () => {
  const camp = await silentCamp(414, ['camp', 'hq']);
  const [a, b] = camp.nodes as Pair;
  const stick = new UsbStick();
  const sizes = [300, 90_000, 20_000, 150_000, 4000];
  for (const [index, size] of sizes.entries()) {
    await publish(camp, a, `${index}.raw`, noise(index, size));
    await exportTo(camp, a, stick);
  }
  await camp.world.finish(b.stop());
  const before = b.backup();
  const random = seededRandom(414);
  for (let round = 0; round < 24; round++) {
    b.restore(before);
    await camp.world.finish(b.start());
    const onlyFlips = round % 4 === 0;
    const spoilt = stick.copy(() => onlyFlips || random.float() > 0.3);
    for (const name of spoilt.names) {
      const bytes = spoilt.bytes(name).slice();
      const at = random.below(bytes.length);
      const kind = onlyFlips ? 0 : random.below(4);
      if (kind === 0) bytes[at] = (bytes[at] as number) ^ (1 << random.below(8));
      if (kind === 1) bytes.fill(random.below(256), at, at + random.below(200_000));
      spoilt.put(name, kind === 2 ? bytes.slice(0, at) : bytes);
    }
    const report = await importFrom(camp, b, spoilt).catch((error: { code: string }) => error.code);
    if (typeof report === 'string') expect(['BUNDLE_DAMAGED', 'BUNDLE_MISSING', 'BUNDLE_NOT_ADDRESSED']).toContain(report);
    else if (onlyFlips) expect(report, `round ${round}`).toMatchObject({ contents: sizes.length, entries: sizes.length, waiting: 0 });
    for (const { path, complete } of b.node.files(camp.dataset)) {
      const index = Number.parseInt(path, 10);
      if (complete) await expectFile(camp.world, b, path, noise(index, sizes[index] as number), 10 * second);
    }
    await importFrom(camp, b, stick.copy());
    expect([...b.node.files(camp.dataset)].filter(({ complete }) => complete)).toHaveLength(sizes.length);
    await camp.world.finish(b.stop());
  }
});

test('rows of observations go on a stick as they go over a link', async () => {
  const camp = await silentCamp(415, ['camp', 'hq']);
  const [a, b] = camp.nodes as Pair;
  const met = a.node.createDataset({ name: 'met', kind: 'series' });
  const clock = { firstLocalUs: 1_780_000_000_000_000, intervalUs: 60_000_000 };
  const text = toa5Text({ station: 'Storbreen', table: 'Met', ...clock, rows: 300, firstRecord: 0, seed: 1, withHeader: true });
  a.directory('loggers').put('met.dat', utf8(text));
  await camp.world.finish(a.node.ingest(met, 'loggers', { profile: { utcOffsetMinutes: 60 } }));
  const stick = new UsbStick();
  await exportTo(camp, a, stick);
  expect((await importFrom(camp, b, stick)).problems).toEqual([]);
  expect(b.node.tables(met).map(({ rows }) => rows)).toEqual([300]);
});
