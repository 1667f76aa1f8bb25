import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/core/random.ts';
import { checkLinkShape, LinkDirection, type LinkShape } from '../../../src/runtime/link-direction.ts';

function direction(shape: LinkShape, seed = 1) {
  return new LinkDirection<number>(shape, seededRandom(seed));
}

/** Which of `count` items come out when one enters every ten milliseconds. */
function survivors(shape: LinkShape, count: number, seed = 1): number[] {
  const link = direction(shape, seed);
  for (let i = 0; i < count; i++) link.enter(i, 100, i * 10);
  return takenBy(link, Number.MAX_SAFE_INTEGER);
}

function takenBy(link: LinkDirection<number>, now: number): number[] {
  const items: number[] = [];
  for (let item = link.take(now); item !== undefined; item = link.take(now)) items.push(item);
  return items;
}

/** When items that enter at given instants arrive. */
function arrivals(link: LinkDirection<number>, entries: readonly (readonly [bytes: number, now: number])[]): (number | undefined)[] {
  return entries.map(([bytes, now], i) => {
    if (!link.enter(i, bytes, now)) return undefined;
    const at = link.nextOutAt();
    takenBy(link, Number.MAX_SAFE_INTEGER);
    return at;
  });
}

describe('one direction of an emulated link', () => {
  it('passes everything at once when it has no properties', () => {
    const link = direction({});
    expect(
      arrivals(link, [
        [1500, 7],
        [1500, 7],
        [1500, 8],
      ]),
    ).toEqual([7, 7, 8]);
  });

  it('takes the time to transmit, one after another, and delays what was transmitted', () => {
    // 100 bytes at 8000 bit/s are 100 ms.
    const link = direction({ rateBitsPerSecond: 8000, delayMs: 50 });
    expect(
      arrivals(link, [
        [100, 0],
        [100, 0],
        [50, 500],
      ]),
    ).toEqual([150, 250, 600]);
  });

  it('gives out what is due within half a millisecond, in order, and says when the next is', () => {
    const link = direction({ rateBitsPerSecond: 8000, delayMs: 50 });
    for (let i = 0; i < 3; i++) link.enter(i, 100, 0);
    expect(takenBy(link, 149.4)).toEqual([]);
    expect(takenBy(link, 249.5)).toEqual([0, 1]);
    expect(link.nextOutAt()).toBe(350);
    expect(takenBy(link, 350)).toEqual([2]);
    expect(link.nextOutAt()).toBeUndefined();
  });

  it('drops what would wait longer than the queue, and nothing else', () => {
    const link = direction({ rateBitsPerSecond: 8000, queueMs: 250 });
    const entered = Array.from({ length: 6 }, (_, i) => link.enter(i, 100, 0));
    expect(entered).toEqual([true, true, true, false, false, false]);
    expect([49, 50].map((now) => link.isFull(now))).toEqual([true, false]);
    expect(link.hasRoomAt()).toBe(50);
    expect(link.enter(6, 100, 50)).toBe(true);
  });

  it('accepts a packet on an idle link, however slow, and keeps room for sixteen by default', () => {
    const link = direction({ rateBitsPerSecond: 800 });
    const entered = Array.from({ length: 30 }, (_, i) => link.enter(i, 1500, 0)).filter((accepted) => accepted).length;
    expect(entered).toBe(17);
    const none = direction({ rateBitsPerSecond: 800, queueMs: 0 });
    expect([none.enter(0, 1500, 0), none.enter(1, 1500, 0)]).toEqual([true, false]);
  });

  it('holds a bounded amount', () => {
    const link = direction({ delayMs: 1e6 });
    const entered = Array.from({ length: 300 }, (_, i) => link.enter(i, 1024 * 1024, 0)).filter((accepted) => accepted).length;
    expect(entered).toBe(256);
    expect(link.hasRoomAt()).toBe(Number.POSITIVE_INFINITY);
    link.take(1e6);
    expect(link.isFull(1e6)).toBe(false);
  });

  it('carries pieces of a stream without loss or drop, whatever its shape', () => {
    const link = direction({ rateBitsPerSecond: 8000, loss: 1, queueMs: 0 });
    for (let i = 0; i < 5; i++) link.carry(i, 100, 0);
    expect(takenBy(link, 500)).toEqual([0, 1, 2, 3, 4]);
  });

  it('loses the share it is told to, the same datagrams for the same seed', () => {
    expect(survivors({ loss: 0 }, 50)).toHaveLength(50);
    expect(survivors({ loss: 1 }, 50)).toHaveLength(0);
    const once = survivors({ loss: 0.3 }, 10_000);
    expect(once.length).toBeGreaterThan(6_800);
    expect(once.length).toBeLessThan(7_200);
    expect(survivors({ loss: 0.3 }, 10_000)).toEqual(once);
    expect(survivors({ loss: 0.3 }, 10_000, 2)).not.toEqual(once);
  });

  it('loses in bursts', () => {
    const out = survivors({ burst: { enter: 0.01, leave: 0.1, loss: 1 } }, 20_000);
    // In the long run a share of enter / (enter + leave) is bad, in stretches of 1 / leave.
    const lost = 20_000 - out.length;
    expect(lost / 20_000).toBeGreaterThan(0.06);
    expect(lost / 20_000).toBeLessThan(0.13);
    let bursts = 0;
    for (let i = 1; i < out.length; i++) if (out[i]! > out[i - 1]! + 1) bursts++;
    expect(lost / bursts).toBeGreaterThan(7);
    expect(lost / bursts).toBeLessThan(14);
  });

  it('loses what is under way when it is cut, and begins afresh', () => {
    const link = direction({ rateBitsPerSecond: 8000, delayMs: 1000 });
    for (let i = 0; i < 3; i++) link.enter(i, 100, 0);
    expect(link.cut()).toBe(3);
    expect(takenBy(link, 1e6)).toEqual([]);
    expect(arrivals(link, [[100, 10]])).toEqual([1110]);
  });

  it('leaves alone what is under way when it changes', () => {
    const link = direction({ rateBitsPerSecond: 8000 });
    link.enter(0, 100, 0);
    link.change({ rateBitsPerSecond: 80_000, delayMs: 5 });
    link.enter(1, 100, 0);
    expect(link.nextOutAt()).toBe(100);
    link.take(100);
    expect(link.nextOutAt()).toBe(115);
  });

  it('keeps the order, the rate and the bounds of the delay, whatever enters when', () => {
    const entry = fc.record({ bytes: fc.integer({ min: 1, max: 1500 }), gapMs: fc.integer({ min: 0, max: 40 }) });
    fc.assert(
      fc.property(
        fc.array(entry, { minLength: 1, maxLength: 2500 }),
        fc.integer({ min: 0, max: 30 }),
        fc.integer(),
        (entries, jitterMs, seed) => {
          const rateBitsPerSecond = 400_000;
          const link = direction({ rateBitsPerSecond, delayMs: 20, jitterMs, queueMs: 1e9 }, seed);
          let now = 0;
          let freeAt = 0;
          const earliest = entries.map(({ bytes, gapMs }, i) => {
            now += gapMs;
            link.enter(i, bytes, now);
            freeAt = Math.max(freeAt, now) + (bytes * 8000) / rateBitsPerSecond;
            return freeAt + 20;
          });
          let latest = 0;
          for (const [i, at] of earliest.entries()) {
            latest = Math.max(latest, at + jitterMs);
            const outAt = link.nextOutAt() ?? Number.NaN;
            expect(outAt).toBeGreaterThanOrEqual(at - 1e-6);
            expect(outAt).toBeLessThanOrEqual(latest + 1e-6);
            expect(link.take(outAt)).toBe(i);
          }
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe('the shape of a link', () => {
  it.each<LinkShape>([
    {},
    { rateBitsPerSecond: 0.5, delayMs: 0, jitterMs: 0, queueMs: 0, loss: 1 },
    { burst: { enter: 0, leave: 1, loss: 0.5 } },
  ])('may be %j', (shape) => {
    checkLinkShape(shape);
  });

  it.each<LinkShape>([
    { rateBitsPerSecond: 0 },
    { rateBitsPerSecond: -1 },
    { rateBitsPerSecond: Number.NaN },
    { delayMs: -1 },
    { jitterMs: Number.NaN },
    { queueMs: Number.POSITIVE_INFINITY },
    { loss: 1.01 },
    { burst: { enter: 2, leave: 0, loss: 0 } },
    { burst: { enter: 0, leave: -1, loss: 0 } },
    { burst: { enter: 0, leave: 0, loss: Number.NaN } },
  ])('may not be %j', (shape) => {
    expect(() => checkLinkShape(shape)).toThrow(expect.objectContaining({ code: 'CONFIGURATION_INVALID' }));
  });
});
