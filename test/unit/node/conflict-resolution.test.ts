import { expect, it } from 'vitest';
import { type DatasetId, type Hash, identifier, type NodeId } from '../../../src/core/identifiers.ts';
import type { ContentStore } from '../../../src/datasets/content-store.ts';
import { FileIndex } from '../../../src/datasets/file-index.ts';
import { resolveConflict } from '../../../src/node/conflict-resolution.ts';
import { openSqliteCatalog } from '../../../src/runtime/sqlite-catalog.ts';

const dataset = identifier<DatasetId>(new Uint8Array(32).fill(7));
const [here, there] = [1, 2].map((value) => identifier<NodeId>(new Uint8Array(32).fill(value))) as [NodeId, NodeId];
const rootOf = (value: number): Hash => new Uint8Array(32).fill(value) as Hash;
const contents = {} as ContentStore;

/** What is chosen among an older and a newer state of one path, when the head of the older one was written `olderAtMs`, and that of the newer one `newerAtMs`. */
async function chosen(policy: 'latest' | 'keep-both', olderAtMs: number, newerAtMs: number): Promise<number | undefined> {
  const index = new FileIndex(openSqliteCatalog(':memory:'));
  const heads = [
    { author: here, wallMs: olderAtMs, root: 1, mtimeNs: 1_000_000_000n },
    { author: there, wallMs: newerAtMs, root: 2, mtimeNs: 2_000_000_000n },
  ];
  for (const { author, wallMs, root, mtimeNs } of heads) {
    const state = { kind: 'file', content: { root: rootOf(root), sizeBytes: 10, depth: 0 }, mtimeNs, mode: 0o644 } as const;
    const header = { instant: { wallMs, counter: 0 }, clockQuality: 'unknown' } as const;
    index.apply(dataset, { author, sequence: 1 }, header, [{ path: 'a.bin', superseded: [], ...state }], wallMs);
  }
  const resolution = await resolveConflict(dataset, 'a.bin', policy, index, contents);
  const [change] = resolution.kind === 'changes' ? resolution.changes : [];
  return change?.kind === 'file' ? change.content.root[0] : undefined;
}

// Who ends a conflict writes an old state anew. If that made it the latest, two nodes that see different heads of the same states would undo each other's choice for ever.
it.each(['latest', 'keep-both'] as const)('chooses the same state whoever wrote it last, policy %s', async (policy) => {
  expect(await chosen(policy, 5000, 9000)).toBe(2);
  expect(await chosen(policy, 9000, 5000)).toBe(2);
});
