import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concatBytes, fromHex, utf8 } from '../../src/core/bytes.ts';
import { seededRandom } from '../../src/core/random.ts';
import type { Compressor } from '../../src/ports/compressor.ts';

/**
 * What every implementation of the Compressor port must do. The frame format itself is RFC 8878.
 */

/** The bytes with which a trained dictionary begins: little-endian 0xEC30A437. */
const dictionaryMagic = fromHex('37a430ec');
/** The bytes with which a frame begins: little-endian 0xFD2FB528. */
const frameMagic = fromHex('28b52ffd');

/** Bytes with and without repetition, so that all kinds of blocks occur. */
const content = fc.oneof(
  fc.uint8Array({ maxLength: 400 }),
  fc
    .tuple(fc.uint8Array({ minLength: 1, maxLength: 20 }), fc.integer({ min: 1, max: 200 }))
    .map(([piece, times]) => concatBytes(...Array.from({ length: times }, () => piece))),
);
/** Dictionaries of every kind that matters: none, empty, too short to be used, ordinary, and with the magic of a trained dictionary in front (once or twice). */
const dictionary = fc.oneof(
  fc.constant(undefined),
  fc.uint8Array({ maxLength: 12 }),
  fc.uint8Array({ maxLength: 400 }),
  fc.uint8Array({ maxLength: 100 }).map((rest) => concatBytes(dictionaryMagic, rest)),
  fc.uint8Array({ maxLength: 100 }).map((rest) => concatBytes(Uint8Array.of(0x37), dictionaryMagic, rest)),
  fc.uint8Array({ maxLength: 100 }).map((rest) => concatBytes(dictionaryMagic, dictionaryMagic, rest)),
);
const level = fc.integer({ min: 1, max: 19 });

function withDictionary(bytes: Uint8Array | undefined): { readonly dictionary?: Uint8Array } {
  return bytes === undefined ? {} : { dictionary: bytes };
}

/** Runs the contract of the Compressor port against an implementation. */
export function testCompressorContract(name: string, compressor: Compressor): void {
  const text = utf8('2026-03-01 00:10:00,1201,12.73,4.081,18.22\n'.repeat(40));
  const frame = compressor.compress(text, { level: 3 });

  describe(`${name} as Compressor: round trips`, () => {
    test('any bytes come back, with any dictionary, at any level', () => {
      fc.assert(
        fc.property(content, dictionary, level, (bytes, shared, chosenLevel) => {
          const sent = compressor.compress(bytes, { level: chosenLevel, ...withDictionary(shared) });
          expect(compressor.decompress(sent, { bytesMax: bytes.length, ...withDictionary(shared) })).toEqual(bytes);
        }),
        { seed: 11, numRuns: 400 },
      );
    });

    test('sizes around every boundary of the size field and of the blocks come back', () => {
      const random = seededRandom(12);
      for (const size of [0, 1, 255, 256, 257, 65_535, 65_536, 65_791, 65_792, 131_071, 131_072, 131_073, 1_000_000]) {
        for (const bytes of [random.bytes(size), new Uint8Array(size).fill(7)]) {
          const sent = compressor.compress(bytes, { level: 3 });
          const received = compressor.decompress(sent, { bytesMax: size });
          expect(received !== undefined && Buffer.compare(received, bytes)).toBe(0);
        }
      }
    });

    test('the same call gives the same frame', () => {
      expect(compressor.compress(text, { level: 3 })).toEqual(frame);
    });

    test('a frame costs 9 bytes for content that does not shrink, as it has no checksum', () => {
      const random = seededRandom(13).bytes(200);
      expect(compressor.compress(random, { level: 19 })).toHaveLength(209);
    });

    test('results are plain arrays', () => {
      expect(Object.getPrototypeOf(frame)).toBe(Uint8Array.prototype);
      expect(Object.getPrototypeOf(compressor.decompress(frame, { bytesMax: text.length }))).toBe(Uint8Array.prototype);
    });
  });

  describe(`${name} as Compressor: dictionaries`, () => {
    test('content that both ends hold costs almost nothing', () => {
      const base = seededRandom(14).bytes(50_000);
      const changed = base.slice();
      changed[30_000] = changed[30_000]! ^ 1;
      expect(compressor.compress(changed, { level: 3, dictionary: base }).length).toBeLessThan(60);
    });

    test('a dictionary that begins with the magic of a trained one serves like any other', () => {
      const base = concatBytes(dictionaryMagic, seededRandom(15).bytes(50_000));
      const sent = compressor.compress(base, { level: 3, dictionary: base });
      expect(sent.length).toBeLessThan(60);
      expect(compressor.decompress(sent, { bytesMax: base.length, dictionary: base })).toEqual(base);
    });

    test('the first byte of a long dictionary is still in reach behind content as long', () => {
      const random = seededRandom(16);
      const base = random.bytes(1_500_000);
      const bytes = concatBytes(random.bytes(1_500_000), base.subarray(0, 500_000));
      const sent = compressor.compress(bytes, { level: 9, dictionary: base });
      expect(sent.length).toBeLessThan(1_501_000);
      const received = compressor.decompress(sent, { bytesMax: bytes.length, dictionary: base });
      expect(received !== undefined && Buffer.compare(received, bytes)).toBe(0);
    });

    test('without the dictionary, or with another one, the content does not come out', () => {
      const base = seededRandom(17).bytes(10_000);
      const sent = compressor.compress(base, { level: 3, dictionary: base });
      expect(compressor.decompress(sent, { bytesMax: 10_000 })).toBeUndefined();
      expect(compressor.decompress(sent, { bytesMax: 10_000, dictionary: seededRandom(18).bytes(10_000) })).not.toEqual(base);
      expect(compressor.decompress(sent, { bytesMax: 10_000, dictionary: base.subarray(0, 5000) })).toBeUndefined();
    });
  });

  describe(`${name} as Compressor: hostile frames`, () => {
    test('content longer than allowed is refused, to the byte', () => {
      expect(compressor.decompress(frame, { bytesMax: text.length })).toEqual(text);
      expect(compressor.decompress(frame, { bytesMax: text.length - 1 })).toBeUndefined();
    });

    test('a gigabyte of zeros in a kilobyte is refused before it unfolds', () => {
      // Single segment, content size in eight bytes, then run-length blocks of 128 KiB of zeros (RFC 8878 section 3.1.1.2.2).
      const header = Uint8Array.of(...frameMagic, 0xe0, 0, 0, 0, 0x40, 0, 0, 0, 0);
      const block = Uint8Array.of(0x02, 0x00, 0x10, 0x00);
      const lastBlock = Uint8Array.of(0x03, 0x00, 0x10, 0x00);
      const bomb = concatBytes(header, ...Array.from({ length: 8191 }, () => block), lastBlock);
      expect(compressor.decompress(bomb, { bytesMax: 8 * 1024 * 1024 })).toBeUndefined();
    });

    test('a frame that unfolds to more than it says is refused', () => {
      // Says 5 bytes, holds a run of 100,000.
      const liar = Uint8Array.of(...frameMagic, 0x20, 5, 0x03 | ((100_000 << 3) & 0xff), (100_000 >> 5) & 0xff, 100_000 >> 13, 0);
      expect(compressor.decompress(liar, { bytesMax: 1_000_000 })).toBeUndefined();
    });

    test('a frame that unfolds to less than it says is refused', () => {
      const liar = Uint8Array.of(...frameMagic, 0x20, 50, 0x03 | (5 << 3), 0, 0, 0);
      expect(compressor.decompress(liar, { bytesMax: 1_000_000 })).toBeUndefined();
    });

    test('a cut frame is refused wherever it was cut', () => {
      for (let length = 0; length < frame.length; length++) {
        expect(compressor.decompress(frame.subarray(0, length), { bytesMax: 100_000 })).toBeUndefined();
      }
    });

    test('anything behind the frame is refused: a byte, another frame, a skippable frame', () => {
      for (const rest of [Uint8Array.of(0), frame, fromHex('502a4d1800000000')]) {
        expect(compressor.decompress(concatBytes(frame, rest), { bytesMax: 100_000 })).toBeUndefined();
      }
    });

    test('frames that compress never makes are refused: with checksum, dictionary identifier, reserved bit, or without a size', () => {
      const run = Uint8Array.of(0x03 | (5 << 3), 0, 0, 0x61);
      const plainFrame = concatBytes(frameMagic, Uint8Array.of(0x20, 5), run);
      expect(compressor.decompress(plainFrame, { bytesMax: 10 })).toEqual(utf8('aaaaa'));
      const others = [
        concatBytes(frameMagic, Uint8Array.of(0x24, 5), run, Uint8Array.of(0, 0, 0, 0)),
        concatBytes(frameMagic, Uint8Array.of(0x21, 0, 5), run),
        concatBytes(frameMagic, Uint8Array.of(0x28, 5), run),
        concatBytes(frameMagic, Uint8Array.of(0x00, 0x00), run),
        fromHex('502a4d1800000000'),
      ];
      for (const other of others) expect(compressor.decompress(other, { bytesMax: 10 })).toBeUndefined();
    });

    test('a frame that states a window, as content longer than the largest window needs it, is accepted', () => {
      // Two-byte size (256 and more), window descriptor, one run of 300.
      const stated = concatBytes(frameMagic, Uint8Array.of(0x40, 0, 44, 0), Uint8Array.of(0x03 | ((300 << 3) & 0xff), 300 >> 5, 0, 0x61));
      expect(compressor.decompress(stated, { bytesMax: 300 })).toEqual(new Uint8Array(300).fill(0x61));
      expect(compressor.decompress(stated, { bytesMax: 299 })).toBeUndefined();
    });

    test('arbitrary bytes, and frames with changed bytes, never throw and never exceed the bound', () => {
      const changes = fc.array(fc.tuple(fc.nat({ max: frame.length - 1 }), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 });
      const changedFrame = changes.map((list) => {
        const changed = frame.slice();
        for (const [at, value] of list) changed[at] = value;
        return changed;
      });
      const garbage = fc.uint8Array({ maxLength: 64 });
      const framed = garbage.map((bytes) => concatBytes(frameMagic, Uint8Array.of(0x20), bytes));
      fc.assert(
        fc.property(fc.oneof(changedFrame, garbage, framed), (bytes) => {
          const received = compressor.decompress(bytes, { bytesMax: 2000 });
          expect(received?.length ?? 0).toBeLessThanOrEqual(2000);
        }),
        { seed: 19, numRuns: 2000 },
      );
    });
  });
}
