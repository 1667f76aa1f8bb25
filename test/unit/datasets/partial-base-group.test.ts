import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes } from '../../../src/core/bytes.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { decodePartialBaseGroup, encodePartialBaseGroup, encodingPartialBase } from '../../../src/datasets/partial-base-group.ts';
import { nodeCrypto as crypto } from '../../../src/runtime/node-crypto.ts';
import { zstdCompressor as compressor } from '../../../src/runtime/zstd-compressor.ts';

const base = seededRandom(1).bytes(50_000);
const target = concatBytes(base.subarray(0, 20_000), seededRandom(2).bytes(100), base.subarray(20_500));
const known = [
  { baseOffset: 0, targetOffset: 0, lengthBytes: 19_968 },
  { baseOffset: 30_720, targetOffset: 30_320, lengthBytes: 19_280 },
];
const held = [{ offset: 20_500, bytes: base.subarray(20_500, 30_000) }];
const options = { compressor, effort: 'normal', crypto } as const;
const encoded = encodePartialBaseGroup(target, { baseBytes: base.length, known, held, unitLog: 7 }, options);
const decode = (bytes: Uint8Array) =>
  decodePartialBaseGroup(bytes, [base.subarray(0, 7), base.subarray(7)], target.length, compressor, crypto);

describe('a group from a base that is known in part', () => {
  it('carries what is new and what the sender could not know, and nothing else', () => {
    expect(encoded[0]).toBe(encodingPartialBase);
    expect(decode(encoded)).toEqual({ ok: true, value: target });
    // Unknown are 32, 500 and 720 bytes of the base; of the new bytes that replaced them 32, 100 and 720 travel.
    expect(encoded.length).toBeLessThan(32 + 100 + 720 + 60);
    expect(encoded.length).toBeGreaterThan(32 + 100 + 720);
  });

  it('leaves the base of the caller as it was', () => {
    const before = base.slice();
    decodePartialBaseGroup(encoded, [base], target.length, compressor, crypto);
    expect(base).toEqual(before);
  });

  it('is refused when the sender took other bytes for the base’s', () => {
    const wrong = [{ baseOffset: 0, targetOffset: 1, lengthBytes: 19_968 }];
    const bytes = encodePartialBaseGroup(target, { baseBytes: base.length, known: wrong, held, unitLog: 7 }, options);
    expect(decode(bytes)).toMatchObject({ ok: false, fault: { code: 'GROUP_MISMATCH', blame: 'peer' } });
  });

  it('is refused when it is cut or damaged, and never gives other bytes', () => {
    for (let end = 1; end < 40; end++) expect(decode(encoded.subarray(0, end)).ok).toBe(false);
    fc.assert(
      fc.property(fc.nat(encoded.length - 2), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const damaged = encoded.slice();
        damaged[at + 1]! ^= change;
        const decoded = decode(damaged);
        if (decoded.ok) expect(decoded.value).toEqual(target);
        else expect(['GROUP_MALFORMED', 'GROUP_MISMATCH', 'PATCH_MALFORMED']).toContain(decoded.fault.code);
      }),
      { numRuns: 150 },
    );
  });
});
