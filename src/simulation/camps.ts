import type { Rehearsal } from './rehearsal-plan.ts';

/**
 * Camps of the kinds that are met most, to rehearse as they are or to begin one's own from: copy one, change its figures to those of the site, and rehearse it.
 */

const byName = {
  'two-valleys': {
    name: 'Two valleys and a repeater on the ridge',
    days: 2,
    sites: [
      { name: 'north-valley', power: { batteryWattHours: 240, supplyWatts: 4, drawWatts: 3 } },
      { name: 'ridge', power: { batteryWattHours: 480, supplyWatts: 8, drawWatts: 3 } },
      { name: 'south-valley' },
    ],
    links: [
      { between: ['north-valley', 'ridge'], preset: 'radio-modem-vhf' },
      { between: ['ridge', 'south-valley'], preset: 'wifi-long-range' },
    ],
    instruments: [{ name: 'met-north', site: 'north-valley', rowsPerHour: 60 }],
    files: [{ name: 'photo', site: 'north-valley', sizeBytes: 150_000, everyHours: 12 }],
    wantedAt: ['south-valley'],
    hoursMax: { normal: 2, bulk: 24 },
  },
  'ship-and-shore': {
    name: 'Ship and shore',
    days: 2,
    sites: [{ name: 'office' }, { name: 'ship' }, { name: 'shore' }],
    links: [
      { between: ['ship', 'office'], preset: 'iridium-certus-100' },
      { between: ['ship', 'shore'], preset: 'lte-rural', hoursOfDay: [[18, 22]] },
      { between: ['shore', 'office'], preset: 'geo-broadband' },
    ],
    instruments: [{ name: 'thermosalinograph', site: 'ship', rowsPerHour: 60, readEveryMinutes: 120, priority: 'critical' }],
    files: [{ name: 'sonar', site: 'ship', sizeBytes: 400_000, everyHours: 12 }],
    wantedAt: ['office'],
    hoursMax: { critical: 3, bulk: 24 },
  },
  'ice-core-camp': {
    name: 'Ice core camp',
    days: 3,
    sites: [
      { name: 'camp', power: { batteryWattHours: 1200, supplyWatts: 30, drawWatts: 8 } },
      { name: 'drill', diskBytes: 64e6 },
      { name: 'home' },
    ],
    links: [
      { between: ['drill', 'camp'], preset: 'wifi-near' },
      { between: ['camp', 'home'], preset: 'iridium-dial-up', hoursOfDay: [[6, 7]] },
    ],
    instruments: [{ name: 'weather', site: 'camp', rowsPerHour: 6 }],
    files: [
      { name: 'core-log', site: 'drill', sizeBytes: 6000, everyHours: 8, priority: 'critical' },
      { name: 'scan', site: 'drill', sizeBytes: 800_000, everyHours: 12 },
    ],
    wantedAt: ['home'],
    hoursMax: { critical: 30, normal: 30 },
  },
  'drone-relay': {
    name: 'Drone relay',
    days: 1,
    sites: [{ name: 'plot' }, { name: 'drone', diskBytes: 32e6 }, { name: 'truck' }],
    contacts: [7, 12, 17].flatMap((hour) => [
      { a: 'plot', b: 'drone', fromMs: hour * 3_600_000, toMs: hour * 3_600_000 + 120_000 },
      { a: 'drone', b: 'truck', fromMs: hour * 3_600_000 + 600_000, toMs: hour * 3_600_000 + 1_200_000 },
    ]),
    instruments: [{ name: 'soil', site: 'plot', rowsPerHour: 12 }],
    files: [{ name: 'camera-trap', site: 'plot', sizeBytes: 700_000, everyHours: 6 }],
    wantedAt: ['truck'],
    hoursMax: { normal: 8, bulk: 12 },
  },
  'data-mule': {
    name: 'Nothing but a person with a stick',
    days: 7,
    sites: [{ name: 'gauge-1' }, { name: 'gauge-2' }, { name: 'office' }],
    instruments: [
      { name: 'level-1', site: 'gauge-1', rowsPerHour: 4, readEveryMinutes: 720 },
      { name: 'level-2', site: 'gauge-2', rowsPerHour: 4, readEveryMinutes: 720 },
    ],
    files: [{ name: 'photo', site: 'gauge-1', sizeBytes: 400_000, everyHours: 48 }],
    trips: [
      {
        who: 'Lena',
        carries: 'usb-stick',
        stops: [
          { site: 'gauge-1', hour: 33, minutes: 20 },
          { site: 'gauge-2', hour: 35, minutes: 20 },
          { site: 'office', hour: 40, minutes: 60 },
        ],
        everyHours: 72,
      },
    ],
    wantedAt: ['office'],
    hoursMax: { normal: 96, bulk: 168 },
  },
} satisfies Readonly<Record<string, Rehearsal>>;

/** Name of a camp. */
export type CampName = keyof typeof byName;

/** Camps to rehearse, by name. */
export const camps: Readonly<Record<CampName, Rehearsal>> = byName;
