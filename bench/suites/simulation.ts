import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { DatasetId } from '../../src/core/identifiers.ts';
import { runCampaign } from '../../src/simulation/campaign.ts';
import { drawPlan } from '../../src/simulation/campaign-plan.ts';
import { converged, FileWork, SeriesWork, type SimulatedNode, World } from '../../src/simulation/index.ts';
import { atLeast, atMost, type BenchResult, figure } from '../result.ts';

/**
 * How fast virtual time passes. In processor time, of which a world uses one core: other work on the machine would make wall time say nothing. Only of the region the time on the wall counts, on a machine that is otherwise quiet.
 *
 * A camp: twenty computers in a tree of three to four hops, links of a radio with some loss. Six stations measure every ten minutes and are read every half an hour; somebody somewhere saves and publishes a file
 * of up to 20 kB every twenty minutes. Joining is not part of it.
 *
 * A region: a thousand computers in forty teams of twenty-five, each team a tree. For a day each link is up for ten minutes every two to six hours, which its ends do not know beforehand, and every team reads a
 * station and publishes a file each hour. Teams never meet, so the region is always the same two worlds of twenty teams, each in a process of its own, side by side; their memory is theirs, and joining is part of it.
 */

const minute = 60_000;
const hour = 60 * minute;
const radio = { delayMs: 40, rateBytesPerSecond: 31_250, queueBytes: 32_000, lossRatio: 0.01 };

interface Camp {
  readonly nodes: readonly SimulatedNode[];
  readonly files: FileWork;
  readonly series: SeriesWork;
}

/** A team in which every computer was invited by one of those before it, `fanOut` by each. */
async function found(world: World, prefix: string, size: number, fanOut: number): Promise<Camp> {
  const nodes: SimulatedNode[] = [];
  for (let index = 0; index < size; index++) nodes.push(await world.add(`${prefix}${index}`));
  const [first] = nodes as [SimulatedNode];
  first.node.createTeam(prefix);
  const files: DatasetId = first.node.createDataset({ name: 'field', kind: 'files' });
  const series: DatasetId = first.node.createDataset({ name: 'met', kind: 'series' });
  for (const [index, node] of nodes.entries()) {
    await world.finish(node.node.listen(`udp://${node.name}:7077`, { keep: true }));
    const parent = nodes[Math.floor((index - 1) / fanOut)];
    if (parent !== undefined) {
      world.link(parent.name, node.name, radio);
      await world.finish(node.node.join(parent.node.createInvite({ role: 'coordinator' })));
      await world.until(() => node.node.datasets().length === 2, hour);
    }
    node.directory('field');
    node.node.attach(files, 'field');
  }
  return { nodes, files: new FileWork(files, 'field', world.random.fork()), series: new SeriesWork(series) };
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

async function campDay(): Promise<BenchResult[]> {
  const world = new World({ seed: 1 });
  const { nodes, files, series } = await found(world, 'camp', 20, 3);
  const [beganAtMs, beganCpuMs] = [world.nowMs, cpuMs()];
  const pick = (): SimulatedNode => nodes[world.random.below(nodes.length)] as SimulatedNode;
  for (let slot = 0; slot < 72; slot++) {
    const writer = pick();
    await files.edit(writer, 20, 20_000);
    await world.finish(files.publish(writer));
    for (let station = slot % 3; station < 6 && slot % 3 !== 2; station += 2) {
      series.measure(`station-${station}`, 3);
      await world.finish(series.bring(`station-${station}`, nodes[19 - station] as SimulatedNode));
    }
    await world.runFor(20 * minute);
  }
  const [virtualMs, spentMs] = [world.nowMs - beganAtMs, cpuMs() - beganCpuMs];
  return [
    atLeast('a camp of 20, a day of mixed work: virtual time by processor time', virtualMs / spentMs, '×', 500),
    figure('  the same in the end', converged(nodes) ? 1 : 0, ''),
  ];
}

const teamsPerWorld = 20;

/** What came of one of the two worlds of the region. */
interface RegionHalf {
  readonly cpuMs: number;
  readonly joinedMs: number;
  readonly bytes: number;
  readonly entries: number;
}

async function regionDay(seed: number): Promise<RegionHalf> {
  const world = new World({ seed });
  const teams: Camp[] = [];
  for (let team = 0; team < teamsPerWorld; team++) teams.push(await found(world, `t${team}n`, 25, 3));
  const joinedMs = cpuMs();
  const beganAtMs = world.nowMs;
  for (const link of world.links) {
    const meetings = [];
    for (let at = beganAtMs + world.random.below(4 * hour); at < beganAtMs + 24 * hour; at += 2 * hour + world.random.below(4 * hour))
      meetings.push({ fromMs: at, untilMs: at + 10 * minute });
    link.schedule(meetings);
  }
  for (let slot = 0; slot < 24; slot++) {
    for (const { nodes, files, series } of teams) {
      const node = nodes[world.random.below(nodes.length)] as SimulatedNode;
      series.measure(`station-${node.name}`, 6);
      await world.finish(series.bring(`station-${node.name}`, node));
      await files.edit(node, 10, 5000);
      await world.finish(files.publish(node));
    }
    await world.runUntil(beganAtMs + (slot + 1) * hour);
  }
  const entries = teams
    .flatMap(({ nodes }) => nodes)
    .reduce((sum, { events }) => sum + events.filter(({ type }) => type === 'entries').length, 0);
  return { cpuMs: cpuMs(), joinedMs, bytes: process.resourceUsage().maxRSS * 1024, entries };
}

async function region(): Promise<BenchResult[]> {
  const began = performance.now();
  const run = promisify(execFile);
  const halves = await Promise.all(
    ['2', '3'].map(async (seed) => {
      const { stdout } = await run(process.execPath, [fileURLToPath(import.meta.url), 'region', seed], { maxBuffer: 1 << 24 });
      return JSON.parse(stdout) as RegionHalf;
    }),
  );
  const wallMs = performance.now() - began;
  const sum = (of: keyof RegionHalf): number => halves.reduce((total, half) => total + half[of], 0);
  return [
    atMost('a region of 1,000, a day of sparse contacts: on the wall, by two processes', wallMs / minute, 'min', 10),
    figure('  processor time', sum('cpuMs') / minute, 'min'),
    figure('  of which joining', sum('joinedMs') / minute, 'min'),
    figure('  deliveries', sum('entries'), ''),
    atMost('  memory of both', sum('bytes') / 1e9, 'GB', 4),
  ];
}

async function seeds(): Promise<BenchResult[]> {
  const count = 30;
  const began = cpuMs();
  for (let seed = 1; seed <= count; seed++) await runCampaign(drawPlan(seed));
  const each = (cpuMs() - began) / count;
  return [figure('a seed of the fault campaign', each, 'ms'), atMost('300 seeds on two processors', (300 * each) / 2 / minute, 'min', 5)];
}

/** Virtual time by real time, for a camp and for a region, and what a seed of the campaign costs. */
export async function run(): Promise<BenchResult[]> {
  return [...(await campDay()), ...(await seeds()), ...(await region())];
}

if (process.argv[1] === fileURLToPath(import.meta.url) && process.argv[2] === 'region')
  console.log(JSON.stringify(await regionDay(Number(process.argv[3]))));
