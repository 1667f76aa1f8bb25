import type { TimeZones } from '../ports/time-zones.ts';

/** Offset of a zone from an instant on. */
export interface DeclaredOffset {
  /** Milliseconds since 1970 UTC. */
  readonly fromMs: number;
  /** Seconds east of UTC. */
  readonly offsetSeconds: number;
}

/**
 * Time zones by a table, so that a world is the same on every computer, whatever its engine knows. Before its first row a zone has the offset of that row.
 *
 * @param zones rows by name of the zone, in order of time
 */
export function declaredTimeZones(zones: Readonly<Record<string, readonly DeclaredOffset[]>>): TimeZones {
  return {
    offsetSeconds(zone, instantMs) {
      const rows = Object.hasOwn(zones, zone) ? zones[zone] : undefined;
      return (rows?.findLast(({ fromMs }) => fromMs <= instantMs) ?? rows?.[0])?.offsetSeconds;
    },
  };
}

/** Zones of the worlds: one without summer time, and Denver around 2026, whose clocks go forward on 8 March at 09:00 UTC and back on 1 November at 08:00 UTC. */
export const worldTimeZones: TimeZones = declaredTimeZones({
  'Etc/UTC': [{ fromMs: 0, offsetSeconds: 0 }],
  'America/Denver': [
    { fromMs: 1_762_070_400_000, offsetSeconds: -7 * 3600 },
    { fromMs: 1_772_960_400_000, offsetSeconds: -6 * 3600 },
    { fromMs: 1_793_520_000_000, offsetSeconds: -7 * 3600 },
    { fromMs: 1_805_014_800_000, offsetSeconds: -6 * 3600 },
  ],
});
