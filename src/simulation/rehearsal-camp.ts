import type { DatasetId } from '../core/identifiers.ts';
import type { PriorityClass } from '../core/priority.ts';
import { type LinkPresetName, linkPresets } from './presets.ts';
import { merged, presenceOf, RehearsalLinkAccount, repeated } from './rehearsal-link.ts';
import type { Rehearsal, RehearsalTrip } from './rehearsal-plan.ts';
import { RehearsalPowerAccount } from './rehearsal-power.ts';
import type { LinkWindow, SimulatedLink } from './simulated-link.ts';
import type { SimulatedNode } from './simulated-node.ts';
import { World } from './world.ts';

/**
 * The computers of a rehearsal and what joins them: built, joined to a team in one room, carried out, and living through their days.
 */

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const lookEveryMs = 10 * minuteMs;
const port = 7077;
/** After a gap of this length a computer is told that its network is back, as operating systems tell it. */
const hintAfterMs = minuteMs;

/** A dataset of the team. */
export interface RehearsalDataset {
  readonly name: string;
  readonly kind: 'files' | 'series';
  readonly priority: PriorityClass;
}

interface PlannedLink {
  readonly link: SimulatedLink;
  readonly kind: LinkPresetName;
  /** When it is there, given the whole rehearsal. */
  readonly presence: (whole: LinkWindow) => readonly LinkWindow[];
}

/** The camp of one rehearsal. */
export class RehearsalCamp {
  readonly world: World;
  /** The rehearsal's time in the world's. */
  whole: LinkWindow = { fromMs: 0, untilMs: 0 };
  links: readonly RehearsalLinkAccount[] = [];
  power: readonly RehearsalPowerAccount[] = [];
  readonly #plan: Rehearsal;
  readonly #latestByNode = new Map<string, Promise<void>>();
  readonly #countByProblem = new Map<string, number>();

  constructor(plan: Rehearsal) {
    this.#plan = plan;
    this.world = new World({ seed: plan.seed ?? 1 });
  }

  /** What went wrong, with how often, the most frequent first. */
  get problems(): { readonly what: string; readonly count: number }[] {
    return [...this.#countByProblem].map(([what, count]) => ({ what, count })).sort((a, b) => b.count - a.count);
  }

  /** What a site's clock shows now. */
  wallMs(site: string): number {
    return this.world.node(site).clock.now().wallMs;
  }

  /** Does something at a site after what is being done there; what fails, and what is not done because the computer is off, is kept as a problem. */
  do(site: string, what: string, work: (node: SimulatedNode) => Promise<unknown>): void {
    const node = this.world.node(site);
    const next = (this.#latestByNode.get(site) ?? Promise.resolve()).then(async () => {
      if (!node.isRunning) return this.#note(`${site} was off: ${what}`);
      await work(node).catch((error: unknown) => this.#note(`${site}: ${what}: ${error instanceof Error ? error.message : String(error)}`));
    });
    this.#latestByNode.set(site, next);
  }

  /** Founds the team and gives every computer its datasets, then carries them out. */
  async settle(datasets: readonly RehearsalDataset[]): Promise<ReadonlyMap<string, DatasetId>> {
    const { world } = this;
    const names = [...this.#plan.sites.map(({ name }) => name), ...laptopsOf(this.#plan).map(({ who }) => who)];
    for (const name of names) await world.add(name);
    const planned = this.#lay();
    const hub = world.node(this.#plan.wantedAt?.[0] ?? (names[0] as string));
    await this.#gather(hub);
    const ids = new Map(datasets.map((dataset) => [dataset.name, hub.node.createDataset(dataset)]));
    await world.until(() => world.nodes.every(({ node }) => node.datasets().length === datasets.length));
    for (const node of world.nodes)
      for (const { name, kind } of datasets) {
        node.directory(name);
        if (kind === 'files') node.node.attach(ids.get(name) as DatasetId, name);
      }
    for (const { link } of planned) introduce(world, link);
    this.#forgetCables(planned);
    await world.runFor(minuteMs);
    for (const node of world.nodes) await world.finish(node.stop());
    for (const link of world.links) link.cut();
    this.#carryOut(planned);
    for (const node of world.nodes) {
      await world.finish(node.start());
      node.onEvent((event) => {
        if (event.type === 'problem') this.#note(`${node.name}: ${event.what}: ${event.code}`);
        if (event.type === 'stopped') this.#note(`${node.name} stopped: ${event.code}`);
      });
    }
    return ids;
  }

  /** Lets all days pass. */
  async live(): Promise<void> {
    const { world, whole } = this;
    const sorted = [...repeated(whole.fromMs + lookEveryMs, 1, lookEveryMs, whole).map(({ fromMs }) => fromMs), whole.untilMs];
    for (const atMs of sorted) {
      await world.runUntil(atMs);
      for (const account of this.power) {
        const wanted = account.look(atMs);
        if (wanted === 'switch-off') {
          world.node(account.site.name).kill();
          this.#latestByNode.delete(account.site.name);
        } else if (wanted === 'switch-on') await world.finish(world.node(account.site.name).start());
      }
    }
  }

  /** Lays all links of the plan; nothing passes yet. */
  #lay(): PlannedLink[] {
    const { links = [], contacts = [], contactPreset = 'wifi-ad-hoc' } = this.#plan;
    const planned: PlannedLink[] = [];
    const lay = (a: string, b: string, kind: LinkPresetName, presence: PlannedLink['presence']): void => {
      const { up, down } = linkPresets[kind];
      const others = planned.filter(({ link }) => link.ends.includes(a) && link.ends.includes(b)).length;
      const link = this.world.link(a, b, up, down, others === 0 ? '' : `${kind}-${others}`);
      link.cut();
      planned.push({ link, kind, presence });
    };
    for (const { between, preset, hoursOfDay } of links) {
      const phase = this.world.random.float();
      lay(between[0], between[1], preset, (whole) => presenceOf(linkPresets[preset], hoursOfDay, whole, phase));
    }
    for (const trip of laptopsOf(this.#plan))
      for (const site of new Set(trip.stops.map((stop) => stop.site)))
        lay(trip.who, site, 'wifi-near', (whole) => visits(trip, site, this.#plan.days, whole));
    const pairs = Map.groupBy(contacts, ({ a, b }) => [a, b].sort().join('\n'));
    for (const [pair, meetings] of pairs) {
      const [a = '', b = ''] = pair.split('\n');
      lay(a, b, contactPreset, ({ fromMs, untilMs }) =>
        merged(meetings.map((each) => ({ fromMs: fromMs + each.fromMs, untilMs: Math.min(untilMs, fromMs + each.toMs) }))),
      );
    }
    return planned;
  }

  /** All computers in one room: each is joined to the first by a cable. */
  async #gather(hub: SimulatedNode): Promise<void> {
    const { world } = this;
    const { up } = linkPresets.ethernet;
    await world.finish(hub.node.listen(`udp://${hub.name}:${port}`, { keep: true }));
    hub.node.createTeam('Rehearsal');
    for (const node of world.nodes) {
      if (node === hub) continue;
      const laid = world.links.find(({ ends, medium }) => medium === '' && ends.includes(hub.name) && ends.includes(node.name));
      const cable = laid ?? world.link(hub.name, node.name, up);
      cable.change(up);
      cable.heal();
      await world.finish(node.node.listen(`udp://${node.name}:${port}`, { keep: true }));
      await world.finish(node.node.join(hub.node.createInvite({ role: 'coordinator' })));
    }
    await world.until(() => world.nodes.every(({ node }) => node.members().length === world.nodes.length));
  }

  /** Computers that nothing joins from now on do not try to reach each other. */
  #forgetCables(planned: readonly PlannedLink[]): void {
    const { world } = this;
    const joined = new Set(planned.map(({ link }) => link));
    for (const { ends } of world.links.filter((link) => !joined.has(link))) {
      const [a, b] = [world.node(ends[0]), world.node(ends[1])];
      const fromMs = Math.ceil(this.wallMs(a.name)) + (this.#plan.days + 2) * 24 * hourMs;
      a.node.forwarding.setContactWindows(b.node.id, [{ fromMs, toMs: fromMs + hourMs }]);
      b.node.forwarding.setContactWindows(a.node.id, [{ fromMs, toMs: fromMs + hourMs }]);
    }
  }

  /** From now on the links are what the plan says, and the books are open. */
  #carryOut(planned: readonly PlannedLink[]): void {
    const { world } = this;
    this.whole = { fromMs: world.nowMs, untilMs: world.nowMs + this.#plan.days * 24 * hourMs };
    this.links = planned.map(({ link, kind, presence }) => {
      const preset = linkPresets[kind];
      const windows = presence(this.whole);
      link.change(preset.up, preset.down);
      link.schedule(windows);
      for (const [index, { fromMs }] of windows.entries())
        if (fromMs - (windows[index - 1]?.untilMs ?? -Infinity) >= hintAfterMs && fromMs > world.nowMs)
          world.at(fromMs + 1, () => {
            for (const end of link.ends) if (world.node(end).isRunning) world.node(end).node.hint();
          });
      return new RehearsalLinkAccount(link, kind, preset, windows);
    });
    this.power = this.#plan.sites.map((site) => new RehearsalPowerAccount(site, world.node(site.name), this.links, world.nowMs));
  }

  #note(what: string): void {
    this.#countByProblem.set(what, (this.#countByProblem.get(what) ?? 0) + 1);
  }
}

function laptopsOf({ trips = [] }: Rehearsal): RehearsalTrip[] {
  return trips.filter(({ carries }) => carries === 'laptop');
}

/** When somebody is at a site. */
function visits({ stops, everyHours }: RehearsalTrip, site: string, days: number, whole: LinkWindow): LinkWindow[] {
  const everyMs = (everyHours ?? days * 24) * hourMs;
  return merged(
    stops
      .filter((stop) => stop.site === site)
      .flatMap(({ hour, minutes }) => repeated(whole.fromMs + hour * hourMs, minutes * minuteMs, everyMs, whole)),
  );
}

/** Tells two computers each other's addresses. */
function introduce(world: World, { ends, medium }: SimulatedLink): void {
  const [a, b] = [world.node(ends[0]), world.node(ends[1])];
  const address = (name: string): string => `udp://${name}${medium && `.${medium}`}:${port}`;
  a.node.addContact(b.node.id, [address(b.name)]);
  b.node.addContact(a.node.id, [address(a.name)]);
}
