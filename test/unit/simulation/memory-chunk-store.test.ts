import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/core/random.ts';
import { nodeCrypto } from '../../../src/runtime/node-crypto.ts';
import { DiskFaults } from '../../../src/simulation/disk-faults.ts';
import { MemoryChunkStore } from '../../../src/simulation/memory-chunk-store.ts';
import { randomRecord } from '../../contract/chunk-store-suite.ts';

function simulatedStore(seed = 1): { faults: DiskFaults; store: MemoryChunkStore } {
  const faults = new DiskFaults(seededRandom(seed));
  return { faults, store: new MemoryChunkStore({ sha256: nodeCrypto.sha256, faults }) };
}

/** Every microtask that is due, and those that follow from it, have run. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('a power cut in a simulated chunk store', () => {
  it('keeps what was acknowledged and, of the rest, at most a prefix with a torn record', async () => {
    const lengths = new Set<number>();
    for (let seed = 1; seed <= 20; seed++) {
      const { faults, store } = simulatedStore(seed);
      const kept = randomRecord(100, 1000);
      const [place] = await store.append([kept]);
      const durableBytes = place!.offset + place!.recordBytes;
      faults.settle = () => new Promise(() => {});
      let isAnswered = false;
      const answer = () => {
        isAnswered = true;
      };
      store.append([randomRecord(1, 1000), randomRecord(2, 1000)]).then(answer, answer);
      await settled();
      store.powerCut();
      const found = store.reopen();
      const [pack] = await found.packs();
      expect(pack!.lengthBytes).toBeGreaterThanOrEqual(durableBytes);
      expect(pack!.lengthBytes).toBeLessThanOrEqual(durableBytes + 2 * 1048);
      lengths.add(pack!.lengthBytes);
      expect(await found.read(place!, kept.hash)).toEqual(kept.bytes);
      await found.truncateAfter(pack!.pack, durableBytes);
      expect(await found.packs()).toEqual([{ pack: pack!.pack, lengthBytes: durableBytes }]);
      expect(isAnswered).toBe(false);
    }
    expect(lengths.size).toBeGreaterThan(10);
  });

  it('silences the store for good, even when the disk settles afterwards', async () => {
    const { faults, store } = simulatedStore();
    let settle = () => {};
    faults.settle = () =>
      new Promise((resolve) => {
        settle = resolve;
      });
    let answers = 0;
    const count = () => {
      answers++;
    };
    store.append([randomRecord(1, 1000)]).then(count, count);
    store.append([randomRecord(2, 1000)]).then(count, count);
    await settled();
    store.powerCut();
    settle();
    store.packs().then(count, count);
    store.read({ pack: 1, offset: 8, recordBytes: 1048 }, randomRecord(1, 1000).hash).then(count, count);
    await settled();
    expect(answers).toBe(0);
  });

  it('is the same for the same seed', async () => {
    const lengthAfterCut = async () => {
      const { faults, store } = simulatedStore(7);
      faults.settle = () => new Promise(() => {});
      store.append([randomRecord(1, 5000)]);
      await settled();
      store.powerCut();
      return (await store.reopen().packs())[0]!.lengthBytes;
    };
    expect(await lengthAfterCut()).toBe(await lengthAfterCut());
  });

  it('is the only way but closing to a new store', () => {
    expect(() => simulatedStore().store.reopen()).toThrow('open');
  });
});

describe('a simulated disk', () => {
  it('that is full takes nothing of an append and recovers when space is freed', async () => {
    const { faults, store } = simulatedStore();
    faults.freeBytes = 2500;
    const [place] = await store.append([randomRecord(1, 1000)]);
    await expect(store.append([randomRecord(2, 1000), randomRecord(3, 1000)])).rejects.toMatchObject({
      code: 'DISK_FULL',
      retryable: true,
    });
    expect(await store.packs()).toEqual([{ pack: 1, lengthBytes: place!.offset + place!.recordBytes }]);
    await store.append([randomRecord(2, 1000)]);
    await store.remove(1);
    await store.append([randomRecord(3, 1000), randomRecord(4, 1000)]);
  });

  it('fails the share of reads it is told to', async () => {
    const { faults, store } = simulatedStore();
    const record = randomRecord(1, 100);
    const [place] = await store.append([record]);
    faults.readErrorRatio = 0.5;
    let failures = 0;
    for (let i = 0; i < 400; i++) if ((await store.read(place!, record.hash)) === 'unreadable') failures++;
    expect(failures).toBeGreaterThan(150);
    expect(failures).toBeLessThan(250);
  });

  it('rots the record it is told to', async () => {
    const { store } = simulatedStore();
    const records = [randomRecord(1, 100), randomRecord(2, 100)];
    const places = await store.append(records);
    store.rot(places[0]!);
    expect(await store.read(places[0]!, records[0]!.hash)).toBeUndefined();
    expect(await store.read(places[1]!, records[1]!.hash)).toEqual(records[1]!.bytes);
    expect(() => store.rot({ ...places[0]!, offset: 9 })).toThrow('no chunk');
  });

  it('has several packs', async () => {
    const { store } = simulatedStore();
    const record = randomRecord(1, 8_000_000);
    const places = await store.append([record, record, record]);
    expect(places.map(({ pack }) => pack)).toEqual([1, 1, 2]);
    await store.close();
    expect((await store.reopen().packs()).map(({ pack }) => pack)).toEqual([1, 2]);
  });
});
