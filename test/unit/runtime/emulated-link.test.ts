import { describe, expect, it, vi } from 'vitest';
import { seededRandom } from '../../../src/core/random.ts';
import { EmulatedDirection } from '../../../src/runtime/emulated-link.ts';

const hourMs = 3_600_000;

describe('a stream on an emulated direction', () => {
  it('may go on when the queue has room, long before its bytes arrive', () => {
    // 110,000 bytes are an hour at 250 bit/s or so, and arrive a hundred hours later.
    const direction = new EmulatedDirection(
      { rateBitsPerSecond: 250, delayMs: 100 * hourMs, queueMs: 0 },
      seededRandom(1),
      () => undefined,
    );
    const sender = { pause: vi.fn(), resume: vi.fn() };
    const delivered = vi.fn();
    const startedAt = performance.now();
    direction.carry(new Uint8Array(110_000), delivered, sender);
    expect(sender.pause).toHaveBeenCalledOnce();
    const roomAt = direction.nextAt();
    expect(roomAt - startedAt).toBeGreaterThan(hourMs / 2);
    expect(roomAt - startedAt).toBeLessThan(2 * hourMs);

    direction.advance(roomAt - 1);
    expect(sender.resume).not.toHaveBeenCalled();
    direction.advance(roomAt);
    direction.advance(roomAt + 1);
    expect(sender.resume).toHaveBeenCalledOnce();
    expect(delivered).not.toHaveBeenCalled();
    expect(direction.nextAt() - startedAt).toBeGreaterThan(100 * hourMs);
    direction.advance(Number.POSITIVE_INFINITY);
    expect(delivered.mock.calls.reduce((sum, [piece]) => sum + piece.length, 0)).toBe(110_000);
    expect(direction.nextAt()).toBe(Number.POSITIVE_INFINITY);
  });

  it('travels in pieces of a segment on slow links, and of a millisecond, at most 64 KiB, on fast ones', () => {
    const pieceLengths = (rateBitsPerSecond: number) => {
      const direction = new EmulatedDirection({ rateBitsPerSecond }, seededRandom(1), () => undefined);
      const lengths: number[] = [];
      direction.carry(new Uint8Array(200_000), (piece) => lengths.push(piece.length), { pause: vi.fn(), resume: vi.fn() });
      direction.advance(Number.POSITIVE_INFINITY);
      expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(200_000);
      expect(direction.counts()).toEqual({ packets: 139, bytes: 200_000 + 139 * 40, dropped: 0 });
      return lengths[0];
    };
    expect([800, 30_000_000, 10_000_000_000].map(pieceLengths)).toEqual([1448, 2 * 1448, 45 * 1448]);
  });
});
