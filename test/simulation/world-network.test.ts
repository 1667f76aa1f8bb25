import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../src/core/random.ts';
import type { LinkSink } from '../../src/ports/links.ts';
import { endOfTurn } from '../../src/simulation/end-of-turn.ts';
import { SimulatedLinks } from '../../src/simulation/simulated-links.ts';
import { SimulatedNetwork } from '../../src/simulation/simulated-network.ts';
import { SimulatedTimers } from '../../src/simulation/simulated-timers.ts';
import { VirtualAgenda } from '../../src/simulation/virtual-agenda.ts';
import type { LinkModel } from '../../src/simulation/virtual-link.ts';
import { World } from '../../src/simulation/world.ts';

/** Two hosts with a link between them, and what each was told. */
function twoHosts(model: LinkModel = { delayMs: 100 }) {
  const agenda = new VirtualAgenda();
  const network = new SimulatedNetwork(agenda, seededRandom(1));
  const link = network.lay('a', 'b', model);
  const host = (name: string, run = 0) => {
    const told: string[] = [];
    const links = new SimulatedLinks(name, run, network, () => undefined);
    const sink: LinkSink = {
      received: (path, kind, bytes) => told.push(`${agenda.now.monotonicMs} ${kind} ${path} ${bytes.join(',')}`),
      opened: (path, address) => told.push(`opened ${path} ${address ?? 'inbound'}`),
      closed: (path) => told.push(`closed ${path}`),
      dialFailed: (address, message) => told.push(`failed ${address}: ${message}`),
    };
    links.start(sink);
    return { links, told };
  };
  return { agenda, network, link, host, a: host('a'), b: host('b') };
}

describe('a simulated network', () => {
  test('carries datagrams to the port they are sent to, and answers to where they came from', async () => {
    const { agenda, a, b } = twoHosts();
    await b.links.listen('udp://b:7077');
    a.links.transmit('udp://b:7077', Uint8Array.of(1));
    a.links.transmit('udp://b:9', Uint8Array.of(2));
    a.links.transmit('udp://c:7077', Uint8Array.of(3));
    a.links.transmit('nonsense', Uint8Array.of(4));
    agenda.runUntil(150);
    expect(b.told).toEqual(['100 datagram udp://a:49152 1']);
    b.links.transmit('udp://a:49152', Uint8Array.of(5));
    agenda.runUntil(1000);
    expect(a.told).toEqual(['250 datagram udp://b:7077 5']);
  });

  test('lets only one of those on a radio channel transmit at a time, whichever way and whoever it is', async () => {
    const vhf: LinkModel = { delayMs: 0, rateBytesPerSecond: 29, channel: 'vhf' };
    const { agenda, network, host, a, b } = twoHosts(vhf);
    const c = host('c');
    network.lay('b', 'c', vhf);
    network.lay('a', 'c', { delayMs: 0, rateBytesPerSecond: 29, channel: 'uhf' });
    for (const [name, each] of Object.entries({ a, b, c })) await each.links.listen(`udp://${name}:7077`);
    a.links.transmit('udp://b:7077', Uint8Array.of(1));
    b.links.transmit('udp://a:7077', Uint8Array.of(2));
    c.links.transmit('udp://b:7077', Uint8Array.of(3));
    a.links.transmit('udp://c:7077', Uint8Array.of(4));
    agenda.runUntil(10_000);
    const arrivals = [a, b, c].flatMap(({ told }) => told.map((line) => [Number(line.split(' ')[0]), Number(line.at(-1))]));
    expect(arrivals).toEqual([
      [2000, 2],
      [1000, 1],
      [3000, 3],
      [1000, 4],
    ]);
  });

  test('loses datagrams that are under way when the link is cut, and what was meant for an earlier run', async () => {
    const { agenda, link, host, a, b } = twoHosts();
    await b.links.listen('udp://b:7077');
    a.links.transmit('udp://b:7077', Uint8Array.of(1));
    agenda.runUntil(50);
    link.cut();
    link.cut();
    a.links.transmit('udp://b:7077', Uint8Array.of(2));
    agenda.runUntil(60);
    link.heal();
    expect(link.isUp).toBe(true);
    agenda.runUntil(500);
    expect(b.told).toEqual([]);
    a.links.transmit('udp://b:7077', Uint8Array.of(3));
    agenda.runUntil(700);
    b.links.transmit('udp://a:49152', Uint8Array.of(4));
    a.links.halt();
    const later = host('a', 1);
    agenda.runUntil(2000);
    expect(b.told).toEqual(['600 datagram udp://a:49152 3']);
    expect([...a.told, ...later.told]).toEqual([]);
  });

  test('keeps a stream in order over a link that loses, jitters, duplicates and goes away for a while', async () => {
    const { agenda, link, a, b } = twoHosts({ delayMs: 50, jitterMs: 80, reorders: true, lossRatio: 0.3, duplicateRatio: 0.2 });
    await b.links.listen('tcp://b:7077');
    a.links.dial('tcp://b:7077');
    agenda.runUntil(30_000);
    expect(a.told[0]).toMatch(/^opened tcp:\/\/b:7077#0 tcp:\/\/b:7077$/);
    expect(b.told[0]).toMatch(/^opened tcp:\/\/a:0#0 inbound$/);
    for (let value = 0; value < 50; value++) a.links.transmit('tcp://b:7077#0', Uint8Array.of(value));
    agenda.runUntil(30_100);
    link.cut();
    agenda.runUntil(50_000);
    link.heal();
    agenda.runUntil(200_000);
    const values = b.told.slice(1).map((line) => Number(line.split(' ').at(-1)));
    expect(values).toEqual(Array.from({ length: 50 }, (_, value) => value));
    a.links.transmit('tcp://b:7077#0', Uint8Array.of(99));
    a.links.closePath('tcp://b:7077#0');
    agenda.runUntil(300_000);
    expect(b.told.slice(-2)).toEqual([expect.stringMatching(/ 99$/), 'closed tcp://a:0#0']);
    expect(a.told.at(-1)).toBe('closed tcp://b:7077#0');
  });

  test('breaks a stream that gets nothing through for a minute, and tells the other end when that says something', async () => {
    const { agenda, link, a, b } = twoHosts();
    await b.links.listen('tcp://b:7077');
    a.links.dial('tcp://b:7077');
    agenda.runUntil(1000);
    link.cut();
    agenda.runUntil(600_000);
    expect(b.told).toHaveLength(1);
    a.links.transmit('tcp://b:7077#0', Uint8Array.of(1));
    agenda.runUntil(800_000);
    expect(a.told.at(-1)).toBe('closed tcp://b:7077#0');
    expect(b.told.at(-1)).not.toBe('closed tcp://a:0#0');
    link.heal();
    agenda.runUntil(3_600_000);
    expect(b.told.at(-1)).not.toBe('closed tcp://a:0#0');
    b.links.transmit('tcp://a:0#0', Uint8Array.of(2));
    agenda.runUntil(3_601_000);
    expect(b.told.at(-1)).toBe('closed tcp://a:0#0');
    expect(a.told.at(-1)).toBe('closed tcp://b:7077#0');
  });

  test('says why a dial failed: nobody listens, nothing answers, no way, no address', async () => {
    const { agenda, link, a, b } = twoHosts();
    a.links.dial('tcp://b:1');
    a.links.dial('tcp://c:1');
    a.links.dial('udp://b:1');
    expect(a.told).toEqual([]);
    agenda.runUntil(1000);
    expect(a.told.map((line) => line.split(': ')[1])).toEqual([
      'there is no way to c',
      'udp://b:1 cannot be dialled',
      'nobody listens at port 1 of b',
    ]);
    const listener = await b.links.listen('tcp://b:0');
    await listener.close();
    link.cut();
    a.links.dial(listener.address);
    agenda.runUntil(100_000);
    expect(a.told.at(-1)).toContain('b does not answer');
  });

  test('refuses addresses that are taken, elsewhere or none', async () => {
    const { b } = twoHosts();
    expect((await b.links.listen('udp://0.0.0.0:0')).address).toMatch(/^udp:\/\/b:\d+$/);
    await b.links.listen('udp://b:7077');
    await expect(b.links.listen('udp://b:7077')).rejects.toMatchObject({ code: 'PORT_BUSY' });
    await expect(b.links.listen('udp://a:7077')).rejects.toMatchObject({ code: 'ADDRESS_UNAVAILABLE' });
    await expect(b.links.listen('b:7077')).rejects.toMatchObject({ code: 'ADDRESS_MALFORMED' });
    await expect(b.links.listen('udp://b:70777')).rejects.toMatchObject({ code: 'ADDRESS_MALFORMED' });
  });

  test('tells the far end when a host restarts or closes, and is up by a schedule', async () => {
    const { agenda, link, host, a, b } = twoHosts();
    await b.links.listen('tcp://b:7077');
    a.links.dial('tcp://b:7077');
    agenda.runUntil(1000);
    b.links.halt();
    const again = host('b', 1);
    expect(a.told.at(-1)).toBe('closed tcp://b:7077#0');
    await again.links.listen('tcp://b:7077');
    a.links.dial('tcp://b:7077');
    agenda.runUntil(3000);
    await again.links.close();
    expect(a.told.at(-1)).toBe('closed tcp://b:7077#1');
    link.schedule([
      { fromMs: 1000, untilMs: 3500 },
      { fromMs: 5000, untilMs: 6000 },
    ]);
    const up = [3200, 4000, 5500, 7000].map((at) => {
      agenda.runUntil(at);
      return link.isUp;
    });
    expect(up).toEqual([true, false, true, false]);
    expect(link.trafficFrom('a').bytes).toBeGreaterThan(0);
  });
});

describe('virtual time', () => {
  test('waits until every promise has gone on, however long the chain', async () => {
    let links = 0;
    const chain = async (): Promise<void> => {
      for (let index = 0; index < 10_000; index++) {
        await undefined;
        links++;
      }
    };
    void chain();
    await endOfTurn();
    expect(links).toBe(10_000);
  });

  test('has timers that go off once, not before their time, can be cancelled, and end with their process', async () => {
    const agenda = new VirtualAgenda();
    const timers = new SimulatedTimers(agenda);
    const fired: number[] = [];
    agenda.runUntil(1e9 + 0.1);
    timers.schedule(1e-9, () => fired.push(agenda.now.monotonicMs));
    timers.schedule(10, () => fired.push(agenda.now.monotonicMs));
    timers.schedule(5, () => fired.push(-1)).cancel();
    expect(timers.pending).toBe(2);
    agenda.runUntil(1e9 + 100);
    expect(fired).toHaveLength(2);
    expect(fired[0]).toBeGreaterThan(1e9 + 0.1);
    expect(fired[1]).toBeGreaterThanOrEqual(1e9 + 10.1);
    const abort = new AbortController();
    let waited = 0;
    void timers.wait(50).then(() => waited++);
    void timers.wait(1e6, abort.signal).then(() => waited++);
    abort.abort();
    void timers.wait(1e6, abort.signal).then(() => waited++);
    await endOfTurn();
    expect(waited).toBe(2);
    timers.halt();
    void timers.wait(1).then(() => waited++);
    timers.schedule(1, () => fired.push(-2));
    agenda.runUntil(2e9);
    await endOfTurn();
    expect([waited, fired.length, timers.pending]).toEqual([2, 2, 0]);
  });

  test('is stopped with the seed and the latest events when it does not go on, or what is waited for cannot come', async () => {
    const world = new World({ seed: 42 });
    await world.add('a');
    await expect(world.finish(new Promise(() => undefined), 1000)).rejects.toThrow(/seed 42.*did not happen within 1000 ms\n.*a start 0/s);
    const again = (): void => world.at(world.nowMs, again);
    again();
    await expect(world.runFor(10)).rejects.toThrow('time does not go on');
  });

  test('knows its nodes and links by name', async () => {
    const world = new World({ seed: 1 });
    for (const name of ['a', 'b', 'c']) await world.add(name);
    world.link('a', 'b', { delayMs: 1 });
    const link = world.link('b', 'c', { delayMs: 1 });
    expect(() => world.link('c', 'b', { delayMs: 1 })).toThrow('already');
    await expect(world.add('a')).rejects.toThrow('already');
    expect(() => world.node('d')).toThrow('no node d');
    expect(() => world.linkBetween('a', 'c')).toThrow('no link');
    expect(world.linkBetween('c', 'b')).toBe(link);
    world.partition(['a', 'b']);
    expect(world.links.map((each) => each.isUp)).toEqual([true, false]);
    world.healAll();
    expect(world.links.map((each) => each.isUp)).toEqual([true, true]);
    const node = world.node('a');
    await world.finish(node.stop());
    await world.finish(node.stop());
    node.kill();
    expect(() => node.node).toThrow('a does not run');
    expect(await world.until(() => true)).toBe(true);
    expect(await world.untilQuiet()).toBe(true);
  });
});
