import { describe, expect, test } from 'vitest';
import { systemClock } from '../../src/runtime/system-clock.ts';
import { systemEntropy } from '../../src/runtime/system-entropy.ts';

describe("the machine's clocks", () => {
  test('never count backwards on the monotonic one', () => {
    let last = systemClock.now().monotonicMs;
    for (let i = 0; i < 1000; i++) {
      const { monotonicMs } = systemClock.now();
      expect(monotonicMs).toBeGreaterThanOrEqual(last);
      last = monotonicMs;
    }
  });

  test('give the wall clock in whole milliseconds since 1970', () => {
    const { wallMs } = systemClock.now();
    expect(Number.isInteger(wallMs)).toBe(true);
    expect(wallMs).toBeGreaterThan(0);
  });
});

describe("the machine's entropy", () => {
  test('gives as many bytes as asked for, more than one system call hands out included', () => {
    for (const length of [0, 1, 32, 70_000]) {
      const bytes = systemEntropy.bytes(length);
      expect(bytes).toHaveLength(length);
      expect(Object.getPrototypeOf(bytes)).toBe(Uint8Array.prototype);
    }
  });

  test('does not repeat itself', () => {
    const drawn = new Set(Array.from({ length: 1000 }, () => systemEntropy.bytes(16).toHex()));
    expect(drawn.size).toBe(1000);
  });
});
