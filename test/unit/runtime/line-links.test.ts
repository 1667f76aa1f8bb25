import { Duplex, duplexPair } from 'node:stream';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { LinkDriver } from '../../../src/ports/links.ts';
import { encodeLinePacket, linePacketBytesMax } from '../../../src/runtime/line-framing.ts';
import type { NamedLines } from '../../../src/runtime/line-links.ts';
import { openSocketLinks } from '../../../src/runtime/socket-links.ts';
import { LinkRecorder } from '../../e2e/link-recorder.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const close of closers.splice(0).reverse()) await close();
});

function openNode(lines: NamedLines): { readonly links: LinkDriver; readonly sink: LinkRecorder } {
  const links = openSocketLinks(lines);
  const sink = new LinkRecorder();
  links.start(sink);
  closers.push(() => links.close());
  return { links, sink };
}

const bytes = (text: string) => new TextEncoder().encode(text);

describe('a stream lent by the host program', () => {
  test('carries datagrams both ways, to whoever listens and whoever sends first', async () => {
    const [near, far] = duplexPair();
    const listening = openNode({ radio: () => far });
    const sending = openNode({ modem: () => near });
    expect((await listening.links.listen('line:radio')).address).toBe('line:radio');
    sending.links.transmit('line:modem', bytes('hello'));
    expect(await listening.sink.nextDatagram()).toEqual({ path: 'line:radio', text: 'hello' });
    listening.links.transmit('line:radio', bytes('welcome'));
    expect(await sending.sink.nextDatagram()).toEqual({ path: 'line:modem', text: 'welcome' });
  });

  test('drops what is longer than a packet may be, and what comes as noise', async () => {
    const [near, far] = duplexPair();
    const listening = openNode({ radio: () => far });
    const { links } = openNode({ radio: () => near });
    await listening.links.listen('line:radio');
    links.transmit('line:radio', new Uint8Array(linePacketBytesMax + 1));
    links.transmit('line:radio', new Uint8Array(linePacketBytesMax));
    expect((await listening.sink.nextDatagram()).text.length).toBe(linePacketBytesMax);
    near.write(Uint8Array.of(1, 2, 3, 0, 4, 0));
    links.transmit('line:radio', bytes('after'));
    expect((await listening.sink.nextDatagram()).text).toBe('after');
  });

  test('keeps no more than 32 KiB that the line does not take', async () => {
    let takeOn: () => void = () => undefined;
    const written: number[] = [];
    const slow = new Duplex({
      read: () => undefined,
      write: (chunk, _, done) => {
        written.push(chunk.length);
        takeOn = done;
      },
    });
    const { links } = openNode({ radio: () => slow });
    await links.listen('line:radio');
    for (let i = 0; i < 100; i++) links.transmit('line:radio', new Uint8Array(1000).fill(1));
    const each = encodeLinePacket(new Uint8Array(1000).fill(1)).length;
    await vi.waitFor(() => expect(written).toEqual([each]));
    takeOn();
    await vi.waitFor(() => expect(written).toEqual([each, each * Math.floor((32 * 1024) / each)]));
  });

  test('that ends is opened again while somebody listens, not sooner than after five seconds', async () => {
    const pairs: [Duplex, Duplex][] = [];
    const { links, sink } = openNode({
      radio: () => {
        // In between it cannot be opened.
        if (pairs.length === 1) {
          pairs.push(duplexPair());
          throw new Error('unplugged');
        }
        pairs.push(duplexPair());
        return pairs.at(-1)![1];
      },
    });
    await links.listen('line:radio');
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    pairs[0]![1].destroy();
    await vi.advanceTimersByTimeAsync(4_900);
    links.transmit('line:radio', bytes('dropped'));
    expect(pairs.length).toBe(1);
    await vi.advanceTimersByTimeAsync(200);
    expect(pairs.length).toBe(2);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(pairs.length).toBe(3);
    pairs[2]![0].write(encodeLinePacket(bytes('back')));
    vi.useRealTimers();
    expect((await sink.nextDatagram()).text).toBe('back');
  });

  test('whose writing fails is given up', async () => {
    const broken = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done(new Error('no carrier')) });
    const { links } = openNode({ radio: () => broken });
    await links.listen('line:radio');
    links.transmit('line:radio', bytes('x'));
    await vi.waitFor(() => expect(broken.destroyed).toBe(true));
  });

  test('that nobody listens on any more is closed, also when it was being opened', async () => {
    const [near] = duplexPair();
    const { links } = openNode({ radio: () => near });
    const listeners = [await links.listen('line:radio'), await links.listen('line:radio')];
    await listeners[0]!.close();
    await listeners[0]!.close();
    expect(near.destroyed).toBe(false);
    await listeners[1]!.close();
    expect(near.destroyed).toBe(true);

    const [late] = duplexPair();
    let hand: (line: Duplex) => void = () => undefined;
    const other = openNode({
      radio: () =>
        new Promise((resolve) => {
          hand = resolve;
        }),
    });
    const listening = other.links.listen('line:radio').catch((error) => error.code);
    await other.links.close();
    hand(late);
    expect(await listening).toBe('ABORTED');
    expect(late.destroyed).toBe(true);
  });
});

test('what is no line, is not there or cannot be opened is said when listening, and is silence when sending', async () => {
  const { links, sink } = openNode({
    radio: () => {
      throw new Error('unplugged');
    },
  });
  const codes = async (address: string) => links.listen(address).catch((error) => [error.code, error.retryable]);
  expect(await codes('line:radio')).toEqual(['ADDRESS_UNAVAILABLE', true]);
  expect(await codes('line:toString')).toEqual(['ADDRESS_UNAVAILABLE', false]);
  expect(await codes('line:a b')).toEqual(['ADDRESS_MALFORMED', false]);
  expect(await codes('serial:/dev/nothing?speed=9')).toEqual(['ADDRESS_MALFORMED', false]);
  expect(await codes('serial:/dev/no-such-port')).toEqual(['ADDRESS_UNAVAILABLE', true]);
  for (const address of ['line:radio', 'line:a b', 'line:nobody', 'serial:']) links.transmit(address, bytes('x'));
  await new Promise((resolve) => setImmediate(resolve));
  expect(sink.events).toEqual([]);
});
