import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { fromHex } from '../../../src/core/bytes.ts';
import { decodeCbor, encodeCbor } from '../../../src/core/cbor.ts';
import type { NodeId } from '../../../src/core/identifiers.ts';
import { limits } from '../../../src/core/limits.ts';
import { VersionVector, vectorDigest } from '../../../src/datasets/version-vector.ts';
import type { Crypto } from '../../../src/ports/crypto.ts';

const node = (digit: string) => digit.repeat(64) as NodeId;
const a = node('a');
const b = node('b');
const crypto = { sha256: (bytes: Uint8Array) => new Uint8Array(createHash('sha256').update(bytes).digest()) } as Crypto;

describe('a version vector', () => {
  it('orders an earlier state before a later one and tells concurrent ones apart', () => {
    const early = VersionVector.of([[a, 3]]);
    const late = VersionVector.of([
      [a, 3],
      [b, 1],
    ]);
    const other = VersionVector.of([[a, 4]]);
    expect(early.compare(late)).toBe('before');
    expect(late.compare(early)).toBe('after');
    expect(late.compare(other)).toBe('concurrent');
    expect(late.compare(VersionVector.of(late.entries()))).toBe('equal');
    expect(VersionVector.empty.compare(early)).toBe('before');
  });

  it('names the ranges that somebody with another vector lacks, and nothing that they have', () => {
    const mine = VersionVector.of([
      [b, 7],
      [a, 3],
    ]);
    const theirs = VersionVector.of([
      [a, 9],
      [b, 4],
    ]);
    expect(mine.missingFrom(theirs)).toEqual([{ node: b, from: 5, to: 7 }]);
    expect(theirs.missingFrom(mine)).toEqual([{ node: a, from: 4, to: 9 }]);
    expect(mine.missingFrom(VersionVector.empty)).toEqual([
      { node: a, from: 1, to: 3 },
      { node: b, from: 1, to: 7 },
    ]);
  });

  it('covers the entries 1 to n of a log and no others', () => {
    const vector = VersionVector.empty.advance(a, 2);
    expect([0, 1, 2, 3].map((sequence) => vector.contains({ author: a, sequence }))).toEqual([false, true, true, false]);
    expect(vector.contains({ author: b, sequence: 1 })).toBe(false);
    expect(vector.advance(a, 1).lengthOf(a)).toBe(2);
  });

  it('leaves empty logs out and refuses impossible lengths', () => {
    expect(VersionVector.of([[a, 0]]).size).toBe(0);
    expect(() => VersionVector.of([[a, -1]])).toThrow(RangeError);
    expect(() => VersionVector.of([[a, 1.5]])).toThrow(RangeError);
  });

  it('travels as one byte string of identifiers and the lengths', () => {
    const vector = VersionVector.of([
      [b, 300],
      [a, 1],
    ]);
    const bytes = encodeCbor(vector.toCbor());
    expect(bytes).toEqual(fromHex(`835840${a}${b}0119012c`));
    expect(encodeCbor(VersionVector.empty.toCbor())).toEqual(fromHex('8140'));
    const decoded = decodeCbor(bytes);
    const back = VersionVector.fromCbor(decoded.ok && decoded.value);
    expect(back.ok && back.value.compare(vector)).toBe('equal');
  });

  it('has the same digest however it was put together, and another one when it differs', () => {
    const one = VersionVector.of([
      [a, 1],
      [b, 2],
    ]);
    const other = VersionVector.empty.advance(b, 2).advance(a, 1);
    expect(vectorDigest(one, crypto)).toEqual(vectorDigest(other, crypto));
    expect(vectorDigest(one, crypto)).toHaveLength(16);
    expect(vectorDigest(one, crypto)).not.toEqual(vectorDigest(one.advance(a, 2), crypto));
  });
});

describe('decoding a foreign version vector', () => {
  const ids = (...digits: string[]) => fromHex(digits.map(node).join(''));

  it.each([
    ['something else', 7],
    ['an empty array', []],
    ['identifiers that are no bytes', ['a', 1]],
    ['fewer identifiers than lengths', [ids('a'), 1, 2]],
    ['a piece of an identifier', [ids('a').subarray(1), 1]],
    ['a zero length', [ids('a'), 0]],
    ['a fraction', [ids('a'), 1.5]],
    ['a length beyond what can be counted', [ids('a'), 2n ** 60n]],
    ['descending identifiers', [ids('b', 'a'), 1, 1]],
    ['an author named twice', [ids('a', 'a'), 1, 1]],
  ])('refuses %s', (_, value) => {
    const outcome = VersionVector.fromCbor(value);
    expect(outcome.ok ? '' : outcome.fault.code).toBe('VECTOR_MALFORMED');
  });

  it('refuses more authors than a dataset may have', () => {
    const count = limits.authorsPerDatasetMax + 1;
    const outcome = VersionVector.fromCbor([new Uint8Array(32 * count), ...new Array(count).fill(1)]);
    expect(outcome.ok ? '' : outcome.fault.code).toBe('VECTOR_TOO_LARGE');
  });
});
