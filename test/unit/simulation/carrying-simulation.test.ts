import { describe, expect, it } from 'vitest';
import { godwitCarrying } from '../../../src/simulation/carrying-agent.ts';
import { fifoEpidemic, prophet, sprayAndWait, subscribersOnly } from '../../../src/simulation/carrying-baselines.ts';
import {
  type CarriageConditions,
  type CarriageItem,
  type CarriagePolicy,
  drawCarriage,
  reachablePairs,
  simulateCarriage,
} from '../../../src/simulation/carrying-simulation.ts';
import { type ContactTrace, contactTraceOf } from '../../../src/simulation/contact-trace.ts';
import { herdTrace } from '../../../src/simulation/contact-trace-generators.ts';

const conditions: CarriageConditions = { spaceBytes: 1000, rateBytesPerSecond: 100, setupBytes: 0 };

/** Contacts of named nodes in seconds. */
function traceOf(...contacts: readonly (readonly [string, string, number, number])[]): ContactTrace {
  return contactTraceOf(contacts.map(([a, b, begin, end]) => ({ a, b, beginMs: begin * 1000, endMs: end * 1000 })));
}

function item(key: string, source: number, subscribers: readonly number[], bytes = 100, createdMs = 0): CarriageItem {
  return { key, source, subscribers, bytes, createdMs };
}

describe('a contact', () => {
  it('moves as much as it lasts, and what is cut off is lost but counted', () => {
    const trace = traceOf(['writer', 'reader', 0, 2.5]);
    const items = ['x', 'y', 'z'].map((key) => item(key, 0, [1]));
    const figures = simulateCarriage(trace, items, conditions, subscribersOnly(conditions));
    expect(figures).toMatchObject({ pairs: 3, served: 2, transmissions: 3 });
    expect(figures.itemBytes).toBeLessThanOrEqual(250);
    expect(figures.itemBytes).toBeGreaterThan(220);
  });

  it('pays for its set-up and its digests first', () => {
    const trace = traceOf(['writer', 'reader', 0, 2]);
    const dear = { ...conditions, setupBytes: 150 };
    expect(simulateCarriage(trace, [item('x', 0, [1])], dear, subscribersOnly(dear))).toMatchObject({
      served: 0,
      setupBytes: 150,
      digestBytes: 4,
    });
    const { setupBytes: _, ...ordinary } = conditions;
    expect(simulateCarriage(trace, [item('x', 0, [1])], ordinary, subscribersOnly(ordinary))).toMatchObject({
      setupBytes: 603,
      transmissions: 0,
    });
  });

  it('goes on with what comes while it lasts', () => {
    const trace = traceOf(['writer', 'relay', 0, 60], ['relay', 'reader', 10, 60]);
    const figures = simulateCarriage(trace, [item('x', 0, [2], 100, 30_000)], conditions, fifoEpidemic(conditions));
    expect(figures).toMatchObject({ served: 1, transmissions: 2, meanDelayMs: 2000, carriedBytesMax: 100 });
  });

  it('does not bring what another contact is just bringing', () => {
    const trace = traceOf(['writer', 'mule', 0, 5], ['writer', 'reader', 10, 20], ['mule', 'reader', 10, 20]);
    const figures = simulateCarriage(trace, [item('x', 0, [2])], conditions, fifoEpidemic(conditions));
    expect(figures).toMatchObject({ served: 1, transmissions: 2 });
  });
});

describe('the policies that are compared', () => {
  const line = traceOf(['writer', 'mule', 0, 10], ['mule', 'reader', 20, 30]);
  const served = (policy: CarriagePolicy, trace = line) => simulateCarriage(trace, [item('x', 0, [2])], conditions, policy).served;

  it('differ in whom they use as carriers', () => {
    expect(served(subscribersOnly(conditions))).toBe(0);
    expect(served(fifoEpidemic(conditions))).toBe(1);
    expect(served(sprayAndWait(conditions, 2))).toBe(1);
    expect(served(sprayAndWait(conditions, 1))).toBe(0);
    expect(served(godwitCarrying(conditions, 20))).toBe(1);
    // PRoPHET needs a carrier that met the reader before.
    expect(served(prophet(conditions))).toBe(0);
    const known = traceOf(['writer', 'mule', 60, 70], ['mule', 'reader', 0, 10], ['mule', 'reader', 80, 90]);
    expect(
      simulateCarriage(known, [item('x', known.nodes.indexOf('writer'), [known.nodes.indexOf('reader')])], conditions, prophet(conditions))
        .served,
    ).toBe(1);
  });

  it('drop what they carried longest, and what is too large for them', () => {
    const small = { ...conditions, spaceBytes: 100 };
    const trace = traceOf(['writer', 'mule', 0, 10], ['mule', 'reader', 20, 30]);
    const figures = simulateCarriage(trace, [item('x', 0, [2]), item('y', 0, [2]), item('big', 0, [2], 500)], small, fifoEpidemic(small));
    expect(figures).toMatchObject({ served: 1, carriedBytesMax: 100, copiesLeft: 1 });
  });
});

describe('a workload', () => {
  it('is drawn with other subscribers than the writer, in the order of creation', () => {
    const trace = herdTrace({ animals: 6, groups: 2, patchesPerSide: 3, days: 2, changeRatio: 0.1, seed: 1 });
    const items = drawCarriage(trace, { items: 50, subscribersPerItem: 3, itemBytes: 10, createdWithin: 0.25, seed: 1 });
    for (const { source, subscribers, createdMs } of items) {
      expect(new Set([source, ...subscribers]).size).toBe(4);
      expect(createdMs).toBeLessThan(trace.durationMs / 4);
    }
    expect(items.map(({ createdMs }) => createdMs)).toEqual(items.map(({ createdMs }) => createdMs).sort((a, b) => a - b));
    expect(drawCarriage(trace, { items: 1, subscribersPerItem: 99, itemBytes: 10, seed: 1 })[0]?.subscribers).toHaveLength(5);
  });
});

describe('carrying on a trace of herds', () => {
  /** Half of the way from FIFO epidemic to the bound is asked for, and a twentieth more than it. */
  const compare = (trace: ContactTrace, itemsPerContact: number) => {
    const items = drawCarriage(trace, { items: 200, subscribersPerItem: 5, itemBytes: 100_000, seed: 2 });
    const there = { spaceBytes: 20 * 100_000, rateBytesPerSecond: (itemsPerContact * 100_000) / 200 };
    const ours = simulateCarriage(trace, items, there, godwitCarrying(there, trace.nodes.length));
    return { items, ours, epidemic: simulateCarriage(trace, items, there, fifoEpidemic(there)), bound: reachablePairs(trace, items) };
  };

  it('serves more than FIFO epidemic with fewer transmissions where carriers are needed', () => {
    const { ours, epidemic, bound } = compare(
      herdTrace({ animals: 40, groups: 13, patchesPerSide: 14, days: 20, changeRatio: 0.03, seed: 6 }),
      10,
    );
    expect(ours.served).toBeGreaterThanOrEqual(1.05 * epidemic.served);
    expect(ours.served).toBeGreaterThanOrEqual((epidemic.served + bound) / 2);
    expect(ours.served).toBeLessThanOrEqual(bound);
    expect(ours.transmissions).toBeLessThanOrEqual(0.6 * epidemic.transmissions);
    expect(ours.digestBytesMax).toBeLessThanOrEqual(2 * 9202);
  });

  it('hardly carries at all where everybody meets everybody', () => {
    const { ours, epidemic } = compare(herdTrace({ animals: 30, groups: 3, patchesPerSide: 4, days: 12, changeRatio: 0.2, seed: 5 }), 10);
    expect(ours.served).toBeGreaterThanOrEqual(0.99 * epidemic.served);
    expect(ours.transmissions).toBeLessThanOrEqual(1.3 * ours.served);
  });
});
