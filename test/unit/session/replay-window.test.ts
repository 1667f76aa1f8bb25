import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ReplayWindow, replayWindowWidth } from '../../../src/session/replay-window.ts';

function windowWith(...packetNumbers: number[]): ReplayWindow {
  const window = new ReplayWindow();
  for (const packetNumber of packetNumbers) window.record(packetNumber);
  return window;
}

/** The same window as a set that forgets nothing. */
class EveryNumber {
  readonly seen = new Set<number>();
  newest = -1;

  isFresh(packetNumber: number): boolean {
    return packetNumber > this.newest - replayWindowWidth && !this.seen.has(packetNumber);
  }

  record(packetNumber: number): void {
    this.seen.add(packetNumber);
    this.newest = Math.max(this.newest, packetNumber);
  }
}

describe('a replay window', () => {
  test('takes any first number, large ones included', () => {
    for (const first of [0, 1, 31, 32, 2048, 2 ** 48 - 1, Number.MAX_SAFE_INTEGER]) {
      const window = new ReplayWindow();
      expect(window.isFresh(first)).toBe(true);
      window.record(first);
      expect(window.isFresh(first)).toBe(false);
      expect(window.newest).toBe(first);
    }
  });

  test('takes late numbers once, down to its width and no further', () => {
    const window = windowWith(10_000);
    const oldest = 10_000 - replayWindowWidth + 1;
    expect(window.oldestAcceptable).toBe(oldest);
    expect(window.isFresh(oldest)).toBe(true);
    expect(window.isFresh(oldest - 1)).toBe(false);
    window.record(oldest);
    expect(window.isFresh(oldest)).toBe(false);
    expect(window.isFresh(oldest + 1)).toBe(true);
  });

  test('does not mistake a number for one that lay in the same place of the ring before', () => {
    const window = windowWith(...Array.from({ length: 5000 }, (_, i) => i));
    window.record(5000 + replayWindowWidth);
    for (let packetNumber = 5001; packetNumber < 5000 + replayWindowWidth; packetNumber++) expect(window.isFresh(packetNumber)).toBe(true);
  });

  test('never forgets a number that is still within its width', () => {
    const window = new ReplayWindow();
    for (let newest = 0; newest < 3 * replayWindowWidth; newest++) {
      window.record(newest);
      for (let i = 0; i < 40; i++) expect(window.isFresh(Math.min(newest, window.oldestAcceptable + i))).toBe(false);
    }
  });

  test('is only asked, not changed, by isFresh', () => {
    const window = windowWith(5);
    window.isFresh(1_000_000);
    expect(window.isFresh(4)).toBe(true);
    expect(window.newest).toBe(5);
  });

  test('answers like a set that remembers everything, for numbers that creep, jump, fall back and repeat', () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.integer({ min: -40, max: 40 }) },
      { weight: 3, arbitrary: fc.integer({ min: -2200, max: 2200 }) },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 2 ** 40 }) },
    );
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 30 }), fc.array(step, { maxLength: 400 }), (start, steps) => {
        const window = new ReplayWindow();
        const everything = new EveryNumber();
        let packetNumber = start;
        for (const change of steps) {
          packetNumber = Math.max(0, packetNumber + change);
          expect(window.isFresh(packetNumber)).toBe(everything.isFresh(packetNumber));
          if (!everything.isFresh(packetNumber)) continue;
          window.record(packetNumber);
          everything.record(packetNumber);
        }
      }),
      { seed: 31, numRuns: 300 },
    );
  });
});
