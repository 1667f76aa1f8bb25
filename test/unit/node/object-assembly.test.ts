import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes } from '../../../src/core/bytes.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { ObjectAssembly } from '../../../src/node/object-assembly.ts';

interface Piece {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly last: boolean;
}

/** Cuts bytes behind `from` at these places and shuffles the pieces; equal places give empty ones, as a session may. */
function pieces(bytes: Uint8Array, from: number, cuts: readonly number[], seed: number): Piece[] {
  const places = [from, ...cuts.map((cut) => from + (cut % (bytes.length - from + 1))).sort((a, b) => a - b), bytes.length];
  const cut = places
    .slice(1)
    .map((end, index) => ({ offset: places[index]!, bytes: bytes.slice(places[index]!, end), last: index === places.length - 2 }));
  const random = seededRandom(seed);
  return cut
    .map((piece) => ({ piece, key: random.uint32() }))
    .sort((a, b) => a.key - b.key)
    .map(({ piece }) => piece);
}

const content = fc.uint8Array({ minLength: 1, maxLength: 300 }).map((each) => new Uint8Array(each));
const places = fc.array(fc.nat(), { maxLength: 12 });

describe('an object that arrives in pieces', () => {
  it('is whole when all are there, in whatever order and however cut, empty ones included', () => {
    fc.assert(
      fc.property(content, places, fc.nat(), (bytes, cuts, seed) => {
        const assembly = new ObjectAssembly();
        const all = pieces(bytes, 0, cuts, seed);
        for (const [index, piece] of all.entries()) {
          const lacking = all.slice(index).some((each) => each.bytes.length > 0 || each.last);
          if (lacking) expect(assembly.whole()).toBeUndefined();
          expect(assembly.add(piece.offset, piece.bytes, piece.last)).toBe(false);
        }
        expect(assembly.whole()).toEqual(bytes);
        expect(assembly.heldBytes).toBe(bytes.length);
      }),
      { seed: 7, numRuns: 300 },
    );
  });

  it('goes on behind a beginning that came earlier', () => {
    fc.assert(
      fc.property(content, fc.nat(), places, fc.nat(), (bytes, at, cuts, seed) => {
        const from = at % bytes.length;
        const assembly = new ObjectAssembly(bytes.slice(0, from));
        for (const piece of pieces(bytes, from, cuts, seed)) assembly.add(piece.offset, piece.bytes, piece.last);
        expect(assembly.whole()).toEqual(bytes);
      }),
      { seed: 8, numRuns: 300 },
    );
  });

  it('is whole when the sender serves it again in other pieces, among what had come of it before', () => {
    fc.assert(
      fc.property(content, fc.nat(), places, places, fc.nat(), fc.nat(), (bytes, at, before, cuts, seed, lostSeed) => {
        const from = at % bytes.length;
        const assembly = new ObjectAssembly(bytes.slice(0, from));
        const random = seededRandom(lostSeed);
        const old = pieces(bytes, from, before, seed).filter(() => random.below(2) === 0);
        const again = pieces(bytes, from, cuts, seed + 1);
        while (old.length + again.length > 0) {
          const next = old.length > 0 && (again.length === 0 || random.below(2) === 0) ? old.pop() : again.pop();
          assembly.add(next!.offset, next!.bytes, next!.last);
        }
        expect(assembly.whole()).toEqual(bytes);
        expect(assembly.heldBytes).toBe(bytes.length);
      }),
      { seed: 9, numRuns: 2000 },
    );
  });

  it('drops that beginning when the sender starts over with other bytes, and says so once', () => {
    fc.assert(
      fc.property(content, fc.integer({ min: 1, max: 300 }), places, fc.nat(), (bytes, length, cuts, seed) => {
        const assembly = new ObjectAssembly(new Uint8Array(length).fill(99));
        const startedOver = pieces(bytes, 0, cuts, seed).map((piece) => assembly.add(piece.offset, piece.bytes, piece.last));
        expect(startedOver.filter((each) => each)).toHaveLength(1);
        expect(assembly.whole()).toEqual(bytes);
      }),
      { seed: 9, numRuns: 300 },
    );
  });

  it('gives every byte of its beginning once to the journal', () => {
    fc.assert(
      fc.property(content, fc.nat(), places, fc.nat(), (bytes, at, cuts, seed) => {
        const from = at % bytes.length;
        const assembly = new ObjectAssembly(bytes.slice(0, from));
        const journal: Uint8Array[] = [bytes.slice(0, from)];
        let next = from;
        for (const piece of pieces(bytes, from, cuts, seed)) {
          assembly.add(piece.offset, piece.bytes, piece.last);
          const taken = assembly.takeUnjournalled();
          if (taken === undefined) continue;
          expect(taken.offset).toBe(next);
          next += taken.bytes.length;
          journal.push(taken.bytes);
        }
        expect(concatBytes(...journal)).toEqual(bytes);
        expect(assembly.takeUnjournalled()).toBeUndefined();
      }),
      { seed: 10, numRuns: 300 },
    );
  });
});
