import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/core/random.ts';
import { chunkParametersOf } from '../../../src/datasets/chunking.ts';
import { ContentCut } from '../../../src/datasets/content-cut.ts';
import { nodeCrypto } from '../../../src/runtime/node-crypto.ts';
import { cutSegment } from '../../../src/runtime/work-handler.ts';

const averageBytes = 1024;

/** Noise, runs of one byte, and repetitions: where cuts meet soon, never, or by the period. */
const content = fc
  .array(fc.record({ seed: fc.nat(1000), lengthBytes: fc.nat(20_000), kind: fc.constantFrom('noise', 'run', 'period') }), {
    minLength: 1,
    maxLength: 6,
  })
  .map((parts) => {
    const pieces = parts.map(({ seed, lengthBytes, kind }) => {
      const noise = seededRandom(seed).bytes(Math.max(1, kind === 'noise' ? lengthBytes : kind === 'run' ? 1 : (seed % 700) + 1));
      return Uint8Array.from({ length: lengthBytes }, (_, at) => noise[at % noise.length] as number);
    });
    return new Uint8Array(pieces.flatMap((piece) => [...piece]));
  });

function cutWhole(bytes: Uint8Array) {
  const cut = new ContentCut(chunkParametersOf(averageBytes), false, nodeCrypto);
  cut.push(bytes);
  const { content, chunks } = cut.end();
  return { content, chunks: [...chunks], records: cut.takeRecords() };
}

describe('a content that is cut by segments', () => {
  it('has the chunks and the name that it has when it is cut in one go', () => {
    fc.assert(
      fc.property(content, fc.integer({ min: 500, max: 30_000 }), (bytes, segmentBytes) => {
        const cut = new ContentCut(chunkParametersOf(averageBytes), false, nodeCrypto);
        const room = new Uint8Array(segmentBytes);
        for (let at = 0; at < bytes.length; at += segmentBytes) {
          // The same array again and again: nothing of it may be kept.
          room.set(bytes.subarray(at, at + segmentBytes));
          const segment = room.subarray(0, Math.min(segmentBytes, bytes.length - at));
          cut.pushSegment(cutSegment(segment, averageBytes));
        }
        const { content: name, chunks } = cut.end();
        expect({ content: name, chunks: [...chunks], records: cut.takeRecords() }).toEqual(cutWhole(bytes));
      }),
      { seed: 3, numRuns: 150 },
    );
  });
});
