import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes } from '../../../src/core/bytes.ts';
import { hoboconnectXlsxFormat } from '../../../src/formats/hoboconnect-xlsx/hoboconnect-xlsx-format.ts';
import { inflate } from '../../../src/formats/hoboconnect-xlsx/inflate.ts';
import { exportOf } from '../../unit/formats/hoboconnect-xlsx/xlsx-files.ts';
import { readWhole } from '../../unit/formats/reading.ts';
import { expectSound } from './reader-soundness.ts';

/** Bytes that compress well and badly, with matches near and far. */
const compressible = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 8 }), fc.integer({ min: 1, max: 4000 })).map(([unit, times]) => {
        const run = new Uint8Array(unit.length * times);
        for (let at = 0; at < run.length; at += unit.length) run.set(unit, at);
        return run;
      }),
    ),
    { maxLength: 8 },
  )
  .map((parts) => concatBytes(...parts));

describe('inflate', () => {
  it('restores what Deflate made, at every level and strategy', () => {
    fc.assert(
      fc.property(compressible, fc.integer({ min: 0, max: 9 }), fc.constantFrom(0, 2, 3, 4), (plain, level, strategy) => {
        const packed = new Uint8Array(deflateRawSync(plain, { level, strategy }));
        expect(inflate(packed, plain.length)).toEqual(plain);
        expect(inflate(packed, plain.length + 1)).toBeUndefined();
        if (plain.length > 0) expect(inflate(packed, plain.length - 1)).toBeUndefined();
        expect(inflate(packed.subarray(0, packed.length - 1), plain.length)).toBeUndefined();
      }),
      { seed: 7, numRuns: 150 },
    );
  });

  it('takes any bytes without failing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const plain = inflate(bytes, 5000);
        expect(plain === undefined || plain.length === 5000).toBe(true);
      }),
      { seed: 11, numRuns: 2000 },
    );
  });
});

describe('reading XLSX', () => {
  const bytes = exportOf(4);

  it('is sound when the file is cut at any byte', () => {
    for (let length = 0; length <= bytes.length; length++) expectSound(readWhole(hoboconnectXlsxFormat, bytes.subarray(0, length)), length);
  });

  it('is sound when any byte is damaged', () => {
    for (let at = 0; at < bytes.length; at++) {
      const damaged = concatBytes(bytes);
      damaged[at] = (damaged[at] as number) ^ (1 << (at % 8));
      expectSound(readWhole(hoboconnectXlsxFormat, damaged), damaged.length);
    }
  });

  it('gives the same items in whatever pieces the file comes', () => {
    const whole = readWhole(hoboconnectXlsxFormat, bytes);
    for (const pushBytes of [1, 7, 1000]) expect(readWhole(hoboconnectXlsxFormat, bytes, pushBytes)).toEqual(whole);
  });
});
