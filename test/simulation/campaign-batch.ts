import { describe, expect, test } from 'vitest';
import { runCampaign } from '../../src/simulation/campaign.ts';
import { drawPlan } from '../../src/simulation/campaign-plan.ts';
import { neverMet, type Situation } from '../../src/simulation/marks.ts';
import { report, shrink } from '../../src/simulation/shrinking.ts';

/** Seeds of one test. */
const groupSize = 15;

/**
 * A batch of seeds as tests: each must pass, and together they must have met every interesting situation. What fails is shrunk and told with its timeline.
 *
 * @param from the first seed; the batch is the same on every machine and every day, and `npm run soak` is for fresh ones
 */
export function campaignBatch(from: number, count: number): void {
  const met: ReadonlySet<Situation>[] = [];
  describe(`the fault campaign, seeds ${from} to ${from + count - 1}`, () => {
    for (let first = from; first < from + count; first += groupSize) {
      const last = Math.min(first + groupSize, from + count) - 1;
      test(`finds nothing wrong in seeds ${first} to ${last}`, async () => {
        for (let seed = first; seed <= last; seed++) {
          const verdict = await runCampaign(drawPlan(seed));
          met.push(verdict.marks);
          if (verdict.problems.length > 0) expect.fail(report(await shrink(verdict)));
        }
      });
    }
    test('meets every interesting situation', () => {
      expect(neverMet(met)).toEqual([]);
    });
  });
}
