import { expect, test } from 'vitest';
import { utf8 } from '../../src/core/bytes.ts';
import type { DatasetId } from '../../src/core/identifiers.ts';
import { seededRandom } from '../../src/core/random.ts';
import type { VersionRef } from '../../src/node/version-service.ts';
import type { SimulatedNode } from '../../src/simulation/simulated-node.ts';
import { type Camp, chain, day, expectFile, folder, hour, minute, type Pair, publish, type Trio } from './camp.ts';

const table = (rows: readonly string[]): string => `TIMESTAMP,RECORD,depth_m\n${rows.join('\n')}\n`;
const bytesOf = (seed: number, length: number): Uint8Array => seededRandom(seed).bytes(length);

/** What stands in a directory of a computer, by path. */
async function textsIn(node: SimulatedNode, directory: string): Promise<Record<string, string>> {
  const tree = node.directory(directory);
  const texts: Record<string, string> = {};
  for await (const entry of tree.walk()) {
    if (entry.kind !== 'file') continue;
    const reader = await tree.open(entry.path);
    texts[entry.path] = new TextDecoder().decode(await reader.read(0, 1000));
  }
  return texts;
}

async function checkedOut(
  camp: Camp,
  node: SimulatedNode,
  version: VersionRef,
  directory: string,
  path?: string,
): Promise<Record<string, string>> {
  node.directory(directory);
  await camp.world.finish(node.node.versions.checkout(camp.dataset, version, directory, path === undefined ? {} : { path }), hour);
  return textsIn(node, directory);
}

test('a version that was tagged stays to be had everywhere, whatever replaces it and however little room superseded bytes get', async () => {
  const camp = await chain(401, ['camp', 'ridge']);
  const [a, b] = camp.nodes as Pair;
  await publish(camp, a, 'a.txt', 'first');
  await publish(camp, a, 'dir/b.txt', 'stays');
  await expectFile(camp.world, b, 'dir/b.txt', 'stays');
  const tag = b.node.versions.tag(camp.dataset, 'before the storm');
  expect(tag).toMatchObject({ name: 'before the storm', author: b.node.id, version: { [a.node.id]: 2 } });
  expect(await camp.world.until(() => a.node.versions.tags(camp.dataset).length === 1, hour)).toBe(true);
  expect(a.node.versions.tags(camp.dataset)).toEqual([tag]);

  for (const text of ['second', 'third']) await publish(camp, a, 'a.txt', text);
  await expectFile(camp.world, b, 'a.txt', 'third');
  for (const { node } of camp.nodes) await camp.world.finish(node.collectGarbage({ quotaBytes: 0 }), hour);
  expect(b.node.history(camp.dataset, 'a.txt').map(({ complete }) => complete)).toEqual([true, false, true]);
  camp.world.linkBetween('camp', 'ridge').cut();
  for (const node of camp.nodes) {
    expect(await checkedOut(camp, node, 'before the storm', 'old')).toEqual({ 'a.txt': 'first', 'dir/b.txt': 'stays' });
  }

  a.node.versions.untag(camp.dataset, 'before the storm');
  await camp.world.finish(a.node.collectGarbage({ quotaBytes: 0 }), hour);
  expect(a.node.history(camp.dataset, 'a.txt').map(({ complete }) => complete)).toEqual([true, false, false]);
  expect(() => a.node.versions.files(camp.dataset, 'before the storm').next()).toThrow(expect.objectContaining({ code: 'TAG_UNKNOWN' }));
});

test('an old version that is not here is fetched from whoever has it, and when nobody in reach has it that is said', async () => {
  const camp = await chain(402, ['camp', 'ridge']);
  const [a, b] = camp.nodes as Pair;
  await publish(camp, a, 'a.bin', bytesOf(1, 60_000));
  const first = a.node.versions.current(camp.dataset);
  await publish(camp, a, 'a.bin', bytesOf(2, 60_000));
  await expectFile(camp.world, b, 'a.bin', bytesOf(2, 60_000));
  await camp.world.finish(b.node.collectGarbage({ quotaBytes: 0 }), hour);
  expect(b.node.history(camp.dataset, 'a.bin').at(-1)).toMatchObject({ complete: false });

  camp.world.linkBetween('camp', 'ridge').cut();
  b.directory('old');
  await expect(camp.world.finish(b.node.versions.checkout(camp.dataset, first, 'old', { path: 'a.bin' }), hour)).rejects.toMatchObject({
    code: 'CONTENT_NOT_HELD',
    retryable: true,
  });
  expect(b.node.outstanding(camp.dataset).contents).toBe(0);
  expect(await camp.world.finish(b.node.versions.checkout(camp.dataset, first, 'old'), hour)).toMatchObject({
    written: 0,
    problems: [{ path: 'a.bin', code: 'CONTENT_NOT_HELD' }],
  });

  const later = b.node.versions.checkout(camp.dataset, first, 'old', { path: 'a.bin', waitMs: day });
  await camp.world.runFor(10 * minute);
  camp.world.healAll();
  expect(await camp.world.finish(later, day)).toEqual({ written: 1, bytes: 60_000, unchanged: 0, problems: [] });
  expect(await (await b.directory('old').open('a.bin')).read(0, 60_000)).toEqual(bytesOf(1, 60_000));
  expect(b.node.deliveries(camp.dataset)).toEqual(expect.any(Array));
  expect(b.node.outstanding(camp.dataset).contents).toBe(0);
});

test('a checkout replaces nothing, takes up where it was, and writes one revision, one directory, or all', async () => {
  const camp = await chain(403, ['camp']);
  const [a] = camp.nodes as [SimulatedNode];
  for (const [path, text] of [
    ['a.txt', 'a1'],
    ['dir/b.txt', 'b1'],
    ['dir-c.txt', 'c1'],
  ] as const)
    await publish(camp, a, path, text);
  await a.directory(folder).link('dir/link', '../a.txt');
  await camp.world.finish(a.node.scan(camp.dataset, { settleMs: 0 }));
  const version = a.node.versions.current(camp.dataset);
  await publish(camp, a, 'a.txt', 'a2');

  expect(await checkedOut(camp, a, version, 'only', 'dir')).toEqual({ 'dir/b.txt': 'b1' });
  expect((await a.directory('only').stat('dir/link'))?.target).toBe('../a.txt');
  a.directory('old').put('a.txt', utf8('mine'));
  const { versions } = a.node;
  expect(await camp.world.finish(versions.checkout(camp.dataset, version, 'old'))).toMatchObject({
    written: 3,
    unchanged: 0,
    problems: [{ path: 'a.txt', code: 'PATH_OCCUPIED' }],
  });
  expect(await textsIn(a, 'old')).toEqual({ 'a.txt': 'mine', 'dir/b.txt': 'b1', 'dir-c.txt': 'c1' });
  await a.directory('old').remove('a.txt');
  expect(await camp.world.finish(versions.checkout(camp.dataset, version, 'old'))).toMatchObject({
    written: 1,
    unchanged: 3,
    problems: [],
  });

  const [, oldest] = a.node.history(camp.dataset, 'a.txt');
  a.directory('one');
  await camp.world.finish(versions.checkout(camp.dataset, oldest!, 'one', { path: 'a.txt' }));
  expect(await textsIn(a, 'one')).toEqual({ 'a.txt': 'a1' });
  await expect(versions.checkout(camp.dataset, oldest!, 'one', { path: 'dir/b.txt' })).rejects.toMatchObject({ code: 'REVISION_UNKNOWN' });
  await expect(versions.checkout(camp.dataset, version, 'one', { path: 'nothing' })).rejects.toMatchObject({ code: 'FILE_MISSING' });
});

const surveyed = {
  latitude: 61.67621,
  longitude: 8.36914,
  altitudeM: 1512.25,
  accuracyM: 3.5,
  verticalAccuracyM: 5,
  datum: 'ETRS89',
  method: 'survey',
  instantUs: 1_717_000_000_000_000,
};

test('metadata comes through a relay into a checkout as it was written', async () => {
  const camp = await chain(404, ['sensor', 'relay', 'office']);
  const [sensor, relay, office] = camp.nodes as Trio;
  sensor.node.setPosition(surveyed);
  // A survey is not overwritten by a fix, however late it comes.
  sensor.node.setPosition({ latitude: 61.6, longitude: 8.3, method: 'gnss', accuracyM: 40, instantUs: 1_717_243_000_000_000 });
  const attributes = {
    mime: 'text/csv; charset=utf-8',
    instrument: 'CR1000X #4711 «Gletscher»',
    calibrated: true,
    offset: -0.125,
    note: '',
  };
  const tree = sensor.directory(folder);
  await camp.world.finish(
    tree.write('data/pit.csv', [utf8('depth_m\n1\n')].values() as never, { mtimeNs: 1_717_243_800_123_456_789n, mode: 0o640 }),
  );
  await camp.world.finish(sensor.node.scan(camp.dataset, { settleMs: 0, attributes: () => attributes }));
  await expectFile(camp.world, relay, 'data/pit.csv', 'depth_m\n1\n');
  await expectFile(camp.world, office, 'data/pit.csv', 'depth_m\n1\n');
  camp.world.linkBetween('sensor', 'relay').cut();
  await publish(camp, relay, 'data/pit.csv', 'depth_m\n2\n');
  await expectFile(camp.world, office, 'data/pit.csv', 'depth_m\n2\n');

  const written = sensor.node.history(camp.dataset, 'data/pit.csv')[0]!;
  expect(written).toMatchObject({ mtimeNs: 1_717_243_800_123_456_789n, mode: 0o640, attributes, clockQuality: 'unknown' });
  expect(written.position).toEqual(surveyed);
  const received = office.node.history(camp.dataset, 'data/pit.csv').find((each) => each.author === sensor.node.id)!;
  expect({ ...received, head: true }).toEqual(written);
  // What a person edits keeps what was known of the file.
  expect(office.node.history(camp.dataset, 'data/pit.csv')[0]).toMatchObject({ author: relay.node.id, attributes });
  office.directory('old');
  await camp.world.finish(office.node.versions.checkout(camp.dataset, received, 'old', { path: 'data/pit.csv' }));
  expect(await office.directory('old').stat('data/pit.csv')).toMatchObject({ mtimeNs: 1_717_243_800_123_456_789n, mode: 0o640 });
});

async function differences(camp: Camp, node: SimulatedNode, from: VersionRef, to: VersionRef): Promise<unknown[]> {
  const dataset: DatasetId = camp.dataset;
  const found = await camp.world.finish(Array.fromAsync(node.node.versions.diff(dataset, from, to, { content: true })));
  return found.map(({ path, kind, content }) => ({ path, kind, ...(content === undefined ? {} : { content }) }));
}

test('a diff names paths, rows and cells, and members of JSON, the same on every node', async () => {
  const camp = await chain(405, ['camp', 'ridge']);
  const [a, b] = camp.nodes as Pair;
  const rows = ['2026-06-01 00:00:00,1,0.40', '2026-06-01 00:10:00,2,0.41', '2026-06-01 00:20:00,3,0.42'];
  await publish(camp, a, 'pit.csv', table(rows));
  await publish(camp, a, 'gone.txt', 'x');
  await publish(camp, a, 'plots.geojson', '{"type":"FeatureCollection","features":[{"id":1,"n":2},{"id":2,"n":3}]}');
  await publish(camp, a, 'image.raw', '\0\u0001');
  const from = a.node.versions.current(camp.dataset);
  await publish(camp, a, 'pit.csv', table([rows[0]!, '2026-06-01 00:10:00,2,0.47', '2026-06-01 00:30:00,4,0.43']));
  await publish(camp, a, 'plots.geojson', '{"type": "FeatureCollection", "features": [{"id": 1, "n": 5}, {"id": 3, "n": 1}]}');
  await publish(camp, a, 'image.raw', '\0\u0002');
  await publish(camp, a, 'new.txt', 'y');
  await a.directory(folder).remove('gone.txt');
  await camp.world.finish(a.node.scan(camp.dataset, { settleMs: 0 }));
  const to = a.node.versions.current(camp.dataset);
  const expected = [
    { path: 'gone.txt', kind: 'removed' },
    { path: 'image.raw', kind: 'changed', content: { format: 'opaque', reason: expect.stringContaining('binary') } },
    { path: 'new.txt', kind: 'added' },
    {
      path: 'pit.csv',
      kind: 'changed',
      content: {
        format: 'table',
        added: 1,
        removed: 1,
        changed: 1,
        places: [
          { row: '2026-06-01 00:10:00', column: 'depth_m', before: '0.41', after: '0.47' },
          { row: '2026-06-01 00:20:00', column: '', before: rows[2] },
          { row: '2026-06-01 00:30:00', column: '', after: '2026-06-01 00:30:00,4,0.43' },
        ],
      },
    },
    {
      path: 'plots.geojson',
      kind: 'changed',
      content: {
        format: 'json',
        added: 1,
        removed: 1,
        changed: 1,
        places: [
          { row: '/features/id=1', column: 'n', before: '2', after: '5' },
          { row: '/features', column: 'id=2', before: '{"id":2,"n":3}' },
          { row: '/features', column: 'id=3', after: '{"id": 3, "n": 1}' },
        ],
      },
    },
  ];
  expect(await differences(camp, a, from, to)).toEqual(expected);
  expect(
    await camp.world.until(() => b.node.outstanding().contents === 0 && b.node.file(camp.dataset, 'new.txt') !== undefined, hour),
  ).toBe(true);
  expect((await differences(camp, b, from, to)).map((each) => (each as { path: string }).path)).toEqual(expected.map(({ path }) => path));
  expect((await differences(camp, a, to, from)).map((each) => (each as { kind: string }).kind)).toEqual([
    'added',
    'changed',
    'removed',
    'changed',
    'changed',
  ]);
  expect(() => b.node.versions.diff(camp.dataset, { [a.node.id]: 999 }, to)).toThrow(
    expect.objectContaining({ code: 'VERSION_UNKNOWN', retryable: true }),
  );
  expect(() => b.node.versions.diff(camp.dataset, { me: 1 }, to)).toThrow(expect.objectContaining({ code: 'VERSION_MALFORMED' }));
});

test('two nodes that give one name apart keep both tags, and agree on which the name means', async () => {
  const camp = await chain(406, ['camp', 'ridge']);
  const [a, b] = camp.nodes as Pair;
  await publish(camp, a, 'a.txt', 'x');
  await expectFile(camp.world, b, 'a.txt', 'x');
  camp.world.linkBetween('camp', 'ridge').cut();
  a.node.versions.tag(camp.dataset, 'v1');
  await publish(camp, a, 'a.txt', 'y');
  await camp.world.runFor(minute);
  b.node.versions.tag(camp.dataset, 'v1');
  expect(() => b.node.versions.tag(camp.dataset, 'v1')).toThrow(expect.objectContaining({ code: 'TAG_EXISTS' }));
  expect(() => b.node.versions.tag(camp.dataset, '')).toThrow(expect.objectContaining({ code: 'TAG_NAME_INVALID' }));
  camp.world.healAll();
  expect(await camp.world.until(() => camp.nodes.every(({ node }) => node.versions.tags(camp.dataset).length === 2), hour)).toBe(true);
  expect(a.node.versions.tags(camp.dataset)).toEqual(b.node.versions.tags(camp.dataset));
  expect(a.node.versions.tags(camp.dataset)[0]?.author).toBe(a.node.id);
  b.node.versions.untag(camp.dataset, 'v1');
  expect(await camp.world.until(() => a.node.versions.tags(camp.dataset).length === 0, hour)).toBe(true);
});

test('a diff tells touched files from changed ones, keeps to a directory, and says when bytes are not here', async () => {
  const camp = await chain(407, ['camp']);
  const [a] = camp.nodes as [SimulatedNode];
  await publish(camp, a, 'dir/touched.txt', 'same');
  await publish(camp, a, 'dir/edited.csv', 'id,v\n1,2\n');
  await publish(camp, a, 'elsewhere.txt', 'x');
  await a.directory(folder).link('dir/link', 'one');
  await camp.world.finish(a.node.scan(camp.dataset, { settleMs: 0 }));
  const from = a.node.versions.current(camp.dataset);
  await camp.world.runFor(minute);
  await publish(camp, a, 'dir/touched.txt', 'same');
  await publish(camp, a, 'dir/edited.csv', 'id,v\n1,3\n');
  await publish(camp, a, 'elsewhere.txt', 'y');
  await a.directory(folder).link('dir/link', 'two');
  await camp.world.finish(a.node.scan(camp.dataset, { settleMs: 0 }));
  await camp.world.finish(a.node.collectGarbage({ quotaBytes: 0 }));
  const to = a.node.versions.current(camp.dataset);
  const found = await camp.world.finish(Array.fromAsync(a.node.versions.diff(camp.dataset, from, to, { path: 'dir', content: true })));
  expect(found.map(({ path, kind, content }) => ({ path, kind, content }))).toEqual([
    {
      path: 'dir/edited.csv',
      kind: 'changed',
      content: { format: 'opaque', reason: expect.stringContaining('earlier version are not here') },
    },
    { path: 'dir/link', kind: 'changed', content: undefined },
    { path: 'dir/touched.txt', kind: 'metadata', content: undefined },
  ]);
});
