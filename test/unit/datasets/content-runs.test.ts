import { describe, expect, it } from 'vitest';
import { concatBytes, equalBytes, toHex } from '../../../src/core/bytes.ts';
import type { Hash } from '../../../src/core/identifiers.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { readRuns } from '../../../src/datasets/content-runs.ts';
import type { ChunkRef } from '../../../src/datasets/manifest.ts';
import { nodeCrypto } from '../../../src/runtime/node-crypto.ts';

const random = seededRandom(1);
const chunks = Array.from({ length: 90 }, () => random.bytes(20_000 + random.below(90_000)));
const refs = chunks.map((bytes): ChunkRef => ({ hash: nodeCrypto.sha256(bytes) as Hash, lengthBytes: bytes.length }));
const chunkByHash = new Map(refs.map(({ hash }, index) => [toHex(hash), chunks[index]!]));
const whole = concatBytes(...chunks);

async function* each<T>(items: readonly T[]): AsyncGenerator<T, void, void> {
  yield* items;
}

/** Reads as a pack does: into the room, with a header of 48 bytes in front of each chunk; elsewhere those that `isElsewhere`. */
function reader(isElsewhere: (index: number) => boolean = () => false) {
  const rooms = new Set<unknown>();
  const readAll = async (hashes: readonly Hash[], room: Uint8Array): Promise<Uint8Array[]> => {
    rooms.add(room.buffer);
    let filled = 0;
    return hashes.map((hash, index) => {
      const bytes = chunkByHash.get(toHex(hash))!;
      if (isElsewhere(index)) return bytes.slice();
      room.fill(0xee, filled, filled + 48);
      room.set(bytes, filled + 48);
      filled += 48 + bytes.length;
      return room.subarray(filled - bytes.length, filled);
    });
  };
  return { rooms, readAll };
}

describe('runs of a content', () => {
  it('hold all of it in order, each in one piece where its chunks were read together, in a few rooms in turn', async () => {
    const { rooms, readAll } = reader();
    const parts: Uint8Array[] = [];
    let runs = 0;
    for await (const { run, pieces } of readRuns(each(refs), readAll)) {
      runs++;
      expect(pieces).toHaveLength(1);
      expect(pieces?.[0]).toHaveLength(run.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0));
      parts.push(...pieces!.map((piece) => piece.slice()));
    }
    expect(equalBytes(concatBytes(...parts), whole)).toBe(true);
    expect(runs).toBeGreaterThan(4);
    expect(rooms.size).toBeLessThan(runs);
  });

  it('hold chunk for chunk what lay elsewhere', async () => {
    const parts: Uint8Array[] = [];
    for await (const { pieces } of readRuns(each(refs), reader((index) => index % 3 === 0).readAll))
      parts.push(...pieces!.map((piece) => piece.slice()));
    expect(equalBytes(concatBytes(...parts), whole)).toBe(true);
  });

  it('say where something is not to be had, or not as long as it should be', async () => {
    const { readAll } = reader();
    const lacking = await Array.fromAsync(readRuns(each(refs.slice(0, 5)), async () => undefined));
    expect(lacking).toMatchObject([{ run: refs.slice(0, 5), pieces: undefined }]);
    const shorter = async (hashes: readonly Hash[], room: Uint8Array) => (await readAll(hashes, room)).map((bytes) => bytes.subarray(1));
    expect(await Array.fromAsync(readRuns(each(refs.slice(0, 2)), shorter))).toMatchObject([{ pieces: undefined }]);
  });
});
