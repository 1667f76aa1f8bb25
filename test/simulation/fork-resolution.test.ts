import { describe, expect, test } from 'vitest';
import { utf8 } from '../../src/core/bytes.ts';
import type { DatasetId } from '../../src/core/identifiers.ts';
import { differences, forkedLogs, wrongHeads } from '../../src/simulation/checkers.ts';
import type { SimulatedNode } from '../../src/simulation/simulated-node.ts';
import { World } from '../../src/simulation/world.ts';

/** A team whose members all know a hub, the first of them, each over a link of its own. */
class Team {
  readonly world = new World({ seed: 1 });
  dataset: DatasetId = '' as DatasetId;

  static async of(hub: string, ...others: readonly string[]): Promise<Team> {
    const team = new Team();
    const founder = await team.world.add(hub);
    founder.node.createTeam('Storbreen');
    team.dataset = founder.node.createDataset({ name: 'field', kind: 'files', conflictPolicy: 'ask' });
    await team.world.finish(founder.node.listen(`udp://${hub}:7077`, { keep: true }));
    team.keepDirectory(founder);
    for (const name of others) {
      const node = await team.invite(name);
      founder.node.addContact(node.node.id, [`udp://${name}:7077`]);
    }
    await team.meet();
    return team;
  }

  /** One more joins over a link to the hub, which does not note where it is. */
  async invite(name: string): Promise<SimulatedNode> {
    const { world } = this;
    const [hub] = world.nodes as [SimulatedNode];
    const node = await world.add(name);
    world.link(hub.name, name, { delayMs: 20, rateBytesPerSecond: 100_000 });
    await world.finish(node.node.listen(`udp://${name}:7077`, { keep: true }));
    await world.finish(node.node.join(hub.node.createInvite({ role: 'coordinator' })));
    await world.until(() => node.node.datasets().length > 0, 60_000);
    node.node.addContact(hub.node.id, [`udp://${hub.name}:7077`]);
    this.keepDirectory(node);
    return node;
  }

  keepDirectory(node: SimulatedNode): void {
    node.directory('field');
    node.node.attach(this.dataset, 'field');
  }

  get nodes(): readonly SimulatedNode[] {
    return this.world.nodes;
  }

  node(name: string): SimulatedNode {
    return this.world.node(name);
  }

  /** Somebody saves a file, and it is published. */
  async save(name: string, path: string, text = `${path} by ${name}`): Promise<void> {
    this.node(name).directory('field').put(path, utf8(text));
    await this.world.finish(this.node(name).node.scan(this.dataset, { settleMs: 0 }));
  }

  /** Links of these computers work from now on, and of no others; time passes until everything is said. */
  async meet(...names: readonly string[]): Promise<void> {
    for (const link of this.world.links) {
      if (names.length === 0 || link.ends.every((end) => names.includes(end))) link.heal();
      else link.cut();
    }
    for (const { node } of this.nodes) node.hint();
    await this.world.runFor(120_000);
  }

  /** Everybody is alone. */
  async part(): Promise<void> {
    await this.meet('nobody');
  }

  /** A computer is set back to a backup, with nobody in reach. */
  async setBack(name: string, backup: ReturnType<SimulatedNode['backup']>): Promise<void> {
    await this.part();
    const node = this.node(name);
    node.kill();
    node.restore(backup);
    await this.world.finish(node.start());
  }

  /** What is wrong: nodes that differ, logs that are forked still, heads that do not follow from the entries. */
  problems(): string[] {
    const forked = [...forkedLogs(this.nodes)].map(([dataset]) => `a log of ${dataset} is forked`);
    return [...differences(this.nodes), ...forked, ...this.nodes.flatMap(wrongHeads)];
  }

  /** Names and contents of a directory, as its computer shows it. */
  async shown(name: string): Promise<Record<string, string>> {
    const shown: Record<string, string> = {};
    const tree = this.node(name).directory('field');
    for await (const { path, sizeBytes } of tree.walk())
      shown[path] = new TextDecoder().decode(await (await tree.open(path)).read(0, sizeBytes));
    return shown;
  }

  mended(name: string): number[] {
    return this.node(name).events.flatMap((event) => (event.type === 'fork-mended' ? [event.entries] : []));
  }
}

const all = (...paths: readonly string[]): Record<string, string> => Object.fromEntries(paths.map((path) => [path, `${path} by ridge`]));

describe('a computer that was set back to a backup', () => {
  test('takes back what it had written when it meets somebody before it writes, and forks nothing', async () => {
    const team = await Team.of('base', 'ridge');
    const backup = team.node('ridge').backup();
    await team.save('ridge', 'a.txt');
    await team.meet();
    await team.setBack('ridge', backup);
    expect(await team.shown('ridge')).toEqual({});
    await team.meet();
    await team.save('ridge', 'b.txt');
    await team.meet();
    expect(team.problems()).toEqual([]);
    expect(await team.shown('base')).toEqual(all('a.txt', 'b.txt'));
    expect([team.mended('base'), team.mended('ridge')]).toEqual([[], []]);
  });

  test.each([
    ['fewer entries than it had', ['b.txt'], ['a.txt', 'aa.txt', 'aaa.txt']],
    ['as many entries as it had', ['b.txt', 'bb.txt'], ['a.txt', 'aa.txt']],
    ['more entries than it had', ['b.txt', 'bb.txt', 'bbb.txt'], ['a.txt']],
  ])('and writes %s before it meets anybody: everybody has what was on both branches', async (_, fresh, lost) => {
    const team = await Team.of('base', 'ridge');
    await team.save('ridge', 'before.txt');
    await team.meet();
    const backup = team.node('ridge').backup();
    for (const path of lost) await team.save('ridge', path);
    await team.meet();
    await team.setBack('ridge', backup);
    for (const path of fresh) await team.save('ridge', path);
    // Somebody else wrote meanwhile, so that vectors differ anyway.
    await team.save('base', 'base.txt', 'base.txt by ridge');
    await team.meet();
    expect(team.problems()).toEqual([]);
    for (const name of ['base', 'ridge']) expect(await team.shown(name)).toEqual(all('before.txt', 'base.txt', ...fresh, ...lost));
    expect(team.mended('ridge')).toEqual([fresh.length]);
  });

  test('and edits its own files on both branches: what replaced what stays so', async () => {
    const team = await Team.of('base', 'ridge');
    await team.save('ridge', 'a.txt', 'first');
    await team.meet();
    const backup = team.node('ridge').backup();
    await team.save('ridge', 'other.txt');
    await team.meet();
    await team.setBack('ridge', backup);
    await team.save('ridge', 'a.txt', 'second');
    await team.save('ridge', 'a.txt', 'third');
    await team.meet();
    expect(team.problems()).toEqual([]);
    for (const name of ['base', 'ridge']) expect(await team.shown(name)).toEqual({ ...all('other.txt'), 'a.txt': 'third' });
    await team.save('ridge', 'a.txt', 'fourth');
    await team.meet();
    expect(team.problems()).toEqual([]);
    expect(await team.shown('base')).toEqual({ ...all('other.txt'), 'a.txt': 'fourth' });
    expect(team.node('base').node.conflicts(team.dataset, { open: false })).toEqual([]);
  });

  test('and shows its new branch to one who has not got the old one: that one follows when it is mended', async () => {
    const team = await Team.of('base', 'ridge', 'coast');
    const backup = team.node('ridge').backup();
    await team.part();
    await team.save('ridge', 'a.txt');
    await team.meet('base', 'ridge');
    // The hub is set back, too, so that it knows nothing of the lost branch; coast has it.
    await team.meet('base', 'coast');
    expect(await team.shown('coast')).toEqual(all('a.txt'));
    const forgetful = team.node('base');
    await team.setBack('ridge', backup);
    await team.save('ridge', 'b.txt');
    await team.save('ridge', 'bb.txt');
    await team.meet('base', 'ridge');
    expect(forgetful.isRunning).toBe(true);
    await team.meet();
    expect(team.problems()).toEqual([]);
    for (const { name } of team.nodes) expect(await team.shown(name)).toEqual(all('a.txt', 'b.txt', 'bb.txt'));
  });

  test('finds parts of what it had lost with two others, one after the other, and loses neither', async () => {
    const team = await Team.of('base', 'ridge', 'coast', 'hut');
    const backup = team.node('ridge').backup();
    const early = team.node('base').backup();
    await team.save('ridge', 'a.txt');
    await team.meet('base', 'ridge', 'coast');
    await team.save('ridge', 'aa.txt');
    await team.meet('base', 'ridge', 'hut');
    await team.meet('base', 'hut');
    // Of the hub nothing is left: coast has one entry, hut has two.
    await team.setBack('base', early);
    await team.setBack('ridge', backup);
    await team.save('ridge', 'b.txt');
    await team.meet('base', 'coast');
    await team.part();
    await team.meet('base', 'ridge');
    expect(await team.shown('ridge')).toEqual(all('a.txt', 'b.txt'));
    await team.part();
    await team.meet();
    await team.meet();
    expect(team.problems()).toEqual([]);
    for (const { name } of team.nodes) expect(await team.shown(name)).toEqual(all('a.txt', 'aa.txt', 'b.txt'));
  });

  test('mends its log from a part of what it had lost, and is followed by one who has all of it beside its copy', async () => {
    const team = await Team.of('base', 'ridge', 'coast', 'hut');
    const backup = team.node('ridge').backup();
    const early = team.node('base').backup();
    await team.save('ridge', 'a.txt');
    await team.meet('base', 'ridge', 'coast');
    await team.part();
    await team.save('ridge', 'aa.txt');
    await team.meet('base', 'ridge', 'hut');
    const full = team.node('hut').backup();
    // Of the hub nothing is left: coast has one entry, hut has two.
    await team.setBack('base', early);
    await team.setBack('ridge', backup);
    await team.save('ridge', 'b.txt');
    await team.meet('base', 'ridge');
    await team.meet('base', 'hut');
    const mixed = team.node('base').backup();
    // Ridge hears from coast before it hears from the hub, over a hub that forgot everything once more.
    await team.setBack('base', early);
    await team.meet('base', 'coast');
    await team.part();
    await team.meet('base', 'ridge');
    await team.setBack('base', mixed);
    await team.setBack('hut', full);
    await team.meet();
    await team.meet();
    expect(team.problems()).toEqual([]);
    for (const { name } of team.nodes) expect(await team.shown(name)).toEqual(all('a.txt', 'aa.txt', 'b.txt'));
  });

  test('finds what it had lost beside the log that the team has: files on disk are of that log still', async () => {
    const team = await Team.of('base', 'ridge', 'hut');
    await team.save('ridge', 'before.txt');
    await team.meet();
    const backup = team.node('ridge').backup();
    const early = team.node('base').backup();
    await team.save('ridge', 'a.txt', 'lost');
    await team.meet();
    await team.setBack('base', early);
    await team.setBack('ridge', backup);
    await team.save('ridge', 'a.txt', 'new');
    for (const other of ['ridge', 'hut', 'ridge']) {
      await team.meet('base', other);
      await team.part();
    }
    expect(team.mended('ridge')).toEqual([1]);
    await team.save('ridge', 'a.txt', 'newer');
    await team.meet();
    expect(team.problems()).toEqual([]);
    // The third entry says the lost one anew, and nobody has replaced that.
    const { node } = team.node('ridge');
    expect(node.conflicts(team.dataset, { open: true }).map(({ heads }) => heads)).toEqual([[`${node.id}/3`, `${node.id}/5`]]);
  });

  test('twice, and writes each time: everybody has what was on all three branches', async () => {
    const team = await Team.of('base', 'ridge');
    const backup = team.node('ridge').backup();
    await team.save('ridge', 'a.txt');
    for (const path of ['b.txt', 'c.txt']) {
      await team.meet();
      await team.setBack('ridge', backup);
      await team.save('ridge', path);
    }
    await team.meet();
    expect(team.problems()).toEqual([]);
    for (const name of ['base', 'ridge']) expect(await team.shown(name)).toEqual(all('a.txt', 'b.txt', 'c.txt'));
  });

  test('older than it knew of somebody, who has nothing to say, hears from them after a hint', async () => {
    const team = await Team.of('base');
    const ridge = await team.world.add('ridge');
    const link = team.world.link('base', 'ridge', { delayMs: 20, rateBytesPerSecond: 100_000 });
    const base = team.node('base');
    await team.world.finish(ridge.node.join(base.node.createInvite({ role: 'coordinator' })));
    await team.world.until(() => ridge.node.datasets().length > 0, 60_000);
    team.keepDirectory(ridge);
    const backup = ridge.backup();
    await team.world.finish(ridge.node.listen('udp://ridge:7077', { keep: true }));
    base.node.addContact(ridge.node.id, ['udp://ridge:7077']);
    await team.save('base', 'a.txt');
    await team.world.runFor(120_000);
    ridge.kill();
    ridge.restore(backup);
    ridge.catalog.run('DELETE FROM contact');
    await team.world.finish(ridge.start());
    await team.world.finish(ridge.node.listen('udp://ridge:7077'));
    expect(link.isUp).toBe(true);
    await team.world.runFor(600_000);
    expect(await team.shown('ridge')).toEqual({});
    base.node.hint();
    await team.world.runFor(120_000);
    expect(team.problems()).toEqual([]);
    expect(Object.keys(await team.shown('ridge'))).toEqual(['a.txt']);
  });
});
