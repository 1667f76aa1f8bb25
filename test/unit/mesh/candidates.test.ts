import { expect, test } from 'vitest';
import type { NodeId } from '../../../src/core/identifiers.ts';
import type { MonotonicMs } from '../../../src/core/time.ts';
import { Candidates } from '../../../src/mesh/candidates.ts';

const [low, middle, high] = ['11', '55', '99'].map((digits) => digits.repeat(32)) as [NodeId, NodeId, NodeId];
const at = (ms: number): MonotonicMs => ms as MonotonicMs;

function table(): { readonly candidates: Candidates; readonly heard: Set<NodeId> } {
  const heard = new Set<NodeId>();
  return { candidates: new Candidates(middle, (peer) => heard.has(peer)), heard };
}

test('of two nodes that see each other the smaller dials at once and the larger a second later', () => {
  const { candidates } = table();
  candidates.offer(high, 'udp://h:1', 'beacon', at(0));
  candidates.offer(low, 'udp://l:1', 'beacon', at(0));
  expect(candidates.due(at(0))).toEqual([{ peer: high, address: 'udp://h:1' }]);
  expect(candidates.nextDeadline()?.at).toBe(1000);
  expect(candidates.due(at(1000))).toEqual([{ peer: low, address: 'udp://l:1' }]);
});

test('hearing of a peer in several ways leads to one attempt at an address', () => {
  const { candidates } = table();
  for (const means of ['beacon', 'dns-sd', 'peer', 'host'] as const) candidates.offer(high, 'udp://h:1', means, at(0));
  expect(candidates.due(at(0))).toHaveLength(1);
  expect(candidates.due(at(2000))).toEqual([]);
  expect(candidates.list()).toEqual([{ peer: high, address: 'udp://h:1', means: 'beacon', failures: 0 }]);
});

test('the last known address goes first, and the next joins after a second without an answer', () => {
  const { candidates } = table();
  candidates.offer(high, 'udp://new:1', 'beacon', at(0));
  candidates.offer(high, 'udp://old:1', 'last-known', at(0));
  expect(candidates.due(at(0))).toEqual([{ peer: high, address: 'udp://old:1' }]);
  expect(candidates.due(at(999))).toEqual([]);
  expect(candidates.due(at(1000))).toEqual([{ peer: high, address: 'udp://new:1' }]);
});

test('a peer that is heard is not dialled, and is when it is lost', () => {
  const { candidates, heard } = table();
  heard.add(high);
  candidates.offer(high, 'udp://h:1', 'beacon', at(0));
  expect([candidates.due(at(0)), candidates.nextDeadline()]).toEqual([[], undefined]);
  heard.delete(high);
  candidates.lost(high, at(500_000));
  expect(candidates.due(at(500_500))).toHaveLength(1);
});

test('an address that fails is tried at longer and longer intervals, however often it is heard of', () => {
  const { candidates } = table();
  let attempts = 0;
  for (let ms = 0; ms < 600_000; ms += 500) {
    candidates.offer(high, 'udp://h:1', 'beacon', at(ms));
    for (const { peer, address } of candidates.due(at(ms))) {
      attempts++;
      candidates.failed(peer, address, at(ms));
    }
  }
  expect(attempts).toBeGreaterThan(6);
  expect(attempts).toBeLessThan(13);
});

test('all attempts together are limited, so that forged sightings cost a trickle', () => {
  const { candidates } = table();
  let attempts = 0;
  for (let ms = 0; ms < 60_000; ms += 100) {
    const peer = `f${(ms / 100).toString(16).padStart(4, '0')}`.padEnd(64, '0') as NodeId;
    candidates.offer(peer, `udp://h${ms}:1`, 'beacon', at(ms));
    attempts += candidates.due(at(ms)).length;
  }
  expect(attempts).toBeLessThanOrEqual(32 + 60);
  expect(attempts).toBeGreaterThan(60);
  expect(candidates.nextDeadline()?.at).toBeGreaterThan(59_900);
});

test('of one peer no more than eight addresses are kept, and those that fail go first', () => {
  const { candidates } = table();
  candidates.offer(high, 'udp://bad:1', 'beacon', at(0));
  for (const { peer, address } of candidates.due(at(0))) candidates.failed(peer, address, at(0));
  for (let port = 1; port <= 8; port++) candidates.offer(high, `udp://h:${port}`, 'peer', at(1));
  const kept = candidates.list().map(({ address }) => address);
  expect(kept).toHaveLength(8);
  expect(kept).not.toContain('udp://bad:1');
});

test('an address nothing has spoken of for long is forgotten', () => {
  const { candidates } = table();
  candidates.offer(high, 'udp://h:1', 'beacon', at(0));
  expect(candidates.due(at(300_000))).toEqual([]);
  expect([candidates.list(), candidates.nextDeadline()]).toEqual([[], undefined]);
});

test('a sighting, or a change of the surroundings, begins an attempt anew that has gone on for long', () => {
  const { candidates } = table();
  candidates.offer(high, 'udp://h:1', 'beacon', at(0));
  candidates.due(at(0));
  candidates.offer(high, 'udp://h:1', 'beacon', at(2000));
  expect(candidates.due(at(2000))).toEqual([]);
  candidates.offer(high, 'udp://h:1', 'beacon', at(4000));
  expect(candidates.due(at(4000))).toHaveLength(1);
  candidates.hint(at(4100));
  expect(candidates.due(at(4100))).toHaveLength(1);
});

test('where a session stands the failures are forgotten, and what is withdrawn is not tried', () => {
  const { candidates } = table();
  candidates.offer(high, 'udp://h:1', 'dns-sd', at(0));
  candidates.due(at(0));
  candidates.failed(high, 'udp://h:1', at(0));
  candidates.reached(high, 'udp://h:1');
  expect(candidates.list()[0]?.failures).toBe(0);
  candidates.withdraw(high, 'udp://h:1');
  expect(candidates.has(high, 'udp://h:1')).toBe(false);
  candidates.offer(middle, 'udp://self:1', 'beacon', at(0));
  candidates.failed(low, 'udp://l:1', at(0));
  candidates.lost(low, at(0));
  expect(candidates.list()).toEqual([]);
});
