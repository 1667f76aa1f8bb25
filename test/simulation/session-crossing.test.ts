import { describe, expect, it } from 'vitest';
import { later } from '../../src/core/time.ts';
import type { SessionId } from '../../src/session/endpoint.ts';
import type { LinkModel } from '../../src/simulation/virtual-link.ts';
import { type SessionPair, sessionPair, type TestEnd, teamSecret } from './session-pair.ts';

/** Two ends that dial each other at once, and again two seconds after they are left without a session. */
function dialEachOther(pair: SessionPair, laterMs: number): { readonly standing: Map<TestEnd, Set<SessionId>>; dials: number } {
  const state = { standing: new Map<TestEnd, Set<SessionId>>(), dials: 0 };
  for (const [end, other, atMs] of [
    [pair.a, pair.b, 0],
    [pair.b, pair.a, laterMs],
  ] as const) {
    const standing = new Set<SessionId>();
    let dialling: SessionId | undefined;
    state.standing.set(end, standing);
    const dial = () => {
      if (standing.size > 0 || dialling !== undefined) return;
      state.dials++;
      dialling = end.endpoint.connect(
        { path: 'wire', kind: 'datagram', remoteStatic: other.publicKey, secret: teamSecret },
        pair.agenda.now,
      );
      pair.wires.pump(end);
    };
    end.react = (output) => {
      if (output.type === 'established') standing.add(output.session);
      if (output.type === 'closed') standing.delete(output.session);
      if ((output.type === 'established' || output.type === 'closed') && output.session === dialling) dialling = undefined;
      if (output.type === 'closed') pair.agenda.at(later(pair.agenda.now.monotonicMs, 2000), dial);
    };
    pair.agenda.at(later(pair.agenda.now.monotonicMs, atMs), dial);
  }
  return state;
}

const links: readonly [string, LinkModel][] = [
  ['HF, 6 to 18 s there and back', { rateBytesPerSecond: 440, delayMs: 3050, jitterMs: 6000, lossRatio: 0.05, queueBytes: 4000 }],
  ['a satellite', { rateBytesPerSecond: 30_000, delayMs: 300, queueBytes: 30_000 }],
  ['a LAN', { rateBytesPerSecond: 1e7, delayMs: 0.2 }],
];

describe.each(links)('two ends that dial each other at once over %s', (_, model) => {
  it('end with the same session, and are quiet then', () => {
    for (let seed = 1; seed <= 12; seed++) {
      const pair = sessionPair(seed, 'datagram', model);
      const state = dialEachOther(pair, (seed * (2 * (model.delayMs ?? 0))) / 12);
      pair.agenda.runUntil(240_000);
      const before = pair.links[0].counts.bytesEntered + pair.links[1].counts.bytesEntered;
      pair.agenda.runUntil(900_000);
      expect([...state.standing.values()].map(({ size }) => size)).toEqual([1, 1]);
      expect(pair.links[0].counts.bytesEntered + pair.links[1].counts.bytesEntered).toBe(before);
      expect(before).toBeLessThan(3500);
      const [[a], [b]] = [...state.standing.values()].map((ids) => [...ids]) as [[SessionId], [SessionId]];
      let heard = 0;
      pair.b.react = (output) => {
        if (output.type === 'message' && output.session === b) heard++;
      };
      pair.a.endpoint.sendMessage(a, 'critical', Uint8Array.of(1), pair.agenda.now);
      pair.wires.pump(pair.a);
      pair.agenda.runUntil(1_000_000);
      expect(heard).toBe(1);
    }
  });
});
