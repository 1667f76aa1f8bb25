import { expect, test } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import type { FieldNodeEvent } from '../../src/node/node-event.ts';
import { chain, expectFile, hour, minute, onDisk, publish, radio, second } from './camp.ts';

const noise = (seed: number, bytes: number): Uint8Array => seededRandom(seed).bytes(bytes);

test('what is sent to a role goes to everybody of that role, over relays that are not, and takes nothing else along', async () => {
  const camp = await chain(631, ['valley', 'ridge', 'pass', 'coast']);
  const [valley, ridge, pass, coast] = camp.nodes as [
    (typeof camp.nodes)[0],
    (typeof camp.nodes)[0],
    (typeof camp.nodes)[0],
    (typeof camp.nodes)[0],
  ];
  const office = await camp.world.add('office');
  camp.world.link('coast', 'office', radio);
  await camp.world.finish(office.node.join(coast.node.createInvite({ role: 'reader' })), hour);
  await camp.world.until(() => office.node.datasets().length === 1, hour);
  for (const node of [ridge, pass, coast, office]) node.node.unsubscribe(camp.dataset);
  office.directory('field');
  office.node.attach(camp.dataset, 'field');
  await camp.world.runFor(minute);
  await publish(camp, valley, 'report.txt', 'for readers');
  await publish(camp, valley, 'film.raw', noise(1, 100_000));
  const order = valley.node.forwarding.send(camp.dataset, { paths: ['report.txt'], roles: ['reader'] });
  expect(valley.node.forwarding.order(camp.dataset, order).map(({ destination }) => destination)).toEqual([office.node.id]);
  await expectFile(camp.world, office, 'report.txt', 'for readers');
  await camp.world.runFor(10 * minute);
  expect(valley.node.forwarding.order(camp.dataset, order)).toMatchObject([{ state: 'delivered' }]);
  expect(await onDisk(office, 'film.raw')).toBeUndefined();
  for (const node of [ridge, pass, coast]) expect(await onDisk(node, 'film.raw')).toBeUndefined();
});

test('something urgent passes bulk on every hop of a chain of relays', async () => {
  const camp = await chain(632, ['valley', 'ridge', 'pass', 'coast'], { ...radio, rateBytesPerSecond: 4000, queueBytes: 8000 });
  const [valley, , , coast] = camp.nodes as [
    (typeof camp.nodes)[0],
    (typeof camp.nodes)[0],
    (typeof camp.nodes)[0],
    (typeof camp.nodes)[0],
  ];
  const done: string[] = [];
  const nameByRoot = new Map<string, string>();
  for (const node of camp.nodes)
    node.onEvent((event: FieldNodeEvent) => {
      if (event.type === 'content-complete') done.push(`${nameByRoot.get(event.root) ?? 'another'} at ${node.name}`);
    });
  valley.node.forwarding.setPriorityRules(camp.dataset, [
    { priority: 'bulk', glob: 'film.raw' },
    { priority: 'critical', glob: 'alarm.raw' },
  ]);
  const rootOf = (path: string): string => {
    const [head] = valley.node.history(camp.dataset, path);
    return head?.kind === 'file' ? Buffer.from(head.content.root).toString('hex') : '';
  };
  await publish(camp, valley, 'film.raw', noise(2, 600_000));
  nameByRoot.set(rootOf('film.raw'), 'film');
  // All three links are busy with the film by then.
  await camp.world.runFor(90 * second);
  const began = camp.world.nowMs;
  await publish(camp, valley, 'alarm.raw', noise(3, 20_000));
  nameByRoot.set(rootOf('alarm.raw'), 'alarm');
  expect(await camp.world.until(() => done.includes('alarm at coast'), hour)).toBe(true);
  // Alone it would take 5 s a hop.
  expect((camp.world.nowMs - began) / second).toBeLessThan(45);
  expect(done).toEqual(['alarm at ridge', 'alarm at pass', 'alarm at coast']);
  await expectFile(camp.world, coast, 'film.raw', noise(2, 600_000));
});
