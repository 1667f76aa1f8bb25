import { expect, test } from 'vitest';
import { runCampaign } from '../../src/simulation/campaign.ts';
import { drawPlan } from '../../src/simulation/campaign-plan.ts';
import { type Memory, plantedBugs } from './planted-bugs.ts';

/** The campaign finds every planted bug within so many seeds, and says what kind of bug it is. */
const seedsMax = 40;

test.each(plantedBugs)('a node that $title is found out', async ({ tamper, shows, plan }) => {
  const said: string[] = [];
  for (let seed = 1; seed <= (plan === undefined ? seedsMax : 1); seed++) {
    const memoryByName = new Map<string, Memory>();
    const verdict = await runCampaign(plan ?? drawPlan(seed), {
      tamper: (platform, name, random) => {
        const memory = memoryByName.get(name) ?? {};
        memoryByName.set(name, memory);
        return tamper(platform, random, memory);
      },
    });
    said.push(...verdict.problems.map((problem) => `seed ${seed}: ${problem}`));
    if (verdict.problems.some((problem) => shows.test(problem))) return;
  }
  expect.fail(`not found in ${seedsMax} seeds; said: ${said.slice(0, 5).join('\n')}`);
});

test.each(plantedBugs.filter(({ plan }) => plan !== undefined))(
  'without the bug nothing is found where "$title" shows',
  async ({ plan }) => {
    const verdict = await runCampaign(plan ?? drawPlan(1));
    expect(verdict.problems).toEqual([]);
  },
);
