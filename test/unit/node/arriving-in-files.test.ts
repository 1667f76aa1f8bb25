import { beforeEach, describe, expect, it } from 'vitest';
import { concatBytes } from '../../../src/core/bytes.ts';
import type { Hash } from '../../../src/core/identifiers.ts';
import { seededRandom } from '../../../src/core/random.ts';
import { ContentStore } from '../../../src/datasets/content-store.ts';
import { encodeGroup } from '../../../src/datasets/delta-group.ts';
import type { ChunkRef, ContentRef } from '../../../src/datasets/manifest.ts';
import { planTransfer } from '../../../src/datasets/transfer-plan.ts';
import { encodePlan } from '../../../src/datasets/transfer-plan-wire.ts';
import { ContentTasks, type OpenedTransfer } from '../../../src/node/content-tasks.ts';
import { nodeCrypto as crypto } from '../../../src/runtime/node-crypto.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';
import { zstdCompressor as compressor } from '../../../src/runtime/zstd-compressor.ts';
import { DiskFaults } from '../../../src/simulation/disk-faults.ts';
import { MemoryChunkStore } from '../../../src/simulation/memory-chunk-store.ts';
import { MemoryFileTree } from '../../../src/simulation/memory-file-tree.ts';

const bytes = seededRandom(1).bytes(18 * 1024 * 1024);

let tree: MemoryFileTree;
let source: ContentStore;
let store: ContentStore;
let sending: ContentTasks;
let receiving: ContentTasks;
let content: ContentRef;
let refs: ChunkRef[];

const faults = new DiskFaults(seededRandom(3));
const openStore = () => new ContentStore(openSqliteCatalog(':memory:'), new MemoryChunkStore({ sha256: crypto.sha256, faults }), crypto);

beforeEach(async () => {
  let nowNs = 1n;
  tree = new MemoryFileTree({ nowNs: () => nowNs++, faults });
  source = openStore();
  content = await source.addBytes(bytes);
  refs = await source.refs(content);
  store = openStore();
  store.attachTree('t', tree);
  sending = new ContentTasks(source, crypto, compressor);
  receiving = new ContentTasks(store, crypto, compressor, () => ({ tree: 't', path: 'a' }));
});

/** What understands a plan that a peer sent. */
async function opened(planObject: Uint8Array): Promise<OpenedTransfer> {
  const result = await receiving.open(content, [], planObject);
  if (!result.ok) throw new Error(result.fault.code);
  return result.value;
}

describe('a content that arrives in its file', () => {
  it('has nothing in it that came by a plan which names no chunks, as nothing shows yet whether that is true', async () => {
    // A peer that lies about the first group and then goes away.
    const untrue = await opened(concatBytes(Uint8Array.of(0), encodePlan(planTransfer(refs, []), [], { withHashes: false, compressor })));
    const { freshCount, targetBytes } = untrue.groups[0]!;
    expect(
      (await receiving.store(untrue, 0, encodeGroup([seededRandom(2).bytes(targetBytes)], [], { compressor, effort: 'fast' }))).ok,
    ).toBe(true);
    // What stands there in truth is here already, so that an honest peer need not send it.
    await store.put(await Promise.all(refs.slice(0, freshCount).map(async ({ hash }) => ({ hash, bytes: (await source.read(hash))! }))));
    const transfer = (await sending.prepare(content, []))!;
    const honest = await opened(transfer.planObject);
    const hashes: Hash[] = honest.held!.flatMap((held) => held.hashes);
    expect(honest.held).toHaveLength(1);
    for (let group = 1; group < honest.groups.length; group++) {
      const encoded = (await sending.encode(transfer, group, 'fast'))!;
      const stored = await receiving.store(honest, group, encoded.kind === 'encoded' ? encoded.bytes : new Uint8Array());
      if (stored.ok) hashes.push(...stored.value);
    }
    expect((await receiving.finish(honest, hashes)).ok).toBe(true);
    const part = await store.arriving.whole('t', content, refs, 'a');
    await tree.placePart(part!, 'a', {});
    expect(crypto.sha256(await (await tree.open('a')).read(0, bytes.length))).toEqual(crypto.sha256(bytes));
  });
});
