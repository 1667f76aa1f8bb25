import { GodwitError } from '../core/errors.ts';
import type { DatasetId, NodeId } from '../core/identifiers.ts';
import type { Random } from '../core/random.ts';
import type { Role } from '../node/membership.ts';
import type { Platform } from '../node/platform.ts';
import { protocolVersion } from '../session/packets.ts';
import { type CampaignPlan, calmLink, type PlannedNode } from './campaign-plan.ts';
import { attempt, type CampaignScene, campaignDirectory, hasStopped, perform } from './campaign-steps.ts';
import {
  brokenPromises,
  differences,
  doubleDeliveries,
  type ForkedLogs,
  lastingForks,
  unfetched,
  unmendedForks,
  unnoticedForks,
  wrongHeads,
} from './checkers.ts';
import { keptCopies, unfinishedDeliveries } from './freed-copies.ts';
import { LoggerVisits } from './logger-visits.ts';
import { Marks, type Situation } from './marks.ts';
import { type Conduct, honest, misbehaving } from './misbehaviour.ts';
import { SeriesWork } from './series-work.ts';
import type { SimulatedNode } from './simulated-node.ts';
import { FileWork } from './workload.ts';
import { World } from './world.ts';

/**
 * One run of the fault campaign: a team is founded, the plan's faults happen while people work, everything heals, and within bounded virtual time all must hold the same.
 *
 * What is demanded: at every step that no head was dropped and no receipt promises what is not held; in the end that nothing acknowledged is lost, that what is on disk is what the dataset says, that every
 * logger row is there once, that nothing was delivered twice, that forked logs are one again, or, where their author is gone, were noticed, that a network with nothing to do is silent, and that receipts have freed every copy.
 */

/** What came of a run. */
export interface Verdict {
  readonly plan: CampaignPlan;
  /** What was wrong, in sentences; none when all is well. */
  readonly problems: readonly string[];
  readonly marks: ReadonlySet<Situation>;
  /** Of the whole run: two runs of one plan have the same. */
  readonly digest: string;
  readonly virtualMs: number;
  /** What happened, a line for each thing, without packets. */
  readonly timeline: readonly string[];
}

/** How a run may differ from the ordinary. */
export interface CampaignOptions {
  /** Put between every node and its platform: to plant a bug and see it found. */
  readonly tamper?: (platform: Platform, name: string, random: Random) => Platform;
}

const second = 1000;
const minute = 60 * second;
/** After everything has healed, all must hold the same within this. */
const convergenceMs = 3 * 60 * minute;
/** How long a network with nothing to do may take to fall silent, and how long it is listened to then. */
const settlingMs = 20 * minute;
const silenceMs = 20 * minute;
/** Asking begins after a minute and doubles its pauses (`node/idle-asking.ts`). */
const asksWithinSilence = 4;
const problemsMax = 8;

/** Carries out a plan. What goes wrong is in the verdict; it does not throw. */
export async function runCampaign(plan: CampaignPlan, options: CampaignOptions = {}): Promise<Verdict> {
  const run = new CampaignRun(plan, options);
  let problems: readonly string[];
  try {
    problems = await run.findProblems();
  } catch (error) {
    problems = [error instanceof Error ? `${error.name}: ${error.message.split('\n')[0]} ${placeOf(error)}` : String(error)];
  }
  return run.verdict(problems.slice(0, problemsMax));
}

class CampaignRun {
  readonly #plan: CampaignPlan;
  readonly #options: CampaignOptions;
  readonly #world: World;
  readonly #marks = new Marks();
  readonly #conductByName = new Map<string, Conduct>();
  readonly #timeline: string[] = [];
  readonly #carriers = new Set<NodeId>();
  #scene: CampaignScene | undefined;
  #files: DatasetId | undefined;

  constructor(plan: CampaignPlan, options: CampaignOptions) {
    this.#plan = plan;
    this.#options = options;
    this.#world = new World({ seed: plan.seed });
  }

  async findProblems(): Promise<readonly string[]> {
    const scene = await this.#build();
    for (const step of this.#plan.steps) {
      this.#note(describe(step));
      await perform(scene, step);
      await this.#world.runFor(step.thenMs);
      this.#markWhatHappened();
      const problems = this.#problemsAnyTime(scene);
      if (problems.length > 0) return problems.map((problem) => `behind step ${step.number}: ${problem}`);
    }
    this.#note('everything heals');
    await this.#heal(scene);
    const problems = await this.#converge(scene);
    this.#markWhatHappened();
    return problems.length > 0 ? problems : this.#problemsInTheEnd(scene);
  }

  verdict(problems: readonly string[]): Verdict {
    const { trace, nowMs } = this.#world;
    return {
      plan: this.#plan,
      problems,
      marks: this.#marks.seen,
      timeline: this.#timeline,
      digest: trace.digest(),
      virtualMs: nowMs,
    };
  }

  // Phases

  /** The team as it is before anything goes wrong. */
  async #build(): Promise<CampaignScene> {
    const world = this.#world;
    const { nodes, links, conflictPolicy } = this.#plan;
    for (const planned of nodes) await this.#add(planned);
    for (const { a, b, medium } of links) world.link(a, b, calmLink, calmLink, medium);
    this.#marks.sometimes(
      'two computers had two links',
      links.some(({ medium }) => medium !== ''),
    );
    const [founder] = world.nodes as [SimulatedNode];
    founder.node.createTeam('Storbreen');
    this.#files = founder.node.createDataset({ name: 'field', kind: 'files', conflictPolicy });
    const series = founder.node.createDataset({ name: 'met', kind: 'series' });
    const scene: CampaignScene = {
      plan: this.#plan,
      world,
      files: new FileWork(this.#files, campaignDirectory, world.random.fork()),
      series: new SeriesWork(series),
      logger: new LoggerVisits(world, series),
      marks: this.#marks,
      conductByName: this.#conductByName,
      gone: new Set(),
      restored: new Set(),
      rogues: new Set(),
      backupByName: new Map(),
      hasDamage: false,
      join: (node, patienceMs) => this.#join(node, patienceMs),
    };
    this.#scene = scene;
    for (const planned of nodes) {
      await world.finish(world.node(planned.name).node.listen(addressOf(planned), { keep: true }));
      if (planned.parent === undefined) this.#takeUpWork(founder);
      else if (!planned.isLate && !(await this.#join(planned, 60 * minute)))
        throw new Error(`${planned.name} could not join over a calm link`);
    }
    for (const link of links) this.#introduce(link.a, link.b);
    return scene;
  }

  async #add({ name, syncMs, manner }: PlannedNode): Promise<void> {
    const conduct = honest();
    this.#conductByName.set(name, conduct);
    const random = this.#world.random.fork();
    const tamper = this.#options.tamper ?? ((platform) => platform);
    const node = await this.#world.add(name, {
      syncMs,
      manner,
      platform: (platform) => misbehaving(tamper(platform, name, random), conduct, random, protocolVersion),
    });
    node.onEvent((event) => this.#note(`${name}: ${JSON.stringify(event)}`));
  }

  /** The other computers know where each of these two is, over every link that leads there. */
  #introduce(a: string, b: string): void {
    const [first, second] = [this.#world.node(a), this.#world.node(b)];
    if (!first.isRunning || !second.isRunning) return;
    for (const [from, to] of [
      [first, second],
      [second, first],
    ] as const) {
      const planned = this.#plan.nodes.find(({ name }) => name === to.name);
      const media = this.#plan.links.filter((link) => [link.a, link.b].includes(from.name) && [link.a, link.b].includes(to.name));
      if (planned === undefined || from.node.team === undefined || to.node.team === undefined) continue;
      const addresses = (media.length === 0 ? [''] : media.map(({ medium }) => medium)).map((medium) => addressOf(planned, medium));
      from.node.addContact(to.node.id, addresses);
    }
  }

  async #join(planned: PlannedNode, patienceMs: number): Promise<boolean> {
    const world = this.#world;
    const [node, parent] = [world.node(planned.name), world.node(planned.parent ?? '')];
    const scene = this.#scene as CampaignScene;
    if (!node.isRunning || hasStopped(node) || hasStopped(parent)) return false;
    // Whoever lost power in the middle of it has the team perhaps, and a part of its log, and is told by nobody that it is a member: its person uses the invite again.
    const isMember = (): boolean => node.node.members().some(({ node: id }) => id === node.node.id) && node.node.datasets().length === 2;
    if (!isMember()) {
      if (!parent.isRunning || scene.restored.has(parent.name)) return false;
      const invite = inviteFrom(parent, addressOf(this.#planned(parent.name)), planned.isCarrier === true ? 'carrier' : 'coordinator');
      if (invite === undefined) return false;
      let isOver = false;
      node.node.join(invite, { timeoutMs: patienceMs }).then(
        () => (isOver = true),
        (error: unknown) => {
          if (!(error instanceof GodwitError)) throw error;
          isOver = true;
        },
      );
      await world.until(() => isOver || !node.isRunning, patienceMs + second);
      const hasData = (): boolean => node.isRunning && isMember();
      if (!(await world.until(() => hasData() || !node.isRunning, patienceMs)) || !hasData()) return false;
    }
    if (planned.isCarrier === true) {
      this.#carriers.add(node.node.id);
      return true;
    }
    this.#takeUpWork(node);
    if (!node.hasDirectory(campaignDirectory)) return false;
    if (planned.isLate && parent.isRunning && !parent.catalogFaults.isFull) this.#introduce(planned.name, parent.name);
    return true;
  }

  #takeUpWork(node: SimulatedNode): void {
    if (this.#files === undefined || hasStopped(node) || node.catalogFaults.isFull) return;
    node.directory(campaignDirectory);
    try {
      node.node.attach(this.#files, campaignDirectory);
    } catch (error) {
      // Its power failed in the middle of it: it is done again when everything has healed.
      if (node.isRunning || !(error instanceof GodwitError)) throw error;
    }
  }

  /** The weather is fine again, what was broken is repaired, and everybody who is left is switched on. */
  async #heal(scene: CampaignScene): Promise<void> {
    const world = this.#world;
    world.healAll();
    for (const link of world.links) link.change(calmLink);
    const left = this.#left(scene);
    for (const node of left) {
      node.killAtPacket(Number.POSITIVE_INFINITY);
      node.killAtWrite(Number.POSITIVE_INFINITY);
      node.disk.freeBytes = Number.POSITIVE_INFINITY;
      node.disk.readErrorRatio = 0;
      node.syncMs = 5;
      node.catalogFaults.isFull = false;
      node.clock.offsetMs = 0;
      world.changeAddress(node.name, true);
      const conduct = this.#conductByName.get(node.name);
      const wasOdd = conduct !== undefined && (conduct.claimsEntries > 0 || conduct.version !== undefined);
      if (conduct !== undefined) Object.assign(conduct, honest());
      // What lied or spoke another language is started anew, as after an update of its software.
      if (wasOdd || hasStopped(node) || (node.isBusy && !node.isRunning)) node.kill();
      if (!node.isBusy) await world.finish(node.start());
    }
    for (const planned of this.#plan.nodes) {
      if (!scene.gone.has(planned.name) && planned.isLate) await this.#join(planned, 60 * minute);
    }
    if (scene.gone.size > 0) this.#bridge(left.filter(({ name }) => this.#planned(name).isCarrier !== true));
    for (const node of left) {
      node.node.hint();
      // What people saved and could not publish while their disk was full, or their computer off.
      if (node.hasDirectory(campaignDirectory)) await attempt(scene, node, scene.files.publish(node));
    }
  }

  /** Somebody is gone, perhaps the only one who knew both sides: the others are told of each other. */
  #bridge(left: readonly SimulatedNode[]): void {
    for (const [index, node] of left.entries()) {
      const next = left[index + 1];
      if (next === undefined) continue;
      const isLinked = this.#world.links.some(({ ends }) => ends.includes(node.name) && ends.includes(next.name));
      if (!isLinked) this.#world.link(node.name, next.name, calmLink);
      this.#introduce(node.name, next.name);
    }
  }

  /** Lets time pass until all hold the same; what differs when it has not come to that. */
  async #converge(scene: CampaignScene): Promise<readonly string[]> {
    const world = this.#world;
    const nodes = this.#team(scene);
    const problems = (): readonly string[] => {
      const found = differences(nodes, lastingForks(nodes));
      if (found.length > 0) return found;
      const unmended = unmendedForks(nodes);
      return unmended.length > 0 ? unmended : unfetched(nodes);
    };
    const deadline = world.nowMs + convergenceMs;
    let remaining = problems();
    let seen = world.trace.count;
    while (remaining.length > 0 && world.nowMs < deadline) {
      await world.runFor(10 * second);
      if (world.trace.count === seen) continue;
      seen = world.trace.count;
      remaining = problems();
    }
    if (remaining.length > 0) return remaining.map((problem) => `not the same ${convergenceMs / minute} minutes after healing: ${problem}`);
    await world.runFor(settlingMs);
    return problems().map((problem) => `not the same any more after it once was: ${problem}`);
  }

  // What must be true

  #problemsAnyTime(scene: CampaignScene): string[] {
    const nodes = this.#world.nodes.filter(({ name }) => !scene.gone.has(name));
    const honestOnes = nodes.filter((node) => !scene.restored.has(node.name) && !scene.rogues.has(node.name) && !hasStopped(node));
    return [...(scene.hasDamage ? [] : brokenPromises(honestOnes, this.#carriers)), ...nodes.flatMap(wrongHeads)];
  }

  async #problemsInTheEnd(scene: CampaignScene): Promise<string[]> {
    const nodes = this.#team(scene);
    const forks = lastingForks(nodes);
    const problems = [...this.#problemsAnyTime(scene), ...unnoticedForks(nodes, forks)];
    const setBack = new Set(nodes.filter(({ name }) => scene.restored.has(name)).map(({ node }) => node.id));
    const lostIds = new Set(this.#idsOf(scene.gone));
    const mayBeGone = scene.hasDamage || scene.gone.size > 0 || scene.restored.size > 0;
    for (const node of nodes) {
      if (!scene.restored.has(node.name)) problems.push(...doubleDeliveries(node));
      problems.push(...(await this.#lostWork(scene, node, forks, lostIds, setBack, mayBeGone)));
    }
    if (problems.length === 0 && forks.size === 0 && !scene.hasDamage && this.#isEverybodyThere(scene))
      problems.push(...(await this.#chatter(nodes)));
    if (problems.length === 0 && forks.size === 0) problems.push(...(await this.#unfreed(scene, nodes)));
    return problems;
  }

  async #lostWork(
    scene: CampaignScene,
    node: SimulatedNode,
    forks: ForkedLogs,
    excused: ReadonlySet<NodeId>,
    setBack: ReadonlySet<NodeId>,
    mayBeGone: boolean,
  ): Promise<string[]> {
    const world = this.#world;
    if (forks.size > 0) return [];
    // A content whose only holder rotted or left cannot be had; but what is shown must be right.
    const isAllowed = (problem: string): boolean => mayBeGone && /CONTENT_|cannot read|GodwitError/.test(problem);
    const found = [
      ...(await world.finish(scene.files.lost(node, excused, setBack))),
      ...(await world.finish(scene.files.wrongOnDisk(node))),
    ];
    if (scene.gone.size === 0 && scene.restored.size === 0) found.push(...scene.series.wrongRows(node), ...scene.logger.wrongRecords(node));
    return found.filter((problem) => !isAllowed(problem));
  }

  /** What receipts should have freed: nobody waits any more for what everybody has, and nobody carries it. */
  async #unfreed(scene: CampaignScene, nodes: readonly SimulatedNode[]): Promise<string[]> {
    const carriers = this.#left(scene).filter((node) => node.isRunning && this.#carriers.has(node.node.id));
    for (const carrier of carriers) {
      // What it had begun to fetch and nobody waits for is dropped when it is switched on again, and what that builds on with it.
      await this.#world.finish(carrier.stop());
      await this.#world.finish(carrier.start());
      const { freedBytes } = await this.#world.finish(carrier.node.collectGarbage({ quotaBytes: 0 }));
      this.#marks.sometimes('a carrier let go of what it had carried', freedBytes > 0);
    }
    return [...unfinishedDeliveries(nodes), ...keptCopies([...nodes, ...carriers], this.#carriers)];
  }

  /** True when every member is among those who are left: a team keeps trying to reach one that is gone, or whose power failed while it joined and that knows nothing of it. */
  #isEverybodyThere(scene: CampaignScene): boolean {
    const isIn = (each: SimulatedNode) => each.isRunning && each.node.members().some(({ node }) => node === each.node.id);
    const there = new Set(this.#left(scene).flatMap((each) => (isIn(each) ? [each.node.id] : [])));
    return this.#team(scene).every(({ node }) => node.members().every((member) => there.has(member.node)));
  }

  /** Packets of a network in which everything is settled: none, but for the few by which peers beyond the first network are asked whether they are there, and the answers. */
  async #chatter(nodes: readonly SimulatedNode[]): Promise<string[]> {
    const before = nodes.map(({ packetsSent }) => packetsSent);
    await this.#world.runFor(silenceMs);
    return nodes.flatMap(({ name, packetsSent }, index) => {
      const sent = packetsSent - (before[index] ?? 0);
      const far = this.#plan.links.filter(({ a, b, medium }) => medium !== '' && (a === name || b === name)).length;
      return sent > far * asksWithinSilence ? [`${name} sent ${sent} packets in ${silenceMs / minute} minutes with nothing to say`] : [];
    });
  }

  // Who is there

  #left({ gone }: CampaignScene): SimulatedNode[] {
    return this.#world.nodes.filter(({ name }) => !gone.has(name));
  }

  /** Those who are left and are members. */
  #team(scene: CampaignScene): SimulatedNode[] {
    return this.#left(scene).filter((node) => node.isRunning && node.hasDirectory(campaignDirectory));
  }

  #idsOf(names: ReadonlySet<string>): NodeId[] {
    const members = this.#left(this.#scene as CampaignScene)[0]?.node.members() ?? [];
    return members.filter(({ name }) => names.has(name)).map(({ node }) => node);
  }

  #planned(name: string): PlannedNode {
    return this.#plan.nodes.find((node) => node.name === name) as PlannedNode;
  }

  #markWhatHappened(): void {
    const events = this.#world.nodes.flatMap((node) => node.events);
    const has = (type: string): boolean => events.some((event) => event.type === type);
    this.#marks.sometimes('two sites changed one file', has('conflict'));
    this.#marks.sometimes(
      'a log forked',
      events.some((event) => event.type === 'fault' && event.fault.code === 'LOG_FORKED'),
    );
    this.#marks.sometimes('a forked log was mended', has('fork-mended'));
    this.#marks.sometimes(
      'a session stood on a circuit',
      events.some((event) => event.type === 'session-up' && event.address.startsWith('circuit:')),
    );
    this.#marks.sometimes(
      'a carrier brought entries on',
      events.some((event) => event.type === 'entries' && event.from !== 'self' && this.#carriers.has(event.from)),
    );
    this.#marks.sometimes('a session fell and came back', has('session-down') && has('session-up'));
    const saved = this.#world.nodes
      .flatMap((node) => (node.isRunning && !hasStopped(node) ? node.node.traffic() : []))
      .map((each) => each.saved);
    this.#marks.sometimes(
      'a transfer was resumed or had a base',
      saved.some(({ delta, resume }) => delta + resume > 0),
    );
    for (const { faults } of this.#world.links) {
      this.#marks.sometimes('a packet was corrupted', faults.corrupted > 0);
      this.#marks.sometimes('a datagram was too large for the link', faults.tooLarge > 0);
      this.#marks.sometimes('a queue overflowed', faults.dropped > 0);
    }
    for (const { kills } of this.#world.nodes) {
      this.#marks.sometimes('the power failed between two packets', kills.atPacket > 0);
      this.#marks.sometimes('the power failed in the middle of a transaction', kills.atWrite > 0);
    }
  }

  #note(what: string): void {
    this.#timeline.push(`${(this.#world.nowMs / second).toFixed(1).padStart(9)} s  ${what}`);
  }
}

/** An invite code; none when the inviting computer cannot store that it has given one. */
function inviteFrom(parent: SimulatedNode, address: string, role: Role): string | undefined {
  try {
    return parent.node.createInvite({ role, addresses: [address] });
  } catch (error) {
    if (error instanceof GodwitError) return undefined;
    throw error;
  }
}

/** A step as a line of a timeline. */
export function describe(step: object): string {
  const { do: deed, number, thenMs, ...rest } = step as { do: string; number: number; thenMs: number };
  const details = Object.entries(rest).map(([key, value]) => `${key} ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`);
  return `step ${number}: ${deed}${details.map((detail) => `, ${detail}`).join('')}; then ${thenMs / second} s`;
}

function addressOf({ name, scheme }: PlannedNode, medium = ''): string {
  return `${scheme}://${name}${medium && `.${medium}`}:7077`;
}

/** Where a mistake of the program showed itself. */
function placeOf(error: Error): string {
  const line = error.stack?.split('\n').find((each) => each.trim().startsWith('at '));
  return line === undefined ? '' : `(${line.trim().replace(/file:\/\/.*\/(src|test)\//, '$1/')})`;
}
