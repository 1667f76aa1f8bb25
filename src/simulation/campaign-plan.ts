import { type Random, seededRandom } from '../core/random.ts';
import type { DatasetDefinition } from '../node/membership.ts';
import type { LinkModel } from './virtual-link.ts';

/**
 * What happens in one run of the fault campaign, as data: who is there, which links there are, and what people, weather and power do, step by step.
 *
 * A plan follows from its seed alone. Each seed draws its own mix (swarm testing: Groce and others, "Swarm Testing", ISSTA 2012): of all kinds of faults about half, and of every limit its own value,
 * because faults that are always there together hide one another. Every step brings its own seed, so that a plan from which something was taken away still does the rest as before.
 */

/** A computer of the team. */
export interface PlannedNode {
  readonly name: string;
  /** Who invites it; absent for the founder. */
  readonly parent?: string;
  readonly scheme: 'udp' | 'tcp';
  readonly syncMs: number;
  readonly manner: 'polite' | 'fair';
  /** It joins only when a step says so. */
  readonly isLate: boolean;
  /** It takes what is for others with it, and has no part in the data itself. */
  readonly isCarrier?: boolean;
}

/** A link; each of its ends knows the address of the other. */
export interface PlannedLink {
  readonly a: string;
  readonly b: string;
  /** Empty for the first link between the two. */
  readonly medium: string;
}

/** What is done in a step. Links are named by `linkName`. */
export type Deed =
  | { readonly do: 'edit'; readonly node: string; readonly seed: number }
  | { readonly do: 'rearrange'; readonly node: string; readonly seed: number }
  | { readonly do: 'bring rows'; readonly node: string; readonly station: string; readonly rows: number; readonly cutBytes: number }
  /** A node reads the logger, which has stored more records meanwhile. */
  | { readonly do: 'read logger'; readonly node: string; readonly records: number }
  /** Somebody takes a stick from one computer to another; it may be pulled out after so many steps of writing. */
  | { readonly do: 'carry'; readonly node: string; readonly peer: string; readonly stepsLeft?: number }
  /** A node asks for a session with a member through others. */
  | { readonly do: 'open circuit'; readonly node: string; readonly peer: string }
  | { readonly do: 'join'; readonly node: string }
  | { readonly do: 'cut'; readonly link: string; readonly oneWay: boolean }
  | { readonly do: 'heal'; readonly link: string }
  | { readonly do: 'flap'; readonly link: string; readonly upMs: number; readonly downMs: number; readonly times: number }
  | { readonly do: 'divide'; readonly nodes: readonly string[] }
  | { readonly do: 'unite' }
  | { readonly do: 'weather'; readonly link: string; readonly model: LinkModel }
  | { readonly do: 'readdress'; readonly node: string }
  | { readonly do: 'kill'; readonly node: string }
  | { readonly do: 'kill at packet'; readonly node: string; readonly count: number }
  | { readonly do: 'kill at write'; readonly node: string; readonly count: number }
  | { readonly do: 'stop'; readonly node: string }
  | { readonly do: 'start'; readonly node: string }
  | {
      readonly do: 'disk';
      readonly node: string;
      readonly freeBytes?: number;
      readonly readErrorRatio?: number;
      readonly syncMs?: number;
      readonly catalogIsFull?: boolean;
    }
  | { readonly do: 'rot'; readonly node: string }
  | { readonly do: 'clock'; readonly node: string; readonly offsetMs: number; readonly driftMsPerSecond: number }
  | { readonly do: 'leave'; readonly node: string }
  | { readonly do: 'back up'; readonly node: string }
  /** With a seed, somebody works on the computer before it has met anybody. */
  | { readonly do: 'restore'; readonly node: string; readonly seed?: number }
  | { readonly do: 'misbehave'; readonly node: string; readonly how: 'replay' | 'flood' | 'lie' }
  | { readonly do: 'upgrade'; readonly node: string; readonly version: number };

/** A deed, its number in the plan, and how long to wait behind it. */
export type PlannedStep = Deed & { readonly number: number; readonly thenMs: number };

/** One run. */
export interface CampaignPlan {
  readonly seed: number;
  readonly nodes: readonly PlannedNode[];
  readonly links: readonly PlannedLink[];
  readonly conflictPolicy: DatasetDefinition['conflictPolicy'];
  readonly fileCount: number;
  readonly bytesMax: number;
  readonly steps: readonly PlannedStep[];
}

/** How large plans may become. */
export interface CampaignScale {
  readonly nodesMax: number;
  readonly stepsMax: number;
}

/** Small worlds, of which hundreds fit in a minute: two to five computers, up to 24 steps. */
export const smallScale: CampaignScale = { nodesMax: 5, stepsMax: 24 };

const names = ['base', 'ridge', 'coast', 'valley', 'summit', 'hut', 'ship', 'lake'];
const second = 1000;
const hour = 3_600_000;
const year = 365.25 * 24 * hour;

/** Links before and after the faults. */
export const calmLink: LinkModel = { delayMs: 60, rateBytesPerSecond: 100_000, queueBytes: 64_000 };

/** The name of a link in plans. */
export function linkName({ a, b, medium }: PlannedLink): string {
  return `${a}-${b}${medium && `/${medium}`}`;
}

/** The plan of a seed. */
export function drawPlan(seed: number, scale: CampaignScale = smallScale): CampaignPlan {
  const random = seededRandom(seed);
  const nodes = drawNodes(random, 2 + random.below(scale.nodesMax - 1));
  const links = drawLinks(random, nodes);
  const makers = enabledMakers(random);
  const count = 6 + random.below(scale.stepsMax - 5);
  const late = nodes.filter(({ isLate }) => isLate);
  const deeds: Deed[] = Array.from({ length: count }, () => pick(random, makers)(random, { nodes, links }));
  for (const { name } of late) deeds.splice(random.below(deeds.length), 0, { do: 'join', node: name });
  const carrier = addMeetings(seededRandom(seed ^ meetingsSalt), nodes, deeds);
  return {
    seed,
    nodes: [...nodes, ...carrier.nodes],
    links: [...links, ...carrier.links],
    conflictPolicy: pick(random, ['merge', 'latest', 'keep-both']),
    fileCount: 1 + random.below(5),
    bytesMax: pick(random, [60, 800, 800, 5000, 30_000]),
    steps: deeds.map((deed, index) => ({ ...deed, number: index + 1, thenMs: random.below(pick(random, [1, 20, 20, 300])) * second })),
  };
}

/**
 * The plan without some of its parts: names of nodes (with whom they invited), `s` and the number of a step, names of links that are not needed to join. The rest stays what it was; a step that
 * speaks of something that is not there any more goes, too.
 */
export function without(plan: CampaignPlan, parts: ReadonlySet<string>): CampaignPlan {
  const nodes: PlannedNode[] = [];
  for (const node of plan.nodes) {
    const invited = node.parent === undefined || nodes.some(({ name }) => name === node.parent);
    if (!parts.has(node.name) && invited) nodes.push(node);
  }
  const isThere = (name: string): boolean => nodes.some((node) => node.name === name);
  const isNeeded = (link: PlannedLink): boolean =>
    link.medium === '' && nodes.some(({ name, parent }) => link.b === name && link.a === parent);
  const links = plan.links.filter((link) => isThere(link.a) && isThere(link.b) && (isNeeded(link) || !parts.has(linkName(link))));
  const steps = plan.steps.filter((step) => {
    if (parts.has(`s${step.number}`)) return false;
    if ('node' in step && !isThere(step.node)) return false;
    if ('peer' in step && !isThere(step.peer)) return false;
    return !('link' in step) || links.some((link) => linkName(link) === step.link);
  });
  return { ...plan, nodes, links, steps };
}

/** Everything that `without` can take away from a plan, the largest parts first. */
export function partsOf(plan: CampaignPlan): string[] {
  const nodes = plan.nodes.slice(1).map(({ name }) => name);
  const links = plan.links.map(linkName);
  return [...nodes.reverse(), ...plan.steps.map(({ number }) => `s${number}`).reverse(), ...links];
}

interface Cast {
  readonly nodes: readonly PlannedNode[];
  readonly links: readonly PlannedLink[];
}

type Maker = (random: Random, cast: Cast) => Deed;

const work: readonly Maker[] = [
  (random, { nodes }) => ({ do: 'edit', node: pick(random, nodes).name, seed: random.uint32() }),
  (random, { nodes }) => ({ do: 'rearrange', node: pick(random, nodes).name, seed: random.uint32() }),
  (random, { nodes }) => ({
    do: 'bring rows',
    node: pick(random, nodes).name,
    station: pick(random, ['Storbreen', 'Finse']),
    rows: random.below(30),
    cutBytes: random.below(2) * random.below(40),
  }),
];

/** The kinds of faults, each with what it does and, where it does not end by itself, what ends it. */
const faults: readonly (readonly Maker[])[] = [
  [
    (random, cast) => ({ do: 'cut', link: anyLink(random, cast), oneWay: false }),
    (random, cast) => ({ do: 'heal', link: anyLink(random, cast) }),
  ],
  [
    (random, cast) => ({ do: 'cut', link: anyLink(random, cast), oneWay: true }),
    (random, cast) => ({ do: 'heal', link: anyLink(random, cast) }),
  ],
  [
    (random, cast) => ({
      do: 'flap',
      link: anyLink(random, cast),
      upMs: 200 + random.below(10_000),
      downMs: 200 + random.below(60_000),
      times: 1 + random.below(12),
    }),
  ],
  [
    (random, { nodes }) => ({ do: 'divide', nodes: nodes.filter(() => random.below(2) === 0).map(({ name }) => name) }),
    () => ({ do: 'unite' }),
  ],
  [(random, cast) => ({ do: 'weather', link: anyLink(random, cast), model: drawWeather(random) })],
  [(random, { nodes }) => ({ do: 'readdress', node: pick(random, nodes).name })],
  [(random, { nodes }) => ({ do: 'kill', node: pick(random, nodes).name }), startSomebody],
  [(random, { nodes }) => ({ do: 'kill at packet', node: pick(random, nodes).name, count: 1 + random.below(40) }), startSomebody],
  [(random, { nodes }) => ({ do: 'kill at write', node: pick(random, nodes).name, count: 1 + random.below(80) }), startSomebody],
  [(random, { nodes }) => ({ do: 'stop', node: pick(random, nodes).name }), startSomebody],
  [
    (random, { nodes }) => ({ do: 'disk', node: pick(random, nodes).name, freeBytes: random.below(3000) }),
    (random, { nodes }) => ({ do: 'disk', node: pick(random, nodes).name, freeBytes: Number.POSITIVE_INFINITY }),
  ],
  [
    (random, { nodes }) => ({ do: 'disk', node: pick(random, nodes).name, catalogIsFull: true }),
    (random, { nodes }) => ({ do: 'disk', node: pick(random, nodes).name, catalogIsFull: false }),
    startSomebody,
  ],
  [(random, { nodes }) => ({ do: 'disk', node: pick(random, nodes).name, syncMs: pick(random, [1, 500, 20_000]) })],
  [(random, { nodes }) => ({ do: 'disk', node: pick(random, nodes).name, readErrorRatio: pick(random, [0, 0.1, 0.6]) })],
  [(random, { nodes }) => ({ do: 'rot', node: pick(random, nodes).name })],
  [
    (random, { nodes }) => ({
      do: 'clock',
      node: pick(random, nodes).name,
      offsetMs: Math.round((random.float() - 0.5) * pick(random, [10 * second, 48 * hour, 60 * year])),
      driftMsPerSecond: random.below(3) * (random.float() - 0.5),
    }),
  ],
  [(random, { nodes }) => ({ do: 'leave', node: pick(random, nodes).name })],
  [
    (random, { nodes }) => ({ do: 'back up', node: pick(random, nodes).name }),
    (random, { nodes }) => ({
      do: 'restore',
      node: pick(random, nodes).name,
      ...(random.below(2) === 0 ? { seed: random.uint32() } : {}),
    }),
  ],
  [(random, { nodes }) => ({ do: 'misbehave', node: pick(random, nodes).name, how: pick(random, ['replay', 'flood', 'lie']) })],
  [(random, { nodes }) => ({ do: 'upgrade', node: pick(random, nodes).name, version: 2 + random.below(3) }), startSomebody],
];

/** Names the generator of the other ways to meet, which are drawn beside the rest: no seed does anything else because of them. */
const meetingsSalt = 0x6d656574;

/** Other ways than links by which data moves: a carrier, sticks, circuits, an instrument. Each run has some of them, besides what it does otherwise. Gives the carrier, if there is one, and its links. */
function addMeetings(random: Random, nodes: readonly PlannedNode[], deeds: Deed[]): Cast {
  const some = (): string => pick(random, nodes).name;
  const add = (make: () => Deed): void => {
    for (let count = 1 + random.below(3); count > 0; count--) deeds.splice(random.below(deeds.length + 1), 0, make());
  };
  if (random.below(4) === 0) add(() => ({ do: 'read logger', node: some(), records: random.below(30) }));
  if (random.below(4) === 0)
    add(() => ({ do: 'carry', node: some(), peer: some(), ...(random.below(3) === 0 ? { stepsLeft: random.below(12) } : {}) }));
  if (random.below(4) === 0) add(() => ({ do: 'open circuit', node: some(), peer: some() }));
  if (random.below(4) > 0) return { nodes: [], links: [] };
  const [parent, other] = [nodes.find(({ isLate }) => !isLate)?.name ?? '', nodes.findLast(({ isLate }) => !isLate)?.name ?? ''];
  const truck: PlannedNode = { name: 'truck', parent, scheme: 'udp', syncMs: 5, manner: 'polite', isLate: false, isCarrier: true };
  const links = [parent, other].filter((each, index, all) => all.indexOf(each) === index).map((a) => ({ a, b: 'truck', medium: '' }));
  add(() => ({ do: pick(random, ['cut', 'heal']), link: linkName(pick(random, links)), oneWay: false }));
  add(() => ({ do: pick(random, ['kill', 'start']), node: 'truck' }));
  return { nodes: [truck], links };
}

function startSomebody(random: Random, { nodes }: Cast): Deed {
  return { do: 'start', node: pick(random, nodes).name };
}

/** The makers that this run draws from. Work is as likely as all faults together. */
function enabledMakers(random: Random): Maker[] {
  const wanted = 1 + random.below(7);
  const enabled = Array.from({ length: wanted }, () => pick(random, faults)).flat();
  const works = work.filter((_, index) => index === 0 || random.below(2) === 0);
  return [...enabled, ...enabled.map((_, index) => works[index % works.length] as Maker)];
}

function drawNodes(random: Random, count: number): PlannedNode[] {
  const shape = pick(random, ['chain', 'star', 'tree']);
  const scheme = pick(random, ['udp', 'udp', 'tcp', 'mixed'] as const);
  return names.slice(0, count).map((name, index) => {
    const parentIndex = shape === 'chain' ? index - 1 : shape === 'star' ? 0 : random.below(Math.max(1, index));
    return {
      name,
      ...(index === 0 ? {} : { parent: names[parentIndex] as string }),
      scheme: scheme === 'mixed' ? pick(random, ['udp', 'tcp']) : scheme,
      syncMs: pick(random, [1, 5, 40, 300, 2000]),
      manner: pick(random, ['polite', 'fair']),
      isLate: index > 1 && index === count - 1 && random.below(4) === 0,
    };
  });
}

function drawLinks(random: Random, nodes: readonly PlannedNode[]): PlannedLink[] {
  const links: PlannedLink[] = [];
  for (const { name, parent } of nodes) if (parent !== undefined) links.push({ a: parent, b: name, medium: '' });
  for (const [index, { name: b, isLate }] of nodes.entries()) {
    const a = nodes[random.below(Math.max(1, index))]?.name;
    if (a === undefined || isLate || index === 0) continue;
    const isKnown = links.some((link) => link.a === a && link.b === b);
    if (random.below(3) === 0) links.push({ a, b, medium: isKnown ? 'sat' : '' });
  }
  return links;
}

function drawWeather(random: Random): LinkModel {
  return {
    delayMs: pick(random, [5, 60, 300, 900]),
    rateBytesPerSecond: pick(random, [100, 1200, 30_000, 1_000_000]),
    queueBytes: pick(random, [1500, 64_000]),
    jitterMs: random.below(300),
    reorders: random.below(2) === 0,
    ...(random.below(2) === 0 ? { lossRatio: random.float() * 0.3 } : {}),
    ...(random.below(3) === 0 ? { burstLoss: { toBad: 0.02, toGood: 0.2, lossInBad: 0.9 } } : {}),
    ...(random.below(3) === 0 ? { duplicateRatio: random.float() * 0.2 } : {}),
    ...(random.below(3) === 0 ? { corruptRatio: random.float() * 0.2 } : {}),
    ...(random.below(4) === 0 ? { mtuBytes: pick(random, [300, 576, 1280]) } : {}),
  };
}

function anyLink(random: Random, { links }: Cast): string {
  return linkName(pick(random, links));
}

function pick<const T>(random: Random, choices: readonly T[]): T {
  return choices[random.below(choices.length)] as T;
}
