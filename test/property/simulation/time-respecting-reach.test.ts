import { array, assert, integer, property, record } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ContactTrace, contactTraceOf } from '../../../src/simulation/contact-trace.ts';
import { TimeRespectingReach } from '../../../src/simulation/time-respecting-reach.ts';

/** The same by brute force: everybody who has it hands it over in every contact, again and again until nobody is earlier. */
function flooded({ nodes, contacts }: ContactTrace, source: number, createdMs: number): number[] {
  const atMs = nodes.map((_, node) => (node === source ? createdMs : Number.POSITIVE_INFINITY));
  for (let isEarlier = true; isEarlier; ) {
    isEarlier = false;
    for (const { a, b, beginMs, endMs } of contacts)
      for (const [from, to] of [
        [a, b],
        [b, a],
      ] as const) {
        const arrivalMs = Math.max(atMs[from] ?? 0, beginMs);
        if (arrivalMs > endMs || arrivalMs >= (atMs[to] ?? 0)) continue;
        atMs[to] = arrivalMs;
        isEarlier = true;
      }
  }
  return atMs;
}

describe('the bound of carrying', () => {
  it('is what flooding reaches, at the same instants', () => {
    const interval = record({
      a: integer({ min: 0, max: 7 }),
      b: integer({ min: 1, max: 7 }),
      beginMs: integer({ min: 0, max: 50 }),
      lastsMs: integer({ min: 0, max: 6 }),
    });
    assert(
      property(array(interval, { minLength: 1, maxLength: 40 }), integer({ min: 0, max: 30 }), (intervals, createdMs) => {
        const trace = contactTraceOf(
          intervals.map(({ a, b, beginMs, lastsMs }) => ({ a: `${a}`, b: `${(a + b) % 8}`, beginMs, endMs: beginMs + lastsMs })),
        );
        const reach = new TimeRespectingReach(trace);
        for (const source of trace.nodes.keys()) expect(reach.earliestMs(source, createdMs)).toEqual(flooded(trace, source, createdMs));
      }),
    );
  });
});
