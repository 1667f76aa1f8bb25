import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/core/random.ts';
import { ChunkList } from '../../../src/datasets/chunk-list.ts';

describe('the chunks of a content', () => {
  it('are read in the order in which they were added, as often as they are asked for', () => {
    const random = seededRandom(1);
    // Beyond two of the longest blocks.
    const added = Array.from({ length: 13_000 }, () => ({ hash: random.bytes(32), lengthBytes: 1 + random.below(2 ** 23) }));
    const list = new ChunkList();
    for (const { hash, lengthBytes } of added) list.add(hash, lengthBytes);
    expect([...list]).toEqual(added);
    expect([...list]).toEqual(added);
  });

  it('are none before one is added', () => {
    expect([...new ChunkList()]).toEqual([]);
  });

  it('are named by copies, as whoever adds one uses its array again', () => {
    const list = new ChunkList();
    const hash = new Uint8Array(32).fill(1);
    const first = list.add(hash, 5);
    list.add(hash.fill(2), 6);
    expect(first).toEqual({ hash: new Uint8Array(32).fill(1), lengthBytes: 5 });
    expect([...list].map((ref) => ref.hash[0])).toEqual([1, 2]);
  });
});
