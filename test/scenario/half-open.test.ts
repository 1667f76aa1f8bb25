import { expect, test } from 'vitest';
import { World } from '../../src/simulation/world.ts';
import { type Camp, chain, expectFile, folder, hour, minute, type Pair, publish, radio, second } from './camp.ts';

/** One end of a session is gone and the other does not know, because it has nothing to say. */

test('a node that others dial reaches them by itself after its power failed', async () => {
  const camp = await chain(61, ['base', 'ridge']);
  const [base, ridge] = camp.nodes as Pair;
  await publish(camp, base, 'plan.txt', 'day 1');
  await expectFile(camp.world, ridge, 'plan.txt', 'day 1');
  await camp.world.runFor(hour);
  base.kill();
  await camp.world.finish(base.start());
  // Only the ridge was ever given an address, and it is waiting to be told something.
  await publish(camp, base, 'plan.txt', 'day 2');
  await expectFile(camp.world, ridge, 'plan.txt', 'day 2', 5 * minute);
});

test('a node that was invited reaches the other after its own power failed', async () => {
  const camp = await chain(62, ['base', 'ridge']);
  const [base, ridge] = camp.nodes as Pair;
  for (let day = 1; day < 4; day++) {
    ridge.kill();
    await camp.world.runFor(minute);
    await publish(camp, base, 'plan.txt', `day ${day}`);
    await camp.world.finish(ridge.start());
    await expectFile(camp.world, ridge, 'plan.txt', `day ${day}`, 5 * minute);
  }
  // The port it is heard on is another one now; the base has to have noticed.
  base.kill();
  await camp.world.finish(base.start());
  await publish(camp, base, 'plan.txt', 'last day');
  await expectFile(camp.world, ridge, 'plan.txt', 'last day', 5 * minute);
});

test('a stream that breaks while nobody has anything to say is dialled again', async () => {
  const camp = await chain(63, ['base', 'ridge'], undefined, 'merge', 'tcp');
  const [base, ridge] = camp.nodes as Pair;
  await camp.world.runFor(hour);
  base.kill();
  await camp.world.runFor(minute);
  await camp.world.finish(base.start());
  await publish(camp, base, 'plan.txt', 'day 1');
  await expectFile(camp.world, ridge, 'plan.txt', 'day 1', 5 * minute);
});

test('nodes that are in touch and have nothing to say have nothing to wake for', async () => {
  const camp = await chain(64, ['base', 'ridge']);
  const [base, ridge] = camp.nodes as Pair;
  await publish(camp, base, 'plan.txt', 'day 1');
  await expectFile(camp.world, ridge, 'plan.txt', 'day 1');
  expect(await camp.world.untilQuiet(10 * minute)).toBe(true);
  expect([base.pendingTimers, ridge.pendingTimers]).toEqual([0, 0]);
  const packets = base.packetsSent + ridge.packetsSent;
  camp.world.linkBetween('base', 'ridge').cut();
  await camp.world.runFor(24 * hour);
  expect(base.packetsSent + ridge.packetsSent).toBe(packets);
  camp.world.linkBetween('base', 'ridge').heal();
  await publish(camp, ridge, 'plan.txt', 'day 2');
  await expectFile(camp.world, base, 'plan.txt', 'day 2', 10 * second);
});

/** A station that nobody can dial, as behind a router of a telephone company, and an office, over a network of this name; without one, over the first. */
async function stationBehindRouter(seed: number, network = ''): Promise<Camp> {
  const world = new World({ seed });
  const nodes = [await world.add('office', {}), await world.add('station', {})] as const;
  nodes[0].node.createTeam('Storbreen');
  const dataset = nodes[0].node.createDataset({ name: 'field', kind: 'files' });
  await world.finish(nodes[0].node.listen('tcp://office:7077', { keep: true }));
  world.link('office', 'station', radio, radio, network);
  await world.finish(nodes[1].node.join(nodes[0].node.createInvite({ addresses: [`tcp://office${network && `.${network}`}:7077`] })), hour);
  expect(await world.until(() => nodes[1].node.datasets().length === 1, hour)).toBe(true);
  for (const node of nodes) {
    node.directory(folder);
    node.node.attach(dataset, folder);
  }
  return { world, nodes, dataset };
}

test('a station that nobody can dial and that has nothing to say asks an office far away whether it is still there', async () => {
  const camp = await stationBehindRouter(65, 'example');
  const [first, station] = camp.nodes as Pair;
  await camp.world.runFor(3 * hour);
  // The router forgets the connection: nothing tells either end.
  camp.world.changeAddress('station');
  await publish(camp, first, 'plan.txt', 'day 1');
  await camp.world.runFor(10 * second);
  expect(station.node.file(camp.dataset, 'plan.txt')).toBeUndefined();
  await expectFile(camp.world, station, 'plan.txt', 'day 1', 18 * minute);
});

test('asking an office far away takes a few packets an hour', async () => {
  const camp = await stationBehindRouter(66, 'example');
  const [, station] = camp.nodes as Pair;
  await camp.world.runFor(3 * hour);
  const sent = station.packetsSent;
  await camp.world.runFor(24 * hour);
  expect(station.packetsSent - sent).toBeGreaterThan(24);
  expect(station.packetsSent - sent).toBeLessThan(24 * 10);
});

test('a peer on an own network, or where a budget counts bytes, is not asked', async () => {
  const near = await stationBehindRouter(67);
  const counted = await stationBehindRouter(68, 'example');
  const [, station] = counted.nodes as Pair;
  station.node.bandwidth.setBudget({ name: 'satellite', address: 'tcp://*', period: { kind: 'day' }, limitBytes: 1_000_000 });
  for (const camp of [near, counted]) {
    const [, quiet] = camp.nodes as Pair;
    await camp.world.runFor(3 * hour);
    const sent = quiet.packetsSent;
    await camp.world.runFor(24 * hour);
    expect(quiet.packetsSent - sent).toBe(0);
  }
});

test.each(['udp', 'tcp'])(
  'a station that went from the network of an office to far away, with its session over %s, asks there too',
  async (scheme) => {
    const world = new World({ seed: 69 });
    const nodes = [await world.add('office', {}), await world.add('station', {})] as const;
    const [office, station] = nodes;
    office.node.createTeam('Storbreen');
    const dataset = office.node.createDataset({ name: 'field', kind: 'files' });
    for (const each of ['udp', 'tcp']) await world.finish(office.node.listen(`${each}://office:7077`, { keep: true }));
    const near = world.link('office', 'station', radio);
    world.link('office', 'station', radio, radio, 'example');
    const addresses = ['udp://office:7077', `${scheme}://office.example:7077`];
    await world.finish(station.node.join(office.node.createInvite({ addresses })), hour);
    expect(await world.until(() => station.node.datasets().length === 1, hour)).toBe(true);
    for (const node of nodes) {
      node.directory(folder);
      node.node.attach(dataset, folder);
    }
    const camp: Camp = { world, nodes, dataset };
    await world.runFor(hour);
    near.cut();
    await publish(camp, station, 'log.txt', 'left');
    await expectFile(world, office, 'log.txt', 'left', 10 * minute);
    await world.runFor(3 * hour);
    world.changeAddress('station');
    await publish(camp, office, 'plan.txt', 'day 1');
    await expectFile(world, station, 'plan.txt', 'day 1', 18 * minute);
  },
);
