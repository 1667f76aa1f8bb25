import { createSocket, Socket as DatagramSocket } from 'node:dgram';
import { createServer, connect as netConnect, type Socket } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { LinkDriver } from '../../src/ports/links.ts';
import type { HostResolver } from '../../src/runtime/link-address.ts';
import { openSocketLinks } from '../../src/runtime/socket-links.ts';
import { UdpLinks } from '../../src/runtime/udp-links.ts';
import { LinkRecorder } from './link-recorder.ts';
import { withoutIpv6 } from './loopback.ts';

const noIpv6 = withoutIpv6();

/** Any free port on the loopback addresses of this machine. */
function loopbacks(scheme: string): string[] {
  return noIpv6 ? [`${scheme}://127.0.0.1:0`] : [`${scheme}://127.0.0.1:0`, `${scheme}://[::1]:0`];
}

/** What a test opened, closed after it in the reverse order. */
const closers: (() => unknown)[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const close of closers.splice(0).reverse()) await close();
});

function openNode(): { readonly links: LinkDriver; readonly sink: LinkRecorder } {
  const links = openSocketLinks();
  const sink = new LinkRecorder();
  links.start(sink);
  closers.push(() => links.close());
  return { links, sink };
}

const bytes = (text: string) => new TextEncoder().encode(text);
const portOf = (address: string) => Number(address.split(':').at(-1));

/** A plain UDP socket on loopback, for a peer that is not one of ours. */
async function openPlainSocket() {
  const socket = createSocket('udp4');
  closers.push(() => new Promise<void>((resolve) => socket.close(resolve)));
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return socket;
}

/** A TCP server that leaves what arrives unread. */
async function openDeafServer() {
  const accepted: Socket[] = [];
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    accepted.push(socket.on('error', () => undefined));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    for (const socket of accepted) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  return { address: `tcp://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`, accepted };
}

/** The codes of what `listen` rejects with at an address. */
async function refusal(links: LinkDriver, address: string) {
  return links.listen(address).then(
    () => 'listens',
    (error) => [error.name, error.code, error.retryable],
  );
}

describe('datagrams', () => {
  it.each(loopbacks('udp'))('reach a listener at %s and are answered from its port', async (at) => {
    const [server, client] = [openNode(), openNode()];
    const { address } = await server.links.listen(at);
    expect(portOf(address)).toBeGreaterThan(0);
    expect(address.replace(/\d+$/, '0')).toBe(at);

    client.links.transmit(address, bytes('hello'));
    const question = await server.sink.nextDatagram();
    expect(question.text).toBe('hello');
    server.links.transmit(question.path, bytes('welcome'));
    expect(await client.sink.nextDatagram()).toEqual({ path: address, text: 'welcome' });
  });

  it('of two nodes that listen and dial one another take one path, from listener to listener', async () => {
    const [one, other] = [openNode(), openNode()];
    const [first, second] = [await one.links.listen('udp://127.0.0.1:0'), await other.links.listen('udp://127.0.0.1:0')];
    one.links.transmit(second.address, bytes('question of one'));
    other.links.transmit(first.address, bytes('question of the other'));
    const [ofOne, ofOther] = [await other.sink.nextDatagram(), await one.sink.nextDatagram()];
    expect([ofOne.path, ofOther.path]).toEqual([first.address, second.address]);
    one.links.transmit(ofOther.path, bytes('answer of one'));
    expect(await other.sink.nextDatagram()).toEqual({ path: first.address, text: 'answer of one' });
    other.links.transmit(ofOne.path, bytes('answer of the other'));
    expect(await one.sink.nextDatagram()).toEqual({ path: second.address, text: 'answer of the other' });
  });

  it('leave from the listener opened last that can reach the address, and from a socket of their own where none can', async () => {
    const client = openNode();
    const peer = await openPlainSocket();
    const sourcePort = async (): Promise<number> => {
      const source = new Promise<number>((resolve) => peer.once('message', (_, { port }) => resolve(port)));
      client.links.transmit(`udp://127.0.0.1:${peer.address().port}`, bytes('x'));
      return source;
    };
    const before = await sourcePort();
    const ports: number[] = [];
    for (const at of ['udp://127.0.0.1:0', 'udp://0.0.0.0:0']) {
      const { address } = await client.links.listen(at);
      ports.push(Number(address.split(':').at(-1)));
      expect(await sourcePort()).toBe(ports.at(-1));
    }
    expect(ports).not.toContain(before);
  });

  it('leave for all dialled paths of a family from one socket', async () => {
    const client = openNode();
    const peers = await Promise.all([openPlainSocket(), openPlainSocket()]);
    const sources = peers.map((peer) => new Promise<number>((resolve) => peer.once('message', (_, source) => resolve(source.port))));
    for (const peer of peers) client.links.transmit(`udp://127.0.0.1:${peer.address().port}`, bytes('x'));
    const [first, second] = await Promise.all(sources);
    expect(first).toBe(second);
  });

  it('arrive as plain arrays that belong to the receiver', async () => {
    const [server, client] = [openNode(), openNode()];
    const { address } = await server.links.listen('udp://127.0.0.1:0');
    client.links.transmit(address, bytes('a'));
    client.links.transmit(address, bytes('b'));
    await server.sink.nextDatagram();
    await server.sink.nextDatagram();
    const [a, b] = server.sink.arrays;
    expect([a, b].every((array) => Object.getPrototypeOf(array) === Uint8Array.prototype)).toBe(true);
    a?.fill(0);
    expect(b).toEqual(bytes('b'));
  });

  it('may be empty, and as long as UDP allows; longer ones are dropped', async () => {
    const [server, client] = [openNode(), openNode()];
    const { address } = await server.links.listen('udp://127.0.0.1:0');
    for (const length of [0, 65_507, 65_508, 1_000_000, 1]) client.links.transmit(address, new Uint8Array(length));
    const lengths = [];
    for (let i = 0; i < 3; i++) lengths.push((await server.sink.nextDatagram()).text.length);
    expect(lengths).toEqual([0, 65_507, 1]);
  });

  it('that cannot be sent do no harm', async () => {
    const [server, client] = [openNode(), openNode()];
    const { address } = await server.links.listen('udp://127.0.0.1:0');
    // Nobody there, no such interface, no route, broadcast without permission, and no addresses at all.
    const nowhere = [
      'udp://127.0.0.1:1',
      'udp://[fe80::1%nowhere]:7',
      'udp://[fe80::1]:7',
      'udp://[100::1]:7',
      'udp://255.255.255.255:7',
      'udp://0.0.0.0:0',
      'udp://',
      'tcp://127.0.0.1:1#7',
      '',
    ];
    for (const path of nowhere) client.links.transmit(path, bytes('x'));
    client.links.transmit(address, bytes('after'));
    expect((await server.sink.nextDatagram()).text).toBe('after');
  });

  it('go on after the socket reported an error', async () => {
    const bind = vi.spyOn(DatagramSocket.prototype, 'bind');
    const server = openNode();
    const { address } = await server.links.listen('udp://127.0.0.1:0');
    // As Windows reports that an earlier datagram reached nobody.
    (bind.mock.contexts[0] as DatagramSocket).emit('error', Object.assign(new Error('recvmsg ECONNRESET'), { code: 'ECONNRESET' }));
    bind.mockRestore();
    openNode().links.transmit(address, bytes('after'));
    expect((await server.sink.nextDatagram()).text).toBe('after');
  });

  it('are dropped while the machine gives no socket, and go out as soon as it does', async () => {
    const [server, client] = [openNode(), openNode()];
    const { address } = await server.links.listen('udp://127.0.0.1:0');
    const bind = vi.spyOn(DatagramSocket.prototype, 'bind').mockImplementationOnce(function (this: DatagramSocket) {
      this.emit('error', Object.assign(new Error('bind EAFNOSUPPORT'), { code: 'EAFNOSUPPORT' }));
      return this;
    });
    client.links.transmit(address, bytes('refused'));
    client.links.transmit(address, bytes('sent'));
    bind.mockRestore();
    expect((await server.sink.nextDatagram()).text).toBe('sent');
  });

  it('are answered from a new socket when the listener they came to is closed', async () => {
    const [server, client] = [openNode(), openNode()];
    const listener = await server.links.listen('udp://127.0.0.1:0');
    client.links.transmit(listener.address, bytes('hello'));
    const { path } = await server.sink.nextDatagram();
    await listener.close();
    await listener.close();
    server.links.transmit(path, bytes('moved'));
    const answer = await client.sink.nextDatagram();
    expect(answer.text).toBe('moved');
    expect(answer.path).not.toBe(listener.address);
  });

  describe('to a host given by name', () => {
    /** Datagram links whose names are looked up in a table. */
    function openNamed(resolve: HostResolver) {
      const sink = new LinkRecorder();
      const links = new UdpLinks(sink, resolve);
      closers.push(() => links.close());
      return { links, sink };
    }

    it('wait for its address, arrive, and are answered on one path', async () => {
      const [server, client] = [openNode(), openNode()];
      const { address } = await server.links.listen('udp://127.0.0.1:0');
      const named = `udp://localhost:${portOf(address)}`;
      // A name may have several addresses, of which only one listens here; they are tried in turn.
      for (let i = 0; i < 4; i++) client.links.transmit(named, bytes('hello'));
      const { path } = await server.sink.nextDatagram();
      server.links.transmit(path, bytes('welcome'));
      expect(await client.sink.nextDatagram()).toEqual({ path: named, text: 'welcome' });
    });

    it('keep their order, and are looked up once', async () => {
      const server = openNode();
      const { address } = await server.links.listen('udp://127.0.0.1:0');
      const resolve = vi.fn<HostResolver>(async () => [{ host: '127.0.0.1', family: 4 }]);
      const { links } = openNamed(resolve);
      for (const text of ['1', '2', '3']) links.transmit(`udp://station.example:${portOf(address)}`, bytes(text));
      const texts = [];
      for (let i = 0; i < 3; i++) texts.push((await server.sink.nextDatagram()).text);
      expect(texts).toEqual(['1', '2', '3']);
      expect(resolve).toHaveBeenCalledOnce();
    });

    it('that nobody knows are dropped', async () => {
      const resolve = vi.fn<HostResolver>(async () => {
        throw new Error('no such name');
      });
      const { links } = openNamed(resolve);
      links.transmit('udp://station.example:1', bytes('x'));
      await vi.waitFor(() => expect(resolve.mock.settledResults[0]?.type).toBe('rejected'));
      links.transmit('udp://station.example:1', bytes('y'));
      expect(resolve).toHaveBeenCalledOnce();
    });

    it('that is found only after closing go nowhere', async () => {
      let answer: (hosts: [{ host: string; family: 4 }]) => void = () => undefined;
      const { links } = openNamed(
        () =>
          new Promise((resolve) => {
            answer = resolve;
          }),
      );
      const peer = await openPlainSocket();
      const arrived = vi.fn();
      peer.on('message', arrived);
      links.transmit(`udp://station.example:${peer.address().port}`, bytes('late'));
      await links.close();
      answer([{ host: '127.0.0.1', family: 4 }]);
      // What follows from the answer happens within this turn of the event loop.
      await new Promise((resolve) => setImmediate(resolve));
      const client = openNode();
      client.links.transmit(`udp://127.0.0.1:${peer.address().port}`, bytes('direct'));
      await new Promise((resolve) => peer.once('message', resolve));
      expect(arrived.mock.calls.map(([message]) => String(message))).toEqual(['direct']);
    });
  });
});

describe('streams', () => {
  async function connected(at = 'tcp://127.0.0.1:0') {
    const [server, client] = [openNode(), openNode()];
    const { address } = await server.links.listen(at);
    client.links.dial(address);
    const [dialled, accepted] = [await client.sink.nextOpened(), await server.sink.nextOpened()];
    return { server, client, address, dialled, accepted };
  }

  it.each(loopbacks('tcp'))('stand between a dialler and a listener at %s, and carry bytes both ways in order', async (at) => {
    const { server, client, address, dialled, accepted } = await connected(at);
    expect(dialled).toMatchObject({ address });
    expect(dialled.path.startsWith(`${address}#`)).toBe(true);
    expect(accepted.address).toBeUndefined();
    expect(accepted.path).toMatch(/^tcp:\/\/(127\.0\.0\.1|\[::1\]):\d+#\d+$/);

    for (let i = 0; i < 1000; i++) client.links.transmit(dialled.path, bytes(`${i},`));
    server.links.transmit(accepted.path, bytes('welcome'));
    const sent = Array.from({ length: 1000 }, (_, i) => `${i},`).join('');
    expect(await server.sink.streamText(accepted.path, sent.length)).toBe(sent);
    expect(await client.sink.streamText(dialled.path, 7)).toBe('welcome');
    expect(client.sink.arrays.every((array) => Object.getPrototypeOf(array) === Uint8Array.prototype)).toBe(true);
  });

  it('have a path of their own each', async () => {
    const { client, server, address, dialled } = await connected();
    client.links.dial(address);
    const again = await client.sink.nextOpened();
    await server.sink.nextOpened();
    expect(again.address).toBe(address);
    expect(again.path).not.toBe(dialled.path);
  });

  it('are closed behind what was written, once, on both sides', async () => {
    const { client, server, dialled, accepted } = await connected();
    const content = 'x'.repeat(12_000_000);
    client.links.transmit(dialled.path, bytes(content));
    client.links.closePath(dialled.path);
    client.links.closePath(dialled.path);
    client.links.transmit(dialled.path, bytes('too late'));
    expect((await server.sink.streamText(accepted.path, content.length)).length).toBe(content.length);
    expect([await client.sink.nextClosed(), await server.sink.nextClosed()]).toEqual([dialled.path, accepted.path]);
    await Promise.all([client.links.close(), server.links.close()]);
    expect(client.sink.count('closed')).toBe(1);
    expect(server.sink.count('closed')).toBe(1);
    expect(server.sink.streamLength(accepted.path)).toBe(content.length);
  });

  it('deliver nothing any more once this side has closed them', async () => {
    const { address, accepted } = await openDeafServer();
    const client = openNode();
    client.links.dial(address);
    const { path } = await client.sink.nextOpened();
    await vi.waitFor(() => expect(accepted).toHaveLength(1));
    // What waits to be sent keeps the connection open while the peer's bytes come in.
    client.links.transmit(path, new Uint8Array(15 * 1024 * 1024));
    client.links.closePath(path);
    await new Promise((resolve) => accepted[0]?.write('too late', resolve));
    accepted[0]?.resume();
    await client.sink.nextClosed();
    expect(client.sink.streamLength(path)).toBe(0);
  });

  it('that linger while the peer takes nothing are broken after five seconds', async () => {
    const { address, accepted } = await openDeafServer();
    const client = openNode();
    client.links.dial(address);
    const { path } = await client.sink.nextOpened();
    await vi.waitFor(() => expect(accepted).toHaveLength(1));
    client.links.transmit(path, new Uint8Array(15 * 1024 * 1024));
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    client.links.closePath(path);
    vi.advanceTimersByTime(5_000);
    expect(await client.sink.nextClosed()).toBe(path);
  });

  it('end when the peer takes nothing and too much is waiting', async () => {
    const { address } = await openDeafServer();
    const client = openNode();
    client.links.dial(address);
    const { path } = await client.sink.nextOpened();
    // The kernels take some megabytes; behind those the writes stay here.
    for (let i = 0; i < 17; i++) client.links.transmit(path, new Uint8Array(1024 * 1024));
    for (let i = 0; i < 17; i++) client.links.transmit(path, new Uint8Array(1024 * 1024));
    expect(await client.sink.nextClosed()).toBe(path);
  });

  it('close here when the peer breaks them', async () => {
    const { address, accepted } = await openDeafServer();
    const client = openNode();
    client.links.dial(address);
    const { path } = await client.sink.nextOpened();
    await vi.waitFor(() => expect(accepted).toHaveLength(1));
    accepted[0]?.resetAndDestroy();
    expect(await client.sink.nextClosed()).toBe(path);
  });

  it('that cannot be opened are reported with the reason, and not from within the call', async () => {
    const client = openNode();
    const gone = await client.links.listen('tcp://127.0.0.1:0');
    await gone.close();
    const refused = [gone.address, 'tcp://station.invalid:7', 'tcp://127.0.0.1:0', 'udp://127.0.0.1:7', 'nonsense'];
    for (const address of refused) client.links.dial(address);
    expect(client.sink.count('dialFailed')).toBe(0);
    const messages = new Map<string, string>();
    for (const _ of refused) {
      const { address, message } = await client.sink.nextDialFailed();
      messages.set(address, message);
    }
    expect([...messages.keys()].sort()).toEqual([...refused].sort());
    expect(messages.get(gone.address)).toMatch(/^could not connect to tcp:\/\/127.0.0.1:\d+: connect ECONNREFUSED/);
    expect(messages.get('tcp://station.invalid:7')).toMatch(/station.invalid/);
    expect(messages.get('udp://127.0.0.1:7')).toMatch(/streams go to tcp/);
    expect(messages.get('nonsense')).toMatch(/is no link address/);
  });

  it('give a reason when several addresses of a name were tried in vain', async () => {
    const client = openNode();
    const gone = await client.links.listen('tcp://127.0.0.1:0');
    await gone.close();
    client.links.dial(`tcp://localhost:${portOf(gone.address)}`);
    expect((await client.sink.nextDialFailed()).message).toMatch(/ECONNREFUSED/);
  });

  it('are given up after thirty seconds without an answer', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const [server, client] = [openNode(), openNode()];
    const { address } = await server.links.listen('tcp://127.0.0.1:0');
    client.links.dial(address);
    // Within one turn of the event loop no answer can come in.
    vi.advanceTimersByTime(30_000);
    const failed = await client.sink.nextDialFailed();
    expect(failed).toEqual({ address, message: `could not connect to ${address}: no answer within 30 s` });
    expect(client.sink.count('opened')).toBe(0);
  });

  it('are accepted up to a number, and beyond it when others have ended', async () => {
    const server = openNode();
    const { address } = await server.links.listen('tcp://127.0.0.1:0');
    const clients: Socket[] = [];
    closers.push(() => {
      for (const socket of clients) socket.destroy();
    });
    const add = () => {
      const socket = netConnect(portOf(address), '127.0.0.1').on('error', () => undefined);
      clients.push(socket);
      return socket;
    };
    for (let i = 0; i < 256; i++) add();
    for (let i = 0; i < 256; i++) await server.sink.nextOpened();
    const surplus = add();
    await new Promise((resolve) => surplus.once('close', resolve));
    expect(server.sink.count('opened')).toBe(256);
    clients[0]?.destroy();
    await server.sink.nextClosed();
    add();
    await server.sink.nextOpened();
  });

  it('outlive the listener that accepted them, whose port is free again', async () => {
    const [server, client] = [openNode(), openNode()];
    const listener = await server.links.listen('tcp://127.0.0.1:0');
    client.links.dial(listener.address);
    const { path } = await client.sink.nextOpened();
    const accepted = await server.sink.nextOpened();
    await listener.close();
    await listener.close();
    client.links.transmit(path, bytes('still here'));
    expect(await server.sink.streamText(accepted.path, 10)).toBe('still here');
    const again = await server.links.listen(listener.address);
    expect(again.address).toBe(listener.address);
  });
});

describe('listening', () => {
  it.each(['udp', 'tcp'])('at a %s port that is taken is refused as busy', async (scheme) => {
    const { links } = openNode();
    const { address } = await links.listen(`${scheme}://127.0.0.1:0`);
    expect(await refusal(links, address)).toEqual(['GodwitError', 'PORT_BUSY', true]);
  });

  it.each(['udp', 'tcp'])('at a %s address that this machine does not have is refused as unavailable', async (scheme) => {
    const { links } = openNode();
    // 192.0.2.0/24 is for documentation and nobody's (RFC 5737).
    expect(await refusal(links, `${scheme}://192.0.2.1:0`)).toEqual(['GodwitError', 'ADDRESS_UNAVAILABLE', true]);
    expect(await refusal(links, `${scheme}://station.invalid:0`)).toEqual(['GodwitError', 'ADDRESS_UNAVAILABLE', true]);
  });

  it('at what is no address is refused as malformed', async () => {
    const { links } = openNode();
    for (const text of ['127.0.0.1:7', 'udp://127.0.0.1', 'quic://127.0.0.1:7']) {
      expect(await refusal(links, text)).toEqual(['GodwitError', 'ADDRESS_MALFORMED', false]);
    }
  });

  it.skipIf(noIpv6)('works for both families on one port', async () => {
    const { links } = openNode();
    for (const scheme of ['udp', 'tcp']) {
      const { address } = await links.listen(`${scheme}://[::]:0`);
      expect((await links.listen(`${scheme}://0.0.0.0:${portOf(address)}`)).address).toBe(`${scheme}://0.0.0.0:${portOf(address)}`);
    }
  });
});

describe('closing', () => {
  it('ends everything, tells the peer, and calls nobody back', async () => {
    const [server, client] = [openNode(), openNode()];
    const udp = await server.links.listen('udp://127.0.0.1:0');
    const tcp = await server.links.listen('tcp://127.0.0.1:0');
    client.links.dial(tcp.address);
    await client.sink.nextOpened();
    await server.sink.nextOpened();
    client.links.dial(tcp.address);
    client.links.transmit(udp.address, bytes('x'));
    const before = client.sink.events.length;
    await client.links.close();
    expect(client.sink.events.length).toBe(before);
    await server.sink.nextClosed();
    await server.links.close();
    // What was bound is free, and a driver that is closed does nothing.
    const other = openNode();
    expect((await other.links.listen(udp.address)).address).toBe(udp.address);
    expect((await other.links.listen(tcp.address)).address).toBe(tcp.address);
    client.links.transmit(udp.address, bytes('late'));
    client.links.dial(tcp.address);
    client.links.dial('nonsense');
    client.links.closePath('tcp://127.0.0.1:1#1');
    await client.links.close();
    expect(client.sink.events.length).toBe(before);
    expect(other.sink.events).toEqual([]);
  });

  it.each(['udp', 'tcp'])('makes a %s listen under way reject, and leaves nothing open', async (scheme) => {
    const [late, other] = [openNode(), openNode()];
    const free = await other.links.listen(`${scheme}://127.0.0.1:0`);
    await free.close();
    const listening = refusal(late.links, free.address);
    await late.links.close();
    expect(await listening).toEqual(['GodwitError', 'ABORTED', false]);
    expect((await other.links.listen(free.address)).address).toBe(free.address);
  });

  it('is possible before starting; anything else is not', async () => {
    const links = openSocketLinks();
    expect(() => links.dial('tcp://127.0.0.1:1')).toThrow(/started/);
    await links.close();
  });
});
