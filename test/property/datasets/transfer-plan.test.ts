import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes } from '../../../src/core/bytes.ts';
import type { Hash } from '../../../src/core/identifiers.ts';
import { limits } from '../../../src/core/limits.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { ChunkSplitter } from '../../../src/datasets/chunking.ts';
import { decodeGroup, encodeGroup } from '../../../src/datasets/delta-group.ts';
import { type ChunkRef, ManifestBuilder, totalBytes } from '../../../src/datasets/manifest.ts';
import { freshChunks, planTransfer, targetChunks, verifyPlan } from '../../../src/datasets/transfer-plan.ts';
import { planGroups } from '../../../src/datasets/transfer-plan-groups.ts';
import { decodePlan, encodePlan } from '../../../src/datasets/transfer-plan-wire.ts';
import { nodeCrypto as crypto } from '../../../src/runtime/node-crypto.ts';
import { zstdCompressor as compressor } from '../../../src/runtime/zstd-compressor.ts';

interface Cut {
  readonly refs: ChunkRef[];
  readonly chunks: Uint8Array[];
}

function cut(content: Uint8Array): Cut {
  const splitter = new ChunkSplitter({ minBytes: 64, averageBytes: 256, maxBytes: 1024 });
  const chunks = [...splitter.push(content), ...splitter.end()];
  return { chunks, refs: chunks.map((chunk) => ({ hash: crypto.sha256(chunk) as Hash, lengthBytes: chunk.length })) };
}

/** A base of noise and holes, and a target made of its pieces in any order, with insertions. */
const contents = fc
  .record({
    seed: fc.integer(),
    baseBytes: fc.nat(20_000),
    pieces: fc.array(fc.record({ from: fc.nat(20_000), lengthBytes: fc.nat(8000), insertedBytes: fc.nat(600), hole: fc.boolean() }), {
      maxLength: 6,
    }),
  })
  .map(({ seed, baseBytes, pieces }) => {
    const random = seededRandom(seed);
    const base = random.bytes(baseBytes);
    base.fill(0, baseBytes >> 2, baseBytes >> 1);
    const target = pieces.flatMap(({ from, lengthBytes, insertedBytes, hole }) => [
      base.subarray(from, from + lengthBytes),
      hole ? new Uint8Array(insertedBytes * 10).fill(7) : random.bytes(insertedBytes),
    ]);
    return { base: cut(base), target: concatBytes(...target) };
  });

/** References drawn from a small alphabet, so that they repeat and move a lot. */
const refs = fc
  .array(fc.nat(12), { maxLength: 60 })
  .map((names) => names.map((name): ChunkRef => ({ hash: new Uint8Array(32).fill(name) as Hash, lengthBytes: 100 + name * 50 })));

describe('transfer plan', () => {
  it('names every chunk of the target in order, whatever target and base', () => {
    fc.assert(
      fc.property(refs, refs, (target, base) => {
        const plan = planTransfer(target, base);
        expect(targetChunks(plan, base)).toEqual(target);
        const known = new Set(base.map((ref) => ref.hash.toHex()));
        const needed = new Set(target.map((ref) => ref.hash.toHex()).filter((hash) => !known.has(hash)));
        expect(freshChunks(plan).map((chunk) => chunk.hash!.toHex())).toEqual([...needed]);
      }),
    );
  });

  it('survives the wire, with hashes and without, and always has the same bytes', () => {
    fc.assert(
      fc.property(refs, refs, (target, base) => {
        const plan = planTransfer(target, base);
        const sizeBytes = totalBytes(target);
        const withHashes = encodePlan(plan, base, { withHashes: true, compressor });
        expect(decodePlan(withHashes, base, sizeBytes, compressor)).toEqual({ ok: true, value: plan });
        expect(encodePlan(planTransfer([...target], [...base]), base, { withHashes: true, compressor })).toEqual(withHashes);
        const without = decodePlan(encodePlan(plan, base, { withHashes: false, compressor }), base, sizeBytes, compressor);
        expect(without.ok).toBe(true);
        if (without.ok)
          expect(
            targetChunks(
              without.value,
              base,
              freshChunks(plan).map((chunk) => chunk.hash!),
            ),
          ).toEqual(target);
      }),
    );
  });

  it('makes the root of the target, and of nothing else', () => {
    fc.assert(
      fc.property(refs, refs, (target, base) => {
        const builder = new ManifestBuilder(crypto);
        for (const ref of target) builder.add(ref);
        const { content } = builder.finish();
        const plan = planTransfer(target, base);
        expect(verifyPlan(plan, base, content, crypto)).toEqual({ ok: true, value: target });
        const more = planTransfer([...target, { hash: new Uint8Array(32).fill(99) as Hash, lengthBytes: 1 }], base);
        expect(verifyPlan(more, base, content, crypto)).toMatchObject({ ok: false, fault: { code: 'PLAN_WRONG_CONTENT' } });
      }),
    );
  });

  it('decodes to an outcome whatever happens to its bytes', () => {
    const damage = fc.array(fc.record({ at: fc.nat(400), value: fc.nat(255) }), { maxLength: 4 });
    fc.assert(
      fc.property(refs, refs, damage, fc.nat(2000), fc.boolean(), (target, base, damages, kept, withHashes) => {
        const bytes = encodePlan(planTransfer(target, base), base, { withHashes, compressor }).slice(0, kept + 1);
        for (const { at, value } of damages) bytes[at % bytes.length] = value;
        const decoded = decodePlan(bytes, base, totalBytes(target), compressor);
        if (!decoded.ok) return;
        const hashes = freshChunks(decoded.value).map(() => new Uint8Array(32) as Hash);
        expect(totalBytes(targetChunks(decoded.value, base, hashes)!)).toBe(totalBytes(target));
      }),
      { numRuns: 500 },
    );
  });
});

describe('plan and groups together', () => {
  it('give the target back, byte for byte', () => {
    fc.assert(
      fc.property(contents, fc.constantFrom('fast' as const, 'normal' as const), ({ base, target }, effort) => {
        const whole = cut(target);
        const plan = planTransfer(whole.refs, base.refs);
        const bytesByHash = new Map(whole.refs.map((ref, index) => [ref.hash.toHex(), whole.chunks[index]!]));
        const fresh = freshChunks(plan).map((chunk) => bytesByHash.get(chunk.hash!.toHex())!);
        const groups = planGroups(plan, base.refs);
        const dictionary = (group: (typeof groups)[number]) =>
          group.baseRuns.flatMap(({ baseIndex, count }) => base.chunks.slice(baseIndex, baseIndex + count));
        const encoded = groups.map((group) =>
          encodeGroup(fresh.slice(group.firstFresh, group.firstFresh + group.freshCount), dictionary(group), { compressor, effort }),
        );

        // The other side: it has the base, the plan's bytes and the groups' bytes.
        const planBytes = encodePlan(plan, base.refs, { withHashes: false, compressor });
        const received = decodePlan(planBytes, base.refs, target.length, compressor);
        if (!received.ok) throw new Error(received.fault.message);
        const pieces = planGroups(received.value, base.refs).map((group, index) => {
          const decoded = decodeGroup(encoded[index]!, dictionary(group), group.targetBytes, compressor);
          if (!decoded.ok) throw new Error(decoded.fault.message);
          return decoded.value;
        });
        const freshBytes = concatBytes(...pieces);
        const made: Uint8Array[] = [];
        let freshOffset = 0;
        for (const segment of received.value.segments) {
          if (segment.kind === 'copy') made.push(...base.chunks.slice(segment.baseIndex, segment.baseIndex + segment.count));
          else if (segment.kind === 'repeat') for (let i = 0; i < segment.count; i++) made.push(made[segment.targetIndex + i]!);
          else
            for (const { lengthBytes } of segment.chunks) {
              made.push(freshBytes.subarray(freshOffset, freshOffset + lengthBytes));
              freshOffset += lengthBytes;
            }
        }
        expect(concatBytes(...made)).toEqual(target);
      }),
      { numRuns: 40 },
    );
  });

  it('put every fresh chunk in one group, in order, within the limits', () => {
    const sized = fc
      .array(fc.record({ name: fc.nat(40), lengthBytes: fc.integer({ min: 1, max: limits.chunkBytesMax }) }), { maxLength: 40 })
      .map((list) =>
        list.map(({ name, lengthBytes }): ChunkRef => {
          const hash = new Uint8Array(32).fill(name);
          new DataView(hash.buffer).setUint32(0, lengthBytes);
          return { hash: hash as Hash, lengthBytes };
        }),
      );
    fc.assert(
      fc.property(sized, sized, fc.array(fc.nat(39), { maxLength: 10 }), (own, base, shared) => {
        const target = shared.reduce((refs, at) => (base[at] === undefined ? refs : refs.toSpliced(at, 0, base[at])), own);
        const plan = planTransfer(target, base);
        const fresh = freshChunks(plan);
        let next = 0;
        for (const group of planGroups(plan, base)) {
          expect(group.firstFresh).toBe(next);
          expect(group.freshCount).toBeGreaterThan(0);
          next += group.freshCount;
          let targetBytes = 0;
          for (const chunk of fresh.slice(group.firstFresh, next)) targetBytes += chunk.lengthBytes;
          let baseBytes = 0;
          for (const { baseIndex, count } of group.baseRuns) baseBytes += totalBytes(base.slice(baseIndex, baseIndex + count));
          expect([group.targetBytes, group.baseBytes]).toEqual([targetBytes, baseBytes]);
          expect(targetBytes).toBeLessThanOrEqual(limits.groupBytesMax);
          expect(baseBytes).toBeLessThanOrEqual(limits.groupBytesMax);
        }
        expect(next).toBe(fresh.length);
      }),
    );
  });
});
