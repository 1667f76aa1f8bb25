import { describe, expect, test } from 'vitest';
import { utf8 } from '../../src/core/bytes.ts';
import { seededRandom } from '../../src/core/random.ts';
import type { LinkSink } from '../../src/ports/links.ts';
import { neverMet, situations } from '../../src/simulation/marks.ts';
import { SimulatedLinks } from '../../src/simulation/simulated-links.ts';
import { SimulatedNetwork } from '../../src/simulation/simulated-network.ts';
import { VirtualAgenda } from '../../src/simulation/virtual-agenda.ts';
import type { LinkModel } from '../../src/simulation/virtual-link.ts';
import { World } from '../../src/simulation/world.ts';

/** Two hosts with links between them, and what each was told. */
function twoHosts(model: LinkModel = { delayMs: 10 }) {
  const agenda = new VirtualAgenda();
  const network = new SimulatedNetwork(agenda, seededRandom(1));
  const link = network.lay('a', 'b', model);
  const host = (name: string) => {
    const told: string[] = [];
    const links = new SimulatedLinks(name, 0, network, () => undefined);
    const sink: LinkSink = {
      received: (path, kind, bytes) => told.push(`${kind} ${path} ${bytes.join(',')}`),
      opened: (path, address) => told.push(`opened ${path} ${address ?? 'inbound'}`),
      closed: (path) => told.push(`closed ${path}`),
      dialFailed: (address, message) => told.push(`failed ${address}: ${message}`),
    };
    links.start(sink);
    return { links, told };
  };
  return { agenda, network, link, a: host('a'), b: host('b') };
}

describe('a simulated link', () => {
  test('flips one bit of a datagram that it corrupts, and none of what a stream carries', async () => {
    const { agenda, link, a, b } = twoHosts({ delayMs: 10, corruptRatio: 0.5 });
    await b.links.listen('udp://b:7077');
    await b.links.listen('tcp://b:7077');
    for (let index = 0; index < 100; index++) a.links.transmit('udp://b:7077', Uint8Array.of(0, 0));
    agenda.runUntil(1000);
    const flipped = b.told.filter((line) => !line.endsWith(' 0,0'));
    expect(b.told).toHaveLength(100);
    expect(flipped.length).toBe(link.faults.corrupted);
    expect(flipped.length).toBeGreaterThan(20);
    for (const line of flipped) expect(line).toMatch(/ (0,(1|2|4|8|16|32|64|128)|(1|2|4|8|16|32|64|128),0)$/);
    a.links.dial('tcp://b:7077');
    agenda.runUntil(60_000);
    for (let value = 0; value < 20; value++) a.links.transmit('tcp://b:7077#0', Uint8Array.of(value));
    agenda.runUntil(200_000);
    const carried = b.told.filter((line) => line.startsWith('stream')).map((line) => Number(line.split(' ').at(-1)));
    expect(carried).toEqual(Array.from({ length: 20 }, (_, value) => value));
  });

  test('loses datagrams above its MTU without a word, and cuts streams into smaller ones', async () => {
    const { agenda, link, a, b } = twoHosts({ delayMs: 10, mtuBytes: 300 });
    await b.links.listen('udp://b:7077');
    await b.links.listen('tcp://b:7077');
    a.links.transmit('udp://b:7077', new Uint8Array(200));
    a.links.transmit('udp://b:7077', new Uint8Array(290));
    a.links.dial('tcp://b:7077');
    agenda.runUntil(1000);
    a.links.transmit('tcp://b:7077#0', new Uint8Array(2000));
    agenda.runUntil(2000);
    expect(b.told.map((line) => line.split(' ')[0])).toEqual(['datagram', 'opened', 'stream']);
    expect(link.faults.tooLarge).toBe(1);
  });

  test('may work one way only', async () => {
    const { agenda, link, a, b } = twoHosts();
    await b.links.listen('udp://b:7077');
    await a.links.listen('udp://a:7077');
    link.cut('a');
    a.links.transmit('udp://b:7077', Uint8Array.of(1));
    b.links.transmit('udp://a:7077', Uint8Array.of(2));
    agenda.runUntil(100);
    expect([a.told.length, b.told.length, link.isUp]).toEqual([1, 0, false]);
    link.heal();
    a.links.transmit('udp://b:7077', Uint8Array.of(1));
    agenda.runUntil(200);
    expect(b.told).toHaveLength(1);
    expect(() => link.cut('c')).toThrow('not at an end');
  });

  test('follows a schedule until another one, or none, takes its place', () => {
    const { agenda, link } = twoHosts();
    link.schedule([{ fromMs: 0, untilMs: 100 }]);
    expect(link.isUp).toBe(true);
    link.schedule([{ fromMs: 50, untilMs: 60 }]);
    expect(link.isUp).toBe(false);
    agenda.runUntil(55);
    expect(link.isUp).toBe(true);
    link.unschedule();
    agenda.runUntil(1000);
    expect(link.isUp).toBe(true);
  });
});

describe('a host', () => {
  test('with two links is reached over the one that its address names', async () => {
    const { agenda, network, link, a, b } = twoHosts();
    const satellite = network.lay('a', 'b', { delayMs: 600 }, { delayMs: 600 }, 'sat');
    expect(() => network.lay('b', 'a', { delayMs: 1 }, undefined, 'sat')).toThrow('already');
    await b.links.listen('udp://b:7077');
    link.cut();
    a.links.transmit('udp://b:7077', Uint8Array.of(1));
    a.links.transmit('udp://b.sat:7077', Uint8Array.of(2));
    agenda.runUntil(2000);
    expect(b.told).toEqual(['datagram udp://a.sat:49152 2']);
    expect(satellite.trafficFrom('a').packets).toBe(1);
  });

  test('that was given another address is not found at the old one, and its streams get nothing through any more', async () => {
    const { agenda, network, a, b } = twoHosts();
    await b.links.listen('udp://b:7077');
    await b.links.listen('tcp://b:7077');
    a.links.dial('tcp://b:7077');
    agenda.runUntil(1000);
    network.changeAddress('b');
    a.links.transmit('udp://b:7077', Uint8Array.of(1));
    a.links.transmit('udp://b~1:7077', Uint8Array.of(2));
    a.links.transmit('tcp://b:7077#0', Uint8Array.of(3));
    agenda.runUntil(200_000);
    expect(b.told.slice(1)).toEqual(['datagram udp://a:49152 2']);
    expect(a.told.at(-1)).toBe('closed tcp://b:7077#0');
    network.changeAddress('b', true);
    a.links.transmit('udp://b:7077', Uint8Array.of(4));
    agenda.runUntil(201_000);
    expect(b.told.at(-1)).toMatch(/ 4$/);
  });
});

describe('a simulated computer', () => {
  test('whose power fails in the middle of a transaction has nothing of it, and its process never writes again', async () => {
    const world = new World({ seed: 1 });
    const node = await world.add('a');
    node.node.createTeam('T');
    const before = node.node;
    const dataset = before.createDataset({ name: 'd', kind: 'files' });
    node.directory('d').put('x.txt', utf8('one'));
    before.attach(dataset, 'd');
    node.killAtWrite(8);
    let hasAnswered = false;
    before.scan(dataset, { settleMs: 0 }).then(
      () => (hasAnswered = true),
      () => (hasAnswered = true),
    );
    await world.until(() => !node.isRunning);
    expect(node.kills).toEqual({ atPacket: 0, atWrite: 1 });
    await world.untilQuiet();
    const entries = node.catalog.get<{ n: number }>('SELECT count(*) AS n FROM log_entry')?.n;
    expect(() => before.createDataset({ name: 'e', kind: 'files' })).toThrow(/power|stopped/);
    expect(node.catalog.get<{ n: number }>('SELECT count(*) AS n FROM log_entry')?.n).toBe(entries);
    await world.finish(node.start());
    const { published } = await world.finish(node.node.scan(dataset, { settleMs: 0 }));
    expect([hasAnswered, published.length]).toEqual([expect.any(Boolean), 1]);
  });

  test('that is set back to a backup knows what it knew then, disk and catalog alike', async () => {
    const world = new World({ seed: 2 });
    const node = await world.add('a');
    node.node.createTeam('T');
    const dataset = node.node.createDataset({ name: 'd', kind: 'files' });
    node.directory('d').put('x.txt', utf8('one'));
    node.node.attach(dataset, 'd');
    await world.finish(node.node.scan(dataset, { settleMs: 0 }));
    const backup = node.backup();
    node.directory('d').put('x.txt', utf8('two and more'));
    await world.finish(node.node.scan(dataset, { settleMs: 0 }));
    expect(() => node.restore(backup)).toThrow('runs');
    for (let times = 0; times < 2; times++) {
      node.kill();
      node.restore(backup);
      await world.finish(node.start());
      expect(node.node.history(dataset, 'x.txt')).toHaveLength(1);
      expect((await node.directory('d').stat('x.txt'))?.sizeBytes).toBe(3);
    }
    expect(node.rotChunk()).toBe(true);
  });

  test('has a date that drifts', async () => {
    const world = new World({ seed: 3 });
    const { clock } = await world.add('a');
    clock.driftMsPerSecond = 1;
    const before = clock.now().wallMs;
    await world.runFor(10_000);
    expect(clock.now().wallMs - before).toBe(10_010);
  });
});

test('situations that no run has met are named', () => {
  expect(neverMet([])).toEqual(situations);
  expect(neverMet([new Set(situations.slice(1)), new Set()])).toEqual([situations[0]]);
});
