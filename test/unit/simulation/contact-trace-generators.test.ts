import { describe, expect, it } from 'vitest';
import type { ContactTrace } from '../../../src/simulation/contact-trace.ts';
import { herdTrace, shippingTrace, vehicleLoopTrace, workingDayTrace } from '../../../src/simulation/contact-trace-generators.ts';
import { traceOfStays } from '../../../src/simulation/stays.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

const drawn: Readonly<Record<string, (seed: number) => ContactTrace>> = {
  'working days': (seed) =>
    workingDayTrace({ people: 20, days: 7, offices: 4, roomsPerOffice: 3, meetingPlaces: 4, outingRatio: 0.3, seed }),
  'vehicles in a loop': (seed) =>
    vehicleLoopTrace({ vehicles: 8, routes: 3, stopsPerRoute: 9, sites: 5, days: 3, serviceRatio: 0.7, seed }),
  herds: (seed) => herdTrace({ animals: 15, groups: 5, patchesPerSide: 6, days: 7, changeRatio: 0.1, seed }),
  ships: (seed) => shippingTrace({ ships: 5, ports: 6, days: 90, portsPerShip: 3, seed }),
};

describe.each(Object.entries(drawn))('%s', (_, draw) => {
  it('are the same with the same seed, and others with another', () => {
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });

  it('meet in order, each pair once at a time', () => {
    const { nodes, contacts, durationMs } = draw(3);
    expect(contacts.length).toBeGreaterThan(nodes.length);
    const endOfPair = new Map<string, number>();
    let before = 0;
    for (const { a, b, beginMs, endMs } of contacts) {
      expect(a).toBeLessThan(b);
      expect(beginMs).toBeGreaterThanOrEqual(before);
      expect(endMs).toBeGreaterThan(beginMs);
      expect(endMs).toBeLessThanOrEqual(durationMs);
      expect(beginMs).toBeGreaterThan(endOfPair.get(`${a} ${b}`) ?? -1);
      endOfPair.set(`${a} ${b}`, endMs);
      before = beginMs;
    }
  });
});

describe('what each kind of movement is like', () => {
  it('people of other offices meet at home and in the evening only', () => {
    const trace = workingDayTrace({ people: 20, days: 7, offices: 4, roomsPerOffice: 3, meetingPlaces: 4, outingRatio: 0, seed: 1 });
    const pairs = new Set(trace.contacts.map(({ a, b }) => `${a} ${b}`));
    expect(pairs.size).toBeLessThan((20 * 19) / 2 / 2);
  });

  it('ports hear ships, and never each other', () => {
    const { nodes, contacts } = shippingTrace({ ships: 5, ports: 6, days: 90, portsPerShip: 3, seed: 1 });
    for (const { a, b } of contacts) expect(`${nodes[a]} ${nodes[b]}`).toMatch(/ship/);
  });

  it('sites beside the road hear vehicles by day', () => {
    const { nodes, contacts } = vehicleLoopTrace({ vehicles: 8, routes: 3, stopsPerRoute: 9, sites: 5, days: 3, serviceRatio: 1, seed: 1 });
    const withVehicles = contacts.filter(({ a, b }) => nodes[a]?.startsWith('vehicle') || nodes[b]?.startsWith('vehicle'));
    expect(withVehicles.length).toBeGreaterThan(50);
    for (const { endMs, beginMs } of withVehicles) expect(endMs - beginMs).toBeLessThan(hourMs);
  });

  it('animals that change their herd meet more others', () => {
    const pairs = (changeRatio: number) =>
      new Set(
        herdTrace({ animals: 20, groups: 7, patchesPerSide: 20, days: 10, changeRatio, seed: 1 }).contacts.map(({ a, b }) => `${a} ${b}`),
      ).size;
    expect(pairs(0.5)).toBeGreaterThan(1.5 * pairs(0));
  });
});

describe('stays', () => {
  it('make contacts of those who are at one place at one time', () => {
    const { nodes, contacts } = traceOfStays([
      { node: 'x', place: 'hut', beginMs: 0, endMs: dayMs },
      { node: 'y', place: 'hut', beginMs: hourMs, endMs: 2 * hourMs },
      { node: 'z', place: 'hut', beginMs: 2 * hourMs, endMs: 3 * hourMs },
      { node: 'y', place: 'ridge', beginMs: 2 * hourMs, endMs: dayMs },
      { node: 'x', place: 'hut', beginMs: dayMs - hourMs, endMs: dayMs },
    ]);
    expect(nodes).toEqual(['x', 'y', 'z']);
    expect(contacts).toEqual([
      { a: 0, b: 1, beginMs: 0, endMs: hourMs },
      { a: 0, b: 2, beginMs: hourMs, endMs: 2 * hourMs },
    ]);
  });
});
