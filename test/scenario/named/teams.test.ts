import { expect, test } from 'vitest';
import { linkPresets } from '../../../src/simulation/presets.ts';
import { chain, expectConvergence, expectFile, hour, minute, publish, type Trio, textOnDisk } from '../camp.ts';

test('concurrent updates by several field teams: three teams write into one dataset for days, each alone, and all of it is everywhere', async () => {
  const camp = await chain(831, ['north', 'south', 'base']);
  const [north, south, base] = camp.nodes as Trio;
  await publish(camp, north, 'sites.csv', 'id,depth_m\n1,0.4\n2,0.7\n3,1.1\n');
  for (const node of camp.nodes) await expectFile(camp.world, node, 'sites.csv', 'id,depth_m\n1,0.4\n2,0.7\n3,1.1\n');
  const { up } = linkPresets['radio-modem-vhf'];
  for (const link of camp.world.links) {
    link.change(up);
    link.cut();
  }
  for (let day = 1; day <= 3; day++)
    for (const node of camp.nodes) {
      await publish(camp, node, `${node.name}/day-${day}.txt`, `what ${node.name} saw on day ${day}`);
      await camp.world.runFor(minute);
    }
  await publish(camp, north, 'sites.csv', 'id,depth_m\n1,0.5\n2,0.7\n3,1.1\n');
  await publish(camp, south, 'sites.csv', 'id,depth_m\n1,0.4\n2,0.7\n3,1.2\n');
  await publish(camp, base, 'sites.csv', 'id,depth_m\n1,0.4\n2,0.7\n3,1.1\n4,0.2\n');
  camp.world.healAll();
  await expectConvergence(camp.world, 2 * hour);
  for (const node of camp.nodes) {
    await expectFile(camp.world, node, 'sites.csv', 'id,depth_m\n1,0.5\n2,0.7\n3,1.2\n4,0.2\n');
    expect([...node.node.files(camp.dataset)]).toHaveLength(10);
    expect(await textOnDisk(node, 'south/day-2.txt')).toBe('what south saw on day 2');
    expect(node.node.conflicts(camp.dataset, { open: true })).toEqual([]);
  }
});

test('conflicting edits of the same region: nothing is decided by chance, both texts stay, and what a person decides stands everywhere', async () => {
  const camp = await chain(832, ['north', 'base', 'south']);
  const [north, base, south] = camp.nodes as Trio;
  const table = (depth: string): string => `id,depth_m\n1,0.4\n2,${depth}\n3,1.1\n`;
  await publish(camp, north, 'pits.csv', table('0.7'));
  for (const node of camp.nodes) await expectFile(camp.world, node, 'pits.csv', table('0.7'));
  for (const link of camp.world.links) link.cut();
  await publish(camp, north, 'pits.csv', table('0.8'));
  await publish(camp, south, 'pits.csv', table('0.9'));
  await camp.world.runFor(minute);
  camp.world.healAll();
  await expectConvergence(camp.world, hour);
  expect([await textOnDisk(north, 'pits.csv'), await textOnDisk(south, 'pits.csv')]).toEqual([table('0.8'), table('0.9')]);
  const [open] = base.node.conflicts(camp.dataset, { open: true });
  expect(open?.heads).toHaveLength(2);
  const kept = base.node.history(camp.dataset, 'pits.csv').find(({ head, author }) => head && author === south.node.id);
  base.node.resolveConflict(camp.dataset, 'pits.csv', kept as NonNullable<typeof kept>);
  for (const node of camp.nodes) await expectFile(camp.world, node, 'pits.csv', table('0.9'));
  expect(north.node.history(camp.dataset, 'pits.csv').some(({ author, sequence }) => author === north.node.id && sequence === 2)).toBe(
    true,
  );
});
