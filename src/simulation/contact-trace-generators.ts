import { type Random, seededRandom } from '../core/random.ts';
import type { ContactTrace } from './contact-trace.ts';
import { type Stay, traceOfStays } from './stays.ts';

/**
 * Traces that nobody had to record: four kinds of movement that field sites know, each drawn from a seed.
 *
 * - **Working day** (after Ekman, Keränen, Karvo and Ott, "Working day movement model", 2008): people have a home and an office, sit in rooms, meet in others, and go out in the evening.
 * - **Vehicle loop**: vehicles go round on routes, meet at stops that routes share, and pass sites that never move.
 * - **Herd**: animals in groups that wander over patches of land, drink at the same water, split and change groups.
 * - **Ship**: ships between ports, days under way, days alongside.
 *
 * They differ in what carriers can learn: regular people, clockwork vehicles, animals that hardly repeat anything, and ships that are everything there is between two ports.
 */

const hourMs = 3_600_000;
const minuteMs = 60_000;
const dayMs = 24 * hourMs;

/** People between homes, offices and places to meet. */
export interface WorkingDay {
  readonly people: number;
  readonly days: number;
  /** Workplaces; nobody has two. */
  readonly offices: number;
  /** Rooms of each workplace; those in one room hear each other. */
  readonly roomsPerOffice: number;
  /** Places for the evening. */
  readonly meetingPlaces: number;
  /** Share of the evenings that somebody goes out, 0 to 1. */
  readonly outingRatio: number;
  readonly seed: number;
}

/** Draws a trace of people who go to work. */
export function workingDayTrace(plan: WorkingDay): ContactTrace {
  const random = seededRandom(plan.seed);
  const stays: Stay[] = [];
  for (let person = 0; person < plan.people; person++) {
    const node = `person-${person}`;
    const home = `home-${Math.floor(person / (1 + random.below(3)))}`;
    const office = person % plan.offices;
    const ownRoom = random.below(plan.roomsPerOffice);
    const haunt = random.below(plan.meetingPlaces);
    let homeSinceMs = 0;
    for (let day = 0; day < plan.days; day++) {
      const isWorkday = day % 7 < 5 && random.float() < 0.93;
      let atMs = day * dayMs + (7 + 2.5 * random.float()) * hourMs;
      const leave = (untilMs: number) => {
        if (untilMs > homeSinceMs) stays.push({ node, place: home, beginMs: homeSinceMs, endMs: untilMs });
      };
      if (isWorkday) {
        leave(atMs);
        atMs += (10 + random.below(40)) * minuteMs;
        const endMs = day * dayMs + (15.5 + 2.5 * random.float()) * hourMs;
        while (atMs < endMs) {
          const isMeeting = random.float() < 0.4;
          const room = isMeeting ? random.below(plan.roomsPerOffice) : ownRoom;
          const lastsMs = isMeeting ? (5 + random.below(50)) * minuteMs : (20 + random.below(100)) * minuteMs;
          stays.push({ node, place: `office-${office}-${room}`, beginMs: atMs, endMs: Math.min(endMs, atMs + lastsMs) });
          atMs += lastsMs + random.below(3 * minuteMs);
        }
        atMs = Math.max(atMs, endMs);
        homeSinceMs = atMs + 30 * minuteMs;
      }
      if (random.float() < plan.outingRatio) {
        const beginMs = day * dayMs + (18.5 + 1.5 * random.float()) * hourMs;
        leave(beginMs - 20 * minuteMs);
        const place = random.float() < 0.7 ? haunt : random.below(plan.meetingPlaces);
        const lastsMs = (40 + random.below(100)) * minuteMs;
        stays.push({ node, place: `out-${place}`, beginMs, endMs: beginMs + lastsMs });
        homeSinceMs = beginMs + lastsMs + 15 * minuteMs;
      }
    }
    stays.push({ node, place: home, beginMs: homeSinceMs, endMs: Math.max(homeSinceMs, plan.days * dayMs) });
  }
  return traceOfStays(stays);
}

/** Vehicles on routes, and sites beside them. */
export interface VehicleLoop {
  readonly vehicles: number;
  readonly routes: number;
  /** Stops of each route; every third one is shared with other routes. */
  readonly stopsPerRoute: number;
  /** Sites that never move, each at a stop of its own choice. */
  readonly sites: number;
  readonly days: number;
  /** Share of the days that a vehicle is in service, 0 to 1. */
  readonly serviceRatio: number;
  readonly seed: number;
}

/** Draws a trace of vehicles that go round. */
export function vehicleLoopTrace(plan: VehicleLoop): ContactTrace {
  const random = seededRandom(plan.seed);
  const routes = Array.from({ length: plan.routes }, (_, route) =>
    Array.from({ length: plan.stopsPerRoute }, (_, stop) =>
      stop % 3 === 0 ? `hub-${random.below(Math.max(2, plan.routes))}` : `stop-${route}-${stop}`,
    ),
  );
  const stays: Stay[] = [];
  for (let site = 0; site < plan.sites; site++) {
    const route = pick(random, routes);
    stays.push({ node: `site-${site}`, place: pick(random, route), beginMs: 0, endMs: plan.days * dayMs });
  }
  for (let vehicle = 0; vehicle < plan.vehicles; vehicle++) {
    for (let day = 0; day < plan.days; day++) {
      if (random.float() >= plan.serviceRatio) continue;
      // Vehicles keep to their routes on most days.
      const route = random.float() < 0.8 ? routes[vehicle % plan.routes] : pick(random, routes);
      if (route === undefined) continue;
      const endMs = day * dayMs + (17 + 5 * random.float()) * hourMs;
      let stop = random.below(route.length);
      const step = random.float() < 0.5 ? 1 : route.length - 1;
      for (let atMs = day * dayMs + (5 + 3 * random.float()) * hourMs; atMs < endMs; stop = (stop + step) % route.length) {
        const lastsMs = 20_000 + random.below(3 * minuteMs);
        stays.push({ node: `vehicle-${vehicle}`, place: route[stop] ?? '', beginMs: atMs, endMs: atMs + lastsMs });
        atMs += lastsMs + (3 + random.below(8)) * minuteMs;
      }
    }
  }
  return traceOfStays(stays);
}

/** Animals in groups. */
export interface Herd {
  readonly animals: number;
  readonly groups: number;
  /** Patches of the land, a square of this many a side. */
  readonly patchesPerSide: number;
  readonly days: number;
  /** Chance that an animal changes its group on a day, 0 to 1. */
  readonly changeRatio: number;
  readonly seed: number;
}

/** Draws a trace of animals. A patch is wider than their radios reach, so they hear each other at times. */
export function herdTrace(plan: Herd): ContactTrace {
  const random = seededRandom(plan.seed);
  const side = plan.patchesPerSide;
  const water = Array.from({ length: Math.max(1, Math.round(side / 3)) }, () => ({ x: random.below(side), y: random.below(side) }));
  const groups = Array.from({ length: plan.groups }, () => ({ x: random.below(side), y: random.below(side) }));
  const groupOf = Array.from({ length: plan.animals }, (_, animal) => animal % plan.groups);
  const stays: Stay[] = [];
  for (let hour = 0; hour < plan.days * 24; hour++) {
    for (const group of groups) {
      if (hour % 24 === 7) Object.assign(group, random.float() < 0.4 ? pick(random, water) : group);
      else if (random.float() < 0.3) {
        group.x = Math.min(side - 1, Math.max(0, group.x + random.below(3) - 1));
        group.y = Math.min(side - 1, Math.max(0, group.y + random.below(3) - 1));
      }
    }
    for (let animal = 0; animal < plan.animals; animal++) {
      if (hour % 24 === 0 && random.float() < plan.changeRatio) groupOf[animal] = random.below(plan.groups);
      const group = groups[groupOf[animal] ?? 0];
      if (group === undefined) continue;
      const strays = random.float() < 0.15;
      const x = group.x + (strays ? random.below(3) - 1 : 0);
      const y = group.y + (strays ? random.below(3) - 1 : 0);
      const beginMs = hour * hourMs + random.below(40 * minuteMs);
      const endMs = beginMs + (1 + random.below(15)) * minuteMs;
      stays.push({ node: `animal-${animal}`, place: `${x} ${y} ${random.below(4)}`, beginMs, endMs });
    }
  }
  return traceOfStays(stays);
}

/** Ships and the ports they call at. */
export interface Shipping {
  readonly ships: number;
  readonly ports: number;
  readonly days: number;
  /** Ports that each ship calls at in turn; it goes elsewhere now and then. */
  readonly portsPerShip: number;
  readonly seed: number;
}

/** Draws a trace of ships and ports. Ports never move and never hear each other. */
export function shippingTrace(plan: Shipping): ContactTrace {
  const random = seededRandom(plan.seed);
  const stays: Stay[] = [];
  for (let port = 0; port < plan.ports; port++)
    stays.push({ node: `port-${port}`, place: `port-${port}`, beginMs: 0, endMs: plan.days * dayMs });
  for (let ship = 0; ship < plan.ships; ship++) {
    const calls = Array.from({ length: plan.portsPerShip }, () => random.below(plan.ports));
    for (let atMs = 2 * dayMs * random.float(), call = 0; atMs < plan.days * dayMs; call++) {
      const port = random.float() < 0.9 ? calls[call % calls.length] : random.below(plan.ports);
      const lastsMs = (6 + 42 * random.float()) * hourMs;
      stays.push({ node: `ship-${ship}`, place: `port-${port}`, beginMs: atMs, endMs: Math.min(plan.days * dayMs, atMs + lastsMs) });
      atMs += lastsMs + (1 + 6 * random.float()) * dayMs;
    }
  }
  return traceOfStays(stays);
}

function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.below(list.length)] as T;
}
