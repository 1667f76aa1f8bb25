import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, utf8 } from '../../../src/core/bytes.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { decodePatch, encodePatch } from '../../../src/datasets/patch.ts';
import { findCopies } from '../../../src/datasets/patch-matcher.ts';
import { zstdCompressor as compressor } from '../../../src/runtime/zstd-compressor.ts';

/** Content of several kinds: noise, few symbols, rows of text, records. */
const content = fc.record({ seed: fc.integer(), kind: fc.nat(3), lengthBytes: fc.nat(3000) }).map(({ seed, kind, lengthBytes }) => {
  const random = seededRandom(seed);
  if (kind === 0) return random.bytes(lengthBytes);
  if (kind === 1) return random.bytes(lengthBytes).map((byte) => byte % 3);
  if (kind === 2) {
    const rows = Array.from(
      { length: Math.ceil(lengthBytes / 20) },
      (_, row) => `${row},${(random.float() * 9).toFixed(3)},${random.below(50)}\r\n`,
    );
    return utf8(rows.join('')).subarray(0, lengthBytes);
  }
  const values = Float32Array.from({ length: lengthBytes >> 2 }, () => 20 + random.float());
  return new Uint8Array(values.buffer);
});

/** A base, and a target made from it by moving, dropping, changing and inserting pieces. */
const pair = fc
  .record({
    base: content,
    edits: fc.array(fc.record({ from: fc.nat(3000), lengthBytes: fc.nat(900), fresh: content, change: fc.nat(40) }), { maxLength: 6 }),
  })
  .map(({ base, edits }) => {
    const pieces = edits.flatMap(({ from, lengthBytes, fresh, change }) => {
      const piece = base.slice(from, from + lengthBytes);
      if (piece.length > change) piece[change] = 255 - piece[change]!;
      return [piece, fresh.subarray(0, change)];
    });
    return { base, target: concatBytes(...pieces) };
  });

const modelled = { compressor, level: 3, modelledBytesMax: 1024 * 1024 };
const compressed = { compressor, level: 3, modelledBytesMax: 0 };

describe('copies', () => {
  it('are equal bytes, in order, without overlap', () => {
    fc.assert(
      fc.property(pair, ({ base, target }) => {
        let covered = 0;
        for (const { targetOffset, baseOffset, lengthBytes } of findCopies(target, base)) {
          expect(targetOffset).toBeGreaterThanOrEqual(covered);
          covered = targetOffset + lengthBytes;
          expect(target.subarray(targetOffset, covered)).toEqual(base.subarray(baseOffset, baseOffset + lengthBytes));
        }
        expect(covered).toBeLessThanOrEqual(target.length);
      }),
    );
  });
});

describe('patch', () => {
  for (const [name, options] of Object.entries({ modelled, compressed })) {
    it(`makes the target from the base, with literals ${name}`, () => {
      fc.assert(
        fc.property(pair, ({ base, target }) => {
          const patch = encodePatch(target, base, options);
          const decoded = decodePatch(patch, base, target.length, compressor);
          expect(decoded).toEqual({ ok: true, value: target });
          expect(encodePatch(target.slice(), base.slice(), options)).toEqual(patch);
        }),
        { numRuns: options === modelled ? 60 : 200 },
      );
    });

    it(`decodes to an outcome whatever happens to its bytes, with literals ${name}`, () => {
      fc.assert(
        fc.property(
          pair,
          fc.array(fc.record({ at: fc.nat(4000), value: fc.nat(255) }), { minLength: 1, maxLength: 5 }),
          fc.nat(4000),
          ({ base, target }, damages, cut) => {
            const patch = encodePatch(target, base, options).slice(0, cut + 1);
            for (const { at, value } of damages) patch[at % patch.length] = value;
            const decoded = decodePatch(patch, base, target.length, compressor);
            if (decoded.ok) expect(decoded.value.length).toBe(target.length);
            else expect(decoded.fault).toMatchObject({ code: 'PATCH_MALFORMED', blame: 'peer' });
          },
        ),
        { numRuns: options === modelled ? 60 : 200 },
      );
    });
  }

  it('decodes to an outcome from any bytes at all', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), content, fc.nat(2000), (bytes, base, targetBytes) => {
        const decoded = decodePatch(bytes, base, targetBytes, compressor);
        if (decoded.ok) expect(decoded.value.length).toBe(targetBytes);
      }),
      { numRuns: 200 },
    );
  });
});
