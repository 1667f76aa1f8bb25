import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeCbor, encodeCbor } from '../../../src/core/cbor.ts';
import { type NodeId, shortName } from '../../../src/core/identifiers.ts';
import { VersionVector } from '../../../src/datasets/version-vector.ts';

// Few nodes and short logs, so that equal, ordered and concurrent pairs all come up often.
const nodes = ['0', '7', 'a', 'f'].map((digit) => digit.repeat(64) as NodeId);
const lengths = fc.dictionary(fc.constantFrom(...nodes), fc.nat({ max: 4 })) as fc.Arbitrary<Record<NodeId, number>>;
const vectors = lengths.map((record) => VersionVector.of(Object.entries(record) as [NodeId, number][]));

/** The dumb form of a vector: the set of all entries it covers. */
function dots(vector: VersionVector): Set<string> {
  const all = new Set<string>();
  for (const node of nodes)
    for (let sequence = 1; sequence <= 9; sequence++) if (vector.contains({ author: node, sequence })) all.add(`${node}${sequence}`);
  return all;
}

const bytes = (vector: VersionVector) => encodeCbor(vector.toCbor());

describe('version vectors', () => {
  it('form a lattice under merge', () => {
    fc.assert(
      fc.property(vectors, vectors, vectors, (x, y, z) => {
        expect(bytes(x.merge(y))).toEqual(bytes(y.merge(x)));
        expect(bytes(x.merge(y).merge(z))).toEqual(bytes(x.merge(y.merge(z))));
        expect(bytes(x.merge(x))).toEqual(bytes(x));
        expect(['equal', 'before']).toContain(x.compare(x.merge(y)));
        if (x.compare(z) !== 'after' && x.compare(z) !== 'concurrent' && y.merge(z).compare(z) === 'equal') {
          expect(['equal', 'before']).toContain(x.merge(y).compare(z));
        }
      }),
    );
  });

  it('agree with plain sets of entries', () => {
    fc.assert(
      fc.property(vectors, vectors, (x, y) => {
        const [inX, inY] = [dots(x), dots(y)];
        const order = inX.isSubsetOf(inY) ? (inY.isSubsetOf(inX) ? 'equal' : 'before') : inY.isSubsetOf(inX) ? 'after' : 'concurrent';
        expect(x.compare(y)).toBe(order);
        expect(dots(x.merge(y))).toEqual(inX.union(inY));
        const sent = new Set<string>();
        for (const { node, from, to } of x.missingFrom(y))
          for (let sequence = from; sequence <= to; sequence++) sent.add(`${node}${sequence}`);
        expect(sent).toEqual(inX.difference(inY));
      }),
    );
  });

  it('come back from the wire as they were', () => {
    fc.assert(
      fc.property(vectors, (x) => {
        const decoded = decodeCbor(bytes(x));
        const back = VersionVector.fromCbor(decoded.ok && decoded.value);
        expect(back.ok && bytes(back.value)).toEqual(bytes(x));
      }),
    );
  });

  it('come back by the short names of the nodes that are known', () => {
    fc.assert(
      fc.property(vectors, fc.subarray(nodes), (x, known) => {
        const byName = new Map(known.map((node) => [shortName(node), node]));
        const decoded = decodeCbor(encodeCbor(x.toShortCbor()));
        const back = VersionVector.fromShortCbor(decoded.ok && decoded.value, (name) => byName.get(name));
        const expected = [...x.entries()].filter(([node]) => known.includes(node));
        expect(back.ok && [...back.value.vector.entries()]).toEqual(expected);
        expect(back.ok && back.value.unknown).toBe(x.size - expected.length);
      }),
    );
  });

  it('never throw on foreign values', () => {
    const id = fc.uint8Array({ minLength: 0, maxLength: 96 });
    fc.assert(
      fc.property(fc.oneof(fc.anything(), fc.tuple(id, fc.anything(), fc.anything())), (value) => {
        VersionVector.fromCbor(value);
        VersionVector.fromShortCbor(value, () => undefined);
      }),
    );
  });
});
