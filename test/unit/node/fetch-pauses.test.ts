import { describe, expect, it } from 'vitest';
import type { Hash, NodeId } from '../../../src/core/identifiers.ts';
import type { MonotonicMs } from '../../../src/core/time.ts';
import { FetchPauses } from '../../../src/node/fetch-pauses.ts';

const at = (ms: number): MonotonicMs => ms as MonotonicMs;
const root = new Uint8Array(32).fill(7) as Hash;
const name = '07'.repeat(32);
const minute = 60_000;

describe('a content that is lost here', () => {
  it('is fetched at once the first time, then after a minute, two, four', () => {
    const pauses = new FetchPauses();
    pauses.lost(root, at(0));
    expect([pauses.has(name, at(0)), pauses.nextDeadline()]).toEqual([false, undefined]);
    let now = 1000;
    for (const expected of [minute, 2 * minute, 4 * minute]) {
      pauses.lost(root, at(now));
      expect(pauses.has(name, at(now + expected - 1))).toBe(true);
      expect(pauses.nextDeadline()?.at).toBe(now + expected);
      expect([pauses.endOver(at(now + expected - 1)), pauses.endOver(at(now + expected)), pauses.endOver(at(now + expected))]).toEqual([
        false,
        true,
        false,
      ]);
      expect([pauses.has(name, at(now + expected)), pauses.nextDeadline()]).toEqual([false, undefined]);
      now += expected + 1000;
    }
  });

  it('waits an hour at most, and is forgiven after a day', () => {
    const pauses = new FetchPauses();
    for (let i = 0; i < 30; i++) pauses.lost(root, at(i));
    expect(pauses.nextDeadline()?.at).toBe(29 + 60 * minute);
    pauses.lost(root, at(29 + 24 * 60 * minute));
    expect(pauses.has(name, at(29 + 24 * 60 * minute))).toBe(false);
  });

  it('holds nothing else back, and is forgotten when a thousand others came after it', () => {
    const pauses = new FetchPauses();
    pauses.lost(root, at(0));
    pauses.lost(root, at(1));
    expect([pauses.has('08'.repeat(32), at(2)), pauses.all]).toEqual([false, false]);
    for (let i = 0; i < 1000; i++)
      pauses.lost(Uint8Array.from({ length: 32 }, (_, byte) => (byte < 2 ? i >> (8 * byte) : 9)) as Hash, at(2));
    expect(pauses.has(name, at(3))).toBe(false);
  });
});

describe('a disk that fails', () => {
  it('stops all asking, for longer each time, until something could be stored', () => {
    const pauses = new FetchPauses();
    pauses.diskFailed(at(0));
    pauses.diskFailed(at(100));
    expect([pauses.all, pauses.nextDeadline()?.at]).toEqual([true, 5000]);
    expect([pauses.endOver(at(5000)), pauses.all]).toEqual([true, false]);
    pauses.diskFailed(at(6000));
    expect(pauses.nextDeadline()?.at).toBe(16_000);
    pauses.endOver(at(16_000));
    pauses.diskWorks();
    pauses.diskFailed(at(30_000));
    expect(pauses.nextDeadline()?.at).toBe(35_000);
  });
});

describe('a content that a peer sent wrongly', () => {
  it('is not asked of that peer for a minute, then twice as long, up to a day', () => {
    const pauses = new FetchPauses();
    const [liar, other] = ['aa' as NodeId, 'bb' as NodeId];
    let now = at(0);
    for (const minutes of [1, 2, 4]) {
      pauses.spoilt(liar, root, now);
      expect([pauses.isSpoilt(liar, name), pauses.isSpoilt(other, name), pauses.has(name, now)]).toEqual([true, false, false]);
      expect(pauses.nextDeadline()?.at).toBe(now + minutes * 60_000);
      expect(pauses.endOver(at(now + minutes * 60_000 - 1))).toBe(false);
      now = at(now + minutes * 60_000);
      expect(pauses.endOver(now)).toBe(true);
      expect(pauses.isSpoilt(liar, name)).toBe(false);
    }
    for (let n = 0; n < 20; n++) pauses.spoilt(liar, root, now);
    expect(pauses.nextDeadline()?.at).toBe(now + 86_400_000);
  });
});
