import { describe, expect, it } from 'vitest';
import { concatBytes, utf8 } from '../../../src/core/bytes.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { decodePatch, encodePatch } from '../../../src/datasets/patch.ts';
import { findCopies } from '../../../src/datasets/patch-matcher.ts';
import { zstdCompressor as compressor } from '../../../src/runtime/zstd-compressor.ts';

const noise = seededRandom(1).bytes(200_000);
const modelled = { compressor, level: 3, modelledBytesMax: 1024 * 1024 };
const compressed = { compressor, level: 3, modelledBytesMax: 0 };

describe('copies', () => {
  it('go on in step behind an edit', () => {
    const target = noise.with(1000, noise[1000]! ^ 1);
    expect(findCopies(target, noise)).toEqual([
      { targetOffset: 0, baseOffset: 0, lengthBytes: 1000 },
      { targetOffset: 1001, baseOffset: 1001, lengthBytes: 198_999 },
    ]);
  });

  it('go on beside where a cell became longer or shorter', () => {
    const longer = concatBytes(noise.subarray(0, 1000), Uint8Array.of(1, 2), noise.subarray(1000));
    expect(findCopies(longer, noise).map((copy) => copy.baseOffset - copy.targetOffset)).toEqual([0, -2]);
    const shorter = concatBytes(noise.subarray(0, 1000), noise.subarray(1003));
    expect(findCopies(shorter, noise).map((copy) => copy.baseOffset - copy.targetOffset)).toEqual([0, 3]);
  });

  it('find what moved far, to the byte', () => {
    const large = seededRandom(2).bytes(4 * 1024 * 1024);
    const target = concatBytes(noise.subarray(0, 1001), large.subarray(3_000_001, 3_100_000), noise.subarray(0, 77));
    expect(findCopies(target, large)).toEqual([{ targetOffset: 1001, baseOffset: 3_000_001, lengthBytes: 99_999 }]);
  });

  it('are none where there is nothing to copy', () => {
    expect(findCopies(noise, new Uint8Array(0))).toEqual([]);
    expect(findCopies(new Uint8Array(0), noise)).toEqual([]);
    expect(findCopies(noise, seededRandom(3).bytes(10_000))).toEqual([]);
  });

  it('are long and few in content that repeats itself', () => {
    const copies = findCopies(new Uint8Array(1_000_000), new Uint8Array(900_000));
    expect(copies.reduce((sum, copy) => sum + copy.lengthBytes, 0)).toBe(1_000_000);
    expect(copies.length).toBeLessThan(10);
  });
});

describe('patches', () => {
  it('have the bytes fixed by the format: no zstd is in a modelled one, so no version of it matters', () => {
    const row = (i: number) => `2024-05-01,${i},${((i * 7919) % 1009) / 100},${(i * i) % 360}\r\n`;
    const text = (from: number, to: number) => utf8(Array.from({ length: to - from }, (_, i) => row(from + i)).join(''));
    const patch = encodePatch(concatBytes(text(0, 300), text(310, 420)), text(0, 400), modelled);
    expect(patch.toHex()).toBe('0c0019ff91ee6c4e496eaefd33743bd936e28d7e3c54c3a1a519d738af482f736951b6b3af');
  });

  it('cost a few bytes where nothing changed', () => {
    expect(encodePatch(noise, noise, modelled).length).toBeLessThanOrEqual(8);
  });

  it('learn a column that is edited in every row', () => {
    const random = seededRandom(4);
    const values = Array.from({ length: 1000 }, () => 10 + random.float() * 5);
    const table = (gain: number) =>
      utf8(values.map((value, row) => `row ${row % 10},0,0,0,0,${(value * gain).toFixed(2)},0,0,0,0,0,0,0\r\n`).join(''));
    const zstd = compressor.compress(table(1.02), { level: 19, dictionary: table(1) });
    expect(encodePatch(table(1.02), table(1), modelled).length).toBeLessThan(zstd.length * 0.8);
  });

  it.each([
    { kind: 'little-endian singles', bytes: 4, littleEndian: true },
    { kind: 'big-endian singles', bytes: 4, littleEndian: false },
    { kind: 'little-endian doubles', bytes: 8, littleEndian: true },
    { kind: 'big-endian doubles', bytes: 8, littleEndian: false },
  ])('learn how a column of numbers was recalibrated: $kind', ({ bytes, littleEndian }) => {
    const records = 1000;
    const recordBytes = 3 * bytes + 16;
    const random = seededRandom(7);
    const base = random.bytes(5 + records * recordBytes);
    const target = base.slice();
    const [old, fresh] = [new DataView(base.buffer), new DataView(target.buffer)];
    const write = (view: DataView, place: number, value: number) =>
      bytes === 4 ? view.setFloat32(place, value, littleEndian) : view.setFloat64(place, value, littleEndian);
    for (let record = 0; record < records; record++) {
      const place = 5 + record * recordBytes;
      const value = 15 + random.float() * 10;
      write(old, place, value);
      const stored = bytes === 4 ? old.getFloat32(place, littleEndian) : old.getFloat64(place, littleEndian);
      target.set(base.subarray(place, place + recordBytes), place);
      // A broken sensor here and there does not end it.
      write(fresh, place, record % 200 === 199 ? Number.NaN : stored * 1.013 + 0.27);
    }
    const patch = encodePatch(target, base, modelled);
    expect(decodePatch(patch, base, target.length, compressor)).toEqual({ ok: true, value: target });
    // The bytes that changed are three a number, or seven.
    expect(patch.length).toBeLessThan(records * (bytes === 4 ? 1.5 : 3.3));
  });

  it('hold literals as they are where they do not compress', () => {
    const patch = encodePatch(noise.subarray(0, 5000), noise.subarray(100_000), compressed);
    expect(patch[0]).toBe(1);
    expect(patch.length).toBeLessThan(5010);
  });

  it('hold many literals in a zstd frame', () => {
    const text = utf8('moor, heath and bog; '.repeat(50) + noise.subarray(0, 1000).toHex());
    const patch = encodePatch(text, noise, compressed);
    expect(patch[0]).toBe(0);
    expect(decodePatch(patch, noise, text.length, compressor)).toEqual({ ok: true, value: text });
  });

  it('refuse literals that are left over, missing or damaged', () => {
    const text = utf8('moor, heath and bog; '.repeat(50));
    const malformed = { ok: false, fault: { code: 'PATCH_MALFORMED', blame: 'peer' } };
    const decode = (...bytes: (number | Uint8Array)[]) =>
      decodePatch(concatBytes(...bytes.map((part) => (typeof part === 'number' ? Uint8Array.of(part) : part))), noise, 4, compressor);
    // The stream of one run of four literals, taken from a patch that has nothing else.
    const stream = encodePatch(utf8('abcd'), new Uint8Array(0), compressed).subarray(6);
    expect(decode(1, 4, utf8('abcd'), stream)).toEqual({ ok: true, value: utf8('abcd') });
    expect(decode(1, 5, utf8('abcde'), stream)).toMatchObject(malformed);
    expect(decode(1, 3, utf8('abc'), stream)).toMatchObject(malformed);
    expect(decode(1, 4, utf8('abc'))).toMatchObject(malformed);
    expect(decode(0, 4, utf8('abcd'), stream)).toMatchObject(malformed);
    expect(decode(0, text.length, text)).toMatchObject(malformed);
    expect(decode(2, 4, utf8('abcd'), stream)).toMatchObject(malformed);
    expect(decode()).toMatchObject(malformed);
    expect(decode(12)).toMatchObject(malformed);
  });

  it('refuse a copy from outside the base', () => {
    for (const options of [modelled, compressed]) {
      const patch = encodePatch(noise.subarray(100_000, 105_000), noise, options);
      expect(decodePatch(patch, noise, 5000, compressor).ok).toBe(true);
      expect(decodePatch(patch, noise.subarray(0, 102_000), 5000, compressor)).toMatchObject({
        ok: false,
        fault: { code: 'PATCH_MALFORMED' },
      });
    }
  });

  it('refuse a copy that goes beyond the target, and one of nothing, which would never end', () => {
    const malformed = { ok: false, fault: { code: 'PATCH_MALFORMED', blame: 'peer' } };
    const patch = encodePatch(noise.subarray(100_000, 105_000), noise, compressed);
    expect(decodePatch(patch, noise, 4999, compressor)).toMatchObject(malformed);
    // Ones decode to no literals, then a copy in step of length zero.
    expect(decodePatch(Uint8Array.of(1, 0, ...new Array<number>(50).fill(0xff)), noise, 1000, compressor)).toMatchObject(malformed);
  });

  it('refuse a model trained outside the base, or on records of no length', () => {
    const base = utf8('a short base');
    expect(decodePatch(Uint8Array.of(12, 13, 4), base, 4, compressor)).toMatchObject({ ok: false });
    expect(decodePatch(Uint8Array.of(12, 0, 0), base, 4, compressor)).toMatchObject({ ok: false });
    expect(decodePatch(Uint8Array.of(12, 0), base, 4, compressor)).toMatchObject({ ok: false });
  });

  it('refuse to model more than the limit before any of it is done', () => {
    const runOf = (literalBytes: number) => {
      const plain = encodePatch(seededRandom(9).bytes(literalBytes), new Uint8Array(0), compressed);
      return concatBytes(Uint8Array.of(12, 0, 4), plain.subarray(plain.indexOf(1) + (literalBytes < 128 ? 2 : 4) + literalBytes));
    };
    expect(decodePatch(runOf(100), new Uint8Array(0), 100, compressor).ok).toBe(true);
    expect(decodePatch(runOf(1_100_000), new Uint8Array(0), 1_100_000, compressor)).toMatchObject({ ok: false });
  });
});
