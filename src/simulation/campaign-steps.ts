import { GodwitError } from '../core/errors.ts';
import { seededRandom } from '../core/random.ts';
import { type CampaignPlan, type Deed, linkName, type PlannedNode, type PlannedStep } from './campaign-plan.ts';
import type { LoggerVisits } from './logger-visits.ts';
import type { Marks, Situation } from './marks.ts';
import { type Conduct, honest } from './misbehaviour.ts';
import type { SeriesWork } from './series-work.ts';
import type { SimulatedLink } from './simulated-link.ts';
import type { ComputerBackup, SimulatedNode } from './simulated-node.ts';
import { UsbStick } from './usb-stick.ts';
import type { FileWork } from './workload.ts';
import type { World } from './world.ts';

/**
 * Doing what a plan says, in a world: one function for each kind of deed. A deed that makes no sense at the moment (to edit on a computer that is off, say) is left out, so that a plan stays valid
 * whatever is taken from it.
 */

/** The world of a run, and what has become of its computers. */
export interface CampaignScene {
  readonly plan: CampaignPlan;
  readonly world: World;
  readonly files: FileWork;
  readonly series: SeriesWork;
  readonly logger: LoggerVisits;
  readonly marks: Marks;
  readonly conductByName: ReadonlyMap<string, Conduct>;
  /** Gone for ever. */
  readonly gone: Set<string>;
  /** Set back to an old backup: these have broken promises through no fault of their own. */
  readonly restored: Set<string>;
  /** Have lied. */
  readonly rogues: Set<string>;
  readonly backupByName: Map<string, ComputerBackup>;
  /** A stored chunk has rotted somewhere: then a content may be lost for good. */
  hasDamage: boolean;
  /** Gets a computer into the team and has it take up its work. */
  readonly join: (node: PlannedNode, patienceMs: number) => Promise<boolean>;
}

/** How long people wait for a computer to answer. */
const patienceMs = 60_000;
const yearMs = 365 * 24 * 3_600_000;

/** Where sticks are plugged in. */
const stickDirectory = '/media/stick';

/** The directory that is kept in step. */
export const campaignDirectory = 'field';

/** The link that a plan names. */
export function plannedLink({ plan, world }: CampaignScene, name: string): SimulatedLink {
  const found = plan.links.find((link) => linkName(link) === name);
  if (found === undefined) throw new RangeError(`the plan has no link ${name}`);
  return world.linkBetween(found.a, found.b, found.medium);
}

/** Waits for something a node was asked for, until it answers, loses its power or takes too long. An error with a code is an answer; any other is a mistake of the program and goes on. */
export async function attempt(
  { world }: CampaignScene,
  node: SimulatedNode,
  work: Promise<unknown>,
): Promise<GodwitError | 'done' | 'no answer'> {
  let answer: unknown = 'no answer';
  work.then(
    () => (answer = 'done'),
    (error: unknown) => (answer = error),
  );
  await world.until(() => answer !== 'no answer' || !node.isRunning, patienceMs);
  if (answer === 'done' || answer === 'no answer' || answer instanceof GodwitError) return answer;
  throw answer;
}

type Performers = { readonly [K in Deed['do']]: (scene: CampaignScene, deed: Extract<Deed, { do: K }>) => Promise<void> | void };

const performers: Performers = {
  edit: async (scene, deed) => {
    const node = worker(scene, deed.node);
    if (node === undefined) return;
    await attempt(scene, node, scene.files.edit(node, scene.plan.fileCount, scene.plan.bytesMax, seededRandom(deed.seed)));
    await publish(scene, node, 'a file was published');
  },
  rearrange: async (scene, deed) => {
    const node = worker(scene, deed.node);
    if (node === undefined) return;
    await attempt(scene, node, scene.files.rearrange(node, scene.plan.fileCount, seededRandom(deed.seed)));
    await publish(scene, node, 'a file was removed or copied');
  },
  'bring rows': async (scene, { node: name, station, rows, cutBytes }) => {
    const { series, marks } = scene;
    const node = worker(scene, name);
    if (node === undefined) return;
    const before = series.acknowledged;
    series.measure(station, rows);
    const answer = await attempt(scene, node, series.bring(station, node, cutBytes));
    if (answer !== 'done') return;
    marks.sometimes('logger rows were stored', series.acknowledged > before);
    marks.sometimes('logger rows were read again', series.acknowledged === before && before > 0);
    marks.sometimes('a half-written row was left pending', cutBytes > 0);
  },
  'read logger': async (scene, { node: name, records }) => {
    const { logger, marks } = scene;
    const node = worker(scene, name);
    if (node === undefined) return;
    const before = logger.acknowledged;
    await attempt(scene, node, logger.read(node, records));
    marks.sometimes('a logger was read over its own protocol', logger.acknowledged > before);
  },
  carry: async (scene, { node: name, peer, stepsLeft }) => {
    const from = worker(scene, name);
    if (from === undefined) return;
    const stick = new UsbStick();
    stick.stepsLeft = stepsLeft ?? Number.POSITIVE_INFINITY;
    from.sticks.set(stickDirectory, stick);
    await attempt(scene, from, from.node.bundles.export(stickDirectory));
    from.sticks.delete(stickDirectory);
    stick.plugAgain();
    const to = worker(scene, peer);
    if (to === undefined || to === from) return;
    to.sticks.set(stickDirectory, stick);
    const answer = await attempt(scene, to, to.node.bundles.import(stickDirectory));
    to.sticks.delete(stickDirectory);
    scene.marks.sometimes('a bundle was carried on a stick', answer === 'done' && stick.bytesRead > 0);
  },
  'open circuit': async (scene, { node: name, peer }) => {
    const [node, other] = [worker(scene, name), worker(scene, peer)];
    if (node === undefined || other === undefined || node === other) return;
    const open = async (): Promise<void> => node.node.mesh.openCircuit(other.node.id);
    await attempt(scene, node, open());
  },
  join: async (scene, { node: name }) => {
    const planned = scene.plan.nodes.find((node) => node.name === name);
    if (planned === undefined || !planned.isLate || scene.gone.has(name)) return;
    const hasJoined = await scene.join(planned, 10 * patienceMs);
    scene.marks.sometimes('a computer joined amid faults', hasJoined);
  },
  cut: (scene, { link: name, oneWay }) => {
    const link = plannedLink(scene, name);
    link.cut(oneWay ? link.ends[0] : undefined);
    scene.marks.sometimes('a link worked one way only', oneWay);
  },
  heal: (scene, { link }) => plannedLink(scene, link).heal(),
  flap: (scene, { link, upMs, downMs, times }) => {
    const { nowMs } = scene.world;
    const windows = Array.from({ length: times }, (_, index) => {
      const fromMs = nowMs + index * (upMs + downMs);
      return { fromMs, untilMs: fromMs + upMs };
    });
    plannedLink(scene, link).schedule(windows);
    scene.marks.sometimes('a link flapped', times > 1);
  },
  divide: (scene, { nodes }) => {
    scene.world.partition(nodes);
    scene.marks.sometimes(
      'the network was divided',
      scene.world.links.some((link) => !link.isUp),
    );
  },
  unite: ({ world }) => world.healAll(),
  weather: (scene, { link, model }) => plannedLink(scene, link).change(model),
  readdress: (scene, { node }) => {
    scene.world.changeAddress(node);
    scene.marks.sometimes('an address changed');
  },
  kill: ({ world }, { node }) => world.node(node).kill(),
  'kill at packet': ({ world }, { node, count }) => world.node(node).killAtPacket(count),
  'kill at write': ({ world }, { node, count }) => world.node(node).killAtWrite(count),
  stop: async (scene, { node: name }) => {
    const node = running(scene, name);
    if (node !== undefined) await attempt(scene, node, node.stop());
  },
  start: async (scene, { node: name }) => {
    const node = scene.world.node(name);
    if (node.isRunning && hasStopped(node)) node.kill();
    if (!node.isBusy && !scene.gone.has(name)) await attempt(scene, node, node.start());
  },
  disk: (scene, { node: name, freeBytes, readErrorRatio, syncMs, catalogIsFull }) => {
    const { world, marks } = scene;
    const node = world.node(name);
    if (freeBytes !== undefined) node.disk.freeBytes = freeBytes;
    if (readErrorRatio !== undefined) node.disk.readErrorRatio = readErrorRatio;
    if (syncMs !== undefined) node.syncMs = syncMs;
    if (catalogIsFull !== undefined) node.catalogFaults.isFull = catalogIsFull;
    marks.sometimes('a computer was slow to write', (syncMs ?? 0) >= 20_000);
    marks.sometimes('a disk could not read', (readErrorRatio ?? 0) > 0);
    marks.sometimes('a catalog could not be written', catalogIsFull === true && node.isRunning);
  },
  rot: (scene, { node }) => {
    const hasDamageted = scene.world.node(node).rotChunk();
    scene.hasDamage ||= hasDamageted;
    scene.marks.sometimes('a stored chunk rotted', hasDamageted);
  },
  clock: ({ world, marks }, { node, offsetMs, driftMsPerSecond }) => {
    const { clock } = world.node(node);
    clock.offsetMs = offsetMs;
    clock.driftMsPerSecond = driftMsPerSecond;
    marks.sometimes('a clock was wrong by years', Math.abs(offsetMs) > yearMs);
    marks.sometimes('a clock drifted', driftMsPerSecond !== 0);
  },
  leave: (scene, { node }) => {
    // Somebody must stay, and who stays must know each other: a founder who leaves takes nothing with them but their computer.
    const staying = scene.plan.nodes.filter(({ name, isLate, isCarrier }) => !isLate && isCarrier !== true && !scene.gone.has(name));
    if (staying.length < 3 || scene.plan.nodes.some(({ name, isLate }) => name === node && isLate)) return;
    const left = scene.world.nodes.filter((each) => each.isRunning && each.name !== node && each.node.team !== undefined);
    const knows = (one: SimulatedNode, other: SimulatedNode) => one.node.members().some((member) => member.node === other.node.id);
    if (left.some((one) => left.some((other) => !knows(one, other)))) return;
    scene.world.node(node).kill();
    scene.gone.add(node);
    scene.marks.sometimes('a computer left for ever');
  },
  'back up': (scene, { node }) => {
    if (worker(scene, node) !== undefined) scene.backupByName.set(node, scene.world.node(node).backup());
  },
  restore: async (scene, { node: wanted, seed }) => {
    // Whoever was backed up first will do where this one never was.
    const [name = wanted] = scene.backupByName.has(wanted) ? [wanted] : scene.backupByName.keys();
    const backup = scene.backupByName.get(name);
    const node = scene.world.node(name);
    if (backup === undefined || scene.gone.has(name)) return;
    // Its last work before it broke, which others may have got.
    if (seed !== undefined) await performers.edit(scene, { do: 'edit', node: name, seed: seed ^ 1 });
    if (seed !== undefined) await scene.world.runFor(patienceMs);
    node.kill();
    node.restore(backup);
    scene.files.forgive(node);
    scene.restored.add(name);
    scene.marks.sometimes('a computer came back from a backup');
    const { links } = scene.world;
    const wereUp = links.filter(({ ends, isUp }) => isUp && ends.includes(name));
    if (seed !== undefined) for (const link of wereUp) link.cut();
    await attempt(scene, node, node.start());
    if (seed === undefined) return;
    await performers.edit(scene, { do: 'edit', node: name, seed });
    for (const link of wereUp) link.heal();
  },
  misbehave: (scene, { node, how }) => {
    const conduct = scene.conductByName.get(node) ?? honest();
    if (how === 'replay') conduct.replays = true;
    else if (how === 'flood') conduct.floods = true;
    else {
      conduct.claimsEntries = 3;
      scene.rogues.add(node);
    }
    scene.marks.sometimes('a member lied, flooded or replayed');
  },
  upgrade: async (scene, { node: name, version }) => {
    const conduct = scene.conductByName.get(name);
    const node = running(scene, name);
    if (conduct === undefined || node === undefined) return;
    node.kill();
    conduct.version = version;
    scene.marks.sometimes('two versions met');
    await attempt(scene, node, node.start());
  },
};

/** Does what a step says. */
export async function perform(scene: CampaignScene, step: PlannedStep): Promise<void> {
  const performer = performers[step.do] as (scene: CampaignScene, deed: Deed) => Promise<void> | void;
  await performer(scene, step);
}

/** True when a node reported that it cannot go on with its storage, and has not been started since. */
export function hasStopped(node: SimulatedNode): boolean {
  return node.isRunning && node.eventsOfRun.some(({ type }) => type === 'stopped');
}

async function publish(scene: CampaignScene, node: SimulatedNode, situation: Situation): Promise<void> {
  if (!node.isRunning) return;
  const before = scene.files.acknowledged;
  const answer = await attempt(scene, node, scene.files.publish(node));
  scene.marks.sometimes(situation, scene.files.acknowledged > before);
  scene.marks.sometimes('a disk was full', answer instanceof GodwitError && answer.code === 'DISK_FULL');
}

function running({ world, gone }: CampaignScene, name: string): SimulatedNode | undefined {
  const node = world.node(name);
  return node.isRunning && !gone.has(name) ? node : undefined;
}

/** A computer that runs, is in the team and keeps the directory. */
function worker(scene: CampaignScene, name: string): SimulatedNode | undefined {
  const node = running(scene, name);
  return node !== undefined && !hasStopped(node) && node.hasDirectory(campaignDirectory) ? node : undefined;
}
