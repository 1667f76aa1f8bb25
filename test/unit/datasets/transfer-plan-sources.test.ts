import { describe, expect, it } from 'vitest';
import { concatBytes } from '../../../src/core/bytes.ts';
import type { Hash } from '../../../src/core/identifiers.ts';
import { limits } from '../../../src/core/limits.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { ChunkSplitter, chunkParametersFor } from '../../../src/datasets/chunking.ts';
import { type ChunkRef, totalBytes } from '../../../src/datasets/manifest.ts';
import { planTransfer, type TransferPlan } from '../../../src/datasets/transfer-plan.ts';
import { planGroups } from '../../../src/datasets/transfer-plan-groups.ts';
import { findSources } from '../../../src/datasets/transfer-plan-sources.ts';
import { decodePlan, encodePlan } from '../../../src/datasets/transfer-plan-wire.ts';
import { nodeCrypto as crypto } from '../../../src/runtime/node-crypto.ts';
import { zstdCompressor as compressor } from '../../../src/runtime/zstd-compressor.ts';

const bytesByHash = new Map<string, Uint8Array>();

function cut(content: Uint8Array): ChunkRef[] {
  const splitter = new ChunkSplitter(chunkParametersFor(content.length));
  return [...splitter.push(content), ...splitter.end()].map((chunk) => {
    const hash = crypto.sha256(chunk) as Hash;
    bytesByHash.set(hash.toHex(), chunk);
    return { hash, lengthBytes: chunk.length };
  });
}

let reads = 0;
const read = ({ hash }: ChunkRef) => {
  reads++;
  return bytesByHash.get(hash.toHex());
};

const noise = seededRandom(1).bytes(3_000_000);
const base = cut(noise);

/** A compressed chunk that was moved to the end of its file: a long piece of the base, with edits that leave no chunk of it whole. */
const moved = noise.slice(1_000_000, 1_100_000);
for (let i = 0; i < moved.length; i += 10_000) moved[i] = 255 - moved[i]!;
const target = cut(concatBytes(noise, moved));
const plan = planTransfer(target, base);

async function sourcesOf(plan: TransferPlan, from: readonly ChunkRef[]) {
  return (await findSources(plan, from, read)).segments.map((segment) => (segment.kind === 'fresh' ? segment.source : undefined));
}

describe('sources', () => {
  it('are found for a run that was moved and edited', async () => {
    const [, source] = await sourcesOf(plan, base);
    const offset = totalBytes(base.slice(0, source!.baseIndex));
    const end = offset + totalBytes(base.slice(source!.baseIndex, source!.baseIndex + source!.count));
    expect(offset).toBeLessThanOrEqual(1_010_000);
    expect(end).toBeGreaterThanOrEqual(1_090_000);
    expect(end - offset).toBeLessThan(500_000);
  });

  it('join what the run replaced in its group', async () => {
    const sourced = await findSources(plan, base, read);
    const source = sourced.segments[1]!.kind === 'fresh' ? sourced.segments[1]!.source! : undefined;
    const [group] = planGroups(sourced, base);
    expect(group!.baseRuns.at(-1)).toEqual(source);
    expect(group!.baseRuns.length).toBe(2);
    let baseBytes = 0;
    for (const { baseIndex, count } of group!.baseRuns) baseBytes += totalBytes(base.slice(baseIndex, baseIndex + count));
    expect(group!.baseBytes).toBe(baseBytes);
  });

  it('travel with the plan', async () => {
    const sourced = await findSources(plan, base, read);
    const bytes = encodePlan(sourced, base, { withHashes: true, compressor });
    expect(decodePlan(bytes, base, totalBytes(target), compressor)).toEqual({ ok: true, value: sourced });
    const plain = encodePlan(plan, base, { withHashes: true, compressor });
    expect(bytes.length - plain.length).toBeLessThanOrEqual(3);
    // Some of two runs: the other has none.
    const two = planTransfer([...cut(seededRandom(5).bytes(50_000)), ...target], base);
    const both = encodePlan(await findSources(two, base, read), base, { withHashes: false, compressor });
    const decoded = decodePlan(both, base, totalBytes(target) + 50_000, compressor);
    expect(decoded.ok && decoded.value.segments.map((segment) => segment.kind === 'fresh' && segment.source !== undefined)).toEqual([
      false,
      false,
      true,
    ]);
  });

  it('are refused from outside the base, and when cut', () => {
    const malformed = { ok: false, fault: { code: 'PLAN_MALFORMED' } };
    const one = base.slice(0, 1);
    const length = 2 * totalBytes(one);
    const plan = (count: number, baseIndex: number) => Uint8Array.of(0x14, 1, 4, 0, count, baseIndex);
    expect(decodePlan(plan(1, 0), one, length / 2, compressor).ok).toBe(true);
    expect(decodePlan(plan(1, 1), one, length / 2, compressor)).toMatchObject(malformed);
    expect(decodePlan(plan(2, 0), one, length / 2, compressor)).toMatchObject(malformed);
    expect(decodePlan(plan(1, 0).subarray(0, 5), one, length / 2, compressor)).toMatchObject(malformed);
    expect(decodePlan(plan(1, 0).subarray(0, 4), one, length / 2, compressor)).toMatchObject(malformed);
  });

  it('are left out of a group that they would make too large', () => {
    const long = Array.from(
      { length: 4 },
      (_, name): ChunkRef => ({ hash: crypto.sha256(Uint8Array.of(name)) as Hash, lengthBytes: limits.chunkBytesMax / 2 }),
    );
    const chunks = [{ lengthBytes: 1000 }];
    const groups = planGroups({ segments: [{ kind: 'fresh', chunks, source: { baseIndex: 1, count: 3 } }] }, long);
    expect(groups[0]!.baseRuns).not.toContainEqual({ baseIndex: 1, count: 3 });
    expect(groups[0]!.baseBytes).toBeLessThanOrEqual(limits.groupBytesMax);
  });

  it('are none for what is new, what is short, and what replaced as much as it is', async () => {
    const fresh = planTransfer(cut(concatBytes(noise, seededRandom(2).bytes(100_000))), base);
    expect(await sourcesOf(fresh, base)).toEqual([undefined, undefined]);
    reads = 0;
    const edited = planTransfer(cut(noise.with(1_500_000, 255 - noise[1_500_000]!)), base);
    expect(await findSources(edited, base, read)).toBe(edited);
    const short = planTransfer([...base, ...cut(noise.slice(500, 1500))], base);
    expect(await findSources(short, base, read)).toBe(short);
    expect(reads).toBe(0);
  });

  it('are not sought in a base that takes long to read', async () => {
    reads = 0;
    const many = Array.from({ length: 200 }, () => base).flat();
    expect(await findSources(plan, many, read)).toBe(plan);
    expect(reads).toBe(0);
  });

  it('are none where the bytes cannot be read any more', async () => {
    expect((await findSources(plan, base, () => undefined)).segments).toEqual(plan.segments);
    const withoutBase = await findSources(plan, base, (chunk) => (base.some((ref) => ref.hash === chunk.hash) ? undefined : read(chunk)));
    expect(withoutBase.segments).toEqual(plan.segments);
  });
});
