import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { utf8 } from '../../../src/core/bytes.ts';
import type { MemoryFileTree } from '../../../src/simulation/memory-file-tree.ts';
import { DatasetNode, dataset, memoryDisk, TestClock } from '../../simulation/dataset-node.ts';

/** What two people do, each in a directory of their own, with names that get in each other's way. */
const paths = ['a', 'b', 'a/x', 'a/y'];
const side = fc.constantFrom(0, 1);
const path = fc.constantFrom(...paths);
const action = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('put' as const), side, path, content: fc.nat({ max: 3 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), side, path }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('rename' as const), side, path, to: path }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('link' as const), side, path }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('scan' as const), side }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('sync' as const), side }) },
);

type Work =
  | { readonly kind: 'put'; readonly path: string; readonly content: number }
  | { readonly kind: 'remove' | 'link'; readonly path: string }
  | { readonly kind: 'rename'; readonly path: string; readonly to: string };

async function contentOf(tree: MemoryFileTree, at: string): Promise<string> {
  const stat = await tree.stat(at);
  if (stat === undefined) return 'nothing';
  if (stat.kind === 'symlink') return `link ${stat.target}`;
  return `file ${new TextDecoder().decode(await (await tree.open(at)).read(0, stat.sizeBytes))}`;
}

async function directory(tree: MemoryFileTree): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const { path: at } of tree.walk()) found.set(at, await contentOf(tree, at));
  return found;
}

/** Somebody's work in the directory; what the directory itself refuses (a file where a directory is) did not happen. */
async function work(tree: MemoryFileTree, each: Work): Promise<void> {
  try {
    if (each.kind === 'put') tree.put(each.path, utf8(`content ${each.content}`));
    else if (each.kind === 'remove') await tree.remove(each.path);
    else if (each.kind === 'rename') await tree.rename(each.path, each.to);
    else await tree.link(each.path, 'somewhere');
  } catch {
    // Refused: nothing changed.
  }
}

describe('two working trees of one dataset', () => {
  it('lose no edit, overwrite nothing unpublished, and show what the dataset says once both have looked', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 1, maxLength: 25 }), async (actions) => {
        const clock = new TestClock();
        const disks = [memoryDisk(clock), memoryDisk(clock)] as const;
        const nodes = [new DatasetNode(1, disks[0], clock), new DatasetNode(2, disks[1], clock)] as const;
        /** What stood on each disk when it was last in step: anything else is somebody's unpublished work. */
        const inStep: [Map<string, string>, Map<string, string>] = [new Map(), new Map()];
        const published = new Set<string>();

        const scan = async (at: 0 | 1) => {
          await nodes[at].scan({ allowEmptied: true });
          inStep[at] = await directory(disks[at].tree);
          for (const [name, content] of inStep[at]) published.add(`${name} ${content}`);
        };
        const sync = async (at: 0 | 1) => {
          const before = await directory(disks[at].tree);
          nodes[at].receiveEntries(nodes[1 - at] as DatasetNode);
          await nodes[at].receiveContents(nodes[1 - at] as DatasetNode);
          for (const name of nodes[at].index.paths(dataset, '', 100)) {
            // A file that somebody put in a directory's place, or the other way round, is refused; it is theirs.
            await nodes[at].tree
              .materialise(name)
              .catch((error: { code?: string }) => expect(error.code).toMatch(/^(PATH_OCCUPIED|PATH_REFUSED)$/));
          }
          const after = await directory(disks[at].tree);
          for (const [name, content] of before) if (inStep[at].get(name) !== content) expect(after.get(name)).toBe(content);
          for (const [name, content] of after) if (before.get(name) !== content) inStep[at].set(name, content);
          for (const name of inStep[at].keys()) if (before.has(name) && !after.has(name)) inStep[at].delete(name);
        };

        for (const each of actions) {
          clock.tick();
          const at = each.side as 0 | 1;
          if (each.kind === 'scan') await scan(at);
          else if (each.kind === 'sync') await sync(at);
          else await work(disks[at].tree, each);
        }
        for (let round = 0; round < 4; round++) {
          for (const at of [0, 1] as const) {
            await scan(at);
            await sync(at);
          }
        }

        const all = nodes[0].index.paths(dataset, '', 100);
        expect(nodes[1].index.paths(dataset, '', 100)).toEqual(all);
        const remembered = new Set<string>();
        for (const name of all) {
          expect(nodes[1].heads(name)).toEqual(nodes[0].heads(name));
          for (const revision of nodes[0].index.history(dataset, name)) {
            if (revision.kind === 'symlink') remembered.add(`${name} link ${revision.target}`);
            if (revision.kind !== 'file') continue;
            const bytes = await nodes[revision.author === nodes[0].id ? 0 : 1].contents.bytes(revision.content, 1000);
            remembered.add(`${name} file ${new TextDecoder().decode(bytes)}`);
          }
        }
        for (const edit of published) expect(remembered).toContain(edit);
        // Nothing is left to publish, and every directory shows a head of every path that can stand there.
        for (const at of [0, 1] as const) {
          expect((await nodes[at].scan({ allowEmptied: true })).published).toEqual([]);
          const shown = await directory(disks[at].tree);
          for (const [name, content] of shown) {
            const heads = nodes[at].index.heads(dataset, name);
            expect(heads.length, `${name} ${content}`).toBeGreaterThan(0);
            expect(heads.every(({ kind }) => kind === 'removal')).toBe(false);
          }
          const live = all.filter((name) => nodes[at].index.heads(dataset, name).some(({ kind }) => kind !== 'removal'));
          for (const name of all) {
            const isInTheWay = live.some((other) => other.startsWith(`${name}/`) || name.startsWith(`${other}/`));
            if (isInTheWay || nodes[at].index.inConflict(dataset, name)) continue;
            expect(shown.get(name), name).toBe((await directory(disks[1 - at]!.tree)).get(name));
            expect(shown.has(name), name).toBe(live.includes(name));
          }
        }
      }),
      { numRuns: 150 },
    );
  });
});
