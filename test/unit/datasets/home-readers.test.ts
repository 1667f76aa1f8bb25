import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/core/random.ts';
import { adjacentHomes, HomeReaders } from '../../../src/datasets/home-readers.ts';
import { readAhead } from '../../../src/datasets/read-ahead.ts';
import { DiskFaults } from '../../../src/simulation/disk-faults.ts';
import { MemoryFileTree } from '../../../src/simulation/memory-file-tree.ts';

const home = (path: string, offset: number, bytes: number) => ({ tree: 't', path, offset, length_bytes: bytes });

describe('chunks in working files', () => {
  it('are read together as far as they lie one behind the other in one file', () => {
    const chunks = [[home('a', 10, 5)], [home('b', 0, 1), home('a', 15, 3)], [home('a', 18, 2)], [home('b', 20, 1)]];
    expect(adjacentHomes(chunks)).toEqual([home('a', 10, 5), home('a', 15, 3), home('a', 18, 2)]);
    expect(adjacentHomes([[home('a', 0, 5)], [], [home('a', 5, 5)]])).toEqual([home('a', 0, 5)]);
    expect(adjacentHomes([])).toEqual([]);
  });

  it('are not read in more than 8 MiB at once', () => {
    const mebibyte = 1024 * 1024;
    const chunks = Array.from({ length: 20 }, (_, i) => [home('a', i * mebibyte, mebibyte)]);
    expect(adjacentHomes(chunks).length).toBe(8);
  });

  it('come cut as they were asked for, or not at all when one of them is not there any more', async () => {
    const tree = new MemoryFileTree({ nowNs: () => 1n, faults: new DiskFaults(seededRandom(1)) });
    tree.put('a', Uint8Array.of(0, 1, 2, 3, 4, 5));
    const readers = new HomeReaders(new Map([['t', tree]]), () => undefined);
    expect(await readers.readTogether([home('a', 1, 2), home('a', 3, 1)])).toEqual([Uint8Array.of(1, 2), Uint8Array.of(3)]);
    expect(await readers.readTogether([home('a', 4, 1), home('a', 5, 3)])).toEqual([]);
    expect(await readers.readTogether([])).toEqual([]);
    expect(await readers.read(home('gone', 0, 1))).toBeUndefined();
    expect(await readers.read({ ...home('a', 0, 1), tree: 'not attached' })).toBe('unavailable');
    await readers.close();
  });
});

describe('reading ahead', () => {
  async function* items() {
    yield* [1, 2, 3, 4, 5];
  }

  it('begins a few reads before their turn and gives results in order', async () => {
    const begun: number[] = [];
    const got: number[][] = [];
    const read = async (item: number) => {
      begun.push(item);
      return item * 10;
    };
    for await (const [item, result] of readAhead(items(), 3, read)) got.push([item, result, begun.length]);
    expect(got).toEqual([1, 2, 3, 4, 5].map((item) => [item, item * 10, Math.min(5, item + 2)]));
  });

  it('fails at the item that failed, and not before its turn', async () => {
    const got: number[] = [];
    const read = async (item: number) => {
      if (item === 3) throw new Error('gone');
      return item;
    };
    const all = (async () => {
      for await (const [item] of readAhead(items(), 4, read)) got.push(item);
    })();
    await expect(all).rejects.toThrow('gone');
    expect(got).toEqual([1, 2]);
  });
});
