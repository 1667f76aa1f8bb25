import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, utf8 } from '../../../src/core/bytes.ts';
import { limits } from '../../../src/core/limits.ts';
import { seededRandom } from '../../../src/core/random.ts';
import {
  answerBytes,
  answerQuery,
  type BlockQuery,
  blocksOf,
  decodeQuery,
  encodeQuery,
  RollingHash,
} from '../../../src/datasets/base-blocks.ts';
import { BaseSearch, type KnownRange, type SearchSubject } from '../../../src/datasets/base-search.ts';
import { decodeRanges, encodeRanges } from '../../../src/datasets/byte-ranges.ts';
import type { EncodingEffort } from '../../../src/datasets/delta-group.ts';
import { decodePartialBaseGroup, encodePartialBaseGroup } from '../../../src/datasets/partial-base-group.ts';
import { nodeCrypto as crypto } from '../../../src/runtime/node-crypto.ts';
import { zstdCompressor as compressor } from '../../../src/runtime/zstd-compressor.ts';

/** Content of several kinds: noise, few symbols, one symbol, rows that resemble each other. */
const content = fc
  .record({ seed: fc.integer(), kind: fc.nat(3), lengthBytes: fc.integer({ min: 1, max: 60_000 }) })
  .map(({ seed, kind, lengthBytes }) => {
    const random = seededRandom(seed);
    if (kind === 0) return random.bytes(lengthBytes);
    if (kind === 1) return random.bytes(lengthBytes).map((byte) => byte & 1);
    if (kind === 2) return new Uint8Array(lengthBytes).fill(seed & 0xff);
    const rows = Array.from({ length: Math.ceil(lengthBytes / 16) }, (_, row) => `${row % 7},${(row * 37) % 11},same text\r\n`);
    return utf8(rows.join('')).subarray(0, lengthBytes);
  });

/** A base, and a target made from it by moving, dropping, changing and inserting pieces. */
const pair = fc
  .record({
    base: content,
    edits: fc.array(fc.record({ from: fc.nat(60_000), lengthBytes: fc.nat(40_000), fresh: fc.uint8Array({ maxLength: 40 }) }), {
      maxLength: 5,
    }),
  })
  .map(({ base, edits }) => ({
    base,
    target: concatBytes(
      ...edits.flatMap(({ from, lengthBytes, fresh }) => [base.subarray(from, from + lengthBytes), fresh]),
      Uint8Array.of(1),
    ),
  }));

const effort = fc.constantFrom<EncodingEffort>('fast', 'normal', 'high');

const whole = (target: Uint8Array, base: Uint8Array): SearchSubject => ({
  parts: [{ targetOffset: 0, targetBytes: target.length, baseOffset: 0, baseBytes: base.length, replacedFrom: 0, replacedTo: base.length }],
  held: [],
});

/** Both ends of a search, over the wire. Returns what is known at the end and the bytes that passed. */
function search(subject: SearchSubject, target: Uint8Array, base: Uint8Array, which: EncodingEffort) {
  const searching = new BaseSearch(subject, which, crypto);
  let passedBytes = 0;
  let questions = 0;
  for (let query = searching.query; query !== undefined; query = searching.query) {
    const encoded = encodeQuery(query);
    const decoded = decodeQuery(encoded, base.length);
    if (!decoded.ok) throw new Error(decoded.fault.message);
    expect(decoded.value).toEqual(query);
    const answer = answerQuery(decoded.value, base, crypto);
    passedBytes += encoded.length + answer.length;
    questions++;
    expect(searching.take(answer, target)).toBe(true);
  }
  return { known: searching.known, unitLog: searching.unitLog, passedBytes, questions };
}

function expectTrue(known: readonly KnownRange[], target: Uint8Array, base: Uint8Array): void {
  let end = 0;
  for (const { baseOffset, targetOffset, lengthBytes } of known) {
    expect(baseOffset).toBeGreaterThanOrEqual(end);
    end = baseOffset + lengthBytes;
    expect(target.subarray(targetOffset, targetOffset + lengthBytes)).toEqual(base.subarray(baseOffset, end));
  }
  expect(end).toBeLessThanOrEqual(base.length);
}

describe('a search for a lost base', () => {
  it('learns nothing that is not so, whatever was changed, moved or repeated', () => {
    fc.assert(
      fc.property(pair, effort, ({ base, target }, which) => {
        const { known, questions } = search(whole(target, base), target, base, which);
        expectTrue(known, target, base);
        expect(questions).toBeLessThanOrEqual(5);
      }),
      { numRuns: 150 },
    );
  });

  it('ends in a group that gives the target back', () => {
    fc.assert(
      fc.property(pair, effort, ({ base, target }, which) => {
        const { known, unitLog } = search(whole(target, base), target, base, which);
        const encoded = encodePartialBaseGroup(
          target,
          { baseBytes: base.length, known, held: [], unitLog },
          { compressor, effort: 'fast', crypto },
        );
        const decoded = decodePartialBaseGroup(encoded, [base], target.length, compressor, crypto);
        expect(decoded).toEqual({ ok: true, value: target });
      }),
      { numRuns: 30 },
    );
  });

  it('finds every block that a naive comparison in step finds, and costs little where few bytes changed', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 12 }), (seed, edits) => {
        const random = seededRandom(seed);
        const base = random.bytes(300_000);
        const target = base.slice();
        for (let i = 0; i < edits; i++) target[random.below(target.length)]! ^= 1;
        const { known, passedBytes } = search(whole(target, base), target, base, 'high');
        expectTrue(known, target, base);
        let unknownBytes = base.length;
        for (const { lengthBytes } of known) unknownBytes -= lengthBytes;
        // The naive matcher: blocks of the first size that are equal where they stand.
        let naiveBytes = 0;
        for (let offset = 0; offset < base.length; offset += 2048) {
          const end = Math.min(offset + 2048, base.length);
          if (base.subarray(offset, end).every((byte, i) => byte === target[offset + i])) naiveBytes += end - offset;
        }
        expect(base.length - unknownBytes).toBeGreaterThanOrEqual(naiveBytes);
        expect(passedBytes).toBeLessThan(600 + edits * 100);
      }),
      { numRuns: 15 },
    );
  });

  it('finds what moved, with a single question too', () => {
    const base = seededRandom(1).bytes(400_000);
    const target = concatBytes(base.subarray(150_001), seededRandom(2).bytes(777), base.subarray(0, 150_001));
    for (const which of ['fast', 'normal', 'high'] as const) {
      const { known } = search(whole(target, base), target, base, which);
      expectTrue(known, target, base);
      expect(known.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0)).toBeGreaterThan(380_000);
    }
  });

  it('asks only about what the sender does not hold', () => {
    const base = seededRandom(3).bytes(200_000);
    const target = base.slice();
    target[150_000]! ^= 1;
    const subject = { ...whole(target, base), held: [{ offset: 10_000, lengthBytes: 120_000 }] };
    const first = new BaseSearch(subject, 'high', crypto).query as BlockQuery;
    expect(first.ranges.map(({ offset, lengthBytes }) => [offset, lengthBytes])).toEqual([
      [0, 10_000],
      [130_000, 70_000],
    ]);
    const { known } = search(subject, target, base, 'high');
    expectTrue(known, target, base);
    expect(known.every(({ baseOffset, lengthBytes }) => baseOffset + lengthBytes <= 10_000 || baseOffset >= 130_000)).toBe(true);
  });

  it('gives up at an answer of another length, and does not ask where there is nothing to gain', () => {
    const base = seededRandom(4).bytes(100_000);
    const searching = new BaseSearch(whole(base, base), 'high', crypto);
    expect(searching.take(new Uint8Array(5), base)).toBe(false);
    expect(searching.query).toBeUndefined();
    expect(searching.take(new Uint8Array(0), base)).toBe(false);
    expect(new BaseSearch(whole(base.subarray(0, 50), base.subarray(0, 50)), 'high', crypto).query).toBeUndefined();
  });

  it('is not led astray, nor for long, by hashes that are all equal', () => {
    const target = new Uint8Array(2 * 1024 * 1024);
    const searching = new BaseSearch(whole(target, target), 'fast', crypto);
    const answer = new Uint8Array(answerBytes(searching.query as BlockQuery));
    expect(searching.take(answer, target)).toBe(true);
    const known = search(whole(target, target), target, target, 'high').known;
    expectTrue(known, target, target);
    expect(known).toEqual([{ baseOffset: 0, targetOffset: 0, lengthBytes: target.length }]);
  });
});

describe('questions about blocks', () => {
  const ranges = fc
    .array(fc.record({ skip: fc.nat(5000), lengthBytes: fc.integer({ min: 1, max: 9000 }), marked: fc.boolean() }), { maxLength: 60 })
    .map((steps) => {
      let end = 0;
      return steps.map(({ skip, lengthBytes, marked }) => {
        const offset = end + skip;
        end = offset + lengthBytes;
        return { offset, lengthBytes, marked };
      });
    });

  it('come back from the wire as they were, whatever their ranges end at multiples of', () => {
    fc.assert(
      fc.property(ranges, fc.nat(20), (list, unitLog) => {
        const end = list.reduce((_, { offset, lengthBytes }) => offset + lengthBytes, 0);
        expect(decodeRanges(encodeRanges(list, unitLog), end, list.length)).toEqual(list);
        if (list.length > 0) expect(decodeRanges(encodeRanges(list, unitLog), end - 1, list.length)).toBeUndefined();
        if (list.length > 0) expect(decodeRanges(encodeRanges(list, unitLog), end, list.length - 1)).toBeUndefined();
      }),
    );
  });

  it('cut ranges into blocks without gap or overlap, and know how long the answer is', () => {
    fc.assert(
      fc.property(ranges, fc.integer({ min: 6, max: 15 }), (list, blockLog) => {
        const query = { blockLog, ranges: list };
        const blocks = blocksOf(query);
        const covered = blocks.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
        expect(covered).toBe(list.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0));
        expect(blocks.every(({ lengthBytes }) => lengthBytes > 0 && lengthBytes <= 2 ** blockLog)).toBe(true);
        const last = blocks.at(-1);
        expect(answerBytes(query)).toBe(last === undefined ? 0 : last.hashOffset + (last.rolling ? 5 : 3));
      }),
    );
  });

  it('are refused when they are hostile, and never cost more than a bounded answer', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(2 ** 23), (bytes, baseBytes) => {
        const decoded = decodeQuery(bytes, baseBytes);
        if (!decoded.ok) {
          expect(decoded.fault.code).toBe('BASE_QUERY_MALFORMED');
          return;
        }
        expect(answerBytes(decoded.value)).toBeLessThanOrEqual(limits.baseAnswerBytesMax);
        for (const { offset, lengthBytes } of decoded.value.ranges) expect(offset + lengthBytes).toBeLessThanOrEqual(baseBytes);
      }),
      { numRuns: 2000 },
    );
    const all = (blockLog: number, marked: boolean) => ({ blockLog, ranges: [{ offset: 0, lengthBytes: limits.groupBytesMax, marked }] });
    expect(decodeQuery(encodeQuery(all(7, false)), limits.groupBytesMax).ok).toBe(true);
    expect(decodeQuery(encodeQuery(all(6, false)), limits.groupBytesMax).ok).toBe(false);
    expect(decodeQuery(encodeQuery(all(7, true)), limits.groupBytesMax).ok).toBe(false);
    expect(decodeQuery(encodeQuery(all(5, false)), 100).ok).toBe(false);
    expect(decodeQuery(encodeQuery(all(16, false)), limits.groupBytesMax).ok).toBe(false);
  });
});

describe('a rolling hash', () => {
  it('of a window that moved is that of the bytes it came to', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 9, maxLength: 300 }), fc.integer({ min: 1, max: 8 }), (bytes, windowBytes) => {
        const rolled = new RollingHash(windowBytes);
        rolled.begin(bytes.subarray(0, windowBytes));
        for (let offset = 0; offset + windowBytes < bytes.length; offset++) rolled.roll(bytes[offset]!, bytes[offset + windowBytes]!);
        const fresh = new RollingHash(windowBytes);
        fresh.begin(bytes.subarray(bytes.length - windowBytes));
        expect(rolled.value).toBe(fresh.value);
      }),
    );
  });
});
