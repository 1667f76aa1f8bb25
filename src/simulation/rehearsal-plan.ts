import type { PriorityClass } from '../core/priority.ts';
import type { LinkPresetName } from './presets.ts';

/**
 * What a team knows of its camp before it leaves: who stands where, what joins them, what is measured, who walks past. Everything is data, so a camp can be kept in a file, changed in one place and
 * rehearsed again.
 *
 * Hours count from the beginning of the rehearsal, which is midnight.
 */

/** A place with a computer. */
export interface RehearsalSite {
  /** Letters, digits and hyphens. */
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
  /** Hours of the day in which it is switched on, `[from, until)`; absent: always. */
  readonly hoursOfDay?: readonly [number, number];
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
