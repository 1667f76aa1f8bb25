import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes } from '../../../src/core/bytes.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { type ChunkParameters, ChunkSplitter } from '../../../src/datasets/chunking.ts';

/** Small lengths, so that a few kilobytes hold many cuts. */
const parameters: ChunkParameters = { minBytes: 64, averageBytes: 256, maxBytes: 1024 };

const gearRandom = seededRandom(0x67656172);
const gear = Array.from({ length: 256 }, () => BigInt(gearRandom.uint32()));

/** The definition in the module's header, word for word, on the whole content at once. */
function dumbSplit(content: Uint8Array): Uint8Array[] {
  const { minBytes, averageBytes, maxBytes } = parameters;
  const chunks: Uint8Array[] = [];
  let start = 0;
  while (start < content.length) {
    let hash = 0n;
    let length = Math.min(maxBytes, content.length - start);
    for (let n = minBytes + 1; n <= length; n++) {
      hash = (hash * 2n + gear[content[start + n - 1]!]!) % 2n ** 32n;
      const bits = Math.log2(averageBytes) + (n <= averageBytes ? 2 : -2);
      if (hash.toString(2).padStart(32, '0').slice(0, bits) === '0'.repeat(bits)) length = n;
    }
    chunks.push(content.slice(start, start + length));
    start += length;
  }
  return chunks;
}

/** Random bytes with repetitive stretches, cut into pieces at random places. */
const pieces = fc
  .record({
    seed: fc.integer(),
    lengthBytes: fc.nat(8000),
    alphabet: fc.constantFrom(1, 2, 10, 256),
    cuts: fc.array(fc.nat(8000), { maxLength: 40 }),
  })
  .map(({ seed, lengthBytes, alphabet, cuts }) => {
    const content = seededRandom(seed)
      .bytes(lengthBytes)
      .map((byte) => byte % alphabet);
    const places = [0, ...cuts.map((cut) => Math.min(cut, lengthBytes)).sort((a, b) => a - b), lengthBytes];
    return { content, pieces: places.slice(1).map((place, index) => content.subarray(places[index], place)) };
  });

describe('chunk splitter', () => {
  it('agrees with the one-shot definition however the content is handed over', () => {
    fc.assert(
      fc.property(pieces, ({ content, pieces }) => {
        const splitter = new ChunkSplitter(parameters);
        const chunks = pieces.flatMap((piece) => splitter.push(piece));
        chunks.push(...splitter.end());
        expect(concatBytes(...chunks)).toEqual(content);
        expect(chunks.map((chunk) => chunk.length)).toEqual(dumbSplit(content).map((chunk) => chunk.length));
      }),
      { numRuns: 300 },
    );
  });
});
