import { expect, it } from 'vitest';
import type { LinkModel } from '../../src/simulation/virtual-link.ts';
import { saturate } from './session-load.ts';
import { dial, sessionPair } from './session-pair.ts';

const minute = 60_000;
const outage = { fromMs: 10_000, untilMs: 10_000 + 20 * minute };
const link: LinkModel = { rateBytesPerSecond: 31_250, delayMs: 100, queueBytes: 16_000 };

it.each([true, false])(
  'data arrives within one way of a link that came back when something says so, and after the next probe when nothing does (told: %j)',
  (isTold) => {
    const pair = sessionPair(3, 'datagram', { ...link, outages: [outage] });
    const meter = saturate(pair);
    const session = dial(pair, 'datagram');
    pair.agenda.runUntil(outage.untilMs + 1);
    const before = meter.received;
    if (isTold) {
      pair.a.endpoint.reach(session, pair.agenda.now);
      pair.wires.pump(pair.a);
    }
    // One way, and the transmission of a full packet.
    pair.agenda.runUntil(outage.untilMs + 100 + 50);
    if (isTold) expect(meter.received).toBeGreaterThan(before);
    else expect(meter.received).toBe(before);
    // Asked every twentieth of the silence, which is a minute by then.
    pair.agenda.runUntil(outage.untilMs + 2 * minute);
    expect(meter.received - before).toBeGreaterThan(0.85 * 31_250 * (isTold ? 110 : 50));
  },
);

it('what waits last of all is repeated when something says that the link is back', () => {
  const pair = sessionPair(4, 'datagram', { ...link, outages: [outage] });
  const session = dial(pair, 'datagram');
  pair.agenda.runUntil(outage.fromMs + 1000);
  for (const text of ['one', 'two']) pair.a.endpoint.sendMessage(session, 'normal', new TextEncoder().encode(text), pair.agenda.now);
  pair.wires.pump(pair.a);
  pair.agenda.runUntil(outage.untilMs + 1);
  const messages = () => pair.b.outputs.flatMap((output) => (output.type === 'message' ? [new TextDecoder().decode(output.bytes)] : []));
  expect(messages()).toEqual([]);
  pair.a.endpoint.reach(session, pair.agenda.now);
  pair.wires.pump(pair.a);
  pair.agenda.runUntil(outage.untilMs + 120);
  expect(messages()).toEqual(['one', 'two']);
});

it('a link that came back a thousand times slower is not flooded with what the one before carried', () => {
  const slow = { rateBytesPerSecond: 75, delayMs: 300, queueBytes: 2000 };
  const pair = sessionPair(5, 'datagram', { rateBytesPerSecond: 1_000_000, delayMs: 1, outages: [outage] });
  const meter = saturate(pair);
  dial(pair, 'datagram');
  pair.agenda.runUntil(outage.fromMs + minute);
  for (const each of pair.links) each.change({ ...slow, outages: [outage] });
  pair.agenda.runUntil(outage.untilMs);
  const [before, received] = [pair.links[0].counts.bytesEntered, meter.received];
  const seconds = 600;
  pair.agenda.runUntil(outage.untilMs + seconds * 1000);
  const carried = slow.rateBytesPerSecond * seconds;
  expect(pair.links[0].counts.bytesEntered - before).toBeLessThan(1.15 * carried + slow.queueBytes);
  expect((meter.received - received) / carried).toBeGreaterThan(0.75);
});
