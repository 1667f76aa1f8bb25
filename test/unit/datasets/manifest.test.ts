import { describe, expect, it } from 'vitest';
import type { GodwitError } from '../../../src/core/errors.ts';
import type { Hash } from '../../../src/core/identifiers.ts';
import { limits } from '../../../src/core/limits.ts';
import { seededRandom } from '../../../src/core/random.ts';
import {
  type ChunkRef,
  type ContentRef,
  checkContentRef,
  decodeManifestNode,
  equalContent,
  ManifestBuilder,
  type ManifestNode,
  readManifest,
  singleChunkContent,
  totalBytes,
} from '../../../src/datasets/manifest.ts';
import { nodeCrypto as crypto } from '../../../src/runtime/node-crypto.ts';

const emptyHash = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

function randomRefs(count: number, seed = 1): ChunkRef[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => ({ hash: random.bytes(32) as Hash, lengthBytes: 1 + random.below(200_000) }));
}

function build(refs: readonly ChunkRef[]): { content: ContentRef; nodes: ManifestNode[] } {
  const builder = new ManifestBuilder(crypto);
  for (const ref of refs) builder.add(ref);
  return builder.finish();
}

function store(nodes: readonly ManifestNode[]): Map<string, Uint8Array> {
  return new Map(nodes.map((node) => [node.hash.toHex(), node.bytes]));
}

async function read(content: ContentRef, stored: Map<string, Uint8Array>): Promise<ChunkRef[]> {
  return Array.fromAsync(readManifest(content, (hash) => stored.get(hash.toHex()), crypto));
}

async function codeOf(reading: Promise<unknown>): Promise<string> {
  return reading.then(
    () => 'no error',
    (error: GodwitError) => error.code,
  );
}

describe('manifest builder', () => {
  it('names empty content by the hash of nothing', () => {
    const { content, nodes } = build([]);
    expect([content.root.toHex(), content.sizeBytes, content.depth, nodes.length]).toEqual([emptyHash, 0, 0, 0]);
  });

  it('names content of one chunk by the hash of that chunk, without a node', () => {
    const refs = randomRefs(1);
    const { content, nodes } = build(refs);
    expect(content).toEqual(singleChunkContent(refs[0]!.hash, refs[0]!.lengthBytes));
    expect(nodes).toEqual([]);
  });

  it('writes version and level, then hash and length of every child', () => {
    const refs: ChunkRef[] = [
      { hash: new Uint8Array(32).fill(0xaa) as Hash, lengthBytes: 5 },
      { hash: new Uint8Array(32).fill(0xbb) as Hash, lengthBytes: 300 },
    ];
    const { content, nodes } = build(refs);
    expect(nodes).toHaveLength(1);
    expect(nodes[0]!.bytes.toHex()).toBe(`11${'aa'.repeat(32)}05${'bb'.repeat(32)}ac02`);
    expect(content).toEqual({ root: crypto.sha256(nodes[0]!.bytes), sizeBytes: 305, depth: 1 });
  });

  it('lets nodes be drained while it builds, children before parents', () => {
    const refs = randomRefs(5000);
    const whole = build(refs);
    const builder = new ManifestBuilder(crypto);
    const drained: ManifestNode[] = [];
    for (const ref of refs) {
      builder.add(ref);
      drained.push(...builder.drain());
    }
    expect(drained.length).toBeGreaterThan(10);
    const { content, nodes } = builder.finish();
    expect([...drained, ...nodes]).toEqual(whole.nodes);
    expect(equalContent(content, whole.content)).toBe(true);
    expect(whole.nodes.at(-1)!.hash).toEqual(content.root);
    expect(content.depth).toBe(2);
  });

  it('changes one or two nodes a level for one changed chunk', () => {
    const refs = randomRefs(20_000);
    const before = store(build(refs).nodes);
    refs[10_000] = randomRefs(1, 99)[0]!;
    const after = build(refs).nodes;
    const fresh = after.filter((node) => !before.has(node.hash.toHex()));
    expect(fresh.length).toBeGreaterThanOrEqual(2);
    expect(fresh.length).toBeLessThanOrEqual(4);
  });

  it('fills nodes to 1024 children at most, and to about 256 on average', () => {
    const alike = Array.from({ length: 3000 }, () => ({ hash: new Uint8Array(32).fill(9) as Hash, lengthBytes: 1 }));
    const levelOne = build(alike).nodes.filter((node) => node.level === 1);
    expect(levelOne.map((node) => node.bytes.length)).toEqual([1024 * 33 + 1, 1024 * 33 + 1, 952 * 33 + 1]);
    const random = build(randomRefs(20_000)).nodes.filter((node) => node.level === 1);
    expect(20_000 / random.length).toBeGreaterThan(200);
    expect(20_000 / random.length).toBeLessThan(350);
  });

  it('tells contents of one root apart by size and depth', () => {
    const root = new Uint8Array(32) as Hash;
    expect(equalContent({ root, sizeBytes: 1, depth: 0 }, { root, sizeBytes: 1, depth: 0 })).toBe(true);
    expect(equalContent({ root, sizeBytes: 1, depth: 0 }, { root, sizeBytes: 2, depth: 0 })).toBe(false);
    expect(equalContent({ root, sizeBytes: 1, depth: 0 }, { root, sizeBytes: 1, depth: 1 })).toBe(false);
  });
});

describe('manifest reading', () => {
  it('returns every chunk in order at every depth', async () => {
    for (const count of [0, 1, 2, 17, 300, 20_000]) {
      const refs = randomRefs(count, count + 1);
      const { content, nodes } = build(refs);
      expect(await read(content, store(nodes))).toEqual(refs);
      expect(totalBytes(refs)).toBe(content.sizeBytes);
    }
  });

  it('yields the chunks before a missing node, then names it', async () => {
    const refs = randomRefs(2000);
    const { content, nodes } = build(refs);
    const stored = store(nodes);
    const second = nodes.filter((node) => node.level === 1)[1]!;
    stored.delete(second.hash.toHex());
    const seen: ChunkRef[] = [];
    const reading = (async () => {
      for await (const ref of readManifest(content, (hash) => stored.get(hash.toHex()), crypto)) seen.push(ref);
    })();
    await expect(reading).rejects.toMatchObject({ code: 'MANIFEST_NODE_MISSING', retryable: true });
    expect(seen.length).toBeGreaterThan(15);
    expect(seen).toEqual(refs.slice(0, seen.length));
  });

  it('refuses a node whose bytes have another hash', async () => {
    const { content, nodes } = build(randomRefs(5));
    const stored = store(nodes);
    stored.set(content.root.toHex(), nodes[0]!.bytes.with(40, 0xff));
    expect(await codeOf(read(content, stored))).toBe('MANIFEST_NODE_DAMAGED');
  });

  it('refuses content whose chunks do not add up to its size', async () => {
    const { content, nodes } = build(randomRefs(5));
    expect(await codeOf(read({ ...content, sizeBytes: content.sizeBytes + 1 }, store(nodes)))).toBe('MANIFEST_MALFORMED');
  });

  it('refuses a node of another level than its place', async () => {
    const { content, nodes } = build(randomRefs(5));
    expect(await codeOf(read({ ...content, depth: 2 }, store(nodes)))).toBe('MANIFEST_MALFORMED');
  });

  it('refuses references that no content has', async () => {
    const root = new Uint8Array(32) as Hash;
    for (const content of [
      { root, sizeBytes: 0, depth: 0 },
      { root, sizeBytes: 0, depth: 1 },
      { root, sizeBytes: limits.chunkBytesMax + 1, depth: 0 },
      { root, sizeBytes: 1, depth: 11 },
      { root, sizeBytes: 1, depth: -1 },
      { root, sizeBytes: 1.5, depth: 0 },
      { root, sizeBytes: 2 ** 53, depth: 2 },
    ]) {
      expect(checkContentRef(content, crypto).ok).toBe(false);
      expect(await codeOf(read(content, new Map()))).toBe('CONTENT_REF_MALFORMED');
    }
  });
});

describe('manifest node decoding', () => {
  const child = (lengthBytes: number[]) => [...new Array<number>(32).fill(1), ...lengthBytes];
  const hostile: Record<string, number[]> = {
    'no bytes': [],
    'no children': [0x11],
    'another level': [0x12, ...child([1])],
    'level 0': [0x10, ...child([1])],
    'a cut hash': [0x11, 1, 2, 3],
    'a missing length': [0x11, ...new Array<number>(32).fill(1)],
    'a length that goes on too long': [0x11, ...child([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01])],
    'a length not in its shortest form': [0x11, ...child([0x81, 0x00])],
    'an empty child': [0x11, ...child([0])],
    'a chunk beyond the limit': [0x11, ...child([0x81, 0x80, 0x80, 0x04])],
    'bytes left over': [0x11, ...child([1]), 0],
    'too many children': [0x11, ...Array.from({ length: 1025 }, () => child([1])).flat()],
  };
  for (const [what, bytes] of Object.entries(hostile)) {
    it(`refuses ${what}`, () => {
      const outcome = decodeManifestNode(Uint8Array.from(bytes), 1);
      expect(outcome).toMatchObject({ ok: false, fault: { code: 'MANIFEST_MALFORMED', blame: 'peer' } });
    });
  }

  it('refuses children of more than 2^53 bytes together', () => {
    const most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f];
    expect(decodeManifestNode(Uint8Array.from([0x12, ...child(most)]), 2).ok).toBe(true);
    expect(decodeManifestNode(Uint8Array.from([0x12, ...child(most), ...child(most)]), 2)).toMatchObject({ ok: false });
  });

  it('refuses a level beyond the deepest', () => {
    expect(decodeManifestNode(Uint8Array.from([0x1b, ...child([1])]), 11)).toMatchObject({ ok: false });
  });

  it('says when the format is from another version', () => {
    expect(decodeManifestNode(Uint8Array.from([0x21, ...child([1])]), 1)).toMatchObject({
      ok: false,
      fault: { code: 'MANIFEST_VERSION', blame: 'incompatible' },
    });
  });
});
