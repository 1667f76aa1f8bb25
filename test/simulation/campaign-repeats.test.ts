import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { runCampaign } from '../../src/simulation/campaign.ts';
import { drawPlan, partsOf, without } from '../../src/simulation/campaign-plan.ts';
import { planOfCase, report, shrink } from '../../src/simulation/shrinking.ts';
import { plantedBugs } from './planted-bugs.ts';

const soak = fileURLToPath(new URL('../../tools/soak.ts', import.meta.url));

/** The trace of a seed in a process of its own. */
async function traceElsewhere(seed: number): Promise<string | undefined> {
  const { stdout } = await promisify(execFile)(process.execPath, [soak, '--seed', String(seed)], { maxBuffer: 64 * 1024 * 1024 });
  return /Trace ([0-9a-f]{16})/.exec(stdout)?.[1];
}

test('a seed has the same trace again, in another order of seeds, and in other processes at the same time', async () => {
  const seeds = [31, 40, 50];
  const first = new Map<number, string>();
  for (const seed of seeds) first.set(seed, (await runCampaign(drawPlan(seed))).digest);
  const elsewhere = Promise.all(seeds.map(traceElsewhere));
  for (const seed of seeds.toReversed()) expect((await runCampaign(drawPlan(seed))).digest).toBe(first.get(seed));
  expect(await elsewhere).toEqual(seeds.map((seed) => first.get(seed)?.slice(0, 16)));
  expect(new Set(first.values()).size).toBe(seeds.length);
});

test('a plan from which something is taken does the rest as before', () => {
  const plan = drawPlan(5);
  expect(drawPlan(5)).toEqual(plan);
  expect(without(plan, new Set())).toEqual(plan);
  for (const part of partsOf(plan)) {
    const less = without(plan, new Set([part]));
    expect(plan.steps).toEqual(expect.arrayContaining([...less.steps]));
    for (const step of less.steps) if ('node' in step) expect(less.nodes.map(({ name }) => name)).toContain(step.node);
  }
});

test('a failing run shrinks to little, which still fails', async () => {
  const bug = plantedBugs.find(({ title }) => title.startsWith('writes other bytes'));
  const tamper = { tamper: bug?.tamper && ((platform, _, random) => bug.tamper(platform, random, {})) } as Parameters<typeof shrink>[1];
  const failing = await runCampaign(drawPlan(7), tamper);
  expect(failing.problems.length).toBeGreaterThan(0);
  const { verdict, without: removed } = await shrink(failing, tamper);
  expect(verdict.problems.length).toBeGreaterThan(0);
  expect(verdict.plan.nodes).toHaveLength(2);
  expect(verdict.plan.steps.length).toBeLessThanOrEqual(2);
  expect(planOfCase(7, removed)).toEqual(verdict.plan);
  const text = report({ verdict, without: removed });
  expect(text).toMatch(/^Seed 7 fails:\n {2}.* shows other bytes/);
  expect(text).toContain('everything heals');
  expect(text).toContain(`npm run soak -- --seed 7 --without ${removed.join(',')}`);
});
