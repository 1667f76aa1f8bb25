import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { equalBytes } from '../../src/core/bytes.ts';
import type { Hash } from '../../src/core/identifiers.ts';
import { limits } from '../../src/core/limits.ts';
import { seededRandom } from '../../src/core/random.ts';
import type { ChunkStore, PackPlace, PackRecord } from '../../src/ports/chunk-store.ts';

/** A store on some medium, as the suite handles it. */
export interface ChunkStoreSubject {
  readonly store: ChunkStore;
  /** Closes the store and opens what is on the medium. `store` is the new one from then on. */
  reopen(): Promise<void>;
  /** Changes one bit of the record at a place, behind the store's back. */
  damage(place: PackPlace): Promise<void>;
  /** Closes the store and frees the medium. */
  dispose(): Promise<void>;
}

/** The record of these bytes, under their true hash. */
export function packRecord(bytes: Uint8Array): PackRecord {
  return { hash: new Uint8Array(createHash('sha256').update(bytes).digest()) as Hash, bytes };
}

/** Pseudo-random bytes, which do not compress, as a record. */
export function randomRecord(seed: number, length: number): PackRecord {
  return packRecord(seededRandom(seed).bytes(length));
}

/** What every ChunkStore must do. `create` gives a new, empty one. */
export function chunkStoreContract(name: string, create: () => Promise<ChunkStoreSubject>): void {
  describe(`the chunk store contract: ${name}`, () => {
    let subject: ChunkStoreSubject;
    const append = (...records: PackRecord[]) => subject.store.append(records);
    const read = (place: PackPlace, { hash }: PackRecord) => subject.store.read(place, hash);

    beforeEach(async () => {
      subject = await create();
    });
    afterEach(() => subject.dispose());

    describe('appending', () => {
      it('keeps each of several long records that compress well', async () => {
        const records = [1, 2, 3].map((seed) =>
          packRecord(
            seededRandom(seed)
              .bytes(128 * 1024)
              .map((byte) => 48 + (byte & 3)),
          ),
        );
        const places = await append(...records);
        for (const [index, record] of records.entries()) expect(await read(places[index] as PackPlace, record)).toEqual(record.bytes);
      });

      it('stores chunks of any size and content, and gives each its place', async () => {
        const records = [
          packRecord(new Uint8Array()),
          randomRecord(1, 1),
          randomRecord(2, 100_000),
          packRecord(new Uint8Array(100_000)),
          packRecord(new TextEncoder().encode('"2024-06-01 00:00:00",1,12.5\n'.repeat(3000))),
          randomRecord(3, limits.chunkBytesMax),
        ];
        const places = await append(...records);
        expect(places).toHaveLength(records.length);
        for (const [i, record] of records.entries())
          expect(equalBytes((await read(places[i]!, record)) as Uint8Array, record.bytes)).toBe(true);
      });

      it('puts records behind one another, within the length of the pack', async () => {
        const places = [...(await append(randomRecord(1, 500), packRecord(new Uint8Array(9000)))), ...(await append(randomRecord(2, 70)))];
        let end = 0;
        for (const place of places) {
          expect(place.offset).toBeGreaterThanOrEqual(end);
          end = place.offset + place.recordBytes;
        }
        expect(await subject.store.packs()).toEqual([{ pack: places[0]!.pack, lengthBytes: end }]);
      });

      it('stores what is said to be dense as it is, among other records', async () => {
        const records = [
          packRecord(new Uint8Array(5000)),
          randomRecord(1, 70_000),
          randomRecord(2, 0),
          randomRecord(3, 100),
          packRecord(new Uint8Array(900)),
        ];
        const marked = records.map((record, i) => (i % 4 === 0 ? record : { ...record, isDense: true }));
        const places = await append(...marked, { ...randomRecord(4, limits.chunkBytesMax), isDense: true });
        for (const [i, record] of records.entries())
          expect(equalBytes((await read(places[i]!, record)) as Uint8Array, record.bytes)).toBe(true);
        expect(
          equalBytes(
            (await read(places[5]!, randomRecord(4, limits.chunkBytesMax))) as Uint8Array,
            randomRecord(4, limits.chunkBytesMax).bytes,
          ),
        ).toBe(true);
      });

      it('of nothing does nothing', async () => {
        expect(await append()).toEqual([]);
        expect(await subject.store.packs()).toEqual([]);
      });

      it('takes place in the order of the calls, without waiting in between', async () => {
        const records = Array.from({ length: 40 }, (_, i) => randomRecord(i, 1000 + i));
        const order: number[] = [];
        const places = await Promise.all(
          records.map(async (record, i) => {
            const [place] = await append(record);
            order.push(i);
            return place!;
          }),
        );
        expect(order).toEqual(records.map((_, i) => i));
        for (const [i, record] of records.entries()) {
          expect(await read(places[i]!, record)).toEqual(record.bytes);
          if (i > 0) expect(places[i]!.offset).toBeGreaterThanOrEqual(places[i - 1]!.offset + places[i - 1]!.recordBytes);
        }
      });

      it('refuses a chunk beyond the limit and stores nothing of the call', async () => {
        const tooLarge = packRecord(new Uint8Array(limits.chunkBytesMax + 1));
        await expect(append(randomRecord(1, 100), tooLarge)).rejects.toThrow('limit');
        expect(await subject.store.packs()).toEqual([]);
      });

      it('leaves the caller its array', async () => {
        const record = randomRecord(1, 1000);
        const original = record.bytes.slice();
        const [place] = await append(record);
        record.bytes.fill(0);
        expect(await read(place!, record)).toEqual(original);
      });
    });

    describe('reading', () => {
      it('gives the caller an array of its own', async () => {
        const record = randomRecord(1, 1000);
        const [place] = await append(record);
        ((await read(place!, record)) as Uint8Array).fill(0);
        expect(await read(place!, record)).toEqual(record.bytes);
      });

      it('gives nothing under another hash', async () => {
        const [place] = await append(randomRecord(1, 1000));
        expect(await read(place!, randomRecord(2, 1000))).toBeUndefined();
      });

      it('gives nothing where no record lies', async () => {
        const record = randomRecord(1, 1000);
        const [place] = await append(record, randomRecord(2, 1000));
        const wrong: Partial<PackPlace>[] = [
          { pack: 99 },
          { offset: 0 },
          { offset: place!.offset + 1 },
          { offset: 1_000_000 },
          { recordBytes: place!.recordBytes - 1 },
          { recordBytes: place!.recordBytes + 1 },
          { recordBytes: 0 },
          { recordBytes: 2 ** 40 },
        ];
        for (const change of wrong) expect(await read({ ...place!, ...change }, record)).toBeUndefined();
        expect(await read(place!, record)).toEqual(record.bytes);
      });

      it('gives nothing for a damaged record, and its neighbours as before', async () => {
        const records = [randomRecord(1, 5000), packRecord(new Uint8Array(50_000).fill(7)), randomRecord(3, 5000)];
        const places = await append(...records);
        await subject.damage(places[1]!);
        expect(await read(places[1]!, records[1]!)).toBeUndefined();
        await subject.damage(places[2]!);
        expect(await read(places[2]!, records[2]!)).toBeUndefined();
        expect(await read(places[0]!, records[0]!)).toEqual(records[0]!.bytes);
      });

      it('of several gives them in their order, up to the first that is damaged, and in the room that is given if it gives any there', async () => {
        const records = Array.from({ length: 9 }, (_, i) =>
          i % 3 === 0 ? packRecord(new Uint8Array(2000 + i)) : randomRecord(i, 3000 + i),
        );
        const places = await append(...records);
        const hashes = records.map(({ hash }) => hash);
        const room = new Uint8Array(places.reduce((sum, { recordBytes }) => sum + recordBytes, 0));
        for (const into of [undefined, room, room.subarray(1)]) {
          const chunks = await subject.store.readTogether(places, hashes, into);
          expect(chunks.map((bytes) => bytes.slice())).toEqual(records.map(({ bytes }) => bytes));
        }
        await subject.damage(places[4]!);
        expect(await subject.store.readTogether(places, hashes)).toHaveLength(4);
        expect(await subject.store.readTogether([], [])).toEqual([]);
        expect(await subject.store.readTogether([{ pack: 77, offset: 8, recordBytes: 100 }], hashes)).toEqual([]);
      });

      it('takes many calls at once', async () => {
        const records = Array.from({ length: 50 }, (_, i) => randomRecord(i, 2000));
        const places = await append(...records);
        const chunks = await Promise.all(records.map((record, i) => read(places[i]!, record)));
        expect(chunks).toEqual(records.map(({ bytes }) => bytes));
      });
    });

    describe('opening again', () => {
      it('finds every record and goes on behind them', async () => {
        const [first, second] = [randomRecord(1, 3000), randomRecord(2, 3000)];
        const [placeOfFirst] = await append(first);
        await subject.reopen();
        const [placeOfSecond] = await append(second);
        await subject.reopen();
        expect(placeOfSecond!.offset).toBe(placeOfFirst!.offset + placeOfFirst!.recordBytes);
        expect(await read(placeOfFirst!, first)).toEqual(first.bytes);
        expect(await read(placeOfSecond!, second)).toEqual(second.bytes);
      });
    });

    describe('truncation', () => {
      it('takes what lies behind and keeps what lies before', async () => {
        const records = [randomRecord(1, 1000), randomRecord(2, 1000), randomRecord(3, 1000)];
        const places = await append(...records);
        const end = places[1]!.offset + places[1]!.recordBytes;
        await subject.store.truncateAfter(places[1]!.pack, end);
        expect(await subject.store.packs()).toEqual([{ pack: places[1]!.pack, lengthBytes: end }]);
        expect(await read(places[1]!, records[1]!)).toEqual(records[1]!.bytes);
        expect(await read(places[2]!, records[2]!)).toBeUndefined();
        const [again] = await append(records[2]!);
        expect(again).toEqual(places[2]);
        expect(await read(again!, records[2]!)).toEqual(records[2]!.bytes);
      });

      it('to nothing leaves no record', async () => {
        const record = randomRecord(1, 1000);
        const [place] = await append(record);
        await subject.store.truncateAfter(place!.pack, 0);
        expect(await read(place!, record)).toBeUndefined();
        const [again] = await append(record);
        expect(await read(again!, record)).toEqual(record.bytes);
      });

      it('through a record leaves none of it', async () => {
        const records = [randomRecord(1, 1000), randomRecord(2, 1000)];
        const places = await append(...records);
        await subject.store.truncateAfter(places[1]!.pack, places[1]!.offset + 10);
        expect(await read(places[1]!, records[1]!)).toBeUndefined();
        expect(await read(places[0]!, records[0]!)).toEqual(records[0]!.bytes);
      });

      it('never lengthens a pack, and a pack that lost bytes the catalog counts on never grows again', async () => {
        const records = [randomRecord(1, 1000), randomRecord(2, 1000)];
        const places = await append(...records);
        await subject.store.truncateAfter(places[1]!.pack, places[1]!.offset);
        await subject.reopen();
        await subject.store.truncateAfter(places[1]!.pack, places[1]!.offset + places[1]!.recordBytes);
        expect(await subject.store.packs()).toEqual([{ pack: places[1]!.pack, lengthBytes: places[1]!.offset }]);
        const [elsewhere] = await append(randomRecord(3, 1000));
        expect(elsewhere!.pack).toBeGreaterThan(places[1]!.pack);
        expect(await read(places[0]!, records[0]!)).toEqual(records[0]!.bytes);
      });

      it('of a pack that is lost leaves its number unused', async () => {
        await subject.store.truncateAfter(7, 5000);
        expect(await subject.store.packs()).toEqual([]);
        const [place] = await append(randomRecord(1, 1000));
        expect(place!.pack).toBeGreaterThan(7);
      });
    });

    describe('removal', () => {
      it('takes a pack with all it holds, and its number is not used again', async () => {
        const [old, young] = [randomRecord(1, 1000), randomRecord(2, 1000)];
        const [place] = await append(old);
        await read(place!, old);
        await subject.store.remove(place!.pack);
        expect(await subject.store.packs()).toEqual([]);
        expect(await read(place!, old)).toBeUndefined();
        const [elsewhere] = await append(young);
        expect(elsewhere!.pack).toBeGreaterThan(place!.pack);
        expect(await read(elsewhere!, young)).toEqual(young.bytes);
      });

      it('of a pack that is gone is no error', async () => {
        await subject.store.remove(5);
      });

      it('right after opening takes the pack that would have grown', async () => {
        const [place] = await append(randomRecord(1, 1000));
        await subject.reopen();
        await subject.store.remove(place!.pack);
        await append(randomRecord(2, 1000));
        expect(await read(place!, randomRecord(1, 1000))).toBeUndefined();
      });
    });

    describe('closing', () => {
      it('lets what was asked for before finish', async () => {
        const record = randomRecord(1, 1000);
        const places = append(record);
        await subject.reopen();
        expect(await read((await places)[0]!, record)).toEqual(record.bytes);
      });

      it('ends the store, once', async () => {
        const { store } = subject;
        await subject.reopen();
        await store.close();
        await expect(store.append([randomRecord(1, 10)])).rejects.toThrow('closed');
        await expect(store.packs()).rejects.toThrow('closed');
        await expect(store.read({ pack: 1, offset: 8, recordBytes: 58 }, randomRecord(1, 10).hash)).rejects.toThrow('closed');
      });
    });

    it('serves exactly what it holds after any sequence of operations', async () => {
      const operation = fc.oneof(
        {
          weight: 6,
          arbitrary: fc.record({
            kind: fc.constant('append' as const),
            lengths: fc.array(fc.integer({ min: 16, max: 3000 }), { maxLength: 4 }),
          }),
        },
        { weight: 2, arbitrary: fc.record({ kind: fc.constant('truncate' as const), keep: fc.nat(20) }) },
        { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const) }) },
        { weight: 2, arbitrary: fc.record({ kind: fc.constant('reopen' as const) }) },
      );
      await fc.assert(
        fc.asyncProperty(fc.array(operation, { maxLength: 15 }), async (operations) => {
          const run = await create();
          try {
            let seed = 0;
            let held: { readonly place: PackPlace; readonly record: PackRecord }[] = [];
            const gone: typeof held = [];
            const drop = (isKept: (place: PackPlace) => boolean) => {
              gone.push(...held.filter(({ place }) => !isKept(place)));
              held = held.filter(({ place }) => isKept(place));
            };
            for (const step of operations) {
              const last = held.at(-1)?.place.pack;
              if (step.kind === 'append') {
                const records = step.lengths.map((length) => randomRecord(seed++, length));
                const places = await run.store.append(records);
                held.push(...records.map((record, i) => ({ place: places[i]!, record })));
              } else if (step.kind === 'truncate' && last !== undefined) {
                const inPack = held.filter(({ place }) => place.pack === last);
                const { offset, recordBytes } = inPack[Math.min(step.keep, inPack.length - 1)]!.place;
                await run.store.truncateAfter(last, offset + recordBytes);
                drop((place) => place.pack !== last || place.offset <= offset);
              } else if (step.kind === 'remove' && last !== undefined) {
                await run.store.remove(last);
                drop((place) => place.pack !== last);
              } else if (step.kind === 'reopen') await run.reopen();
            }
            for (const { place, record } of held) expect(await run.store.read(place, record.hash)).toEqual(record.bytes);
            for (const { place, record } of gone) expect(await run.store.read(place, record.hash)).toBeUndefined();
          } finally {
            await run.dispose();
          }
        }),
        { numRuns: 30, seed: 5 },
      );
    });
  });
}
