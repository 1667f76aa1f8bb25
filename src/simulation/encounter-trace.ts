import { type Random, seededRandom } from '../core/random.ts';
import { type ContactTrace, contactTraceOf } from './contact-trace.ts';

/**
 * Traces with the statistics of recorded ones, without a map: every pair meets by itself, and what recordings of conferences, campuses and buses have in common is drawn.
 *
 * - **Times between contacts** of a pair fall off as a power of about a half to one, up to half a day or so, and exponentially beyond (Chaintreau et al., "Impact of human mobility on opportunistic forwarding algorithms", 2007;
 *   Karagiannis, Le Boudec and Vojnović, "Power law and exponential decay of intercontact times between mobile devices", 2010).
 * - **Pairs differ** by orders of magnitude: some nodes are sociable (Conan, Leguay and Friedman, "Characterizing pairwise inter-contact patterns in delay tolerant networks", 2007), and communities keep to themselves (Hui,
 *   Crowcroft and Yoneki, "Bubble rap", 2008).
 * - **Contacts** are mostly as short as one scan, few are long, and nobody meets anybody at night.
 */

/** A population whose pairs meet by themselves. */
export interface Encounters {
  readonly nodes: number;
  readonly days: number;
  /** Nodes belong to one community each, in turn. */
  readonly communities: number;
  /** How often members of different communities meet, to those of one; 0 to 1. */
  readonly outsideRatio: number;
  /** Longest usual time between contacts of an average pair of one community, in hours that somebody is about: where the power law turns exponential. */
  readonly cutoffHours: number;
  /** Exponent of the power law, 0.3 to 1. */
  readonly exponent: number;
  /** How much nodes differ: the standard deviation of the logarithm of their sociability. */
  readonly spread: number;
  /** Hours of the day at which somebody is about, 1 to 24. */
  readonly activeHours: number;
  /** Share of the days that a node is there at all, 0 to 1. */
  readonly attendance: number;
  /** Seconds between two scans: the shortest contact, and the shortest time between two. */
  readonly scanSeconds: number;
  readonly seed: number;
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** The tail of contact lengths is steeper than that of the times between. */
const lengthExponent = 1.5;
const lengthMsMax = 4 * hourMs;

/** Draws a trace of pairs that meet by themselves. */
export function encounterTrace(plan: Encounters): ContactTrace {
  return contactTraceOf(encounters(plan));
}

function* encounters(plan: Encounters): Iterable<{ a: string; b: string; beginMs: number; endMs: number }> {
  const random = seededRandom(plan.seed);
  const scanMs = plan.scanSeconds * 1000;
  const activeMs = plan.activeHours * hourMs;
  const sociability = Array.from({ length: plan.nodes }, () => Math.exp(plan.spread * gaussian(random)));
  const isThere = Array.from({ length: plan.nodes }, () => Array.from({ length: plan.days }, () => random.float() < plan.attendance));
  for (let a = 0; a < plan.nodes; a++)
    for (let b = a + 1; b < plan.nodes; b++) {
      const ratio = a % plan.communities === b % plan.communities ? 1 : plan.outsideRatio;
      const cutoffMs = (plan.cutoffHours * hourMs) / ((sociability[a] ?? 1) * (sociability[b] ?? 1) * ratio);
      // Nobody knows when they met last before it all began.
      let atMs = cutoffMs * -Math.log(1 - random.float());
      for (; atMs < plan.days * activeMs; atMs += gapMs(random, scanMs, cutoffMs, plan.exponent)) {
        const day = Math.floor(atMs / activeMs);
        const scans = Math.ceil((1 - random.float()) ** (-1 / lengthExponent));
        const lastsMs = Math.min(lengthMsMax, scans * scanMs, (day + 1) * activeMs - atMs);
        const beginMs = day * dayMs + (dayMs - activeMs) / 2 + (atMs % activeMs);
        if (isThere[a]?.[day] && isThere[b]?.[day]) yield { a: `node-${a}`, b: `node-${b}`, beginMs, endMs: beginMs + lastsMs };
        atMs += lastsMs;
      }
    }
}

/** A time between contacts: a power law from one scan on, its tail cut off exponentially. */
function gapMs(random: Random, scanMs: number, cutoffMs: number, exponent: number): number {
  for (;;) {
    const drawnMs = scanMs * (1 - random.float()) ** (-1 / exponent);
    if (random.float() < Math.exp((scanMs - drawnMs) / Math.max(scanMs, cutoffMs))) return drawnMs;
  }
}

/** Normally distributed, by the polar form of Box and Muller's method ("A note on the generation of random normal deviates", 1958). */
function gaussian(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random.float())) * Math.cos(2 * Math.PI * random.float());
}
