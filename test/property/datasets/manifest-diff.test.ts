import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Hash } from '../../../src/core/identifiers.ts';
import { type ChunkRef, type ContentRef, ManifestBuilder } from '../../../src/datasets/manifest.ts';
import { diffManifests } from '../../../src/datasets/manifest-diff.ts';
import { nodeCrypto as crypto } from '../../../src/runtime/node-crypto.ts';

function chunk(name: number): ChunkRef {
  return { hash: crypto.sha256(Uint8Array.of(name, name >> 8)) as Hash, lengthBytes: 1 + (name % 1000) };
}

function build(refs: readonly ChunkRef[], nodes: Map<string, Uint8Array>): ContentRef {
  const builder = new ManifestBuilder(crypto);
  for (const ref of refs) builder.add(ref);
  const { content, nodes: made } = builder.finish();
  for (const node of made) nodes.set(node.hash.toHex(), node.bytes);
  return content;
}

const hashes = (refs: readonly { hash: Hash }[]) => new Set(refs.map((ref) => ref.hash.toHex()));

/** Two lists of chunks that share long stretches: the second is the first with pieces replaced. */
const lists = fc
  .record({
    names: fc.array(fc.nat(3000), { maxLength: 1500, size: 'max' }),
    edits: fc.array(fc.record({ at: fc.nat(1500), drop: fc.nat(20), names: fc.array(fc.nat(3000), { maxLength: 10 }) }), { maxLength: 4 }),
  })
  .map(({ names, edits }) => {
    const edited = [...names];
    for (const { at, drop, names: fresh } of edits) edited.splice(at, drop, ...fresh);
    return { base: names.map(chunk), target: edited.map(chunk) };
  });

describe('manifest diff', () => {
  it('finds what set subtraction finds, apart from chunks that also lie in shared nodes', async () => {
    await fc.assert(
      fc.asyncProperty(lists, async ({ base, target }) => {
        const nodes = new Map<string, Uint8Array>();
        const targetNodes = new Map<string, Uint8Array>();
        const baseContent = build(base, nodes);
        const targetContent = build(target, targetNodes);
        const baseNodes = new Set(nodes.keys());
        for (const [hash, bytes] of targetNodes) nodes.set(hash, bytes);
        const outcome = await diffManifests(targetContent, baseContent, (hash) => nodes.get(hash.toHex()), crypto);
        if (!outcome.ok) throw new Error(outcome.fault.message);
        const { added, removed, addedNodes } = outcome.value;

        const targetSet = hashes(target);
        const baseSet = hashes(base);
        expect(hashes(added).isSupersetOf(targetSet.difference(baseSet))).toBe(true);
        expect(hashes(removed).isSupersetOf(baseSet.difference(targetSet))).toBe(true);
        expect(hashes(added).isSubsetOf(targetSet)).toBe(true);
        expect(hashes(removed).isSubsetOf(baseSet)).toBe(true);
        expect(hashes(added).isDisjointFrom(hashes(removed))).toBe(true);
        expect(hashes(added).size).toBe(added.length);
        // A node under a shared one is shared too, so exactly the others are named, unless the depths differ and a whole tree was taken in.
        for (const { hash } of addedNodes) expect(baseNodes.has(hash.toHex()) && targetContent.depth === baseContent.depth).toBe(false);
        if (targetContent.depth === baseContent.depth) {
          expect(hashes(addedNodes)).toEqual(new Set([...targetNodes.keys()].filter((hash) => !baseNodes.has(hash))));
        }
      }),
      { numRuns: 60 },
    );
  });

  it('looks into few nodes for one edit in a large file', async () => {
    const base = Array.from({ length: 60_000 }, (_, index) => chunk(index));
    const target = base.with(30_000, chunk(60_001));
    const nodes = new Map<string, Uint8Array>();
    const [baseContent, targetContent] = [build(base, nodes), build(target, nodes)];
    let loads = 0;
    const outcome = await diffManifests(
      targetContent,
      baseContent,
      (hash) => {
        loads++;
        return nodes.get(hash.toHex());
      },
      crypto,
    );
    expect(outcome).toMatchObject({ ok: true, value: { added: [chunk(60_001)], removed: [chunk(30_000)] } });
    expect(loads).toBeLessThanOrEqual(12);
  });

  it('is nothing between equal contents, and loads nothing', async () => {
    const content = build(
      Array.from({ length: 1000 }, (_, index) => chunk(index)),
      new Map(),
    );
    const outcome = await diffManifests(content, content, () => undefined, crypto);
    expect(outcome).toEqual({ ok: true, value: { added: [], removed: [], addedNodes: [] } });
  });

  it('says which node is missing or damaged, on either side, and which content cannot be', async () => {
    const nodes = new Map<string, Uint8Array>();
    const [one, two] = [build([chunk(1), chunk(2)], nodes), build([chunk(1), chunk(3)], nodes)];
    const without = (content: ContentRef) => (hash: Hash) => (hash.toHex() === content.root.toHex() ? undefined : nodes.get(hash.toHex()));
    expect(await diffManifests(one, two, without(one), crypto)).toMatchObject({ ok: false, fault: { code: 'MANIFEST_NODE_MISSING' } });
    expect(await diffManifests(one, two, without(two), crypto)).toMatchObject({ ok: false, fault: { code: 'MANIFEST_NODE_MISSING' } });
    expect(await diffManifests(one, two, () => Uint8Array.of(0x11), crypto)).toMatchObject({
      ok: false,
      fault: { code: 'MANIFEST_NODE_DAMAGED' },
    });
    expect(await diffManifests(one, { ...two, depth: 99 }, without(one), crypto)).toMatchObject({
      ok: false,
      fault: { code: 'CONTENT_REF_MALFORMED' },
    });
  });
});
