import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { utf8 } from '../../../src/core/bytes.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { nodeCrypto } from '../../../src/runtime/node-crypto.ts';
import { systemEntropy } from '../../../src/runtime/system-entropy.ts';
import { BundleSealer } from '../../../src/session/bundle-seals.ts';
import { encodeSegment, openSegment, openTable, recordBytes, segmentBytes } from '../../../src/session/bundle-segment.ts';

const team = nodeCrypto.sha256(utf8('Storbreen'));
const key = (seed: number) => nodeCrypto.x25519KeyPair(seededRandom(seed).bytes(32));
const sealer = (seed: number, of: Uint8Array = team) => new BundleSealer(nodeCrypto, systemEntropy, key(seed), of);
const [exporter, reader, other] = [sealer(1), sealer(2), sealer(3)];
const signing = nodeCrypto.ed25519KeyPair(seededRandom(9).bytes(32));
const sealed = exporter.seal([key(1).publicKey, key(2).publicKey]);

function segment(records: readonly Uint8Array[]): Uint8Array {
  const sign = (hash: Uint8Array) => nodeCrypto.ed25519Sign(signing.secretKey, hash);
  return encodeSegment({ records, sealed, teamTag: exporter.teamTag, salt: seededRandom(records.length).bytes(16), sign }, nodeCrypto);
}

function opened(file: Uint8Array) {
  const outcome = openSegment(file, reader, nodeCrypto);
  if (!outcome.ok) throw new Error(outcome.fault.code);
  return outcome.value;
}

const hexes = (records: readonly Uint8Array[]): string[] => records.map((record) => nodeCrypto.sha256(record).toHex());
const isSigned = ({ signed }: ReturnType<typeof opened>): boolean =>
  signed !== undefined && nodeCrypto.ed25519Verify(signing.publicKey, signed.hash, signed.signature);

/** Records of very different lengths, so that they begin and end anywhere in blocks. */
const recordsArbitrary = fc
  .array(fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 60_000, max: 140_000 })), { minLength: 1, maxLength: 12 })
  .map((lengths) => lengths.map((length, index) => seededRandom(length + index * 7).bytes(length)));

/** A place in a file, as a share of its length: evenly, where doubles would nearly all be near zero. */
const placeArbitrary = fc.integer({ min: 0, max: 999_999 }).map((millionths) => millionths / 1_000_000);

describe('a bundle segment', () => {
  it('gives back its records in their order, signed by its exporter, and has the length that was foretold', () => {
    fc.assert(
      fc.property(recordsArbitrary, (records) => {
        const file = segment(records);
        const whole = opened(file);
        expect(hexes(whole.records)).toEqual(hexes(records));
        expect([whole.damage, isSigned(whole), whole.sender]).toEqual([[], true, key(1).publicKey]);
        expect(file.length).toBe(
          segmentBytes(
            records.reduce((sum, record) => sum + recordBytes(record), 0),
            2,
          ),
        );
      }),
      { numRuns: 30, seed: 1 },
    );
  });

  it('loses nothing to one flipped bit, wherever it is', () => {
    fc.assert(
      fc.property(recordsArbitrary, placeArbitrary, fc.nat(7), (records, place, bit) => {
        const file = segment(records);
        const at = Math.floor(place * file.length);
        file[at] = (file[at] as number) ^ (1 << bit);
        expect(hexes(opened(file).records)).toEqual(hexes(records));
      }),
      { numRuns: 60, seed: 2 },
    );
  });

  it('cut anywhere, or with a hole anywhere, gives only records that were put in, each of them once and in order', () => {
    fc.assert(
      fc.property(recordsArbitrary, placeArbitrary, fc.nat(200_000), (records, place, holeBytes) => {
        const file = segment(records);
        const at = Math.floor(place * file.length);
        const allowed = hexes(records);
        for (const bad of [file.slice(0, at), file.slice().fill(0, at, at + holeBytes)]) {
          const outcome = openSegment(bad, reader, nodeCrypto);
          if (!outcome.ok) {
            expect(['BUNDLE_DAMAGED', 'BUNDLE_NOT_ADDRESSED']).toContain(outcome.fault.code);
            continue;
          }
          let last = -1;
          for (const hash of hexes(outcome.value.records)) {
            last = allowed.indexOf(hash, last + 1);
            expect(last).toBeGreaterThanOrEqual(0);
          }
          if (hexes(outcome.value.records).length < allowed.length)
            expect(outcome.value.damage.some(({ repaired }) => !repaired)).toBe(true);
        }
      }),
      { numRuns: 40, seed: 3 },
    );
  });

  it('with two bad blocks of one stripe yields every record that does not lie in them, and names both places', () => {
    const records = Array.from({ length: 8 }, (_, index) => seededRandom(index).bytes(40_000));
    const file = segment(records);
    const headerBytes = 37 + 2 * 128 + 8;
    for (const block of [1, 3]) file.fill(0xff, headerBytes + block * 65_536 + 100, headerBytes + block * 65_536 + 200);
    const { records: rest, damage, signed } = opened(file);
    // Block 1 holds bytes of records 1 to 3, block 3 of 4 to 6.
    expect(hexes(rest)).toEqual(hexes([0, 7].map((index) => records[index] as Uint8Array)));
    expect(damage).toEqual(
      [1, 3].map((block) => ({ offset: headerBytes + block * 65_536, lengthBytes: block < 4 ? 65_536 : 0, repaired: false })),
    );
    expect(signed).toBeUndefined();
  });

  it('opens for those it is sealed to, in their team, and for nobody else', () => {
    const file = segment([utf8('table'), utf8('secret')]);
    expect(opened(file).records).toHaveLength(2);
    expect(openSegment(file, other, nodeCrypto)).toMatchObject({ ok: false, fault: { code: 'BUNDLE_NOT_ADDRESSED' } });
    expect(openSegment(file, sealer(2, nodeCrypto.sha256(utf8('Other'))), nodeCrypto)).toMatchObject({
      fault: { code: 'BUNDLE_OTHER_TEAM' },
    });
    expect(openSegment(new Uint8Array(5000), reader, nodeCrypto)).toMatchObject({ fault: { code: 'BUNDLE_DAMAGED' } });
  });

  it('of a newer version is told from a damaged one', () => {
    const file = segment([utf8('table')]);
    const headerBytes = 37 + 2 * 128;
    file[4] = 2;
    file.set(nodeCrypto.sha256(file.slice(0, headerBytes)).subarray(0, 8), headerBytes);
    expect(openSegment(file, reader, nodeCrypto)).toMatchObject({ fault: { code: 'BUNDLE_VERSION', blame: 'incompatible' } });
  });

  it('shows its table from its beginning alone', () => {
    const file = segment([utf8('table'), seededRandom(5).bytes(300_000)]);
    expect(openTable(file.slice(0, 131_072), reader, nodeCrypto)).toEqual({
      ok: true,
      value: { sender: key(1).publicKey, table: utf8('table') },
    });
    expect(openTable(file.slice(0, 1000), reader, nodeCrypto)).toEqual({ ok: true, value: undefined });
  });

  it('never throws, whatever bytes it is made of', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => {
        expect(openSegment(bytes, reader, nodeCrypto).ok).toBe(false);
        expect(openTable(bytes, reader, nodeCrypto)).toEqual({ ok: true, value: undefined });
      }),
      { numRuns: 300, seed: 4 },
    );
  });
});
