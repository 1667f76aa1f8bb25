import * as v from 'valibot';
import { type PriorityClass, priorityClasses } from '../core/priority.ts';
import { type LinkPresetName, linkPresets } from './presets.ts';

/**
 * What a team knows of its camp before it leaves: who stands where, what joins them, what is measured, who walks past. Everything is data, so a camp can be kept in a file, changed in one place and
 * rehearsed again.
 *
 * Hours count from the beginning of the rehearsal, which is midnight.
 */

/** A place with a computer. */
export interface RehearsalSite {
  /** 1 to 32 letters, digits and hyphens. */
  readonly name: string;
  /** What the disk takes; absent: more than is needed. */
  readonly diskBytes?: number;
  /** Absent: there is always power. The battery is full at the beginning; the computer is switched off when it is empty, and on again at a fifth. */
  readonly power?: RehearsalPower;
}

/** What feeds a computer. */
export interface RehearsalPower {
  readonly batteryWattHours: number;
  /** What sun and wind bring, day and night taken together. */
  readonly supplyWatts: number;
  /** What the computer draws without its radios. */
  readonly drawWatts: number;
}

/** A link between two sites. The first has the modem, where only one end has one. */
export interface RehearsalLink {
  readonly between: readonly [string, string];
  readonly preset: LinkPresetName;
  /** When it is switched on each day, `[from, until)` in hours from midnight: `[[6, 7], [18, 19.5]]`; absent: always. `[22, 26]` goes on until two in the morning. */
  readonly hoursOfDay?: readonly (readonly [number, number])[];
}

/** Something that measures at a site. */
export interface RehearsalInstrument {
  readonly name: string;
  readonly site: string;
  readonly rowsPerHour: number;
  /** How often the computer reads it. Default 60. */
  readonly readEveryMinutes?: number;
  /** Default `normal`. */
  readonly priority?: PriorityClass;
}

/** A file that comes into being at a site, once or again and again. Its bytes do not compress, as those of pictures. */
export interface RehearsalFile {
  readonly name: string;
  readonly site: string;
  readonly sizeBytes: number;
  /** Default 1. */
  readonly firstHour?: number;
  /** Absent: once. */
  readonly everyHours?: number;
  /** Default `bulk`. */
  readonly priority?: PriorityClass;
}

/** Where somebody stops on the way. */
export interface RehearsalStop {
  readonly site: string;
  readonly hour: number;
  readonly minutes: number;
}

/** Somebody who carries data: on a stick that is plugged in at each stop, or on a laptop that is in the site's Wi-Fi meanwhile. */
export interface RehearsalTrip {
  /** Also the name of the laptop; as site names. */
  readonly who: string;
  readonly carries: 'usb-stick' | 'laptop';
  readonly stops: readonly RehearsalStop[];
  /** The same way again after so many hours; absent: once. */
  readonly everyHours?: number;
}

/** Two computers that are in reach of each other for a while, as contact traces have them. Milliseconds from the beginning. */
export interface RehearsalContact {
  readonly a: string;
  readonly b: string;
  readonly fromMs: number;
  readonly toMs: number;
}

/** A camp and what is to happen in it. */
export interface Rehearsal {
  readonly name: string;
  readonly days: number;
  /** Decides losses, delays and keys: the same seed gives the same report. Default 1. */
  readonly seed?: number;
  readonly sites: readonly RehearsalSite[];
  readonly links?: readonly RehearsalLink[];
  readonly instruments?: readonly RehearsalInstrument[];
  readonly files?: readonly RehearsalFile[];
  readonly trips?: readonly RehearsalTrip[];
  /** Who meets whom when, from a trace. */
  readonly contacts?: readonly RehearsalContact[];
  /** What joins two that meet. Default `wifi-ad-hoc`. */
  readonly contactPreset?: LinkPresetName;
  /** Sites where the data is wanted; default: all. */
  readonly wantedAt?: readonly string[];
  /** How old data may be when it arrives, by class: what is later counts as broken. */
  readonly hoursMax?: Partial<Readonly<Record<PriorityClass, number>>>;
}

const name = v.pipe(v.string(), v.regex(/^[A-Za-z0-9-]{1,32}$/, 'a name is 1 to 32 letters, digits and hyphens'));
const aboveZero = v.pipe(v.number(), v.finite(), v.gtValue(0));
const zeroOrMore = v.pipe(v.number(), v.finite(), v.minValue(0));
const priority = v.picklist(priorityClasses);
const preset = v.picklist(Object.keys(linkPresets) as LinkPresetName[]);
const hours = v.pipe(
  v.strictTuple([v.pipe(v.number(), v.minValue(0), v.ltValue(24)), v.number()]),
  v.check(([from, until]) => from < until && until <= from + 24, 'they end after they begin, and within a day'),
  v.readonly(),
);
const list = <T extends v.GenericSchema>(item: T) => v.pipe(v.array(item), v.readonly());

/** Nothing that is not known is overlooked: a plan with a wrong word in it would rehearse another camp. */
const planShape = v.strictObject({
  name: v.string(),
  days: aboveZero,
  seed: v.exactOptional(v.pipe(v.number(), v.safeInteger())),
  sites: list(
    v.strictObject({
      name,
      diskBytes: v.exactOptional(aboveZero),
      power: v.exactOptional(v.strictObject({ batteryWattHours: aboveZero, supplyWatts: zeroOrMore, drawWatts: zeroOrMore })),
    }),
  ),
  links: v.exactOptional(
    list(v.strictObject({ between: v.pipe(v.strictTuple([name, name]), v.readonly()), preset, hoursOfDay: v.exactOptional(list(hours)) })),
  ),
  instruments: v.exactOptional(
    list(
      v.strictObject({
        name,
        site: name,
        rowsPerHour: aboveZero,
        readEveryMinutes: v.exactOptional(aboveZero),
        priority: v.exactOptional(priority),
      }),
    ),
  ),
  files: v.exactOptional(
    list(
      v.strictObject({
        name: v.string(),
        site: name,
        sizeBytes: aboveZero,
        firstHour: v.exactOptional(zeroOrMore),
        everyHours: v.exactOptional(aboveZero),
        priority: v.exactOptional(priority),
      }),
    ),
  ),
  trips: v.exactOptional(
    list(
      v.strictObject({
        who: name,
        carries: v.picklist(['usb-stick', 'laptop']),
        stops: list(v.strictObject({ site: name, hour: zeroOrMore, minutes: aboveZero })),
        everyHours: v.exactOptional(aboveZero),
      }),
    ),
  ),
  contacts: v.exactOptional(list(v.strictObject({ a: name, b: name, fromMs: zeroOrMore, toMs: zeroOrMore }))),
  contactPreset: v.exactOptional(preset),
  wantedAt: v.exactOptional(list(name)),
  hoursMax: v.exactOptional(
    v.strictObject({
      emergency: v.exactOptional(aboveZero),
      critical: v.exactOptional(aboveZero),
      normal: v.exactOptional(aboveZero),
      bulk: v.exactOptional(aboveZero),
    }),
  ),
}) satisfies v.GenericSchema<Rehearsal>;

/** What is wrong with a plan, in a sentence without its end; `undefined` if nothing is. */
export function mistakeIn(plan: Rehearsal): string | undefined {
  const shaped = v.safeParse(planShape, plan);
  if (!shaped.success) return `${v.getDotPath(shaped.issues[0]) ?? 'plan'}: ${shaped.issues[0].message}`;
  const sites = new Set(plan.sites.map((site) => site.name));
  const laptops = (plan.trips ?? []).filter(({ carries }) => carries === 'laptop').map(({ who }) => who);
  const computers = [...plan.sites.map((site) => site.name), ...laptops];
  if (new Set(computers).size !== computers.length || sites.size < 2) return 'it needs two sites at least, and no two of one name';
  const named = [
    ...(plan.links ?? []).flatMap(({ between }) => between),
    ...(plan.instruments ?? []).map(({ site }) => site),
    ...(plan.files ?? []).map(({ site }) => site),
    ...(plan.trips ?? []).flatMap(({ stops }) => stops.map(({ site }) => site)),
    ...(plan.wantedAt ?? []),
  ];
  const unknown =
    named.find((each) => !sites.has(each)) ?? (plan.contacts ?? []).flatMap(({ a, b }) => [a, b]).find((each) => !computers.includes(each));
  if (unknown !== undefined) return `there is no site ${unknown}`;
  if (plan.links?.some(({ between: [a, b] }) => a === b)) return 'a link joins two sites, not one with itself';
  return undefined;
}
