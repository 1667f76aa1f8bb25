import { type ContactTrace, encounterTrace, herdTrace, shippingTrace, vehicleLoopTrace, workingDayTrace } from '../src/simulation/index.ts';

/** A drawn trace, and what kind of place it is. */
export interface CarryingTrace {
  readonly name: string;
  /** `dense`: nearly all pairs are served by writers and subscribers alone. */
  readonly kind: 'sparse' | 'dense';
  /** The machine's constants were chosen without looking at it. */
  readonly isHeldOut: boolean;
  draw(): ContactTrace;
}

/** People, vehicles and animals, where carriers are needed and where they are waste. */
export const carryingTraces: readonly CarryingTrace[] = [
  {
    name: 'one office, 40 people',
    kind: 'dense',
    isHeldOut: false,
    draw: () => workingDayTrace({ people: 40, days: 5, offices: 1, roomsPerOffice: 8, meetingPlaces: 3, outingRatio: 0.5, seed: 1 }),
  },
  {
    name: 'three herds on little land',
    kind: 'dense',
    isHeldOut: false,
    draw: () => herdTrace({ animals: 30, groups: 3, patchesPerSide: 4, days: 12, changeRatio: 0.2, seed: 5 }),
  },
  {
    name: 'twelve offices, 60 people',
    kind: 'sparse',
    isHeldOut: false,
    draw: () => workingDayTrace({ people: 60, days: 12, offices: 12, roomsPerOffice: 3, meetingPlaces: 20, outingRatio: 0.2, seed: 2 }),
  },
  {
    name: 'twenty offices, 40 people',
    kind: 'sparse',
    isHeldOut: false,
    draw: () => workingDayTrace({ people: 40, days: 14, offices: 20, roomsPerOffice: 4, meetingPlaces: 25, outingRatio: 0.12, seed: 7 }),
  },
  {
    name: 'buses and sites',
    kind: 'sparse',
    isHeldOut: false,
    draw: () => vehicleLoopTrace({ vehicles: 12, routes: 4, stopsPerRoute: 12, sites: 25, days: 6, serviceRatio: 0.7, seed: 3 }),
  },
  {
    name: 'thirteen herds',
    kind: 'sparse',
    isHeldOut: false,
    draw: () => herdTrace({ animals: 40, groups: 13, patchesPerSide: 14, days: 20, changeRatio: 0.03, seed: 6 }),
  },
  {
    name: 'conference, 41 people',
    kind: 'dense',
    isHeldOut: false,
    draw: () =>
      encounterTrace({
        nodes: 41,
        days: 3,
        communities: 1,
        outsideRatio: 1,
        cutoffHours: 30,
        exponent: 0.35,
        spread: 0.5,
        activeHours: 14,
        attendance: 1,
        scanSeconds: 120,
        seed: 11,
      }),
  },
  {
    name: 'thirty buses in passing',
    kind: 'sparse',
    isHeldOut: false,
    draw: () =>
      encounterTrace({
        nodes: 30,
        days: 16,
        communities: 6,
        outsideRatio: 0.1,
        cutoffHours: 800,
        exponent: 0.5,
        spread: 0.6,
        activeHours: 16,
        attendance: 0.6,
        scanSeconds: 15,
        seed: 13,
      }),
  },
  {
    name: 'one office, 25 people',
    kind: 'dense',
    isHeldOut: false,
    draw: () => workingDayTrace({ people: 25, days: 8, offices: 1, roomsPerOffice: 4, meetingPlaces: 2, outingRatio: 0.3, seed: 101 }),
  },
  {
    name: 'three routes, many buses',
    kind: 'dense',
    isHeldOut: false,
    draw: () => vehicleLoopTrace({ vehicles: 30, routes: 3, stopsPerRoute: 9, sites: 0, days: 4, serviceRatio: 0.9, seed: 104 }),
  },
  {
    name: 'six herds on little land',
    kind: 'dense',
    isHeldOut: false,
    draw: () => herdTrace({ animals: 50, groups: 6, patchesPerSide: 4, days: 8, changeRatio: 0.3, seed: 106 }),
  },
  {
    name: 'thirty offices, 90 people',
    kind: 'sparse',
    isHeldOut: true,
    draw: () => workingDayTrace({ people: 90, days: 20, offices: 30, roomsPerOffice: 2, meetingPlaces: 30, outingRatio: 0.15, seed: 102 }),
  },
  {
    name: 'six routes, few buses',
    kind: 'sparse',
    isHeldOut: false,
    draw: () => vehicleLoopTrace({ vehicles: 35, routes: 6, stopsPerRoute: 18, sites: 10, days: 10, serviceRatio: 0.25, seed: 103 }),
  },
  {
    name: 'ten herds on much land',
    kind: 'sparse',
    isHeldOut: false,
    draw: () => herdTrace({ animals: 25, groups: 10, patchesPerSide: 20, days: 40, changeRatio: 0.02, seed: 105 }),
  },
  {
    // Its goals exclude each other: 0.59 of the pairs are more than 0.6 of the transmissions of FIFO epidemic, and each takes one at least.
    name: 'six ships, thirty ports',
    kind: 'sparse',
    isHeldOut: true,
    draw: () => shippingTrace({ ships: 6, ports: 30, days: 200, portsPerShip: 6, seed: 107 }),
  },
  {
    name: 'conference, 60 people',
    kind: 'dense',
    isHeldOut: false,
    draw: () =>
      encounterTrace({
        nodes: 60,
        days: 4,
        communities: 4,
        outsideRatio: 0.5,
        cutoffHours: 60,
        exponent: 0.4,
        spread: 0.6,
        activeHours: 12,
        attendance: 0.9,
        scanSeconds: 100,
        seed: 201,
      }),
  },
  {
    name: 'campus, 45 people',
    kind: 'sparse',
    isHeldOut: false,
    draw: () =>
      encounterTrace({
        nodes: 45,
        days: 50,
        communities: 9,
        outsideRatio: 0.006,
        cutoffHours: 200,
        exponent: 0.35,
        spread: 0.7,
        activeHours: 14,
        attendance: 0.7,
        scanSeconds: 300,
        seed: 202,
      }),
  },
  {
    name: 'twenty collars',
    kind: 'sparse',
    isHeldOut: false,
    draw: () =>
      encounterTrace({
        nodes: 20,
        days: 60,
        communities: 5,
        outsideRatio: 0.03,
        cutoffHours: 500,
        exponent: 0.5,
        spread: 0.4,
        activeHours: 24,
        attendance: 0.95,
        scanSeconds: 600,
        seed: 203,
      }),
  },
  {
    name: 'seventeen offices, 50 people',
    kind: 'sparse',
    isHeldOut: true,
    draw: () => workingDayTrace({ people: 50, days: 15, offices: 17, roomsPerOffice: 3, meetingPlaces: 18, outingRatio: 0.18, seed: 901 }),
  },
  {
    name: 'five routes, twenty buses',
    kind: 'sparse',
    isHeldOut: true,
    draw: () => vehicleLoopTrace({ vehicles: 20, routes: 5, stopsPerRoute: 15, sites: 15, days: 9, serviceRatio: 0.45, seed: 902 }),
  },
  {
    name: 'nine herds',
    kind: 'sparse',
    isHeldOut: true,
    draw: () => herdTrace({ animals: 32, groups: 9, patchesPerSide: 16, days: 28, changeRatio: 0.025, seed: 903 }),
  },
  {
    name: 'valley, 36 people',
    kind: 'sparse',
    isHeldOut: true,
    draw: () =>
      encounterTrace({
        nodes: 36,
        days: 30,
        communities: 6,
        outsideRatio: 0.02,
        cutoffHours: 250,
        exponent: 0.4,
        spread: 0.6,
        activeHours: 14,
        attendance: 0.75,
        scanSeconds: 200,
        seed: 904,
      }),
  },
  {
    name: 'two offices, 30 people',
    kind: 'dense',
    isHeldOut: true,
    draw: () => workingDayTrace({ people: 30, days: 7, offices: 2, roomsPerOffice: 5, meetingPlaces: 3, outingRatio: 0.5, seed: 905 }),
  },
  {
    name: 'workshop, 35 people',
    kind: 'dense',
    isHeldOut: true,
    draw: () =>
      encounterTrace({
        nodes: 35,
        days: 4,
        communities: 1,
        outsideRatio: 1,
        cutoffHours: 18,
        exponent: 0.4,
        spread: 0.5,
        activeHours: 13,
        attendance: 1,
        scanSeconds: 120,
        seed: 906,
      }),
  },
];
