import { expect, test } from 'vitest';
import { runCampaign } from '../../src/simulation/campaign.ts';
import type { CampaignPlan, Deed } from '../../src/simulation/campaign-plan.ts';

/**
 * What the campaign has found, shrunk, each as the plan itself: a plan drawn from a seed changes with the way plans are drawn. The seed is the one that showed it first.
 */

function twoComputers(...deeds: readonly Deed[]): CampaignPlan {
  return {
    seed: 1,
    nodes: [
      { name: 'base', scheme: 'tcp', syncMs: 40, manner: 'polite', isLate: false },
      { name: 'ridge', parent: 'base', scheme: 'udp', syncMs: 5, manner: 'polite', isLate: false },
    ],
    links: [{ a: 'base', b: 'ridge', medium: '' }],
    conflictPolicy: 'keep-both',
    fileCount: 3,
    bytesMax: 800,
    steps: deeds.map((deed, index) => ({ ...deed, number: index + 1, thenMs: 10_000 })),
  };
}

/** The two, and a truck that carries between them. */
function withTruck(...deeds: readonly (Deed & { readonly thenMs: number })[]): CampaignPlan {
  const two = twoComputers();
  return {
    ...two,
    nodes: [...two.nodes, { name: 'truck', parent: 'base', scheme: 'udp', syncMs: 5, manner: 'polite', isLate: false, isCarrier: true }],
    links: [...two.links, { a: 'base', b: 'truck', medium: '' }, { a: 'ridge', b: 'truck', medium: '' }],
    fileCount: 1,
    bytesMax: 30_000,
    steps: deeds.map((deed, index) => ({ ...deed, number: index + 1 })),
  };
}

const found: readonly { readonly title: string; readonly plan: CampaignPlan }[] = [
  {
    title: 'a file that arrived while the disk was full is written when there is room (seed 102)',
    plan: twoComputers({ do: 'disk', node: 'ridge', freeBytes: 493 }, { do: 'edit', node: 'base', seed: 1_397_764_089 }),
  },
  {
    title: 'a content that is found lost by work in the background is fetched again, also where nothing else happens (seed 1,003,057)',
    plan: {
      ...twoComputers(),
      seed: 1_003_057,
      nodes: [
        { name: 'base', scheme: 'udp', syncMs: 40, manner: 'fair', isLate: false },
        { name: 'ridge', parent: 'base', scheme: 'udp', syncMs: 5, manner: 'polite', isLate: false },
      ],
      fileCount: 2,
      steps: [
        { do: 'disk', node: 'ridge', freeBytes: 681, number: 1, thenMs: 208_000 },
        { do: 'edit', node: 'base', seed: 4_256_384_625, number: 2, thenMs: 126_000 },
        { do: 'rot', node: 'ridge', number: 3, thenMs: 7000 },
      ],
    },
  },
  {
    title: 'a content pushed on top of what has another name here since a log forked is asked for anew (seed 1,004,030)',
    plan: {
      seed: 1_004_030,
      nodes: [
        { name: 'base', scheme: 'udp', syncMs: 2000, manner: 'fair', isLate: false },
        { name: 'ridge', parent: 'base', scheme: 'udp', syncMs: 300, manner: 'fair', isLate: false },
        { name: 'valley', parent: 'base', scheme: 'udp', syncMs: 300, manner: 'polite', isLate: false },
      ],
      links: [
        { a: 'base', b: 'ridge', medium: '' },
        { a: 'base', b: 'valley', medium: '' },
      ],
      conflictPolicy: 'merge',
      fileCount: 1,
      bytesMax: 60,
      steps: [
        { do: 'back up', node: 'valley', number: 1, thenMs: 0 },
        { do: 'restore', node: 'ridge', seed: 4_144_902_017, number: 2, thenMs: 0 },
        { do: 'edit', node: 'base', seed: 1_124_753_332, number: 3, thenMs: 3000 },
        { do: 'restore', node: 'base', seed: 145_106_989, number: 4, thenMs: 164_000 },
        { do: 'rearrange', node: 'valley', seed: 3_773_518_052, number: 5, thenMs: 6000 },
      ],
    },
  },
  {
    title: 'a log that forked behind a backup is noticed although only later entries are exchanged (seed 1)',
    plan: twoComputers(
      { do: 'edit', node: 'ridge', seed: 1 },
      { do: 'back up', node: 'ridge' },
      { do: 'edit', node: 'ridge', seed: 2 },
      { do: 'edit', node: 'ridge', seed: 3 },
      { do: 'restore', node: 'ridge', seed: 4 },
      { do: 'edit', node: 'ridge', seed: 5 },
      { do: 'edit', node: 'ridge', seed: 6 },
    ),
  },
  {
    title: 'a transfer goes on without the base that both ends have lost (seed 221)',
    plan: {
      ...twoComputers(
        { do: 'edit', node: 'base', seed: 2 },
        { do: 'rot', node: 'base' },
        { do: 'rot', node: 'ridge' },
        { do: 'edit', node: 'base', seed: 102 },
      ),
      fileCount: 1,
      bytesMax: 30_000,
    },
  },
  {
    title: 'a carrier lets go of what was replaced without it, when everybody has both (seed 9,100,007)',
    plan: withTruck(
      { do: 'edit', node: 'base', seed: 1, thenMs: 30_000 },
      { do: 'kill', node: 'truck', thenMs: 0 },
      { do: 'edit', node: 'base', seed: 2, thenMs: 30_000 },
    ),
  },
  {
    title:
      'a carrier that is switched on again lets go of what it had begun to fetch, and of its base, when everybody has it (seed 9,100,040)',
    plan: withTruck(
      { do: 'edit', node: 'base', seed: 1, thenMs: 30_000 },
      { do: 'edit', node: 'base', seed: 4, thenMs: 300 },
      { do: 'kill', node: 'truck', thenMs: 30_000 },
    ),
  },
];

test.each(found)('$title', async ({ plan }) => {
  expect((await runCampaign(plan)).problems).toEqual([]);
});
