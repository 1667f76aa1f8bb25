import { beforeEach, describe, expect, it } from 'vitest';
import type { IpHost } from '../../../src/runtime/link-address.ts';
import { UdpPaths } from '../../../src/runtime/udp-paths.ts';

const a: IpHost = { host: '192.0.2.1', family: 4 };
const b: IpHost = { host: '192.0.2.2', family: 4 };
const b6: IpHost = { host: '2001:db8::2', family: 6 };

describe('udp paths', () => {
  let paths: UdpPaths<string>;
  beforeEach(() => {
    paths = new UdpPaths();
  });

  /** The text of the path that a datagram from a host belongs to. */
  const heard = (host: IpHost, port = 7001, socket = 'listener', now = 0) => paths.heard({ ...host, port }, socket, now)?.text;
  const opened = (text: string) => {
    const path = paths.toSend(text);
    if (path === undefined) throw new Error(`${text} is no path`);
    return path;
  };
  /** Where the next datagram goes, and from which socket if that is settled. */
  const next = (text: string) => {
    const endpoint = paths.nextEndpoint(opened(text));
    return endpoint && `${endpoint.host}:${endpoint.port} ${endpoint.socket ?? 'any'}`;
  };
  const found = (text: string, hosts: readonly IpHost[], now = 0) => paths.lookedUp(opened(text), hosts, now);

  it('are named after a stranger by its address', () => {
    expect(heard(a)).toBe('udp://192.0.2.1:7001');
    expect(heard(b6, 9)).toBe('udp://[2001:db8::2]:9');
    expect(heard({ host: 'fe80::1%eth0', family: 6 })).toBe('udp://[fe80::1%eth0]:7001');
  });

  it('answer from the socket that was heard last', () => {
    expect(next('udp://192.0.2.1:7001')).toBe('192.0.2.1:7001 any');
    heard(a, 7001, 'first');
    expect(next('udp://192.0.2.1:7001')).toBe('192.0.2.1:7001 first');
    heard(a, 7001, 'second');
    expect(next('udp://192.0.2.1:7001')).toBe('192.0.2.1:7001 second');
  });

  it('keep apart the ports of one host', () => {
    heard(a, 1, 'first');
    expect(next('udp://192.0.2.1:2')).toBe('192.0.2.1:2 any');
  });

  it('do not take part in datagrams that cannot be answered', () => {
    expect(heard(a, 0)).toBeUndefined();
  });

  it.each(['tcp://192.0.2.1:1', 'udp://192.0.2.1:0', 'udp://192.0.2.1', 'nonsense'])('are not made of %s', (text) => {
    expect(paths.toSend(text)).toBeUndefined();
  });

  it('keep the spelling that was dialled', () => {
    next('udp://[2001:DB8:0::2]:7001');
    expect(heard(b6)).toBe('udp://[2001:DB8:0::2]:7001');
  });

  it('of one address go by the text that was sent to last', () => {
    heard(a);
    next('udp://station.example:7001');
    found('udp://station.example:7001', [a]);
    expect(heard(a)).toBe('udp://station.example:7001');
    expect(next('udp://station.example:7001')).toBe('192.0.2.1:7001 listener');
    expect(next('udp://192.0.2.1:7001')).toBe('192.0.2.1:7001 listener');
    expect(heard(a)).toBe('udp://192.0.2.1:7001');
  });

  describe('by name', () => {
    const text = 'udp://station.example:7001';

    it('have nowhere to go before the name is looked up', () => {
      expect(paths.isLookupDue(opened(text), 0)).toBe(true);
      expect(next(text)).toBeUndefined();
    });

    it('hold back a few datagrams until then, the oldest', () => {
      for (let i = 0; i < 100; i++) paths.holdBack(opened(text), Uint8Array.of(i));
      expect(found(text, [a])).toEqual(Array.from({ length: 16 }, (_, i) => Uint8Array.of(i)));
      expect(found(text, [a])).toEqual([]);
    });

    it('try the addresses in turn until one answers, and keep to that one', () => {
      found(text, [a, b, b6]);
      expect([next(text), next(text), next(text), next(text)]).toEqual([
        '192.0.2.1:7001 any',
        '192.0.2.2:7001 any',
        '2001:db8::2:7001 any',
        '192.0.2.1:7001 any',
      ]);
      expect(heard(b)).toBe(text);
      expect([next(text), next(text)]).toEqual(['192.0.2.2:7001 listener', '192.0.2.2:7001 listener']);
    });

    it('stay one path when the peer speaks from another of its addresses', () => {
      found(text, [a, b6]);
      expect([heard(a), heard(b6)]).toEqual([text, text]);
      expect(next(text)).toBe('2001:db8::2:7001 listener');
    });

    it('try four addresses at most', () => {
      found(
        text,
        Array.from({ length: 9 }, (_, i): IpHost => ({ host: `192.0.2.${i}`, family: 4 })),
      );
      expect(new Set(Array.from({ length: 20 }, () => next(text))).size).toBe(4);
    });

    it('are not looked up twice at once', () => {
      opened(text).lookingUp = true;
      expect(paths.isLookupDue(opened(text), 1e9)).toBe(false);
      found(text, [], 0);
      expect(paths.isLookupDue(opened(text), 1e9)).toBe(true);
    });

    it('are looked up again after a minute of silence, or after five seconds when nothing was found', () => {
      found(text, [], 0);
      expect([5_000, 5_001].map((now) => paths.isLookupDue(opened(text), now))).toEqual([false, true]);
      found(text, [a], 6_000);
      expect([66_000, 66_001].map((now) => paths.isLookupDue(opened(text), now))).toEqual([false, true]);
      heard(a, 7001, 'listener', 50_000);
      expect([110_000, 110_001].map((now) => paths.isLookupDue(opened(text), now))).toEqual([false, true]);
    });

    it('follow the name to a new address and leave the old one', () => {
      found(text, [a]);
      heard(a);
      found(text, [b]);
      expect(next(text)).toBe('192.0.2.2:7001 any');
      expect([heard(b), heard(a)]).toEqual([text, 'udp://192.0.2.1:7001']);
    });

    it('try what answered before first, and then the others again', () => {
      found(text, [a, b]);
      heard(b);
      found(text, [a, b]);
      expect([next(text), next(text), next(text)]).toEqual(['192.0.2.2:7001 listener', '192.0.2.1:7001 any', '192.0.2.2:7001 listener']);
    });

    it('keep the old address when the name is not found any more', () => {
      found(text, [a]);
      found(text, []);
      expect(next(text)).toBe('192.0.2.1:7001 any');
    });
  });

  it('by address are never looked up', () => {
    expect(paths.isLookupDue(opened('udp://192.0.2.1:7001'), 1e9)).toBe(false);
  });

  describe('in great number', () => {
    const stranger = (i: number): IpHost => ({ host: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, family: 4 });

    it('forget strangers, but never a peer that was sent to', () => {
      next('udp://192.0.2.1:7001');
      heard(a, 7001, 'listener');
      for (let i = 0; i < 5000; i++) heard(stranger(i), 1, 'flood');
      expect(next('udp://192.0.2.1:7001')).toBe('192.0.2.1:7001 listener');
      expect(next('udp://10.0.0.0:1')).toBe('10.0.0.0:1 any');
      expect(next('udp://10.0.19.135:1')).toBe('10.0.19.135:1 flood');
    });

    it('forget the peer that was used longest ago', () => {
      heard(a, 1);
      heard(b, 1);
      next('udp://192.0.2.1:1');
      next('udp://192.0.2.2:1');
      for (let i = 0; i < 4095; i++) {
        next('udp://192.0.2.1:1');
        next(`udp://${stranger(i).host}:1`);
      }
      expect(next('udp://192.0.2.1:1')).toBe('192.0.2.1:1 listener');
      expect(next('udp://192.0.2.2:1')).toBe('192.0.2.2:1 any');
    });

    it('report a forgotten peer under its address', () => {
      found('udp://station.example:7001', [a]);
      for (let i = 0; i < 4096; i++) next(`udp://${stranger(i).host}:1`);
      expect(heard(a)).toBe('udp://192.0.2.1:7001');
    });
  });
});
