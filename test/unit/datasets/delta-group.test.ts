import { describe, expect, it } from 'vitest';
import { concatBytes, utf8 } from '../../../src/core/bytes.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { decodeGroup, type EncodingEffort, encodeGroup } from '../../../src/datasets/delta-group.ts';
import { zstdCompressor as compressor } from '../../../src/runtime/zstd-compressor.ts';

const efforts: readonly EncodingEffort[] = ['fast', 'normal', 'high'];

function rows(count: number, seed: number): Uint8Array {
  const random = seededRandom(seed);
  const lines = Array.from(
    { length: count },
    (_, row) => `2024-05-01 00:${row % 60},${row},${(random.float() * 20).toFixed(2)},${random.below(360)}\r\n`,
  );
  return utf8(lines.join(''));
}

function roundTrip(target: Uint8Array, base: Uint8Array, effort: EncodingEffort): Uint8Array {
  const encoded = encodeGroup([target.subarray(0, 100), target.subarray(100)], [base], { compressor, effort });
  expect(decodeGroup(encoded, [base], target.length, compressor)).toEqual({ ok: true, value: target });
  return encoded;
}

describe('encoded groups', () => {
  for (const effort of efforts) {
    it(`give the chunks back at effort ${effort}, whatever the base`, () => {
      const target = rows(400, 1);
      const edited = target.with(5000, 0x39).with(8000, 0x39);
      for (const base of [new Uint8Array(0), rows(300, 2), edited, seededRandom(3).bytes(9000)]) roundTrip(target, base, effort);
      roundTrip(new Uint8Array(0), rows(10, 4), effort);
    });

    it(`cost one byte more than noise at most, at effort ${effort}`, () => {
      const noise = seededRandom(4).bytes(100_000);
      expect(roundTrip(noise, new Uint8Array(0), effort).length).toBe(100_001);
      expect(roundTrip(noise, rows(1000, 5), effort).length).toBe(100_001);
    });

    it(`cost a few bytes for an edited cell, at effort ${effort}`, () => {
      const base = rows(5000, 6);
      expect(roundTrip(base.with(70_000, 0x39), base, effort).length).toBeLessThan(40);
    });
  }

  it('stand in the room that they are given when they go as they are, wherever in it the chunks stood before', () => {
    const noise = seededRandom(11).bytes(10_000);
    const cuts = [0, 3000, 3100, 7000, 10_000];
    for (const inRoom of [[0, 1, 2, 3], [1, 3], [0, 3], []]) {
      const room = new Uint8Array(noise.length + 1).fill(9);
      let filled = 1;
      const chunks = cuts.slice(1).map((end, index) => {
        const chunk = noise.slice(cuts[index], end);
        if (!inRoom.includes(index)) return chunk;
        room.set(chunk, filled);
        filled += chunk.length;
        return room.subarray(filled - chunk.length, filled);
      });
      const encoded = encodeGroup(chunks, [], { compressor, effort: 'fast', room });
      expect(encoded).toBe(room);
      expect(decodeGroup(encoded, [], noise.length, compressor)).toEqual({ ok: true, value: noise });
    }
    const tooShort = new Uint8Array(noise.length);
    expect(encodeGroup([noise], [], { compressor, effort: 'fast', room: tooShort })).not.toBe(tooShort);
  });

  it('decode wherever a base is, when they were encoded without one', () => {
    const target = rows(100, 9);
    for (const effort of efforts) {
      const encoded = encodeGroup([target], [], { compressor, effort });
      expect(decodeGroup(encoded, [rows(50, 10)], target.length, compressor)).toEqual({ ok: true, value: target });
    }
  });

  it('cost less, the more effort may be spent', () => {
    const target = rows(2200, 7);
    const base = rows(500, 8);
    const [fast, normal, high] = efforts.map((effort) => roundTrip(target, base, effort).length) as [number, number, number];
    expect(normal).toBeLessThan(fast * 1.02);
    expect(high).toBeLessThan(normal * 0.9);
  });

  it('use the base as a dictionary where much is new but little is unheard of', () => {
    // Words from one vocabulary in another order: too short for copies, and too long for the model at this effort.
    const words = Array.from({ length: 300 }, (_, index) => seededRandom(index).bytes(12).toHex().slice(0, 14));
    const text = (seed: number) => {
      const random = seededRandom(seed);
      return utf8(Array.from({ length: 12_000 }, () => words[random.below(words.length)]).join(' '));
    };
    const encoded = roundTrip(text(1).subarray(0, 60_000), text(2), 'normal');
    expect(encoded[0]).toBe(2);
    const alone = encodeGroup([text(1).subarray(0, 60_000)], [], { compressor, effort: 'normal' });
    expect(alone[0]).toBe(1);
    expect(encoded.length).toBeLessThan(alone.length);
  });
});

describe('group decoding', () => {
  const target = utf8('the same words again and again, the same words again and again');
  it('refuses what does not decode to the length the plan says', () => {
    const zstd = concatBytes(Uint8Array.of(1), compressor.compress(target, { level: 3 }));
    const malformed = { ok: false, fault: { code: 'GROUP_MALFORMED', blame: 'peer' } };
    expect(decodeGroup(zstd, [], target.length, compressor)).toEqual({ ok: true, value: target });
    expect(decodeGroup(zstd, [], target.length - 1, compressor)).toMatchObject(malformed);
    expect(decodeGroup(zstd, [], target.length + 1, compressor)).toMatchObject(malformed);
    expect(decodeGroup(zstd.subarray(0, 10), [], target.length, compressor)).toMatchObject(malformed);
    expect(decodeGroup(Uint8Array.of(0, 1, 2), [], 3, compressor)).toMatchObject(malformed);
    expect(decodeGroup(new Uint8Array(0), [], 0, compressor)).toMatchObject(malformed);
    expect(decodeGroup(Uint8Array.of(2, 1, 2), [target], 3, compressor)).toMatchObject(malformed);
  });

  it('stops a compression bomb at the length the plan says', () => {
    const bomb = concatBytes(Uint8Array.of(1), compressor.compress(new Uint8Array(64 * 1024 * 1024), { level: 3 }));
    expect(bomb.length).toBeLessThan(10_000);
    expect(decodeGroup(bomb, [], 1000, compressor)).toMatchObject({ ok: false });
  });

  it('says when the encoding is from another version', () => {
    expect(decodeGroup(Uint8Array.of(5, 0), [], 1, compressor)).toMatchObject({
      ok: false,
      fault: { code: 'GROUP_VERSION', blame: 'incompatible' },
    });
  });
});
