import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, gatherBytes } from '../../../src/core/bytes.ts';
import { seededRandom } from '../../../src/core/random.ts';

/** An array: how long it is, what lies before it in the memory, and whether it is somewhere else. */
const part = fc.record({ lengthBytes: fc.nat(40), gapBytes: fc.nat(12), isElsewhere: fc.boolean() });

describe('arrays that are gathered in memory where some of them stand', () => {
  it('are whole and in order, wherever they stood and in whatever order', () => {
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), fc.nat(30), fc.nat(1000), fc.boolean(), (parts, startBytes, seed, isMixed) => {
        const random = seededRandom(seed);
        const standing = parts.reduce((sum, { lengthBytes, gapBytes }) => sum + lengthBytes + gapBytes, 0);
        const memory = random.bytes(startBytes + standing);
        let at = 0;
        const arrays = parts.map(({ lengthBytes, gapBytes, isElsewhere }) => {
          if (isElsewhere) return random.bytes(lengthBytes);
          at += gapBytes + lengthBytes;
          return memory.subarray(at - lengthBytes, at);
        });
        if (isMixed) arrays.sort((a, b) => (a[0] ?? 0) - (b[0] ?? 0));
        const expected = concatBytes(...arrays);
        const room = memory.subarray(startBytes, startBytes + expected.length);
        gatherBytes(room, arrays);
        expect(room).toEqual(expected);
      }),
      { numRuns: 2000 },
    );
  });

  it('are whole where records stand around them in front, and one of them was read elsewhere', () => {
    // Chunks of a pack, a header before each; the last one did not fit there any more.
    const [headerBytes, chunkBytes] = [48, 1000];
    const memory = seededRandom(3).bytes(4 * chunkBytes + 1);
    const arrays = [0, 1, 2].map((n) =>
      memory.subarray(1 + (n + 1) * headerBytes + n * chunkBytes, 1 + (n + 1) * (headerBytes + chunkBytes)),
    );
    arrays.push(seededRandom(4).bytes(chunkBytes));
    const expected = concatBytes(...arrays);
    gatherBytes(memory.subarray(1), arrays);
    expect(memory.subarray(1)).toEqual(expected);
  });
});
