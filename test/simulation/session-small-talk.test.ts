import { describe, expect, it } from 'vitest';
import { later } from '../../src/core/time.ts';
import { dial, type SessionPair, sessionPair, type TestEnd } from './session-pair.ts';

/** What passes when A says something, B answers after its disk has written it, and so on, `turns` times in all; and when the last word is there. */
function talk(pair: SessionPair, turns: number, thinkMs: number) {
  let turn = 0;
  let arrivedAt = 0;
  const say = (end: TestEnd) => {
    turn++;
    end.endpoint.sendMessage(end.session!, 'critical', new Uint8Array(100), pair.agenda.now);
    pair.wires.pump(end);
  };
  const answerer = (end: TestEnd) => (output: { readonly type: string }) => {
    if (output.type !== 'message') return;
    arrivedAt = pair.agenda.now.monotonicMs;
    if (turn < turns) pair.agenda.at(later(pair.agenda.now.monotonicMs, thinkMs), () => say(end));
  };
  dial(pair, 'datagram');
  pair.agenda.runUntil(10_000);
  pair.a.react = answerer(pair.a);
  pair.b.react = answerer(pair.b);
  const packets = () => pair.links[0].counts.packetsEntered + pair.links[1].counts.packetsEntered;
  const [before, begunAt] = [packets(), pair.agenda.now.monotonicMs];
  say(pair.a);
  pair.agenda.runUntil(begunAt + 20_000);
  return { packets: packets() - before, lastMs: arrivedAt - begunAt };
}

describe('a conversation of small messages', () => {
  it.each([
    { rttMs: 2, thinkMs: 30 },
    { rttMs: 60, thinkMs: 40 },
    { rttMs: 600, thinkMs: 60 },
  ])('at $rttMs ms, with $thinkMs ms to think, takes one packet a message and one more acknowledgement', ({ rttMs, thinkMs }) => {
    const pair = sessionPair(1, 'datagram', { rateBytesPerSecond: 125_000, delayMs: rttMs / 2 });
    expect(talk(pair, 5, thinkMs).packets).toBe(6);
  });

  it('repeats a last word that was lost within a round trip and a quarter of a second', () => {
    const pair = sessionPair(1, 'datagram', { rateBytesPerSecond: 125_000, delayMs: 30 });
    dial(pair, 'datagram');
    pair.agenda.runUntil(10_000);
    let arrivedAt = 0;
    pair.b.react = (output) => {
      if (output.type === 'message') arrivedAt = pair.agenda.now.monotonicMs;
    };
    pair.links[0].change({ rateBytesPerSecond: 125_000, delayMs: 30, lossRatio: 1 });
    pair.a.endpoint.sendMessage(pair.a.session!, 'critical', new Uint8Array(100), pair.agenda.now);
    pair.wires.pump(pair.a);
    pair.agenda.runUntil(10_010);
    pair.links[0].change({ rateBytesPerSecond: 125_000, delayMs: 30 });
    pair.agenda.runUntil(12_000);
    expect(arrivedAt - 10_000).toBeGreaterThan(60);
    expect(arrivedAt - 10_000).toBeLessThan(60 + 30 + 250);
  });
});
