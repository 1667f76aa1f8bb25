import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, equalBytes } from '../../../src/core/bytes.ts';
import type { Hash } from '../../../src/core/identifiers.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { ContentStore } from '../../../src/datasets/content-store.ts';
import { encodeGroup } from '../../../src/datasets/delta-group.ts';
import { ManifestBuilder } from '../../../src/datasets/manifest.ts';
import { nodeCrypto } from '../../../src/runtime/node-crypto.ts';
import { openPackStore } from '../../../src/runtime/pack-store.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';
import { zstdCompressor as compressor } from '../../../src/runtime/zstd-compressor.ts';

/** A chunk: what it is like, and how long. */
const chunk = fc.record({ seed: fc.nat(1000), isText: fc.boolean(), lengthBytes: fc.integer({ min: 100, max: 60_000 }) });

function bytesOf({ seed, isText, lengthBytes }: { seed: number; isText: boolean; lengthBytes: number }): Uint8Array {
  const bytes = seededRandom(seed).bytes(lengthBytes);
  // Half of it repeats, so that it is compressed in its pack and lies elsewhere when it was read.
  if (isText) bytes.fill(0x2c, lengthBytes / 2);
  return bytes;
}

describe('chunks that are read together', () => {
  it('are those of the content, in whatever order they were packed and whichever of them are compressed', async () => {
    const arrangement = fc.record({
      chunks: fc.array(chunk, { minLength: 1, maxLength: 24 }),
      // After how many chunks the next ones are put, and the order in which they are.
      cuts: fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 8 }),
      order: fc.nat(1000),
      roomBytes: fc.constantFrom(0, 200_000, 2_000_000),
    });
    await fc.assert(
      fc.asyncProperty(arrangement, async ({ chunks, cuts, order, roomBytes }) => {
        const directory = await mkdtemp(join(tmpdir(), 'godwit-together-'));
        const catalog = openSqliteCatalog(':memory:');
        const packs = await openPackStore(directory);
        try {
          const contents = new ContentStore(catalog, packs, nodeCrypto);
          const records = chunks.map(bytesOf).map((bytes) => ({ hash: nodeCrypto.sha256(bytes) as Hash, bytes }));
          const random = seededRandom(order);
          const packed =
            order % 3 !== 0
              ? [...records]
              : records
                  .map((each) => ({ each, at: random.float() }))
                  .sort((a, b) => a.at - b.at)
                  .map(({ each }) => each);
          for (let from = 0, turn = 0; from < packed.length; turn++) {
            const count = cuts[turn % cuts.length] as number;
            await contents.put(packed.slice(from, from + count));
            from += count;
            // What lies between them belongs to something else.
            const spacer = random.bytes(500);
            await contents.put([{ hash: nodeCrypto.sha256(spacer) as Hash, bytes: spacer }]);
          }
          const builder = new ManifestBuilder(nodeCrypto);
          for (const { hash, bytes } of records) builder.add({ hash, lengthBytes: bytes.length });
          const { content, nodes } = builder.finish();
          await contents.put(nodes);
          const whole = concatBytes(...records.map(({ bytes }) => bytes));

          const read = await contents.readAll(
            records.map(({ hash }) => hash),
            new Uint8Array(roomBytes),
          );
          expect(read?.map((bytes, at) => equalBytes(bytes, records[at]!.bytes))).toEqual(records.map(() => true));
          // As they travel: read into the room of their group, a byte longer than they are, and moved together there.
          const room = new Uint8Array(1 + whole.length);
          const target = (await contents.readAll(
            records.map(({ hash }) => hash),
            room.subarray(1),
          )) as Uint8Array[];
          const effort = { level: 0, dictionaryBytesMax: 0, modelledBytesMax: 0 };
          expect(equalBytes(encodeGroup(target, [], { compressor, effort, room }).subarray(1), whole)).toBe(true);
          const lent: Uint8Array[] = [];
          for await (const piece of contents.lend(content)) lent.push(piece.slice());
          expect(equalBytes(concatBytes(...lent), whole)).toBe(true);
        } finally {
          await packs.close();
          catalog.close();
          await rm(directory, { recursive: true });
        }
      }),
      { numRuns: 60 },
    );
  });
});
