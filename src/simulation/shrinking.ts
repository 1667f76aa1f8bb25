import { type CampaignOptions, runCampaign, type Verdict } from './campaign.ts';
import { type CampaignPlan, drawPlan, partsOf, without } from './campaign-plan.ts';

/**
 * From a failing run to the least that still fails: parts are taken away, half of them at first and single ones in the end, as long as something is still wrong (delta debugging: Zeller and Hildebrandt,
 * "Simplifying and Isolating Failure-Inducing Input", IEEE TSE 28, 2002).
 *
 * Which parts are missing, together with the seed, names the shrunk case: `--seed 17 --without hut,s3,s9`.
 */

/** A failing case that cannot be made smaller by taking one part away. */
export interface ShrunkCase {
  readonly verdict: Verdict;
  /** What was taken from the seed's plan. */
  readonly without: readonly string[];
  readonly runs: number;
}

/** Runs spent on one case at most. */
const runsMax = 200;

/** Makes a failing run smaller. A candidate counts as failing whatever is wrong with it: one mistake often shows in several ways. */
export async function shrink(failing: Verdict, options: CampaignOptions = {}): Promise<ShrunkCase> {
  const whole = failing.plan;
  let removed = new Set<string>();
  let best = failing;
  let runs = 0;
  const tries = async (candidate: ReadonlySet<string>): Promise<boolean> => {
    runs++;
    const verdict = await runCampaign(without(whole, candidate), options);
    if (verdict.problems.length === 0) return false;
    best = verdict;
    removed = new Set(candidate);
    return true;
  };
  for (let size = Math.ceil(partsOf(whole).length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    let progress = true;
    while (progress && runs < runsMax) {
      progress = false;
      const left = partsOf(best.plan).filter((part) => !removed.has(part));
      for (let from = 0; from < left.length && runs < runsMax; from += size)
        if (await tries(new Set([...removed, ...left.slice(from, from + size)]))) progress = true;
      // At larger sizes one pass is enough: what is left is tried in smaller pieces anyway.
      if (size > 1) break;
    }
  }
  return { verdict: best, without: [...removed].sort(), runs };
}

/** The plan of a case that was named by its seed and what was taken away. */
export function planOfCase(seed: number, removed: readonly string[]): CampaignPlan {
  return without(drawPlan(seed), new Set(removed));
}

/** A case for people: what is wrong, who was there, what happened, and the command that does it again. */
export function report({ verdict, without: removed }: Pick<ShrunkCase, 'verdict' | 'without'>): string {
  const { plan, problems, timeline, digest } = verdict;
  const names = plan.nodes.map(({ name, scheme }) => `${name} (${scheme})`).join(', ');
  const command = `npm run soak -- --seed ${plan.seed}${removed.length === 0 ? '' : ` --without ${removed.join(',')}`}`;
  return [
    `Seed ${plan.seed} fails:`,
    ...problems.map((problem) => `  ${problem}`),
    `Computers: ${names}. Links: ${plan.links.map(({ a, b, medium }) => `${a}-${b}${medium && `/${medium}`}`).join(', ')}. Conflicts: ${plan.conflictPolicy}.`,
    ...timeline,
    `Trace ${digest.slice(0, 16)}. Again: ${command}`,
  ].join('\n');
}
