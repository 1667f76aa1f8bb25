import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteRooms } from '../../../src/core/byte-rooms.ts';

const kibibyte = 1024;

describe('rooms for bulk bytes', () => {
  it('are as long as asked, and at most a quarter of memory more', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 9_000_000 }), (lengthBytes) => {
        const room = new ByteRooms(0).take(lengthBytes);
        expect(room.length).toBe(lengthBytes);
        expect(room.buffer.byteLength).toBeLessThanOrEqual(lengthBytes * 1.25);
      }),
      { seed: 1, numRuns: 60 },
    );
  });

  it('are used again for about the same length, and not while somebody has them', () => {
    const rooms = new ByteRooms(1024 * kibibyte);
    const first = rooms.take(200 * kibibyte);
    const second = rooms.take(200 * kibibyte);
    expect(second.buffer).not.toBe(first.buffer);
    rooms.giveBack(first.subarray(5));
    const third = rooms.take(199 * kibibyte);
    expect(third.buffer).toBe(first.buffer);
    expect(third.length).toBe(199 * kibibyte);
    expect(rooms.take(200 * kibibyte).buffer).not.toBe(first.buffer);
  });

  it('are kept up to a bound, and let go when they are cleared', () => {
    const rooms = new ByteRooms(300 * kibibyte);
    const [first, second] = [rooms.take(192 * kibibyte), rooms.take(192 * kibibyte)];
    rooms.giveBack(first);
    rooms.giveBack(second);
    expect([rooms.take(192 * kibibyte), rooms.take(192 * kibibyte)].map(({ buffer }) => buffer === first.buffer)).toEqual([true, false]);
    rooms.giveBack(first);
    rooms.clear();
    expect(rooms.take(192 * kibibyte).buffer).not.toBe(first.buffer);
  });

  it('that are short are not kept', () => {
    const rooms = new ByteRooms(300 * kibibyte);
    const short = rooms.take(1000);
    rooms.giveBack(short);
    expect(rooms.take(1000).buffer).not.toBe(short.buffer);
  });
});
