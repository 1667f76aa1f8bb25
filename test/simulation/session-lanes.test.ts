import { describe, expect, it } from 'vitest';
import type { PathKind } from '../../src/session/ledger.ts';
import { RangeSet } from '../../src/session/range-set.ts';
import type { LinkModel } from '../../src/simulation/virtual-link.ts';
import { saturate } from './session-load.ts';
import { dial, sessionPair } from './session-pair.ts';

/** Two ways between two members at once: a quick narrow one, 'wire', and a wide slow one, 'sat'. */

const radio = { rateBytesPerSecond: 32_000, delayMs: 50, queueBytes: 65_536 } satisfies LinkModel;
const satellite = { rateBytesPerSecond: 125_000, delayMs: 300, queueBytes: 200_000 } satisfies LinkModel;
const bothBytesPerSecond = radio.rateBytesPerSecond + satellite.rateBytesPerSecond;

/** A pair that speaks by both ways from the first second on, bulk without end from A to B. */
function pairOfTwoWays(kinds: readonly [PathKind, PathKind], seed = 1) {
  const pair = sessionPair(seed, kinds[0], radio);
  const ways = [pair.links, pair.lay('sat', kinds[1], satellite)] as const;
  const meter = saturate(pair);
  dial(pair, kinds[0]);
  pair.agenda.runUntil(1000);
  if (kinds[1] === 'stream') {
    for (const end of [pair.a, pair.b]) end.endpoint.handle({ type: 'path-opened', path: 'sat', kind: 'stream' }, pair.agenda.now);
  }
  expect(pair.a.endpoint.addPath(pair.a.session!, 'sat', kinds[1], pair.agenda.now)).toBe(true);
  pair.wires.pump(pair.a);
  return { pair, meter, ways };
}

describe.each([
  ['datagrams by both', ['datagram', 'datagram']],
  ['datagrams and a stream', ['datagram', 'stream']],
  ['a stream and datagrams', ['stream', 'datagram']],
] as const)('a session with two ways: %s', (_, kinds) => {
  it('fills both with bulk', () => {
    const { pair, meter } = pairOfTwoWays(kinds);
    pair.agenda.runUntil(10_000);
    const before = meter.received;
    pair.agenda.runUntil(40_000);
    expect((meter.received - before) / 30).toBeGreaterThan(0.85 * bothBytesPerSecond);
  });

  it('sends urgent messages by the quicker while the other carries bulk', () => {
    const { pair, meter } = pairOfTwoWays(kinds);
    const sentAt: number[] = [];
    const delays: number[] = [];
    const countBulk = pair.b.react;
    pair.b.react = (output) => {
      countBulk(output);
      if (output.type === 'message') delays.push(pair.agenda.now.monotonicMs - sentAt[output.bytes[0]!]!);
    };
    pair.agenda.runUntil(10_000);
    const before = meter.received;
    for (let i = 0; i < 80; i++) {
      sentAt.push(pair.agenda.now.monotonicMs);
      pair.a.endpoint.sendMessage(pair.a.session!, 'critical', new Uint8Array(200).fill(i), pair.agenda.now);
      pair.wires.pump(pair.a);
      pair.agenda.runUntil(10_000 + (i + 1) * 500 + ((i * 37) % 200));
    }
    delays.sort((x, y) => x - y);
    expect(delays.length).toBe(80);
    // A slow stream has up to 200 ms of bulk in the buffers below.
    expect(delays[delays.length >> 1]!).toBeLessThanOrEqual(kinds[0] === 'datagram' ? 2 * radio.delayMs + 60 : radio.delayMs + 200);
    expect((meter.received - before) / 40).toBeGreaterThan(0.9 * satellite.rateBytesPerSecond);
  });

  it.each([0, 1])('loses nothing when one of them dies (%d), and the other goes on', (dead) => {
    const { pair, ways } = pairOfTwoWays(kinds, 7);
    const got = new RangeSet();
    const said: number[] = [];
    let repeated = 0;
    let lastGapMs = 0;
    let lastAt = 0;
    pair.b.react = (output) => {
      if (output.type === 'message') said.push(output.bytes[0]!);
      if (output.type !== 'data') return;
      const fresh = got.add(output.offset, output.offset + output.bytes.length);
      repeated += output.bytes.length - fresh.reduce((sum, { start, end }) => sum + end - start, 0);
      const at = pair.agenda.now.monotonicMs;
      if (at > 5000) lastGapMs = Math.max(lastGapMs, at - lastAt);
      lastAt = at;
    };
    const refill = pair.a.react;
    pair.a.react = (output) => {
      if (pair.agenda.now.monotonicMs < 20_000) refill(output);
    };
    pair.agenda.runUntil(5000);
    for (const link of ways[dead as 0 | 1]) link.change({ ...(dead === 0 ? radio : satellite), outages: [{ fromMs: 5000, untilMs: 1e9 }] });
    for (let i = 0; i < 10; i++) {
      pair.a.endpoint.sendMessage(pair.a.session!, i % 2 === 0 ? 'critical' : 'normal', Uint8Array.of(i), pair.agenda.now);
      pair.wires.pump(pair.a);
      pair.agenda.runUntil(5000 + (i + 1) * 300);
    }
    pair.agenda.runUntil(60_000);
    expect(said.toSorted((x, y) => x - y)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    // Everything from where this test began to listen, without a hole.
    const [first, ...later] = got.ranges.filter(({ start }) => start > 0);
    expect([first?.end, later]).toEqual([got.ranges.at(-1)?.end, []]);
    expect(repeated).toBe(0);
    expect(lastGapMs).toBeLessThan(3 * 2 * satellite.delayMs + 3000);
    expect(pair.a.outputs.some(({ type }) => type === 'suspended')).toBe(false);
  });
});
