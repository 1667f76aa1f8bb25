import { expect, test } from 'vitest';
import { utf8 } from '../../src/core/bytes.ts';
import type { ConflictPolicy, ConflictRule } from '../../src/node/membership.ts';
import type { SimulatedNode } from '../../src/simulation/simulated-node.ts';
import { type Camp, chain, expectConvergence, expectFile, hour, minute, type Pair, publish, radio, textOnDisk } from './camp.ts';

/** Two nodes that agree on files, and change each of them apart. */
async function apart(seed: number, policy: ConflictPolicy, paths: readonly string[], prepare: (camp: Camp) => void): Promise<Camp> {
  const camp = await chain(seed, ['camp', 'ridge'], radio, policy);
  const [a, b] = camp.nodes as Pair;
  for (const path of paths) {
    await publish(camp, a, path, 'base');
    await expectFile(camp.world, b, path, 'base');
  }
  prepare(camp);
  await camp.world.runFor(minute);
  camp.world.linkBetween('camp', 'ridge').cut();
  for (const path of paths) await publish(camp, a, path, 'left');
  await camp.world.runFor(minute);
  for (const path of paths) await publish(camp, b, path, 'right');
  camp.world.healAll();
  await camp.world.runFor(30 * minute);
  return camp;
}

const openConflicts = ({ node }: SimulatedNode, { dataset }: Camp): string[] =>
  node.conflicts(dataset, { open: true }).map(({ path }) => path);

test('rules say for each path how its conflicts end, the first that matches, on every node', async () => {
  const rules: ConflictRule[] = [
    { glob: 'notes/*.txt', policy: 'keep-both' },
    { glob: '**/*.txt', policy: 'latest' },
  ];
  const camp = await apart(501, 'ask', ['notes/a.txt', 'notes/deep/b.txt', 'c.txt', 'd.bin'], ({ nodes, dataset }) =>
    (nodes as Pair)[1].node.setConflictRules(dataset, rules),
  );
  await expectConvergence(camp.world, hour);
  const [a, b] = camp.nodes as Pair;
  for (const node of [a, b]) {
    expect(node.node.dataset('field').conflictRules).toEqual(rules);
    expect(openConflicts(node, camp)).toEqual(['d.bin']);
    expect(await textOnDisk(node, 'notes/deep/b.txt')).toBe('right');
    expect(await textOnDisk(node, 'c.txt')).toBe('right');
    expect([...node.node.files(camp.dataset)].filter(({ path }) => path.startsWith('notes/a.conflict-'))).toHaveLength(1);
  }
  // Rules that are set while a conflict stands end it.
  a.node.setConflictRules(camp.dataset, [{ glob: 'd.bin', policy: 'latest' }]);
  await expectFile(camp.world, a, 'd.bin', 'right');
  await expectConvergence(camp.world, hour);
  expect(openConflicts(b, camp)).toEqual([]);
  expect(() => a.node.setConflictRules(camp.dataset, [{ glob: '', policy: 'latest' }])).toThrow(
    expect.objectContaining({ code: 'CONFLICT_RULES_INVALID' }),
  );
});

test('a function ends conflicts from both sides and what they grew from, and two nodes with the same one agree', async () => {
  const seen: unknown[] = [];
  const camp = await apart(502, 'ask', ['a.bin', 'dir/b.bin'], ({ nodes, dataset }) => {
    for (const { node } of nodes)
      node.resolveConflictsWith(dataset, '*.bin', async ({ path, base, sides }) => {
        const texts = await Promise.all([base, ...sides].map(async (side) => new TextDecoder().decode(await side?.bytes())));
        seen.push([path, texts[0], texts.slice(1).sort()]);
        return { bytes: utf8(texts.sort().join('+')) };
      });
  });
  await expectConvergence(camp.world, hour);
  for (const node of camp.nodes) {
    expect(await textOnDisk(node, 'a.bin')).toBe('base+left+right');
    expect(openConflicts(node, camp)).toEqual(['dir/b.bin']);
  }
  // Whoever ended it knows how; the other node saw a revision that replaced both sides.
  const endings = camp.nodes.flatMap(({ node }) => node.conflicts(camp.dataset).filter(({ path }) => path === 'a.bin'));
  expect(endings.map(({ resolution }) => resolution)).toContain('function');
  expect(seen[0]).toEqual(['a.bin', 'base', ['left', 'right']]);
});

test('a function may keep one side or leave it to a policy, and one node may have it while the others ask', async () => {
  const camp = await apart(503, 'ask', ['a.bin', 'b.bin', 'c.bin', 'd.bin'], ({ nodes, dataset }) => {
    const [a] = nodes as Pair;
    // One that was taken back decides nothing.
    const stop = a.node.resolveConflictsWith(dataset, '**', () => ({ bytes: utf8('taken back') }));
    a.node.resolveConflictsWith(dataset, '**', ({ path, sides }) => {
      if (path === 'a.bin') return { keep: sides.find(({ revision }) => revision.author === a.node.id)!.revision };
      if (path === 'b.bin') return { policy: 'latest' };
      if (path === 'c.bin') return { keep: { author: a.node.id, sequence: 999 } };
      throw new Error('no idea');
    });
    stop();
  });
  const [a, b] = camp.nodes as Pair;
  expect([await textOnDisk(b, 'a.bin'), await textOnDisk(b, 'b.bin')]).toEqual(['left', 'right']);
  expect(openConflicts(b, camp)).toEqual(['c.bin', 'd.bin']);
  const details = a.node.conflicts(camp.dataset, { open: true }).map(({ detail }) => detail);
  expect(details).toEqual([expect.stringContaining('no side'), expect.stringContaining('no idea')]);
});

test('functions that answer differently end in one conflict for a person, and not in a quarrel', async () => {
  const camp = await apart(504, 'ask', ['a.bin'], ({ nodes, dataset }) => {
    // Each decides before it hears of the other's decision.
    let asked = 0;
    const both = Promise.withResolvers<void>();
    for (const { node, name } of nodes) {
      node.resolveConflictsWith(dataset, '**', async () => {
        if (++asked === 2) both.resolve();
        await both.promise;
        return { bytes: utf8(name) };
      });
    }
  });
  const revisions = (camp.nodes as Pair)[0].node.history(camp.dataset, 'a.bin').length;
  await camp.world.runFor(2 * hour);
  for (const { node } of camp.nodes) {
    expect(node.history(camp.dataset, 'a.bin')).toHaveLength(revisions);
    expect(node.conflicts(camp.dataset, { open: true })).toMatchObject([
      { path: 'a.bin', detail: expect.stringContaining('different ways') },
    ]);
  }
});
