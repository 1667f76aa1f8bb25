import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeCbor } from '../../../src/core/cbor.ts';
import { limits } from '../../../src/core/limits.ts';
import { unreachable } from '../../../src/mesh/link-metric.ts';
import { itemBytesMax, type RouteItem, RouteReader, RouteWriter } from '../../../src/mesh/route-wire.ts';
import { nameOf } from '../../../src/simulation/mesh-network.ts';

const [self, other] = [nameOf(0), nameOf(1)];

function pair() {
  return { writer: new RouteWriter(self, other), reader: new RouteReader(self, other) };
}

const item: fc.Arbitrary<RouteItem> = fc.oneof(
  fc.record({
    type: fc.constant('update' as const),
    destination: fc.nat(40).map(nameOf),
    seqno: fc.nat(1e12),
    metric: fc.oneof(fc.nat(2047), fc.constant(unreachable)),
  }),
  fc.record({ type: fc.constant('request' as const), destination: fc.nat(40).map(nameOf), seqno: fc.nat(1e12), hops: fc.nat(64) }),
  fc.record({ type: fc.constantFrom('watch' as const, 'unwatch' as const), destination: fc.nat(40).map(nameOf) }),
);

describe('what neighbours say about routes', () => {
  it('comes out as it went in, message after message of a session', () => {
    fc.assert(
      fc.property(fc.array(fc.array(item, { maxLength: 12 }), { maxLength: 8 }), (messages) => {
        const { writer, reader } = pair();
        for (const items of messages) {
          const bytes = writer.write(items);
          expect(bytes.length).toBeLessThanOrEqual(3 + items.length * itemBytesMax);
          expect(reader.read(bytes)).toEqual({ ok: true, value: items });
        }
      }),
      { seed: 3 },
    );
  });

  it('takes at most six bytes for a destination that was named before', () => {
    const { writer } = pair();
    const update: RouteItem = { type: 'update', destination: nameOf(7), seqno: 500, metric: 900 };
    const first = writer.write([update]).length;
    const second = writer.write([{ ...update, seqno: 501, metric: 1200 }]).length;
    expect(first - second).toBeGreaterThanOrEqual(8);
    expect(second).toBeLessThanOrEqual(6);
  });

  it('is refused, and never throws, when it breaks the format', () => {
    const name = new Uint8Array(8);
    const broken: unknown[] = [
      7,
      ['0'],
      [-1],
      [0.5],
      [12, name, 0, 5],
      [8, new Uint8Array(7), 0, 5],
      [8, name, 0],
      [8, name, 'x', 5],
      [8, name, -1, 5],
      [8, name, 0, 70_000],
      [9, name, 1, 65],
      [8, name, 0, 5, 12, name, 0, 5],
      [0, 2 ** 48, 5],
      [4 * (limits.membersPerTeamMax + 2), name, 0, 5],
    ];
    for (const value of broken) expect(pair().reader.read(encodeCbor(value as never)), JSON.stringify(value)).toMatchObject({ ok: false });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        pair().reader.read(bytes);
      }),
      { seed: 4 },
    );
  });

  it('has room for as many destinations as a team may have members', () => {
    const { writer } = pair();
    for (let node = 2; node < limits.membersPerTeamMax + 2; node++) writer.write([{ type: 'watch', destination: nameOf(node) }]);
    expect(writer.takes(nameOf(2))).toBe(true);
    expect(writer.takes(nameOf(limits.membersPerTeamMax + 2))).toBe(false);
  });
});
