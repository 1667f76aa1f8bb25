import { GodwitError } from '../core/errors.ts';
import type { LocalStamp } from '../formats/record-stream.ts';
import { qualityFlag } from '../observations/quality-checks.ts';
import { isKnownZone, ZonedClock, type ZonedClockStates, type ZonedTime } from '../observations/zoned-clock.ts';
import type { TimeZones } from '../ports/time-zones.ts';
import type { SiteProfile } from './site-profile.ts';

/**
 * Instants of what an instrument stamped: by the offset that it states itself, else by the offset or the zone of the site profile. Where nobody says, nothing is guessed.
 */

/** Name of the logger events that say which other instant a record may be of. */
export const doubtfulTimeEventName = 'time-doubtful';

/** What a record that the clock cannot have shown is quarantined with. */
export const timeSkipped = {
  code: 'LOCAL_TIME_SKIPPED',
  message: 'the clocks of the zone in the site profile never showed this time: they had just been put forward',
} as const;

/** The clocks of one source. */
export class SiteTime {
  readonly #profile: SiteProfile;
  readonly #zones: TimeZones;
  readonly #states: ZonedClockStates;
  readonly #clockByTable = new Map<string, ZonedClock>();

  /** @throws GodwitError `TIME_ZONE_UNKNOWN` */
  constructor(profile: SiteProfile, zones: TimeZones, states: ZonedClockStates = {}) {
    this.#profile = profile;
    this.#zones = zones;
    this.#states = states;
    const { zone } = profile;
    if (zone !== undefined && !isKnownZone(zones, zone))
      throw new GodwitError('TIME_ZONE_UNKNOWN', `This computer knows no time zone "${zone}"; the site profile names it.`);
  }

  /** The instant of a table's next record; `undefined` where nobody says the zone. Records must be asked for in their order. */
  resolve(stamp: LocalStamp, table: string, intervalUs?: number): ZonedTime | undefined {
    const { utcOffsetMinutes, zone } = this.#profile;
    const offsetMinutes = stamp.offsetMinutes ?? utcOffsetMinutes;
    if (offsetMinutes !== undefined) return { kind: 'certain', timeUs: toUtcUs(stamp, offsetMinutes) };
    if (zone === undefined) return undefined;
    let clock = this.#clockByTable.get(table);
    if (clock === undefined) {
      const declaredUs = this.#profile.intervalUs ?? intervalUs;
      const state = Object.hasOwn(this.#states, table) ? this.#states[table] : undefined;
      clock = new ZonedClock(this.#zones, zone, {
        ...(declaredUs === undefined ? {} : { intervalUs: declaredUs }),
        ...(state === undefined ? {} : { state }),
      });
      this.#clockByTable.set(table, clock);
    }
    return clock.resolve(stamp.localUs);
  }

  /** What to go on from; `undefined` where there is nothing to remember. */
  state(): ZonedClockStates | undefined {
    const states = { ...this.#states };
    for (const [table, { state }] of this.#clockByTable) if (state !== undefined) states[table] = state;
    return Object.keys(states).length === 0 ? undefined : states;
  }
}

/** Microseconds since 1970 UTC of a time on a clock that is `offsetMinutes` east of UTC. */
export function toUtcUs(stamp: LocalStamp, offsetMinutes: number): number {
  return stamp.localUs - (stamp.offsetMinutes ?? offsetMinutes) * 60_000_000;
}

/** How a row of which the time is doubtful is marked: every value as suspect, and a logger event with the other instant that it may be of. */
export interface Doubt {
  readonly flags: Uint8Array;
  readonly event: { readonly timeUs: number; readonly name: string; readonly detail: string };
}

/** The marks of a row of so many fields; nothing where its time is certain. */
export function doubtOf(time: Exclude<ZonedTime, { kind: 'skipped' }>, fields: number): Doubt | undefined {
  if (time.kind === 'certain') return undefined;
  return {
    flags: new Uint8Array(fields).fill(qualityFlag.suspect),
    event: { timeUs: time.timeUs, name: doubtfulTimeEventName, detail: detailOf(time.otherUs) },
  };
}

/** Whether an event says that a row at `timeUs` may be of `otherUs`. */
export function isDoubt(event: Doubt['event'], timeUs: number, otherUs: number): boolean {
  return event.timeUs === timeUs && event.name === doubtfulTimeEventName && event.detail === detailOf(otherUs);
}

function detailOf(otherUs: number): string {
  return `or_us=${otherUs}`;
}
