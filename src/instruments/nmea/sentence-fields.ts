import { dayUs, localMicroseconds, secondUs } from '../../formats/civil-time.ts';

/**
 * The few kinds of fields that NMEA sentences are made of. An empty field means that the talker does not know, and reads as `undefined`, as does everything that is not what it should be.
 */

/** A decimal number. */
export function numberField(text: string | undefined): number | undefined {
  return text !== undefined && /^[+-]?(?:\d+\.?\d*|\.\d+)$/.test(text) ? Number(text) : undefined;
}

/** Degrees, south and west negative, of `ddmm.mmm` or `dddmm.mmm` and the letter of the hemisphere. Latitudes beyond 90 and longitudes beyond 180 are none. */
export function angleField(text: string | undefined, hemisphere: string | undefined): number | undefined {
  const isLatitude = hemisphere === 'N' || hemisphere === 'S';
  if (!isLatitude && hemisphere !== 'E' && hemisphere !== 'W') return undefined;
  const parts = /^(\d{1,3})(\d{2}(?:\.\d*)?)$/.exec(text ?? '');
  const minutes = Number(parts?.[2]);
  const degrees = Number(parts?.[1]) + minutes / 60;
  if (parts === null || minutes >= 60 || degrees > (isLatitude ? 90 : 180)) return undefined;
  return hemisphere === 'S' || hemisphere === 'W' ? -degrees : degrees;
}

/** Microseconds since midnight UTC of `hhmmss` or `hhmmss.ss`. A leap second counts as the first of the next minute. */
export function timeOfDayField(text: string | undefined): number | undefined {
  const [, hour, minute, second] = /^(\d{2})(\d{2})(\d{2}(?:\.\d*)?)$/.exec(text ?? '') ?? [];
  if (hour === undefined || Number(hour) > 23 || Number(minute) > 59 || !(Number(second) < 61)) return undefined;
  return (Number(hour) * 60 + Number(minute)) * 60 * secondUs + Math.round(Number(second) * secondUs);
}

/** Microseconds from 1970 to the midnight of a date; 80 to 99 are of the last century. */
export function dateFields(year: string | undefined, month: string | undefined, day: string | undefined): number | undefined {
  if (![year, month, day].every((text) => /^\d{1,4}$/.test(text ?? ''))) return undefined;
  const written = Number(year);
  const century = written >= 100 ? 0 : written >= 80 ? 1900 : 2000;
  return localMicroseconds(century + written, Number(month), Number(day), 0, 0, 0, 0);
}

/** Microseconds from 1970 to the midnight of `ddmmyy`. */
export function dateField(text: string | undefined): number | undefined {
  const [, day, month, year] = /^(\d{2})(\d{2})(\d{2})$/.exec(text ?? '') ?? [];
  return dateFields(year, month, day);
}

/** The instant with this time of day that lies nearest to another instant: what a time without a date means when the date is known roughly. Microseconds since 1970 UTC. */
export function nearestInstant(timeOfDayUs: number, nearUs: number): number {
  return timeOfDayUs + Math.round((nearUs - timeOfDayUs) / dayUs) * dayUs;
}

const rolloverUs = 1024 * 7 * dayUs;

/**
 * The instant of a receiver whose count of weeks has run over: GPS counts 1024 weeks and begins again, and old receivers take the new ones for the old. Repaired only where this node's clock says the
 * same to a day but for whole rounds of 1024 weeks; else the receiver's word stands.
 */
export function withoutRollover(instantUs: number, wallMs: number): number {
  const rounds = Math.round((wallMs * 1000 - instantUs) / rolloverUs);
  const repaired = instantUs + rounds * rolloverUs;
  return rounds > 0 && Math.abs(wallMs * 1000 - repaired) <= dayUs ? repaired : instantUs;
}
