import { describe, expect, it } from 'vitest';
import { concatBytes } from '../../../src/core/bytes.ts';
import type { Hash } from '../../../src/core/identifiers.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { type ChunkRef, totalBytes } from '../../../src/datasets/manifest.ts';
import { planTransfer, targetChunks, verifyPlan } from '../../../src/datasets/transfer-plan.ts';
import { planGroups } from '../../../src/datasets/transfer-plan-groups.ts';
import { decodePlan, encodePlan } from '../../../src/datasets/transfer-plan-wire.ts';
import { nodeCrypto as crypto } from '../../../src/runtime/node-crypto.ts';
import { zstdCompressor as compressor } from '../../../src/runtime/zstd-compressor.ts';

const kibibyte = 1024;

/** Chunks by number: the same number is the same chunk. */
function chunks(...names: number[]): ChunkRef[] {
  return names.map((name) => ({ hash: crypto.sha256(Uint8Array.of(name, name >> 8)) as Hash, lengthBytes: 64 * kibibyte + name }));
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);
const base = chunks(...range(0, 1000));

describe('planning a transfer', () => {
  it('copies what is before and behind an edit', () => {
    const plan = planTransfer(chunks(...range(0, 500), 5000, ...range(501, 1000)), base);
    expect(plan.segments).toEqual([
      { kind: 'copy', baseIndex: 0, count: 500 },
      { kind: 'fresh', chunks: chunks(5000) },
      { kind: 'copy', baseIndex: 501, count: 499 },
    ]);
  });

  it('repeats the holes of a sparse file instead of sending each', () => {
    const plan = planTransfer(chunks(7, ...new Array<number>(10_000).fill(8), 9), []);
    expect(plan.segments).toEqual([
      { kind: 'fresh', chunks: chunks(7, 8) },
      { kind: 'repeat', targetIndex: 1, count: 9999 },
      { kind: 'fresh', chunks: chunks(9) },
    ]);
  });

  it('takes a chunk that the base holds often from where its neighbours are', () => {
    const often = chunks(1, 2, 3, 2, 4, 2, 5);
    expect(planTransfer(chunks(4, 2, 5), often).segments).toEqual([{ kind: 'copy', baseIndex: 4, count: 3 }]);
    expect(planTransfer(chunks(3, 99, 4, 2), often).segments.at(-1)).toEqual({ kind: 'copy', baseIndex: 4, count: 2 });
    expect(planTransfer(chunks(3, 98, 99, 2), often).segments.at(-1)).toEqual({ kind: 'copy', baseIndex: 5, count: 1 });
  });

  it('is nothing for empty content, and all fresh without a base', () => {
    expect(planTransfer([], base).segments).toEqual([]);
    expect(planTransfer(base, []).segments).toEqual([{ kind: 'fresh', chunks: base }]);
  });

  it('cannot name the target while fresh chunks have no hash', () => {
    const target = chunks(0, 5000);
    const received = decodePlan(
      encodePlan(planTransfer(target, base), base, { withHashes: false, compressor }),
      base,
      totalBytes(target),
      compressor,
    );
    if (!received.ok) throw new Error(received.fault.message);
    expect(targetChunks(received.value, base)).toBeUndefined();
    expect(targetChunks(received.value, base, [target[1]!.hash])).toEqual(target);
    const content = { root: target[0]!.hash, sizeBytes: 1, depth: 0 };
    expect(verifyPlan(received.value, base, content, crypto)).toMatchObject({ ok: false, fault: { code: 'PLAN_WRONG_CONTENT' } });
  });
});

describe('plan bytes', () => {
  it('are eight for an appended row', () => {
    const appended = [...base.slice(0, -1), { hash: crypto.sha256(Uint8Array.of(1)) as Hash, lengthBytes: base.at(-1)!.lengthBytes + 85 }];
    expect(encodePlan(planTransfer(appended, base), base, { withHashes: false, compressor }).length).toBeLessThanOrEqual(8);
  });

  it('are a byte an edit where hundreds of chunks were edited in place', () => {
    const random = seededRandom(1);
    const edited = [...base];
    for (let i = 0; i < 300; i++) {
      const at = random.below(base.length);
      edited[at] = { hash: random.bytes(32) as Hash, lengthBytes: base[at]!.lengthBytes };
    }
    expect(encodePlan(planTransfer(edited, base), base, { withHashes: false, compressor }).length).toBeLessThan(250);
  });

  const target = chunks(...range(10, 20), 5000, 5001, ...range(30, 40), 5000);
  const sizeBytes = totalBytes(target);
  const good = encodePlan(planTransfer(target, base), base, { withHashes: true, compressor });
  const malformed = { ok: false, fault: { code: 'PLAN_MALFORMED', blame: 'peer' } };

  it('are refused when the size is not the one that was signed', () => {
    expect(decodePlan(good, base, sizeBytes, compressor).ok).toBe(true);
    expect(decodePlan(good, base, sizeBytes + 1, compressor)).toMatchObject(malformed);
  });

  it('are refused when cut or continued', () => {
    for (let length = 0; length < good.length; length++)
      expect(decodePlan(good.subarray(0, length), base, sizeBytes, compressor)).toMatchObject(malformed);
    expect(decodePlan(concatBytes(good, Uint8Array.of(0)), base, sizeBytes, compressor)).toMatchObject(malformed);
  });

  it('are refused when they copy from outside the base', () => {
    expect(decodePlan(good, base.slice(0, 35), sizeBytes, compressor)).toMatchObject(malformed);
  });

  const hostile: Record<string, number[]> = {
    'unknown flags': [0x18, 0],
    'a segment of no chunks': [0x10, 1, 1],
    'more chunks than content may have': [0x10, 1, 0xff, 0xff, 0xff, 0xff, 0x0f],
    'more segments than bytes': [0x10, 100, 5],
    'a repeat of what is not there': [0x10, 1, 7, 1],
    'a repeat of itself': [0x10, 1, 7, 0],
    'a copy before the base': [0x10, 1, 6, 3],
    'a fresh chunk of less than nothing': [0x10, 1, 4, 0xff, 0xff, 0x0f],
    'a fresh chunk beyond the limit': [0x10, 1, 4, 0xff, 0xff, 0xff, 0x0f],
    'a missing length': [0x10, 1, 4],
    'a missing place': [0x10, 1, 7],
    'a damaged frame': [0x12, 3, 1, 2, 3],
    'a frame that is cut': [0x12, 9, 1, 2, 3],
  };
  for (const [what, bytes] of Object.entries(hostile)) {
    it(`are refused with ${what}`, () => {
      expect(decodePlan(Uint8Array.from(bytes), base, 0, compressor)).toMatchObject(malformed);
    });
  }

  it('are refused when the compressed part goes on behind the plan', () => {
    const body = compressor.compress(Uint8Array.of(0, 0), { level: 3 });
    expect(decodePlan(Uint8Array.of(0x12, body.length, ...body), base, 0, compressor)).toMatchObject(malformed);
    const whole = compressor.compress(Uint8Array.of(0), { level: 3 });
    expect(decodePlan(Uint8Array.of(0x12, whole.length, ...whole), base, 0, compressor)).toEqual({ ok: true, value: { segments: [] } });
  });

  it('say when the format is from another version', () => {
    expect(decodePlan(Uint8Array.of(0x20), base, 0, compressor)).toMatchObject({
      ok: false,
      fault: { code: 'PLAN_VERSION', blame: 'incompatible' },
    });
  });
});

describe('groups', () => {
  const groupsOf = (target: readonly ChunkRef[], from: readonly ChunkRef[] = base) => planGroups(planTransfer(target, from), from);

  it('take in scattered edits together, each with what it replaced', () => {
    const groups = groupsOf(chunks(...range(0, 100), 5000, ...range(101, 500), 5001, 5002, ...range(502, 1000)));
    expect(groups).toHaveLength(1);
    expect(groups[0]).toMatchObject({
      firstFresh: 0,
      freshCount: 3,
      baseRuns: [
        { baseIndex: 100, count: 1 },
        { baseIndex: 500, count: 2 },
      ],
    });
  });

  it('give an appended run the chunks before it, and none to one that replaced nearly as much', () => {
    expect(groupsOf(chunks(...range(0, 1000), 5000))).toMatchObject([{ baseRuns: [{ baseIndex: 998, count: 2 }] }]);
    expect(groupsOf(chunks(...range(0, 999), 5000))).toMatchObject([{ baseRuns: [{ baseIndex: 999, count: 1 }] }]);
  });

  it('give a prepended run the chunks behind it', () => {
    expect(groupsOf(chunks(5000, ...range(0, 1000)))).toMatchObject([{ baseRuns: [{ baseIndex: 0, count: 2 }] }]);
  });

  it('give a chunk that closes over a long deletion both of its ends', () => {
    expect(groupsOf(chunks(...range(0, 100), 5000, ...range(900, 1000)))).toMatchObject([
      { baseRuns: [{ baseIndex: 100 }, { count: expect.any(Number) }], freshCount: 1 },
    ]);
    const runs = groupsOf(chunks(...range(0, 100), 5000, ...range(900, 1000)))[0]!.baseRuns;
    expect(runs[1]!.baseIndex + runs[1]!.count).toBe(900);
  });

  it('are about a mebibyte without a base', () => {
    const groups = groupsOf(base, []);
    expect(groups.length).toBeGreaterThan(60);
    for (const group of groups) expect(group.targetBytes).toBeLessThanOrEqual(1024 * kibibyte);
  });

  it('follow a rewritten file at the same pace', () => {
    const groups = groupsOf(chunks(...range(2000, 3000)));
    for (const group of groups.slice(1, -1)) {
      const middle = group.firstFresh + group.freshCount / 2;
      const first = group.baseRuns[0]!;
      const last = group.baseRuns.at(-1)!;
      expect(Math.abs((first.baseIndex + last.baseIndex + last.count) / 2 - middle)).toBeLessThan(10);
    }
    expect(groups.length).toBeLessThan(20);
  });

  it('leave out a base chunk that is too long for any group', () => {
    const long: ChunkRef[] = [{ hash: crypto.sha256(Uint8Array.of(1)) as Hash, lengthBytes: 8 * 1024 * kibibyte }];
    expect(groupsOf(chunks(1), [...long, ...long])).toMatchObject([
      { baseRuns: [{ baseIndex: 0, count: 1 }], baseBytes: 8 * 1024 * kibibyte },
    ]);
  });
});
