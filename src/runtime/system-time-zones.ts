import type { TimeZones } from '../ports/time-zones.ts';

/** Zones that are kept ready: making one ready takes a hundred times as long as asking it. */
const readyMax = 64;
const zoneLengthMax = 64;

/**
 * The time zones that this computer's JavaScript engine knows (its copy of the IANA database is ICU's; ECMA-402, `Intl.DateTimeFormat`).
 *
 * Offsets such as `+01:00`, which newer engines take for zones too, are none here: a fixed offset is said as such.
 */
export function systemTimeZones(): TimeZones {
  const ready = new Map<string, Intl.DateTimeFormat | undefined>();
  const formatOf = (zone: string): Intl.DateTimeFormat | undefined => {
    if (!ready.has(zone)) {
      if (ready.size >= readyMax) ready.clear();
      ready.set(zone, open(zone));
    }
    return ready.get(zone);
  };
  return {
    offsetSeconds(zone, instantMs) {
      const format = formatOf(zone);
      if (format === undefined || !Number.isFinite(instantMs)) return undefined;
      const seconds = Math.floor(instantMs / 1000);
      const shown = new Map<string, number>(format.formatToParts(seconds * 1000).map(({ type, value }) => [type, Number(value)]));
      const part = (type: string): number => shown.get(type) ?? 0;
      const local = Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second'));
      return local / 1000 - seconds;
    },
  };
}

function open(zone: string): Intl.DateTimeFormat | undefined {
  if (zone.length > zoneLengthMax || !/^[A-Za-z]/.test(zone)) return undefined;
  const numeric = 'numeric';
  try {
    return new Intl.DateTimeFormat('en-US-u-ca-iso8601-nu-latn', {
      timeZone: zone,
      hourCycle: 'h23',
      year: numeric,
      month: numeric,
      day: numeric,
      hour: numeric,
      minute: numeric,
      second: numeric,
    });
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
