import { describe, expect, it } from 'vitest';
import type { ContactTrace } from '../../../src/simulation/contact-trace.ts';
import { type Encounters, encounterTrace } from '../../../src/simulation/encounter-trace.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

const plan: Encounters = {
  nodes: 24,
  days: 10,
  communities: 4,
  outsideRatio: 0.02,
  cutoffHours: 20,
  exponent: 0.5,
  spread: 0.5,
  activeHours: 12,
  attendance: 1,
  scanSeconds: 120,
  seed: 1,
};

function contactsOf({ nodes, contacts }: ContactTrace, node: number): number {
  const position = nodes.indexOf(`node-${node}`);
  return contacts.filter(({ a, b }) => a === position || b === position).length;
}

describe('pairs that meet by themselves', () => {
  it('are the same with the same seed, and others with another', () => {
    expect(encounterTrace(plan)).toEqual(encounterTrace(plan));
    expect(encounterTrace(plan)).not.toEqual(encounterTrace({ ...plan, seed: 2 }));
  });

  it('meet mostly within their communities', () => {
    const { nodes, contacts } = encounterTrace(plan);
    const community = (position: number) => Number((nodes[position] ?? '').slice(5)) % plan.communities;
    const inside = contacts.filter(({ a, b }) => community(a) === community(b)).length;
    expect(inside).toBeGreaterThan(contacts.length / 2);
    expect(inside).toBeLessThan(contacts.length);
  });

  it('meet by day only, never shorter than a scan except at nightfall', () => {
    const { contacts } = encounterTrace(plan);
    const firstMs = contacts[0]?.beginMs ?? 0;
    // The trace begins at its first contact; whatever that was, half of every day is still.
    const hours = new Set(contacts.map(({ beginMs }) => Math.floor(((beginMs - firstMs) % dayMs) / hourMs)));
    expect(hours.size).toBeLessThanOrEqual(14);
    const short = contacts.filter(({ beginMs, endMs }) => endMs - beginMs < plan.scanSeconds * 1000).length;
    expect(short).toBeLessThan(contacts.length / 50);
  });

  it('meet again soon more often than later, with gaps that end beyond the cutoff', () => {
    const { contacts, durationMs } = encounterTrace({ ...plan, nodes: 2, days: 200, communities: 1, spread: 0 });
    const gapsMs = contacts.slice(1).map(({ beginMs }, i) => beginMs - (contacts[i]?.endMs ?? 0));
    const within = (fromMs: number, toMs: number) => gapsMs.filter((gapMs) => gapMs >= fromMs && gapMs < toMs).length / gapsMs.length;
    // Beyond half an hour, of a power law with exponent 0.5 from two minutes on, a quarter is left.
    expect(within(hourMs / 2, durationMs)).toBeGreaterThan(0.1);
    expect(within(hourMs / 2, durationMs)).toBeLessThan(0.4);
    expect(within(20 * dayMs, durationMs)).toBeLessThan(0.01);
  });

  it('differ more the wider their sociability is spread, and come less often when they stay away', () => {
    const most = (trace: ContactTrace) => Math.max(...Array.from({ length: plan.nodes }, (_, node) => contactsOf(trace, node)));
    const meanOf = (trace: ContactTrace) => (2 * trace.contacts.length) / plan.nodes;
    const alike = encounterTrace({ ...plan, spread: 0 });
    const unlike = encounterTrace({ ...plan, spread: 1 });
    expect(most(unlike) / meanOf(unlike)).toBeGreaterThan(most(alike) / meanOf(alike));
    expect(encounterTrace({ ...plan, attendance: 0.5 }).contacts.length).toBeLessThan(encounterTrace(plan).contacts.length / 2);
  });
});
