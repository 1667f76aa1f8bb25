import { describe, expect, it } from 'vitest';
import type { ShortName } from '../../../src/core/identifiers.ts';
import type { MonotonicMs } from '../../../src/core/time.ts';
import { type MeetingEntry, MeetingHistory, meetingEntriesMax, meetingPeersMax } from '../../../src/mesh/meeting-history.ts';
import { nameOf } from '../../../src/simulation/mesh-network.ts';

const [self, a, b, c] = [nameOf(0), nameOf(1), nameOf(2), nameOf(3)];
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

function at(ms: number): MonotonicMs {
  return ms as MonotonicMs;
}

/** A history in which a peer was there for a moment at each of these instants. */
function historyOf(...meetings: readonly (readonly [ShortName, number])[]): MeetingHistory {
  const history = new MeetingHistory(self, at(0));
  for (const [peer, ms] of meetings) {
    history.met(peer, at(ms));
    history.left(peer, at(ms));
  }
  return history;
}

function told(node: ShortName, intervalMs: number, delayMs: number): MeetingEntry {
  return { node, intervalMs, delayMs };
}

describe('the rate at which a peer is met', () => {
  it('is that of meetings that are spread evenly', () => {
    const history = historyOf([a, 2 * hourMs], [a, 4 * hourMs], [a, 6 * hourMs]);
    expect(history.rate(a, at(8 * hourMs)) * 8 * hourMs).toBeCloseTo(3, 9);
  });

  it('counts a burst of meetings as about one', () => {
    const history = historyOf(...Array.from({ length: 10 }, (_, i) => [a, 12 * hourMs + i * 60_000] as const));
    expect(history.rate(a, at(dayMs)) * dayMs).toBeGreaterThan(0.9);
    expect(history.rate(a, at(dayMs)) * dayMs).toBeLessThan(1.2);
  });

  it('falls while the peer stays away, and is nothing for strangers', () => {
    const history = historyOf([a, hourMs], [a, 2 * hourMs], [a, 3 * hourMs]);
    expect(history.rate(a, at(40 * hourMs))).toBeLessThan(history.rate(a, at(4 * hourMs)) / 10);
    expect(history.rate(b, at(4 * hourMs))).toBe(0);
  });

  it('is highest for somebody who is always there, in several contacts or one', () => {
    const history = new MeetingHistory(self, at(0));
    history.met(a, at(0));
    history.met(a, at(hourMs));
    history.left(a, at(2 * hourMs));
    expect(history.rate(a, at(3 * hourMs)) * 3 * hourMs).toBe(1000);
  });

  it('is kept when a long history is shortened, and who was not seen since is forgotten', () => {
    const history = historyOf([b, dayMs]);
    for (let day = 1; day <= 56; day++) {
      history.met(a, at(day * dayMs));
      history.left(a, at(day * dayMs));
    }
    const before = history.rate(a, at(57 * dayMs));
    history.met(c, at(57 * dayMs));
    expect(history.spanMs(at(57 * dayMs))).toBe(28.5 * dayMs);
    expect(history.rate(a, at(57 * dayMs))).toBeCloseTo(before, 15);
    expect(history.rate(b, at(57 * dayMs))).toBe(0);
  });

  it('is known of two others when either told', () => {
    const history = historyOf([a, hourMs]);
    history.learn(a, [told(b, 4 * hourMs, hourMs)], at(hourMs));
    expect(history.rateBetween(a, b)).toBeCloseTo(1 / (4 * hourMs), 12);
    expect(history.rateBetween(b, a)).toBe(history.rateBetween(a, b));
    expect(history.rateBetween(b, c)).toBe(0);
  });
});

describe('the rate at which strangers are met', () => {
  it('is high while new members turn up, and nothing once the same few meet over and over', () => {
    const history = historyOf([a, hourMs], [b, 7 * hourMs], [c, 8 * hourMs]);
    // Two of four strangers became acquaintances in the second half.
    expect(history.rateOfStrangers(6, at(10 * hourMs)) * 10 * hourMs).toBeCloseTo(1, 9);
    expect(history.rateOfStrangers(6, at(20 * hourMs))).toBe(0);
  });
});

describe('the delay to a node', () => {
  it('is the least of its own meetings and the ways that peers told of', () => {
    const history = historyOf([a, 5 * hourMs], [a, 10 * hourMs]);
    history.met(a, at(15 * hourMs));
    history.learn(a, [told(b, 2 * hourMs, 2 * hourMs)], at(15 * hourMs));
    const toA = history.delayMs(a, at(15 * hourMs));
    expect(toA).toBeCloseTo(1 / history.rate(a, at(15 * hourMs)), 3);
    expect(history.delayMs(b, at(15 * hourMs))).toBeCloseTo(toA + 2 * hourMs, 3);
    expect(history.delayMs(c, at(15 * hourMs))).toBe(Number.POSITIVE_INFINITY);
  });

  it('grows with the age of what was heard, and a better way replaces a worse one', () => {
    const history = historyOf([a, hourMs], [c, 2 * hourMs]);
    history.learn(a, [told(b, Number.POSITIVE_INFINITY, 9 * hourMs)], at(2 * hourMs));
    const before = history.delayMs(b, at(2 * hourMs));
    expect(history.delayMs(b, at(5 * hourMs))).toBe(before + 3 * hourMs);
    history.learn(c, [told(b, Number.POSITIVE_INFINITY, hourMs)], at(5 * hourMs));
    const better = history.delayMs(b, at(5 * hourMs));
    history.learn(a, [told(b, Number.POSITIVE_INFINITY, 900 * hourMs)], at(5 * hourMs));
    expect(history.delayMs(b, at(5 * hourMs))).toBe(better);
  });

  it('follows a plan as long as it can come true', () => {
    const history = historyOf();
    history.plan([{ node: a, fromAt: at(2 * hourMs), untilAt: at(4 * hourMs) }]);
    expect(history.delayMs(a, at(0))).toBe(3 * hourMs);
    expect(history.delayMs(a, at(3 * hourMs))).toBe(hourMs / 2);
    expect(history.delayMs(a, at(5 * hourMs))).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('what a peer is told', () => {
  it('leaves out the peer itself and the ways through it', () => {
    const history = historyOf([a, hourMs], [c, hourMs]);
    history.learn(a, [told(b, hourMs, hourMs)], at(hourMs));
    expect(history.entriesFor(a, at(2 * hourMs)).map(({ node }) => node)).toEqual([c]);
    expect(
      history
        .entriesFor(c, at(2 * hourMs))
        .map(({ node }) => node)
        .sort(),
    ).toEqual([a, b]);
  });

  it('is bounded, planned meetings first, and so is what is remembered', () => {
    const history = new MeetingHistory(self, at(0));
    const many = Array.from({ length: meetingPeersMax + 50 }, (_, i) => nameOf(i + 10));
    for (const [i, name] of many.entries()) {
      history.met(name, at(i * 1000));
      history.learn(
        name,
        many.slice(0, 100).map((node) => told(node, hourMs, hourMs)),
        at(i * 1000),
      );
      history.left(name, at(i * 1000 + 500));
    }
    history.plan([{ node: b, fromAt: at(hourMs), untilAt: at(2 * hourMs) }]);
    const entries = history.entriesFor(c, at(hourMs));
    expect(entries).toHaveLength(meetingEntriesMax);
    expect(entries[0]?.node).toBe(b);
    expect(history.rate(many[0] as ShortName, at(hourMs))).toBe(0);
    expect(history.rate(many.at(-1) as ShortName, at(hourMs))).toBeGreaterThan(0);
  });

  it('is nothing to somebody who is not here', () => {
    const history = historyOf();
    history.learn(a, [told(b, hourMs, hourMs)], at(hourMs));
    history.left(a, at(hourMs));
    expect(history.entriesFor(c, at(hourMs))).toEqual([]);
  });
});
