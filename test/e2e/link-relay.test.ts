import { connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { LinkDriver } from '../../src/ports/links.ts';
import { type LinkRelay, type LinkRelayOptions, openLinkRelay } from '../../src/runtime/link-relay.ts';
import { openSocketLinks } from '../../src/runtime/socket-links.ts';
import { LinkRecorder } from './link-recorder.ts';
import { withoutIpv6 } from './loopback.ts';

/** What a test opened, closed after it in the reverse order. */
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Node {
  readonly links: LinkDriver;
  readonly sink: LinkRecorder;
}

function openNode(): Node {
  const links = openSocketLinks();
  const sink = new LinkRecorder();
  links.start(sink);
  closers.push(() => links.close());
  return { links, sink };
}

/** A node behind a relay, and the relay. */
async function openBehind(scheme: 'udp' | 'tcp', shape: Omit<LinkRelayOptions, 'listen' | 'target' | 'seed'> = {}, seed = 1) {
  const server = openNode();
  const listener = await server.links.listen(`${scheme}://127.0.0.1:0`);
  const relay = await openLinkRelay({ listen: `${scheme}://127.0.0.1:0`, target: listener.address, seed, ...shape });
  closers.push(() => relay.close());
  return { server, relay, direct: listener.address };
}

const bytes = (text: string) => new TextEncoder().encode(text);

async function datagramTexts({ sink }: Node, count: number): Promise<string[]> {
  const texts: string[] = [];
  while (texts.length < count) texts.push((await sink.nextDatagram()).text);
  return texts;
}

/** Waits until a relay has seen so many packets towards its target. */
function forwardPackets(relay: LinkRelay, packets: number) {
  return vi.waitFor(() => expect(relay.counts().forward.packets).toBe(packets), { interval: 2, timeout: 10_000 });
}

describe('a relay for datagrams', () => {
  it('carries them both ways, counts their headers, and keeps its clients apart', async () => {
    const { server, relay } = await openBehind('udp');
    const clients = [openNode(), openNode()];
    for (const [i, client] of clients.entries()) {
      client.links.transmit(relay.address, bytes(`from ${i}`));
      const { path, text } = await server.sink.nextDatagram();
      expect(text).toBe(`from ${i}`);
      server.links.transmit(path, bytes(`hello ${i}`));
    }
    for (const [i, { sink }] of clients.entries()) expect(await sink.nextDatagram()).toEqual({ path: relay.address, text: `hello ${i}` });
    const expected = { packets: 2, bytes: 2 * (28 + 6), dropped: 0 };
    expect(relay.counts()).toEqual({ forward: expected, backward: { ...expected, bytes: 2 * (28 + 7) } });
    expect(new Set(server.sink.events.map((event) => event.type === 'received' && event.path)).size).toBe(2);
  });

  it.skipIf(withoutIpv6())('carries IPv6, whose headers are longer', async () => {
    const server = openNode();
    const { address: target } = await server.links.listen('udp://[::1]:0');
    const relay = await openLinkRelay({ listen: 'udp://[::1]:0', target, seed: 1 });
    closers.push(() => relay.close());
    openNode().links.transmit(relay.address, bytes('six'));
    expect((await server.sink.nextDatagram()).text).toBe('six');
    expect(relay.counts().forward.bytes).toBe(51);
  });

  it('delays them, in order', async () => {
    const { server, relay, direct } = await openBehind('udp', { delayMs: 60, jitterMs: 20 });
    const client = openNode();
    for (let i = 0; i < 5; i++) client.links.transmit(relay.address, bytes(`relayed ${i}`));
    client.links.transmit(direct, bytes('direct'));
    expect(await datagramTexts(server, 6)).toEqual(['direct', 'relayed 0', 'relayed 1', 'relayed 2', 'relayed 3', 'relayed 4']);
  });

  it('lets them through no faster than the rate', async () => {
    // 100 bytes with headers are 10 ms at 80 kbit/s.
    const { server, relay } = await openBehind('udp', { rateBitsPerSecond: 80_000, queueMs: 1000 });
    const client = openNode();
    const startedAt = performance.now();
    for (let i = 0; i < 12; i++) client.links.transmit(relay.address, new Uint8Array(72));
    await datagramTexts(server, 12);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(119);
    expect(relay.counts().forward).toEqual({ packets: 12, bytes: 1200, dropped: 0 });
  });

  it('drops what comes too fast for its queue', async () => {
    const { server, relay } = await openBehind('udp', { rateBitsPerSecond: 8_000, queueMs: 150 });
    const client = openNode();
    for (let i = 0; i < 12; i++) client.links.transmit(relay.address, bytes(`${i}`.padEnd(72)));
    await forwardPackets(relay, 12);
    // One in transmission, and one more for each 100 ms of queue that began.
    expect(relay.counts().forward).toEqual({ packets: 12, bytes: 1200, dropped: 10 });
    expect((await datagramTexts(server, 2)).map((text) => text.trim())).toEqual(['0', '1']);
  });

  it('loses the same datagrams for the same seed', async () => {
    const arrived = async (seed: number) => {
      const { server, relay, direct } = await openBehind('udp', { loss: 0.5, burst: { enter: 0.05, leave: 0.3, loss: 0.9 } }, seed);
      const client = openNode();
      for (let i = 0; i < 100; i++) client.links.transmit(relay.address, bytes(`${i}`));
      await forwardPackets(relay, 100);
      client.links.transmit(direct, bytes('end'));
      const texts = await datagramTexts(server, 100 - relay.counts().forward.dropped + 1);
      return texts.filter((text) => text !== 'end').join();
    };
    const once = await arrived(7);
    expect(once.split(',').length).toBeGreaterThan(20);
    expect(once.split(',').length).toBeLessThan(80);
    expect(await arrived(7)).toBe(once);
    expect(await arrived(8)).not.toBe(once);
  });

  it('becomes another link when told to', async () => {
    const { server, relay } = await openBehind('udp', { loss: 1 });
    const client = openNode();
    client.links.transmit(relay.address, bytes('lost'));
    await forwardPackets(relay, 1);
    relay.set({});
    client.links.transmit(relay.address, bytes('carried'));
    expect((await server.sink.nextDatagram()).text).toBe('carried');
    expect(relay.counts().forward).toMatchObject({ packets: 2, dropped: 1 });
    expect(() => relay.set({ loss: 2 })).toThrow(expect.objectContaining({ code: 'CONFIGURATION_INVALID' }));
  });

  it('loses everything while it is cut, and what was under way', async () => {
    const { server, relay } = await openBehind('udp', { delayMs: 50 });
    const client = openNode();
    client.links.transmit(relay.address, bytes('under way'));
    await forwardPackets(relay, 1);
    relay.cut();
    client.links.transmit(relay.address, bytes('meanwhile'));
    await forwardPackets(relay, 2);
    relay.restore();
    client.links.transmit(relay.address, bytes('afterwards'));
    expect((await server.sink.nextDatagram()).text).toBe('afterwards');
    expect(relay.counts().forward).toMatchObject({ packets: 3, dropped: 2 });
  });

  it('remembers a bounded number of clients and forgets those that were silent longest', async () => {
    const { server, relay } = await openBehind('udp');
    const nodes = Array.from({ length: 258 }, openNode);
    const paths: string[] = [];
    const speak = async (i: number) => {
      nodes[i]?.links.transmit(relay.address, bytes(`${i}`));
      paths[i] = (await server.sink.nextDatagram()).path;
    };
    for (let i = 0; i < 256; i++) await speak(i);
    for (const i of [0, 256, 257]) await speak(i);
    expect(new Set(paths).size).toBe(258);
    for (const path of paths) server.links.transmit(path, bytes('welcome'));
    for (const i of [0, ...Array.from({ length: 255 }, (_, n) => n + 3)]) await nodes[i]?.sink.nextDatagram();
    expect(nodes.slice(1, 3).map(({ sink }) => sink.events.length)).toEqual([0, 0]);
  });

  it('passes on nothing from others than its target', async () => {
    const { server, relay } = await openBehind('udp');
    const [client, stranger] = [openNode(), openNode()];
    client.links.transmit(relay.address, bytes('question'));
    const { path } = await server.sink.nextDatagram();
    stranger.links.transmit(path, bytes('forged'));
    server.links.transmit(path, bytes('answer'));
    expect((await client.sink.nextDatagram()).text).toBe('answer');
    expect(relay.counts().backward.packets).toBe(1);
  });
});

describe('a relay for streams', () => {
  async function connected(relay: LinkRelay, server: Node) {
    const client = openNode();
    client.links.dial(relay.address);
    const dialled = await client.sink.nextOpened();
    const accepted = await server.sink.nextOpened();
    return { client, dialled: dialled.path, accepted: accepted.path };
  }

  it('carries bytes both ways in order, and the end behind them', async () => {
    const { server, relay } = await openBehind('tcp', { delayMs: 5, rateBitsPerSecond: 500_000_000 });
    const { client, dialled, accepted } = await connected(relay, server);
    const content = Array.from({ length: 200_000 }, (_, i) => `${i},`).join('');
    client.links.transmit(dialled, bytes(content));
    server.links.transmit(accepted, bytes('welcome'));
    expect(await client.sink.streamText(dialled, 7)).toBe('welcome');
    client.links.closePath(dialled);
    expect((await server.sink.streamText(accepted, content.length)) === content).toBe(true);
    expect(await server.sink.nextClosed()).toBe(accepted);
    const { forward, backward } = relay.counts();
    const segments = Math.ceil(content.length / 1448);
    expect(forward.packets).toBeGreaterThanOrEqual(segments);
    expect(forward.packets).toBeLessThan(segments * 1.1);
    expect(forward.bytes).toBe(content.length + 40 * forward.packets);
    expect(backward).toEqual({ packets: 1, bytes: 47, dropped: 0 });
  });

  it('lets bytes through no faster than the rate, and reads no further meanwhile', async () => {
    const { server, relay } = await openBehind('tcp', { rateBitsPerSecond: 8_000_000, queueMs: 20 });
    const { client, dialled, accepted } = await connected(relay, server);
    const startedAt = performance.now();
    client.links.transmit(dialled, new Uint8Array(300_000));
    await server.sink.streamText(accepted, 100_000);
    // A chunk of 64 KiB may stand in the queue, and one more be in transmission.
    expect(relay.counts().forward.bytes).toBeLessThan(275_000);
    await server.sink.streamText(accepted, 300_000);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(300);
  });

  it('delays bytes', async () => {
    const { server, relay, direct } = await openBehind('tcp', { delayMs: 60 });
    const { client, dialled, accepted } = await connected(relay, server);
    client.links.dial(direct);
    const directly = (await client.sink.nextOpened()).path;
    await server.sink.nextOpened();
    client.links.transmit(dialled, bytes('relayed'));
    client.links.transmit(directly, bytes('direct'));
    await server.sink.streamText(accepted, 7);
    expect(server.sink.events.flatMap((event) => (event.type === 'received' ? event.text : []))).toEqual(['direct', 'relayed']);
  });

  it('holds a bounded amount for a receiver that takes nothing, and goes on when it does', async () => {
    let received = 0;
    const accepted: Socket[] = [];
    const server = createServer({ pauseOnConnect: true }, (socket) => {
      accepted.push(socket.on('error', () => undefined));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closers.push(() => new Promise((resolve) => server.close(resolve)));
    const address = server.address();
    const target = `tcp://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
    const relay = await openLinkRelay({ listen: 'tcp://127.0.0.1:0', target, seed: 1 });
    closers.push(() => relay.close());
    const length = 64 * 1024 * 1024;
    const client = connect(Number(relay.address.split(':').at(-1)), '127.0.0.1').on('error', () => undefined);
    client.end(new Uint8Array(length));
    const entered = () => relay.counts().forward.bytes;
    // Loopback needs no time: when nothing moves for many turns of the event loop, everybody waits.
    for (let before = -1, idleTurns = 0; idleTurns < 100; before = entered()) {
      await new Promise((resolve) => setImmediate(resolve));
      idleTurns = entered() > 0 && entered() === before ? idleTurns + 1 : 0;
    }
    // Besides the relay's megabyte the kernel takes some for the receiver.
    expect(entered()).toBeLessThan(length / 2);
    accepted[0]?.on('data', (chunk) => {
      received += chunk.length;
    });
    accepted[0]?.resume();
    await vi.waitFor(() => expect(received).toBe(length), { timeout: 20_000 });
  });

  it('breaks connections when it is cut, lets none in until it is restored', async () => {
    const { server, relay } = await openBehind('tcp', { delayMs: 5 });
    const { client, dialled, accepted } = await connected(relay, server);
    relay.cut();
    expect([await client.sink.nextClosed(), await server.sink.nextClosed()]).toEqual([dialled, accepted]);
    client.links.dial(relay.address);
    // Whether the connection stood for a moment or not at all is the kernel's choice.
    await Promise.race([client.sink.nextClosed(), client.sink.nextDialFailed()]);
    expect(server.sink.count('opened')).toBe(1);
    relay.restore();
    const again = await connected(relay, server);
    again.client.links.transmit(again.dialled, bytes('back'));
    expect(await server.sink.streamText(again.accepted, 4)).toBe('back');
  });

  it('breaks a connection whose other half breaks', async () => {
    const { server, relay, direct } = await openBehind('tcp');
    const first = await connected(relay, server);
    // Nothing is read on this path any more, so closing it at once is a reset for the peer.
    await server.links.close();
    await first.client.sink.nextClosed();
    // Now nobody listens at the target.
    expect(direct).toMatch(/^tcp/);
    first.client.links.dial(relay.address);
    await first.client.sink.nextOpened();
    await first.client.sink.nextClosed();
  });
});

describe('opening a relay', () => {
  const refusal = (options: LinkRelayOptions) =>
    openLinkRelay(options).then(
      () => 'opens',
      (error) => error.code,
    );

  it.each([
    [{ listen: 'udp://127.0.0.1', target: 'udp://127.0.0.1:7' }, 'ADDRESS_MALFORMED'],
    [{ listen: 'udp://127.0.0.1:0', target: 'nonsense' }, 'ADDRESS_MALFORMED'],
    [{ listen: 'udp://127.0.0.1:0', target: 'tcp://127.0.0.1:7' }, 'ADDRESS_MALFORMED'],
    [{ listen: 'tcp://127.0.0.1:0', target: 'tcp://127.0.0.1:0' }, 'ADDRESS_MALFORMED'],
    [{ listen: 'tcp://192.0.2.1:0', target: 'tcp://127.0.0.1:7' }, 'ADDRESS_UNAVAILABLE'],
    [{ listen: 'udp://127.0.0.1:0', target: 'udp://station.invalid:7' }, 'ADDRESS_UNAVAILABLE'],
    [{ listen: 'udp://127.0.0.1:0', target: 'udp://127.0.0.1:7', loss: -1 }, 'CONFIGURATION_INVALID'],
  ])('with %j is refused as %s', async (options, code) => {
    expect(await refusal({ seed: 1, ...options })).toBe(code);
  });

  it.each(['udp', 'tcp'] as const)('at a %s port that is taken is refused as busy', async (scheme) => {
    const { relay, direct } = await openBehind(scheme);
    expect(await refusal({ listen: relay.address, target: direct, seed: 1 })).toBe('PORT_BUSY');
  });

  it.each(['udp', 'tcp'] as const)('and closing it frees its %s port', async (scheme) => {
    const { relay, direct } = await openBehind(scheme);
    const client = openNode();
    if (scheme === 'udp') client.links.transmit(relay.address, bytes('x'));
    else {
      client.links.dial(relay.address);
      await client.sink.nextOpened();
    }
    await Promise.all([relay.close(), relay.close()]);
    const again = await openLinkRelay({ listen: relay.address, target: direct, seed: 1 });
    expect(again.address).toBe(relay.address);
    await again.close();
  });
});
